/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/artifact.h"
#include "cli/ostree_content.h"
#include "cli/rauc_content.h"
#include "cli/reference.h"
#include "cli/release.h"
#include "cli/swu_content.h"

#include "core/update/measure.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * chainhold release create: a document from artefacts. Nothing is signed. It goes to standard output, as files are opened before this
 * program confines itself and looks into them.
 */

#define DAY          86400u
#define DAYS_DEFAULT 365
#define DAYS_MAX     36500

struct ask {
	const char *file[CH_RELEASE_ARTIFACTS_MAX + 1];
	size_t file_count;
	const char *name, *version, *sequence, *floor, *role, *days, *notes, *sbom, *compatible, *cmdline, *reference;
	struct cli_values class;
	bool without;
};

/* What spans of the document point into. */
struct work {
	struct ch_release r;
	struct cli_artifact artifact[CH_RELEASE_ARTIFACTS_MAX], sbom;
	struct ch_buf notes, cmdline;
	struct cli_reference reference;
	struct ch_buf reference_text, image[CH_RELEASE_ARTIFACTS_MAX];
	struct cli_rauc rauc[CH_RELEASE_ARTIFACTS_MAX]; /* of the artefacts that are bundles */
	struct ch_map map[CH_RELEASE_ARTIFACTS_MAX];    /* of those that are OSTree packs */
	struct cli_ostree ostree[CH_RELEASE_ARTIFACTS_MAX];
	struct cli_swu swu[CH_RELEASE_ARTIFACTS_MAX];
	struct ch_measure measured;
	struct ch_json_node *node;
};

/* --- before confinement: files are opened, small ones read --- */

/* KIND:FILE, or FILE. An OSTree pack may be larger than what is read into memory. */
static int open_artifact(struct work *k, const char *text)
{
	const size_t i = k->r.artifact_count++;
	struct ch_artifact *a = &k->r.artifact[i];
	const char *colon = strchr(text, ':');
	uint8_t commit[32];
	a->kind = CH_ARTIFACT_KIND_COUNT;
	if (colon != NULL && ch_artifact_kind_by_name(ch_span(text, (size_t)(colon - text)), &a->kind) == CH_OK)
		text = colon + 1;
	int code = cli_artifact_open(&k->artifact[i], text);
	if (code < 0 && ch_ostree_name_parse(k->artifact[i].name, commit) == CH_OK &&
	    ch_map_fd(&k->map[i], k->artifact[i].fd) != CH_OK) {
		cli_say("%s: %s", text, strerror(errno));
		code = CLI_IO;
	}
	return code;
}

static int open_files(struct work *k, const struct ask *a)
{
	int code = -1;
	for (size_t i = 0; code < 0 && i < a->file_count; i++)
		code = open_artifact(k, a->file[i]);
	if (code < 0 && a->sbom != NULL)
		code = cli_artifact_open(&k->sbom, a->sbom);
	if (code < 0 && a->notes != NULL)
		code = cli_read(&k->notes, a->notes);
	if (code < 0 && a->cmdline != NULL)
		code = cli_read(&k->cmdline, a->cmdline);
	if (code < 0 && a->reference != NULL) {
		k->reference.paths = (struct cli_values){ .count = 1, .v = { a->reference } };
		code = cli_reference_read(&k->reference);
	}
	return code;
}

static int take_numbers(struct ch_release *r, const struct ask *a)
{
	uint64_t days = DAYS_DEFAULT;
	if (a->sequence == NULL || !cli_number(a->sequence, CH_RELEASE_NUMBER_MAX, &r->sequence) || r->sequence == 0) {
		cli_say("--sequence is a number from 1 on, higher than that of every release before");
		return CLI_USAGE;
	}
	if (a->floor != NULL && (!cli_number(a->floor, CH_RELEASE_NUMBER_MAX, &r->floor) || r->floor > r->sequence)) {
		cli_say("--floor is a number of 0 to the sequence");
		return CLI_USAGE;
	}
	if (a->days != NULL && (!cli_number(a->days, DAYS_MAX, &days) || days == 0)) {
		cli_say("--days is 1 to %d", DAYS_MAX);
		return CLI_USAGE;
	}
	r->issued = (uint64_t)time(NULL);
	r->expires = r->issued + days * DAY;
	return -1;
}

static int take_words(struct ch_release *r, const struct ask *a)
{
	if (a->name == NULL || a->version == NULL || a->role == NULL || a->class.count == 0) {
		cli_say("a release has a --name, a --version, a --role that signs it and at least one --class");
		return CLI_USAGE;
	}
	if (a->class.count > CH_RELEASE_CLASSES_MAX) {
		cli_say("more than %d classes", CH_RELEASE_CLASSES_MAX);
		return CLI_USAGE;
	}
	if ((a->reference != NULL) + a->without + (a->cmdline != NULL) > 1) {
		cli_say("of --reference, --cmdline and --without-measurements one goes without the others");
		return CLI_USAGE;
	}
	r->name = ch_span_str(a->name);
	r->version = ch_span_str(a->version);
	r->role = ch_span_str(a->role);
	for (size_t i = 0; i < a->class.count; i++)
		r->class[r->class_count++] = ch_span_str(a->class.v[i]);
	return -1;
}

/* --- after it: they are looked at --- */

static int read_artifacts(struct work *k, const struct ask *a)
{
	int code = -1;
	for (size_t i = 0; code < 0 && i < k->r.artifact_count; i++) {
		struct ch_artifact *to = &k->r.artifact[i];
		const struct cli_artifact *from = &k->artifact[i];
		code = cli_artifact_read(&k->artifact[i]);
		if (to->kind == CH_ARTIFACT_KIND_COUNT)
			to->kind = from->seems;
		to->file = (struct ch_release_file){ .name = from->name, .size = from->size };
		(void)ch_span_copy(to->file.sha256, sizeof(to->file.sha256), CH_SPAN_OF(from->sha256));
		if (to->kind == CH_ARTIFACT_RAUC && a->compatible != NULL)
			to->compatible = ch_span_str(a->compatible);
		else if (code < 0 && to->kind == CH_ARTIFACT_RAUC && (a->reference != NULL || a->without)) {
			cli_say("%s: say with --compatible what the bundle is compatible with", from->path);
			code = CLI_USAGE;
		}
	}
	if (code < 0 && k->sbom.fd >= 0) {
		code = cli_artifact_read(&k->sbom);
		k->r.has_sbom = true;
		k->r.sbom = (struct ch_release_file){ .name = k->sbom.name, .size = k->sbom.size };
		(void)ch_span_copy(k->r.sbom.sha256, sizeof(k->r.sbom.sha256), CH_SPAN_OF(k->sbom.sha256));
	}
	return code;
}

static void take_notes(struct work *k)
{
	struct ch_span s = ch_buf_span(&k->notes);
	while (s.n > 0 && s.p[s.n - 1] == '\n')
		s.n--;
	k->r.notes = s;
}

/* What will be in force under the name of this release, whoever made it. */
static void put_title(const struct work *k, struct ch_wr *t)
{
	ch_wr_put(t, k->r.name);
	ch_wr_u8(t, ' ');
	ch_wr_put(t, k->r.version);
}

/* The values of the file under the name of this release. */
static int take_reference(struct work *k)
{
	const struct ch_json *from = &k->reference.doc[0];
	static uint8_t title[CH_NAME_MAX + 1 + CH_RELEASE_VERSION_MAX];
	struct ch_wr t = ch_wr(title, sizeof(title));
	int code = cli_reference_compile(&k->reference);
	if (code >= 0)
		return code;
	if (k->reference.ref.doc[0].kind != CH_REF_RELEASE) {
		cli_say("%s: its kind is %s; make it with 'chainhold reference capture --kind release'",
			k->reference.paths.v[0], ch_ref_kind_str(k->reference.ref.doc[0].kind));
		return CLI_FAILS;
	}
	put_title(k, &t);
	k->reference_text.cap = CH_RELEASE_MAX;
	k->reference_text.p = ch_calloc(CH_RELEASE_MAX, 1);
	struct ch_wr w = ch_wr(k->reference_text.p, k->reference_text.cap);
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	for (size_t name = ch_json_first(from, 0); name != CH_JSON_NONE; name = ch_json_next(from, 0, name + 1)) {
		ch_json_name_span(&j, ch_json_raw(from, name));
		if (ch_json_str_eq(from, name, "name"))
			ch_json_put_span(&j, ch_wr_span(&t));
		else
			ch_json_put_value(&j, from, name + 1);
	}
	ch_json_object_end(&j);
	if (!ch_json_wr_done(&j)) {
		cli_say("%s: more measurements than a release can hold", k->reference.paths.v[0]);
		return CLI_FAILS;
	}
	k->r.reference = ch_wr_span(&w);
	return -1;
}

static int say_unknown(const char *path)
{
	cli_say("%s: nothing is known of what it will measure. Give the values of a boot of it with --reference, or say "
		"--without-measurements: devices that run this release then stay \"installed (claimed)\", and no rollout that waits for "
		"proof goes on",
		path);
	return CLI_FAILS;
}

/* The artefact once more, whole: what is measured is what was hashed. */
static int load_image(struct work *k, size_t i)
{
	const struct cli_artifact *a = &k->artifact[i];
	struct ch_buf *to = &k->image[i];
	struct ch_digest d;
	if (a->size > CH_FILE_MAX || lseek(a->fd, 0, SEEK_SET) != 0) {
		cli_say("%s: too large to be measured", a->path);
		return CLI_FAILS;
	}
	uint8_t *p = ch_buf_room(to, (size_t)a->size);
	while (to->n < a->size) {
		ssize_t n = read(a->fd, p + to->n, (size_t)a->size - to->n);
		if (n <= 0)
			break;
		to->n += (size_t)n;
	}
	if (ch_hash_once(CH_HASH_SHA256, ch_buf_span(to), &d) == CH_OK &&
	    ch_span_eq(ch_digest_span(&d), CH_SPAN_OF(a->sha256)))
		return -1;
	cli_say("%s: it changed meanwhile", a->path);
	return CLI_IO;
}

/* A bundle says itself what it is compatible with; what an operator says beside it must be the same. */
static int measure_bundle(struct work *k, size_t i, struct ch_span file)
{
	struct ch_artifact *a = &k->r.artifact[i];
	const char *path = k->artifact[i].path;
	const size_t before = k->measured.count;
	struct ch_diag d;
	enum ch_err err = cli_rauc_read(&k->rauc[i], &k->measured, file, &d);
	if (err != CH_OK)
		(void)cli_refused(path, "image", err, &d);
	if (err != CH_OK || k->measured.count == before)
		return say_unknown(path);
	const struct ch_span compatible = k->rauc[i].manifest.compatible;
	if (a->compatible.n > 0 && !ch_span_eq(a->compatible, compatible)) {
		cli_say("%s: its manifest has another 'compatible' than --compatible says", path);
		return CLI_FAILS;
	}
	a->compatible = compatible;
	return -1;
}

static int measure_swu(struct work *k, size_t i, struct ch_span file)
{
	const char *path = k->artifact[i].path;
	const size_t before = k->measured.count;
	struct ch_diag d;
	enum ch_err err = cli_swu_read(&k->swu[i], &k->measured, file, &d);
	if (err != CH_OK)
		(void)cli_refused(path, "entry", err, &d);
	return err != CH_OK || k->measured.count == before ? say_unknown(path) : -1;
}

/* A commit is looked into in any case: its name in the release is what a device that booted it will say. */
static int read_commit(struct work *k, size_t i)
{
	const struct cli_artifact *a = &k->artifact[i];
	uint8_t commit[32] = { 0 };
	struct ch_diag d;
	struct ch_digest sha256;
	struct ch_span file = ch_map_span(&k->map[i]);
	if (ch_ostree_name_parse(a->name, commit) != CH_OK) {
		cli_say("%s: a file of 'chainhold release ostree' is called after its commit: COMMIT.ostree", a->path);
		return CLI_USAGE;
	}
	enum ch_err err = cli_ostree_read(&k->ostree[i], &k->measured, file, &d);
	if (err != CH_OK)
		return cli_refused(a->path, NULL, err, &d);
	if (!ch_span_eq(CH_SPAN_OF(commit), CH_SPAN_OF(k->ostree[i].pack.commit))) {
		cli_say("%s: another commit is in it than its name says", a->path);
		return CLI_FAILS;
	}
	if (ch_hash_once(CH_HASH_SHA256, file, &sha256) == CH_OK &&
	    ch_span_eq(ch_digest_span(&sha256), CH_SPAN_OF(a->sha256)))
		return -1;
	cli_say("%s: it changed meanwhile", a->path);
	return CLI_IO;
}

static int read_commits(struct work *k)
{
	int code = -1;
	for (size_t i = 0; code < 0 && i < k->r.artifact_count; i++) {
		if (k->r.artifact[i].kind == CH_ARTIFACT_OSTREE)
			code = read_commit(k, i);
	}
	return code;
}

/* *known: this kind can be measured. A plain file is none of what boots. */
static int measure_one(struct work *k, size_t i, bool *known)
{
	enum ch_artifact_kind kind = k->r.artifact[i].kind;
	struct ch_diag d;
	if (kind == CH_ARTIFACT_OSTREE) {
		*known = k->ostree[i].kernel.n > 0;
		return -1;
	}
	*known = kind == CH_ARTIFACT_UKI || kind == CH_ARTIFACT_KERNEL || kind == CH_ARTIFACT_INITRD ||
		 kind == CH_ARTIFACT_RAUC || kind == CH_ARTIFACT_SWU;
	if (!*known)
		return -1;
	int code = load_image(k, i);
	if (code >= 0)
		return code;
	struct ch_span file = ch_buf_span(&k->image[i]);
	if (kind == CH_ARTIFACT_RAUC)
		return measure_bundle(k, i, file);
	if (kind == CH_ARTIFACT_SWU)
		return measure_swu(k, i, file);
	enum ch_err err = kind == CH_ARTIFACT_UKI      ? ch_measure_uki(&k->measured, file, CH_SPAN_EMPTY, &d)
			  : kind == CH_ARTIFACT_KERNEL ? ch_measure_efi(&k->measured, file, CH_SPAN_EMPTY, &d)
						       : ch_measure_initrd(&k->measured, file, CH_SPAN_EMPTY, &d);
	return err == CH_OK ? -1 : cli_refused(k->artifact[i].path, NULL, err, &d);
}

/* What a kernel that is no UKI is started with. */
static int measure_cmdline(struct work *k, const struct ask *a)
{
	struct ch_diag d;
	if (a->cmdline == NULL)
		return -1;
	enum ch_err err = ch_measure_cmdline(&k->measured, ch_buf_span(&k->cmdline), CH_SPAN_EMPTY, &d);
	return err == CH_OK ? -1 : cli_refused(a->cmdline, NULL, err, &d);
}

/* From the artefacts: one that boots and cannot be measured leaves a release that nobody could prove. */
static int measure_all(struct work *k, const struct ask *a)
{
	static uint8_t title[CH_NAME_MAX + 1 + CH_RELEASE_VERSION_MAX];
	struct ch_wr t = ch_wr(title, sizeof(title));
	for (size_t i = 0; i < k->r.artifact_count; i++) {
		bool known = false;
		int code = measure_one(k, i, &known);
		if (code >= 0)
			return code;
		if (!known && k->r.artifact[i].kind != CH_ARTIFACT_FILE)
			return say_unknown(k->artifact[i].path);
	}
	if (k->measured.count == 0)
		return say_unknown(k->artifact[0].path);
	int code = measure_cmdline(k, a);
	if (code >= 0)
		return code;
	put_title(k, &t);
	k->reference_text.p = ch_calloc(CH_RELEASE_MAX, 1);
	struct ch_wr w = ch_wr(k->reference_text.p, CH_RELEASE_MAX);
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_measure_reference_put(&j, &k->measured, ch_wr_span(&t));
	if (!ch_json_wr_done(&j)) {
		cli_say("more measurements than a release can hold");
		return CLI_FAILS;
	}
	k->r.reference = ch_wr_span(&w);
	return -1;
}

static int measure(struct work *k, const struct ask *a)
{
	ch_measure_init(&k->measured);
	int code = read_commits(k);
	if (code >= 0)
		return code;
	if (a->reference != NULL)
		return take_reference(k);
	return a->without ? -1 : measure_all(k, a);
}

/* Written, and read again by the parser that devices use: what it would refuse is said here. */
static int put(struct work *k)
{
	static struct cli_release again = { .path = "the release" };
	CH_AUTO_FREE uint8_t *text = ch_calloc(CH_RELEASE_FILE_MAX, 1);
	struct ch_wr w = ch_wr(text, CH_RELEASE_FILE_MAX);
	enum ch_err err = ch_release_put(&w, &k->r, k->node, CH_RELEASE_NODES_MAX);
	ch_wr_u8(&w, '\n');
	if (err == CH_ERR_RANGE) {
		cli_say("a name, version, class or file name has characters that it cannot have, or the notes are too long: "
			"docs/protocol/release.md");
		return CLI_USAGE;
	}
	if (err != CH_OK || w.bad) {
		cli_say("the document cannot be written: %s", ch_err_str(err != CH_OK ? err : CH_ERR_NOSPACE));
		return CLI_FAILS;
	}
	ch_buf_append(&again.file, ch_wr_span(&w));
	int code = cli_release_parse(&again);
	if (code < 0) {
		ch_wr_put(cli_out(), ch_wr_span(&w));
		code = cli_out_end(CLI_HOLDS);
	}
	ch_buf_free(&again.file);
	return code;
}

static int create(struct work *k, const struct ask *a)
{
	int code = take_words(&k->r, a);
	if (code < 0)
		code = take_numbers(&k->r, a);
	if (code < 0)
		code = open_files(k, a);
	if (code < 0)
		code = cli_confine();
	if (code < 0)
		code = read_artifacts(k, a);
	if (code < 0) {
		take_notes(k);
		code = measure(k, a);
	}
	return code < 0 ? put(k) : code;
}

int cmd_release_create(int argc, char **argv)
{
	static struct work k;
	static struct ask a;
	const struct cli_opt opt[] = {
		{ "name", "NAME", "the product line", CLI_VALUE, &a.name },
		{ "version", "TEXT", "the version, for people", CLI_VALUE, &a.version },
		{ "sequence", "N", "its place in the order of releases: higher than all before", CLI_VALUE,
		  &a.sequence },
		{ "floor", "N", "a device that runs it takes none below (0)", CLI_VALUE, &a.floor },
		{ "class", "CLASS", "a device class that may take it; may be repeated", CLI_VALUES, &a.class },
		{ "role", "NAME", "the release role of the fleet root that signs it", CLI_VALUE, &a.role },
		{ "days", "N", "how long it may be installed (365)", CLI_VALUE, &a.days },
		{ "notes", "FILE", "what it brings, for people", CLI_VALUE, &a.notes },
		{ "sbom", "FILE", "its bill of materials", CLI_VALUE, &a.sbom },
		{ "compatible", "TEXT", "what RAUC bundles are compatible with", CLI_VALUE, &a.compatible },
		{ "cmdline", "FILE", "the kernel command line, where no UKI has it", CLI_VALUE, &a.cmdline },
		{ "reference", "FILE", "reference values of kind release, captured from a boot of it", CLI_VALUE,
		  &a.reference },
		{ "without-measurements", NULL, "make it although nobody can prove that it runs", CLI_FLAG,
		  &a.without },
	};
	const struct cli_usage u = {
		.args = "--name NAME --version TEXT --sequence N --class CLASS --role NAME [KIND:]FILE…",
		.about =
			"Makes a release of these artefacts and prints it; it is not signed yet. KIND is rauc, swu, ostree, uki, kernel,\n"
			"initrd or file; without it the file's content decides. Needs no server and no network.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = a.file,
		.file_min = 1,
		.file_max = CH_RELEASE_ARTIFACTS_MAX,
	};
	k.sbom.fd = -1;
	int code = cli_parse(&u, argc, argv, &a.file_count);
	k.node = ch_calloc(CH_RELEASE_NODES_MAX, sizeof(*k.node));
	if (code < 0)
		code = create(&k, &a);
	for (size_t i = 0; i < k.r.artifact_count; i++)
		cli_artifact_close(&k.artifact[i]);
	cli_artifact_close(&k.sbom);
	ch_buf_free(&k.notes);
	ch_buf_free(&k.cmdline);
	ch_buf_free(&k.reference_text);
	for (size_t i = 0; i < CH_RELEASE_ARTIFACTS_MAX; i++) {
		ch_buf_free(&k.image[i]);
		cli_rauc_clear(&k.rauc[i]);
		cli_ostree_clear(&k.ostree[i]);
		cli_swu_clear(&k.swu[i]);
		ch_map_clear(&k.map[i]);
	}
	cli_reference_clear(&k.reference);
	ch_free(k.node);
	return code;
}
