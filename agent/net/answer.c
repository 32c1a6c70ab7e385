/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/net/answer.h"

#include "core/base/text.h"
#include "core/wire/base64.h"
#include "core/wire/json.h"

#include <string.h>

const struct ag_route_row ag_routes[AG_ROUTE_COUNT] = {
	[AG_ROUTE_ENROL] = { "POST", "/v1/enrol", AG_MSG_ENROLLING },
	[AG_ROUTE_FINISH] = { "POST", "/v1/enrol/finish", AG_MSG_CERTIFIED },
	[AG_ROUTE_TOKEN] = { "POST", "/v1/enrol/token", AG_MSG_CERTIFIED },
	[AG_ROUTE_RENEW] = { "POST", "/v1/renew", AG_MSG_CERTIFIED },
	[AG_ROUTE_CHALLENGE] = { "POST", "/v1/challenge", AG_MSG_CHALLENGED },
	[AG_ROUTE_EVIDENCE] = { "POST", "/v1/evidence", AG_MSG_JUDGED },
	[AG_ROUTE_STATUS] = { "GET", "/v1/status", AG_MSG_JUDGED },
	[AG_ROUTE_POLL] = { "GET", "/v1/poll", AG_MSG_POLLED },
	[AG_ROUTE_UPDATE] = { "GET", "/v1/update", AG_MSG_OFFERED },
	[AG_ROUTE_FEEDBACK] = { "POST", "/v1/update/*/feedback", AG_MSG_NOTED },
};

enum kind { HEX, BYTES, TEXT, U64, U32, BOOL };

/* A member of an answer: its place in the document, names joined by dots, and in the struct. */
struct field {
	const char *path;
	uint8_t kind;
	bool optional;
	size_t at;
	size_t size; /* of a span at most, of hexadecimal digits exactly */
};

#define AT(type, name) offsetof(struct ag_##type, name)
static const struct field enrolling[] = {
	{ "enrol", HEX, false, AT(enrolling, enrol), 16 },
	{ "credential_blob", BYTES, false, AT(enrolling, blob), AG_TPM_MAX },
	{ "encrypted_secret", BYTES, false, AT(enrolling, secret), AG_TPM_MAX },
};
static const struct field certified[] = {
	{ "device", HEX, false, AT(certified, device), AG_DEVICE },
	{ "class", TEXT, true, AT(certified, class_name), 64 },
	{ "certificate", TEXT, false, AT(certified, certificate), AG_CERT_MAX },
	{ "chain", TEXT, true, AT(certified, chain), AG_CERT_MAX },
	{ "not_after", U64, false, AT(certified, not_after), 0 },
	{ "time", U64, true, AT(certified, time), 0 },
};
static const struct field challenged[] = {
	{ "nonce", HEX, false, AT(challenged, nonce), AG_NONCE },
	{ "expires", U64, false, AT(challenged, expires), 0 },
	{ "time", U64, false, AT(challenged, time), 0 },
	{ "have.eventlog.size", U64, true, AT(challenged, log_size), 0 },
	{ "have.eventlog.sha256", HEX, true, AT(challenged, log_sha256), AG_DIGEST },
	{ "have.ima.size", U64, true, AT(challenged, ima_size), 0 },
	{ "have.ima.sha256", HEX, true, AT(challenged, ima_sha256), AG_DIGEST },
	{ "interval", U32, true, AT(challenged, interval), 0 },
	{ "fleet_root", U64, true, AT(challenged, fleet_root), 0 },
};
static const struct field judged[] = {
	{ "chain", TEXT, false, AT(judged, chain), 32 },    { "state", TEXT, false, AT(judged, state), 32 },
	{ "evidence", U64, true, AT(judged, evidence), 0 }, { "time", U64, true, AT(judged, time), 0 },
	{ "renew", BOOL, true, AT(judged, renew), 0 },      { "reattest_in", U32, true, AT(judged, reattest_in), 0 },
	{ "update", TEXT, true, AT(judged, update), 20 },
};

static const struct field polled[] = {
	{ "chain", TEXT, false, AT(polled, chain), 32 },      { "state", TEXT, false, AT(polled, state), 32 },
	{ "reattest", BOOL, false, AT(polled, reattest), 0 }, { "renew", BOOL, false, AT(polled, renew), 0 },
	{ "time", U64, false, AT(polled, time), 0 },          { "update", BOOL, true, AT(polled, update), 0 },
};

static const struct field offered[] = {
	{ "deployment", TEXT, true, AT(offered, deployment), 20 },
	{ "release", HEX, true, AT(offered, release), AG_DIGEST },
	{ "forced", BOOL, true, AT(offered, forced), 0 },
	{ "state", TEXT, true, AT(offered, state), 16 },
};

static const struct field noted[] = {
	{ "state", TEXT, false, AT(noted, state), 16 },
};

static const struct {
	enum ag_msg msg;
	const struct field *field;
	size_t count;
} shapes[] = {
	{ AG_MSG_ENROLLING, enrolling, CH_COUNT_OF(enrolling) },
	{ AG_MSG_CERTIFIED, certified, CH_COUNT_OF(certified) },
	{ AG_MSG_CHALLENGED, challenged, CH_COUNT_OF(challenged) },
	{ AG_MSG_JUDGED, judged, CH_COUNT_OF(judged) },
	{ AG_MSG_POLLED, polled, CH_COUNT_OF(polled) },
	{ AG_MSG_OFFERED, offered, CH_COUNT_OF(offered) },
	{ AG_MSG_NOTED, noted, CH_COUNT_OF(noted) },
};

struct reader {
	struct ch_json json;
	struct ch_wr *w;
	struct ch_diag *d;
};

#define NAME_MAX_MEMBER 32

/* The value at a path; CH_ERR_NOTFOUND if it is not there or null. */
static enum ch_err value_at(const struct ch_json *j, const char *path, size_t *at)
{
	*at = 0;
	for (;;) {
		size_t n = strcspn(path, ".");
		char name[NAME_MAX_MEMBER];
		name[ch_span_copy(name, sizeof(name) - 1, ch_span(path, n))] = '\0';
		if (ch_json_type(j, *at) != CH_JSON_OBJECT)
			return CH_ERR_MALFORMED;
		enum ch_err err = ch_json_member(j, *at, name, at);
		if (err != CH_OK)
			return err;
		if (ch_json_type(j, *at) == CH_JSON_NULL)
			return CH_ERR_NOTFOUND;
		if (path[n] == '\0')
			return CH_OK;
		path += n + 1;
	}
}

/* A string's value, written to r->w if it has escapes. */
static enum ch_err take_text(struct reader *r, size_t i, size_t max, struct ch_span *to)
{
	struct ch_span s;
	uint8_t *room = r->w->p + r->w->len;
	enum ch_err err = ch_json_str(&r->json, i, room, r->w->cap - r->w->len, &s);
	if (err != CH_OK)
		return err;
	if (s.p == room)
		r->w->len += s.n;
	if (s.n > max)
		return CH_ERR_LIMIT;
	*to = s;
	return CH_OK;
}

static enum ch_err take_bytes(struct reader *r, size_t i, size_t max, struct ch_span *to)
{
	size_t n;
	if (ch_json_type(&r->json, i) != CH_JSON_STRING)
		return CH_ERR_MALFORMED;
	uint8_t *room = r->w->p + r->w->len;
	enum ch_err err =
		ch_base64_decode(CH_BASE64_URL, ch_json_raw(&r->json, i), room, r->w->cap - r->w->len, &n, NULL);
	if (err != CH_OK)
		return err;
	if (n > max)
		return CH_ERR_LIMIT;
	r->w->len += n;
	*to = ch_span(room, n);
	return CH_OK;
}

static enum ch_err take_number(struct reader *r, size_t i, const struct field *f, void *to)
{
	uint64_t v;
	enum ch_err err = ch_json_u64(&r->json, i, &v);
	if (err == CH_OK && f->kind == U32 && v > UINT32_MAX)
		err = CH_ERR_RANGE;
	if (err != CH_OK)
		return err;
	if (f->kind == U32)
		*(uint32_t *)to = (uint32_t)v;
	else
		*(uint64_t *)to = v;
	return CH_OK;
}

static enum ch_err take_bool(struct reader *r, size_t i, uint8_t *to)
{
	enum ch_json_type type = ch_json_type(&r->json, i);
	*to = type == CH_JSON_TRUE;
	return type == CH_JSON_TRUE || type == CH_JSON_FALSE ? CH_OK : CH_ERR_MALFORMED;
}

static enum ch_err take(struct reader *r, const struct field *f, void *msg)
{
	size_t i;
	enum ch_err err = value_at(&r->json, f->path, &i);
	if (err == CH_ERR_NOTFOUND)
		return f->optional ? CH_OK : ch_fail(r->d, CH_ERR_MISSING, 0, f->path);
	void *to = (uint8_t *)msg + f->at;
	if (err == CH_OK) {
		switch (f->kind) {
		case HEX:
			err = ch_json_hex(&r->json, i, to, f->size);
			break;
		case BYTES:
			err = take_bytes(r, i, f->size, to);
			break;
		case TEXT:
			err = take_text(r, i, f->size, to);
			break;
		case BOOL:
			err = take_bool(r, i, to);
			break;
		default:
			err = take_number(r, i, f, to);
		}
	}
	return err == CH_OK ? CH_OK : ch_fail(r->d, err, 0, f->path);
}

/* A member of a reason, after a separator; nothing if it is not there or no string. */
static void put_member(struct reader *r, size_t reason, const char *name, const char *before, struct ch_wr *w)
{
	size_t i;
	struct ch_rd raw;
	uint32_t code;
	if (ch_json_member(&r->json, reason, name, &i) != CH_OK || ch_json_type(&r->json, i) != CH_JSON_STRING)
		return;
	if (ch_json_raw(&r->json, i).n == 0)
		return;
	ch_wr_str(w, before);
	raw = ch_rd(ch_json_raw(&r->json, i));
	while (ch_json_char(&raw, &code)) {
		uint8_t utf8[4];
		struct ch_wr one = ch_wr(utf8, sizeof(utf8));
		ch_utf8_put(&one, code);
		ch_text_escape(w, ch_wr_span(&one));
	}
}

static void put_number(struct reader *r, size_t reason, const char *name, const char *before, struct ch_wr *w)
{
	size_t i;
	uint64_t v;
	if (ch_json_member(&r->json, reason, name, &i) != CH_OK || ch_json_u64(&r->json, i, &v) != CH_OK)
		return;
	ch_wr_str(w, before);
	ch_wr_dec(w, v);
}

#define REASON_MAX  1024
#define REASONS_MAX 64

/* "boot: this event is endorsed by nobody: /EFI/BOOT/grubx64.efi, event 31, PCR 4" a line. Reasons that do not fit are left out: the server has them all. */
static void take_reasons(struct reader *r, struct ag_judged *m)
{
	size_t list;
	if (value_at(&r->json, "reasons", &list) != CH_OK || ch_json_type(&r->json, list) != CH_JSON_ARRAY)
		return;
	size_t start = r->w->len;
	size_t count = 0;
	for (size_t i = ch_json_first(&r->json, list); i != CH_JSON_NONE && count < REASONS_MAX;
	     i = ch_json_next(&r->json, list, i), count++) {
		uint8_t line[REASON_MAX];
		struct ch_wr w = ch_wr(line, sizeof(line));
		if (ch_json_type(&r->json, i) != CH_JSON_OBJECT)
			continue;
		put_member(r, i, "link", "", &w);
		put_member(r, i, "text", ": ", &w);
		put_member(r, i, "measured", ": ", &w);
		put_number(r, i, "event", ", event ", &w);
		put_number(r, i, "pcr", ", PCR ", &w);
		ch_wr_u8(&w, '\n');
		if (w.bad || w.len > r->w->cap - r->w->len || r->w->len - start + w.len > AG_PAGE_MAX)
			continue;
		ch_wr_put(r->w, ch_wr_span(&w));
	}
	m->reasons = ch_span(r->w->p + start, r->w->len - start);
}

static void copy_text(struct ch_wr *w, struct reader *r, const char *path, const char *before)
{
	size_t i;
	uint8_t text[REASON_MAX];
	struct ch_span s;
	if (r == NULL || value_at(&r->json, path, &i) != CH_OK ||
	    ch_json_str(&r->json, i, text, sizeof(text), &s) != CH_OK || s.n == 0)
		return;
	ch_wr_str(w, before);
	ch_text_escape(w, ch_span_sub(s, 0, s.n < 200 ? s.n : 200));
}

/* The short name of a refusal; empty if there is none. */
static struct ch_span refusal_code(struct reader *r)
{
	size_t i;
	struct ch_span code = CH_SPAN_EMPTY;
	if (r == NULL || value_at(&r->json, "error.code", &i) != CH_OK || take_text(r, i, 64, &code) != CH_OK)
		return CH_SPAN_EMPTY;
	return code;
}

/* Why a request was refused. `r` is NULL if the body is no JSON. */
static struct ch_span refusal(struct ch_wr *to, struct reader *r, unsigned status)
{
	uint8_t text[AG_TEXT_MAX];
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_wr_str(&w, "the server answers ");
	ch_wr_dec(&w, status);
	copy_text(&w, r, "error.code", " ");
	copy_text(&w, r, "error.rule", ": ");
	copy_text(&w, r, "error.detail", "; ");
	size_t start = to->len;
	if (w.bad || w.len > to->cap - to->len)
		return CH_SPAN_LIT("the server refuses");
	ch_wr_put(to, ch_wr_span(&w));
	return ch_span(to->p + start, w.len);
}

/* Every answer's struct begins alike; this is that beginning. */
struct head {
	uint8_t always;
	uint16_t status;
	uint32_t retry_after;
	struct ch_span code;
	struct ch_span error;
};
#define SAME(type) \
	_Static_assert(offsetof(struct ag_##type, error) == offsetof(struct head, error), "answers begin alike")
SAME(enrolling);
SAME(certified);
SAME(challenged);
SAME(judged);
SAME(polled);
SAME(offered);
SAME(noted);
SAME(fetched);

static struct head *head_of(struct ag_answer *a)
{
	void *p = a;
	return p;
}

static enum ch_err read_members(struct reader *r, struct ag_answer *a, enum ag_msg msg)
{
	for (size_t s = 0; s < CH_COUNT_OF(shapes); s++) {
		for (size_t i = 0; shapes[s].msg == msg && i < shapes[s].count; i++) {
			enum ch_err err = take(r, &shapes[s].field[i], a);
			if (err != CH_OK)
				return err;
		}
	}
	if (msg == AG_MSG_JUDGED)
		take_reasons(r, &a->judged);
	return CH_OK;
}

enum ch_err ag_answer_parse(struct ag_answer *a, enum ag_route route, unsigned status, struct ch_span body,
			    struct ch_json_node *node, size_t cap, struct ch_wr *w, struct ch_diag *d)
{
	*a = (struct ag_answer){ .judged = { 0 } };
	ch_diag_clear(d);
	struct reader r = { .w = w, .d = d };
	enum ch_err err = ch_json_parse(&r.json, body, node, cap, d);
	if (status >= 300) {
		struct reader *said = err == CH_OK ? &r : NULL;
		*head_of(a) = (struct head){ .status = (uint16_t)status,
					     .code = refusal_code(said),
					     .error = refusal(w, said, status) };
		ch_diag_clear(d);
		return CH_OK;
	}
	if (err == CH_OK)
		err = read_members(&r, a, ag_routes[route].answer);
	if (err != CH_OK)
		*a = (struct ag_answer){ .judged = { 0 } };
	else
		head_of(a)->status = (uint16_t)status;
	return err;
}

void ag_answer_none(struct ag_answer *a, enum ag_route route, struct ch_span error)
{
	(void)route;
	*a = (struct ag_answer){ .judged = { 0 } };
	head_of(a)->error = error;
}
