/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load for tests/system/bench_est.py: est_driver PORT CA CERT KEY PATH ROUNDS PID… A registration authority asks for certificates by POST PATH, each for
 * another key and name, on connections that are kept and on new ones, many at a time; between them the cryptography that is in it: the server's half
 * of a TLS 1.3 handshake with client certificates, one verification and one signature on P-256. Prints medians over the rounds: microseconds of CPU of
 * the processes PID by the scheduler's accounting for an enrolment, of all and of each, and of this one for the cryptography.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define AT_ONCE 32 /* connections */
#define KEPT    20 /* enrolments on each that is kept, a round */
#define NEW     4  /* new connections, one behind the other, a round */
#define CRYPTO  200
#define ROUNDS  64
#define PIDS    16

static struct {
	struct sockaddr_in to;
	SSL_CTX *client, *server;
	const char *path;
	int pid[PIDS], pids;
} g;

struct load {
	pthread_t thread;
	int first; /* number of its first request */
	int each;  /* requests on a connection */
	int connections;
	pthread_barrier_t *begin; /* everything is prepared: connections that are kept, too */
};

static void need(int ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "est_driver: %s\n", what);
	exit(1);
}

/* --- requests --- */

static EVP_PKEY *key_new(void)
{
	EVP_PKEY *k = EVP_EC_gen("P-256");
	need(k != NULL, "key");
	return k;
}

/* A request for "CN=bench-N" in base64; returns its length. */
static int make_request(int number, char *to, size_t cap)
{
	char name[32];
	unsigned char *der = NULL;
	EVP_PKEY *key = key_new();
	X509_REQ *req = X509_REQ_new();
	(void)snprintf(name, sizeof(name), "bench-%d-%d", (int)getpid(), number);
	need(req != NULL && X509_REQ_set_pubkey(req, key) == 1, "request");
	need(X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN", MBSTRING_ASC, (unsigned char *)name, -1,
					-1, 0) == 1,
	     "name");
	need(X509_REQ_sign(req, key, EVP_sha256()) > 0, "signature");
	int n = i2d_X509_REQ(req, &der);
	need(n > 0 && (size_t)n * 4 / 3 + 8 < cap, "encoding");
	int out = EVP_EncodeBlock((unsigned char *)to, der, n);
	OPENSSL_free(der);
	X509_REQ_free(req);
	EVP_PKEY_free(key);
	return out;
}

static void exchange(SSL *ssl, const char *request, int n)
{
	char answer[8192];
	size_t have = 0;
	need(SSL_write(ssl, request, n) == n, "write");
	for (;;) {
		int got = SSL_read(ssl, answer + have, (int)(sizeof(answer) - 1 - have));
		need(got > 0, "read");
		have += (size_t)got;
		answer[have] = '\0';
		const char *body = strstr(answer, "\r\n\r\n");
		const char *length = strcasestr(answer, "content-length: ");
		if (body != NULL && length != NULL &&
		    have - (size_t)(body + 4 - answer) >= strtoul(length + 16, NULL, 10))
			break;
	}
	if (strncmp(answer, "HTTP/1.1 200", 12) != 0)
		need(0, answer);
}

static SSL *dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	SSL *ssl = SSL_new(g.client);
	need(fd >= 0 && connect(fd, (struct sockaddr *)&g.to, sizeof(g.to)) == 0, "connect");
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	need(ssl != NULL && SSL_set_fd(ssl, fd) == 1 && SSL_connect(ssl) == 1, "handshake");
	return ssl;
}

static void hang_up(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);
	(void)SSL_shutdown(ssl);
	SSL_free(ssl);
	(void)close(fd);
}

static void *work(void *arg)
{
	const struct load *l = arg;
	char(*request)[2048] = calloc((size_t)(l->each * l->connections), sizeof(*request));
	char body[1536];
	int number = l->first, at = 0;
	need(request != NULL, "memory");
	for (int i = 0; i < l->each * l->connections; i++) {
		int n = make_request(number + i, body, sizeof(body));
		(void)snprintf(
			request[i], sizeof(request[i]),
			"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/pkcs10\r\nContent-Length: %d\r\n\r\n%s",
			g.path, n, body);
	}
	SSL *ssl = l->connections == 1 ? dial() : NULL;
	(void)pthread_barrier_wait(l->begin);
	(void)pthread_barrier_wait(l->begin);
	for (int c = 0; c < l->connections; c++) {
		if (ssl == NULL)
			ssl = dial();
		for (int i = 0; i < l->each; i++, at++)
			exchange(ssl, request[at], (int)strlen(request[at]));
		hang_up(ssl);
		ssl = NULL;
	}
	free(request);
	return NULL;
}

/* --- CPU time --- */

/* Of each process into `each`; returns their sum. */
static double server_us(double each[static PIDS])
{
	double all = 0;
	unsigned long long ns;
	char path[64];
	for (int i = 0; i < g.pids; i++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/schedstat", g.pid[i]);
		FILE *f = fopen(path, "re");
		need(f != NULL && fscanf(f, "%llu", &ns) == 1, path);
		each[i] = (double)ns / 1000;
		all += each[i];
		(void)fclose(f);
	}
	return all;
}

/* Once the processes stand still. */
static double settled_us(double each[static PIDS])
{
	const struct timespec pause = { 0, 50000000 };
	double before, now = server_us(each);
	do {
		before = now;
		(void)nanosleep(&pause, NULL);
		now = server_us(each);
	} while (now - before > 2000);
	return now;
}

static double own_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Microseconds of the server for one enrolment; of each of its processes into `of`. */
static double enrol(int each, int connections, double of[static PIDS])
{
	static int number;
	double first[PIDS];
	static struct load load[AT_ONCE];
	pthread_barrier_t begin;
	need(pthread_barrier_init(&begin, NULL, AT_ONCE + 1) == 0, "barrier");
	for (int i = 0; i < AT_ONCE; i++) {
		load[i] = (struct load){ .first = number, .each = each, .connections = connections, .begin = &begin };
		number += each * connections;
		need(pthread_create(&load[i].thread, NULL, work, &load[i]) == 0, "thread");
	}
	(void)pthread_barrier_wait(&begin);
	double before = settled_us(first);
	(void)pthread_barrier_wait(&begin);
	for (int i = 0; i < AT_ONCE; i++)
		(void)pthread_join(load[i].thread, NULL);
	double spent = settled_us(of) - before;
	(void)pthread_barrier_destroy(&begin);
	for (int i = 0; i < g.pids; i++)
		of[i] = (of[i] - first[i]) / (AT_ONCE * each * connections);
	return spent / (AT_ONCE * each * connections);
}

/* --- the cryptography in it --- */

static void move_bytes(BIO *from, BIO *to)
{
	char buf[4096];
	int n;
	while ((n = BIO_read(from, buf, sizeof(buf))) > 0)
		(void)BIO_write(to, buf, n);
}

/* The server's half of a handshake, no socket, no ticket. */
static double handshake(void)
{
	double spent = 0;
	SSL *s = SSL_new(g.server), *c = SSL_new(g.client);
	BIO *to_s = BIO_new(BIO_s_mem()), *from_s = BIO_new(BIO_s_mem()), *to_c = BIO_new(BIO_s_mem()),
	    *from_c = BIO_new(BIO_s_mem());
	need(s != NULL && c != NULL && to_s != NULL && from_s != NULL && to_c != NULL && from_c != NULL, "memory");
	SSL_set_bio(s, to_s, from_s);
	SSL_set_bio(c, to_c, from_c);
	SSL_set_accept_state(s);
	SSL_set_connect_state(c);
	for (int i = 0; i < 8 && !(SSL_is_init_finished(s) && SSL_is_init_finished(c)); i++) {
		(void)SSL_do_handshake(c);
		move_bytes(from_c, to_s);
		double before = own_us();
		(void)SSL_do_handshake(s);
		spent += own_us() - before;
		move_bytes(from_s, to_c);
	}
	need(SSL_is_init_finished(s), "handshake in memory");
	SSL_free(s);
	SSL_free(c);
	return spent;
}

static double verify_and_sign(EVP_PKEY *key)
{
	static unsigned char sig[128], msg[256];
	size_t n = sizeof(sig);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	double before = own_us();
	for (int i = 0; i < CRYPTO; i++) {
		n = sizeof(sig);
		need(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
			     EVP_DigestSign(ctx, sig, &n, msg, sizeof(msg)) == 1,
		     "sign");
		(void)EVP_MD_CTX_reset(ctx);
		need(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
			     EVP_DigestVerify(ctx, sig, n, msg, sizeof(msg)) == 1,
		     "verify");
		(void)EVP_MD_CTX_reset(ctx);
	}
	double spent = (own_us() - before) / CRYPTO;
	EVP_MD_CTX_free(ctx);
	return spent;
}

/* --- */

static void contexts(char **argv)
{
	g.client = SSL_CTX_new(TLS_client_method());
	g.server = SSL_CTX_new(TLS_server_method());
	need(g.client != NULL && g.server != NULL, "context");
	SSL_CTX *both[] = { g.client, g.server };
	for (int i = 0; i < 2; i++) {
		need(SSL_CTX_load_verify_file(both[i], argv[2]) == 1 &&
			     SSL_CTX_use_certificate_file(both[i], argv[3], SSL_FILETYPE_PEM) == 1 &&
			     SSL_CTX_use_PrivateKey_file(both[i], argv[4], SSL_FILETYPE_PEM) == 1,
		     "certificates");
		(void)SSL_CTX_set_min_proto_version(both[i], TLS1_3_VERSION);
		(void)SSL_CTX_set1_groups_list(both[i], "X25519");
	}
	(void)SSL_CTX_set_num_tickets(g.server, 0);
	SSL_CTX_set_verify(g.server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	/* In memory the server shows the certificate of the authority, which is a client's: only its bytes matter there. */
	SSL_CTX_set_verify(g.client, SSL_VERIFY_NONE, NULL);
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), by_value);
	return v[n / 2];
}

int main(int argc, char **argv)
{
	static double row[4][ROUNDS], of[2][PIDS][ROUNDS];
	double each[PIDS];
	int rounds = argc > 6 ? atoi(argv[6]) : 0;
	need(argc > 7 && argc - 7 <= PIDS && rounds > 0 && rounds <= ROUNDS,
	     "usage: PORT CA CERT KEY PATH ROUNDS PID...");
	g.to = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1])) };
	g.to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	g.path = argv[5];
	for (int i = 7; i < argc; i++)
		g.pid[g.pids++] = atoi(argv[i]);
	contexts(argv);
	EVP_PKEY *key = key_new();
	(void)enrol(1, 2, each);
	for (int r = 0; r < rounds; r++) {
		for (int i = 0; i < CRYPTO; i++)
			row[0][r] += handshake() / CRYPTO;
		row[1][r] = verify_and_sign(key);
		row[2][r] = enrol(1, NEW, each);
		for (int i = 0; i < g.pids; i++)
			of[0][i][r] = each[i];
		row[3][r] = enrol(KEPT, 1, each);
		for (int i = 0; i < g.pids; i++)
			of[1][i][r] = each[i];
	}
	(void)printf("handshake %.1f\nverify-and-sign %.1f\nnew %.1f\nkept %.1f\n", median(row[0], rounds),
		     median(row[1], rounds), median(row[2], rounds), median(row[3], rounds));
	for (int i = 0; i < g.pids; i++)
		(void)printf("new:%d %.1f\nkept:%d %.1f\n", g.pid[i], median(of[0][i], rounds), g.pid[i],
			     median(of[1][i], rounds));
	return 0;
}
