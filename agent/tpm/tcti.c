/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/tpm/tcti.h"

#include "core/base/rd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HEADER       10 /* tag, size, response code (TPM 2.0 Part 1, 18) */
#define RESPONSE_MAX 4096
#define MAGIC        0x43484147u
#define FIELD_MAX    108

static struct tcti *of(TSS2_TCTI_CONTEXT *c)
{
	void *p = c;
	return p;
}

static TSS2_RC transmit(TSS2_TCTI_CONTEXT *c, size_t n, const uint8_t *command)
{
	/* a device takes a command in one piece */
	ssize_t done;
	do
		done = write(of(c)->fd, command, n);
	while (done < 0 && errno == EINTR);
	return done == (ssize_t)n ? TSS2_RC_SUCCESS : TSS2_TCTI_RC_IO_ERROR;
}

/* Bytes that the response has by its header; 0 as long as that is not there, or lies. */
static size_t announced(const uint8_t *response, size_t got)
{
	struct ch_rd r = ch_rd(ch_span(response, got));
	(void)ch_rd_be16(&r);
	size_t n = ch_rd_be32(&r);
	return r.bad || n < HEADER ? 0 : n;
}

static TSS2_RC receive(TSS2_TCTI_CONTEXT *c, size_t *n, uint8_t *response, int32_t timeout)
{
	if (response == NULL) {
		*n = RESPONSE_MAX;
		return TSS2_RC_SUCCESS;
	}
	size_t got = 0;
	while (got < HEADER || got < announced(response, got)) {
		if (poll(&(struct pollfd){ .fd = of(c)->fd, .events = POLLIN }, 1, timeout) == 0)
			return TSS2_TCTI_RC_TRY_AGAIN;
		ssize_t part = read(of(c)->fd, response + got, *n - got);
		if (part < 0 && errno == EINTR)
			continue;
		if (part <= 0 || announced(response, got + (size_t)part) > *n)
			return TSS2_TCTI_RC_IO_ERROR;
		got += (size_t)part;
		if (got >= HEADER && announced(response, got) == 0)
			return TSS2_TCTI_RC_MALFORMED_RESPONSE;
	}
	*n = got;
	return TSS2_RC_SUCCESS;
}

static void finalize(TSS2_TCTI_CONTEXT *c)
{
	(void)close(of(c)->fd);
}

static TSS2_RC cancel(TSS2_TCTI_CONTEXT *c)
{
	(void)c;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC handles(TSS2_TCTI_CONTEXT *c, TSS2_TCTI_POLL_HANDLE *h, size_t *n)
{
	(void)c;
	(void)h;
	(void)n;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC locality(TSS2_TCTI_CONTEXT *c, uint8_t l)
{
	(void)c;
	return l == 0 ? TSS2_RC_SUCCESS : TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC sticky(TSS2_TCTI_CONTEXT *c, TPM2_HANDLE *h, uint8_t s)
{
	(void)c;
	(void)h;
	(void)s;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static int open_path(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct ch_span s = ch_span_str(path);
	if (s.n >= sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	(void)ch_span_copy(a.sun_path, sizeof(a.sun_path) - 1, s);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

/* "127.0.0.1,port=2321": a software TPM on this machine. */
static int open_port(const char *text)
{
	static const char mark[] = ",port=";
	const char *port = strstr(text, mark);
	char host[FIELD_MAX];
	struct sockaddr_in a = { .sin_family = AF_INET };
	if (port == NULL || (size_t)(port - text) >= sizeof(host)) {
		errno = EINVAL;
		return -1;
	}
	host[ch_span_copy(host, sizeof(host) - 1, ch_span(text, (size_t)(port - text)))] = '\0';
	long number = strtol(port + sizeof(mark) - 1, NULL, 10);
	if (inet_pton(AF_INET, host, &a.sin_addr) != 1 || number < 1 || number > UINT16_MAX) {
		errno = EINVAL;
		return -1;
	}
	a.sin_port = htons((uint16_t)number);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

static int open_device(const char *path)
{
	return open(path, O_RDWR | O_CLOEXEC);
}

enum ch_err tcti_open(struct tcti *t, const char *name)
{
	static const struct {
		const char *prefix;
		int (*open)(const char *rest);
	} kinds[] = {
		{ "device:", open_device },
		{ "swtpm:path=", open_path },
		{ "swtpm:host=", open_port },
	};
	t->common = (TSS2_TCTI_CONTEXT_COMMON_V2){
		.v1 = { .magic = MAGIC,
			.version = 2,
			.transmit = transmit,
			.receive = receive,
			.finalize = finalize,
			.cancel = cancel,
			.getPollHandles = handles,
			.setLocality = locality },
		.makeSticky = sticky,
	};
	for (size_t i = 0; i < CH_COUNT_OF(kinds); i++) {
		size_t n = strlen(kinds[i].prefix);
		if (strncmp(name, kinds[i].prefix, n) != 0)
			continue;
		t->fd = kinds[i].open(name + n);
		return t->fd >= 0 ? CH_OK : CH_ERR_IO;
	}
	return CH_ERR_UNKNOWN;
}
