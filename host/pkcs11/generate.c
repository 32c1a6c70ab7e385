/* SPDX-License-Identifier: Apache-2.0 */
#include "host/pkcs11/state.h"

#include <sys/random.h>

#define LABEL_DEFAULT "Chainhold CA"
#define ID_BYTES      8

/* No other private key may have this label or this id: one that is made is to be found by its name. */
static enum ch_err check_free(const struct ch_p11_key *k, struct ch_span label, struct ch_span id,
			      struct ch_p11_why *why)
{
	const CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_OBJECT_HANDLE there;
	CK_ULONG count = 0;
	char text[32];
	CK_ATTRIBUTE a[] = { ch_p11_row(CKA_CLASS, &class, sizeof(class)),
			     label.p != NULL ? ch_p11_row(CKA_LABEL, label.p, label.n)
					     : ch_p11_row(CKA_ID, id.p, id.n) };
	CK_RV rv = ch_p11_find(k, a, CH_COUNT_OF(a), &there, &count);
	if (rv != CKR_OK)
		return ch_p11_say(why, CH_ERR_IO, "token \"%s\" does not look for keys: %s", k->label,
				  ch_p11_rv_str(rv, text));
	return count == 0 ? CH_OK
			  : ch_p11_say(why, CH_ERR_DUPLICATE,
				       "token \"%s\" has a private key of this name already: name another", k->label);
}

static enum ch_err make(const struct ch_p11_key *k, struct ch_span label, struct ch_span id, struct ch_p11_why *why)
{
	const struct ch_span curve = CH_P11_P256;
	const CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_MECHANISM ec = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
	CK_OBJECT_HANDLE public, private;
	char text[32];
	CK_ATTRIBUTE of_public[] = { ch_p11_row(CKA_TOKEN, &yes, sizeof(yes)),
				     ch_p11_row(CKA_VERIFY, &yes, sizeof(yes)),
				     ch_p11_row(CKA_EC_PARAMS, curve.p, curve.n),
				     ch_p11_row(CKA_LABEL, label.p, label.n), ch_p11_row(CKA_ID, id.p, id.n) };
	CK_ATTRIBUTE of_private[] = { ch_p11_row(CKA_TOKEN, &yes, sizeof(yes)),
				      ch_p11_row(CKA_PRIVATE, &yes, sizeof(yes)),
				      ch_p11_row(CKA_SENSITIVE, &yes, sizeof(yes)),
				      ch_p11_row(CKA_EXTRACTABLE, &no, sizeof(no)),
				      ch_p11_row(CKA_SIGN, &yes, sizeof(yes)),
				      ch_p11_row(CKA_LABEL, label.p, label.n),
				      ch_p11_row(CKA_ID, id.p, id.n) };
	CK_RV rv = k->call->C_GenerateKeyPair(k->session, &ec, of_public, CH_COUNT_OF(of_public), of_private,
					      CH_COUNT_OF(of_private), &public, &private);
	return rv == CKR_OK ? CH_OK
			    : ch_p11_say(why, CH_ERR_IO, "token \"%s\" makes no key of P-256: %s", k->label,
					 ch_p11_rv_str(rv, text));
}

enum ch_err ch_p11_key_generate(const struct ch_p11_uri *u, const struct ch_p11_ask *ask, struct ch_p11_why *why)
{
	struct ch_p11_key *k = ch_calloc(1, sizeof(*k));
	struct ch_span label = u->attr[CH_P11_OBJECT], id = u->attr[CH_P11_ID];
	uint8_t random[ID_BYTES];
	if (label.p == NULL && id.p == NULL) {
		ch_free(k);
		return ch_p11_say(why, CH_ERR_MISSING,
				  "the URI does not say what the new key is to be called: object=NAME");
	}
	k->writable = true;
	enum ch_err err = ch_p11_load(k, u, why);
	if (err == CH_OK)
		err = ch_p11_session(k, u, ask, why);
	if (err == CH_OK && label.p != NULL)
		err = check_free(k, label, CH_SPAN_EMPTY, why);
	if (err == CH_OK && id.p != NULL)
		err = check_free(k, CH_SPAN_EMPTY, id, why);
	if (err == CH_OK && getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		err = ch_p11_say(why, CH_ERR_IO, "there is no randomness");
	if (err == CH_OK)
		err = make(k, label.p != NULL ? label : CH_SPAN_LIT(LABEL_DEFAULT),
			   id.p != NULL ? id : CH_SPAN_OF(random), why);
	ch_p11_key_close(k);
	return err;
}
