/* SPDX-License-Identifier: Apache-2.0 */
#include "server/reader/ask.h"

/* A version of the fleet root, or the newest, for anybody: the document speaks for itself (docs/protocol/fleet-root.md). */

#define TENANT ch_int(CH_READER_TENANT)

void ch_page_fleet_root(struct ch_ask *a)
{
	struct ch_span name = ch_route_param((enum ch_route_number)a->m->route, a->m->path, 0);
	bool newest = ch_span_eq(name, CH_SPAN_LIT("newest"));
	uint64_t version = 0;
	if (!ch_ask_params(a, NULL, 0))
		return;
	if (!newest && !ch_ask_number(name, &version)) {
		ch_ask_refuse(a, 404, "version", "a version is a number, or newest");
		return;
	}
	struct ch_query q = newest ? ch_sql_query(a->st, CH_READ_FLEET_ROOT_NEWEST, CH_ARGS(TENANT))
				   : ch_sql_query(a->st, CH_READ_FLEET_ROOT, CH_ARGS(TENANT, ch_int((int64_t)version)));
	if (ch_sql_next(&q))
		ch_ask_bytes(a, "text/plain; charset=utf-8", ch_sql_bytes(&q, 0));
	else
		ch_ask_refuse(a, 404, "version", "no such version was published");
	(void)ch_sql_end(&q);
}
