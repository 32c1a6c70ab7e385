/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends, ours against ours, over loopback: a server in a thread serves one connection after the other. */
#include "host/net/extern_key.h"
#include "host/net/http1.h"
#include "host/net/http_client.h"
#include "host/net/tcp.h"
#include "host/net/tls_server.h"
#include "tests/unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* A key and its certificate as PEM. */
struct who {
	EVP_PKEY *key;
	X509 *cert;
	char cert_pem[2048];
	char key_pem[512];
};

static struct who ca, other_ca, server, device, stranger;

static void extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

static void to_text(char *to, size_t cap, BIO *b)
{
	int n = BIO_read(b, to, (int)cap - 1);
	assert_true(n > 0);
	to[n] = '\0';
	BIO_free(b);
}

static void make(struct who *w, const char *cn, const struct who *issuer, const char *san)
{
	static long serial = 1;
	w->key = EVP_EC_gen("P-256");
	w->cert = X509_new();
	X509_set_version(w->cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(w->cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(w->cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(w->cert), 3600);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(w->cert), "CN", MBSTRING_ASC, (const unsigned char *)cn, -1,
				   -1, 0);
	X509_set_issuer_name(w->cert, X509_get_subject_name(issuer != NULL ? issuer->cert : w->cert));
	X509_set_pubkey(w->cert, w->key);
	extension(w->cert, NID_basic_constraints, issuer == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE");
	if (san != NULL)
		extension(w->cert, NID_subject_alt_name, san);
	assert_true(X509_sign(w->cert, issuer != NULL ? issuer->key : w->key, EVP_sha256()) > 0);
	BIO *b = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(b, w->cert);
	to_text(w->cert_pem, sizeof(w->cert_pem), b);
	b = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(b, w->key, NULL, NULL, 0, NULL, NULL);
	to_text(w->key_pem, sizeof(w->key_pem), b);
}

static void clear(struct who *w)
{
	EVP_PKEY_free(w->key);
	X509_free(w->cert);
}

/* --- the server --- */

struct service {
	int listener;
	char port[8];
	struct ch_tls_server *tls; /* NULL: plain */
	const char *reply;         /* sent after the head of a request */
	bool hang;                 /* accepts and says nothing */
	bool count;                /* only shakes hands, and counts the certificates that it is shown */
	bool proxy;                /* first plays an HTTP proxy, for itself */
	pthread_t thread;
	/* of the last connection */
	bool failed, peer, resumed;
	int certificates;
	uint8_t peer_sha256[32];
	char request[4096];
};

static bool wait_for(int fd, enum ch_tls_io io)
{
	if (io == CH_TLS_WANT_READ)
		return ch_tcp_wait(fd, POLLIN, ch_tcp_now() + 5000) == CH_OK;
	return io == CH_TLS_WANT_WRITE && ch_tcp_wait(fd, POLLOUT, ch_tcp_now() + 5000) == CH_OK;
}

static void serve_tls(struct service *s, int fd)
{
	struct ch_tls *t = ch_tls_new(s->tls, fd);
	enum ch_tls_io io;
	size_t n = 0, got, seen = 0, head;
	while ((io = ch_tls_handshake(t)) != CH_TLS_DONE && wait_for(fd, io))
		;
	s->failed = io != CH_TLS_DONE;
	if (!s->failed) {
		s->peer = ch_tls_peer(t, s->peer_sha256);
		s->resumed = ch_tls_resumed(t);
	}
	while (!s->failed && ch_http_head_end(ch_span(s->request, n), &seen, &head) != CH_OK) {
		io = ch_tls_read(t, s->request + n, sizeof(s->request) - 1 - n, &got);
		n += got;
		if (io != CH_TLS_DONE && !wait_for(fd, io))
			break;
	}
	struct ch_span out = ch_span_str(s->reply);
	while (!s->failed && out.n > 0) {
		io = ch_tls_write(t, out, &got);
		out = ch_span(out.p + got, out.n - got);
		if (io != CH_TLS_DONE && !wait_for(fd, io))
			break;
	}
	if (!s->failed)
		ch_tls_goodbye(t);
	ch_tls_free(t);
}

static void serve_counting(struct service *s, int fd)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(ctx, server.cert);
	SSL_CTX_use_PrivateKey(ctx, server.key);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca.cert);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL *ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	s->failed = SSL_accept(ssl) != 1;
	/* On the server's side the client's own certificate is not in the chain. */
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
	s->certificates = (SSL_get0_peer_certificate(ssl) != NULL) + (chain != NULL ? sk_X509_num(chain) : 0);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

static void serve_plain(struct service *s, int fd, const char *reply)
{
	size_t n = 0, seen = 0, head;
	while (ch_http_head_end(ch_span(s->request, n), &seen, &head) != CH_OK) {
		ssize_t got = recv(fd, s->request + n, 1, 0);
		if (got <= 0)
			return;
		n += (size_t)got;
	}
	(void)!send(fd, reply, strlen(reply), MSG_NOSIGNAL);
}

static void *serve(void *ctx)
{
	struct service *s = ctx;
	for (;;) {
		int fd = accept(s->listener, NULL, NULL);
		if (fd < 0)
			return NULL;
		memset(s->request, 0, sizeof(s->request));
		if (s->proxy)
			serve_plain(s, fd, "HTTP/1.0 200 Connection established\r\n\r\n");
		if (s->hang) {
			char c;
			(void)!recv(fd, &c, 1, 0);
			while (recv(fd, &c, 1, 0) > 0)
				;
		} else if (s->count) {
			serve_counting(s, fd);
		} else if (s->tls != NULL) {
			fcntl(fd, F_SETFL, O_NONBLOCK);
			serve_tls(s, fd);
		} else {
			serve_plain(s, fd, s->reply);
		}
		close(fd);
	}
}

static void start(struct service *s, enum ch_tls_clients clients, bool tls)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	const struct ch_tls_server_conf conf = { .cert_pem = ch_span_str(server.cert_pem),
						 .key_pem = ch_span_str(server.key_pem),
						 .client_ca_pem = ch_span_str(ca.cert_pem),
						 .clients = clients,
						 .name = "test" };
	if (tls)
		assert_int_equal(ch_tls_server_new(&s->tls, &conf), CH_OK);
	s->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(s->listener, 8), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&a, &n), 0);
	snprintf(s->port, sizeof(s->port), "%u", ntohs(a.sin_port));
	if (s->reply == NULL)
		s->reply =
			"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}";
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(struct service *s)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
	ch_tls_server_free(s->tls);
}

/* --- the client --- */

static struct ch_tls_client *client(const struct who *who, const struct who *trusted)
{
	struct ch_tls_client *c;
	struct ch_net_why why = { "" };
	const struct ch_tls_client_conf conf = { .ca_pem = ch_span_str(trusted->cert_pem),
						 .cert_pem = who != NULL ? ch_span_str(who->cert_pem) : CH_SPAN_EMPTY,
						 .key_pem = who != NULL ? ch_span_str(who->key_pem) : CH_SPAN_EMPTY };
	if (ch_tls_client_new(&c, &conf, &why) != CH_OK)
		fail_msg("%s", why.text);
	return c;
}

/* Connects and asks; what came of the first that failed. */
static enum ch_err ask(struct ch_tls_client *c, const struct service *s, const char *name, struct ch_http_answer *a,
		       bool *resumed, struct ch_net_why *why)
{
	const struct ch_net_target t = { .host = "127.0.0.1", .port = s->port, .name = name, .io_ms = 5000 };
	const struct ch_http_ask q = { .method = "GET", .target = "/x", .host = "localhost" };
	CH_AUTO_CONN struct ch_net_conn *k = NULL;
	enum ch_err err = ch_net_connect(&k, c, &t, why);
	if (err == CH_OK)
		err = ch_http_call(k, &q, 1000, a, why);
	if (err == CH_OK)
		*resumed = ch_net_resumed(k);
	ch_buf_free(&a->body);
	return err;
}

static void a_server_of_another_ca_is_not_trusted(void **state)
{
	struct service s = { 0 };
	struct ch_http_answer a;
	struct ch_net_why why = { "" };
	bool resumed;
	(void)state;
	start(&s, CH_TLS_CLIENT_OPTIONAL, true);
	struct ch_tls_client *c = client(NULL, &other_ca);
	assert_int_equal(ask(c, &s, "localhost", &a, &resumed, &why), CH_ERR_UNTRUSTED);
	assert_non_null(strstr(why.text, "not trusted"));
	ch_tls_client_free(c);
	stop(&s);
	assert_true(s.failed);
}

static void a_server_of_another_name_is_not_trusted(void **state)
{
	static const char *const names[] = { "example.org", "127.0.0.2", "localhost.example.org", "ocalhost" };
	struct service s = { 0 };
	struct ch_http_answer a;
	bool resumed;
	(void)state;
	start(&s, CH_TLS_CLIENT_OPTIONAL, true);
	struct ch_tls_client *c = client(NULL, &ca);
	for (size_t i = 0; i < CH_COUNT_OF(names); i++)
		assert_int_equal(ask(c, &s, names[i], &a, &resumed, NULL), CH_ERR_UNTRUSTED);
	/* A name, an address, and whom one connects to where nothing is said. */
	assert_int_equal(ask(c, &s, "localhost", &a, &resumed, NULL), CH_OK);
	assert_int_equal(ask(c, &s, "127.0.0.1", &a, &resumed, NULL), CH_OK);
	assert_int_equal(ask(c, &s, NULL, &a, &resumed, NULL), CH_OK);
	assert_int_equal(a.status, 200);
	assert_string_equal(a.content_type, "application/json");
	ch_tls_client_free(c);
	stop(&s);
	assert_false(s.peer);
}

static void a_client_of_another_ca_is_refused(void **state)
{
	static const enum ch_tls_clients modes[] = { CH_TLS_CLIENT_REQUIRED, CH_TLS_CLIENT_OPTIONAL };
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(modes); i++) {
		struct service s = { 0 };
		struct ch_http_answer a;
		bool resumed;
		start(&s, modes[i], true);
		struct ch_tls_client *c = client(&stranger, &ca);
		assert_int_not_equal(ask(c, &s, "localhost", &a, &resumed, NULL), CH_OK);
		ch_tls_client_free(c);
		stop(&s);
		assert_true(s.failed);
	}
}

static void a_client_without_a_certificate_is_refused_where_one_is_required(void **state)
{
	struct service s = { 0 };
	struct ch_http_answer a;
	struct ch_net_why why = { "" };
	bool resumed;
	(void)state;
	start(&s, CH_TLS_CLIENT_REQUIRED, true);
	struct ch_tls_client *c = client(NULL, &ca);
	assert_int_not_equal(ask(c, &s, "localhost", &a, &resumed, &why), CH_OK);
	assert_non_null(strstr(why.text, "certificate required"));
	ch_tls_client_free(c);
	stop(&s);
	assert_true(s.failed);
}

static void a_session_is_resumed_and_still_names_its_client(void **state)
{
	struct service s = { 0 };
	struct ch_http_answer a;
	bool resumed;
	uint8_t sha256[32];
	unsigned n;
	(void)state;
	start(&s, CH_TLS_CLIENT_REQUIRED, true);
	struct ch_tls_client *c = client(&device, &ca);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ask(c, &s, "localhost", &a, &resumed, NULL), CH_OK);
		assert_int_equal(resumed, i > 0);
	}
	ch_tls_client_free(c);
	stop(&s);
	assert_true(s.peer && s.resumed);
	assert_int_equal(X509_digest(device.cert, EVP_sha256(), sha256, &n), 1);
	assert_memory_equal(sha256, s.peer_sha256, 32);
}

static void a_client_shows_its_own_certificate_and_no_root(void **state)
{
	struct service s = { .count = true };
	struct ch_http_answer a;
	bool resumed;
	(void)state;
	start(&s, CH_TLS_CLIENT_REQUIRED, false);
	struct ch_tls_client *c = client(&device, &ca);
	(void)ask(c, &s, "localhost", &a, &resumed, NULL);
	ch_tls_client_free(c);
	stop(&s);
	assert_false(s.failed);
	assert_int_equal(s.certificates, 1);
}

static bool sign_with(void *ctx, const uint8_t digest[static 32], uint8_t rs[static 64])
{
	const struct who *w = ctx;
	uint8_t der[128];
	size_t n = sizeof(der);
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new(w->key, NULL);
	bool ok = EVP_PKEY_sign_init(x) == 1 && EVP_PKEY_sign(x, der, &n, digest, 32) == 1;
	const uint8_t *p = der;
	ECDSA_SIG *sig = ok ? d2i_ECDSA_SIG(NULL, &p, (long)n) : NULL;
	ok = sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), rs, 32) == 32 &&
	     BN_bn2binpad(ECDSA_SIG_get0_s(sig), rs + 32, 32) == 32;
	ECDSA_SIG_free(sig);
	EVP_PKEY_CTX_free(x);
	return ok;
}

static bool sign_never(void *ctx, const uint8_t digest[static 32], uint8_t rs[static 64])
{
	(void)ctx;
	(void)digest;
	(void)rs;
	return false;
}

static void a_key_may_sign_elsewhere(void **state)
{
	static const struct {
		ch_tls_sign_fn *sign;
		struct who *key;
		bool ok;
	} t[] = { { sign_with, &device, true }, { sign_never, &device, false }, { sign_with, &stranger, false } };
	struct service s = { 0 };
	(void)state;
	start(&s, CH_TLS_CLIENT_REQUIRED, true);
	for (size_t i = 0; i < CH_COUNT_OF(t); i++) {
		const struct ch_tls_client_conf conf = { .ca_pem = ch_span_str(ca.cert_pem),
							 .cert_pem = ch_span_str(device.cert_pem),
							 .sign = t[i].sign,
							 .sign_ctx = t[i].key };
		struct ch_tls_client *c;
		struct ch_http_answer a;
		bool resumed;
		assert_int_equal(ch_tls_client_new(&c, &conf, NULL), CH_OK);
		assert_int_equal(ask(c, &s, "localhost", &a, &resumed, NULL) == CH_OK, t[i].ok);
		ch_tls_client_free(c);
	}
	stop(&s);
	ch_extern_key_cleanup();
}

static void what_is_no_identity_is_refused(void **state)
{
	struct ch_tls_client *c;
	struct ch_net_why why;
	struct ch_tls_client_conf conf = { .ca_pem = ch_span_str(ca.cert_pem),
					   .cert_pem = ch_span_str(device.cert_pem) };
	(void)state;
	assert_int_equal(ch_tls_client_new(&c, &conf, &why), CH_ERR_MALFORMED); /* no key */
	conf.key_pem = ch_span_str(server.key_pem);
	assert_int_equal(ch_tls_client_new(&c, &conf, &why), CH_ERR_KEY);
	conf.cert_pem = CH_SPAN_LIT("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	assert_int_equal(ch_tls_client_new(&c, &conf, &why), CH_ERR_MALFORMED);
	conf = (struct ch_tls_client_conf){ .ca_pem = CH_SPAN_LIT("none") };
	assert_int_equal(ch_tls_client_new(&c, &conf, &why), CH_ERR_MALFORMED);
	assert_non_null(strstr(why.text, "CA"));
	assert_null(c);
}

/* The server says good-bye after one answer: seen before the next request is lost in it. */
static void a_connection_that_was_closed_is_noticed(void **state)
{
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		struct service s = { 0 };
		struct ch_http_answer a;
		start(&s, CH_TLS_CLIENT_OPTIONAL, tls == 1);
		struct ch_tls_client *c = tls == 1 ? client(&device, &ca) : NULL;
		const struct ch_net_target t = { .host = "127.0.0.1", .port = s.port };
		const struct ch_http_ask q = { .method = "GET", .target = "/x", .host = "localhost" };
		struct ch_net_conn *k;
		assert_int_equal(ch_net_connect(&k, c, &t, NULL), CH_OK);
		assert_true(ch_net_usable(k));
		assert_int_equal(ch_http_call(k, &q, 1000, &a, NULL), CH_OK);
		ch_buf_free(&a.body);
		stop(&s); /* its thread has ended, so the connection is closed */
		assert_int_equal(ch_tcp_wait(ch_net_fd(k), POLLIN, ch_tcp_now() + 5000), CH_OK);
		assert_false(ch_net_usable(k));
		ch_net_close(k);
		ch_tls_client_free(c);
	}
}

static void through_a_proxy(void **state)
{
	struct service s = { .proxy = true };
	struct service refusing = { .reply = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n" };
	struct service babbling = { .reply = "220 smtp\r\n\r\n" };
	struct ch_net_why why = { "" };
	struct ch_net_conn *k;
	(void)state;
	start(&s, CH_TLS_CLIENT_OPTIONAL, true);
	start(&refusing, CH_TLS_CLIENT_OPTIONAL, false);
	start(&babbling, CH_TLS_CLIENT_OPTIONAL, false);
	struct ch_tls_client *c = client(NULL, &ca);
	/* The name is for the proxy to find. */
	struct ch_net_target t = { .host = "localhost", .port = "9", .proxy_host = "127.0.0.1", .proxy_port = s.port };
	assert_int_equal(ch_net_connect(&k, c, &t, &why), CH_OK);
	ch_net_close(k);
	t.proxy_port = refusing.port;
	assert_int_equal(ch_net_connect(&k, c, &t, &why), CH_ERR_IO);
	assert_non_null(strstr(why.text, "403"));
	assert_non_null(strstr(refusing.request, "CONNECT localhost:9 HTTP/1.1\r\nHost: localhost:9\r\n"));
	t.proxy_port = babbling.port;
	assert_int_equal(ch_net_connect(&k, c, &t, &why), CH_ERR_IO);
	assert_null(k);
	ch_tls_client_free(c);
	stop(&s);
	stop(&refusing);
	stop(&babbling);
}

static void a_silent_server_is_left(void **state)
{
	struct service s = { .hang = true };
	struct ch_net_why why = { "" };
	struct ch_net_conn *k;
	(void)state;
	start(&s, CH_TLS_CLIENT_OPTIONAL, false);
	struct ch_tls_client *c = client(NULL, &ca);
	const struct ch_net_target t = { .host = "127.0.0.1", .port = s.port, .connect_ms = 50 };
	assert_int_equal(ch_net_connect(&k, c, &t, &why), CH_ERR_IO);
	assert_non_null(strstr(why.text, "in time"));
	ch_tls_client_free(c);
	stop(&s);
}

static void nobody_there(void **state)
{
	struct ch_net_why why = { "" };
	struct ch_net_conn *k;
	struct ch_net_target t = { .host = "127.0.0.1", .port = "1", .connect_ms = 1000 };
	(void)state;
	assert_int_equal(ch_net_connect(&k, NULL, &t, &why), CH_ERR_IO);
	assert_non_null(strstr(why.text, "refused"));
	t.host = "no.such.name.invalid";
	assert_int_equal(ch_net_connect(&k, NULL, &t, &why), CH_ERR_NOTFOUND);
}

/* Answers of a plain server, and what a client makes of them. */
static void answers(void **state)
{
	static const struct {
		const char *reply;
		enum ch_err err;
		unsigned status;
		const char *body;
	} t[] = {
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", CH_OK, 200,
		  "abcde" },
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 1\r\nRetry-After: 7\r\n\r\nx",
		  CH_OK, 404, "x" },
		{ "HTTP/1.1 200 OK\r\n\r\nuntil the end", CH_OK, 200, "until the end" },
		{ "HTTP/1.1 204 No Content\r\n\r\n", CH_OK, 204, "" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", CH_ERR_TRUNCATED, 0, "" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", CH_ERR_TRUNCATED, 0, "" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", CH_ERR_MALFORMED, 0, "" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n0123456789012345678901", CH_ERR_LIMIT, 0, "" },
		{ "HTTP/1.1 200 OK\r\n\r\n0123456789012345678901", CH_ERR_LIMIT, 0, "" },
		{ "HTTP/1.1 200 OK\r\nCont", CH_ERR_TRUNCATED, 0, "" },
		{ "SSH-2.0-OpenSSH_9.2\r\n\r\n", CH_ERR_RANGE, 0, "" },
		{ "HTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\nHTTP/1.1 200 B\r\n\r\n",
		  CH_ERR_MALFORMED, 0, "" },
	};
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(t); i++) {
		struct service s = { .reply = t[i].reply };
		struct ch_http_answer a;
		struct ch_net_why why = { "" };
		start(&s, CH_TLS_CLIENT_OPTIONAL, false);
		const struct ch_net_target target = { .host = "127.0.0.1", .port = s.port };
		const struct ch_http_ask q = { .method = "POST", .target = "/y", .host = "h", .idempotency_key = "k" };
		CH_AUTO_CONN struct ch_net_conn *k = NULL;
		assert_int_equal(ch_net_connect(&k, NULL, &target, &why), CH_OK);
		enum ch_err err = ch_http_call(k, &q, 20, &a, &why);
		if (err != t[i].err)
			fail_msg("%s: %s (%s)", t[i].reply, ch_err_str(err), why.text);
		assert_int_equal(a.status, t[i].status);
		assert_true(ch_span_eq(ch_buf_span(&a.body), ch_span_str(t[i].body)));
		assert_int_equal(a.retry_after, t[i].status == 404 ? 7 : 0);
		assert_true(err == CH_OK || why.text[0] != '\0');
		ch_buf_free(&a.body);
		ch_net_close(CH_TAKE(k));
		stop(&s);
		assert_string_equal(s.request,
				    "POST /y HTTP/1.1\r\nHost: h\r\nIdempotency-Key: k\r\nContent-Length: 0\r\n\r\n");
	}
}

static int setup(void **state)
{
	(void)state;
	make(&ca, "ca", NULL, NULL);
	make(&other_ca, "other", NULL, NULL);
	make(&server, "server", &ca, "DNS:localhost,IP:127.0.0.1");
	make(&device, "device", &ca, NULL);
	make(&stranger, "device", &other_ca, NULL);
	return 0;
}

static int teardown(void **state)
{
	struct who *all[] = { &ca, &other_ca, &server, &device, &stranger };
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(all); i++)
		clear(all[i]);
	return 0;
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN); /* as every program of ours does */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_of_another_ca_is_not_trusted),
		cmocka_unit_test(a_server_of_another_name_is_not_trusted),
		cmocka_unit_test(a_client_of_another_ca_is_refused),
		cmocka_unit_test(a_client_without_a_certificate_is_refused_where_one_is_required),
		cmocka_unit_test(a_session_is_resumed_and_still_names_its_client),
		cmocka_unit_test(a_client_shows_its_own_certificate_and_no_root),
		cmocka_unit_test(a_key_may_sign_elsewhere),
		cmocka_unit_test(what_is_no_identity_is_refused),
		cmocka_unit_test(a_connection_that_was_closed_is_noticed),
		cmocka_unit_test(through_a_proxy),
		cmocka_unit_test(a_silent_server_is_left),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(answers),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
