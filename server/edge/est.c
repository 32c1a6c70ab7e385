/* SPDX-License-Identifier: Apache-2.0 */
/* EST (RFC 7030): whose connection a request for a certificate came over. What is asked for is judged by verify and keeper. */
#include "server/edge/edge.h"

#include "host/sys/log.h"

#include <arpa/inet.h>

bool est_is(const struct conn *c)
{
	return ch_route_est(c->route) != CH_ROUTE_COUNT;
}

/* libest reads base64 in lines only, strongSwan only without them, and says nothing of itself (docs/protocol/est.md). */
static bool wants_lines(const struct ch_http_request *r)
{
	struct ch_span agent;
	return ch_http_field_get(&r->fields, "user-agent", &agent) && ch_span_starts(agent, CH_SPAN_LIT("libest"));
}

void est_forward(struct conn *c, const struct ch_http_request *r, struct ch_peer *p)
{
	uint8_t binding[CH_TLS_BINDING_MAX];
	CH_AUTO_BUF struct ch_buf certificate = { 0 };
	struct ch_msg_est m = {
		.route = c->route,
		.wrap = wants_lines(r),
		.label = ch_route_param((enum ch_route_number)c->route, r->path, 0),
		.body = ch_buf_span(&c->body),
	};
	(void)ch_http_field_get(&r->fields, "authorization", &m.authorization);
	if (m.label.n > CH_NAME_MAX || m.authorization.n > CH_IPC_TEXT_MAX) {
		request_refuse(c, 400, "request", "the label or the credentials are too long");
		return;
	}
	m.binding = ch_span(binding, ch_tls_binding(c->tls, binding));
	if (c->has_cert)
		(void)ch_span_copy(m.cert_sha256, sizeof(m.cert_sha256), CH_SPAN_OF(c->cert));
	if (c->known) {
		m.peer = CH_EST_DEVICE;
		(void)ch_span_copy(m.device, sizeof(m.device), CH_SPAN_OF(c->who.id));
	} else if (c->has_cert && ch_tls_anchor(c->tls) == CH_TLS_ANCHOR_IDEVID &&
		   ch_tls_peer_der(c->tls, &certificate) && certificate.n <= CH_CERT_MAX) {
		m.peer = CH_EST_IDEVID;
		m.certificate = ch_buf_span(&certificate);
	}
	c->turn++;
	peer_owes(c, p);
	conn_state(c, CONN_WAIT, c->edge->conf.request_ms);
	ch_peer_send(p, CH_MSG_EST, conn_id(c), &m);
}

void est_log(struct conn *c, unsigned status, struct ch_span why)
{
	char text[INET6_ADDRSTRLEN] = "", cert[17] = "none";
	bool four = ch_span_all(ch_span(c->address, 10), 0) && c->address[10] == 0xff && c->address[11] == 0xff;
	struct ch_wr w = ch_wr(cert, sizeof(cert) - 1);
	(void)inet_ntop(four ? AF_INET : AF_INET6, four ? c->address + 12 : c->address, text, sizeof(text));
	if (c->has_cert)
		ch_wr_hex(&w, ch_span(c->cert, 8));
	while (why.n > 0 && why.p[why.n - 1] == '\n')
		why.n--;
	ch_log(CH_LOG_WARNING, "EST %s refused (%u), from %s port %u, certificate %s: %.*s",
	       ch_routes[c->route].pattern, status, text, c->port, cert, (int)(why.n < 512 ? why.n : 512),
	       (const char *)why.p);
}
