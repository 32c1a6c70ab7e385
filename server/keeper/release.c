/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/release.h"
#include "core/base/text.h"
#include "core/boot/reference.h"
#include "server/keeper/verbs.h"

/*
 * Releases. Devices judge them by themselves; they are judged here as well, by the newest fleet root, because what is published explains
 * boots from then on, and stays in the log.
 */

#define MS 1000

struct judged {
	struct ch_release r;
	struct ch_fleet_root root;
	struct ch_json_node node[CH_RELEASE_NODES_MAX];
};

static bool newest_root(struct ch_keeper *k, struct ch_buf *document)
{
	struct ch_query q = ch_sql_query(k->st, CH_SQL_FLEET_ROOT_NEWEST, CH_ARGS(ch_int(CH_KEEPER_TENANT)));
	bool there = ch_sql_next(&q);
	if (there)
		ch_buf_append(document, ch_sql_bytes(&q, 1));
	return ch_sql_end(&q) == CH_OK && there;
}

/* `document` is what the fleet root in `j` borrows from. */
static const char *signed_refused(struct ch_keeper *k, struct judged *j, struct ch_buf *document)
{
	struct ch_diag d = { .rule = "the release cannot be judged" };
	if (!newest_root(k, document))
		return "there is no fleet root that says who signs releases: publish one first";
	enum ch_err err = ch_fleet_root_parse(&j->root, ch_buf_span(document), j->node, &d);
	if (err == CH_OK)
		err = ch_fleet_root_current(&j->root, k->now / MS, &d);
	if (err == CH_OK)
		err = ch_release_signed(&j->r, &j->root, &d);
	if (err == CH_OK)
		err = ch_release_current(&j->r, k->now / MS, &d);
	return err == CH_OK ? NULL : d.rule;
}

static const char *known_refused(struct ch_keeper *k, const struct ch_act *a, const struct ch_release *r)
{
	if (ch_sql_number(k->st, CH_SQL_RELEASE_FIND,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(CH_SPAN_OF(a->action.payload))), 0) != 0)
		return "this release was published already";
	if (ch_sql_number(k->st, CH_SQL_RELEASE_NAMED,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_text(r->name), ch_int((int64_t)r->sequence),
				  ch_text(r->version)),
			  1) != 0)
		return "another release of this name has this version or sequence";
	return NULL;
}

/* Whether its reference values have room beside the others of each class. */
static const char *classes_refused(struct ch_keeper *k, const struct ch_release *r, unsigned *status)
{
	size_t size = 0;
	for (size_t i = 0; i < r->class_count; i++) {
		*status = 404;
		if (ch_kp_policy(k, r->class[i]) == NULL)
			return "there is no policy for a device class of the release";
		*status = 409;
		if (r->reference.n > 0 &&
		    ch_sql_number(k->st, CH_SQL_REFERENCE_COUNT,
				  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_text(r->class[i])), 0) >= CH_REF_DOCS_MAX - 1)
			return "a class has as many reference documents as can be judged by: retire one that no device "
			       "runs any more";
		size += r->reference.n + 128;
	}
	*status = 413;
	return k->image.n + size < CH_IPC_IMAGE_MAX ? NULL : "the generation would be too large";
}

const char *ch_kp_release_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	CH_AUTO_FREE struct judged *j = ch_calloc(1, sizeof(*j));
	CH_AUTO_BUF struct ch_buf root = { 0 };
	struct ch_diag d;
	uint8_t sha256[32];
	*status = 400;
	if (ch_hex_decode(sha256, sizeof(sha256), a->action.subject) != CH_OK ||
	    !ch_span_eq(CH_SPAN_OF(sha256), CH_SPAN_OF(a->action.payload)))
		return "the subject is the SHA-256 of the release's file, which is the payload";
	if (ch_release_parse(&j->r, a->payload, j->node, CH_RELEASE_NODES_MAX, &d) != CH_OK)
		return d.rule;
	*status = 409;
	const char *rule = known_refused(k, a, &j->r);
	if (rule == NULL)
		rule = signed_refused(k, j, &root);
	return rule != NULL ? rule : classes_refused(k, &j->r, status);
}

/* --- what is written --- */

static void parts_add(struct ch_keeper *k, const struct ch_release *r, int64_t seq)
{
	for (size_t i = 0; i < r->class_count; i++)
		ch_sql_do(k->st, CH_SQL_RELEASE_CLASS_ADD,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq), ch_text(r->class[i])));
	for (size_t i = 0; i < r->artifact_count; i++) {
		const struct ch_artifact *f = &r->artifact[i];
		ch_sql_do(k->st, CH_SQL_RELEASE_ARTIFACT_ADD,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq), ch_bytes(CH_SPAN_OF(f->file.sha256)),
				  ch_int((int64_t)f->file.size), ch_text(f->file.name),
				  ch_text_str(ch_artifact_kind_str(f->kind))));
	}
	if (r->has_sbom)
		ch_sql_do(k->st, CH_SQL_RELEASE_ARTIFACT_ADD,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq), ch_bytes(CH_SPAN_OF(r->sbom.sha256)),
				  ch_int((int64_t)r->sbom.size), ch_text(r->sbom.name), ch_text_str("sbom")));
}

/* Each class is judged by its reference values from now on. */
static void reference_add(struct ch_keeper *k, const struct ch_act *a, const struct ch_release *r,
			  struct ch_span sha256)
{
	for (size_t i = 0; i < r->class_count && r->reference.n > 0; i++) {
		if (ch_sql_number(k->st, CH_SQL_REFERENCE_FIND,
				  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_text(r->class[i]), ch_bytes(sha256)), 0) != 0)
			continue;
		ch_sql_do(k->st, CH_SQL_REFERENCE_ADD,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->n.reference++), ch_text(r->class[i]),
				  ch_bytes(sha256), ch_bytes(r->reference), ch_int((int64_t)k->now), ch_int(a->seq)));
	}
}

void ch_kp_release_run(struct ch_keeper *k, struct ch_act *a)
{
	CH_AUTO_FREE struct judged *j = ch_calloc(1, sizeof(*j));
	uint8_t text[CH_RELEASE_RECORD_MAX];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_release *r = &j->r;
	struct ch_digest h = { 0 };
	if (ch_release_parse(r, a->payload, j->node, CH_RELEASE_NODES_MAX, NULL) != CH_OK ||
	    (r->reference.n > 0 && ch_hash_once(CH_HASH_SHA256, r->reference, &h) != CH_OK)) {
		k->env.fatal(k->env.ctx, "a release that was judged cannot be read again");
		return;
	}
	struct ch_span reference = r->reference.n > 0 ? ch_digest_span(&h) : CH_SPAN_EMPTY;
	ch_release_record_put(&w, r, a->action.payload);
	uint64_t leaf = ch_kp_leaf(k, CH_LEAF_RELEASE, 0, ch_wr_span(&w));
	ch_kp_event(k, 0, "release", ch_wr_span(&w));
	int64_t seq = k->n.release++;
	ch_sql_do(k->st, CH_SQL_RELEASE_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq), ch_bytes(CH_SPAN_OF(a->action.payload)),
			  ch_text(r->name), ch_text(r->version), ch_int((int64_t)r->sequence),
			  ch_int((int64_t)r->floor), ch_int((int64_t)r->expires), ch_bytes(reference),
			  ch_bytes(a->payload), ch_int((int64_t)k->now), ch_int(a->seq), ch_int((int64_t)leaf)));
	parts_add(k, r, seq);
	reference_add(k, a, r, reference);
	ch_kp_generation_compose(k);
}

/* --- withdrawn --- */

static int64_t subject_find(struct ch_keeper *k, const struct ch_act *a, bool *withdrawn)
{
	uint8_t sha256[32];
	int64_t seq = 0;
	if (ch_hex_decode(sha256, sizeof(sha256), a->action.subject) != CH_OK)
		return 0;
	struct ch_query q = ch_sql_query(k->st, CH_SQL_RELEASE_FIND,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(CH_SPAN_OF(sha256))));
	if (ch_sql_next(&q)) {
		seq = ch_sql_int(&q, 0);
		*withdrawn = ch_sql_int(&q, 5) != 0;
	}
	return ch_sql_end(&q) == CH_OK ? seq : 0;
}

const char *ch_kp_withdraw_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	bool withdrawn = false;
	*status = 404;
	if (subject_find(k, a, &withdrawn) == 0)
		return "no such release was published";
	*status = 409;
	return withdrawn ? "this release was withdrawn already" : NULL;
}

/*
 * It is offered to nobody any more. Devices that run it are still explained by it: they would otherwise be cut off for having done as
 * they were told. Its reference values end by baseline.retire.
 */
void ch_kp_withdraw_run(struct ch_keeper *k, struct ch_act *a)
{
	bool withdrawn = false;
	int64_t seq = subject_find(k, a, &withdrawn);
	ch_sql_do(k->st, CH_SQL_RELEASE_WITHDRAW,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq), ch_int((int64_t)k->now), ch_int(a->seq)));
	ch_kp_deployments_cancel(k, seq, "the release was withdrawn");
}
