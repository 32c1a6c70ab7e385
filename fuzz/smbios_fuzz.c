/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/text.h"
#include "core/boot/smbios.h"

#include <stdlib.h>

/* A table is accepted whole or not at all; each field of an accepted one is clean text, and only known names give one. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static const char *const name[] = { "bios-vendor",          "bios-release-date",   "system-uuid",     "system-family",
				    "system-serial-number", "baseboard-asset-tag", "chassis-version", "no-such-field" };

static uint8_t text[1 << 19];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_smbios s;
	struct ch_diag d;
	if (size > 1 << 16)
		return 0;
	if (ch_smbios_parse(&s, ch_span(data, size), &d) != CH_OK) {
		CHECK(d.rule != NULL && d.off <= size && s.count == 0 && s.in.n == 0);
		return 0;
	}
	CHECK(d.rule == NULL && s.count >= 1 && s.count <= CH_SMBIOS_STRUCTS_MAX && s.in.n == size);
	for (size_t i = 0; i < CH_COUNT_OF(name); i++) {
		struct ch_wr w = ch_wr(text, sizeof(text));
		bool known = ch_smbios_is_field(ch_span_str(name[i]));
		bool there = ch_smbios_field_put(&s, ch_span_str(name[i]), &w);
		CHECK(!w.bad && (known || !there) && (there || w.len == 0));
		CHECK(ch_utf8_valid(ch_wr_span(&w)));
		CHECK(known == (i + 1 < CH_COUNT_OF(name)));
	}
	return 0;
}
