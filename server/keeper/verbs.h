/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_KEEPER_VERBS_H
#define CH_KEEPER_VERBS_H

#include "core/trust/action.h"
#include "server/keeper/state.h"

/* An operator's action on its way: parsed, its signatures verified. */
struct ch_act {
	struct ch_action action;
	struct ch_span canonical, payload; /* borrowed */
	uint8_t sha256[32];                /* of canonical */
	int64_t seq;                       /* number of the action; -1: not stored yet */
	unsigned needed, signatures;
	struct ch_device device;   /* the subject, where it is one; seq 0: none */
	struct ch_span class_name; /* the class that the verb is about, or empty */
};

/*
 * Finds what the verb is about and asks everything that could refuse it: NULL if it may run, else the rule with its HTTP status.
 * Fills a->device and a->class_name.
 */
const char *ch_verb_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status);
/* Does it, with leaf and answer. It was stored and has all its signatures. */
void ch_verb_run(struct ch_keeper *k, const struct ch_who *who, struct ch_act *a);

/* est_decide.c: a request for a certificate that waits (verbs enrolment.approve, enrolment.refuse). */
const char *ch_est_decide_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status);
void ch_est_decide_run(struct ch_keeper *k, struct ch_act *a);

/* clock.c: an alarm about the clock (verb clock.accept). */
const char *ch_clock_accept_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status);
void ch_clock_accept_run(struct ch_keeper *k, struct ch_act *a);

/* import.c: certificates and revocations of an earlier CA (verbs certificate.import, revocation.import). */
const char *ch_cert_import_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status);
void ch_cert_import_run(struct ch_keeper *k, struct ch_act *a);
const char *ch_revocation_import_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status);
void ch_revocation_import_run(struct ch_keeper *k, struct ch_act *a);

/* The leaf of an action. */
uint64_t ch_act_record(struct ch_keeper *k, const struct ch_act *a);
/* Marks it done and answers; `certificate` (PEM) of an operator, or empty. */
void ch_act_done(struct ch_keeper *k, const struct ch_who *who, const struct ch_act *a, uint64_t leaf,
		 struct ch_span certificate);

/* fleet_root.c: a version of the fleet root. */
const char *ch_kp_fleet_root_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status);
void ch_kp_fleet_root_run(struct ch_keeper *k, struct ch_act *a);

/* release.c: a release (verbs release.publish, release.withdraw). */
const char *ch_kp_release_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status);
void ch_kp_release_run(struct ch_keeper *k, struct ch_act *a);
const char *ch_kp_withdraw_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status);
void ch_kp_withdraw_run(struct ch_keeper *k, struct ch_act *a);

/* deployment.c: one release for one device (verbs update.assign, update.cancel); verbs.c has found the device. */
const char *ch_kp_assign_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status);
void ch_kp_assign_run(struct ch_keeper *k, struct ch_act *a);
const char *ch_kp_cancel_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status);
void ch_kp_cancel_run(struct ch_keeper *k, struct ch_act *a);

/* rollout.c: one release for many devices (verbs rollout.create; rollout.pause, rollout.resume, rollout.abort). */
const char *ch_rollout_create_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status);
void ch_rollout_create_run(struct ch_keeper *k, struct ch_act *a);
const char *ch_rollout_act_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status);
void ch_rollout_act_run(struct ch_keeper *k, struct ch_act *a);

#endif
