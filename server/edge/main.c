/* SPDX-License-Identifier: Apache-2.0 */
/* chainhold-edge: from START to the loop, and to its end. Nothing of the network is read before the sandbox is up. */
#include "server/edge/edge.h"

#include "host/crypto_openssl/backend.h"
#include "host/sys/clock.h"
#include "host/sys/log.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define SPARE_FDS    64 /* besides connections */
#define DAY_MS       86400000u
#define OCSP_ANSWERS 16384 /* that are kept, where the configuration says nothing */

static bool tls_new(struct edge *e, struct ch_span config, enum ch_listener kind, enum ch_tls_clients clients,
		    const char *name)
{
	CH_AUTO_BUF struct ch_buf cert = { 0 };
	CH_AUTO_BUF struct ch_buf key = { 0 };
	CH_AUTO_BUF struct ch_buf ca = { 0 };
	CH_AUTO_BUF struct ch_buf idevid = { 0 };
	/* Devices alone may come with a manufacturer's certificate, and with one of ours that has ended: admit.c says for what. */
	bool devices = kind == CH_LISTENER_DEVICES;
	for (unsigned i = 0; devices && ch_config_bytes(config, "idevid_ca", i, &idevid) == CH_OK; i++)
		ch_buf_append(&idevid, CH_SPAN_LIT("\n"));
	if (ch_config_bytes(config, "tls_certificate", 0, &cert) != CH_OK ||
	    ch_config_bytes(config, "tls_key", 0, &key) != CH_OK ||
	    ch_config_bytes(config, "client_ca", 0, &ca) != CH_OK) {
		ch_log(CH_LOG_ERROR, "tls_certificate, tls_key or client_ca is missing");
		return false;
	}
	/* Certificates that devices have of a CA that was taken over: the fleet view knows which of them are admitted. */
	ch_buf_append(&ca, CH_SPAN_LIT("\n"));
	for (unsigned i = 0; devices && ch_config_bytes(config, "earlier_ca", i, &ca) == CH_OK; i++)
		ch_buf_append(&ca, CH_SPAN_LIT("\n"));
	const struct ch_tls_server_conf conf = { .cert_pem = ch_buf_span(&cert),
						 .key_pem = ch_buf_span(&key),
						 .client_ca_pem = ch_buf_span(&ca),
						 .idevid_ca_pem = ch_buf_span(&idevid),
						 .clients = clients,
						 .expired = devices ? CH_TLS_EXPIRED_ADMITTED : CH_TLS_EXPIRED_REFUSED,
						 .name = name,
						 .sessions_max = (size_t)ch_config_number(config, "sessions_max", 0) };
	struct ch_tls_server *s;
	enum ch_err err = ch_tls_server_new(&s, &conf);
	ch_wipe(key.p, key.n);
	if (err != CH_OK) {
		ch_log(CH_LOG_ERROR, "the TLS certificate, key or client CA of %s: %s", name, ch_err_str(err));
		return false;
	}
	ch_tls_server_free(e->tls[kind]);
	e->tls[kind] = s;
	return true;
}

static bool make_tls(struct edge *e, struct ch_span config)
{
	return tls_new(e, config, CH_LISTENER_DEVICES, CH_TLS_CLIENT_OPTIONAL, "devices") &&
	       tls_new(e, config, CH_LISTENER_OPERATORS, CH_TLS_CLIENT_REQUIRED, "operators");
}

/* Whose revocation this edge tells of. */
static bool make_revocation(struct edge *e, struct ch_span config)
{
	CH_AUTO_BUF struct ch_buf ca = { 0 };
	enum ch_err err = ch_config_bytes(config, "client_ca", 0, &ca);
	if (err == CH_OK)
		err = revocation_init(&e->revocation, ch_buf_span(&ca),
				      (size_t)ch_config_number(config, "ocsp_answers", OCSP_ANSWERS));
	for (unsigned i = 0; err == CH_OK; i++) {
		CH_AUTO_BUF struct ch_buf earlier = { 0 };
		err = ch_config_bytes(config, "earlier_ca", i, &earlier);
		if (err == CH_OK)
			err = revocation_earlier(&e->revocation, ch_buf_span(&earlier));
	}
	if (err == CH_ERR_NOTFOUND)
		err = CH_OK;
	if (err != CH_OK)
		ch_log(CH_LOG_ERROR, "the client CAs, of which revocation is told: %s", ch_err_str(err));
	return err == CH_OK;
}

static bool configure(struct edge_conf *k, struct ch_span c)
{
	*k = (struct edge_conf){ 0 };
	k->connections_max = (size_t)ch_config_number(c, "connections_max", 10000);
	k->memory_max = (size_t)ch_config_number(c, "memory_max", (uint64_t)96 << 20);
	k->waiting_max = (size_t)ch_config_number(c, "waiting_max", 512);
	k->handshake_ms = ch_config_number(c, "handshake_ms", 10000);
	k->head_ms = ch_config_number(c, "head_ms", 10000);
	k->idle_ms = ch_config_number(c, "idle_ms", 180000);
	k->request_ms = ch_config_number(c, "request_ms", 30000);
	k->device.rate = (uint32_t)ch_config_number(c, "device_rate", 10);
	/* `ostree pull` opens some 25 connections, each as dear as four requests. */
	k->device.burst = (uint32_t)ch_config_number(c, "device_burst", 200);
	k->stranger.rate = (uint32_t)ch_config_number(c, "enrol_rate", 50);
	k->stranger.burst = (uint32_t)ch_config_number(c, "enrol_burst", 500);
	k->reader.rate = (uint32_t)ch_config_number(c, "public_rate", 500);
	k->reader.burst = (uint32_t)ch_config_number(c, "public_burst", 5000);
	k->ocsp.rate = (uint32_t)ch_config_number(c, "ocsp_rate", 50);
	k->ocsp.burst = (uint32_t)ch_config_number(c, "ocsp_burst", 100);
	k->ocsp_all.rate = (uint32_t)ch_config_number(c, "ocsp_all_rate", 1000);
	k->ocsp_all.burst = (uint32_t)ch_config_number(c, "ocsp_all_burst", 1000);
	k->ddi_poll = (uint32_t)ch_config_number(c, "ddi_poll", 300);
	struct ch_span tenant = ch_config_get(c, "ddi_tenant", 0);
	(void)ch_span_copy(k->ddi_tenant, sizeof(k->ddi_tenant) - 1, tenant.n > 0 ? tenant : CH_SPAN_LIT("DEFAULT"));
	for (unsigned i = 0;; i++) {
		struct ch_span text = ch_config_get(c, "balancer", i);
		if (text.n == 0)
			return true;
		if (i == EDGE_BALANCERS_MAX || ch_prefix_parse(&k->balancer[i], text) != CH_OK) {
			ch_log(CH_LOG_ERROR, "balancer is no address or prefix, or there are more than %d",
			       EDGE_BALANCERS_MAX);
			return false;
		}
		k->balancers++;
	}
}

/* Options of a listening socket that its connections inherit (Linux); after the sandbox none can be set. */
static void take_listeners(struct edge *e)
{
	static const enum ch_fd_kind kinds[] = { CH_FD_LISTEN_DEVICES, CH_FD_LISTEN_OPERATORS, CH_FD_LISTEN_PUBLIC };
	const int on = 1;
	for (size_t k = 0; k < CH_LISTENER_COUNT; k++) {
		for (unsigned i = 0; i < EDGE_LISTENERS_MAX; i++) {
			int fd = ch_child_fd(&e->child, kinds[k], i);
			if (fd < 0)
				continue;
			(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
			(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
			e->listener[k][e->listeners[k]++] =
				(struct listener){ .edge = e, .kind = (uint8_t)k, .fd = fd };
		}
	}
}

/* As many connections as there may be descriptors for. */
static void make_table(struct edge *e)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
		if (r.rlim_cur != RLIM_INFINITY && e->conf.connections_max + SPARE_FDS > r.rlim_cur)
			ch_log(CH_LOG_WARNING, "connections_max %zu is more than the %llu descriptors allow",
			       e->conf.connections_max, (unsigned long long)r.rlim_cur);
	}
	e->conn_cap = e->conf.connections_max;
	e->conn = ch_calloc(e->conn_cap, sizeof(struct conn *));
	e->free_number = ch_calloc(e->conn_cap, sizeof(uint32_t));
	for (size_t i = e->conn_cap; i > 0; i--)
		e->free_number[e->free_count++] = (uint32_t)(i - 1);
}

static void grace_over(void *ctx)
{
	struct edge *e = ctx;
	ch_log(CH_LOG_NOTICE, "%zu connections were still busy at the end", e->conns);
	ch_loop_stop(e->loop);
}

/* Nothing new; what does nothing ends now, what is under way has its time. */
static void stop(void *ctx, uint32_t grace_ms)
{
	struct edge *e = ctx;
	if (e->stopping)
		return;
	e->stopping = true;
	edge_accept_pause(e, 0);
	e->grace = (struct ch_loop_timer){ .due = grace_over, .ctx = e };
	ch_loop_timer_set(e->loop, &e->grace, grace_ms);
	for (size_t i = 0; i < e->conn_cap; i++) {
		struct conn *c = e->conn[i];
		if (c != NULL && c->state != CONN_BODY && c->state != CONN_WAIT && c->state != CONN_WRITE)
			conn_free(c);
	}
	if (e->conns == 0)
		ch_loop_stop(e->loop);
}

static void look_at_root_lists(void *ctx)
{
	struct edge *e = ctx;
	/* One of the edges is enough. */
	if (e->child.index == 0)
		root_lists_warn(&e->root_lists, (int64_t)(ch_clock_ms(CLOCK_REALTIME) / 1000));
	ch_loop_timer_set(e->loop, &e->root_lists_look, DAY_MS);
}

/* New connections get the new certificate; those that are open keep theirs. What does not hold changes nothing. */
static void reload(void *ctx, struct ch_span config)
{
	struct edge *e = ctx;
	struct edge_conf conf;
	struct tokens tokens = { 0 };
	struct root_lists lists = { .count = 0 };
	if (!configure(&conf, config) || !tokens_load(&tokens, config) ||
	    !root_lists_load(&lists, &e->root_lists, config) || !make_tls(e, config)) {
		tokens_clear(&tokens);
		root_lists_clear(&lists);
		ch_log(CH_LOG_ERROR, "the new configuration is not taken; the old one holds");
		return;
	}
	tokens_clear(&e->tokens);
	e->tokens = tokens;
	root_lists_clear(&e->root_lists);
	e->root_lists = lists;
	look_at_root_lists(e);
	/* The table of connections has its size for good. */
	conf.connections_max = e->conf.connections_max;
	e->conf = conf;
	ch_log(CH_LOG_NOTICE, "the new configuration holds");
}

static void resume(void *ctx)
{
	struct edge *e = ctx;
	if (!e->stopping)
		edge_accept_start(e);
}

static const struct ch_hub_work work = {
	.message = peer_message,
	.peer = peer_change,
	.metrics = metrics_own,
	.status = metrics_take,
	.reload = reload,
	.stop = stop,
};

static bool start(struct edge *e)
{
	if (ch_child_begin(&e->child, CH_ROLE_EDGE) != CH_OK || ch_crypto_openssl_init() != CH_OK ||
	    !configure(&e->conf, e->child.start.config) || !make_tls(e, e->child.start.config) ||
	    !make_revocation(e, e->child.start.config) || !tokens_load(&e->tokens, e->child.start.config) ||
	    !root_lists_load(&e->root_lists, &(struct root_lists){ .count = 0 }, e->child.start.config))
		return false;
	e->view = ch_view_map(ch_child_fd(&e->child, CH_FD_VIEW, 0), false);
	if (e->view == NULL) {
		ch_log(CH_LOG_ERROR, "there is no fleet view");
		return false;
	}
	take_listeners(e);
	make_table(e);
	ch_hub_init(&e->hub, &e->child, &work, e);
	e->loop = e->hub.loop;
	e->resume = (struct ch_loop_timer){ .due = resume, .ctx = e };
	e->root_lists_look = (struct ch_loop_timer){ .due = look_at_root_lists, .ctx = e };
	return true;
}

static void finish(struct edge *e)
{
	for (size_t i = 0; i < e->conn_cap; i++)
		if (e->conn[i] != NULL)
			conn_free(e->conn[i]);
	events_clear(e);
	revocation_clear(&e->revocation);
	root_lists_clear(&e->root_lists);
	tokens_clear(&e->tokens);
	metrics_clear(e);
	for (size_t i = 0; i < CH_LISTENER_COUNT; i++)
		ch_tls_server_free(e->tls[i]);
	ch_view_unmap(e->view);
	ch_hub_clear(&e->hub);
	ch_free(e->conn);
	ch_free(e->free_number);
	ch_free(e->budgets.device);
	ch_free(e);
}

int main(void)
{
	struct edge *e = ch_calloc(1, sizeof(*e));
	if (!start(e))
		return EXIT_FAILURE;
	ch_child_confine(&e->child, CH_ALLOW_ACCEPT);
	events_start(e);
	look_at_root_lists(e);
	edge_accept_start(e);
	enum ch_err err = ch_hub_run(&e->hub);
	finish(e);
	return err == CH_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
