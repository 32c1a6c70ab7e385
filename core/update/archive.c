/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/archive.h"

#include "core/base/text.h"
#include "core/trust/action.h"
#include "core/wire/json_doc.h"

/* --- names --- */

static bool after(struct ch_span *s, const char *prefix)
{
	struct ch_span want = ch_span_str(prefix);
	if (!ch_span_starts(*s, want))
		return false;
	*s = ch_span_sub(*s, want.n, s->n - want.n);
	return true;
}

static bool before(struct ch_span *s, const char *suffix)
{
	struct ch_span want = ch_span_str(suffix);
	if (s->n < want.n || !ch_span_eq(ch_span_sub(*s, s->n - want.n, want.n), want))
		return false;
	*s = ch_span_sub(*s, 0, s->n - want.n);
	return true;
}

static bool is_version(struct ch_span s, uint64_t *v)
{
	*v = 0;
	for (size_t i = 0; i < s.n && i < 11; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		*v = *v * 10 + (uint64_t)(s.p[i] - '0');
	}
	return s.n > 0 && s.n < 11 && s.p[0] != '0' && *v <= CH_ROOT_VERSION_MAX;
}

/* 64 digits in lower case: one name for one digest. */
static bool is_digest(struct ch_span s, uint8_t sha256[static 32])
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] >= 'A' && s.p[i] <= 'F')
			return false;
	}
	return ch_hex_decode(sha256, 32, s) == CH_OK;
}

static enum ch_archive_kind path_kind(struct ch_archive_path *p, struct ch_span s)
{
	if (ch_span_eq(s, CH_SPAN_LIT("log/checkpoint")))
		return CH_ARCHIVE_CHECKPOINT;
	if (after(&s, "log/"))
		return ch_tile_path_parse(&p->tile, s) == CH_OK ? CH_ARCHIVE_TILE : CH_ARCHIVE_NONE;
	if (after(&s, "fleet-root/"))
		return is_version(s, &p->number) ? CH_ARCHIVE_FLEET_ROOT : CH_ARCHIVE_NONE;
	if (after(&s, "artifacts/"))
		return is_digest(s, p->sha256) ? CH_ARCHIVE_ARTIFACT : CH_ARCHIVE_NONE;
	if (after(&s, "reference/"))
		return before(&s, ".json") && ch_name_valid(s) ? CH_ARCHIVE_REFERENCE : CH_ARCHIVE_NONE;
	if (after(&s, "crl/"))
		return before(&s, ".crl") && ch_name_valid(s) ? CH_ARCHIVE_CRL : CH_ARCHIVE_NONE;
	if (!after(&s, "releases/"))
		return CH_ARCHIVE_NONE;
	if (before(&s, ".release"))
		return is_digest(s, p->sha256) ? CH_ARCHIVE_RELEASE : CH_ARCHIVE_NONE;
	return before(&s, ".proof") && is_digest(s, p->sha256) ? CH_ARCHIVE_PROOF : CH_ARCHIVE_NONE;
}

enum ch_err ch_archive_path_parse(struct ch_archive_path *p, struct ch_span path)
{
	struct ch_archive_path out = { .kind = CH_ARCHIVE_NONE };
	*p = out;
	out.kind = path.n <= CH_ARCHIVE_PATH_MAX ? path_kind(&out, path) : CH_ARCHIVE_NONE;
	if (out.kind == CH_ARCHIVE_NONE)
		return CH_ERR_MALFORMED;
	*p = out;
	return CH_OK;
}

int ch_archive_path_order(struct ch_span a, struct ch_span b)
{
	for (size_t i = 0; i < a.n && i < b.n; i++) {
		if (a.p[i] != b.p[i])
			return a.p[i] < b.p[i] ? -1 : 1;
	}
	return a.n == b.n ? 0 : a.n < b.n ? -1 : 1;
}

/* --- the index --- */

static enum ch_err file_path(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_archive_file *f = to;
	struct ch_archive_path p;
	enum ch_err err = ch_json_doc_text(t, i, &f->path);
	if (err == CH_OK && ch_archive_path_parse(&p, f->path) != CH_OK)
		err = ch_json_doc_refuse(t, i, CH_ERR_MALFORMED, "no file of an archive has this name");
	return err;
}

static enum ch_err file_size(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_archive_file *f = to;
	return ch_json_doc_number(t, i, 0, CH_ARCHIVE_FILE_MAX, &f->size);
}

static enum ch_err file_sha256(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_archive_file *f = to;
	struct ch_span text;
	enum ch_err err = ch_json_doc_text(t, i, &text);
	if (err == CH_OK && !is_digest(text, f->sha256))
		err = ch_json_doc_refuse(t, i, CH_ERR_ENCODING, "a digest is 64 hexadecimal digits in lower case");
	return err;
}

static const struct ch_json_doc_member file_members[] = {
	{ "path", file_path },
	{ "size", file_size },
	{ "sha256", file_sha256 },
};

static enum ch_err file_element(const struct ch_json_doc *t, size_t i, size_t nth, void *list)
{
	struct ch_archive_file *f = list;
	struct ch_archive_path p;
	f[nth] = (struct ch_archive_file){ .size = 0 };
	enum ch_err err = ch_json_doc_object(t, i, file_members, CH_COUNT_OF(file_members), &f[nth]);
	if (err == CH_OK && nth > 0 && ch_archive_path_order(f[nth - 1].path, f[nth].path) >= 0)
		err = ch_json_doc_refuse(t, i, CH_ERR_DUPLICATE,
					 "the files are in the order of their names, and none is there twice");
	if (err == CH_OK)
		err = ch_archive_path_parse(&p, f[nth].path);
	if (err == CH_OK && (p.kind == CH_ARCHIVE_RELEASE || p.kind == CH_ARCHIVE_ARTIFACT) &&
	    !ch_span_eq(CH_SPAN_OF(p.sha256), CH_SPAN_OF(f[nth].sha256)))
		err = ch_json_doc_refuse(t, i, CH_ERR_MISMATCH, "releases and artefacts are named by their SHA-256");
	return err;
}

static enum ch_err index_type(const struct ch_json_doc *t, size_t i, void *to)
{
	(void)to;
	return ch_json_doc_type(t, i, CH_ARCHIVE_TYPE, "the type is not \"" CH_ARCHIVE_TYPE "\"");
}

static enum ch_err index_issued(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_archive *a = to;
	return ch_json_doc_number(t, i, 1, INT64_MAX, &a->issued);
}

static enum ch_err index_role(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_archive *a = to;
	enum ch_err err = ch_json_doc_text(t, i, &a->role);
	if (err == CH_OK && !ch_name_valid(a->role))
		err = ch_json_doc_refuse(t, i, CH_ERR_MALFORMED,
					 "a role's name is 1 to 64 of a-z 0-9 - _ . with a letter or digit first");
	return err;
}

static enum ch_err index_files(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_archive *a = to;
	return ch_json_doc_list(t, i, 1, CH_ARCHIVE_FILES_MAX, file_element, a->file, &a->count);
}

static const struct ch_json_doc_member members[] = {
	{ "type", index_type },
	{ "issued", index_issued },
	{ "role", index_role },
	{ "files", index_files },
};

enum ch_err ch_archive_parse(struct ch_archive *a, struct ch_span in, struct ch_archive_file *file,
			     struct ch_json_node *node, struct ch_diag *d)
{
	struct ch_json_doc t = { .d = d };
	*a = (struct ch_archive){ .file = file };
	ch_diag_clear(d);
	enum ch_err err = ch_role_note(&a->note, in, CH_ARCHIVE_INDEX_MAX, d);
	if (err == CH_OK)
		err = ch_json_parse(&t.j, a->note.text, node, CH_ARCHIVE_NODES_MAX, d);
	if (err == CH_OK)
		err = ch_json_doc_object(&t, 0, members, CH_COUNT_OF(members), a);
	if (err != CH_OK)
		*a = (struct ch_archive){ .issued = 0 };
	return err;
}

const struct ch_archive_file *ch_archive_find(const struct ch_archive *a, struct ch_span path)
{
	size_t low = 0, high = a->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = ch_archive_path_order(a->file[middle].path, path);
		if (order == 0)
			return &a->file[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

enum ch_err ch_archive_put(struct ch_wr *w, const struct ch_archive *a)
{
	struct ch_json_wr j = ch_json_wr(w, true);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "type", CH_ARCHIVE_TYPE);
	ch_json_named_u64(&j, "issued", a->issued);
	ch_json_named_span(&j, "role", a->role);
	ch_json_name(&j, "files");
	ch_json_array_begin(&j);
	for (size_t i = 0; i < a->count; i++) {
		ch_json_object_begin(&j);
		ch_json_named_span(&j, "path", a->file[i].path);
		ch_json_named_u64(&j, "size", a->file[i].size);
		ch_json_named_hex(&j, "sha256", CH_SPAN_OF(a->file[i].sha256));
		ch_json_object_end(&j);
	}
	ch_json_array_end(&j);
	ch_json_object_end(&j);
	ch_wr_u8(w, '\n');
	return w->bad || !ch_json_wr_done(&j) ? CH_ERR_NOSPACE : CH_OK;
}
