/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/client.h"

#include "core/base/text.h"

#include <assert.h>
#include <string.h>

#define CELL_MAX 512

void op_ago_put(struct ch_wr *w, uint64_t seconds, uint64_t now)
{
	static const struct {
		uint64_t seconds;
		const char *unit;
	} row[] = { { 86400, " d" }, { 3600, " h" }, { 60, " min" }, { 1, " s" } };
	if (seconds == 0) {
		ch_wr_str(w, "-");
		return;
	}
	uint64_t apart = seconds > now ? seconds - now : now - seconds;
	size_t i = 0;
	while (i + 1 < CH_COUNT_OF(row) && apart < 2 * row[i].seconds)
		i++;
	ch_wr_str(w, seconds > now ? "in " : "");
	ch_wr_dec(w, apart / row[i].seconds);
	ch_wr_str(w, row[i].unit);
	ch_wr_str(w, seconds > now ? "" : " ago");
}

enum cli_mark op_mark(const char *word)
{
	static const struct {
		const char *word;
		enum cli_mark mark;
	} row[] = {
		{ "affirming", CLI_GOOD },      { "trusted", CLI_GOOD },       { "warning", CLI_WARN },
		{ "contraindicated", CLI_BAD }, { "quarantined", CLI_BAD },    { "revoked", CLI_BAD },
		{ "decommissioned", CLI_DIM },  { "none", CLI_DIM },           { "enrolled", CLI_WARN },
		{ "waiting", CLI_WARN },        { "pre-authorised", CLI_DIM }, { "deny", CLI_BAD },
		{ "running", CLI_GOOD },        { "finished", CLI_GOOD },      { "paused", CLI_WARN },
		{ "halted", CLI_BAD },          { "aborted", CLI_DIM },        { "planned", CLI_DIM },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		if (strcmp(row[i].word, word) == 0)
			return row[i].mark;
	}
	return CLI_PLAIN;
}

/* Characters, as a terminal counts most of them. */
static size_t width_of(struct ch_span s)
{
	size_t n = 0;
	uint32_t code;
	for (size_t off = 0, len; off < s.n; off += len != 0 ? len : 1) {
		len = ch_utf8_decode(ch_span_sub(s, off, s.n - off), &code);
		n++;
	}
	return n;
}

void op_cell(struct op_table *t, const char *text)
{
	uint8_t room[CELL_MAX];
	struct ch_wr w = ch_wr(room, sizeof(room) - 1);
	/* Reasons come escaped already: backslashes stay, all else that a terminal would obey does not. */
	cli_put_escaped(&w, ch_span_str(text));
	if (w.len == 0)
		ch_wr_str(&w, "-");
	assert(t->columns > 0);
	size_t column = t->rows % t->columns;
	size_t width = width_of(ch_span(room, w.len));
	if (width > t->width[column])
		t->width[column] = width;
	room[w.len] = '\0';
	ch_buf_append(&t->cells, ch_span(room, w.len + 1));
	t->rows++;
}

static void pad(struct ch_wr *w, size_t have, size_t want)
{
	for (; have < want; have++)
		ch_wr_u8(w, ' ');
}

void op_table_end(struct op_table *t, struct ch_wr *w)
{
	assert(t->columns > 0);
	for (size_t i = 0; i < t->columns; i++) {
		size_t n = strlen(t->head[i]);
		if (n > t->width[i])
			t->width[i] = n;
		cli_put(w, CLI_HEAD, t->head[i]);
		pad(w, n, i + 1 < t->columns ? t->width[i] + 2 : 0);
	}
	ch_wr_str(w, "\n");
	const char *cell = (const char *)t->cells.p;
	for (size_t i = 0; i < t->rows; i++) {
		size_t column = i % t->columns;
		bool last = column + 1 == t->columns;
		cli_put(w, op_mark(cell), cell);
		pad(w, width_of(ch_span_str(cell)), last ? 0 : t->width[column] + 2);
		ch_wr_str(w, last ? "\n" : "");
		cell += strlen(cell) + 1;
	}
	ch_buf_free(&t->cells);
}
