/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/messages.h"

#include "core/base/rd.h"
#include "core/base/wr.h"

#include <assert.h>
#include <string.h>

/* The field lists become tables of rows; one reader and one writer walk them. */

enum kind { U8, U16, U32, U64, FIX, SPAN };

struct row {
	uint8_t kind;
	size_t at; /* in the struct */
	size_t size;
};

#define ROW(field_kind, name, size) { field_kind, offsetof(type, name), size },
#define TABLE(upper, lower)                                                                                   \
	static const struct row *table_##lower(void)                                                          \
	{                                                                                                     \
		typedef struct ag_##lower type;                                                               \
		static const struct row rows[] = { AG_FIELDS_##upper(ROW){ U8, offsetof(type, always), 0 } }; \
		return rows;                                                                                  \
	}
AG_MESSAGES(TABLE)

#define MESSAGE(upper, lower) [AG_MSG_##upper] = { #upper, sizeof(struct ag_##lower), table_##lower },
static const struct {
	const char *name;
	size_t size;
	const struct row *(*table)(void); /* ends with the row of `always`, which is at 0 */
} message[AG_MSG_COUNT] = { AG_MESSAGES(MESSAGE) };

static const char *const role_name[AG_ROLE_COUNT] = { "main", "tpm", "net", "collect", "apply" };

const char *ag_role_str(enum ag_role role)
{
	return role < AG_ROLE_COUNT ? role_name[role] : "?";
}

const char *ag_msg_str(unsigned type)
{
	return type > AG_MSG_NONE && type < AG_MSG_COUNT ? message[type].name : "?";
}

const char *ag_phase_str(unsigned phase)
{
	static const char *const name[AG_PHASE_COUNT] = { "none",    "taking", "installing", "installed",
							  "running", "good",   "refused",    "fell-back" };
	return phase < AG_PHASE_COUNT ? name[phase] : "?";
}

static const size_t number_width[] = { [U8] = 1, [U16] = 2, [U32] = 4, [U64] = 8 };

static uint64_t number_load(const uint8_t *field, uint8_t kind)
{
	const void *p = field;
	switch (kind) {
	case U8:
		return *field;
	case U16:
		return *(const uint16_t *)p;
	case U32:
		return *(const uint32_t *)p;
	default:
		return *(const uint64_t *)p;
	}
}

static void number_store(uint8_t *field, uint8_t kind, uint64_t v)
{
	void *p = field;
	switch (kind) {
	case U8:
		*field = (uint8_t)v;
		break;
	case U16:
		*(uint16_t *)p = (uint16_t)v;
		break;
	case U32:
		*(uint32_t *)p = (uint32_t)v;
		break;
	default:
		*(uint64_t *)p = v;
	}
}

static enum ch_err read_field(struct ch_rd *r, const struct row *f, uint8_t *to)
{
	void *p = to;
	uint64_t v = 0;
	switch (f->kind) {
	case FIX:
		(void)ch_span_copy(to, f->size, ch_rd_take(r, f->size));
		break;
	case SPAN:
		v = ch_rd_be32(r);
		if (v > f->size)
			return CH_ERR_LIMIT;
		*(struct ch_span *)p = ch_rd_take(r, (size_t)v);
		break;
	default:
		for (size_t i = 0; i < number_width[f->kind]; i++)
			v = v << 8 | ch_rd_u8(r);
		number_store(to, f->kind, v);
	}
	return r->bad ? CH_ERR_TRUNCATED : CH_OK;
}

enum ch_err ag_msg_parse(enum ag_msg type, void *to, struct ch_span payload)
{
	assert(type > AG_MSG_NONE && type < AG_MSG_COUNT);
	memset(to, 0, message[type].size);
	struct ch_rd r = ch_rd(payload);
	enum ch_err err = CH_OK;
	for (const struct row *f = message[type].table(); f->at != 0 && err == CH_OK; f++)
		err = read_field(&r, f, (uint8_t *)to + f->at);
	if (err == CH_OK && !ch_rd_done(&r))
		err = CH_ERR_TRAILING;
	if (err != CH_OK)
		memset(to, 0, message[type].size);
	return err;
}

static size_t field_size(const struct row *f, const uint8_t *from)
{
	const void *p = from;
	if (f->kind == FIX)
		return f->size;
	if (f->kind != SPAN)
		return number_width[f->kind];
	size_t n = ((const struct ch_span *)p)->n;
	assert(n <= f->size);
	return 4 + n;
}

static void put_field(struct ch_wr *w, const struct row *f, const uint8_t *from)
{
	const void *p = from;
	if (f->kind == FIX) {
		ch_wr_put(w, ch_span(from, f->size));
	} else if (f->kind == SPAN) {
		struct ch_span s = *(const struct ch_span *)p;
		ch_wr_be32(w, (uint32_t)s.n);
		ch_wr_put(w, s);
	} else {
		uint64_t v = number_load(from, f->kind);
		for (size_t i = number_width[f->kind]; i > 0; i--)
			ch_wr_u8(w, (uint8_t)(v >> (8 * (i - 1))));
	}
}

void ag_msg_send(struct ch_chan *c, enum ag_msg type, uint64_t id, const void *msg)
{
	assert(type > AG_MSG_NONE && type < AG_MSG_COUNT);
	const uint8_t *from = msg;
	size_t n = 0;
	for (const struct row *f = message[type].table(); f->at != 0; f++)
		n += field_size(f, from + f->at);
	struct ch_wr w = ch_wr(ch_chan_room(c, (uint16_t)type, id, n), n);
	for (const struct row *f = message[type].table(); f->at != 0; f++)
		put_field(&w, f, from + f->at);
	assert(!w.bad && w.len == n);
}

bool ag_msg_permitted(enum ag_role from, enum ag_role to, unsigned type)
{
	static const struct {
		uint8_t from, to, type;
	} permitted[] = {
		{ AG_MAIN, AG_TPM, AG_MSG_START_TPM },
		{ AG_MAIN, AG_NET, AG_MSG_START_NET },
		{ AG_MAIN, AG_COLLECT, AG_MSG_START_COLLECT },
		{ AG_MAIN, AG_COLLECT, AG_MSG_NOW },
		{ AG_TPM, AG_MAIN, AG_MSG_READY },
		{ AG_NET, AG_MAIN, AG_MSG_READY },
		{ AG_COLLECT, AG_MAIN, AG_MSG_READY },
		{ AG_COLLECT, AG_MAIN, AG_MSG_STATUS },
		{ AG_COLLECT, AG_MAIN, AG_MSG_DONE },
		/* net signs its handshake and nothing else; it never sees a secret of an enrolment or asks for a quote */
		{ AG_NET, AG_TPM, AG_MSG_SIGN },
		{ AG_TPM, AG_NET, AG_MSG_SIGNED },
		{ AG_COLLECT, AG_TPM, AG_MSG_IDENTIFY },
		{ AG_COLLECT, AG_TPM, AG_MSG_ACTIVATE },
		{ AG_COLLECT, AG_TPM, AG_MSG_PROVE },
		{ AG_COLLECT, AG_TPM, AG_MSG_KEEP },
		{ AG_COLLECT, AG_TPM, AG_MSG_QUOTE },
		{ AG_TPM, AG_COLLECT, AG_MSG_IDENTITY },
		{ AG_TPM, AG_COLLECT, AG_MSG_ACTIVATED },
		{ AG_TPM, AG_COLLECT, AG_MSG_PROVED },
		{ AG_TPM, AG_COLLECT, AG_MSG_KEPT },
		{ AG_TPM, AG_COLLECT, AG_MSG_QUOTED },
		{ AG_COLLECT, AG_NET, AG_MSG_CERTIFICATE },
		{ AG_COLLECT, AG_NET, AG_MSG_CALL },
		{ AG_COLLECT, AG_NET, AG_MSG_TRUST },
		{ AG_COLLECT, AG_NET, AG_MSG_FETCH_ROOT },
		{ AG_NET, AG_COLLECT, AG_MSG_ROOT_ANSWER },
		{ AG_NET, AG_COLLECT, AG_MSG_ENROLLING },
		{ AG_NET, AG_COLLECT, AG_MSG_CERTIFIED },
		{ AG_NET, AG_COLLECT, AG_MSG_CHALLENGED },
		{ AG_NET, AG_COLLECT, AG_MSG_JUDGED },
		{ AG_NET, AG_COLLECT, AG_MSG_POLLED },
		{ AG_NET, AG_COLLECT, AG_MSG_OFFERED },
		{ AG_NET, AG_COLLECT, AG_MSG_NOTED },
		{ AG_COLLECT, AG_NET, AG_MSG_FETCH },
		{ AG_NET, AG_COLLECT, AG_MSG_FETCHED },
		/* apply hears from main and collect only: what is root is not spoken to by what meets the network */
		{ AG_MAIN, AG_APPLY, AG_MSG_START_APPLY },
		{ AG_APPLY, AG_MAIN, AG_MSG_READY },
		{ AG_APPLY, AG_MAIN, AG_MSG_REBOOT },
		{ AG_COLLECT, AG_APPLY, AG_MSG_UPDATE_ASK },
		{ AG_COLLECT, AG_APPLY, AG_MSG_UPDATE_ROOT },
		{ AG_COLLECT, AG_APPLY, AG_MSG_UPDATE_OFFER },
		{ AG_COLLECT, AG_APPLY, AG_MSG_UPDATE_BYTES },
		{ AG_COLLECT, AG_APPLY, AG_MSG_UPDATE_INSTALL },
		{ AG_COLLECT, AG_APPLY, AG_MSG_UPDATE_REBOOT },
		{ AG_COLLECT, AG_APPLY, AG_MSG_UPDATE_GOOD },
		{ AG_COLLECT, AG_APPLY, AG_MSG_UPDATE_DROP },
		{ AG_APPLY, AG_COLLECT, AG_MSG_UPDATE_STATE },
	};
	for (size_t i = 0; i < CH_COUNT_OF(permitted); i++) {
		if (permitted[i].from == from && permitted[i].to == to && permitted[i].type == type)
			return true;
	}
	return false;
}
