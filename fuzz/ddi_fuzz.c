/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/text.h"
#include "core/update/ddi.h"

#include <stdlib.h>

/*
 * Whatever the bytes: mending changes no text that is JSON, and nothing twice; a refusal names its rule and leaves nothing behind; what is
 * accepted keeps its limits and is text. The first 20 bytes, as names and numbers, make answers, which are JSON or are not written.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static uint8_t text[CH_DDI_BODY_MAX + 1];
static struct ch_json_node node[(CH_DDI_BODY_MAX + 1) / 2 + 1];
static struct ch_ddi_feedback feedback;
static struct ch_ddi_config config;

static void mend(struct ch_span in)
{
	struct ch_json j;
	(void)ch_span_copy(text, sizeof(text), in);
	enum ch_err err = ch_json_parse(&j, in, node, CH_COUNT_OF(node), NULL);
	size_t changed = ch_ddi_mend(text, in.n);
	CHECK(err != CH_OK || changed == 0);
	CHECK(changed == 0 || !ch_span_eq(in, ch_span(text, in.n)));
	CHECK(ch_ddi_mend(text, in.n) == 0);
	for (size_t i = 0; i < in.n; i++)
		CHECK(text[i] == in.p[i] || (text[i] != '"' && text[i] != '\\' && in.p[i] != '"' && in.p[i] != '\\'));
}

static void take(struct ch_span in)
{
	struct ch_diag d;
	enum ch_err err = ch_ddi_feedback_parse(&feedback, in, &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= in.n);
	CHECK(err == CH_OK || ch_span_all(ch_span(&feedback, sizeof(feedback)), 0));
	CHECK(feedback.text_n <= sizeof(feedback.text));
	CHECK(feedback.progress <= 100 || feedback.progress == CH_DDI_NO_PROGRESS);
	CHECK(ch_utf8_valid(ch_span(feedback.text, feedback.text_n)));
	CHECK(ch_ddi_action_outcome(&feedback) <= CH_DDI_DECLINED);
	CHECK(ch_ddi_cancel_outcome(&feedback) <= CH_DDI_DECLINED);
	err = ch_ddi_config_parse(&config, in, &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= in.n);
	CHECK(err != CH_OK || (config.count >= 1 && config.count <= CH_DDI_ATTRS_MAX));
	for (size_t i = 0; i < config.count; i++) {
		const struct ch_ddi_attr *a = &config.attr[i];
		CHECK(a->name.n >= 1 && a->name.n <= CH_DDI_NAME_MAX && a->value.n <= CH_DDI_VALUE_MAX);
		CHECK(ch_utf8_valid(a->name) && ch_utf8_valid(a->value));
	}
}

static void answer(struct ch_span in)
{
	uint8_t out[2048];
	struct ch_json j;
	uint64_t action = 0;
	struct ch_wr w = ch_wr(out, sizeof(out));
	struct ch_span name = ch_span_sub(in, 0, 10), digits = ch_span_sub(in, 10, 10);
	while (digits.n > 0 && (digits.p[digits.n - 1] < '0' || digits.p[digits.n - 1] > '9'))
		digits.n--;
	if (ch_ddi_action_parse(&action, digits) != CH_OK)
		CHECK(action == 0);
	const struct ch_ddi_place place = { CH_SPAN_LIT("https://h"), name, name };
	const struct ch_ddi_artifact a = { name, in.n, { 0 }, { 0 } };
	const struct ch_ddi_deployment d = { action, in.n % 2 != 0, in, name, &a, 1 };
	if (ch_ddi_poll_put(&w, &place, &(struct ch_ddi_poll){ .sleep = (uint32_t)in.n, .action = action }) == CH_OK)
		CHECK(ch_json_parse(&j, ch_wr_span(&w), node, CH_COUNT_OF(node), NULL) == CH_OK);
	w = ch_wr(out, sizeof(out));
	if (ch_ddi_deployment_put(&w, &place, &d) == CH_OK)
		CHECK(ch_json_parse(&j, ch_wr_span(&w), node, CH_COUNT_OF(node), NULL) == CH_OK);
	w = ch_wr(out, sizeof(out));
	if (ch_ddi_cancel_put(&w, action) == CH_OK)
		CHECK(ch_json_parse(&j, ch_wr_span(&w), node, CH_COUNT_OF(node), NULL) == CH_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > sizeof(text))
		return 0;
	mend(ch_span(data, size));
	take(ch_span(data, size));
	take(ch_span(text, size));
	answer(ch_span(data, size));
	return 0;
}
