/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_EKCERT_FILES_H
#define CH_CLI_EKCERT_FILES_H

#include "cli/cmd.h"
#include "core/platform/ek_cert.h"

/* The files of `inspect ekcert`: read whole before the sandbox, decoded and parsed in it. */

struct ekcert_file {
	char *path;
	struct ch_buf bytes;
};

struct ekcert_files {
	struct ch_buf judged;
	size_t root_count;
	struct ekcert_file *root; /* of the directory, by name */
};

/* Reads FILE and, unless NULL, every regular file in the directory `roots` (not below it). -1 to go on, else CLI_IO. */
int ekcert_files_read(struct ekcert_files *f, const char *path, const char *roots);
void ekcert_files_free(struct ekcert_files *f);

/* The certificates: the one that is judged, and the pool, anchors first, that its chain is looked for in. */
struct ekcert_certs {
	struct ch_ek_cert judged;
	struct ch_ek_pool pool;
	struct ch_ek_cert *cert; /* what the pool points to; owned */
	size_t ignored;          /* files in the directory without a certificate that we can read */
	size_t blob_count;
	uint8_t **blob; /* decoded PEM; owned */
};

/*
 * Parses: DER, or PEM with the certificate first and further ones as links. An ATTRIBUTE CERTIFICATE goes before others. -1 to
 * go on, else the exit code; a file of the directory that does not parse is named on standard error and left out.
 */
int ekcert_certs_parse(struct ekcert_certs *c, const struct ekcert_files *f, const char *path);
void ekcert_certs_free(struct ekcert_certs *c);

#endif
