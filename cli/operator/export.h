/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_OPERATOR_EXPORT_H
#define CH_OPERATOR_EXPORT_H

#include "cli/archive.h"
#include "cli/artifact.h"
#include "host/crypto_openssl/backend.h"

/* Archives are written here, and signed. */

/* One file that goes in: bytes, or a source that is read again when it is written. */
struct export_item {
	char name[CH_ARCHIVE_PATH_MAX + 1];
	const char *source; /* NULL: `bytes` */
	struct ch_buf bytes;
	uint64_t size;
	uint8_t sha256[32];
};

struct export
{
	struct ch_archive a; /* issued and role */
	struct export_item *item;
	size_t count;
};

/* Sorts the items, which must not name one file twice, and writes the archive, not signed yet, as a new file. -1 to go on. */
int export_write(struct export *x, const char *path);
/* Adds one signature to an archive. -1 to go on. */
int export_sign(const char *path, const char *key, const char *passphrase);

#endif
