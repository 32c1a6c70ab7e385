/* SPDX-License-Identifier: Apache-2.0 */
#include "host/pkcs11/uri.h"

#include "core/base/text.h"

#include <string.h>

enum place { PATH, QUERY };
enum kind { TEXT, BYTES, DIGITS, VERSION };

static const struct row {
	const char *name;
	enum place place;
	size_t max;
	enum kind kind;
} table[] = {
#define ROW(attr, text, place, max, kind) { text, place, max, kind },
	CH_P11_ATTRS(ROW)
#undef ROW
};

static const char scheme[] = "pkcs11:";

static bool is_unreserved(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
	       c == '_' || c == '~';
}

/* What stands for itself in a value (RFC 7512, 2.3: pk11-pchar, pk11-qchar). */
static bool is_plain(uint8_t c, enum place place)
{
	return is_unreserved(c) || (c != '\0' && strchr(":[]@!$'()*+,=", c) != NULL) ||
	       (place == PATH ? c == '&' : c == '/' || c == '?' || c == '|');
}

static bool is_of_kind(struct ch_span value, enum kind kind)
{
	struct ch_span left = value;
	uint32_t code = 0;
	while (kind != BYTES && left.n > 0) {
		size_t n = ch_utf8_decode(left, &code);
		bool digit = code >= '0' && code <= '9';
		if (n == 0 || !ch_text_shown(code) || (kind == DIGITS && !digit) ||
		    (kind == VERSION && !digit && code != '.'))
			return false;
		left = ch_span(left.p + n, left.n - n);
	}
	return true;
}

/* Appends the value of an attribute, decoded. What it is wrong in, or NULL. */
static enum ch_err decode(struct ch_wr *w, struct ch_rd *value, enum place place, size_t max, const char **rule)
{
	size_t start = w->len;
	while (ch_rd_left(value) > 0) {
		uint8_t c = ch_rd_u8(value);
		*rule = "a character that must be percent-encoded (RFC 7512, 2.3)";
		if (c == '%') {
			*rule = "no two hexadecimal digits after % (RFC 3986, 2.1)";
			if (ch_hex_decode(&c, 1, ch_rd_take(value, 2)) != CH_OK)
				return CH_ERR_ENCODING;
		} else if (!is_plain(c, place)) {
			return CH_ERR_ENCODING;
		}
		*rule = "the value is longer than its field in PKCS #11";
		if (w->len - start == max)
			return CH_ERR_RANGE;
		ch_wr_u8(w, c);
	}
	return CH_OK;
}

static size_t row_of(struct ch_span name, enum place place)
{
	size_t i = 0;
	while (i < CH_COUNT_OF(table) && (table[i].place != place || !ch_span_eq(ch_span_str(table[i].name), name)))
		i++;
	return i;
}

static enum ch_err name_fault(struct ch_span name, const char **rule)
{
	if (ch_span_eq(name, CH_SPAN_LIT("pin-value"))) {
		*rule = "a PIN does not belong in a name, which is shown and logged: use pin-source=file:/PATH, or be asked";
		return CH_ERR_UNSUPPORTED;
	}
	if (ch_span_eq(name, CH_SPAN_LIT("module-name"))) {
		*rule = "name the module's file: module-path=/PATH";
		return CH_ERR_UNSUPPORTED;
	}
	*rule = "no attribute of this name is known (path attributes go before ?, pin-source and module-path after it)";
	return CH_ERR_UNKNOWN;
}

/* One "name=value". */
static enum ch_err take_attr(struct ch_p11_uri *u, struct ch_wr *w, struct ch_span text, enum place place, size_t *off,
			     const char **rule)
{
	size_t n = 0;
	while (n < text.n && text.p[n] != '=')
		n++;
	*rule = "an attribute is NAME=VALUE";
	if (n == text.n)
		return CH_ERR_MALFORMED;
	size_t i = row_of(ch_span_sub(text, 0, n), place);
	if (i == CH_COUNT_OF(table))
		return name_fault(ch_span_sub(text, 0, n), rule);
	*rule = "an attribute comes twice";
	if (u->attr[i].p != NULL)
		return CH_ERR_DUPLICATE;
	struct ch_rd value = ch_rd(ch_span_sub(text, n + 1, text.n - n - 1));
	size_t start = w->len;
	enum ch_err err = decode(w, &value, place, table[i].max, rule);
	struct ch_span got = ch_span(u->text + start, w->len - start);
	if (err == CH_OK && !is_of_kind(got, table[i].kind)) {
		*rule = "the value is not what this attribute is made of";
		err = CH_ERR_ENCODING;
	}
	*off = err == CH_OK ? 0 : n + 1 + value.off;
	ch_wr_u8(w, '\0');
	*rule = w->bad ? "the values are too long together" : *rule;
	u->attr[i] = got;
	return err == CH_OK && w->bad ? CH_ERR_LIMIT : err;
}

static enum ch_err take_all(struct ch_p11_uri *u, struct ch_span in, struct ch_diag *d)
{
	struct ch_wr w = ch_wr(u->text, sizeof(u->text));
	enum place place = PATH;
	size_t at = sizeof(scheme) - 1;
	/* Nothing after the scheme, or after the question mark, is no attribute (RFC 7512, 2.3). */
	while (at < in.n) {
		size_t n = at, off = 0;
		const char *rule = NULL;
		while (n < in.n && (place == PATH ? in.p[n] != ';' && in.p[n] != '?' : in.p[n] != '&'))
			n++;
		bool to_query = n < in.n && in.p[n] == '?' && place == PATH;
		if (n > at || !to_query || at > sizeof(scheme) - 1) {
			enum ch_err err = take_attr(u, &w, ch_span_sub(in, at, n - at), place, &off, &rule);
			if (err != CH_OK)
				return ch_fail(d, err, at + off, rule);
		}
		at = n + 1;
		if (to_query)
			place = QUERY;
		else if (at == in.n)
			return ch_fail(d, CH_ERR_MALFORMED, n, "an attribute is NAME=VALUE");
	}
	return CH_OK;
}

bool ch_p11_uri_is(struct ch_span text)
{
	size_t n = sizeof(scheme) - 1;
	for (size_t i = 0; i < n; i++) {
		if (i >= text.n || (text.p[i] | 0x20) != (scheme[i] | 0x20))
			return false;
	}
	return true;
}

enum ch_err ch_p11_uri_parse(struct ch_p11_uri *u, struct ch_span in, struct ch_diag *d)
{
	static const char *const types[] = { "private", "public", "cert", "secret-key", "data" };
	*u = (struct ch_p11_uri){ 0 };
	ch_diag_clear(d);
	if (in.n > CH_P11_URI_MAX)
		return ch_fail(d, CH_ERR_LIMIT, CH_P11_URI_MAX, "the URI is too long");
	if (!ch_p11_uri_is(in))
		return ch_fail(d, CH_ERR_MALFORMED, 0, "the URI does not start with pkcs11: (RFC 7512)");
	enum ch_err err = take_all(u, in, d);
	bool known = u->attr[CH_P11_TYPE].p == NULL;
	for (size_t i = 0; i < CH_COUNT_OF(types); i++)
		known = known || ch_span_eq(u->attr[CH_P11_TYPE], ch_span_str(types[i]));
	if (err == CH_OK && !known)
		err = ch_fail(d, CH_ERR_UNKNOWN, 0, "type is private, public, cert, secret-key or data");
	if (err != CH_OK)
		*u = (struct ch_p11_uri){ 0 };
	return err;
}

const char *ch_p11_uri_str(const struct ch_p11_uri *u, enum ch_p11_attr attr)
{
	return u->attr[attr].p != NULL ? (const char *)u->attr[attr].p : "";
}

void ch_p11_uri_put(struct ch_wr *w, const struct ch_p11_uri *u)
{
	static const char digit[] = "0123456789ABCDEF";
	bool first[] = { [PATH] = true, [QUERY] = true };
	ch_wr_str(w, scheme);
	for (size_t i = 0; i < CH_COUNT_OF(table); i++) {
		enum place place = table[i].place;
		if (u->attr[i].p == NULL)
			continue;
		ch_wr_str(w, place == PATH ? (first[PATH] ? "" : ";") : (first[QUERY] ? "?" : "&"));
		first[place] = false;
		ch_wr_str(w, table[i].name);
		ch_wr_str(w, "=");
		for (size_t k = 0; k < u->attr[i].n; k++) {
			uint8_t c = u->attr[i].p[k];
			if (is_unreserved(c) || (place == QUERY && c == '/')) {
				ch_wr_u8(w, c);
				continue;
			}
			ch_wr_u8(w, '%');
			ch_wr_u8(w, (uint8_t)digit[c >> 4]);
			ch_wr_u8(w, (uint8_t)digit[c & 15]);
		}
	}
}
