/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/client.h"

#include "core/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)32 << 20)

const char *op_config_path;

/* --- configuration --- */

static const struct ch_conf_key keys[] = {
	{ "server", CH_CONF_TEXT, CH_CONF_REQUIRED, .offset = offsetof(struct op_client, server) },
	{ "public", CH_CONF_TEXT, CH_CONF_OPTIONAL, .offset = offsetof(struct op_client, public) },
	{ "ca", CH_CONF_TEXT, CH_CONF_REQUIRED, .offset = offsetof(struct op_client, ca) },
	{ "certificate", CH_CONF_TEXT, CH_CONF_REQUIRED, .offset = offsetof(struct op_client, certificate) },
	{ "key", CH_CONF_TEXT, CH_CONF_REQUIRED, .offset = offsetof(struct op_client, key) },
	{ "passphrase_file", CH_CONF_TEXT, CH_CONF_OPTIONAL, .offset = offsetof(struct op_client, passphrase_file) },
	{ "log_key", CH_CONF_TEXT, CH_CONF_OPTIONAL, .offset = offsetof(struct op_client, log_key) },
};

/* Where a configuration is looked for, in this order. */
static const char *find_config(char to[static 4096])
{
	const char *named = op_config_path != NULL ? op_config_path : getenv("CHAINHOLD_CONFIG");
	if (named != NULL && named[0] != '\0')
		return named;
	const char *home = getenv("HOME");
	(void)snprintf(to, 4096, "%s/.config/chainhold/chainhold.yaml", home != NULL ? home : "");
	const char *const place[] = { "chainhold.yaml", to, "/etc/chainhold/chainhold.yaml" };
	for (size_t i = 0; i < CH_COUNT_OF(place); i++) {
		if (access(place[i], R_OK) == 0)
			return place[i];
	}
	cli_say("no chainhold.yaml: name one with --config or in CHAINHOLD_CONFIG; 'chainhold init' makes one");
	return NULL;
}

/* A path of the file is relative to the file's folder. */
static const char *resolve(const char *config, const char *path, char to[static 4096])
{
	const char *slash = strrchr(config, '/');
	if (path[0] == '/' || slash == NULL)
		return path;
	(void)snprintf(to, 4096, "%.*s/%s", (int)(slash - config), config, path);
	return to;
}

/* "host:port", "[v6]:port" */
static int split(struct op_client *c)
{
	const char *colon = strrchr(c->server, ':');
	const char *host = c->server;
	size_t n = colon != NULL ? (size_t)(colon - host) : 0;
	if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
		host++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof(c->host) || strlen(colon + 1) == 0 || strlen(colon + 1) >= sizeof(c->port)) {
		cli_say("server: '%s' is not host:port", c->server);
		return CLI_USAGE;
	}
	(void)snprintf(c->host, sizeof(c->host), "%.*s", (int)n, host);
	(void)snprintf(c->port, sizeof(c->port), "%s", colon + 1);
	return -1;
}

static int read_config(struct op_client *c)
{
	char place[4096], line[1024];
	struct ch_yaml_error e;
	CH_AUTO_BUF struct ch_buf text = { 0 };
	const char *path = find_config(place);
	if (path == NULL)
		return CLI_USAGE;
	int code = cli_read(&text, path);
	if (code >= 0)
		return code;
	if (ch_conf_read(&c->conf, ch_buf_span(&text), keys, CH_COUNT_OF(keys), c, &e) != CH_OK) {
		ch_conf_error_put(line, sizeof(line), path, &e);
		cli_say("%s", line);
		return CLI_USAGE;
	}
	c->ca = resolve(path, c->ca, c->path[0]);
	c->certificate = resolve(path, c->certificate, c->path[1]);
	if (!op_signer_is_token(c->key))
		c->key = resolve(path, c->key, c->path[2]);
	if (c->passphrase_file != NULL)
		c->passphrase_file = resolve(path, c->passphrase_file, c->path[4]);
	if (c->log_key != NULL)
		c->log_key = resolve(path, c->log_key, c->path[3]);
	return split(c);
}

int op_client_open(struct op_client *c)
{
	int code = read_config(c);
	if (code < 0)
		code = cli_read(&c->ca_pem, c->ca);
	if (code < 0)
		code = cli_read(&c->cert_pem, c->certificate);
	if (code < 0)
		code = op_signer_open(&c->signer, c->key, c->passphrase_file);
	if (code < 0 && !op_signer_of_cert(&c->signer, ch_buf_span(&c->cert_pem))) {
		cli_say("%s: this certificate is not of the key in the token", c->certificate);
		code = CLI_IO;
	}
	return code;
}

int op_client_public(struct op_client *c)
{
	int code = read_config(c);
	if (code >= 0 || (c->public != NULL && c->log_key != NULL))
		return code;
	cli_say("the configuration has no public and log_key: name the log by its URL and --key");
	return CLI_USAGE;
}

void op_client_close(struct op_client *c)
{
	ch_net_close(c->conn);
	ch_tls_client_free(c->tls);
	op_signer_clear(&c->signer);
	ch_buf_free(&c->ca_pem);
	ch_buf_free(&c->cert_pem);
	ch_conf_clear(&c->conf);
}

/* --- asking --- */

static int connect_server(struct op_client *c)
{
	struct ch_net_why why = { "" };
	struct ch_tls_client_conf conf = { .ca_pem = ch_buf_span(&c->ca_pem), .cert_pem = ch_buf_span(&c->cert_pem) };
	const struct ch_net_target target = { .host = c->host, .port = c->port };
	if (c->conn != NULL && ch_net_usable(c->conn))
		return -1;
	ch_net_close(c->conn);
	c->conn = NULL;
	op_signer_tls(&c->signer, &conf);
	if (c->tls == NULL && ch_tls_client_new(&c->tls, &conf, &why) != CH_OK) {
		cli_say("%s, %s: %s", c->certificate, c->signer.name, why.text);
		return CLI_IO;
	}
	if (ch_net_connect(&c->conn, c->tls, &target, &why) != CH_OK) {
		cli_say("%s: %s", c->server, why.text);
		return CLI_IO;
	}
	return -1;
}

static int call(struct op_client *c, const struct ch_http_ask *ask, struct ch_http_answer *a)
{
	struct ch_net_why why = { "" };
	int code = connect_server(c);
	if (code >= 0)
		return code;
	enum ch_err err = ch_http_call(c->conn, ask, ANSWER_MAX, a, &why);
	if (err != CH_OK || a->last) {
		ch_net_close(c->conn);
		c->conn = NULL;
	}
	if (err == CH_OK)
		return -1;
	cli_say("%s: %s", c->server, why.text);
	return CLI_IO;
}

static int parse(struct op_doc *d, struct op_client *c)
{
	struct ch_diag diag;
	size_t cap = ch_json_nodes_max(d->text.n);
	d->node = ch_calloc(cap, sizeof(*d->node));
	if (ch_json_parse(&d->j, ch_buf_span(&d->text), d->node, cap, &diag) == CH_OK)
		return -1;
	cli_say("%s answered what is no JSON (status %u)", c->server, d->status);
	return CLI_IO;
}

/* {"error":{"code","rule"}} */
static int refused(const struct op_doc *d, const struct op_client *c)
{
	char code[64], rule[512];
	size_t e = op_at(d, 0, "error");
	(void)op_text(d, e, "code", code, sizeof(code));
	(void)op_text(d, e, "rule", rule, sizeof(rule));
	cli_say("%s refuses (%u %s): %s", c->server, d->status, code, rule[0] != '\0' ? rule : "no reason given");
	return CLI_FAILS;
}

static int exchange(struct op_client *c, const struct ch_http_ask *ask, struct op_doc *d)
{
	struct ch_http_answer a = { 0 };
	int code = call(c, ask, &a);
	d->status = a.status;
	d->text = a.body;
	if (code < 0)
		code = parse(d, c);
	return code < 0 && d->status >= 300 ? refused(d, c) : code;
}

int op_get(struct op_client *c, const char *target, struct op_doc *d)
{
	const struct ch_http_ask ask = {
		.method = "GET", .target = target, .host = c->server, .accept = "application/json"
	};
	return exchange(c, &ask, d);
}

int op_post(struct op_client *c, const char *target, struct ch_span body, struct op_doc *d)
{
	const struct ch_http_ask ask = { .method = "POST",
					 .target = target,
					 .host = c->server,
					 .accept = "application/json",
					 .content_type = "application/json",
					 .body = body };
	return exchange(c, &ask, d);
}

int op_put(struct op_client *c, const char *target, struct ch_span piece, struct op_doc *d)
{
	const struct ch_http_ask ask = { .method = "PUT",
					 .target = target,
					 .host = c->server,
					 .accept = "application/json",
					 .content_type = "application/octet-stream",
					 .body = piece };
	return exchange(c, &ask, d);
}

int op_get_bytes(struct op_client *c, const char *target, struct ch_buf *to)
{
	const struct ch_http_ask ask = { .method = "GET", .target = target, .host = c->server };
	struct ch_http_answer a = { 0 };
	int code = call(c, &ask, &a);
	if (code < 0 && a.status < 300) {
		*to = a.body;
		return -1;
	}
	OP_AUTO_DOC struct op_doc d = { .status = a.status, .text = a.body };
	if (code < 0)
		code = parse(&d, c);
	return code < 0 ? refused(&d, c) : code;
}

void op_doc_clear(struct op_doc *d)
{
	ch_buf_free(&d->text);
	ch_free(d->node);
	*d = (struct op_doc){ 0 };
}

int op_print_json(const struct op_doc *d)
{
	struct ch_wr *w = cli_out();
	struct ch_json_wr j = ch_json_wr(w, true);
	ch_json_put_value(&j, &d->j, 0);
	ch_wr_str(w, "\n");
	return cli_out_end(CLI_HOLDS);
}

/* --- reading --- */

size_t op_at(const struct op_doc *d, size_t object, const char *name)
{
	size_t v;
	return ch_json_member(&d->j, object, name, &v) == CH_OK ? v : CH_JSON_NONE;
}

const char *op_text(const struct op_doc *d, size_t object, const char *name, char *to, size_t cap)
{
	size_t v = op_at(d, object, name);
	struct ch_wr w = ch_wr(to, cap - 1);
	if (v != CH_JSON_NONE && ch_json_type(&d->j, v) == CH_JSON_STRING) {
		struct ch_rd raw = ch_rd(ch_json_raw(&d->j, v));
		uint32_t c;
		/* A NUL would end the text here and hide the rest. */
		while (!w.bad && ch_json_char(&raw, &c))
			ch_utf8_put(&w, c != 0 ? c : 0xfffd);
	}
	to[w.len] = '\0';
	return to;
}

uint64_t op_number(const struct op_doc *d, size_t object, const char *name)
{
	uint64_t v;
	size_t at = op_at(d, object, name);
	return at != CH_JSON_NONE && ch_json_u64(&d->j, at, &v) == CH_OK ? v : 0;
}

bool op_true(const struct op_doc *d, size_t object, const char *name)
{
	size_t v = op_at(d, object, name);
	return v != CH_JSON_NONE && ch_json_type(&d->j, v) == CH_JSON_TRUE;
}

bool op_null(const struct op_doc *d, size_t object, const char *name)
{
	size_t v = op_at(d, object, name);
	return v == CH_JSON_NONE || ch_json_type(&d->j, v) == CH_JSON_NULL;
}

/* --- a device by any of its names --- */

static int ambiguous(const char *name)
{
	cli_say("'%s' names more than one device: give its whole id", name);
	return CLI_FAILS;
}

int op_find_device(struct op_client *c, const char *name, char id[static 33])
{
	char target[128] = "/api/v1/devices?limit=500", found[40], hostname[256];
	uint64_t next = 0;
	id[0] = '\0';
	if (strlen(name) == 32 && strspn(name, "0123456789abcdef") == 32) {
		(void)snprintf(id, 33, "%s", name);
		return -1;
	}
	do {
		OP_AUTO_DOC struct op_doc d = { 0 };
		int code = op_get(c, target, &d);
		if (code >= 0)
			return code;
		size_t list = op_at(&d, 0, "devices");
		for (size_t i = ch_json_first(&d.j, list); i != CH_JSON_NONE; i = ch_json_next(&d.j, list, i)) {
			(void)op_text(&d, i, "device", found, sizeof(found));
			(void)op_text(&d, i, "hostname", hostname, sizeof(hostname));
			bool match = strcmp(hostname, name) == 0 ||
				     (strlen(name) >= 4 && strncmp(found, name, strlen(name)) == 0);
			if (match && id[0] != '\0')
				return ambiguous(name);
			if (match)
				(void)snprintf(id, 33, "%.32s", found);
		}
		next = op_number(&d, 0, "next");
		(void)snprintf(target, sizeof(target), "/api/v1/devices?limit=500&after=%llu",
			       (unsigned long long)next);
	} while (next != 0);
	if (id[0] != '\0')
		return -1;
	cli_say("no device is called '%s': give its id, four digits or more of its beginning, or its host name", name);
	return CLI_FAILS;
}
