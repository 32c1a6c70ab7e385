/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/easyrsa.h"

#include "core/base/text.h"
#include "core/wire/base64.h"
#include "host/crypto_openssl/backend.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATH_MAX_ 4352

static void path_of(const struct easyrsa *p, const char *name, char path[static PATH_MAX_])
{
	(void)snprintf(path, PATH_MAX_, "%s/%s", p->pki, name);
}

static int bad(const char *path, size_t line, const char *rule)
{
	if (line > 0)
		cli_say("%s: line %zu: %s", path, line, rule);
	else
		cli_say("%s: %s", path, rule);
	return CLI_FAILS;
}

/* --- certificates --- */

/* One certificate in PEM; what EasyRSA writes above it as text is skipped. */
static int read_certificate(const char *path, struct ch_buf *der, struct ch_x509 *x)
{
	CH_AUTO_BUF struct ch_buf in = { 0 };
	struct ch_diag d = { .rule = NULL };
	size_t off = 0, n = 0;
	int code = cli_read(&in, path);
	if (code >= 0)
		return code;
	enum ch_err err =
		ch_pem_next(ch_buf_span(&in), &off, "CERTIFICATE", ch_buf_room(der, CH_CERT_MAX), CH_CERT_MAX, &n, &d);
	der->n = n;
	if (err == CH_OK)
		err = ch_x509_parse(x, ch_buf_span(der), &d);
	if (err == CH_OK && x->form == CH_X509_CERTIFICATE)
		return -1;
	return bad(path, 0, err == CH_OK || d.rule == NULL ? "not one certificate in PEM" : d.rule);
}

static int by_serial(const void *a, const void *b)
{
	const struct easyrsa_cert *x = a, *y = b;
	return memcmp(x->serial.b, y->serial.b, sizeof(x->serial.b));
}

/* extKeyUsage with clientAuth or anyExtendedKeyUsage, or none at all. */
static bool for_clients(const struct ch_x509 *x)
{
	static const uint8_t eku[] = { 0x55, 0x1d, 0x25 }, any[] = { 0x55, 0x1d, 0x25, 0x00 };
	static const uint8_t client[] = { 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02 };
	for (size_t i = 0; i < x->ext_count; i++) {
		if (!ch_span_eq(x->ext[i].oid, CH_SPAN_OF(eku)))
			continue;
		struct ch_der_rd in = ch_der_rd(x->ext[i].value, 0);
		struct ch_der_rd list = ch_der_enter(&in, CH_DER_SEQUENCE, NULL);
		while (ch_der_more(&list)) {
			struct ch_span oid = ch_der_oid(&list, NULL);
			if (ch_span_eq(oid, CH_SPAN_OF(client)) || ch_span_eq(oid, CH_SPAN_OF(any)))
				return true;
		}
		return false;
	}
	return true;
}

static const char *take_name(struct easyrsa_cert *c, const struct ch_x509 *x)
{
	static const uint8_t common_name[] = { 0x55, 0x04, 0x03 };
	struct ch_x509_text text = ch_x509_name_find(x->subject, CH_SPAN_OF(common_name));
	struct ch_wr w = ch_wr((uint8_t *)c->name, sizeof(c->name) - 1);
	if (text.tag == 0 || text.s.n == 0)
		return "its subject has no common name: there is nothing to call the device by";
	ch_der_string_put(&w, text.tag, text.s);
	if (w.bad)
		return "its common name is longer than 64 characters (RFC 5280, appendix A.1)";
	struct ch_span name = ch_wr_span(&w);
	for (size_t off = 0; off < name.n;) {
		uint32_t code;
		size_t n = ch_utf8_decode(ch_span_sub(name, off, name.n - off), &code);
		if (n == 0 || !ch_text_shown(code))
			return "its common name has characters that cannot be shown";
		off += n;
	}
	return NULL;
}

/* NULL if it is a certificate of this CA. */
static const char *take_certificate(struct easyrsa_cert *c, const struct easyrsa *p, const struct ch_x509 *x)
{
	if (!ch_serial_make(&c->serial, x->serial) || x->serial.p[0] >= 0x80)
		return "its serial number is not positive, or longer than 20 octets (RFC 5280, 4.1.2.2)";
	if (!ch_x509_name_eq(x->issuer, p->ca.subject) || ch_x509_verify(x, &p->ca.pub) != CH_OK)
		return "not issued by the CA of this folder: its signature does not hold";
	if (x->ca)
		return "the certificate of a CA: only an EasyRSA CA without CAs below it can be taken over";
	c->not_before = x->not_before;
	c->expires = x->not_after;
	c->use = for_clients(x) ? EASYRSA_DEVICE : EASYRSA_SERVER;
	return take_name(c, x);
}

static int add_certificate(struct easyrsa *p, const char *path)
{
	struct ch_x509 *x = ch_calloc(1, sizeof(*x));
	struct easyrsa_cert c = { .line = 0 };
	CH_AUTO_BUF struct ch_buf der = { 0 };
	int code = read_certificate(path, &der, x);
	const char *rule = code < 0 ? take_certificate(&c, p, x) : NULL;
	ch_free(x);
	if (rule != NULL)
		code = bad(path, 0, rule);
	if (code >= 0)
		return code;
	ch_buf_append(&c.der, ch_buf_span(&der));
	if (p->count == p->cap) {
		p->cap = p->cap * 2 + 64;
		p->cert = ch_realloc(p->cert, p->cap, sizeof(*p->cert));
	}
	size_t n = strlen(path) + 1;
	c.path = ch_calloc(n, 1);
	(void)snprintf(c.path, n, "%s", path);
	p->cert[p->count++] = c;
	return -1;
}

/* Every certificate of a folder; one that is not there has none. */
static int read_folder(struct easyrsa *p, const char *name)
{
	char folder[PATH_MAX_], path[PATH_MAX_ + 258];
	path_of(p, name, folder);
	DIR *dir = opendir(folder);
	if (dir == NULL && errno == ENOENT)
		return -1;
	if (dir == NULL) {
		cli_say("%s: %s", folder, strerror(errno));
		return CLI_IO;
	}
	int code = -1;
	for (const struct dirent *e; code < 0 && (e = readdir(dir)) != NULL;) {
		size_t n = strlen(e->d_name);
		if (n < 4 || (strcmp(e->d_name + n - 4, ".crt") != 0 && strcmp(e->d_name + n - 4, ".pem") != 0))
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		code = p->count < CH_CRL_ENTRIES_MAX ? add_certificate(p, path)
						     : bad(folder, 0, "more certificates than can be taken over");
	}
	(void)closedir(dir);
	return code;
}

static void cert_clear(struct easyrsa_cert *c)
{
	ch_buf_free(&c->der);
	ch_free(c->path);
}

/* The same certificate lies in several folders; two with one number are not the same. */
static int merge_same(struct easyrsa *p)
{
	size_t n = 0;
	if (p->count > 0)
		qsort(p->cert, p->count, sizeof(*p->cert), by_serial);
	for (size_t i = 0; i < p->count; i++) {
		if (n == 0 || by_serial(&p->cert[n - 1], &p->cert[i]) != 0) {
			p->cert[n++] = p->cert[i];
			continue;
		}
		bool same = ch_span_eq(ch_buf_span(&p->cert[n - 1].der), ch_buf_span(&p->cert[i].der));
		if (!same) {
			cli_say("%s: has the serial number of another certificate, %s", p->cert[i].path,
				p->cert[n - 1].path);
			/* What is not moved down yet is freed from where it is. */
			for (; i < p->count; i++)
				p->cert[n++] = p->cert[i];
			p->count = n;
			return CLI_FAILS;
		}
		cert_clear(&p->cert[i]);
	}
	p->count = n;
	return -1;
}

static int read_certificates(struct easyrsa *p)
{
	static const char *const folder[] = { "issued", "certs_by_serial", "revoked/certs_by_serial", "renewed/issued",
					      "renewed/certs_by_serial" };
	int code = -1;
	for (size_t i = 0; i < CH_COUNT_OF(folder) && code < 0; i++)
		code = read_folder(p, folder[i]);
	return code < 0 ? merge_same(p) : code;
}

/* --- the index --- */

static struct easyrsa_cert *find(const struct easyrsa *p, const struct ch_serial *serial)
{
	const struct easyrsa_cert key = { .serial = *serial };
	return p->count == 0 ? NULL : bsearch(&key, p->cert, p->count, sizeof(*p->cert), by_serial);
}

/* NULL if the line and the certificate say the same. */
static const char *take_row(const struct easyrsa *p, const struct ch_ca_index_row *row, int64_t now)
{
	struct easyrsa_cert *c = find(p, &row->serial);
	if (c == NULL)
		return "there is no certificate with this serial number in the folder";
	if (c->line != 0)
		return "the serial number of a line before";
	if (c->expires != row->expires)
		return "the certificate with this serial number ends at another time";
	c->line = row->line;
	if (row->revoked) {
		if (row->reason == CH_CRL_HOLD)
			return "certificateHold: put it right with EasyRSA first, revoked or not";
		if (row->time > now)
			return "revoked at a time that has not come yet";
		c->use = EASYRSA_REVOKED;
		c->time = row->time;
		c->reason = row->reason;
	} else if (c->expires <= now) {
		c->use = EASYRSA_EXPIRED;
	}
	return NULL;
}

static int read_index(struct easyrsa *p)
{
	char path[PATH_MAX_];
	CH_AUTO_BUF struct ch_buf in = { 0 };
	struct ch_ca_index_row row;
	struct ch_diag d;
	bool end = false;
	path_of(p, "index.txt", path);
	int code = cli_read(&in, path);
	struct ch_ca_index_rd r = { .in = ch_buf_span(&in) };
	while (code < 0) {
		if (ch_ca_index_next(&r, &row, &end, &d) != CH_OK)
			return bad(path, d.item, d.rule);
		if (end)
			break;
		const char *rule = take_row(p, &row, (int64_t)time(NULL));
		if (rule != NULL)
			code = bad(path, row.line, rule);
	}
	for (size_t i = 0; i < p->count && code < 0; i++) {
		if (p->cert[i].line == 0)
			code = bad(p->cert[i].path, 0, "index.txt has no line for this certificate");
	}
	return code;
}

/* --- the list --- */

static int check_entries(struct easyrsa *p, const char *path, const struct ch_crl *crl)
{
	struct ch_crl_rd r = ch_crl_entries(crl);
	struct ch_crl_entry e;
	struct ch_serial serial;
	size_t listed = 0, revoked = 0;
	while (ch_crl_next(&r, &e)) {
		const struct easyrsa_cert *c = ch_serial_make(&serial, e.serial) ? find(p, &serial) : NULL;
		/* OpenSSL lists what has expired too, and forgets nothing: every entry has its line. */
		if (c == NULL || c->use != EASYRSA_REVOKED)
			return bad(path, 0, "it revokes a certificate that index.txt does not say is revoked");
		listed++;
	}
	for (size_t i = 0; i < p->count; i++)
		revoked += p->cert[i].use == EASYRSA_REVOKED;
	p->not_listed = revoked > listed ? revoked - listed : 0;
	return -1;
}

static int read_list(struct easyrsa *p)
{
	static const char *const label[] = { "X509 CRL", NULL };
	char path[PATH_MAX_];
	CH_AUTO_BUF struct ch_buf in = { 0 }, room = { 0 };
	struct ch_span der;
	struct ch_diag d = { .rule = NULL };
	path_of(p, "crl.pem", path);
	if (access(path, F_OK) != 0)
		return -1;
	int code = cli_read(&in, path);
	if (code >= 0)
		return code;
	struct ch_crl *crl = ch_calloc(1, sizeof(*crl));
	enum ch_err err = cli_der(ch_buf_span(&in), label, ch_buf_room(&room, in.n), in.n, &der, &d);
	if (err == CH_OK)
		err = ch_crl_parse(crl, der, &d);
	if (err == CH_OK)
		err = ch_crl_verify(crl, &p->ca, &d);
	p->has_list = err == CH_OK;
	code = err == CH_OK ? check_entries(p, path, crl) : bad(path, 0, d.rule);
	ch_free(crl);
	return code;
}

/* --- the CA --- */

static int read_ca(struct easyrsa *p)
{
	char path[PATH_MAX_];
	path_of(p, "ca.crt", path);
	int code = read_certificate(path, &p->ca_der, &p->ca);
	if (code >= 0)
		return code;
	const uint16_t usage = CH_KU_CERT_SIGN | CH_KU_CRL_SIGN;
	if (!p->ca.ca || !p->ca.has_key_usage || (p->ca.key_usage & usage) != usage)
		return bad(path, 0,
			   "not the certificate of a CA that signs certificates and lists (RFC 5280, 4.2.1.3)");
	if (p->ca.subject_key_id.n == 0 || p->ca.subject_key_id.n > 32)
		return bad(path, 0, "it has no subject key identifier, by which its list would be found");
	if (p->ca.pub.type == CH_KEY_NONE || p->ca.not_after <= (int64_t)time(NULL))
		return bad(path, 0,
			   p->ca.pub.type == CH_KEY_NONE ? "its key is of a kind that is not used"
							 : "the certificate of the CA has expired");
	return -1;
}

/* Private keys are their owner's alone: what others could read, others may have. */
static int check_keys(struct easyrsa *p)
{
	char folder[PATH_MAX_], path[PATH_MAX_ + 258];
	path_of(p, "private", folder);
	DIR *dir = opendir(folder);
	if (dir == NULL && errno == ENOENT)
		return -1;
	if (dir == NULL) {
		cli_say("%s: %s", folder, strerror(errno));
		return CLI_IO;
	}
	int code = -1;
	for (const struct dirent *e; code < 0 && (e = readdir(dir)) != NULL;) {
		struct stat st;
		size_t n = strlen(e->d_name);
		if (n < 4 || strcmp(e->d_name + n - 4, ".key") != 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
			code = bad(path, 0, "not a file of its own");
		else if ((st.st_mode & 077) != 0)
			code = bad(path, 0,
				   "others can read this key: chmod 600, and revoke what it belongs to if they did");
		else
			p->has_key = p->has_key || strcmp(e->d_name, "ca.key") == 0;
	}
	(void)closedir(dir);
	return code;
}

int easyrsa_read(struct easyrsa *p, const char *dir)
{
	char path[PATH_MAX_];
	if (ch_crypto_openssl_init() != CH_OK) {
		cli_say("OpenSSL does not offer the algorithms that are needed");
		return CLI_IO;
	}
	(void)snprintf(p->pki, sizeof(p->pki), "%s/pki", dir);
	path_of(p, "ca.crt", path);
	if (access(path, F_OK) != 0)
		(void)snprintf(p->pki, sizeof(p->pki), "%s", dir);
	int code = read_ca(p);
	if (code < 0)
		code = check_keys(p);
	if (code < 0)
		code = read_certificates(p);
	if (code < 0)
		code = read_index(p);
	return code < 0 ? read_list(p) : code;
}

void easyrsa_clear(struct easyrsa *p)
{
	for (size_t i = 0; i < p->count; i++)
		cert_clear(&p->cert[i]);
	ch_free(p->cert);
	ch_buf_free(&p->ca_der);
	*p = (struct easyrsa){ .count = 0 };
}
