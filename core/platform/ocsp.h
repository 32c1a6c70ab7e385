/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_PLATFORM_OCSP_H
#define CH_PLATFORM_OCSP_H

#include "core/crypto/hash.h"
#include "core/platform/crl.h"
#include "core/wire/der_write.h"

/*
 * The Online Certificate Status Protocol (RFC 6960; RFC 5019 for the requests that the many send; RFC 9654 for the nonce): a request
 * read into spans, and the answers that Chainhold gives. docs/protocol/ocsp.md has every rule.
 */

/* --- requests --- */

/* Which certificate is asked about (4.1.1), the number with its leading zero octet gone. */
struct ch_ocsp_cert_id {
	struct ch_span whole;    /* CertID with its tag */
	enum ch_hash_alg hash;   /* CH_HASH_NONE: one that nothing here computes, or another algorithm */
	bool null_params;        /* the parameters of the algorithm are NULL; else absent */
	struct ch_span name_sum; /* issuerNameHash */
	struct ch_span key_sum;  /* issuerKeyHash */
	struct ch_serial serial;
};

struct ch_ocsp_request {
	struct ch_ocsp_cert_id id[CH_OCSP_IDS_MAX];
	size_t count;         /* at least 1 */
	struct ch_span nonce; /* 1 to CH_OCSP_NONCE_MAX octets; empty if there is none */
	bool has_name;        /* requestorName, and a signature: which nobody here looks at, for anybody may ask */
	bool has_signature;
	bool single_extension; /* a request has extensions of its own: none of them is known, none critical */
};

/*
 * Reads one OCSPRequest; nothing may follow it. At most CH_OCSP_REQUEST_MAX bytes. The spans borrow from `in`. Whatever is refused here is
 * answered by malformedRequest.
 */
CH_MUST_USE enum ch_err ch_ocsp_request_parse(struct ch_ocsp_request *r, struct ch_span in, struct ch_diag *d);

/*
 * The request in the path of a GET (RFC 6960, A.1): percent-encoded base64, of which '/', '+' and '=' may also stand as they are, after
 * any number of slashes. *n bytes at `to`. CH_ERR_ENCODING, CH_ERR_TRUNCATED, CH_ERR_LIMIT if it is longer than CH_OCSP_REQUEST_MAX.
 */
CH_MUST_USE enum ch_err ch_ocsp_get_decode(uint8_t to[static CH_OCSP_REQUEST_MAX], size_t *n, struct ch_span path,
					   struct ch_diag *d);

/* --- whose certificates --- */

/* What CertIDs call an issuer, by each algorithm that they may use. */
#define CH_OCSP_HASHES 4
struct ch_ocsp_issuer {
	struct ch_digest name[CH_OCSP_HASHES]; /* of the subject, encoded */
	struct ch_digest key[CH_OCSP_HASHES];  /* of the bits of the public key */
};

/* `spki` is the issuer's SubjectPublicKeyInfo. CH_ERR_UNSUPPORTED without a backend for the four, else what is malformed. */
CH_MUST_USE enum ch_err ch_ocsp_issuer_make(struct ch_ocsp_issuer *i, struct ch_span subject, struct ch_span spki);
bool ch_ocsp_issuer_is(const struct ch_ocsp_issuer *i, const struct ch_ocsp_cert_id *id);

/* --- answers --- */

/* OCSPResponseStatus (4.2.1). */
enum ch_ocsp_status {
	CH_OCSP_SUCCESSFUL = 0,
	CH_OCSP_MALFORMED = 1,
	CH_OCSP_INTERNAL = 2,
	CH_OCSP_TRY_LATER = 3,
	CH_OCSP_SIG_REQUIRED = 5,
	CH_OCSP_UNAUTHORIZED = 6,
};

/* CertStatus (4.2.1). */
enum ch_ocsp_cert_status { CH_OCSP_GOOD = 0, CH_OCSP_REVOKED = 1, CH_OCSP_UNKNOWN = 2 };

struct ch_ocsp_single {
	enum ch_hash_alg hash; /* the CertID is made again from these four: the bytes that were asked with */
	bool null_params;
	struct ch_serial serial;
	enum ch_ocsp_cert_status status;
	int64_t revoked; /* with CH_OCSP_REVOKED: when, seconds since 1970 */
	uint8_t reason;
};

struct ch_ocsp_new {
	const struct ch_ocsp_issuer *issuer;
	struct ch_span responder_key; /* SHA-1 of the responder's key bits: 20 octets (4.2.1, KeyHash) */
	int64_t produced, this_update, next_update;
	const struct ch_ocsp_single *single;
	size_t count;         /* 1 to CH_OCSP_IDS_MAX */
	struct ch_span nonce; /* empty: none */
};

#define CH_OCSP_ANSWER_MAX 4096 /* bytes of any answer, its certificate (at most 1024 bytes) included */

/* Appends the ResponseData: what is signed. CH_ERR_RANGE for a field that breaks the rules above, CH_ERR_NOSPACE. */
CH_MUST_USE enum ch_err ch_ocsp_tbs_put(struct ch_wr *w, const struct ch_ocsp_new *o);
/* Appends the whole answer: ResponseData, ecdsa-with-SHA256, r and s of 32 bytes each, the responder's certificate. CH_ERR_NOSPACE. */
CH_MUST_USE enum ch_err ch_ocsp_put(struct ch_wr *w, struct ch_span tbs, const uint8_t sig[static 64],
				    struct ch_span certificate);
/* The same that the CA signed itself (2.6): `sig` as it stands in the BIT STRING, `sig_alg` its AlgorithmIdentifier; no certificate is with it. */
CH_MUST_USE enum ch_err ch_ocsp_put_by_ca(struct ch_wr *w, struct ch_span tbs, struct ch_span sig_alg,
					  struct ch_span sig);
/* An answer that is only a status, not CH_OCSP_SUCCESSFUL: five bytes of static memory. */
struct ch_span ch_ocsp_error(enum ch_ocsp_status status);

#endif
