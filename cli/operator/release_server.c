/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/client.h"
#include "cli/operator/op.h"
#include "cli/release.h"

#include "core/base/text.h"
#include "host/crypto_openssl/backend.h"

#include <stdio.h>
#include <time.h>

/* Releases at the server: published, listed, withdrawn. What is published was signed offline (release.c). */

/* The 64 digits by which the server knows a release; false if it is another text. */
static bool is_digest(const char *text)
{
	uint8_t sha256[32];
	return ch_hex_decode(sha256, sizeof(sha256), ch_span_str(text)) == CH_OK;
}

static int publish(const char *path, const struct op_act *a)
{
	static struct cli_release c;
	char subject[65];
	struct ch_digest h;
	struct op_act act = *a;
	OP_AUTO_CLIENT struct op_client client = { 0 };
	c.path = path;
	int code = cli_read(&c.file, path);
	if (code < 0 &&
	    (ch_crypto_openssl_init() != CH_OK || ch_hash_once(CH_HASH_SHA256, ch_buf_span(&c.file), &h) != CH_OK)) {
		cli_say("no SHA-256");
		code = CLI_IO;
	}
	if (code < 0)
		code = cli_release_parse(&c);
	if (code < 0) {
		struct ch_wr w = ch_wr(subject, sizeof(subject) - 1);
		ch_wr_hex(&w, ch_digest_span(&h));
		subject[w.len] = '\0';
		act.subject = subject;
		act.payload = ch_buf_span(&c.file);
		code = op_client_open(&client);
	}
	if (code < 0)
		code = op_act(&client, &act, NULL);
	ch_buf_free(&c.file);
	return code;
}

int cmd_release_publish(int argc, char **argv)
{
	struct op_act a = { .verb = CH_VERB_RELEASE_PUBLISH };
	const char *path = "";
	const struct cli_opt opt[] = {
		{ "reason", "TEXT", "why: it is signed and logged", CLI_VALUE, &a.reason },
		{ "json", NULL, "print the answer as the server sent it", CLI_FLAG, &a.json },
	};
	const struct cli_usage u = {
		.args = "--reason TEXT [--json] RELEASE",
		.about =
			"Gives a release that has its signatures to the server, which judges it by the fleet root, logs it, and takes\n"
			"its reference values into what devices of its classes are judged by.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &path,
		.file_min = 1,
		.file_max = 1,
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (a.reason == NULL)
		a.reason = "";
	return code < 0 ? publish(path, &a) : code;
}

int cmd_release_withdraw(int argc, char **argv)
{
	struct op_act a = { .verb = CH_VERB_RELEASE_WITHDRAW };
	OP_AUTO_CLIENT struct op_client c = { 0 };
	const struct cli_opt opt[] = {
		{ "reason", "TEXT", "why: it is signed and logged", CLI_VALUE, &a.reason },
		{ "json", NULL, "print the answer as the server sent it", CLI_FLAG, &a.json },
	};
	const struct cli_usage u = {
		.args = "--reason TEXT [--json] SHA256",
		.about =
			"Offers a release to nobody any more, and cancels what is offered of it and not yet installed. Devices that run it\n"
			"stay explained by it until its reference values are retired: chainhold baseline retire.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &a.subject,
		.file_min = 1,
		.file_max = 1,
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (code >= 0)
		return code;
	if (a.reason == NULL)
		a.reason = "";
	if (!is_digest(a.subject)) {
		cli_say("'%s' is not the SHA-256 of a release: chainhold release list", a.subject);
		return CLI_USAGE;
	}
	code = op_client_open(&c);
	return code < 0 ? op_act(&c, &a, NULL) : code;
}

/* "3 proven, 1 offered" */
static void put_deployments(const struct op_doc *d, size_t release, char *to, size_t cap)
{
	static const char *const state[] = { "proven",    "not-proven",  "fell-back", "refused",
					     "installed", "downloading", "offered",   "cancelled" };
	struct ch_wr w = ch_wr(to, cap - 1);
	size_t all = op_at(d, release, "deployments");
	for (size_t i = 0; i < CH_COUNT_OF(state); i++) {
		uint64_t n = op_number(d, all, state[i]);
		if (n == 0)
			continue;
		ch_wr_str(&w, w.len > 0 ? ", " : "");
		ch_wr_dec(&w, n);
		ch_wr_str(&w, " ");
		ch_wr_str(&w, state[i]);
	}
	to[w.len] = '\0';
}

/* "2 of 3": artefacts that the server has whole. */
static void put_artifacts(const struct op_doc *d, size_t release, char *to, size_t cap)
{
	struct ch_wr w = ch_wr(to, cap - 1);
	uint64_t all = 0, whole = 0;
	size_t list = op_at(d, release, "artifacts");
	for (size_t i = ch_json_first(&d->j, list); i != CH_JSON_NONE; i = ch_json_next(&d->j, list, i)) {
		all++;
		whole += op_true(d, i, "complete");
	}
	ch_wr_dec(&w, whole);
	ch_wr_str(&w, " of ");
	ch_wr_dec(&w, all);
	to[w.len] = '\0';
}

static int list_page(const struct op_doc *d)
{
	struct op_table t = { .columns = 8,
			      .head = { "NAME", "VERSION", "SEQUENCE", "PUBLISHED", "ARTEFACTS", "STATE", "DEVICES",
					"SHA256" } };
	uint64_t now = (uint64_t)time(NULL);
	size_t list = op_at(d, 0, "releases");
	for (size_t i = ch_json_first(&d->j, list); i != CH_JSON_NONE; i = ch_json_next(&d->j, list, i)) {
		char text[256];
		op_cell(&t, op_text(d, i, "name", text, sizeof(text)));
		op_cell(&t, op_text(d, i, "version", text, sizeof(text)));
		(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)op_number(d, i, "sequence"));
		op_cell(&t, text);
		struct ch_wr w = ch_wr(text, sizeof(text) - 1);
		op_ago_put(&w, op_number(d, i, "published"), now);
		text[w.len] = '\0';
		op_cell(&t, text);
		put_artifacts(d, i, text, sizeof(text));
		op_cell(&t, text);
		op_cell(&t, !op_null(d, i, "withdrawn")         ? "withdrawn"
			    : op_number(d, i, "expires") <= now ? "expired"
								: "published");
		put_deployments(d, i, text, sizeof(text));
		op_cell(&t, text);
		op_cell(&t, op_text(d, i, "sha256", text, sizeof(text)));
	}
	op_table_end(&t, cli_out());
	return cli_out_end(CLI_HOLDS);
}

int cmd_release_list(int argc, char **argv)
{
	bool json = false;
	const struct cli_opt opt[] = { { "json", NULL, "print the document as the server sent it", CLI_FLAG, &json } };
	const struct cli_usage u = { .args = "[--json]",
				     .about = "Lists the releases that were published, the newest first.",
				     .opt = opt,
				     .opt_count = CH_COUNT_OF(opt) };
	OP_AUTO_CLIENT struct op_client c = { 0 };
	OP_AUTO_DOC struct op_doc d = { 0 };
	int code = cli_parse(&u, argc, argv, NULL);
	if (code < 0)
		code = op_client_open(&c);
	if (code < 0)
		code = op_get(&c, "/api/v1/releases", &d);
	if (code >= 0)
		return code;
	return json ? op_print_json(&d) : list_page(&d);
}
