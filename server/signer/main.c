/* SPDX-License-Identifier: Apache-2.0 */
#include "host/base/file.h"
#include "host/crypto_openssl/backend.h"
#include "host/sys/log.h"
#include "server/ipc/hub.h"
#include "server/signer/keys.h"
#include "server/signer/signer.h"
#include "server/signer/tool.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

/* chainhold-signer: the signer between its channels. Started by chainholdd only. */

#define NAME_MAX_ 255

#define CRL_LIFETIME_S  86400 /* where the configuration says nothing */
#define OCSP_LIFETIME_S 3600

struct token_of {
	struct signer_main *main;
	unsigned number;
};

struct signer_main {
	struct ch_child child;
	struct ch_hub hub;
	struct ch_signer signer;
	uint64_t askers;                                 /* numbers given so far: one a channel, never again */
	uint64_t asker[CH_ROLE_COUNT][CH_HUB_PEERS_MAX]; /* of the channel that is up */
	struct token_of token[CH_HUB_PEERS_MAX];
	struct ch_ca_key *key_of[CH_HUB_PEERS_MAX]; /* what each process `token` has; NULL: nothing of ours */
};

/* --- what the hub brings --- */

/* An answer that comes after its asker was started anew is nobody's: their numbers of requests may be the same. */
static void send_answer(const struct ch_signer_out *to, enum ch_msg type, const void *msg)
{
	struct signer_main *m = to->ctx;
	for (unsigned role = 0; role < CH_ROLE_COUNT; role++) {
		for (unsigned i = 0; i < CH_HUB_PEERS_MAX; i++) {
			struct ch_peer *p = ch_hub_peer(&m->hub, (enum ch_role)role, i);
			if (p != NULL && m->asker[role][i] == to->asker)
				ch_peer_send(p, type, to->id, msg);
		}
	}
}

static void ask_token(void *ctx, uint64_t id, const uint8_t digest[static 32])
{
	const struct token_of *of = ctx;
	struct ch_peer *token = ch_hub_peer(&of->main->hub, CH_ROLE_TOKEN, of->number);
	struct ch_msg_token_sign ask;
	(void)ch_span_copy(ask.digest, sizeof(ask.digest), ch_span(digest, 32));
	if (token != NULL)
		ch_peer_send(token, CH_MSG_TOKEN_SIGN, id, &ask);
}

static bool token_answer(struct signer_main *m, unsigned number, const struct ch_frame *f)
{
	struct ch_msg_token_signed signed_;
	return m->key_of[number] != NULL && ch_msg_parse(CH_MSG_TOKEN_SIGNED, &signed_, f->payload, NULL) == CH_OK &&
	       ch_ca_signed(m->key_of[number], f->id, signed_.signature) == CH_OK;
}

static bool message(void *ctx, struct ch_peer *from, const struct ch_frame *f)
{
	struct signer_main *m = ctx;
	const struct ch_signer_out out = { m, m->asker[from->role][from->index], f->id, send_answer };
	return from->role == CH_ROLE_TOKEN ? token_answer(m, from->index, f) : ch_signer_request(&m->signer, f, &out);
}

static void peer(void *ctx, struct ch_peer *p, bool up)
{
	struct signer_main *m = ctx;
	m->asker[p->role][p->index] = up ? ++m->askers : 0;
	const struct ch_ca_key *key = p->role == CH_ROLE_TOKEN ? m->key_of[p->index] : NULL;
	if (key != NULL && up)
		ch_ca_ask_again(m->key_of[p->index]);
	else if (key != NULL && key->count > 0)
		ch_log(CH_LOG_WARNING, "the token's process ended: %zu requests wait for the next one", key->count);
}

static void metrics(void *ctx, struct ch_wr *w)
{
	const struct signer_main *m = ctx;
	ch_signer_metrics(&m->signer, w);
}

static void reload(void *ctx, struct ch_span config)
{
	struct signer_main *m = ctx;
	if (ch_profiles_load(&m->signer.profiles, config) != CH_OK)
		ch_log(CH_LOG_ERROR, "the new certificate profiles cannot be used: the old ones stay in force");
}

static const struct ch_hub_work work = { .message = message, .peer = peer, .metrics = metrics, .reload = reload };

/* --- start --- */

/* The name that the configuration gives for `key`, under the root. */
static const char *file_of(struct signer_main *m, const char *key, char path[static NAME_MAX_ + 2])
{
	struct ch_span name = ch_config_get(m->child.start.config, key, 0);
	struct ch_wr w = ch_wr(path, NAME_MAX_ + 1);
	ch_wr_u8(&w, '/');
	ch_wr_put(&w, name);
	path[w.len] = '\0';
	if (name.n > 0 && !w.bad)
		return path;
	ch_log(CH_LOG_ERROR, "the configuration does not say where %s is", key);
	exit(EXIT_FAILURE);
}

static void load_key(struct signer_main *m, const char *what, struct ch_sign_key *key, enum ch_key_type type)
{
	char path[NAME_MAX_ + 2];
	const char *file = file_of(m, what, path);
	enum ch_err err = ch_signer_key_load(key, file, type);
	if (err == CH_OK)
		return;
	ch_log(CH_LOG_ERROR, "%s (%s): %s%s", what, file, ch_err_str(err),
	       err == CH_ERR_UNTRUSTED ? ": only its owner may have rights to a key file (chmod 600)" : "");
	exit(EXIT_FAILURE);
}

/* Whose key is in the process `token` of this number. */
static void set_token(struct signer_main *m, unsigned number, struct ch_ca_key *key)
{
	m->token[number] = (struct token_of){ m, number };
	m->key_of[number] = key;
	key->ask = ask_token;
	key->ctx = &m->token[number];
}

static void load_ca(struct signer_main *m)
{
	char path[NAME_MAX_ + 2];
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	if (ch_config_get(m->child.start.config, "ca_in_token", 0).n > 0)
		set_token(m, 0, &m->signer.ca_key);
	else
		load_key(m, "key_ca", &m->signer.ca_key.key, CH_KEY_P256);
	const char *file = file_of(m, "ca_certificate", path);
	enum ch_err err = ch_file_read(&pem, file);
	if (err == CH_OK)
		err = ch_issuer_load(&m->signer.ca, ch_buf_span(&pem), &m->signer.ca_key);
	if (err == CH_OK)
		return;
	ch_log(CH_LOG_ERROR, "ca_certificate (%s): %s", file, ch_err_str(err));
	exit(EXIT_FAILURE);
}

static void load_log(struct signer_main *m)
{
	struct ch_sign_key key;
	bool made = false;
	load_key(m, "key_log", &key, CH_KEY_ED25519);
	enum ch_err err = ch_signer_tree_open(&m->signer.tree, "/", ch_config_get(m->child.start.config, "origin", 0),
					      &key, &made);
	if (err != CH_OK) {
		ch_log(CH_LOG_ERROR, "the tree signed last (/" CH_SIGNER_TREE_FILE "): %s", ch_err_str(err));
		exit(EXIT_FAILURE);
	}
	if (made)
		ch_log(CH_LOG_NOTICE, "a new log begins: %s", m->signer.tree.origin);
}

static void load_ear(struct signer_main *m)
{
	struct ch_sign_key key;
	load_key(m, "key_ear", &key, CH_KEY_P256);
	if (ch_ear_signer_init(&m->signer.ear, &key) == CH_OK)
		return;
	ch_log(CH_LOG_ERROR, "the key for attestation results cannot be used");
	exit(EXIT_FAILURE);
}

/* What is revoked, and the key that says so by OCSP. */
static void load_revocation(struct signer_main *m)
{
	struct ch_signer *s = &m->signer;
	struct ch_span config = m->child.start.config;
	struct ch_sign_key key;
	int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int64_t crl_life = (int64_t)ch_config_number(config, "crl_lifetime", CRL_LIFETIME_S);
	int64_t ocsp_life = (int64_t)ch_config_number(config, "ocsp_lifetime", OCSP_LIFETIME_S);
	enum ch_err err = dir < 0 ? CH_ERR_IO : ch_signer_crl_open(&s->crl, dir, &s->ca, crl_life);
	if (err != CH_OK) {
		ch_log(CH_LOG_ERROR, "what is revoked (/%s): %s", s->crl.name, ch_err_str(err));
		exit(EXIT_FAILURE);
	}
	char earlier[96];
	err = ch_earlier_load(&s->earlier, config, dir, crl_life, earlier);
	if (err != CH_OK) {
		ch_log(CH_LOG_ERROR, "an earlier CA (/%s): %s%s", earlier, ch_err_str(err),
		       err == CH_ERR_UNTRUSTED ? ": only its owner may have rights to a key file (chmod 600)" : "");
		exit(EXIT_FAILURE);
	}
	for (size_t i = 0; i < s->earlier.count; i++) {
		if (s->earlier.ca[i].in_token)
			set_token(m, s->earlier.ca[i].token, &s->earlier.ca[i].token_key);
	}
	s->ca.crl_url = ch_config_get(config, "crl_url", 0);
	s->ca.ocsp_url = ch_config_get(config, "ocsp_url", 0);
	if (ch_config_get(config, "key_ocsp", 0).n == 0) {
		ch_log(CH_LOG_NOTICE, "there is no key for OCSP: it is not answered");
		return;
	}
	load_key(m, "key_ocsp", &key, CH_KEY_P256);
	if (ch_responder_init(&s->responder, &key, &s->ca, ocsp_life) == CH_OK) {
		ch_responder_prepare(&s->responder, &s->ca, &s->ca_key, (int64_t)time(NULL));
		return;
	}
	ch_log(CH_LOG_ERROR, "the key for OCSP cannot be used");
	exit(EXIT_FAILURE);
}

static void load_profiles(struct signer_main *m)
{
	enum ch_err err = ch_profiles_load(&m->signer.profiles, m->child.start.config);
	if (err == CH_OK)
		return;
	ch_log(CH_LOG_ERROR, "the certificate profiles cannot be used: %s", ch_err_str(err));
	exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return ch_signer_tool(argc, argv);
	static struct signer_main m;
	if (ch_child_begin(&m.child, CH_ROLE_SIGNER) != CH_OK)
		return EXIT_FAILURE;
	if (ch_crypto_openssl_init() != CH_OK) {
		ch_log(CH_LOG_ERROR, "OpenSSL cannot be used");
		return EXIT_FAILURE;
	}
	ch_hub_init(&m.hub, &m.child, &work, &m);
	ch_child_confine(&m.child, CH_ALLOW_FILES);
	load_ca(&m);
	load_log(&m);
	load_ear(&m);
	load_revocation(&m);
	load_profiles(&m);
	enum ch_err err = ch_hub_run(&m.hub);
	ch_signer_clear(&m.signer);
	ch_hub_clear(&m.hub);
	return err == CH_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
