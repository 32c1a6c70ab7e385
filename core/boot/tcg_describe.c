/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/rd.h"
#include "core/base/text.h"
#include "core/boot/smbios.h"
#include "core/boot/tcg_decode.h"

/* One line for a person about an event. Whether its digest covers what the line says is not said here: that is `cover`. */

#define SHOWN_BYTES  32 /* of data that has no text */
#define SHOWN_TABLES 32

static void put_hex_number(struct ch_wr *w, uint64_t v)
{
	static const char digit[] = "0123456789abcdef";
	ch_wr_str(w, "0x");
	bool seen = false;
	for (int shift = 60; shift >= 0; shift -= 4) {
		seen = seen || v >> shift != 0 || shift == 0;
		if (seen)
			ch_wr_u8(w, (uint8_t)digit[v >> shift & 15]);
	}
}

static void put_text(struct ch_wr *w, const struct ch_tcg_what *what)
{
	if (what->utf16)
		ch_utf16le_escape(w, what->text);
	else
		ch_text_escape(w, what->text);
}

static void put_size(struct ch_wr *w, uint64_t n)
{
	ch_wr_dec(w, n);
	ch_wr_str(w, n == 1 ? " byte" : " bytes");
}

static void put_where(struct ch_wr *w, const struct ch_tcg_what *what)
{
	put_size(w, what->length);
	ch_wr_str(w, " at ");
	put_hex_number(w, what->base);
}

void ch_tcg_describe_bytes(struct ch_span s, struct ch_wr *w)
{
	struct ch_span text = ch_tcg_strip_nul(s);
	if (s.n == 0) {
		ch_wr_str(w, "no data");
	} else if (ch_tcg_is_ascii(text)) {
		ch_wr_u8(w, '"');
		ch_text_escape(w, text);
		ch_wr_u8(w, '"');
	} else if (s.n > 4 && ch_tcg_is_utf16(s)) {
		ch_wr_u8(w, '"');
		ch_utf16le_escape(w, s);
		ch_wr_u8(w, '"');
	} else {
		put_size(w, s.n);
		ch_wr_str(w, ": ");
		ch_wr_hex(w, ch_span_sub(s, 0, s.n < SHOWN_BYTES ? s.n : SHOWN_BYTES));
		if (s.n > SHOWN_BYTES)
			ch_wr_str(w, "…");
	}
}

static void describe_image(const struct ch_tcg_what *what, struct ch_wr *w)
{
	struct ch_span where;
	struct ch_span file;
	ch_efi_devpath_split(what->devpath, &where, &file);
	if (where.n == 0 && file.n == 0 && what->base == 0 && what->length == 0) {
		ch_wr_str(w, "an image of which the log says nothing");
		return;
	}
	if (where.n == 0 && file.n == 0) {
		ch_wr_str(w, "image in memory, ");
		put_where(w, what);
		return;
	}
	ch_efi_devpath_put_nodes(w, file);
	if (where.n > 0 && file.n > 0)
		ch_wr_str(w, " on ");
	ch_efi_devpath_put_nodes(w, where);
}

static void describe_gpt(const struct ch_tcg_what *what, struct ch_wr *w)
{
	struct ch_efi_gpt gpt;
	struct ch_efi_gpt_entry e;
	if (ch_efi_gpt_parse(&gpt, what->value, NULL) != CH_OK)
		return;
	ch_wr_str(w, "GPT of disk ");
	ch_efi_guid_put(w, &gpt.disk);
	ch_wr_str(w, ", ");
	ch_wr_dec(w, gpt.count);
	ch_wr_str(w, gpt.count == 1 ? " partition" : " partitions");
	for (size_t i = 0; i < gpt.count && ch_efi_gpt_entry(&gpt, i, &e); i++) {
		ch_wr_str(w, i == 0 ? ": " : ", ");
		ch_utf16le_escape(w, e.name);
		ch_wr_str(w, " (");
		put_hex_number(w, e.first_lba);
		ch_wr_u8(w, '-');
		put_hex_number(w, e.last_lba);
		ch_wr_u8(w, ')');
	}
}

/* The few fields by which a person knows a device, if the event holds the table. */
static bool describe_smbios(const struct ch_tcg_what *what, struct ch_wr *w)
{
	static const char *const field[] = { "system-manufacturer", "system-product-name", "bios-vendor",
					     "bios-version" };
	struct ch_smbios smbios;
	if (ch_smbios_of_event(&smbios, what, NULL) != CH_OK)
		return false;
	ch_wr_str(w, "SMBIOS table");
	for (size_t i = 0; i < CH_COUNT_OF(field); i++) {
		ch_wr_str(w, i == 0 ? ": " : ", ");
		(void)ch_smbios_field_put(&smbios, ch_span_str(field[i]), w);
	}
	return true;
}

static void describe_tables(const struct ch_tcg_what *what, struct ch_wr *w)
{
	struct ch_rd r = ch_rd(what->value);
	if (describe_smbios(what, w))
		return;
	ch_wr_str(w, "handoff tables");
	if (what->text.n > 0) {
		ch_wr_u8(w, ' ');
		ch_text_escape(w, what->text);
	}
	for (size_t i = 0; i < SHOWN_TABLES && ch_rd_left(&r) >= 24; i++) {
		struct ch_efi_guid guid = { { 0 } };
		ch_span_copy(guid.b, sizeof(guid.b), ch_rd_take(&r, sizeof(guid.b)));
		ch_wr_str(w, i == 0 ? ": " : ", ");
		if (ch_efi_guid_eq(&guid, &ch_efi_smbios_table) || ch_efi_guid_eq(&guid, &ch_efi_smbios3_table))
			ch_wr_str(w, "SMBIOS");
		else
			ch_efi_guid_put(w, &guid);
		if (what->length == 1 && ch_rd_left(&r) != 8) {
			ch_wr_str(w, ", its content, ");
			put_size(w, ch_rd_left(&r));
			return;
		}
		ch_wr_str(w, " at ");
		put_hex_number(w, ch_rd_le64(&r));
	}
	if (ch_rd_left(&r) > 0)
		ch_wr_str(w, ", …");
}

static void describe_no_action(const struct ch_tcg_what *what, struct ch_wr *w)
{
	static const uint8_t locality[16] = "StartupLocality";
	if (what->text.n == 0) {
		ch_tcg_describe_bytes(what->value, w);
		return;
	}
	ch_text_escape(w, what->text);
	if (ch_span_starts(what->value, CH_SPAN_OF(locality)) && what->value.n == sizeof(locality) + 1) {
		ch_wr_u8(w, ' ');
		ch_wr_dec(w, what->value.p[sizeof(locality)]);
	}
}

/* What comes before a text: by the event alone, not by what its digest covers, so that an event has one line. */
static const char *text_prefix(const struct ch_tcg_event *ev, const struct ch_tcg_what *what)
{
	static const struct {
		const char *start;
		const char *prefix;
	} by_data[] = {
		{ "grub_cmd", "GRUB command: " },
		{ "kernel_cmdline: ", "kernel command line: " },
		{ "grub_kernel_cmdline ", "kernel command line: " },
		{ "module_cmdline: ", "module command line: " },
		{ "grub_module_cmdline ", "module command line: " },
	};
	static const struct {
		const char *source;
		const char *prefix;
	} by_source[] = {
		{ "grub", "file " },
		{ "shim", "shim: " },
		{ "coreboot", "coreboot: " },
		{ "trenchboot", "secure launch: " },
	};
	if (ev->type == CH_EV_IPL && what->utf16) {
		if (ev->pcr == CH_TCG_PCR_UKI)
			return "UKI section ";
		return ch_span_eq(ch_span_str(what->source), CH_SPAN_LIT("systemd-boot")) ? "kernel command line: "
											  : "";
	}
	for (size_t i = 0; ev->type == CH_EV_IPL && i < CH_COUNT_OF(by_data); i++) {
		if (ch_span_starts(ev->data, ch_span_str(by_data[i].start)))
			return by_data[i].prefix;
	}
	for (size_t i = 0; i < CH_COUNT_OF(by_source); i++) {
		if (ch_span_eq(ch_span_str(what->source), ch_span_str(by_source[i].source)))
			return by_source[i].prefix;
	}
	return "";
}

static void describe_separator(const struct ch_tcg_what *what, struct ch_wr *w)
{
	ch_wr_str(w, "separator");
	if (ch_span_all(what->value, 0))
		return;
	ch_wr_u8(w, ' ');
	if (ch_tcg_is_ascii(what->value))
		ch_text_escape(w, what->value);
	else
		ch_wr_hex(w, what->value);
}

static void describe_version(const struct ch_tcg_what *what, struct ch_wr *w)
{
	static const struct ch_efi_guid none = { { 0 } };
	ch_wr_str(w, "S-CRTM version ");
	if (!ch_efi_guid_eq(&what->guid, &none))
		ch_efi_guid_put(w, &what->guid);
	else if (what->text.n == 0)
		ch_wr_str(w, "(empty)");
	else
		put_text(w, what);
}

static void describe(const struct ch_tcg_event *ev, const struct ch_tcg_what *what, struct ch_wr *w)
{
	switch (what->kind) {
	case CH_TCG_OPAQUE:
		ch_tcg_describe_bytes(ev->data, w);
		break;
	case CH_TCG_NO_ACTION:
		describe_no_action(what, w);
		break;
	case CH_TCG_SEPARATOR:
		describe_separator(what, w);
		break;
	case CH_TCG_ACTION:
		put_text(w, what);
		break;
	case CH_TCG_VARIABLE:
		ch_tcg_describe_variable(ev, what, w);
		break;
	case CH_TCG_IMAGE:
		describe_image(what, w);
		break;
	case CH_TCG_GPT:
		describe_gpt(what, w);
		break;
	case CH_TCG_BLOB:
		if (what->text.n > 0) {
			put_text(w, what);
			if (what->length == 0)
				break;
			ch_wr_str(w, ", ");
		}
		put_where(w, what);
		break;
	case CH_TCG_TABLES:
		describe_tables(what, w);
		break;
	case CH_TCG_VERSION:
		describe_version(what, w);
		break;
	case CH_TCG_TEXT:
	case CH_TCG_LABEL:
		ch_wr_str(w, text_prefix(ev, what));
		put_text(w, what);
		break;
	}
}

/* Refuses to empty the buffer: what does not fit is cut. */
static bool full(void *ctx, struct ch_span bytes)
{
	(void)bytes;
	*(bool *)ctx = true;
	return false;
}

void ch_tcg_event_describe(const struct ch_tcg_event *ev, const struct ch_tcg_what *what, struct ch_wr *w)
{
	uint8_t line[CH_TCG_DESCRIBE_MAX];
	bool cut = false;
	struct ch_wr to = ch_wr(line, sizeof(line));
	to.flush = full;
	to.ctx = &cut;
	describe(ev, what, &to);
	if (!cut) {
		if (to.len == 0)
			ch_wr_str(&to, "no data");
		ch_wr_put(w, ch_span(line, to.len));
		return;
	}
	/* room for the three bytes of "…", and no cut inside a character */
	size_t n = sizeof(line) - 3;
	while (n > 0 && (line[n] & 0xc0) == 0x80)
		n--;
	ch_wr_put(w, ch_span(line, n));
	ch_wr_str(w, "…");
}
