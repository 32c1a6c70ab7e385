/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_SIGNER_TREE_H
#define CH_SIGNER_TREE_H

#include "core/trust/checkpoint.h"
#include "host/crypto_openssl/sign.h"
#include "server/ipc/messages.h"

/* The log as the signer knows it: its key, and the tree that it signed last, which is on disk. */
struct ch_signer_tree {
	struct ch_sign_key key;
	struct ch_note_key note; /* the key's public half under the origin */
	char origin[CH_NOTE_NAME_MAX + 1];
	struct ch_frontier last;
	const char *dir; /* where the file lies; borrowed */
};

#define CH_SIGNER_TREE_FILE "tree"

/*
 * Prepares the tree from `dir`; without its file it is empty, and `made` says so. Takes the key over on success. CH_ERR_MISMATCH if the file is of
 * another origin or of another key, CH_ERR_MALFORMED if it is damaged, CH_ERR_IO with errno.
 */
CH_MUST_USE enum ch_err ch_signer_tree_open(struct ch_signer_tree *t, const char *dir, struct ch_span origin,
					    struct ch_sign_key *key, bool *made);
void ch_signer_tree_clear(struct ch_signer_tree *t);

/*
 * Answers LEAVES: appends the hashes if they continue the tree, makes the new tree durable, then signs it into `room`. Status 1 (first is not the
 * signer's size) and 2 (the disk or the key failed: nothing was signed, the tree is as it was) tell size and root of what was
 * signed last; with status 1 the note is its checkpoint.
 */
void ch_signer_tree_append(struct ch_signer_tree *t, struct ch_msg_checkpoint *out,
			   uint8_t room[static CH_IPC_CERT_MAX], const struct ch_msg_leaves *req);

#endif
