/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/tls_server.h"

#include "host/base/mem.h"
#include "host/net/tls_pem.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <time.h>

#define SESSIONS_MAX 20000
#define SESSION_S    7200
#define OWN_MAX      16 /* certificates of our own CA: the present one and those of its rollovers */

struct ch_tls_server {
	size_t refs; /* one of whoever made it, one of each connection */
	SSL_CTX *ctx;
	EVP_MD *sha256;
	enum ch_tls_expired expired;
	size_t own_count;
	uint8_t own[OWN_MAX][32]; /* SHA-256 of the certificates of our own CA */
};

struct ch_tls {
	SSL *ssl;
	struct ch_tls_server *server;
	const char *fault;
};

static bool digest_of(const struct ch_tls_server *s, const X509 *cert, uint8_t sha256[static 32])
{
	unsigned n = 0;
	return cert != NULL && X509_digest(cert, s->sha256, sha256, &n) == 1 && n == 32;
}

static bool is_own(const struct ch_tls_server *s, const X509 *cert)
{
	uint8_t sha256[32];
	if (!digest_of(s, cert, sha256))
		return false;
	for (size_t i = 0; i < s->own_count; i++) {
		if (ch_span_eq(CH_SPAN_OF(s->own[i]), CH_SPAN_OF(sha256)))
			return true;
	}
	return false;
}

/* Every root that is trusted so far. */
static enum ch_err own_take(struct ch_tls_server *s)
{
	STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(SSL_CTX_get_cert_store(s->ctx));
	for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
		X509 *cert = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
		if (s->own_count == OWN_MAX)
			return CH_ERR_LIMIT;
		if (!digest_of(s, cert, s->own[s->own_count++]))
			return CH_ERR_CRYPTO;
	}
	return CH_OK;
}

/* OpenSSL's own judgement, but for the end of a leaf of our own CA where that is asked for. */
static int judged(int ok, X509_STORE_CTX *store)
{
	if (ok == 1)
		return 1;
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	const struct ch_tls_server *s = ssl != NULL ? SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)) : NULL;
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(store);
	if (s == NULL || s->expired != CH_TLS_EXPIRED_ADMITTED || chain == NULL || sk_X509_num(chain) < 2 ||
	    X509_STORE_CTX_get_error(store) != X509_V_ERR_CERT_HAS_EXPIRED ||
	    X509_STORE_CTX_get_error_depth(store) != 0)
		return 0;
	if (!is_own(s, sk_X509_value(chain, sk_X509_num(chain) - 1)))
		return 0;
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return 1;
}

static void settings(SSL_CTX *ctx, const struct ch_tls_server_conf *conf)
{
	/* What RFC 9325 asks of TLS 1.2: forward secrecy and AEAD, no renegotiation, no compression. */
	(void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
					       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	/* The chain that was given and no more: in every handshake OpenSSL would look for its root among those of the clients. */
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
	/* One system call a record instead of two: OpenSSL would ask for its five bytes of header first. */
	SSL_CTX_set_read_ahead(ctx, 1);
	/*
	 * Sessions stay here and are found by a number: a ticket that carries the client's certificate costs twice as much to
	 * make. One number a handshake is enough for clients that connect one after the other.
	 */
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER);
	(void)SSL_CTX_set_num_tickets(ctx, 1);
	(void)SSL_CTX_sess_set_cache_size(ctx, (long)(conf->sessions_max != 0 ? conf->sessions_max : SESSIONS_MAX));
	(void)SSL_CTX_set_timeout(ctx, (long)(conf->session_s != 0 ? conf->session_s : SESSION_S));
	SSL_CTX_set_verify(
		ctx, SSL_VERIFY_PEER | (conf->clients == CH_TLS_CLIENT_OPTIONAL ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT),
		judged);
	SSL_CTX_set_verify_depth(ctx, 2);
}

static bool suites(SSL_CTX *ctx, const struct ch_tls_server_conf *conf)
{
	struct ch_span name = ch_span_str(conf->name);
	return SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
	       SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") == 1 && name.n <= SSL_MAX_SID_CTX_LENGTH &&
	       SSL_CTX_set_session_id_context(ctx, name.p, (unsigned)name.n) == 1;
}

enum ch_err ch_tls_server_new(struct ch_tls_server **out, const struct ch_tls_server_conf *conf)
{
	*out = NULL;
	struct ch_tls_server *s = ch_calloc(1, sizeof(*s));
	/* The dates of certificates go through gmtime_r, whose first call opens the file of the time zone: not in a sandbox. */
	tzset();
	s->refs = 1;
	s->ctx = SSL_CTX_new(TLS_server_method());
	s->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	enum ch_err err = s->ctx != NULL && s->sha256 != NULL ? CH_OK : CH_ERR_CRYPTO;
	if (err == CH_OK) {
		settings(s->ctx, conf);
		err = suites(s->ctx, conf) ? ch_tls_use_identity(s->ctx, conf->cert_pem, conf->key_pem) : CH_ERR_CRYPTO;
	}
	s->expired = conf->expired;
	if (err == CH_OK)
		err = ch_tls_trust(s->ctx, conf->client_ca_pem, true);
	if (err == CH_OK)
		err = own_take(s);
	if (err == CH_OK && conf->idevid_ca_pem.n > 0)
		err = ch_tls_trust(s->ctx, conf->idevid_ca_pem, true);
	if (err == CH_OK && SSL_CTX_set_app_data(s->ctx, s) != 1)
		err = CH_ERR_CRYPTO;
	if (err != CH_OK) {
		ERR_clear_error();
		ch_tls_server_free(s);
		return err;
	}
	*out = s;
	return CH_OK;
}

void ch_tls_server_free(struct ch_tls_server *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	SSL_CTX_free(s->ctx);
	EVP_MD_free(s->sha256);
	ch_free(s);
}

struct ch_tls *ch_tls_new(struct ch_tls_server *s, int fd)
{
	SSL *ssl = SSL_new(s->ctx);
	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_accept_state(ssl);
	struct ch_tls *t = ch_calloc(1, sizeof(*t));
	*t = (struct ch_tls){ .ssl = ssl, .server = s };
	s->refs++;
	return t;
}

void ch_tls_free(struct ch_tls *t)
{
	if (t == NULL)
		return;
	/*
	 * A session whose connection did not end with close_notify is forgotten by SSL_free (RFC 5246, 7.2.1 asked for that; later
	 * versions do not): devices that lose power would never resume.
	 */
	SSL_set_shutdown(t->ssl, SSL_get_shutdown(t->ssl) | SSL_SENT_SHUTDOWN);
	SSL_free(t->ssl);
	ch_tls_server_free(t->server);
	ch_free(t);
}

static enum ch_tls_io outcome(struct ch_tls *t, int rc)
{
	static const char *const cut = "the connection was cut";
	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return CH_TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return CH_TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return CH_TLS_END;
	case SSL_ERROR_SSL:
		t->fault = ERR_reason_error_string(ERR_peek_error());
		break;
	default:
		t->fault = cut;
		break;
	}
	if (t->fault == NULL)
		t->fault = cut;
	ERR_clear_error();
	return CH_TLS_FAILED;
}

enum ch_tls_io ch_tls_handshake(struct ch_tls *t)
{
	ERR_clear_error();
	int rc = SSL_do_handshake(t->ssl);
	return rc == 1 ? CH_TLS_DONE : outcome(t, rc);
}

enum ch_tls_io ch_tls_read(struct ch_tls *t, void *to, size_t cap, size_t *n)
{
	*n = 0;
	ERR_clear_error();
	int rc = SSL_read_ex(t->ssl, to, cap, n);
	return rc == 1 ? CH_TLS_DONE : outcome(t, rc);
}

enum ch_tls_io ch_tls_write(struct ch_tls *t, struct ch_span s, size_t *n)
{
	*n = 0;
	ERR_clear_error();
	int rc = SSL_write_ex(t->ssl, s.p, s.n, n);
	return rc == 1 ? CH_TLS_DONE : outcome(t, rc);
}

void ch_tls_goodbye(struct ch_tls *t)
{
	if (SSL_is_init_finished(t->ssl))
		(void)SSL_shutdown(t->ssl);
	ERR_clear_error();
}

bool ch_tls_pending(const struct ch_tls *t)
{
	return SSL_has_pending(t->ssl) == 1;
}

bool ch_tls_peer(const struct ch_tls *t, uint8_t sha256[static 32])
{
	return digest_of(t->server, SSL_get0_peer_certificate(t->ssl), sha256);
}

bool ch_tls_peer_der(const struct ch_tls *t, struct ch_buf *to)
{
	const X509 *cert = SSL_get0_peer_certificate(t->ssl);
	int n = cert != NULL ? i2d_X509(cert, NULL) : 0;
	if (n <= 0)
		return false;
	uint8_t *out = ch_buf_room(to, (size_t)n);
	if (i2d_X509(cert, &out) != n)
		return false;
	to->n += (size_t)n;
	return true;
}

enum ch_tls_anchor ch_tls_anchor(const struct ch_tls *t)
{
	STACK_OF(X509) *chain = SSL_get0_verified_chain(t->ssl);
	int n = chain != NULL ? sk_X509_num(chain) : 0;
	if (n < 2 || SSL_get_verify_result(t->ssl) != X509_V_OK)
		return CH_TLS_ANCHOR_UNKNOWN;
	return is_own(t->server, sk_X509_value(chain, n - 1)) ? CH_TLS_ANCHOR_OWN : CH_TLS_ANCHOR_IDEVID;
}

size_t ch_tls_binding(const struct ch_tls *t, uint8_t to[static CH_TLS_BINDING_MAX])
{
	static const char label[] = "EXPORTER-Channel-Binding";
	if (SSL_version(t->ssl) == TLS1_3_VERSION)
		return SSL_export_keying_material(t->ssl, to, 32, label, sizeof(label) - 1, NULL, 0, 0) == 1 ? 32 : 0;
	if (SSL_get_extms_support(t->ssl) != 1)
		return 0;
	/* The first Finished of the handshake: the client's, but the server's where a session was resumed. */
	size_t n = SSL_session_reused(t->ssl) == 1 ? SSL_get_finished(t->ssl, to, CH_TLS_BINDING_MAX)
						   : SSL_get_peer_finished(t->ssl, to, CH_TLS_BINDING_MAX);
	return n <= CH_TLS_BINDING_MAX ? n : 0;
}

bool ch_tls_resumed(const struct ch_tls *t)
{
	return SSL_session_reused(t->ssl) == 1;
}

void ch_tls_forget(struct ch_tls *t)
{
	SSL_SESSION *session = SSL_get0_session(t->ssl);
	if (session != NULL)
		(void)SSL_CTX_remove_session(t->server->ctx, session);
}

const char *ch_tls_fault(const struct ch_tls *t)
{
	return t->fault != NULL ? t->fault : "none";
}
