/* SPDX-License-Identifier: Apache-2.0 */
#include "host/crypto_openssl/backend.h"
#include "host/sys/log.h"
#include "server/ipc/hub.h"
#include "server/verify/verify.h"

#include <time.h>

/* chainhold-verify: bytes in, verdict out. It has its channels and nothing else: no file, no socket, no key. */

struct verify_main {
	struct ch_child child;
	struct ch_hub hub;
	struct ch_verify verify;
	bool stopping;
};

/* --- what the work sends --- */

static void send_answer(void *ctx, unsigned edge, uint64_t id, const struct ch_msg_answer *answer)
{
	struct verify_main *m = ctx;
	struct ch_peer *p = ch_hub_peer(&m->hub, CH_ROLE_EDGE, edge);
	if (p != NULL)
		ch_peer_send(p, CH_MSG_ANSWER, id, answer);
}

static bool send_ask(void *ctx, enum ch_msg type, uint64_t id, const void *msg)
{
	struct verify_main *m = ctx;
	struct ch_peer *p = ch_hub_peer(&m->hub, CH_ROLE_KEEPER, 0);
	if (p == NULL)
		return false; /* main is making a new channel */
	ch_peer_send(p, type, id, msg);
	return true;
}

static int64_t now(void *ctx)
{
	(void)ctx;
	return (int64_t)time(NULL);
}

/* --- what the hub brings --- */

static bool message(void *ctx, struct ch_peer *from, const struct ch_frame *f)
{
	struct verify_main *m = ctx;
	struct ch_msg_request request;
	struct ch_msg_est est;
	if (from->role == CH_ROLE_KEEPER)
		return ch_vf_keeper(&m->verify, f);
	if (f->type == CH_MSG_EST) {
		if (ch_msg_parse(CH_MSG_EST, &est, f->payload, NULL) != CH_OK)
			return false;
		ch_vf_est(&m->verify, from->index, f->id, &est);
		return true;
	}
	if (ch_msg_parse(CH_MSG_REQUEST, &request, f->payload, NULL) != CH_OK)
		return false;
	ch_vf_request(&m->verify, from->index, f->id, &request);
	return true;
}

static void peer(void *ctx, struct ch_peer *p, bool up)
{
	struct verify_main *m = ctx;
	if (up)
		return;
	if (p->role == CH_ROLE_KEEPER)
		ch_vf_keeper_gone(&m->verify);
	else
		ch_vf_edge_gone(&m->verify, p->index);
}

/* Asked for the end, it answers what is under way first. */
static void turn(void *ctx)
{
	struct verify_main *m = ctx;
	if (m->stopping && ch_vf_waiting(&m->verify) == 0)
		ch_hub_stop(&m->hub);
}

static void stop(void *ctx, uint32_t grace_ms)
{
	struct verify_main *m = ctx;
	m->stopping = true;
	if (grace_ms == 0)
		ch_hub_stop(&m->hub);
}

static void put_metric(struct ch_wr *w, const char *name, const char *help, const char *type, uint64_t value)
{
	ch_wr_str(w, "# HELP ");
	ch_wr_str(w, name);
	ch_wr_u8(w, ' ');
	ch_wr_str(w, help);
	ch_wr_str(w, "\n# TYPE ");
	ch_wr_str(w, name);
	ch_wr_u8(w, ' ');
	ch_wr_str(w, type);
	ch_wr_u8(w, '\n');
	ch_wr_str(w, name);
	ch_wr_u8(w, ' ');
	ch_wr_dec(w, value);
	ch_wr_u8(w, '\n');
}

static void metrics(void *ctx, struct ch_wr *w)
{
	const struct verify_main *m = ctx;
	const struct ch_vf_counters *c = &m->verify.counters;
	put_metric(w, "chainhold_verify_requests_total", "Requests that were parsed.", "counter", c->requests);
	put_metric(w, "chainhold_verify_refused_total", "Requests that were refused.", "counter", c->refused);
	put_metric(w, "chainhold_verify_judged_total", "Pieces of evidence that were judged.", "counter", c->judged);
	put_metric(w, "chainhold_verify_contraindicated_total", "Of them, with a broken boot.", "counter",
		   c->contraindicated);
	put_metric(w, "chainhold_verify_busy_total", "Requests put off because too much was in flight.", "counter",
		   c->busy);
	put_metric(w, "chainhold_verify_generation", "Generation that evidence is judged by.", "gauge",
		   m->verify.held.number);
}

static void reload(void *ctx, struct ch_span config)
{
	struct verify_main *m = ctx;
	if (ch_vf_configure(&m->verify, config) != CH_OK)
		ch_log(CH_LOG_ERROR, "the new certificate profiles or CA cannot be used: the old ones stay in force");
}

static const struct ch_hub_work work = {
	.message = message, .peer = peer, .turn = turn, .metrics = metrics, .reload = reload, .stop = stop
};

int main(void)
{
	static struct verify_main m;
	if (ch_child_begin(&m.child, CH_ROLE_VERIFY) != CH_OK)
		return 1;
	if (ch_crypto_openssl_init_seal() != CH_OK) {
		ch_log(CH_LOG_ERROR, "the cryptographic library does not offer what is needed");
		return 1;
	}
	const struct ch_vf_out out = { &m, send_answer, send_ask, now };
	ch_vf_init(&m.verify, &out);
	if (ch_vf_configure(&m.verify, m.child.start.config) != CH_OK) {
		ch_log(CH_LOG_ERROR, "the certificate profiles or the CA of the configuration cannot be used");
		return 1;
	}
	ch_hub_init(&m.hub, &m.child, &work, &m);
	ch_child_confine(&m.child, 0);
	enum ch_err err = ch_hub_run(&m.hub);
	ch_vf_clear(&m.verify);
	ch_hub_clear(&m.hub);
	return err == CH_OK ? 0 : 1;
}
