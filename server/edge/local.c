/* SPDX-License-Identifier: Apache-2.0 */
/* What the edge answers by itself: nothing that needs more than the fleet view. */
#include "core/trust/lifecycle.h"
#include "core/trust/link.h"
#include "core/wire/json.h"
#include "host/sys/clock.h"
#include "server/edge/edge.h"

#define METRICS_MAX 131072

/* A device asks whether anything is wanted of it: the cheapest question there is, answered from the view. */
static void answer_poll(struct conn *c, const struct ch_http_request *r)
{
	(void)r;
	uint8_t text[512];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	ch_json_named_hex(&j, "device", CH_SPAN_OF(c->who.id));
	ch_json_named_str(&j, "state", ch_state_str((enum ch_state)c->who.state));
	ch_json_named_str(&j, "chain", ch_tier_str((enum ch_tier)c->who.tier));
	ch_json_named_bool(&j, "reattest", (c->who.pending & CH_VIEW_PENDING_REATTEST) != 0);
	ch_json_named_bool(&j, "renew", (c->who.pending & CH_VIEW_PENDING_RENEW) != 0);
	ch_json_named_bool(&j, "update", (c->who.pending & CH_VIEW_PENDING_UPDATE) != 0);
	ch_json_named_u64(&j, "generation", ch_view_generation(c->edge->view));
	ch_json_named_u64(&j, "time", ch_clock_ms(CLOCK_REALTIME) / 1000);
	ch_json_object_end(&j);
	request_respond(c, 200, 0, CH_SPAN_EMPTY, ch_wr_span(&w));
}

static void answer_health(struct conn *c, const struct ch_http_request *r)
{
	(void)r;
	/* Serving is more than listening: without the keeper no evidence can be taken. */
	bool well = ch_hub_peer(&c->edge->hub, CH_ROLE_KEEPER, 0) != NULL && !c->edge->stopping;
	request_respond(c, well ? 200 : 503, 0, CH_SPAN_LIT("text/plain; charset=utf-8"),
			well ? CH_SPAN_LIT("ok\n") : CH_SPAN_LIT("not serving\n"));
}

static void answer_metrics(struct conn *c, const struct ch_http_request *r)
{
	(void)r;
	uint8_t *text = ch_calloc(1, METRICS_MAX);
	struct ch_wr w = ch_wr(text, METRICS_MAX);
	metrics_put(c->edge, &w);
	request_respond(c, 200, 0, CH_SPAN_LIT("text/plain; version=0.0.4; charset=utf-8"), ch_wr_span(&w));
	ch_free(text);
}

void local_answer(struct conn *c, const struct ch_http_request *r)
{
	static const struct {
		uint16_t route;
		void (*answer)(struct conn *c, const struct ch_http_request *r);
	} answers[] = {
		{ CH_ROUTE_POLL, answer_poll },       { CH_ROUTE_HEALTH, answer_health },
		{ CH_ROUTE_METRICS, answer_metrics }, { CH_ROUTE_CRL, ocsp_answer_list },
		{ CH_ROUTE_OCSP, ocsp_answer_post },  { CH_ROUTE_OCSP_GET, ocsp_answer_get },
	};
	for (size_t i = 0; i < CH_COUNT_OF(answers); i++) {
		if (answers[i].route == c->route) {
			answers[i].answer(c, r);
			return;
		}
	}
	/* HEAD of the events: there are some, and they have no end. */
	request_respond(c, 200, 0, CH_SPAN_LIT("text/event-stream"), CH_SPAN_EMPTY);
}
