/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/tls_client.h"

#include "core/base/wr.h"
#include "host/base/mem.h"
#include "host/net/extern_key.h"
#include "host/net/tcp.h"
#include "host/net/tls_pem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_MS 10000
#define IO_MS      30000

struct ch_tls_client {
	SSL_CTX *ctx;
	SSL_SESSION *session; /* of `session_at`, or NULL */
	char session_at[320];
};

struct ch_net_conn {
	int fd;
	SSL *ssl; /* NULL: plain */
	unsigned io_ms;
};

/* OpenSSL hands over a session that can be resumed; the newest is kept. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct ch_tls_client *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	SSL_SESSION_free(c->session);
	c->session = session;
	return 1;
}

static enum ch_err identity(struct ch_tls_client *c, const struct ch_tls_client_conf *conf)
{
	if (conf->cert_pem.n == 0 || conf->peer == CH_TLS_PEER_ANYBODY)
		return CH_OK;
	if (conf->sign == NULL)
		return ch_tls_use_identity(c->ctx, conf->cert_pem, conf->key_pem);
	enum ch_err err = ch_tls_use_chain(c->ctx, conf->cert_pem);
	return err == CH_OK ? ch_extern_key_use(c->ctx, conf->sign, conf->sign_ctx) : err;
}

static void settings(struct ch_tls_client *c)
{
	(void)SSL_CTX_set_app_data(c->ctx, c);
	(void)SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION);
	(void)SSL_CTX_set_options(c->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	/* The chain that was given and no more: OpenSSL would add the server's root to it, which the server then parses and keeps. */
	(void)SSL_CTX_set_mode(c->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
	(void)SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c->ctx, on_session);
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
}

/* Who the server must be. */
static enum ch_err judge(struct ch_tls_client *c, const struct ch_tls_client_conf *conf)
{
	if (conf->peer != CH_TLS_PEER_ANYBODY)
		return ch_tls_trust(c->ctx, conf->ca_pem, false);
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_NONE, NULL);
	return CH_OK;
}

enum ch_err ch_tls_client_new(struct ch_tls_client **out, const struct ch_tls_client_conf *conf, struct ch_net_why *why)
{
	*out = NULL;
	struct ch_tls_client *c = ch_calloc(1, sizeof(*c));
	/* The dates of certificates go through gmtime_r, whose first call opens the file of the time zone: not in a sandbox. */
	tzset();
	const char *what = "TLS";
	c->ctx = SSL_CTX_new(TLS_client_method());
	enum ch_err err = c->ctx != NULL ? CH_OK : CH_ERR_CRYPTO;
	if (err == CH_OK) {
		settings(c);
		bool ok = SSL_CTX_set_cipher_list(c->ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
		what = "the certificate of the server's CA";
		err = ok ? judge(c, conf) : CH_ERR_CRYPTO;
	}
	if (err == CH_OK) {
		what = "the own certificate and key";
		err = identity(c, conf);
	}
	if (err != CH_OK) {
		ERR_clear_error();
		ch_tls_client_free(c);
		return ch_net_say(why, err, "%s: %s", what, ch_err_str(err));
	}
	*out = c;
	return CH_OK;
}

void ch_tls_client_free(struct ch_tls_client *c)
{
	if (c == NULL)
		return;
	SSL_SESSION_free(c->session);
	SSL_CTX_free(c->ctx);
	ch_free(c);
}

/* Whom the certificate must name: an address as iPAddress, anything else as dNSName, never as a common name (RFC 9525, 6.3, 6.4, 2). */
static bool expect_name(SSL *ssl, const char *name)
{
	struct in6_addr scratch;
	if (inet_pton(AF_INET, name, &scratch) == 1 || inet_pton(AF_INET6, name, &scratch) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

/* A device without a clock judges certificates by the latest time that it knows of. */
static void set_time(SSL *ssl, uint64_t floor)
{
	if (floor > (uint64_t)time(NULL))
		X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl), (time_t)floor);
}

/* What to wait for before the operation that returned `rc` is tried again; 0: it failed. */
static short wanted(SSL *ssl, int rc)
{
	switch (SSL_get_error(ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return POLLIN;
	case SSL_ERROR_WANT_WRITE:
		return POLLOUT;
	default:
		return 0;
	}
}

/* Alerts about the certificate that we showed (RFC 8446, 6.2): in TLS 1.3 they come after the handshake, with the first read. */
static bool refuses_ours(unsigned long error)
{
	static const int reasons[] = {
		SSL_R_SSLV3_ALERT_BAD_CERTIFICATE,     SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
		SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
		SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, SSL_R_TLSV1_ALERT_UNKNOWN_CA,
	};
	for (size_t i = 0; i < CH_COUNT_OF(reasons); i++) {
		if (ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == reasons[i])
			return true;
	}
	return false;
}

static enum ch_err handshake(struct ch_net_conn *k, const char *name, uint64_t deadline, struct ch_net_why *why)
{
	for (;;) {
		ERR_clear_error();
		int rc = SSL_connect(k->ssl);
		if (rc == 1)
			return CH_OK;
		short events = wanted(k->ssl, rc);
		if (events != 0 && ch_tcp_wait(k->fd, events, deadline) == CH_OK)
			continue;
		if (events != 0)
			return ch_net_say(why, CH_ERR_IO, "%s did not finish the TLS handshake in time", name);
		long verdict = SSL_get_verify_result(k->ssl);
		if (verdict != X509_V_OK)
			return ch_net_say(why, CH_ERR_UNTRUSTED, "the certificate of %s is not trusted: %s", name,
					  X509_verify_cert_error_string(verdict));
		enum ch_err err = refuses_ours(ERR_peek_error()) ? CH_ERR_KEY : CH_ERR_CRYPTO;
		const char *reason = ERR_reason_error_string(ERR_peek_error());
		ERR_clear_error();
		return ch_net_say(why, err, "TLS handshake with %s: %s", name,
				  reason != NULL ? reason : "the connection was cut");
	}
}

static enum ch_err secure(struct ch_net_conn *k, struct ch_tls_client *c, const struct ch_net_target *t,
			  uint64_t deadline, struct ch_net_why *why)
{
	const char *name = t->name != NULL ? t->name : t->host;
	char at[sizeof(c->session_at)] = { 0 };
	struct ch_wr w = ch_wr(at, sizeof(at) - 1);
	ch_wr_str(&w, name);
	ch_wr_str(&w, " ");
	ch_wr_str(&w, t->port);
	k->ssl = SSL_new(c->ctx);
	if (k->ssl == NULL || SSL_set_fd(k->ssl, k->fd) != 1 || !expect_name(k->ssl, name))
		return ch_net_say(why, CH_ERR_CRYPTO, "TLS for %s cannot be set up", name);
	set_time(k->ssl, t->time_floor);
	/* Another server's session is of no use there, and tells it that we know that one. */
	if (strcmp(at, c->session_at) != 0) {
		SSL_SESSION_free(c->session);
		c->session = NULL;
		(void)ch_span_copy(c->session_at, sizeof(at), CH_SPAN_OF(at));
	}
	if (c->session != NULL) {
		(void)SSL_set_session(k->ssl, c->session);
		/* A number that was used once is not used again (RFC 8446, C.4); the server gives a new one. */
		SSL_SESSION_free(c->session);
		c->session = NULL;
	}
	return handshake(k, name, deadline, why);
}

enum ch_err ch_net_connect(struct ch_net_conn **out, struct ch_tls_client *c, const struct ch_net_target *t,
			   struct ch_net_why *why)
{
	uint64_t deadline = ch_tcp_now() + (t->connect_ms != 0 ? t->connect_ms : CONNECT_MS);
	CH_AUTO_CONN struct ch_net_conn *k = ch_calloc(1, sizeof(*k));
	bool proxy = t->proxy_host != NULL;
	*out = NULL;
	k->io_ms = t->io_ms != 0 ? t->io_ms : IO_MS;
	enum ch_err err =
		ch_tcp_connect(&k->fd, proxy ? t->proxy_host : t->host, proxy ? t->proxy_port : t->port, deadline, why);
	if (err == CH_OK && proxy)
		err = ch_tcp_tunnel(k->fd, t->host, t->port, deadline, why);
	if (err == CH_OK && c != NULL)
		err = secure(k, c, t, deadline, why);
	if (err == CH_OK)
		*out = CH_TAKE(k);
	return err;
}

void ch_net_close(struct ch_net_conn *k)
{
	if (k == NULL)
		return;
	if (k->ssl != NULL) {
		ERR_clear_error();
		if (SSL_is_init_finished(k->ssl))
			(void)SSL_shutdown(k->ssl);
		SSL_free(k->ssl);
		ERR_clear_error();
	}
	if (k->fd >= 0)
		close(k->fd);
	ch_free(k);
}

/* -1 with errno, or the bytes that went. */
static ssize_t plain(struct ch_net_conn *k, const void *from, void *to, size_t n)
{
	return from != NULL ? send(k->fd, from, n, MSG_NOSIGNAL) : recv(k->fd, to, n, 0);
}

/* One try without waiting: 0 with `*n` bytes done, else what to wait for; negative if it failed. */
static short attempt(struct ch_net_conn *k, const void *from, void *to, size_t cap, size_t *n)
{
	*n = 0;
	if (k->ssl == NULL) {
		ssize_t got = plain(k, from, to, cap);
		*n = got > 0 ? (size_t)got : 0;
		if (got >= 0)
			return 0;
		return errno == EAGAIN || errno == EINTR ? (from != NULL ? POLLOUT : POLLIN) : -1;
	}
	ERR_clear_error();
	int rc = from != NULL ? SSL_write_ex(k->ssl, from, cap, n) : SSL_read_ex(k->ssl, to, cap, n);
	if (rc == 1 || SSL_get_error(k->ssl, rc) == SSL_ERROR_ZERO_RETURN)
		return 0;
	short events = wanted(k->ssl, rc);
	return events != 0 ? events : -1;
}

enum ch_err ch_net_write(struct ch_net_conn *k, struct ch_span s, struct ch_net_why *why)
{
	while (s.n > 0) {
		size_t n;
		short events = attempt(k, s.p, NULL, s.n, &n);
		if (events < 0)
			return ch_net_say(why, CH_ERR_IO, "the server cut the connection");
		if (events > 0 && ch_tcp_wait(k->fd, events, ch_tcp_now() + k->io_ms) != CH_OK)
			return ch_net_say(why, CH_ERR_IO, "the server takes nothing for %u ms", k->io_ms);
		s = ch_span(s.p + n, s.n - n);
	}
	return CH_OK;
}

enum ch_err ch_net_read(struct ch_net_conn *k, void *to, size_t cap, size_t *n, struct ch_net_why *why)
{
	for (;;) {
		short events = attempt(k, NULL, to, cap, n);
		if (events == 0)
			return CH_OK;
		if (events < 0) {
			/* An alert says why: a certificate that was refused shows here with TLS 1.3, not in the handshake. */
			enum ch_err err = refuses_ours(ERR_peek_error()) ? CH_ERR_KEY : CH_ERR_TRUNCATED;
			const char *reason = ERR_reason_error_string(ERR_peek_error());
			ERR_clear_error();
			return ch_net_say(why, err, "the server cut the connection%s%s", reason != NULL ? ": " : "",
					  reason != NULL ? reason : "");
		}
		if (ch_tcp_wait(k->fd, events, ch_tcp_now() + k->io_ms) != CH_OK)
			return ch_net_say(why, CH_ERR_IO, "the server says nothing for %u ms", k->io_ms);
	}
}

int ch_net_fd(const struct ch_net_conn *k)
{
	return k->fd;
}

bool ch_net_usable(struct ch_net_conn *k)
{
	uint8_t byte;
	size_t n;
	if (k->ssl == NULL)
		return recv(k->fd, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
	/* Reads what is no data, such as a new session, on the way. */
	ERR_clear_error();
	int rc = SSL_peek_ex(k->ssl, &byte, 1, &n);
	bool quiet = rc != 1 && SSL_get_error(k->ssl, rc) == SSL_ERROR_WANT_READ;
	ERR_clear_error();
	return quiet;
}

bool ch_net_resumed(const struct ch_net_conn *k)
{
	return k->ssl != NULL && SSL_session_reused(k->ssl) == 1;
}

const char *ch_net_protocol(const struct ch_net_conn *k)
{
	return k->ssl != NULL ? SSL_get_version(k->ssl) : "plain";
}
