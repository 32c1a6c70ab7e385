/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_IPC_RECORD_H
#define CH_AGENT_IPC_RECORD_H

#include "core/base/err.h"
#include "core/base/rd.h"
#include "core/base/wr.h"

/*
 * How a process of the agent keeps something on the disk: a file that is replaced as a whole (host/base/replace.h) and holds
 *   "CHAG" · u16 version, 1 · u16 kind · u32 bytes of payload · payload · SHA-256 of all before
 * The digest is against a disk that lies, not against whoever owns the device. Numbers are big-endian. docs/protocol/agent-records.md
 */
#define AG_RECORD_VERSION 1
#define AG_RECORD_HEAD    12
#define AG_RECORD_DIGEST  32

enum ag_record_kind { AG_RECORD_IDENTITY = 1, AG_RECORD_FLOOR, AG_RECORD_EVIDENCE, AG_RECORD_ROOT, AG_RECORD_UPDATE };

/* Begins a record and returns what ag_record_end wants; the payload is written in between. */
size_t ag_record_begin(struct ch_wr *w, enum ag_record_kind kind);
/* CH_ERR_NOSPACE if it did not fit. */
CH_MUST_USE enum ch_err ag_record_end(struct ch_wr *w, size_t start);
/*
 * The payload of a whole file. CH_ERR_TRUNCATED, CH_ERR_TRAILING, CH_ERR_MALFORMED, CH_ERR_UNSUPPORTED (a later version),
 * CH_ERR_MISMATCH (digest): the file is not to be believed.
 */
CH_MUST_USE enum ch_err ag_record_open(struct ch_rd *r, enum ag_record_kind kind, struct ch_span file);

/* A length of four bytes and as many bytes; more than `max` make the reader bad. */
void ag_record_put_span(struct ch_wr *w, struct ch_span s);
struct ch_span ag_record_take_span(struct ch_rd *r, size_t max);
void ag_record_take_fixed(struct ch_rd *r, uint8_t *to, size_t n);

/* The newest fleet root that was verified (core/trust/fleet_root.h), as it came. Borrows from the file. */
struct ag_record_root {
	struct ch_span note;
};
CH_MUST_USE enum ch_err ag_record_put_root(struct ch_wr *w, const struct ag_record_root *r);
/* As ag_record_open. */
CH_MUST_USE enum ch_err ag_record_root(struct ag_record_root *r, struct ch_span file);

#endif
