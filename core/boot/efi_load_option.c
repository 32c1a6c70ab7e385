/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/rd.h"
#include "core/boot/efi.h"

#include <string.h>

/* Characters up to the first NUL, which is consumed; sets `r->bad` if there is none. */
static struct ch_span take_utf16(struct ch_rd *r)
{
	size_t from = r->off;
	while (!r->bad) {
		if (ch_rd_le16(r) == 0 && !r->bad)
			return ch_span_sub(r->in, from, r->off - 2 - from);
	}
	return CH_SPAN_EMPTY;
}

enum ch_err ch_efi_load_option_parse(struct ch_efi_load_option *lo, struct ch_span in, struct ch_diag *d)
{
	struct ch_efi_load_option out = { 0 };
	struct ch_rd r = ch_rd(in);
	ch_diag_clear(d);
	memset(lo, 0, sizeof(*lo));
	out.attributes = ch_rd_le32(&r);
	size_t size = ch_rd_le16(&r);
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, r.off, "EFI_LOAD_OPTION ends in its header (UEFI 2.10, 3.1.3)");
	out.description = take_utf16(&r);
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, 6, "EFI_LOAD_OPTION.Description has no NUL (UEFI 2.10, 3.1.3)");
	out.devpath = ch_rd_take(&r, size);
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, 4,
			       "FilePathListLength runs past the end of EFI_LOAD_OPTION (UEFI 2.10, 3.1.3)");
	out.optional = ch_rd_rest(&r);
	*lo = out;
	return CH_OK;
}

bool ch_efi_load_option_is_plain(const struct ch_efi_load_option *lo)
{
	static const uint8_t mark[16] = { 0x4e, 0xac, 0x08, 0x81, 0x11, 0x9f, 0x59, 0x4d,
					  0x85, 0x0e, 0xe2, 0x1a, 0x52, 0x2c, 0x59, 0xb2 };
	return lo->optional.n == 0 || ch_span_eq(lo->optional, CH_SPAN_OF(mark));
}
