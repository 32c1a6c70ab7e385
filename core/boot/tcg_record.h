/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_BOOT_TCG_RECORD_H
#define CH_BOOT_TCG_RECORD_H

#include "core/base/rd.h"
#include "core/boot/tcg_log.h"

/* Inside of tcg_log.c: coreboot's own table, which has no Spec ID event: {max_entries, num_entries}, then entries of one size. */

#define CH_TCG_COREBOOT_HEADER 4

/* True if `in` starts like such a table. No other log does: its first four bytes would be an index above 65535. */
bool ch_tcg_coreboot_detect(struct ch_span in);

/* Checks the header and every entry; sets format, banks (in order of their first use), `used` and `promised`. */
CH_MUST_USE enum ch_err ch_tcg_coreboot_header(struct ch_tcg_log *log, struct ch_diag *d);

/* Reads one entry of a log whose header was checked. `*mask` receives its bank's bit. */
CH_MUST_USE enum ch_err ch_tcg_coreboot_record(struct ch_rd *r, const struct ch_tcg_log *log, struct ch_tcg_event *ev,
					       uint32_t *mask, struct ch_diag *d);

#endif
