/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_OS_IMA_H
#define CH_OS_IMA_H

#include "core/base/err.h"
#include "core/base/limits.h"
#include "core/base/span.h"
#include "core/boot/pcr.h"

/* Linux IMA measurement lists: binary_runtime_measurements and ascii_runtime_measurements, little-endian kernels. */

enum ch_ima_form { CH_IMA_BINARY, CH_IMA_ASCII };

/* How a kernel extends banks other than SHA-1. */
enum ch_ima_extend {
	CH_IMA_EXTEND_HASH,   /* Linux 5.8 and later: every bank gets its own hash of the template data */
	CH_IMA_EXTEND_PADDED, /* before: the SHA-1 template hash, padded with zeros (longer) */
};

/* One entry. The spans borrow from the list, or from the scratch memory of the iterator until its next step. */
struct ch_ima_entry {
	size_t n;   /* from 0 */
	size_t off; /* byte offset of the record */
	uint32_t pcr;
	struct ch_span template_hash; /* as logged: SHA-1; all zero for a violation */
	struct ch_span template_name; /* "ima", "ima-ng", "ima-sig", "ima-buf", others as they are */
	struct ch_span data;          /* the template data that was hashed */
	bool violation;
	bool known;              /* the template is one we decode; otherwise the fields below are empty */
	struct ch_span file_alg; /* "sha256"; "sha1" for template ima */
	struct ch_span file_digest;
	struct ch_span path; /* file name, or the name of the buffer */
	struct ch_span sig;  /* ima-sig: signature with its header, or empty */
	struct ch_span buf;  /* ima-buf: the buffer that was measured */
};

struct ch_ima_iter {
	struct ch_span in;
	enum ch_ima_form form;
	size_t off;
	size_t n;
	struct ch_span scratch_of; /* caller's memory, see ch_ima_iter */
	uint8_t *scratch;
	size_t scratch_cap;
};

/* Starts to read. `scratch` (CH_IMA_DATA_MAX bytes) is needed for the ascii form only, where template data are rebuilt. */
struct ch_ima_iter ch_ima_iter(struct ch_span in, uint8_t *scratch, size_t scratch_cap);

/*
 * Writes the next entry: CH_OK; CH_ERR_NOTFOUND at the end; any other error with offset, entry number and rule in `d`, and
 * the iterator stays where it is.
 */
CH_MUST_USE enum ch_err ch_ima_next(struct ch_ima_iter *it, struct ch_ima_entry *e, struct ch_diag *d);

/* True if the logged template hash is the SHA-1 of the template data (violations: if it is all zero). */
bool ch_ima_entry_holds(const struct ch_ima_entry *e);

/* Extends one entry into the register it names, in every bank of `pcrs`. */
void ch_ima_extend(struct ch_pcrs *pcrs, const struct ch_ima_entry *e, enum ch_ima_extend how);

/* A file signature of IMA or EVM (security.ima, type 3, version 2). The spans borrow. */
struct ch_ima_sig {
	uint8_t hash_id;       /* enum hash_algo of the kernel */
	enum ch_hash_alg hash; /* CH_HASH_NONE if not one of ours */
	uint8_t key_id[4];
	struct ch_span sig;
};
CH_MUST_USE enum ch_err ch_ima_sig_parse(struct ch_ima_sig *sig, struct ch_span in, struct ch_diag *d);

#endif
