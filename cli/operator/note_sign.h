/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_OPERATOR_NOTE_SIGN_H
#define CH_OPERATOR_NOTE_SIGN_H

#include "cli/operator/signer.h"
#include "core/trust/role.h"

/* Signing a fleet root or a release: one line more at the end of its file, which is replaced whole. */

/* The public half of a signer as a role names it. -1 to go on, CLI_UNSUPPORTED for another kind of key. */
int op_note_key(struct op_signer *key, struct ch_root_key *pub);
/*
 * Signs `note`, which was read from `path` as `file`, and appends the signature there; the file then has at most `max` bytes. The same
 * key does not sign twice: CLI_FAILS. -1 to go on.
 */
int op_note_sign(struct op_signer *key, const struct ch_root_key *pub, const char *path, struct ch_span file,
		 const struct ch_note *note, size_t max);

#endif
