/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/checkpoint.h"

#include "core/base/text.h"
#include "core/wire/base64.h"

#define KEY_TYPE_ED25519 0x01
#define SIG_ED25519      64

#define DASH "\xe2\x80\x94 " /* U+2014 and a space begin every signature line */

/* --- names and keys --- */

/* White space of Unicode outside of ASCII: what a reader could take for the end of a name. */
static bool is_space(uint32_t code)
{
	return code == 0x20 || code == 0x85 || code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) ||
	       code == 0x2028 || code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

bool ch_note_name_valid(struct ch_span name)
{
	if (name.n == 0 || name.n > CH_NOTE_NAME_MAX)
		return false;
	for (size_t off = 0; off < name.n;) {
		uint32_t code = 0;
		size_t n = ch_utf8_decode(ch_span_sub(name, off, name.n - off), &code);
		if (n == 0 || code < 0x20 || code == 0x7f || code == '+' || is_space(code))
			return false;
		off += n;
	}
	return true;
}

static enum ch_err key_id(uint8_t id[static 4], struct ch_span name, const uint8_t pub[static 32])
{
	struct ch_hash h;
	struct ch_digest digest;
	enum ch_err err = ch_hash_init(&h, CH_HASH_SHA256);
	if (err != CH_OK)
		return err;
	const uint8_t middle[] = { '\n', KEY_TYPE_ED25519 };
	ch_hash_update(&h, name);
	ch_hash_update(&h, CH_SPAN_OF(middle));
	ch_hash_update(&h, ch_span(pub, 32));
	ch_hash_final(&h, &digest);
	ch_span_copy(id, 4, ch_digest_span(&digest));
	return CH_OK;
}

enum ch_err ch_note_key_make(struct ch_note_key *k, struct ch_span name, const uint8_t pub[static 32])
{
	struct ch_note_key out = { .name = name };
	*k = (struct ch_note_key){ 0 };
	if (!ch_note_name_valid(name))
		return CH_ERR_MALFORMED;
	ch_span_copy(out.pub, sizeof(out.pub), ch_span(pub, 32));
	enum ch_err err = key_id(out.id, name, pub);
	if (err == CH_OK)
		*k = out;
	return err;
}

/* Offset of the first `c` at or after `off`; s.n if there is none. */
static size_t find(struct ch_span s, size_t off, uint8_t c)
{
	while (off < s.n && s.p[off] != c)
		off++;
	return off;
}

enum ch_err ch_note_key_parse(struct ch_note_key *k, struct ch_span text, struct ch_diag *d)
{
	uint8_t key[CH_NOTE_SIG_MAX];
	uint8_t id[4];
	size_t n = 0;
	*k = (struct ch_note_key){ 0 };
	ch_diag_clear(d);
	size_t plus = find(text, 0, '+');
	size_t plus2 = find(text, plus + 1, '+');
	if (plus >= text.n || plus2 >= text.n)
		return ch_fail(d, CH_ERR_MALFORMED, 0, "a verifier key is NAME+ID+KEY (C2SP signed-note)");
	struct ch_span name = ch_span_sub(text, 0, plus);
	struct ch_span base64 = ch_span_sub(text, plus2 + 1, text.n - plus2 - 1);
	if (ch_hex_decode(id, sizeof(id), ch_span_sub(text, plus + 1, plus2 - plus - 1)) != CH_OK)
		return ch_fail(d, CH_ERR_MALFORMED, plus + 1, "the id of a key is eight hexadecimal digits");
	if (ch_base64_decode(CH_BASE64_STD, base64, key, sizeof(key), &n, NULL) != CH_OK || n == 0)
		return ch_fail(d, CH_ERR_ENCODING, plus2 + 1, "the key is not base64, or is too long");
	if (key[0] != KEY_TYPE_ED25519)
		return ch_fail(d, CH_ERR_UNSUPPORTED, plus2 + 1, "only keys of type 0x01 (Ed25519) are supported");
	if (n != 33)
		return ch_fail(d, CH_ERR_RANGE, plus2 + 1, "a key of Ed25519 has 32 bytes (RFC 8032, 5.1.5)");
	enum ch_err err = ch_note_key_make(k, name, key + 1);
	if (err != CH_OK)
		return ch_fail(d, err, 0, "the name of the key is not one (C2SP signed-note)");
	if (!ch_span_eq(CH_SPAN_OF(id), CH_SPAN_OF(k->id))) {
		*k = (struct ch_note_key){ 0 };
		return ch_fail(d, CH_ERR_MISMATCH, plus + 1, "the id is not the one of this name and key");
	}
	return CH_OK;
}

void ch_note_key_put(struct ch_wr *w, const struct ch_note_key *k)
{
	uint8_t key[33] = { KEY_TYPE_ED25519 };
	ch_span_copy(key + 1, 32, CH_SPAN_OF(k->pub));
	ch_wr_put(w, k->name);
	ch_wr_u8(w, '+');
	ch_wr_hex(w, CH_SPAN_OF(k->id));
	ch_wr_u8(w, '+');
	ch_base64_put(w, CH_BASE64_STD, CH_SPAN_OF(key));
}

/* --- notes --- */

static enum ch_err check_text(struct ch_span in, struct ch_diag *d)
{
	for (size_t off = 0; off < in.n;) {
		uint32_t code = 0;
		size_t n = ch_utf8_decode(ch_span_sub(in, off, in.n - off), &code);
		if (n == 0)
			return ch_fail(d, CH_ERR_ENCODING, off, "a note is UTF-8 (C2SP signed-note)");
		if (code < 0x20 && code != '\n')
			return ch_fail(d, CH_ERR_ENCODING, off,
				       "a note has no control characters but newline (C2SP signed-note)");
		off += n;
	}
	return CH_OK;
}

/* Reads one line, without its newline, as a signature. */
static enum ch_err sig_parse(struct ch_note_sig *sig, struct ch_span line)
{
	struct ch_span dash = CH_SPAN_LIT(DASH);
	uint8_t bytes[CH_NOTE_SIG_MAX];
	size_t n = 0;
	if (!ch_span_starts(line, dash))
		return CH_ERR_MALFORMED;
	size_t space = find(line, dash.n, ' ');
	if (space == line.n)
		return CH_ERR_MALFORMED;
	sig->name = ch_span_sub(line, dash.n, space - dash.n);
	sig->base64 = ch_span_sub(line, space + 1, line.n - space - 1);
	if (!ch_note_name_valid(sig->name))
		return CH_ERR_MALFORMED;
	enum ch_err err = ch_base64_decode(CH_BASE64_STD, sig->base64, bytes, sizeof(bytes), &n, NULL);
	if (err != CH_OK || n < sizeof(sig->id) + 1)
		return CH_ERR_MALFORMED;
	ch_span_copy(sig->id, sizeof(sig->id), ch_span(bytes, n));
	return CH_OK;
}

/* Offset behind the last empty line: where the signatures begin; 0 if there is none. */
static size_t signatures_at(struct ch_span in)
{
	for (size_t i = in.n; i >= 2; i--) {
		if (in.p[i - 1] == '\n' && in.p[i - 2] == '\n')
			return i;
	}
	return 0;
}

enum ch_err ch_note_parse(struct ch_note *n, struct ch_span in, struct ch_diag *d)
{
	return ch_note_split(n, in, CH_NOTE_MAX, d);
}

enum ch_err ch_note_split(struct ch_note *n, struct ch_span in, size_t max, struct ch_diag *d)
{
	*n = (struct ch_note){ 0 };
	ch_diag_clear(d);
	if (in.n > max)
		return ch_fail(d, CH_ERR_LIMIT, 0, "the note is longer than it may be (core/base/limits.h)");
	enum ch_err err = check_text(in, d);
	if (err != CH_OK)
		return err;
	size_t at = signatures_at(in);
	if (at < 3)
		return ch_fail(d, CH_ERR_MALFORMED, in.n,
			       "a note is text, an empty line and signatures (C2SP signed-note)");
	struct ch_note out = { ch_span_sub(in, 0, at - 1), ch_span_sub(in, at, in.n - at), 0 };
	struct ch_note_sig sig;
	while (at < in.n) {
		size_t end = find(in, at, '\n');
		if (end == in.n)
			return ch_fail(d, CH_ERR_TRUNCATED, in.n, "a signature line has no newline (C2SP signed-note)");
		if (sig_parse(&sig, ch_span_sub(in, at, end - at)) != CH_OK)
			return ch_fail(d, CH_ERR_MALFORMED, at,
				       "a signature line is a dash, a name and base64 (C2SP signed-note)");
		if (++out.count > CH_NOTE_SIGS_MAX)
			return ch_fail(d, CH_ERR_LIMIT, at, "the note has more signatures than CH_NOTE_SIGS_MAX");
		at = end + 1;
	}
	if (out.count == 0)
		return ch_fail(d, CH_ERR_MISSING, in.n, "the note has no signature (C2SP signed-note)");
	*n = out;
	return CH_OK;
}

bool ch_note_sig_next(struct ch_rd *lines, struct ch_note_sig *sig)
{
	if (ch_rd_left(lines) == 0)
		return false;
	size_t end = find(lines->in, lines->off, '\n');
	struct ch_span line = ch_rd_take(lines, end - lines->off);
	(void)ch_rd_u8(lines);
	return sig_parse(sig, line) == CH_OK;
}

enum ch_err ch_note_verify(const struct ch_note *n, const struct ch_note_key *key, const struct ch_verify_key *vk)
{
	struct ch_rd lines = ch_rd(n->signatures);
	struct ch_note_sig sig;
	bool found = false;
	while (ch_note_sig_next(&lines, &sig)) {
		uint8_t bytes[CH_NOTE_SIG_MAX];
		size_t count = 0;
		if (!ch_span_eq(sig.name, key->name) || !ch_span_eq(CH_SPAN_OF(sig.id), CH_SPAN_OF(key->id)))
			continue;
		if (ch_base64_decode(CH_BASE64_STD, sig.base64, bytes, sizeof(bytes), &count, NULL) != CH_OK ||
		    count != sizeof(sig.id) + SIG_ED25519)
			return CH_ERR_SIGNATURE;
		const struct ch_sig ed = { .scheme = CH_SIG_ED25519,
					   .a = ch_span(bytes + sizeof(sig.id), SIG_ED25519) };
		enum ch_err err = ch_verify_message(vk, &ed, n->text);
		if (err != CH_OK)
			return err;
		found = true;
	}
	return found ? CH_OK : CH_ERR_UNTRUSTED;
}

void ch_note_sig_put(struct ch_wr *w, const struct ch_note_key *key, const uint8_t sig[static 64])
{
	uint8_t bytes[4 + SIG_ED25519];
	ch_span_copy(bytes, 4, CH_SPAN_OF(key->id));
	ch_span_copy(bytes + 4, SIG_ED25519, ch_span(sig, SIG_ED25519));
	ch_wr_str(w, DASH);
	ch_wr_put(w, key->name);
	ch_wr_u8(w, ' ');
	ch_base64_put(w, CH_BASE64_STD, CH_SPAN_OF(bytes));
	ch_wr_u8(w, '\n');
}

/* --- checkpoints --- */

static struct ch_span take_line(struct ch_rd *r)
{
	struct ch_span line = ch_rd_take(r, find(r->in, r->off, '\n') - r->off);
	(void)ch_rd_u8(r);
	return line;
}

/* Decimal digits without leading zeros. */
static enum ch_err size_parse(uint64_t *size, struct ch_span s)
{
	uint64_t v = 0;
	if (s.n == 0 || (s.n > 1 && s.p[0] == '0'))
		return CH_ERR_MALFORMED;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return CH_ERR_MALFORMED;
		uint64_t digit = (uint64_t)(s.p[i] - '0');
		if (v > (CH_MERKLE_SIZE_MAX - digit) / 10)
			return CH_ERR_RANGE;
		v = v * 10 + digit;
	}
	*size = v;
	return CH_OK;
}

enum ch_err ch_checkpoint_parse(struct ch_checkpoint *c, struct ch_span text, struct ch_diag *d)
{
	struct ch_rd r = ch_rd(text);
	struct ch_checkpoint out = { .origin = take_line(&r) };
	uint8_t root[CH_MERKLE_HASH];
	size_t n = 0;
	*c = (struct ch_checkpoint){ 0 };
	ch_diag_clear(d);
	if (r.bad || out.origin.n == 0 || out.origin.n > CH_NOTE_NAME_MAX)
		return ch_fail(d, CH_ERR_MALFORMED, 0, "the first line is the origin (C2SP tlog-checkpoint)");
	size_t at = r.off;
	enum ch_err err = size_parse(&out.size, take_line(&r));
	if (r.bad || err != CH_OK)
		return ch_fail(d, r.bad ? CH_ERR_TRUNCATED : err, at,
			       "the second line is the size in decimal, below 2^63 (C2SP tlog-checkpoint)");
	at = r.off;
	err = ch_base64_decode(CH_BASE64_STD, take_line(&r), root, sizeof(root), &n, NULL);
	if (r.bad || err != CH_OK || n != sizeof(root))
		return ch_fail(d, r.bad ? CH_ERR_TRUNCATED : CH_ERR_MALFORMED, at,
			       "the third line is the root hash in base64 (C2SP tlog-checkpoint)");
	ch_span_copy(out.root.b, sizeof(out.root.b), CH_SPAN_OF(root));
	at = r.off;
	while (ch_rd_left(&r) > 0) {
		size_t line = r.off;
		if (take_line(&r).n == 0 || r.bad)
			return ch_fail(d, CH_ERR_MALFORMED, line,
				       "an extension line is empty or has no end (C2SP tlog-checkpoint)");
	}
	out.extensions = ch_span_sub(text, at, text.n - at);
	*c = out;
	return CH_OK;
}

void ch_checkpoint_put(struct ch_wr *w, struct ch_span origin, uint64_t size, const struct ch_tree_hash *root)
{
	ch_wr_put(w, origin);
	ch_wr_u8(w, '\n');
	ch_wr_dec(w, size);
	ch_wr_u8(w, '\n');
	ch_base64_put(w, CH_BASE64_STD, ch_tree_hash_span(root));
	ch_wr_u8(w, '\n');
}

enum ch_err ch_checkpoint_open(struct ch_checkpoint *c, struct ch_span in, const struct ch_note_key *key,
			       const struct ch_verify_key *vk, struct ch_diag *d)
{
	struct ch_note note;
	*c = (struct ch_checkpoint){ 0 };
	enum ch_err err = ch_note_parse(&note, in, d);
	if (err != CH_OK)
		return err;
	err = ch_note_verify(&note, key, vk);
	if (err != CH_OK)
		return ch_fail(d, err, note.text.n + 1,
			       err == CH_ERR_UNTRUSTED ? "the note has no signature of this key"
						       : "the signature of this key does not hold");
	struct ch_checkpoint out;
	err = ch_checkpoint_parse(&out, note.text, d);
	if (err != CH_OK)
		return err;
	if (!ch_span_eq(out.origin, key->name))
		return ch_fail(d, CH_ERR_MISMATCH, 0, "the origin is not the name of the key (C2SP tlog-checkpoint)");
	*c = out;
	return CH_OK;
}
