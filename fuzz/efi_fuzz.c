/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/text.h"
#include "core/boot/efi.h"

#include <stdlib.h>

/*
 * The structures of UEFI, one a first byte. What is accepted accounts for every byte of the input, what is refused leaves
 * nothing behind and names its rule, and every text is UTF-8 that moves nothing on a terminal.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static uint8_t text[1 << 20];
static uint8_t again[1 << 20];

static void check_text(struct ch_span s)
{
	CHECK(ch_utf8_valid(s));
	for (uint32_t code; s.n > 0;) {
		size_t n = ch_utf8_decode(s, &code);
		CHECK(ch_text_shown(code));
		s = ch_span(s.p + n, s.n - n);
	}
}

static void check_path(struct ch_span in)
{
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_span where;
	struct ch_span file;
	enum ch_err err = ch_efi_devpath_put(&w, in);
	CHECK(!w.bad && err == ch_efi_devpath_check(in));
	ch_efi_devpath_split(in, &where, &file);
	if (err != CH_OK) {
		CHECK(w.len == 0 && where.n == 0 && file.n == 0);
		return;
	}
	check_text(ch_wr_span(&w));
	CHECK(where.n + file.n + 4 == in.n);
	/* The two parts give the whole, with a slash between them unless the file path starts an instance of its own. */
	bool same = false;
	for (int slash = 0; slash < 2; slash++) {
		struct ch_wr parts = ch_wr(again, sizeof(again));
		ch_efi_devpath_put_nodes(&parts, where);
		if (slash == 1)
			ch_wr_u8(&parts, '/');
		ch_efi_devpath_put_nodes(&parts, file);
		same = same || ch_span_eq(ch_wr_span(&parts), ch_wr_span(&w));
	}
	CHECK(same);
}

static void check_database(struct ch_span in)
{
	struct ch_diag d;
	struct ch_efi_sig sig;
	size_t count = 0;
	size_t off = 0;
	enum ch_err err = ch_efi_siglist_check(in, &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= in.n);
	struct ch_efi_siglist_iter it = ch_efi_siglist_iter(in);
	for (; ch_efi_siglist_next(&it, &sig); count++) {
		CHECK(sig.off >= off && sig.data.p == in.p + sig.off + 16 && sig.data.n > 0);
		CHECK(sig.off + 16 + sig.data.n <= in.n);
		off = sig.off + 16 + sig.data.n;
		struct ch_wr w = ch_wr(text, sizeof(text));
		ch_efi_cert_subject_put(&w, sig.data);
		check_text(ch_wr_span(&w));
	}
	CHECK(!ch_efi_siglist_next(&it, &sig));
	CHECK(err != CH_OK || (count <= CH_SIGLIST_MAX && it.off == in.n));
}

static void check_gpt(struct ch_span in)
{
	struct ch_diag d;
	struct ch_efi_gpt gpt;
	struct ch_efi_gpt_entry e;
	enum ch_err err = ch_efi_gpt_parse(&gpt, in, &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= in.n);
	CHECK(err == CH_OK ? 100 + gpt.count * gpt.entry_size == in.n : gpt.count == 0);
	for (size_t i = 0; i < gpt.count; i++)
		CHECK(ch_efi_gpt_entry(&gpt, i, &e) && e.name.p == in.p + 100 + i * gpt.entry_size + 56);
	CHECK(!ch_efi_gpt_entry(&gpt, gpt.count, &e));
}

static void check_option(struct ch_span in)
{
	struct ch_diag d;
	struct ch_efi_load_option lo;
	if (ch_efi_load_option_parse(&lo, in, &d) != CH_OK) {
		CHECK(d.rule != NULL && d.off <= in.n && lo.optional.n == 0 && lo.description.n == 0);
		return;
	}
	CHECK(6 + lo.description.n + 2 + lo.devpath.n + lo.optional.n == in.n);
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_utf16le_escape(&w, lo.description);
	check_text(ch_wr_span(&w));
	check_path(lo.devpath);
}

static void check_certificate(struct ch_span in)
{
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_efi_cert_subject_put(&w, in);
	CHECK(w.len > 0);
	check_text(ch_wr_span(&w));
}

static void check_guid(struct ch_span in)
{
	struct ch_efi_guid guid;
	struct ch_efi_guid back;
	struct ch_wr w = ch_wr(text, sizeof(text));
	if (ch_efi_guid_parse(&guid, in) != CH_OK) {
		CHECK(ch_span_all(CH_SPAN_OF(guid.b), 0));
		return;
	}
	ch_efi_guid_put(&w, &guid);
	CHECK(ch_efi_guid_parse(&back, ch_wr_span(&w)) == CH_OK && ch_efi_guid_eq(&guid, &back));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const check[])(struct ch_span) = { check_path,   check_database,    check_gpt,
							 check_option, check_certificate, check_guid };
	if (size < 1 || size > 1 << 16)
		return 0;
	check[data[0] % CH_COUNT_OF(check)](ch_span(data + 1, size - 1));
	return 0;
}
