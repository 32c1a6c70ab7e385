/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/tcg_decode.h"
#include "core/crypto/hash.h"

/* Which bytes of an event its digests are the hash of, found out by hashing. */

#define CANDIDATES_MAX  4
#define VARIABLE_HEADER 32 /* GUID and two lengths before a variable's name */
#define NAME_MAX        64 /* a PE section's name has 8 characters; systemd's are no longer */

/* Bytes that may have been measured. */
struct candidate {
	struct ch_span bytes;
	struct ch_span covered; /* the part of the event's data that they stand for */
	bool nul;               /* and one NUL after them */
};

struct candidates {
	size_t count;
	struct candidate c[CANDIDATES_MAX];
	uint8_t name[NAME_MAX];
};

static void add(struct candidates *to, struct ch_span bytes)
{
	to->c[to->count++] = (struct candidate){ .bytes = bytes, .covered = bytes };
}

/* The data of a variable, all of it but the last byte where old shims log bytes after the structure, its value alone. */
static void add_variable(struct candidates *to, const struct ch_tcg_event *ev, const struct ch_tcg_what *what)
{
	size_t used = VARIABLE_HEADER + what->name.n + what->value.n;
	/* Firmware measures the value alone of boot variables as a rule, of others rarely: the likely one first. */
	bool value_first = ev->type == CH_EV_EFI_VARIABLE_BOOT && what->value.n > 0;
	if (value_first)
		add(to, what->value);
	if (used < ev->data.n)
		add(to, ch_span_sub(ev->data, 0, ev->data.n - 1));
	add(to, ev->data);
	if (!value_first && what->value.n > 0)
		add(to, what->value);
}

/* What follows GRUB's prefix: without NUL, as GRUB itself does, or with those that are there. */
static void add_grub(struct candidates *to, const struct ch_tcg_event *ev, const struct ch_tcg_what *what)
{
	size_t from = (size_t)(what->text.p - ev->data.p);
	for (size_t nuls = 0; nuls < 3 && from + what->text.n + nuls <= ev->data.n; nuls++)
		add(to, ch_span_sub(ev->data, from, what->text.n + nuls));
	add(to, ev->data);
}

/* systemd-stub measures a section's name in ASCII with a NUL and logs it in UTF-16, then measures its content and logs the same. */
static void add_section(struct candidates *to, const struct ch_tcg_event *ev, const struct ch_tcg_what *what)
{
	size_t n = what->text.n / 2;
	/* Only then does the digest determine every byte of the event. */
	if (ev->data.n != what->text.n + 2 || n >= NAME_MAX)
		return;
	for (size_t i = 0; i < n; i++) {
		if (what->text.p[2 * i + 1] != 0)
			return;
		to->name[i] = what->text.p[2 * i];
	}
	to->name[n] = 0;
	to->c[to->count++] = (struct candidate){ .bytes = ch_span(to->name, n + 1), .covered = ev->data };
}

static void add_text(struct candidates *to, const struct ch_tcg_event *ev, const struct ch_tcg_what *what)
{
	if (!what->utf16) {
		add_grub(to, ev, what);
		return;
	}
	add(to, ev->data);
	if (ev->data.n % 2 != 0)
		to->c[to->count++] = (struct candidate){ .bytes = ev->data, .covered = ev->data, .nul = true };
}

static void find_candidates(struct candidates *to, const struct ch_tcg_event *ev, const struct ch_tcg_what *what)
{
	to->count = 0;
	if (!ev->extended)
		return;
	switch (what->kind) {
	case CH_TCG_NO_ACTION:
	case CH_TCG_IMAGE:
	case CH_TCG_BLOB:
		return;
	case CH_TCG_VARIABLE:
		add_variable(to, ev, what);
		return;
	case CH_TCG_TEXT:
		add_text(to, ev, what);
		return;
	case CH_TCG_LABEL:
		if (what->utf16)
			add_section(to, ev, what);
		break;
	case CH_TCG_ACTION:
		if (what->text.n < ev->data.n)
			add(to, what->text);
		break;
	case CH_TCG_OPAQUE:
	case CH_TCG_SEPARATOR:
	case CH_TCG_GPT:
	case CH_TCG_TABLES:
	case CH_TCG_VERSION:
		break;
	}
	add(to, ev->data);
}

/* True if `digest` is the hash of the candidate; false, too, if the backend fails. */
static bool is_hash(enum ch_hash_alg alg, const struct candidate *c, struct ch_span digest)
{
	static const uint8_t nul[1];
	struct ch_hash h;
	struct ch_digest out;
	if (ch_hash_init(&h, alg) != CH_OK)
		return false;
	ch_hash_update(&h, c->bytes);
	if (c->nul)
		ch_hash_update(&h, CH_SPAN_OF(nul));
	ch_hash_final(&h, &out);
	return ch_span_eq(ch_digest_span(&out), digest);
}

/* What the digests of an event say of one candidate. */
static enum ch_tcg_cover judge(const struct ch_tcg_event *ev, const struct candidate *c)
{
	size_t computed = 0;
	size_t matched = 0;
	for (size_t i = 0; i < ev->digest_count; i++) {
		if (!ch_hash_available(ev->digest[i].alg))
			continue;
		computed++;
		matched += is_hash(ev->digest[i].alg, c, ev->digest[i].value);
	}
	if (matched == 0)
		return CH_COVER_NONE;
	if (matched < computed)
		return CH_COVER_CONFLICT;
	return c->covered.n == ev->data.n ? CH_COVER_ALL : CH_COVER_PART;
}

void ch_tcg_cover(const struct ch_tcg_event *ev, struct ch_tcg_what *what)
{
	struct candidates of;
	what->cover = CH_COVER_NONE;
	what->covered = CH_SPAN_EMPTY;
	find_candidates(&of, ev, what);
	for (size_t i = 0; i < of.count && what->cover == CH_COVER_NONE; i++) {
		what->cover = judge(ev, &of.c[i]);
		if (what->cover == CH_COVER_ALL || what->cover == CH_COVER_PART)
			what->covered = of.c[i].covered;
	}
}

bool ch_tcg_is_covered(const struct ch_tcg_event *ev, const struct ch_tcg_what *what, enum ch_tcg_cover how)
{
	struct candidates of;
	find_candidates(&of, ev, what);
	for (size_t i = 0; i < of.count; i++) {
		bool all = of.c[i].covered.n == ev->data.n;
		enum ch_tcg_cover found = all == (how == CH_COVER_ALL) ? judge(ev, &of.c[i]) : CH_COVER_NONE;
		if (found != CH_COVER_NONE)
			return found == how;
	}
	return false;
}
