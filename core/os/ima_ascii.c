/* SPDX-License-Identifier: Apache-2.0 */
#include "core/os/ima_record.h"

#include "core/base/text.h"
#include "core/base/wr.h"

#include <string.h>

/*
 * One line of ascii_runtime_measurements:
 *
 *	PCR SP template-hash SP template-name { SP field } LF
 *
 * An empty field leaves its space. The line is turned into the template data of the binary form, which are then decoded: one set
 * of rules for both, and a hash to compare with the logged one.
 */

/* What is left of the line, and where it is. */
struct line {
	struct ch_span rest;
	size_t off;
	struct ch_wr data;
	struct ch_diag *d;
};

static enum ch_err refuse(const struct line *l, enum ch_err err, const char *rule)
{
	return ch_fail(l->d, err, l->off, rule);
}

static void skip(struct line *l, size_t n)
{
	l->rest = ch_span(l->rest.p + n, l->rest.n - n);
	l->off += n;
}

/* What is left, up to the next space. */
static struct ch_span word(const struct line *l)
{
	const uint8_t *space = l->rest.n > 0 ? memchr(l->rest.p, ' ', l->rest.n) : NULL;
	return ch_span(l->rest.p, space != NULL ? (size_t)(space - l->rest.p) : l->rest.n);
}

/* Goes on behind a word and the space after it. */
static void skip_word(struct line *l, struct ch_span w)
{
	skip(l, w.n < l->rest.n ? w.n + 1 : w.n);
}

/* The kernel writes "%2d": one or two digits, the first may be a space. */
static bool take_pcr(struct line *l, uint32_t *pcr)
{
	if (l->rest.n < 3 || l->rest.p[2] != ' ')
		return false;
	uint8_t tens = l->rest.p[0] == ' ' ? '0' : l->rest.p[0];
	uint8_t ones = l->rest.p[1];
	if (tens < '0' || tens > '9' || ones < '0' || ones > '9')
		return false;
	*pcr = (uint32_t)(tens - '0') * 10 + (uint32_t)(ones - '0');
	if (*pcr >= CH_PCR_COUNT)
		return false;
	skip(l, 3);
	return true;
}

/* Appends the bytes of hexadecimal digits. */
static enum ch_err put_hex(struct line *l, struct ch_span hex)
{
	if (l->data.bad || hex.n / 2 > l->data.cap - l->data.len) {
		l->data.bad = true;
		return CH_OK;
	}
	if (hex.n == 0)
		return CH_OK;
	if (ch_hex_decode(l->data.p + l->data.len, hex.n / 2, hex) != CH_OK)
		return refuse(l, CH_ERR_ENCODING, "a digest, signature or buffer is pairs of hexadecimal digits");
	l->data.len += hex.n / 2;
	return CH_OK;
}

static enum ch_err put_field(struct line *l, struct ch_span prefix, struct ch_span hex)
{
	ch_wr_le32(&l->data, (uint32_t)(prefix.n + hex.n / 2));
	ch_wr_put(&l->data, prefix);
	return put_hex(l, hex);
}

/* The number of bytes up to and with the last colon; 0 without one. */
static size_t after_colon(struct ch_span s)
{
	const uint8_t *colon;
	size_t n = 0;
	while (n < s.n && (colon = memchr(s.p + n, ':', s.n - n)) != NULL)
		n = (size_t)(colon - s.p) + 1;
	return n;
}

/* "alg:hex" becomes "alg:" NUL digest. */
static enum ch_err put_digest(struct line *l)
{
	uint8_t prefix[CH_IMA_NAME_MAX];
	struct ch_wr w = ch_wr(prefix, sizeof(prefix));
	struct ch_span text = word(l);
	size_t n = after_colon(text);
	ch_wr_put(&w, ch_span(text.p, n));
	ch_wr_u8(&w, 0);
	if (n == 0 || text.n == l->rest.n || w.bad)
		return refuse(l, CH_ERR_MALFORMED, "a file digest is \"algorithm:hex\", and a name follows it");
	enum ch_err err = put_field(l, ch_wr_span(&w), ch_span(text.p + n, text.n - n));
	if (err == CH_OK)
		skip_word(l, text);
	return err;
}

/* 40 digits, without a length in the data. */
static enum ch_err put_old_digest(struct line *l)
{
	struct ch_span text = word(l);
	if (text.n != (size_t)2 * CH_IMA_OLD_DIGEST)
		return refuse(l, CH_ERR_RANGE, "a file digest of template ima has 40 hexadecimal digits");
	enum ch_err err = put_hex(l, text);
	if (err == CH_OK)
		skip_word(l, text);
	return err;
}

/* The name: up to the last space if a signature or buffer follows, else the rest. A name with spaces is taken whole. */
static enum ch_err put_name(struct line *l, bool last, bool nul)
{
	size_t n = l->rest.n;
	if (!last) {
		while (n > 0 && l->rest.p[n - 1] != ' ')
			n--;
		if (n == 0)
			return refuse(l, CH_ERR_MALFORMED,
				      "a space, and a signature or buffer or nothing, follow the name");
		n--;
	}
	ch_wr_le32(&l->data, (uint32_t)(n + (nul ? 1 : 0)));
	ch_wr_put(&l->data, ch_span(l->rest.p, n));
	if (nul)
		ch_wr_u8(&l->data, 0);
	skip(l, last ? n : n + 1);
	return CH_OK;
}

static enum ch_err put_template_field(struct line *l, enum ch_ima_field field, bool last)
{
	switch (field) {
	case CH_IMA_D:
		return put_old_digest(l);
	case CH_IMA_D_NG:
	case CH_IMA_D_NGV2:
		return put_digest(l);
	case CH_IMA_N:
	case CH_IMA_N_NG:
		return put_name(l, last, field == CH_IMA_N_NG);
	case CH_IMA_SIG:
	case CH_IMA_BUF:
		return put_field(l, CH_SPAN_EMPTY, l->rest);
	}
	return CH_ERR_INTERNAL;
}

static enum ch_err put_template(struct line *l, const struct ch_ima_template *t)
{
	for (size_t i = 0; i < t->count; i++) {
		enum ch_err err = put_template_field(l, (enum ch_ima_field)t->field[i], i + 1 == t->count);
		if (err != CH_OK)
			return err;
	}
	if (l->data.bad)
		return refuse(l, CH_ERR_LIMIT, "template data have at most 64 KiB");
	return CH_OK;
}

/* The template hash goes to the start of the scratch memory, the data behind it. */
static enum ch_err take_hash(struct line *l, struct ch_ima_entry *e)
{
	struct ch_span hex = word(l);
	uint8_t *to = l->data.p;
	if (hex.n != 40 && hex.n != 64 && hex.n != 96 && hex.n != 128)
		return refuse(l, CH_ERR_RANGE, "a template hash has 40, 64, 96 or 128 hexadecimal digits");
	enum ch_err err = put_hex(l, hex);
	if (err != CH_OK)
		return err;
	if (l->data.bad)
		return refuse(l, CH_ERR_NOSPACE, "no scratch memory for the ascii form");
	e->template_hash = ch_span(to, hex.n / 2);
	skip_word(l, hex);
	ch_ima_judge_hash(e);
	return CH_OK;
}

static enum ch_err take_template(struct line *l, struct ch_ima_entry *e, const struct ch_ima_template **t)
{
	e->template_name = word(l);
	*t = ch_ima_template(e->template_name);
	if (*t == NULL && !ch_ima_name_fits(e->template_name))
		return refuse(l, CH_ERR_ENCODING, "a template name is printable ASCII, of 1 to 128 bytes");
	if (*t == NULL && memchr(e->template_name.p, '|', e->template_name.n) == NULL)
		return refuse(l, CH_ERR_MALFORMED, "the template is none of the kernel's");
	if (*t == NULL || (*t)->count == 0)
		return refuse(l, CH_ERR_UNSUPPORTED, "the data of this template cannot be rebuilt from text");
	skip_word(l, e->template_name);
	return CH_OK;
}

enum ch_err ch_ima_line(const struct ch_ima_iter *it, struct ch_ima_entry *e, size_t *next, struct ch_diag *d)
{
	struct ch_span rest = ch_span(it->in.p + it->off, it->in.n - it->off);
	const uint8_t *lf = memchr(rest.p, '\n', rest.n);
	if (lf == NULL)
		return ch_fail(d, CH_ERR_TRUNCATED, it->in.n, "the list is cut inside a line");
	struct line l = {
		.rest = ch_span(rest.p, (size_t)(lf - rest.p)),
		.off = it->off,
		.data = ch_wr(it->scratch, it->scratch_cap),
		.d = d,
	};
	*next = it->off + l.rest.n + 1;
	if (!take_pcr(&l, &e->pcr))
		return refuse(&l, CH_ERR_MALFORMED,
			      "a line begins with a PCR index of two places, 0 to 23, and a space");
	const struct ch_ima_template *t = NULL;
	enum ch_err err = take_hash(&l, e);
	if (err == CH_OK)
		err = take_template(&l, e, &t);
	size_t from = l.data.len;
	size_t fields = l.off;
	if (err == CH_OK)
		err = put_template(&l, t);
	if (err != CH_OK)
		return err;
	e->data = ch_span(it->scratch + from, l.data.len - from);
	err = ch_ima_decode(e, 0, d);
	/* The decoder counts in the rebuilt data; a person looks at the line. */
	if (err != CH_OK && d != NULL)
		d->off = fields;
	return err;
}
