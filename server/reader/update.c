/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/text.h"
#include "core/trust/proof.h"
#include "core/update/release_proof.h"
#include "core/update/state.h"
#include "server/reader/ask.h"

/* Releases, what shows that they are in the log, and deployments: for the device that is offered one, and for operators. */

#define TENANT ch_int(CH_READER_TENANT)

static void number_text(struct ch_json_wr *j, const char *name, int64_t v)
{
	uint8_t text[24];
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_wr_dec(&w, (uint64_t)v);
	ch_json_named_span(j, name, ch_wr_span(&w));
}

/* --- devices --- */

void ch_page_update(struct ch_ask *a)
{
	struct ch_device_row d;
	struct ch_json_wr *j = &a->j;
	if (!ch_ask_params(a, NULL, 0) || !ch_ask_device_by_id(a, CH_SPAN_OF(a->m->device), &d))
		return;
	struct ch_query q = ch_sql_query(a->st, CH_READ_OFFERED, CH_ARGS(TENANT, ch_int(d.seq)));
	bool there = ch_sql_next(&q);
	ch_json_object_begin(j);
	if (there) {
		number_text(j, "deployment", ch_sql_int(&q, 0));
		ch_json_named_hex(j, "release", ch_sql_bytes(&q, 3));
	} else {
		ch_json_named_str(j, "deployment", NULL);
		ch_json_named_str(j, "release", NULL);
	}
	ch_json_named_bool(j, "forced", there && ch_sql_int(&q, 2) != 0);
	ch_json_named_str(j, "state", there ? ch_update_state_str((enum ch_update_state)ch_sql_int(&q, 1)) : NULL);
	ch_json_object_end(j);
	(void)ch_sql_end(&q);
}

/* The digest of the path. For a device also: a release that it was offered once; another is as one that does not exist. */
static bool ask_release(struct ch_ask *a, uint8_t sha256[static 32])
{
	struct ch_device_row d;
	struct ch_span hex = ch_route_param((enum ch_route_number)a->m->route, a->m->path, 0);
	bool device = ch_routes[a->m->route].listener == CH_LISTENER_DEVICES;
	if (!ch_ask_params(a, NULL, 0) || (device && !ch_ask_device_by_id(a, CH_SPAN_OF(a->m->device), &d)))
		return false;
	bool known = hex.n == 64 && ch_hex_decode(sha256, 32, hex) == CH_OK;
	if (known && device)
		known = ch_sql_number(a->st, CH_READ_OFFERED_RELEASE,
				      CH_ARGS(TENANT, ch_int(d.seq), ch_bytes(ch_span(sha256, 32))), 0) > 0;
	if (!known)
		ch_ask_refuse(a, 404, "release", "there is no such release");
	return known;
}

void ch_page_release(struct ch_ask *a)
{
	uint8_t sha256[32];
	if (!ask_release(a, sha256))
		return;
	struct ch_query q =
		ch_sql_query(a->st, CH_READ_RELEASE_DOCUMENT, CH_ARGS(TENANT, ch_bytes(CH_SPAN_OF(sha256))));
	if (ch_sql_next(&q))
		ch_ask_bytes(a, "text/plain; charset=utf-8", ch_sql_bytes(&q, 0));
	else
		ch_ask_refuse(a, 404, "release", "there is no such release");
	(void)ch_sql_end(&q);
}

struct shown {
	struct ch_buf record, note;
	uint8_t salt[CH_LEAF_SALT];
	struct ch_proof proof;
	struct ch_tile_src tiles;
	uint8_t text[CH_PROOF_TEXT_MAX];
	uint8_t file[CH_RELEASE_PROOF_MAX];
};

static void shown_free(struct shown **s)
{
	ch_buf_free(&(*s)->record);
	ch_buf_free(&(*s)->note);
	ch_free(*s);
}

/* The leaf of the release; false, and the answer is an error. */
static bool leaf_get(struct ch_ask *a, const uint8_t sha256[static 32], struct shown *s)
{
	struct ch_query q = ch_sql_query(a->st, CH_READ_RELEASE_LEAF,
					 CH_ARGS(TENANT, ch_bytes(ch_span(sha256, 32)), ch_int(CH_LEAF_RELEASE)));
	bool there = ch_sql_next(&q) && !ch_sql_is_null(&q, 1) && ch_sql_copy(&q, 2, s->salt, sizeof(s->salt));
	if (there) {
		struct ch_span entry = ch_sql_bytes(&q, 3);
		s->proof.index = (uint64_t)ch_sql_int(&q, 0);
		ch_buf_append(&s->record, ch_sql_bytes(&q, 1));
		s->proof.extra_n = ch_span_copy(s->proof.extra, sizeof(s->proof.extra), entry);
	}
	(void)ch_sql_end(&q);
	if (!there)
		ch_ask_refuse(a, 404, "release", "the log has no entry of this release");
	return there;
}

/* Its place under the last checkpoint; false, and the answer is an error: the checkpoint that covers it comes in a moment. */
static bool place_get(struct ch_ask *a, struct shown *s)
{
	uint64_t size = 0;
	struct ch_query q = ch_sql_query(a->st, CH_READ_CHECKPOINT, CH_ARGS(TENANT));
	if (ch_sql_next(&q)) {
		size = (uint64_t)ch_sql_int(&q, 0);
		ch_buf_append(&s->note, ch_sql_bytes(&q, 1));
	}
	(void)ch_sql_end(&q);
	s->proof.checkpoint = ch_buf_span(&s->note);
	s->tiles = (struct ch_tile_src){ .get = ch_ask_tile, .ctx = a, .size = size };
	const struct ch_tree_src tree = { ch_tile_node, &s->tiles };
	if (s->proof.index < size &&
	    ch_merkle_inclusion_prove(&tree, s->proof.index, size, s->proof.hash, &s->proof.count) == CH_OK)
		return true;
	ch_ask_refuse(a, 503, "log", "no checkpoint covers this release yet: ask again");
	return false;
}

void ch_page_release_proof(struct ch_ask *a)
{
	uint8_t sha256[32];
	__attribute__((cleanup(shown_free))) struct shown *s = ch_calloc(1, sizeof(*s));
	if (!ask_release(a, sha256) || !leaf_get(a, sha256, s) || !place_get(a, s))
		return;
	struct ch_wr text = ch_wr(s->text, sizeof(s->text)), file = ch_wr(s->file, sizeof(s->file));
	ch_proof_put(&text, &s->proof);
	ch_release_proof_put(&file, ch_buf_span(&s->record), s->salt, ch_wr_span(&text));
	if (text.bad || file.bad) {
		ch_ask_refuse(a, 507, "size", "the proof is too large");
		return;
	}
	ch_ask_bytes(a, "application/json", ch_wr_span(&file));
}

/* A device gets the artefacts of what it is offered now; any other is as one that does not exist. */
void ch_page_artifact(struct ch_ask *a)
{
	struct ch_device_row d;
	uint8_t sha256[32];
	struct ch_span hex = ch_route_param((enum ch_route_number)a->m->route, a->m->path, 0);
	if (!ch_ask_params(a, NULL, 0) || !ch_ask_device_by_id(a, CH_SPAN_OF(a->m->device), &d))
		return;
	int64_t size = 0;
	if (hex.n == 64 && ch_hex_decode(sha256, sizeof(sha256), hex) == CH_OK)
		size = ch_sql_number(a->st, CH_READ_ARTIFACT_OFFERED,
				     CH_ARGS(TENANT, ch_int(d.seq), ch_int(CH_UPDATE_OFFERED),
					     ch_int(CH_UPDATE_DOWNLOADING), ch_int(CH_UPDATE_INSTALLED),
					     ch_bytes(CH_SPAN_OF(sha256))),
				     0);
	if (size > 0)
		ch_ask_artifact(a, sha256, (uint64_t)size);
	else
		ch_ask_refuse(a, 404, "artifact", "this device is offered no such artefact");
}

/* --- operators: releases --- */

/* How much of it the server has: where an upload goes on. */
void ch_page_artifact_state(struct ch_ask *a)
{
	uint8_t sha256[32];
	struct ch_span hex = ch_route_param((enum ch_route_number)a->m->route, a->m->path, 0);
	if (!ch_ask_params(a, NULL, 0))
		return;
	if (hex.n != 64 || ch_hex_decode(sha256, sizeof(sha256), hex) != CH_OK) {
		ch_ask_refuse(a, 404, "artifact", "an artefact is named by its SHA-256");
		return;
	}
	struct ch_query q = ch_sql_query(a->st, CH_READ_ARTIFACT_STATE, CH_ARGS(TENANT, ch_bytes(CH_SPAN_OF(sha256))));
	if (ch_sql_next(&q)) {
		ch_json_object_begin(&a->j);
		ch_json_named_hex(&a->j, "sha256", CH_SPAN_OF(sha256));
		ch_json_named_u64(&a->j, "size", (uint64_t)ch_sql_int(&q, 0));
		ch_json_named_u64(&a->j, "have", (uint64_t)ch_sql_int(&q, 1));
		ch_json_named_bool(&a->j, "complete", ch_sql_int(&q, 2) != 0);
		ch_json_object_end(&a->j);
	} else {
		ch_ask_refuse(a, 404, "artifact", "no release that was published has such an artefact");
	}
	(void)ch_sql_end(&q);
}

static void put_classes(struct ch_ask *a, int64_t release)
{
	ch_json_name(&a->j, "classes");
	ch_json_array_begin(&a->j);
	struct ch_query q = ch_sql_query(a->st, CH_READ_RELEASE_CLASSES, CH_ARGS(TENANT, ch_int(release)));
	while (ch_sql_next(&q))
		ch_json_put_span(&a->j, ch_sql_bytes(&q, 0));
	(void)ch_sql_end(&q);
	ch_json_array_end(&a->j);
}

static void put_artifacts(struct ch_ask *a, int64_t release)
{
	struct ch_json_wr *j = &a->j;
	ch_json_name(j, "artifacts");
	ch_json_array_begin(j);
	struct ch_query q = ch_sql_query(a->st, CH_READ_RELEASE_ARTIFACTS, CH_ARGS(TENANT, ch_int(release)));
	while (ch_sql_next(&q)) {
		ch_json_object_begin(j);
		ch_json_named_hex(j, "sha256", ch_sql_bytes(&q, 0));
		ch_json_named_u64(j, "size", (uint64_t)ch_sql_int(&q, 1));
		ch_json_named_span(j, "name", ch_sql_bytes(&q, 2));
		ch_json_named_span(j, "kind", ch_sql_bytes(&q, 3));
		ch_json_named_u64(j, "have", (uint64_t)ch_sql_int(&q, 4));
		ch_json_named_bool(j, "complete", ch_sql_int(&q, 5) != 0);
		ch_json_object_end(j);
	}
	(void)ch_sql_end(&q);
	ch_json_array_end(j);
}

static void put_states(struct ch_ask *a, int64_t release)
{
	uint64_t count[CH_UPDATE_COUNT] = { 0 };
	struct ch_query q = ch_sql_query(a->st, CH_READ_RELEASE_STATES, CH_ARGS(TENANT, ch_int(release)));
	while (ch_sql_next(&q)) {
		uint64_t state = (uint64_t)ch_sql_int(&q, 0);
		if (state < CH_UPDATE_COUNT)
			count[state] = (uint64_t)ch_sql_int(&q, 1);
	}
	(void)ch_sql_end(&q);
	ch_json_name(&a->j, "deployments");
	ch_json_object_begin(&a->j);
	for (unsigned i = CH_UPDATE_OFFERED; i < CH_UPDATE_COUNT; i++)
		ch_json_named_u64(&a->j, ch_update_state_str((enum ch_update_state)i), count[i]);
	ch_json_object_end(&a->j);
}

static uint64_t put_release(struct ch_ask *a, const struct ch_query *q)
{
	struct ch_json_wr *j = &a->j;
	int64_t seq = ch_sql_int(q, 0);
	ch_json_object_begin(j);
	ch_json_named_hex(j, "sha256", ch_sql_bytes(q, 1));
	ch_json_named_span(j, "name", ch_sql_bytes(q, 2));
	ch_json_named_span(j, "version", ch_sql_bytes(q, 3));
	ch_json_named_u64(j, "sequence", (uint64_t)ch_sql_int(q, 4));
	ch_json_named_u64(j, "floor", (uint64_t)ch_sql_int(q, 5));
	ch_json_named_time(j, "expires", (uint64_t)ch_sql_int(q, 6));
	ch_json_named_bool(j, "measured", ch_sql_int(q, 7) > 0);
	ch_json_named_time(j, "published", ch_seconds(ch_sql_int(q, 8)));
	ch_json_named_u64(j, "action", (uint64_t)ch_sql_int(q, 9));
	ch_json_named_u64(j, "leaf", (uint64_t)ch_sql_int(q, 10));
	ch_json_named_time(j, "withdrawn", ch_seconds(ch_sql_int(q, 11)));
	put_classes(a, seq);
	put_artifacts(a, seq);
	put_states(a, seq);
	ch_json_object_end(j);
	return (uint64_t)seq;
}

static void put_next(struct ch_ask *a, bool more, uint64_t last)
{
	ch_json_name(&a->j, "next");
	if (more)
		ch_json_put_u64(&a->j, last);
	else
		ch_json_put_null(&a->j);
	ch_json_named_u64(&a->j, "time", a->now);
}

void ch_page_releases(struct ch_ask *a)
{
	uint64_t before = 0, limit = 0, count = 0, last = 0;
	const struct ch_param row[] = { { "before", CH_PARAM_NUMBER, &before }, { "limit", CH_PARAM_NUMBER, &limit } };
	if (!ch_ask_params(a, row, CH_COUNT_OF(row)))
		return;
	limit = ch_ask_limit(limit);
	ch_json_object_begin(&a->j);
	ch_json_name(&a->j, "releases");
	ch_json_array_begin(&a->j);
	struct ch_query q =
		ch_sql_query(a->st, CH_READ_RELEASES,
			     CH_ARGS(TENANT, ch_int(before > 0 ? (int64_t)before : INT64_MAX), ch_int((int64_t)limit)));
	for (; ch_sql_next(&q); count++)
		last = put_release(a, &q);
	(void)ch_sql_end(&q);
	ch_json_array_end(&a->j);
	put_next(a, count == limit, last);
	ch_json_object_end(&a->j);
}

/* --- operators: deployments --- */

static uint64_t put_deployment(struct ch_ask *a, const struct ch_query *q)
{
	struct ch_json_wr *j = &a->j;
	int64_t seq = ch_sql_int(q, 0);
	number_text(j, "deployment", seq);
	ch_json_named_hex(j, "device", ch_sql_bytes(q, 1));
	ch_json_named_span(j, "hostname", ch_sql_bytes(q, 2));
	ch_json_named_hex(j, "release", ch_sql_bytes(q, 3));
	ch_json_named_span(j, "name", ch_sql_bytes(q, 4));
	ch_json_named_span(j, "version", ch_sql_bytes(q, 5));
	ch_json_named_bool(j, "forced", ch_sql_int(q, 6) != 0);
	ch_json_named_str(j, "state", ch_update_state_str((enum ch_update_state)ch_sql_int(q, 7)));
	ch_json_named_time(j, "offered", ch_seconds(ch_sql_int(q, 8)));
	ch_json_named_time(j, "changed", ch_seconds(ch_sql_int(q, 9)));
	ch_json_named_u64(j, "progress", (uint64_t)ch_sql_int(q, 10));
	ch_json_named_span(j, "slot", ch_sql_bytes(q, 11));
	ch_json_named_span(j, "reason", ch_sql_bytes(q, 12));
	ch_json_named_time(j, "evidence", (uint64_t)ch_sql_int(q, 13));
	ch_json_named_time(j, "rollout", (uint64_t)ch_sql_int(q, 14));
	ch_json_named_time(j, "action", (uint64_t)ch_sql_int(q, 15));
	ch_json_named_str(j, "cancellation", ch_update_stop_str((enum ch_update_stop)ch_sql_int(q, 16)));
	return (uint64_t)seq;
}

static bool wanted_state(struct ch_ask *a, struct ch_span word, int64_t *state)
{
	enum ch_update_state s = CH_UPDATE_NONE;
	*state = -1;
	if (word.n == 0)
		return true;
	if (ch_update_state_by_name(word, &s) == CH_OK && s != CH_UPDATE_NONE) {
		*state = s;
		return true;
	}
	ch_ask_refuse(a, 400, "query", "there is no such state of a deployment");
	return false;
}

void ch_page_deployments(struct ch_ask *a)
{
	uint64_t before = 0, limit = 0, count = 0, last = 0;
	struct ch_span state = CH_SPAN_EMPTY, device = CH_SPAN_EMPTY;
	struct ch_device_row d = { .seq = -1 };
	uint8_t id[16];
	int64_t want;
	const struct ch_param row[] = {
		{ "before", CH_PARAM_NUMBER, &before },
		{ "limit", CH_PARAM_NUMBER, &limit },
		{ "state", CH_PARAM_WORD, &state },
		{ "device", CH_PARAM_WORD, &device },
	};
	if (!ch_ask_params(a, row, CH_COUNT_OF(row)) || !wanted_state(a, state, &want))
		return;
	if (device.n > 0 && (device.n != 32 || ch_hex_decode(id, sizeof(id), device) != CH_OK)) {
		ch_ask_refuse(a, 400, "query", "a device is named by 32 hexadecimal digits");
		return;
	}
	if (device.n > 0 && !ch_ask_device_by_id(a, CH_SPAN_OF(id), &d))
		return;
	limit = ch_ask_limit(limit);
	ch_json_object_begin(&a->j);
	ch_json_name(&a->j, "deployments");
	ch_json_array_begin(&a->j);
	struct ch_query q = ch_sql_query(a->st, CH_READ_DEPLOYMENTS,
					 CH_ARGS(TENANT, ch_int(before > 0 ? (int64_t)before : INT64_MAX), ch_int(want),
						 ch_int(d.seq), ch_int((int64_t)limit)));
	for (; ch_sql_next(&q); count++) {
		ch_json_object_begin(&a->j);
		last = put_deployment(a, &q);
		ch_json_object_end(&a->j);
	}
	(void)ch_sql_end(&q);
	ch_json_array_end(&a->j);
	put_next(a, count == limit, last);
	ch_json_object_end(&a->j);
}

static void put_feedback(struct ch_ask *a, uint64_t deployment)
{
	struct ch_json_wr *j = &a->j;
	ch_json_name(j, "feedback");
	ch_json_array_begin(j);
	struct ch_query q = ch_sql_query(a->st, CH_READ_FEEDBACK, CH_ARGS(TENANT, ch_int((int64_t)deployment)));
	while (ch_sql_next(&q)) {
		ch_json_object_begin(j);
		ch_json_named_time(j, "time", ch_seconds(ch_sql_int(&q, 0)));
		ch_json_named_span(j, "state", ch_sql_bytes(&q, 1));
		ch_json_name(j, "progress");
		if (ch_sql_int(&q, 2) >= 0)
			ch_json_put_u64(j, (uint64_t)ch_sql_int(&q, 2));
		else
			ch_json_put_null(j);
		ch_json_named_span(j, "reason", ch_sql_bytes(&q, 3));
		ch_json_named_span(j, "slot", ch_sql_bytes(&q, 4));
		ch_json_object_end(j);
	}
	(void)ch_sql_end(&q);
	ch_json_array_end(j);
}

void ch_page_deployment(struct ch_ask *a)
{
	uint64_t number = 0;
	if (!ch_ask_params(a, NULL, 0))
		return;
	if (!ch_ask_number(ch_route_param((enum ch_route_number)a->m->route, a->m->path, 0), &number))
		number = 0;
	struct ch_query q = ch_sql_query(a->st, CH_READ_DEPLOYMENT, CH_ARGS(TENANT, ch_int((int64_t)number)));
	bool there = ch_sql_next(&q);
	if (there) {
		ch_json_object_begin(&a->j);
		(void)put_deployment(a, &q);
	}
	(void)ch_sql_end(&q);
	if (!there) {
		ch_ask_refuse(a, 404, "deployment", "there is no such deployment");
		return;
	}
	put_feedback(a, number);
	ch_json_named_u64(&a->j, "time", a->now);
	ch_json_object_end(&a->j);
}
