/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_PLATFORM_CSR_H
#define CH_PLATFORM_CSR_H

#include "core/platform/x509.h"

/*
 * Certification requests (PKCS #10, RFC 2986) read into spans: what somebody asks to be certified. Nothing of it is granted by
 * being read; core/trust/cert_profile.h judges it. docs/protocol/csr.md.
 */

/* A GeneralName of a requested subjectAltName (RFC 5280, 4.2.1.6). `tag` is its identifier octet: [0] to [8]. */
struct ch_csr_name {
	uint8_t tag;
	struct ch_span value; /* contents octets */
};

struct ch_csr {
	/*
	 * raw, tbs (CertificationRequestInfo: what is signed), subject, spki, key_alg, pub, sig_alg, sig, and what extensionRequest
	 * (RFC 2985, 5.4.2) asks for: basicConstraints, keyUsage, extensions. The fields that only a certificate has are zero.
	 */
	struct ch_x509 x;
	bool has_challenge;
	struct ch_x509_text challenge; /* challengePassword (RFC 2985, 5.4.1) */
	size_t attr_count;             /* types of the attributes, known or not */
	struct ch_span attr[CH_CSR_ATTRS_MAX];
	size_t name_count;
	struct ch_csr_name name[CH_CSR_NAMES_MAX];
	size_t purpose_count; /* extKeyUsage */
	struct ch_span purpose[CH_CSR_PURPOSES_MAX];
};

/*
 * Reads one request; nothing may follow it. At most CH_CSR_MAX bytes. The spans borrow from `in`. Total. CH_ERR_DUPLICATE for an
 * attribute or an extension that occurs twice, CH_ERR_UNSUPPORTED for another version than v1.
 */
CH_MUST_USE enum ch_err ch_csr_parse(struct ch_csr *c, struct ch_span in, struct ch_diag *d);

/*
 * Proof of possession: the requested key made the signature. CH_ERR_SIGNATURE if it does not hold, CH_ERR_KEY for a key that is not
 * valid or too weak (ch_verify_key_init), CH_ERR_UNSUPPORTED for a key or a signature of a kind that we do not verify, or one
 * over SHA-1; `d->rule` says which.
 */
CH_MUST_USE enum ch_err ch_csr_verify(const struct ch_csr *c, struct ch_diag *d);

/* "dNSName", … of a GeneralName's tag; "a name of an unknown kind" for another. Static. */
const char *ch_csr_name_str(uint8_t tag);

#endif
