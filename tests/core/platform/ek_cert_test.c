/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/ek_cert.h"
#include "tests/unit.h"

#include "host/base/file.h"
#include "tests/core/platform/cert_maker.h"

#define NOW INT64_C(1700000000) /* 2023-11-14 */

static EVP_PKEY *key, *root_key, *middle_key;

static int keys_make(void **state)
{
	(void)state;
	key = make_key();
	root_key = make_key();
	middle_key = make_key();
	return 0;
}

static int keys_free(void **state)
{
	(void)state;
	EVP_PKEY_free(key);
	EVP_PKEY_free(root_key);
	EVP_PKEY_free(middle_key);
	return 0;
}

static struct ch_ek_cert read_ok(struct ch_span der)
{
	struct ch_ek_cert c;
	struct ch_diag d;
	assert_int_equal(ch_ek_cert_parse(&c, der, &d), CH_OK);
	return c;
}

/* An EK certificate without fault, signed by the root; its extensions may be replaced. */
static struct maker ek_bare(void)
{
	return (struct maker){ .key = key, .signer = root_key, .subject = CH_SPAN_LIT("\x30\x00") };
}

static struct maker ek(void)
{
	struct maker m = ek_bare();
	MAKE_NOT_CA(&m);
	MAKE_AGREEMENT(&m);
	MAKE_EKU_EK(&m);
	MAKE_CE(&m, 35, 0, "\x30\x03\x80\x01\x07");
	make_san(&m, 1, 1, tpm_names, false);
	return m;
}

static struct maker root(void)
{
	struct maker m = { .subject_cn = "root", .key = root_key };
	MAKE_CA(&m);
	MAKE_CERT_SIGN(&m);
	return m;
}

static bool has_note(const struct ch_ek_notes *n, const char *part)
{
	for (size_t i = 0; i < n->count && i < CH_EK_NOTES_MAX; i++) {
		if (strstr(n->note[i].text, part) != NULL)
			return true;
	}
	return false;
}

static struct ch_ek_notes violations_of(struct maker *m)
{
	struct ch_ek_notes bad = { .count = 0 }, odd = { .count = 0 };
	struct ch_ek_cert c = read_ok(make(m));
	ch_ek_cert_check(&c, &bad, &odd);
	return bad;
}

static struct ch_ek_notes warnings_of(struct maker *m)
{
	struct ch_ek_notes bad = { .count = 0 }, odd = { .count = 0 };
	struct ch_ek_cert c = read_ok(make(m));
	ch_ek_cert_check(&c, &bad, &odd);
	return odd;
}

static void a_good_ek_certificate_holds(void **state)
{
	(void)state;
	struct maker m = ek();
	struct ch_ek_cert c = read_ok(make(&m));
	assert_int_equal(c.kind, CH_EK_EK);
	assert_int_equal(c.defects, 0);
	assert_int_equal(c.forbidden, 0);
	assert_int_equal(violations_of(&m).count, 0);
	assert_int_equal(warnings_of(&m).count, 0);
}

static void kinds_are_told_apart(void **state)
{
	(void)state;
	static const char *const platform[3] = { "maker", "model", "1" };
	struct maker m = root();
	assert_string_equal(ch_ek_kind_str(read_ok(make(&m)).kind), "ca");
	MAKE_EKU_EK(&m); /* an authority for EK certificates */
	assert_int_equal(read_ok(make(&m)).kind, CH_EK_CA);
	m = ek_bare();
	assert_string_equal(ch_ek_kind_str(read_ok(make(&m)).kind), "other");
	MAKE_EKU_AK(&m);
	assert_string_equal(ch_ek_kind_str(read_ok(make(&m)).kind), "ak");
	m = ek_bare();
	make_san(&m, 1, 4, platform, false);
	assert_string_equal(ch_ek_kind_str(read_ok(make(&m)).kind), "platform");
	m = ek_bare();
	m.attribute = true;
	assert_int_equal(read_ok(make(&m)).kind, CH_EK_PLATFORM);
	m = ek_bare();
	make_san(&m, 1, 1, tpm_names, false);
	assert_int_equal(read_ok(make(&m)).kind, CH_EK_OTHER);
	MAKE_SIGNATURE(&m);
	assert_int_equal(read_ok(make(&m)).kind, CH_EK_AK);
	m = ek_bare();
	make_ext(&m, CH_SPAN_LIT("\x2b\x06\x01\x04\x01\xd6\x79\x02\x01\x15"), 0, CH_SPAN_LIT("\x30\x00"));
	MAKE_AGREEMENT(&m);
	assert_string_equal(ch_ek_kind_str(read_ok(make(&m)).kind), "ek");
	assert_string_equal(ch_ek_kind_str((enum ch_ek_kind)99), "other");
}

static void an_ek_that_is_a_ca_does_not_hold(void **state)
{
	(void)state;
	struct maker m = ek_bare();
	MAKE_CA(&m);
	MAKE_CERT_SIGN(&m);
	MAKE_EKU_EK(&m);
	make_san(&m, 1, 1, tpm_names, false);
	struct ch_ek_notes n = violations_of(&m);
	assert_true(has_note(&n, "cA is TRUE"));
	assert_true(has_note(&n, "sign certificates"));
	assert_true(has_note(&n, "keyAgreement"));
	m.ext_n = 0;
	MAKE_CA(&m);
	MAKE_EKU_AK(&m);
	make_san(&m, 1, 1, tpm_names, false);
	n = violations_of(&m);
	assert_true(has_note(&n, "cA is TRUE"));
}

static void the_key_may_do_what_its_kind_does(void **state)
{
	(void)state;
	struct maker m = ek_bare();
	MAKE_NOT_CA(&m);
	MAKE_CE(&m, 15, 1, "\x03\x02\x03\x88"); /* sign and agree */
	MAKE_EKU_EK(&m);
	make_san(&m, 1, 1, tpm_names, false);
	struct ch_ek_notes n = violations_of(&m);
	assert_true(has_note(&n, "endorsement key sign"));
	m = ek_bare();
	MAKE_NOT_CA(&m);
	MAKE_AGREEMENT(&m);
	MAKE_EKU_AK(&m);
	make_san(&m, 1, 1, tpm_names, false);
	n = violations_of(&m);
	assert_true(has_note(&n, "digitalSignature"));
	m = ek_bare();
	MAKE_NOT_CA(&m);
	MAKE_SIGNATURE(&m);
	MAKE_CE(&m, 37, 0, "\x30\x0e\x06\x05\x67\x81\x05\x08\x01\x06\x05\x67\x81\x05\x08\x03");
	make_san(&m, 1, 1, tpm_names, false);
	n = violations_of(&m);
	assert_true(has_note(&n, "an endorsement key and an attestation key"));
}

static void an_unknown_critical_extension_does_not_hold(void **state)
{
	(void)state;
	struct maker m = ek();
	MAKE_CE(&m, 30, 1, "\x30\x00"); /* nameConstraints */
	struct ch_ek_notes n = violations_of(&m);
	assert_true(has_note(&n, "unknown extension"));
	m = ek();
	MAKE_CE(&m, 30, 0, "\x30\x00");
	assert_int_equal(violations_of(&m).count, 0);
}

static void other_rules(void **state)
{
	(void)state;
	struct maker m = ek();
	m.not_after = "140101000000Z";
	struct ch_ek_notes n = violations_of(&m);
	assert_true(has_note(&n, "ends before it begins"));
	m = ek_bare();
	MAKE_EKU_EK(&m);
	MAKE_AGREEMENT(&m);
	make_san(&m, 0, 1, tpm_names, false);
	n = warnings_of(&m);
	assert_true(has_note(&n, "no basicConstraints"));
	assert_true(has_note(&n, "no authorityKeyIdentifier"));
	assert_true(has_note(&n, "subjectAltName not critical"));
	m = ek();
	m.spki = CH_SPAN_LIT("\x30\x0a\x30\x04\x06\x02\x2a\x03\x03\x02\x00\x01");
	n = warnings_of(&m);
	assert_true(has_note(&n, "not used here"));
	m = root();
	m.ext_n = 0;
	MAKE_CA(&m);
	MAKE_SIGNATURE(&m);
	n = violations_of(&m);
	assert_true(has_note(&n, "lacks keyCertSign"));
	m = ek_bare();
	m.attribute = true;
	n = warnings_of(&m);
	assert_true(has_note(&n, "manufacturer, model and version"));
	m = ek_bare();
	n = warnings_of(&m);
	assert_true(has_note(&n, "neither"));
}

/* A defect is tolerated from who ships it, and from nobody else. */
static void defect_is_of(struct maker m, enum ch_ek_defect defect, const char *vendor_o)
{
	uint32_t bit = 1u << defect;
	struct ch_ek_cert c = read_ok(make(&m));
	assert_int_equal(c.defects & bit, 0);
	assert_int_equal(c.forbidden & bit, bit);
	struct ch_ek_notes n = violations_of(&m);
	assert_true(has_note(&n, ch_ek_defect_str(defect)));
	m.issuer_o = vendor_o;
	c = read_ok(make(&m));
	assert_int_equal(c.defects & bit, bit);
	assert_int_equal(c.forbidden & bit, 0);
	assert_non_null(ch_ek_defect_vendor(defect, c.vendor));
}

static void defects_belong_to_their_vendors(void **state)
{
	(void)state;
	struct maker m = ek();
	m.subject = CH_SPAN_LIT(
		"\x30\x16\x31\x14\x30\x08\x06\x03\x55\x04\x0a\x0c\x01x\x30\x08\x06\x03\x55\x04\x03\x0c\x01x");
	defect_is_of(m, CH_EK_SET_ORDER, "Nuvoton Technology Corporation");
	m = ek();
	m.serial = CH_SPAN_LIT("\x00\x01");
	defect_is_of(m, CH_EK_SERIAL_FORM, "STMicroelectronics NV");
	m = ek();
	m.sha1 = true;
	defect_is_of(m, CH_EK_SHA1, "Infineon Technologies AG");
	m = ek_bare();
	MAKE_AGREEMENT(&m);
	make_san(&m, 1, 1, tpm_names, false);
	defect_is_of(m, CH_EK_NO_EKU, "Google LLC");
	m = ek_bare();
	MAKE_EKU_EK(&m);
	make_san(&m, 1, 1, tpm_names, false);
	defect_is_of(m, CH_EK_NO_KEY_USAGE, "STMicroelectronics NV");
	m = ek_bare();
	MAKE_EKU_EK(&m);
	MAKE_AGREEMENT(&m);
	defect_is_of(m, CH_EK_NO_DEVICE, "Google LLC");
	m = ek_bare();
	m.attribute = true;
	make_san(&m, 0, 4, tpm_names, true);
	defect_is_of(m, CH_EK_SAN_NAME, "Intel Corporation");
}

static void sha1_is_not_tolerated_of_later_years(void **state)
{
	(void)state;
	struct maker m = ek();
	m.sha1 = true;
	m.issuer_o = "STMicroelectronics NV";
	m.not_before = "191231235959Z";
	assert_int_equal(read_ok(make(&m)).forbidden, 0);
	m.not_before = "200101000000Z";
	assert_int_equal(read_ok(make(&m)).forbidden, 1u << CH_EK_SHA1);
}

static void harmless_defects_are_only_told(void **state)
{
	(void)state;
	struct maker m = ek();
	m.subject = CH_SPAN_EMPTY;
	m.subject_cn = "unknown";
	m.issuer_cn = "swtpm-localca";
	struct ch_ek_cert c = read_ok(make(&m));
	assert_int_equal(c.vendor, CH_EK_VENDOR_SWTPM);
	assert_int_equal(c.defects, 1u << CH_EK_SAN_CRITICAL);
	assert_string_equal(ch_ek_defect_vendor(CH_EK_SAN_CRITICAL, c.vendor), "swtpm");
	m = ek();
	m.serial = CH_SPAN_LIT("\x80");
	assert_int_equal(read_ok(make(&m)).defects, 1u << CH_EK_SERIAL_SIGN);
	assert_null(ch_ek_defect_vendor(CH_EK_SERIAL_SIGN, CH_EK_VENDOR_NONE));
	assert_int_equal(violations_of(&m).count, 0);
	assert_null(ch_ek_defect_vendor(CH_EK_DEFECT_COUNT, CH_EK_VENDOR_NONE));
	assert_string_equal(ch_ek_defect_str(CH_EK_DEFECT_COUNT), "");
	for (size_t i = 0; i < CH_EK_DEFECT_COUNT; i++)
		assert_true(strlen(ch_ek_defect_str((enum ch_ek_defect)i)) > 0);
}

/* --- container --- */

static enum ch_err wrapped(struct maker *m, const char *before, size_t n, uint8_t pad, size_t padding,
			   uint32_t *defects)
{
	static uint8_t buf[8192];
	struct ch_wr w = ch_wr(buf, sizeof(buf));
	struct ch_ek_cert c;
	struct ch_diag d;
	struct ch_span der = make(m);
	ch_wr_put(&w, ch_span(before, n));
	if (n == 3) {
		ch_wr_be16(&w, (uint16_t)(der.n + 2));
		ch_wr_put(&w, CH_SPAN_LIT("\x10\x02"));
	}
	ch_wr_put(&w, der);
	for (size_t i = 0; i < padding; i++)
		ch_wr_u8(&w, pad);
	enum ch_err err = ch_ek_cert_parse(&c, ch_wr_span(&w), &d);
	*defects = c.defects;
	assert_true(err == CH_OK || (d.rule != NULL && d.off <= w.len));
	return err;
}

static void nv_memory_puts_things_around_a_certificate(void **state)
{
	(void)state;
	uint32_t header = 1u << CH_EK_NV_HEADER, padding = 1u << CH_EK_NV_PADDING, found = 0;
	struct maker m = ek();
	assert_int_equal(wrapped(&m, "\x10\x01\x00", 3, 0, 0, &found), CH_OK);
	assert_int_equal(found, header);
	assert_int_equal(wrapped(&m, "\x10\x01\x00", 3, 0xff, 100, &found), CH_OK);
	assert_int_equal(found, header | padding);
	assert_int_equal(wrapped(&m, "", 0, 0xff, 1, &found), CH_OK);
	assert_int_equal(found, padding);
	assert_int_equal(wrapped(&m, "", 0, 0, 300, &found), CH_OK);
	assert_int_equal(wrapped(&m, "", 0, 1, 1, &found), CH_ERR_TRAILING);
	assert_int_equal(wrapped(&m, "\x10\x01\x00", 3, 'x', 1, &found), CH_ERR_TRAILING);
	assert_int_equal(wrapped(&m, "\x10\x01\x00\x10\x00\x10\x02", 7, 0, 0, &found), CH_ERR_TRUNCATED);
	assert_int_equal(wrapped(&m, "\x10\x01\x00\x00\x04\x10\x03", 7, 0, 0, &found), CH_ERR_UNSUPPORTED);
	assert_int_equal(wrapped(&m, "\x10\x01\x00\x00\x02\x10\x02", 7, 0, 0, &found), CH_ERR_MISSING);
	assert_int_equal(wrapped(&m, "\x10\x01\x01", 3, 0, 0, &found), CH_ERR_MALFORMED);
}

static void offsets_count_from_the_start_of_the_file(void **state)
{
	(void)state;
	uint8_t buf[16] = { 0x10, 0x01, 0x00, 0x00, 0x06, 0x10, 0x02, 0x30, 0x02, 0x05, 0x00 };
	struct ch_ek_cert c;
	struct ch_diag d;
	assert_int_equal(ch_ek_cert_parse(&c, ch_span(buf, 11), &d), CH_ERR_MALFORMED);
	assert_int_equal(d.off, 9);
	assert_int_equal(ch_ek_cert_parse(&c, ch_span(buf, 11), NULL), CH_ERR_MALFORMED);
	assert_int_equal(ch_ek_cert_parse(&c, CH_SPAN_EMPTY, &d), CH_ERR_MISSING);
}

static void manufacturers_are_known_by_name(void **state)
{
	(void)state;
	static const char *const row[][2] = { { "id:53544D20", "STM" },         { "id:49465800", "IFX" },
					      { "id:4E544300", "NTC" },         { "id:00001014", "id:00001014" },
					      { "id:00000000", "id:00000000" }, { "id:5354", "id:5354" },
					      { "id:5354zz20", "id:5354zz20" }, { "Infineon", "Infineon" } };
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		char buf[32] = { 0 };
		struct ch_wr w = ch_wr(buf, sizeof(buf) - 1);
		ch_ek_manufacturer_put(&w, (struct ch_x509_text){ CH_DER_UTF8_STRING, ch_span_str(row[i][0]) });
		assert_string_equal(buf, row[i][1]);
	}
}

/* --- chains --- */

struct ca {
	struct maker m[4];
	struct ch_ek_cert pool[4];
	size_t count, anchors;
	struct maker leaf_m;
	struct ch_ek_cert leaf;
	struct ch_ek_chain chain;
	struct ch_ek_notes bad;
};

static enum ch_err judge_at(struct ca *ca, int64_t now)
{
	for (size_t i = 0; i < ca->count; i++)
		ca->pool[i] = read_ok(make(&ca->m[i]));
	ca->leaf = read_ok(make(&ca->leaf_m));
	ca->bad = (struct ch_ek_notes){ .count = 0 };
	const struct ch_ek_pool pool = { ca->pool, ca->count, ca->anchors };
	return ch_ek_chain_check(&ca->chain, &ca->leaf, &pool, now, &ca->bad);
}

static void refused(struct ca *ca, int64_t now, const char *why)
{
	assert_int_equal(judge_at(ca, now), CH_ERR_UNTRUSTED);
	if (!has_note(&ca->bad, why))
		print_error("wanted '%s', got '%s'\n", why, ca->bad.note[0].text);
	assert_true(has_note(&ca->bad, why));
}

/* root → leaf */
static struct ca short_chain(void)
{
	return (struct ca){ .m = { root() }, .count = 1, .anchors = 1, .leaf_m = ek() };
}

/* root → middle → leaf; the middle one is no anchor */
static struct ca long_chain(void)
{
	struct ca ca = short_chain();
	struct maker m = { .subject_cn = "middle", .key = middle_key, .signer = root_key };
	MAKE_CA(&m);
	MAKE_CERT_SIGN(&m);
	ca.m[1] = m;
	ca.count = 2;
	ca.leaf_m.issuer_cn = "middle";
	ca.leaf_m.signer = middle_key;
	return ca;
}

static void chains_to_an_anchor_hold(void **state)
{
	(void)state;
	struct ca ca = short_chain();
	assert_int_equal(judge_at(&ca, NOW), CH_OK);
	assert_int_equal(ca.chain.count, 2);
	ca = long_chain();
	assert_int_equal(judge_at(&ca, NOW), CH_OK);
	assert_int_equal(ca.chain.count, 3);
	/* the middle one alone, trusted */
	ca.m[0] = ca.m[1];
	ca.count = ca.anchors = 1;
	assert_int_equal(judge_at(&ca, NOW), CH_OK);
	assert_int_equal(ca.chain.count, 2);
	/* the certificate itself is an anchor */
	const struct ch_ek_pool itself = { &ca.leaf, 1, 1 };
	assert_int_equal(ch_ek_chain_check(&ca.chain, &ca.leaf, &itself, NOW, &ca.bad), CH_OK);
	assert_int_equal(ca.chain.count, 1);
}

static void chains_without_an_anchor_do_not_hold(void **state)
{
	(void)state;
	struct ca ca = short_chain();
	ca.anchors = 0;
	refused(&ca, NOW, "a root that is not trusted");
	ca.count = 0;
	refused(&ca, NOW, "not among the certificates");
	ca = long_chain();
	ca.m[0] = ca.m[1];
	ca.count = 1;
	ca.anchors = 0;
	refused(&ca, NOW, "not among the certificates");
	/* an anchor below what came with the certificate ends the chain there */
	ca = long_chain();
	ca.m[2] = ca.m[0];
	ca.m[0] = ca.m[1];
	ca.m[1] = ca.m[2];
	assert_int_equal(judge_at(&ca, NOW), CH_OK);
	assert_int_equal(ca.chain.count, 2);
}

static void a_name_is_not_enough(void **state)
{
	(void)state;
	struct ca ca = short_chain();
	ca.m[0].key = middle_key;
	refused(&ca, NOW, "no issuer of that name made the signature");
	/* of two of the name the right one is found */
	ca.m[1] = root();
	ca.count = ca.anchors = 2;
	assert_int_equal(judge_at(&ca, NOW), CH_OK);
	assert_ptr_equal(ca.chain.cert[1], &ca.pool[1]);
	/* key identifiers that disagree */
	ca = short_chain();
	ca.leaf_m.ext_n = 0;
	MAKE_CE(&ca.leaf_m, 35, 0, "\x30\x03\x80\x01\x01");
	assert_int_equal(judge_at(&ca, NOW), CH_OK);
	MAKE_CE(&ca.m[0], 14, 0, "\x04\x01\x02");
	refused(&ca, NOW, "not among the certificates");
	ca.m[0] = root();
	MAKE_CE(&ca.m[0], 14, 0, "\x04\x01\x01");
	assert_int_equal(judge_at(&ca, NOW), CH_OK);
	/* a certificate whose issuer has no name */
	ca = short_chain();
	ca.m[0].subject = CH_SPAN_LIT("\x30\x00");
	refused(&ca, NOW, "not among the certificates");
}

static void validity_is_judged_at_the_time_given(void **state)
{
	(void)state;
	struct ca ca = short_chain();
	ca.leaf_m.not_before = "231114221320Z"; /* NOW */
	assert_int_equal(judge_at(&ca, NOW), CH_OK);
	refused(&ca, NOW - 1, "not yet valid");
	ca.m[0].not_after = "231114221320Z";
	assert_int_equal(judge_at(&ca, NOW), CH_OK);
	refused(&ca, NOW + 1, "not valid any more");
	assert_int_equal(ca.bad.note[0].cert, 1);
}

static void of_two_that_signed_the_one_that_holds_is_taken(void **state)
{
	(void)state;
	struct ca ca = short_chain();
	ca.m[1] = root();
	ca.m[0].not_after = "160101000000Z";
	ca.count = ca.anchors = 2;
	assert_int_equal(judge_at(&ca, NOW), CH_OK);
	assert_ptr_equal(ca.chain.cert[1], &ca.pool[1]);
}

static void issuers_must_be_authorities(void **state)
{
	(void)state;
	struct ca ca = short_chain();
	ca.m[0].ext_n = 0;
	refused(&ca, NOW, "not a CA");
	MAKE_NOT_CA(&ca.m[0]);
	refused(&ca, NOW, "not a CA");
	ca.m[0].ext_n = 0;
	MAKE_CA(&ca.m[0]);
	assert_int_equal(judge_at(&ca, NOW), CH_OK);
	MAKE_SIGNATURE(&ca.m[0]);
	refused(&ca, NOW, "keyUsage of an issuer");
	ca = short_chain();
	MAKE_CE(&ca.m[0], 54, 1, "\x02\x01\x00"); /* inhibitAnyPolicy */
	refused(&ca, NOW, "unknown extension");
	ca = short_chain();
	MAKE_CE(&ca.leaf_m, 54, 1, "\x02\x01\x00");
	refused(&ca, NOW, "unknown extension");
	ca = short_chain();
	ca.m[0].serial = CH_SPAN_LIT("\x00\x01");
	refused(&ca, NOW, "shortest form");
}

static void only_intel_has_anchors_without_basic_constraints(void **state)
{
	(void)state;
	struct ca ca = short_chain();
	ca.m[0].ext_n = 0;
	ca.m[0].issuer_o = ca.m[0].subject_o = ca.leaf_m.issuer_o = "Intel Corporation";
	assert_int_equal(judge_at(&ca, NOW), CH_OK);
	ca.m[0].issuer_o = ca.m[0].subject_o = ca.leaf_m.issuer_o = "Other Corporation";
	refused(&ca, NOW, "not a CA");
}

static void path_lengths_are_kept(void **state)
{
	(void)state;
	struct ca ca = long_chain();
	ca.m[0].ext_n = 0;
	MAKE_CE(&ca.m[0], 19, 1, "\x30\x06\x01\x01\xff\x02\x01\x00");
	refused(&ca, NOW, "pathLenConstraint");
	ca.m[0].ext_n = 0;
	MAKE_CE(&ca.m[0], 19, 1, "\x30\x06\x01\x01\xff\x02\x01\x01");
	assert_int_equal(judge_at(&ca, NOW), CH_OK);
	/* of the last issuer 0 is enough */
	ca.m[1].ext_n = 0;
	MAKE_CE(&ca.m[1], 19, 1, "\x30\x06\x01\x01\xff\x02\x01\x00");
	assert_int_equal(judge_at(&ca, NOW), CH_OK);
}

static void chains_are_bounded(void **state)
{
	(void)state;
	static const char *const name[] = { "root", "one", "two", "three" };
	EVP_PKEY *k[] = { root_key, middle_key, make_key(), make_key() };
	struct ca ca = { .m = { root() }, .count = 4, .anchors = 1, .leaf_m = ek() };
	for (size_t i = 1; i < 4; i++) {
		ca.m[i] = (struct maker){
			.subject_cn = name[i], .issuer_cn = name[i - 1], .key = k[i], .signer = k[i - 1]
		};
		MAKE_CA(&ca.m[i]);
	}
	ca.leaf_m.issuer_cn = "two";
	ca.leaf_m.signer = k[2];
	assert_int_equal(judge_at(&ca, NOW), CH_OK);
	assert_int_equal(ca.chain.count, CH_CHAIN_MAX);
	ca.leaf_m.issuer_cn = "three";
	ca.leaf_m.signer = k[3];
	refused(&ca, NOW, "longer than CH_CHAIN_MAX");
	EVP_PKEY_free(k[2]);
	EVP_PKEY_free(k[3]);
}

static void sha1_in_a_chain(void **state)
{
	(void)state;
	struct ca ca = short_chain();
	ca.m[0].sha1 = true; /* of an anchor it does not matter */
	assert_int_equal(judge_at(&ca, NOW), CH_OK);
	ca.leaf_m.sha1 = true;
	refused(&ca, NOW, "SHA-1");
	ca = long_chain();
	ca.m[1].sha1 = true;
	refused(&ca, NOW, "SHA-1");
	ca.m[0].subject_o = ca.m[0].issuer_o = ca.m[1].issuer_o = "Infineon Technologies AG";
	assert_int_equal(judge_at(&ca, NOW), CH_OK);
}

static void attribute_certificates_are_signed_by_signers(void **state)
{
	(void)state;
	struct ca ca = short_chain();
	ca.leaf_m = (struct maker){ .attribute = true, .signer = root_key };
	assert_int_equal(judge_at(&ca, NOW), CH_OK);
	ca.m[0].ext_n = 0;
	MAKE_NOT_CA(&ca.m[0]);
	MAKE_SIGNATURE(&ca.m[0]);
	assert_int_equal(judge_at(&ca, NOW), CH_OK);
	ca.m[0].ext_n = 0;
	MAKE_AGREEMENT(&ca.m[0]);
	refused(&ca, NOW, "keyUsage of an issuer");
	/* the signer does not count against its issuer's path length */
	ca = long_chain();
	ca.leaf_m = (struct maker){ .attribute = true, .signer = middle_key, .issuer_cn = "middle" };
	ca.m[0].ext_n = 0;
	MAKE_CE(&ca.m[0], 19, 1, "\x30\x06\x01\x01\xff\x02\x01\x00");
	assert_int_equal(judge_at(&ca, NOW), CH_OK);
}

static void verifications_are_bounded(void **state)
{
	(void)state;
	enum { MANY = 70 };
	struct maker wrong = root(), right = root(), leaf_m = ek();
	struct ch_ek_cert *pool = calloc(MANY, sizeof(*pool));
	struct ch_ek_chain chain;
	struct ch_ek_notes bad = { .count = 0 };
	assert_non_null(pool);
	wrong.key = middle_key;
	for (size_t i = 0; i < MANY - 1; i++)
		pool[i] = read_ok(make(&wrong));
	pool[MANY - 1] = read_ok(make(&right));
	struct ch_ek_cert leaf = read_ok(make(&leaf_m));
	const struct ch_ek_pool p = { pool, MANY, MANY };
	assert_int_equal(ch_ek_chain_check(&chain, &leaf, &p, NOW, &bad), CH_ERR_UNTRUSTED);
	assert_int_equal(chain.count, 1);
	free(pool);
}

static void notes_are_bounded(void **state)
{
	(void)state;
	struct ch_ek_notes n = { .count = 0 };
	for (size_t i = 0; i < CH_EK_NOTES_MAX + 5; i++)
		ch_ek_notes_add(&n, i, "x");
	assert_int_equal(n.count, CH_EK_NOTES_MAX + 5);
	assert_int_equal(n.note[CH_EK_NOTES_MAX - 1].cert, CH_EK_NOTES_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_ek_certificate_holds),
		cmocka_unit_test(kinds_are_told_apart),
		cmocka_unit_test(an_ek_that_is_a_ca_does_not_hold),
		cmocka_unit_test(the_key_may_do_what_its_kind_does),
		cmocka_unit_test(an_unknown_critical_extension_does_not_hold),
		cmocka_unit_test(other_rules),
		cmocka_unit_test(defects_belong_to_their_vendors),
		cmocka_unit_test(sha1_is_not_tolerated_of_later_years),
		cmocka_unit_test(harmless_defects_are_only_told),
		cmocka_unit_test(nv_memory_puts_things_around_a_certificate),
		cmocka_unit_test(offsets_count_from_the_start_of_the_file),
		cmocka_unit_test(manufacturers_are_known_by_name),
		cmocka_unit_test(chains_to_an_anchor_hold),
		cmocka_unit_test(chains_without_an_anchor_do_not_hold),
		cmocka_unit_test(a_name_is_not_enough),
		cmocka_unit_test(validity_is_judged_at_the_time_given),
		cmocka_unit_test(of_two_that_signed_the_one_that_holds_is_taken),
		cmocka_unit_test(issuers_must_be_authorities),
		cmocka_unit_test(only_intel_has_anchors_without_basic_constraints),
		cmocka_unit_test(path_lengths_are_kept),
		cmocka_unit_test(chains_are_bounded),
		cmocka_unit_test(sha1_in_a_chain),
		cmocka_unit_test(attribute_certificates_are_signed_by_signers),
		cmocka_unit_test(verifications_are_bounded),
		cmocka_unit_test(notes_are_bounded),
	};
	return cmocka_run_group_tests_name("ek_cert", tests, keys_make, keys_free);
}
