/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TRUST_CA_BACKUP_H
#define CH_TRUST_CA_BACKUP_H

#include "core/base/limits.h"
#include "core/update/archive.h"

/*
 * What is sealed in a backup of certification authorities: the files of a root's folder, or of a server's that belong to its CAs, as a ustar file of one form
 * (core/update/archive.h). docs/protocol/ca-backup.md. What is sealed is not hostile, unless somebody knows the passphrase; it is read as if it were.
 */

enum ch_ca_backup_of { CH_CA_BACKUP_NONE, CH_CA_BACKUP_ROOT, CH_CA_BACKUP_SERVER };

/* In the order in which they are put back: what makes a CA work is last. */
enum ch_ca_file_kind {
	CH_CA_FILE_NONE,
	CH_CA_FILE_TRANSCRIPT,
	CH_CA_FILE_REVOKED, /* what the signer knows to be revoked of one CA, and the number of its last list */
	CH_CA_FILE_LIST,    /* the newest that a root signed */
	CH_CA_FILE_CERTIFICATE,
	CH_CA_FILE_OTHER_KEY, /* of answers and results: there is no certificate of it */
	CH_CA_FILE_KEY,       /* PEM, PKCS #8 */
	CH_CA_FILE_URI,       /* PKCS #11: the key is in a token, and not in the backup */
	CH_CA_FILE_KEY_IN_USE,
	CH_CA_FILE_URI_IN_USE,
};

struct ch_ca_file {
	enum ch_ca_file_kind kind;
	struct ch_span name;
	struct ch_span bytes;
};

struct ch_ca_backup {
	enum ch_ca_backup_of of;
	struct ch_ca_file file[CH_CA_BACKUP_FILES_MAX];
	size_t count;
};

/* What a file of this name is in such a folder; CH_CA_FILE_NONE for one that a backup does not hold: the names are a closed list. */
enum ch_ca_file_kind ch_ca_file_kind(enum ch_ca_backup_of of, struct ch_span name);

/*
 * Reads one; nothing may follow. Total; the spans borrow. `b` has no file on failure. CH_ERR_DUPLICATE unless the names are in the order of their bytes, each once;
 * CH_ERR_LIMIT for more than CH_CA_BACKUP_FILES_MAX files, CH_ERR_UNKNOWN for another version.
 */
CH_MUST_USE enum ch_err ch_ca_backup_parse(struct ch_ca_backup *b, struct ch_span in, struct ch_diag *d);
/* The bytes that writing it takes. */
size_t ch_ca_backup_size(const struct ch_ca_backup *b);
/* Appends it: what ch_ca_backup_parse reads. CH_ERR_RANGE for what would not be read; CH_ERR_NOSPACE. */
CH_MUST_USE enum ch_err ch_ca_backup_put(struct ch_wr *w, const struct ch_ca_backup *b);
/* The file of this name; NULL if there is none. */
const struct ch_ca_file *ch_ca_backup_find(const struct ch_ca_backup *b, struct ch_span name);

#endif
