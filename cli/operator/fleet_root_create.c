/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fleet_root.h"
#include "cli/operator/files.h"
#include "cli/operator/op.h"

#include "core/base/text.h"
#include "core/platform/x509.h"
#include "core/trust/action.h"
#include "core/wire/base64.h"
#include "host/crypto_openssl/backend.h"
#include "host/crypto_openssl/pubkey.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* chainhold fleet-root create: a document from its parts, or from the version before it with some of them changed. Nothing is signed. */

#define DAY          86400u
#define DAYS_DEFAULT 365
#define DAYS_MAX     36500
#define NONE         "none" /* alone in a list: nothing of it stays */

struct ask {
	const char *from, *threshold, *days, *agent, *out;
	struct cli_values root, release, anchor, log, ear, server;
};

/* What spans of the document point into. */
struct room {
	struct cli_root before;
	uint8_t anchor[CH_ROOT_ANCHORS_MAX][CH_ROOT_ANCHOR_MAX * 4 / 3 + 8];
	char log[CH_ROOT_LOGS_MAX][CH_NOTE_KEY_TEXT_MAX + 1];
	char name[CH_ROOT_RELEASES_MAX][CH_NAME_MAX + 1];
};

static bool number(const char *text, uint64_t max, uint64_t *v)
{
	return cli_number(text, max, v) && *v >= 1;
}

static int too_many(const char *what, size_t max)
{
	cli_say("more than %zu of %s", max, what);
	return CLI_USAGE;
}

/* A list of the command line takes the place of the one before it. True if there is one; `*count` is 0 then. */
static bool replaces(const struct cli_values *v, size_t *count)
{
	if (v->count == 0)
		return false;
	*count = 0;
	return true;
}

static bool is_none(const struct cli_values *v)
{
	return v->count == 1 && strcmp(v->v[0], NONE) == 0;
}

static int take_key(const char *path, struct ch_root_key *k)
{
	struct ch_pubkey pub;
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	int code = cli_read(&pem, path);
	if (code >= 0)
		return code;
	if (ch_pubkey_from_pem(&pub, ch_buf_span(&pem)) == CH_OK && ch_root_key_make(k, &pub.pub) == CH_OK)
		return -1;
	cli_say("%s: no public key (PEM) of P-256 or Ed25519", path);
	return CLI_FAILS;
}

static int take_keys(const struct cli_values *v, struct ch_root_key *key, size_t max, size_t *count, const char *what)
{
	if (!replaces(v, count) || is_none(v))
		return -1;
	if (v->count > max)
		return too_many(what, max);
	int code = -1;
	for (size_t i = 0; code < 0 && i < v->count; i++)
		code = take_key(v->v[i], &key[(*count)++]);
	return code;
}

/* What stands before `end` (NUL: all of it), as a string. False if it is empty, or does not fit. */
static bool take_part(struct ch_span *rest, char end, char *to, size_t cap)
{
	size_t n = 0;
	while (n < rest->n && (end == '\0' || rest->p[n] != (uint8_t)end))
		n++;
	if (n == 0 || n >= cap || (end != '\0' && n == rest->n))
		return false;
	to[ch_span_copy(to, cap - 1, ch_span_sub(*rest, 0, n))] = '\0';
	*rest = ch_span_sub(*rest, n < rest->n ? n + 1 : n, rest->n - (n < rest->n ? n + 1 : n));
	return true;
}

/* NAME:THRESHOLD:FILE[,FILE…] */
static int take_release(const char *text, struct ch_root_role *role, char name[static CH_NAME_MAX + 1])
{
	char number_text[16] = "", files[4096];
	struct cli_values v = { 0 };
	struct ch_span rest = ch_span_str(text);
	*role = (struct ch_root_role){ .threshold = 0 };
	if (!take_part(&rest, ':', name, CH_NAME_MAX + 1) || !take_part(&rest, ':', number_text, sizeof(number_text)) ||
	    !take_part(&rest, '\0', files, sizeof(files)) || !number(number_text, CH_ROOT_KEYS_MAX, &role->threshold)) {
		cli_say("--release is NAME:THRESHOLD:FILE[,FILE…], a threshold of 1 to %d", CH_ROOT_KEYS_MAX);
		return CLI_USAGE;
	}
	role->name = ch_span_str(name);
	for (char *at = files; at != NULL && v.count < CLI_VALUES_MAX;) {
		v.v[v.count++] = at;
		at = strchr(at, ',');
		if (at != NULL)
			*at++ = '\0';
	}
	return take_keys(&v, role->key, CH_ROOT_KEYS_MAX, &role->count, "keys of a release role");
}

static int take_releases(struct ch_fleet_root *r, const struct ask *a, struct room *room)
{
	if (!replaces(&a->release, &r->release_count) || is_none(&a->release))
		return -1;
	if (a->release.count > CH_ROOT_RELEASES_MAX)
		return too_many("release roles", CH_ROOT_RELEASES_MAX);
	int code = -1;
	for (size_t i = 0; code < 0 && i < a->release.count; i++, r->release_count++)
		code = take_release(a->release.v[i], &r->release[i], room->name[i]);
	return code;
}

/* Every certificate of a PEM file. */
static int take_anchor_file(struct ch_fleet_root *r, const char *path, struct room *room)
{
	uint8_t der[CH_ROOT_ANCHOR_MAX];
	size_t off = 0, n = 0, found = 0;
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	int code = cli_read(&pem, path);
	if (code >= 0)
		return code;
	enum ch_err err;
	while ((err = ch_pem_next(ch_buf_span(&pem), &off, "CERTIFICATE", der, sizeof(der), &n, NULL)) == CH_OK) {
		struct ch_x509 cert;
		if (r->anchor_count == CH_ROOT_ANCHORS_MAX)
			return too_many("anchors", CH_ROOT_ANCHORS_MAX);
		if (ch_x509_parse(&cert, ch_span(der, n), NULL) != CH_OK || !cert.ca) {
			cli_say("%s: a certificate in it is none of a CA", path);
			return CLI_FAILS;
		}
		uint8_t *text = room->anchor[r->anchor_count];
		struct ch_wr w = ch_wr(text, sizeof(room->anchor[0]));
		ch_base64_put(&w, CH_BASE64_STD, ch_span(der, n));
		r->anchor[r->anchor_count++] = ch_wr_span(&w);
		found++;
	}
	if (err == CH_ERR_NOTFOUND && found > 0)
		return -1;
	cli_say("%s: %s", path,
		err == CH_ERR_NOTFOUND ? "no certificate (PEM)"
				       : "a certificate that cannot be read, or is larger than 3072 bytes");
	return CLI_FAILS;
}

static int take_anchors(struct ch_fleet_root *r, const struct ask *a, struct room *room)
{
	int code = -1;
	if (!replaces(&a->anchor, &r->anchor_count))
		return -1;
	for (size_t i = 0; code < 0 && i < a->anchor.count; i++)
		code = take_anchor_file(r, a->anchor.v[i], room);
	return code;
}

/* The text of a log's key, or a file that holds it: as `inspect proof --key` takes it. */
static int take_log(const char *text, struct ch_note_key *k, char room[static CH_NOTE_KEY_TEXT_MAX + 1])
{
	struct ch_diag d;
	CH_AUTO_BUF struct ch_buf file = { 0 };
	struct ch_span s = ch_span_str(text);
	bool path = text[0] == '.' || text[0] == '/' || strchr(text, '+') == NULL;
	int code = path ? cli_read(&file, text) : -1;
	if (code >= 0)
		return code;
	if (path)
		s = ch_buf_span(&file);
	while (s.n > 0 && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
		s.n--;
	size_t n = ch_span_copy(room, CH_NOTE_KEY_TEXT_MAX, s);
	enum ch_err err =
		n == s.n ? ch_note_key_parse(k, ch_span(room, n), &d) : ch_fail(&d, CH_ERR_LIMIT, 0, "too long");
	return err == CH_OK ? -1 : cli_refused(text, NULL, err, &d);
}

static int take_logs(struct ch_fleet_root *r, const struct ask *a, struct room *room)
{
	if (!replaces(&a->log, &r->log_count) || is_none(&a->log))
		return -1;
	if (a->log.count > CH_ROOT_LOGS_MAX)
		return too_many("logs", CH_ROOT_LOGS_MAX);
	int code = -1;
	for (size_t i = 0; code < 0 && i < a->log.count; i++, r->log_count++)
		code = take_log(a->log.v[i], &r->log[i], room->log[i]);
	return code;
}

static int take_servers(struct ch_fleet_root *r, const struct ask *a)
{
	if (!replaces(&a->server, &r->server_count))
		return -1;
	if (a->server.count > CH_ROOT_SERVERS_MAX)
		return too_many("servers", CH_ROOT_SERVERS_MAX);
	for (size_t i = 0; i < a->server.count; i++)
		r->server[r->server_count++] = ch_span_str(a->server.v[i]);
	return -1;
}

static int take_agent(struct ch_fleet_root *r, const char *text)
{
	if (text == NULL || ch_agent_version_parse(r->agent_min, ch_span_str(text)))
		return -1;
	cli_say("--agent-min is three numbers: 1.2.3");
	return CLI_USAGE;
}

static int take_rest(struct ch_fleet_root *r, const struct ask *a)
{
	uint64_t days = DAYS_DEFAULT;
	if (a->threshold != NULL && !number(a->threshold, CH_ROOT_KEYS_MAX, &r->root.threshold)) {
		cli_say("--threshold is 1 to %d", CH_ROOT_KEYS_MAX);
		return CLI_USAGE;
	}
	if (a->days != NULL && !number(a->days, DAYS_MAX, &days)) {
		cli_say("--days is 1 to %d", DAYS_MAX);
		return CLI_USAGE;
	}
	uint64_t now = (uint64_t)time(NULL);
	r->version++;
	/* A clock that is behind must not make a step that no device takes. */
	r->issued = now > r->issued ? now : r->issued;
	r->expires = r->issued + days * DAY;
	return take_agent(r, a->agent);
}

static int compose(struct ch_fleet_root *r, const struct ask *a, struct room *room)
{
	int code = -1;
	r->root.threshold = r->root.threshold != 0 ? r->root.threshold : 1;
	r->agent_min[1] = r->version == 0 ? 1 : r->agent_min[1];
	code = take_keys(&a->root, r->root.key, CH_ROOT_KEYS_MAX, &r->root.count, "root keys");
	if (code < 0)
		code = take_releases(r, a, room);
	if (code < 0)
		code = take_anchors(r, a, room);
	if (code < 0)
		code = take_logs(r, a, room);
	if (code < 0)
		code = take_keys(&a->ear, r->ear, CH_ROOT_EARS_MAX, &r->ear_count, "keys of results");
	if (code < 0)
		code = take_servers(r, a);
	return code < 0 ? take_rest(r, a) : code;
}

/* Written, and read again by the parser that devices use: what it would refuse is said here. */
static int put_file(const struct ch_fleet_root *r, const char *out)
{
	static uint8_t text[CH_NOTE_MAX];
	static struct cli_root again;
	struct ch_wr w = ch_wr(text, sizeof(text));
	if (r->root.count == 0 || r->anchor_count == 0 || r->server_count == 0) {
		cli_say("a fleet root has at least one --key, one --anchor and one --server");
		return CLI_USAGE;
	}
	if (r->root.threshold > r->root.count) {
		cli_say("the threshold is %llu, and there are %zu keys", (unsigned long long)r->root.threshold,
			r->root.count);
		return CLI_USAGE;
	}
	enum ch_err err = ch_fleet_root_put(&w, r);
	ch_wr_u8(&w, '\n');
	if (err != CH_OK || w.bad) {
		cli_say("the document cannot be written: %s", ch_err_str(err != CH_OK ? err : CH_ERR_NOSPACE));
		return CLI_FAILS;
	}
	again.path = out;
	ch_buf_append(&again.file, ch_wr_span(&w));
	int code = cli_root_parse(&again);
	if (code < 0)
		code = op_file_make(AT_FDCWD, out, OP_PUBLIC, ch_wr_span(&w));
	if (code < 0) {
		cli_root_show(cli_out(), &again.r);
		code = cli_out_end(CLI_HOLDS);
	}
	ch_buf_free(&again.file);
	return code;
}

static int create(const struct ask *a)
{
	static struct room room;
	static struct ch_fleet_root r;
	int code = -1;
	if (a->out == NULL) {
		cli_say("name the new file with --out");
		return CLI_USAGE;
	}
	if (ch_crypto_openssl_init() != CH_OK) {
		cli_say("OpenSSL does not offer the algorithms that are needed");
		return CLI_IO;
	}
	if (a->from != NULL) {
		room.before.path = a->from;
		code = cli_read(&room.before.file, a->from);
		if (code < 0)
			code = cli_root_parse(&room.before);
		r = room.before.r;
	}
	if (code < 0)
		code = compose(&r, a, &room);
	if (code < 0)
		code = put_file(&r, a->out);
	ch_buf_free(&room.before.file);
	return code;
}

int cmd_fleet_root_create(int argc, char **argv)
{
	static struct ask a;
	const struct cli_opt opt[] = {
		{ "from", "FILE", "the version before: what is not named here stays as it is there", CLI_VALUE,
		  &a.from },
		{ "key", "FILE", "public key (PEM) of the root role; may be repeated", CLI_VALUES, &a.root },
		{ "threshold", "N", "how many of them must sign (1)", CLI_VALUE, &a.threshold },
		{ "anchor", "FILE", "CA certificates (PEM) that may vouch for servers; may be repeated", CLI_VALUES,
		  &a.anchor },
		{ "server", "PLACE", "host:port of a server; may be repeated", CLI_VALUES, &a.server },
		{ "log", "KEY", "a log's key, or its file; may be repeated; none: no log", CLI_VALUES, &a.log },
		{ "ear", "FILE", "public key (PEM) of results; may be repeated; none: no key", CLI_VALUES, &a.ear },
		{ "release", "ROLE", "NAME:THRESHOLD:FILE,FILE…; may be repeated; none: no role", CLI_VALUES,
		  &a.release },
		{ "agent-min", "VERSION", "the oldest agent that may work (0.1.0)", CLI_VALUE, &a.agent },
		{ "days", "N", "how long it is valid (365)", CLI_VALUE, &a.days },
		{ "out", "FILE", "the new file", CLI_VALUE, &a.out },
	};
	const struct cli_usage u = {
		.args = "[--from FILE] [--key FILE]… [--threshold N] [--anchor FILE]… [--server PLACE]… --out FILE",
		.about =
			"Makes a fleet root: the first, or with --from the version after another. It is not signed yet. A list\n"
			"that is named takes the place of the whole list before. Needs no server and no network.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
	};
	int code = cli_parse(&u, argc, argv, NULL);
	return code < 0 ? create(&a) : code;
}
