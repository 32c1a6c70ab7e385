/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ekcert_files.h"

#include "core/wire/base64.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LABEL           "CERTIFICATE"
#define LABEL_ATTRIBUTE "ATTRIBUTE CERTIFICATE"

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct ekcert_file *)a)->path, ((const struct ekcert_file *)b)->path);
}

static void dir_close(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

/* Reads one entry if it is a regular file (or a link to one). */
static int read_entry(struct ekcert_files *f, const char *dir, const char *name)
{
	size_t n = strlen(dir) + strlen(name) + 2;
	CH_AUTO_FREE char *path = ch_calloc(n, 1);
	struct stat st;
	(void)snprintf(path, n, "%s/%s", dir, name);
	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return -1;
	if (f->root_count == CH_CERT_POOL_MAX) {
		cli_say("%s: more than %d files", dir, CH_CERT_POOL_MAX);
		return CLI_IO;
	}
	struct ekcert_file *file = &f->root[f->root_count];
	int code = cli_read(&file->bytes, path);
	if (code < 0) {
		file->path = CH_TAKE(path);
		f->root_count++;
	}
	return code;
}

int ekcert_files_read(struct ekcert_files *f, const char *path, const char *roots)
{
	*f = (struct ekcert_files){ .root_count = 0 };
	int code = cli_read(&f->judged, path);
	if (code >= 0 || roots == NULL)
		return code;
	__attribute__((cleanup(dir_close))) DIR *d = opendir(roots);
	if (d == NULL) {
		cli_say("%s: %s", roots, strerror(errno));
		return CLI_IO;
	}
	f->root = ch_calloc(CH_CERT_POOL_MAX, sizeof(*f->root));
	for (struct dirent *e = readdir(d); e != NULL && code < 0; e = readdir(d)) {
		if (e->d_name[0] != '.')
			code = read_entry(f, roots, e->d_name);
	}
	qsort(f->root, f->root_count, sizeof(*f->root), by_name);
	return code;
}

void ekcert_files_free(struct ekcert_files *f)
{
	ch_buf_free(&f->judged);
	for (size_t i = 0; i < f->root_count; i++) {
		ch_free(f->root[i].path);
		ch_buf_free(&f->root[i].bytes);
	}
	ch_free(f->root);
	*f = (struct ekcert_files){ .root_count = 0 };
}

/* --- parsing --- */

/* DER begins with a SEQUENCE of more than 127 bytes, or with the header that TPMs put before it: neither is text. */
static bool is_der(struct ch_span s)
{
	return s.n >= 2 && ((s.p[0] == CH_DER_SEQUENCE && s.p[1] >= 0x80) || (s.p[0] == 0x10 && s.p[1] == 0x01));
}

/* The next block of the label, decoded into memory that `c` owns. */
static enum ch_err next_block(struct ekcert_certs *c, struct ch_span text, size_t *off, const char *label,
			      struct ch_span *der, struct ch_diag *d)
{
	CH_AUTO_FREE uint8_t *to = ch_calloc(CH_CERT_MAX, 1);
	size_t n = 0;
	ch_diag_clear(d);
	enum ch_err err = ch_pem_next(text, off, label, to, CH_CERT_MAX, &n, d);
	if (err != CH_OK)
		return err;
	*der = ch_span(to, n);
	c->blob = ch_realloc(c->blob, c->blob_count + 1, sizeof(*c->blob));
	c->blob[c->blob_count++] = CH_TAKE(to);
	return CH_OK;
}

static struct ch_ek_cert *pool_next(struct ekcert_certs *c)
{
	return c->pool.count < CH_CERT_POOL_MAX ? &c->cert[c->pool.count] : NULL;
}

/* Adds every certificate of a file of the directory; false if there is none that parses. */
static bool add_root(struct ekcert_certs *c, struct ch_span file)
{
	struct ch_diag d;
	struct ch_ek_cert *to;
	bool any = false;
	if (is_der(file)) {
		to = pool_next(c);
		any = to != NULL && ch_ek_cert_parse(to, file, &d) == CH_OK;
		c->pool.count += any ? 1 : 0;
		return any;
	}
	size_t off = 0;
	struct ch_span der;
	while ((to = pool_next(c)) != NULL && next_block(c, file, &off, LABEL, &der, &d) == CH_OK) {
		if (ch_ek_cert_parse(to, der, &d) != CH_OK)
			continue;
		any = true;
		c->pool.count++;
	}
	return any;
}

static int refused_pem(const char *path, enum ch_err err, struct ch_diag *d)
{
	if (err == CH_ERR_NOTFOUND)
		d->rule = "neither DER nor PEM with a certificate (RFC 7468, 5)";
	if (d->rule == NULL)
		d->rule = "a PEM block larger than CH_CERT_MAX, or that does not decode (RFC 7468, 2)";
	return cli_refused(path, "certificate", err, d);
}

/* FILE: the certificate that is judged, and links after it. */
static int parse_judged(struct ekcert_certs *c, struct ch_span file, const char *path)
{
	struct ch_diag d;
	struct ch_span der = file;
	struct ch_ek_cert *to;
	size_t off = 0;
	enum ch_err err = CH_OK;
	if (!is_der(file)) {
		size_t other = 0;
		err = next_block(c, file, &other, LABEL_ATTRIBUTE, &der, &d);
		if (err == CH_ERR_NOTFOUND)
			err = next_block(c, file, &off, LABEL, &der, &d);
		if (err != CH_OK)
			return refused_pem(path, err, &d);
	}
	err = ch_ek_cert_parse(&c->judged, der, &d);
	if (err != CH_OK)
		return cli_refused(path, "certificate", err, &d);
	while (!is_der(file) && (to = pool_next(c)) != NULL) {
		err = next_block(c, file, &off, LABEL, &der, &d);
		if (err == CH_ERR_NOTFOUND)
			break;
		if (err != CH_OK)
			return refused_pem(path, err, &d);
		err = ch_ek_cert_parse(to, der, &d);
		if (err != CH_OK)
			return cli_refused(path, "link", err, &d);
		c->pool.count++;
	}
	return -1;
}

int ekcert_certs_parse(struct ekcert_certs *c, const struct ekcert_files *f, const char *path)
{
	*c = (struct ekcert_certs){ .ignored = 0 };
	c->cert = ch_calloc(CH_CERT_POOL_MAX, sizeof(*c->cert));
	for (size_t i = 0; i < f->root_count; i++) {
		if (add_root(c, ch_buf_span(&f->root[i].bytes)))
			continue;
		c->ignored++;
		cli_say("%s: no certificate that can be read; left out", f->root[i].path);
	}
	c->pool.anchors = c->pool.count;
	c->pool.cert = c->cert;
	return parse_judged(c, ch_buf_span(&f->judged), path);
}

void ekcert_certs_free(struct ekcert_certs *c)
{
	for (size_t i = 0; i < c->blob_count; i++)
		ch_free(c->blob[i]);
	ch_free(c->blob);
	ch_free(c->cert);
	*c = (struct ekcert_certs){ .ignored = 0 };
}
