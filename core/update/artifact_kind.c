/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/release.h"

/* What a file is by what it begins with. A person's word goes before this one. */

#define SECTIONS_MAX 64

static bool has(struct ch_span s, size_t off, struct ch_span want)
{
	return ch_span_eq(ch_span_sub(s, off, want.n), want);
}

/* PE/COFF (rev. 11, 3 to 4): the section table has a section of this name. */
static bool has_section(struct ch_span head, struct ch_span name)
{
	struct ch_rd r = ch_rd(head);
	(void)ch_rd_take(&r, 0x3c);
	uint32_t at = ch_rd_le32(&r);
	if (r.bad || !has(head, at, CH_SPAN_LIT("PE\0\0")))
		return false;
	r = ch_rd(head);
	(void)ch_rd_take(&r, (size_t)at + 6);
	size_t count = ch_rd_le16(&r);
	(void)ch_rd_take(&r, 12);
	size_t optional = ch_rd_le16(&r);
	(void)ch_rd_take(&r, 2 + optional);
	for (size_t i = 0; i < count && i < SECTIONS_MAX && !r.bad; i++) {
		if (has(ch_rd_take(&r, 40), 0, name))
			return true;
	}
	return false;
}

enum ch_artifact_kind ch_artifact_kind_of(struct ch_span head)
{
	if (has(head, 0, CH_SPAN_LIT("hsqs")))
		return CH_ARTIFACT_RAUC;
	if (has(head, 0, CH_SPAN_LIT("MZ"))) {
		if (has_section(head, CH_SPAN_LIT(".linux\0\0")))
			return CH_ARTIFACT_UKI;
		/* Linux: Documentation/arch/x86/boot.rst, 1.4; Documentation/arch/arm64/booting.rst, 4 */
		if (has(head, 0x202, CH_SPAN_LIT("HdrS")) || has(head, 0x38, CH_SPAN_LIT("ARM\x64")))
			return CH_ARTIFACT_KERNEL;
		return CH_ARTIFACT_FILE;
	}
	/* POSIX ustar whose first file is an index of an OSTree pack */
	if (has(head, 0, CH_SPAN_LIT("index\0")) && has(head, 512, CH_SPAN_LIT("chainhold-ostree/v1\0")))
		return CH_ARTIFACT_OSTREE;
	/* cpio, "newc" with and without checksums: SWUpdate's begins with its description */
	if (has(head, 0, CH_SPAN_LIT("070701")) || has(head, 0, CH_SPAN_LIT("070702")))
		return has(head, 110, CH_SPAN_LIT("sw-description")) ? CH_ARTIFACT_SWU : CH_ARTIFACT_INITRD;
	return CH_ARTIFACT_FILE;
}
