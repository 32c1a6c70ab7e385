/* SPDX-License-Identifier: Apache-2.0 */
#include "server/signer/tree.h"

#include "core/base/rd.h"
#include "host/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/*
 * A block: "chainhold-signer-tree/v2\n", the log's verifier key and a newline, the length of the frontier's bytes (u16), these, zeros, and in its
 * last 32 bytes SHA-256 of all before. The key is there so that a tree of one log is not continued under another.
 */
#define MAGIC      "chainhold-signer-tree/v2\n"
#define COPIES     2
#define SLOTS      2
#define COVERED    (CH_SIGNER_TREE_BLOCK - 32)
#define SLOT_BYTES (COPIES * CH_SIGNER_TREE_BLOCK)
#define FILE_BYTES (SLOTS * SLOT_BYTES)
#define PATH_BYTES 4096

_Static_assert(FILE_BYTES == CH_SIGNER_TREE_BYTES, "the file is its slots");
_Static_assert(sizeof(MAGIC) + CH_NOTE_KEY_TEXT_MAX + 2 + CH_FRONTIER_BYTES_MAX <= COVERED, "a record fits its block");

static bool path_in(char to[static PATH_BYTES], const char *dir, const char *name)
{
	int n = snprintf(to, PATH_BYTES, "%s/%s", dir, name);
	return n > 0 && n < PATH_BYTES;
}

static void fd_close(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

/* --- records --- */

static enum ch_err put_slot(uint8_t slot[static SLOT_BYTES], const struct ch_note_key *note,
			    const struct ch_frontier *f)
{
	struct ch_digest digest;
	uint8_t frontier[CH_FRONTIER_BYTES_MAX];
	struct ch_wr fw = ch_wr(frontier, sizeof(frontier));
	struct ch_wr w = ch_wr(slot, COVERED);
	ch_frontier_put(&fw, f);
	ch_wr_str(&w, MAGIC);
	ch_note_key_put(&w, note);
	ch_wr_u8(&w, '\n');
	ch_wr_be16(&w, (uint16_t)fw.len);
	ch_wr_put(&w, ch_wr_span(&fw));
	while (!w.bad && w.len < COVERED)
		ch_wr_u8(&w, 0);
	enum ch_err err = ch_hash_once(CH_HASH_SHA256, ch_wr_span(&w), &digest);
	(void)ch_span_copy(slot + COVERED, 32, ch_digest_span(&digest));
	(void)ch_span_copy(slot + CH_SIGNER_TREE_BLOCK, CH_SIGNER_TREE_BLOCK, ch_span(slot, CH_SIGNER_TREE_BLOCK));
	return err != CH_OK ? err : fw.bad || w.bad ? CH_ERR_NOSPACE : CH_OK;
}

/* CH_ERR_MALFORMED if this is no record (torn, decayed, never written), CH_ERR_MISMATCH if it is another log's. */
static enum ch_err read_block(struct ch_frontier *f, struct ch_span block, const struct ch_note_key *note)
{
	struct ch_digest digest;
	uint8_t key[CH_NOTE_KEY_TEXT_MAX];
	struct ch_wr w = ch_wr(key, sizeof(key));
	struct ch_rd r = ch_rd(ch_span_sub(block, 0, COVERED));
	enum ch_err err = ch_hash_once(CH_HASH_SHA256, r.in, &digest);
	if (err != CH_OK)
		return err;
	if (!ch_span_eq(ch_digest_span(&digest), ch_span_sub(block, COVERED, 32)) ||
	    !ch_span_eq(ch_rd_take(&r, sizeof(MAGIC) - 1), CH_SPAN_LIT(MAGIC)))
		return CH_ERR_MALFORMED;
	ch_note_key_put(&w, note);
	if (!ch_span_eq(ch_rd_take(&r, w.len), ch_wr_span(&w)) || ch_rd_u8(&r) != '\n')
		return CH_ERR_MISMATCH;
	return ch_frontier_parse(f, ch_rd_take(&r, ch_rd_be16(&r)), NULL);
}

/* --- the file --- */

static bool write_at(int fd, struct ch_span s, size_t at)
{
	while (s.n > 0) {
		ssize_t n = pwrite(fd, s.p, s.n, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += (size_t)n;
		s = ch_span_sub(s, (size_t)n, s.n - (size_t)n);
	}
	return true;
}

/* On success the tree `f`, in the slot that `last` is not in, is what a signer that starts anew begins from, whatever happens to the machine. */
static enum ch_err save(struct ch_signer_tree *t, const struct ch_frontier *f)
{
	uint8_t bytes[SLOT_BYTES];
	unsigned slot = (t->slot + 1) % SLOTS;
	enum ch_err err = put_slot(bytes, &t->note, f);
	if (err != CH_OK)
		return err;
	if (!write_at(t->fd, CH_SPAN_OF(bytes), slot * SLOT_BYTES) || fdatasync(t->fd) != 0)
		return CH_ERR_IO;
	t->last = *f;
	t->slot = slot;
	return CH_OK;
}

static bool sync_dir(const char *dir)
{
	__attribute__((cleanup(fd_close))) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && fsync(fd) == 0;
}

/* The file of an empty tree, whole before it has its name. */
static enum ch_err make_file(struct ch_signer_tree *t, const char *dir, const char *path)
{
	char tmp[PATH_BYTES];
	uint8_t bytes[FILE_BYTES] = { 0 };
	if (!path_in(tmp, dir, CH_SIGNER_TREE_FILE ".new"))
		return CH_ERR_RANGE;
	enum ch_err err = put_slot(bytes, &t->note, &t->last);
	if (err != CH_OK)
		return err;
	t->fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	return t->fd >= 0 && write_at(t->fd, CH_SPAN_OF(bytes), 0) && fsync(t->fd) == 0 && rename(tmp, path) == 0
		       ? CH_OK
		       : CH_ERR_IO;
}

/* The newest record of the slots. A record of another log is never passed over. */
static enum ch_err read_slots(struct ch_signer_tree *t, struct ch_span file)
{
	enum ch_err found = CH_ERR_MALFORMED;
	if (file.n != FILE_BYTES)
		return CH_ERR_MALFORMED;
	for (unsigned i = 0; i < SLOTS * COPIES; i++) {
		struct ch_frontier f;
		struct ch_span block = ch_span_sub(file, (size_t)i * CH_SIGNER_TREE_BLOCK, CH_SIGNER_TREE_BLOCK);
		enum ch_err err = read_block(&f, block, &t->note);
		if (err == CH_ERR_MALFORMED)
			continue;
		if (err != CH_OK)
			return err;
		if (found != CH_OK || f.size > t->last.size) {
			t->last = f;
			t->slot = i / COPIES;
		}
		found = CH_OK;
	}
	return found;
}

/*
 * What was read may be in the kernel's memory only: the signer that wrote it was killed before its sync, or the sync failed. So it is made
 * durable before anything is signed on it, one copy after the other: the one that is written may be torn, the other is as it was.
 */
static enum ch_err settle(const struct ch_signer_tree *t)
{
	uint8_t bytes[SLOT_BYTES];
	enum ch_err err = put_slot(bytes, &t->note, &t->last);
	for (unsigned copy = 0; copy < COPIES && err == CH_OK; copy++) {
		size_t at = (size_t)(t->slot * COPIES + copy) * CH_SIGNER_TREE_BLOCK;
		if (!write_at(t->fd, ch_span(bytes, CH_SIGNER_TREE_BLOCK), at) || fdatasync(t->fd) != 0)
			err = CH_ERR_IO;
	}
	return err;
}

static enum ch_err open_file(struct ch_signer_tree *t, const char *dir, bool *made)
{
	char path[PATH_BYTES];
	CH_AUTO_BUF struct ch_buf file = { 0 };
	if (!path_in(path, dir, CH_SIGNER_TREE_FILE))
		return CH_ERR_RANGE;
	enum ch_err err = ch_file_read(&file, path);
	*made = err == CH_ERR_NOTFOUND;
	if (*made)
		err = make_file(t, dir, path);
	else if (err == CH_OK)
		err = read_slots(t, ch_buf_span(&file));
	if (err != CH_OK)
		return err;
	if (!*made)
		t->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (t->fd < 0 || !sync_dir(dir))
		return CH_ERR_IO;
	return settle(t);
}

enum ch_err ch_signer_tree_open(struct ch_signer_tree *t, const char *dir, struct ch_span origin,
				struct ch_sign_key *key, bool *made)
{
	struct ch_pubkey pub;
	*t = (struct ch_signer_tree){ .fd = -1 };
	*made = false;
	if (origin.n > CH_NOTE_NAME_MAX)
		return CH_ERR_RANGE;
	(void)ch_span_copy(t->origin, CH_NOTE_NAME_MAX, origin);
	enum ch_err err = ch_sign_key_pub(key, &pub);
	if (err == CH_OK && (pub.pub.type != CH_KEY_ED25519 || pub.pub.a.n != 32))
		err = CH_ERR_KEY;
	if (err == CH_OK)
		err = ch_note_key_make(&t->note, ch_span_str(t->origin), pub.a);
	if (err == CH_OK)
		err = open_file(t, dir, made);
	if (err != CH_OK) {
		fd_close(&t->fd);
		t->fd = -1;
		return err;
	}
	t->key = *key;
	*key = (struct ch_sign_key){ .type = CH_KEY_NONE };
	return CH_OK;
}

void ch_signer_tree_clear(struct ch_signer_tree *t)
{
	ch_sign_key_clear(&t->key);
	fd_close(&t->fd);
	*t = (struct ch_signer_tree){ .fd = -1 };
}

static enum ch_err sign(struct ch_signer_tree *t, struct ch_wr *w, const struct ch_frontier *f,
			const struct ch_tree_hash *root)
{
	uint8_t sig[CH_SIGN_BYTES];
	ch_checkpoint_put(w, ch_span_str(t->origin), f->size, root);
	enum ch_err err = ch_sign_message(&t->key, ch_wr_span(w), sig);
	if (err != CH_OK)
		return err;
	ch_wr_u8(w, '\n');
	ch_note_sig_put(w, &t->note, sig);
	return w->bad ? CH_ERR_NOSPACE : CH_OK;
}

static enum ch_err append(struct ch_frontier *f, struct ch_span hashes)
{
	enum ch_err err = CH_OK;
	for (size_t off = 0; off < hashes.n && err == CH_OK; off += CH_MERKLE_HASH) {
		struct ch_tree_hash leaf;
		(void)ch_span_copy(leaf.b, sizeof(leaf.b), ch_span_sub(hashes, off, CH_MERKLE_HASH));
		err = ch_frontier_append(f, &leaf);
	}
	return err;
}

/* Size, root and, if they can be had, the note of a tree that is on disk. */
static void tell(struct ch_signer_tree *t, struct ch_msg_checkpoint *out, uint8_t room[static CH_IPC_CERT_MAX],
		 uint8_t status)
{
	struct ch_tree_hash root;
	struct ch_wr w = ch_wr(room, CH_IPC_CERT_MAX);
	*out = (struct ch_msg_checkpoint){ .status = status, .size = t->last.size };
	enum ch_err err = ch_frontier_root(&t->last, &root);
	(void)ch_span_copy(out->root, sizeof(out->root), ch_tree_hash_span(&root));
	if (err == CH_OK && status != 2)
		err = sign(t, &w, &t->last, &root);
	if (err != CH_OK)
		out->status = 2;
	else if (status != 2)
		out->note = ch_wr_span(&w);
}

void ch_signer_tree_append(struct ch_signer_tree *t, struct ch_msg_checkpoint *out,
			   uint8_t room[static CH_IPC_CERT_MAX], const struct ch_msg_leaves *req)
{
	struct ch_frontier next = t->last;
	if (req->hashes.n == 0) {
		tell(t, out, room, 0);
		return;
	}
	if (req->first != t->last.size || req->hashes.n % CH_MERKLE_HASH != 0) {
		tell(t, out, room, 1);
		return;
	}
	/* Durable first: a checkpoint that left without that could be forgotten, and another tree of its size be signed. */
	if (append(&next, req->hashes) != CH_OK || save(t, &next) != CH_OK) {
		tell(t, out, room, 2);
		return;
	}
	tell(t, out, room, 0);
}
