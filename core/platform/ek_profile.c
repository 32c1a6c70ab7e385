/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/ek_cert.h"

/* The rules of the profiles: what a certificate of each kind must say, whoever signed it. */

#define RSA_BITS_MIN 2048

void ch_ek_notes_add(struct ch_ek_notes *n, size_t cert, const char *text)
{
	if (n->count < CH_EK_NOTES_MAX) {
		n->note[n->count].text = text;
		n->note[n->count].cert = cert;
	}
	n->count++;
}

static void require(struct ch_ek_notes *notes, bool holds, const char *text)
{
	if (!holds)
		ch_ek_notes_add(notes, 0, text);
}

/* What every certificate of a key must say. */
static void check_common(const struct ch_x509 *x, struct ch_ek_notes *bad, struct ch_ek_notes *odd)
{
	require(bad, x->not_before <= x->not_after, "the validity ends before it begins (RFC 5280, 4.1.2.5)");
	for (size_t i = 0; i < x->ext_count; i++)
		require(bad, !x->ext[i].critical || x->ext[i].known,
			"an unknown extension is critical (RFC 5280, 4.2)");
	require(odd, x->sig.scheme != CH_SIG_NONE, "the signature algorithm is not one that is verified here");
	if (x->form == CH_X509_ATTRIBUTE)
		return;
	require(odd, x->pub.type != CH_KEY_NONE, "the key is of a kind that is not used here");
	require(odd, x->pub.type != CH_KEY_RSA || ch_pub_bits(&x->pub) >= RSA_BITS_MIN,
		"an RSA key of less than 2048 bits");
	require(odd, !ch_x509_name_empty(x->subject) || x->san_critical,
		"the subject is empty and subjectAltName not critical (RFC 5280, 4.2.1.6)");
}

/* Rules that keys of a TPM share. */
static void check_tpm_key(const struct ch_x509 *x, struct ch_ek_notes *bad, struct ch_ek_notes *odd)
{
	require(bad, x->version == 3, "the version is not 3 (EK Credential Profile, 3.2.1)");
	require(bad, !x->ca, "basicConstraints.cA is TRUE (EK Credential Profile, 3.2.12)");
	require(bad, (x->key_usage & (CH_KU_CERT_SIGN | CH_KU_CRL_SIGN)) == 0,
		"keyUsage lets the key sign certificates (EK Credential Profile, 3.2.13)");
	require(bad, (x->eku & (CH_EKU_EK | CH_EKU_AK)) != (CH_EKU_EK | CH_EKU_AK),
		"the extended key usage names an endorsement key and an attestation key");
	require(odd, x->has_basic, "no basicConstraints (EK Credential Profile, 3.2.12)");
	require(odd, x->authority_key_id.n > 0, "no authorityKeyIdentifier (EK Credential Profile, 3.2.11)");
}

static void check_ek(const struct ch_x509 *x, struct ch_ek_notes *bad)
{
	if (!x->has_key_usage)
		return; /* a defect of its own */
	if (x->pub.type == CH_KEY_RSA)
		require(bad, (x->key_usage & CH_KU_KEY_ENCIPHERMENT) != 0,
			"keyUsage of an RSA endorsement key lacks keyEncipherment (EK Credential Profile, 3.2.13)");
	else
		require(bad, (x->key_usage & CH_KU_KEY_AGREEMENT) != 0,
			"keyUsage of an ECC endorsement key lacks keyAgreement (EK Credential Profile, 3.2.13)");
	require(bad, (x->key_usage & CH_KU_DIGITAL_SIGNATURE) == 0,
		"keyUsage lets an endorsement key sign (EK Credential Profile, 3.2.13)");
}

static void check_ak(const struct ch_x509 *x, struct ch_ek_notes *bad)
{
	require(bad, !x->has_key_usage || (x->key_usage & CH_KU_DIGITAL_SIGNATURE) != 0,
		"keyUsage of an attestation key lacks digitalSignature (RFC 5280, 4.2.1.3)");
}

static void check_platform(const struct ch_x509 *x, struct ch_ek_notes *bad, struct ch_ek_notes *odd)
{
	if (x->form == CH_X509_ATTRIBUTE)
		require(bad, x->holder_issuer.n > 0 && x->holder_serial.n > 0,
			"the holder is not named by issuer and serial number (Platform Certificate Profile, 3.2.3)");
	require(bad, !x->ca, "basicConstraints.cA is TRUE (Platform Certificate Profile, 3.2)");
	require(odd, x->platform.manufacturer.tag != 0 && x->platform.model.tag != 0 && x->platform.version.tag != 0,
		"subjectAltName does not give manufacturer, model and version (Platform Certificate Profile, 3.2.9)");
}

void ch_ek_cert_check(const struct ch_ek_cert *c, struct ch_ek_notes *violations, struct ch_ek_notes *warnings)
{
	const struct ch_x509 *x = &c->x;
	for (size_t i = 0; i < CH_EK_DEFECT_COUNT; i++) {
		if ((c->forbidden & 1u << i) != 0)
			ch_ek_notes_add(violations, 0, ch_ek_defect_str((enum ch_ek_defect)i));
	}
	check_common(x, violations, warnings);
	switch (c->kind) {
	case CH_EK_EK:
		check_tpm_key(x, violations, warnings);
		check_ek(x, violations);
		break;
	case CH_EK_AK:
		check_tpm_key(x, violations, warnings);
		check_ak(x, violations);
		break;
	case CH_EK_PLATFORM:
		check_platform(x, violations, warnings);
		break;
	case CH_EK_CA:
		require(violations, !x->has_key_usage || (x->key_usage & CH_KU_CERT_SIGN) != 0,
			"keyUsage of an authority lacks keyCertSign (RFC 5280, 4.2.1.3)");
		break;
	case CH_EK_OTHER:
	default:
		ch_ek_notes_add(warnings, 0, "neither an EK, AK or platform certificate nor an authority's");
		break;
	}
}
