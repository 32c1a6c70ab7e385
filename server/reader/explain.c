/* SPDX-License-Identifier: Apache-2.0 */
#include "server/reader/explain.h"

#include "core/base/text.h"

/*
 * "Why is this device not trusted?", in sentences: what its state means, each link that does not hold with the facts that its
 * reasons name, what was done about it, and what to do now. Facts come from evidence: they are text, and are escaped as such.
 */

#define TENANT   ch_int(CH_READER_TENANT)
#define TEXT_MAX 1024

/* --- sentences --- */

struct ch_wr *ch_say(struct ch_explain *e)
{
	e->w = ch_wr(e->text, sizeof(e->text));
	return &e->w;
}

/* Text from evidence, in quotes. */
static void quoted(struct ch_wr *w, struct ch_span s)
{
	ch_wr_str(w, "\"");
	ch_text_escape(w, ch_span_sub(s, 0, s.n < 400 ? s.n : 400));
	ch_wr_str(w, s.n > 400 ? "…\"" : "\"");
}

void ch_say_end(struct ch_explain *e, const char *kind, const char *link, const char *code, const char *todo)
{
	struct ch_json_wr *j = e->j;
	ch_json_object_begin(j);
	ch_json_named_str(j, "kind", kind);
	ch_json_named_str(j, "link", link);
	ch_json_named_str(j, "code", code);
	/* A sentence that did not fit is cut, not dropped. */
	ch_json_named_span(j, "text", ch_span(e->text, e->w.len));
	ch_json_named_str(j, "todo", todo);
	ch_json_object_end(j);
}

void ch_say_age(struct ch_wr *w, uint64_t seconds)
{
	static const struct {
		uint64_t seconds;
		const char *one, *many;
	} row[] = { { 86400, " day", " days" }, { 3600, " hour", " hours" }, { 60, " minute", " minutes" } };
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		/* Two of a unit and more: "90 minutes" says more than "1 hour". */
		if (seconds >= 2 * row[i].seconds || seconds == row[i].seconds) {
			ch_wr_dec(w, seconds / row[i].seconds);
			ch_wr_str(w, seconds == row[i].seconds ? row[i].one : row[i].many);
			return;
		}
	}
	ch_wr_dec(w, seconds);
	ch_wr_str(w, seconds == 1 ? " second" : " seconds");
}

/* --- the state --- */

static const struct {
	const char *is, *todo;
} state_row[CH_STATE_COUNT] = {
	[CH_STATE_NONE] = { "is not known", NULL },
	[CH_STATE_PREAUTHORISED] = { "is pre-authorised: it has not enrolled yet",
				     "Start its agent: it enrols by itself." },
	[CH_STATE_ENROLLED] = { "is enrolled: it has a certificate, but its chain has not been affirmed under it yet",
				NULL },
	[CH_STATE_TRUSTED] = { "is trusted", NULL },
	[CH_STATE_QUARANTINED] = { "is quarantined: it may send evidence and renew its certificate, and nothing else",
				   NULL },
	[CH_STATE_DECOMMISSIONED] = { "is decommissioned: its life in this fleet has ended, for good", NULL },
	[CH_STATE_REVOKED] = { "is revoked: its certificate is void for good",
			       "It comes back by enrolling again: credential activation with its TPM, or a new token." },
};

static void put_state(struct ch_explain *e)
{
	const struct ch_device_row *d = &e->d;
	struct ch_wr *w = ch_say(e);
	ch_text_escape(w, ch_span_str(d->hostname[0] != '\0' ? d->hostname : "The device"));
	ch_wr_str(w, " ");
	ch_wr_str(w, state_row[(size_t)d->state < CH_STATE_COUNT ? d->state : 0].is);
	ch_wr_str(w, ". Its chain is ");
	ch_wr_str(w, ch_tier_str(d->chain));
	ch_wr_str(w, d->chain_time != 0 ? " since " : "");
	if (d->chain_time != 0)
		ch_say_age(w, e->a->now > d->chain_time ? e->a->now - d->chain_time : 0);
	ch_wr_str(w, ".");
	ch_say_end(e, "state", NULL, ch_state_str(d->state),
		   state_row[(size_t)d->state < CH_STATE_COUNT ? d->state : 0].todo);
	if (e->known)
		return;
	w = ch_say(e);
	ch_wr_str(w, "Its class ");
	ch_text_escape(w, ch_span_str(d->class));
	ch_wr_str(w, " has no policy: nothing can be said of its chain.");
	ch_say_end(e, "policy", NULL, "no-policy", "Apply a policy for the class: chainhold policy apply FILE.");
}

/* --- reasons --- */

/* What to do about a reason; the first row whose word begins its code. */
static const struct {
	const char *code, *todo;
} advice[] = {
	{ "event-unexplained",
	  "If you changed this (firmware, kernel, command line, initrd), approve the new boot: chainhold baseline "
	  "capture, diff, approve. If nobody did, treat the device as tampered with: keep it quarantined and reinstall it." },
	{ "event-missing",
	  "Something that every good boot measures did not run. Compare with chainhold baseline diff." },
	{ "event-text", "The log was changed after the fact. Treat the device as tampered with." },
	{ "event-order",
	  "Firmware changed Secure Boot's configuration too late: update the firmware, then attest again." },
	{ "event-warning", "A rule of the reference values allows it with a warning: look at the rule." },
	{ "digest-conflict", "The log was changed after the fact. Treat the device as tampered with." },
	{ "separator", "Firmware reported an error, or the log was cut: update the firmware, then attest again." },
	{ "secure-boot-off", "Turn Secure Boot on in the firmware's setup and boot again." },
	{ "secure-boot-key",
	  "Remove the key from the firmware's database, or, if it is yours, add it to the baseline." },
	{ "dbx-too-old", "Update the firmware's revocation list (fwupdmgr update, dbxtool), then boot again." },
	{ "secure-boot", "Reset the firmware's Secure Boot databases to those of the baseline." },
	{ "signature",
	  "The quote was not signed by the key that enrolled: another TPM, or a cloned state. Enrol it again." },
	{ "attestation-key", "Enrol the device again: its key must be a restricted one of its TPM." },
	{ "nonce", "An old quote was sent again, or the answer came too late. A new attestation clears it." },
	{ "log-",
	  "The log is cut or is not that of this boot. Attest again; if it stays, treat the device as tampered with." },
	{ "pcr-", "The log does not account for this register. Attest again; if it stays, treat it as tampered with." },
	{ "counter-back", "The state of a TPM was restored or cloned. Find out which device is the real one." },
	{ "clock-back", "A software TPM does this when its power is cut. Of a TPM of hardware, ask why." },
	{ "tpm-firmware", "Update the TPM's firmware: it is older than it was." },
	{ "ima-file", "Remove the file, or endorse it: chainhold baseline capture, diff, approve." },
	{ "ima-", "Look at what runs on the device; a reboot starts a new list." },
	{ "boot-aggregate", "The IMA list is not of this boot. Reboot the device." },
	{ "no-reference", "Approve a first baseline for the class: chainhold baseline capture, approve." },
	{ "ek", "Put the root certificate of the TPM's maker into ek_roots, or allow the EK: chainhold ek allow." },
};

static const char *advice_of(struct ch_span code)
{
	for (size_t i = 0; i < CH_COUNT_OF(advice); i++) {
		if (ch_span_starts(code, ch_span_str(advice[i].code)))
			return advice[i].todo;
	}
	return NULL;
}

/* A member that is a string, escapes resolved into `to`; empty if it is none. */
static struct ch_span member(const struct ch_json *doc, size_t object, const char *name, uint8_t to[static TEXT_MAX])
{
	size_t v;
	struct ch_span s;
	if (ch_json_member(doc, object, name, &v) != CH_OK || ch_json_type(doc, v) != CH_JSON_STRING ||
	    ch_json_str(doc, v, to, TEXT_MAX, &s) != CH_OK)
		return CH_SPAN_EMPTY;
	return s;
}

static void number_fact(struct ch_wr *w, const struct ch_json *doc, size_t object, const char *name, const char *word)
{
	size_t v;
	uint64_t n;
	if (ch_json_member(doc, object, name, &v) != CH_OK || ch_json_u64(doc, v, &n) != CH_OK)
		return;
	ch_wr_str(w, word);
	ch_wr_dec(w, n);
}

static void text_fact(struct ch_wr *w, const struct ch_json *doc, size_t object, const char *name, const char *word)
{
	uint8_t text[TEXT_MAX];
	struct ch_span s = member(doc, object, name, text);
	if (s.n == 0)
		return;
	ch_wr_str(w, word);
	quoted(w, s);
}

/* "Nobody endorsed this event: event 14, PCR 9, EV_IPL, "grub_cmd: linux …", where "…" was expected, by baseline "gateway"." */
static void put_reason(struct ch_explain *e, const struct ch_json *doc, size_t object, enum ch_link link)
{
	uint8_t code_text[TEXT_MAX], text[TEXT_MAX];
	struct ch_span code = member(doc, object, "code", code_text);
	struct ch_span sentence = member(doc, object, "text", text);
	char code_word[64] = "";
	code_word[ch_span_copy(code_word, sizeof(code_word) - 1, code)] = '\0';
	struct ch_wr *w = ch_say(e);
	ch_wr_str(w, ch_link_str(link));
	ch_wr_str(w, ": ");
	ch_text_escape(w, sentence.n > 0 ? sentence : code);
	number_fact(w, doc, object, "event", "; event ");
	number_fact(w, doc, object, "entry", "; entry ");
	number_fact(w, doc, object, "pcr", ", PCR ");
	text_fact(w, doc, object, "type", ", type ");
	text_fact(w, doc, object, "measured", ": ");
	text_fact(w, doc, object, "expected_what", "; expected was ");
	text_fact(w, doc, object, "digest", "; digest ");
	text_fact(w, doc, object, "expected", ", expected ");
	text_fact(w, doc, object, "from_name", "; by ");
	ch_wr_str(w, ".");
	ch_say_end(e, "reason", ch_link_str(link), code_word, advice_of(code));
}

#define REASONS_SHOWN 12

/* The reasons of one link in the device's last evidence. */
static void put_reasons(struct ch_explain *e, const struct ch_json *doc, enum ch_link link)
{
	uint8_t text[TEXT_MAX];
	size_t shown = 0, hidden = 0;
	for (size_t i = ch_json_first(doc, 0); i != CH_JSON_NONE; i = ch_json_next(doc, 0, i)) {
		struct ch_span name = member(doc, i, "link", text);
		bool mine = ch_span_eq(name, ch_span_str(ch_link_str(link)));
		struct ch_span tier = mine ? member(doc, i, "tier", text) : CH_SPAN_EMPTY;
		/* What only notes something explains no loss of trust. */
		if (!mine || ch_span_eq(tier, CH_SPAN_LIT("none")) || ch_span_eq(tier, CH_SPAN_LIT("affirming")))
			continue;
		if (shown++ < REASONS_SHOWN)
			put_reason(e, doc, i, link);
		else
			hidden++;
	}
	if (hidden == 0)
		return;
	struct ch_wr *w = ch_say(e);
	ch_wr_str(w, ch_link_str(link));
	ch_wr_str(w, ": ");
	ch_wr_dec(w, hidden);
	ch_wr_str(w, " more reasons; device show has all.");
	ch_say_end(e, "reason", ch_link_str(link), NULL, NULL);
}

/* --- links --- */

static void put_missing(struct ch_explain *e, enum ch_link link)
{
	struct ch_wr *w = ch_say(e);
	ch_wr_str(w, "The class ");
	ch_text_escape(w, ch_span_str(e->d.class));
	ch_wr_str(w, " requires the link ");
	ch_wr_str(w, ch_link_str(link));
	ch_wr_str(w, ", and nothing that counts was ever shown for it.");
	ch_say_end(
		e, "link", ch_link_str(link), "missing",
		link == CH_LINK_BOOT || link == CH_LINK_OS
			? "See that the agent runs and attests; a class without a baseline needs one first: chainhold baseline "
			  "capture, approve."
			: "See that the agent runs and has enrolled with its TPM.");
}

static void put_stale(struct ch_explain *e, enum ch_link link)
{
	struct ch_wr *w = ch_say(e);
	uint64_t at = e->link[link].fresh_time;
	ch_wr_str(w, "The evidence for ");
	ch_wr_str(w, ch_link_str(link));
	ch_wr_str(w, " is ");
	ch_say_age(w, e->a->now > at ? e->a->now - at : 0);
	ch_wr_str(w, " old; the class allows ");
	ch_say_age(w, e->policy.max_age[link]);
	ch_wr_str(w, ".");
	ch_say_end(e, "link", ch_link_str(link), "stale",
		   "See that the device is on and reaches the server; it attests by itself.");
}

static void put_link(struct ch_explain *e, const struct ch_json *doc, enum ch_link link)
{
	uint8_t bit = (uint8_t)(1u << link);
	enum ch_tier tier = e->link[link].tier;
	bool required = (e->policy.required & bit) != 0;
	if ((e->chain.missing & bit) != 0)
		put_missing(e, link);
	else if ((e->chain.stale & bit) != 0)
		put_stale(e, link);
	if (tier != CH_TIER_WARNING && tier != CH_TIER_CONTRAINDICATED) {
		/* A required link that is missing may have been looked at, with a reason why nothing came of it. */
		if ((e->chain.missing & bit) != 0)
			put_reasons(e, doc, link);
		return;
	}
	struct ch_wr *w = ch_say(e);
	ch_wr_str(w, "The link ");
	ch_wr_str(w, ch_link_str(link));
	ch_wr_str(w, " is ");
	ch_wr_str(w, tier == CH_TIER_WARNING ? "a warning" : ch_tier_str(tier));
	ch_wr_str(w, required ? "; the class requires it." : "; the class does not require it: it is shown only.");
	ch_say_end(e, "link", ch_link_str(link), ch_tier_str(tier), NULL);
	put_reasons(e, doc, link);
}

static void put_links(struct ch_explain *e)
{
	struct ch_query q = ch_sql_query(e->a->st, CH_READ_REASONS, CH_ARGS(TENANT, ch_int(e->d.seq)));
	CH_AUTO_BUF struct ch_buf text = { 0 };
	ch_buf_append(&text, ch_sql_next(&q) ? ch_sql_bytes(&q, 2) : CH_SPAN_LIT("[]"));
	(void)ch_sql_end(&q);
	struct ch_json doc;
	size_t cap = ch_json_nodes_max(text.n);
	CH_AUTO_FREE struct ch_json_node *node = ch_calloc(cap, sizeof(*node));
	if (ch_json_parse(&doc, ch_buf_span(&text), node, cap, NULL) != CH_OK)
		doc = (struct ch_json){ .node = node };
	for (size_t i = 0; i < CH_LINK_COUNT; i++)
		put_link(e, &doc, (enum ch_link)i);
}

/* Nobody is judged while the generation in force is refused: what is known grows old. */
static void put_refused(struct ch_explain *e)
{
	struct ch_query q = ch_sql_query(e->a->st, CH_READ_GENERATION_LAST, CH_ARGS(TENANT));
	if (ch_sql_next(&q) && ch_sql_int(&q, 2) != 0) {
		struct ch_wr *w = ch_say(e);
		ch_wr_str(w,
			  "No evidence is judged: the generation of policy and reference values in force is refused (");
		ch_text_escape(w, ch_sql_bytes(&q, 3));
		ch_wr_str(w, ").");
		ch_say_end(e, "policy", NULL, "generation-refused",
			   "Take back what was changed last: a file in ek_roots, a policy, reference values.");
	}
	(void)ch_sql_end(&q);
}

/* --- what was done, and what comes next --- */

static void put_cuts(struct ch_explain *e)
{
	struct ch_query q = ch_sql_query(e->a->st, CH_READ_INTENTS, CH_ARGS(TENANT, ch_int(e->d.seq)));
	if (ch_sql_next(&q)) {
		int64_t decided = ch_sql_int(&q, 2), done = ch_sql_int(&q, 3);
		struct ch_wr *w = ch_say(e);
		ch_wr_str(w, done != 0 ? "It was cut off: " : "Cutting…: ");
		ch_wr_dec(w, (uint64_t)ch_sql_int(&q, 5));
		ch_wr_str(w, " sessions closed");
		if (done != 0) {
			ch_wr_str(w, ", ");
			ch_wr_dec(w, (uint64_t)(done > decided ? done - decided : 0));
			ch_wr_str(w, " ms after the decision (");
		} else {
			ch_wr_str(w, " so far (");
		}
		ch_text_escape(w, ch_sql_bytes(&q, 1));
		ch_wr_str(w, ").");
		ch_say_end(e, "response", NULL, done != 0 ? "cut" : "cutting", NULL);
	}
	(void)ch_sql_end(&q);
}

static void put_next(struct ch_explain *e)
{
	struct ch_wr *w = ch_say(e);
	if (e->d.state == CH_STATE_QUARANTINED) {
		bool automatic = e->known && e->policy.release == CH_RELEASE_AUTOMATIC;
		ch_wr_str(
			w,
			automatic
				? "The quarantine ends by itself once fresh evidence affirms the chain: the device then "
				  "gets a certificate for a new key, and the old one is void. "
				: "The quarantine ends when two operators release the device. ");
		ch_wr_str(w, "Nobody has to be at the device.");
		ch_say_end(
			e, "next", NULL, automatic ? "automatic" : "two-operators",
			automatic
				? "Mend what is named above; or release it with two operators: chainhold device release."
				: "Mend what is named above, then: chainhold device release.");
	} else if (e->d.state == CH_STATE_ENROLLED || e->d.state == CH_STATE_TRUSTED) {
		bool good = e->d.chain == CH_TIER_AFFIRMING || e->d.chain == CH_TIER_WARNING;
		ch_wr_str(w, good ? "Nothing has to be done."
				  : "It is not cut off: its policy asks for less than quarantine.");
		ch_say_end(e, "next", NULL, good ? "nothing" : "watch", NULL);
	}
}

void ch_page_explain(struct ch_ask *a)
{
	struct ch_explain e = { .a = a, .j = &a->j };
	CH_AUTO_BUF struct ch_buf image = { 0 };
	if (!ch_ask_params(a, NULL, 0) || !ch_ask_device(a, &e.d))
		return;
	ch_device_links(a, &e.d, e.link);
	e.known = ch_class_policy(a, e.d.class, &image, &e.policy);
	if (e.known)
		ch_links_judge(&e.chain, e.link, &e.policy, a->now);
	ch_json_object_begin(e.j);
	ch_json_named_hex(e.j, "device", CH_SPAN_OF(e.d.id));
	ch_json_named_str(e.j, "hostname", e.d.hostname);
	ch_json_named_str(e.j, "class", e.d.class);
	ch_json_named_str(e.j, "state", ch_state_str(e.d.state));
	ch_json_named_tier(e.j, "chain", e.d.chain);
	ch_json_named_bool(e.j, "trusted", e.d.state == CH_STATE_TRUSTED && e.d.chain != CH_TIER_CONTRAINDICATED);
	ch_json_name(e.j, "sentences");
	ch_json_array_begin(e.j);
	put_state(&e);
	if (ch_state_admits(e.d.state, CH_ACCESS_ATTEST)) {
		put_refused(&e);
		put_links(&e);
		put_cuts(&e);
		ch_explain_update(&e);
		put_next(&e);
	}
	ch_json_array_end(e.j);
	ch_json_named_u64(e.j, "time", a->now);
	ch_json_object_end(e.j);
}
