/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ipc/routes.h"

#define CH_ROUTE_ROW(name, listener, method, pattern, caller, body, process) \
	{ CH_LISTENER_##listener, method, pattern, caller, body, CH_ROLE_##process },
const struct ch_route ch_routes[] = { CH_ROUTES(CH_ROUTE_ROW) };
#undef CH_ROUTE_ROW

_Static_assert(CH_COUNT_OF(ch_routes) == CH_ROUTE_COUNT, "a row a route");

enum ch_route_number ch_route_est(unsigned route)
{
	static const uint8_t first[] = { CH_ROUTE_EST_CACERTS, CH_ROUTE_EST_CSRATTRS, CH_ROUTE_EST_ENROL,
					 CH_ROUTE_EST_REENROL };
	for (size_t i = 0; i < CH_COUNT_OF(first); i++) {
		if (route >= first[i] && route < first[i] + 3u)
			return (enum ch_route_number)first[i];
	}
	return CH_ROUTE_COUNT;
}

bool ch_route_ddi(unsigned route)
{
	return route >= CH_ROUTE_DDI_POLL && route <= CH_ROUTE_DDI_CONFIG;
}

/* Takes "/segment" off the front; false at the end. */
static bool next_segment(struct ch_span *rest, struct ch_span *segment)
{
	if (rest->n == 0 || rest->p[0] != '/')
		return false;
	size_t n = 1;
	while (n < rest->n && rest->p[n] != '/')
		n++;
	*segment = ch_span(rest->p + 1, n - 1);
	*rest = ch_span(rest->p + n, rest->n - n);
	return true;
}

/* Not empty, and without percent-encoding: what a wild card stands for needs no decoding by anybody. */
static bool unreserved(struct ch_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
		if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '_' && c != '~')
			return false;
	}
	return s.n > 0;
}

static bool all_unreserved(struct ch_span rest)
{
	struct ch_span segment;
	bool some = false;
	while (next_segment(&rest, &segment)) {
		if (!unreserved(segment))
			return false;
		some = true;
	}
	return some && rest.n == 0;
}

/* Walks pattern and path together; the wild card number `nth` goes to `*param`. */
static bool match(const char *pattern, struct ch_span path, unsigned nth, struct ch_span *param)
{
	struct ch_span p = ch_span_str(pattern);
	struct ch_span want, have;
	while (next_segment(&p, &want)) {
		struct ch_span rest = path;
		if (!next_segment(&path, &have))
			return false;
		bool raw = ch_span_eq(want, CH_SPAN_LIT("***"));
		bool tail = raw || ch_span_eq(want, CH_SPAN_LIT("**"));
		bool wild = tail || ch_span_eq(want, CH_SPAN_LIT("*"));
		if (!wild && !ch_span_eq(want, have))
			return false;
		if (wild && !raw && !(tail ? all_unreserved(rest) : unreserved(have)))
			return false;
		if (wild && nth-- == 0)
			*param = tail ? ch_span(rest.p + 1, rest.n - 1) : have;
		if (tail)
			return true;
	}
	return path.n == 0;
}

enum ch_err ch_route_find(enum ch_listener listener, struct ch_span method, struct ch_span path,
			  enum ch_route_number *route)
{
	enum ch_err err = CH_ERR_NOTFOUND;
	struct ch_span ignored = CH_SPAN_EMPTY;
	*route = CH_ROUTE_COUNT;
	for (size_t i = 0; i < CH_ROUTE_COUNT; i++) {
		const struct ch_route *r = &ch_routes[i];
		if (r->listener != listener || !match(r->pattern, path, 0, &ignored))
			continue;
		bool head = ch_span_eq(method, CH_SPAN_LIT("HEAD")) && r->method[0] == 'G';
		if (head || ch_span_eq(method, ch_span_str(r->method))) {
			*route = (enum ch_route_number)i;
			return CH_OK;
		}
		err = CH_ERR_MISMATCH;
	}
	return err;
}

bool ch_route_opaque(enum ch_route_number route)
{
	struct ch_span pattern =
		(unsigned)route < CH_ROUTE_COUNT ? ch_span_str(ch_routes[route].pattern) : CH_SPAN_EMPTY;
	return pattern.n > 3 && ch_span_eq(ch_span_sub(pattern, pattern.n - 3, 3), CH_SPAN_LIT("***"));
}

const char *ch_route_body_type(enum ch_route_number route)
{
	static const struct {
		uint16_t route;
		const char *type;
	} other[] = {
		{ CH_ROUTE_OCSP, "application/ocsp-request" },
		{ CH_ROUTE_ARTIFACT_PUT, "application/octet-stream" },
	};
	if (ch_route_est(route) != CH_ROUTE_COUNT)
		return "application/pkcs10";
	for (size_t i = 0; i < CH_COUNT_OF(other); i++) {
		if (other[i].route == (uint16_t)route)
			return other[i].type;
	}
	return "application/json";
}

struct ch_span ch_route_param(enum ch_route_number route, struct ch_span path, unsigned nth)
{
	struct ch_span param = CH_SPAN_EMPTY;
	if ((unsigned)route < CH_ROUTE_COUNT && match(ch_routes[route].pattern, path, nth, &param))
		return param;
	return CH_SPAN_EMPTY;
}
