/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tpm_files.h"

#include "core/base/text.h"

#define ASN1_SEQUENCE 0x30
#define TPM_FIRST_MAX \
	0x09 /* TPMT_PUBLIC begins with 00, TPM2B_PUBLIC with the high byte of a size below 2 KiB; text with neither */

static int spki_parse(struct cli_tpm_key *k, const char *path, struct ch_span file, bool pem)
{
	static const struct {
		enum ch_err err;
		const char *rule;
	} why[] = {
		{ CH_ERR_NOTFOUND, "there is no PUBLIC KEY block (RFC 7468, 13)" },
		{ CH_ERR_DUPLICATE, "there is more than one PUBLIC KEY block" },
		{ CH_ERR_UNSUPPORTED, "the key is none of P-256, P-384, P-521, RSA, Ed25519" },
		{ CH_ERR_KEY, "the key's numbers are out of range" },
		{ CH_ERR_ENCODING, "SubjectPublicKeyInfo is not in its DER encoding (RFC 5280, 4.1.2.7)" },
	};
	enum ch_err err = pem ? ch_pubkey_from_pem(&k->spki, file) : ch_pubkey_from_der(&k->spki, file);
	if (err == CH_OK) {
		k->pub = k->spki.pub;
		return -1;
	}
	struct ch_diag d;
	ch_diag_clear(&d);
	d.rule = "not a SubjectPublicKeyInfo (RFC 5280, 4.1.2.7; RFC 7468, 13)";
	for (size_t i = 0; i < CH_COUNT_OF(why); i++) {
		if (why[i].err == err)
			d.rule = why[i].rule;
	}
	return cli_refused(path, "key", err, &d);
}

static bool holds_pem(struct ch_span file)
{
	struct ch_span mark = CH_SPAN_LIT("-----BEGIN ");
	for (size_t i = 0; i + mark.n <= file.n; i++) {
		if (ch_span_eq(ch_span_sub(file, i, mark.n), mark))
			return true;
	}
	return false;
}

int cli_tpm_key_parse(struct cli_tpm_key *k, const char *path, struct ch_span file)
{
	*k = (struct cli_tpm_key){ .has_area = false };
	if (file.n == 0 || file.p[0] >= TPM_FIRST_MAX) {
		bool der = file.n > 0 && file.p[0] == ASN1_SEQUENCE && !holds_pem(file);
		return spki_parse(k, path, file, !der);
	}
	struct ch_diag d;
	enum ch_err err = ch_tpm_public_parse(&k->area, file, &d);
	if (err != CH_OK)
		return cli_refused(path, "key", err, &d);
	k->has_area = true;
	k->pub = k->area.key;
	return -1;
}

int cli_tpm_nonce_parse(struct cli_tpm_nonce *nonce, const char *hex)
{
	struct ch_span text = ch_span_str(hex);
	nonce->n = text.n / 2;
	if (text.n % 2 == 0 && nonce->n <= CLI_TPM_NONCE_MAX && ch_hex_decode(nonce->b, nonce->n, text) == CH_OK)
		return -1;
	nonce->n = 0;
	cli_say("--nonce takes hexadecimal digits, two a byte, at most %d bytes", CLI_TPM_NONCE_MAX);
	return CLI_USAGE;
}
