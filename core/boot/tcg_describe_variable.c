/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/rd.h"
#include "core/base/text.h"
#include "core/boot/tcg_decode.h"

/* What a UEFI variable says, for a person. */

#define OWNER_SIZE  16
#define SHA256_SIZE 32
#define NAMES_MAX   16 /* certificates named of one database; all are counted */

/* --- signature databases --- */

static void put_count(struct ch_wr *w, bool *first, size_t n, const char *one, const char *many)
{
	if (n == 0)
		return;
	ch_wr_str(w, *first ? "" : ", ");
	*first = false;
	ch_wr_dec(w, n);
	ch_wr_u8(w, ' ');
	ch_wr_str(w, n == 1 ? one : many);
}

static void put_names(struct ch_wr *w, struct ch_span database)
{
	struct ch_efi_siglist_iter it = ch_efi_siglist_iter(database);
	struct ch_efi_sig sig;
	size_t n = 0;
	ch_wr_str(w, " (");
	while (ch_efi_siglist_next(&it, &sig)) {
		if (!ch_efi_guid_eq(&sig.type, &ch_efi_cert_x509))
			continue;
		if (n == NAMES_MAX) {
			ch_wr_str(w, "; …");
			break;
		}
		ch_wr_str(w, n++ == 0 ? "" : "; ");
		ch_efi_cert_subject_put(w, sig.data);
	}
	ch_wr_u8(w, ')');
}

static void put_database(struct ch_wr *w, struct ch_span value)
{
	struct ch_diag d;
	if (ch_efi_siglist_check(value, &d) != CH_OK) {
		ch_wr_str(w, "not a signature database: ");
		ch_wr_str(w, d.rule);
		return;
	}
	size_t certs = 0;
	size_t hashes = 0;
	size_t others = 0;
	struct ch_efi_siglist_iter it = ch_efi_siglist_iter(value);
	struct ch_efi_sig sig;
	while (ch_efi_siglist_next(&it, &sig)) {
		if (ch_efi_guid_eq(&sig.type, &ch_efi_cert_x509))
			certs++;
		else if (ch_efi_guid_eq(&sig.type, &ch_efi_cert_sha256))
			hashes++;
		else
			others++;
	}
	bool first = true;
	put_count(w, &first, certs, "certificate", "certificates");
	if (certs > 0)
		put_names(w, value);
	put_count(w, &first, hashes, "SHA-256 hash", "SHA-256 hashes");
	put_count(w, &first, others, "other entry", "other entries");
	if (first)
		ch_wr_str(w, "empty");
}

/* A DER certificate: a SEQUENCE whose length has two bytes and is that of the rest. */
static bool is_certificate(struct ch_span s)
{
	return s.n > 4 && s.p[0] == 0x30 && s.p[1] == 0x82 && (size_t)(s.p[2] << 8 | s.p[3]) + 4 == s.n;
}

/*
 * What let an image start: one EFI_SIGNATURE_DATA, or, from shim, a certificate alone. Gives the certificate or the hash; empty
 * if it is neither.
 */
static struct ch_span authority_of(struct ch_span value)
{
	struct ch_span data = value.n > OWNER_SIZE ? ch_span_sub(value, OWNER_SIZE, value.n - OWNER_SIZE) : value;
	if (is_certificate(value))
		return value;
	return is_certificate(data) || (data.n == SHA256_SIZE && data.n < value.n) ? data : CH_SPAN_EMPTY;
}

static void put_authority(struct ch_wr *w, struct ch_span data)
{
	if (data.n == SHA256_SIZE) {
		ch_wr_str(w, "SHA-256 ");
		ch_wr_hex(w, data);
	} else {
		ch_efi_cert_subject_put(w, data);
	}
}

/* --- boot options --- */

static void put_option(struct ch_wr *w, struct ch_span value)
{
	struct ch_efi_load_option lo;
	struct ch_diag d;
	if (ch_efi_load_option_parse(&lo, value, &d) != CH_OK) {
		ch_wr_str(w, "not a load option: ");
		ch_wr_str(w, d.rule);
		return;
	}
	ch_wr_u8(w, '"');
	ch_utf16le_escape(w, lo.description);
	ch_wr_str(w, "\" ");
	if (ch_efi_devpath_put(w, lo.devpath) != CH_OK) {
		ch_wr_str(w, "(not one device path) ");
		ch_tcg_describe_bytes(lo.devpath, w);
	}
	/* EDK II marks the options that it made itself with a GUID. */
	if (lo.optional.n == 0 || lo.optional.n == OWNER_SIZE)
		return;
	ch_wr_str(w, ", options ");
	ch_tcg_describe_bytes(lo.optional, w);
}

static void put_hex16(struct ch_wr *w, uint16_t v)
{
	static const char digit[] = "0123456789ABCDEF";
	for (int shift = 12; shift >= 0; shift -= 4)
		ch_wr_u8(w, (uint8_t)digit[v >> shift & 15]);
}

static void put_order(struct ch_wr *w, const char *prefix, struct ch_span value)
{
	struct ch_rd r = ch_rd(value);
	for (size_t i = 0; ch_rd_left(&r) >= 2; i++) {
		ch_wr_str(w, i == 0 ? "" : ",");
		ch_wr_str(w, prefix);
		put_hex16(w, ch_rd_le16(&r));
	}
	if (value.n == 0)
		ch_wr_str(w, "empty");
	else if (ch_rd_left(&r) > 0)
		ch_wr_str(w, ",?");
}

/* True for `prefix` and four upper-case hexadecimal digits. */
static bool is_numbered(struct ch_span name, const char *prefix)
{
	size_t n = ch_span_str(prefix).n;
	if (name.n != 2 * (n + 4) || !ch_tcg_utf16_is(ch_span_sub(name, 0, 2 * n), prefix))
		return false;
	for (size_t i = 2 * n; i < name.n; i += 2) {
		uint8_t c = name.p[i];
		if (name.p[i + 1] != 0 || !((c >= '0' && c <= '9') || (c >= 'A' && c <= 'F')))
			return false;
	}
	return true;
}

/* --- all --- */

static void put_switch(struct ch_wr *w, struct ch_span value)
{
	if (value.n == 1 && value.p[0] <= 1)
		ch_wr_str(w, value.p[0] == 1 ? "on" : "off");
	else
		ch_tcg_describe_bytes(value, w);
}

/* Lines become "; ". */
static void put_lines(struct ch_wr *w, struct ch_span s)
{
	while (s.n > 0) {
		size_t n = 0;
		while (n < s.n && s.p[n] != '\n')
			n++;
		ch_text_escape(w, ch_span(s.p, n));
		size_t skip = n < s.n ? n + 1 : n;
		s = ch_span(s.p + skip, s.n - skip);
		if (s.n > 0)
			ch_wr_str(w, "; ");
	}
}

enum form { FORM_SWITCH, FORM_DATABASE, FORM_BOOT_ORDER, FORM_DRIVER_ORDER, FORM_LINES };

static const struct {
	const struct ch_efi_guid *guid;
	const char *name;
	enum form form;
} known[] = {
	{ &ch_efi_global_variable, "SecureBoot", FORM_SWITCH },
	{ &ch_efi_global_variable, "SetupMode", FORM_SWITCH },
	{ &ch_efi_global_variable, "AuditMode", FORM_SWITCH },
	{ &ch_efi_global_variable, "DeployedMode", FORM_SWITCH },
	{ &ch_efi_global_variable, "PK", FORM_DATABASE },
	{ &ch_efi_global_variable, "KEK", FORM_DATABASE },
	{ &ch_efi_image_security, "db", FORM_DATABASE },
	{ &ch_efi_image_security, "dbx", FORM_DATABASE },
	{ &ch_efi_image_security, "dbt", FORM_DATABASE },
	{ &ch_efi_image_security, "dbr", FORM_DATABASE },
	{ &ch_efi_shim_lock, "MokList", FORM_DATABASE },
	{ &ch_efi_shim_lock, "MokListX", FORM_DATABASE },
	{ &ch_efi_shim_lock, "SbatLevel", FORM_LINES },
	{ &ch_efi_global_variable, "BootOrder", FORM_BOOT_ORDER },
	{ &ch_efi_global_variable, "BootNext", FORM_BOOT_ORDER },
	{ &ch_efi_global_variable, "BootCurrent", FORM_BOOT_ORDER },
	{ &ch_efi_global_variable, "DriverOrder", FORM_DRIVER_ORDER },
};

static void put_known(struct ch_wr *w, enum form form, struct ch_span value)
{
	switch (form) {
	case FORM_SWITCH:
		put_switch(w, value);
		break;
	case FORM_DATABASE:
		put_database(w, value);
		break;
	case FORM_BOOT_ORDER:
		put_order(w, "Boot", value);
		break;
	case FORM_DRIVER_ORDER:
		put_order(w, "Driver", value);
		break;
	case FORM_LINES:
		put_lines(w, value);
		break;
	}
}

/* Names of other vendors' variables are no more unique than those of files: with their GUID. */
static void put_name(struct ch_wr *w, const struct ch_tcg_what *what)
{
	ch_utf16le_escape(w, what->name);
	if (ch_efi_guid_eq(&what->guid, &ch_efi_global_variable) ||
	    ch_efi_guid_eq(&what->guid, &ch_efi_image_security) || ch_efi_guid_eq(&what->guid, &ch_efi_shim_lock))
		return;
	ch_wr_u8(w, '-');
	ch_efi_guid_put(w, &what->guid);
}

void ch_tcg_describe_variable(const struct ch_tcg_event *ev, const struct ch_tcg_what *what, struct ch_wr *w)
{
	bool authority = ev->type == CH_EV_EFI_VARIABLE_AUTHORITY;
	struct ch_span data = authority ? authority_of(what->value) : CH_SPAN_EMPTY;
	put_name(w, what);
	if (data.n > 0) {
		ch_wr_str(w, " allows what is started: ");
		put_authority(w, data);
		return;
	}
	size_t i = 0;
	while (i < CH_COUNT_OF(known) && !ch_tcg_is_variable(what, known[i].guid, known[i].name))
		i++;
	if (i < CH_COUNT_OF(known) && known[i].form == FORM_DATABASE && !authority)
		ch_wr_str(w, ": ");
	else
		ch_wr_str(w, " = ");
	bool global = ch_efi_guid_eq(&what->guid, &ch_efi_global_variable);
	if (i < CH_COUNT_OF(known) && !(authority && known[i].form == FORM_DATABASE))
		put_known(w, known[i].form, what->value);
	else if (global && (is_numbered(what->name, "Boot") || is_numbered(what->name, "Driver")))
		put_option(w, what->value);
	else
		ch_tcg_describe_bytes(what->value, w);
}
