/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_KEEPER_STATE_H
#define CH_KEEPER_STATE_H

#include "core/platform/crl.h"
#include "core/trust/action.h"
#include "core/trust/chain.h"
#include "core/trust/generation.h"
#include "core/trust/leaf.h"
#include "core/trust/lifecycle.h"
#include "core/trust/merkle.h"
#include "core/trust/policy.h"
#include "core/trust/tile.h"
#include "core/update/ddi.h"
#include "core/update/rollout.h"
#include "core/update/state.h"
#include "core/wire/json.h"
#include "host/store/schema.h"
#include "server/ipc/keys.h"
#include "server/ipc/profiles.h"
#include "server/keeper/keeper.h"
#include "server/keeper/sql.h"

/* What the keeper's own files share. */

#define CH_KEEPER_TENANT       CH_TENANT_DEFAULT
#define CH_KEEPER_NONCE_MS     300000u /* a nonce, and a pending enrolment, live this long */
#define CH_KEEPER_PENDING_MAX  4096    /* enrolments that wait for their secret */
#define CH_KEEPER_GRANTS_MAX   4096    /* certificates that wait for the signer */
#define CH_KEEPER_CLASSES_MAX  64
#define CH_KEEPER_EDGES_MAX    64
#define CH_KEEPER_BATCH_MS     100u /* between two checkpoints */
#define CH_KEEPER_LEAVES_MAX   4096 /* leaves of one batch: CH_IPC_HASHES_MAX */
#define CH_KEEPER_TILE_LEVELS  8
#define CH_KEEPER_CUT_RETRY_MS 1000u
#define CH_KEEPER_SIGNERS_MAX  4    /* signatures of one action */
#define CH_KEEPER_RECORD_DAYS  1096 /* records of leaves are kept, unless `retention` says otherwise */

/* Who asked, and gets the answer. */
struct ch_who {
	enum ch_role role;
	unsigned index;
	uint64_t id;
};

/* Next numbers of the tables. */
struct ch_counters {
	int64_t device, ek, alias, ak, certificate, evidence, blob, chunk, intent, checkpoint, action, operator, token,
		request, event, reference, pinned, revocation, issued, est, alarm, release, deployment, feedback,
		rollout;
};

/* A row of table device. */
struct ch_device {
	int64_t seq;
	uint8_t id[16];
	char class[CH_GENERATION_NAME_MAX + 1];
	enum ch_state state;
	enum ch_tier chain;
	int64_t chain_time;
	enum ch_tier platform;
	int64_t evidence;   /* the last that was fresh; 0: none */
	int64_t fresh_time; /* when that was, ms */
	bool reattest;
	int64_t stale_at;                 /* ms; 0: never */
	int64_t quota_since, quota_bytes; /* what it sent since then (ms), at most a day ago */
};

/* What an AK is called in table alias. */
enum ch_alias {
	CH_ALIAS_EK = 1,
	CH_ALIAS_HOSTNAME = 2,
	/* 3 is a certificate, in rows from before schema 18 */
	CH_ALIAS_TOKEN = 4,
	CH_ALIAS_NAME = 5,   /* what its certificates call it, in lower case: one device's only */
	CH_ALIAS_KEY = 6,    /* SHA-256 of a key that was certified by EST: one device's only */
	CH_ALIAS_IDEVID = 7, /* SHA-256 of the manufacturer's certificate */
};
/* Table certificate. */
enum ch_cert_state { CH_CERT_LIVE = 0, CH_CERT_SUPERSEDED = 1, CH_CERT_REVOKED = 2 };
enum ch_chunk_kind { CH_CHUNK_IMA = 1 };
enum ch_intent_kind { CH_INTENT_CUT = 1 };
enum ch_ek_verdict { CH_EK_ALLOW = 1, CH_EK_DENY = 2 };
/* Table est_request. */
enum ch_est_state { CH_EST_WAITING = 0, CH_EST_APPROVED = 1, CH_EST_REFUSED = 2, CH_EST_ISSUED = 3 };
enum ch_action_state { CH_ACTION_WAITING = 0, CH_ACTION_DONE = 1 };

/* A policy in force; `policy` borrows from `image`. */
struct ch_class {
	struct ch_buf image;
	struct ch_policy policy;
};

/* An outstanding nonce. */
struct ch_nonce {
	int64_t device;
	uint64_t until; /* monotonic ms; 0: the slot is free */
	uint8_t nonce[32];
};

/* A device that must show that it holds the EK; or any other certificate in the making. */
enum ch_grant_kind { CH_GRANT_ENROL, CH_GRANT_TOKEN, CH_GRANT_RENEW, CH_GRANT_OPERATOR, CH_GRANT_EST };
struct ch_grant {
	struct ch_grant *next;
	enum ch_grant_kind kind;
	struct ch_who who;
	uint64_t until; /* monotonic ms */
	uint64_t issue; /* id of the ISSUE under way; 0: not yet asked */
	uint8_t enrol[16];
	uint8_t secret[32];
	uint8_t ek_sha256[32];
	uint8_t token[32];
	uint8_t device[16]; /* renewal: of the device; else the id that it is to get, as asked of the signer */
	uint8_t old_cert[32];
	uint8_t serial[16];
	uint64_t not_before;
	enum ch_tier platform;
	struct ch_buf class_name, hostname, ek_public, ek_cert, ak_public, spki, name, canonical;
	bool soft;      /* renewal of a device without a TPM */
	int64_t action; /* of an operator's certificate */
	uint8_t operator_role;
	struct ch_buf label; /* EST: the certificate profile */
	uint8_t est_key[32]; /* names the request: a repeat of it has the same */
	uint8_t est_identity[32];
	uint8_t est_device[16]; /* of the certificate that asked */
	uint8_t est_by;         /* enum ch_est_by */
	bool est_again;         /* the next certificate of a device */
	bool est_known;         /* a device that is known by its IDevID */
	const char *by;         /* for the record; static */
};

/* A response under way. */
struct ch_cut {
	struct ch_cut *next;
	int64_t seq;
	uint8_t device[16];
	uint8_t cert[32];
	int64_t decided;
	uint64_t waiting; /* bit i: edge i has not answered */
	uint64_t sent;    /* monotonic ms of the last try */
	int64_t tries;
	uint32_t closed;
	int64_t done;
	bool fresh; /* of this turn: not sent before its commit */
};

/* The log: what is in the store, what the signer has, and the growing edge of the tiles. */
struct ch_log_state {
	uint64_t next;                                      /* index of the next leaf */
	uint64_t signed_size;                               /* leaves under the last stored checkpoint */
	struct ch_frontier frontier;                        /* of signed_size leaves */
	uint8_t tile[CH_KEEPER_TILE_LEVELS][CH_TILE_BYTES]; /* the open tile of each level */
	struct ch_buf hashes;                               /* of the leaves signed_size..next */
	uint64_t in_flight;                                 /* leaves asked of the signer; 0: none */
	uint64_t in_flight_id;
	bool known;    /* once since the start: before, no leaf is written */
	bool synced;   /* the signer's size is known and fits */
	bool behind;   /* the signer has more than the store: no further leaf may be written */
	uint64_t sent; /* monotonic ms of the last batch */
};

/* The revocation list of one CA, and what of it was asked of the signer. */
#define CH_KEEPER_EARLIER_MAX 8
struct ch_crl_state {
	uint8_t ca[32];         /* SHA-256 of an earlier CA's certificate; zeros: the one that issues */
	int64_t listed, asked;  /* revocations below these numbers are in the list, in the one that is being signed */
	uint64_t in_flight;     /* id of the REVOKE under way; 0: none */
	uint64_t sent, due;     /* monotonic ms */
	struct ch_msg_crl told; /* the last one, but for its bytes */
	struct ch_buf list;
};

struct ch_ocsp_ask; /* ocsp.c */
struct ch_ocsp_state {
	struct ch_ocsp_ask *asks; /* wait for the signer */
	size_t count;
	/* rounds over the certificates */
	uint64_t kept_max; /* as many as an edge keeps; 0: no rounds */
	uint64_t round_ms, round_due;
	uint64_t round_done;
	size_t round_open;
	int64_t round_at;
};

struct ch_out {
	enum ch_role to;
	unsigned index;
	enum ch_msg type;
	uint64_t id;
	size_t off, n; /* in out_bytes */
};

/* Whether the clock can be believed (clock.c). */
struct ch_clock {
	bool ready;
	uint64_t wall, mono; /* ms: read together, when the clock was believed last */
	uint64_t last;       /* ms: of the last entry of the log */
	uint64_t ahead;      /* ms by which that was ahead when an operator accepted the clock */
	int64_t alarm;       /* the open one; 0: none */
};

struct ch_retention {
	char class[CH_GENERATION_NAME_MAX + 1]; /* "*": every other */
	uint32_t days;
	uint32_t count;
	uint32_t record_days; /* how long the records of its leaves */
};

/* The artefact that is being uploaded, and the hash of what came: of one at a time, others are read again. */
struct ch_upload {
	uint8_t sha256[32];
	uint64_t size, have; /* `have`: bytes in the hashes */
	struct ch_hash hash, sha1;
	bool open;
};

struct ch_keeper {
	struct ch_keys keys; /* of devices that attest, made ready */
	struct ch_store *st;
	struct ch_view *view;
	struct ch_keeper_env env;
	struct ch_counters n;
	uint64_t now; /* wall clock ms, read once a turn; never goes back */
	uint64_t mono;
	uint64_t ids; /* of our own requests */
	struct ch_class class[CH_KEEPER_CLASSES_MAX];
	size_t class_count;
	uint64_t generation;
	uint64_t fleet_root; /* the newest version that was published; 0: none */
	struct ch_buf image;
	struct ch_buf ca_pem;
	struct ch_digest ca; /* SHA-256 of the first certificate in it; empty: it is not known */
	struct ch_profiles profiles;
	struct ch_nonce *nonce;
	size_t nonce_cap, nonce_used;
	struct ch_grant *pending;  /* wait for their secret */
	struct ch_grant *granting; /* wait for the signer */
	size_t pending_count, granting_count;
	struct ch_cut *cuts;
	struct ch_log_state log;
	struct ch_clock clock;
	struct ch_crl_state crl[1 + CH_KEEPER_EARLIER_MAX]; /* of the CA that issues, then of earlier ones */
	size_t crl_count;
	struct ch_ocsp_state ocsp;
	bool names;     /* the view has devices by what they are called, too */
	bool published; /* the view holds every certificate */
	bool edge[CH_KEEPER_EDGES_MAX], verify[CH_KEEPER_EDGES_MAX], signer;
	bool refuses[CH_KEEPER_EDGES_MAX]; /* a verify that does not take the generation in force */
	bool refused;                      /* one of them: it is told, and stands in the store */
	struct ch_out *out;
	size_t out_count, out_cap;
	struct ch_buf out_bytes;
	struct ch_retention retention[CH_KEEPER_CLASSES_MAX];
	size_t retention_count;
	struct ch_upload upload;
	struct ch_upload digest; /* of one that is whole: only `sha1` of it is computed */
	bool digested;           /* none lacks it */
	int64_t linked;          /* devices up to this one are told of DDI by the view */
	bool links_loaded;       /* all are */
	bool tight;              /* 90 % of the disk is used: bulk is not kept */
	uint64_t disk_due, retention_due, stale_due, rollout_due, est_old_due;
	int64_t retention_device; /* where the sweep is */
	uint64_t metric_commits, metric_requests, metric_cuts, metric_cut_ms, metric_quota, metric_erased;
	uint64_t rollouts_running, rollouts_halted; /* as of the last turn of them */
	uint64_t turn_writes;
};

/* --- out.c: what leaves at the end of the turn --- */

/* The transaction of this turn is open after it. */
void ch_kp_write(struct ch_keeper *k);
void ch_kp_send(struct ch_keeper *k, enum ch_role to, unsigned index, enum ch_msg type, uint64_t id, const void *msg);
void ch_kp_answer(struct ch_keeper *k, const struct ch_who *who, unsigned status, struct ch_span json);
/* {"error":{"code","rule","detail"}}; `rule` is static text. 503 and 429 carry a Retry-After. */
void ch_kp_refuse(struct ch_keeper *k, const struct ch_who *who, unsigned status, const char *code, const char *rule);
/* The same with 429 and the seconds after which it may be asked again. */
void ch_kp_refuse_until(struct ch_keeper *k, const struct ch_who *who, const char *code, const char *rule,
			uint32_t seconds);
/* Tells the edges, and keeps it for those who come later. `body` is JSON. */
void ch_kp_event(struct ch_keeper *k, int64_t device, const char *kind, struct ch_span body);
void ch_kp_flush(struct ch_keeper *k);
void ch_kp_random(void *to, size_t n);
/*
 * A number that nobody guesses, and that is larger than those of an earlier millisecond: 48 bits of ch_keeper.now and 80 random ones. What is
 * numbered so has its index grow at one end: rows of one transaction share its pages.
 */
#define CH_KEEPER_ORDERED 16
void ch_kp_ordered(const struct ch_keeper *k, uint8_t to[static CH_KEEPER_ORDERED]);

/* --- nonce.c --- */

/* A new nonce for the device in place of an older one. */
const uint8_t *ch_kp_nonce_new(struct ch_keeper *k, int64_t device);
/* True once for the nonce that is outstanding for this device, compared in constant time. */
bool ch_kp_nonce_take(struct ch_keeper *k, int64_t device, const uint8_t nonce[static 32]);

/* --- device.c --- */

bool ch_kp_device_by_id(struct ch_keeper *k, const uint8_t id[static 16], struct ch_device *d);
bool ch_kp_device_by_seq(struct ch_keeper *k, int64_t seq, struct ch_device *d);
void ch_kp_device_save(struct ch_keeper *k, const struct ch_device *d);
/* From now on it has as long for evidence as its policy lets evidence be old: then it is judged again (ch_device.stale_at). */
void ch_kp_device_deadline(struct ch_keeper *k, struct ch_device *d);
/* In quarantine, and since it began fresh evidence affirmed the chain: a new key may end it. */
bool ch_kp_device_mended(struct ch_keeper *k, const struct ch_device *d);
/* The policy of a class; NULL if there is none any more. */
const struct ch_policy *ch_kp_policy(const struct ch_keeper *k, struct ch_span class_name);
/*
 * Moves the device by what happened, with leaf, view and event. False if the table of transitions has no such step (and nothing
 * was done). A device that may no longer do everything is cut. `cause` is static text.
 */
bool ch_kp_device_life(struct ch_keeper *k, struct ch_device *d, enum ch_life life, const char *cause);
/* Publishes its live certificates. */
void ch_kp_device_publish(struct ch_keeper *k, const struct ch_device *d);
/* The same, with what it is told when it polls by DDI: after every change of its deployments and attributes. */
void ch_kp_links_publish(struct ch_keeper *k, const struct ch_device *d);
/* Ends one, whose revocation is written by whoever calls: its sessions are closed. */
void ch_kp_certificate_cut(struct ch_keeper *k, const struct ch_device *d, int64_t seq, const uint8_t sha256[static 32],
			   const char *cause);
/* Ends live certificates but `keep` (may be NULL); a revoked one is cut. */
void ch_kp_certificates_end(struct ch_keeper *k, const struct ch_device *d, enum ch_cert_state how, const uint8_t *keep,
			    const char *cause);
/* Adds a certificate that was issued; whoever calls publishes the device then. */
void ch_kp_certificate_add(struct ch_keeper *k, const struct ch_device *d, const struct ch_grant *g, struct ch_span der,
			   uint64_t not_after, uint8_t sha256[static 32]);
/* Its results and what follows from them now; false if its class has no policy any more. */
void ch_kp_results(struct ch_keeper *k, int64_t device, struct ch_link_result r[static CH_LINK_COUNT]);
void ch_kp_chain(struct ch_keeper *k, const struct ch_device *d, const struct ch_link_result r[static CH_LINK_COUNT],
		 struct ch_chain *out);
struct ch_judgement {
	int64_t evidence;    /* that was judged, or the last that was */
	uint64_t generation; /* by which */
	bool fresh;          /* it may raise */
	bool moved;          /* the tier of a link is another than before */
	const char *cause;   /* static text */
};
/* Judges the chain again and draws the consequences: leaf, state, intents. Saves the device. */
void ch_kp_device_judge(struct ch_keeper *k, struct ch_device *d, const struct ch_link_result r[static CH_LINK_COUNT],
			const struct ch_judgement *how);
/* "links":{…} */
void ch_kp_links_put(struct ch_json_wr *j, const struct ch_link_result r[static CH_LINK_COUNT]);

/* --- enrol.c, grant.c --- */

/* The device that has this EK or had it; else the one that has this AK or had it: a TPM may have two EKs. */
bool ch_kp_device_of_keys(struct ch_keeper *k, const uint8_t ek_sha256[static 32], struct ch_span ak_public,
			  struct ch_device *d);
void ch_kp_enrol_pending(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_enrol_pending *m);
void ch_kp_enrol_finish(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_enrol_finish *m);
void ch_kp_enrol_token(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_enrol_token *m);
/*
 * True if the key is the one of the certificate under which a device without a TPM asks. Unless `who` is NULL its platform link is fresh
 * then, and it is answered with the certificate that it has.
 */
bool ch_kp_key_shown(struct ch_keeper *k, const struct ch_device *d, const struct ch_msg_renew *m,
		     const struct ch_who *who);
void ch_kp_renew(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_renew *m);
void ch_kp_grant_free(struct ch_grant *g);
/* True if the device had as many certificates in this hour as it may have. */
bool ch_kp_certified_enough(struct ch_keeper *k, const struct ch_device *d);
/* Ends the device's aliases of a kind, and gives it this one. */
void ch_kp_alias_set(struct ch_keeper *k, int64_t device, enum ch_alias kind, struct ch_span value);
/* The same for one that has none of this kind. */
void ch_kp_alias_add(struct ch_keeper *k, int64_t device, enum ch_alias kind, struct ch_span value);
/* Parts of an enrolment: a new device with its platform link; the link from now on, the device still to be saved; the leaf. */
void ch_kp_device_add(struct ch_keeper *k, struct ch_device *d, const struct ch_grant *g);
void ch_kp_platform_set(struct ch_keeper *k, struct ch_device *d);
void ch_kp_enrol_record(struct ch_keeper *k, const struct ch_grant *g, const struct ch_device *d, bool returns,
			const uint8_t cert[static 32]);
/* Asks the signer for the certificate; takes over `g`. `lifetime` in seconds. */
void ch_kp_grant_ask(struct ch_keeper *k, struct ch_grant *g, unsigned profile, const uint8_t subject[static 16],
		     uint64_t lifetime);
/* Appends a certificate as PEM (RFC 7468). */
void ch_kp_pem_put(struct ch_wr *w, struct ch_span der);
void ch_kp_issued(struct ch_keeper *k, uint64_t id, const struct ch_msg_issued *m);
/* The signer is gone: those who wait are told. */
void ch_kp_grants_fail(struct ch_keeper *k);
void ch_kp_grants_expire(struct ch_keeper *k);
/* Verifies a signature of the device's stored AK over `msg`. */
enum ch_err ch_kp_ak_verify(struct ch_keeper *k, int64_t device, struct ch_span sig, struct ch_span msg);

/* --- est.c --- */

void ch_kp_est(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_est_enrol *m);
/* The certificate was made. */
void ch_kp_est_issued(struct ch_keeper *k, const struct ch_grant *g, struct ch_span der, uint64_t not_after);

/* --- evidence.c, bulk.c --- */

void ch_kp_challenge(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_request *m);
void ch_kp_context(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_context_ask *m);
void ch_kp_commit(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_commit *m);
void ch_kp_fatal_input(struct ch_keeper *k, const struct ch_msg_fatal_input *m);

/* The logs that a piece of evidence came with. */
struct ch_logs {
	uint8_t eventlog_sha256[32], ima_sha256[32];
	int64_t eventlog_size, ima_size;
	int64_t epoch; /* number of the evidence that began the list */
	bool kept;
	struct ch_buf quote;
};
/* Of stored evidence; false if there is none. The caller frees logs->quote. */
bool ch_kp_logs_of(struct ch_keeper *k, int64_t evidence, struct ch_logs *logs);
/* Reads a log or list back; false if it is not all there. */
bool ch_kp_eventlog_get(struct ch_keeper *k, const struct ch_logs *logs, struct ch_buf *to);
bool ch_kp_ima_get(struct ch_keeper *k, int64_t device, const struct ch_logs *logs, struct ch_buf *to);
/*
 * Stores what is new of those of the next piece of evidence; fills `logs`. False, and nothing is stored, if what they continue is not there.
 */
CH_MUST_USE bool ch_kp_logs_put(struct ch_keeper *k, const struct ch_device *d, const struct ch_msg_commit *m,
				bool fresh, struct ch_logs *logs);

/* --- intent.c --- */

/* Every session of the device (NULL: of an operator) and, unless NULL, of this certificate is to be closed, decided now. */
void ch_kp_cut(struct ch_keeper *k, const struct ch_device *d, const uint8_t *cert, const char *cause);
void ch_kp_cut_done(struct ch_keeper *k, unsigned edge, const struct ch_msg_cut_done *m);
void ch_kp_cuts_load(struct ch_keeper *k);
void ch_kp_cuts_edge(struct ch_keeper *k, unsigned edge, bool up);
/* Sends those of this turn, and again those that were not answered. */
void ch_kp_cuts_send(struct ch_keeper *k);

/* --- revoke.c --- */

/* What is revoked: a number of the CA that issues (`issuer` empty), or of an earlier one (SHA-256 of its certificate). */
struct ch_revocation {
	struct ch_span issuer;
	struct ch_span serial; /* without leading zeros, as it is in the store */
	uint64_t time_ms;
	enum ch_crl_reason reason;
	int64_t expires; /* seconds */
};
/* It is revoked for good: table, signer, edges. Call once a certificate. */
void ch_kp_revoked(struct ch_keeper *k, const struct ch_revocation *r);
/* A certificate of our CA that is no device's; `serial` without leading zeros. */
void ch_kp_issued_add(struct ch_keeper *k, struct ch_span serial, struct ch_span sha256, int64_t not_after);
bool ch_kp_issued_known(struct ch_keeper *k, struct ch_span sha256);
/* It is revoked, if it is known. */
void ch_kp_issued_revoke(struct ch_keeper *k, struct ch_span sha256, enum ch_crl_reason reason);
/* Tells a signer that has just come everything. */
void ch_kp_revocations_sync(struct ch_keeper *k);
/* Asks for a new list if it is time. */
void ch_kp_revocations_send(struct ch_keeper *k);
/* In how many milliseconds that will be, at most `otherwise`. */
uint64_t ch_kp_revocations_due(const struct ch_keeper *k, uint64_t otherwise);
void ch_kp_crl(struct ch_keeper *k, uint64_t id, const struct ch_msg_crl *m);
void ch_kp_crl_earlier(struct ch_keeper *k, uint64_t id, const struct ch_msg_crl_earlier *m);
/* What was asked of a signer that ended is asked of the next. */
void ch_kp_crl_fail(struct ch_keeper *k);
/* The earlier CAs of a configuration. CH_ERR_LIMIT, CH_ERR_MALFORMED. */
/* Certificates that the CA before a rollover issued are that one's: the oldest of ours, in their order, until one is of the CA that issues now. */
CH_MUST_USE enum ch_err ch_kp_earlier_claim(struct ch_keeper *k, struct ch_span config);
/* The CA that issues, of a configuration; what is no device's and nobody said of who issued it is its. CH_ERR_MALFORMED. */
CH_MUST_USE enum ch_err ch_kp_ca_load(struct ch_keeper *k, struct ch_span config);
/* The place of the CA in k->crl; 0: the one that issues, or one that is none of them. */
size_t ch_kp_list_of(const struct ch_keeper *k, struct ch_span ca);
CH_MUST_USE enum ch_err ch_kp_earlier_load(struct ch_keeper *k, struct ch_span config);
/* True for the SHA-256 of the certificate of one of them. */
bool ch_kp_earlier_known(const struct ch_keeper *k, struct ch_span ca);
/* Tells an edge that has just come the list. */
void ch_kp_crl_edge(struct ch_keeper *k, unsigned edge);

/* --- ocsp.c --- */

void ch_kp_ocsp_sign(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_ocsp_sign *m);
void ch_kp_ocsp(struct ch_keeper *k, uint64_t id, const struct ch_msg_ocsp *m);
/* The signer is gone: those who wait are told. */
void ch_kp_ocsp_fail(struct ch_keeper *k);
void ch_kp_ocsp_clear(struct ch_keeper *k);
/* Drops what nobody answered, and goes on with the round. */
void ch_kp_ocsp_tick(struct ch_keeper *k);
void ch_kp_ocsp_edge(struct ch_keeper *k);
uint64_t ch_kp_ocsp_due(const struct ch_keeper *k, uint64_t otherwise);

/* --- leaf.c --- */

/* Stages a leaf: `record` is canonical JSON. */
uint64_t ch_kp_leaf(struct ch_keeper *k, enum ch_leaf_type type, int64_t device, struct ch_span record);
enum ch_err ch_kp_log_load(struct ch_keeper *k);
void ch_kp_log_sync(struct ch_keeper *k);
void ch_kp_log_send(struct ch_keeper *k);
void ch_kp_checkpoint(struct ch_keeper *k, uint64_t id, const struct ch_msg_checkpoint *m);

/* --- action.c, verbs.c --- */

void ch_kp_action(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_action *m);
/* The operator's certificate was issued. */
void ch_kp_operator_issued(struct ch_keeper *k, const struct ch_grant *g, struct ch_span der, uint64_t not_after);
void ch_kp_operator_publish(struct ch_keeper *k, const uint8_t key[static 32], unsigned role,
			    const uint8_t cert[static 32], uint64_t not_after, bool revoked);

/* --- clock.c --- */

/* From the store: an alarm that is open, the time of the last entry of the log. Before it nothing is checked. */
void ch_kp_clock_load(struct ch_keeper *k);
/* `wall`: what the clock says now, ms; k->mono and k->now are of this moment. */
void ch_kp_clock_check(struct ch_keeper *k, uint64_t wall);
/* No certificate may be issued. */
bool ch_kp_clock_doubtful(const struct ch_keeper *k);

/* --- generation.c --- */

/* Reads classes from the store. CH_ERR_MALFORMED if a policy in it cannot be read. */
enum ch_err ch_kp_classes_load(struct ch_keeper *k);
/* Reads the last one from the store. */
void ch_kp_generation_load(struct ch_keeper *k);
/* Composes a generation if something differs from the last one, and tells every verify. */
void ch_kp_generation_compose(struct ch_keeper *k);
void ch_kp_generation_send(struct ch_keeper *k, unsigned verify);
/* What verify number `index` made of it; one that is gone refuses nothing. */
void ch_kp_generation_taken(struct ch_keeper *k, unsigned index, const struct ch_msg_generation_taken *m);

/* --- fleet_root.c --- */

/* Reads which version is the newest. */
void ch_kp_fleet_root_load(struct ch_keeper *k);

/* --- deployment.c --- */

/* The release that a device is offered, and how that stands. */
struct ch_deployment {
	int64_t seq; /* 0: there is none */
	int64_t device, release;
	enum ch_update_state state;
	int64_t reset;         /* the TPM's count of resets when it was installed; -1: not known */
	uint8_t sha256[32];    /* of the release's file */
	uint8_t reference[32]; /* of its reference values */
	bool measured;         /* it has some */
	int64_t rollout;       /* that it is a part of; 0: an operator gave it to this device alone */
	enum ch_update_stop stop;
};

/* What a device says of a deployment, for people: escaped. */
#define CH_SAID_NO_PROGRESS 255
struct ch_said {
	struct ch_span state, text, slot;
	uint8_t progress; /* 0 to 100 */
};

/* The one of this number. */
bool ch_kp_deployment_get(struct ch_keeper *k, int64_t seq, struct ch_deployment *u);
/* How its cancellation stands with the device. */
void ch_kp_deployment_stop(struct ch_keeper *k, const struct ch_device *d, struct ch_deployment *u,
			   enum ch_update_stop stop);
/* Keeps what the device said as evidence; `step` is what it claims. The step itself is the caller's. */
void ch_kp_feedback_keep(struct ch_keeper *k, const struct ch_device *d, struct ch_deployment *u,
			 enum ch_update_step step, const struct ch_said *said);
/* As much was said as is kept. */
bool ch_kp_feedback_full(struct ch_keeper *k, const struct ch_deployment *u);
/* Which sequence the device may not go below, of releases that have the name of this one. */
int64_t ch_kp_deployment_floor(struct ch_keeper *k, const struct ch_device *d, int64_t release);
/* The newest of a device; false if it never had one. */
bool ch_kp_deployment_last(struct ch_keeper *k, int64_t device, struct ch_deployment *u);
/* A new one, in the place of the one before; its number. `rollout` 0: of an action alone. */
int64_t ch_kp_deployment_add(struct ch_keeper *k, const struct ch_device *d, int64_t release, bool forced,
			     int64_t rollout, int64_t action);
/* Moves it, with leaf-free event and view. False, and nothing happened, if the table has no such step. */
bool ch_kp_deployment_step(struct ch_keeper *k, const struct ch_device *d, struct ch_deployment *u,
			   enum ch_update_step step, struct ch_span reason, int64_t evidence);
/* What fresh evidence says of what the device was offered, and of what it runs: the tier of the update link. */
enum ch_tier ch_kp_update_judge(struct ch_keeper *k, const struct ch_device *d, const struct ch_msg_commit *m,
				uint32_t reset, enum ch_tier boot, int64_t evidence);
void ch_kp_feedback(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_feedback *m);
/* "update": the number of what is offered and not yet installed, or null. */
void ch_kp_update_put(struct ch_json_wr *j, const struct ch_deployment *u);
/* The device is revoked or decommissioned: what it did not show is taken back, so that nobody waits for it. */
void ch_kp_deployment_end(struct ch_keeper *k, const struct ch_device *d);
/* At start: the view says of whom something is wanted. */
void ch_kp_deployments_publish(struct ch_keeper *k);
/* What was offered of a release and is not installed yet is cancelled. */
void ch_kp_deployments_cancel(struct ch_keeper *k, int64_t release, const char *reason);

/* --- ddi.c --- */

void ch_kp_ddi_feedback(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_ddi_feedback *m);
/* What the device is told when it polls, but for how long to wait. */
void ch_kp_ddi_links(struct ch_keeper *k, int64_t device, struct ch_ddi_poll *p);
/* At start: publishes that of some devices that have spoken by DDI. True if there are more. */
bool ch_kp_ddi_links_load(struct ch_keeper *k);
void ch_kp_ddi_config(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_ddi_config *m);

/* --- rollout.c, rollout_turn.c --- */

/* A row of table rollout, with its release's. Cleared by its user. */
struct ch_rollout_row {
	int64_t seq, release, chosen_to, members, canaries, action;
	uint64_t reached, begun; /* ms */
	enum ch_rollout_state state;
	size_t phase;
	size_t accepted; /* phases up to this number, from 1, may be empty */
	uint8_t sha256[32];
	char name[CH_NAME_MAX + 1];
	struct ch_buf document;
	int64_t sequence, expires; /* of the release */
	bool withdrawn, measured;
	struct ch_rollout *doc; /* borrows from `document` */
};
/* False if there is none. A document that cannot be read any more ends the process: it was judged before it was stored. */
bool ch_kp_rollout_get(struct ch_keeper *k, int64_t seq, struct ch_rollout_row *r);
void ch_kp_rollout_clear(struct ch_rollout_row *r);
/* Moves it, with an event. `devices`: ids of those that it is about, 16 bytes each. False, and nothing happened, if the table has no such step. */
bool ch_kp_rollout_step(struct ch_keeper *k, struct ch_rollout_row *r, enum ch_rollout_step step, struct ch_span reason,
			struct ch_span devices);
/* What happened in it, for those who listen. */
void ch_kp_rollout_tell(struct ch_keeper *k, const struct ch_rollout_row *r, struct ch_span reason,
			struct ch_span devices);
/* Why nobody may be offered its release any more; NULL if they may. Static text. */
const char *ch_kp_rollout_unfit(const struct ch_keeper *k, const struct ch_rollout_row *r);
/* What is counted of the phase that it is in, without failures. */
struct ch_rollout_tally ch_kp_rollout_tally(struct ch_keeper *k, const struct ch_rollout_row *r);
/* Those that failed and are not excused: how many, at most `max`; with `why` and `ids` (16 bytes each) about the first of them. NULL: not wanted. */
uint64_t ch_kp_rollout_failed(struct ch_keeper *k, const struct ch_rollout_row *r, uint64_t max, struct ch_wr *why,
			      struct ch_wr *ids);
/* They are forgiven. */
void ch_kp_rollout_excuse(struct ch_keeper *k, const struct ch_rollout_row *r);
/* What is due in every rollout, once a second. */
void ch_kp_rollouts_turn(struct ch_keeper *k);

/* --- artifact.c --- */

void ch_kp_artifact_put(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_request *m);
/* Computes some of what an artefact lacks that is from before it was asked for. True if there is more to do. */
bool ch_kp_artifact_digest(struct ch_keeper *k);
/* Removes those that only releases have which were withdrawn some days ago: at one call they are no longer given, at the next they are gone. */
void ch_kp_artifact_sweep(struct ch_keeper *k);

/* --- disk.c --- */

void ch_kp_disk_check(struct ch_keeper *k);
/*
 * Seconds until the device may send so many bytes of evidence, by the policy of its class; 0: now. With 0 bytes: whether it may send
 * at all. The first piece of a day is always taken, or a device whose logs are larger could never be judged.
 */
uint32_t ch_kp_quota_wait(const struct ch_keeper *k, const struct ch_device *d, uint64_t bytes, bool history);
/* Counts them; the caller saves the device. */
void ch_kp_quota_take(const struct ch_keeper *k, struct ch_device *d, uint64_t bytes);
void ch_kp_retain(struct ch_keeper *k);

/* --- start.c --- */

/* Takes policies and roots of the configuration over, if all of them can be read. */
enum ch_err ch_kp_reseed(struct ch_keeper *k, struct ch_span config);

enum ch_err ch_kp_start(struct ch_keeper *k, struct ch_span config, char why[static CH_STORE_WHY]);

#endif
