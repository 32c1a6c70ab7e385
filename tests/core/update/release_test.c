/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/release.h"

#include "host/crypto_openssl/backend.h"
#include "host/crypto_openssl/sign.h"
#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>

/* Every rule of docs/protocol/release.md; documents are made here with real keys, and then one thing is changed. */

#define KEYS  5 /* Ed25519 and P-256 in turn; 0 to 2 are the role's */
#define BEGIN 1790000000u
#define YEAR  31536000u
#define REFERENCE \
	"{\"format\":\"chainhold-reference/1\",\"kind\":\"release\",\"name\":\"gateway-os 1.4.0\",\"events\":[]}"

static struct ch_sign_key key[KEYS];
static struct ch_root_key pub[KEYS];
static struct ch_json_node node[CH_RELEASE_NODES_MAX];
static struct ch_diag diag;

static int setup(void **state)
{
	(void)state;
	if (ch_crypto_openssl_init() != CH_OK)
		return 1;
	for (size_t i = 0; i < KEYS; i++) {
		struct ch_pubkey p;
		if (ch_sign_key_make(&key[i], i % 2 == 0 ? CH_KEY_ED25519 : CH_KEY_P256) != CH_OK ||
		    ch_sign_key_pub(&key[i], &p) != CH_OK || ch_root_key_make(&pub[i], &p.pub) != CH_OK)
			return 1;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEYS; i++)
		ch_sign_key_clear(&key[i]);
	return 0;
}

/* A file under way. */
struct file {
	uint8_t bytes[CH_RELEASE_FILE_MAX + 1];
	size_t n, text;
};

static void describe(struct ch_release *r)
{
	memset(r, 0, sizeof(*r));
	r->name = CH_SPAN_LIT("gateway-os");
	r->version = CH_SPAN_LIT("1.4.0");
	r->sequence = 14;
	r->floor = 12;
	r->class_count = 2;
	r->class[0] = CH_SPAN_LIT("gateway");
	r->class[1] = CH_SPAN_LIT("gateway-test");
	r->role = CH_SPAN_LIT("firmware");
	r->issued = BEGIN;
	r->expires = BEGIN + YEAR;
	r->notes = CH_SPAN_LIT("Mends \"CVE-2026-1\".\nAnd more.");
	r->artifact_count = 2;
	r->artifact[0] = (struct ch_artifact){ .kind = CH_ARTIFACT_RAUC, .compatible = CH_SPAN_LIT("Gateway rev C") };
	r->artifact[0].file = (struct ch_release_file){ .name = CH_SPAN_LIT("gateway-1.4.0.raucb"), .size = 4096 };
	memset(r->artifact[0].file.sha256, 0xab, 32);
	r->artifact[1] = (struct ch_artifact){ .kind = CH_ARTIFACT_UKI };
	r->artifact[1].file = (struct ch_release_file){ .name = CH_SPAN_LIT("gateway.efi"), .size = 77 };
	memset(r->artifact[1].file.sha256, 0xcd, 32);
	r->has_sbom = true;
	r->sbom = (struct ch_release_file){ .name = CH_SPAN_LIT("sbom.spdx.json"), .size = 1 };
	r->reference = CH_SPAN_LIT(REFERENCE);
}

static void write_text(struct file *f, const struct ch_release *r)
{
	struct ch_wr w = ch_wr(f->bytes, sizeof(f->bytes));
	assert_int_equal(ch_release_put(&w, r, node, CH_COUNT_OF(node)), CH_OK);
	f->text = w.len;
	ch_wr_u8(&w, '\n');
	f->n = w.len;
}

static void sign_by(struct file *f, size_t k)
{
	uint8_t sig[CH_SIGN_BYTES];
	struct ch_wr w = ch_wr(f->bytes + f->n, sizeof(f->bytes) - f->n);
	assert_int_equal(ch_sign_message(&key[k], ch_span(f->bytes, f->text), sig), CH_OK);
	assert_int_equal(ch_role_sig_put(&w, &pub[k], sig), CH_OK);
	f->n += w.len;
}

static enum ch_err parse(struct ch_release *r, const struct file *f)
{
	enum ch_err err = ch_release_parse(r, ch_span(f->bytes, f->n), node, CH_COUNT_OF(node), &diag);
	assert_int_equal(err == CH_OK, diag.rule == NULL);
	assert_true(diag.off <= f->n);
	if (err != CH_OK)
		assert_int_equal(r->sequence, 0);
	return err;
}

/* Signed by the keys whose bits are set. */
static void made(struct ch_release *r, struct file *f, unsigned signers)
{
	static struct ch_release d;
	describe(&d);
	write_text(f, &d);
	for (size_t k = 0; k < KEYS; k++) {
		if ((signers >> k & 1) != 0)
			sign_by(f, k);
	}
	assert_int_equal(parse(r, f), CH_OK);
}

/* A fleet root, as far as a release is judged by it: role "firmware" has keys 0 to 2. */
static const struct ch_fleet_root *root_of(uint64_t threshold)
{
	static struct ch_fleet_root root;
	memset(&root, 0, sizeof(root));
	root.release_count = 2;
	root.release[0] = (struct ch_root_role){ .name = CH_SPAN_LIT("apps"), .threshold = 1, .count = 1 };
	root.release[0].key[0] = pub[3];
	root.release[1] = (struct ch_root_role){ .name = CH_SPAN_LIT("firmware"), .threshold = threshold, .count = 3 };
	for (size_t i = 0; i < 3; i++)
		root.release[1].key[i] = pub[i];
	return &root;
}

/* --- the parser --- */

static void what_is_written_is_read(void **state)
{
	static struct ch_release r;
	static struct file f, again;
	(void)state;
	made(&r, &f, 0x3);
	assert_span_equal(r.name, "gateway-os", 10);
	assert_span_equal(r.version, "1.4.0", 5);
	assert_int_equal(r.sequence, 14);
	assert_int_equal(r.floor, 12);
	assert_int_equal(r.class_count, 2);
	assert_span_equal(r.class[1], "gateway-test", 12);
	assert_span_equal(r.notes, "Mends \"CVE-2026-1\".\nAnd more.", 29);
	assert_int_equal(r.artifact_count, 2);
	assert_int_equal(r.artifact[0].kind, CH_ARTIFACT_RAUC);
	assert_span_equal(r.artifact[0].compatible, "Gateway rev C", 13);
	assert_int_equal(r.artifact[0].file.size, 4096);
	assert_int_equal(r.artifact[1].compatible.n, 0);
	assert_ptr_equal(ch_release_artifact(&r, r.artifact[1].file.sha256), &r.artifact[1]);
	assert_null(ch_release_artifact(&r, r.sbom.sha256));
	assert_true(r.has_sbom);
	assert_true(r.reference.n > 0 && r.reference.p[0] == '{');
	assert_int_equal(r.note.count, 2);
	write_text(&again, &r);
	assert_int_equal(again.text, f.text);
	assert_memory_equal(again.bytes, f.bytes, f.text);
}

static void what_may_be_absent_is_null(void **state)
{
	static struct ch_release d, r;
	static struct file f;
	(void)state;
	describe(&d);
	d.has_sbom = false;
	d.reference = CH_SPAN_EMPTY;
	d.notes = CH_SPAN_EMPTY;
	d.floor = 0;
	write_text(&f, &d);
	assert_int_equal(parse(&r, &f), CH_OK);
	assert_false(r.has_sbom);
	assert_int_equal(r.reference.n, 0);
	assert_int_equal(r.note.count, 0);
	assert_int_equal(ch_release_signed(&r, root_of(1), &diag), CH_ERR_UNTRUSTED);
}

static void every_cut_is_refused(void **state)
{
	static struct ch_release r;
	static struct file f, cut;
	(void)state;
	made(&r, &f, 0x3);
	for (size_t n = 0; n < f.n; n++) {
		memcpy(cut.bytes, f.bytes, n);
		cut.n = n;
		if (parse(&r, &cut) == CH_OK)
			assert_int_equal(ch_release_signed(&r, root_of(2), &diag), CH_ERR_UNTRUSTED);
	}
	memcpy(cut.bytes, f.bytes, f.n);
	cut.bytes[f.n] = '\n';
	cut.n = f.n + 1;
	assert_int_not_equal(parse(&r, &cut), CH_OK);
}

static void no_flipped_bit_is_trusted(void **state)
{
	static struct ch_release r;
	static struct file f;
	(void)state;
	made(&r, &f, 0x3);
	for (size_t i = 0; i < f.n; i += 3) {
		f.bytes[i] ^= (uint8_t)(1u << (i % 8));
		enum ch_err err = parse(&r, &f);
		if (err == CH_OK)
			err = ch_release_signed(&r, root_of(2), &diag);
		assert_int_not_equal(err, CH_OK);
		f.bytes[i] ^= (uint8_t)(1u << (i % 8));
	}
}

/* The document with its first `from` replaced, not signed. */
static enum ch_err parse_with(const char *from, const char *to)
{
	static struct ch_release d, r;
	static struct file f, g;
	describe(&d);
	write_text(&f, &d);
	f.bytes[f.n] = '\0';
	const char *text = (const char *)f.bytes;
	const char *at = strstr(text, from);
	assert_non_null(at);
	int n = snprintf((char *)g.bytes, sizeof(g.bytes), "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	assert_true(n > 0 && (size_t)n < sizeof(g.bytes));
	g.n = (size_t)n;
	return parse(&r, &g);
}

struct change {
	const char *from, *to;
	enum ch_err err;
};

static void try_all(const struct change *row, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		enum ch_err err = parse_with(row[i].from, row[i].to);
		if (err != row[i].err)
			print_message("%s -> %s: %s, not %s\n", row[i].from, row[i].to, ch_err_str(err),
				      ch_err_str(row[i].err));
		assert_int_equal(err, row[i].err);
	}
}

static void members_are_those_that_are_known(void **state)
{
	static const struct change row[] = {
		{ "\"sequence\": 14", "\"sequence\": 15", CH_OK },
		{ "\"sequence\": 14", "\"sequence\": 14, \"more\": 1", CH_ERR_UNKNOWN },
		{ "\"sequence\": 14", "\"sequence\": 14, \"sequence\": 14", CH_ERR_DUPLICATE },
		{ "\"sequence\": 14,", "", CH_ERR_MISSING },
		{ "\"sequence\": 14", "\"sequenc\\u0065\": 14", CH_ERR_UNKNOWN },
		{ "release/v1", "release/v2", CH_ERR_UNSUPPORTED },
		{ "\"compatible\": null", "\"more\": null", CH_ERR_UNKNOWN },
		{ "\"size\": 77,", "", CH_ERR_MISSING },
		{ "\"size\": 1,", "\"size\": 1, \"kind\": \"file\",", CH_ERR_UNKNOWN },
		{ "{", "[", CH_ERR_MALFORMED },
	};
	(void)state;
	try_all(row, CH_COUNT_OF(row));
}

static void every_field_out_of_range_is_refused(void **state)
{
	static const struct change row[] = {
		{ "\"gateway-os\"", "\"Gateway-os\"", CH_ERR_MALFORMED },
		{ "\"gateway-os\"", "\"\"", CH_ERR_MALFORMED },
		{ "\"1.4.0\"", "\"1.4 0\"", CH_ERR_MALFORMED },
		{ "\"1.4.0\"", "\"../1\"", CH_ERR_MALFORMED },
		{ "\"sequence\": 14", "\"sequence\": 0", CH_ERR_RANGE },
		{ "\"sequence\": 14", "\"sequence\": 9007199254740992", CH_ERR_RANGE },
		{ "\"sequence\": 14", "\"sequence\": 9007199254740991", CH_OK },
		{ "\"sequence\": 14", "\"sequence\": 11", CH_ERR_RANGE },
		{ "\"sequence\": 14", "\"sequence\": 14.0", CH_ERR_MALFORMED },
		{ "\"sequence\": 14", "\"sequence\": -1", CH_ERR_MALFORMED },
		{ "\"sequence\": 14", "\"sequence\": \"14\"", CH_ERR_MALFORMED },
		{ "\"floor\": 12", "\"floor\": 15", CH_ERR_RANGE },
		{ "\"floor\": 12", "\"floor\": 14", CH_OK },
		{ "\"gateway-test\"", "\"gateway\"", CH_ERR_DUPLICATE },
		{ "\"gateway-test\"", "\"Gateway\"", CH_ERR_MALFORMED },
		{ "\"gateway-test\"", "7", CH_ERR_MALFORMED },
		{ "\"firmware\"", "\"\"", CH_ERR_MALFORMED },
		{ "\"expires\": 1821536000", "\"expires\": 1790000000", CH_ERR_RANGE },
		{ "\"issued\": 1790000000", "\"issued\": 0", CH_ERR_RANGE },
		{ "\"expires\": 1821536000", "\"expires\": 9223372036854775808", CH_ERR_RANGE },
		{ "And more.", "And\\u001b[2J more.", CH_ERR_ENCODING },
		{ "And more.", "And \\u202e more.", CH_ERR_ENCODING },
		{ "\"gateway.efi\"", "\"../gateway.efi\"", CH_ERR_MALFORMED },
		{ "\"gateway.efi\"", "\"a/gateway.efi\"", CH_ERR_MALFORMED },
		{ "\"gateway.efi\"", "\".gateway.efi\"", CH_ERR_MALFORMED },
		{ "\"gateway.efi\"", "\"a\\u002fb\"", CH_ERR_ENCODING },
		{ "\"gateway.efi\"", "\"gateway-1.4.0.raucb\"", CH_ERR_DUPLICATE },
		{ "\"size\": 4096", "\"size\": 0", CH_ERR_RANGE },
		{ "\"size\": 4096", "\"size\": 1099511627776", CH_OK },
		{ "\"size\": 4096", "\"size\": 1099511627777", CH_ERR_RANGE },
		{ "\"size\": 4096", "\"size\": 18446744073709551616", CH_ERR_MALFORMED },
		{ "\"abab", "\"aba", CH_ERR_RANGE },
		{ "\"abab", "\"ABab", CH_ERR_ENCODING },
		{ "\"abab", "\"xbab", CH_ERR_ENCODING },
		{ "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
		  "abababababababababababababababababababababababababababababababab", CH_ERR_DUPLICATE },
		{ "\"kind\": \"uki\"", "\"kind\": \"exe\"", CH_ERR_UNSUPPORTED },
		{ "\"kind\": \"uki\"", "\"kind\": \"rauc\"", CH_ERR_MISSING },
		{ "\"Gateway rev C\"", "\"\"", CH_ERR_MALFORMED },
		{ "\"Gateway rev C\"", "\"Gateway\u202eC\"", CH_ERR_MALFORMED },
		{ "\"Gateway rev C\"", "null", CH_ERR_MISSING },
		{ "\"sbom.spdx.json\"", "\"/sbom\"", CH_ERR_MALFORMED },
		{ "\"kind\": \"release\"", "\"kind\": \"baseline\"", CH_ERR_MISMATCH },
		{ "\"gateway-os 1.4.0\"", "\"gateway-os 1.4.1\"", CH_ERR_MISMATCH },
		{ "\"gateway-os 1.4.0\"", "\"gateway-os  1.4.0\"", CH_ERR_MISMATCH },
		{ "chainhold-reference/1", "chainhold-reference/2", CH_ERR_MISMATCH },
		{ "\"format\"", "\"formal\"", CH_ERR_MISSING },
		{ "\"reference\": {", "\"reference\": 1, \"x\": {", CH_ERR_MALFORMED },
	};
	(void)state;
	try_all(row, CH_COUNT_OF(row));
}

static void a_list_is_no_longer_than_its_limit(void **state)
{
	char many[CH_RELEASE_CLASSES_MAX * 16 + 64];
	(void)state;
	for (size_t count = CH_RELEASE_CLASSES_MAX - 2; count <= CH_RELEASE_CLASSES_MAX - 1; count++) {
		size_t n = 0;
		for (size_t i = 0; i < count; i++)
			n += (size_t)snprintf(many + n, sizeof(many) - n, "\"c%zu\", ", i);
		(void)snprintf(many + n, sizeof(many) - n, "\"gateway-test\"");
		assert_int_equal(parse_with("\"gateway-test\"", many),
				 count + 2 <= CH_RELEASE_CLASSES_MAX ? CH_OK : CH_ERR_LIMIT);
	}
	assert_int_equal(parse_with("\"gateway\",\n    \"gateway-test\"", ""), CH_ERR_MISSING);
}

static void a_document_has_a_limit(void **state)
{
	static struct ch_release r;
	static struct file f;
	(void)state;
	made(&r, &f, 0);
	memmove(f.bytes + 1 + CH_RELEASE_MAX - f.text, f.bytes + 1, f.n - 1);
	memset(f.bytes + 1, ' ', CH_RELEASE_MAX - f.text);
	f.n += CH_RELEASE_MAX - f.text;
	assert_int_equal(parse(&r, &f), CH_OK);
	memmove(f.bytes + 1, f.bytes, f.n++);
	assert_int_equal(parse(&r, &f), CH_ERR_LIMIT);
}

static void nodes_have_a_limit(void **state)
{
	static struct ch_release r;
	static struct file f;
	(void)state;
	made(&r, &f, 0);
	assert_int_equal(ch_release_parse(&r, ch_span(f.bytes, f.n), node, 10, &diag), CH_ERR_NOSPACE);
}

/* --- the judge --- */

static void a_threshold_is_distinct_keys_of_the_role(void **state)
{
	static struct ch_release r;
	static struct file f;
	(void)state;
	made(&r, &f, 0x5);
	assert_int_equal(ch_release_signed(&r, root_of(2), &diag), CH_OK);
	assert_int_equal(ch_release_signed(&r, root_of(3), &diag), CH_ERR_UNTRUSTED);
	/* keys of another role and of nobody count nothing */
	made(&r, &f, 0x19);
	assert_int_equal(ch_release_signed(&r, root_of(2), &diag), CH_ERR_UNTRUSTED);
	/* nor does a key that signs twice */
	made(&r, &f, 0x1);
	sign_by(&f, 0);
	assert_int_equal(parse(&r, &f), CH_OK);
	assert_int_equal(r.note.count, 2);
	assert_int_equal(ch_release_signed(&r, root_of(2), &diag), CH_ERR_UNTRUSTED);
}

static void a_role_that_the_fleet_root_does_not_have_trusts_nobody(void **state)
{
	static struct ch_release r, d;
	static struct file f;
	(void)state;
	describe(&d);
	d.role = CH_SPAN_LIT("firmwares");
	write_text(&f, &d);
	sign_by(&f, 0);
	assert_int_equal(parse(&r, &f), CH_OK);
	assert_int_equal(ch_release_signed(&r, root_of(1), &diag), CH_ERR_UNTRUSTED);
	assert_non_null(strstr(diag.rule, "no release role"));
}

static void a_signature_that_does_not_hold_is_said(void **state)
{
	static struct ch_release r;
	static struct file f;
	uint8_t sig[CH_SIGN_BYTES];
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		made(&r, &f, 0x4);
		struct ch_wr w = ch_wr(f.bytes + f.n, sizeof(f.bytes) - f.n);
		assert_int_equal(ch_sign_message(&key[k], CH_SPAN_LIT("another text"), sig), CH_OK);
		assert_int_equal(ch_role_sig_put(&w, &pub[k], sig), CH_OK);
		f.n += w.len;
		assert_int_equal(parse(&r, &f), CH_OK);
		assert_int_equal(ch_release_signed(&r, root_of(1), &diag), CH_ERR_SIGNATURE);
		assert_true(diag.off > f.text && diag.off < f.n);
	}
}

static enum ch_err check(const struct ch_release *r, const char *class, uint64_t sequence, uint64_t time)
{
	return ch_release_check(r, root_of(2), ch_span_str(class), sequence, time, &diag);
}

static void a_device_asks_class_time_and_order(void **state)
{
	static struct ch_release r;
	static struct file f;
	(void)state;
	made(&r, &f, 0x3);
	assert_int_equal(check(&r, "gateway", 14, BEGIN), CH_OK);
	assert_int_equal(check(&r, "gateway-test", 0, BEGIN + YEAR - 1), CH_OK);
	assert_int_equal(check(&r, "gatewa", 0, BEGIN), CH_ERR_MISMATCH);
	assert_int_equal(check(&r, "", 0, BEGIN), CH_ERR_MISMATCH);
	assert_int_equal(check(&r, "gateway", 15, BEGIN), CH_ERR_RANGE);
	assert_non_null(strstr(diag.rule, "floor"));
	assert_int_equal(check(&r, "gateway", 0, BEGIN + YEAR), CH_ERR_RANGE);
	assert_non_null(strstr(diag.rule, "expired"));
	made(&r, &f, 0x1);
	assert_int_equal(check(&r, "gateway", 0, BEGIN), CH_ERR_UNTRUSTED);
}

/* --- writing --- */

static void a_writer_refuses_what_a_reader_would(void **state)
{
	static struct ch_release r;
	static uint8_t room[4096];
	struct ch_wr w = ch_wr(room, sizeof(room));
	(void)state;
	describe(&r);
	r.floor = 15;
	assert_int_equal(ch_release_put(&w, &r, node, CH_COUNT_OF(node)), CH_ERR_RANGE);
	describe(&r);
	r.artifact[0].file.name = CH_SPAN_LIT("../x");
	assert_int_equal(ch_release_put(&w, &r, node, CH_COUNT_OF(node)), CH_ERR_RANGE);
	describe(&r);
	r.class_count = 0;
	assert_int_equal(ch_release_put(&w, &r, node, CH_COUNT_OF(node)), CH_ERR_RANGE);
	assert_int_equal(w.len, 0);
	describe(&r);
	w = ch_wr(room, 100);
	assert_int_equal(ch_release_put(&w, &r, node, CH_COUNT_OF(node)), CH_ERR_NOSPACE);
}

static void the_record_of_the_log_is_canonical(void **state)
{
	static struct ch_release r;
	uint8_t text[CH_RELEASE_RECORD_MAX], sha256[32] = { 0x01 };
	struct ch_wr w = ch_wr(text, sizeof(text));
	static const char want[] =
		"{\"type\":\"release\",\"name\":\"gateway-os\",\"version\":\"1.4.0\",\"sequence\":14,"
		"\"sha256\":\"0100000000000000000000000000000000000000000000000000000000000000\"}";
	(void)state;
	describe(&r);
	ch_release_record_put(&w, &r, sha256);
	assert_span_equal(ch_wr_span(&w), want, sizeof(want) - 1);
}

static void every_kind_has_a_word(void **state)
{
	enum ch_artifact_kind kind;
	(void)state;
	for (unsigned i = 0; i < CH_ARTIFACT_KIND_COUNT; i++) {
		assert_int_equal(
			ch_artifact_kind_by_name(ch_span_str(ch_artifact_kind_str((enum ch_artifact_kind)i)), &kind),
			CH_OK);
		assert_int_equal(kind, i);
	}
	assert_int_equal(ch_artifact_kind_by_name(CH_SPAN_LIT("RAUC"), &kind), CH_ERR_UNKNOWN);
	assert_string_equal(ch_artifact_kind_str(CH_ARTIFACT_KIND_COUNT), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(what_may_be_absent_is_null),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(no_flipped_bit_is_trusted),
		cmocka_unit_test(members_are_those_that_are_known),
		cmocka_unit_test(every_field_out_of_range_is_refused),
		cmocka_unit_test(a_list_is_no_longer_than_its_limit),
		cmocka_unit_test(a_document_has_a_limit),
		cmocka_unit_test(nodes_have_a_limit),
		cmocka_unit_test(a_threshold_is_distinct_keys_of_the_role),
		cmocka_unit_test(a_role_that_the_fleet_root_does_not_have_trusts_nobody),
		cmocka_unit_test(a_signature_that_does_not_hold_is_said),
		cmocka_unit_test(a_device_asks_class_time_and_order),
		cmocka_unit_test(a_writer_refuses_what_a_reader_would),
		cmocka_unit_test(the_record_of_the_log_is_canonical),
		cmocka_unit_test(every_kind_has_a_word),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
