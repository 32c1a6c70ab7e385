/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_OPERATOR_AUDIT_H
#define CH_CLI_OPERATOR_AUDIT_H

#include "cli/cmd.h"
#include "core/trust/evidence.h"
#include "core/trust/leaf.h"
#include "host/store/store.h"

/*
 * `chainhold audit`: from a backup of a store, everything that can be computed again is: the log's tree from its entries, each
 * entry from its record, each verdict from the evidence it names and the generation that judged it.
 */
int op_audit(int argc, char **argv);

#define AUDIT_TENANT 0

/* --- audit_evidence.c: one piece of evidence, judged again --- */

/* A generation's reference values for one class, or for a device of it that has some of its own, kept from one piece of evidence to the next. */
struct audit_reference {
	uint64_t generation;
	int64_t pinned; /* the document of one device beside them; 0: none */
	char class[CH_GENERATION_NAME_MAX + 1];
	bool held;
	struct ch_buf image, own;
	void *memory;
	struct ch_reference ref;
};
void audit_reference_free(struct audit_reference *r);

enum audit_outcome {
	AUDIT_AGREES,   /* the same tiers come out */
	AUDIT_DIFFERS,  /* others do: `what` says which */
	AUDIT_NOT_KEPT, /* evidence, or what judged it, was erased under retention */
};

struct audit_result {
	enum audit_outcome outcome;
	enum ch_tier stored[CH_LINK_COUNT];
	enum ch_tier again[CH_LINK_COUNT]; /* of boot and os: the links that evidence is judged for */
	uint64_t generation;
	const char *what; /* static text, unless AUDIT_AGREES */
};

/* Judges evidence number `seq` of the store again. */
void audit_evidence(struct ch_store *st, struct audit_reference *held, int64_t seq, struct audit_result *out);

#endif
