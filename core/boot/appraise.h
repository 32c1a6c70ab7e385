/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_BOOT_APPRAISE_H
#define CH_BOOT_APPRAISE_H

#include "core/boot/reference.h"
#include "core/boot/tcg_event.h"
#include "core/crypto/sig.h"
#include "core/os/ima.h"
#include "core/platform/tpm_attest.h"
#include "core/platform/tpm_public.h"
#include "core/trust/link.h"

/*
 * The appraisal of one boot: a TPM 2.0 quote, the event log and the IMA list that explain it, against reference values.
 * Judging does no parsing of its own: evidence comes in parsed, and comes out as a verdict with reasons that name facts.
 */

/* The counters of the last quote that was accepted from this attestation key (TPM 2.0 Part 1, 36). */
struct ch_boot_last {
	uint64_t clock;
	uint32_t reset_count;
	uint32_t restart_count;
	uint64_t firmware_version;
};

struct ch_boot_evidence {
	struct ch_span msg;                /* TPMS_ATTEST as signed */
	const struct ch_tpm_attest *quote; /* the same, parsed */
	const struct ch_sig *sig;
	const struct ch_verify_key *key; /* the attestation key, from whoever enrolled it */
	const struct ch_tpm_public *ak;  /* its public area where that is known, else NULL */
	const struct ch_tcg_log *log;
	struct ch_span ima;              /* IMA list; empty if none was given */
	const struct ch_pcrs *values;    /* register values that came with the quote, unauthenticated; may be NULL */
	struct ch_span nonce;            /* what the quote must contain; empty if freshness is not to be judged */
	const struct ch_boot_last *last; /* may be NULL */
	uint8_t *scratch;                /* CH_IMA_DATA_MAX bytes, needed for an ASCII IMA list */
};

/* How an event was explained. The first four are the only ones that hold. */
enum ch_explained {
	CH_EXPLAINED_NOT,
	CH_EXPLAINED_BASELINE,
	CH_EXPLAINED_RELEASE,
	CH_EXPLAINED_RULE,
	CH_EXPLAINED_PINNED,
	CH_EXPLAINED_NOT_EXTENDED, /* informative: no register received it */
	CH_EXPLAINED_NOT_QUOTED,   /* its register is not in the quote: a claim nobody vouches for */
};

/* "unexplained", "baseline", "release", "rule", "pinned", "not-extended", "not-quoted". */
const char *ch_explained_str(enum ch_explained by);

struct ch_event_verdict {
	enum ch_explained by;
	enum ch_tier tier; /* affirming or warning where it is explained */
	uint8_t doc;       /* the reference document, where one explains it */
	const char *rule;  /* name of the rule, where one explains it; else NULL */
};

/* The facts that a reason can state. The text of each is in appraise.c's table. */
#define CH_REASONS(X)                                                                                               \
	X(SIGNATURE, "signature", "the signature of the quote does not verify with the attestation key")            \
	X(AK, "attestation-key", "the key is not a restricted signing key that never leaves its TPM")               \
	X(AK_UNJUDGED, "attestation-key-not-judged",                                                                \
	  "the key came without its TPM public area: whether it signs quotes only is not judged")                   \
	X(NOT_A_QUOTE, "not-a-quote", "what the TPM signed is not a quote")                                         \
	X(NONCE, "nonce", "the quote is not an answer to this challenge")                                           \
	X(WEAK_BANK, "weak-bank", "this register is quoted in a SHA-1 bank only")                                   \
	X(BANK, "bank", "a quoted bank cannot be recomputed")                                                       \
	X(VALUES, "pcr-values", "the register values that came with the quote are not the quoted ones")             \
	X(LOG, "log-mismatch", "the log does not replay to the quoted registers")                                   \
	X(PCR, "pcr-mismatch", "the log does not replay to this quoted register")                                   \
	X(PCR_RESET, "pcr-reset", "the register still has its reset value although it must have been extended")     \
	X(PCR_NOT_QUOTED, "pcr-not-quoted",                                                                         \
	  "the reference values speak of this register, and the quote leaves it out")                               \
	X(UNEXPLAINED, "event-unexplained", "nobody endorsed this event")                                           \
	X(RULE_WARNING, "event-warning", "a rule allows this event with a warning")                                 \
	X(MISSING, "event-missing", "an event that every good boot has is not in the log")                          \
	X(SEPARATOR, "separator", "the separator of this register is missing, is there twice, or reports an error") \
	X(ORDER, "event-order", "Secure Boot configuration was measured after its register's separator")            \
	X(TEXT, "event-text", "the log's text of this event is not what was measured")                              \
	X(COVER, "digest-conflict", "the event's digests are not of the same content")                              \
	X(SB_OFF, "secure-boot-off", "Secure Boot is off")                                                          \
	X(SB_UNKNOWN, "secure-boot-unknown", "no event that its digest covers tells the state of Secure Boot")      \
	X(SB_KEY, "secure-boot-key", "a Secure Boot key is not among those allowed")                                \
	X(SB_DBX, "dbx-too-old", "the revocation list lacks an entry that is required")                             \
	X(SB_FORMAT, "secure-boot-database", "a Secure Boot database cannot be read or was not measured")           \
	X(COUNTER_BACK, "counter-back", "the TPM's reset, restart or clock counter went back")                      \
	X(CLOCK_BACK, "clock-back", "the TPM's clock went back over a reset, and the TPM calls it safe")            \
	X(CLOCK_UNSAFE, "clock-unsafe", "the TPM says that its clock may have gone back")                           \
	X(FIRMWARE_DOWN, "tpm-firmware", "the TPM's firmware is older than at the last quote")                      \
	X(IMA_MISSING, "ima-missing", "reference values for files are given and no IMA list is there to compare")   \
	X(IMA_FILE, "ima-file", "this file is not among those endorsed")                                            \
	X(IMA_ENTRY, "ima-entry", "the entry's template hash is not the hash of its content")                       \
	X(IMA_TEMPLATE, "ima-template", "the entry's template or register is not one that can be judged")           \
	X(IMA_VIOLATION, "ima-violation", "a file was open for writing while it was measured")                      \
	X(IMA_AGGREGATE, "boot-aggregate", "the list does not start with the aggregate of this boot's registers")   \
	X(BUDGET, "search-budget", "the IMA list is too long to find the part that was quoted")                     \
	X(NONCE_UNJUDGED, "nonce-not-judged", "no challenge was given: freshness is not judged")                    \
	X(IMA_UNJUDGED, "ima-not-judged",                                                                           \
	  "no reference values for files: the IMA list is replayed, its files are not judged")                      \
	X(LOG_MALFORMED, "log-malformed", "the event log cannot be read to its end")                                \
	X(IMA_MALFORMED, "ima-malformed", "the IMA list cannot be read to its end")                                 \
	X(NO_REFERENCE, "no-reference-values", "no reference values are in force for the class of this device")

#define CH_REASON_ENUM(name, id, text) CH_REASON_##name,
enum ch_reason_code { CH_REASONS(CH_REASON_ENUM) CH_REASON_COUNT };
#undef CH_REASON_ENUM

struct ch_reason {
	enum ch_reason_code code;
	enum ch_link link;
	enum ch_tier tier;       /* what it makes of the link at best; CH_TIER_NONE: a note */
	size_t event;            /* number in the log, or CH_ITEM_NONE */
	size_t entry;            /* number in the IMA list, or CH_ITEM_NONE */
	size_t off;              /* with `entry`: its byte offset in the list */
	uint32_t pcr;            /* or CH_PCR_NONE */
	enum ch_hash_alg alg;    /* of the digests below; CH_HASH_NONE if there are none */
	struct ch_span measured; /* borrowed from evidence or verdict */
	struct ch_span expected; /* borrowed from reference values or evidence; empty if nothing was */
	struct ch_span subject;  /* a path, the subject of a certificate, "PK", …; untrusted text */
	struct ch_span cert;     /* the certificate or other entry of a signature database; empty if there is none */
	uint8_t cert_id[32];     /* its identity, to which `measured` then points */
	const struct ch_ref_event *wanted; /* the event that was expected, or NULL */
	int doc;                           /* reference document that says so, or -1 */
};

#define CH_PCR_NONE    0xffffffffu
#define CH_REASONS_MAX 128

/* "event-unexplained"; static. */
const char *ch_reason_id(enum ch_reason_code code);
/* One sentence; static. */
const char *ch_reason_text(enum ch_reason_code code);

/* Words that the pseudo-log of systemd-pcrphase added after the firmware's log. */
struct ch_pseudo_log {
	uint32_t pcr;
	size_t count;
	uint8_t word[16]; /* index of each into the rule's words */
	const struct ch_ref_rule *rule;
};

struct ch_boot_verdict {
	enum ch_tier tier[CH_LINK_COUNT]; /* of boot, and of os where it was judged; the other links are none */
	bool os_judged;                   /* tier[CH_LINK_OS] says something */
	bool signature_ok;
	bool explains; /* log (and IMA prefix, and pseudo-log) replay to the quote */
	enum ch_secure_boot secure_boot;
	struct ch_pcrs pcrs; /* as replayed, pseudo-log and IMA prefix included */
	struct ch_pseudo_log pseudo;
	size_t ima_entries;      /* in the list */
	size_t ima_quoted;       /* of them, replayed into the quote */
	size_t ima_explained[4]; /* by baseline, release, rule (boot aggregate), pinned */
	enum ch_ima_extend ima_extend;
	size_t event_count;
	struct ch_event_verdict *event; /* caller's memory, one for each event of the log */
	uint8_t *seen; /* caller's memory, one bit for each event of the reference values: it occurred */
	size_t reason_count;
	size_t reasons_dropped; /* past CH_REASONS_MAX; their tiers count */
	struct ch_reason reason[CH_REASONS_MAX];
};

/*
 * Judges. The caller sets v->event (room for evidence->log->event_count) and v->seen (ref->event_count bits, zeroed). CH_OK means
 * that there is a verdict, whatever it says. An IMA list that does not parse is an error with the place in `d`; nothing else of
 * the input can make it fail. The verdict borrows from evidence and reference values.
 */
CH_MUST_USE enum ch_err ch_boot_appraise(struct ch_boot_verdict *v, const struct ch_boot_evidence *evidence,
					 const struct ch_reference *ref, struct ch_diag *d);

/* --- the parts, each in its own file --- */

/* A verdict before anything was judged: counts zero, boot affirming, os as far as there are values for it. */
void ch_boot_verdict_begin(struct ch_boot_verdict *v, const struct ch_boot_evidence *ev,
			   const struct ch_reference *ref);

/* Adds a reason and lowers the tier of its link. Returns it for the facts to be filled in; never NULL. */
struct ch_reason *ch_verdict_add(struct ch_boot_verdict *v, enum ch_link link, enum ch_tier tier,
				 enum ch_reason_code code);

/* appraise_quote.c: signature, key, nonce, counters. */
void ch_appraise_quote(struct ch_boot_verdict *v, const struct ch_boot_evidence *ev);
/* appraise_replay.c: does log + IMA prefix + pseudo-log give the quoted digest? Fills pcrs, ima_*, pseudo, explains. */
CH_MUST_USE enum ch_err ch_appraise_replay(struct ch_boot_verdict *v, const struct ch_boot_evidence *ev,
					   const struct ch_reference *ref, struct ch_diag *d);
/* appraise_events.c: every event explained in one of four ways; missing ones; separators. */
void ch_appraise_events(struct ch_boot_verdict *v, const struct ch_boot_evidence *ev, const struct ch_reference *ref);
/*
 * True if a boot that holds (affirming, or with a warning) is that of this document of kind release: all that the document requires is
 * there, and no event is explained by another release that is not this one's, too. Several may be.
 */
bool ch_appraise_release(const struct ch_boot_verdict *v, const struct ch_reference *ref, size_t doc);
/* appraise_rules.c: true if a rule explains the event; `out` says which. */
bool ch_appraise_rule(const struct ch_reference *ref, const struct ch_tcg_event *ev, const struct ch_tcg_what *what,
		      struct ch_event_verdict *out);
/* appraise_secure_boot.c: state and databases as sets. Called for each configuration event of PCR 7, then once at the end. */
struct ch_secure_boot_seen {
	bool state;
	uint8_t db[CH_REF_DB_COUNT]; /* events of it, up to CH_SECURE_BOOT_MAX */
};
void ch_appraise_secure_boot_event(struct ch_secure_boot_seen *seen, struct ch_boot_verdict *v,
				   const struct ch_reference *ref, const struct ch_tcg_event *ev,
				   const struct ch_tcg_what *what);
void ch_appraise_secure_boot_end(const struct ch_secure_boot_seen *seen, struct ch_boot_verdict *v,
				 const struct ch_reference *ref);
/* appraise_ima.c: every quoted entry explained. */
void ch_appraise_ima(struct ch_boot_verdict *v, const struct ch_boot_evidence *ev, const struct ch_reference *ref);

/* The registers that a bank of the quote selects; 0 if the bank is not quoted. */
uint32_t ch_quote_mask(const struct ch_tpm_attest *quote, enum ch_hash_alg alg);
/* All registers that any bank selects. */
uint32_t ch_quote_mask_any(const struct ch_tpm_attest *quote);
/* The quoted bank that identifies content best: the largest digest that the backend computes; CH_HASH_NONE if there is none. */
enum ch_hash_alg ch_quote_best_bank(const struct ch_tpm_attest *quote, uint32_t pcr);
/* Leaves in `ev` only the digests that the quote vouches for: those of banks that select the event's register. */
void ch_quote_filter(const struct ch_tpm_attest *quote, struct ch_tcg_event *ev);

/*
 * Ranges of the log that no quoted digest covers, in order: a change there changes no fact of the verdict. `next` is called
 * for each; offset and length are in bytes of the log.
 */
void ch_boot_unauthenticated(const struct ch_boot_evidence *ev,
			     void (*next)(void *ctx, size_t off, size_t len, const char *why), void *ctx);

#endif
