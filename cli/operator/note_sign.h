/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_OPERATOR_NOTE_SIGN_H
#define CH_OPERATOR_NOTE_SIGN_H

#include "cli/operator/signer.h"
#include "core/trust/role.h"

/* Signing a fleet root or a release: one line more at the end of its file, which is replaced whole. */

/* The public half of a signer as a role names it. -1 to go on, CLI_UNSUPPORTED for another kind of key. */
int op_note_key(struct op_signer *key, struct ch_root_key *pub);
/*
 * Signs `note`, of the file `path`, and appends the line to `lines`. The same key does not sign twice, and there are at most
 * CH_ROLE_SIGS_MAX bytes of lines: CLI_FAILS. -1 to go on.
 */
int op_note_line(struct op_signer *key, const struct ch_root_key *pub, const char *path, const struct ch_note *note,
		 struct ch_buf *lines);
/* The same of a note that was read from `path` as `file`: the line goes to the end of that file. */
int op_note_sign(struct op_signer *key, const struct ch_root_key *pub, const char *path, struct ch_span file,
		 const struct ch_note *note);

#endif
