/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/http1.h"

#include <stdio.h>

static const struct {
	unsigned status;
	const char *reason;
} reasons[] = {
	{ 100, "Continue" },
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 206, "Partial Content" },
	{ 304, "Not Modified" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 415, "Unsupported Media Type" },
	{ 416, "Range Not Satisfiable" },
	{ 417, "Expectation Failed" },
	{ 422, "Unprocessable Content" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
	{ 507, "Insufficient Storage" },
};

const char *ch_http_reason(unsigned status)
{
	for (size_t i = 0; i < CH_COUNT_OF(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "";
}

/* Text without controls: nobody's value can end a line. */
static void put_text(struct ch_wr *w, struct ch_span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] == 0x7f)
			w->bad = true;
	ch_wr_put(w, s);
}

void ch_http_put_request_line(struct ch_wr *w, const char *method, const char *target)
{
	/* A space would end the target. */
	for (const char *p = target; *p != '\0'; p++)
		if (*p == ' ')
			w->bad = true;
	put_text(w, ch_span_str(method));
	ch_wr_u8(w, ' ');
	put_text(w, ch_span_str(target));
	ch_wr_str(w, " HTTP/1.1\r\n");
}

void ch_http_put_status(struct ch_wr *w, unsigned status)
{
	ch_wr_str(w, "HTTP/1.1 ");
	ch_wr_dec(w, status);
	ch_wr_u8(w, ' ');
	ch_wr_str(w, ch_http_reason(status));
	ch_wr_str(w, "\r\n");
}

void ch_http_put_field(struct ch_wr *w, const char *name, struct ch_span value)
{
	ch_wr_str(w, name);
	ch_wr_str(w, ": ");
	put_text(w, value);
	ch_wr_str(w, "\r\n");
}

void ch_http_put_length(struct ch_wr *w, uint64_t n)
{
	ch_wr_str(w, "Content-Length: ");
	ch_wr_dec(w, n);
	ch_wr_str(w, "\r\n");
}

void ch_http_put_end(struct ch_wr *w)
{
	ch_wr_str(w, "\r\n");
}

void ch_http_put_chunk(struct ch_wr *w, uint64_t n)
{
	static const char digits[] = "0123456789abcdef";
	int shift = 60;
	while (shift > 0 && (n >> shift & 0xf) == 0)
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		ch_wr_u8(w, (uint8_t)digits[n >> shift & 0xf]);
	ch_wr_str(w, "\r\n");
}

void ch_http_date(char to[static CH_HTTP_DATE], uint64_t unix_time)
{
	/*
	 * By own arithmetic: strftime takes names from a locale, and gmtime opens the file of the time zone, which ends a confined
	 * process. Days are counted from 1 March of the year 0, so that the leap day is the last of its year.
	 */
	static const char *const day[] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
	static const char *const month[] = { "Mar", "Apr", "May", "Jun", "Jul", "Aug",
					     "Sep", "Oct", "Nov", "Dec", "Jan", "Feb" };
	uint64_t t = unix_time <= 253402300799 ? unix_time : 253402300799; /* the end of the year 9999 */
	uint64_t days = t / 86400 + 719468;
	uint64_t era = days / 146097;
	uint64_t of_era = days % 146097;
	uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	uint64_t m = (5 * of_year + 2) / 153;
	char text[64];
	(void)snprintf(text, sizeof(text), "%s, %02u %s %04u %02u:%02u:%02u GMT", day[t / 86400 % 7],
		       (unsigned)(of_year - (153 * m + 2) / 5 + 1), month[m], (unsigned)(year + era * 400 + (m >= 10)),
		       (unsigned)(t / 3600 % 24), (unsigned)(t / 60 % 60), (unsigned)(t % 60));
	struct ch_wr w = ch_wr(to, CH_HTTP_DATE);
	ch_wr_put(&w, ch_span_sub(ch_span_str(text), 0, CH_HTTP_DATE - 1));
	ch_wr_u8(&w, 0);
}
