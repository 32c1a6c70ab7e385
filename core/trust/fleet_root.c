/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/fleet_root.h"

#include "core/base/text.h"
#include "core/platform/spki.h"
#include "core/trust/action.h"
#include "core/wire/base64.h"
#include "core/wire/der.h"
#include "core/wire/json_doc.h"

#include <string.h>

/* The parser: a note, in it JSON read by tables. Bytes of base64 stay where they are or become fixed structs. */

/* --- values --- */

static enum ch_err take_key(const struct ch_json_doc *t, size_t i, struct ch_root_key *k)
{
	struct ch_span text = CH_SPAN_EMPTY;
	struct ch_pub pub;
	uint8_t der[CH_SPKI_MAX];
	size_t n = 0;
	enum ch_err err = ch_json_doc_text(t, i, &text);
	if (err != CH_OK)
		return err;
	if (ch_base64_decode(CH_BASE64_STD, text, der, sizeof(der), &n, NULL) != CH_OK ||
	    ch_spki_parse(&pub, ch_span(der, n), NULL) != CH_OK || ch_root_key_make(k, &pub) != CH_OK)
		return ch_json_doc_refuse(
			t, i, CH_ERR_KEY,
			"a key is the base64 of a SubjectPublicKeyInfo of P-256 or Ed25519 (RFC 5280, RFC 8410)");
	return CH_OK;
}

/* A SEQUENCE and nothing after it; what is in it is for OpenSSL to judge. */
static enum ch_err take_anchor(const struct ch_json_doc *t, size_t i, struct ch_span *anchor)
{
	uint8_t der[CH_ROOT_ANCHOR_MAX];
	size_t n = 0;
	enum ch_err err = ch_json_doc_text(t, i, anchor);
	if (err != CH_OK)
		return err;
	bool good = ch_base64_decode(CH_BASE64_STD, *anchor, der, sizeof(der), &n, NULL) == CH_OK;
	struct ch_der_rd r = ch_der_rd(ch_span(der, n), 0);
	(void)ch_der_take(&r, CH_DER_SEQUENCE, "a certificate is a SEQUENCE");
	if (!good || !ch_der_ok(&r) || ch_der_more(&r))
		return ch_json_doc_refuse(t, i, CH_ERR_ENCODING,
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

/* --- lists: each element goes to its place by a function --- */

static enum ch_err key_element(const struct ch_json_doc *t, size_t i, size_t nth, void *list)
{
	struct ch_root_key *key = list;
	enum ch_err err = take_key(t, i, &key[nth]);
	for (size_t k = 0; err == CH_OK && k < nth; k++) {
		if (ch_span_eq(CH_SPAN_OF(key[k].id), CH_SPAN_OF(key[nth].id)))
			err = ch_json_doc_refuse(t, i, CH_ERR_DUPLICATE,
						 "the key is in the list twice: a threshold counts keys");
	}
	return err;
}

static enum ch_err ear_element(const struct ch_json_doc *t, size_t i, size_t nth, void *list)
{
	struct ch_root_key *key = list;
	enum ch_err err = key_element(t, i, nth, list);
	if (err == CH_OK && key[nth].type != CH_KEY_P256)
		err = ch_json_doc_refuse(t, i, CH_ERR_KEY,
					 "attestation results are signed with ES256: the key is one of P-256");
	return err;
}

static enum ch_err anchor_element(const struct ch_json_doc *t, size_t i, size_t nth, void *list)
{
	struct ch_span *anchor = list;
	enum ch_err err = take_anchor(t, i, &anchor[nth]);
	for (size_t k = 0; err == CH_OK && k < nth; k++) {
		if (ch_span_eq(anchor[k], anchor[nth]))
			err = ch_json_doc_refuse(t, i, CH_ERR_DUPLICATE, "the anchor is in the list twice");
	}
	return err;
}

static enum ch_err log_element(const struct ch_json_doc *t, size_t i, size_t nth, void *list)
{
	struct ch_note_key *log = list;
	struct ch_span text;
	enum ch_err err = ch_json_doc_text(t, i, &text);
	if (err == CH_OK && ch_note_key_parse(&log[nth], text, NULL) != CH_OK)
		err = ch_json_doc_refuse(t, i, CH_ERR_KEY,
					 "a log is the text of its key: ORIGIN+ID+KEY, Ed25519 (C2SP signed-note)");
	for (size_t k = 0; err == CH_OK && k < nth; k++) {
		if (ch_span_eq(log[k].name, log[nth].name) &&
		    ch_span_eq(CH_SPAN_OF(log[k].pub), CH_SPAN_OF(log[nth].pub)))
			err = ch_json_doc_refuse(t, i, CH_ERR_DUPLICATE, "the log is in the list twice");
	}
	return err;
}

static enum ch_err server_element(const struct ch_json_doc *t, size_t i, size_t nth, void *list)
{
	struct ch_span *server = list;
	enum ch_err err = ch_json_doc_text(t, i, &server[nth]);
	if (err == CH_OK && !is_server(server[nth]))
		err = ch_json_doc_refuse(t, i, CH_ERR_MALFORMED,
					 "a server is \"host:port\", an IPv6 address in brackets");
	for (size_t k = 0; err == CH_OK && k < nth; k++) {
		if (ch_span_eq(server[k], server[nth]))
			err = ch_json_doc_refuse(t, i, CH_ERR_DUPLICATE, "the server is in the list twice");
	}
	return err;
}

/* --- objects: a table of members, all of them needed --- */

static enum ch_err role_threshold(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_root_role *role = to;
	return ch_json_doc_number(t, i, 1, CH_ROOT_KEYS_MAX, &role->threshold);
}

static enum ch_err role_keys(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_root_role *role = to;
	return ch_json_doc_list(t, i, 1, CH_ROOT_KEYS_MAX, key_element, role->key, &role->count);
}

static enum ch_err role_name(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_root_role *role = to;
	enum ch_err err = ch_json_doc_text(t, i, &role->name);
	if (err == CH_OK && !ch_name_valid(role->name))
		err = ch_json_doc_refuse(t, i, CH_ERR_MALFORMED,
					 "a role's name is 1 to 64 of a-z 0-9 - _ . with a letter or digit first");
	return err;
}

static const struct ch_json_doc_member role_members[] = {
	{ "threshold", role_threshold },
	{ "keys", role_keys },
	{ "name", role_name }, /* of a release role only: the root role's table ends before it */
};

static enum ch_err take_role(const struct ch_json_doc *t, size_t i, size_t members, struct ch_root_role *role)
{
	enum ch_err err = ch_json_doc_object(t, i, role_members, members, role);
	if (err == CH_OK && role->threshold > role->count)
		err = ch_json_doc_refuse(t, i, CH_ERR_RANGE, "the threshold is larger than the number of keys");
	return err;
}

static enum ch_err release_element(const struct ch_json_doc *t, size_t i, size_t nth, void *list)
{
	struct ch_root_role *role = list;
	enum ch_err err = take_role(t, i, CH_COUNT_OF(role_members), &role[nth]);
	for (size_t k = 0; err == CH_OK && k < nth; k++) {
		if (ch_span_eq(role[k].name, role[nth].name))
			err = ch_json_doc_refuse(t, i, CH_ERR_DUPLICATE, "two release roles have the same name");
	}
	return err;
}

/* --- the document --- */

static enum ch_err root_type(const struct ch_json_doc *t, size_t i, void *to)
{
	(void)to;
	return ch_json_doc_type(t, i, CH_FLEET_ROOT_TYPE, "the type is not \"" CH_FLEET_ROOT_TYPE "\"");
}

static enum ch_err root_version(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_fleet_root *r = to;
	return ch_json_doc_number(t, i, 1, CH_ROOT_VERSION_MAX, &r->version);
}

static enum ch_err root_issued(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_fleet_root *r = to;
	return ch_json_doc_number(t, i, 1, INT64_MAX, &r->issued);
}

static enum ch_err root_expires(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_fleet_root *r = to;
	return ch_json_doc_number(t, i, 1, INT64_MAX, &r->expires);
}

static enum ch_err root_role(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_fleet_root *r = to;
	return take_role(t, i, CH_COUNT_OF(role_members) - 1, &r->root);
}

static enum ch_err root_releases(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_fleet_root *r = to;
	return ch_json_doc_list(t, i, 0, CH_ROOT_RELEASES_MAX, release_element, r->release, &r->release_count);
}

static enum ch_err root_anchors(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_fleet_root *r = to;
	return ch_json_doc_list(t, i, 1, CH_ROOT_ANCHORS_MAX, anchor_element, r->anchor, &r->anchor_count);
}

static enum ch_err root_logs(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_fleet_root *r = to;
	return ch_json_doc_list(t, i, 0, CH_ROOT_LOGS_MAX, log_element, r->log, &r->log_count);
}

static enum ch_err root_ears(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_fleet_root *r = to;
	return ch_json_doc_list(t, i, 0, CH_ROOT_EARS_MAX, ear_element, r->ear, &r->ear_count);
}

static enum ch_err root_servers(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_fleet_root *r = to;
	return ch_json_doc_list(t, i, 1, CH_ROOT_SERVERS_MAX, server_element, r->server, &r->server_count);
}

static enum ch_err root_agent(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_fleet_root *r = to;
	struct ch_span text;
	enum ch_err err = ch_json_doc_text(t, i, &text);
	if (err == CH_OK && !ch_agent_version_parse(r->agent_min, text))
		err = ch_json_doc_refuse(t, i, CH_ERR_MALFORMED, "the version of an agent is three numbers: \"1.2.3\"");
	return err;
}

static const struct ch_json_doc_member members[] = {
	{ "type", root_type }, { "version", root_version },   { "issued", root_issued },   { "expires", root_expires },
	{ "root", root_role }, { "releases", root_releases }, { "anchors", root_anchors }, { "logs", root_logs },
	{ "ears", root_ears }, { "servers", root_servers },   { "agent_min", root_agent },
};

enum ch_err ch_fleet_root_parse(struct ch_fleet_root *r, struct ch_span in,
				struct ch_json_node node[static CH_ROOT_NODES_MAX], struct ch_diag *d)
{
	struct ch_json_doc t = { .d = d };
	memset(r, 0, sizeof(*r));
	ch_diag_clear(d);
	enum ch_err err = ch_role_note(&r->note, in, CH_FLEET_ROOT_MAX, d);
	if (err == CH_OK)
		err = ch_json_parse(&t.j, r->note.text, node, CH_ROOT_NODES_MAX, d);
	if (err == CH_OK)
		err = ch_json_doc_object(&t, 0, members, CH_COUNT_OF(members), r);
	if (err == CH_OK && r->expires <= r->issued)
		err = ch_json_doc_refuse(&t, 0, CH_ERR_RANGE, "the document expires before it is issued");
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
