/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/client.h"
#include "cli/operator/op.h"

#include "core/base/text.h"

#include <stdio.h>
#include <string.h>

static void field(struct ch_wr *w, const char *label, const struct op_doc *d, size_t object, const char *name)
{
	char text[300];
	uint8_t out[1300];
	struct ch_wr e = ch_wr(out, sizeof(out) - 1);
	ch_text_escape(&e, ch_span_str(op_text(d, object, name, text, sizeof(text))));
	out[e.len] = '\0';
	cli_field(w, label, CLI_PLAIN, (const char *)out);
}

static void number(struct ch_wr *w, const char *label, uint64_t v, enum cli_mark mark)
{
	char text[24] = "";
	struct ch_wr n = ch_wr(text, sizeof(text) - 1);
	ch_wr_dec(&n, v);
	cli_field(w, label, v != 0 ? mark : CLI_PLAIN, text);
}

/* "  trusted 3, quarantined 1": what is not 0. */
static void counts(struct ch_wr *w, const char *label, const struct op_doc *d, size_t object)
{
	char name[64];
	ch_wr_str(w, "  ");
	ch_wr_str(w, label);
	bool any = false;
	for (size_t i = ch_json_first(&d->j, object); i != CH_JSON_NONE;) {
		uint64_t v = 0;
		size_t value = ch_json_next(&d->j, object, i);
		struct ch_span raw = ch_json_raw(&d->j, i);
		name[ch_span_copy(name, sizeof(name) - 1, raw)] = '\0';
		if (value != CH_JSON_NONE && ch_json_u64(&d->j, value, &v) == CH_OK && v != 0) {
			ch_wr_str(w, any ? ", " : "");
			ch_wr_dec(w, v);
			ch_wr_str(w, " ");
			cli_put(w, op_mark(name), name);
			any = true;
		}
		i = value != CH_JSON_NONE ? ch_json_next(&d->j, object, value) : CH_JSON_NONE;
	}
	ch_wr_str(w, any ? "\n" : "none\n");
}

/* An alarm: nobody is judged while this stands. */
static void refused(struct ch_wr *w, const struct op_doc *d)
{
	char rule[1024], text[1100];
	size_t at = op_at(d, 0, "refused");
	if (at == CH_JSON_NONE || op_null(d, 0, "refused"))
		return;
	(void)snprintf(text, sizeof(text), "REFUSED, nothing is judged: %s",
		       op_text(d, at, "rule", rule, sizeof(rule)));
	uint8_t out[4400];
	struct ch_wr e = ch_wr(out, sizeof(out) - 1);
	ch_text_escape(&e, ch_span_str(text));
	out[e.len] = '\0';
	cli_field(w, "", CLI_BAD, (const char *)out);
}

static void page(const struct op_doc *d)
{
	struct ch_wr *w = cli_out();
	uint64_t now = op_number(d, 0, "time");
	size_t devices = op_at(d, 0, "devices"), log = op_at(d, 0, "log");
	char ago[48] = "";
	struct ch_wr a = ch_wr(ago, sizeof(ago) - 1);
	cli_put(w, CLI_HEAD, "Chainhold\n");
	field(w, "version", d, 0, "version");
	number(w, "devices", op_number(d, devices, "total"), CLI_PLAIN);
	counts(w, "by state            ", d, op_at(d, devices, "state"));
	counts(w, "by chain            ", d, op_at(d, devices, "chain"));
	number(w, "cutting", op_number(d, 0, "cutting"), CLI_WARN);
	number(w, "generation", op_number(d, 0, "generation"), CLI_PLAIN);
	refused(w, d);
	field(w, "log", d, log, "origin");
	number(w, "log entries", op_number(d, log, "size"), CLI_PLAIN);
	op_ago_put(&a, op_number(d, log, "checkpoint"), now);
	cli_field(w, "last checkpoint", CLI_PLAIN, ago);
	size_t clock = op_at(d, 0, "clock");
	if (clock != CH_JSON_NONE && ch_json_type(&d->j, clock) == CH_JSON_OBJECT) {
		char rule[300];
		cli_field(w, "clock", CLI_BAD, op_text(d, clock, "rule", rule, sizeof(rule)));
		ch_wr_str(w, "    no certificate is issued: chainhold clock accept\n");
	}
	field(w, "your role", d, 0, "role");
}

#define LABEL_MAX 512

/* The value of a label in a line of metrics, cut to the size. */
static const char *label(struct ch_span line, const char *name, char to[static LABEL_MAX])
{
	struct ch_span want = ch_span_str(name);
	to[0] = '\0';
	for (size_t i = 0; i + want.n < line.n; i++) {
		if (!ch_span_starts(ch_span_sub(line, i, line.n - i), want))
			continue;
		size_t from = i + want.n, end = from;
		while (end < line.n && line.p[end] != '"')
			end++;
		to[ch_span_copy(to, LABEL_MAX - 1, ch_span_sub(line, from, end - from))] = '\0';
		break;
	}
	return to;
}

/* How each process of the server is confined: the lines chainhold_sandbox{…} of /metrics. */
static int put_sandboxes(struct op_client *c)
{
	CH_AUTO_BUF struct ch_buf text = { 0 };
	struct op_table t = { .columns = 3, .head = { "PROCESS", "", "CONFINED BY" } };
	char value[LABEL_MAX];
	int code = op_get_bytes(c, "/metrics", &text);
	if (code >= 0)
		return code;
	for (size_t off = 0; off < text.n;) {
		size_t end = off;
		while (end < text.n && text.p[end] != '\n')
			end++;
		struct ch_span line = ch_span(text.p + off, end - off);
		off = end + 1;
		if (!ch_span_starts(line, CH_SPAN_LIT("chainhold_sandbox{")))
			continue;
		op_cell(&t, label(line, "process=\"", value));
		op_cell(&t, label(line, "index=\"", value));
		op_cell(&t, label(line, "active=\"", value));
	}
	ch_wr_str(cli_out(), "\n");
	op_table_end(&t, cli_out());
	return -1;
}

int cmd_status(int argc, char **argv)
{
	bool json = false;
	const struct cli_opt opt[] = { { "json", NULL, "print the document as the server sent it", CLI_FLAG, &json } };
	const struct cli_usage u = { .args = "[--json]",
				     .about = "Shows how the fleet and the server are.",
				     .opt = opt,
				     .opt_count = CH_COUNT_OF(opt) };
	int code = cli_parse(&u, argc, argv, NULL);
	if (code >= 0)
		return code;
	OP_AUTO_CLIENT struct op_client c = { 0 };
	OP_AUTO_DOC struct op_doc d = { 0 };
	code = op_client_open(&c);
	if (code < 0)
		code = op_get(&c, "/api/v1/status", &d);
	if (code >= 0)
		return code;
	if (json)
		return op_print_json(&d);
	page(&d);
	code = put_sandboxes(&c);
	return cli_out_end(code < 0 ? CLI_HOLDS : code);
}
