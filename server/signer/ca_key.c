/* SPDX-License-Identifier: Apache-2.0 */
#include "server/signer/ca_key.h"

#include "host/base/mem.h"

struct ch_ca_wait {
	struct ch_ca_wait *next;
	uint64_t id;
	struct ch_digest digest;
	struct ch_buf tbs;
	ch_ca_done_fn *done;
	void *own;
};

static void wait_free(struct ch_ca_wait *w)
{
	ch_buf_free(&w->tbs);
	ch_free(w);
}

enum ch_err ch_ca_key_init(struct ch_ca_key *k, const struct ch_pub *pub)
{
	if (pub->type != CH_KEY_P256)
		return CH_ERR_KEY;
	return ch_verify_key_init(&k->pub, pub);
}

void ch_ca_key_clear(struct ch_ca_key *k)
{
	while (k->first != NULL) {
		struct ch_ca_wait *w = k->first;
		k->first = w->next;
		w->done(w->own, ch_buf_span(&w->tbs), NULL);
		wait_free(w);
	}
	ch_verify_key_clear(&k->pub);
	ch_sign_key_clear(&k->key);
	*k = (struct ch_ca_key){ 0 };
}

static void sign_here(struct ch_ca_key *k, struct ch_span tbs, ch_ca_done_fn *done, void *own)
{
	uint8_t sig[CH_SIGN_BYTES];
	done(own, tbs, ch_sign_message(&k->key, tbs, sig) == CH_OK ? sig : NULL);
}

void ch_ca_sign(struct ch_ca_key *k, struct ch_span tbs, ch_ca_done_fn *done, void *own)
{
	struct ch_digest h;
	if (k->key.state != NULL) {
		sign_here(k, tbs, done, own);
		return;
	}
	if (k->ask == NULL || k->count == CH_CA_WAITING_MAX || ch_hash_once(CH_HASH_SHA256, tbs, &h) != CH_OK) {
		done(own, tbs, NULL);
		return;
	}
	struct ch_ca_wait **end = &k->first, *w = ch_calloc(1, sizeof(*w));
	while (*end != NULL)
		end = &(*end)->next;
	*w = (struct ch_ca_wait){ .id = ++k->ids, .digest = h, .done = done, .own = own };
	ch_buf_append(&w->tbs, tbs);
	*end = w;
	k->count++;
	k->ask(k->ctx, w->id, w->digest.b);
}

enum ch_err ch_ca_signed(struct ch_ca_key *k, uint64_t id, const uint8_t sig[static 64])
{
	const struct ch_sig s = { CH_SIG_ECDSA, CH_HASH_SHA256, ch_span(sig, 32), ch_span(sig + 32, 32),
				  CH_PSS_SALT_DIGEST };
	struct ch_ca_wait **at = &k->first;
	while (*at != NULL && (*at)->id != id)
		at = &(*at)->next;
	struct ch_ca_wait *w = *at;
	if (w == NULL)
		return CH_OK;
	if (ch_verify_digest(&k->pub, &s, ch_digest_span(&w->digest)) != CH_OK)
		return CH_ERR_SIGNATURE;
	*at = w->next;
	k->count--;
	w->done(w->own, ch_buf_span(&w->tbs), sig);
	wait_free(w);
	return CH_OK;
}

void ch_ca_ask_again(struct ch_ca_key *k)
{
	for (const struct ch_ca_wait *w = k->first; w != NULL; w = w->next)
		k->ask(k->ctx, w->id, w->digest.b);
}
