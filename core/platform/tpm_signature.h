/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_PLATFORM_TPM_SIGNATURE_H
#define CH_PLATFORM_TPM_SIGNATURE_H

#include "core/crypto/sig.h"

/*
 * TPMT_SIGNATURE (TPM 2.0 Part 2, 11.3.4): ECDSA, RSASSA, RSAPSS. The spans of `sig` borrow from `in`. Another scheme is
 * CH_ERR_UNSUPPORTED; a hash that is not SHA-1, SHA-256, SHA-384 or SHA-512 too. Trailing bytes are an error.
 */
CH_MUST_USE enum ch_err ch_tpm_signature_parse(struct ch_sig *sig, struct ch_span in, struct ch_diag *d);

#endif
