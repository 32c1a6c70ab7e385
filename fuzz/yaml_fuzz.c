/* SPDX-License-Identifier: Apache-2.0 */
#include "host/policy/class.h"

#include <assert.h>
#include <string.h>

/*
 * A policy file: a refusal names a place inside the file in escaped text and leaves nothing behind; what is accepted is an image that
 * reads back, and the file that it prints is the same policy.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_table(struct ch_span in)
{
	struct ch_yaml_error e;
	CH_AUTO_YAML struct ch_yaml y = { 0 };
	if (ch_yaml_read(&y, in, &e) != CH_OK) {
		assert(y.count == 0 && y.node == NULL && e.text[0] != '\0');
		return;
	}
	assert(y.count > 0 && y.node[0].next == y.count);
	for (size_t i = 0; i < y.count; i++) {
		const struct ch_yaml_node *n = &y.node[i];
		assert(n->next > i && n->next <= y.count && n->line >= 1 && n->column >= 1);
		assert(n->type == CH_YAML_SCALAR ? n->next == i + 1 : n->text[0] == '\0');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[4096];
	struct ch_class_image image, again;
	struct ch_yaml_error e;
	struct ch_policy p;
	check_table(ch_span(data, size));
	if (ch_class_read(&image, ch_span(data, size), &e) != CH_OK) {
		assert(image.n == 0 && strlen(e.text) < sizeof(e.text) && e.text[0] != '\0' &&
		       strchr(e.text, '\n') == NULL);
		return 0;
	}
	assert(ch_policy_parse(&p, ch_span(image.bytes, image.n), NULL) == CH_OK);
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_class_put(&w, &p);
	assert(!w.bad && ch_class_read(&again, ch_wr_span(&w), &e) == CH_OK);
	assert(ch_span_eq(ch_span(again.bytes, again.n), ch_span(image.bytes, image.n)));
	return 0;
}
