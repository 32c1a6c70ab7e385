/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x509_driver client|server NAME TIME TRUSTED UNTRUSTED CERTIFICATE: what our TLS makes of a peer's chain, whose key nobody has. The client or
 * server is the real one (host/net), with all that it sets in OpenSSL; the linker puts this file in the place of the handshake, which
 * then judges the chain as libssl does, without one. NAME is whom a server must be; TIME in seconds since 1970, 0: now. Files are PEM; UNTRUSTED may
 * be empty. Prints "valid", or "invalid: " and why.
 */
#include "host/base/file.h"
#include "host/net/tls_client.h"
#include "host/net/tls_server.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int __wrap_SSL_connect(SSL *ssl);
int __wrap_SSL_do_handshake(SSL *ssl);

static STACK_OF(X509) * presented; /* the peer's certificate, then the others */
static time_t at;
static long verdict = X509_V_ERR_UNSPECIFIED;

/* As ssl_verify_cert_chain of libssl prepares it. */
static int judge(SSL *ssl)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_STORE *store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
	if (ctx == NULL || X509_STORE_CTX_init(ctx, store, sk_X509_value(presented, 0), presented) != 1)
		abort();
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_auth_level(param, SSL_get_security_level(ssl));
	(void)X509_STORE_CTX_set_default(ctx, SSL_is_server(ssl) ? "ssl_client" : "ssl_server");
	(void)X509_VERIFY_PARAM_set1(param, SSL_get0_param(ssl));
	if (at != 0)
		X509_VERIFY_PARAM_set_time(param, at);
	int ok = X509_verify_cert(ctx);
	verdict = ok == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	SSL_set_verify_result(ssl, verdict);
	return ok == 1 ? 1 : -1;
}

int __wrap_SSL_connect(SSL *ssl)
{
	return judge(ssl);
}

int __wrap_SSL_do_handshake(SSL *ssl)
{
	return judge(ssl);
}

static bool present(const char *path)
{
	FILE *f = fopen(path, "r");
	if (f == NULL)
		return false;
	for (;;) {
		X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
		if (x == NULL)
			break;
		(void)sk_X509_push(presented, x);
	}
	bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	ERR_clear_error();
	(void)fclose(f);
	return end;
}

static bool client(struct ch_span trusted, const char *name)
{
	struct ch_tls_client *c = NULL;
	struct ch_net_conn *k = NULL;
	struct ch_net_why why = { "" };
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t n = sizeof(a);
	char port[16];
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	if (bind(fd, (const struct sockaddr *)&a, n) != 0 || listen(fd, 1) != 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &n) != 0)
		abort();
	(void)snprintf(port, sizeof(port), "%u", ntohs(a.sin6_port));
	const struct ch_tls_client_conf conf = { .ca_pem = trusted };
	if (ch_tls_client_new(&c, &conf, &why) != CH_OK)
		return false;
	const struct ch_net_target t = { .host = "::1", .port = port, .name = name };
	enum ch_err err = ch_net_connect(&k, c, &t, &why);
	bool asked = (err == CH_OK) == (verdict == X509_V_OK) && (err == CH_OK || err == CH_ERR_UNTRUSTED);
	ch_net_close(k);
	ch_tls_client_free(c);
	(void)close(fd);
	return asked;
}

/* The server needs an identity of its own; any will do. */
static void own(struct ch_buf *cert, struct ch_buf *key)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	(void)X509_set_pubkey(x, pkey);
	(void)X509_gmtime_adj(X509_getm_notBefore(x), 0);
	(void)X509_gmtime_adj(X509_getm_notAfter(x), 1000);
	(void)X509_sign(x, pkey, EVP_sha256());
	(void)PEM_write_bio_X509(bio, x);
	long n = BIO_get_mem_data(bio, &text);
	ch_buf_append(cert, ch_span(text, (size_t)n));
	(void)BIO_reset(bio);
	(void)PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL);
	n = BIO_get_mem_data(bio, &text);
	ch_buf_append(key, ch_span(text, (size_t)n));
	BIO_free(bio);
	X509_free(x);
	EVP_PKEY_free(pkey);
}

static bool server(struct ch_span trusted)
{
	CH_AUTO_BUF struct ch_buf cert = { 0 };
	CH_AUTO_BUF struct ch_buf key = { 0 };
	struct ch_tls_server *s = NULL;
	int fds[2];
	own(&cert, &key);
	const struct ch_tls_server_conf conf = { .cert_pem = ch_buf_span(&cert),
						 .key_pem = ch_buf_span(&key),
						 .client_ca_pem = trusted,
						 .clients = CH_TLS_CLIENT_REQUIRED,
						 .name = "test" };
	if (ch_tls_server_new(&s, &conf) != CH_OK || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
		return false;
	struct ch_tls *t = ch_tls_new(s, fds[0]);
	bool done = ch_tls_handshake(t) == CH_TLS_DONE;
	ch_tls_free(t);
	ch_tls_server_free(s);
	(void)close(fds[0]);
	(void)close(fds[1]);
	return done == (verdict == X509_V_OK);
}

int main(int argc, char **argv)
{
	CH_AUTO_BUF struct ch_buf trusted = { 0 };
	if (argc != 7 || ch_file_read(&trusted, argv[4]) != CH_OK)
		return 2;
	presented = sk_X509_new_null();
	at = (time_t)strtoll(argv[3], NULL, 10);
	/* What OpenSSL cannot read never comes as far as a verdict. */
	if (!present(argv[6]) || sk_X509_num(presented) == 0 || !present(argv[5])) {
		(void)printf("invalid: not read\n");
		return 0;
	}
	bool asked =
		strcmp(argv[1], "client") == 0 ? client(ch_buf_span(&trusted), argv[2]) : server(ch_buf_span(&trusted));
	if (verdict == X509_V_OK)
		(void)printf("valid\n");
	else
		(void)printf("invalid: %s\n", X509_verify_cert_error_string(verdict));
	sk_X509_pop_free(presented, X509_free);
	/* A trust anchor that is refused ends it before a verdict; else the two must agree. */
	return asked || verdict == X509_V_ERR_UNSPECIFIED ? 0 : 1;
}
