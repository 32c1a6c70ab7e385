/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_UPDATE_PE_H
#define CH_UPDATE_PE_H

#include "core/base/err.h"
#include "core/base/limits.h"
#include "core/base/span.h"
#include "core/crypto/hash.h"

/*
 * PE/COFF images (Microsoft PE Format, "PE/COFF") as UEFI firmware reads and measures them. An image of which two readers could think
 * differently is refused: sections that overlap in the file, a certificate table that is not its end.
 */

/* Subsystem (PE/COFF, Windows Subsystem; UEFI 2.10, 2.1.1) */
enum ch_pe_subsystem { CH_PE_APPLICATION = 10, CH_PE_BOOT_DRIVER = 11, CH_PE_RUNTIME_DRIVER = 12 };

struct ch_pe_section {
	struct ch_span name; /* 0 to 8 bytes, without the NULs after it */
	uint32_t vaddr, vsize;
	struct ch_span raw; /* in the file; empty if it has none */
	uint32_t raw_off;   /* 0 if it has none */
	uint32_t flags;
};

struct ch_pe {
	struct ch_span file;
	uint16_t machine;
	uint16_t subsystem;
	bool plus; /* PE32+ */
	uint32_t header_size;
	uint32_t image_size;
	size_t checksum_off;
	size_t cert_dir_off;  /* 0: there is no such directory entry */
	struct ch_span certs; /* attribute certificate table, empty if there is none */
	size_t section_count;
	struct ch_pe_section section[CH_PE_SECTIONS_MAX]; /* as in the table */
	uint8_t order[CH_PE_SECTIONS_MAX];                /* by place in the file */
};

/* Borrows from `file`. `d.item` is the number of a section or certificate where the rule is about one. */
CH_MUST_USE enum ch_err ch_pe_parse(struct ch_pe *pe, struct ch_span file, struct ch_diag *d);

/* "x64", "ia32", "aa64", "arm", "riscv64", "loongarch64"; NULL for another machine. */
const char *ch_pe_machine_str(uint16_t machine);
/* "application", "boot service driver", "runtime driver"; NULL for another subsystem. */
const char *ch_pe_subsystem_str(uint16_t subsystem);

/*
 * The Authenticode hash, as firmware computes it: headers without CheckSum and the certificate table's directory entry, sections by place
 * in the file, then what follows the sum of their sizes up to the certificate table (Windows Authenticode Portable Executable Signature
 * Format 1.0, "Calculating the PE Image Hash").
 */
CH_MUST_USE enum ch_err ch_pe_hash(const struct ch_pe *pe, enum ch_hash_alg alg, struct ch_digest *out);

/* WIN_CERTIFICATE (PE/COFF, "The Attribute Certificate Table"). */
enum ch_pe_cert_type { CH_PE_CERT_PKCS7 = 2, CH_PE_CERT_EFI_PKCS115 = 0x0ef0, CH_PE_CERT_EFI_GUID = 0x0ef1 };

struct ch_pe_cert {
	uint16_t revision;
	uint16_t type;
	struct ch_span body;
};

/* Certificate `i` of the table; false behind the last one. Of an image that was parsed. */
bool ch_pe_cert(const struct ch_pe *pe, size_t i, struct ch_pe_cert *c);

#endif
