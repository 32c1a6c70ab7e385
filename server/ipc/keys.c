/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ipc/keys.h"

static void entry_clear(struct ch_keys_entry *e)
{
	ch_verify_key_clear(&e->key);
	ch_buf_free(&e->numbers);
}

static bool is(const struct ch_keys_entry *e, const uint8_t device[static 16], const struct ch_pub *pub)
{
	struct ch_span numbers = ch_buf_span(&e->numbers);
	return e->key.type != CH_KEY_NONE && e->key.type == pub->type &&
	       ch_span_eq(CH_SPAN_OF(e->device), ch_span(device, 16)) && e->first == pub->a.n &&
	       numbers.n == pub->a.n + pub->b.n && ch_span_starts(numbers, pub->a) &&
	       ch_span_eq(ch_span_sub(numbers, e->first, numbers.n - e->first), pub->b);
}

const struct ch_verify_key *ch_keys_get(struct ch_keys *k, const uint8_t device[static 16], const struct ch_pub *pub)
{
	if (k->entry == NULL)
		k->entry = ch_calloc(CH_KEYS_MAX, sizeof(*k->entry));
	struct ch_keys_entry *e = &k->entry[(device[0] | (size_t)device[1] << 8) % CH_KEYS_MAX];
	if (is(e, device, pub))
		return &e->key;
	entry_clear(e);
	if (ch_verify_key_init(&e->key, pub) != CH_OK)
		return NULL;
	(void)ch_span_copy(e->device, sizeof(e->device), ch_span(device, 16));
	e->first = pub->a.n;
	ch_buf_append(&e->numbers, pub->a);
	ch_buf_append(&e->numbers, pub->b);
	return &e->key;
}

void ch_keys_clear(struct ch_keys *k)
{
	for (size_t i = 0; k->entry != NULL && i < CH_KEYS_MAX; i++)
		entry_clear(&k->entry[i]);
	ch_free(k->entry);
	k->entry = NULL;
}
