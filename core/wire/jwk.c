/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/jwk.h"

#include "core/wire/base64.h"
#include "core/wire/json.h"

#define NODES_MAX 64 /* a key has some ten members */

/* The kinds of key that are read, and the members that hold their numbers. `n`: exact bytes of both, 0 if they vary. */
static const struct {
	const char *kty;
	const char *crv; /* NULL: the kind has none */
	enum ch_key_type type;
	const char *a;
	const char *b; /* NULL: the kind has one number */
	uint8_t n;
} kinds[] = {
	{ "EC", "P-256", CH_KEY_P256, "x", "y", 32 }, { "EC", "P-384", CH_KEY_P384, "x", "y", 48 },
	{ "EC", "P-521", CH_KEY_P521, "x", "y", 66 }, { "OKP", "Ed25519", CH_KEY_ED25519, "x", NULL, 32 },
	{ "RSA", NULL, CH_KEY_RSA, "n", "e", 0 },     { "oct", NULL, CH_KEY_NONE, "k", NULL, 0 },
};

/* The member `name`, which must be a string; CH_JSON_NONE in *at if it is absent. */
static enum ch_err string_member(const struct ch_json *j, const char *name, size_t *at, struct ch_diag *d)
{
	enum ch_err err = ch_json_member(j, 0, name, at);
	if (err == CH_ERR_NOTFOUND) {
		*at = CH_JSON_NONE;
		return CH_OK;
	}
	if (err != CH_OK)
		return ch_fail(d, err, 0, "a member of the key is there twice (RFC 7517, 4)");
	if (ch_json_type(j, *at) != CH_JSON_STRING)
		return ch_fail(d, CH_ERR_MALFORMED, j->node[*at].off,
			       "a member of the key is not a string (RFC 7517, 4)");
	return CH_OK;
}

static enum ch_err number(const struct ch_json *j, const char *name, uint8_t *to, size_t cap, size_t exact,
			  struct ch_span *out, struct ch_diag *d)
{
	size_t at = CH_JSON_NONE;
	enum ch_err err = string_member(j, name, &at, d);
	if (err != CH_OK)
		return err;
	if (at == CH_JSON_NONE)
		return ch_fail(d, CH_ERR_MISSING, 0, "the key lacks a number of its kind (RFC 7518, 6)");
	size_t n = 0;
	size_t off = j->node[at].off;
	err = ch_base64_decode(CH_BASE64_URL, ch_json_raw(j, at), to, cap, &n, NULL);
	if (err != CH_OK)
		return ch_fail(d, err, off, "a number of the key is not base64url, or is too long (RFC 7518, 2)");
	if (n == 0 || (exact != 0 && n != exact))
		return ch_fail(d, CH_ERR_RANGE, off, "a number of the key has the wrong length (RFC 7518, 6.2.1.2)");
	*out = ch_span(to, n);
	return CH_OK;
}

/* Index into kinds. */
static enum ch_err kind_of(const struct ch_json *j, size_t *kind, struct ch_diag *d)
{
	size_t kty = CH_JSON_NONE;
	size_t crv = CH_JSON_NONE;
	if (ch_json_type(j, 0) != CH_JSON_OBJECT)
		return ch_fail(d, CH_ERR_MALFORMED, 0, "a JSON Web Key is an object (RFC 7517, 4)");
	enum ch_err err = string_member(j, "kty", &kty, d);
	if (err == CH_OK)
		err = string_member(j, "crv", &crv, d);
	if (err != CH_OK)
		return err;
	if (kty == CH_JSON_NONE)
		return ch_fail(d, CH_ERR_MISSING, 0, "kty is mandatory (RFC 7517, 4.1)");
	for (*kind = 0; *kind < CH_COUNT_OF(kinds); ++*kind) {
		const char *curve = kinds[*kind].crv;
		if (ch_json_str_eq(j, kty, kinds[*kind].kty) &&
		    (curve == NULL || (crv != CH_JSON_NONE && ch_json_str_eq(j, crv, curve))))
			return CH_OK;
	}
	return ch_fail(d, CH_ERR_UNSUPPORTED, j->node[kty].off, "the key's kty or crv is not supported (RFC 7518, 6)");
}

enum ch_err ch_jwk_parse(struct ch_jwk *k, struct ch_span text, struct ch_diag *d)
{
	*k = (struct ch_jwk){ 0 };
	ch_diag_clear(d);
	if (text.n > CH_JWK_TEXT_MAX)
		return ch_fail(d, CH_ERR_LIMIT, 0, "the key is longer than CH_JWK_TEXT_MAX");
	struct ch_json_node node[NODES_MAX];
	struct ch_json j;
	enum ch_err err = ch_json_parse(&j, text, node, CH_COUNT_OF(node), d);
	if (err != CH_OK)
		return err;
	size_t kind = 0;
	err = kind_of(&j, &kind, d);
	struct ch_span a = CH_SPAN_EMPTY;
	struct ch_span b = CH_SPAN_EMPTY;
	if (err == CH_OK)
		err = number(&j, kinds[kind].a, k->a, sizeof(k->a), kinds[kind].n, &a, d);
	if (err == CH_OK && kinds[kind].b != NULL)
		err = number(&j, kinds[kind].b, k->b, sizeof(k->b), kinds[kind].n, &b, d);
	if (err != CH_OK) {
		ch_wipe(k, sizeof(*k));
		return err;
	}
	if (kinds[kind].type == CH_KEY_NONE)
		k->secret = a;
	else
		k->pub = (struct ch_pub){ kinds[kind].type, a, b };
	return CH_OK;
}
