/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/tcg_event.h"

#include "core/base/rd.h"
#include "core/base/text.h"
#include "core/boot/tcg_decode.h"

#include <string.h>

#define TRENCHBOOT_FIRST 0x502u
#define TRENCHBOOT_LAST  0x504u

/*
 * shim and GRUB took the size of a structure with its padding for the size of what is before its last field, and so log a few
 * bytes of memory more than the event has: shim before 15.3 in both kinds of event, later ones after a device path.
 */
#define SHIM_EXCESS_VARIABLE 6u
#define SHIM_EXCESS_IMAGE    9u

/* --- small questions --- */

void ch_tcg_defect(struct ch_tcg_what *what, const char *defect)
{
	*what = (struct ch_tcg_what){ .kind = CH_TCG_OPAQUE, .source = what->source, .defect = defect };
}

struct ch_span ch_tcg_strip_nul(struct ch_span s)
{
	while (s.n > 0 && s.p[s.n - 1] == 0)
		s.n--;
	return s;
}

bool ch_tcg_is_ascii(struct ch_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < 0x20 || s.p[i] > 0x7e)
			return false;
	}
	return s.n > 0;
}

bool ch_tcg_is_utf16(struct ch_span s)
{
	if (s.n < 2 || s.n % 2 != 0 || s.p[0] == 0 || s.p[1] != 0)
		return false;
	struct ch_span text = ch_tcg_strip_nul16(s);
	struct ch_rd r = ch_rd(text);
	while (ch_rd_left(&r) > 0) {
		if (!ch_text_shown(ch_utf16le_next(&r)))
			return false;
	}
	return ch_span_all(ch_span_sub(s, text.n, s.n - text.n), 0);
}

struct ch_span ch_tcg_strip_nul16(struct ch_span s)
{
	size_t n = 0;
	while (n + 2 <= s.n && (s.p[n] != 0 || s.p[n + 1] != 0))
		n += 2;
	return ch_span_sub(s, 0, n);
}

bool ch_tcg_utf16_is(struct ch_span utf16, const char *ascii)
{
	size_t n = strlen(ascii);
	if (utf16.n != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (utf16.p[2 * i] != (uint8_t)ascii[i] || utf16.p[2 * i + 1] != 0)
			return false;
	}
	return true;
}

/* --- one function a format; each is entered with kind OPAQUE and source "firmware" --- */

/* UEFI_VARIABLE_DATA (PFP 1.06, 10.2.6) */
static void decode_variable(const struct ch_tcg_event *ev, struct ch_tcg_what *what)
{
	struct ch_rd r = ch_rd(ev->data);
	ch_span_copy(what->guid.b, sizeof(what->guid.b), ch_rd_take(&r, sizeof(what->guid.b)));
	uint64_t chars = ch_rd_le64(&r);
	uint64_t bytes = ch_rd_le64(&r);
	if (r.bad || chars > ch_rd_left(&r) / 2) {
		ch_tcg_defect(what, "UnicodeNameLength runs past the end of UEFI_VARIABLE_DATA (PFP 1.06, 10.2.6)");
		return;
	}
	what->name = ch_rd_take(&r, (size_t)chars * 2);
	if (bytes > ch_rd_left(&r)) {
		ch_tcg_defect(what, "VariableDataLength runs past the end of UEFI_VARIABLE_DATA (PFP 1.06, 10.2.6)");
		return;
	}
	what->value = ch_rd_take(&r, (size_t)bytes);
	if (ch_rd_left(&r) > (ev->type == CH_EV_EFI_VARIABLE_AUTHORITY ? SHIM_EXCESS_VARIABLE : 0)) {
		ch_tcg_defect(what, "bytes after the value of UEFI_VARIABLE_DATA (PFP 1.06, 10.2.6)");
		return;
	}
	what->kind = CH_TCG_VARIABLE;
	if (ch_efi_guid_eq(&what->guid, &ch_efi_shim_lock))
		what->source = "shim";
}

/* UEFI_IMAGE_LOAD_EVENT (PFP 1.06, 10.2.3) */
static void decode_image(const struct ch_tcg_event *ev, struct ch_tcg_what *what)
{
	struct ch_rd r = ch_rd(ev->data);
	what->base = ch_rd_le64(&r);
	what->length = ch_rd_le64(&r);
	(void)ch_rd_le64(&r); /* ImageLinkTimeAddress */
	uint64_t size = ch_rd_le64(&r);
	if (r.bad || size > ch_rd_left(&r) || ch_rd_left(&r) - size > SHIM_EXCESS_IMAGE) {
		ch_tcg_defect(what,
			      "LengthOfDevicePath does not end where UEFI_IMAGE_LOAD_EVENT ends (PFP 1.06, 10.2.3)");
		return;
	}
	what->devpath = ch_rd_take(&r, (size_t)size);
	if (what->devpath.n > 0 && ch_efi_devpath_check(what->devpath) != CH_OK) {
		ch_tcg_defect(what, "DevicePath of UEFI_IMAGE_LOAD_EVENT is not a device path (UEFI 2.10, 10.3.1)");
		return;
	}
	what->kind = CH_TCG_IMAGE;
}

static void decode_gpt(const struct ch_tcg_event *ev, struct ch_tcg_what *what)
{
	struct ch_efi_gpt gpt;
	struct ch_diag d;
	if (ch_efi_gpt_parse(&gpt, ev->data, &d) != CH_OK) {
		ch_tcg_defect(what, d.rule);
		return;
	}
	what->kind = CH_TCG_GPT;
	what->value = ev->data;
}

/* UEFI_PLATFORM_FIRMWARE_BLOB (PFP 1.06, 10.2): 16 bytes. False if it is not one. */
static bool try_blob(struct ch_span data, struct ch_tcg_what *what)
{
	struct ch_rd r = ch_rd(data);
	uint64_t base = ch_rd_le64(&r);
	uint64_t length = ch_rd_le64(&r);
	if (!ch_rd_done(&r))
		return false;
	what->kind = CH_TCG_BLOB;
	what->base = base;
	what->length = length;
	return true;
}

/* UEFI_PLATFORM_FIRMWARE_BLOB2 (PFP 1.06, 10.2): the same after a name. */
static bool try_blob2(struct ch_span data, struct ch_tcg_what *what)
{
	struct ch_rd r = ch_rd(data);
	struct ch_span name = ch_rd_take(&r, ch_rd_u8(&r));
	if (r.bad || !try_blob(ch_rd_rest(&r), what))
		return false;
	what->text = ch_tcg_strip_nul(name);
	return true;
}

static bool try_label(struct ch_span data, struct ch_tcg_what *what)
{
	struct ch_span text = ch_tcg_strip_nul(data);
	if (!ch_tcg_is_ascii(text))
		return false;
	what->kind = CH_TCG_LABEL;
	what->text = text;
	return true;
}

static void decode_blob(const struct ch_tcg_event *ev, struct ch_tcg_what *what)
{
	if (!try_blob(ev->data, what) && !try_label(ev->data, what))
		ch_tcg_defect(what, "UEFI_PLATFORM_FIRMWARE_BLOB does not have 16 bytes (PFP 1.06, 10.2)");
}

static void decode_blob2(const struct ch_tcg_event *ev, struct ch_tcg_what *what)
{
	if (!try_blob2(ev->data, what))
		ch_tcg_defect(what, "UEFI_PLATFORM_FIRMWARE_BLOB2 does not end where its event ends (PFP 1.06, 10.2)");
}

/* EV_POST_CODE: a name that the profile gives ("POST CODE", "ACPI DATA", …) or a blob (PFP 1.06, 10.4.1). */
static void decode_post_code(const struct ch_tcg_event *ev, struct ch_tcg_what *what)
{
	if (try_label(ev->data, what))
		what->kind = CH_TCG_BLOB;
	else
		(void)try_blob(ev->data, what);
}

static void decode_label_or_blob(const struct ch_tcg_event *ev, struct ch_tcg_what *what)
{
	if (!try_label(ev->data, what) && !try_blob(ev->data, what))
		(void)try_blob2(ev->data, what);
}

static void decode_label(const struct ch_tcg_event *ev, struct ch_tcg_what *what)
{
	(void)try_label(ev->data, what);
}

/* UEFI_HANDOFF_TABLE_POINTERS (PFP 1.06, 10.2): a count and so many {GUID, address}. */
static void take_tables(struct ch_rd *r, struct ch_tcg_what *what)
{
	uint64_t count = ch_rd_le64(r);
	struct ch_span value = ch_rd_rest(r);
	bool pointers = !r->bad && count <= value.n / 24 && value.n == count * 24;
	/* U-Boot writes the table itself where the address would be */
	bool content = !r->bad && count == 1 && value.n > 24;
	if (!pointers && !content) {
		ch_tcg_defect(what, "the number of handoff tables is not that of the event (PFP 1.06, 10.2)");
		return;
	}
	what->kind = CH_TCG_TABLES;
	what->value = value;
	what->length = count;
	ch_span_copy(what->guid.b, sizeof(what->guid.b), ch_span_sub(value, 0, sizeof(what->guid.b)));
}

static void decode_tables(const struct ch_tcg_event *ev, struct ch_tcg_what *what)
{
	struct ch_rd r = ch_rd(ev->data);
	take_tables(&r, what);
}

static void decode_tables2(const struct ch_tcg_event *ev, struct ch_tcg_what *what)
{
	struct ch_rd r = ch_rd(ev->data);
	what->text = ch_tcg_strip_nul(ch_rd_take(&r, ch_rd_u8(&r)));
	take_tables(&r, what);
}

/* EV_S_CRTM_VERSION: UTF-16 text or a GUID (PFP 1.06, 10.4.1); U-Boot writes ASCII. */
static void decode_version(const struct ch_tcg_event *ev, struct ch_tcg_what *what)
{
	what->kind = CH_TCG_VERSION;
	if (ch_tcg_is_utf16(ev->data) || ch_span_all(ev->data, 0)) {
		what->utf16 = true;
		what->text = ch_tcg_strip_nul16(ev->data);
	} else if (ch_tcg_is_ascii(ch_tcg_strip_nul(ev->data))) {
		what->text = ch_tcg_strip_nul(ev->data);
	} else if (ev->data.n == sizeof(what->guid.b)) {
		ch_span_copy(what->guid.b, sizeof(what->guid.b), ev->data);
	} else {
		ch_tcg_defect(what, "the S-CRTM version is neither text nor a GUID (PFP 1.06, 10.4.1)");
	}
}

static void decode_separator(const struct ch_tcg_event *ev, struct ch_tcg_what *what)
{
	if (ev->data.n != 4) {
		ch_tcg_defect(what, "a separator does not have 4 bytes (PFP 1.06, 10.4.1)");
		return;
	}
	what->kind = CH_TCG_SEPARATOR;
	what->value = ev->data;
}

static bool is_coreboot(struct ch_span text)
{
	return ch_span_starts(text, CH_SPAN_LIT("FMAP: ")) || ch_span_starts(text, CH_SPAN_LIT("CBFS: ")) ||
	       ch_span_starts(text, CH_SPAN_LIT("VBOOT: ")) || ch_span_starts(text, CH_SPAN_LIT("GBB flags"));
}

/* An action is measured as its text; coreboot logs the names of what it measured as actions, too. */
static void decode_action(const struct ch_tcg_event *ev, struct ch_tcg_what *what)
{
	if (!try_label(ev->data, what)) {
		ch_tcg_defect(what, "an action is not printable text (PFP 1.06, 10.4.3)");
		return;
	}
	if (ev->type == CH_EV_ACTION && is_coreboot(what->text))
		what->source = "coreboot";
	else
		what->kind = CH_TCG_ACTION;
}

static void decode_no_action(const struct ch_tcg_event *ev, struct ch_tcg_what *what)
{
	size_t n = 0;
	while (n < ev->data.n && n < 16 && ev->data.p[n] != 0)
		n++;
	what->kind = CH_TCG_NO_ACTION;
	/* Its formats begin with a signature of 16 bytes that is text. */
	if (ch_tcg_is_ascii(ch_span_sub(ev->data, 0, n)))
		what->text = ch_span_sub(ev->data, 0, n);
	what->value = ev->data;
}

static const struct {
	uint32_t type;
	void (*decode)(const struct ch_tcg_event *ev, struct ch_tcg_what *what);
} format[] = {
	{ CH_EV_POST_CODE, decode_post_code },
	{ CH_EV_NO_ACTION, decode_no_action },
	{ CH_EV_SEPARATOR, decode_separator },
	{ CH_EV_ACTION, decode_action },
	{ CH_EV_EVENT_TAG, ch_tcg_decode_tag },
	{ CH_EV_S_CRTM_CONTENTS, decode_label_or_blob },
	{ CH_EV_S_CRTM_VERSION, decode_version },
	{ CH_EV_CPU_MICROCODE, decode_label_or_blob },
	{ CH_EV_PLATFORM_CONFIG_FLAGS, decode_label },
	{ CH_EV_IPL, ch_tcg_decode_ipl },
	{ CH_EV_OMIT_BOOT_DEVICE_EVENTS, decode_action },
	{ CH_EV_POST_CODE2, decode_blob2 },
	{ CH_EV_EFI_VARIABLE_DRIVER_CONFIG, decode_variable },
	{ CH_EV_EFI_VARIABLE_BOOT, decode_variable },
	{ CH_EV_EFI_BOOT_SERVICES_APPLICATION, decode_image },
	{ CH_EV_EFI_BOOT_SERVICES_DRIVER, decode_image },
	{ CH_EV_EFI_RUNTIME_SERVICES_DRIVER, decode_image },
	{ CH_EV_EFI_GPT_EVENT, decode_gpt },
	{ CH_EV_EFI_ACTION, decode_action },
	{ CH_EV_EFI_PLATFORM_FIRMWARE_BLOB, decode_blob },
	{ CH_EV_EFI_HANDOFF_TABLES, decode_tables },
	{ CH_EV_EFI_PLATFORM_FIRMWARE_BLOB2, decode_blob2 },
	{ CH_EV_EFI_HANDOFF_TABLES2, decode_tables2 },
	{ CH_EV_EFI_VARIABLE_BOOT2, decode_variable },
	{ CH_EV_EFI_GPT_EVENT2, decode_gpt },
	{ CH_EV_EFI_HCRTM_EVENT, decode_label },
	{ CH_EV_EFI_VARIABLE_AUTHORITY, decode_variable },
	{ CH_EV_EFI_SPDM_DEVICE_POLICY, decode_variable },
	{ CH_EV_EFI_SPDM_DEVICE_AUTHORITY, decode_variable },
};

void ch_tcg_event_decode_only(const struct ch_tcg_event *ev, struct ch_tcg_what *what)
{
	*what = (struct ch_tcg_what){ .kind = CH_TCG_OPAQUE, .source = "firmware" };
	for (size_t i = 0; i < CH_COUNT_OF(format); i++) {
		if (format[i].type == ev->type) {
			format[i].decode(ev, what);
			return;
		}
	}
	if (ev->type >= TRENCHBOOT_FIRST && ev->type <= TRENCHBOOT_LAST) {
		(void)try_label(ev->data, what);
		what->source = "trenchboot";
	}
}

void ch_tcg_event_decode(const struct ch_tcg_event *ev, struct ch_tcg_what *what)
{
	ch_tcg_event_decode_only(ev, what);
	ch_tcg_cover(ev, what);
	if (what->kind == CH_TCG_LABEL && (what->cover == CH_COVER_ALL || what->cover == CH_COVER_PART))
		what->kind = CH_TCG_TEXT;
}

bool ch_tcg_event_covers(const struct ch_tcg_event *ev, enum ch_tcg_cover how)
{
	struct ch_tcg_what what;
	ch_tcg_event_decode_only(ev, &what);
	return ch_tcg_is_covered(ev, &what, how);
}

/* --- questions about a decoded event --- */

bool ch_tcg_is_variable(const struct ch_tcg_what *what, const struct ch_efi_guid *guid, const char *name)
{
	return what->kind == CH_TCG_VARIABLE && ch_efi_guid_eq(&what->guid, guid) && ch_tcg_utf16_is(what->name, name);
}

#define PCR_SECURE_BOOT 7
#define CC_SECURE_BOOT  1 /* RTMR 0, where a log numbers a confidential virtual machine's registers from 1 */

enum ch_secure_boot ch_tcg_secure_boot(const struct ch_tcg_log *log)
{
	struct ch_tcg_iter it = ch_tcg_iter(log);
	struct ch_tcg_event ev;
	struct ch_tcg_what what;
	uint32_t pcr = PCR_SECURE_BOOT;
	/* Firmware measures SecureBoot before anything else into its register (PFP 1.06, 3.3.4.8). */
	for (bool first = true; ch_tcg_next(&it, &ev);) {
		if (ev.n == 0 && ev.pcr == CC_SECURE_BOOT && ev.type == CH_EV_NO_ACTION)
			pcr = CC_SECURE_BOOT;
		if (!ev.extended || ev.pcr != pcr)
			continue;
		bool is_first = first;
		first = false;
		if (ev.type != CH_EV_EFI_VARIABLE_DRIVER_CONFIG)
			continue;
		ch_tcg_event_decode_only(&ev, &what);
		if (!ch_tcg_is_variable(&what, &ch_efi_global_variable, "SecureBoot"))
			continue;
		ch_tcg_cover(&ev, &what);
		if (what.value.n != 1 || what.value.p[0] > 1)
			return CH_SECURE_BOOT_UNKNOWN;
		/*
		 * Old firmware measures the value without the name. That the value belongs to SecureBoot is then known by its
		 * place only: an event that comes later may have been renamed.
		 */
		if (what.cover != CH_COVER_ALL && !(what.cover == CH_COVER_PART && is_first))
			return CH_SECURE_BOOT_UNKNOWN;
		return what.value.p[0] == 1 ? CH_SECURE_BOOT_ON : CH_SECURE_BOOT_OFF;
	}
	return CH_SECURE_BOOT_UNKNOWN;
}
