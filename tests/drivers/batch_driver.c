/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs many chainhold commands without the start of a process each, which under a sanitizer is most of the time. A line of
 * standard input is one command, its arguments separated by tabs, without the program's name. Each runs in a child of its own
 * with the same code that main() calls. One line of standard output for each: exit code (a signal is negative), bytes written to
 * standard output, what was written to standard error, in one line; separated by tabs.
 */
#include "cli/cmd.h"
#include "host/crypto_openssl/backend.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX     64
#define ERROR_MAX    3000
#define SECONDS_EACH 60

static const struct cli_cmd command[] = {
	{ "inspect", "", cmd_inspect },
	{ "appraise", "", cmd_appraise },
	{ "reference", "", cmd_reference },
};

static _Noreturn void child(int argc, char **argv, int out, int err)
{
	(void)alarm(SECONDS_EACH);
	/* exit() would move the offset in the list of commands, which the parent shares, back to what stdio has not used. */
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0)
		_exit(CLI_IO);
	if (dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
		_exit(CLI_IO);
	exit(cli_dispatch("", command, CH_COUNT_OF(command), argc, argv));
}

static void rewind_file(int fd)
{
	if (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0)
		abort();
}

static long long size_of(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 ? (long long)st.st_size : -1;
}

static void report(int status, int out, int err)
{
	char text[ERROR_MAX];
	ssize_t n = pread(err, text, sizeof(text), 0);
	for (ssize_t i = 0; i < n; i++) {
		if (text[i] < ' ' || text[i] > '~')
			text[i] = ' ';
	}
	printf("%d\t%lld\t%.*s\n", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), size_of(out),
	       (int)(n > 0 ? n : 0), text);
	fflush(stdout);
}

static void run(char *line, int out, int err)
{
	char name[] = "chainhold";
	char *argv[ARGS_MAX + 1] = { name };
	int argc = 1;
	for (char *arg = strtok(line, "\t\n"); arg != NULL && argc < ARGS_MAX; arg = strtok(NULL, "\t\n"))
		argv[argc++] = arg;
	rewind_file(out);
	rewind_file(err);
	pid_t pid = fork();
	if (pid == 0)
		child(argc, argv, out, err);
	int status;
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		abort();
	report(status, out, err);
}

int main(void)
{
	int out = memfd_create("out", MFD_CLOEXEC);
	int err = memfd_create("err", MFD_CLOEXEC);
	if (out < 0 || err < 0 || ch_crypto_openssl_init() != CH_OK)
		return CLI_IO;
	char *line = NULL;
	size_t cap = 0;
	while (getline(&line, &cap, stdin) > 0)
		run(line, out, err);
	free(line);
	return 0;
}
