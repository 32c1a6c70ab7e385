/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/tcg_event.h"

#include "core/base/rd.h"
#include "core/base/text.h"

/* One line for a person. */

static void put_text(struct ch_wr *w, const struct ch_tcg_what *what)
{
	uint8_t utf8[CH_TCG_DESCRIBE_MAX];
	if (!what->utf16) {
		ch_text_escape(w, what->text);
		return;
	}
	struct ch_wr t = ch_wr(utf8, sizeof(utf8));
	ch_utf16le_put(&t, what->text);
	ch_text_escape(w, ch_span(utf8, t.len));
}

static void put_utf16(struct ch_wr *w, struct ch_span s)
{
	uint8_t utf8[512];
	struct ch_wr t = ch_wr(utf8, sizeof(utf8));
	ch_utf16le_put(&t, s);
	ch_text_escape(w, ch_span(utf8, t.len));
}

static void put_path(struct ch_wr *w, struct ch_span path)
{
	struct ch_wr before = *w;
	if (ch_efi_devpath_put(w, path) == CH_OK)
		return;
	*w = before;
	ch_wr_str(w, "device path ");
	ch_wr_hex(w, ch_span_sub(path, 0, path.n < 32 ? path.n : 32));
}

/* The last commonName of a certificate's subject: found by its OID, bounded, and only for people. */
void ch_efi_cert_subject_put(struct ch_wr *w, struct ch_span cert)
{
	static const uint8_t oid[] = { 0x06, 0x03, 0x55, 0x04, 0x03 };
	struct ch_span found = CH_SPAN_EMPTY;
	for (size_t i = 0; i + 7 < cert.n && i < CH_CERT_MAX; i++) {
		if (!ch_span_eq(ch_span_sub(cert, i, 5), CH_SPAN_OF(oid)))
			continue;
		struct ch_span value = ch_span_sub(cert, i + 7, cert.p[i + 6]);
		if (cert.p[i + 6] < 0x80 && value.n > 0)
			found = value;
	}
	ch_wr_str(w, "CN=");
	ch_text_escape(w, found);
}

static void put_database(struct ch_wr *w, struct ch_span value)
{
	struct ch_efi_siglist_iter it = ch_efi_siglist_iter(value);
	struct ch_efi_sig sig;
	size_t certs = 0, hashes = 0, others = 0;
	if (ch_efi_siglist_check(value, NULL) != CH_OK) {
		ch_wr_str(w, "not a signature database");
		return;
	}
	while (ch_efi_siglist_next(&it, &sig)) {
		bool x509 = ch_efi_guid_eq(&sig.type, &ch_efi_cert_x509);
		if (x509) {
			ch_wr_str(w, certs++ == 0 ? "" : "; ");
			ch_efi_cert_subject_put(w, sig.data);
		} else if (ch_efi_guid_eq(&sig.type, &ch_efi_cert_sha256)) {
			hashes++;
		} else {
			others++;
		}
	}
	if (certs + hashes + others == 0)
		ch_wr_str(w, "empty");
	if (hashes > 0) {
		ch_wr_str(w, certs > 0 ? "; " : "");
		ch_wr_dec(w, hashes);
		ch_wr_str(w, hashes == 1 ? " hash" : " hashes");
	}
	if (others > 0) {
		ch_wr_str(w, certs + hashes > 0 ? "; " : "");
		ch_wr_dec(w, others);
		ch_wr_str(w, " entries of another type");
	}
}

static bool is_database(const struct ch_tcg_what *what)
{
	return ch_tcg_is_variable(what, &ch_efi_global_variable, "PK") ||
	       ch_tcg_is_variable(what, &ch_efi_global_variable, "KEK") ||
	       ch_tcg_is_variable(what, &ch_efi_image_security, "db") || ch_tcg_is_variable(what, &ch_efi_image_security, "dbx");
}

static void put_boot_order(struct ch_wr *w, struct ch_span value)
{
	static const char digit[] = "0123456789ABCDEF";
	struct ch_rd r = ch_rd(value);
	for (size_t i = 0; i < 64 && ch_rd_left(&r) >= 2; i++) {
		uint16_t n = ch_rd_le16(&r);
		ch_wr_str(w, i == 0 ? "Boot" : ",Boot");
		for (int shift = 12; shift >= 0; shift -= 4)
			ch_wr_u8(w, (uint8_t)digit[n >> shift & 15]);
	}
}

static void put_value(struct ch_wr *w, const struct ch_tcg_event *ev, const struct ch_tcg_what *what)
{
	struct ch_efi_load_option lo;
	if (ch_tcg_is_variable(what, &ch_efi_global_variable, "SecureBoot") && what->value.n == 1) {
		ch_wr_str(w, what->value.p[0] == 1 ? "on" : "off");
	} else if (ch_tcg_is_variable(what, &ch_efi_global_variable, "BootOrder")) {
		put_boot_order(w, what->value);
	} else if (ev->type == CH_EV_EFI_VARIABLE_AUTHORITY && ch_tcg_is_variable(what, &ch_efi_image_security, "db") &&
		   what->value.n > 16) {
		ch_efi_cert_subject_put(w, ch_span_sub(what->value, 16, what->value.n - 16));
	} else if (is_database(what)) {
		put_database(w, what->value);
	} else if (ev->type != CH_EV_EFI_VARIABLE_DRIVER_CONFIG && ch_span_starts(what->name, CH_SPAN_LIT("B\0o\0o\0t\0")) &&
		   what->name.n == 16 && ch_efi_load_option_parse(&lo, what->value, NULL) == CH_OK) {
		ch_wr_u8(w, '"');
		put_utf16(w, lo.description);
		ch_wr_str(w, "\" ");
		put_path(w, lo.devpath);
	} else {
		ch_wr_dec(w, what->value.n);
		ch_wr_str(w, " bytes ");
		ch_wr_hex(w, ch_span_sub(what->value, 0, what->value.n < 16 ? what->value.n : 16));
	}
}

static void put_variable(struct ch_wr *w, const struct ch_tcg_event *ev, const struct ch_tcg_what *what)
{
	put_utf16(w, what->name);
	if (!ch_efi_guid_eq(&what->guid, &ch_efi_global_variable) && !ch_efi_guid_eq(&what->guid, &ch_efi_image_security)) {
		ch_wr_u8(w, '-');
		ch_efi_guid_put(w, &what->guid);
	}
	ch_wr_str(w, " = ");
	put_value(w, ev, what);
}

static void put_gpt(struct ch_wr *w, const struct ch_tcg_what *what)
{
	struct ch_efi_gpt gpt;
	struct ch_efi_gpt_entry e;
	if (ch_efi_gpt_parse(&gpt, what->value, NULL) != CH_OK)
		return;
	ch_wr_str(w, "GPT of disk ");
	ch_efi_guid_put(w, &gpt.disk);
	for (size_t i = 0; ch_efi_gpt_entry(&gpt, i, &e); i++) {
		ch_wr_str(w, i == 0 ? ": " : ", ");
		put_utf16(w, e.name);
	}
}

static void put_opaque(struct ch_wr *w, const struct ch_tcg_event *ev, const struct ch_tcg_what *what)
{
	ch_wr_dec(w, ev->data.n);
	ch_wr_str(w, " bytes");
	if (what->defect != NULL) {
		ch_wr_str(w, ": ");
		ch_wr_str(w, what->defect);
	} else if (ev->data.n > 0) {
		ch_wr_u8(w, ' ');
		ch_wr_hex(w, ch_span_sub(ev->data, 0, ev->data.n < 32 ? ev->data.n : 32));
	}
}

static void put_blob(struct ch_wr *w, const struct ch_tcg_what *what)
{
	ch_wr_str(w, "firmware blob ");
	if (what->text.n > 0) {
		put_text(w, what);
		ch_wr_u8(w, ' ');
	}
	ch_wr_str(w, "of ");
	ch_wr_dec(w, what->length);
	ch_wr_str(w, " bytes");
}

static void describe(const struct ch_tcg_event *ev, const struct ch_tcg_what *what, struct ch_wr *w)
{
	switch (what->kind) {
	case CH_TCG_SEPARATOR:
		ch_wr_str(w, ch_span_all(what->value, 0) || ch_span_all(what->value, 0xff) ? "separator" : "separator: error");
		return;
	case CH_TCG_VARIABLE:
		put_variable(w, ev, what);
		return;
	case CH_TCG_IMAGE:
		put_path(w, what->devpath);
		return;
	case CH_TCG_GPT:
		put_gpt(w, what);
		return;
	case CH_TCG_BLOB:
		put_blob(w, what);
		return;
	case CH_TCG_TABLES:
		ch_wr_str(w, "handoff tables, ");
		put_opaque(w, ev, what);
		return;
	case CH_TCG_OPAQUE:
		put_opaque(w, ev, what);
		return;
	case CH_TCG_NO_ACTION:
	case CH_TCG_ACTION:
	case CH_TCG_VERSION:
	case CH_TCG_TEXT:
	case CH_TCG_LABEL:
		break;
	}
	if (what->text.n > 0)
		put_text(w, what);
	else
		put_opaque(w, ev, what);
}

void ch_tcg_event_describe(const struct ch_tcg_event *ev, const struct ch_tcg_what *what, struct ch_wr *w)
{
	uint8_t line[CH_TCG_DESCRIBE_MAX];
	struct ch_wr t = ch_wr(line, sizeof(line));
	describe(ev, what, &t);
	/* A cut must not fall into a character. */
	size_t n = t.len;
	while (t.bad && n > 0 && (line[n - 1] & 0xc0) == 0x80)
		n--;
	n -= t.bad && n > 0;
	ch_wr_put(w, ch_span(line, n));
	if (t.bad)
		ch_wr_str(w, "\xe2\x80\xa6");
	else if (n == 0)
		ch_wr_str(w, "nothing");
}
