/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_PLATFORM_X509_H
#define CH_PLATFORM_X509_H

#include "core/base/limits.h"
#include "core/crypto/sig.h"
#include "core/wire/der.h"

/*
 * X.509 certificates (RFC 5280) and attribute certificates (RFC 5755) read into spans. Reading decides what the bytes say;
 * whether that holds is judged by core/platform/ek_cert.h.
 */

enum ch_x509_form { CH_X509_CERTIFICATE = 0, CH_X509_ATTRIBUTE };

/*
 * Ways in which certificates of real TPM vendors break DER or RFC 5280 and are still read without doubt. Each that occurs is
 * noted; who may ship it is a table of ek_cert.c, and anywhere else it does not hold.
 */
#define CH_X509_ODD_SET_ORDER  (1u << 0) /* a SET OF that is not sorted (X.690, 11.6) */
#define CH_X509_ODD_DEFAULT    (1u << 1) /* a DEFAULT value that is encoded (X.690, 11.5) */
#define CH_X509_ODD_SERIAL     (1u << 2) /* the serial number is negative or 0 (RFC 5280, 4.1.2.2) */
#define CH_X509_ODD_INTEGER    (1u << 3) /* the serial number is not in its shortest form (X.690, 8.3.2) */
#define CH_X509_ODD_LONG       (1u << 4) /* the serial number is longer than 20 octets (RFC 5280, 4.1.2.2) */
#define CH_X509_ODD_OAEP       (1u << 5) /* the key is RSAES-OAEP (RFC 4055, 4.1): OAEP's identifier, an RSA key */
#define CH_X509_ODD_SAN        (1u << 6) /* subjectAltName holds a Name where GeneralNames must be */
#define CH_X509_ODD_NAMED_BITS (1u << 7) /* zero bits at the end of keyUsage (X.690, 11.2.2) */
#define CH_X509_ODD_BITS       8

/* keyUsage (RFC 5280, 4.2.1.3), bit n as 1 << n. */
#define CH_KU_DIGITAL_SIGNATURE (1u << 0)
#define CH_KU_NON_REPUDIATION   (1u << 1)
#define CH_KU_KEY_ENCIPHERMENT  (1u << 2)
#define CH_KU_DATA_ENCIPHERMENT (1u << 3)
#define CH_KU_KEY_AGREEMENT     (1u << 4)
#define CH_KU_CERT_SIGN         (1u << 5)
#define CH_KU_CRL_SIGN          (1u << 6)
#define CH_KU_BITS              9

/* extKeyUsage: the purposes that the TCG names, and whether there are others. */
#define CH_EKU_EK       (1u << 0) /* 2.23.133.8.1 tcg-kp-EKCertificate */
#define CH_EKU_PLATFORM (1u << 1) /* 2.23.133.8.2 tcg-kp-PlatformAttributeCertificate */
#define CH_EKU_AK       (1u << 2) /* 2.23.133.8.3 tcg-kp-AIKCertificate */
#define CH_EKU_ANY      (1u << 3) /* 2.5.29.37.0 */
#define CH_EKU_OTHER    (1u << 4)

struct ch_x509_ext {
	struct ch_span oid;
	struct ch_span value; /* contents of extnValue */
	bool critical;
	bool known; /* we know what it means, so that its being critical is no obstacle */
};

/* A character string with its type, so that it can be written as UTF-8: tag 0 if it is absent. */
struct ch_x509_text {
	uint8_t tag;
	struct ch_span s;
};

/* The attributes by which the TCG profiles name a TPM or a platform, from directory names in subjectAltName. */
struct ch_x509_device {
	struct ch_x509_text manufacturer;
	struct ch_x509_text model;
	struct ch_x509_text version;
	struct ch_x509_text serial; /* platforms only */
};

struct ch_x509 {
	enum ch_x509_form form;
	uint8_t version; /* 1 to 3; of an attribute certificate 2 */
	uint32_t odd;
	struct ch_span raw;
	struct ch_span tbs;     /* what is signed */
	struct ch_span serial;  /* contents of the INTEGER as they stand */
	struct ch_span issuer;  /* Name, with its tag */
	struct ch_span subject; /* Name, with its tag; attribute certificate: entityName of the holder, or empty */
	struct ch_span
		holder_issuer; /* attribute certificate: Name and serial number of the certificate it belongs to */
	struct ch_span holder_serial;
	int64_t not_before; /* seconds since 1970 */
	int64_t not_after;
	struct ch_span spki; /* SubjectPublicKeyInfo with its tag; empty in an attribute certificate */
	struct ch_span key_alg;
	struct ch_pub pub; /* type CH_KEY_NONE: of a kind that we do not use */
	struct ch_span sig_alg;
	struct ch_sig sig; /* scheme CH_SIG_NONE: of a kind that we do not verify */
	bool has_basic;
	bool ca;
	bool has_path_len;
	uint32_t path_len;
	bool has_key_usage;
	uint16_t key_usage;
	bool has_eku;
	uint8_t eku;
	bool has_san;
	bool san_critical;
	struct ch_x509_device tpm;
	struct ch_x509_device platform;
	struct ch_span subject_key_id; /* empty if absent */
	struct ch_span authority_key_id;
	size_t attr_count; /* attribute certificate: the types of its attributes */
	struct ch_span attr[CH_CERT_ATTRS_MAX];
	size_t ext_count;
	struct ch_x509_ext ext[CH_CERT_EXTS_MAX];
};

/*
 * Reads one certificate of either form; nothing may follow it. At most CH_CERT_MAX bytes, CH_CERT_EXTS_MAX extensions. The spans
 * borrow from `in`. CH_ERR_DUPLICATE for an extension that occurs twice (RFC 5280, 4.2).
 */
CH_MUST_USE enum ch_err ch_x509_parse(struct ch_x509 *c, struct ch_span in, struct ch_diag *d);

/* True if the subject has no attribute (an empty SEQUENCE), or there is no subject. */
bool ch_x509_name_empty(struct ch_span name);

/*
 * True if two Names that were read before are the same: byte for byte, but that a value may be a UTF8String in one and a
 * PrintableString or IA5String in the other (RFC 5280, 7.1, without its folding of case and spaces).
 */
bool ch_x509_name_eq(struct ch_span x, struct ch_span y);

/*
 * Appends a Name that was read before as RFC 4514 orders and escapes it: last RDN first, "CN=…,O=…". CN, L, ST, O, OU, C,
 * STREET, DC and UID by name, others by number; values that are no strings as '#' and their DER in hex. The text is UTF-8 but
 * not made safe for a terminal: see ch_text_escape().
 */
void ch_x509_name_put(struct ch_wr *w, struct ch_span name);
/* The first attribute of the type in a Name that was read before; tag 0 if there is none. */
struct ch_x509_text ch_x509_name_find(struct ch_span name, struct ch_span oid);
/* Appends the serial number without the sign octet, two lower-case hex digits a byte. */
void ch_x509_serial_put(struct ch_wr *w, struct ch_span serial);

/* True if `subject`'s key made the signature of `c`: CH_OK, CH_ERR_SIGNATURE, CH_ERR_KEY, CH_ERR_UNSUPPORTED, CH_ERR_CRYPTO. */
CH_MUST_USE enum ch_err ch_x509_verify(const struct ch_x509 *c, const struct ch_pub *issuer);

/* --- for the sources of this module --- */

/* Reads Extensions (RFC 5280, 4.1.2.9): a SEQUENCE that follows; those that we know into their fields. */
void ch_x509_exts_read(struct ch_x509 *c, struct ch_der_rd *d);
/* AuthorityKeyIdentifier (RFC 5280, 4.2.1.1), of a certificate or a list. */
void ch_x509_authority_key_id_read(struct ch_x509 *c, struct ch_der_rd *d);
/* GeneralNames whose contents `names` reads: *directory receives the first directoryName, or stays empty. */
void ch_x509_general_names_read(struct ch_der_rd *names, uint32_t *odd, struct ch_span *directory);
/* Checks a Name, notes oddities in *odd; returns it with its tag. */
struct ch_span ch_x509_name_read(struct ch_der_rd *d, uint32_t *odd);
/* SubjectPublicKeyInfo; AlgorithmIdentifier of a signature, returned with its tag; signatureValue. */
void ch_x509_spki_read(struct ch_x509 *c, struct ch_der_rd *d);
struct ch_span ch_x509_sig_alg_read(struct ch_x509 *c, struct ch_der_rd *d);
void ch_x509_sig_value_read(struct ch_x509 *c, struct ch_der_rd *d);
/* What lies between the version and the end of an AttributeCertificateInfo (RFC 5755, 4.1); *sig_alg receives `signature`. */
void ch_x509_attribute_read(struct ch_x509 *c, struct ch_der_rd *info, struct ch_span *sig_alg);
void ch_x509_serial_read(struct ch_x509 *c, struct ch_der_rd *d);

#endif
