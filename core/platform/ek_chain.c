/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/ek_cert.h"

/* Signatures verified for one chain: same-named issuers that are not the one cost one each. */
#define VERIFY_MAX 64

struct search {
	const struct ch_ek_pool *pool;
	int64_t now;
	size_t verified;
};

static bool is_anchor(const struct ch_ek_pool *pool, const struct ch_ek_cert *c)
{
	for (size_t i = 0; i < pool->anchors && i < pool->count && i < CH_CERT_POOL_MAX; i++) {
		if (ch_span_eq(pool->cert[i].x.raw, c->x.raw))
			return true;
	}
	return false;
}

static bool self_issued(const struct ch_x509 *x)
{
	return x->form == CH_X509_CERTIFICATE && ch_span_eq(x->issuer, x->subject);
}

static bool in_chain(const struct ch_ek_chain *chain, const struct ch_ek_cert *c)
{
	for (size_t i = 0; i < chain->count; i++) {
		if (ch_span_eq(chain->cert[i]->x.raw, c->x.raw))
			return true;
	}
	return false;
}

/* --- the rules --- */

static void check_extensions(const struct ch_x509 *x, size_t at, struct ch_ek_notes *bad)
{
	for (size_t i = 0; i < x->ext_count; i++) {
		if (x->ext[i].critical && !x->ext[i].known)
			ch_ek_notes_add(bad, at, "an unknown extension is critical (RFC 5280, 4.2)");
	}
}

/* Certificates below `at` that count against its path length: not the end entity's, not self-issued ones (RFC 5280, 6.1.4). */
static size_t length_below(const struct ch_ek_chain *chain, size_t at)
{
	size_t n = 0;
	bool attribute = chain->cert[0]->x.form == CH_X509_ATTRIBUTE;
	for (size_t i = attribute ? 2 : 1; i < at; i++)
		n += self_issued(&chain->cert[i]->x) ? 0 : 1;
	return n;
}

/* An issuer of certificates (RFC 5280, 6.1.4), or of an attribute certificate (RFC 5755, 4.5). */
static void check_issuer(const struct ch_ek_chain *chain, size_t at, bool anchor, struct ch_ek_notes *bad)
{
	const struct ch_ek_cert *c = chain->cert[at];
	const struct ch_x509 *x = &c->x;
	bool of_attribute = at == 1 && chain->cert[0]->x.form == CH_X509_ATTRIBUTE;
	uint16_t usage = of_attribute ? CH_KU_CERT_SIGN | CH_KU_DIGITAL_SIGNATURE : CH_KU_CERT_SIGN;
	if (!of_attribute && !x->ca) {
		bool unmarked = anchor && !x->has_basic && c->vendor == CH_EK_VENDOR_INTEL;
		if (!unmarked)
			ch_ek_notes_add(bad, at, "an issuer is not a CA (RFC 5280, 6.1.4 k)");
	}
	if (x->has_key_usage && (x->key_usage & usage) == 0)
		ch_ek_notes_add(bad, at, "the keyUsage of an issuer does not let it sign (RFC 5280, 6.1.4 n)");
	if (x->has_path_len && x->ca && length_below(chain, at) > x->path_len)
		ch_ek_notes_add(bad, at, "the chain is longer than an issuer's pathLenConstraint (RFC 5280, 6.1.4 m)");
	check_extensions(x, at, bad);
	for (size_t i = 0; i < CH_EK_DEFECT_COUNT; i++) {
		/* The signature of an anchor is not what makes it trusted. */
		if ((c->forbidden & 1u << i) != 0 && !(anchor && i == CH_EK_SHA1))
			ch_ek_notes_add(bad, at, ch_ek_defect_str((enum ch_ek_defect)i));
	}
}

/* The certificate itself, as far as the chain depends on it; the rest is ch_ek_cert_check(). */
static void check_leaf(const struct ch_ek_cert *c, const struct search *s, struct ch_ek_notes *bad)
{
	if ((c->forbidden & 1u << CH_EK_SHA1) != 0 && !is_anchor(s->pool, c))
		ch_ek_notes_add(bad, 0, "the chain rests on SHA-1");
	check_extensions(&c->x, 0, bad);
}

static void check_at(const struct ch_ek_chain *chain, size_t at, const struct search *s, struct ch_ek_notes *bad)
{
	const struct ch_ek_cert *c = chain->cert[at];
	if (s->now < c->x.not_before)
		ch_ek_notes_add(bad, at, "not yet valid (RFC 5280, 4.1.2.5)");
	if (s->now > c->x.not_after)
		ch_ek_notes_add(bad, at, "not valid any more (RFC 5280, 4.1.2.5)");
	if (at == 0)
		check_leaf(c, s, bad);
	else
		check_issuer(chain, at, is_anchor(s->pool, c), bad);
}

/* --- the search --- */

static bool names_issuer(const struct ch_x509 *child, const struct ch_x509 *issuer)
{
	if (issuer->form != CH_X509_CERTIFICATE || ch_x509_name_empty(child->issuer) ||
	    !ch_x509_name_eq(child->issuer, issuer->subject))
		return false;
	return child->authority_key_id.n == 0 || issuer->subject_key_id.n == 0 ||
	       ch_span_eq(child->authority_key_id, issuer->subject_key_id);
}

/* True if `c`, put on top of the chain, breaks no rule. */
static bool holds(const struct ch_ek_chain *chain, const struct ch_ek_cert *c, const struct search *s)
{
	struct ch_ek_chain longer = *chain;
	struct ch_ek_notes bad = { .count = 0 };
	longer.cert[longer.count++] = c;
	check_at(&longer, longer.count - 1, s, &bad);
	return bad.count == 0;
}

/*
 * The issuer of the chain's last certificate: the first whose key made the signature, better one that also keeps the rules. Of
 * an anchor only anchors are issuers: nothing that came with the certificate may stand above what is trusted.
 */
static const struct ch_ek_cert *find_issuer(const struct ch_ek_chain *chain, struct search *s)
{
	const struct ch_ek_cert *child = chain->cert[chain->count - 1];
	const struct ch_ek_cert *found = NULL;
	size_t count = is_anchor(s->pool, child) ? s->pool->anchors : s->pool->count;
	for (size_t i = 0; i < count && i < s->pool->count && i < CH_CERT_POOL_MAX; i++) {
		const struct ch_ek_cert *c = &s->pool->cert[i];
		if (!names_issuer(&child->x, &c->x) || in_chain(chain, c))
			continue;
		if (s->verified == VERIFY_MAX)
			return found;
		s->verified++;
		if (ch_x509_verify(&child->x, &c->x.pub) != CH_OK)
			continue;
		if (holds(chain, c, s))
			return c;
		if (found == NULL)
			found = c;
	}
	return found;
}

/* Why the chain ends below an anchor. */
static const char *dead_end(const struct ch_ek_chain *chain, const struct search *s)
{
	const struct ch_x509 *top = &chain->cert[chain->count - 1]->x;
	if (chain->count == CH_CHAIN_MAX)
		return "the chain is longer than CH_CHAIN_MAX certificates";
	if (top->sig.scheme == CH_SIG_NONE)
		return "the signature algorithm is not one that is verified here";
	if (self_issued(top))
		return "the chain ends at a root that is not trusted";
	for (size_t i = 0; i < s->pool->count && i < CH_CERT_POOL_MAX; i++) {
		if (names_issuer(top, &s->pool->cert[i].x))
			return "no issuer of that name made the signature";
	}
	return "the issuer is not among the certificates given";
}

enum ch_err ch_ek_chain_check(struct ch_ek_chain *chain, const struct ch_ek_cert *leaf, const struct ch_ek_pool *pool,
			      int64_t now, struct ch_ek_notes *violations)
{
	struct search s = { .pool = pool, .now = now };
	size_t before = violations->count;
	*chain = (struct ch_ek_chain){ .count = 1, .cert = { leaf } };
	while (chain->count < CH_CHAIN_MAX) {
		const struct ch_ek_cert *top = chain->cert[chain->count - 1];
		const struct ch_ek_cert *issuer = NULL;
		if (!self_issued(&top->x) || !is_anchor(pool, top))
			issuer = find_issuer(chain, &s);
		if (issuer == NULL)
			break;
		chain->cert[chain->count++] = issuer;
	}
	for (size_t i = 0; i < chain->count; i++)
		check_at(chain, i, &s, violations);
	if (!is_anchor(pool, chain->cert[chain->count - 1]))
		ch_ek_notes_add(violations, chain->count - 1, dead_end(chain, &s));
	return violations->count == before ? CH_OK : CH_ERR_UNTRUSTED;
}
