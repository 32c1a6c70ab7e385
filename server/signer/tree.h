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
	int fd;        /* the file */
	unsigned slot; /* that `last` lies in */
};

#define CH_SIGNER_TREE_FILE "tree"

/*
 * The file is two slots, written in turn, so that a write that the power cut left torn costs nothing that was signed: the other slot has it. A
 * slot is two copies of one record, each in a block of its own: one that decays does not bring the older slot back.
 */
#define CH_SIGNER_TREE_BLOCK 4096
#define CH_SIGNER_TREE_BYTES (4 * CH_SIGNER_TREE_BLOCK)

/*
 * Prepares the tree from `dir`; without its file it is empty, and `made` says so. What it is then is durable, whatever became of the signer
 * that wrote it. Takes the key over on success. CH_ERR_MISMATCH if the file is of another origin or of another key, CH_ERR_MALFORMED if
 * neither slot has a record, CH_ERR_IO with errno.
 */
CH_MUST_USE enum ch_err ch_signer_tree_open(struct ch_signer_tree *t, const char *dir, struct ch_span origin,
					    struct ch_sign_key *key, bool *made);
void ch_signer_tree_clear(struct ch_signer_tree *t);

/*
 * Answers LEAVES: appends the hashes if they continue the tree, makes the new tree durable (one fdatasync), then signs it into `room`. Status 1 (first is not the
 * signer's size) and 2 (the disk or the key failed: nothing was signed, the tree is as it was) tell size and root of what was
 * signed last; with status 1 the note is its checkpoint.
 */
void ch_signer_tree_append(struct ch_signer_tree *t, struct ch_msg_checkpoint *out,
			   uint8_t room[static CH_IPC_CERT_MAX], const struct ch_msg_leaves *req);

#endif
