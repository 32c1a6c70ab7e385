/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TESTS_EVIL_H
#define CH_TESTS_EVIL_H

#include "server/ipc/child.h"

/* The name of break-out attempt `n`, counted from 0; NULL past the last. In test builds only. */
const char *ch_evil_name(unsigned n);

#endif
