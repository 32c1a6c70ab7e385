/* SPDX-License-Identifier: Apache-2.0 */
#include "host/policy/class.h"

#include "tests/unit.h"

#include <stdio.h>

#define FILE_TEXT                                                         \
	"class: gateway\n"                                                \
	"requires: [platform, boot]\n"                                    \
	"evidence: {max_age: 1h, interval: 10m}\n"                        \
	"on_break: {platform: quarantine, boot: quarantine, os: alert}\n" \
	"release: automatic\n"                                            \
	"two_signatures: [device.revoke, device.decommission]\n"          \
	"certificate: {lifetime: 30d}\n"                                  \
	"enrolment: {ek: any-trusted-root, token: allowed}\n"

static struct ch_class_image image;
static struct ch_yaml_error error;

static struct ch_policy policy_of(const char *yaml)
{
	struct ch_policy p;
	if (ch_class_read(&image, ch_span_str(yaml), &error) != CH_OK)
		fail_msg("line %u, column %u: %s", error.line, error.column, error.text);
	assert_int_equal(ch_policy_parse(&p, ch_span(image.bytes, image.n), NULL), CH_OK);
	return p;
}

static void refused_with(const char *from, const char *to, unsigned line, const char *says)
{
	static char text[4096];
	const char *at = strstr(FILE_TEXT, from);
	assert_non_null(at);
	(void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - FILE_TEXT), FILE_TEXT, to, at + strlen(from));
	assert_int_not_equal(ch_class_read(&image, ch_span_str(text), &error), CH_OK);
	assert_int_equal(image.n, 0);
	if (error.line != line || strstr(error.text, says) == NULL)
		fail_msg("%s: line %u, column %u: %s", to, error.line, error.column, error.text);
}

static void the_example_becomes_its_image(void **state)
{
	(void)state;
	struct ch_policy p = policy_of(FILE_TEXT);
	assert_span_equal(p.class, "gateway", 7);
	assert_int_equal(p.required, 1u << CH_LINK_PLATFORM | 1u << CH_LINK_BOOT);
	assert_int_equal(p.on_break[CH_LINK_BOOT], CH_RESPONSE_QUARANTINE);
	assert_int_equal(p.on_break[CH_LINK_OS], CH_RESPONSE_ALERT);
	assert_int_equal(p.on_break[CH_LINK_SBOM], CH_RESPONSE_OBSERVE);
	assert_int_equal(p.on_stale, CH_RESPONSE_ALERT);
	assert_int_equal(p.max_age[CH_LINK_MONITOR], 3600);
	assert_int_equal(p.interval, 600);
	assert_int_equal(p.lifetime, 30 * 86400);
	assert_int_equal(p.two_signatures, 1u << CH_VERB_DEVICE_REVOKE | 1u << CH_VERB_DEVICE_DECOMMISSION);
	assert_int_equal(p.release, CH_RELEASE_AUTOMATIC);
	assert_int_equal(p.ek, CH_EK_ANY_ROOT);
	assert_true(p.token);
	assert_int_equal(p.daily_mib, CH_POLICY_DAILY_DEFAULT);
	assert_false(p.mend);
}

static void what_mends_is_said(void **state)
{
	(void)state;
	static const char text[] = FILE_TEXT "mend: assigned\n";
	assert_true(policy_of(text).mend);
	refused_with("release: automatic", "release: automatic\nmend: yes", 6, "refused, assigned");
}

static void the_evidence_of_a_day_has_bounds(void **state)
{
	(void)state;
	refused_with("interval: 10m", "interval: 10m, daily_mib: 0", 3, "1");
	refused_with("interval: 10m", "interval: 10m, daily_mib: 65537", 3, "65536");
	refused_with("interval: 10m", "interval: 10m, daily_mib: 64MiB", 3, "number");
}

static void an_image_goes_back_to_a_file_of_the_same_image(void **state)
{
	(void)state;
	static const char *const files[] = {
		FILE_TEXT,
		"class: x\nrequires: [monitor]\nevidence: {max_age: 90s, interval: 31s, max_age_of: {boot: 2h, sbom: 7d}}\n"
		"on_break: {monitor: hold-updates}\non_stale: quarantine\nrelease: two-operators\ntwo_signatures: []\n"
		"certificate: {lifetime: 3601s}\nenrolment: {ek: listed, token: refused}\n",
	};
	for (size_t i = 0; i < CH_COUNT_OF(files); i++) {
		char text[2048] = "";
		struct ch_policy p = policy_of(files[i]);
		struct ch_class_image first = image;
		struct ch_wr w = ch_wr(text, sizeof(text) - 1);
		p.class = ch_span(first.bytes + (p.class.p - image.bytes), p.class.n);
		ch_class_put(&w, &p);
		assert_false(w.bad);
		(void)policy_of(text);
		assert_true(ch_span_eq(ch_span(image.bytes, image.n), ch_span(first.bytes, first.n)));
	}
}

static void it_fails_closed(void **state)
{
	(void)state;
	refused_with("boot]", "booot]", 2, "'booot' is not allowed here; one of: platform, boot, os");
	refused_with("[platform, boot]", "[]", 2, "requires at least one link");
	refused_with("release: automatic\n", "", 1, "'release' is missing");
	refused_with("two_signatures: [device.revoke, device.decommission]\n", "", 1, "'two_signatures' is missing");
	refused_with("ek: any-trusted-root, ", "", 8, "'ek' is missing");
	refused_with("any-trusted-root", "any", 8, "one of: listed, any-trusted-root");
	refused_with("boot: quarantine", "boot: ignore", 4, "one of: observe, alert, hold-updates, quarantine");
	refused_with("boot: quarantine, ", "", 4, "'boot' is required, so on_break says what happens");
	refused_with("device.revoke", "device.explode", 6, "'device.explode' is not allowed here");
	refused_with("gateway", "Gateway", 1, "no name of a class");
	refused_with("class: gateway\n", "class: gateway\naccept_all: true\n", 2, "unknown key 'accept_all'");
}

static void times_go_together(void **state)
{
	(void)state;
	refused_with("interval: 10m", "interval: 2h", 3, "would be stale before the next is asked for");
	refused_with("interval: 10m", "interval: 10m, max_age_of: {boot: 5m}", 3, "'boot' would be stale");
	refused_with("lifetime: 30d", "lifetime: 1m", 7, "out of range");
	refused_with("lifetime: 30d", "lifetime: 399d", 7, "out of range");
}

static void durations_show_their_largest_unit(void **state)
{
	(void)state;
	static const struct {
		uint32_t seconds;
		const char *text;
	} row[] = { { 0, "0s" },    { 59, "59s" },   { 60, "1m" },   { 90, "90s" },
		    { 3600, "1h" }, { 5400, "90m" }, { 86400, "1d" } };
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		char text[32];
		struct ch_wr w = ch_wr(text, sizeof(text));
		ch_duration_put(&w, row[i].seconds);
		assert_span_equal(ch_wr_span(&w), row[i].text, strlen(row[i].text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_becomes_its_image),
		cmocka_unit_test(the_evidence_of_a_day_has_bounds),
		cmocka_unit_test(what_mends_is_said),
		cmocka_unit_test(an_image_goes_back_to_a_file_of_the_same_image),
		cmocka_unit_test(it_fails_closed),
		cmocka_unit_test(times_go_together),
		cmocka_unit_test(durations_show_their_largest_unit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
