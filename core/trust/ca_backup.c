/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/ca_backup.h"

#define FIRST "chainhold-ca-backup"

/* --- names --- */

/* In a pattern: # a number from 1 to 99; @ hexadecimal digits of 1 to 20 bytes; * four digits, '-', 1 to 40 of a-z and '-'. */
static const struct {
	enum ch_ca_backup_of of;
	const char *name;
	enum ch_ca_file_kind kind;
} pattern[] = {
	{ CH_CA_BACKUP_ROOT, "root-#.crt", CH_CA_FILE_CERTIFICATE },
	{ CH_CA_BACKUP_ROOT, "root-#-by-#.crt", CH_CA_FILE_CERTIFICATE },
	{ CH_CA_BACKUP_ROOT, "roots.pem", CH_CA_FILE_CERTIFICATE },
	{ CH_CA_BACKUP_ROOT, "issued/@-by-#.crt", CH_CA_FILE_CERTIFICATE },
	{ CH_CA_BACKUP_ROOT, "root-#.crl", CH_CA_FILE_LIST },
	{ CH_CA_BACKUP_ROOT, "root-#.key", CH_CA_FILE_KEY },
	{ CH_CA_BACKUP_ROOT, "root-#.uri", CH_CA_FILE_URI },
	{ CH_CA_BACKUP_ROOT, "transcript/*.txt", CH_CA_FILE_TRANSCRIPT },
	{ CH_CA_BACKUP_SERVER, "ca.crt", CH_CA_FILE_CERTIFICATE },
	{ CH_CA_BACKUP_SERVER, "earlier_cas/@.crt", CH_CA_FILE_CERTIFICATE },
	{ CH_CA_BACKUP_SERVER, "root_lists/@.crl", CH_CA_FILE_LIST },
	{ CH_CA_BACKUP_SERVER, "state/signer/ca.crt", CH_CA_FILE_CERTIFICATE },
	{ CH_CA_BACKUP_SERVER, "state/signer/ca.key", CH_CA_FILE_KEY_IN_USE },
	{ CH_CA_BACKUP_SERVER, "state/signer/ca.uri", CH_CA_FILE_URI_IN_USE },
	{ CH_CA_BACKUP_SERVER, "state/signer/next-ca.key", CH_CA_FILE_OTHER_KEY },
	{ CH_CA_BACKUP_SERVER, "state/signer/next-ca.uri", CH_CA_FILE_URI },
	{ CH_CA_BACKUP_SERVER, "state/signer/earlier-@.key", CH_CA_FILE_KEY },
	{ CH_CA_BACKUP_SERVER, "state/signer/earlier-@.uri", CH_CA_FILE_URI },
	{ CH_CA_BACKUP_SERVER, "state/signer/ocsp.key", CH_CA_FILE_OTHER_KEY },
	{ CH_CA_BACKUP_SERVER, "state/signer/ear.key", CH_CA_FILE_OTHER_KEY },
	{ CH_CA_BACKUP_SERVER, "state/signer/crl-@", CH_CA_FILE_REVOKED },
	{ CH_CA_BACKUP_SERVER, "transcript/*.txt", CH_CA_FILE_TRANSCRIPT },
};

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(uint8_t c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f');
}

static bool is_word(uint8_t c)
{
	return c == '-' || (c >= 'a' && c <= 'z');
}

/* How many of the first bytes of `s`, at most `max`, are of this kind. */
static size_t run(struct ch_span s, bool (*is)(uint8_t), size_t max)
{
	size_t n = 0;
	while (n < s.n && n < max && is(s.p[n]))
		n++;
	return n;
}

/* Bytes of `s` that the sign of a pattern stands for; 0: none. */
static size_t stands_for(char sign, struct ch_span s)
{
	size_t n = 0;
	switch (sign) {
	case '#':
		n = run(s, is_digit, 3);
		return n > 2 || s.n == 0 || s.p[0] == '0' ? 0 : n;
	case '@':
		n = run(s, is_hex, 41);
		return n > 40 || n % 2 != 0 ? 0 : n;
	case '*':
		if (run(s, is_digit, 5) != 4 || s.n < 5 || s.p[4] != '-')
			return 0;
		n = run(ch_span_sub(s, 5, s.n - 5), is_word, 41);
		return n == 0 || n > 40 ? 0 : 5 + n;
	default:
		return s.n > 0 && s.p[0] == (uint8_t)sign ? 1 : 0;
	}
}

static bool fits(const char *name, struct ch_span s)
{
	for (; *name != '\0'; name++) {
		size_t n = stands_for(*name, s);
		if (n == 0)
			return false;
		s = ch_span_sub(s, n, s.n - n);
	}
	return s.n == 0;
}

enum ch_ca_file_kind ch_ca_file_kind(enum ch_ca_backup_of of, struct ch_span name)
{
	for (size_t i = 0; i < CH_COUNT_OF(pattern); i++) {
		if (pattern[i].of == of && fits(pattern[i].name, name))
			return pattern[i].kind;
	}
	return CH_CA_FILE_NONE;
}

/* --- reading --- */

static struct ch_span first_of(enum ch_ca_backup_of of)
{
	return of == CH_CA_BACKUP_ROOT     ? CH_SPAN_LIT("v1 root\n")
	       : of == CH_CA_BACKUP_SERVER ? CH_SPAN_LIT("v1 server\n")
					   : CH_SPAN_EMPTY;
}

/* Header, content, zeros. */
static enum ch_err take(struct ch_rd *r, struct ch_span *name, struct ch_span *bytes, struct ch_diag *d)
{
	uint64_t size;
	struct ch_span header = ch_rd_take(r, CH_USTAR_BLOCK);
	if (r->bad)
		return ch_fail(d, CH_ERR_TRUNCATED, r->off, "it ends in the middle");
	if (ch_ustar_parse(header, name, &size) != CH_OK)
		return ch_fail(d, CH_ERR_MALFORMED, r->off, "a header is not of the one form that is written");
	*bytes = ch_rd_take(r, (size_t)size);
	struct ch_span zeros = ch_rd_take(r, ch_ustar_padding(size));
	if (r->bad)
		return ch_fail(d, CH_ERR_TRUNCATED, r->off, "it ends in the middle");
	if (zeros.n > 0 && !ch_span_all(zeros, 0))
		return ch_fail(d, CH_ERR_MALFORMED, r->off, "something is where zeros are");
	return CH_OK;
}

static enum ch_err take_first(struct ch_ca_backup *b, struct ch_rd *r, struct ch_diag *d)
{
	struct ch_span name, bytes;
	enum ch_err err = take(r, &name, &bytes, d);
	if (err != CH_OK)
		return err;
	if (!ch_span_eq(name, CH_SPAN_LIT(FIRST)))
		return ch_fail(d, CH_ERR_UNKNOWN, r->off, "no backup of a certification authority");
	for (enum ch_ca_backup_of of = CH_CA_BACKUP_ROOT; of <= CH_CA_BACKUP_SERVER; of++) {
		if (ch_span_eq(bytes, first_of(of)))
			b->of = of;
	}
	return b->of != CH_CA_BACKUP_NONE ? CH_OK : ch_fail(d, CH_ERR_UNKNOWN, r->off, "a version that is not known");
}

static enum ch_err take_file(struct ch_ca_backup *b, struct ch_rd *r, struct ch_diag *d)
{
	if (b->count == CH_CA_BACKUP_FILES_MAX)
		return ch_fail(d, CH_ERR_LIMIT, r->off, "more files than a backup has");
	struct ch_ca_file *f = &b->file[b->count];
	enum ch_err err = take(r, &f->name, &f->bytes, d);
	if (err != CH_OK)
		return err;
	f->kind = ch_ca_file_kind(b->of, f->name);
	if (f->kind == CH_CA_FILE_NONE)
		return ch_fail(d, CH_ERR_UNKNOWN, r->off, "no file of such a folder has this name");
	if (b->count > 0 && ch_archive_path_order(b->file[b->count - 1].name, f->name) >= 0)
		return ch_fail(d, CH_ERR_DUPLICATE, r->off,
			       "the files are in the order of their names, and none is there twice");
	b->count++;
	return CH_OK;
}

static void clear(struct ch_ca_backup *b)
{
	b->of = CH_CA_BACKUP_NONE;
	b->count = 0;
}

static enum ch_err parse(struct ch_ca_backup *b, struct ch_span in, struct ch_diag *d)
{
	struct ch_rd r = ch_rd(in);
	enum ch_err err = take_first(b, &r, d);
	while (err == CH_OK && ch_rd_left(&r) > 2 * (size_t)CH_USTAR_BLOCK)
		err = take_file(b, &r, d);
	if (err != CH_OK)
		return err;
	if (ch_rd_left(&r) != 2 * (size_t)CH_USTAR_BLOCK || !ch_span_all(ch_rd_rest(&r), 0))
		return ch_fail(d, CH_ERR_TRUNCATED, r.off, "it does not end in two blocks of zeros");
	return CH_OK;
}

enum ch_err ch_ca_backup_parse(struct ch_ca_backup *b, struct ch_span in, struct ch_diag *d)
{
	clear(b);
	ch_diag_clear(d);
	enum ch_err err = parse(b, in, d);
	if (err != CH_OK)
		clear(b);
	return err;
}

/* --- writing --- */

static void put(struct ch_wr *w, struct ch_span name, struct ch_span bytes)
{
	ch_ustar_put(w, name, bytes.n);
	ch_wr_put(w, bytes);
	for (size_t i = ch_ustar_padding(bytes.n); i > 0; i--)
		ch_wr_u8(w, 0);
}

static size_t size_of(size_t bytes)
{
	return CH_USTAR_BLOCK + bytes + ch_ustar_padding(bytes);
}

size_t ch_ca_backup_size(const struct ch_ca_backup *b)
{
	size_t n = size_of(first_of(b->of).n) + 2 * (size_t)CH_USTAR_BLOCK;
	for (size_t i = 0; i < b->count; i++)
		n += size_of(b->file[i].bytes.n);
	return n;
}

enum ch_err ch_ca_backup_put(struct ch_wr *w, const struct ch_ca_backup *b)
{
	struct ch_span first = first_of(b->of);
	if (first.n == 0 || b->count > CH_CA_BACKUP_FILES_MAX)
		return CH_ERR_RANGE;
	for (size_t i = 0; i < b->count; i++) {
		if (ch_ca_file_kind(b->of, b->file[i].name) == CH_CA_FILE_NONE ||
		    (i > 0 && ch_archive_path_order(b->file[i - 1].name, b->file[i].name) >= 0))
			return CH_ERR_RANGE;
	}
	put(w, CH_SPAN_LIT(FIRST), first);
	for (size_t i = 0; i < b->count; i++)
		put(w, b->file[i].name, b->file[i].bytes);
	for (size_t i = 0; i < 2 * (size_t)CH_USTAR_BLOCK; i++)
		ch_wr_u8(w, 0);
	return w->bad ? CH_ERR_NOSPACE : CH_OK;
}

const struct ch_ca_file *ch_ca_backup_find(const struct ch_ca_backup *b, struct ch_span name)
{
	for (size_t i = 0; i < b->count; i++) {
		if (ch_span_eq(b->file[i].name, name))
			return &b->file[i];
	}
	return NULL;
}
