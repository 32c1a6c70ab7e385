/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/collect/collect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define INTERVAL_DEFAULT 600   /* seconds between attestations, until a server says otherwise */
#define BACKOFF_FIRST    2     /* seconds */
#define BACKOFF_MAX      900   /* a fleet that lost its server is back within a quarter of an hour */
#define RETRY_MAX        3600  /* seconds that a server may ask for */
#define INTERVAL_MAX     86400 /* what is longer is asked for by nobody who wants to know */

/* A number from 0 to `below` - 1. */
static uint64_t random_below(uint64_t below)
{
	uint64_t v = 0;
	if (below == 0 || getrandom(&v, sizeof(v), 0) != (ssize_t)sizeof(v))
		return 0;
	return v % below;
}

/* Milliseconds to wait after failures: doubled each time, half of it by chance, so that a fleet does not come back at once. */
static uint64_t backoff_ms(const struct collect *c)
{
	unsigned shift = c->failures < 10 ? c->failures - 1 : 9;
	uint64_t s = (uint64_t)BACKOFF_FIRST << shift;
	uint64_t ms = (s < BACKOFF_MAX ? s : BACKOFF_MAX) * 1000;
	ms = ms / 2 + random_below(ms / 2 + 1);
	uint64_t asked = (uint64_t)(c->retry_after < RETRY_MAX ? c->retry_after : RETRY_MAX) * 1000;
	return ms > asked ? ms : asked;
}

/* Milliseconds until the next attestation: a tenth by chance. */
static uint64_t interval_ms(const struct collect *c)
{
	uint64_t s = c->start.interval != 0   ? c->start.interval
		     : c->floor.interval != 0 ? c->floor.interval
					      : INTERVAL_DEFAULT;
	if (c->next_in != 0 && c->next_in < s)
		s = c->next_in;
	s = s < INTERVAL_MAX ? s : INTERVAL_MAX;
	return s * 900 + random_below(s * 100 + 1);
}

/* Refusals after which only an enrolment helps: the server knows the certificate no more, or takes it no more. */
static bool expels(const char *code)
{
	static const char *const codes[] = { "unknown-certificate", "expired", "revoked", "certificate-refused" };
	for (size_t i = 0; i < CH_COUNT_OF(codes); i++) {
		if (strcmp(code, codes[i]) == 0)
			return true;
	}
	return false;
}

/* Milliseconds until the server is asked whether it waits for something: a tenth by chance. */
static uint64_t poll_ms(const struct collect *c)
{
	return (uint64_t)c->start.poll * 900 + random_below((uint64_t)c->start.poll * 100 + 1);
}

static enum ag_outcome attest_or_ask(struct collect *c)
{
	if (c->start.software != 0) {
		enum ag_outcome out = ag_show_key(c);
		return out == AG_DONE ? ag_ask_status(c) : out;
	}
	return ag_self_check(c) ? ag_attest(c) : AG_REFUSED;
}

/* With whom the fleet root names now. */
static enum ag_outcome attempt_once(struct collect *c)
{
	enum ag_outcome out = AG_DONE;
	if (!c->enrolled || ag_certificate_over(c))
		out = ag_enrol(c);
	if (out == AG_DONE)
		out = attest_or_ask(c);
	if (out == AG_DONE || c->expelled || !expels(c->code))
		return out;
	c->expelled = true;
	out = ag_enrol(c);
	return out == AG_DONE ? attest_or_ask(c) : out;
}

/* Where nobody who is trusted was reached, or nobody may be trusted any more, a later fleet root may say who is. */
static enum ag_outcome attempt(struct collect *c)
{
	for (bool walked = false;; walked = true) {
		enum ag_outcome out = AG_LATER;
		const char *why = ag_root_refuses(c);
		c->unreached = why != NULL;
		if (why != NULL)
			ag_problem(c, "%s", why);
		else
			out = attempt_once(c);
		if (out == AG_DONE || !c->unreached || walked || !ag_root_walk(c))
			return out;
	}
}

/* One attempt; milliseconds until the next. */
static uint64_t turn(struct collect *c)
{
	c->retry_after = 0;
	enum ag_outcome out = attempt(c);
	c->failures = out == AG_DONE ? 0 : c->failures + 1;
	uint64_t ms = out == AG_DONE ? interval_ms(c) : backoff_ms(c);
	if (out != AG_DONE)
		ch_log(CH_LOG_INFO, "next attempt in %u s", (unsigned)(ms / 1000));
	ag_status_tell(c);
	return ms;
}

/* Milliseconds since boot. */
static uint64_t up_ms(void)
{
	struct timespec t;
	return clock_gettime(CLOCK_BOOTTIME, &t) == 0 ? (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000 : 0;
}

static void serve(struct collect *c, struct ag_link *l, const struct ch_frame *f, uint64_t *next)
{
	union {
		struct ag_now now;
		struct ag_start_collect start;
		struct ag_judged judged;
	} msg;
	if (l->from != AG_MAIN || f->type != AG_MSG_NOW)
		ag_child_end("a message came out of turn");
	ag_child_parse(&c->child, l, f, &msg);
	*next = 0;
}

static void begin(struct collect *c)
{
	static char root[AG_TEXT_MAX];
	ag_child_begin(&c->child, AG_COLLECT, AG_MSG_START_COLLECT, &c->start);
	root[ch_span_copy(root, sizeof(root) - 1, c->start.root)] = '\0';
	c->dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->dir < 0) {
		ch_log(CH_LOG_ERROR, "%s: %s", root, strerror(errno));
		exit(EXIT_FAILURE);
	}
	c->eventlog = c->start.has_eventlog != 0 ? AG_FD_EVENTLOG : -1;
	c->ima = c->start.has_ima != 0 ? AG_FD_IMA : -1;
	ag_child_confine(&c->child,
			 &(struct ch_sandbox){
				 .root = root, .uid = c->start.uid, .gid = c->start.gid, .allow = CH_ALLOW_FILES });
	ag_state_open(c);
	ag_root_open(c);
	if (c->enrolled)
		ag_identity_use(c);
	if (c->start.once == 0)
		ag_status_tell(c);
}

int main(void)
{
	static struct collect c;
	begin(&c);
	if (c.start.once != 0) {
		enum ag_outcome out = attempt(&c);
		ag_status_tell(&c);
		ag_child_send(ag_child_to(&c.child, AG_MAIN), AG_MSG_DONE, 0,
			      &(struct ag_done){ .ok = out == AG_DONE });
		for (;;)
			(void)ag_child_wait(&c.child, -1, -1, &(struct ch_frame){ 0 });
	}
	/* when, in milliseconds since boot: at once after a start */
	uint64_t next = 0, poll = 0, update = 0;
	/* what was installed before this start is settled after the first attestation */
	c.update_due = true;
	for (;;) {
		uint64_t now = up_ms();
		if (now >= poll && now < next && c.failures == 0 && ag_poll(&c))
			next = 0;
		if (now >= next) {
			uint64_t ms = turn(&c);
			next = up_ms() + ms;
		}
		if (now >= poll)
			poll = up_ms() + poll_ms(&c);
		if (c.failures == 0 && (c.update_due || (update != 0 && now >= update))) {
			uint64_t ms = ag_update(&c);
			update = ms != 0 ? up_ms() + ms : 0;
		}
		now = up_ms();
		uint64_t first = poll < next ? poll : next;
		first = update != 0 && update < first && c.failures == 0 ? update : first;
		struct ch_frame f;
		struct ag_link *l = ag_child_wait(&c.child, -1, first > now ? (int)(first - now) : 0, &f);
		if (l != NULL)
			serve(&c, l, &f, &next);
	}
}
