/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ipc/view.h"

#include "core/base/rd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define VIEW_MAGIC 0x63685677u /* "chVw" */

/* A record is copied in words: a torn one is only ever a wrong value, and the sequence number tells. */
#define READ_TRIES   1000
#define RECORD_WORDS ((sizeof(struct ch_view_record) + 7) / 8)

struct slot {
	_Atomic uint32_t seq; /* odd while it changes; 0: never used */
	uint32_t spare;
	_Atomic uint64_t word[RECORD_WORDS];
};

struct ch_view {
	uint32_t magic;
	uint32_t capacity;
	_Atomic uint32_t count;
	_Atomic uint64_t generation;
	struct slot slot[];
};

union words {
	struct ch_view_record record;
	uint64_t word[RECORD_WORDS];
};

size_t ch_view_bytes(uint32_t capacity)
{
	return sizeof(struct ch_view) + (size_t)capacity * sizeof(struct slot);
}

int ch_view_make(uint32_t capacity)
{
	int fd = memfd_create("chainhold-view", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	const struct ch_view head = { .magic = VIEW_MAGIC, .capacity = capacity };
	if (ftruncate(fd, (off_t)ch_view_bytes(capacity)) != 0 || pwrite(fd, &head, sizeof(head), 0) != sizeof(head) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
		int saved = errno;
		(void)close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

int ch_view_reader(int fd)
{
	char path[32];
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

struct ch_view *ch_view_map(int fd, bool write)
{
	struct stat st;
	if (fstat(fd, &st) != 0 || st.st_size < (off_t)sizeof(struct ch_view))
		return NULL;
	size_t n = (size_t)st.st_size;
	struct ch_view *v = mmap(NULL, n, write ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
	if (v == MAP_FAILED)
		return NULL;
	bool power = v->capacity != 0 && (v->capacity & (v->capacity - 1)) == 0;
	if (v->magic == VIEW_MAGIC && power && ch_view_bytes(v->capacity) == n)
		return v;
	(void)munmap(v, n);
	return NULL;
}

void ch_view_unmap(struct ch_view *v)
{
	if (v != NULL)
		(void)munmap(v, ch_view_bytes(v->capacity));
}

static uint32_t home(const struct ch_view *v, const uint8_t cert_sha256[static 32])
{
	struct ch_rd r = ch_rd(ch_span(cert_sha256, 4));
	return ch_rd_be32(&r) & (v->capacity - 1);
}

enum read { READ_FREE, READ_USED, READ_BUSY };

/* Reads a slot, again while it changes. A keeper that was killed in the middle leaves it busy until the next one has written it. */
static enum read read_slot(const struct slot *s, union words *to)
{
	for (int tries = 0; tries < READ_TRIES; tries++) {
		uint32_t before = atomic_load_explicit(&s->seq, memory_order_acquire);
		if (before == 0)
			return READ_FREE;
		for (size_t i = 0; i < RECORD_WORDS; i++)
			to->word[i] = atomic_load_explicit(&s->word[i], memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire);
		if ((before & 1) == 0 && atomic_load_explicit(&s->seq, memory_order_relaxed) == before)
			return READ_USED;
	}
	return READ_BUSY;
}

enum ch_err ch_view_find(const struct ch_view *v, const uint8_t cert_sha256[static 32], struct ch_view_record *out,
			 uint32_t *slot)
{
	*out = (struct ch_view_record){ 0 };
	uint32_t at = home(v, cert_sha256);
	for (uint32_t i = 0; i < v->capacity; i++, at = (at + 1) & (v->capacity - 1)) {
		union words w = { .word = { 0 } };
		enum read got = read_slot(&v->slot[at], &w);
		if (got == READ_BUSY)
			return CH_ERR_LIMIT;
		if (got == READ_FREE)
			break;
		if (!ch_span_eq(CH_SPAN_OF(w.record.cert_sha256), ch_span(cert_sha256, 32)))
			continue;
		*out = w.record;
		if (slot != NULL)
			*slot = at;
		return CH_OK;
	}
	return CH_ERR_NOTFOUND;
}

enum ch_err ch_view_get(const struct ch_view *v, uint32_t slot, struct ch_view_record *out)
{
	union words w = { .word = { 0 } };
	enum read got = slot < v->capacity ? read_slot(&v->slot[slot], &w) : READ_FREE;
	*out = got == READ_USED ? w.record : (struct ch_view_record){ 0 };
	return got == READ_USED ? CH_OK : got == READ_BUSY ? CH_ERR_LIMIT : CH_ERR_NOTFOUND;
}

/* Where the record goes: its own slot, a free one, or one that was being written when a keeper was killed. */
static struct slot *place(struct ch_view *v, const struct ch_view_record *r, bool *found)
{
	uint32_t at = home(v, r->cert_sha256);
	for (;; at = (at + 1) & (v->capacity - 1)) {
		union words w = { .word = { 0 } };
		*found = read_slot(&v->slot[at], &w) == READ_USED;
		if (!*found || ch_span_eq(CH_SPAN_OF(w.record.cert_sha256), CH_SPAN_OF(r->cert_sha256)))
			return &v->slot[at];
	}
}

enum ch_err ch_view_put(struct ch_view *v, const struct ch_view_record *r)
{
	bool found;
	struct slot *s = place(v, r, &found);
	uint32_t count = atomic_load_explicit(&v->count, memory_order_relaxed);
	if (!found && count >= v->capacity / 8 * 7)
		return CH_ERR_LIMIT;
	union words w = { .word = { 0 } };
	w.record = *r;
	uint32_t odd = atomic_load_explicit(&s->seq, memory_order_relaxed) | 1;
	atomic_store_explicit(&s->seq, odd, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	for (size_t i = 0; i < RECORD_WORDS; i++)
		atomic_store_explicit(&s->word[i], w.word[i], memory_order_relaxed);
	atomic_store_explicit(&s->seq, odd + 1 != 0 ? odd + 1 : 2, memory_order_release);
	if (!found)
		atomic_store_explicit(&v->count, count + 1, memory_order_relaxed);
	return CH_OK;
}

uint64_t ch_view_generation(const struct ch_view *v)
{
	return atomic_load_explicit(&v->generation, memory_order_acquire);
}

void ch_view_set_generation(struct ch_view *v, uint64_t generation)
{
	atomic_store_explicit(&v->generation, generation, memory_order_release);
}

uint32_t ch_view_count(const struct ch_view *v)
{
	return atomic_load_explicit(&v->count, memory_order_relaxed);
}
