/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/cose.h"

/* Labels of the common header parameters (RFC 9052, table 3). */
enum {
	LABEL_ALG = 1,
	LABEL_CRIT = 2,
	LABEL_CONTENT_TYPE = 3,
	LABEL_KID = 4,
	LABEL_IV = 5,
	LABEL_PARTIAL_IV = 6,
};

static const struct {
	uint64_t tag;
	const char *rule;
} other_tag[] = {
	{ 16, "COSE_Encrypt0 is not supported (RFC 9052, 5.2)" },
	{ 96, "COSE_Encrypt is not supported (RFC 9052, 5.1)" },
	{ 97, "COSE_Mac is not supported, only COSE_Mac0 (RFC 9052, 6.1)" },
	{ 98, "COSE_Sign is not supported, only COSE_Sign1 (RFC 9052, 4.1)" },
};

/* One bucket while it is read: its labels as encoded, to compare. */
struct bucket {
	struct ch_cose_header h;
	bool has_iv;
	bool has_partial_iv;
	size_t count;
	struct ch_span crit; /* the array as encoded; empty if there is none */
	size_t crit_at;
	struct ch_span label[CH_COSE_LABELS_MAX];
};

static bool holds(const struct bucket *b, struct ch_span label)
{
	for (size_t i = 0; i < b->count; i++) {
		if (ch_cbor_key_eq(b->label[i], label))
			return true;
	}
	return false;
}

static void read_alg(struct ch_cbor *r, struct ch_cose_header *h)
{
	h->has_alg = true;
	if (ch_cbor_peek(r) == CH_CBOR_TSTR)
		h->alg_text = ch_cbor_tstr(r);
	else
		h->alg = ch_cbor_int(r);
}

static void read_content_type(struct ch_cbor *r)
{
	if (ch_cbor_peek(r) == CH_CBOR_TSTR)
		(void)ch_cbor_tstr(r);
	else
		(void)ch_cbor_uint(r);
}

static void read_parameter(struct ch_cbor *r, struct bucket *b, int64_t label)
{
	switch (label) {
	case LABEL_ALG:
		read_alg(r, &b->h);
		break;
	case LABEL_CRIT:
		b->crit_at = r->off;
		b->crit = ch_cbor_skip(r);
		break;
	case LABEL_CONTENT_TYPE:
		read_content_type(r);
		break;
	case LABEL_KID:
		b->h.has_kid = true;
		b->h.kid = ch_cbor_bstr(r);
		break;
	case LABEL_IV:
		b->has_iv = true;
		(void)ch_cbor_bstr(r);
		break;
	case LABEL_PARTIAL_IV:
		b->has_partial_iv = true;
		(void)ch_cbor_bstr(r);
		break;
	default:
		(void)ch_cbor_skip(r);
	}
}

/* Reads a header map. `before` is the other bucket, whose labels may not come again (RFC 9052, 3), or NULL. */
static void read_bucket(struct ch_cbor *r, struct bucket *b, const struct bucket *before)
{
	size_t at = r->off;
	size_t pairs = ch_cbor_map(r);
	if (pairs > CH_COSE_LABELS_MAX)
		ch_cbor_refuse(r, CH_ERR_LIMIT, at, "more header parameters than CH_COSE_LABELS_MAX");
	for (size_t i = 0; i < pairs && r->err == CH_OK; i++) {
		at = r->off;
		int64_t label = -1;
		if (ch_cbor_peek(r) == CH_CBOR_TSTR)
			(void)ch_cbor_tstr(r);
		else
			label = ch_cbor_int(r);
		struct ch_span key = ch_span_sub(r->in, at, r->off - at);
		if (r->err == CH_OK && (holds(b, key) || (before != NULL && holds(before, key))))
			ch_cbor_refuse(r, CH_ERR_DUPLICATE, at, "a header label is there twice (RFC 9052, 3)");
		b->label[b->count++] = key;
		read_parameter(r, b, label);
	}
	if (b->has_partial_iv && (b->has_iv || (before != NULL && before->has_iv)))
		ch_cbor_refuse(r, CH_ERR_MALFORMED, at, "IV and Partial IV together (RFC 9052, 3.1)");
	b->h.count = b->count;
}

/* crit (RFC 9052, 3.1): every label it lists must be there, and be one that is processed here. */
static void check_crit(struct ch_cbor *r, const struct bucket *b)
{
	struct ch_cbor c = ch_cbor(ch_span(b->crit.p, b->crit.n), CH_CBOR_DEFINITE);
	size_t count = ch_cbor_array(&c);
	if (c.err == CH_OK && (count == 0 || count > CH_COSE_LABELS_MAX))
		ch_cbor_refuse(r, CH_ERR_RANGE, b->crit_at, "crit lists no label or too many (RFC 9052, 3.1)");
	for (size_t i = 0; i < count && c.err == CH_OK && r->err == CH_OK; i++) {
		size_t at = c.off;
		bool known = false;
		if (ch_cbor_peek(&c) == CH_CBOR_TSTR) {
			(void)ch_cbor_tstr(&c);
		} else {
			int64_t label = ch_cbor_int(&c);
			known = label >= LABEL_ALG && label <= LABEL_KID;
		}
		if (c.err != CH_OK)
			break;
		if (!holds(b, ch_span_sub(c.in, at, c.off - at)))
			ch_cbor_refuse(r, CH_ERR_MISSING, b->crit_at + at,
				       "crit lists a label that the protected header lacks (RFC 9052, 3.1)");
		else if (!known)
			ch_cbor_refuse(r, CH_ERR_UNKNOWN, b->crit_at + at,
				       "a critical header parameter is not understood (RFC 9052, 3.1)");
	}
	if (c.err != CH_OK)
		ch_cbor_refuse(r, c.err, b->crit_at + c.at, "crit is not an array of labels (RFC 9052, 3.1)");
}

/* The protected bucket is a byte string that holds a map or nothing. Failures are told at the outer reader's offsets. */
static void read_protected(struct ch_cbor *r, struct ch_cose *m, struct bucket *b)
{
	struct ch_span content = ch_cbor_bstr(r);
	size_t base = r->off - content.n;
	if (r->err != CH_OK || content.n == 0)
		return;
	struct ch_cbor in = ch_cbor(content, CH_CBOR_DEFINITE);
	read_bucket(&in, b, NULL);
	if (b->crit.n != 0 && in.err == CH_OK)
		check_crit(&in, b);
	struct ch_diag d = { 0 };
	enum ch_err err = ch_cbor_end(&in, &d);
	if (err != CH_OK)
		ch_cbor_refuse(r, err, base + d.off, d.rule);
	/* RFC 9052, 4.4: without parameters the structure that is signed holds an empty string, however it was sent. */
	m->protected_ = b->count != 0 ? content : CH_SPAN_EMPTY;
}

static void read_tag(struct ch_cbor *r, struct ch_cose *m, enum ch_cose_kind kind)
{
	m->kind = kind;
	if (ch_cbor_peek(r) != CH_CBOR_TAG) {
		if (kind == CH_COSE_TAGGED)
			ch_cbor_refuse(r, CH_ERR_MALFORMED, r->off,
				       "neither COSE_Sign1 (tag 18) nor COSE_Mac0 (tag 17) (RFC 9052, 2)");
		return;
	}
	m->tagged = true;
	uint64_t tag = ch_cbor_tag(r);
	for (size_t i = 0; i < CH_COUNT_OF(other_tag); i++) {
		if (tag == other_tag[i].tag)
			ch_cbor_refuse(r, CH_ERR_UNSUPPORTED, 0, other_tag[i].rule);
	}
	if (tag != CH_COSE_MAC0 && tag != CH_COSE_SIGN1)
		ch_cbor_refuse(r, CH_ERR_MALFORMED, 0, "the tag is not one of a COSE message (RFC 9052, table 1)");
	else if (kind != CH_COSE_TAGGED && tag != (uint64_t)kind)
		ch_cbor_refuse(r, CH_ERR_MISMATCH, 0,
			       "the tag is of another kind of message than expected (RFC 9052, 2)");
	else
		m->kind = (enum ch_cose_kind)tag;
}

static void read_message(struct ch_cbor *r, struct ch_cose *m, enum ch_cose_kind kind)
{
	read_tag(r, m, kind);
	size_t at = r->off;
	size_t fields = ch_cbor_array(r);
	if (r->err == CH_OK && fields != 4)
		ch_cbor_refuse(r, fields == 5 || fields == 3 ? CH_ERR_UNSUPPORTED : CH_ERR_MALFORMED, at,
			       "COSE_Sign1 and COSE_Mac0 are arrays of four (RFC 9052, 4.2 and 6.2)");
	struct bucket p = { 0 };
	struct bucket u = { 0 };
	read_protected(r, m, &p);
	at = r->off;
	read_bucket(r, &u, &p);
	if (u.crit.n != 0)
		ch_cbor_refuse(r, CH_ERR_MALFORMED, at, "crit must be in the protected header (RFC 9052, 3.1)");
	if (p.has_partial_iv && u.has_iv)
		ch_cbor_refuse(r, CH_ERR_MALFORMED, at, "IV and Partial IV together (RFC 9052, 3.1)");
	m->unprotected = ch_span_sub(r->in, at, r->off - at);
	m->h = p.h;
	m->u = u.h;
	m->detached = ch_cbor_peek(r) == CH_CBOR_SIMPLE;
	if (m->detached)
		ch_cbor_null(r);
	else
		m->payload = ch_cbor_bstr(r);
	if (ch_cbor_peek(r) == CH_CBOR_ARRAY)
		ch_cbor_refuse(r, CH_ERR_UNSUPPORTED, r->off,
			       "COSE_Sign and COSE_Mac, with their own signers or recipients, are not supported");
	m->signature = ch_cbor_bstr(r);
}

enum ch_err ch_cose_parse(struct ch_cose *m, struct ch_span in, enum ch_cose_kind kind, struct ch_diag *d)
{
	*m = (struct ch_cose){ 0 };
	ch_diag_clear(d);
	struct ch_cbor r = ch_cbor(in, CH_CBOR_DEFINITE);
	struct ch_cose out = { 0 };
	read_message(&r, &out, kind);
	enum ch_err err = ch_cbor_end(&r, d);
	if (err == CH_OK)
		*m = out;
	return err;
}
