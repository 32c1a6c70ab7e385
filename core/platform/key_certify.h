/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_PLATFORM_KEY_CERTIFY_H
#define CH_PLATFORM_KEY_CERTIFY_H

#include "core/platform/tpm_public.h"

/*
 * TPM2_Certify of a device's key by its attestation key (TPM 2.0 Part 3, 18.2): with the AK bound to a TPM by its EK (see
 * credential.h), it proves that the device's key lives in the same TPM and never leaves it.
 */

/*
 * What TPM2_Certify must be given as qualifyingData: SHA-256("chainhold-key/v1" NUL ‖ TPMT_PUBLIC of the EK). It says what the
 * certification is for (style: what is signed names its purpose) and under which EK.
 */
CH_MUST_USE enum ch_err ch_key_qualifying(uint8_t to[static 32], const struct ch_tpm_public *ek);

/*
 * Judges a public area as a key for TLS: P-256, signs without restriction with ECDSA and SHA-256 or any scheme, does not decrypt;
 * fixedTPM, fixedParent, sensitiveDataOrigin; nameAlg not SHA-1. CH_ERR_UNTRUSTED or CH_ERR_UNSUPPORTED with the rule in `d`.
 */
CH_MUST_USE enum ch_err ch_tpm_public_check_key(const struct ch_tpm_public *pub, struct ch_diag *d);

struct ch_key_certify {
	struct ch_span attest;    /* TPMS_ATTEST as signed */
	struct ch_span signature; /* TPMT_SIGNATURE */
	const struct ch_tpm_public *key;
	const struct ch_tpm_public *ak;
	struct ch_span qualifying; /* 32 bytes, see above */
};

/*
 * Judges: the key and the AK are what they must be, the AK signed a certification, for this purpose, of the object whose Name we
 * compute from `key`. In the order of the rules: CH_ERR_UNTRUSTED or CH_ERR_UNSUPPORTED (key, AK), what the parsers find,
 * CH_ERR_SIGNATURE, CH_ERR_MISMATCH (another purpose, EK or object); `d` has the rule.
 */
CH_MUST_USE enum ch_err ch_key_certify_check(const struct ch_key_certify *c, struct ch_diag *d);

#endif
