/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/rd.h"
#include "core/base/text.h"
#include "core/boot/efi_devpath.h"

/* One node of a device path as text (UEFI 2.10, 10.6.1.6); the nodes are those of UEFI 2.10, 10.3. */

/* --- text within a node --- */

static void put_code(struct ch_wr *w, uint32_t c)
{
	static const char digit[] = "0123456789ABCDEF";
	ch_wr_str(w, "<U+");
	for (int shift = 20; shift >= 0; shift -= 4) {
		if (c >> shift != 0 || shift < 8)
			ch_wr_u8(w, (uint8_t)digit[c >> shift & 15]);
	}
	ch_wr_u8(w, '>');
}

/* One character of a name; `ends` is the character that would end the node. */
static void put_char(struct ch_wr *w, uint32_t c, uint32_t ends)
{
	if (c != ends && c != '<' && ch_text_shown(c))
		ch_utf8_put(w, c);
	else
		put_code(w, c);
}

static void put_utf16(struct ch_wr *w, struct ch_rd *r, uint32_t ends)
{
	while (ch_rd_left(r) >= 2) {
		struct ch_rd ahead = *r;
		uint32_t unit = ch_rd_le16(&ahead);
		uint32_t c = ch_utf16le_next(r);
		if (c == 0)
			return;
		if (c == 0xfffd && unit != c)
			put_code(w, unit); /* an unpaired surrogate */
		else
			put_char(w, c, ends);
	}
}

static void put_ascii(struct ch_wr *w, struct ch_rd *r, uint32_t ends)
{
	while (ch_rd_left(r) > 0) {
		uint8_t c = ch_rd_u8(r);
		/* not UTF-8: a byte above 0x7e has no known meaning */
		if (c < 0x7f)
			put_char(w, c, ends);
		else
			put_code(w, c);
	}
}

static void put_number(struct ch_wr *w, uint64_t v)
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

static void put_guid(struct ch_wr *w, struct ch_rd *r)
{
	struct ch_efi_guid guid = { { 0 } };
	ch_span_copy(guid.b, sizeof(guid.b), ch_rd_take(r, sizeof(guid.b)));
	ch_efi_guid_put(w, &guid);
}

static void put_dotted(struct ch_wr *w, struct ch_span ip)
{
	for (size_t i = 0; i < ip.n; i++) {
		if (i > 0)
			ch_wr_u8(w, '.');
		ch_wr_dec(w, ip.p[i]);
	}
}

static void put_colons(struct ch_wr *w, struct ch_span ip)
{
	for (size_t i = 0; i + 1 < ip.n; i += 2) {
		if (i > 0)
			ch_wr_u8(w, ':');
		ch_wr_hex(w, ch_span(ip.p + i, 2));
	}
}

/* --- nodes that need more than a list of numbers --- */

static void put_pci(struct ch_wr *w, struct ch_rd *r)
{
	uint8_t function = ch_rd_u8(r);
	ch_wr_str(w, "Pci(");
	put_number(w, ch_rd_u8(r));
	ch_wr_u8(w, ',');
	put_number(w, function);
	ch_wr_u8(w, ')');
}

static void put_acpi(struct ch_wr *w, struct ch_rd *r)
{
	static const struct {
		uint32_t hid;
		const char *name;
	} known[] = {
		{ 0x0a0341d0, "PciRoot" },  { 0x0a0841d0, "PcieRoot" }, { 0x060441d0, "Floppy" },
		{ 0x030141d0, "Keyboard" }, { 0x050141d0, "Serial" },   { 0x040141d0, "ParallelPort" },
	};
	uint32_t hid = ch_rd_le32(r);
	uint32_t uid = ch_rd_le32(r);
	for (size_t i = 0; i < CH_COUNT_OF(known); i++) {
		if (known[i].hid != hid)
			continue;
		ch_wr_str(w, known[i].name);
		ch_wr_u8(w, '(');
		put_number(w, uid);
		ch_wr_u8(w, ')');
		return;
	}
	ch_wr_str(w, "Acpi(");
	/* a compressed EISA identifier: "PNP" and four digits (ACPI 6.5, 19.3.4) */
	if ((hid & 0xffff) == 0x41d0) {
		const uint8_t product[2] = { (uint8_t)(hid >> 24), (uint8_t)(hid >> 16) };
		ch_wr_str(w, "PNP");
		ch_wr_hex(w, CH_SPAN_OF(product));
	} else {
		put_number(w, hid);
	}
	ch_wr_u8(w, ',');
	put_number(w, uid);
	ch_wr_u8(w, ')');
}

/* A partition of a GPT, or of an MBR, whose identifier has 4 bytes. */
static bool is_hard_drive(struct ch_span body)
{
	struct ch_span format = ch_span_sub(body, 36, 2);
	return ch_span_eq(format, CH_SPAN_LIT("\2\2")) ||
	       (ch_span_eq(format, CH_SPAN_LIT("\1\1")) && ch_span_all(ch_span_sub(body, 24, 12), 0));
}

static void put_hard_drive(struct ch_wr *w, struct ch_rd *r)
{
	uint32_t number = ch_rd_le32(r);
	uint64_t start = ch_rd_le64(r);
	uint64_t size = ch_rd_le64(r);
	struct ch_rd signature = ch_rd(ch_rd_take(r, 16));
	bool gpt = ch_rd_u8(r) == 2;
	(void)ch_rd_u8(r);
	ch_wr_str(w, "HD(");
	ch_wr_dec(w, number);
	ch_wr_str(w, gpt ? ",GPT," : ",MBR,");
	if (gpt)
		put_guid(w, &signature);
	else
		put_number(w, ch_rd_le32(&signature));
	ch_wr_u8(w, ',');
	put_number(w, start);
	ch_wr_u8(w, ',');
	put_number(w, size);
	ch_wr_u8(w, ')');
}

static void put_nvme(struct ch_wr *w, struct ch_rd *r)
{
	ch_wr_str(w, "NVMe(");
	put_number(w, ch_rd_le32(r));
	struct ch_span eui = ch_rd_take(r, 8);
	for (size_t i = 0; i < eui.n; i++) {
		ch_wr_u8(w, i == 0 ? ',' : '-');
		ch_wr_hex(w, ch_span(eui.p + eui.n - 1 - i, 1));
	}
	ch_wr_u8(w, ')');
}

/* The address field has 32 bytes, of which an Ethernet address (type 0 or 1) takes 6. */
static void put_mac(struct ch_wr *w, struct ch_rd *r)
{
	struct ch_span address = ch_rd_take(r, 32);
	uint8_t type = ch_rd_u8(r);
	ch_wr_str(w, "MAC(");
	ch_wr_hex(w, type <= 1 && ch_span_all(ch_span_sub(address, 6, 26), 0) ? ch_span_sub(address, 0, 6) : address);
	ch_wr_u8(w, ',');
	put_number(w, type);
	ch_wr_u8(w, ')');
}

static void put_protocol(struct ch_wr *w, uint16_t protocol)
{
	ch_wr_u8(w, ',');
	if (protocol == 6)
		ch_wr_str(w, "TCP");
	else if (protocol == 17)
		ch_wr_str(w, "UDP");
	else
		put_number(w, protocol);
}

static bool is_ipv4(struct ch_span body)
{
	return body.p[14] <= 1;
}

static void put_ipv4(struct ch_wr *w, struct ch_rd *r)
{
	struct ch_span local = ch_rd_take(r, 4);
	struct ch_span remote = ch_rd_take(r, 4);
	uint16_t local_port = ch_rd_le16(r);
	uint16_t remote_port = ch_rd_le16(r);
	uint16_t protocol = ch_rd_le16(r);
	bool fixed = ch_rd_u8(r) != 0;
	ch_wr_str(w, "IPv4(");
	put_dotted(w, remote);
	ch_wr_u8(w, ':');
	ch_wr_dec(w, remote_port);
	put_protocol(w, protocol);
	ch_wr_str(w, fixed ? ",Static," : ",DHCP,");
	put_dotted(w, local);
	ch_wr_u8(w, ':');
	ch_wr_dec(w, local_port);
	/* gateway and mask: UEFI 2.1 did not have them */
	while (ch_rd_left(r) >= 4) {
		ch_wr_u8(w, ',');
		put_dotted(w, ch_rd_take(r, 4));
	}
	ch_wr_u8(w, ')');
}

static const char *const ipv6_origin[] = { ",Static,", ",StatelessAutoConfigure,", ",StatefulAutoConfigure," };

static bool is_ipv6(struct ch_span body)
{
	return body.p[38] < CH_COUNT_OF(ipv6_origin) && (body.n == 39 || body.n >= 56);
}

static void put_ipv6(struct ch_wr *w, struct ch_rd *r)
{
	struct ch_span local = ch_rd_take(r, 16);
	struct ch_span remote = ch_rd_take(r, 16);
	uint16_t local_port = ch_rd_le16(r);
	uint16_t remote_port = ch_rd_le16(r);
	uint16_t protocol = ch_rd_le16(r);
	uint8_t from = ch_rd_u8(r);
	ch_wr_str(w, "IPv6([");
	put_colons(w, remote);
	ch_wr_str(w, "]:");
	ch_wr_dec(w, remote_port);
	put_protocol(w, protocol);
	ch_wr_str(w, from < CH_COUNT_OF(ipv6_origin) ? ipv6_origin[from] : "");
	ch_wr_u8(w, '[');
	put_colons(w, local);
	ch_wr_str(w, "]:");
	ch_wr_dec(w, local_port);
	if (ch_rd_left(r) > 0) {
		ch_wr_u8(w, ',');
		put_number(w, ch_rd_u8(r));
		ch_wr_u8(w, ',');
		put_colons(w, ch_rd_take(r, 16));
	}
	ch_wr_u8(w, ')');
}

static void put_file(struct ch_wr *w, struct ch_rd *r)
{
	put_utf16(w, r, '/');
}

/* --- the table of nodes --- */

/*
 * `fields` lists what a node's body holds: 1, 2, 4, 8 a little-endian number of so many bytes, g a GUID, a and u ASCII and
 * UTF-16 text to the end, x bytes to the end, which may be none. NULL: `put` writes the node, if `is` (where there is one) is
 * true; otherwise, as where the body is shorter than `least`, it is written as an unknown one.
 */
static const struct {
	uint8_t type;
	uint8_t sub;
	uint16_t least; /* bytes of the body */
	const char *name;
	const char *fields;
	void (*put)(struct ch_wr *w, struct ch_rd *r);
	bool (*is)(struct ch_span body);
} kind[] = {
	{ CH_EFI_TYPE_HARDWARE, 1, 2, "Pci", NULL, put_pci, NULL },
	{ CH_EFI_TYPE_HARDWARE, 2, 1, "PcCard", "1", NULL, NULL },
	{ CH_EFI_TYPE_HARDWARE, 3, 20, "MemoryMapped", "488", NULL, NULL },
	{ CH_EFI_TYPE_HARDWARE, 4, 16, "VenHw", "gx", NULL, NULL },
	{ CH_EFI_TYPE_HARDWARE, 5, 4, "Ctrl", "4", NULL, NULL },
	{ CH_EFI_TYPE_HARDWARE, 6, 9, "BMC", "18", NULL, NULL },
	{ CH_EFI_TYPE_ACPI, 1, 8, "Acpi", NULL, put_acpi, NULL },
	{ CH_EFI_TYPE_ACPI, 3, 4, "AcpiAdr", "4x", NULL, NULL },
	{ CH_EFI_TYPE_MESSAGE, 1, 4, "Ata", "112", NULL, NULL },
	{ CH_EFI_TYPE_MESSAGE, 2, 4, "Scsi", "22", NULL, NULL },
	{ CH_EFI_TYPE_MESSAGE, 3, 20, "Fibre", "488", NULL, NULL },
	{ CH_EFI_TYPE_MESSAGE, 5, 2, "USB", "11", NULL, NULL },
	{ CH_EFI_TYPE_MESSAGE, 10, 16, "VenMsg", "gx", NULL, NULL },
	{ CH_EFI_TYPE_MESSAGE, 11, 33, "MAC", NULL, put_mac, NULL },
	{ CH_EFI_TYPE_MESSAGE, 12, 15, "IPv4", NULL, put_ipv4, is_ipv4 },
	{ CH_EFI_TYPE_MESSAGE, 13, 39, "IPv6", NULL, put_ipv6, is_ipv6 },
	{ CH_EFI_TYPE_MESSAGE, 14, 15, "Uart", "48111", NULL, NULL },
	{ CH_EFI_TYPE_MESSAGE, 15, 7, "UsbClass", "22111", NULL, NULL },
	{ CH_EFI_TYPE_MESSAGE, 16, 6, "UsbWwid", "222u", NULL, NULL },
	{ CH_EFI_TYPE_MESSAGE, 17, 1, "Unit", "1", NULL, NULL },
	{ CH_EFI_TYPE_MESSAGE, 18, 6, "Sata", "222", NULL, NULL },
	{ CH_EFI_TYPE_MESSAGE, 20, 2, "Vlan", "2", NULL, NULL },
	{ CH_EFI_TYPE_MESSAGE, 23, 12, "NVMe", NULL, put_nvme, NULL },
	{ CH_EFI_TYPE_MESSAGE, 24, 0, "Uri", "a", NULL, NULL },
	{ CH_EFI_TYPE_MESSAGE, 25, 2, "UFS", "11", NULL, NULL },
	{ CH_EFI_TYPE_MESSAGE, 26, 1, "SD", "1", NULL, NULL },
	{ CH_EFI_TYPE_MESSAGE, 29, 1, "eMMC", "1", NULL, NULL },
	{ CH_EFI_TYPE_MEDIA, 1, 38, "HD", NULL, put_hard_drive, is_hard_drive },
	{ CH_EFI_TYPE_MEDIA, 2, 20, "CDROM", "488", NULL, NULL },
	{ CH_EFI_TYPE_MEDIA, 3, 16, "VenMedia", "gx", NULL, NULL },
	{ CH_EFI_TYPE_MEDIA, CH_EFI_MEDIA_FILE, 0, "File", NULL, put_file, NULL },
	{ CH_EFI_TYPE_MEDIA, 5, 16, "Media", "g", NULL, NULL },
	{ CH_EFI_TYPE_MEDIA, 6, 16, "FvFile", "g", NULL, NULL },
	{ CH_EFI_TYPE_MEDIA, 7, 16, "Fv", "g", NULL, NULL },
	{ CH_EFI_TYPE_MEDIA, 8, 20, "Offset", "488", NULL, NULL },
	{ CH_EFI_TYPE_MEDIA, 9, 34, "RamDisk", "88g2", NULL, NULL },
	{ CH_EFI_TYPE_BBS, 1, 4, "BBS", "22a", NULL, NULL },
};

static void put_field(struct ch_wr *w, struct ch_rd *r, char field)
{
	switch (field) {
	case '1':
		put_number(w, ch_rd_u8(r));
		break;
	case '2':
		put_number(w, ch_rd_le16(r));
		break;
	case '4':
		put_number(w, ch_rd_le32(r));
		break;
	case '8':
		put_number(w, ch_rd_le64(r));
		break;
	case 'g':
		put_guid(w, r);
		break;
	case 'a':
		put_ascii(w, r, ')');
		break;
	case 'u':
		put_utf16(w, r, ')');
		break;
	default:
		ch_wr_hex(w, ch_rd_rest(r));
		break;
	}
}

static void put_unknown(struct ch_wr *w, const struct ch_efi_node *n)
{
	ch_wr_str(w, "Path(");
	ch_wr_dec(w, n->type);
	ch_wr_u8(w, ',');
	ch_wr_dec(w, n->sub);
	ch_wr_u8(w, ',');
	ch_wr_hex(w, n->body);
	ch_wr_u8(w, ')');
}

void ch_efi_node_put(struct ch_wr *w, const struct ch_efi_node *n)
{
	size_t i = 0;
	while (i < CH_COUNT_OF(kind) && (kind[i].type != n->type || kind[i].sub != n->sub))
		i++;
	if (i == CH_COUNT_OF(kind) || n->body.n < kind[i].least || (kind[i].is != NULL && !kind[i].is(n->body))) {
		put_unknown(w, n);
		return;
	}
	struct ch_rd r = ch_rd(n->body);
	if (kind[i].put != NULL) {
		kind[i].put(w, &r);
	} else {
		ch_wr_str(w, kind[i].name);
		ch_wr_u8(w, '(');
		for (const char *f = kind[i].fields; *f != '\0'; f++) {
			if (*f == 'x' && ch_rd_left(&r) == 0)
				break;
			if (f != kind[i].fields)
				ch_wr_u8(w, ',');
			put_field(w, &r, *f);
		}
		ch_wr_u8(w, ')');
	}
	/* More than the node's type has: shown, so that two different paths never have one text. */
	if (ch_rd_left(&r) > 0) {
		ch_wr_str(w, "<+");
		ch_wr_hex(w, ch_rd_rest(&r));
		ch_wr_u8(w, '>');
	}
}
