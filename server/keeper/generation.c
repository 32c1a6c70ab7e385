/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/state.h"

#define ITEM_HEAD 6 /* kind, name length, length */
#define NUMBER_AT 6 /* of the number in an image, and what is before it */
#define NUMBER_N  8

enum ch_err ch_kp_classes_load(struct ch_keeper *k)
{
	enum ch_err err = CH_OK;
	for (size_t i = 0; i < k->class_count; i++)
		ch_buf_free(&k->class[i].image);
	k->class_count = 0;
	struct ch_query q = ch_sql_query(k->st, CH_SQL_CLASS_ALL, CH_ARGS(ch_int(CH_KEEPER_TENANT)));
	while (err == CH_OK && ch_sql_next(&q)) {
		struct ch_class *c = &k->class[k->class_count];
		if (k->class_count == CH_KEEPER_CLASSES_MAX) {
			err = CH_ERR_LIMIT;
			break;
		}
		*c = (struct ch_class){ 0 };
		ch_buf_append(&c->image, ch_sql_bytes(&q, 1));
		k->class_count++;
		err = ch_policy_parse(&c->policy, ch_buf_span(&c->image), NULL);
		if (err == CH_OK && !ch_span_eq(c->policy.class, ch_sql_bytes(&q, 0)))
			err = CH_ERR_MISMATCH;
	}
	enum ch_err end = ch_sql_end(&q);
	return end != CH_OK ? end : err;
}

/* Adds the items of one table; the first of two columns is a class, or a digest that is not told. */
static void items_add(struct ch_keeper *k, struct ch_buf *items, uint32_t *count, enum ch_keeper_sql sql,
		      enum ch_generation_kind kind)
{
	struct ch_query q = ch_sql_query(k->st, sql, CH_ARGS(ch_int(CH_KEEPER_TENANT)));
	while (ch_sql_next(&q)) {
		const struct ch_generation_item item = {
			.kind = kind,
			.name = kind == CH_GENERATION_EK_ROOT ? CH_SPAN_EMPTY : ch_sql_bytes(&q, 0),
			.bytes = ch_sql_bytes(&q, 1),
		};
		size_t n = ITEM_HEAD + item.name.n + item.bytes.n;
		struct ch_wr w = ch_wr(ch_buf_room(items, n), n);
		ch_generation_put(&w, &item);
		items->n += ch_wr_span(&w).n;
		++*count;
	}
	(void)ch_sql_end(&q);
}

static bool same_but_number(struct ch_span a, struct ch_span b)
{
	size_t after = NUMBER_AT + NUMBER_N;
	return a.n == b.n && a.n >= after &&
	       ch_span_eq(ch_span_sub(a, after, a.n - after), ch_span_sub(b, after, b.n - after));
}

void ch_kp_generation_load(struct ch_keeper *k)
{
	struct ch_query q = ch_sql_query(k->st, CH_SQL_GENERATION_LAST, CH_ARGS(ch_int(CH_KEEPER_TENANT)));
	k->image.n = 0;
	k->generation = 0;
	if (ch_sql_next(&q)) {
		k->generation = (uint64_t)ch_sql_int(&q, 0);
		ch_buf_append(&k->image, ch_sql_bytes(&q, 1));
	}
	(void)ch_sql_end(&q);
}

static void generation_add(struct ch_keeper *k, struct ch_span image)
{
	struct ch_digest h;
	uint8_t text[256];
	if (ch_hash_once(CH_HASH_SHA256, image, &h) != CH_OK)
		k->env.fatal(k->env.ctx, "SHA-256 fails");
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_GENERATION_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int((int64_t)k->generation), ch_int((int64_t)k->now),
			  ch_bytes(image), ch_bytes(ch_digest_span(&h))));
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "type", "generation");
	ch_json_named_u64(&j, "number", k->generation);
	ch_json_named_hex(&j, "sha256", ch_digest_span(&h));
	ch_json_named_u64(&j, "time", k->now);
	ch_json_object_end(&j);
	(void)ch_kp_leaf(k, CH_LEAF_GENERATION, 0, ch_wr_span(&w));
	ch_kp_event(k, 0, "generation", ch_wr_span(&w));
}

void ch_kp_generation_compose(struct ch_keeper *k)
{
	CH_AUTO_BUF struct ch_buf items = { 0 };
	CH_AUTO_BUF struct ch_buf image = { 0 };
	uint32_t count = 0;
	uint8_t head[32];
	ch_kp_generation_load(k);
	items_add(k, &items, &count, CH_SQL_CLASS_ALL, CH_GENERATION_POLICY);
	items_add(k, &items, &count, CH_SQL_REFERENCE_ALL, CH_GENERATION_REFERENCE);
	items_add(k, &items, &count, CH_SQL_EK_ROOT_ALL, CH_GENERATION_EK_ROOT);
	struct ch_wr w = ch_wr(head, sizeof(head));
	ch_generation_begin(&w, k->generation + 1, count);
	ch_buf_append(&image, ch_wr_span(&w));
	ch_buf_append(&image, ch_buf_span(&items));
	if (!same_but_number(ch_buf_span(&image), ch_buf_span(&k->image))) {
		k->generation++;
		k->refused = false;
		for (size_t i = 0; i < CH_KEEPER_EDGES_MAX; i++)
			k->refuses[i] = false;
		generation_add(k, ch_buf_span(&image));
		ch_buf_free(&k->image);
		k->image = image;
		image = (struct ch_buf){ 0 };
		for (unsigned i = 0; i < CH_KEEPER_EDGES_MAX; i++)
			ch_kp_generation_send(k, i);
	}
	/* An edge takes a view without a generation for one that is not yet filled. */
	if (k->published)
		ch_view_set_generation(k->view, k->generation);
}

static bool any_refuses(const struct ch_keeper *k)
{
	for (size_t i = 0; i < CH_KEEPER_EDGES_MAX; i++) {
		if (k->refuses[i])
			return true;
	}
	return false;
}

/* An alarm, or its end: in the store for those who ask, as an event for those who listen. */
static void refused_tell(struct ch_keeper *k, struct ch_span rule)
{
	uint8_t text[CH_IPC_TEXT_MAX + 256];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_GENERATION_REFUSED,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int((int64_t)k->generation),
			  ch_int(k->refused ? (int64_t)k->now : 0), k->refused ? ch_text(rule) : ch_null()));
	ch_json_object_begin(&j);
	ch_json_named_u64(&j, "number", k->generation);
	ch_json_named_bool(&j, "refused", k->refused);
	ch_json_named_span(&j, "rule", rule);
	ch_json_object_end(&j);
	ch_kp_event(k, 0, "generation-refused", ch_wr_span(&w));
}

void ch_kp_generation_taken(struct ch_keeper *k, unsigned index, const struct ch_msg_generation_taken *m)
{
	/* What is said of an earlier one is over: the answer to the one in force is on its way. */
	if (index >= CH_KEEPER_EDGES_MAX || m->number != k->generation)
		return;
	k->refuses[index] = m->status != 0;
	bool refused = any_refuses(k);
	if (refused == k->refused)
		return;
	k->refused = refused;
	refused_tell(k, m->rule);
}

void ch_kp_generation_send(struct ch_keeper *k, unsigned verify)
{
	const struct ch_msg_generation m = { .number = k->generation, .image = ch_buf_span(&k->image) };
	if (k->verify[verify] && k->generation > 0)
		ch_kp_send(k, CH_ROLE_VERIFY, verify, CH_MSG_GENERATION, 0, &m);
}
