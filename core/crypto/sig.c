/* SPDX-License-Identifier: Apache-2.0 */
#include "core/crypto/sig.h"

static const struct {
	const char *name;
	uint16_t bits;
	uint8_t coord;
} key_type[] = {
	[CH_KEY_NONE] = { "none", 0, 0 },     [CH_KEY_P256] = { "P-256", 256, 32 },
	[CH_KEY_P384] = { "P-384", 384, 48 }, [CH_KEY_P521] = { "P-521", 521, 66 },
	[CH_KEY_RSA] = { "RSA", 0, 0 },       [CH_KEY_ED25519] = { "Ed25519", 255, 32 },
};

const char *ch_key_type_str(enum ch_key_type type)
{
	return (size_t)type < CH_COUNT_OF(key_type) ? key_type[type].name : "none";
}

size_t ch_key_coord(enum ch_key_type type)
{
	return (size_t)type < CH_COUNT_OF(key_type) ? key_type[type].coord : 0;
}

size_t ch_pub_bits(const struct ch_pub *pub)
{
	if (pub->type != CH_KEY_RSA)
		return (size_t)pub->type < CH_COUNT_OF(key_type) ? key_type[pub->type].bits : 0;
	if (pub->a.n == 0)
		return 0;
	size_t bits = (pub->a.n - 1) * 8;
	for (unsigned top = pub->a.p[0]; top != 0; top >>= 1)
		bits++;
	return bits;
}

enum ch_err ch_verify_message(const struct ch_verify_key *k, const struct ch_sig *sig, struct ch_span msg)
{
	if (sig->scheme == CH_SIG_ED25519)
		return ch_verify_digest(k, sig, msg);
	struct ch_digest d;
	enum ch_err err = ch_hash_once(sig->hash, msg, &d);
	if (err != CH_OK)
		return err;
	return ch_verify_digest(k, sig, ch_digest_span(&d));
}
