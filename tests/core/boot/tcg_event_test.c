/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/tcg_event.h"
#include "host/base/file.h"
#include "tests/unit.h"

static uint8_t buf[8192];
static struct ch_wr w;
static struct ch_tcg_event ev;
static struct ch_tcg_what what;
static struct ch_digest digest[CH_TCG_BANKS_MAX];

/* --- makers --- */

static void begin(uint32_t pcr, uint32_t type)
{
	w = ch_wr(buf, sizeof(buf));
	ev = (struct ch_tcg_event){ .pcr = pcr, .type = type, .extended = type != CH_EV_NO_ACTION };
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

/* One more bank, whose digest is the hash of `s`. */
static void measure(enum ch_hash_alg alg, struct ch_span s)
{
	size_t i = ev.digest_count++;
	assert_int_equal(ch_hash_once(alg, s, &digest[i]), CH_OK);
	ev.digest[i] = (struct ch_tcg_digest){ alg, ch_digest_span(&digest[i]) };
}

static void decode(void)
{
	ev.data = made();
	ch_tcg_event_decode(&ev, &what);
	assert_non_null(what.source);
	for (int how = CH_COVER_ALL; how <= CH_COVER_PART; how++)
		assert_int_equal(ch_tcg_event_covers(&ev, (enum ch_tcg_cover)how),
				 what.cover == (enum ch_tcg_cover)how);
}

/* The whole data is measured, in SHA-256. */
static void decode_measured(void)
{
	measure(CH_HASH_SHA256, made());
	decode();
}

static const char *line(void)
{
	static uint8_t text[CH_TCG_DESCRIBE_MAX + 1];
	struct ch_wr t = ch_wr(text, CH_TCG_DESCRIBE_MAX);
	ch_tcg_event_describe(&ev, &what, &t);
	assert_false(t.bad);
	assert_true(t.len > 0);
	text[t.len] = 0;
	return (const char *)text;
}

/* An event of a text in one call, with the digest of `measured`. */
static void text_event(uint32_t pcr, uint32_t type, struct ch_span data, struct ch_span measured)
{
	begin(pcr, type);
	ch_wr_put(&w, data);
	measure(CH_HASH_SHA256, measured);
	decode();
}

#define LIT(s) CH_SPAN_LIT(s)

static void variable(const struct ch_efi_guid *guid, const char *name, const void *value, size_t n)
{
	ch_wr_put(&w, CH_SPAN_OF(guid->b));
	ch_wr_le64(&w, strlen(name));
	ch_wr_le64(&w, n);
	utf16(name);
	ch_wr_put(&w, ch_span(value, n));
}

/* --- variables --- */

static void a_variable_that_is_measured_whole_is_covered(void **state)
{
	(void)state;
	begin(7, CH_EV_EFI_VARIABLE_DRIVER_CONFIG);
	variable(&ch_efi_global_variable, "SecureBoot", "\1", 1);
	decode_measured();
	assert_int_equal(what.kind, CH_TCG_VARIABLE);
	assert_int_equal(what.cover, CH_COVER_ALL);
	assert_int_equal(what.covered.n, ev.data.n);
	assert_true(ch_tcg_is_variable(&what, &ch_efi_global_variable, "SecureBoot"));
	assert_false(ch_tcg_is_variable(&what, &ch_efi_global_variable, "SecureBoo"));
	assert_false(ch_tcg_is_variable(&what, &ch_efi_global_variable, "SecureBoot2"));
	assert_false(ch_tcg_is_variable(&what, &ch_efi_image_security, "SecureBoot"));
	assert_span_equal(what.value, "\1", 1);
	assert_string_equal(line(), "SecureBoot = on");
}

static void a_boot_variable_may_be_measured_by_its_value(void **state)
{
	(void)state;
	begin(1, CH_EV_EFI_VARIABLE_BOOT);
	variable(&ch_efi_global_variable, "BootOrder", "\2\0\1\0\x0f\xaa", 6);
	measure(CH_HASH_SHA256, LIT("\2\0\1\0\x0f\xaa"));
	measure(CH_HASH_SHA1, LIT("\2\0\1\0\x0f\xaa"));
	decode();
	assert_int_equal(what.cover, CH_COVER_PART);
	assert_span_equal(what.covered, "\2\0\1\0\x0f\xaa", 6);
	assert_ptr_equal(what.covered.p, what.value.p);
	assert_string_equal(line(), "BootOrder = Boot0002,Boot0001,BootAA0F");
}

static void flipped_content_is_not_covered(void **state)
{
	(void)state;
	begin(7, CH_EV_EFI_VARIABLE_DRIVER_CONFIG);
	variable(&ch_efi_global_variable, "SecureBoot", "\0", 1);
	measure(CH_HASH_SHA256, made());
	buf[w.len - 1] = 1;
	decode();
	assert_int_equal(what.kind, CH_TCG_VARIABLE);
	assert_int_equal(what.cover, CH_COVER_NONE);
	assert_int_equal(what.covered.n, 0);
}

static void banks_that_disagree_are_a_conflict(void **state)
{
	(void)state;
	begin(7, CH_EV_EFI_VARIABLE_DRIVER_CONFIG);
	variable(&ch_efi_global_variable, "SecureBoot", "\1", 1);
	measure(CH_HASH_SHA1, LIT("something else"));
	measure(CH_HASH_SHA256, made());
	decode();
	assert_int_equal(what.cover, CH_COVER_CONFLICT);
	assert_int_equal(what.covered.n, 0);
	/* the whole in one bank and the value in the other is no agreement either */
	begin(7, CH_EV_EFI_VARIABLE_DRIVER_CONFIG);
	variable(&ch_efi_global_variable, "SecureBoot", "\1", 1);
	measure(CH_HASH_SHA1, LIT("\1"));
	measure(CH_HASH_SHA256, made());
	decode();
	assert_int_equal(what.cover, CH_COVER_CONFLICT);
}

static void a_bank_that_cannot_be_computed_says_nothing(void **state)
{
	(void)state;
	static const uint8_t any[32] = { 1 };
	begin(7, CH_EV_EFI_VARIABLE_DRIVER_CONFIG);
	variable(&ch_efi_global_variable, "SecureBoot", "\1", 1);
	ev.digest[ev.digest_count++] = (struct ch_tcg_digest){ (enum ch_hash_alg)0x9999, CH_SPAN_OF(any) };
	decode();
	assert_int_equal(what.cover, CH_COVER_NONE);
	measure(CH_HASH_SHA256, made());
	decode();
	assert_int_equal(what.cover, CH_COVER_ALL);
}

static void lengths_of_a_variable_must_fit(void **state)
{
	(void)state;
	for (size_t cut = 0; cut < 55; cut++) {
		begin(7, CH_EV_EFI_VARIABLE_DRIVER_CONFIG);
		variable(&ch_efi_global_variable, "SecureBoot", "\1\2\3", 3);
		w.len = cut;
		decode_measured();
		assert_int_equal(what.kind, CH_TCG_OPAQUE);
		assert_non_null(what.defect);
		assert_int_equal(what.name.n + what.value.n, 0);
	}
	begin(7, CH_EV_EFI_VARIABLE_DRIVER_CONFIG);
	variable(&ch_efi_global_variable, "SecureBoot", "\1", 1);
	ch_wr_u8(&w, 0);
	decode_measured();
	assert_int_equal(what.kind, CH_TCG_OPAQUE);
	for (size_t at = 16; at < 32; at += 8) {
		begin(7, CH_EV_EFI_VARIABLE_DRIVER_CONFIG);
		variable(&ch_efi_global_variable, "SecureBoot", "\1", 1);
		memset(buf + at, 0xff, 8);
		decode_measured();
		assert_int_equal(what.kind, CH_TCG_OPAQUE);
	}
}

static void shim_logs_a_few_bytes_too_many(void **state)
{
	(void)state;
	for (size_t excess = 1; excess <= 7; excess++) {
		begin(7, CH_EV_EFI_VARIABLE_AUTHORITY);
		variable(&ch_efi_shim_lock, "Shim", "abc", 3);
		ch_wr_put(&w, ch_span("\xaa\xbb\xcc\xdd\xee\xff\x99", excess));
		measure(CH_HASH_SHA256, ch_span(buf, w.len - 1));
		decode();
		assert_int_equal(what.kind, excess <= 6 ? CH_TCG_VARIABLE : CH_TCG_OPAQUE);
		assert_int_equal(what.cover, excess <= 6 ? CH_COVER_PART : CH_COVER_NONE);
		assert_int_equal(what.covered.n, excess <= 6 ? w.len - 1 : 0);
	}
	assert_string_equal(what.source, "firmware");
}

static void variables_are_described(void **state)
{
	(void)state;
	static const struct {
		const struct ch_efi_guid *guid;
		const char *name;
		const char *value;
		size_t n;
		const char *want;
	} row[] = {
		{ &ch_efi_global_variable, "SecureBoot", "\0", 1, "SecureBoot = off" },
		{ &ch_efi_global_variable, "SecureBoot", "", 0, "SecureBoot = no data" },
		{ &ch_efi_global_variable, "SecureBoot", "\2", 1, "SecureBoot = 1 byte: 02" },
		{ &ch_efi_global_variable, "PK", "", 0, "PK: empty" },
		{ &ch_efi_image_security, "db", "x", 1,
		  "db: not a signature database: EFI_SIGNATURE_LIST runs past the end of the database (UEFI 2.10, 32.4.1)" },
		{ &ch_efi_global_variable, "BootOrder", "", 0, "BootOrder = empty" },
		{ &ch_efi_global_variable, "BootOrder", "\1\0\2", 3, "BootOrder = Boot0001,?" },
		{ &ch_efi_global_variable, "DriverOrder", "\1\0", 2, "DriverOrder = Driver0001" },
		{ &ch_efi_global_variable, "Boot0001", "\1\0\0\0\4\0A\0\0\0\x7f\xff\4\0", 14, "Boot0001 = \"A\" " },
		{ &ch_efi_global_variable, "Boot0001", "\1\0\0\0\4\0A\0\0\0\x7f\xff\4\0opt", 17,
		  "Boot0001 = \"A\" , options \"opt\"" },
		{ &ch_efi_global_variable, "Boot0001", "\1\0\0\0\2\0A\0\0\0\x7f\xff", 12,
		  "Boot0001 = \"A\" (not one device path) 2 bytes: 7fff" },
		{ &ch_efi_global_variable, "Boot000A", "\1", 1,
		  "Boot000A = not a load option: EFI_LOAD_OPTION ends in its header (UEFI 2.10, 3.1.3)" },
		{ &ch_efi_global_variable, "Boot000a", "\1", 1, "Boot000a = 1 byte: 01" },
		{ &ch_efi_shim_lock, "SbatLevel", "sbat,1\nshim,4\n", 14, "SbatLevel = sbat,1; shim,4" },
		{ &ch_efi_systemd_loader, "X\x1b", "hello", 5,
		  "X\\x1b-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f = \"hello\"" },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		begin(1, CH_EV_EFI_VARIABLE_BOOT2);
		variable(row[i].guid, row[i].name, row[i].value, row[i].n);
		decode_measured();
		assert_string_equal(line(), row[i].want);
	}
}

static void an_authority_is_described_by_what_it_allows(void **state)
{
	(void)state;
	uint8_t value[48] = { 0 };
	begin(7, CH_EV_EFI_VARIABLE_AUTHORITY);
	memset(value + 16, 0xab, 32);
	variable(&ch_efi_image_security, "db", value, sizeof(value));
	decode_measured();
	assert_string_equal(line(), "db allows what is started: SHA-256 "
				    "abababababababababababababababababababababababababababababababab");
	begin(7, CH_EV_EFI_VARIABLE_AUTHORITY);
	variable(&ch_efi_shim_lock, "Shim", "\x30\x82\0\1x", 5);
	decode_measured();
	assert_string_equal(what.source, "shim");
	assert_string_equal(line(), "Shim allows what is started: ?");
	begin(7, CH_EV_EFI_VARIABLE_AUTHORITY);
	variable(&ch_efi_shim_lock, "MokList", "abc", 3);
	decode_measured();
	assert_string_equal(line(), "MokList = \"abc\"");
}

/* --- boot loaders --- */

static void grub_measures_what_follows_its_prefix(void **state)
{
	(void)state;
	static const struct {
		struct ch_span data, measured;
		enum ch_tcg_cover cover;
		const char *want;
	} row[] = {
		{ LIT("grub_cmd: set a=1\0"), LIT("set a=1"), CH_COVER_PART, "GRUB command: set a=1" },
		{ LIT("grub_cmd set a=1\0"), LIT("set a=1\0"), CH_COVER_PART, "GRUB command: set a=1" },
		{ LIT("grub_cmd set a=1\0\0"), LIT("set a=1\0"), CH_COVER_PART, "GRUB command: set a=1" },
		{ LIT("grub_cmd: set a=1\0"), LIT("grub_cmd: set a=1\0"), CH_COVER_ALL, "GRUB command: set a=1" },
		{ LIT("grub_cmd: set a=1\0"), LIT("set a=2"), CH_COVER_NONE, "GRUB command: set a=1" },
		{ LIT("kernel_cmdline: /vmlinuz quiet\0"), LIT("/vmlinuz quiet"), CH_COVER_PART,
		  "kernel command line: /vmlinuz quiet" },
		{ LIT("grub_kernel_cmdline /vmlinuz quiet\0"), LIT("/vmlinuz quiet"), CH_COVER_PART,
		  "kernel command line: /vmlinuz quiet" },
		{ LIT("module_cmdline: /xen\0"), LIT("/xen"), CH_COVER_PART, "module command line: /xen" },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		text_event(8, CH_EV_IPL, row[i].data, row[i].measured);
		assert_int_equal(what.kind, CH_TCG_TEXT);
		assert_int_equal(what.cover, row[i].cover);
		assert_string_equal(what.source, "grub");
		assert_string_equal(line(), row[i].want);
		assert_true(what.cover != CH_COVER_PART || ch_span_eq(what.covered, row[i].measured));
	}
}

static void names_of_what_was_measured_are_labels(void **state)
{
	(void)state;
	static const struct {
		uint32_t pcr, type;
		struct ch_span data;
		const char *source, *want;
	} row[] = {
		{ 9, CH_EV_IPL, LIT("(hd0,gpt1)/grub.cfg\0"), "grub", "file (hd0,gpt1)/grub.cfg" },
		{ 14, CH_EV_IPL, LIT("MokList\0"), "shim", "shim: MokList" },
		{ 4, CH_EV_IPL, LIT("MBR"), "boot loader", "MBR" },
		{ 2, CH_EV_ACTION, LIT("CBFS: fallback/romstage\0"), "coreboot", "coreboot: CBFS: fallback/romstage" },
		{ 2, CH_EV_ACTION, LIT("FMAP: FMAP\0"), "coreboot", "coreboot: FMAP: FMAP" },
		{ 9, CH_EV_EVENT_TAG, LIT("\xec\x22\x3b\x8f\x0d\0\0\0Linux initrd\0"), "linux", "Linux initrd" },
		{ 5, CH_EV_EVENT_TAG, LIT("\x2a\x58\xbc\xf5\x06\0\0\0l\0.\0\0\0"), "systemd-boot", "l." },
		{ 12, CH_EV_IPL, LIT("A\0 \0i\0n\0i\0t\0r\0d\0\0\0"), "systemd-stub", "A initrd" },
		{ 11, CH_EV_IPL, LIT(".\0l\0\0\0"), "systemd-stub", "UKI section .l" },
		{ 17, 0x502, LIT("SKINIT"), "trenchboot", "secure launch: SKINIT" },
		{ 0, CH_EV_S_CRTM_CONTENTS, LIT("Boot Guard\0"), "firmware", "Boot Guard" },
		{ 1, CH_EV_PLATFORM_CONFIG_FLAGS, LIT("ACPI DATA"), "firmware", "ACPI DATA" },
		{ 0, CH_EV_EFI_HCRTM_EVENT, LIT("HCRTM"), "firmware", "HCRTM" },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		text_event(row[i].pcr, row[i].type, row[i].data, LIT("a file"));
		assert_int_equal(what.kind, CH_TCG_LABEL);
		assert_int_equal(what.cover, CH_COVER_NONE);
		assert_string_equal(what.source, row[i].source);
		assert_string_equal(line(), row[i].want);
		text_event(row[i].pcr, row[i].type, row[i].data, row[i].data);
		assert_int_equal(what.kind, CH_TCG_TEXT);
		assert_int_equal(what.cover, CH_COVER_ALL);
		assert_string_equal(line(), row[i].want);
	}
}

static void a_section_is_measured_by_its_name_in_ascii(void **state)
{
	(void)state;
	text_event(11, CH_EV_IPL, LIT(".\0l\0i\0n\0u\0x\0\0\0"), LIT(".linux\0"));
	assert_int_equal(what.cover, CH_COVER_ALL);
	assert_int_equal(what.kind, CH_TCG_TEXT);
	assert_int_equal(what.covered.n, 14);
	assert_string_equal(line(), "UKI section .linux");
	/* no other text gives the same digest: not one with more NULs, not one beyond ASCII */
	text_event(11, CH_EV_IPL, LIT(".\0l\0i\0n\0u\0x\0\0\0\0\0"), LIT(".linux\0"));
	assert_int_equal(what.cover, CH_COVER_NONE);
	text_event(11, CH_EV_IPL, LIT(".\0l\0i\0n\0u\0x\1\0\0"), LIT(".linux\0"));
	assert_int_equal(what.cover, CH_COVER_NONE);
	begin(11, CH_EV_IPL);
	for (size_t i = 0; i < 64; i++)
		utf16("n");
	utf16("n");
	ch_wr_le16(&w, 0);
	decode_measured();
	assert_int_equal(what.cover, CH_COVER_ALL);
}

static void systemd_boot_measures_the_command_line(void **state)
{
	(void)state;
	text_event(12, CH_EV_IPL, LIT("q\0u\0i\0e\0t\0\0\0"), LIT("q\0u\0i\0e\0t\0\0\0"));
	assert_int_equal(what.kind, CH_TCG_TEXT);
	assert_int_equal(what.cover, CH_COVER_ALL);
	assert_true(what.utf16);
	assert_string_equal(what.source, "systemd-boot");
	assert_string_equal(line(), "kernel command line: quiet");
	/* old ones log all but the last byte of what they measure */
	text_event(8, CH_EV_IPL, LIT("q\0u\0i\0e\0t\0\0"), LIT("q\0u\0i\0e\0t\0\0\0"));
	assert_int_equal(what.cover, CH_COVER_ALL);
	assert_string_equal(line(), "kernel command line: quiet");
	text_event(8, CH_EV_IPL, LIT("q\0u\0i\0e\0t\0\1"), LIT("q\0u\0i\0e\0t\0\0\0"));
	assert_int_equal(what.cover, CH_COVER_NONE);
}

static void a_tagged_event_must_end_with_its_data(void **state)
{
	(void)state;
	for (size_t n = 0; n < 12; n++) {
		text_event(9, CH_EV_EVENT_TAG, ch_span("\xec\x22\x3b\x8f\3\0\0\0abcd", n), LIT("x"));
		assert_int_equal(what.kind, n == 11 ? CH_TCG_LABEL : CH_TCG_OPAQUE);
		assert_int_equal(what.defect != NULL, n != 11);
	}
	text_event(12, CH_EV_EVENT_TAG, LIT("\1\0\1\x40\2\0\0\0ab"), LIT("\1\0\1\x40\2\0\0\0ab"));
	assert_int_equal(what.kind, CH_TCG_OPAQUE);
	assert_null(what.defect);
	assert_int_equal(what.cover, CH_COVER_ALL);
}

static void an_ipl_event_may_be_anything(void **state)
{
	(void)state;
	text_event(4, CH_EV_IPL, LIT("\x80\x81\x82"), LIT("x"));
	assert_int_equal(what.kind, CH_TCG_OPAQUE);
	assert_string_equal(line(), "3 bytes: 808182");
	text_event(4, CH_EV_IPL, CH_SPAN_EMPTY, LIT("x"));
	assert_string_equal(line(), "no data");
	text_event(8, CH_EV_IPL, LIT("grub_cmd: \0"), CH_SPAN_EMPTY);
	assert_int_equal(what.kind, CH_TCG_TEXT);
	assert_int_equal(what.cover, CH_COVER_PART);
	assert_string_equal(line(), "GRUB command: ");
}

/* --- firmware --- */

static void image(uint64_t path_size)
{
	ch_wr_le64(&w, 0x1000);
	ch_wr_le64(&w, 0x200);
	ch_wr_le64(&w, 0);
	ch_wr_le64(&w, path_size);
}

static void an_image_is_never_covered(void **state)
{
	(void)state;
	begin(4, CH_EV_EFI_BOOT_SERVICES_APPLICATION);
	image(22);
	ch_wr_put(&w, LIT("\3\x1a\5\0\1\4\4\x0d\0\\\0A\0.\0\0\0\x7f\xff\4\0"));
	buf[24] = 22 - 1 + 1;
	decode_measured();
	assert_int_equal(what.kind, CH_TCG_OPAQUE); /* the file's node is cut */
	begin(4, CH_EV_EFI_BOOT_SERVICES_APPLICATION);
	image(21);
	ch_wr_put(&w, LIT("\3\x1a\5\0\1\4\4\x0c\0\\\0A\0.\0\0\0\x7f\xff\4\0"));
	decode_measured();
	assert_int_equal(what.kind, CH_TCG_IMAGE);
	assert_int_equal(what.cover, CH_COVER_NONE);
	assert_true(what.base == 0x1000 && what.length == 0x200 && what.devpath.n == 21);
	assert_string_equal(line(), "\\A. on SD(0x1)");
}

static void an_image_without_path_is_in_memory(void **state)
{
	(void)state;
	for (size_t excess = 0; excess <= 10; excess++) {
		begin(4, CH_EV_EFI_BOOT_SERVICES_APPLICATION);
		image(0);
		ch_wr_put(&w, ch_span("0123456789", excess));
		decode_measured();
		assert_int_equal(what.kind, excess <= 9 ? CH_TCG_IMAGE : CH_TCG_OPAQUE);
	}
	begin(4, CH_EV_EFI_BOOT_SERVICES_APPLICATION);
	image(0);
	decode_measured();
	assert_string_equal(line(), "image in memory, 512 bytes at 0x1000");
	begin(4, CH_EV_EFI_BOOT_SERVICES_APPLICATION);
	ch_wr_put(&w, LIT("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
	decode_measured();
	assert_string_equal(line(), "an image of which the log says nothing");
	for (size_t n = 0; n < 32; n++) {
		begin(4, CH_EV_EFI_BOOT_SERVICES_APPLICATION);
		image(0);
		w.len = n;
		decode_measured();
		assert_int_equal(what.kind, CH_TCG_OPAQUE);
	}
}

static void firmware_events_are_decoded(void **state)
{
	(void)state;
	static const struct {
		uint32_t type;
		struct ch_span data;
		enum ch_tcg_kind kind;
		enum ch_tcg_cover cover; /* when the data is what was measured */
		const char *want;
	} row[] = {
		{ CH_EV_SEPARATOR, LIT("\0\0\0\0"), CH_TCG_SEPARATOR, CH_COVER_ALL, "separator" },
		{ CH_EV_SEPARATOR, LIT("\xff\xff\xff\xff"), CH_TCG_SEPARATOR, CH_COVER_ALL, "separator ffffffff" },
		{ CH_EV_SEPARATOR, LIT("WBCL"), CH_TCG_SEPARATOR, CH_COVER_ALL, "separator WBCL" },
		{ CH_EV_EFI_ACTION, LIT("Exit Boot"), CH_TCG_ACTION, CH_COVER_ALL, "Exit Boot" },
		{ CH_EV_ACTION, LIT("Calling INT 19h\0"), CH_TCG_ACTION, CH_COVER_ALL, "Calling INT 19h" },
		{ CH_EV_EFI_ACTION, LIT("CBFS: x"), CH_TCG_ACTION, CH_COVER_ALL, "CBFS: x" },
		{ CH_EV_OMIT_BOOT_DEVICE_EVENTS, LIT("BOOT ATTEMPTS OMITTED"), CH_TCG_ACTION, CH_COVER_ALL,
		  "BOOT ATTEMPTS OMITTED" },
		{ CH_EV_S_CRTM_VERSION, LIT("1\0.\0002\0\0\0"), CH_TCG_VERSION, CH_COVER_ALL, "S-CRTM version 1.2" },
		{ CH_EV_S_CRTM_VERSION, LIT("U-Boot\0"), CH_TCG_VERSION, CH_COVER_ALL, "S-CRTM version U-Boot" },
		{ CH_EV_S_CRTM_VERSION, LIT("\0\0"), CH_TCG_VERSION, CH_COVER_ALL, "S-CRTM version (empty)" },
		{ CH_EV_S_CRTM_VERSION, LIT("\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff\x01"),
		  CH_TCG_VERSION, CH_COVER_ALL, "S-CRTM version 44332211-6655-8877-99aa-bbccddeeff01" },
		{ CH_EV_POST_CODE, LIT("ACPI DATA"), CH_TCG_BLOB, CH_COVER_NONE, "ACPI DATA" },
		{ CH_EV_POST_CODE, LIT("\0\x10\0\0\0\0\0\0\1\0\0\0\0\0\0\0"), CH_TCG_BLOB, CH_COVER_NONE,
		  "1 byte at 0x1000" },
		{ CH_EV_EFI_PLATFORM_FIRMWARE_BLOB, LIT("\0\x10\0\0\0\0\0\0\2\0\0\0\0\0\0\0"), CH_TCG_BLOB,
		  CH_COVER_NONE, "2 bytes at 0x1000" },
		{ CH_EV_EFI_PLATFORM_FIRMWARE_BLOB2, LIT("\3abc\0\x10\0\0\0\0\0\0\2\0\0\0\0\0\0\0"), CH_TCG_BLOB,
		  CH_COVER_NONE, "abc, 2 bytes at 0x1000" },
		{ CH_EV_NONHOST_INFO, LIT("GCE\0\1"), CH_TCG_OPAQUE, CH_COVER_ALL, "5 bytes: 4743450001" },
		{ CH_EV_TABLE_OF_DEVICES, LIT("\1\2"), CH_TCG_OPAQUE, CH_COVER_ALL, "2 bytes: 0102" },
		{ CH_EV_CPU_MICROCODE, LIT("\0\x10\0\0\0\0\0\0\2\0\0\0\0\0\0\0"), CH_TCG_BLOB, CH_COVER_NONE,
		  "2 bytes at 0x1000" },
		{ 0x77777777, LIT("h\0e\0l\0l\0o\0\0\0"), CH_TCG_OPAQUE, CH_COVER_ALL, "\"hello\"" },
		{ CH_EV_EFI_HANDOFF_TABLES, LIT("\0\0\0\0\0\0\0\0"), CH_TCG_TABLES, CH_COVER_ALL, "handoff tables" },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		text_event(0, row[i].type, row[i].data, row[i].data);
		assert_int_equal(what.kind, row[i].kind);
		assert_int_equal(what.cover, row[i].cover);
		assert_null(what.defect);
		assert_string_equal(line(), row[i].want);
	}
}

static void what_breaks_its_format_is_opaque_and_says_why(void **state)
{
	(void)state;
	static const struct {
		uint32_t type;
		struct ch_span data;
	} row[] = {
		{ CH_EV_SEPARATOR, LIT("\0\0\0") },
		{ CH_EV_SEPARATOR, LIT("\0\0\0\0\0") },
		{ CH_EV_EFI_ACTION, LIT("a\x1b") },
		{ CH_EV_EFI_ACTION, CH_SPAN_EMPTY },
		{ CH_EV_S_CRTM_VERSION, LIT("\x80\x81") },
		{ CH_EV_EFI_PLATFORM_FIRMWARE_BLOB, LIT("\1\2") },
		{ CH_EV_EFI_PLATFORM_FIRMWARE_BLOB2, LIT("\3ab") },
		{ CH_EV_EFI_PLATFORM_FIRMWARE_BLOB2, LIT("\1a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0x") },
		{ CH_EV_EFI_GPT_EVENT, LIT("EFI PART") },
		{ CH_EV_EFI_HANDOFF_TABLES, LIT("\1\0\0\0\0\0\0\0x") },
		{ CH_EV_EFI_HANDOFF_TABLES, LIT("\xff\xff\xff\xff\xff\xff\xff\xff") },
		{ CH_EV_EFI_HANDOFF_TABLES2, LIT("\x09x") },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		text_event(0, row[i].type, row[i].data, row[i].data);
		assert_int_equal(what.kind, CH_TCG_OPAQUE);
		assert_non_null(what.defect);
		assert_string_equal(what.source, "firmware");
		assert_int_equal(what.cover, CH_COVER_ALL);
		(void)line();
	}
}

static void handoff_tables_are_named(void **state)
{
	(void)state;
	begin(1, CH_EV_EFI_HANDOFF_TABLES);
	ch_wr_le64(&w, 2);
	ch_wr_put(&w, CH_SPAN_OF(ch_efi_smbios3_table.b));
	ch_wr_le64(&w, 0x1000);
	ch_wr_put(&w, CH_SPAN_OF(ch_efi_shim_lock.b));
	ch_wr_le64(&w, 0x2000);
	decode_measured();
	assert_string_equal(line(), "handoff tables: SMBIOS at 0x1000, 605dab50-e046-4300-abb6-3dd810dd8b23 at 0x2000");
	assert_true(what.length == 2);
}

static void an_event_that_no_register_received_is_not_covered(void **state)
{
	(void)state;
	uint8_t data[17] = "StartupLocality";
	data[16] = 3;
	text_event(0, CH_EV_NO_ACTION, CH_SPAN_OF(data), CH_SPAN_OF(data));
	assert_int_equal(what.kind, CH_TCG_NO_ACTION);
	assert_int_equal(what.cover, CH_COVER_NONE);
	assert_string_equal(line(), "StartupLocality 3");
	text_event(0, CH_EV_NO_ACTION, LIT("\1\2"), LIT("\1\2"));
	assert_string_equal(line(), "2 bytes: 0102");
}

/* --- the line --- */

static void a_line_has_at_most_1024_bytes(void **state)
{
	(void)state;
	for (size_t n = 990; n < 1100; n++) {
		begin(8, CH_EV_IPL);
		ch_wr_str(&w, "kernel_cmdline: ");
		for (size_t i = 0; i < n; i++)
			ch_wr_u8(&w, 'a');
		decode_measured();
		size_t whole = strlen("kernel command line: ") + n;
		const char *s = line();
		assert_int_equal(strlen(s), whole <= CH_TCG_DESCRIBE_MAX ? whole : CH_TCG_DESCRIBE_MAX);
		if (whole > CH_TCG_DESCRIBE_MAX)
			assert_string_equal(s + CH_TCG_DESCRIBE_MAX - 3, "…");
	}
}

static void a_line_is_not_cut_inside_a_character(void **state)
{
	(void)state;
	for (size_t shift = 0; shift < 4; shift++) {
		begin(12, CH_EV_IPL);
		utf16(&"aaaa"[shift]);
		utf16("a");
		for (size_t i = 0; i < 600; i++)
			ch_wr_le16(&w, 0x20ac); /* three bytes in UTF-8 */
		decode_measured();
		const char *s = line();
		size_t n = strlen(s);
		assert_true(n <= CH_TCG_DESCRIBE_MAX && n > CH_TCG_DESCRIBE_MAX - 4);
		assert_string_equal(s + n - 3, "…");
		assert_memory_equal(s + n - 6, "\xe2\x82\xac", 3);
	}
}

/* --- Secure Boot --- */

static uint8_t log_bytes[4096];
static struct ch_wr log_w;

static void log_begin(uint32_t pcr)
{
	log_w = ch_wr(log_bytes, sizeof(log_bytes));
	ch_wr_le32(&log_w, pcr);
	ch_wr_le32(&log_w, CH_EV_NO_ACTION);
	for (size_t i = 0; i < 20; i++)
		ch_wr_u8(&log_w, 0);
	ch_wr_le32(&log_w, 33);
	ch_wr_put(&log_w, LIT("Spec ID Event03\0\0\0\0\0\0\2\0\2\1\0\0\0\x0b\0\x20\0\0"));
}

/* The variable of `name`, its digest that of `measured`; NULL: of the whole. */
static void log_variable(uint32_t pcr, const char *name, struct ch_span value, const struct ch_span *measured)
{
	struct ch_digest d;
	begin(pcr, CH_EV_EFI_VARIABLE_DRIVER_CONFIG);
	variable(&ch_efi_global_variable, name, value.p, value.n);
	assert_int_equal(ch_hash_once(CH_HASH_SHA256, measured != NULL ? *measured : made(), &d), CH_OK);
	ch_wr_le32(&log_w, pcr);
	ch_wr_le32(&log_w, CH_EV_EFI_VARIABLE_DRIVER_CONFIG);
	ch_wr_le32(&log_w, 1);
	ch_wr_le16(&log_w, CH_HASH_SHA256);
	ch_wr_put(&log_w, ch_digest_span(&d));
	ch_wr_le32(&log_w, (uint32_t)made().n);
	ch_wr_put(&log_w, made());
}

static enum ch_secure_boot secure_boot(void)
{
	struct ch_tcg_log log;
	assert_int_equal(ch_tcg_log_parse(&log, ch_wr_span(&log_w), NULL), CH_OK);
	return ch_tcg_secure_boot(&log);
}

static void secure_boot_is_what_the_digest_covers(void **state)
{
	(void)state;
	const struct ch_span on = LIT("\1");
	const struct ch_span off = LIT("\0");
	log_begin(0);
	assert_int_equal(secure_boot(), CH_SECURE_BOOT_UNKNOWN);
	log_variable(7, "SecureBoot", on, NULL);
	assert_int_equal(secure_boot(), CH_SECURE_BOOT_ON);
	log_begin(0);
	log_variable(7, "SecureBoot", off, NULL);
	log_variable(7, "SecureBoot", on, NULL);
	assert_int_equal(secure_boot(), CH_SECURE_BOOT_OFF);
	log_begin(0);
	log_variable(7, "SecureBoot", on, &(struct ch_span){ buf, 3 });
	assert_int_equal(secure_boot(), CH_SECURE_BOOT_UNKNOWN);
	log_begin(0);
	log_variable(7, "SecureBoot", CH_SPAN_EMPTY, NULL);
	assert_int_equal(secure_boot(), CH_SECURE_BOOT_UNKNOWN);
	log_begin(0);
	log_variable(7, "SecureBoot", LIT("\2"), NULL);
	assert_int_equal(secure_boot(), CH_SECURE_BOOT_UNKNOWN);
}

static void a_value_without_its_name_counts_only_in_first_place(void **state)
{
	(void)state;
	const struct ch_span on = LIT("\1");
	const struct ch_span off = LIT("\0");
	log_begin(0);
	log_variable(7, "SecureBoot", on, &on);
	assert_int_equal(secure_boot(), CH_SECURE_BOOT_ON);
	/* an AuditMode of 1 must not become a SecureBoot of 1 by a new name in the log */
	log_begin(0);
	log_variable(7, "SetupMode", off, &off);
	log_variable(7, "SecureBoot", on, &on);
	assert_int_equal(secure_boot(), CH_SECURE_BOOT_UNKNOWN);
}

static void secure_boot_is_read_from_its_register(void **state)
{
	(void)state;
	log_begin(0);
	log_variable(23, "SecureBoot", LIT("\1"), NULL);
	assert_int_equal(secure_boot(), CH_SECURE_BOOT_UNKNOWN);
	log_variable(7, "SecureBoot", LIT("\0"), NULL);
	assert_int_equal(secure_boot(), CH_SECURE_BOOT_OFF);
	log_begin(1);
	log_variable(1, "SecureBoot", LIT("\1"), NULL);
	assert_int_equal(secure_boot(), CH_SECURE_BOOT_ON);
}

/* --- our own captures --- */

static void assert_line(const char *path, size_t n, const char *want, enum ch_tcg_cover cover)
{
	struct ch_buf b = { 0 };
	struct ch_tcg_log log;
	assert_int_equal(ch_file_read(&b, path), CH_OK);
	assert_int_equal(ch_tcg_log_parse(&log, ch_buf_span(&b), NULL), CH_OK);
	struct ch_tcg_iter it = ch_tcg_iter(&log);
	while (ch_tcg_next(&it, &ev) && ev.n < n)
		;
	ch_tcg_event_decode(&ev, &what);
	assert_string_equal(line(), want);
	assert_int_equal(what.cover, cover);
	ch_buf_free(&b);
}

#define SBON  "tests/fixtures/sbon-good/binary_bios_measurements"
#define GRUB  "tests/fixtures/grub-sbms-good/binary_bios_measurements"
#define UBOOT "tests/fixtures/uboot-arm64-good/binary_bios_measurements"
#define SLOTA "HD(1,GPT,11111111-2222-3333-4444-555555550001,0x800,0x18000)"

static void our_own_boots_are_told_right(void **state)
{
	(void)state;
	assert_line(SBON, 4, "SecureBoot = on", CH_COVER_ALL);
	assert_line(SBON, 7, "db: 1 certificate (CN=iotgw db)", CH_COVER_ALL);
	assert_line(SBON, 8, "dbx: empty", CH_COVER_ALL);
	assert_line(SBON, 11, "Boot0001 = \"A\" " SLOTA "/\\EFI\\BOOT\\BOOTX64.EFI", CH_COVER_PART);
	assert_line(SBON, 28, "db allows what is started: CN=iotgw db", CH_COVER_ALL);
	assert_line(SBON, 30, "\\EFI\\BOOT\\BOOTX64.EFI on PciRoot(0x0)/Pci(0x1,0x0)/" SLOTA, CH_COVER_NONE);
	assert_line(SBON, 31, "UKI section .linux", CH_COVER_ALL);
	assert_line(SBON, 32, "UKI section .linux", CH_COVER_NONE);
	assert_line(
		GRUB, 7,
		"db: 2 certificates (CN=Microsoft Windows Production PCA 2011; CN=Microsoft Corporation UEFI CA 2011)",
		CH_COVER_ALL);
	assert_line(GRUB, 27,
		    "GPT of disk bb3992db-6b22-4f5d-8cdc-d86e58c68715, 2 partitions: ESP (0x800-0x307ff), data "
		    "(0x30800-0x407ff)",
		    CH_COVER_ALL);
	assert_line(GRUB, 31, "SbatLevel = sbat,1,2025021800; shim,4; grub,5", CH_COVER_ALL);
	assert_line(GRUB, 33, "MokListRT allows what is started: CN=Debian Secure Boot CA", CH_COVER_ALL);
	assert_line(GRUB, 61, "file /A/initrd", CH_COVER_NONE);
	assert_line(GRUB, 62, "GRUB command: boot", CH_COVER_PART);
	assert_line(UBOOT, 2, "SecureBoot = off", CH_COVER_ALL);
}

static void every_cut_of_every_event_is_decoded(void **state)
{
	(void)state;
	static const char *const path[] = { SBON, GRUB, UBOOT };
	for (size_t i = 0; i < CH_COUNT_OF(path); i++) {
		struct ch_buf b = { 0 };
		struct ch_tcg_log log;
		assert_int_equal(ch_file_read(&b, path[i]), CH_OK);
		assert_int_equal(ch_tcg_log_parse(&log, ch_buf_span(&b), NULL), CH_OK);
		struct ch_tcg_iter it = ch_tcg_iter(&log);
		while (ch_tcg_next(&it, &ev)) {
			struct ch_span whole = ev.data;
			for (size_t n = 0; n < whole.n; n++) {
				ev.data = ch_span(whole.p, n);
				ch_tcg_event_decode_only(&ev, &what);
				assert_true(what.defect == NULL || what.kind == CH_TCG_OPAQUE);
				assert_int_equal(what.cover, CH_COVER_NONE);
				(void)line();
			}
		}
		ch_buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_variable_that_is_measured_whole_is_covered),
		cmocka_unit_test(a_boot_variable_may_be_measured_by_its_value),
		cmocka_unit_test(flipped_content_is_not_covered),
		cmocka_unit_test(banks_that_disagree_are_a_conflict),
		cmocka_unit_test(a_bank_that_cannot_be_computed_says_nothing),
		cmocka_unit_test(lengths_of_a_variable_must_fit),
		cmocka_unit_test(shim_logs_a_few_bytes_too_many),
		cmocka_unit_test(variables_are_described),
		cmocka_unit_test(an_authority_is_described_by_what_it_allows),
		cmocka_unit_test(grub_measures_what_follows_its_prefix),
		cmocka_unit_test(names_of_what_was_measured_are_labels),
		cmocka_unit_test(a_section_is_measured_by_its_name_in_ascii),
		cmocka_unit_test(systemd_boot_measures_the_command_line),
		cmocka_unit_test(a_tagged_event_must_end_with_its_data),
		cmocka_unit_test(an_ipl_event_may_be_anything),
		cmocka_unit_test(an_image_is_never_covered),
		cmocka_unit_test(an_image_without_path_is_in_memory),
		cmocka_unit_test(firmware_events_are_decoded),
		cmocka_unit_test(what_breaks_its_format_is_opaque_and_says_why),
		cmocka_unit_test(handoff_tables_are_named),
		cmocka_unit_test(an_event_that_no_register_received_is_not_covered),
		cmocka_unit_test(a_line_has_at_most_1024_bytes),
		cmocka_unit_test(a_line_is_not_cut_inside_a_character),
		cmocka_unit_test(secure_boot_is_what_the_digest_covers),
		cmocka_unit_test(a_value_without_its_name_counts_only_in_first_place),
		cmocka_unit_test(secure_boot_is_read_from_its_register),
		cmocka_unit_test(our_own_boots_are_told_right),
		cmocka_unit_test(every_cut_of_every_event_is_decoded),
	};
	return cmocka_run_group_tests_name("tcg_event", tests, NULL, NULL);
}
