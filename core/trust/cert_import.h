/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TRUST_CERT_IMPORT_H
#define CH_TRUST_CERT_IMPORT_H

#include "core/platform/crl.h"

/*
 * What the operators' verbs certificate.import and revocation.import are about: what an earlier CA certified and revoked, taken apart by whoever signs
 * the action, so that nobody who acts on it reads a certificate. docs/protocol/action.md.
 */

#define CH_CERT_IMPORT_NAME 255
#define CH_CERT_IMPORT_SPKI 2048
#define CH_CERT_IMPORT_DER  16384

struct ch_cert_import {
	uint8_t ca[32]; /* SHA-256 of the CA's certificate */
	struct ch_serial serial;
	uint64_t not_before, not_after; /* seconds since 1970 */
	struct ch_span name;            /* of the device: its common name, UTF-8, every character shown */
	struct ch_span spki;
	struct ch_span certificate; /* DER; what is admitted is its SHA-256 */
};

/*
 * Reads one; nothing may follow. Total; the spans borrow. CH_ERR_TRUNCATED, CH_ERR_TRAILING; CH_ERR_RANGE: a serial number 0, a certificate that
 * ends before it begins, a length that is 0 or above its limit; CH_ERR_ENCODING: a name with a character that is not shown.
 */
CH_MUST_USE enum ch_err ch_cert_import_parse(struct ch_cert_import *c, struct ch_span in, struct ch_diag *d);
/* Appends it. CH_ERR_RANGE, and nothing written, for what would not be read; CH_ERR_NOSPACE. */
CH_MUST_USE enum ch_err ch_cert_import_put(struct ch_wr *w, const struct ch_cert_import *c);

/* One row of a revocation.import: serial number 20, time u64, CRLReason u8, end of the certificate u64. */
#define CH_REVOKED_ROW 37
void ch_revoked_row_put(struct ch_wr *w, const struct ch_revoked *r);
/* The next row. CH_ERR_TRUNCATED; CH_ERR_RANGE: a serial number 0, a reason that is not final, a time past the year 9999. */
CH_MUST_USE enum ch_err ch_revoked_row_take(struct ch_rd *in, struct ch_revoked *r);

#endif
