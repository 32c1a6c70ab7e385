/* SPDX-License-Identifier: Apache-2.0 */
#include "core/os/ima.h"

#include "core/base/rd.h"
#include "core/base/wr.h"

/* File signatures: Linux, security/integrity/integrity.h, struct signature_v2_hdr, and digsig_asymmetric.c. */

#define TYPE_DIGSIG        3
#define TYPE_VERITY        6
#define VERSION            2
#define DER_LONG           0x80
#define DER_INTEGER        0x02
#define DER_SEQUENCE       0x30
#define ECDSA_SIG_MAX      (2 * 66 + 16)
#define POINT_UNCOMPRESSED 4

/* enum hash_algo of the kernel (include/uapi/linux/hash_info.h), as far as we have it. */
static const struct {
	uint8_t id;
	enum ch_hash_alg alg;
} hash_id[] = {
	{ 2, CH_HASH_SHA1 },     { 4, CH_HASH_SHA256 },    { 5, CH_HASH_SHA384 },    { 6, CH_HASH_SHA512 },
	{ 17, CH_HASH_SM3_256 }, { 20, CH_HASH_SHA3_256 }, { 21, CH_HASH_SHA3_384 }, { 22, CH_HASH_SHA3_512 },
};

enum ch_err ch_ima_sig_parse(struct ch_ima_sig *sig, struct ch_span in, struct ch_diag *d)
{
	*sig = (struct ch_ima_sig){ 0 };
	ch_diag_clear(d);
	struct ch_rd r = ch_rd(in);
	uint8_t type = ch_rd_u8(&r);
	uint8_t version = ch_rd_u8(&r);
	if (!r.bad && type != TYPE_DIGSIG)
		return ch_fail(d, type == TYPE_VERITY ? CH_ERR_UNSUPPORTED : CH_ERR_MALFORMED, 0,
			       "the type of a file signature is 3 (EVM_IMA_XATTR_DIGSIG)");
	if (!r.bad && version != VERSION)
		return ch_fail(d, CH_ERR_UNSUPPORTED, 1, "the version of a file signature is 2");
	struct ch_ima_sig s = { .hash_id = ch_rd_u8(&r) };
	(void)ch_span_copy(s.key_id, sizeof(s.key_id), ch_rd_take(&r, sizeof(s.key_id)));
	size_t at = r.off;
	size_t n = ch_rd_be16(&r);
	s.sig = ch_rd_take(&r, n);
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, at, "a file signature is cut");
	if (!ch_rd_done(&r) || n == 0)
		return ch_fail(d, CH_ERR_TRAILING, at, "the length of a file signature is that of what follows it");
	for (size_t i = 0; i < CH_COUNT_OF(hash_id); i++) {
		if (hash_id[i].id == s.hash_id)
			s.hash = hash_id[i].alg;
	}
	*sig = s;
	return CH_OK;
}

/* --- key identifiers --- */

/* Hashes a DER header of a value with `n` bytes. */
static void hash_header(struct ch_hash *h, uint8_t tag, size_t n)
{
	const uint8_t byte[] = { tag, (uint8_t)(DER_LONG | 2), (uint8_t)(n >> 8), (uint8_t)n };
	const uint8_t one[] = { tag, (uint8_t)(DER_LONG | 1), (uint8_t)n };
	const uint8_t none[] = { tag, (uint8_t)n };
	ch_hash_update(h, n > 0xff ? CH_SPAN_OF(byte) : n >= DER_LONG ? CH_SPAN_OF(one) : CH_SPAN_OF(none));
}

static size_t header_size(size_t n)
{
	return n > 0xff ? 4 : n >= DER_LONG ? 3 : 2;
}

/* Content bytes of a positive INTEGER without leading zeros. */
static size_t integer_size(struct ch_span v)
{
	return v.n + (v.n > 0 ? v.p[0] >> 7 : 0);
}

static void hash_integer(struct ch_hash *h, struct ch_span v)
{
	static const uint8_t zero[1];
	hash_header(h, DER_INTEGER, integer_size(v));
	if (integer_size(v) > v.n)
		ch_hash_update(h, CH_SPAN_OF(zero));
	ch_hash_update(h, v);
}

enum ch_err ch_ima_key_id(const struct ch_pub *pub, uint8_t id[static 4])
{
	static const uint8_t point[] = { POINT_UNCOMPRESSED };
	struct ch_hash h;
	struct ch_digest digest;
	for (size_t i = 0; i < 4; i++)
		id[i] = 0;
	if (pub->type == CH_KEY_NONE || pub->type == CH_KEY_ED25519 || pub->a.n > 0xf000 || pub->b.n > 0xf00)
		return CH_ERR_UNSUPPORTED;
	enum ch_err err = ch_hash_init(&h, CH_HASH_SHA1);
	if (err != CH_OK)
		return err;
	if (pub->type == CH_KEY_RSA) {
		size_t n = integer_size(pub->a);
		size_t e = integer_size(pub->b);
		hash_header(&h, DER_SEQUENCE, header_size(n) + n + header_size(e) + e);
		hash_integer(&h, pub->a);
		hash_integer(&h, pub->b);
	} else {
		ch_hash_update(&h, CH_SPAN_OF(point));
		ch_hash_update(&h, pub->a);
		ch_hash_update(&h, pub->b);
	}
	ch_hash_final(&h, &digest);
	(void)ch_span_copy(id, 4, ch_span(digest.b + digest.n - 4, 4));
	return CH_OK;
}

/* --- verification --- */

/* One INTEGER of an Ecdsa-Sig-Value in DER: short form, positive, no superfluous zero. */
static struct ch_span take_integer(struct ch_rd *r)
{
	uint8_t tag = ch_rd_u8(r);
	size_t n = ch_rd_u8(r);
	struct ch_span v = ch_rd_take(r, n);
	if (tag != DER_INTEGER || v.n == 0 || v.p[0] >= 0x80 || (v.n > 1 && v.p[0] == 0 && v.p[1] < 0x80))
		r->bad = true;
	return r->bad ? CH_SPAN_EMPTY : v;
}

static bool take_ecdsa(struct ch_span in, struct ch_sig *to)
{
	struct ch_rd r = ch_rd(in);
	uint8_t tag = ch_rd_u8(&r);
	size_t n = ch_rd_u8(&r);
	if (n > DER_LONG && n == (DER_LONG | 1)) {
		n = ch_rd_u8(&r);
		if (n < DER_LONG)
			return false;
	}
	if (r.bad || tag != DER_SEQUENCE || n != ch_rd_left(&r) || in.n > ECDSA_SIG_MAX)
		return false;
	to->a = take_integer(&r);
	to->b = take_integer(&r);
	return ch_rd_done(&r);
}

enum ch_err ch_ima_sig_verify(const struct ch_ima_sig *sig, const struct ch_verify_key *key,
			      const struct ch_ima_entry *e)
{
	struct ch_sig s = { .scheme = CH_SIG_RSASSA, .hash = sig->hash, .a = sig->sig };
	/* "verity:…" is the name of no hash, so a digest of that kind is refused here too. */
	if (sig->hash == CH_HASH_NONE || ch_hash_by_name(e->file_alg) != sig->hash || !ch_hash_available(sig->hash))
		return CH_ERR_UNSUPPORTED;
	if (key->type != CH_KEY_RSA) {
		s.scheme = CH_SIG_ECDSA;
		if (!take_ecdsa(sig->sig, &s))
			return CH_ERR_SIGNATURE;
	}
	return ch_verify_digest(key, &s, e->file_digest);
}
