/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_QUOTE_REPORT_H
#define CH_CLI_QUOTE_REPORT_H

#include "cli/quote_log.h"
#include "cli/tpm_files.h"

/* What `inspect quote` found, and its two forms in print. */

enum report_answer { REPORT_NOT_ASKED = 0, REPORT_NO, REPORT_YES };

struct quote_report {
	struct ch_tpm_attest quote;
	struct ch_sig sig;
	struct cli_tpm_key key;
	bool signature_ok;
	enum report_answer nonce; /* the expected nonce is the quote's */
	enum report_answer pcrs;  /* the given values hash to the quoted digest */
	enum report_answer log;   /* the logs explain the quote */
	struct ch_pcrs values;    /* given; meaningless unless `pcrs` was asked */
	struct quote_log logs;    /* meaningless unless `log` was asked */
	bool has_ima;
};

/* True if nothing that was asked failed. */
bool quote_report_holds(const struct quote_report *r);

void quote_report_json(struct ch_wr *w, const struct quote_report *r);
void quote_report_page(struct ch_wr *w, const struct quote_report *r);

#endif
