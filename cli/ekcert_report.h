/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_EKCERT_REPORT_H
#define CH_CLI_EKCERT_REPORT_H

#include "cli/cmd.h"
#include "core/platform/ek_cert.h"

struct ekcert_report {
	const struct ch_ek_cert *cert;
	bool chain_asked;
	bool trusted;
	struct ch_ek_chain chain;
	struct ch_digest fingerprint; /* SHA-256 of SubjectPublicKeyInfo; n = 0 where there is none */
	struct ch_ek_notes violations;
	struct ch_ek_notes warnings;
};

bool ekcert_report_holds(const struct ekcert_report *r);
void ekcert_report_json(struct ch_wr *w, const struct ekcert_report *r);
void ekcert_report_page(struct ch_wr *w, const struct ekcert_report *r);

#endif
