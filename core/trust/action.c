/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/action.h"

#include "core/base/rd.h"
#include "core/base/text.h"

/* --- verbs and roles --- */

enum subject_kind { SUBJECT_DEVICE, SUBJECT_DIGEST, SUBJECT_NAME };
enum payload_kind { PAYLOAD_NONE, PAYLOAD_NEEDED, PAYLOAD_ANY };

static const struct {
	const char *name;
	enum subject_kind subject;
	enum payload_kind payload;
	uint32_t roles;
} verb_row[CH_VERB_COUNT] = {
#define CH_VERB_ROW(name, text, subject, payload, roles) { text, SUBJECT_##subject, PAYLOAD_##payload, roles },
	CH_VERBS(CH_VERB_ROW)
#undef CH_VERB_ROW
};

const char *ch_verb_str(enum ch_verb verb)
{
	return (size_t)verb < CH_VERB_COUNT ? verb_row[verb].name : "unknown";
}

enum ch_err ch_verb_by_name(struct ch_span name, enum ch_verb *verb)
{
	for (size_t i = 0; i < CH_VERB_COUNT; i++) {
		if (ch_span_eq(name, ch_span_str(verb_row[i].name))) {
			*verb = (enum ch_verb)i;
			return CH_OK;
		}
	}
	return CH_ERR_UNKNOWN;
}

bool ch_verb_of_class(enum ch_verb verb)
{
	static const uint8_t named[] = { CH_VERB_CLOCK_ACCEPT,       CH_VERB_OPERATOR_ADD,   CH_VERB_OPERATOR_REMOVE,
					 CH_VERB_FLEET_ROOT_PUBLISH, CH_VERB_ROLLOUT_CREATE, CH_VERB_ROLLOUT_PAUSE,
					 CH_VERB_ROLLOUT_RESUME,     CH_VERB_ROLLOUT_ABORT };
	for (size_t i = 0; i < CH_COUNT_OF(named); i++) {
		if (verb == named[i])
			return false;
	}
	return (size_t)verb < CH_VERB_COUNT && verb_row[verb].subject != SUBJECT_DIGEST;
}

static const char *const role_name[CH_OPERATOR_COUNT] = {
	"none", "viewer", "operator", "releaser", "auditor", "admin"
};

const char *ch_operator_role_str(enum ch_operator_role role)
{
	return (size_t)role < CH_OPERATOR_COUNT ? role_name[role] : "unknown";
}

enum ch_err ch_operator_role_by_name(struct ch_span name, enum ch_operator_role *role)
{
	for (size_t i = CH_OPERATOR_NONE + 1; i < CH_OPERATOR_COUNT; i++) {
		if (ch_span_eq(name, ch_span_str(role_name[i]))) {
			*role = (enum ch_operator_role)i;
			return CH_OK;
		}
	}
	return CH_ERR_UNKNOWN;
}

bool ch_operator_may(enum ch_operator_role role, enum ch_verb verb)
{
	if ((size_t)verb >= CH_VERB_COUNT || (size_t)role >= CH_OPERATOR_COUNT)
		return false;
	return role == CH_OPERATOR_ADMIN || (verb_row[verb].roles >> role & 1) != 0;
}

/* --- what a field may hold --- */

static bool is_alnum(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool ch_name_valid(struct ch_span name)
{
	if (name.n == 0 || name.n > CH_NAME_MAX || !is_alnum(name.p[0]))
		return false;
	for (size_t i = 0; i < name.n; i++) {
		uint8_t c = name.p[i];
		if (!is_alnum(c) && c != '-' && c != '_' && c != '.')
			return false;
	}
	return true;
}

/* Lower case only: one text for one value. */
static bool is_hex(struct ch_span s, size_t digits)
{
	if (s.n != digits)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
			return false;
	}
	return true;
}

static bool subject_fits(enum ch_verb verb, struct ch_span s)
{
	switch (verb_row[verb].subject) {
	case SUBJECT_DEVICE:
		return is_hex(s, 32);
	case SUBJECT_DIGEST:
		return is_hex(s, 64);
	case SUBJECT_NAME:
		break;
	}
	return ch_name_valid(s);
}

static bool payload_fits(enum ch_verb verb, bool has)
{
	enum payload_kind kind = verb_row[verb].payload;
	return kind == PAYLOAD_ANY || has == (kind == PAYLOAD_NEEDED);
}

/* Only what ch_text_escape() writes: characters that are shown, none of which a terminal would obey. */
static bool reason_fits(struct ch_span s)
{
	if (s.n == 0 || s.n > CH_ACTION_REASON_MAX)
		return false;
	for (size_t off = 0; off < s.n;) {
		uint32_t code;
		size_t n = ch_utf8_decode(ch_span_sub(s, off, s.n - off), &code);
		if (n == 0 || !ch_text_shown(code))
			return false;
		off += n;
	}
	return true;
}

enum ch_err ch_ek_class_parse(struct ch_span *class, struct ch_span payload)
{
	static const struct ch_span label = CH_SPAN_LIT("class: ");
	*class = CH_SPAN_EMPTY;
	if (!ch_span_starts(payload, label))
		return CH_OK;
	struct ch_span name = ch_span_sub(payload, label.n, payload.n - label.n);
	if (name.n == 0 || name.p[name.n - 1] != '\n')
		return CH_ERR_MALFORMED;
	name = ch_span_sub(name, 0, name.n - 1);
	if (!ch_name_valid(name))
		return CH_ERR_MALFORMED;
	*class = name;
	return CH_OK;
}

static const struct ch_span assign_line[] = { CH_SPAN_LIT("release: "), CH_SPAN_LIT("\nmode: "),
					      CH_SPAN_LIT("forced\n"), CH_SPAN_LIT("soft\n") };

void ch_update_assign_put(struct ch_wr *w, const uint8_t release[static 32], bool forced)
{
	ch_wr_put(w, assign_line[0]);
	ch_wr_hex(w, ch_span(release, 32));
	ch_wr_put(w, assign_line[1]);
	ch_wr_put(w, assign_line[forced ? 2 : 3]);
}

enum ch_err ch_update_assign_parse(uint8_t release[static 32], bool *forced, struct ch_span payload)
{
	uint8_t digest[32];
	struct ch_rd r = ch_rd(payload);
	struct ch_span label = ch_rd_take(&r, assign_line[0].n);
	struct ch_span hex = ch_rd_take(&r, 64);
	struct ch_span mode = ch_rd_take(&r, assign_line[1].n);
	struct ch_span word = ch_rd_take(&r, ch_rd_left(&r));
	bool hard = ch_span_eq(word, assign_line[2]);
	if (r.bad || !ch_span_eq(label, assign_line[0]) || !ch_span_eq(mode, assign_line[1]) ||
	    (!hard && !ch_span_eq(word, assign_line[3])) || !is_hex(hex, 64) ||
	    ch_hex_decode(digest, sizeof(digest), hex) != CH_OK)
		return CH_ERR_MALFORMED;
	(void)ch_span_copy(release, 32, CH_SPAN_OF(digest));
	*forced = hard;
	return CH_OK;
}

/* --- reading --- */

#define HEAD "chainhold-action/v1"

struct reader {
	struct ch_rd r;
	struct ch_diag *d;
	enum ch_err err;
	size_t at; /* where the field that is being read began */
};

static void refuse(struct reader *t, enum ch_err err, const char *rule)
{
	if (t->err == CH_OK)
		t->err = ch_fail(t->d, err, t->at, rule);
}

/* "name: value\n": the value. The name must stand there. */
static struct ch_span line(struct reader *t, const char *name, const char *rule)
{
	if (t->err != CH_OK)
		return CH_SPAN_EMPTY;
	t->at = t->r.off;
	struct ch_span left = ch_span_sub(t->r.in, t->r.off, ch_rd_left(&t->r));
	size_t n = 0;
	while (n < left.n && left.p[n] != '\n')
		n++;
	struct ch_span label = ch_span_str(name);
	struct ch_span text = ch_rd_take(&t->r, n);
	/* What is cut is told as cut, wherever the cut fell. */
	if (n == left.n) {
		struct ch_span start = ch_span_sub(label, 0, n < label.n ? n : label.n);
		refuse(t, ch_span_starts(text, start) ? CH_ERR_TRUNCATED : CH_ERR_MALFORMED, rule);
		return CH_SPAN_EMPTY;
	}
	(void)ch_rd_take(&t->r, 1);
	if (!ch_span_starts(text, label)) {
		refuse(t, CH_ERR_MALFORMED, rule);
		return CH_SPAN_EMPTY;
	}
	return ch_span_sub(text, label.n, text.n - label.n);
}

/* Decimal digits, no sign, no leading zero. */
static uint64_t number(struct reader *t, struct ch_span s, uint64_t max, const char *rule)
{
	uint64_t v = 0;
	if (s.n == 0 || s.n > 20 || (s.n > 1 && s.p[0] == '0'))
		refuse(t, s.n > 20 ? CH_ERR_RANGE : CH_ERR_ENCODING, rule);
	for (size_t i = 0; i < s.n && t->err == CH_OK; i++) {
		uint8_t digit = (uint8_t)(s.p[i] - '0');
		if (digit > 9)
			refuse(t, CH_ERR_ENCODING, rule);
		else if (v > (max - digit) / 10)
			refuse(t, CH_ERR_RANGE, rule);
		else
			v = v * 10 + digit;
	}
	return v;
}

static void hex(struct reader *t, struct ch_span s, uint8_t *to, size_t n, const char *rule)
{
	if (t->err != CH_OK)
		return;
	if (!is_hex(s, 2 * n) || ch_hex_decode(to, n, s) != CH_OK)
		refuse(t, CH_ERR_ENCODING, rule);
}

static void verb_parse(struct reader *t, struct ch_action *a)
{
	struct ch_span s = line(t, "verb: ", "line 3 is \"verb: \" and the verb");
	if (t->err == CH_OK && ch_verb_by_name(s, &a->verb) != CH_OK)
		refuse(t, CH_ERR_UNKNOWN, "the verb is none of those that are known");
	a->subject = line(t, "subject: ", "line 4 is \"subject: \" and what the verb is done to");
	if (t->err == CH_OK && !subject_fits(a->verb, a->subject))
		refuse(t, CH_ERR_MISMATCH, "the subject is not of the kind that the verb takes");
	s = line(t, "payload: ", "line 5 is \"payload: \" and 64 lower-case digits, or -");
	a->has_payload = !ch_span_eq(s, CH_SPAN_LIT("-"));
	if (a->has_payload)
		hex(t, s, a->payload, sizeof(a->payload), "the payload is - or its SHA-256 in 64 lower-case digits");
	if (t->err == CH_OK && !payload_fits(a->verb, a->has_payload))
		refuse(t, CH_ERR_MISMATCH, "the verb needs a payload, or takes none");
}

enum ch_err ch_action_parse(struct ch_action *a, struct ch_span in, struct ch_diag *d)
{
	ch_diag_clear(d);
	*a = (struct ch_action){ 0 };
	struct ch_action out = { 0 };
	struct reader t = { .r = ch_rd(in), .d = d };
	if (in.n > CH_ACTION_MAX)
		refuse(&t, CH_ERR_RANGE, "an action has at most 1024 bytes");
	struct ch_span s = line(&t, "chainhold-action/", "line 1 is \"chainhold-action/v1\"");
	if (t.err == CH_OK && !ch_span_eq(s, CH_SPAN_LIT("v1")))
		refuse(&t, CH_ERR_UNSUPPORTED, "the version is not v1");
	s = line(&t, "tenant: ", "line 2 is \"tenant: \" and a number");
	out.tenant =
		(uint32_t)number(&t, s, UINT32_MAX, "the tenant is a decimal number of 32 bits without leading zeros");
	verb_parse(&t, &out);
	out.reason = line(&t, "reason: ", "line 6 is \"reason: \" and text");
	if (t.err == CH_OK && !reason_fits(out.reason))
		refuse(&t, CH_ERR_ENCODING, "the reason is 1 to 512 bytes of escaped text");
	s = line(&t, "time: ", "line 7 is \"time: \" and seconds since 1970");
	out.time = number(&t, s, INT64_MAX, "the time is a decimal number of 63 bits without leading zeros");
	s = line(&t, "nonce: ", "line 8 is \"nonce: \" and 32 lower-case digits");
	hex(&t, s, out.nonce, sizeof(out.nonce), "the nonce is 16 bytes in 32 lower-case digits");
	t.at = t.r.off;
	if (t.err == CH_OK && !ch_rd_done(&t.r))
		refuse(&t, CH_ERR_TRAILING, "bytes after the nonce");
	if (t.err == CH_OK)
		*a = out;
	return t.err;
}

/* --- writing --- */

static bool fits(const struct ch_action *a)
{
	return (size_t)a->verb < CH_VERB_COUNT && subject_fits(a->verb, a->subject) &&
	       payload_fits(a->verb, a->has_payload) && reason_fits(a->reason) && a->time <= INT64_MAX;
}

enum ch_err ch_action_put(struct ch_wr *w, const struct ch_action *a)
{
	if (!fits(a))
		return CH_ERR_RANGE;
	ch_wr_str(w, HEAD "\ntenant: ");
	ch_wr_dec(w, a->tenant);
	ch_wr_str(w, "\nverb: ");
	ch_wr_str(w, ch_verb_str(a->verb));
	ch_wr_str(w, "\nsubject: ");
	ch_wr_put(w, a->subject);
	ch_wr_str(w, "\npayload: ");
	if (a->has_payload)
		ch_wr_hex(w, CH_SPAN_OF(a->payload));
	else
		ch_wr_str(w, "-");
	ch_wr_str(w, "\nreason: ");
	ch_wr_put(w, a->reason);
	ch_wr_str(w, "\ntime: ");
	ch_wr_dec(w, a->time);
	ch_wr_str(w, "\nnonce: ");
	ch_wr_hex(w, CH_SPAN_OF(a->nonce));
	ch_wr_str(w, "\n");
	return w->bad ? CH_ERR_NOSPACE : CH_OK;
}

/* --- signature --- */

enum ch_err ch_action_verify(const struct ch_verify_key *key, struct ch_span canonical, struct ch_span signature)
{
	if (signature.n != CH_ACTION_SIGNATURE)
		return CH_ERR_SIGNATURE;
	struct ch_sig sig = { .scheme = CH_SIG_ED25519, .a = signature };
	if (key->type == CH_KEY_P256) {
		sig.scheme = CH_SIG_ECDSA;
		sig.hash = CH_HASH_SHA256;
		sig.a = ch_span_sub(signature, 0, 32);
		sig.b = ch_span_sub(signature, 32, 32);
	} else if (key->type != CH_KEY_ED25519) {
		return CH_ERR_KEY;
	}
	return ch_verify_message(key, &sig, canonical);
}
