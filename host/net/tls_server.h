/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_NET_TLS_SERVER_H
#define CH_NET_TLS_SERVER_H

#include "core/base/err.h"
#include "core/base/span.h"
#include "host/base/mem.h"

/*
 * TLS 1.3 and 1.2 of a server, over descriptors that do not block, for a loop. Certificates of clients are judged by OpenSSL: one
 * chain to the given roots, fit for TLS clients, within its dates. Who the client is follows from the SHA-256 of its certificate,
 * which whoever admits a request looks up each time: a resumed session is no more than a remembered certificate.
 */

/* Whether a client must show a certificate. A certificate that does not hold ends the handshake in either case. */
enum ch_tls_clients { CH_TLS_CLIENT_REQUIRED, CH_TLS_CLIENT_OPTIONAL = 0x4f50 };

/*
 * Whether a certificate of our own CA may be past its end. Whoever admits a request then looks at its dates again: such a client
 * may ask for the next certificate and for nothing else. One of a manufacturer never may.
 */
enum ch_tls_expired { CH_TLS_EXPIRED_REFUSED, CH_TLS_EXPIRED_ADMITTED = 0x4558 };

struct ch_tls_server_conf {
	struct ch_span cert_pem; /* own certificate, then its chain */
	struct ch_span key_pem;
	struct ch_span client_ca_pem; /* roots for clients; at least one certificate: our own CA */
	struct ch_span idevid_ca_pem; /* further ones, of manufacturers (802.1AR); may be empty */
	enum ch_tls_clients clients;
	enum ch_tls_expired expired;
	const char *name;    /* of the listener: a session of one is not resumed at another; at most 32 characters */
	size_t sessions_max; /* remembered for resumption; 0: 20,000 */
	unsigned session_s;  /* how long; 0: 7,200 */
};

/* Keys and remembered sessions of one listener. */
struct ch_tls_server;

/* Opens no file. CH_ERR_MALFORMED (PEM), CH_ERR_KEY (the key is not that of the certificate), CH_ERR_CRYPTO. */
CH_MUST_USE enum ch_err ch_tls_server_new(struct ch_tls_server **out, const struct ch_tls_server_conf *conf);
/* Its connections live on until they are freed. NULL is fine. */
void ch_tls_server_free(struct ch_tls_server *s);

/* How far an operation came. */
enum ch_tls_io {
	CH_TLS_DONE,
	CH_TLS_WANT_READ,  /* again when the descriptor is readable */
	CH_TLS_WANT_WRITE, /* again when it is writable */
	CH_TLS_END,        /* the peer said good-bye */
	CH_TLS_FAILED,     /* cut off, or it broke the protocol; ch_tls_fault says how */
};

/* One connection; does not own its descriptor. */
struct ch_tls;

/* NULL if there is no memory for it. */
struct ch_tls *ch_tls_new(struct ch_tls_server *s, int fd);
/* Frees it; whoever closes in good order calls ch_tls_goodbye first. NULL is fine. */
void ch_tls_free(struct ch_tls *t);

CH_MUST_USE enum ch_tls_io ch_tls_handshake(struct ch_tls *t);
/* CH_TLS_DONE: at least one byte was read. */
CH_MUST_USE enum ch_tls_io ch_tls_read(struct ch_tls *t, void *to, size_t cap, size_t *n);
/* CH_TLS_DONE: at least one byte was written. After WANT_WRITE repeat with the same bytes, maybe more of them, at any address. */
CH_MUST_USE enum ch_tls_io ch_tls_write(struct ch_tls *t, struct ch_span s, size_t *n);
/* Sends close_notify as far as that does not wait. */
void ch_tls_goodbye(struct ch_tls *t);
/* True if bytes of the peer wait in memory, decrypted or not, whole records or not: no descriptor will tell of them. */
bool ch_tls_pending(const struct ch_tls *t);

/* Which roots the client's certificate came from, as this handshake found; a resumed session does not tell. */
enum ch_tls_anchor { CH_TLS_ANCHOR_UNKNOWN, CH_TLS_ANCHOR_OWN, CH_TLS_ANCHOR_IDEVID };
enum ch_tls_anchor ch_tls_anchor(const struct ch_tls *t);
/* The client's certificate (DER) in `to`, the caller's to free; false if it showed none. */
bool ch_tls_peer_der(const struct ch_tls *t, struct ch_buf *to);
#define CH_TLS_BINDING_MAX 64
/*
 * The bytes that name this connection and no other: tls-unique of TLS 1.2 (RFC 5929, 3), only where the handshake bound its whole
 * transcript (RFC 7627), tls-exporter of TLS 1.3 (RFC 9266, 2). How many; 0 if there are none.
 */
size_t ch_tls_binding(const struct ch_tls *t, uint8_t to[static CH_TLS_BINDING_MAX]);

/* SHA-256 of the DER of the client's certificate, once the handshake is done; false if it showed none. */
bool ch_tls_peer(const struct ch_tls *t, uint8_t sha256[static 32]);
bool ch_tls_resumed(const struct ch_tls *t);
/* Forgets the session, so that it cannot be resumed. */
void ch_tls_forget(struct ch_tls *t);
/* Why the last operation failed, for a log line: static text. */
const char *ch_tls_fault(const struct ch_tls *t);

#endif
