/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transparency log against what it cannot do without: appending the same bytes to a file and fdatasync. In turn, in every
 * round, for batches of 10, 100 and 1,000 entries:
 *   raw      entries appended, one fdatasync a batch
 *   log      the same, and each entry hashed into the tree, the batch's checkpoint signed (Ed25519) and appended before the sync
 *   signer   as log, and the frontier made durable as the signer does it (file, fsync, rename, fsync of the directory)
 * Wall time, because durability is waiting; medians of the ratios of the rounds, and CPU of the log's own part.
 *
 * usage: log_bench [DIRECTORY]   on the disk that is to be measured (the current one)
 */
#include "core/trust/checkpoint.h"
#include "core/trust/leaf.h"
#include "host/crypto_openssl/backend.h"
#include "host/crypto_openssl/sign.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS    11
#define BATCH_MAX 1000
#define SLICE_MS  60.0 /* of one measurement: at least this long, at least two batches */

enum kind { RAW, LOG, SIGNER, KINDS };

struct bench {
	int dir, fd;
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

/* As server/signer/tree.c keeps what it signed. */
static void keep(struct bench *b)
{
	uint8_t bytes[CH_FRONTIER_BYTES_MAX + 32];
	struct ch_digest digest;
	struct ch_wr w = ch_wr(bytes, sizeof(bytes));
	ch_frontier_put(&w, &b->tree);
	need(ch_hash_once(CH_HASH_SHA256, ch_wr_span(&w), &digest) == CH_OK, "hash");
	ch_wr_put(&w, ch_digest_span(&digest));
	int fd = openat(b->dir, "tree.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	need(fd >= 0, "tree.new");
	write_all(fd, ch_wr_span(&w));
	need(fsync(fd) == 0 && close(fd) == 0 && renameat(b->dir, "tree.new", b->dir, "tree") == 0 &&
		     fsync(b->dir) == 0,
	     "keeping the tree");
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
	static uint8_t bytes[BATCH_MAX * CH_LEAF_BYTES + 1024];
	struct ch_wr w = ch_wr(bytes, sizeof(bytes));
	for (size_t i = 0; i < size; i++) {
		struct ch_leaf leaf = { .type = CH_LEAF_VERDICT, .time = b->n++ };
		size_t at = w.len;
		struct ch_tree_hash hash;
		ch_leaf_put(&w, &leaf);
		if (kind != RAW)
			need(ch_merkle_leaf(&hash, ch_span(bytes + at, CH_LEAF_BYTES)) == CH_OK &&
				     ch_frontier_append(&b->tree, &hash) == CH_OK,
			     "append");
	}
	if (kind == SIGNER)
		keep(b);
	if (kind != RAW)
		checkpoint(b, &w);
	need(!w.bad, "room");
	write_all(b->fd, ch_wr_span(&w));
	need(fdatasync(b->fd) == 0, "fdatasync");
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
	printf("batch %4zu: raw %8.0f/s   log %8.0f/s = %.2f of raw (%.2f us CPU an entry more)   as the signer keeps it %8.0f/s = %.2f\n",
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
	need(b.fd >= 0 && ch_crypto_openssl_init() == CH_OK && ch_sign_key_make(&b.key, CH_KEY_ED25519) == CH_OK &&
		     ch_sign_key_pub(&b.key, &pub) == CH_OK &&
		     ch_note_key_make(&b.note, CH_SPAN_LIT("bench.example/log"), pub.a) == CH_OK,
	     "setting up");
	for (size_t i = 0; i < CH_COUNT_OF(sizes); i++)
		measure(&b, sizes[i]);
	(void)close(b.fd);
	(void)unlinkat(b.dir, "log", 0);
	(void)unlinkat(b.dir, "tree", 0);
	(void)close(b.dir);
	(void)rmdir(path);
	ch_sign_key_clear(&b.key);
	return 0;
}
