/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/child.h"
#include "agent/net/answer.h"
#include "core/wire/json.h"
#include "host/net/http_client.h"
#include "host/net/tcp.h"

#include <errno.h>
#include <nss.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* chainhold-agent-net: the only process with the network. It has no key and no file; one request at a time. */

#define SERVERS_MAX 32
#define HOST_MAX    256
#define HOST_ROOM   (HOST_MAX + 12) /* with brackets and port */
#define ANSWER_MAX  ((size_t)1 << 20)
#define TARGET_ROOM 128
#define SIGN_MS     30000 /* a slow TPM behind a busy bus */

struct place {
	char host[HOST_MAX];
	char port[8];
};

struct net {
	struct ag_child child;
	struct place server[SERVERS_MAX];
	size_t servers;
	size_t current; /* the server that answered last */
	struct place proxy;
	struct ch_buf ca;
	struct ch_tls_client *tls; /* NULL: nobody is trusted */
	struct ch_tls_client
		*anybody; /* shows no certificate and judges none: for documents that speak for themselves */
	uint32_t key;
	struct ch_buf chain; /* own certificate; empty before the device is enrolled */
	struct ch_net_conn *conn;
};

/* The TLS handshake's signature: made by the process that has the key. */
static bool sign(void *ctx, const uint8_t digest[static 32], uint8_t rs[static 64])
{
	struct net *n = ctx;
	struct ag_sign ask = { .key = n->key };
	struct ag_signed answer;
	(void)ch_span_copy(ask.digest, sizeof(ask.digest), ch_span(digest, 32));
	ag_child_ask(&n->child, AG_TPM, AG_MSG_SIGN, &ask, AG_MSG_SIGNED, &answer, SIGN_MS);
	(void)ch_span_copy(rs, 64, ch_span(answer.rs, AG_RS));
	return answer.error.n == 0;
}

static void disconnect(struct net *n)
{
	ch_net_close(n->conn);
	n->conn = NULL;
}

/* "host:port", "[2001:db8::1]:port". */
static bool place_read(struct place *p, struct ch_span text)
{
	size_t colon = text.n;
	while (colon > 0 && text.p[colon - 1] != ':')
		colon--;
	if (colon < 2 || text.n - colon >= sizeof(p->port))
		return false;
	struct ch_span host = ch_span(text.p, colon - 1);
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = ch_span_sub(host, 1, host.n - 2);
	if (host.n >= sizeof(p->host))
		return false;
	p->host[ch_span_copy(p->host, sizeof(p->host) - 1, host)] = '\0';
	p->port[ch_span_copy(p->port, sizeof(p->port) - 1, ch_span(text.p + colon, text.n - colon))] = '\0';
	return true;
}

static void servers_read(struct net *n, struct ch_span text)
{
	while (text.n > 0) {
		size_t end = 0;
		while (end < text.n && text.p[end] != '\n')
			end++;
		if (n->servers == SERVERS_MAX || !place_read(&n->server[n->servers], ch_span(text.p, end)))
			ag_child_end("the list of servers cannot be read");
		n->servers++;
		text = end < text.n ? ch_span(text.p + end + 1, text.n - end - 1) : CH_SPAN_EMPTY;
	}
}

/* The TLS of the anchors and the identity that are known now. Anchors that OpenSSL does not read are nobody: a later fleet root mends it. */
static void renew_tls(struct net *n)
{
	disconnect(n);
	ch_tls_client_free(n->tls);
	n->tls = NULL;
	struct ch_span chain = ch_buf_span(&n->chain);
	const struct ch_tls_client_conf conf = {
		.ca_pem = ch_buf_span(&n->ca), .cert_pem = chain, .sign = chain.n > 0 ? sign : NULL, .sign_ctx = n
	};
	struct ch_net_why why = { "" };
	if (n->ca.n > 0 && ch_tls_client_new(&n->tls, &conf, &why) != CH_OK)
		ch_log(CH_LOG_ERROR, "%s", why.text);
}

/* An identity from now on: `cert` is empty before the device is enrolled. */
static void identity(struct net *n, uint32_t key, struct ch_span cert)
{
	n->key = key;
	n->chain.n = 0;
	ch_buf_append(&n->chain, cert);
	renew_tls(n);
}

static void trust(struct net *n, const struct ag_trust *m)
{
	n->servers = n->current = 0;
	servers_read(n, m->servers);
	n->ca.n = 0;
	ch_buf_append(&n->ca, m->ca);
	renew_tls(n);
}

static struct ch_net_target target_of(const struct net *n, size_t server, uint64_t floor)
{
	return (struct ch_net_target){
		.host = n->server[server].host,
		.port = n->server[server].port,
		.proxy_host = n->proxy.host[0] != '\0' ? n->proxy.host : NULL,
		.proxy_port = n->proxy.port,
		.time_floor = floor,
	};
}

static enum ch_err connect_to(struct net *n, size_t server, uint64_t floor, struct ch_net_why *why)
{
	const struct ch_net_target t = target_of(n, server, floor);
	if (n->tls == NULL)
		return ch_net_say(why, CH_ERR_UNTRUSTED, "no anchor that can be used");
	enum ch_err err = ch_net_connect(&n->conn, n->tls, &t, why);
	if (err != CH_OK) {
		n->conn = NULL;
		return err;
	}
	n->current = server;
	ch_log(CH_LOG_INFO, "connected to %s:%s, %s%s", t.host, t.port, ch_net_protocol(n->conn),
	       ch_net_resumed(n->conn) ? ", session resumed" : "");
	return CH_OK;
}

/* What a request says whom it is for (RFC 9110, 7.2). */
static void host_put(char to[static HOST_ROOM], const struct place *server)
{
	bool v6 = strchr(server->host, ':') != NULL;
	(void)snprintf(to, HOST_ROOM, "%s%s%s:%s", v6 ? "[" : "", server->host, v6 ? "]" : "", server->port);
}

/* One request, before it is known to whom it goes. */
struct question {
	const char *method;
	char target[TARGET_ROOM];
	char key[65];
	char range[64];
	struct ch_span body;
	uint64_t floor; /* of time */
	size_t answer_max;
};

static enum ch_err ask_once(struct net *n, const struct question *q, struct ch_http_answer *a, struct ch_net_why *why)
{
	char host[HOST_ROOM];
	host_put(host, &n->server[n->current]);
	const struct ch_http_ask ask = {
		.method = q->method,
		.target = q->target,
		.host = host,
		.idempotency_key = q->key[0] != '\0' ? q->key : NULL,
		.range = q->range[0] != '\0' ? q->range : NULL,
		.body = q->body,
	};
	enum ch_err err = ch_http_call(n->conn, &ask, q->answer_max, a, why);
	if (err != CH_OK || a->last)
		disconnect(n);
	return err;
}

/*
 * Asks over the open connection, else over a new one to the server that answered last, else to the others in turn. A connection
 * that was kept may have been closed meanwhile: one more try on a new one.
 */
static enum ch_err ask(struct net *n, const struct question *q, struct ch_http_answer *a, struct ch_net_why *why)
{
	if (n->conn != NULL && !ch_net_usable(n->conn))
		disconnect(n);
	if (n->conn != NULL && ask_once(n, q, a, why) == CH_OK)
		return CH_OK;
	size_t first = n->current;
	enum ch_err err = CH_ERR_IO;
	bool refused = false;
	for (size_t i = 0; i < n->servers; i++) {
		size_t server = (first + i) % n->servers;
		err = connect_to(n, server, q->floor, why);
		if (err == CH_OK)
			err = ask_once(n, q, a, why);
		if (err == CH_OK)
			return CH_OK;
		ch_log(CH_LOG_WARNING, "%s:%s: %s", n->server[server].host, n->server[server].port, why->text);
		refused = refused || err == CH_ERR_KEY;
	}
	return refused ? CH_ERR_KEY : err;
}

static void set_retry(struct ag_answer *a, enum ag_msg type, unsigned seconds)
{
	/* answers begin alike, see answer.c */
	(void)type;
	a->judged.retry_after = seconds;
}

static struct question question_of(const struct ag_call *m)
{
	const struct ag_route_row *row = &ag_routes[m->route];
	struct question q = { .method = row->method, .body = m->body, .floor = m->floor, .answer_max = ANSWER_MAX };
	struct ch_wr w = ch_wr(q.target, sizeof(q.target) - 1);
	for (const char *p = row->path; *p != '\0'; p++) {
		if (*p == '*')
			ch_wr_dec(&w, m->number);
		else
			ch_wr_u8(&w, (uint8_t)*p);
	}
	(void)ch_span_copy(q.key, sizeof(q.key) - 1, m->idempotency_key);
	return q;
}

static void call(struct net *n, const struct ag_call *m, struct ch_chan *to, uint64_t id)
{
	struct ag_answer answer;
	struct ch_http_answer http = { 0 };
	struct ch_net_why why = { "" };
	if (m->route >= AG_ROUTE_COUNT)
		ag_child_end("collect asks for a route that is not there");
	enum ag_route route = (enum ag_route)m->route;
	const struct question q = question_of(m);
	enum ch_err err = ask(n, &q, &http, &why);
	if (err != CH_OK) {
		ag_answer_none(&answer, route, ch_span_str(why.text));
		/* answers begin alike, see answer.c */
		if (err == CH_ERR_KEY)
			answer.judged.code = CH_SPAN_LIT("certificate-refused");
		ag_child_send(to, ag_routes[route].answer, id, &answer);
		return;
	}
	size_t cap = ch_json_nodes_max(http.body.n);
	CH_AUTO_FREE struct ch_json_node *node = ch_calloc(cap, sizeof(*node));
	size_t room = http.body.n + AG_TEXT_MAX;
	CH_AUTO_FREE uint8_t *text = ch_calloc(1, room);
	struct ch_wr w = ch_wr(text, room);
	struct ch_diag d;
	if (ag_answer_parse(&answer, route, http.status, ch_buf_span(&http.body), node, cap, &w, &d) != CH_OK) {
		ch_log(CH_LOG_ERROR, "the answer to %s %s is not understood: %s", ag_routes[route].method,
		       ag_routes[route].path, d.rule != NULL ? d.rule : "malformed");
		ag_answer_none(&answer, route, CH_SPAN_LIT("the server's answer is not understood"));
	}
	set_retry(&answer, ag_routes[route].answer, http.retry_after);
	ag_child_send(to, ag_routes[route].answer, id, &answer);
	ch_buf_free(&http.body);
}

/* --- releases and artefacts, by their digest --- */

static struct question question_for(const struct ag_fetch *m)
{
	static const char *const path[AG_FETCH_COUNT][2] = {
		[AG_FETCH_RELEASE] = { "/v1/releases/", "" },
		[AG_FETCH_PROOF] = { "/v1/releases/", "/proof" },
		[AG_FETCH_ARTIFACT] = { "/artifacts/", "" },
	};
	bool part = m->what == AG_FETCH_ARTIFACT;
	struct question q = { .method = "GET", .floor = m->floor, .answer_max = part ? m->count : CH_RELEASE_FILE_MAX };
	struct ch_wr w = ch_wr(q.target, sizeof(q.target) - 1);
	ch_wr_str(&w, path[m->what][0]);
	ch_wr_hex(&w, CH_SPAN_OF(m->sha256));
	ch_wr_str(&w, path[m->what][1]);
	if (part)
		(void)snprintf(q.range, sizeof(q.range), "bytes=%llu-%llu", (unsigned long long)m->offset,
			       (unsigned long long)(m->offset + m->count - 1));
	return q;
}

/* What is not bytes of what was asked for: a refusal, with its code; or a server that knows no ranges. */
static void explain(struct ag_answer *a, const struct ch_http_answer *http, struct ch_wr *w)
{
	static struct ch_json_node node[64];
	struct ch_diag d;
	if (ag_answer_parse(a, AG_ROUTE_FEEDBACK, http->status, ch_buf_span(&http->body), node, CH_COUNT_OF(node), w,
			    &d) != CH_OK)
		ag_answer_none(a, AG_ROUTE_FEEDBACK, CH_SPAN_LIT("the server's answer is not the one to the question"));
}

static void fetch_bytes(struct net *n, const struct ag_fetch *m, struct ch_chan *to, uint64_t id)
{
	struct ag_answer answer = { .fetched = { 0 } };
	struct ch_http_answer http = { 0 };
	struct ch_net_why why = { "" };
	uint8_t room[AG_TEXT_MAX * 2];
	struct ch_wr w = ch_wr(room, sizeof(room));
	if (m->what >= AG_FETCH_COUNT || m->count > AG_PIECE_MAX || (m->what == AG_FETCH_ARTIFACT && m->count == 0))
		ag_child_end("collect asks for what is not there");
	const struct question q = question_for(m);
	unsigned good = m->what == AG_FETCH_ARTIFACT ? 206 : 200;
	enum ch_err err = ask(n, &q, &http, &why);
	if (err != CH_OK)
		ag_answer_none(&answer, AG_ROUTE_FEEDBACK, ch_span_str(why.text));
	else if (http.status != good)
		explain(&answer, &http, &w);
	struct ag_fetched reply = {
		.status = answer.fetched.status,
		.retry_after = http.retry_after,
		.code = answer.fetched.code,
		.error = answer.fetched.error,
	};
	if (err == CH_OK && http.status == good) {
		reply.status = 200;
		reply.bytes = ch_buf_span(&http.body);
	}
	ag_child_send(to, AG_MSG_FETCHED, id, &reply);
	ch_buf_free(&http.body);
}

/* --- the fleet root --- */

static enum ch_err fetch(struct ch_net_conn *k, const struct place *server, uint64_t version, struct ch_http_answer *a,
			 struct ch_net_why *why)
{
	char path[64], host[HOST_ROOM];
	host_put(host, server);
	(void)snprintf(path, sizeof(path), "/v1/fleet-root/%llu", (unsigned long long)version);
	const struct ch_http_ask ask = { .method = "GET", .target = path, .host = host };
	return ch_http_call(k, &ask, CH_NOTE_MAX, a, why);
}

static enum ch_err fetch_from(struct net *n, const struct ag_fetch_root *m, struct ch_http_answer *a,
			      struct ch_net_why *why)
{
	const struct place *server = &n->server[m->nth];
	if (m->nth == 0 && n->conn != NULL && ch_net_usable(n->conn)) {
		enum ch_err err = fetch(n->conn, &n->server[n->current], m->version, a, why);
		if (err != CH_OK || a->last)
			disconnect(n);
		if (err == CH_OK)
			return CH_OK;
	}
	CH_AUTO_CONN struct ch_net_conn *k = NULL;
	const struct ch_net_target t = target_of(n, m->nth, m->floor);
	enum ch_err err = ch_net_connect(&k, n->anybody, &t, why);
	return err == CH_OK ? fetch(k, server, m->version, a, why) : err;
}

static void fetch_root(struct net *n, const struct ag_fetch_root *m, struct ch_chan *to, uint64_t id)
{
	struct ch_http_answer http = { 0 };
	struct ch_net_why why = { "" };
	struct ag_root_answer answer = { .places = (uint32_t)n->servers };
	if (m->nth < n->servers) {
		enum ch_err err = fetch_from(n, m, &http, &why);
		if (err == CH_OK)
			answer.status = (uint16_t)http.status;
		else
			ch_log(CH_LOG_WARNING, "%s:%s: %s", n->server[m->nth].host, n->server[m->nth].port, why.text);
		if (http.status == 200)
			answer.note = ch_buf_span(&http.body);
	}
	ag_child_send(to, AG_MSG_ROOT_ANSWER, id, &answer);
	ch_buf_free(&http.body);
}

static void serve(struct net *n, struct ag_link *l, const struct ch_frame *f)
{
	union {
		struct ag_call call;
		struct ag_certificate certificate;
		struct ag_trust trust;
		struct ag_fetch_root fetch;
		struct ag_fetch bytes;
		struct ag_start_net start;
		struct ag_signed answer;
	} msg;
	ag_child_parse(&n->child, l, f, &msg);
	if (f->type == AG_MSG_CERTIFICATE)
		identity(n, msg.certificate.key, msg.certificate.chain);
	else if (f->type == AG_MSG_CALL)
		call(n, &msg.call, &l->chan, f->id);
	else if (f->type == AG_MSG_TRUST)
		trust(n, &msg.trust);
	else if (f->type == AG_MSG_FETCH_ROOT)
		fetch_root(n, &msg.fetch, &l->chan, f->id);
	else if (f->type == AG_MSG_FETCH)
		fetch_bytes(n, &msg.bytes, &l->chan, f->id);
	else
		ag_child_end("a message came out of turn");
}

int main(void)
{
	static struct net n;
	struct ag_start_net start;
	ag_child_begin(&n.child, AG_NET, AG_MSG_START_NET, &start);
	servers_read(&n, start.servers);
	if (start.proxy.n > 0 && !place_read(&n.proxy, start.proxy))
		ag_child_end("the proxy cannot be read: host:port is wanted");
	ch_buf_append(&n.ca, start.ca);
	identity(&n, 0, CH_SPAN_EMPTY);
	if (n.tls == NULL && n.ca.n > 0)
		ag_child_end("nobody can be trusted by the certificates of 'server_ca'");
	const struct ch_tls_client_conf anybody = { .peer = CH_TLS_PEER_ANYBODY };
	struct ch_net_why why;
	if (ch_tls_client_new(&n.anybody, &anybody, &why) != CH_OK)
		ag_child_end(why.text);
	/*
	 * The resolver reads its files whenever it is asked, and links in /etc lead to /run: the root stays, landlock leaves nothing
	 * but reading there. Its services are those of the C library itself: another one is a library, which could not be loaded.
	 */
	static const char *const resolver[] = {
		"/etc", "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager", "/run/connman", NULL
	};
	(void)__nss_configure_lookup("hosts", "files dns");
	ag_child_confine(&n.child, &(struct ch_sandbox){ .uid = start.uid,
							 .gid = start.gid,
							 .allow = CH_ALLOW_CONNECT | CH_ALLOW_FILES_READ,
							 .read_only = resolver });
	for (;;) {
		struct ch_frame f;
		struct ag_link *l = ag_child_wait(&n.child, n.conn != NULL ? ch_net_fd(n.conn) : -1, -1, &f);
		if (l != NULL)
			serve(&n, l, &f);
		else if (n.conn != NULL && !ch_net_usable(n.conn))
			disconnect(&n);
	}
}
