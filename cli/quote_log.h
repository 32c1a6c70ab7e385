/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_QUOTE_LOG_H
#define CH_CLI_QUOTE_LOG_H

#include "core/boot/tcg_log.h"
#include "core/os/ima.h"
#include "core/platform/tpm_attest.h"

/*
 * Whether logs explain a quote: replayed, they give the registers that were quoted. A register that no log extended is
 * explained by its reset value alone, and only if no other bank's register of that number was extended: software that
 * extends one bank extends them all.
 */

struct quote_log_in {
	const struct ch_tpm_attest *quote;
	enum ch_hash_alg hash;        /* of the signature: pcrDigest is made with it */
	const struct ch_pcrs *values; /* the quoted registers, known to hash to pcrDigest; NULL if they are not known */
	const struct ch_tcg_log *log; /* NULL: no event log */
	struct ch_span ima;           /* the list; empty with `has_ima` false */
	bool has_ima;
};

struct quote_log {
	bool explains;
	uint32_t mismatch[CH_TPM_SELECTIONS_MAX]; /* per selection of the quote; empty where `values` is not known */
	struct ch_pcrs replay;                    /* the registers as the logs give them, at the time of the quote */
	size_t ima_entries;
	size_t ima_violations;       /* among the entries before the quote; among all of them if that is not known */
	size_t ima_at_quote;         /* entries that the quote covers, if `ima_found` */
	bool ima_found;              /* the shortest such beginning of the list was found */
	bool ima_quoted;             /* the quote selects a register that the list extends */
	enum ch_ima_extend ima_mode; /* if `ima_found` */
};

/*
 * Judges. CH_OK whether or not the logs explain the quote; an error, with its place in the IMA list, only if the list is
 * malformed.
 *
 * The list goes on while the device runs, so the shortest beginning of it, of at least one entry (the kernel's own, measured
 * before any process runs), that explains the registers it extends is the one judged. Both ways in which kernels extend are tried.
 */
CH_MUST_USE enum ch_err quote_log_judge(struct quote_log *out, const struct quote_log_in *in, struct ch_diag *d);

#endif
