/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer of OCSP costs: the real chainhold-edge gives one that is kept, by POST and by GET, against a list of the same size, which it
 * gives as a file; on kept connections without TLS, in turn in every round; CPU time of the edge by the scheduler's accounting,
 * medians. Then what it costs to sign one, as for a nonce, against the bare signature.
 *
 * usage: ocsp_bench [CHAINHOLD-EDGE]
 */
#include "bench/edge_run.h"
#include "core/wire/base64.h"
#include "host/crypto_openssl/backend.h"
#include "server/edge/revocation.h"
#include "server/ipc/view.h"
#include "server/signer/responder.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS   7
#define REQUESTS 10000
#define SIGNED   3000

struct made {
	char pem[2048], key_pem[512];
	X509 *cert;
	struct ch_sign_key key, ocsp_key;
	struct ch_issuer ca;
	struct ch_signer_crl crl;
	struct ch_responder responder;
};

static void extension(X509 *x, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	(void)X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

static void text_of(char *to, size_t cap, BIO *b)
{
	int n = BIO_read(b, to, (int)cap - 1);
	edge_need(n > 0, "PEM");
	to[n] = '\0';
	BIO_free(b);
}

/* A CA, which is the edge's server too: nobody comes by TLS. */
static void make(struct made *m)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	m->cert = X509_new();
	(void)X509_set_version(m->cert, X509_VERSION_3);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(m->cert), 1);
	(void)X509_gmtime_adj(X509_getm_notBefore(m->cert), -3600);
	(void)X509_gmtime_adj(X509_getm_notAfter(m->cert), 30 * 86400);
	(void)X509_NAME_add_entry_by_txt(X509_get_subject_name(m->cert), "CN", MBSTRING_ASC, (const uint8_t *)"ca", -1,
					 -1, 0);
	(void)X509_set_issuer_name(m->cert, X509_get_subject_name(m->cert));
	(void)X509_set_pubkey(m->cert, key);
	extension(m->cert, NID_basic_constraints, "critical,CA:TRUE");
	extension(m->cert, NID_key_usage, "critical,keyCertSign,cRLSign");
	extension(m->cert, NID_subject_key_identifier, "hash");
	edge_need(X509_sign(m->cert, key, EVP_sha256()) > 0, "a CA");
	BIO *b = BIO_new(BIO_s_mem());
	(void)PEM_write_bio_X509(b, m->cert);
	text_of(m->pem, sizeof(m->pem), b);
	b = BIO_new(BIO_s_mem());
	(void)PEM_write_bio_PKCS8PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
	text_of(m->key_pem, sizeof(m->key_pem), b);
	EVP_PKEY_free(key);
	edge_need(ch_sign_key_from_pem(&m->key, ch_span_str(m->key_pem)) == CH_OK &&
			  ch_sign_key_from_pem(&m->ocsp_key, ch_span_str(m->key_pem)) == CH_OK &&
			  ch_issuer_load(&m->ca, ch_span_str(m->pem), &m->key) == CH_OK &&
			  ch_responder_init(&m->responder, &m->ocsp_key, &m->ca, 3600) == CH_OK,
		  "the signer's part");
}

static struct ch_msg_ocsp sign(struct made *m, uint8_t *room, uint32_t serial, struct ch_span nonce)
{
	uint8_t id[CH_IPC_OCSP_ID] = { 0, CH_HASH_SHA1, CH_IPC_OCSP_NULL | CH_IPC_OCSP_KNOWN };
	for (size_t i = 0; i < 4; i++)
		id[19 + i] = (uint8_t)(serial >> (24 - 8 * i));
	const struct ch_msg_ocsp_sign req = { .ids = CH_SPAN_OF(id), .nonce = nonce };
	struct ch_msg_ocsp out;
	ch_responder_prepare(&m->responder, &m->ca, &m->key, (int64_t)time(NULL));
	ch_responder_sign(&m->responder, &out, room, &req, &m->crl, (int64_t)time(NULL));
	edge_need(out.status == CH_OCSP_SUCCESSFUL, "an answer");
	return out;
}

/* The keeper's part: one answer, and a list that is as long. Both are there when /crl has it. */
static void tell(struct edge_run *e, struct made *m)
{
	uint8_t room[CH_OCSP_ANSWER_MAX];
	struct ch_msg_ocsp a = sign(m, room, 0x01020304, CH_SPAN_EMPTY);
	struct ch_msg_ocsp_answer kept = { .id = { 0, CH_HASH_SHA1, CH_IPC_OCSP_NULL, [19] = 1, 2, 3, 4 },
					   .this_update = a.this_update,
					   .next_update = a.next_update,
					   .answer = a.answer };
	const struct ch_msg_crl list = {
		.number = 1, .this_update = a.this_update, .next_update = a.next_update, .list = a.answer
	};
	ch_msg_send(&e->keeper, CH_MSG_OCSP_ANSWER, 0, &kept);
	ch_msg_send(&e->keeper, CH_MSG_CRL, 0, &list);
	edge_need(ch_chan_flush(&e->keeper), "the keeper's channel");
	printf("  an answer has %zu bytes\n", a.answer.n);
}

static int join(const struct edge_run *e)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(e->port[CH_LISTENER_PUBLIC]),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	edge_need(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0, "connect");
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void ask(int fd, struct ch_span request)
{
	char in[8192];
	edge_need(write(fd, request.p, request.n) == (ssize_t)request.n, "request");
	ssize_t n = read(fd, in, sizeof(in));
	edge_need(n > 500 && strncmp(in, "HTTP/1.1 200", 12) == 0, "answer");
}

static double run_kept(const struct edge_run *e, struct ch_span request)
{
	int fd = join(e);
	ask(fd, request);
	double before = edge_settled_us(e->pid);
	for (int i = 0; i < REQUESTS; i++)
		ask(fd, request);
	double us = (edge_settled_us(e->pid) - before) / REQUESTS;
	(void)close(fd);
	return us;
}

/* The three requests: OCSP as openssl asks it, without a nonce. */
static void requests(const struct made *m, struct ch_wr *post, struct ch_wr *get, struct ch_wr *file)
{
	OCSP_REQUEST *q = OCSP_REQUEST_new();
	ASN1_INTEGER *serial = ASN1_INTEGER_new();
	uint8_t *der = NULL;
	(void)ASN1_INTEGER_set(serial, 0x01020304);
	(void)OCSP_request_add0_id(q, OCSP_cert_id_new(EVP_sha1(), X509_get_subject_name(m->cert),
						       X509_get0_pubkey_bitstr(m->cert), serial));
	int n = i2d_OCSP_REQUEST(q, &der);
	edge_need(n > 0, "a request of OCSP");
	ch_wr_str(
		post,
		"POST /ocsp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/ocsp-request\r\nContent-Length: ");
	ch_wr_dec(post, (uint64_t)n);
	ch_wr_str(post, "\r\n\r\n");
	ch_wr_put(post, ch_span(der, (size_t)n));
	ch_wr_str(get, "GET /ocsp/");
	ch_base64_put(get, CH_BASE64_STD, ch_span(der, (size_t)n));
	ch_wr_str(get, " HTTP/1.1\r\nHost: localhost\r\n\r\n");
	ch_wr_str(file, "GET /crl/");
	ch_wr_hex(file, m->ca.kid);
	ch_wr_str(file, ".crl HTTP/1.1\r\nHost: localhost\r\n\r\n");
	OPENSSL_free(der);
	OCSP_REQUEST_free(q);
	ASN1_INTEGER_free(serial);
}

static double own_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void signing(struct made *m)
{
	static const uint8_t msg[200] = { 1 };
	double v[2][ROUNDS];
	for (int r = 0; r < ROUNDS; r++) {
		uint8_t room[CH_OCSP_ANSWER_MAX], sig[CH_SIGN_BYTES];
		double at = own_us();
		for (uint32_t i = 0; i < SIGNED; i++)
			edge_need(ch_sign_message(&m->key, CH_SPAN_OF(msg), sig) == CH_OK, "a signature");
		v[0][r] = (own_us() - at) / SIGNED;
		at = own_us();
		for (uint32_t i = 1; i <= SIGNED; i++)
			(void)sign(m, room, i, CH_SPAN_LIT("0123456789abcdef"));
		v[1][r] = (own_us() - at) / SIGNED;
	}
	double bare = edge_median(v[0], ROUNDS), whole = edge_median(v[1], ROUNDS);
	printf("  an answer with a nonce is signed in %6.1f us, the bare signature %6.1f us: %.2f x\n", whole, bare,
	       whole / bare);
}

int main(int argc, char **argv)
{
	static struct made m;
	struct edge_run e;
	uint8_t config[16384], text[3][1024];
	struct ch_wr c = ch_wr(config, sizeof(config));
	struct ch_wr w[3];
	double v[3][ROUNDS], us[3];
	(void)signal(SIGPIPE, SIG_IGN);
	edge_need(ch_crypto_openssl_init() == CH_OK, "OpenSSL");
	make(&m);
	edge_put_pem(&c, "tls_certificate", m.pem);
	edge_put_pem(&c, "tls_key", m.key_pem);
	edge_put_pem(&c, "client_ca", m.pem);
	ch_wr_str(&c, "public_rate 0\n");
	edge_start(&e, argc > 1 ? argv[1] : CH_BENCH_EDGE, ch_wr_span(&c), ch_view_make(1024));
	tell(&e, &m);
	for (size_t i = 0; i < 3; i++)
		w[i] = ch_wr(text[i], sizeof(text[i]));
	requests(&m, &w[0], &w[1], &w[2]);
	for (int r = 0; r < ROUNDS; r++) {
		for (size_t i = 0; i < 3; i++)
			v[i][r] = run_kept(&e, ch_wr_span(&w[i]));
	}
	for (size_t i = 0; i < 3; i++)
		us[i] = edge_median(v[i], ROUNDS);
	printf("  %s; CPU of the edge, medians of %d rounds of %d requests on a kept connection\n",
	       OpenSSL_version(OPENSSL_VERSION), ROUNDS, REQUESTS);
	printf("  a file (GET of the list)  %6.2f us\n", us[2]);
	printf("  OCSP by POST, kept        %6.2f us   %.2f of the file's rate (target 0.5)\n", us[0], us[2] / us[0]);
	printf("  OCSP by GET, kept         %6.2f us   %.2f\n", us[1], us[2] / us[1]);
	edge_stop(&e);
	signing(&m);
	return 0;
}
