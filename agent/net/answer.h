/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_ANSWER_H
#define CH_AGENT_ANSWER_H

#include "agent/ipc/messages.h"
#include "core/base/wr.h"

/*
 * The server's answers: JSON in, fixed structs out. The server is trusted with verdicts, not with our memory: whatever comes is
 * read strictly (docs/openapi/device.yaml), and members that this version does not know are passed over.
 */

/* One row a route: how it is asked, and which message tells collect of the answer. */
struct ag_route_row {
	const char *method;
	const char *path; /* '*' stands for a number */
	enum ag_msg answer;
};
extern const struct ag_route_row ag_routes[AG_ROUTE_COUNT];

/* What every message of an answer begins with, in its struct; see AG_ANSWER. */
struct ag_answer {
	union {
		struct ag_enrolling enrolling;
		struct ag_certified certified;
		struct ag_challenged challenged;
		struct ag_judged judged;
		struct ag_polled polled;
		struct ag_offered offered;
		struct ag_noted noted;
		struct ag_fetched fetched;
	};
};

/*
 * Reads the body of an answer with HTTP status `status` to `route`. Spans of `a` point into the body or into what was written to
 * `w`, which needs room for as much as the body has. A refusal (status 400 and above) with or without its JSON is CH_OK, `error`
 * then says why. CH_ERR_MISSING, CH_ERR_MALFORMED, CH_ERR_LIMIT, … for an answer that is none: `d` has the rule.
 * `node` and `cap`: room for the document, ch_json_nodes_max(body.n).
 */
struct ch_json_node;
CH_MUST_USE enum ch_err ag_answer_parse(struct ag_answer *a, enum ag_route route, unsigned status, struct ch_span body,
					struct ch_json_node *node, size_t cap, struct ch_wr *w, struct ch_diag *d);

/* An answer that did not come: `error` says why. */
void ag_answer_none(struct ag_answer *a, enum ag_route route, struct ch_span error);

#endif
