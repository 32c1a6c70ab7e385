/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/psa_show.h"

#include "cli/cmd.h"
#include "core/base/text.h"
#include "core/wire/json.h"

#define LABEL_WIDTH 18

/* --- JSON --- */

/* A value that the profile does not know: plain kinds as they are, anything else as its encoding. */
static void put_value(struct ch_json_wr *j, struct ch_span encoded)
{
	struct ch_cbor r = ch_cbor(encoded, CH_CBOR_DEFINITE);
	struct ch_cbor_item it;
	const char *type = "cbor";
	bool ok = ch_cbor_next(&r, &it);
	if (ok && (it.type == CH_CBOR_UINT || (it.type == CH_CBOR_NINT && it.value <= INT64_MAX)))
		type = "int";
	else if (ok && it.type == CH_CBOR_BSTR)
		type = "bytes";
	else if (ok && it.type == CH_CBOR_TSTR)
		type = "text";
	else if (ok && it.type == CH_CBOR_SIMPLE && (it.value == 20 || it.value == 21))
		type = "bool";
	ch_json_named_str(j, "type", type);
	ch_json_name(j, "value");
	if (type[0] == 'i' && it.type == CH_CBOR_UINT)
		ch_json_put_u64(j, it.value);
	else if (type[0] == 'i')
		ch_json_put_i64(j, -1 - (int64_t)it.value);
	else if (type[0] == 't')
		ch_json_put_span(j, it.str);
	else if (type[0] == 'b' && type[1] == 'o')
		ch_json_put_bool(j, it.value == 21);
	else
		ch_json_put_hex(j, type[0] == 'b' ? it.str : encoded);
}

static void put_others(struct ch_json_wr *j, const struct ch_psa_token *t)
{
	struct ch_span key;
	struct ch_span value;
	ch_json_array_begin(j);
	for (size_t i = 0; ch_psa_token_other(t, i, &key, &value); i++) {
		struct ch_cbor r = ch_cbor(key, CH_CBOR_DEFINITE);
		ch_json_object_begin(j);
		ch_json_name(j, "key");
		const char *name = NULL;
		if (ch_cbor_peek(&r) == CH_CBOR_TSTR) {
			ch_json_put_span(j, ch_cbor_tstr(&r));
		} else {
			int64_t k = ch_cbor_int(&r);
			name = ch_eat_claim_str(k);
			ch_json_put_i64(j, k);
		}
		ch_json_named_str(j, "name", name);
		put_value(j, value);
		ch_json_object_end(j);
	}
	ch_json_array_end(j);
}

static bool sw_field_is_text(size_t field)
{
	return field != CH_PSA_SW_MEASUREMENT && field != CH_PSA_SW_SIGNER_ID;
}

static void put_components(struct ch_json_wr *j, const struct ch_psa_token *t)
{
	ch_json_array_begin(j);
	for (size_t i = 0; i < t->sw_count; i++) {
		ch_json_object_begin(j);
		for (size_t f = 0; f < CH_PSA_SW_FIELD_COUNT; f++) {
			ch_json_name(j, ch_psa_sw_field_str((enum ch_psa_sw_field)f));
			if ((t->sw[i].present >> f & 1) == 0)
				ch_json_put_null(j);
			else if (sw_field_is_text(f))
				ch_json_put_span(j, t->sw[i].field[f]);
			else
				ch_json_put_hex(j, t->sw[i].field[f]);
		}
		ch_json_object_end(j);
	}
	ch_json_array_end(j);
}

static void put_claim(struct ch_json_wr *j, const struct ch_psa_token *t, enum ch_psa_claim claim)
{
	ch_json_name(j, ch_psa_claim_str(claim));
	if (!ch_psa_has(t, claim)) {
		ch_json_put_null(j);
		return;
	}
	switch (claim) {
	case CH_PSA_PROFILE:
	case CH_PSA_CERTIFICATION_REFERENCE:
	case CH_PSA_VERIFICATION_SERVICE:
		ch_json_put_span(j, t->bytes[claim]);
		break;
	case CH_PSA_CLIENT_ID:
		ch_json_put_i64(j, t->client_id);
		break;
	case CH_PSA_LIFECYCLE:
		ch_json_put_u64(j, t->lifecycle);
		break;
	case CH_PSA_NO_SOFTWARE_MEASUREMENTS:
		ch_json_put_u64(j, t->no_software_measurements);
		break;
	case CH_PSA_SOFTWARE_COMPONENTS:
		put_components(j, t);
		break;
	default:
		ch_json_put_hex(j, t->bytes[claim]);
	}
}

static void put_lifecycle(struct ch_json_wr *j, const struct ch_psa_token *t)
{
	ch_json_name(j, "lifecycle");
	ch_json_object_begin(j);
	if (ch_psa_has(t, CH_PSA_LIFECYCLE)) {
		enum ch_psa_state state = ch_psa_lifecycle_state(t->lifecycle);
		ch_json_named_u64(j, "value", t->lifecycle);
		ch_json_named_str(j, "state", ch_psa_state_str(state));
		ch_json_named_bool(j, "trusted", ch_psa_state_trusted(state));
	} else {
		ch_json_named_str(j, "value", NULL);
		ch_json_named_str(j, "state", NULL);
		ch_json_named_bool(j, "trusted", false);
	}
	ch_json_object_end(j);
}

static void put_faults(struct ch_json_wr *j, const struct psa_report *p)
{
	ch_json_name(j, "violations");
	ch_json_array_begin(j);
	for (size_t i = 0; i < p->fault_count && i < CH_PSA_FAULTS_MAX; i++) {
		ch_json_object_begin(j);
		ch_json_named_str(j, "claim", ch_psa_claim_str(p->fault[i].claim));
		if (p->fault[i].component == CH_ITEM_NONE)
			ch_json_named_str(j, "component", NULL);
		else
			ch_json_named_u64(j, "component", p->fault[i].component);
		ch_json_named_str(j, "rule", p->fault[i].rule);
		ch_json_object_end(j);
	}
	ch_json_array_end(j);
}

static const struct ch_cose_header *kid_header(const struct ch_cose *m)
{
	return m->h.has_kid ? &m->h : &m->u;
}

void psa_show_json(struct ch_wr *w, const struct psa_report *p)
{
	struct ch_json_wr j = ch_json_wr(w, true);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "format", "psa-token");
	ch_json_named_str(&j, "cose", p->cose.kind == CH_COSE_SIGN1 ? "sign1" : "mac0");
	ch_json_named_str(&j, "alg", ch_cose_alg_str(p->cose.h.alg));
	if (kid_header(&p->cose)->has_kid)
		ch_json_named_hex(&j, "kid", kid_header(&p->cose)->kid);
	else
		ch_json_named_str(&j, "kid", NULL);
	ch_json_named_str(&j, "signature", p->signature);
	ch_json_named_str(&j, "profile", ch_psa_profile_str(p->token.profile));
	ch_json_name(&j, "claims");
	ch_json_object_begin(&j);
	for (size_t i = 0; i < CH_PSA_CLAIM_COUNT; i++)
		put_claim(&j, &p->token, (enum ch_psa_claim)i);
	ch_json_name(&j, "other");
	put_others(&j, &p->token);
	ch_json_object_end(&j);
	put_lifecycle(&j, &p->token);
	ch_json_named_bool(&j, "valid", p->fault_count == 0);
	put_faults(&j, p);
	ch_json_name(&j, "warnings");
	ch_json_array_begin(&j);
	for (size_t i = 0; i < p->warning_count; i++)
		ch_json_put_str(&j, p->warning[i]);
	ch_json_array_end(&j);
	ch_json_object_end(&j);
	ch_wr_u8(w, '\n');
}

/* --- the page --- */

/* What cli_field starts a line with, for a value that is written piece by piece. */
static void label_put(struct ch_wr *w, const char *label)
{
	ch_wr_str(w, "  ");
	ch_wr_str(w, label);
	for (size_t n = ch_span_str(label).n; n < LABEL_WIDTH; n++)
		ch_wr_u8(w, ' ');
	ch_wr_str(w, "  ");
}

/* A field whose text comes from the token: bytes as hex, text escaped. */
static void field_span(struct ch_wr *w, const char *label, bool text, struct ch_span s)
{
	label_put(w, label);
	if (text)
		ch_text_escape(w, s);
	else
		ch_wr_hex(w, s);
	ch_wr_u8(w, '\n');
}

static void page_head(struct ch_wr *w, const struct psa_report *p)
{
	const char *sign = p->signature;
	cli_put(w, CLI_HEAD, "PSA attestation token\n");
	cli_field(w, "envelope", CLI_PLAIN, p->cose.kind == CH_COSE_SIGN1 ? "COSE_Sign1" : "COSE_Mac0");
	cli_field(w, "algorithm", CLI_PLAIN, ch_cose_alg_str(p->cose.h.alg));
	if (kid_header(&p->cose)->has_kid)
		field_span(w, "key id", false, kid_header(&p->cose)->kid);
	cli_field(w, "signature",
		  sign == NULL     ? CLI_WARN
		  : sign[0] == 'o' ? CLI_GOOD
				   : CLI_BAD,
		  sign == NULL ? "not checked: no key was given" : sign);
	cli_field(w, "profile", CLI_PLAIN, ch_psa_profile_str(p->token.profile));
}

static void page_lifecycle(struct ch_wr *w, const struct ch_psa_token *t)
{
	enum ch_psa_state state = ch_psa_lifecycle_state(t->lifecycle);
	label_put(w, "lifecycle");
	cli_put(w, ch_psa_state_trusted(state) ? CLI_GOOD : CLI_BAD, ch_psa_state_str(state));
	ch_wr_str(w, " (");
	ch_wr_dec(w, t->lifecycle);
	ch_wr_str(w, ")\n");
}

static void page_claims(struct ch_wr *w, const struct ch_psa_token *t)
{
	static const struct {
		const char *label;
		enum ch_psa_claim claim;
		bool text;
	} shown[] = {
		{ "nonce", CH_PSA_NONCE, false },
		{ "instance id", CH_PSA_INSTANCE_ID, false },
		{ "implementation id", CH_PSA_IMPLEMENTATION_ID, false },
		{ "boot seed", CH_PSA_BOOT_SEED, false },
		{ "certification", CH_PSA_CERTIFICATION_REFERENCE, true },
		{ "verification at", CH_PSA_VERIFICATION_SERVICE, true },
	};
	for (size_t i = 0; i < CH_COUNT_OF(shown); i++) {
		if (ch_psa_has(t, shown[i].claim))
			field_span(w, shown[i].label, shown[i].text, t->bytes[shown[i].claim]);
	}
	if (ch_psa_has(t, CH_PSA_CLIENT_ID)) {
		label_put(w, "client id");
		ch_wr_int(w, t->client_id);
		ch_wr_str(w, t->client_id < 0 ? " (non-secure)\n" : " (secure)\n");
	}
	if (ch_psa_has(t, CH_PSA_LIFECYCLE))
		page_lifecycle(w, t);
	if (t->other_count != 0) {
		label_put(w, "other claims");
		ch_wr_dec(w, t->other_count);
		ch_wr_str(w, " (see --json)\n");
	}
}

static void page_software(struct ch_wr *w, const struct ch_psa_token *t)
{
	static const char *const label[CH_PSA_SW_FIELD_COUNT] = { "type", "measurement", "version", "signer", "hash" };
	if (ch_psa_has(t, CH_PSA_NO_SOFTWARE_MEASUREMENTS))
		cli_put(w, CLI_WARN, "\nThe device has no software measurements.\n");
	for (size_t i = 0; i < t->sw_count; i++) {
		cli_put(w, CLI_HEAD, "\nSoftware component ");
		ch_wr_dec(w, i);
		ch_wr_u8(w, '\n');
		for (size_t f = 0; f < CH_PSA_SW_FIELD_COUNT; f++) {
			if ((t->sw[i].present >> f & 1) != 0)
				field_span(w, label[f], sw_field_is_text(f), t->sw[i].field[f]);
		}
	}
}

static void page_verdict(struct ch_wr *w, const struct psa_report *p)
{
	ch_wr_u8(w, '\n');
	for (size_t i = 0; i < p->warning_count; i++) {
		cli_put(w, CLI_WARN, "warning: ");
		ch_wr_str(w, p->warning[i]);
		ch_wr_u8(w, '\n');
	}
	for (size_t i = 0; i < p->fault_count && i < CH_PSA_FAULTS_MAX; i++) {
		cli_put(w, CLI_BAD, "broken: ");
		ch_wr_str(w, ch_psa_claim_str(p->fault[i].claim));
		if (p->fault[i].component != CH_ITEM_NONE) {
			ch_wr_u8(w, ' ');
			ch_wr_dec(w, p->fault[i].component);
		}
		ch_wr_str(w, ": ");
		ch_wr_str(w, p->fault[i].rule);
		ch_wr_u8(w, '\n');
	}
	cli_put(w, p->fault_count == 0 ? CLI_GOOD : CLI_BAD,
		p->fault_count == 0 ? "The claims keep the rules of their profile.\n"
				    : "The claims break rules of their profile.\n");
	if (p->signature != NULL && p->signature[0] != 'o')
		cli_put(w, CLI_BAD, "The signature was not made by this key: the claims are not the device's.\n");
}

void psa_show_page(struct ch_wr *w, const struct psa_report *p)
{
	page_head(w, p);
	page_claims(w, &p->token);
	page_software(w, &p->token);
	page_verdict(w, p);
}
