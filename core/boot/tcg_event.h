/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_BOOT_TCG_EVENT_H
#define CH_BOOT_TCG_EVENT_H

#include "core/boot/efi.h"
#include "core/boot/tcg_log.h"

/*
 * What a measured event means, and how much of what it says its digest covers. Text in an event that the digest does not
 * cover is a hint from whoever wrote the log, never a fact.
 */

/* Event types (PFP 1.06, table 27; the last ones from shim, GRUB, systemd and the TXT and SKINIT launch code). */
enum ch_tcg_type {
	CH_EV_PREBOOT_CERT = 0x00000000,
	CH_EV_POST_CODE = 0x00000001,
	CH_EV_NO_ACTION = 0x00000003,
	CH_EV_SEPARATOR = 0x00000004,
	CH_EV_ACTION = 0x00000005,
	CH_EV_EVENT_TAG = 0x00000006,
	CH_EV_S_CRTM_CONTENTS = 0x00000007,
	CH_EV_S_CRTM_VERSION = 0x00000008,
	CH_EV_CPU_MICROCODE = 0x00000009,
	CH_EV_PLATFORM_CONFIG_FLAGS = 0x0000000a,
	CH_EV_TABLE_OF_DEVICES = 0x0000000b,
	CH_EV_COMPACT_HASH = 0x0000000c,
	CH_EV_IPL = 0x0000000d,
	CH_EV_IPL_PARTITION_DATA = 0x0000000e,
	CH_EV_NONHOST_CODE = 0x0000000f,
	CH_EV_NONHOST_CONFIG = 0x00000010,
	CH_EV_NONHOST_INFO = 0x00000011,
	CH_EV_OMIT_BOOT_DEVICE_EVENTS = 0x00000012,
	CH_EV_POST_CODE2 = 0x00000013,
	CH_EV_EFI_VARIABLE_DRIVER_CONFIG = 0x80000001,
	CH_EV_EFI_VARIABLE_BOOT = 0x80000002,
	CH_EV_EFI_BOOT_SERVICES_APPLICATION = 0x80000003,
	CH_EV_EFI_BOOT_SERVICES_DRIVER = 0x80000004,
	CH_EV_EFI_RUNTIME_SERVICES_DRIVER = 0x80000005,
	CH_EV_EFI_GPT_EVENT = 0x80000006,
	CH_EV_EFI_ACTION = 0x80000007,
	CH_EV_EFI_PLATFORM_FIRMWARE_BLOB = 0x80000008,
	CH_EV_EFI_HANDOFF_TABLES = 0x80000009,
	CH_EV_EFI_PLATFORM_FIRMWARE_BLOB2 = 0x8000000a,
	CH_EV_EFI_HANDOFF_TABLES2 = 0x8000000b,
	CH_EV_EFI_VARIABLE_BOOT2 = 0x8000000c,
	CH_EV_EFI_GPT_EVENT2 = 0x8000000d,
	CH_EV_EFI_HCRTM_EVENT = 0x80000010,
	CH_EV_EFI_VARIABLE_AUTHORITY = 0x800000e0,
	CH_EV_EFI_SPDM_FIRMWARE_BLOB = 0x800000e1,
	CH_EV_EFI_SPDM_FIRMWARE_CONFIG = 0x800000e2,
	CH_EV_EFI_SPDM_DEVICE_POLICY = 0x800000e3,
	CH_EV_EFI_SPDM_DEVICE_AUTHORITY = 0x800000e4,
};

enum ch_tcg_kind {
	CH_TCG_OPAQUE,    /* the content has no meaning to us: only its digest counts */
	CH_TCG_NO_ACTION, /* not extended */
	CH_TCG_SEPARATOR, /* `value` is the 4 bytes */
	CH_TCG_ACTION,    /* `text`: the action itself */
	CH_TCG_VARIABLE,  /* `guid`, `name`, `value` of a UEFI variable */
	CH_TCG_IMAGE,     /* a PE/COFF image; digest is its Authenticode hash; `devpath`, `base`, `length` */
	CH_TCG_GPT,       /* `value` is the UEFI_GPT_DATA */
	CH_TCG_BLOB,      /* firmware volume or other blob at `base`, `length`; `text` its name if there is one */
	CH_TCG_TABLES,    /* handoff tables (SMBIOS, ACPI): pointers or contents */
	CH_TCG_VERSION,   /* `text`: S-CRTM version */
	CH_TCG_TEXT,      /* `text` is what was measured: a GRUB command, a kernel command line */
	CH_TCG_LABEL,     /* `text` names what was measured: a file GRUB loaded, a UKI section, a coreboot stage */
};

enum ch_tcg_cover {
	CH_COVER_NONE,     /* the digests are of something that is not in the log, or of nothing we know */
	CH_COVER_ALL,      /* every digest is the hash of all of `data`, or of a rewriting of all of it (see below) */
	CH_COVER_PART,     /* every digest is the hash of `covered`, a part of `data` */
	CH_COVER_CONFLICT, /* the digest of one bank covers the data, that of another does not: somebody lies */
};

struct ch_tcg_what {
	enum ch_tcg_kind kind;
	enum ch_tcg_cover cover;
	struct ch_span covered; /* the bytes that the digests cover; empty with CH_COVER_NONE */
	const char *source;  /* who measured, as far as the event says: "firmware", "shim", "grub", …; never NULL */
	struct ch_span text; /* see kind; ASCII or UTF-8, or UTF-16LE if `utf16`; without its NUL */
	bool utf16;
	struct ch_efi_guid guid; /* CH_TCG_VARIABLE; CH_TCG_TABLES: of the first; CH_TCG_VERSION: if it is not text */
	struct ch_span name;     /* CH_TCG_VARIABLE: UTF-16LE */
	struct ch_span value;    /* see kind; CH_TCG_TABLES: what follows the count of tables, which is `length` */
	struct ch_span devpath;  /* CH_TCG_IMAGE */
	uint64_t base;           /* CH_TCG_IMAGE, CH_TCG_BLOB: address and size in memory */
	uint64_t length;
	const char *defect; /* static text: why the content did not decode; NULL if it did or has no format */
};

/*
 * Decodes an event. Total: content that does not follow its type's format leaves CH_TCG_OPAQUE with `defect` set. `cover` is
 * computed by hashing `data` (or its part) in every bank that can be computed and comparing with every digest of the event.
 * A label that turns out to be what was measured becomes CH_TCG_TEXT. Two loaders measure a rewriting of what they log, from
 * which every byte of it follows, and get CH_COVER_ALL: systemd-stub the name of a section in ASCII that it logs in UTF-16, and
 * old systemd-boot a command line with one NUL more.
 */
void ch_tcg_event_decode(const struct ch_tcg_event *ev, struct ch_tcg_what *what);

/* True if ch_tcg_event_decode would find `how` (CH_COVER_ALL or CH_COVER_PART): hashes that candidate only. */
bool ch_tcg_event_covers(const struct ch_tcg_event *ev, enum ch_tcg_cover how);

/* The same without hashing: `cover` and `covered` stay CH_COVER_NONE and empty. */
void ch_tcg_event_decode_only(const struct ch_tcg_event *ev, struct ch_tcg_what *what);

/*
 * Appends one line of text for a person: "SecureBoot = on", "db: 2 certificates (CN=…)", "\EFI\BOOT\BOOTX64.EFI on HD(1,GPT,…)",
 * "kernel command line: …". Untrusted text is escaped. Never empty. At most CH_TCG_DESCRIBE_MAX bytes: what is longer ends in "…".
 */
#define CH_TCG_DESCRIBE_MAX 1024
void ch_tcg_event_describe(const struct ch_tcg_event *ev, const struct ch_tcg_what *what, struct ch_wr *w);

/* True if the event is the named UEFI variable. `name` is ASCII. */
bool ch_tcg_is_variable(const struct ch_tcg_what *what, const struct ch_efi_guid *guid, const char *name);

/* What the log says of Secure Boot, believed only where the digest covers it. */
enum ch_secure_boot { CH_SECURE_BOOT_UNKNOWN, CH_SECURE_BOOT_OFF, CH_SECURE_BOOT_ON };
/*
 * From the first SecureBoot variable event of PCR 7 (of register 1 in a confidential-computing log); UNKNOWN if there is none,
 * its value is not one byte of 0 or 1, or its digest does not cover it. Old firmware measures the value without the name: that
 * counts only for the first event of the register, where SecureBoot belongs (PFP 1.06, 3.3.4.8).
 */
enum ch_secure_boot ch_tcg_secure_boot(const struct ch_tcg_log *log);

#endif
