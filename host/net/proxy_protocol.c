/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/proxy_protocol.h"

#include "core/base/rd.h"

#include <arpa/inet.h>

/* Section 2.2: twelve bytes that no other protocol begins with. */
static const uint8_t signature[12] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a };
#define V2_HEAD     16
#define V1_SHORTEST 15 /* "PROXY UNKNOWN\r\n" */

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

size_t ch_proxy_need(struct ch_span in)
{
	if (in.n < V1_SHORTEST)
		return V1_SHORTEST - in.n;
	if (!ch_span_starts(in, CH_SPAN_OF(signature)))
		return (in.p[in.n - 1] == '\n' || in.n >= CH_PROXY_V1_MAX) ? 0 : 1;
	if (in.n < V2_HEAD)
		return V2_HEAD - in.n;
	size_t whole = V2_HEAD + (size_t)(in.p[14] << 8 | in.p[15]);
	return whole <= CH_PROXY_V2_MAX && in.n < whole ? whole - in.n : 0;
}

static void put_v4(uint8_t address[static 16], struct ch_span four)
{
	(void)ch_span_copy(address, 12, CH_SPAN_OF(mapped));
	(void)ch_span_copy(address + 12, 4, four);
}

enum ch_err ch_address_parse(uint8_t address[static 16], struct ch_span text)
{
	char z[INET6_ADDRSTRLEN + 1] = { 0 };
	uint8_t four[4];
	if (text.n == 0 || text.n >= sizeof(z))
		return CH_ERR_MALFORMED;
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == 0)
			return CH_ERR_MALFORMED;
	(void)ch_span_copy(z, sizeof(z) - 1, text);
	if (inet_pton(AF_INET, z, four) == 1) {
		put_v4(address, CH_SPAN_OF(four));
		return CH_OK;
	}
	return inet_pton(AF_INET6, z, address) == 1 ? CH_OK : CH_ERR_MALFORMED;
}

/* Decimal digits without a leading zero, at most `max`. */
static enum ch_err number(struct ch_span s, unsigned max, unsigned *n)
{
	*n = 0;
	if (s.n == 0 || s.n > 5 || (s.n > 1 && s.p[0] == '0'))
		return CH_ERR_MALFORMED;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return CH_ERR_MALFORMED;
		*n = *n * 10 + (unsigned)(s.p[i] - '0');
	}
	return *n <= max ? CH_OK : CH_ERR_MALFORMED;
}

/* Up to the next space, which is taken too, or to the end. */
static struct ch_span word(struct ch_rd *r)
{
	size_t n = 0;
	while (n < ch_rd_left(r) && r->in.p[r->off + n] != ' ')
		n++;
	struct ch_span s = ch_rd_take(r, n);
	if (ch_rd_left(r) > 0)
		(void)ch_rd_take(r, 1);
	return s;
}

/* "PROXY" SP ( "TCP4" | "TCP6" ) SP source SP destination SP source port SP destination port CRLF (2.1). */
static enum ch_err parse_v1(struct ch_proxy *p, struct ch_span in, struct ch_diag *d)
{
	static const char *const rule =
		"a line of version 1: PROXY, TCP4 or TCP6, two addresses, two ports, CRLF (2.1)";
	uint8_t to[16];
	unsigned port, to_port;
	if (in.n > CH_PROXY_V1_MAX || in.n < V1_SHORTEST || in.p[in.n - 2] != '\r' || in.p[in.n - 1] != '\n')
		return ch_fail(d, in.n < V1_SHORTEST ? CH_ERR_TRUNCATED : CH_ERR_MALFORMED, 0, rule);
	struct ch_rd r = ch_rd(ch_span(in.p, in.n - 2));
	if (!ch_span_eq(word(&r), CH_SPAN_LIT("PROXY")))
		return ch_fail(d, CH_ERR_MALFORMED, 0, rule);
	struct ch_span family = word(&r);
	if (ch_span_eq(family, CH_SPAN_LIT("UNKNOWN")))
		return CH_OK; /* whatever follows is to be ignored */
	bool four = ch_span_eq(family, CH_SPAN_LIT("TCP4"));
	if (!four && !ch_span_eq(family, CH_SPAN_LIT("TCP6")))
		return ch_fail(d, CH_ERR_UNSUPPORTED, 6, "only TCP4 and TCP6 are proxied (2.1)");
	struct ch_span from_text = word(&r);
	struct ch_span to_text = word(&r);
	if (ch_address_parse(p->address, from_text) != CH_OK || ch_address_parse(to, to_text) != CH_OK ||
	    four != ch_span_starts(CH_SPAN_OF(p->address), CH_SPAN_OF(mapped)) ||
	    number(word(&r), 65535, &port) != CH_OK || number(word(&r), 65535, &to_port) != CH_OK || !ch_rd_done(&r) ||
	    in.p[in.n - 3] == ' ')
		return ch_fail(d, CH_ERR_MALFORMED, r.off, rule);
	p->port = (uint16_t)port;
	p->known = true;
	return CH_OK;
}

static enum ch_err parse_v2(struct ch_proxy *p, struct ch_span in, struct ch_diag *d)
{
	struct ch_rd r = ch_rd(in);
	(void)ch_rd_take(&r, sizeof(signature));
	uint8_t command = ch_rd_u8(&r);
	uint8_t family = ch_rd_u8(&r);
	size_t n = ch_rd_be16(&r);
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, in.n, "a header of version 2 has 16 bytes (2.2)");
	if (V2_HEAD + n > CH_PROXY_V2_MAX)
		return ch_fail(d, CH_ERR_LIMIT, 14, "a header of version 2 is too long");
	if (command != 0x20 && command != 0x21)
		return ch_fail(d, CH_ERR_MALFORMED, 12, "version 2, command LOCAL or PROXY (2.2)");
	struct ch_rd body = ch_rd(ch_rd_take(&r, n));
	if (!ch_rd_done(&r))
		return ch_fail(d, r.bad ? CH_ERR_TRUNCATED : CH_ERR_TRAILING, r.off,
			       "a header is as long as it says (2.2)");
	if (command == 0x20)
		return CH_OK;
	if (family != 0x11 && family != 0x21)
		return ch_fail(d, CH_ERR_UNSUPPORTED, 13, "only TCP over IPv4 and IPv6 is proxied (2.2)");
	size_t size = family == 0x11 ? 4 : 16;
	struct ch_span from = ch_rd_take(&body, size);
	(void)ch_rd_take(&body, size);
	uint16_t port = ch_rd_be16(&body);
	(void)ch_rd_be16(&body);
	if (body.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, V2_HEAD, "the addresses are not all there (2.2)");
	/* TLVs may follow: nothing in them is needed. */
	if (size == 4)
		put_v4(p->address, from);
	else
		(void)ch_span_copy(p->address, 16, from);
	p->port = port;
	p->known = true;
	return CH_OK;
}

enum ch_err ch_proxy_parse(struct ch_proxy *p, struct ch_span in, struct ch_diag *d)
{
	ch_diag_clear(d);
	*p = (struct ch_proxy){ 0 };
	bool two = ch_span_starts(in, CH_SPAN_OF(signature));
	enum ch_err err = two ? parse_v2(p, in, d) : parse_v1(p, in, d);
	if (err != CH_OK)
		*p = (struct ch_proxy){ 0 };
	return err;
}

enum ch_err ch_prefix_parse(struct ch_prefix *p, struct ch_span text)
{
	struct ch_prefix out = { .bits = 128 };
	size_t slash = 0;
	unsigned bits;
	while (slash < text.n && text.p[slash] != '/')
		slash++;
	*p = (struct ch_prefix){ 0 };
	enum ch_err err = ch_address_parse(out.address, ch_span(text.p, slash));
	if (err == CH_OK && slash < text.n) {
		bool four = ch_span_starts(CH_SPAN_OF(out.address), CH_SPAN_OF(mapped));
		err = number(ch_span(text.p + slash + 1, text.n - slash - 1), four ? 32 : 128, &bits);
		out.bits = (uint8_t)(bits + (four ? 96 : 0));
	}
	if (err == CH_OK)
		*p = out;
	return err;
}

bool ch_prefix_has(const struct ch_prefix *p, const uint8_t address[static 16])
{
	for (unsigned i = 0; i < p->bits; i++)
		if (((p->address[i / 8] ^ address[i / 8]) >> (7 - i % 8) & 1) != 0)
			return false;
	return true;
}
