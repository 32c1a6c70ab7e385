/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/ek_cert.h"

#include "core/base/text.h"

#define BIT(vendor) (1u << (vendor))
#define ANYONE      0xffffffffu

/*
 * The tolerated defects. `who` are the vendors that may have one; ANYONE: it cannot change what the bytes mean, so it is
 * only told. Each is described with its evidence in docs/protocol/ek-certificate.md.
 */
static const struct {
	const char *text;
	const char *known; /* the vendors that are known to ship it */
	uint32_t who;
} defect_row[CH_EK_DEFECT_COUNT] = {
	[CH_EK_SET_ORDER] = { "a SET in a name is not sorted (X.690, 11.6)", "Nuvoton", BIT(CH_EK_VENDOR_NUVOTON) },
	[CH_EK_DEFAULT] = { "a default value is encoded (X.690, 11.5)", "Intel", ANYONE },
	[CH_EK_SERIAL_SIGN] = { "the serial number is negative or 0 (RFC 5280, 4.1.2.2)", NULL, ANYONE },
	[CH_EK_SERIAL_FORM] = { "the serial number is not in its shortest form (X.690, 8.3.2)", "STMicroelectronics",
				BIT(CH_EK_VENDOR_STM) },
	[CH_EK_SERIAL_LONG] = { "the serial number is longer than 20 octets (RFC 5280, 4.1.2.2)", NULL, ANYONE },
	[CH_EK_OAEP] = { "the key's algorithm is id-RSAES-OAEP, not rsaEncryption (RFC 4055, 4)",
			 "STMicroelectronics, Infineon, Intel", ANYONE },
	[CH_EK_SAN_NAME] = { "subjectAltName holds a Name without GeneralNames around it (RFC 5280, 4.2.1.6)", "Intel",
			     BIT(CH_EK_VENDOR_INTEL) },
	[CH_EK_NAMED_BITS] = { "zero bits at the end of keyUsage (X.690, 11.2.2)", "Infineon", ANYONE },
	[CH_EK_NV_HEADER] = { "a TCG_PCCLIENT_STORED_CERT header of 7 bytes before the certificate",
			      "STMicroelectronics", ANYONE },
	[CH_EK_NV_PADDING] = { "padding of 00 or ff after the certificate", "STMicroelectronics", ANYONE },
	[CH_EK_SAN_CRITICAL] = { "subjectAltName is critical although there is a subject (EK Credential Profile, 3.2.9)",
				 "swtpm", ANYONE },
	[CH_EK_NO_EKU] = { "no extended key usage names the kind of certificate (EK Credential Profile, 3.2.16)",
			   "Google, Infineon", BIT(CH_EK_VENDOR_GOOGLE) | BIT(CH_EK_VENDOR_INFINEON) },
	[CH_EK_NO_KEY_USAGE] = { "no keyUsage (EK Credential Profile, 3.2.13)", "STMicroelectronics, Infineon",
				 BIT(CH_EK_VENDOR_STM) | BIT(CH_EK_VENDOR_INFINEON) },
	[CH_EK_NO_DEVICE] = { "subjectAltName does not name the TPM (EK Credential Profile, 3.2.9)", "Google",
			      BIT(CH_EK_VENDOR_GOOGLE) },
	[CH_EK_SHA1] = { "signed with SHA-1 (of before 2020)", "STMicroelectronics, Infineon, Intel",
			 BIT(CH_EK_VENDOR_STM) | BIT(CH_EK_VENDOR_INFINEON) | BIT(CH_EK_VENDOR_INTEL) },
	[CH_EK_NO_BASIC] = { "a trusted issuer without basicConstraints (RFC 5280, 4.2.1.9)", "Intel",
			     BIT(CH_EK_VENDOR_INTEL) },
};

static const struct {
	const char *name;
	const char *issuer;
	bool common_name; /* else organizationName */
} vendor_row[CH_EK_VENDOR_COUNT] = {
	[CH_EK_VENDOR_STM] = { "STMicroelectronics", "STMicroelectronics NV", false },
	[CH_EK_VENDOR_INFINEON] = { "Infineon", "Infineon Technologies AG", false },
	[CH_EK_VENDOR_NUVOTON] = { "Nuvoton", "Nuvoton Technology Corporation", false },
	[CH_EK_VENDOR_INTEL] = { "Intel", "Intel Corporation", false },
	[CH_EK_VENDOR_GOOGLE] = { "Google", "Google LLC", false },
	[CH_EK_VENDOR_SWTPM] = { "swtpm", "swtpm-localca", true },
};

/* 2020-01-01: the first practical chosen-prefix collision of SHA-1 was published in that month. */
#define SHA1_UNTIL INT64_C(1577836800)

const char *ch_ek_kind_str(enum ch_ek_kind kind)
{
	static const char *const name[] = { "other", "ek", "ak", "platform", "ca" };
	return (size_t)kind < CH_COUNT_OF(name) ? name[kind] : name[0];
}

const char *ch_ek_defect_str(enum ch_ek_defect defect)
{
	return (size_t)defect < CH_EK_DEFECT_COUNT ? defect_row[defect].text : "";
}

const char *ch_ek_defect_vendor(enum ch_ek_defect defect, enum ch_ek_vendor vendor)
{
	if ((size_t)defect >= CH_EK_DEFECT_COUNT)
		return NULL;
	bool listed = defect_row[defect].who != ANYONE && vendor != CH_EK_VENDOR_NONE &&
		      (size_t)vendor < CH_EK_VENDOR_COUNT && (defect_row[defect].who & BIT(vendor)) != 0;
	return listed ? vendor_row[vendor].name : defect_row[defect].known;
}

static enum ch_ek_vendor vendor_of(struct ch_span issuer)
{
	static const uint8_t organization[] = { 0x55, 0x04, 0x0a };
	static const uint8_t common_name[] = { 0x55, 0x04, 0x03 };
	struct ch_span o = ch_x509_name_find(issuer, CH_SPAN_OF(organization)).s;
	struct ch_span cn = ch_x509_name_find(issuer, CH_SPAN_OF(common_name)).s;
	for (size_t i = 1; i < CH_EK_VENDOR_COUNT; i++) {
		if (ch_span_eq(vendor_row[i].common_name ? cn : o, ch_span_str(vendor_row[i].issuer)))
			return (enum ch_ek_vendor)i;
	}
	return CH_EK_VENDOR_NONE;
}

/* --- container --- */

static const uint8_t nv_header[] = { 0x10, 0x01, 0x00 }; /* TCG_TAG_PCCLIENT_STORED_CERT, TCG_PCCLIENT_FULL_CERT */
static const uint8_t nv_full[] = { 0x10, 0x02 };         /* TCG_TAG_PCCLIENT_FULL_CERT */

/* Takes the header off: *cert is what it frames, *rest what follows. */
static enum ch_err strip_header(struct ch_span in, struct ch_span *cert, struct ch_span *rest, struct ch_diag *d)
{
	struct ch_rd r = ch_rd(in);
	(void)ch_rd_take(&r, sizeof(nv_header));
	size_t size = ch_rd_be16(&r);
	struct ch_span full = ch_rd_take(&r, size);
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, 3, "TCG_PCCLIENT_STORED_CERT.certSize is more than there is");
	if (!ch_span_starts(full, CH_SPAN_OF(nv_full)))
		return ch_fail(d, CH_ERR_UNSUPPORTED, 5, "not a TCG_FULL_CERT after TCG_PCCLIENT_STORED_CERT");
	*cert = ch_span(full.p + sizeof(nv_full), full.n - sizeof(nv_full));
	*rest = ch_rd_rest(&r);
	return CH_OK;
}

static bool is_padding(struct ch_span s)
{
	return ch_span_all(s, 0x00) || ch_span_all(s, 0xff);
}

/* The certificate in `in`, and the defects of what is around it. *skipped are the bytes before it. */
static enum ch_err strip(struct ch_span in, struct ch_span *cert, size_t *skipped, uint32_t *defects, struct ch_diag *d)
{
	struct ch_span rest = CH_SPAN_EMPTY;
	*cert = in;
	if (ch_span_starts(in, CH_SPAN_OF(nv_header))) {
		enum ch_err err = strip_header(in, cert, &rest, d);
		if (err != CH_OK)
			return err;
		*skipped = sizeof(nv_header) + 2 + sizeof(nv_full);
		*defects |= 1u << CH_EK_NV_HEADER;
	}
	struct ch_der_rd r = ch_der_rd(*cert, 0);
	struct ch_der v = ch_der_take(&r, CH_DER_SEQUENCE, NULL);
	if (!ch_der_ok(&r))
		return CH_OK; /* reading it will say what is wrong */
	struct ch_span after = ch_rd_rest(&r.r);
	if (after.n > 0 || rest.n > 0) {
		if (!is_padding(after) || !is_padding(rest))
			return ch_fail(d, CH_ERR_TRAILING, *skipped + v.whole.n,
				       "bytes after the certificate that are not padding of 00 or of ff");
		*defects |= 1u << CH_EK_NV_PADDING;
		*cert = v.whole;
	}
	return CH_OK;
}

/* --- kind and defects --- */

/* GCE instance information, in certificates of virtual TPMs. */
static bool has_google_instance(const struct ch_x509 *x)
{
	static const uint8_t oid[] = { 0x2b, 0x06, 0x01, 0x04, 0x01, 0xd6, 0x79, 0x02, 0x01, 0x15 };
	for (size_t i = 0; i < x->ext_count; i++) {
		if (ch_span_eq(x->ext[i].oid, CH_SPAN_OF(oid)))
			return true;
	}
	return false;
}

static enum ch_ek_kind kind_of(const struct ch_x509 *x)
{
	bool device = x->tpm.manufacturer.tag != 0 || x->tpm.model.tag != 0;
	if (x->form == CH_X509_ATTRIBUTE)
		return CH_EK_PLATFORM;
	/* Authorities for EK certificates name the same purpose, but no TPM. */
	if ((x->eku & CH_EKU_EK) != 0 && (!x->ca || device))
		return CH_EK_EK;
	if (x->ca)
		return (x->eku & CH_EKU_AK) != 0 && device ? CH_EK_AK : CH_EK_CA;
	if ((x->eku & CH_EKU_AK) != 0)
		return CH_EK_AK;
	if ((x->eku & CH_EKU_PLATFORM) != 0 || x->platform.manufacturer.tag != 0)
		return CH_EK_PLATFORM;
	if (x->has_eku || (!device && !has_google_instance(x)))
		return CH_EK_OTHER;
	if ((x->key_usage & (CH_KU_KEY_ENCIPHERMENT | CH_KU_KEY_AGREEMENT)) != 0)
		return CH_EK_EK;
	return (x->key_usage & CH_KU_DIGITAL_SIGNATURE) != 0 ? CH_EK_AK : CH_EK_OTHER;
}

/* Defects that are no matter of encoding. */
static uint32_t defects_of(const struct ch_ek_cert *c)
{
	const struct ch_x509 *x = &c->x;
	uint32_t found = 0;
	bool tpm_key = c->kind == CH_EK_EK || c->kind == CH_EK_AK;
	bool self_signed = x->form == CH_X509_CERTIFICATE && ch_span_eq(x->issuer, x->subject);
	if (x->sig.scheme != CH_SIG_NONE && x->sig.hash == CH_HASH_SHA1 && !self_signed)
		found |= 1u << CH_EK_SHA1;
	if (!tpm_key)
		return found;
	if (x->has_san && x->san_critical && !ch_x509_name_empty(x->subject))
		found |= 1u << CH_EK_SAN_CRITICAL;
	if (!x->has_eku)
		found |= 1u << CH_EK_NO_EKU;
	if (!x->has_key_usage)
		found |= 1u << CH_EK_NO_KEY_USAGE;
	if (x->tpm.manufacturer.tag == 0 || x->tpm.model.tag == 0 || x->tpm.version.tag == 0)
		found |= 1u << CH_EK_NO_DEVICE;
	return found;
}

static bool tolerated(const struct ch_ek_cert *c, size_t defect)
{
	if (defect == CH_EK_SHA1 && c->x.not_before >= SHA1_UNTIL)
		return false;
	uint32_t who = defect_row[defect].who;
	return who == ANYONE || (who & BIT(c->vendor)) != 0;
}

enum ch_err ch_ek_cert_parse(struct ch_ek_cert *c, struct ch_span in, struct ch_diag *d)
{
	ch_diag_clear(d);
	*c = (struct ch_ek_cert){ .kind = CH_EK_OTHER };
	struct ch_span cert = CH_SPAN_EMPTY;
	size_t skipped = 0;
	uint32_t found = 0;
	enum ch_err err = strip(in, &cert, &skipped, &found, d);
	if (err != CH_OK)
		return err;
	struct ch_ek_cert read;
	err = ch_x509_parse(&read.x, cert, d);
	if (err != CH_OK) {
		if (d != NULL)
			d->off += skipped;
		return err;
	}
	read.kind = kind_of(&read.x);
	read.vendor = vendor_of(read.x.issuer);
	read.defects = 0;
	read.forbidden = 0;
	found |= read.x.odd | defects_of(&read);
	for (size_t i = 0; i < CH_EK_DEFECT_COUNT; i++) {
		uint32_t bit = found & 1u << i;
		if (tolerated(&read, i))
			read.defects |= bit;
		else
			read.forbidden |= bit;
	}
	*c = read;
	return CH_OK;
}

/* --- text --- */

static bool printable(uint8_t c)
{
	return c > ' ' && c < 0x7f;
}

void ch_ek_manufacturer_put(struct ch_wr *w, struct ch_x509_text m)
{
	uint8_t id[4] = { 0 };
	bool is_id = ch_span_starts(m.s, CH_SPAN_LIT("id:")) && m.s.n == 11 &&
		     ch_hex_decode(id, sizeof(id), ch_span_sub(m.s, 3, 8)) == CH_OK;
	size_t n = sizeof(id);
	while (n > 0 && (id[n - 1] == 0 || id[n - 1] == ' '))
		n--;
	for (size_t i = 0; i < n; i++)
		is_id = is_id && printable(id[i]);
	if (is_id && n > 0)
		ch_wr_put(w, ch_span(id, n));
	else
		ch_der_string_put(w, m.tag, m.s);
}
