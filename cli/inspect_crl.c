/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "core/base/text.h"
#include "core/platform/crl.h"

#include <time.h>

/* Revocation lists: what they say, whether they are current and, with --ca, whether they are of that CA. */

/* Text of one name or number at a time: a name is at most CH_CERT_MAX bytes, three for one as UTF-8, escaped by one more. */
static uint8_t text[CH_CERT_MAX * 4 + 1024];

struct report {
	const struct ch_crl *crl;
	bool has_ca;
	const char *rule;   /* NULL if it holds: current, and of the CA where one is given */
	const char *origin; /* with a CA: NULL if it is of that one, else the rule that it breaks */
};

/* --- values as text --- */

static const char *shown(struct ch_wr *w)
{
	static char line[sizeof(text)];
	struct ch_wr out = ch_wr(line, sizeof(line) - 1);
	ch_text_escape(&out, ch_wr_span(w));
	line[out.len] = '\0';
	return line;
}

static void span_put(struct ch_wr *w, struct ch_span bytes)
{
	ch_wr_hex(w, bytes);
}

static struct ch_wr text_of(struct ch_span value, void (*put)(struct ch_wr *w, struct ch_span value))
{
	struct ch_wr w = ch_wr(text, sizeof(text) / 4);
	put(&w, value);
	return w;
}

static struct ch_wr text_of_time(int64_t seconds)
{
	struct ch_wr w = ch_wr(text, sizeof(text) / 4);
	ch_time_put(&w, seconds);
	return w;
}

/* --- JSON --- */

static void json_span(struct ch_json_wr *j, const char *name, struct ch_span value,
		      void (*put)(struct ch_wr *w, struct ch_span value))
{
	struct ch_wr w = text_of(value, put);
	ch_json_name(j, name);
	if (value.n == 0)
		ch_json_put_null(j);
	else
		ch_json_put_span(j, ch_wr_span(&w));
}

static void json_time(struct ch_json_wr *j, const char *name, bool there, int64_t seconds)
{
	struct ch_wr w = text_of_time(seconds);
	ch_json_name(j, name);
	if (there)
		ch_json_put_span(j, ch_wr_span(&w));
	else
		ch_json_put_null(j);
}

static void json_entries(struct ch_json_wr *j, const struct ch_crl *c)
{
	struct ch_crl_entry e;
	struct ch_crl_rd r = ch_crl_entries(c);
	ch_json_name(j, "entries");
	ch_json_array_begin(j);
	while (ch_crl_next(&r, &e)) {
		ch_json_object_begin(j);
		json_span(j, "serial", e.serial, ch_x509_serial_put);
		json_time(j, "revoked", true, e.time);
		ch_json_named_str(j, "reason", e.has_reason ? ch_crl_reason_str(e.reason) : NULL);
		json_time(j, "invalid_since", e.has_invalidity, e.invalidity);
		ch_json_object_end(j);
	}
	ch_json_array_end(j);
}

static void report_json(struct ch_wr *w, const struct report *r)
{
	const struct ch_crl *c = r->crl;
	struct ch_json_wr j = ch_json_wr(w, true);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "format", "crl");
	ch_json_named_u64(&j, "version", c->version);
	json_span(&j, "issuer", c->x.issuer, ch_x509_name_put);
	json_time(&j, "this_update", true, c->this_update);
	json_time(&j, "next_update", c->has_next, c->next_update);
	json_span(&j, "number", c->number, span_put);
	json_span(&j, "authority_key_id", c->x.authority_key_id, span_put);
	ch_json_named_u64(&j, "count", c->count);
	json_entries(&j, c);
	ch_json_name(&j, "extensions");
	ch_json_array_begin(&j);
	for (size_t i = 0; i < c->x.ext_count; i++) {
		ch_json_object_begin(&j);
		json_span(&j, "oid", c->x.ext[i].oid, ch_oid_put);
		ch_json_named_bool(&j, "critical", c->x.ext[i].critical);
		ch_json_object_end(&j);
	}
	ch_json_array_end(&j);
	json_span(&j, "signature_algorithm", c->x.sig_alg, ch_oid_put);
	ch_json_name(&j, "of_ca");
	if (r->has_ca)
		ch_json_put_bool(&j, r->origin == NULL);
	else
		ch_json_put_null(&j);
	ch_json_named_bool(&j, "holds", r->rule == NULL);
	ch_json_named_str(&j, "rule", r->rule);
	ch_json_object_end(&j);
	ch_wr_str(w, "\n");
}

/* --- page --- */

static void field(struct ch_wr *to, const char *label, struct ch_span value,
		  void (*put)(struct ch_wr *w, struct ch_span value))
{
	struct ch_wr w = text_of(value, put);
	if (value.n > 0)
		cli_field(to, label, CLI_PLAIN, shown(&w));
}

static void entry_line(struct ch_wr *to, const struct ch_crl_entry *e)
{
	struct ch_wr w = text_of_time(e->time);
	ch_wr_str(&w, "  ");
	ch_x509_serial_put(&w, e->serial);
	if (e->has_reason) {
		ch_wr_str(&w, "  ");
		ch_wr_str(&w, ch_crl_reason_str(e->reason));
	}
	if (e->has_invalidity) {
		ch_wr_str(&w, ", invalid since ");
		ch_time_put(&w, e->invalidity);
	}
	cli_field(to, "revoked", CLI_PLAIN, shown(&w));
}

static void report_page(struct ch_wr *to, const struct report *r)
{
	const struct ch_crl *c = r->crl;
	struct ch_crl_entry e;
	struct ch_crl_rd entries = ch_crl_entries(c);
	struct ch_wr w = ch_wr(text, sizeof(text) / 4);
	cli_put(to, CLI_HEAD, "Certificate revocation list");
	ch_wr_str(to, "\n");
	field(to, "issuer", c->x.issuer, ch_x509_name_put);
	ch_time_put(&w, c->this_update);
	ch_wr_str(&w, c->has_next ? ", the next by " : ", without a next one");
	if (c->has_next)
		ch_time_put(&w, c->next_update);
	cli_field(to, "made", CLI_PLAIN, shown(&w));
	field(to, "number", c->number, span_put);
	field(to, "key of the CA", c->x.authority_key_id, span_put);
	for (size_t i = 0; i < c->x.ext_count; i++)
		field(to, c->x.ext[i].critical ? "extension, critical" : "extension", c->x.ext[i].oid, ch_oid_put);
	w = ch_wr(text, sizeof(text) / 4);
	ch_wr_dec(&w, c->count);
	cli_field(to, "entries", CLI_PLAIN, shown(&w));
	while (ch_crl_next(&entries, &e))
		entry_line(to, &e);
	if (r->has_ca)
		cli_field(to, "signature", r->origin == NULL ? CLI_GOOD : CLI_BAD,
			  r->origin == NULL ? "the CA's" : r->origin);
	if (r->rule == NULL || r->rule != r->origin)
		cli_field(to, "time", r->rule == NULL ? CLI_GOOD : CLI_BAD, r->rule == NULL ? "current" : r->rule);
}

/* --- the command --- */

static const char *currency(const struct ch_crl *c, int64_t now)
{
	return now < c->this_update   ? "not made yet (RFC 5280, 5.1.2.4)"
	       : !c->has_next         ? "it does not say when the next one comes (RFC 5280, 5.1.2.5)"
	       : now > c->next_update ? "not current any more: the next one was due (RFC 5280, 5.1.2.5)"
				      : NULL;
}

static int parse_options(int argc, char **argv, bool *json, const char **ca, const char **path)
{
	const struct cli_opt opt[] = {
		{ "ca", "FILE", "the certificate of the CA that must have signed the list", CLI_VALUE, (void *)ca },
		{ "json", NULL, "print JSON (docs/schema/inspect-crl.schema.json)", CLI_FLAG, json },
	};
	const struct cli_usage usage = {
		.args = "[--json] [--ca FILE] FILE",
		.about =
			"Shows a certificate revocation list (RFC 5280), DER or PEM: whose it is, what is revoked,\n"
			"whether it is current and, with --ca, whether that CA signed it. Deltas, lists of a part\n"
			"and lists with unknown critical extensions are not supported.\n\n"
			"Exit status: 0 it is current, and of that CA; 1 not, or malformed; 2 usage; 3 unsupported; 4 I/O.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = path,
		.file_min = 1,
		.file_max = 1
	};
	return cli_parse(&usage, argc, argv, NULL);
}

static int read_ca(struct ch_x509 *x, const char *path, struct ch_span in)
{
	static const char *const label[] = { "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE", NULL };
	static uint8_t room[CH_CERT_MAX];
	struct ch_span der;
	struct ch_diag d;
	enum ch_err err = cli_der(in, label, room, sizeof(room), &der, &d);
	if (err == CH_OK)
		err = ch_x509_parse(x, der, &d);
	if (err == CH_OK && (x->form != CH_X509_CERTIFICATE || !x->ca))
		err = ch_fail(&d, CH_ERR_UNTRUSTED, 0, "not the certificate of a CA (RFC 5280, 4.2.1.9)");
	return err == CH_OK ? -1 : cli_refused(path, "extension", err, &d);
}

static int read_list(struct ch_crl *c, const char *path, struct ch_span in, struct ch_buf *room)
{
	static const char *const label[] = { "X509 CRL", NULL };
	struct ch_span der;
	struct ch_diag d;
	size_t cap = in.n < CH_CRL_MAX ? in.n : CH_CRL_MAX;
	enum ch_err err = cli_der(in, label, ch_buf_room(room, cap), cap, &der, &d);
	if (err == CH_OK)
		err = ch_crl_parse(c, der, &d);
	return err == CH_OK ? -1 : cli_refused(path, "entry", err, &d);
}

int cmd_inspect_crl(int argc, char **argv)
{
	static struct ch_crl crl;
	static struct ch_x509 ca;
	bool json = false;
	const char *path = NULL, *ca_path = NULL;
	CH_AUTO_BUF struct ch_buf in = { 0 }, ca_in = { 0 }, room = { 0 };
	int code = parse_options(argc, argv, &json, &ca_path, &path);
	if (code < 0)
		code = cli_read(&in, path);
	if (code < 0 && ca_path != NULL)
		code = cli_read(&ca_in, ca_path);
	(void)cli_colour();
	if (code < 0)
		code = cli_confine();
	if (code < 0)
		code = read_list(&crl, path, ch_buf_span(&in), &room);
	if (code < 0 && ca_path != NULL)
		code = read_ca(&ca, ca_path, ch_buf_span(&ca_in));
	if (code >= 0)
		return code;
	struct report r = { .crl = &crl, .has_ca = ca_path != NULL, .rule = currency(&crl, (int64_t)time(NULL)) };
	struct ch_diag d = { .rule = NULL };
	if (r.has_ca && ch_crl_verify(&crl, &ca, &d) != CH_OK)
		r.rule = r.origin = d.rule;
	if (json)
		report_json(cli_out(), &r);
	else
		report_page(cli_out(), &r);
	return cli_out_end(r.rule == NULL ? CLI_HOLDS : CLI_FAILS);
}
