/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_PLATFORM_TPM_PCRS_H
#define CH_PLATFORM_TPM_PCRS_H

#include "core/platform/tpm_attest.h"

/*
 * Register values as tpm2-tools writes them beside a quote (tpm2_quote -o, tpm2_pcrread -o). Nothing signs such a file: its
 * values count only if they hash to the quote's pcrDigest.
 */

#define CH_TPM_PCRS_SETS_MAX 48 /* lists of up to 8 digests: 16 banks of 24 registers */

/*
 * Reads a file of register values, for `quote`, into banks of `pcrs`: bit n of a bank's `touched` says that PCR n was in the
 * file; the others have their reset values. Two forms, told apart by their size and head:
 *  - "values": the digests one after the other, either of the registers the quote selects or of all 24 of each bank it
 *    selects from, bank by bank in the order of the selection, ascending within a bank;
 *  - "serialized": the C structures TPML_PCR_SELECTION (16 entries), a 32-bit count of lists and that many TPML_DIGEST
 *    (8 entries), little-endian, with whatever is in the entries and bytes that are not in use.
 * CH_ERR_UNSUPPORTED for a bank that the backend does not compute. `pcrs` is empty after a failure.
 */
CH_MUST_USE enum ch_err ch_tpm_pcrs_parse(struct ch_pcrs *pcrs, const struct ch_tpm_attest *quote, struct ch_span in,
					  struct ch_diag *d);

/* True if every register that `quote` selects is in `pcrs` (see `touched` above). */
bool ch_tpm_pcrs_cover(const struct ch_pcrs *pcrs, const struct ch_tpm_attest *quote);

#endif
