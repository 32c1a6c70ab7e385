/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/appraise.h"

/*
 * Secure Boot: its state, and its databases as sets. PK, KEK and db may hold only what is allowed; dbx must hold at least what is
 * required. This is judged whether or not the digests of these events were endorsed, so that a raised requirement takes effect
 * on devices whose old dbx is still in a baseline.
 */

#define PCR_SECURE_BOOT 7

struct judge {
	struct ch_boot_verdict *v;
	const struct ch_reference *ref;
	const struct ch_tcg_event *ev;
	enum ch_ref_db db;
};

static struct ch_reason *add(const struct judge *j, enum ch_reason_code code)
{
	struct ch_reason *r = ch_verdict_add(j->v, CH_LINK_BOOT, CH_TIER_CONTRAINDICATED, code);
	r->event = j->ev != NULL ? j->ev->n : CH_ITEM_NONE;
	r->pcr = PCR_SECURE_BOOT;
	r->subject = ch_span_str(ch_ref_db_str(j->db));
	return r;
}

/* What was allowed instead, as far as one entry says it: the only one of its database. And which document speaks of it. */
static void name_allowed(const struct judge *j, struct ch_reason *r)
{
	size_t count = 0;
	for (size_t i = 0; i < j->ref->sig_count; i++) {
		const struct ch_ref_sig *allowed = &j->ref->sig[i];
		if (allowed->db != j->db)
			continue;
		r->doc = allowed->doc;
		r->expected = ++count == 1 ? CH_SPAN_OF(allowed->sha256) : CH_SPAN_EMPTY;
	}
}

/* PK, KEK, db: every entry is allowed. */
static void judge_allowed(const struct judge *j, struct ch_span database)
{
	struct ch_efi_siglist_iter it = ch_efi_siglist_iter(database);
	struct ch_efi_sig sig;
	while (ch_efi_siglist_next(&it, &sig)) {
		uint8_t id[32];
		if (ch_ref_sig_identity(&sig, id) != CH_OK) {
			(void)add(j, CH_REASON_SB_FORMAT);
			return;
		}
		if (ch_reference_sig(j->ref, j->db, &sig.type, id) != NULL)
			continue;
		struct ch_reason *r = add(j, CH_REASON_SB_KEY);
		r->cert = sig.data;
		ch_span_copy(r->cert_id, sizeof(r->cert_id), CH_SPAN_OF(id));
		r->alg = CH_HASH_SHA256;
		r->measured = CH_SPAN_OF(r->cert_id);
		name_allowed(j, r);
	}
}

static bool holds(struct ch_span database, const struct ch_ref_sig *wanted)
{
	struct ch_efi_siglist_iter it = ch_efi_siglist_iter(database);
	struct ch_efi_sig sig;
	while (ch_efi_siglist_next(&it, &sig)) {
		uint8_t id[32];
		if (ch_efi_guid_eq(&sig.type, &wanted->type) && ch_ref_sig_identity(&sig, id) == CH_OK &&
		    ch_span_eq(CH_SPAN_OF(id), CH_SPAN_OF(wanted->sha256)))
			return true;
	}
	return false;
}

/* dbx: every required entry is there. */
static void judge_required(const struct judge *j, struct ch_span database)
{
	for (size_t i = 0; i < j->ref->sig_count; i++) {
		const struct ch_ref_sig *wanted = &j->ref->sig[i];
		if (wanted->db != CH_REF_DBX || holds(database, wanted))
			continue;
		struct ch_reason *r = add(j, CH_REASON_SB_DBX);
		r->alg = CH_HASH_SHA256;
		r->expected = CH_SPAN_OF(wanted->sha256);
		r->doc = wanted->doc;
	}
}

static bool which_database(const struct ch_tcg_what *what, enum ch_ref_db *db)
{
	static const struct {
		const struct ch_efi_guid *guid;
		enum ch_ref_db db;
	} row[] = {
		{ &ch_efi_global_variable, CH_REF_PK },
		{ &ch_efi_global_variable, CH_REF_KEK },
		{ &ch_efi_image_security, CH_REF_DB },
		{ &ch_efi_image_security, CH_REF_DBX },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		if (ch_tcg_is_variable(what, row[i].guid, ch_ref_db_str(row[i].db))) {
			*db = row[i].db;
			return true;
		}
	}
	return false;
}

void ch_appraise_secure_boot_event(struct ch_secure_boot_seen *seen, struct ch_boot_verdict *v,
				   const struct ch_reference *ref, const struct ch_tcg_event *ev,
				   const struct ch_tcg_what *what)
{
	struct judge j = { .v = v, .ref = ref, .ev = ev };
	if (what->cover != CH_COVER_ALL)
		return;
	if (ch_tcg_is_variable(what, &ch_efi_global_variable, "SecureBoot")) {
		bool on = what->value.n == 1 && what->value.p[0] == 1;
		bool off = what->value.n == 1 && what->value.p[0] == 0;
		enum ch_secure_boot now = on ? CH_SECURE_BOOT_ON : off ? CH_SECURE_BOOT_OFF : CH_SECURE_BOOT_UNKNOWN;
		/* Where several events tell, the worst counts: off, then what is neither. */
		if (!seen->state || off || (v->secure_boot == CH_SECURE_BOOT_ON && !on))
			v->secure_boot = now;
		seen->state = true;
		return;
	}
	if (!ref->secure_boot_judged || !which_database(what, &j.db))
		return;
	/* Sets may be large, so a log full of them would be judged for minutes. */
	if (seen->db[j.db] == CH_SECURE_BOOT_MAX || ch_efi_siglist_check(what->value, NULL) != CH_OK) {
		(void)add(&j, CH_REASON_SB_FORMAT);
		return;
	}
	seen->db[j.db]++;
	if (j.db == CH_REF_DBX)
		judge_required(&j, what->value);
	else
		judge_allowed(&j, what->value);
}

void ch_appraise_secure_boot_end(const struct ch_secure_boot_seen *seen, struct ch_boot_verdict *v,
				 const struct ch_reference *ref)
{
	struct judge j = { .v = v, .ref = ref };
	if (!ref->secure_boot_judged || !ref->secure_boot_required)
		return;
	if (v->secure_boot != CH_SECURE_BOOT_ON) {
		bool off = v->secure_boot == CH_SECURE_BOOT_OFF;
		ch_verdict_add(v, CH_LINK_BOOT, CH_TIER_CONTRAINDICATED, off ? CH_REASON_SB_OFF : CH_REASON_SB_UNKNOWN)
			->pcr = PCR_SECURE_BOOT;
	}
	for (size_t db = 0; db < CH_REF_DB_COUNT; db++) {
		j.db = (enum ch_ref_db)db;
		if (seen->db[db] == 0)
			(void)add(&j, CH_REASON_SB_FORMAT);
	}
}
