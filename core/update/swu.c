/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/swu.h"

#include "core/base/rd.h"

#define CLAUSE    " (cpio)"
#define MODE_TYPE 0170000u
#define MODE_FILE 0100000u

/* Of one entry: what its header says, its name and its bytes. */
struct entry {
	uint32_t mode, sum;
	bool crc;
	struct ch_span name, data;
};

/* Eight hexadecimal digits. */
static uint32_t take_number(struct ch_rd *r)
{
	struct ch_span s = ch_rd_take(r, 8);
	uint32_t v = 0;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i] | 0x20;
		bool digit = s.p[i] >= '0' && s.p[i] <= '9';
		if (!digit && !(c >= 'a' && c <= 'f'))
			r->bad = true;
		v = v << 4 | (uint32_t)(digit ? s.p[i] - '0' : c - 'a' + 10);
	}
	return v;
}

/* Zeros up to a multiple of 4. */
static void take_padding(struct ch_rd *r)
{
	while (!r->bad && r->off % 4 != 0) {
		if (ch_rd_u8(r) != 0)
			r->bad = true;
	}
}

static enum ch_err read_entry(struct entry *e, struct ch_rd *r, struct ch_diag *d)
{
	size_t at = r->off;
	struct ch_span magic = ch_rd_take(r, 6);
	e->crc = ch_span_eq(magic, CH_SPAN_LIT("070702"));
	if (!e->crc && !ch_span_eq(magic, CH_SPAN_LIT("070701")))
		return ch_fail(d, CH_ERR_MALFORMED, at, "no header of the form newc or crc" CLAUSE);
	(void)take_number(r); /* inode */
	e->mode = take_number(r);
	for (unsigned i = 0; i < 4; i++)
		(void)take_number(r); /* user, group, links, time */
	uint32_t size = take_number(r);
	for (unsigned i = 0; i < 4; i++)
		(void)take_number(r); /* devices */
	uint32_t name_size = take_number(r);
	e->sum = take_number(r);
	struct ch_span name = ch_rd_take(r, name_size);
	take_padding(r);
	e->data = ch_rd_take(r, size);
	take_padding(r);
	if (r->bad)
		return ch_fail(d, CH_ERR_MALFORMED, at,
			       "a header or a file that is cut off, or padding that is not zero" CLAUSE);
	if (name.n < 2 || name.n > CH_RELEASE_FILE_NAME_MAX + 1 || name.p[name.n - 1] != 0)
		return ch_fail(d, CH_ERR_RANGE, at + 94, "a name of 1 to 128 bytes and a NUL" CLAUSE);
	e->name = ch_span_sub(name, 0, name.n - 1);
	return CH_OK;
}

static bool name_valid(struct ch_span name)
{
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '/' || name.p[i] < 0x20 || name.p[i] == 0x7f)
			return false;
	}
	return !ch_span_eq(name, CH_SPAN_LIT(".")) && !ch_span_eq(name, CH_SPAN_LIT(".."));
}

static enum ch_err check_entry(const struct ch_swu *s, const struct entry *e, size_t at, struct ch_diag *d)
{
	uint32_t sum = 0;
	if (!name_valid(e->name))
		return ch_fail(d, CH_ERR_RANGE, at, "a file name with a path or a control character in it" CLAUSE);
	if ((e->mode & MODE_TYPE) != MODE_FILE)
		return ch_fail(d, CH_ERR_UNSUPPORTED, at, "something that is no regular file" CLAUSE);
	for (size_t i = 0; e->crc && i < e->data.n; i++)
		sum += e->data.p[i];
	if (sum != e->sum)
		return ch_fail(d, CH_ERR_MISMATCH, at, "the sum of a file's bytes is another one" CLAUSE);
	if (s->description.n > 0 && e->crc != s->crc)
		return ch_fail(d, CH_ERR_MALFORMED, at, "two forms in one archive" CLAUSE);
	return CH_OK;
}

/* The first is the description, the second may be its signature. */
static enum ch_err take_entry(struct ch_swu *s, const struct entry *e, size_t at, struct ch_diag *d)
{
	static const struct ch_span description = CH_SPAN_LIT("sw-description"),
				    signature = CH_SPAN_LIT("sw-description.sig");
	if (s->description.n == 0) {
		if (!ch_span_eq(e->name, description) || e->data.n == 0 || e->data.n > CH_SWU_DESCRIPTION_MAX)
			return ch_fail(d, CH_ERR_MISSING, at,
				       "the first file is sw-description, of at most 256 KiB (SWUpdate)");
		s->crc = e->crc;
		s->description = e->data;
		return CH_OK;
	}
	if (ch_span_eq(e->name, description))
		return ch_fail(d, CH_ERR_DUPLICATE, at, "a file that is there twice" CLAUSE);
	if (ch_span_eq(e->name, signature)) {
		if (s->count > 0 || s->signature.n > 0 || e->data.n == 0 || e->data.n > CH_SWU_DESCRIPTION_MAX)
			return ch_fail(d, CH_ERR_MALFORMED, at,
				       "the signature is the second file, of at most 256 KiB (SWUpdate)");
		s->signature = e->data;
		return CH_OK;
	}
	if (ch_swu_find(s, e->name) != NULL)
		return ch_fail(d, CH_ERR_DUPLICATE, at, "a file that is there twice" CLAUSE);
	if (s->count == CH_SWU_FILES_MAX)
		return ch_fail(d, CH_ERR_LIMIT, at, "more files than CH_SWU_FILES_MAX" CLAUSE);
	s->file[s->count++] = (struct ch_swu_file){ e->name, e->data };
	return CH_OK;
}

static enum ch_err read_all(struct ch_swu *s, struct ch_span in, struct ch_diag *d)
{
	struct ch_rd r = ch_rd(in);
	/* Two more than files: description and signature. Then the end. */
	for (size_t i = 0; i < CH_SWU_FILES_MAX + 3; i++) {
		struct entry e;
		size_t at = r.off;
		enum ch_err err = read_entry(&e, &r, d);
		if (err == CH_OK && ch_span_eq(e.name, CH_SPAN_LIT("TRAILER!!!"))) {
			if (e.data.n > 0 || !ch_span_all(ch_rd_rest(&r), 0))
				return ch_fail(d, CH_ERR_TRAILING, at, "bytes behind the end" CLAUSE);
			return s->description.n > 0 ? CH_OK
						    : ch_fail(d, CH_ERR_MISSING, at, "no sw-description (SWUpdate)");
		}
		if (err == CH_OK)
			err = check_entry(s, &e, at, d);
		if (err == CH_OK)
			err = take_entry(s, &e, at, d);
		if (err != CH_OK)
			return err;
	}
	return ch_fail(d, CH_ERR_LIMIT, r.off, "more files than CH_SWU_FILES_MAX" CLAUSE);
}

enum ch_err ch_swu_parse(struct ch_swu *s, struct ch_span in, struct ch_diag *d)
{
	ch_diag_clear(d);
	*s = (struct ch_swu){ .count = 0 };
	enum ch_err err = read_all(s, in, d);
	if (err != CH_OK)
		*s = (struct ch_swu){ .count = 0 };
	return err;
}

const struct ch_swu_file *ch_swu_find(const struct ch_swu *s, struct ch_span name)
{
	for (size_t i = 0; i < s->count; i++) {
		if (ch_span_eq(s->file[i].name, name))
			return &s->file[i];
	}
	return NULL;
}
