/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_TPM2_H
#define CH_AGENT_TPM2_H

#include "agent/tpm/keys.h"
#include "agent/tpm/tcti.h"

#include <tss2/tss2_esys.h>

/*
 * What the TPM holds for us. A TPM has room for three transient objects and there may be no resource manager: the AK and the TLS
 * key stay loaded, the third place is for the parent that loads them or the EK.
 */
struct tpm2 {
	struct tcti tcti;
	ESYS_CONTEXT *esys;
	const struct tpm2_ek *ek_kind; /* NULL until it was chosen */
	const char *ek_wanted;
	ESYS_TR srk, ek, ak, key;
	bool ek_persistent;
	uint32_t key_number;
	TPM2B_PUBLIC ek_public, ak_public, key_public;
	TPM2B_DIGEST qualifying; /* of certifications: names the EK */
};

/* An endorsement key of the TCG EK Credential Profile: where its certificate and it itself may be, its template. */
struct tpm2_ek {
	const char *name;         /* "rsa-2048" */
	TPM2_HANDLE certificate;  /* NV index (2.2.1.4) */
	TPM2_HANDLE persistent;   /* where provisioning keeps the key; it may be absent */
	const TPM2B_PUBLIC *area; /* template (Annex B) */
	bool by_policy;           /* used by PolicySecret(endorsement); otherwise by its empty authorisation value */
};
extern const struct tpm2_ek tpm2_eks[];
extern const size_t tpm2_ek_count;
extern const TPM2B_PUBLIC tpm2_srk_template, tpm2_ak_template, tpm2_key_template;

static inline struct tpm2 *tpm2_of(struct keys *k)
{
	return k->backend;
}

/* True if rc is success; else a failure that names the command. */
bool tpm2_ok(struct keys *k, const char *command, TSS2_RC rc);
void tpm2_flush(struct tpm2 *t, ESYS_TR *object);
/* Loads what is named if it is not loaded. False with a failure. */
bool tpm2_need_srk(struct keys *k);
bool tpm2_need_ek(struct keys *k);
bool tpm2_need_ak(struct keys *k);
bool tpm2_need_key(struct keys *k, uint32_t number);
/* Makes the AK if there is none yet. */
bool tpm2_make_ak(struct keys *k);
/* Makes a TLS key with the number and loads it. */
bool tpm2_make_key(struct keys *k, uint32_t number);
/* Chooses the EK: the one that was asked for, or the first with a certificate. Its certificate, as in NV memory, into k->file. */
bool tpm2_choose_ek(struct keys *k);
/* The certificates above it that the maker left in NV memory, one after the other, into k->file; empty if there are none. */
void tpm2_read_chain(struct keys *k);

#endif
