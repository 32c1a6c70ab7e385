/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/fleet_root.h"

#include "core/base/text.h"
#include "host/crypto_openssl/backend.h"
#include "host/crypto_openssl/sign.h"
#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>

/* Every rule of docs/protocol/fleet-root.md; documents are made here with real keys, and then one thing is changed. */

#define KEYS  6 /* 0 to 3: Ed25519 and P-256 in turn; 4, 5: for other uses */
#define YEAR  31536000u
#define BEGIN 1790000000u
#define VKEY  "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"

static struct ch_sign_key key[KEYS];
static struct ch_root_key pub[KEYS];
static struct ch_json_node node[CH_ROOT_NODES_MAX];
static struct ch_diag diag;

static int setup(void **state)
{
	(void)state;
	if (ch_crypto_openssl_init() != CH_OK)
		return 1;
	for (size_t i = 0; i < KEYS; i++) {
		struct ch_pubkey p;
		if (ch_sign_key_make(&key[i], i % 2 == 0 && i < 4 ? CH_KEY_ED25519 : CH_KEY_P256) != CH_OK ||
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
	uint8_t bytes[CH_NOTE_MAX];
	size_t n, text;
};

/* Keys `first` to `first + count - 1`, `threshold` of them. */
static void describe(struct ch_fleet_root *r, uint64_t version, size_t first, size_t count, uint64_t threshold)
{
	memset(r, 0, sizeof(*r));
	r->version = version;
	r->issued = BEGIN + version;
	r->expires = r->issued + YEAR;
	r->agent_min[1] = 3;
	r->root.threshold = threshold;
	r->root.count = count;
	for (size_t i = 0; i < count; i++)
		r->root.key[i] = pub[first + i];
	r->release_count = 1;
	r->release[0] = (struct ch_root_role){ .name = CH_SPAN_LIT("firmware"), .threshold = 1, .count = 1 };
	r->release[0].key[0] = pub[4];
	r->anchor_count = 1;
	r->anchor[0] = CH_SPAN_LIT("MAMCAQU=");
	r->log_count = 1;
	assert_int_equal(ch_note_key_parse(&r->log[0], CH_SPAN_LIT(VKEY), NULL), CH_OK);
	r->ear_count = 1;
	r->ear[0] = pub[5];
	r->server_count = 2;
	r->server[0] = CH_SPAN_LIT("fleet.example:8443");
	r->server[1] = CH_SPAN_LIT("[2001:db8::1]:443");
}

static void write_text(struct file *f, const struct ch_fleet_root *r)
{
	struct ch_wr w = ch_wr(f->bytes, sizeof(f->bytes));
	assert_int_equal(ch_fleet_root_put(&w, r), CH_OK);
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

static enum ch_err parse(struct ch_fleet_root *r, const struct file *f)
{
	enum ch_err err = ch_fleet_root_parse(r, ch_span(f->bytes, f->n), node, &diag);
	assert_int_equal(err == CH_OK, diag.rule == NULL);
	assert_true(diag.off <= f->n);
	if (err != CH_OK)
		assert_int_equal(r->version, 0);
	return err;
}

/* Version `version` with keys first…, signed by the keys whose bits are set. */
static void made(struct ch_fleet_root *r, struct file *f, uint64_t version, size_t first, size_t count,
		 uint64_t threshold, unsigned signers)
{
	static struct ch_fleet_root d;
	describe(&d, version, first, count, threshold);
	write_text(f, &d);
	for (size_t k = 0; k < KEYS; k++) {
		if ((signers >> k & 1) != 0)
			sign_by(f, k);
	}
	assert_int_equal(parse(r, f), CH_OK);
}

/* --- the parser --- */

static void what_is_written_is_read(void **state)
{
	static struct ch_fleet_root r;
	static struct file f, again;
	(void)state;
	made(&r, &f, 7, 0, 3, 2, 0x3);
	assert_int_equal(r.version, 7);
	assert_int_equal(r.issued, BEGIN + 7);
	assert_int_equal(r.expires, BEGIN + 7 + YEAR);
	assert_int_equal(r.agent_min[1], 3);
	assert_int_equal(r.root.threshold, 2);
	assert_int_equal(r.root.count, 3);
	assert_memory_equal(r.root.key[1].id, pub[1].id, 32);
	assert_int_equal(r.root.key[0].type, CH_KEY_ED25519);
	assert_int_equal(r.root.key[1].type, CH_KEY_P256);
	assert_int_equal(r.release_count, 1);
	assert_span_equal(r.release[0].name, "firmware", 8);
	assert_memory_equal(r.release[0].key[0].raw, pub[4].raw, 64);
	assert_span_equal(r.anchor[0], "MAMCAQU=", 8);
	assert_span_equal(r.log[0].name, "PeterNeumann", 12);
	assert_memory_equal(r.ear[0].id, pub[5].id, 32);
	assert_span_equal(r.server[1], "[2001:db8::1]:443", 17);
	assert_int_equal(r.note.count, 2);
	write_text(&again, &r);
	assert_int_equal(again.text, f.text);
	assert_memory_equal(again.bytes, f.bytes, f.text);
}

static void a_document_that_nobody_signed_is_read(void **state)
{
	static struct ch_fleet_root r;
	static struct file f;
	(void)state;
	made(&r, &f, 1, 0, 1, 1, 0);
	assert_int_equal(r.note.count, 0);
	assert_int_equal(r.note.text.n, f.text);
	assert_int_equal(ch_fleet_root_first(&r, &diag), CH_ERR_UNTRUSTED);
}

static void every_cut_is_refused(void **state)
{
	static struct ch_fleet_root r;
	static struct file f, cut;
	(void)state;
	made(&r, &f, 1, 0, 2, 2, 0x3);
	for (size_t n = 0; n < f.n; n++) {
		memcpy(cut.bytes, f.bytes, n);
		cut.n = n;
		/* What is left may be whole: nothing signed, or signed by fewer. It is never trusted. */
		if (parse(&r, &cut) == CH_OK)
			assert_int_equal(ch_fleet_root_first(&r, &diag), CH_ERR_UNTRUSTED);
	}
	memcpy(cut.bytes, f.bytes, f.n);
	cut.bytes[f.n] = '\n';
	cut.n = f.n + 1;
	assert_int_not_equal(parse(&r, &cut), CH_OK);
}

static void no_flipped_bit_is_trusted(void **state)
{
	static struct ch_fleet_root r;
	static struct file f;
	(void)state;
	made(&r, &f, 1, 0, 2, 2, 0x3);
	for (size_t i = 0; i < f.n; i += 3) {
		f.bytes[i] ^= (uint8_t)(1u << (i % 8));
		enum ch_err err = parse(&r, &f);
		if (err == CH_OK)
			err = ch_fleet_root_first(&r, &diag);
		assert_int_not_equal(err, CH_OK);
		f.bytes[i] ^= (uint8_t)(1u << (i % 8));
	}
}

/* The document with its first `from` replaced, not signed. */
static enum ch_err parse_with(const char *from, const char *to)
{
	static struct ch_fleet_root d, r;
	static struct file f, g;
	describe(&d, 2, 0, 2, 2);
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

static void members_are_those_that_are_known(void **state)
{
	static const struct {
		const char *from, *to;
		enum ch_err err;
	} row[] = {
		{ "\"version\": 2", "\"version\": 3", CH_OK },
		{ "\"version\": 2", "\"version\": 2, \"more\": 1", CH_ERR_UNKNOWN },
		{ "\"version\": 2", "\"version\": 2, \"version\": 2", CH_ERR_DUPLICATE },
		{ "\"version\": 2", "\"versio\\u006e\": 2", CH_ERR_UNKNOWN },
		{ "\"version\": 2,", "", CH_ERR_MISSING },
		{ "\"threshold\": 2,", "", CH_ERR_MISSING },
		{ "\"threshold\": 2", "\"name\": \"x\", \"threshold\": 2", CH_ERR_UNKNOWN },
		{ "\"name\": \"firmware\",", "", CH_ERR_MISSING },
		{ "fleet-root/v1", "fleet-root/v2", CH_ERR_UNSUPPORTED },
		{ "\"type\": \"chainhold", "\"type\": \"\\u0063hainhold", CH_ERR_ENCODING },
		{ "\"version\": 2", "\"version\": 0", CH_ERR_RANGE },
		{ "\"version\": 2", "\"version\": 4294967296", CH_ERR_RANGE },
		{ "\"version\": 2", "\"version\": 2.0", CH_ERR_MALFORMED },
		{ "\"version\": 2", "\"version\": -2", CH_ERR_MALFORMED },
		{ "\"version\": 2", "\"version\": \"2\"", CH_ERR_MALFORMED },
		{ "\"expires\": 1821536002", "\"expires\": 1790000002", CH_ERR_RANGE },
		{ "\"threshold\": 2", "\"threshold\": 3", CH_ERR_RANGE },
		{ "\"threshold\": 2", "\"threshold\": 0", CH_ERR_RANGE },
		{ "\"name\": \"firmware\"", "\"name\": \"Firmware\"", CH_ERR_MALFORMED },
		{ "\"MAMCAQU=\"", "", CH_ERR_MISSING },
		{ "\"MAMCAQU=\"", "\"MAMCAQU=\", \"MAMCAQU=\"", CH_ERR_DUPLICATE },
		{ "\"MAMCAQU=\"", "\"MAMCAQU\"", CH_ERR_ENCODING },
		{ "\"MAMCAQU=\"", "\"MAMCAQUA\"", CH_ERR_ENCODING },
		{ "\"MAMCAQU=\"", "\"AgEF\"", CH_ERR_ENCODING },
		{ "\"MAMCAQU=\"", "5", CH_ERR_MALFORMED },
		{ VKEY, "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", CH_ERR_KEY },
		{ "\"" VKEY "\"", "\"" VKEY "\", \"" VKEY "\"", CH_ERR_DUPLICATE },
		{ "\"" VKEY "\"", "", CH_OK },
		{ "fleet.example:8443", "fleet.example", CH_ERR_MALFORMED },
		{ "fleet.example:8443", "fleet.example:0", CH_ERR_MALFORMED },
		{ "fleet.example:8443", "fleet.example:65536", CH_ERR_MALFORMED },
		{ "fleet.example:8443", "fleet/example:8443", CH_ERR_MALFORMED },
		{ "fleet.example:8443", "2001:db8::1:8443", CH_ERR_MALFORMED },
		{ "fleet.example:8443", ":8443", CH_ERR_MALFORMED },
		{ "fleet.example:8443", "[2001:db8::1]:443", CH_ERR_DUPLICATE },
		{ "\"0.3.0\"", "\"0.3\"", CH_ERR_MALFORMED },
		{ "\"0.3.0\"", "\"0.3.0-rc1\"", CH_ERR_MALFORMED },
		{ "\"0.3.0\"", "\"0.3.1234567\"", CH_ERR_MALFORMED },
		{ "\"0.3.0\"", "\"0..0\"", CH_ERR_MALFORMED },
		{ "\"releases\": [", "\"releases\": [1, ", CH_ERR_MALFORMED },
		{ "{", "[", CH_ERR_MALFORMED },
	};
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		enum ch_err err = parse_with(row[i].from, row[i].to);
		if (err != row[i].err)
			print_message("%s -> %s: %s, not %s\n", row[i].from, row[i].to, ch_err_str(err),
				      ch_err_str(row[i].err));
		assert_int_equal(err, row[i].err);
	}
}

static void a_list_is_no_longer_than_its_limit(void **state)
{
	char many[CH_ROOT_SERVERS_MAX * 24 + 64];
	(void)state;
	for (size_t count = CH_ROOT_SERVERS_MAX - 2; count <= CH_ROOT_SERVERS_MAX - 1; count++) {
		size_t n = 0;
		for (size_t i = 0; i < count; i++)
			n += (size_t)snprintf(many + n, sizeof(many) - n, "\"s%zu.example:1\", ", i);
		(void)snprintf(many + n, sizeof(many) - n, "\"fleet.example:8443\"");
		assert_int_equal(parse_with("\"fleet.example:8443\"", many),
				 count + 2 <= CH_ROOT_SERVERS_MAX ? CH_OK : CH_ERR_LIMIT);
	}
}

static void a_key_counts_once(void **state)
{
	static struct ch_fleet_root d, r;
	static struct file f;
	(void)state;
	describe(&d, 1, 0, 2, 2);
	d.root.key[1] = d.root.key[0];
	write_text(&f, &d);
	assert_int_equal(parse(&r, &f), CH_ERR_DUPLICATE);
	/* and a key that signs twice is one */
	made(&r, &f, 1, 0, 2, 2, 0x1);
	sign_by(&f, 0);
	assert_int_equal(parse(&r, &f), CH_OK);
	assert_int_equal(r.note.count, 2);
	assert_int_equal(ch_fleet_root_first(&r, &diag), CH_ERR_UNTRUSTED);
}

static void a_result_is_signed_by_p256_only(void **state)
{
	static struct ch_fleet_root d, r;
	static struct file f;
	(void)state;
	describe(&d, 1, 0, 1, 1);
	d.ear[0] = pub[0];
	write_text(&f, &d);
	assert_int_equal(parse(&r, &f), CH_ERR_KEY);
}

static void a_document_has_a_limit(void **state)
{
	static struct ch_fleet_root r;
	static struct file f;
	(void)state;
	made(&r, &f, 1, 0, 1, 1, 0);
	/* white space is part of the text */
	memmove(f.bytes + 1 + CH_FLEET_ROOT_MAX - f.text, f.bytes + 1, f.n - 1);
	memset(f.bytes + 1, ' ', CH_FLEET_ROOT_MAX - f.text);
	f.n += CH_FLEET_ROOT_MAX - f.text;
	assert_int_equal(parse(&r, &f), CH_OK);
	memmove(f.bytes + 1, f.bytes, f.n++);
	assert_int_equal(parse(&r, &f), CH_ERR_LIMIT);
}

/* --- the judge --- */

static void a_threshold_is_distinct_keys_of_the_role(void **state)
{
	static struct ch_fleet_root r;
	static struct file f;
	(void)state;
	made(&r, &f, 1, 0, 3, 2, 0x5);
	assert_int_equal(ch_fleet_root_first(&r, &diag), CH_OK);
	made(&r, &f, 1, 0, 3, 2, 0x2);
	assert_int_equal(ch_fleet_root_first(&r, &diag), CH_ERR_UNTRUSTED);
	assert_non_null(diag.rule);
	/* keys that are none of the role's are passed over */
	made(&r, &f, 1, 0, 2, 2, 0x3d);
	assert_int_equal(ch_fleet_root_first(&r, &diag), CH_ERR_UNTRUSTED);
	made(&r, &f, 1, 0, 2, 2, 0x3f);
	assert_int_equal(ch_fleet_root_first(&r, &diag), CH_OK);
}

static void a_signature_that_does_not_hold_is_said(void **state)
{
	static struct ch_fleet_root r;
	static struct file f;
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		uint8_t sig[CH_SIGN_BYTES];
		made(&r, &f, 1, 0, 3, 1, 0x4);
		assert_int_equal(ch_fleet_root_first(&r, &diag), CH_OK);
		struct ch_wr w = ch_wr(f.bytes + f.n, sizeof(f.bytes) - f.n);
		assert_int_equal(ch_sign_message(&key[k], CH_SPAN_LIT("another text"), sig), CH_OK);
		assert_int_equal(ch_role_sig_put(&w, &pub[k], sig), CH_OK);
		f.n += w.len;
		assert_int_equal(parse(&r, &f), CH_OK);
		assert_int_equal(ch_fleet_root_first(&r, &diag), CH_ERR_SIGNATURE);
		assert_true(diag.off > f.text && diag.off < f.n);
	}
}

static void a_step_needs_the_old_and_the_new_threshold(void **state)
{
	static struct ch_fleet_root known, next;
	static struct file f, g;
	(void)state;
	/* old: 2 of keys 0, 1; new: 2 of keys 2, 3 */
	made(&known, &f, 1, 0, 2, 2, 0x3);
	made(&next, &g, 2, 2, 2, 2, 0xf);
	assert_int_equal(ch_fleet_root_next(&known, &next, &diag), CH_OK);
	made(&next, &g, 2, 2, 2, 2, 0xc);
	assert_int_equal(ch_fleet_root_next(&known, &next, &diag), CH_ERR_UNTRUSTED);
	assert_non_null(strstr(diag.rule, "known version"));
	made(&next, &g, 2, 2, 2, 2, 0xd);
	assert_int_equal(ch_fleet_root_next(&known, &next, &diag), CH_ERR_UNTRUSTED);
	made(&next, &g, 2, 2, 2, 2, 0x7);
	assert_int_equal(ch_fleet_root_next(&known, &next, &diag), CH_ERR_UNTRUSTED);
	assert_null(strstr(diag.rule, "known version"));
	/* one key in both roles counts in both */
	made(&next, &g, 2, 1, 2, 2, 0x7);
	assert_int_equal(ch_fleet_root_next(&known, &next, &diag), CH_OK);
}

static void a_step_is_one_version(void **state)
{
	static const uint64_t version[] = { 1, 2, 3, 5, 6 };
	static struct ch_fleet_root known, next;
	static struct file f, g;
	(void)state;
	made(&known, &f, 3, 0, 2, 2, 0x3);
	for (size_t i = 0; i < CH_COUNT_OF(version); i++) {
		made(&next, &g, version[i], 0, 2, 2, 0x3);
		assert_int_equal(ch_fleet_root_next(&known, &next, &diag), CH_ERR_MISMATCH);
	}
	made(&next, &g, 4, 0, 2, 2, 0x3);
	assert_int_equal(ch_fleet_root_next(&known, &next, &diag), CH_OK);
}

static void time_does_not_go_back(void **state)
{
	static struct ch_fleet_root known, next, d;
	static struct file f, g;
	(void)state;
	made(&known, &f, 1, 0, 1, 1, 0x1);
	describe(&d, 2, 0, 1, 1);
	d.issued = known.issued - 1;
	write_text(&g, &d);
	sign_by(&g, 0);
	assert_int_equal(parse(&next, &g), CH_OK);
	assert_int_equal(ch_fleet_root_next(&known, &next, &diag), CH_ERR_RANGE);
}

static void an_expired_one_is_walked_over_and_not_stayed_at(void **state)
{
	static struct ch_fleet_root known, next, d;
	static struct file f, g;
	(void)state;
	made(&known, &f, 1, 0, 1, 1, 0x1);
	assert_int_equal(ch_fleet_root_current(&known, known.expires - 1, &diag), CH_OK);
	assert_int_equal(ch_fleet_root_current(&known, known.expires, &diag), CH_ERR_RANGE);
	assert_non_null(diag.rule);
	/* version 2 begins a year after version 1 ended */
	describe(&d, 2, 0, 1, 1);
	d.issued = known.expires + YEAR;
	d.expires = d.issued + YEAR;
	write_text(&g, &d);
	sign_by(&g, 0);
	assert_int_equal(parse(&next, &g), CH_OK);
	assert_int_equal(ch_fleet_root_next(&known, &next, &diag), CH_OK);
	assert_int_equal(ch_fleet_root_current(&next, next.issued, &diag), CH_OK);
}

static void an_agent_is_not_older_than_asked(void **state)
{
	static struct ch_fleet_root r;
	(void)state;
	describe(&r, 1, 0, 1, 1);
	r.agent_min[0] = 1;
	r.agent_min[1] = 4;
	r.agent_min[2] = 2;
	assert_true(ch_fleet_root_admits(&r, CH_SPAN_LIT("1.4.2")));
	assert_true(ch_fleet_root_admits(&r, CH_SPAN_LIT("1.10.0-rc1")));
	assert_true(ch_fleet_root_admits(&r, CH_SPAN_LIT("2.0.0")));
	assert_false(ch_fleet_root_admits(&r, CH_SPAN_LIT("1.4.1")));
	assert_false(ch_fleet_root_admits(&r, CH_SPAN_LIT("0.9.9")));
	assert_false(ch_fleet_root_admits(&r, CH_SPAN_LIT("unknown")));
}

static void a_writer_refuses_what_a_reader_would(void **state)
{
	static struct ch_fleet_root r;
	static uint8_t room[CH_FLEET_ROOT_MAX];
	(void)state;
	struct ch_wr w = ch_wr(room, sizeof(room));
	describe(&r, 1, 0, 2, 3);
	assert_int_equal(ch_fleet_root_put(&w, &r), CH_ERR_RANGE);
	describe(&r, 0, 0, 2, 2);
	assert_int_equal(ch_fleet_root_put(&w, &r), CH_ERR_RANGE);
	describe(&r, 1, 0, 2, 2);
	r.server_count = 0;
	assert_int_equal(ch_fleet_root_put(&w, &r), CH_ERR_RANGE);
	assert_int_equal(w.len, 0);
	describe(&r, 1, 0, 2, 2);
	w = ch_wr(room, 100);
	assert_int_equal(ch_fleet_root_put(&w, &r), CH_ERR_NOSPACE);
}

static void anchors_and_servers_are_taken_out(void **state)
{
	static struct ch_fleet_root r;
	uint8_t text[256];
	struct ch_wr w = ch_wr(text, sizeof(text));
	(void)state;
	describe(&r, 1, 0, 1, 1);
	ch_fleet_root_servers_put(&w, &r);
	assert_span_equal(ch_wr_span(&w), "fleet.example:8443\n[2001:db8::1]:443", 36);
	w = ch_wr(text, sizeof(text));
	ch_fleet_root_anchors_put(&w, &r);
	static const char pem[] = "-----BEGIN CERTIFICATE-----\nMAMCAQU=\n-----END CERTIFICATE-----\n";
	assert_span_equal(ch_wr_span(&w), pem, sizeof(pem) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_document_that_nobody_signed_is_read),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(no_flipped_bit_is_trusted),
		cmocka_unit_test(members_are_those_that_are_known),
		cmocka_unit_test(a_list_is_no_longer_than_its_limit),
		cmocka_unit_test(a_key_counts_once),
		cmocka_unit_test(a_result_is_signed_by_p256_only),
		cmocka_unit_test(a_document_has_a_limit),
		cmocka_unit_test(a_threshold_is_distinct_keys_of_the_role),
		cmocka_unit_test(a_signature_that_does_not_hold_is_said),
		cmocka_unit_test(a_step_needs_the_old_and_the_new_threshold),
		cmocka_unit_test(a_step_is_one_version),
		cmocka_unit_test(time_does_not_go_back),
		cmocka_unit_test(an_expired_one_is_walked_over_and_not_stayed_at),
		cmocka_unit_test(an_agent_is_not_older_than_asked),
		cmocka_unit_test(a_writer_refuses_what_a_reader_would),
		cmocka_unit_test(anchors_and_servers_are_taken_out),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
