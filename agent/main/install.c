/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/main/install.h"

#include "agent/ipc/child.h"
#include "agent/main/children.h"
#include "core/update/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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

/* Bytes of a file: all of it, or what an archive has under a name. */
struct part {
	const char *path;
	int fd; /* -1: it is not there */
	uint64_t at, size;
};

static bool complain(const struct part *p, const char *what)
{
	ch_log(CH_LOG_ERROR, "%s: %s", p->path, what);
	return false;
}

static bool part_open(struct part *p, const char *path)
{
	struct stat st;
	*p = (struct part){ .path = path, .fd = open(path, O_RDONLY | O_CLOEXEC) };
	if (p->fd < 0 || fstat(p->fd, &st) != 0)
		return complain(p, strerror(errno));
	p->size = (uint64_t)st.st_size;
	return true;
}

static void part_close(struct part *p)
{
	if (p->fd >= 0)
		(void)close(p->fd);
	p->fd = -1;
}

/* `n` bytes from byte `off` of the part on; false with a line if they are not all there. */
static bool part_read(const struct part *p, uint64_t off, uint8_t *to, size_t n)
{
	if (off > p->size || n > p->size - off)
		return complain(p, "it ends too early");
	while (n > 0) {
		ssize_t got = pread(p->fd, to, n, (off_t)(p->at + off));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return complain(p, got == 0 ? "it ends too early" : strerror(errno));
		to += got;
		off += (uint64_t)got;
		n -= (size_t)got;
	}
	return true;
}

static bool part_whole(const struct part *p, struct ch_buf *to, size_t max)
{
	if (p->size > max)
		return complain(p, "too long");
	if (!part_read(p, 0, ch_buf_room(to, (size_t)p->size), (size_t)p->size))
		return false;
	to->n = (size_t)p->size;
	return true;
}

static bool offer(struct installer *i, const struct part *release, const struct part *proof)
{
	CH_AUTO_BUF struct ch_buf r = { 0 };
	CH_AUTO_BUF struct ch_buf p = { 0 };
	if (!part_whole(release, &r, CH_RELEASE_FILE_MAX) || !part_whole(proof, &p, AG_PROOF_MAX))
		return false;
	const struct ag_update_offer m = { .deployment = AG_DEPLOYMENT_BY_HAND,
					   .document = ch_buf_span(&r),
					   .proof = ch_buf_span(&p) };
	return ask(i, AG_MSG_UPDATE_OFFER, &m);
}

/* The artefact from where apply is on. */
static bool give(struct installer *i, const struct part *p)
{
	CH_AUTO_FREE uint8_t *piece = ch_calloc(1, AG_PIECE_MAX);
	while (stands(i, AG_PHASE_TAKING) && i->state.offset < i->state.size) {
		uint64_t left = i->state.size - i->state.offset;
		size_t n = left < AG_PIECE_MAX ? (size_t)left : AG_PIECE_MAX;
		if (!part_read(p, i->state.offset, piece, n))
			return false;
		const struct ag_update_bytes m = { .offset = i->state.offset, .bytes = ch_span(piece, n) };
		if (!ask(i, AG_MSG_UPDATE_BYTES, &m))
			return false;
	}
	return true;
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

/* What was offered, until it is installed; `artifact` is looked for when it is known which one is wanted. */
static bool install(struct installer *i, const struct part *artifact)
{
	if (stands(i, AG_PHASE_TAKING) &&
	    !(give(i, artifact) && ask(i, AG_MSG_UPDATE_INSTALL, &(struct ag_update_install){ .always = 0 }) &&
	      wait_end(i)))
		return false;
	return conclude(i);
}

bool install_files(const struct config *cfg, const char *release, const char *proof, const char *artifact)
{
	static struct installer i;
	struct part r = { .fd = -1 }, p = { .fd = -1 }, f = { .fd = -1 };
	bool ok = part_open(&r, release) && part_open(&p, proof) && part_open(&f, artifact) && start(&i, cfg) &&
		  offer(&i, &r, &p) && install(&i, &f);
	part_close(&r);
	part_close(&p);
	part_close(&f);
	stop(&i);
	return ok;
}

/* --- an archive --- */

/* The files of an archive that are looked for: those whose name begins and ends so; without an end, is so. */
struct wanted {
	const char *before, *after;           /* after: may be NULL */
	size_t count;                         /* how many there are */
	struct part file;                     /* one of them, */
	char middle[CH_ARCHIVE_PATH_MAX + 1]; /* and what stands between in its name */
};

static void compare(struct wanted *w, struct ch_span name, const struct part *file)
{
	struct ch_span first = ch_span_str(w->before), last = ch_span_str(w->after != NULL ? w->after : "");
	bool between = name.n > first.n + last.n && ch_span_starts(name, first) &&
		       ch_span_eq(ch_span_sub(name, name.n - last.n, last.n), last);
	if (w->after != NULL ? !between : !ch_span_eq(name, first))
		return;
	struct ch_span middle = ch_span_sub(name, first.n, name.n - first.n - last.n);
	w->middle[ch_span_copy(w->middle, sizeof(w->middle) - 1, middle)] = '\0';
	w->file = *file;
	w->count++;
}

/* Goes through the names; index and signatures are not looked at: what is in an archive is judged by its own. False with a line. */
static bool find(const struct part *archive, struct wanted *w)
{
	uint8_t block[CH_USTAR_BLOCK];
	struct ch_span name;
	uint64_t size;
	w->count = 0;
	for (uint64_t at = 0;;) {
		if (!part_read(archive, at, block, sizeof(block)))
			return false;
		if (ch_span_all(CH_SPAN_OF(block), 0))
			return true;
		if (ch_ustar_parse(CH_SPAN_OF(block), &name, &size) != CH_OK)
			return complain(archive, "it is no archive of chainhold export");
		const struct part file = {
			.path = archive->path, .fd = archive->fd, .at = at + CH_USTAR_BLOCK, .size = size
		};
		if (file.at > archive->size || size > archive->size - file.at)
			return complain(archive, "it ends too early");
		compare(w, name, &file);
		at = file.at + size + ch_ustar_padding(size);
	}
}

/* The one file of a folder whose name is this. */
static bool find_one(const struct part *archive, const char *folder, const char *name, struct part *file,
		     const char *why)
{
	char whole[CH_ARCHIVE_PATH_MAX * 3];
	(void)snprintf(whole, sizeof(whole), "%s%s", folder, name);
	struct wanted w = { .before = whole };
	if (!find(archive, &w))
		return false;
	if (w.count != 1)
		return why != NULL && complain(archive, why);
	*file = w.file;
	return true;
}

/* Versions of the fleet root that apply does not have, one after the other. */
static bool bring_roots(struct installer *i, const struct part *archive)
{
	if (!ask(i, AG_MSG_UPDATE_ASK, &(struct ag_update_ask){ .always = 0 }))
		return false;
	for (;;) {
		CH_AUTO_BUF struct ch_buf note = { 0 };
		struct part file;
		char version[24];
		(void)snprintf(version, sizeof(version), "%llu", (unsigned long long)(i->state.root + 1));
		if (!find_one(archive, "fleet-root/", version, &file, NULL))
			return true;
		if (!part_whole(&file, &note, AG_PAGE_MAX) ||
		    !ask(i, AG_MSG_UPDATE_ROOT, &(struct ag_update_root){ .note = ch_buf_span(&note) }))
			return false;
	}
}

static bool from_archive(struct installer *i, const struct part *archive)
{
	struct wanted release = { .before = "releases/", .after = ".release" };
	char name[CH_ARCHIVE_PATH_MAX * 2], digest[2 * AG_DIGEST + 1] = "";
	struct part proof, artifact;
	if (!find(archive, &release))
		return false;
	if (release.count != 1)
		return complain(archive,
				release.count == 0
					? "there is no release in it"
					: "there are several releases in it: unpack it (tar -xf) and name one");
	(void)snprintf(name, sizeof(name), "%s.proof", release.middle);
	if (!find_one(archive, "releases/", name, &proof, "nothing in it shows that its release is in the log") ||
	    !bring_roots(i, archive) || !offer(i, &release.file, &proof))
		return false;
	if (!stands(i, AG_PHASE_TAKING))
		return conclude(i);
	struct ch_wr w = ch_wr(digest, sizeof(digest) - 1);
	ch_wr_hex(&w, CH_SPAN_OF(i->state.sha256));
	return find_one(archive, "artifacts/", digest, &artifact, "the artefact of its release is not in it") &&
	       install(i, &artifact);
}

bool install_archive(const struct config *cfg, const char *path)
{
	static struct installer i;
	struct part archive = { .fd = -1 };
	bool ok = part_open(&archive, path) && start(&i, cfg) && from_archive(&i, &archive);
	part_close(&archive);
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
