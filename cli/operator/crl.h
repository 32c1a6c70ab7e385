/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_OPERATOR_CRL_H
#define CH_OPERATOR_CRL_H

#include "cli/operator/cert.h"
#include "core/platform/crl.h"

/* Lists of an offline root (RFC 5280, 5), as files. Whoever wrote them, they are read by core's parser and judged by its rules. */

#define OP_CRLS_MAX 16

struct op_crl {
	struct ch_buf der;
	struct ch_crl crl; /* borrows from der */
	uint64_t number;   /* 0 if it has none */
};
struct op_crls {
	size_t count;
	struct op_crl v[OP_CRLS_MAX];
};
void op_crls_clear(struct op_crls *l);
#define OP_AUTO_CRLS __attribute__((cleanup(op_crls_clear)))

/* True for a text with lists in PEM ("X509 CRL") and no certificates. */
bool op_crls_is(struct ch_span in);
/* Adds the list in DER, or every one in PEM: one at least, each of at most CH_ROOT_LIST_MAX bytes, with a nextUpdate. `path` is for messages. -1 to go on. */
int op_crls_take(struct op_crls *l, struct ch_span in, const char *path);
int op_crls_read(struct op_crls *l, const char *path);
/* True if this CA signed it (ch_crl_verify). */
bool op_crl_is_by(const struct op_crl *l, X509 *ca);
/* True if the serial number of `x` is in it: whose list it is, is for the caller to know. */
bool op_crl_has(const struct op_crl *l, X509 *x);
/* Appends a list in PEM. False if OpenSSL fails. */
CH_MUST_USE bool op_crl_pem(struct ch_buf *to, struct ch_span der);

#endif
