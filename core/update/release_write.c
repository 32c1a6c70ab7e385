/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/release.h"

#include "core/trust/action.h"

/* Writes the document, and what the log holds of it. */

static void put_file(struct ch_json_wr *j, const struct ch_release_file *f)
{
	ch_json_named_span(j, "name", f->name);
	ch_json_named_u64(j, "size", f->size);
	ch_json_named_hex(j, "sha256", CH_SPAN_OF(f->sha256));
}

static void put_artifact(struct ch_json_wr *j, const struct ch_artifact *a)
{
	ch_json_object_begin(j);
	put_file(j, &a->file);
	ch_json_named_str(j, "kind", ch_artifact_kind_str(a->kind));
	ch_json_name(j, "compatible");
	if (a->compatible.n > 0)
		ch_json_put_span(j, a->compatible);
	else
		ch_json_put_null(j);
	ch_json_object_end(j);
}

static void put_sbom(struct ch_json_wr *j, const struct ch_release *r)
{
	ch_json_name(j, "sbom");
	if (!r->has_sbom) {
		ch_json_put_null(j);
		return;
	}
	ch_json_object_begin(j);
	put_file(j, &r->sbom);
	ch_json_object_end(j);
}

static enum ch_err put_reference(struct ch_json_wr *j, const struct ch_release *r, struct ch_json_node *node,
				 size_t cap)
{
	struct ch_json from;
	ch_json_name(j, "reference");
	if (r->reference.n == 0) {
		ch_json_put_null(j);
		return CH_OK;
	}
	enum ch_err err = ch_json_parse(&from, r->reference, node, cap, NULL);
	if (err == CH_OK)
		ch_json_put_value(j, &from, 0);
	return err;
}

static bool file_fits(const struct ch_release_file *f)
{
	return ch_release_file_name_valid(f->name) && f->size >= 1 && f->size <= CH_ARTIFACT_MAX;
}

static bool fits(const struct ch_release *r)
{
	bool good = ch_name_valid(r->name) && ch_release_version_valid(r->version) && ch_name_valid(r->role) &&
		    r->sequence >= 1 && r->sequence <= CH_RELEASE_NUMBER_MAX && r->floor <= r->sequence &&
		    r->issued >= 1 && r->expires > r->issued && r->expires <= INT64_MAX &&
		    r->notes.n <= CH_RELEASE_NOTES_MAX && r->class_count >= 1 &&
		    r->class_count <= CH_RELEASE_CLASSES_MAX && r->artifact_count >= 1 &&
		    r->artifact_count <= CH_RELEASE_ARTIFACTS_MAX && (!r->has_sbom || file_fits(&r->sbom));
	for (size_t i = 0; good && i < r->class_count; i++)
		good = ch_name_valid(r->class[i]);
	for (size_t i = 0; good && i < r->artifact_count; i++)
		good = file_fits(&r->artifact[i].file);
	return good;
}

enum ch_err ch_release_put(struct ch_wr *w, const struct ch_release *r, struct ch_json_node *node, size_t cap)
{
	if (!fits(r))
		return CH_ERR_RANGE;
	struct ch_json_wr j = ch_json_wr(w, true);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "type", CH_RELEASE_TYPE);
	ch_json_named_span(&j, "name", r->name);
	ch_json_named_span(&j, "version", r->version);
	ch_json_named_u64(&j, "sequence", r->sequence);
	ch_json_named_u64(&j, "floor", r->floor);
	ch_json_name(&j, "classes");
	ch_json_array_begin(&j);
	for (size_t i = 0; i < r->class_count; i++)
		ch_json_put_span(&j, r->class[i]);
	ch_json_array_end(&j);
	ch_json_named_span(&j, "role", r->role);
	ch_json_named_u64(&j, "issued", r->issued);
	ch_json_named_u64(&j, "expires", r->expires);
	ch_json_named_span(&j, "notes", r->notes);
	ch_json_name(&j, "artifacts");
	ch_json_array_begin(&j);
	for (size_t i = 0; i < r->artifact_count; i++)
		put_artifact(&j, &r->artifact[i]);
	ch_json_array_end(&j);
	put_sbom(&j, r);
	enum ch_err err = put_reference(&j, r, node, cap);
	ch_json_object_end(&j);
	ch_wr_u8(w, '\n');
	if (err != CH_OK)
		return err;
	return w->bad || !ch_json_wr_done(&j) ? CH_ERR_NOSPACE : CH_OK;
}

void ch_release_record_put(struct ch_wr *w, const struct ch_release *r, const uint8_t sha256[static 32])
{
	struct ch_json_wr j = ch_json_wr(w, false);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "type", "release");
	ch_json_named_span(&j, "name", r->name);
	ch_json_named_span(&j, "version", r->version);
	ch_json_named_u64(&j, "sequence", r->sequence);
	ch_json_named_hex(&j, "sha256", ch_span(sha256, 32));
	ch_json_object_end(&j);
}
