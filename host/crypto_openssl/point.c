/* SPDX-License-Identifier: Apache-2.0 */
#include "host/crypto_openssl/pubkey.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#define POINT_MAX (1 + 2 * 66)

/* The parts that are made once and kept for the life of the process: a check is then a few field operations. */
static struct curve {
	enum ch_key_type type;
	int nid;
	EC_GROUP *group;
	EC_POINT *point;
} curve[] = {
	{ .type = CH_KEY_P256, .nid = NID_X9_62_prime256v1 },
	{ .type = CH_KEY_P384, .nid = NID_secp384r1 },
	{ .type = CH_KEY_P521, .nid = NID_secp521r1 },
};

static bool ready(struct curve *c)
{
	if (c->group == NULL)
		c->group = EC_GROUP_new_by_curve_name(c->nid);
	if (c->group != NULL && c->point == NULL)
		c->point = EC_POINT_new(c->group);
	return c->point != NULL;
}

/* Decoding an uncompressed point refuses one that is not on its curve; the point at infinity has another encoding. */
static bool decodes(struct curve *c, const struct ch_pub *pub)
{
	uint8_t bytes[POINT_MAX];
	struct ch_wr w = ch_wr(bytes, sizeof(bytes));
	ch_wr_u8(&w, POINT_CONVERSION_UNCOMPRESSED);
	ch_wr_put(&w, pub->a);
	ch_wr_put(&w, pub->b);
	bool ok = !w.bad && EC_POINT_oct2point(c->group, c->point, bytes, w.len, NULL) == 1;
	if (!ok)
		ERR_clear_error();
	return ok;
}

bool ch_pub_point_valid(const struct ch_pub *pub)
{
	size_t coord = ch_key_coord(pub->type);
	for (size_t i = 0; i < CH_COUNT_OF(curve); i++) {
		if (curve[i].type == pub->type)
			return pub->a.n == coord && pub->b.n == coord && ready(&curve[i]) && decodes(&curve[i], pub);
	}
	return false;
}
