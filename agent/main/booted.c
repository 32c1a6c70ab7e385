/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/main/booted.h"

#include "core/update/ostree.h"
#include "host/sys/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define CMDLINE_MAX 8192 /* COMMAND_LINE_SIZE of every architecture is below */

static bool read_cmdline(int root, char *to, size_t *n)
{
	int fd = openat(root, "proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, to, CMDLINE_MAX);
	if (fd >= 0)
		(void)close(fd);
	*n = got > 0 ? (size_t)got : 0;
	return got >= 0;
}

/* What is wrong; NULL if the commit is known, or if there is none. */
static const char *find(int root, uint8_t commit[static AG_DIGEST])
{
	char cmdline[CMDLINE_MAX], path[CH_OSTREE_LINK_MAX + 1], target[1024];
	size_t n;
	struct ch_span link;
	if (root < 0 || !read_cmdline(root, cmdline, &n))
		return strerror(errno);
	enum ch_err err = ch_ostree_booted(ch_span(cmdline, n), &link);
	if (err != CH_OK)
		return err == CH_ERR_NOTFOUND ? NULL : "ostree= of the kernel command line is of no form that is known";
	/* Beneath the root: without the slash in front. */
	path[ch_span_copy(path, sizeof(path) - 1, ch_span_sub(link, 1, link.n - 1))] = '\0';
	ssize_t got = readlinkat(root, path, target, sizeof(target));
	if (got < 0)
		return strerror(errno);
	return ch_ostree_deployed(ch_span(target, (size_t)got), commit) == CH_OK
		       ? NULL
		       : "what ostree= of the kernel command line names is no deployment";
}

void booted_read(const char *root, uint8_t commit[static AG_DIGEST])
{
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *wrong = find(fd, commit);
	if (wrong != NULL)
		ch_log(CH_LOG_WARNING, "which commit of OSTree runs is not known: %s", wrong);
	if (fd >= 0)
		(void)close(fd);
}
