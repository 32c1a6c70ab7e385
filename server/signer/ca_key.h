/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_SIGNER_CA_KEY_H
#define CH_SIGNER_CA_KEY_H

#include "host/crypto_openssl/sign.h"

/*
 * The key of the issuing CA: in this process, or in a PKCS #11 token behind the process `token`, which may take its time, end and be started
 * again. What waits for a signature waits until it has one.
 */

#define CH_CA_WAITING_MAX 4096 /* more than the keeper asks for at once */

struct ch_ca_wait;

struct ch_ca_key {
	struct ch_sign_key key; /* in this process; its state is NULL if it is in a token */
	struct ch_verify_key pub;
	struct ch_ca_wait *first;
	size_t count;
	uint64_t ids;
	/* Asks the token for a signature under this id, if it runs. */
	void (*ask)(void *ctx, uint64_t id, const uint8_t digest[static 32]);
	void *ctx;
};

/* The signature over `tbs`, as r ‖ s; NULL if there is none and will be none. Frees what it owns. */
typedef void ch_ca_done_fn(void *own, struct ch_span tbs, const uint8_t *sig);

/* Takes the public half from the CA's certificate: what a token gives is held against it. CH_ERR_KEY if it is not P-256. */
CH_MUST_USE enum ch_err ch_ca_key_init(struct ch_ca_key *k, const struct ch_pub *pub);
/* Wipes the key; what waits is told that there is no signature. */
void ch_ca_key_clear(struct ch_ca_key *k);

/* Signs; `done` is called exactly once, before this returns or later. */
void ch_ca_sign(struct ch_ca_key *k, struct ch_span tbs, ch_ca_done_fn *done, void *own);
/* The token answered. CH_ERR_SIGNATURE if it does not hold: the request waits on. An id that nobody waits for is CH_OK. */
CH_MUST_USE enum ch_err ch_ca_signed(struct ch_ca_key *k, uint64_t id, const uint8_t sig[static 64]);
/* The token was started anew: everything that waits is asked for again, in the order in which it came. */
void ch_ca_ask_again(struct ch_ca_key *k);

#endif
