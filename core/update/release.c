/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/release.h"

#include "core/base/text.h"
#include "core/trust/action.h"
#include "core/update/ostree_pack.h"
#include "core/wire/json_doc.h"

#include <string.h>

/* The parser: a note, in it JSON read by tables. */

static const char *const kind_name[CH_ARTIFACT_KIND_COUNT] = {
#define NAME(name, text) [CH_ARTIFACT_##name] = (text),
	CH_ARTIFACT_KINDS(NAME)
#undef NAME
};

const char *ch_artifact_kind_str(enum ch_artifact_kind kind)
{
	return (unsigned)kind < CH_ARTIFACT_KIND_COUNT ? kind_name[kind] : "unknown";
}

enum ch_err ch_artifact_kind_by_name(struct ch_span name, enum ch_artifact_kind *kind)
{
	for (unsigned i = 0; i < CH_ARTIFACT_KIND_COUNT; i++) {
		if (ch_span_eq(name, ch_span_str(kind_name[i]))) {
			*kind = (enum ch_artifact_kind)i;
			return CH_OK;
		}
	}
	return CH_ERR_UNKNOWN;
}

/* --- words --- */

static bool is_alnum(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_word(struct ch_span s, size_t max)
{
	if (s.n == 0 || s.n > max || !is_alnum(s.p[0]))
		return false;
	for (size_t i = 1; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (!is_alnum(c) && c != '.' && c != '_' && c != '+' && c != '~' && c != '-')
			return false;
	}
	return true;
}

bool ch_release_file_name_valid(struct ch_span name)
{
	return is_word(name, CH_RELEASE_FILE_NAME_MAX);
}

bool ch_release_version_valid(struct ch_span version)
{
	return is_word(version, CH_RELEASE_VERSION_MAX);
}

/* One line for a person's eye: nothing in it moves or hides. */
static bool is_shown(struct ch_span s)
{
	uint32_t code = 0;
	for (size_t off = 0, n = 0; off < s.n; off += n) {
		n = ch_utf8_decode(ch_span_sub(s, off, s.n - off), &code);
		if (n == 0 || !ch_text_shown(code))
			return false;
	}
	return true;
}

/* Lines of it. */
static bool is_notes(struct ch_span s)
{
	size_t begin = 0;
	for (size_t i = 0; i <= s.n; i++) {
		if (i < s.n && s.p[i] != '\n')
			continue;
		if (!is_shown(ch_span_sub(s, begin, i - begin)))
			return false;
		begin = i + 1;
	}
	return s.n <= CH_RELEASE_NOTES_MAX;
}

/* --- members: files --- */

static enum ch_err file_name(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_release_file *f = to;
	enum ch_err err = ch_json_doc_text(t, i, &f->name);
	if (err == CH_OK && !ch_release_file_name_valid(f->name))
		err = ch_json_doc_refuse(
			t, i, CH_ERR_MALFORMED,
			"the name of a file is 1 to 128 of A-Z a-z 0-9 . _ + ~ - with a letter or digit first");
	return err;
}

static enum ch_err file_size(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_release_file *f = to;
	return ch_json_doc_number(t, i, 1, CH_ARTIFACT_MAX, &f->size);
}

static enum ch_err file_sha256(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_release_file *f = to;
	struct ch_span text = CH_SPAN_EMPTY;
	enum ch_err err = ch_json_doc_text(t, i, &text);
	for (size_t k = 0; err == CH_OK && k < text.n; k++) {
		if (text.p[k] >= 'A' && text.p[k] <= 'F')
			err = CH_ERR_ENCODING;
	}
	if (err == CH_OK)
		err = ch_hex_decode(f->sha256, sizeof(f->sha256), text);
	return err == CH_OK ? CH_OK : ch_json_doc_refuse(t, i, err, "a digest is 64 hexadecimal digits in lower case");
}

static enum ch_err artifact_kind(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_artifact *a = to;
	struct ch_span text;
	enum ch_err err = ch_json_doc_text(t, i, &text);
	if (err == CH_OK && ch_artifact_kind_by_name(text, &a->kind) != CH_OK)
		err = ch_json_doc_refuse(t, i, CH_ERR_UNSUPPORTED,
					 "the kind of an artefact is rauc, swu, ostree, uki, kernel, initrd or file");
	return err;
}

static enum ch_err artifact_compatible(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_artifact *a = to;
	if (ch_json_type(&t->j, i) == CH_JSON_NULL)
		return CH_OK;
	enum ch_err err = ch_json_doc_text(t, i, &a->compatible);
	if (err == CH_OK &&
	    (a->compatible.n == 0 || a->compatible.n > CH_RELEASE_FILE_NAME_MAX || !is_shown(a->compatible)))
		err = ch_json_doc_refuse(t, i, CH_ERR_MALFORMED,
					 "\"compatible\" is 1 to 128 bytes, every character shown; or null");
	return err;
}

static const struct ch_json_doc_member artifact_members[] = {
	/* a file's, which an artefact begins with */
	{ "name", file_name },
	{ "size", file_size },
	{ "sha256", file_sha256 },
	{ "kind", artifact_kind },
	{ "compatible", artifact_compatible },
};
#define FILE_MEMBERS 3

static enum ch_err artifact_element(const struct ch_json_doc *t, size_t i, size_t nth, void *list)
{
	struct ch_artifact *a = list;
	uint8_t commit[32];
	enum ch_err err = ch_json_doc_object(t, i, artifact_members, CH_COUNT_OF(artifact_members), &a[nth]);
	if (err == CH_OK && a[nth].kind == CH_ARTIFACT_RAUC && a[nth].compatible.n == 0)
		err = ch_json_doc_refuse(t, i, CH_ERR_MISSING, "a RAUC bundle says what it is compatible with");
	if (err == CH_OK && a[nth].kind == CH_ARTIFACT_OSTREE &&
	    ch_ostree_name_parse(a[nth].file.name, commit) != CH_OK)
		err = ch_json_doc_refuse(t, i, CH_ERR_MALFORMED,
					 "an artefact of the kind ostree is called after its commit: COMMIT.ostree");
	for (size_t k = 0; err == CH_OK && k < nth; k++) {
		if (a[k].kind == CH_ARTIFACT_OSTREE && a[nth].kind == CH_ARTIFACT_OSTREE)
			err = ch_json_doc_refuse(t, i, CH_ERR_DUPLICATE, "two commits of OSTree in one release");
		else if (ch_span_eq(a[k].file.name, a[nth].file.name))
			err = ch_json_doc_refuse(t, i, CH_ERR_DUPLICATE, "two artefacts have the same name");
		else if (ch_span_eq(CH_SPAN_OF(a[k].file.sha256), CH_SPAN_OF(a[nth].file.sha256)))
			err = ch_json_doc_refuse(t, i, CH_ERR_DUPLICATE, "two artefacts are the same");
	}
	return err;
}

static enum ch_err class_element(const struct ch_json_doc *t, size_t i, size_t nth, void *list)
{
	struct ch_span *class = list;
	enum ch_err err = ch_json_doc_text(t, i, &class[nth]);
	if (err == CH_OK && !ch_name_valid(class[nth]))
		err = ch_json_doc_refuse(t, i, CH_ERR_MALFORMED,
					 "a class is 1 to 64 of a-z 0-9 - _ . with a letter or digit first");
	for (size_t k = 0; err == CH_OK && k < nth; k++) {
		if (ch_span_eq(class[k], class[nth]))
			err = ch_json_doc_refuse(t, i, CH_ERR_DUPLICATE, "the class is in the list twice");
	}
	return err;
}

/* --- members: the document --- */

static enum ch_err release_type(const struct ch_json_doc *t, size_t i, void *to)
{
	(void)to;
	return ch_json_doc_type(t, i, CH_RELEASE_TYPE, "the type is not \"" CH_RELEASE_TYPE "\"");
}

static enum ch_err take_name(const struct ch_json_doc *t, size_t i, struct ch_span *name)
{
	enum ch_err err = ch_json_doc_text(t, i, name);
	if (err == CH_OK && !ch_name_valid(*name))
		err = ch_json_doc_refuse(t, i, CH_ERR_MALFORMED,
					 "a name is 1 to 64 of a-z 0-9 - _ . with a letter or digit first");
	return err;
}

static enum ch_err release_name(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_release *r = to;
	return take_name(t, i, &r->name);
}

static enum ch_err release_role(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_release *r = to;
	return take_name(t, i, &r->role);
}

static enum ch_err release_version(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_release *r = to;
	enum ch_err err = ch_json_doc_text(t, i, &r->version);
	if (err == CH_OK && !ch_release_version_valid(r->version))
		err = ch_json_doc_refuse(t, i, CH_ERR_MALFORMED,
					 "a version is 1 to 64 of A-Z a-z 0-9 . _ + ~ - with a letter or digit first");
	return err;
}

static enum ch_err release_sequence(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_release *r = to;
	return ch_json_doc_number(t, i, 1, CH_RELEASE_NUMBER_MAX, &r->sequence);
}

static enum ch_err release_floor(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_release *r = to;
	return ch_json_doc_number(t, i, 0, CH_RELEASE_NUMBER_MAX, &r->floor);
}

static enum ch_err release_classes(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_release *r = to;
	return ch_json_doc_list(t, i, 1, CH_RELEASE_CLASSES_MAX, class_element, r->class, &r->class_count);
}

static enum ch_err release_issued(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_release *r = to;
	return ch_json_doc_number(t, i, 1, INT64_MAX, &r->issued);
}

static enum ch_err release_expires(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_release *r = to;
	return ch_json_doc_number(t, i, 1, INT64_MAX, &r->expires);
}

/* The one string with escapes: it has lines. */
static enum ch_err release_notes(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_release *r = to;
	enum ch_err err = ch_json_str(&t->j, i, r->room, sizeof(r->room), &r->notes);
	if (err == CH_OK && !is_notes(r->notes))
		err = r->notes.n > CH_RELEASE_NOTES_MAX ? CH_ERR_LIMIT : CH_ERR_ENCODING;
	return err == CH_OK ? CH_OK
			    : ch_json_doc_refuse(t, i, err == CH_ERR_NOSPACE ? CH_ERR_LIMIT : err,
						 "notes are a string of at most 4096 bytes, lines of shown characters");
}

static enum ch_err release_artifacts(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_release *r = to;
	return ch_json_doc_list(t, i, 1, CH_RELEASE_ARTIFACTS_MAX, artifact_element, r->artifact, &r->artifact_count);
}

static enum ch_err release_sbom(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_release *r = to;
	if (ch_json_type(&t->j, i) == CH_JSON_NULL)
		return CH_OK;
	r->has_sbom = true;
	return ch_json_doc_object(t, i, artifact_members, FILE_MEMBERS, &r->sbom);
}

static enum ch_err release_reference(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_release *r = to;
	if (ch_json_type(&t->j, i) == CH_JSON_NULL)
		return CH_OK;
	if (ch_json_type(&t->j, i) != CH_JSON_OBJECT)
		return ch_json_doc_refuse(t, i, CH_ERR_MALFORMED, "reference values are an object, or null");
	r->reference = ch_json_raw(&t->j, i);
	return CH_OK;
}

static const struct ch_json_doc_member members[] = {
	{ "type", release_type },           { "name", release_name },           { "version", release_version },
	{ "sequence", release_sequence },   { "floor", release_floor },         { "classes", release_classes },
	{ "role", release_role },           { "issued", release_issued },       { "expires", release_expires },
	{ "notes", release_notes },         { "artifacts", release_artifacts }, { "sbom", release_sbom },
	{ "reference", release_reference },
};

/* --- what joins members --- */

/* True if `i` is the string "NAME VERSION". */
static bool is_title(const struct ch_json *j, size_t i, const struct ch_release *r)
{
	struct ch_span s = ch_json_raw(j, i);
	return ch_json_type(j, i) == CH_JSON_STRING && j->node[i].escaped == 0 && s.n == r->name.n + 1 + r->version.n &&
	       ch_span_starts(s, r->name) && s.p[r->name.n] == ' ' &&
	       ch_span_eq(ch_span_sub(s, r->name.n + 1, r->version.n), r->version);
}

/* A verdict names the release by the name of its reference values: nobody else's may stand here. */
static enum ch_err check_reference(const struct ch_json_doc *t, const struct ch_release *r)
{
	static const char *const rule =
		"reference values of a release are \"chainhold-reference/1\" of kind \"release\" "
		"with the name \"NAME VERSION\"";
	size_t at = 0, format = 0, kind = 0, name = 0;
	if (r->reference.n == 0)
		return CH_OK;
	enum ch_err err = ch_json_member(&t->j, 0, "reference", &at);
	if (err == CH_OK)
		err = ch_json_member(&t->j, at, "format", &format);
	if (err == CH_OK)
		err = ch_json_member(&t->j, at, "kind", &kind);
	if (err == CH_OK)
		err = ch_json_member(&t->j, at, "name", &name);
	if (err != CH_OK)
		return ch_json_doc_refuse(t, at, err == CH_ERR_NOTFOUND ? CH_ERR_MISSING : err, rule);
	if (!ch_json_str_eq(&t->j, format, "chainhold-reference/1") || !ch_json_str_eq(&t->j, kind, "release") ||
	    !is_title(&t->j, name, r))
		return ch_json_doc_refuse(t, at, CH_ERR_MISMATCH, rule);
	return CH_OK;
}

static enum ch_err check_whole(const struct ch_json_doc *t, const struct ch_release *r)
{
	if (r->expires <= r->issued)
		return ch_json_doc_refuse(t, 0, CH_ERR_RANGE, "the document expires before it is issued");
	if (r->floor > r->sequence)
		return ch_json_doc_refuse(t, 0, CH_ERR_RANGE, "the floor is above the release's own sequence");
	return check_reference(t, r);
}

enum ch_err ch_release_parse(struct ch_release *r, struct ch_span in, struct ch_json_node *node, size_t cap,
			     struct ch_diag *d)
{
	struct ch_json_doc t = { .d = d };
	memset(r, 0, sizeof(*r));
	ch_diag_clear(d);
	enum ch_err err = ch_role_note(&r->note, in, CH_RELEASE_MAX, d);
	if (err == CH_OK)
		err = ch_json_parse(&t.j, r->note.text, node, cap < CH_RELEASE_NODES_MAX ? cap : CH_RELEASE_NODES_MAX,
				    d);
	if (err == CH_OK)
		err = ch_json_doc_object(&t, 0, members, CH_COUNT_OF(members), r);
	if (err == CH_OK)
		err = check_whole(&t, r);
	if (err != CH_OK)
		memset(r, 0, sizeof(*r));
	return err;
}

const struct ch_artifact *ch_release_artifact(const struct ch_release *r, const uint8_t sha256[static 32])
{
	for (size_t i = 0; i < r->artifact_count; i++) {
		if (ch_span_eq(CH_SPAN_OF(r->artifact[i].file.sha256), ch_span(sha256, 32)))
			return &r->artifact[i];
	}
	return NULL;
}
