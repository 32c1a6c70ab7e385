/* SPDX-License-Identifier: Apache-2.0 */
#include "host/crypto_openssl/backend.h"
#include "host/store/schema.h"
#include "host/sys/log.h"
#include "server/ipc/artifact.h"
#include "server/ipc/hub.h"
#include "server/keeper/keeper.h"
#include "server/keeper/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

/* chainhold-keeper: the keeper between its channels, one loop turn one transaction. Started by chainholdd only. */

#define STORE_NAME    "chainhold.db"
#define RESERVE_NAME  "reserve"
#define RESERVE_BYTES ((off_t)32 << 20)

struct keeper_main {
	struct ch_child child;
	struct ch_hub hub;
	struct ch_keeper *keeper;
	struct ch_store *store;
	struct ch_loop_timer tick;
	char store_name[CH_IPC_TEXT_MAX + 1];
};

/* Any message that a peer may send here, parsed. */
union message {
	struct ch_msg_request request;
	struct ch_msg_context_ask context_ask;
	struct ch_msg_enrol_pending enrol_pending;
	struct ch_msg_enrol_finish enrol_finish;
	struct ch_msg_enrol_token enrol_token;
	struct ch_msg_commit commit;
	struct ch_msg_renew renew;
	struct ch_msg_action action;
	struct ch_msg_est_enrol est_enrol;
	struct ch_msg_fatal_input fatal_input;
	struct ch_msg_issued issued;
	struct ch_msg_checkpoint checkpoint;
	struct ch_msg_cut_done cut_done;
	struct ch_msg_ocsp_sign ocsp_sign;
	struct ch_msg_ocsp ocsp;
	struct ch_msg_crl crl;
	struct ch_msg_crl_earlier crl_earlier;
	struct ch_msg_generation_taken generation_taken;
	struct ch_msg_feedback feedback;
};

/* --- the environment --- */

static bool disk(void *ctx, uint64_t *total, uint64_t *available)
{
	const struct keeper_main *m = ctx;
	struct statvfs s;
	if (statvfs(m->store_name, &s) != 0)
		return false;
	*total = (uint64_t)s.f_blocks * s.f_frsize;
	*available = (uint64_t)s.f_bavail * s.f_frsize;
	return true;
}

static bool reserve(void *ctx, bool keep)
{
	(void)ctx;
	if (!keep) {
		if (unlink(RESERVE_NAME) == 0)
			ch_log(CH_LOG_ERROR, "the disk is full: the reserve is given up for verdicts and revocations");
		return true;
	}
	int fd = open(RESERVE_NAME, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST;
	bool ok = posix_fallocate(fd, 0, RESERVE_BYTES) == 0;
	(void)close(fd);
	if (!ok)
		(void)unlink(RESERVE_NAME);
	return ok;
}

static bool artifact_write(void *ctx, const uint8_t sha256[static 32], uint64_t off, struct ch_span bytes)
{
	(void)ctx;
	char name[CH_ARTIFACT_FILE];
	ch_artifact_file(name, sha256);
	int fd = open(name, O_CREAT | O_WRONLY | O_NOFOLLOW | O_CLOEXEC | (off == 0 ? O_TRUNC : 0), 0640);
	if (fd < 0)
		return false;
	size_t done = 0;
	while (done < bytes.n) {
		ssize_t n = pwrite(fd, bytes.p + done, bytes.n - done, (off_t)(off + done));
		if (n <= 0 && errno != EINTR)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	bool ok = done == bytes.n && fdatasync(fd) == 0;
	(void)close(fd);
	return ok;
}

static bool artifact_read(void *ctx, const uint8_t sha256[static 32], uint64_t off, uint8_t *to, size_t n)
{
	(void)ctx;
	char name[CH_ARTIFACT_FILE];
	ch_artifact_file(name, sha256);
	int fd = open(name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	size_t done = 0;
	while (fd >= 0 && done < n) {
		ssize_t got = pread(fd, to + done, n - done, (off_t)(off + done));
		if (got == 0 || (got < 0 && errno != EINTR))
			break;
		done += got > 0 ? (size_t)got : 0;
	}
	if (fd >= 0)
		(void)close(fd);
	return fd >= 0 && done == n;
}

static bool artifact_remove(void *ctx, const uint8_t sha256[static 32])
{
	(void)ctx;
	char name[CH_ARTIFACT_FILE];
	ch_artifact_file(name, sha256);
	return unlink(name) == 0 || errno == ENOENT;
}

static void fatal(void *ctx, const char *why)
{
	(void)ctx;
	ch_log(CH_LOG_ERROR, "the store cannot go on: %s; starting anew from what is durable", why);
	exit(EXIT_FAILURE);
}

static void send_out(void *ctx, enum ch_role to, unsigned index, enum ch_msg type, uint64_t id, struct ch_span payload)
{
	struct keeper_main *m = ctx;
	struct ch_peer *p = ch_hub_peer(&m->hub, to, index);
	if (p != NULL)
		ch_peer_pass(p, type, id, payload);
}

/* --- what the hub brings --- */

static bool message(void *ctx, struct ch_peer *from, const struct ch_frame *f)
{
	struct keeper_main *m = ctx;
	union message msg;
	if (ch_msg_parse((enum ch_msg)f->type, &msg, f->payload, NULL) != CH_OK)
		return false;
	ch_keeper_message(m->keeper, from->role, from->index, (enum ch_msg)f->type, f->id, &msg);
	return true;
}

static void peer(void *ctx, struct ch_peer *p, bool up)
{
	struct keeper_main *m = ctx;
	ch_keeper_peer(m->keeper, p->role, p->index, up);
}

static void turn(void *ctx)
{
	struct keeper_main *m = ctx;
	ch_keeper_turn(m->keeper);
	/* What the turn left for later (a batch of leaves) comes with a tick. */
	uint64_t due = ch_keeper_due(m->keeper);
	if (!ch_loop_timer_armed(&m->tick) || ch_loop_now(m->hub.loop) + due < m->tick.deadline)
		ch_loop_timer_set(m->hub.loop, &m->tick, due);
}

static void tick(void *ctx)
{
	struct keeper_main *m = ctx;
	ch_loop_timer_set(m->hub.loop, &m->tick, ch_keeper_tick(m->keeper));
	ch_loop_defer(m->hub.loop, &m->hub.turn);
}

static void metrics(void *ctx, struct ch_wr *w)
{
	const struct keeper_main *m = ctx;
	ch_keeper_metrics(m->keeper, w);
}

static void reload(void *ctx, struct ch_span config)
{
	struct keeper_main *m = ctx;
	if (ch_keeper_reload(m->keeper, config) != CH_OK)
		ch_log(CH_LOG_ERROR, "the new configuration cannot be used: the old one stays in force");
}

static const struct ch_hub_work work = {
	.message = message, .peer = peer, .turn = turn, .metrics = metrics, .reload = reload
};

/* --- start --- */

static void store_open(struct keeper_main *m)
{
	char why[CH_STORE_WHY] = "";
	const struct ch_store_config config = {
		.path = m->store_name, .mode = CH_STORE_WRITE, .sql = ch_keeper_sql, .sql_count = ch_keeper_sql_count
	};
	enum ch_err err = ch_store_open(&m->store, &config, why);
	if (err == CH_OK)
		err = ch_schema_migrate(m->store, CH_SCHEMA_APPLY, (int64_t)ch_hub_wall_ms(NULL), NULL, NULL);
	if (err == CH_OK)
		err = ch_store_check(m->store);
	if (err == CH_OK)
		return;
	ch_log(CH_LOG_ERROR, "the store %s cannot be opened: %s %s", m->store_name, ch_err_str(err),
	       m->store != NULL ? ch_store_why(m->store) : why);
	exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return ch_keeper_tool(argc, argv);
	static struct keeper_main m;
	char why[CH_STORE_WHY] = "";
	if (ch_child_begin(&m.child, CH_ROLE_KEEPER) != CH_OK)
		return EXIT_FAILURE;
	struct ch_view *view = ch_view_map(ch_child_fd(&m.child, CH_FD_VIEW, 0), true);
	if (view == NULL || ch_crypto_openssl_init() != CH_OK) {
		ch_log(CH_LOG_ERROR, view == NULL ? "there is no fleet view" : "OpenSSL does not offer what is needed");
		return EXIT_FAILURE;
	}
	struct ch_span name = ch_config_get(m.child.start.config, "store", 0);
	(void)ch_span_copy(m.store_name, sizeof(m.store_name) - 1, name.n > 0 ? name : CH_SPAN_LIT(STORE_NAME));
	ch_hub_init(&m.hub, &m.child, &work, &m);
	ch_child_confine(&m.child, CH_ALLOW_FILES);
	store_open(&m);
	const struct ch_keeper_env env = { send_out, ch_hub_wall_ms, ch_hub_mono_ms, disk,           reserve, fatal,
					   &m,       artifact_write, artifact_read,  artifact_remove };
	const struct ch_keeper_config config = {
		.store = m.store, .view = view, .config = m.child.start.config, .env = &env
	};
	m.keeper = ch_keeper_new(&config, why);
	if (m.keeper == NULL) {
		ch_log(CH_LOG_ERROR, "the keeper cannot start: %s", why);
		return EXIT_FAILURE;
	}
	m.tick = (struct ch_loop_timer){ .due = tick, .ctx = &m };
	ch_loop_timer_set(m.hub.loop, &m.tick, 1);
	enum ch_err err = ch_hub_run(&m.hub);
	/* What came in with the last turn is committed and answered by it. */
	ch_keeper_free(m.keeper);
	ch_store_checkpoint(m.store);
	ch_store_close(m.store);
	ch_view_unmap(view);
	ch_hub_clear(&m.hub);
	return err == CH_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
