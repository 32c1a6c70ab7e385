/* SPDX-License-Identifier: Apache-2.0 */
#include "server/edge/root_lists.h"

#include "host/sys/log.h"
#include "server/ipc/child.h"

#define DAY      86400
#define WARN_MAX ((int64_t)14 * DAY) /* before its end, and at most a quarter of its time */

void root_lists_clear(struct root_lists *l)
{
	for (size_t i = 0; i < l->count; i++)
		told_list_clear(&l->v[i].told);
	l->count = 0;
}

static const struct root_list *find(const struct root_lists *l, struct ch_span name)
{
	for (size_t i = 0; i < l->count; i++) {
		if (ch_span_eq(name, ch_span_str(l->v[i].is.kid)))
			return &l->v[i];
	}
	return NULL;
}

const struct told_list *root_lists_named(const struct root_lists *l, struct ch_span name)
{
	const struct root_list *found = find(l, name);
	return found != NULL ? &found->told : NULL;
}

static bool add(struct root_lists *to, const struct root_lists *before, struct ch_span der, struct ch_span ca)
{
	struct ch_root_list is;
	struct ch_diag d = { 0 };
	if (ch_root_list_judge(&is, der, ca, &d) != CH_OK) {
		ch_log(CH_LOG_ERROR, "the list of a root is refused: byte %zu: %s", d.off, d.rule);
		return false;
	}
	const struct root_list *had = find(before, ch_span_str(is.kid));
	if (find(to, ch_span_str(is.kid)) != NULL || to->count == CH_ROOT_LISTS_MAX) {
		ch_log(CH_LOG_ERROR, "two lists of the root %s, or more than %d roots", is.kid, CH_ROOT_LISTS_MAX);
		return false;
	}
	if (had != NULL && is.number < had->is.number) {
		ch_log(CH_LOG_ERROR,
		       "the list of the root %s is refused: its number %llu is below %llu, of the one before", is.kid,
		       (unsigned long long)is.number, (unsigned long long)had->is.number);
		return false;
	}
	struct root_list *l = &to->v[to->count++];
	*l = (struct root_list){ .is = is };
	told_list_take(&l->told, is.number, (uint64_t)is.this_update, (uint64_t)is.next_update, der);
	return true;
}

bool root_lists_load(struct root_lists *to, const struct root_lists *before, struct ch_span config)
{
	CH_AUTO_BUF struct ch_buf ca = { 0 };
	enum ch_err err = ch_config_bytes(config, "client_ca", 0, &ca);
	to->count = 0;
	for (unsigned i = 0; err == CH_OK; i++) {
		CH_AUTO_BUF struct ch_buf der = { 0 };
		err = ch_config_bytes(config, "root_list", i, &der);
		if (err == CH_OK && !add(to, before, ch_buf_span(&der), ch_buf_span(&ca)))
			return false;
	}
	return err == CH_ERR_NOTFOUND;
}

void root_lists_warn(const struct root_lists *l, int64_t now)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct ch_root_list *is = &l->v[i].is;
		int64_t quarter = (is->next_update - is->this_update) / 4, left = is->next_update - now;
		bool ended = left <= 0, soon = left < (quarter < WARN_MAX ? quarter : WARN_MAX);
		if (is->revokes_issuer)
			ch_log(CH_LOG_ERROR,
			       "the root %s has revoked the CA that issues here: chainhold ca request begins another",
			       is->kid);
		if (ended)
			ch_log(CH_LOG_ERROR,
			       "the list of the root %s has ended and is given to nobody: chainhold ca crl signs the next one",
			       is->kid);
		else if (soon)
			ch_log(CH_LOG_WARNING,
			       "the list of the root %s ends in %lld hours: chainhold ca crl signs the next one",
			       is->kid, (long long)(left / 3600));
	}
}
