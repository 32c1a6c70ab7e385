/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TRUST_CERT_PROFILE_H
#define CH_TRUST_CERT_PROFILE_H

#include "core/base/wr.h"
#include "core/platform/csr.h"
#include "core/platform/x509_write.h"
#include "core/trust/action.h"

/*
 * A certificate profile: what a certificate of one kind holds, and who may ask for one, as a flat image of fixed layout that
 * host/policy makes from YAML. The process that judges a request, the one that grants it and the one that signs each have their
 * own copy. docs/protocol/cert-profile.md has both forms. Where a value weakens the profile, it is not 0.
 */

#define CH_PROFILE_ATTRS_MAX    8   /* of the subject */
#define CH_PROFILE_NAMES_MAX    8   /* of subjectAltName */
#define CH_PROFILE_TEMPLATE_MAX 128 /* one template */
#define CH_PROFILE_NAME_MAX     64  /* what {name} stands for: RFC 5280, A.1, ub-common-name */
#define CH_PROFILE_IMAGE_MAX    4096
#define CH_PROFILE_RSA_MIN      2048u
#define CH_PROFILE_RSA_MAX      4096u
#define CH_PROFILE_LIFETIME_MIN 3600u                      /* seconds */
#define CH_PROFILE_LIFETIME_MAX (400u * 24 * 3600)         /* what the signer issues at most */
#define CH_PROFILE_GRACE_MAX    (10u * 366u * 24u * 3600u) /* after its end a certificate may still ask for the next one */

/* Who may enrol by a profile, beside devices that have a certificate of it and ask for the next. Bits. */
#define CH_ENROL_BY_TOKEN  0x01 /* a one-time token */
#define CH_ENROL_BY_IDEVID 0x02 /* a certificate of a registered manufacturer (802.1AR) */
#define CH_ENROL_BY_RA     0x04 /* a registration authority, for others */
#define CH_ENROL_BY_ALL    0x07

enum ch_approval { CH_APPROVAL_OPERATOR = 1, CH_APPROVAL_AUTOMATIC = 2 };

/* Whether the request must be linked to its TLS connection (RFC 7030, 3.5). A link that is there must hold in either case. */
enum ch_linking { CH_LINKING_REQUIRED = 1, CH_LINKING_OPTIONAL = 2 };

/* Attributes that a subject may have (RFC 4514, 3; RFC 4519). Numbers are stored. */
enum ch_subject_attr {
	CH_SUBJECT_CN = 1,
	CH_SUBJECT_O = 2,
	CH_SUBJECT_OU = 3,
	CH_SUBJECT_C = 4,
	CH_SUBJECT_L = 5,
	CH_SUBJECT_ST = 6,
	CH_SUBJECT_SERIAL = 7, /* serialNumber */
	CH_SUBJECT_COUNT = 8,
};

/*
 * Text with at most one variable: "gw-{name}", "urn:chainhold:device:{device}". {name} is what the device is called, {device} its
 * id in 32 hexadecimal digits.
 */
struct ch_profile_template {
	uint8_t kind; /* enum ch_subject_attr, or enum ch_cert_san_kind + 1 of a name: URI or DNS */
	struct ch_span text;
};

struct ch_cert_profile {
	struct ch_span label; /* ch_name_valid(): the EST label */
	struct ch_span class; /* of the devices that enrol by it */
	uint32_t lifetime;    /* seconds */
	uint32_t grace;       /* seconds */
	uint16_t keys;        /* 1 << enum ch_key_type */
	uint16_t key_usage;   /* CH_KU_* that a certificate has */
	uint8_t purposes;     /* CH_CERT_EKU_* bits that a certificate has */
	uint8_t by;           /* CH_ENROL_BY_* */
	enum ch_approval approval;
	enum ch_linking linking;
	size_t attr_count;
	struct ch_profile_template attr[CH_PROFILE_ATTRS_MAX];
	size_t name_count;
	struct ch_profile_template name[CH_PROFILE_NAMES_MAX];
};

/*
 * Reads an image; the spans borrow from it. Total: what ch_cert_profile_put() would not have written is refused.
 * CH_ERR_MALFORMED (no image), CH_ERR_UNSUPPORTED (version), CH_ERR_TRUNCATED, CH_ERR_TRAILING, CH_ERR_LIMIT, CH_ERR_RANGE.
 */
CH_MUST_USE enum ch_err ch_cert_profile_parse(struct ch_cert_profile *p, struct ch_span image, struct ch_diag *d);
/* Writes the image. CH_ERR_RANGE, and nothing written, if a value has no meaning; ch_cert_profile_rule() says which. */
CH_MUST_USE enum ch_err ch_cert_profile_put(struct ch_wr *w, const struct ch_cert_profile *p);
/* NULL, or the rule that the profile breaks. Static. */
const char *ch_cert_profile_rule(const struct ch_cert_profile *p);

/* "CN", "O", …; NULL for a number that is none. Static. The others are the reverse; 0 for a name or type that is none. */
const char *ch_subject_attr_str(unsigned kind);
unsigned ch_subject_attr_by_name(struct ch_span name);
unsigned ch_subject_attr_by_oid(struct ch_span oid);

/* True for what may stand for {name}: 1 to CH_PROFILE_NAME_MAX letters, digits, '-', '.', '_', a letter or digit first and last. */
bool ch_profile_name_valid(struct ch_span name);

/* A template in its parts. */
enum ch_profile_var { CH_PROFILE_TEXT, CH_PROFILE_VAR_NAME, CH_PROFILE_VAR_DEVICE };
struct ch_profile_pieces {
	struct ch_span before, after; /* of the variable; all of it is before where there is none */
	enum ch_profile_var var;
};
struct ch_profile_pieces ch_profile_pieces(struct ch_span text);
/* Appends what a template gives for a device. */
void ch_profile_template_put(struct ch_wr *w, struct ch_span text, struct ch_span name,
			     const uint8_t device[static 16]);

/* The subject as an encoded Name (RFC 5280, 4.1.2.4). CH_ERR_NOSPACE. */
CH_MUST_USE enum ch_err ch_profile_subject_put(struct ch_wr *w, const struct ch_cert_profile *p, struct ch_span name,
					       const uint8_t device[static 16]);

/* Who asks, as far as it is known before the request is read. */
struct ch_profile_asker {
	const uint8_t *device; /* 16 bytes; NULL: a device that has no id yet */
	struct ch_span name;   /* the only one that it may have; empty: it says its own */
};

/* What a request asks for beyond its profile. */
struct ch_profile_fault {
	const char *rule; /* static */
	char field[128];  /* "subject.CN", "subjectAltName.dNSName", …: visible ASCII */
};

/*
 * Judges a request: the key, and everything that it asks for, which must be what the profile gives. What it does not ask for the
 * profile gives all the same. `name` gets what {name} stands for and borrows from the request or from `asker`. CH_ERR_MISMATCH with
 * `f` filled. The signature is not looked at here.
 */
CH_MUST_USE enum ch_err ch_cert_profile_check(const struct ch_cert_profile *p, const struct ch_csr *csr,
					      const struct ch_profile_asker *asker, struct ch_span *name,
					      struct ch_profile_fault *f);

/* NULL if the profile certifies this key, else the rule. Static. */
const char *ch_cert_profile_key_rule(const struct ch_cert_profile *p, const struct ch_pub *pub);

#endif
