/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/tpm_pcrs.h"

#include "core/base/rd.h"

#define MASK_ALL (((uint32_t)1 << CH_PCR_COUNT) - 1)

/* struct TPML_PCR_SELECTION, struct TPML_DIGEST as a C compiler lays them out. */
#define DUMP_SELECTIONS  16
#define DUMP_SELECT_SIZE 8 /* hash 2, sizeofSelect 1, pcrSelect 4, padding 1 */
#define DUMP_HEAD        (4 + DUMP_SELECTIONS * DUMP_SELECT_SIZE + 4)
#define DUMP_DIGESTS     8
#define DUMP_SET         (4 + DUMP_DIGESTS * (2 + CH_DIGEST_MAX))

static size_t count_bits(uint32_t mask)
{
	size_t n = 0;
	for (; mask != 0; mask &= mask - 1)
		n++;
	return n;
}

/* Bytes of the "values" form; 0 if the quote selects nothing. */
static size_t values_size(const struct ch_tpm_attest *quote, bool whole)
{
	size_t n = 0;
	for (size_t i = 0; i < quote->select_count; i++) {
		uint32_t mask = quote->select[i].mask;
		if (whole && mask != 0)
			mask = MASK_ALL;
		n += count_bits(mask) * ch_hash_size(quote->select[i].alg);
	}
	return n;
}

static enum ch_err set_value(struct ch_pcr_bank *bank, uint32_t pcr, struct ch_span value, size_t off,
			     struct ch_diag *d)
{
	if (value.n != bank->size)
		return ch_fail(d, CH_ERR_RANGE, off, "TPM2B_DIGEST has not the size of its bank's digests");
	ch_span_copy(bank->value[pcr], CH_DIGEST_MAX, value);
	bank->touched |= (uint32_t)1 << pcr;
	return CH_OK;
}

static enum ch_err values_parse(struct ch_pcrs *pcrs, const struct ch_tpm_attest *quote, struct ch_span in, bool whole,
				struct ch_diag *d)
{
	struct ch_rd r = ch_rd(in);
	for (size_t i = 0; i < quote->select_count; i++) {
		uint32_t mask = quote->select[i].mask;
		if (mask == 0)
			continue;
		struct ch_pcr_bank *bank = ch_pcrs_add(pcrs, quote->select[i].alg);
		if (bank == NULL)
			return ch_fail(d, CH_ERR_UNSUPPORTED, r.off, "the bank's algorithm is not one that we compute");
		for (uint32_t pcr = 0; pcr < CH_PCR_COUNT; pcr++) {
			if (!whole && (mask >> pcr & 1) == 0)
				continue;
			enum ch_err err = set_value(bank, pcr, ch_rd_take(&r, bank->size), r.off, d);
			if (err != CH_OK)
				return err;
		}
	}
	return ch_rd_done(&r) ? CH_OK : ch_fail(d, CH_ERR_TRAILING, r.off, "bytes after the last register value");
}

/* The digests of a dump as one sequence. */
struct dump {
	struct ch_rd r;
	size_t sets;   /* lists not yet begun */
	uint32_t left; /* digests not yet taken from this list */
	size_t slots;  /* entries not yet passed in this list, in use or not */
};

/* Passes the rest of a list and begins the next one; false if there is none. */
static bool dump_next_set(struct dump *m)
{
	(void)ch_rd_take(&m->r, m->slots * (2 + CH_DIGEST_MAX));
	m->slots = 0;
	m->left = 0;
	if (m->sets == 0)
		return false;
	m->sets--;
	m->slots = DUMP_DIGESTS;
	m->left = ch_rd_le32(&m->r);
	return true;
}

static enum ch_err dump_take(struct dump *m, struct ch_pcr_bank *bank, uint32_t pcr, struct ch_diag *d)
{
	for (size_t i = 0; i < CH_TPM_PCRS_SETS_MAX && m->left == 0; i++) {
		if (!dump_next_set(m))
			return ch_fail(d, CH_ERR_MISSING, m->r.off,
				       "fewer digests than the file's selection has registers");
	}
	size_t at = m->r.off;
	if (m->left > m->slots)
		return ch_fail(d, CH_ERR_RANGE, at - 4, "TPML_DIGEST.count is above 8 (Part 2, 10.9.5)");
	size_t n = ch_rd_le16(&m->r);
	struct ch_span slot = ch_rd_take(&m->r, CH_DIGEST_MAX);
	m->left--;
	m->slots--;
	return set_value(bank, pcr, ch_span_sub(slot, 0, n), at, d);
}

static enum ch_err dump_bank(struct ch_pcrs *pcrs, struct ch_rd *head, struct dump *m, struct ch_diag *d)
{
	size_t at = head->off;
	enum ch_hash_alg alg = (enum ch_hash_alg)ch_rd_le16(head);
	size_t bytes = ch_rd_u8(head);
	uint32_t mask = ch_rd_le32(head);
	(void)ch_rd_u8(head);
	if (bytes > 4)
		return ch_fail(d, CH_ERR_RANGE, at, "TPMS_PCR_SELECTION.sizeofSelect is above 4 (Part 2, 10.6.2)");
	if (bytes < 4)
		mask &= ((uint32_t)1 << (8 * bytes)) - 1;
	if ((mask & ~MASK_ALL) != 0)
		return ch_fail(d, CH_ERR_RANGE, at, "TPMS_PCR_SELECTION.pcrSelect names a PCR above 23");
	if (mask == 0)
		return CH_OK;
	if (ch_pcrs_find(pcrs, alg) != NULL)
		return ch_fail(d, CH_ERR_DUPLICATE, at, "TPML_PCR_SELECTION names a bank twice");
	struct ch_pcr_bank *bank = ch_pcrs_add(pcrs, alg);
	if (bank == NULL)
		return ch_fail(d, CH_ERR_UNSUPPORTED, at, "the bank's algorithm is not one that we compute");
	for (uint32_t pcr = 0; pcr < CH_PCR_COUNT; pcr++) {
		if ((mask >> pcr & 1) == 0)
			continue;
		enum ch_err err = dump_take(m, bank, pcr, d);
		if (err != CH_OK)
			return err;
	}
	return CH_OK;
}

static enum ch_err dump_parse(struct ch_pcrs *pcrs, struct ch_span in, size_t sets, struct ch_diag *d)
{
	struct ch_rd head = ch_rd(in);
	size_t banks = ch_rd_le32(&head);
	if (banks > DUMP_SELECTIONS)
		return ch_fail(d, CH_ERR_RANGE, 0, "TPML_PCR_SELECTION.count is above 16");
	struct dump m = { .r = ch_rd(in), .sets = sets };
	(void)ch_rd_take(&m.r, DUMP_HEAD);
	for (size_t i = 0; i < banks; i++) {
		enum ch_err err = dump_bank(pcrs, &head, &m, d);
		if (err != CH_OK)
			return err;
	}
	if (m.left != 0)
		return ch_fail(d, CH_ERR_TRAILING, m.r.off, "more digests than the file's selection has registers");
	for (size_t i = 0; i < CH_TPM_PCRS_SETS_MAX && dump_next_set(&m); i++) {
		if (m.left != 0)
			return ch_fail(d, CH_ERR_TRAILING, m.r.off,
				       "more digests than the file's selection has registers");
	}
	return ch_rd_done(&m.r) ? CH_OK : ch_fail(d, CH_ERR_TRAILING, m.r.off, "bytes after the last TPML_DIGEST");
}

/* Lists of a dump of this size; 0 if it cannot be one. */
static size_t dump_sets(struct ch_span in)
{
	struct ch_rd r = ch_rd(ch_span_sub(in, DUMP_HEAD - 4, 4));
	size_t sets = ch_rd_le32(&r);
	if (r.bad || sets == 0 || sets > CH_TPM_PCRS_SETS_MAX)
		return 0;
	return in.n == DUMP_HEAD + sets * DUMP_SET ? sets : 0;
}

enum ch_err ch_tpm_pcrs_parse(struct ch_pcrs *pcrs, const struct ch_tpm_attest *quote, struct ch_span in,
			      struct ch_diag *d)
{
	ch_diag_clear(d);
	ch_pcrs_init(pcrs);
	size_t sets = dump_sets(in);
	enum ch_err err;
	if (sets != 0)
		err = dump_parse(pcrs, in, sets, d);
	else if (in.n == values_size(quote, false))
		err = values_parse(pcrs, quote, in, false, d);
	else if (in.n == values_size(quote, true))
		err = values_parse(pcrs, quote, in, true, d);
	else
		err = ch_fail(
			d, CH_ERR_MALFORMED, 0,
			"neither the values of the quoted registers nor tpm2-tools' serialized form (by its size)");
	if (err != CH_OK)
		ch_pcrs_init(pcrs);
	return err;
}

bool ch_tpm_pcrs_cover(const struct ch_pcrs *pcrs, const struct ch_tpm_attest *quote)
{
	for (size_t i = 0; i < quote->select_count; i++) {
		uint32_t mask = quote->select[i].mask;
		const struct ch_pcr_bank *bank = ch_pcrs_find(pcrs, quote->select[i].alg);
		if (mask != 0 && (bank == NULL || (mask & ~bank->touched) != 0))
			return false;
	}
	return true;
}
