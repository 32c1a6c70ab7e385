/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/collect/collect.h"

#include "core/base/rd.h"
#include "core/crypto/hash.h"
#include "core/wire/base64.h"
#include "core/wire/json.h"

#define TPM_MS    120000 /* some chips make an RSA key in a minute */
#define CHAIN_MAX 8      /* certificates above the EK's that an enrolment may have */
#define ENROL_MAX ((size_t)64 << 10)

static void put_bytes(struct ch_json_wr *j, struct ch_span s)
{
	uint8_t text[ENROL_MAX / 2];
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_base64_put(&w, CH_BASE64_URL, s);
	ch_json_put_span(j, ch_wr_span(&w));
	j->w->bad = j->w->bad || w.bad;
}

static void put_base64(struct ch_json_wr *j, const char *name, struct ch_span s)
{
	ch_json_name(j, name);
	if (s.n > 0)
		put_bytes(j, s);
	else
		ch_json_put_null(j);
}

static void put_text(struct ch_json_wr *j, const char *name, struct ch_span s)
{
	ch_json_name(j, name);
	if (s.n > 0)
		ch_json_put_span(j, s);
	else
		ch_json_put_null(j);
}

/* A new key, and what proves it. False with the problem noted. */
static bool identify(struct collect *c, uint32_t keep, struct ag_identity *id)
{
	ag_child_ask(&c->child, AG_TPM, AG_MSG_IDENTIFY, &(struct ag_identify){ .keep = keep }, AG_MSG_IDENTITY, id,
		     TPM_MS);
	if (id->error.n == 0)
		return true;
	ag_problem(c, "%.*s", (int)id->error.n, (const char *)id->error.p);
	return false;
}

void ag_identity_use(struct collect *c)
{
	const struct ag_certificate m = { .key = c->identity.key, .chain = c->identity.chain };
	ag_child_send(ag_child_to(&c->child, AG_NET), AG_MSG_CERTIFICATE, 0, &m);
	const struct ag_keep keep = { .key = c->identity.key };
	struct ag_kept kept;
	ag_child_ask(&c->child, AG_TPM, AG_MSG_KEEP, &keep, AG_MSG_KEPT, &kept, TPM_MS);
}

/* A certificate for the key: kept first, then used. The key before it is removed last, so that a power cut leaves one that works. */
static enum ag_outcome certified(struct collect *c, uint32_t key, const struct ag_certified *m)
{
	CH_AUTO_BUF struct ch_buf chain = { 0 };
	ch_buf_append(&chain, m->certificate);
	ch_buf_append(&chain, m->chain);
	ag_state_time(c, m->time);
	struct ag_record_identity r = {
		.key = key,
		.issued = ag_clock_now(&c->clock),
		.not_after = m->not_after,
		.class_name = m->class_name,
		.chain = ch_buf_span(&chain),
	};
	(void)ch_span_copy(r.device, sizeof(r.device), CH_SPAN_OF(m->device));
	if (ag_state_put_identity(c, &r) != CH_OK)
		return AG_LATER;
	c->expelled = false;
	ag_identity_use(c);
	return AG_DONE;
}

static void say_device(const struct collect *c, const char *what)
{
	char hex[2 * AG_DEVICE + 1] = "";
	struct ch_wr w = ch_wr(hex, sizeof(hex) - 1);
	ch_wr_hex(&w, CH_SPAN_OF(c->identity.device));
	ch_log(CH_LOG_NOTICE, "%s: device %s, class '%.*s'", what, hex, (int)c->identity.class_name.n,
	       (const char *)c->identity.class_name.p);
}

/* The next of several certificates that stand one after the other (X.690, 8.1.3: a SEQUENCE of 128 to 65535 bytes). */
static struct ch_span next_certificate(struct ch_rd *r)
{
	struct ch_rd start = *r;
	uint8_t tag = ch_rd_u8(r);
	uint8_t form = ch_rd_u8(r);
	size_t n = form == 0x82 ? ch_rd_be16(r) : form == 0x81 ? ch_rd_u8(r) : 0;
	(void)ch_rd_take(r, n);
	if (r->bad || tag != 0x30 || n == 0) {
		r->bad = true;
		return CH_SPAN_EMPTY;
	}
	return ch_span_sub(start.in, start.off, r->off - start.off);
}

/* What is no certificate ends the list: padding, or another maker's format. */
static void put_chain(struct ch_json_wr *j, struct ch_span chain)
{
	struct ch_rd r = ch_rd(chain);
	ch_json_name(j, "ek_chain");
	ch_json_array_begin(j);
	for (size_t count = 0; count < CHAIN_MAX && ch_rd_left(&r) > 0; count++) {
		struct ch_span one = next_certificate(&r);
		if (r.bad)
			break;
		put_bytes(j, one);
	}
	ch_json_array_end(j);
}

static struct ch_span enrol_body(const struct collect *c, const struct ag_identity *id, struct ch_wr *w)
{
	struct ch_json_wr j = ch_json_wr(w, false);
	ch_json_object_begin(&j);
	put_base64(&j, "ek_certificate", id->ek_cert);
	put_chain(&j, id->ek_chain);
	put_base64(&j, "ek_public", id->ek_public);
	put_base64(&j, "ak_public", id->ak_public);
	put_base64(&j, "key_public", id->key_public);
	put_base64(&j, "key_certify", id->certify);
	put_base64(&j, "key_certify_signature", id->certify_sig);
	put_text(&j, "class", c->start.class_name);
	put_text(&j, "hostname", c->start.hostname);
	ch_json_object_end(&j);
	return ch_wr_span(w);
}

/* Proves that the EK is in the same TPM as the AK: the secret comes out only there. */
static enum ag_outcome finish(struct collect *c, uint32_t key, const struct ag_enrolling *e)
{
	struct ag_activated a;
	const struct ag_activate m = { .blob = e->blob, .secret = e->secret };
	ag_child_ask(&c->child, AG_TPM, AG_MSG_ACTIVATE, &m, AG_MSG_ACTIVATED, &a, TPM_MS);
	if (a.error.n > 0) {
		ag_problem(c, "%.*s", (int)a.error.n, (const char *)a.error.p);
		return AG_REFUSED;
	}
	uint8_t text[512];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	ch_json_named_hex(&j, "enrol", CH_SPAN_OF(e->enrol));
	put_base64(&j, "secret", a.secret);
	ch_json_object_end(&j);
	struct ag_certified answer;
	enum ag_outcome out = ag_call(c, AG_ROUTE_FINISH, CH_SPAN_EMPTY, ch_wr_span(&w), AG_MSG_CERTIFIED, &answer);
	ch_wipe(text, sizeof(text));
	return out == AG_DONE ? certified(c, key, &answer) : out;
}

static enum ag_outcome enrol_tpm(struct collect *c, const struct ag_identity *id)
{
	CH_AUTO_FREE uint8_t *text = ch_calloc(1, ENROL_MAX);
	struct ch_wr w = ch_wr(text, ENROL_MAX);
	uint32_t key = id->key;
	struct ag_enrolling e;
	enum ag_outcome out = ag_call(c, AG_ROUTE_ENROL, CH_SPAN_EMPTY, enrol_body(c, id, &w), AG_MSG_ENROLLING, &e);
	return out == AG_DONE ? finish(c, key, &e) : out;
}

/* That the key is held; false with the problem noted. */
static bool prove(struct collect *c, const struct ag_prove *m, struct ag_proved *proof)
{
	ag_child_ask(&c->child, AG_TPM, AG_MSG_PROVE, m, AG_MSG_PROVED, proof, TPM_MS);
	if (proof->error.n == 0)
		return true;
	ag_problem(c, "%.*s", (int)proof->error.n, (const char *)proof->error.p);
	return false;
}

static enum ag_outcome enrol_token(struct collect *c, const struct ag_identity *id)
{
	struct ag_prove m = { .key = id->key };
	struct ag_proved proof;
	struct ch_digest d;
	uint32_t key = id->key;
	if (c->start.token.n == 0 || ch_hash_once(CH_HASH_SHA256, c->start.token, &d) != CH_OK) {
		ag_problem(
			c,
			"there is no TPM and no token: set 'token_file' in the configuration to a one-time token of the server");
		return AG_REFUSED;
	}
	(void)ch_span_copy(m.whose_sha256, sizeof(m.whose_sha256), ch_digest_span(&d));
	if (!prove(c, &m, &proof))
		return AG_REFUSED;
	uint8_t text[AG_TEXT_MAX * 4];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	ch_json_named_span(&j, "token", c->start.token);
	put_base64(&j, "public_key", proof.public_key);
	put_base64(&j, "proof", proof.proof);
	put_text(&j, "hostname", c->start.hostname);
	ch_json_object_end(&j);
	struct ag_certified answer;
	enum ag_outcome out = ag_call(c, AG_ROUTE_TOKEN, CH_SPAN_EMPTY, ch_wr_span(&w), AG_MSG_CERTIFIED, &answer);
	ch_wipe(text, sizeof(text));
	return out == AG_DONE ? certified(c, key, &answer) : out;
}

/* A certificate that is over does not belong into the handshake of an enrolment; the key stays until there is another. */
static uint32_t leave(struct collect *c)
{
	if (!c->enrolled)
		return 0;
	ch_log(CH_LOG_NOTICE, "the certificate is over: enrolling anew");
	const struct ag_certificate none = { .key = c->identity.key };
	ag_child_send(ag_child_to(&c->child, AG_NET), AG_MSG_CERTIFICATE, 0, &none);
	return c->identity.key;
}

enum ag_outcome ag_enrol(struct collect *c)
{
	struct ag_identity id;
	if (!identify(c, leave(c), &id))
		return AG_REFUSED;
	enum ag_outcome out = id.ak_public.n > 0 ? enrol_tpm(c, &id) : enrol_token(c, &id);
	if (out == AG_DONE)
		say_device(c, "enrolled");
	return out;
}

bool ag_certificate_over(const struct collect *c)
{
	return c->expelled || ag_clock_now(&c->clock) >= c->identity.not_after;
}

bool ag_renew_due(const struct collect *c)
{
	uint64_t now = ag_clock_now(&c->clock);
	uint64_t life = c->identity.not_after > c->identity.issued ? c->identity.not_after - c->identity.issued : 0;
	return now >= c->identity.issued + life / 3 * 2;
}

/* A certificate for `key`, a new one or the one that there is: then it is only shown that it is still held. */
static enum ag_outcome renew_soft(struct collect *c, uint32_t key)
{
	struct ag_prove m = { .key = key, .renews = 1 };
	struct ag_proved proof;
	struct ch_digest d;
	uint8_t text[AG_TEXT_MAX * 4];
	struct ch_wr w = ch_wr(text, sizeof(text));
	if (ch_hash_once(CH_HASH_SHA256, CH_SPAN_OF(c->identity.device), &d) != CH_OK)
		return AG_REFUSED;
	(void)ch_span_copy(m.whose_sha256, sizeof(m.whose_sha256), ch_digest_span(&d));
	if (!prove(c, &m, &proof))
		return AG_REFUSED;
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	put_base64(&j, "public_key", proof.public_key);
	put_base64(&j, "proof", proof.proof);
	ch_json_object_end(&j);
	struct ag_certified answer;
	enum ag_outcome out = ag_call(c, AG_ROUTE_RENEW, CH_SPAN_EMPTY, ch_wr_span(&w), AG_MSG_CERTIFIED, &answer);
	if (out != AG_DONE || key == c->identity.key)
		return out;
	out = certified(c, key, &answer);
	if (out == AG_DONE)
		say_device(c, "certificate renewed with a new key");
	return out;
}

enum ag_outcome ag_show_key(struct collect *c)
{
	return ag_renew_due(c) ? ag_renew(c) : renew_soft(c, c->identity.key);
}

enum ag_outcome ag_renew(struct collect *c)
{
	struct ag_identity id;
	if (!identify(c, c->identity.key, &id))
		return AG_REFUSED;
	if (id.ak_public.n == 0)
		return renew_soft(c, id.key);
	uint32_t key = id.key;
	CH_AUTO_FREE uint8_t *text = ch_calloc(1, ENROL_MAX);
	struct ch_wr w = ch_wr(text, ENROL_MAX);
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	put_base64(&j, "key_public", id.key_public);
	put_base64(&j, "key_certify", id.certify);
	put_base64(&j, "key_certify_signature", id.certify_sig);
	ch_json_object_end(&j);
	struct ag_certified answer;
	enum ag_outcome out = ag_call(c, AG_ROUTE_RENEW, CH_SPAN_EMPTY, ch_wr_span(&w), AG_MSG_CERTIFIED, &answer);
	if (out == AG_DONE)
		out = certified(c, key, &answer);
	if (out == AG_DONE)
		say_device(c, "certificate renewed with a new key");
	return out;
}
