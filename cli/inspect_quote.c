/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/quote_report.h"
#include "core/platform/tpm_pcrs.h"
#include "core/platform/tpm_signature.h"

static const char about[] =
	"Checks a TPM 2.0 quote (TPMS_ATTEST) against its signature (TPMT_SIGNATURE) and the attestation key, and shows what\n"
	"was quoted. With --nonce, --pcrs, --eventlog and --ima it also checks that the quote is fresh, that the register\n"
	"values given hash to it, and that the logs explain them: replayed, they give the quoted registers. A quoted register\n"
	"that nothing explains is a mismatch. Of an IMA list the shortest beginning that explains the quote is judged; what\n"
	"follows was measured after the quote.\n"
	"\n"
	"Without --pcrs the logs are checked against the quoted digest alone, which cannot tell the registers that differ.\n"
	"\n"
	"Exit status: 0 all that was asked holds, 1 something does not or is malformed, 2 usage, 3 unsupported, 4 I/O.";

struct options {
	bool json;
	const char *msg, *sig, *pub, *nonce, *pcrs, *eventlog, *ima;
};

struct files {
	struct ch_buf msg, sig, pub, pcrs, eventlog, ima;
};

static void files_free(struct files *f)
{
	ch_buf_free(&f->msg);
	ch_buf_free(&f->sig);
	ch_buf_free(&f->pub);
	ch_buf_free(&f->pcrs);
	ch_buf_free(&f->eventlog);
	ch_buf_free(&f->ima);
}

static int files_read(struct files *f, const struct options *o)
{
	const struct {
		struct ch_buf *to;
		const char *path;
	} file[] = {
		{ &f->msg, o->msg },   { &f->sig, o->sig },           { &f->pub, o->pub },
		{ &f->pcrs, o->pcrs }, { &f->eventlog, o->eventlog }, { &f->ima, o->ima },
	};
	for (size_t i = 0; i < CH_COUNT_OF(file); i++) {
		int code = file[i].path != NULL ? cli_read(file[i].to, file[i].path) : -1;
		if (code >= 0)
			return code;
	}
	return -1;
}

static int parse_options(struct options *o, int argc, char **argv)
{
	const struct cli_opt opt[] = {
		{ "msg", "FILE", "the quote: TPMS_ATTEST (tpm2_quote -m)", CLI_VALUE, &o->msg },
		{ "sig", "FILE", "its signature: TPMT_SIGNATURE (tpm2_quote -s)", CLI_VALUE, &o->sig },
		{ "pub", "FILE", "the attestation key: PEM, TPM2B_PUBLIC or TPMT_PUBLIC", CLI_VALUE, &o->pub },
		{ "nonce", "HEX", "the qualifying data that the quote must hold", CLI_VALUE, &o->nonce },
		{ "pcrs", "FILE", "register values (tpm2_quote -o, either format)", CLI_VALUE, &o->pcrs },
		{ "eventlog", "FILE", "the firmware's event log", CLI_VALUE, &o->eventlog },
		{ "ima", "FILE", "the kernel's IMA list, binary or ascii", CLI_VALUE, &o->ima },
		{ "json", NULL, "print JSON (docs/schema/inspect-quote.schema.json)", CLI_FLAG, &o->json },
	};
	const struct cli_usage usage = {
		.args = "[--json] --msg FILE --sig FILE --pub FILE [--nonce HEX] [--pcrs FILE] [--eventlog FILE] [--ima FILE]",
		.about = about,
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
	};
	int code = cli_parse(&usage, argc, argv, NULL);
	if (code >= 0)
		return code;
	if (o->msg == NULL || o->sig == NULL || o->pub == NULL) {
		cli_say("--msg, --sig and --pub are needed; see '%s --help'", argv[0]);
		return CLI_USAGE;
	}
	return -1;
}

/* The quote, its signature and key: parsed, then verified. */
static int check_signature(struct quote_report *r, const struct options *o, const struct files *f)
{
	struct ch_diag d;
	enum ch_err err = ch_tpm_attest_parse(&r->quote, ch_buf_span(&f->msg), &d);
	if (err != CH_OK)
		return cli_refused(o->msg, "selection", err, &d);
	if (r->quote.type != CH_TPM_ST_ATTEST_QUOTE) {
		d.off = 4;
		d.rule = "TPMS_ATTEST.type is TPM_ST_ATTEST_CERTIFY, not TPM_ST_ATTEST_QUOTE (Part 2, 10.12.10)";
		return cli_refused(o->msg, "selection", CH_ERR_MISMATCH, &d);
	}
	err = ch_tpm_signature_parse(&r->sig, ch_buf_span(&f->sig), &d);
	if (err != CH_OK)
		return cli_refused(o->sig, "signature", err, &d);
	int code = cli_tpm_key_parse(&r->key, o->pub, ch_buf_span(&f->pub));
	if (code >= 0)
		return code;
	struct ch_verify_key k;
	err = ch_verify_key_init(&k, &r->key.pub);
	if (err != CH_OK) {
		ch_diag_clear(&d);
		d.rule =
			"not a key to verify with: RSA of 2048 to 8192 bits with an odd exponent, or a point on its curve";
		return cli_refused(o->pub, "key", err, &d);
	}
	r->signature_ok = ch_verify_message(&k, &r->sig, ch_buf_span(&f->msg)) == CH_OK;
	ch_verify_key_clear(&k);
	return -1;
}

static int check_values(struct quote_report *r, const struct options *o, const struct files *f)
{
	if (o->pcrs == NULL)
		return -1;
	struct ch_diag d;
	enum ch_err err = ch_tpm_pcrs_parse(&r->values, &r->quote, ch_buf_span(&f->pcrs), &d);
	if (err != CH_OK)
		return cli_refused(o->pcrs, "register", err, &d);
	struct ch_digest digest;
	bool match = ch_tpm_pcrs_cover(&r->values, &r->quote) &&
		     ch_tpm_pcr_digest(&r->quote, &r->values, r->sig.hash, &digest) == CH_OK &&
		     ch_span_eq(ch_digest_span(&digest), r->quote.pcr_digest);
	r->pcrs = match ? REPORT_YES : REPORT_NO;
	return -1;
}

static int check_logs(struct quote_report *r, const struct options *o, const struct files *f)
{
	if (o->eventlog == NULL && o->ima == NULL)
		return -1;
	struct ch_diag d;
	static struct ch_tcg_log log;
	if (o->eventlog != NULL) {
		enum ch_err err = ch_tcg_log_parse(&log, ch_buf_span(&f->eventlog), &d);
		if (err != CH_OK)
			return cli_refused(o->eventlog, "event", err, &d);
	}
	const struct quote_log_in in = {
		.quote = &r->quote,
		.hash = r->sig.hash,
		.values = r->pcrs == REPORT_YES ? &r->values : NULL,
		.log = o->eventlog != NULL ? &log : NULL,
		.ima = ch_buf_span(&f->ima),
		.has_ima = o->ima != NULL,
	};
	enum ch_err err = quote_log_judge(&r->logs, &in, &d);
	if (err != CH_OK)
		return cli_refused(o->ima, "entry", err, &d);
	r->has_ima = in.has_ima;
	r->log = r->logs.explains ? REPORT_YES : REPORT_NO;
	return -1;
}

static int judge(struct quote_report *r, const struct options *o, const struct files *f,
		 const struct cli_tpm_nonce *nonce)
{
	int code = check_signature(r, o, f);
	if (code >= 0)
		return code;
	if (o->nonce != NULL)
		r->nonce = ch_ct_eq(ch_span(nonce->b, nonce->n), r->quote.extra_data) ? REPORT_YES : REPORT_NO;
	code = check_values(r, o, f);
	if (code < 0)
		code = check_logs(r, o, f);
	if (code >= 0)
		return code;
	if (o->json)
		quote_report_json(cli_out(), r);
	else
		quote_report_page(cli_out(), r);
	return cli_out_end(quote_report_holds(r) ? CLI_HOLDS : CLI_FAILS);
}

int cmd_inspect_quote(int argc, char **argv)
{
	struct options o = { .json = false };
	int code = parse_options(&o, argc, argv);
	struct cli_tpm_nonce nonce = { .n = 0 };
	if (code < 0 && o.nonce != NULL)
		code = cli_tpm_nonce_parse(&nonce, o.nonce);
	if (code >= 0)
		return code;
	__attribute__((cleanup(files_free))) struct files f = { 0 };
	code = files_read(&f, &o);
	if (code < 0)
		code = cli_confine();
	static struct quote_report report;
	return code >= 0 ? code : judge(&report, &o, &f, &nonce);
}
