/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/tpm/tpm2.h"

#include "core/boot/pcr.h"

#include <errno.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#define NV_STEP      512 /* what every TPM can read at once (PC Client Platform TPM Profile, 4.4) */
#define CHAIN_FIRST  0x01c00100
#define CHAIN_LAST   0x01c001ff
#define QUOTED_FIRST 0x7fff /* registers 0 to 14 */

/* --- the EK's certificate --- */

static bool nv_size(struct tpm2 *t, ESYS_TR index, size_t *size)
{
	TPM2B_NV_PUBLIC *pub = NULL;
	TSS2_RC rc = Esys_NV_ReadPublic(t->esys, index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &pub, NULL);
	*size = rc == TSS2_RC_SUCCESS ? pub->nvPublic.dataSize : 0;
	Esys_Free(pub);
	return rc == TSS2_RC_SUCCESS && *size <= AG_CERT_MAX;
}

static bool nv_read(struct keys *k, ESYS_TR auth, ESYS_TR index, size_t size)
{
	struct tpm2 *t = tpm2_of(k);
	ch_buf_free(&k->file);
	while (k->file.n < size) {
		TPM2B_MAX_NV_BUFFER *part = NULL;
		size_t want = size - k->file.n < NV_STEP ? size - k->file.n : NV_STEP;
		TSS2_RC rc = Esys_NV_Read(t->esys, auth, index, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
					  (UINT16)want, (UINT16)k->file.n, &part);
		if (rc != TSS2_RC_SUCCESS)
			return false;
		ch_buf_append(&k->file, ch_span(part->buffer, part->size));
		bool progress = part->size > 0;
		Esys_Free(part);
		if (!progress)
			return false;
	}
	return true;
}

/* The certificate into k->file; false if there is none. Indexes are readable by the owner or by their own empty value (2.2.1.4). */
static bool read_certificate(struct keys *k, TPM2_HANDLE handle)
{
	struct tpm2 *t = tpm2_of(k);
	ESYS_TR index = ESYS_TR_NONE;
	ch_buf_free(&k->file);
	if (Esys_TR_FromTPMPublic(t->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &index) != TSS2_RC_SUCCESS)
		return false;
	size_t size;
	bool ok = nv_size(t, index, &size) &&
		  (nv_read(k, index, index, size) || nv_read(k, ESYS_TR_RH_OWNER, index, size));
	(void)Esys_TR_Close(t->esys, &index);
	if (!ok)
		ch_buf_free(&k->file);
	return ok;
}

/* Indexes that follow each other without a gap, each with a part of the chain (2.2.1.5.2). */
void tpm2_read_chain(struct keys *k)
{
	struct ch_buf chain = { 0 };
	for (TPM2_HANDLE index = CHAIN_FIRST; index <= CHAIN_LAST && read_certificate(k, index); index++) {
		if (k->file.n > AG_CERT_MAX - chain.n)
			break;
		ch_buf_append(&chain, ch_buf_span(&k->file));
	}
	ch_buf_free(&k->file);
	k->file = chain;
}

bool tpm2_choose_ek(struct keys *k)
{
	struct tpm2 *t = tpm2_of(k);
	if (t->ek_kind != NULL) {
		(void)read_certificate(k, t->ek_kind->certificate);
		return true;
	}
	bool any = strcmp(t->ek_wanted, "auto") == 0;
	for (size_t i = 0; i < tpm2_ek_count; i++) {
		bool named = strcmp(t->ek_wanted, tpm2_eks[i].name) == 0;
		if (!any && !named)
			continue;
		bool certified = read_certificate(k, tpm2_eks[i].certificate);
		if (certified || named) {
			t->ek_kind = &tpm2_eks[i];
			return true;
		}
	}
	/* No certificate anywhere: P-256 is the cheapest to make. Its fingerprint may be on the server's list. */
	t->ek_kind = &tpm2_eks[0];
	return any;
}

/* --- answers --- */

static struct ch_span put_public(struct keys *k, const TPM2B_PUBLIC *pub)
{
	uint8_t b[sizeof(TPM2B_PUBLIC)];
	size_t n = 0;
	(void)tpm2_ok(k, "public area", Tss2_MU_TPM2B_PUBLIC_Marshal(pub, b, sizeof(b), &n));
	return keys_put(k, ch_span(b, n));
}

static struct ch_span put_signature(struct keys *k, const TPMT_SIGNATURE *sig)
{
	uint8_t b[sizeof(TPMT_SIGNATURE)];
	size_t n = 0;
	(void)tpm2_ok(k, "signature", Tss2_MU_TPMT_SIGNATURE_Marshal(sig, b, sizeof(b), &n));
	return keys_put(k, ch_span(b, n));
}

static const TPMT_SIG_SCHEME of_the_key = { .scheme = TPM2_ALG_NULL };

static void certify(struct keys *k, struct ag_identity *answer)
{
	struct tpm2 *t = tpm2_of(k);
	TPM2B_DATA data = { .size = t->qualifying.size };
	(void)ch_span_copy(data.buffer, sizeof(data.buffer), ch_span(t->qualifying.buffer, t->qualifying.size));
	TPM2B_ATTEST *attest = NULL;
	TPMT_SIGNATURE *sig = NULL;
	TSS2_RC rc = Esys_Certify(t->esys, t->key, t->ak, ESYS_TR_PASSWORD, ESYS_TR_PASSWORD, ESYS_TR_NONE, &data,
				  &of_the_key, &attest, &sig);
	if (tpm2_ok(k, "Certify", rc)) {
		answer->certify = keys_put(k, ch_span(attest->attestationData, attest->size));
		answer->certify_sig = put_signature(k, sig);
	}
	Esys_Free(attest);
	Esys_Free(sig);
}

static void identify(struct keys *k, const struct ag_identify *m, struct ag_identity *answer)
{
	struct tpm2 *t = tpm2_of(k);
	if (!tpm2_choose_ek(k)) {
		keys_fail(k, "the TPM has no endorsement key of the kind '%s'", t->ek_wanted);
		return;
	}
	answer->ek_cert = keys_put(k, ch_buf_span(&k->file));
	tpm2_read_chain(k);
	answer->ek_chain = keys_put(k, ch_buf_span(&k->file));
	uint32_t number = keys_highest(k) + 1;
	keys_remove(k, m->keep);
	/* the EK first: loading a key afterwards takes its place */
	if (!tpm2_need_ek(k) || !tpm2_make_ak(k) || !tpm2_make_key(k, number))
		return;
	tpm2_flush(t, &t->srk);
	answer->key = number;
	answer->ek_public = put_public(k, &t->ek_public);
	answer->ak_public = put_public(k, &t->ak_public);
	answer->key_public = put_public(k, &t->key_public);
	certify(k, answer);
}

/* --- credential activation --- */

/* TPM2_PolicySecret with the endorsement hierarchy's (empty) authorisation: what the policy of L-1 and L-2 asks for. */
static bool ek_session(struct keys *k, ESYS_TR *session)
{
	struct tpm2 *t = tpm2_of(k);
	static const TPMT_SYM_DEF none = { .algorithm = TPM2_ALG_NULL };
	*session = ESYS_TR_PASSWORD;
	if (!t->ek_kind->by_policy)
		return true;
	TSS2_RC rc =
		Esys_StartAuthSession(t->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
				      NULL, TPM2_SE_POLICY, &none, t->ek_kind->area->publicArea.nameAlg, session);
	if (!tpm2_ok(k, "StartAuthSession", rc)) {
		*session = ESYS_TR_PASSWORD;
		return false;
	}
	rc = Esys_PolicySecret(t->esys, ESYS_TR_RH_ENDORSEMENT, *session, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
			       NULL, NULL, NULL, 0, NULL, NULL);
	return tpm2_ok(k, "PolicySecret", rc);
}

static void activate(struct keys *k, const struct ag_activate *m, struct ag_activated *answer)
{
	struct tpm2 *t = tpm2_of(k);
	TPM2B_ID_OBJECT blob = { 0 };
	TPM2B_ENCRYPTED_SECRET secret = { 0 };
	size_t a = 0, b = 0;
	if (Tss2_MU_TPM2B_ID_OBJECT_Unmarshal(m->blob.p, m->blob.n, &a, &blob) != TSS2_RC_SUCCESS || a != m->blob.n ||
	    Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(m->secret.p, m->secret.n, &b, &secret) != TSS2_RC_SUCCESS ||
	    b != m->secret.n) {
		keys_fail(k, "the server's credential is malformed");
		return;
	}
	if (!tpm2_choose_ek(k) || !tpm2_need_ak(k) || !tpm2_need_ek(k))
		return;
	ESYS_TR session;
	TPM2B_DIGEST *out = NULL;
	if (ek_session(k, &session)) {
		TSS2_RC rc = Esys_ActivateCredential(t->esys, t->ak, t->ek, ESYS_TR_PASSWORD, session, ESYS_TR_NONE,
						     &blob, &secret, &out);
		if (rc == TSS2_RC_SUCCESS)
			answer->secret = keys_put(k, ch_span(out->buffer, out->size));
		else
			keys_fail(
				k,
				"TPM2_ActivateCredential: 0x%x: the server's challenge is for another TPM or another key",
				rc);
	}
	if (out != NULL)
		ch_wipe(out->buffer, out->size);
	Esys_Free(out);
	if (session != ESYS_TR_PASSWORD)
		(void)Esys_FlushContext(t->esys, session); /* a policy session that was used is gone already */
	tpm2_flush(t, &t->ek);
}

/* --- signatures --- */

/* A number of the TPM, which may leave out leading zeros, with all its bytes. */
static bool put_number(uint8_t *to, size_t n, const TPM2B_ECC_PARAMETER *v)
{
	if (v->size > n)
		return false;
	(void)ch_span_copy(to + (n - v->size), v->size, ch_span(v->buffer, v->size));
	return true;
}

static void sign(struct keys *k, const struct ag_sign *m, struct ag_signed *answer)
{
	static const TPMT_TK_HASHCHECK no_ticket = { .tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL };
	struct tpm2 *t = tpm2_of(k);
	if (!tpm2_need_key(k, m->key))
		return;
	TPM2B_DIGEST in = { .size = AG_DIGEST };
	(void)ch_span_copy(in.buffer, sizeof(in.buffer), ch_span(m->digest, AG_DIGEST));
	TPMT_SIGNATURE *sig = NULL;
	TSS2_RC rc = Esys_Sign(t->esys, t->key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &in, &of_the_key,
			       &no_ticket, &sig);
	if (tpm2_ok(k, "Sign", rc) &&
	    (!put_number(answer->rs, AG_RS / 2, &sig->signature.ecdsa.signatureR) ||
	     !put_number(answer->rs + AG_RS / 2, AG_RS / 2, &sig->signature.ecdsa.signatureS)))
		keys_fail(k, "TPM2_Sign: a number is longer than those of P-256");
	Esys_Free(sig);
}

static void prove(struct keys *k, const struct ag_prove *m, struct ag_proved *answer)
{
	(void)m;
	(void)answer;
	keys_fail(k, "a device with a TPM enrols by its endorsement key, not by a token");
}

static void keep(struct keys *k, const struct ag_keep *m)
{
	keys_remove(k, m->key);
}

/* --- quotes --- */

/* Registers 0 to 14 of every bank that is active, SHA-256 first. */
static bool select_banks(struct keys *k, TPML_PCR_SELECTION *selection)
{
	struct tpm2 *t = tpm2_of(k);
	TPMS_CAPABILITY_DATA *data = NULL;
	TPMI_YES_NO more;
	TSS2_RC rc = Esys_GetCapability(t->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_PCRS, 0, 1, &more,
					&data);
	*selection = (TPML_PCR_SELECTION){ .count = 0 };
	if (!tpm2_ok(k, "GetCapability", rc))
		return false;
	static const TPM2_ALG_ID banks[] = { TPM2_ALG_SHA256, TPM2_ALG_SHA1, TPM2_ALG_SHA384, TPM2_ALG_SHA512 };
	const TPML_PCR_SELECTION *there = &data->data.assignedPCR;
	for (size_t b = 0; b < CH_COUNT_OF(banks); b++) {
		for (size_t i = 0; i < there->count; i++) {
			const TPMS_PCR_SELECTION *s = &there->pcrSelections[i];
			bool active = false;
			for (size_t j = 0; j < s->sizeofSelect; j++)
				active = active || s->pcrSelect[j] != 0;
			if (s->hash == banks[b] && active)
				selection->pcrSelections[selection->count++] =
					(TPMS_PCR_SELECTION){ .hash = s->hash,
							      .sizeofSelect = 3,
							      .pcrSelect = { QUOTED_FIRST & 0xff, QUOTED_FIRST >> 8,
									     0 } };
		}
	}
	Esys_Free(data);
	if (selection->count == 0 || selection->pcrSelections[0].hash != TPM2_ALG_SHA256)
		keys_fail(k, "the TPM's SHA-256 bank of registers is off: switch it on in the firmware's settings");
	return k->error[0] == '\0';
}

static void quote(struct keys *k, const struct ag_quote *m, struct ag_quoted *answer)
{
	struct tpm2 *t = tpm2_of(k);
	TPML_PCR_SELECTION selection;
	if (!select_banks(k, &selection) || !tpm2_need_ak(k))
		return;
	TPM2B_DATA nonce = { .size = AG_NONCE };
	(void)ch_span_copy(nonce.buffer, sizeof(nonce.buffer), ch_span(m->nonce, AG_NONCE));
	TPM2B_ATTEST *attest = NULL;
	TPMT_SIGNATURE *sig = NULL;
	TSS2_RC rc = Esys_Quote(t->esys, t->ak, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &nonce, &of_the_key,
				&selection, &attest, &sig);
	if (tpm2_ok(k, "Quote", rc)) {
		answer->quote = keys_put(k, ch_span(attest->attestationData, attest->size));
		answer->signature = put_signature(k, sig);
	}
	Esys_Free(attest);
	Esys_Free(sig);
}

static const struct keys_ops ops = {
	.identify = identify,
	.activate = activate,
	.prove = prove,
	.sign = sign,
	.keep = keep,
	.quote = quote,
};

/*
 * Without a resource manager, what a process of ours that was ended had loaded is still there and takes its room. With one, each
 * connection sees only its own.
 */
static void flush_left_over(struct tpm2 *t)
{
	TPMS_CAPABILITY_DATA *data = NULL;
	TPMI_YES_NO more;
	if (Esys_GetCapability(t->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES,
			       TPM2_TRANSIENT_FIRST, TPM2_MAX_CAP_HANDLES, &more, &data) != TSS2_RC_SUCCESS)
		return;
	for (size_t i = 0; i < data->data.handles.count; i++) {
		ESYS_TR object;
		if (Esys_TR_FromTPMPublic(t->esys, data->data.handles.handle[i], ESYS_TR_NONE, ESYS_TR_NONE,
					  ESYS_TR_NONE, &object) == TSS2_RC_SUCCESS)
			(void)Esys_FlushContext(t->esys, object);
	}
	Esys_Free(data);
}

enum ch_err keys_open_tpm2(struct keys *k, const char *tcti, const char *ek)
{
	struct tpm2 *t = ch_calloc(1, sizeof(*t));
	t->srk = t->ek = t->ak = t->key = ESYS_TR_NONE;
	t->ek_wanted = ek;
	k->backend = t;
	k->ops = &ops;
	enum ch_err err = tcti_open(&t->tcti, tcti);
	if (err != CH_OK) {
		keys_fail(k, "there is no TPM at '%s': %s", tcti,
			  err == CH_ERR_IO
				  ? strerror(errno)
				  : "device:PATH, swtpm:path=PATH or swtpm:host=ADDRESS,port=NUMBER is wanted");
		return CH_ERR_IO;
	}
	void *context = &t->tcti;
	TSS2_RC rc = Esys_Initialize(&t->esys, context, NULL);
	if (rc == TSS2_RC_SUCCESS) {
		rc = Esys_Startup(t->esys, TPM2_SU_CLEAR);
		if (rc == TPM2_RC_INITIALIZE) /* the firmware did it, as it should */
			rc = TSS2_RC_SUCCESS;
	}
	if (!tpm2_ok(k, "Startup", rc))
		return CH_ERR_IO;
	flush_left_over(t);
	return CH_OK;
}
