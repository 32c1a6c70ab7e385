/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/text.h"
#include "core/boot/reference.h"
#include "tests/unit.h"

#include <stdio.h>

/* Reference values are written by hand too, so every slip must be refused with its place, and nothing half-read may stay. */

#define HEAD "{\"format\":\"chainhold-reference/1\",\"kind\":\"baseline\",\"name\":\"n\",\"pcrs\":[0,7]"
#define D32  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define D20  "00112233445566778899aabbccddeeff00112233"

static struct ch_json_node node[512];
static struct ch_json doc;
static struct ch_reference ref;
static struct ch_ref_diag why;
static _Alignas(16) uint8_t memory[1 << 20];

static enum ch_err compile(const char *text)
{
	struct ch_diag d;
	assert_int_equal(ch_json_parse(&doc, ch_span_str(text), node, CH_COUNT_OF(node), &d), CH_OK);
	size_t room = ch_reference_arena_size(&doc, 1);
	assert_true(room <= sizeof(memory));
	struct ch_arena arena = ch_arena(memory, room);
	return ch_reference_compile(&ref, &doc, 1, &arena, &why);
}

static void every_slip_is_refused_and_placed(void **state)
{
	(void)state;
	static const struct {
		const char *text, *at; /* what stands at the offset that is named */
		enum ch_err err;
	} slip[] = {
		{ "[]", "[", CH_ERR_MALFORMED },
		{ "{}", "{", CH_ERR_MISSING },
		{ "{\"format\":\"chainhold-reference/2\"}", "\"chainhold-reference/2", CH_ERR_UNSUPPORTED },
		{ HEAD ",\"name\":\"m\"}", "\"name\":\"m\"", CH_ERR_DUPLICATE },
		{ HEAD ",\"nmae\":1}", "\"nmae", CH_ERR_UNKNOWN },
		{ "{\"kind\":\"base\"}", "\"base\"", CH_ERR_UNKNOWN },
		{ "{\"name\":\"\"}", "\"\"", CH_ERR_RANGE },
		{ "{\"name\":3}", "3", CH_ERR_MALFORMED },
		{ "{\"pcrs\":7}", "7", CH_ERR_MALFORMED },
		{ "{\"pcrs\":[24]}", "24", CH_ERR_RANGE },
		{ "{\"pcrs\":[-1]}", "-1", CH_ERR_RANGE },
		{ HEAD ",\"events\":[7]}", "7]}", CH_ERR_MALFORMED },
		{ HEAD ",\"events\":[{\"pcr\":0,\"type\":4294967296}]}", "4294967296", CH_ERR_RANGE },
		{ HEAD ",\"events\":[{\"pcr\":0,\"type\":1,\"digests\":{}}]}", "{}", CH_ERR_MISSING },
		{ HEAD ",\"events\":[{\"digests\":[]}]}", "[]", CH_ERR_MALFORMED },
		{ HEAD ",\"events\":[{\"digests\":{\"md5\":\"00\"}}]}", "\"md5", CH_ERR_UNKNOWN },
		{ HEAD ",\"events\":[{\"digests\":{\"sha1\":\"" D32 "\"}}]}", "\"" D32, CH_ERR_ENCODING },
		{ HEAD ",\"events\":[{\"digests\":{\"sha1\":\"" D20 "\",\"sha1\":\"" D20 "\"}}]}",
		  "\"sha1\":\"" D20 "\"}", CH_ERR_DUPLICATE },
		{ HEAD ",\"events\":[{\"required\":1}]}", "1}", CH_ERR_MALFORMED },
		{ HEAD ",\"rules\":[{\"rule\":\"any\"}]}", "\"any\"", CH_ERR_UNKNOWN },
		{ HEAD ",\"rules\":[{\"rule\":\"text\",\"tier\":\"none\"}]}", "\"none\"", CH_ERR_UNKNOWN },
		{ HEAD ",\"rules\":[{\"rule\":\"boot-order\"}]}", NULL, CH_ERR_MISSING },
		{ HEAD ",\"rules\":[{\"rule\":\"boot-option\",\"match\":[\"a\"]}]}", NULL, CH_ERR_MISSING },
		{ HEAD ",\"rules\":[{\"rule\":\"gpt\"}]}", NULL, CH_ERR_MISSING },
		{ HEAD ",\"rules\":[{\"rule\":\"gpt\",\"partitions\":[{\"type\":\"esp\"}]}]}", "\"esp\"",
		  CH_ERR_ENCODING },
		{ HEAD ",\"rules\":[{\"rule\":\"text\",\"match\":[\"a\"]}]}", NULL, CH_ERR_MISSING },
		{ HEAD ",\"rules\":[{\"rule\":\"pcrphase\"}]}", NULL, CH_ERR_MISSING },
		{ HEAD ",\"secure_boot\":{\"enabled\":\"yes\"}}", "\"yes\"", CH_ERR_MALFORMED },
		{ HEAD ",\"secure_boot\":{\"db\":[{\"type\":\"x509\"}]}}", NULL, CH_ERR_MISSING },
		{ HEAD ",\"secure_boot\":{\"db\":[{\"sha256\":\"" D32 "\"}]}}", NULL, CH_ERR_MISSING },
		{ HEAD ",\"secure_boot\":{\"db\":[{\"type\":\"other\"}]}}", "\"other\"", CH_ERR_UNKNOWN },
		{ HEAD ",\"secure_boot\":{\"db\":[{\"sha256\":\"00\"}]}}", "\"00\"", CH_ERR_ENCODING },
		{ HEAD ",\"events\":[{\"covers\":\"most\"}]}", "\"most\"", CH_ERR_UNKNOWN },
		{ HEAD ",\"rules\":[{\"rule\":\"smbios\"}]}", NULL, CH_ERR_MISSING },
		{ HEAD ",\"rules\":[{\"rule\":\"smbios\",\"match\":[\"bios-vendor\"]}]}", NULL, CH_ERR_UNKNOWN },
		{ HEAD ",\"rules\":[{\"rule\":\"smbios\",\"match\":[\"bios-color=*\"]}]}", NULL, CH_ERR_UNKNOWN },
		{ HEAD ",\"rules\":[{\"rule\":\"text\",\"type\":-1}]}", "-1", CH_ERR_RANGE },
		{ HEAD ",\"ima\":{\"files\":[{\"digests\":[7]}]}}", "7]", CH_ERR_MALFORMED },
		{ HEAD ",\"ima\":{}}", "{}}", CH_ERR_MISSING },
		{ HEAD ",\"ima\":{\"files\":[{\"path\":\"/a\",\"digests\":[\"" D32 "\"]}]}}", NULL, CH_ERR_ENCODING },
		{ HEAD ",\"ima\":{\"violations\":\"fine\"}}", "\"fine\"", CH_ERR_UNKNOWN },
	};
	for (size_t i = 0; i < CH_COUNT_OF(slip); i++) {
		enum ch_err err = compile(slip[i].text);
		if (err != slip[i].err)
			print_error("%s: %s, %s\n", slip[i].text, ch_err_str(err), why.rule);
		assert_int_equal(err, slip[i].err);
		assert_non_null(why.rule);
		assert_true(why.off < strlen(slip[i].text));
		/* The place of a string is its first character, after the quotation mark. */
		const char *at = slip[i].at != NULL && slip[i].at[0] == '"' ? slip[i].at + 1 : slip[i].at;
		if (at != NULL)
			assert_memory_equal(slip[i].text + why.off, at, strlen(at));
		assert_int_equal(ref.event_count + ref.rule_count + ref.file_count + ref.sig_count + ref.doc_count, 0);
	}
}

static void what_is_endorsed_is_found_by_all_of_its_facts(void **state)
{
	(void)state;
	assert_int_equal(compile(HEAD ",\"events\":[{\"pcr\":7,\"type\":1,\"digests\":{\"sha256\":\"" D32
				      "\"},\"required\":true}],"
				      "\"ima\":{\"files\":[{\"path\":\"/a\",\"digests\":[\"sha256:" D32
				      "\"]}],\"boot_aggregate\":false}}"),
			 CH_OK);
	uint8_t b[32];
	assert_int_equal(ch_hex_decode(b, sizeof(b), CH_SPAN_LIT(D32)), CH_OK);
	struct ch_span d = CH_SPAN_OF(b);
	const struct ch_ref_event *e = ch_reference_event(&ref, CH_REF_BASELINE, 7, 1, CH_HASH_SHA256, d);
	assert_non_null(e);
	assert_true(e->required && ref.pcr_mask == 0x81);
	assert_null(ch_reference_event(&ref, CH_REF_RELEASE, 7, 1, CH_HASH_SHA256, d));
	assert_null(ch_reference_event(&ref, CH_REF_BASELINE, 6, 1, CH_HASH_SHA256, d));
	assert_null(ch_reference_event(&ref, CH_REF_BASELINE, 7, 2, CH_HASH_SHA256, d));
	assert_int_equal(ch_reference_digest(&ref, e, CH_HASH_SHA384).n, 0);
	assert_non_null(ch_reference_file(&ref, CH_SPAN_LIT("/a"), CH_HASH_SHA256, d));
	assert_null(ch_reference_file(&ref, CH_SPAN_LIT("/b"), CH_HASH_SHA256, d));
	assert_null(ch_reference_file_by_path(&ref, CH_SPAN_LIT("/b")));
	b[31] ^= 1;
	assert_null(ch_reference_event(&ref, CH_REF_BASELINE, 7, 1, CH_HASH_SHA256, d));
	assert_null(ch_reference_file(&ref, CH_SPAN_LIT("/a"), CH_HASH_SHA256, d));
	assert_null(ch_reference_sig(&ref, CH_REF_DB, &ch_efi_cert_x509, b));
}

static void a_star_stands_for_any_run_and_nothing_else_does(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *text;
		bool match;
	} row[] = {
		{ "", "", true },
		{ "", "a", false },
		{ "a", "a", true },
		{ "a", "ab", false },
		{ "*", "", true },
		{ "a*", "a", true },
		{ "*b", "ab", true },
		{ "a*b*c", "axxbyyc", true },
		{ "a*b", "ab\n", false },
		{ "a*bc", "abcbc", true },
		{ "?", "a", false },
		{ "a**b", "ab", true },
		{ "a*b*c", "acb", false },
		{ "*a*", "bbb", false },
		/* An escaped star, and what only looks like one. */
		{ "[*]", "*", true },
		{ "[*]", "x", false },
		{ "[*]", "[x]", false },
		{ "[*]", "[*]", false },
		{ "[[*]]", "[*]", true },
		{ "[[*]]", "[x]", false },
		{ "a[*]b*c", "a*bxxc", true },
		{ "*[*]", "ab*", true },
		{ "*[*]", "abc", false },
		{ "*[*]c", "**c", true },
		{ "[*", "[abc", true },
		{ "[**]", "[a]", true },
		{ "*]", "*]", true },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		if (ch_ref_glob(ch_span_str(row[i].pattern), ch_span_str(row[i].text)) != row[i].match)
			fail_msg("'%s' and '%s'", row[i].pattern, row[i].text);
	}
}

static void documents_that_name_no_register_judge_nothing(void **state)
{
	(void)state;
	assert_int_equal(
		compile("{\"format\":\"chainhold-reference/1\",\"kind\":\"baseline\",\"name\":\"n\",\"pcrs\":[]}"),
		CH_ERR_MISSING);
	assert_non_null(why.rule);
	assert_int_equal(ref.doc_count, 0);
}

static void what_is_said_of_an_event_and_of_smbios_is_kept(void **state)
{
	(void)state;
	static const char *const covers[] = { "any", "all", "part" };
	for (size_t i = 0; i < CH_COUNT_OF(covers); i++) {
		char text[512];
		(void)snprintf(
			text, sizeof(text),
			HEAD ",\"events\":[{\"pcr\":4,\"type\":1,\"digests\":{\"sha1\":\"" D20
			     "\"},\"covers\":\"%s\"}],\"rules\":[{\"rule\":\"smbios\",\"match\":[\"bios-vendor=*\"]}]}",
			covers[i]);
		assert_int_equal(compile(text), CH_OK);
		assert_int_equal(ref.event[0].covers, i);
		assert_int_equal(ref.rule[0].kind, CH_RULE_SMBIOS);
		assert_int_equal(ref.rule[0].text_count, 1);
	}
}

static void a_certificate_and_its_hash_are_two_entries(void **state)
{
	(void)state;
	assert_int_equal(compile(HEAD ",\"secure_boot\":{\"enabled\":true,\"pk\":[],\"kek\":[],\"dbx\":[],\"db\":["
				      "{\"type\":\"x509\",\"sha256\":\"" D32 "\"},"
				      "{\"type\":\"3bd2a492-96c0-4079-b420-fcf98ef103ed\",\"sha256\":\"" D32 "\"}]}}"),
			 CH_OK);
	uint8_t b[32];
	assert_int_equal(ch_hex_decode(b, sizeof(b), CH_SPAN_LIT(D32)), CH_OK);
	struct ch_efi_guid hash_and_time;
	assert_int_equal(ch_efi_guid_parse(&hash_and_time, CH_SPAN_LIT("3bd2a492-96c0-4079-b420-fcf98ef103ed")), CH_OK);
	assert_non_null(ch_reference_sig(&ref, CH_REF_DB, &ch_efi_cert_x509, b));
	assert_non_null(ch_reference_sig(&ref, CH_REF_DB, &hash_and_time, b));
	assert_null(ch_reference_sig(&ref, CH_REF_DB, &ch_efi_cert_sha256, b));
	assert_null(ch_reference_sig(&ref, CH_REF_DBX, &ch_efi_cert_x509, b));
}

static void a_set_of_documents_is_bounded(void **state)
{
	(void)state;
	struct ch_arena arena = ch_arena(memory, sizeof(memory));
	assert_int_equal(ch_reference_compile(&ref, &doc, 0, &arena, &why), CH_ERR_LIMIT);
	assert_int_equal(compile(HEAD "}"), CH_OK);
	arena = ch_arena(memory, 64);
	assert_int_not_equal(ch_reference_compile(&ref, &doc, 1, &arena, &why), CH_OK);
	assert_int_equal(ref.doc_count, 0);
}

static void names_are_words_of_the_format(void **state)
{
	(void)state;
	assert_string_equal(ch_ref_kind_str(CH_REF_PINNED), "pinned");
	assert_string_equal(ch_ref_kind_str((enum ch_ref_kind)9), "unknown");
	assert_string_equal(ch_ref_rule_str(CH_RULE_PCRPHASE), "pcrphase");
	assert_string_equal(ch_ref_rule_str((enum ch_ref_rule_kind)9), "unknown");
	assert_string_equal(ch_ref_db_str(CH_REF_DBX), "dbx");
	assert_string_equal(ch_ref_db_str((enum ch_ref_db)9), "unknown");
	assert_string_equal(ch_tier_str(CH_TIER_NONE), "none");
	assert_string_equal(ch_tier_str(CH_TIER_AFFIRMING), "affirming");
	assert_string_equal(ch_tier_str(CH_TIER_WARNING), "warning");
	assert_string_equal(ch_tier_str(CH_TIER_CONTRAINDICATED), "contraindicated");
}

static void the_owner_of_a_key_does_not_count(void **state)
{
	(void)state;
	static const uint8_t hash[32] = { 7 };
	struct ch_efi_sig sig = { .type = ch_efi_cert_sha256, .data = CH_SPAN_OF(hash) };
	uint8_t id[32];
	assert_int_equal(ch_ref_sig_identity(&sig, id), CH_OK);
	assert_memory_equal(id, hash, 32);
	sig.owner.b[0] = 1;
	assert_int_equal(ch_ref_sig_identity(&sig, id), CH_OK);
	assert_memory_equal(id, hash, 32);
	sig.type = ch_efi_cert_x509;
	assert_int_equal(ch_ref_sig_identity(&sig, id), CH_OK);
	assert_memory_not_equal(id, hash, 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_slip_is_refused_and_placed),
		cmocka_unit_test(what_is_endorsed_is_found_by_all_of_its_facts),
		cmocka_unit_test(a_star_stands_for_any_run_and_nothing_else_does),
		cmocka_unit_test(documents_that_name_no_register_judge_nothing),
		cmocka_unit_test(what_is_said_of_an_event_and_of_smbios_is_kept),
		cmocka_unit_test(a_certificate_and_its_hash_are_two_entries),
		cmocka_unit_test(a_set_of_documents_is_bounded),
		cmocka_unit_test(names_are_words_of_the_format),
		cmocka_unit_test(the_owner_of_a_key_does_not_count),
	};
	return cmocka_run_group_tests_name("reference", tests, NULL, NULL);
}
