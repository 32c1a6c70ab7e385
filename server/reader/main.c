/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/ostree_pack.h"
#include "host/crypto_openssl/backend.h"
#include "host/sys/log.h"
#include "server/ipc/artifact.h"
#include "server/ipc/hub.h"
#include "server/reader/reader.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* chainhold-reader: the reader between its channels. Started by chainholdd only. */

#define STORE_NAME "chainhold.db"

struct reader_main {
	struct ch_child child;
	struct ch_hub hub;
	struct ch_reader *reader;
	struct ch_store *store; /* NULL until the keeper has made it */
	struct ch_loop_timer tick;
	char store_name[CH_IPC_TEXT_MAX + 1];
};

union message {
	struct ch_msg_request request;
	struct ch_msg_ear ear;
	struct ch_msg_keys keys;
};

static void send_out(void *ctx, enum ch_role to, unsigned index, enum ch_msg type, uint64_t id, const void *msg)
{
	struct reader_main *m = ctx;
	struct ch_peer *p = ch_hub_peer(&m->hub, to, index);
	if (p != NULL)
		ch_peer_send(p, type, id, msg);
}

/*
 * An artefact is a file of this root, named by 64 hexadecimal digits: there is no path that could lead elsewhere. By openat and not
 * openat2, whose flags a filter cannot see (decision 0023).
 */
static int artifact_open(const struct ch_msg_artifact *a)
{
	char name[CH_ARTIFACT_FILE];
	struct stat st;
	ch_artifact_file(name, a->tag);
	int fd = open(name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == a->size))
		return fd;
	(void)close(fd);
	return -1;
}

static void artifact_send(struct reader_main *m, unsigned edge, uint64_t id, const struct ch_msg_artifact *a, int fd)
{
	struct ch_peer *p = ch_hub_peer(&m->hub, CH_ROLE_EDGE, edge);
	if (p != NULL && ch_peer_send_fd(p, CH_MSG_ARTIFACT, id, a, fd) != CH_OK)
		ch_log(CH_LOG_WARNING, "edge %u does not take the file that it asked for", edge);
	(void)close(fd);
}

static bool artifact(void *ctx, unsigned edge, uint64_t id, const struct ch_msg_artifact *a)
{
	int fd = artifact_open(a);
	if (fd >= 0)
		artifact_send(ctx, edge, id, a, fd);
	return fd >= 0;
}

static bool record_get(void *ctx, uint64_t off, uint8_t to[static CH_OSTREE_RECORD])
{
	const int *fd = ctx;
	return pread(*fd, to, CH_OSTREE_RECORD, (off_t)off) == CH_OSTREE_RECORD;
}

static enum ch_err packed(void *ctx, unsigned edge, uint64_t id, const struct ch_msg_artifact *pack,
			  const uint8_t commit[static 32], struct ch_span path)
{
	int fd = artifact_open(pack);
	struct ch_msg_artifact part = *pack;
	if (fd < 0)
		return CH_ERR_IO;
	const struct ch_ostree_source source = { record_get, &fd, pack->size };
	enum ch_err err = ch_ostree_find(&source, commit, path, &part.offset, &part.size);
	if (err == CH_OK)
		artifact_send(ctx, edge, id, &part, fd);
	else
		(void)close(fd);
	return err;
}

/* The keeper makes the store, maybe after this process was started. */
static void store_try(struct reader_main *m)
{
	char why[CH_STORE_WHY] = "";
	const struct ch_store_config config = {
		.path = m->store_name, .mode = CH_STORE_READ, .sql = ch_reader_sql, .sql_count = ch_reader_sql_count
	};
	if (m->store != NULL || ch_store_open(&m->store, &config, why) != CH_OK)
		return;
	if (ch_store_check(m->store) == CH_OK) {
		ch_reader_store(m->reader, m->store);
		return;
	}
	/* Tables are missing: the migration is under way. */
	ch_store_close(m->store);
	m->store = NULL;
}

/* --- what the hub brings --- */

static bool message(void *ctx, struct ch_peer *from, const struct ch_frame *f)
{
	struct reader_main *m = ctx;
	union message msg;
	if (ch_msg_parse((enum ch_msg)f->type, &msg, f->payload, NULL) != CH_OK)
		return false;
	if (f->type == CH_MSG_REQUEST) {
		store_try(m);
		ch_reader_request(m->reader, from->index, f->id, &msg.request);
	} else {
		ch_reader_signed(m->reader, (enum ch_msg)f->type, f->id, &msg);
	}
	return true;
}

static void peer(void *ctx, struct ch_peer *p, bool up)
{
	struct reader_main *m = ctx;
	if (up)
		return;
	if (p->role == CH_ROLE_SIGNER)
		ch_reader_signer_gone(m->reader);
	else
		ch_reader_edge_gone(m->reader, p->index);
}

static void tick(void *ctx)
{
	struct reader_main *m = ctx;
	uint64_t next = ch_reader_tick(m->reader);
	if (next != 0)
		ch_loop_timer_set(m->hub.loop, &m->tick, next);
}

static void turn(void *ctx)
{
	struct reader_main *m = ctx;
	if (!ch_loop_timer_armed(&m->tick))
		tick(m);
}

static void metrics(void *ctx, struct ch_wr *w)
{
	const struct reader_main *m = ctx;
	ch_reader_metrics(m->reader, m->child.index, w);
}

static const struct ch_hub_work work = { .message = message, .peer = peer, .turn = turn, .metrics = metrics };

int main(void)
{
	static struct reader_main m;
	if (ch_child_begin(&m.child, CH_ROLE_READER) != CH_OK)
		return EXIT_FAILURE;
	if (ch_crypto_openssl_init() != CH_OK) {
		ch_log(CH_LOG_ERROR, "OpenSSL does not offer what is needed");
		return EXIT_FAILURE;
	}
	struct ch_span name = ch_config_get(m.child.start.config, "store", 0);
	(void)ch_span_copy(m.store_name, sizeof(m.store_name) - 1, name.n > 0 ? name : CH_SPAN_LIT(STORE_NAME));
	ch_hub_init(&m.hub, &m.child, &work, &m);
	ch_child_confine(&m.child, CH_ALLOW_FILES_READ | CH_ALLOW_SEND_FD);
	const struct ch_reader_env env = { send_out, ch_hub_wall_ms, ch_hub_mono_ms, &m, artifact, packed };
	m.reader = ch_reader_new(&env, ch_config_get(m.child.start.config, "origin", 0));
	uint64_t sleep = ch_config_number(m.child.start.config, "ddi_poll", 0);
	if (sleep > 0 && sleep <= UINT32_MAX)
		ch_reader_polling(m.reader, (uint32_t)sleep);
	m.tick = (struct ch_loop_timer){ .due = tick, .ctx = &m };
	enum ch_err err = ch_hub_run(&m.hub);
	ch_reader_free(m.reader);
	ch_store_close(m.store);
	ch_hub_clear(&m.hub);
	return err == CH_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
