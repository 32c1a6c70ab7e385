/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_APPLY_RECORD_H
#define CH_AGENT_APPLY_RECORD_H

#include "agent/ipc/messages.h"
#include "agent/ipc/record.h"

/* What apply keeps on the disk (docs/protocol/agent-records.md). */

#define AG_NAME_MAX   64  /* of releases, classes, slots, boots */
#define AG_REASON_MAX 512 /* of a refusal */
#define AG_FLOORS_MAX 16  /* product lines that a device has had releases of */

/* A text of at most AG_NAME_MAX bytes, by value. */
struct ag_name {
	uint8_t p[AG_NAME_MAX];
	size_t n;
};

/* Releases of this name below the sequence are not taken any more. */
struct ag_floor {
	struct ag_name name;
	uint64_t sequence;
};

/* The deployment that was offered last, and what stays when it is over. */
struct ag_record_update {
	enum ag_phase phase;
	uint64_t deployment;
	uint8_t release[AG_DIGEST]; /* SHA-256 of the document */
	struct ag_name name, version;
	uint64_t sequence, floor;
	bool provable; /* it says what a boot of it measures */
	/* the artefact */
	uint64_t size;
	uint8_t sha256[AG_DIGEST];
	struct ag_name compatible;
	/* the installation */
	uint32_t begun;           /* how often it was begun */
	struct ag_name boot;      /* id of the boot in which it was installed */
	struct ag_name boot_slot; /* the slot that ran then */
	uint8_t reason[AG_REASON_MAX];
	size_t reason_n;
	/* for good */
	uint64_t time; /* it is not earlier than this */
	struct ag_name class_name;
	size_t floor_count;
	struct ag_floor floors[AG_FLOORS_MAX];
};

#define AG_RECORD_UPDATE_MAX 8192 /* bytes of such a file, at most */

CH_MUST_USE enum ch_err ag_record_put_update(struct ch_wr *w, const struct ag_record_update *r);
/* Reads a whole file, as ag_record_open; CH_ERR_MALFORMED, CH_ERR_LIMIT. `r` is zeroed on failure. */
CH_MUST_USE enum ch_err ag_record_update(struct ag_record_update *r, struct ch_span file);

static inline struct ch_span ag_name_span(const struct ag_name *n)
{
	return ch_span(n->p, n->n);
}
/* False if it is too long. */
bool ag_name_set(struct ag_name *n, struct ch_span s);

#endif
