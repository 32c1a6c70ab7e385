/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_TPM_FILES_H
#define CH_CLI_TPM_FILES_H

#include "cli/cmd.h"
#include "core/platform/tpm_public.h"
#include "host/crypto_openssl/pubkey.h"

/* The small inputs that commands about quotes share. Parsing only: the files are read before. */

/* A public key in one of the forms TPM tools write. Not to be copied: `pub` points into the struct or into the file. */
struct cli_tpm_key {
	struct ch_pub pub;
	bool has_area; /* from TPM2B_PUBLIC or TPMT_PUBLIC: `area` tells the key's attributes and Name */
	struct ch_tpm_public area;
	struct ch_pubkey spki;
};

/*
 * Parses PEM ("PUBLIC KEY"), its DER, TPM2B_PUBLIC or TPMT_PUBLIC, told apart by how they begin. `file` must outlive `k`.
 * Returns -1 to go on, or an exit code after saying what is wrong with `path`.
 */
int cli_tpm_key_parse(struct cli_tpm_key *k, const char *path, struct ch_span file);

/* A nonce as TPM2_Quote takes it (TPM2B_DATA): at most this many bytes. */
#define CLI_TPM_NONCE_MAX 66
struct cli_tpm_nonce {
	uint8_t b[CLI_TPM_NONCE_MAX];
	size_t n;
};

/* Reads hexadecimal digits of either case, possibly none. Returns -1 to go on, or CLI_USAGE after saying what is wrong. */
int cli_tpm_nonce_parse(struct cli_tpm_nonce *nonce, const char *hex);

#endif
