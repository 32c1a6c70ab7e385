/* SPDX-License-Identifier: Apache-2.0 */
#include "server/signer/ear.h"

#include "core/wire/base64.h"

#include <stdio.h>

/* RFC 7638, 3.2: the required members of an EC key in the order of their names, without white space. */
static enum ch_err make_jwk(struct ch_ear_signer *e, const struct ch_pub *pub)
{
	char x[48] = "", y[48] = "", members[192];
	struct ch_wr wx = ch_wr(x, sizeof(x) - 1);
	struct ch_wr wy = ch_wr(y, sizeof(y) - 1);
	struct ch_wr wk = ch_wr(e->kid, sizeof(e->kid) - 1);
	struct ch_digest digest;
	ch_base64_put(&wx, CH_BASE64_URL, pub->a);
	ch_base64_put(&wy, CH_BASE64_URL, pub->b);
	int n = snprintf(members, sizeof(members), "\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"", x, y);
	if (n <= 0 || (size_t)n >= sizeof(members))
		return CH_ERR_NOSPACE;
	char text[196];
	n = snprintf(text, sizeof(text), "{%s}", members);
	enum ch_err err = ch_hash_once(CH_HASH_SHA256, ch_span(text, (size_t)n), &digest);
	ch_base64_put(&wk, CH_BASE64_URL, ch_digest_span(&digest));
	if (err != CH_OK || wk.bad)
		return CH_ERR_INTERNAL;
	n = snprintf(e->jwk, sizeof(e->jwk), "{%s,\"alg\":\"ES256\",\"use\":\"sig\",\"kid\":\"%s\"}", members, e->kid);
	return n > 0 && (size_t)n < sizeof(e->jwk) ? CH_OK : CH_ERR_NOSPACE;
}

static enum ch_err make_header(struct ch_ear_signer *e)
{
	char text[112];
	int n = snprintf(text, sizeof(text), "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"eat+jwt\"}", e->kid);
	struct ch_wr w = ch_wr(e->header, sizeof(e->header) - 1);
	if (n <= 0 || (size_t)n >= sizeof(text))
		return CH_ERR_NOSPACE;
	ch_base64_put(&w, CH_BASE64_URL, ch_span(text, (size_t)n));
	ch_wr_u8(&w, '.');
	return w.bad ? CH_ERR_NOSPACE : CH_OK;
}

enum ch_err ch_ear_signer_init(struct ch_ear_signer *e, struct ch_sign_key *key)
{
	struct ch_pubkey pub;
	*e = (struct ch_ear_signer){ 0 };
	enum ch_err err = ch_sign_key_pub(key, &pub);
	if (err == CH_OK && pub.pub.type != CH_KEY_P256)
		err = CH_ERR_KEY;
	if (err == CH_OK)
		err = make_jwk(e, &pub.pub);
	if (err == CH_OK)
		err = make_header(e);
	if (err != CH_OK)
		return err;
	e->key = *key;
	*key = (struct ch_sign_key){ .type = CH_KEY_NONE };
	return CH_OK;
}

void ch_ear_signer_clear(struct ch_ear_signer *e)
{
	ch_sign_key_clear(&e->key);
	*e = (struct ch_ear_signer){ 0 };
}

enum ch_err ch_ear_sign(const struct ch_ear_signer *e, struct ch_span claims, struct ch_buf *jwt)
{
	uint8_t sig[CH_SIGN_BYTES];
	uint8_t end[1 + 4 * CH_SIGN_BYTES / 3 + 4];
	if (claims.n < 2 || claims.p[0] != '{' || claims.p[claims.n - 1] != '}')
		return CH_ERR_MALFORMED;
	size_t start = jwt->n;
	ch_buf_append(jwt, ch_span_str(e->header));
	CH_AUTO_FREE uint8_t *text = ch_calloc(claims.n / 3 + 1, 4);
	struct ch_wr w = ch_wr(text, (claims.n / 3 + 1) * 4);
	ch_base64_put(&w, CH_BASE64_URL, claims);
	ch_buf_append(jwt, ch_wr_span(&w));
	enum ch_err err =
		w.bad ? CH_ERR_INTERNAL : ch_sign_message(&e->key, ch_span(jwt->p + start, jwt->n - start), sig);
	if (err != CH_OK) {
		jwt->n = start;
		return err;
	}
	w = ch_wr(end, sizeof(end));
	ch_wr_u8(&w, '.');
	ch_base64_put(&w, CH_BASE64_URL, CH_SPAN_OF(sig));
	ch_buf_append(jwt, ch_wr_span(&w));
	return CH_OK;
}
