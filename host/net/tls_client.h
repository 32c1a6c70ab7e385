/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_NET_TLS_CLIENT_H
#define CH_NET_TLS_CLIENT_H

#include "core/base/err.h"
#include "core/base/span.h"

/*
 * Connections of a client (agent, operator's command), TLS 1.2 or 1.3 over TCP, straight or through an HTTP CONNECT proxy, or plain
 * TCP for what needs no secrecy (the transparency log). Calls block, each with a deadline of its own; nothing here needs a loop.
 * Certificates are judged by OpenSSL: chain to the given roots, and the name of the server (RFC 9525; an address where the host is one).
 */

/* What a person is told when something fails: one line, without a newline, never bytes of the peer unescaped. */
struct ch_net_why {
	char text[200];
};

/*
 * Signs elsewhere (a TPM, another process): ECDSA P-256 over a SHA-256 digest, as raw r then s, big-endian. False: refused.
 * Called inside ch_tls_connect, and takes of its time.
 */
typedef bool ch_tls_sign_fn(void *ctx, const uint8_t digest[static 32], uint8_t rs[static 64]);

/*
 * Whom a connection may be to. ANYBODY is for what needs neither secrecy nor a known server, because what comes is judged by its own
 * signatures: `ca_pem` may be empty, and no certificate of our own is shown.
 */
enum ch_tls_peer { CH_TLS_PEER_JUDGED = 0, CH_TLS_PEER_ANYBODY = 0x5a };

struct ch_tls_client_conf {
	enum ch_tls_peer peer;
	struct ch_span ca_pem;   /* the roots of servers; at least one certificate */
	struct ch_span cert_pem; /* own certificate, then its chain; empty: none is sent */
	struct ch_span key_pem;  /* its private key (PKCS#8 or SEC 1), unless `sign` is given */
	ch_tls_sign_fn *sign;
	void *sign_ctx;
};

/* An identity and what it trusts; also remembers the session of the last server, which the next connection resumes. */
struct ch_tls_client;

/*
 * Reads the certificates and the key; opens no file. CH_ERR_MALFORMED (PEM), CH_ERR_KEY (the key is not that of the certificate,
 * or with `sign`: not P-256), CH_ERR_CRYPTO. `why` may be NULL. Nothing of `conf` is kept but `sign` and its context.
 */
CH_MUST_USE enum ch_err ch_tls_client_new(struct ch_tls_client **out, const struct ch_tls_client_conf *conf,
					  struct ch_net_why *why);
void ch_tls_client_free(struct ch_tls_client *c);

struct ch_net_target {
	const char *host;       /* name, IPv4 or IPv6 address without brackets */
	const char *port;       /* decimal */
	const char *name;       /* whom the certificate must name; NULL: `host` */
	const char *proxy_host; /* HTTP CONNECT proxy (RFC 9110, 9.3.6); NULL: none */
	const char *proxy_port;
	unsigned connect_ms; /* all of name look-up (as far as the resolver obeys), TCP, proxy and handshake; 0: 10 s */
	unsigned io_ms;      /* one read or write without progress; 0: 30 s */
	uint64_t
		time_floor; /* seconds since 1970: it is not earlier, whatever the local clock shows; 0: the clock is right */
};

struct ch_net_conn;

/*
 * Connects. `c` NULL: plain TCP. CH_ERR_NOTFOUND (no address for the name), CH_ERR_IO (unreachable, refused, timeout, proxy
 * refuses), CH_ERR_UNTRUSTED (the server's certificate), CH_ERR_KEY (it does not take ours), CH_ERR_CRYPTO (handshake). `c` must outlive the connection.
 */
CH_MUST_USE enum ch_err ch_net_connect(struct ch_net_conn **out, struct ch_tls_client *c, const struct ch_net_target *t,
				       struct ch_net_why *why);
/* Says good-bye (close_notify) as far as that does not block. NULL is fine. */
void ch_net_close(struct ch_net_conn *k);
#define CH_AUTO_CONN __attribute__((cleanup(ch_net_close_cleanup)))
static inline void ch_net_close_cleanup(struct ch_net_conn **k)
{
	ch_net_close(*k);
}

/* Writes all of `s`. CH_ERR_IO: closed, or no progress for io_ms. */
CH_MUST_USE enum ch_err ch_net_write(struct ch_net_conn *k, struct ch_span s, struct ch_net_why *why);
/*
 * Waits for at least one byte; `*n` is 0 only at the orderly end (close_notify, or FIN without TLS). A connection cut without
 * close_notify is CH_ERR_TRUNCATED, a timeout CH_ERR_IO. CH_ERR_KEY: the server says that it does not take our certificate.
 */
CH_MUST_USE enum ch_err ch_net_read(struct ch_net_conn *k, void *to, size_t cap, size_t *n, struct ch_net_why *why);

/* The descriptor, to notice in a loop that the server has closed; never read or write it. */
int ch_net_fd(const struct ch_net_conn *k);
/* False once the server has closed or sent what nobody asked for: connect anew before the next request. */
bool ch_net_usable(struct ch_net_conn *k);
/* True if this connection resumed a session. */
bool ch_net_resumed(const struct ch_net_conn *k);
/* "TLSv1.3" and so on, "plain" without TLS; static. */
const char *ch_net_protocol(const struct ch_net_conn *k);

#endif
