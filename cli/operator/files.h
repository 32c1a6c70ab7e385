/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_OPERATOR_FILES_H
#define CH_OPERATOR_FILES_H

#include "cli/cmd.h"

/* Files that a command makes: never over another, secrets readable by their owner only. Errors are told; the result is an exit code. */

enum op_secret { OP_SECRET = 0, OP_PUBLIC = 0x50 };

/* Makes a file of these bytes under `dir` (a descriptor, or AT_FDCWD) and syncs it. -1 to go on, CLI_IO if it exists or fails. */
int op_file_make(int dir, const char *path, enum op_secret secret, struct ch_span bytes);
/* Makes a folder under `dir`; a secret one is its owner's only. -1 to go on. */
int op_folder_make(int dir, const char *path, enum op_secret secret);

#endif
