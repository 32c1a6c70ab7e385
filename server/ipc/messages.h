/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_IPC_MESSAGES_H
#define CH_IPC_MESSAGES_H

#include "core/base/err.h"
#include "core/base/limits.h"
#include "core/base/span.h"
#include "core/base/wr.h"
#include "host/sys/chan.h"

/*
 * Every message between the server's processes, on one page. A row of a field list is (kind, name, size):
 *   U8 U16 U32 U64   an unsigned number, big-endian on the wire; the size is not used
 *   FIX              exactly `size` bytes
 *   SPAN             a u32 length and that many bytes, at most `size`; borrowed from the frame
 * From it come the struct, the encoder and the parser: there is no code of a single message.
 */

enum ch_role {
	CH_ROLE_MAIN,
	CH_ROLE_EDGE,
	CH_ROLE_VERIFY,
	CH_ROLE_KEEPER,
	CH_ROLE_READER,
	CH_ROLE_SIGNER,
	CH_ROLE_TOKEN,
	CH_ROLE_COUNT
};

/* "main", "edge", … */
const char *ch_role_str(enum ch_role role);

#define CH_IPC_BODY_MAX        ((size_t)24 << 20) /* body of one HTTP request or answer */
#define CH_IPC_IMAGE_MAX       ((size_t)16 << 20) /* generation image, reference document */
#define CH_IPC_CERT_MAX        4096
#define CH_IPC_TEXT_MAX        1024
#define CH_IPC_HOST_MAX        261 /* a name of DNS and a port */
#define CH_IPC_JSON_MAX        ((size_t)1 << 20)
#define CH_IPC_TPM_MAX         4096 /* one TPM structure */
#define CH_IPC_SPKI_MAX        1024
#define CH_IPC_HASHES_MAX      ((size_t)32 * 4096)
#define CH_IPC_FDS_MAX         4096
#define CH_IPC_STATUS_MAX      ((size_t)64 << 10)
#define CH_IPC_REVOKED         37 /* one row of REVOKE */
#define CH_IPC_REVOKE_MAX      ((size_t)37 * 4096)
#define CH_IPC_OCSP_ID         23 /* one row of OCSP_SIGN */
#define CH_IPC_OCSP_IDS        ((size_t)23 * 8)
#define CH_IPC_OCSP_NULL       0x01 /* the parameters of the hash are NULL, not absent */
#define CH_IPC_OCSP_KNOWN      0x02 /* this server issued it */
#define CH_IPC_RELEASES_MAX    ((size_t)32 * 32)
#define CH_IPC_UNEXPLAINED_MAX 512
#define CH_IPC_REASON_MAX      512 /* of a deployment's state */
#define CH_IPC_ATTRS_MAX       ((size_t)CH_DDI_ATTRS_MAX * (4 + CH_DDI_NAME_MAX + CH_DDI_VALUE_MAX))
#define CH_IPC_LINKS           7 /* one byte a link: its tier, 0 where there is none */

/* clang-format off */

/* --- main and its children --- */

/* The first frame on descriptor 3. `fds`: rows of {u8 kind, u8 index, u16 descriptor} (child.h). `config`: of this role, config.h. */
#define CH_FIELDS_START(F) \
	F(U8, role, 0) F(U32, index, 0) F(U32, uid, 0) F(U32, gid, 0) F(SPAN, root, CH_IPC_TEXT_MAX) \
	F(SPAN, fds, CH_IPC_FDS_MAX) F(SPAN, config, CH_IPC_IMAGE_MAX)
/* The sandbox is up and the loop runs. `sandbox`: what is active, for people. */
#define CH_FIELDS_READY(F) F(SPAN, sandbox, CH_IPC_TEXT_MAX)
/* A new end of a channel, to take the place of the one of this kind and index; comes with its descriptor. */
#define CH_FIELDS_PEER(F) F(U8, kind, 0) F(U8, index, 0)
/* Drain and exit with 0. */
#define CH_FIELDS_STOP(F) F(U32, grace_ms, 0)
/* The configuration of this role was read again: as in START. */
#define CH_FIELDS_RELOAD(F) F(SPAN, config, CH_IPC_IMAGE_MAX)
/* Lines of Prometheus text about this process, sent about once a second when something changed. */
#define CH_FIELDS_STATUS(F) F(SPAN, metrics, CH_IPC_STATUS_MAX)

/* --- requests of devices and operators --- */

/*
 * One HTTP request that the edge admitted. `device` and `cert_sha256` are of the client's certificate, zeros without one;
 * `role` is the operator's (view.h), 0 for a device. `path` is the path as it was matched, its parameters found by the route; `host` the
 * server as the client calls it (Host), of requests whose answer has links, else empty.
 */
#define CH_FIELDS_REQUEST(F) \
	F(U16, route, 0) F(U8, role, 0) F(FIX, device, 16) F(FIX, cert_sha256, 32) F(FIX, operator_key, 32) \
	F(U32, slot, 0) F(U64, deadline_ms, 0) F(SPAN, remote, 64) F(SPAN, idempotency_key, 64) \
	F(SPAN, path, CH_IPC_TEXT_MAX) F(SPAN, query, CH_IPC_TEXT_MAX) F(SPAN, host, CH_IPC_HOST_MAX) F(SPAN, body, CH_IPC_BODY_MAX)
/* The answer: an HTTP status and its body. `retry_after` in seconds, 0 for none. */
#define CH_FIELDS_ANSWER(F) \
	F(U16, status, 0) F(U32, retry_after, 0) F(SPAN, type, 128) F(SPAN, body, CH_IPC_BODY_MAX)

/* Instead of an ANSWER: the file that comes with this message is what was asked for, whole. `tag` names its bytes. */
/* All of a file, or (offset not 0) a part of one. */
#define CH_FIELDS_ARTIFACT(F) F(U64, size, 0) F(FIX, tag, 32) F(U64, offset, 0)
/*
 * One request of EST (RFC 7030). `peer`: enum ch_est_peer; `certificate` (DER) is an IDevID's; `binding`: what links a request to this
 * connection (tls-unique, or tls-exporter), empty where there is nothing that does; `authorization`: the header field's value;
 * `wrap` 1: the client reads base64 in lines only.
 */
#define CH_FIELDS_EST(F) \
	F(U16, route, 0) F(U8, peer, 0) F(U8, wrap, 0) F(FIX, device, 16) F(FIX, cert_sha256, 32) \
	F(SPAN, label, 64) F(SPAN, certificate, 16384) F(SPAN, binding, 64) F(SPAN, authorization, CH_IPC_TEXT_MAX) \
	F(SPAN, body, CH_IPC_BODY_MAX)
/* Whose certificate came with the connection. */
enum ch_est_peer { CH_EST_NOBODY, CH_EST_DEVICE, CH_EST_IDEVID };
/* By what right a certificate is asked for. */
enum ch_est_by { CH_EST_BY_TOKEN = 1, CH_EST_BY_DEVICE, CH_EST_BY_IDEVID, CH_EST_BY_COUNT };
/* Whether the request is linked to its connection (RFC 7030, 3.5). */
enum ch_est_link { CH_EST_LINK_BROKEN, CH_EST_LINK_NONE, CH_EST_LINK_HOLDS };

/* --- verify and keeper --- */

/* What must be known of a device to judge its evidence. */
/* `log_from` and `ima_from`: how many bytes of the logs that were accepted last are wanted. */
#define CH_FIELDS_CONTEXT_ASK(F) F(FIX, device, 16) F(U64, log_from, 0) F(U64, ima_from, 0)
/*
 * `status` is 0 if the device is there. `evidence` is the piece that was accepted last; the logs are the beginnings of its logs, as far as
 * they were asked for: fewer bytes if it has not so many. `pinned`: reference values of this device alone, and their number; 0 and empty
 * if there are none.
 */
#define CH_FIELDS_CONTEXT(F) \
	F(U8, status, 0) F(U8, state, 0) F(U8, platform_tier, 0) F(U64, generation, 0) F(U64, evidence, 0) F(SPAN, class_name, 64) \
	F(SPAN, ak_public, CH_IPC_TPM_MAX) F(SPAN, ek_public, CH_IPC_TPM_MAX) F(U8, has_last, 0) \
	F(U64, last_clock, 0) F(U32, last_reset, 0) F(U32, last_restart, 0) F(U64, last_firmware, 0) \
	F(U64, pinned_number, 0) F(SPAN, pinned, CH_IPC_JSON_MAX) F(SPAN, eventlog, CH_IPC_BODY_MAX) F(SPAN, ima, CH_IPC_BODY_MAX)
/* A device that must show that it holds the EK. `ek_sha256`: SHA-256 of the EK's TPMT_PUBLIC. Answered by ANSWER with status 200. */
#define CH_FIELDS_ENROL_PENDING(F) \
	F(FIX, enrol, 16) F(FIX, secret, 32) F(FIX, ek_sha256, 32) F(U8, platform_tier, 0) \
	F(SPAN, ek_public, CH_IPC_TPM_MAX) F(SPAN, ek_cert, 16384) F(SPAN, ak_public, CH_IPC_TPM_MAX) \
	F(SPAN, ak_spki, CH_IPC_SPKI_MAX) F(SPAN, key_spki, CH_IPC_SPKI_MAX) F(SPAN, class_name, 64) \
	F(SPAN, hostname, 255) F(SPAN, platform, CH_IPC_JSON_MAX)
#define CH_FIELDS_ENROL_FINISH(F) F(FIX, enrol, 16) F(FIX, secret, 32)
/* A device without a TPM: the proof that it holds the key was verified. */
#define CH_FIELDS_ENROL_TOKEN(F) \
	F(FIX, token_sha256, 32) F(SPAN, key_spki, CH_IPC_SPKI_MAX) F(SPAN, hostname, 255)
/*
 * Appraised evidence. `msg`, `sig` and `nonce` are what the keeper checks again itself: TPMS_ATTEST, and the signature as
 * TPMT_SIGNATURE. `generation` and `pinned` are what judged it. `result` is the EAR claims set, `reasons` a JSON array. The logs that were
 * judged are the first `log_from` and `ima_from` bytes of those of the piece `after`, which CONTEXT named, and then what is here.
 * `ima_sha256`, of the whole list, counts where `ima_from` is not 0. `releases`: SHA-256 of the reference values of each release that
 * explains the boot whole, 32 bytes each; `unexplained`: why it is not explained, one line for people, empty if it is.
 */
#define CH_FIELDS_COMMIT(F) \
	F(FIX, device, 16) F(FIX, cert_sha256, 32) F(U8, history, 0) F(U64, collected, 0) F(U64, generation, 0) F(U64, pinned, 0) \
	F(FIX, links, CH_IPC_LINKS) F(FIX, nonce, 32) F(U64, clock, 0) F(U32, reset, 0) F(U32, restart, 0) \
	F(U64, firmware, 0) F(SPAN, idempotency_key, 64) F(SPAN, msg, CH_IPC_TPM_MAX) \
	F(SPAN, sig, CH_IPC_TPM_MAX) F(SPAN, result, CH_IPC_JSON_MAX) F(SPAN, reasons, CH_IPC_JSON_MAX) \
	F(U64, after, 0) F(U64, log_from, 0) F(U64, ima_from, 0) F(FIX, ima_sha256, 32) \
	F(SPAN, eventlog, CH_IPC_BODY_MAX) F(SPAN, ima, CH_IPC_BODY_MAX) \
	F(SPAN, releases, CH_IPC_RELEASES_MAX) F(SPAN, unexplained, CH_IPC_UNEXPLAINED_MAX) \
	F(FIX, ostree, 32)  /* the commit that the device says it booted; zeros: none */ \
	F(SPAN, agent, 64) /* what program it says it is, and which version; empty: nothing */
/*
 * A new key of an enrolled device; that its AK certified it was verified, and is told by `certify`/`certify_sig`. Of a device without a TPM
 * both are empty: that it holds the key was verified, and it may be the one that it has.
 */
#define CH_FIELDS_RENEW(F) \
	F(FIX, device, 16) F(FIX, cert_sha256, 32) F(SPAN, key_spki, CH_IPC_SPKI_MAX) \
	F(SPAN, certify, CH_IPC_TPM_MAX) F(SPAN, certify_sig, CH_IPC_TPM_MAX)
/*
 * A request for a certificate by EST that holds: possession is proven, it asks for nothing beyond the profile `label`. `by`: enum
 * ch_est_by; `identity`: SHA-256 of the token, or of the certificate that asked. `device` is of a known certificate; `link`: enum ch_est_link. `name`: what
 * the request says the device is called. Answered by ANSWER: 200 with the certificate (DER), 202, or an error.
 */
#define CH_FIELDS_EST_ENROL(F) \
	F(U8, by, 0) F(U8, again, 0) F(U8, link, 0) F(FIX, identity, 32) F(FIX, device, 16) F(SPAN, label, 64) F(SPAN, name, 64) \
	F(SPAN, key_spki, CH_IPC_SPKI_MAX)
/* An operator's signed action (core/trust/action.h). `signatures`: rows of {key id 32, u8 length, signature}. */
#define CH_FIELDS_ACTION(F) \
	F(FIX, operator_key, 32) F(SPAN, action, 4096) F(SPAN, signatures, 1024) \
	F(SPAN, payload, CH_IPC_IMAGE_MAX)
/*
 * What a device says about a deployment. `state` is a word of core/update/state.h; `progress` 0 to 100, 255: nothing said. Answered by
 * ANSWER.
 */
#define CH_FIELDS_FEEDBACK(F) \
	F(FIX, device, 16) F(U64, deployment, 0) F(U8, progress, 0) F(SPAN, state, 16) F(SPAN, reason, CH_IPC_TEXT_MAX) F(SPAN, slot, 64)
/*
 * The same in the words of hawkBit's DDI, from `controller`, which is to be the device. `cancels` 1: it is about the cancellation; `execution` and
 * `finished`: core/update/ddi.h. `text` is what is kept, `reason` its beginning for a list, both escaped.
 */
#define CH_FIELDS_DDI_FEEDBACK(F) \
	F(FIX, device, 16) F(SPAN, controller, 128) F(U64, action, 0) F(U8, cancels, 0) F(U8, execution, 0) F(U8, finished, 0) \
	F(U8, progress, 0) F(SPAN, text, CH_DDI_TEXT_MAX) F(SPAN, reason, CH_IPC_REASON_MAX)
/*
 * Attributes that a device tells of itself. `mode`: core/update/ddi.h; `rows`: u16 and a name, u16 and a value, each attribute; escaped, names
 * once.
 */
#define CH_FIELDS_DDI_CONFIG(F) \
	F(FIX, device, 16) F(SPAN, controller, 128) F(U8, mode, 0) F(SPAN, rows, CH_IPC_ATTRS_MAX)
/* Input of a device during which a verify died, told by the edge; only its digest is kept. */
#define CH_FIELDS_FATAL_INPUT(F) F(FIX, device, 16) F(FIX, body_sha256, 32) F(U16, route, 0)
/* Policy and reference values from now on (core/trust/generation.h). */
#define CH_FIELDS_GENERATION(F) F(U64, number, 0) F(SPAN, image, CH_IPC_IMAGE_MAX)

/* What a verify made of it: `status` 0, it judges by it; else nothing is judged by it until the next, and `rule` says why. */
#define CH_FIELDS_GENERATION_TAKEN(F) F(U64, number, 0) F(U8, status, 0) F(SPAN, rule, CH_IPC_TEXT_MAX)

/* --- keeper and signer --- */

#define CH_ISSUE_PROFILE 3
/*
 * A certificate for a key. `profile`: 1 device, 2 operator, 3 the certificate profile `label`, in which {name} stands for `name` and
 * {device} for `subject`. Times in seconds since 1970.
 */
#define CH_FIELDS_ISSUE(F) \
	F(U8, profile, 0) F(FIX, subject, 16) F(FIX, serial, 16) F(U64, now, 0) F(U64, lifetime, 0) \
	F(SPAN, spki, CH_IPC_SPKI_MAX) F(SPAN, label, 64) F(SPAN, name, 64)
/* `status` is 0 if it was issued, else `rule` says why not. */
#define CH_FIELDS_ISSUED(F) \
	F(U8, status, 0) F(U64, not_after, 0) F(SPAN, certificate, CH_IPC_CERT_MAX) \
	F(SPAN, rule, CH_IPC_TEXT_MAX)
/* The leaf hashes first, first + 1, …: 32 bytes each. None: only asks for the signer's last checkpoint. */
#define CH_FIELDS_LEAVES(F) F(U64, first, 0) F(SPAN, hashes, CH_IPC_HASHES_MAX)
/* `status` 0: signed. 1: `first` is not the signer's size; size and root are its own. `note` is the signed checkpoint. */
#define CH_FIELDS_CHECKPOINT(F) F(U8, status, 0) F(U64, size, 0) F(FIX, root, 32) F(SPAN, note, CH_IPC_CERT_MAX)

/* --- reader and signer --- */

#define CH_FIELDS_EAR_SIGN(F) F(SPAN, claims, CH_IPC_JSON_MAX)
#define CH_FIELDS_EAR(F) F(U8, status, 0) F(SPAN, jwt, CH_IPC_BODY_MAX)
/* The public keys of this server as a JWK set. */
#define CH_FIELDS_KEYS_ASK(F) F(U8, unused, 0)
#define CH_FIELDS_KEYS(F) F(SPAN, jwks, CH_IPC_JSON_MAX) F(SPAN, log_key, CH_IPC_TEXT_MAX)

/* --- keeper and edge --- */

/* Close every session of this device (of this certificate, if it is not zeros) for the response intent `intent`. */
#define CH_FIELDS_CUT(F) F(U64, intent, 0) F(FIX, device, 16) F(FIX, cert_sha256, 32)
#define CH_FIELDS_CUT_DONE(F) F(U64, intent, 0) F(U32, closed, 0) F(U64, done_ms, 0)
/* What happened, for those who listen. */
#define CH_FIELDS_EVENT(F) F(U64, seq, 0) F(SPAN, kind, 32) F(SPAN, json, 65536)

/* --- revocation --- */

/*
 * Certificates that are revoked, rows of CH_IPC_REVOKED bytes: serial number 20 (a number, leading zeros first), time u64, CRLReason u8, end of
 * the certificate u64; times in seconds. `more`: others follow, nothing is to be signed yet. None, and not `more`: a new list of what is
 * known, whether or not something changed.
 */
#define CH_FIELDS_REVOKE(F) F(U8, more, 0) F(SPAN, rows, CH_IPC_REVOKE_MAX)
/* `status` 0: the list, signed (RFC 5280). 1: it could not be signed or kept. 2: the rows were not taken. Goes on from keeper to edges. */
#define CH_FIELDS_CRL(F) \
	F(U8, status, 0) F(U32, count, 0) F(U64, number, 0) F(U64, this_update, 0) F(U64, next_update, 0) \
	F(SPAN, list, CH_IPC_BODY_MAX)
/* REVOKE of an earlier CA: `ca` is SHA-256 of its certificate. */
#define CH_FIELDS_REVOKE_EARLIER(F) F(FIX, ca, 32) F(U8, more, 0) F(SPAN, rows, CH_IPC_REVOKE_MAX)
/* CRL of an earlier CA. `status` 3: its key is not here, nothing of it is signed. */
#define CH_FIELDS_CRL_EARLIER(F) \
	F(FIX, ca, 32) F(U8, status, 0) F(U32, count, 0) F(U64, number, 0) F(U64, this_update, 0) F(U64, next_update, 0) \
	F(SPAN, list, CH_IPC_BODY_MAX)
/*
 * An answer of OCSP (RFC 6960) is to be signed now. `ids`: rows of CH_IPC_OCSP_ID bytes: hash u16 (enum ch_hash_alg), flags u8
 * (CH_IPC_OCSP_*), serial number 20. `ca`: SHA-256 of the certificate of an earlier CA; zeros: the one that issues. From an edge to
 * the keeper, which says what it knows, and on to the signer.
 */
#define CH_FIELDS_OCSP_SIGN(F) F(FIX, ca, 32) F(SPAN, ids, CH_IPC_OCSP_IDS) F(SPAN, nonce, 128)
/* The answer, the way back. `status`: OCSPResponseStatus; without an answer unless it is 0. */
#define CH_FIELDS_OCSP(F) \
	F(U8, status, 0) F(U64, this_update, 0) F(U64, next_update, 0) F(SPAN, answer, CH_IPC_CERT_MAX)
/* The same for every edge, to be given to whoever asks about `id`, until it is replaced. */
#define CH_FIELDS_OCSP_ANSWER(F) \
	F(FIX, ca, 32) F(FIX, id, 23) F(U64, this_update, 0) F(U64, next_update, 0) F(SPAN, answer, CH_IPC_CERT_MAX)
/* What is kept about this certificate holds no more: it was revoked. */
#define CH_FIELDS_OCSP_DROP(F) F(FIX, ca, 32) F(FIX, serial, 20)

/* --- signer and token --- */

/* A signature of the CA's key over this SHA-256 digest. Asked again under the same id when the token was restarted. */
#define CH_FIELDS_TOKEN_SIGN(F) F(FIX, digest, 32)
/* ECDSA on P-256: r and s. A token that cannot sign ends instead. */
#define CH_FIELDS_TOKEN_SIGNED(F) F(FIX, signature, 64)

/* In a test build of a child only: run break-out attempt `n`, answer with what came of it. */
#define CH_FIELDS_EVIL(F) F(U32, n, 0)
#define CH_FIELDS_EVIL_DONE(F) F(U32, n, 0) F(U32, error, 0)

/* clang-format on */

/* Numbers are for ever: a new message goes to the end. */
#define CH_MESSAGES(X)                        \
	X(START, start)                       \
	X(READY, ready)                       \
	X(PEER, peer)                         \
	X(STOP, stop)                         \
	X(RELOAD, reload)                     \
	X(STATUS, status)                     \
	X(REQUEST, request)                   \
	X(ANSWER, answer)                     \
	X(CONTEXT_ASK, context_ask)           \
	X(CONTEXT, context)                   \
	X(ENROL_PENDING, enrol_pending)       \
	X(ENROL_FINISH, enrol_finish)         \
	X(ENROL_TOKEN, enrol_token)           \
	X(COMMIT, commit)                     \
	X(RENEW, renew)                       \
	X(ACTION, action)                     \
	X(FATAL_INPUT, fatal_input)           \
	X(GENERATION, generation)             \
	X(ISSUE, issue)                       \
	X(ISSUED, issued)                     \
	X(LEAVES, leaves)                     \
	X(CHECKPOINT, checkpoint)             \
	X(EAR_SIGN, ear_sign)                 \
	X(EAR, ear)                           \
	X(KEYS_ASK, keys_ask)                 \
	X(KEYS, keys)                         \
	X(CUT, cut)                           \
	X(CUT_DONE, cut_done)                 \
	X(EVENT, event)                       \
	X(EVIL, evil)                         \
	X(EVIL_DONE, evil_done)               \
	X(REVOKE, revoke)                     \
	X(CRL, crl)                           \
	X(OCSP_SIGN, ocsp_sign)               \
	X(OCSP, ocsp)                         \
	X(OCSP_ANSWER, ocsp_answer)           \
	X(OCSP_DROP, ocsp_drop)               \
	X(EST, est)                           \
	X(EST_ENROL, est_enrol)               \
	X(GENERATION_TAKEN, generation_taken) \
	X(TOKEN_SIGN, token_sign)             \
	X(TOKEN_SIGNED, token_signed)         \
	X(FEEDBACK, feedback)                 \
	X(REVOKE_EARLIER, revoke_earlier)     \
	X(CRL_EARLIER, crl_earlier)           \
	X(ARTIFACT, artifact)                 \
	X(DDI_FEEDBACK, ddi_feedback)         \
	X(DDI_CONFIG, ddi_config)

#define CH_MESSAGE_ENUM(name, lower) CH_MSG_##name,
enum ch_msg { CH_MSG_NONE = 0, CH_MESSAGES(CH_MESSAGE_ENUM) CH_MSG_COUNT };
#undef CH_MESSAGE_ENUM

#define CH_MEMBER_U8(name, size)    uint8_t name;
#define CH_MEMBER_U16(name, size)   uint16_t name;
#define CH_MEMBER_U32(name, size)   uint32_t name;
#define CH_MEMBER_U64(name, size)   uint64_t name;
#define CH_MEMBER_FIX(name, size)   uint8_t name[size];
#define CH_MEMBER_SPAN(name, size)  struct ch_span name;
#define CH_MEMBER(kind, name, size) CH_MEMBER_##kind(name, size)
#define CH_MESSAGE_STRUCT(upper, lower)      \
	struct ch_msg_##lower {              \
		CH_FIELDS_##upper(CH_MEMBER) \
	};
CH_MESSAGES(CH_MESSAGE_STRUCT)
#undef CH_MESSAGE_STRUCT

/* "COMMIT"; "?" for a number that is none. */
const char *ch_msg_str(unsigned type);

/*
 * Parses the payload of a message into its struct `to` (struct ch_msg_*), which then borrows from it. Everything must be
 * consumed. CH_ERR_TRUNCATED, CH_ERR_TRAILING, CH_ERR_LIMIT with the place in `d`; `to` is zeroed then.
 */
CH_MUST_USE enum ch_err ch_msg_parse(enum ch_msg type, void *to, struct ch_span payload, struct ch_diag *d);
/* Bytes that the message takes. */
size_t ch_msg_size(enum ch_msg type, const void *msg);
/* Appends it. A span above its limit is a programmer's error and aborts. */
void ch_msg_put(enum ch_msg type, const void *msg, struct ch_wr *w);

/* Queues the message on a channel. */
void ch_msg_send(struct ch_chan *c, enum ch_msg type, uint64_t id, const void *msg);

/*
 * Which message may go from whom to whom, and what the receiver does of it: a table (permit.c). False for anything else: the
 * receiver ends the channel then. `once` keeps what may come only once on this channel; zeros at first.
 */
struct ch_permit_once {
	uint64_t seen;
};
bool ch_msg_permitted(struct ch_permit_once *once, enum ch_role from, enum ch_role to, unsigned type);
/* True if there is any message that a process of this role may send to the other: there may be a channel then. */
bool ch_role_talks(enum ch_role from, enum ch_role to);

#endif
