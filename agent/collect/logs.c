/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/collect/logs.h"

#include "core/crypto/hash.h"
#include "host/base/mem.h"

#include <errno.h>
#include <unistd.h>

#define STEP 16384

/* Fills `to` from byte `off` on as far as the file goes. -1 with errno. */
static ssize_t read_at(int fd, uint8_t *to, size_t n, uint64_t off)
{
	size_t got = 0;
	while (got < n) {
		ssize_t part = pread(fd, to + got, n - got, (off_t)(off + got));
		if (part < 0 && errno == EINTR)
			continue;
		if (part < 0)
			return -1;
		if (part == 0)
			break;
		got += (size_t)part;
	}
	return (ssize_t)got;
}

static enum ch_err digest_of(const struct ch_hash *h, uint8_t to[static AG_DIGEST])
{
	struct ch_hash copy = *h;
	struct ch_digest d;
	ch_hash_final(&copy, &d);
	return ch_span_copy(to, AG_DIGEST, ch_digest_span(&d)) == AG_DIGEST ? CH_OK : CH_ERR_CRYPTO;
}

/* Hashes the first `n` bytes. *same: they are all there and have this digest. */
static enum ch_err skip(int fd, const struct ag_log_have *have, struct ch_hash *h, bool *same)
{
	uint8_t block[STEP];
	uint64_t off = 0;
	*same = false;
	while (off < have->size) {
		size_t want = have->size - off < STEP ? (size_t)(have->size - off) : STEP;
		ssize_t n = read_at(fd, block, want, off);
		if (n < 0)
			return CH_ERR_IO;
		if ((size_t)n < want)
			return CH_OK;
		ch_hash_update(h, ch_span(block, want));
		off += want;
	}
	uint8_t digest[AG_DIGEST];
	enum ch_err err = digest_of(h, digest);
	*same = err == CH_OK && ch_span_eq(CH_SPAN_OF(digest), CH_SPAN_OF(have->sha256));
	return err;
}

/* Reads from byte `from` to the end. */
static enum ch_err take(struct ag_log_tail *t, int fd, struct ch_hash *h, size_t max)
{
	uint8_t block[STEP];
	for (;;) {
		ssize_t n = read_at(fd, block, STEP, t->from + t->data.n);
		if (n < 0)
			return CH_ERR_IO;
		if (n == 0)
			break;
		if ((size_t)n > max - t->data.n)
			return CH_ERR_LIMIT;
		ch_hash_update(h, ch_span(block, (size_t)n));
		ch_buf_append(&t->data, ch_span(block, (size_t)n));
	}
	t->all.size = t->from + t->data.n;
	return digest_of(h, t->all.sha256);
}

enum ch_err ag_log_read(struct ag_log_tail *t, int fd, const struct ag_log_have *have, size_t max)
{
	*t = (struct ag_log_tail){ .from = 0 };
	struct ch_hash h;
	enum ch_err err = ch_hash_init(&h, CH_HASH_SHA256);
	if (err != CH_OK)
		return err;
	if (fd < 0)
		return digest_of(&h, t->all.sha256);
	bool same = false;
	if (have->size > 0)
		err = skip(fd, have, &h, &same);
	if (err == CH_OK && !same)
		err = ch_hash_init(&h, CH_HASH_SHA256);
	t->from = same ? have->size : 0;
	if (err == CH_OK)
		err = take(t, fd, &h, max);
	if (err != CH_OK) {
		ch_buf_free(&t->data);
		*t = (struct ag_log_tail){ .from = 0 };
	}
	return err;
}
