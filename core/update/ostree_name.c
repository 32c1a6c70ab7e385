/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/ostree.h"

#include "core/base/text.h"

/* Names of OSTree, without its objects: who reads only these needs no cryptography. */

static bool letter_or_digit(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool ch_ostree_ref_valid(struct ch_span ref)
{
	bool first = true;
	for (size_t i = 0; i < ref.n; i++) {
		uint8_t c = ref.p[i];
		bool may = letter_or_digit(c) || (!first && (c == '-' || c == '.' || c == '_' || c == '/'));
		if (!may)
			return false;
		first = c == '/';
	}
	return ref.n > 0 && ref.n <= CH_OSTREE_REF_MAX && !first;
}

static bool is_digits(struct ch_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	}
	return s.n > 0 && s.n <= 8;
}

static bool is_commit(struct ch_span s, uint8_t id[static 32])
{
	return s.n == 64 && ch_hex_decode(id, 32, s) == CH_OK;
}

/* The next part of a path, behind a slash. */
static struct ch_span take_part(struct ch_span *path)
{
	size_t n = 1;
	if (path->n == 0 || path->p[0] != '/')
		return CH_SPAN_EMPTY;
	while (n < path->n && path->p[n] != '/')
		n++;
	struct ch_span part = ch_span_sub(*path, 1, n - 1);
	*path = ch_span_sub(*path, n, path->n - n);
	return part;
}

static bool is_boot_link(struct ch_span path)
{
	static const struct ch_span boot = CH_SPAN_LIT("boot.");
	uint8_t id[32];
	struct ch_span first = take_part(&path), slot = take_part(&path), os = take_part(&path);
	bool holds = ch_span_eq(first, CH_SPAN_LIT("ostree")) && ch_span_starts(slot, boot) &&
		     is_digits(ch_span_sub(slot, boot.n, slot.n - boot.n)) && ch_ostree_ref_valid(os);
	return holds && is_commit(take_part(&path), id) && is_digits(take_part(&path)) && path.n == 0;
}

enum ch_err ch_ostree_booted(struct ch_span cmdline, struct ch_span *path)
{
	static const struct ch_span key = CH_SPAN_LIT("ostree=");
	*path = CH_SPAN_EMPTY;
	for (size_t at = 0, n = 0; at < cmdline.n; at += n + 1) {
		for (n = 0; at + n < cmdline.n && cmdline.p[at + n] > 0x20;)
			n++;
		struct ch_span word = ch_span_sub(cmdline, at, n);
		if (!ch_span_starts(word, key))
			continue;
		word = ch_span_sub(word, key.n, word.n - key.n);
		if (word.n > CH_OSTREE_LINK_MAX || !is_boot_link(word))
			return CH_ERR_MALFORMED;
		*path = word;
		return CH_OK;
	}
	return CH_ERR_NOTFOUND;
}

enum ch_err ch_ostree_deployed(struct ch_span target, uint8_t commit[static 32])
{
	static const uint8_t none[32];
	uint8_t id[32];
	size_t at = target.n;
	while (at > 0 && target.p[at - 1] != '/')
		at--;
	struct ch_span last = ch_span_sub(target, at, target.n - at);
	(void)ch_span_copy(commit, 32, CH_SPAN_OF(none));
	if (last.n < 66 || !is_commit(ch_span_sub(last, 0, 64), id) || last.p[64] != '.' ||
	    !is_digits(ch_span_sub(last, 65, last.n - 65)))
		return CH_ERR_MALFORMED;
	(void)ch_span_copy(commit, 32, CH_SPAN_OF(id));
	return CH_OK;
}
