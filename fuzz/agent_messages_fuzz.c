/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/messages.h"

#include <stdlib.h>

/* The first byte chooses the message. Whatever the bytes: a refusal leaves nothing behind, what is accepted is sent again as it was. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

#define UNION_MEMBER(upper, lower) struct ag_##lower of_##lower;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static union {
		AG_MESSAGES(UNION_MEMBER)
	} msg;
	if (size == 0)
		return 0;
	enum ag_msg type = (enum ag_msg)(1 + data[0] % (AG_MSG_COUNT - 1));
	struct ch_span payload = ch_span(data + 1, size - 1);
	if (ag_msg_parse(type, &msg, payload) != CH_OK)
		return 0;
	struct ch_chan c = { .fd = -1 };
	ag_msg_send(&c, type, 7, &msg);
	CHECK(ch_span_eq(ch_span(c.out.p + CH_FRAME_HEAD, c.out.n - CH_FRAME_HEAD), payload));
	ch_buf_free(&c.out);
	return 0;
}
