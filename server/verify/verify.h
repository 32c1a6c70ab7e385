/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_VERIFY_VERIFY_H
#define CH_VERIFY_VERIFY_H

#include "server/ipc/keys.h"
#include "server/ipc/messages.h"
#include "server/ipc/profiles.h"
#include "server/verify/body.h"
#include "server/verify/held.h"

/*
 * The work of a verify, without its process: requests of the edges come in as messages, questions to the keeper and answers go out
 * through `struct ch_vf_out`. Every parser of what a device or operator sends runs here, and nothing that it decides is believed
 * by the keeper further than the keeper can check.
 */

#define CH_VF_REQUESTS_MAX 256                /* in flight: then 503, ask again */
#define CH_VF_BYTES_MAX    ((size_t)96 << 20) /* of decoded bodies in flight */
#define CH_VF_DATA_MAX     32768              /* what a route keeps beside its body */
#define CH_VF_RULE_MAX     192

/* Where what is sent goes. `answer` is to an edge; `ask` to the keeper, whose answer comes back with the same id. */
struct ch_vf_out {
	void *ctx;
	void (*answer)(void *ctx, unsigned edge, uint64_t id, const struct ch_msg_answer *m);
	bool (*ask)(void *ctx, enum ch_msg type, uint64_t id,
		    const void *msg); /* false: there is no keeper right now */
	int64_t (*now)(void *ctx);    /* seconds since 1970 */
};

struct ch_verify;
struct ch_vf_request;
struct ch_vf_work;

/* A step: what is done with the keeper's answer. */
typedef void ch_vf_step(struct ch_verify *v, struct ch_vf_request *r, const struct ch_frame *f);

/* One request in flight. */
struct ch_vf_request {
	uint64_t id; /* ours, towards the keeper */
	uint64_t edge_id;
	unsigned edge;
	uint16_t route;
	uint64_t number;        /* in the path, where the route has one */
	size_t controller_size; /* of DDI's paths */
	uint8_t controller[CH_DDI_NAME_MAX];
	uint8_t device[16], cert_sha256[32], operator_key[32];
	size_t key_size;
	uint8_t idempotency_key[64];
	ch_vf_step *next;
	void *data;  /* of the route, in `memory` */
	bool plain;  /* an error is told as text, not as JSON */
	bool secret; /* `memory` holds a secret: it is wiped at the end */
	uint8_t *memory;
	size_t memory_size;
	struct ch_arena arena; /* over `memory`: what the body decoded to */
};

struct ch_vf_counters {
	uint64_t requests, refused, judged, contraindicated, generations, busy;
};

struct ch_verify {
	struct ch_vf_out out;
	struct ch_held held;
	uint64_t sequence;
	size_t bytes;
	struct ch_vf_request *slot[CH_VF_REQUESTS_MAX];
	struct ch_vf_counters counters;
	struct ch_keys keys;
	struct ch_profiles profiles;
	struct ch_buf cacerts;   /* certs-only CMS message of our CA, in base64 */
	struct ch_vf_work *work; /* memory for judging, kept from one piece of evidence to the next */
};

void ch_vf_init(struct ch_verify *v, const struct ch_vf_out *out);
void ch_vf_clear(struct ch_verify *v);
/* Takes certificate profiles and CA from a configuration. If they do not hold nothing changes, and the error says why. */
CH_MUST_USE enum ch_err ch_vf_configure(struct ch_verify *v, struct ch_span config);

/* A REQUEST of an edge: it is answered now or when the keeper answered. `m` may borrow; what is needed later is copied. */
void ch_vf_request(struct ch_verify *v, unsigned edge, uint64_t id, const struct ch_msg_request *m);
/* An EST of an edge: the same. */
void ch_vf_est(struct ch_verify *v, unsigned edge, uint64_t id, const struct ch_msg_est *m);
/* A message of the keeper, ANSWER, CONTEXT or GENERATION. False if it cannot be parsed: the channel is to be ended. */
CH_MUST_USE bool ch_vf_keeper(struct ch_verify *v, const struct ch_frame *f);
/* The keeper is gone: everything in flight is answered with 503. */
void ch_vf_keeper_gone(struct ch_verify *v);
/* An edge is gone: nobody waits for its answers any more. */
void ch_vf_edge_gone(struct ch_verify *v, unsigned edge);
/* Requests in flight. */
size_t ch_vf_waiting(const struct ch_verify *v);

/* --- for the routes --- */

/* A request in flight with `size` bytes of memory; NULL after it was answered that too much is in flight. */
struct ch_vf_request *ch_vf_begin(struct ch_verify *v, unsigned edge, uint64_t id, bool plain, size_t size);
/* Answers with a body of any type and ends the request. */
void ch_vf_answer_as(struct ch_verify *v, struct ch_vf_request *r, const struct ch_msg_answer *m);

/* Answers with an error and ends the request. `detail` may be NULL. */
void ch_vf_refuse(struct ch_verify *v, struct ch_vf_request *r, unsigned status, const char *code, const char *rule,
		  struct ch_span detail);
/* The same for a body that does not read. */
void ch_vf_refuse_body(struct ch_verify *v, struct ch_vf_request *r, const struct ch_body_fault *fault);
/* Answers with JSON and ends the request. */
void ch_vf_answer(struct ch_verify *v, struct ch_vf_request *r, unsigned status, struct ch_span json);
/* Asks the keeper; `next` is called with what it answers. `r` may be gone after the call: without a keeper it is answered. */
void ch_vf_ask(struct ch_verify *v, struct ch_vf_request *r, enum ch_msg type, const void *msg, ch_vf_step *next);
/* The step of a request that has nothing to add: the keeper's ANSWER goes to the edge as it is. */
void ch_vf_pass_on(struct ch_verify *v, struct ch_vf_request *r, const struct ch_frame *f);
/* Parses the keeper's ANSWER; false after the request was ended because it was another message. */
CH_MUST_USE bool ch_vf_take_answer(struct ch_verify *v, struct ch_vf_request *r, const struct ch_frame *f,
				   struct ch_msg_answer *m);
/* The same for CONTEXT; false also for a device that is not there (404). */
CH_MUST_USE bool ch_vf_take_context(struct ch_verify *v, struct ch_vf_request *r, const struct ch_frame *f,
				    struct ch_msg_context *m);

/* The handlers: `body` is borrowed for the call. */
void ch_vf_enrol(struct ch_verify *v, struct ch_vf_request *r, struct ch_span body);
void ch_vf_enrol_finish(struct ch_verify *v, struct ch_vf_request *r, struct ch_span body);
void ch_vf_enrol_token(struct ch_verify *v, struct ch_vf_request *r, struct ch_span body);
void ch_vf_work_free(struct ch_vf_work *work);
void ch_vf_evidence(struct ch_verify *v, struct ch_vf_request *r, struct ch_span body);
void ch_vf_renew(struct ch_verify *v, struct ch_vf_request *r, struct ch_span body);
void ch_vf_feedback(struct ch_verify *v, struct ch_vf_request *r, struct ch_span body);
void ch_vf_ddi_feedback(struct ch_verify *v, struct ch_vf_request *r, struct ch_span body);
void ch_vf_ddi_config(struct ch_verify *v, struct ch_vf_request *r, struct ch_span body);
void ch_vf_action(struct ch_verify *v, struct ch_vf_request *r, struct ch_span body);

#endif
