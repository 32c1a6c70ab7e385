/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/text.h"
#include "core/boot/tcg_event.h"

#include <stdlib.h>

/*
 * An event: PCR, type and which bytes were measured come from the first six bytes, its data are the rest. Whatever they are,
 * what is said to be covered hashes to the digest, every part that is given lies inside the data, the line about it is UTF-8 of
 * at most 1024 bytes that moves nothing on a terminal, and hashing changes nothing of the line.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static const uint32_t type[] = {
	CH_EV_POST_CODE,
	CH_EV_NO_ACTION,
	CH_EV_SEPARATOR,
	CH_EV_ACTION,
	CH_EV_EVENT_TAG,
	CH_EV_S_CRTM_CONTENTS,
	CH_EV_S_CRTM_VERSION,
	CH_EV_PLATFORM_CONFIG_FLAGS,
	CH_EV_IPL,
	CH_EV_EFI_VARIABLE_DRIVER_CONFIG,
	CH_EV_EFI_VARIABLE_BOOT,
	CH_EV_EFI_BOOT_SERVICES_APPLICATION,
	CH_EV_EFI_GPT_EVENT,
	CH_EV_EFI_ACTION,
	CH_EV_EFI_PLATFORM_FIRMWARE_BLOB,
	CH_EV_EFI_HANDOFF_TABLES,
	CH_EV_EFI_PLATFORM_FIRMWARE_BLOB2,
	CH_EV_EFI_HANDOFF_TABLES2,
	CH_EV_EFI_VARIABLE_AUTHORITY,
	0x502,
	0x12345678,
};

static struct ch_span describe(const struct ch_tcg_event *ev, const struct ch_tcg_what *what,
			       uint8_t text[static CH_TCG_DESCRIBE_MAX])
{
	struct ch_wr w = ch_wr(text, CH_TCG_DESCRIBE_MAX);
	ch_tcg_event_describe(ev, what, &w);
	CHECK(!w.bad && w.len > 0);
	struct ch_span s = ch_wr_span(&w);
	CHECK(ch_utf8_valid(s));
	for (uint32_t code; s.n > 0;) {
		size_t n = ch_utf8_decode(s, &code);
		CHECK(ch_text_shown(code));
		s = ch_span(s.p + n, s.n - n);
	}
	return ch_wr_span(&w);
}

static void check_inside(struct ch_span part, struct ch_span whole)
{
	CHECK(part.n == 0 ||
	      (part.p >= whole.p && part.n <= whole.n && part.p - whole.p <= (ptrdiff_t)(whole.n - part.n)));
}

static bool is_hash(struct ch_span s, struct ch_span digest)
{
	struct ch_digest d;
	return ch_hash_once(CH_HASH_SHA256, s, &d) == CH_OK && ch_span_eq(ch_digest_span(&d), digest);
}

static void check_cover(const struct ch_tcg_event *ev, const struct ch_tcg_what *what)
{
	struct ch_span digest = ch_tcg_digest_in(ev, CH_HASH_SHA256);
	bool whole = what->covered.p == ev->data.p && what->covered.n == ev->data.n;
	switch (what->cover) {
	case CH_COVER_NONE:
	case CH_COVER_CONFLICT:
		CHECK(what->covered.n == 0);
		break;
	case CH_COVER_ALL:
		/* only in UTF-16 may something else than the data have been measured */
		CHECK(whole && (is_hash(ev->data, digest) || (ev->type == CH_EV_IPL && what->utf16)));
		break;
	case CH_COVER_PART:
		CHECK(!whole && is_hash(what->covered, digest));
		break;
	}
	CHECK(what->cover == CH_COVER_NONE || ev->extended);
	CHECK(ch_tcg_event_covers(ev, CH_COVER_ALL) == (what->cover == CH_COVER_ALL));
	CHECK(ch_tcg_event_covers(ev, CH_COVER_PART) == (what->cover == CH_COVER_PART));
}

static void check(const struct ch_tcg_event *ev)
{
	static uint8_t line[2][CH_TCG_DESCRIBE_MAX];
	struct ch_tcg_what what;
	struct ch_tcg_what only;
	ch_tcg_event_decode_only(ev, &only);
	ch_tcg_event_decode(ev, &what);
	CHECK(only.cover == CH_COVER_NONE && only.covered.n == 0);
	CHECK(what.kind == only.kind || (what.kind == CH_TCG_TEXT && only.kind == CH_TCG_LABEL));
	CHECK(what.source != NULL && (what.defect == NULL || what.kind == CH_TCG_OPAQUE));
	check_inside(what.text, ev->data);
	check_inside(what.name, ev->data);
	check_inside(what.value, ev->data);
	check_inside(what.devpath, ev->data);
	check_inside(what.covered, ev->data);
	check_cover(ev, &what);
	CHECK(ch_span_eq(describe(ev, &what, line[0]), describe(ev, &only, line[1])));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_digest digest[2];
	if (size < 6 || size > 1 << 14)
		return 0;
	struct ch_span rest = ch_span(data + 6, size - 6);
	struct ch_tcg_event ev = { .pcr = data[0] % CH_PCR_COUNT,
				   .type = type[data[1] % CH_COUNT_OF(type)],
				   .data = rest };
	ev.extended = ev.type != CH_EV_NO_ACTION;
	/* measured: bytes from `from` to so many before the end; where that is not inside the data, all of them */
	size_t from = data[2];
	size_t less = data[3];
	struct ch_span measured = from + less <= rest.n ? ch_span(rest.p + from, rest.n - from - less) : rest;
	ev.digest_count = 1 + (data[4] & 1);
	for (size_t i = 0; i < ev.digest_count; i++) {
		enum ch_hash_alg alg = i == 0 ? CH_HASH_SHA256 : CH_HASH_SHA1;
		struct ch_span s = i == 1 && (data[4] & 2) != 0 ? rest : measured;
		if (ch_hash_once(alg, s, &digest[i]) != CH_OK)
			abort();
		ev.digest[i] = (struct ch_tcg_digest){ alg, ch_digest_span(&digest[i]) };
	}
	check(&ev);
	return 0;
}
