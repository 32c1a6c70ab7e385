/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_PLATFORM_EK_CERT_H
#define CH_PLATFORM_EK_CERT_H

#include "core/platform/x509.h"

/*
 * Judges certificates of TPMs and platforms: endorsement keys (TCG EK Credential Profile), attestation keys, platforms (TCG
 * Platform Certificate Profile), and their short chains. Defects that real vendors ship are tolerated one by one, each from a
 * table that names who ships it; whatever is tolerated is told.
 */

enum ch_ek_kind { CH_EK_OTHER = 0, CH_EK_EK, CH_EK_AK, CH_EK_PLATFORM, CH_EK_CA };

/* "other", "ek", "ak", "platform", "ca". */
const char *ch_ek_kind_str(enum ch_ek_kind kind);

/* Whose authority issued a certificate, by organizationName (swtpm: commonName) of the issuer. The chain makes it true. */
enum ch_ek_vendor {
	CH_EK_VENDOR_NONE = 0,
	CH_EK_VENDOR_STM,
	CH_EK_VENDOR_INFINEON,
	CH_EK_VENDOR_NUVOTON,
	CH_EK_VENDOR_INTEL,
	CH_EK_VENDOR_GOOGLE,
	CH_EK_VENDOR_SWTPM,
	CH_EK_VENDOR_COUNT
};

/* The first CH_X509_ODD_BITS are those that reading notes, in the order of their bits in ch_x509.odd. */
enum ch_ek_defect {
	CH_EK_SET_ORDER = 0,
	CH_EK_DEFAULT,
	CH_EK_SERIAL_SIGN,
	CH_EK_SERIAL_FORM,
	CH_EK_SERIAL_LONG,
	CH_EK_OAEP,
	CH_EK_SAN_NAME,
	CH_EK_NAMED_BITS,
	CH_EK_NV_HEADER,
	CH_EK_NV_PADDING,
	CH_EK_SAN_CRITICAL,
	CH_EK_NO_EKU,
	CH_EK_NO_KEY_USAGE,
	CH_EK_NO_DEVICE,
	CH_EK_SHA1,
	CH_EK_NO_BASIC,
	CH_EK_DEFECT_COUNT
};

/* What the defect is; static text. */
const char *ch_ek_defect_str(enum ch_ek_defect defect);
/* Who ships it: `vendor` if it is one of these, else all that are known; NULL if it is nobody's in particular. */
const char *ch_ek_defect_vendor(enum ch_ek_defect defect, enum ch_ek_vendor vendor);

struct ch_ek_cert {
	struct ch_x509 x;
	enum ch_ek_kind kind;
	enum ch_ek_vendor vendor;
	uint32_t defects;   /* 1 << ch_ek_defect: found and tolerated */
	uint32_t forbidden; /* found, but not to be tolerated from this issuer */
};

/*
 * Reads a certificate as it may come out of a TPM's NV memory: with the header of TCG_PCCLIENT_STORED_CERT (TCG PC Client
 * Implementation for TPM 1.2, 7.3.2), followed by padding of one byte value, 00 or ff. Decides its kind and finds its defects.
 * The spans borrow from `in`. Offsets in `d` count from the start of `in`.
 */
CH_MUST_USE enum ch_err ch_ek_cert_parse(struct ch_ek_cert *c, struct ch_span in, struct ch_diag *d);

/* Findings about one certificate or its chain; those past the limit are counted, not kept. */
#define CH_EK_NOTES_MAX 32
struct ch_ek_notes {
	size_t count; /* all of them; min(count, CH_EK_NOTES_MAX) are kept */
	struct {
		const char *text; /* static */
		size_t cert;      /* place in the chain, 0: the certificate itself */
	} note[CH_EK_NOTES_MAX];
};
void ch_ek_notes_add(struct ch_ek_notes *n, size_t cert, const char *text);

/*
 * Judges the certificate by the profile of its kind, without regard to chain and time; adds to both lists. It holds if
 * nothing was added to `violations`.
 */
void ch_ek_cert_check(const struct ch_ek_cert *c, struct ch_ek_notes *violations, struct ch_ek_notes *warnings);

/* The certificates that a chain may be made of. The first `anchors` of them are trusted; the others only serve as links. */
struct ch_ek_pool {
	const struct ch_ek_cert *cert;
	size_t count; /* at most CH_CERT_POOL_MAX are looked at */
	size_t anchors;
};

struct ch_ek_chain {
	size_t count; /* the certificate itself, its issuer, … */
	const struct ch_ek_cert *cert[CH_CHAIN_MAX];
};

/*
 * Follows the issuers of `leaf` as far as the pool has them: the issuer's subject is the name that is looked for
 * (ch_x509_name_eq), key identifiers agree where both are there, and its key made the signature. CH_OK if the last one is an
 * anchor and every certificate of the chain holds: valid at `now` (seconds since 1970), every issuer a CA that may sign
 * certificates (of an attribute certificate: that may sign) within its path length, nothing critical unknown, SHA-1 only where
 * the table has it. Else CH_ERR_UNTRUSTED and why in `violations`. `chain` points into `leaf` and the pool.
 */
CH_MUST_USE enum ch_err ch_ek_chain_check(struct ch_ek_chain *chain, const struct ch_ek_cert *leaf,
					  const struct ch_ek_pool *pool, int64_t now, struct ch_ek_notes *violations);

/*
 * Appends the manufacturer as a person knows it: "id:53544D20" (EK Credential Profile, 3.1.2) becomes "STM"; what is not
 * eight hex digits of printable ASCII stays as it is.
 */
void ch_ek_manufacturer_put(struct ch_wr *w, struct ch_x509_text manufacturer);

#endif
