/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/collect/queue.h"

#include "host/base/mem.h"
#include "host/base/replace.h"
#include "host/sys/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_CHARS 10 /* "q-" and eight digits */
#define NUMBER_MAX 99999999u

static void name_of(char name[static 16], uint32_t number)
{
	(void)snprintf(name, 16, "q-%08u", number % (NUMBER_MAX + 1));
}

/* The number in a name; 0 if it is none of the queue. */
static uint32_t number_of(const char *name)
{
	if (strlen(name) != NAME_CHARS || name[0] != 'q' || name[1] != '-')
		return 0;
	uint32_t v = 0;
	for (size_t i = 2; i < NAME_CHARS; i++) {
		if (name[i] < '0' || name[i] > '9')
			return 0;
		v = v * 10 + (uint32_t)(name[i] - '0');
	}
	return v;
}

static void drop_at(struct ag_queue *q, size_t at)
{
	char name[16];
	name_of(name, q->entry[at].number);
	if (ch_file_remove(q->dir, name) != CH_OK)
		ch_log(CH_LOG_ERROR, "queued evidence %s cannot be removed: %s", name, strerror(errno));
	q->count--;
	for (size_t i = at; i < q->count; i++)
		q->entry[i] = q->entry[i + 1];
}

static void drop_oldest(struct ag_queue *q)
{
	ch_log(CH_LOG_WARNING, "the queue of evidence is full: entry %u, the oldest, is dropped", q->entry[0].number);
	drop_at(q, 0);
}

/* Keeps the entries in the order of their numbers. */
static void insert(struct ag_queue *q, uint32_t number, uint64_t bytes)
{
	if (q->count == AG_QUEUE_ENTRIES_MAX)
		drop_oldest(q);
	size_t at = q->count;
	while (at > 0 && q->entry[at - 1].number > number) {
		q->entry[at] = q->entry[at - 1];
		at--;
	}
	q->entry[at].number = number;
	q->entry[at].bytes = bytes;
	q->count++;
}

static void found(struct ag_queue *q, const char *name)
{
	struct stat st;
	uint32_t number = number_of(name);
	size_t n = strlen(name);
	if (number == 0) {
		/* a file that was being written when the power went */
		if (n > 4 && strcmp(name + n - 4, ".new") == 0)
			(void)unlinkat(q->dir, name, 0);
		return;
	}
	if (fstatat(q->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		insert(q, number, (uint64_t)st.st_size);
}

enum ch_err ag_queue_open(struct ag_queue *q, int dir)
{
	*q = (struct ag_queue){ .dir = dir };
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	if (d == NULL)
		return CH_ERR_IO;
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
		found(q, e->d_name);
	(void)closedir(d);
	return CH_OK;
}

static uint64_t bytes_of(const struct ag_queue *q)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < q->count; i++)
		sum += q->entry[i].bytes;
	return sum;
}

enum ch_err ag_queue_add(struct ag_queue *q, const struct ag_record_evidence *r, uint32_t *number)
{
	size_t room = r->log.n + r->ima.n + r->quote.n + r->signature.n + AG_TEXT_MAX;
	CH_AUTO_FREE uint8_t *file = ch_calloc(1, room);
	struct ch_wr w = ch_wr(file, room);
	enum ch_err err = ag_record_put_evidence(&w, r);
	if (err != CH_OK)
		return err;
	while (q->count > 0 && bytes_of(q) + w.len > AG_QUEUE_BYTES_MAX)
		drop_oldest(q);
	*number = q->count > 0 ? q->entry[q->count - 1].number + 1 : 1;
	char name[16];
	name_of(name, *number);
	err = ch_file_replace(q->dir, name, ch_wr_span(&w));
	if (err == CH_OK)
		insert(q, *number, w.len);
	return err;
}

enum ch_err ag_queue_first(struct ag_queue *q, struct ch_buf *file, struct ag_record_evidence *r, uint32_t *number)
{
	*file = (struct ch_buf){ 0 };
	while (q->count > 0) {
		char name[16];
		*number = q->entry[0].number;
		name_of(name, *number);
		enum ch_err err = ch_file_read_at(file, q->dir, name, AG_RECORD_MAX);
		if (err == CH_OK)
			err = ag_record_evidence(r, ch_buf_span(file));
		if (err == CH_OK)
			return CH_OK;
		ch_log(CH_LOG_ERROR, "queued evidence %s is not readable (%s) and is dropped", name, ch_err_str(err));
		ch_buf_free(file);
		drop_at(q, 0);
	}
	return CH_ERR_NOTFOUND;
}

void ag_queue_remove(struct ag_queue *q, uint32_t number)
{
	for (size_t i = 0; i < q->count; i++) {
		if (q->entry[i].number == number) {
			drop_at(q, i);
			return;
		}
	}
}
