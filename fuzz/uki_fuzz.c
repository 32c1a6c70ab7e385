/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever the bytes: a refusal names its rule and adds nothing; what is accepted adds the image, each part and its name, and the kernel, and the
 * text of it is a value of JSON.
 */
#include "core/update/measure.h"
#include "core/update/uki.h"
#include "host/crypto_openssl/backend.h"

#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	CHECK(ch_crypto_openssl_init() == CH_OK);
	return 0;
}

static void check_parts(const struct ch_uki *u, struct ch_span in)
{
	CHECK(u->stub_major == 252 && u->part[CH_UKI_LINUX].n > 0);
	for (size_t i = 0; i < CH_UKI_PART_COUNT; i++) {
		struct ch_span part = u->part[i];
		CHECK(part.n == 0 || (part.p >= in.p && (size_t)(part.p - in.p) <= in.n - part.n));
	}
}

static size_t count_pcr(const struct ch_measure *m, uint32_t pcr)
{
	size_t n = 0;
	for (size_t i = 0; i < m->count; i++)
		n += m->event[i].pcr == pcr;
	return n;
}

static void check_measure(const struct ch_measure *m, const struct ch_uki *u)
{
	static uint8_t text[0x20000];
	size_t parts = 0;
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	for (size_t i = 0; i < CH_UKI_PART_COUNT; i++)
		parts += i != CH_UKI_PCRSIG && u->part[i].n > 0;
	/* Parts with the same bytes are one event. */
	CHECK(count_pcr(m, 11) > parts && count_pcr(m, 11) <= 2 * parts);
	CHECK(m->event[0].required && m->event[0].digest[0].n == 32 && m->event[0].digest[1].n == 48);
	ch_measure_reference_put(&j, m, CH_SPAN_LIT("fuzz"));
	CHECK(ch_json_wr_done(&j));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ch_measure m;
	static struct ch_uki uki;
	struct ch_diag d;
	uint8_t *copy = malloc(size != 0 ? size : 1);
	CHECK(copy != NULL);
	struct ch_span in = ch_span(copy, ch_span_copy(copy, size, ch_span(data, size)));
	enum ch_err err = ch_uki_parse(&uki, in, &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= size);
	if (err == CH_OK)
		check_parts(&uki, in);
	else
		CHECK(uki.pe.file.n == 0 && uki.part[CH_UKI_LINUX].n == 0);
	ch_measure_init(&m);
	if (ch_measure_uki(&m, in, CH_SPAN_LIT("a/b"), &d) == CH_OK)
		check_measure(&m, &uki);
	else
		CHECK(d.rule != NULL && m.count == 0 && m.note_count == 0);
	if (ch_measure_any(&m, in, CH_SPAN_EMPTY, &d) != CH_OK)
		CHECK(d.rule != NULL);
	ch_measure_init(&m);
	if (ch_measure_cmdline(&m, in, CH_SPAN_EMPTY, &d) != CH_OK)
		CHECK(d.rule != NULL && m.count == 0);
	free(copy);
	return 0;
}
