/* SPDX-License-Identifier: Apache-2.0 */
#include "host/base/file.h"
#include "host/crypto_openssl/backend.h"
#include "host/sys/log.h"
#include "host/sys/loop.h"
#include "server/ipc/child.h"
#include "server/signer/ear.h"
#include "server/signer/issue.h"
#include "server/signer/keys.h"
#include "server/signer/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PEERS_MAX 64
#define STATUS_MS 1000
#define NAME_MAX_ 255

struct signer;

/* One channel: to the keeper, or to a reader. */
struct peer {
	struct signer *signer;
	enum ch_role role;
	unsigned index;
	struct ch_chan chan;
	struct ch_loop_fd fd;
	struct ch_loop_task flush;
	struct ch_permit_once once;
	bool open;
};

struct signer {
	struct ch_child child;
	struct ch_loop *loop;
	struct ch_loop_fd control;
	struct ch_loop_timer status;
	struct peer peer[PEERS_MAX];
	struct ch_sign_key ca_key;
	struct ch_issuer ca;
	struct ch_signer_tree tree;
	struct ch_ear_signer ear;
	uint64_t issued, refused, checkpoints, failed, ears;
	uint64_t told; /* sum of the counters when they were told last */
};

/* --- what is asked --- */

static bool on_issue(struct peer *p, const struct ch_frame *f)
{
	struct signer *s = p->signer;
	struct ch_msg_issue req;
	struct ch_msg_issued out;
	uint8_t room[CH_IPC_CERT_MAX];
	if (ch_msg_parse(CH_MSG_ISSUE, &req, f->payload, NULL) != CH_OK)
		return false;
	ch_issue(&out, room, &s->ca, &s->ca_key, &req, (int64_t)time(NULL));
	s->issued += out.status == 0;
	s->refused += out.status != 0;
	ch_msg_send(&p->chan, CH_MSG_ISSUED, f->id, &out);
	return true;
}

static bool on_leaves(struct peer *p, const struct ch_frame *f)
{
	struct signer *s = p->signer;
	struct ch_msg_leaves req;
	struct ch_msg_checkpoint out;
	uint8_t room[CH_IPC_CERT_MAX];
	if (ch_msg_parse(CH_MSG_LEAVES, &req, f->payload, NULL) != CH_OK)
		return false;
	ch_signer_tree_append(&s->tree, &out, room, &req);
	s->checkpoints += out.status == 0;
	s->failed += out.status == 2;
	if (out.status != 0)
		ch_log(CH_LOG_WARNING,
		       "leaves from %llu do not continue the log of %llu entries, or could not be kept: %u",
		       (unsigned long long)req.first, (unsigned long long)out.size, (unsigned)out.status);
	ch_msg_send(&p->chan, CH_MSG_CHECKPOINT, f->id, &out);
	return true;
}

static bool on_ear(struct peer *p, const struct ch_frame *f)
{
	struct signer *s = p->signer;
	struct ch_msg_ear_sign req;
	CH_AUTO_BUF struct ch_buf jwt = { 0 };
	if (ch_msg_parse(CH_MSG_EAR_SIGN, &req, f->payload, NULL) != CH_OK)
		return false;
	struct ch_msg_ear out = { .status = ch_ear_sign(&s->ear, req.claims, &jwt) == CH_OK ? 0 : 1 };
	out.jwt = ch_buf_span(&jwt);
	s->ears += out.status == 0;
	ch_msg_send(&p->chan, CH_MSG_EAR, f->id, &out);
	return true;
}

static bool on_keys(struct peer *p, const struct ch_frame *f)
{
	struct signer *s = p->signer;
	struct ch_msg_keys_ask req;
	char jwks[512];
	uint8_t log_key[CH_NOTE_KEY_TEXT_MAX];
	struct ch_wr w = ch_wr(log_key, sizeof(log_key));
	if (ch_msg_parse(CH_MSG_KEYS_ASK, &req, f->payload, NULL) != CH_OK)
		return false;
	int n = snprintf(jwks, sizeof(jwks), "{\"keys\":[%s]}", s->ear.jwk);
	ch_note_key_put(&w, &s->tree.note);
	const struct ch_msg_keys out = { .jwks = ch_span(jwks, n > 0 ? (size_t)n : 0), .log_key = ch_wr_span(&w) };
	ch_msg_send(&p->chan, CH_MSG_KEYS, f->id, &out);
	return true;
}

static const struct {
	enum ch_msg type;
	bool (*run)(struct peer *p, const struct ch_frame *f);
} handler[] = {
	{ CH_MSG_ISSUE, on_issue },
	{ CH_MSG_LEAVES, on_leaves },
	{ CH_MSG_EAR_SIGN, on_ear },
	{ CH_MSG_KEYS_ASK, on_keys },
};

static bool handle(struct peer *p, const struct ch_frame *f)
{
	if (!ch_msg_permitted(&p->once, p->role, CH_ROLE_SIGNER, f->type))
		return false;
	for (size_t i = 0; i < CH_COUNT_OF(handler); i++) {
		if (handler[i].type == f->type)
			return handler[i].run(p, f);
	}
	return false;
}

/* --- channels --- */

static void peer_close(struct peer *p)
{
	if (!p->open)
		return;
	ch_loop_del(p->signer->loop, &p->fd);
	ch_loop_task_clear(p->signer->loop, &p->flush);
	ch_chan_clear(&p->chan);
	p->open = false;
}

static void peer_flush(void *ctx)
{
	struct peer *p = ctx;
	if (!p->open)
		return;
	if (!ch_chan_flush(&p->chan))
		peer_close(p);
	else
		ch_loop_watch(p->signer->loop, &p->fd, EPOLLIN | (ch_chan_queued(&p->chan) > 0 ? EPOLLOUT : 0u));
}

static void peer_ready(void *ctx, uint32_t events)
{
	struct peer *p = ctx;
	struct ch_frame f;
	(void)events;
	(void)ch_chan_read(&p->chan);
	while (ch_chan_next(&p->chan, &f)) {
		if (handle(p, &f))
			continue;
		ch_log(CH_LOG_ERROR, "%s sent %s, which it may not, or which is damaged: its channel is closed",
		       ch_role_str(p->role), ch_msg_str(f.type));
		peer_close(p);
		return;
	}
	if (p->chan.dead) {
		peer_close(p);
		return;
	}
	ch_loop_defer(p->signer->loop, &p->flush);
}

/* A channel, or the one that takes its place after the other process was restarted. */
static void peer_add(struct signer *s, const struct ch_child_fd *fd)
{
	struct peer *p = NULL;
	for (size_t i = 0; i < PEERS_MAX; i++) {
		struct peer *at = &s->peer[i];
		if (at->open && at->role == (enum ch_role)fd->kind && at->index == fd->index)
			peer_close(at);
		if (p == NULL && !at->open)
			p = at;
	}
	if (p == NULL || (fd->kind != CH_FD_KEEPER && fd->kind != CH_FD_READER)) {
		(void)close(fd->fd);
		return;
	}
	*p = (struct peer){ .signer = s, .role = (enum ch_role)fd->kind, .index = fd->index, .open = true };
	ch_chan_init(&p->chan, fd->fd);
	p->fd = (struct ch_loop_fd){ .ready = peer_ready, .ctx = p };
	p->flush = (struct ch_loop_task){ .run = peer_flush, .ctx = p };
	if (ch_loop_add(s->loop, &p->fd, fd->fd, EPOLLIN) != CH_OK)
		peer_close(p);
}

/* --- main's channel --- */

static void control_ready(void *ctx, uint32_t events)
{
	struct signer *s = ctx;
	(void)events;
	for (;;) {
		struct ch_child_news news = ch_child_next(&s->child);
		if (news.ask == CH_CHILD_NOTHING)
			break;
		if (news.ask == CH_CHILD_PEER)
			peer_add(s, &news.peer);
		if (news.ask == CH_CHILD_STOP) {
			ch_loop_stop(s->loop);
			return;
		}
	}
	(void)ch_chan_flush(&s->child.control);
}

static void status_due(void *ctx)
{
	struct signer *s = ctx;
	char text[1024];
	uint64_t sum = s->issued + s->refused + s->checkpoints + s->failed + s->ears;
	ch_loop_timer_set(s->loop, &s->status, STATUS_MS);
	if (sum == s->told)
		return;
	s->told = sum;
	int n = snprintf(text, sizeof(text),
			 "chainhold_signer_certificates_total{result=\"issued\"} %llu\n"
			 "chainhold_signer_certificates_total{result=\"refused\"} %llu\n"
			 "chainhold_signer_checkpoints_total{result=\"signed\"} %llu\n"
			 "chainhold_signer_checkpoints_total{result=\"failed\"} %llu\n"
			 "chainhold_signer_ears_total %llu\n"
			 "chainhold_log_signed_entries %llu\n",
			 (unsigned long long)s->issued, (unsigned long long)s->refused,
			 (unsigned long long)s->checkpoints, (unsigned long long)s->failed, (unsigned long long)s->ears,
			 (unsigned long long)s->tree.last.size);
	const struct ch_msg_status msg = { .metrics = ch_span(text, n > 0 ? (size_t)n : 0) };
	ch_msg_send(&s->child.control, CH_MSG_STATUS, 0, &msg);
	(void)ch_chan_flush(&s->child.control);
}

/* --- start --- */

/* The name that the configuration gives for `key`, under the root. */
static const char *file_of(struct signer *s, const char *key, char path[static NAME_MAX_ + 2])
{
	struct ch_span name = ch_config_get(s->child.start.config, key, 0);
	struct ch_wr w = ch_wr(path, NAME_MAX_ + 1);
	ch_wr_u8(&w, '/');
	ch_wr_put(&w, name);
	path[w.len] = '\0';
	if (name.n > 0 && !w.bad)
		return path;
	ch_log(CH_LOG_ERROR, "the configuration does not say where %s is", key);
	exit(EXIT_FAILURE);
}

static void load_key(struct signer *s, const char *what, struct ch_sign_key *key, enum ch_key_type type)
{
	char path[NAME_MAX_ + 2];
	const char *file = file_of(s, what, path);
	enum ch_err err = ch_signer_key_load(key, file, type);
	if (err == CH_OK)
		return;
	ch_log(CH_LOG_ERROR, "%s (%s): %s%s", what, file, ch_err_str(err),
	       err == CH_ERR_UNTRUSTED ? ": only its owner may have rights to a key file (chmod 600)" : "");
	exit(EXIT_FAILURE);
}

static void load_ca(struct signer *s)
{
	char path[NAME_MAX_ + 2];
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	load_key(s, "key_ca", &s->ca_key, CH_KEY_P256);
	const char *file = file_of(s, "ca_certificate", path);
	enum ch_err err = ch_file_read(&pem, file);
	if (err == CH_OK)
		err = ch_issuer_load(&s->ca, ch_buf_span(&pem), &s->ca_key);
	if (err == CH_OK)
		return;
	ch_log(CH_LOG_ERROR, "ca_certificate (%s): %s", file, ch_err_str(err));
	exit(EXIT_FAILURE);
}

static void load_log(struct signer *s)
{
	struct ch_sign_key key;
	bool made = false;
	load_key(s, "key_log", &key, CH_KEY_ED25519);
	enum ch_err err =
		ch_signer_tree_open(&s->tree, "/", ch_config_get(s->child.start.config, "origin", 0), &key, &made);
	if (err != CH_OK) {
		ch_log(CH_LOG_ERROR, "the tree signed last (/" CH_SIGNER_TREE_FILE "): %s", ch_err_str(err));
		exit(EXIT_FAILURE);
	}
	if (made)
		ch_log(CH_LOG_NOTICE, "a new log begins: %s", s->tree.origin);
}

static void load_ear(struct signer *s)
{
	struct ch_sign_key key;
	load_key(s, "key_ear", &key, CH_KEY_P256);
	if (ch_ear_signer_init(&s->ear, &key) == CH_OK)
		return;
	ch_log(CH_LOG_ERROR, "the key for attestation results cannot be used");
	exit(EXIT_FAILURE);
}

int main(void)
{
	static struct signer s;
	if (ch_child_begin(&s.child, CH_ROLE_SIGNER) != CH_OK)
		return EXIT_FAILURE;
	if (ch_crypto_openssl_init() != CH_OK) {
		ch_log(CH_LOG_ERROR, "OpenSSL cannot be used");
		return EXIT_FAILURE;
	}
	s.loop = ch_loop_new();
	ch_child_confine(&s.child, CH_ALLOW_FILES);
	load_ca(&s);
	load_log(&s);
	load_ear(&s);
	for (size_t i = 0; i < s.child.fd_count; i++)
		peer_add(&s, &s.child.fd[i]);
	s.control = (struct ch_loop_fd){ .ready = control_ready, .ctx = &s };
	s.status = (struct ch_loop_timer){ .due = status_due, .ctx = &s };
	if (ch_loop_add(s.loop, &s.control, CH_CHILD_CONTROL_FD, EPOLLIN) != CH_OK)
		return EXIT_FAILURE;
	ch_loop_timer_set(s.loop, &s.status, STATUS_MS);
	control_ready(&s, 0);
	enum ch_err err = ch_loop_run(s.loop);
	for (size_t i = 0; i < PEERS_MAX; i++)
		peer_close(&s.peer[i]);
	ch_loop_free(s.loop);
	ch_signer_tree_clear(&s.tree);
	ch_ear_signer_clear(&s.ear);
	ch_issuer_clear(&s.ca);
	ch_sign_key_clear(&s.ca_key);
	return err == CH_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
