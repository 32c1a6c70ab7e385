/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/tpm_wire.h"

struct ch_tpm_rd ch_tpm_rd(struct ch_span in)
{
	return (struct ch_tpm_rd){ .r = ch_rd(in), .err = CH_OK };
}

void ch_tpm_require(struct ch_tpm_rd *t, bool holds, enum ch_err err, const char *rule)
{
	if (holds || t->err != CH_OK)
		return;
	t->err = err;
	t->rule = rule;
	t->r.bad = true;
}

/* Marks where the next read starts. */
static void begin(struct ch_tpm_rd *t)
{
	if (t->err == CH_OK)
		t->at = t->r.off;
}

static void end(struct ch_tpm_rd *t, const char *field)
{
	ch_tpm_require(t, !t->r.bad, CH_ERR_TRUNCATED, field);
}

uint8_t ch_tpm_u8(struct ch_tpm_rd *t, const char *field)
{
	begin(t);
	uint8_t v = ch_rd_u8(&t->r);
	end(t, field);
	return v;
}

uint16_t ch_tpm_u16(struct ch_tpm_rd *t, const char *field)
{
	begin(t);
	uint16_t v = ch_rd_be16(&t->r);
	end(t, field);
	return v;
}

uint32_t ch_tpm_u32(struct ch_tpm_rd *t, const char *field)
{
	begin(t);
	uint32_t v = ch_rd_be32(&t->r);
	end(t, field);
	return v;
}

uint64_t ch_tpm_u64(struct ch_tpm_rd *t, const char *field)
{
	begin(t);
	uint64_t v = ch_rd_be64(&t->r);
	end(t, field);
	return v;
}

struct ch_span ch_tpm_bytes(struct ch_tpm_rd *t, size_t n, const char *field)
{
	begin(t);
	struct ch_span s = ch_rd_take(&t->r, n);
	end(t, field);
	return s;
}

struct ch_span ch_tpm_2b(struct ch_tpm_rd *t, size_t min, size_t max, const char *field)
{
	begin(t);
	size_t n = ch_rd_be16(&t->r);
	end(t, field);
	ch_tpm_require(t, n >= min && n <= max, CH_ERR_RANGE, field);
	struct ch_span s = ch_rd_take(&t->r, n);
	end(t, field);
	return s;
}

enum ch_err ch_tpm_end(struct ch_tpm_rd *t, struct ch_diag *d, const char *trailing_rule)
{
	begin(t);
	ch_tpm_require(t, ch_rd_done(&t->r), CH_ERR_TRAILING, trailing_rule);
	return t->err == CH_OK ? CH_OK : ch_fail(d, t->err, t->at, t->rule);
}

bool ch_tpm_hash_verifies(uint16_t alg)
{
	return alg == CH_HASH_SHA1 || alg == CH_HASH_SHA256 || alg == CH_HASH_SHA384 || alg == CH_HASH_SHA512;
}
