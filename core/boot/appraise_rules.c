/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/appraise.h"

#include "core/base/text.h"
#include "core/boot/smbios.h"

/*
 * Rules: what may differ between good devices of one class. A rule looks at decoded content, and only where the quoted digests
 * cover all that it looks at.
 */

#define TEXT_MAX        1024 /* what is longer is matched by no rule */
#define PCR_BOOT_CONFIG 1
#define PCR_PARTITIONS  5

static struct ch_span pattern(const struct ch_reference *ref, const struct ch_ref_rule *r, size_t i)
{
	return ref->text[r->text + i];
}

/* True if a value is one of the rule's patterns. */
static bool one_matches(const struct ch_reference *ref, const struct ch_ref_rule *r, struct ch_span s)
{
	for (size_t i = 0; i < r->text_count; i++) {
		if (ch_ref_glob(pattern(ref, r, i), s))
			return true;
	}
	return false;
}

static void boot_name(uint16_t number, uint8_t name[static 8])
{
	static const char digit[] = "0123456789ABCDEF";
	ch_span_copy(name, 8, CH_SPAN_LIT("Boot"));
	for (size_t i = 0; i < 4; i++)
		name[4 + i] = (uint8_t)digit[number >> (12 - 4 * i) & 15];
}

/* BootOrder: options from the allowed ones, each at most once. */
static bool boot_order(const struct ch_reference *ref, const struct ch_ref_rule *r, const struct ch_tcg_what *what)
{
	struct ch_span list = what->value;
	if (!ch_tcg_is_variable(what, &ch_efi_global_variable, "BootOrder") || list.n % 2 != 0 || list.n == 0 ||
	    list.n > 2 * (size_t)CH_BOOT_ORDER_MAX)
		return false;
	for (size_t i = 0; i < list.n; i += 2) {
		uint8_t name[8];
		boot_name((uint16_t)(list.p[i] | list.p[i + 1] << 8), name);
		if (!one_matches(ref, r, CH_SPAN_OF(name)))
			return false;
		for (size_t k = 0; k < i; k += 2) {
			if (list.p[k] == list.p[i] && list.p[k + 1] == list.p[i + 1])
				return false;
		}
	}
	return true;
}

static bool is_boot_option(const struct ch_tcg_what *what)
{
	static const uint8_t boot[] = { 'B', 0, 'o', 0, 'o', 0, 't', 0 };
	if (what->kind != CH_TCG_VARIABLE || !ch_efi_guid_eq(&what->guid, &ch_efi_global_variable) ||
	    what->name.n != 16 || !ch_span_starts(what->name, CH_SPAN_OF(boot)))
		return false;
	for (size_t i = 8; i < 16; i += 2) {
		uint8_t c = what->name.p[i];
		if (what->name.p[i + 1] != 0 || !((c >= '0' && c <= '9') || (c >= 'A' && c <= 'F')))
			return false;
	}
	return true;
}

/* Boot####: description and device path by pattern; the optional data, which the loader gets, must be what firmware adds: none. */
static bool boot_option(const struct ch_reference *ref, const struct ch_ref_rule *r, const struct ch_tcg_what *what)
{
	struct ch_efi_load_option lo;
	uint8_t text[TEXT_MAX];
	if (!is_boot_option(what) || ch_efi_load_option_parse(&lo, what->value, NULL) != CH_OK)
		return false;
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_utf16le_put(&w, lo.description);
	if (w.bad || !ch_ref_glob(pattern(ref, r, 0), ch_wr_span(&w)))
		return false;
	w = ch_wr(text, sizeof(text));
	if (ch_efi_devpath_put(&w, lo.devpath) != CH_OK || w.bad || !ch_ref_glob(pattern(ref, r, 1), ch_wr_span(&w)))
		return false;
	return ch_efi_load_option_is_plain(&lo);
}

static bool same_part(const struct ch_ref_part *want, const struct ch_efi_gpt_entry *e)
{
	uint8_t name[256];
	struct ch_wr w = ch_wr(name, sizeof(name));
	ch_utf16le_put(&w, e->name);
	return ch_efi_guid_eq(&want->type, &e->type) && (want->first_lba == 0 || want->first_lba == e->first_lba) &&
	       (want->last_lba == 0 || want->last_lba == e->last_lba) &&
	       (want->name.n == 0 || (!w.bad && ch_span_eq(want->name, ch_wr_span(&w))));
}

/* The partitions of the class, in their order; disk and partition GUIDs are free. */
static bool gpt(const struct ch_reference *ref, const struct ch_ref_rule *r, const struct ch_tcg_what *what)
{
	struct ch_efi_gpt table;
	struct ch_efi_gpt_entry e;
	if (what->kind != CH_TCG_GPT || ch_efi_gpt_parse(&table, what->value, NULL) != CH_OK ||
	    table.count != r->part_count)
		return false;
	for (size_t i = 0; i < table.count; i++) {
		if (!ch_efi_gpt_entry(&table, i, &e) || !same_part(&ref->part[r->part + i], &e))
			return false;
	}
	return true;
}

/* The fields of the SMBIOS table that the rule names, by pattern; serial numbers and all else that it does not name are free. */
static bool smbios(const struct ch_reference *ref, const struct ch_ref_rule *r, const struct ch_tcg_what *what)
{
	struct ch_smbios table;
	uint8_t buf[TEXT_MAX];
	if (ch_smbios_of_event(&table, what, NULL) != CH_OK)
		return false;
	for (size_t i = 0; i < r->text_count; i++) {
		struct ch_span s = pattern(ref, r, i);
		size_t n = 0;
		while (n < s.n && s.p[n] != '=')
			n++;
		struct ch_wr w = ch_wr(buf, sizeof(buf));
		if (n == s.n || !ch_smbios_field_put(&table, ch_span(s.p, n), &w) || w.bad ||
		    !ch_ref_glob(ch_span_sub(s, n + 1, s.n - n - 1), ch_wr_span(&w)))
			return false;
	}
	return true;
}

/* The text that was measured, by pattern. */
static bool text(const struct ch_reference *ref, const struct ch_ref_rule *r, const struct ch_tcg_event *ev,
		 const struct ch_tcg_what *what)
{
	uint8_t buf[TEXT_MAX * 4];
	if (ev->pcr != r->pcr || ev->type != r->type || (what->kind != CH_TCG_TEXT && what->kind != CH_TCG_ACTION))
		return false;
	if (!what->utf16) {
		/* With GRUB's prefix if that was measured; a tagged event's number and size are measured beside its text. */
		struct ch_span s = ev->type == CH_EV_EVENT_TAG ? what->text : what->covered;
		while (s.n > 0 && s.p[s.n - 1] == 0)
			s.n--;
		return s.n <= sizeof(buf) && one_matches(ref, r, s);
	}
	struct ch_wr w = ch_wr(buf, sizeof(buf));
	ch_utf16le_put(&w, what->text);
	return !w.bad && one_matches(ref, r, ch_wr_span(&w));
}

/*
 * An entry of the allowed db that vouched for an image: the data are one EFI_SIGNATURE_DATA, owner first (PFP 1.06, 3.3.4.8). They
 * do not say of which type: 32 bytes are the hash of an image, what is longer a certificate.
 */
static bool authority(const struct ch_reference *ref, const struct ch_tcg_event *ev, const struct ch_tcg_what *what,
		      struct ch_event_verdict *out)
{
	if (!ref->secure_boot_judged || ev->type != CH_EV_EFI_VARIABLE_AUTHORITY || ev->pcr != 7 ||
	    !ch_tcg_is_variable(what, &ch_efi_image_security, "db") || what->value.n <= sizeof(struct ch_efi_guid))
		return false;
	struct ch_span data =
		ch_span_sub(what->value, sizeof(struct ch_efi_guid), what->value.n - sizeof(struct ch_efi_guid));
	struct ch_efi_sig sig = { .type = data.n == 32 ? ch_efi_cert_sha256 : ch_efi_cert_x509, .data = data };
	uint8_t id[32];
	if (ch_ref_sig_identity(&sig, id) != CH_OK)
		return false;
	const struct ch_ref_sig *known = ch_reference_sig(ref, CH_REF_DB, &sig.type, id);
	if (known == NULL)
		return false;
	*out = (struct ch_event_verdict){
		.by = CH_EXPLAINED_RULE, .tier = CH_TIER_AFFIRMING, .doc = known->doc, .rule = "secure-boot"
	};
	return true;
}

/* A signature database is judged as a set by appraise_secure_boot.c: here it only counts as explained, with its reasons there. */
static bool database(const struct ch_reference *ref, const struct ch_tcg_event *ev, const struct ch_tcg_what *what,
		     struct ch_event_verdict *out)
{
	static const struct {
		const struct ch_efi_guid *guid;
		const char *name;
	} db[] = {
		{ &ch_efi_global_variable, "SecureBoot" }, { &ch_efi_global_variable, "PK" },
		{ &ch_efi_global_variable, "KEK" },        { &ch_efi_image_security, "db" },
		{ &ch_efi_image_security, "dbx" },
	};
	if (!ref->secure_boot_judged || ev->pcr != 7 || ev->type != CH_EV_EFI_VARIABLE_DRIVER_CONFIG)
		return false;
	for (size_t i = 0; i < CH_COUNT_OF(db); i++) {
		if (!ch_tcg_is_variable(what, db[i].guid, db[i].name))
			continue;
		*out = (struct ch_event_verdict){ .by = CH_EXPLAINED_RULE,
						  .tier = CH_TIER_AFFIRMING,
						  .rule = "secure-boot" };
		return true;
	}
	return false;
}

static bool is_boot_variable(const struct ch_tcg_event *ev)
{
	return ev->pcr == PCR_BOOT_CONFIG &&
	       (ev->type == CH_EV_EFI_VARIABLE_BOOT || ev->type == CH_EV_EFI_VARIABLE_BOOT2);
}

static bool is_tables(const struct ch_tcg_event *ev)
{
	return ev->pcr == PCR_BOOT_CONFIG &&
	       (ev->type == CH_EV_EFI_HANDOFF_TABLES || ev->type == CH_EV_EFI_HANDOFF_TABLES2);
}

static bool is_partition_table(const struct ch_tcg_event *ev)
{
	return ev->pcr == PCR_PARTITIONS && (ev->type == CH_EV_EFI_GPT_EVENT || ev->type == CH_EV_EFI_GPT_EVENT2);
}

static bool matches(const struct ch_reference *ref, const struct ch_ref_rule *r, const struct ch_tcg_event *ev,
		    const struct ch_tcg_what *what)
{
	/*
	 * Firmware before PFP 1.05 measures only the value of a boot variable, so its name is a hint. The rules below look at the
	 * value alone: whatever it is called, it is a list of allowed options, or an allowed option.
	 */
	bool whole = what->cover == CH_COVER_ALL;
	bool value = whole || (what->kind == CH_TCG_VARIABLE && ch_span_eq(what->covered, what->value));
	switch (r->kind) {
	case CH_RULE_BOOT_ORDER:
		return value && is_boot_variable(ev) && boot_order(ref, r, what);
	case CH_RULE_BOOT_OPTION:
		return value && is_boot_variable(ev) && boot_option(ref, r, what);
	case CH_RULE_GPT:
		return whole && is_partition_table(ev) && gpt(ref, r, what);
	case CH_RULE_TEXT:
		return text(ref, r, ev, what);
	case CH_RULE_SMBIOS:
		return whole && is_tables(ev) && smbios(ref, r, what);
	case CH_RULE_PCRPHASE:
		break;
	}
	return false;
}

bool ch_appraise_rule(const struct ch_reference *ref, const struct ch_tcg_event *ev, const struct ch_tcg_what *what,
		      struct ch_event_verdict *out)
{
	if (what->cover != CH_COVER_ALL && what->cover != CH_COVER_PART)
		return false;
	if (what->cover == CH_COVER_ALL && (authority(ref, ev, what, out) || database(ref, ev, what, out)))
		return true;
	for (size_t i = 0; i < ref->rule_count; i++) {
		const struct ch_ref_rule *r = &ref->rule[i];
		if (!matches(ref, r, ev, what))
			continue;
		*out = (struct ch_event_verdict){
			.by = CH_EXPLAINED_RULE, .tier = r->tier, .doc = r->doc, .rule = ch_ref_rule_str(r->kind)
		};
		return true;
	}
	return false;
}
