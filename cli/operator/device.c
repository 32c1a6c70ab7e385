/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/client.h"
#include "cli/operator/op.h"

#include "core/base/text.h"
#include "core/trust/link.h"

#include <stdio.h>
#include <string.h>

/* Text of the server's document, escaped. */
static void put_text(struct ch_wr *w, const struct op_doc *d, size_t object, const char *name)
{
	char text[2048];
	ch_text_escape(w, ch_span_str(op_text(d, object, name, text, sizeof(text))));
}

static void ago_cell(struct op_table *t, uint64_t seconds, uint64_t now)
{
	char text[48] = "";
	struct ch_wr w = ch_wr(text, sizeof(text) - 1);
	op_ago_put(&w, seconds, now);
	op_cell(t, text);
}

/* --- list --- */

struct list_ask {
	const char *state, *class, *chain;
	bool json;
};

/* "P B o": a letter a link, by tier: affirming upper case, warning lower case, contraindicated "!", none ".". */
static void links_cell(struct op_table *t, const struct op_doc *d, size_t device)
{
	char text[CH_LINK_COUNT + 1] = "", word[32];
	size_t links = op_at(d, device, "links");
	for (size_t i = 0; i < CH_LINK_COUNT; i++) {
		const char *name = ch_link_str((enum ch_link)i);
		(void)op_text(d, links, name, word, sizeof(word));
		bool good = strcmp(word, "affirming") == 0, warn = strcmp(word, "warning") == 0;
		text[i] = good ? (char)(name[0] - 'a' + 'A') : warn ? name[0] : strcmp(word, "none") == 0 ? '.' : '!';
	}
	op_cell(t, text);
}

static void list_rows(struct op_table *t, const struct op_doc *d)
{
	char text[256];
	size_t list = op_at(d, 0, "devices");
	uint64_t now = op_number(d, 0, "time");
	for (size_t i = ch_json_first(&d->j, list); i != CH_JSON_NONE; i = ch_json_next(&d->j, list, i)) {
		op_cell(t, op_text(d, i, "device", text, sizeof(text)));
		op_cell(t, op_text(d, i, "hostname", text, sizeof(text)));
		op_cell(t, op_text(d, i, "class", text, sizeof(text)));
		op_cell(t, op_text(d, i, "state", text, sizeof(text)));
		op_cell(t, op_text(d, i, "chain", text, sizeof(text)));
		links_cell(t, d, i);
		ago_cell(t, op_number(d, i, "attested"), now);
		op_cell(t, op_true(d, i, "cutting") ? "cutting…" : op_true(d, i, "reattest") ? "re-attest" : "");
	}
}

/* A word of ours goes into a target as it is; anything else would not be one. */
static bool is_word(const char *s)
{
	return s == NULL || ch_name_valid(ch_span_str(s));
}

static int list(struct op_client *c, const struct list_ask *a)
{
	struct op_table t = { .columns = 8,
			      .head = { "DEVICE", "HOST", "CLASS", "STATE", "CHAIN", "LINKS", "ATTESTED", "PENDING" } };
	struct ch_wr *w = cli_out();
	uint64_t next = 0;
	size_t pages = 0;
	if (!is_word(a->state) || !is_word(a->class) || !is_word(a->chain)) {
		cli_say("a state, class or chain is one word of a-z 0-9 - _ .");
		return CLI_USAGE;
	}
	do {
		char target[512];
		OP_AUTO_DOC struct op_doc d = { 0 };
		(void)snprintf(target, sizeof(target), "/api/v1/devices?limit=500&after=%llu%s%s%s%s%s%s",
			       (unsigned long long)next, a->state != NULL ? "&state=" : "",
			       a->state != NULL ? a->state : "", a->class != NULL ? "&class=" : "",
			       a->class != NULL ? a->class : "", a->chain != NULL ? "&chain=" : "",
			       a->chain != NULL ? a->chain : "");
		int code = op_get(c, target, &d);
		if (code >= 0) {
			ch_buf_free(&t.cells);
			return code;
		}
		next = op_number(&d, 0, "next");
		/* For programs a page is a document of its own, one after the other. */
		if (a->json)
			(void)op_print_json(&d);
		else
			list_rows(&t, &d);
		pages++;
	} while (next != 0 && pages < 100000);
	if (!a->json)
		op_table_end(&t, w);
	return cli_out_end(CLI_HOLDS);
}

static int cmd_device_list(int argc, char **argv)
{
	struct list_ask a = { 0 };
	const struct cli_opt opt[] = {
		{ "state", "STATE",
		  "only pre-authorised, enrolled, trusted, quarantined, decommissioned or revoked ones", CLI_VALUE,
		  &a.state },
		{ "class", "CLASS", "only those of a class", CLI_VALUE, &a.class },
		{ "chain", "TIER", "only those whose chain is none, affirming, warning or contraindicated", CLI_VALUE,
		  &a.chain },
		{ "json", NULL, "print the documents as the server sent them", CLI_FLAG, &a.json },
	};
	const struct cli_usage u = {
		.args = "[--state STATE] [--class CLASS] [--chain TIER] [--json]",
		.about = "Lists devices. LINKS has a letter a link (platform boot os channel update sbom\n"
			 "monitor): upper case affirming, lower case a warning, ! contraindicated, . none.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt)
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (code >= 0)
		return code;
	OP_AUTO_CLIENT struct op_client c = { 0 };
	code = op_client_open(&c);
	return code < 0 ? list(&c, &a) : code;
}

/* --- show --- */

static void show_field(struct ch_wr *w, const char *label, const struct op_doc *d, const char *name)
{
	char text[256];
	uint8_t out[1100];
	struct ch_wr e = ch_wr(out, sizeof(out) - 1);
	(void)op_text(d, 0, name, text, sizeof(text));
	ch_text_escape(&e, ch_span_str(text));
	out[e.len] = '\0';
	cli_field(w, label, op_mark(text), out[0] != '\0' ? (const char *)out : "-");
}

static void show_time(struct ch_wr *w, const char *label, const struct op_doc *d, const char *name)
{
	char text[48] = "";
	struct ch_wr a = ch_wr(text, sizeof(text) - 1);
	op_ago_put(&a, op_number(d, 0, name), op_number(d, 0, "time"));
	cli_field(w, label, CLI_PLAIN, text);
}

static void show_links(struct ch_wr *w, const struct op_doc *d)
{
	struct op_table t = { .columns = 6, .head = { "LINK", "TIER", "REQUIRED", "FRESH", "STALE", "EVIDENCE" } };
	size_t links = op_at(d, 0, "links");
	uint64_t now = op_number(d, 0, "time");
	for (size_t i = 0; i < CH_LINK_COUNT; i++) {
		char text[64];
		size_t l = op_at(d, links, ch_link_str((enum ch_link)i));
		op_cell(&t, ch_link_str((enum ch_link)i));
		op_cell(&t, op_text(d, l, "tier", text, sizeof(text)));
		op_cell(&t, op_true(d, l, "required") ? "yes" : "no");
		ago_cell(&t, op_number(d, l, "fresh"), now);
		op_cell(&t, op_true(d, l, "stale") ? "stale" : "");
		(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)op_number(d, l, "evidence"));
		op_cell(&t, op_number(d, l, "evidence") != 0 ? text : "");
	}
	ch_wr_str(w, "\n");
	op_table_end(&t, w);
}

static void show_reasons(struct ch_wr *w, const struct op_doc *d)
{
	size_t list = op_at(d, 0, "reasons");
	if (ch_json_count(&d->j, list) == 0)
		return;
	ch_wr_str(w, "\n");
	cli_put(w, CLI_HEAD, "Reasons of the last evidence\n");
	for (size_t i = ch_json_first(&d->j, list); i != CH_JSON_NONE; i = ch_json_next(&d->j, list, i)) {
		char tier[32];
		(void)op_text(d, i, "tier", tier, sizeof(tier));
		ch_wr_str(w, "  ");
		cli_put(w, op_mark(tier), tier);
		ch_wr_str(w, " ");
		put_text(w, d, i, "link");
		ch_wr_str(w, ": ");
		put_text(w, d, i, "text");
		if (!op_null(d, i, "event")) {
			ch_wr_str(w, " (event ");
			ch_wr_dec(w, op_number(d, i, "event"));
			ch_wr_str(w, ")");
		}
		if (!op_null(d, i, "measured")) {
			ch_wr_str(w, ": ");
			put_text(w, d, i, "measured");
		}
		ch_wr_str(w, "\n");
	}
}

static void show_pinned(struct ch_wr *w, const struct op_doc *d)
{
	size_t pinned = op_at(d, 0, "pinned");
	if (pinned == CH_JSON_NONE || op_null(d, 0, "pinned"))
		return;
	ch_wr_str(w, "\n");
	cli_put(w, CLI_HEAD, "Pinned for this device\n");
	ch_wr_str(w, "  reference values ");
	put_text(w, d, pinned, "sha256");
	ch_wr_str(w, ", ");
	op_ago_put(w, op_number(d, pinned, "time"), op_number(d, 0, "time"));
	ch_wr_str(w, " by action ");
	ch_wr_dec(w, op_number(d, pinned, "action"));
	ch_wr_str(w, "\n");
}

static void show_cuts(struct ch_wr *w, const struct op_doc *d)
{
	size_t list = op_at(d, 0, "cuts");
	if (ch_json_count(&d->j, list) == 0)
		return;
	ch_wr_str(w, "\n");
	cli_put(w, CLI_HEAD, "Cuts\n");
	for (size_t i = ch_json_first(&d->j, list); i != CH_JSON_NONE; i = ch_json_next(&d->j, list, i)) {
		ch_wr_str(w, "  ");
		put_text(w, d, i, "cause");
		ch_wr_str(w, ": ");
		if (op_true(d, i, "done")) {
			ch_wr_dec(w, op_number(d, i, "sessions"));
			ch_wr_str(w, " sessions closed in ");
			ch_wr_dec(w, op_number(d, i, "took_ms"));
			ch_wr_str(w, " ms\n");
		} else {
			cli_put(w, CLI_WARN, "cutting…\n");
		}
	}
}

static void show_quota(struct ch_wr *w, const struct op_doc *d)
{
	size_t quota = op_at(d, 0, "quota");
	uint64_t used = op_number(d, quota, "used"), limit = op_number(d, quota, "limit");
	char text[96] = "";
	struct ch_wr t = ch_wr(text, sizeof(text) - 1);
	if (quota == CH_JSON_NONE || op_null(d, 0, "quota"))
		return;
	ch_wr_dec(&t, used / 1024);
	ch_wr_str(&t, " KiB of ");
	ch_wr_dec(&t, limit / 1024);
	ch_wr_str(&t, " KiB, anew ");
	op_ago_put(&t, op_number(d, quota, "until"), op_number(d, 0, "time"));
	cli_field(w, "sent today", used < limit ? CLI_PLAIN : CLI_WARN, text);
}

/* What the device told of itself, as it was kept: escaped once, and again for whoever did not. */
static void show_attributes(struct ch_wr *w, const struct op_doc *d)
{
	size_t list = op_at(d, 0, "attributes");
	bool first = true;
	for (size_t i = ch_json_first(&d->j, list); i != CH_JSON_NONE; i = ch_json_next(&d->j, list, i)) {
		char text[2048];
		if (first)
			cli_put(w, CLI_HEAD, "\nWhat it says of itself\n");
		first = false;
		ch_wr_str(w, "  ");
		cli_put_escaped(w, ch_span_str(op_text(d, i, "name", text, sizeof(text))));
		ch_wr_str(w, " = ");
		cli_put_escaped(w, ch_span_str(op_text(d, i, "value", text, sizeof(text))));
		ch_wr_str(w, "\n");
	}
}

static void show(const struct op_doc *d)
{
	struct ch_wr *w = cli_out();
	cli_put(w, CLI_HEAD, "Device ");
	put_text(w, d, 0, "device");
	ch_wr_str(w, "\n");
	show_field(w, "host", d, "hostname");
	show_field(w, "class", d, "class");
	show_field(w, "state", d, "state");
	show_field(w, "chain", d, "chain");
	show_time(w, "chain since", d, "chain_since");
	show_time(w, "enrolled", d, "enrolled");
	show_time(w, "attested", d, "attested");
	if (!op_null(d, 0, "agent"))
		show_field(w, "agent", d, "agent");
	show_quota(w, d);
	show_links(w, d);
	show_reasons(w, d);
	show_pinned(w, d);
	show_cuts(w, d);
	show_attributes(w, d);
}

/* --- explain --- */

static int explain(const struct op_doc *d)
{
	struct ch_wr *w = cli_out();
	size_t list = op_at(d, 0, "sentences");
	bool trusted = op_true(d, 0, "trusted");
	for (size_t i = ch_json_first(&d->j, list); i != CH_JSON_NONE; i = ch_json_next(&d->j, list, i)) {
		char kind[32], text[8192];
		(void)op_text(d, i, "kind", kind, sizeof(kind));
		bool head = strcmp(kind, "state") == 0;
		ch_wr_str(w, strcmp(kind, "reason") == 0 ? "  - " : "");
		/* The server's sentences are escaped where they quote evidence. */
		if (head)
			cli_put(w, trusted ? CLI_GOOD : CLI_BAD, trusted ? "trusted: " : "not trusted: ");
		cli_put_escaped(w, ch_span_str(op_text(d, i, "text", text, sizeof(text))));
		ch_wr_str(w, "\n");
		if (!op_null(d, i, "todo")) {
			ch_wr_str(w, "    → ");
			cli_put_escaped(w, ch_span_str(op_text(d, i, "todo", text, sizeof(text))));
			ch_wr_str(w, "\n");
		}
	}
	return cli_out_end(trusted ? CLI_HOLDS : CLI_FAILS);
}

/* --- one device --- */

static int show_end(const struct op_doc *d)
{
	show(d);
	return cli_out_end(CLI_HOLDS);
}

/* What show and explain share: one device, one document, a page of it or the document itself. */
static int one(int argc, char **argv, const char *about, const char *suffix, int (*end)(const struct op_doc *d))
{
	bool json = false;
	const char *name = "";
	char id[33], target[96];
	const struct cli_opt opt[] = { { "json", NULL, "print the document as the server sent it", CLI_FLAG, &json } };
	const struct cli_usage u = { .args = "[--json] DEVICE",
				     .about = about,
				     .opt = opt,
				     .opt_count = CH_COUNT_OF(opt),
				     .file = &name,
				     .file_min = 1,
				     .file_max = 1 };
	int code = cli_parse(&u, argc, argv, NULL);
	if (code >= 0)
		return code;
	OP_AUTO_CLIENT struct op_client c = { 0 };
	OP_AUTO_DOC struct op_doc d = { 0 };
	code = op_client_open(&c);
	if (code < 0)
		code = op_find_device(&c, name, id);
	(void)snprintf(target, sizeof(target), "/api/v1/devices/%s%s", code < 0 ? id : "", suffix);
	if (code < 0)
		code = op_get(&c, target, &d);
	if (code >= 0)
		return code;
	if (!json)
		return end(&d);
	code = op_print_json(&d);
	bool fails = suffix[0] != '\0' && !op_true(&d, 0, "trusted");
	return code == CLI_HOLDS && fails ? CLI_FAILS : code;
}

static int cmd_device_show(int argc, char **argv)
{
	return one(
		argc, argv,
		"Shows all that is known of a device: its seven links, the reasons of its last evidence, what was cut.\n"
		"DEVICE is its id, the beginning of its id, or its host name.",
		"", show_end);
}

static int cmd_device_explain(int argc, char **argv)
{
	return one(
		argc, argv,
		"Answers in sentences why a device is or is not trusted, and what to do. Exit status 0: it is trusted;\n"
		"1: it is not. DEVICE is its id, the beginning of its id, or its host name.",
		"/explain", explain);
}

/* --- deciding --- */

static int decide(int argc, char **argv, enum ch_verb verb, const char *about)
{
	struct op_act a = { .verb = verb };
	const char *name = "";
	char id[33];
	const struct cli_opt opt[] = {
		{ "reason", "TEXT", "why: it is signed and logged", CLI_VALUE, &a.reason },
		{ "json", NULL, "print the answer as the server sent it", CLI_FLAG, &a.json },
	};
	const struct cli_usage u = { .args = "--reason TEXT [--json] DEVICE",
				     .about = about,
				     .opt = opt,
				     .opt_count = CH_COUNT_OF(opt),
				     .file = &name,
				     .file_min = 1,
				     .file_max = 1 };
	int code = cli_parse(&u, argc, argv, NULL);
	if (code >= 0)
		return code;
	if (a.reason == NULL)
		a.reason = "";
	OP_AUTO_CLIENT struct op_client c = { 0 };
	code = op_client_open(&c);
	if (code < 0)
		code = op_find_device(&c, name, id);
	a.subject = id;
	return code < 0 ? op_act(&c, &a, NULL) : code;
}

static int cmd_device_quarantine(int argc, char **argv)
{
	return decide(argc, argv, CH_VERB_DEVICE_QUARANTINE,
		      "Quarantines a device: it may send evidence and nothing else. Reversible.");
}

static int cmd_device_release(int argc, char **argv)
{
	return decide(argc, argv, CH_VERB_DEVICE_RELEASE,
		      "Ends a quarantine by decision. The device must attest again to be trusted.");
}

static int cmd_device_revoke(int argc, char **argv)
{
	return decide(argc, argv, CH_VERB_DEVICE_REVOKE,
		      "Revokes a device's certificate, for good. It comes back by enrolling again with its TPM.");
}

static int cmd_device_decommission(int argc, char **argv)
{
	return decide(argc, argv, CH_VERB_DEVICE_DECOMMISSION,
		      "Ends the life of a device in this fleet, for good: a statement in the log, and its EK is never\n"
		      "admitted as if it were new.");
}

static int cmd_device_reattest(int argc, char **argv)
{
	return decide(argc, argv, CH_VERB_DEVICE_REATTEST, "Asks a device to attest at its next contact.");
}

static const struct cli_cmd device_command[] = {
	{ "list", "list devices", cmd_device_list },
	{ "show", "show all that is known of a device", cmd_device_show },
	{ "explain", "say in sentences why a device is not trusted, or not updated", cmd_device_explain },
	{ "quarantine", "cut a device off, reversibly", cmd_device_quarantine },
	{ "release", "end a quarantine by decision", cmd_device_release },
	{ "revoke", "void a device's certificate, for good", cmd_device_revoke },
	{ "decommission", "end a device's life, for good", cmd_device_decommission },
	{ "reattest", "ask a device to attest now", cmd_device_reattest },
};

int cmd_device(int argc, char **argv)
{
	return cli_dispatch("Devices: what they are, why, and what is decided about them.", device_command,
			    CH_COUNT_OF(device_command), argc, argv);
}
