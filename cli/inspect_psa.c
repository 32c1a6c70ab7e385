/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/psa_show.h"
#include "core/wire/jwk.h"
#include "host/crypto_openssl/pubkey.h"

/* Well-formed things that come in place of a token, told from damaged ones. */
static const struct {
	uint64_t tag;
	const char *rule;
} other_kinds[] = {
	{ 61, "a CWT tag (61): a PSA token has none (RFC 9783, 5.1)" },
	{ 399, "an Arm CCA token collection (tag 399) is not supported" },
	{ 601, "an unprotected claims-set (UCCS, RFC 9781) is not supported" },
	{ 602, "a detached EAT bundle (RFC 9711, 5) is not supported" },
	{ 907, "an Arm CCA token collection (tag 907) is not supported" },
};

/* Only characters of a text file in ASCII, which no random key is. */
static bool is_text(struct ch_span in)
{
	for (size_t i = 0; i < in.n; i++) {
		bool blank = in.p[i] == '\n' || in.p[i] == '\r' || in.p[i] == '\t';
		if (!blank && (in.p[i] < 0x20 || in.p[i] > 0x7e))
			return false;
	}
	return true;
}

/* Starts like a JSON object or, if all of it is text, an array. */
static bool is_json(struct ch_span in)
{
	size_t i = 0;
	while (i < in.n && (in.p[i] == ' ' || in.p[i] == '\n' || in.p[i] == '\r' || in.p[i] == '\t'))
		i++;
	return i < in.n && (in.p[i] == '{' || (in.p[i] == '[' && is_text(in)));
}

/* Refuses what is well-formed, but no COSE message; CH_OK for all else, which ch_cose_parse will judge. */
static enum ch_err kind_check(struct ch_span in, struct ch_diag *d)
{
	ch_diag_clear(d);
	if (is_json(in))
		return ch_fail(d, CH_ERR_UNSUPPORTED, 0, "JSON: only tokens in CBOR are supported");
	if (ch_span_starts(in, CH_SPAN_LIT("eyJ")))
		return ch_fail(d, CH_ERR_UNSUPPORTED, 0, "a JSON Web Token: only tokens in CBOR are supported");
	if (ch_span_starts(in, CH_SPAN_LIT("\x30\x82")) || ch_span_starts(in, CH_SPAN_LIT("-----BEGIN ")))
		return ch_fail(d, CH_ERR_UNSUPPORTED, 0, "DER or PEM: only tokens in CBOR are supported");
	struct ch_cbor r = ch_cbor(in, CH_CBOR_ANY);
	struct ch_cbor_item it;
	if (!ch_cbor_next(&r, &it) || ch_cbor_wellformed(in, NULL) != CH_OK)
		return CH_OK;
	if (it.type == CH_CBOR_MAP)
		return ch_fail(d, CH_ERR_UNSUPPORTED, 0, "a CBOR map without signature or MAC: not a token");
	if (it.type == CH_CBOR_ARRAY && (it.indefinite || it.value != 4))
		return ch_fail(d, CH_ERR_UNSUPPORTED, 0, "a CBOR array that is no COSE message: not a token");
	for (size_t i = 0; i < CH_COUNT_OF(other_kinds) && it.type == CH_CBOR_TAG; i++) {
		if (it.value == other_kinds[i].tag)
			return ch_fail(d, CH_ERR_UNSUPPORTED, 0, other_kinds[i].rule);
	}
	bool cose = it.value >= 96 ? it.value <= 98 : it.value >= 16 && it.value <= 18;
	if (it.type == CH_CBOR_TAG && !cose)
		return ch_fail(d, CH_ERR_UNSUPPORTED, 0, "a tag that is not one of COSE: not a token");
	return CH_OK;
}

static enum ch_err parse(struct psa_report *p, struct ch_span in, struct ch_diag *d)
{
	enum ch_err err = kind_check(in, d);
	if (err == CH_OK)
		err = ch_cose_parse(&p->cose, in, CH_COSE_TAGGED, d);
	if (err != CH_OK)
		return err;
	if (!p->cose.h.has_alg)
		return ch_fail(d, CH_ERR_MISSING, 0, "the protected header names no algorithm (RFC 9052, 3.1)");
	if (ch_cose_alg_str(p->cose.h.alg) == NULL)
		return ch_fail(d, CH_ERR_UNSUPPORTED, 0, "the algorithm is not supported (RFC 9052, 3.1)");
	if (p->cose.detached)
		return ch_fail(d, CH_ERR_MISSING, 0, "a token's payload is in the message (RFC 9783, 5.1)");
	err = ch_psa_token_parse(&p->token, p->cose.payload, d);
	if (err != CH_OK)
		d->off += (size_t)(p->cose.payload.p - in.p);
	return err;
}

static void warn(struct psa_report *p, const char *text)
{
	if (p->warning_count < PSA_WARNINGS_MAX)
		p->warning[p->warning_count++] = text;
}

static void judge(struct psa_report *p, struct ch_span in)
{
	p->fault_count = ch_psa_token_check(&p->token, p->fault, CH_PSA_FAULTS_MAX);
	enum ch_psa_state state = ch_psa_lifecycle_state(p->token.lifecycle);
	if (p->signature == NULL)
		warn(p, "no key was given: nothing in the token is authenticated");
	if (ch_psa_has(&p->token, CH_PSA_LIFECYCLE) && !ch_psa_state_trusted(state))
		warn(p, "the device is in no lifecycle state in which its reports can be trusted (RFC 9783, 4.3.1)");
	if (p->token.profile != CH_PSA_PROFILE_TFM)
		warn(p, "the profile is older than RFC 9783");
	if (p->token.other_count != 0)
		warn(p, "claims that the profile does not know were not judged");
	if (!p->cose.h.has_kid && p->cose.u.has_kid)
		warn(p, "the key id is in the unprotected header: anybody can have written it");
	if (p->cose.h.alg == CH_COSE_HMAC256_64)
		warn(p, "the MAC is truncated to 64 bits");
	if (ch_cbor_check(in, CH_CBOR_DETERMINISTIC, NULL) != CH_OK)
		warn(p, "the envelope is not encoded deterministically (RFC 8949, 4.2.1)");
}

/* Reads a public key: JWK, PEM or DER. One of the two structs holds it afterwards. */
static enum ch_err key_public(struct ch_span text, struct ch_jwk *jwk, struct ch_pubkey *spki,
			      const struct ch_pub **pub, struct ch_diag *d)
{
	ch_diag_clear(d);
	*pub = &spki->pub;
	if (is_json(text)) {
		enum ch_err err = ch_jwk_parse(jwk, text, d);
		*pub = &jwk->pub;
		if (err == CH_OK && jwk->pub.type == CH_KEY_NONE)
			return ch_fail(d, CH_ERR_KEY, 0, "a shared key cannot verify a COSE_Sign1");
		return err;
	}
	bool der = text.n > 0 && text.p[0] == 0x30;
	enum ch_err err = der ? ch_pubkey_from_der(spki, text) : ch_pubkey_from_pem(spki, text);
	return err == CH_OK ? CH_OK : ch_fail(d, err, 0, "not a public key in PEM, DER (SubjectPublicKeyInfo) or JWK");
}

static enum ch_err check_sign1(const struct ch_cose *m, struct ch_span key_text, enum ch_err *verdict,
			       struct ch_diag *d)
{
	struct ch_jwk jwk;
	struct ch_pubkey spki;
	const struct ch_pub *pub = NULL;
	struct ch_verify_key key;
	enum ch_err err = key_public(key_text, &jwk, &spki, &pub, d);
	if (err != CH_OK)
		return err;
	err = ch_verify_key_init(&key, pub);
	if (err != CH_OK)
		return ch_fail(d, err, 0, "the key is not valid, or not one that can be verified with");
	struct ch_cose_context c = { 0 };
	CH_AUTO_FREE uint8_t *scratch = ch_calloc(1, ch_cose_tbs_size(m, &c));
	c.scratch = scratch;
	c.scratch_size = ch_cose_tbs_size(m, &c);
	*verdict = ch_cose_verify(m, &c, &key, d);
	ch_verify_key_clear(&key);
	return CH_OK;
}

/* The key file is a JWK of kty oct, or else the key's own bytes. A public key is never taken for a shared one. */
static enum ch_err check_mac0(const struct ch_cose *m, struct ch_span key_text, enum ch_err *verdict, struct ch_diag *d)
{
	ch_diag_clear(d);
	struct ch_cose_context c = { 0 };
	struct ch_jwk jwk = { 0 };
	struct ch_pubkey spki;
	struct ch_span secret = key_text;
	enum ch_err err = CH_OK;
	if (ch_pubkey_from_der(&spki, key_text) == CH_OK || ch_span_starts(key_text, CH_SPAN_LIT("-----BEGIN ")))
		return ch_fail(d, CH_ERR_KEY, 0, "a public key cannot verify a COSE_Mac0");
	if (is_json(key_text) && is_text(key_text)) {
		err = ch_jwk_parse(&jwk, key_text, d);
		if (err == CH_OK && jwk.secret.n == 0)
			err = ch_fail(d, CH_ERR_KEY, 0, "a public key cannot verify a COSE_Mac0");
		secret = jwk.secret;
	}
	if (err == CH_OK)
		*verdict = ch_cose_verify_mac(m, &c, secret, d);
	ch_wipe(&jwk, sizeof(jwk));
	return err;
}

static enum ch_err check_signature(struct psa_report *p, struct ch_span key_text, struct ch_diag *d)
{
	enum ch_err verdict = CH_OK;
	enum ch_err err = p->cose.kind == CH_COSE_MAC0 ? check_mac0(&p->cose, key_text, &verdict, d)
						       : check_sign1(&p->cose, key_text, &verdict, d);
	if (err != CH_OK)
		return err;
	if (verdict == CH_ERR_UNSUPPORTED)
		return verdict;
	p->signature = verdict == CH_OK ? "ok" : "bad";
	if (verdict == CH_ERR_KEY)
		warn(p, "the key is not one for the token's algorithm");
	return CH_OK;
}

static int inspect(const char *path, struct ch_span in, const char *key_path, struct ch_span key, bool json)
{
	struct psa_report p = { 0 };
	struct ch_diag d;
	enum ch_err err = parse(&p, in, &d);
	if (err != CH_OK)
		return cli_refused(path, "claim", err, &d);
	if (key_path != NULL) {
		err = check_signature(&p, key, &d);
		if (err != CH_OK)
			return cli_refused(key_path, "key", err, &d);
	}
	judge(&p, in);
	if (json)
		psa_show_json(cli_out(), &p);
	else
		psa_show_page(cli_out(), &p);
	bool bad = p.signature != NULL && p.signature[0] != 'o';
	return cli_out_end(bad || p.fault_count != 0 ? CLI_FAILS : CLI_HOLDS);
}

int cmd_inspect_psa(int argc, char **argv)
{
	bool json = false;
	const char *key_path = NULL;
	const char *path = NULL;
	const struct cli_opt opt[] = {
		{ "json", NULL, "print JSON (docs/schema/inspect-psa.schema.json)", CLI_FLAG, &json },
		{ "key", "FILE", "verify with this key: PEM, DER, JWK, or the bytes of a shared key", CLI_VALUE,
		  &key_path },
	};
	const struct cli_usage usage = {
		.args = "[--json] [--key FILE] FILE",
		.about =
			"Shows a PSA attestation token (RFC 9783), a COSE_Sign1 or COSE_Mac0 in CBOR, and judges it: the\n"
			"signature, if a key is given, and whether its claims keep the rules of the profile that it\n"
			"names (tag:psacertified.org,2023:psa#tfm, http://arm.com/psa/2.0.0 or PSA_IOT_PROFILE_1).\n"
			"Whether the device is good is not asked: nonce, lifecycle and measurements are shown to be\n"
			"compared with what is expected.\n\n"
			"Exit status: 0 the claims hold and the signature, if asked, is good; 1 they do not, or the\n"
			"token is malformed; 2 wrong usage; 3 another kind of token or algorithm; 4 a file cannot be\n"
			"read. FILE '-' is standard input.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &path,
		.file_min = 1,
		.file_max = 1,
	};
	int end = cli_parse(&usage, argc, argv, NULL);
	if (end >= 0)
		return end;
	CH_AUTO_BUF struct ch_buf in = { 0 };
	CH_AUTO_BUF struct ch_buf key = { 0 };
	end = cli_read(&in, path);
	if (end < 0 && key_path != NULL)
		end = cli_read(&key, key_path);
	(void)cli_colour();
	if (end < 0)
		end = cli_confine();
	if (end >= 0)
		return end;
	return inspect(path, ch_buf_span(&in), key_path, ch_buf_span(&key), json);
}
