/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/log.h"

#include "core/base/text.h"
#include "core/trust/leaf.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_PATH_MAX 4096
#define ORIGIN_MAX    ((size_t)256 << 10) /* the record of a first leaf: it holds a checkpoint */

static void fd_close(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static bool write_all(int fd, struct ch_span s)
{
	while (s.n > 0) {
		ssize_t n = write(fd, s.p, s.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		s = ch_span_sub(s, (size_t)n, s.n - (size_t)n);
	}
	return true;
}

static bool sync_folder(const char *path)
{
	char copy[FILE_PATH_MAX];
	int n = snprintf(copy, sizeof(copy), "%s", path);
	if (n <= 0 || (size_t)n >= sizeof(copy))
		return false;
	__attribute__((cleanup(fd_close))) int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && fsync(fd) == 0;
}

enum ch_err log_write_file(const char *path, struct ch_span bytes)
{
	char tmp[FILE_PATH_MAX];
	int n = snprintf(tmp, sizeof(tmp), "%s.new", path);
	if (n <= 0 || (size_t)n >= sizeof(tmp)) {
		cli_say("%s: the name is too long", path);
		return CH_ERR_RANGE;
	}
	__attribute__((cleanup(fd_close))) int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd >= 0 && write_all(fd, bytes) && fsync(fd) == 0 && rename(tmp, path) == 0 && sync_folder(path))
		return CH_OK;
	cli_say("%s: %s", path, strerror(errno));
	return CH_ERR_IO;
}

/* Keeps both checkpoints, one after the other, as evidence that anyone can check. */
static void save_both(struct log_client *c, const char *state, struct ch_span seen)
{
	char path[FILE_PATH_MAX];
	CH_AUTO_BUF struct ch_buf both = { 0 };
	int n = snprintf(path, sizeof(path), "%s.fork-%llu", state, (unsigned long long)c->head.size);
	ch_buf_append(&both, seen);
	ch_buf_append(&both, CH_SPAN_LIT("\n"));
	ch_buf_append(&both, ch_buf_span(&c->note));
	if (n > 0 && (size_t)n < sizeof(path) && log_write_file(path, ch_buf_span(&both)) == CH_OK)
		cli_say("both checkpoints, each signed by the log's key, are in %s", path);
}

/* Whether the head extends `old`; CH_ERR_MISMATCH is a fork. */
static enum ch_err extends(struct log_client *c, const struct ch_checkpoint *old)
{
	struct ch_tree_hash proof[CH_MERKLE_DEPTH_MAX];
	struct ch_frontier f;
	struct ch_tree_hash root;
	size_t count = 0;
	/* An older head is one that a mirror or a restored server serves: it must be the beginning of what was seen, which cannot be known. */
	if (c->head.size < old->size)
		return CH_ERR_RANGE;
	/* Two roots of one size are a fork by themselves, whatever the tiles say. */
	if (c->head.size == old->size && old->size > 0 && !ch_tree_hash_eq(&c->head.root, &old->root))
		return CH_ERR_MISMATCH;
	/* The tiles belong to this checkpoint before anything is concluded from them. */
	enum ch_err err = ch_frontier_load(&f, &c->tree, c->head.size);
	if (err == CH_OK)
		err = ch_frontier_root(&f, &root);
	if (err == CH_ERR_RANGE) {
		cli_say("the log has %llu entries, more than tiles can hold", (unsigned long long)c->head.size);
		return CH_ERR_LIMIT;
	}
	if (err != CH_OK)
		return err;
	if (!ch_tree_hash_eq(&root, &c->head.root)) {
		cli_say("the tiles do not have the root of the checkpoint of %llu entries",
			(unsigned long long)c->head.size);
		return CH_ERR_MALFORMED;
	}
	if (old->size == 0)
		return CH_OK;
	err = ch_merkle_consistency_prove(&c->tree, old->size, c->head.size, proof, &count);
	if (err != CH_OK)
		return err;
	return ch_merkle_consistency_check(old->size, &old->root, c->head.size, &c->head.root, proof, count);
}

/* --- a log that took the place of the one that was asked for --- */

struct successor {
	struct ch_span record;
	uint64_t size, kept, time;
	uint8_t root[CH_MERKLE_HASH];
	bool found; /* it is the log's first leaf, and names the log that is known */
};

/* The record of its first leaf, which must be there and be of that record. */
static enum ch_err first_leaf(void *ctx, const struct log_entry *e)
{
	static const uint8_t salt[CH_LEAF_SALT];
	struct successor *s = ctx;
	struct ch_leaf leaf;
	s->found = ch_leaf_parse(&leaf, e->bytes, NULL) == CH_OK && leaf.type == CH_LEAF_ORIGIN &&
		   ch_leaf_check(&leaf, salt, s->record) == CH_OK;
	s->time = leaf.time / 1000;
	return CH_OK;
}

static bool record_read(struct successor *s, const struct ch_note_key *key)
{
	struct ch_json_node node[32];
	struct ch_json j;
	uint8_t text[CH_NOTE_NAME_MAX + 2 * CH_MERKLE_HASH];
	size_t at;
	struct ch_span v;
	return ch_json_parse(&j, s->record, node, CH_COUNT_OF(node), NULL) == CH_OK &&
	       ch_json_member(&j, 0, "previous", &at) == CH_OK &&
	       ch_json_str(&j, at, text, sizeof(text), &v) == CH_OK && ch_span_eq(v, key->name) &&
	       ch_json_member(&j, 0, "size", &at) == CH_OK && ch_json_u64(&j, at, &s->size) == CH_OK &&
	       ch_json_member(&j, 0, "kept", &at) == CH_OK && ch_json_u64(&j, at, &s->kept) == CH_OK &&
	       ch_json_member(&j, 0, "root", &at) == CH_OK && ch_json_str(&j, at, text, sizeof(text), &v) == CH_OK &&
	       v.n == 2 * CH_MERKLE_HASH && ch_hex_decode(s->root, sizeof(s->root), v) == CH_OK;
}

static void tell_successor(struct log_client *c, const struct successor *s, const struct ch_note_key *next,
			   const struct ch_checkpoint *old)
{
	uint8_t text[CH_NOTE_KEY_TEXT_MAX];
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_note_key_put(&w, next);
	cli_say("the log %.*s ENDED with %llu entries: its server lost its store, and %.*s begins after it",
		(int)c->key.name.n, (const char *)c->key.name.p, (unsigned long long)s->size, (int)next->name.n,
		(const char *)next->name.p);
	if (s->kept < s->size)
		cli_say("the records of the last %llu of them were lost", (unsigned long long)(s->size - s->kept));
	if (old->size > s->size)
		cli_say("you hold a checkpoint of %llu entries: the %llu after those are NOT carried on. Keep it: it proves "
			"that they were signed",
			(unsigned long long)old->size, (unsigned long long)(old->size - s->size));
	else if (old->size == s->size && old->size > 0 &&
		 !ch_span_eq(ch_tree_hash_span(&old->root), CH_SPAN_OF(s->root)))
		cli_say("the log is FORKED: the root that it is said to have ended with is not the one you hold of that size");
	cli_say("once you know why, follow the new log: --key '%.*s', and --state with another file", (int)w.len,
		(const char *)text);
}

/*
 * The checkpoint is of another origin. If the key that is known signs it there too, and its first leaf says that it took the place of
 * the log that is known, that is told; the two checkpoints are kept. False if it is anything else.
 */
static bool other_origin(struct log_client *c, const char *state, const struct ch_checkpoint *old, struct ch_span seen)
{
	struct ch_note note;
	struct ch_note_key next;
	struct ch_diag d;
	CH_AUTO_BUF struct ch_buf record = { 0 };
	const struct ch_checkpoint none = { .size = 0 };
	struct successor s = { .found = false };
	if (ch_note_parse(&note, ch_buf_span(&c->note), &d) != CH_OK ||
	    ch_checkpoint_parse(&c->head, note.text, &d) != CH_OK || ch_span_eq(c->head.origin, c->key.name) ||
	    ch_note_key_make(&next, c->head.origin, c->key.pub) != CH_OK ||
	    ch_checkpoint_open(&c->head, ch_buf_span(&c->note), &next, &c->vk, &d) != CH_OK)
		return false;
	c->tiles.size = c->head.size;
	c->tiles.at = (struct ch_tile){ 0 };
	if (log_client_get(c, "origin", ORIGIN_MAX, &record) != CH_OK || extends(c, &none) != CH_OK)
		return false;
	s.record = ch_buf_span(&record);
	if (!record_read(&s, &c->key) || log_entries(c, 0, 1, first_leaf, &s) != CH_OK || !s.found)
		return false;
	tell_successor(c, &s, &next, old);
	if (old->size > 0)
		save_both(c, state, seen);
	return true;
}

static int fetch_head(struct log_client *c, const char *state, const struct ch_checkpoint *old, struct ch_span seen)
{
	struct ch_diag d;
	if (log_client_get(c, "checkpoint", CH_NOTE_MAX, &c->note) != CH_OK)
		return CLI_IO;
	enum ch_err err = ch_checkpoint_open(&c->head, ch_buf_span(&c->note), &c->key, &c->vk, &d);
	if (err != CH_OK && other_origin(c, state, old, seen))
		return CLI_FAILS;
	if (err != CH_OK)
		return cli_refused("checkpoint", NULL, err, &d);
	c->tiles.size = c->head.size;
	c->tiles.at = (struct ch_tile){ 0 };
	return -1;
}

/* The checkpoint seen last; size 0 if there is none. */
static int load_seen(struct log_client *c, const char *state, struct ch_buf *note, struct ch_checkpoint *old)
{
	struct ch_diag d;
	*old = (struct ch_checkpoint){ 0 };
	enum ch_err err = ch_file_read(note, state);
	if (err == CH_ERR_NOTFOUND)
		return -1;
	if (err != CH_OK) {
		cli_say("%s: %s", state, strerror(errno));
		return CLI_IO;
	}
	err = ch_checkpoint_open(old, ch_buf_span(note), &c->key, &c->vk, &d);
	return err == CH_OK ? -1 : cli_refused(state, NULL, err, &d);
}

int log_follow(struct log_client *c, const char *state, uint64_t *seen)
{
	CH_AUTO_BUF struct ch_buf note = { 0 };
	struct ch_checkpoint old;
	*seen = 0;
	int code = load_seen(c, state, &note, &old);
	if (code < 0)
		code = fetch_head(c, state, &old, ch_buf_span(&note));
	if (code >= 0)
		return code;
	*seen = old.size;
	enum ch_err err = extends(c, &old);
	if (err == CH_ERR_MISMATCH) {
		cli_say("the log is FORKED: its checkpoint of %llu entries does not extend the one of %llu seen before",
			(unsigned long long)c->head.size, (unsigned long long)old.size);
		save_both(c, state, ch_buf_span(&note));
		return CLI_FAILS;
	}
	if (err == CH_ERR_RANGE) {
		cli_say("the log has %llu entries, fewer than the %llu seen before: it was rolled back, or this is an old mirror",
			(unsigned long long)c->head.size, (unsigned long long)old.size);
		save_both(c, state, ch_buf_span(&note));
		return CLI_FAILS;
	}
	if (err != CH_OK)
		return err == CH_ERR_IO || err == CH_ERR_NOTFOUND ? CLI_IO : CLI_FAILS;
	return log_write_file(state, ch_buf_span(&c->note)) == CH_OK ? -1 : CLI_IO;
}
