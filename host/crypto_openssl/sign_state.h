/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CRYPTO_OPENSSL_SIGN_STATE_H
#define CH_CRYPTO_OPENSSL_SIGN_STATE_H

#include "host/crypto_openssl/sign.h"

#include <openssl/evp.h>

/*
 * Between sign.c (uses keys) and sign_make.c (makes them and writes them down): two objects, so that a program that only signs does not
 * link what gives a key out.
 */
struct ch_sign_state {
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *ctx;  /* P-256: initialised once, signs any number of times */
	EVP_MD_CTX *md_ctx; /* Ed25519 */
};

/* Takes `pkey` over, whatever comes out. */
CH_MUST_USE enum ch_err ch_sign_adopt(struct ch_sign_key *k, EVP_PKEY *pkey);

#endif
