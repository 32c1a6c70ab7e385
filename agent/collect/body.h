/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_BODY_H
#define CH_AGENT_BODY_H

#include "agent/collect/record.h"

/* The body of POST /v1/evidence (docs/protocol/evidence.md). */

/* Bytes that always suffice. */
size_t ag_body_max(const struct ag_record_evidence *r);
/* Appends it. `history`: the nonce is not, or no longer, one that the server waits for. */
void ag_body_put(struct ch_wr *w, const struct ag_record_evidence *r, bool history);

#endif
