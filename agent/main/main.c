/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/child.h"
#include "agent/main/children.h"
#include "agent/main/install.h"
#include "host/base/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* chainhold-agent: starts, wires and restarts the others. It sees no byte from the network and no key. */

#define CONFIG_DEFAULT "/etc/chainhold/chainhold-agent.yaml"
#define REBOOT         "/sbin/reboot"
#define GRACE_MS       3000
#define RESTART_FIRST  1 /* seconds */
#define RESTART_MAX    60
#define SETTLED        60 /* seconds after which a death is no longer taken for one at the start */

enum agent_exit { AGENT_OK = 0, AGENT_FAILED = 1, AGENT_USAGE = 2, AGENT_CONFIG = 3 };

struct agent {
	struct config config;
	struct children children;
	bool once, stop, died;
	int code;
	int signals;
	time_t started;
	unsigned restarts;
};

static const char usage[] =
	"usage: chainhold-agent [--config FILE] [--once | --check]\n"
	"       chainhold-agent [--config FILE] install RELEASE PROOF ARTEFACT\n"
	"       chainhold-agent [--config FILE] install ARCHIVE\n"
	"       chainhold-agent [--config FILE] confirm\n"
	"\n"
	"Enrols this device with its TPM, and proves to the server how it booted.\n"
	"\n"
	"  --config FILE  " CONFIG_DEFAULT " if it is not given\n"
	"  --once         enrol if need be, attest once, print the status and end: 0 if the server took it\n"
	"  --check        read the configuration and end\n"
	"  --version, --help\n"
	"  install        install a release from a medium, judged as one from a server; no agent may be at work\n"
	"  confirm        what was installed runs and is to stay; no agent may be at work\n";

static time_t up(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec;
}

/* The status file is for everybody to read. */
static void write_status(const char *path, struct ch_span page)
{
	char folder[4096];
	const char *name = strrchr(path, '/');
	if (name == NULL || (size_t)(name - path) >= sizeof(folder))
		return;
	folder[ch_span_copy(folder, sizeof(folder) - 1, ch_span(path, name == path ? 1 : (size_t)(name - path)))] =
		'\0';
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || ch_file_replace(dir, name + 1, page) != CH_OK || fchmodat(dir, name + 1, 0644, 0) != 0)
		ch_log(CH_LOG_WARNING, "the status cannot be written to %s: %s", path, strerror(errno));
	if (dir >= 0)
		(void)close(dir);
}

static void on_ready(struct agent *a, const struct ag_link *l, const struct ch_frame *f)
{
	struct ag_ready m;
	ag_child_parse(&(struct ag_child){ .role = AG_MAIN }, l, f, &m);
	ch_log(CH_LOG_INFO, "%s is confined: %.*s", ag_role_str(l->from), (int)m.sandbox.n, (const char *)m.sandbox.p);
	a->children.ready++;
}

static void on_status(struct agent *a, const struct ag_link *l, const struct ch_frame *f)
{
	struct ag_status m;
	ag_child_parse(&(struct ag_child){ .role = AG_MAIN }, l, f, &m);
	if (a->once)
		(void)!write(STDOUT_FILENO, m.page.p, m.page.n);
	else
		write_status(a->config.status_file, m.page);
}

static void on_done(struct agent *a, const struct ag_link *l, const struct ch_frame *f)
{
	struct ag_done m;
	ag_child_parse(&(struct ag_child){ .role = AG_MAIN }, l, f, &m);
	a->stop = true;
	a->code = m.ok != 0 ? AGENT_OK : AGENT_FAILED;
}

/* The one program that this agent starts: whoever runs the machine decides what an orderly end is. */
static void on_reboot(struct agent *a, const struct ag_link *l, const struct ch_frame *f)
{
	struct ag_reboot m;
	ag_child_parse(&(struct ag_child){ .role = AG_MAIN }, l, f, &m);
	if (a->config.reboot == 0) {
		ch_log(CH_LOG_NOTICE, "an update is installed; it runs when the machine is started again");
		return;
	}
	ch_log(CH_LOG_NOTICE, "an update is installed: starting the machine again");
	pid_t pid = fork();
	if (pid == 0) {
		char path[] = REBOOT;
		sigset_t none;
		(void)sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		(void)execve(path, (char *const[]){ path, NULL }, (char *const[]){ NULL });
		_exit(EXIT_FAILURE);
	}
	if (pid < 0)
		ch_log(CH_LOG_ERROR, "%s cannot be started: %s", REBOOT, strerror(errno));
}

static void serve(struct agent *a, enum ag_role role)
{
	static const struct {
		enum ag_msg type;
		void (*run)(struct agent *a, const struct ag_link *l, const struct ch_frame *f);
	} message[] = {
		{ AG_MSG_READY, on_ready },
		{ AG_MSG_STATUS, on_status },
		{ AG_MSG_DONE, on_done },
		{ AG_MSG_REBOOT, on_reboot },
	};
	struct ch_chan *c = &a->children.chan[role];
	const struct ag_link from = { .from = role };
	struct ch_frame f;
	(void)ch_chan_read(c);
	while (ch_chan_next(c, &f)) {
		bool known = false;
		for (size_t i = 0; i < CH_COUNT_OF(message) && ag_msg_permitted(role, AG_MAIN, f.type); i++) {
			if (f.type != (uint16_t)message[i].type)
				continue;
			message[i].run(a, &from, &f);
			known = true;
		}
		if (!known) {
			ch_log(CH_LOG_ERROR, "%s sent what it may not", ag_role_str(role));
			a->died = true;
		}
	}
	a->died = a->died || c->dead;
}

static void take_signals(struct agent *a)
{
	struct signalfd_siginfo s;
	while (read(a->signals, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		if (s.ssi_signo == SIGTERM || s.ssi_signo == SIGINT)
			a->stop = true;
		else if (!a->children.chan[AG_COLLECT].dead)
			ag_child_send(&a->children.chan[AG_COLLECT], AG_MSG_NOW, 0, &(struct ag_now){ .always = 0 });
	}
}

/* Runs until a child is gone or a signal says to end. */
static void watch(struct agent *a)
{
	while (!a->stop && !a->died) {
		struct pollfd p[AG_ROLE_COUNT] = { { .fd = a->signals, .events = POLLIN } };
		for (size_t r = AG_TPM; r < AG_ROLE_COUNT; r++)
			p[r] = (struct pollfd){ .fd = a->children.chan[r].fd, .events = POLLIN };
		(void)poll(p, AG_ROLE_COUNT, -1);
		take_signals(a);
		for (size_t r = AG_TPM; r < AG_ROLE_COUNT; r++) {
			if (p[r].revents != 0)
				serve(a, (enum ag_role)r);
		}
	}
}

/* Waits before the children are started again, longer each time. False when a signal says to end. */
static bool wait_restart(struct agent *a)
{
	a->restarts = up() - a->started > SETTLED ? 0 : a->restarts;
	int s = RESTART_FIRST << (a->restarts < 6 ? a->restarts : 6);
	s = s < RESTART_MAX ? s : RESTART_MAX;
	a->restarts++;
	ch_log(CH_LOG_WARNING, "starting anew in %d s", s);
	time_t end = up() + s;
	while (!a->stop && up() < end) {
		(void)poll(&(struct pollfd){ .fd = a->signals, .events = POLLIN }, 1, (int)(end - up()) * 1000);
		take_signals(a);
	}
	return !a->stop;
}

/* Two agents with one state would take each other's keys away. The lock ends with the process. */
static bool lock_state(const char *path)
{
	if (mkdir(path, 0755) != 0 && errno != EEXIST) {
		ch_log(CH_LOG_ERROR, "%s: %s", path, strerror(errno));
		return false;
	}
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	ch_log(CH_LOG_ERROR, "%s: %s", path,
	       errno == EWOULDBLOCK ? "another chainhold-agent is at work here" : strerror(errno));
	return false;
}

static int run(struct agent *a)
{
	if (!lock_state(a->config.state_dir))
		return AGENT_CONFIG;
	sigset_t set;
	(void)sigemptyset(&set);
	static const int wanted[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };
	for (size_t i = 0; i < CH_COUNT_OF(wanted); i++)
		(void)sigaddset(&set, wanted[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 ||
	    (a->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
		return AGENT_FAILED;
	(void)signal(SIGPIPE, SIG_IGN);
	do {
		a->died = false;
		a->started = up();
		if (!children_start(&a->children, &a->config, a->once))
			return AGENT_CONFIG;
		watch(a);
		/* one that died is named before the others are ended for it */
		children_stop(&a->children, GRACE_MS);
		if (a->once && !a->stop)
			return AGENT_FAILED;
	} while (!a->stop && wait_restart(a));
	if (!a->once)
		ch_log(CH_LOG_NOTICE, "ended");
	return a->code;
}

/* `install` and `confirm`, which stand last. */
static int by_hand(const struct agent *a, char **verb)
{
	(void)signal(SIGPIPE, SIG_IGN);
	if (!lock_state(a->config.state_dir))
		return AGENT_CONFIG;
	bool ok = strcmp(verb[0], "confirm") == 0 ? install_confirm(&a->config)
		  : verb[2] == NULL               ? install_archive(&a->config, verb[1])
						  : install_files(&a->config, verb[1], verb[2], verb[3]);
	return ok ? AGENT_OK : AGENT_FAILED;
}

int main(int argc, char **argv)
{
	static struct agent a;
	const char *path = CONFIG_DEFAULT;
	bool check = false;
	char **verb = NULL;
	ch_log_open("agent");
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) {
			path = argv[++i];
		} else if (strcmp(argv[i], "--once") == 0) {
			a.once = true;
		} else if (strcmp(argv[i], "--check") == 0) {
			check = true;
		} else if ((strcmp(argv[i], "install") == 0 && (i + 4 == argc || i + 2 == argc)) ||
			   (strcmp(argv[i], "confirm") == 0 && i + 1 == argc)) {
			verb = argv + i;
			break;
		} else if (strcmp(argv[i], "--version") == 0) {
			(void)puts("chainhold-agent " CH_VERSION);
			return AGENT_OK;
		} else {
			bool asked = strcmp(argv[i], "--help") == 0;
			(void)fputs(usage, asked ? stdout : stderr);
			return asked ? AGENT_OK : AGENT_USAGE;
		}
	}
	if (!config_read(&a.config, path))
		return AGENT_CONFIG;
	if (check)
		return AGENT_OK;
	if (geteuid() != 0) {
		ch_log(CH_LOG_ERROR,
		       "chainhold-agent must start as root: it gives each of its processes a user of its own");
		return AGENT_CONFIG;
	}
	int code = verb != NULL ? by_hand(&a, verb) : run(&a);
	config_free(&a.config);
	return code;
}
