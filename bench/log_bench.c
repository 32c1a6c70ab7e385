/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transparency log against what it cannot do without: appending the same bytes to a file and fdatasync. In turn, in every
 * round, for batches of 10, 100 and 1,000 entries:
 *   raw      entries appended, one fdatasync a batch
 *   log      the same, and each entry hashed into the tree, the batch's checkpoint signed (Ed25519) and appended before the sync
 *   signer   the same with the signer as it is, in a process of its own with its own file and fdatasync: as in the server, the leaves of a
 *            batch go to it when they are durable, and its checkpoint is written with the batch after the next
 * Wall time, because durability is waiting; medians of the ratios of the rounds, and CPU of the log's own part.
 *
 * usage: log_bench [DIRECTORY]   on the disk that is to be measured (the current one)
 */
#include "core/trust/checkpoint.h"
#include "core/trust/leaf.h"
#include "host/crypto_openssl/backend.h"
#include "host/crypto_openssl/sign.h"
#include "server/signer/tree.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS    11
#define BATCH_MAX 1000
#define SLICE_MS  60.0 /* of one measurement: at least this long, at least two batches */

enum kind { RAW, LOG, SIGNER, KINDS };

/* Hashes that go to the signer, and what comes back: a datagram each. */
struct leaves {
	uint64_t first;
	uint8_t hashes[BATCH_MAX * CH_MERKLE_HASH];
};

struct bench {
	int dir, fd, signer;
	pid_t pid;
	struct leaves leaves;
	bool asked; /* the signer has a batch */
	struct ch_sign_key key;
	struct ch_note_key note;
	struct ch_frontier tree;
	uint64_t n;
};

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	perror("log_bench");
	fprintf(stderr, "log_bench: %s\n", what);
	exit(1);
}

static double now_ms(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void write_all(int fd, struct ch_span s)
{
	while (s.n > 0) {
		ssize_t n = write(fd, s.p, s.n);
		need(n > 0, "write");
		s = ch_span_sub(s, (size_t)n, s.n - (size_t)n);
	}
}

/* --- the signer's process --- */

static void sign_batches(int fd, const char *dir)
{
	static struct ch_signer_tree tree;
	static struct leaves in;
	static uint8_t room[CH_IPC_CERT_MAX];
	struct ch_sign_key key;
	struct ch_msg_checkpoint out;
	bool made;
	ssize_t n;
	need(ch_crypto_openssl_init() == CH_OK && ch_sign_key_make(&key, CH_KEY_ED25519) == CH_OK &&
		     ch_signer_tree_open(&tree, dir, CH_SPAN_LIT("bench.example/log"), &key, &made) == CH_OK,
	     "the signer");
	while ((n = recv(fd, &in, sizeof(in), 0)) > 0) {
		const struct ch_msg_leaves m = {
			.first = in.first, .hashes = ch_span(in.hashes, (size_t)n - offsetof(struct leaves, hashes))
		};
		ch_signer_tree_append(&tree, &out, room, &m);
		need(out.status == 0 && send(fd, out.note.p, out.note.n, 0) == (ssize_t)out.note.n, "checkpoint");
	}
	ch_signer_tree_clear(&tree);
	_exit(0);
}

static void signer_start(struct bench *b, const char *dir)
{
	int fd[2];
	need(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) == 0, "socketpair");
	b->pid = fork();
	need(b->pid >= 0, "fork");
	if (b->pid == 0) {
		(void)close(fd[0]);
		sign_batches(fd[1], dir);
	}
	(void)close(fd[1]);
	b->signer = fd[0];
}

/* The batch that is durable now goes to the signer; the checkpoint of the one before has come. */
static void signer_takes(struct bench *b, size_t size, uint8_t note[static CH_IPC_CERT_MAX], size_t *n)
{
	size_t bytes = offsetof(struct leaves, hashes) + size * CH_MERKLE_HASH;
	*n = 0;
	if (b->asked) {
		ssize_t got = recv(b->signer, note, CH_IPC_CERT_MAX, 0);
		need(got > 0, "checkpoint");
		*n = (size_t)got;
	}
	b->asked = size > 0;
	if (size > 0)
		need(send(b->signer, &b->leaves, bytes, 0) == (ssize_t)bytes, "leaves");
	b->leaves.first += size;
}

static void checkpoint(struct bench *b, struct ch_wr *w)
{
	struct ch_tree_hash root;
	uint8_t sig[CH_SIGN_BYTES];
	uint8_t note[512];
	struct ch_wr text = ch_wr(note, sizeof(note));
	need(ch_frontier_root(&b->tree, &root) == CH_OK, "root");
	ch_checkpoint_put(&text, b->note.name, b->tree.size, &root);
	need(ch_sign_message(&b->key, ch_wr_span(&text), sig) == CH_OK, "sign");
	ch_wr_u8(&text, '\n');
	ch_note_sig_put(&text, &b->note, sig);
	ch_wr_put(w, ch_wr_span(&text));
}

static void batch(struct bench *b, enum kind kind, size_t size)
{
	static uint8_t bytes[BATCH_MAX * CH_LEAF_BYTES + CH_IPC_CERT_MAX];
	static uint8_t note[CH_IPC_CERT_MAX];
	static size_t note_n;
	struct ch_wr w = ch_wr(bytes, sizeof(bytes));
	for (size_t i = 0; i < size; i++) {
		struct ch_leaf leaf = { .type = CH_LEAF_VERDICT, .time = b->n++ };
		size_t at = w.len;
		struct ch_tree_hash hash;
		ch_leaf_put(&w, &leaf);
		if (kind == RAW)
			continue;
		need(ch_merkle_leaf(&hash, ch_span(bytes + at, CH_LEAF_BYTES)) == CH_OK &&
			     ch_frontier_append(&b->tree, &hash) == CH_OK,
		     "append");
		(void)ch_span_copy(b->leaves.hashes + i * CH_MERKLE_HASH, CH_MERKLE_HASH, ch_tree_hash_span(&hash));
	}
	if (kind == LOG)
		checkpoint(b, &w);
	if (kind == SIGNER)
		ch_wr_put(&w, ch_span(note, note_n));
	need(!w.bad, "room");
	write_all(b->fd, ch_wr_span(&w));
	need(fdatasync(b->fd) == 0, "fdatasync");
	if (kind == SIGNER)
		signer_takes(b, size, note, &note_n);
}

/* Entries a second; CPU microseconds an entry in *cpu. */
static double rate(struct bench *b, enum kind kind, size_t size, double *cpu)
{
	double start = now_ms(CLOCK_MONOTONIC), cpu_start = now_ms(CLOCK_PROCESS_CPUTIME_ID), end;
	size_t batches = 0;
	do {
		batch(b, kind, size);
		batches++;
		end = now_ms(CLOCK_MONOTONIC);
	} while (end - start < SLICE_MS || batches < 2);
	if (b->asked) {
		uint8_t note[CH_IPC_CERT_MAX];
		size_t n;
		signer_takes(b, 0, note, &n);
		end = now_ms(CLOCK_MONOTONIC);
	}
	double entries = (double)(batches * size);
	*cpu = (now_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu_start) * 1e3 / entries;
	return entries / (end - start) * 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *v)
{
	qsort(v, ROUNDS, sizeof(*v), by_value);
	return v[ROUNDS / 2];
}

static void measure(struct bench *b, size_t size)
{
	double per_s[KINDS][ROUNDS], ratio[KINDS][ROUNDS], cpu[KINDS][ROUNDS];
	for (size_t r = 0; r < ROUNDS; r++) {
		for (enum kind k = RAW; k < KINDS; k++) {
			per_s[k][r] = rate(b, k, size, &cpu[k][r]);
			ratio[k][r] = per_s[k][r] / per_s[RAW][r];
		}
	}
	printf("batch %4zu: raw %8.0f/s   log %8.0f/s = %.2f of raw (%.2f us CPU an entry more)   with the signer %8.0f/s = %.2f\n",
	       size, median(per_s[RAW]), median(per_s[LOG]), median(ratio[LOG]), median(cpu[LOG]) - median(cpu[RAW]),
	       median(per_s[SIGNER]), median(ratio[SIGNER]));
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = { 10, 100, 1000 };
	static struct bench b;
	char path[512];
	struct ch_pubkey pub;
	(void)snprintf(path, sizeof(path), "%s/log-bench-XXXXXX", argc > 1 ? argv[1] : ".");
	need(mkdtemp(path) != NULL, path);
	b.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	need(b.dir >= 0, path);
	b.fd = openat(b.dir, "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	signer_start(&b, path);
	need(b.fd >= 0 && ch_crypto_openssl_init() == CH_OK && ch_sign_key_make(&b.key, CH_KEY_ED25519) == CH_OK &&
		     ch_sign_key_pub(&b.key, &pub) == CH_OK &&
		     ch_note_key_make(&b.note, CH_SPAN_LIT("bench.example/log"), pub.a) == CH_OK,
	     "setting up");
	for (size_t i = 0; i < CH_COUNT_OF(sizes); i++)
		measure(&b, sizes[i]);
	(void)close(b.signer);
	(void)waitpid(b.pid, NULL, 0);
	(void)close(b.fd);
	(void)unlinkat(b.dir, "log", 0);
	(void)unlinkat(b.dir, CH_SIGNER_TREE_FILE, 0);
	(void)close(b.dir);
	(void)rmdir(path);
	ch_sign_key_clear(&b.key);
	return 0;
}
