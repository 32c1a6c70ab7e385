/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_CONFIG_H
#define CH_AGENT_CONFIG_H

#include "host/policy/conf.h"

/* chainhold-agent.yaml; chainhold-agent.8 has every key. What is not in the file is NULL or 0, or has its default. */

enum config_backend { CONFIG_NO_UPDATES, CONFIG_RAUC };

struct config {
	struct ch_conf_texts servers; /* "host:port" */
	const char *server_ca;        /* file with the roots that may vouch for them, PEM */
	const char *fleet_root;       /* file with a fleet root, which names both of the above; NULL: they are given */
	const char *state_dir;
	const char *status_file;
	const char *tpm;         /* where it is (tcti.h), or "none" */
	uint32_t ek;             /* index of config_ek_str */
	const char *eventlog;    /* "none": there is none */
	const char *ima;         /* likewise */
	const char *system_root; /* where proc/cmdline and ostree/ are */
	const char *proxy;       /* "host:port" */
	const char *device_class;
	const char *token_file;
	const char *user_tpm, *user_net, *user_collect; /* names or numbers */
	uint32_t backend;                               /* who installs updates: enum config_backend */
	uint32_t reboot;                                /* 1: the machine is started again when one was installed */
	const char *spool;                              /* NULL: "apply" in the state folder */
	const char *bus;                                /* the D-Bus that RAUC is on */
	uint32_t interval;                              /* seconds; 0: as the server says */
	uint32_t poll;                                  /* seconds */
	struct ch_conf file;                            /* what the texts point into */
};

/* Reads and checks the file. False after a line that says where and what would be right. */
bool config_read(struct config *c, const char *path);
void config_free(struct config *c);

/* "auto", "p-256", "p-384", "rsa-2048". */
const char *config_ek_str(uint32_t ek);

#endif
