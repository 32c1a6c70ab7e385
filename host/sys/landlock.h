/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_HOST_LANDLOCK_H
#define CH_HOST_LANDLOCK_H

#include "core/base/err.h"

/*
 * Restricts the process by landlock: no file but those under `roots` (NULL: none at all; ended by NULL, those that are not there are passed
 * over; `write`: also for writing, making and removing), no TCP bind, no TCP connect unless `connect`, no signal and no abstract socket to anyone outside. *abi is the
 * kernel's ABI, 0 without landlock, which is no error: seccomp and the root directory stand behind it. Needs no_new_privs.
 * CH_ERR_INTERNAL with errno when a kernel that has it refuses.
 */
CH_MUST_USE enum ch_err ch_landlock_restrict(const char *const *roots, int write, int connect, int *abi);

#endif
