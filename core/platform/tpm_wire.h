/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_PLATFORM_TPM_WIRE_H
#define CH_PLATFORM_TPM_WIRE_H

#include "core/base/err.h"
#include "core/base/rd.h"
#include "core/crypto/hash.h"

/* What the TPM structures share: algorithm identifiers (TCG Algorithm Registry, table 3), sizes, sized buffers. */

#define CH_TPM_ALG_RSA       0x0001u
#define CH_TPM_ALG_TDES      0x0003u
#define CH_TPM_ALG_AES       0x0006u
#define CH_TPM_ALG_KEYEDHASH 0x0008u
#define CH_TPM_ALG_NULL      0x0010u
#define CH_TPM_ALG_SM4       0x0013u
#define CH_TPM_ALG_RSASSA    0x0014u
#define CH_TPM_ALG_RSAES     0x0015u
#define CH_TPM_ALG_RSAPSS    0x0016u
#define CH_TPM_ALG_OAEP      0x0017u
#define CH_TPM_ALG_ECDSA     0x0018u
#define CH_TPM_ALG_ECDH      0x0019u
#define CH_TPM_ALG_ECDAA     0x001au
#define CH_TPM_ALG_SM2       0x001bu
#define CH_TPM_ALG_ECSCHNORR 0x001cu
#define CH_TPM_ALG_ECMQV     0x001du
#define CH_TPM_ALG_ECC       0x0023u
#define CH_TPM_ALG_SYMCIPHER 0x0025u
#define CH_TPM_ALG_CAMELLIA  0x0026u

#define CH_TPM_HA_MAX \
	66 /* TPMT_HA: algorithm and the largest digest; a Name and TPM2B_DATA are at most this (Part 2, 10.4.3, 10.5.3) */
#define CH_TPM_RSA_MAX 1024 /* bytes of a modulus or an RSA signature: 8192 bits, twice what TPMs are built for */
#define CH_TPM_ECC_MAX 66   /* bytes of an ECC parameter: P-521 */

/*
 * A reader whose first failure sticks, with its place and rule: a parser reads like its structure and asks once, at the end.
 * After a failure every read returns zero or an empty span. `field` is static text that names what is read, with its clause.
 */
struct ch_tpm_rd {
	struct ch_rd r;
	enum ch_err err;
	size_t at; /* offset of what was read last, or of the failure */
	const char *rule;
};

struct ch_tpm_rd ch_tpm_rd(struct ch_span in);
uint8_t ch_tpm_u8(struct ch_tpm_rd *t, const char *field);
uint16_t ch_tpm_u16(struct ch_tpm_rd *t, const char *field);
uint32_t ch_tpm_u32(struct ch_tpm_rd *t, const char *field);
uint64_t ch_tpm_u64(struct ch_tpm_rd *t, const char *field);
/* A TPM2B (Part 2, 10.4.2 and on): a 16-bit size, from `min` to `max`, and as many bytes. */
struct ch_span ch_tpm_2b(struct ch_tpm_rd *t, size_t min, size_t max, const char *field);
struct ch_span ch_tpm_bytes(struct ch_tpm_rd *t, size_t n, const char *field);
/* Fails with `err` at what was read last, unless `holds` or something failed before. */
void ch_tpm_require(struct ch_tpm_rd *t, bool holds, enum ch_err err, const char *rule);
static inline bool ch_tpm_ok(const struct ch_tpm_rd *t)
{
	return t->err == CH_OK;
}
/* The end of a structure: nothing failed and nothing is left, else the failure, written to `d`. */
CH_MUST_USE enum ch_err ch_tpm_end(struct ch_tpm_rd *t, struct ch_diag *d, const char *trailing_rule);

/* True for the hashes that we verify signatures with. */
bool ch_tpm_hash_verifies(uint16_t alg);

#endif
