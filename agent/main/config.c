/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/main/config.h"

#include "host/base/file.h"
#include "host/sys/log.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define SAY_MAX 1024
#define DAY     86400

static const struct ch_conf_word ek_words[] = {
	{ "auto", 0 }, { "p-256", 1 }, { "p-384", 2 }, { "rsa-2048", 3 }, { NULL, 0 }
};

static const struct ch_conf_word backend_words[] = { { "none", CONFIG_NO_UPDATES },
						     { "rauc", CONFIG_RAUC },
						     { NULL, 0 } };
static const struct ch_conf_word reboot_words[] = { { "manual", 0 }, { "auto", 1 }, { NULL, 0 } };

#define AT(name) .offset = offsetof(struct config, name)
static const struct ch_conf_key user_keys[] = {
	{ "tpm", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(user_tpm) },
	{ "net", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(user_net) },
	{ "collect", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(user_collect) },
};
static const struct ch_conf_key update_keys[] = {
	{ "backend", CH_CONF_WORD, CH_CONF_OPTIONAL, AT(backend), .words = backend_words },
	{ "spool", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(spool) },
	{ "reboot", CH_CONF_WORD, CH_CONF_OPTIONAL, AT(reboot), .words = reboot_words },
	{ "bus", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(bus) },
};
static const struct ch_conf_key keys[] = {
	{ "server", CH_CONF_TEXTS, CH_CONF_OPTIONAL, AT(servers) },
	{ "server_ca", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(server_ca) },
	{ "fleet_root", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(fleet_root) },
	{ "state_dir", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(state_dir) },
	{ "status_file", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(status_file) },
	{ "tpm", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(tpm) },
	{ "ek", CH_CONF_WORD, CH_CONF_OPTIONAL, AT(ek), .words = ek_words },
	{ "eventlog", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(eventlog) },
	{ "ima", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(ima) },
	{ "system_root", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(system_root) },
	{ "proxy", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(proxy) },
	{ "class", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(device_class) },
	{ "token_file", CH_CONF_TEXT, CH_CONF_OPTIONAL, AT(token_file) },
	{ "interval", CH_CONF_DURATION, CH_CONF_OPTIONAL, AT(interval), .min = 1, .max = DAY },
	{ "poll", CH_CONF_DURATION, CH_CONF_OPTIONAL, AT(poll), .min = 1, .max = DAY },
	{ "update", CH_CONF_MAP, CH_CONF_OPTIONAL, .keys = update_keys, .key_count = CH_COUNT_OF(update_keys) },
	{ "users", CH_CONF_MAP, CH_CONF_OPTIONAL, .keys = user_keys, .key_count = CH_COUNT_OF(user_keys) },
};

const char *config_ek_str(uint32_t ek)
{
	return ek_words[ek].word;
}

static bool is_place(const char *s)
{
	const char *colon = strrchr(s, ':');
	if (colon == NULL || colon == s)
		return false;
	size_t digits = strlen(colon + 1);
	return digits >= 1 && digits <= 5 && strspn(colon + 1, "0123456789") == digits;
}

static enum ch_err check_place(const struct config *c, const char *key, const char *value, struct ch_yaml_error *e)
{
	if (value == NULL || is_place(value))
		return CH_OK;
	return ch_yaml_refuse(e, CH_ERR_MALFORMED, ch_conf_find(&c->file, key, NULL),
			      (const char *const[]){ "'", value, "' is not host:port", NULL });
}

/* Whom to trust is said once. */
static enum ch_err check_trust(const struct config *c, struct ch_yaml_error *e)
{
	const char *twice = c->servers.count > 0 ? "server" : c->server_ca != NULL ? "server_ca" : NULL;
	if (c->fleet_root != NULL && twice != NULL)
		return ch_yaml_refuse(e, CH_ERR_DUPLICATE, ch_conf_find(&c->file, twice, NULL),
				      (const char *const[]){ "'", twice, "' is named by the fleet root", NULL });
	if (c->fleet_root != NULL || (c->servers.count > 0 && c->server_ca != NULL))
		return CH_OK;
	return ch_yaml_refuse(e, CH_ERR_MISSING, ch_conf_find(&c->file, "server", NULL),
			      (const char *const[]){ "'fleet_root' is missing, or 'server' and 'server_ca'", NULL });
}

/* What is installed must be signed by somebody, and only a fleet root says by whom. */
static enum ch_err check_update(const struct config *c, struct ch_yaml_error *e)
{
	if (c->backend == CONFIG_NO_UPDATES || c->fleet_root != NULL)
		return CH_OK;
	return ch_yaml_refuse(e, CH_ERR_MISSING, ch_conf_find(&c->file, "update", "backend"),
			      (const char *const[]){ "'fleet_root' is missing: it says who may sign releases", NULL });
}

static enum ch_err check(const struct config *c, struct ch_yaml_error *e)
{
	enum ch_err err = check_trust(c, e);
	if (err == CH_OK)
		err = check_update(c, e);
	if (err == CH_OK)
		err = check_place(c, "proxy", c->proxy, e);
	for (size_t i = 0; i < c->servers.count && err == CH_OK; i++)
		err = check_place(c, "server", c->servers.text[i], e);
	return err;
}

bool config_read(struct config *c, const char *path)
{
	*c = (struct config){
		.state_dir = "/var/lib/chainhold-agent",
		.status_file = "/run/chainhold-agent/status.json",
		.tpm = "device:/dev/tpmrm0",
		.eventlog = "/sys/kernel/security/tpm0/binary_bios_measurements",
		.ima = "/sys/kernel/security/ima/binary_runtime_measurements",
		.system_root = "/",
		.poll = 60,
		.bus = "unix:path=/run/dbus/system_bus_socket",
		.user_tpm = "chainhold-agent-tpm",
		.user_net = "chainhold-agent-net",
		.user_collect = "chainhold-agent-collect",
	};
	CH_AUTO_BUF struct ch_buf file = { 0 };
	enum ch_err err = ch_file_read(&file, path);
	if (err != CH_OK) {
		ch_log(CH_LOG_ERROR, "%s: %s", path, err == CH_ERR_LIMIT ? "too long" : strerror(errno));
		return false;
	}
	struct ch_yaml_error e;
	err = ch_conf_read(&c->file, ch_buf_span(&file), keys, CH_COUNT_OF(keys), c, &e);
	if (err == CH_OK)
		err = check(c, &e);
	if (err == CH_OK)
		return true;
	char say[SAY_MAX];
	ch_conf_error_put(say, sizeof(say), path, &e);
	ch_log(CH_LOG_ERROR, "%s", say);
	ch_conf_clear(&c->file);
	return false;
}

void config_free(struct config *c)
{
	ch_conf_clear(&c->file);
}
