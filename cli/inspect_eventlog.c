/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "core/base/text.h"
#include "core/boot/tcg_event.h"
#include "core/boot/tcg_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PCR_APPLICATIONS  4
#define PCR_FIRMWARE_LAST 7
#define PCR_COLUMN        4
#define TYPE_COLUMN       34
#define TEXT_MAX          256

/* --- what deserves a warning --- */

enum warn {
	WARN_NOT_COVERED = 1 << 0,
	WARN_CONFLICT = 1 << 1,
	WARN_TYPE = 1 << 2,
	WARN_ORDER = 1 << 3,
	WARN_SEPARATOR = 1 << 4,
	WARN_DIGEST = 1 << 5,
	WARN_DEFECT = 1 << 6,
	WARN_HCRTM = 1 << 7,
};

static const struct {
	enum warn flag;
	const char *text;
} warn_text[] = {
	{ WARN_NOT_COVERED, "the digest does not cover the text shown" },
	{ WARN_CONFLICT,
	  "the digest of one bank covers the data, that of another does not: the text shown is not to be believed" },
	{ WARN_TYPE, "the type is not known" },
	{ WARN_ORDER, "an EFI application was measured before the firmware said that it calls one" },
	{ WARN_SEPARATOR, "a second separator in its PCR" },
	{ WARN_HCRTM, "H-CRTM is always the first extension of PCR 0, but the log has others before it" },
	{ WARN_DIGEST, "no register received it, yet it carries a digest" },
};

/* What was seen in the events before. */
struct review {
	bool calling;       /* "Calling EFI Application from Boot Option" */
	bool pcr0;          /* PCR 0 was extended, not counting H-CRTM */
	uint32_t separator; /* bit n: PCR n has its separator */
};

/* Kinds whose text or value is shown as a fact, so that it must be what was measured. */
static bool shows_content(enum ch_tcg_kind kind)
{
	return kind == CH_TCG_VARIABLE || kind == CH_TCG_ACTION || kind == CH_TCG_SEPARATOR || kind == CH_TCG_GPT ||
	       kind == CH_TCG_VERSION || kind == CH_TCG_TEXT;
}

static bool has_digest(const struct ch_tcg_event *ev)
{
	for (size_t i = 0; i < ev->digest_count; i++) {
		if (!ch_span_all(ev->digest[i].value, 0))
			return true;
	}
	return false;
}

/* Which warnings the next event deserves: a set of `enum warn`. */
static unsigned review_event(struct review *r, const struct ch_tcg_event *ev, const struct ch_tcg_what *what)
{
	unsigned set = 0;
	if (ch_tcg_type_str(ev->type) == NULL)
		set |= WARN_TYPE;
	if (what->defect != NULL)
		set |= WARN_DEFECT;
	if (!ev->extended)
		return has_digest(ev) ? set | WARN_DIGEST : set;
	if (what->cover == CH_COVER_CONFLICT)
		set |= WARN_CONFLICT;
	else if (what->cover == CH_COVER_NONE && shows_content(what->kind))
		set |= WARN_NOT_COVERED;
	if (what->kind == CH_TCG_SEPARATOR && ev->pcr <= PCR_FIRMWARE_LAST) {
		if ((r->separator >> ev->pcr & 1) != 0)
			set |= WARN_SEPARATOR;
		r->separator |= (uint32_t)1 << ev->pcr;
	}
	if (ev->pcr == 0 && ev->type == CH_EV_EFI_HCRTM_EVENT)
		set |= r->pcr0 ? WARN_HCRTM : 0;
	else if (ev->pcr == 0)
		r->pcr0 = true;
	if (ev->pcr == PCR_APPLICATIONS) {
		if (ev->type == CH_EV_EFI_ACTION &&
		    ch_span_starts(ev->data, CH_SPAN_LIT("Calling EFI Application from Boot Option")))
			r->calling = true;
		if (ev->type == CH_EV_EFI_BOOT_SERVICES_APPLICATION && !r->calling)
			set |= WARN_ORDER;
	}
	return set;
}

/* One warning: a line of the page, or a string of the array. */
struct warner {
	struct ch_wr *w;
	struct ch_json_wr *json; /* NULL: the page */
	size_t count;
};

static void warn_put(struct warner *to, const char *text)
{
	to->count++;
	if (to->json != NULL) {
		ch_json_put_str(to->json, text);
		return;
	}
	if (to->count == 1)
		cli_put(to->w, CLI_HEAD, "\nWarnings\n");
	ch_wr_str(to->w, "  ");
	cli_put(to->w, CLI_WARN, text);
	ch_wr_u8(to->w, '\n');
}

/* An algorithm's name, or its number. */
static const char *alg_name(enum ch_hash_alg alg, char buf[static 8])
{
	const char *name = ch_hash_name(alg);
	if (name != NULL)
		return name;
	(void)snprintf(buf, 8, "0x%04x", (unsigned)alg & 0xffff);
	return buf;
}

static void warn_log(struct warner *to, const struct ch_tcg_log *log)
{
	char text[TEXT_MAX];
	char buf[8];
	for (size_t i = 0; i < log->bank_count; i++) {
		const char *name = alg_name(log->bank[i].alg, buf);
		if (!ch_hash_available(log->bank[i].alg)) {
			(void)snprintf(text, sizeof(text), "bank %s: this program does not compute it", name);
			warn_put(to, text);
		}
		if ((log->used >> i & 1) == 0 && log->used != 0) {
			(void)snprintf(text, sizeof(text), "bank %s: declared, but no event has a digest for it", name);
			warn_put(to, text);
		}
	}
	size_t entries = log->event_count - (log->format == CH_TCG_COREBOOT ? 0 : 1);
	if ((log->promised != 0 || log->format == CH_TCG_COREBOOT_TPM2 || log->format == CH_TCG_COREBOOT_TCPA) &&
	    log->promised != entries) {
		(void)snprintf(text, sizeof(text), "coreboot's header counts %zu entries, the log holds %zu",
			       log->promised, entries);
		warn_put(to, text);
	}
	if (log->format == CH_TCG_COREBOOT && log->bank_count > 1)
		warn_put(to,
			 "each entry has a digest for one bank only: what the other banks received is not in the log");
}

static void warn_event(struct warner *to, const struct ch_tcg_event *ev, const struct ch_tcg_what *what, unsigned set)
{
	char text[TEXT_MAX];
	for (size_t i = 0; i < CH_COUNT_OF(warn_text); i++) {
		if ((set & warn_text[i].flag) == 0)
			continue;
		(void)snprintf(text, sizeof(text), "event %zu: %s", ev->n, warn_text[i].text);
		warn_put(to, text);
	}
	if ((set & WARN_DEFECT) == 0)
		return;
	(void)snprintf(text, sizeof(text), "event %zu: %s", ev->n, what->defect);
	warn_put(to, text);
}

static void warnings(struct warner *to, const struct ch_tcg_log *log)
{
	warn_log(to, log);
	struct review review = { 0 };
	struct ch_tcg_iter it = ch_tcg_iter(log);
	struct ch_tcg_event ev;
	struct ch_tcg_what what;
	while (ch_tcg_next(&it, &ev)) {
		/* Confidential-computing logs number their measurement registers from 1 and start with the first of them. */
		if (ev.n == 0 && log->format == CH_TCG_AGILE && ev.pcr != 0)
			warn_put(
				to,
				"the Spec ID event is not in PCR 0: a confidential-computing log (CCEL), whose registers are not PCRs?");
		ch_tcg_event_decode(&ev, &what);
		warn_event(to, &ev, &what, review_event(&review, &ev, &what));
	}
}

/* --- the machine form --- */

static void json_banks(struct ch_json_wr *j, const struct ch_pcrs *pcrs)
{
	ch_json_name(j, "banks");
	ch_json_object_begin(j);
	for (size_t b = 0; b < pcrs->count; b++) {
		const struct ch_pcr_bank *bank = &pcrs->bank[b];
		ch_json_name(j, ch_hash_name(bank->alg));
		ch_json_object_begin(j);
		for (uint32_t i = 0; i < CH_PCR_COUNT; i++) {
			char name[4];
			if ((bank->touched >> i & 1) == 0)
				continue;
			(void)snprintf(name, sizeof(name), "%u", i % 100);
			ch_json_named_hex(j, name, ch_pcr_value(bank, i));
		}
		ch_json_object_end(j);
	}
	ch_json_object_end(j);
}

static void json_event(struct ch_json_wr *j, const struct ch_tcg_event *ev, const struct ch_tcg_what *what)
{
	ch_json_object_begin(j);
	ch_json_named_u64(j, "n", ev->n);
	ch_json_named_u64(j, "pcr", ev->pcr);
	ch_json_named_u64(j, "type", ev->type);
	ch_json_named_str(j, "type_name", ch_tcg_type_str(ev->type));
	ch_json_name(j, "digests");
	ch_json_object_begin(j);
	for (size_t i = 0; i < ev->digest_count; i++) {
		char buf[8];
		ch_json_named_hex(j, alg_name(ev->digest[i].alg, buf), ev->digest[i].value);
	}
	ch_json_object_end(j);
	uint8_t text[CH_TCG_DESCRIBE_MAX];
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_tcg_event_describe(ev, what, &w);
	ch_json_named_span(j, "what", ch_wr_span(&w));
	ch_json_object_end(j);
}

static void json_page(struct ch_wr *w, const struct ch_tcg_log *log, const struct ch_pcrs *pcrs)
{
	struct ch_json_wr j = ch_json_wr(w, true);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "format", ch_tcg_format_str(log->format));
	json_banks(&j, pcrs);
	ch_json_name(&j, "secure_boot");
	enum ch_secure_boot sb = ch_tcg_secure_boot(log);
	if (sb == CH_SECURE_BOOT_UNKNOWN)
		ch_json_put_null(&j);
	else
		ch_json_put_bool(&j, sb == CH_SECURE_BOOT_ON);
	ch_json_named_u64(&j, "startup_locality", log->startup_locality);
	ch_json_name(&j, "events");
	ch_json_array_begin(&j);
	struct ch_tcg_iter it = ch_tcg_iter(log);
	struct ch_tcg_event ev;
	struct ch_tcg_what what;
	while (ch_tcg_next(&it, &ev)) {
		ch_tcg_event_decode_only(&ev, &what);
		json_event(&j, &ev, &what);
	}
	ch_json_array_end(&j);
	ch_json_name(&j, "warnings");
	ch_json_array_begin(&j);
	struct warner to = { .w = w, .json = &j };
	warnings(&to, log);
	ch_json_array_end(&j);
	ch_json_object_end(&j);
	ch_wr_u8(w, '\n');
}

/* --- the page for a person --- */

static void page_head(struct ch_wr *w, const char *path, const struct ch_tcg_log *log)
{
	static const char *const state[] = { "not known from this log", "off", "on" };
	static const enum cli_mark mark[] = { CLI_WARN, CLI_BAD, CLI_GOOD };
	enum ch_secure_boot sb = ch_tcg_secure_boot(log);
	char text[TEXT_MAX] = "";
	char buf[8];
	size_t n = 0;
	ch_text_escape(w, ch_span_str(path));
	ch_wr_u8(w, '\n');
	cli_field(w, "Format", CLI_PLAIN, ch_tcg_format_str(log->format));
	for (size_t i = 0; i < log->bank_count && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i > 0 ? ", " : "",
				      alg_name(log->bank[i].alg, buf));
	cli_field(w, "Banks", CLI_PLAIN, text);
	cli_field(w, "Secure Boot", mark[sb], state[sb]);
	(void)snprintf(text, sizeof(text), "%u%s", log->startup_locality,
		       log->startup_locality == 4 ? " (H-CRTM)" : "");
	cli_field(w, "Startup locality", CLI_PLAIN, text);
	if (log->drtm)
		cli_field(w, "Dynamic launch", CLI_PLAIN, "yes: PCR 17-22 start at zero");
	(void)snprintf(text, sizeof(text), "%zu", log->event_count);
	cli_field(w, "Events", CLI_PLAIN, text);
}

static void page_event(struct ch_wr *w, const struct ch_tcg_event *ev, const struct ch_tcg_what *what, unsigned warned)
{
	char cell[64];
	char pcr[12] = "-";
	char number[12];
	const char *type = ch_tcg_type_str(ev->type);
	(void)snprintf(number, sizeof(number), "0x%08" PRIx32, ev->type);
	if (ev->extended)
		(void)snprintf(pcr, sizeof(pcr), "%" PRIu32, ev->pcr);
	(void)snprintf(cell, sizeof(cell), "%6zu  %*s  ", ev->n, PCR_COLUMN, pcr);
	cli_put(w, CLI_PLAIN, cell);
	(void)snprintf(cell, sizeof(cell), "%-*s  ", TYPE_COLUMN, type != NULL ? type : number);
	cli_put(w, ev->extended ? CLI_PLAIN : CLI_DIM, cell);
	/* CH_TCG_DESCRIBE_MAX bytes and the NUL that cli_put wants */
	uint8_t text[CH_TCG_DESCRIBE_MAX + 1] = { 0 };
	struct ch_wr t = ch_wr(text, CH_TCG_DESCRIBE_MAX);
	ch_tcg_event_describe(ev, what, &t);
	cli_put(w, warned != 0 ? CLI_WARN : CLI_PLAIN, (const char *)text);
	ch_wr_u8(w, '\n');
}

static void page_events(struct ch_wr *w, const struct ch_tcg_log *log)
{
	char head[64];
	(void)snprintf(head, sizeof(head), "\n%6s  %*s  %-*s  %s\n", "event", PCR_COLUMN, "PCR", TYPE_COLUMN, "type",
		       "what");
	cli_put(w, CLI_HEAD, head);
	struct review review = { 0 };
	struct ch_tcg_iter it = ch_tcg_iter(log);
	struct ch_tcg_event ev;
	struct ch_tcg_what what;
	while (ch_tcg_next(&it, &ev)) {
		ch_tcg_event_decode(&ev, &what);
		page_event(w, &ev, &what, review_event(&review, &ev, &what));
	}
}

static void page_pcrs(struct ch_wr *w, const struct ch_pcrs *pcrs)
{
	cli_put(w, CLI_HEAD, "\nPCRs after the last event\n");
	for (size_t b = 0; b < pcrs->count; b++) {
		const struct ch_pcr_bank *bank = &pcrs->bank[b];
		for (uint32_t i = 0; i < CH_PCR_COUNT; i++) {
			char label[24];
			if ((bank->touched >> i & 1) == 0)
				continue;
			(void)snprintf(label, sizeof(label), "  %-8s %2" PRIu32 "  ", ch_hash_name(bank->alg), i);
			ch_wr_str(w, label);
			ch_wr_hex(w, ch_pcr_value(bank, i));
			ch_wr_u8(w, '\n');
		}
	}
}

static void page(struct ch_wr *w, const char *path, const struct ch_tcg_log *log, const struct ch_pcrs *pcrs)
{
	page_head(w, path, log);
	page_events(w, log);
	page_pcrs(w, pcrs);
	struct warner to = { .w = w };
	warnings(&to, log);
}

static const char about[] =
	"Shows a measured-boot event log: every event, what it says was measured, and the PCR values that the\n"
	"events add up to. A log is not signed: it holds only if these values are the ones that a TPM quotes\n"
	"(see 'chainhold inspect quote --eventlog'). Text that an event's digest does not cover is marked.\n"
	"\n"
	"Linux has the log in /sys/kernel/security/tpm0/binary_bios_measurements. Formats: TCG PC Client\n"
	"(crypto-agile and SHA-1) as UEFI firmware, U-Boot, Windows, Intel TXT and TrenchBoot write it, and\n"
	"coreboot's three. A log cut inside a record is malformed; bytes after the last record are an error,\n"
	"but for the zeros that fill coreboot's table.\n"
	"\n"
	"Exit status: 0 the log is well-formed; 1 malformed (byte offset, event and rule are named); 2 usage;\n"
	"3 a kind of log that is not supported, such as that of a confidential virtual machine; 4 I/O.";

int cmd_inspect_eventlog(int argc, char **argv)
{
	bool json = false;
	const char *file[1];
	const struct cli_opt opt[] = {
		{ "json", NULL, "print JSON (docs/schema/inspect-eventlog.schema.json)", CLI_FLAG, &json },
	};
	const struct cli_usage usage = {
		.args = "[--json] FILE",
		.about = about,
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = file,
		.file_min = 1,
		.file_max = 1,
	};
	int code = cli_parse(&usage, argc, argv, NULL);
	if (code >= 0)
		return code;
	struct ch_buf CH_AUTO_BUF in = { 0 };
	code = cli_read(&in, file[0]);
	if (code >= 0)
		return code;
	(void)cli_colour();
	code = cli_confine();
	if (code >= 0)
		return code;
	struct ch_tcg_log log;
	struct ch_diag d;
	enum ch_err err = ch_tcg_log_parse(&log, ch_buf_span(&in), &d);
	if (err != CH_OK)
		return cli_refused(file[0], "event", err, &d);
	struct ch_pcrs pcrs;
	ch_tcg_replay(&log, &pcrs);
	if (json)
		json_page(cli_out(), &log, &pcrs);
	else
		page(cli_out(), file[0], &log, &pcrs);
	return cli_out_end(CLI_HOLDS);
}
