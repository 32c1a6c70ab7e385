/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_SIGNER_ISSUE_H
#define CH_SIGNER_ISSUE_H

#include "server/ipc/messages.h"
#include "server/ipc/profiles.h"
#include "server/signer/ca_key.h"

/* What the issuing CA is, read once from its certificate. Owns what it holds. */
struct ch_issuer {
	struct ch_buf certificate; /* DER */
	struct ch_span name;       /* its subject, encoded; borrows from `certificate` */
	struct ch_span kid;        /* its subject key identifier */
	struct ch_span spki;       /* its public key, encoded */
	struct ch_span sig_alg;    /* of an earlier CA: AlgorithmIdentifier of what its key signs; else empty */
	struct ch_span crl_url; /* what certificates say of where their revocation is told; empty: nothing. Borrowed */
	struct ch_span ocsp_url;
	int64_t not_after;
};

/*
 * Takes the CA's certificate (PEM), and its public half into `key`. CH_ERR_UNTRUSTED if it is no CA certificate with a key identifier,
 * CH_ERR_MISMATCH if its key is not `key`'s (a key in a token is held against it by the token), else what is malformed.
 */
CH_MUST_USE enum ch_err ch_issuer_load(struct ch_issuer *ca, struct ch_span pem, struct ch_ca_key *key);
void ch_issuer_clear(struct ch_issuer *ca);

/*
 * Builds the certificate that `req` asks for, under this process's own copy of the profiles (`profiles` are those of the configuration).
 * `clock` is this process's time. On success `out` has status 0 and, as `certificate`, what is to be signed, in `room`; else status and rule say why not.
 */
void ch_issue(struct ch_msg_issued *out, uint8_t room[static CH_IPC_CERT_MAX], const struct ch_issuer *ca,
	      const struct ch_profiles *profiles, const struct ch_msg_issue *req, int64_t clock);
/* Completes `out` of a success with the signature over it; `certificate` is then in `room`. `sig` NULL: refused. */
void ch_issue_signed(struct ch_msg_issued *out, uint8_t room[static CH_IPC_CERT_MAX], struct ch_span tbs,
		     const uint8_t *sig);

#endif
