/* SPDX-License-Identifier: Apache-2.0 */
#include "server/edge/revocation.h"

#include "core/platform/x509.h"
#include "core/wire/base64.h"

#include <stdio.h>

#define LINE 64 /* of PEM (RFC 7468, 2) */

/* The CA's certificate, the first one in `pem`: `x` borrows from `der`. */
static enum ch_err read_ca(struct ch_x509 *x, uint8_t der[static CH_CERT_MAX], size_t *n, struct ch_span pem)
{
	enum ch_err err = ch_pem_decode(pem, "CERTIFICATE", der, CH_CERT_MAX, n, NULL);
	return err == CH_OK || err == CH_ERR_DUPLICATE ? ch_x509_parse(x, ch_span(der, *n), NULL) : err;
}

static enum ch_err name_list(struct told_list *l, const struct ch_x509 *x)
{
	struct ch_wr w = ch_wr(l->name, sizeof(l->name) - 1);
	ch_wr_hex(&w, x->subject_key_id);
	return w.bad ? CH_ERR_LIMIT : CH_OK;
}

enum ch_err revocation_init(struct revocation *r, struct ch_span ca_pem, size_t answers_max)
{
	CH_AUTO_FREE uint8_t *der = ch_calloc(CH_CERT_MAX, 1);
	CH_AUTO_FREE struct ch_x509 *x = ch_calloc(1, sizeof(*x));
	size_t n = 0;
	*r = (struct revocation){ .places = answers_max / REVOCATION_WAYS };
	enum ch_err err = read_ca(x, der, &n, ca_pem);
	if (err == CH_OK)
		err = ch_ocsp_issuer_make(&r->own.issuer, x->subject, x->spki);
	return err == CH_OK ? name_list(&r->own, x) : err;
}

enum ch_err revocation_earlier(struct revocation *r, struct ch_span ca_pem)
{
	CH_AUTO_FREE uint8_t *der = ch_calloc(CH_CERT_MAX, 1);
	CH_AUTO_FREE struct ch_x509 *x = ch_calloc(1, sizeof(*x));
	struct ch_digest h;
	size_t n = 0;
	if (r->earlier_count == REVOCATION_EARLIER)
		return CH_ERR_LIMIT;
	struct told_list *l = &r->earlier[r->earlier_count];
	enum ch_err err = read_ca(x, der, &n, ca_pem);
	if (err == CH_OK)
		err = ch_hash_once(CH_HASH_SHA256, ch_span(der, n), &h);
	if (err == CH_OK)
		err = ch_ocsp_issuer_make(&l->issuer, x->subject, x->spki);
	if (err == CH_OK)
		err = name_list(l, x);
	if (err != CH_OK)
		return err;
	(void)ch_span_copy(l->ca, sizeof(l->ca), ch_digest_span(&h));
	r->earlier_count++;
	return CH_OK;
}

void told_list_clear(struct told_list *l)
{
	ch_buf_free(&l->list);
	ch_buf_free(&l->pem);
}

void revocation_clear(struct revocation *r)
{
	for (size_t i = 0; r->kept != NULL && i < r->places * REVOCATION_WAYS; i++)
		ch_buf_free(&r->kept[i].answer);
	ch_free(r->kept);
	told_list_clear(&r->own);
	for (size_t i = 0; i < r->earlier_count; i++)
		told_list_clear(&r->earlier[i]);
	*r = (struct revocation){ 0 };
}

/* --- the list --- */

static void pem_make(struct ch_buf *pem, struct ch_span der)
{

	char line[LINE + 8];
	pem->n = 0;
	ch_buf_append(pem, CH_SPAN_LIT("-----BEGIN X509 CRL-----\n"));
	for (size_t at = 0; at < der.n; at += LINE / 4 * 3) {
		size_t n = der.n - at < LINE / 4 * 3 ? der.n - at : LINE / 4 * 3;
		struct ch_wr w = ch_wr(line, sizeof(line));
		ch_base64_put(&w, CH_BASE64_STD, ch_span_sub(der, at, n));
		ch_wr_str(&w, "\n");
		ch_buf_append(pem, ch_wr_span(&w));
	}
	ch_buf_append(pem, CH_SPAN_LIT("-----END X509 CRL-----\n"));
}

void told_list_take(struct told_list *l, uint64_t number, uint64_t this_update, uint64_t next_update,
		    struct ch_span list)
{
	l->this_update = this_update;
	l->next_update = next_update;
	l->list.n = 0;
	ch_buf_append(&l->list, list);
	pem_make(&l->pem, list);
	(void)snprintf(l->tag, sizeof(l->tag), "\"%llu\"", (unsigned long long)number);
}

void revocation_list(struct revocation *r, const struct ch_msg_crl *m)
{
	told_list_take(&r->own, m->number, m->this_update, m->next_update, m->list);
}

void revocation_list_earlier(struct revocation *r, const struct ch_msg_crl_earlier *m)
{
	for (size_t i = 0; i < r->earlier_count; i++) {
		if (ch_span_eq(CH_SPAN_OF(r->earlier[i].ca), CH_SPAN_OF(m->ca)))
			told_list_take(&r->earlier[i], m->number, m->this_update, m->next_update, m->list);
	}
}

const struct told_list *revocation_named(const struct revocation *r, struct ch_span name)
{
	if (name.n > 0 && ch_span_eq(name, ch_span_str(r->own.name)))
		return &r->own;
	for (size_t i = 0; i < r->earlier_count; i++) {
		if (name.n > 0 && ch_span_eq(name, ch_span_str(r->earlier[i].name)))
			return &r->earlier[i];
	}
	return NULL;
}

/* --- answers --- */

/* Serial numbers of our own certificates are random in all but a few bits; others may be small. */
static size_t place_of(const struct revocation *r, const uint8_t *serial)
{
	uint64_t v = 14695981039346656037u;
	for (size_t i = 0; i < 20; i++)
		v = (v ^ serial[i]) * 1099511628211u;
	return (size_t)(v % r->places) * REVOCATION_WAYS;
}

/* 0, or the place of an earlier CA and 1; above all of them for one that is not known. */
static size_t number_of(const struct revocation *r, const uint8_t ca[static 32])
{
	size_t i = 0;
	if (ch_span_all(ch_span(ca, 32), 0))
		return 0;
	while (i < r->earlier_count && !ch_span_eq(CH_SPAN_OF(r->earlier[i].ca), ch_span(ca, 32)))
		i++;
	return i + 1;
}

const struct told_list *revocation_issuer(const struct revocation *r, const struct ch_ocsp_cert_id *cert)
{
	if (ch_ocsp_issuer_is(&r->own.issuer, cert))
		return &r->own;
	for (size_t i = 0; i < r->earlier_count; i++) {
		if (ch_ocsp_issuer_is(&r->earlier[i].issuer, cert))
			return &r->earlier[i];
	}
	return NULL;
}

const struct kept_answer *revocation_find(const struct revocation *r, const struct told_list *of,
					  const uint8_t id[static CH_IPC_OCSP_ID])
{
	if (r->kept == NULL)
		return NULL;
	size_t ca = number_of(r, of->ca);
	const struct kept_answer *k = r->kept + place_of(r, id + 3);
	for (size_t i = 0; i < REVOCATION_WAYS; i++) {
		if (k[i].next_update != 0 && k[i].ca == ca &&
		    ch_span_eq(CH_SPAN_OF(k[i].id), ch_span(id, CH_IPC_OCSP_ID)))
			return &k[i];
	}
	return NULL;
}

/* The one of this id, else a free one, else the oldest. */
static struct kept_answer *room_for(struct revocation *r, size_t ca, const uint8_t id[static CH_IPC_OCSP_ID])
{
	struct kept_answer *k = r->kept + place_of(r, id + 3), *best = k;
	for (size_t i = 0; i < REVOCATION_WAYS; i++) {
		if (k[i].next_update != 0 && k[i].ca == ca &&
		    ch_span_eq(CH_SPAN_OF(k[i].id), ch_span(id, CH_IPC_OCSP_ID)))
			return &k[i];
		if (k[i].next_update < best->next_update)
			best = &k[i];
	}
	return best;
}

void revocation_keep(struct revocation *r, const struct ch_msg_ocsp_answer *m)
{
	uint8_t id[CH_IPC_OCSP_ID];
	struct ch_digest d;
	size_t ca = number_of(r, m->ca);
	if (r->places == 0 || ca > r->earlier_count || m->answer.n == 0 ||
	    ch_hash_once(CH_HASH_SHA256, m->answer, &d) != CH_OK)
		return;
	if (r->kept == NULL)
		r->kept = ch_calloc(r->places * REVOCATION_WAYS, sizeof(*r->kept));
	(void)ch_span_copy(id, sizeof(id), CH_SPAN_OF(m->id));
	id[2] &= CH_IPC_OCSP_NULL;
	struct kept_answer *k = room_for(r, ca, id);
	struct ch_wr w = ch_wr(k->tag, sizeof(k->tag) - 1);
	(void)ch_span_copy(k->id, sizeof(k->id), CH_SPAN_OF(id));
	k->ca = (uint8_t)ca;
	k->this_update = m->this_update;
	k->next_update = m->next_update;
	ch_wr_str(&w, "\"");
	ch_wr_hex(&w, ch_span(d.b, 16));
	ch_wr_str(&w, "\"");
	k->tag[w.len] = '\0';
	k->answer.n = 0;
	ch_buf_append(&k->answer, m->answer);
}

void revocation_drop(struct revocation *r, const struct ch_msg_ocsp_drop *m)
{
	if (r->kept == NULL)
		return;
	size_t ca = number_of(r, m->ca);
	struct kept_answer *k = r->kept + place_of(r, m->serial);
	for (size_t i = 0; i < REVOCATION_WAYS; i++) {
		if (k[i].next_update == 0 || k[i].ca != ca ||
		    !ch_span_eq(ch_span(k[i].id + 3, 20), CH_SPAN_OF(m->serial)))
			continue;
		ch_buf_free(&k[i].answer);
		k[i] = (struct kept_answer){ .next_update = 0 };
	}
}

void revocation_id(uint8_t id[static CH_IPC_OCSP_ID], const struct ch_ocsp_cert_id *cert)
{
	struct ch_wr w = ch_wr(id, CH_IPC_OCSP_ID);
	ch_wr_be16(&w, (uint16_t)cert->hash);
	ch_wr_u8(&w, cert->null_params ? CH_IPC_OCSP_NULL : 0);
	ch_wr_put(&w, CH_SPAN_OF(cert->serial.b));
}
