/* SPDX-License-Identifier: Apache-2.0 */
/* Clients of hawkBit's DDI that have no certificate: a token speaks for the device that their path names. Off unless it is configured. */
#include "core/crypto/hash.h"
#include "core/update/ddi.h"
#include "host/sys/log.h"
#include "server/edge/edge.h"
#include "server/ipc/child.h"
#include "server/ipc/ddi.h"

#include <stdlib.h>
#include <string.h>

struct token {
	uint8_t key[32];    /* ch_ddi_view_key of the name it speaks for */
	uint8_t sha256[32]; /* of its text */
};

static int by_key(const void *a, const void *b)
{
	return memcmp(((const struct token *)a)->key, ((const struct token *)b)->key, sizeof(((struct token *)0)->key));
}

void tokens_clear(struct tokens *t)
{
	ch_free(t->row);
	*t = (struct tokens){ 0 };
}

/* Rows of the file, which main has read before. */
static enum ch_err take_targets(struct tokens *t, struct ch_span file)
{
	struct ch_ddi_token one;
	size_t off = 0, cap = 0;
	enum ch_err err;
	while ((err = ch_ddi_token_next(&one, file, &off, NULL)) == CH_OK) {
		if (t->count == cap) {
			cap = cap * 2 + 64;
			t->row = ch_realloc(t->row, cap, sizeof(*t->row));
		}
		struct token *row = &t->row[t->count++];
		if (!ch_ddi_view_key(row->key, one.controller))
			return CH_ERR_CRYPTO;
		(void)ch_span_copy(row->sha256, sizeof(row->sha256), CH_SPAN_OF(one.sha256));
	}
	if (t->count > 0)
		qsort(t->row, t->count, sizeof(*t->row), by_key);
	for (size_t i = 1; i < t->count && err == CH_ERR_NOTFOUND; i++)
		err = by_key(&t->row[i - 1], &t->row[i]) == 0 ? CH_ERR_DUPLICATE : err;
	return err == CH_ERR_NOTFOUND ? CH_OK : err;
}

bool tokens_load(struct tokens *t, struct ch_span config)
{
	CH_AUTO_BUF struct ch_buf file = { 0 };
	struct ch_span hex = ch_config_get(config, "gateway_token", 0);
	*t = (struct tokens){ 0 };
	enum ch_err err = ch_config_bytes(config, "target_tokens", 0, &file);
	t->target = err == CH_OK;
	if (err == CH_OK)
		err = take_targets(t, ch_buf_span(&file));
	t->gateway = hex.n > 0;
	if (t->gateway && (hex.n != 64 || ch_hex_decode(t->gateway_sha256, sizeof(t->gateway_sha256), hex) != CH_OK))
		err = CH_ERR_MALFORMED;
	if (err == CH_OK || err == CH_ERR_NOTFOUND)
		return true;
	ch_log(CH_LOG_ERROR, "tokens of DDI: %s; a controllerId has one token", ch_err_str(err));
	tokens_clear(t);
	return false;
}

/* Whether this token speaks for the device of `key`. Digests are compared, in constant time; a name that has none is compared with nothing. */
static bool speaks(const struct tokens *t, enum ch_ddi_token_kind kind, struct ch_span token,
		   const uint8_t key[static 32])
{
	static const uint8_t none[32];
	struct token wanted;
	struct ch_digest digest;
	const uint8_t *have = kind == CH_DDI_GATEWAY && t->gateway ? t->gateway_sha256 : none;
	(void)ch_span_copy(wanted.key, sizeof(wanted.key), ch_span(key, 32));
	if (kind == CH_DDI_TARGET && t->count > 0) {
		const struct token *row = bsearch(&wanted, t->row, t->count, sizeof(*t->row), by_key);
		have = row != NULL ? row->sha256 : none;
	}
	return ch_hash_once(CH_HASH_SHA256, token, &digest) == CH_OK &&
	       ch_ct_eq(ch_digest_span(&digest), ch_span(have, sizeof(none))) && have != none;
}

void token_take(struct conn *c, const struct ch_http_request *r)
{
	struct ch_span value, token = CH_SPAN_EMPTY;
	enum ch_ddi_token_kind kind = CH_DDI_TARGET;
	uint8_t key[32];
	if (c->has_cert)
		return;
	/* The next request over this connection may be another's. */
	edge_forget(c);
	c->has_token = false;
	c->tried_token = ch_route_ddi(c->route) && ch_http_field_get(&r->fields, "authorization", &value) &&
			 ch_ddi_authorization(value, &kind, &token);
	struct ch_span name = ch_route_param((enum ch_route_number)c->route, r->path, 1);
	if (!c->tried_token || !ch_ddi_name_valid(name) || !ch_ddi_view_key(key, name) ||
	    !speaks(&c->edge->tokens, kind, token, key))
		return;
	c->has_token = true;
	(void)ch_span_copy(c->cert, sizeof(c->cert), CH_SPAN_OF(key));
}

struct refusal token_refused(struct conn *c)
{
	const struct tokens *t = &c->edge->tokens;
	if (!c->tried_token)
		return (struct refusal){ 401, "no-certificate", "this request needs a client certificate", true };
	if (!t->target && !t->gateway)
		return (struct refusal){ 401, "tokens-off",
					 "tokens are not taken here: this request needs a client certificate", true };
	return (struct refusal){ 401, "token", "this token does not speak for this device", true };
}
