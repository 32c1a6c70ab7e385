/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_UPDATE_ARCHIVE_H
#define CH_UPDATE_ARCHIVE_H

#include "core/trust/role.h"
#include "core/trust/tile.h"
#include "core/wire/json.h"

/*
 * What is carried over an air gap: one file, of the form of POSIX ustar so that any tar can list it, in it an index, the files that it
 * names in its order, and the signatures over the index. docs/protocol/archive.md.
 */

#define CH_ARCHIVE_TYPE       "chainhold-archive/v1"
#define CH_ARCHIVE_INDEX      "index"
#define CH_ARCHIVE_SIGNATURES "signatures"

/* --- one entry of a ustar file (POSIX.1-2017, pax, "ustar Interchange Format") --- */

#define CH_USTAR_BLOCK 512

/* Appends the header of a regular file; bad if the name is empty or longer than CH_ARCHIVE_PATH_MAX, or the size over CH_ARCHIVE_FILE_MAX. */
void ch_ustar_put(struct ch_wr *w, struct ch_span name, uint64_t size);
/*
 * Reads one block, which must be, byte for byte, what ch_ustar_put would have written: CH_ERR_MALFORMED else, CH_ERR_TRUNCATED if it is
 * none. The name borrows.
 */
CH_MUST_USE enum ch_err ch_ustar_parse(struct ch_span block, struct ch_span *name, uint64_t *size);
/* Zeros that follow content of this size. */
static inline size_t ch_ustar_padding(uint64_t size)
{
	return (size_t)((CH_USTAR_BLOCK - size % CH_USTAR_BLOCK) % CH_USTAR_BLOCK);
}

/* --- names: a closed list, so that none leads anywhere else --- */

enum ch_archive_kind {
	CH_ARCHIVE_NONE,
	CH_ARCHIVE_FLEET_ROOT, /* fleet-root/VERSION */
	CH_ARCHIVE_RELEASE,    /* releases/SHA256.release */
	CH_ARCHIVE_PROOF,      /* releases/SHA256.proof: of the release of this name */
	CH_ARCHIVE_ARTIFACT,   /* artifacts/SHA256 */
	CH_ARCHIVE_CHECKPOINT, /* log/checkpoint */
	CH_ARCHIVE_TILE,       /* log/tile/… (C2SP tlog-tiles) */
	CH_ARCHIVE_REFERENCE,  /* reference/NAME.json */
	CH_ARCHIVE_CRL,        /* crl/NAME.crl, DER */
};

struct ch_archive_path {
	enum ch_archive_kind kind;
	uint64_t number;     /* of a fleet root */
	uint8_t sha256[32];  /* of release, proof, artefact: as the name says */
	struct ch_tile tile; /* of a tile */
};

/* CH_ERR_MALFORMED for every name that is not exactly of one of these forms. */
CH_MUST_USE enum ch_err ch_archive_path_parse(struct ch_archive_path *p, struct ch_span path);

/* --- the index --- */

struct ch_archive_file {
	struct ch_span path;
	uint64_t size; /* 0 to CH_ARCHIVE_FILE_MAX */
	uint8_t sha256[32];
};

/* The spans borrow from what was parsed. */
struct ch_archive {
	struct ch_note note;
	uint64_t issued;     /* seconds since 1970 */
	struct ch_span role; /* the release role of the fleet root that signs it */
	struct ch_archive_file *file;
	size_t count;
};

/*
 * Reads index and signatures, one behind the other: a note, or a text and an empty line. Files are in the order of their names' bytes, so
 * none is there twice; releases and artefacts are named by their SHA-256. `file` (CH_ARCHIVE_FILES_MAX) and `node` (CH_ARCHIVE_NODES_MAX)
 * are the caller's; `node` is used during the call only. Nothing is verified. `a` is zeroed on failure.
 */
CH_MUST_USE enum ch_err ch_archive_parse(struct ch_archive *a, struct ch_span in, struct ch_archive_file *file,
					 struct ch_json_node *node, struct ch_diag *d);
/* The file of this name; NULL if there is none. */
const struct ch_archive_file *ch_archive_find(const struct ch_archive *a, struct ch_span path);
/* Appends the text, without the empty line. CH_ERR_NOSPACE. */
CH_MUST_USE enum ch_err ch_archive_put(struct ch_wr *w, const struct ch_archive *a);
/* Order of names: below, the same or above 0. */
int ch_archive_path_order(struct ch_span a, struct ch_span b);

#endif
