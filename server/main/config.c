/* SPDX-License-Identifier: Apache-2.0 */
#include "server/main/config.h"

#include "host/base/file.h"
#include "host/sys/log.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AT(member) .offset = offsetof(struct main_config, member)

static const struct ch_conf_key listener_keys[] = {
	{ "devices", CH_CONF_TEXT, CH_CONF_REQUIRED, AT(listen[0]) },
	{ "operators", CH_CONF_TEXT, CH_CONF_REQUIRED, AT(listen[1]) },
	{ "public", CH_CONF_TEXT, CH_CONF_REQUIRED, AT(listen[2]) },
};
static const struct ch_conf_key tls_keys[] = {
	{ "certificate", CH_CONF_TEXT, CH_CONF_REQUIRED, AT(tls_certificate) },
	{ "key", CH_CONF_TEXT, CH_CONF_REQUIRED, AT(tls_key) },
};
static const struct ch_conf_key operator_keys[] = {
	{ "name", CH_CONF_TEXT, CH_CONF_REQUIRED, AT(operator_name) },
	{ "certificate", CH_CONF_TEXT, CH_CONF_REQUIRED, AT(operator_certificate) },
};
static const struct ch_conf_key process_keys[] = {
	{ "edges", CH_CONF_NUMBER, CH_CONF_OPTIONAL, AT(edges), .min = 1, .max = MAIN_CHILDREN_MAX },
	{ "verifiers", CH_CONF_NUMBER, CH_CONF_OPTIONAL, AT(verifiers), .min = 1, .max = MAIN_CHILDREN_MAX },
	{ "readers", CH_CONF_NUMBER, CH_CONF_OPTIONAL, AT(readers), .min = 1, .max = MAIN_CHILDREN_MAX },
};
static const struct ch_conf_key limit_keys[] = {
	{ "connections", CH_CONF_NUMBER, CH_CONF_OPTIONAL, AT(connections), .min = 16, .max = 1000000 },
	{ "device_rate", CH_CONF_NUMBER, CH_CONF_OPTIONAL, AT(device_rate), .max = 1000000 },
	{ "enrol_rate", CH_CONF_NUMBER, CH_CONF_OPTIONAL, AT(enrol_rate), .max = 1000000 },
	{ "public_rate", CH_CONF_NUMBER, CH_CONF_OPTIONAL, AT(public_rate), .max = 1000000 },
};
static const struct ch_conf_key revocation_keys[] = {
	{ "url", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(revocation_url) },
	{ "crl_lifetime", CH_CONF_NUMBER, CH_CONF_OPTIONAL, AT(crl_lifetime), .min = 7200, .max = 30 * 86400 },
	{ "ocsp_lifetime", CH_CONF_NUMBER, CH_CONF_OPTIONAL, AT(ocsp_lifetime), .min = 60, .max = 86400 },
	{ "ocsp_answers", CH_CONF_NUMBER, CH_CONF_OPTIONAL, AT(ocsp_answers), .min = 8, .max = 4000000 },
	{ "ocsp_rate", CH_CONF_NUMBER, CH_CONF_OPTIONAL, AT(ocsp_rate), .max = 1000000 },
};
static const struct ch_conf_key user_keys[] = {
	{ "edge", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(user_text[CH_ROLE_EDGE]) },
	{ "verify", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(user_text[CH_ROLE_VERIFY]) },
	{ "keeper", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(user_text[CH_ROLE_KEEPER]) },
	{ "reader", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(user_text[CH_ROLE_READER]) },
	{ "signer", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(user_text[CH_ROLE_SIGNER]) },
	{ "token", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(user_text[CH_ROLE_TOKEN]) },
};
static const struct ch_conf_key signer_keys[] = {
	{ "ca_key", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(ca_key) },
};
static const struct ch_conf_key token_keys[] = {
	{ "folders", CH_CONF_TEXTS, CH_CONF_OPTIONAL, AT(token_folders) },
	{ "environment", CH_CONF_TEXTS, CH_CONF_OPTIONAL, AT(token_environment) },
	{ "deadline", CH_CONF_NUMBER, CH_CONF_OPTIONAL, AT(token_deadline), .min = 1, .max = 300 },
};

static const struct ch_conf_key ddi_keys[] = {
	{ "tenant", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(ddi_tenant) },
	{ "poll", CH_CONF_NUMBER, CH_CONF_OPTIONAL, AT(ddi_poll), .min = 5, .max = 86399 },
	{ "target_tokens", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(ddi_target_tokens) },
	{ "gateway_token", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(ddi_gateway_token) },
};

#define MAP(table) .keys = (table), .key_count = CH_COUNT_OF(table)

static const struct ch_conf_key keys[] = {
	{ "state_dir", CH_CONF_TEXT, CH_CONF_REQUIRED, AT(state_dir) },
	{ "origin", CH_CONF_TEXT, CH_CONF_REQUIRED, AT(origin) },
	{ "listeners", CH_CONF_MAP, CH_CONF_REQUIRED, MAP(listener_keys) },
	{ "tls", CH_CONF_MAP, CH_CONF_REQUIRED, MAP(tls_keys) },
	{ "ca", CH_CONF_TEXT, CH_CONF_REQUIRED, AT(ca) },
	{ "ek_roots", CH_CONF_TEXT, CH_CONF_REQUIRED, AT(ek_roots) },
	{ "policies", CH_CONF_TEXT, CH_CONF_REQUIRED, AT(policies) },
	{ "certificate_profiles", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(certificate_profiles) },
	{ "idevid_roots", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(idevid_roots) },
	{ "earlier_cas", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(earlier_cas) },
	{ "root_lists", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(root_lists) },
	{ "operator", CH_CONF_MAP, CH_CONF_OPTIONAL, MAP(operator_keys) },
	{ "processes", CH_CONF_MAP, CH_CONF_OPTIONAL, MAP(process_keys) },
	{ "limits", CH_CONF_MAP, CH_CONF_OPTIONAL, MAP(limit_keys) },
	{ "revocation", CH_CONF_MAP, CH_CONF_OPTIONAL, MAP(revocation_keys) },
	{ "ddi", CH_CONF_MAP, CH_CONF_OPTIONAL, MAP(ddi_keys) },
	{ "balancers", CH_CONF_TEXTS, CH_CONF_OPTIONAL, AT(balancers) },
	{ "retention", CH_CONF_TEXTS, CH_CONF_OPTIONAL, AT(retention) },
	{ "signer", CH_CONF_MAP, CH_CONF_OPTIONAL, MAP(signer_keys) },
	{ "token", CH_CONF_MAP, CH_CONF_OPTIONAL, MAP(token_keys) },
	{ "users", CH_CONF_MAP, CH_CONF_OPTIONAL, MAP(user_keys) },
};

/* Where the file says nothing: the account that the package makes, else a number that no distribution gives to anyone. */
static const struct {
	const char *name;
	uint32_t id;
} default_user[CH_ROLE_COUNT] = {
	[CH_ROLE_EDGE] = { "_chainhold-edge", 64601 },     [CH_ROLE_VERIFY] = { "_chainhold-verify", 64602 },
	[CH_ROLE_KEEPER] = { "_chainhold-keeper", 64603 }, [CH_ROLE_READER] = { "_chainhold-reader", 64604 },
	[CH_ROLE_SIGNER] = { "_chainhold-signer", 64605 }, [CH_ROLE_TOKEN] = { "_chainhold-token", 64606 },
};

static bool find_user(struct main_config *c, enum ch_role role)
{
	const char *text = c->user_text[role] != NULL ? c->user_text[role] : default_user[role].name;
	char *end;
	errno = 0;
	unsigned long number = strtoul(text, &end, 10);
	const struct passwd *account = getpwnam(text);
	struct main_user *u = &c->user[role];
	if (account != NULL)
		*u = (struct main_user){ account->pw_uid, account->pw_gid };
	else if (c->user_text[role] == NULL)
		*u = (struct main_user){ default_user[role].id, default_user[role].id };
	else if (errno == 0 && *end == '\0' && number > 0 && number < UINT32_MAX)
		*u = (struct main_user){ (uint32_t)number, (uint32_t)number };
	if (u->uid != 0)
		return true;
	ch_log(CH_LOG_ERROR, "%s: users.%s: there is no user %s; give a name that exists or a number, never root",
	       c->path, ch_role_str(role), text);
	return false;
}

static bool find_users(struct main_config *c)
{
	for (unsigned role = CH_ROLE_EDGE; role < CH_ROLE_COUNT; role++) {
		if (!find_user(c, role))
			return false;
		for (unsigned other = CH_ROLE_EDGE; other < role; other++) {
			if (c->user[role].uid != c->user[other].uid)
				continue;
			ch_log(CH_LOG_ERROR, "%s: users: %s and %s have the same uid; each needs its own", c->path,
			       ch_role_str(role), ch_role_str(other));
			return false;
		}
	}
	return true;
}

bool main_config_read(struct main_config *c, const char *path)
{
	*c = (struct main_config){ .path = path,
				   .edges = 1,
				   .verifiers = 1,
				   .readers = 1,
				   .connections = 20000,
				   .device_rate = MAIN_RATE_DEFAULT,
				   .enrol_rate = MAIN_RATE_DEFAULT,
				   .public_rate = MAIN_RATE_DEFAULT,
				   .ocsp_rate = MAIN_RATE_DEFAULT,
				   .crl_lifetime = 86400,
				   .ocsp_lifetime = 3600,
				   .ocsp_answers = 16384,
				   .ddi_tenant = "DEFAULT",
				   .ddi_poll = 300,
				   .token_deadline = 10 };
	CH_AUTO_BUF struct ch_buf in = { 0 };
	enum ch_err err = ch_file_read(&in, path);
	if (err != CH_OK) {
		ch_log(CH_LOG_ERROR, "%s: %s; 'chainhold init DIR' makes one", path,
		       err == CH_ERR_LIMIT ? "too large" : strerror(errno));
		return false;
	}
	const char *slash = strrchr(path, '/');
	size_t n = slash != NULL ? (size_t)(slash - path) + 1 : 0;
	if (n >= sizeof(c->dir)) {
		ch_log(CH_LOG_ERROR, "%s: the path is too long", path);
		return false;
	}
	(void)ch_span_copy(c->dir, n, ch_span(path, n));
	struct ch_yaml_error e;
	if (ch_conf_read(&c->conf, ch_buf_span(&in), keys, CH_COUNT_OF(keys), c, &e) != CH_OK) {
		char text[CH_YAML_SAY_MAX + 512];
		ch_conf_error_put(text, sizeof(text), path, &e);
		ch_log(CH_LOG_ERROR, "%s", text);
		return false;
	}
	return find_users(c) && main_config_tokens_read(c);
}

void main_config_clear(struct main_config *c)
{
	main_config_tokens_clear(c);
	ch_conf_clear(&c->conf);
}

unsigned main_config_count(const struct main_config *c, enum ch_role role)
{
	switch (role) {
	case CH_ROLE_EDGE:
		return c->edges;
	case CH_ROLE_VERIFY:
		return c->verifiers;
	case CH_ROLE_READER:
		return c->readers;
	case CH_ROLE_KEEPER:
	case CH_ROLE_SIGNER:
		return 1;
	case CH_ROLE_TOKEN:
		return (c->ca_key != NULL) + (unsigned)c->earlier_count;
	default:
		return 0;
	}
}

char *main_config_path(const struct main_config *c, const char *rest)
{
	size_t n = strlen(c->dir) + strlen(rest) + 1;
	char *path = ch_calloc(n, 1);
	(void)snprintf(path, n, "%s%s", rest[0] == '/' ? "" : c->dir, rest);
	return path;
}

/* Makes a folder, or takes the one that is there, and gives it to its owner. */
static bool own_folder(const char *path, uint32_t uid, uint32_t gid, mode_t mode)
{
	struct stat st;
	if (mkdir(path, mode) != 0 && errno != EEXIST)
		return false;
	if (lstat(path, &st) != 0)
		return false;
	if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return false;
	}
	return chown(path, uid, gid) == 0 && chmod(path, mode) == 0;
}

/* What a folder holds belongs to its owner too: keys that were put there by root. */
static bool own_files(const char *path, uint32_t uid, uint32_t gid)
{
	DIR *dir = opendir(path);
	if (dir == NULL)
		return false;
	bool ok = true;
	for (const struct dirent *e = readdir(dir); e != NULL && ok; e = readdir(dir)) {
		struct stat st;
		ok = fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0;
		if (ok && S_ISREG(st.st_mode) && st.st_uid != uid)
			ok = fchownat(dirfd(dir), e->d_name, uid, gid, AT_SYMLINK_NOFOLLOW) == 0;
	}
	int saved = errno;
	(void)closedir(dir);
	errno = saved;
	return ok;
}

char *main_config_root(const struct main_config *c, enum ch_role role)
{
	static const struct {
		const char *name;
		enum ch_role owner;
		mode_t mode;
	} root[CH_ROLE_COUNT] = {
		[CH_ROLE_EDGE] = { "empty", CH_ROLE_MAIN, 0555 },
		[CH_ROLE_VERIFY] = { "empty", CH_ROLE_MAIN, 0555 },
		[CH_ROLE_KEEPER] = { "store", CH_ROLE_KEEPER, 0750 },
		[CH_ROLE_READER] = { "store", CH_ROLE_KEEPER, 0750 },
		[CH_ROLE_SIGNER] = { "signer", CH_ROLE_SIGNER, 0700 },
	};
	/* A module is at home in the system's root: libraries, its configuration, its device. */
	if (role == CH_ROLE_TOKEN)
		return ch_calloc(1, 1);
	assert(root[role].name != NULL); /* main has no root of its own */
	char *state = main_config_path(c, c->state_dir);
	size_t n = strlen(state) + strlen(root[role].name) + 2;
	char *path = ch_calloc(n, 1);
	(void)snprintf(path, n, "%s/%s", state, root[role].name);
	const struct main_user *u = &c->user[root[role].owner];
	bool ok = (mkdir(state, 0755) == 0 || errno == EEXIST) && own_folder(path, u->uid, u->gid, root[role].mode) &&
		  own_files(path, u->uid, u->gid);
	if (!ok) {
		ch_log(CH_LOG_ERROR, "%s: %s", path, strerror(errno));
		ch_free(path);
		path = NULL;
	}
	ch_free(state);
	return path;
}
