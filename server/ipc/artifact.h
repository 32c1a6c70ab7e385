/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_IPC_ARTIFACT_H
#define CH_IPC_ARTIFACT_H

#include "core/base/wr.h"

/* Where an artefact lies, for the keeper that writes it and the reader that opens it: a file in the root that both have. */

#define CH_ARTIFACT_FILE 80

/* "artifact-" and the digest; NUL-terminated. */
static inline void ch_artifact_file(char to[static CH_ARTIFACT_FILE], const uint8_t sha256[static 32])
{
	struct ch_wr w = ch_wr((uint8_t *)to, CH_ARTIFACT_FILE - 1);
	ch_wr_str(&w, "artifact-");
	ch_wr_hex(&w, ch_span(sha256, 32));
	to[w.len] = '\0';
}

#endif
