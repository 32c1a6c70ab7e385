/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_BOOT_REFERENCE_H
#define CH_BOOT_REFERENCE_H

#include "core/base/arena.h"
#include "core/boot/efi.h"
#include "core/crypto/hash.h"
#include "core/trust/link.h"
#include "core/wire/json.h"

/*
 * Reference values (RFC 9334, 4): what the events of a boot are compared with. The JSON format is ours and is documented in
 * docs/protocol/reference-values.md. Several documents are compiled into one set that the appraisal searches by digest.
 */

/* What a document endorses, and so the word by which a verdict says how an event was explained. */
enum ch_ref_kind { CH_REF_BASELINE, CH_REF_RELEASE, CH_REF_PINNED };

/* "baseline", "release", "pinned". */
const char *ch_ref_kind_str(enum ch_ref_kind kind);

struct ch_ref_doc {
	enum ch_ref_kind kind;
	struct ch_span name;
};

/* What a document says of the text beside an endorsed digest: with ANY it is not looked at. */
enum ch_ref_covers { CH_REF_COVERS_ANY, CH_REF_COVERS_ALL, CH_REF_COVERS_PART };

/* One event that a document endorses. */
struct ch_ref_event {
	uint32_t type;
	uint8_t pcr;
	uint8_t doc;
	bool required;
	enum ch_ref_covers covers; /* how much of the event's text the digests must cover */
	struct ch_span what;       /* for people; decides nothing */
};

/* One digest of an event, a node of the index. */
struct ch_ref_digest {
	uint32_t event;
	enum ch_hash_alg alg;
	struct ch_span value;
};

enum ch_ref_rule_kind {
	CH_RULE_BOOT_ORDER,
	CH_RULE_BOOT_OPTION,
	CH_RULE_GPT,
	CH_RULE_TEXT,
	CH_RULE_PCRPHASE,
	CH_RULE_SMBIOS
};

/* "boot-order", "boot-option", "gpt", "text", "pcrphase", "smbios". */
const char *ch_ref_rule_str(enum ch_ref_rule_kind kind);

struct ch_ref_part {
	struct ch_efi_guid type;
	struct ch_span name; /* UTF-8; empty: any */
	uint64_t first_lba;  /* 0: any */
	uint64_t last_lba;
};

struct ch_ref_rule {
	enum ch_ref_rule_kind kind;
	enum ch_tier tier; /* of an event that the rule explains */
	uint8_t doc;
	uint8_t pcr;
	uint32_t type;           /* CH_RULE_TEXT */
	size_t text, text_count; /* in ch_reference.text: patterns, entries, words */
	size_t part, part_count; /* in ch_reference.part */
};

/* The four signature databases whose contents are judged as sets. */
enum ch_ref_db { CH_REF_PK, CH_REF_KEK, CH_REF_DB, CH_REF_DBX, CH_REF_DB_COUNT };

/* "PK", "KEK", "db", "dbx". */
const char *ch_ref_db_str(enum ch_ref_db db);

/*
 * One entry of a set: allowed (PK, KEK, db) or required (dbx). Identity is type and content, as a certificate in db allows what it
 * signed and its hash there would allow an image; the owner GUID does not count.
 */
struct ch_ref_sig {
	enum ch_ref_db db;
	uint8_t doc;
	struct ch_efi_guid type; /* SignatureType (UEFI 2.10, 32.4.1) */
	uint8_t sha256[32];      /* of the EFI_SIGNATURE_DATA content; of a CERT_SHA256 entry the content itself */
	struct ch_span subject;
};

/* One file that IMA may measure. */
struct ch_ref_file {
	struct ch_span path;
	enum ch_hash_alg alg;
	struct ch_span digest;
	uint8_t doc;
};

#define CH_REF_DOCS_MAX 32

struct ch_reference {
	struct ch_ref_doc doc[CH_REF_DOCS_MAX];
	size_t doc_count;
	struct ch_ref_event *event;
	size_t event_count;
	struct ch_ref_digest *digest;
	size_t digest_count;
	struct ch_ref_rule *rule;
	size_t rule_count;
	struct ch_span *text;
	size_t text_count;
	struct ch_ref_part *part;
	size_t part_count;
	struct ch_ref_sig *sig;
	size_t sig_count;
	struct ch_ref_file *file;
	size_t file_count;
	uint32_t *digest_index; /* open addressing over `digest`: index + 1, 0 is free; the size is a power of two */
	size_t digest_index_size;
	uint32_t *file_index;
	size_t file_index_size;
	uint32_t pcr_mask;       /* registers that a quote must cover */
	bool secure_boot_judged; /* a document has a secure_boot section */
	bool secure_boot_required;
	bool ima_judged;             /* a document has an ima section */
	bool ima_boot_aggregate;     /* the first entry must be the boot aggregate of this boot */
	enum ch_tier ima_violations; /* tier of a violation: warning or contraindicated */
};

/* Names where in a document something is wrong. */
struct ch_ref_diag {
	size_t doc;       /* index in `docs` */
	size_t off;       /* byte offset in its text */
	const char *rule; /* static text */
};

/*
 * Compiles documents into one set. All memory comes from `arena` (ch_reference_arena_size bytes suffice); spans borrow from
 * the arena and from the documents' text, which must outlive `ref`. An unknown key, a key twice, a value of the wrong type or
 * out of range, an unknown rule: an error with the place in `d`. At most CH_REF_DOCS_MAX documents.
 */
CH_MUST_USE enum ch_err ch_reference_compile(struct ch_reference *ref, const struct ch_json *docs, size_t count,
					     struct ch_arena *arena, struct ch_ref_diag *d);

/* Bytes of arena that always suffice for these documents. */
size_t ch_reference_arena_size(const struct ch_json *docs, size_t count);

/* Fills the indexes; ch_reference_compile has done it. */
void ch_reference_index(struct ch_reference *ref);

/* Looks for an event of the documents of one kind by PCR, type and digest in one bank; NULL if there is none. */
const struct ch_ref_event *ch_reference_event(const struct ch_reference *ref, enum ch_ref_kind kind, uint32_t pcr,
					      uint32_t type, enum ch_hash_alg alg, struct ch_span digest);

/* The digest of an event in a bank; empty if the document does not give it. */
struct ch_span ch_reference_digest(const struct ch_reference *ref, const struct ch_ref_event *e, enum ch_hash_alg alg);

/* Looks for a file by path and digest; NULL if there is none. */
const struct ch_ref_file *ch_reference_file(const struct ch_reference *ref, struct ch_span path, enum ch_hash_alg alg,
					    struct ch_span digest);
/* Any digest that is known for a path, to say what was expected; NULL if the path is not known. */
const struct ch_ref_file *ch_reference_file_by_path(const struct ch_reference *ref, struct ch_span path);

/* Looks for an entry of a signature database; NULL if it is not in the set. */
const struct ch_ref_sig *ch_reference_sig(const struct ch_reference *ref, enum ch_ref_db db,
					  const struct ch_efi_guid *type, const uint8_t sha256[static 32]);

/* The content's part of an entry's identity: see struct ch_ref_sig.sha256. CH_ERR_CRYPTO if SHA-256 fails. */
CH_MUST_USE enum ch_err ch_ref_sig_identity(const struct ch_efi_sig *sig, uint8_t sha256[static 32]);

/* True if `s` matches `pattern`, in which '*' stands for any run of bytes, "[*]" for a star, and everything else for itself. */
bool ch_ref_glob(struct ch_span pattern, struct ch_span s);

#endif
