/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int op_temp_make(struct op_folder *f)
{
	const char *top = getenv("TMPDIR");
	f->fd = -1;
	int n = snprintf(f->path, sizeof(f->path), "%s/chainhold-XXXXXX", top != NULL && top[0] == '/' ? top : "/tmp");
	if (n < 0 || (size_t)n >= sizeof(f->path)) {
		f->path[0] = '\0';
		errno = ENAMETOOLONG;
	} else if (mkdtemp(f->path) != NULL) {
		f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (f->fd >= 0)
		return -1;
	cli_say("no folder for files under way: %s", strerror(errno));
	return CLI_IO;
}

void op_temp_remove(struct op_folder *f)
{
	if (f->fd < 0 || f->path[0] == '\0')
		return;
	DIR *d = fdopendir(f->fd);
	for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
		(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		(void)closedir(d);
	(void)rmdir(f->path);
	f->fd = -1;
}

/* A program of ours: the folder of this one, and `rest`. False if this one's folder is not known. */
static bool beside(const char *rest, char path[static 4096])
{
	ssize_t n = readlink("/proc/self/exe", path, 4096 - 64);
	if (n <= 0)
		return false;
	path[n] = '\0';
	char *slash = strrchr(path, '/');
	(void)snprintf(slash + 1, 64, "%s", rest);
	return true;
}

int op_become(const char *name, char **argv)
{
	char rest[2][64], path[4096];
	(void)snprintf(rest[0], sizeof(rest[0]), "%s", name);
	(void)snprintf(rest[1], sizeof(rest[1]), "../libexec/chainhold/%s", name);
	for (size_t i = 0; i < CH_COUNT_OF(rest); i++) {
		if (!beside(rest[i], path))
			break;
		argv[0] = path;
		(void)execv(path, argv);
	}
	cli_say("%s: %s: this runs on the server's machine", name, strerror(errno));
	return CLI_IO;
}

int op_run_chainhold(char **argv)
{
	char path[4096];
	if (!beside("chainhold", path)) {
		cli_say("chainhold is not found: /proc/self/exe: %s", strerror(errno));
		return CLI_IO;
	}
	argv[0] = path;
	pid_t child = fork();
	if (child == 0) {
		(void)execv(path, argv);
		cli_say("%s: %s", path, strerror(errno));
		_exit(CLI_IO);
	}
	int status = 0;
	while (child > 0 && waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			child = -1;
	}
	if (child > 0 && WIFEXITED(status))
		return WEXITSTATUS(status);
	cli_say("%s did not run to its end", path);
	return CLI_IO;
}

int op_run_program(const char *name, char **argv, struct ch_buf *out)
{
	int ends[2], status = 0;
	if (pipe2(ends, O_CLOEXEC) != 0) {
		cli_say("%s: %s", name, strerror(errno));
		return CLI_IO;
	}
	pid_t child = fork();
	if (child == 0) {
		if (dup2(ends[1], STDOUT_FILENO) < 0)
			_exit(CLI_IO);
		_exit(op_become(name, argv));
	}
	(void)close(ends[1]);
	for (;;) {
		uint8_t part[4096];
		ssize_t n = read(ends[0], part, sizeof(part));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		ch_buf_append(out, ch_span(part, (size_t)n));
	}
	(void)close(ends[0]);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	if (child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return -1;
	return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : CLI_IO;
}
