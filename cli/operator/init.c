/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/cert.h"
#include "cli/operator/files.h"
#include "cli/operator/op.h"

#include "core/trust/action.h"
#include "core/trust/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAYS_CA       3650
#define DAYS_SERVER   825
#define DAYS_OPERATOR 398
#define CONFIG_MAX    4096

struct ask {
	struct cli_values names;
	const char *listen;
	const char *devices_port;
	const char *operators_port;
	const char *public_port;
	const char *operator;
	char host[256];
};

/* Everything lands in `dir`, a folder beside the final one. */
struct made {
	int dir;
	EVP_PKEY *ca_key;
	X509 *ca;
};

/* --- keys and certificates --- */

static int openssl_failed(const char *what)
{
	cli_say("OpenSSL cannot make %s", what);
	return CLI_IO;
}

static int put_key(int dir, const char *path, EVP_PKEY *key)
{
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	int code = op_key_pem(&pem, key) ? op_file_make(dir, path, OP_SECRET, ch_buf_span(&pem)) : openssl_failed(path);
	ch_wipe(pem.p, pem.n);
	return code;
}

static int put_cert(int dir, const char *path, X509 *cert)
{
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	return op_cert_pem(&pem, cert) ? op_file_make(dir, path, OP_PUBLIC, ch_buf_span(&pem)) : openssl_failed(path);
}

static int make_ca(struct made *m, const struct ask *a)
{
	char name[300];
	(void)snprintf(name, sizeof(name), "Chainhold CA of %.200s", a->names.v[0]);
	m->ca_key = op_key_new(OP_KEY_P256);
	struct op_cert_ask c = { .profile = OP_PROFILE_CA, .key = m->ca_key, .name = name, .days = DAYS_CA };
	/* X.520 allows 64 characters for a common name. */
	name[64] = '\0';
	m->ca = m->ca_key != NULL ? op_cert_new(&c) : NULL;
	if (m->ca == NULL)
		return openssl_failed("the CA");
	int code = put_key(m->dir, "state/signer/ca.key", m->ca_key);
	if (code < 0)
		code = put_cert(m->dir, "state/signer/ca.crt", m->ca);
	return code < 0 ? put_cert(m->dir, "ca.crt", m->ca) : code;
}

/* A key with a certificate of our CA: PATH.key and PATH.crt. */
static int make_leaf(struct made *m, struct op_cert_ask *c, const char *path)
{
	char file[64];
	EVP_PKEY *key = op_key_new(OP_KEY_P256);
	c->key = key;
	c->issuer = m->ca;
	c->issuer_key = m->ca_key;
	X509 *cert = key != NULL ? op_cert_new(c) : NULL;
	int code = -1;
	if (cert == NULL) {
		cli_say("no certificate for '%s': it is no host name and no address", c->name);
		code = CLI_USAGE;
	}
	(void)snprintf(file, sizeof(file), "%s.key", path);
	if (code < 0)
		code = put_key(m->dir, file, key);
	(void)snprintf(file, sizeof(file), "%s.crt", path);
	if (code < 0)
		code = put_cert(m->dir, file, cert);
	X509_free(cert);
	EVP_PKEY_free(key);
	return code;
}

/* A key without certificate, and its public half beside it where others need it. */
static int make_key(int dir, enum op_key_kind kind, const char *path, const char *public_path)
{
	EVP_PKEY *key = op_key_new(kind);
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	int code = key != NULL ? put_key(dir, path, key) : openssl_failed(path);
	if (code < 0 && public_path != NULL)
		code = op_pub_pem(&pem, key) ? op_file_make(dir, public_path, OP_PUBLIC, ch_buf_span(&pem))
					     : openssl_failed(public_path);
	EVP_PKEY_free(key);
	return code;
}

/* The log's key, and the text that its clients check it by: the key under the log's name (C2SP signed-note). */
static int make_log_key(int dir, const char *name)
{
	char origin[CH_NOTE_NAME_MAX + 1];
	uint8_t raw[32], text[CH_NOTE_KEY_TEXT_MAX + 1];
	size_t n = sizeof(raw);
	struct ch_note_key note;
	struct ch_wr w = ch_wr(text, sizeof(text));
	EVP_PKEY *key = op_key_new(OP_KEY_ED25519);
	int code = key != NULL ? put_key(dir, "state/signer/log.key", key) : openssl_failed("the log's key");
	(void)snprintf(origin, sizeof(origin), "%.200s/log", name);
	if (code < 0 && EVP_PKEY_get_raw_public_key(key, raw, &n) != 1)
		code = openssl_failed("log.vkey");
	EVP_PKEY_free(key);
	if (code < 0 && ch_note_key_make(&note, ch_span_str(origin), raw) != CH_OK) {
		cli_say("'%s' cannot be the name of a log", origin);
		code = CLI_USAGE;
	}
	if (code >= 0)
		return code;
	ch_note_key_put(&w, &note);
	ch_wr_u8(&w, '\n');
	return op_file_make(dir, "log.vkey", OP_PUBLIC, ch_wr_span(&w));
}

static int make_keys(struct made *m, const struct ask *a)
{
	struct op_cert_ask server = { .profile = OP_PROFILE_SERVER,
				      .name = a->names.v[0],
				      .alt = a->names.v + 1,
				      .alt_count = a->names.count - 1,
				      .days = DAYS_SERVER };
	struct op_cert_ask operator= { .profile = OP_PROFILE_OPERATOR, .name = a->operator, .days = DAYS_OPERATOR };
	char path[CH_NAME_MAX + 16];
	(void)snprintf(path, sizeof(path), "operators/%s", a->operator);
	int code = make_ca(m, a);
	if (code < 0)
		code = make_leaf(m, &server, "tls/server");
	if (code < 0)
		code = make_leaf(m, &operator, path);
	if (code < 0)
		code = make_log_key(m->dir, a->names.v[0]);
	if (code < 0)
		code = make_key(m->dir, OP_KEY_P256, "state/signer/ear.key", "ear.pub");
	return code < 0 ? make_key(m->dir, OP_KEY_P256, "state/signer/ocsp.key", NULL) : code;
}

/* --- text --- */

static const char server_text[] =
	"# The server's configuration; chainholdd.yaml(5). Paths are relative to this file.\n"
	"state_dir: state\n"
	"# The name of the transparency log. It never changes.\n"
	"origin: \"%s/log\"\n"
	"listeners:\n"
	"  devices: \"%s\"\n"
	"  operators: \"%s\"\n"
	"  public: \"%s\"\n"
	"tls: {certificate: tls/server.crt, key: tls/server.key}\n"
	"# Issues the certificates of devices and operators; its key is in state/signer.\n"
	"ca: ca.crt\n"
	"# Certificates (PEM or DER) that the chains of TPM endorsement keys may end in: your TPM makers' roots belong here.\n"
	"ek_roots: ek_roots\n"
	"# Policies of classes that the server does not know yet. Later changes: chainhold policy apply.\n"
	"policies: policies\n"
	"# Certificates by EST: a profile a file (docs/protocol/cert-profile.md), its name is the EST label.\n"
	"certificate_profiles: certificate_profiles\n"
	"# Certificates of CAs that issue no more and whose devices go on: chainhold ca import-easyrsa.\n"
	"earlier_cas: earlier_cas\n"
	"# The first operator, taken when the server knows none.\n"
	"operator: {name: %s, certificate: operators/%s.crt}\n"
	"processes: {edges: 1, verifiers: 1, readers: 1}\n"
	"# Where others reach the public listener: certificates then say where their revocation is told.\n"
	"# revocation: {url: \"http://%s\"}\n";

static const char command_text[] =
	"# How chainhold reaches the server; chainhold(1). Paths are relative to this file.\n"
	"server: \"%s\"\n"
	"public: \"%s\"\n"
	"ca: ca.crt\n"
	"certificate: operators/%s.crt\n"
	"key: operators/%s.key\n"
	"log_key: log.vkey\n";

static const char policy_text[] =
	"# The policy of the device class \"gateway\"; docs/protocol/policy.md. Check it: chainhold policy check FILE\n"
	"class: gateway\n"
	"# The links that the chain is made of. The others are shown and never raise it.\n"
	"requires: [platform, boot]\n"
	"evidence: {max_age: 1h, interval: 10m}\n"
	"# What a broken link triggers: observe, alert, hold-updates, quarantine.\n"
	"on_break: {platform: quarantine, boot: quarantine, os: alert}\n"
	"# How a quarantine ends: automatic (fresh evidence that affirms the chain) or two-operators.\n"
	"release: automatic\n"
	"# What a device in quarantine may fetch: refused (nothing) or assigned (the release that an operator gave to it alone).\n"
	"mend: assigned\n"
	"# What needs the signatures of two operators.\n"
	"two_signatures: [device.decommission]\n"
	"certificate: {lifetime: 30d}\n"
	"# ek: any-trusted-root or listed (chainhold ek allow). token: allowed or refused, for devices without a TPM.\n"
	"enrolment: {ek: any-trusted-root, token: allowed}\n";

static const char profile_text[] =
	"# The certificate profile \"default\": https://HOST:PORT/.well-known/est/; docs/protocol/cert-profile.md.\n"
	"profile: default\n"
	"# The class of the devices that enrol by it.\n"
	"class: gateway\n"
	"# {name} is what the device calls itself, one device's only; {device} is its id.\n"
	"subject: [\"CN={name}\"]\n"
	"names: [\"dns:{name}\", \"uri:urn:chainhold:device:{device}\"]\n"
	"keys: [p256, p384, ed25519, rsa]\n"
	"lifetime: 30d\n"
	"# For so long after its end a certificate may still ask for the next one.\n"
	"grace: 400d\n"
	"purposes: [client]\n"
	"# token (chainhold token create), idevid (idevid_roots in chainholdd.yaml), registration-authority.\n"
	"enrol_by: [token]\n"
	"# automatic, or operator: each enrolment waits for chainhold enrolment approve.\n"
	"approval: automatic\n";

static int put_text(int dir, const char *path, const char *text, int n)
{
	return op_file_make(dir, path, OP_PUBLIC, ch_span(text, (size_t)n));
}

/* "address:port", with brackets around IPv6. */
static void endpoint(char to[static 300], const char *address, const char *port)
{
	bool six = strchr(address, ':') != NULL;
	(void)snprintf(to, 300, "%s%.200s%s:%s", six ? "[" : "", address, six ? "]" : "", port);
}

static int make_texts(int dir, const struct ask *a)
{
	char text[CONFIG_MAX];
	char devices[300], operators[300], public[300], local[300], reach[300];
	endpoint(devices, a->listen, a->devices_port);
	endpoint(operators, a->listen, a->operators_port);
	endpoint(public, a->listen, a->public_port);
	endpoint(reach, a->names.v[0], a->public_port);
	int n = snprintf(text, sizeof(text), server_text, a->names.v[0], devices, operators, public, a->operator,
			 a->operator, reach);
	int code = put_text(dir, "chainholdd.yaml", text, n);
	/* The command goes to the first name: that is what the certificate says. */
	endpoint(local, a->names.v[0], a->operators_port);
	endpoint(public, a->names.v[0], a->public_port);
	n = snprintf(text, sizeof(text), command_text, local, public, a->operator, a->operator);
	if (code < 0)
		code = put_text(dir, "chainhold.yaml", text, n);
	if (code < 0)
		code = put_text(dir, "policies/gateway.yaml", policy_text, sizeof(policy_text) - 1);
	return code < 0 ? put_text(dir, "certificate_profiles/default.yaml", profile_text, sizeof(profile_text) - 1)
			: code;
}

static int make_folders(int dir)
{
	static const struct {
		const char *path;
		enum op_secret secret;
	} row[] = {
		{ "tls", OP_SECRET },         { "operators", OP_SECRET },
		{ "policies", OP_PUBLIC },    { "ek_roots", OP_PUBLIC },
		{ "state", OP_PUBLIC },       { "state/signer", OP_SECRET },
		{ "state/store", OP_SECRET }, { "certificate_profiles", OP_PUBLIC },
		{ "earlier_cas", OP_PUBLIC },
	};
	int code = -1;
	for (size_t i = 0; code < 0 && i < CH_COUNT_OF(row); i++)
		code = op_folder_make(dir, row[i].path, row[i].secret);
	return code;
}

static int make_all(const char *dir, const struct ask *a)
{
	int code = op_folder_make(AT_FDCWD, dir, OP_PUBLIC);
	if (code >= 0)
		return code;
	struct made m = { .dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	if (m.dir < 0) {
		cli_say("%s: %s", dir, strerror(errno));
		return CLI_IO;
	}
	code = make_folders(m.dir);
	if (code < 0)
		code = make_keys(&m, a);
	if (code < 0)
		code = make_texts(m.dir, a);
	X509_free(m.ca);
	EVP_PKEY_free(m.ca_key);
	(void)close(m.dir);
	return code;
}

/* --- the command --- */

/* -1 if the folder is not there, or is there and empty. */
static int check_free(const char *dir)
{
	DIR *d = opendir(dir);
	bool used = false;
	if (d == NULL && errno == ENOENT)
		return -1;
	if (d == NULL) {
		cli_say("%s: %s", dir, strerror(errno));
		return CLI_IO;
	}
	for (const struct dirent *e; (e = readdir(d)) != NULL;)
		used = used || (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0);
	(void)closedir(d);
	if (used)
		cli_say("%s is not empty: nothing is ever overwritten", dir);
	return used ? CLI_IO : -1;
}

static bool is_port(const char *s)
{
	size_t n = strspn(s, "0123456789");
	unsigned v = 0;
	for (size_t i = 0; i < n && i < 6; i++)
		v = v * 10 + (unsigned)(s[i] - '0');
	return n >= 1 && n <= 5 && s[n] == '\0' && v >= 1 && v <= 65535;
}

static int check(struct ask *a)
{
	if (a->listen == NULL)
		a->listen = "0.0.0.0";
	if (a->devices_port == NULL)
		a->devices_port = "8443";
	if (a->operators_port == NULL)
		a->operators_port = "8444";
	if (a->public_port == NULL)
		a->public_port = "8080";
	if (a->operator== NULL)
		a->operator= "admin";
	const char *port[] = { a->devices_port, a->operators_port, a->public_port };
	for (size_t i = 0; i < CH_COUNT_OF(port); i++) {
		if (!is_port(port[i])) {
			cli_say("'%s' is not a port: 1 to 65535", port[i]);
			return CLI_USAGE;
		}
	}
	if (!ch_name_valid(ch_span_str(a->operator))) {
		cli_say("'%s' is no name of an operator: 1 to 64 of a-z 0-9 - _ . with a letter or digit first",
			a->operator);
		return CLI_USAGE;
	}
	if (strspn(a->listen, "0123456789abcdefABCDEF.:") != strlen(a->listen)) {
		cli_say("'%s' is not an address to listen on", a->listen);
		return CLI_USAGE;
	}
	if (a->names.count == 0) {
		if (gethostname(a->host, sizeof(a->host) - 1) == 0 && a->host[0] != '\0')
			a->names.v[a->names.count++] = a->host;
		a->names.v[a->names.count++] = "localhost";
		a->names.v[a->names.count++] = "127.0.0.1";
	}
	return -1;
}

static int tell(const char *dir, const struct ask *a)
{
	struct ch_wr *w = cli_out();
	cli_put(w, CLI_HEAD, "Made ");
	cli_put_escaped(w, ch_span_str(dir));
	ch_wr_str(w, "\n");
	cli_field(w, "chainholdd.yaml", CLI_PLAIN, "the server's configuration");
	cli_field(w, "chainhold.yaml", CLI_PLAIN, "how this command reaches it");
	cli_field(w, "ca.crt", CLI_PLAIN, "what devices and operators trust the server by");
	cli_field(w, "log.vkey", CLI_PLAIN, "what anyone checks the transparency log by: publish it");
	cli_field(w, "operators/", CLI_PLAIN,
		  "key and certificate of the first operator, role admin: keep the key secret");
	cli_field(w, "state/signer/", CLI_PLAIN, "keys of the CA, the log and the results: back them up, offline");
	cli_field(w, "policies/gateway.yaml", CLI_PLAIN, "the policy of a first class of devices");
	cli_field(w, "certificate_profiles/", CLI_PLAIN, "what devices that enrol by EST are certified as");
	cli_field(w, "ek_roots/", CLI_PLAIN, "put the root certificates of your TPM makers here");
	ch_wr_str(w, "\nThe server's names:");
	for (size_t i = 0; i < a->names.count; i++) {
		ch_wr_str(w, " ");
		cli_put_escaped(w, ch_span_str(a->names.v[i]));
	}
	ch_wr_str(w, "\nNext: chainholdd ");
	cli_put_escaped(w, ch_span_str(dir));
	ch_wr_str(w, "/chainholdd.yaml\n");
	return cli_out_end(CLI_HOLDS);
}

int cmd_init(int argc, char **argv)
{
	struct ask a = { 0 };
	const char *dir = "";
	const struct cli_opt opt[] = {
		{ "name", "NAME", "host name or address that the server is reached by; may be repeated", CLI_VALUES,
		  &a.names },
		{ "listen", "ADDRESS", "address to listen on (0.0.0.0)", CLI_VALUE, &a.listen },
		{ "devices-port", "N", "port for devices (8443)", CLI_VALUE, &a.devices_port },
		{ "operators-port", "N", "port for operators (8444)", CLI_VALUE, &a.operators_port },
		{ "public-port", "N", "port of the transparency log, without TLS (8080)", CLI_VALUE, &a.public_port },
		{
			"operator",
			"NAME",
			"name of the first operator (admin)",
			CLI_VALUE,
			&a.operator},
		};
	const struct cli_usage u = {
		.args = "[--name NAME]… [--listen ADDRESS] DIR",
		.about =
			"Makes the folder of a new server: configuration, CA, TLS certificate, keys, the first operator and an\n"
			"example policy. DIR must not exist, or be empty: nothing is ever overwritten.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &dir,
		.file_min = 1,
		.file_max = 1,
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (code < 0)
		code = check(&a);
	if (code < 0)
		code = check_free(dir);
	if (code >= 0)
		return code;
	/* Made aside and renamed, so that DIR is whole or not there; rename() takes the place of an empty folder only. */
	char aside[4096];
	size_t end = strlen(dir);
	while (end > 1 && dir[end - 1] == '/')
		end--;
	int n = snprintf(aside, sizeof(aside), "%.*s.new-%ld", (int)end, dir, (long)getpid());
	if (n < 0 || (size_t)n >= sizeof(aside)) {
		cli_say("the name of the folder is too long");
		return CLI_USAGE;
	}
	code = make_all(aside, &a);
	if (code < 0 && rename(aside, dir) != 0) {
		cli_say("%s: %s; nothing was overwritten", dir, strerror(errno));
		code = CLI_IO;
	}
	if (code >= 0) {
		cli_say("what was made so far is in %s: remove it", aside);
		return code;
	}
	return tell(dir, &a);
}
