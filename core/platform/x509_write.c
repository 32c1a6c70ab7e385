/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/x509_write.h"

#include "core/base/text.h"
#include "core/platform/spki.h"

#define OID_COMMON_NAME "\x55\x04\x03"
#define OID_SKI         "\x55\x1d\x0e"
#define OID_KEY_USAGE   "\x55\x1d\x0f"
#define OID_SAN         "\x55\x1d\x11"
#define OID_BASIC       "\x55\x1d\x13"
#define OID_AKI         "\x55\x1d\x23"
#define OID_CDP         "\x55\x1d\x1f"
#define OID_EKU         "\x55\x1d\x25"
#define OID_AIA         "\x2b\x06\x01\x05\x05\x07\x01\x01"
#define OID_OCSP        "\x2b\x06\x01\x05\x05\x07\x30\x01"
#define OID_NOCHECK     "\x2b\x06\x01\x05\x05\x07\x30\x01\x05"
/* 1.3.6.1.5.5.7.3.n: id-kp */
#define OID_KP(n)                                             \
	{                                                     \
		0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, (n) \
	}

#define COMMON_NAME_MAX 64

/* SEQUENCE { ecdsa-with-SHA256 } (RFC 5758, 3.2: no parameters). */
static const uint8_t ecdsa_sha256[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };

enum ch_err ch_cert_kid(uint8_t kid[static 20], const struct ch_pub *pub)
{
	uint8_t spki[CH_SPKI_MAX];
	struct ch_wr w = ch_wr(spki, sizeof(spki));
	struct ch_digest digest;
	if (!ch_spki_put(&w, pub) || w.bad)
		return CH_ERR_UNSUPPORTED;
	struct ch_der_rd d = ch_der_rd(ch_wr_span(&w), 0);
	struct ch_der_rd seq = ch_der_enter(&d, CH_DER_SEQUENCE, NULL);
	(void)ch_der_any(&seq);
	enum ch_err err = ch_hash_once(CH_HASH_SHA256, ch_der_bits(&seq, NULL, NULL), &digest);
	if (err == CH_OK)
		ch_span_copy(kid, 20, ch_digest_span(&digest));
	return err;
}

static void put_name(struct ch_der_wr *d, struct ch_span cn)
{
	ch_der_put_begin(d, CH_DER_SEQUENCE);
	ch_der_put_begin(d, CH_DER_SET);
	ch_der_put_begin(d, CH_DER_SEQUENCE);
	ch_der_put(d, CH_DER_OID, CH_SPAN_LIT(OID_COMMON_NAME));
	ch_der_put(d, CH_DER_UTF8_STRING, cn);
	ch_der_put_end(d);
	ch_der_put_end(d);
	ch_der_put_end(d);
}

static void put_subject(struct ch_der_wr *d, const struct ch_cert_new *c)
{
	if (c->subject.n > 0)
		ch_der_put_raw(d, c->subject);
	else
		put_name(d, c->subject_cn);
}

/* Begins an extension up to its contents; extension_end closes it. */
static void extension_begin(struct ch_der_wr *d, struct ch_span oid, bool critical)
{
	ch_der_put_begin(d, CH_DER_SEQUENCE);
	ch_der_put(d, CH_DER_OID, oid);
	if (critical)
		ch_der_put_boolean(d, true); /* DEFAULT FALSE is not encoded (11.5) */
	ch_der_put_begin(d, CH_DER_OCTET_STRING);
}

static void extension_end(struct ch_der_wr *d)
{
	ch_der_put_end(d);
	ch_der_put_end(d);
}

static void put_basic(struct ch_der_wr *d, bool ca)
{
	extension_begin(d, CH_SPAN_LIT(OID_BASIC), true);
	ch_der_put_begin(d, CH_DER_SEQUENCE);
	if (ca) {
		ch_der_put_boolean(d, true);
		ch_der_put_small(d, 0);
	}
	ch_der_put_end(d);
	extension_end(d);
}

static void put_eku(struct ch_der_wr *d, uint8_t eku)
{
	static const struct {
		uint8_t bit;
		uint8_t oid[8];
	} row[] = { { CH_CERT_EKU_CLIENT, OID_KP(2) },
		    { CH_CERT_EKU_SERVER, OID_KP(1) },
		    { CH_CERT_EKU_CMC_RA, OID_KP(28) },
		    { CH_CERT_EKU_OCSP, OID_KP(9) } };
	if (eku == CH_CERT_EKU_NONE)
		return;
	extension_begin(d, CH_SPAN_LIT(OID_EKU), false);
	ch_der_put_begin(d, CH_DER_SEQUENCE);
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		if ((eku & row[i].bit) != 0)
			ch_der_put(d, CH_DER_OID, CH_SPAN_OF(row[i].oid));
	}
	ch_der_put_end(d);
	extension_end(d);
	if (eku != CH_CERT_EKU_OCSP)
		return;
	extension_begin(d, CH_SPAN_LIT(OID_NOCHECK), false);
	ch_der_put(d, CH_DER_NULL, CH_SPAN_EMPTY);
	extension_end(d);
}

/* Where it is told whether the certificate is revoked: CRLDistributionPoints (4.2.1.13), AuthorityInfoAccess (4.2.2.1). */
static void put_revocation(struct ch_der_wr *d, const struct ch_cert_new *c)
{
	if (c->crl_url.n > 0) {
		extension_begin(d, CH_SPAN_LIT(OID_CDP), false);
		ch_der_put_begin(d, CH_DER_SEQUENCE);
		ch_der_put_begin(d, CH_DER_SEQUENCE);
		ch_der_put_begin(d, CH_DER_CONTEXT_IN(0)); /* distributionPoint */
		ch_der_put_begin(d, CH_DER_CONTEXT_IN(0)); /* fullName */
		ch_der_put(d, CH_DER_CONTEXT(6), c->crl_url);
		ch_der_put_end(d);
		ch_der_put_end(d);
		ch_der_put_end(d);
		ch_der_put_end(d);
		extension_end(d);
	}
	if (c->ocsp_url.n > 0) {
		extension_begin(d, CH_SPAN_LIT(OID_AIA), false);
		ch_der_put_begin(d, CH_DER_SEQUENCE);
		ch_der_put_begin(d, CH_DER_SEQUENCE);
		ch_der_put(d, CH_DER_OID, CH_SPAN_LIT(OID_OCSP));
		ch_der_put(d, CH_DER_CONTEXT(6), c->ocsp_url);
		ch_der_put_end(d);
		ch_der_put_end(d);
		extension_end(d);
	}
}

static void put_san(struct ch_der_wr *d, const struct ch_cert_new *c)
{
	/* GeneralName (RFC 5280, 4.2.1.6): dNSName [2], uniformResourceIdentifier [6], iPAddress [7] */
	static const uint8_t tag[] = { [CH_CERT_SAN_URI] = CH_DER_CONTEXT(6),
				       [CH_CERT_SAN_DNS] = CH_DER_CONTEXT(2),
				       [CH_CERT_SAN_IP] = CH_DER_CONTEXT(7) };
	if (c->san_count == 0)
		return;
	extension_begin(d, CH_SPAN_LIT(OID_SAN), false);
	ch_der_put_begin(d, CH_DER_SEQUENCE);
	for (size_t i = 0; i < c->san_count; i++)
		ch_der_put(d, tag[c->san[i].kind], c->san[i].value);
	ch_der_put_end(d);
	extension_end(d);
}

static void put_extensions(struct ch_der_wr *d, const struct ch_cert_new *c)
{
	ch_der_put_begin(d, CH_DER_CONTEXT_IN(3));
	ch_der_put_begin(d, CH_DER_SEQUENCE);
	put_basic(d, c->ca);
	extension_begin(d, CH_SPAN_LIT(OID_KEY_USAGE), true);
	ch_der_put_named_bits(d, c->key_usage);
	extension_end(d);
	put_eku(d, c->eku);
	extension_begin(d, CH_SPAN_LIT(OID_SKI), false);
	ch_der_put(d, CH_DER_OCTET_STRING, c->subject_kid);
	extension_end(d);
	extension_begin(d, CH_SPAN_LIT(OID_AKI), false);
	ch_der_put_begin(d, CH_DER_SEQUENCE);
	ch_der_put(d, CH_DER_CONTEXT(0), c->issuer_kid);
	ch_der_put_end(d);
	extension_end(d);
	put_san(d, c);
	put_revocation(d, c);
	ch_der_put_end(d);
	ch_der_put_end(d);
}

static bool ascii(struct ch_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
			return false;
	}
	return s.n > 0 && s.n <= CH_CERT_TEXT_MAX;
}

static bool sans_fit(const struct ch_cert_new *c)
{
	if (c->san_count > CH_CERT_SAN_MAX)
		return false;
	for (size_t i = 0; i < c->san_count; i++) {
		const struct ch_cert_san *s = &c->san[i];
		if (s->kind == CH_CERT_SAN_IP ? s->value.n != 4 && s->value.n != 16 : !ascii(s->value))
			return false;
	}
	return true;
}

static bool subject_fits(const struct ch_cert_new *c)
{
	return c->subject.n > 0 ||
	       (c->subject_cn.n > 0 && c->subject_cn.n <= COMMON_NAME_MAX && ch_utf8_valid(c->subject_cn));
}

static bool fits(const struct ch_cert_new *c)
{
	return c->serial.n > 0 && c->serial.n <= 20 && !ch_span_all(c->serial, 0) &&
	       (c->serial.n < 20 || c->serial.p[0] < 0x80) && subject_fits(c) && c->not_before < c->not_after &&
	       c->spki.n > 0 && c->subject_kid.n > 0 && c->issuer_kid.n > 0 && c->key_usage != 0 && sans_fit(c) &&
	       (c->crl_url.n == 0 || ascii(c->crl_url)) && (c->ocsp_url.n == 0 || ascii(c->ocsp_url));
}

enum ch_err ch_cert_tbs_put(struct ch_wr *w, const struct ch_cert_new *c)
{
	struct ch_der_wr d = ch_der_wr(w);
	if (!fits(c))
		return CH_ERR_RANGE;
	ch_der_put_begin(&d, CH_DER_SEQUENCE);
	ch_der_put_begin(&d, CH_DER_CONTEXT_IN(0));
	ch_der_put_small(&d, 2); /* v3 */
	ch_der_put_end(&d);
	ch_der_put_unsigned(&d, c->serial);
	ch_der_put_raw(&d, CH_SPAN_OF(ecdsa_sha256));
	if (c->issuer.n > 0)
		ch_der_put_raw(&d, c->issuer);
	else
		put_subject(&d, c);
	ch_der_put_begin(&d, CH_DER_SEQUENCE);
	ch_der_put_time(&d, c->not_before);
	ch_der_put_time(&d, c->not_after);
	ch_der_put_end(&d);
	put_subject(&d, c);
	ch_der_put_raw(&d, c->spki);
	put_extensions(&d, c);
	ch_der_put_end(&d);
	return ch_der_wr_done(&d) ? CH_OK : CH_ERR_NOSPACE;
}

static void put_sig(struct ch_der_wr *d, const uint8_t *sig)
{
	ch_der_put_begin(d, CH_DER_SEQUENCE);
	ch_der_put_unsigned(d, ch_span(sig, 32));
	ch_der_put_unsigned(d, ch_span(sig + 32, 32));
	ch_der_put_end(d);
}

enum ch_err ch_ecdsa_sig_put(struct ch_wr *w, const uint8_t sig[static 64])
{
	struct ch_der_wr d = ch_der_wr(w);
	put_sig(&d, sig);
	return ch_der_wr_done(&d) ? CH_OK : CH_ERR_NOSPACE;
}

enum ch_err ch_cert_put(struct ch_wr *w, struct ch_span tbs, const uint8_t sig[static 64])
{
	struct ch_der_wr d = ch_der_wr(w);
	ch_der_put_begin(&d, CH_DER_SEQUENCE);
	ch_der_put_raw(&d, tbs);
	ch_der_put_raw(&d, CH_SPAN_OF(ecdsa_sha256));
	ch_der_put_begin(&d, CH_DER_BIT_STRING);
	ch_wr_u8(w, 0);
	put_sig(&d, sig);
	ch_der_put_end(&d);
	ch_der_put_end(&d);
	return ch_der_wr_done(&d) ? CH_OK : CH_ERR_NOSPACE;
}
