/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_UPDATE_RELEASE_H
#define CH_UPDATE_RELEASE_H

#include "core/trust/fleet_root.h"

/*
 * A release: what devices of some classes are to run, its artefacts by size and digest, and the measurements that they will produce.
 * A signed note like the fleet root; who may sign it is one of the fleet root's release roles. Format and rules:
 * docs/protocol/release.md.
 */

#define CH_RELEASE_TYPE "chainhold-release/v1"

/* What an artefact is: row, text. */
#define CH_ARTIFACT_KINDS(X)                                                                                     \
	X(RAUC, "rauc")     /* a RAUC bundle */                                                                  \
	X(SWU, "swu")       /* an image of SWUpdate */                                                           \
	X(OSTREE, "ostree") /* a commit of OSTree with its objects (ostree_pack.h): COMMIT.ostree is its name */ \
	X(UKI, "uki")       /* a unified kernel image */                                                         \
	X(KERNEL, "kernel") /* a kernel with its EFI stub */                                                     \
	X(INITRD, "initrd")                                                                                      \
	X(FILE, "file") /* nothing that this program knows how to measure */

#define CH_ARTIFACT_ENUM(name, text) CH_ARTIFACT_##name,
enum ch_artifact_kind { CH_ARTIFACT_KINDS(CH_ARTIFACT_ENUM) CH_ARTIFACT_KIND_COUNT };
#undef CH_ARTIFACT_ENUM

/* "rauc", …; "unknown" for another number. Static. */
const char *ch_artifact_kind_str(enum ch_artifact_kind kind);
/* The reverse. CH_ERR_UNKNOWN, with *kind untouched, for another word. */
CH_MUST_USE enum ch_err ch_artifact_kind_by_name(struct ch_span name, enum ch_artifact_kind *kind);
/* What a file seems to be by its first bytes (64 KiB show all); CH_ARTIFACT_FILE if it is nothing that is known. Total. */
enum ch_artifact_kind ch_artifact_kind_of(struct ch_span head);

/* A file by size and digest. */
struct ch_release_file {
	struct ch_span name; /* a plain file name: ch_release_file_name_valid */
	uint64_t size;       /* 1 to CH_ARTIFACT_MAX */
	uint8_t sha256[32];
};

struct ch_artifact {
	struct ch_release_file file;
	enum ch_artifact_kind kind;
	struct ch_span compatible; /* what installs it must be: RAUC's "compatible"; empty: nothing is said */
};

/* The spans borrow from what was parsed, `notes` perhaps from `room`: not to be copied. About 10 KiB. */
struct ch_release {
	struct ch_note note; /* count 0: not signed yet */
	struct ch_span name; /* the product line */
	struct ch_span version;
	uint64_t sequence; /* 1 to CH_RELEASE_NUMBER_MAX: what order goes by */
	uint64_t floor;    /* 0 to sequence: a device that runs this release takes none below */
	struct ch_span role;
	uint64_t issued;  /* seconds since 1970 */
	uint64_t expires; /* likewise, after issued */
	struct ch_span notes;
	bool has_sbom;
	struct ch_release_file sbom;
	struct ch_span
		reference; /* the text of one chainhold-reference/1 document; empty: nothing can be proven by measurement */
	size_t class_count, artifact_count;
	struct ch_span class[CH_RELEASE_CLASSES_MAX];
	struct ch_artifact artifact[CH_RELEASE_ARTIFACTS_MAX];
	uint8_t room[CH_RELEASE_NOTES_MAX];
};

/*
 * Reads all of `in`: a note whose text has at most CH_RELEASE_MAX bytes, or such a text and an empty line that nobody has signed yet.
 * Total: an unknown, doubled or missing member, a value that is not exactly of its kind, a list over its limit are refused, with offset
 * and rule in `d`. Nothing is verified; of the reference values only what binds them to this release is looked at (format, kind, name),
 * the rest is ch_reference_compile's. `node` is used during the call only; CH_ERR_NOSPACE if `cap` is too small: CH_RELEASE_NODES_MAX
 * always does for what is accepted. `r` is zeroed on failure.
 */
CH_MUST_USE enum ch_err ch_release_parse(struct ch_release *r, struct ch_span in, struct ch_json_node *node, size_t cap,
					 struct ch_diag *d);

/* A plain file name that cannot lead anywhere else: 1 to CH_RELEASE_FILE_NAME_MAX of A-Z a-z 0-9 . _ + ~ -, a letter or digit first. */
bool ch_release_file_name_valid(struct ch_span name);
/* The same with at most CH_RELEASE_VERSION_MAX bytes. */
bool ch_release_version_valid(struct ch_span version);

/* The artefact with this digest; NULL if the release has none. */
const struct ch_artifact *ch_release_artifact(const struct ch_release *r, const uint8_t sha256[static 32]);

/*
 * The judge. Whether the release was signed as the fleet root asks: CH_ERR_UNTRUSTED if it has no such role, or too few of the role's
 * keys have signed; CH_ERR_SIGNATURE if a signature that names one of them does not hold.
 */
CH_MUST_USE enum ch_err ch_release_signed(const struct ch_release *r, const struct ch_fleet_root *root,
					  struct ch_diag *d);
/* `time`: what is known for certain, a floor. CH_ERR_RANGE if the release has expired. */
CH_MUST_USE enum ch_err ch_release_current(const struct ch_release *r, uint64_t time, struct ch_diag *d);
/*
 * What a device asks before it takes a byte: signed, for its class (CH_ERR_MISMATCH), not expired at its floor of time, and with a
 * sequence that is not below its floor of sequence (CH_ERR_RANGE, as for expiry; the rule tells them apart).
 */
CH_MUST_USE enum ch_err ch_release_check(const struct ch_release *r, const struct ch_fleet_root *root,
					 struct ch_span class, uint64_t sequence_floor, uint64_t time_floor,
					 struct ch_diag *d);

/*
 * Writing: the text of a document, without the empty line, from every field but `note`; deterministic. The values of `reference` are
 * written as they are, so `node` is needed again. CH_ERR_RANGE if a field is not as the parser wants it, CH_ERR_NOSPACE.
 */
CH_MUST_USE enum ch_err ch_release_put(struct ch_wr *w, const struct ch_release *r, struct ch_json_node *node,
				       size_t cap);

/* The record of the log's leaf: canonical JSON. `sha256` is of the whole file as it was published, signatures included. */
void ch_release_record_put(struct ch_wr *w, const struct ch_release *r, const uint8_t sha256[static 32]);
#define CH_RELEASE_RECORD_MAX 512

#endif
