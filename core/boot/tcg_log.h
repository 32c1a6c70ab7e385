/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_BOOT_TCG_LOG_H
#define CH_BOOT_TCG_LOG_H

#include "core/base/err.h"
#include "core/base/limits.h"
#include "core/base/span.h"
#include "core/boot/pcr.h"
#include "core/crypto/hash.h"

/*
 * Measured-boot event logs: the records, their digests and nothing of their meaning (that is tcg_event.h). Parsing validates
 * the whole log once; iterating a parsed log cannot fail. docs/protocol/tcg-event-log.md has every rule.
 */

enum ch_tcg_format {
	CH_TCG_SHA1,          /* TCG PC Client, TCG_PCR_EVENT records, SHA-1 only (TPM 1.2 style) */
	CH_TCG_AGILE,         /* TCG PC Client PFP: Spec ID Event03, then TCG_PCR_EVENT2 records */
	CH_TCG_COREBOOT,      /* coreboot's own table without a Spec ID event ("headerless") */
	CH_TCG_COREBOOT_TCPA, /* coreboot, TPM 1.2: Spec ID Event00 with coreboot's vendor mark */
	CH_TCG_COREBOOT_TPM2, /* coreboot, TPM 2.0: Spec ID Event03 with coreboot's vendor mark */
};

/* "tcg-pcclient-sha1", "tcg2-crypto-agile", "coreboot", "coreboot-tcpa", "coreboot-tpm2". */
const char *ch_tcg_format_str(enum ch_tcg_format format);

struct ch_tcg_bank {
	enum ch_hash_alg alg; /* as declared; may be one that no backend computes */
	uint16_t size;
};

struct ch_tcg_log {
	struct ch_span in; /* the whole input, borrowed */
	enum ch_tcg_format format;
	size_t bank_count;
	struct ch_tcg_bank bank[CH_TCG_BANKS_MAX];
	uint32_t used;      /* bit i: measured events have a digest for bank[i]; a bank may be declared and not used */
	size_t event_count; /* the Spec ID event included: it is event 0 */
	size_t promised;    /* coreboot: how many entries its header counts (Spec ID event not included); else 0 */
	size_t padding;     /* zero bytes after the last record (coreboot only) */
	uint8_t startup_locality; /* initial value of PCR 0's last byte: 0, 3 or 4 (H-CRTM); PFP 1.06, 10.4.5.3 */
	bool drtm;                /* holds a DRTM launch: PCR 17..22 start at zero instead of all ones */
};

struct ch_tcg_digest {
	enum ch_hash_alg alg;
	struct ch_span value;
};

struct ch_tcg_event {
	size_t n;        /* number in the log, from 0 */
	size_t off;      /* byte offset of the record in the log */
	size_t data_off; /* byte offset of `data` in the log */
	uint32_t pcr;
	uint32_t type; /* EV_ACTION in coreboot's own table, which has no types */
	size_t digest_count;
	struct ch_tcg_digest digest[CH_TCG_BANKS_MAX]; /* the first digest_count are written, the others are not */
	struct ch_span data;
	bool extended; /* false for EV_NO_ACTION and for entries that no register received */
};

/*
 * Validates all of `in` and fills `log`, whose spans borrow from `in`. An empty input, a record cut short, a digest of an
 * undeclared algorithm or of the wrong size, an algorithm twice in a record, or missing in one and present in others, a PCR
 * index above 23 of an extended event, a StartupLocality event that comes after PCR 0 was extended (by anything but H-CRTM), a
 * second one: each is an error, with offset, event number and rule in `d`.
 * Bytes after the last record are an error unless they are zeros in a coreboot log. CH_ERR_UNSUPPORTED: a confidential-computing
 * log padded with 0xff, an ACPI CCEL table, a coreboot table of another version.
 */
CH_MUST_USE enum ch_err ch_tcg_log_parse(struct ch_tcg_log *log, struct ch_span in, struct ch_diag *d);

struct ch_tcg_iter {
	const struct ch_tcg_log *log;
	size_t off;
	size_t n;
};

struct ch_tcg_iter ch_tcg_iter(const struct ch_tcg_log *log);
/*
 * Writes the next event, the Spec ID event first; false when there is none. Total on a log that ch_tcg_log_parse accepted.
 * Declare `ev` outside of the loop: it is large, and nothing of it needs to be cleared between events.
 */
bool ch_tcg_next(struct ch_tcg_iter *it, struct ch_tcg_event *ev);

/* The event's digest in a bank; empty if it has none. */
struct ch_span ch_tcg_digest_in(const struct ch_tcg_event *ev, enum ch_hash_alg alg);

/* "EV_EFI_ACTION", …; NULL if the type is not known. */
const char *ch_tcg_type_str(uint32_t type);

/*
 * Sets the start values (StartupLocality and H-CRTM in PCR 0, DRTM registers) of the banks of the log that can be computed.
 * ch_tcg_pcrs_extend with each event then replays it.
 */
void ch_tcg_pcrs_init(const struct ch_tcg_log *log, struct ch_pcrs *pcrs);
/* Extends one event into every bank of `pcrs`; nothing if it is not `extended`. */
void ch_tcg_pcrs_extend(struct ch_pcrs *pcrs, const struct ch_tcg_event *ev);
/* init, then every event. */
void ch_tcg_replay(const struct ch_tcg_log *log, struct ch_pcrs *pcrs);

#endif
