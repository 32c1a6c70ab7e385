/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_SIM_SOFT_TPM_H
#define CH_SIM_SOFT_TPM_H

#include "host/crypto_openssl/sign.h"

/*
 * As much of a TPM 2.0 as a simulated device needs, in software: an EK with a certificate of a made-up manufacturer, an AK, a device
 * key, and what these sign. It proves nothing to anybody; it costs a server exactly what a real one costs it.
 */

/* A manufacturer that one fleet's EK certificates come from. */
struct sim_maker {
	void *key;  /* EVP_PKEY */
	void *root; /* X509 */
	_Atomic long serial;
};
/* Makes one, or takes the one that is in the folder: root.pem and root.key. False after a line on standard error. */
bool sim_maker_open(struct sim_maker *m, const char *folder);
void sim_maker_close(struct sim_maker *m);

#define SIM_PUBLIC_MAX 160
#define SIM_ATTEST_MAX 256
#define SIM_SIG_MAX    80

struct sim_bytes {
	size_t n;
	uint8_t b[SIM_ATTEST_MAX];
};

struct sim_tpm {
	void *ek; /* EVP_PKEY */
	struct ch_buf ek_cert;
	struct ch_sign_key ak, key;
	struct sim_bytes ek_public, ak_public, key_public; /* TPM2B_PUBLIC */
	uint64_t clock;
	uint32_t resets;
};
bool sim_tpm_make(struct sim_tpm *t, struct sim_maker *m);
void sim_tpm_clear(struct sim_tpm *t);
/* A new device key in place of the old one. */
bool sim_tpm_new_key(struct sim_tpm *t);
/* TPM2_Certify of the device key by the AK, for Chainhold's purpose: TPMS_ATTEST and TPMT_SIGNATURE. */
bool sim_tpm_certify(struct sim_tpm *t, struct sim_bytes *attest, struct sim_bytes *sig);
/* TPM2_Quote over `nonce` of the SHA-256 bank's registers 0 to 14, whose values hash to `digest`. */
bool sim_tpm_quote(struct sim_tpm *t, struct ch_span nonce, const uint8_t digest[static 32], struct sim_bytes *attest,
		   struct sim_bytes *sig);
/* TPM2_ActivateCredential for the AK. */
bool sim_tpm_activate(struct sim_tpm *t, struct ch_span id_object, struct ch_span secret, uint8_t out[static 32]);

#endif
