/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/crl.h"

#define OID_CRL_NUMBER "\x55\x1d\x14"
#define OID_REASON     "\x55\x1d\x15"
#define OID_AKI        "\x55\x1d\x23"

#define LIST_BYTES  512 /* of a list without names and entries, signed */
#define ENTRY_BYTES 64

/* SEQUENCE { ecdsa-with-SHA256 } (RFC 5758, 3.2: no parameters). */
static const uint8_t ecdsa_sha256[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };

static const struct {
	uint8_t number;
	bool final;
	const char *name;
} reasons[] = {
	{ CH_CRL_UNSPECIFIED, true, "unspecified" },
	{ CH_CRL_KEY_COMPROMISE, true, "keyCompromise" },
	{ CH_CRL_CA_COMPROMISE, true, "cACompromise" },
	{ CH_CRL_AFFILIATION_CHANGED, true, "affiliationChanged" },
	{ CH_CRL_SUPERSEDED, true, "superseded" },
	{ CH_CRL_CESSATION, true, "cessationOfOperation" },
	{ CH_CRL_HOLD, false, "certificateHold" },
	{ CH_CRL_REMOVE, false, "removeFromCRL" },
	{ CH_CRL_PRIVILEGE_WITHDRAWN, true, "privilegeWithdrawn" },
	{ CH_CRL_AA_COMPROMISE, true, "aACompromise" },
};

bool ch_crl_reason_final(unsigned reason)
{
	for (size_t i = 0; i < CH_COUNT_OF(reasons); i++) {
		if (reasons[i].number == reason)
			return reasons[i].final;
	}
	return false;
}

const char *ch_crl_reason_str(unsigned reason)
{
	for (size_t i = 0; i < CH_COUNT_OF(reasons); i++) {
		if (reasons[i].number == reason)
			return reasons[i].name;
	}
	return NULL;
}

bool ch_serial_make(struct ch_serial *s, struct ch_span number)
{
	*s = (struct ch_serial){ { 0 } };
	while (number.n > 0 && number.p[0] == 0)
		number = ch_span_sub(number, 1, number.n - 1);
	if (number.n == 0 || number.n > sizeof(s->b))
		return false;
	(void)ch_span_copy(s->b + sizeof(s->b) - number.n, number.n, number);
	return true;
}

size_t ch_crl_size_max(const struct ch_crl_new *c)
{
	return LIST_BYTES + c->issuer.n + c->issuer_kid.n + c->count * ENTRY_BYTES;
}

static void put_extension(struct ch_der_wr *d, struct ch_span oid, struct ch_span value)
{
	ch_der_put_begin(d, CH_DER_SEQUENCE);
	ch_der_put(d, CH_DER_OID, oid);
	ch_der_put(d, CH_DER_OCTET_STRING, value);
	ch_der_put_end(d);
}

static void put_entry(struct ch_der_wr *d, const struct ch_revoked *r)
{
	const uint8_t reason[] = { CH_DER_ENUMERATED, 1, r->reason };
	ch_der_put_begin(d, CH_DER_SEQUENCE);
	ch_der_put_unsigned(d, CH_SPAN_OF(r->serial.b));
	ch_der_put_time(d, r->time);
	/* unspecified is said by leaving the reason out (5.3.1) */
	if (r->reason != CH_CRL_UNSPECIFIED) {
		ch_der_put_begin(d, CH_DER_SEQUENCE);
		put_extension(d, CH_SPAN_LIT(OID_REASON), CH_SPAN_OF(reason));
		ch_der_put_end(d);
	}
	ch_der_put_end(d);
}

static void put_extensions(struct ch_der_wr *d, const struct ch_crl_new *c)
{
	uint8_t text[64];
	uint8_t number[8];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_wr n = ch_wr(number, sizeof(number));
	struct ch_der_wr v = ch_der_wr(&w);
	ch_der_put_begin(d, CH_DER_CONTEXT_IN(0));
	ch_der_put_begin(d, CH_DER_SEQUENCE);
	ch_der_put_begin(&v, CH_DER_SEQUENCE);
	ch_der_put(&v, CH_DER_CONTEXT(0), c->issuer_kid);
	ch_der_put_end(&v);
	d->w->bad = d->w->bad || w.bad;
	put_extension(d, CH_SPAN_LIT(OID_AKI), ch_wr_span(&w));
	w = ch_wr(text, sizeof(text));
	v = ch_der_wr(&w);
	ch_wr_be64(&n, c->number);
	ch_der_put_unsigned(&v, ch_wr_span(&n));
	put_extension(d, CH_SPAN_LIT(OID_CRL_NUMBER), ch_wr_span(&w));
	ch_der_put_end(d);
	ch_der_put_end(d);
}

static bool fits(const struct ch_crl_new *c)
{
	for (size_t i = 0; i < c->count; i++) {
		if (!ch_crl_reason_final(c->entry[i].reason) || ch_span_all(CH_SPAN_OF(c->entry[i].serial.b), 0))
			return false;
	}
	return c->issuer.n > 0 && c->issuer_kid.n > 0 && c->this_update < c->next_update;
}

enum ch_err ch_crl_tbs_put(struct ch_wr *w, const struct ch_crl_new *c)
{
	struct ch_der_wr d = ch_der_wr(w);
	if (c->count > CH_CRL_ENTRIES_MAX)
		return CH_ERR_LIMIT;
	if (!fits(c))
		return CH_ERR_RANGE;
	ch_der_put_begin(&d, CH_DER_SEQUENCE);
	ch_der_put_small(&d, 1); /* v2 */
	ch_der_put_raw(&d, c->sig_alg.n > 0 ? c->sig_alg : CH_SPAN_OF(ecdsa_sha256));
	ch_der_put_raw(&d, c->issuer);
	ch_der_put_time(&d, c->this_update);
	ch_der_put_time(&d, c->next_update);
	/* Without entries the list of them is absent (5.1.2.6). */
	if (c->count > 0) {
		ch_der_put_begin(&d, CH_DER_SEQUENCE);
		for (size_t i = 0; i < c->count; i++)
			put_entry(&d, &c->entry[i]);
		ch_der_put_end(&d);
	}
	put_extensions(&d, c);
	ch_der_put_end(&d);
	return ch_der_wr_done(&d) ? CH_OK : CH_ERR_NOSPACE;
}

enum ch_err ch_crl_put(struct ch_wr *w, struct ch_span tbs, struct ch_span sig_alg, struct ch_span sig)
{
	struct ch_der_wr d = ch_der_wr(w);
	ch_der_put_begin(&d, CH_DER_SEQUENCE);
	ch_der_put_raw(&d, tbs);
	ch_der_put_raw(&d, sig_alg);
	ch_der_put_bits(&d, sig);
	ch_der_put_end(&d);
	return ch_der_wr_done(&d) ? CH_OK : CH_ERR_NOSPACE;
}
