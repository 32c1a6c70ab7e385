/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_OPERATOR_CA_BACKUP_H
#define CH_OPERATOR_CA_BACKUP_H

#include "cli/operator/crl.h"
#include "core/trust/ca_backup.h"

/* Backups of certification authorities: made and looked into (ca_backup.c), put back (ca_restore.c). Errors are told; -1 is to go on, else an exit code. */

/* A backup that was opened. The bytes are what the files borrow from. */
struct ca_backup {
	const char *path;
	struct ch_buf content;
	struct ch_ca_backup b;
};

/* Opens the file with the passphrase that is in the file `seal`, or (NULL) asked for. Cleared by ca_backup_clear in either case. */
int ca_backup_open(struct ca_backup *c, const char *path, const char *seal);
void ca_backup_clear(struct ca_backup *c);

/*
 * Whether it belongs together: every certificate is one, every key that has one is its key, what issues is there. Shows what is in it. Encrypted keys are opened with
 * the passphrase in the file `passphrase`, or the one that is asked for.
 */
int ca_backup_check(const struct ch_ca_backup *b, const char *passphrase);

/* The certificates of a file of it. */
int ca_backup_certs(struct op_certs *to, const struct ch_ca_file *f);
/* The one list of a file of it. */
int ca_backup_list(struct op_crls *to, const struct ch_ca_file *f);

#endif
