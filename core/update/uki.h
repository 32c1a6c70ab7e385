/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_UPDATE_UKI_H
#define CH_UPDATE_UKI_H

#include "core/update/pe.h"

/*
 * Unified kernel images: systemd-stub with a kernel and what it needs in sections (systemd-stub(7), UAPI Group specification 5). The rules
 * are those of systemd 252; of a stub of another version nothing is claimed.
 */

/* In the order in which systemd-stub 252 measures them. .pcrsig is not measured: it signs what the others make of PCR 11. */
enum ch_uki_part {
	CH_UKI_LINUX,
	CH_UKI_OSREL,
	CH_UKI_CMDLINE,
	CH_UKI_INITRD,
	CH_UKI_SPLASH,
	CH_UKI_DTB,
	CH_UKI_PCRSIG,
	CH_UKI_PCRPKEY,
	CH_UKI_PART_COUNT
};

/* ".linux", ".osrel", … */
const char *ch_uki_part_str(enum ch_uki_part part);

struct ch_uki {
	struct ch_pe pe;
	struct ch_span stub;                    /* its version as it says, "252.39-1~deb12u2" */
	uint32_t stub_major;                    /* 252 */
	struct ch_span part[CH_UKI_PART_COUNT]; /* as the stub sees it in memory; empty: not there */
};

/* True for an image with a section .linux: ch_uki_parse is to read it. */
bool ch_uki_is(const struct ch_pe *pe);

/* Borrows from `file`. CH_ERR_UNSUPPORTED for a stub of another version than 252. */
CH_MUST_USE enum ch_err ch_uki_parse(struct ch_uki *uki, struct ch_span file, struct ch_diag *d);

#endif
