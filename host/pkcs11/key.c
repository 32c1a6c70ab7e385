/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/text.h"
#include "host/crypto_openssl/backend.h"
#include "host/pkcs11/state.h"

#define OBJECTS_MAX 2 /* enough to know that there is more than one */
#define ID_MAX      256

CK_RV ch_p11_find(const struct ch_p11_key *k, CK_ATTRIBUTE *a, CK_ULONG n, CK_OBJECT_HANDLE *to, CK_ULONG *count)
{
	CK_OBJECT_HANDLE object[OBJECTS_MAX];
	*count = 0;
	CK_RV rv = k->call->C_FindObjectsInit(k->session, a, n);
	if (rv != CKR_OK)
		return rv;
	rv = k->call->C_FindObjects(k->session, object, OBJECTS_MAX, count);
	(void)k->call->C_FindObjectsFinal(k->session);
	if (rv == CKR_OK && *count > 0)
		*to = object[0];
	return rv;
}

/* Reads an attribute; empty if the object does not have it or it does not fit. */
static struct ch_span get(const struct ch_p11_key *k, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, void *to,
			  size_t cap)
{
	CK_ATTRIBUTE a = { type, to, cap };
	CK_RV rv = k->call->C_GetAttributeValue(k->session, object, &a, 1);
	return rv == CKR_OK && a.ulValueLen <= cap ? ch_span(to, a.ulValueLen) : CH_SPAN_EMPTY;
}

static enum ch_err find_private(struct ch_p11_key *k, const struct ch_p11_uri *u, struct ch_p11_why *why)
{
	const CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_ATTRIBUTE a[3] = { ch_p11_row(CKA_CLASS, &class, sizeof(class)) };
	CK_ULONG n = 1, count;
	char text[32], name[300] = "";
	struct ch_span type = u->attr[CH_P11_TYPE], label = u->attr[CH_P11_OBJECT], id = u->attr[CH_P11_ID];
	if (type.p != NULL && !ch_span_eq(type, CH_SPAN_LIT("private")))
		return ch_p11_say(why, CH_ERR_UNSUPPORTED, "the URI names no private key: type=private");
	if (label.p != NULL)
		a[n++] = ch_p11_row(CKA_LABEL, label.p, label.n);
	if (id.p != NULL)
		a[n++] = ch_p11_row(CKA_ID, id.p, id.n);
	struct ch_wr w = ch_wr(name, sizeof(name) - 1);
	ch_text_escape(&w, label);
	CK_RV rv = ch_p11_find(k, a, n, &k->object, &count);
	if (rv != CKR_OK)
		return ch_p11_say(why, CH_ERR_IO, "token \"%s\" does not look for keys: %s", k->label,
				  ch_p11_rv_str(rv, text));
	if (count == 0)
		return ch_p11_say(
			why, CH_ERR_NOTFOUND,
			"token \"%s\" has no private key%s%s%s: pkcs11-tool --login --list-objects shows what it has",
			k->label, label.p != NULL ? " \"" : " that the URI names", name, label.p != NULL ? "\"" : "");
	if (count > 1)
		return ch_p11_say(why, CH_ERR_DUPLICATE,
				  "more than one private key of token \"%s\" matches: add id= (and object=) to the URI",
				  k->label);
	return CH_OK;
}

/* CKA_EC_POINT is an OCTET STRING around the point (2.40, 2.3.3); some modules give the point bare. */
static struct ch_span point_of(struct ch_span value)
{
	if (value.n == 67 && value.p[0] == 0x04 && value.p[1] == 65)
		value = ch_span_sub(value, 2, 65);
	return value.n == 65 && value.p[0] == 0x04 ? ch_span_sub(value, 1, 64) : CH_SPAN_EMPTY;
}

/* The point is on the public key with the same id (or label where there is none); some tokens keep it on the private key too. */
static struct ch_span find_point(struct ch_p11_key *k, uint8_t to[static 67])
{
	const CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
	uint8_t id[ID_MAX], label[ID_MAX];
	CK_OBJECT_HANDLE public;
	CK_ULONG count = 0;
	struct ch_span i = get(k, k->object, CKA_ID, id, sizeof(id));
	struct ch_span l = get(k, k->object, CKA_LABEL, label, sizeof(label));
	CK_ATTRIBUTE a[] = { ch_p11_row(CKA_CLASS, &class, sizeof(class)),
			     i.n > 0 ? ch_p11_row(CKA_ID, i.p, i.n) : ch_p11_row(CKA_LABEL, l.p, l.n) };
	struct ch_span point = CH_SPAN_EMPTY;
	if ((i.n > 0 || l.n > 0) && ch_p11_find(k, a, CH_COUNT_OF(a), &public, &count) == CKR_OK && count == 1)
		point = point_of(get(k, public, CKA_EC_POINT, to, 67));
	return point.n > 0 ? point : point_of(get(k, k->object, CKA_EC_POINT, to, 67));
}

static enum ch_err read_key(struct ch_p11_key *k, struct ch_p11_why *why)
{
	CK_KEY_TYPE type = 0;
	CK_BBOOL each = CK_FALSE;
	uint8_t params[32], room[67];
	(void)get(k, k->object, CKA_KEY_TYPE, &type, sizeof(type));
	struct ch_span curve = get(k, k->object, CKA_EC_PARAMS, params, sizeof(params));
	if (type != CKK_EC || !ch_span_eq(curve, CH_P11_P256))
		return ch_p11_say(why, CH_ERR_UNSUPPORTED,
				  "the key in token \"%s\" is not ECDSA on P-256, the one kind that is supported",
				  k->label);
	(void)get(k, k->object, CKA_ALWAYS_AUTHENTICATE, &each, sizeof(each));
	k->pin_each_time = each != CK_FALSE;
	struct ch_span point = find_point(k, room);
	if (point.n == 0)
		return ch_p11_say(
			why, CH_ERR_MISSING,
			"token \"%s\" has no public key beside the private one: write it there, with the same id",
			k->label);
	ch_span_copy(k->pub.a, 32, point);
	ch_span_copy(k->pub.b, 32, ch_span_sub(point, 32, 32));
	k->pub.pub = (struct ch_pub){ CH_KEY_P256, ch_span(k->pub.a, 32), ch_span(k->pub.b, 32) };
	if (ch_crypto_openssl_init() != CH_OK || ch_verify_key_init(&k->verify, &k->pub.pub) != CH_OK)
		return ch_p11_say(why, CH_ERR_KEY, "the public key in token \"%s\" is not valid", k->label);
	return CH_OK;
}

enum ch_err ch_p11_key_open(struct ch_p11_key **out, const struct ch_p11_uri *u, const struct ch_p11_ask *ask,
			    struct ch_p11_why *why)
{
	struct ch_p11_key *k = ch_calloc(1, sizeof(*k));
	*out = NULL;
	enum ch_err err = ch_p11_load(k, u, why);
	if (err == CH_OK)
		err = ch_p11_session(k, u, ask, why);
	if (err == CH_OK)
		err = find_private(k, u, why);
	if (err == CH_OK)
		err = read_key(k, why);
	if (err != CH_OK) {
		ch_p11_key_close(k);
		return err;
	}
	if (!k->pin_each_time)
		ch_wipe(k->pin.p, k->pin.cap);
	*out = k;
	return CH_OK;
}

void ch_p11_key_close(struct ch_p11_key *k)
{
	if (k == NULL)
		return;
	ch_p11_unload(k);
	ch_verify_key_clear(&k->verify);
	ch_wipe(k->pin.p, k->pin.cap);
	ch_buf_free(&k->pin);
	ch_free(k);
}

const struct ch_pub *ch_p11_key_pub(const struct ch_p11_key *k)
{
	return &k->pub.pub;
}

static CK_RV sign(const struct ch_p11_key *k, const uint8_t digest[static 32], uint8_t rs[static 64], CK_ULONG *n)
{
	CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 };
	uint8_t in[32];
	ch_span_copy(in, sizeof(in), ch_span(digest, 32));
	CK_RV rv = k->call->C_SignInit(k->session, &ecdsa, k->object);
	if (rv == CKR_OK && k->pin_each_time)
		rv = k->call->C_Login(k->session, CKU_CONTEXT_SPECIFIC, k->pin.p, k->pin.n);
	return rv == CKR_OK ? k->call->C_Sign(k->session, in, sizeof(in), rs, n) : rv;
}

enum ch_err ch_p11_sign(struct ch_p11_key *k, const uint8_t digest[static 32], uint8_t rs[static 64],
			struct ch_p11_why *why)
{
	char text[32];
	uint8_t out[64] = { 0 };
	CK_ULONG n = sizeof(out);
	ch_wipe(rs, 64);
	CK_RV rv = sign(k, digest, out, &n);
	if (rv != CKR_OK)
		return ch_p11_say(why, CH_ERR_IO, "token \"%s\" does not sign: %s", k->label, ch_p11_rv_str(rv, text));
	const struct ch_sig sig = { CH_SIG_ECDSA, CH_HASH_SHA256, ch_span(out, 32), ch_span(out + 32, 32),
				    CH_PSS_SALT_DIGEST };
	if (n != sizeof(out) || ch_verify_digest(&k->verify, &sig, ch_span(digest, 32)) != CH_OK)
		return ch_p11_say(
			why, CH_ERR_CRYPTO,
			"what token \"%s\" signed does not verify with its public key: the two are no pair, or the token is defective",
			k->label);
	ch_span_copy(rs, 64, CH_SPAN_OF(out));
	return CH_OK;
}
