/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_PLATFORM_CREDENTIAL_H
#define CH_PLATFORM_CREDENTIAL_H

#include "core/platform/tpm_public.h"
#include "core/platform/tpm_wire.h"

/*
 * TPM2_MakeCredential without a TPM (TPM 2.0 Part 1, 24; Annex B.10.4 and C.6.4): a secret that comes out of TPM2_ActivateCredential
 * only in the TPM that holds the endorsement key, and only if the object of that Name is loaded in it. Who can say the secret has
 * proven that both keys live in one TPM.
 */

/* What the device gets, each a structure with its 16-bit size in front. */
struct ch_credential {
	size_t id_size;
	uint8_t id[2 + 2 + CH_DIGEST_MAX + 2 + CH_DIGEST_MAX]; /* TPM2B_ID_OBJECT (Part 2, 12.4.3) */
	size_t secret_size;
	uint8_t secret[2 + CH_TPM_RSA_MAX]; /* TPM2B_ENCRYPTED_SECRET (Part 2, 11.4.3) */
};

/*
 * Judges a public area as an endorsement key that a credential can be made for: restricted, decrypt, fixedTPM, fixedParent,
 * sensitiveDataOrigin, not sign; RSA of 2048 bits and more, P-256 or P-384; AES in CFB mode; SHA-256 or larger as nameAlg.
 * CH_ERR_UNTRUSTED or CH_ERR_UNSUPPORTED with the rule in `d`.
 */
CH_MUST_USE enum ch_err ch_tpm_public_check_ek(const struct ch_tpm_public *pub, struct ch_diag *d);

/*
 * Seals `value` (at most the size of a digest of the EK's nameAlg) for the EK and the object named `name`: a Name computed by us,
 * never one that was sent. CH_ERR_RANGE if value or name have no valid size; what ch_tpm_public_check_ek() finds; CH_ERR_KEY for
 * a key that is none (a point that is not on its curve); CH_ERR_CRYPTO without random bytes. `c` is zero then.
 */
CH_MUST_USE enum ch_err ch_credential_make(struct ch_credential *c, const struct ch_tpm_public *ek, struct ch_span name,
					   struct ch_span value, struct ch_diag *d);

#endif
