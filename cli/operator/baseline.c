/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/client.h"
#include "cli/operator/files.h"
#include "cli/operator/op.h"
#include "cli/operator/run.h"

#include "core/boot/reference.h"
#include "core/trust/generation.h"

#include "host/crypto_openssl/backend.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Reference values of a class, or of one device: made from a device that is known to be good, compared, approved. */

#define PARTS_MAX 5

/* --- capture --- */

static const struct {
	const char *part, *option;
	bool optional; /* left out if it is empty */
} part_row[PARTS_MAX] = {
	{ "quote", "--msg", false },        { "signature", "--sig", false }, { "ak", "--pub", false },
	{ "eventlog", "--eventlog", true }, { "ima", "--ima", true },
};

struct capture {
	const char *device, *evidence, *name, *registers;
	bool pinned;
	char id[33], number[24], class[CH_NAME_MAX + 1];
	struct op_folder folder;
	char file[PARTS_MAX][96];
};

/* The evidence that is asked for, or the last that was accepted. */
static int find_evidence(struct op_client *c, struct capture *k)
{
	char target[96];
	OP_AUTO_DOC struct op_doc d = { 0 };
	int code = op_find_device(c, k->device, k->id);
	if (code >= 0)
		return code;
	(void)snprintf(target, sizeof(target), "/api/v1/devices/%s", k->id);
	code = op_get(c, target, &d);
	if (code >= 0)
		return code;
	(void)op_text(&d, 0, "class", k->class, sizeof(k->class));
	if (k->name == NULL)
		k->name = k->pinned ? k->id : k->class;
	if (k->evidence != NULL && strspn(k->evidence, "0123456789") != strlen(k->evidence)) {
		cli_say("'%s' is no number of evidence", k->evidence);
		return CLI_USAGE;
	}
	if (k->evidence != NULL) {
		(void)snprintf(k->number, sizeof(k->number), "%.20s", k->evidence);
		return -1;
	}
	uint64_t last = op_number(&d, 0, "evidence");
	(void)snprintf(k->number, sizeof(k->number), "%llu", (unsigned long long)last);
	if (last != 0)
		return -1;
	cli_say("%s has shown no fresh evidence yet: see that its agent runs", k->device);
	return CLI_FAILS;
}

static int fetch(struct op_client *c, struct capture *k, size_t i, bool *there)
{
	char target[160];
	CH_AUTO_BUF struct ch_buf bytes = { 0 };
	(void)snprintf(target, sizeof(target), "/api/v1/devices/%s/evidence/%s/%s", k->id, k->number, part_row[i].part);
	int code = op_get_bytes(c, target, &bytes);
	if (code >= 0)
		return code;
	*there = bytes.n > 0 || !part_row[i].optional;
	(void)snprintf(k->file[i], sizeof(k->file[i]), "%s/%s", k->folder.path, part_row[i].part);
	return *there ? op_file_make(k->folder.fd, part_row[i].part, OP_SECRET, ch_buf_span(&bytes)) : -1;
}

/* The generation in force; `g` borrows from `image`. */
static int fetch_generation(struct op_client *c, struct ch_buf *image, struct ch_generation *g)
{
	char target[96];
	OP_AUTO_DOC struct op_doc d = { 0 };
	struct ch_diag diag;
	int code = op_get(c, "/api/v1/status", &d);
	(void)snprintf(target, sizeof(target), "/api/v1/generations/%llu",
		       (unsigned long long)(code < 0 ? op_number(&d, 0, "generation") : 0));
	if (code < 0)
		code = op_get_bytes(c, target, image);
	if (code >= 0 || ch_generation_parse(g, ch_buf_span(image), &diag) == CH_OK)
		return code;
	cli_say("the server's generation cannot be read: %s", diag.rule);
	return CLI_IO;
}

static bool is_release(struct ch_span text)
{
	char kind[16];
	OP_AUTO_DOC struct op_doc d = { 0 };
	size_t cap = ch_json_nodes_max(text.n);
	d.node = ch_calloc(cap, sizeof(*d.node));
	return ch_json_parse(&d.j, text, d.node, cap, NULL) == CH_OK &&
	       strcmp(op_text(&d, 0, "kind", kind, sizeof(kind)), "release") == 0;
}

/*
 * Writes the documents of a class in the generation in force to files doc-1.json, … and counts them: all, of which there must be
 * some, or those of releases, of which there may be none.
 */
static int fetch_references(struct op_client *c, const char *class, bool releases, struct op_folder *f, unsigned *count)
{
	char name[32];
	CH_AUTO_BUF struct ch_buf image = { 0 };
	struct ch_generation g;
	struct ch_generation_item item;
	int code = fetch_generation(c, &image, &g);
	if (code >= 0)
		return code;
	struct ch_rd items = ch_rd(g.items);
	*count = 0;
	while (code < 0 && *count < CH_REF_DOCS_MAX &&
	       ch_generation_find(&items, CH_GENERATION_REFERENCE, ch_span_str(class), &item)) {
		if (releases && !is_release(item.bytes))
			continue;
		(void)snprintf(name, sizeof(name), "doc-%u.json", ++*count);
		code = op_file_make(f->fd, name, OP_SECRET, item.bytes);
	}
	if (code < 0 && *count == 0 && !releases) {
		cli_say("the class '%s' has no reference values", class);
		return CLI_FAILS;
	}
	return code;
}

#define ARGS_MAX (24 + 2 * CH_REF_DOCS_MAX)
#define OVER_MAX 96

/*
 * "--over doc-1.json …": a baseline leaves to the releases of its class what they bring, or no other could follow them; with "--kind
 * pinned" only what the class does not explain.
 */
static int add_over(struct op_client *c, struct capture *k, char **argv, size_t *n, char over[][OVER_MAX])
{
	static char kind[] = "--kind", pinned[] = "pinned", option[] = "--over";
	unsigned count = 0;
	int code = fetch_references(c, k->class, !k->pinned, &k->folder, &count);
	if (code >= 0)
		return code;
	if (k->pinned) {
		argv[(*n)++] = kind;
		argv[(*n)++] = pinned;
	}
	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(over[i], OVER_MAX, "%s/doc-%u.json", k->folder.path, i + 1);
		argv[(*n)++] = option;
		argv[(*n)++] = over[i];
	}
	return -1;
}

static int capture(struct op_client *c, struct capture *k)
{
	static char reference[] = "reference", word[] = "capture", name_opt[] = "--name",
		    registers_opt[] = "--registers";
	char option[PARTS_MAX][16], over[CH_REF_DOCS_MAX][OVER_MAX];
	char *argv[ARGS_MAX] = { NULL, reference, word, name_opt };
	size_t n = 4;
	int code = find_evidence(c, k);
	if (code >= 0)
		return code;
	char name[CH_NAME_MAX + 1], registers[128];
	(void)snprintf(name, sizeof(name), "%s", k->name);
	argv[n++] = name;
	if (k->registers != NULL) {
		(void)snprintf(registers, sizeof(registers), "%s", k->registers);
		argv[n++] = registers_opt;
		argv[n++] = registers;
	}
	for (size_t i = 0; i < PARTS_MAX; i++) {
		bool there = false;
		code = fetch(c, k, i, &there);
		if (code >= 0)
			return code;
		if (!there)
			continue;
		(void)snprintf(option[i], sizeof(option[i]), "%s", part_row[i].option);
		argv[n++] = option[i];
		argv[n++] = k->file[i];
	}
	code = add_over(c, k, argv, &n, over);
	return code < 0 ? op_run_chainhold(argv) : code;
}

static int cmd_capture(int argc, char **argv)
{
	struct capture k = { .folder = { .fd = -1 } };
	const struct cli_opt opt[] = {
		{ "device", "DEVICE", "the device: id, beginning of its id, or host name", CLI_VALUE, &k.device },
		{ "evidence", "N", "this evidence of it (the last that was fresh)", CLI_VALUE, &k.evidence },
		{ "name", "NAME", "name of the reference values (the device's class)", CLI_VALUE, &k.name },
		{ "registers", "LIST", "registers to write, as in reference capture", CLI_VALUE, &k.registers },
		{ "pinned", NULL, "only what the class's own values do not explain, to be pinned for this device",
		  CLI_FLAG, &k.pinned },
	};
	const struct cli_usage u = {
		.args = "--device DEVICE [--evidence N] [--name NAME] [--registers LIST] [--pinned]",
		.about =
			"Makes reference values from the stored evidence of a device that is known to be good,\n"
			"without what the releases of its class explain, and prints them. Look at them, then: chainhold\n"
			"baseline approve, or with --pinned: baseline pin.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt)
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (code >= 0)
		return code;
	if (k.device == NULL) {
		cli_say("name the device with --device");
		return CLI_USAGE;
	}
	OP_AUTO_CLIENT struct op_client c = { 0 };
	code = op_client_open(&c);
	if (code < 0)
		code = op_temp_make(&k.folder);
	if (code < 0)
		code = capture(&c, &k);
	op_temp_remove(&k.folder);
	return code;
}

/* --- what is in force --- */

/* Compares what is approved last for the class with a file. */
static int diff(struct op_client *c, const char *class, const char *file, bool json)
{
	static char reference[] = "reference", word[] = "diff", json_opt[] = "--json", end[] = "--";
	char old[128], new[4096];
	struct op_folder f = { .fd = -1 };
	unsigned count = 0;
	int code = op_temp_make(&f);
	if (code < 0)
		code = fetch_references(c, class, false, &f, &count);
	if (code < 0) {
		(void)snprintf(old, sizeof(old), "%s/doc-%u.json", f.path, count);
		(void)snprintf(new, sizeof(new), "%s", file);
		char *argv[8] = { NULL,
				  reference,
				  word,
				  json ? json_opt : end,
				  json ? end : old,
				  json ? old : new,
				  json ? new : NULL };
		code = op_run_chainhold(argv);
	}
	op_temp_remove(&f);
	return code;
}

static int cmd_diff(int argc, char **argv)
{
	const char *class = NULL, *file = NULL;
	bool json = false;
	const struct cli_opt opt[] = {
		{ "class", "CLASS", "the class whose reference values are compared", CLI_VALUE, &class },
		{ "json", NULL, "print a document", CLI_FLAG, &json },
	};
	const struct cli_usage u = {
		.args = "--class CLASS [--json] FILE",
		.about = "Compares the reference values approved last for a class with those in FILE.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &file,
		.file_min = 1,
		.file_max = 1
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (code >= 0)
		return code;
	if (class == NULL) {
		cli_say("name the class with --class");
		return CLI_USAGE;
	}
	OP_AUTO_CLIENT struct op_client c = { 0 };
	code = op_client_open(&c);
	return code < 0 ? diff(&c, class, file, json) : code;
}

/* --- approve --- */

static int cmd_approve(int argc, char **argv)
{
	struct op_act a = { .verb = CH_VERB_BASELINE_APPROVE, .reason = NULL };
	const char *class = NULL, *file = NULL;
	const struct cli_opt opt[] = {
		{ "class", "CLASS", "the class that they are for", CLI_VALUE, &class },
		{ "reason", "TEXT", "why: it is signed and logged", CLI_VALUE, &a.reason },
		{ "json", NULL, "print the answer as the server sent it", CLI_FLAG, &a.json },
	};
	const struct cli_usage u = {
		.args = "--class CLASS --reason TEXT [--json] FILE",
		.about = "Approves reference values for a class: signed with your key, they are in force at once.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &file,
		.file_min = 1,
		.file_max = 1
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (code >= 0)
		return code;
	if (class == NULL || !ch_name_valid(ch_span_str(class))) {
		cli_say("name the class with --class");
		return CLI_USAGE;
	}
	CH_AUTO_BUF struct ch_buf document = { 0 };
	OP_AUTO_CLIENT struct op_client c = { 0 };
	code = cli_read(&document, file);
	if (code < 0)
		code = op_client_open(&c);
	a.subject = class;
	a.payload = ch_buf_span(&document);
	if (a.reason == NULL)
		a.reason = "";
	return code < 0 ? op_act(&c, &a, NULL) : code;
}

/* --- list, retire --- */

static void list_rows(struct op_table *t, const struct op_doc *d, const char *wanted)
{
	char class[CH_NAME_MAX + 1], text[80];
	size_t classes = op_at(d, 0, "classes");
	uint64_t now = (uint64_t)time(NULL);
	for (size_t i = ch_json_first(&d->j, classes); i != CH_JSON_NONE; i = ch_json_next(&d->j, classes, i)) {
		size_t refs = op_at(d, i, "references");
		(void)op_text(d, i, "class", class, sizeof(class));
		if (wanted != NULL && strcmp(wanted, class) != 0)
			continue;
		for (size_t r = ch_json_first(&d->j, refs); r != CH_JSON_NONE; r = ch_json_next(&d->j, refs, r)) {
			char ago[48] = "", retired[48] = "";
			struct ch_wr a = ch_wr(ago, sizeof(ago) - 1), b = ch_wr(retired, sizeof(retired) - 1);
			op_ago_put(&a, op_number(d, r, "time"), now);
			if (!op_null(d, r, "retired"))
				op_ago_put(&b, op_number(d, r, "retired"), now);
			op_cell(t, class);
			op_cell(t, op_text(d, r, "sha256", text, sizeof(text)));
			op_cell(t, ago);
			op_cell(t, retired);
		}
	}
}

static int cmd_list(int argc, char **argv)
{
	bool json = false;
	const char *class = NULL;
	const struct cli_opt opt[] = {
		{ "class", "CLASS", "only those of a class", CLI_VALUE, &class },
		{ "json", NULL, "print the document as the server sent it", CLI_FLAG, &json },
	};
	const struct cli_usage u = { .args = "[--class CLASS] [--json]",
				     .about = "Lists the reference values of classes, retired ones too.",
				     .opt = opt,
				     .opt_count = CH_COUNT_OF(opt) };
	int code = cli_parse(&u, argc, argv, NULL);
	if (code >= 0)
		return code;
	struct op_table t = { .columns = 4, .head = { "CLASS", "SHA256", "APPROVED", "RETIRED" } };
	OP_AUTO_CLIENT struct op_client c = { 0 };
	OP_AUTO_DOC struct op_doc d = { 0 };
	code = op_client_open(&c);
	if (code < 0)
		code = op_get(&c, "/api/v1/classes", &d);
	if (code >= 0)
		return code;
	if (json)
		return op_print_json(&d);
	list_rows(&t, &d, class);
	op_table_end(&t, cli_out());
	return cli_out_end(CLI_HOLDS);
}

/* The document in force whose SHA-256 begins so: it is what is signed, and sent. -1 to go on. */
static int find_document(struct op_client *c, const char *class, const char *begin, struct ch_buf *document)
{
	CH_AUTO_BUF struct ch_buf image = { 0 };
	struct ch_generation g;
	struct ch_generation_item item;
	size_t found = 0, n = strlen(begin);
	int code = fetch_generation(c, &image, &g);
	if (code >= 0)
		return code;
	struct ch_rd items = ch_rd(g.items);
	while (ch_generation_find(&items, CH_GENERATION_REFERENCE, ch_span_str(class), &item)) {
		struct ch_digest h;
		char hex[65] = "";
		struct ch_wr w = ch_wr(hex, sizeof(hex) - 1);
		if (ch_hash_once(CH_HASH_SHA256, item.bytes, &h) != CH_OK)
			return CLI_IO;
		ch_wr_hex(&w, ch_digest_span(&h));
		if (strncmp(hex, begin, n) != 0)
			continue;
		document->n = 0;
		ch_buf_append(document, item.bytes);
		found++;
	}
	if (found == 1)
		return -1;
	cli_say("%s reference values of the class '%s' begin with '%s': chainhold baseline list",
		found == 0 ? "no" : "several", class, begin);
	return CLI_FAILS;
}

static int cmd_retire(int argc, char **argv)
{
	struct op_act a = { .verb = CH_VERB_BASELINE_RETIRE };
	const char *class = NULL, *begin = NULL;
	const struct cli_opt opt[] = {
		{ "class", "CLASS", "the class whose values they are", CLI_VALUE, &class },
		{ "reason", "TEXT", "why: it is signed and logged", CLI_VALUE, &a.reason },
		{ "json", NULL, "print the answer as the server sent it", CLI_FLAG, &a.json },
	};
	const struct cli_usage u = {
		.args = "--class CLASS --reason TEXT [--json] SHA256",
		.about =
			"Retires reference values: every device of the class is asked to attest and judged without them.\n"
			"SHA256 is that of the document, or at least 8 digits of its beginning: chainhold baseline list.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &begin,
		.file_min = 1,
		.file_max = 1
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (code >= 0)
		return code;
	if (class == NULL || !ch_name_valid(ch_span_str(class)) || strlen(begin) < 8) {
		cli_say("name the class with --class, and the values by at least 8 digits of their SHA-256");
		return CLI_USAGE;
	}
	CH_AUTO_BUF struct ch_buf document = { 0 };
	OP_AUTO_CLIENT struct op_client c = { 0 };
	code = ch_crypto_openssl_init() == CH_OK ? op_client_open(&c) : CLI_IO;
	if (code < 0)
		code = find_document(&c, class, begin, &document);
	a.subject = class;
	a.payload = ch_buf_span(&document);
	if (a.reason == NULL)
		a.reason = "";
	return code < 0 ? op_act(&c, &a, NULL) : code;
}

/* --- pin --- */

static int pin(int argc, char **argv, const struct op_act *a, const struct cli_usage *u, const char **name,
	       const char **file)
{
	char id[33];
	CH_AUTO_BUF struct ch_buf document = { 0 };
	OP_AUTO_CLIENT struct op_client c = { 0 };
	int code = cli_parse(u, argc, argv, NULL);
	if (code >= 0)
		return code;
	if (*name == NULL) {
		cli_say("name the device with --device");
		return CLI_USAGE;
	}
	if (file != NULL)
		code = cli_read(&document, *file);
	if (code < 0)
		code = op_client_open(&c);
	if (code < 0)
		code = op_find_device(&c, *name, id);
	struct op_act act = *a;
	act.subject = id;
	act.payload = ch_buf_span(&document);
	if (act.reason == NULL)
		act.reason = "";
	return code < 0 ? op_act(&c, &act, NULL) : code;
}

#define PIN_OPTIONS                                                                                      \
	{ "device", "DEVICE", "the device: id, beginning of its id, or host name", CLI_VALUE, &device }, \
		{ "reason", "TEXT", "why: it is signed and logged", CLI_VALUE, &a.reason },              \
	{                                                                                                \
		"json", NULL, "print the answer as the server sent it", CLI_FLAG, &a.json                \
	}

static int cmd_pin(int argc, char **argv)
{
	struct op_act a = { .verb = CH_VERB_DEVICE_PIN };
	const char *device = NULL, *file = NULL;
	const struct cli_opt opt[] = { PIN_OPTIONS };
	const struct cli_usage u = {
		.args = "--device DEVICE --reason TEXT [--json] FILE",
		.about =
			"Pins reference values for one device, in the place of those pinned before: it is judged by them\n"
			"beside those of its class, and asked to attest. FILE is of kind pinned: baseline capture --pinned.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &file,
		.file_min = 1,
		.file_max = 1
	};
	return pin(argc, argv, &a, &u, &device, &file);
}

static int cmd_unpin(int argc, char **argv)
{
	struct op_act a = { .verb = CH_VERB_DEVICE_UNPIN };
	const char *device = NULL;
	const struct cli_opt opt[] = { PIN_OPTIONS };
	const struct cli_usage u = { .args = "--device DEVICE --reason TEXT [--json]",
				     .about = "Removes what is pinned for a device: its class alone judges it again.",
				     .opt = opt,
				     .opt_count = CH_COUNT_OF(opt) };
	return pin(argc, argv, &a, &u, &device, NULL);
}

static const struct cli_cmd baseline_command[] = {
	{ "capture", "make reference values from a device's evidence", cmd_capture },
	{ "diff", "compare them with those in force", cmd_diff },
	{ "approve", "put them in force", cmd_approve },
	{ "list", "list what was approved and retired", cmd_list },
	{ "retire", "judge without some of them", cmd_retire },
	{ "pin", "put values in force for one device", cmd_pin },
	{ "unpin", "remove what is pinned for a device", cmd_unpin },
};

int cmd_baseline(int argc, char **argv)
{
	return cli_dispatch("Reference values: what a good boot of a class looks like.", baseline_command,
			    CH_COUNT_OF(baseline_command), argc, argv);
}
