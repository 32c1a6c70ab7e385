/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/child.h"
#include "agent/net/answer.h"
#include "core/wire/json.h"
#include "host/net/http_client.h"

#include <errno.h>
#include <nss.h>
#include <stdlib.h>
#include <string.h>

/* chainhold-agent-net: the only process with the network. It has no key and no file; one request at a time. */

#define SERVERS_MAX 32
#define HOST_MAX    256
#define ANSWER_MAX  ((size_t)1 << 20)
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
	struct ch_tls_client *tls;
	uint32_t key;
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

/* An identity from now on: `cert` is empty before the device is enrolled. */
static void identity(struct net *n, uint32_t key, struct ch_span cert)
{
	disconnect(n);
	ch_tls_client_free(n->tls);
	n->tls = NULL;
	n->key = key;
	const struct ch_tls_client_conf conf = {
		.ca_pem = ch_buf_span(&n->ca), .cert_pem = cert, .sign = cert.n > 0 ? sign : NULL, .sign_ctx = n
	};
	struct ch_net_why why = { "" };
	if (ch_tls_client_new(&n->tls, &conf, &why) != CH_OK)
		ag_child_end(why.text);
}

static enum ch_err connect_to(struct net *n, size_t server, uint64_t floor, struct ch_net_why *why)
{
	const struct ch_net_target t = {
		.host = n->server[server].host,
		.port = n->server[server].port,
		.proxy_host = n->proxy.host[0] != '\0' ? n->proxy.host : NULL,
		.proxy_port = n->proxy.port,
		.time_floor = floor,
	};
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

static enum ch_err ask_once(struct net *n, const struct ag_call *m, struct ch_http_answer *a, struct ch_net_why *why)
{
	char key[65];
	key[ch_span_copy(key, sizeof(key) - 1, m->idempotency_key)] = '\0';
	char host[HOST_MAX + 12];
	struct ch_wr w = ch_wr(host, sizeof(host) - 1);
	bool v6 = strchr(n->server[n->current].host, ':') != NULL;
	ch_wr_str(&w, v6 ? "[" : "");
	ch_wr_str(&w, n->server[n->current].host);
	ch_wr_str(&w, v6 ? "]:" : ":");
	ch_wr_str(&w, n->server[n->current].port);
	host[w.len] = '\0';
	const struct ch_http_ask ask = {
		.method = ag_routes[m->route].method,
		.target = ag_routes[m->route].path,
		.host = host,
		.idempotency_key = key[0] != '\0' ? key : NULL,
		.body = m->body,
	};
	enum ch_err err = ch_http_call(n->conn, &ask, ANSWER_MAX, a, why);
	if (err != CH_OK || a->last)
		disconnect(n);
	return err;
}

/*
 * Asks over the open connection, else over a new one to the server that answered last, else to the others in turn. A connection
 * that was kept may have been closed meanwhile: one more try on a new one.
 */
static enum ch_err ask(struct net *n, const struct ag_call *m, struct ch_http_answer *a, struct ch_net_why *why)
{
	if (n->conn != NULL && !ch_net_usable(n->conn))
		disconnect(n);
	if (n->conn != NULL && ask_once(n, m, a, why) == CH_OK)
		return CH_OK;
	size_t first = n->current;
	enum ch_err err = CH_ERR_IO;
	for (size_t i = 0; i < n->servers; i++) {
		size_t server = (first + i) % n->servers;
		err = connect_to(n, server, m->floor, why);
		if (err == CH_OK)
			err = ask_once(n, m, a, why);
		if (err == CH_OK)
			return CH_OK;
		ch_log(CH_LOG_WARNING, "%s:%s: %s", n->server[server].host, n->server[server].port, why->text);
	}
	return err;
}

static void set_retry(struct ag_answer *a, enum ag_msg type, unsigned seconds)
{
	/* answers begin alike, see answer.c */
	(void)type;
	a->judged.retry_after = seconds;
}

static void call(struct net *n, const struct ag_call *m, struct ch_chan *to, uint64_t id)
{
	struct ag_answer answer;
	struct ch_http_answer http = { 0 };
	struct ch_net_why why = { "" };
	if (m->route >= AG_ROUTE_COUNT)
		ag_child_end("collect asks for a route that is not there");
	enum ag_route route = (enum ag_route)m->route;
	if (ask(n, m, &http, &why) != CH_OK) {
		ag_answer_none(&answer, route, ch_span_str(why.text));
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

static void serve(struct net *n, struct ag_link *l, const struct ch_frame *f)
{
	union {
		struct ag_call call;
		struct ag_certificate certificate;
		struct ag_start_net start;
		struct ag_signed answer;
	} msg;
	ag_child_parse(&n->child, l, f, &msg);
	if (f->type == AG_MSG_CERTIFICATE)
		identity(n, msg.certificate.key, msg.certificate.chain);
	else if (f->type == AG_MSG_CALL)
		call(n, &msg.call, &l->chan, f->id);
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
