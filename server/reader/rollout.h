/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_READER_ROLLOUT_H
#define CH_READER_ROLLOUT_H

#include "core/update/release.h"
#include "core/update/rollout.h"
#include "core/update/state.h"
#include "server/reader/ask.h"

/* A rollout as the pages see it: a row of CH_READER_ROLLOUT_COLUMNS. Times are seconds since 1970. */
struct ch_rollout_seen {
	int64_t seq, action;
	char name[CH_NAME_MAX + 1], release_name[CH_NAME_MAX + 1], version[CH_RELEASE_VERSION_MAX + 1];
	uint8_t sha256[32], release[32];
	enum ch_rollout_state state;
	size_t phase; /* from 0 */
	uint64_t time, changed, members, canaries, reached;
	struct ch_buf reason, document; /* escaped; empty if it cannot be read */
	struct ch_rollout *doc;         /* borrows from `document`; zeros if that is empty */
};
void ch_rollout_take(struct ch_rollout_seen *r, const struct ch_query *q);
void ch_rollout_seen_clear(struct ch_rollout_seen *r);

#endif
