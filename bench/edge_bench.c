/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the edge adds to TLS: the real chainhold-edge against a bare server (epoll, OpenSSL, one fixed answer, no parsing, nothing
 * looked up), both with client certificates. New connections, resumed ones, requests on kept ones; the two take turns in every
 * round; CPU time of the server process by the scheduler's accounting, medians. Then the memory of idle connections. Where nginx is
 * installed, it answers requests on kept connections, too, by `return 200`.
 *
 * usage: edge_bench [CHAINHOLD-EDGE]
 */
#include "bench/edge_run.h"
#include "core/trust/lifecycle.h"
#include "server/ipc/view.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS   7
#define NEW      150   /* connections a round */
#define REQUESTS 10000 /* on one kept connection a round */
#define IDLE     2000

static const char poll[] = "GET /v1/poll HTTP/1.1\r\nHost: localhost\r\n\r\n";
/* As SWUpdate polls, for the device whose id is zeros. */
static const char ddi_poll[] =
	"GET /DEFAULT/controller/v1/00000000000000000000000000000000 HTTP/1.1\r\nHost: localhost:8443\r\n"
	"User-Agent: libcurl-agent/1.0\r\nContent-Type: application/json\r\nAccept: application/json\r\n"
	"charsets: utf-8\r\n\r\n";

/* --- who is who --- */

struct who {
	EVP_PKEY *key;
	X509 *cert;
	char cert_pem[2048];
	char key_pem[512];
};

static void text(char *to, size_t cap, BIO *b)
{
	int n = BIO_read(b, to, (int)cap - 1);
	edge_need(n > 0, "PEM");
	to[n] = '\0';
	BIO_free(b);
}

static void make(struct who *w, const char *name, const struct who *issuer)
{
	static long serial = 1;
	w->key = EVP_EC_gen("P-256");
	w->cert = X509_new();
	edge_need(w->key != NULL && w->cert != NULL, "a key");
	X509_set_version(w->cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(w->cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(w->cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(w->cert), 86400);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(w->cert), "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
				   -1, 0);
	X509_set_issuer_name(w->cert, X509_get_subject_name(issuer != NULL ? issuer->cert : w->cert));
	X509_set_pubkey(w->cert, w->key);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints,
						issuer == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE");
	X509_add_ext(w->cert, e, -1);
	X509_EXTENSION_free(e);
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, w->cert, w->cert, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_key_identifier, "hash");
	X509_add_ext(w->cert, e, -1);
	X509_EXTENSION_free(e);
	edge_need(X509_sign(w->cert, issuer != NULL ? issuer->key : w->key, EVP_sha256()) > 0, "a certificate");
	BIO *b = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(b, w->cert);
	text(w->cert_pem, sizeof(w->cert_pem), b);
	b = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(b, w->key, NULL, NULL, 0, NULL, NULL);
	text(w->key_pem, sizeof(w->key_pem), b);
}

static struct who ca, server, device;

/* --- the bare server: what cannot be done without --- */

static SSL_CTX *bare_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	edge_need(ctx != NULL && SSL_CTX_use_certificate(ctx, server.cert) == 1 &&
			  SSL_CTX_use_PrivateKey(ctx, server.key) == 1 &&
			  X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca.cert) == 1,
		  "the context of the bare server");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"bare", 4);
	return ctx;
}

struct bare {
	int fd;
	SSL *ssl;
	bool shaken;
};

static void bare_close(struct bare *c)
{
	SSL_free(c->ssl);
	close(c->fd);
	free(c);
}

static void bare_ready(struct bare *c)
{
	static const char answer[] =
		"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: application/json\r\nContent-Length: 160\r\n"
		"Cache-Control: no-store\r\n\r\n"
		"................................................................................"
		"................................................................................";
	char in[4096];
	if (!c->shaken) {
		int rc = SSL_accept(c->ssl);
		if (rc != 1) {
			if (SSL_get_error(c->ssl, rc) != SSL_ERROR_WANT_READ)
				bare_close(c);
			return;
		}
		c->shaken = true;
	}
	for (;;) {
		int n = SSL_read(c->ssl, in, sizeof(in));
		if (n <= 0) {
			int error = SSL_get_error(c->ssl, n);
			if (error != SSL_ERROR_WANT_READ)
				bare_close(c);
			return;
		}
		if (SSL_write(c->ssl, answer, sizeof(answer) - 1) <= 0) {
			bare_close(c);
			return;
		}
	}
}

static _Noreturn void bare_server(int listener)
{
	SSL_CTX *ctx = bare_context();
	int ep = epoll_create1(0);
	struct epoll_event e = { .events = EPOLLIN };
	struct epoll_event batch[256];
	epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
	for (;;) {
		int n = epoll_wait(ep, batch, 256, -1);
		for (int i = 0; i < n; i++) {
			if (batch[i].data.ptr != NULL) {
				bare_ready(batch[i].data.ptr);
				continue;
			}
			for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
				struct bare *c = calloc(1, sizeof(*c));
				edge_need(c != NULL, "memory");
				*c = (struct bare){ fd, SSL_new(ctx), false };
				SSL_set_fd(c->ssl, fd);
				e = (struct epoll_event){ .events = EPOLLIN, .data.ptr = c };
				epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
			}
		}
	}
}

struct subject {
	const char *name;
	pid_t pid;
	uint16_t port;
	SSL_CTX *client;
	SSL_SESSION *session;
};

static void start_bare(struct subject *s)
{
	int fd = edge_listen(&s->port);
	s->name = "bare";
	s->pid = fork();
	edge_need(s->pid >= 0, "fork");
	if (s->pid == 0)
		bare_server(fd);
	close(fd);
}

/* --- the edge --- */

static int view_of_device(void)
{
	struct ch_view_record r = { .kind = CH_VIEW_DEVICE, .state = CH_STATE_TRUSTED, .ddi = CH_VIEW_DDI_KNOWN };
	unsigned n;
	int fd = ch_view_make(1024);
	struct ch_view *v = ch_view_map(fd, true);
	edge_need(v != NULL && X509_digest(device.cert, EVP_sha256(), r.cert_sha256, &n) == 1 &&
			  ch_view_put(v, &r) == CH_OK,
		  "the view");
	ch_view_unmap(v);
	return fd;
}

static struct edge_run run;

static void start_edge(struct subject *s, const char *binary)
{
	uint8_t config[16384];
	struct ch_wr c = ch_wr(config, sizeof(config));
	edge_put_pem(&c, "tls_certificate", server.cert_pem);
	edge_put_pem(&c, "tls_key", server.key_pem);
	edge_put_pem(&c, "client_ca", ca.cert_pem);
	ch_wr_str(&c, "device_rate 0\n");
	edge_need(!c.bad, "the configuration");
	edge_start(&run, binary, ch_wr_span(&c), view_of_device());
	s->name = "edge";
	s->pid = run.pid;
	s->port = run.port[CH_LISTENER_DEVICES];
}

/* --- nginx --- */

static char nginx_dir[] = "/tmp/chainhold-nginx-XXXXXX";

static void put_file(const char *name, const char *text)
{
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/%s", nginx_dir, name);
	FILE *f = fopen(path, "w");
	edge_need(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0, path);
}

/* One process, as the others are. False if it is not installed. */
static bool start_nginx(struct subject *s)
{
	char conf[2048], path[128];
	if (system("command -v nginx >/dev/null 2>&1") != 0)
		return false;
	edge_need(mkdtemp(nginx_dir) != NULL, nginx_dir);
	close(edge_listen(&s->port));
	put_file("server.pem", server.cert_pem);
	put_file("server.key", server.key_pem);
	put_file("ca.pem", ca.cert_pem);
	(void)snprintf(
		conf, sizeof(conf),
		"daemon off; master_process off; pid %s/pid; error_log stderr crit;\n"
		"events { worker_connections 4096; }\n"
		"http { access_log off; keepalive_requests 1000000; keepalive_timeout 600;\n"
		"client_body_temp_path %s/b; proxy_temp_path %s/p; fastcgi_temp_path %s/f; uwsgi_temp_path %s/u;\n"
		"scgi_temp_path %s/s; server { listen 127.0.0.1:%u ssl; ssl_certificate %s/server.pem;\n"
		"ssl_certificate_key %s/server.key; ssl_client_certificate %s/ca.pem; ssl_verify_client on;\n"
		"ssl_protocols TLSv1.3; ssl_session_tickets off; location / { default_type application/json;\n"
		"return 200 '%0160d'; } } }\n",
		nginx_dir, nginx_dir, nginx_dir, nginx_dir, nginx_dir, nginx_dir, (unsigned)s->port, nginx_dir,
		nginx_dir, nginx_dir, 0);
	put_file("conf", conf);
	(void)snprintf(path, sizeof(path), "%s/conf", nginx_dir);
	s->name = "nginx";
	s->pid = fork();
	edge_need(s->pid >= 0, "fork");
	if (s->pid == 0) {
		execlp("nginx", "nginx", "-c", path, (char *)NULL);
		_exit(127);
	}
	return true;
}

static void end_nginx(const struct subject *s)
{
	static const char *const names[] = { "b", "p", "f", "u", "s" };
	static const char *const files[] = { "server.pem", "server.key", "ca.pem", "conf", "pid" };
	char path[128];
	kill(s->pid, SIGTERM);
	(void)waitpid(s->pid, NULL, 0);
	for (size_t i = 0; i < CH_COUNT_OF(files); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", nginx_dir, files[i]);
		(void)unlink(path);
		(void)snprintf(path, sizeof(path), "%s/%s", nginx_dir, names[i]);
		(void)rmdir(path);
	}
	(void)rmdir(nginx_dir);
}

/* --- the client --- */

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct subject *s = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	SSL_SESSION_free(s->session);
	s->session = session;
	return 1;
}

static void make_client(struct subject *s)
{
	s->client = SSL_CTX_new(TLS_client_method());
	edge_need(s->client != NULL && SSL_CTX_use_certificate(s->client, device.cert) == 1 &&
			  SSL_CTX_use_PrivateKey(s->client, device.key) == 1 &&
			  X509_STORE_add_cert(SSL_CTX_get_cert_store(s->client), ca.cert) == 1,
		  "the client");
	SSL_CTX_set_app_data(s->client, s);
	SSL_CTX_set_mode(s->client, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN); /* as the agent */
	SSL_CTX_set_verify(s->client, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(s->client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(s->client, on_session);
}

static SSL *join(struct subject *s, bool resume)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(s->port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int on = 1;
	int fd;
	/* nginx takes a moment until it listens. */
	for (int i = 0; (fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0 &&
			connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0;
	     i++) {
		edge_need(i < 1000, "connect");
		close(fd);
		usleep(10000);
	}
	edge_need(fd >= 0, "socket");
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	SSL *ssl = SSL_new(s->client);
	SSL_set_fd(ssl, fd);
	if (resume && s->session != NULL)
		SSL_set_session(ssl, s->session);
	edge_need(SSL_connect(ssl) == 1, "handshake");
	edge_need(!resume || SSL_session_reused(ssl) == 1, "a session was not resumed");
	return ssl;
}

static void ask(SSL *ssl, const char *request)
{
	char in[4096];
	edge_need(SSL_write(ssl, request, (int)strlen(request)) > 0, "request");
	int n = SSL_read(ssl, in, sizeof(in));
	edge_need(n > 12 && strncmp(in, "HTTP/1.1 200", 12) == 0, "answer");
}

static void leave(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);
	(void)SSL_shutdown(ssl);
	SSL_free(ssl);
	close(fd);
}

static double rss_kb(pid_t pid)
{
	char path[64];
	unsigned long size = 0, pages = 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	FILE *f = fopen(path, "r");
	edge_need(f != NULL && fscanf(f, "%lu %lu", &size, &pages) == 2, path);
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static double run_connections(struct subject *s, bool resume, const char *request)
{
	double before = edge_settled_us(s->pid);
	for (int i = 0; i < NEW; i++) {
		SSL *ssl = join(s, resume);
		ask(ssl, request);
		leave(ssl);
	}
	return (edge_settled_us(s->pid) - before) / NEW;
}

static double run_kept(struct subject *s, const char *request)
{
	SSL *ssl = join(s, false);
	ask(ssl, request);
	double before = edge_settled_us(s->pid);
	for (int i = 0; i < REQUESTS; i++)
		ask(ssl, request);
	double us = (edge_settled_us(s->pid) - before) / REQUESTS;
	leave(ssl);
	return us;
}

static void run_idle(struct subject *s)
{
	static SSL *held[IDLE];
	double before = rss_kb(s->pid);
	for (int i = 0; i < IDLE; i++) {
		held[i] = join(s, false);
		ask(held[i], poll);
	}
	double kb = (rss_kb(s->pid) - before) / IDLE;
	double cpu = edge_settled_us(s->pid);
	usleep(1000000);
	cpu = edge_cpu_us(s->pid) - cpu;
	printf("  %-6s %5.1f KB an idle connection (%d of them, sessions for resumption included), %.0f us CPU a second\n",
	       s->name, kb, IDLE, cpu);
	for (int i = 0; i < IDLE; i++)
		leave(held[i]);
}

/* What a device sends and gets that asks once and has nothing to do: TLS records, without TCP and IP. */
static void print_bytes(struct subject *s, const char *request, const char *name)
{
	static const char *const how[] = { "new", "resumed", "kept" };
	for (int i = 0; i < 3; i++) {
		SSL *ssl = join(s, i == 1);
		if (i == 2)
			ask(ssl, request);
		BIO *b = SSL_get_rbio(ssl); /* both ways */
		uint64_t in = i == 2 ? BIO_number_read(b) : 0, out = i == 2 ? BIO_number_written(b) : 0;
		ask(ssl, request);
		printf("  %s on a %s connection: %llu bytes out, %llu in\n", name, how[i],
		       (unsigned long long)(BIO_number_written(b) - out),
		       (unsigned long long)(BIO_number_read(b) - in));
		leave(ssl);
	}
}

enum kind {
	NEW_BARE,
	NEW_EDGE,
	RESUMED,
	KEPT_BARE,
	KEPT_EDGE,
	KEPT_NGINX,
	DDI_NEW,
	DDI_RESUMED,
	DDI_BARE,
	DDI_EDGE,
	KINDS
};

/* Medians of all kinds, which take turns in every round; of nginx 0 where it is not installed. */
static void measure(struct subject *bare, struct subject *edge, struct subject *nginx, double us[static KINDS])
{
	double v[KINDS][ROUNDS];
	run_connections(edge, false, poll);
	for (int r = 0; r < ROUNDS; r++) {
		v[NEW_BARE][r] = run_connections(bare, false, poll);
		v[NEW_EDGE][r] = run_connections(edge, false, poll);
		v[RESUMED][r] = run_connections(edge, true, poll);
		v[KEPT_BARE][r] = run_kept(bare, poll);
		v[KEPT_EDGE][r] = run_kept(edge, poll);
		v[KEPT_NGINX][r] = nginx != NULL ? run_kept(nginx, poll) : 0;
		v[DDI_NEW][r] = run_connections(edge, false, ddi_poll);
		v[DDI_RESUMED][r] = run_connections(edge, true, ddi_poll);
		v[DDI_BARE][r] = run_kept(bare, ddi_poll);
		v[DDI_EDGE][r] = run_kept(edge, ddi_poll);
	}
	for (int i = 0; i < KINDS; i++)
		us[i] = edge_median(v[i], ROUNDS);
}

static void print(const double us[static KINDS])
{
	printf("  %s; CPU of the server process, medians of %d rounds\n", OpenSSL_version(OPENSSL_VERSION), ROUNDS);
	printf("  new connection and request      bare %6.1f us   edge %6.1f us   %.2f x (target 1.15)\n", us[NEW_BARE],
	       us[NEW_EDGE], us[NEW_EDGE] / us[NEW_BARE]);
	printf("  resumed connection and request                   edge %6.1f us   %.2f of a new one (target 0.45)\n",
	       us[RESUMED], us[RESUMED] / us[NEW_EDGE]);
	printf("  request on a kept connection    bare %6.2f us   edge %6.2f us   %.2f x (target 1.3)\n", us[KEPT_BARE],
	       us[KEPT_EDGE], us[KEPT_EDGE] / us[KEPT_BARE]);
	printf("  poll of hawkBit's DDI, kept     bare %6.2f us   edge %6.2f us   %.2f x (target 1.3)\n", us[DDI_BARE],
	       us[DDI_EDGE], us[DDI_EDGE] / us[DDI_BARE]);
	printf("  the same on a resumed connection                 edge %6.1f us   %.2f of a new one's %.1f us (target 0.45)\n",
	       us[DDI_RESUMED], us[DDI_RESUMED] / us[DDI_NEW], us[DDI_NEW]);
	if (us[KEPT_NGINX] > 0)
		printf("  on a kept one, by nginx's `return 200`   %6.2f us   the edge %.2f x, its poll of DDI %.2f x (target 1)\n",
		       us[KEPT_NGINX], us[KEPT_EDGE] / us[KEPT_NGINX], us[DDI_EDGE] / us[KEPT_NGINX]);
}

int main(int argc, char **argv)
{
	struct subject bare = { 0 };
	struct subject edge = { 0 };
	struct subject nginx = { 0 };
	struct rlimit files = { 8192, 8192 };
	double us[KINDS];
	(void)setrlimit(RLIMIT_NOFILE, &files);
	(void)signal(SIGPIPE, SIG_IGN);
	make(&ca, "ca", NULL);
	make(&server, "server", &ca);
	make(&device, "device", &ca);
	start_bare(&bare);
	start_edge(&edge, argc > 1 ? argv[1] : CH_BENCH_EDGE);
	make_client(&bare);
	make_client(&edge);
	bool has_nginx = start_nginx(&nginx);
	if (has_nginx)
		make_client(&nginx);
	measure(&bare, &edge, has_nginx ? &nginx : NULL, us);
	print(us);
	print_bytes(&edge, poll, "GET /v1/poll");
	print_bytes(&edge, ddi_poll, "poll of hawkBit's DDI");
	run_idle(&bare);
	run_idle(&edge);
	kill(bare.pid, SIGKILL);
	kill(edge.pid, SIGKILL);
	if (has_nginx)
		end_nginx(&nginx);
	(void)waitpid(bare.pid, NULL, 0);
	(void)waitpid(edge.pid, NULL, 0);
	return 0;
}
