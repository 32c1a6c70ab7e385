/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/release_proof.h"

#include "core/wire/json_doc.h"

#include <string.h>

#define NODES_MAX 8 /* an object of three members */

/* A string, its escapes resolved in what is left of the room. */
static enum ch_err take(const struct ch_json_doc *t, size_t i, size_t at, size_t max, struct ch_release_proof *p,
			struct ch_span *to)
{
	enum ch_err err = ch_json_str(&t->j, i, p->room + at, max, to);
	if (err == CH_OK && to->n > max)
		err = CH_ERR_NOSPACE;
	if (err != CH_OK || to->n == 0)
		return ch_json_doc_refuse(t, i, err == CH_ERR_NOSPACE ? CH_ERR_LIMIT : CH_ERR_MALFORMED,
					  "record and proof are strings, neither empty nor longer than they can be");
	return CH_OK;
}

static enum ch_err proof_record(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_release_proof *p = to;
	return take(t, i, 0, CH_RELEASE_RECORD_MAX, p, &p->record);
}

static enum ch_err proof_proof(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_release_proof *p = to;
	return take(t, i, CH_RELEASE_RECORD_MAX, CH_PROOF_TEXT_MAX, p, &p->proof);
}

static enum ch_err proof_salt(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_release_proof *p = to;
	enum ch_err err = ch_json_hex(&t->j, i, p->salt, sizeof(p->salt));
	return err == CH_OK ? CH_OK : ch_json_doc_refuse(t, i, err, "the salt is 64 hexadecimal digits");
}

static const struct ch_json_doc_member members[] = {
	{ "record", proof_record },
	{ "salt", proof_salt },
	{ "proof", proof_proof },
};

enum ch_err ch_release_proof_parse(struct ch_release_proof *p, struct ch_span in, struct ch_diag *d)
{
	struct ch_json_node node[NODES_MAX];
	struct ch_json_doc t = { .d = d };
	memset(p, 0, sizeof(*p));
	ch_diag_clear(d);
	if (in.n > CH_RELEASE_PROOF_MAX)
		return ch_fail(d, CH_ERR_LIMIT, 0, "the proof of a release is longer than CH_RELEASE_PROOF_MAX");
	enum ch_err err = ch_json_parse(&t.j, in, node, NODES_MAX, d);
	if (err == CH_OK)
		err = ch_json_doc_object(&t, 0, members, CH_COUNT_OF(members), p);
	if (err != CH_OK)
		memset(p, 0, sizeof(*p));
	return err;
}

void ch_release_proof_put(struct ch_wr *w, struct ch_span record, const uint8_t salt[static CH_LEAF_SALT],
			  struct ch_span proof)
{
	struct ch_json_wr j = ch_json_wr(w, false);
	ch_json_object_begin(&j);
	ch_json_named_span(&j, "record", record);
	ch_json_named_hex(&j, "salt", ch_span(salt, CH_LEAF_SALT));
	ch_json_named_span(&j, "proof", proof);
	ch_json_object_end(&j);
	ch_wr_u8(w, '\n');
}

/* --- the judge --- */

/* The record is written again from the release: what the log speaks of is this file and no other. */
static enum ch_err check_record(const struct ch_release_proof *p, const struct ch_release *r,
				const uint8_t sha256[static 32], struct ch_diag *d)
{
	uint8_t text[CH_RELEASE_RECORD_MAX];
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_release_record_put(&w, r, sha256);
	if (w.bad || !ch_span_eq(ch_wr_span(&w), p->record))
		return ch_fail(d, CH_ERR_MISMATCH, 0,
			       "the record of the log is of another release, or of other signatures");
	return CH_OK;
}

static enum ch_err check_leaf(const struct ch_release_proof *p, struct ch_span entry, struct ch_diag *d)
{
	struct ch_leaf leaf;
	enum ch_err err = ch_leaf_parse(&leaf, entry, d);
	if (err != CH_OK)
		return err;
	if (leaf.type != CH_LEAF_RELEASE)
		return ch_fail(d, CH_ERR_MISMATCH, 0, "the entry of the log is none of a release");
	err = ch_leaf_check(&leaf, p->salt, p->record);
	return err == CH_OK ? CH_OK
			    : ch_fail(d, err, 0, "the entry of the log does not commit to this record under this salt");
}

enum ch_err ch_release_proof_check(const struct ch_release_proof *p, const struct ch_release *r,
				   const uint8_t sha256[static 32], const struct ch_note_key *log, size_t count,
				   struct ch_checkpoint *c, struct ch_diag *d)
{
	struct ch_proof proof;
	*c = (struct ch_checkpoint){ 0 };
	ch_diag_clear(d);
	enum ch_err err = check_record(p, r, sha256, d);
	if (err == CH_OK)
		err = ch_proof_parse(&proof, p->proof, d);
	if (err == CH_OK)
		err = check_leaf(p, ch_span(proof.extra, proof.extra_n), d);
	if (err != CH_OK)
		return err;
	return ch_proof_check_any(&proof, ch_span(proof.extra, proof.extra_n), log, count, c, d);
}
