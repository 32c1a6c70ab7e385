/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/client.h"
#include "cli/operator/op.h"

#include "core/base/text.h"
#include "core/wire/der.h"
#include "host/policy/rollout.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* chainhold rollout: one release for many devices, in phases that advance on proof. */

/* --- create --- */

static int create(const char *path, const struct op_act *asked)
{
	struct op_act a = *asked;
	char line[1024];
	struct ch_yaml_error e;
	CH_AUTO_ROLLOUT_FILE struct ch_rollout_file file = { .name = "" };
	CH_AUTO_BUF struct ch_buf text = { 0 };
	OP_AUTO_CLIENT struct op_client c = { 0 };
	int code = cli_read(&text, path);
	if (code >= 0)
		return code;
	if (ch_rollout_read(&file, ch_buf_span(&text), &e) != CH_OK) {
		ch_conf_error_put(line, sizeof(line), path, &e);
		cli_say("%s", line);
		return CLI_FAILS;
	}
	a.subject = file.name;
	a.payload = ch_buf_span(&file.text);
	code = op_client_open(&c);
	return code < 0 ? op_act(&c, &a, NULL) : code;
}

static int cmd_rollout_create(int argc, char **argv)
{
	struct op_act a = { .verb = CH_VERB_ROLLOUT_CREATE };
	const char *path = "";
	const struct cli_opt opt[] = {
		{ "reason", "TEXT", "why: it is signed and logged", CLI_VALUE, &a.reason },
		{ "json", NULL, "print the answer as the server sent it", CLI_FLAG, &a.json },
	};
	const struct cli_usage u = {
		.args = "--reason TEXT [--json] FILE",
		.about = "Checks the file of a rollout (YAML or JSON), signs what it says and hands it to the server.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &path,
		.file_min = 1,
		.file_max = 1
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (a.reason == NULL)
		a.reason = "";
	return code < 0 ? create(path, &a) : code;
}

/* --- pause, resume, abort --- */

static int act(int argc, char **argv, enum ch_verb verb, const char *about)
{
	struct op_act a = { .verb = verb };
	const char *name = "";
	OP_AUTO_CLIENT struct op_client c = { 0 };
	const struct cli_opt opt[] = {
		{ "reason", "TEXT", "why: it is signed and logged", CLI_VALUE, &a.reason },
		{ "json", NULL, "print the answer as the server sent it", CLI_FLAG, &a.json },
	};
	const struct cli_usage u = { .args = "--reason TEXT [--json] NAME",
				     .about = about,
				     .opt = opt,
				     .opt_count = CH_COUNT_OF(opt),
				     .file = &name,
				     .file_min = 1,
				     .file_max = 1 };
	int code = cli_parse(&u, argc, argv, NULL);
	if (a.reason == NULL)
		a.reason = "";
	a.subject = name;
	if (code < 0)
		code = op_client_open(&c);
	return code < 0 ? op_act(&c, &a, NULL) : code;
}

static int cmd_rollout_pause(int argc, char **argv)
{
	return act(argc, argv, CH_VERB_ROLLOUT_PAUSE, "Lets no further device begin; what was begun goes on.");
}

static int cmd_rollout_resume(int argc, char **argv)
{
	return act(argc, argv, CH_VERB_ROLLOUT_RESUME,
		   "Lets a rollout go on that is paused or halted; the failures that halted it are forgiven.");
}

static int cmd_rollout_abort(int argc, char **argv)
{
	return act(argc, argv, CH_VERB_ROLLOUT_ABORT,
		   "Ends a rollout for good; whatever is not installed is taken back.");
}

/* --- list --- */

static void number_cell(struct op_table *t, uint64_t n)
{
	char text[24];
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	op_cell(t, text);
}

/* What did not end well. */
static uint64_t failed_of(const struct op_doc *d, size_t states)
{
	return op_number(d, states, "not-proven") + op_number(d, states, "fell-back") + op_number(d, states, "refused");
}

static void since_cell(struct op_table *t, uint64_t seconds)
{
	char text[64];
	struct ch_wr w = ch_wr(text, sizeof(text) - 1);
	op_ago_put(&w, seconds, (uint64_t)time(NULL));
	text[w.len] = '\0';
	op_cell(t, text);
}

static int list_page(const struct op_doc *d)
{
	struct op_table t = { .columns = 8,
			      .head = { "NAME", "RELEASE", "STATE", "PHASE", "DEVICES", "PROVEN", "FAILED", "SINCE" } };
	size_t list = op_at(d, 0, "rollouts");
	for (size_t i = ch_json_first(&d->j, list); i != CH_JSON_NONE; i = ch_json_next(&d->j, list, i)) {
		char text[256], name[80], version[80];
		size_t states = op_at(d, i, "deployments");
		op_cell(&t, op_text(d, i, "name", text, sizeof(text)));
		(void)snprintf(text, sizeof(text), "%s %s", op_text(d, i, "release_name", name, sizeof(name)),
			       op_text(d, i, "version", version, sizeof(version)));
		op_cell(&t, text);
		op_cell(&t, op_text(d, i, "state", text, sizeof(text)));
		(void)snprintf(text, sizeof(text), "%llu of %llu", (unsigned long long)op_number(d, i, "phase"),
			       (unsigned long long)op_number(d, i, "phases"));
		op_cell(&t, text);
		number_cell(&t, op_number(d, i, "devices"));
		number_cell(&t, op_number(d, states, "proven"));
		number_cell(&t, failed_of(d, states));
		since_cell(&t, op_number(d, i, "changed"));
	}
	op_table_end(&t, cli_out());
	return cli_out_end(CLI_HOLDS);
}

static int list(const char *state, bool json)
{
	char target[96];
	OP_AUTO_CLIENT struct op_client c = { 0 };
	OP_AUTO_DOC struct op_doc d = { 0 };
	if (state != NULL && strspn(state, "abcdefghijklmnopqrstuvwxyz") != strlen(state)) {
		cli_say("'%s' is no state of a rollout", state);
		return CLI_USAGE;
	}
	(void)snprintf(target, sizeof(target), "/api/v1/rollouts?limit=500%s%.16s", state != NULL ? "&state=" : "",
		       state != NULL ? state : "");
	int code = op_client_open(&c);
	if (code < 0)
		code = op_get(&c, target, &d);
	if (code >= 0)
		return code;
	return json ? op_print_json(&d) : list_page(&d);
}

static int cmd_rollout_list(int argc, char **argv)
{
	const char *state = NULL;
	bool json = false;
	const struct cli_opt opt[] = {
		{ "state", "STATE", "in this state only", CLI_VALUE, &state },
		{ "json", NULL, "print the document as the server sent it", CLI_FLAG, &json },
	};
	const struct cli_usage u = { .args = "[--state STATE] [--json]",
				     .about = "Lists rollouts and how they stand, the newest first.",
				     .opt = opt,
				     .opt_count = CH_COUNT_OF(opt) };
	int code = cli_parse(&u, argc, argv, NULL);
	return code < 0 ? list(state, json) : code;
}

/* --- show --- */

static void line_put(struct ch_wr *w, const char *name, const char *value)
{
	if (value[0] == '\0')
		return;
	cli_put(w, CLI_HEAD, name);
	cli_put_escaped(w, ch_span_str(value));
	ch_wr_str(w, "\n");
}

static void stages_put(const struct op_doc *d)
{
	struct op_table t = { .columns = 6,
			      .head = { "PHASE", "DEVICES IN ALL", "OFFERED", "UNDER WAY", "PROVEN", "FAILED" } };
	size_t list = op_at(d, 0, "stages");
	for (size_t i = ch_json_first(&d->j, list); i != CH_JSON_NONE; i = ch_json_next(&d->j, list, i)) {
		size_t states = op_at(d, i, "deployments");
		number_cell(&t, op_number(d, i, "phase"));
		number_cell(&t, op_number(d, i, "devices"));
		number_cell(&t, op_number(d, states, "offered"));
		number_cell(&t, op_number(d, states, "downloading") + op_number(d, states, "installed"));
		number_cell(&t, op_number(d, states, "proven"));
		number_cell(&t, failed_of(d, states));
	}
	op_table_end(&t, cli_out());
}

static void left_out_put(const struct op_doc *d)
{
	struct ch_wr *w = cli_out();
	size_t object = op_at(d, 0, "left_out_because");
	for (size_t i = ch_json_first(&d->j, object); i != CH_JSON_NONE; i = ch_json_next(&d->j, object, i + 1)) {
		uint64_t n = 0;
		if (ch_json_u64(&d->j, i + 1, &n) != CH_OK)
			continue;
		cli_put(w, CLI_HEAD, "left out   ");
		ch_wr_dec(w, n);
		ch_wr_str(w, ": ");
		cli_put_escaped(w, ch_json_raw(&d->j, i));
		ch_wr_str(w, "\n");
	}
}

static int show_page(const struct op_doc *d)
{
	struct ch_wr *w = cli_out();
	char text[1100], more[160], name[80], version[80];
	line_put(w, "rollout    ", op_text(d, 0, "name", text, sizeof(text)));
	(void)snprintf(more, sizeof(more), "%s %s", op_text(d, 0, "release_name", name, sizeof(name)),
		       op_text(d, 0, "version", version, sizeof(version)));
	line_put(w, "release    ", more);
	cli_put(w, CLI_HEAD, "state      ");
	(void)op_text(d, 0, "state", text, sizeof(text));
	cli_put(w, op_mark(text), text);
	(void)snprintf(more, sizeof(more), ", phase %llu of %llu\n", (unsigned long long)op_number(d, 0, "phase"),
		       (unsigned long long)op_number(d, 0, "phases"));
	ch_wr_str(w, more);
	line_put(w, "why        ", op_text(d, 0, "reason", text, sizeof(text)));
	if (op_number(d, 0, "opens") > 0) {
		struct ch_wr t = ch_wr(more, sizeof(more) - 1);
		ch_time_put(&t, (int64_t)op_number(d, 0, "opens"));
		more[t.len] = '\0';
		line_put(w, "opens      ", more);
	}
	(void)snprintf(more, sizeof(more), "%llu, %llu of them wait", (unsigned long long)op_number(d, 0, "devices"),
		       (unsigned long long)op_number(d, 0, "waiting"));
	line_put(w, "devices    ", more);
	left_out_put(d);
	ch_wr_str(w, "\n");
	stages_put(d);
	return cli_out_end(CLI_HOLDS);
}

static void devices_put(struct op_table *t, const struct op_doc *d)
{
	size_t list = op_at(d, 0, "devices");
	for (size_t i = ch_json_first(&d->j, list); i != CH_JSON_NONE; i = ch_json_next(&d->j, list, i)) {
		char text[1100];
		(void)op_text(d, i, "hostname", text, sizeof(text));
		op_cell(t, text[0] != '\0' ? text : op_text(d, i, "device", text, sizeof(text)));
		if (op_null(d, i, "phase"))
			op_cell(t, "-");
		else
			number_cell(t, op_number(d, i, "phase"));
		(void)op_text(d, i, op_null(d, i, "state") ? "status" : "state", text, sizeof(text));
		op_cell(t, strcmp(text, "installed") == 0 ? "installed (claimed)" : text);
		since_cell(t, op_number(d, i, "changed"));
		op_cell(t, op_text(d, i, "reason", text, sizeof(text)));
	}
}

/* Page after page. With `json` the first, as it came: whoever reads it goes on by its `next`. */
static int show_devices(struct op_client *c, const char *name, bool json)
{
	struct op_table t = { .columns = 5, .head = { "DEVICE", "PHASE", "STATE", "SINCE", "WHY" } };
	uint64_t after = 0;
	do {
		char target[CH_NAME_MAX + 96];
		OP_AUTO_DOC struct op_doc d = { 0 };
		(void)snprintf(target, sizeof(target), "/api/v1/rollouts/%s/devices?limit=500&after=%llu", name,
			       (unsigned long long)after);
		int code = op_get(c, target, &d);
		if (code >= 0 || json) {
			ch_buf_free(&t.cells);
			return code >= 0 ? code : op_print_json(&d);
		}
		devices_put(&t, &d);
		after = op_number(&d, 0, "next");
	} while (after > 0);
	op_table_end(&t, cli_out());
	return cli_out_end(CLI_HOLDS);
}

static int show(const char *name, bool devices, bool json)
{
	char target[CH_NAME_MAX + 64];
	OP_AUTO_CLIENT struct op_client c = { 0 };
	OP_AUTO_DOC struct op_doc d = { 0 };
	if (!ch_name_valid(ch_span_str(name))) {
		cli_say("'%s' is no name of a rollout", name);
		return CLI_USAGE;
	}
	(void)snprintf(target, sizeof(target), "/api/v1/rollouts/%s", name);
	int code = op_client_open(&c);
	if (code < 0 && devices)
		return show_devices(&c, name, json);
	if (code < 0)
		code = op_get(&c, target, &d);
	if (code >= 0)
		return code;
	return json ? op_print_json(&d) : show_page(&d);
}

static int cmd_rollout_show(int argc, char **argv)
{
	const char *name = "";
	bool devices = false, json = false;
	const struct cli_opt opt[] = {
		{ "devices", NULL, "list its devices instead", CLI_FLAG, &devices },
		{ "json", NULL, "print the document as the server sent it", CLI_FLAG, &json },
	};
	const struct cli_usage u = { .args = "[--devices] [--json] NAME",
				     .about = "Shows a rollout: its phases, what halted it, and whom it left out.",
				     .opt = opt,
				     .opt_count = CH_COUNT_OF(opt),
				     .file = &name,
				     .file_min = 1,
				     .file_max = 1 };
	int code = cli_parse(&u, argc, argv, NULL);
	return code < 0 ? show(name, devices, json) : code;
}

static const struct cli_cmd rollout_command[] = {
	{ "create", "plan a rollout by its file", cmd_rollout_create },
	{ "list", "rollouts, and how they stand", cmd_rollout_list },
	{ "show", "one rollout and its devices", cmd_rollout_show },
	{ "pause", "let no further device begin", cmd_rollout_pause },
	{ "resume", "let it go on", cmd_rollout_resume },
	{ "abort", "end it for good", cmd_rollout_abort },
};

int cmd_rollout(int argc, char **argv)
{
	return cli_dispatch("Rollouts: one release for many devices, in phases that advance on proof.", rollout_command,
			    CH_COUNT_OF(rollout_command), argc, argv);
}
