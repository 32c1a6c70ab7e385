/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/tcg_event.h"

#include "core/base/rd.h"
#include "core/base/text.h"

/* A table of event types; each row decodes the content and says which part of it firmware may have measured. */

/* The part that a decoder proposes beside the whole data; empty: none. */
struct parts {
	struct ch_span value;
};

static void opaque(struct ch_tcg_what *what, const char *defect)
{
	*what = (struct ch_tcg_what){ .kind = CH_TCG_OPAQUE, .source = what->source, .defect = defect };
}

static struct ch_span without_nul(struct ch_span s)
{
	while (s.n > 0 && s.p[s.n - 1] == 0)
		s.n--;
	return s;
}

/* UTF-16LE: even length, a first character below 256, and a second byte of 0. */
static bool looks_utf16(struct ch_span s)
{
	return s.n >= 4 && s.n % 2 == 0 && s.p[0] != 0 && s.p[1] == 0;
}

static struct ch_span without_nul16(struct ch_span s)
{
	while (s.n >= 2 && s.p[s.n - 1] == 0 && s.p[s.n - 2] == 0)
		s.n -= 2;
	return s;
}

static void set_text(struct ch_tcg_what *what, enum ch_tcg_kind kind, struct ch_span s)
{
	what->kind = kind;
	what->utf16 = looks_utf16(s);
	what->text = what->utf16 ? without_nul16(s) : without_nul(s);
}

static void decode_no_action(const struct ch_tcg_event *ev, struct ch_tcg_what *what, struct parts *p)
{
	(void)p;
	what->kind = CH_TCG_NO_ACTION;
	what->text = without_nul(ch_span(ev->data.p, ev->data.n < 16 ? ev->data.n : 16));
	what->value = ev->data.n > 16 ? ch_span_sub(ev->data, 16, ev->data.n - 16) : CH_SPAN_EMPTY;
}

static void decode_separator(const struct ch_tcg_event *ev, struct ch_tcg_what *what, struct parts *p)
{
	(void)p;
	if (ev->data.n != 4) {
		opaque(what, "a separator has 4 bytes (PFP 1.06, 10.4.1)");
		return;
	}
	what->kind = CH_TCG_SEPARATOR;
	what->value = ev->data;
}

static void decode_action(const struct ch_tcg_event *ev, struct ch_tcg_what *what, struct parts *p)
{
	(void)p;
	what->kind = CH_TCG_ACTION;
	what->text = without_nul(ev->data);
}

/* UEFI_VARIABLE_DATA (PFP 1.06, 10.2.6) */
static void decode_variable(const struct ch_tcg_event *ev, struct ch_tcg_what *what, struct parts *p)
{
	struct ch_rd r = ch_rd(ev->data);
	ch_span_copy(what->guid.b, sizeof(what->guid.b), ch_rd_take(&r, 16));
	uint64_t name = ch_rd_le64(&r), value = ch_rd_le64(&r);
	if (r.bad || name > ch_rd_left(&r) / 2 || value > ch_rd_left(&r) - 2 * (size_t)name) {
		opaque(what, "UEFI_VARIABLE_DATA is shorter than its lengths say (PFP 1.06, 10.2.6)");
		return;
	}
	what->kind = CH_TCG_VARIABLE;
	what->name = ch_rd_take(&r, 2 * (size_t)name);
	what->value = ch_rd_take(&r, (size_t)value);
	if (!ch_rd_done(&r)) {
		opaque(what, "UEFI_VARIABLE_DATA is longer than its lengths say (PFP 1.06, 10.2.6)");
		return;
	}
	p->value = what->value;
}

/* UEFI_IMAGE_LOAD_EVENT (PFP 1.06, 10.2.3) */
static void decode_image(const struct ch_tcg_event *ev, struct ch_tcg_what *what, struct parts *p)
{
	struct ch_rd r = ch_rd(ev->data);
	(void)p;
	what->base = ch_rd_le64(&r);
	what->length = ch_rd_le64(&r);
	(void)ch_rd_le64(&r); /* link-time address */
	uint64_t size = ch_rd_le64(&r);
	if (r.bad || size != ch_rd_left(&r)) {
		opaque(what, "UEFI_IMAGE_LOAD_EVENT does not end with its device path (PFP 1.06, 10.2.3)");
		return;
	}
	what->kind = CH_TCG_IMAGE;
	what->devpath = ch_rd_rest(&r);
}

static void decode_gpt(const struct ch_tcg_event *ev, struct ch_tcg_what *what, struct parts *p)
{
	struct ch_efi_gpt gpt;
	struct ch_diag d;
	(void)p;
	if (ch_efi_gpt_parse(&gpt, ev->data, &d) != CH_OK) {
		opaque(what, d.rule);
		return;
	}
	what->kind = CH_TCG_GPT;
	what->value = ev->data;
}

/* UEFI_PLATFORM_FIRMWARE_BLOB: base and length (PFP 1.06, 10.2.1). Some firmware writes a name in its place. */
static void decode_blob(const struct ch_tcg_event *ev, struct ch_tcg_what *what, struct parts *p)
{
	struct ch_rd r = ch_rd(ev->data);
	(void)p;
	if (ev->data.n != 16) {
		set_text(what, CH_TCG_LABEL, ev->data);
		return;
	}
	what->kind = CH_TCG_BLOB;
	what->base = ch_rd_le64(&r);
	what->length = ch_rd_le64(&r);
}

/* UEFI_PLATFORM_FIRMWARE_BLOB2: a name before them. */
static void decode_blob2(const struct ch_tcg_event *ev, struct ch_tcg_what *what, struct parts *p)
{
	struct ch_rd r = ch_rd(ev->data);
	(void)p;
	struct ch_span name = ch_rd_take(&r, ch_rd_u8(&r));
	what->base = ch_rd_le64(&r);
	what->length = ch_rd_le64(&r);
	if (!ch_rd_done(&r)) {
		opaque(what, "UEFI_PLATFORM_FIRMWARE_BLOB2 has another size than it says (PFP 1.06, 10.2.1)");
		return;
	}
	what->kind = CH_TCG_BLOB;
	what->text = without_nul(name);
}

static void decode_post_code(const struct ch_tcg_event *ev, struct ch_tcg_what *what, struct parts *p)
{
	if (ev->data.n == 16)
		decode_blob(ev, what, p);
	else
		set_text(what, CH_TCG_LABEL, ev->data);
}

static void decode_tables(const struct ch_tcg_event *ev, struct ch_tcg_what *what, struct parts *p)
{
	(void)p;
	what->kind = CH_TCG_TABLES;
	what->value = ev->data;
}

static void decode_version(const struct ch_tcg_event *ev, struct ch_tcg_what *what, struct parts *p)
{
	(void)p;
	set_text(what, CH_TCG_VERSION, ev->data);
}

static void decode_label(const struct ch_tcg_event *ev, struct ch_tcg_what *what, struct parts *p)
{
	(void)p;
	set_text(what, CH_TCG_LABEL, ev->data);
}

/* TCG_PCClientTaggedEvent: id, size, data (PFP 1.06, 10.2.7). Linux and systemd name with it what they measured. */
static void decode_tagged(const struct ch_tcg_event *ev, struct ch_tcg_what *what, struct parts *p)
{
	struct ch_rd r = ch_rd(ev->data);
	uint32_t id = ch_rd_le32(&r);
	uint32_t size = ch_rd_le32(&r);
	if (r.bad || size > ch_rd_left(&r)) {
		opaque(what, "a tagged event is shorter than its size says (PFP 1.06, 10.2.7)");
		return;
	}
	struct ch_span body = ch_rd_take(&r, size);
	set_text(what, CH_TCG_LABEL, body);
	what->base = id;
	what->source = id == 0x8f3b22ecu || id == 0x8f3b22edu ? "linux" : what->source;
	p->value = body;
}

/*
 * EV_IPL is what each boot loader makes of it: GRUB measures a command without its prefix and a file under its name, shim and
 * systemd name a variable or a section, systemd-boot measures a command line as it stands.
 */
static void decode_ipl(const struct ch_tcg_event *ev, struct ch_tcg_what *what, struct parts *p)
{
	static const char *const prefix[] = { "grub_cmd: ", "kernel_cmdline: ", "module_cmdline: ", "grub_cmd ", "kernel_cmdline " };
	set_text(what, CH_TCG_LABEL, ev->data);
	p->value = without_nul(ev->data);
	if (what->utf16) {
		what->source = ev->pcr == 11 ? "systemd-stub" : "systemd-boot";
		return;
	}
	for (size_t i = 0; i < CH_COUNT_OF(prefix); i++) {
		struct ch_span pre = ch_span_str(prefix[i]);
		if (!ch_span_starts(what->text, pre))
			continue;
		what->source = "grub";
		p->value = ch_span_sub(what->text, pre.n, what->text.n - pre.n);
		return;
	}
	what->source = ev->pcr == 14 ? "shim" : ev->pcr == 8 || ev->pcr == 9 ? "grub" : "boot loader";
}

static const struct {
	uint32_t type;
	const char *source;
	void (*decode)(const struct ch_tcg_event *ev, struct ch_tcg_what *what, struct parts *p);
} type_row[] = {
	{ CH_EV_NO_ACTION, "firmware", decode_no_action },
	{ CH_EV_SEPARATOR, "firmware", decode_separator },
	{ CH_EV_POST_CODE, "firmware", decode_post_code },
	{ CH_EV_POST_CODE2, "firmware", decode_blob2 },
	{ CH_EV_ACTION, "firmware", decode_action },
	{ CH_EV_EVENT_TAG, "firmware", decode_tagged },
	{ CH_EV_S_CRTM_CONTENTS, "firmware", decode_post_code },
	{ CH_EV_S_CRTM_VERSION, "firmware", decode_version },
	{ CH_EV_CPU_MICROCODE, "firmware", decode_label },
	{ CH_EV_COMPACT_HASH, "firmware", decode_label },
	{ CH_EV_IPL, "boot loader", decode_ipl },
	{ CH_EV_OMIT_BOOT_DEVICE_EVENTS, "firmware", decode_label },
	{ CH_EV_EFI_VARIABLE_DRIVER_CONFIG, "firmware", decode_variable },
	{ CH_EV_EFI_VARIABLE_BOOT, "firmware", decode_variable },
	{ CH_EV_EFI_VARIABLE_BOOT2, "firmware", decode_variable },
	{ CH_EV_EFI_VARIABLE_AUTHORITY, "firmware", decode_variable },
	{ CH_EV_EFI_BOOT_SERVICES_APPLICATION, "firmware", decode_image },
	{ CH_EV_EFI_BOOT_SERVICES_DRIVER, "firmware", decode_image },
	{ CH_EV_EFI_RUNTIME_SERVICES_DRIVER, "firmware", decode_image },
	{ CH_EV_EFI_GPT_EVENT, "firmware", decode_gpt },
	{ CH_EV_EFI_GPT_EVENT2, "firmware", decode_gpt },
	{ CH_EV_EFI_ACTION, "firmware", decode_action },
	{ CH_EV_EFI_PLATFORM_FIRMWARE_BLOB, "firmware", decode_blob },
	{ CH_EV_EFI_PLATFORM_FIRMWARE_BLOB2, "firmware", decode_blob2 },
	{ CH_EV_EFI_HANDOFF_TABLES, "firmware", decode_tables },
	{ CH_EV_EFI_HANDOFF_TABLES2, "firmware", decode_tables },
	{ CH_EV_EFI_HCRTM_EVENT, "firmware", decode_label },
};

static void decode(const struct ch_tcg_event *ev, struct ch_tcg_what *what, struct parts *p)
{
	*what = (struct ch_tcg_what){ .kind = CH_TCG_OPAQUE, .cover = CH_COVER_NONE };
	*p = (struct parts){ CH_SPAN_EMPTY };
	for (size_t i = 0; i < CH_COUNT_OF(type_row); i++) {
		if (type_row[i].type != ev->type)
			continue;
		what->source = type_row[i].source;
		type_row[i].decode(ev, what, p);
		return;
	}
}

void ch_tcg_event_decode_only(const struct ch_tcg_event *ev, struct ch_tcg_what *what)
{
	struct parts p;
	decode(ev, what, &p);
}

/* Compares every digest that can be computed with the hash of `s`: how many agree, of how many. */
static void count_covering(const struct ch_tcg_event *ev, struct ch_span s, size_t *agree, size_t *computed)
{
	*agree = 0;
	*computed = 0;
	for (size_t i = 0; i < ev->digest_count; i++) {
		struct ch_digest d;
		if (ch_hash_once(ev->digest[i].alg, s, &d) != CH_OK)
			continue;
		++*computed;
		*agree += ch_span_eq(ch_digest_span(&d), ev->digest[i].value);
	}
}

static bool covers(const struct ch_tcg_event *ev, struct ch_tcg_what *what, struct ch_span s, enum ch_tcg_cover how)
{
	size_t agree, computed;
	count_covering(ev, s, &agree, &computed);
	if (agree == 0)
		return false;
	what->cover = agree == computed ? how : CH_COVER_CONFLICT;
	what->covered = agree == computed ? s : CH_SPAN_EMPTY;
	return true;
}

void ch_tcg_event_decode(const struct ch_tcg_event *ev, struct ch_tcg_what *what)
{
	struct parts p;
	decode(ev, what, &p);
	/* Digests of images and blobs are of what lies in memory. */
	if (what->kind == CH_TCG_IMAGE || what->kind == CH_TCG_BLOB || what->kind == CH_TCG_NO_ACTION)
		return;
	if (!covers(ev, what, ev->data, CH_COVER_ALL) && p.value.p != NULL && p.value.n != ev->data.n)
		(void)covers(ev, what, p.value, CH_COVER_PART);
	/* A label that turns out to be what was measured is a text. */
	if (what->kind == CH_TCG_LABEL && (what->cover == CH_COVER_ALL || what->cover == CH_COVER_PART))
		what->kind = CH_TCG_TEXT;
}

bool ch_tcg_is_variable(const struct ch_tcg_what *what, const struct ch_efi_guid *guid, const char *name)
{
	size_t n = 0;
	if (what->kind != CH_TCG_VARIABLE || !ch_efi_guid_eq(&what->guid, guid))
		return false;
	while (name[n] != '\0') {
		if (2 * n + 1 >= what->name.n || what->name.p[2 * n] != (uint8_t)name[n] || what->name.p[2 * n + 1] != 0)
			return false;
		n++;
	}
	return what->name.n == 2 * n;
}

enum ch_secure_boot ch_tcg_secure_boot(const struct ch_tcg_log *log)
{
	struct ch_tcg_event ev;
	struct ch_tcg_what what;
	for (struct ch_tcg_iter it = ch_tcg_iter(log); ch_tcg_next(&it, &ev);) {
		if (ev.type != CH_EV_EFI_VARIABLE_DRIVER_CONFIG)
			continue;
		ch_tcg_event_decode(&ev, &what);
		if (!ch_tcg_is_variable(&what, &ch_efi_global_variable, "SecureBoot"))
			continue;
		if (what.cover != CH_COVER_ALL || what.value.n != 1 || what.value.p[0] > 1)
			return CH_SECURE_BOOT_UNKNOWN;
		return what.value.p[0] == 1 ? CH_SECURE_BOOT_ON : CH_SECURE_BOOT_OFF;
	}
	return CH_SECURE_BOOT_UNKNOWN;
}
