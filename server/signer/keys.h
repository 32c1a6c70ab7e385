/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_SIGNER_KEYS_H
#define CH_SIGNER_KEYS_H

#include "host/crypto_openssl/sign.h"

/*
 * Reads a private key file. CH_ERR_UNTRUSTED if it is not a regular file of this user or root, or its group or others have any right
 * to it; CH_ERR_KEY if the key has another type than `type`; CH_ERR_IO, CH_ERR_NOTFOUND; else as ch_sign_key_from_pem.
 */
CH_MUST_USE enum ch_err ch_signer_key_load(struct ch_sign_key *k, const char *path, enum ch_key_type type);

#endif
