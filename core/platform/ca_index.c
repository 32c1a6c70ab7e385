/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/ca_index.h"

#include "core/base/text.h"

#define FIELDS 6

enum field { FIELD_STATE, FIELD_EXPIRES, FIELD_REVOKED, FIELD_SERIAL, FIELD_FILE, FIELD_SUBJECT };

/* Words of openssl ca(1), which are not quite those of RFC 5280; the last three carry an argument that says more than a list keeps. */
static const struct {
	const char *word;
	enum ch_crl_reason reason;
	bool argument;
} reasons[] = {
	{ "unspecified", CH_CRL_UNSPECIFIED, false },    { "keyCompromise", CH_CRL_KEY_COMPROMISE, false },
	{ "CACompromise", CH_CRL_CA_COMPROMISE, false }, { "affiliationChanged", CH_CRL_AFFILIATION_CHANGED, false },
	{ "superseded", CH_CRL_SUPERSEDED, false },      { "cessationOfOperation", CH_CRL_CESSATION, false },
	{ "certificateHold", CH_CRL_HOLD, false },       { "removeFromCRL", CH_CRL_REMOVE, false },
	{ "holdInstruction", CH_CRL_HOLD, true },        { "keyTime", CH_CRL_KEY_COMPROMISE, true },
	{ "CAkeyTime", CH_CRL_CA_COMPROMISE, true },
};

struct line {
	struct ch_span field[FIELDS];
	size_t off[FIELDS]; /* of each in the input */
	size_t at;          /* of the field that is being read */
	enum ch_err err;
	const char *rule;
};

static void require(struct line *l, bool holds, enum ch_err err, const char *rule)
{
	if (holds || l->err != CH_OK)
		return;
	l->err = err;
	l->rule = rule;
}

static bool split(struct line *l, struct ch_span text, size_t off)
{
	size_t n = 0, from = 0;
	for (size_t i = 0; i <= text.n; i++) {
		if (i < text.n && text.p[i] != '\t')
			continue;
		if (n == FIELDS)
			return false;
		l->field[n] = ch_span_sub(text, from, i - from);
		l->off[n++] = off + from;
		from = i + 1;
	}
	return n == FIELDS;
}

/* "YYMMDDHHMMSSZ" or "YYYYMMDDHHMMSSZ": the contents of UTCTime and GeneralizedTime (X.690). */
static int64_t time_of(struct line *l, struct ch_span text, const char *rule)
{
	uint8_t der[2 + 15];
	struct ch_wr w = ch_wr(der, sizeof(der));
	require(l, text.n == 13 || text.n == 15, CH_ERR_MALFORMED, rule);
	if (l->err != CH_OK)
		return 0;
	ch_wr_u8(&w, text.n == 13 ? CH_DER_UTC_TIME : CH_DER_GENERAL_TIME);
	ch_wr_u8(&w, (uint8_t)text.n);
	ch_wr_put(&w, text);
	struct ch_der_rd d = ch_der_rd(ch_wr_span(&w), 0);
	int64_t seconds = ch_der_time(&d, rule);
	require(l, ch_der_end(&d, NULL, rule) == CH_OK, CH_ERR_RANGE, rule);
	return l->err == CH_OK ? seconds : 0;
}

static void read_reason(struct line *l, struct ch_ca_index_row *row, struct ch_span text)
{
	size_t comma = 0;
	while (comma < text.n && text.p[comma] != ',')
		comma++;
	for (size_t i = 0; i < CH_COUNT_OF(reasons); i++) {
		if (!ch_span_eq(ch_span_sub(text, 0, comma), ch_span_str(reasons[i].word)))
			continue;
		require(l, (comma < text.n) == reasons[i].argument, CH_ERR_MALFORMED,
			"the argument of a reason of revocation is missing, or too much");
		require(l, reasons[i].reason != CH_CRL_REMOVE, CH_ERR_UNSUPPORTED,
			"removeFromCRL is of deltas (RFC 5280, 5.3.1)");
		row->reason = (uint8_t)reasons[i].reason;
		return;
	}
	require(l, false, CH_ERR_MALFORMED, "no reason of revocation (openssl ca, -crl_reason)");
}

/* "TIME[,REASON[,ARGUMENT]]" */
static void read_revoked(struct line *l, struct ch_ca_index_row *row)
{
	struct ch_span text = l->field[FIELD_REVOKED];
	size_t comma = 0;
	while (comma < text.n && text.p[comma] != ',')
		comma++;
	row->time = time_of(l, ch_span_sub(text, 0, comma), "the time of revocation is none");
	row->reason = CH_CRL_UNSPECIFIED;
	if (comma < text.n)
		read_reason(l, row, ch_span_sub(text, comma + 1, text.n - comma - 1));
}

static void read_serial(struct line *l, struct ch_ca_index_row *row)
{
	uint8_t number[sizeof(row->serial.b)] = { 0 };
	struct ch_span text = l->field[FIELD_SERIAL];
	size_t n = text.n / 2;
	bool hex = text.n > 0 && text.n % 2 == 0 && n <= sizeof(number) && ch_hex_decode(number, n, text) == CH_OK;
	require(l, hex && ch_serial_make(&row->serial, ch_span(number, n)), CH_ERR_RANGE,
		"the serial number is not 1 to 20 bytes in hexadecimal, or is zero");
}

static void read_row(struct line *l, struct ch_ca_index_row *row)
{
	struct ch_span state = l->field[FIELD_STATE];
	l->at = l->off[FIELD_STATE];
	require(l, state.n == 1 && (state.p[0] == 'V' || state.p[0] == 'R' || state.p[0] == 'E'), CH_ERR_MALFORMED,
		"the state is not V, R or E");
	row->revoked = l->err == CH_OK && state.p[0] == 'R';
	if (l->err == CH_OK)
		l->at = l->off[FIELD_EXPIRES];
	row->expires = time_of(l, l->field[FIELD_EXPIRES], "the time of expiry is none");
	if (l->err == CH_OK)
		l->at = l->off[FIELD_REVOKED];
	if (row->revoked)
		read_revoked(l, row);
	else
		require(l, l->field[FIELD_REVOKED].n == 0, CH_ERR_MALFORMED,
			"a time of revocation of what is not revoked");
	if (l->err == CH_OK)
		l->at = l->off[FIELD_SERIAL];
	read_serial(l, row);
	row->subject = l->field[FIELD_SUBJECT];
}

enum ch_err ch_ca_index_next(struct ch_ca_index_rd *r, struct ch_ca_index_row *row, bool *end, struct ch_diag *d)
{
	struct line l = { .at = r->off };
	size_t n = 0;
	ch_diag_clear(d);
	*row = (struct ch_ca_index_row){ 0 };
	*end = r->off >= r->in.n;
	if (*end)
		return CH_OK;
	struct ch_span left = ch_span_sub(r->in, r->off, r->in.n - r->off);
	while (n < left.n && left.p[n] != '\n')
		n++;
	struct ch_ca_index_row read = { .line = ++r->line };
	require(&l, n < left.n, CH_ERR_TRUNCATED, "the last line does not end");
	require(&l, r->line <= CH_CRL_ENTRIES_MAX, CH_ERR_LIMIT, "more than CH_CRL_ENTRIES_MAX lines");
	require(&l, split(&l, ch_span_sub(left, 0, n), r->off), CH_ERR_MALFORMED,
		"a line does not have six fields between tabs");
	if (l.err == CH_OK)
		read_row(&l, &read);
	if (l.err != CH_OK) {
		if (d != NULL)
			d->item = r->line;
		return ch_fail(d, l.err, l.at, l.rule);
	}
	r->off += n + 1;
	*row = read;
	return CH_OK;
}
