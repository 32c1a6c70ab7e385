/* SPDX-License-Identifier: Apache-2.0 */
#include "host/crypto_openssl/backend.h"
#include "host/sys/log.h"
#include "server/ipc/view.h"
#include "server/main/children.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define USAGE                                                                                               \
	"usage: chainholdd [--check] [FILE]\n\n"                                                            \
	"Runs the Chainhold server: starts its processes, each confined, and starts again one that\n"       \
	"ends. It must be started as root; only this process stays root, and it sees no byte from\n"        \
	"the network.\n\n"                                                                                  \
	"  FILE           the configuration (/etc/chainhold/chainholdd.yaml); 'chainhold init' makes one\n" \
	"  --check        read the configuration and all it names, say what is wrong, and end\n"            \
	"  --help         this text\n"                                                                      \
	"  --version      print the version\n\n"                                                            \
	"Signals: TERM, INT end it in order; HUP reads certificates, EK roots and policies anew.\n"         \
	"Exit status: 0 ended as asked, 1 a process or the configuration failed, 2 usage.\n"

#define VIEW_CAPACITY (1u << 20) /* certificates; a page is used only once something is in it */

struct options {
	const char *config;
	bool check;
};

struct main_signals {
	struct main_children *children;
	struct main_config *config;
	struct ch_loop_fd watch;
};

/* -1 to go on, else the exit status. */
static int read_options(int argc, char **argv, struct options *o)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			fputs(USAGE, stdout);
			return 0;
		}
		if (strcmp(argv[i], "--version") == 0) {
			puts("chainholdd " CH_VERSION);
			return 0;
		}
		if (strcmp(argv[i], "--check") == 0) {
			o->check = true;
		} else if (argv[i][0] != '-') {
			o->config = argv[i];
		} else {
			fprintf(stderr, "chainholdd: what is '%s'?\n%s", argv[i], USAGE);
			return 2;
		}
	}
	return -1;
}

/* The folder of the programs: beside this one, as in a build, else where they are installed. */
static void find_programs(char *to, size_t cap)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = '\0';
	char *slash = strrchr(self, '/');
	if (slash != NULL)
		slash[1] = '\0';
	(void)snprintf(to, cap, "%schainhold-edge", self);
	bool beside = access(to, X_OK) == 0;
	(void)snprintf(to, cap, "%s", beside ? self : CH_LIBEXEC "/");
}

static void take_signal(void *ctx, uint32_t events)
{
	struct main_signals *s = ctx;
	struct signalfd_siginfo info;
	(void)events;
	while (read(s->watch.fd, &info, sizeof(info)) == sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			main_children_reap(s->children);
			break;
		case SIGHUP:
			ch_log(CH_LOG_NOTICE, "certificates, EK roots and policies are read anew");
			main_children_reload(s->children);
			break;
		default:
			main_children_stop(s->children);
			break;
		}
	}
}

static int open_signals(void)
{
	sigset_t set;
	(void)sigemptyset(&set);
	static const int number[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP };
	for (size_t i = 0; i < CH_COUNT_OF(number); i++)
		(void)sigaddset(&set, number[i]);
	(void)signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool open_listeners(struct main_children *m)
{
	static const char *const name[3] = { "devices", "operators", "public" };
	for (unsigned l = 0; l < 3; l++) {
		for (unsigned e = 0; e < m->config->edges; e++) {
			m->listener[l][e] = main_listen(name[l], m->config->listen[l], m->config->edges);
			if (m->listener[l][e] < 0)
				return false;
		}
	}
	return true;
}

static void raise_descriptor_limit(const struct main_config *c)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return;
	rlim_t want = (rlim_t)c->connections + 1024;
	r.rlim_cur = want > r.rlim_cur ? want : r.rlim_cur;
	r.rlim_max = r.rlim_cur > r.rlim_max ? r.rlim_cur : r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) != 0)
		ch_log(CH_LOG_WARNING, "the limit of open descriptors stays below %lu: %s", (unsigned long)want,
		       strerror(errno));
}

static bool check_roles(const struct main_config *c)
{
	for (unsigned role = CH_ROLE_EDGE; role < CH_ROLE_COUNT; role++) {
		for (unsigned i = 0; i < main_config_count(c, (enum ch_role)role); i++) {
			CH_AUTO_BUF struct ch_buf text = { 0 };
			bool ok = main_config_role(c, (enum ch_role)role, i, &text);
			ch_wipe(text.p, text.n);
			if (!ok)
				return false;
		}
	}
	return true;
}

static int serve(struct main_config *c)
{
	static struct main_children m;
	static struct main_signals s;
	static char libexec[PATH_MAX + 32];
	find_programs(libexec, sizeof(libexec));
	m = (struct main_children){ .config = c, .loop = ch_loop_new(), .libexec = libexec };
	m.view = ch_view_make(VIEW_CAPACITY);
	m.view_reader = m.view >= 0 ? ch_view_reader(m.view) : -1;
	if (m.view_reader < 0) {
		ch_log(CH_LOG_ERROR, "no fleet view: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	raise_descriptor_limit(c);
	s = (struct main_signals){ .children = &m, .config = c, .watch = { .ready = take_signal, .ctx = &s } };
	int fd = open_signals();
	if (fd < 0 || ch_loop_add(m.loop, &s.watch, fd, EPOLLIN) != CH_OK || !open_listeners(&m))
		return EXIT_FAILURE;
	bool ok = main_children_start(&m) && ch_loop_run(m.loop) == CH_OK;
	main_children_clear(&m);
	ch_loop_del(m.loop, &s.watch);
	ch_loop_free(m.loop);
	if (ok && m.exit_code == 0)
		ch_log(CH_LOG_NOTICE, "ended");
	return ok ? m.exit_code : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static struct main_config config;
	struct options o = { .config = "/etc/chainhold/chainholdd.yaml" };
	ch_log_open("main");
	int code = read_options(argc, argv, &o);
	if (code >= 0)
		return code;
	if (geteuid() != 0 && !o.check) {
		ch_log(CH_LOG_ERROR,
		       "start chainholdd as root: it gives each of its processes a user and a root of its own");
		return EXIT_FAILURE;
	}
	/* Keys of the TLS listener pass through this process: none of it is dumped or traced. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	code = EXIT_FAILURE;
	if (ch_crypto_openssl_init() != CH_OK)
		ch_log(CH_LOG_ERROR, "OpenSSL does not offer what is needed");
	else if (main_config_read(&config, o.config) && check_roles(&config))
		code = o.check ? EXIT_SUCCESS : serve(&config);
	if (o.check && code == EXIT_SUCCESS)
		printf("%s: ok\n", o.config);
	main_config_clear(&config);
	return code;
}
