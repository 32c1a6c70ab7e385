/* SPDX-License-Identifier: Apache-2.0 */
#include "server/verify/verify.h"

#include "core/platform/key_certify.h"
#include "core/platform/spki.h"
#include "core/wire/der.h"

/* Keys of a device after or without its TPM's enrolment: by a one-time token, and the next key of an enrolled device. */

#define TOKEN_MAX 256
#define PROOF_MAX 80 /* Ecdsa-Sig-Value on P-256 */

/* Hashed with their NUL. */
static const char enrol_purpose[] = "chainhold-token-enrol/v1";
static const char renew_purpose[] = "chainhold-token-renew/v1";

struct token_body {
	struct ch_span token, public_key, proof, hostname;
};

#define AT(field) offsetof(struct token_body, field)
static const struct ch_body_field token_fields[] = {
	{ "token", CH_BODY_TEXT, true, AT(token), TOKEN_MAX },
	{ "public_key", CH_BODY_BYTES, true, AT(public_key), CH_SPKI_MAX },
	{ "proof", CH_BODY_BYTES, true, AT(proof), PROOF_MAX },
	{ "hostname", CH_BODY_TEXT, false, AT(hostname), 255 },
};
#undef AT

/* SHA-256(purpose ‖ SHA-256(token, or id of the device) ‖ SPKI): the proof is of this key, for this alone. */
static enum ch_err proof_digest(struct ch_span purpose, const struct ch_digest *whose, struct ch_span spki,
				struct ch_digest *out)
{
	struct ch_hash h;
	enum ch_err err = ch_hash_init(&h, CH_HASH_SHA256);
	if (err != CH_OK)
		return err;
	ch_hash_update(&h, purpose);
	ch_hash_update(&h, ch_digest_span(whose));
	ch_hash_update(&h, spki);
	ch_hash_final(&h, out);
	return CH_OK;
}

/* Ecdsa-Sig-Value (RFC 3279, 2.2.3). */
static enum ch_err proof_parse(struct ch_sig *sig, struct ch_span der, struct ch_diag *d)
{
	struct ch_der_rd r = ch_der_rd(der, 0);
	struct ch_der_rd seq =
		ch_der_enter(&r, CH_DER_SEQUENCE, "the proof is not an Ecdsa-Sig-Value (RFC 3279, 2.2.3)");
	*sig = (struct ch_sig){ .scheme = CH_SIG_ECDSA, .hash = CH_HASH_SHA256 };
	sig->a = ch_der_unsigned(&seq, "r of the proof (RFC 3279, 2.2.3)");
	sig->b = ch_der_unsigned(&seq, "s of the proof (RFC 3279, 2.2.3)");
	ch_der_leave(&r, &seq, "bytes after s of the proof (RFC 3279, 2.2.3)");
	return ch_der_end(&r, d, "bytes after the proof (RFC 3279, 2.2.3)");
}

static enum ch_err proof_check(struct ch_span purpose, const struct ch_digest *whose, struct ch_span public_key,
			       struct ch_span proof, struct ch_diag *d)
{
	struct ch_pub pub;
	struct ch_sig sig;
	struct ch_digest digest;
	struct ch_verify_key key;
	enum ch_err err = ch_spki_parse(&pub, public_key, d);
	if (err == CH_OK && pub.type != CH_KEY_P256)
		err = ch_fail(d, CH_ERR_UNSUPPORTED, 0, "the device's key is not on P-256");
	if (err == CH_OK)
		err = proof_parse(&sig, proof, d);
	if (err != CH_OK)
		return err;
	err = proof_digest(purpose, whose, public_key, &digest);
	if (err == CH_OK)
		err = ch_verify_key_init(&key, &pub);
	if (err != CH_OK)
		return ch_fail(d, err, 0, "the device's key is not a valid key");
	err = ch_verify_digest(&key, &sig, ch_digest_span(&digest));
	ch_verify_key_clear(&key);
	return err == CH_OK ? CH_OK
			    : ch_fail(d, CH_ERR_SIGNATURE, 0, "the proof is not a signature of the device's key");
}

void ch_vf_enrol_token(struct ch_verify *v, struct ch_vf_request *r, struct ch_span body)
{
	struct ch_body b;
	struct ch_body_fault fault;
	struct token_body t = { .token = CH_SPAN_EMPTY };
	struct ch_digest token;
	struct ch_diag d = { .rule = "SHA-256 fails" };
	if (ch_body_parse(&b, body, &r->arena, &fault) != CH_OK ||
	    ch_body_read(&b, 0, token_fields, CH_COUNT_OF(token_fields), &t, &fault) != CH_OK) {
		ch_vf_refuse_body(v, r, &fault);
		return;
	}
	if (ch_hash_once(CH_HASH_SHA256, t.token, &token) != CH_OK ||
	    proof_check(CH_SPAN_OF(enrol_purpose), &token, t.public_key, t.proof, &d) != CH_OK) {
		ch_vf_refuse(v, r, 403, "proof", d.rule, CH_SPAN_EMPTY);
		return;
	}
	struct ch_msg_enrol_token m = { .key_spki = t.public_key, .hostname = t.hostname };
	(void)ch_span_copy(m.token_sha256, sizeof(m.token_sha256), ch_digest_span(&token));
	ch_vf_ask(v, r, CH_MSG_ENROL_TOKEN, &m, ch_vf_pass_on);
}

/* --- renewal --- */

/* With a TPM the first three, without one the last two. */
struct renew_body {
	struct ch_span key_public, key_certify, key_certify_signature;
	struct ch_span public_key, proof;
};

#define AT(field) offsetof(struct renew_body, field)
static const struct ch_body_field renew_fields[] = {
	{ "key_public", CH_BODY_BYTES, false, AT(key_public), CH_TPM_STRUCT_MAX },
	{ "key_certify", CH_BODY_BYTES, false, AT(key_certify), CH_TPM_STRUCT_MAX },
	{ "key_certify_signature", CH_BODY_BYTES, false, AT(key_certify_signature), CH_TPM_STRUCT_MAX },
	{ "public_key", CH_BODY_BYTES, false, AT(public_key), CH_SPKI_MAX },
	{ "proof", CH_BODY_BYTES, false, AT(proof), PROOF_MAX },
};
#undef AT

/* A key of a device without a TPM: the one that it has, whose certificate is then shown to be alive, or the next. */
static void renew_soft(struct ch_verify *v, struct ch_vf_request *r)
{
	const struct renew_body *b = r->data;
	struct ch_digest whose;
	struct ch_diag d = { .rule = "SHA-256 fails" };
	if (b->key_certify.n > 0) {
		ch_vf_refuse(v, r, 403, "no-tpm",
			     "this device enrolled without a TPM: it renews with public_key and proof", CH_SPAN_EMPTY);
		return;
	}
	if (b->public_key.n == 0 || b->proof.n == 0) {
		ch_vf_refuse(v, r, 400, "body", "a device without a TPM renews with public_key and proof",
			     CH_SPAN_EMPTY);
		return;
	}
	if (ch_hash_once(CH_HASH_SHA256, CH_SPAN_OF(r->device), &whose) != CH_OK ||
	    proof_check(CH_SPAN_OF(renew_purpose), &whose, b->public_key, b->proof, &d) != CH_OK) {
		ch_vf_refuse(v, r, 403, "proof", d.rule, CH_SPAN_EMPTY);
		return;
	}
	struct ch_msg_renew m = { .key_spki = b->public_key };
	(void)ch_span_copy(m.device, sizeof(m.device), CH_SPAN_OF(r->device));
	(void)ch_span_copy(m.cert_sha256, sizeof(m.cert_sha256), CH_SPAN_OF(r->cert_sha256));
	ch_vf_ask(v, r, CH_MSG_RENEW, &m, ch_vf_pass_on);
}

static void renew_judge(struct ch_verify *v, struct ch_vf_request *r, const struct ch_frame *f)
{
	const struct renew_body *b = r->data;
	struct ch_msg_context c;
	struct ch_tpm_public ek, ak, key;
	struct ch_diag d = { .rule = NULL };
	uint8_t qualifying[32], spki[CH_SPKI_MAX];
	if (!ch_vf_take_context(v, r, f, &c))
		return;
	if (c.ak_public.n == 0 || c.ek_public.n == 0) {
		renew_soft(v, r);
		return;
	}
	if (b->key_public.n == 0 || b->key_certify.n == 0 || b->key_certify_signature.n == 0) {
		ch_vf_refuse(v, r, 400, "body",
			     "a device with a TPM renews with key_public, key_certify and key_certify_signature",
			     CH_SPAN_EMPTY);
		return;
	}
	bool stored = ch_tpm_public_parse(&ek, c.ek_public, NULL) == CH_OK &&
		      ch_tpm_public_parse(&ak, c.ak_public, NULL) == CH_OK &&
		      ch_key_qualifying(qualifying, &ek) == CH_OK;
	if (!stored) {
		ch_vf_refuse(v, r, 500, "internal", "the stored keys of this device cannot be read", CH_SPAN_EMPTY);
		return;
	}
	const struct ch_key_certify certify = { b->key_certify, b->key_certify_signature, &key, &ak,
						CH_SPAN_OF(qualifying) };
	if (ch_tpm_public_parse(&key, b->key_public, &d) != CH_OK || ch_key_certify_check(&certify, &d) != CH_OK) {
		ch_vf_refuse(v, r, 403, "key-certify", d.rule, CH_SPAN_EMPTY);
		return;
	}
	struct ch_wr w = ch_wr(spki, sizeof(spki));
	struct ch_msg_renew m = { .certify = b->key_certify, .certify_sig = b->key_certify_signature };
	if (ch_spki_put(&w, &key.key))
		m.key_spki = ch_wr_span(&w);
	(void)ch_span_copy(m.device, sizeof(m.device), CH_SPAN_OF(r->device));
	(void)ch_span_copy(m.cert_sha256, sizeof(m.cert_sha256), CH_SPAN_OF(r->cert_sha256));
	ch_vf_ask(v, r, CH_MSG_RENEW, &m, ch_vf_pass_on);
}

void ch_vf_renew(struct ch_verify *v, struct ch_vf_request *r, struct ch_span body)
{
	struct ch_body b;
	struct ch_body_fault fault;
	struct renew_body *to = ch_arena_take(&r->arena, 1, sizeof(*to));
	struct ch_msg_context_ask m = { 0 };
	if (to == NULL || ch_body_parse(&b, body, &r->arena, &fault) != CH_OK ||
	    ch_body_read(&b, 0, renew_fields, CH_COUNT_OF(renew_fields), to, &fault) != CH_OK) {
		ch_vf_refuse_body(v, r, &fault);
		return;
	}
	r->data = to;
	(void)ch_span_copy(m.device, sizeof(m.device), CH_SPAN_OF(r->device));
	ch_vf_ask(v, r, CH_MSG_CONTEXT_ASK, &m, renew_judge);
}
