/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ekcert_files.h"
#include "cli/ekcert_report.h"

#include <string.h>
#include <time.h>

static const char about[] =
	"Shows an endorsement key (EK), attestation key (AK) or platform certificate, DER or PEM, as it comes out of a TPM or\n"
	"from its vendor, and checks it against the TCG profile of its kind. Defects that real vendors ship are tolerated one\n"
	"by one and told; docs/protocol/ek-certificate.md lists them.\n"
	"\n"
	"With --roots also the chain is checked. Every certificate in a file of DIR (DER, or PEM with any number) is trusted, so\n"
	"an intermediate authority there is enough. Certificates that follow in FILE (PEM) are links only. Nothing is fetched\n"
	"from the network and no revocation list is read. Without --roots the validity period only makes a warning.\n"
	"\n"
	"Exit status: 0 well-formed, no rule broken and, with --roots, trusted; 1 not so; 2 usage; 3 unsupported; 4 I/O.";

struct options {
	bool json;
	const char *roots, *time, *file;
	int64_t now;
};

static int parse_options(struct options *o, int argc, char **argv)
{
	const struct cli_opt opt[] = {
		{ "roots", "DIR", "the certificates to trust; check the chain", CLI_VALUE, &o->roots },
		{ "time", "TIME", "judge at this time, as 2026-11-25T00:00:00Z, not now", CLI_VALUE, &o->time },
		{ "json", NULL, "print JSON (docs/schema/inspect-ekcert.schema.json)", CLI_FLAG, &o->json },
	};
	const struct cli_usage usage = {
		.args = "[--json] [--roots DIR] [--time TIME] FILE",
		.about = about,
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &o->file,
		.file_min = 1,
		.file_max = 1,
	};
	int code = cli_parse(&usage, argc, argv, NULL);
	if (code >= 0)
		return code;
	o->now = (int64_t)time(NULL);
	if (o->time != NULL && ch_time_parse(&o->now, ch_span_str(o->time)) != CH_OK) {
		cli_say("--time wants the form 2026-11-25T00:00:00Z");
		return CLI_USAGE;
	}
	return -1;
}

/* Without a chain to judge, a certificate that is out of date is worth a word, no more. */
static void warn_of_time(struct ekcert_report *r, int64_t now)
{
	if (now < r->cert->x.not_before)
		ch_ek_notes_add(&r->warnings, 0, "not yet valid (RFC 5280, 4.1.2.5)");
	if (now > r->cert->x.not_after)
		ch_ek_notes_add(&r->warnings, 0, "not valid any more (RFC 5280, 4.1.2.5)");
}

static int judge(const struct options *o, const struct ekcert_certs *c)
{
	static struct ekcert_report report;
	report.cert = &c->judged;
	ch_ek_cert_check(&c->judged, &report.violations, &report.warnings);
	if (c->judged.x.spki.n > 0 && ch_hash_once(CH_HASH_SHA256, c->judged.x.spki, &report.fingerprint) != CH_OK) {
		cli_say("SHA-256 failed");
		return CLI_IO;
	}
	report.chain_asked = o->roots != NULL;
	if (report.chain_asked)
		report.trusted =
			ch_ek_chain_check(&report.chain, &c->judged, &c->pool, o->now, &report.violations) == CH_OK;
	else
		warn_of_time(&report, o->now);
	if (c->ignored > 0)
		ch_ek_notes_add(&report.warnings, 0,
				"files in --roots hold no certificate that can be read; they were left out");
	if (o->json)
		ekcert_report_json(cli_out(), &report);
	else
		ekcert_report_page(cli_out(), &report);
	return cli_out_end(ekcert_report_holds(&report) ? CLI_HOLDS : CLI_FAILS);
}

int cmd_inspect_ekcert(int argc, char **argv)
{
	struct options o = { .json = false };
	int code = parse_options(&o, argc, argv);
	if (code >= 0)
		return code;
	__attribute__((cleanup(ekcert_files_free))) struct ekcert_files f = { .root_count = 0 };
	__attribute__((cleanup(ekcert_certs_free))) struct ekcert_certs c = { .ignored = 0 };
	code = ekcert_files_read(&f, o.file, o.roots);
	if (code < 0)
		code = cli_confine();
	if (code < 0)
		code = ekcert_certs_parse(&c, &f, o.file);
	return code >= 0 ? code : judge(&o, &c);
}
