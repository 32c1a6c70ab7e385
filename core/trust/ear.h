/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TRUST_EAR_H
#define CH_TRUST_EAR_H

#include "core/boot/appraise.h"

/*
 * EAT Attestation Results (draft-ietf-rats-ear-04): a verdict as an unsigned claims set in JSON. The mapping to the tiers and
 * values of AR4SI is a table in docs/protocol/ear.md.
 */

#define CH_EAR_PROFILE "tag:ietf.org,2026:rats/ear#04"

/* Values of a trustworthiness claim (draft-ietf-rats-ar4si, 2.3.4). */
struct ch_ear_vector {
	int8_t instance_identity;
	int8_t configuration;
	int8_t executables;
};

/* The vector of one link, from its reasons. Every claim is 0 where the link says nothing of it. */
struct ch_ear_vector ch_ear_vector(const struct ch_boot_verdict *v, enum ch_link link);

struct ch_ear_input {
	const struct ch_boot_verdict *verdict;
	const struct ch_boot_evidence *evidence;
	const struct ch_reference *reference;
	int64_t issued_at; /* seconds since 1970 */
	const char *build; /* "chainhold 0.1.0" */
	/* The tiers of all seven links: then each gets its submodule. NULL: boot, and os where it was judged. */
	const enum ch_tier *link;
	bool brief; /* without the list of events and the ranges nobody vouches for, which follow from the stored evidence */
};

/* What a person wants to read of one reason. The spans borrow from verdict, evidence and reference values. */
struct ch_reason_facts {
	bool has_event;
	struct ch_tcg_event event;
	struct ch_tcg_what what;
	bool has_entry;
	struct ch_ima_entry entry; /* valid until the evidence's scratch memory is used again */
	const char *from;          /* kind of the document that expected something else, or NULL */
	struct ch_span from_name;
};

/* Finds the event or list entry that a reason speaks of. */
void ch_reason_facts(struct ch_reason_facts *f, const struct ch_ear_input *in, const struct ch_reason *r);

/* Appends "db: CN=…" for a reason that speaks of an entry of a signature database (r->cert is not empty). */
void ch_reason_cert_put(struct ch_wr *w, const struct ch_reason *r);

/*
 * What was expected instead, as its reference document says it in escaped text: the event, or "db: CN=…" the entries that are
 * allowed. Empty if nothing was. `text` is room that the result may point to.
 */
struct ch_span ch_reason_wanted(const struct ch_ear_input *in, const struct ch_reason *r,
				uint8_t text[static CH_TCG_DESCRIBE_MAX]);

/*
 * Writes the reasons of every link as one array of objects {link, tier, code, text, event, entry, pcr, type, measured, digest_alg,
 * digest, expected, expected_what, from, from_name}: what the device API and the store hold (docs/protocol/evidence.md).
 */
void ch_ear_reasons_put(struct ch_json_wr *j, const struct ch_ear_input *in);

/* Writes the claims set. Failure is sticky in the writer. */
void ch_ear_put(struct ch_json_wr *j, const struct ch_ear_input *in);

#endif
