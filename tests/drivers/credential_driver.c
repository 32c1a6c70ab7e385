/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a credential for a TPM: credential_driver EK-PUBLIC OBJECT-PUBLIC SECRET-HEX >FILE. The file is what tpm2_activatecredential
 * reads: BADCC0DE, version 1, TPM2B_ID_OBJECT, TPM2B_ENCRYPTED_SECRET. Ends with 1 and the rule if it is refused.
 */
#include "core/base/text.h"
#include "core/platform/credential.h"
#include "host/base/file.h"
#include "host/crypto_openssl/backend.h"

#include <stdio.h>
#include <stdlib.h>

static void need(enum ch_err err, const struct ch_diag *d, const char *what)
{
	if (err == CH_OK)
		return;
	fprintf(stderr, "%s: %s (%s)\n", what, d->rule != NULL ? d->rule : "failed", ch_err_str(err));
	exit(1);
}

int main(int argc, char **argv)
{
	static struct ch_tpm_public pub[2];
	static struct ch_buf file[2];
	struct ch_diag d = { 0 };
	if (argc != 4)
		return 2;
	need(ch_crypto_openssl_init_seal(), &d, "backend");
	for (size_t i = 0; i < CH_COUNT_OF(pub); i++) {
		need(ch_file_read(&file[i], argv[1 + i]), &d, argv[1 + i]);
		need(ch_tpm_public_parse(&pub[i], ch_buf_span(&file[i]), &d), &d, argv[1 + i]);
	}
	uint8_t name[2 + CH_DIGEST_MAX];
	size_t n;
	need(ch_tpm_name(&pub[1], name, &n), &d, "name");
	uint8_t secret[CH_DIGEST_MAX];
	struct ch_span hex = ch_span_str(argv[3]);
	need(hex.n / 2 <= sizeof(secret) ? ch_hex_decode(secret, hex.n / 2, hex) : CH_ERR_RANGE, &d, "secret");
	struct ch_credential c;
	need(ch_credential_make(&c, &pub[0], ch_span(name, n), ch_span(secret, hex.n / 2), &d), &d, "credential");
	static const uint8_t head[] = { 0xba, 0xdc, 0xc0, 0xde, 0, 0, 0, 1 };
	fwrite(head, 1, sizeof(head), stdout);
	fwrite(c.id, 1, c.id_size, stdout);
	fwrite(c.secret, 1, c.secret_size, stdout);
	ch_buf_free(&file[0]);
	ch_buf_free(&file[1]);
	return 0;
}
