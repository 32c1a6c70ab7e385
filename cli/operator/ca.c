/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/ca.h"
#include "cli/operator/client.h"
#include "cli/operator/easyrsa.h"
#include "cli/operator/files.h"
#include "cli/operator/op.h"
#include "cli/operator/secret.h"

#include "core/base/text.h"
#include "core/platform/spki.h"
#include "core/trust/cert_import.h"
#include "host/crypto_openssl/sign.h"
#include "host/crypto_openssl/sign_list.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define FILE_SIZE_MAX 16384
#define ROWS_MAX      4096

/* `chainhold ca …`: key ceremonies (ca_root.c, ca_server.c), and authorities that are taken over. */

struct import_ask {
	bool dry_run;
	const char *server, *passphrase_file; /* on the server: its folder */
	const char *class, *reason;           /* as an operator */
};

/* --- what would be done --- */

static void number_field(struct ch_wr *to, const char *label, size_t n, const char *what)
{
	char text[256];
	(void)snprintf(text, sizeof(text), "%zu %s", n, what);
	cli_field(to, label, CLI_PLAIN, text);
}

static size_t count_of(const struct easyrsa *p, enum easyrsa_use use)
{
	size_t n = 0;
	for (size_t i = 0; i < p->count; i++)
		n += p->cert[i].use == use;
	return n;
}

static void cert_line(struct ch_wr *to, const struct easyrsa_cert *c)
{
	static uint8_t text[1024];
	static const char *const word[] = { "device", "revoked", "expired", "server" };
	struct ch_wr w = ch_wr(text, sizeof(text) - 1);
	struct ch_span serial = CH_SPAN_OF(c->serial.b);
	while (serial.n > 1 && serial.p[0] == 0)
		serial = ch_span_sub(serial, 1, serial.n - 1);
	ch_text_escape(&w, ch_span_str(c->name));
	ch_wr_str(&w, "  ");
	ch_wr_hex(&w, serial);
	ch_wr_str(&w, c->use == EASYRSA_REVOKED ? "  " : "  until ");
	ch_time_put(&w, c->use == EASYRSA_REVOKED ? c->time : c->expires);
	if (c->use == EASYRSA_REVOKED) {
		ch_wr_str(&w, "  ");
		ch_wr_str(&w, ch_crl_reason_str(c->reason));
	}
	text[w.len] = '\0';
	cli_field(to, word[c->use], c->use == EASYRSA_REVOKED ? CLI_BAD : CLI_PLAIN, (const char *)text);
}

static void plan(struct ch_wr *to, const struct easyrsa *p)
{
	static uint8_t raw[CH_CERT_MAX], text[CH_CERT_MAX];
	struct ch_wr name = ch_wr(raw, sizeof(raw)), w = ch_wr(text, sizeof(text) - 1);
	ch_x509_name_put(&name, p->ca.subject);
	ch_text_escape(&w, ch_wr_span(&name));
	text[w.len] = '\0';
	cli_put(to, CLI_HEAD, "EasyRSA CA");
	ch_wr_str(to, "\n");
	cli_field(to, "subject", CLI_PLAIN, (const char *)text);
	w = ch_wr(text, sizeof(text) - 1);
	ch_wr_hex(&w, p->ca.subject_key_id);
	text[w.len] = '\0';
	cli_field(to, "key identifier", CLI_PLAIN, (const char *)text);
	cli_field(to, "private key", p->has_key ? CLI_PLAIN : CLI_WARN,
		  p->has_key ? "there: it would sign this CA's revocation list, and nothing else"
			     : "not there: nobody could sign this CA's revocation list");
	number_field(to, "devices", count_of(p, EASYRSA_DEVICE), "certificates would be admitted");
	number_field(to, "revoked", count_of(p, EASYRSA_REVOKED), "stay revoked, with their times and reasons");
	number_field(to, "expired", count_of(p, EASYRSA_EXPIRED), "are not admitted");
	number_field(to, "servers", count_of(p, EASYRSA_SERVER), "are no devices' (extKeyUsage) and are left alone");
	if (p->not_listed > 0 || !p->has_list)
		cli_field(to, "list", CLI_WARN,
			  p->has_list ? "crl.pem is older than index.txt: revocations are not in it yet"
				      : "there is no crl.pem");
	for (size_t i = 0; i < p->count; i++)
		cert_line(to, &p->cert[i]);
}

/* --- on the server: its certificate and its key --- */

static int file_failed(const char *path, const char *what)
{
	cli_say("%s: %s", path, what);
	return CLI_FAILS;
}

/* Makes the file, or finds it as it would be made. */
static int place(const char *path, enum op_secret secret, struct ch_span bytes)
{
	CH_AUTO_BUF struct ch_buf there = { 0 };
	enum ch_err err = ch_file_read(&there, path); /* a key may be the signer's user's by now */
	bool same = err == CH_OK && ch_span_eq(ch_buf_span(&there), bytes);
	ch_wipe(there.p, there.cap);
	if (same)
		return -1;
	return err == CH_ERR_NOTFOUND ? op_file_make(AT_FDCWD, path, secret, bytes)
				      : file_failed(path, "is there already, and is another");
}

static int ask_passphrase(const struct import_ask *a, const char *path, struct ch_buf *to)
{
	if (a->passphrase_file == NULL)
		return op_secret_ask("Passphrase of the EasyRSA CA's key: ", to)
			       ? -1
			       : file_failed(path, "is encrypted: give --passphrase-file, or run this on a terminal");
	if (ch_file_read_private(to, a->passphrase_file, OP_SECRET_MAX) != CH_OK)
		return file_failed(a->passphrase_file, "cannot be read, or others can read it (chmod 600)");
	if (to->n > 0 && to->p[to->n - 1] == '\n')
		to->n--;
	return -1;
}

/* The CA's key as PKCS #8 without a passphrase, as the signer reads it. The caller wipes it. */
static int open_key(const struct easyrsa *p, const struct import_ask *a, struct ch_buf *pem)
{
	char path[sizeof(p->pki) + 32];
	CH_AUTO_BUF struct ch_buf in = { 0 }, passphrase = { 0 };
	struct ch_list_key key = { .state = NULL };
	struct ch_pubkey pub;
	(void)snprintf(path, sizeof(path), "%s/private/ca.key", p->pki);
	if (ch_file_read_private(&in, path, FILE_SIZE_MAX) != CH_OK)
		return file_failed(path, "cannot be read, or is not of this user alone (chmod 600)");
	int code = -1;
	enum ch_err err = ch_list_key_from_pem(&key, ch_buf_span(&in));
	if (err == CH_OK) {
		ch_buf_append(pem, ch_buf_span(&in));
	} else if (err == CH_ERR_NOTFOUND) {
		code = ask_passphrase(a, path, &passphrase);
		err = code < 0 ? ch_sign_pem_decrypt(pem, ch_buf_span(&in), ch_buf_span(&passphrase)) : err;
		if (code < 0 && err == CH_OK)
			err = ch_list_key_from_pem(&key, ch_buf_span(pem));
	}
	ch_wipe(in.p, in.cap);
	ch_wipe(passphrase.p, passphrase.cap);
	if (code < 0 && err != CH_OK)
		code = file_failed(path, err == CH_ERR_UNTRUSTED     ? "the passphrase does not open it"
					 : err == CH_ERR_UNSUPPORTED ? "a kind of key that is not used"
					 : err == CH_ERR_NOTFOUND
						 ? "not a PKCS #8 key: openssl pkcs8 -topk8 makes one of it"
						 : "not a private key");
	if (code < 0 && (ch_list_key_pub(&key, &pub) != CH_OK || !ch_spki_same(&pub.pub, &p->ca.pub)))
		code = file_failed(path, "not the key of ca.crt");
	ch_list_key_clear(&key);
	return code;
}

static int install(const struct easyrsa *p, const struct import_ask *a)
{
	char kid[65] = "", path[8192], ca_path[sizeof(p->pki) + 16];
	CH_AUTO_BUF struct ch_buf key = { 0 }, certificate = { 0 };
	struct ch_wr w = ch_wr((uint8_t *)kid, sizeof(kid) - 1);
	ch_wr_hex(&w, p->ca.subject_key_id);
	(void)snprintf(ca_path, sizeof(ca_path), "%s/ca.crt", p->pki);
	int code = cli_read(&certificate, ca_path);
	if (code < 0 && !p->has_key)
		code = file_failed(p->pki, "private/ca.key is not there: nobody could sign this CA's revocation list");
	if (code < 0)
		code = open_key(p, a, &key);
	if (code < 0) {
		(void)snprintf(path, sizeof(path), "%s/state/signer/earlier-%s.key", a->server, kid);
		code = place(path, OP_SECRET, ch_buf_span(&key));
	}
	ch_wipe(key.p, key.cap);
	if (code < 0) {
		(void)snprintf(path, sizeof(path), "%s/earlier_cas/%s.crt", a->server, kid);
		code = place(path, OP_PUBLIC, ch_buf_span(&certificate));
	}
	if (code >= 0)
		return code;
	struct ch_wr *to = cli_out();
	cli_put(to, CLI_GOOD, "done");
	ch_wr_str(to, ": the server has the CA's certificate, and its key for the revocation list\n");
	ch_wr_str(
		to,
		"  next          start chainholdd again (earlier_cas: earlier_cas must be in chainholdd.yaml), then, as an\n"
		"                operator: chainhold ca import-easyrsa --class CLASS --reason TEXT DIR\n");
	return cli_out_end(CLI_HOLDS);
}

/* --- as an operator: devices and revocations --- */

struct sent {
	size_t done, waiting;
};

static int send(struct op_client *c, const struct op_act *a, struct sent *sent)
{
	int code = op_act(c, a, NULL);
	sent->done += code == CLI_HOLDS;
	sent->waiting += code == OP_WAITING;
	return code == CLI_HOLDS || code == OP_WAITING ? -1 : code;
}

/* First, so that there is no moment at which one that is revoked could be admitted. */
static int send_revocations(struct op_client *c, const struct easyrsa *p, const struct import_ask *a,
			    const uint8_t ca[static 32], struct sent *sent)
{
	CH_AUTO_FREE uint8_t *rows = ch_calloc(ROWS_MAX, CH_REVOKED_ROW);
	char subject[65] = "";
	struct ch_wr s = ch_wr((uint8_t *)subject, sizeof(subject) - 1);
	ch_wr_hex(&s, ch_span(ca, 32));
	size_t i = 0;
	int code = -1;
	while (i < p->count && code < 0) {
		struct ch_wr w = ch_wr(rows, (size_t)ROWS_MAX * CH_REVOKED_ROW);
		for (; i < p->count && w.len < w.cap; i++) {
			const struct easyrsa_cert *e = &p->cert[i];
			const struct ch_revoked r = { e->serial, e->time, e->reason, e->expires };
			if (e->use == EASYRSA_REVOKED)
				ch_revoked_row_put(&w, &r);
		}
		const struct op_act act = { .verb = CH_VERB_REVOCATION_IMPORT,
					    .subject = subject,
					    .reason = a->reason,
					    .payload = ch_wr_span(&w),
					    .quiet = true };
		if (w.len > 0)
			code = send(c, &act, sent);
	}
	return code;
}

static int send_certificate(struct op_client *c, const struct easyrsa_cert *e, const struct import_ask *a,
			    const uint8_t ca[static 32], struct sent *sent)
{
	static uint8_t payload[CH_CERT_IMPORT_DER + CH_CERT_IMPORT_SPKI + 1024];
	static struct ch_x509 x;
	struct ch_wr w = ch_wr(payload, sizeof(payload));
	struct ch_cert_import m = { .serial = e->serial,
				    .not_before = (uint64_t)e->not_before,
				    .not_after = (uint64_t)e->expires,
				    .name = ch_span_str(e->name),
				    .certificate = ch_buf_span(&e->der) };
	(void)ch_span_copy(m.ca, sizeof(m.ca), ch_span(ca, 32));
	if (ch_x509_parse(&x, m.certificate, NULL) != CH_OK)
		return file_failed(e->path, "cannot be read again");
	m.spki = x.spki;
	if (ch_cert_import_put(&w, &m) != CH_OK)
		return file_failed(e->path, "longer than what is taken over");
	const struct op_act act = { .verb = CH_VERB_CERTIFICATE_IMPORT,
				    .subject = a->class,
				    .reason = a->reason,
				    .payload = ch_wr_span(&w),
				    .quiet = true };
	int code = send(c, &act, sent);
	if (code >= 0)
		cli_say("%s: was not taken over", e->path);
	return code;
}

static int import(const struct easyrsa *p, const struct import_ask *a)
{
	OP_AUTO_CLIENT struct op_client c = { 0 };
	struct ch_digest ca;
	struct sent revocations = { 0 }, devices = { 0 };
	int code = op_client_open(&c);
	if (code < 0 && ch_hash_once(CH_HASH_SHA256, ch_buf_span(&p->ca_der), &ca) != CH_OK)
		code = CLI_IO;
	if (code < 0)
		code = send_revocations(&c, p, a, ca.b, &revocations);
	/* Where revocations wait for another signature, nobody is admitted before they have it. */
	for (size_t i = 0; i < p->count && code < 0 && revocations.waiting == 0; i++) {
		if (p->cert[i].use == EASYRSA_DEVICE)
			code = send_certificate(&c, &p->cert[i], a, ca.b, &devices);
	}
	if (code >= 0)
		return code;
	bool waits = revocations.waiting + devices.waiting > 0;
	struct ch_wr *to = cli_out();
	cli_put(to, waits ? CLI_WARN : CLI_GOOD, waits ? "waiting for another operator's signature" : "done");
	ch_wr_str(to, ":\n");
	number_field(to, "devices", devices.done + devices.waiting,
		     "certificates are admitted from now on, or were before");
	number_field(to, "revoked", count_of(p, EASYRSA_REVOKED), "certificates are in this CA's list");
	if (revocations.waiting > 0)
		cli_field(to, "next", CLI_WARN, "sign it (chainhold action list), then run this again for the devices");
	return cli_out_end(waits ? OP_WAITING : CLI_HOLDS);
}

/* --- the command --- */

static int check_ask(const struct import_ask *a)
{
	if ((a->dry_run ? 1 : 0) + (a->server != NULL ? 1 : 0) + (a->class != NULL ? 1 : 0) != 1)
		cli_say("say what to do: one of --dry-run, --server and --class");
	else if ((a->class == NULL) != (a->reason == NULL))
		cli_say("--class and --reason belong together");
	else if (a->passphrase_file != NULL && a->server == NULL)
		cli_say("--passphrase-file goes with --server");
	else
		return -1;
	return CLI_USAGE;
}

static int cmd_import_easyrsa(int argc, char **argv)
{
	struct import_ask a = { 0 };
	const char *dir = NULL;
	const struct cli_opt opt[] = {
		{ "dry-run", NULL, "check the folder and show what would be done", CLI_FLAG, &a.dry_run },
		{ "server", "FOLDER", "on the server: give it the CA's certificate and key", CLI_VALUE,
		  (void *)&a.server },
		{ "passphrase-file", "FILE", "the passphrase of the CA's key", CLI_VALUE, (void *)&a.passphrase_file },
		{ "class", "CLASS", "as an operator: admit its devices, as ones of this class", CLI_VALUE,
		  (void *)&a.class },
		{ "reason", "TEXT", "why: it is signed and logged", CLI_VALUE, (void *)&a.reason },
	};
	const struct cli_usage u = {
		.args = "--dry-run | --server FOLDER [--passphrase-file FILE] | --class CLASS --reason TEXT DIR",
		.about = "Takes over the folder of an EasyRSA 3 CA: its devices go on with the certificates that they\n"
			 "have until they renew them here, and what it revoked stays revoked. Anything in the folder\n"
			 "that does not fit is named with its file and line, and nothing is done.\n\n"
			 "Exit status: 0 done; 1 inconsistent, or refused; 2 usage; 4 I/O; 5 waits for a signature.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &dir,
		.file_min = 1,
		.file_max = 1
	};
	EASYRSA_AUTO struct easyrsa p = { .count = 0 };
	int code = cli_parse(&u, argc, argv, NULL);
	if (code < 0)
		code = check_ask(&a);
	if (code < 0)
		code = easyrsa_read(&p, dir);
	if (code >= 0)
		return code;
	if (a.server != NULL)
		return install(&p, &a);
	if (a.class != NULL)
		return import(&p, &a);
	plan(cli_out(), &p);
	return cli_out_end(CLI_HOLDS);
}

static const struct cli_cmd command[] = {
	{ "init", "make an offline root", cmd_ca_init },
	{ "request", "make the key of an issuing CA, and a request for it", cmd_ca_request },
	{ "sign", "sign an issuing CA with the root", cmd_ca_sign },
	{ "install", "put an issuing CA into a server", cmd_ca_install },
	{ "server", "make the server's own certificate anew", cmd_ca_server },
	{ "crl", "sign the next revocation list of a root", cmd_ca_crl },
	{ "rollover", "another root beside the old one, or another issuing CA", cmd_ca_rollover },
	{ "show", "show the CAs of a server", cmd_ca_show },
	{ "backup", "seal a root, or the CAs of a server, into one file", cmd_ca_backup },
	{ "restore", "put a backup back", cmd_ca_restore },
	{ "import-easyrsa", "take over an EasyRSA 3 CA", cmd_import_easyrsa },
};

int cmd_ca(int argc, char **argv)
{
	return cli_dispatch("Certification authorities: an offline root, the CA that issues, and others beside it.",
			    command, CH_COUNT_OF(command), argc, argv);
}
