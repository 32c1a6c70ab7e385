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

int op_run_chainhold(char **argv)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof("chainhold"));
	char *slash = NULL;
	if (n > 0) {
		path[n] = '\0';
		slash = strrchr(path, '/');
	}
	if (slash == NULL) {
		cli_say("chainhold is not found: /proc/self/exe: %s", strerror(errno));
		return CLI_IO;
	}
	(void)snprintf(slash + 1, sizeof("chainhold"), "chainhold");
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
