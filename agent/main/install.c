/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/main/install.h"

#include "agent/ipc/child.h"
#include "agent/main/children.h"
#include "host/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MS 600000 /* a large artefact is hashed before it is installed */
#define GRACE_MS  3000
#define LOOK_MS   500

struct installer {
	struct children children;
	struct ch_chan apply; /* where collect would speak */
	struct ag_update_state state;
};

/* Asks apply; false with a line if it does not answer, or did not do it. */
static bool ask(struct installer *i, enum ag_msg type, const void *msg)
{
	struct ch_frame f;
	ag_child_send(&i->apply, type, 0, msg);
	if (ch_chan_wait(&i->apply, &f, ANSWER_MS) != CH_OK || f.type != AG_MSG_UPDATE_STATE ||
	    ag_msg_parse(AG_MSG_UPDATE_STATE, &i->state, f.payload) != CH_OK) {
		ch_log(CH_LOG_ERROR, "apply gives no answer");
		return false;
	}
	if (i->state.error.n == 0)
		return true;
	ch_log(CH_LOG_ERROR, "%.*s", (int)i->state.error.n, (const char *)i->state.error.p);
	return false;
}

static bool stands(const struct installer *i, enum ag_phase phase)
{
	return i->state.phase == phase;
}

static bool start(struct installer *i, const struct config *cfg)
{
	struct ch_frame f;
	if (cfg->backend == CONFIG_NO_UPDATES) {
		ch_log(CH_LOG_ERROR, "the configuration names nobody who installs: update: {backend: rauc}");
		return false;
	}
	return children_start_apply(&i->children, cfg, &i->apply) &&
	       ch_chan_wait(&i->children.chan[AG_APPLY], &f, ANSWER_MS) == CH_OK && f.type == AG_MSG_READY;
}

static void stop(struct installer *i)
{
	ch_chan_clear(&i->apply);
	children_stop(&i->children, GRACE_MS);
}

static bool read_part(struct ch_buf *to, const char *path, size_t max)
{
	enum ch_err err = ch_file_read(to, path);
	if (err == CH_OK && to->n > max)
		err = CH_ERR_LIMIT;
	if (err != CH_OK)
		ch_log(CH_LOG_ERROR, "%s: %s", path, err == CH_ERR_LIMIT ? "too long" : strerror(errno));
	return err == CH_OK;
}

static bool offer(struct installer *i, const char *release, const char *proof)
{
	CH_AUTO_BUF struct ch_buf r = { 0 };
	CH_AUTO_BUF struct ch_buf p = { 0 };
	if (!read_part(&r, release, CH_RELEASE_FILE_MAX) || !read_part(&p, proof, AG_PROOF_MAX))
		return false;
	const struct ag_update_offer m = { .deployment = AG_DEPLOYMENT_BY_HAND,
					   .document = ch_buf_span(&r),
					   .proof = ch_buf_span(&p) };
	return ask(i, AG_MSG_UPDATE_OFFER, &m);
}

/* The artefact from where apply is on. */
static bool give(struct installer *i, const char *path)
{
	CH_AUTO_FREE uint8_t *piece = ch_calloc(1, AG_PIECE_MAX);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0;
	while (ok && stands(i, AG_PHASE_TAKING) && i->state.offset < i->state.size) {
		ssize_t n = pread(fd, piece, AG_PIECE_MAX, (off_t)i->state.offset);
		if (n <= 0) {
			ok = false;
			errno = n == 0 ? ENODATA : errno;
			break;
		}
		uint64_t left = i->state.size - i->state.offset;
		const struct ag_update_bytes m = { .offset = i->state.offset,
						   .bytes = ch_span(piece,
								    (uint64_t)n < left ? (size_t)n : (size_t)left) };
		if (!ask(i, AG_MSG_UPDATE_BYTES, &m)) {
			(void)close(fd);
			return false;
		}
	}
	if (!ok)
		ch_log(CH_LOG_ERROR, "%s: %s", path, errno == ENODATA ? "it ends too early" : strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

static bool wait_end(struct installer *i)
{
	const struct timespec look = { .tv_nsec = LOOK_MS * 1000000L };
	while (stands(i, AG_PHASE_INSTALLING)) {
		(void)nanosleep(&look, NULL);
		if (!ask(i, AG_MSG_UPDATE_ASK, &(struct ag_update_ask){ .always = 0 }))
			return false;
	}
	return true;
}

/* What came of it, in a line. */
static bool conclude(const struct installer *i)
{
	const struct ag_update_state *s = &i->state;
	int name = (int)s->name.n, version = (int)s->version.n;
	if (stands(i, AG_PHASE_INSTALLED)) {
		ch_log(CH_LOG_NOTICE, "%.*s %.*s is installed; it runs when the machine is started again", name,
		       (const char *)s->name.p, version, (const char *)s->version.p);
		return true;
	}
	if (stands(i, AG_PHASE_GOOD)) {
		ch_log(CH_LOG_NOTICE, "%.*s %.*s runs and stays", name, (const char *)s->name.p, version,
		       (const char *)s->version.p);
		return true;
	}
	ch_log(CH_LOG_ERROR, "%s: %.*s", ag_phase_str(s->phase), (int)s->reason.n, (const char *)s->reason.p);
	return false;
}

bool install_files(const struct config *cfg, const char *release, const char *proof, const char *artifact)
{
	static struct installer i;
	bool ok = start(&i, cfg) && offer(&i, release, proof);
	if (ok && stands(&i, AG_PHASE_TAKING))
		ok = give(&i, artifact) && ask(&i, AG_MSG_UPDATE_INSTALL, &(struct ag_update_install){ .always = 0 }) &&
		     wait_end(&i);
	ok = ok && conclude(&i);
	stop(&i);
	return ok;
}

bool install_confirm(const struct config *cfg)
{
	static struct installer i;
	bool ok =
		start(&i, cfg) && ask(&i, AG_MSG_UPDATE_GOOD, &(struct ag_update_good){ .always = 0 }) && conclude(&i);
	stop(&i);
	return ok;
}
