/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/cert_import.h"

#include "core/base/text.h"

#define TIME_MAX UINT64_C(253402300799) /* the end of the year 9999 */

static bool name_fits(struct ch_span s)
{
	for (size_t off = 0; off < s.n;) {
		uint32_t code;
		size_t n = ch_utf8_decode(ch_span_sub(s, off, s.n - off), &code);
		if (n == 0 || !ch_text_shown(code))
			return false;
		off += n;
	}
	return true;
}

static const char *broken(const struct ch_cert_import *c, enum ch_err *err)
{
	*err = CH_ERR_RANGE;
	if (ch_span_all(CH_SPAN_OF(c->serial.b), 0))
		return "the serial number is 0 (RFC 5280, 4.1.2.2)";
	if (c->not_before >= c->not_after || c->not_after > TIME_MAX)
		return "the certificate ends before it begins, or after the year 9999";
	if (c->name.n == 0 || c->name.n > CH_CERT_IMPORT_NAME)
		return "the name has not 1 to 255 bytes";
	if (c->spki.n == 0 || c->spki.n > CH_CERT_IMPORT_SPKI)
		return "the public key has not 1 to 2048 bytes";
	if (c->certificate.n == 0 || c->certificate.n > CH_CERT_IMPORT_DER)
		return "the certificate has not 1 to 16384 bytes";
	*err = CH_ERR_ENCODING;
	return name_fits(c->name) ? NULL : "the name has a character that is not shown";
}

enum ch_err ch_cert_import_parse(struct ch_cert_import *c, struct ch_span in, struct ch_diag *d)
{
	ch_diag_clear(d);
	*c = (struct ch_cert_import){ .not_after = 0 };
	struct ch_cert_import read = *c;
	struct ch_rd r = ch_rd(in);
	enum ch_err err;
	(void)ch_span_copy(read.ca, sizeof(read.ca), ch_rd_take(&r, sizeof(read.ca)));
	(void)ch_span_copy(read.serial.b, sizeof(read.serial.b), ch_rd_take(&r, sizeof(read.serial.b)));
	read.not_before = ch_rd_be64(&r);
	read.not_after = ch_rd_be64(&r);
	read.name = ch_rd_take(&r, ch_rd_u8(&r));
	read.spki = ch_rd_take(&r, ch_rd_be16(&r));
	read.certificate = ch_rd_take(&r, ch_rd_be16(&r));
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, r.off, "a certificate to import ends early");
	if (!ch_rd_done(&r))
		return ch_fail(d, CH_ERR_TRAILING, r.off, "bytes after a certificate to import");
	const char *rule = broken(&read, &err);
	if (rule != NULL)
		return ch_fail(d, err, 0, rule);
	*c = read;
	return CH_OK;
}

enum ch_err ch_cert_import_put(struct ch_wr *w, const struct ch_cert_import *c)
{
	enum ch_err err;
	if (broken(c, &err) != NULL)
		return CH_ERR_RANGE;
	ch_wr_put(w, CH_SPAN_OF(c->ca));
	ch_wr_put(w, CH_SPAN_OF(c->serial.b));
	ch_wr_be64(w, c->not_before);
	ch_wr_be64(w, c->not_after);
	ch_wr_u8(w, (uint8_t)c->name.n);
	ch_wr_put(w, c->name);
	ch_wr_be16(w, (uint16_t)c->spki.n);
	ch_wr_put(w, c->spki);
	ch_wr_be16(w, (uint16_t)c->certificate.n);
	ch_wr_put(w, c->certificate);
	return w->bad ? CH_ERR_NOSPACE : CH_OK;
}

void ch_revoked_row_put(struct ch_wr *w, const struct ch_revoked *r)
{
	ch_wr_put(w, CH_SPAN_OF(r->serial.b));
	ch_wr_be64(w, (uint64_t)r->time);
	ch_wr_u8(w, r->reason);
	ch_wr_be64(w, (uint64_t)r->expires);
}

enum ch_err ch_revoked_row_take(struct ch_rd *in, struct ch_revoked *r)
{
	*r = (struct ch_revoked){ .reason = 0 };
	struct ch_span serial = ch_rd_take(in, sizeof(r->serial.b));
	uint64_t time = ch_rd_be64(in);
	uint8_t reason = ch_rd_u8(in);
	uint64_t expires = ch_rd_be64(in);
	if (in->bad)
		return CH_ERR_TRUNCATED;
	if (ch_span_all(serial, 0) || !ch_crl_reason_final(reason) || time > TIME_MAX || expires > TIME_MAX)
		return CH_ERR_RANGE;
	(void)ch_span_copy(r->serial.b, sizeof(r->serial.b), serial);
	r->time = (int64_t)time;
	r->reason = reason;
	r->expires = (int64_t)expires;
	return CH_OK;
}
