/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_UPDATE_MEASURE_H
#define CH_UPDATE_MEASURE_H

#include "core/crypto/hash.h"
#include "core/wire/json.h"

/*
 * From an artefact to the events that a boot of it will show: what a release endorses (docs/protocol/measure.md). Nothing is allocated;
 * artefacts are hashed where they lie.
 */

/* SHA-256 and SHA-384: nothing is endorsed by SHA-1. */
#define CH_MEASURE_BANKS 2
extern const enum ch_hash_alg ch_measure_bank[CH_MEASURE_BANKS];

struct ch_measure_event {
	uint8_t pcr;
	uint32_t type;     /* of the TCG event */
	bool required;     /* no boot of the artefact is without it */
	const char *what;  /* static text, for people */
	struct ch_span in; /* the file of a container that it is about; empty if it is the artefact itself */
	struct ch_digest digest[CH_MEASURE_BANKS];
};

/* Bytes of the text of ch_measure_what_put that reference values hold; of a longer one only `what`. */
#define CH_MEASURE_WHAT_MAX 512

/* What is measured and does not follow from the artefact alone, for people. */
#define CH_MEASURE_NOTES_MAX 8

struct ch_measure {
	size_t count;
	struct ch_measure_event event[CH_MEASURE_EVENTS_MAX];
	size_t note_count;
	bool optional; /* what is added from now on is not required */
	const char *note[CH_MEASURE_NOTES_MAX];
};

void ch_measure_init(struct ch_measure *m);
/* Static text, once. Above CH_MEASURE_NOTES_MAX it is dropped. */
void ch_measure_note(struct ch_measure *m, const char *text);

/*
 * Each adds to `m`, and on failure adds nothing; an event that is there already is not added again. `in` is kept as it is (see above).
 * _efi: any EFI binary: its Authenticode hash (PFP 1.06, 3.3.4.5). _uki: the same, with the sections that systemd-stub 252 measures into PCR
 * 11, the kernel inside, and what the kernel's EFI stub measures into PCR 9. _any: _uki for what seems one, else _efi.
 * _cmdline: a kernel command line, in UTF-8, and _initrd: an initrd, as the kernel's EFI stub measures them (PCR 9, Linux 5.17 and 6.1).
 */
CH_MUST_USE enum ch_err ch_measure_efi(struct ch_measure *m, struct ch_span file, struct ch_span in, struct ch_diag *d);
CH_MUST_USE enum ch_err ch_measure_uki(struct ch_measure *m, struct ch_span file, struct ch_span in, struct ch_diag *d);
CH_MUST_USE enum ch_err ch_measure_any(struct ch_measure *m, struct ch_span file, struct ch_span in, struct ch_diag *d);
CH_MUST_USE enum ch_err ch_measure_cmdline(struct ch_measure *m, struct ch_span text, struct ch_span in,
					   struct ch_diag *d);
CH_MUST_USE enum ch_err ch_measure_initrd(struct ch_measure *m, struct ch_span file, struct ch_span in,
					  struct ch_diag *d);

/*
 * A FAT volume, as a slot image is one: every file of it that ends in .efi, by _any. What firmware starts without a boot entry
 * (EFI/BOOT/BOOT*.EFI; UEFI 2.10, 3.5.1.1) is required, the others are not. CH_ERR_MISSING if there is none. `names` gets the paths, which
 * the events' `in` points into.
 */
CH_MUST_USE enum ch_err ch_measure_fat(struct ch_measure *m, struct ch_span volume, struct ch_wr *names,
				       struct ch_diag *d);

/* "EV_IPL" and so on for the types that are made here; NULL for another. */
const char *ch_measure_type_str(uint32_t type);
/* What it is, for people: "EFI/BOOT/BOOTX64.EFI: UKI section .linux". */
void ch_measure_what_put(struct ch_wr *w, const struct ch_measure_event *e);

/* The value of "events" in reference values (docs/protocol/reference-values.md). */
void ch_measure_events_put(struct ch_json_wr *j, const struct ch_measure *m);
/* A whole chainhold-reference/1 document of kind "release". */
void ch_measure_reference_put(struct ch_json_wr *j, const struct ch_measure *m, struct ch_span name);

#endif
