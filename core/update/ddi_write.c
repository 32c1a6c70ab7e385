/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/ddi.h"

#define SLEEP_MIN 5u     /* below it SWUpdate and Zephyr ignore it or poll without pause */
#define SLEEP_MAX 86399u /* the clients read hours as those of a day */
#define HREF_MAX  1024

static bool place_valid(const struct ch_ddi_place *p)
{
	return ch_ddi_name_valid(p->tenant) && ch_ddi_name_valid(p->controller) &&
	       ch_span_starts(p->origin, CH_SPAN_LIT("https://")) && p->origin.n <= 512;
}

static enum ch_err done(const struct ch_json_wr *j)
{
	return ch_json_wr_done(j) ? CH_OK : CH_ERR_NOSPACE;
}

/* {"href": "…"}; a failed `href` writes nothing that is whole. */
static void put_link(struct ch_json_wr *j, const char *name, const struct ch_wr *href)
{
	j->w->bad = j->w->bad || href->bad;
	ch_json_name(j, name);
	ch_json_object_begin(j);
	ch_json_named_span(j, "href", ch_wr_span(href));
	ch_json_object_end(j);
}

/* The address of what is called `name` below the device's base; `action` 0: it has no number. */
static void put_address(struct ch_wr *w, const struct ch_ddi_place *p, const char *name, uint64_t action)
{
	ch_wr_put(w, p->origin);
	ch_wr_u8(w, '/');
	ch_wr_put(w, p->tenant);
	ch_wr_str(w, "/controller/v1/");
	ch_wr_put(w, p->controller);
	ch_wr_u8(w, '/');
	ch_wr_str(w, name);
	if (action != 0) {
		ch_wr_u8(w, '/');
		ch_wr_dec(w, action);
	}
}

static void put_resource(struct ch_json_wr *j, const struct ch_ddi_place *p, const char *name, uint64_t action)
{
	uint8_t text[HREF_MAX];
	struct ch_wr w = ch_wr(text, sizeof(text));
	put_address(&w, p, name, action);
	put_link(j, name, &w);
}

/* "HH:MM:SS": exactly eight characters, or Zephyr takes it for none. */
static void put_sleep(struct ch_json_wr *j, uint32_t seconds)
{
	uint32_t s = seconds < SLEEP_MIN ? SLEEP_MIN : seconds > SLEEP_MAX ? SLEEP_MAX : seconds;
	const uint32_t part[] = { s / 3600, s / 60 % 60, s % 60 };
	uint8_t text[8];
	struct ch_wr w = ch_wr(text, sizeof(text));
	for (size_t i = 0; i < CH_COUNT_OF(part); i++) {
		if (i > 0)
			ch_wr_u8(&w, ':');
		ch_wr_u8(&w, (uint8_t)('0' + part[i] / 10));
		ch_wr_u8(&w, (uint8_t)('0' + part[i] % 10));
	}
	ch_json_named_span(j, "sleep", ch_wr_span(&w));
}

enum ch_err ch_ddi_poll_put(struct ch_wr *w, const struct ch_ddi_place *place, const struct ch_ddi_poll *poll)
{
	const uint64_t action[] = { poll->action, poll->cancel, poll->installed };
	for (size_t i = 0; i < CH_COUNT_OF(action); i++) {
		if (action[i] != 0 && !ch_ddi_action_valid(action[i]))
			return CH_ERR_RANGE;
	}
	if (!place_valid(place))
		return CH_ERR_RANGE;
	struct ch_json_wr j = ch_json_wr(w, false);
	ch_json_object_begin(&j);
	ch_json_name(&j, "config");
	ch_json_object_begin(&j);
	ch_json_name(&j, "polling");
	ch_json_object_begin(&j);
	put_sleep(&j, poll->sleep);
	ch_json_object_end(&j);
	ch_json_object_end(&j);
	ch_json_name(&j, "_links");
	ch_json_object_begin(&j);
	if (poll->cancel != 0)
		put_resource(&j, place, "cancelAction", poll->cancel);
	else if (poll->action != 0)
		put_resource(&j, place, "deploymentBase", poll->action);
	if (poll->installed != 0)
		put_resource(&j, place, "installedBase", poll->installed);
	if (poll->attributes)
		put_resource(&j, place, "configData", 0);
	ch_json_object_end(&j);
	ch_json_object_end(&j);
	return done(&j);
}

/* Ids are strings: rauc-hawkbit-updater reads no number. */
static void put_id(struct ch_json_wr *j, const char *name, uint64_t action)
{
	uint8_t text[20];
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_wr_dec(&w, action);
	ch_json_named_span(j, name, ch_wr_span(&w));
}

static void put_artifact(struct ch_json_wr *j, const struct ch_ddi_place *place, uint64_t action,
			 const struct ch_ddi_artifact *a)
{
	uint8_t text[HREF_MAX];
	struct ch_wr w = ch_wr(text, sizeof(text));
	put_address(&w, place, "softwaremodules", action);
	ch_wr_str(&w, "/artifacts/");
	ch_wr_put(&w, a->filename);
	ch_json_object_begin(j);
	ch_json_named_span(j, "filename", a->filename);
	ch_json_name(j, "hashes");
	ch_json_object_begin(j);
	ch_json_named_hex(j, "sha1", CH_SPAN_OF(a->sha1));
	ch_json_named_hex(j, "sha256", CH_SPAN_OF(a->sha256));
	ch_json_object_end(j);
	ch_json_named_u64(j, "size", a->size);
	ch_json_name(j, "_links");
	ch_json_object_begin(j);
	put_link(j, "download", &w);
	put_link(j, "download-http", &w); /* Zephyr reads no other, and uses TLS for it */
	ch_json_object_end(j);
	ch_json_object_end(j);
}

enum ch_err ch_ddi_deployment_put(struct ch_wr *w, const struct ch_ddi_place *place,
				  const struct ch_ddi_deployment *deployment)
{
	const char *how = deployment->forced ? "forced" : "attempt";
	if (!place_valid(place) || !ch_ddi_action_valid(deployment->action) || deployment->count == 0)
		return CH_ERR_RANGE;
	struct ch_json_wr j = ch_json_wr(w, false);
	ch_json_object_begin(&j);
	put_id(&j, "id", deployment->action);
	ch_json_name(&j, "deployment");
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "download", how);
	ch_json_named_str(&j, "update", how);
	ch_json_name(&j, "chunks");
	ch_json_array_begin(&j);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "part", "bApp"); /* Zephyr installs no other */
	ch_json_named_span(&j, "version", deployment->version);
	ch_json_named_span(&j, "name", deployment->name);
	ch_json_name(&j, "artifacts");
	ch_json_array_begin(&j);
	for (size_t i = 0; i < deployment->count; i++)
		put_artifact(&j, place, deployment->action, &deployment->artifact[i]);
	ch_json_array_end(&j);
	ch_json_object_end(&j);
	ch_json_array_end(&j);
	ch_json_object_end(&j);
	ch_json_object_end(&j);
	return done(&j);
}

enum ch_err ch_ddi_cancel_put(struct ch_wr *w, uint64_t action)
{
	if (!ch_ddi_action_valid(action))
		return CH_ERR_RANGE;
	struct ch_json_wr j = ch_json_wr(w, false);
	ch_json_object_begin(&j);
	put_id(&j, "id", action);
	ch_json_name(&j, "cancelAction");
	ch_json_object_begin(&j);
	put_id(&j, "stopId", action);
	ch_json_object_end(&j);
	ch_json_object_end(&j);
	return done(&j);
}
