/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both forms of IMA lists. What is read must lie in the list or in the scratch memory, and must be written again as the very
 * record or line it came from; an ascii entry, written as a binary record, must read the same. What is refused must be said with
 * a rule, an entry and a place in the list, and leave the iterator where it was. File signatures likewise.
 */
#include "core/base/text.h"
#include "core/base/wr.h"
#include "core/os/ima.h"
#include "core/os/ima_record.h"

#include <stdlib.h>
#include <string.h>

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *memory(size_t n)
{
	void *p = malloc(n + 1);
	CHECK(p != NULL);
	return p;
}

static void put_field(struct ch_wr *w, struct ch_span s)
{
	ch_wr_le32(w, (uint32_t)s.n);
	ch_wr_put(w, s);
}

static bool is(struct ch_span s, const char *text)
{
	return ch_span_eq(s, ch_span_str(text));
}

/* "verity:" is part of file_alg; "ima:" is not, but was there in version 2. */
static void put_alg(struct ch_wr *w, const struct ch_ima_entry *e)
{
	bool v2 = is(e->template_name, "ima-ngv2") || is(e->template_name, "ima-sigv2");
	if (v2 && !ch_span_starts(e->file_alg, CH_SPAN_LIT("verity:")))
		ch_wr_str(w, "ima:");
	ch_wr_put(w, e->file_alg);
	ch_wr_u8(w, ':');
}

/* The template data as the decoded fields have them. */
static void put_data(struct ch_wr *w, const struct ch_ima_entry *e)
{
	if (is(e->template_name, "ima")) {
		ch_wr_put(w, e->file_digest);
		put_field(w, e->path);
		return;
	}
	size_t at = w->len;
	ch_wr_le32(w, 0);
	put_alg(w, e);
	ch_wr_u8(w, 0);
	ch_wr_put(w, e->file_digest);
	CHECK(!w->bad);
	struct ch_wr length = ch_wr(w->p + at, 4);
	ch_wr_le32(&length, (uint32_t)(w->len - at - 4));
	ch_wr_le32(w, (uint32_t)e->path.n + 1);
	ch_wr_put(w, e->path);
	ch_wr_u8(w, 0);
	if (is(e->template_name, "ima-buf"))
		put_field(w, e->buf);
	else if (is(e->template_name, "ima-sig") || is(e->template_name, "ima-sigv2"))
		put_field(w, e->sig);
}

static struct ch_span binary_of(struct ch_wr *w, const struct ch_ima_entry *e)
{
	ch_wr_le32(w, e->pcr);
	ch_wr_put(w, e->template_hash);
	put_field(w, e->template_name);
	if (!is(e->template_name, "ima"))
		ch_wr_le32(w, (uint32_t)e->data.n);
	if (e->known)
		put_data(w, e);
	else
		ch_wr_put(w, e->data);
	CHECK(!w->bad);
	return ch_wr_span(w);
}

static void check_same(const struct ch_ima_entry *a, const struct ch_ima_entry *b)
{
	CHECK(a->pcr == b->pcr && a->violation == b->violation && a->known == b->known);
	CHECK(a->template_alg == b->template_alg);
	CHECK(ch_span_eq(a->template_hash, b->template_hash) && ch_span_eq(a->template_name, b->template_name));
	CHECK(ch_span_eq(a->data, b->data) && ch_span_eq(a->path, b->path));
	CHECK(ch_span_eq(a->file_alg, b->file_alg) && ch_span_eq(a->file_digest, b->file_digest));
	CHECK(ch_span_eq(a->sig, b->sig) && ch_span_eq(a->buf, b->buf));
}

/* An ascii entry has the binary record of the same data. */
static void check_as_binary(const struct ch_ima_entry *e)
{
	size_t cap = e->data.n + e->template_hash.n + e->template_name.n + 64;
	uint8_t *copy = memory(cap);
	struct ch_wr w = ch_wr(copy, cap);
	struct ch_span record = binary_of(&w, e);
	struct ch_ima_iter it = ch_ima_iter(record, NULL, 0);
	/* A hash of 20 bytes might be what others begin with. */
	it.hash_size = e->template_hash.n;
	struct ch_ima_entry again;
	CHECK(it.form == CH_IMA_BINARY);
	CHECK(ch_ima_next(&it, &again, NULL) == CH_OK && it.off == record.n);
	check_same(e, &again);
	free(copy);
}

static void check_record(const struct ch_ima_iter *it, const struct ch_ima_entry *e)
{
	size_t n = it->off - e->off;
	uint8_t *copy = memory(n);
	struct ch_wr w = ch_wr(copy, n);
	CHECK(ch_span_eq(binary_of(&w, e), ch_span_sub(it->in, e->off, n)));
	free(copy);
}

static void check_signature(const struct ch_ima_entry *e)
{
	static const uint8_t coordinate[32] = { 1 };
	struct ch_ima_sig sig;
	struct ch_diag d;
	enum ch_err err = ch_ima_sig_parse(&sig, e->sig, &d);
	CHECK((err == CH_OK) == (d.rule == NULL));
	CHECK(d.off <= e->sig.n);
	if (err != CH_OK)
		return;
	CHECK(sig.sig.n + 9 == e->sig.n);
	/* Only the encoding is of interest: a key without a state verifies nothing. */
	struct ch_verify_key none = { .type = CH_KEY_P256 };
	CHECK(ch_ima_sig_verify(&sig, &none, e) != CH_OK);
	struct ch_pub pub = { .type = CH_KEY_RSA, .a = sig.sig, .b = CH_SPAN_OF(coordinate) };
	uint8_t id[4];
	CHECK(ch_ima_key_id(&pub, id) == CH_OK || sig.sig.n > 0xf000);
	pub.type = CH_KEY_P256;
	(void)!ch_ima_key_id(&pub, id);
}

static void check_registers(const struct ch_ima_entry *e, struct ch_pcrs *pcrs)
{
	struct ch_digest digest;
	if (e->violation)
		CHECK(ch_ima_entry_holds(e));
	if (ch_ima_entry_holds(e) && !e->violation) {
		CHECK(ch_ima_entry_hash(e, e->template_alg, &digest) == CH_OK);
		CHECK(ch_span_eq(ch_digest_span(&digest), e->template_hash));
	}
	ch_ima_extend(pcrs, e, CH_IMA_EXTEND_HASH);
	ch_ima_extend(pcrs, e, CH_IMA_EXTEND_PADDED);
	for (size_t i = 0; i < pcrs->count; i++)
		CHECK((pcrs->bank[i].touched >> e->pcr & 1) != 0);
}

static void check_refusal(struct ch_ima_iter *it, enum ch_err err, const struct ch_diag *d)
{
	struct ch_ima_iter before = *it;
	struct ch_ima_entry e;
	if (err == CH_ERR_NOTFOUND) {
		CHECK(it->off == it->in.n && d->rule == NULL);
		return;
	}
	CHECK(d->rule != NULL && d->off >= it->off && d->off <= it->in.n && d->item == it->n);
	CHECK(ch_ima_next(it, &e, NULL) == err);
	CHECK(it->off == before.off && it->n == before.n && e.data.n == 0);
	if (ch_ima_next_frame(it, &e, NULL) == CH_OK)
		CHECK(it->form == CH_IMA_BINARY && it->off > before.off && !e.known);
	*it = before;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Less than the limit, so that it is met; of exact size, so that a sanitizer sees the first byte too many. */
	size_t cap = size < 4096 ? size / 2 : 2048;
	uint8_t *scratch = memory(cap);
	uint8_t *in = memory(size);
	struct ch_pcrs pcrs;
	struct ch_ima_entry e;
	struct ch_diag d;
	enum ch_err err;
	if (size > 0)
		memcpy(in + 1, data, size);
	ch_pcrs_init(&pcrs);
	(void)ch_pcrs_add(&pcrs, CH_HASH_SHA1);
	(void)ch_pcrs_add(&pcrs, CH_HASH_SHA256);
	struct ch_ima_iter it = ch_ima_iter(ch_span(in + 1, size), scratch, cap);
	while ((err = ch_ima_next(&it, &e, &d)) == CH_OK) {
		CHECK(d.rule == NULL && e.n + 1 == it.n && e.off < it.off && it.off <= size && e.pcr < CH_PCR_COUNT);
		if (it.form == CH_IMA_ASCII)
			check_as_binary(&e);
		else
			check_record(&it, &e);
		check_registers(&e, &pcrs);
		check_signature(&e);
	}
	check_refusal(&it, err, &d);
	free(scratch);
	free(in);
	return 0;
}
