/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/tcg_event.h"
#include "core/boot/tcg_record.h"

#define NAME_SIZE   50
#define TYPE_SIZE   10
#define DIGEST_SIZE 64
#define ENTRY_SIZE  (4 + TYPE_SIZE + DIGEST_SIZE + 4 + NAME_SIZE)

static const struct {
	enum ch_hash_alg alg;
	uint8_t name[TYPE_SIZE]; /* as coreboot writes it, padded with NULs */
} digest_type[] = {
	{ CH_HASH_SHA1, "SHA1" },
	{ CH_HASH_SHA256, "SHA256" },
	{ CH_HASH_SHA384, "SHA384" },
	{ CH_HASH_SHA512, "SHA512" },
};

bool ch_tcg_coreboot_detect(struct ch_span in)
{
	struct ch_rd r = ch_rd(in);
	(void)ch_rd_le16(&r);
	size_t count = ch_rd_le16(&r);
	(void)ch_rd_le32(&r);
	return count != 0 && ch_span_starts(ch_rd_take(&r, TYPE_SIZE), CH_SPAN_LIT("SHA"));
}

static enum ch_hash_alg alg_of(struct ch_span name)
{
	for (size_t i = 0; i < CH_COUNT_OF(digest_type); i++) {
		if (ch_span_eq(name, CH_SPAN_OF(digest_type[i].name)))
			return digest_type[i].alg;
	}
	return CH_HASH_NONE;
}

/* Text up to its first NUL; everything after it must be NUL, too. */
static bool text_of(struct ch_span field, struct ch_span *text)
{
	size_t n = 0;
	while (n < field.n && field.p[n] != 0)
		n++;
	*text = ch_span(field.p, n);
	return n < field.n && ch_span_all(ch_span_sub(field, n, field.n - n), 0);
}

static enum ch_err read_entry(struct ch_rd *r, struct ch_tcg_event *ev, struct ch_diag *d)
{
	ev->off = r->off;
	ev->pcr = ch_rd_le32(r);
	ev->type = CH_EV_ACTION; /* what coreboot writes where its log has types */
	struct ch_span type = ch_rd_take(r, TYPE_SIZE);
	struct ch_span digest = ch_rd_take(r, DIGEST_SIZE);
	size_t size = ch_rd_le32(r);
	ev->data_off = r->off;
	struct ch_span name = ch_rd_take(r, NAME_SIZE);
	ev->extended = true;
	if (r->bad)
		return ch_fail(d, CH_ERR_TRUNCATED, r->off, "the entry runs past the end of coreboot's log");
	enum ch_hash_alg alg = alg_of(type);
	if (alg == CH_HASH_NONE)
		return ch_fail(d, CH_ERR_UNSUPPORTED, ev->off + 4,
			       "the digest type of coreboot's entry is not SHA1, SHA256, SHA384 or SHA512");
	if (size != ch_hash_size(alg))
		return ch_fail(d, CH_ERR_RANGE, ev->data_off - 4,
			       "digest_length of coreboot's entry is not that of its digest type");
	if (!ch_span_all(ch_span_sub(digest, size, DIGEST_SIZE - size), 0) || !text_of(name, &ev->data))
		return ch_fail(d, CH_ERR_MALFORMED, ev->off, "the unused bytes of coreboot's entry are not zero");
	ev->digest_count = 1;
	ev->digest[0].alg = alg;
	ev->digest[0].value = ch_span(digest.p, size);
	return CH_OK;
}

static size_t bank_of(const struct ch_tcg_log *log, enum ch_hash_alg alg)
{
	size_t i = 0;
	while (i < log->bank_count && log->bank[i].alg != alg)
		i++;
	return i;
}

enum ch_err ch_tcg_coreboot_header(struct ch_tcg_log *log, struct ch_diag *d)
{
	struct ch_rd r = ch_rd(log->in);
	size_t max = ch_rd_le16(&r);
	size_t count = ch_rd_le16(&r);
	if (count > max)
		return ch_fail(d, CH_ERR_RANGE, 2, "coreboot's header counts more entries than its table has");
	log->format = CH_TCG_COREBOOT;
	log->promised = count;
	struct ch_tcg_event ev;
	for (size_t n = 0; n < count && !ch_span_all(ch_span_sub(r.in, r.off, r.in.n - r.off), 0); n++) {
		enum ch_err err = read_entry(&r, &ev, d);
		if (err != CH_OK) {
			if (d != NULL)
				d->item = n;
			return err;
		}
		size_t b = bank_of(log, ev.digest[0].alg);
		if (b < log->bank_count)
			continue;
		log->bank[b] = (struct ch_tcg_bank){ .alg = ev.digest[0].alg, .size = (uint16_t)ev.digest[0].value.n };
		log->bank_count = b + 1;
		log->used |= (uint32_t)1 << b;
	}
	return CH_OK;
}

enum ch_err ch_tcg_coreboot_record(struct ch_rd *r, const struct ch_tcg_log *log, struct ch_tcg_event *ev,
				   uint32_t *mask, struct ch_diag *d)
{
	enum ch_err err = read_entry(r, ev, d);
	if (err == CH_OK)
		*mask = (uint32_t)1 << bank_of(log, ev->digest[0].alg);
	return err;
}
