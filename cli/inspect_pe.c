/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/measure_show.h"
#include "core/base/text.h"
#include "core/platform/x509.h"
#include "core/update/authenticode.h"
#include "core/update/measure.h"
#include "core/update/uki.h"
#include "core/wire/der.h"
#include "host/base/map.h"

/* EFI binaries: what is in them, whether their signatures are of these bytes, and what a boot of them will measure. */

struct report {
	bool is_uki;
	struct ch_pe pe;
	struct ch_uki uki;
	struct ch_measure measure;
	struct ch_digest sha256;
	bool holds; /* every signature is of these bytes */
};

/* One signature of the image, looked at. */
struct signature {
	struct ch_pe_cert cert;
	struct ch_authenticode a;
	struct ch_diag d;  /* rule: NULL if it could be read */
	const char *fault; /* NULL if it is of these bytes */
};

static bool signature_at(const struct report *r, size_t i, struct signature *s)
{
	struct ch_digest own;
	*s = (struct signature){ .fault = NULL };
	ch_diag_clear(&s->d);
	if (!ch_pe_cert(&r->pe, i, &s->cert))
		return false;
	if (s->cert.type != CH_PE_CERT_PKCS7) {
		s->fault = "not a PKCS #7 signature: not looked at";
		return true;
	}
	if (ch_authenticode_parse(&s->a, s->cert.body, &s->d) != CH_OK)
		s->fault = s->d.rule;
	else if (ch_pe_hash(&r->pe, s->a.alg, &own) != CH_OK)
		s->fault = "its hash cannot be computed";
	else if (!ch_span_eq(ch_digest_span(&own), s->a.digest))
		s->fault = "the signature is of another image: this one was changed after it was signed";
	return true;
}

/* Calls `put` with the subject of every certificate that came with a signature. */
static void each_subject(const struct signature *s, void (*put)(void *to, struct ch_span subject), void *to)
{
	static struct ch_x509 x;
	static uint8_t text[CH_CERT_MAX];
	struct ch_der_rd r = ch_der_rd(s->a.certs, 0);
	while (ch_der_more(&r)) {
		struct ch_der one = ch_der_any(&r);
		struct ch_wr w = ch_wr(text, sizeof(text));
		if (ch_der_ok(&r) && ch_x509_parse(&x, one.whole, NULL) == CH_OK)
			ch_x509_name_put(&w, x.subject);
		else
			ch_wr_str(&w, "a certificate that cannot be read");
		put(to, ch_wr_span(&w));
	}
}

/* --- JSON --- */

static void json_subject(void *to, struct ch_span subject)
{
	ch_json_put_span(to, subject);
}

static void json_text(struct ch_json_wr *j, const char *name, struct ch_span bytes)
{
	static uint8_t text[CH_UKI_CMDLINE_MAX * 4];
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_text_escape(&w, bytes);
	ch_json_name(j, name);
	if (w.bad)
		ch_json_put_null(j);
	else
		ch_json_put_span(j, ch_wr_span(&w));
}

static void json_sections(struct ch_json_wr *j, const struct ch_pe *pe)
{
	ch_json_name(j, "sections");
	ch_json_array_begin(j);
	for (size_t i = 0; i < pe->section_count; i++) {
		const struct ch_pe_section *s = &pe->section[i];
		ch_json_object_begin(j);
		json_text(j, "name", s->name);
		ch_json_named_u64(j, "virtual_address", s->vaddr);
		ch_json_named_u64(j, "virtual_size", s->vsize);
		ch_json_named_u64(j, "offset", s->raw_off);
		ch_json_named_u64(j, "size", s->raw.n);
		ch_json_object_end(j);
	}
	ch_json_array_end(j);
}

static void json_signatures(struct ch_json_wr *j, const struct report *r)
{
	struct signature s;
	ch_json_name(j, "signatures");
	ch_json_array_begin(j);
	for (size_t i = 0; signature_at(r, i, &s); i++) {
		ch_json_object_begin(j);
		ch_json_named_u64(j, "type", s.cert.type);
		ch_json_named_str(j, "algorithm", s.a.alg != CH_HASH_NONE ? ch_hash_name(s.a.alg) : NULL);
		ch_json_name(j, "digest");
		if (s.a.digest.n > 0)
			ch_json_put_hex(j, s.a.digest);
		else
			ch_json_put_null(j);
		ch_json_name(j, "certificates");
		ch_json_array_begin(j);
		each_subject(&s, json_subject, j);
		ch_json_array_end(j);
		ch_json_named_bool(j, "of_this_image", s.fault == NULL);
		ch_json_named_str(j, "rule", s.fault);
		ch_json_object_end(j);
	}
	ch_json_array_end(j);
}

static void json_uki(struct ch_json_wr *j, const struct ch_uki *u)
{
	json_text(j, "stub", u->stub);
	ch_json_name(j, "parts");
	ch_json_array_begin(j);
	for (int i = 0; i < CH_UKI_PART_COUNT; i++) {
		if (u->part[i].n == 0)
			continue;
		ch_json_object_begin(j);
		ch_json_named_str(j, "name", ch_uki_part_str((enum ch_uki_part)i));
		ch_json_named_u64(j, "size", u->part[i].n);
		ch_json_object_end(j);
	}
	ch_json_array_end(j);
	if (u->part[CH_UKI_CMDLINE].n > 0)
		json_text(j, "cmdline", u->part[CH_UKI_CMDLINE]);
	else
		ch_json_named_str(j, "cmdline", NULL);
}

static void report_json(struct ch_wr *w, const struct report *r)
{
	const struct ch_pe *pe = &r->pe;
	struct ch_json_wr j = ch_json_wr(w, true);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "format", r->is_uki ? "uki" : "pe");
	ch_json_named_u64(&j, "size", pe->file.n);
	ch_json_named_u64(&j, "machine", pe->machine);
	ch_json_named_str(&j, "machine_name", ch_pe_machine_str(pe->machine));
	ch_json_named_u64(&j, "subsystem", pe->subsystem);
	ch_json_named_str(&j, "subsystem_name", ch_pe_subsystem_str(pe->subsystem));
	ch_json_named_hex(&j, "authenticode_sha256", ch_digest_span(&r->sha256));
	json_sections(&j, pe);
	json_signatures(&j, r);
	ch_json_name(&j, "uki");
	if (r->is_uki) {
		ch_json_object_begin(&j);
		json_uki(&j, &r->uki);
		ch_json_object_end(&j);
	} else {
		ch_json_put_null(&j);
	}
	cli_measure_json(&j, &r->measure);
	ch_json_named_bool(&j, "holds", r->holds);
	ch_json_object_end(&j);
	ch_wr_str(w, "\n");
}

/* --- page --- */

static void field_put(struct ch_wr *w, const char *label, struct ch_span text)
{
	cli_field_begin(w, label);
	ch_text_escape(w, text);
	ch_wr_str(w, "\n");
}

static void page_subject(void *to, struct ch_span subject)
{
	field_put(to, "certificate", subject);
}

static void page_section(struct ch_wr *w, const struct ch_pe_section *s)
{
	cli_field_begin(w, "section");
	ch_text_escape(w, s->name);
	for (size_t pad = s->name.n; pad < 10; pad++)
		ch_wr_str(w, " ");
	ch_wr_dec(w, s->raw.n);
	ch_wr_str(w, " bytes at ");
	ch_wr_dec(w, s->raw_off);
	ch_wr_str(w, ", in memory ");
	ch_wr_dec(w, s->vsize);
	ch_wr_str(w, " at ");
	ch_wr_dec(w, s->vaddr);
	ch_wr_str(w, "\n");
}

static void report_page(struct ch_wr *w, const struct report *r)
{
	struct signature s;
	const char *machine = ch_pe_machine_str(r->pe.machine), *subsystem = ch_pe_subsystem_str(r->pe.subsystem);
	cli_put(w, CLI_HEAD, r->is_uki ? "Unified kernel image" : "EFI binary");
	ch_wr_str(w, "\n");
	cli_field(w, "machine", CLI_PLAIN, machine != NULL ? machine : "another");
	cli_field(w, "subsystem", CLI_PLAIN, subsystem != NULL ? subsystem : "another: firmware does not start it");
	cli_field_begin(w, "hash");
	ch_wr_str(w, "Authenticode sha256 ");
	ch_wr_hex(w, ch_digest_span(&r->sha256));
	ch_wr_str(w, "\n");
	if (r->is_uki) {
		field_put(w, "systemd-stub", r->uki.stub);
		if (r->uki.part[CH_UKI_CMDLINE].n > 0)
			field_put(w, "command line", r->uki.part[CH_UKI_CMDLINE]);
	}
	for (size_t i = 0; i < r->pe.section_count; i++)
		page_section(w, &r->pe.section[i]);
	size_t i = 0;
	for (; signature_at(r, i, &s); i++) {
		cli_field(w, "signature", s.fault == NULL ? CLI_GOOD : CLI_BAD,
			  s.fault == NULL ? "of this image" : s.fault);
		each_subject(&s, page_subject, w);
	}
	if (i == 0)
		cli_field(w, "signature", CLI_WARN, "none");
	cli_measure_page(w, &r->measure);
}

/* --- the commands --- */

static int parse_options(int argc, char **argv, const char *about, bool *json, const char **path)
{
	const struct cli_opt opt[] = {
		{ "json", NULL, "print JSON (docs/schema/inspect-pe.schema.json)", CLI_FLAG, json },
	};
	const struct cli_usage usage = { .args = "[--json] FILE",
					 .about = about,
					 .opt = opt,
					 .opt_count = CH_COUNT_OF(opt),
					 .file = path,
					 .file_min = 1,
					 .file_max = 1 };
	return cli_parse(&usage, argc, argv, NULL);
}

static enum ch_err judge(struct report *r, struct ch_span file, struct ch_diag *d)
{
	struct signature s;
	enum ch_err err = ch_pe_parse(&r->pe, file, d);
	if (err == CH_OK && r->is_uki)
		err = ch_uki_parse(&r->uki, file, d);
	if (err == CH_OK)
		err = r->is_uki ? ch_measure_uki(&r->measure, file, CH_SPAN_EMPTY, d)
				: ch_measure_efi(&r->measure, file, CH_SPAN_EMPTY, d);
	if (err == CH_OK)
		r->sha256 = r->measure.event[0].digest[0];
	r->holds = true;
	for (size_t i = 0; err == CH_OK && signature_at(r, i, &s); i++)
		r->holds = r->holds && s.fault == NULL;
	return err;
}

static int inspect(struct report *r, int argc, char **argv, const char *about)
{
	bool json = false;
	const char *path = NULL;
	CH_AUTO_MAP struct ch_map map = { 0 };
	struct ch_diag d;
	int code = parse_options(argc, argv, about, &json, &path);
	if (code < 0)
		code = cli_map(&map, path);
	(void)cli_colour();
	if (code < 0)
		code = cli_confine();
	if (code >= 0)
		return code;
	enum ch_err err = judge(r, ch_map_span(&map), &d);
	if (err != CH_OK)
		return cli_refused(path, "section", err, &d);
	if (json)
		report_json(cli_out(), r);
	else
		report_page(cli_out(), r);
	return cli_out_end(r->holds ? CLI_HOLDS : CLI_FAILS);
}

#define STATUS                                                                                                    \
	"\n\nExit status: 0 every signature is of this image (or there is none); 1 not, or malformed; 2 usage;\n" \
	"3 unsupported; 4 I/O."

int cmd_inspect_pe(int argc, char **argv)
{
	static struct report r = { .is_uki = false };
	return inspect(
		&r, argc, argv,
		"Shows an EFI binary: sections, Authenticode hash, embedded signatures, and the measurement that a boot\n"
		"of it will show." STATUS);
}

int cmd_inspect_uki(int argc, char **argv)
{
	static struct report r = { .is_uki = true };
	return inspect(
		&r, argc, argv,
		"Shows a unified kernel image of systemd-stub 252: sections, Authenticode hash, embedded signatures, and\n"
		"the measurements that a boot of it will show (PCR 4, 9 and 11)." STATUS);
}
