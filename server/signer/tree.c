/* SPDX-License-Identifier: Apache-2.0 */
#include "server/signer/tree.h"

#include "core/base/rd.h"
#include "host/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/*
 * The file: "chainhold-signer-tree/v1\n", the log's verifier key and a newline, the frontier's bytes, SHA-256 of all before. The key is
 * there so that a tree of one log is not continued under another.
 */
#define MAGIC    "chainhold-signer-tree/v1\n"
#define FILE_MAX (sizeof(MAGIC) + CH_NOTE_KEY_TEXT_MAX + CH_FRONTIER_BYTES_MAX + 32)

static bool path_in(char *to, size_t cap, const char *dir, const char *name)
{
	int n = snprintf(to, cap, "%s/%s", dir, name);
	return n > 0 && (size_t)n < cap;
}

static enum ch_err put_file(struct ch_wr *w, const struct ch_note_key *note, const struct ch_frontier *f)
{
	struct ch_digest digest;
	ch_wr_str(w, MAGIC);
	ch_note_key_put(w, note);
	ch_wr_u8(w, '\n');
	ch_frontier_put(w, f);
	enum ch_err err = ch_hash_once(CH_HASH_SHA256, ch_wr_span(w), &digest);
	ch_wr_put(w, ch_digest_span(&digest));
	return err != CH_OK ? err : w->bad ? CH_ERR_NOSPACE : CH_OK;
}

static enum ch_err read_file(struct ch_signer_tree *t, struct ch_span in)
{
	struct ch_rd r = ch_rd(in);
	struct ch_digest digest;
	uint8_t key[CH_NOTE_KEY_TEXT_MAX];
	struct ch_wr w = ch_wr(key, sizeof(key));
	ch_note_key_put(&w, &t->note);
	struct ch_span magic = ch_rd_take(&r, sizeof(MAGIC) - 1);
	if (!ch_span_eq(magic, CH_SPAN_LIT(MAGIC)) || in.n < 32 + r.off)
		return CH_ERR_MALFORMED;
	struct ch_span covered = ch_span_sub(in, 0, in.n - 32);
	enum ch_err err = ch_hash_once(CH_HASH_SHA256, covered, &digest);
	if (err != CH_OK)
		return err;
	if (!ch_span_eq(ch_digest_span(&digest), ch_span_sub(in, in.n - 32, 32)))
		return CH_ERR_MALFORMED;
	if (!ch_span_eq(ch_rd_take(&r, w.len), ch_wr_span(&w)) || ch_rd_u8(&r) != '\n')
		return CH_ERR_MISMATCH;
	return ch_frontier_parse(&t->last, ch_span_sub(covered, r.off, covered.n - r.off), NULL);
}

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

static bool sync_dir(const char *dir)
{
	__attribute__((cleanup(fd_close))) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && fsync(fd) == 0;
}

/* On success the tree `f` is what a signer that starts anew begins from, whatever happens to the machine. */
static enum ch_err save(const struct ch_signer_tree *t, const struct ch_frontier *f)
{
	char path[4096], tmp[4096];
	uint8_t bytes[FILE_MAX];
	struct ch_wr w = ch_wr(bytes, sizeof(bytes));
	if (!path_in(path, sizeof(path), t->dir, CH_SIGNER_TREE_FILE) ||
	    !path_in(tmp, sizeof(tmp), t->dir, CH_SIGNER_TREE_FILE ".new"))
		return CH_ERR_RANGE;
	enum ch_err err = put_file(&w, &t->note, f);
	if (err != CH_OK)
		return err;
	__attribute__((cleanup(fd_close))) int fd =
		open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || !write_all(fd, ch_wr_span(&w)) || fsync(fd) != 0 || rename(tmp, path) != 0 || !sync_dir(t->dir))
		return CH_ERR_IO;
	return CH_OK;
}

enum ch_err ch_signer_tree_open(struct ch_signer_tree *t, const char *dir, struct ch_span origin,
				struct ch_sign_key *key, bool *made)
{
	char path[4096];
	struct ch_pubkey pub;
	CH_AUTO_BUF struct ch_buf file = { 0 };
	*t = (struct ch_signer_tree){ .dir = dir };
	*made = false;
	if (origin.n > CH_NOTE_NAME_MAX || !path_in(path, sizeof(path), dir, CH_SIGNER_TREE_FILE))
		return CH_ERR_RANGE;
	(void)ch_span_copy(t->origin, CH_NOTE_NAME_MAX, origin);
	enum ch_err err = ch_sign_key_pub(key, &pub);
	if (err == CH_OK && (pub.pub.type != CH_KEY_ED25519 || pub.pub.a.n != 32))
		err = CH_ERR_KEY;
	if (err == CH_OK)
		err = ch_note_key_make(&t->note, ch_span_str(t->origin), pub.a);
	if (err != CH_OK)
		return err;
	err = ch_file_read(&file, path);
	*made = err == CH_ERR_NOTFOUND;
	if (*made)
		err = save(t, &t->last);
	else if (err == CH_OK)
		err = read_file(t, ch_buf_span(&file));
	if (err != CH_OK)
		return err;
	t->key = *key;
	*key = (struct ch_sign_key){ .type = CH_KEY_NONE };
	return CH_OK;
}

void ch_signer_tree_clear(struct ch_signer_tree *t)
{
	ch_sign_key_clear(&t->key);
	*t = (struct ch_signer_tree){ 0 };
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
	t->last = next;
	tell(t, out, room, 0);
}
