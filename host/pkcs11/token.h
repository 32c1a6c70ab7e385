/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_PKCS11_TOKEN_H
#define CH_PKCS11_TOKEN_H

#include "host/crypto_openssl/pubkey.h"
#include "host/pkcs11/pin.h"
#include "host/pkcs11/uri.h"

/*
 * One key in a PKCS #11 token, reached through the vendor's module (PKCS #11 2.40). The module is loaded into this process and can do
 * whatever the process can: who serves a network hosts it in a process of its own. One thread; nothing here has a time limit.
 */

/*
 * Where the PIN comes from when the URI names no file. `pin` appends the PIN of the token with this label (escaped); false if there is none. It
 * is called at most once, so that a wrong answer costs one try. `unattended`: it is no person who answers.
 */
struct ch_p11_ask {
	bool (*pin)(void *ctx, const char *label, struct ch_buf *pin);
	void *ctx;
	bool unattended;
};

struct ch_p11_key;

/*
 * Loads the module that the URI names (module-path; a file that others can write is refused), opens a session with the one token that it
 * matches, logs in, and finds the one private key that it matches. The PIN comes from the file of pin-source ("file:/PATH" or "/PATH", readable by
 * its owner only; a newline at its end is not part of it), else from `ask`. The key is ECDSA on P-256.
 * CH_ERR_NOTFOUND (module, token, key), CH_ERR_DUPLICATE (more than one token or key matches), CH_ERR_UNTRUSTED (PIN; rights to a file),
 * CH_ERR_UNSUPPORTED (kind of key), CH_ERR_IO (the module fails). A PIN that no person types is not tried when the token says that it is the last
 * try: what runs by itself never locks a token.
 */
CH_MUST_USE enum ch_err ch_p11_key_open(struct ch_p11_key **out, const struct ch_p11_uri *u,
					const struct ch_p11_ask *ask, struct ch_p11_why *why);
/*
 * Makes a new key pair of P-256 in the token, under the label (`object`) and id of the URI, of which it has one at least; what it does not have
 * is filled in: the id is random, the label is "Chainhold CA". The private key is sensitive and not extractable: it never leaves the token.
 * CH_ERR_DUPLICATE if the token has a key under that name already: nothing is made then. Else as ch_p11_key_open.
 */
CH_MUST_USE enum ch_err ch_p11_key_generate(const struct ch_p11_uri *u, const struct ch_p11_ask *ask,
					    struct ch_p11_why *why);
/* Logs out, ends the session and unloads the module. NULL is fine. */
void ch_p11_key_close(struct ch_p11_key *k);

/* Its public half, which lives as long as the key. */
const struct ch_pub *ch_p11_key_pub(const struct ch_p11_key *k);

/*
 * ECDSA over a SHA-256 digest, as r ‖ s of 32 bytes each (PKCS #11 2.40, 2.3.1). Each signature is verified with the public half before
 * it leaves. CH_ERR_IO if the module refuses (a lost session too), CH_ERR_CRYPTO if what it gave does not verify.
 */
CH_MUST_USE enum ch_err ch_p11_sign(struct ch_p11_key *k, const uint8_t digest[static 32], uint8_t rs[static 64],
				    struct ch_p11_why *why);

#endif
