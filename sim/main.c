/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/wr.h"
#include "core/boot/pcr.h"
#include "core/boot/tcg_log.h"
#include "host/base/file.h"
#include "sim/device.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define USAGE                                                                                            \
	"usage: chainhold-sim root FOLDER\n"                                                             \
	"       chainhold-sim run --maker FOLDER --ca FILE --server HOST:PORT --log FILE [OPTION…]\n"  \
	"       chainhold-sim logs --log FILE --out FOLDER\n\n"                                          \
	"A fleet of simulated devices, each with its own AK, certificate, log and TLS connections.\n"    \
	"'root' makes the made-up TPM manufacturer; put its root.pem into the server's ek_roots.\n"      \
	"'logs' writes the event logs that the devices boot with, so that a class can endorse them.\n\n" \
	"  --devices N    how many (100)\n"                                                              \
	"  --seconds S    how long they poll and attest after they have enrolled (10)\n"                 \
	"  --poll S       seconds between two polls of a device (60)\n"                                  \
	"  --attest S     seconds between two attestations of a device (600)\n"                          \
	"  --life WORD    keep, resume or new: what a device does with its connection (resume)\n"        \
	"  --workers N    threads (16)\n"                                                                \
	"  --update       take what they are offered, and boot it\n"                                     \
	"  --mistake      the same, but what boots is something else\n"                                  \
	"  --forgive      go on when the server is away, and say at the end what was acknowledged\n"     \
	"  --acknowledged FILE  a line for each verdict that was answered: device, nonce, chain\n"

#define BOOTS      20
#define NEXT_EVENT "simulated release" /* what a boot shows more after an update */
#define MISTAKE    "simulated mistake" /* what it shows instead with --mistake */

struct options {
	const char *maker, *ca, *server, *log, *out, *acknowledged;
	unsigned devices, seconds, poll, attest, workers;
	enum sim_life life;
	bool forgive, update, mistake;
};

struct kind {
	const char *name;
	unsigned *ms; /* of each that was answered */
	size_t count, cap, failed;
};

static struct {
	struct options o;
	struct sim_maker maker;
	struct sim_server server;
	struct sim_boot boot[BOOTS], updated[BOOTS]; /* before and after an update */
	struct sim_device *device;
	uint64_t *next_poll, *next_attest; /* of each device; milliseconds */
	pthread_mutex_t lock;
	unsigned next; /* device to look at next */
	uint64_t start, end;
	struct kind enrol, attest, poll, update;
	FILE *acknowledged;
	char failure[256];
} sim = { .lock = PTHREAD_MUTEX_INITIALIZER,
	  .enrol = { .name = "enrol" },
	  .attest = { .name = "attest" },
	  .poll = { .name = "poll" },
	  .update = { .name = "update" } };

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static uint64_t now_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void note(struct kind *k, bool ok, uint64_t us, const struct sim_device *d)
{
	(void)pthread_mutex_lock(&sim.lock);
	if (!ok) {
		k->failed++;
		(void)snprintf(sim.failure, sizeof(sim.failure), "%s", d->why.text);
	} else {
		if (k->count == k->cap) {
			k->cap = k->cap * 2 + 1024;
			k->ms = ch_realloc(k->ms, k->cap, sizeof(*k->ms));
		}
		k->ms[k->count++] = (unsigned)us;
		if (k == &sim.attest && sim.acknowledged != NULL) {
			fprintf(sim.acknowledged, "%u %s %s\n", d->number, d->nonce, d->chain);
			(void)fflush(sim.acknowledged);
		}
	}
	(void)pthread_mutex_unlock(&sim.lock);
}

/* --- boots --- */

/*
 * The recorded log with one more event of its own, an EV_IPL of PCR 12: TCG_PCR_EVENT2 (PFP 1.06, 10.2.2) with the digest of
 * its data.
 */
static bool make_boot(struct sim_boot *b, struct ch_span log, const char *text)
{
	static struct ch_tcg_log parsed;
	static struct ch_pcrs pcrs;
	struct ch_digest d;
	uint8_t record[128];
	size_t n = strlen(text);
	if (ch_hash_once(CH_HASH_SHA256, ch_span(text, n), &d) != CH_OK)
		return false;
	struct ch_wr w = ch_wr(record, sizeof(record));
	ch_wr_le32(&w, 12);
	ch_wr_le32(&w, 0x0d);
	ch_wr_le32(&w, 1);
	ch_wr_le16(&w, 0x000b);
	ch_wr_put(&w, ch_digest_span(&d));
	ch_wr_le32(&w, (uint32_t)n);
	ch_wr_put(&w, ch_span(text, n));
	ch_buf_append(&b->log, log);
	ch_buf_append(&b->log, ch_wr_span(&w));
	if (ch_tcg_log_parse(&parsed, ch_buf_span(&b->log), NULL) != CH_OK)
		return false;
	ch_tcg_replay(&parsed, &pcrs);
	const struct ch_pcr_bank *bank = ch_pcrs_find(&pcrs, CH_HASH_SHA256);
	struct ch_hash h;
	if (bank == NULL || ch_hash_init(&h, CH_HASH_SHA256) != CH_OK)
		return false;
	for (uint32_t i = 0; i < 15; i++)
		ch_hash_update(&h, ch_pcr_value(bank, i));
	ch_hash_final(&h, &d);
	(void)ch_span_copy(b->digest, 32, ch_digest_span(&d));
	return true;
}

static bool make_boots(void)
{
	CH_AUTO_BUF struct ch_buf log = { 0 };
	if (ch_file_read(&log, sim.o.log) != CH_OK) {
		fprintf(stderr, "%s: cannot be read\n", sim.o.log);
		return false;
	}
	for (unsigned i = 0; i < BOOTS; i++) {
		char text[64];
		(void)snprintf(text, sizeof(text), "simulated boot %u", i);
		if (!make_boot(&sim.boot[i], ch_buf_span(&log), text) ||
		    !make_boot(&sim.updated[i], ch_buf_span(&sim.boot[i].log), sim.o.mistake ? MISTAKE : NEXT_EVENT)) {
			fprintf(stderr, "%s: not a crypto-agile log with a SHA-256 bank\n", sim.o.log);
			return false;
		}
	}
	return true;
}

static int write_logs(void)
{
	if (!make_boots())
		return 1;
	for (unsigned i = 0; i < BOOTS; i++) {
		char path[4096];
		(void)snprintf(path, sizeof(path), "%s/boot-%u", sim.o.out, i);
		FILE *f = fopen(path, "w");
		if (f == NULL || fwrite(sim.boot[i].log.p, 1, sim.boot[i].log.n, f) != sim.boot[i].log.n ||
		    fclose(f) != 0) {
			fprintf(stderr, "%s: cannot be written\n", path);
			return 1;
		}
	}
	return 0;
}

/* --- the fleet --- */

static void enrol(struct sim_device *d)
{
	(void)pthread_mutex_lock(&sim.lock);
	bool done = d->certificate.n > 0;
	(void)pthread_mutex_unlock(&sim.lock);
	while (!done && !stopped) {
		uint64_t from = now_us();
		done = sim_device_enrol(d, &sim.maker);
		note(&sim.enrol, done, now_us() - from, d);
		if (!done && !sim.o.forgive)
			return;
		if (!done)
			usleep(100000);
	}
}

static void *enrol_some(void *unused)
{
	(void)unused;
	for (;;) {
		(void)pthread_mutex_lock(&sim.lock);
		unsigned i = sim.next++;
		(void)pthread_mutex_unlock(&sim.lock);
		if (i >= sim.o.devices || stopped)
			return NULL;
		enrol(&sim.device[i]);
	}
}

static void act(struct sim_device *d, uint64_t *due, unsigned period, struct kind *k,
		bool (*what)(struct sim_device *d))
{
	uint64_t from = now_us();
	bool ok = what(d);
	note(k, ok, now_us() - from, d);
	*due += (uint64_t)period * 1000000;
	if (!ok)
		usleep(sim.o.forgive ? 50000 : 0);
}

/* What it then runs, it shows at once: as an agent does after a restart. */
static void update(struct sim_device *d, uint64_t *next_attest)
{
	uint64_t from = now_us();
	const struct sim_boot *next = &sim.updated[d->number % BOOTS];
	bool ok = sim_device_update(d, next), updated = ok && d->boot == next;
	if (!ok || updated)
		note(&sim.update, ok, now_us() - from, d);
	if (updated)
		*next_attest = now_us();
}

/* Worker n has the devices n, n + workers, …: a device is one thread's, like its connection. */
static void *live_some(void *number)
{
	unsigned first = (unsigned)(uintptr_t)number;
	while (!stopped && now_us() < sim.end) {
		uint64_t soonest = sim.end;
		for (unsigned i = first; i < sim.o.devices && !stopped && now_us() < sim.end; i += sim.o.workers) {
			struct sim_device *d = &sim.device[i];
			if (d->certificate.n == 0)
				continue;
			if (sim.next_attest[i] <= now_us())
				act(d, &sim.next_attest[i], sim.o.attest, &sim.attest, sim_device_attest);
			if (sim.next_poll[i] <= now_us())
				act(d, &sim.next_poll[i], sim.o.poll, &sim.poll, sim_device_poll);
			if (sim.o.update && d->wanted)
				update(d, &sim.next_attest[i]);
			uint64_t due = sim.next_attest[i] < sim.next_poll[i] ? sim.next_attest[i] : sim.next_poll[i];
			soonest = due < soonest ? due : soonest;
		}
		uint64_t now = now_us();
		if (soonest > now)
			usleep((useconds_t)(soonest - now > 20000 ? 20000 : soonest - now));
	}
	return NULL;
}

static void run_workers(void *(*what)(void *))
{
	pthread_t *t = ch_calloc(sim.o.workers, sizeof(*t));
	for (unsigned i = 0; i < sim.o.workers; i++)
		(void)pthread_create(&t[i], NULL, what, (void *)(uintptr_t)i);
	for (unsigned i = 0; i < sim.o.workers; i++)
		(void)pthread_join(t[i], NULL);
	ch_free(t);
}

static int compare(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
	return x < y ? -1 : x > y;
}

static void print(struct kind *k, bool last)
{
	unsigned p50 = 0, p99 = 0;
	if (k->count > 0) {
		qsort(k->ms, k->count, sizeof(*k->ms), compare);
		p50 = k->ms[k->count / 2];
		p99 = k->ms[k->count * 99 / 100];
	}
	printf("\"%s\":{\"answered\":%zu,\"failed\":%zu,\"p50_us\":%u,\"p99_us\":%u}%s", k->name, k->count, k->failed,
	       p50, p99, last ? "" : ",");
}

static int run(void)
{
	size_t n = strlen(sim.o.server) + 1;
	char *host = ch_calloc(n, 1);
	(void)ch_span_copy(host, n, ch_span_str(sim.o.server));
	char *colon = strrchr(host, ':');
	CH_AUTO_BUF struct ch_buf ca = { 0 };
	if (colon == NULL || ch_file_read(&ca, sim.o.ca) != CH_OK || !make_boots() ||
	    !sim_maker_open(&sim.maker, sim.o.maker)) {
		fputs("--server HOST:PORT, --ca FILE, --log FILE and --maker FOLDER must be right\n", stderr);
		ch_free(host);
		return 2;
	}
	*colon = '\0';
	sim.server = (struct sim_server){ .host = host, .port = colon + 1, .ca_pem = ch_buf_span(&ca) };
	if (sim.o.acknowledged != NULL)
		sim.acknowledged = fopen(sim.o.acknowledged, "w");
	sim.device = ch_calloc(sim.o.devices, sizeof(*sim.device));
	sim.next_poll = ch_calloc(sim.o.devices, sizeof(uint64_t));
	sim.next_attest = ch_calloc(sim.o.devices, sizeof(uint64_t));
	for (unsigned i = 0; i < sim.o.devices; i++)
		sim_device_init(&sim.device[i], i, &sim.server, &sim.boot[i % BOOTS], sim.o.life);
	assert(sim.next_poll != NULL && sim.next_attest != NULL);
	run_workers(enrol_some);
	fprintf(stderr, "enrolled %zu\n", sim.enrol.count);
	sim.start = now_us();
	sim.end = sim.start + (uint64_t)sim.o.seconds * 1000000;
	for (unsigned i = 0; i < sim.o.devices; i++) {
		/* Spread over a period, as devices are that were not switched on together. */
		sim.next_poll[i] = sim.start + (uint64_t)sim.o.poll * 1000000 * i / sim.o.devices;
		sim.next_attest[i] =
			sim.start + (uint64_t)sim.o.attest * 1000000 * ((i * 7919u) % sim.o.devices) / sim.o.devices;
	}
	run_workers(live_some);
	printf("{\"devices\":%u,\"seconds\":%.1f,", sim.o.devices, (double)(now_us() - sim.start) / 1e6);
	print(&sim.enrol, false);
	print(&sim.attest, false);
	print(&sim.poll, false);
	print(&sim.update, true);
	printf("}\n");
	size_t failed = sim.enrol.failed + sim.attest.failed + sim.poll.failed + sim.update.failed;
	if (failed > 0)
		fprintf(stderr, "%zu failed; the last: %s\n", failed, sim.failure);
	for (unsigned i = 0; i < sim.o.devices; i++)
		sim_device_clear(&sim.device[i]);
	if (sim.acknowledged != NULL)
		(void)fclose(sim.acknowledged);
	sim_maker_close(&sim.maker);
	ch_free(host);
	return failed == 0 || sim.o.forgive ? 0 : 1;
}

static bool read_life(const char *word)
{
	static const char *const name[] = { "keep", "resume", "new" };
	for (unsigned i = 0; i < CH_COUNT_OF(name); i++) {
		if (strcmp(word, name[i]) == 0) {
			sim.o.life = (enum sim_life)i;
			return true;
		}
	}
	return false;
}

static bool read_flag(const char *word)
{
	bool mistake = strcmp(word, "--mistake") == 0, update = mistake || strcmp(word, "--update") == 0;
	bool forgive = strcmp(word, "--forgive") == 0;
	sim.o.mistake = sim.o.mistake || mistake;
	sim.o.update = sim.o.update || update;
	sim.o.forgive = sim.o.forgive || forgive;
	return update || forgive;
}

static bool read_options(int argc, char **argv)
{
	const struct {
		const char *name;
		const char **text;
		unsigned *number;
	} row[] = {
		{ "--maker", &sim.o.maker, NULL },     { "--ca", &sim.o.ca, NULL },
		{ "--server", &sim.o.server, NULL },   { "--log", &sim.o.log, NULL },
		{ "--out", &sim.o.out, NULL },         { "--acknowledged", &sim.o.acknowledged, NULL },
		{ "--devices", NULL, &sim.o.devices }, { "--seconds", NULL, &sim.o.seconds },
		{ "--poll", NULL, &sim.o.poll },       { "--attest", NULL, &sim.o.attest },
		{ "--workers", NULL, &sim.o.workers },
	};
	for (int i = 2; i < argc; i++) {
		size_t r = 0;
		if (read_flag(argv[i]))
			continue;
		if (i + 1 == argc)
			return false;
		if (strcmp(argv[i], "--life") == 0) {
			if (!read_life(argv[++i]))
				return false;
			continue;
		}
		while (r < CH_COUNT_OF(row) && strcmp(argv[i], row[r].name) != 0)
			r++;
		if (r == CH_COUNT_OF(row))
			return false;
		i++;
		if (row[r].text != NULL)
			*row[r].text = argv[i];
		else
			*row[r].number = (unsigned)strtoul(argv[i], NULL, 10);
	}
	return sim.o.devices > 0 && sim.o.workers > 0;
}

int main(int argc, char **argv)
{
	sim.o = (struct options){
		.devices = 100, .seconds = 10, .poll = 60, .attest = 600, .workers = 16, .life = SIM_RESUME
	};
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGTERM, stop);
	(void)signal(SIGINT, stop);
	if (argc == 3 && strcmp(argv[1], "root") == 0) {
		bool ok = sim_maker_open(&sim.maker, argv[2]);
		sim_maker_close(&sim.maker);
		return ok ? 0 : 1;
	}
	bool known = argc > 2 && read_options(argc, argv);
	if (known && strcmp(argv[1], "run") == 0 && sim.o.maker != NULL && sim.o.ca != NULL && sim.o.server != NULL &&
	    sim.o.log != NULL)
		return run();
	if (known && strcmp(argv[1], "logs") == 0 && sim.o.log != NULL && sim.o.out != NULL)
		return write_logs();
	fputs(USAGE, argc == 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
	return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
}
