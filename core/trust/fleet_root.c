/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/fleet_root.h"

#include "core/base/text.h"
#include "core/platform/spki.h"
#include "core/trust/action.h"
#include "core/wire/base64.h"
#include "core/wire/der.h"

#include <string.h>

/* The parser: a note, in it JSON read by tables. Bytes of base64 stay where they are or become fixed structs. */

struct reader {
	struct ch_json j;
	struct ch_fleet_root *r;
	struct ch_diag *d;
};

static enum ch_err refuse(const struct reader *t, size_t i, enum ch_err err, const char *rule)
{
	size_t off = i < t->j.count ? t->j.node[i].off : t->j.in.n;
	return ch_fail(t->d, err, off, rule);
}

/* --- values --- */

/* A string without escapes: one text for one value, and a span that can be borrowed. */
static enum ch_err take_text(const struct reader *t, size_t i, struct ch_span *s)
{
	if (ch_json_type(&t->j, i) != CH_JSON_STRING)
		return refuse(t, i, CH_ERR_MALFORMED, "a string is wanted here");
	if (t->j.node[i].escaped != 0)
		return refuse(t, i, CH_ERR_ENCODING, "no string of a fleet root has escapes");
	*s = ch_json_raw(&t->j, i);
	return CH_OK;
}

static enum ch_err take_number(const struct reader *t, size_t i, uint64_t max, uint64_t *v)
{
	if (ch_json_u64(&t->j, i, v) != CH_OK)
		return refuse(t, i, CH_ERR_MALFORMED,
			      "a whole number is wanted here, without sign, fraction or exponent");
	if (*v == 0 || *v > max)
		return refuse(t, i, CH_ERR_RANGE, "the number is 0 or too large");
	return CH_OK;
}

static enum ch_err take_key(const struct reader *t, size_t i, struct ch_root_key *k)
{
	struct ch_span text = CH_SPAN_EMPTY;
	struct ch_pub pub;
	uint8_t der[CH_SPKI_MAX];
	size_t n = 0;
	enum ch_err err = take_text(t, i, &text);
	if (err != CH_OK)
		return err;
	if (ch_base64_decode(CH_BASE64_STD, text, der, sizeof(der), &n, NULL) != CH_OK ||
	    ch_spki_parse(&pub, ch_span(der, n), NULL) != CH_OK || ch_root_key_make(k, &pub) != CH_OK)
		return refuse(t, i, CH_ERR_KEY,
			      "a key is the base64 of a SubjectPublicKeyInfo of P-256 or Ed25519 (RFC 5280, RFC 8410)");
	return CH_OK;
}

/* A SEQUENCE and nothing after it; what is in it is for OpenSSL to judge. */
static enum ch_err take_anchor(const struct reader *t, size_t i, struct ch_span *anchor)
{
	uint8_t der[CH_ROOT_ANCHOR_MAX];
	size_t n = 0;
	enum ch_err err = take_text(t, i, anchor);
	if (err != CH_OK)
		return err;
	bool good = ch_base64_decode(CH_BASE64_STD, *anchor, der, sizeof(der), &n, NULL) == CH_OK;
	struct ch_der_rd r = ch_der_rd(ch_span(der, n), 0);
	(void)ch_der_take(&r, CH_DER_SEQUENCE, "a certificate is a SEQUENCE");
	if (!good || !ch_der_ok(&r) || ch_der_more(&r))
		return refuse(t, i, CH_ERR_ENCODING,
			      "an anchor is the base64 of one certificate in DER, at most 3072 bytes");
	return CH_OK;
}

static bool is_host_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

static bool is_port(struct ch_span s)
{
	unsigned v = 0;
	if (s.n == 0 || s.n > 5 || s.p[0] == '0')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (unsigned)(s.p[i] - '0');
	}
	return v <= 65535;
}

/* "host:port" or "[address]:port". */
static bool is_server(struct ch_span s)
{
	size_t colon = s.n;
	while (colon > 0 && s.p[colon - 1] != ':')
		colon--;
	if (colon < 2 || s.n > CH_ROOT_SERVER_MAX || !is_port(ch_span_sub(s, colon, s.n - colon)))
		return false;
	struct ch_span host = ch_span_sub(s, 0, colon - 1);
	if (host.n > CH_ROOT_SERVER_MAX - CH_ROOT_PORT_ROOM)
		return false;
	bool six = host.p[0] == '[' && host.n > 4 && host.p[host.n - 1] == ']';
	for (size_t i = six ? 1 : 0; i < host.n - (six ? 1 : 0); i++) {
		if (!is_host_char(host.p[i]) && !(six && host.p[i] == ':'))
			return false;
	}
	return true;
}

/* The numbers of "1.2.3"; what follows the third stays. False if they are not there. */
static bool version_take(struct ch_span *s, uint32_t v[static 3])
{
	struct ch_rd r = ch_rd(*s);
	for (size_t k = 0; k < 3; k++) {
		size_t digits = 0;
		uint32_t n = 0;
		if (k > 0 && ch_rd_u8(&r) != '.')
			return false;
		while (ch_rd_left(&r) > 0 && r.in.p[r.off] >= '0' && r.in.p[r.off] <= '9') {
			n = n * 10 + (uint32_t)(ch_rd_u8(&r) - '0');
			if (++digits > 6)
				return false;
		}
		if (digits == 0)
			return false;
		v[k] = n;
	}
	*s = ch_span_sub(*s, r.off, s->n - r.off);
	return true;
}

bool ch_agent_version_parse(uint32_t v[static 3], struct ch_span text)
{
	uint32_t out[3];
	if (!version_take(&text, out) || text.n != 0)
		return false;
	for (size_t k = 0; k < 3; k++)
		v[k] = out[k];
	return true;
}

static enum ch_err take_version(const struct reader *t, size_t i)
{
	struct ch_span text;
	enum ch_err err = take_text(t, i, &text);
	if (err != CH_OK)
		return err;
	if (!ch_agent_version_parse(t->r->agent_min, text))
		return refuse(t, i, CH_ERR_MALFORMED, "the version of an agent is three numbers: \"1.2.3\"");
	return CH_OK;
}

/* --- lists: each element goes to its place by a function --- */

typedef enum ch_err take_element(const struct reader *t, size_t i, size_t nth, void *list);

static enum ch_err take_list(const struct reader *t, size_t i, size_t min, size_t max, take_element *take, void *list,
			     size_t *count)
{
	if (ch_json_type(&t->j, i) != CH_JSON_ARRAY)
		return refuse(t, i, CH_ERR_MALFORMED, "an array is wanted here");
	*count = 0;
	for (size_t e = ch_json_first(&t->j, i); e != CH_JSON_NONE; e = ch_json_next(&t->j, i, e)) {
		if (*count == max)
			return refuse(t, e, CH_ERR_LIMIT, "the list is longer than it may be (core/base/limits.h)");
		enum ch_err err = take(t, e, *count, list);
		if (err != CH_OK)
			return err;
		(*count)++;
	}
	return *count < min ? refuse(t, i, CH_ERR_MISSING, "the list is empty") : CH_OK;
}

static enum ch_err key_element(const struct reader *t, size_t i, size_t nth, void *list)
{
	struct ch_root_key *key = list;
	enum ch_err err = take_key(t, i, &key[nth]);
	for (size_t k = 0; err == CH_OK && k < nth; k++) {
		if (ch_span_eq(CH_SPAN_OF(key[k].id), CH_SPAN_OF(key[nth].id)))
			err = refuse(t, i, CH_ERR_DUPLICATE, "the key is in the list twice: a threshold counts keys");
	}
	return err;
}

static enum ch_err ear_element(const struct reader *t, size_t i, size_t nth, void *list)
{
	struct ch_root_key *key = list;
	enum ch_err err = key_element(t, i, nth, list);
	if (err == CH_OK && key[nth].type != CH_KEY_P256)
		err = refuse(t, i, CH_ERR_KEY, "attestation results are signed with ES256: the key is one of P-256");
	return err;
}

static enum ch_err anchor_element(const struct reader *t, size_t i, size_t nth, void *list)
{
	struct ch_span *anchor = list;
	enum ch_err err = take_anchor(t, i, &anchor[nth]);
	for (size_t k = 0; err == CH_OK && k < nth; k++) {
		if (ch_span_eq(anchor[k], anchor[nth]))
			err = refuse(t, i, CH_ERR_DUPLICATE, "the anchor is in the list twice");
	}
	return err;
}

static enum ch_err log_element(const struct reader *t, size_t i, size_t nth, void *list)
{
	struct ch_note_key *log = list;
	struct ch_span text;
	enum ch_err err = take_text(t, i, &text);
	if (err == CH_OK && ch_note_key_parse(&log[nth], text, NULL) != CH_OK)
		err = refuse(t, i, CH_ERR_KEY,
			     "a log is the text of its key: ORIGIN+ID+KEY, Ed25519 (C2SP signed-note)");
	for (size_t k = 0; err == CH_OK && k < nth; k++) {
		if (ch_span_eq(log[k].name, log[nth].name) &&
		    ch_span_eq(CH_SPAN_OF(log[k].pub), CH_SPAN_OF(log[nth].pub)))
			err = refuse(t, i, CH_ERR_DUPLICATE, "the log is in the list twice");
	}
	return err;
}

static enum ch_err server_element(const struct reader *t, size_t i, size_t nth, void *list)
{
	struct ch_span *server = list;
	enum ch_err err = take_text(t, i, &server[nth]);
	if (err == CH_OK && !is_server(server[nth]))
		err = refuse(t, i, CH_ERR_MALFORMED, "a server is \"host:port\", an IPv6 address in brackets");
	for (size_t k = 0; err == CH_OK && k < nth; k++) {
		if (ch_span_eq(server[k], server[nth]))
			err = refuse(t, i, CH_ERR_DUPLICATE, "the server is in the list twice");
	}
	return err;
}

/* --- objects: a table of members, all of them needed --- */

struct member {
	const char *name;
	enum ch_err (*take)(const struct reader *t, size_t i, void *to);
};

static enum ch_err take_object(const struct reader *t, size_t i, const struct member *row, size_t count, void *to)
{
	const struct ch_json *j = &t->j;
	uint32_t seen = 0;
	if (ch_json_type(j, i) != CH_JSON_OBJECT)
		return refuse(t, i, CH_ERR_MALFORMED, "an object is wanted here");
	for (size_t name = ch_json_first(j, i); name != CH_JSON_NONE; name = ch_json_next(j, i, name + 1)) {
		size_t k = 0;
		while (k < count && (j->node[name].escaped != 0 || !ch_json_str_eq(j, name, row[k].name)))
			k++;
		if (k == count)
			return refuse(t, name, CH_ERR_UNKNOWN, "the member is none that a fleet root has");
		if ((seen >> k & 1) != 0)
			return refuse(t, name, CH_ERR_DUPLICATE, "the member is there twice");
		seen |= 1u << k;
		enum ch_err err = row[k].take(t, name + 1, to);
		if (err != CH_OK)
			return err;
	}
	return seen == (1u << count) - 1 ? CH_OK : refuse(t, i, CH_ERR_MISSING, "a member of the object is missing");
}

static enum ch_err role_threshold(const struct reader *t, size_t i, void *to)
{
	struct ch_root_role *role = to;
	return take_number(t, i, CH_ROOT_KEYS_MAX, &role->threshold);
}

static enum ch_err role_keys(const struct reader *t, size_t i, void *to)
{
	struct ch_root_role *role = to;
	return take_list(t, i, 1, CH_ROOT_KEYS_MAX, key_element, role->key, &role->count);
}

static enum ch_err role_name(const struct reader *t, size_t i, void *to)
{
	struct ch_root_role *role = to;
	enum ch_err err = take_text(t, i, &role->name);
	if (err == CH_OK && !ch_name_valid(role->name))
		err = refuse(t, i, CH_ERR_MALFORMED,
			     "a role's name is 1 to 64 of a-z 0-9 - _ . with a letter or digit first");
	return err;
}

static const struct member role_members[] = {
	{ "threshold", role_threshold },
	{ "keys", role_keys },
	{ "name", role_name }, /* of a release role only: the root role's table ends before it */
};

static enum ch_err take_role(const struct reader *t, size_t i, size_t members, struct ch_root_role *role)
{
	enum ch_err err = take_object(t, i, role_members, members, role);
	if (err == CH_OK && role->threshold > role->count)
		err = refuse(t, i, CH_ERR_RANGE, "the threshold is larger than the number of keys");
	return err;
}

static enum ch_err release_element(const struct reader *t, size_t i, size_t nth, void *list)
{
	struct ch_root_role *role = list;
	enum ch_err err = take_role(t, i, CH_COUNT_OF(role_members), &role[nth]);
	for (size_t k = 0; err == CH_OK && k < nth; k++) {
		if (ch_span_eq(role[k].name, role[nth].name))
			err = refuse(t, i, CH_ERR_DUPLICATE, "two release roles have the same name");
	}
	return err;
}

/* --- the document --- */

static enum ch_err root_type(const struct reader *t, size_t i, void *to)
{
	(void)to;
	struct ch_span s;
	enum ch_err err = take_text(t, i, &s);
	if (err == CH_OK && !ch_span_eq(s, CH_SPAN_LIT(CH_FLEET_ROOT_TYPE)))
		err = refuse(t, i, CH_ERR_UNSUPPORTED, "the type is not \"" CH_FLEET_ROOT_TYPE "\"");
	return err;
}

static enum ch_err root_version(const struct reader *t, size_t i, void *to)
{
	(void)to;
	return take_number(t, i, CH_ROOT_VERSION_MAX, &t->r->version);
}

static enum ch_err root_issued(const struct reader *t, size_t i, void *to)
{
	(void)to;
	return take_number(t, i, INT64_MAX, &t->r->issued);
}

static enum ch_err root_expires(const struct reader *t, size_t i, void *to)
{
	(void)to;
	return take_number(t, i, INT64_MAX, &t->r->expires);
}

static enum ch_err root_role(const struct reader *t, size_t i, void *to)
{
	(void)to;
	return take_role(t, i, CH_COUNT_OF(role_members) - 1, &t->r->root);
}

static enum ch_err root_releases(const struct reader *t, size_t i, void *to)
{
	(void)to;
	return take_list(t, i, 0, CH_ROOT_RELEASES_MAX, release_element, t->r->release, &t->r->release_count);
}

static enum ch_err root_anchors(const struct reader *t, size_t i, void *to)
{
	(void)to;
	return take_list(t, i, 1, CH_ROOT_ANCHORS_MAX, anchor_element, t->r->anchor, &t->r->anchor_count);
}

static enum ch_err root_logs(const struct reader *t, size_t i, void *to)
{
	(void)to;
	return take_list(t, i, 0, CH_ROOT_LOGS_MAX, log_element, t->r->log, &t->r->log_count);
}

static enum ch_err root_ears(const struct reader *t, size_t i, void *to)
{
	(void)to;
	return take_list(t, i, 0, CH_ROOT_EARS_MAX, ear_element, t->r->ear, &t->r->ear_count);
}

static enum ch_err root_servers(const struct reader *t, size_t i, void *to)
{
	(void)to;
	return take_list(t, i, 1, CH_ROOT_SERVERS_MAX, server_element, t->r->server, &t->r->server_count);
}

static enum ch_err root_agent(const struct reader *t, size_t i, void *to)
{
	(void)to;
	return take_version(t, i);
}

static const struct member members[] = {
	{ "type", root_type }, { "version", root_version },   { "issued", root_issued },   { "expires", root_expires },
	{ "root", root_role }, { "releases", root_releases }, { "anchors", root_anchors }, { "logs", root_logs },
	{ "ears", root_ears }, { "servers", root_servers },   { "agent_min", root_agent },
};

/* A note; or what is to become one: a text and an empty line, without signatures. */
static enum ch_err note_or_text(struct ch_note *n, struct ch_span in, struct ch_diag *d)
{
	enum ch_err err = ch_note_parse(n, in, d);
	if (err != CH_ERR_MISSING)
		return err;
	ch_diag_clear(d);
	*n = (struct ch_note){ .text = ch_span_sub(in, 0, in.n - 1) };
	return CH_OK;
}

enum ch_err ch_fleet_root_parse(struct ch_fleet_root *r, struct ch_span in,
				struct ch_json_node node[static CH_ROOT_NODES_MAX], struct ch_diag *d)
{
	struct reader t = { .r = r, .d = d };
	memset(r, 0, sizeof(*r));
	ch_diag_clear(d);
	enum ch_err err = note_or_text(&r->note, in, d);
	if (err == CH_OK && r->note.text.n > CH_FLEET_ROOT_MAX)
		err = ch_fail(d, CH_ERR_LIMIT, CH_FLEET_ROOT_MAX, "the document is longer than CH_FLEET_ROOT_MAX");
	if (err == CH_OK)
		err = ch_json_parse(&t.j, r->note.text, node, CH_ROOT_NODES_MAX, d);
	if (err == CH_OK)
		err = take_object(&t, 0, members, CH_COUNT_OF(members), NULL);
	if (err == CH_OK && r->expires <= r->issued)
		err = refuse(&t, 0, CH_ERR_RANGE, "the document expires before it is issued");
	if (err != CH_OK)
		memset(r, 0, sizeof(*r));
	return err;
}

bool ch_fleet_root_admits(const struct ch_fleet_root *r, struct ch_span version)
{
	uint32_t v[3];
	if (!version_take(&version, v))
		return false;
	for (size_t k = 0; k < 3; k++) {
		if (v[k] != r->agent_min[k])
			return v[k] > r->agent_min[k];
	}
	return true;
}
