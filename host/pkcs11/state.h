/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_PKCS11_STATE_H
#define CH_PKCS11_STATE_H

#include "host/pkcs11/token.h"

#include <p11-kit-1/p11-kit/pkcs11.h>

/* Between token.c (module, token, session) and key.c (the key in it). */
struct ch_p11_key {
	void *module;
	CK_FUNCTION_LIST_PTR call;
	bool initialized;
	bool writable;             /* the session is to make objects */
	CK_SESSION_HANDLE session; /* CK_INVALID_HANDLE: none */
	char label[132];           /* of the token, escaped, for people */
	CK_OBJECT_HANDLE object;
	bool pin_each_time; /* CKA_ALWAYS_AUTHENTICATE: the PIN belongs to every signature */
	struct ch_buf pin;  /* kept for that only; wiped */
	struct ch_pubkey pub;
	struct ch_verify_key verify;
};

/* namedCurve secp256r1 (RFC 5480, 2.1.1.1), as CKA_EC_PARAMS has it */
#define CH_P11_P256 CH_SPAN_LIT("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07")

static inline CK_ATTRIBUTE ch_p11_row(CK_ATTRIBUTE_TYPE type, const void *value, size_t n)
{
	/* PKCS #11 declares what it only reads as writable. */
	return (CK_ATTRIBUTE){ type, (void *)(uintptr_t)value, n };
}

/* "CKR_PIN_INCORRECT (0xa0)" for what modules return; static, or made in `to`. */
const char *ch_p11_rv_str(CK_RV rv, char to[static 32]);

/* Steps of ch_p11_key_open, in this order. What they began is ended by ch_p11_key_close. */
CH_MUST_USE enum ch_err ch_p11_load(struct ch_p11_key *k, const struct ch_p11_uri *u, struct ch_p11_why *why);
CH_MUST_USE enum ch_err ch_p11_session(struct ch_p11_key *k, const struct ch_p11_uri *u, const struct ch_p11_ask *ask,
				       struct ch_p11_why *why);
/* How many objects match, 2 at most; the first is in `to`. */
CK_RV ch_p11_find(const struct ch_p11_key *k, CK_ATTRIBUTE *a, CK_ULONG n, CK_OBJECT_HANDLE *to, CK_ULONG *count);
void ch_p11_unload(struct ch_p11_key *k);

#endif
