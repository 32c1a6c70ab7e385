/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/cbor.h"

static void put_head(struct ch_wr *w, enum ch_cbor_type type, uint64_t v)
{
	uint8_t major = (uint8_t)(type << 5);
	if (v < 24) {
		ch_wr_u8(w, (uint8_t)(major | v));
	} else if (v <= 0xff) {
		ch_wr_u8(w, (uint8_t)(major | 24));
		ch_wr_u8(w, (uint8_t)v);
	} else if (v <= 0xffff) {
		ch_wr_u8(w, (uint8_t)(major | 25));
		ch_wr_be16(w, (uint16_t)v);
	} else if (v <= 0xffffffff) {
		ch_wr_u8(w, (uint8_t)(major | 26));
		ch_wr_be32(w, (uint32_t)v);
	} else {
		ch_wr_u8(w, (uint8_t)(major | 27));
		ch_wr_be64(w, v);
	}
}

void ch_cbor_put_uint(struct ch_wr *w, uint64_t v)
{
	put_head(w, CH_CBOR_UINT, v);
}

void ch_cbor_put_nint(struct ch_wr *w, uint64_t n)
{
	put_head(w, CH_CBOR_NINT, n);
}

void ch_cbor_put_int(struct ch_wr *w, int64_t v)
{
	if (v < 0)
		put_head(w, CH_CBOR_NINT, (uint64_t)(-1 - v));
	else
		put_head(w, CH_CBOR_UINT, (uint64_t)v);
}

void ch_cbor_put_bstr_head(struct ch_wr *w, size_t n)
{
	put_head(w, CH_CBOR_BSTR, n);
}

void ch_cbor_put_bstr(struct ch_wr *w, struct ch_span s)
{
	put_head(w, CH_CBOR_BSTR, s.n);
	ch_wr_put(w, s);
}

void ch_cbor_put_tstr(struct ch_wr *w, struct ch_span s)
{
	put_head(w, CH_CBOR_TSTR, s.n);
	ch_wr_put(w, s);
}

void ch_cbor_put_array(struct ch_wr *w, size_t n)
{
	put_head(w, CH_CBOR_ARRAY, n);
}

void ch_cbor_put_map(struct ch_wr *w, size_t n)
{
	put_head(w, CH_CBOR_MAP, n);
}

void ch_cbor_put_tag(struct ch_wr *w, uint64_t tag)
{
	put_head(w, CH_CBOR_TAG, tag);
}

void ch_cbor_put_simple(struct ch_wr *w, uint8_t v)
{
	put_head(w, CH_CBOR_SIMPLE, v);
}

void ch_cbor_put_bool(struct ch_wr *w, bool v)
{
	ch_cbor_put_simple(w, v ? 21 : 20);
}

void ch_cbor_put_null(struct ch_wr *w)
{
	ch_cbor_put_simple(w, 22);
}

void ch_cbor_put_float(struct ch_wr *w, uint64_t bits, uint8_t width)
{
	ch_wr_u8(w, width == 2 ? 0xf9 : width == 4 ? 0xfa : 0xfb);
	if (width == 2)
		ch_wr_be16(w, (uint16_t)bits);
	else if (width == 4)
		ch_wr_be32(w, (uint32_t)bits);
	else
		ch_wr_be64(w, bits);
}
