/* SPDX-License-Identifier: Apache-2.0 */
#include "host/base/file.h"
#include "host/sys/log.h"
#include "server/main/config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Keys of CAs that are in tokens, as chainhold ca install leaves them in the signer's folder: ca.uri, unless the configuration names the key, and of earlier CAs
 * (earlier_cas/KEYID.crt) earlier-KEYID.uri.
 */

#define URI_MAX 4096

/* "KEYID.crt": hexadecimal digits in lower case. */
static bool is_named(const char *name)
{
	size_t n = strspn(name, "0123456789abcdef");
	return n > 0 && n < sizeof(((struct main_earlier *)NULL)->kid) && strcmp(name + n, ".crt") == 0;
}

static char *path_of(const struct main_config *c, const char *folder, const char *rest)
{
	CH_AUTO_FREE char *top = main_config_path(c, folder);
	size_t n = strlen(top) + strlen(rest) + 1;
	char *path = ch_calloc(n, 1);
	(void)snprintf(path, n, "%s%s", top, rest);
	return path;
}

/* The file's one line, the caller's to free; *uri is NULL if there is no file. It may have a PIN in it: it is not shown. */
static bool read_uri(char **uri, const char *file)
{
	CH_AUTO_BUF struct ch_buf in = { 0 };
	*uri = NULL;
	enum ch_err err = ch_file_read(&in, file);
	if (err == CH_ERR_NOTFOUND)
		return true;
	if (err != CH_OK || in.n > URI_MAX || memchr(in.p, '\0', in.n) != NULL) {
		ch_log(CH_LOG_ERROR, "%s: %s", file, err == CH_ERR_IO ? strerror(errno) : "not one PKCS #11 URI");
		return false;
	}
	if (in.n > 0 && in.p[in.n - 1] == '\n')
		in.n--;
	ch_buf_append(&in, CH_SPAN_LIT("\0"));
	*uri = (char *)CH_TAKE(in.p);
	return true;
}

static bool take(struct main_config *c, const char *name)
{
	struct main_earlier e = { .uri = NULL };
	char rest[128];
	(void)snprintf(e.kid, sizeof(e.kid), "%.*s", (int)(strlen(name) - 4), name);
	(void)snprintf(rest, sizeof(rest), "/signer/earlier-%s.uri", e.kid);
	CH_AUTO_FREE char *file = path_of(c, c->state_dir, rest);
	if (!read_uri(&e.uri, file))
		return false;
	if (e.uri == NULL)
		return true;
	if (c->earlier_count == MAIN_EARLIER_MAX) {
		ch_log(CH_LOG_ERROR, "%s: more than %d earlier CAs have their key in a token", file, MAIN_EARLIER_MAX);
		ch_free(e.uri);
		return false;
	}
	(void)snprintf(rest, sizeof(rest), "/%s", name);
	e.certificate = path_of(c, c->earlier_cas, rest);
	c->earlier[c->earlier_count++] = e;
	return true;
}

bool main_config_tokens_read(struct main_config *c)
{
	struct dirent **entry = NULL;
	CH_AUTO_FREE char *own = path_of(c, c->state_dir, "/signer/ca.uri");
	bool ok = c->ca_key != NULL || read_uri(&c->ca_uri, own);
	if (c->ca_uri != NULL)
		c->ca_key = c->ca_uri;
	if (!ok || c->earlier_cas == NULL)
		return ok;
	CH_AUTO_FREE char *dir = main_config_path(c, c->earlier_cas);
	int count = scandir(dir, &entry, NULL, alphasort);
	if (count < 0) {
		ch_log(CH_LOG_ERROR, "%s: %s", dir, strerror(errno));
		return false;
	}
	for (int i = 0; i < count; i++) {
		ok = ok && (!is_named(entry[i]->d_name) || take(c, entry[i]->d_name));
		ch_free(entry[i]);
	}
	ch_free(entry);
	return ok;
}

void main_config_tokens_clear(struct main_config *c)
{
	if (c->ca_uri != NULL)
		ch_wipe((uint8_t *)c->ca_uri, strlen(c->ca_uri));
	ch_free(c->ca_uri);
	for (size_t i = 0; i < c->earlier_count; i++) {
		ch_wipe((uint8_t *)c->earlier[i].uri, strlen(c->earlier[i].uri));
		ch_free(c->earlier[i].uri);
		ch_free(c->earlier[i].certificate);
	}
	c->earlier_count = 0;
}
