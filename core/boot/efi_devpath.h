/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_BOOT_EFI_DEVPATH_H
#define CH_BOOT_EFI_DEVPATH_H

#include "core/boot/efi.h"

/* Between the two files of device paths; nobody else includes it. */

#define CH_EFI_TYPE_HARDWARE 1
#define CH_EFI_TYPE_ACPI     2
#define CH_EFI_TYPE_MESSAGE  3
#define CH_EFI_TYPE_MEDIA    4
#define CH_EFI_TYPE_BBS      5
#define CH_EFI_TYPE_END      0x7f
#define CH_EFI_MEDIA_FILE    4

struct ch_efi_node {
	uint8_t type;
	uint8_t sub;
	struct ch_span body; /* without the header */
};

/* Appends a node as text. Two nodes that differ never give one text, but for a file path with and without its last NUL. */
void ch_efi_node_put(struct ch_wr *w, const struct ch_efi_node *n);

#endif
