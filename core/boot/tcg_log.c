/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/tcg_log.h"

#include "core/base/rd.h"
#include "core/boot/tcg_event.h"
#include "core/boot/tcg_record.h"

#include <string.h>

#define TXT_PCR_MAPPING     0x401u /* TXT's list of what went where: it has an index that is no register */
#define TXT_PCR_MAPPING_PCR 255u

#define SPEC_ID_SIGNATURE 16
#define COREBOOT_VENDOR   15

static const uint8_t spec_id_agile[SPEC_ID_SIGNATURE] = "Spec ID Event03";
static const uint8_t spec_id_bios[SPEC_ID_SIGNATURE] = "Spec ID Event00";
static const uint8_t spec_id_efi12[SPEC_ID_SIGNATURE] = "Spec ID Event02";
static const uint8_t startup_locality[16] = "StartupLocality";

/* What parsing knows beyond the log itself. */
struct parse {
	struct ch_tcg_log *log;
	struct ch_diag *d;
	size_t entry_size;  /* coreboot: every record has this size; else 0 */
	bool used_set;      /* log->used is set: all measured records must have these banks */
	bool locality_seen; /* a StartupLocality event */
	bool hcrtm_seen;
	bool pcr0_extended; /* by anything that is not H-CRTM */
};

/* What is refused from here on lies in this record. */
static void set_item(const struct parse *p, size_t n)
{
	if (p->d != NULL)
		p->d->item = n;
}

/* --- one record --- */

static bool is_extended(uint32_t pcr, uint32_t type)
{
	return type != CH_EV_NO_ACTION && !(type == TXT_PCR_MAPPING && pcr == TXT_PCR_MAPPING_PCR);
}

/* TCG_PCR_EVENT (PFP 1.06, 10.2.1) */
static enum ch_err read_sha1(struct ch_rd *r, struct ch_tcg_event *ev, struct ch_diag *d)
{
	ev->off = r->off;
	ev->pcr = ch_rd_le32(r);
	ev->type = ch_rd_le32(r);
	ev->digest_count = 1;
	ev->digest[0].alg = CH_HASH_SHA1;
	ev->digest[0].value = ch_rd_take(r, 20);
	size_t size = ch_rd_le32(r);
	ev->data_off = r->off;
	ev->data = ch_rd_take(r, size);
	ev->extended = is_extended(ev->pcr, ev->type);
	if (r->bad)
		return ch_fail(d, CH_ERR_TRUNCATED, r->off,
			       "the record runs past the end of the log (PFP 1.06, 10.2.1)");
	if (ev->pcr == 0 && ev->type == 0 && size == 0 && ch_span_all(ev->digest[0].value, 0))
		return ch_fail(d, CH_ERR_TRAILING, ev->off,
			       "a record of nothing but zeros: only coreboot's logs may be padded");
	return CH_OK;
}

/* Index of the bank, looking first where records keep it in practice; bank_count if there is none. */
static size_t bank_of(const struct ch_tcg_log *log, uint16_t alg, size_t likely)
{
	if (likely < log->bank_count && log->bank[likely].alg == alg)
		return likely;
	size_t i = 0;
	while (i < log->bank_count && log->bank[i].alg != alg)
		i++;
	return i;
}

/* TCG_PCR_EVENT2 (PFP 1.06, 10.2.2). `*mask` receives the banks, a bit each. */
static enum ch_err read_agile(struct ch_rd *r, const struct ch_tcg_log *log, struct ch_tcg_event *ev, uint32_t *mask,
			      struct ch_diag *d)
{
	ev->off = r->off;
	ev->pcr = ch_rd_le32(r);
	ev->type = ch_rd_le32(r);
	size_t count = ch_rd_le32(r);
	if (!r->bad && count > log->bank_count)
		return ch_fail(d, CH_ERR_RANGE, r->off - 4,
			       "more digests than algorithms in the Spec ID event (PFP 1.06, 10.2.2)");
	uint32_t seen = 0;
	for (size_t i = 0; i < count; i++) {
		uint16_t alg = ch_rd_le16(r);
		if (r->bad)
			break;
		size_t b = bank_of(log, alg, i);
		if (b == log->bank_count)
			return ch_fail(d, CH_ERR_UNKNOWN, r->off - 2,
				       "a digest's algorithm is not in the Spec ID event (PFP 1.06, 10.2.2)");
		if ((seen >> b & 1) != 0)
			return ch_fail(d, CH_ERR_DUPLICATE, r->off - 2,
				       "an algorithm occurs twice in one record (PFP 1.06, 10.2.2)");
		seen |= (uint32_t)1 << b;
		ev->digest[i].alg = log->bank[b].alg;
		ev->digest[i].value = ch_rd_take(r, log->bank[b].size);
	}
	ev->digest_count = count;
	*mask = seen;
	size_t size = ch_rd_le32(r);
	ev->data_off = r->off;
	ev->data = ch_rd_take(r, size);
	ev->extended = is_extended(ev->pcr, ev->type);
	if (!r->bad)
		return CH_OK;
	return ch_fail(d, CH_ERR_TRUNCATED, r->off, "the record runs past the end of the log (PFP 1.06, 10.2.2)");
}

/* The record at the reader; the Spec ID event and all of a SHA-1 log are TCG_PCR_EVENT. */
static enum ch_err read_record(struct ch_rd *r, const struct ch_tcg_log *log, size_t n, struct ch_tcg_event *ev,
			       uint32_t *mask, struct ch_diag *d)
{
	ev->n = n;
	if (log->format == CH_TCG_COREBOOT)
		return ch_tcg_coreboot_record(r, log, ev, mask, d);
	if (n > 0 && (log->format == CH_TCG_AGILE || log->format == CH_TCG_COREBOOT_TPM2))
		return read_agile(r, log, ev, mask, d);
	*mask = 1;
	return read_sha1(r, ev, d);
}

/* --- the Spec ID event --- */

static bool has_signature(const struct ch_tcg_event *ev, const uint8_t signature[static SPEC_ID_SIGNATURE])
{
	return ev->type == CH_EV_NO_ACTION && ch_span_starts(ev->data, ch_span(signature, SPEC_ID_SIGNATURE));
}

/* coreboot's vendor information: {reserved, version, magic "CBT1" or "CBT2", entries, their size}. */
static enum ch_err parse_vendor(struct parse *p, struct ch_span vendor, size_t off, bool agile)
{
	struct ch_rd r = ch_rd(vendor);
	uint8_t reserved = ch_rd_u8(&r);
	uint8_t major = ch_rd_u8(&r);
	(void)ch_rd_u8(&r);
	struct ch_span magic = ch_rd_take(&r, 4);
	size_t max = ch_rd_le16(&r);
	size_t count = ch_rd_le16(&r);
	size_t size = ch_rd_le32(&r);
	if (!ch_rd_done(&r) || !ch_span_eq(magic, agile ? CH_SPAN_LIT("CBT2") : CH_SPAN_LIT("CBT1")))
		return CH_OK; /* another vendor's: it has no meaning to us */
	if (reserved != 0 || major != 1)
		return ch_fail(p->d, CH_ERR_UNSUPPORTED, off, "coreboot's log version is not 1");
	if (count > max)
		return ch_fail(p->d, CH_ERR_RANGE, off + 7, "coreboot's header counts more entries than its table has");
	if (size == 0)
		return ch_fail(p->d, CH_ERR_RANGE, off + 11, "coreboot's header gives its entries no size");
	p->log->format = agile ? CH_TCG_COREBOOT_TPM2 : CH_TCG_COREBOOT_TCPA;
	p->log->promised = count;
	p->entry_size = size;
	return CH_OK;
}

static enum ch_err parse_banks(struct parse *p, struct ch_rd *r, size_t base)
{
	struct ch_tcg_log *log = p->log;
	size_t off = base + r->off;
	size_t count = ch_rd_le32(r);
	if (r->bad || count == 0)
		return ch_fail(p->d, CH_ERR_MALFORMED, off,
			       "the Spec ID event names no algorithm (PFP 1.06, 10.4.5.1)");
	if (count > ch_rd_left(r) / 4)
		return ch_fail(p->d, CH_ERR_TRUNCATED, off,
			       "numberOfAlgorithms runs past the Spec ID event (PFP 1.06, 10.4.5.1)");
	if (count > CH_TCG_BANKS_MAX)
		return ch_fail(p->d, CH_ERR_LIMIT, off, "the Spec ID event names more algorithms than any TPM has");
	for (size_t i = 0; i < count; i++) {
		off = base + r->off;
		uint16_t alg = ch_rd_le16(r);
		uint16_t size = ch_rd_le16(r);
		size_t known = ch_hash_size((enum ch_hash_alg)alg);
		if (bank_of(log, alg, i) < log->bank_count)
			return ch_fail(p->d, CH_ERR_DUPLICATE, off,
				       "the Spec ID event names an algorithm twice (PFP 1.06, 10.4.5.1)");
		if (size == 0 || size > CH_DIGEST_MAX || (known != 0 && size != known))
			return ch_fail(p->d, CH_ERR_RANGE, off + 2,
				       "digestSize is not that of the algorithm (PFP 1.06, 10.4.5.1)");
		log->bank[i] = (struct ch_tcg_bank){ .alg = (enum ch_hash_alg)alg, .size = size };
		log->bank_count = i + 1;
	}
	return CH_OK;
}

/* TCG_EfiSpecIDEvent (PFP 1.06, 10.4.5.1) and its two forerunners without algorithms */
static enum ch_err parse_spec_id(struct parse *p, const struct ch_tcg_event *ev, bool agile)
{
	struct ch_rd r = ch_rd(ev->data);
	/* signature, platformClass, specVersionMinor, specVersionMajor, specErrata, uintnSize: only the version matters */
	(void)ch_rd_take(&r, SPEC_ID_SIGNATURE + 4);
	uint8_t minor = ch_rd_u8(&r);
	uint8_t major = ch_rd_u8(&r);
	(void)ch_rd_take(&r, 2);
	if (agile) {
		if (!r.bad && (major != 2 || minor != 0))
			return ch_fail(p->d, CH_ERR_RANGE, ev->data_off + SPEC_ID_SIGNATURE + 4,
				       "specVersion of a Spec ID Event03 is not 2.0 (PFP 1.06, 10.4.5.1)");
		p->log->format = CH_TCG_AGILE;
		enum ch_err err = parse_banks(p, &r, ev->data_off);
		if (err != CH_OK)
			return err;
	}
	size_t off = ev->data_off + r.off;
	size_t size = ch_rd_u8(&r);
	struct ch_span vendor = ch_rd_take(&r, size);
	if (!ch_rd_done(&r))
		return ch_fail(p->d, CH_ERR_MALFORMED, off,
			       "vendorInfoSize does not end where the Spec ID event ends (PFP 1.06, 10.4.5.1)");
	return vendor.n == COREBOOT_VENDOR ? parse_vendor(p, vendor, off + 1, agile) : CH_OK;
}

/* Decides on the format by the first bytes. */
static enum ch_err parse_format(struct parse *p)
{
	struct ch_tcg_log *log = p->log;
	if (log->in.n == 0)
		return ch_fail(p->d, CH_ERR_MALFORMED, 0, "the log is empty");
	if (log->in.n > CH_TCG_LOG_MAX)
		return ch_fail(p->d, CH_ERR_LIMIT, CH_TCG_LOG_MAX, "the log is larger than 16 MiB");
	if (ch_span_starts(log->in, CH_SPAN_LIT("CCEL")))
		return ch_fail(p->d, CH_ERR_UNSUPPORTED, 0, "an ACPI CCEL table, which only says where a log is");
	if (ch_tcg_coreboot_detect(log->in))
		return ch_tcg_coreboot_header(log, p->d);

	set_item(p, 0);
	struct ch_rd r = ch_rd(log->in);
	struct ch_tcg_event ev;
	enum ch_err err = read_sha1(&r, &ev, p->d);
	if (err != CH_OK)
		return err;
	if (has_signature(&ev, spec_id_agile))
		return parse_spec_id(p, &ev, true);
	log->format = CH_TCG_SHA1;
	log->bank[0] = (struct ch_tcg_bank){ .alg = CH_HASH_SHA1, .size = 20 };
	log->bank_count = 1;
	if (has_signature(&ev, spec_id_bios) || has_signature(&ev, spec_id_efi12))
		return parse_spec_id(p, &ev, false);
	return CH_OK;
}

/* --- rules between records --- */

/* TCG_EfiStartupLocalityEvent (PFP 1.06, 10.4.5.3) */
static enum ch_err check_locality(struct parse *p, const struct ch_tcg_event *ev)
{
	if (ev->data.n != sizeof(startup_locality) + 1 || ev->pcr != 0)
		return ch_fail(p->d, CH_ERR_MALFORMED, ev->off,
			       "a StartupLocality event has 17 bytes and is in PCR 0 (PFP 1.06, 10.4.5.3)");
	uint8_t locality = ev->data.p[sizeof(startup_locality)];
	if (locality != 0 && locality != 3 && locality != 4)
		return ch_fail(p->d, CH_ERR_RANGE, ev->data_off + sizeof(startup_locality),
			       "StartupLocality is not 0, 3 or 4 (PFP 1.06, 10.4.5.3)");
	if (p->locality_seen)
		return ch_fail(p->d, CH_ERR_DUPLICATE, ev->off, "a second StartupLocality event (PFP 1.06, 10.4.5.3)");
	if (p->pcr0_extended)
		return ch_fail(p->d, CH_ERR_MALFORMED, ev->off,
			       "a StartupLocality event after PCR 0 was extended (PFP 1.06, 10.4.5.3)");
	p->locality_seen = true;
	if (!p->hcrtm_seen)
		p->log->startup_locality = locality;
	return CH_OK;
}

/* The start value of PCR 0 and of the DRTM registers. */
static enum ch_err check_start(struct parse *p, const struct ch_tcg_event *ev)
{
	if (ev->type == CH_EV_NO_ACTION)
		return ch_span_starts(ev->data, CH_SPAN_OF(startup_locality)) ? check_locality(p, ev) : CH_OK;
	if (!ev->extended)
		return CH_OK;
	if (ev->pcr >= CH_PCR_DRTM_FIRST && ev->pcr <= CH_PCR_DRTM_LAST)
		p->log->drtm = true;
	if (ev->pcr != 0)
		return CH_OK;
	if (ev->type != CH_EV_EFI_HCRTM_EVENT) {
		p->pcr0_extended = true;
		return CH_OK;
	}
	/*
	 * The H-CRTM sequence decides, whatever the locality of TPM2_Startup (TPM 2.0 Part 1, 34.3). It always is the first
	 * extension, so a log that has it later does not replay to any TPM: that needs no rule here.
	 */
	p->hcrtm_seen = true;
	p->log->startup_locality = 4;
	return CH_OK;
}

static enum ch_err check_event(struct parse *p, const struct ch_tcg_event *ev, uint32_t mask, size_t size)
{
	struct ch_tcg_log *log = p->log;
	if (p->entry_size != 0 && ev->n > 0 && size != p->entry_size)
		return ch_fail(p->d, CH_ERR_MALFORMED, ev->off, "the record's size is not that of coreboot's header");
	if (!ev->extended)
		return check_start(p, ev);
	if (ev->pcr >= CH_PCR_COUNT)
		return ch_fail(p->d, CH_ERR_RANGE, ev->off, "pcrIndex is above 23 (PFP 1.06, 10.2.2)");
	if (log->format == CH_TCG_COREBOOT)
		return check_start(p, ev);
	/*
	 * Firmware that declares a bank which it does not serve leaves it out of every record. A record that lacks a
	 * digest which others have cannot be what the TPM was given: an extension goes to all banks or to none.
	 */
	if (!p->used_set) {
		if (mask == 0)
			return ch_fail(p->d, CH_ERR_MISSING, ev->off,
				       "a measured event without a digest (PFP 1.06, 10.2.2)");
		p->used_set = true;
		log->used = mask;
	}
	if (mask != log->used)
		return ch_fail(p->d, CH_ERR_MISSING, ev->off,
			       "the record's banks are not those of the records before it (PFP 1.06, 10.2.2)");
	return check_start(p, ev);
}

/* True at the end of a log: no bytes, or coreboot's padding. */
static bool at_end(const struct ch_tcg_log *log, const struct ch_rd *r)
{
	if (r->off == log->in.n)
		return true;
	if (log->format == CH_TCG_SHA1 || log->format == CH_TCG_AGILE)
		return false;
	return ch_span_all(ch_span(log->in.p + r->off, log->in.n - r->off), 0);
}

/* Index and type of 0xffffffff: the unused part of a confidential-computing log. */
static bool is_ff(struct ch_span s)
{
	return s.n == 8 && ch_span_all(s, 0xff);
}

static enum ch_err parse_records(struct parse *p)
{
	struct ch_tcg_log *log = p->log;
	struct ch_rd r = ch_rd(log->in);
	struct ch_tcg_event ev;
	size_t n = 0;
	size_t most = CH_TCG_EVENTS_MAX;
	r.off = log->format == CH_TCG_COREBOOT ? CH_TCG_COREBOOT_HEADER : 0;
	if (log->format == CH_TCG_COREBOOT)
		most = log->promised;
	else if (p->entry_size != 0)
		most = log->promised + 1;
	for (; !at_end(log, &r); n++) {
		size_t off = r.off;
		uint32_t mask = 0;
		set_item(p, n);
		if (n == most)
			return most == CH_TCG_EVENTS_MAX
				       ? ch_fail(p->d, CH_ERR_LIMIT, off, "more than 65536 events")
				       : ch_fail(p->d, CH_ERR_TRAILING, off,
						 "bytes after the entries that coreboot's header counts");
		if (log->format == CH_TCG_AGILE && is_ff(ch_span_sub(log->in, off, 8)))
			return ch_fail(p->d, CH_ERR_UNSUPPORTED, off,
				       "confidential-computing log (CCEL): its registers are not PCRs");
		enum ch_err err = read_record(&r, log, n, &ev, &mask, p->d);
		if (err == CH_OK)
			err = check_event(p, &ev, mask, r.off - off);
		if (err != CH_OK)
			return err;
	}
	log->event_count = n;
	log->padding = log->in.n - r.off;
	return CH_OK;
}

enum ch_err ch_tcg_log_parse(struct ch_tcg_log *log, struct ch_span in, struct ch_diag *d)
{
	ch_diag_clear(d);
	memset(log, 0, sizeof(*log));
	struct ch_tcg_log out = { .in = in };
	struct parse p = { .log = &out, .d = d };
	enum ch_err err = parse_format(&p);
	if (err == CH_OK)
		err = parse_records(&p);
	if (err == CH_OK)
		*log = out;
	return err;
}

/* --- reading a parsed log --- */

struct ch_tcg_iter ch_tcg_iter(const struct ch_tcg_log *log)
{
	return (struct ch_tcg_iter){ .log = log,
				     .off = log->format == CH_TCG_COREBOOT ? CH_TCG_COREBOOT_HEADER : 0,
				     .n = 0 };
}

bool ch_tcg_next(struct ch_tcg_iter *it, struct ch_tcg_event *ev)
{
	if (it->n >= it->log->event_count)
		return false;
	struct ch_rd r = { .in = it->log->in, .off = it->off, .bad = false };
	uint32_t mask;
	if (read_record(&r, it->log, it->n, ev, &mask, NULL) != CH_OK)
		return false;
	it->off = r.off;
	it->n++;
	return true;
}

struct ch_span ch_tcg_digest_in(const struct ch_tcg_event *ev, enum ch_hash_alg alg)
{
	for (size_t i = 0; i < ev->digest_count; i++) {
		if (ev->digest[i].alg == alg)
			return ev->digest[i].value;
	}
	return CH_SPAN_EMPTY;
}
