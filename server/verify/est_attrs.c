/* SPDX-License-Identifier: Apache-2.0 */
#include "server/verify/est.h"

#include "core/wire/base64.h"
#include "host/base/mem.h"

/* What EST puts around requests and certificates: credentials, base64, the attributes that a server asks for. */

bool ch_est_password(struct ch_span authorization, uint8_t to[static CH_EST_TOKEN_MAX], size_t *n)
{
	uint8_t room[CH_EST_TOKEN_MAX + 64];
	size_t got = 0, at = 0;
	static const char scheme[] = "basic";
	*n = 0;
	if (authorization.n < sizeof(scheme))
		return false;
	for (size_t i = 0; i < sizeof(scheme) - 1; i++) {
		if ((authorization.p[i] | 0x20) != (uint8_t)scheme[i])
			return false;
	}
	struct ch_span b64 = ch_span_sub(authorization, sizeof(scheme) - 1, authorization.n - sizeof(scheme) + 1);
	while (b64.n > 0 && b64.p[0] == ' ')
		b64 = ch_span_sub(b64, 1, b64.n - 1);
	if (ch_base64_decoded_max(b64.n) > sizeof(room) ||
	    ch_base64_decode(CH_BASE64_STD, b64, room, sizeof(room), &got, NULL) != CH_OK)
		return false;
	while (at < got && room[at] != ':')
		at++;
	if (at < got && got - at - 1 <= CH_EST_TOKEN_MAX)
		*n = ch_span_copy(to, CH_EST_TOKEN_MAX, ch_span(room + at + 1, got - at - 1));
	ch_wipe(room, sizeof(room));
	return *n > 0;
}

enum ch_err ch_est_decode(struct ch_span text, uint8_t *to, size_t *n, struct ch_diag *d)
{
	CH_AUTO_FREE uint8_t *packed = ch_calloc(text.n + 1, 1);
	size_t count = 0;
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];
		if (c != '\r' && c != '\n' && c != '\t' && c != ' ')
			packed[count++] = c;
	}
	if (count > 0 && packed[0] == '-') {
		*n = 0;
		return ch_fail(d, CH_ERR_ENCODING, 0, "the body is PEM: EST takes base64 alone (RFC 8951, 3.1)");
	}
	return ch_base64_decode(CH_BASE64_STD, ch_span(packed, count), to, text.n, n, d);
}

void ch_est_base64_put(struct ch_wr *w, struct ch_span bytes, bool lines)
{
	size_t step = CH_EST_LINE / 4 * 3;
	if (!lines) {
		ch_base64_put(w, CH_BASE64_STD, bytes);
		ch_wr_str(w, "\n");
		return;
	}
	for (size_t at = 0; at < bytes.n; at += step) {
		ch_base64_put(w, CH_BASE64_STD, ch_span_sub(bytes, at, bytes.n - at < step ? bytes.n - at : step));
		ch_wr_str(w, "\n");
	}
}

/* --- CSR attributes --- */

static const uint8_t oid_challenge[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 7 };
static const uint8_t oid_rsa[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1 };
static const uint8_t oid_ec[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1 };
static const uint8_t oid_p256[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 };
static const uint8_t oid_p384[] = { 0x2b, 0x81, 0x04, 0x00, 0x22 };
static const uint8_t oid_ed25519[] = { 0x2b, 0x65, 0x70 };

static bool certifies(const struct ch_cert_profile *p, enum ch_key_type type)
{
	return (p->keys >> type & 1) != 0;
}

/* Attribute { id-ecPublicKey, the curves }: RFC 7030, 4.5.2. */
static void put_curves(struct ch_der_wr *d, const struct ch_cert_profile *p)
{
	if (!certifies(p, CH_KEY_P256) && !certifies(p, CH_KEY_P384))
		return;
	ch_der_put_begin(d, CH_DER_SEQUENCE);
	ch_der_put(d, CH_DER_OID, CH_SPAN_OF(oid_ec));
	ch_der_put_begin(d, CH_DER_SET);
	/* The order of a SET OF (X.690, 11.6): the shorter first, as its length is smaller. */
	if (certifies(p, CH_KEY_P384))
		ch_der_put(d, CH_DER_OID, CH_SPAN_OF(oid_p384));
	if (certifies(p, CH_KEY_P256))
		ch_der_put(d, CH_DER_OID, CH_SPAN_OF(oid_p256));
	ch_der_put_end(d);
	ch_der_put_end(d);
}

static void put_rsa(struct ch_der_wr *d, const struct ch_cert_profile *p)
{
	if (!certifies(p, CH_KEY_RSA))
		return;
	ch_der_put_begin(d, CH_DER_SEQUENCE);
	ch_der_put(d, CH_DER_OID, CH_SPAN_OF(oid_rsa));
	ch_der_put_begin(d, CH_DER_SET);
	ch_der_put_small(d, CH_PROFILE_RSA_MIN);
	ch_der_put_end(d);
	ch_der_put_end(d);
}

enum ch_err ch_est_attrs_put(struct ch_wr *w, const struct ch_cert_profile *p)
{
	struct ch_der_wr d = ch_der_wr(w);
	ch_der_put_begin(&d, CH_DER_SEQUENCE);
	if (p->linking == CH_LINKING_REQUIRED)
		ch_der_put(&d, CH_DER_OID, CH_SPAN_OF(oid_challenge));
	put_curves(&d, p);
	put_rsa(&d, p);
	if (certifies(p, CH_KEY_ED25519))
		ch_der_put(&d, CH_DER_OID, CH_SPAN_OF(oid_ed25519));
	ch_der_put_end(&d);
	return ch_der_wr_done(&d) ? CH_OK : CH_ERR_NOSPACE;
}
