/* SPDX-License-Identifier: Apache-2.0 */
#include "host/policy/conf.h"

#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>

struct config {
	const char *dir;
	struct ch_conf_texts servers;
	uint32_t workers;
	uint32_t interval;
	bool proxy;
	bool proxy_seen;
	uint32_t mode;
	uint32_t features;
	const char *certificate;
};

static const struct ch_conf_word modes[] = { { "strict", 1 }, { "lax", 2 }, { NULL, 0 } };
static const struct ch_conf_key tls_keys[] = {
	{ "certificate", CH_CONF_TEXT, CH_CONF_REQUIRED, .offset = offsetof(struct config, certificate) },
};
static const struct ch_conf_key keys[] = {
	{ "dir", CH_CONF_TEXT, CH_CONF_REQUIRED, .offset = offsetof(struct config, dir) },
	{ "servers", CH_CONF_TEXTS, CH_CONF_OPTIONAL, .offset = offsetof(struct config, servers) },
	{ "workers", CH_CONF_NUMBER, CH_CONF_OPTIONAL, .offset = offsetof(struct config, workers), .min = 1,
	  .max = 64 },
	{ "interval", CH_CONF_DURATION, CH_CONF_OPTIONAL, .offset = offsetof(struct config, interval), .min = 30 },
	{ "proxy", CH_CONF_BOOL, CH_CONF_OPTIONAL, .offset = offsetof(struct config, proxy),
	  .seen = offsetof(struct config, proxy_seen) },
	{ "mode", CH_CONF_WORD, CH_CONF_OPTIONAL, .offset = offsetof(struct config, mode), .words = modes },
	{ "features", CH_CONF_SET, CH_CONF_OPTIONAL, .offset = offsetof(struct config, features), .words = modes },
	{ "tls", CH_CONF_MAP, CH_CONF_OPTIONAL, .keys = tls_keys, .key_count = CH_COUNT_OF(tls_keys) },
};

static struct config config;
static struct ch_conf conf;
static struct ch_yaml_error error;

static enum ch_err read_text(const char *text)
{
	config = (struct config){ .workers = 4 };
	return ch_conf_read(&conf, ch_span_str(text), keys, CH_COUNT_OF(keys), &config, &error);
}

#define READ(text)                                        \
	do {                                              \
		assert_int_equal(read_text(text), CH_OK); \
	} while (0)

/* Refused there, with a sentence that holds `says`. */
static void refused(const char *text, enum ch_err err, unsigned line, unsigned column, const char *says)
{
	enum ch_err got = read_text(text);
	if (got != err || error.line != line || error.column != column || strstr(error.text, says) == NULL)
		fail_msg("'%s': error %d at %u:%u: %s", text, (int)got, error.line, error.column, error.text);
	assert_int_equal(conf.yaml.count, 0);
}

static void a_file_fills_the_struct(void **state)
{
	(void)state;
	READ("dir: /var/lib\n"
	     "servers: [a.example, \"b.example:8443\"]\n"
	     "workers: 2\n"
	     "interval: 10m  # a comment\n"
	     "proxy: false\n"
	     "mode: lax\n"
	     "features:\n  - strict\n  - lax\n"
	     "tls:\n  certificate: 'tls.crt'\n");
	assert_string_equal(config.dir, "/var/lib");
	assert_int_equal(config.servers.count, 2);
	assert_string_equal(config.servers.text[1], "b.example:8443");
	assert_int_equal(config.workers, 2);
	assert_int_equal(config.interval, 600);
	assert_false(config.proxy);
	assert_true(config.proxy_seen);
	assert_int_equal(config.mode, 2);
	assert_int_equal(config.features, 1u << 1 | 1u << 2);
	assert_string_equal(config.certificate, "tls.crt");
	assert_string_equal(ch_conf_find(&conf, "tls", "certificate")->text, "tls.crt");
	assert_int_equal(ch_conf_find(&conf, "tls", "certificate")->line, 11);
	assert_ptr_equal(ch_conf_find(&conf, "nothing", NULL), &conf.yaml.node[0]);
	ch_conf_clear(&conf);
}

static void what_is_absent_keeps_its_default(void **state)
{
	(void)state;
	READ("dir: x\n");
	assert_int_equal(config.workers, 4);
	assert_false(config.proxy_seen);
	ch_conf_clear(&conf);
	READ("dir: x\nservers: one\nfeatures: []\n");
	assert_int_equal(config.servers.count, 1);
	assert_string_equal(config.servers.text[0], "one");
	assert_int_equal(config.features, 0);
	ch_conf_clear(&conf);
}

static void keys_are_those_of_the_table(void **state)
{
	(void)state;
	refused("dir: x\nworker: 2\n", CH_ERR_UNKNOWN, 2, 1,
		"unknown key 'worker'; allowed here: dir, servers, workers, interval, proxy, mode, features, tls");
	refused("dir: x\ntls: {certificate: a, key: b}\n", CH_ERR_UNKNOWN, 2, 23, "allowed here: certificate");
	refused("dir: x\n<<: {workers: 2}\n", CH_ERR_UNKNOWN, 2, 1, "unknown key '<<'");
	refused("workers: 2\n", CH_ERR_MISSING, 1, 1, "'dir' is missing");
	refused("dir: x\ntls: {}\n", CH_ERR_MISSING, 2, 6, "'certificate' is missing");
	refused("dir: x\nDir: y\n", CH_ERR_UNKNOWN, 2, 1, "'Dir'");
}

static void a_key_twice_is_refused(void **state)
{
	(void)state;
	refused("dir: x\nworkers: 2\ndir: y\n", CH_ERR_DUPLICATE, 3, 1, "this key is here twice: dir");
	refused("dir: x\ntls: {certificate: a, certificate: b}\n", CH_ERR_DUPLICATE, 2, 23, "twice");
	refused("dir: x\n'dir': y\n", CH_ERR_DUPLICATE, 2, 1, "twice");
}

static void values_are_of_their_kind(void **state)
{
	(void)state;
	refused("dir: [x]\n", CH_ERR_MALFORMED, 1, 6, "one value is needed for 'dir'");
	refused("dir:\n", CH_ERR_MISSING, 1, 5, "a value is missing");
	refused("dir: ''\n", CH_ERR_MISSING, 1, 6, "a value is missing");
	refused("dir: x\nworkers: two\n", CH_ERR_MALFORMED, 2, 10, "a number is needed, not two");
	refused("dir: x\nworkers: '2'\n", CH_ERR_MALFORMED, 2, 10, "a number is needed");
	refused("dir: x\nworkers: 0x2\n", CH_ERR_MALFORMED, 2, 10, "a number is needed");
	refused("dir: x\nworkers: 65\n", CH_ERR_RANGE, 2, 10, "65 is out of range: 1 to 64");
	refused("dir: x\nworkers: 0\n", CH_ERR_RANGE, 2, 10, "out of range");
	refused("dir: x\nworkers: 4294967296\n", CH_ERR_MALFORMED, 2, 10, "a number is needed");
	refused("dir: x\nworkers: -1\n", CH_ERR_MALFORMED, 2, 10, "a number is needed");
	refused("dir: x\ninterval: 600\n", CH_ERR_MALFORMED, 2, 11, "a time with its unit is needed");
	refused("dir: x\ninterval: 10min\n", CH_ERR_MALFORMED, 2, 11, "unit");
	refused("dir: x\ninterval: 29s\n", CH_ERR_RANGE, 2, 11, "30 to 4294967295 seconds");
	refused("dir: x\ninterval: 4294967295d\n", CH_ERR_RANGE, 2, 11, "out of range");
	refused("dir: x\nproxy: yes\n", CH_ERR_MALFORMED, 2, 8, "true or false is needed, not yes");
	refused("dir: x\nproxy: \"true\"\n", CH_ERR_MALFORMED, 2, 8, "true or false");
	refused("dir: x\nmode: loose\n", CH_ERR_UNKNOWN, 2, 7, "'loose' is not allowed here; one of: strict, lax");
	refused("dir: x\nfeatures: strict\n", CH_ERR_MALFORMED, 2, 11, "a list is needed");
	refused("dir: x\nfeatures: [strict, strict]\n", CH_ERR_DUPLICATE, 2, 20, "twice");
	refused("dir: x\nfeatures: [[strict]]\n", CH_ERR_MALFORMED, 2, 12, "a word is needed");
	refused("dir: x\nservers: []\n", CH_ERR_MISSING, 2, 10, "the list is empty");
	refused("dir: x\nservers: [a, a]\n", CH_ERR_DUPLICATE, 2, 14, "twice");
	refused("dir: x\nservers: {a: b}\n", CH_ERR_MALFORMED, 2, 10, "a list of texts");
	refused("dir: x\ntls: none\n", CH_ERR_MALFORMED, 2, 6, "keys with values are needed under 'tls'");
	refused("- dir\n", CH_ERR_MALFORMED, 1, 1, "keys with values");
	refused("dir\n", CH_ERR_MALFORMED, 1, 1, "keys with values");
}

static void what_makes_yaml_surprising_is_refused(void **state)
{
	(void)state;
	refused("dir: &a x\n", CH_ERR_UNSUPPORTED, 1, 6, "anchors");
	refused("dir: *a\n", CH_ERR_UNSUPPORTED, 1, 6, "aliases");
	refused("dir: !!str x\n", CH_ERR_UNSUPPORTED, 1, 6, "tags");
	refused("dir: ! x\n", CH_ERR_UNSUPPORTED, 1, 6, "tags");
	refused("tls: !x {certificate: a}\n", CH_ERR_UNSUPPORTED, 1, 6, "tags");
	refused("servers: &a [x]\n", CH_ERR_UNSUPPORTED, 1, 10, "anchors");
	refused("%YAML 1.1\n---\ndir: x\n", CH_ERR_UNSUPPORTED, 1, 1, "directives");
	refused("dir: x\n---\ndir: y\n", CH_ERR_UNSUPPORTED, 2, 1, "second document");
	refused("? [a, b]\n: x\n", CH_ERR_UNSUPPORTED, 1, 3, "a key is one word");
	refused("dir: \"a\\x1b[31m\"\n", CH_ERR_ENCODING, 1, 6, "control characters");
	refused("dir: |\n  a\n  b\n", CH_ERR_ENCODING, 1, 6, "line breaks");
	refused("dir: \"a\\0b\"\n", CH_ERR_ENCODING, 1, 6, "control characters");
	refused("", CH_ERR_MISSING, 1, 1, "empty");
	refused("# nothing\n", CH_ERR_MISSING, 2, 1, "empty");
}

static void what_is_no_yaml_is_named(void **state)
{
	(void)state;
	assert_int_equal(read_text("dir: [x\n"), CH_ERR_MALFORMED);
	assert_non_null(strstr(error.text, "not YAML: "));
	assert_int_equal(read_text("dir: x\n\tworkers: 2\n"), CH_ERR_MALFORMED);
	assert_int_equal(error.line, 2);
	assert_int_equal(read_text("dir: \xff\n"), CH_ERR_ENCODING);
	assert_non_null(strstr(error.text, "not UTF-8"));
}

static void depth_and_size_have_limits(void **state)
{
	(void)state;
	refused("a: {b: {c: {d: {e: {f: {g: {h: x}}}}}}}\n", CH_ERR_UNKNOWN, 1, 1, "unknown key 'a'");
	refused("a: {b: {c: {d: {e: {f: {g: {h: {}}}}}}}}\n", CH_ERR_LIMIT, 1, 32, "8 levels");
	char *many = calloc(1, CH_YAML_BYTES_MAX + 2);
	size_t n = 0;
	for (unsigned i = 0; i <= CH_YAML_NODES_MAX; i++)
		n += (size_t)sprintf(many + n, "- %u\n", i);
	assert_int_equal(read_text(many), CH_ERR_LIMIT);
	assert_int_equal(error.line, CH_YAML_NODES_MAX);
	(void)memset(many, ' ', CH_YAML_BYTES_MAX + 1);
	assert_int_equal(read_text(many), CH_ERR_LIMIT);
	assert_int_equal(error.line, 1);
	free(many);
}

static void an_error_is_one_escaped_line(void **state)
{
	(void)state;
	static char key[1200];
	char line[1024];
	assert_int_equal(read_text("dir: x\n\"wor\xe2\x80\x8bkers\": 2\n"), CH_ERR_ENCODING);
	(void)memset(key, 'k', 1000);
	(void)snprintf(key + 1000, sizeof(key) - 1000, ": 1\n");
	assert_int_equal(read_text(key), CH_ERR_UNKNOWN);
	assert_non_null(strstr(error.text, "kkk…'; allowed here: dir"));
	ch_conf_error_put(line, sizeof(line), "a\nb.yaml", &error);
	assert_memory_equal(line, "a\\x0ab.yaml, line 1, column 1: unknown key", 40);
	char small[16];
	ch_conf_error_put(small, sizeof(small), "file.yaml", &error);
	assert_true(strlen(small) < sizeof(small));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_fills_the_struct),      cmocka_unit_test(what_is_absent_keeps_its_default),
		cmocka_unit_test(keys_are_those_of_the_table),  cmocka_unit_test(a_key_twice_is_refused),
		cmocka_unit_test(values_are_of_their_kind),     cmocka_unit_test(what_makes_yaml_surprising_is_refused),
		cmocka_unit_test(what_is_no_yaml_is_named),     cmocka_unit_test(depth_and_size_have_limits),
		cmocka_unit_test(an_error_is_one_escaped_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
