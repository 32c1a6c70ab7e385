/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_PLATFORM_X509_WRITE_H
#define CH_PLATFORM_X509_WRITE_H

#include "core/platform/x509.h"
#include "core/wire/der_write.h"

/*
 * Writes the certificates that Chainhold issues (RFC 5280): version 3, signed with ECDSA over P-256 and SHA-256, one common name,
 * the few extensions below, in one order. There is no template language: who calls decides every field.
 */

/* Purposes of extKeyUsage: a set of bits. */
#define CH_CERT_EKU_NONE   0u
#define CH_CERT_EKU_CLIENT 1u
#define CH_CERT_EKU_SERVER 2u
#define CH_CERT_EKU_CMC_RA 4u /* registration authority (RFC 6402, 2.10) */
/* signs answers of OCSP; with id-pkix-ocsp-nocheck (RFC 6960, 4.2.2.2.1): it is not asked about itself */
#define CH_CERT_EKU_OCSP 8u

#define CH_CERT_SAN_MAX  16
#define CH_CERT_TEXT_MAX 256 /* one name */

enum ch_cert_san_kind { CH_CERT_SAN_URI, CH_CERT_SAN_DNS, CH_CERT_SAN_IP };

struct ch_cert_san {
	enum ch_cert_san_kind kind;
	struct ch_span value; /* URI and DNS: ASCII; IP: 4 or 16 bytes */
};

struct ch_cert_new {
	struct ch_span serial;     /* 1 to 20 bytes, not all zero: a positive number */
	struct ch_span issuer;     /* the issuer's name, encoded; empty: its own (self-signed) */
	struct ch_span subject_cn; /* UTF-8, 1 to 64 characters (RFC 5280, A.1: ub-common-name) */
	struct ch_span subject;    /* a Name, encoded, in the place of subject_cn; empty: subject_cn */
	int64_t not_before;        /* seconds since 1970 */
	int64_t not_after;
	struct ch_span spki;        /* SubjectPublicKeyInfo, encoded */
	struct ch_span subject_kid; /* subject key identifier */
	struct ch_span issuer_kid;  /* authority key identifier */
	uint16_t key_usage;         /* CH_KU_* (x509.h) */
	uint8_t eku;                /* CH_CERT_EKU_* */
	bool ca;                    /* basicConstraints cA, path length 0 */
	struct ch_cert_san san[CH_CERT_SAN_MAX];
	size_t san_count;
	struct ch_span crl_url;  /* cRLDistributionPoints; ASCII; empty: none */
	struct ch_span ocsp_url; /* authorityInfoAccess, id-ad-ocsp; the same */
};

/*
 * Appends the TBSCertificate: what is signed. CH_ERR_RANGE for a field that breaks the rules above or a time that ends before it
 * begins, CH_ERR_NOSPACE if `w` is too small.
 */
CH_MUST_USE enum ch_err ch_cert_tbs_put(struct ch_wr *w, const struct ch_cert_new *c);
/* Appends the certificate: TBSCertificate, algorithm, signature (r and s, 32 bytes each). CH_ERR_NOSPACE. */
CH_MUST_USE enum ch_err ch_cert_put(struct ch_wr *w, struct ch_span tbs, const uint8_t sig[static 64]);
/* Appends Ecdsa-Sig-Value (RFC 5480, appendix A) of r and s, 32 bytes each. */
CH_MUST_USE enum ch_err ch_ecdsa_sig_put(struct ch_wr *w, const uint8_t sig[static 64]);

/*
 * A key's identifier: the leftmost 160 bits of SHA-256 of the key's bits (RFC 7093, 2, method 1). CH_ERR_UNSUPPORTED for a key
 * that has no SubjectPublicKeyInfo (spki.h).
 */
CH_MUST_USE enum ch_err ch_cert_kid(uint8_t kid[static 20], const struct ch_pub *pub);

#endif
