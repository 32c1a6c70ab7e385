/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TRUST_ACTION_H
#define CH_TRUST_ACTION_H

#include "core/base/limits.h"
#include "core/base/wr.h"
#include "core/crypto/sig.h"

/*
 * What an operator decides, as the bytes that are signed: one canonical text, so that a person can read what was signed and no two
 * texts mean the same. docs/protocol/action.md has the format, the payloads and who may sign what.
 */

/* verb, its name, kind of subject, whether a payload belongs to it, roles that may sign it. Never renumbered: policies store them. */
#define CH_VERBS(X)                                                                           \
	X(DEVICE_QUARANTINE, "device.quarantine", DEVICE, NONE, CH_OPERATOR_BIT_OPERATOR)     \
	X(DEVICE_RELEASE, "device.release", DEVICE, NONE, CH_OPERATOR_BIT_OPERATOR)           \
	X(DEVICE_REVOKE, "device.revoke", DEVICE, NONE, CH_OPERATOR_BIT_OPERATOR)             \
	X(DEVICE_DECOMMISSION, "device.decommission", DEVICE, NONE, CH_OPERATOR_BIT_OPERATOR) \
	X(DEVICE_REATTEST, "device.reattest", DEVICE, NONE, CH_OPERATOR_BIT_OPERATOR)         \
	X(BASELINE_APPROVE, "baseline.approve", NAME, NEEDED, CH_OPERATOR_BIT_RELEASER)       \
	X(POLICY_APPLY, "policy.apply", NAME, NEEDED, 0)                                      \
	X(EK_ALLOW, "ek.allow", DIGEST, ANY, CH_OPERATOR_BIT_OPERATOR)                        \
	X(EK_DENY, "ek.deny", DIGEST, NONE, CH_OPERATOR_BIT_OPERATOR)                         \
	X(TOKEN_CREATE, "token.create", NAME, NEEDED, CH_OPERATOR_BIT_OPERATOR)               \
	X(OPERATOR_ADD, "operator.add", NAME, NEEDED, 0)                                      \
	X(OPERATOR_REMOVE, "operator.remove", NAME, NONE, 0)                                  \
	X(DEVICE_PIN, "device.pin", DEVICE, NEEDED, CH_OPERATOR_BIT_RELEASER)                 \
	X(DEVICE_UNPIN, "device.unpin", DEVICE, NONE, CH_OPERATOR_BIT_RELEASER)               \
	X(BASELINE_RETIRE, "baseline.retire", NAME, NEEDED, CH_OPERATOR_BIT_RELEASER)         \
	X(FLEET_ROOT_PUBLISH, "fleet-root.publish", NAME, NEEDED, 0)                          \
	X(ENROLMENT_APPROVE, "enrolment.approve", DIGEST, NONE, CH_OPERATOR_BIT_OPERATOR)     \
	X(ENROLMENT_REFUSE, "enrolment.refuse", DIGEST, NONE, CH_OPERATOR_BIT_OPERATOR)       \
	X(CLOCK_ACCEPT, "clock.accept", NAME, NONE, CH_OPERATOR_BIT_OPERATOR)                 \
	X(RELEASE_PUBLISH, "release.publish", DIGEST, NEEDED, CH_OPERATOR_BIT_RELEASER)       \
	X(RELEASE_WITHDRAW, "release.withdraw", DIGEST, NONE, CH_OPERATOR_BIT_RELEASER)       \
	X(UPDATE_ASSIGN, "update.assign", DEVICE, NEEDED, CH_OPERATOR_BIT_OPERATOR)           \
	X(UPDATE_CANCEL, "update.cancel", DEVICE, NONE, CH_OPERATOR_BIT_OPERATOR)             \
	X(CERTIFICATE_IMPORT, "certificate.import", NAME, NEEDED, 0)                          \
	X(REVOCATION_IMPORT, "revocation.import", DIGEST, NEEDED, 0)                          \
	X(ROLLOUT_CREATE, "rollout.create", NAME, NEEDED, CH_OPERATOR_BIT_OPERATOR)           \
	X(ROLLOUT_PAUSE, "rollout.pause", NAME, NONE, CH_OPERATOR_BIT_OPERATOR)               \
	X(ROLLOUT_RESUME, "rollout.resume", NAME, NONE, CH_OPERATOR_BIT_OPERATOR)             \
	X(ROLLOUT_ABORT, "rollout.abort", NAME, NONE, CH_OPERATOR_BIT_OPERATOR)

#define CH_VERB_ENUM(name, text, subject, payload, roles) CH_VERB_##name,
enum ch_verb { CH_VERBS(CH_VERB_ENUM) CH_VERB_COUNT };
#undef CH_VERB_ENUM

/* "device.quarantine", …; "unknown" for another number. Static. */
const char *ch_verb_str(enum ch_verb verb);
/* The reverse. CH_ERR_UNKNOWN, with *verb untouched, for another word. */
CH_MUST_USE enum ch_err ch_verb_by_name(struct ch_span name, enum ch_verb *verb);
/* True for the verbs whose subject is a device or a class, so that the policy of a class speaks of them. */
bool ch_verb_of_class(enum ch_verb verb);

/* Who an operator is. Stored and sent: never renumbered. */
enum ch_operator_role {
	CH_OPERATOR_NONE = 0,
	CH_OPERATOR_VIEWER = 1,
	CH_OPERATOR_OPERATOR = 2, /* devices, EKs, tokens */
	CH_OPERATOR_RELEASER = 3, /* reference values */
	CH_OPERATOR_AUDITOR = 4,  /* reads everything, evidence included */
	CH_OPERATOR_ADMIN = 5,    /* everything */
	CH_OPERATOR_COUNT = 6,
};
#define CH_OPERATOR_BIT_OPERATOR (1u << CH_OPERATOR_OPERATOR)
#define CH_OPERATOR_BIT_RELEASER (1u << CH_OPERATOR_RELEASER)

/* "none", "viewer", "operator", "releaser", "auditor", "admin"; else "unknown". Static. */
const char *ch_operator_role_str(enum ch_operator_role role);
/* The reverse, "none" excepted. CH_ERR_UNKNOWN, with *role untouched, for another word. */
CH_MUST_USE enum ch_err ch_operator_role_by_name(struct ch_span name, enum ch_operator_role *role);
/* True if an operator of this role may sign this verb; an admin may sign all. */
bool ch_operator_may(enum ch_operator_role role, enum ch_verb verb);

/*
 * What is sent with ek.allow: "class: NAME\n" binds the class that the device with this EK gets, which `class` then names; anything else
 * binds none (empty). CH_ERR_MALFORMED if it begins so and is not of this form. `class` borrows from the payload.
 */
CH_MUST_USE enum ch_err ch_ek_class_parse(struct ch_span *class, struct ch_span payload);

/*
 * What is sent with update.assign: "release: HEX\nmode: soft\n", or forced; HEX is the SHA-256 of the release's file. CH_ERR_MALFORMED for
 * any other text, with nothing written.
 */
#define CH_UPDATE_ASSIGN_MAX 96
CH_MUST_USE enum ch_err ch_update_assign_parse(uint8_t release[static 32], bool *forced, struct ch_span payload);
void ch_update_assign_put(struct ch_wr *w, const uint8_t release[static 32], bool forced);

/* A name that we give (class, operator): 1 to CH_NAME_MAX of a-z 0-9 - _ . with a letter or digit first. */
bool ch_name_valid(struct ch_span name);

#define CH_ACTION_NONCE     16
#define CH_ACTION_SIGNATURE 64

/* The spans borrow from what was parsed. */
struct ch_action {
	uint32_t tenant;
	enum ch_verb verb;
	struct ch_span subject; /* 32 hexadecimal digits of a device, 64 of a digest (EK), or a name */
	bool has_payload;
	uint8_t payload[32];   /* SHA-256 of the payload's bytes; zero without one */
	struct ch_span reason; /* 1 to CH_ACTION_REASON_MAX bytes, every character shown: what ch_text_escape() wrote */
	uint64_t time;         /* seconds since 1970, by the operator's clock */
	uint8_t nonce[CH_ACTION_NONCE];
};

/*
 * Reads a canonical text. Total; everything that ch_action_put() would not have written is refused: CH_ERR_TRUNCATED (it ends
 * early), CH_ERR_TRAILING, CH_ERR_UNSUPPORTED (another version), CH_ERR_UNKNOWN (verb), CH_ERR_ENCODING (a digit in upper case, text
 * that is not escaped), CH_ERR_RANGE (a number, a length), CH_ERR_MISMATCH (subject or payload do not go with the verb).
 */
CH_MUST_USE enum ch_err ch_action_parse(struct ch_action *a, struct ch_span in, struct ch_diag *d);

/* Writes the canonical text, at most CH_ACTION_MAX bytes. CH_ERR_RANGE, and nothing written, if a field is not as above. */
CH_MUST_USE enum ch_err ch_action_put(struct ch_wr *w, const struct ch_action *a);

/*
 * Verifies a signature of CH_ACTION_SIGNATURE bytes over the canonical text: Ed25519 (RFC 8032) or ECDSA over P-256 with SHA-256,
 * r and s of 32 bytes each (as WebCrypto and RFC 7518, 3.4 have it). The first line names the purpose, so that nothing else
 * this key signs can be taken for an action. CH_ERR_SIGNATURE if it does not hold, CH_ERR_KEY for a key of another kind.
 */
CH_MUST_USE enum ch_err ch_action_verify(const struct ch_verify_key *key, struct ch_span canonical,
					 struct ch_span signature);

#endif
