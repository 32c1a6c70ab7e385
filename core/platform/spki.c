/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/spki.h"

#include "core/platform/x509.h"

/* AlgorithmIdentifiers as they stand (RFC 3279, 2.3.1; RFC 5480, 2.1.1; RFC 8410, 3). */
static const uint8_t alg_rsa[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
				   0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00 };
static const uint8_t alg_p256[] = { 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
				    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
static const uint8_t alg_p384[] = { 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d,
				    0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22 };
static const uint8_t alg_p521[] = { 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d,
				    0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23 };
static const uint8_t alg_ed25519[] = { 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70 };

static const struct {
	enum ch_key_type type;
	struct ch_span alg;
} alg_row[] = {
	{ CH_KEY_RSA, { alg_rsa, sizeof(alg_rsa) } },
	{ CH_KEY_P256, { alg_p256, sizeof(alg_p256) } },
	{ CH_KEY_P384, { alg_p384, sizeof(alg_p384) } },
	{ CH_KEY_P521, { alg_p521, sizeof(alg_p521) } },
	{ CH_KEY_ED25519, { alg_ed25519, sizeof(alg_ed25519) } },
};

/* Identifier and length octets (X.690, 8.1.3): at most 65535 bytes follow. */
static void put_head(struct ch_wr *w, uint8_t tag, size_t n)
{
	ch_wr_u8(w, tag);
	if (n > 0xff) {
		ch_wr_u8(w, 0x82);
		ch_wr_be16(w, (uint16_t)n);
		return;
	}
	if (n > 0x7f)
		ch_wr_u8(w, 0x81);
	ch_wr_u8(w, (uint8_t)n);
}

static size_t head_size(size_t n)
{
	return n > 0xff ? 4 : n > 0x7f ? 3 : 2;
}

static size_t integer_size(struct ch_span v)
{
	return v.n + (v.p[0] >> 7);
}

static void put_integer(struct ch_wr *w, struct ch_span v)
{
	put_head(w, CH_DER_INTEGER, integer_size(v));
	if (v.p[0] >> 7 != 0)
		ch_wr_u8(w, 0);
	ch_wr_put(w, v);
}

/* AlgorithmIdentifier and the head of the BIT STRING, whose `bits` bytes follow. */
static void put_frame(struct ch_wr *w, struct ch_span alg, size_t bits)
{
	put_head(w, CH_DER_SEQUENCE, alg.n + head_size(bits + 1) + bits + 1);
	ch_wr_put(w, alg);
	put_head(w, CH_DER_BIT_STRING, bits + 1);
	ch_wr_u8(w, 0); /* no unused bits */
}

static bool put_rsa(struct ch_wr *w, struct ch_span alg, const struct ch_pub *pub)
{
	bool plain = pub->a.n > 0 && pub->a.n <= 1024 && pub->a.p[0] != 0 && pub->b.n > 0 && pub->b.n <= 8 &&
		     pub->b.p[0] != 0;
	if (!plain)
		return false;
	size_t n = integer_size(pub->a);
	size_t e = integer_size(pub->b);
	size_t body = head_size(n) + n + head_size(e) + e;
	put_frame(w, alg, head_size(body) + body);
	put_head(w, CH_DER_SEQUENCE, body);
	put_integer(w, pub->a);
	put_integer(w, pub->b);
	return true;
}

static void put_padded(struct ch_wr *w, struct ch_span v, size_t n)
{
	for (size_t i = v.n; i < n; i++)
		ch_wr_u8(w, 0);
	ch_wr_put(w, v);
}

static bool put_point(struct ch_wr *w, struct ch_span alg, const struct ch_pub *pub)
{
	size_t coord = ch_key_coord(pub->type);
	if (pub->a.n == 0 || pub->a.n > coord || pub->b.n == 0 || pub->b.n > coord)
		return false;
	put_frame(w, alg, 1 + 2 * coord);
	ch_wr_u8(w, 4); /* uncompressed (SEC 1, 2.3.3) */
	put_padded(w, pub->a, coord);
	put_padded(w, pub->b, coord);
	return true;
}

static bool put_ed25519(struct ch_wr *w, struct ch_span alg, const struct ch_pub *pub)
{
	if (pub->a.n != 32 || pub->b.n != 0)
		return false;
	put_frame(w, alg, pub->a.n);
	ch_wr_put(w, pub->a);
	return true;
}

bool ch_spki_put(struct ch_wr *w, const struct ch_pub *pub)
{
	size_t i = 0;
	while (i < CH_COUNT_OF(alg_row) && alg_row[i].type != pub->type)
		i++;
	if (i == CH_COUNT_OF(alg_row))
		return false;
	if (pub->type == CH_KEY_RSA)
		return put_rsa(w, alg_row[i].alg, pub);
	if (pub->type == CH_KEY_ED25519)
		return put_ed25519(w, alg_row[i].alg, pub);
	return put_point(w, alg_row[i].alg, pub);
}

enum ch_err ch_spki_parse(struct ch_pub *pub, struct ch_span in, struct ch_diag *d)
{
	ch_diag_clear(d);
	*pub = (struct ch_pub){ .type = CH_KEY_NONE };
	struct ch_x509 c = { .version = 0 };
	struct ch_der_rd r = ch_der_rd(in, 0);
	ch_x509_spki_read(&c, &r);
	enum ch_err err = ch_der_end(&r, d, "bytes after SubjectPublicKeyInfo (RFC 5280, 4.1.2.7)");
	if (err != CH_OK)
		return err;
	if (c.pub.type == CH_KEY_NONE)
		return ch_fail(
			d, CH_ERR_UNSUPPORTED, 0,
			"the key is none of RSA, P-256, P-384, P-521 (uncompressed), Ed25519 (RFC 5280, 4.1.2.7)");
	uint8_t again[CH_SPKI_MAX];
	struct ch_wr w = ch_wr(again, sizeof(again));
	if (!ch_spki_put(&w, &c.pub) || !ch_span_eq(ch_wr_span(&w), in))
		return ch_fail(
			d, CH_ERR_ENCODING, 0,
			"SubjectPublicKeyInfo is not in the one form that is taken (RFC 3279, 2.3; RFC 5480, 2)");
	*pub = c.pub;
	return CH_OK;
}

enum ch_err ch_spki_sha256(const struct ch_pub *pub, uint8_t to[static 32])
{
	uint8_t der[CH_SPKI_MAX];
	struct ch_wr w = ch_wr(der, sizeof(der));
	struct ch_digest digest;
	ch_wipe(to, 32);
	if (!ch_spki_put(&w, pub) || w.bad)
		return CH_ERR_UNSUPPORTED;
	enum ch_err err = ch_hash_once(CH_HASH_SHA256, ch_wr_span(&w), &digest);
	if (err == CH_OK)
		ch_span_copy(to, 32, ch_digest_span(&digest));
	return err;
}

bool ch_spki_same(const struct ch_pub *a, const struct ch_pub *b)
{
	uint8_t one[CH_SPKI_MAX], two[CH_SPKI_MAX];
	struct ch_wr x = ch_wr(one, sizeof(one));
	struct ch_wr y = ch_wr(two, sizeof(two));
	return ch_spki_put(&x, a) && ch_spki_put(&y, b) && ch_span_eq(ch_wr_span(&x), ch_wr_span(&y));
}
