/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evil_driver CONFIG PROGRAMS ROLE: starts the test build of one process of the server, as chainholdd does and with the peers that
 * it has there, once for each break-out attempt of tests/evil, and prints what became of it: "attempt outcome". Then
 * says to it, on each of its channels, each message that may not come from there: "from-PEER message outcome".
 */
#include "host/sys/log.h"
#include "server/ipc/view.h"
#include "server/main/spawn.h"
#include "tests/evil/evil.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 20000

static struct main_config config;
static struct main_children all;
static struct main_process process;
static int peer[CH_ROLE_COUNT]; /* this end of each channel */

void main_notify(const char *state)
{
	(void)state;
}

/* Every role is given a channel to every other that may say something to it. */
static bool talks(enum ch_role a, enum ch_role b)
{
	return ch_role_talks(a, b) || ch_role_talks(b, a);
}

static bool begin(enum ch_role role)
{
	struct main_gift gift[16];
	size_t count = 0;
	process = (struct main_process){ .all = &all, .role = role, .control = { .fd = -1 } };
	all.view = ch_view_make(64);
	all.view_reader = ch_view_reader(all.view);
	if (role == CH_ROLE_KEEPER || role == CH_ROLE_EDGE)
		gift[count++] = (struct main_gift){ .kind = CH_FD_VIEW,
						    .fd = role == CH_ROLE_EDGE ? all.view_reader : all.view,
						    .ours = true };
	for (unsigned l = 0; l < 3 && role == CH_ROLE_EDGE; l++)
		gift[count++] = (struct main_gift){ .kind = (uint8_t)(CH_FD_LISTEN_DEVICES + l),
						    .fd = all.listener[l][0],
						    .ours = true };
	for (unsigned r = CH_ROLE_EDGE; r < CH_ROLE_COUNT; r++) {
		int pair[2];
		peer[r] = -1;
		if (!talks((enum ch_role)r, role))
			continue;
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
			return false;
		peer[r] = pair[0];
		gift[count++] = (struct main_gift){ .kind = (uint8_t)r, .fd = pair[1] };
	}
	struct ch_frame f;
	if (!main_spawn(&process, gift, count))
		return false;
	while (ch_chan_wait(&process.control, &f, WAIT_MS) == CH_OK) {
		if (f.type == CH_MSG_READY)
			return true;
	}
	return false;
}

static int end(void)
{
	int status = 0;
	(void)kill(process.pid, SIGKILL);
	(void)waitpid(process.pid, &status, 0);
	ch_chan_clear(&process.control);
	(void)close(all.view);
	(void)close(all.view_reader);
	for (unsigned r = CH_ROLE_EDGE; r < CH_ROLE_COUNT; r++) {
		if (peer[r] >= 0)
			(void)close(peer[r]);
	}
	return status;
}

/* What became of an attempt, in one word. */
static void attempt(unsigned n)
{
	const struct ch_msg_evil evil = { .n = n };
	struct ch_frame f = { 0 };
	struct ch_msg_evil_done done;
	char outcome[64];
	ch_msg_send(&process.control, CH_MSG_EVIL, n, &evil);
	enum ch_err err;
	do
		err = ch_chan_wait(&process.control, &f, WAIT_MS);
	while (err == CH_OK && f.type != CH_MSG_EVIL_DONE);
	if (err == CH_OK && ch_msg_parse(CH_MSG_EVIL_DONE, &done, f.payload, NULL) == CH_OK) {
		const char *name = done.error != 0 ? strerrorname_np((int)done.error) : "DONE";
		(void)snprintf(outcome, sizeof(outcome), "%s", name != NULL ? name : "?");
		(void)end();
	} else {
		usleep(1000); /* the channel ends a moment before the process is one to be reaped */
		int status = end();
		bool sys = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
		(void)snprintf(outcome, sizeof(outcome), sys ? "killed" : "status-%d", status);
	}
	printf("%s %s\n", ch_evil_name(n), outcome);
}

/* "ended": the process closed that channel or itself; "heard": it did not. */
static void misspeak(enum ch_role from, enum ch_role to, unsigned type)
{
	struct ch_permit_once once = { 0 };
	if (peer[from] < 0 || ch_msg_permitted(&once, from, to, type))
		return;
	struct ch_chan c;
	struct ch_frame f;
	ch_chan_init(&c, dup(peer[from]));
	ch_chan_send(&c, (uint16_t)type, 1, CH_SPAN_EMPTY);
	enum ch_err err;
	do
		err = ch_chan_wait(&c, &f, WAIT_MS);
	while (err == CH_OK);
	printf("from-%s %s %s\n", ch_role_str(from), ch_msg_str(type), err == CH_ERR_IO ? "ended" : "heard");
	ch_chan_clear(&c);
}

static int run(enum ch_role role)
{
	for (unsigned n = 0; ch_evil_name(n) != NULL; n++) {
		if (!begin(role))
			return 1;
		attempt(n);
	}
	for (unsigned from = CH_ROLE_EDGE; from < CH_ROLE_COUNT; from++) {
		for (unsigned type = CH_MSG_START; type < CH_MSG_COUNT && talks((enum ch_role)from, role); type++) {
			if (!begin(role))
				return 1;
			misspeak((enum ch_role)from, role, type);
			(void)end();
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	static char programs[4096];
	enum ch_role role = CH_ROLE_MAIN;
	if (argc != 4)
		return 2;
	for (unsigned r = CH_ROLE_EDGE; r < CH_ROLE_COUNT; r++) {
		if (strcmp(argv[3], ch_role_str((enum ch_role)r)) == 0)
			role = (enum ch_role)r;
	}
	ch_log_open("evil");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(programs, sizeof(programs), "%s/", argv[2]);
	if (role == CH_ROLE_MAIN || !main_config_read(&config, argv[1]))
		return 2;
	all = (struct main_children){ .config = &config, .loop = ch_loop_new(), .libexec = programs };
	for (unsigned l = 0; l < 3; l++)
		all.listener[l][0] = main_listen("test", "127.0.0.1:0", 1);
	int code = run(role);
	ch_loop_free(all.loop);
	main_config_clear(&config);
	return code;
}
