/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_PLATFORM_TPM_PUBLIC_H
#define CH_PLATFORM_TPM_PUBLIC_H

#include "core/base/limits.h"
#include "core/crypto/sig.h"

/* TPMT_PUBLIC (TPM 2.0 Part 2, 12.2.4) and the Name computed from it. */

/* TPMA_OBJECT bits (Part 2, 8.3.2). */
#define CH_TPMA_FIXED_TPM             (1u << 1)
#define CH_TPMA_ST_CLEAR              (1u << 2)
#define CH_TPMA_FIXED_PARENT          (1u << 4)
#define CH_TPMA_SENSITIVE_DATA_ORIGIN (1u << 5)
#define CH_TPMA_USER_WITH_AUTH        (1u << 6)
#define CH_TPMA_ADMIN_WITH_POLICY     (1u << 7)
#define CH_TPMA_NO_DA                 (1u << 10)
#define CH_TPMA_RESTRICTED            (1u << 16)
#define CH_TPMA_DECRYPT               (1u << 17)
#define CH_TPMA_SIGN                  (1u << 18)

struct ch_tpm_public {
	struct ch_span area; /* the TPMT_PUBLIC bytes */
	enum ch_hash_alg name_alg;
	uint32_t attributes;
	struct ch_span policy;
	uint16_t symmetric; /* TPM_ALG_ID or TPM_ALG_NULL (0x0010) */
	uint16_t symmetric_bits;
	uint16_t symmetric_mode; /* TPM_ALG_ID of the mode: 0x0043 is CFB */
	uint16_t scheme;         /* TPM_ALG_ID or TPM_ALG_NULL */
	enum ch_hash_alg scheme_hash;
	struct ch_pub key; /* a, b borrow from the input (or from a constant for the default RSA exponent) */
};

/* Parses TPM2B_PUBLIC or bare TPMT_PUBLIC (told apart by the size field). Trailing bytes are an error. The spans borrow from `in`. */
CH_MUST_USE enum ch_err ch_tpm_public_parse(struct ch_tpm_public *pub, struct ch_span in, struct ch_diag *d);

/* Name = nameAlg ‖ H(area) (Part 1, 16). `name` receives 2 + digest bytes, `n` their number. */
CH_MUST_USE enum ch_err ch_tpm_name(const struct ch_tpm_public *pub, uint8_t name[static 2 + CH_DIGEST_MAX], size_t *n);

/*
 * Judges a public area as an attestation key: fixedTPM, fixedParent, sensitiveDataOrigin, restricted and sign set, decrypt
 * clear, a signing scheme that we verify. CH_ERR_UNTRUSTED with the missing property in `d`.
 */
CH_MUST_USE enum ch_err ch_tpm_public_check_ak(const struct ch_tpm_public *pub, struct ch_diag *d);

#endif
