/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/ca.h"
#include "cli/operator/crl.h"
#include "cli/operator/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * The issuing CA of a server, in the folder that chainhold init made. A change of it is a row of steps, each of which is done or not; install looks which are left:
 *   1  state/signer/next-ca.key (or .uri) and a request for it                            request
 *   2  the CA before it as an earlier one: earlier_cas/KID.crt, state/signer/earlier-KID.key     install
 *   3  ca.crt: the new CA, its root, cross certificates, all that was there before
 *   4  state/signer/ca.crt, then the key in the place of the old one
 */

#define SIGNER      "state/signer/"
#define NEXT        SIGNER "next-ca"
#define NOW         SIGNER "ca"
#define TLS         "tls/server"
#define TLS_NEXT    "tls/next-server"
#define DAYS_SERVER 825
#define DAYS_PERSON 398

struct install {
	struct op_ceremony c;
	const char *chain_path, *root; /* SHA-256 of the root's certificate, as people know it */
	struct op_certs chain;         /* the new CA first */
	struct op_certs before;        /* of ca.crt */
	bool fresh; /* the server was never started: nothing has a certificate of the CA that init made */
};

static int need_server(const struct op_ceremony *c)
{
	if (op_ceremony_has(c, "chainholdd.yaml") && op_ceremony_has(c, "state/signer"))
		return -1;
	cli_say("%s is not the folder of a server: chainhold init", c->folder);
	return CLI_FAILS;
}

static bool has_key(const struct op_ceremony *c, const char *name)
{
	char file[128], uri[128];
	(void)snprintf(file, sizeof(file), "%s.key", name);
	(void)snprintf(uri, sizeof(uri), "%s.uri", name);
	return op_ceremony_has(c, file) || op_ceremony_has(c, uri);
}

static int put_certs(const struct op_ceremony *c, const char *name, const struct op_certs *certs)
{
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	if (op_certs_pem(&pem, certs))
		return op_ceremony_put(c, name, true, ch_buf_span(&pem));
	cli_say("OpenSSL does not write %s", name);
	return CLI_IO;
}

/* --- the request --- */

int ca_request(struct op_ceremony *c, const char *name, const char *out)
{
	OP_AUTO_CA_KEY struct op_ca_key k = { 0 };
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	struct op_transcript t;
	char print[65], common[65];
	int code = need_server(c);
	if (code < 0 && out == NULL) {
		cli_say("name the new file with --out");
		code = CLI_USAGE;
	}
	/* The server reads it without a person. */
	c->plain = true;
	if (code < 0)
		code = op_ca_key_make(c, NEXT);
	if (code < 0)
		code = op_ca_key_open(&k, c, NEXT);
	if (code >= 0)
		return code;
	op_key_fingerprint(print, k.key);
	/* No two issuing CAs of a fleet have one name. */
	(void)snprintf(common, sizeof(common), "%.55s %.8s", name != NULL ? name : "Chainhold issuing CA", print);
	if (!op_csr_pem(&pem, common, k.key)) {
		cli_say("OpenSSL makes no request");
		return CLI_IO;
	}
	code = op_file_make(AT_FDCWD, out, OP_PUBLIC, ch_buf_span(&pem));
	if (code >= 0)
		return code;
	op_transcript_begin(&t, c, "request");
	op_transcript_put(&t, "name", common);
	op_transcript_put(&t, "private key", k.place);
	op_transcript_put(&t, "key SHA-256", print);
	return op_transcript_end(
		&t, c, "Next, where the root is: chainhold ca sign --expect KEY-SHA-256 --out ca.pem DIR REQUEST\n");
}

int cmd_ca_request(int argc, char **argv)
{
	struct op_ceremony c = { 0 };
	const char *name = NULL, *out = NULL;
	const struct cli_opt opt[] = {
		{ "name", "NAME", "common name, before eight digits of the key (Chainhold issuing CA)", CLI_VALUE,
		  &name },
		{ "key", "URI", "PKCS #11 URI of the key, made in the token; a file if nothing is said", CLI_VALUE,
		  &c.key },
		{ "by", "NAME", "who takes part, for the transcript; may be repeated", CLI_VALUES, &c.people },
		{ "out", "FILE", "the new file with the request", CLI_VALUE, &out },
	};
	const struct cli_usage u = {
		.args = "[--name NAME] [--key URI] [--by NAME]… --out FILE SERVER",
		.about =
			"Makes the key of the next issuing CA where the server will have it, and a request for its certificate.\n"
			"The key that is in use is not touched. Asked again, it is a request for the same key.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &c.folder,
		.file_min = 1,
		.file_max = 1,
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (code < 0)
		code = op_ceremony_open(&c);
	return code < 0 ? ca_request(&c, name, out) : code;
}

/* --- may it be installed? --- */

/* True if OpenSSL finds a way from `x` to one of the anchors. It does not turn back where it met a root that is none. */
static bool leads_to(X509 *x, const struct op_certs *anchors, const struct op_certs *between, bool roots_only)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *more = sk_X509_new_null();
	bool good = store != NULL && ctx != NULL && more != NULL;
	for (size_t i = 0; good && i < anchors->count; i++)
		good = (roots_only && !op_cert_is_root(anchors->v[i])) ||
		       X509_STORE_add_cert(store, anchors->v[i]) == 1;
	for (size_t i = 0; good && i < between->count; i++)
		good = op_cert_is_root(between->v[i]) || sk_X509_push(more, between->v[i]) > 0;
	if (good)
		(void)X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_X509_STRICT);
	good = good && X509_STORE_CTX_init(ctx, store, x, more) == 1 && X509_verify_cert(ctx) == 1;
	sk_X509_free(more);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return good;
}

/* A root that its people named, or one for which something that was there before vouches. */
static int check_root(const struct install *in)
{
	char print[65];
	bool named = false;
	struct op_certs roots = { 0 };
	for (size_t i = 1; i < in->chain.count; i++) {
		op_cert_fingerprint(print, in->chain.v[i]);
		if (op_cert_is_root(in->chain.v[i]) && in->root != NULL && strcmp(print, in->root) == 0) {
			named = true;
			roots.v[roots.count++] = in->chain.v[i]; /* borrowed */
		}
	}
	if (in->root != NULL && !named) {
		cli_say("%s has no root with this SHA-256: it is not the file that was signed", in->chain_path);
		return CLI_FAILS;
	}
	if (named && leads_to(in->chain.v[0], &roots, &in->chain, true))
		return -1;
	if (!named && !in->fresh && leads_to(in->chain.v[0], &in->before, &in->chain, false))
		return -1;
	if (named)
		cli_say("%s: its first certificate is not one of that root", in->chain_path);
	else
		cli_say("nothing that this server trusts vouches for %s: give --root with the SHA-256 of the root's certificate, as the "
			"transcript of its ceremony has it",
			in->chain_path);
	return CLI_FAILS;
}

static int check_ca(const struct install *in)
{
	X509 *x = in->chain.v[0];
	char kid[41];
	op_cert_kid(kid, x);
	if (X509_check_ca(x) == 1 &&
	    (X509_get_key_usage(x) & (KU_KEY_CERT_SIGN | KU_CRL_SIGN)) == (KU_KEY_CERT_SIGN | KU_CRL_SIGN) &&
	    kid[0] != '\0' && X509_cmp_current_time(X509_get0_notAfter(x)) > 0)
		return -1;
	cli_say("%s: its first certificate is not that of a CA that may issue certificates and lists now",
		in->chain_path);
	return CLI_FAILS;
}

/* The list of its root is on the server, if its root has one. */
static int check_revoked(const struct install *in)
{
	int code = -1;
	for (size_t i = 1; code < 0 && i < in->chain.count; i++) {
		char kid[41], list[128];
		op_cert_kid(kid, in->chain.v[i]);
		(void)snprintf(list, sizeof(list), CA_ROOT_LISTS "/%s.crl", kid);
		if (op_cert_is_by(in->chain.v[0], in->chain.v[i]))
			code = ca_crl_check(&in->c, list, in->chain.v[0]);
	}
	return code;
}

/* The key of the new CA: the one that was asked for, or (a certificate anew, an install that was interrupted) the one in use. */
static int check_key(const struct install *in, const char **name)
{
	static const char *const place[] = { NEXT, NOW };
	EVP_PKEY *pub = X509_get0_pubkey(in->chain.v[0]);
	for (size_t i = 0; i < CH_COUNT_OF(place); i++) {
		OP_AUTO_CA_KEY struct op_ca_key k = { 0 };
		if (!has_key(&in->c, place[i]))
			continue;
		int code = op_ca_key_open(&k, &in->c, place[i]);
		if (code >= 0)
			return code;
		*name = place[i];
		if (pub != NULL && EVP_PKEY_eq(pub, k.key) == 1)
			return -1;
	}
	cli_say("%s is not for the key of this server's request (" NEXT ")", in->chain_path);
	return CLI_FAILS;
}

/* --- the steps --- */

static int copy_key(const struct op_ceremony *c, const char *from, const char *to)
{
	CH_AUTO_BUF struct ch_buf bytes = { 0 };
	int code = op_ceremony_secret(c, from, &bytes);
	if (code < 0)
		code = op_ceremony_put(c, to, false, ch_buf_span(&bytes));
	ch_wipe(bytes.p, bytes.cap);
	return code;
}

/* The key of the CA that is replaced, if it is still there: it goes on signing that CA's list. */
static int keep_key(const struct install *in, X509 *of)
{
	OP_AUTO_CA_KEY struct op_ca_key k = { 0 };
	const char *ending = op_ceremony_has(&in->c, NOW ".uri") ? "uri" : "key";
	char kid[41], from[128], to[128];
	op_cert_kid(kid, of);
	(void)snprintf(from, sizeof(from), NOW ".%s", ending);
	(void)snprintf(to, sizeof(to), SIGNER "earlier-%s.%s", kid, ending);
	if (op_ceremony_has(&in->c, to))
		return -1;
	if (has_key(&in->c, NOW) && op_ca_key_open(&k, &in->c, NOW) < 0 &&
	    EVP_PKEY_eq(X509_get0_pubkey(of), k.key) == 1)
		return copy_key(&in->c, from, to);
	cli_say("the key of the CA before is not in " SIGNER ": nobody signs that CA's list any more");
	return -1;
}

/* Step 2. Its certificates are still taken. */
static int keep_earlier(const struct install *in, const struct op_certs *now)
{
	char kid[41], cert[128];
	op_cert_kid(kid, now->v[0]);
	/* Where the same key is certified anew there is no CA before. */
	if (in->fresh || kid[0] == '\0' ||
	    EVP_PKEY_eq(X509_get0_pubkey(now->v[0]), X509_get0_pubkey(in->chain.v[0])) == 1)
		return -1;
	(void)snprintf(cert, sizeof(cert), "earlier_cas/%s.crt", kid);
	int code = op_ceremony_has(&in->c, "earlier_cas") ? -1 : op_folder_make(in->c.dir, "earlier_cas", OP_PUBLIC);
	if (code < 0)
		code = put_certs(&in->c, cert, now);
	return code < 0 ? keep_key(in, now->v[0]) : code;
}

/* Step 3. */
static int put_trust(const struct install *in)
{
	OP_AUTO_CERTS struct op_certs all = { 0 };
	bool room = true;
	for (size_t i = 0; i < in->chain.count && room; i++)
		room = op_certs_add(&all, in->chain.v[i]);
	for (size_t i = 0; i < in->before.count && room && !in->fresh; i++)
		room = op_certs_add(&all, in->before.v[i]);
	if (room)
		return put_certs(&in->c, "ca.crt", &all);
	cli_say("ca.crt would have more than %d certificates: take out those of CAs of which no certificate is live",
		OP_CERTS_MAX);
	return CLI_FAILS;
}

static int move(const struct op_ceremony *c, const char *from, const char *to)
{
	char path[OP_PATH_MAX];
	int code = op_ceremony_path(path, c, to);
	if (code >= 0)
		return code;
	if (renameat(c->dir, from, c->dir, to) == 0 && op_folder_sync(path))
		return -1;
	cli_say("%s/%s: %s", c->folder, from, strerror(errno));
	return CLI_IO;
}

/* Step 4. What is in the place of the other kind goes first: the key that was asked for is there until all is done. */
static int put_key(const struct install *in, const struct op_certs *one)
{
	bool token = op_ceremony_has(&in->c, NEXT ".uri");
	int code = put_certs(&in->c, NOW ".crt", one);
	if (code >= 0 || !has_key(&in->c, NEXT))
		return code;
	if (unlinkat(in->c.dir, token ? NOW ".key" : NOW ".uri", 0) != 0 && errno != ENOENT) {
		cli_say("%s/" SIGNER ": %s", in->c.folder, strerror(errno));
		return CLI_IO;
	}
	return token ? move(&in->c, NEXT ".uri", NOW ".uri") : move(&in->c, NEXT ".key", NOW ".key");
}

/* --- certificates that are made here: the server's own, and on a new server its first operator's --- */

/* The issuing CA, and what leads from it to roots that others may know: never a root itself. */
static bool take_path(const struct op_certs *trust, struct op_certs *to)
{
	bool room = op_cert_is_root(trust->v[0]) || op_certs_add(to, trust->v[0]);
	X509 *at = trust->v[0];
	for (size_t i = 1; room && i < trust->count; i++) {
		X509 *x = trust->v[i];
		bool next = X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(at)) == 0;
		if (!next || op_cert_is_root(x) || !op_cert_is_by(at, x))
			continue;
		room = op_certs_add(to, x);
		at = x;
	}
	return room;
}

/* Who issues: the CA and what is beside it, and its key. */
struct issuer {
	struct op_certs trust;
	struct op_ca_key k;
};

static void issuer_clear(struct issuer *by)
{
	op_certs_clear(&by->trust);
	op_ca_key_clear(&by->k);
}
#define AUTO_ISSUER __attribute__((cleanup(issuer_clear)))

/* The certificate in this file anew; `key`: for another key, NULL: for its own. */
static int again(const struct op_ceremony *c, const char *name, EVP_PKEY *key, const struct issuer *by, long days,
		 struct op_transcript *t)
{
	OP_AUTO_CERTS struct op_certs was = { 0 }, now = { 0 };
	int code = op_ceremony_certs(c, name, &was);
	const struct op_cert_ask how = { .key = key, .issuer = by->trust.v[0], .issuer_key = by->k.key, .days = days };
	X509 *x = code < 0 ? op_cert_again(was.v[0], &how) : NULL;
	if (code < 0 && (x == NULL || !op_certs_add(&now, x) || !take_path(&by->trust, &now))) {
		cli_say("%s: OpenSSL makes no certificate", name);
		code = CLI_IO;
	}
	if (code < 0)
		code = put_certs(c, name, &now);
	if (code < 0)
		op_transcript_cert(t, name, x);
	X509_free(x);
	return code;
}

/* The certificates that init made for people, by the CA that the server starts with. */
static int people_again(const struct op_ceremony *c, const struct issuer *by, struct op_transcript *t)
{
	int code = -1;
	DIR *d = fdopendir(openat(c->dir, "operators", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (d == NULL)
		return -1;
	for (const struct dirent *e; code < 0 && (e = readdir(d)) != NULL;) {
		char name[300];
		size_t n = strlen(e->d_name);
		if (n <= 4 || strcmp(e->d_name + n - 4, ".crt") != 0)
			continue;
		(void)snprintf(name, sizeof(name), "operators/%s", e->d_name);
		code = again(c, name, NULL, by, DAYS_PERSON, t);
	}
	(void)closedir(d);
	return code;
}

static int open_issuer(const struct op_ceremony *c, struct issuer *by)
{
	int code = op_ceremony_certs(c, "ca.crt", &by->trust);
	if (code < 0 && !has_key(c, NOW)) {
		cli_say("%s/" NOW ".key is not there, and no " NOW ".uri names a key in a token", c->folder);
		code = CLI_FAILS;
	}
	if (code < 0)
		code = op_ca_key_open(&by->k, c, NOW);
	if (code < 0 && EVP_PKEY_eq(X509_get0_pubkey(by->trust.v[0]), by->k.key) != 1) {
		cli_say("the first certificate of ca.crt is not that of the key: an install was interrupted, the same command goes on");
		code = CLI_FAILS;
	}
	return code;
}

int ca_reissue(const struct op_ceremony *c, struct op_transcript *t)
{
	AUTO_ISSUER struct issuer by = { .trust = { 0 } };
	int code = open_issuer(c, &by);
	if (code < 0)
		code = again(c, TLS ".crt", NULL, &by, DAYS_SERVER, t);
	return code < 0 ? people_again(c, &by, t) : code;
}

bool ca_server_is_fresh(const struct op_ceremony *c)
{
	return !op_ceremony_has(c, "state/store/chainhold.db") && !op_ceremony_has(c, SIGNER "tree");
}

/* --- install --- */

static int steps(struct install *in, struct op_transcript *t)
{
	OP_AUTO_CERTS struct op_certs one = { 0 }, now = { 0 };
	if (!op_certs_add(&one, in->chain.v[0]))
		return CLI_IO;
	int code = op_ceremony_certs(&in->c, NOW ".crt", &now);
	if (code < 0)
		code = keep_earlier(in, &now);
	if (code < 0)
		code = put_trust(in);
	if (code < 0)
		code = put_key(in, &one);
	if (code < 0 && in->fresh)
		code = ca_reissue(&in->c, t);
	return code;
}

static const char *next_of(const struct install *in)
{
	if (op_ceremony_has(&in->c, NOW ".uri"))
		return "Next: say in chainholdd.yaml what the token's module needs (token:; a key that signer: names there goes before " NOW
		       ".uri), then start "
		       "the server anew\n";
	return in->fresh
		       ? "Next: start the server\n"
		       : "Next: start the server anew; when devices have an anchor that leads to it, chainhold ca server\n";
}

static int install(struct install *in)
{
	struct op_transcript t;
	CH_AUTO_BUF struct ch_buf file = { 0 };
	const char *key = NULL;
	int code = op_ceremony_open(&in->c);
	if (code < 0)
		code = need_server(&in->c);
	if (code < 0)
		code = cli_read(&file, in->chain_path);
	if (code < 0 && op_crls_is(ch_buf_span(&file)))
		return ca_crl_install(&in->c, ch_buf_span(&file), in->chain_path);
	if (code < 0)
		code = op_certs_take(&in->chain, ch_buf_span(&file), in->chain_path);
	if (code < 0)
		code = op_ceremony_certs(&in->c, "ca.crt", &in->before);
	in->fresh = code < 0 && !op_ceremony_has(&in->c, "state/store/chainhold.db");
	if (code < 0)
		code = check_ca(in);
	if (code < 0)
		code = check_root(in);
	if (code < 0)
		code = check_revoked(in);
	if (code < 0)
		code = check_key(in, &key);
	if (code >= 0)
		return code;
	op_transcript_begin(&t, &in->c, "install");
	op_transcript_cert(&t, "issuing CA", in->chain.v[0]);
	for (size_t i = 1; i < in->chain.count; i++)
		op_transcript_cert(&t, op_cert_is_root(in->chain.v[i]) ? "root" : "cross certificate", in->chain.v[i]);
	code = steps(in, &t);
	if (code < 0)
		return op_transcript_end(&t, &in->c, next_of(in));
	ch_buf_free(&t.text);
	cli_say("the CA is not installed whole: the same command goes on");
	return code;
}

int cmd_ca_install(int argc, char **argv)
{
	struct install in = { 0 };
	const char *file[2] = { NULL };
	const struct cli_opt opt[] = {
		{ "root", "SHA256",
		  "the root's certificate, as its transcript has it: needed where nothing vouches for it", CLI_VALUE,
		  &in.root },
		{ "by", "NAME", "who takes part, for the transcript; may be repeated", CLI_VALUES, &in.c.people },
	};
	const struct cli_usage u = {
		.args = "[--root SHA256] [--by NAME]… SERVER FILE",
		.about =
			"Puts the issuing CA that chainhold ca sign made, or lists of chainhold ca crl, into the folder of a server: it issues from the next start\n"
			"on. Certificates of the one before are still taken, and its key goes on signing its list. A server that was\n"
			"never started gets its own certificate and its operator's anew. If it is interrupted, the same command goes\n"
			"on.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = file,
		.file_min = 2,
		.file_max = 2,
	};
	int code = cli_parse(&u, argc, argv, NULL);
	in.c.folder = file[0];
	in.chain_path = file[1];
	if (code < 0)
		code = install(&in);
	op_certs_clear(&in.chain);
	op_certs_clear(&in.before);
	return code;
}

/* --- the server's own certificate --- */

/*
 * A new key waits as tls/next-server.key until its certificate is in place: one that is there is of a change that was interrupted, which goes on. The server reads
 * both when it is told to, and takes neither while they are not of each other.
 */
static int own_again(struct op_ceremony *c, bool new_key, struct op_transcript *t)
{
	AUTO_ISSUER struct issuer by = { .trust = { 0 } };
	OP_AUTO_CA_KEY struct op_ca_key key = { 0 };
	int code = open_issuer(c, &by);
	if (code >= 0 || (!new_key && !op_ceremony_has(c, TLS_NEXT ".key")))
		return code < 0 ? again(c, TLS ".crt", NULL, &by, DAYS_SERVER, t) : code;
	c->plain = true; /* the server reads it without a person */
	code = op_ca_key_make(c, TLS_NEXT);
	if (code < 0)
		code = op_ca_key_open(&key, c, TLS_NEXT);
	if (code < 0)
		code = again(c, TLS ".crt", key.key, &by, DAYS_SERVER, t);
	if (code < 0)
		code = move(c, TLS_NEXT ".key", TLS ".key");
	if (code < 0)
		op_transcript_put(t, "private key", "new: " TLS ".key");
	return code;
}

static int server(struct op_ceremony *c, bool new_key)
{
	struct op_transcript t;
	int code = op_ceremony_open(c);
	if (code < 0)
		code = need_server(c);
	if (code >= 0)
		return code;
	op_transcript_begin(&t, c, "server");
	code = own_again(c, new_key, &t);
	if (code < 0)
		return op_transcript_end(
			&t, c,
			"The server takes it when it is told to read its configuration (SIGHUP), or started anew.\n");
	ch_buf_free(&t.text);
	if (op_ceremony_has(c, TLS_NEXT ".key"))
		cli_say("the new key is not in place yet: the same command goes on, and the server is not started before");
	return code;
}

int cmd_ca_server(int argc, char **argv)
{
	struct op_ceremony c = { 0 };
	bool new_key = false;
	const struct cli_opt opt[] = {
		{ "new-key", NULL, "for a new key; else for the one that the server has", CLI_FLAG, &new_key },
		{ "by", "NAME", "who takes part, for the transcript; may be repeated", CLI_VALUES, &c.people },
	};
	const struct cli_usage u = {
		.args = "[--new-key] [--by NAME]… SERVER",
		.about =
			"Makes the TLS certificate of the server anew, by the CA that issues, for the same names. With it goes what leads\n"
			"to the roots that devices may know, the cross certificates of a rollover among them. If it is interrupted, the\n"
			"same command goes on.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &c.folder,
		.file_min = 1,
		.file_max = 1,
	};
	int code = cli_parse(&u, argc, argv, NULL);
	return code < 0 ? server(&c, new_key) : code;
}

/* --- show --- */

static const char *kind_of(X509 *x)
{
	return op_cert_is_root(x) ? "root" : "certificate";
}

int cmd_ca_show(int argc, char **argv)
{
	OP_AUTO_CERTS struct op_certs all = { 0 };
	struct op_ceremony c = { 0 };
	struct op_transcript t = { 0 };
	const struct cli_usage u = {
		.args = "SERVER",
		.about =
			"Shows the CA that issues, and what else the server trusts; whether a change of it is under way.",
		.file = &c.folder,
		.file_min = 1,
		.file_max = 1,
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (code < 0)
		code = op_ceremony_open(&c);
	if (code < 0)
		code = need_server(&c);
	if (code < 0)
		code = op_ceremony_certs(&c, "ca.crt", &all);
	if (code >= 0)
		return code;
	for (size_t i = 0; i < all.count; i++)
		op_transcript_cert(&t, i == 0 ? "issuing CA" : kind_of(all.v[i]), all.v[i]);
	struct ch_wr *w = cli_out();
	ch_wr_put(w, ch_buf_span(&t.text));
	if (has_key(&c, NEXT))
		ch_wr_str(
			w,
			"\nThe key of the next issuing CA is made: chainhold ca request writes its request again, chainhold ca install "
			"puts it in.\n");
	ch_buf_free(&t.text);
	return cli_out_end(CLI_HOLDS);
}
