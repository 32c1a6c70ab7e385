/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_MESSAGES_H
#define CH_AGENT_MESSAGES_H

#include "core/base/err.h"
#include "core/base/limits.h"
#include "host/sys/chan.h"

/*
 * Every message between the agent's processes, on one page. A row of a field list is (kind, name, size):
 *   U8 U16 U32 U64   an unsigned number, big-endian on the wire; the size is not used
 *   FIX              exactly `size` bytes
 *   SPAN             a u32 length and that many bytes, at most `size`; borrowed from the frame
 */

enum ag_role { AG_MAIN, AG_TPM, AG_NET, AG_COLLECT, AG_APPLY, AG_ROLE_COUNT };

/* "main", "tpm", "net", "collect", "apply". */
const char *ag_role_str(enum ag_role role);

#define AG_TEXT_MAX  1024
#define AG_TPM_MAX   4096               /* one TPM structure */
#define AG_CERT_MAX  16384              /* one certificate, or one chain as PEM */
#define AG_BODY_MAX  ((size_t)24 << 20) /* body of one HTTP request */
#define AG_PAGE_MAX  ((size_t)64 << 10) /* what is told of an answer */
#define AG_NONCE     32
#define AG_DIGEST    32
#define AG_SECRET    32 /* of a credential: at most the digest of the EK's name algorithm, and we make it 32 */
#define AG_RS        64 /* r and s on P-256 */
#define AG_DEVICE    16
#define AG_PIECE_MAX ((size_t)256 << 10) /* of an artefact, in one message */
#define AG_PROOF_MAX ((size_t)160 << 10) /* of a release (core/update/release_proof.h) */

/* clang-format off */

/* --- main and its children: the first frame on descriptor 3; `uid`, `gid` are what the child becomes --- */

/* `tcti`: of tpm2-tss, or "none" for a key in a file. `ek`: "auto", "rsa-2048", "p-256", "p-384". `root`: folder of its state. */
#define AG_FIELDS_START_TPM(F) \
	F(U32, uid, 0) F(U32, gid, 0) F(SPAN, root, AG_TEXT_MAX) F(SPAN, tcti, AG_TEXT_MAX) F(SPAN, ek, 16)
/*
 * `servers`: "host:port" a line, tried in this order; `ca`: PEM of the roots that may vouch for them; both empty where TRUST will say
 * it; `proxy`: "host:port" or empty.
 */
#define AG_FIELDS_START_NET(F) \
	F(U32, uid, 0) F(U32, gid, 0) F(SPAN, servers, AG_PAGE_MAX) F(SPAN, ca, AG_PAGE_MAX) \
	F(SPAN, proxy, AG_TEXT_MAX)
/* `fleet_root`: the document that was provisioned, or empty. `has_eventlog`, `has_ima`: the descriptor is there. `token` is empty or the one-time token. `once`: attest once, then end. */
#define AG_FIELDS_START_COLLECT(F) \
	F(U32, uid, 0) F(U32, gid, 0) F(SPAN, root, AG_TEXT_MAX) F(U8, has_eventlog, 0) F(U8, has_ima, 0) \
	F(U8, once, 0) F(U8, software, 0) F(U32, interval, 0) F(U32, poll, 0) F(U64, built, 0) F(SPAN, class_name, 64) \
	F(SPAN, hostname, 255) F(SPAN, token, AG_TEXT_MAX) F(SPAN, boot_id, 64) F(SPAN, fleet_root, AG_PAGE_MAX) \
	F(FIX, ostree, AG_DIGEST) /* the commit that was booted; zeros: none */
/*
 * `root`: the spool. `bus`: address of the D-Bus that RAUC is on, empty: there is no RAUC. `fleet_root`: the document that was
 * provisioned. `class_name`: of the configuration, or empty: then it is the one that the server gave at the enrolment.
 */
#define AG_FIELDS_START_APPLY(F) \
	F(SPAN, root, AG_TEXT_MAX) F(SPAN, bus, AG_TEXT_MAX) F(U64, built, 0) F(SPAN, class_name, 64) F(SPAN, boot_id, 64) \
	F(SPAN, fleet_root, AG_PAGE_MAX)
/* What was installed is to run: start the machine again. */
#define AG_FIELDS_REBOOT(F)
/* Confined and at work. `sandbox`: what is active, for people. */
#define AG_FIELDS_READY(F) F(SPAN, sandbox, AG_TEXT_MAX)
/* Attest now (SIGHUP). */
#define AG_FIELDS_NOW(F)
/* The page of the status file, as JSON; `ok`: the last attestation was accepted. */
#define AG_FIELDS_STATUS(F) F(U8, ok, 0) F(SPAN, page, AG_PAGE_MAX)
/* With `once`: it is done. `ok` as above. */
#define AG_FIELDS_DONE(F) F(U8, ok, 0)

/* --- tpm: the only process with a key. Every answer has `error`, a sentence for the log; empty if it went well --- */

/* A new device key, certified by the AK; what was made before and is not `keep` is removed (0: all of it). */
#define AG_FIELDS_IDENTIFY(F) F(U32, keep, 0)
/*
 * `ek_public`, `ak_public`, `key_public` are TPM2B_PUBLIC, `certify` TPMS_ATTEST, `certify_sig` TPMT_SIGNATURE; `ek_cert` as it
 * stands in NV memory, or empty; `ek_chain` the certificates above it, one after the other, where the maker left them there. Without a TPM only `key_public` is there: a SubjectPublicKeyInfo.
 */
#define AG_FIELDS_IDENTITY(F) \
	F(SPAN, error, AG_TEXT_MAX) F(U32, key, 0) F(SPAN, ek_cert, AG_CERT_MAX) F(SPAN, ek_chain, AG_CERT_MAX) F(SPAN, ek_public, AG_TPM_MAX) \
	F(SPAN, ak_public, AG_TPM_MAX) F(SPAN, key_public, AG_TPM_MAX) F(SPAN, certify, AG_TPM_MAX) \
	F(SPAN, certify_sig, AG_TPM_MAX)
/* TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET of the server's challenge. */
#define AG_FIELDS_ACTIVATE(F)  F(SPAN, blob, AG_TPM_MAX) F(SPAN, secret, AG_TPM_MAX)
#define AG_FIELDS_ACTIVATED(F) F(SPAN, error, AG_TEXT_MAX) F(SPAN, secret, 64)
/*
 * Proof of the key for an enrolment by token, or (`renews` 1) a renewal: the process makes the digest itself, so that this is all that can be
 * signed so. `whose_sha256`: of the token, or of the device's id.
 */
#define AG_FIELDS_PROVE(F) F(U32, key, 0) F(U8, renews, 0) F(FIX, whose_sha256, AG_DIGEST)
/* ECDSA-Sig-Value (RFC 3279, 2.2.3), and the key's SubjectPublicKeyInfo. */
#define AG_FIELDS_PROVED(F) F(SPAN, error, AG_TEXT_MAX) F(SPAN, proof, 128) F(SPAN, public_key, AG_TPM_MAX)
/* The TLS key `key` over a digest of SHA-256. */
#define AG_FIELDS_SIGN(F) F(U32, key, 0) F(FIX, digest, AG_DIGEST)
/* r and s. */
#define AG_FIELDS_SIGNED(F) F(SPAN, error, AG_TEXT_MAX) F(FIX, rs, AG_RS)
/* `key` is the one that has a certificate: the others are removed. */
#define AG_FIELDS_KEEP(F) F(U32, key, 0)
#define AG_FIELDS_KEPT(F) F(SPAN, error, AG_TEXT_MAX)
#define AG_FIELDS_QUOTE(F) F(FIX, nonce, AG_NONCE)
/* TPMS_ATTEST and TPMT_SIGNATURE. */
#define AG_FIELDS_QUOTED(F) F(SPAN, error, AG_TEXT_MAX) F(SPAN, quote, AG_TPM_MAX) F(SPAN, signature, AG_TPM_MAX)

/* --- net: the only process with the network --- */

/* The certificate to show from now on, leaf first, and the key it is for. An open connection ends. No answer. */
#define AG_FIELDS_CERTIFICATE(F) F(U32, key, 0) F(SPAN, chain, AG_CERT_MAX)
/* One request of the device API; `route` is an enum ag_route, `number` stands in its path if it has a place for one. It is not earlier than `floor`, whatever the clock says. Answered by the message that the route's row names. */
#define AG_FIELDS_CALL(F) F(U8, route, 0) F(U64, number, 0) F(U64, floor, 0) F(SPAN, idempotency_key, 64) F(SPAN, body, AG_BODY_MAX)

/* Whom to talk to from now on, in place of what START_NET or another TRUST said. An open connection ends. No answer. */
#define AG_FIELDS_TRUST(F) F(SPAN, servers, AG_PAGE_MAX) F(SPAN, ca, AG_PAGE_MAX)
/*
 * Bytes by their digest, over a connection that is trusted: `what` is an enum ag_what. Of an artefact `count` bytes from `offset` on,
 * or as many as there are; of the others all.
 */
#define AG_FIELDS_FETCH(F) F(U8, what, 0) F(FIX, sha256, AG_DIGEST) F(U64, offset, 0) F(U32, count, 0) F(U64, floor, 0)
/*
 * A version of the fleet root from server `nth` of the list, over the open connection if `nth` is 0 and there is one, else over one
 * that is not judged and on which no certificate is shown: only the signatures of the document count.
 */
#define AG_FIELDS_FETCH_ROOT(F) F(U64, version, 0) F(U32, nth, 0) F(U64, floor, 0)
/* `status` of HTTP, 0 if the server was not reached; `places`: how many servers there are; `note`: the document, if it is 200. */
#define AG_FIELDS_ROOT_ANSWER(F) F(U16, status, 0) F(U32, places, 0) F(SPAN, note, AG_PAGE_MAX)

/* --- apply: the only process that is root; it judges releases, keeps their bytes and has RAUC install them. Every request is answered by UPDATE_STATE --- */

/* How it stands. `slots`: what RAUC says of its slots is wanted, too. */
#define AG_FIELDS_UPDATE_ASK(F) F(U8, slots, 0)
/* The next version of the fleet root after the one that apply has. */
#define AG_FIELDS_UPDATE_ROOT(F) F(SPAN, note, AG_PAGE_MAX)
/*
 * A release for this device. `time`: what is known for certain of the time. `class_name`: of the device. `document`: the release as
 * it is signed; `proof`: what shows that it is in the log (core/update/release_proof.h).
 */
#define AG_DEPLOYMENT_BY_HAND 1 /* of `chainhold-agent install`; a server's are larger */
#define AG_FIELDS_UPDATE_OFFER(F) \
	F(U64, deployment, 0) F(U64, time, 0) F(SPAN, class_name, 64) F(SPAN, document, CH_RELEASE_FILE_MAX) \
	F(SPAN, proof, AG_PROOF_MAX)
/* Bytes of the artefact, which go where the last ones ended. */
#define AG_FIELDS_UPDATE_BYTES(F) F(U64, offset, 0) F(SPAN, bytes, AG_PIECE_MAX)
/* All bytes are there: check them and install. */
#define AG_FIELDS_UPDATE_INSTALL(F)
/* The server knows that it is installed: start the machine again. */
#define AG_FIELDS_UPDATE_REBOOT(F)
/* The server has seen what runs, and wants it to stay. */
#define AG_FIELDS_UPDATE_GOOD(F)
/* The server offers it no more. */
#define AG_FIELDS_UPDATE_DROP(F)
/*
 * `error`: why the request was not done, and may be later; empty if it was. `phase`: an enum ag_phase. `root`: version of the fleet
 * root that apply has. `provable`: the release says what a boot of it measures. `size`, `offset`: bytes of the artefact, and how many of them are there; `sha256`: its name at the server.
 * `percent`, `reason`: of an installation, of a refusal. `slot`: what the boot loader calls the slot that runs, if it is known;
 * `slots`: what RAUC says of all of them, as JSON.
 */
#define AG_FIELDS_UPDATE_STATE(F) \
	F(SPAN, error, AG_TEXT_MAX) F(U8, phase, 0) F(U64, root, 0) F(U64, deployment, 0) F(FIX, release, AG_DIGEST) \
	F(SPAN, name, 64) F(SPAN, version, 64) F(U64, sequence, 0) F(U8, provable, 0) F(U64, size, 0) F(U64, offset, 0) F(FIX, sha256, AG_DIGEST) F(U8, percent, 0) \
	F(SPAN, reason, AG_TEXT_MAX) F(SPAN, slot, 64) F(SPAN, slots, AG_PAGE_MAX)

/* What every answer begins with: `status` of HTTP, 0 if no server was reached; `code`: of a refusal; `error`: why, for the log. */
#define AG_ANSWER(F)           F(U16, status, 0) F(U32, retry_after, 0) F(SPAN, code, 64) F(SPAN, error, AG_TEXT_MAX)
#define AG_FIELDS_ENROLLING(F) AG_ANSWER(F) F(FIX, enrol, 16) F(SPAN, blob, AG_TPM_MAX) F(SPAN, secret, AG_TPM_MAX)
/* `certificate` and `chain` as PEM. Times in seconds since 1970. */
#define AG_FIELDS_CERTIFIED(F) \
	AG_ANSWER(F) F(FIX, device, AG_DEVICE) F(SPAN, class_name, 64) F(SPAN, certificate, AG_CERT_MAX) \
	F(SPAN, chain, AG_CERT_MAX) F(U64, not_after, 0) F(U64, time, 0)
/* `fleet_root`: the newest version that the server has, 0: none. */
#define AG_FIELDS_CHALLENGED(F) \
	AG_ANSWER(F) F(FIX, nonce, AG_NONCE) F(U64, expires, 0) F(U64, time, 0) F(U64, log_size, 0) \
	F(FIX, log_sha256, AG_DIGEST) F(U64, ima_size, 0) F(FIX, ima_sha256, AG_DIGEST) F(U32, interval, 0) \
	F(U64, fleet_root, 0)
/* `chain`: a tier; `reasons`: a sentence a line, escaped; `update`: a deployment that is offered, or empty. */
#define AG_FIELDS_JUDGED(F) \
	AG_ANSWER(F) F(SPAN, chain, 32) F(SPAN, state, 32) F(SPAN, reasons, AG_PAGE_MAX) F(U64, evidence, 0) \
	F(U64, time, 0) F(U8, renew, 0) F(U32, reattest_in, 0) F(SPAN, update, 20)
/* Whether there is anything to do; `reattest`, `renew`: the server waits for it. */
#define AG_FIELDS_POLLED(F) \
	AG_ANSWER(F) F(SPAN, chain, 32) F(SPAN, state, 32) F(U8, reattest, 0) F(U8, renew, 0) F(U64, time, 0) \
	F(U8, update, 0)
/* The newest deployment of this device, which may be over: its number in decimal, empty if there is none; its state at the server. */
#define AG_FIELDS_OFFERED(F) \
	AG_ANSWER(F) F(SPAN, deployment, 20) F(FIX, release, AG_DIGEST) F(U8, forced, 0) F(SPAN, state, 16)
/* What the server makes of feedback. */
#define AG_FIELDS_NOTED(F)   AG_ANSWER(F) F(SPAN, state, 16)
#define AG_FIELDS_FETCHED(F) AG_ANSWER(F) F(SPAN, bytes, CH_RELEASE_FILE_MAX)

#define AG_MESSAGES(M) \
	M(START_TPM, start_tpm) M(START_NET, start_net) M(START_COLLECT, start_collect) M(READY, ready) \
	M(NOW, now) M(STATUS, status) M(DONE, done) M(IDENTIFY, identify) M(IDENTITY, identity) \
	M(ACTIVATE, activate) M(ACTIVATED, activated) M(PROVE, prove) M(PROVED, proved) M(SIGN, sign) \
	M(SIGNED, signed) M(KEEP, keep) M(KEPT, kept) M(QUOTE, quote) M(QUOTED, quoted) M(CERTIFICATE, certificate) \
	M(CALL, call) M(ENROLLING, enrolling) M(CERTIFIED, certified) M(CHALLENGED, challenged) \
	M(JUDGED, judged) M(POLLED, polled) M(TRUST, trust) M(FETCH_ROOT, fetch_root) \
	M(ROOT_ANSWER, root_answer) M(START_APPLY, start_apply) M(REBOOT, reboot) M(UPDATE_ASK, update_ask) \
	M(UPDATE_ROOT, update_root) M(UPDATE_OFFER, update_offer) M(UPDATE_BYTES, update_bytes) \
	M(UPDATE_INSTALL, update_install) M(UPDATE_REBOOT, update_reboot) M(UPDATE_GOOD, update_good) \
	M(UPDATE_DROP, update_drop) M(UPDATE_STATE, update_state) M(OFFERED, offered) \
	M(NOTED, noted) M(FETCH, fetch) M(FETCHED, fetched)
/* clang-format on */

#define AG_ENUM(upper, lower) AG_MSG_##upper,
enum ag_msg { AG_MSG_NONE, AG_MESSAGES(AG_ENUM) AG_MSG_COUNT };
#undef AG_ENUM

#define AG_MEMBER_U8(name, size)    uint8_t name;
#define AG_MEMBER_U16(name, size)   uint16_t name;
#define AG_MEMBER_U32(name, size)   uint32_t name;
#define AG_MEMBER_U64(name, size)   uint64_t name;
#define AG_MEMBER_FIX(name, size)   uint8_t name[size];
#define AG_MEMBER_SPAN(name, size)  struct ch_span name;
#define AG_MEMBER(kind, name, size) AG_MEMBER_##kind(name, size)
#define AG_STRUCT(upper, lower)                                                         \
	struct ag_##lower {                                                             \
		uint8_t always; /* not on the wire: a struct without members is no C */ \
		AG_FIELDS_##upper(AG_MEMBER)                                            \
	};
AG_MESSAGES(AG_STRUCT)
#undef AG_STRUCT

/* The device API: path, answer and what it needs. */
enum ag_route {
	AG_ROUTE_ENROL,
	AG_ROUTE_FINISH,
	AG_ROUTE_TOKEN,
	AG_ROUTE_RENEW,
	AG_ROUTE_CHALLENGE,
	AG_ROUTE_EVIDENCE,
	AG_ROUTE_STATUS,
	AG_ROUTE_POLL,
	AG_ROUTE_UPDATE,
	AG_ROUTE_FEEDBACK,
	AG_ROUTE_COUNT
};

enum ag_what { AG_FETCH_RELEASE, AG_FETCH_PROOF, AG_FETCH_ARTIFACT, AG_FETCH_COUNT };

/*
 * How a deployment stands on the device. What is refused, fell back or is good stays so until another one is offered.
 */
enum ag_phase {
	AG_PHASE_NONE,
	AG_PHASE_TAKING,     /* the release holds; its bytes are taken */
	AG_PHASE_INSTALLING, /* RAUC is at work */
	AG_PHASE_INSTALLED,  /* it is to run from the next start of the machine on */
	AG_PHASE_RUNNING,    /* it runs, and the next start falls back unless it is marked as good */
	AG_PHASE_GOOD,       /* it runs and stays */
	AG_PHASE_REFUSED,    /* it will not be installed; `reason` says why */
	AG_PHASE_FELL_BACK,  /* it was installed and another slot runs after the next start */
	AG_PHASE_COUNT
};

/* "none", "taking", … */
const char *ag_phase_str(unsigned phase);

/* "QUOTE", … */
const char *ag_msg_str(unsigned type);

/*
 * Reads a message of the type into its struct `to`, which is zeroed first. CH_ERR_TRUNCATED, CH_ERR_TRAILING, or CH_ERR_LIMIT for
 * a field above its limit. Spans borrow from the payload.
 */
CH_MUST_USE enum ch_err ag_msg_parse(enum ag_msg type, void *to, struct ch_span payload);
/* Queues the message. A span above its limit is a programmer's error and aborts. */
void ag_msg_send(struct ch_chan *c, enum ag_msg type, uint64_t id, const void *msg);

/* Which message may go from whom to whom: a table. The receiver ends itself on anything else. */
bool ag_msg_permitted(enum ag_role from, enum ag_role to, unsigned type);

#endif
