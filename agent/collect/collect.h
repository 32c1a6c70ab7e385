/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_COLLECT_H
#define CH_AGENT_COLLECT_H

#include "agent/collect/clock.h"
#include "agent/collect/logs.h"
#include "agent/collect/queue.h"
#include "agent/collect/root.h"
#include "agent/ipc/child.h"

/* chainhold-agent-collect: decides when to attest, reads the logs, keeps what must survive a power cut. It owns no key and no socket. */

#define AG_TEXT_SHORT 80

/* The deployment as apply has it, and what the server was told of it; by value. */
struct ag_update_view {
	enum ag_phase phase;
	uint64_t root; /* version of the fleet root that apply has */
	uint64_t deployment;
	uint8_t release[AG_DIGEST];
	char name[AG_TEXT_SHORT], version[AG_TEXT_SHORT], slot[AG_TEXT_SHORT];
	bool provable;
	uint64_t size, offset;
	uint8_t sha256[AG_DIGEST];
	uint8_t percent;
	char reason[AG_TEXT_MAX];
};

struct collect {
	struct ag_child child;
	struct ag_start_collect start;
	int dir; /* its state */
	int eventlog, ima;
	struct ag_clock clock;
	struct ag_queue queue;
	struct ag_root root; /* the newest that holds; version 0: the configuration says whom to trust */

	bool enrolled;
	bool checked;                /* the keys were seen to work */
	bool expelled;               /* the server takes the certificate no more: only enrolling anew can help */
	struct ch_buf identity_file; /* what `identity` points to */
	struct ag_record_identity identity;
	struct ch_buf floor_file;
	struct ag_record_floor floor;

	/* for the status page */
	bool ok; /* the last attestation was acknowledged */
	uint64_t last_ok;
	uint64_t evidence; /* its number at the server */
	char chain[AG_TEXT_SHORT];
	char state[AG_TEXT_SHORT];
	char reasons[AG_TEXT_MAX * 4]; /* of the last answer, a line each */
	char problem[AG_TEXT_MAX];     /* of the last attempt; empty if it went well */

	/* history already taken, so that a device that is long offline does not say the same again and again */
	uint8_t last_history[AG_DIGEST];

	/* updates */
	bool update_due; /* the server has a deployment for this device */
	struct ag_update_view update;
	uint64_t told;            /* the deployment that the server was told of, */
	enum ag_phase told_phase; /* and how it stood then */
	uint8_t told_percent;
	uint64_t rebooted; /* the deployment for which main was asked to start the machine again */

	char code[AG_TEXT_SHORT]; /* of the last refusal; empty if there was none */
	bool unreached;           /* no server that is trusted was reached in this attempt */
	unsigned failures;        /* in a row */
	uint32_t retry_after;     /* seconds that the server asked for */
	uint32_t next_in;         /* seconds until the next attestation, as the server wants it; 0: the interval */
};

/* How an attempt ended. */
enum ag_outcome {
	AG_DONE,
	AG_LATER,   /* nobody there, or not now: try again, more and more seldom */
	AG_REFUSED, /* the server will not have it */
};

/* state.c: what is on the disk. A failure to read what is there ends the process; if it cannot be written, a line says so. */
void ag_state_open(struct collect *c);
CH_MUST_USE enum ch_err ag_state_put_identity(struct collect *c, const struct ag_record_identity *r);
void ag_state_put_floor(struct collect *c);
/* Notes a time that a server said, and keeps it when that is worth a write. */
void ag_state_time(struct collect *c, uint64_t time);

/* call.c: one request, and what its answer means. Notes retry_after and the problem. */
enum ag_outcome ag_call(struct collect *c, enum ag_route route, struct ch_span key, struct ch_span body,
			enum ag_msg answer, void *to);
/* The same with a number in the path. */
enum ag_outcome ag_call_about(struct collect *c, enum ag_route route, uint64_t number, struct ch_span body,
			      enum ag_msg answer, void *to);
/* Bytes by their digest; the floor of time is filled in. */
enum ag_outcome ag_fetch(struct collect *c, struct ag_fetch *m, struct ag_fetched *to);
/* Notes what went wrong, for status and log. */
void ag_problem(struct collect *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* enrol.c */
enum ag_outcome ag_enrol(struct collect *c);
enum ag_outcome ag_renew(struct collect *c);
/* Without a TPM: shows that the key is still held, or renews it when that is due. */
enum ag_outcome ag_show_key(struct collect *c);
/* True if the certificate has come to its end, or the server takes it no more. */
bool ag_certificate_over(const struct collect *c);
/* True from two thirds of the certificate's life on. */
bool ag_renew_due(const struct collect *c);
/* Tells net who we are. */
void ag_identity_use(struct collect *c);

/* attest.c: asks for a nonce, quotes, sends what changed; without a server, queues history. */
enum ag_outcome ag_attest(struct collect *c);
/* Whether the keys are those of this TPM, before the server is bothered; notes the problem if not. */
bool ag_self_check(struct collect *c);
/* Asks whether the server waits for something. True if it is time for an attempt, or if the server could not be asked. */
bool ag_poll(struct collect *c);
/* For a device without a TPM: asks how it stands. */
enum ag_outcome ag_ask_status(struct collect *c);

/*
 * update.c: brings the server's deployment and apply together, a step at a time. Returns when to come again, in milliseconds from
 * now; 0: when the server says so.
 */
uint64_t ag_update(struct collect *c);

/* status.c: tells main. */
void ag_status_tell(struct collect *c);

#endif
