/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_OPERATOR_SECRET_H
#define CH_OPERATOR_SECRET_H

#include "host/base/mem.h"

#define OP_SECRET_MAX 256

/*
 * Asks at the terminal, not at standard input, without showing what is typed, and appends the line. False if there is no terminal. The caller
 * wipes all `cap` bytes of `to`, which was empty.
 */
bool op_secret_ask(const char *prompt, struct ch_buf *to);

#endif
