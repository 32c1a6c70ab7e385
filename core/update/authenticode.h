/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_UPDATE_AUTHENTICODE_H
#define CH_UPDATE_AUTHENTICODE_H

#include "core/crypto/hash.h"

/*
 * What an embedded signature of an EFI image says (Windows Authenticode Portable Executable Signature Format 1.0): a PKCS #7 SignedData
 * over the hash of the image. It is read, not verified: which keys a device believes is the business of its db.
 */
struct ch_authenticode {
	enum ch_hash_alg alg;
	struct ch_span digest; /* of the image, as the signer saw it */
	struct ch_span certs;  /* the certificates that came with it, one after the other; may be empty */
};

/* Spans borrow from `pkcs7`, the body of a WIN_CERTIFICATE, which up to 7 zero bytes may pad. */
CH_MUST_USE enum ch_err ch_authenticode_parse(struct ch_authenticode *a, struct ch_span pkcs7, struct ch_diag *d);

#endif
