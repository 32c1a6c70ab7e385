/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_APPLY_H
#define CH_AGENT_APPLY_H

#include "agent/apply/rauc.h"
#include "agent/apply/record.h"
#include "agent/apply/spool.h"
#include "agent/ipc/child.h"
#include "agent/ipc/root_file.h"

/*
 * chainhold-agent-apply: root, and without any power of root; it judges releases by a fleet root of its own, keeps the bytes of one
 * artefact and has RAUC install it. It has its spool, a connection to D-Bus and two channels. What collect says is advice: who may
 * sign, what is too old and what was logged is found here.
 */

struct apply {
	struct ag_child child;
	struct ag_start_apply start;
	int dir;                     /* the spool, which is also its root directory */
	char path[AG_RAUC_PATH_MAX]; /* of the artefact, as RAUC sees it */
	struct ag_root root;
	struct ag_rauc rauc;
	struct ag_spool spool;
	struct ag_record_update u;   /* as it is on the disk */
	bool settled;                /* what became of an installation before this start is known */
	char slot[AG_RAUC_NAME_MAX]; /* that runs; empty: not known yet */
	char error[AG_TEXT_MAX];     /* why the request under way was not done */
	char said[AG_TEXT_MAX];      /* the one that was logged last */
};

/* Notes why a request is not done; it may be later. */
void apply_error(struct apply *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* state.c: what is on the disk. What cannot be read ends the process; what is damaged is said and is as good as none. */
void apply_state_open(struct apply *a);
/* False with the error noted: then nothing may be done by what was to be kept. */
CH_MUST_USE bool apply_state_keep(struct apply *a);
/* Raises the floor of time; kept with the next record. */
void apply_state_time(struct apply *a, uint64_t time);
/* The sequence below which a release of this name is not taken. */
uint64_t apply_state_floor(const struct apply *a, struct ch_span name);
/* Whether there is room for the floor of another name. */
bool apply_state_has_room(const struct apply *a, struct ch_span name);
/* The release of the record runs and stays: what is older than its floor is not taken any more. */
void apply_state_raise(struct apply *a);
/* The next version of the fleet root; false with the error noted. */
CH_MUST_USE bool apply_root_next(struct apply *a, struct ch_span note);

/* judge.c: whether a release may be installed here. */
struct apply_verdict {
	const char *refusal;       /* NULL: it may */
	struct ag_record_update u; /* name, version, sequence, floor and artefact of the release, and its digest */
	uint64_t issued;           /* seconds since 1970; 0 if it is refused */
};
void apply_judge(struct apply *a, const struct ag_update_offer *m, const char *compatible, struct apply_verdict *v);

/* update.c: the deployment, from offer to good. Each answers one message; the error is noted. */
void apply_offer(struct apply *a, const struct ag_update_offer *m);
void apply_bytes(struct apply *a, const struct ag_update_bytes *m);
void apply_install(struct apply *a);
void apply_reboot(struct apply *a);
void apply_good(struct apply *a);
void apply_drop(struct apply *a);
/* Looks what became of an installation that this process did not see end. */
void apply_settle(struct apply *a);
/* Takes up what RAUC has said. */
void apply_turn(struct apply *a);

#endif
