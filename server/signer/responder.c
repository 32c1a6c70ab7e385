/* SPDX-License-Identifier: Apache-2.0 */
#include "server/signer/responder.h"

#include "core/base/rd.h"
#include "core/platform/spki.h"
#include "core/platform/x509_write.h"

#include <sys/random.h>

#define CERTIFICATE_S (7 * 86400) /* life of the responder's certificate; the next one is made at half of it */
#define BACKDATED     3600
#define CERT_MAX      1024 /* what CH_OCSP_ANSWER_MAX has room for */

static enum ch_err key_names(struct ch_responder *r, const struct ch_pub *pub)
{
	struct ch_hash h;
	struct ch_digest digest;
	uint8_t spki[CH_SPKI_MAX];
	struct ch_wr w = ch_wr(spki, sizeof(spki));
	if (!ch_spki_put(&w, pub))
		return CH_ERR_KEY;
	ch_buf_append(&r->spki, ch_wr_span(&w));
	/* KeyHash (RFC 6960, 4.2.1): of the point, uncompressed. */
	enum ch_err err = ch_hash_init(&h, CH_HASH_SHA1);
	if (err != CH_OK)
		return err;
	ch_hash_update(&h, CH_SPAN_LIT("\x04"));
	ch_hash_update(&h, pub->a);
	ch_hash_update(&h, pub->b);
	ch_hash_final(&h, &digest);
	(void)ch_span_copy(r->kid, sizeof(r->kid), ch_digest_span(&digest));
	return CH_OK;
}

enum ch_err ch_responder_init(struct ch_responder *r, struct ch_sign_key *key, const struct ch_issuer *ca,
			      int64_t lifetime)
{
	struct ch_pubkey pub;
	*r = (struct ch_responder){ .lifetime = lifetime };
	enum ch_err err = ch_sign_key_pub(key, &pub);
	if (err == CH_OK && pub.pub.type != CH_KEY_P256)
		err = CH_ERR_KEY;
	if (err == CH_OK)
		err = ch_ocsp_issuer_make(&r->issuer, ca->name, ca->spki);
	if (err == CH_OK)
		err = key_names(r, &pub.pub);
	if (err != CH_OK)
		return err;
	r->key = *key;
	*key = (struct ch_sign_key){ .type = CH_KEY_NONE };
	return CH_OK;
}

void ch_responder_clear(struct ch_responder *r)
{
	ch_sign_key_clear(&r->key);
	ch_buf_free(&r->spki);
	ch_buf_free(&r->certificate);
	*r = (struct ch_responder){ 0 };
}

/* --- its certificate --- */

static void certified(void *own, struct ch_span tbs, const uint8_t *sig)
{
	struct ch_responder *r = own;
	uint8_t whole[CERT_MAX];
	struct ch_wr w = ch_wr(whole, sizeof(whole));
	bool good = sig != NULL && ch_cert_put(&w, tbs, sig) == CH_OK;
	r->asked = false;
	if (!good)
		return;
	r->certificate.n = 0;
	ch_buf_append(&r->certificate, ch_wr_span(&w));
	r->begin = r->next_begin;
	r->end = r->next_end;
}

/* Asks for a certificate; a key in a token makes it later. */
static void certify(struct ch_responder *r, const struct ch_issuer *ca, struct ch_ca_key *ca_key, int64_t clock)
{
	uint8_t serial[16], tbs[CERT_MAX];
	int64_t end = clock + CERTIFICATE_S;
	if (getrandom(serial, sizeof(serial), 0) != (ssize_t)sizeof(serial))
		return;
	serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40); /* RFC 5280, 4.1.2.2: positive, and never of fewer bytes */
	const struct ch_cert_new c = {
		.serial = CH_SPAN_OF(serial),
		.issuer = ca->name,
		.subject_cn = CH_SPAN_LIT("OCSP responder"),
		.not_before = clock - BACKDATED,
		.not_after = end < ca->not_after ? end : ca->not_after,
		.spki = ch_buf_span(&r->spki),
		.subject_kid = CH_SPAN_OF(r->kid),
		.issuer_kid = ca->kid,
		.key_usage = CH_KU_DIGITAL_SIGNATURE,
		.eku = CH_CERT_EKU_OCSP,
	};
	struct ch_wr w = ch_wr(tbs, sizeof(tbs));
	if (ch_cert_tbs_put(&w, &c) != CH_OK)
		return;
	r->asked = true;
	r->next_begin = c.not_before;
	r->next_end = c.not_after;
	ch_ca_sign(ca_key, ch_wr_span(&w), certified, r);
}

/* A clock that was set back makes a certificate that has not begun: it is made anew then too. */
static bool certificate_holds(const struct ch_responder *r, int64_t clock)
{
	return r->certificate.n > 0 && clock >= r->begin && clock < r->end;
}

void ch_responder_prepare(struct ch_responder *r, const struct ch_issuer *ca, struct ch_ca_key *ca_key, int64_t clock)
{
	bool half = clock >= r->begin + BACKDATED + CERTIFICATE_S / 2;
	if (r->key.type != CH_KEY_NONE && !r->asked && (!certificate_holds(r, clock) || half))
		certify(r, ca, ca_key, clock);
}

/* --- answers --- */

/* CH_IPC_OCSP_ID bytes: hash u16, flags u8, serial number 20. */
static bool id_take(struct ch_rd *rd, struct ch_ocsp_single *s, const struct ch_signer_crl *crl)
{
	s->hash = (enum ch_hash_alg)ch_rd_be16(rd);
	uint8_t flags = ch_rd_u8(rd);
	s->null_params = (flags & CH_IPC_OCSP_NULL) != 0;
	if (!ch_serial_make(&s->serial, ch_rd_take(rd, sizeof(s->serial.b))))
		return false;
	const struct ch_revoked *e = ch_signer_crl_find(crl, &s->serial);
	s->status = e != NULL ? CH_OCSP_REVOKED : (flags & CH_IPC_OCSP_KNOWN) != 0 ? CH_OCSP_GOOD : CH_OCSP_UNKNOWN;
	s->revoked = e != NULL ? e->time : 0;
	s->reason = e != NULL ? e->reason : 0;
	return true;
}

enum ch_err ch_responder_data(struct ch_wr *tbs, struct ch_msg_ocsp *out, const struct ch_ocsp_issuer *issuer,
			      struct ch_span responder_key, const struct ch_msg_ocsp_sign *req,
			      const struct ch_signer_crl *crl, int64_t clock, int64_t lifetime)
{
	struct ch_ocsp_single single[CH_OCSP_IDS_MAX];
	struct ch_rd rd = ch_rd(req->ids);
	size_t n = req->ids.n / CH_IPC_OCSP_ID;
	bool ok = req->ids.n % CH_IPC_OCSP_ID == 0 && n >= 1 && n <= CH_OCSP_IDS_MAX;
	for (size_t i = 0; i < n && ok; i++)
		ok = id_take(&rd, &single[i], crl);
	if (!ok)
		return CH_ERR_MALFORMED;
	const struct ch_ocsp_new o = { .issuer = issuer,
				       .responder_key = responder_key,
				       .produced = clock,
				       .this_update = clock,
				       .next_update = clock + lifetime,
				       .single = single,
				       .count = n,
				       .nonce = req->nonce };
	out->this_update = (uint64_t)o.this_update;
	out->next_update = (uint64_t)o.next_update;
	return ch_ocsp_tbs_put(tbs, &o);
}

void ch_responder_sign(const struct ch_responder *r, struct ch_msg_ocsp *out, uint8_t room[static CH_OCSP_ANSWER_MAX],
		       const struct ch_msg_ocsp_sign *req, const struct ch_signer_crl *crl, int64_t clock)
{
	uint8_t tbs[CH_OCSP_ANSWER_MAX], sig[CH_SIGN_BYTES];
	struct ch_wr w = ch_wr(tbs, sizeof(tbs)), all = ch_wr(room, CH_OCSP_ANSWER_MAX);
	*out = (struct ch_msg_ocsp){ .status = CH_OCSP_INTERNAL };
	if (r->key.type == CH_KEY_NONE || !certificate_holds(r, clock))
		return;
	struct ch_msg_ocsp good = { .status = CH_OCSP_SUCCESSFUL };
	enum ch_err err = ch_responder_data(&w, &good, &r->issuer, CH_SPAN_OF(r->kid), req, crl, clock, r->lifetime);
	if (err == CH_OK)
		err = ch_sign_message(&r->key, ch_wr_span(&w), sig);
	if (err == CH_OK)
		err = ch_ocsp_put(&all, ch_wr_span(&w), sig, ch_buf_span(&r->certificate));
	good.answer = ch_wr_span(&all);
	if (err == CH_OK)
		*out = good;
}
