/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims that are taken, written again from what was understood, must read as the same token with the same faults; nothing that
 * was told may lie outside of the input.
 */
#include "core/platform/psa_token.h"
#include "core/wire/cbor.h"

#include <stdlib.h>

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int32_t private_key[CH_PSA_CLAIM_COUNT] = { -75000, -75008, -75009, -75003, -75001, -75002,
							 -75004, -75005, -75006, -75007, -75010 };
static const int32_t eat_key[CH_PSA_CLAIM_COUNT] = { 265, 10, 256, 2396, 2394, 2395, 268, 2398, 2399, 0, 2400 };

static bool inside(struct ch_span part, struct ch_span whole)
{
	return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void put_components(struct ch_wr *w, const struct ch_psa_token *t)
{
	static const uint8_t key[CH_PSA_SW_FIELD_COUNT] = { 1, 2, 4, 5, 6 };
	ch_cbor_put_array(w, t->sw_count);
	for (size_t i = 0; i < t->sw_count; i++) {
		size_t count = 0;
		for (size_t f = 0; f < CH_PSA_SW_FIELD_COUNT; f++)
			count += t->sw[i].present >> f & 1;
		ch_cbor_put_map(w, count);
		for (size_t f = 0; f < CH_PSA_SW_FIELD_COUNT; f++) {
			if ((t->sw[i].present >> f & 1) == 0)
				continue;
			ch_cbor_put_uint(w, key[f]);
			if (f == CH_PSA_SW_MEASUREMENT || f == CH_PSA_SW_SIGNER_ID)
				ch_cbor_put_bstr(w, t->sw[i].field[f]);
			else
				ch_cbor_put_tstr(w, t->sw[i].field[f]);
		}
	}
}

static void put_claim(struct ch_wr *w, const struct ch_psa_token *t, enum ch_psa_claim claim)
{
	ch_cbor_put_int(w, t->profile == CH_PSA_PROFILE_1 ? private_key[claim] : eat_key[claim]);
	if (claim == CH_PSA_CLIENT_ID)
		ch_cbor_put_int(w, t->client_id);
	else if (claim == CH_PSA_LIFECYCLE)
		ch_cbor_put_uint(w, t->lifecycle);
	else if (claim == CH_PSA_NO_SOFTWARE_MEASUREMENTS)
		ch_cbor_put_uint(w, t->no_software_measurements);
	else if (claim == CH_PSA_SOFTWARE_COMPONENTS)
		put_components(w, t);
	else if (claim == CH_PSA_PROFILE || claim == CH_PSA_CERTIFICATION_REFERENCE ||
		 claim == CH_PSA_VERIFICATION_SERVICE)
		ch_cbor_put_tstr(w, t->bytes[claim]);
	else
		ch_cbor_put_bstr(w, t->bytes[claim]);
}

static void put_token(struct ch_wr *w, const struct ch_psa_token *t)
{
	size_t count = t->other_count;
	for (size_t i = 0; i < CH_PSA_CLAIM_COUNT; i++)
		count += t->present >> i & 1;
	ch_cbor_put_map(w, count);
	for (size_t i = 0; i < CH_PSA_CLAIM_COUNT; i++) {
		if (ch_psa_has(t, (enum ch_psa_claim)i))
			put_claim(w, t, (enum ch_psa_claim)i);
	}
	struct ch_span key;
	struct ch_span value;
	size_t others = 0;
	for (; ch_psa_token_other(t, others, &key, &value); others++) {
		ch_wr_put(w, key);
		ch_wr_put(w, value);
	}
	CHECK(others == t->other_count);
}

static void check_same(const struct ch_psa_token *a, const struct ch_psa_token *b)
{
	CHECK(a->profile == b->profile && a->present == b->present && a->sw_count == b->sw_count);
	CHECK(a->client_id == b->client_id && a->lifecycle == b->lifecycle && a->other_count == b->other_count);
	for (size_t i = 0; i < CH_PSA_CLAIM_COUNT; i++)
		CHECK(ch_span_eq(a->bytes[i], b->bytes[i]));
	for (size_t i = 0; i < a->sw_count; i++) {
		CHECK(a->sw[i].present == b->sw[i].present);
		for (size_t f = 0; f < CH_PSA_SW_FIELD_COUNT; f++)
			CHECK(ch_span_eq(a->sw[i].field[f], b->sw[i].field[f]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_span in = ch_span(data, size);
	struct ch_psa_token t;
	struct ch_diag d;
	enum ch_err err = ch_psa_token_parse(&t, in, &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= size);
	if (err != CH_OK) {
		CHECK(t.present == 0 && t.sw_count == 0);
		return 0;
	}
	for (size_t i = 0; i < CH_PSA_CLAIM_COUNT; i++)
		CHECK(inside(t.bytes[i], in));
	struct ch_psa_fault fault[CH_PSA_FAULTS_MAX];
	size_t faults = ch_psa_token_check(&t, fault, CH_PSA_FAULTS_MAX);
	for (size_t i = 0; i < faults && i < CH_PSA_FAULTS_MAX; i++)
		CHECK(fault[i].rule != NULL && (fault[i].component == CH_ITEM_NONE || fault[i].component < t.sw_count));
	uint8_t *buf = malloc(size + 8);
	CHECK(buf != NULL);
	struct ch_wr w = ch_wr(buf, size + 8);
	put_token(&w, &t);
	struct ch_psa_token again;
	CHECK(ch_psa_token_parse(&again, ch_wr_span(&w), NULL) == CH_OK);
	check_same(&t, &again);
	CHECK(ch_psa_token_check(&again, fault, CH_PSA_FAULTS_MAX) == faults);
	free(buf);
	return 0;
}
