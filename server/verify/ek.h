/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_VERIFY_EK_H
#define CH_VERIFY_EK_H

#include "core/platform/tpm_public.h"
#include "server/verify/body.h"
#include "server/verify/held.h"

/* The endorsement key that a device claims: is there a certificate for it, and does its chain end at a root of the generation? */

struct ch_ek_sent {
	const struct ch_tpm_public *ek;
	struct ch_span certificate; /* empty if the device has none */
	size_t chain;               /* index of an array of certificates in the body, or CH_JSON_NONE */
};

struct ch_ek_judged {
	uint8_t sha256[32]; /* identity of the key: see core/platform/spki.h */
	bool affirmed;      /* the chain holds */
	const char *rule;   /* why not; NULL if it holds. Static. */
	bool has_cert;
	struct ch_ek_cert cert;
	/* after a failure */
	unsigned status;
	const char *code;
};

/*
 * Judges. A chain that does not hold is not a failure: an operator may have listed the key. A failure, with status, code and rule
 * for the answer: a certificate of another key (403 "ek-certificate"), a certificate that cannot be read (400).
 */
CH_MUST_USE enum ch_err ch_ek_judge(struct ch_ek_judged *out, const struct ch_held *held, struct ch_body *body,
				    const struct ch_ek_sent *sent, int64_t now);

/* Appends members about the certificate to an object: ek_chain, ek_rule, ek_certificate_sha256, manufacturer, model, version, … */
void ch_ek_facts_put(struct ch_json_wr *j, const struct ch_ek_judged *ek);

#endif
