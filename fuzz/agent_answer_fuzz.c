/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/net/answer.h"
#include "core/wire/json.h"

#include <stdlib.h>

/*
 * The first byte chooses route and status. Whatever the server says: an answer that is none names the member and leaves nothing
 * behind; every span is within its limit, and lines for people hold nothing that a terminal obeys.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static void check_shown(struct ch_span s)
{
	for (size_t i = 0; i < s.n; i++)
		CHECK(s.p[i] >= ' ' || s.p[i] == '\n');
}

static void check(const struct ag_answer *a, enum ag_route route)
{
	switch (ag_routes[route].answer) {
	case AG_MSG_ENROLLING:
		CHECK(a->enrolling.blob.n <= AG_TPM_MAX && a->enrolling.secret.n <= AG_TPM_MAX);
		break;
	case AG_MSG_CERTIFIED:
		CHECK(a->certified.class_name.n <= 64 && a->certified.certificate.n <= AG_CERT_MAX);
		break;
	case AG_MSG_JUDGED:
		CHECK(a->judged.chain.n <= 32 && a->judged.state.n <= 32 && a->judged.renew <= 1);
		check_shown(a->judged.reasons);
		break;
	default:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	enum ag_route route = (enum ag_route)(data[0] % AG_ROUTE_COUNT);
	unsigned status = data[0] >= 0xc0 ? 409 : 200;
	struct ch_span body = ch_span(data + 1, size - 1);
	size_t cap = ch_json_nodes_max(body.n), room = body.n + AG_TEXT_MAX;
	struct ch_json_node *node = calloc(cap, sizeof(*node));
	uint8_t *text = malloc(room);
	struct ch_wr w = ch_wr(text, room);
	struct ag_answer a;
	struct ch_diag d;
	enum ch_err err = ag_answer_parse(&a, route, status, body, node, cap, &w, &d);
	if (err != CH_OK) {
		CHECK(d.rule != NULL && a.judged.status == 0 && a.judged.chain.p == NULL);
	} else {
		CHECK(a.judged.status == status);
		check_shown(a.judged.error);
		check(&a, route);
	}
	free(node);
	free(text);
	return 0;
}
