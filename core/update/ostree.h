/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_UPDATE_OSTREE_H
#define CH_UPDATE_OSTREE_H

#include "core/base/wr.h"
#include "core/crypto/hash.h"

/*
 * Objects of an OSTree repository in archive mode (ostree 2022.7, "Anatomy of an OSTree repository"): GVariants whose SHA-256 is their name. What
 * is accepted has one serialisation: offsets in order, padding of zeros, names in order. Nothing is allocated; all borrows from the bytes.
 */

#define CH_OSTREE_TYPES(X) \
	X(COMMIT, "commit") X(TREE, "dirtree") X(META, "dirmeta") X(FILE, "filez") X(DETACHED, "commitmeta")
#define CH_OSTREE_ENUM(name, text) CH_OSTREE_##name,
enum ch_ostree_type { CH_OSTREE_TYPES(CH_OSTREE_ENUM) CH_OSTREE_TYPE_COUNT };
#undef CH_OSTREE_ENUM

/* "objects/2d/711642….commit": where an object lies in a repository. */
#define CH_OSTREE_PATH_MAX 96
void ch_ostree_path_put(struct ch_wr *w, enum ch_ostree_type type, const uint8_t id[static 32]);

/* A ref, as in refs/heads/: parts of letters, digits, "-", "." and "_" that begin with a letter or digit, with slashes between them. */
bool ch_ostree_ref_valid(struct ch_span ref);

/*
 * What runs (ostree-prepare-root(1)). The kernel's command line names a symbolic link, "/ostree/boot.1/OS/BOOT/N", whose target ends in
 * "COMMIT.N". _booted: the path of the first ostree= of a command line; CH_ERR_NOTFOUND if there is none, CH_ERR_MALFORMED for another form.
 * _deployed: the commit that a target names. Both read what the device says of itself.
 */
CH_MUST_USE enum ch_err ch_ostree_booted(struct ch_span cmdline, struct ch_span *path);
CH_MUST_USE enum ch_err ch_ostree_deployed(struct ch_span target, uint8_t commit[static 32]);

struct ch_ostree_commit {
	struct ch_span parent; /* 32 bytes or none */
	struct ch_span subject;
	uint64_t time; /* seconds since 1970 */
	uint8_t tree[32], meta[32];
};
CH_MUST_USE enum ch_err ch_ostree_commit_parse(struct ch_ostree_commit *c, struct ch_span in, struct ch_diag *d);

/* What lies in a folder: its files, then its folders. */
struct ch_ostree_entry {
	struct ch_span name; /* no "/", not "." or ".." */
	bool folder;
	uint8_t id[32];   /* of the file or the dirtree */
	uint8_t meta[32]; /* of a folder: its dirmeta */
};
struct ch_ostree_tree {
	struct ch_span files, folders; /* arrays */
	size_t file_count, folder_count;
};
CH_MUST_USE enum ch_err ch_ostree_tree_parse(struct ch_ostree_tree *t, struct ch_span in, struct ch_diag *d);
/* Entry number i, from 0; false behind the last. */
bool ch_ostree_tree_entry(const struct ch_ostree_tree *t, size_t i, struct ch_ostree_entry *e);

/* A file as it lies in an archive: a header, then the content, deflated without a header. */
struct ch_ostree_file {
	uint64_t size; /* of the content, inflated */
	uint32_t uid, gid, mode;
	struct ch_span link;   /* what a symbolic link says; empty for a regular file */
	struct ch_span xattrs; /* as they are serialised */
	struct ch_span deflated;
};
CH_MUST_USE enum ch_err ch_ostree_file_parse(struct ch_ostree_file *f, struct ch_span in, struct ch_diag *d);
/* Begins the hash whose end, after the inflated content, is the file's name. */
CH_MUST_USE enum ch_err ch_ostree_file_hash(const struct ch_ostree_file *f, struct ch_hash *h);

#endif
