/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/collect/collect.h"

#include <stdarg.h>
#include <stdio.h>

#define CALL_MS 180000 /* net has deadlines of its own, for each server */

/* What every answer's struct begins with (AG_ANSWER in messages.h). */
struct head {
	uint8_t always;
	uint16_t status;
	uint32_t retry_after;
	struct ch_span code;
	struct ch_span error;
};
_Static_assert(offsetof(struct ag_judged, error) == offsetof(struct head, error), "answers begin alike");
_Static_assert(offsetof(struct ag_certified, error) == offsetof(struct head, error), "answers begin alike");
_Static_assert(offsetof(struct ag_fetched, error) == offsetof(struct head, error), "answers begin alike");

void ag_problem(struct collect *c, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	(void)vsnprintf(c->problem, sizeof(c->problem), format, ap);
	va_end(ap);
	ch_log(CH_LOG_WARNING, "%s", c->problem);
}

/* Answers after which the same request may be taken later: nobody there, timeout, conflict with another request, too many, not now. */
static bool passes(unsigned status)
{
	static const uint16_t temporary[] = { 0, 401, 403, 408, 421, 425, 429 };
	for (size_t i = 0; i < CH_COUNT_OF(temporary); i++) {
		if (temporary[i] == status)
			return true;
	}
	return status >= 500;
}

/* What an answer means, whatever it is about. */
static enum ag_outcome outcome(struct collect *c, const void *answer)
{
	const struct head *h = answer;
	c->retry_after = h->retry_after;
	c->unreached = c->unreached || h->status == 0;
	c->code[ch_span_copy(c->code, sizeof(c->code) - 1, h->code)] = '\0';
	if (h->status >= 200 && h->status < 300)
		return AG_DONE;
	ag_problem(c, "%.*s", (int)h->error.n, (const char *)h->error.p);
	return passes(h->status) ? AG_LATER : AG_REFUSED;
}

enum ag_outcome ag_call(struct collect *c, enum ag_route route, struct ch_span key, struct ch_span body,
			enum ag_msg answer, void *to)
{
	const struct ag_call m = {
		.route = (uint8_t)route, .floor = c->clock.floor, .idempotency_key = key, .body = body
	};
	ag_child_ask(&c->child, AG_NET, AG_MSG_CALL, &m, answer, to, CALL_MS);
	return outcome(c, to);
}

enum ag_outcome ag_call_about(struct collect *c, enum ag_route route, uint64_t number, struct ch_span body,
			      enum ag_msg answer, void *to)
{
	const struct ag_call m = { .route = (uint8_t)route, .number = number, .floor = c->clock.floor, .body = body };
	ag_child_ask(&c->child, AG_NET, AG_MSG_CALL, &m, answer, to, CALL_MS);
	return outcome(c, to);
}

enum ag_outcome ag_fetch(struct collect *c, struct ag_fetch *m, struct ag_fetched *to)
{
	m->floor = c->clock.floor;
	ag_child_ask(&c->child, AG_NET, AG_MSG_FETCH, m, AG_MSG_FETCHED, to, CALL_MS);
	return outcome(c, to);
}
