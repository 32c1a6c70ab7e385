/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_SIGNER_EARLIER_H
#define CH_SIGNER_EARLIER_H

#include "host/crypto_openssl/sign_list.h"
#include "server/ipc/child.h"
#include "server/signer/responder.h"

/*
 * CAs whose certificates devices still have and that issue none any more: what is revoked of each, as crl.h keeps it, and the key that signs its
 * lists and answers of OCSP, as the CA itself (RFC 6960, 2.6), and nothing else: neither can be taken for a certificate, as a list and a ResponseData begin
 * otherwise. There is no way from here to a certificate.
 */

#define CH_SIGNER_EARLIER_MAX 8

struct ch_earlier_ca {
	uint8_t id[32];      /* SHA-256 of its certificate */
	struct ch_issuer ca; /* as the lists name it */
	struct ch_ocsp_issuer named;
	struct ch_list_key key; /* a file; its state is NULL if it is none */
	bool in_token;          /* by the process `token` of this number: */
	unsigned token;
	struct ch_ca_key token_key; /* whose `ask` whoever knows the processes sets */
	struct ch_signer_crl crl;
};

/* True if its key is here: without one there are neither lists nor answers. */
static inline bool ch_earlier_signs(const struct ch_earlier_ca *c)
{
	return c->key.state != NULL || c->in_token;
}

struct ch_earlier {
	struct ch_earlier_ca ca[CH_SIGNER_EARLIER_MAX];
	size_t count;
};

/*
 * Takes the CAs of a configuration (`earlier_ca`, PEM), each with its key earlier-KEYID.key and its set of revocations in the folder `dir`. CH_ERR_UNTRUSTED for a
 * key file that others can read or a certificate that is no CA's, CH_ERR_MISMATCH for another CA's key, CH_ERR_DUPLICATE, CH_ERR_LIMIT. `name`
 * then says which: the file of the key. A key in a token, of P-256, has a line `earlier_token`: "KEYID NUMBER".
 */
CH_MUST_USE enum ch_err ch_earlier_load(struct ch_earlier *e, struct ch_span config, int dir, int64_t lifetime,
					char name[static 96]);
void ch_earlier_clear(struct ch_earlier *e);

/* NULL for none of them. */
struct ch_earlier_ca *ch_earlier_find(struct ch_earlier *e, const uint8_t id[static 32]);
/* The signature over `tbs` as it stands in a BIT STRING, and its algorithm; empty if there is none and will be none. Frees what it owns. */
typedef void ch_earlier_done_fn(void *own, struct ch_span tbs, struct ch_span alg, struct ch_span sig);
/* Signs a list or an answer; `done` is called exactly once, before this returns or, by a token, later. */
void ch_earlier_sign(struct ch_earlier_ca *c, struct ch_span tbs, ch_earlier_done_fn *done, void *own);

#endif
