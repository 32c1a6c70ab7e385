/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/collect/body.h"
#include "agent/collect/collect.h"

#include "core/crypto/hash.h"
#include "core/platform/tpm_attest.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/random.h>

#define QUOTE_MS      60000
#define AFTER_RENEWAL 1                  /* second */
#define LOG_MAX       ((size_t)4 << 20)  /* firmware reserves 64 KiB to 1 MiB for its log */
#define IMA_MAX       ((size_t)12 << 20) /* as base64, with the log, below what a request may have */

/* What one attestation is made of, before it is in the queue. */
struct taken {
	struct ch_buf quote, signature;
	struct ag_log_tail log, ima;
};

static void taken_free(struct taken *t)
{
	ch_buf_free(&t->quote);
	ch_buf_free(&t->signature);
	ch_buf_free(&t->log.data);
	ch_buf_free(&t->ima.data);
}

/* --- an answer --- */

static void copy_short(char to[static AG_TEXT_SHORT], struct ch_span s)
{
	to[ch_span_copy(to, AG_TEXT_SHORT - 1, s)] = '\0';
}

static void say_reasons(struct ch_span lines)
{
	while (lines.n > 0) {
		size_t n = 0;
		while (n < lines.n && lines.p[n] != '\n')
			n++;
		ch_log(CH_LOG_WARNING, "  %.*s", (int)n, (const char *)lines.p);
		lines = n < lines.n ? ch_span(lines.p + n + 1, lines.n - n - 1) : CH_SPAN_EMPTY;
	}
}

/* Says what changed since the last answer, once. */
static void judged(struct collect *c, const struct ag_judged *m, bool fresh)
{
	char chain[AG_TEXT_SHORT], state[AG_TEXT_SHORT];
	copy_short(chain, m->chain);
	copy_short(state, m->state);
	if (strcmp(chain, c->chain) != 0 || strcmp(state, c->state) != 0) {
		bool good = strcmp(chain, "affirming") == 0;
		ch_log(good ? CH_LOG_NOTICE : CH_LOG_WARNING, "judged: chain %s, device %s", chain, state);
		if (!good)
			say_reasons(m->reasons);
	}
	copy_short(c->chain, m->chain);
	copy_short(c->state, m->state);
	c->reasons[ch_span_copy(c->reasons, sizeof(c->reasons) - 1, m->reasons)] = '\0';
	c->evidence = m->evidence;
	c->next_in = m->reattest_in;
	c->update_due = c->update_due || m->update.n > 0;
	ag_state_time(c, m->time);
	if (fresh) {
		c->ok = true;
		c->last_ok = ag_clock_now(&c->clock);
		c->problem[0] = '\0';
	}
}

/* Sends an entry of the queue. It leaves the queue when the server has it or will never take it. */
static enum ag_outcome send_entry(struct collect *c, const struct ag_record_evidence *r, uint32_t number, bool history,
				  bool *renew)
{
	size_t room = ag_body_max(r);
	CH_AUTO_FREE uint8_t *text = ch_calloc(1, room);
	struct ch_wr w = ch_wr(text, room);
	ag_body_put(&w, r, history);
	struct ag_judged m;
	enum ag_outcome out =
		ag_call(c, AG_ROUTE_EVIDENCE, CH_SPAN_OF(r->idempotency_key), ch_wr_span(&w), AG_MSG_JUDGED, &m);
	if (out == AG_LATER)
		return out;
	ag_queue_remove(&c->queue, number);
	if (out == AG_REFUSED) {
		ch_log(CH_LOG_ERROR, "the server will not take this evidence; it is dropped");
		return out;
	}
	judged(c, &m, !history);
	*renew = *renew || (!history && m.renew != 0);
	return out;
}

/* What waits from before goes first, in its order. */
static enum ag_outcome send_history(struct collect *c)
{
	struct ag_record_evidence r;
	uint32_t number;
	bool renew = false;
	for (;;) {
		CH_AUTO_BUF struct ch_buf file = { 0 };
		if (ag_queue_first(&c->queue, &file, &r, &number) != CH_OK)
			return AG_DONE;
		if (send_entry(c, &r, number, true, &renew) == AG_LATER)
			return AG_LATER;
	}
}

/* --- evidence --- */

static bool quote(struct collect *c, const uint8_t nonce[static AG_NONCE], struct taken *t)
{
	struct ag_quote m = { .always = 0 };
	struct ag_quoted q;
	(void)ch_span_copy(m.nonce, sizeof(m.nonce), ch_span(nonce, AG_NONCE));
	ag_child_ask(&c->child, AG_TPM, AG_MSG_QUOTE, &m, AG_MSG_QUOTED, &q, QUOTE_MS);
	if (q.error.n > 0) {
		ag_problem(c, "%.*s", (int)q.error.n, (const char *)q.error.p);
		return false;
	}
	ch_buf_append(&t->quote, q.quote);
	ch_buf_append(&t->signature, q.signature);
	return true;
}

static bool read_log(struct collect *c, const char *what, int fd, const struct ag_log_have *have, size_t max,
		     struct ag_log_tail *t)
{
	enum ch_err err = ag_log_read(t, fd, have, max);
	if (err == CH_OK)
		return true;
	ag_problem(c, "the %s cannot be read: %s", what,
		   err == CH_ERR_LIMIT ? "it is larger than can be sent" : strerror(errno));
	return false;
}

/*
 * Quotes, then reads the logs: they may then hold more than the quote covers (the verifier finds where it ends), never less.
 */
static bool take(struct collect *c, const uint8_t nonce[static AG_NONCE], struct taken *t)
{
	struct ag_log_have log = { .size = c->floor.log_size }, ima = { .size = c->floor.ima_size };
	(void)ch_span_copy(log.sha256, sizeof(log.sha256), CH_SPAN_OF(c->floor.log_sha256));
	(void)ch_span_copy(ima.sha256, sizeof(ima.sha256), CH_SPAN_OF(c->floor.ima_sha256));
	return quote(c, nonce, t) && read_log(c, "event log", c->eventlog, &log, LOG_MAX, &t->log) &&
	       read_log(c, "IMA list", c->ima, &ima, IMA_MAX, &t->ima);
}

static bool random_bytes(void *to, size_t n)
{
	return getrandom(to, n, 0) == (ssize_t)n;
}

static enum ch_err queue(struct collect *c, const struct taken *t, struct ag_record_evidence *r, uint32_t *number)
{
	uint8_t key[AG_KEY_CHARS / 2];
	if (!random_bytes(key, sizeof(key)))
		return CH_ERR_IO;
	*r = (struct ag_record_evidence){
		.collected = ag_clock_now(&c->clock),
		.quote = ch_buf_span(&t->quote),
		.signature = ch_buf_span(&t->signature),
		.log_from = t->log.from,
		.log = ch_buf_span(&t->log.data),
		.ima_from = t->ima.from,
		.ima = ch_buf_span(&t->ima.data),
	};
	(void)ch_span_copy(r->log_sha256, AG_DIGEST, CH_SPAN_OF(t->log.all.sha256));
	(void)ch_span_copy(r->ima_sha256, AG_DIGEST, CH_SPAN_OF(t->ima.all.sha256));
	(void)ch_span_copy(r->ostree, AG_DIGEST, CH_SPAN_OF(c->start.ostree));
	struct ch_wr w = ch_wr(r->idempotency_key, sizeof(r->idempotency_key));
	ch_wr_hex(&w, CH_SPAN_OF(key));
	enum ch_err err = ag_queue_add(&c->queue, r, number);
	if (err != CH_OK)
		ag_problem(c, "evidence cannot be queued: %s", strerror(errno));
	return err;
}

static void acknowledged(struct collect *c, const struct taken *t)
{
	bool grew = c->floor.log_size != t->log.all.size;
	c->floor.log_size = t->log.all.size;
	c->floor.ima_size = t->ima.all.size;
	(void)ch_span_copy(c->floor.log_sha256, AG_DIGEST, CH_SPAN_OF(t->log.all.sha256));
	(void)ch_span_copy(c->floor.ima_sha256, AG_DIGEST, CH_SPAN_OF(t->ima.all.sha256));
	if (grew)
		ag_state_put_floor(c);
}

/* Says what this evidence is about, whatever its nonce: registers and logs. */
static bool digest_of_content(const struct taken *t, uint8_t to[static AG_DIGEST])
{
	struct ch_tpm_attest a;
	struct ch_hash h;
	struct ch_digest d;
	if (ch_tpm_attest_parse(&a, ch_buf_span(&t->quote), NULL) != CH_OK || ch_hash_init(&h, CH_HASH_SHA256) != CH_OK)
		return false;
	ch_hash_update(&h, a.pcr_digest);
	ch_hash_update(&h, CH_SPAN_OF(t->log.all.sha256));
	ch_hash_update(&h, CH_SPAN_OF(t->ima.all.sha256));
	ch_hash_final(&h, &d);
	(void)ch_span_copy(to, AG_DIGEST, ch_digest_span(&d));
	return true;
}

/* No server: what there is to say is kept for later, if it is new. A nonce of our own; the server knows that it is not fresh. */
static void take_history(struct collect *c)
{
	struct taken t = { .quote = { 0 } };
	uint8_t nonce[AG_NONCE];
	uint8_t content[AG_DIGEST];
	char problem[AG_TEXT_MAX];
	(void)ch_span_copy(problem, sizeof(problem), CH_SPAN_OF(c->problem));
	if (random_bytes(nonce, sizeof(nonce)) && take(c, nonce, &t) && digest_of_content(&t, content) &&
	    !ch_span_eq(CH_SPAN_OF(content), CH_SPAN_OF(c->last_history))) {
		struct ag_record_evidence r;
		uint32_t number;
		if (queue(c, &t, &r, &number) == CH_OK) {
			(void)ch_span_copy(c->last_history, AG_DIGEST, CH_SPAN_OF(content));
			ch_log(CH_LOG_INFO, "no server: evidence is queued as history (entry %u)", number);
		}
	}
	taken_free(&t);
	(void)ch_span_copy(c->problem, sizeof(c->problem), CH_SPAN_OF(problem));
}

bool ag_self_check(struct collect *c)
{
	struct taken t = { .quote = { 0 } };
	uint8_t nonce[AG_NONCE];
	c->checked = c->checked || (random_bytes(nonce, sizeof(nonce)) && quote(c, nonce, &t));
	taken_free(&t);
	return c->checked;
}

/* What the server says that it has is what counts. */
static void believe(struct collect *c, const struct ag_challenged *m)
{
	c->floor.log_size = m->log_size;
	c->floor.ima_size = m->ima_size;
	(void)ch_span_copy(c->floor.log_sha256, AG_DIGEST, CH_SPAN_OF(m->log_sha256));
	(void)ch_span_copy(c->floor.ima_sha256, AG_DIGEST, CH_SPAN_OF(m->ima_sha256));
	if (m->interval != 0)
		c->floor.interval = m->interval;
	ag_state_time(c, m->time);
}

static enum ag_outcome fresh(struct collect *c, const struct ag_challenged *m, bool *renew)
{
	struct taken t = { .quote = { 0 } };
	struct ag_record_evidence r;
	uint32_t number;
	enum ag_outcome out = AG_REFUSED;
	if (take(c, m->nonce, &t) && queue(c, &t, &r, &number) == CH_OK)
		out = send_entry(c, &r, number, false, renew);
	if (out == AG_DONE)
		acknowledged(c, &t);
	taken_free(&t);
	return out;
}

enum ag_outcome ag_attest(struct collect *c)
{
	struct ag_challenged m;
	bool renew = false;
	c->ok = false;
	enum ag_outcome out = send_history(c);
	if (out == AG_DONE)
		out = ag_call(c, AG_ROUTE_CHALLENGE, CH_SPAN_EMPTY, CH_SPAN_EMPTY, AG_MSG_CHALLENGED, &m);
	if (out == AG_LATER)
		take_history(c);
	if (out == AG_DONE) {
		believe(c, &m);
		out = fresh(c, &m, &renew);
	}
	/* A new certificate may have lifted a quarantine: soon after it the device asks how it stands. */
	if (out == AG_DONE && (renew || ag_renew_due(c)) && ag_renew(c) == AG_DONE)
		c->next_in = AFTER_RENEWAL;
	if (out == AG_DONE && m.fleet_root > c->root.r.version)
		(void)ag_root_walk(c);
	(void)malloc_trim(0);
	return out;
}

bool ag_poll(struct collect *c)
{
	struct ag_polled m;
	if (ag_call(c, AG_ROUTE_POLL, CH_SPAN_EMPTY, CH_SPAN_EMPTY, AG_MSG_POLLED, &m) != AG_DONE)
		return true;
	ag_state_time(c, m.time);
	c->update_due = c->update_due || m.update != 0;
	bool moved = !ch_span_eq(m.state, ch_span_str(c->state)) || !ch_span_eq(m.chain, ch_span_str(c->chain));
	return moved || m.reattest != 0 || m.renew != 0;
}

enum ag_outcome ag_ask_status(struct collect *c)
{
	struct ag_judged m;
	enum ag_outcome out = ag_call(c, AG_ROUTE_STATUS, CH_SPAN_EMPTY, CH_SPAN_EMPTY, AG_MSG_JUDGED, &m);
	c->ok = false;
	if (out == AG_DONE)
		judged(c, &m, true);
	/* It has no challenges, which would name a later version. */
	if (out == AG_DONE)
		(void)ag_root_walk(c);
	return out;
}
