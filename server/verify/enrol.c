/* SPDX-License-Identifier: Apache-2.0 */
#include "server/verify/verify.h"

#include "core/crypto/seal.h"
#include "core/platform/credential.h"
#include "core/platform/key_certify.h"
#include "core/platform/spki.h"
#include "core/trust/action.h"
#include "core/wire/base64.h"
#include "server/verify/ek.h"

/*
 * Enrolment of a device with a TPM (docs/protocol/enrolment.md): its keys are judged, and a secret is sealed that only the TPM of its
 * EK opens, for its AK. Nothing is believed of the device before it says the secret; that is checked by the keeper.
 */

#define JSON_ROOM 6144

struct enrol_body {
	struct ch_span ek_certificate, ek_public, ak_public, key_public, key_certify, key_certify_signature;
	struct ch_span class_name, hostname;
	size_t ek_chain; /* an array */
};

#define AT(field) offsetof(struct enrol_body, field)
static const struct ch_body_field enrol_fields[] = {
	{ "ek_certificate", CH_BODY_BYTES, false, AT(ek_certificate), CH_CERT_MAX },
	{ "ek_chain", CH_BODY_VALUE, false, AT(ek_chain), 0 },
	{ "ek_public", CH_BODY_BYTES, true, AT(ek_public), CH_TPM_STRUCT_MAX },
	{ "ak_public", CH_BODY_BYTES, true, AT(ak_public), CH_TPM_STRUCT_MAX },
	{ "key_public", CH_BODY_BYTES, true, AT(key_public), CH_TPM_STRUCT_MAX },
	{ "key_certify", CH_BODY_BYTES, true, AT(key_certify), CH_TPM_STRUCT_MAX },
	{ "key_certify_signature", CH_BODY_BYTES, true, AT(key_certify_signature), CH_TPM_STRUCT_MAX },
	{ "class", CH_BODY_TEXT, false, AT(class_name), CH_NAME_MAX },
	{ "hostname", CH_BODY_TEXT, false, AT(hostname), 255 },
};
#undef AT

/* What a pending enrolment keeps until the keeper has taken it. */
struct pending {
	uint8_t enrol[16];
	struct ch_credential credential;
	const char *ek_rule; /* why the chain does not hold; NULL if it does */
};

struct keys {
	struct ch_tpm_public ek, ak, key;
	uint8_t ak_spki[CH_SPKI_MAX], key_spki[CH_SPKI_MAX];
	struct ch_span ak_spki_span, key_spki_span;
};

/* One public area of the body. */
static bool area_read(struct ch_verify *v, struct ch_vf_request *r, const char *member, struct ch_span in,
		      struct ch_tpm_public *to)
{
	struct ch_diag d;
	if (ch_tpm_public_parse(to, in, &d) == CH_OK)
		return true;
	ch_vf_refuse(v, r, 400, "tpm-structure", d.rule, ch_span_str(member));
	return false;
}

static struct ch_span spki_of(const struct ch_pub *pub, uint8_t room[static CH_SPKI_MAX])
{
	struct ch_wr w = ch_wr(room, CH_SPKI_MAX);
	return ch_spki_put(&w, pub) ? ch_wr_span(&w) : CH_SPAN_EMPTY;
}

static bool keys_read(struct ch_verify *v, struct ch_vf_request *r, const struct enrol_body *b, struct keys *k)
{
	return area_read(v, r, "ek_public", b->ek_public, &k->ek) &&
	       area_read(v, r, "ak_public", b->ak_public, &k->ak) &&
	       area_read(v, r, "key_public", b->key_public, &k->key);
}

/* The rules of the three keys, each refused by its own name. */
static bool keys_judge(struct ch_verify *v, struct ch_vf_request *r, const struct enrol_body *b, struct keys *k)
{
	struct ch_diag d;
	uint8_t qualifying[32];
	if (ch_tpm_public_check_ek(&k->ek, &d) != CH_OK) {
		ch_vf_refuse(v, r, 403, "ek", d.rule, CH_SPAN_EMPTY);
		return false;
	}
	if (ch_tpm_public_check_ak(&k->ak, &d) != CH_OK) {
		ch_vf_refuse(v, r, 403, "ak", d.rule, CH_SPAN_EMPTY);
		return false;
	}
	if (k->ak.name_alg == CH_HASH_SHA1) {
		ch_vf_refuse(v, r, 403, "ak", "nameAlg of the attestation key is SHA-1, whose collisions can be made",
			     CH_SPAN_EMPTY);
		return false;
	}
	const struct ch_key_certify certify = { b->key_certify, b->key_certify_signature, &k->key, &k->ak,
						CH_SPAN_OF(qualifying) };
	if (ch_key_qualifying(qualifying, &k->ek) != CH_OK || ch_key_certify_check(&certify, &d) != CH_OK) {
		ch_vf_refuse(v, r, 403, "key-certify", d.rule, CH_SPAN_EMPTY);
		return false;
	}
	k->ak_spki_span = spki_of(&k->ak.key, k->ak_spki);
	k->key_spki_span = spki_of(&k->key.key, k->key_spki);
	return true;
}

/* Answers what the device needs to prove that its TPM holds both keys. */
static void enrol_taken(struct ch_verify *v, struct ch_vf_request *r, const struct ch_frame *f)
{
	const struct pending *p = r->data;
	struct ch_msg_answer m;
	if (!ch_vf_take_answer(v, r, f, &m))
		return;
	/* The keeper knows that this EK is not listed; why its certificate does not count is known here. */
	bool untrusted =
		m.status == 403 && ch_span_starts(m.body, CH_SPAN_LIT("{\"error\":{\"code\":\"ek-untrusted\""));
	if (untrusted && p->ek_rule != NULL) {
		ch_vf_refuse(v, r, 403, "ek-untrusted", p->ek_rule,
			     CH_SPAN_LIT("an operator may allow this endorsement key"));
		return;
	}
	if (m.status != 200) {
		ch_vf_pass_on(v, r, f);
		return;
	}
	uint8_t text[JSON_ROOM];
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_wr_str(&w, "{\"enrol\":\"");
	ch_wr_hex(&w, CH_SPAN_OF(p->enrol));
	ch_wr_str(&w, "\",\"credential_blob\":\"");
	ch_base64_put(&w, CH_BASE64_URL, ch_span(p->credential.id, p->credential.id_size));
	ch_wr_str(&w, "\",\"encrypted_secret\":\"");
	ch_base64_put(&w, CH_BASE64_URL, ch_span(p->credential.secret, p->credential.secret_size));
	ch_wr_str(&w, "\"}");
	ch_vf_answer(v, r, 200, ch_wr_span(&w));
}

static struct ch_span facts_put(struct ch_wr *w, const struct keys *k, const struct ch_ek_judged *ek)
{
	struct ch_json_wr j = ch_json_wr(w, false);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "ek_type", ch_key_type_str(k->ek.key.type));
	ch_json_named_hex(&j, "ek_sha256", CH_SPAN_OF(ek->sha256));
	ch_json_named_str(&j, "ak_type", ch_key_type_str(k->ak.key.type));
	ch_ek_facts_put(&j, ek);
	ch_json_object_end(&j);
	return ch_wr_span(w);
}

static void ask_keeper(struct ch_verify *v, struct ch_vf_request *r, const struct enrol_body *b, const struct keys *k,
		       const struct ch_ek_judged *ek, const uint8_t secret[static 32])
{
	const struct pending *p = r->data;
	uint8_t facts[4096];
	struct ch_wr w = ch_wr(facts, sizeof(facts));
	struct ch_msg_enrol_pending m = {
		.platform_tier = (uint8_t)(ek->affirmed ? CH_TIER_AFFIRMING : CH_TIER_WARNING),
		.ek_public = k->ek.area,
		.ek_cert = b->ek_certificate,
		.ak_public = k->ak.area,
		.ak_spki = k->ak_spki_span,
		.key_spki = k->key_spki_span,
		.class_name = b->class_name,
		.hostname = b->hostname,
		.platform = facts_put(&w, k, ek),
	};
	(void)ch_span_copy(m.enrol, sizeof(m.enrol), CH_SPAN_OF(p->enrol));
	(void)ch_span_copy(m.secret, sizeof(m.secret), ch_span(secret, 32));
	(void)ch_span_copy(m.ek_sha256, sizeof(m.ek_sha256), CH_SPAN_OF(ek->sha256));
	ch_vf_ask(v, r, CH_MSG_ENROL_PENDING, &m, enrol_taken);
	ch_wipe(&m, sizeof(m));
}

/* Seals a secret for this EK and AK. */
static bool seal(struct ch_verify *v, struct ch_vf_request *r, const struct keys *k, uint8_t secret[static 32])
{
	struct pending *p = r->data;
	struct ch_diag d = { .rule = "no random bytes" };
	uint8_t name[2 + CH_DIGEST_MAX];
	size_t n = 0;
	enum ch_err err = ch_tpm_name(&k->ak, name, &n);
	if (err == CH_OK)
		err = ch_random(p->enrol, sizeof(p->enrol));
	if (err == CH_OK)
		err = ch_random(secret, 32);
	if (err == CH_OK)
		err = ch_credential_make(&p->credential, &k->ek, ch_span(name, n), ch_span(secret, 32), &d);
	if (err == CH_OK)
		return true;
	ch_vf_refuse(v, r, err == CH_ERR_CRYPTO ? 500 : 403, "credential", d.rule, CH_SPAN_EMPTY);
	return false;
}

void ch_vf_enrol(struct ch_verify *v, struct ch_vf_request *r, struct ch_span body)
{
	struct ch_body b;
	struct ch_body_fault fault;
	struct enrol_body e = { .ek_chain = CH_JSON_NONE };
	struct keys k = { .ak_spki_span = CH_SPAN_EMPTY };
	struct ch_ek_judged ek;
	uint8_t secret[32];
	if (ch_body_parse(&b, body, &r->arena, &fault) != CH_OK ||
	    ch_body_read(&b, 0, enrol_fields, CH_COUNT_OF(enrol_fields), &e, &fault) != CH_OK) {
		ch_vf_refuse_body(v, r, &fault);
		return;
	}
	if (e.class_name.n > 0 && !ch_name_valid(e.class_name)) {
		ch_vf_refuse(v, r, 400, "class", "a class has a name of a-z, 0-9, '-', '_' and '.'", CH_SPAN_EMPTY);
		return;
	}
	if (!keys_read(v, r, &e, &k) || !keys_judge(v, r, &e, &k))
		return;
	/* Without roots every chain would be one that nobody vouches for: that is no verdict about this device. */
	if (v->held.number == 0) {
		ch_vf_refuse(v, r, 503, "busy", "no generation is in force yet: ask again", CH_SPAN_EMPTY);
		return;
	}
	const struct ch_ek_sent sent = { &k.ek, e.ek_certificate, e.ek_chain };
	if (ch_ek_judge(&ek, &v->held, &b, &sent, v->out.now(v->out.ctx)) != CH_OK) {
		ch_vf_refuse(v, r, ek.status, ek.code, ek.rule, CH_SPAN_EMPTY);
		return;
	}
	struct pending *p = ch_arena_take(&r->arena, 1, sizeof(*p));
	if (p == NULL) {
		ch_vf_refuse(v, r, 503, "busy", "no room", CH_SPAN_EMPTY);
		return;
	}
	r->data = p;
	p->ek_rule = ek.rule;
	if (seal(v, r, &k, secret))
		ask_keeper(v, r, &e, &k, &ek, secret);
	ch_wipe(secret, sizeof(secret));
}

/* --- the second half --- */

struct finish_body {
	uint8_t enrol[16];
	struct ch_span secret;
};

void ch_vf_enrol_finish(struct ch_verify *v, struct ch_vf_request *r, struct ch_span body)
{
	static const struct ch_body_field fields[] = {
		{ "enrol", CH_BODY_HEX, true, offsetof(struct finish_body, enrol), 16 },
		{ "secret", CH_BODY_BYTES, true, offsetof(struct finish_body, secret), 32 },
	};
	struct ch_body b;
	struct ch_body_fault fault;
	struct finish_body f = { .secret = CH_SPAN_EMPTY };
	struct ch_msg_enrol_finish m = { 0 };
	r->secret = true;
	if (ch_body_parse(&b, body, &r->arena, &fault) != CH_OK ||
	    ch_body_read(&b, 0, fields, CH_COUNT_OF(fields), &f, &fault) != CH_OK) {
		ch_vf_refuse_body(v, r, &fault);
		return;
	}
	if (f.secret.n != sizeof(m.secret)) {
		ch_vf_refuse(v, r, 400, "secret", "the secret has 32 bytes", CH_SPAN_EMPTY);
		return;
	}
	(void)ch_span_copy(m.enrol, sizeof(m.enrol), CH_SPAN_OF(f.enrol));
	(void)ch_span_copy(m.secret, sizeof(m.secret), f.secret);
	ch_vf_ask(v, r, CH_MSG_ENROL_FINISH, &m, ch_vf_pass_on);
	ch_wipe(&m, sizeof(m));
}
