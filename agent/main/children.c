/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/main/children.h"

#include "agent/main/booted.h"

#include "agent/ipc/child.h"
#include "host/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATH_ROOM 4096
#define BOOT_ID   "/proc/sys/kernel/random/boot_id"
#define FDS       (AG_FD_IMA - AG_FD_MAIN + 1)
#define FD_ASIDE  32 /* descriptors are moved here before they get their numbers */
#define REAP_STEP 20 /* ms */

struct owner {
	uid_t uid;
	gid_t gid;
};

/* A user by name or number. */
static bool owner_of(const char *user, struct owner *o)
{
	char *end;
	errno = 0;
	unsigned long n = strtoul(user, &end, 10);
	if (user[0] != '\0' && *end == '\0' && errno == 0 && n > 0 && n < UINT32_MAX) {
		*o = (struct owner){ (uid_t)n, (gid_t)n };
		return true;
	}
	const struct passwd *p = getpwnam(user);
	if (p == NULL || p->pw_uid == 0) {
		ch_log(CH_LOG_ERROR,
		       "the user '%s' is not there: create it (systemd-sysusers does with the file that is installed)",
		       user);
		return false;
	}
	*o = (struct owner){ p->pw_uid, p->pw_gid };
	return true;
}

/* A folder that belongs to a child alone. */
static bool folder(const char *path, const struct owner *o)
{
	struct stat st;
	if (mkdir(path, 0700) != 0 && errno != EEXIST) {
		ch_log(CH_LOG_ERROR, "%s: %s", path, strerror(errno));
		return false;
	}
	if (lstat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
		ch_log(CH_LOG_ERROR, "%s is no folder", path);
		return false;
	}
	if (lchown(path, o->uid, o->gid) != 0 || chmod(path, 0700) != 0) {
		ch_log(CH_LOG_ERROR, "%s: %s", path, strerror(errno));
		return false;
	}
	return true;
}

/* The program of a child, beside this one (as built) or in libexec (as installed). */
static bool program_of(enum ag_role role, char path[static PATH_ROOM])
{
	char self[PATH_ROOM / 2];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return false;
	self[n] = '\0';
	char *slash = strrchr(self, '/');
	*slash = '\0';
	(void)snprintf(path, PATH_ROOM, "%s/chainhold-agent-%s", self, ag_role_str(role));
	if (access(path, X_OK) == 0)
		return true;
	(void)snprintf(path, PATH_ROOM, CH_LIBEXEC "/chainhold-agent-%s", ag_role_str(role));
	if (access(path, X_OK) == 0)
		return true;
	ch_log(CH_LOG_ERROR, "%s: %s", path, strerror(errno));
	return false;
}

/* In the child: the descriptors get their numbers, everything else is closed. */
static _Noreturn void become(const char *path, const int fd[static FDS])
{
	char search[] = "PATH=/usr/bin:/bin";
	char quiet[] = "TSS2_LOG=all+NONE"; /* what goes wrong is said by us */
	char *const environment[] = { search, quiet, NULL };
	char *const args[] = { (char *)(uintptr_t)path, NULL };
	int aside[FDS];
	sigset_t none;
	for (size_t i = 0; i < FDS; i++)
		aside[i] = fd[i] >= 0 ? fcntl(fd[i], F_DUPFD, FD_ASIDE) : -1;
	for (int i = 0; i < FDS; i++) {
		if (aside[i] >= 0 && dup2(aside[i], AG_FD_MAIN + i) < 0)
			_exit(EXIT_FAILURE);
		if (aside[i] < 0)
			(void)close(AG_FD_MAIN + i);
	}
	(void)close_range(AG_FD_MAIN + FDS, ~0U, 0);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)execve(path, args, environment);
	_exit(EXIT_FAILURE);
}

static void close_all(int *fd, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (fd[i] >= 0)
			(void)close(fd[i]);
	}
}

/* Whether a child is started at all. */
static bool wanted(const struct config *cfg, enum ag_role role)
{
	return role != AG_APPLY || cfg->backend != CONFIG_NO_UPDATES;
}

static bool speaks(enum ag_role to, enum ag_role with)
{
	bool found = with == AG_MAIN;
	for (const enum ag_role *p = ag_peers(to); *p != AG_MAIN; p++)
		found = found || *p == with;
	return found;
}

/* pair[a][b] is the end that a has of its channel to b. */
static bool make_pairs(const struct config *cfg, int pair[static AG_ROLE_COUNT][AG_ROLE_COUNT])
{
	for (size_t a = 0; a < AG_ROLE_COUNT; a++) {
		for (size_t b = 0; b < a; b++) {
			int two[2];
			if (!wanted(cfg, (enum ag_role)a) || !speaks((enum ag_role)a, (enum ag_role)b))
				continue;
			if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, two) != 0) {
				ch_log(CH_LOG_ERROR, "no channel between processes: %s", strerror(errno));
				return false;
			}
			pair[a][b] = two[0];
			pair[b][a] = two[1];
		}
	}
	return true;
}

static int open_log(const char *path, const char *what)
{
	if (strcmp(path, "none") == 0)
		return -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		ch_log(CH_LOG_WARNING, "no %s: %s: %s", what, path, strerror(errno));
	return fd;
}

/* The files that main hands over as bytes; the spans of the messages point into them. */
struct papers {
	struct owner owner[AG_ROLE_COUNT];
	struct ch_buf servers, ca, fleet_root, token, boot_id;
	char dir[AG_ROLE_COUNT][PATH_ROOM];
	char hostname[256];
	int eventlog, ima;
	uint8_t ostree[AG_DIGEST]; /* the commit that was booted; zeros: none */
};

static struct ch_span trimmed(const struct ch_buf *b)
{
	size_t n = b->n;
	while (n > 0 && (b->p[n - 1] == '\n' || b->p[n - 1] == ' ' || b->p[n - 1] == '\r'))
		n--;
	return ch_span(b->p, n);
}

static bool read_paper(const char *path, struct ch_buf *to)
{
	enum ch_err err = ch_file_read(to, path);
	if (err != CH_OK)
		ch_log(CH_LOG_ERROR, "%s: %s", path, err == CH_ERR_LIMIT ? "too long" : strerror(errno));
	return err == CH_OK;
}

static bool gather(struct papers *p, const struct config *cfg)
{
	const char *user[AG_ROLE_COUNT] = {
		[AG_TPM] = cfg->user_tpm, [AG_NET] = cfg->user_net, [AG_COLLECT] = cfg->user_collect
	};
	static const enum ag_role with_folder[] = { AG_TPM, AG_COLLECT, AG_APPLY };
	for (size_t r = AG_TPM; r < AG_ROLE_COUNT; r++) {
		/* apply stays root: RAUC's service takes bundles from nobody else */
		if (user[r] != NULL && !owner_of(user[r], &p->owner[r]))
			return false;
	}
	for (size_t i = 0; i < CH_COUNT_OF(with_folder); i++) {
		enum ag_role r = with_folder[i];
		if (!wanted(cfg, r))
			continue;
		(void)snprintf(p->dir[r], PATH_ROOM, "%s/%s", cfg->state_dir, ag_role_str(r));
		if (r == AG_APPLY && cfg->spool != NULL)
			(void)snprintf(p->dir[r], PATH_ROOM, "%s", cfg->spool);
		if (strlen(p->dir[r]) >= AG_TEXT_MAX || !folder(p->dir[r], &p->owner[r]))
			return false;
	}
	for (size_t i = 0; i < cfg->servers.count; i++) {
		ch_buf_append(&p->servers, ch_span_str(cfg->servers.text[i]));
		if (i + 1 < cfg->servers.count)
			ch_buf_append(&p->servers, CH_SPAN_LIT("\n"));
	}
	if (gethostname(p->hostname, sizeof(p->hostname) - 1) != 0)
		p->hostname[0] = '\0';
	/* a token that was used is no longer needed; its file may be gone */
	if (cfg->token_file != NULL && access(cfg->token_file, F_OK) == 0 && !read_paper(cfg->token_file, &p->token))
		return false;
	const char *path = cfg->fleet_root != NULL ? cfg->fleet_root : cfg->server_ca;
	struct ch_buf *whom = cfg->fleet_root != NULL ? &p->fleet_root : &p->ca;
	if (!read_paper(path, whom) || !read_paper(BOOT_ID, &p->boot_id))
		return false;
	if (whom->n == 0) {
		ch_log(CH_LOG_ERROR, "%s is empty", path);
		return false;
	}
	if (whom->n > AG_PAGE_MAX || p->token.n > AG_TEXT_MAX || trimmed(&p->boot_id).n > 64) {
		ch_log(CH_LOG_ERROR, "%s or the token is too long", path);
		return false;
	}
	p->eventlog = open_log(cfg->eventlog, "event log");
	p->ima = open_log(cfg->ima, "IMA list");
	booted_read(cfg->system_root, p->ostree);
	return true;
}

static void papers_free(struct papers *p)
{
	close_all((int[]){ p->eventlog, p->ima }, 2);
	ch_wipe(p->token.p, p->token.n);
	ch_buf_free(&p->servers);
	ch_buf_free(&p->ca);
	ch_buf_free(&p->fleet_root);
	ch_buf_free(&p->token);
	ch_buf_free(&p->boot_id);
}

static struct ch_span text(const char *s)
{
	return s != NULL ? ch_span_str(s) : CH_SPAN_EMPTY;
}

static void send_starts(struct children *c, const struct config *cfg, const struct papers *p, bool once)
{
	const struct ag_start_tpm tpm = { .uid = p->owner[AG_TPM].uid,
					  .gid = p->owner[AG_TPM].gid,
					  .root = text(p->dir[AG_TPM]),
					  .tcti = text(cfg->tpm),
					  .ek = text(config_ek_str(cfg->ek)) };
	ag_child_send(&c->chan[AG_TPM], AG_MSG_START_TPM, 0, &tpm);
	const struct ag_start_net net = { .uid = p->owner[AG_NET].uid,
					  .gid = p->owner[AG_NET].gid,
					  .servers = ch_buf_span(&p->servers),
					  .ca = ch_buf_span(&p->ca),
					  .proxy = text(cfg->proxy) };
	ag_child_send(&c->chan[AG_NET], AG_MSG_START_NET, 0, &net);
	struct ag_start_collect collect = {
		.uid = p->owner[AG_COLLECT].uid,
		.gid = p->owner[AG_COLLECT].gid,
		.root = text(p->dir[AG_COLLECT]),
		.has_eventlog = p->eventlog >= 0,
		.has_ima = p->ima >= 0,
		.once = once,
		.software = strcmp(cfg->tpm, "none") == 0,
		.interval = cfg->interval,
		.poll = cfg->poll,
		.built = CH_BUILT,
		.class_name = text(cfg->device_class),
		.hostname = text(p->hostname),
		.token = trimmed(&p->token),
		.boot_id = trimmed(&p->boot_id),
		.fleet_root = ch_buf_span(&p->fleet_root),
	};
	(void)ch_span_copy(collect.ostree, sizeof(collect.ostree), CH_SPAN_OF(p->ostree));
	ag_child_send(&c->chan[AG_COLLECT], AG_MSG_START_COLLECT, 0, &collect);
}

static void send_start_apply(struct children *c, const struct config *cfg, const struct papers *p)
{
	const struct ag_start_apply apply = {
		.root = text(p->dir[AG_APPLY]),
		.bus = text(cfg->bus),
		.built = CH_BUILT,
		.class_name = text(cfg->device_class),
		.boot_id = trimmed(&p->boot_id),
		.fleet_root = ch_buf_span(&p->fleet_root),
	};
	ag_child_send(&c->chan[AG_APPLY], AG_MSG_START_APPLY, 0, &apply);
}

static bool start_one(struct children *c, enum ag_role role, int pair[static AG_ROLE_COUNT][AG_ROLE_COUNT],
		      const struct papers *p)
{
	char path[PATH_ROOM];
	if (!program_of(role, path))
		return false;
	int fd[FDS] = { pair[role][AG_MAIN], -1, -1, -1, -1, -1 };
	size_t n = 1;
	for (const enum ag_role *peer = ag_peers(role); *peer != AG_MAIN; peer++)
		fd[n++] = pair[role][*peer];
	if (role == AG_COLLECT) {
		fd[AG_FD_EVENTLOG - AG_FD_MAIN] = p->eventlog;
		fd[AG_FD_IMA - AG_FD_MAIN] = p->ima;
	}
	c->pid[role] = fork();
	if (c->pid[role] == 0)
		become(path, fd);
	if (c->pid[role] > 0)
		return true;
	c->pid[role] = 0;
	ch_log(CH_LOG_ERROR, "no process for %s: %s", ag_role_str(role), strerror(errno));
	return false;
}

static void no_pairs(int pair[static AG_ROLE_COUNT][AG_ROLE_COUNT])
{
	for (size_t a = 0; a < AG_ROLE_COUNT; a++) {
		for (size_t b = 0; b < AG_ROLE_COUNT; b++)
			pair[a][b] = -1;
	}
}

/* Our ends become channels; the others' were theirs. */
static void take_pairs(struct children *c, int pair[static AG_ROLE_COUNT][AG_ROLE_COUNT])
{
	for (size_t r = AG_TPM; r < AG_ROLE_COUNT; r++) {
		ch_chan_init(&c->chan[r], pair[AG_MAIN][r]);
		close_all(pair[r], AG_ROLE_COUNT);
	}
}

bool children_start(struct children *c, const struct config *cfg, bool once)
{
	*c = (struct children){ .ready = 0 };
	struct papers p = { .eventlog = -1, .ima = -1 };
	int pair[AG_ROLE_COUNT][AG_ROLE_COUNT];
	no_pairs(pair);
	bool ok = gather(&p, cfg) && make_pairs(cfg, pair);
	for (size_t r = AG_TPM; r < AG_ROLE_COUNT; r++)
		ok = ok && (!wanted(cfg, (enum ag_role)r) || start_one(c, (enum ag_role)r, pair, &p));
	take_pairs(c, pair);
	if (ok)
		send_starts(c, cfg, &p, once);
	if (ok && wanted(cfg, AG_APPLY))
		send_start_apply(c, cfg, &p);
	papers_free(&p);
	if (!ok)
		children_stop(c, 0);
	return ok;
}

bool children_start_apply(struct children *c, const struct config *cfg, struct ch_chan *collect)
{
	*c = (struct children){ .ready = 0 };
	struct papers p = { .eventlog = -1, .ima = -1 };
	int pair[AG_ROLE_COUNT][AG_ROLE_COUNT];
	no_pairs(pair);
	bool ok = gather(&p, cfg) && make_pairs(cfg, pair) && start_one(c, AG_APPLY, pair, &p);
	ch_chan_init(collect, pair[AG_COLLECT][AG_APPLY]);
	pair[AG_COLLECT][AG_APPLY] = -1; /* it is the caller's now */
	take_pairs(c, pair);
	if (ok)
		send_start_apply(c, cfg, &p);
	else
		children_stop(c, 0);
	papers_free(&p);
	return ok;
}

bool children_reap(struct children *c)
{
	bool any = false;
	for (size_t r = AG_TPM; r < AG_ROLE_COUNT; r++) {
		int status;
		if (c->pid[r] == 0 || waitpid(c->pid[r], &status, WNOHANG) != c->pid[r])
			continue;
		c->pid[r] = 0;
		any = true;
		if (WIFSIGNALED(status))
			ch_log(CH_LOG_ERROR, "%s was ended by signal %d", ag_role_str((enum ag_role)r),
			       WTERMSIG(status));
		else if (WEXITSTATUS(status) != 0)
			ch_log(CH_LOG_ERROR, "%s ended", ag_role_str((enum ag_role)r));
	}
	return any;
}

static bool running(const struct children *c)
{
	bool any = false;
	for (size_t r = AG_TPM; r < AG_ROLE_COUNT; r++)
		any = any || c->pid[r] != 0;
	return any;
}

void children_stop(struct children *c, int grace_ms)
{
	const struct timespec step = { .tv_nsec = REAP_STEP * 1000000L };
	for (size_t r = AG_TPM; r < AG_ROLE_COUNT; r++)
		ch_chan_clear(&c->chan[r]);
	for (int waited = 0; running(c) && waited < grace_ms; waited += REAP_STEP) {
		if (!children_reap(c))
			(void)nanosleep(&step, NULL);
	}
	for (size_t r = AG_TPM; r < AG_ROLE_COUNT; r++) {
		if (c->pid[r] == 0)
			continue;
		(void)kill(c->pid[r], SIGKILL);
		(void)waitpid(c->pid[r], NULL, 0);
		c->pid[r] = 0;
	}
}
