/* SPDX-License-Identifier: Apache-2.0 */
#include "server/signer/crl.h"

#include "core/base/rd.h"
#include "core/platform/x509_write.h"
#include "host/base/replace.h"

#include <stdlib.h>
#include <string.h>

/* The file: the line, number, thisUpdate and count of entries, the entries as messages have them, SHA-256 of all before. */
#define MAGIC    "chainhold-signer-crl/v1\n"
#define FILE_MAX (sizeof(MAGIC) + 24 + (size_t)CH_CRL_ENTRIES_MAX * CH_IPC_REVOKED + 32)

#define SIGNED_MAX 128   /* what a signature adds */
#define ENDED_S    86400 /* a certificate that ended is in the lists of one day more (RFC 5280, 3.3) */

static int by_serial(const void *a, const void *b)
{
	const struct ch_revoked *x = a, *y = b;
	return memcmp(x->serial.b, y->serial.b, sizeof(x->serial.b));
}

const struct ch_revoked *ch_signer_crl_find(const struct ch_signer_crl *c, const struct ch_serial *serial)
{
	const struct ch_revoked key = { .serial = *serial };
	return c->count == 0 ? NULL : bsearch(&key, c->entry, c->count, sizeof(*c->entry), by_serial);
}

/* --- rows --- */

static bool row_take(struct ch_rd *r, struct ch_revoked *e)
{
	bool ok = ch_serial_make(&e->serial, ch_rd_take(r, sizeof(e->serial.b)));
	uint64_t time = ch_rd_be64(r);
	e->reason = ch_rd_u8(r);
	uint64_t expires = ch_rd_be64(r);
	e->time = (int64_t)time;
	e->expires = (int64_t)expires;
	return ok && !r->bad && time <= INT64_MAX / 2 && expires <= INT64_MAX / 2 && ch_crl_reason_final(e->reason);
}

static void row_put(struct ch_wr *w, const struct ch_revoked *e)
{
	ch_wr_put(w, CH_SPAN_OF(e->serial.b));
	ch_wr_be64(w, (uint64_t)e->time);
	ch_wr_u8(w, e->reason);
	ch_wr_be64(w, (uint64_t)e->expires);
}

static void room_for(struct ch_signer_crl *c, size_t more)
{
	if (c->count + more <= c->cap)
		return;
	c->cap = (c->count + more) * 3 / 2;
	c->entry = ch_realloc(c->entry, c->cap, sizeof(*c->entry));
}

static void sift(struct ch_revoked *e, size_t at, size_t n)
{
	for (size_t child = 2 * at + 1; child < n; at = child, child = 2 * at + 1) {
		if (child + 1 < n && by_serial(&e[child], &e[child + 1]) < 0)
			child++;
		if (by_serial(&e[at], &e[child]) >= 0)
			return;
		const struct ch_revoked moved = e[at];
		e[at] = e[child];
		e[child] = moved;
	}
}

/* In place. The C library's qsort asks the system how much memory there is, which the sandbox takes amiss. */
static void sort(struct ch_revoked *e, size_t n)
{
	for (size_t i = n / 2; i > 0; i--)
		sift(e, i - 1, n);
	for (size_t end = n; end > 1; end--) {
		const struct ch_revoked last = e[end - 1];
		e[end - 1] = e[0];
		e[0] = last;
		sift(e, 0, end - 1);
	}
}

/* The rows from `before` on into the sorted ones before them. Of equal ones, which are new all, one stays. */
static void merge(struct ch_signer_crl *c, size_t before, size_t end)
{
	size_t n = 1;
	sort(c->entry + before, end - before);
	for (size_t i = before + 1; i < end; i++) {
		if (by_serial(&c->entry[i], &c->entry[before + n - 1]) != 0)
			c->entry[before + n++] = c->entry[i];
	}
	CH_AUTO_FREE struct ch_revoked *new = ch_calloc(n, sizeof(*new));
	for (size_t i = 0; i < n; i++)
		new[i] = c->entry[before + i];
	c->count = before + n;
	for (size_t to = c->count; n > 0; to--) {
		bool old = before > 0 && by_serial(&c->entry[before - 1], &new[n - 1]) > 0;
		c->entry[to - 1] = old ? c->entry[--before] : new[--n];
	}
}

enum ch_err ch_signer_crl_add(struct ch_signer_crl *c, struct ch_span rows, int64_t clock)
{
	size_t before = c->count, end = before;
	struct ch_rd r = ch_rd(rows);
	size_t n = rows.n / CH_IPC_REVOKED;
	if (rows.n % CH_IPC_REVOKED != 0)
		return CH_ERR_MALFORMED;
	if (n > CH_CRL_ENTRIES_MAX - before)
		return CH_ERR_LIMIT;
	room_for(c, n);
	for (size_t i = 0; i < n; i++) {
		struct ch_revoked e;
		if (!row_take(&r, &e))
			return CH_ERR_MALFORMED;
		if (e.time > clock)
			e.time = clock;
		/* `count` is still the one of the sorted part. */
		if (ch_signer_crl_find(c, &e.serial) == NULL)
			c->entry[end++] = e;
	}
	if (end > before)
		merge(c, before, end);
	return CH_OK;
}

/* --- the file --- */

static enum ch_err save(const struct ch_signer_crl *c, uint64_t number, int64_t this_update)
{
	size_t cap = sizeof(MAGIC) + 24 + c->count * CH_IPC_REVOKED + 32;
	CH_AUTO_FREE uint8_t *bytes = ch_calloc(cap, 1);
	struct ch_wr w = ch_wr(bytes, cap);
	struct ch_digest digest;
	ch_wr_str(&w, MAGIC);
	ch_wr_be64(&w, number);
	ch_wr_be64(&w, (uint64_t)this_update);
	ch_wr_be64(&w, c->count);
	for (size_t i = 0; i < c->count; i++)
		row_put(&w, &c->entry[i]);
	enum ch_err err = ch_hash_once(CH_HASH_SHA256, ch_wr_span(&w), &digest);
	ch_wr_put(&w, ch_digest_span(&digest));
	if (err == CH_OK && w.bad)
		err = CH_ERR_NOSPACE;
	return err == CH_OK ? ch_file_replace(c->dir, c->name, ch_wr_span(&w)) : err;
}

static enum ch_err read_file(struct ch_signer_crl *c, struct ch_span in)
{
	struct ch_digest digest;
	struct ch_rd r = ch_rd(ch_span_sub(in, 0, in.n - (in.n < 32 ? in.n : 32)));
	enum ch_err err = ch_hash_once(CH_HASH_SHA256, r.in, &digest);
	if (err != CH_OK)
		return err;
	if (in.n < 32 || !ch_span_eq(ch_digest_span(&digest), ch_span_sub(in, in.n - 32, 32)) ||
	    !ch_span_eq(ch_rd_take(&r, sizeof(MAGIC) - 1), CH_SPAN_LIT(MAGIC)))
		return CH_ERR_MALFORMED;
	c->number = ch_rd_be64(&r);
	c->this_update = (int64_t)ch_rd_be64(&r);
	uint64_t count = ch_rd_be64(&r);
	if (count > CH_CRL_ENTRIES_MAX || ch_rd_left(&r) != count * CH_IPC_REVOKED)
		return CH_ERR_MALFORMED;
	return ch_signer_crl_add(c, ch_rd_rest(&r), INT64_MAX / 2);
}

enum ch_err ch_signer_crl_open(struct ch_signer_crl *c, int dir, const struct ch_issuer *ca, int64_t lifetime)
{
	CH_AUTO_BUF struct ch_buf file = { 0 };
	*c = (struct ch_signer_crl){ .dir = dir, .lifetime = lifetime };
	struct ch_wr w = ch_wr(c->name, sizeof(c->name) - 1);
	ch_wr_str(&w, "crl-");
	ch_wr_hex(&w, ca->kid);
	if (w.bad)
		return CH_ERR_LIMIT;
	enum ch_err err = ch_file_read_at(&file, dir, c->name, FILE_MAX);
	if (err == CH_ERR_NOTFOUND)
		return CH_OK;
	return err == CH_OK ? read_file(c, ch_buf_span(&file)) : err;
}

void ch_signer_crl_clear(struct ch_signer_crl *c)
{
	ch_free(c->entry);
	*c = (struct ch_signer_crl){ .dir = -1 };
}

/* --- a list that others have --- */

enum ch_err ch_signer_crl_take(struct ch_signer_crl *c, const struct ch_crl *list, int64_t expires)
{
	struct ch_crl_rd entries = ch_crl_entries(list);
	struct ch_crl_entry e;
	size_t cap = list->count * CH_IPC_REVOKED;
	CH_AUTO_FREE uint8_t *rows = ch_calloc(cap, 1);
	struct ch_wr w = ch_wr(rows, cap);
	uint64_t number = 0;
	if (list->number.n > sizeof(number) || list->this_update < 0 || list->this_update > INT64_MAX / 2)
		return CH_ERR_RANGE;
	for (size_t i = 0; i < list->number.n; i++)
		number = number << 8 | list->number.p[i];
	if (number > INT64_MAX / 2)
		return CH_ERR_RANGE;
	while (ch_crl_next(&entries, &e)) {
		struct ch_revoked r = { .time = e.time < 0 ? 0 : e.time, .expires = expires };
		/* What is on hold stays revoked: nothing here takes out. */
		r.reason = ch_crl_reason_final(e.reason) ? e.reason : CH_CRL_UNSPECIFIED;
		if (!ch_serial_make(&r.serial, e.serial))
			return CH_ERR_RANGE;
		row_put(&w, &r);
	}
	enum ch_err err = w.bad ? CH_ERR_LIMIT : ch_signer_crl_add(c, ch_wr_span(&w), INT64_MAX / 2);
	if (err != CH_OK)
		return err;
	if (number > c->number)
		c->number = number;
	if (list->this_update > c->this_update)
		c->this_update = list->this_update;
	return save(c, c->number, c->this_update);
}

/* --- the list --- */

enum ch_err ch_signer_crl_next(struct ch_signer_crl *c, const struct ch_issuer *ca, int64_t clock, struct ch_buf *tbs)
{
	int64_t now = clock > c->this_update ? clock : c->this_update;
	uint64_t number = (uint64_t)now > c->number ? (uint64_t)now : c->number + 1;
	CH_AUTO_FREE struct ch_revoked *entry = ch_calloc(c->count + 1, sizeof(*entry));
	size_t n = 0;
	for (size_t i = 0; i < c->count; i++) {
		if (c->entry[i].expires + ENDED_S >= now)
			entry[n++] = c->entry[i];
	}
	const struct ch_crl_new new = { .sig_alg = ca->sig_alg,
					.issuer = ca->name,
					.issuer_kid = ca->kid,
					.number = number,
					.this_update = now,
					.next_update = now + c->lifetime,
					.entry = entry,
					.count = n };
	/* Durable first: a list that left without that could be followed by one that does not know of it. */
	enum ch_err err = save(c, number, now);
	if (err != CH_OK)
		return err;
	c->number = number;
	c->this_update = now;
	size_t cap = ch_crl_size_max(&new);
	struct ch_wr w = ch_wr(ch_buf_room(tbs, cap), cap);
	err = ch_crl_tbs_put(&w, &new);
	tbs->n += err == CH_OK ? w.len : 0;
	return err;
}

enum ch_err ch_signer_crl_signed(struct ch_buf *list, struct ch_span tbs, const uint8_t *sig)
{
	size_t cap = tbs.n + SIGNED_MAX;
	struct ch_wr w = ch_wr(ch_buf_room(list, cap), cap);
	enum ch_err err = sig != NULL ? ch_cert_put(&w, tbs, sig) : CH_ERR_CRYPTO;
	list->n += err == CH_OK ? w.len : 0;
	return err;
}
