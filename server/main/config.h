/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_MAIN_CONFIG_H
#define CH_MAIN_CONFIG_H

#include "host/policy/conf.h"
#include "server/ipc/messages.h"

/* chainholdd.yaml, and what each child is told of it. Paths are relative to the file's own folder. */

#define MAIN_CHILDREN_MAX 8 /* of one role */
#define MAIN_RATE_DEFAULT 0xffffffffu

struct main_user {
	uint32_t uid, gid;
};

#define MAIN_EARLIER_MAX 4 /* earlier CAs with a key in a token: a process each */

/* An earlier CA whose key is in a token. */
struct main_earlier {
	char kid[65]; /* its key identifier, as its files are named */
	char *certificate, *uri;
};

struct main_config {
	struct ch_conf conf; /* owns the texts */
	char dir[4096];      /* folder of the file, with the slash at its end */
	const char *path;
	const char *state_dir, *origin, *ek_roots, *policies;
	const char *certificate_profiles, *idevid_roots, *earlier_cas; /* folders; NULL: none */
	const char *root_lists; /* a folder; NULL: "root_lists", if it is there */
	const char *listen[3];  /* devices, operators, public: "address:port", "[v6]:port" */
	const char *tls_certificate, *tls_key, *ca;
	const char *operator_name, *operator_certificate;
	uint32_t edges, verifiers, readers;
	uint32_t connections;
	uint32_t device_rate, enrol_rate, public_rate; /* a second; MAIN_RATE_DEFAULT: the edge's own */
	const char *revocation_url;                    /* "http://host[:port]"; NULL: certificates do not say where */
	uint32_t ocsp_lifetime, crl_lifetime, ocsp_answers;
	uint32_t ocsp_rate; /* MAIN_RATE_DEFAULT: the edge's own */
	const char *ca_key; /* PKCS #11 URI; NULL: a file in the signer's folder */
	char *ca_uri;       /* the same, where it comes from a file there */
	struct main_earlier earlier[MAIN_EARLIER_MAX];
	size_t earlier_count;
	struct ch_conf_texts token_folders, token_environment;
	uint32_t token_deadline;       /* seconds */
	const char *ddi_tenant;        /* hawkBit's DDI: the first segment of its paths */
	uint32_t ddi_poll;             /* seconds */
	const char *ddi_target_tokens; /* file; NULL: none is taken */
	const char *ddi_gateway_token; /* SHA-256 of it, in hexadecimal; NULL: none is taken */
	struct ch_conf_texts balancers;
	struct ch_conf_texts retention; /* "CLASS DAYS COUNT", read by the keeper */
	const char *user_text[CH_ROLE_COUNT];
	struct main_user user[CH_ROLE_COUNT];
};

/* Reads the file. False after a line that says what is wrong and where. The caller clears `c` in either case. */
CH_MUST_USE bool main_config_read(struct main_config *c, const char *path);
void main_config_clear(struct main_config *c);
/* The keys of CAs that are in tokens, from the files that say so; main_config_read does. False after a line. */
CH_MUST_USE bool main_config_tokens_read(struct main_config *c);
void main_config_tokens_clear(struct main_config *c);
/* How many children of a role it asks for. */
unsigned main_config_count(const struct main_config *c, enum ch_role role);
/* "DIR/rest" as a new string, the caller's to ch_free; `rest` alone if it starts with a slash. */
char *main_config_path(const struct main_config *c, const char *rest);

/* The root directory of a role, the caller's to ch_free: made if it is not there, owned as it must be. NULL after a line. */
char *main_config_root(const struct main_config *c, enum ch_role role);

/*
 * Appends the configuration of a role as START carries it (lines of child.h). Reads certificates, keys, roots and policies anew.
 * `index` is that of the process among those of its role. False after a line that names the file.
 */
CH_MUST_USE bool main_config_role(const struct main_config *c, enum ch_role role, unsigned index, struct ch_buf *out);

#endif
