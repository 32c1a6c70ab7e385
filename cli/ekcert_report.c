/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ekcert_report.h"

#include "core/base/text.h"

/* Text of names and findings, one at a time: a name is at most CH_CERT_MAX bytes, three for one as UTF-8, escaped by one more. */
static uint8_t text[CH_CERT_MAX * 4 + 1024];

static struct ch_wr text_start(void)
{
	return ch_wr(text, sizeof(text) - 1);
}

/* What was written, as a C string. */
static const char *text_end(struct ch_wr *w)
{
	text[w->len] = 0;
	return (const char *)text;
}

bool ekcert_report_holds(const struct ekcert_report *r)
{
	return r->violations.count == 0 && (!r->chain_asked || r->trusted);
}

/* "CN=…: text" of an issuer, or only the text of the certificate itself. */
static struct ch_span note_text(const struct ekcert_report *r, const struct ch_ek_notes *n, size_t i)
{
	struct ch_wr w = text_start();
	size_t at = n->note[i].cert;
	if (at > 0 && at < r->chain.count) {
		ch_x509_name_put(&w, r->chain.cert[at]->x.subject);
		ch_wr_str(&w, ": ");
	}
	ch_wr_str(&w, n->note[i].text);
	return ch_wr_span(&w);
}

static size_t notes_kept(const struct ch_ek_notes *n)
{
	return n->count < CH_EK_NOTES_MAX ? n->count : CH_EK_NOTES_MAX;
}

/* --- JSON --- */

static void json_name(struct ch_json_wr *j, const char *name, struct ch_span dn)
{
	struct ch_wr w = text_start();
	ch_json_name(j, name);
	if (dn.n == 0) {
		ch_json_put_null(j);
		return;
	}
	ch_x509_name_put(&w, dn);
	ch_json_put_span(j, ch_wr_span(&w));
}

static void json_oid(struct ch_json_wr *j, struct ch_span oid)
{
	struct ch_wr w = text_start();
	ch_oid_put(&w, oid);
	ch_json_put_span(j, ch_wr_span(&w));
}

static void json_text(struct ch_json_wr *j, const char *name, struct ch_x509_text t)
{
	struct ch_wr w = text_start();
	ch_json_name(j, name);
	ch_der_string_put(&w, t.tag, t.s);
	if (t.tag == 0)
		ch_json_put_null(j);
	else
		ch_json_put_span(j, ch_wr_span(&w));
}

static void json_serial(struct ch_json_wr *j, const char *name, struct ch_span serial)
{
	struct ch_wr w = text_start();
	ch_x509_serial_put(&w, serial);
	ch_json_name(j, name);
	if (serial.n == 0)
		ch_json_put_null(j);
	else
		ch_json_put_span(j, ch_wr_span(&w));
}

static void json_time(struct ch_json_wr *j, const char *name, int64_t seconds)
{
	struct ch_wr w = text_start();
	ch_time_put(&w, seconds);
	ch_json_named_span(j, name, ch_wr_span(&w));
}

static void json_key(struct ch_json_wr *j, const struct ekcert_report *r)
{
	const struct ch_x509 *x = &r->cert->x;
	ch_json_name(j, "key");
	if (x->form == CH_X509_ATTRIBUTE) {
		ch_json_put_null(j);
	} else {
		bool known = x->pub.type != CH_KEY_NONE;
		ch_json_object_begin(j);
		ch_json_named_str(j, "type", known ? ch_key_type_str(x->pub.type) : NULL);
		ch_json_name(j, "bits");
		if (known)
			ch_json_put_u64(j, ch_pub_bits(&x->pub));
		else
			ch_json_put_null(j);
		ch_json_name(j, "algorithm");
		json_oid(j, x->key_alg);
		ch_json_object_end(j);
	}
	ch_json_name(j, "key_fingerprint");
	if (r->fingerprint.n > 0)
		ch_json_put_hex(j, ch_digest_span(&r->fingerprint));
	else
		ch_json_put_null(j);
}

static void json_devices(struct ch_json_wr *j, const struct ch_x509 *x)
{
	struct ch_wr w = text_start();
	ch_json_name(j, "tpm");
	ch_json_object_begin(j);
	ch_json_name(j, "manufacturer");
	ch_ek_manufacturer_put(&w, x->tpm.manufacturer);
	if (x->tpm.manufacturer.tag == 0)
		ch_json_put_null(j);
	else
		ch_json_put_span(j, ch_wr_span(&w));
	json_text(j, "manufacturer_id", x->tpm.manufacturer);
	json_text(j, "model", x->tpm.model);
	json_text(j, "version", x->tpm.version);
	ch_json_object_end(j);
	ch_json_name(j, "platform");
	ch_json_object_begin(j);
	json_text(j, "manufacturer", x->platform.manufacturer);
	json_text(j, "model", x->platform.model);
	json_text(j, "version", x->platform.version);
	json_text(j, "serial", x->platform.serial);
	ch_json_object_end(j);
}

static void json_holder(struct ch_json_wr *j, const struct ch_x509 *x)
{
	ch_json_name(j, "holder");
	if (x->form != CH_X509_ATTRIBUTE) {
		ch_json_put_null(j);
	} else {
		ch_json_object_begin(j);
		json_name(j, "issuer", x->holder_issuer);
		json_serial(j, "serial", x->holder_serial);
		ch_json_object_end(j);
	}
	ch_json_name(j, "attributes");
	ch_json_array_begin(j);
	for (size_t i = 0; i < x->attr_count; i++)
		json_oid(j, x->attr[i]);
	ch_json_array_end(j);
}

static void json_extensions(struct ch_json_wr *j, const struct ch_x509 *x)
{
	ch_json_name(j, "extensions");
	ch_json_array_begin(j);
	for (size_t i = 0; i < x->ext_count; i++) {
		ch_json_object_begin(j);
		ch_json_name(j, "oid");
		json_oid(j, x->ext[i].oid);
		ch_json_named_bool(j, "critical", x->ext[i].critical);
		ch_json_object_end(j);
	}
	ch_json_array_end(j);
}

static void json_defects(struct ch_json_wr *j, const struct ch_ek_cert *c)
{
	ch_json_name(j, "defects");
	ch_json_array_begin(j);
	for (size_t i = 0; i < CH_EK_DEFECT_COUNT; i++) {
		if ((c->defects >> i & 1) == 0)
			continue;
		ch_json_object_begin(j);
		ch_json_named_str(j, "defect", ch_ek_defect_str((enum ch_ek_defect)i));
		ch_json_named_str(j, "vendor", ch_ek_defect_vendor((enum ch_ek_defect)i, c->vendor));
		ch_json_object_end(j);
	}
	ch_json_array_end(j);
}

static void json_chain(struct ch_json_wr *j, const struct ekcert_report *r)
{
	ch_json_named_str(j, "chain", !r->chain_asked ? NULL : r->trusted ? "trusted" : "untrusted");
	ch_json_name(j, "chain_path");
	ch_json_array_begin(j);
	for (size_t i = 0; i < r->chain.count; i++) {
		struct ch_wr w = text_start();
		ch_x509_name_put(&w, r->chain.cert[i]->x.subject);
		if (r->chain.cert[i]->x.subject.n > 0)
			ch_json_put_span(j, ch_wr_span(&w));
		else
			ch_json_put_null(j);
	}
	ch_json_array_end(j);
}

static void json_notes(struct ch_json_wr *j, const char *name, const struct ekcert_report *r,
		       const struct ch_ek_notes *n)
{
	ch_json_name(j, name);
	ch_json_array_begin(j);
	for (size_t i = 0; i < notes_kept(n); i++)
		ch_json_put_span(j, note_text(r, n, i));
	ch_json_array_end(j);
}

void ekcert_report_json(struct ch_wr *w, const struct ekcert_report *r)
{
	const struct ch_x509 *x = &r->cert->x;
	struct ch_json_wr j = ch_json_wr(w, true);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "kind", ch_ek_kind_str(r->cert->kind));
	ch_json_named_str(&j, "form", x->form == CH_X509_ATTRIBUTE ? "attribute-certificate" : "certificate");
	ch_json_named_u64(&j, "version", x->version);
	json_name(&j, "subject", x->subject);
	json_name(&j, "issuer", x->issuer);
	json_serial(&j, "serial", x->serial);
	json_time(&j, "not_before", x->not_before);
	json_time(&j, "not_after", x->not_after);
	ch_json_name(&j, "signature_algorithm");
	json_oid(&j, x->sig_alg);
	json_key(&j, r);
	json_devices(&j, x);
	json_holder(&j, x);
	json_extensions(&j, x);
	json_defects(&j, r->cert);
	json_chain(&j, r);
	json_notes(&j, "violations", r, &r->violations);
	json_notes(&j, "warnings", r, &r->warnings);
	ch_json_object_end(&j);
	ch_wr_u8(w, '\n');
}

/* --- the page --- */

/* A field whose value is text from outside, of at most what `text` holds. */
static void page_span(struct ch_wr *w, const char *label, struct ch_span s)
{
	static uint8_t shown[4 * sizeof(text) + 1]; /* a byte becomes at most four */
	struct ch_wr t = ch_wr(shown, sizeof(shown) - 1);
	ch_text_escape(&t, s);
	shown[t.len] = 0;
	cli_field(w, label, CLI_PLAIN, (const char *)shown);
}

static void page_name(struct ch_wr *w, const char *label, struct ch_span dn)
{
	struct ch_wr t = text_start();
	ch_x509_name_put(&t, dn);
	page_span(w, label, ch_x509_name_empty(dn) ? CH_SPAN_LIT("(empty)") : ch_wr_span(&t));
}

static void page_text(struct ch_wr *w, const char *label, struct ch_x509_text v)
{
	struct ch_wr t = text_start();
	if (v.tag == 0)
		return;
	ch_der_string_put(&t, v.tag, v.s);
	page_span(w, label, ch_wr_span(&t));
}

static void page_serial(struct ch_wr *w, const char *label, struct ch_span serial)
{
	struct ch_wr t = text_start();
	ch_x509_serial_put(&t, serial);
	cli_field(w, label, CLI_PLAIN, text_end(&t));
}

static void page_time(struct ch_wr *w, const char *label, int64_t seconds)
{
	struct ch_wr t = text_start();
	ch_time_put(&t, seconds);
	cli_field(w, label, CLI_PLAIN, text_end(&t));
}

static void page_device(struct ch_wr *w, const struct ch_x509 *x)
{
	if (x->tpm.manufacturer.tag != 0) {
		struct ch_wr t = text_start();
		ch_ek_manufacturer_put(&t, x->tpm.manufacturer);
		page_span(w, "TPM manufacturer", ch_wr_span(&t));
	}
	page_text(w, "TPM model", x->tpm.model);
	page_text(w, "TPM version", x->tpm.version);
	page_text(w, "platform maker", x->platform.manufacturer);
	page_text(w, "platform model", x->platform.model);
	page_text(w, "platform version", x->platform.version);
	page_text(w, "platform serial", x->platform.serial);
}

static void page_key(struct ch_wr *w, const struct ekcert_report *r)
{
	const struct ch_x509 *x = &r->cert->x;
	if (x->form == CH_X509_ATTRIBUTE) {
		page_name(w, "holder's issuer", x->holder_issuer);
		page_serial(w, "holder's serial", x->holder_serial);
		return;
	}
	struct ch_wr t = text_start();
	if (x->pub.type == CH_KEY_NONE) {
		ch_wr_str(&t, "of a kind not used here: ");
		ch_oid_put(&t, x->key_alg);
	} else {
		ch_wr_str(&t, ch_key_type_str(x->pub.type));
		ch_wr_str(&t, ", ");
		ch_wr_dec(&t, ch_pub_bits(&x->pub));
		ch_wr_str(&t, " bits");
	}
	cli_field(w, "key", CLI_PLAIN, text_end(&t));
	t = text_start();
	ch_wr_hex(&t, ch_digest_span(&r->fingerprint));
	cli_field(w, "key SHA-256", CLI_PLAIN, text_end(&t));
}

static void page_defects(struct ch_wr *w, const struct ch_ek_cert *c)
{
	for (size_t i = 0; i < CH_EK_DEFECT_COUNT; i++) {
		const char *vendor = ch_ek_defect_vendor((enum ch_ek_defect)i, c->vendor);
		if ((c->defects >> i & 1) == 0)
			continue;
		struct ch_wr t = text_start();
		ch_wr_str(&t, ch_ek_defect_str((enum ch_ek_defect)i));
		if (vendor != NULL) {
			ch_wr_str(&t, "; known of ");
			ch_wr_str(&t, vendor);
		}
		cli_field(w, "tolerated", CLI_DIM, text_end(&t));
	}
}

static void page_notes(struct ch_wr *w, const char *label, enum cli_mark mark, const struct ekcert_report *r,
		       const struct ch_ek_notes *n)
{
	for (size_t i = 0; i < notes_kept(n); i++) {
		size_t at = n->note[i].cert;
		if (at > 0 && at < r->chain.count)
			page_name(w, "issuer", r->chain.cert[at]->x.subject);
		cli_field(w, label, mark, n->note[i].text);
	}
}

static void page_chain(struct ch_wr *w, const struct ekcert_report *r)
{
	for (size_t i = 1; i < r->chain.count; i++)
		page_name(w, "issued by", r->chain.cert[i]->x.subject);
	if (!r->chain_asked)
		cli_field(w, "chain", CLI_DIM, "not checked: no --roots");
	else
		cli_field(w, "chain", r->trusted ? CLI_GOOD : CLI_BAD, r->trusted ? "trusted" : "not trusted");
}

void ekcert_report_page(struct ch_wr *w, const struct ekcert_report *r)
{
	static const char *const title[] = { "Certificate", "Endorsement key certificate",
					     "Attestation key certificate", "Platform certificate",
					     "Certificate of an authority" };
	const struct ch_x509 *x = &r->cert->x;
	cli_put(w, CLI_HEAD, title[r->cert->kind]);
	ch_wr_str(w, x->form == CH_X509_ATTRIBUTE ? " (attribute certificate)\n" : "\n");
	if (x->form == CH_X509_CERTIFICATE)
		page_name(w, "subject", x->subject);
	page_name(w, "issuer", x->issuer);
	page_serial(w, "serial number", x->serial);
	page_time(w, "valid from", x->not_before);
	page_time(w, "valid until", x->not_after);
	page_key(w, r);
	page_device(w, x);
	page_chain(w, r);
	page_defects(w, r->cert);
	page_notes(w, "warning", CLI_WARN, r, &r->warnings);
	page_notes(w, "violation", CLI_BAD, r, &r->violations);
}
