/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/text.h"
#include "core/update/ostree_pack.h"
#include "core/update/release.h"
#include "core/update/state.h"
#include "server/reader/ask.h"

/*
 * Repositories of OSTree, for `ostree pull`: files of the pack of the release that the device is offered now. No path of a request becomes a path of a
 * file system: it is looked up in the pack's index, and what is sent is a part of the pack.
 */

#define TENANT ch_int(CH_READER_TENANT)

struct offered {
	uint8_t release[32], commit[32];
	struct ch_msg_artifact pack;
};

static bool offered_get(struct ch_ask *a, const struct ch_device_row *d, struct offered *o)
{
	struct ch_query q = ch_sql_query(a->st, CH_READ_OSTREE_OFFERED,
					 CH_ARGS(TENANT, ch_int(d->seq), ch_int(CH_UPDATE_OFFERED),
						 ch_int(CH_UPDATE_DOWNLOADING), ch_int(CH_UPDATE_INSTALLED),
						 ch_text_str(ch_artifact_kind_str(CH_ARTIFACT_OSTREE))));
	bool there = ch_sql_next(&q) && ch_sql_copy(&q, 0, o->release, sizeof(o->release)) &&
		     ch_sql_copy(&q, 1, o->pack.tag, sizeof(o->pack.tag)) &&
		     ch_ostree_name_parse(ch_sql_bytes(&q, 3), o->commit) == CH_OK;
	o->pack.size = there ? (uint64_t)ch_sql_int(&q, 2) : 0;
	(void)ch_sql_end(&q);
	return there;
}

/* /ostree/RELEASE/PATH; "current" is whatever the device is offered, so that a remote's address stays the same. */
void ch_page_ostree(struct ch_ask *a)
{
	struct ch_device_row d;
	struct offered o = { .pack = { .size = 0 } };
	uint8_t sha256[32];
	struct ch_span release = ch_route_param((enum ch_route_number)a->m->route, a->m->path, 0);
	struct ch_span path = ch_route_param((enum ch_route_number)a->m->route, a->m->path, 1);
	if (!ch_ask_params(a, NULL, 0) || !ch_ask_device_by_id(a, CH_SPAN_OF(a->m->device), &d))
		return;
	bool known = offered_get(a, &d, &o);
	if (known && !ch_span_eq(release, CH_SPAN_LIT("current")))
		known = release.n == 64 && ch_hex_decode(sha256, sizeof(sha256), release) == CH_OK &&
			ch_span_eq(CH_SPAN_OF(sha256), CH_SPAN_OF(o.release));
	if (known)
		ch_ask_packed(a, &o.pack, o.commit, path);
	else
		ch_ask_refuse(a, 404, "ostree", "this device is offered no such repository");
}
