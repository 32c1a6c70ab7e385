/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_OS_IMA_H
#define CH_OS_IMA_H

#include "core/base/err.h"
#include "core/base/limits.h"
#include "core/base/span.h"
#include "core/boot/pcr.h"
#include "core/crypto/sig.h"

/*
 * Linux IMA measurement lists, binary_runtime_measurements and ascii_runtime_measurements, of little-endian kernels (or with
 * ima_canonical_fmt). Format: docs/protocol/ima.md. What a list says is worth nothing until its replay meets a quoted PCR.
 */

enum ch_ima_form { CH_IMA_BINARY, CH_IMA_ASCII };

/* How a kernel extends banks other than SHA-1. */
enum ch_ima_extend {
	CH_IMA_EXTEND_HASH,   /* Linux 5.8 and later: every bank gets its own hash of the template data */
	CH_IMA_EXTEND_PADDED, /* before: the SHA-1 template hash, padded with zeros (longer) */
};

/* One entry. The spans borrow from the list, or from the scratch memory of the iterator until its next step. */
struct ch_ima_entry {
	size_t n;   /* from 0 */
	size_t off; /* byte offset of the record, or of the line */
	uint32_t pcr;
	struct ch_span template_hash; /* as logged: SHA-1 (per-bank lists: of that bank); all zero for a violation */
	enum ch_hash_alg template_alg;
	struct ch_span template_name; /* "ima", "ima-ng", "ima-sig", "ima-buf", others as they are */
	struct ch_span data;          /* the template data as in the binary list; ch_ima_entry_hash() hashes them */
	bool violation;
	bool known; /* the template is one we decode; otherwise the fields below are empty */
	/* "sha256"; "sha1" or "md5" for template ima; "verity:sha256" in ima-ngv2 and ima-sigv2: a digest of another kind */
	struct ch_span file_alg;
	struct ch_span file_digest;
	struct ch_span
		path;       /* file name, or the name of the buffer; without its NUL, spaces are underscores (kernel) */
	struct ch_span sig; /* ima-sig: signature with its header, or empty */
	struct ch_span buf; /* ima-buf: the buffer that was measured */
};

struct ch_ima_iter {
	struct ch_span in;
	enum ch_ima_form form;
	size_t hash_size; /* binary: bytes of a template hash */
	size_t off;
	size_t n;
	uint8_t *scratch; /* caller's memory */
	size_t scratch_cap;
};

/*
 * Starts to read; the form is told by the first byte, and in the binary form the size of the template hash (20; 32, 48 or 64 in
 * the per-bank lists of Linux 6.10 and later) by the first record. `scratch` (CH_IMA_DATA_MAX bytes) is needed for the ascii
 * form only, where template data are rebuilt.
 */
struct ch_ima_iter ch_ima_iter(struct ch_span in, uint8_t *scratch, size_t scratch_cap);

/*
 * Writes the next entry: CH_OK; CH_ERR_NOTFOUND at the end; any other error with offset, entry number and rule in `d`, and
 * the iterator stays where it is. Fields that do not fill the template data exactly are an error.
 */
CH_MUST_USE enum ch_err ch_ima_next(struct ch_ima_iter *it, struct ch_ima_entry *e, struct ch_diag *d);

/*
 * The same for the frame of a binary record only, its template data unread (`known` is false): for a report that goes on behind
 * an entry that ch_ima_next refused. Fails where the frame itself is broken, and always in the ascii form.
 */
CH_MUST_USE enum ch_err ch_ima_next_frame(struct ch_ima_iter *it, struct ch_ima_entry *e, struct ch_diag *d);

/*
 * The hash of the template data as the kernel computes it: of `data`, or for template ima of the digest and the name padded
 * with NULs to 256 bytes. CH_ERR_UNSUPPORTED if the backend does not compute `alg`.
 */
CH_MUST_USE enum ch_err ch_ima_entry_hash(const struct ch_ima_entry *e, enum ch_hash_alg alg, struct ch_digest *out);

/*
 * True if the logged template hash is the hash of the template data (violations: if it is all zero). False also if the backend
 * does not compute template_alg.
 */
bool ch_ima_entry_holds(const struct ch_ima_entry *e);

/*
 * Extends one entry into the register it names, in every bank of `pcrs`: the logged template hash in its own bank, in others
 * what `how` says. A violation extends ones (padded: 20 bytes of them, then zeros).
 */
void ch_ima_extend(struct ch_pcrs *pcrs, const struct ch_ima_entry *e, enum ch_ima_extend how);

/* A file signature of IMA or EVM (security.ima, type 3, version 2). The spans borrow. */
struct ch_ima_sig {
	uint8_t hash_id;       /* enum hash_algo of the kernel */
	enum ch_hash_alg hash; /* CH_HASH_NONE if not one of ours */
	uint8_t key_id[4];
	struct ch_span sig;
};

/* CH_ERR_UNSUPPORTED for another type (3) or version (2); the length must be that of the rest. */
CH_MUST_USE enum ch_err ch_ima_sig_parse(struct ch_ima_sig *sig, struct ch_span in, struct ch_diag *d);

/*
 * The key identifier that the kernel and evmctl use: the last 4 bytes of the SHA-1 of the key's BIT STRING (RFC 5280, 4.2.1.2,
 * method 1). CH_ERR_UNSUPPORTED for a type of key without file signatures (Ed25519).
 */
CH_MUST_USE enum ch_err ch_ima_key_id(const struct ch_pub *pub, uint8_t id[static 4]);

/*
 * Verifies a file signature over the entry's file digest: RSASSA-PKCS1-v1_5, or ECDSA in the DER of RFC 3279, 2.2.3.
 * CH_ERR_SIGNATURE if it does not hold; CH_ERR_UNSUPPORTED if the digest in the list is of another algorithm or kind than the
 * signed one, so that nothing can be said; CH_ERR_KEY if key and signature do not go together.
 */
CH_MUST_USE enum ch_err ch_ima_sig_verify(const struct ch_ima_sig *sig, const struct ch_verify_key *key,
					  const struct ch_ima_entry *e);

#endif
