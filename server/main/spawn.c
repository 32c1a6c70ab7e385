/* SPDX-License-Identifier: Apache-2.0 */
#include "server/main/spawn.h"

#include "host/sys/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_GIFT (CH_CHILD_CONTROL_FD + 1)
#define OUT_OF_WAY 256 /* above every number that a child is given */

/* In the new process: puts descriptors where they belong, lets go of everything else, and becomes the program. */
static _Noreturn void become(const char *program, const char *name, int control, const struct main_gift *gift,
			     size_t count)
{
	int moved[CH_CHILD_FDS_MAX];
	int null = open("/dev/null", O_RDWR);
	int moved_control = fcntl(control, F_DUPFD, OUT_OF_WAY);
	bool ok = null >= 0 && moved_control >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0;
	for (size_t i = 0; i < count && ok; i++) {
		moved[i] = fcntl(gift[i].fd, F_DUPFD, OUT_OF_WAY);
		ok = moved[i] >= 0;
	}
	ok = ok && dup2(moved_control, CH_CHILD_CONTROL_FD) >= 0;
	for (size_t i = 0; i < count && ok; i++)
		ok = dup2(moved[i], FIRST_GIFT + (int)i) >= 0;
	ok = ok && close_range((unsigned)FIRST_GIFT + (unsigned)count, ~0u, 0) == 0;
	/* Whoever starts us may have blocked or ignored signals; a child begins with none of that. */
	sigset_t none;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)umask(027);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	char *const argv[] = { (char *)(uintptr_t)name, NULL };
	char *const envp[] = { NULL };
	if (ok)
		(void)execve(program, argv, envp);
	ch_log(CH_LOG_ERROR, "%s: %s", program, strerror(errno));
	_exit(127);
}

static bool send_start(struct main_process *p, const struct main_gift *gift, size_t count)
{
	const struct main_config *c = p->all->config;
	CH_AUTO_BUF struct ch_buf config = { 0 };
	CH_AUTO_FREE char *root = main_config_root(c, p->role);
	uint8_t rows[CH_CHILD_FDS_MAX * 4];
	struct ch_wr w = ch_wr(rows, sizeof(rows));
	for (size_t i = 0; i < count; i++) {
		ch_wr_u8(&w, gift[i].kind);
		ch_wr_u8(&w, gift[i].index);
		ch_wr_be16(&w, (uint16_t)(FIRST_GIFT + i));
	}
	if (root == NULL || !main_config_role(c, p->role, p->index, &config))
		return false;
	const struct main_user *u = &c->user[p->role];
	const struct ch_msg_start start = {
		.role = (uint8_t)p->role,
		.index = p->index,
		.uid = u->uid,
		/* The reader sees the keeper's files by their group. */
		.gid = p->role == CH_ROLE_READER ? c->user[CH_ROLE_KEEPER].gid : u->gid,
		.root = ch_span_str(root),
		.fds = ch_wr_span(&w),
		.config = ch_buf_span(&config),
	};
	ch_msg_send(&p->control, CH_MSG_START, 0, &start);
	ch_wipe(config.p, config.n);
	return true;
}

bool main_spawn(struct main_process *p, const struct main_gift *gift, size_t count)
{
	char program[4352], name[32];
	int pair[2];
	(void)snprintf(name, sizeof(name), "chainhold-%s", ch_role_str(p->role));
	(void)snprintf(program, sizeof(program), "%s%s", p->all->libexec, name);
	if (count > CH_CHILD_FDS_MAX || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		ch_log(CH_LOG_ERROR, "%s: no channel: %s", name, strerror(errno));
		return false;
	}
	pid_t pid = fork();
	if (pid == 0) {
		(void)close(pair[0]);
		become(program, name, pair[1], gift, count);
	}
	(void)close(pair[1]);
	for (size_t i = 0; i < count; i++) {
		if (!gift[i].ours)
			(void)close(gift[i].fd);
	}
	ch_chan_init(&p->control, pair[0]);
	if (pid < 0) {
		ch_log(CH_LOG_ERROR, "%s: cannot start: %s", name, strerror(errno));
		ch_chan_clear(&p->control);
		return false;
	}
	p->pid = pid;
	p->ready = false;
	p->once = (struct ch_permit_once){ 0 };
	p->started = ch_loop_now(p->all->loop);
	if (send_start(p, gift, count))
		return true;
	(void)kill(pid, SIGKILL);
	return false;
}
