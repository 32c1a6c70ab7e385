/* SPDX-License-Identifier: Apache-2.0 */
#include <wolfssl/options.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wolfssl/ssl.h>

/*
 * A client of wolfSSL: wolfssl_driver PORT VERSION CA CERT KEY TIMES asks localhost for /v1/poll, TIMES connections one after the other, each
 * with the session of the one before. VERSION: 1.2, 1.3; CERT and KEY "-": none. A line for each: protocol, HTTP status.
 */

static void must(int good, const char *what)
{
	if (good)
		return;
	(void)printf("failed %s\n", what);
	exit(1);
}

static int dial(const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	must(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0, "connect");
	return fd;
}

static WOLFSSL_SESSION *one(WOLFSSL_CTX *ctx, const char *port, WOLFSSL_SESSION *before)
{
	static const char ask[] = "GET /v1/poll HTTP/1.1\r\nHost: localhost\r\n\r\n";
	char answer[2048], text[80];
	WOLFSSL *ssl = wolfSSL_new(ctx);
	must(ssl != NULL, "new");
	int fd = dial(port);
	must(wolfSSL_set_fd(ssl, fd) == SSL_SUCCESS && wolfSSL_check_domain_name(ssl, "localhost") == SSL_SUCCESS,
	     "name");
	if (before != NULL)
		must(wolfSSL_set_session(ssl, before) == SSL_SUCCESS, "session");
	int rc = wolfSSL_connect(ssl);
	if (rc != SSL_SUCCESS) {
		(void)printf("failed handshake: %s\n",
			     wolfSSL_ERR_error_string((unsigned long)wolfSSL_get_error(ssl, rc), text));
		exit(1);
	}
	must(wolfSSL_write(ssl, ask, sizeof(ask) - 1) == (int)sizeof(ask) - 1, "write");
	int n = wolfSSL_read(ssl, answer, sizeof(answer) - 1);
	if (n < 13) {
		(void)printf("failed read: %s\n",
			     wolfSSL_ERR_error_string((unsigned long)wolfSSL_get_error(ssl, n), text));
		exit(1);
	}
	answer[12] = '\0';
	(void)printf("%s %s\n", wolfSSL_get_version(ssl), answer + 9);
	wolfSSL_SESSION_free(before);
	WOLFSSL_SESSION *session = wolfSSL_get1_session(ssl);
	(void)wolfSSL_shutdown(ssl);
	wolfSSL_free(ssl);
	(void)close(fd);
	return session;
}

int main(int argc, char **argv)
{
	WOLFSSL_SESSION *session = NULL;
	if (argc != 7)
		return 2;
	must(wolfSSL_Init() == SSL_SUCCESS, "init");
	WOLFSSL_CTX *ctx = wolfSSL_CTX_new(strcmp(argv[2], "1.3") == 0 ? wolfTLSv1_3_client_method()
								       : wolfTLSv1_2_client_method());
	must(ctx != NULL, "context");
	must(wolfSSL_CTX_load_verify_locations(ctx, argv[3], NULL) == SSL_SUCCESS, "ca");
	if (argv[4][0] != '-') {
		must(wolfSSL_CTX_use_certificate_file(ctx, argv[4], SSL_FILETYPE_PEM) == SSL_SUCCESS, "certificate");
		must(wolfSSL_CTX_use_PrivateKey_file(ctx, argv[5], SSL_FILETYPE_PEM) == SSL_SUCCESS, "key");
	}
	for (int i = 0; i < atoi(argv[6]); i++)
		session = one(ctx, argv[1], session);
	wolfSSL_SESSION_free(session);
	wolfSSL_CTX_free(ctx);
	(void)wolfSSL_Cleanup();
	return 0;
}
