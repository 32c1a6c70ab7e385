/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/secret.h"

#include "core/base/span.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* Whoever interrupts gets their terminal back as it was first: these only end the reading, and are raised again after it. */
static const int stops[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
static volatile sig_atomic_t stopped;

static void on_stop(int number)
{
	stopped = number;
}

/* One line, cut at OP_SECRET_MAX; false at an end, an error or a signal before the line's end. */
static bool read_line(int tty, struct ch_buf *to)
{
	*to = (struct ch_buf){ .p = ch_calloc(OP_SECRET_MAX, 1), .cap = OP_SECRET_MAX };
	while (stopped == 0) {
		uint8_t c;
		ssize_t n = read(tty, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n != 1)
			return false;
		if (c == '\n')
			return true;
		if (to->n < to->cap)
			to->p[to->n++] = c;
	}
	return false;
}

static bool ask_hidden(int tty, const char *prompt, struct ch_buf *to)
{
	struct termios shown, hidden;
	if (tcgetattr(tty, &shown) != 0)
		return false;
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	bool good =
		tcsetattr(tty, TCSAFLUSH, &hidden) == 0 && write(tty, prompt, strlen(prompt)) > 0 && read_line(tty, to);
	(void)tcsetattr(tty, TCSAFLUSH, &shown);
	return write(tty, "\n", 1) == 1 && good;
}

bool op_secret_ask(const char *prompt, struct ch_buf *to)
{
	struct sigaction stop = { .sa_handler = on_stop }, before[CH_COUNT_OF(stops)];
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0)
		return false;
	stopped = 0;
	for (size_t i = 0; i < CH_COUNT_OF(stops); i++)
		(void)sigaction(stops[i], &stop, &before[i]);
	bool good = ask_hidden(tty, prompt, to);
	for (size_t i = 0; i < CH_COUNT_OF(stops); i++)
		(void)sigaction(stops[i], &before[i], NULL);
	(void)close(tty);
	if (stopped != 0)
		(void)raise(stopped);
	return good;
}
