/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TRUST_EVIDENCE_H
#define CH_TRUST_EVIDENCE_H

#include "core/base/arena.h"
#include "core/boot/appraise.h"

/*
 * One piece of evidence of an enrolled device, as it is stored: bytes in, a verdict for every link out. The server judges with it when
 * evidence arrives, and an auditor when it is judged again years later: same bytes, same generation, same verdict.
 */

struct ch_evidence {
	struct ch_span quote;            /* TPMS_ATTEST */
	struct ch_span signature;        /* TPMT_SIGNATURE */
	struct ch_span eventlog;         /* whole */
	struct ch_span ima;              /* whole; empty if there is none */
	struct ch_span ak_public;        /* TPMT_PUBLIC or TPM2B_PUBLIC of the enrolled attestation key */
	bool history;                    /* answers no challenge: it may lower a tier, never raise one */
	enum ch_tier platform;           /* what enrolment found */
	const struct ch_boot_last *last; /* counters of the last fresh quote; may be NULL */
	const struct ch_verify_key *key; /* that of ak_public, if it was made ready before; NULL: it is made here */
};

struct ch_evidence_verdict {
	enum ch_tier link[CH_LINK_COUNT];
	bool malformed;     /* event log or IMA list, with `rule` and its place: what follows was judged without it */
	const char *rule;   /* static text; NULL if both were read */
	struct ch_diag log; /* where in the log, or the list, it broke */
	struct ch_tpm_attest quote;
	struct ch_tpm_public ak;
	struct ch_sig sig;
	struct ch_tcg_log parsed;
	struct ch_boot_evidence evidence; /* what the boot was judged from; borrows */
	struct ch_boot_verdict boot;
};

/* Bytes of arena that suffice for evidence with a log of `eventlog` bytes. */
size_t ch_evidence_arena_size(size_t eventlog, const struct ch_reference *ref);

/*
 * Judges. CH_OK with a verdict, whatever it says: a log that cannot be read makes its link contraindicated. Anything else is a quote,
 * signature or key that cannot be read, with its rule in `d`: then there is nothing to say and nothing to keep. Without documents in
 * `ref` nothing can be affirmed: the tier is none unless the quote itself fails. `v` borrows from evidence, reference values
 * and arena.
 */
CH_MUST_USE enum ch_err ch_evidence_judge(struct ch_evidence_verdict *v, const struct ch_evidence *evidence,
					  const struct ch_reference *ref, struct ch_arena *arena, struct ch_diag *d);

#endif
