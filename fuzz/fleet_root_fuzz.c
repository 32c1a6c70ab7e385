/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/fleet_root.h"

#include <stdlib.h>

/*
 * Whatever the bytes: a refusal names its rule and leaves nothing behind; what is accepted keeps its limits, no key counts twice, and
 * written it is read again as the same document. No input that was not signed is trusted.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static struct ch_fleet_root root, again;
static struct ch_json_node node[CH_ROOT_NODES_MAX];

static void check_role(const struct ch_root_role *role)
{
	CHECK(role->count >= 1 && role->count <= CH_ROOT_KEYS_MAX);
	CHECK(role->threshold >= 1 && role->threshold <= role->count);
	for (size_t i = 0; i < role->count; i++)
		CHECK(ch_root_role_find(role, role->key[i].id) == &role->key[i]);
}

static void check_again(void)
{
	static uint8_t first[CH_FLEET_ROOT_MAX * 2 + 1], second[CH_FLEET_ROOT_MAX * 2];
	struct ch_diag d;
	struct ch_wr w = ch_wr(first, sizeof(first) - 1);
	CHECK(ch_fleet_root_put(&w, &root) == CH_OK);
	ch_wr_u8(&w, '\n');
	/* Indentation may make it longer than a document may be. */
	if (w.len > CH_FLEET_ROOT_MAX)
		return;
	CHECK(ch_fleet_root_parse(&again, ch_wr_span(&w), node, &d) == CH_OK);
	struct ch_wr v = ch_wr(second, sizeof(second));
	CHECK(ch_fleet_root_put(&v, &again) == CH_OK);
	CHECK(ch_span_eq(ch_wr_span(&v), ch_span(first, w.len - 1)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_diag d;
	enum ch_err err = ch_fleet_root_parse(&root, ch_span(data, size), node, &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= size);
	if (err != CH_OK) {
		CHECK(root.version == 0 && root.root.count == 0 && root.note.text.n == 0);
		return 0;
	}
	CHECK(root.version >= 1 && root.expires > root.issued && root.anchor_count >= 1 && root.server_count >= 1);
	CHECK(root.anchor_count <= CH_ROOT_ANCHORS_MAX && root.server_count <= CH_ROOT_SERVERS_MAX);
	check_role(&root.root);
	for (size_t i = 0; i < root.release_count; i++)
		check_role(&root.release[i]);
	err = ch_fleet_root_first(&root, &d);
	CHECK(err != CH_OK || root.note.count >= root.root.threshold);
	check_again();
	return 0;
}
