/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_SIGNER_RESPONDER_H
#define CH_SIGNER_RESPONDER_H

#include "core/platform/ocsp.h"
#include "server/signer/crl.h"

/*
 * Signs answers of OCSP with a key of its own, for which the CA gives a certificate that says so (RFC 6960, 4.2.2.2) and lives a week. What
 * it says of a certificate is what crl.h knows, whatever the keeper thinks of it: the keeper only says which numbers were issued.
 */
struct ch_responder {
	struct ch_sign_key key;
	uint8_t kid[20]; /* SHA-1 of the key's bits */
	struct ch_buf spki;
	struct ch_buf certificate; /* DER; empty before the first answer */
	int64_t begin, end;        /* of it, seconds since 1970 */
	bool asked;                /* for the next one */
	int64_t next_begin, next_end;
	int64_t lifetime; /* of an answer, seconds */
	struct ch_ocsp_issuer issuer;
};

/* Takes the key over on success; CH_ERR_KEY if it is not of P-256. */
CH_MUST_USE enum ch_err ch_responder_init(struct ch_responder *r, struct ch_sign_key *key, const struct ch_issuer *ca,
					  int64_t lifetime);
void ch_responder_clear(struct ch_responder *r);

/*
 * Asks the CA for a certificate when there is none that holds, or half of its life is over: a key in a token makes it later, and until then the one
 * before is used. Call before each answer.
 */
void ch_responder_prepare(struct ch_responder *r, const struct ch_issuer *ca, struct ch_ca_key *ca_key, int64_t clock);

/*
 * The ResponseData (RFC 6960, 4.2.1) that answers OCSP_SIGN, whoever signs it: appended to `tbs`, of at least CH_OCSP_ANSWER_MAX bytes, its times to `out`.
 * CH_ERR_MALFORMED if the request is no such request.
 */
CH_MUST_USE enum ch_err ch_responder_data(struct ch_wr *tbs, struct ch_msg_ocsp *out,
					  const struct ch_ocsp_issuer *issuer, struct ch_span responder_key,
					  const struct ch_msg_ocsp_sign *req, const struct ch_signer_crl *crl,
					  int64_t clock, int64_t lifetime);

/*
 * Answers OCSP_SIGN: at `room` the whole answer. Status CH_OCSP_SUCCESSFUL, or CH_OCSP_INTERNAL if the request is no such request,
 * a key fails, or there is no certificate yet.
 */
void ch_responder_sign(const struct ch_responder *r, struct ch_msg_ocsp *out, uint8_t room[static CH_OCSP_ANSWER_MAX],
		       const struct ch_msg_ocsp_sign *req, const struct ch_signer_crl *crl, int64_t clock);

#endif
