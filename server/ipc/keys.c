/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ipc/keys.h"

static void entry_clear(struct ch_keys_entry *e)
{
	ch_verify_key_clear(&e->key);
	ch_buf_free(&e->area);
}

const struct ch_verify_key *ch_keys_get(struct ch_keys *k, const uint8_t device[static 16], struct ch_span area)
{
	if (k->entry == NULL)
		k->entry = ch_calloc(CH_KEYS_MAX, sizeof(*k->entry));
	/* Device ids are random bits. */
	struct ch_keys_entry *e = &k->entry[(device[0] | (size_t)device[1] << 8) % CH_KEYS_MAX];
	bool same = e->key.type != CH_KEY_NONE && ch_span_eq(CH_SPAN_OF(e->device), ch_span(device, 16)) &&
		    ch_span_eq(ch_buf_span(&e->area), area);
	if (same)
		return &e->key;
	entry_clear(e);
	struct ch_tpm_public pub;
	if (ch_tpm_public_parse(&pub, area, NULL) != CH_OK || ch_verify_key_init(&e->key, &pub.key) != CH_OK)
		return NULL;
	(void)ch_span_copy(e->device, sizeof(e->device), ch_span(device, 16));
	ch_buf_append(&e->area, area);
	return &e->key;
}

void ch_keys_clear(struct ch_keys *k)
{
	for (size_t i = 0; k->entry != NULL && i < CH_KEYS_MAX; i++)
		entry_clear(&k->entry[i]);
	ch_free(k->entry);
	k->entry = NULL;
}
