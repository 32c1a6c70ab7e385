/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ipc/messages.h"

#include <stdlib.h>
#include <string.h>

/*
 * The first byte chooses the message, the rest is its payload. What is parsed is written again byte for byte; what is refused leaves
 * zeros and says where.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

/* Room for every message. */
#define MEMBER(upper, lower) struct ch_msg_##lower lower;
union any {
	CH_MESSAGES(MEMBER)
};
#define SIZEOF(upper, lower) [CH_MSG_##upper] = sizeof(struct ch_msg_##lower),
static const size_t bytes_of[CH_MSG_COUNT] = { CH_MESSAGES(SIZEOF) };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	union any m;
	struct ch_diag d = { 0 };
	if (size == 0)
		return 0;
	enum ch_msg type = (enum ch_msg)(data[0] % CH_MSG_COUNT);
	struct ch_span payload = ch_span(data + 1, size - 1);
	if (type == CH_MSG_NONE)
		return 0;
	memset(&m, 0xa5, sizeof(m));
	enum ch_err err = ch_msg_parse(type, &m, payload, &d);
	if (err != CH_OK) {
		CHECK(err == CH_ERR_TRUNCATED || err == CH_ERR_TRAILING || err == CH_ERR_LIMIT);
		CHECK(d.off <= payload.n && ch_span_all(ch_span((const uint8_t *)&m, bytes_of[type]), 0));
		return 0;
	}
	size_t n = ch_msg_size(type, &m);
	uint8_t *again = malloc(n == 0 ? 1 : n);
	CHECK(again != NULL && n == payload.n);
	struct ch_wr w = ch_wr(again, n);
	ch_msg_put(type, &m, &w);
	CHECK(!w.bad && ch_span_eq(ch_wr_span(&w), payload));
	free(again);
	return 0;
}
