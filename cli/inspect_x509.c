/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "core/base/text.h"
#include "core/platform/csr.h"
#include "core/platform/spki.h"

#include <time.h>

/* Certificates and certification requests: what they say, and what of it holds by itself. Chains are nobody's business here. */

/* Text of one name or list at a time: a name is at most CH_CERT_MAX bytes, three for one as UTF-8, escaped by one more. */
static uint8_t text[CH_CERT_MAX * 4 + 1024];

struct report {
	const struct ch_x509 *x;
	const struct ch_csr *csr; /* NULL: a certificate */
	uint8_t fingerprint[32];  /* of the key */
	bool has_fingerprint;
	const char *possession; /* of a request: NULL if its signature holds, else the rule that it breaks */
	const char *validity;   /* of a certificate: NULL if it holds now */
};

static bool holds(const struct report *r)
{
	return r->csr != NULL ? r->possession == NULL : r->validity == NULL;
}

/* --- values as text --- */

static void name_put(struct ch_wr *w, struct ch_span name)
{
	ch_x509_name_put(w, name);
}

static void serial_put(struct ch_wr *w, struct ch_span serial)
{
	ch_x509_serial_put(w, serial);
}

/* "dNSName:gw.example": text where the kind is text (RFC 5280, 4.2.1.6), a Name in RFC 4514, all else in hexadecimal. */
static void general_name_put(struct ch_wr *w, const struct ch_csr_name *n)
{
	uint8_t number = n->tag & 0x1f;
	ch_wr_str(w, ch_csr_name_str(n->tag));
	ch_wr_u8(w, ':');
	if (number == 1 || number == 2 || number == 6)
		ch_der_string_put(w, CH_DER_T61_STRING, n->value);
	else if (number == 4)
		ch_x509_name_put(w, n->value);
	else if (number == 8 && ch_oid_valid(n->value))
		ch_oid_put(w, n->value);
	else
		ch_wr_hex(w, n->value);
}

static const char *const usage_name[CH_KU_BITS] = { "digitalSignature", "nonRepudiation", "keyEncipherment",
						    "dataEncipherment", "keyAgreement",   "keyCertSign",
						    "cRLSign",          "encipherOnly",   "decipherOnly" };

/* --- JSON --- */

static void json_span(struct ch_json_wr *j, const char *name, struct ch_span value,
		      void (*put)(struct ch_wr *w, struct ch_span value))
{
	struct ch_wr w = ch_wr(text, sizeof(text));
	put(&w, value);
	ch_json_name(j, name);
	if (value.n == 0)
		ch_json_put_null(j);
	else
		ch_json_put_span(j, ch_wr_span(&w));
}

static void json_oids(struct ch_json_wr *j, const char *name, const struct ch_span *oid, size_t count)
{
	ch_json_name(j, name);
	ch_json_array_begin(j);
	for (size_t i = 0; i < count; i++) {
		struct ch_wr w = ch_wr(text, sizeof(text));
		ch_oid_put(&w, oid[i]);
		ch_json_put_span(j, ch_wr_span(&w));
	}
	ch_json_array_end(j);
}

static void json_key(struct ch_json_wr *j, const struct report *r)
{
	const struct ch_x509 *x = r->x;
	bool known = x->pub.type != CH_KEY_NONE;
	ch_json_name(j, "key");
	ch_json_object_begin(j);
	ch_json_named_str(j, "type", known ? ch_key_type_str(x->pub.type) : NULL);
	ch_json_name(j, "bits");
	if (known)
		ch_json_put_u64(j, ch_pub_bits(&x->pub));
	else
		ch_json_put_null(j);
	json_span(j, "algorithm", x->key_alg, ch_oid_put);
	ch_json_name(j, "sha256");
	if (r->has_fingerprint)
		ch_json_put_hex(j, CH_SPAN_OF(r->fingerprint));
	else
		ch_json_put_null(j);
	ch_json_object_end(j);
}

static void json_extensions(struct ch_json_wr *j, const struct ch_x509 *x)
{
	ch_json_name(j, "ca");
	ch_json_put_bool(j, x->ca);
	ch_json_name(j, "key_usage");
	ch_json_array_begin(j);
	for (size_t i = 0; i < CH_KU_BITS; i++) {
		if ((x->key_usage >> i & 1) != 0)
			ch_json_put_str(j, usage_name[i]);
	}
	ch_json_array_end(j);
	ch_json_name(j, "extensions");
	ch_json_array_begin(j);
	for (size_t i = 0; i < x->ext_count; i++) {
		ch_json_object_begin(j);
		json_span(j, "oid", x->ext[i].oid, ch_oid_put);
		ch_json_named_bool(j, "critical", x->ext[i].critical);
		ch_json_object_end(j);
	}
	ch_json_array_end(j);
}

static void json_request(struct ch_json_wr *j, const struct ch_csr *c)
{
	ch_json_name(j, "names");
	ch_json_array_begin(j);
	for (size_t i = 0; i < c->name_count; i++) {
		struct ch_wr w = ch_wr(text, sizeof(text));
		general_name_put(&w, &c->name[i]);
		ch_json_put_span(j, ch_wr_span(&w));
	}
	ch_json_array_end(j);
	json_oids(j, "purposes", c->purpose, c->purpose_count);
	json_oids(j, "attributes", c->attr, c->attr_count);
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_json_name(j, "challenge");
	ch_der_string_put(&w, c->challenge.tag, c->challenge.s);
	if (c->has_challenge)
		ch_json_put_span(j, ch_wr_span(&w));
	else
		ch_json_put_null(j);
}

static void json_time(struct ch_json_wr *j, const char *name, int64_t seconds)
{
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_time_put(&w, seconds);
	ch_json_named_span(j, name, ch_wr_span(&w));
}

static void report_json(struct ch_wr *w, const struct report *r)
{
	struct ch_json_wr j = ch_json_wr(w, true);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "format", r->csr != NULL ? "pkcs10" : "x509");
	json_span(&j, "subject", r->x->subject, name_put);
	if (r->csr == NULL) {
		json_span(&j, "issuer", r->x->issuer, name_put);
		json_span(&j, "serial", r->x->serial, serial_put);
		json_time(&j, "not_before", r->x->not_before);
		json_time(&j, "not_after", r->x->not_after);
	}
	json_key(&j, r);
	json_extensions(&j, r->x);
	if (r->csr != NULL)
		json_request(&j, r->csr);
	json_span(&j, "signature_algorithm", r->x->sig_alg, ch_oid_put);
	ch_json_named_bool(&j, "holds", holds(r));
	ch_json_named_str(&j, "rule", r->csr != NULL ? r->possession : r->validity);
	ch_json_object_end(&j);
	ch_wr_str(w, "\n");
}

/* --- page --- */

static const char *as_string(struct ch_wr *w)
{
	static char shown[sizeof(text)];
	struct ch_wr out = ch_wr(shown, sizeof(shown) - 1);
	ch_text_escape(&out, ch_span(w->p, w->len));
	shown[out.len] = '\0';
	return shown;
}

static void field(struct ch_wr *to, const char *label, struct ch_span value,
		  void (*put)(struct ch_wr *w, struct ch_span value))
{
	struct ch_wr w = ch_wr(text, sizeof(text) / 4);
	put(&w, value);
	if (value.n > 0)
		cli_field(to, label, CLI_PLAIN, as_string(&w));
}

static void key_field(struct ch_wr *to, const struct report *r)
{
	struct ch_wr w = ch_wr(text, sizeof(text) / 4);
	if (r->x->pub.type == CH_KEY_NONE) {
		ch_oid_put(&w, r->x->key_alg);
	} else {
		ch_wr_str(&w, ch_key_type_str(r->x->pub.type));
		ch_wr_str(&w, ", ");
		ch_wr_dec(&w, ch_pub_bits(&r->x->pub));
		ch_wr_str(&w, " bits");
	}
	if (r->has_fingerprint) {
		ch_wr_str(&w, ", SHA-256 ");
		ch_wr_hex(&w, CH_SPAN_OF(r->fingerprint));
	}
	cli_field(to, "key", CLI_PLAIN, as_string(&w));
}

static void usage_field(struct ch_wr *to, const struct ch_x509 *x)
{
	struct ch_wr w = ch_wr(text, sizeof(text) / 4);
	for (size_t i = 0; i < CH_KU_BITS; i++) {
		if ((x->key_usage >> i & 1) == 0)
			continue;
		ch_wr_str(&w, w.len > 0 ? ", " : "");
		ch_wr_str(&w, usage_name[i]);
	}
	if (x->has_key_usage)
		cli_field(to, "key usage", CLI_PLAIN, as_string(&w));
	if (x->ca)
		cli_field(to, "authority", CLI_PLAIN, "may issue certificates (basicConstraints cA)");
}

static void report_page(struct ch_wr *to, const struct report *r)
{
	cli_put(to, CLI_HEAD, r->csr != NULL ? "Certification request" : "Certificate");
	ch_wr_str(to, "\n");
	field(to, "subject", r->x->subject, name_put);
	if (r->csr == NULL) {
		struct ch_wr w = ch_wr(text, sizeof(text) / 4);
		field(to, "issuer", r->x->issuer, name_put);
		field(to, "serial", r->x->serial, serial_put);
		ch_time_put(&w, r->x->not_before);
		ch_wr_str(&w, " to ");
		ch_time_put(&w, r->x->not_after);
		cli_field(to, "valid", r->validity == NULL ? CLI_PLAIN : CLI_BAD, as_string(&w));
	}
	key_field(to, r);
	usage_field(to, r->x);
	for (size_t i = 0; r->csr != NULL && i < r->csr->name_count; i++) {
		struct ch_wr w = ch_wr(text, sizeof(text) / 4);
		general_name_put(&w, &r->csr->name[i]);
		cli_field(to, "name", CLI_PLAIN, as_string(&w));
	}
	for (size_t i = 0; r->csr != NULL && i < r->csr->purpose_count; i++)
		field(to, "purpose", r->csr->purpose[i], ch_oid_put);
	for (size_t i = 0; i < r->x->ext_count; i++)
		field(to, r->x->ext[i].critical ? "extension, critical" : "extension", r->x->ext[i].oid, ch_oid_put);
	const char *rule = r->csr != NULL ? r->possession : r->validity;
	cli_field(to, r->csr != NULL ? "possession" : "time", rule == NULL ? CLI_GOOD : CLI_BAD,
		  rule != NULL     ? rule
		  : r->csr != NULL ? "proven: the key signed the request"
				   : "valid now");
}

/* --- the commands --- */

static int parse_options(int argc, char **argv, const char *about, const char *schema, bool *json, const char **path)
{
	const struct cli_opt opt[] = { { "json", NULL, schema, CLI_FLAG, json } };
	const struct cli_usage usage = { .args = "[--json] FILE",
					 .about = about,
					 .opt = opt,
					 .opt_count = CH_COUNT_OF(opt),
					 .file = path,
					 .file_min = 1,
					 .file_max = 1 };
	return cli_parse(&usage, argc, argv, NULL);
}

static int show(struct report *r, bool json)
{
	r->has_fingerprint = r->x->pub.type != CH_KEY_NONE && ch_spki_sha256(&r->x->pub, r->fingerprint) == CH_OK;
	if (json)
		report_json(cli_out(), r);
	else
		report_page(cli_out(), r);
	return cli_out_end(holds(r) ? CLI_HOLDS : CLI_FAILS);
}

int cmd_inspect_csr(int argc, char **argv)
{
	static const char *const label[] = { "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST", NULL };
	static struct ch_csr c;
	static uint8_t room[CH_CSR_MAX];
	bool json = false;
	const char *path = NULL;
	int code = parse_options(argc, argv,
				 "Shows a certification request (PKCS #10, RFC 2986), DER or PEM, and whether its\n"
				 "signature proves possession of the key that it asks to be certified.\n\n"
				 "Exit status: 0 proven; 1 not, or malformed; 2 usage; 3 unsupported; 4 I/O.",
				 "print JSON (docs/schema/inspect-csr.schema.json)", &json, &path);
	if (code >= 0)
		return code;
	CH_AUTO_BUF struct ch_buf in = { 0 };
	struct ch_span der;
	struct ch_diag d;
	code = cli_read(&in, path);
	(void)cli_colour();
	if (code < 0)
		code = cli_confine();
	if (code >= 0)
		return code;
	enum ch_err err = cli_der(ch_buf_span(&in), label, room, sizeof(room), &der, &d);
	if (err == CH_OK)
		err = ch_csr_parse(&c, der, &d);
	if (err != CH_OK)
		return cli_refused(path, "attribute", err, &d);
	struct report r = { .x = &c.x, .csr = &c };
	r.possession = ch_csr_verify(&c, &d) == CH_OK ? NULL : d.rule;
	return show(&r, json);
}

int cmd_inspect_cert(int argc, char **argv)
{
	static const char *const label[] = { "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE", NULL };
	static struct ch_x509 x;
	static uint8_t room[CH_CERT_MAX];
	bool json = false;
	const char *path = NULL;
	int code =
		parse_options(argc, argv,
			      "Shows a certificate (RFC 5280), DER or PEM: whose it is, who issued it, its key, and\n"
			      "whether it is within its dates. Chains are not looked at: openssl verify does that.\n\n"
			      "Exit status: 0 within its dates; 1 not, or malformed; 2 usage; 3 unsupported; 4 I/O.",
			      "print JSON (docs/schema/inspect-cert.schema.json)", &json, &path);
	if (code >= 0)
		return code;
	CH_AUTO_BUF struct ch_buf in = { 0 };
	struct ch_span der;
	struct ch_diag d;
	code = cli_read(&in, path);
	(void)cli_colour();
	if (code < 0)
		code = cli_confine();
	if (code >= 0)
		return code;
	enum ch_err err = cli_der(ch_buf_span(&in), label, room, sizeof(room), &der, &d);
	if (err == CH_OK)
		err = ch_x509_parse(&x, der, &d);
	if (err == CH_OK && x.form != CH_X509_CERTIFICATE)
		err = ch_fail(&d, CH_ERR_UNSUPPORTED, 0, "an attribute certificate: see chainhold inspect ekcert");
	if (err != CH_OK)
		return cli_refused(path, "extension", err, &d);
	struct report r = { .x = &x };
	int64_t now = (int64_t)time(NULL);
	r.validity = now < x.not_before  ? "not yet valid (RFC 5280, 4.1.2.5)"
		     : now > x.not_after ? "not valid any more (RFC 5280, 4.1.2.5)"
					 : NULL;
	return show(&r, json);
}
