/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CHECKPOINT_MAX CH_NOTE_MAX
#define PATH_MAX_      (LOG_URL_MAX + CH_TILE_PATH_MAX + 16)

/* Copies `s` as a C string; false if it does not fit. */
static bool copy(char *to, size_t cap, struct ch_span s)
{
	if (s.n >= cap)
		return false;
	(void)ch_span_copy(to, cap - 1, s);
	to[s.n] = '\0';
	return true;
}

bool log_number(const char *text, uint64_t *v)
{
	*v = 0;
	for (const char *p = text; *p != '\0'; p++) {
		if (*p < '0' || *p > '9' || *v > (CH_MERKLE_SIZE_MAX - 9) / 10)
			return false;
		*v = *v * 10 + (uint64_t)(*p - '0');
	}
	return text[0] != '\0';
}

/* The span up to `c`, which is left out of the rest; all of it if there is no `c`. */
static struct ch_span cut(struct ch_span *s, char c, bool keep)
{
	size_t n = 0;
	while (n < s->n && s->p[n] != (uint8_t)c)
		n++;
	struct ch_span head = ch_span_sub(*s, 0, n);
	size_t skip = n < s->n && !keep ? n + 1 : n;
	*s = ch_span_sub(*s, skip, s->n - skip);
	return head;
}

static bool parse_url(struct log_client *c, const char *url)
{
	struct ch_span rest = ch_span_str(url);
	struct ch_span scheme = CH_SPAN_LIT("http://");
	if (!ch_span_starts(rest, scheme))
		return false;
	rest = ch_span_sub(rest, scheme.n, rest.n - scheme.n);
	struct ch_span authority = cut(&rest, '/', true);
	while (rest.n > 0 && rest.p[rest.n - 1] == '/')
		rest.n--;
	struct ch_span name = authority;
	struct ch_span host;
	if (name.n > 0 && name.p[0] == '[') {
		name = ch_span_sub(name, 1, name.n - 1);
		host = cut(&name, ']', false);
		if (name.n > 0 && name.p[0] != ':')
			return false;
		name = name.n > 0 ? ch_span_sub(name, 1, name.n - 1) : name;
	} else {
		host = cut(&name, ':', false);
	}
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] < '0' || name.p[i] > '9')
			return false;
	}
	return host.n > 0 && copy(c->host, sizeof(c->host), host) &&
	       copy(c->authority, sizeof(c->authority), authority) &&
	       copy(c->port, sizeof(c->port), name.n > 0 ? name : CH_SPAN_LIT("80")) &&
	       copy(c->prefix, sizeof(c->prefix), rest.n > 0 ? rest : CH_SPAN_LIT("/log"));
}

static int use_key(struct log_client *c, const struct ch_note_key *key)
{
	const struct ch_pub pub = { .type = CH_KEY_ED25519, .a = CH_SPAN_OF(key->pub) };
	c->key = *key;
	if (ch_verify_key_init(&c->vk, &pub) == CH_OK)
		return -1;
	cli_say("the log's key is not a valid one of Ed25519");
	return CLI_FAILS;
}

/* A key as text, or in a file. */
static int load_key(struct log_client *c, const char *key)
{
	if (strchr(key, '+') != NULL && key[0] != '/' && key[0] != '.') {
		ch_buf_append(&c->key_text, ch_span_str(key));
	} else {
		int code = cli_read(&c->key_text, key);
		if (code >= 0)
			return code;
	}
	struct ch_span text = ch_buf_span(&c->key_text);
	while (text.n > 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
		text.n--;
	struct ch_diag d;
	struct ch_note_key named;
	enum ch_err err = ch_note_key_parse(&named, text, &d);
	return err == CH_OK ? use_key(c, &named) : cli_refused("--key", NULL, err, &d);
}

/* Which of the fleet root's logs this one is: the one whose key signed its checkpoint. */
static int choose_key(struct log_client *c)
{
	const struct ch_fleet_root *r = &c->root.r;
	struct ch_diag d;
	if (r->log_count == 0) {
		cli_say("%s names no log", c->root.path);
		return CLI_FAILS;
	}
	if (r->log_count == 1)
		return use_key(c, &r->log[0]);
	if (log_client_get(c, "checkpoint", CH_NOTE_MAX, &c->note) != CH_OK)
		return CLI_IO;
	for (size_t i = 0; i < r->log_count; i++) {
		struct ch_checkpoint head;
		int code = use_key(c, &r->log[i]);
		if (code >= 0 || ch_checkpoint_open(&head, ch_buf_span(&c->note), &c->key, &c->vk, &d) == CH_OK)
			return code;
		ch_verify_key_clear(&c->vk);
	}
	cli_say("the checkpoint is signed by none of the logs that %s names", c->root.path);
	return CLI_FAILS;
}

static int load_root(struct log_client *c, const char *path)
{
	c->root.path = path;
	int code = cli_read(&c->root.file, path);
	if (code < 0)
		code = cli_root_trust(&c->root);
	return code < 0 ? choose_key(c) : code;
}

static enum ch_err get_tile(void *ctx, const struct ch_tile *t, uint8_t to[static CH_TILE_BYTES])
{
	CH_AUTO_BUF struct ch_buf body = { 0 };
	enum ch_err err = log_client_tile(ctx, t, &body);
	if (err == CH_OK)
		(void)ch_span_copy(to, CH_TILE_BYTES, ch_buf_span(&body));
	return err;
}

/* What was not said on the command line is in the configuration. */
static int from_config(struct log_client *c, struct log_options *o)
{
	if (o->key != NULL && o->root != NULL) {
		cli_say("--key and --fleet-root do not go together");
		return CLI_USAGE;
	}
	if (o->url != NULL && (o->key != NULL || o->root != NULL))
		return -1;
	/* A log that is named has a key of its own: never that of another one. */
	if (o->url != NULL) {
		cli_say("--key or --fleet-root is missing: the log's verifier key, or the fleet root that names it");
		return CLI_USAGE;
	}
	int code = op_client_public(&c->conf);
	if (code >= 0)
		return code;
	(void)snprintf(c->url, sizeof(c->url), "http://%s", c->conf.public);
	o->url = c->url;
	if (o->key == NULL && o->root == NULL)
		o->key = c->conf.log_key;
	return -1;
}

int log_client_init(struct log_client *c, struct log_options *o)
{
	if (o->state == NULL)
		o->state = "chainhold-log.checkpoint";
	int code = from_config(c, o);
	if (code >= 0)
		return code;
	if (!parse_url(c, o->url)) {
		cli_say("%s is not http://HOST[:PORT][/PATH]", o->url);
		return CLI_USAGE;
	}
	c->tiles.get = get_tile;
	c->tiles.ctx = c;
	c->tree = (struct ch_tree_src){ ch_tile_node, &c->tiles };
	return o->root != NULL ? load_root(c, o->root) : load_key(c, o->key);
}

void log_client_free(struct log_client *c)
{
	ch_net_close(c->conn);
	c->conn = NULL;
	ch_verify_key_clear(&c->vk);
	ch_buf_free(&c->key_text);
	ch_buf_free(&c->root.file);
	ch_buf_free(&c->note);
	ch_conf_clear(&c->conf.conf);
}

/* One request over the connection that is there, or a new one. */
static enum ch_err call(struct log_client *c, const char *target, size_t max, struct ch_http_answer *a,
			struct ch_net_why *why)
{
	if (c->conn != NULL && !ch_net_usable(c->conn)) {
		ch_net_close(c->conn);
		c->conn = NULL;
	}
	if (c->conn == NULL) {
		const struct ch_net_target t = { .host = c->host, .port = c->port };
		enum ch_err err = ch_net_connect(&c->conn, NULL, &t, why);
		if (err != CH_OK)
			return err;
	}
	const struct ch_http_ask ask = { .method = "GET", .target = target, .host = c->authority };
	enum ch_err err = ch_http_call(c->conn, &ask, max, a, why);
	if (err != CH_OK || a->last) {
		ch_net_close(c->conn);
		c->conn = NULL;
	}
	return err;
}

enum ch_err log_client_get(struct log_client *c, const char *path, size_t max, struct ch_buf *body)
{
	char target[PATH_MAX_];
	struct ch_http_answer a = { 0 };
	struct ch_net_why why = { { 0 } };
	int n = snprintf(target, sizeof(target), "%s/%s", c->prefix, path);
	if (n <= 0 || (size_t)n >= sizeof(target))
		return CH_ERR_LIMIT;
	ch_buf_free(body);
	enum ch_err err = call(c, target, max, &a, &why);
	if (err != CH_OK) {
		cli_say("http://%s%s: %s", c->authority, target, why.text[0] != '\0' ? why.text : ch_err_str(err));
		/* A connection that breaks says nothing about the log. */
		err = err == CH_ERR_TRUNCATED ? CH_ERR_IO : err;
	} else if (a.status != 200) {
		err = a.status == 404 ? CH_ERR_NOTFOUND : CH_ERR_IO;
		cli_say("http://%s%s: the server answers %u", c->authority, target, a.status);
	} else {
		*body = a.body;
		a.body = (struct ch_buf){ 0 };
	}
	ch_buf_free(&a.body);
	return err;
}

static enum ch_err get_path(struct log_client *c, const struct ch_tile *t, struct ch_buf *body)
{
	char path[CH_TILE_PATH_MAX + 1] = "";
	struct ch_wr w = ch_wr(path, CH_TILE_PATH_MAX);
	ch_tile_path_put(&w, t);
	return log_client_get(c, path, t->entries ? CH_BUNDLE_MAX : CH_TILE_BYTES, body);
}

enum ch_err log_client_tile(struct log_client *c, const struct ch_tile *t, struct ch_buf *body)
{
	enum ch_err err = get_path(c, t, body);
	if (err == CH_ERR_NOTFOUND && t->width < CH_BUNDLE_ENTRIES) {
		/* A log may drop a partial tile once the full one is there (C2SP tlog-tiles). */
		struct ch_tile full = *t;
		full.width = CH_BUNDLE_ENTRIES;
		err = get_path(c, &full, body);
	}
	if (err == CH_OK && !t->entries && body->n < (size_t)t->width * CH_MERKLE_HASH) {
		cli_say("a tile of level %u has %zu bytes, not %u", t->level, body->n,
			(unsigned)t->width * CH_MERKLE_HASH);
		err = CH_ERR_TRUNCATED;
	}
	return err;
}

enum ch_err log_entries(struct log_client *c, uint64_t first, uint64_t end,
			enum ch_err (*each)(void *ctx, const struct log_entry *e), void *ctx)
{
	CH_AUTO_BUF struct ch_buf bundle = { 0 };
	enum ch_err err = CH_OK;
	for (uint64_t index = first; index < end && err == CH_OK;) {
		uint64_t base = index - index % CH_BUNDLE_ENTRIES;
		const struct ch_tile t = { .entries = true,
					   .index = index / CH_BUNDLE_ENTRIES,
					   .width = ch_tile_width(c->head.size, 0, index / CH_BUNDLE_ENTRIES) };
		err = log_client_tile(c, &t, &bundle);
		struct ch_rd r = ch_rd(ch_buf_span(&bundle));
		struct log_entry e = { .index = base };
		for (; err == CH_OK && e.index < end && e.index < base + t.width; e.index++) {
			struct ch_tree_hash want;
			if (!ch_bundle_next(&r, &e.bytes)) {
				cli_say("the bundle of entries from %llu on is cut off", (unsigned long long)base);
				return CH_ERR_TRUNCATED;
			}
			if (e.index < first)
				continue;
			err = ch_merkle_leaf(&e.hash, e.bytes);
			if (err == CH_OK)
				err = ch_tile_node(&c->tiles, 0, e.index, &want);
			if (err == CH_OK && !ch_tree_hash_eq(&want, &e.hash)) {
				cli_say("entry %llu has not the hash that the tile of its level has",
					(unsigned long long)e.index);
				err = CH_ERR_MISMATCH;
			}
			if (err == CH_OK)
				err = each(ctx, &e);
		}
		index = base + t.width;
	}
	return err;
}
