/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/evidence.h"
#include "cli/reference.h"

#include "core/base/text.h"
#include "core/boot/smbios.h"

#include <stdlib.h>
#include <string.h>

/*
 * Reference values from a boot that is known to be good. What differs between good devices of a class becomes a rule; all else is
 * endorsed by its digest. Only events that the quote vouches for are taken.
 */

#define TEXT_MAX 1024

struct capture {
	const struct ch_boot_evidence *ev;
	const struct ch_boot_verdict *verdict;
	struct ch_json_wr *j;
	uint32_t pcrs;                   /* registers to write */
	bool secure_boot;                /* PCR 7 is among them */
	const char *database;            /* the one that put_database writes */
	const struct ch_reference *over; /* what these explain is left out; NULL: nothing is */
	bool pinned;                     /* and the rest is written by its digest alone, without rules */
};

/* --- the words of systemd-pcrphase, for the search in the replay --- */

#define PHASE_DOCUMENT                                                                                                                      \
	"{\"format\":\"chainhold-reference/1\",\"kind\":\"baseline\",\"name\":\"capture\",\"pcrs\":[11],\"rules\":[{\"rule\":\"pcrphase\"," \
	"\"pcr\":11,\"match\":[\"enter-initrd\",\"leave-initrd\",\"sysinit\",\"ready\",\"shutdown\",\"final\"]}]}"

static const char *const phase_word[] = { "enter-initrd", "leave-initrd", "sysinit", "ready", "shutdown", "final" };

/* --- what one event becomes --- */

enum role { ROLE_NONE, ROLE_DIGEST, ROLE_ORDER, ROLE_OPTION, ROLE_GPT, ROLE_ACTION, ROLE_SMBIOS, ROLE_SECURE_BOOT };

static bool is_option(const struct ch_tcg_what *what)
{
	struct ch_efi_load_option lo;
	uint8_t name[8];
	struct ch_wr w = ch_wr(name, sizeof(name));
	if (what->kind != CH_TCG_VARIABLE || !ch_efi_guid_eq(&what->guid, &ch_efi_global_variable))
		return false;
	ch_utf16le_put(&w, what->name);
	return !w.bad && w.len == 8 && ch_span_starts(ch_wr_span(&w), CH_SPAN_LIT("Boot")) &&
	       ch_efi_load_option_parse(&lo, what->value, NULL) == CH_OK && ch_efi_load_option_is_plain(&lo);
}

static bool is_database(const struct ch_tcg_what *what)
{
	return ch_tcg_is_variable(what, &ch_efi_global_variable, "SecureBoot") ||
	       ch_tcg_is_variable(what, &ch_efi_global_variable, "PK") ||
	       ch_tcg_is_variable(what, &ch_efi_global_variable, "KEK") ||
	       ch_tcg_is_variable(what, &ch_efi_image_security, "db") ||
	       ch_tcg_is_variable(what, &ch_efi_image_security, "dbx");
}

static enum role role_of(const struct capture *c, const struct ch_tcg_event *ev, const struct ch_tcg_what *what)
{
	if (!ev->extended || ev->pcr >= CH_PCR_COUNT || (c->pcrs >> ev->pcr & 1) == 0)
		return ROLE_NONE;
	if (c->pinned)
		return c->verdict->event[ev->n].by == CH_EXPLAINED_NOT ? ROLE_DIGEST : ROLE_NONE;
	if (c->over != NULL && c->verdict->event[ev->n].by == CH_EXPLAINED_RELEASE)
		return ROLE_NONE;
	bool value = what->cover == CH_COVER_ALL || (what->cover == CH_COVER_PART && what->kind == CH_TCG_VARIABLE &&
						     ch_span_eq(what->covered, what->value));
	if (value && ev->pcr == 1 && ch_tcg_is_variable(what, &ch_efi_global_variable, "BootOrder"))
		return ROLE_ORDER;
	if (value && ev->pcr == 1 && is_option(what))
		return ROLE_OPTION;
	if (what->cover != CH_COVER_ALL)
		return ROLE_DIGEST;
	if (ev->pcr == 7 && ev->type == CH_EV_EFI_VARIABLE_DRIVER_CONFIG && c->secure_boot && is_database(what))
		return ROLE_SECURE_BOOT;
	struct ch_smbios table;
	if (ev->pcr == 1 && ch_smbios_of_event(&table, what, NULL) == CH_OK)
		return ROLE_SMBIOS;
	if (ev->pcr == 5 && what->kind == CH_TCG_GPT)
		return ROLE_GPT;
	if (ev->pcr == 4 && ev->type == CH_EV_EFI_ACTION)
		return ROLE_ACTION;
	return ROLE_DIGEST;
}

/* Calls `put` for every event of one role. */
static void each(struct capture *c, enum role role,
		 void (*put)(struct capture *c, const struct ch_tcg_event *ev, const struct ch_tcg_what *what))
{
	struct ch_tcg_event ev;
	struct ch_tcg_what what;
	for (struct ch_tcg_iter it = ch_tcg_iter(c->ev->log); ch_tcg_next(&it, &ev);) {
		ch_quote_filter(c->ev->quote, &ev);
		if (ev.digest_count == 0)
			continue;
		ch_tcg_event_decode(&ev, &what);
		if (role_of(c, &ev, &what) == role)
			put(c, &ev, &what);
	}
}

static void put_digest(struct capture *c, const struct ch_tcg_event *ev, const struct ch_tcg_what *what)
{
	uint8_t text[CH_TCG_DESCRIBE_MAX + 8];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr *j = c->j;
	ch_tcg_event_describe(ev, what, &w);
	ch_json_object_begin(j);
	ch_json_named_u64(j, "pcr", ev->pcr);
	ch_json_named_u64(j, "type", ev->type);
	ch_json_named_str(j, "type_name", ch_tcg_type_str(ev->type) != NULL ? ch_tcg_type_str(ev->type) : "unknown");
	ch_json_name(j, "digests");
	ch_json_object_begin(j);
	for (size_t i = 0; i < ev->digest_count; i++) {
		if (ch_hash_name(ev->digest[i].alg) != NULL)
			ch_json_named_hex(j, ch_hash_name(ev->digest[i].alg), ev->digest[i].value);
	}
	ch_json_object_end(j);
	/* The firmware's own code: no good boot is without it. */
	ch_json_named_bool(j, "required", ev->pcr == 0 && ev->type != CH_EV_SEPARATOR);
	if (what->cover == CH_COVER_ALL || what->cover == CH_COVER_PART)
		ch_json_named_str(j, "covers", what->cover == CH_COVER_ALL ? "all" : "part");
	ch_json_named_span(j, "what", ch_span(text, w.len));
	ch_json_object_end(j);
}

/* --- rules --- */

static void rule_begin(struct capture *c, const char *name)
{
	ch_json_object_begin(c->j);
	ch_json_named_str(c->j, "rule", name);
}

static void put_order_entries(struct capture *c, const struct ch_tcg_event *ev, const struct ch_tcg_what *what)
{
	(void)ev;
	for (size_t i = 0; i + 1 < what->value.n; i += 2) {
		uint8_t name[8];
		struct ch_wr w = ch_wr(name, sizeof(name));
		const uint8_t number[2] = { what->value.p[i + 1], what->value.p[i] };
		ch_wr_str(&w, "Boot");
		ch_wr_hex(&w, CH_SPAN_OF(number));
		for (size_t k = 4; k < 8; k++)
			name[k] = (uint8_t)(name[k] >= 'a' ? name[k] - 'a' + 'A' : name[k]);
		ch_json_put_span(c->j, CH_SPAN_OF(name));
	}
}

static void put_order(struct capture *c, const struct ch_tcg_event *ev, const struct ch_tcg_what *what)
{
	rule_begin(c, "boot-order");
	ch_json_name(c->j, "match");
	ch_json_array_begin(c->j);
	put_order_entries(c, ev, what);
	ch_json_array_end(c->j);
	ch_json_object_end(c->j);
}

static bool is_hex_run(struct ch_span s, size_t at, size_t n)
{
	if (at > s.n || n > s.n - at)
		return false;
	for (size_t i = at; i < at + n; i++) {
		uint8_t ch = s.p[i];
		if (!((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'f') || (ch >= 'A' && ch <= 'F')))
			return false;
	}
	return true;
}

static bool is_guid_at(struct ch_span s, size_t at)
{
	static const uint8_t dash[] = { 8, 13, 18, 23 };
	bool is = is_hex_run(s, at, 8) && is_hex_run(s, at + 9, 4) && is_hex_run(s, at + 14, 4) &&
		  is_hex_run(s, at + 19, 4) && is_hex_run(s, at + 24, 12);
	for (size_t i = 0; i < CH_COUNT_OF(dash) && is; i++)
		is = s.p[at + dash[i]] == '-';
	return is;
}

/* What belongs to one unit and not to its class becomes '*': partition GUIDs in HD(…), MAC addresses. A star becomes "[*]". */
static void put_pattern(struct ch_json_wr *j, struct ch_span s)
{
	uint8_t out[3 * TEXT_MAX];
	struct ch_wr w = ch_wr(out, sizeof(out));
	bool in_hd = false;
	for (size_t i = 0; i < s.n;) {
		struct ch_span rest = ch_span_sub(s, i, s.n - i);
		if (ch_span_starts(rest, CH_SPAN_LIT("HD(")))
			in_hd = true;
		if (s.p[i] == ')')
			in_hd = false;
		bool mac = i >= 4 && (memcmp(s.p + i - 4, "MAC(", 4) == 0 || memcmp(s.p + i - 4, "MAC:", 4) == 0) &&
			   is_hex_run(s, i, 12);
		if (in_hd && is_guid_at(s, i)) {
			ch_wr_u8(&w, '*');
			i += 36;
		} else if (mac) {
			ch_wr_u8(&w, '*');
			i += 12;
		} else if (s.p[i] == '*') {
			ch_wr_str(&w, "[*]");
			i++;
		} else {
			ch_wr_u8(&w, s.p[i++]);
		}
	}
	ch_json_put_span(j, ch_span(out, w.len));
}

static void put_option(struct capture *c, const struct ch_tcg_event *ev, const struct ch_tcg_what *what)
{
	struct ch_efi_load_option lo;
	uint8_t text[TEXT_MAX];
	(void)ev;
	if (ch_efi_load_option_parse(&lo, what->value, NULL) != CH_OK)
		return;
	rule_begin(c, "boot-option");
	ch_json_name(c->j, "match");
	ch_json_array_begin(c->j);
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_utf16le_put(&w, lo.description);
	put_pattern(c->j, ch_span(text, w.len));
	w = ch_wr(text, sizeof(text));
	if (ch_efi_devpath_put(&w, lo.devpath) != CH_OK)
		w.len = 0;
	put_pattern(c->j, ch_span(text, w.len));
	ch_json_array_end(c->j);
	ch_json_object_end(c->j);
}

static void put_gpt(struct capture *c, const struct ch_tcg_event *ev, const struct ch_tcg_what *what)
{
	struct ch_efi_gpt table;
	struct ch_efi_gpt_entry e;
	struct ch_json_wr *j = c->j;
	(void)ev;
	if (ch_efi_gpt_parse(&table, what->value, NULL) != CH_OK)
		return;
	rule_begin(c, "gpt");
	ch_json_name(j, "partitions");
	ch_json_array_begin(j);
	for (size_t i = 0; i < table.count && ch_efi_gpt_entry(&table, i, &e); i++) {
		uint8_t text[256];
		struct ch_wr w = ch_wr(text, sizeof(text));
		ch_json_object_begin(j);
		ch_efi_guid_put(&w, &e.type);
		ch_json_named_span(j, "type", ch_wr_span(&w));
		w = ch_wr(text, sizeof(text));
		ch_utf16le_put(&w, e.name);
		ch_json_named_span(j, "name", ch_wr_span(&w));
		ch_json_named_u64(j, "first_lba", e.first_lba);
		ch_json_named_u64(j, "last_lba", e.last_lba);
		ch_json_object_end(j);
	}
	ch_json_array_end(j);
	ch_json_object_end(j);
}

/* What all units of a class share; serial numbers, asset tags and the UUID are left out, and so are free. */
static void put_smbios(struct capture *c, const struct ch_tcg_event *ev, const struct ch_tcg_what *what)
{
	static const char *const field[] = {
		"bios-vendor",         "bios-version",           "bios-release-date",
		"system-manufacturer", "system-product-name",    "system-version",
		"system-family",       "baseboard-manufacturer", "baseboard-product-name"
	};
	struct ch_smbios table;
	(void)ev;
	if (ch_smbios_of_event(&table, what, NULL) != CH_OK)
		return;
	rule_begin(c, "smbios");
	ch_json_name(c->j, "match");
	ch_json_array_begin(c->j);
	for (size_t i = 0; i < CH_COUNT_OF(field); i++) {
		uint8_t text[TEXT_MAX];
		struct ch_wr w = ch_wr(text, sizeof(text));
		ch_wr_str(&w, field[i]);
		ch_wr_u8(&w, '=');
		if (ch_smbios_field_put(&table, ch_span_str(field[i]), &w) && !w.bad)
			put_pattern(c->j, ch_wr_span(&w));
	}
	ch_json_array_end(c->j);
	ch_json_object_end(c->j);
}

static void put_text_rule(struct capture *c, uint32_t pcr, uint32_t type, const char *text, const char *tier)
{
	rule_begin(c, "text");
	ch_json_named_str(c->j, "tier", tier);
	ch_json_named_u64(c->j, "pcr", pcr);
	ch_json_named_u64(c->j, "type", type);
	ch_json_name(c->j, "match");
	ch_json_array_begin(c->j);
	ch_json_put_str(c->j, text);
	ch_json_array_end(c->j);
	ch_json_object_end(c->j);
}

static void put_rules(struct capture *c)
{
	ch_json_name(c->j, "rules");
	ch_json_array_begin(c->j);
	each(c, ROLE_ORDER, put_order);
	each(c, ROLE_OPTION, put_option);
	each(c, ROLE_GPT, put_gpt);
	each(c, ROLE_SMBIOS, put_smbios);
	if ((c->pcrs >> 4 & 1) != 0) {
		/* PFP 1.06, 10.4.4: what firmware says around each attempt to boot; coming back from one is worth a warning. */
		put_text_rule(c, 4, CH_EV_EFI_ACTION, "Calling EFI Application from Boot Option", "affirming");
		put_text_rule(c, 4, CH_EV_EFI_ACTION, "Returning from EFI Application from Boot Option", "warning");
	}
	if (c->verdict->pseudo.count > 0 && (c->pcrs >> 11 & 1) != 0) {
		rule_begin(c, "pcrphase");
		ch_json_named_u64(c->j, "pcr", c->verdict->pseudo.pcr);
		ch_json_name(c->j, "match");
		ch_json_array_begin(c->j);
		for (size_t i = 0; i < CH_COUNT_OF(phase_word); i++)
			ch_json_put_str(c->j, phase_word[i]);
		ch_json_array_end(c->j);
		ch_json_object_end(c->j);
	}
	ch_json_array_end(c->j);
}

/* --- Secure Boot --- */

static void put_sig_type(struct ch_json_wr *j, const struct ch_efi_guid *type)
{
	uint8_t text[40];
	struct ch_wr w = ch_wr(text, sizeof(text));
	if (ch_efi_guid_eq(type, &ch_efi_cert_x509))
		ch_wr_str(&w, "x509");
	else if (ch_efi_guid_eq(type, &ch_efi_cert_sha256))
		ch_wr_str(&w, "sha256");
	else
		ch_efi_guid_put(&w, type);
	ch_json_named_span(j, "type", ch_wr_span(&w));
}

static void put_database(struct capture *c, const struct ch_tcg_event *ev, const struct ch_tcg_what *what)
{
	const struct ch_efi_guid *guid = c->database[0] == 'd' ? &ch_efi_image_security : &ch_efi_global_variable;
	struct ch_efi_sig sig;
	(void)ev;
	if (!ch_tcg_is_variable(what, guid, c->database))
		return;
	for (struct ch_efi_siglist_iter it = ch_efi_siglist_iter(what->value); ch_efi_siglist_next(&it, &sig);) {
		uint8_t id[32];
		bool x509 = ch_efi_guid_eq(&sig.type, &ch_efi_cert_x509);
		if (ch_ref_sig_identity(&sig, id) != CH_OK)
			continue;
		ch_json_object_begin(c->j);
		put_sig_type(c->j, &sig.type);
		ch_json_named_hex(c->j, "sha256", CH_SPAN_OF(id));
		if (x509) {
			uint8_t text[256];
			struct ch_wr w = ch_wr(text, sizeof(text));
			ch_efi_cert_subject_put(&w, sig.data);
			ch_json_named_span(c->j, "subject", ch_span(text, w.len));
		}
		ch_json_object_end(c->j);
	}
}

static void put_secure_boot(struct capture *c)
{
	static const char *const key[] = { "pk", "kek", "db", "dbx" };
	static const char *const variable[] = { "PK", "KEK", "db", "dbx" };
	ch_json_name(c->j, "secure_boot");
	ch_json_object_begin(c->j);
	ch_json_named_bool(c->j, "enabled", c->verdict->secure_boot == CH_SECURE_BOOT_ON);
	for (size_t i = 0; i < CH_COUNT_OF(key); i++) {
		ch_json_name(c->j, key[i]);
		ch_json_array_begin(c->j);
		c->database = variable[i];
		each(c, ROLE_SECURE_BOOT, put_database);
		ch_json_array_end(c->j);
	}
	ch_json_object_end(c->j);
}

/* --- IMA --- */

static bool is_endorsed(const struct capture *c, const struct ch_ima_entry *e)
{
	return c->over != NULL &&
	       ch_reference_file(c->over, e->path, ch_hash_by_name(e->file_alg), e->file_digest) != NULL;
}

static void put_ima(struct capture *c)
{
	struct ch_ima_iter it = ch_ima_iter(c->ev->ima, c->ev->scratch, CH_IMA_DATA_MAX);
	struct ch_ima_entry e;
	bool aggregate = false;
	ch_json_name(c->j, "ima");
	ch_json_object_begin(c->j);
	ch_json_name(c->j, "files");
	ch_json_array_begin(c->j);
	while (it.n < c->verdict->ima_quoted && ch_ima_next(&it, &e, NULL) == CH_OK) {
		if (e.n == 0 && ch_span_eq(e.path, CH_SPAN_LIT("boot_aggregate"))) {
			aggregate = true;
			continue;
		}
		if (e.violation || !e.known || ch_hash_by_name(e.file_alg) == CH_HASH_NONE || is_endorsed(c, &e))
			continue;
		uint8_t text[16 + 2 * CH_DIGEST_MAX];
		struct ch_wr w = ch_wr(text, sizeof(text));
		ch_wr_put(&w, e.file_alg);
		ch_wr_u8(&w, ':');
		ch_wr_hex(&w, e.file_digest);
		ch_json_object_begin(c->j);
		ch_json_named_span(c->j, "path", e.path);
		ch_json_name(c->j, "digests");
		ch_json_array_begin(c->j);
		ch_json_put_span(c->j, ch_wr_span(&w));
		ch_json_array_end(c->j);
		ch_json_object_end(c->j);
	}
	ch_json_array_end(c->j);
	ch_json_named_bool(c->j, "boot_aggregate", aggregate);
	ch_json_named_str(c->j, "violations", "warning");
	ch_json_object_end(c->j);
}

static void put_document(struct capture *c, const char *kind, const char *name)
{
	struct ch_json_wr *j = c->j;
	bool ima = c->ev->ima.n > 0 && (c->pcrs >> 10 & 1) != 0 && (!c->pinned || c->over->ima_judged);
	ch_json_object_begin(j);
	ch_json_named_str(j, "format", "chainhold-reference/1");
	ch_json_named_str(j, "kind", kind);
	ch_json_named_str(j, "name", name);
	ch_json_name(j, "pcrs");
	ch_json_array_begin(j);
	/* Those that this boot left alone, too: an attacker must not hide there what he measured by not quoting the register. */
	for (uint32_t pcr = 0; pcr < CH_PCR_COUNT; pcr++) {
		if ((c->pcrs >> pcr & 1) != 0)
			ch_json_put_u64(j, pcr);
	}
	ch_json_array_end(j);
	if (c->secure_boot && !c->pinned)
		put_secure_boot(c);
	ch_json_name(j, "events");
	ch_json_array_begin(j);
	each(c, ROLE_DIGEST, put_digest);
	ch_json_array_end(j);
	if (!c->pinned)
		put_rules(c);
	if (ima)
		put_ima(c);
	ch_json_object_end(j);
}

/* --- the command --- */

struct options {
	const char *name, *kind, *registers;
};

/* "0-7,14": false if it is not such a list. */
static bool parse_registers(const char *text, uint32_t *mask)
{
	*mask = 0;
	for (;;) {
		char *end;
		unsigned long first = strtoul(text, &end, 10);
		unsigned long last = first;
		if (end == text)
			return false;
		if (*end == '-') {
			text = end + 1;
			last = strtoul(text, &end, 10);
			if (end == text)
				return false;
		}
		if (first > last || last >= CH_PCR_COUNT)
			return false;
		for (; first <= last; first++)
			*mask |= (uint32_t)1 << first;
		if (*end == '\0')
			return true;
		if (*end != ',')
			return false;
		text = end + 1;
	}
}

/* A release speaks of what it installs: boot loader, kernel, command line, files. A baseline of everything. */
static int choose_registers(struct options *o, uint32_t *mask)
{
	static const uint32_t release = 1u << 4 | 1u << 8 | 1u << 9 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13;
	if (o->kind == NULL)
		o->kind = "baseline";
	if (strcmp(o->kind, "baseline") != 0 && strcmp(o->kind, "release") != 0 && strcmp(o->kind, "pinned") != 0) {
		cli_say("--kind is baseline, release or pinned, not '%s'", o->kind);
		return CLI_USAGE;
	}
	*mask = strcmp(o->kind, "release") == 0 ? release : 0xffffffu;
	if (o->registers != NULL && !parse_registers(o->registers, mask)) {
		cli_say("--registers wants a list such as 0-7,14, not '%s'", o->registers);
		return CLI_USAGE;
	}
	return -1;
}

/* A boot that does not hold together cannot be a reference. */
static int check_boot(const struct ch_boot_verdict *v)
{
	if (!v->signature_ok || !v->explains) {
		cli_say("this boot cannot be a reference: %s",
			ch_reason_text(!v->signature_ok ? CH_REASON_SIGNATURE : CH_REASON_LOG));
		return CLI_FAILS;
	}
	return -1;
}

/* The words of systemd's phases, as one more document: pinned values leave them to those that they are made over. */
static int add_phases(struct cli_reference *r)
{
	if (r->paths.count == CH_REF_DOCS_MAX) {
		cli_say("one document less with --over: %d are taken at once, and one is needed here", CH_REF_DOCS_MAX);
		return CLI_USAGE;
	}
	ch_buf_append(&r->in[r->paths.count], CH_SPAN_LIT(PHASE_DOCUMENT));
	r->paths.v[r->paths.count++] = "systemd's phases";
	return -1;
}

static int capture(struct cli_evidence *e, const struct cli_reference *r, const struct options *o, uint32_t mask,
		   bool over)
{
	static struct ch_boot_verdict verdict;
	struct ch_diag d;
	CH_AUTO_FREE void *events = ch_calloc(e->log.event_count, sizeof(struct ch_event_verdict));
	CH_AUTO_FREE void *seen = ch_calloc(r->ref.event_count / 8 + 1, 1);
	verdict.event = events;
	verdict.seen = seen;
	enum ch_err err = ch_boot_appraise(&verdict, &e->evidence, &r->ref, &d);
	if (err != CH_OK)
		return cli_refused(e->ima, "entry", err, &d);
	int code = check_boot(&verdict);
	if (code >= 0)
		return code;
	struct ch_wr *w = cli_out();
	struct ch_json_wr j = ch_json_wr(w, true);
	struct capture c = { .ev = &e->evidence, .verdict = &verdict, .j = &j, .pcrs = mask };
	c.pcrs &= ch_quote_mask_any(&e->quote);
	c.secure_boot = (c.pcrs >> 7 & 1) != 0;
	c.over = over ? &r->ref : NULL;
	c.pinned = over && strcmp(o->kind, "pinned") == 0;
	put_document(&c, o->kind, o->name);
	ch_wr_u8(w, '\n');
	return cli_out_end(CLI_HOLDS);
}

int cmd_reference_capture(int argc, char **argv)
{
	static struct cli_evidence e;
	static struct cli_reference r;
	struct options o = { 0 };
	uint32_t mask = 0;
	const struct cli_opt opt[] = {
		{ "name", "NAME", "name of the reference values, shown in verdicts", CLI_VALUE, &o.name },
		{ "kind", "KIND", "baseline (default), release or pinned", CLI_VALUE, &o.kind },
		{ "registers", "LIST", "PCRs to take, such as 0-7,14; default: all that are quoted", CLI_VALUE,
		  &o.registers },
		{ "over", "FILE",
		  "leave out what these explain: a baseline over releases, pinned values over all of a class",
		  CLI_VALUES, &r.paths },
		CLI_EVIDENCE_OPTIONS(&e),
	};
	const struct cli_usage usage = {
		.args = "--name NAME [--kind KIND] [--over FILE]… --msg FILE --sig FILE --pub FILE --eventlog FILE [--ima FILE]",
		.about =
			"Makes reference values from a boot that you know to be good and prints them as JSON. The quote must hold and the\n"
			"log must explain it. What differs between good devices of one class (boot order, disk GUIDs, MAC addresses)\n"
			"becomes a rule, everything else is endorsed by its digest. Read the result before you rely on it.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
	};
	int code = cli_parse(&usage, argc, argv, NULL);
	if (code < 0)
		code = choose_registers(&o, &mask);
	if (code < 0 && (o.name == NULL || o.name[0] == '\0')) {
		cli_say("--name is missing: verdicts will say which reference values explained an event");
		code = CLI_USAGE;
	}
	bool over = r.paths.count > 0;
	if (code < 0 && over && strcmp(o.kind, "release") == 0) {
		cli_say("--over goes with baseline and pinned: a release says all that it brings");
		code = CLI_USAGE;
	}
	if (code < 0)
		code = cli_evidence_read(&e);
	if (code < 0)
		code = cli_reference_read(&r);
	if (code < 0)
		code = cli_confine();
	if (code < 0 && !(over && strcmp(o.kind, "pinned") == 0))
		code = add_phases(&r);
	if (code < 0)
		code = cli_reference_compile(&r);
	if (code < 0)
		code = cli_evidence_parse(&e);
	if (code < 0)
		code = capture(&e, &r, &o, mask, over);
	cli_reference_clear(&r);
	cli_evidence_clear(&e);
	return code;
}
