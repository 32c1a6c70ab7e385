/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/proof.h"

#include "core/wire/base64.h"

#define HEAD "c2sp.org/tlog-proof@v1"

/* The line at the cursor without its newline. Sticky `bad` if it has none. */
static struct ch_span take_line(struct ch_rd *r)
{
	size_t end = r->off;
	while (end < r->in.n && r->in.p[end] != '\n')
		end++;
	struct ch_span line = ch_rd_take(r, end - r->off);
	(void)ch_rd_u8(r);
	return line;
}

static bool take_word(struct ch_span *line, struct ch_span word)
{
	if (!ch_span_starts(*line, word))
		return false;
	*line = ch_span_sub(*line, word.n, line->n - word.n);
	return true;
}

static enum ch_err parse_index(uint64_t *index, struct ch_span digits)
{
	uint64_t v = 0;
	if (digits.n == 0 || (digits.n > 1 && digits.p[0] == '0'))
		return CH_ERR_MALFORMED;
	for (size_t i = 0; i < digits.n; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return CH_ERR_MALFORMED;
		uint64_t digit = (uint64_t)(digits.p[i] - '0');
		if (v > (CH_MERKLE_SIZE_MAX - digit) / 10)
			return CH_ERR_RANGE;
		v = v * 10 + digit;
	}
	*index = v;
	return CH_OK;
}

static enum ch_err parse_hashes(struct ch_proof *p, struct ch_rd *r, struct ch_diag *d)
{
	for (;;) {
		size_t at = r->off;
		size_t n = 0;
		struct ch_span line = take_line(r);
		if (r->bad)
			return ch_fail(d, CH_ERR_TRUNCATED, at,
				       "the hashes of a proof end with an empty line (C2SP tlog-proof)");
		if (line.n == 0)
			return CH_OK;
		if (p->count == CH_MERKLE_DEPTH_MAX)
			return ch_fail(d, CH_ERR_LIMIT, at, "a proof has at most CH_MERKLE_DEPTH_MAX hashes");
		struct ch_tree_hash *hash = &p->hash[p->count++];
		if (ch_base64_decode(CH_BASE64_STD, line, hash->b, sizeof(hash->b), &n, NULL) != CH_OK ||
		    n != sizeof(hash->b))
			return ch_fail(d, CH_ERR_MALFORMED, at,
				       "a hash of a proof is 32 bytes in base64 (C2SP tlog-proof)");
	}
}

static enum ch_err parse(struct ch_proof *p, struct ch_rd *r, struct ch_diag *d)
{
	if (!ch_span_eq(take_line(r), CH_SPAN_LIT(HEAD)) || r->bad)
		return ch_fail(d, CH_ERR_MALFORMED, 0, "a proof begins with " HEAD " (C2SP tlog-proof)");
	size_t at = r->off;
	struct ch_span line = take_line(r);
	if (take_word(&line, CH_SPAN_LIT("extra "))) {
		if (ch_base64_decode(CH_BASE64_STD, line, p->extra, sizeof(p->extra), &p->extra_n, NULL) != CH_OK ||
		    p->extra_n == 0)
			return ch_fail(d, CH_ERR_MALFORMED, at,
				       "the extra data of a proof is base64, at most 1024 bytes");
		at = r->off;
		line = take_line(r);
	}
	enum ch_err err = take_word(&line, CH_SPAN_LIT("index ")) ? parse_index(&p->index, line) : CH_ERR_MALFORMED;
	if (r->bad || err != CH_OK)
		return ch_fail(d, r->bad ? CH_ERR_TRUNCATED : err, at,
			       "a proof has a line: index and its number (C2SP tlog-proof)");
	err = parse_hashes(p, r, d);
	if (err != CH_OK)
		return err;
	p->checkpoint = ch_rd_rest(r);
	if (p->checkpoint.n == 0)
		return ch_fail(d, CH_ERR_TRUNCATED, r->off, "a proof ends with a checkpoint (C2SP tlog-proof)");
	return CH_OK;
}

enum ch_err ch_proof_parse(struct ch_proof *p, struct ch_span in, struct ch_diag *d)
{
	struct ch_rd r = ch_rd(in);
	*p = (struct ch_proof){ 0 };
	ch_diag_clear(d);
	if (in.n > CH_PROOF_TEXT_MAX)
		return ch_fail(d, CH_ERR_LIMIT, 0, "the proof is longer than CH_PROOF_TEXT_MAX");
	enum ch_err err = parse(p, &r, d);
	if (err != CH_OK)
		*p = (struct ch_proof){ 0 };
	return err;
}

void ch_proof_put(struct ch_wr *w, const struct ch_proof *p)
{
	ch_wr_str(w, HEAD "\n");
	if (p->extra_n > 0) {
		ch_wr_str(w, "extra ");
		ch_base64_put(w, CH_BASE64_STD, ch_span(p->extra, p->extra_n));
		ch_wr_u8(w, '\n');
	}
	ch_wr_str(w, "index ");
	ch_wr_dec(w, p->index);
	ch_wr_u8(w, '\n');
	for (size_t i = 0; i < p->count; i++) {
		ch_base64_put(w, CH_BASE64_STD, ch_tree_hash_span(&p->hash[i]));
		ch_wr_u8(w, '\n');
	}
	ch_wr_u8(w, '\n');
	ch_wr_put(w, p->checkpoint);
}

enum ch_err ch_proof_check(const struct ch_proof *p, struct ch_span entry, const struct ch_note_key *key,
			   const struct ch_verify_key *vk, struct ch_checkpoint *c, struct ch_diag *d)
{
	struct ch_checkpoint out;
	struct ch_tree_hash leaf;
	*c = (struct ch_checkpoint){ 0 };
	enum ch_err err = ch_checkpoint_open(&out, p->checkpoint, key, vk, d);
	if (err != CH_OK)
		return err;
	err = ch_merkle_leaf(&leaf, entry);
	if (err == CH_OK)
		err = ch_merkle_inclusion_check(p->index, out.size, &leaf, p->hash, p->count, &out.root);
	if (err != CH_OK)
		return ch_fail(
			d, err, 0,
			err == CH_ERR_RANGE
				? "the proof has another length than this place in the tree needs (RFC 9162, 2.1.3.2)"
				: "the proof leads to another root than the checkpoint's (RFC 9162, 2.1.3.2)");
	*c = out;
	return CH_OK;
}

/* By one log. */
static enum ch_err check_log(const struct ch_proof *p, struct ch_span entry, const struct ch_note_key *log,
			     struct ch_checkpoint *c, struct ch_diag *d)
{
	struct ch_verify_key vk;
	const struct ch_pub pub = { .type = CH_KEY_ED25519, .a = CH_SPAN_OF(log->pub) };
	enum ch_err err = ch_verify_key_init(&vk, &pub);
	if (err != CH_OK)
		return ch_fail(d, err, 0, "the key of the log is not a valid one of Ed25519");
	err = ch_proof_check(p, entry, log, &vk, c, d);
	ch_verify_key_clear(&vk);
	return err;
}

enum ch_err ch_proof_check_any(const struct ch_proof *p, struct ch_span entry, const struct ch_note_key *log,
			       size_t count, struct ch_checkpoint *c, struct ch_diag *d)
{
	enum ch_err err = CH_ERR_UNTRUSTED;
	*c = (struct ch_checkpoint){ 0 };
	(void)ch_fail(d, err, 0, "no log that is trusted signed the checkpoint");
	for (size_t i = 0; i < count; i++) {
		struct ch_diag one = { .rule = NULL };
		enum ch_err e = check_log(p, entry, &log[i], c, &one);
		if (e == CH_OK) {
			ch_diag_clear(d);
			return CH_OK;
		}
		if (e != CH_ERR_UNTRUSTED)
			err = ch_fail(d, e, one.off, one.rule);
	}
	return err;
}
