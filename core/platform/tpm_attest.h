/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_PLATFORM_TPM_ATTEST_H
#define CH_PLATFORM_TPM_ATTEST_H

#include "core/base/err.h"
#include "core/base/limits.h"
#include "core/base/span.h"
#include "core/boot/pcr.h"

/* TPMS_ATTEST (TPM 2.0 Part 2, 10.12.12): what a TPM signs in TPM2_Quote and TPM2_Certify. */

#define CH_TPM_GENERATED_VALUE   0xff544347u /* the magic that a restricted key signs for nobody but its TPM */
#define CH_TPM_ST_ATTEST_CERTIFY 0x8017u
#define CH_TPM_ST_ATTEST_QUOTE   0x8018u
#define CH_TPM_SELECTIONS_MAX    16

/* TPMS_PCR_SELECTION: bit n of `mask` is PCR n. */
struct ch_pcr_select {
	enum ch_hash_alg alg;
	uint32_t mask;
};

struct ch_tpm_attest {
	uint16_t type;
	struct ch_span qualified_signer;
	struct ch_span extra_data; /* the nonce of a quote */
	uint64_t clock;            /* milliseconds */
	uint32_t reset_count;      /* TPM Reset: power cycles */
	uint32_t restart_count;    /* TPM Restart or Resume since */
	bool safe;
	uint64_t firmware_version;
	size_t select_count; /* quote */
	struct ch_pcr_select select[CH_TPM_SELECTIONS_MAX];
	struct ch_span pcr_digest;     /* quote */
	struct ch_span name;           /* certify */
	struct ch_span qualified_name; /* certify */
};

/*
 * Parses a quote or a certification; the spans borrow from `in`. Wrong magic, another type, a bank twice, trailing bytes:
 * an error (another type: CH_ERR_UNSUPPORTED).
 */
CH_MUST_USE enum ch_err ch_tpm_attest_parse(struct ch_tpm_attest *a, struct ch_span in, struct ch_diag *d);

/*
 * The digest a TPM would have quoted: H over the selected registers of `pcrs`, bank by bank in the order of the selection,
 * ascending within a bank (Part 3, 18.4). `alg` is the hash of the signature. CH_ERR_UNSUPPORTED if a selected bank is not in `pcrs`.
 */
CH_MUST_USE enum ch_err ch_tpm_pcr_digest(const struct ch_tpm_attest *quote, const struct ch_pcrs *pcrs,
					  enum ch_hash_alg alg, struct ch_digest *out);

#endif
