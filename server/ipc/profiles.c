/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ipc/profiles.h"

#include "server/ipc/child.h"

const struct ch_cert_profile *ch_profiles_find(const struct ch_profiles *ps, struct ch_span label)
{
	struct ch_span wanted = label.n > 0 ? label : CH_SPAN_LIT("default");
	for (size_t i = 0; i < ps->count; i++) {
		if (ch_span_eq(ps->profile[i].label, wanted))
			return &ps->profile[i];
	}
	return label.n == 0 && ps->count == 1 ? &ps->profile[0] : NULL;
}

static enum ch_err add(struct ch_profiles *ps, struct ch_span config, unsigned nth)
{
	CH_AUTO_BUF struct ch_buf image = { 0 };
	struct ch_cert_profile p;
	enum ch_err err = ch_config_bytes(config, "certificate_profile", nth, &image);
	if (err == CH_OK)
		err = ch_cert_profile_parse(&p, ch_buf_span(&image), NULL);
	if (err != CH_OK)
		return err;
	if (ps->count == CH_PROFILES_MAX)
		return CH_ERR_LIMIT;
	for (size_t i = 0; i < ps->count; i++) {
		if (ch_span_eq(ps->profile[i].label, p.label))
			return CH_ERR_DUPLICATE;
	}
	ps->image[ps->count] = image;
	image = (struct ch_buf){ 0 };
	ps->profile[ps->count++] = p;
	return CH_OK;
}

enum ch_err ch_profiles_load(struct ch_profiles *ps, struct ch_span config)
{
	struct ch_profiles next = { .count = 0 };
	enum ch_err err = CH_OK;
	for (unsigned i = 0; err == CH_OK; i++)
		err = add(&next, config, i);
	if (err != CH_ERR_NOTFOUND) {
		ch_profiles_clear(&next);
		return err;
	}
	ch_profiles_clear(ps);
	*ps = next;
	return CH_OK;
}

void ch_profiles_clear(struct ch_profiles *ps)
{
	for (size_t i = 0; i < ps->count; i++)
		ch_buf_free(&ps->image[i]);
	*ps = (struct ch_profiles){ .count = 0 };
}
