/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/tpm_signature.h"

#include "core/platform/tpm_wire.h"

static enum ch_sig_scheme scheme_of(uint16_t alg)
{
	switch (alg) {
	case CH_TPM_ALG_ECDSA:
		return CH_SIG_ECDSA;
	case CH_TPM_ALG_RSASSA:
		return CH_SIG_RSASSA;
	case CH_TPM_ALG_RSAPSS:
		return CH_SIG_RSAPSS;
	default:
		return CH_SIG_NONE;
	}
}

enum ch_err ch_tpm_signature_parse(struct ch_sig *sig, struct ch_span in, struct ch_diag *d)
{
	ch_diag_clear(d);
	*sig = (struct ch_sig){ .scheme = CH_SIG_NONE };
	struct ch_sig out = { .scheme = CH_SIG_NONE, .salt = CH_PSS_SALT_ANY };
	struct ch_tpm_rd t = ch_tpm_rd(in);
	out.scheme = scheme_of(ch_tpm_u16(&t, "TPMT_SIGNATURE.sigAlg (Part 2, 11.3.4)"));
	ch_tpm_require(&t, out.scheme != CH_SIG_NONE, CH_ERR_UNSUPPORTED,
		       "TPMT_SIGNATURE.sigAlg is none of ECDSA, RSASSA, RSAPSS (Part 2, 11.3.4)");
	uint16_t hash = ch_tpm_u16(&t, "TPMS_SIGNATURE.hash (Part 2, 11.3.1)");
	ch_tpm_require(&t, ch_tpm_hash_verifies(hash), CH_ERR_UNSUPPORTED,
		       "TPMS_SIGNATURE.hash is none of SHA-1, SHA-256, SHA-384, SHA-512 (Part 2, 11.3.1)");
	out.hash = (enum ch_hash_alg)hash;
	if (out.scheme == CH_SIG_ECDSA) {
		out.a = ch_tpm_2b(&t, 1, CH_TPM_ECC_MAX, "TPMS_SIGNATURE_ECC.signatureR (Part 2, 11.3.2)");
		out.b = ch_tpm_2b(&t, 1, CH_TPM_ECC_MAX, "TPMS_SIGNATURE_ECC.signatureS (Part 2, 11.3.2)");
	} else {
		out.a = ch_tpm_2b(&t, 1, CH_TPM_RSA_MAX, "TPMS_SIGNATURE_RSA.sig (Part 2, 11.3.1)");
	}
	enum ch_err err = ch_tpm_end(&t, d, "bytes after the end of TPMT_SIGNATURE (Part 2, 11.3.4)");
	if (err == CH_OK)
		*sig = out;
	return err;
}
