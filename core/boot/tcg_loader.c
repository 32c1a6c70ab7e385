/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/rd.h"
#include "core/boot/tcg_decode.h"

/*
 * What boot loaders measure. EV_IPL has no format: each loader writes a text and measures that text, a part of it, or the thing
 * that it names. docs/protocol/tcg-events.md says which.
 */

#define PCR_GRUB_TEXT   8
#define PCR_GRUB_FILE   9
#define PCR_KERNEL_CONF 12
#define PCR_SHIM        14

/* GRUB writes what it measured after one of these; the ones without colon are of distributions' older patches. */
static const char *const grub_prefix[] = {
	"grub_cmd: ",           "kernel_cmdline: ",     "module_cmdline: ",
	"grub_kernel_cmdline ", "grub_module_cmdline ", "grub_cmd ",
};

static void label(struct ch_tcg_what *what, const char *source, struct ch_span text)
{
	what->kind = CH_TCG_LABEL;
	what->source = source;
	what->text = text;
}

static bool try_grub(struct ch_span text, struct ch_tcg_what *what)
{
	for (size_t i = 0; i < CH_COUNT_OF(grub_prefix); i++) {
		struct ch_span prefix = ch_span_str(grub_prefix[i]);
		if (!ch_span_starts(text, prefix))
			continue;
		what->kind = CH_TCG_TEXT;
		what->source = "grub";
		what->text = ch_span_sub(text, prefix.n, text.n - prefix.n);
		return true;
	}
	return false;
}

/* systemd: in UTF-16, the sections of a unified kernel image, names of initrds that it made, kernel command lines. */
static void decode_systemd(uint32_t pcr, struct ch_span text, struct ch_tcg_what *what)
{
	static const uint8_t initrd[] = { 'i', 0, 'n', 0, 'i', 0, 't', 0, 'r', 0, 'd', 0 };
	bool named = pcr == CH_TCG_PCR_UKI;
	if (pcr == PCR_KERNEL_CONF && text.n > sizeof(initrd))
		named = ch_span_eq(ch_span_sub(text, text.n - sizeof(initrd), sizeof(initrd)), CH_SPAN_OF(initrd)) &&
			text.p[text.n - sizeof(initrd) - 2] == ' ';
	what->kind = named ? CH_TCG_LABEL : CH_TCG_TEXT;
	what->source = named ? "systemd-stub" : "systemd-boot";
	what->utf16 = true;
	what->text = text;
}

void ch_tcg_decode_ipl(const struct ch_tcg_event *ev, struct ch_tcg_what *what)
{
	struct ch_span data = ev->data;
	what->source = "boot loader";
	/* systemd-boot before version 240 left the last byte of the NUL character out of the event. */
	size_t even = data.n % 2 == 0 || data.p[data.n - 1] != 0 ? data.n : data.n - 1;
	if (data.n > 2 && ch_tcg_is_utf16(ch_span_sub(data, 0, even))) {
		decode_systemd(ev->pcr, ch_tcg_strip_nul16(ch_span_sub(data, 0, even)), what);
		return;
	}
	struct ch_span text = ch_tcg_strip_nul(data);
	if (try_grub(text, what))
		return;
	if (!ch_tcg_is_ascii(text))
		return;
	const char *source = what->source;
	if (ev->pcr == PCR_SHIM)
		source = "shim";
	else if (ev->pcr == PCR_GRUB_FILE || ev->pcr == PCR_GRUB_TEXT)
		source = "grub";
	label(what, source, text);
}

/* --- EV_EVENT_TAG: TCG_PCClientTaggedEvent (PFP 1.06, 10.4.2) --- */

static const struct {
	uint32_t id;
	const char *source;
} tag[] = {
	{ 0x8f3b22ec, "linux" },        /* initrd */
	{ 0x8f3b22ed, "linux" },        /* load options: the command line */
	{ 0xf5bc582a, "systemd-boot" }, /* loader.conf */
	{ 0x6c46f751, "systemd-stub" }, /* device tree */
	{ 0x49dffe0f, "systemd-stub" }, /* initrd of an add-on */
	{ 0xdac08e1a, "systemd-stub" }, /* microcode of an add-on */
	{ 0x13aed6db, "systemd-stub" }, /* profile of a unified kernel image */
};

void ch_tcg_decode_tag(const struct ch_tcg_event *ev, struct ch_tcg_what *what)
{
	struct ch_rd r = ch_rd(ev->data);
	uint32_t id = ch_rd_le32(&r);
	size_t size = ch_rd_le32(&r);
	struct ch_span text = ch_rd_take(&r, size);
	what->source = "unknown";
	if (!ch_rd_done(&r)) {
		ch_tcg_defect(what, "taggedEventDataSize does not end where the event ends (PFP 1.06, 10.4.2)");
		return;
	}
	for (size_t i = 0; i < CH_COUNT_OF(tag); i++) {
		if (tag[i].id != id)
			continue;
		what->utf16 = ch_tcg_is_utf16(text);
		label(what, tag[i].source, what->utf16 ? ch_tcg_strip_nul16(text) : ch_tcg_strip_nul(text));
		return;
	}
}
