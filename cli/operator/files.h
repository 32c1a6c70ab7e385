/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_OPERATOR_FILES_H
#define CH_OPERATOR_FILES_H

#include "cli/cmd.h"

/* Files that a command makes: never over another, secrets readable by their owner only. Errors are told; the result is an exit code. */

enum op_secret { OP_SECRET = 0, OP_PUBLIC = 0x50 };

/* Makes a file of these bytes under `dir` (a descriptor, or AT_FDCWD) and syncs it. -1 to go on, CLI_IO if it exists or fails. */
int op_file_make(int dir, const char *path, enum op_secret secret, struct ch_span bytes);
/* Makes a secret file that is there whole or not at all, whatever happens in between ("PATH.new" may be left). -1 to go on, CLI_IO if it exists or fails. */
int op_file_make_whole(const char *path, struct ch_span bytes);
/* Gives `from` the name `to` that nothing has, durably. -1 to go on, CLI_IO if it exists or fails. */
/* Makes durable which files are in the folder of `path`. */
bool op_folder_sync(const char *path);
int op_rename_new(const char *from, const char *to);
/* Makes a folder under `dir`; a secret one is its owner's only. -1 to go on. */
int op_folder_make(int dir, const char *path, enum op_secret secret);

#endif
