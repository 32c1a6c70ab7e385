/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_PSA_SHOW_H
#define CH_CLI_PSA_SHOW_H

#include "core/base/wr.h"
#include "core/platform/psa_token.h"
#include "core/wire/cose.h"

#define PSA_WARNINGS_MAX 16

/* What `inspect psa` found out, ready to print. */
struct psa_report {
	struct ch_cose cose;
	const char *signature; /* "ok", "bad", NULL: no key was given */
	struct ch_psa_token token;
	size_t fault_count; /* all; the first CH_PSA_FAULTS_MAX are in `fault` */
	struct ch_psa_fault fault[CH_PSA_FAULTS_MAX];
	size_t warning_count;
	const char *warning[PSA_WARNINGS_MAX];
};

/* docs/schema/inspect-psa.schema.json */
void psa_show_json(struct ch_wr *w, const struct psa_report *p);
/* A page for a person. */
void psa_show_page(struct ch_wr *w, const struct psa_report *p);

#endif
