/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/apply/apply.h"

#include "core/crypto/hash.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BEGUN_MAX 3 /* installations of one artefact that were interrupted */

/* Whether a deployment may go from one phase to another: what is not in the table is a programmer's error. */
static void move(struct apply *a, enum ag_phase to)
{
#define BIT(phase) (1u << AG_PHASE_##phase)
	static const uint16_t next[AG_PHASE_COUNT] = {
		[AG_PHASE_NONE] = BIT(TAKING) | BIT(REFUSED),
		[AG_PHASE_TAKING] = BIT(NONE) | BIT(TAKING) | BIT(INSTALLING) | BIT(REFUSED),
		[AG_PHASE_INSTALLING] = BIT(TAKING) | BIT(INSTALLED) | BIT(REFUSED),
		[AG_PHASE_INSTALLED] = BIT(RUNNING) | BIT(FELL_BACK) | BIT(TAKING) | BIT(REFUSED),
		[AG_PHASE_RUNNING] = BIT(GOOD) | BIT(FELL_BACK),
		[AG_PHASE_GOOD] = BIT(TAKING) | BIT(REFUSED),
		[AG_PHASE_REFUSED] = BIT(TAKING) | BIT(REFUSED),
		[AG_PHASE_FELL_BACK] = BIT(TAKING) | BIT(REFUSED),
	};
	if ((next[a->u.phase] & 1u << to) == 0)
		ag_child_end("a deployment went where it may not");
	ch_log(CH_LOG_NOTICE, "deployment %llu: %s → %s", (unsigned long long)a->u.deployment, ag_phase_str(a->u.phase),
	       ag_phase_str(to));
	a->u.phase = to;
}

static void give_reason(struct apply *a, const char *why)
{
	a->u.reason_n = ch_span_copy(a->u.reason, sizeof(a->u.reason), ch_span_str(why));
	if (why[0] != '\0')
		ch_log(CH_LOG_WARNING, "%s", why);
}

/* It will not be installed. */
static void refuse(struct apply *a, const char *why)
{
	move(a, AG_PHASE_REFUSED);
	give_reason(a, why);
	ag_spool_remove(&a->spool);
	(void)!apply_state_keep(a);
}

/* The installation did not come to an end; what was taken is still there. */
static void take_up(struct apply *a)
{
	move(a, AG_PHASE_TAKING);
	if (ag_spool_begin(&a->spool, a->u.size, false) != CH_OK)
		apply_error(a, "the spool cannot be read: %s", strerror(errno));
	(void)!apply_state_keep(a);
}

/* What RAUC says of the system; false with the error noted. A bus that is gone is looked for at the next start. */
static bool ask_system(struct apply *a, struct ag_rauc_system *s)
{
	if (ag_rauc_fd(&a->rauc) < 0) {
		apply_error(a, "there is no connection to D-Bus");
		return false;
	}
	if (ag_rauc_system(&a->rauc, s) == CH_OK)
		return true;
	apply_error(a, "%s", a->rauc.error);
	return false;
}

/* --- the offer --- */

/* Whether another deployment may take the place of the one that there is. */
static bool may_replace(struct apply *a)
{
	if (a->u.phase == AG_PHASE_INSTALLING)
		apply_error(a, "an installation is under way");
	else if (a->u.phase == AG_PHASE_RUNNING)
		apply_error(a, "what runs is not confirmed yet, and its fall-back would be overwritten");
	return a->error[0] == '\0';
}

static void take(struct apply *a, const struct apply_verdict *v)
{
	const struct ag_record_update *n = &v->u;
	a->u.name = n->name;
	a->u.version = n->version;
	a->u.sequence = n->sequence;
	a->u.floor = n->floor;
	a->u.provable = n->provable;
	a->u.size = n->size;
	a->u.compatible = n->compatible;
	(void)ch_span_copy(a->u.sha256, AG_DIGEST, CH_SPAN_OF(n->sha256));
	a->u.begun = 0;
	a->u.reason_n = 0;
}

/* The same again: it goes on as it is. What was refused, or fell back, is judged anew. */
static bool is_known(const struct apply *a, const struct ag_update_offer *m)
{
	struct ch_digest d;
	return m->deployment == a->u.deployment && ch_hash_once(CH_HASH_SHA256, m->document, &d) == CH_OK &&
	       ch_span_eq(ch_digest_span(&d), CH_SPAN_OF(a->u.release)) && a->u.phase != AG_PHASE_NONE &&
	       a->u.phase != AG_PHASE_REFUSED && a->u.phase != AG_PHASE_FELL_BACK;
}

void apply_offer(struct apply *a, const struct ag_update_offer *m)
{
	struct ag_rauc_system s;
	static struct apply_verdict v;
	static struct ag_record_update before;
	before = a->u;
	apply_state_time(a, m->time);
	/* the class is the one of the configuration, or the first that the server gave */
	if (a->u.class_name.n == 0 && !ag_name_set(&a->u.class_name, m->class_name))
		apply_error(a, "the name of the class is too long");
	if (is_known(a, m))
		return;
	if (!may_replace(a) || !ask_system(a, &s))
		return;
	apply_judge(a, m, s.compatible, &v);
	a->u.deployment = m->deployment;
	take(a, &v);
	(void)ch_span_copy(a->u.release, AG_DIGEST, CH_SPAN_OF(v.u.release));
	if (v.refusal != NULL) {
		refuse(a, v.refusal);
		return;
	}
	apply_state_time(a, v.issued);
	enum ch_err err = ag_spool_begin(&a->spool, a->u.size, true);
	if (err == CH_ERR_NOSPACE) {
		char why[AG_REASON_MAX];
		(void)snprintf(why, sizeof(why), "the artefact of %llu bytes does not fit into the spool",
			       (unsigned long long)a->u.size);
		refuse(a, why);
		return;
	}
	if (err != CH_OK) {
		apply_error(a, "the spool cannot be written: %s", strerror(errno));
		a->u = before;
		return;
	}
	move(a, AG_PHASE_TAKING);
	(void)!apply_state_keep(a);
}

/* --- the bytes --- */

void apply_bytes(struct apply *a, const struct ag_update_bytes *m)
{
	if (a->u.phase != AG_PHASE_TAKING) {
		apply_error(a, "no artefact is taken now");
		return;
	}
	enum ch_err err = ag_spool_put(&a->spool, m->offset, m->bytes);
	if (err == CH_ERR_LIMIT)
		apply_error(a, "the artefact has more bytes than the release says");
	else if (err == CH_ERR_IO)
		apply_error(a, "the spool cannot be written: %s", strerror(errno));
	/* what belongs elsewhere is passed over: the answer says where it goes on */
}

/* --- the installation --- */

/* Everything is there, durable, and the artefact of the release. */
static bool whole(struct apply *a)
{
	enum ch_err err = ag_spool_check(&a->spool, a->u.sha256);
	if (err == CH_OK)
		return true;
	if (err == CH_ERR_TRUNCATED) {
		apply_error(a, "bytes of the artefact are missing");
	} else if (err != CH_ERR_MISMATCH) {
		apply_error(a, "the spool cannot be read: %s", strerror(errno));
	} else if (a->spool.resumed) {
		a->spool.resumed = false;
		apply_error(a, "what was taken before the last start is not whole: it is taken again");
	} else {
		refuse(a, "the artefact is not the one of the release: its SHA-256 is another");
	}
	return false;
}

void apply_install(struct apply *a)
{
	struct ag_rauc_system s;
	char compatible[AG_NAME_MAX + 1];
	if (a->u.phase != AG_PHASE_TAKING) {
		apply_error(a, "there is nothing to install");
		return;
	}
	if (!ask_system(a, &s) || !whole(a))
		return;
	a->settled = true; /* this one is seen to its end */
	if (a->u.begun >= BEGUN_MAX) {
		refuse(a, "its installation was interrupted too often");
		return;
	}
	a->u.begun++;
	(void)ag_name_set(&a->u.boot, a->start.boot_id);
	(void)ag_name_set(&a->u.boot_slot, ch_span_str(s.boot_slot));
	compatible[ch_span_copy(compatible, AG_NAME_MAX, ag_name_span(&a->u.compatible))] = '\0';
	move(a, AG_PHASE_INSTALLING);
	ag_spool_close(&a->spool);
	if (apply_state_keep(a) && ag_rauc_install(&a->rauc, a->path, compatible) == CH_OK)
		return;
	if (a->error[0] == '\0')
		apply_error(a, "%s", a->rauc.error);
	take_up(a);
}

void apply_turn(struct apply *a)
{
	ag_rauc_turn(&a->rauc);
	if (a->u.phase != AG_PHASE_INSTALLING)
		return;
	if (a->rauc.step == AG_RAUC_DONE) {
		move(a, AG_PHASE_INSTALLED);
		if (apply_state_keep(a))
			ag_spool_remove(&a->spool);
	} else if (a->rauc.step == AG_RAUC_FAILED && a->rauc.lost) {
		ch_log(CH_LOG_WARNING, "%s: it is begun again", a->rauc.error);
		take_up(a);
	} else if (a->rauc.step == AG_RAUC_FAILED) {
		refuse(a, a->rauc.error);
	}
}

/* --- after it --- */

/* In the boot after an installation, or in one after that: which slot runs says what became of it. */
static void settle_boot(struct apply *a)
{
	char why[AG_REASON_MAX];
	if (ch_span_eq(ag_name_span(&a->u.boot), a->start.boot_id))
		return;
	bool same = ch_span_eq(ag_name_span(&a->u.boot_slot), ch_span_str(a->slot));
	if (!same && a->u.phase == AG_PHASE_RUNNING)
		return;
	move(a, same ? AG_PHASE_FELL_BACK : AG_PHASE_RUNNING);
	(void)snprintf(why, sizeof(why), "the machine runs from slot '%s', as before the installation", a->slot);
	if (same)
		give_reason(a, why);
	(void)!apply_state_keep(a);
}

/*
 * The process that began an installation is gone. A machine that runs from the other slot was told to by RAUC, which does that last: it
 * is installed, and the power went before that was kept. Else whether it ended well is not known, so it is done again.
 */
static bool settle_installation(struct apply *a, const struct ag_rauc_system *s)
{
	bool same_boot = ch_span_eq(ag_name_span(&a->u.boot), a->start.boot_id);
	if (same_boot && strcmp(s->operation, "idle") != 0)
		return false;
	if (same_boot || ch_span_eq(ag_name_span(&a->u.boot_slot), ch_span_str(a->slot))) {
		take_up(a);
		return true;
	}
	move(a, AG_PHASE_INSTALLED);
	ag_spool_remove(&a->spool);
	settle_boot(a);
	return true;
}

void apply_settle(struct apply *a)
{
	struct ag_rauc_system s;
	if (a->settled || !ask_system(a, &s))
		return;
	(void)snprintf(a->slot, sizeof(a->slot), "%s", s.boot_slot);
	a->settled = true;
	if (a->u.phase == AG_PHASE_INSTALLED || a->u.phase == AG_PHASE_RUNNING)
		settle_boot(a);
	else if (a->u.phase == AG_PHASE_INSTALLING)
		a->settled = settle_installation(a, &s);
}

void apply_reboot(struct apply *a)
{
	if (a->u.phase != AG_PHASE_INSTALLED) {
		apply_error(a, "nothing is installed that does not run");
		return;
	}
	ag_child_send(ag_child_to(&a->child, AG_MAIN), AG_MSG_REBOOT, 0, &(struct ag_reboot){ .always = 0 });
}

void apply_good(struct apply *a)
{
	if (a->u.phase != AG_PHASE_RUNNING) {
		apply_error(a, "nothing runs that is not confirmed");
		return;
	}
	if (ag_rauc_mark_good(&a->rauc) != CH_OK) {
		apply_error(a, "%s", a->rauc.error);
		return;
	}
	move(a, AG_PHASE_GOOD);
	apply_state_raise(a);
	(void)!apply_state_keep(a);
}

void apply_drop(struct apply *a)
{
	if (a->u.phase != AG_PHASE_TAKING)
		return;
	move(a, AG_PHASE_NONE);
	ag_spool_remove(&a->spool);
	(void)!apply_state_keep(a);
}
