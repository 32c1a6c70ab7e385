/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fleet_root.h"
#include "cli/operator/client.h"
#include "cli/operator/note_sign.h"
#include "cli/operator/op.h"

#include "host/crypto_openssl/backend.h"

#include <stdio.h>
#include <time.h>

/* chainhold fleet-root sign: adds one signature, offline. publish: an administrator's action. */

#define DAY 86400u

struct ask {
	const char *key, *passphrase, *previous, *path;
};

struct docs {
	struct cli_root doc, before;
	bool has_before;
};

/* What nobody should sign, whoever asks. */
static int check(const struct docs *d, const struct ch_root_key *pub)
{
	const struct ch_fleet_root *r = &d->doc.r, *old = &d->before.r;
	bool own = ch_root_role_find(&r->root, pub->id) != NULL;
	bool known = d->has_before && ch_root_role_find(&old->root, pub->id) != NULL;
	if (d->has_before && (r->version != old->version + 1 || r->issued < old->issued)) {
		cli_say("%s: it does not follow %s: the version is not one more, or it was issued before", d->doc.path,
			d->before.path);
		return CLI_FAILS;
	}
	if (r->issued > (uint64_t)time(NULL) + DAY) {
		cli_say("%s: it was issued in the future: devices take that for the time", d->doc.path);
		return CLI_FAILS;
	}
	if (own || known)
		return -1;
	cli_say("%s: the key is none of its root role%s", d->doc.path,
		d->has_before ? ", nor of the version before"
			      : ": name the version before with --previous, if it is one of its keys");
	return CLI_FAILS;
}

static int sign(const struct docs *d, struct op_signer *key, const struct ch_root_key *pub)
{
	int code = check(d, pub);
	if (code >= 0)
		return code;
	struct ch_wr *out = cli_out();
	ch_wr_str(out, "You sign:\n");
	cli_root_show(out, &d->doc.r);
	code = op_note_sign(key, pub, d->doc.path, ch_buf_span(&d->doc.file), &d->doc.r.note);
	return code < 0 ? cli_out_end(CLI_HOLDS) : code;
}

static int run(const struct ask *a)
{
	static struct docs d;
	struct op_signer key = { .name = a->key };
	struct ch_root_key pub;
	d.doc.path = a->path;
	d.before.path = a->previous;
	d.has_before = a->previous != NULL;
	if (a->key == NULL) {
		cli_say("name your key of the root role with --key");
		return CLI_USAGE;
	}
	if (ch_crypto_openssl_init() != CH_OK) {
		cli_say("OpenSSL does not offer the algorithms that are needed");
		return CLI_IO;
	}
	int code = cli_read(&d.doc.file, a->path);
	if (code < 0)
		code = cli_root_parse(&d.doc);
	if (code < 0 && d.has_before) {
		code = cli_read(&d.before.file, a->previous);
		if (code < 0)
			code = cli_root_parse(&d.before);
	}
	if (code < 0) {
		code = op_signer_open(&key, a->key, a->passphrase);
		if (code < 0)
			code = op_note_key(&key, &pub);
		if (code < 0)
			code = sign(&d, &key, &pub);
		op_signer_clear(&key);
	}
	ch_buf_free(&d.doc.file);
	ch_buf_free(&d.before.file);
	return code;
}

int cmd_fleet_root_sign(int argc, char **argv)
{
	struct ask a = { .path = "" };
	const struct cli_opt opt[] = {
		{ "key", "KEY", "your key of the root role: a file (PEM), or a PKCS #11 URI", CLI_VALUE, &a.key },
		{ "passphrase", "FILE", "a file with the passphrase of an encrypted key (asked for)", CLI_VALUE,
		  &a.passphrase },
		{ "previous", "FILE", "the version before, if your key is one of its root role", CLI_VALUE,
		  &a.previous },
	};
	const struct cli_usage u = {
		.args = "--key KEY [--passphrase FILE] [--previous FILE] FILE",
		.about = "Shows a fleet root, and adds your signature to it. Needs no server and no network.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &a.path,
		.file_min = 1,
		.file_max = 1,
	};
	int code = cli_parse(&u, argc, argv, NULL);
	return code < 0 ? run(&a) : code;
}

/* --- publish --- */

/* One that has expired is a step to a later one, and nothing else. */
static int check_current(const struct cli_root *doc, bool expired)
{
	struct ch_diag d;
	if (expired || ch_fleet_root_current(&doc->r, (uint64_t)time(NULL), &d) == CH_OK)
		return -1;
	cli_say("%s: it has expired: devices would trust nobody. As a step to a later version it is published with --expired",
		doc->path);
	return CLI_FAILS;
}

static int publish(const char *path, bool expired, const struct op_act *a)
{
	static struct cli_root doc;
	char version[24];
	struct op_act act = *a;
	OP_AUTO_CLIENT struct op_client c = { 0 };
	doc.path = path;
	int code = cli_read(&doc.file, path);
	if (code < 0)
		code = cli_root_parse(&doc);
	if (code < 0)
		code = check_current(&doc, expired);
	if (code < 0) {
		(void)snprintf(version, sizeof(version), "%llu", (unsigned long long)doc.r.version);
		act.subject = version;
		act.payload = ch_buf_span(&doc.file);
		code = op_client_open(&c);
	}
	if (code < 0)
		code = op_act(&c, &act, NULL);
	ch_buf_free(&doc.file);
	return code;
}

static int cmd_fleet_root_publish(int argc, char **argv)
{
	struct op_act a = { .verb = CH_VERB_FLEET_ROOT_PUBLISH };
	const char *path = "";
	bool expired = false;
	const struct cli_opt opt[] = {
		{ "expired", NULL, "publish it although it has expired: as a step to a later version", CLI_FLAG,
		  &expired },
		{ "reason", "TEXT", "why: it is signed and logged", CLI_VALUE, &a.reason },
		{ "json", NULL, "print the answer as the server sent it", CLI_FLAG, &a.json },
	};
	const struct cli_usage u = {
		.args = "--reason TEXT [--expired] [--json] FILE",
		.about = "Gives a fleet root that has its signatures to the server, which stores, logs and serves it.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &path,
		.file_min = 1,
		.file_max = 1,
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (a.reason == NULL)
		a.reason = "";
	return code < 0 ? publish(path, expired, &a) : code;
}

static const struct cli_cmd fleet_root_command[] = {
	{ "create", "make a fleet root", cmd_fleet_root_create },
	{ "sign", "add your signature", cmd_fleet_root_sign },
	{ "verify", "walk from one version to another", cmd_fleet_root_verify },
	{ "show", "show a fleet root", cmd_fleet_root_show },
	{ "publish", "give it to the server", cmd_fleet_root_publish },
};

int cmd_fleet_root(int argc, char **argv)
{
	return cli_dispatch("The fleet root: the document, in versions, that says whom a fleet trusts.",
			    fleet_root_command, CH_COUNT_OF(fleet_root_command), argc, argv);
}
