/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_BOOT_EFI_H
#define CH_BOOT_EFI_H

#include "core/base/err.h"
#include "core/base/limits.h"
#include "core/base/wr.h"

/* The UEFI structures that occur inside measured events: GUIDs, device paths, load options, signature lists, GPT. */

struct ch_efi_guid {
	uint8_t b[16]; /* as on the wire: first three fields little-endian (UEFI 2.10, appendix A) */
};

bool ch_efi_guid_eq(const struct ch_efi_guid *a, const struct ch_efi_guid *b);
/* Appends the registry form, lower case: "8be4df61-93ca-11d2-aa0d-00e098032b8c". */
void ch_efi_guid_put(struct ch_wr *w, const struct ch_efi_guid *guid);
/* Reads the registry form, either case. */
CH_MUST_USE enum ch_err ch_efi_guid_parse(struct ch_efi_guid *guid, struct ch_span text);

extern const struct ch_efi_guid
	ch_efi_global_variable; /* EFI_GLOBAL_VARIABLE: SecureBoot, PK, KEK, BootOrder, Boot#### */
extern const struct ch_efi_guid ch_efi_image_security; /* EFI_IMAGE_SECURITY_DATABASE: db, dbx, dbt, dbr */
extern const struct ch_efi_guid ch_efi_shim_lock;      /* shim: MokList, MokListX, SbatLevel, Shim */
extern const struct ch_efi_guid ch_efi_systemd_loader; /* systemd-boot: Loader* */
extern const struct ch_efi_guid ch_efi_cert_x509;      /* signature types (UEFI 2.10, 32.4.1) */
extern const struct ch_efi_guid ch_efi_cert_sha256;
extern const struct ch_efi_guid ch_efi_smbios_table; /* the entry points among handoff tables (SMBIOS 3.6, 5.2) */
extern const struct ch_efi_guid ch_efi_smbios3_table;

/*
 * Appends a device path as text (UEFI 2.10, 10.6): "PciRoot(0x0)/Pci(0x1,0x1)/HD(1,GPT,guid,0x800,0x18000)/\\EFI\\BOOT\\BOOTX64.EFI",
 * instances separated by a comma, a node that is not known as Path(type,subtype,hex). Text inside a node cannot look like
 * another node: what does not print, and the characters that would end the node ('/' in a file path, ')' in parentheses, '<'),
 * are written <U+2F>. CH_ERR_MALFORMED, and nothing written, if the bytes are not one device path with its end node last;
 * CH_ERR_LIMIT if it has more than CH_DEVPATH_NODES_MAX nodes.
 */
CH_MUST_USE enum ch_err ch_efi_devpath_put(struct ch_wr *w, struct ch_span path);
/* CH_OK, or the error that ch_efi_devpath_put would return. */
CH_MUST_USE enum ch_err ch_efi_devpath_check(struct ch_span path);
/*
 * Cuts a well-formed device path in two: the nodes before its last file path nodes, and these. Either may be empty; `path` that
 * ch_efi_devpath_put would refuse gives two empty ones. Without end node, for ch_efi_devpath_put_nodes.
 */
void ch_efi_devpath_split(struct ch_span path, struct ch_span *where, struct ch_span *file);
/* Appends nodes that ch_efi_devpath_split gave. */
void ch_efi_devpath_put_nodes(struct ch_wr *w, struct ch_span nodes);

/*
 * EFI_LOAD_OPTION, the value of a Boot#### variable (UEFI 2.10, 3.1.3). The spans borrow. `devpath` is the FilePathList: one
 * device path as a rule; options of old firmware may hold several, which ch_efi_devpath_put refuses.
 */
struct ch_efi_load_option {
	uint32_t attributes;
	struct ch_span description; /* UTF-16LE, without its NUL */
	struct ch_span devpath;
	struct ch_span optional;
};
CH_MUST_USE enum ch_err ch_efi_load_option_parse(struct ch_efi_load_option *lo, struct ch_span in, struct ch_diag *d);
/*
 * True if the option hands nothing to what it starts: no optional data, or only the GUID by which EDK II marks the options that it
 * makes itself (8108ac4e-9f11-4d59-850e-e21a522c59b2).
 */
bool ch_efi_load_option_is_plain(const struct ch_efi_load_option *lo);

/* One EFI_SIGNATURE_DATA of a signature database (UEFI 2.10, 32.4.1). The spans borrow. */
struct ch_efi_sig {
	struct ch_efi_guid type;
	struct ch_efi_guid owner;
	struct ch_span data; /* a DER certificate, a SHA-256, … */
	size_t off;          /* offset of this entry in the database */
};
struct ch_efi_siglist_iter {
	struct ch_span in;
	size_t off;      /* of the next list */
	size_t list_end; /* of the current list; 0: none */
	size_t sig_off;
	size_t sig_size;
	struct ch_efi_guid type;
};
/* Validates a whole database: CH_OK or an error with offset and rule. An empty one is valid. */
CH_MUST_USE enum ch_err ch_efi_siglist_check(struct ch_span in, struct ch_diag *d);
struct ch_efi_siglist_iter ch_efi_siglist_iter(struct ch_span in); /* at the first entry */
/* The next entry; false when there is none or the bytes break the format (see _check). */
bool ch_efi_siglist_next(struct ch_efi_siglist_iter *it, struct ch_efi_sig *sig);

/*
 * Appends who a DER certificate is for: "CN=…" of its subject, or the last of its other attributes ("O=…", "OU=…") if it has no
 * common name, escaped. Reads only the few fields on the way there and judges nothing. Appends "?" if they cannot be read.
 */
void ch_efi_cert_subject_put(struct ch_wr *w, struct ch_span der);

/* A GPT as UEFI_GPT_DATA carries it (PFP 1.06, 10.2.5). */
struct ch_efi_gpt_entry {
	struct ch_efi_guid type;
	struct ch_efi_guid unique;
	uint64_t first_lba;
	uint64_t last_lba;
	uint64_t attributes;
	struct ch_span name; /* UTF-16LE, padded with NULs */
};
struct ch_efi_gpt {
	struct ch_efi_guid disk;
	size_t count;
	struct ch_span entries;
	size_t entry_size;
};
CH_MUST_USE enum ch_err ch_efi_gpt_parse(struct ch_efi_gpt *gpt, struct ch_span in, struct ch_diag *d);
/* Entry i < count; false past the end. */
bool ch_efi_gpt_entry(const struct ch_efi_gpt *gpt, size_t i, struct ch_efi_gpt_entry *e);

#endif
