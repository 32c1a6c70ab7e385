/* SPDX-License-Identifier: Apache-2.0 */
#include "core/os/ima.h"

#include "core/base/rd.h"
#include "core/os/ima_record.h"

#include <string.h>

#define VIOLATION_OLD 20 /* bytes of ones that kernels before 5.8 extended for a violation */

static const struct ch_ima_template template_row[] = {
	{ "ima-ng", 2, { CH_IMA_D_NG, CH_IMA_N_NG } },
	{ "ima-sig", 3, { CH_IMA_D_NG, CH_IMA_N_NG, CH_IMA_SIG } },
	{ "ima-buf", 3, { CH_IMA_D_NG, CH_IMA_N_NG, CH_IMA_BUF } },
	{ "ima", 2, { CH_IMA_D, CH_IMA_N } },
	{ "ima-ngv2", 2, { CH_IMA_D_NGV2, CH_IMA_N_NG } },
	{ "ima-sigv2", 3, { CH_IMA_D_NGV2, CH_IMA_N_NG, CH_IMA_SIG } },
	{ "ima-modsig", 0, { 0 } },
	{ "evm-sig", 0, { 0 } },
};

const struct ch_ima_template *ch_ima_template(struct ch_span name)
{
	for (size_t i = 0; i < CH_COUNT_OF(template_row); i++) {
		if (ch_span_eq(name, ch_span_str(template_row[i].name)))
			return &template_row[i];
	}
	return NULL;
}

bool ch_ima_name_fits(struct ch_span name)
{
	if (name.n == 0 || name.n > CH_IMA_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] <= ' ' || name.p[i] > '~')
			return false;
	}
	return true;
}

static bool is_old(const struct ch_ima_entry *e)
{
	return ch_span_eq(e->template_name, CH_SPAN_LIT("ima"));
}

/* --- fields --- */

/* "ima:" or "verity:" before the algorithm. The first is left out of file_alg: it says what every other template means. */
static bool take_kind(struct ch_span *alg)
{
	if (ch_span_starts(*alg, CH_SPAN_LIT("ima:"))) {
		*alg = ch_span(alg->p + 4, alg->n - 4);
		return memchr(alg->p, ':', alg->n) == NULL;
	}
	if (!ch_span_starts(*alg, CH_SPAN_LIT("verity:")))
		return false;
	return alg->n > 7 && memchr(alg->p + 7, ':', alg->n - 7) == NULL;
}

static enum ch_err decode_digest(struct ch_ima_entry *e, struct ch_span s, bool v2, size_t off, struct ch_diag *d)
{
	const uint8_t *nul = s.n > 0 ? memchr(s.p, 0, s.n) : NULL;
	size_t prefix = nul != NULL ? (size_t)(nul - s.p) : 0;
	if (prefix < 2 || s.p[prefix - 1] != ':')
		return ch_fail(d, CH_ERR_MALFORMED, off,
			       "a file digest begins with its algorithm, a colon and a NUL (IMA templates, d-ng)");
	struct ch_span alg = ch_span(s.p, prefix - 1);
	if (!ch_ima_name_fits(alg) || (v2 ? !take_kind(&alg) : memchr(alg.p, ':', alg.n) != NULL) || alg.n == 0)
		return ch_fail(d, CH_ERR_MALFORMED, off,
			       "the prefix of a file digest is \"alg:\", in version 2 \"ima:alg:\" or \"verity:alg:\"");
	struct ch_span digest = ch_span(nul + 1, s.n - prefix - 1);
	size_t size = ch_hash_size(ch_hash_by_name(alg));
	/* Some kernels log 20 zeros for a violation, whatever the algorithm they name. */
	bool old_violation = e->violation && digest.n == CH_IMA_OLD_DIGEST;
	if (digest.n == 0 || digest.n > CH_DIGEST_MAX || (size != 0 && digest.n != size && !old_violation))
		return ch_fail(d, CH_ERR_RANGE, off + prefix + 1,
			       "the file digest does not have the size of its algorithm");
	e->file_alg = alg;
	e->file_digest = digest;
	return CH_OK;
}

static enum ch_err decode_name(struct ch_ima_entry *e, struct ch_span s, bool nul, size_t off, struct ch_diag *d)
{
	const uint8_t *end = s.n > 0 ? memchr(s.p, 0, s.n) : NULL;
	if (nul ? end != s.p + s.n - 1 || s.n == 0 : end != NULL || s.n > CH_IMA_OLD_NAME_MAX)
		return ch_fail(d, CH_ERR_MALFORMED, off,
			       nul ? "a file name ends with its only NUL (IMA templates, n-ng)"
				   : "a file name of template ima has at most 255 bytes and no NUL");
	e->path = nul ? ch_span(s.p, s.n - 1) : s;
	return CH_OK;
}

static enum ch_err decode_field(struct ch_ima_entry *e, enum ch_ima_field field, struct ch_span s, size_t off,
				struct ch_diag *d)
{
	switch (field) {
	case CH_IMA_D_NG:
	case CH_IMA_D_NGV2:
		return decode_digest(e, s, field == CH_IMA_D_NGV2, off, d);
	case CH_IMA_N:
	case CH_IMA_N_NG:
		return decode_name(e, s, field == CH_IMA_N_NG, off, d);
	case CH_IMA_D:
		/* MD5 was padded with zeros to the size of SHA-1; nothing tells the two apart for sure. */
		e->file_alg = CH_SPAN_LIT("sha1");
		e->file_digest = s;
		return CH_OK;
	case CH_IMA_SIG:
		e->sig = s;
		return CH_OK;
	case CH_IMA_BUF:
		e->buf = s;
		return CH_OK;
	}
	return CH_ERR_INTERNAL;
}

enum ch_err ch_ima_decode(struct ch_ima_entry *e, size_t base, struct ch_diag *d)
{
	const struct ch_ima_template *t = ch_ima_template(e->template_name);
	if (t == NULL || t->count == 0)
		return CH_OK;
	struct ch_rd r = ch_rd(e->data);
	for (size_t i = 0; i < t->count; i++) {
		size_t at = r.off;
		size_t n = t->field[i] == CH_IMA_D ? CH_IMA_OLD_DIGEST : ch_rd_le32(&r);
		size_t off = r.off;
		struct ch_span s = ch_rd_take(&r, n);
		if (r.bad)
			return ch_fail(d, CH_ERR_TRUNCATED, base + at,
				       "a field is longer than what is left of the template data");
		enum ch_err err = decode_field(e, (enum ch_ima_field)t->field[i], s, base + off, d);
		if (err != CH_OK)
			return err;
	}
	if (!ch_rd_done(&r))
		return ch_fail(d, CH_ERR_TRAILING, base + r.off, "the fields do not fill the template data");
	/* SM3 and SHA3-256 have the size of SHA-256; such a kernel uses one of them for files and templates alike. */
	if (e->template_alg == CH_HASH_SHA256) {
		enum ch_hash_alg alg = ch_hash_by_name(e->file_alg);
		if (ch_hash_size(alg) == e->template_hash.n)
			e->template_alg = alg;
	}
	e->known = true;
	return CH_OK;
}

void ch_ima_judge_hash(struct ch_ima_entry *e)
{
	static const struct {
		uint8_t size;
		enum ch_hash_alg alg;
	} by_size[] = { { 20, CH_HASH_SHA1 }, { 32, CH_HASH_SHA256 }, { 48, CH_HASH_SHA384 }, { 64, CH_HASH_SHA512 } };
	e->violation = ch_span_all(e->template_hash, 0);
	e->template_alg = CH_HASH_NONE;
	for (size_t i = 0; i < CH_COUNT_OF(by_size); i++) {
		if (by_size[i].size == e->template_hash.n)
			e->template_alg = by_size[i].alg;
	}
}

/* --- the binary form --- */

/* True if a record with template hashes of `size` bytes can begin the list. */
static bool begins_with(struct ch_span in, size_t size)
{
	struct ch_rd r = ch_rd(in);
	(void)ch_rd_take(&r, 4 + size);
	return ch_ima_name_fits(ch_rd_take(&r, ch_rd_le32(&r)));
}

struct ch_ima_iter ch_ima_iter(struct ch_span in, uint8_t *scratch, size_t scratch_cap)
{
	static const uint8_t size[] = { 20, 32, 48, 64 };
	struct ch_ima_iter it = {
		.in = in,
		.form = CH_IMA_BINARY,
		.hash_size = size[0],
		.scratch = scratch,
		.scratch_cap = scratch_cap,
	};
	/* The binary form begins with the low byte of a PCR index, 0 to 23; the ascii form with a digit or a space. */
	if (in.n > 0 && in.p[0] >= ' ') {
		it.form = CH_IMA_ASCII;
		return it;
	}
	for (size_t i = 0; i < CH_COUNT_OF(size); i++) {
		if (begins_with(in, size[i])) {
			it.hash_size = size[i];
			break;
		}
	}
	return it;
}

/* Template ima has no length of its data: 20 bytes, then the name with its length. */
static struct ch_span take_old_data(struct ch_rd *r)
{
	size_t from = r->off;
	(void)ch_rd_take(r, CH_IMA_OLD_DIGEST);
	(void)ch_rd_take(r, ch_rd_le32(r));
	return r->bad ? CH_SPAN_EMPTY : ch_span_sub(r->in, from, r->off - from);
}

/* Reads one frame at it->off; *next is the offset behind it. */
static enum ch_err read_frame(const struct ch_ima_iter *it, struct ch_ima_entry *e, size_t *next, struct ch_diag *d)
{
	struct ch_rd r = ch_rd(it->in);
	r.off = it->off;
	e->pcr = ch_rd_le32(&r);
	e->template_hash = ch_rd_take(&r, it->hash_size);
	if (!r.bad && e->pcr >= CH_PCR_COUNT)
		return ch_fail(d, CH_ERR_RANGE, it->off,
			       "the PCR index is above 23 (big-endian kernels need ima_canonical_fmt)");
	size_t at = r.off;
	uint32_t n = ch_rd_le32(&r);
	if (!r.bad && n > CH_IMA_NAME_MAX)
		return ch_fail(d, CH_ERR_LIMIT, at, "a template name has at most 128 bytes");
	at = r.off;
	e->template_name = ch_rd_take(&r, n);
	if (!r.bad && ch_ima_template(e->template_name) == NULL && !ch_ima_name_fits(e->template_name))
		return ch_fail(d, CH_ERR_ENCODING, at,
			       "a template name is printable ASCII without spaces, and not empty");
	at = r.off;
	n = is_old(e) ? 0 : ch_rd_le32(&r);
	if (!r.bad && n > CH_IMA_DATA_MAX)
		return ch_fail(d, CH_ERR_LIMIT, at, "template data have at most 64 KiB");
	e->data = is_old(e) ? take_old_data(&r) : ch_rd_take(&r, n);
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, r.off, "the list is cut inside a record");
	if (e->data.n > CH_IMA_DATA_MAX)
		return ch_fail(d, CH_ERR_LIMIT, at, "template data have at most 64 KiB");
	ch_ima_judge_hash(e);
	*next = r.off;
	return CH_OK;
}

static enum ch_err read_record(const struct ch_ima_iter *it, struct ch_ima_entry *e, size_t *next, struct ch_diag *d)
{
	enum ch_err err = read_frame(it, e, next, d);
	return err == CH_OK ? ch_ima_decode(e, *next - e->data.n, d) : err;
}

/* --- the iterator --- */

static enum ch_err step(struct ch_ima_iter *it, struct ch_ima_entry *e, struct ch_diag *d,
			enum ch_err (*read)(const struct ch_ima_iter *it, struct ch_ima_entry *e, size_t *next,
					    struct ch_diag *d))
{
	*e = (struct ch_ima_entry){ .n = it->n, .off = it->off };
	ch_diag_clear(d);
	if (it->off == it->in.n)
		return CH_ERR_NOTFOUND;
	size_t next = it->off;
	enum ch_err err = it->n < CH_IMA_ENTRIES_MAX
				  ? read(it, e, &next, d)
				  : ch_fail(d, CH_ERR_LIMIT, it->off, "a list has at most 4000000 entries");
	if (err == CH_OK) {
		it->off = next;
		it->n++;
		return CH_OK;
	}
	*e = (struct ch_ima_entry){ 0 };
	if (d != NULL)
		d->item = it->n;
	return err;
}

enum ch_err ch_ima_next(struct ch_ima_iter *it, struct ch_ima_entry *e, struct ch_diag *d)
{
	return step(it, e, d, it->form == CH_IMA_ASCII ? ch_ima_line : read_record);
}

static enum ch_err no_frame(const struct ch_ima_iter *it, struct ch_ima_entry *e, size_t *next, struct ch_diag *d)
{
	(void)e;
	(void)next;
	return ch_fail(d, CH_ERR_UNSUPPORTED, it->off, "a line cannot be read without its fields");
}

enum ch_err ch_ima_next_frame(struct ch_ima_iter *it, struct ch_ima_entry *e, struct ch_diag *d)
{
	return step(it, e, d, it->form == CH_IMA_ASCII ? no_frame : read_frame);
}

/* --- hashes and registers --- */

enum ch_err ch_ima_entry_hash(const struct ch_ima_entry *e, enum ch_hash_alg alg, struct ch_digest *out)
{
	static const uint8_t zero[CH_IMA_OLD_NAME_MAX + 1];
	if (!is_old(e))
		return ch_hash_once(alg, e->data, out);
	/* Undecoded (a frame only), the name may be of any length; the kernel has none that is longer. */
	struct ch_span name = ch_span_sub(e->data, CH_IMA_OLD_DIGEST + 4, e->data.n - CH_IMA_OLD_DIGEST - 4);
	struct ch_hash h;
	*out = (struct ch_digest){ 0 };
	enum ch_err err = ch_hash_init(&h, alg);
	if (err != CH_OK)
		return err;
	ch_hash_update(&h, ch_span_sub(e->data, 0, CH_IMA_OLD_DIGEST));
	ch_hash_update(&h, name);
	if (name.n < sizeof(zero))
		ch_hash_update(&h, ch_span(zero, sizeof(zero) - name.n));
	ch_hash_final(&h, out);
	return CH_OK;
}

bool ch_ima_entry_holds(const struct ch_ima_entry *e)
{
	struct ch_digest digest;
	if (e->violation)
		return ch_span_all(e->template_hash, 0);
	return ch_ima_entry_hash(e, e->template_alg, &digest) == CH_OK &&
	       ch_span_eq(ch_digest_span(&digest), e->template_hash);
}

/* What one bank receives. False if it cannot be computed. */
static bool extended(const struct ch_ima_entry *e, enum ch_hash_alg alg, enum ch_ima_extend how, struct ch_digest *out)
{
	size_t size = ch_hash_size(alg);
	*out = (struct ch_digest){ .n = (uint8_t)size };
	if (e->violation) {
		memset(out->b, 0xff, how == CH_IMA_EXTEND_HASH || size < VIOLATION_OLD ? size : VIOLATION_OLD);
		return true;
	}
	if (alg == e->template_alg) {
		(void)ch_span_copy(out->b, size, e->template_hash);
		return true;
	}
	if (how == CH_IMA_EXTEND_HASH)
		return ch_ima_entry_hash(e, alg, out) == CH_OK;
	if (e->template_alg == CH_HASH_SHA1) {
		(void)ch_span_copy(out->b, size, e->template_hash);
		return true;
	}
	if (ch_ima_entry_hash(e, CH_HASH_SHA1, out) != CH_OK)
		return false;
	out->n = (uint8_t)size;
	return true;
}

void ch_ima_extend(struct ch_pcrs *pcrs, const struct ch_ima_entry *e, enum ch_ima_extend how)
{
	struct ch_digest digest;
	for (size_t i = 0; i < pcrs->count; i++) {
		if (extended(e, pcrs->bank[i].alg, how, &digest))
			(void)ch_pcr_bank_extend(&pcrs->bank[i], e->pcr, ch_digest_span(&digest));
	}
}
