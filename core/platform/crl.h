/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_PLATFORM_CRL_H
#define CH_PLATFORM_CRL_H

#include "core/base/limits.h"
#include "core/wire/der_write.h"

/*
 * Revocation as lists say it (RFC 5280, 5): entries, and the list that Chainhold publishes: version 2, complete, direct, with
 * authorityKeyIdentifier and cRLNumber, signed with ECDSA over P-256 and SHA-256.
 */

/* CRLReason (5.3.1) that a certificate can be revoked with for good. */
enum ch_crl_reason {
	CH_CRL_UNSPECIFIED = 0,
	CH_CRL_KEY_COMPROMISE = 1,
	CH_CRL_CA_COMPROMISE = 2,
	CH_CRL_AFFILIATION_CHANGED = 3,
	CH_CRL_SUPERSEDED = 4,
	CH_CRL_CESSATION = 5,
	CH_CRL_HOLD = 6,   /* read, never written: what is revoked stays so */
	CH_CRL_REMOVE = 8, /* the same: it is of delta CRLs */
	CH_CRL_PRIVILEGE_WITHDRAWN = 9,
	CH_CRL_AA_COMPROMISE = 10,
};

/* True for those that may be written. */
bool ch_crl_reason_final(unsigned reason);
/* "keyCompromise", as RFC 5280 spells it; NULL for a number that is none. */
const char *ch_crl_reason_str(unsigned reason);

/* A certificate's serial number as a number of 160 bits (4.1.2.2: at most 20 octets), leading zeros first: one number, one form. */
struct ch_serial {
	uint8_t b[20];
};
/* From the bytes of a positive number, with or without leading zeros. False if it is 0 or longer than 20 octets. */
CH_MUST_USE bool ch_serial_make(struct ch_serial *s, struct ch_span number);

struct ch_revoked {
	struct ch_serial serial;
	int64_t time;    /* seconds since 1970: when it was revoked */
	uint8_t reason;  /* one of those that are final */
	int64_t expires; /* when the certificate ends */
};

struct ch_crl_new {
	struct ch_span issuer;     /* the CA's subject, encoded */
	struct ch_span issuer_kid; /* its subject key identifier */
	uint64_t number;
	int64_t this_update, next_update; /* seconds since 1970 */
	const struct ch_revoked *entry;   /* those that are to be in it, sorted by whoever calls */
	size_t count;                     /* at most CH_CRL_ENTRIES_MAX */
};

/* Bytes that suffice for a list of `count` entries, signed. */
size_t ch_crl_size_max(const struct ch_crl_new *c);
/*
 * Appends the TBSCertList: what is signed. CH_ERR_RANGE for a reason that is not final, a serial number 0, a time that ends before it
 * begins; CH_ERR_LIMIT; CH_ERR_NOSPACE. ch_cert_put (x509_write.h) puts the signature to it: both have one form.
 */
CH_MUST_USE enum ch_err ch_crl_tbs_put(struct ch_wr *w, const struct ch_crl_new *c);

#endif
