/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/efi.h"

#include "core/base/text.h"

#include <string.h>

const struct ch_efi_guid ch_efi_global_variable = { { 0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00,
						      0xe0, 0x98, 0x03, 0x2b, 0x8c } };
const struct ch_efi_guid ch_efi_image_security = { { 0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45, 0xa3, 0xbc, 0xda,
						     0xd0, 0x0e, 0x67, 0x65, 0x6f } };
const struct ch_efi_guid ch_efi_shim_lock = { { 0x50, 0xab, 0x5d, 0x60, 0x46, 0xe0, 0x00, 0x43, 0xab, 0xb6, 0x3d, 0xd8,
						0x10, 0xdd, 0x8b, 0x23 } };
const struct ch_efi_guid ch_efi_systemd_loader = { { 0x82, 0xb0, 0x67, 0x4a, 0x4c, 0x0a, 0xcf, 0x41, 0xb6, 0xc7, 0x44,
						     0x0b, 0x29, 0xbb, 0x8c, 0x4f } };
const struct ch_efi_guid ch_efi_cert_x509 = { { 0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15,
						0x5c, 0x2b, 0xf0, 0x72 } };
const struct ch_efi_guid ch_efi_cert_sha256 = { { 0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40, 0xac, 0xa9, 0x41,
						  0xf9, 0x36, 0x93, 0x43, 0x28 } };
const struct ch_efi_guid ch_efi_smbios_table = { { 0x31, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11, 0x9a, 0x16, 0x00,
						   0x90, 0x27, 0x3f, 0xc1, 0x4d } };
const struct ch_efi_guid ch_efi_smbios3_table = { { 0x44, 0x15, 0xfd, 0xf2, 0x94, 0x97, 0x2c, 0x4a, 0x99, 0x2e, 0xe5,
						    0xbb, 0xcf, 0x20, 0xe3, 0x94 } };

/* Where the bytes of the registry form are on the wire, and before which of them it has a dash (UEFI 2.10, appendix A). */
static const uint8_t registry_order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
#define DASH_BEFORE(i) ((i) == 4 || (i) == 6 || (i) == 8 || (i) == 10)
#define REGISTRY_SIZE  36

bool ch_efi_guid_eq(const struct ch_efi_guid *a, const struct ch_efi_guid *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

void ch_efi_guid_put(struct ch_wr *w, const struct ch_efi_guid *guid)
{
	for (size_t i = 0; i < sizeof(guid->b); i++) {
		if (DASH_BEFORE(i))
			ch_wr_u8(w, '-');
		ch_wr_hex(w, ch_span(&guid->b[registry_order[i]], 1));
	}
}

enum ch_err ch_efi_guid_parse(struct ch_efi_guid *guid, struct ch_span text)
{
	struct ch_efi_guid out;
	memset(guid, 0, sizeof(*guid));
	if (text.n != REGISTRY_SIZE)
		return CH_ERR_RANGE;
	size_t at = 0;
	for (size_t i = 0; i < sizeof(out.b); i++) {
		if (DASH_BEFORE(i) && text.p[at++] != '-')
			return CH_ERR_ENCODING;
		enum ch_err err = ch_hex_decode(&out.b[registry_order[i]], 1, ch_span(text.p + at, 2));
		if (err != CH_OK)
			return err;
		at += 2;
	}
	*guid = out;
	return CH_OK;
}
