/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/ca.h"
#include "cli/operator/crl.h"
#include "cli/operator/files.h"

#include "core/platform/x509_write.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * The lists of an offline root: it says which of the CAs that it certified are revoked. The newest of root N is root-N.crl, and has all that any before it had: what
 * is signed goes there first, then out. On a server they are root_lists/KEYID.crl, as its edges give them out.
 */

#define DAYS_LIST   180
#define DAYS_MAX    3650
#define ENTRIES_MAX 1000
#define ROOTS_MAX   99
#define DAY         86400

#define CLOCKS_APART 3600 /* seconds that two machines may be */

struct crl_ask {
	struct op_ceremony c;
	struct cli_values revoke, seen;
	const char *reason, *days, *root, *out;
	uint64_t days_n, root_n; /* root_n 0: every one */
	uint8_t reason_n;
	struct op_certs gone; /* of --revoke, in its order */
	struct op_crls known; /* of --seen */
};

/* What is revoked of one root, and how far its lists got. */
struct set {
	struct ch_revoked entry[ENTRIES_MAX];
	size_t count;
	uint64_t number;
	int64_t time;
};

static void list_name(char to[static 64], unsigned n)
{
	(void)snprintf(to, 64, "root-%u.crl", n);
}

static int load_root(const struct op_ceremony *c, unsigned n, struct op_certs *to)
{
	char name[64];
	(void)snprintf(name, sizeof(name), "root-%u.crt", n);
	return op_ceremony_certs(c, name, to);
}

static int load_list(const struct op_ceremony *c, const char *name, struct op_crls *to)
{
	char path[OP_PATH_MAX];
	int code = op_ceremony_path(path, c, name);
	return code < 0 ? op_crls_read(to, path) : code;
}

int ca_crl_check(const struct op_ceremony *c, const char *name, X509 *x)
{
	OP_AUTO_CRLS struct op_crls list = { .count = 0 };
	char who[300];
	int code = op_ceremony_has(c, name) ? load_list(c, name, &list) : -1;
	if (code >= 0 || list.count == 0 || !op_crl_has(&list.v[0], x))
		return code;
	op_cert_name(who, x);
	cli_say("\"%s\" is revoked (%s/%s): a CA with another key takes its place", who, c->folder, name);
	return CLI_FAILS;
}

/* --- what is revoked --- */

static int set_add(struct set *s, const struct ch_revoked *r)
{
	for (size_t i = 0; i < s->count; i++) {
		/* What was said of it first stays. */
		if (ch_span_eq(CH_SPAN_OF(s->entry[i].serial.b), CH_SPAN_OF(r->serial.b)))
			return -1;
	}
	if (s->count == ENTRIES_MAX) {
		cli_say("a root's list has at most %d certificates", ENTRIES_MAX);
		return CLI_FAILS;
	}
	s->entry[s->count++] = *r;
	return -1;
}

static int set_take(struct set *s, const struct op_crl *l)
{
	struct ch_crl_rd entries = ch_crl_entries(&l->crl);
	struct ch_crl_entry e;
	int code = -1;
	while (code < 0 && ch_crl_next(&entries, &e)) {
		/* What is on hold stays revoked: nothing here takes out. */
		struct ch_revoked r = { .time = e.time,
					.reason = ch_crl_reason_final(e.reason) ? e.reason : CH_CRL_UNSPECIFIED };
		if (ch_serial_make(&r.serial, e.serial))
			code = set_add(s, &r);
	}
	s->number = l->number > s->number ? l->number : s->number;
	s->time = l->crl.this_update > s->time ? l->crl.this_update : s->time;
	return code;
}

/* The list before, what others hold of this root, and what is revoked now. */
static int collect(const struct crl_ask *a, unsigned n, X509 *root, int64_t now, struct set *s)
{
	OP_AUTO_CRLS struct op_crls before = { .count = 0 };
	char name[64];
	list_name(name, n);
	*s = (struct set){ .count = 0 };
	int code = op_ceremony_has(&a->c, name) ? load_list(&a->c, name, &before) : -1;
	if (code < 0 && before.count > 0 && (before.count > 1 || !op_crl_is_by(&before.v[0], root))) {
		cli_say("%s/%s is not the one list that this root signed: the newest that others hold belongs in its place",
			a->c.folder, name);
		code = CLI_FAILS;
	}
	if (code < 0 && before.count > 0)
		code = set_take(s, &before.v[0]);
	for (size_t i = 0; code < 0 && i < a->known.count; i++) {
		if (op_crl_is_by(&a->known.v[i], root))
			code = set_take(s, &a->known.v[i]);
	}
	for (size_t i = 0; code < 0 && i < a->gone.count; i++) {
		const ASN1_INTEGER *serial = X509_get0_serialNumber(a->gone.v[i]);
		struct ch_revoked r = { .time = now, .reason = a->reason_n };
		if (op_cert_is_by(a->gone.v[i], root) &&
		    ch_serial_make(&r.serial,
				   ch_span(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial))))
			code = set_add(s, &r);
	}
	return code;
}

/* --- the list --- */

/* ECDSA over P-256 and SHA-256, as all keys of ceremonies are. */
static bool sign_tbs(struct ch_buf *der, struct ch_span tbs, EVP_PKEY *key)
{
	static const uint8_t alg[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };
	uint8_t sig[256];
	size_t n = sizeof(sig), cap = tbs.n + sizeof(sig) + 64;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx != NULL && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		    EVP_DigestSign(ctx, sig, &n, tbs.p, tbs.n) == 1;
	EVP_MD_CTX_free(ctx);
	struct ch_wr w = ch_wr(ch_buf_room(der, cap), cap);
	good = good && ch_crl_put(&w, tbs, CH_SPAN_OF(alg), ch_span(sig, n)) == CH_OK;
	der->n += good ? w.len : 0;
	return good;
}

static bool make(struct ch_buf *der, const struct set *s, int64_t now, int64_t next, X509 *root, EVP_PKEY *key)
{
	CH_AUTO_BUF struct ch_buf tbs = { 0 };
	const ASN1_OCTET_STRING *kid = X509_get0_subject_key_id(root);
	unsigned char *name = NULL;
	int n = i2d_X509_NAME(X509_get_subject_name(root), &name);
	const struct ch_crl_new list = {
		.issuer = ch_span(name, n > 0 ? (size_t)n : 0),
		.issuer_kid = kid != NULL ? ch_span(ASN1_STRING_get0_data(kid), (size_t)ASN1_STRING_length(kid))
					  : CH_SPAN_EMPTY,
		.number = (uint64_t)now > s->number ? (uint64_t)now : s->number + 1,
		.this_update = now,
		.next_update = next,
		.entry = s->entry,
		.count = s->count,
	};
	size_t cap = ch_crl_size_max(&list);
	struct ch_wr w = ch_wr(ch_buf_room(&tbs, cap), cap);
	bool good = ch_crl_tbs_put(&w, &list) == CH_OK && sign_tbs(der, ch_wr_span(&w), key);
	OPENSSL_free(name);
	return good;
}

/* Why this one is in the list: what was said of it first. */
static const char *reason_in(const struct op_crl *l, X509 *x)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
	struct ch_crl_rd entries = ch_crl_entries(&l->crl);
	struct ch_serial want, have;
	struct ch_crl_entry e;
	const char *reason = NULL;
	if (!ch_serial_make(&want, ch_span(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial))))
		return "none";
	while (reason == NULL && ch_crl_next(&entries, &e)) {
		if (ch_serial_make(&have, e.serial) && ch_span_eq(CH_SPAN_OF(have.b), CH_SPAN_OF(want.b)))
			reason = ch_crl_reason_str(e.reason);
	}
	return reason != NULL ? reason : "none";
}

static void tell(struct op_transcript *t, const struct crl_ask *a, const char *file, const struct op_crl *l, X509 *root)
{
	char text[64], name[300];
	op_cert_name(name, root);
	ch_buf_append(&t->text, CH_SPAN_LIT("\n"));
	op_transcript_put(t, "list of", name);
	op_transcript_put(t, "file", file);
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)l->number);
	op_transcript_put(t, "number", text);
	op_transcript_time(t, "next before", l->crl.next_update);
	(void)snprintf(text, sizeof(text), "%zu", l->crl.count);
	op_transcript_put(t, "certificates in it", text);
	for (size_t i = 0; i < a->gone.count; i++) {
		if (!op_cert_is_by(a->gone.v[i], root))
			continue;
		op_transcript_cert(t, "revoked", a->gone.v[i]);
		op_transcript_put(t, "reason", reason_in(l, a->gone.v[i]));
	}
}

/* A machine that is offline may have lost its clock: a list from the past would be none, and its number would be too low for who has the one before. */
static int check_clock(const struct set *s, X509 *root, int64_t now)
{
	if (now >= s->time && X509_cmp_current_time(X509_get0_notBefore(root)) < 0)
		return -1;
	cli_say("the clock of this machine is behind %s: set it",
		now < s->time ? "the last list of this root" : "the root's certificate");
	return CLI_FAILS;
}

static int sign_list(const struct crl_ask *a, unsigned n, struct ch_buf *all, struct op_transcript *t)
{
	OP_AUTO_CA_KEY struct op_ca_key k = { 0 };
	OP_AUTO_CERTS struct op_certs root = { 0 };
	OP_AUTO_CRLS struct op_crls made = { .count = 0 };
	CH_AUTO_BUF struct ch_buf der = { 0 }, pem = { 0 };
	static struct set s;
	int64_t now = (int64_t)time(NULL);
	char name[64], key[64];
	list_name(name, n);
	(void)snprintf(key, sizeof(key), "root-%u", n);
	int code = load_root(&a->c, n, &root);
	if (code < 0)
		code = collect(a, n, root.v[0], now, &s);
	if (code < 0)
		code = check_clock(&s, root.v[0], now);
	if (code < 0)
		code = op_ca_key_open(&k, &a->c, key);
	if (code >= 0)
		return code;
	/* Read back and judged before it counts: a key that is not this root's makes no list. */
	if (!make(&der, &s, now, now + (int64_t)a->days_n * DAY, root.v[0], k.key) ||
	    op_crls_take(&made, ch_buf_span(&der), name) >= 0 || !op_crl_is_by(&made.v[0], root.v[0]) ||
	    !op_crl_pem(&pem, ch_buf_span(&der))) {
		cli_say("%s/%s: the key signs no list of this root", a->c.folder, name);
		return CLI_FAILS;
	}
	code = op_ceremony_put(&a->c, name, true, ch_buf_span(&pem));
	if (code < 0) {
		ch_buf_append(all, ch_buf_span(&pem));
		tell(t, a, name, &made.v[0], root.v[0]);
	}
	return code;
}

/* --- the command --- */

static int check_reason(struct crl_ask *a)
{
	if ((a->reason != NULL) != (a->revoke.count > 0)) {
		cli_say("--revoke and --reason belong together");
		return CLI_USAGE;
	}
	for (uint8_t i = 0; a->reason != NULL && i < 16; i++) {
		const char *name = ch_crl_reason_str(i);
		a->reason_n = i;
		if (name != NULL && ch_crl_reason_final(i) && strcmp(name, a->reason) == 0)
			return -1;
	}
	if (a->reason == NULL)
		return -1;
	cli_say("'%s' is no reason: cACompromise, superseded, cessationOfOperation, affiliationChanged, keyCompromise, privilegeWithdrawn, unspecified",
		a->reason);
	return CLI_USAGE;
}

static int check_ask(struct crl_ask *a)
{
	a->days_n = DAYS_LIST;
	if (a->days != NULL && (!cli_number(a->days, DAYS_MAX, &a->days_n) || a->days_n == 0))
		cli_say("--days is 1 to %d", DAYS_MAX);
	else if (a->root != NULL && (!cli_number(a->root, ROOTS_MAX, &a->root_n) || a->root_n == 0))
		cli_say("--root is the number N of a root-N.crt");
	else if (a->out == NULL)
		cli_say("name the new file with --out");
	else
		return check_reason(a);
	return CLI_USAGE;
}

/* True if root number `n` is one whose list is signed now. */
static bool is_asked(const struct crl_ask *a, unsigned n)
{
	return a->root_n == 0 || a->root_n == n;
}

/* Every certificate and list that was named is of a root whose list is signed now. */
static int check_named(const struct crl_ask *a, unsigned roots)
{
	bool cert[OP_CERTS_MAX] = { false }, list[OP_CRLS_MAX] = { false };
	int code = -1;
	for (unsigned n = 1; code < 0 && n <= roots; n++) {
		OP_AUTO_CERTS struct op_certs root = { 0 };
		code = is_asked(a, n) ? load_root(&a->c, n, &root) : -1;
		for (size_t i = 0; root.count > 0 && i < a->gone.count; i++)
			cert[i] = cert[i] || (op_cert_is_by(a->gone.v[i], root.v[0]) && !op_cert_is_root(a->gone.v[i]));
		for (size_t i = 0; root.count > 0 && i < a->known.count; i++)
			list[i] = list[i] || op_crl_is_by(&a->known.v[i], root.v[0]);
	}
	for (size_t i = 0; code < 0 && i < a->gone.count; i++) {
		char name[300];
		op_cert_name(name, a->gone.v[i]);
		if (!cert[i]) {
			cli_say("\"%s\" is no certificate that a root of %s issued; a root itself is replaced, not revoked",
				name, a->c.folder);
			code = CLI_FAILS;
		}
	}
	for (size_t i = 0; code < 0 && i < a->known.count; i++) {
		if (!list[i]) {
			cli_say("--seen: no root of %s signed that list", a->c.folder);
			code = CLI_FAILS;
		}
	}
	return code;
}

static int read_named(struct crl_ask *a)
{
	int code = -1;
	for (size_t i = 0; code < 0 && i < a->revoke.count; i++) {
		OP_AUTO_CERTS struct op_certs file = { 0 };
		code = op_certs_read(&file, a->revoke.v[i]);
		/* What leads to it may follow, as in a file that `ca sign` made. */
		if (code < 0 && !op_certs_add(&a->gone, file.v[0])) {
			cli_say("more than %d certificates at once", OP_CERTS_MAX);
			code = CLI_USAGE;
		}
	}
	for (size_t i = 0; code < 0 && i < a->seen.count; i++)
		code = op_crls_read(&a->known, a->seen.v[i]);
	return code;
}

static int crl(struct crl_ask *a)
{
	CH_AUTO_BUF struct ch_buf all = { 0 };
	struct op_transcript t;
	char next[2200];
	int code = check_ask(a);
	if (code < 0)
		code = op_ceremony_open(&a->c);
	unsigned roots = code < 0 ? ca_roots(&a->c) : 0;
	if (code < 0 && (roots == 0 || a->root_n > roots)) {
		cli_say("%s has no such root", a->c.folder);
		code = CLI_FAILS;
	}
	if (code < 0)
		code = read_named(a);
	if (code < 0)
		code = check_named(a, roots);
	/* Before a root's key is used. */
	if (code < 0 && access(a->out, F_OK) == 0) {
		cli_say("%s: %s", a->out, strerror(EEXIST));
		code = CLI_IO;
	}
	if (code >= 0)
		return code;
	op_transcript_begin(&t, &a->c, "crl");
	for (unsigned n = 1; code < 0 && n <= roots; n++) {
		if (is_asked(a, n))
			code = sign_list(a, n, &all, &t);
	}
	if (code < 0)
		code = op_file_make(AT_FDCWD, a->out, OP_PUBLIC, ch_buf_span(&all));
	(void)snprintf(next, sizeof(next), "Next, on the server: chainhold ca install SERVER %.2000s\n", a->out);
	if (code < 0)
		return op_transcript_end(&t, &a->c, next);
	ch_buf_free(&t.text);
	return code;
}

int cmd_ca_crl(int argc, char **argv)
{
	static struct crl_ask a;
	const struct cli_opt opt[] = {
		{ "revoke", "FILE", "the certificate of an issuing CA that is revoked from now on; may be repeated",
		  CLI_VALUES, &a.revoke },
		{ "reason", "WORD", "why: cACompromise, superseded, cessationOfOperation, …", CLI_VALUE, &a.reason },
		{ "seen", "FILE",
		  "a list of this root that others hold: nothing that is in it is forgotten; may be repeated",
		  CLI_VALUES, &a.seen },
		{ "root", "N", "the list of root N alone (of each)", CLI_VALUE, &a.root },
		{ "days", "N", "how long it holds (180)", CLI_VALUE, &a.days },
		{ "passphrase", "FILE", "a file with the passphrase of key files; else it is asked for", CLI_VALUE,
		  &a.c.passphrase },
		{ "by", "NAME", "who takes part, for the transcript; may be repeated", CLI_VALUES, &a.c.people },
		{ "out", "FILE", "the new file with the lists", CLI_VALUE, &a.out },
	};
	const struct cli_usage u = {
		.args = "[--revoke FILE… --reason WORD] [--seen FILE]… [--root N] [--days N] [--by NAME]… --out FILE DIR",
		.about =
			"Signs the next revocation list of each root in the folder DIR: of the issuing CAs that it certified. What was in\n"
			"the last one is in it. Clients that check whole chains need one that has not ended: sign the next in time.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &a.c.folder,
		.file_min = 1,
		.file_max = 1,
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (code < 0)
		code = crl(&a);
	op_certs_clear(&a.gone);
	op_crls_clear(&a.known);
	return code;
}

/* --- on a server --- */

/* Whose it is: a CA that the server trusts, and not the one that issues, whose list the server signs itself. NULL after a message. */
static X509 *issuer_of(const struct op_certs *trust, const struct op_crl *l, const char *path)
{
	for (size_t i = 0; i < trust->count; i++) {
		if (!op_crl_is_by(l, trust->v[i]))
			continue;
		if (i > 0)
			return trust->v[i];
		cli_say("%s: the server signs the list of the CA that issues itself", path);
		return NULL;
	}
	cli_say("%s: no CA that this server trusts (ca.crt) signed it", path);
	return NULL;
}

/* In its time, and not before the one that is there. */
static int check_list(const struct op_ceremony *c, const char *name, const struct op_crl *l, const char *path)
{
	OP_AUTO_CRLS struct op_crls there = { .count = 0 };
	int code = op_ceremony_has(c, name) ? load_list(c, name, &there) : -1;
	if (code >= 0)
		return code;
	int64_t now = (int64_t)time(NULL);
	if (l->crl.next_update <= now)
		cli_say("%s: a list that has ended: chainhold ca crl signs the next one", path);
	else if (l->crl.this_update > now + CLOCKS_APART)
		cli_say("%s: a list whose time has not begun: the clock of the machine that signed it, or of this one, is wrong",
			path);
	else if (there.count > 0 &&
		 (l->number < there.v[0].number ||
		  (l->number == there.v[0].number && !ch_span_eq(ch_buf_span(&l->der), ch_buf_span(&there.v[0].der)))))
		cli_say("%s: an older list than %s/%s, number %llu", path, c->folder, name,
			(unsigned long long)there.v[0].number);
	else
		return -1;
	return CLI_FAILS;
}

static int install_one(const struct op_ceremony *c, const struct op_certs *trust, const struct op_crl *l,
		       const char *path, struct op_transcript *t)
{
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	const struct crl_ask none = { .reason = NULL };
	char kid[41], name[128], who[300];
	X509 *root = issuer_of(trust, l, path);
	if (root == NULL)
		return CLI_FAILS;
	op_cert_kid(kid, root);
	if (kid[0] == '\0') {
		cli_say("%s: a list is called as its root's key identifier, and this root has none of 1 to 20 bytes",
			path);
		return CLI_FAILS;
	}
	(void)snprintf(name, sizeof(name), CA_ROOT_LISTS "/%s.crl", kid);
	int code = check_list(c, name, l, path);
	if (code < 0 && t == NULL)
		return -1;
	if (code < 0)
		code = op_crl_pem(&pem, ch_buf_span(&l->der)) ? op_ceremony_put(c, name, true, ch_buf_span(&pem))
							      : CLI_IO;
	if (code < 0)
		tell(t, &none, name, l, root);
	for (size_t i = 0; code < 0 && i < trust->count; i++) {
		if (!op_cert_is_by(trust->v[i], root) || !op_crl_has(l, trust->v[i]))
			continue;
		op_cert_name(who, trust->v[i]);
		op_transcript_put(t, "revoked, and in ca.crt", who);
		if (i == 0)
			cli_say("the CA that issues here is revoked: what checks the whole chain refuses all that it issues; chainhold ca request begins another");
	}
	return code;
}

static bool same_root(const struct ch_crl *a, const struct ch_crl *b)
{
	return ch_span_eq(a->x.issuer, b->x.issuer) && ch_span_eq(a->x.authority_key_id, b->x.authority_key_id);
}

/* Two lists of one root: the second would be held against what the first has made of it. */
static int check_twice(const struct op_crls *l, const char *path)
{
	for (size_t i = 0; i < l->count; i++) {
		for (size_t k = 0; k < i; k++) {
			if (!same_root(&l->v[i].crl, &l->v[k].crl))
				continue;
			cli_say("%s: two lists of one root", path);
			return CLI_FAILS;
		}
	}
	return -1;
}

int ca_crl_install(const struct op_ceremony *c, struct ch_span in, const char *path)
{
	OP_AUTO_CERTS struct op_certs trust = { 0 };
	OP_AUTO_CRLS struct op_crls lists = { .count = 0 };
	struct op_transcript t;
	int code = op_ceremony_certs(c, "ca.crt", &trust);
	if (code < 0)
		code = op_crls_take(&lists, in, path);
	for (size_t i = 0; code < 0 && i < lists.count; i++)
		code = install_one(c, &trust, &lists.v[i], path, NULL);
	if (code < 0)
		code = check_twice(&lists, path);
	if (code < 0 && !op_ceremony_has(c, CA_ROOT_LISTS))
		code = op_folder_make(c->dir, CA_ROOT_LISTS, OP_PUBLIC);
	if (code >= 0)
		return code;
	op_transcript_begin(&t, c, "install");
	for (size_t i = 0; code < 0 && i < lists.count; i++)
		code = install_one(c, &trust, &lists.v[i], path, &t);
	if (code < 0)
		return op_transcript_end(
			&t, c, "The server gives it out when it is told to read its configuration (SIGHUP).\n");
	ch_buf_free(&t.text);
	return code;
}
