/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/fleet_root.h"

#include "core/platform/spki.h"
#include "core/trust/action.h"
#include "core/wire/base64.h"

/* Writes the document, and what is taken out of it. */

#define PEM_COLUMNS 64

static void put_key(struct ch_json_wr *j, const struct ch_root_key *k)
{
	uint8_t der[CH_SPKI_MAX], text[CH_SPKI_MAX * 2];
	struct ch_wr w = ch_wr(der, sizeof(der)), t = ch_wr(text, sizeof(text));
	const struct ch_pub pub = ch_root_key_pub(k);
	if (!ch_spki_put(&w, &pub))
		j->w->bad = true;
	ch_base64_put(&t, CH_BASE64_STD, ch_wr_span(&w));
	ch_json_put_span(j, ch_wr_span(&t));
}

static void put_role(struct ch_json_wr *j, const struct ch_root_role *role)
{
	ch_json_object_begin(j);
	if (role->name.n > 0)
		ch_json_named_span(j, "name", role->name);
	ch_json_named_u64(j, "threshold", role->threshold);
	ch_json_name(j, "keys");
	ch_json_array_begin(j);
	for (size_t i = 0; i < role->count; i++)
		put_key(j, &role->key[i]);
	ch_json_array_end(j);
	ch_json_object_end(j);
}

static void put_spans(struct ch_json_wr *j, const char *name, const struct ch_span *s, size_t count)
{
	ch_json_name(j, name);
	ch_json_array_begin(j);
	for (size_t i = 0; i < count; i++)
		ch_json_put_span(j, s[i]);
	ch_json_array_end(j);
}

static void put_logs(struct ch_json_wr *j, const struct ch_fleet_root *r)
{
	ch_json_name(j, "logs");
	ch_json_array_begin(j);
	for (size_t i = 0; i < r->log_count; i++) {
		uint8_t text[CH_NOTE_KEY_TEXT_MAX];
		struct ch_wr w = ch_wr(text, sizeof(text));
		ch_note_key_put(&w, &r->log[i]);
		ch_json_put_span(j, ch_wr_span(&w));
	}
	ch_json_array_end(j);
}

static void put_agent(struct ch_json_wr *j, const struct ch_fleet_root *r)
{
	uint8_t text[32];
	struct ch_wr w = ch_wr(text, sizeof(text));
	for (size_t k = 0; k < 3; k++) {
		ch_wr_str(&w, k > 0 ? "." : "");
		ch_wr_dec(&w, r->agent_min[k]);
	}
	ch_json_named_span(j, "agent_min", ch_wr_span(&w));
}

static bool role_fits(const struct ch_root_role *role)
{
	return role->count >= 1 && role->count <= CH_ROOT_KEYS_MAX && role->threshold >= 1 &&
	       role->threshold <= role->count;
}

static bool fits(const struct ch_fleet_root *r)
{
	bool good = r->version >= 1 && r->version <= CH_ROOT_VERSION_MAX && r->issued >= 1 && r->expires > r->issued &&
		    r->expires <= INT64_MAX && role_fits(&r->root) && r->root.name.n == 0 &&
		    r->release_count <= CH_ROOT_RELEASES_MAX && r->anchor_count >= 1 &&
		    r->anchor_count <= CH_ROOT_ANCHORS_MAX && r->log_count <= CH_ROOT_LOGS_MAX &&
		    r->ear_count <= CH_ROOT_EARS_MAX && r->server_count >= 1 && r->server_count <= CH_ROOT_SERVERS_MAX;
	for (size_t i = 0; good && i < r->release_count; i++)
		good = role_fits(&r->release[i]) && ch_name_valid(r->release[i].name);
	return good;
}

enum ch_err ch_fleet_root_put(struct ch_wr *w, const struct ch_fleet_root *r)
{
	if (!fits(r))
		return CH_ERR_RANGE;
	struct ch_json_wr j = ch_json_wr(w, true);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "type", CH_FLEET_ROOT_TYPE);
	ch_json_named_u64(&j, "version", r->version);
	ch_json_named_u64(&j, "issued", r->issued);
	ch_json_named_u64(&j, "expires", r->expires);
	ch_json_name(&j, "root");
	put_role(&j, &r->root);
	ch_json_name(&j, "releases");
	ch_json_array_begin(&j);
	for (size_t i = 0; i < r->release_count; i++)
		put_role(&j, &r->release[i]);
	ch_json_array_end(&j);
	put_spans(&j, "anchors", r->anchor, r->anchor_count);
	put_logs(&j, r);
	ch_json_name(&j, "ears");
	ch_json_array_begin(&j);
	for (size_t i = 0; i < r->ear_count; i++)
		put_key(&j, &r->ear[i]);
	ch_json_array_end(&j);
	put_spans(&j, "servers", r->server, r->server_count);
	put_agent(&j, r);
	ch_json_object_end(&j);
	ch_wr_u8(w, '\n');
	return w->bad || !ch_json_wr_done(&j) ? CH_ERR_NOSPACE : CH_OK;
}

void ch_fleet_root_anchors_put(struct ch_wr *w, const struct ch_fleet_root *r)
{
	for (size_t i = 0; i < r->anchor_count; i++) {
		struct ch_rd text = ch_rd(r->anchor[i]);
		ch_wr_str(w, "-----BEGIN CERTIFICATE-----\n");
		while (ch_rd_left(&text) > 0) {
			size_t n = ch_rd_left(&text);
			ch_wr_put(w, ch_rd_take(&text, n < PEM_COLUMNS ? n : PEM_COLUMNS));
			ch_wr_str(w, "\n");
		}
		ch_wr_str(w, "-----END CERTIFICATE-----\n");
	}
}

void ch_fleet_root_servers_put(struct ch_wr *w, const struct ch_fleet_root *r)
{
	for (size_t i = 0; i < r->server_count; i++) {
		ch_wr_str(w, i > 0 ? "\n" : "");
		ch_wr_put(w, r->server[i]);
	}
}
