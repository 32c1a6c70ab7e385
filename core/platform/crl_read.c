/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/crl.h"

#define SERIAL_MAX 20 /* RFC 5280, 4.1.2.2 */

/* 2.5.29.n, by its last octet: all that this page knows are of this arc (RFC 5280, 5.2, 5.3). */
#define CE_ISSUER_ALT_NAME 0x12
#define CE_CRL_NUMBER      0x14
#define CE_REASON          0x15
#define CE_INVALIDITY      0x18
#define CE_DELTA           0x1b
#define CE_PART            0x1c
#define CE_ENTRY_ISSUER    0x1d
#define CE_AKI             0x23
#define CE_FRESHEST        0x2e

static uint8_t ce_of(struct ch_span oid)
{
	return oid.n == 3 && oid.p[0] == 0x55 && oid.p[1] == 0x1d ? oid.p[2] : 0;
}

/* --- extensions --- */

/* One Extension but for what its value says, which is left in *value. */
static struct ch_x509_ext read_ext(struct ch_der_rd *seq, struct ch_der *value)
{
	struct ch_x509_ext ext = { .known = false };
	ext.oid = ch_der_oid(seq, "Extension.extnID (RFC 5280, 4.1.2.9)");
	if (ch_der_peek(seq) == CH_DER_BOOLEAN) {
		ext.critical = ch_der_boolean(seq, "Extension.critical (RFC 5280, 4.1.2.9)");
		ch_der_require(seq, ext.critical, CH_ERR_ENCODING,
			       "Extension.critical is encoded as its default (X.690, 11.5)");
	}
	*value =
		ch_der_take(seq, CH_DER_OCTET_STRING, "Extension.extnValue is not an OCTET STRING (RFC 5280, 4.1.2.9)");
	ext.value = value->body;
	return ext;
}

static uint8_t read_reason(struct ch_der_rd *in)
{
	struct ch_span v = ch_der_take(in, CH_DER_ENUMERATED, "CRLReason is not an ENUMERATED (RFC 5280, 5.3.1)").body;
	ch_der_require(in, v.n == 1 && ch_crl_reason_str(v.p[0]) != NULL, CH_ERR_RANGE,
		       "CRLReason is none of its values (RFC 5280, 5.3.1)");
	uint8_t reason = ch_der_ok(in) ? v.p[0] : 0;
	ch_der_require(in, reason != CH_CRL_REMOVE, CH_ERR_UNSUPPORTED,
		       "removeFromCRL in a list that is no delta (RFC 5280, 5.3.1)");
	return reason;
}

static void read_entry_value(struct ch_crl_entry *e, struct ch_x509_ext *ext, struct ch_der_rd *seq,
			     struct ch_der value)
{
	uint8_t ce = ce_of(ext->oid);
	ch_der_require(seq, ce != CE_ENTRY_ISSUER, CH_ERR_UNSUPPORTED,
		       "an entry of another issuer's certificate: the list is indirect (RFC 5280, 5.3.3)");
	if (ce != CE_REASON && ce != CE_INVALIDITY)
		return;
	struct ch_der_rd in = ch_der_inside(seq, value);
	ext->known = true;
	if (ce == CE_REASON) {
		e->has_reason = true;
		e->reason = read_reason(&in);
	} else {
		e->has_invalidity = true;
		ch_der_require(&in, ch_der_peek(&in) == CH_DER_GENERAL_TIME, CH_ERR_MALFORMED,
			       "invalidityDate is not a GeneralizedTime (RFC 5280, 5.3.2)");
		e->invalidity = ch_der_time(&in, "invalidityDate is not a time (RFC 5280, 5.3.2)");
	}
	ch_der_leave(seq, &in, "bytes after the value of an extension (RFC 5280, 4.1.2.9)");
}

static void read_list_value(struct ch_crl *c, struct ch_x509_ext *ext, struct ch_der_rd *seq, struct ch_der value)
{
	uint8_t ce = ce_of(ext->oid);
	ch_der_require(seq, ce != CE_DELTA, CH_ERR_UNSUPPORTED,
		       "a delta: it says what changed since another list (deltaCRLIndicator, RFC 5280, 5.2.4)");
	ch_der_require(seq, ce != CE_PART, CH_ERR_UNSUPPORTED,
		       "a list of a part of the certificates (issuingDistributionPoint, RFC 5280, 5.2.5)");
	ext->known = ce == CE_AKI || ce == CE_CRL_NUMBER || ce == CE_ISSUER_ALT_NAME || ce == CE_FRESHEST;
	if (ce != CE_AKI && ce != CE_CRL_NUMBER)
		return;
	struct ch_der_rd in = ch_der_inside(seq, value);
	if (ce == CE_AKI) {
		ch_x509_authority_key_id_read(&c->x, &in);
	} else {
		c->number = ch_der_unsigned(&in, "cRLNumber is not a number (RFC 5280, 5.2.3)");
		ch_der_require(&in, c->number.n <= SERIAL_MAX, CH_ERR_RANGE,
			       "cRLNumber is longer than 20 octets (RFC 5280, 5.2.3)");
	}
	ch_der_leave(seq, &in, "bytes after the value of an extension (RFC 5280, 4.1.2.9)");
}

/* Extensions of the list `c`, or without one of the entry `e`: both are read into `ext`. */
static void read_exts(struct ch_crl *c, struct ch_crl_entry *e, struct ch_der_rd *d)
{
	struct ch_x509_ext room[CH_CERT_EXTS_MAX];
	struct ch_x509_ext *ext = c == NULL ? room : c->x.ext;
	size_t count = 0;
	struct ch_der_rd list = ch_der_enter(d, CH_DER_SEQUENCE, "Extensions is not a SEQUENCE (RFC 5280, 4.1.2.9)");
	ch_der_require(&list, ch_der_more(&list), CH_ERR_MISSING, "Extensions without one (RFC 5280, 4.1.2.9)");
	while (ch_der_more(&list)) {
		struct ch_der value;
		struct ch_der_rd seq =
			ch_der_enter(&list, CH_DER_SEQUENCE, "Extension is not a SEQUENCE (RFC 5280, 4.1.2.9)");
		struct ch_x509_ext one = read_ext(&seq, &value);
		for (size_t i = 0; i < count; i++)
			ch_der_require(&seq, !ch_span_eq(ext[i].oid, one.oid), CH_ERR_DUPLICATE,
				       "an extension occurs twice (RFC 5280, 4.2)");
		if (ch_der_ok(&seq) && c == NULL)
			read_entry_value(e, &one, &seq, value);
		else if (ch_der_ok(&seq))
			read_list_value(c, &one, &seq, value);
		ch_der_require(&seq, one.known || !one.critical, CH_ERR_UNSUPPORTED,
			       "a critical extension that is not known: the list must not be used (RFC 5280, 5.2)");
		ch_der_leave(&list, &seq, "bytes after Extension.extnValue (RFC 5280, 4.1.2.9)");
		ch_der_require(&list, count < CH_CERT_EXTS_MAX, CH_ERR_LIMIT, "more than CH_CERT_EXTS_MAX extensions");
		if (ch_der_ok(&list))
			ext[count++] = one;
	}
	ch_der_leave(d, &list, NULL);
	if (c != NULL)
		c->x.ext_count = count;
}

/* --- entries --- */

static struct ch_crl_entry read_entry(struct ch_der_rd *list, uint8_t version)
{
	struct ch_crl_entry e = { .reason = CH_CRL_UNSPECIFIED };
	struct ch_der_rd seq = ch_der_enter(list, CH_DER_SEQUENCE,
					    "an entry of revokedCertificates is not a SEQUENCE (RFC 5280, 5.1)");
	e.serial = ch_der_integer(&seq, "userCertificate is not an INTEGER (RFC 5280, 5.1.2.6)");
	bool fits = e.serial.n > 0 && e.serial.p[0] < 0x80 && !ch_span_all(e.serial, 0) &&
		    e.serial.n <= SERIAL_MAX + (e.serial.p[0] == 0 ? 1u : 0u);
	ch_der_require(&seq, fits, CH_ERR_RANGE,
		       "userCertificate is not positive, or longer than 20 octets (RFC 5280, 4.1.2.2)");
	e.time = ch_der_time(&seq, "revocationDate is not a time (RFC 5280, 5.1.2.6)");
	if (ch_der_more(&seq)) {
		ch_der_require(&seq, version == 2, CH_ERR_MALFORMED,
			       "extensions of an entry in version 1 (RFC 5280, 5.1.2.1)");
		if (ch_der_ok(&seq))
			read_exts(NULL, &e, &seq);
	}
	ch_der_leave(list, &seq, "bytes after crlEntryExtensions (RFC 5280, 5.1)");
	return e;
}

static void read_entries(struct ch_crl *c, struct ch_der_rd *tbs)
{
	struct ch_der whole =
		ch_der_take(tbs, CH_DER_SEQUENCE, "revokedCertificates is not a SEQUENCE (RFC 5280, 5.1.2.6)");
	struct ch_der_rd list = ch_der_inside(tbs, whole);
	ch_der_require(&list, ch_der_more(&list), CH_ERR_MISSING,
		       "revokedCertificates without one: it must be absent then (RFC 5280, 5.1.2.6)");
	c->entries_at = whole.off + whole.whole.n - whole.body.n;
	while (ch_der_more(&list)) {
		(void)read_entry(&list, c->version);
		ch_der_require(&list, c->count < CH_CRL_ENTRIES_MAX, CH_ERR_LIMIT,
			       "more than CH_CRL_ENTRIES_MAX entries");
		c->count += ch_der_ok(&list) ? 1 : 0;
	}
	ch_der_leave(tbs, &list, NULL);
	if (ch_der_ok(tbs))
		c->entries = whole.body;
}

struct ch_crl_rd ch_crl_entries(const struct ch_crl *c)
{
	return (struct ch_crl_rd){ ch_der_rd(c->entries, c->entries_at), c->version };
}

bool ch_crl_next(struct ch_crl_rd *r, struct ch_crl_entry *e)
{
	*e = (struct ch_crl_entry){ .reason = CH_CRL_UNSPECIFIED };
	if (!ch_der_more(&r->list))
		return false;
	struct ch_crl_entry next = read_entry(&r->list, r->version);
	if (!ch_der_ok(&r->list))
		return false;
	*e = next;
	return true;
}

/* --- the list --- */

static bool is_time(uint8_t tag)
{
	return tag == CH_DER_UTC_TIME || tag == CH_DER_GENERAL_TIME;
}

/* TBSCertList (RFC 5280, 5.1.2); *sig_alg receives `signature`. */
static void read_list(struct ch_crl *c, struct ch_der_rd *tbs, struct ch_span *sig_alg)
{
	static const char version[] = "version is not v2 (RFC 5280, 5.1.2.1)";
	c->version = 1;
	if (ch_der_peek(tbs) == CH_DER_INTEGER) {
		ch_der_require(tbs, ch_der_small(tbs, 255, version) == 1, CH_ERR_UNSUPPORTED, version);
		c->version = 2;
	}
	*sig_alg = ch_x509_sig_alg_read(&c->x, tbs);
	c->x.issuer = ch_x509_name_read(tbs, &c->x.odd);
	ch_der_require(tbs, !ch_x509_name_empty(c->x.issuer), CH_ERR_MISSING, "issuer has no name (RFC 5280, 5.1.2.3)");
	c->this_update = ch_der_time(tbs, "thisUpdate is not a time (RFC 5280, 5.1.2.4)");
	c->has_next = is_time(ch_der_peek(tbs));
	if (c->has_next)
		c->next_update = ch_der_time(tbs, "nextUpdate is not a time (RFC 5280, 5.1.2.5)");
	if (ch_der_peek(tbs) == CH_DER_SEQUENCE)
		read_entries(c, tbs);
	if (ch_der_peek(tbs) == CH_DER_CONTEXT_IN(0)) {
		struct ch_der_rd in = ch_der_enter(tbs, CH_DER_CONTEXT_IN(0), NULL);
		ch_der_require(&in, c->version == 2, CH_ERR_MALFORMED, "extensions in version 1 (RFC 5280, 5.1.2.7)");
		if (ch_der_ok(&in))
			read_exts(c, NULL, &in);
		ch_der_leave(tbs, &in, "bytes after crlExtensions (RFC 5280, 5.1)");
	}
}

enum ch_err ch_crl_parse(struct ch_crl *c, struct ch_span in, struct ch_diag *diag)
{
	ch_diag_clear(diag);
	*c = (struct ch_crl){ .version = 0 };
	if (in.n > CH_CRL_MAX)
		return ch_fail(diag, CH_ERR_LIMIT, CH_CRL_MAX, "a list longer than CH_CRL_MAX");
	struct ch_crl read = *c;
	struct ch_der_rd d = ch_der_rd(in, 0);
	struct ch_der_rd crl = ch_der_enter(&d, CH_DER_SEQUENCE, "CertificateList is not a SEQUENCE (RFC 5280, 5.1)");
	struct ch_der body = ch_der_take(&crl, CH_DER_SEQUENCE, "TBSCertList is not a SEQUENCE (RFC 5280, 5.1.2)");
	struct ch_der_rd tbs = ch_der_inside(&crl, body);
	struct ch_span inner = CH_SPAN_EMPTY;
	read_list(&read, &tbs, &inner);
	bool in_entries = read.entries_at > 0 && read.entries.n == 0;
	ch_der_leave(&crl, &tbs, "an unknown field in what is signed (RFC 5280, 5.1.2)");
	struct ch_span outer = ch_x509_sig_alg_read(&read.x, &crl);
	ch_der_require(&crl, ch_span_eq(inner, outer), CH_ERR_MISMATCH,
		       "signatureAlgorithm is not the one that is signed (RFC 5280, 5.1.1.2)");
	ch_x509_sig_value_read(&read.x, &crl);
	ch_der_leave(&d, &crl, "bytes after signatureValue (RFC 5280, 5.1)");
	enum ch_err err = ch_der_end(&d, diag, "bytes after the list");
	if (err != CH_OK && in_entries && diag != NULL)
		diag->item = read.count;
	if (err != CH_OK)
		return err;
	read.x.raw = in;
	read.x.tbs = body.whole;
	*c = read;
	return CH_OK;
}

enum ch_err ch_crl_verify(const struct ch_crl *c, const struct ch_x509 *ca, struct ch_diag *d)
{
	ch_diag_clear(d);
	struct ch_span kid = c->x.authority_key_id;
	if (!ch_x509_name_eq(c->x.issuer, ca->subject))
		return ch_fail(d, CH_ERR_UNTRUSTED, 0, "its issuer is not the subject of the CA (RFC 5280, 5.1.2.3)");
	if (kid.n > 0 && ca->subject_key_id.n > 0 && !ch_span_eq(kid, ca->subject_key_id))
		return ch_fail(d, CH_ERR_UNTRUSTED, 0, "it names another key than the CA's (RFC 5280, 5.2.1)");
	if (ca->has_key_usage && (ca->key_usage & CH_KU_CRL_SIGN) == 0)
		return ch_fail(d, CH_ERR_UNTRUSTED, 0, "the CA's key may not sign lists (RFC 5280, 6.3.3)");
	if (c->x.sig.hash == CH_HASH_SHA1)
		return ch_fail(d, CH_ERR_UNSUPPORTED, 0, "the signature is over SHA-1, whose collisions can be made");
	enum ch_err err = ch_x509_verify(&c->x, &ca->pub);
	if (err == CH_OK)
		return CH_OK;
	return ch_fail(d, err, 0,
		       err == CH_ERR_UNSUPPORTED ? "the signature or the CA's key is of a kind that is not verified"
		       : err == CH_ERR_KEY       ? "the CA's key is not valid, or does not go with the signature"
						 : "the CA's key did not make its signature (RFC 5280, 5.1.1.3)");
}
