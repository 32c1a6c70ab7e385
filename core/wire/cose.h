/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_WIRE_COSE_H
#define CH_WIRE_COSE_H

#include "core/crypto/sig.h"
#include "core/wire/cbor.h"

/*
 * COSE_Sign1 and COSE_Mac0 (RFC 9052, 4.2 and 6.2) with the algorithms of RFC 9053, RFC 8812 and RFC 9864. Other COSE messages
 * are told from malformed input and refused as unsupported.
 */

enum ch_cose_kind {
	CH_COSE_TAGGED = 0, /* for ch_cose_parse: the tag says which */
	CH_COSE_MAC0 = 17,  /* values are the CBOR tags (RFC 9052, table 1) */
	CH_COSE_SIGN1 = 18,
};

/* IANA "COSE Algorithms". */
enum ch_cose_alg {
	CH_COSE_ALG_NONE = 0,
	CH_COSE_HMAC256_64 = 4, /* truncated to 64 bits */
	CH_COSE_HMAC256 = 5,
	CH_COSE_HMAC384 = 6,
	CH_COSE_HMAC512 = 7,
	CH_COSE_ES256 = -7, /* any curve, as RFC 9053, 2.1 leaves it open */
	CH_COSE_EDDSA = -8, /* Ed25519 only */
	CH_COSE_ESP256 = -9,
	CH_COSE_ED25519 = -19,
	CH_COSE_ES384 = -35,
	CH_COSE_ES512 = -36,
	CH_COSE_PS256 = -37,
	CH_COSE_PS384 = -38,
	CH_COSE_PS512 = -39,
	CH_COSE_ESP384 = -51,
	CH_COSE_ESP512 = -52,
	CH_COSE_RS256 = -257,
	CH_COSE_RS384 = -258,
	CH_COSE_RS512 = -259,
};

/* "ES256", "HMAC 256/64", …; NULL if the algorithm is not supported. */
const char *ch_cose_alg_str(int64_t alg);

/* What a header bucket says; only parameters that are acted on. */
struct ch_cose_header {
	bool has_alg;
	bool has_kid;
	int64_t alg;             /* 0 if has_alg and it is a text string, which is never supported */
	struct ch_span alg_text; /* that text */
	struct ch_span kid;
	size_t count; /* parameters in the bucket */
};

/* A message. The spans borrow from the parser's input. */
struct ch_cose {
	enum ch_cose_kind kind;
	bool tagged;
	bool detached;              /* the payload is nil and comes from elsewhere (4.1) */
	struct ch_span protected_;  /* content of the byte string; a map of no entries counts as empty (4.4) */
	struct ch_span unprotected; /* the map as encoded */
	struct ch_cose_header h;    /* of the protected bucket: authenticated */
	struct ch_cose_header u;    /* of the unprotected bucket: anybody can have written it */
	struct ch_span payload;
	struct ch_span signature; /* or tag */
};

/*
 * Parses one message, all of `in`. `kind`: CH_COSE_TAGGED requires tag 17 or 18; the others accept that tag or none. Refused:
 * indefinite lengths, header labels other than integers and text, a label twice in a bucket or in both, more than
 * CH_COSE_LABELS_MAX labels, alg, crit, content type, kid, IV or Partial IV of another type than table 3 gives, both IVs,
 * crit in the unprotected bucket or empty or naming an absent label, and CH_ERR_UNKNOWN for a critical label that is not one
 * of alg, crit, content type, kid. CH_ERR_UNSUPPORTED for tags 16 and 96 to 98, and for the arrays of COSE_Sign and COSE_Mac
 * where the kind was given. `alg` may be absent here: ch_cose_verify refuses that.
 */
CH_MUST_USE enum ch_err ch_cose_parse(struct ch_cose *m, struct ch_span in, enum ch_cose_kind kind, struct ch_diag *d);

/* What the verifier knows from elsewhere. All zero: nothing. */
struct ch_cose_context {
	struct ch_span external_aad; /* 4.3 */
	struct ch_span payload;      /* of a detached message; must be empty otherwise */
	/*
	 * The one algorithm that is accepted, or 0: then the protected header must name it (3.1: alg MUST be authenticated). A
	 * protected header that names another one is a CH_ERR_MISMATCH. The unprotected header is never asked.
	 */
	int64_t alg;
	/* Working memory for EdDSA, which is over the message itself: ch_cose_tbs_size() bytes. NULL is fine otherwise. */
	uint8_t *scratch;
	size_t scratch_size;
};

/* Size of the Sig_structure or MAC_structure (4.4, 6.3). */
size_t ch_cose_tbs_size(const struct ch_cose *m, const struct ch_cose_context *c);
/* Appends it. */
void ch_cose_put_tbs(struct ch_wr *w, const struct ch_cose *m, const struct ch_cose_context *c);

/*
 * Verifies a COSE_Sign1. CH_ERR_SIGNATURE if it does not hold (also for a signature of the wrong length), CH_ERR_MISSING without
 * algorithm, CH_ERR_UNSUPPORTED for one that is not known or not a signature, CH_ERR_KEY if key and algorithm do not go
 * together, CH_ERR_MISMATCH (see alg), CH_ERR_NOSPACE if EdDSA needs more scratch. The payload is hashed where it lies.
 */
CH_MUST_USE enum ch_err ch_cose_verify(const struct ch_cose *m, const struct ch_cose_context *c,
				       const struct ch_verify_key *key, struct ch_diag *d);

/* The same for a COSE_Mac0 and a shared key, which must not be empty. */
CH_MUST_USE enum ch_err ch_cose_verify_mac(const struct ch_cose *m, const struct ch_cose_context *c, struct ch_span key,
					   struct ch_diag *d);

#endif
