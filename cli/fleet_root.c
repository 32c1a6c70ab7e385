/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fleet_root.h"

#include "core/base/text.h"
#include "core/wire/base64.h"
#include "core/wire/der.h"

#define FILES_MAX 64

int cli_root_parse(struct cli_root *c)
{
	static struct ch_json_node node[CH_ROOT_NODES_MAX];
	struct ch_diag d;
	enum ch_err err = ch_fleet_root_parse(&c->r, ch_buf_span(&c->file), node, &d);
	return err == CH_OK ? -1 : cli_refused(c->path, NULL, err, &d);
}

int cli_root_trust(struct cli_root *c)
{
	struct ch_diag d;
	uint64_t now = 0;
	int code = cli_root_parse(c);
	if (code < 0)
		code = cli_take_time(NULL, &now);
	if (code >= 0)
		return code;
	enum ch_err err = ch_fleet_root_first(&c->r, &d);
	if (err == CH_OK)
		err = ch_fleet_root_current(&c->r, now, &d);
	return err == CH_OK ? -1 : cli_refused(c->path, NULL, err, &d);
}

/* --- show --- */

static void put_time(struct ch_wr *w, const char *label, uint64_t seconds)
{
	uint8_t text[64];
	struct ch_wr t = ch_wr(text, sizeof(text) - 1);
	ch_time_put(&t, (int64_t)seconds);
	text[t.len] = '\0';
	cli_field(w, label, CLI_PLAIN, (const char *)text);
}

static void put_number(struct ch_wr *w, const char *label, uint64_t v)
{
	char text[24];
	struct ch_wr t = ch_wr(text, sizeof(text) - 1);
	ch_wr_dec(&t, v);
	text[t.len] = '\0';
	cli_field(w, label, CLI_PLAIN, text);
}

/* Signatures are counted by whether they hold. */
static bool has_signed(const struct ch_fleet_root *r, const struct ch_root_key *k)
{
	static struct ch_root_role one;
	one = (struct ch_root_role){ .threshold = 1, .count = 1 };
	one.key[0] = *k;
	return ch_role_signed(&one, &r->note, NULL) == CH_OK;
}

static void put_role(struct ch_wr *w, const struct ch_fleet_root *r, const struct ch_root_role *role)
{
	bool root = role == &r->root;
	ch_wr_str(w, "  ");
	if (role->name.n > 0)
		ch_wr_put(w, role->name);
	else
		ch_wr_str(w, "root");
	ch_wr_str(w, ": ");
	ch_wr_dec(w, role->threshold);
	ch_wr_str(w, " of ");
	ch_wr_dec(w, role->count);
	ch_wr_str(w, "\n");
	for (size_t i = 0; i < role->count; i++) {
		ch_wr_str(w, "    ");
		ch_wr_hex(w, CH_SPAN_OF(role->key[i].id));
		ch_wr_str(w, " ");
		ch_wr_str(w, ch_key_type_str(role->key[i].type));
		if (root && has_signed(r, &role->key[i]))
			cli_put(w, CLI_GOOD, " has signed");
		ch_wr_str(w, "\n");
	}
}

static void put_anchors(struct ch_wr *w, const struct ch_fleet_root *r)
{
	for (size_t i = 0; i < r->anchor_count; i++) {
		uint8_t der[CH_ROOT_ANCHOR_MAX];
		size_t n = 0;
		struct ch_digest d;
		if (ch_base64_decode(CH_BASE64_STD, r->anchor[i], der, sizeof(der), &n, NULL) != CH_OK ||
		    ch_hash_once(CH_HASH_SHA256, ch_span(der, n), &d) != CH_OK)
			continue;
		ch_wr_str(w, "  anchor  sha256 ");
		ch_wr_hex(w, ch_digest_span(&d));
		ch_wr_str(w, "\n");
	}
}

void cli_root_show(struct ch_wr *w, const struct ch_fleet_root *r)
{
	cli_put(w, CLI_HEAD, "Fleet root\n");
	put_number(w, "version", r->version);
	put_time(w, "issued", r->issued);
	put_time(w, "expires", r->expires);
	put_role(w, r, &r->root);
	for (size_t i = 0; i < r->release_count; i++)
		put_role(w, r, &r->release[i]);
	put_anchors(w, r);
	for (size_t i = 0; i < r->log_count; i++) {
		ch_wr_str(w, "  log     ");
		ch_note_key_put(w, &r->log[i]);
		ch_wr_str(w, "\n");
	}
	for (size_t i = 0; i < r->ear_count; i++) {
		ch_wr_str(w, "  results ");
		ch_wr_hex(w, CH_SPAN_OF(r->ear[i].id));
		ch_wr_str(w, "\n");
	}
	for (size_t i = 0; i < r->server_count; i++) {
		ch_wr_str(w, "  server  ");
		ch_wr_put(w, r->server[i]);
		ch_wr_str(w, "\n");
	}
	ch_wr_str(w, "  agents  from ");
	for (size_t i = 0; i < 3; i++) {
		ch_wr_str(w, i > 0 ? "." : "");
		ch_wr_dec(w, r->agent_min[i]);
	}
	ch_wr_str(w, "\n");
}

int cmd_fleet_root_show(int argc, char **argv)
{
	static struct cli_root c;
	bool json = false, anchors = false;
	const struct cli_opt opt[] = {
		{ "json", NULL, "print the document alone, as it was signed", CLI_FLAG, &json },
		{ "anchors", NULL, "print the CA certificates alone, as PEM", CLI_FLAG, &anchors },
	};
	const struct cli_usage u = { .args = "[--json | --anchors] FILE",
				     .about = "Shows a fleet root, and which keys of its root role have signed it.",
				     .opt = opt,
				     .opt_count = CH_COUNT_OF(opt),
				     .file = &c.path,
				     .file_min = 1,
				     .file_max = 1 };
	int code = cli_parse(&u, argc, argv, NULL);
	if (code < 0 && json && anchors) {
		cli_say("--json and --anchors do not go together");
		code = CLI_USAGE;
	}
	if (code < 0)
		code = cli_read(&c.file, c.path);
	if (code < 0)
		code = cli_confine();
	if (code < 0)
		code = cli_root_parse(&c);
	if (code < 0) {
		struct ch_wr *w = cli_out();
		if (json)
			ch_wr_put(w, c.r.note.text);
		else if (anchors)
			ch_fleet_root_anchors_put(w, &c.r);
		else
			cli_root_show(w, &c.r);
		code = cli_out_end(CLI_HOLDS);
	}
	ch_buf_free(&c.file);
	return code;
}

/* --- verify --- */

struct verify {
	const char *path[FILES_MAX];
	struct ch_buf file[FILES_MAX];
	size_t count;
	const char *time_text;
	uint64_t time;
	bool json;
};

/* One row of the answer. */
static void put_step(struct ch_wr *w, struct ch_json_wr *j, const struct verify *v, const struct cli_root *c,
		     const char *broken)
{
	if (v->json) {
		ch_json_object_begin(j);
		ch_json_named_str(j, "file", c->path);
		ch_json_named_u64(j, "version", c->r.version);
		ch_json_named_bool(j, "holds", broken == NULL);
		ch_json_named_str(j, "rule", broken);
		ch_json_object_end(j);
		return;
	}
	cli_put(w, broken == NULL ? CLI_GOOD : CLI_BAD, broken == NULL ? "holds" : "refused");
	ch_wr_str(w, " ");
	cli_put_escaped(w, ch_span_str(c->path));
	ch_wr_str(w, ": version ");
	ch_wr_dec(w, c->r.version);
	if (broken != NULL) {
		ch_wr_str(w, ": ");
		ch_wr_str(w, broken);
	}
	ch_wr_str(w, "\n");
}

static int verify(const struct verify *v)
{
	static struct cli_root root[2];
	struct ch_wr *w = cli_out();
	struct ch_json_wr j = ch_json_wr(w, true);
	const char *broken = NULL;
	int code = -1;
	if (v->json)
		ch_json_array_begin(&j);
	for (size_t i = 0; code < 0 && i < v->count && broken == NULL; i++) {
		struct ch_diag d;
		struct cli_root *c = &root[i % 2], *known = &root[(i + 1) % 2];
		c->path = v->path[i];
		c->file = v->file[i];
		code = cli_root_parse(c);
		if (code >= 0)
			break;
		enum ch_err err = i == 0 ? ch_fleet_root_first(&c->r, &d) : ch_fleet_root_next(&known->r, &c->r, &d);
		if (err == CH_OK && i + 1 == v->count)
			err = ch_fleet_root_current(&c->r, v->time, &d);
		broken = err == CH_OK ? NULL : d.rule;
		put_step(w, &j, v, c, broken);
	}
	if (v->json)
		ch_json_array_end(&j);
	ch_wr_str(w, v->json ? "\n" : "");
	if (code < 0)
		code = broken == NULL ? CLI_HOLDS : CLI_FAILS;
	return cli_out_end(code);
}

int cmd_fleet_root_verify(int argc, char **argv)
{
	static struct verify v;
	const struct cli_opt opt[] = {
		{ "time", "SECONDS", "judge expiry at this time, since 1970 (now)", CLI_VALUE, &v.time_text },
		{ "json", NULL, "print a document", CLI_FLAG, &v.json },
	};
	const struct cli_usage u = {
		.args = "[--time SECONDS] [--json] FILE…",
		.about =
			"Walks from the first fleet root to the last as a device does: the first is taken for known if its own\n"
			"threshold signed it, each next is one version on and signed by the thresholds of the one before it and\n"
			"of its own, the last has not expired. Needs no network and asks nobody.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = v.path,
		.file_min = 1,
		.file_max = FILES_MAX,
	};
	int code = cli_parse(&u, argc, argv, &v.count);
	if (code < 0)
		code = cli_take_time(v.time_text, &v.time);
	for (size_t i = 0; code < 0 && i < v.count; i++)
		code = cli_read(&v.file[i], v.path[i]);
	if (code < 0)
		code = cli_confine();
	if (code < 0)
		code = verify(&v);
	for (size_t i = 0; i < FILES_MAX; i++)
		ch_buf_free(&v.file[i]);
	return code;
}
