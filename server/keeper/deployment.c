/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/text.h"
#include "core/platform/tpm_attest.h"
#include "core/update/ostree_pack.h"
#include "core/update/release.h"
#include "server/keeper/verbs.h"

/*
 * Deployments: one release that is offered to one device. What the device says of it is kept and believed as a claim; evidence proves it
 * or does not, in the transaction that keeps the evidence.
 */

#define MS            1000
#define NUMBER_FIRST  1001 /* hawkBit's clients take it for an action's number */
#define NUMBER_NOT    1000 /* and a multiple of this for none */
#define FEEDBACK_MAX  1024 /* of one deployment */
#define RESET_UNKNOWN (-1)

static bool deployment_take(struct ch_query *q, struct ch_deployment *u)
{
	*u = (struct ch_deployment){ 0 };
	if (!ch_sql_next(q))
		return false;
	u->seq = ch_sql_int(q, 0);
	u->device = ch_sql_int(q, 1);
	u->release = ch_sql_int(q, 2);
	u->state = (enum ch_update_state)ch_sql_int(q, 3);
	u->reset = ch_sql_int(q, 4);
	u->stop = (enum ch_update_stop)ch_sql_int(q, 8);
	u->measured = ch_sql_bytes(q, 6).n == sizeof(u->reference);
	u->rollout = ch_sql_int(q, 7);
	(void)ch_span_copy(u->sha256, sizeof(u->sha256), ch_sql_bytes(q, 5));
	(void)ch_span_copy(u->reference, sizeof(u->reference), ch_sql_bytes(q, 6));
	return true;
}

bool ch_kp_deployment_last(struct ch_keeper *k, int64_t device, struct ch_deployment *u)
{
	struct ch_query q =
		ch_sql_query(k->st, CH_SQL_DEPLOYMENT_LAST, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(device)));
	bool found = deployment_take(&q, u);
	return ch_sql_end(&q) == CH_OK && found;
}

bool ch_kp_deployment_get(struct ch_keeper *k, int64_t seq, struct ch_deployment *u)
{
	struct ch_query q = ch_sql_query(k->st, CH_SQL_DEPLOYMENT_GET, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq)));
	bool found = deployment_take(&q, u);
	return ch_sql_end(&q) == CH_OK && found;
}

static void number_put(struct ch_json_wr *j, const char *name, int64_t seq)
{
	uint8_t text[24];
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_wr_dec(&w, (uint64_t)seq);
	ch_json_named_span(j, name, ch_wr_span(&w));
}

void ch_kp_update_put(struct ch_json_wr *j, const struct ch_deployment *u)
{
	if (ch_update_wanted(u->state))
		number_put(j, "update", u->seq);
	else
		ch_json_named_str(j, "update", NULL);
}

void ch_kp_deployments_publish(struct ch_keeper *k)
{
	struct ch_query q = ch_sql_query(
		k->st, CH_SQL_DEPLOYMENT_WANTED,
		CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(CH_UPDATE_OFFERED), ch_int(CH_UPDATE_DOWNLOADING)));
	CH_AUTO_BUF struct ch_buf devices = { 0 };
	while (ch_sql_next(&q)) {
		int64_t seq = ch_sql_int(&q, 0);
		ch_buf_append(&devices, ch_span(&seq, sizeof(seq)));
	}
	(void)ch_sql_end(&q);
	for (size_t at = 0; at + sizeof(int64_t) <= devices.n; at += sizeof(int64_t)) {
		int64_t seq = 0;
		struct ch_device d;
		(void)ch_span_copy((uint8_t *)&seq, sizeof(seq), ch_span_sub(ch_buf_span(&devices), at, sizeof(seq)));
		if (ch_kp_device_by_seq(k, seq, &d))
			ch_kp_device_publish(k, &d);
	}
}

/* --- steps --- */

static void tell(struct ch_keeper *k, const struct ch_device *d, const struct ch_deployment *u, struct ch_span reason)
{
	uint8_t text[CH_IPC_TEXT_MAX * 6 + 512];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	ch_json_named_hex(&j, "device", CH_SPAN_OF(d->id));
	number_put(&j, "deployment", u->seq);
	ch_json_named_hex(&j, "release", CH_SPAN_OF(u->sha256));
	ch_json_named_str(&j, "state", ch_update_state_str(u->state));
	ch_json_named_span(&j, "reason", reason);
	ch_json_named_u64(&j, "time", k->now);
	ch_json_object_end(&j);
	ch_kp_event(k, d->seq, "update", ch_wr_span(&w));
}

void ch_kp_deployment_stop(struct ch_keeper *k, const struct ch_device *d, struct ch_deployment *u,
			   enum ch_update_stop stop)
{
	u->stop = stop;
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_DEPLOYMENT_STOP, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(u->seq), ch_int(stop)));
	ch_kp_links_publish(k, d);
}

bool ch_kp_deployment_step(struct ch_keeper *k, const struct ch_device *d, struct ch_deployment *u,
			   enum ch_update_step step, struct ch_span reason, int64_t evidence)
{
	enum ch_update_state to;
	if (ch_update_next(u->state, step, &to) != CH_OK)
		return false;
	bool same = to == u->state;
	if (to == CH_UPDATE_CANCELLED && ch_update_wanted(u->state))
		ch_kp_deployment_stop(k, d, u, CH_UPDATE_STOP_ASKED);
	u->state = to;
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_DEPLOYMENT_STATE,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(u->seq), ch_int(to), ch_int((int64_t)k->now),
			  ch_text(reason), ch_int(evidence)));
	if (step == CH_UPDATE_STEP_DOWNLOAD || step == CH_UPDATE_STEP_INSTALL)
		ch_sql_do(k->st, CH_SQL_DEPLOYMENT_TAKEN,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(u->seq), ch_int((int64_t)k->now)));
	if (!same) {
		tell(k, d, u, reason);
		ch_kp_links_publish(k, d);
	}
	return true;
}

int64_t ch_kp_deployment_add(struct ch_keeper *k, const struct ch_device *d, int64_t release, bool forced,
			     int64_t rollout, int64_t action)
{
	struct ch_deployment u;
	/* What is installed and can never be proven is not undone by the next: it stays what the device said. */
	if (ch_kp_deployment_last(k, d->seq, &u) && (ch_update_wanted(u.state) || (u.measured && d->evidence != 0)))
		(void)ch_kp_deployment_step(k, d, &u, CH_UPDATE_STEP_CANCEL,
					    CH_SPAN_LIT("another release is offered in its place"), 0);
	if (k->n.deployment < NUMBER_FIRST)
		k->n.deployment = NUMBER_FIRST;
	if (k->n.deployment % NUMBER_NOT == 0)
		k->n.deployment++;
	int64_t seq = k->n.deployment++;
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_DEPLOYMENT_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq), ch_int(d->seq), ch_int(release), ch_int(forced),
			  ch_int(CH_UPDATE_OFFERED), ch_int((int64_t)k->now), ch_int(rollout), ch_int(action)));
	if (ch_kp_deployment_get(k, seq, &u))
		tell(k, d, &u, CH_SPAN_EMPTY);
	ch_kp_links_publish(k, d);
	return seq;
}

void ch_kp_deployment_end(struct ch_keeper *k, const struct ch_device *d)
{
	struct ch_deployment u;
	/* The word of one that can never prove anything stays what it was. */
	if (ch_kp_deployment_last(k, d->seq, &u) &&
	    (ch_update_wanted(u.state) || (u.state == CH_UPDATE_INSTALLED && u.measured && d->evidence != 0)))
		(void)ch_kp_deployment_step(k, d, &u, CH_UPDATE_STEP_CANCEL,
					    CH_SPAN_LIT("the device is revoked or decommissioned"), 0);
}

static void cancel_some(struct ch_keeper *k, int64_t release, enum ch_update_state state, struct ch_span reason)
{
	struct ch_deployment u;
	struct ch_device d;
	/* Each round cancels those that it found. */
	for (;;) {
		int64_t seq = ch_sql_number(k->st, CH_SQL_DEPLOYMENT_OF_RELEASE,
					    CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(release), ch_int(state)), 0);
		if (seq == 0 || !ch_kp_deployment_get(k, seq, &u) || !ch_kp_device_by_seq(k, u.device, &d) ||
		    !ch_kp_deployment_step(k, &d, &u, CH_UPDATE_STEP_CANCEL, reason, 0))
			return;
	}
}

void ch_kp_deployments_cancel(struct ch_keeper *k, int64_t release, const char *reason)
{
	cancel_some(k, release, CH_UPDATE_OFFERED, ch_span_str(reason));
	cancel_some(k, release, CH_UPDATE_DOWNLOADING, ch_span_str(reason));
}

/* --- what operators decide --- */

struct wanted {
	int64_t seq, sequence, expires;
	bool withdrawn, forced;
};

static bool wanted_find(struct ch_keeper *k, const struct ch_act *a, struct wanted *r)
{
	uint8_t sha256[32];
	*r = (struct wanted){ 0 };
	if (ch_update_assign_parse(sha256, &r->forced, a->payload) != CH_OK)
		return false;
	struct ch_query q = ch_sql_query(k->st, CH_SQL_RELEASE_FIND,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(CH_SPAN_OF(sha256))));
	if (ch_sql_next(&q)) {
		r->seq = ch_sql_int(&q, 0);
		r->sequence = ch_sql_int(&q, 1);
		r->expires = ch_sql_int(&q, 3);
		r->withdrawn = ch_sql_int(&q, 5) != 0;
	}
	return ch_sql_end(&q) == CH_OK && r->seq != 0;
}

int64_t ch_kp_deployment_floor(struct ch_keeper *k, const struct ch_device *d, int64_t release)
{
	/* A device that shows nothing is taken at its word where that holds it to more. */
	enum ch_update_state counts = d->evidence != 0 ? CH_UPDATE_PROVEN : CH_UPDATE_INSTALLED;
	return ch_sql_number(k->st, CH_SQL_RELEASE_FLOOR,
			     CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq), ch_int(counts), ch_int(release)), 0);
}

/* What a device would refuse is not offered to it. */
const char *ch_kp_assign_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	struct wanted r;
	struct ch_deployment u;
	const struct ch_device *d = &a->device;
	*status = 404;
	if (!wanted_find(k, a, &r))
		return "no such release was published";
	*status = 409;
	if (!ch_state_admits(d->state, CH_ACCESS_ATTEST))
		return "the state of the device does not allow it";
	if (r.withdrawn)
		return "this release was withdrawn";
	if (r.expires <= (int64_t)(k->now / MS))
		return "this release has expired";
	if (ch_sql_number(k->st, CH_SQL_RELEASE_HAS_CLASS,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(r.seq), ch_text_str(d->class)), 0) == 0)
		return "this release is for devices of other classes";
	if (r.sequence < ch_kp_deployment_floor(k, d, r.seq))
		return "this release is older than what the device may go back to";
	if (ch_kp_deployment_last(k, d->seq, &u) && ch_update_wanted(u.state) && u.release == r.seq)
		return "this release is offered to the device already";
	return ch_sql_number(k->st, CH_SQL_RELEASE_LACKS, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(r.seq)), 1) == 0
		       ? NULL
		       : "the server has not all artefacts of this release yet: chainhold release upload";
}

void ch_kp_assign_run(struct ch_keeper *k, struct ch_act *a)
{
	struct wanted r;
	if (wanted_find(k, a, &r))
		(void)ch_kp_deployment_add(k, &a->device, r.seq, r.forced, 0, a->seq);
}

const char *ch_kp_cancel_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	struct ch_deployment u;
	enum ch_update_state to;
	*status = 409;
	return ch_kp_deployment_last(k, a->device.seq, &u) &&
			       ch_update_next(u.state, CH_UPDATE_STEP_CANCEL, &to) == CH_OK
		       ? NULL
		       : "nothing is offered to this device that could be cancelled";
}

void ch_kp_cancel_run(struct ch_keeper *k, struct ch_act *a)
{
	struct ch_deployment u;
	if (ch_kp_deployment_last(k, a->device.seq, &u))
		(void)ch_kp_deployment_step(k, &a->device, &u, CH_UPDATE_STEP_CANCEL,
					    CH_SPAN_LIT("cancelled by an operator"), 0);
}

/* --- what the device says --- */

/* The TPM's count of resets at its last fresh evidence. */
static int64_t reset_of(struct ch_keeper *k, const struct ch_device *d)
{
	struct ch_logs logs;
	struct ch_tpm_attest quote;
	int64_t reset = RESET_UNKNOWN;
	if (ch_kp_logs_of(k, d->evidence, &logs) &&
	    ch_tpm_attest_parse(&quote, ch_buf_span(&logs.quote), NULL) == CH_OK)
		reset = (int64_t)quote.reset_count;
	ch_buf_free(&logs.quote);
	return reset;
}

void ch_kp_feedback_keep(struct ch_keeper *k, const struct ch_device *d, struct ch_deployment *u,
			 enum ch_update_step step, const struct ch_said *said)
{
	int64_t progress = said->progress == CH_SAID_NO_PROGRESS ? -1 : said->progress;
	if (step == CH_UPDATE_STEP_INSTALL && u->state != CH_UPDATE_INSTALLED)
		u->reset = reset_of(k, d);
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_FEEDBACK_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->n.feedback++), ch_int(u->seq), ch_int(d->seq),
			  ch_int((int64_t)k->now), ch_text(said->state), ch_int(progress), ch_text(said->text),
			  ch_text(said->slot)));
	ch_sql_do(k->st, CH_SQL_DEPLOYMENT_SAID,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(u->seq), ch_int(progress), ch_text(said->slot),
			  ch_int(u->reset)));
}

bool ch_kp_feedback_full(struct ch_keeper *k, const struct ch_deployment *u)
{
	return ch_sql_number(k->st, CH_SQL_FEEDBACK_COUNT, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(u->seq)),
			     FEEDBACK_MAX) >= FEEDBACK_MAX;
}

static void feedback_answer(struct ch_keeper *k, const struct ch_who *who, const struct ch_deployment *u)
{
	uint8_t text[128];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	number_put(&j, "deployment", u->seq);
	ch_json_named_str(&j, "state", ch_update_state_str(u->state));
	ch_json_object_end(&j);
	ch_kp_answer(k, who, 200, ch_wr_span(&w));
}

/* Why this feedback is not taken; NULL if it is. */
static const char *feedback_refused(struct ch_keeper *k, const struct ch_msg_feedback *m, const struct ch_deployment *u,
				    enum ch_update_step *step, unsigned *status)
{
	enum ch_update_state to;
	*status = 400;
	if (ch_update_claim(m->state, step) != CH_OK)
		return "a device says downloading, installed, refused or fell-back";
	*status = 410;
	if (ch_update_over(u->state))
		return "this deployment is over";
	*status = 409;
	if (ch_update_next(u->state, *step, &to) != CH_OK)
		return "this does not follow what was said before";
	*status = 429;
	return ch_kp_feedback_full(k, u) ? "this device said as much about this deployment as is kept" : NULL;
}

void ch_kp_feedback(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_feedback *m)
{
	struct ch_device d;
	struct ch_deployment u;
	enum ch_update_step step;
	unsigned status;
	if (!ch_kp_device_by_id(k, m->device, &d) || !ch_state_admits(d.state, CH_ACCESS_ATTEST)) {
		ch_kp_refuse(k, who, 403, "state", "the state of this device does not admit this request");
		return;
	}
	/* Another device's is as one that does not exist: nothing is told about it. */
	if (m->deployment > INT64_MAX || !ch_kp_deployment_get(k, (int64_t)m->deployment, &u) || u.device != d.seq) {
		ch_kp_refuse(k, who, 404, "deployment", "this device has no such deployment");
		return;
	}
	const char *rule = feedback_refused(k, m, &u, &step, &status);
	if (rule != NULL) {
		ch_kp_refuse(k, who, status, "feedback", rule);
		return;
	}
	const struct ch_said said = { m->state, m->reason, m->slot, m->progress };
	ch_kp_feedback_keep(k, &d, &u, step, &said);
	(void)ch_kp_deployment_step(k, &d, &u, step, m->reason, 0);
	feedback_answer(k, who, &u);
}

/* --- what its evidence says --- */

static size_t releases_count(const struct ch_msg_commit *m)
{
	return m->releases.n / 32;
}

static bool releases_have(const struct ch_msg_commit *m, const uint8_t reference[static 32])
{
	for (size_t i = 0; i < releases_count(m); i++) {
		if (ch_span_eq(ch_span_sub(m->releases, 32 * i, 32), ch_span(reference, 32)))
			return true;
	}
	return false;
}

/* Whether the device was started anew since it said that it had installed; the first quote after that counts where none was before. */
static bool restarted(struct ch_keeper *k, struct ch_deployment *u, uint32_t reset)
{
	if (u->reset != RESET_UNKNOWN)
		return (int64_t)reset != u->reset;
	u->reset = (int64_t)reset;
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_DEPLOYMENT_RESET, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(u->seq), ch_int(u->reset)));
	return false;
}

/* The device says that it booted another commit than that of the release. What it says proves nothing; against itself it counts. */
static bool other_commit(struct ch_keeper *k, const struct ch_deployment *u, const struct ch_msg_commit *m)
{
	uint8_t commit[32];
	bool other = false;
	if (ch_span_all(CH_SPAN_OF(m->ostree), 0))
		return false;
	struct ch_query q = ch_sql_query(k->st, CH_SQL_RELEASE_COMMIT,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(u->release),
						 ch_text_str(ch_artifact_kind_str(CH_ARTIFACT_OSTREE))));
	if (ch_sql_next(&q))
		other = ch_ostree_name_parse(ch_sql_bytes(&q, 0), commit) == CH_OK &&
			!ch_span_eq(CH_SPAN_OF(commit), CH_SPAN_OF(m->ostree));
	(void)ch_sql_end(&q);
	return other;
}

/*
 * The deployment's step. A boot that several releases explain alike proves none of them: what is measured does not tell them apart, so
 * what the device says stays a claim.
 */
static void deployment_judge(struct ch_keeper *k, const struct ch_device *d, struct ch_deployment *u,
			     const struct ch_msg_commit *m, uint32_t reset, bool holds, int64_t evidence)
{
	static const struct ch_span other = CH_SPAN_LIT("the boot is explained, and not by this release"),
				    another = CH_SPAN_LIT(
					    "the device booted another commit of OSTree than this release's");
	bool differs = other_commit(k, u, m);
	bool shown = holds && u->measured && releases_have(m, u->reference) && !differs;
	if (shown && releases_count(m) == 1) {
		(void)ch_kp_deployment_step(k, d, u, CH_UPDATE_STEP_PROVE, CH_SPAN_EMPTY, evidence);
		return;
	}
	if (shown || !u->measured || (u->state != CH_UPDATE_INSTALLED && u->state != CH_UPDATE_NOT_PROVEN) ||
	    !restarted(k, u, reset))
		return;
	(void)ch_kp_deployment_step(k, d, u, CH_UPDATE_STEP_DISPROVE,
				    m->unexplained.n > 0 ? m->unexplained
				    : differs            ? another
							 : other,
				    evidence);
}

/* The tier of the release that the device was measured to run. */
static enum ch_tier running_tier(struct ch_keeper *k, const struct ch_device *d, const struct ch_msg_commit *m)
{
	enum ch_tier tier = CH_TIER_NONE;
	for (size_t i = 0; i < releases_count(m); i++) {
		struct ch_query q =
			ch_sql_query(k->st, CH_SQL_RELEASE_BY_REFERENCE,
				     CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(ch_span_sub(m->releases, 32 * i, 32))));
		if (ch_sql_next(&q)) {
			bool below = ch_sql_int(&q, 1) < ch_kp_deployment_floor(k, d, ch_sql_int(&q, 0));
			enum ch_tier one = below                    ? CH_TIER_CONTRAINDICATED
					   : ch_sql_int(&q, 2) != 0 ? CH_TIER_WARNING
								    : CH_TIER_AFFIRMING;
			/* Which of several it is cannot be told: the worst counts. */
			tier = one > tier ? one : tier;
		}
		(void)ch_sql_end(&q);
	}
	return tier;
}

enum ch_tier ch_kp_update_judge(struct ch_keeper *k, const struct ch_device *d, const struct ch_msg_commit *m,
				uint32_t reset, enum ch_tier boot, int64_t evidence)
{
	struct ch_deployment u;
	bool holds = boot == CH_TIER_AFFIRMING || boot == CH_TIER_WARNING;
	if (ch_kp_deployment_last(k, d->seq, &u))
		deployment_judge(k, d, &u, m, reset, holds, evidence);
	/* Claimed and not shown: that breaks the link, whatever it runs. */
	if (u.state == CH_UPDATE_NOT_PROVEN)
		return CH_TIER_CONTRAINDICATED;
	return holds ? running_tier(k, d, m) : CH_TIER_NONE;
}
