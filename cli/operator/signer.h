/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_OPERATOR_SIGNER_H
#define CH_OPERATOR_SIGNER_H

#include "cli/cmd.h"
#include "host/crypto_openssl/sign.h"
#include "host/net/tls_client.h"
#include "host/pkcs11/token.h"

/* The operator's key: a file (PEM, PKCS #8, encrypted or not; P-256 or Ed25519), or a key in a PKCS #11 token (P-256). Errors are told. */
struct op_signer {
	const char *name;         /* the path, or "the token": for messages */
	struct ch_buf pem;        /* a file, opened; empty for a token */
	struct ch_p11_key *token; /* NULL for a file */
};

/* The passphrase of `path`: of the file, or (NULL) asked for at the terminal. The caller wipes all `cap` bytes. -1 to go on. */
int op_passphrase_of(struct ch_buf *to, const char *path, const char *file);

/* True for a name that is a PKCS #11 URI and no path. */
bool op_signer_is_token(const char *name);

/*
 * Opens the key. A file that others can read is refused. The passphrase of an encrypted file is in the file `passphrase`, else (NULL) asked at
 * the terminal; so is the PIN of a token without pin-source. -1 to go on, else an exit code. Cleared by op_signer_clear in either case.
 */
int op_signer_open(struct op_signer *s, const char *name, const char *passphrase);
/* The same for a key file that was read, whose bytes it takes over; `name` is borrowed. */
int op_signer_take(struct op_signer *s, const char *name, struct ch_buf *pem, const char *passphrase);
void op_signer_clear(struct op_signer *s);

/* True if the first certificate of the text is of the token's key; always true for a file, where TLS itself looks. */
bool op_signer_of_cert(const struct op_signer *s, struct ch_span cert_pem);
/* Gives the TLS client the key. Lives as long as the signer. */
void op_signer_tls(struct op_signer *s, struct ch_tls_client_conf *conf);

/* Its public half. -1 to go on. */
int op_signer_pub(struct op_signer *s, struct ch_pubkey *pub);
/* Signs a message as operators' actions are signed: CH_SIGN_BYTES (core/trust/action.h). -1 to go on. */
int op_signer_sign(struct op_signer *s, struct ch_span message, uint8_t sig[static CH_SIGN_BYTES]);

#endif
