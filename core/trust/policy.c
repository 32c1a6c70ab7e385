/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/policy.h"

#include "core/base/rd.h"

#define MAGIC     "chpolicy"
#define VERSION   3
#define VERSION_2 2 /* nothing is fetched in quarantine */
#define VERSION_1 1 /* and without a daily amount of evidence */

#define REFUSED 1
#define ALLOWED 2

const char *ch_response_str(enum ch_response response)
{
	static const char *const name[] = { "unknown", "observe", "alert", "hold-updates", "quarantine" };
	return (size_t)response < CH_COUNT_OF(name) ? name[response] : "unknown";
}

enum ch_err ch_response_by_name(struct ch_span name, enum ch_response *response)
{
	for (unsigned i = CH_RESPONSE_OBSERVE; i <= CH_RESPONSE_QUARANTINE; i++) {
		if (ch_span_eq(name, ch_span_str(ch_response_str((enum ch_response)i)))) {
			*response = (enum ch_response)i;
			return CH_OK;
		}
	}
	return CH_ERR_UNKNOWN;
}

/* --- what a value may be --- */

/* NULL, or the rule that the policy breaks. */
static const char *broken_rule(const struct ch_policy *p)
{
	if (!ch_name_valid(p->class))
		return "the class is 1 to 64 of a-z 0-9 - _ . with a letter or digit first";
	if (p->required == 0 || (p->required & ~CH_LINKS_ALL) != 0)
		return "the required links are a set of the seven, and not empty";
	if (p->release != CH_RELEASE_TWO_OPERATORS && p->release != CH_RELEASE_AUTOMATIC)
		return "release is 1 (two operators) or 2 (automatic)";
	for (size_t i = 0; i <= CH_LINK_COUNT; i++) {
		enum ch_response r = i < CH_LINK_COUNT ? p->on_break[i] : p->on_stale;
		if (r < CH_RESPONSE_OBSERVE || r > CH_RESPONSE_QUARANTINE)
			return "a response is 1 (observe) to 4 (quarantine)";
	}
	for (size_t i = 0; i < CH_LINK_COUNT; i++) {
		if (p->max_age[i] < CH_POLICY_AGE_MIN || p->max_age[i] > CH_POLICY_AGE_MAX)
			return "the age of evidence is 30 seconds to 366 days";
		if ((p->required >> i & 1) != 0 && p->max_age[i] < p->interval)
			return "evidence of a required link would be stale before the next is asked for";
	}
	if (p->interval < CH_POLICY_AGE_MIN)
		return "the interval is at least 30 seconds";
	if (p->lifetime < CH_POLICY_LIFETIME_MIN || p->lifetime > CH_POLICY_LIFETIME_MAX)
		return "the lifetime of a certificate is 1 hour to 398 days";
	if (p->lifetime < p->interval)
		return "a certificate would expire before evidence is asked for";
	if (p->two_signatures >> CH_VERB_COUNT != 0)
		return "two signatures are asked for a verb that is none";
	if (p->ek != CH_EK_LISTED && p->ek != CH_EK_ANY_ROOT)
		return "the rule for EKs is 1 (listed) or 2 (any trusted root)";
	if (p->daily_mib == 0 || p->daily_mib > CH_POLICY_DAILY_MAX)
		return "the evidence of a day is 1 to 65536 MiB";
	return NULL;
}

/* --- reading and writing: in the order of docs/protocol/policy.md --- */

static void body_parse(struct ch_rd *r, struct ch_policy *p)
{
	p->required = ch_rd_u8(r);
	p->release = (enum ch_release_by)ch_rd_u8(r);
	for (size_t i = 0; i < CH_LINK_COUNT; i++)
		p->on_break[i] = (enum ch_response)ch_rd_u8(r);
	p->on_stale = (enum ch_response)ch_rd_u8(r);
	for (size_t i = 0; i < CH_LINK_COUNT; i++)
		p->max_age[i] = ch_rd_be32(r);
	p->interval = ch_rd_be32(r);
	p->lifetime = ch_rd_be32(r);
	p->two_signatures = ch_rd_be32(r);
	p->ek = (enum ch_ek_rule)ch_rd_u8(r);
}

enum ch_err ch_policy_parse(struct ch_policy *p, struct ch_span image, struct ch_diag *d)
{
	ch_diag_clear(d);
	*p = (struct ch_policy){ 0 };
	struct ch_policy out = { 0 };
	struct ch_rd r = ch_rd(image);
	struct ch_span magic = ch_rd_take(&r, sizeof(MAGIC) - 1);
	if (!r.bad && !ch_span_eq(magic, CH_SPAN_LIT(MAGIC)))
		return ch_fail(d, CH_ERR_MALFORMED, 0, "not a policy image: it does not begin with chpolicy");
	uint16_t version = ch_rd_be16(&r);
	if (!r.bad && (version < VERSION_1 || version > VERSION))
		return ch_fail(d, CH_ERR_UNSUPPORTED, sizeof(MAGIC) - 1, "the version of the image is not 1, 2 or 3");
	body_parse(&r, &out);
	uint8_t token = ch_rd_u8(&r);
	out.daily_mib = version == VERSION_1 ? CH_POLICY_DAILY_DEFAULT : ch_rd_be32(&r);
	uint8_t mend = version < VERSION ? REFUSED : ch_rd_u8(&r);
	size_t name = ch_rd_u8(&r);
	out.class = ch_rd_take(&r, name);
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, r.off, "the image ends early");
	if (!ch_rd_done(&r))
		return ch_fail(d, CH_ERR_TRAILING, r.off, "bytes after the class");
	if (token != REFUSED && token != ALLOWED)
		return ch_fail(d, CH_ERR_RANGE, 0, "the rule for tokens is 1 (refused) or 2 (allowed)");
	if (mend != REFUSED && mend != ALLOWED)
		return ch_fail(d, CH_ERR_RANGE, 0, "the rule for a release that mends is 1 (refused) or 2 (assigned)");
	out.token = token == ALLOWED;
	out.mend = mend == ALLOWED;
	const char *rule = broken_rule(&out);
	if (rule != NULL)
		return ch_fail(d, CH_ERR_RANGE, 0, rule);
	*p = out;
	return CH_OK;
}

enum ch_err ch_policy_put(struct ch_wr *w, const struct ch_policy *p)
{
	if (broken_rule(p) != NULL)
		return CH_ERR_RANGE;
	ch_wr_str(w, MAGIC);
	ch_wr_be16(w, VERSION);
	ch_wr_u8(w, p->required);
	ch_wr_u8(w, (uint8_t)p->release);
	for (size_t i = 0; i < CH_LINK_COUNT; i++)
		ch_wr_u8(w, (uint8_t)p->on_break[i]);
	ch_wr_u8(w, (uint8_t)p->on_stale);
	for (size_t i = 0; i < CH_LINK_COUNT; i++)
		ch_wr_be32(w, p->max_age[i]);
	ch_wr_be32(w, p->interval);
	ch_wr_be32(w, p->lifetime);
	ch_wr_be32(w, p->two_signatures);
	ch_wr_u8(w, (uint8_t)p->ek);
	ch_wr_u8(w, p->token ? ALLOWED : REFUSED);
	ch_wr_be32(w, p->daily_mib);
	ch_wr_u8(w, p->mend ? ALLOWED : REFUSED);
	ch_wr_u8(w, (uint8_t)p->class.n);
	ch_wr_put(w, p->class);
	return w->bad ? CH_ERR_NOSPACE : CH_OK;
}

/* --- asking --- */

unsigned ch_policy_signatures(const struct ch_policy *p, enum ch_verb verb)
{
	if ((size_t)verb >= CH_VERB_COUNT || (p->two_signatures >> verb & 1) != 0)
		return 2;
	return verb == CH_VERB_DEVICE_RELEASE && p->release == CH_RELEASE_TWO_OPERATORS ? 2 : 1;
}
