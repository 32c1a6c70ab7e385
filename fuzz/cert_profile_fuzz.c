/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/cert_profile.h"

#include <stdlib.h>

/*
 * Whatever the bytes: a refusal names its rule and leaves nothing; an image that is accepted is written again as it was. Behind the
 * image, after a length, may stand a request, which is judged by it: what holds has a name that a device may have.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static void check_request(const struct ch_cert_profile *p, struct ch_span in)
{
	static struct ch_csr csr;
	static const uint8_t device[16] = { 1 };
	const struct ch_profile_asker asker[] = { { NULL, CH_SPAN_EMPTY }, { device, CH_SPAN_LIT("gw-1") } };
	if (ch_csr_parse(&csr, in, NULL) != CH_OK)
		return;
	for (size_t i = 0; i < CH_COUNT_OF(asker); i++) {
		struct ch_profile_fault f;
		struct ch_span name;
		enum ch_err err = ch_cert_profile_check(p, &csr, &asker[i], &name, &f);
		CHECK((err == CH_OK) == (f.rule == NULL));
		CHECK(name.n == 0 || ch_profile_name_valid(name));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[CH_PROFILE_IMAGE_MAX], subject[4096];
	struct ch_cert_profile p;
	struct ch_diag d;
	if (size < 2)
		return 0;
	size_t n = (size_t)data[0] << 8 | data[1];
	struct ch_span image = ch_span(data + 2, n < size - 2 ? n : size - 2);
	if (ch_cert_profile_parse(&p, image, &d) != CH_OK) {
		CHECK(d.rule != NULL && d.off <= image.n && p.keys == 0 && p.attr_count == 0);
		return 0;
	}
	struct ch_wr w = ch_wr(again, sizeof(again)), s = ch_wr(subject, sizeof(subject));
	CHECK(ch_cert_profile_put(&w, &p) == CH_OK && ch_span_eq(ch_wr_span(&w), image));
	if (size >= 16)
		(void)!ch_profile_subject_put(&s, &p, CH_SPAN_LIT("gw-1"), data);
	check_request(&p, ch_span(image.p + image.n, size - 2 - image.n));
	return 0;
}
