/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/client.h"
#include "cli/operator/files.h"
#include "cli/operator/op.h"

#include "core/base/text.h"
#include "core/platform/spki.h"
#include "core/wire/base64.h"
#include "host/crypto_openssl/backend.h"
#include "host/crypto_openssl/sign.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* Operators, their actions, tokens and endorsement keys. */

/* Options that every decision has. */
#define DECIDE_OPTIONS(a)                                                                    \
	{ "reason", "TEXT", "why: it is signed and logged", CLI_VALUE, &(a)->reason },       \
	{                                                                                    \
		"json", NULL, "print the answer as the server sent it", CLI_FLAG, &(a)->json \
	}

static int send_action(struct op_act *a, struct op_doc *d)
{
	OP_AUTO_CLIENT struct op_client c = { 0 };
	if (a->reason == NULL)
		a->reason = "";
	int code = op_client_open(&c);
	return code < 0 ? op_act(&c, a, d) : code;
}

/* A page that is a list: shown by `page`, or printed as it came. */
static int list_page(int argc, char **argv, const char *about, const char *target, int (*page)(const struct op_doc *d))
{
	bool json = false;
	const struct cli_opt opt[] = { { "json", NULL, "print the document as the server sent it", CLI_FLAG, &json } };
	const struct cli_usage u = { .args = "[--json]", .about = about, .opt = opt, .opt_count = CH_COUNT_OF(opt) };
	int code = cli_parse(&u, argc, argv, NULL);
	if (code >= 0)
		return code;
	OP_AUTO_CLIENT struct op_client c = { 0 };
	OP_AUTO_DOC struct op_doc d = { 0 };
	code = op_client_open(&c);
	if (code < 0)
		code = op_get(&c, target, &d);
	if (code >= 0)
		return code;
	return json ? op_print_json(&d) : page(&d);
}

/* Adds the named members (NULL ends them) of every element of a list as cells; a name with "@" is a time. */
static int table(const struct op_doc *d, const char *list_name, struct op_table *t, const char *const *name)
{
	size_t list = op_at(d, 0, list_name);
	uint64_t now = (uint64_t)time(NULL);
	for (size_t i = ch_json_first(&d->j, list); i != CH_JSON_NONE; i = ch_json_next(&d->j, list, i)) {
		for (size_t k = 0; k < t->columns && name[k] != NULL; k++) {
			char text[512] = "";
			struct ch_wr w = ch_wr(text, sizeof(text) - 1);
			size_t v = op_at(d, i, name[k][0] == '@' ? name[k] + 1 : name[k]);
			if (name[k][0] == '@')
				op_ago_put(&w, op_number(d, i, name[k] + 1), now);
			else if (v != CH_JSON_NONE && ch_json_type(&d->j, v) == CH_JSON_NUMBER)
				ch_wr_put(&w, ch_json_raw(&d->j, v));
			else
				(void)op_text(d, i, name[k], text, sizeof(text));
			op_cell(t, text);
		}
	}
	op_table_end(t, cli_out());
	return cli_out_end(CLI_HOLDS);
}

/* --- operator --- */

static int operators_page(const struct op_doc *d)
{
	struct op_table t = { .columns = 5, .head = { "NAME", "ROLE", "KEY", "SINCE", "UNTIL" } };
	static const char *const name[] = { "name", "role", "key", "@from", "@to", NULL };
	return table(d, "operators", &t, name);
}

static int cmd_operator_list(int argc, char **argv)
{
	return list_page(argc, argv, "Lists operators, past ones too.", "/api/v1/operators", operators_page);
}

/* A public key as text: openssl pkey -pubin reads it. */
static bool public_put(struct ch_wr *w, const struct ch_pub *pub)
{
	uint8_t der[CH_SPKI_MAX];
	struct ch_wr d = ch_wr(der, sizeof(der));
	if (!ch_spki_put(&d, pub))
		return false;
	ch_wr_str(w, "-----BEGIN PUBLIC KEY-----\n");
	ch_base64_put(w, CH_BASE64_STD, ch_wr_span(&d));
	ch_wr_str(w, "\n-----END PUBLIC KEY-----\n");
	return true;
}

/* A new key of an operator, and its public half for whoever adds them. */
static int cmd_operator_key(int argc, char **argv)
{
	const char *path = "";
	char public[4096];
	const struct cli_usage u = {
		.args = "FILE",
		.about = "Makes a key of your own: FILE, and FILE.pub for the administrator who adds you.",
		.file = &path,
		.file_min = 1,
		.file_max = 1
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (code >= 0)
		return code;
	struct ch_sign_key key = { 0 };
	struct ch_pubkey pub;
	uint8_t text[2 * CH_SPKI_MAX];
	struct ch_wr t = ch_wr(text, sizeof(text));
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	(void)snprintf(public, sizeof(public), "%.4000s.pub", path);
	if (ch_crypto_openssl_init() != CH_OK || ch_sign_key_make(&key, CH_KEY_P256) != CH_OK ||
	    ch_sign_key_pem(&key, &pem) != CH_OK || ch_sign_key_pub(&key, &pub) != CH_OK || !public_put(&t, &pub.pub)) {
		cli_say("OpenSSL cannot make a key");
		return CLI_IO;
	}
	code = op_file_make(AT_FDCWD, path, OP_SECRET, ch_buf_span(&pem));
	if (code < 0)
		code = op_file_make(AT_FDCWD, public, OP_PUBLIC, ch_wr_span(&t));
	ch_wipe(pem.p, pem.n);
	ch_sign_key_clear(&key);
	return code < 0 ? CLI_HOLDS : code;
}

/* The public half of a key that is there already: above all of one in a token, which no file shows. */
static int cmd_operator_public(int argc, char **argv)
{
	const char *key = "", *passphrase = NULL;
	const struct cli_opt opt[] = {
		{ "passphrase-file", "FILE", "holds the passphrase of an encrypted key file", CLI_VALUE, &passphrase },
	};
	const struct cli_usage u = {
		.args = "[--passphrase-file FILE] KEY",
		.about =
			"Prints the public half of a key for the administrator who adds you. KEY is a file, or the PKCS #11 URI\n"
			"of a key in a token: 'pkcs11:token=NAME;object=NAME?module-path=/PATH/OF/MODULE.so'",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &key,
		.file_min = 1,
		.file_max = 1
	};
	struct op_signer signer = { 0 };
	struct ch_pubkey pub;
	int code = cli_parse(&u, argc, argv, NULL);
	if (code >= 0)
		return code;
	code = op_signer_open(&signer, key, passphrase);
	if (code < 0)
		code = op_signer_pub(&signer, &pub);
	op_signer_clear(&signer);
	if (code >= 0)
		return code;
	struct ch_wr *w = cli_out();
	return cli_out_end(public_put(w, &pub.pub) ? CLI_HOLDS : CLI_FAILS);
}

/* role ‖ SubjectPublicKeyInfo */
static int operator_payload(const char *role_name, const char *key_path, struct ch_buf *payload)
{
	enum ch_operator_role role;
	struct ch_pubkey pub;
	uint8_t der[CH_SPKI_MAX];
	struct ch_wr w = ch_wr(der, sizeof(der));
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	if (role_name == NULL || ch_operator_role_by_name(ch_span_str(role_name), &role) != CH_OK) {
		cli_say("name a role with --role: viewer, operator, releaser, auditor or admin");
		return CLI_USAGE;
	}
	if (key_path == NULL) {
		cli_say("name the operator's public key with --key (they make it: chainhold operator key)");
		return CLI_USAGE;
	}
	int code = cli_read(&pem, key_path);
	if (code >= 0)
		return code;
	if (ch_crypto_openssl_init() != CH_OK || ch_pubkey_from_pem(&pub, ch_buf_span(&pem)) != CH_OK ||
	    (pub.pub.type != CH_KEY_P256 && pub.pub.type != CH_KEY_ED25519) || !ch_spki_put(&w, &pub.pub)) {
		cli_say("%s: no public key (PEM) of P-256 or Ed25519", key_path);
		return CLI_FAILS;
	}
	const uint8_t byte = (uint8_t)role;
	ch_buf_append(payload, ch_span(&byte, 1));
	ch_buf_append(payload, ch_wr_span(&w));
	return -1;
}

static int cmd_operator_add(int argc, char **argv)
{
	struct op_act a = { .verb = CH_VERB_OPERATOR_ADD };
	const char *role = NULL, *key = NULL, *out = NULL;
	const struct cli_opt opt[] = {
		{ "role", "ROLE", "viewer, operator, releaser, auditor or admin", CLI_VALUE, &role },
		{ "key", "FILE", "the operator's public key (PEM)", CLI_VALUE, &key },
		{ "out", "FILE", "where the certificate goes (NAME.crt)", CLI_VALUE, &out },
		DECIDE_OPTIONS(&a),
	};
	const struct cli_usage u = {
		.args = "--role ROLE --key FILE --reason TEXT [--out FILE] [--json] NAME",
		.about = "Adds an operator: their certificate is issued for the key that they made themselves.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &a.subject,
		.file_min = 1,
		.file_max = 1
	};
	CH_AUTO_BUF struct ch_buf payload = { 0 };
	OP_AUTO_DOC struct op_doc d = { 0 };
	char file[CH_NAME_MAX + 8], pem[8192];
	int code = cli_parse(&u, argc, argv, NULL);
	if (code < 0)
		code = operator_payload(role, key, &payload);
	if (code >= 0)
		return code;
	a.payload = ch_buf_span(&payload);
	code = send_action(&a, &d);
	(void)op_text(&d, 0, "certificate", pem, sizeof(pem));
	if (code != CLI_HOLDS || pem[0] == '\0')
		return code;
	(void)snprintf(file, sizeof(file), "%.64s.crt", a.subject);
	int made = op_file_make(AT_FDCWD, out != NULL ? out : file, OP_PUBLIC, ch_span_str(pem));
	return made < 0 ? CLI_HOLDS : made;
}

static int cmd_operator_remove(int argc, char **argv)
{
	struct op_act a = { .verb = CH_VERB_OPERATOR_REMOVE };
	const struct cli_opt opt[] = { DECIDE_OPTIONS(&a) };
	const struct cli_usage u = { .args = "--reason TEXT [--json] NAME",
				     .about = "Removes an operator: sessions end, the key signs nothing more.",
				     .opt = opt,
				     .opt_count = CH_COUNT_OF(opt),
				     .file = &a.subject,
				     .file_min = 1,
				     .file_max = 1 };
	int code = cli_parse(&u, argc, argv, NULL);
	return code < 0 ? send_action(&a, NULL) : code;
}

static const struct cli_cmd operator_command[] = {
	{ "list", "list operators", cmd_operator_list },
	{ "key", "make a key of your own", cmd_operator_key },
	{ "public", "print the public half of a key, also of one in a token", cmd_operator_public },
	{ "add", "add an operator", cmd_operator_add },
	{ "remove", "remove an operator", cmd_operator_remove },
};

int cmd_operator(int argc, char **argv)
{
	return cli_dispatch("Operators: who may decide what.", operator_command, CH_COUNT_OF(operator_command), argc,
			    argv);
}

/* --- action --- */

static int actions_page(const struct op_doc *d)
{
	struct op_table t = { .columns = 6, .head = { "ACTION", "VERB", "SUBJECT", "STATE", "TIME", "REASON" } };
	static const char *const name[] = { "action", "verb", "subject", "state", "@time", "reason", NULL };
	return table(d, "actions", &t, name);
}

static int cmd_action_list(int argc, char **argv)
{
	return list_page(argc, argv, "Lists what operators decided, the newest first.", "/api/v1/actions",
			 actions_page);
}

static int decode(const struct op_doc *d, size_t object, const char *name, struct ch_buf *to)
{
	size_t v = op_at(d, object, name);
	struct ch_span text = CH_SPAN_EMPTY;
	if (v == CH_JSON_NONE || ch_json_type(&d->j, v) != CH_JSON_STRING)
		return -1;
	text = ch_json_raw(&d->j, v);
	to->p = ch_calloc(ch_base64_decoded_max(text.n), 1);
	to->cap = ch_base64_decoded_max(text.n);
	if (ch_base64_decode(CH_BASE64_URL, text, to->p, to->cap, &to->n, NULL) == CH_OK)
		return -1;
	cli_say("the server's document cannot be read: %s", name);
	return CLI_IO;
}

/* The action as a person must see it before they sign, and the payload must be the one that it names. */
static int check_action(struct ch_span canonical, struct ch_span payload)
{
	struct ch_action a;
	struct ch_diag diag;
	struct ch_digest h;
	if (ch_action_parse(&a, canonical, &diag) != CH_OK) {
		cli_say("the action cannot be read: %s", diag.rule);
		return CLI_FAILS;
	}
	if (a.has_payload && (ch_crypto_openssl_init() != CH_OK || ch_hash_once(CH_HASH_SHA256, payload, &h) != CH_OK ||
			      !ch_span_eq(ch_digest_span(&h), CH_SPAN_OF(a.payload)))) {
		cli_say("the payload that the server gives is not the one that was signed");
		return CLI_FAILS;
	}
	struct ch_wr *w = cli_out();
	struct ch_span class;
	ch_wr_str(w, "You sign:\n");
	ch_wr_put(w, canonical);
	if (a.verb == CH_VERB_EK_ALLOW && ch_ek_class_parse(&class, payload) == CH_OK && class.n > 0)
		ch_wr_put(w, payload);
	ch_wr_flush(w);
	return -1;
}

static int sign_found(struct op_client *c, const struct op_doc *d, size_t at, bool json)
{
	CH_AUTO_BUF struct ch_buf canonical = { 0 };
	CH_AUTO_BUF struct ch_buf payload = { 0 };
	int code = decode(d, at, "canonical", &canonical);
	if (code < 0)
		code = decode(d, at, "payload", &payload);
	if (code < 0 && !json)
		code = check_action(ch_buf_span(&canonical), ch_buf_span(&payload));
	return code < 0 ? op_act_again(c, ch_buf_span(&canonical), ch_buf_span(&payload), json) : code;
}

static int cmd_action_sign(int argc, char **argv)
{
	bool json = false;
	const char *number = "";
	const struct cli_opt opt[] = { { "json", NULL, "print the answer as the server sent it", CLI_FLAG, &json } };
	const struct cli_usage u = {
		.args = "[--json] N",
		.about = "Shows an action that waits for another operator's signature, and signs it with your key.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &number,
		.file_min = 1,
		.file_max = 1
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (code >= 0)
		return code;
	OP_AUTO_CLIENT struct op_client c = { 0 };
	OP_AUTO_DOC struct op_doc d = { 0 };
	code = op_client_open(&c);
	if (code < 0)
		code = op_get(&c, "/api/v1/actions?state=waiting&limit=500", &d);
	if (code >= 0)
		return code;
	size_t list = op_at(&d, 0, "actions");
	for (size_t i = ch_json_first(&d.j, list); i != CH_JSON_NONE; i = ch_json_next(&d.j, list, i)) {
		char text[24];
		(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)op_number(&d, i, "action"));
		if (strcmp(text, number) == 0)
			return sign_found(&c, &d, i, json);
	}
	cli_say("no action '%s' waits for a signature", number);
	return CLI_FAILS;
}

static const struct cli_cmd action_command[] = {
	{ "list", "list what operators decided", cmd_action_list },
	{ "sign", "add your signature to an action that waits", cmd_action_sign },
};

int cmd_action(int argc, char **argv)
{
	return cli_dispatch("Actions: what operators decided, and what waits for a second signature.", action_command,
			    CH_COUNT_OF(action_command), argc, argv);
}

/* --- token --- */

#define TOKEN_BYTES 24

/* SHA-256(token) ‖ u64 expires */
static int token_payload(const char *token, uint64_t expires, uint8_t to[static 40])
{
	struct ch_digest h;
	struct ch_wr w = ch_wr(to, 40);
	if (ch_crypto_openssl_init() != CH_OK || ch_hash_once(CH_HASH_SHA256, ch_span_str(token), &h) != CH_OK) {
		cli_say("no SHA-256");
		return CLI_IO;
	}
	ch_wr_put(&w, ch_digest_span(&h));
	ch_wr_be64(&w, expires);
	return -1;
}

/* It is shown once, and nowhere else: the token alone, so that a script can take it; or with the answer. */
static int show_token(const struct op_doc *d, const char *token, bool json, int code)
{
	struct ch_wr *w = cli_out();
	struct ch_json_wr j = ch_json_wr(w, true);
	if (json) {
		ch_json_object_begin(&j);
		ch_json_named_str(&j, "token", token);
		ch_json_name(&j, "answer");
		ch_json_put_value(&j, &d->j, 0);
		ch_json_object_end(&j);
	} else {
		ch_wr_str(w, token);
	}
	ch_wr_str(w, "\n");
	return cli_out_end(code);
}

static int cmd_token_create(int argc, char **argv)
{
	struct op_act a = { .verb = CH_VERB_TOKEN_CREATE };
	const char *class = NULL, *hours = NULL;
	uint8_t random[TOKEN_BYTES], payload[40];
	char token[48] = "";
	const struct cli_opt opt[] = {
		{ "class", "CLASS", "the class of the device that will use it", CLI_VALUE, &class },
		{ "hours", "N", "how long it can be used (24)", CLI_VALUE, &hours },
		DECIDE_OPTIONS(&a),
	};
	const struct cli_usage u = {
		.args = "--class CLASS --reason TEXT [--hours N] [--json]",
		.about = "Makes a one-time token by which a device without a TPM enrols, and prints it. Only its\n"
			 "digest leaves this machine. The link platform is then a warning at best.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt)
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (code >= 0)
		return code;
	uint64_t n = 0;
	for (const char *p = hours != NULL ? hours : "24"; *p >= '0' && *p <= '9' && n <= 8784; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	if (class == NULL || n == 0 || n > 8784) {
		cli_say("name the class with --class; --hours is 1 to 8784");
		return CLI_USAGE;
	}
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		cli_say("no random numbers: %s", strerror(errno));
		return CLI_IO;
	}
	struct ch_wr t = ch_wr(token, sizeof(token) - 1);
	ch_base64_put(&t, CH_BASE64_URL, CH_SPAN_OF(random));
	code = token_payload(token, (uint64_t)time(NULL) + n * 3600, payload);
	if (code >= 0)
		return code;
	OP_AUTO_DOC struct op_doc d = { 0 };
	a.subject = class;
	a.payload = CH_SPAN_OF(payload);
	a.quiet = true;
	code = send_action(&a, &d);
	return code == CLI_HOLDS || code == OP_WAITING ? show_token(&d, token, a.json, code) : code;
}

static const struct cli_cmd token_command[] = {
	{ "create", "make a one-time token for a device without a TPM", cmd_token_create },
};

int cmd_token(int argc, char **argv)
{
	return cli_dispatch("One-time tokens: enrolment without a TPM.", token_command, CH_COUNT_OF(token_command),
			    argc, argv);
}

/* --- ek --- */

static int eks_page(const struct op_doc *d)
{
	struct op_table t = { .columns = 4, .head = { "EK", "VERDICT", "CLASS", "SINCE" } };
	static const char *const name[] = { "ek", "verdict", "class", "@time", NULL };
	return table(d, "eks", &t, name);
}

static int cmd_ek_list(int argc, char **argv)
{
	return list_page(argc, argv, "Lists the endorsement keys that were allowed or denied.", "/api/v1/eks?limit=500",
			 eks_page);
}

static int cmd_ek_allow(int argc, char **argv)
{
	struct op_act a = { .verb = CH_VERB_EK_ALLOW };
	const char *class = NULL;
	char payload[CH_NAME_MAX + 16];
	const struct cli_opt opt[] = {
		{ "class", "CLASS", "the only class that the device with it may be of", CLI_VALUE, &class },
		DECIDE_OPTIONS(&a),
	};
	const struct cli_usage u = {
		.args = "[--class CLASS] --reason TEXT [--json] SHA256",
		.about = "Allows an endorsement key to enrol. SHA256 is that of its SubjectPublicKeyInfo:\n"
			 "openssl x509 -in EK.pem -pubkey -noout | openssl pkey -pubin -outform der | sha256sum",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &a.subject,
		.file_min = 1,
		.file_max = 1
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (code >= 0)
		return code;
	if (class != NULL && !ch_name_valid(ch_span_str(class))) {
		cli_say("'%s' is no name of a class", class);
		return CLI_USAGE;
	}
	if (class != NULL) {
		(void)snprintf(payload, sizeof(payload), "class: %s\n", class);
		a.payload = ch_span_str(payload);
	}
	return send_action(&a, NULL);
}

static int cmd_ek_deny(int argc, char **argv)
{
	struct op_act a = { .verb = CH_VERB_EK_DENY };
	const struct cli_opt opt[] = { DECIDE_OPTIONS(&a) };
	const struct cli_usage u = {
		.args = "--reason TEXT [--json] SHA256",
		.about = "Denies an endorsement key: no device with it enrols, whatever its class allows.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &a.subject,
		.file_min = 1,
		.file_max = 1
	};
	int code = cli_parse(&u, argc, argv, NULL);
	return code < 0 ? send_action(&a, NULL) : code;
}

static const struct cli_cmd ek_command[] = {
	{ "allow", "allow an endorsement key to enrol", cmd_ek_allow },
	{ "deny", "deny an endorsement key", cmd_ek_deny },
	{ "list", "list what was allowed and denied", cmd_ek_list },
};

int cmd_ek(int argc, char **argv)
{
	return cli_dispatch("Endorsement keys of TPMs: which may enrol.", ek_command, CH_COUNT_OF(ek_command), argc,
			    argv);
}

/* --- enrolment --- */

static int enrolments_page(const struct op_doc *d)
{
	struct op_table t = { .columns = 6, .head = { "REQUEST", "NAME", "PROFILE", "BY", "STATE", "SINCE" } };
	static const char *const name[] = { "request", "name", "profile", "by", "state", "@time", NULL };
	return table(d, "enrolments", &t, name);
}

static int cmd_enrolment_list(int argc, char **argv)
{
	return list_page(argc, argv, "Lists requests for certificates by EST, the newest first.",
			 "/api/v1/enrolments?limit=500", enrolments_page);
}

static int enrolment(int argc, char **argv, enum ch_verb verb, const char *about)
{
	struct op_act a = { .verb = verb };
	const struct cli_opt opt[] = { DECIDE_OPTIONS(&a) };
	const struct cli_usage u = { .args = "--reason TEXT [--json] REQUEST",
				     .about = about,
				     .opt = opt,
				     .opt_count = CH_COUNT_OF(opt),
				     .file = &a.subject,
				     .file_min = 1,
				     .file_max = 1 };
	int code = cli_parse(&u, argc, argv, NULL);
	return code < 0 ? send_action(&a, NULL) : code;
}

static int cmd_enrolment_approve(int argc, char **argv)
{
	return enrolment(argc, argv, CH_VERB_ENROLMENT_APPROVE,
			 "Approves a request that waits: the client gets its certificate when it asks again.");
}

static int cmd_enrolment_refuse(int argc, char **argv)
{
	return enrolment(argc, argv, CH_VERB_ENROLMENT_REFUSE, "Refuses a request that waits: it stays refused.");
}

static const struct cli_cmd enrolment_command[] = {
	{ "list", "list requests for certificates by EST", cmd_enrolment_list },
	{ "approve", "approve a request that waits", cmd_enrolment_approve },
	{ "refuse", "refuse a request that waits", cmd_enrolment_refuse },
};

int cmd_enrolment(int argc, char **argv)
{
	return cli_dispatch("Enrolments by EST that wait for an operator.", enrolment_command,
			    CH_COUNT_OF(enrolment_command), argc, argv);
}

/* --- clock --- */

/* The alarm that is open is what is accepted: one that comes meanwhile is not. */
static int cmd_clock_accept(int argc, char **argv)
{
	struct op_act a = { .verb = CH_VERB_CLOCK_ACCEPT };
	char alarm[64] = "";
	const struct cli_opt opt[] = { DECIDE_OPTIONS(&a) };
	const struct cli_usage u = {
		.args = "--reason TEXT [--json]",
		.about = "Accepts the server's clock after it jumped: certificates are issued again.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt)
	};
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
	size_t clock = op_at(&d, 0, "clock");
	if (clock == CH_JSON_NONE || ch_json_type(&d.j, clock) != CH_JSON_OBJECT) {
		cli_say("nobody doubts the server's clock");
		return CLI_FAILS;
	}
	a.subject = op_text(&d, clock, "alarm", alarm, sizeof(alarm));
	if (a.reason == NULL)
		a.reason = "";
	return op_act(&c, &a, NULL);
}

static const struct cli_cmd clock_command[] = {
	{ "accept", "accept the server's clock after it jumped", cmd_clock_accept },
};

int cmd_clock(int argc, char **argv)
{
	return cli_dispatch("The server's clock.", clock_command, CH_COUNT_OF(clock_command), argc, argv);
}
