/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/artifact.h"
#include "cli/fleet_root.h"
#include "cli/reference.h"
#include "cli/release.h"

#include "core/base/text.h"
#include "core/update/release_proof.h"

/*
 * chainhold release verify: what a device asks of a release, and of its artefacts, offline. release show.
 */

#define FILES_MAX (1 + CH_RELEASE_ARTIFACTS_MAX + 1) /* the release, its artefacts, its bill of materials */

struct verify {
	const char *file[FILES_MAX];
	size_t count;
	const char *root_path, *class, *floor_text, *time_text, *proof_path;
	uint64_t floor, time;
	struct cli_release release;
	struct cli_root root;
	struct ch_buf proof;
	struct cli_artifact artifact[FILES_MAX - 1];
	size_t artifact_count;
	/* the answer */
	bool json, fails;
	struct ch_wr *w;
	struct ch_json_wr j;
};

/* One row of the answer. */
static void row(struct verify *v, const char *check, struct ch_span of, const char *broken)
{
	v->fails = v->fails || broken != NULL;
	if (v->json) {
		ch_json_object_begin(&v->j);
		ch_json_named_str(&v->j, "check", check);
		ch_json_name(&v->j, "of");
		if (of.n > 0)
			ch_json_put_span(&v->j, of);
		else
			ch_json_put_null(&v->j);
		ch_json_named_bool(&v->j, "holds", broken == NULL);
		ch_json_named_str(&v->j, "rule", broken);
		ch_json_object_end(&v->j);
		return;
	}
	cli_put(v->w, broken == NULL ? CLI_GOOD : CLI_BAD, broken == NULL ? "holds   " : "refused ");
	ch_wr_str(v->w, check);
	ch_wr_str(v->w, of.n > 0 ? " " : "");
	ch_text_escape(v->w, of);
	if (broken != NULL) {
		ch_wr_str(v->w, ": ");
		ch_wr_str(v->w, broken);
	}
	ch_wr_u8(v->w, '\n');
}

/* --- the document --- */

static void check_document(struct verify *v)
{
	const struct ch_release *r = &v->release.r;
	struct ch_diag d;
	enum ch_err err = ch_fleet_root_first(&v->root.r, &d);
	if (err == CH_OK)
		err = ch_fleet_root_current(&v->root.r, v->time, &d);
	row(v, "fleet root", CH_SPAN_EMPTY, err == CH_OK ? NULL : d.rule);
	/* Keys of a fleet root that is not to be trusted say nothing. */
	if (err != CH_OK)
		return;
	err = ch_release_signed(r, &v->root.r, &d);
	row(v, "signatures of the role", r->role, err == CH_OK ? NULL : d.rule);
	err = ch_release_current(r, v->time, &d);
	row(v, "expiry", CH_SPAN_EMPTY, err == CH_OK ? NULL : d.rule);
	if (v->class == NULL)
		return;
	err = ch_release_check(r, &v->root.r, ch_span_str(v->class), v->floor, v->time, &d);
	row(v, "as a device of class", ch_span_str(v->class), err == CH_OK ? NULL : d.rule);
}

static void check_proof(struct verify *v)
{
	static struct ch_release_proof proof;
	struct ch_checkpoint c;
	struct ch_diag d;
	if (v->proof_path == NULL)
		return;
	enum ch_err err = ch_release_proof_parse(&proof, ch_buf_span(&v->proof), &d);
	if (err == CH_OK)
		err = ch_release_proof_check(&proof, &v->release.r, v->release.sha256, v->root.r.log,
					     v->root.r.log_count, &c, &d);
	row(v, "inclusion in the log", err == CH_OK ? c.origin : CH_SPAN_EMPTY, err == CH_OK ? NULL : d.rule);
}

/* The values are compiled, as a server does before it puts them in force. */
static int check_reference(struct verify *v)
{
	static struct cli_reference ref;
	if (v->release.r.reference.n == 0)
		return -1;
	ref.paths = (struct cli_values){ .count = 1, .v = { "the measurements of the release" } };
	ch_buf_append(&ref.in[0], v->release.r.reference);
	int code = cli_reference_compile(&ref);
	cli_reference_clear(&ref);
	row(v, "measurements", CH_SPAN_EMPTY, code < 0 ? NULL : "they are no reference values");
	return code;
}

/* --- files --- */

static const struct ch_release_file *file_of(const struct ch_release *r, struct ch_span name)
{
	for (size_t i = 0; i < r->artifact_count; i++) {
		if (ch_span_eq(r->artifact[i].file.name, name))
			return &r->artifact[i].file;
	}
	return r->has_sbom && ch_span_eq(r->sbom.name, name) ? &r->sbom : NULL;
}

static int check_file(struct verify *v, struct cli_artifact *a)
{
	const struct ch_release_file *f = file_of(&v->release.r, a->name);
	if (f == NULL) {
		row(v, "file", a->name, "the release has none of this name");
		return -1;
	}
	int code = cli_artifact_read(a);
	if (code == CLI_IO)
		return code;
	const char *broken = NULL;
	if (a->size != f->size)
		broken = a->size < f->size ? "it is shorter than the release says"
					   : "it is longer than the release says";
	else if (!ch_span_eq(CH_SPAN_OF(a->sha256), CH_SPAN_OF(f->sha256)))
		broken = "its SHA-256 is another one than the release says";
	row(v, "file", a->name, broken);
	return -1;
}

static void say_missing(struct verify *v)
{
	for (size_t i = 0; i < v->release.r.artifact_count && !v->json; i++) {
		const struct ch_release_file *f = &v->release.r.artifact[i].file;
		bool given = false;
		for (size_t k = 0; k < v->artifact_count; k++)
			given = given || ch_span_eq(v->artifact[k].name, f->name);
		if (given)
			continue;
		cli_put(v->w, CLI_DIM, "        ");
		ch_text_escape(v->w, f->name);
		cli_put(v->w, CLI_DIM, ": not given, not looked at\n");
	}
}

/* --- all of it --- */

static int open_all(struct verify *v)
{
	v->release.path = v->file[0];
	v->root.path = v->root_path;
	int code = cli_read(&v->release.file, v->release.path);
	if (code < 0)
		code = cli_read(&v->root.file, v->root_path);
	if (code < 0 && v->proof_path != NULL)
		code = cli_read(&v->proof, v->proof_path);
	for (size_t i = 1; code < 0 && i < v->count; i++)
		code = cli_artifact_open(&v->artifact[v->artifact_count++], v->file[i]);
	return code;
}

static int check(struct verify *v)
{
	int code = cli_release_parse(&v->release);
	if (code < 0)
		code = cli_root_parse(&v->root);
	if (code >= 0)
		return code;
	v->w = cli_out();
	v->j = ch_json_wr(v->w, true);
	if (v->json)
		ch_json_array_begin(&v->j);
	check_document(v);
	check_proof(v);
	code = check_reference(v);
	for (size_t i = 0; code < 0 && i < v->artifact_count; i++)
		code = check_file(v, &v->artifact[i]);
	if (v->json)
		ch_json_array_end(&v->j);
	ch_wr_str(v->w, v->json ? "\n" : "");
	say_missing(v);
	if (code < 0)
		code = v->fails ? CLI_FAILS : CLI_HOLDS;
	return cli_out_end(code);
}

static int take_options(struct verify *v)
{
	if (v->root_path == NULL) {
		cli_say("name the fleet root whose role signs releases with --fleet-root");
		return CLI_USAGE;
	}
	if (v->floor_text != NULL &&
	    (v->class == NULL || !cli_number(v->floor_text, CH_RELEASE_NUMBER_MAX, &v->floor))) {
		cli_say("--floor is a number, and goes with --class: what a device asks");
		return CLI_USAGE;
	}
	return cli_take_time(v->time_text, &v->time);
}

int cmd_release_verify(int argc, char **argv)
{
	static struct verify v;
	const struct cli_opt opt[] = {
		{ "fleet-root", "FILE", "the fleet root that is trusted", CLI_VALUE, &v.root_path },
		{ "proof", "FILE", "what shows that the release is in the log: /v1/releases/SHA256/proof", CLI_VALUE,
		  &v.proof_path },
		{ "class", "CLASS", "ask what a device of this class asks", CLI_VALUE, &v.class },
		{ "floor", "N", "the device's floor of sequence (0)", CLI_VALUE, &v.floor_text },
		{ "time", "SECONDS", "judge expiry at this time, since 1970 (now)", CLI_VALUE, &v.time_text },
		{ "json", NULL, "print a document", CLI_FLAG, &v.json },
	};
	const struct cli_usage u = {
		.args = "--fleet-root FILE [--proof FILE] [--class CLASS [--floor N]] [--time SECONDS] [--json] RELEASE [FILE…]",
		.about =
			"Checks a release as a device does: signed by a threshold of its role in the fleet root, not expired, in the\n"
			"log, its artefacts of the size and digest that it says. Needs no network and asks nobody.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = v.file,
		.file_min = 1,
		.file_max = FILES_MAX,
	};
	int code = cli_parse(&u, argc, argv, &v.count);
	if (code < 0)
		code = take_options(&v);
	if (code < 0)
		code = open_all(&v);
	if (code < 0)
		code = cli_confine();
	if (code < 0)
		code = check(&v);
	for (size_t i = 0; i < v.artifact_count; i++)
		cli_artifact_close(&v.artifact[i]);
	ch_buf_free(&v.proof);
	ch_buf_free(&v.root.file);
	ch_buf_free(&v.release.file);
	return code;
}

/* --- show --- */

int cmd_release_show(int argc, char **argv)
{
	static struct cli_release c;
	bool json = false;
	const struct cli_opt opt[] = {
		{ "json", NULL, "print the document alone, as it was signed", CLI_FLAG, &json },
	};
	const struct cli_usage u = {
		.args = "[--json] RELEASE",
		.about = "Shows a release. Whether its signatures hold is asked with 'release verify'.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &c.path,
		.file_min = 1,
		.file_max = 1
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (code < 0)
		code = cli_read(&c.file, c.path);
	if (code < 0)
		code = cli_confine();
	if (code < 0)
		code = cli_release_parse(&c);
	if (code < 0) {
		if (json)
			ch_wr_put(cli_out(), c.r.note.text);
		else
			cli_release_show(cli_out(), &c);
		code = cli_out_end(CLI_HOLDS);
	}
	ch_buf_free(&c.file);
	return code;
}
