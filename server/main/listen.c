/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/span.h"
#include "host/sys/log.h"
#include "server/main/children.h"

#include <errno.h>
#include <linux/filter.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096

/*
 * Steers a client to the same edge by its source address, so that it finds its TLS session there: the kernel runs this program
 * on the packet that opens the connection and takes its answer as the number of the listening socket (socket(7),
 * SO_ATTACH_REUSEPORT_CBPF). IPv4: the source address; IPv6: its words, xor.
 */
static int steer(int fd, unsigned edges)
{
#define NET(off) ((uint32_t)(SKF_NET_OFF + (off)))
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NET(0)),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 2, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET(12)),
		BPF_JUMP(BPF_JMP | BPF_JA, 10, 0, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET(8)),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET(12)),
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET(16)),
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET(20)),
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		/* Neighbours must not follow each other round: mix before the remainder is taken. */
		BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 0x9e3779b1u),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, edges),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	const struct sock_fprog program = { .len = CH_COUNT_OF(code), .filter = code };
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program));
}

/* Splits "address:port" at its last colon; brackets of an IPv6 address are taken off. */
static bool split(const char *text, char host[static 256], char port[static 16])
{
	const char *colon = strrchr(text, ':');
	if (colon == NULL || colon[1] == '\0' || strlen(colon + 1) > 15)
		return false;
	struct ch_span name = ch_span(text, (size_t)(colon - text));
	if (name.n >= 2 && name.p[0] == '[' && name.p[name.n - 1] == ']')
		name = ch_span(name.p + 1, name.n - 2);
	if (name.n > 255)
		return false;
	host[ch_span_copy(host, 255, name)] = '\0';
	port[ch_span_copy(port, 15, ch_span_str(colon + 1))] = '\0';
	return true;
}

static int open_socket(const struct addrinfo *a, unsigned edges)
{
	const int on = 1;
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	bool ok = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0;
	if (ok && edges > 1)
		ok = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0;
	ok = ok && bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
	if (ok && edges > 1)
		ok = steer(fd, edges) == 0;
	if (ok)
		return fd;
	int saved = errno;
	(void)close(fd);
	errno = saved;
	return -1;
}

int main_listen(const char *what, const char *address, unsigned edges)
{
	char host[256] = { 0 }, port[16] = { 0 };
	if (!split(address, host, port)) {
		ch_log(CH_LOG_ERROR, "listeners.%s: '%s' is not ADDRESS:PORT or [IPV6]:PORT", what, address);
		return -1;
	}
	const struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
					.ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	int rc = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &found);
	if (rc != 0) {
		ch_log(CH_LOG_ERROR, "listeners.%s: '%s': %s; give a numeric address", what, address, gai_strerror(rc));
		return -1;
	}
	int fd = open_socket(found, edges);
	if (fd < 0)
		ch_log(CH_LOG_ERROR, "listeners.%s: %s: %s", what, address, strerror(errno));
	freeaddrinfo(found);
	return fd;
}
