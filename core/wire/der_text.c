/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/der.h"

#include "core/base/text.h"

/* --- object identifiers --- */

static void component_put(struct ch_wr *w, uint64_t v, bool fits, bool first)
{
	if (!fits) {
		ch_wr_str(w, first ? "2.?" : ".?");
		return;
	}
	if (!first) {
		ch_wr_u8(w, '.');
		ch_wr_dec(w, v);
		return;
	}
	/* The first two components share one number (X.690, 8.19.4). */
	uint64_t arc = v < 80 ? v / 40 : 2;
	ch_wr_dec(w, arc);
	ch_wr_u8(w, '.');
	ch_wr_dec(w, v - 40 * arc);
}

void ch_oid_put(struct ch_wr *w, struct ch_span oid)
{
	uint64_t v = 0;
	bool fits = true;
	bool first = true;
	for (size_t i = 0; i < oid.n; i++) {
		fits = fits && v <= UINT64_MAX >> 7;
		v = v << 7 | (oid.p[i] & 0x7fu);
		if (oid.p[i] >= 0x80)
			continue;
		component_put(w, v, fits, first);
		first = false;
		fits = true;
		v = 0;
	}
}

/* --- strings --- */

static size_t unit_of(uint8_t tag)
{
	return tag == CH_DER_BMP_STRING ? 2 : tag == CH_DER_UNIVERSAL_STRING ? 4 : 1;
}

static uint32_t unit_take(struct ch_rd *r, size_t unit)
{
	return unit == 4 ? ch_rd_be32(r) : unit == 2 ? ch_rd_be16(r) : ch_rd_u8(r);
}

bool ch_der_string_valid(uint8_t tag, struct ch_span s)
{
	if (tag == CH_DER_UTF8_STRING)
		return ch_utf8_valid(s);
	size_t unit = unit_of(tag);
	uint32_t max = unit > 1 || tag == CH_DER_T61_STRING ? 0x10ffff : 0x7f;
	struct ch_rd r = ch_rd(s);
	while (ch_rd_left(&r) >= unit) {
		uint32_t c = unit_take(&r, unit);
		if (c > max || (c >= 0xd800 && c <= 0xdfff))
			return false;
	}
	return ch_rd_done(&r);
}

void ch_der_string_put(struct ch_wr *w, uint8_t tag, struct ch_span s)
{
	struct ch_rd r = ch_rd(s);
	size_t unit = unit_of(tag);
	switch (tag) {
	case CH_DER_UTF8_STRING:
	case CH_DER_NUMERIC_STRING:
	case CH_DER_PRINTABLE_STRING:
	case CH_DER_IA5_STRING:
	case CH_DER_VISIBLE_STRING:
		ch_wr_put(w, s);
		break;
	case CH_DER_T61_STRING: /* in practice Latin-1 */
	case CH_DER_BMP_STRING:
	case CH_DER_UNIVERSAL_STRING:
		while (ch_rd_left(&r) >= unit)
			ch_utf8_put(w, unit_take(&r, unit));
		break;
	default:
		break;
	}
}

/* --- time --- */

#define DAY 86400

/* Days from 1970-01-01 to the first of a month, Gregorian; years counted from March so that leap days come last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month > 2 ? year : year - 1;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t in_era = y - era * 400;
	int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static int64_t days_in(int64_t year, int64_t month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* Two digits; -1 if they are not. */
static int64_t two(struct ch_rd *r)
{
	uint8_t a = (uint8_t)(ch_rd_u8(r) - '0');
	uint8_t b = (uint8_t)(ch_rd_u8(r) - '0');
	return a <= 9 && b <= 9 && !r->bad ? a * 10 + b : -1;
}

static bool separator(struct ch_rd *r, char c)
{
	return c == '\0' || ch_rd_u8(r) == (uint8_t)c;
}

/* What follows the year: month, day, time and Z, with separators or, where `sep` holds NULs, without. */
static bool rest_of_time(struct ch_rd *r, int64_t year, const char sep[static 5], int64_t *seconds)
{
	int64_t part[5];
	bool ok = true;
	for (size_t i = 0; i < 5; i++) {
		ok = ok && separator(r, sep[i]);
		part[i] = two(r);
	}
	ok = ok && ch_rd_u8(r) == 'Z' && ch_rd_done(r) && year >= 0;
	ok = ok && part[0] >= 1 && part[0] <= 12 && part[1] >= 1 && part[1] <= days_in(year, part[0]);
	ok = ok && part[2] >= 0 && part[2] <= 23 && part[3] >= 0 && part[3] <= 59 && part[4] >= 0 && part[4] <= 59;
	if (ok)
		*seconds = days_of(year, part[0], part[1]) * DAY + part[2] * 3600 + part[3] * 60 + part[4];
	return ok;
}

static int64_t four(struct ch_rd *r)
{
	int64_t hi = two(r);
	int64_t lo = two(r);
	return hi >= 0 && lo >= 0 ? hi * 100 + lo : -1;
}

int64_t ch_der_time(struct ch_der_rd *d, const char *rule)
{
	static const char plain[5] = { 0 };
	uint8_t tag = ch_der_peek(d);
	struct ch_span s = ch_der_take(d, tag == CH_DER_GENERAL_TIME ? tag : CH_DER_UTC_TIME, rule).body;
	if (!ch_der_ok(d))
		return 0;
	struct ch_rd r = ch_rd(s);
	int64_t seconds = 0;
	int64_t year = tag == CH_DER_GENERAL_TIME ? four(&r) : two(&r);
	if (tag == CH_DER_UTC_TIME && year >= 0)
		year += year < 50 ? 2000 : 1900;
	ch_der_require(d, rest_of_time(&r, year, plain, &seconds), CH_ERR_ENCODING,
		       "a time that is not YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ, or does not exist (RFC 5280, 4.1.2.5)");
	return seconds;
}

enum ch_err ch_time_parse(int64_t *seconds, struct ch_span text)
{
	static const char rfc3339[5] = { '-', '-', 'T', ':', ':' };
	struct ch_rd r = ch_rd(text);
	*seconds = 0;
	return rest_of_time(&r, four(&r), rfc3339, seconds) ? CH_OK : CH_ERR_MALFORMED;
}

static void two_put(struct ch_wr *w, int64_t v, char before)
{
	if (before != '\0')
		ch_wr_u8(w, (uint8_t)before);
	ch_wr_u8(w, (uint8_t)('0' + v / 10));
	ch_wr_u8(w, (uint8_t)('0' + v % 10));
}

void ch_time_put(struct ch_wr *w, int64_t seconds)
{
	/* The 400 years that a calendar repeats in are counted from 0000-03-01. */
	int64_t first = days_of(0, 1, 1) * DAY;
	if (seconds < first || seconds >= days_of(10000, 1, 1) * DAY) {
		ch_wr_u8(w, '?');
		return;
	}
	int64_t day = (seconds - first) / DAY;
	int64_t left = (seconds - first) % DAY;
	int64_t year = day * 400 / 146097; /* by the mean length: at most one too many, which is taken back */
	if (year > 0)
		year--;
	while (days_of(year + 1, 1, 1) * DAY <= seconds)
		year++;
	day -= days_of(year, 1, 1) - days_of(0, 1, 1);
	int64_t month = 1;
	while (day >= days_in(year, month)) {
		day -= days_in(year, month);
		month++;
	}
	two_put(w, year / 100, '\0');
	two_put(w, year % 100, '\0');
	two_put(w, month, '-');
	two_put(w, day + 1, '-');
	two_put(w, left / 3600, 'T');
	two_put(w, left / 60 % 60, ':');
	two_put(w, left % 60, ':');
	ch_wr_u8(w, 'Z');
}
