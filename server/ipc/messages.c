/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ipc/messages.h"

#include "core/base/rd.h"

#include <assert.h>

/* The field lists of messages.h become three functions for each message: how long, write, read. */

#define SIZE_U8(name, size)    1
#define SIZE_U16(name, size)   2
#define SIZE_U32(name, size)   4
#define SIZE_U64(name, size)   8
#define SIZE_FIX(name, size)   (size)
#define SIZE_SPAN(name, size)  (4 + m->name.n)
#define SIZE(kind, name, size) n += SIZE_##kind(name, size);

#define PUT_U8(name, size)    ch_wr_u8(w, m->name);
#define PUT_U16(name, size)   ch_wr_be16(w, m->name);
#define PUT_U32(name, size)   ch_wr_be32(w, m->name);
#define PUT_U64(name, size)   ch_wr_be64(w, m->name);
#define PUT_FIX(name, size)   ch_wr_put(w, ch_span(m->name, size));
#define PUT_SPAN(name, size)  put_span(w, m->name, size);
#define PUT(kind, name, size) PUT_##kind(name, size)

#define READ_U8(name, size)    m->name = ch_rd_u8(r);
#define READ_U16(name, size)   m->name = ch_rd_be16(r);
#define READ_U32(name, size)   m->name = ch_rd_be32(r);
#define READ_U64(name, size)   m->name = ch_rd_be64(r);
#define READ_FIX(name, size)   (void)ch_span_copy(m->name, size, ch_rd_take(r, size));
#define READ_SPAN(name, size)  m->name = read_span(r, size, &limit);
#define READ(kind, name, size) READ_##kind(name, size)

static void put_span(struct ch_wr *w, struct ch_span s, size_t max)
{
	assert(s.n <= max);
	ch_wr_be32(w, (uint32_t)s.n);
	ch_wr_put(w, s);
}

static struct ch_span read_span(struct ch_rd *r, size_t max, bool *limit)
{
	size_t n = ch_rd_be32(r);
	if (n > max) {
		*limit = true;
		r->bad = true;
	}
	return ch_rd_take(r, n);
}

/* What a message is wrong in, in the order in which it is asked. */
static enum ch_err verdict(const struct ch_rd *r, bool limit, struct ch_diag *d)
{
	if (limit)
		return ch_fail(d, CH_ERR_LIMIT, r->off, "a field of a message is longer than its limit");
	if (r->bad)
		return ch_fail(d, CH_ERR_TRUNCATED, r->off, "a message ends before its last field");
	if (!ch_rd_done(r))
		return ch_fail(d, CH_ERR_TRAILING, r->off, "a message has bytes after its last field");
	return CH_OK;
}

#define FUNCTIONS(upper, lower)                                                        \
	static size_t size_##lower(const void *msg)                                    \
	{                                                                              \
		const struct ch_msg_##lower *m = msg;                                  \
		(void)m;                                                               \
		size_t n = 0;                                                          \
		CH_FIELDS_##upper(SIZE) return n;                                      \
	}                                                                              \
	static void put_##lower(const void *msg, struct ch_wr *w)                      \
	{                                                                              \
		const struct ch_msg_##lower *m = msg;                                  \
		CH_FIELDS_##upper(PUT)                                                 \
	}                                                                              \
	static enum ch_err parse_##lower(void *to, struct ch_rd *r, struct ch_diag *d) \
	{                                                                              \
		struct ch_msg_##lower *m = to;                                         \
		bool limit = false;                                                    \
		CH_FIELDS_##upper(READ) enum ch_err err = verdict(r, limit, d);        \
		if (err != CH_OK)                                                      \
			*m = (struct ch_msg_##lower){ 0 };                             \
		return err;                                                            \
	}
CH_MESSAGES(FUNCTIONS)

#define ROW(upper, lower) [CH_MSG_##upper] = { #upper, size_##lower, put_##lower, parse_##lower },
static const struct {
	const char *name;
	size_t (*size)(const void *msg);
	void (*put)(const void *msg, struct ch_wr *w);
	enum ch_err (*parse)(void *to, struct ch_rd *r, struct ch_diag *d);
} message[CH_MSG_COUNT] = { CH_MESSAGES(ROW) };

static const char *const role_name[CH_ROLE_COUNT] = { "main", "edge", "verify", "keeper", "reader", "signer", "token" };

const char *ch_role_str(enum ch_role role)
{
	return role < CH_ROLE_COUNT ? role_name[role] : "?";
}

const char *ch_msg_str(unsigned type)
{
	return type > CH_MSG_NONE && type < CH_MSG_COUNT ? message[type].name : "?";
}

enum ch_err ch_msg_parse(enum ch_msg type, void *to, struct ch_span payload, struct ch_diag *d)
{
	ch_diag_clear(d);
	assert(type > CH_MSG_NONE && type < CH_MSG_COUNT);
	struct ch_rd r = ch_rd(payload);
	return message[type].parse(to, &r, d);
}

size_t ch_msg_size(enum ch_msg type, const void *msg)
{
	assert(type > CH_MSG_NONE && type < CH_MSG_COUNT);
	return message[type].size(msg);
}

void ch_msg_put(enum ch_msg type, const void *msg, struct ch_wr *w)
{
	assert(type > CH_MSG_NONE && type < CH_MSG_COUNT);
	message[type].put(msg, w);
}

void ch_msg_send(struct ch_chan *c, enum ch_msg type, uint64_t id, const void *msg)
{
	size_t n = ch_msg_size(type, msg);
	assert(n <= CH_FRAME_MAX);
	struct ch_wr w = ch_wr(ch_chan_room(c, (uint16_t)type, id, n), n);
	ch_msg_put(type, msg, &w);
	assert(!w.bad && w.len == n);
}
