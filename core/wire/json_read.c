/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/json.h"

#include "core/base/text.h"

/*
 * One pass over the text. The open arrays and objects are a list through their nodes: `next` of an open one is the node it lies
 * in, so depth costs no memory. Functions of the fast path return a rule's number and leave `off` at the fault; what the rule
 * says is looked up once, at the end. They are inlined into one loop, so that its state can stay in registers.
 */
enum rule {
	RULE_HOLDS,
	RULE_VALUE_DUE, /* no fault: a value must follow */
	RULE_NAME_DUE,  /* no fault: a member must follow */
	RULE_END,
	RULE_VALUE,
	RULE_LITERAL,
	RULE_NUMBER,
	RULE_CONTROL,
	RULE_ESCAPE,
	RULE_SURROGATE,
	RULE_UTF8,
	RULE_NAME,
	RULE_COLON,
	RULE_ARRAY,
	RULE_OBJECT,
	RULE_TRAILING,
	RULE_DEPTH,
	RULE_NODES,
	RULE_BYTES,
};

static const struct {
	enum ch_err err;
	const char *text;
} rules[] = {
	[RULE_HOLDS] = { CH_OK, NULL },
	[RULE_VALUE_DUE] = { CH_ERR_INTERNAL, NULL },
	[RULE_NAME_DUE] = { CH_ERR_INTERNAL, NULL },
	[RULE_END] = { CH_ERR_TRUNCATED, "the text ends before its value does (RFC 8259, 2)" },
	[RULE_VALUE] = { CH_ERR_MALFORMED, "a value must be here (RFC 8259, 3)" },
	[RULE_LITERAL] = { CH_ERR_MALFORMED, "a literal is not true, false or null (RFC 8259, 3)" },
	[RULE_NUMBER] = { CH_ERR_MALFORMED, "a number must have a digit here (RFC 8259, 6)" },
	[RULE_CONTROL] = { CH_ERR_MALFORMED, "a control character in a string is not escaped (RFC 8259, 7)" },
	[RULE_ESCAPE] = { CH_ERR_MALFORMED, "an escape in a string is not one of JSON's (RFC 8259, 7)" },
	[RULE_SURROGATE] = { CH_ERR_ENCODING, "an escaped surrogate in a string is not one of a pair (RFC 8259, 8.2)" },
	[RULE_UTF8] = { CH_ERR_ENCODING, "a string is not UTF-8 (RFC 8259, 8.1; RFC 3629, 4)" },
	[RULE_NAME] = { CH_ERR_MALFORMED, "the name of a member, in quotes, must be here (RFC 8259, 4)" },
	[RULE_COLON] = { CH_ERR_MALFORMED, "the name of a member is not followed by a colon (RFC 8259, 4)" },
	[RULE_ARRAY] = { CH_ERR_MALFORMED, "an element is not followed by a comma or ']' (RFC 8259, 5)" },
	[RULE_OBJECT] = { CH_ERR_MALFORMED, "a member is not followed by a comma or '}' (RFC 8259, 4)" },
	[RULE_TRAILING] = { CH_ERR_TRAILING, "something follows the value of the text (RFC 8259, 2)" },
	[RULE_DEPTH] = { CH_ERR_LIMIT,
			 "arrays and objects are deeper in each other than CH_JSON_DEPTH_MAX (RFC 8259, 9)" },
	[RULE_NODES] = { CH_ERR_NOSPACE, "the text has more values than there is room for" },
	[RULE_BYTES] = { CH_ERR_LIMIT, "the text is longer than CH_JSON_BYTES_MAX (RFC 8259, 9)" },
};

struct parse {
	const uint8_t *p;
	size_t n;
	size_t off;
	struct ch_json_node *node;
	size_t cap;
	size_t count;
	size_t depth;
	uint32_t open; /* the innermost open array or object, if depth is not 0 */
};

static uint32_t hex4(struct ch_span s, size_t off)
{
	uint8_t b[2];
	if (ch_hex_decode(b, sizeof(b), ch_span_sub(s, off, 4)) != CH_OK)
		return UINT32_MAX;
	return (uint32_t)(b[0] << 8 | b[1]);
}

/* Decodes the escape at the start of `s` and returns its length; 0 if it is none. */
static size_t escape_decode(struct ch_span s, uint32_t *code)
{
	static const uint8_t letter[] = { '"', '\\', '/', 'b', 'f', 'n', 'r', 't' };
	static const uint8_t value[] = { '"', '\\', '/', '\b', '\f', '\n', '\r', '\t' };
	if (s.n < 2)
		return 0;
	for (size_t i = 0; i < sizeof(letter); i++) {
		if (s.p[1] == letter[i]) {
			*code = value[i];
			return 2;
		}
	}
	uint32_t c = s.p[1] == 'u' ? hex4(s, 2) : UINT32_MAX;
	if (c > 0xffff || (c >= 0xdc00 && c <= 0xdfff))
		return 0;
	*code = c;
	if (c < 0xd800 || c > 0xdfff)
		return 6;
	uint32_t low = ch_span_eq(ch_span_sub(s, 6, 2), CH_SPAN_LIT("\\u")) ? hex4(s, 8) : 0;
	if (low < 0xdc00 || low > 0xdfff)
		return 0;
	*code = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	return 12;
}

bool ch_json_char(struct ch_rd *raw, uint32_t *code)
{
	*code = 0;
	if (ch_rd_left(raw) == 0)
		return false;
	struct ch_span s = ch_span(raw->in.p + raw->off, raw->in.n - raw->off);
	uint32_t c = 0;
	size_t n = s.p[0] == '\\' ? escape_decode(s, &c) : ch_utf8_decode(s, &c);
	if (n == 0 || s.p[0] < ' ' || s.p[0] == '"') {
		raw->bad = true;
		return false;
	}
	raw->off += n;
	*code = c;
	return true;
}

/* The length of the escape or the UTF-8 sequence at p[at]; 0 if there is none. */
static size_t special_len(const uint8_t *p, size_t at, size_t n)
{
	struct ch_rd r = ch_rd(ch_span(p + at, n - at));
	uint32_t code;
	return ch_json_char(&r, &code) ? r.off : 0;
}

/* Which rule the character at p[at] of a string breaks. */
static enum rule string_rule(const uint8_t *p, size_t at, size_t n)
{
	if (at == n)
		return RULE_END;
	if (p[at] < ' ')
		return RULE_CONTROL;
	if (p[at] != '\\')
		return RULE_UTF8;
	if (n - at >= 2 && p[at + 1] != 'u')
		return RULE_ESCAPE;
	for (size_t i = at + 2; i < at + 6; i++) {
		uint8_t nibble;
		const uint8_t digit[2] = { '0', i < n ? p[i] : '0' };
		if (i >= n)
			return RULE_END;
		if (ch_hex_decode(&nibble, 1, CH_SPAN_OF(digit)) != CH_OK)
			return RULE_ESCAPE;
	}
	return RULE_SURROGATE;
}

#define ONES(byte) (UINT64_C(0x0101010101010101) * (byte))

static inline uint64_t load_le64(const uint8_t *p)
{
	return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
	       (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

/*
 * The first offset from `at` whose byte is not plain: a quote, a backslash, a control, or not ASCII. Eight bytes at a time: a
 * byte's top bit comes out of the subtraction where the byte is below what is subtracted. A borrow can only falsify bytes
 * after (above) the first that is found, and only the first counts.
 */
static inline size_t plain_end(const uint8_t *p, size_t at, size_t n)
{
	while (n - at >= 8) {
		uint64_t w = load_le64(p + at);
		uint64_t quote = (w ^ ONES('"')) - ONES(1);
		uint64_t backslash = (w ^ ONES('\\')) - ONES(1);
		uint64_t found = (quote | backslash | (w - ONES(' ')) | w) & ONES(0x80);
		if (found != 0)
			return at + (size_t)__builtin_ctzll(found) / 8;
		at += 8;
	}
	while (at < n && p[at] >= ' ' && p[at] < 0x80 && p[at] != '"' && p[at] != '\\')
		at++;
	return at;
}

/* Skips white space and returns the byte after it; 0, which begins and ends nothing in JSON, at the end of the text. */
static inline uint8_t next_byte(struct parse *s)
{
	while (s->off < s->n) {
		uint8_t c = s->p[s->off];
		if (c > ' ' || (c != ' ' && c != '\n' && c != '\r' && c != '\t'))
			return c;
		s->off++;
	}
	return 0;
}

/* Adds a node from `from` to `to`. */
static inline enum rule add_node(struct parse *s, enum ch_json_type type, size_t from, size_t to, bool escaped)
{
	if (s->count >= s->cap)
		return RULE_NODES;
	struct ch_json_node *node = &s->node[s->count++];
	node->off = (uint32_t)from;
	node->len = (uint32_t)(to - from);
	node->next = (uint32_t)s->count;
	node->type = (uint8_t)type;
	node->escaped = escaped;
	return RULE_HOLDS;
}

/* A string; its opening quote is at `off`. */
static inline enum rule read_string(struct parse *s)
{
	size_t start = s->off + 1;
	size_t at = plain_end(s->p, start, s->n);
	bool escaped = false;
	while (at >= s->n || s->p[at] != '"') {
		size_t len = at < s->n ? special_len(s->p, at, s->n) : 0;
		if (len == 0) {
			s->off = at;
			return string_rule(s->p, at, s->n);
		}
		escaped = escaped || s->p[at] == '\\';
		at = plain_end(s->p, at + len, s->n);
	}
	s->off = at + 1;
	return add_node(s, CH_JSON_STRING, start, at, escaped);
}

static inline bool digit_at(const struct parse *s, size_t at)
{
	return at < s->n && (uint8_t)(s->p[at] - '0') <= 9;
}

/* Moves `off` past digits; false if there is none. */
static inline bool digits(struct parse *s)
{
	if (!digit_at(s, s->off))
		return false;
	do
		s->off++;
	while (digit_at(s, s->off));
	return true;
}

static inline enum rule read_number(struct parse *s)
{
	size_t start = s->off;
	s->off += s->p[start] == '-';
	if (s->off < s->n && s->p[s->off] == '0')
		s->off++;
	else if (!digits(s))
		return RULE_NUMBER;
	if (s->off < s->n && s->p[s->off] == '.') {
		s->off++;
		if (!digits(s))
			return RULE_NUMBER;
	}
	if (s->off < s->n && (s->p[s->off] == 'e' || s->p[s->off] == 'E')) {
		s->off++;
		if (s->off < s->n && (s->p[s->off] == '+' || s->p[s->off] == '-'))
			s->off++;
		if (!digits(s))
			return RULE_NUMBER;
	}
	return add_node(s, CH_JSON_NUMBER, start, s->off, false);
}

static inline enum rule read_literal(struct parse *s, enum ch_json_type type, struct ch_span word)
{
	size_t start = s->off;
	for (size_t i = 0; i < word.n; i++, s->off++) {
		if (s->off == s->n || s->p[s->off] != word.p[i])
			return RULE_LITERAL;
	}
	return add_node(s, type, start, s->off, false);
}

/* The innermost array or object ends with the byte at `off`. */
static inline void close_level(struct parse *s)
{
	struct ch_json_node *node = &s->node[s->open];
	s->off++;
	s->open = node->next;
	s->depth--;
	node->next = (uint32_t)s->count;
	node->len = (uint32_t)s->off - node->off;
}

/* An array or object begins with the byte at `off`. */
static inline enum rule open_level(struct parse *s, bool object)
{
	if (s->depth == CH_JSON_DEPTH_MAX)
		return RULE_DEPTH;
	enum rule r = add_node(s, object ? CH_JSON_OBJECT : CH_JSON_ARRAY, s->off, s->off + 1, false);
	if (r != RULE_HOLDS)
		return r;
	s->node[s->count - 1].next = s->open;
	s->open = (uint32_t)(s->count - 1);
	s->depth++;
	s->off++;
	if (next_byte(s) == (object ? '}' : ']')) {
		close_level(s);
		return RULE_HOLDS;
	}
	return object ? RULE_NAME_DUE : RULE_VALUE_DUE;
}

static inline enum rule read_name(struct parse *s)
{
	if (next_byte(s) != '"')
		return RULE_NAME;
	enum rule r = read_string(s);
	if (r != RULE_HOLDS)
		return r;
	if (next_byte(s) != ':')
		return RULE_COLON;
	s->off++;
	return RULE_HOLDS;
}

static inline enum rule read_value(struct parse *s)
{
	uint8_t c = next_byte(s);
	switch (c) {
	case '"':
		return read_string(s);
	case '{':
	case '[':
		return open_level(s, c == '{');
	case 't':
		return read_literal(s, CH_JSON_TRUE, CH_SPAN_LIT("true"));
	case 'f':
		return read_literal(s, CH_JSON_FALSE, CH_SPAN_LIT("false"));
	case 'n':
		return read_literal(s, CH_JSON_NULL, CH_SPAN_LIT("null"));
	default:
		return c == '-' || (c >= '0' && c <= '9') ? read_number(s) : RULE_VALUE;
	}
}

/* After a value: closes what ends here, up to a comma or the end of the text. */
static inline enum rule after_value(struct parse *s)
{
	while (s->depth > 0) {
		bool object = s->node[s->open].type == CH_JSON_OBJECT;
		uint8_t c = next_byte(s);
		if (c == ',') {
			s->off++;
			return object ? RULE_NAME_DUE : RULE_VALUE_DUE;
		}
		if (c != (object ? '}' : ']'))
			return object ? RULE_OBJECT : RULE_ARRAY;
		close_level(s);
	}
	(void)next_byte(s);
	return s->off == s->n ? RULE_HOLDS : RULE_TRAILING;
}

/* Every turn takes at least one byte, so CH_JSON_BYTES_MAX bounds it. */
static enum rule read_text(struct parse *s)
{
	enum rule r = RULE_VALUE_DUE;
	while (r == RULE_VALUE_DUE || r == RULE_NAME_DUE) {
		if (r == RULE_NAME_DUE) {
			r = read_name(s);
			if (r != RULE_HOLDS)
				return r;
		}
		r = read_value(s);
		if (r == RULE_HOLDS)
			r = after_value(s);
	}
	return r;
}

/* The same fault has another name where the text ends, or could not be whole with as many values in so few bytes. */
static enum rule rule_at_end(const struct parse *s, enum rule r)
{
	if (r == RULE_NODES && s->cap >= ch_json_nodes_max(s->n))
		return RULE_END;
	return s->off == s->n && rules[r].err == CH_ERR_MALFORMED ? RULE_END : r;
}

enum ch_err ch_json_parse(struct ch_json *j, struct ch_span in, struct ch_json_node *node, size_t cap,
			  struct ch_diag *d)
{
	*j = (struct ch_json){ .in = CH_SPAN_EMPTY };
	ch_diag_clear(d);
	if (in.n > CH_JSON_BYTES_MAX)
		return ch_fail(d, rules[RULE_BYTES].err, CH_JSON_BYTES_MAX, rules[RULE_BYTES].text);
	struct parse s = { .p = in.p, .n = in.n, .node = node, .cap = cap };
	enum rule r = read_text(&s);
	if (r != RULE_HOLDS) {
		r = rule_at_end(&s, r);
		return ch_fail(d, rules[r].err, r == RULE_END ? in.n : s.off, rules[r].text);
	}
	*j = (struct ch_json){ .in = in, .node = node, .count = s.count };
	return CH_OK;
}
