/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_RECORD_H
#define CH_AGENT_RECORD_H

#include "agent/ipc/messages.h"
#include "agent/ipc/record.h"

/* What collect keeps on the disk, each in a record of its own (agent/ipc/record.h). */
#define AG_RECORD_MAX (AG_BODY_MAX + ((size_t)64 << 10))

/* Who the device is since its enrolment. `chain` is PEM, leaf first. Times in seconds since 1970. */
struct ag_record_identity {
	uint8_t device[AG_DEVICE];
	uint32_t key;
	uint64_t issued;
	uint64_t not_after;
	struct ch_span class_name;
	struct ch_span chain;
};

/*
 * What is known about time and about the server. It is never earlier than `time`. The server acknowledged that many bytes of the logs
 * of the boot `boot_id`.
 */
struct ag_record_floor {
	uint64_t time;
	uint32_t interval;
	struct ch_span boot_id;
	uint64_t log_size;
	uint8_t log_sha256[AG_DIGEST];
	uint64_t ima_size;
	uint8_t ima_sha256[AG_DIGEST];
};

#define AG_KEY_CHARS 32
/* One attestation, until the server has acknowledged it. The logs are from their byte `*_from` on. */
struct ag_record_evidence {
	uint8_t idempotency_key[AG_KEY_CHARS];
	uint64_t collected;
	struct ch_span quote, signature;
	uint64_t log_from;
	uint8_t log_sha256[AG_DIGEST]; /* of the whole log */
	struct ch_span log;
	uint64_t ima_from;
	uint8_t ima_sha256[AG_DIGEST];
	struct ch_span ima;
	uint8_t ostree[AG_DIGEST]; /* the commit that was booted then; zeros: none */
};

/* Writers: append a whole record. */
CH_MUST_USE enum ch_err ag_record_put_identity(struct ch_wr *w, const struct ag_record_identity *r);
CH_MUST_USE enum ch_err ag_record_put_floor(struct ch_wr *w, const struct ag_record_floor *r);
CH_MUST_USE enum ch_err ag_record_put_evidence(struct ch_wr *w, const struct ag_record_evidence *r);

/*
 * Readers of a whole file; spans borrow from it. CH_ERR_TRUNCATED, CH_ERR_TRAILING, CH_ERR_MALFORMED, CH_ERR_UNSUPPORTED (a later
 * version), CH_ERR_MISMATCH (digest), CH_ERR_LIMIT: the file is not to be believed.
 */
CH_MUST_USE enum ch_err ag_record_identity(struct ag_record_identity *r, struct ch_span file);
CH_MUST_USE enum ch_err ag_record_floor(struct ag_record_floor *r, struct ch_span file);
CH_MUST_USE enum ch_err ag_record_evidence(struct ag_record_evidence *r, struct ch_span file);

#endif
