/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/rd.h"
#include "core/base/text.h"
#include "core/boot/efi.h"

/*
 * The name on a certificate of a signature database, for people. Nothing is decided by it: certificates are compared by their
 * digest. So this walks to the subject (RFC 5280, 4.1) and leaves everything else unread.
 */

#define RDNS_MAX 32 /* names of real certificates have fewer than ten */

#define DER_INTEGER  0x02
#define DER_OID      0x06
#define DER_BMP      0x1e
#define DER_SEQUENCE 0x30
#define DER_SET      0x31
#define DER_VERSION  0xa0

/* One element: its content, and its tag in `*tag`. Sets `r->bad` if it does not fit. Lengths up to 4 bytes. */
static struct ch_span take_any(struct ch_rd *r, uint8_t *tag)
{
	*tag = ch_rd_u8(r);
	size_t n = ch_rd_u8(r);
	if (n < 0x80)
		return ch_rd_take(r, n);
	size_t bytes = n & 0x7f;
	if (bytes == 0 || bytes > 4)
		r->bad = true;
	n = 0;
	for (size_t i = 0; i < bytes && !r->bad; i++)
		n = n << 8 | ch_rd_u8(r);
	return ch_rd_take(r, n);
}

static struct ch_span take(struct ch_rd *r, uint8_t want)
{
	uint8_t tag;
	struct ch_span s = take_any(r, &tag);
	if (tag != want)
		r->bad = true;
	return r->bad ? CH_SPAN_EMPTY : s;
}

/* Certificate → tbsCertificate → subject */
static struct ch_span subject_of(struct ch_span der)
{
	struct ch_rd cert = ch_rd(der);
	struct ch_rd body = ch_rd(take(&cert, DER_SEQUENCE));
	struct ch_rd tbs = ch_rd(take(&body, DER_SEQUENCE));
	if (ch_rd_left(&tbs) > 0 && tbs.in.p[tbs.off] == DER_VERSION)
		(void)take(&tbs, DER_VERSION);
	(void)take(&tbs, DER_INTEGER);
	(void)take(&tbs, DER_SEQUENCE); /* signature */
	(void)take(&tbs, DER_SEQUENCE); /* issuer */
	(void)take(&tbs, DER_SEQUENCE); /* validity */
	return take(&tbs, DER_SEQUENCE);
}

static const char *attribute_name(struct ch_span oid)
{
	/* id-at (2.5.4) */
	if (oid.n != 3 || oid.p[0] != 0x55 || oid.p[1] != 0x04)
		return NULL;
	switch (oid.p[2]) {
	case 3:
		return "CN=";
	case 10:
		return "O=";
	case 11:
		return "OU=";
	default:
		return NULL;
	}
}

static void put_bmp(struct ch_wr *w, struct ch_span s)
{
	struct ch_rd r = ch_rd(s);
	while (ch_rd_left(&r) >= 2) {
		uint8_t utf8[4];
		struct ch_wr c = ch_wr(utf8, sizeof(utf8));
		ch_utf8_put(&c, ch_rd_be16(&r));
		ch_text_escape(w, ch_wr_span(&c));
	}
}

void ch_efi_cert_subject_put(struct ch_wr *w, struct ch_span der)
{
	struct ch_rd names = ch_rd(subject_of(der));
	const char *best = NULL;
	struct ch_span value = CH_SPAN_EMPTY;
	uint8_t tag = 0;
	for (size_t i = 0; i < RDNS_MAX && ch_rd_left(&names) > 0; i++) {
		struct ch_rd set = ch_rd(take(&names, DER_SET));
		struct ch_rd pair = ch_rd(take(&set, DER_SEQUENCE));
		uint8_t t;
		const char *name = attribute_name(take(&pair, DER_OID));
		struct ch_span v = take_any(&pair, &t);
		bool common = best != NULL && best[0] == 'C';
		if (name == NULL || pair.bad || common)
			continue;
		best = name;
		value = v;
		tag = t;
	}
	if (best == NULL) {
		ch_wr_u8(w, '?');
		return;
	}
	ch_wr_str(w, best);
	if (tag == DER_BMP)
		put_bmp(w, value);
	else
		ch_text_escape(w, value);
}
