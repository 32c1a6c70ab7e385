/* SPDX-License-Identifier: Apache-2.0 */
/* Most of what a fleet of stock clients asks is whether there is something to do: the view has the answer, and no other process is woken. */
#include "core/update/ddi.h"
#include "server/edge/edge.h"
#include "server/ipc/ddi.h"

#define ORIGIN_MAX (CH_IPC_HOST_MAX + 8)

bool ddi_answer(struct conn *c, const struct ch_http_request *r)
{
	struct ch_ddi_name name;
	uint8_t origin[ORIGIN_MAX], text[4096];
	struct ch_wr o = ch_wr(origin, sizeof(origin)), w = ch_wr(text, sizeof(text));
	struct ch_span controller = ch_route_param(CH_ROUTE_DDI_POLL, r->path, 1);
	/* By another name than its id, the store says whether it is the device's. */
	if ((c->who.ddi & CH_VIEW_DDI_KNOWN) == 0 || r->host.n == 0 || r->query.n > 0 || !ch_ddi_name_valid(controller))
		return false;
	ch_ddi_name_init(&name, controller);
	if (!ch_ddi_name_is_id(&name, c->who.id))
		return false;
	ch_wr_str(&o, "https://");
	ch_wr_put(&o, r->host);
	const struct ch_ddi_place place = { ch_wr_span(&o), ch_route_param(CH_ROUTE_DDI_POLL, r->path, 0), controller };
	const struct ch_ddi_poll poll = { .sleep = c->edge->conf.ddi_poll,
					  .action = c->who.ddi_action,
					  .cancel = c->who.ddi_cancel,
					  .installed = c->who.ddi_installed,
					  .attributes = (c->who.ddi & CH_VIEW_DDI_ATTRIBUTES) != 0 };
	if (o.bad || ch_ddi_poll_put(&w, &place, &poll) != CH_OK)
		return false;
	request_respond(c, 200, 0, CH_SPAN_LIT("application/hal+json"), ch_wr_span(&w));
	return true;
}
