/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A note that is taken is its text, an empty line and its signature lines, nothing else; a checkpoint and a key that are taken are
 * written as the same bytes.
 */
#include "core/trust/checkpoint.h"

#include <stdlib.h>

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_checkpoint(struct ch_span text)
{
	struct ch_diag d;
	struct ch_checkpoint c;
	enum ch_err err = ch_checkpoint_parse(&c, text, &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= text.n);
	if (err != CH_OK) {
		CHECK(c.size == 0 && c.origin.n == 0 && c.extensions.n == 0);
		return;
	}
	size_t n = text.n - c.extensions.n;
	uint8_t *again = malloc(n);
	CHECK(again != NULL && c.size <= CH_MERKLE_SIZE_MAX);
	struct ch_wr w = ch_wr(again, n);
	ch_checkpoint_put(&w, c.origin, c.size, &c.root);
	CHECK(!w.bad && ch_span_eq(ch_wr_span(&w), ch_span(text.p, n)));
	free(again);
}

static void check_note(struct ch_span in)
{
	struct ch_diag d;
	struct ch_note n;
	enum ch_err err = ch_note_parse(&n, in, &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= in.n);
	if (err != CH_OK) {
		CHECK(n.count == 0 && n.text.n == 0);
		return;
	}
	CHECK(n.text.n + 1 + n.signatures.n == in.n && n.text.p[n.text.n - 1] == '\n');
	struct ch_rd lines = ch_rd(n.signatures);
	struct ch_note_sig sig;
	size_t count = 0;
	size_t bytes = 0;
	while (ch_note_sig_next(&lines, &sig)) {
		count++;
		bytes += 3 + 1 + sig.name.n + 1 + sig.base64.n + 1;
	}
	CHECK(count == n.count && bytes == n.signatures.n);
	check_checkpoint(n.text);
}

static void check_key(struct ch_span text)
{
	struct ch_diag d;
	struct ch_note_key k;
	uint8_t again[CH_NOTE_KEY_TEXT_MAX];
	enum ch_err err = ch_note_key_parse(&k, text, &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= text.n);
	if (err != CH_OK) {
		CHECK(k.name.n == 0);
		return;
	}
	struct ch_wr w = ch_wr(again, sizeof(again));
	ch_note_key_put(&w, &k);
	CHECK(!w.bad && w.len == text.n);
	CHECK(ch_note_key_parse(&k, ch_wr_span(&w), &d) == CH_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_span in = ch_span(data, size);
	check_note(in);
	check_checkpoint(in);
	check_key(in);
	return 0;
}
