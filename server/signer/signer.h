/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_SIGNER_H
#define CH_SIGNER_H

#include "server/ipc/messages.h"
#include "server/signer/ear.h"
#include "server/signer/earlier.h"
#include "server/signer/issue.h"
#include "server/signer/responder.h"
#include "server/signer/tree.h"

/* The work of the signer, without its process: one request, one answer. */

struct ch_signer {
	struct ch_ca_key ca_key;
	struct ch_issuer ca;
	struct ch_signer_tree tree;
	struct ch_ear_signer ear;
	struct ch_signer_crl crl;
	struct ch_earlier earlier;
	struct ch_responder responder; /* without a key nobody is answered */
	struct ch_profiles profiles;
	struct {
		uint64_t issued, refused, checkpoints, failed, ears, lists, lists_failed, answers;
	} counters;
};

/*
 * Where an answer goes. May be copied and used later: an asker that is gone by then gets nothing. What a message borrows is gone when `send`
 * returns.
 */
struct ch_signer_out {
	void *ctx;
	uint64_t asker; /* whom `ctx` knows by this number */
	uint64_t id;    /* of the request */
	void (*send)(const struct ch_signer_out *to, enum ch_msg type, const void *msg);
};

/*
 * Carries out a request and sends its one answer; a REVOKE that others follow has none. What the CA's key signs
 * (ISSUE, REVOKE; an earlier CA's REVOKE_EARLIER and OCSP_SIGN) is answered when it has signed. False, and nothing is sent or changed, if it does not
 * parse or is another message. Whether its sender may ask for it was looked at before (permit.c).
 */
CH_MUST_USE bool ch_signer_request(struct ch_signer *s, const struct ch_frame *f, const struct ch_signer_out *out);
/* Prometheus text for STATUS. */
void ch_signer_metrics(const struct ch_signer *s, struct ch_wr *w);
/* Wipes the keys. */
void ch_signer_clear(struct ch_signer *s);

#endif
