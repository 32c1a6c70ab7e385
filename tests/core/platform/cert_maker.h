/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TESTS_CERT_MAKER_H
#define CH_TESTS_CERT_MAKER_H

/* Makes certificates, whole or odd in one place, and signs them with keys made for the run. */

#include "core/platform/ek_cert.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>

struct maker {
	/* what is asked; a NULL pointer or an empty span leaves the usual */
	const char *subject_cn, *subject_o, *issuer_cn, *issuer_o;
	const char *not_before, *not_after; /* UTCTime */
	struct ch_span serial;              /* contents of the INTEGER */
	struct ch_span subject;             /* a Name in place of subject_cn */
	struct ch_span spki;                /* in place of the key's */
	int version;                        /* 0: 3; 1: none is written */
	struct ch_span unique;              /* bytes after the key, or after the attributes: unique identifiers */
	struct ch_span holder;              /* contents of an attribute certificate's Holder */
	bool sha1;
	bool attribute; /* an attribute certificate */
	EVP_PKEY *key, *signer;
	/* extensions, appended by the functions below */
	uint8_t ext[2048];
	size_t ext_n;
	/* the result */
	uint8_t der[4096];
	size_t n;
};

static inline struct ch_span span_wr(const struct ch_wr *w)
{
	assert_false(w->bad);
	return ch_span(w->p, w->len);
}

static inline void put_tlv(struct ch_wr *w, uint8_t tag, struct ch_span body)
{
	ch_wr_u8(w, tag);
	if (body.n >= 256) {
		ch_wr_u8(w, 0x82);
		ch_wr_be16(w, (uint16_t)body.n);
	} else {
		if (body.n >= 128)
			ch_wr_u8(w, 0x81);
		ch_wr_u8(w, (uint8_t)body.n);
	}
	ch_wr_put(w, body);
}

static inline void put_rdn(struct ch_wr *w, uint8_t attribute, const char *value)
{
	uint8_t b[3][256];
	struct ch_wr pair = ch_wr(b[0], sizeof(b[0])), seq = ch_wr(b[1], sizeof(b[1]));
	const uint8_t oid[] = { 0x55, 0x04, attribute };
	if (value == NULL)
		return;
	put_tlv(&pair, CH_DER_OID, CH_SPAN_OF(oid));
	put_tlv(&pair, CH_DER_UTF8_STRING, ch_span_str(value));
	put_tlv(&seq, CH_DER_SEQUENCE, span_wr(&pair));
	put_tlv(w, CH_DER_SET, span_wr(&seq));
}

static inline void put_name(struct ch_wr *w, const char *o, const char *cn)
{
	uint8_t b[512];
	struct ch_wr rdns = ch_wr(b, sizeof(b));
	put_rdn(&rdns, 10, o);
	put_rdn(&rdns, 3, cn);
	put_tlv(w, CH_DER_SEQUENCE, span_wr(&rdns));
}

/* Appends an extension; `critical`: 0 absent, 1 TRUE, 2 FALSE written out. */
static inline void make_ext(struct maker *m, struct ch_span oid, int critical, struct ch_span value)
{
	uint8_t b[1024];
	struct ch_wr seq = ch_wr(b, sizeof(b));
	struct ch_wr all = ch_wr(m->ext + m->ext_n, sizeof(m->ext) - m->ext_n);
	put_tlv(&seq, CH_DER_OID, oid);
	if (critical != 0)
		put_tlv(&seq, CH_DER_BOOLEAN, critical == 1 ? CH_SPAN_LIT("\xff") : ch_span("\0", 1));
	put_tlv(&seq, CH_DER_OCTET_STRING, value);
	put_tlv(&all, CH_DER_SEQUENCE, span_wr(&seq));
	m->ext_n += span_wr(&all).n;
}

static inline void make_ce(struct maker *m, uint8_t n, int critical, const char *value, size_t size)
{
	const uint8_t oid[] = { 0x55, 0x1d, n };
	make_ext(m, CH_SPAN_OF(oid), critical, ch_span(value, size));
}
#define MAKE_CE(m, n, critical, literal) make_ce((m), (n), (critical), (literal), sizeof(literal) - 1)

#define MAKE_CA(m)        MAKE_CE((m), 19, 1, "\x30\x03\x01\x01\xff")
#define MAKE_NOT_CA(m)    MAKE_CE((m), 19, 1, "\x30\x00")
#define MAKE_CERT_SIGN(m) MAKE_CE((m), 15, 1, "\x03\x02\x02\x04")
#define MAKE_AGREEMENT(m) MAKE_CE((m), 15, 1, "\x03\x02\x03\x08")
#define MAKE_SIGNATURE(m) MAKE_CE((m), 15, 1, "\x03\x02\x07\x80")
#define MAKE_EKU_EK(m)    MAKE_CE((m), 37, 0, "\x30\x07\x06\x05\x67\x81\x05\x08\x01")
#define MAKE_EKU_AK(m)    MAKE_CE((m), 37, 0, "\x30\x07\x06\x05\x67\x81\x05\x08\x03")

/* subjectAltName with the attributes of a TPM: 2.23.133.2.n for `first`, `first` + 1, … */
static inline void make_san(struct maker *m, int critical, uint8_t first, const char *const value[3], bool bare)
{
	uint8_t b[3][512];
	struct ch_wr rdns = ch_wr(b[0], sizeof(b[0])), name = ch_wr(b[1], sizeof(b[1]));
	for (size_t i = 0; i < 3; i++) {
		const uint8_t oid[] = { 0x67, 0x81, 0x05, 0x02, (uint8_t)(first + i) };
		uint8_t c[3][256];
		struct ch_wr pair = ch_wr(c[0], sizeof(c[0])), seq = ch_wr(c[1], sizeof(c[1]));
		if (value[i] == NULL)
			continue;
		put_tlv(&pair, CH_DER_OID, CH_SPAN_OF(oid));
		put_tlv(&pair, CH_DER_UTF8_STRING, ch_span_str(value[i]));
		put_tlv(&seq, CH_DER_SEQUENCE, span_wr(&pair));
		put_tlv(&rdns, CH_DER_SET, span_wr(&seq));
	}
	put_tlv(&name, CH_DER_SEQUENCE, span_wr(&rdns));
	if (!bare) {
		struct ch_wr four = ch_wr(b[2], sizeof(b[2])), names = ch_wr(b[0], sizeof(b[0]));
		put_tlv(&four, CH_DER_CONTEXT_IN(4), span_wr(&name));
		put_tlv(&names, CH_DER_SEQUENCE, span_wr(&four));
		make_ce(m, 17, critical, (const char *)names.p, names.len);
		return;
	}
	make_ce(m, 17, critical, (const char *)name.p, name.len);
}

static const char *const tpm_names[3] = { "id:53544D20", "TEST1", "id:00010002" };

static inline EVP_PKEY *make_key(void)
{
	EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	assert_non_null(k);
	return k;
}

static inline void put_spki(struct ch_wr *w, EVP_PKEY *k)
{
	uint8_t b[256];
	uint8_t *p = b;
	int n = i2d_PUBKEY(k, &p);
	assert_true(n > 0 && n < 256);
	ch_wr_put(w, ch_span(b, (size_t)n));
}

static inline void put_sig_alg(struct ch_wr *w, const struct maker *m)
{
	if (m->sha1)
		ch_wr_put(w, CH_SPAN_LIT("\x30\x09\x06\x07\x2a\x86\x48\xce\x3d\x04\x01"));
	else
		ch_wr_put(w, CH_SPAN_LIT("\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"));
}

static inline void put_serial(struct ch_wr *w, const struct maker *m)
{
	put_tlv(w, CH_DER_INTEGER, m->serial.n > 0 ? m->serial : CH_SPAN_LIT("\x05"));
}

static inline void put_validity(struct ch_wr *w, const struct maker *m)
{
	uint8_t b[64];
	char t[16];
	struct ch_wr v = ch_wr(b, sizeof(b));
	const char *time[2] = { m->not_before != NULL ? m->not_before : "150101000000Z",
				m->not_after != NULL ? m->not_after : "450101000000Z" };
	for (size_t i = 0; i < 2; i++) {
		if (m->attribute) {
			t[0] = '2', t[1] = '0';
			(void)ch_span_copy(t + 2, 14, ch_span_str(time[i]));
			put_tlv(&v, CH_DER_GENERAL_TIME, ch_span(t, 15));
		} else {
			put_tlv(&v, CH_DER_UTC_TIME, ch_span_str(time[i]));
		}
	}
	put_tlv(w, CH_DER_SEQUENCE, span_wr(&v));
}

/* Holder and issuer of an attribute certificate: the certificate "EK CA", serial number 5. */
static inline void put_attribute(struct ch_wr *w, const struct maker *m)
{
	uint8_t b[5][512];
	struct ch_wr name = ch_wr(b[0], 512), four = ch_wr(b[1], 512), names = ch_wr(b[2], 512),
		     base = ch_wr(b[3], 512);
	put_tlv(w, CH_DER_INTEGER, CH_SPAN_LIT("\x01"));
	put_name(&name, NULL, "EK CA");
	put_tlv(&four, CH_DER_CONTEXT_IN(4), span_wr(&name));
	put_tlv(&names, CH_DER_SEQUENCE, span_wr(&four));
	ch_wr_put(&names, CH_SPAN_LIT("\x02\x01\x05"));
	put_tlv(&base, CH_DER_CONTEXT_IN(0), span_wr(&names));
	put_tlv(w, CH_DER_SEQUENCE, m->holder.n > 0 ? m->holder : span_wr(&base));
	name.len = four.len = names.len = 0;
	put_name(&name, m->issuer_o, m->issuer_cn != NULL ? m->issuer_cn : "root");
	put_tlv(&four, CH_DER_CONTEXT_IN(4), span_wr(&name));
	put_tlv(&names, CH_DER_SEQUENCE, span_wr(&four));
	put_tlv(w, CH_DER_CONTEXT_IN(0), span_wr(&names));
	put_sig_alg(w, m);
	put_serial(w, m);
	put_validity(w, m);
	/* tcgCredentialSpecification */
	ch_wr_put(w,
		  CH_SPAN_LIT("\x30\x16\x30\x14\x06\x05\x67\x81\x05\x02\x17\x31\x0b\x30\x09\x02\x01\x01\x02\x01\x01\x02"
			      "\x01\x09"));
	ch_wr_put(w, m->unique);
	if (m->ext_n > 0)
		put_tlv(w, CH_DER_SEQUENCE, ch_span(m->ext, m->ext_n));
}

static inline void put_certificate(struct ch_wr *w, const struct maker *m)
{
	uint8_t b[2048];
	struct ch_wr exts = ch_wr(b, sizeof(b));
	if (m->version != 1)
		ch_wr_put(w,
			  m->version == 0 ? CH_SPAN_LIT("\xa0\x03\x02\x01\x02") : CH_SPAN_LIT("\xa0\x03\x02\x01\x01"));
	put_serial(w, m);
	put_sig_alg(w, m);
	put_name(w, m->issuer_o, m->issuer_cn != NULL ? m->issuer_cn : "root");
	put_validity(w, m);
	if (m->subject.n > 0)
		ch_wr_put(w, m->subject);
	else
		put_name(w, m->subject_o, m->subject_cn);
	if (m->spki.n > 0)
		ch_wr_put(w, m->spki);
	else
		put_spki(w, m->key);
	ch_wr_put(w, m->unique);
	if (m->ext_n > 0) {
		put_tlv(&exts, CH_DER_SEQUENCE, ch_span(m->ext, m->ext_n));
		put_tlv(w, CH_DER_CONTEXT_IN(3), span_wr(&exts));
	}
}

/* Signs with `signer` (or with `key`: self-signed) into m->der. */
static inline struct ch_span make(struct maker *m)
{
	uint8_t b[2][4096];
	uint8_t sig[128] = { 0 };
	size_t n = sizeof(sig) - 1;
	struct ch_wr tbs = ch_wr(b[0], sizeof(b[0])), cert = ch_wr(b[1], sizeof(b[1])),
		     out = ch_wr(m->der, sizeof(m->der));
	if (m->attribute)
		put_attribute(&tbs, m);
	else
		put_certificate(&tbs, m);
	put_tlv(&cert, CH_DER_SEQUENCE, span_wr(&tbs));
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, m->sha1 ? EVP_sha1() : EVP_sha256(), NULL,
					    m->signer != NULL ? m->signer : m->key),
			 1);
	assert_int_equal(EVP_DigestSign(ctx, sig + 1, &n, cert.p, cert.len), 1);
	EVP_MD_CTX_free(ctx);
	put_sig_alg(&cert, m);
	put_tlv(&cert, CH_DER_BIT_STRING, ch_span(sig, n + 1));
	put_tlv(&out, CH_DER_SEQUENCE, span_wr(&cert));
	m->n = span_wr(&out).n;
	return ch_span(m->der, m->n);
}

#endif
