/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/efi.h"
#include "host/base/file.h"
#include "tests/unit.h"

static uint8_t buf[64 * 1024];
static struct ch_wr w;
static struct ch_diag diag;

static void begin(void)
{
	w = ch_wr(buf, sizeof(buf));
}

static void fill(uint8_t byte, size_t n)
{
	while (n-- > 0)
		ch_wr_u8(&w, byte);
}

static void utf16(const char *ascii)
{
	for (; *ascii != '\0'; ascii++)
		ch_wr_le16(&w, (uint8_t)*ascii);
}

static struct ch_span made(void)
{
	assert_false(w.bad);
	return ch_wr_span(&w);
}

/* --- GUIDs --- */

static void a_guid_reads_and_writes_the_registry_form(void **state)
{
	(void)state;
	struct ch_efi_guid g;
	uint8_t text[64];
	struct ch_wr t = ch_wr(text, sizeof(text));
	assert_int_equal(ch_efi_guid_parse(&g, CH_SPAN_LIT("8BE4DF61-93ca-11D2-aa0d-00e098032b8c")), CH_OK);
	assert_true(ch_efi_guid_eq(&g, &ch_efi_global_variable));
	assert_false(ch_efi_guid_eq(&g, &ch_efi_image_security));
	ch_efi_guid_put(&t, &g);
	assert_span_equal(ch_wr_span(&t), "8be4df61-93ca-11d2-aa0d-00e098032b8c", 36);
}

static void what_is_not_a_guid_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "",
					   "8be4df61-93ca-11d2-aa0d-00e098032b8",
					   "8be4df61-93ca-11d2-aa0d-00e098032b8cc",
					   "8be4df61093ca-11d2-aa0d-00e098032b8c",
					   "8be4df61-93ca011d2-aa0d-00e098032b8c",
					   "8be4df61-93ca-11d20aa0d-00e098032b8c",
					   "8be4df61-93ca-11d2-aa0d000e098032b8c",
					   "8be4df6x-93ca-11d2-aa0d-00e098032b8c",
					   "8be4df61-93ca-11d2-aa0d-00e098032b8 " };
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		struct ch_efi_guid g = ch_efi_shim_lock;
		assert_int_not_equal(ch_efi_guid_parse(&g, ch_span_str(bad[i])), CH_OK);
		assert_true(ch_span_all(CH_SPAN_OF(g.b), 0));
	}
}

/* --- device paths --- */

static void node(uint8_t type, uint8_t sub, const void *body, size_t n)
{
	ch_wr_u8(&w, type);
	ch_wr_u8(&w, sub);
	ch_wr_le16(&w, (uint16_t)(n + 4));
	ch_wr_put(&w, ch_span(body, n));
}

static void file_node(const char *path)
{
	size_t at = w.len;
	node(4, 4, NULL, 0);
	utf16(path);
	ch_wr_le16(&w, 0);
	buf[at + 2] = (uint8_t)(w.len - at);
	buf[at + 3] = (uint8_t)((w.len - at) >> 8);
}

static void end_node(void)
{
	node(0x7f, 0xff, NULL, 0);
}

static void assert_path(const char *want)
{
	uint8_t text[1024];
	struct ch_wr t = ch_wr(text, sizeof(text));
	assert_int_equal(ch_efi_devpath_check(made()), CH_OK);
	assert_int_equal(ch_efi_devpath_put(&t, made()), CH_OK);
	assert_false(t.bad);
	ch_wr_u8(&t, 0);
	assert_string_equal((const char *)text, want);
}

/* One node, then the end. */
static void assert_node(uint8_t type, uint8_t sub, const void *body, size_t n, const char *want)
{
	begin();
	node(type, sub, body, n);
	end_node();
	assert_path(want);
}

#define BODY(s) "" s, sizeof(s) - 1
#define GUID_1  "\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff\x00"
#define TEXT_1  "44332211-6655-8877-99aa-bbccddeeff00"

static void every_known_node_has_its_text(void **state)
{
	(void)state;
	assert_node(1, 1, BODY("\x03\x1d"), "Pci(0x1d,0x3)");
	assert_node(1, 2, BODY("\x07"), "PcCard(0x7)");
	assert_node(1, 3, BODY("\x0b\0\0\0\0\x10\0\0\0\0\0\0\xff\x1f\0\0\0\0\0\0"), "MemoryMapped(0xb,0x1000,0x1fff)");
	assert_node(1, 4, BODY(GUID_1), "VenHw(" TEXT_1 ")");
	assert_node(1, 4, BODY(GUID_1 "\xab\xcd"), "VenHw(" TEXT_1 ",abcd)");
	assert_node(1, 5, BODY("\2\0\0\0"), "Ctrl(0x2)");
	assert_node(2, 1, BODY("\xd0\x41\x03\x0a\0\0\0\0"), "PciRoot(0x0)");
	assert_node(2, 1, BODY("\xd0\x41\x08\x0a\1\0\0\0"), "PcieRoot(0x1)");
	assert_node(2, 1, BODY("\xd0\x41\x34\x12\2\0\0\0"), "Acpi(PNP1234,0x2)");
	assert_node(2, 1, BODY("\x01\x02\x03\x04\2\0\0\0"), "Acpi(0x4030201,0x2)");
	assert_node(2, 3, BODY("\x00\x01\0\0"), "AcpiAdr(0x100)");
	assert_node(3, 1, BODY("\1\0\2\0"), "Ata(0x1,0x0,0x2)");
	assert_node(3, 2, BODY("\1\0\2\0"), "Scsi(0x1,0x2)");
	assert_node(3, 5, BODY("\1\2"), "USB(0x1,0x2)");
	assert_node(3, 18, BODY("\1\0\xff\xff\0\0"), "Sata(0x1,0xffff,0x0)");
	assert_node(3, 23, BODY("\1\0\0\0\1\2\3\4\5\6\7\x08"), "NVMe(0x1,08-07-06-05-04-03-02-01)");
	assert_node(3, 24, BODY("http://a/b.efi"), "Uri(http://a/b.efi)");
	assert_node(3, 26, BODY("\1"), "SD(0x1)");
	assert_node(4, 2, BODY("\1\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0"), "CDROM(0x1,0x2,0x3)");
	assert_node(4, 6, BODY(GUID_1), "FvFile(" TEXT_1 ")");
	assert_node(4, 7, BODY(GUID_1), "Fv(" TEXT_1 ")");
	assert_node(5, 1, BODY("\2\0\0\0disk"), "BBS(0x2,0x0,disk)");
	assert_node(9, 9, BODY("\1\2"), "Path(9,9,0102)");
	assert_node(3, 26, BODY(""), "Path(3,26,)");
}

static void network_nodes_have_their_text(void **state)
{
	(void)state;
	begin();
	node(3, 11, BODY("\x52\x54\0\x12\x34\x56\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"));
	node(3, 12, BODY("\x0a\0\0\1\x0a\0\0\2\x45\0\x46\0\x11\0\1\x0a\0\0\3\xff\xff\xff\0"));
	end_node();
	assert_path("MAC(525400123456,0x1)/IPv4(10.0.0.2:70,UDP,Static,10.0.0.1:69,10.0.0.3,255.255.255.0)");
	begin();
	node(3, 13,
	     BODY("\x20\1\0\0\0\0\0\0\0\0\0\0\0\0\0\1\x20\1\0\0\0\0\0\0\0\0\0\0\0\0\0\2\1\0\2\0\x06\0\2\x40\xfe\x80"
		  "\0\0\0\0\0\0\0\0\0\0\0\0\0\1"));
	end_node();
	assert_path("IPv6([2001:0000:0000:0000:0000:0000:0000:0002]:2,TCP,StatefulAutoConfigure,"
		    "[2001:0000:0000:0000:0000:0000:0000:0001]:1,0x40,fe80:0000:0000:0000:0000:0000:0000:0001)");
}

static void a_partition_is_named_by_its_table(void **state)
{
	(void)state;
	assert_node(4, 1, BODY("\1\0\0\0\0\x08\0\0\0\0\0\0\0\x80\1\0\0\0\0\0" GUID_1 "\2\2"),
		    "HD(1,GPT," TEXT_1 ",0x800,0x18000)");
	assert_node(4, 1, BODY("\2\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\xef\xbe\xad\xde\0\0\0\0\0\0\0\0\0\0\0\0\1\1"),
		    "HD(2,MBR,0xdeadbeef,0x1,0x2)");
	assert_node(4, 1, BODY("\2\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0" GUID_1 "\0\0"),
		    "Path(4,1,0200000001000000000000000200000000000000112233445566778899aabbccddeeff000000)");
}

static void paths_join_nodes_and_instances(void **state)
{
	(void)state;
	begin();
	node(2, 1, BODY("\xd0\x41\x03\x0a\0\0\0\0"));
	node(1, 1, BODY("\0\1"));
	file_node("\\EFI\\BOOT");
	file_node("BOOTX64.EFI");
	node(0x7f, 1, NULL, 0);
	node(3, 26, BODY("\1"));
	end_node();
	assert_path("PciRoot(0x0)/Pci(0x1,0x0)/\\EFI\\BOOT/BOOTX64.EFI,SD(0x1)");
	begin();
	end_node();
	assert_path("");
}

static void text_in_a_node_cannot_look_like_another_node(void **state)
{
	(void)state;
	begin();
	file_node("\\a/HD(1)<x>\x1b");
	end_node();
	assert_path("\\a<U+2F>HD(1)<U+3C>x><U+1B>");
	assert_node(3, 24, BODY("x)/Pci(0,0)\xff"), "Uri(x<U+29>/Pci(0,0<U+29><U+FF>)");
	assert_node(4, 4, BODY("a\0\x00\xd8\0\0"), "a<U+D800>");
	/* what stands after a NUL is not hidden */
	assert_node(4, 4, BODY("a\0\0\0b\0"), "a<+6200>");
	/* nor is what a node has more than its type */
	assert_node(1, 1, BODY("\0\1\2"), "Pci(0x1,0x0)<+02>");
}

static void a_path_that_is_cut_longer_or_bent_is_refused_and_writes_nothing(void **state)
{
	(void)state;
	uint8_t text[256];
	begin();
	node(1, 1, BODY("\0\1"));
	file_node("\\A");
	end_node();
	struct ch_span path = made();
	for (size_t n = 0; n < path.n; n++) {
		struct ch_wr t = ch_wr(text, sizeof(text));
		assert_int_equal(ch_efi_devpath_put(&t, ch_span(path.p, n)), CH_ERR_MALFORMED);
		assert_int_equal(t.len, 0);
	}
	ch_wr_u8(&w, 0);
	assert_int_equal(ch_efi_devpath_check(made()), CH_ERR_MALFORMED);
	begin();
	node(0x7f, 0x55, NULL, 0);
	assert_int_equal(ch_efi_devpath_check(made()), CH_ERR_MALFORMED);
	begin();
	node(0x7f, 0xff, BODY("x"));
	assert_int_equal(ch_efi_devpath_check(made()), CH_ERR_MALFORMED);
	begin();
	ch_wr_put(&w, CH_SPAN_LIT("\1\1\3\0"));
	end_node();
	assert_int_equal(ch_efi_devpath_check(made()), CH_ERR_MALFORMED);
}

static void a_path_has_at_most_64_nodes(void **state)
{
	(void)state;
	for (size_t n = CH_DEVPATH_NODES_MAX - 1; n <= CH_DEVPATH_NODES_MAX; n++) {
		begin();
		for (size_t i = 0; i < n; i++)
			node(3, 26, BODY("\1"));
		end_node();
		assert_int_equal(ch_efi_devpath_check(made()), n < CH_DEVPATH_NODES_MAX ? CH_OK : CH_ERR_LIMIT);
	}
}

static void a_path_splits_before_its_last_file(void **state)
{
	(void)state;
	struct ch_span where;
	struct ch_span file;
	begin();
	file_node("x");
	node(3, 26, BODY("\1"));
	size_t at = w.len;
	file_node("y");
	file_node("z");
	size_t end = w.len;
	end_node();
	ch_efi_devpath_split(made(), &where, &file);
	assert_int_equal(where.n, at);
	assert_int_equal(file.n, end - at);
	uint8_t text[64];
	struct ch_wr t = ch_wr(text, sizeof(text));
	ch_efi_devpath_put_nodes(&t, file);
	assert_span_equal(ch_wr_span(&t), "y/z", 3);
	ch_efi_devpath_split(ch_span(buf, end), &where, &file);
	assert_int_equal(where.n + file.n, 0);
}

/* --- load options --- */

static void make_option(const char *optional)
{
	begin();
	ch_wr_le32(&w, 1);
	ch_wr_le16(&w, 4);
	utf16("A");
	ch_wr_le16(&w, 0);
	end_node();
	ch_wr_put(&w, ch_span_str(optional));
}

static void a_load_option_has_three_parts(void **state)
{
	(void)state;
	struct ch_efi_load_option lo;
	make_option("quiet");
	assert_int_equal(ch_efi_load_option_parse(&lo, made(), &diag), CH_OK);
	assert_null(diag.rule);
	assert_int_equal(lo.attributes, 1);
	assert_span_equal(lo.description, "A\0", 2);
	assert_int_equal(lo.devpath.n, 4);
	assert_span_equal(lo.optional, "quiet", 5);
}

static void only_the_mark_of_edk2_may_follow_a_plain_load_option(void **state)
{
	(void)state;
	uint8_t optional[17] = { 0x4e, 0xac, 0x08, 0x81, 0x11, 0x9f, 0x59, 0x4d,
				 0x85, 0x0e, 0xe2, 0x1a, 0x52, 0x2c, 0x59, 0xb2 };
	for (size_t n = 0; n <= sizeof(optional); n++) {
		struct ch_efi_load_option lo = { .optional = ch_span(optional, n) };
		assert_int_equal(ch_efi_load_option_is_plain(&lo), n == 0 || n == 16);
	}
	optional[15] ^= 1;
	struct ch_efi_load_option lo = { .optional = ch_span(optional, 16) };
	assert_false(ch_efi_load_option_is_plain(&lo));
}

static void a_load_option_cut_before_its_path_ends_is_refused(void **state)
{
	(void)state;
	make_option("");
	struct ch_span in = made();
	for (size_t n = 0; n < in.n; n++) {
		struct ch_efi_load_option lo = { .attributes = 7 };
		assert_int_equal(ch_efi_load_option_parse(&lo, ch_span(in.p, n), &diag), CH_ERR_TRUNCATED);
		assert_non_null(diag.rule);
		assert_int_equal(lo.attributes, 0);
	}
}

/* --- signature databases --- */

static void list(const struct ch_efi_guid *type, uint32_t header, uint32_t each, uint32_t count)
{
	ch_wr_put(&w, CH_SPAN_OF(type->b));
	ch_wr_le32(&w, 28 + header + each * count);
	ch_wr_le32(&w, header);
	ch_wr_le32(&w, each);
	fill(0xee, header);
	for (uint32_t i = 0; i < count; i++) {
		fill(0x0f, 16);
		fill((uint8_t)(i + 1), each - 16);
	}
}

static void a_database_gives_its_entries_in_order(void **state)
{
	(void)state;
	struct ch_efi_sig sig;
	begin();
	list(&ch_efi_cert_sha256, 0, 48, 0);
	list(&ch_efi_cert_sha256, 0, 48, 2);
	list(&ch_efi_cert_x509, 3, 20, 1);
	assert_int_equal(ch_efi_siglist_check(made(), &diag), CH_OK);
	struct ch_efi_siglist_iter it = ch_efi_siglist_iter(made());
	for (size_t i = 0; i < 3; i++) {
		assert_true(ch_efi_siglist_next(&it, &sig));
		assert_true(ch_efi_guid_eq(&sig.type, i < 2 ? &ch_efi_cert_sha256 : &ch_efi_cert_x509));
		assert_int_equal(sig.data.n, i < 2 ? 32 : 4);
		assert_true(ch_span_all(sig.data, i == 1 ? 2 : 1));
		assert_true(ch_span_all(CH_SPAN_OF(sig.owner.b), 0x0f));
		assert_ptr_equal(buf + sig.off + 16, sig.data.p);
	}
	assert_false(ch_efi_siglist_next(&it, &sig));
	assert_false(ch_efi_siglist_next(&it, &sig));
	assert_int_equal(ch_efi_siglist_check(CH_SPAN_EMPTY, &diag), CH_OK);
}

static void a_database_cut_or_lengthened_is_refused(void **state)
{
	(void)state;
	begin();
	list(&ch_efi_cert_sha256, 0, 48, 2);
	struct ch_span in = made();
	for (size_t n = 1; n < in.n; n++) {
		assert_int_not_equal(ch_efi_siglist_check(ch_span(in.p, n), &diag), CH_OK);
		assert_non_null(diag.rule);
		assert_true(diag.off <= n);
		struct ch_efi_siglist_iter it = ch_efi_siglist_iter(ch_span(in.p, n));
		struct ch_efi_sig sig;
		assert_false(ch_efi_siglist_next(&it, &sig));
	}
	ch_wr_u8(&w, 0);
	assert_int_equal(ch_efi_siglist_check(made(), &diag), CH_ERR_TRUNCATED);
	assert_int_equal(diag.off, in.n);
}

static void sizes_in_a_signature_list_must_fit(void **state)
{
	(void)state;
	static const struct {
		size_t at;
		uint32_t value;
	} bad[] = { { 16, 27 }, { 16, 77 }, { 16, 0xffffffffu }, { 20, 49 }, { 20, 0xffffffffu },
		    { 24, 0 },  { 24, 16 }, { 24, 24 },          { 24, 47 } };
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		begin();
		list(&ch_efi_cert_sha256, 0, 48, 1);
		struct ch_wr at = ch_wr(buf + bad[i].at, 4);
		ch_wr_le32(&at, bad[i].value);
		assert_int_equal(ch_efi_siglist_check(made(), &diag), CH_ERR_RANGE);
		assert_int_equal(diag.off, bad[i].at);
	}
}

static void a_database_has_at_most_4096_entries(void **state)
{
	(void)state;
	for (uint32_t n = CH_SIGLIST_MAX; n <= CH_SIGLIST_MAX + 1; n++) {
		static uint8_t big[28 + 17 * (CH_SIGLIST_MAX + 1)];
		w = ch_wr(big, sizeof(big));
		list(&ch_efi_cert_x509, 0, 17, n);
		assert_int_equal(ch_efi_siglist_check(made(), &diag), n == CH_SIGLIST_MAX ? CH_OK : CH_ERR_LIMIT);
	}
}

static void a_database_has_at_most_4096_empty_lists(void **state)
{
	(void)state;
	static uint8_t big[28 * (CH_SIGLIST_MAX + 2)];
	w = ch_wr(big, sizeof(big));
	for (size_t i = 0; i < CH_SIGLIST_MAX + 1; i++)
		list(&ch_efi_cert_x509, 0, 17, 0);
	assert_int_equal(ch_efi_siglist_check(made(), &diag), CH_ERR_LIMIT);
}

static void our_own_databases_are_whole(void **state)
{
	(void)state;
	static const struct {
		const char *path;
		size_t entries;
	} row[] = {
		{ "tests/fixtures/grub-sbms-good/efivar-db-d719b2cb-3d3a-4596-a3bc-dad00e67656f", 2 },
		{ "tests/fixtures/grub-sbms-good/efivar-dbx-d719b2cb-3d3a-4596-a3bc-dad00e67656f", 1 },
		{ "tests/fixtures/sbon-good/efivar-KEK-8be4df61-93ca-11d2-aa0d-00e098032b8c", 1 },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		struct ch_buf b = { 0 };
		assert_int_equal(ch_file_read(&b, row[i].path), CH_OK);
		/* Linux puts the attributes before the value */
		struct ch_span in = ch_span_sub(ch_buf_span(&b), 4, ch_buf_span(&b).n - 4);
		assert_int_equal(ch_efi_siglist_check(in, &diag), CH_OK);
		struct ch_efi_siglist_iter it = ch_efi_siglist_iter(in);
		struct ch_efi_sig sig;
		size_t n = 0;
		while (ch_efi_siglist_next(&it, &sig))
			n++;
		assert_int_equal(n, row[i].entries);
		ch_buf_free(&b);
	}
}

/* --- the name on a certificate --- */

static void assert_subject(struct ch_span der, const char *want)
{
	uint8_t text[256];
	struct ch_wr t = ch_wr(text, sizeof(text));
	ch_efi_cert_subject_put(&t, der);
	ch_wr_u8(&t, 0);
	assert_false(t.bad);
	assert_string_equal((const char *)text, want);
}

/* tbsCertificate up to the subject, which is given; short lengths are enough. */
static struct ch_span cert_of(const char *subject, size_t n)
{
	begin();
	ch_wr_put(&w, CH_SPAN_LIT("\x30\x00\x30\x00\xa0\x03\x02\x01\x02\x02\x01\x01\x30\x00\x30\x00\x30\x00"));
	ch_wr_u8(&w, 0x30);
	ch_wr_u8(&w, (uint8_t)n);
	ch_wr_put(&w, ch_span(subject, n));
	buf[3] = (uint8_t)(w.len - 4);
	buf[1] = (uint8_t)(w.len - 2);
	return made();
}

#define RDN(attribute, tag, size, text) \
	"\x31"                          \
	"\x0b"                          \
	"\x30\x09\x06\x03\x55\x04" attribute tag size text

static void the_common_name_of_the_subject_is_shown(void **state)
{
	(void)state;
	assert_subject(cert_of(BODY(RDN("\x03", "\x0c", "\x02", "ab"))), "CN=ab");
	assert_subject(cert_of(BODY(RDN("\x0a", "\x0c", "\x02", "oo") RDN("\x03", "\x13", "\x02", "ab"))), "CN=ab");
	assert_subject(cert_of(BODY(RDN("\x03", "\x13", "\x02", "ab") RDN("\x0b", "\x0c", "\x02", "ou"))), "CN=ab");
	assert_subject(cert_of(BODY(RDN("\x0b", "\x0c", "\x02", "ou"))), "OU=ou");
	assert_subject(cert_of(BODY(RDN("\x03", "\x1e", "\x02", "\0A"))), "CN=A");
	assert_subject(cert_of(BODY(RDN("\x03", "\x0c", "\x02", "\x1b["))), "CN=\\x1b[");
	assert_subject(cert_of(BODY(RDN("\x06", "\x13", "\x02", "DE"))), "?");
}

static void a_certificate_cut_anywhere_has_no_name_or_the_right_one(void **state)
{
	(void)state;
	struct ch_span der = cert_of(BODY(RDN("\x03", "\x0c", "\x02", "ab")));
	for (size_t n = 0; n < der.n; n++)
		assert_subject(ch_span(der.p, n), "?");
	assert_subject(CH_SPAN_LIT("\x30\x85\1\1\1\1\1"), "?");
	assert_subject(CH_SPAN_LIT("\x30\x80\1\1\1\1\1"), "?");
}

/* --- GPT --- */

static void make_gpt(uint64_t count, uint32_t entry_size)
{
	begin();
	ch_wr_put(&w, CH_SPAN_LIT("EFI PART\0\0\1\0\x5c\0\0\0"));
	fill(0, 40);
	fill(0xdd, 16);
	fill(0, 8);
	ch_wr_le32(&w, 128);
	ch_wr_le32(&w, entry_size);
	fill(0, 4);
	ch_wr_le64(&w, count);
	for (uint64_t i = 0; i < count && i < 300; i++) {
		fill(0x11, 16);
		fill(0x22, 16);
		ch_wr_le64(&w, 100 * i);
		ch_wr_le64(&w, 100 * i + 99);
		ch_wr_le64(&w, 1);
		utf16("slot");
		fill(0, entry_size - 56 - 8);
	}
}

static void a_gpt_gives_its_partitions(void **state)
{
	(void)state;
	struct ch_efi_gpt gpt;
	struct ch_efi_gpt_entry e;
	make_gpt(2, 256);
	assert_int_equal(ch_efi_gpt_parse(&gpt, made(), &diag), CH_OK);
	assert_int_equal(gpt.count, 2);
	assert_true(ch_span_all(CH_SPAN_OF(gpt.disk.b), 0xdd));
	assert_true(ch_efi_gpt_entry(&gpt, 1, &e));
	assert_true(e.first_lba == 100 && e.last_lba == 199 && e.attributes == 1);
	assert_true(ch_span_all(CH_SPAN_OF(e.type.b), 0x11) && ch_span_all(CH_SPAN_OF(e.unique.b), 0x22));
	assert_int_equal(e.name.n, 72);
	assert_false(ch_efi_gpt_entry(&gpt, 2, &e));
	make_gpt(0, 128);
	assert_int_equal(ch_efi_gpt_parse(&gpt, made(), &diag), CH_OK);
	make_gpt(CH_GPT_ENTRIES_MAX, 128);
	assert_int_equal(ch_efi_gpt_parse(&gpt, made(), &diag), CH_OK);
}

static void a_gpt_cut_or_lengthened_is_refused(void **state)
{
	(void)state;
	struct ch_efi_gpt gpt;
	make_gpt(2, 128);
	struct ch_span in = made();
	for (size_t n = 0; n < in.n; n++) {
		assert_int_equal(ch_efi_gpt_parse(&gpt, ch_span(in.p, n), &diag), CH_ERR_TRUNCATED);
		assert_int_equal(gpt.count, 0);
		assert_true(diag.off <= n || diag.off == 92);
	}
	ch_wr_u8(&w, 0);
	assert_int_equal(ch_efi_gpt_parse(&gpt, made(), &diag), CH_ERR_TRAILING);
}

static void fields_of_a_gpt_header_are_checked(void **state)
{
	(void)state;
	static const struct {
		size_t at;
		uint8_t value;
		enum ch_err err;
	} bad[] = {
		{ 0, 'e', CH_ERR_MALFORMED }, { 10, 2, CH_ERR_UNSUPPORTED }, { 12, 0x5b, CH_ERR_RANGE },
		{ 84, 0x81, CH_ERR_RANGE },   { 84, 0x40, CH_ERR_RANGE },    { 86, 1, CH_ERR_RANGE },
		{ 93, 2, CH_ERR_LIMIT },      { 99, 1, CH_ERR_LIMIT },
	};
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		struct ch_efi_gpt gpt;
		make_gpt(1, 128);
		buf[bad[i].at] = bad[i].value;
		assert_int_equal(ch_efi_gpt_parse(&gpt, made(), &diag), bad[i].err);
		assert_non_null(diag.rule);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guid_reads_and_writes_the_registry_form),
		cmocka_unit_test(what_is_not_a_guid_is_refused),
		cmocka_unit_test(every_known_node_has_its_text),
		cmocka_unit_test(network_nodes_have_their_text),
		cmocka_unit_test(a_partition_is_named_by_its_table),
		cmocka_unit_test(paths_join_nodes_and_instances),
		cmocka_unit_test(text_in_a_node_cannot_look_like_another_node),
		cmocka_unit_test(a_path_that_is_cut_longer_or_bent_is_refused_and_writes_nothing),
		cmocka_unit_test(a_path_has_at_most_64_nodes),
		cmocka_unit_test(a_path_splits_before_its_last_file),
		cmocka_unit_test(a_load_option_has_three_parts),
		cmocka_unit_test(only_the_mark_of_edk2_may_follow_a_plain_load_option),
		cmocka_unit_test(a_load_option_cut_before_its_path_ends_is_refused),
		cmocka_unit_test(a_database_gives_its_entries_in_order),
		cmocka_unit_test(a_database_cut_or_lengthened_is_refused),
		cmocka_unit_test(sizes_in_a_signature_list_must_fit),
		cmocka_unit_test(a_database_has_at_most_4096_entries),
		cmocka_unit_test(a_database_has_at_most_4096_empty_lists),
		cmocka_unit_test(our_own_databases_are_whole),
		cmocka_unit_test(the_common_name_of_the_subject_is_shown),
		cmocka_unit_test(a_certificate_cut_anywhere_has_no_name_or_the_right_one),
		cmocka_unit_test(a_gpt_gives_its_partitions),
		cmocka_unit_test(a_gpt_cut_or_lengthened_is_refused),
		cmocka_unit_test(fields_of_a_gpt_header_are_checked),
	};
	return cmocka_run_group_tests_name("efi", tests, NULL, NULL);
}
