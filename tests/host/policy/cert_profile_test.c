/* SPDX-License-Identifier: Apache-2.0 */
#include "host/policy/cert_profile.h"

#include "tests/unit.h"

static const char good[] = "profile: lab\nclass: gateway\nsubject: ['O=Lab', 'CN={name}']\nnames: ['dns:{name}']\n"
			   "keys: [p256, rsa]\nlifetime: 2d\nkey_usage: [digital-signature, key-agreement]\n"
			   "purposes: [client, registration-authority]\nenrol_by: [token, idevid]\napproval: operator\n"
			   "linking: required\n";

static void a_file_becomes_an_image(void **state)
{
	(void)state;
	struct ch_cert_profile_image image;
	struct ch_cert_profile p;
	struct ch_yaml_error e;
	assert_int_equal(ch_cert_profile_read(&image, ch_span_str(good), &e), CH_OK);
	assert_int_equal(ch_cert_profile_parse(&p, ch_span(image.bytes, image.n), NULL), CH_OK);
	assert_span_equal(p.label, "lab", 3);
	assert_int_equal(p.keys, 1u << CH_KEY_P256 | 1u << CH_KEY_RSA);
	assert_int_equal(p.key_usage, CH_KU_DIGITAL_SIGNATURE | CH_KU_KEY_AGREEMENT);
	assert_int_equal(p.purposes, CH_CERT_EKU_CLIENT | CH_CERT_EKU_CMC_RA);
	assert_int_equal(p.by, CH_ENROL_BY_TOKEN | CH_ENROL_BY_IDEVID);
	assert_int_equal(p.approval, CH_APPROVAL_OPERATOR);
	assert_int_equal(p.linking, CH_LINKING_REQUIRED);
	assert_int_equal(p.lifetime, 2 * 86400);
	assert_int_equal(p.grace, 400 * 86400);
	assert_int_equal(p.attr[1].kind, CH_SUBJECT_CN);
	assert_span_equal(p.name[0].text, "{name}", 6);
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t line;
	} row[] = {
		{ "profile: lab\nclass: gateway\nsubject: ['XX={name}']\nkeys: [p256]\nenrol_by: []\n", 3 },
		{ "profile: lab\nclass: gateway\nsubject: ['CN={name}']\nnames: ['ip:10.0.0.1']\nkeys: [p256]\nenrol_by: []\n",
		  4 },
		{ "profile: lab\nclass: gateway\nsubject: ['CN={name}']\nkeys: [p521]\nenrol_by: []\n", 4 },
		{ "profile: lab\nclass: gateway\nsubject: ['CN={name}']\nkeys: [p256]\nlifetime: 401d\nenrol_by: []\n",
		  5 },
		{ "profile: lab\nclass: gateway\nsubject: ['CN=same']\nkeys: [p256]\nenrol_by: []\n", 1 },
		{ "profile: lab\nclass: gateway\nsubject: ['CN={name}']\nkeys: [p256]\nenrol_by: []\nca: true\n", 6 },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		struct ch_cert_profile_image image;
		struct ch_yaml_error e;
		assert_int_not_equal(ch_cert_profile_read(&image, ch_span_str(row[i].text), &e), CH_OK);
		assert_int_equal(e.line, row[i].line);
		assert_int_equal(image.n, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_becomes_an_image),
		cmocka_unit_test(what_is_wrong_is_told_with_its_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
