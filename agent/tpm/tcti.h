/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_TCTI_H
#define CH_AGENT_TCTI_H

#include "core/base/err.h"

#include <tss2/tss2_tcti.h>

/*
 * The way to the TPM for tpm2-tss (TSS 2.0 TCTI API): one descriptor, opened before the process confines itself. Those that come with
 * tpm2-tss load a library, and the one of swtpm opens a socket for every command.
 */
struct tcti {
	TSS2_TCTI_CONTEXT_COMMON_V2 common; /* first: the library sees this */
	int fd;
};

/*
 * "device:/dev/tpmrm0", "swtpm:path=/run/swtpm.sock" or "swtpm:host=127.0.0.1,port=2321". CH_ERR_UNKNOWN for another form, CH_ERR_IO
 * with errno if it cannot be opened. `t` stays where it is.
 */
CH_MUST_USE enum ch_err tcti_open(struct tcti *t, const char *name);

#endif
