/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_EDGE_EDGE_H
#define CH_EDGE_EDGE_H

#include "host/net/http1.h"
#include "host/net/proxy_protocol.h"
#include "host/net/tls_server.h"
#include "server/edge/budget.h"
#include "server/edge/revocation.h"
#include "server/edge/root_lists.h"
#include "server/ipc/hub.h"
#include "server/ipc/routes.h"
#include "server/ipc/view.h"

/*
 * The edge: one loop, its connections, and the channels to the processes that answer. One structure owns all of it; main.c makes
 * it and every function gets it. Only what the files of this folder share is here.
 */

#define EDGE_LISTENERS_MAX 4 /* sockets of one kind */
#define EDGE_BALANCERS_MAX 32
#define EDGE_BUCKETS       4096 /* of the index by device */
#define EDGE_SCRATCH       16384
#define EDGE_KEY_MAX       64 /* Idempotency-Key */

enum conn_state {
	CONN_PROXY,     /* the balancer's header is awaited */
	CONN_HANDSHAKE, /* TLS */
	CONN_HEAD,      /* a request, or nothing */
	CONN_BODY,
	CONN_WAIT,   /* another process answers */
	CONN_WRITE,  /* the answer goes out */
	CONN_EVENTS, /* live events go out until somebody ends it */
	CONN_LINGER, /* all is said; what the client still sends is thrown away, so that it reads the answer */
	CONN_STATES
};

struct edge;

struct conn {
	struct edge *edge;
	struct ch_loop_fd io;
	struct ch_loop_timer timer;
	struct ch_loop_task again; /* bytes are in memory that no descriptor will tell of */
	struct ch_tls *tls;        /* NULL: plain */
	uint32_t number;           /* place in edge->conn */
	uint32_t turn;             /* of the request: with `number` the id of its messages */
	uint8_t listener;          /* enum ch_listener */
	uint8_t state;             /* enum conn_state */
	bool close;                /* after the answer */
	bool unread;               /* the request was not read to its end */
	bool head_only;
	bool has_cert;
	bool has_token;   /* of this request: `cert` is the key in the view of the device that a token speaks for */
	bool tried_token; /* it came with one */
	bool spent;       /* its device had no tokens for a connection: the first request hears of it */
	bool known;       /* `slot` and `id` are of the certificate */
	bool peer_shut;   /* the client sends no more */
	uint16_t route;
	uint8_t address[16];
	uint16_t port;
	uint8_t cert[32];
	uint32_t slot;
	struct ch_view_record who;  /* as of the last admission */
	struct conn *next, *prev;   /* of the same bucket of the index, while `known` */
	struct conn *older, *newer; /* all connections, by the time they last did something */
	struct ch_peer *peer;       /* that answers, in CONN_WAIT */
	struct ch_buf in;           /* head of the request, and what came behind it */
	size_t head_n;              /* of the head in `in`, once it is whole; with `seen` before */
	size_t seen;
	struct ch_buf body;
	struct ch_http_body framing;
	struct ch_buf out;
	size_t out_off;
	bool has_file,
		file_broken; /* the rest of the answer is bytes [file_off, file_end) of what is given out of `file`, which stands there */
	int file;
	uint64_t file_off, file_end;
	size_t charged; /* bytes of the process's budget */
	uint64_t since; /* milliseconds: of this state */
	uint64_t moved; /* bytes in this state */
};

struct listener {
	struct edge *edge;
	struct ch_loop_fd io;
	uint8_t kind; /* enum ch_listener */
	int fd;
};

/* How a request of OCSP was answered. */
enum ocsp_way { OCSP_KEPT, OCSP_ASKED, OCSP_OVER_LIMIT, OCSP_REFUSED, OCSP_WAYS };

/* What an operator may see on /metrics. */
struct edge_counters {
	uint64_t accepted, refused_full, evicted, handshakes, resumed, handshake_failed, timeouts, bad_requests,
		over_budget;
	uint64_t cuts, sessions_cut, events, subscribers_dropped, peers_lost, late_answers, bytes_in, bytes_out;
	uint64_t requests[CH_ROUTE_COUNT][6]; /* by the first digit of the status */
	uint64_t ocsp[OCSP_WAYS];
};

struct edge_conf {
	size_t connections_max;
	size_t memory_max;  /* bytes of requests and answers under way */
	size_t waiting_max; /* requests under way at one peer */
	uint64_t handshake_ms, idle_ms, head_ms, request_ms, grace_ms;
	struct budget_rate device, stranger,
		reader;                    /* a device's requests; enrolments, and public reads, of an address */
	struct budget_rate ocsp, ocsp_all; /* answers of OCSP that must be signed: for an address, for all */
	char ddi_tenant[CH_DDI_NAME_MAX + 1];
	uint32_t ddi_poll; /* seconds */
	struct ch_prefix balancer[EDGE_BALANCERS_MAX];
	size_t balancers;
};

struct event {
	uint64_t seq;
	struct ch_buf text; /* as it goes out, with its chunk's frame */
};

#define EDGE_OTHERS_MAX 8 /* processes of one role whose numbers are shown */

/* Tokens of clients without a certificate (token.c); none is taken unless the configuration says so. */
struct token;
struct tokens {
	struct token *row; /* by the key of the view */
	size_t count;
	bool target, gateway;
	uint8_t gateway_sha256[32];
};

struct edge {
	struct tokens tokens;
	struct ch_child child;
	struct ch_hub hub;
	struct ch_loop *loop; /* the hub's */
	struct edge_conf conf;
	struct ch_view *view;
	struct ch_tls_server *tls[CH_LISTENER_COUNT];
	struct listener listener[CH_LISTENER_COUNT][EDGE_LISTENERS_MAX];
	size_t listeners[CH_LISTENER_COUNT];
	bool paused; /* no connection is taken: no descriptor left, or the end is near */
	struct ch_loop_timer resume;
	size_t waiting[CH_ROLE_COUNT][CH_HUB_PEERS_MAX]; /* requests without an answer, by the peer that has them */
	struct conn **conn;                              /* by number; NULL: free */
	uint32_t *free_number;
	size_t conn_cap, free_count, conns;
	size_t in_state[CONN_STATES];
	struct conn *oldest, *newest;
	struct conn *bucket[EDGE_BUCKETS];
	size_t memory;
	struct budgets budgets;
	struct revocation revocation;
	struct root_lists root_lists;
	struct ch_loop_timer root_lists_look; /* once a day: what ends is told before it does */
	struct event *event;                  /* ring of the last events */
	size_t event_at, event_count, event_bytes;
	struct ch_loop_timer heartbeat;
	bool stopping;
	struct ch_loop_timer grace;
	struct ch_buf other[CH_ROLE_COUNT][EDGE_OTHERS_MAX]; /* what the other processes told of themselves */
	struct edge_counters count;
	uint64_t date_at;
	char date[CH_HTTP_DATE];
	uint8_t scratch[EDGE_SCRATCH];
};

/* conn.c: bytes in, bytes out, time */
void edge_accept_start(struct edge *e);
void edge_accept_pause(struct edge *e, uint64_t ms);
void conn_state(struct conn *c, enum conn_state state, uint64_t ms);
void conn_free(struct conn *c);
/* Starts to send what is in `out`; the connection may be gone afterwards. */
void conn_send(struct conn *c);
/* Reads the body of the request; what is in `in` behind the head is its beginning. `expected`: the client waits to be told to send. */
void conn_begin_body(struct conn *c, bool expected);
/* Takes `n` more bytes from the process's budget; false if they are not there. */
bool conn_charge(struct conn *c, size_t n);

/* request.c: a whole head; a whole body; an answer */
void request_head(struct conn *c);
void request_whole(struct conn *c);
void request_expired(struct conn *c);
/* Answers with an error: a JSON body that says which rule was broken. `unread`: the connection ends with it. */
void request_refuse(struct conn *c, unsigned status, const char *code, const char *rule);
void request_respond(struct conn *c, unsigned status, uint32_t retry_after, struct ch_span type, struct ch_span body);
void request_answer(struct conn *c, const struct ch_msg_answer *a);
/* The same as request_respond for what caches may keep (RFC 9111). */
struct cached {
	uint64_t max_age; /* seconds */
	const char *tag;
	uint64_t modified, expires; /* seconds since 1970 */
	bool fresh;                 /* the client has it: 304 */
};
void request_respond_cached(struct conn *c, struct ch_span type, struct ch_span body, const struct cached *how);

/* est.c: requests for certificates (RFC 7030) */
bool est_is(const struct conn *c);
/* Hands it on to the process that judges it. */
void est_forward(struct conn *c, const struct ch_http_request *r, struct ch_peer *p);
/* A line about an enrolment that was refused. */
void est_log(struct conn *c, unsigned status, struct ch_span why);

/* admit.c: may it? */
struct refusal {
	unsigned status; /* 0: admitted */
	const char *code;
	const char *rule;
	bool end; /* the connection is of no use any more */
};
struct refusal edge_admit(struct conn *c, const struct ch_route *route);
/* Looks the certificate up and enters the connection into the index. False if nobody knows it. */
bool edge_identify(struct conn *c);
void edge_forget(struct conn *c);
/* Closes the sessions that CUT names; how many. */
uint32_t edge_cut(struct edge *e, const struct ch_msg_cut *cut);

/* token.c: clients without a certificate */
bool tokens_load(struct tokens *t, struct ch_span config);
void tokens_clear(struct tokens *t);
/* What of the request's Authorization holds; before every admission of a request. */
void token_take(struct conn *c, const struct ch_http_request *r);
/* Why a connection without a certificate is not admitted. */
struct refusal token_refused(struct conn *c);

/* peers.c: the processes that answer */
bool peer_message(void *ctx, struct ch_peer *p, const struct ch_frame *f);
void peer_change(void *ctx, struct ch_peer *p, bool up);
/* The one of this role that has least to do; NULL if none is there, or all are full. */
struct ch_peer *peer_choose(struct edge *e, enum ch_role role);
/* From now on `p` is to answer the connection's request. */
void peer_owes(struct conn *c, struct ch_peer *p);
/* Nobody is to answer it any more: the answer came, or is not awaited. */
void peer_quit(struct conn *c);
static inline uint64_t conn_id(const struct conn *c)
{
	return (uint64_t)c->turn << 32 | c->number;
}

/* events.c */
void events_start(struct edge *e);
void events_subscribe(struct conn *c, struct ch_span last_id);
void events_publish(struct edge *e, const struct ch_msg_event *event);
void events_clear(struct edge *e);

/* metrics.c */
void metrics_clear(struct edge *e);
void metrics_put(struct edge *e, struct ch_wr *w);
/* What this edge tells main of itself. */
void metrics_own(void *ctx, struct ch_wr *w);
/* Keeps the lines of another process. */
void metrics_take(void *ctx, const struct ch_child_news *news);

/* ocsp.c: revocation lists and OCSP */
void ocsp_answer_list(struct conn *c, const struct ch_http_request *r);
void ocsp_answer_get(struct conn *c, const struct ch_http_request *r);
void ocsp_answer_post(struct conn *c, const struct ch_http_request *r);
/* The answer that was asked of the keeper. */
void ocsp_answered(struct conn *c, const struct ch_msg_ocsp *m);

/* artifact.c: files that a reader opened */
/* Answers with the file, or a part of it, as the request asks; takes over the descriptor. The connection may be gone afterwards. */
void artifact_send(struct conn *c, const struct ch_msg_artifact *m, int fd);
/* The next piece into `out`, which is sent; false at the end, or if the file broke (c->file_broken). */
bool artifact_more(struct conn *c);
void artifact_end(struct conn *c);

/* ddi.c: the poll of hawkBit's DDI, where the view knows all of its answer; false if the reader must answer it */
bool ddi_answer(struct conn *c, const struct ch_http_request *r);

/* local.c: what the edge answers by itself */
void local_answer(struct conn *c, const struct ch_http_request *r);

#endif
