/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the bytes: a refusal names its rule and leaves nothing; of what is accepted every part lies in it, names lead nowhere and are found. */
#include "core/update/swu.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static void check_inside(struct ch_span all, struct ch_span part)
{
	CHECK(part.n == 0 || (part.p >= all.p && part.n <= all.n && (size_t)(part.p - all.p) <= all.n - part.n));
}

static void check_files(const struct ch_swu *s, struct ch_span in)
{
	CHECK(s->description.n > 0 && s->count <= CH_SWU_FILES_MAX);
	check_inside(in, s->description);
	check_inside(in, s->signature);
	for (size_t i = 0; i < s->count; i++) {
		struct ch_span name = s->file[i].name;
		check_inside(in, name);
		check_inside(in, s->file[i].data);
		CHECK(name.n > 0 && name.n <= CH_RELEASE_FILE_NAME_MAX && ch_swu_find(s, name) == &s->file[i]);
		CHECK(!ch_span_eq(name, CH_SPAN_LIT("..")) && !ch_span_eq(name, CH_SPAN_LIT("sw-description")));
		for (size_t k = 0; k < name.n; k++)
			CHECK(name.p[k] != '/' && name.p[k] >= 0x20);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ch_swu s;
	struct ch_diag d;
	uint8_t *copy = malloc(size != 0 ? size : 1);
	CHECK(copy != NULL);
	struct ch_span in = ch_span(copy, ch_span_copy(copy, size, ch_span(data, size)));
	if (ch_swu_parse(&s, in, &d) == CH_OK) {
		CHECK(d.rule == NULL);
		check_files(&s, in);
	} else {
		CHECK(d.rule != NULL && d.off <= size && s.count == 0 && s.description.n == 0 && s.signature.n == 0);
	}
	free(copy);
	return 0;
}
