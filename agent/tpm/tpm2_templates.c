/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/tpm/tpm2.h"

/* PolicySecret(TPM_RH_ENDORSEMENT) with SHA-256 (EK Credential Profile 2.5, B.2.2, table 1). */
#define POLICY_A                                                                                                      \
	{                                                                                                             \
		0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd, \
			0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa      \
	}
/* PolicyOR of PolicySecret and PolicyAuthorizeNV with SHA-384 (B.6.5, table 10). */
#define POLICY_B_384                                                                                                   \
	{                                                                                                              \
		0xb2, 0x6e, 0x7d, 0x28, 0xd1, 0x1a, 0x50, 0xbc, 0x53, 0xd8, 0x82, 0xbc, 0xf5, 0xfd, 0x3a, 0x1a, 0x07,  \
			0x41, 0x48, 0xbb, 0x35, 0xd3, 0xb4, 0xe4, 0xcb, 0x1c, 0x0a, 0xd9, 0xbd, 0xe4, 0x19, 0xca,      \
			0xcb, 0x47, 0xba, 0x09, 0x69, 0x96, 0x46, 0x15, 0x0f, 0x9f, 0xc0, 0x00, 0xf3, 0xf8, 0x0e, 0x12 \
	}

#define STORAGE                                                                                                      \
	(TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_RESTRICTED | \
	 TPMA_OBJECT_DECRYPT)
#define SIGNER                                                                                                         \
	(TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH | \
	 TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT)
#define AES(bits)                                                                          \
	{                                                                                  \
		.algorithm = TPM2_ALG_AES, .keyBits.aes = (bits), .mode.aes = TPM2_ALG_CFB \
	}

/* Template L-1 (B.3.3) */
static const TPM2B_PUBLIC ek_rsa2048 = { .publicArea = {
						 .type = TPM2_ALG_RSA,
						 .nameAlg = TPM2_ALG_SHA256,
						 .objectAttributes = STORAGE | TPMA_OBJECT_ADMINWITHPOLICY,
						 .authPolicy = { .size = 32, .buffer = POLICY_A },
						 .parameters.rsaDetail = { .symmetric = AES(128),
									   .scheme.scheme = TPM2_ALG_NULL,
									   .keyBits = 2048 },
						 .unique.rsa.size = 256,
					 } };
/* Template L-2 (B.3.4) */
static const TPM2B_PUBLIC ek_p256 = { .publicArea = {
					      .type = TPM2_ALG_ECC,
					      .nameAlg = TPM2_ALG_SHA256,
					      .objectAttributes = STORAGE | TPMA_OBJECT_ADMINWITHPOLICY,
					      .authPolicy = { .size = 32, .buffer = POLICY_A },
					      .parameters.eccDetail = { .symmetric = AES(128),
									.scheme.scheme = TPM2_ALG_NULL,
									.curveID = TPM2_ECC_NIST_P256,
									.kdf.scheme = TPM2_ALG_NULL },
					      .unique.ecc = { .x.size = 32, .y.size = 32 },
				      } };
/* Template H-3 (B.4.5) */
static const TPM2B_PUBLIC ek_p384 = { .publicArea = {
					      .type = TPM2_ALG_ECC,
					      .nameAlg = TPM2_ALG_SHA384,
					      .objectAttributes =
						      STORAGE | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_ADMINWITHPOLICY,
					      .authPolicy = { .size = 48, .buffer = POLICY_B_384 },
					      .parameters.eccDetail = { .symmetric = AES(256),
									.scheme.scheme = TPM2_ALG_NULL,
									.curveID = TPM2_ECC_NIST_P384,
									.kdf.scheme = TPM2_ALG_NULL },
				      } };

const struct tpm2_ek tpm2_eks[] = {
	{ "p-256", 0x01c0000a, 0x81010002, &ek_p256, true },
	{ "p-384", 0x01c00016, 0x81010016, &ek_p384, false },
	{ "rsa-2048", 0x01c00002, 0x81010001, &ek_rsa2048, true },
};
const size_t tpm2_ek_count = CH_COUNT_OF(tpm2_eks);

/* The storage root key of the TPM 2.0 Provisioning Guidance, 7.5.1, on P-256: made anew when it is needed, it takes no NV memory. */
const TPM2B_PUBLIC tpm2_srk_template = { .publicArea = {
						 .type = TPM2_ALG_ECC,
						 .nameAlg = TPM2_ALG_SHA256,
						 .objectAttributes =
							 STORAGE | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA,
						 .parameters.eccDetail = { .symmetric = AES(128),
									   .scheme.scheme = TPM2_ALG_NULL,
									   .curveID = TPM2_ECC_NIST_P256,
									   .kdf.scheme = TPM2_ALG_NULL },
						 .unique.ecc = { .x.size = 32, .y.size = 32 },
					 } };

/* noDA: a key that is used every few minutes must not be locked out by somebody's wrong guesses at another one. */
const TPM2B_PUBLIC tpm2_ak_template = { .publicArea = {
						.type = TPM2_ALG_ECC,
						.nameAlg = TPM2_ALG_SHA256,
						.objectAttributes = SIGNER | TPMA_OBJECT_RESTRICTED,
						.parameters.eccDetail = { .symmetric.algorithm = TPM2_ALG_NULL,
									  .scheme = { .scheme = TPM2_ALG_ECDSA,
										      .details.ecdsa.hashAlg =
											      TPM2_ALG_SHA256 },
									  .curveID = TPM2_ECC_NIST_P256,
									  .kdf.scheme = TPM2_ALG_NULL },
					} };

const TPM2B_PUBLIC tpm2_key_template = { .publicArea = {
						 .type = TPM2_ALG_ECC,
						 .nameAlg = TPM2_ALG_SHA256,
						 .objectAttributes = SIGNER,
						 .parameters.eccDetail = { .symmetric.algorithm = TPM2_ALG_NULL,
									   .scheme = { .scheme = TPM2_ALG_ECDSA,
										       .details.ecdsa.hashAlg =
											       TPM2_ALG_SHA256 },
									   .curveID = TPM2_ECC_NIST_P256,
									   .kdf.scheme = TPM2_ALG_NULL },
					 } };
