/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/measure.h"

#include "core/base/text.h"
#include "core/update/uki.h"

/* PFP 1.06, table 27 */
#define EV_EVENT_TAG   0x00000006u
#define EV_IPL         0x0000000du
#define EV_APPLICATION 0x80000003u
#define EV_BOOT_DRIVER 0x80000004u
#define EV_RUN_DRIVER  0x80000005u

#define PCR_DRIVERS     2
#define PCR_APPLICATION 4
#define PCR_KERNEL_ARGS 9  /* Linux, drivers/firmware/efi/libstub */
#define PCR_UKI         11 /* systemd-stub(7) */

const enum ch_hash_alg ch_measure_bank[CH_MEASURE_BANKS] = { CH_HASH_SHA256, CH_HASH_SHA384 };

const char *ch_measure_type_str(uint32_t type)
{
	switch (type) {
	case EV_EVENT_TAG:
		return "EV_EVENT_TAG";
	case EV_IPL:
		return "EV_IPL";
	case EV_APPLICATION:
		return "EV_EFI_BOOT_SERVICES_APPLICATION";
	case EV_BOOT_DRIVER:
		return "EV_EFI_BOOT_SERVICES_DRIVER";
	case EV_RUN_DRIVER:
		return "EV_EFI_RUNTIME_SERVICES_DRIVER";
	default:
		return NULL;
	}
}

void ch_measure_init(struct ch_measure *m)
{
	m->count = m->note_count = 0;
	m->optional = false;
}

/* --- one event --- */

static bool same(const struct ch_measure_event *a, const struct ch_measure_event *b)
{
	if (a->pcr != b->pcr || a->type != b->type)
		return false;
	for (size_t i = 0; i < CH_MEASURE_BANKS; i++) {
		if (!ch_span_eq(ch_digest_span(&a->digest[i]), ch_digest_span(&b->digest[i])))
			return false;
	}
	return true;
}

static enum ch_err add(struct ch_measure *m, const struct ch_measure_event *e, struct ch_diag *d)
{
	for (size_t i = 0; i < m->count; i++) {
		if (same(&m->event[i], e)) {
			m->event[i].required = m->event[i].required || (e->required && !m->optional);
			return CH_OK;
		}
	}
	if (m->count == CH_MEASURE_EVENTS_MAX)
		return ch_fail(d, CH_ERR_LIMIT, 0, "more events than CH_MEASURE_EVENTS_MAX");
	m->event[m->count] = *e;
	m->event[m->count++].required = e->required && !m->optional;
	return CH_OK;
}

void ch_measure_note(struct ch_measure *m, const char *text)
{
	for (size_t i = 0; i < m->note_count; i++) {
		if (m->note[i] == text)
			return;
	}
	if (m->note_count < CH_MEASURE_NOTES_MAX)
		m->note[m->note_count++] = text;
}

static enum ch_err add_bytes(struct ch_measure *m, struct ch_measure_event e, struct ch_span bytes, struct ch_diag *d)
{
	for (size_t i = 0; i < CH_MEASURE_BANKS; i++) {
		if (ch_hash_once(ch_measure_bank[i], bytes, &e.digest[i]) != CH_OK)
			return ch_fail(d, CH_ERR_CRYPTO, 0, "a hash cannot be computed");
	}
	return add(m, &e, d);
}

static enum ch_err add_image(struct ch_measure *m, const struct ch_pe *pe, struct ch_measure_event e, struct ch_diag *d)
{
	switch (pe->subsystem) {
	case CH_PE_APPLICATION:
		e.pcr = PCR_APPLICATION, e.type = EV_APPLICATION;
		break;
	case CH_PE_BOOT_DRIVER:
		e.pcr = PCR_DRIVERS, e.type = EV_BOOT_DRIVER;
		break;
	case CH_PE_RUNTIME_DRIVER:
		e.pcr = PCR_DRIVERS, e.type = EV_RUN_DRIVER;
		break;
	default:
		return ch_fail(d, CH_ERR_UNSUPPORTED, pe->checksum_off + 4,
			       "no EFI application or driver (UEFI 2.10, 2.1.1)");
	}
	for (size_t i = 0; i < CH_MEASURE_BANKS; i++) {
		if (ch_pe_hash(pe, ch_measure_bank[i], &e.digest[i]) != CH_OK)
			return ch_fail(d, CH_ERR_CRYPTO, 0, "a hash cannot be computed");
	}
	return add(m, &e, d);
}

/* --- the kernel's EFI stub --- */

/* The command line as it is handed over: UTF-16LE, up to the first NUL, with a NUL, control characters as blanks, none at its end. */
static enum ch_err add_load_options(struct ch_measure *m, struct ch_span text, struct ch_measure_event e,
				    struct ch_diag *d)
{
	static const uint8_t zero[2];
	struct ch_hash h;
	size_t n = 0;
	while (n < text.n && text.p[n] != 0)
		n++;
	while (n > 0 && text.p[n - 1] <= 0x20)
		n--;
	for (size_t i = 0; i < CH_MEASURE_BANKS; i++) {
		if (ch_hash_init(&h, ch_measure_bank[i]) != CH_OK)
			return ch_fail(d, CH_ERR_CRYPTO, 0, "a hash cannot be computed");
		for (size_t k = 0; k < n; k++) {
			const uint8_t unit[2] = { text.p[k] < 0x20 ? 0x20 : text.p[k], 0 };
			ch_hash_update(&h, CH_SPAN_OF(unit));
		}
		ch_hash_update(&h, CH_SPAN_OF(zero));
		ch_hash_final(&h, &e.digest[i]);
	}
	return add(m, &e, d);
}

enum ch_err ch_measure_cmdline(struct ch_measure *m, struct ch_span text, struct ch_span in, struct ch_diag *d)
{
	ch_diag_clear(d);
	if (text.n > CH_UKI_CMDLINE_MAX)
		return ch_fail(d, CH_ERR_LIMIT, 0, "a kernel command line of more than 64 KiB");
	for (size_t i = 0; i < text.n && text.p[i] != 0; i++) {
		if (text.p[i] > 0x7e)
			return ch_fail(d, CH_ERR_UNSUPPORTED, i,
				       "a kernel command line with other characters than those of ASCII");
	}
	const struct ch_measure_event e = {
		.pcr = PCR_KERNEL_ARGS, .type = EV_EVENT_TAG, .what = "kernel command line (Linux EFI stub)", .in = in
	};
	return add_load_options(m, text, e, d);
}

enum ch_err ch_measure_initrd(struct ch_measure *m, struct ch_span file, struct ch_span in, struct ch_diag *d)
{
	const struct ch_measure_event e = {
		.pcr = PCR_KERNEL_ARGS, .type = EV_EVENT_TAG, .what = "initrd (Linux EFI stub)", .in = in
	};
	ch_diag_clear(d);
	return add_bytes(m, e, file, d);
}

/* --- EFI binaries --- */

enum ch_err ch_measure_efi(struct ch_measure *m, struct ch_span file, struct ch_span in, struct ch_diag *d)
{
	struct ch_pe pe;
	enum ch_err err = ch_pe_parse(&pe, file, d);
	if (err != CH_OK)
		return err;
	return add_image(m, &pe, (struct ch_measure_event){ .required = true, .what = "EFI image", .in = in }, d);
}

/* Each part in turn: its name with a NUL, then its bytes. */
static enum ch_err add_parts(struct ch_measure *m, const struct ch_uki *u, struct ch_span in, struct ch_diag *d)
{
	static const struct {
		struct ch_span name;
		const char *what, *name_what;
	} part[CH_UKI_PART_COUNT] = {
		[CH_UKI_LINUX] = { CH_SPAN_LIT(".linux\0"), "UKI section .linux", "name of UKI section .linux" },
		[CH_UKI_OSREL] = { CH_SPAN_LIT(".osrel\0"), "UKI section .osrel", "name of UKI section .osrel" },
		[CH_UKI_CMDLINE] = { CH_SPAN_LIT(".cmdline\0"), "UKI section .cmdline",
				     "name of UKI section .cmdline" },
		[CH_UKI_INITRD] = { CH_SPAN_LIT(".initrd\0"), "UKI section .initrd", "name of UKI section .initrd" },
		[CH_UKI_SPLASH] = { CH_SPAN_LIT(".splash\0"), "UKI section .splash", "name of UKI section .splash" },
		[CH_UKI_DTB] = { CH_SPAN_LIT(".dtb\0"), "UKI section .dtb", "name of UKI section .dtb" },
		[CH_UKI_PCRPKEY] = { CH_SPAN_LIT(".pcrpkey\0"), "UKI section .pcrpkey",
				     "name of UKI section .pcrpkey" },
	};
	enum ch_err err = CH_OK;
	for (size_t i = 0; err == CH_OK && i < CH_UKI_PART_COUNT; i++) {
		if (u->part[i].n == 0 || part[i].what == NULL)
			continue;
		struct ch_measure_event e = {
			.pcr = PCR_UKI, .type = EV_IPL, .required = true, .what = part[i].name_what, .in = in
		};
		err = add_bytes(m, e, part[i].name, d);
		e.what = part[i].what;
		if (err == CH_OK)
			err = add_bytes(m, e, u->part[i], d);
	}
	return err;
}

/*
 * Whether firmware measures the kernel inside as an image depends on Secure Boot (with it, systemd-stub 252 starts the kernel past the firmware's
 * check and its measurement), and whether the kernel measures what it was given on how it was built. So these are not required: all their
 * bytes are in PCR 4 and 11 already.
 */
static enum ch_err add_kernel(struct ch_measure *m, const struct ch_uki *u, struct ch_span in, struct ch_diag *d)
{
	struct ch_pe kernel;
	enum ch_err err = ch_pe_parse(&kernel, u->part[CH_UKI_LINUX], d);
	if (err != CH_OK)
		return err;
	err = add_image(m, &kernel, (struct ch_measure_event){ .what = "kernel in the UKI", .in = in }, d);
	if (err == CH_OK && u->part[CH_UKI_CMDLINE].n > 0)
		err = ch_measure_cmdline(m, u->part[CH_UKI_CMDLINE], in, d);
	if (err != CH_OK)
		return err;
	if (u->part[CH_UKI_CMDLINE].n == 0)
		ch_measure_note(m, "no .cmdline: the boot entry gives the command line, which goes into PCR 9 and 12");
	if (u->part[CH_UKI_PCRSIG].n > 0 || u->part[CH_UKI_PCRPKEY].n > 0)
		ch_measure_note(m, ".pcrsig or .pcrpkey: the initrd of PCR 9 is put together at boot");
	else if (u->part[CH_UKI_INITRD].n > 0)
		return ch_measure_initrd(m, u->part[CH_UKI_INITRD], in, d);
	return CH_OK;
}

enum ch_err ch_measure_uki(struct ch_measure *m, struct ch_span file, struct ch_span in, struct ch_diag *d)
{
	struct ch_uki uki;
	const size_t count = m->count, notes = m->note_count;
	enum ch_err err = ch_uki_parse(&uki, file, d);
	if (err != CH_OK)
		return err;
	err = add_image(m, &uki.pe, (struct ch_measure_event){ .required = true, .what = "EFI image (UKI)", .in = in },
			d);
	if (err == CH_OK)
		err = add_parts(m, &uki, in, d);
	if (err == CH_OK)
		err = add_kernel(m, &uki, in, d);
	if (err != CH_OK)
		m->count = count, m->note_count = notes;
	return err;
}

enum ch_err ch_measure_any(struct ch_measure *m, struct ch_span file, struct ch_span in, struct ch_diag *d)
{
	struct ch_pe pe;
	enum ch_err err = ch_pe_parse(&pe, file, d);
	if (err != CH_OK)
		return err;
	return ch_uki_is(&pe) ? ch_measure_uki(m, file, in, d) : ch_measure_efi(m, file, in, d);
}
