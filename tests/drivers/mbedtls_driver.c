/* SPDX-License-Identifier: Apache-2.0 */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * A client of Mbed TLS: mbedtls_driver PORT VERSION CA CERT KEY TIMES asks localhost for /v1/poll, TIMES connections one after the other, each
 * with the session of the one before. VERSION: 1.1, 1.2; CERT and KEY "-": none. A line for each: protocol, HTTP status.
 */

static mbedtls_ctr_drbg_context drbg;
static mbedtls_ssl_config conf;
static mbedtls_ssl_session session;

static void must(int rc, const char *what)
{
	char text[128];
	if (rc == 0)
		return;
	mbedtls_strerror(rc, text, sizeof(text));
	(void)printf("failed %s: %s\n", what, text);
	exit(1);
}

static int handshake(mbedtls_ssl_context *ssl)
{
	int rc;
	do
		rc = mbedtls_ssl_handshake(ssl);
	while (rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE);
	return rc;
}

static void one(const char *port, int again)
{
	static const char ask[] = "GET /v1/poll HTTP/1.1\r\nHost: localhost\r\n\r\n";
	mbedtls_ssl_context ssl;
	mbedtls_net_context net;
	unsigned char answer[2048];
	mbedtls_ssl_init(&ssl);
	mbedtls_net_init(&net);
	must(mbedtls_ssl_setup(&ssl, &conf), "setup");
	must(mbedtls_ssl_set_hostname(&ssl, "localhost"), "name");
	if (again)
		must(mbedtls_ssl_set_session(&ssl, &session), "session");
	must(mbedtls_net_connect(&net, "127.0.0.1", port, MBEDTLS_NET_PROTO_TCP), "connect");
	mbedtls_ssl_set_bio(&ssl, &net, mbedtls_net_send, mbedtls_net_recv, NULL);
	must(handshake(&ssl), "handshake");
	int n = mbedtls_ssl_write(&ssl, (const unsigned char *)ask, sizeof(ask) - 1);
	must(n == (int)sizeof(ask) - 1 ? 0 : n, "write");
	n = mbedtls_ssl_read(&ssl, answer, sizeof(answer) - 1);
	must(n > 12 ? 0 : n, "read");
	answer[12] = '\0';
	(void)printf("%s %s\n", mbedtls_ssl_get_version(&ssl), (const char *)answer + 9);
	mbedtls_ssl_session_free(&session);
	mbedtls_ssl_session_init(&session);
	must(mbedtls_ssl_get_session(&ssl, &session), "session");
	(void)mbedtls_ssl_close_notify(&ssl);
	mbedtls_net_free(&net);
	mbedtls_ssl_free(&ssl);
}

int main(int argc, char **argv)
{
	static mbedtls_entropy_context entropy;
	static mbedtls_x509_crt ca, cert;
	static mbedtls_pk_context key;
	if (argc != 7)
		return 2;
	int minor = strcmp(argv[2], "1.1") == 0 ? MBEDTLS_SSL_MINOR_VERSION_2 : MBEDTLS_SSL_MINOR_VERSION_3;
	mbedtls_entropy_init(&entropy);
	mbedtls_ctr_drbg_init(&drbg);
	mbedtls_ssl_config_init(&conf);
	mbedtls_ssl_session_init(&session);
	must(mbedtls_ctr_drbg_seed(&drbg, mbedtls_entropy_func, &entropy, NULL, 0), "seed");
	must(mbedtls_ssl_config_defaults(&conf, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
					 MBEDTLS_SSL_PRESET_DEFAULT),
	     "defaults");
	mbedtls_ssl_conf_rng(&conf, mbedtls_ctr_drbg_random, &drbg);
	mbedtls_ssl_conf_min_version(&conf, MBEDTLS_SSL_MAJOR_VERSION_3, minor);
	mbedtls_ssl_conf_max_version(&conf, MBEDTLS_SSL_MAJOR_VERSION_3, minor);
	must(mbedtls_x509_crt_parse_file(&ca, argv[3]), "ca");
	mbedtls_ssl_conf_ca_chain(&conf, &ca, NULL);
	if (argv[4][0] != '-') {
		must(mbedtls_x509_crt_parse_file(&cert, argv[4]), "certificate");
		must(mbedtls_pk_parse_keyfile(&key, argv[5], NULL), "key");
		must(mbedtls_ssl_conf_own_cert(&conf, &cert, &key), "own certificate");
	}
	for (int i = 0; i < atoi(argv[6]); i++)
		one(argv[1], i > 0);
	return 0;
}
