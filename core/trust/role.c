/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/role.h"

#include "core/platform/spki.h"
#include "core/wire/base64.h"

#define SIG_BYTES    64
#define ID_HEX       64
#define NOTE_ED25519 0x01
#define NOTE_OTHER   0xff /* C2SP signed-note: a type without a number of its own */

/* --- keys --- */

struct ch_pub ch_root_key_pub(const struct ch_root_key *k)
{
	size_t n = 32;
	struct ch_pub pub = { .type = k->type, .a = ch_span(k->raw, n) };
	if (k->type == CH_KEY_P256)
		pub.b = ch_span(k->raw + n, n);
	return pub;
}

enum ch_err ch_root_key_make(struct ch_root_key *k, const struct ch_pub *pub)
{
	*k = (struct ch_root_key){ .type = CH_KEY_NONE };
	if ((pub->type != CH_KEY_P256 && pub->type != CH_KEY_ED25519) || pub->a.n > 32 || pub->b.n > 32)
		return CH_ERR_UNSUPPORTED;
	struct ch_root_key out = { .type = pub->type };
	/* Coordinates may come without their leading zeros. */
	(void)ch_span_copy(out.raw + 32 - pub->a.n, pub->a.n, pub->a);
	(void)ch_span_copy(out.raw + 64 - pub->b.n, pub->b.n, pub->b);
	struct ch_pub whole = ch_root_key_pub(&out);
	enum ch_err err = ch_spki_sha256(&whole, out.id);
	if (err == CH_OK)
		*k = out;
	return err;
}

const struct ch_root_key *ch_root_role_find(const struct ch_root_role *role, const uint8_t id[static 32])
{
	for (size_t i = 0; i < role->count; i++) {
		if (ch_span_eq(CH_SPAN_OF(role->key[i].id), ch_span(id, 32)))
			return &role->key[i];
	}
	return NULL;
}

/* --- signatures --- */

enum ch_err ch_role_note(struct ch_note *n, struct ch_span in, size_t text_max, struct ch_diag *d)
{
	enum ch_err err = ch_note_split(n, in, text_max + CH_ROLE_SIGS_MAX, d);
	if (err == CH_ERR_MISSING) {
		ch_diag_clear(d);
		*n = (struct ch_note){ .text = ch_span_sub(in, 0, in.n - 1) };
		err = CH_OK;
	}
	if (err == CH_OK && n->text.n > text_max) {
		*n = (struct ch_note){ .count = 0 };
		err = ch_fail(d, CH_ERR_LIMIT, text_max, "the document is longer than it may be (core/base/limits.h)");
	}
	return err;
}

/* What stands before a signature in its line: SHA-256(name ‖ LF ‖ type ‖ key), the first four bytes; the name is the key's id. */
static enum ch_err line_id(const struct ch_root_key *k, uint8_t name[static ID_HEX], uint8_t id[static 4])
{
	struct ch_hash h;
	struct ch_digest digest;
	const uint8_t middle[] = { '\n', k->type == CH_KEY_ED25519 ? NOTE_ED25519 : NOTE_OTHER };
	struct ch_wr w = ch_wr(name, ID_HEX);
	ch_wr_hex(&w, CH_SPAN_OF(k->id));
	enum ch_err err = ch_hash_init(&h, CH_HASH_SHA256);
	if (err != CH_OK)
		return err;
	ch_hash_update(&h, ch_span(name, ID_HEX));
	ch_hash_update(&h, CH_SPAN_OF(middle));
	ch_hash_update(&h, ch_span(k->raw, k->type == CH_KEY_ED25519 ? 32 : 64));
	ch_hash_final(&h, &digest);
	(void)ch_span_copy(id, 4, ch_digest_span(&digest));
	return CH_OK;
}

/* The signature of a line that names `k`. */
static enum ch_err verify_line(const struct ch_note *note, const struct ch_verify_key *vk,
			       const struct ch_note_sig *line)
{
	uint8_t bytes[4 + SIG_BYTES];
	size_t n = 0;
	if (ch_base64_decode(CH_BASE64_STD, line->base64, bytes, sizeof(bytes), &n, NULL) != CH_OK ||
	    n != sizeof(bytes))
		return CH_ERR_SIGNATURE;
	struct ch_sig sig = { .scheme = CH_SIG_ED25519, .a = ch_span(bytes + 4, SIG_BYTES) };
	if (vk->type == CH_KEY_P256) {
		sig.scheme = CH_SIG_ECDSA;
		sig.hash = CH_HASH_SHA256;
		sig.a = ch_span(bytes + 4, 32);
		sig.b = ch_span(bytes + 4 + 32, 32);
	}
	return ch_verify_message(vk, &sig, note->text);
}

/* Every line that names `k` must hold; `*signed_by` if there is one. */
static enum ch_err key_signed(const struct ch_note *note, const struct ch_root_key *k, bool *signed_by,
			      struct ch_diag *d)
{
	struct ch_rd lines = ch_rd(note->signatures);
	struct ch_note_sig sig;
	uint8_t name[ID_HEX], id[4];
	struct ch_verify_key vk = { .type = CH_KEY_NONE };
	const struct ch_pub pub = ch_root_key_pub(k);
	enum ch_err err = line_id(k, name, id);
	*signed_by = false;
	if (err == CH_OK)
		err = ch_verify_key_init(&vk, &pub);
	if (err != CH_OK)
		return ch_fail(d, err, 0, "a key of the document cannot be used: no point of its curve");
	for (size_t at = lines.off; err == CH_OK && ch_note_sig_next(&lines, &sig); at = lines.off) {
		if (!ch_span_eq(sig.name, CH_SPAN_OF(name)))
			continue;
		err = ch_span_eq(CH_SPAN_OF(sig.id), CH_SPAN_OF(id)) ? verify_line(note, &vk, &sig) : CH_ERR_SIGNATURE;
		if (err != CH_OK)
			err = ch_fail(d, CH_ERR_SIGNATURE, note->text.n + 1 + at,
				      "a signature that names a key of the role does not hold");
		*signed_by = err == CH_OK;
	}
	ch_verify_key_clear(&vk);
	return err;
}

enum ch_err ch_role_signed(const struct ch_root_role *role, const struct ch_note *note, struct ch_diag *d)
{
	uint64_t count = 0;
	ch_diag_clear(d);
	for (size_t i = 0; i < role->count; i++) {
		bool one = false;
		enum ch_err err = key_signed(note, &role->key[i], &one, d);
		if (err != CH_OK)
			return err;
		count += one;
	}
	/* A role of no keys is none: nothing can be signed by it. */
	if (role->threshold == 0 || count < role->threshold)
		return ch_fail(d, CH_ERR_UNTRUSTED, note->text.n,
			       "fewer keys of the role have signed than its threshold");
	return CH_OK;
}

enum ch_err ch_role_sig_put(struct ch_wr *w, const struct ch_root_key *k, const uint8_t sig[static 64])
{
	uint8_t name[ID_HEX];
	struct ch_note_key line = { .name = CH_SPAN_OF(name) };
	enum ch_err err = line_id(k, name, line.id);
	if (err == CH_OK)
		ch_note_sig_put(w, &line, sig);
	return err != CH_OK ? err : w->bad ? CH_ERR_NOSPACE : CH_OK;
}
