/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/ca.h"
#include "cli/operator/ceremony.h"
#include "cli/operator/files.h"

#include "core/platform/csr.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/*
 * The offline root. Its folder: root-N.key (or root-N.uri), root-N.crt, the certificates of a rollover (RFC 4210, 4.4) root-N-by-M.crt, what it issued
 * (issued/), the protocols of its ceremonies (transcript/).
 */

#define DAYS_ROOT    7300
#define DAYS_ISSUING 1825
#define ROOTS_MAX    99
#define DAYS_MAX     36500

struct root_ask {
	struct op_ceremony c;
	const char *name, *days, *out, *request, *expect, *crl_url;
	uint64_t days_n;
};

#define OPTION_KEY                                                                                                \
	{                                                                                                         \
		"key", "URI", "PKCS #11 URI of the key, made in the token; a file if nothing is said", CLI_VALUE, \
			&a.c.key                                                                                  \
	}
#define OPTION_PASSPHRASE                                                                                         \
	{                                                                                                         \
		"passphrase", "FILE", "a file with the passphrase of key files; else it is asked for", CLI_VALUE, \
			&a.c.passphrase                                                                           \
	}
#define OPTION_PLAIN                                                                                                 \
	{                                                                                                            \
		"plain", NULL, "do not encrypt the key file: the folder itself is locked away", CLI_FLAG, &a.c.plain \
	}
#define OPTION_BY                                                                                            \
	{                                                                                                    \
		"by", "NAME", "who takes part, for the transcript; may be repeated", CLI_VALUES, &a.c.people \
	}
#define OPTION_CRL                                                                                             \
	{                                                                                                      \
		"crl-url", "URL", "http://HOST[:PORT] where the root's list is got: certificates then say so", \
			CLI_VALUE, &a.crl_url                                                                  \
	}
#define OPTION_DAYS(n)                                                                       \
	{                                                                                    \
		"days", "N", "how long the certificate is valid (" n ")", CLI_VALUE, &a.days \
	}

static int check_days(struct root_ask *a, uint64_t otherwise)
{
	a->days_n = otherwise;
	if (a->crl_url != NULL && !op_crl_url_valid(a->crl_url)) {
		cli_say("--crl-url is http://HOST[:PORT], without a slash at its end");
		return CLI_USAGE;
	}
	if (a->days == NULL || (cli_number(a->days, DAYS_MAX, &a->days_n) && a->days_n > 0))
		return -1;
	cli_say("--days is 1 to %d", DAYS_MAX);
	return CLI_USAGE;
}

/* --- the folder --- */

static void root_name(char to[static 64], unsigned n)
{
	(void)snprintf(to, 64, "root-%u", n);
}

static const char *cross_name(char to[static 64], unsigned of, unsigned by)
{
	(void)snprintf(to, 64, "root-%u-by-%u.crt", of, by);
	return to;
}

static void cert_name(char to[static 64], unsigned n)
{
	(void)snprintf(to, 64, "root-%u.crt", n);
}

/* 0 if there is none. */
unsigned ca_roots(const struct op_ceremony *c)
{
	char name[64];
	unsigned n = 0;
	do
		cert_name(name, n + 1);
	while (op_ceremony_has(c, name) && ++n < ROOTS_MAX);
	return n;
}

static int put_cert(const struct op_ceremony *c, const char *name, X509 *x)
{
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	if (x != NULL && op_cert_pem(&pem, x))
		return op_ceremony_put(c, name, true, ch_buf_span(&pem));
	cli_say("OpenSSL makes no certificate for %s", name);
	return CLI_IO;
}

/* The newest root and what leads to it from the ones before, and back: what clients need in a rollover (RFC 7030, 4.1.3). */
static int take_roots(const struct op_ceremony *c, unsigned n, struct op_certs *to)
{
	char name[64];
	cert_name(name, n);
	int code = op_ceremony_certs(c, name, to);
	for (unsigned i = n; code < 0 && i > 1; i--) {
		(void)cross_name(name, i, i - 1);
		code = op_ceremony_certs(c, name, to);
		(void)cross_name(name, i - 1, i);
		if (code < 0)
			code = op_ceremony_certs(c, name, to);
		cert_name(name, i - 1);
		if (code < 0)
			code = op_ceremony_certs(c, name, to);
	}
	return code;
}

/* --- making one --- */

/* The first one's name, and a number: no two roots have one name. */
static int name_of(const struct root_ask *a, unsigned n, char to[static 65])
{
	OP_AUTO_CERTS struct op_certs first = { 0 };
	char was[65] = "Chainhold root";
	int code = n > 1 ? op_ceremony_certs(&a->c, "root-1.crt", &first) : -1;
	if (code < 0 && n > 1)
		(void)X509_NAME_get_text_by_NID(X509_get_subject_name(first.v[0]), NID_commonName, was, sizeof(was));
	const char *name = a->name != NULL ? a->name : was;
	(void)snprintf(to, 65, n == 1 || a->name != NULL ? "%.64s" : "%.60s %u", name, n);
	return code;
}

/* root-N.crt, unless it is there: the key is then there, too. */
static int make_root(const struct root_ask *a, unsigned n, struct op_transcript *t)
{
	OP_AUTO_CA_KEY struct op_ca_key k = { 0 };
	char key[64], cert[64], common[65];
	root_name(key, n);
	cert_name(cert, n);
	int code = name_of(a, n, common);
	if (code < 0)
		code = op_ca_key_make(&a->c, key);
	if (code < 0)
		code = op_ca_key_open(&k, &a->c, key);
	if (code >= 0)
		return code;
	const struct op_cert_ask ask = {
		.profile = OP_PROFILE_ROOT, .key = k.key, .name = common, .days = (long)a->days_n
	};
	X509 *x = op_cert_new(&ask);
	code = put_cert(&a->c, cert, x);
	if (code < 0) {
		op_transcript_cert(t, "root", x);
		op_transcript_put(t, "private key", k.place);
	}
	X509_free(x);
	return code;
}

static int init(struct root_ask *a)
{
	struct op_transcript t;
	struct stat st;
	int code = check_days(a, DAYS_ROOT);
	if (code < 0 && stat(a->c.folder, &st) != 0 && errno == ENOENT)
		code = op_folder_make(AT_FDCWD, a->c.folder, OP_SECRET);
	if (code < 0)
		code = op_ceremony_open(&a->c);
	if (code < 0 && ca_roots(&a->c) > 0) {
		cli_say("%s has a root already; another beside it: chainhold ca rollover", a->c.folder);
		code = CLI_FAILS;
	}
	if (code >= 0)
		return code;
	op_transcript_begin(&t, &a->c, "init");
	code = make_root(a, 1, &t);
	if (code < 0)
		return op_transcript_end(&t, &a->c, "Next, on the server: chainhold ca request --out ca.csr SERVER\n");
	ch_buf_free(&t.text);
	return code;
}

int cmd_ca_init(int argc, char **argv)
{
	struct root_ask a = { 0 };
	const struct cli_opt opt[] = {
		{ "name", "NAME", "common name of the root (Chainhold root)", CLI_VALUE, &a.name },
		OPTION_KEY,
		OPTION_PASSPHRASE,
		OPTION_PLAIN,
		OPTION_DAYS("7300"),
		OPTION_BY,
	};
	const struct cli_usage u = {
		.args = "[--name NAME] [--key URI] [--by NAME]… DIR",
		.about =
			"Makes an offline root in the folder DIR: on a machine without a network, which need not know the\n"
			"server. Its key is an encrypted file there, or made in a PKCS #11 token. If it is interrupted, the same\n"
			"command goes on.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &a.c.folder,
		.file_min = 1,
		.file_max = 1,
	};
	int code = cli_parse(&u, argc, argv, NULL);
	return code < 0 ? init(&a) : code;
}

/* --- rollover --- */

/* root-OF-by-BY.crt, unless it is there. One token at a time: modules are not loaded twice. */
static int make_cross(const struct root_ask *a, unsigned of, unsigned by, struct op_transcript *t)
{
	OP_AUTO_CA_KEY struct op_ca_key k = { 0 };
	OP_AUTO_CERTS struct op_certs one = { 0 }, other = { 0 };
	char name[64], file[64];
	(void)cross_name(file, of, by);
	if (op_ceremony_has(&a->c, file))
		return -1;
	cert_name(name, of);
	int code = op_ceremony_certs(&a->c, name, &one);
	cert_name(name, by);
	if (code < 0)
		code = op_ceremony_certs(&a->c, name, &other);
	root_name(name, by);
	const struct op_ceremony opened = { .folder = a->c.folder, .passphrase = a->c.passphrase, .dir = a->c.dir };
	if (code < 0)
		code = op_ca_key_open(&k, &opened, name);
	if (code >= 0)
		return code;
	const struct op_cert_ask how = { .issuer = other.v[0], .issuer_key = k.key, .crl_url = a->crl_url };
	X509 *x = op_cert_again(one.v[0], &how);
	code = put_cert(&a->c, file, x);
	if (code < 0) {
		op_transcript_cert(t, of > by ? "new root, by the one before" : "root before, by the new one", x);
		op_transcript_put(t, "file", file);
	}
	X509_free(x);
	return code;
}

/* roots.pem is written last, when all the rest is there. */
static bool is_whole(const struct op_ceremony *c, unsigned n)
{
	OP_AUTO_CERTS struct op_certs all = { 0 }, one = { 0 };
	char name[64];
	cert_name(name, n);
	return n == 1 ||
	       (op_ceremony_has(c, "roots.pem") && op_ceremony_certs(c, "roots.pem", &all) < 0 &&
		op_ceremony_certs(c, name, &one) < 0 && X509_cmp(all.v[0], one.v[0]) == 0 &&
		op_ceremony_has(c, cross_name(name, n, n - 1)) && op_ceremony_has(c, cross_name(name, n - 1, n)));
}

/* What the server and EST clients are given of it, without another issuing CA. */
static int put_trust(const struct op_ceremony *c, unsigned n)
{
	OP_AUTO_CERTS struct op_certs all = { 0 };
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	int code = take_roots(c, n, &all);
	if (code < 0 && !op_certs_pem(&pem, &all))
		code = CLI_IO;
	return code < 0 ? op_ceremony_put(c, "roots.pem", true, ch_buf_span(&pem)) : code;
}

static int rollover(struct root_ask *a)
{
	struct op_transcript t;
	int code = check_days(a, DAYS_ROOT);
	unsigned n = ca_roots(&a->c);
	if (code >= 0)
		return code;
	if (n == 0) {
		cli_say("%s: neither a root's folder (chainhold ca init) nor a server's (chainhold init)", a->c.folder);
		return CLI_FAILS;
	}
	op_transcript_begin(&t, &a->c, "rollover");
	if (is_whole(&a->c, n))
		code = make_root(a, ++n, &t);
	if (code < 0)
		code = make_cross(a, n, n - 1, &t);
	if (code < 0)
		code = make_cross(a, n - 1, n, &t);
	if (code < 0)
		code = op_transcript_end(
			&t, &a->c,
			"Next: another issuing CA (chainhold ca request, sign, install), and a fleet root with both "
			"anchors\n");
	else
		ch_buf_free(&t.text);
	if (code == CLI_HOLDS)
		code = put_trust(&a->c, n);
	if (code < 0)
		return CLI_HOLDS;
	cli_say("the rollover is not whole: the same command goes on");
	return code;
}

int cmd_ca_rollover(int argc, char **argv)
{
	struct root_ask a = { 0 };
	const struct cli_opt opt[] = {
		{ "name", "NAME", "common name of the new root or issuing CA", CLI_VALUE, &a.name },
		OPTION_KEY,
		OPTION_PASSPHRASE,
		OPTION_PLAIN,
		OPTION_DAYS("7300"),
		OPTION_BY,
		OPTION_CRL,
		{ "out", "FILE", "a server's folder: the new file with the request", CLI_VALUE, &a.out },
	};
	const struct cli_usage u = {
		.args = "[--name NAME] [--key URI] [--by NAME]… [--out FILE] DIR",
		.about =
			"DIR is the folder of a root: makes another root beside the newest one, and the certificates by which\n"
			"each vouches for the other. DIR is the folder of a server: begins the change to another issuing CA, as\n"
			"chainhold ca request does. If it is interrupted, the same command goes on.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &a.c.folder,
		.file_min = 1,
		.file_max = 1,
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (code < 0)
		code = op_ceremony_open(&a.c);
	if (code >= 0)
		return code;
	return op_ceremony_has(&a.c, "chainholdd.yaml") ? ca_request(&a.c, a.name, a.out) : rollover(&a);
}

/* --- signing an issuing CA --- */

static int read_request(const char *path, EVP_PKEY **key, char name[static 65])
{
	static const char *const label[] = { "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST", NULL };
	static uint8_t room[CH_CSR_MAX];
	static struct ch_csr csr;
	CH_AUTO_BUF struct ch_buf in = { 0 };
	struct ch_span der;
	struct ch_diag d = { 0 };
	int code = cli_read(&in, path);
	if (code >= 0)
		return code;
	enum ch_err err = cli_der(ch_buf_span(&in), label, room, sizeof(room), &der, &d);
	if (err == CH_OK)
		err = ch_csr_parse(&csr, der, &d);
	if (err == CH_OK)
		err = ch_csr_verify(&csr, &d);
	if (err != CH_OK)
		return cli_refused(path, NULL, err, &d);
	const uint8_t *p = der.p;
	X509_REQ *req = csr.x.pub.type == CH_KEY_P256 ? d2i_X509_REQ(NULL, &p, (long)der.n) : NULL;
	if (req != NULL && X509_NAME_get_text_by_NID(X509_REQ_get_subject_name(req), NID_commonName, name, 65) > 0)
		*key = X509_REQ_get_pubkey(req);
	X509_REQ_free(req);
	if (*key != NULL)
		return -1;
	cli_say("%s: an issuing CA has a key of P-256 and a common name", path);
	return CLI_FAILS;
}

/* The same certificate again, unless it does not say of the list what is asked for now. */
static int issued_before(const struct root_ask *a, const char *file, struct op_certs *chain)
{
	int code = op_ceremony_certs(&a->c, file, chain);
	if (code >= 0 || a->crl_url == NULL || op_cert_list_at(chain->v[0], a->crl_url))
		return code;
	cli_say("%s/%s was made before, and says something else of where the list is: move it away for another certificate",
		a->c.folder, file);
	return CLI_FAILS;
}

/* No root signs again for a key whose certificate by any of them is revoked. */
static int check_key(const struct root_ask *a, const char *print)
{
	char file[128], list[64];
	int code = -1;
	for (unsigned n = 1; code < 0 && n <= ca_roots(&a->c); n++) {
		OP_AUTO_CERTS struct op_certs before = { 0 };
		(void)snprintf(file, sizeof(file), "issued/%.32s-by-%u.crt", print, n);
		(void)snprintf(list, sizeof(list), "root-%u.crl", n);
		if (!op_ceremony_has(&a->c, file))
			continue;
		code = op_ceremony_certs(&a->c, file, &before);
		if (code < 0)
			code = ca_crl_check(&a->c, list, before.v[0]);
	}
	return code;
}

/* The certificate of this key by root N: made, or the one that was made before. */
static int issue(const struct root_ask *a, unsigned n, EVP_PKEY *key, const char *name, struct op_certs *chain)
{
	OP_AUTO_CA_KEY struct op_ca_key k = { 0 };
	OP_AUTO_CERTS struct op_certs root = { 0 };
	char print[65], file[128], root_key[64], root_cert[64];
	op_key_fingerprint(print, key);
	(void)snprintf(file, sizeof(file), "issued/%.32s-by-%u.crt", print, n);
	int code = check_key(a, print);
	if (code >= 0)
		return code;
	if (op_ceremony_has(&a->c, file))
		return issued_before(a, file, chain);
	root_name(root_key, n);
	cert_name(root_cert, n);
	code = op_ceremony_has(&a->c, "issued") ? -1 : op_folder_make(a->c.dir, "issued", OP_PUBLIC);
	if (code < 0)
		code = op_ceremony_certs(&a->c, root_cert, &root);
	if (code < 0)
		code = op_ca_key_open(&k, &a->c, root_key);
	if (code >= 0)
		return code;
	const struct op_cert_ask ask = { .profile = OP_PROFILE_CA,
					 .key = key,
					 .name = name,
					 .issuer = root.v[0],
					 .issuer_key = k.key,
					 .days = (long)a->days_n,
					 .crl_url = a->crl_url };
	X509 *x = op_cert_new(&ask);
	code = put_cert(&a->c, file, x);
	if (code < 0 && !op_certs_add(chain, x))
		code = CLI_IO;
	X509_free(x);
	return code;
}

static int check_expected(const struct root_ask *a, EVP_PKEY *key)
{
	char print[65];
	op_key_fingerprint(print, key);
	if (a->expect == NULL || strcmp(a->expect, print) == 0)
		return -1;
	cli_say("%s is not for that key: SHA-256 of its key is %s", a->request, print);
	return CLI_FAILS;
}

static int sign(struct root_ask *a)
{
	OP_AUTO_CERTS struct op_certs chain = { 0 };
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	struct op_transcript t;
	EVP_PKEY *key = NULL;
	char name[65] = "", path[OP_PATH_MAX];
	int code = a->out != NULL ? check_days(a, DAYS_ISSUING) : CLI_USAGE;
	if (a->out == NULL)
		cli_say("name the new file with --out");
	if (code < 0)
		code = op_ceremony_open(&a->c);
	unsigned n = code < 0 ? ca_roots(&a->c) : 0;
	if (code < 0 && (n == 0 || !is_whole(&a->c, n))) {
		cli_say(n == 0 ? "%s has no root: chainhold ca init"
			       : "%s: a rollover is not whole: chainhold ca rollover goes on",
			a->c.folder);
		code = CLI_FAILS;
	}
	if (code < 0)
		code = read_request(a->request, &key, name);
	if (code < 0)
		code = check_expected(a, key);
	if (code < 0)
		code = issue(a, n, key, name, &chain);
	EVP_PKEY_free(key);
	if (code < 0)
		code = take_roots(&a->c, n, &chain);
	if (code < 0 && !op_certs_pem(&pem, &chain))
		code = CLI_IO;
	if (code < 0)
		code = op_file_make(AT_FDCWD, a->out, OP_PUBLIC, ch_buf_span(&pem));
	if (code >= 0)
		return code;
	op_transcript_begin(&t, &a->c, "sign");
	op_transcript_cert(&t, "issuing CA", chain.v[0]);
	op_transcript_cert(&t, "root", chain.v[1]);
	(void)snprintf(path, sizeof(path), "Next, on the server: chainhold ca install SERVER %.2000s\n", a->out);
	return op_transcript_end(&t, &a->c, path);
}

int cmd_ca_sign(int argc, char **argv)
{
	struct root_ask a = { 0 };
	const char *file[2] = { NULL };
	const struct cli_opt opt[] = {
		{ "expect", "SHA256",
		  "the key that is asked for, as the request's transcript says: anything else is refused", CLI_VALUE,
		  &a.expect },
		OPTION_PASSPHRASE,
		OPTION_DAYS("1825"),
		OPTION_CRL,
		OPTION_BY,
		{ "out", "FILE", "the new file: the certificate and all that leads to it", CLI_VALUE, &a.out },
	};
	const struct cli_usage u = {
		.args = "[--expect SHA256] [--days N] [--by NAME]… --out FILE DIR REQUEST",
		.about =
			"Signs the request of an issuing CA with the newest root of the folder DIR. The same request gets the same\n"
			"certificate again.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = file,
		.file_min = 2,
		.file_max = 2,
	};
	int code = cli_parse(&u, argc, argv, NULL);
	a.c.folder = file[0];
	a.request = file[1];
	return code < 0 ? sign(&a) : code;
}
