/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the bytes, as a bundle and as a manifest: parts lie in it, file names lead nowhere, a refusal names its rule and leaves nothing. */
#include "core/update/rauc_bundle.h"

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

static void check_manifest(struct ch_span text)
{
	static struct ch_rauc_manifest m;
	struct ch_diag d;
	if (ch_rauc_manifest_parse(&m, text, &d) != CH_OK) {
		CHECK(d.rule != NULL && d.off <= text.n && m.image_count == 0 && m.compatible.n == 0);
		return;
	}
	CHECK(d.rule == NULL && m.compatible.n > 0 && m.image_count <= CH_RAUC_IMAGES_MAX);
	check_inside(text, m.compatible);
	check_inside(text, m.version);
	CHECK((m.format == CH_RAUC_VERITY) == (m.verity_size != 0));
	for (size_t i = 0; i < m.image_count; i++) {
		struct ch_span name = m.image[i].filename;
		check_inside(text, name);
		check_inside(text, m.image[i].slot);
		CHECK(name.n > 0 && name.n <= CH_RELEASE_FILE_NAME_MAX && m.image[i].slot.n > 0);
		CHECK(!ch_span_eq(name, CH_SPAN_LIT("..")) && !ch_span_eq(name, CH_SPAN_LIT(".")));
		for (size_t k = 0; k < name.n; k++)
			CHECK(name.p[k] != '/' && name.p[k] != 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_rauc_bundle b;
	struct ch_diag d;
	uint8_t *copy = malloc(size != 0 ? size : 1);
	CHECK(copy != NULL);
	struct ch_span in = ch_span(copy, ch_span_copy(copy, size, ch_span(data, size)));
	if (ch_rauc_bundle_parse(&b, in, &d) == CH_OK) {
		check_inside(in, b.content);
		check_inside(b.cms, b.manifest);
		CHECK(b.content.n + b.cms.n + 8 == size);
		check_manifest(b.manifest);
	} else {
		CHECK(d.rule != NULL && d.off <= size && b.content.n == 0 && b.cms.n == 0 && b.manifest.n == 0);
	}
	check_manifest(in);
	free(copy);
	return 0;
}
