/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/tpm/tpm2.h"

#include "core/crypto/hash.h"

#include <stdio.h>
#include <tss2/tss2_mu.h>

#define RC_CODE(rc)   ((rc)&0xbf) /* of a format 1 response: without parameter, handle, session (Part 2, 6.6.2) */
#define RC_INTEGRITY  0x9f
#define RC_LAYER_MASK 0xff0000 /* of the TPM itself: 0 */

bool tpm2_ok(struct keys *k, const char *command, TSS2_RC rc)
{
	if (rc == TSS2_RC_SUCCESS)
		return true;
	keys_fail(k, "TPM2_%s: the TPM answered 0x%x", command, rc);
	return false;
}

void tpm2_flush(struct tpm2 *t, ESYS_TR *object)
{
	if (*object == ESYS_TR_NONE)
		return;
	if (object == &t->ek && t->ek_persistent)
		(void)Esys_TR_Close(t->esys, object);
	else
		(void)Esys_FlushContext(t->esys, *object);
	*object = ESYS_TR_NONE;
}

static bool create_primary(struct keys *k, ESYS_TR hierarchy, const TPM2B_PUBLIC *area, ESYS_TR *object,
			   TPM2B_PUBLIC *pub)
{
	struct tpm2 *t = tpm2_of(k);
	static const TPM2B_SENSITIVE_CREATE sensitive;
	static const TPM2B_DATA outside;
	static const TPML_PCR_SELECTION pcrs;
	TPM2B_PUBLIC *out = NULL;
	TSS2_RC rc = Esys_CreatePrimary(t->esys, hierarchy, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
					area, &outside, &pcrs, object, &out, NULL, NULL, NULL);
	if (rc != TSS2_RC_SUCCESS)
		*object = ESYS_TR_NONE;
	else if (pub != NULL)
		*pub = *out;
	Esys_Free(out);
	return tpm2_ok(k, "CreatePrimary", rc);
}

bool tpm2_need_srk(struct keys *k)
{
	struct tpm2 *t = tpm2_of(k);
	tpm2_flush(t, &t->ek);
	return t->srk != ESYS_TR_NONE || create_primary(k, ESYS_TR_RH_OWNER, &tpm2_srk_template, &t->srk, NULL);
}

/* True if the key that is there was made from the template. */
static bool made_from(const TPM2B_PUBLIC *pub, const TPM2B_PUBLIC *area)
{
	const TPMT_PUBLIC *a = &pub->publicArea, *b = &area->publicArea;
	if (a->type != b->type || a->nameAlg != b->nameAlg || a->objectAttributes != b->objectAttributes)
		return false;
	if (!ch_span_eq(ch_span(a->authPolicy.buffer, a->authPolicy.size),
			ch_span(b->authPolicy.buffer, b->authPolicy.size)))
		return false;
	return a->type == TPM2_ALG_RSA ? a->parameters.rsaDetail.keyBits == b->parameters.rsaDetail.keyBits
				       : a->parameters.eccDetail.curveID == b->parameters.eccDetail.curveID;
}

/* Making an RSA key takes a chip seconds: where provisioning left the EK, it is used. */
static bool take_persistent(struct tpm2 *t)
{
	TPM2B_PUBLIC *pub = NULL;
	if (Esys_TR_FromTPMPublic(t->esys, t->ek_kind->persistent, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &t->ek) !=
	    TSS2_RC_SUCCESS) {
		t->ek = ESYS_TR_NONE;
		return false;
	}
	t->ek_persistent = true;
	TSS2_RC rc = Esys_ReadPublic(t->esys, t->ek, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &pub, NULL, NULL);
	bool ours = rc == TSS2_RC_SUCCESS && made_from(pub, t->ek_kind->area);
	if (ours)
		t->ek_public = *pub;
	else
		tpm2_flush(t, &t->ek);
	Esys_Free(pub);
	return ours;
}

/* What a certification is bound to: SHA-256("chainhold-key/v1\0" ‖ TPMT_PUBLIC of the EK). */
static bool bind_to_ek(struct keys *k)
{
	static const char purpose[] = "chainhold-key/v1";
	struct tpm2 *t = tpm2_of(k);
	uint8_t area[sizeof(TPMT_PUBLIC)];
	size_t n = 0;
	if (!tpm2_ok(k, "EK public area",
		     Tss2_MU_TPMT_PUBLIC_Marshal(&t->ek_public.publicArea, area, sizeof(area), &n)))
		return false;
	struct ch_hash h;
	struct ch_digest d;
	if (ch_hash_init(&h, CH_HASH_SHA256) != CH_OK) {
		keys_fail(k, "there is no SHA-256");
		return false;
	}
	ch_hash_update(&h, CH_SPAN_OF(purpose)); /* with its NUL */
	ch_hash_update(&h, ch_span(area, n));
	ch_hash_final(&h, &d);
	t->qualifying.size =
		(UINT16)ch_span_copy(t->qualifying.buffer, sizeof(t->qualifying.buffer), ch_digest_span(&d));
	return true;
}

bool tpm2_need_ek(struct keys *k)
{
	struct tpm2 *t = tpm2_of(k);
	if (t->ek != ESYS_TR_NONE)
		return true;
	tpm2_flush(t, &t->srk);
	t->ek_persistent = false;
	if (!take_persistent(t)) {
		t->ek_persistent = false;
		if (!create_primary(k, ESYS_TR_RH_ENDORSEMENT, t->ek_kind->area, &t->ek, &t->ek_public))
			return false;
	}
	return bind_to_ek(k);
}

/* A file of ours: TPM2B_PUBLIC ‖ TPM2B_PRIVATE. */
static bool load(struct keys *k, const char *name, ESYS_TR *object, TPM2B_PUBLIC *pub)
{
	struct tpm2 *t = tpm2_of(k);
	if (!keys_read(k, name, false))
		return false;
	TPM2B_PRIVATE private = { 0 };
	TPM2B_PUBLIC public = { 0 };
	size_t off = 0;
	if (Tss2_MU_TPM2B_PUBLIC_Unmarshal(k->file.p, k->file.n, &off, &public) != TSS2_RC_SUCCESS ||
	    Tss2_MU_TPM2B_PRIVATE_Unmarshal(k->file.p, k->file.n, &off, &private) != TSS2_RC_SUCCESS ||
	    off != k->file.n) {
		keys_fail(k, "%s is damaged: it is not a key of this program", name);
		return false;
	}
	if (!tpm2_need_srk(k))
		return false;
	TSS2_RC rc =
		Esys_Load(t->esys, t->srk, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &private, &public, object);
	tpm2_flush(t, &t->srk);
	if (rc != TSS2_RC_SUCCESS)
		*object = ESYS_TR_NONE;
	else
		*pub = public;
	if ((rc & RC_LAYER_MASK) == 0 && RC_CODE(rc) == RC_INTEGRITY)
		keys_fail(
			k,
			"%s does not load into this TPM (TPM2_Load: 0x%x): the state was copied from another device, or this TPM "
			"was cleared. Empty the state folder to enrol this device anew",
			name, rc);
	return tpm2_ok(k, "Load", rc);
}

bool tpm2_need_ak(struct keys *k)
{
	struct tpm2 *t = tpm2_of(k);
	return t->ak != ESYS_TR_NONE || load(k, "ak", &t->ak, &t->ak_public);
}

bool tpm2_need_key(struct keys *k, uint32_t number)
{
	struct tpm2 *t = tpm2_of(k);
	if (t->key != ESYS_TR_NONE && t->key_number == number)
		return true;
	tpm2_flush(t, &t->key);
	char name[KEYS_NAME_MAX];
	keys_name(name, number);
	t->key_number = number;
	return load(k, name, &t->key, &t->key_public);
}

static bool create(struct keys *k, const char *name, const TPM2B_PUBLIC *area)
{
	static const TPM2B_SENSITIVE_CREATE sensitive;
	static const TPM2B_DATA outside;
	static const TPML_PCR_SELECTION pcrs;
	struct tpm2 *t = tpm2_of(k);
	TPM2B_PRIVATE *private = NULL;
	TPM2B_PUBLIC *public = NULL;
	if (!tpm2_need_srk(k))
		return false;
	TSS2_RC rc = Esys_Create(t->esys, t->srk, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, area,
				 &outside, &pcrs, &private, &public, NULL, NULL, NULL);
	bool ok = tpm2_ok(k, "Create", rc);
	uint8_t file[AG_TPM_MAX];
	size_t n = 0;
	ok = ok && tpm2_ok(k, "Create (public)", Tss2_MU_TPM2B_PUBLIC_Marshal(public, file, sizeof(file), &n)) &&
	     tpm2_ok(k, "Create (private)", Tss2_MU_TPM2B_PRIVATE_Marshal(private, file, sizeof(file), &n)) &&
	     keys_write(k, name, ch_span(file, n));
	Esys_Free(private);
	Esys_Free(public);
	return ok;
}

bool tpm2_make_ak(struct keys *k)
{
	if (keys_read(k, "ak", true))
		return tpm2_need_ak(k);
	return k->error[0] == '\0' && create(k, "ak", &tpm2_ak_template) && tpm2_need_ak(k);
}

bool tpm2_make_key(struct keys *k, uint32_t number)
{
	struct tpm2 *t = tpm2_of(k);
	tpm2_flush(t, &t->key);
	char name[KEYS_NAME_MAX];
	keys_name(name, number);
	return create(k, name, &tpm2_key_template) && tpm2_need_key(k, number);
}
