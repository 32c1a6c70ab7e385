/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/release.h"
#include "cli/fleet_root.h"
#include "cli/operator/note_sign.h"
#include "cli/operator/op.h"

#include <string.h>
#include <time.h>

/* chainhold release sign: adds one signature, on a machine that need not know any server. */

#define DAY 86400u

struct ask {
	const char *key, *passphrase, *root;
};

/* The role that the release names; NULL if the fleet root does not have it. */
static const struct ch_root_role *role_of(const struct ch_fleet_root *root, const struct ch_release *r)
{
	for (size_t i = 0; i < root->release_count; i++) {
		if (ch_span_eq(root->release[i].name, r->role))
			return &root->release[i];
	}
	return NULL;
}

/* What nobody should sign, whoever asks. */
static int check(const struct cli_release *c, const struct cli_root *root, const struct ch_root_key *pub)
{
	uint64_t now = (uint64_t)time(NULL);
	if (c->r.issued > now + DAY) {
		cli_say("%s: it was issued in the future", c->path);
		return CLI_FAILS;
	}
	if (c->r.expires <= now) {
		cli_say("%s: it has expired: no device would take it", c->path);
		return CLI_FAILS;
	}
	if (root == NULL)
		return -1;
	const struct ch_root_role *role = role_of(&root->r, &c->r);
	if (role != NULL && ch_root_role_find(role, pub->id) != NULL)
		return -1;
	cli_say(role == NULL ? "%s: %s has no such role" : "%s: the key is none of its role in %s", c->path,
		root->path);
	return CLI_FAILS;
}

static int sign(struct cli_release *c, const struct cli_root *root, struct op_signer *key)
{
	struct ch_root_key pub;
	int code = op_note_key(key, &pub);
	if (code < 0)
		code = check(c, root, &pub);
	if (code >= 0)
		return code;
	struct ch_wr *out = cli_out();
	ch_wr_str(out, "You sign:\n");
	cli_release_show(out, c);
	code = op_note_sign(key, &pub, c->path, ch_buf_span(&c->file), &c->r.note);
	return code < 0 ? cli_out_end(CLI_HOLDS) : code;
}

static int run(struct cli_release *c, const struct ask *a)
{
	static struct cli_root root;
	struct op_signer key = { .name = a->key };
	if (a->key == NULL) {
		cli_say("name your key of the release's role with --key");
		return CLI_USAGE;
	}
	root.path = a->root;
	int code = op_signer_open(&key, a->key, a->passphrase);
	if (code < 0)
		code = cli_read(&c->file, c->path);
	if (code < 0)
		code = cli_release_parse(c);
	if (code < 0 && a->root != NULL) {
		code = cli_read(&root.file, a->root);
		if (code < 0)
			code = cli_root_parse(&root);
	}
	if (code < 0)
		code = sign(c, a->root != NULL ? &root : NULL, &key);
	op_signer_clear(&key);
	ch_buf_free(&root.file);
	ch_buf_free(&c->file);
	return code;
}

static int cmd_release_sign(int argc, char **argv)
{
	static struct cli_release c;
	struct ask a = { 0 };
	const struct cli_opt opt[] = {
		{ "key", "KEY", "your key of the release's role: a file (PEM), or a PKCS #11 URI", CLI_VALUE, &a.key },
		{ "passphrase", "FILE", "a file with the passphrase of an encrypted key (asked for)", CLI_VALUE,
		  &a.passphrase },
		{ "fleet-root", "FILE", "the fleet root: a key that is none of the role's does not sign", CLI_VALUE,
		  &a.root },
	};
	const struct cli_usage u = {
		.args = "--key KEY [--passphrase FILE] [--fleet-root FILE] RELEASE",
		.about = "Shows a release, and adds your signature to it. Needs no server and no network.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &c.path,
		.file_min = 1,
		.file_max = 1,
	};
	int code = cli_parse(&u, argc, argv, NULL);
	return code < 0 ? run(&c, &a) : code;
}

/* create, verify, diff and show are chainhold's, which has no key; it hands on the rest. */
static const struct cli_cmd release_command[] = {
	{ "sign", "add your signature", cmd_release_sign },
	{ "publish", "give it to the server", cmd_release_publish },
	{ "upload", "give an artefact to the server", cmd_release_upload },
	{ "list", "releases that were published", cmd_release_list },
	{ "withdraw", "offer it to nobody any more", cmd_release_withdraw },
};

int cmd_release(int argc, char **argv)
{
	return cli_dispatch("Releases: what devices are to run, signed offline, and what it will measure.",
			    release_command, CH_COUNT_OF(release_command), argc, argv);
}
