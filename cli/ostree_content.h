/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_OSTREE_CONTENT_H
#define CH_CLI_OSTREE_CONTENT_H

#include "core/update/measure.h"
#include "core/update/ostree_pack.h"
#include "host/base/mem.h"

/* What is in an OSTree pack: every object held against its name, nothing missing and nothing beside it, and what its kernel measures. */
struct cli_ostree {
	struct ch_ostree_pack pack;
	struct ch_ostree_commit commit;
	struct ch_span ref;
	uint64_t files, folders;
	size_t detached; /* bytes of detached metadata, in which signatures are; 0: none */
	bool gpg;        /* it names signatures of GnuPG */
	struct ch_buf kernel, initrd;
	uint8_t release[CH_OSTREE_KERNEL_MAX]; /* usr/lib/modules/THIS/ has the kernel */
	size_t release_n;
	uint8_t names[2 * (CH_OSTREE_KERNEL_MAX + 64)]; /* what spans of events point into */
	size_t names_n;
};

/* Adds to `m`. Works confined. `o` is zeroed by the caller and cleared by _clear; spans borrow from `file` and `o`. */
CH_MUST_USE enum ch_err cli_ostree_read(struct cli_ostree *o, struct ch_measure *m, struct ch_span file,
					struct ch_diag *d);
void cli_ostree_clear(struct cli_ostree *o);

#endif
