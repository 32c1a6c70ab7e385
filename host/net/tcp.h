/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_NET_TCP_H
#define CH_NET_TCP_H

#include "host/net/tls_client.h"

/* TCP of a client: non-blocking descriptors, waited for with deadlines. Times are milliseconds of ch_tcp_now. */

uint64_t ch_tcp_now(void);
/* Writes the line of `why` (which may be NULL). Returns `err`. */
enum ch_err ch_net_say(struct ch_net_why *why, enum ch_err err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Waits until `fd` is ready for `events` (poll.h) or until the deadline. CH_ERR_IO when time is up.
 */
CH_MUST_USE enum ch_err ch_tcp_wait(int fd, short events, uint64_t deadline);
/*
 * Tries the addresses of a name in order until one connects. CH_ERR_NOTFOUND (no address), CH_ERR_IO. `*fd` is non-blocking,
 * close-on-exec, without Nagle's delay, with keep-alive, and the caller's.
 */
CH_MUST_USE enum ch_err ch_tcp_connect(int *fd, const char *host, const char *port, uint64_t deadline,
				       struct ch_net_why *why);
/* Asks the proxy at the other end of `fd` for a tunnel (RFC 9110, 9.3.6) and reads its answer, not a byte more. CH_ERR_IO. */
CH_MUST_USE enum ch_err ch_tcp_tunnel(int fd, const char *host, const char *port, uint64_t deadline,
				      struct ch_net_why *why);

#endif
