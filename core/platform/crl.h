/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_PLATFORM_CRL_H
#define CH_PLATFORM_CRL_H

#include "core/base/limits.h"
#include "core/platform/x509.h"
#include "core/wire/der_write.h"

/*
 * Revocation as lists say it (RFC 5280, 5): entries; lists that anybody made, read; and the list that Chainhold publishes: version 2,
 * complete, direct, with authorityKeyIdentifier and cRLNumber, signed with ECDSA over P-256 and SHA-256. docs/protocol/crl.md.
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

/* --- reading --- */

struct ch_crl_entry {
	struct ch_span serial; /* contents of the INTEGER: positive, at most 20 octets beside the sign's */
	int64_t time;          /* seconds since 1970: when it was revoked */
	bool has_reason;
	uint8_t reason; /* CH_CRL_UNSPECIFIED where none is said */
	bool has_invalidity;
	int64_t invalidity; /* since when the key is believed to be compromised (5.3.2) */
};

struct ch_crl {
	/* raw, tbs, issuer, sig_alg, sig, authority_key_id, extensions. The fields that only a certificate has are zero. */
	struct ch_x509 x;
	uint8_t version; /* 1 or 2 */
	int64_t this_update;
	bool has_next; /* RFC 5280 requires it, X.509 does not */
	int64_t next_update;
	struct ch_span number; /* cRLNumber without a leading zero; empty if absent */
	size_t count;
	struct ch_span entries; /* of ch_crl_entries() */
	size_t entries_at;      /* offset in the input */
};

/*
 * Reads one list; nothing may follow it. At most CH_CRL_MAX bytes and CH_CRL_ENTRIES_MAX entries. The spans borrow from `in`. Total. What is
 * read is complete and direct: whoever looks a certificate up in it needs to ask nothing more about it. CH_ERR_UNSUPPORTED therefore for a delta
 * (5.2.4), a list of a part or of another's certificates (5.2.5, 5.3.3), and any critical extension that is not known (5.2, 5.3);
 * CH_ERR_DUPLICATE for an extension that occurs twice. The diagnosis counts entries from 0. A serial number that occurs twice is left to who looks.
 */
CH_MUST_USE enum ch_err ch_crl_parse(struct ch_crl *c, struct ch_span in, struct ch_diag *d);

/* The entries of a list that was read, in its order. */
struct ch_crl_rd {
	struct ch_der_rd list;
	uint8_t version;
};
struct ch_crl_rd ch_crl_entries(const struct ch_crl *c);
/* False after the last. */
bool ch_crl_next(struct ch_crl_rd *r, struct ch_crl_entry *e);

/*
 * That the list is of the CA whose certificate this is (5.1.1.2, 5.1.2.3, 5.2.1, 6.3.3 f): its name, its key identifier where both give one, its right to
 * sign lists, its signature. CH_ERR_UNTRUSTED, CH_ERR_SIGNATURE, CH_ERR_KEY, CH_ERR_UNSUPPORTED (as well for one over SHA-1); `d->rule` says which.
 */
CH_MUST_USE enum ch_err ch_crl_verify(const struct ch_crl *c, const struct ch_x509 *ca, struct ch_diag *d);

/* --- writing --- */

struct ch_crl_new {
	struct ch_span sig_alg;    /* AlgorithmIdentifier, encoded; empty: ECDSA over P-256 and SHA-256 */
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
/* The same with a signature of another kind: `sig` is what goes into the BIT STRING. CH_ERR_NOSPACE. */
CH_MUST_USE enum ch_err ch_crl_put(struct ch_wr *w, struct ch_span tbs, struct ch_span sig_alg, struct ch_span sig);

#endif
