/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_NET_PROXY_PROTOCOL_H
#define CH_NET_PROXY_PROTOCOL_H

#include "core/base/err.h"
#include "core/base/span.h"

/*
 * The PROXY protocol, versions 1 and 2 (HAProxy, proxy-protocol.txt): the lines by which a load balancer tells who really connected.
 * Pure. Only ever read from a balancer that the configuration lists.
 */
#define CH_PROXY_V1_MAX 107 /* the longest line of version 1 with its CRLF (2.1) */
#define CH_PROXY_V2_MAX 536 /* header of version 2 with addresses and TLVs that we take */

struct ch_proxy {
	bool known;          /* false: LOCAL or UNKNOWN, the connection is the balancer's own */
	uint8_t address[16]; /* IPv6, or IPv4 mapped into it (RFC 4291, 2.5.5.2) */
	uint16_t port;
};

/*
 * How many more bytes surely belong to the header that begins with `in`; 0 when it is whole. Never reads past it, so that what
 * follows stays in the socket.
 */
size_t ch_proxy_need(struct ch_span in);
/*
 * Parses a whole header. CH_ERR_MALFORMED, CH_ERR_LIMIT (version 2, too long), CH_ERR_UNSUPPORTED (UDP, Unix sockets),
 * CH_ERR_TRUNCATED, CH_ERR_TRAILING.
 */
CH_MUST_USE enum ch_err ch_proxy_parse(struct ch_proxy *p, struct ch_span in, struct ch_diag *d);

/* An address as text (IPv4, or IPv6) into the 16 bytes above. CH_ERR_MALFORMED. */
CH_MUST_USE enum ch_err ch_address_parse(uint8_t address[static 16], struct ch_span text);
/* An address, or prefix "address/bits". */
struct ch_prefix {
	uint8_t address[16];
	uint8_t bits; /* of the 128 */
};
CH_MUST_USE enum ch_err ch_prefix_parse(struct ch_prefix *p, struct ch_span text);
bool ch_prefix_has(const struct ch_prefix *p, const uint8_t address[static 16]);

#endif
