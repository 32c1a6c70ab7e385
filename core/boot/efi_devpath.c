/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/efi.h"

#include "core/base/rd.h"
#include "core/base/text.h"

/* Device paths as text (UEFI 2.10, 10.3 and 10.6): a table of nodes, each with the fields that its text shows. */

#define NODE_HEADER   4
#define END_TYPE      0x7f
#define END_ENTIRE    0xff
#define END_INSTANCE  0x01

static void hex_number(struct ch_wr *w, uint64_t v)
{
	static const char digit[] = "0123456789abcdef";
	bool started = false;
	ch_wr_str(w, "0x");
	for (int shift = 60; shift >= 0; shift -= 4) {
		unsigned nibble = (unsigned)(v >> shift & 15);
		started |= nibble != 0 || shift == 0;
		if (started)
			ch_wr_u8(w, (uint8_t)digit[nibble]);
	}
}

static void guid(struct ch_wr *w, struct ch_rd *r)
{
	struct ch_efi_guid g = { { 0 } };
	ch_span_copy(g.b, sizeof(g.b), ch_rd_take(r, sizeof(g.b)));
	ch_efi_guid_put(w, &g);
}

static void open(struct ch_wr *w, const char *name)
{
	ch_wr_str(w, name);
	ch_wr_u8(w, '(');
}

static void unknown_node(struct ch_wr *w, uint8_t type, uint8_t subtype, struct ch_span body)
{
	open(w, "Path");
	ch_wr_dec(w, type);
	ch_wr_u8(w, ',');
	ch_wr_dec(w, subtype);
	if (body.n > 0)
		ch_wr_u8(w, ',');
	ch_wr_hex(w, body);
	ch_wr_u8(w, ')');
}

static void pci(struct ch_wr *w, struct ch_rd *r)
{
	uint8_t function = ch_rd_u8(r), device = ch_rd_u8(r);
	open(w, "Pci");
	hex_number(w, device);
	ch_wr_u8(w, ',');
	hex_number(w, function);
	ch_wr_u8(w, ')');
}

static void memory_mapped(struct ch_wr *w, struct ch_rd *r)
{
	open(w, "MemoryMapped");
	hex_number(w, ch_rd_le32(r));
	ch_wr_u8(w, ',');
	hex_number(w, ch_rd_le64(r));
	ch_wr_u8(w, ',');
	hex_number(w, ch_rd_le64(r));
	ch_wr_u8(w, ')');
}

static void vendor(struct ch_wr *w, struct ch_rd *r, const char *name)
{
	open(w, name);
	guid(w, r);
	struct ch_span rest = ch_rd_rest(r);
	if (rest.n > 0) {
		ch_wr_u8(w, ',');
		ch_wr_hex(w, rest);
	}
	ch_wr_u8(w, ')');
}

static void vendor_hw(struct ch_wr *w, struct ch_rd *r)
{
	vendor(w, r, "VenHw");
}

static void vendor_msg(struct ch_wr *w, struct ch_rd *r)
{
	vendor(w, r, "VenMsg");
}

static void vendor_media(struct ch_wr *w, struct ch_rd *r)
{
	vendor(w, r, "VenMedia");
}

static void acpi(struct ch_wr *w, struct ch_rd *r)
{
	uint32_t hid = ch_rd_le32(r), uid = ch_rd_le32(r);
	bool pnp = (hid & 0xffff) == 0x41d0;
	uint32_t id = hid >> 16;
	if (pnp && (id == 0x0a03 || id == 0x0a08))
		open(w, id == 0x0a03 ? "PciRoot" : "PcieRoot");
	else {
		open(w, "Acpi");
		hex_number(w, hid);
		ch_wr_u8(w, ',');
	}
	hex_number(w, uid);
	ch_wr_u8(w, ')');
}

static void two_bytes(struct ch_wr *w, struct ch_rd *r, const char *name)
{
	open(w, name);
	hex_number(w, ch_rd_u8(r));
	ch_wr_u8(w, ',');
	hex_number(w, ch_rd_u8(r));
	ch_wr_u8(w, ')');
}

static void usb(struct ch_wr *w, struct ch_rd *r)
{
	two_bytes(w, r, "USB");
}

static void scsi(struct ch_wr *w, struct ch_rd *r)
{
	open(w, "Scsi");
	hex_number(w, ch_rd_le16(r));
	ch_wr_u8(w, ',');
	hex_number(w, ch_rd_le16(r));
	ch_wr_u8(w, ')');
}

static void sata(struct ch_wr *w, struct ch_rd *r)
{
	open(w, "Sata");
	for (size_t i = 0; i < 3; i++) {
		if (i > 0)
			ch_wr_u8(w, ',');
		hex_number(w, ch_rd_le16(r));
	}
	ch_wr_u8(w, ')');
}

static void nvme(struct ch_wr *w, struct ch_rd *r)
{
	open(w, "NVMe");
	hex_number(w, ch_rd_le32(r));
	struct ch_span eui = ch_rd_take(r, 8);
	for (size_t i = eui.n; i > 0; i--) {
		ch_wr_u8(w, i == eui.n ? ',' : '-');
		ch_wr_hex(w, ch_span_sub(eui, i - 1, 1));
	}
	ch_wr_u8(w, ')');
}

static void mac(struct ch_wr *w, struct ch_rd *r)
{
	struct ch_span address = ch_rd_take(r, 32);
	uint8_t type = ch_rd_u8(r);
	open(w, "MAC");
	ch_wr_hex(w, ch_span_sub(address, 0, type <= 1 && address.n == 32 ? 6 : address.n));
	ch_wr_u8(w, ',');
	hex_number(w, type);
	ch_wr_u8(w, ')');
}

static void ipv4(struct ch_wr *w, struct ch_rd *r)
{
	(void)ch_rd_take(r, 4);
	struct ch_span remote = ch_rd_take(r, 4);
	open(w, "IPv4");
	for (size_t i = 0; i < remote.n; i++) {
		if (i > 0)
			ch_wr_u8(w, '.');
		ch_wr_dec(w, remote.p[i]);
	}
	ch_wr_u8(w, ')');
	(void)ch_rd_rest(r);
}

static void ipv6(struct ch_wr *w, struct ch_rd *r)
{
	(void)ch_rd_take(r, 16);
	open(w, "IPv6");
	ch_wr_hex(w, ch_rd_take(r, 16));
	ch_wr_u8(w, ')');
	(void)ch_rd_rest(r);
}

static void uri(struct ch_wr *w, struct ch_rd *r)
{
	open(w, "Uri");
	ch_text_escape(w, ch_rd_rest(r));
	ch_wr_u8(w, ')');
}

static void hard_drive(struct ch_wr *w, struct ch_rd *r)
{
	uint32_t number = ch_rd_le32(r);
	uint64_t start = ch_rd_le64(r), size = ch_rd_le64(r);
	struct ch_rd id = ch_rd(ch_rd_take(r, 16));
	uint8_t format = ch_rd_u8(r), id_type = ch_rd_u8(r);
	(void)format;
	open(w, "HD");
	ch_wr_dec(w, number);
	if (id_type == 2) {
		ch_wr_str(w, ",GPT,");
		guid(w, &id);
	} else if (id_type == 1) {
		ch_wr_str(w, ",MBR,");
		hex_number(w, ch_rd_le32(&id));
	} else {
		ch_wr_u8(w, ',');
		hex_number(w, id_type);
	}
	ch_wr_u8(w, ',');
	hex_number(w, start);
	ch_wr_u8(w, ',');
	hex_number(w, size);
	ch_wr_u8(w, ')');
}

static void cdrom(struct ch_wr *w, struct ch_rd *r)
{
	open(w, "CDROM");
	hex_number(w, ch_rd_le32(r));
	(void)ch_rd_rest(r);
	ch_wr_u8(w, ')');
}

static void file_path(struct ch_wr *w, struct ch_rd *r)
{
	struct ch_rd text = ch_rd(ch_rd_rest(r));
	while (ch_rd_left(&text) >= 2) {
		uint8_t utf8[8];
		struct ch_wr one = ch_wr(utf8, sizeof(utf8));
		size_t n = ch_rd_left(&text) >= 4 && (text.in.p[text.off + 1] & 0xfc) == 0xd8 ? 4 : 2;
		struct ch_span unit = ch_rd_take(&text, n);
		if (ch_span_all(unit, 0))
			return;
		ch_utf16le_put(&one, unit);
		/* The separator of paths is a backslash: it stays as it is, everything else that is not shown is escaped. */
		if (one.len == 1 && utf8[0] == '\\')
			ch_wr_u8(w, '\\');
		else
			ch_text_escape(w, ch_wr_span(&one));
	}
}

static void media_guid(struct ch_wr *w, struct ch_rd *r, const char *name)
{
	open(w, name);
	guid(w, r);
	ch_wr_u8(w, ')');
}

static void fv_file(struct ch_wr *w, struct ch_rd *r)
{
	media_guid(w, r, "FvFile");
}

static void fv(struct ch_wr *w, struct ch_rd *r)
{
	media_guid(w, r, "Fv");
}

static void offset_range(struct ch_wr *w, struct ch_rd *r)
{
	(void)ch_rd_take(r, 4);
	open(w, "Offset");
	hex_number(w, ch_rd_le64(r));
	ch_wr_u8(w, ',');
	hex_number(w, ch_rd_le64(r));
	ch_wr_u8(w, ')');
}

static void bbs(struct ch_wr *w, struct ch_rd *r)
{
	open(w, "BBS");
	hex_number(w, ch_rd_le16(r));
	(void)ch_rd_take(r, 2);
	ch_wr_u8(w, ',');
	struct ch_span text = ch_rd_rest(r);
	while (text.n > 0 && text.p[text.n - 1] == 0)
		text.n--;
	ch_text_escape(w, text);
	ch_wr_u8(w, ')');
}

static const struct {
	uint8_t type, subtype;
	void (*put)(struct ch_wr *w, struct ch_rd *body);
} node[] = {
	{ 1, 1, pci },        { 1, 3, memory_mapped }, { 1, 4, vendor_hw }, { 2, 1, acpi },      { 3, 2, scsi },
	{ 3, 5, usb },        { 3, 10, vendor_msg },   { 3, 11, mac },      { 3, 12, ipv4 },     { 3, 13, ipv6 },
	{ 3, 18, sata },      { 3, 23, nvme },         { 3, 24, uri },      { 4, 1, hard_drive }, { 4, 2, cdrom },
	{ 4, 3, vendor_media }, { 4, 4, file_path },   { 4, 6, fv_file },   { 4, 7, fv },        { 4, 8, offset_range },
	{ 5, 1, bbs },
};

/* A body that does not fit its node's format is shown as bytes, so that two different paths never give the same text. */
static void put_node(struct ch_wr *w, uint8_t type, uint8_t subtype, struct ch_span body)
{
	for (size_t i = 0; i < CH_COUNT_OF(node); i++) {
		if (node[i].type != type || node[i].subtype != subtype)
			continue;
		struct ch_wr before = *w;
		struct ch_rd r = ch_rd(body);
		node[i].put(w, &r);
		if (ch_rd_done(&r))
			return;
		*w = before;
		break;
	}
	unknown_node(w, type, subtype, body);
}

enum ch_err ch_efi_devpath_put(struct ch_wr *w, struct ch_span path)
{
	struct ch_rd r = ch_rd(path);
	bool first = true;
	for (size_t i = 0; i < CH_DEVPATH_NODES_MAX; i++) {
		uint8_t type = ch_rd_u8(&r), subtype = ch_rd_u8(&r);
		uint16_t size = ch_rd_le16(&r);
		if (r.bad || size < NODE_HEADER)
			return CH_ERR_MALFORMED;
		struct ch_span body = ch_rd_take(&r, size - NODE_HEADER);
		if (r.bad)
			return CH_ERR_MALFORMED;
		if ((type & END_TYPE) == END_TYPE && subtype == END_ENTIRE)
			return ch_rd_done(&r) && body.n == 0 ? CH_OK : CH_ERR_MALFORMED;
		if ((type & END_TYPE) == END_TYPE && subtype == END_INSTANCE) {
			ch_wr_u8(w, ',');
			first = true;
			continue;
		}
		if (!first)
			ch_wr_u8(w, '/');
		put_node(w, type, subtype, body);
		first = false;
	}
	return CH_ERR_LIMIT;
}
