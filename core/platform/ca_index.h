/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_PLATFORM_CA_INDEX_H
#define CH_PLATFORM_CA_INDEX_H

#include "core/platform/crl.h"

/*
 * The index of a CA that `openssl ca` keeps, and EasyRSA with it (index.txt, openssl-ca(1)): one line a certificate, six fields between tabs.
 * docs/protocol/ca-index.md.
 */

struct ch_ca_index_row {
	size_t line;     /* from 1 */
	bool revoked;    /* R; else V or E: whether it has expired is a matter of `expires` */
	int64_t expires; /* seconds since 1970 */
	int64_t time;    /* when it was revoked */
	uint8_t reason;  /* enum ch_crl_reason; CH_CRL_UNSPECIFIED where none is said */
	struct ch_serial serial;
	struct ch_span subject; /* "/O=Lab/CN=gw-1", as openssl writes it; to be shown, not to be judged */
};

/* Start with .in set, all else zero. */
struct ch_ca_index_rd {
	struct ch_span in;
	size_t off, line;
};

/*
 * The next line. *end at the end of the file: the row is empty then. The spans borrow from the input. Total. An error names the byte, the rule, and
 * the line as item: CH_ERR_MALFORMED, CH_ERR_TRUNCATED (the last line does not end), CH_ERR_RANGE (a serial number, a time), CH_ERR_LIMIT (more than
 * CH_CRL_ENTRIES_MAX lines), CH_ERR_UNSUPPORTED (removeFromCRL).
 */
CH_MUST_USE enum ch_err ch_ca_index_next(struct ch_ca_index_rd *r, struct ch_ca_index_row *row, bool *end,
					 struct ch_diag *d);

#endif
