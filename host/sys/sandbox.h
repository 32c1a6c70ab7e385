/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_HOST_SANDBOX_H
#define CH_HOST_SANDBOX_H

#include "core/base/err.h"

/*
 * Confines the process for good to computing and to writing to descriptors it has open: no open, socket, exec, fork, ptrace.
 * Any other system call kills the process. CH_ERR_INTERNAL with errno if the kernel refuses: the caller must then end.
 */
CH_MUST_USE enum ch_err ch_sandbox_compute(void);

#endif
