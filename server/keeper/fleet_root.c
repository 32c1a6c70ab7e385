/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/fleet_root.h"
#include "server/keeper/verbs.h"

/*
 * The versions of the fleet root. Devices judge them by themselves; they are judged here as well, because what was stored once as a
 * version is that version for good: one that no device takes would end every walk.
 */

struct judged {
	struct ch_fleet_root next, known;
	struct ch_json_node node[CH_ROOT_NODES_MAX];
};

static bool newest_get(struct ch_keeper *k, struct ch_buf *document)
{
	struct ch_query q = ch_sql_query(k->st, CH_SQL_FLEET_ROOT_NEWEST, CH_ARGS(ch_int(CH_KEEPER_TENANT)));
	bool there = ch_sql_next(&q);
	if (there)
		ch_buf_append(document, ch_sql_bytes(&q, 1));
	return ch_sql_end(&q) == CH_OK && there;
}

void ch_kp_fleet_root_load(struct ch_keeper *k)
{
	k->fleet_root = (uint64_t)ch_sql_number(k->st, CH_SQL_FLEET_ROOT_NEWEST, CH_ARGS(ch_int(CH_KEEPER_TENANT)), 0);
}

/* The subject is the version, in decimal: what an operator reads is what they sign. */
static bool is_version(struct ch_span subject, uint64_t version)
{
	uint8_t text[24];
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_wr_dec(&w, version);
	return ch_span_eq(subject, ch_wr_span(&w));
}

static const char *judge(struct ch_keeper *k, const struct ch_act *a, struct judged *j)
{
	struct ch_diag d = { .rule = "the fleet root cannot be judged" };
	CH_AUTO_BUF struct ch_buf known = { 0 };
	if (ch_fleet_root_parse(&j->next, a->payload, j->node, &d) != CH_OK)
		return d.rule;
	if (!is_version(a->action.subject, j->next.version))
		return "the subject is not the version of the document";
	enum ch_err err = CH_OK;
	if (newest_get(k, &known)) {
		err = ch_fleet_root_parse(&j->known, ch_buf_span(&known), j->node, &d);
		if (err == CH_OK)
			err = ch_fleet_root_next(&j->known, &j->next, &d);
	} else {
		err = ch_fleet_root_first(&j->next, &d);
	}
	/* One that has expired may be a step to later ones: after a loss all of them are published again. */
	return err == CH_OK ? NULL : d.rule;
}

const char *ch_kp_fleet_root_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	CH_AUTO_FREE struct judged *j = ch_calloc(1, sizeof(*j));
	*status = 409;
	return judge(k, a, j);
}

static void record(struct ch_keeper *k, const struct ch_act *a)
{
	uint8_t text[256];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "type", "fleet-root");
	ch_json_named_u64(&j, "version", k->fleet_root);
	ch_json_named_hex(&j, "sha256", CH_SPAN_OF(a->action.payload));
	ch_json_named_u64(&j, "time", k->now);
	ch_json_object_end(&j);
	(void)ch_kp_leaf(k, CH_LEAF_FLEET_ROOT, 0, ch_wr_span(&w));
	ch_kp_event(k, 0, "fleet-root", ch_wr_span(&w));
}

void ch_kp_fleet_root_run(struct ch_keeper *k, struct ch_act *a)
{
	CH_AUTO_FREE struct judged *j = ch_calloc(1, sizeof(*j));
	if (ch_fleet_root_parse(&j->next, a->payload, j->node, NULL) != CH_OK)
		return;
	k->fleet_root = j->next.version;
	ch_sql_do(k->st, CH_SQL_FLEET_ROOT_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int((int64_t)k->fleet_root), ch_bytes(a->payload),
			  ch_bytes(CH_SPAN_OF(a->action.payload)), ch_int((int64_t)k->now), ch_int(a->seq)));
	record(k, a);
}
