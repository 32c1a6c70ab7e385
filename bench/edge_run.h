/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_BENCH_EDGE_RUN_H
#define CH_BENCH_EDGE_RUN_H

#include "server/ipc/child.h"
#include "server/ipc/routes.h"

#include <sys/types.h>

/* A real chainhold-edge for a benchmark, started as main starts it; main and the keeper are played by the benchmark. */
struct edge_run {
	pid_t pid;
	uint16_t port[CH_LISTENER_COUNT]; /* on 127.0.0.1 */
	struct ch_chan control, keeper;
};

/* Ends the benchmark with what could not be had. */
void edge_need(bool ok, const char *what);
/* A listening socket of 127.0.0.1. */
int edge_listen(uint16_t *port);
void edge_put_pem(struct ch_wr *w, const char *key, const char *pem);
/* Waits until it is ready. `view` is a fleet view (server/ipc/view.h). */
void edge_start(struct edge_run *e, const char *binary, struct ch_span config, int view);
void edge_stop(struct edge_run *e);

/* Microseconds of CPU that the scheduler gave the process. */
double edge_cpu_us(pid_t pid);
/* The same once they stand still: the process may still be at what follows an answer. */
double edge_settled_us(pid_t pid);
/* Sorts them. */
double edge_median(double *v, size_t n);

#endif
