/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/ocsp.h"

#define OID_BASIC "\x2b\x06\x01\x05\x05\x07\x30\x01\x01"
#define OID_NONCE "\x2b\x06\x01\x05\x05\x07\x30\x01\x02"

/* SEQUENCE { ecdsa-with-SHA256 } (RFC 5758, 3.2: no parameters). */
static const uint8_t ecdsa_sha256[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };

static const struct {
	enum ch_hash_alg alg;
	const char *oid;
	size_t n;
} hashes[CH_OCSP_HASHES] = {
	{ CH_HASH_SHA1, "\x2b\x0e\x03\x02\x1a", 5 },
	{ CH_HASH_SHA256, "\x60\x86\x48\x01\x65\x03\x04\x02\x01", 9 },
	{ CH_HASH_SHA384, "\x60\x86\x48\x01\x65\x03\x04\x02\x02", 9 },
	{ CH_HASH_SHA512, "\x60\x86\x48\x01\x65\x03\x04\x02\x03", 9 },
};

static size_t hash_index(enum ch_hash_alg alg)
{
	size_t i = 0;
	while (i < CH_OCSP_HASHES && hashes[i].alg != alg)
		i++;
	return i;
}

/* --- the issuer --- */

/* The contents of subjectPublicKey without its count of unused bits (4.1.1, issuerKeyHash). */
static enum ch_err key_bits(struct ch_span *bits, struct ch_span spki)
{
	struct ch_der_rd d = ch_der_rd(spki, 0);
	struct ch_der_rd in =
		ch_der_enter(&d, CH_DER_SEQUENCE, "SubjectPublicKeyInfo is not a SEQUENCE (RFC 5280, 4.1.2.7)");
	(void)ch_der_skip(&in);
	*bits = ch_der_bits(&in, NULL, "subjectPublicKey is not a BIT STRING (RFC 5280, 4.1.2.7)");
	ch_der_leave(&d, &in, "bytes after subjectPublicKey (RFC 5280, 4.1.2.7)");
	return ch_der_end(&d, NULL, "bytes after SubjectPublicKeyInfo");
}

enum ch_err ch_ocsp_issuer_make(struct ch_ocsp_issuer *i, struct ch_span subject, struct ch_span spki)
{
	struct ch_span bits;
	*i = (struct ch_ocsp_issuer){ 0 };
	enum ch_err err = key_bits(&bits, spki);
	for (size_t h = 0; h < CH_OCSP_HASHES && err == CH_OK; h++) {
		err = ch_hash_once(hashes[h].alg, subject, &i->name[h]);
		if (err == CH_OK)
			err = ch_hash_once(hashes[h].alg, bits, &i->key[h]);
	}
	if (err != CH_OK)
		*i = (struct ch_ocsp_issuer){ 0 };
	return err;
}

bool ch_ocsp_issuer_is(const struct ch_ocsp_issuer *i, const struct ch_ocsp_cert_id *id)
{
	size_t h = hash_index(id->hash);
	return h < CH_OCSP_HASHES && ch_span_eq(id->name_sum, ch_digest_span(&i->name[h])) &&
	       ch_span_eq(id->key_sum, ch_digest_span(&i->key[h]));
}

/* --- an answer --- */

static void put_cert_id(struct ch_der_wr *d, const struct ch_ocsp_issuer *issuer, const struct ch_ocsp_single *s)
{
	size_t h = hash_index(s->hash);
	ch_der_put_begin(d, CH_DER_SEQUENCE);
	ch_der_put_begin(d, CH_DER_SEQUENCE);
	ch_der_put(d, CH_DER_OID, ch_span(hashes[h].oid, hashes[h].n));
	if (s->null_params)
		ch_der_put(d, CH_DER_NULL, CH_SPAN_EMPTY);
	ch_der_put_end(d);
	ch_der_put(d, CH_DER_OCTET_STRING, ch_digest_span(&issuer->name[h]));
	ch_der_put(d, CH_DER_OCTET_STRING, ch_digest_span(&issuer->key[h]));
	ch_der_put_unsigned(d, CH_SPAN_OF(s->serial.b));
	ch_der_put_end(d);
}

static void put_status(struct ch_der_wr *d, const struct ch_ocsp_single *s)
{
	const uint8_t reason[] = { s->reason };
	if (s->status != CH_OCSP_REVOKED) {
		ch_der_put(d, s->status == CH_OCSP_GOOD ? CH_DER_CONTEXT(0) : CH_DER_CONTEXT(2), CH_SPAN_EMPTY);
		return;
	}
	ch_der_put_begin(d, CH_DER_CONTEXT_IN(1));
	ch_der_put_general_time(d, s->revoked);
	if (s->reason != CH_CRL_UNSPECIFIED) {
		ch_der_put_begin(d, CH_DER_CONTEXT_IN(0));
		ch_der_put(d, CH_DER_ENUMERATED, CH_SPAN_OF(reason));
		ch_der_put_end(d);
	}
	ch_der_put_end(d);
}

static void put_single(struct ch_der_wr *d, const struct ch_ocsp_new *o, const struct ch_ocsp_single *s)
{
	ch_der_put_begin(d, CH_DER_SEQUENCE);
	put_cert_id(d, o->issuer, s);
	put_status(d, s);
	ch_der_put_general_time(d, o->this_update);
	ch_der_put_begin(d, CH_DER_CONTEXT_IN(0));
	ch_der_put_general_time(d, o->next_update);
	ch_der_put_end(d);
	ch_der_put_end(d);
}

static void put_nonce(struct ch_der_wr *d, struct ch_span nonce)
{
	if (nonce.n == 0)
		return;
	ch_der_put_begin(d, CH_DER_CONTEXT_IN(1));
	ch_der_put_begin(d, CH_DER_SEQUENCE);
	ch_der_put_begin(d, CH_DER_SEQUENCE);
	ch_der_put(d, CH_DER_OID, CH_SPAN_LIT(OID_NONCE));
	ch_der_put_begin(d, CH_DER_OCTET_STRING);
	ch_der_put(d, CH_DER_OCTET_STRING, nonce);
	ch_der_put_end(d);
	ch_der_put_end(d);
	ch_der_put_end(d);
	ch_der_put_end(d);
}

static bool fits(const struct ch_ocsp_new *o)
{
	bool ok = o->count >= 1 && o->count <= CH_OCSP_IDS_MAX && o->responder_key.n == 20 &&
		  o->nonce.n <= CH_OCSP_NONCE_MAX && o->this_update < o->next_update;
	for (size_t i = 0; i < o->count && ok; i++) {
		const struct ch_ocsp_single *s = &o->single[i];
		ok = hash_index(s->hash) < CH_OCSP_HASHES && !ch_span_all(CH_SPAN_OF(s->serial.b), 0) &&
		     (s->status != CH_OCSP_REVOKED || ch_crl_reason_final(s->reason));
	}
	return ok;
}

/* ResponseData (4.2.1): version v1 is not written, the responder is named by its key. */
enum ch_err ch_ocsp_tbs_put(struct ch_wr *w, const struct ch_ocsp_new *o)
{
	struct ch_der_wr d = ch_der_wr(w);
	if (!fits(o))
		return CH_ERR_RANGE;
	ch_der_put_begin(&d, CH_DER_SEQUENCE);
	ch_der_put_begin(&d, CH_DER_CONTEXT_IN(2));
	ch_der_put(&d, CH_DER_OCTET_STRING, o->responder_key);
	ch_der_put_end(&d);
	ch_der_put_general_time(&d, o->produced);
	ch_der_put_begin(&d, CH_DER_SEQUENCE);
	for (size_t i = 0; i < o->count; i++)
		put_single(&d, o, &o->single[i]);
	ch_der_put_end(&d);
	put_nonce(&d, o->nonce);
	ch_der_put_end(&d);
	return ch_der_wr_done(&d) ? CH_OK : CH_ERR_NOSPACE;
}

/* Down to what is signed, and its signature: `sig` as it stands in the BIT STRING. */
static void put_begin(struct ch_der_wr *d, struct ch_span tbs, struct ch_span sig_alg)
{
	const uint8_t successful[] = { CH_OCSP_SUCCESSFUL };
	ch_der_put_begin(d, CH_DER_SEQUENCE); /* OCSPResponse */
	ch_der_put(d, CH_DER_ENUMERATED, CH_SPAN_OF(successful));
	ch_der_put_begin(d, CH_DER_CONTEXT_IN(0));
	ch_der_put_begin(d, CH_DER_SEQUENCE); /* ResponseBytes */
	ch_der_put(d, CH_DER_OID, CH_SPAN_LIT(OID_BASIC));
	ch_der_put_begin(d, CH_DER_OCTET_STRING);
	ch_der_put_begin(d, CH_DER_SEQUENCE); /* BasicOCSPResponse */
	ch_der_put_raw(d, tbs);
	ch_der_put_raw(d, sig_alg);
	ch_der_put_begin(d, CH_DER_BIT_STRING);
}

static enum ch_err put_end(struct ch_der_wr *d, int levels)
{
	for (int level = 0; level < levels; level++)
		ch_der_put_end(d);
	return ch_der_wr_done(d) ? CH_OK : CH_ERR_NOSPACE;
}

enum ch_err ch_ocsp_put(struct ch_wr *w, struct ch_span tbs, const uint8_t sig[static 64], struct ch_span certificate)
{
	struct ch_der_wr d = ch_der_wr(w);
	put_begin(&d, tbs, CH_SPAN_OF(ecdsa_sha256));
	ch_wr_u8(w, 0);
	ch_der_put_begin(&d, CH_DER_SEQUENCE);
	ch_der_put_unsigned(&d, ch_span(sig, 32));
	ch_der_put_unsigned(&d, ch_span(sig + 32, 32));
	ch_der_put_end(&d);
	ch_der_put_end(&d);
	ch_der_put_begin(&d, CH_DER_CONTEXT_IN(0));
	ch_der_put_begin(&d, CH_DER_SEQUENCE);
	ch_der_put_raw(&d, certificate);
	return put_end(&d, 7);
}

enum ch_err ch_ocsp_put_by_ca(struct ch_wr *w, struct ch_span tbs, struct ch_span sig_alg, struct ch_span sig)
{
	struct ch_der_wr d = ch_der_wr(w);
	put_begin(&d, tbs, sig_alg);
	ch_wr_u8(w, 0);
	ch_der_put_raw(&d, sig);
	return put_end(&d, 6);
}

struct ch_span ch_ocsp_error(enum ch_ocsp_status status)
{
	static const uint8_t answer[][5] = {
		{ 0x30, 3, CH_DER_ENUMERATED, 1, CH_OCSP_MALFORMED },
		{ 0x30, 3, CH_DER_ENUMERATED, 1, CH_OCSP_TRY_LATER },
		{ 0x30, 3, CH_DER_ENUMERATED, 1, CH_OCSP_SIG_REQUIRED },
		{ 0x30, 3, CH_DER_ENUMERATED, 1, CH_OCSP_UNAUTHORIZED },
		{ 0x30, 3, CH_DER_ENUMERATED, 1, CH_OCSP_INTERNAL },
	};
	size_t i = 0;
	while (i + 1 < CH_COUNT_OF(answer) && answer[i][4] != (uint8_t)status)
		i++;
	return CH_SPAN_OF(answer[i]);
}
