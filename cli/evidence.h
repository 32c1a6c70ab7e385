/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_EVIDENCE_H
#define CH_CLI_EVIDENCE_H

#include "cli/cmd.h"
#include "cli/tpm_files.h"
#include "core/boot/appraise.h"
#include "core/platform/tpm_pcrs.h"
#include "core/platform/tpm_signature.h"

/* The evidence of one boot as `appraise` and `reference capture` take it: files named by options, read, then parsed. */

struct cli_evidence {
	const char *msg, *sig, *pub, *eventlog, *ima, *pcrs, *nonce, *last; /* options */
	struct ch_buf msg_in, sig_in, pub_in, log_in, ima_in, pcrs_in, last_in;
	struct ch_tpm_attest quote;
	struct ch_sig quote_sig;
	struct cli_tpm_key key_file;
	struct ch_verify_key key;
	struct ch_tcg_log log;
	struct ch_pcrs values;
	struct ch_boot_last counters;
	struct cli_tpm_nonce challenge;
	uint8_t scratch[CH_IMA_DATA_MAX];
	struct ch_boot_evidence evidence; /* borrows from all of the above */
};

/* The rows of an option table that fill `e`. */
#define CLI_EVIDENCE_OPTIONS(e)                                                                                   \
	{ "msg", "FILE", "the quote as signed (TPMS_ATTEST)", CLI_VALUE, &(e)->msg },                             \
		{ "sig", "FILE", "its signature (TPMT_SIGNATURE)", CLI_VALUE, &(e)->sig },                        \
		{ "pub", "FILE", "the attestation key: PEM, TPM2B_PUBLIC or TPMT_PUBLIC", CLI_VALUE, &(e)->pub }, \
		{ "eventlog", "FILE", "the event log (binary_bios_measurements)", CLI_VALUE, &(e)->eventlog },    \
		{ "ima", "FILE", "the IMA list, binary or ASCII", CLI_VALUE, &(e)->ima },                         \
	{                                                                                                         \
		"pcrs", "FILE", "the register values, as tpm2_quote -o writes them", CLI_VALUE, &(e)->pcrs        \
	}

/* Reads all files that were named; says which required option is missing. -1 to go on, else an exit code. */
int cli_evidence_read(struct cli_evidence *e);
/* Parses what was read and makes the key ready. -1 to go on, else an exit code after a message. */
int cli_evidence_parse(struct cli_evidence *e);
void cli_evidence_clear(struct cli_evidence *e);

#endif
