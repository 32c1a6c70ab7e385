/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/span.h"
#include "server/main/children.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void main_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t n = path != NULL ? strlen(path) : 0;
	if (n == 0 || n >= sizeof(to.sun_path))
		return;
	(void)ch_span_copy(to.sun_path, sizeof(to.sun_path), ch_span(path, n));
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	/* Nobody to tell is no failure. */
	ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to, size);
	(void)sent;
	(void)close(fd);
}
