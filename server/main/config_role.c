/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/text.h"
#include "core/crypto/hash.h"
#include "core/platform/x509_write.h"
#include "core/update/ddi.h"
#include "core/wire/base64.h"
#include "host/base/file.h"
#include "host/pkcs11/pin.h"
#include "host/pkcs11/uri.h"
#include "host/policy/cert_profile.h"
#include "host/policy/class.h"
#include "host/sys/log.h"
#include "server/ipc/child.h"
#include "server/ipc/root_list.h"
#include "server/main/config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX 1024 /* in one folder */

static void put_text(struct ch_buf *out, const char *key, const char *value)
{
	ch_buf_append(out, ch_span_str(key));
	ch_buf_append(out, CH_SPAN_LIT(" "));
	ch_buf_append(out, ch_span_str(value));
	ch_buf_append(out, CH_SPAN_LIT("\n"));
}

static void put_base64(struct ch_buf *out, struct ch_span bytes)
{
	size_t cap = (bytes.n + 2) / 3 * 4;
	struct ch_wr w = ch_wr(ch_buf_room(out, cap), cap);
	ch_base64_put(&w, CH_BASE64_STD, bytes);
	out->n += w.len;
}

static void put_bytes(struct ch_buf *out, const char *key, struct ch_span bytes)
{
	ch_buf_append(out, ch_span_str(key));
	ch_buf_append(out, CH_SPAN_LIT(" "));
	put_base64(out, bytes);
	ch_buf_append(out, CH_SPAN_LIT("\n"));
}

static bool read_file(const char *path, struct ch_buf *to)
{
	if (ch_file_read(to, path) == CH_OK)
		return true;
	ch_log(CH_LOG_ERROR, "%s: %s", path, strerror(errno));
	return false;
}

static bool put_file(const struct main_config *c, struct ch_buf *out, const char *key, const char *name)
{
	CH_AUTO_FREE void *path = main_config_path(c, name);
	CH_AUTO_BUF struct ch_buf in = { 0 };
	if (!read_file(path, &in))
		return false;
	put_bytes(out, key, ch_buf_span(&in));
	ch_wipe(in.p, in.n);
	return true;
}

/* A secret that others can read is refused before anything is served with it. */
static bool is_private(const struct main_config *c, const char *name)
{
	CH_AUTO_FREE char *path = main_config_path(c, name);
	struct stat st;
	if (stat(path, &st) != 0) {
		ch_log(CH_LOG_ERROR, "%s: %s", path, strerror(errno));
		return false;
	}
	if ((st.st_mode & 077) == 0)
		return true;
	ch_log(CH_LOG_ERROR, "%s: others can read this key: chmod 600, and make a new one if they did", path);
	return false;
}

static void put_number(struct ch_buf *out, const char *key, uint32_t value)
{
	char text[16];
	struct ch_wr w = ch_wr(text, sizeof(text) - 1);
	ch_wr_dec(&w, value);
	text[w.len] = '\0';
	put_text(out, key, text);
}

static bool each_file(const struct main_config *c, const char *folder,
		      bool (*take)(struct ch_buf *out, const char *path, struct ch_span bytes), struct ch_buf *out);

/* Roots of manufacturers: what else than a certificate is in the file, nobody should take for one. */
static bool take_idevid_root(struct ch_buf *out, const char *path, struct ch_span in)
{
	static uint8_t der[CH_CERT_MAX];
	static struct ch_x509 x;
	size_t off = 0, n, found = 0;
	enum ch_err err;
	while ((err = ch_pem_next(in, &off, "CERTIFICATE", der, sizeof(der), &n, NULL)) == CH_OK) {
		err = ch_x509_parse(&x, ch_span(der, n), NULL);
		if (err != CH_OK || !x.ca)
			break;
		found++;
	}
	if (err == CH_ERR_NOTFOUND && found > 0) {
		put_bytes(out, "idevid_ca", in);
		return true;
	}
	ch_log(CH_LOG_ERROR, "%s: not the certificate of a manufacturer's CA in PEM", path);
	return false;
}

/* The certificate of a CA that issues no more, alone in its file. */
static bool take_earlier_ca(struct ch_buf *out, const char *path, struct ch_span in)
{
	static uint8_t der[CH_CERT_MAX], other[CH_CERT_MAX];
	static struct ch_x509 x;
	size_t off = 0, n, more;
	if (ch_pem_next(in, &off, "CERTIFICATE", der, sizeof(der), &n, NULL) == CH_OK &&
	    ch_x509_parse(&x, ch_span(der, n), NULL) == CH_OK && x.ca && x.subject_key_id.n > 0 &&
	    ch_pem_next(in, &off, "CERTIFICATE", other, sizeof(other), &more, NULL) == CH_ERR_NOTFOUND) {
		put_bytes(out, "earlier_ca", in);
		return true;
	}
	ch_log(CH_LOG_ERROR, "%s: not the one certificate of a CA in PEM", path);
	return false;
}

static bool put_earlier_cas(const struct main_config *c, struct ch_buf *out)
{
	return c->earlier_cas == NULL || each_file(c, c->earlier_cas, take_earlier_ca, out);
}

/* KEYID.crl, of a CA among those that were put before (client_ca). Whatever else is in the folder is of a change that was interrupted. */
static bool take_root_list(struct ch_buf *out, const char *path, struct ch_span in)
{
	static uint8_t room[CH_ROOT_LIST_MAX], other[CH_ROOT_LIST_MAX];
	CH_AUTO_BUF struct ch_buf ca = { 0 };
	struct ch_root_list list = { .number = 0 };
	struct ch_diag d = { .rule = "not one list in DER or PEM, or a longer one than that of a root" };
	const char *name = strrchr(path, '/') + 1;
	size_t n = strlen(name);
	if (n < 4 || strcmp(name + n - 4, ".crl") != 0)
		return true;
	enum ch_err err = ch_config_bytes(ch_buf_span(out), "client_ca", 0, &ca);
	struct ch_span der = in;
	if (err == CH_OK && (in.n == 0 || in.p[0] != 0x30)) {
		size_t off = 0, more;
		err = ch_pem_next(in, &off, "X509 CRL", room, sizeof(room), &n, NULL);
		if (err == CH_OK &&
		    ch_pem_next(in, &off, "X509 CRL", other, sizeof(other), &more, NULL) != CH_ERR_NOTFOUND)
			err = CH_ERR_DUPLICATE;
		der = ch_span(room, err == CH_OK ? n : 0);
	}
	if (err == CH_OK)
		err = ch_root_list_judge(&list, der, ch_buf_span(&ca), &d);
	if (err == CH_OK && (strncmp(name, list.kid, strlen(list.kid)) != 0 || strlen(name) != strlen(list.kid) + 4))
		err = ch_fail(&d, CH_ERR_MISMATCH, 0, "its file is not called as its root's key identifier");
	if (err == CH_OK && ch_config_get(ch_buf_span(out), "root_list", CH_ROOT_LISTS_MAX - 1).n > 0)
		err = ch_fail(&d, CH_ERR_LIMIT, 0, "more lists than a server gives out");
	if (err == CH_OK) {
		put_bytes(out, "root_list", der);
		return true;
	}
	ch_log(CH_LOG_ERROR,
	       "%s: byte %zu: %s; chainhold ca install puts a list there, and one of a root that is not in ca any more is removed",
	       path, d.off, d.rule);
	return false;
}

static bool put_root_lists(const struct main_config *c, struct ch_buf *out)
{
	const char *folder = c->root_lists != NULL ? c->root_lists : "root_lists";
	CH_AUTO_FREE char *path = main_config_path(c, folder);
	return (c->root_lists == NULL && access(path, F_OK) != 0) || each_file(c, folder, take_root_list, out);
}

/* The file is read as a whole here, so that a line that is none is told with its place before anything is served. */
static bool put_target_tokens(const struct main_config *c, struct ch_buf *out)
{
	CH_AUTO_FREE char *path = c->ddi_target_tokens != NULL ? main_config_path(c, c->ddi_target_tokens) : NULL;
	CH_AUTO_BUF struct ch_buf in = { 0 };
	struct ch_ddi_token one;
	struct ch_diag d;
	size_t off = 0;
	enum ch_err err;
	if (path == NULL)
		return true;
	if (!read_file(path, &in))
		return false;
	do
		err = ch_ddi_token_next(&one, ch_buf_span(&in), &off, &d);
	while (err == CH_OK);
	if (err == CH_ERR_NOTFOUND) {
		put_bytes(out, "target_tokens", ch_buf_span(&in));
		return true;
	}
	ch_log(CH_LOG_ERROR, "%s: byte %zu: %s", path, d.off, d.rule);
	return false;
}

static bool put_gateway_token(const struct main_config *c, struct ch_buf *out)
{
	uint8_t sha256[32];
	if (c->ddi_gateway_token == NULL)
		return true;
	if (strlen(c->ddi_gateway_token) != 64 ||
	    ch_hex_decode(sha256, sizeof(sha256), ch_span_str(c->ddi_gateway_token)) != CH_OK) {
		ch_log(CH_LOG_ERROR, "%s: ddi.gateway_token: the SHA-256 of the token, 64 hexadecimal digits", c->path);
		return false;
	}
	put_text(out, "gateway_token", c->ddi_gateway_token);
	return true;
}

static bool put_ddi(const struct main_config *c, struct ch_buf *out)
{
	if (!ch_ddi_name_valid(ch_span_str(c->ddi_tenant))) {
		ch_log(CH_LOG_ERROR, "%s: ddi.tenant: 1 to %d of A-Z a-z 0-9 - . _ ~", c->path, CH_DDI_NAME_MAX);
		return false;
	}
	put_text(out, "ddi_tenant", c->ddi_tenant);
	put_number(out, "ddi_poll", c->ddi_poll);
	return put_target_tokens(c, out) && put_gateway_token(c, out);
}

static bool config_edge(const struct main_config *c, struct ch_buf *out)
{
	const struct {
		const char *key;
		uint32_t value;
	} rate[] = { { "device_rate", c->device_rate },
		     { "enrol_rate", c->enrol_rate },
		     { "public_rate", c->public_rate },
		     { "ocsp_rate", c->ocsp_rate } };
	if (!is_private(c, c->tls_key) || !put_file(c, out, "tls_certificate", c->tls_certificate) ||
	    !put_file(c, out, "tls_key", c->tls_key) || !put_file(c, out, "client_ca", c->ca))
		return false;
	put_number(out, "connections_max", c->connections);
	put_number(out, "ocsp_answers", c->ocsp_answers);
	for (size_t i = 0; i < CH_COUNT_OF(rate); i++) {
		if (rate[i].value != MAIN_RATE_DEFAULT)
			put_number(out, rate[i].key, rate[i].value);
	}
	for (size_t i = 0; i < c->balancers.count; i++)
		put_text(out, "balancer", c->balancers.text[i]);
	return put_ddi(c, out) && put_earlier_cas(c, out) && put_root_lists(c, out) &&
	       (c->idevid_roots == NULL || each_file(c, c->idevid_roots, take_idevid_root, out));
}

/* Calls `take` for each regular file of a folder, in the order of their names. */
static bool each_file(const struct main_config *c, const char *folder,
		      bool (*take)(struct ch_buf *out, const char *path, struct ch_span bytes), struct ch_buf *out)
{
	CH_AUTO_FREE char *dir = main_config_path(c, folder);
	struct dirent **entry = NULL;
	int count = scandir(dir, &entry, NULL, alphasort);
	if (count < 0) {
		ch_log(CH_LOG_ERROR, "%s: %s", dir, strerror(errno));
		return false;
	}
	bool ok = count <= FILES_MAX;
	if (!ok)
		ch_log(CH_LOG_ERROR, "%s: more than %d files", dir, FILES_MAX);
	for (int i = 0; i < count; i++) {
		struct stat st;
		size_t n = strlen(dir) + strlen(entry[i]->d_name) + 2;
		CH_AUTO_FREE char *path = ch_calloc(n, 1);
		struct ch_wr w = ch_wr(path, n - 1);
		ch_wr_str(&w, dir);
		ch_wr_str(&w, "/");
		ch_wr_str(&w, entry[i]->d_name);
		if (ok && entry[i]->d_name[0] != '.' && stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
			CH_AUTO_BUF struct ch_buf in = { 0 };
			ok = read_file(path, &in) && take(out, path, ch_buf_span(&in));
		}
		ch_free(entry[i]);
	}
	ch_free(entry);
	return ok;
}

static bool put_certificate(struct ch_buf *out, const char *path, struct ch_span der)
{
	static struct ch_x509 x;
	struct ch_diag d;
	if (ch_x509_parse(&x, der, &d) == CH_OK) {
		put_bytes(out, "ek_root", der);
		return true;
	}
	ch_log(CH_LOG_ERROR, "%s: byte %zu: %s; a root is a certificate in PEM or DER", path, d.off,
	       d.rule != NULL ? d.rule : "not a certificate");
	return false;
}

static bool take_root(struct ch_buf *out, const char *path, struct ch_span in)
{
	uint8_t der[CH_CERT_MAX];
	size_t off = 0, n, found = 0;
	enum ch_err err;
	if (in.n > 0 && in.p[0] == 0x30)
		return put_certificate(out, path, in);
	for (;;) {
		err = ch_pem_next(in, &off, "CERTIFICATE", der, sizeof(der), &n, NULL);
		if (err != CH_OK)
			break;
		if (!put_certificate(out, path, ch_span(der, n)))
			return false;
		found++;
	}
	if (err == CH_ERR_NOTFOUND && found > 0)
		return true;
	ch_log(CH_LOG_ERROR, "%s: %s; a root is a certificate in PEM or DER", path,
	       found == 0 ? "no certificate" : "a certificate that does not end");
	return false;
}

static bool take_policy(struct ch_buf *out, const char *path, struct ch_span in)
{
	struct ch_class_image image;
	struct ch_yaml_error e;
	size_t n = strlen(path);
	if (n < 5 || strcmp(path + n - 5, ".yaml") != 0)
		return true;
	if (ch_class_read(&image, in, &e) == CH_OK) {
		put_bytes(out, "policy", ch_span(image.bytes, image.n));
		return true;
	}
	char text[CH_YAML_SAY_MAX + 512];
	ch_conf_error_put(text, sizeof(text), path, &e);
	ch_log(CH_LOG_ERROR, "%s", text);
	return false;
}

static bool take_profile(struct ch_buf *out, const char *path, struct ch_span in)
{
	static struct ch_cert_profile_image image;
	struct ch_yaml_error e;
	size_t n = strlen(path);
	if (n < 5 || strcmp(path + n - 5, ".yaml") != 0)
		return true;
	if (ch_cert_profile_read(&image, in, &e) == CH_OK) {
		put_bytes(out, "certificate_profile", ch_span(image.bytes, image.n));
		return true;
	}
	char text[CH_YAML_SAY_MAX + 512];
	ch_conf_error_put(text, sizeof(text), path, &e);
	ch_log(CH_LOG_ERROR, "%s", text);
	return false;
}

static bool put_profiles(const struct main_config *c, struct ch_buf *out)
{
	return c->certificate_profiles == NULL || each_file(c, c->certificate_profiles, take_profile, out);
}

/* "operator NAME admin SHA-256(certificate) base64(SPKI)": whom a store without operators trusts first. */
static bool put_operator(const struct main_config *c, struct ch_buf *out)
{
	if (c->operator_name == NULL)
		return true;
	CH_AUTO_FREE char *path = main_config_path(c, c->operator_certificate);
	CH_AUTO_BUF struct ch_buf in = { 0 };
	static uint8_t der[CH_CERT_MAX];
	static struct ch_x509 x;
	struct ch_digest hash;
	uint8_t hex[64];
	size_t n;
	if (!read_file(path, &in))
		return false;
	if (ch_pem_decode(ch_buf_span(&in), "CERTIFICATE", der, sizeof(der), &n, NULL) != CH_OK ||
	    ch_x509_parse(&x, ch_span(der, n), NULL) != CH_OK ||
	    ch_hash_once(CH_HASH_SHA256, ch_span(der, n), &hash) != CH_OK) {
		ch_log(CH_LOG_ERROR, "%s: not a certificate in PEM", path);
		return false;
	}
	struct ch_wr w = ch_wr(hex, sizeof(hex));
	ch_wr_hex(&w, ch_digest_span(&hash));
	ch_buf_append(out, CH_SPAN_LIT("operator "));
	ch_buf_append(out, ch_span_str(c->operator_name));
	ch_buf_append(out, CH_SPAN_LIT(" admin "));
	ch_buf_append(out, CH_SPAN_OF(hex));
	ch_buf_append(out, CH_SPAN_LIT(" "));
	put_base64(out, x.spki);
	ch_buf_append(out, CH_SPAN_LIT("\n"));
	return true;
}

/* A certificate in PEM, read: `x` borrows from `der`. */
static bool read_certificate(const struct main_config *c, const char *name, uint8_t der[static CH_CERT_MAX], size_t *n,
			     struct ch_x509 *x)
{
	CH_AUTO_FREE char *path = main_config_path(c, name);
	CH_AUTO_BUF struct ch_buf in = { 0 };
	size_t off = 0;
	if (!read_file(path, &in))
		return false;
	if (ch_pem_next(ch_buf_span(&in), &off, "CERTIFICATE", der, CH_CERT_MAX, n, NULL) == CH_OK &&
	    ch_x509_parse(x, ch_span(der, *n), NULL) == CH_OK)
		return true;
	ch_log(CH_LOG_ERROR, "%s: not a certificate in PEM", path);
	return false;
}

/* "issued SERIAL SHA-256 END": a certificate of our CA that was made when this server was, so that it can be told apart from none. */
static bool put_issued(const struct main_config *c, struct ch_buf *out, const char *name)
{
	static uint8_t der[CH_CERT_MAX], ca_der[CH_CERT_MAX];
	static struct ch_x509 x, ca;
	char line[192];
	struct ch_digest hash;
	size_t n, ca_n;
	if (!read_certificate(c, name, der, &n, &x) || !read_certificate(c, c->ca, ca_der, &ca_n, &ca) ||
	    ch_hash_once(CH_HASH_SHA256, ch_span(der, n), &hash) != CH_OK)
		return false;
	struct ch_wr w = ch_wr(line, sizeof(line));
	ch_wr_str(&w, "issued ");
	ch_x509_serial_put(&w, x.serial);
	ch_wr_str(&w, " ");
	ch_wr_hex(&w, ch_digest_span(&hash));
	ch_wr_str(&w, " ");
	ch_wr_int(&w, x.not_after);
	ch_wr_str(&w, "\n");
	if (ch_x509_name_eq(x.issuer, ca.subject) && ch_span_eq(x.authority_key_id, ca.subject_key_id) &&
	    x.not_after > 0)
		ch_buf_append(out, ch_wr_span(&w));
	return true;
}

static bool config_keeper(const struct main_config *c, struct ch_buf *out)
{
	put_text(out, "store", "chainhold.db");
	put_text(out, "origin", c->origin);
	for (size_t i = 0; i < c->retention.count; i++)
		put_text(out, "retention", c->retention.text[i]);
	put_number(out, "ocsp_lifetime", c->ocsp_lifetime);
	if (c->ddi_target_tokens != NULL || c->ddi_gateway_token != NULL)
		put_number(out, "ddi_names", 1);
	/* Where nobody is told to ask, nothing is signed ahead. */
	if (c->revocation_url != NULL)
		put_number(out, "ocsp_answers", c->ocsp_answers);
	if (!put_issued(c, out, c->tls_certificate) ||
	    (c->operator_name != NULL && !put_issued(c, out, c->operator_certificate)))
		return false;
	return put_file(c, out, "ca_certificate", c->ca) && put_profiles(c, out) &&
	       each_file(c, c->policies, take_policy, out) && each_file(c, c->ek_roots, take_root, out) &&
	       put_operator(c, out) && put_earlier_cas(c, out);
}

static bool config_reader(const struct main_config *c, struct ch_buf *out)
{
	put_text(out, "store", "chainhold.db");
	put_text(out, "origin", c->origin);
	put_number(out, "ddi_poll", c->ddi_poll);
	return true;
}

/* Where the CA's list lies, and who answers, as certificates say it. */
static bool put_urls(const struct main_config *c, struct ch_buf *out)
{
	static uint8_t der[CH_CERT_MAX];
	static struct ch_x509 ca;
	char text[CH_CERT_TEXT_MAX + 1];
	size_t n;
	if (c->revocation_url == NULL)
		return true;
	struct ch_span url = ch_span_str(c->revocation_url);
	bool ok = ch_span_starts(url, CH_SPAN_LIT("http://")) && url.p[url.n - 1] != '/';
	for (size_t i = 0; i < url.n; i++)
		ok = ok && url.p[i] > 0x20 && url.p[i] < 0x7f;
	if (!read_certificate(c, c->ca, der, &n, &ca))
		return false;
	struct ch_wr w = ch_wr(text, sizeof(text) - 1);
	ch_wr_str(&w, c->revocation_url);
	ch_wr_str(&w, "/crl/");
	ch_wr_hex(&w, ca.subject_key_id);
	ch_wr_str(&w, ".crl");
	if (!ok || w.bad) {
		ch_log(CH_LOG_ERROR, "%s: revocation.url is http://HOST[:PORT], without a slash at its end", c->path);
		return false;
	}
	text[w.len] = '\0';
	put_text(out, "crl_url", text);
	w = ch_wr(text, sizeof(text) - 1);
	ch_wr_str(&w, c->revocation_url);
	ch_wr_str(&w, "/ocsp");
	text[w.len] = '\0';
	put_text(out, "ocsp_url", text);
	return true;
}

/* A server that was made before there was one goes on without. */
static void put_ocsp_key(const struct main_config *c, struct ch_buf *out)
{
	CH_AUTO_FREE char *state = main_config_path(c, c->state_dir);
	size_t n = strlen(state) + sizeof("/signer/ocsp.key");
	CH_AUTO_FREE char *path = ch_calloc(n, 1);
	struct ch_wr w = ch_wr(path, n - 1);
	ch_wr_str(&w, state);
	ch_wr_str(&w, "/signer/ocsp.key");
	if (access(path, F_OK) == 0)
		put_text(out, "key_ocsp", "ocsp.key");
}

/* The PIN is read here, by root: the process with the module need not be able to. */
static bool put_pin(struct ch_buf *out, const char *name, const char *source)
{
	CH_AUTO_BUF struct ch_buf pin = { 0 };
	struct ch_p11_why why = { "" };
	if (source[0] == '\0')
		return true;
	if (ch_p11_pin_read(&pin, source, &why) == CH_OK)
		put_bytes(out, "pin", ch_buf_span(&pin));
	else
		ch_log(CH_LOG_ERROR, "%s: %s", name, why.text);
	ch_wipe(pin.p, pin.cap);
	return why.text[0] == '\0';
}

/* One line each, so that none can add another. */
static bool put_lines(const struct main_config *c, struct ch_buf *out, const char *key,
		      const struct ch_conf_texts *texts, char first)
{
	for (size_t i = 0; i < texts->count; i++) {
		const char *text = texts->text[i];
		if (strchr(text, '\n') != NULL || (first != '=' && text[0] != first) ||
		    (first == '=' && strchr(text, '=') == NULL)) {
			ch_log(CH_LOG_ERROR, "%s: token: '%s' is no %s", c->path, text,
			       first == '=' ? "NAME=VALUE" : "folder by its whole path");
			return false;
		}
		put_text(out, key, text);
	}
	return true;
}

/* The key in use first, if it is in a token, then those of earlier CAs. */
static bool config_token(const struct main_config *c, unsigned index, struct ch_buf *out)
{
	static struct ch_p11_uri u;
	struct ch_diag d;
	const struct main_earlier *e = NULL;
	char name[128];
	(void)snprintf(name, sizeof(name), "%s", c->ca_uri != NULL ? "signer/ca.uri" : "signer.ca_key");
	if (c->ca_key == NULL || index > 0)
		e = &c->earlier[index - (c->ca_key != NULL)];
	if (e != NULL)
		(void)snprintf(name, sizeof(name), "signer/earlier-%s.uri", e->kid);
	if (ch_p11_uri_parse(&u, ch_span_str(e != NULL ? e->uri : c->ca_key), &d) != CH_OK) {
		/* The URI is not shown: it may be one with a PIN in it. */
		ch_log(CH_LOG_ERROR, "%s: byte %zu: %s", name, d.off, d.rule);
		return false;
	}
	if (!put_pin(out, name, ch_p11_uri_str(&u, CH_P11_PIN_SOURCE)))
		return false;
	u.attr[CH_P11_PIN_SOURCE] = CH_SPAN_EMPTY;
	ch_buf_append(out, CH_SPAN_LIT("uri "));
	struct ch_wr w = ch_wr(ch_buf_room(out, CH_P11_PUT_MAX), CH_P11_PUT_MAX);
	ch_p11_uri_put(&w, &u);
	out->n += w.len;
	ch_buf_append(out, CH_SPAN_LIT("\n"));
	put_text(out, "key", name);
	put_number(out, "deadline", c->token_deadline);
	return put_lines(c, out, "folder", &c->token_folders, '/') &&
	       put_lines(c, out, "environment", &c->token_environment, '=') &&
	       put_file(c, out, "ca_certificate", e != NULL ? e->certificate : c->ca);
}

static void put_earlier_tokens(const struct main_config *c, struct ch_buf *out)
{
	for (size_t i = 0; i < c->earlier_count; i++) {
		char text[80];
		(void)snprintf(text, sizeof(text), "%s %zu", c->earlier[i].kid, i + (c->ca_key != NULL));
		put_text(out, "earlier_token", text);
	}
}

static bool config_signer(const struct main_config *c, struct ch_buf *out)
{
	put_text(out, c->ca_key != NULL ? "ca_in_token" : "key_ca", c->ca_key != NULL ? "yes" : "ca.key");
	put_text(out, "key_log", "log.key");
	put_text(out, "key_ear", "ear.key");
	put_text(out, "ca_certificate", "ca.crt");
	put_text(out, "origin", c->origin);
	put_ocsp_key(c, out);
	put_earlier_tokens(c, out);
	put_number(out, "crl_lifetime", c->crl_lifetime);
	put_number(out, "ocsp_lifetime", c->ocsp_lifetime);
	return put_urls(c, out) && put_profiles(c, out) && put_earlier_cas(c, out);
}

static bool config_verify(const struct main_config *c, struct ch_buf *out)
{
	return put_file(c, out, "ca_certificate", c->ca) && put_profiles(c, out);
}

bool main_config_role(const struct main_config *c, enum ch_role role, unsigned index, struct ch_buf *out)
{
	switch (role) {
	case CH_ROLE_EDGE:
		return config_edge(c, out);
	case CH_ROLE_KEEPER:
		return config_keeper(c, out);
	case CH_ROLE_READER:
		return config_reader(c, out);
	case CH_ROLE_SIGNER:
		return config_signer(c, out);
	case CH_ROLE_VERIFY:
		return config_verify(c, out);
	case CH_ROLE_TOKEN:
		return config_token(c, index, out);
	default:
		return true;
	}
}
