/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/psa_token.h"

#include "core/wire/cbor.h"

#define EAT_PROFILE 265

static const char *const profile_text[] = {
	[CH_PSA_PROFILE_NONE] = "",
	[CH_PSA_PROFILE_1] = "PSA_IOT_PROFILE_1",
	[CH_PSA_PROFILE_2] = "http://arm.com/psa/2.0.0",
	[CH_PSA_PROFILE_TFM] = "tag:psacertified.org,2023:psa#tfm",
};

enum form { FORM_BYTES, FORM_TEXT, FORM_INT, FORM_UINT, FORM_COMPONENTS };

/* Keys of each claim; 0: the profile does not have it. Profile 2 has two keys for the boot seed. */
static const struct {
	const char *name;
	enum form form;
	int32_t profile1;
	int32_t tfm;
} claims[CH_PSA_CLAIM_COUNT] = {
	[CH_PSA_PROFILE] = { "profile", FORM_TEXT, -75000, EAT_PROFILE },
	[CH_PSA_NONCE] = { "nonce", FORM_BYTES, -75008, 10 },
	[CH_PSA_INSTANCE_ID] = { "instance_id", FORM_BYTES, -75009, 256 },
	[CH_PSA_IMPLEMENTATION_ID] = { "implementation_id", FORM_BYTES, -75003, 2396 },
	[CH_PSA_CLIENT_ID] = { "client_id", FORM_INT, -75001, 2394 },
	[CH_PSA_LIFECYCLE] = { "security_lifecycle", FORM_UINT, -75002, 2395 },
	[CH_PSA_BOOT_SEED] = { "boot_seed", FORM_BYTES, -75004, 268 },
	[CH_PSA_CERTIFICATION_REFERENCE] = { "certification_reference", FORM_TEXT, -75005, 2398 },
	[CH_PSA_SOFTWARE_COMPONENTS] = { "software_components", FORM_COMPONENTS, -75006, 2399 },
	[CH_PSA_NO_SOFTWARE_MEASUREMENTS] = { "no_software_measurements", FORM_UINT, -75007, 0 },
	[CH_PSA_VERIFICATION_SERVICE] = { "verification_service", FORM_TEXT, -75010, 2400 },
};
#define PROFILE_2_BOOT_SEED 2397

/* RFC 9783, 4.4.1. Key 3 is reserved. */
static const struct {
	const char *name;
	int64_t key;
	enum form form;
} sw_fields[CH_PSA_SW_FIELD_COUNT] = {
	[CH_PSA_SW_TYPE] = { "measurement_type", 1, FORM_TEXT },
	[CH_PSA_SW_MEASUREMENT] = { "measurement_value", 2, FORM_BYTES },
	[CH_PSA_SW_VERSION] = { "version", 4, FORM_TEXT },
	[CH_PSA_SW_SIGNER_ID] = { "signer_id", 5, FORM_BYTES },
	[CH_PSA_SW_DESCRIPTION] = { "measurement_description", 6, FORM_TEXT },
};

/* IANA "CBOR Web Token (CWT) Claims": RFC 8392 and RFC 9711. */
static const struct {
	int16_t key;
	const char *name;
} eat_claims[] = {
	{ 1, "iss" },           { 2, "sub" },         { 3, "aud" },
	{ 4, "exp" },           { 5, "nbf" },         { 6, "iat" },
	{ 7, "cti" },           { 8, "cnf" },         { 10, "eat_nonce" },
	{ 256, "ueid" },        { 257, "sueids" },    { 258, "oemid" },
	{ 259, "hwmodel" },     { 260, "hwversion" }, { 261, "uptime" },
	{ 262, "oemboot" },     { 263, "dbgstat" },   { 264, "location" },
	{ 265, "eat_profile" }, { 266, "submods" },   { 267, "bootcount" },
	{ 268, "bootseed" },    { 269, "dloas" },     { 270, "swname" },
	{ 271, "swversion" },   { 272, "manifests" }, { 273, "measurements" },
	{ 274, "measres" },     { 275, "intuse" },
};

const char *ch_psa_profile_str(enum ch_psa_profile profile)
{
	return (size_t)profile < CH_COUNT_OF(profile_text) ? profile_text[profile] : "";
}

const char *ch_psa_claim_str(enum ch_psa_claim claim)
{
	return (size_t)claim < CH_COUNT_OF(claims) ? claims[claim].name : "";
}

const char *ch_psa_sw_field_str(enum ch_psa_sw_field field)
{
	return (size_t)field < CH_COUNT_OF(sw_fields) ? sw_fields[field].name : "";
}

const char *ch_eat_claim_str(int64_t key)
{
	for (size_t i = 0; i < CH_COUNT_OF(eat_claims); i++) {
		if (eat_claims[i].key == key)
			return eat_claims[i].name;
	}
	return NULL;
}

/* A claim's key: an integer, or text, which no claim here has. Returns 0 for text; 0 is no claim either (it is reserved). */
static int64_t read_key(struct ch_cbor *r)
{
	if (ch_cbor_peek(r) != CH_CBOR_TSTR)
		return ch_cbor_int(r);
	(void)ch_cbor_tstr(r);
	return 0;
}

/* The claim that a profile has under `key`; CH_PSA_CLAIM_COUNT if none. */
static enum ch_psa_claim claim_of(enum ch_psa_profile profile, int64_t key)
{
	if (profile == CH_PSA_PROFILE_2 && key == PROFILE_2_BOOT_SEED)
		return CH_PSA_BOOT_SEED;
	for (size_t i = 0; i < CH_PSA_CLAIM_COUNT; i++) {
		int32_t own = profile == CH_PSA_PROFILE_1 ? claims[i].profile1 : claims[i].tfm;
		if (own != 0 && own == key)
			return (enum ch_psa_claim)i;
	}
	return CH_PSA_CLAIM_COUNT;
}

static enum ch_psa_profile profile_of_text(struct ch_cbor *r)
{
	size_t at = r->off;
	if (ch_cbor_peek(r) == CH_CBOR_TSTR) {
		struct ch_span text = ch_cbor_tstr(r);
		if (ch_span_eq(text, ch_span_str(profile_text[CH_PSA_PROFILE_TFM])))
			return CH_PSA_PROFILE_TFM;
		if (ch_span_eq(text, ch_span_str(profile_text[CH_PSA_PROFILE_2])))
			return CH_PSA_PROFILE_2;
	}
	ch_cbor_refuse(r, CH_ERR_UNSUPPORTED, at, "eat_profile names a profile that is not supported (RFC 9783, 5)");
	return CH_PSA_PROFILE_NONE;
}

/*
 * First pass: keys are of the right kind, each there once, all well-formed; and which profile this is.
 */
static enum ch_psa_profile survey(struct ch_cbor *r)
{
	struct ch_span key[CH_PSA_CLAIMS_MAX];
	enum ch_psa_profile named = CH_PSA_PROFILE_NONE;
	bool private_keys = false;
	bool tfm_keys = false;
	if (ch_cbor_peek(r) == CH_CBOR_TAG)
		ch_cbor_refuse(r, CH_ERR_UNSUPPORTED, 0,
			       "the payload is a tagged item, not a claims-set (RFC 9783, 4)");
	size_t count = ch_cbor_map(r);
	if (count > CH_PSA_CLAIMS_MAX)
		ch_cbor_refuse(r, CH_ERR_LIMIT, 0, "a token has more claims than CH_PSA_CLAIMS_MAX");
	for (size_t i = 0; i < count && r->err == CH_OK; i++) {
		size_t at = r->off;
		int64_t k = read_key(r);
		key[i] = ch_span_sub(r->in, at, r->off - at);
		for (size_t n = 0; n < i && r->err == CH_OK; n++) {
			if (ch_cbor_key_eq(key[n], key[i]))
				ch_cbor_refuse(r, CH_ERR_DUPLICATE, at, "a claim is there twice (RFC 8392, 1.1)");
		}
		private_keys = private_keys || (k <= -75000 && k >= -75010);
		tfm_keys = tfm_keys || (k >= 2394 && k <= 2400);
		if (k == EAT_PROFILE)
			named = profile_of_text(r);
		else
			(void)ch_cbor_skip(r);
	}
	if (named != CH_PSA_PROFILE_NONE)
		return named;
	if (!private_keys && !tfm_keys)
		ch_cbor_refuse(r, CH_ERR_UNSUPPORTED, 0, "the payload has no claim of a PSA token (RFC 9783, 4)");
	return private_keys ? CH_PSA_PROFILE_1 : CH_PSA_PROFILE_TFM;
}

static void read_component(struct ch_cbor *r, struct ch_psa_sw *sw)
{
	size_t at = r->off;
	size_t count = ch_cbor_map(r);
	if (count > CH_COSE_LABELS_MAX)
		ch_cbor_refuse(r, CH_ERR_LIMIT, at, "a software component has more than 16 entries");
	struct ch_span key[CH_COSE_LABELS_MAX];
	for (size_t i = 0; i < count && r->err == CH_OK; i++) {
		at = r->off;
		int64_t k = read_key(r);
		key[i] = ch_span_sub(r->in, at, r->off - at);
		for (size_t n = 0; n < i && r->err == CH_OK; n++) {
			if (ch_cbor_key_eq(key[n], key[i]))
				ch_cbor_refuse(r, CH_ERR_DUPLICATE, at,
					       "an entry of a software component is there twice (RFC 9783, 4.4.1)");
		}
		size_t f = 0;
		while (f < CH_PSA_SW_FIELD_COUNT && sw_fields[f].key != k)
			f++;
		if (f == CH_PSA_SW_FIELD_COUNT) {
			(void)ch_cbor_skip(r);
			continue;
		}
		sw->present |= 1u << f;
		sw->field[f] = sw_fields[f].form == FORM_TEXT ? ch_cbor_tstr(r) : ch_cbor_bstr(r);
	}
}

static void read_components(struct ch_cbor *r, struct ch_psa_token *t)
{
	size_t at = r->off;
	size_t count = ch_cbor_array(r);
	if (count > CH_PSA_SW_MAX) {
		ch_cbor_refuse(r, CH_ERR_LIMIT, at, "a token has more software components than CH_PSA_SW_MAX");
		return;
	}
	for (size_t i = 0; i < count && r->err == CH_OK; i++)
		read_component(r, &t->sw[i]);
	t->sw_count = count;
}

static void read_claim(struct ch_cbor *r, struct ch_psa_token *t, enum ch_psa_claim claim)
{
	uint64_t number = 0;
	switch (claims[claim].form) {
	case FORM_BYTES:
		t->bytes[claim] = ch_cbor_bstr(r);
		break;
	case FORM_TEXT:
		t->bytes[claim] = ch_cbor_tstr(r);
		break;
	case FORM_INT:
		t->client_id = ch_cbor_int(r);
		break;
	case FORM_UINT:
		number = ch_cbor_uint(r);
		*(claim == CH_PSA_LIFECYCLE ? &t->lifecycle : &t->no_software_measurements) = number;
		break;
	case FORM_COMPONENTS:
		read_components(r, t);
		break;
	}
	t->present |= 1u << claim;
}

enum ch_err ch_psa_token_parse(struct ch_psa_token *t, struct ch_span in, struct ch_diag *d)
{
	*t = (struct ch_psa_token){ 0 };
	ch_diag_clear(d);
	struct ch_cbor r = ch_cbor(in, CH_CBOR_DEFINITE);
	enum ch_psa_profile profile = survey(&r);
	enum ch_err err = ch_cbor_end(&r, d);
	if (err != CH_OK)
		return err;
	t->profile = profile;
	t->claims = in;
	r = ch_cbor(in, CH_CBOR_DEFINITE);
	size_t count = ch_cbor_map(&r);
	for (size_t i = 0; i < count && r.err == CH_OK; i++) {
		size_t at = r.off;
		enum ch_psa_claim claim = claim_of(profile, read_key(&r));
		if (claim == CH_PSA_CLAIM_COUNT) {
			(void)ch_cbor_skip(&r);
			t->other_count++;
		} else if (ch_psa_has(t, claim)) {
			ch_cbor_refuse(&r, CH_ERR_DUPLICATE, at, "the boot seed is there under both of its keys");
		} else {
			read_claim(&r, t, claim);
		}
	}
	err = ch_cbor_end(&r, d);
	if (err != CH_OK)
		*t = (struct ch_psa_token){ 0 };
	return err;
}

bool ch_psa_token_other(const struct ch_psa_token *t, size_t index, struct ch_span *key, struct ch_span *value)
{
	*key = CH_SPAN_EMPTY;
	*value = CH_SPAN_EMPTY;
	struct ch_cbor r = ch_cbor(t->claims, CH_CBOR_DEFINITE);
	size_t count = ch_cbor_map(&r);
	size_t seen = 0;
	for (size_t i = 0; i < count && i < CH_PSA_CLAIMS_MAX; i++) {
		size_t at = r.off;
		enum ch_psa_claim claim = claim_of(t->profile, read_key(&r));
		struct ch_span k = ch_span_sub(r.in, at, r.off - at);
		struct ch_span v = ch_cbor_skip(&r);
		if (claim == CH_PSA_CLAIM_COUNT && seen++ == index) {
			*key = k;
			*value = v;
			return r.err == CH_OK;
		}
	}
	return false;
}
