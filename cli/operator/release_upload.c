/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/client.h"
#include "cli/operator/op.h"

#include "host/crypto_openssl/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* chainhold release upload: artefacts of published releases, in pieces; what the server has already is not sent again. */

#define PIECE     ((size_t)8 << 20) /* what the server takes at once */
#define FILES_MAX 17

struct upload {
	const char *path;
	int fd;
	uint8_t *piece;
	char hex[65];
	char target[128];
};

/* Reads until `n` bytes are there, or the end. -1: cli_say was called. */
static ssize_t read_at(const struct upload *u, uint64_t off, size_t n)
{
	size_t done = 0;
	while (done < n) {
		ssize_t got = pread(u->fd, u->piece + done, n - done, (off_t)(off + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			cli_say("%s: %s", u->path, strerror(errno));
			return -1;
		}
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

static int name_it(struct upload *u)
{
	struct ch_hash h;
	struct ch_digest digest;
	uint64_t off = 0;
	ssize_t n;
	if (ch_crypto_openssl_init() != CH_OK || ch_hash_init(&h, CH_HASH_SHA256) != CH_OK) {
		cli_say("no SHA-256");
		return CLI_IO;
	}
	while ((n = read_at(u, off, PIECE)) > 0) {
		ch_hash_update(&h, ch_span(u->piece, (size_t)n));
		off += (uint64_t)n;
	}
	ch_hash_final(&h, &digest);
	struct ch_wr w = ch_wr((uint8_t *)u->hex, sizeof(u->hex) - 1);
	ch_wr_hex(&w, ch_digest_span(&digest));
	u->hex[w.len] = '\0';
	(void)snprintf(u->target, sizeof(u->target), "/api/v1/artifacts/%s", u->hex);
	return n < 0 ? CLI_IO : -1;
}

static int send_pieces(struct op_client *c, struct upload *u)
{
	for (;;) {
		char target[160];
		OP_AUTO_DOC struct op_doc state = { 0 };
		OP_AUTO_DOC struct op_doc answer = { 0 };
		int code = op_get(c, u->target, &state);
		if (code >= 0)
			return code;
		uint64_t have = op_number(&state, 0, "have");
		if (op_true(&state, 0, "complete"))
			return -1;
		ssize_t n = read_at(u, have, PIECE);
		if (n <= 0) {
			if (n == 0)
				cli_say("%s: it became shorter while it was sent", u->path);
			return CLI_IO;
		}
		(void)snprintf(target, sizeof(target), "%s?offset=%llu", u->target, (unsigned long long)have);
		code = op_put(c, target, ch_span(u->piece, (size_t)n), &answer);
		if (code >= 0)
			return code;
	}
}

static int upload(struct op_client *c, struct upload *u)
{
	u->fd = open(u->path, O_RDONLY | O_CLOEXEC);
	if (u->fd < 0) {
		cli_say("%s: %s", u->path, strerror(errno));
		return CLI_IO;
	}
	int code = name_it(u);
	if (code < 0)
		code = send_pieces(c, u);
	(void)close(u->fd);
	if (code >= 0)
		return code;
	struct ch_wr *w = cli_out();
	cli_put(w, CLI_GOOD, "complete");
	ch_wr_str(w, ": ");
	ch_wr_str(w, u->hex);
	ch_wr_str(w, "\n");
	return -1;
}

int cmd_release_upload(int argc, char **argv)
{
	const char *path[FILES_MAX] = { NULL };
	const struct cli_usage u = {
		.args = "FILE…",
		.about =
			"Gives artefacts of published releases to the server, which keeps each once its size and SHA-256 are those of the\n"
			"release. Interrupted, it goes on where it was. A release is offered once all of its artefacts are there.",
		.file = path,
		.file_min = 1,
		.file_max = FILES_MAX,
	};
	size_t count = 0;
	OP_AUTO_CLIENT struct op_client c = { 0 };
	int code = cli_parse(&u, argc, argv, &count);
	if (code < 0)
		code = op_client_open(&c);
	if (code >= 0)
		return code;
	uint8_t *piece = ch_calloc(PIECE, 1);
	for (size_t i = 0; code < 0 && i < count; i++) {
		struct upload one = { .path = path[i], .fd = -1, .piece = piece };
		code = upload(&c, &one);
	}
	ch_free(piece);
	return code < 0 ? cli_out_end(CLI_HOLDS) : code;
}
