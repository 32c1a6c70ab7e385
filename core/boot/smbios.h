/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_BOOT_SMBIOS_H
#define CH_BOOT_SMBIOS_H

#include "core/boot/tcg_event.h"

/*
 * An SMBIOS structure table (DSP0134 3.6, 6.1), where a measured event holds one: U-Boot's handoff tables. Other firmware logs
 * only its address.
 */
struct ch_smbios {
	struct ch_span in; /* borrowed */
	size_t count;      /* structures, the end-of-table included */
};

/*
 * Validates the whole table: structures with their strings, an end-of-table structure (type 127) last, nothing after it.
 * CH_ERR_LIMIT above CH_SMBIOS_STRUCTS_MAX.
 */
CH_MUST_USE enum ch_err ch_smbios_parse(struct ch_smbios *s, struct ch_span in, struct ch_diag *d);

/* The table in an event of CH_TCG_TABLES. CH_ERR_NOTFOUND if the event does not hold one; else as ch_smbios_parse. */
CH_MUST_USE enum ch_err ch_smbios_of_event(struct ch_smbios *s, const struct ch_tcg_what *what, struct ch_diag *d);

/* True for the names that ch_smbios_field_put knows. */
bool ch_smbios_is_field(struct ch_span name);

/*
 * Appends a field, escaped, by the name that dmidecode gives it: "bios-vendor", "bios-version", "bios-release-date", "system-" and
 * "baseboard-manufacturer", "-product-name", "-version", "-serial-number", "system-sku-number", "system-family",
 * "baseboard-asset-tag", "chassis-manufacturer", "-version", "-serial-number", "-asset-tag", "system-uuid". Nothing is appended
 * where the string is not given. False if the name is not known or the table has no such structure or field.
 */
bool ch_smbios_field_put(const struct ch_smbios *s, struct ch_span name, struct ch_wr *w);

#endif
