/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/device.h"

#include "core/base/rd.h"
#include "core/base/text.h"
#include "core/base/wr.h"
#include "core/wire/base64.h"

#include <stdio.h>
#include <string.h>

#define BODY_MAX   ((size_t)1 << 20)
#define ANSWER_MAX ((size_t)4 << 20)

static bool fail(struct sim_device *d, const char *what, const struct ch_http_answer *a)
{
	int n = a == NULL || a->body.n > 120 ? 120 : (int)a->body.n;
	if (a != NULL)
		(void)snprintf(d->why.text, sizeof(d->why.text), "%s: %u %.*s", what, a->status, n,
			       (const char *)a->body.p);
	else
		(void)snprintf(d->why.text, sizeof(d->why.text), "%s", what);
	return false;
}

/* A text member of the server's answer, which is our own server's: no parser is needed to find it. */
static struct ch_span member(struct ch_span json, const char *name)
{
	char key[64];
	int n = snprintf(key, sizeof(key), "\"%s\":", name);
	for (size_t i = 0; i + (size_t)n < json.n; i++) {
		if (memcmp(json.p + i, key, (size_t)n) != 0)
			continue;
		const uint8_t *from = json.p + i + n;
		const uint8_t *end = json.p + json.n;
		from += *from == ' ';
		from += *from == '"';
		const uint8_t *to = from;
		while (to < end && *to != '"' && *to != ',' && *to != '}')
			to++;
		return ch_span(from, (size_t)(to - from));
	}
	return CH_SPAN_EMPTY;
}

/* PEM in JSON has its line ends escaped. */
static void append_pem(struct ch_buf *b, struct ch_span text)
{
	for (size_t i = 0; i < text.n; i++) {
		bool end = text.p[i] == '\\' && i + 1 < text.n && text.p[i + 1] == 'n';
		ch_buf_append(b, end ? CH_SPAN_LIT("\n") : ch_span(text.p + i, 1));
		i += end;
	}
}

static bool connect_device(struct sim_device *d)
{
	if (d->conn != NULL && ch_net_usable(d->conn))
		return true;
	sim_device_hang_up(d);
	if (d->tls == NULL) {
		struct ch_buf key = { 0 };
		if (d->certificate.n > 0 && ch_sign_key_pem(&d->tpm.key, &key) != CH_OK)
			return fail(d, "no key", NULL);
		const struct ch_tls_client_conf conf = { .ca_pem = d->server->ca_pem,
							 .cert_pem = ch_buf_span(&d->certificate),
							 .key_pem = ch_buf_span(&key) };
		enum ch_err err = ch_tls_client_new(&d->tls, &conf, &d->why);
		ch_buf_free(&key);
		if (err != CH_OK)
			return false;
	}
	const struct ch_net_target t = {
		.host = d->server->host, .port = d->server->port, .connect_ms = 60000, .io_ms = 60000
	};
	return ch_net_connect(&d->conn, d->tls, &t, &d->why) == CH_OK;
}

void sim_device_hang_up(struct sim_device *d)
{
	ch_net_close(d->conn);
	d->conn = NULL;
	if (d->life == SIM_NEW) {
		ch_tls_client_free(d->tls);
		d->tls = NULL;
	}
}

static bool call(struct sim_device *d, const char *method, const char *target, const char *key, struct ch_span body,
		 struct ch_http_answer *a)
{
	*a = (struct ch_http_answer){ 0 };
	if (!connect_device(d))
		return false;
	const struct ch_http_ask ask = {
		.method = method, .target = target, .host = d->server->host, .idempotency_key = key, .body = body
	};
	enum ch_err err = ch_http_call(d->conn, &ask, ANSWER_MAX, a, &d->why);
	if (err != CH_OK || a->last)
		sim_device_hang_up(d);
	return err == CH_OK;
}

static void after(struct sim_device *d)
{
	if (d->life != SIM_KEEP)
		sim_device_hang_up(d);
}

static void put_member(struct ch_wr *w, const char *name, struct ch_span bytes)
{
	ch_wr_str(w, "\"");
	ch_wr_str(w, name);
	ch_wr_str(w, "\":\"");
	ch_base64_put(w, CH_BASE64_URL, bytes);
	ch_wr_str(w, "\",");
}

static struct ch_span of(const struct sim_bytes *b)
{
	return ch_span(b->b, b->n);
}

void sim_device_init(struct sim_device *d, unsigned number, const struct sim_server *server,
		     const struct sim_boot *boot, enum sim_life life)
{
	*d = (struct sim_device){ .number = number, .server = server, .boot = boot, .life = life };
}

void sim_device_clear(struct sim_device *d)
{
	ch_net_close(d->conn);
	ch_tls_client_free(d->tls);
	ch_buf_free(&d->certificate);
	sim_tpm_clear(&d->tpm);
}

/* Opens what POST /v1/enrol answered, and asks for the certificate. */
static bool finish(struct sim_device *d, struct ch_span sealed)
{
	uint8_t blob[256], secret[512], opened[32], body[256];
	size_t blob_n, secret_n;
	struct ch_http_answer a;
	if (ch_base64_decode(CH_BASE64_URL, member(sealed, "credential_blob"), blob, sizeof(blob), &blob_n, NULL) !=
		    CH_OK ||
	    ch_base64_decode(CH_BASE64_URL, member(sealed, "encrypted_secret"), secret, sizeof(secret), &secret_n,
			     NULL) != CH_OK ||
	    !sim_tpm_activate(&d->tpm, ch_span(blob, blob_n), ch_span(secret, secret_n), opened))
		return fail(d, "the credential does not open", NULL);
	struct ch_wr w = ch_wr(body, sizeof(body));
	ch_wr_str(&w, "{\"enrol\":\"");
	ch_wr_put(&w, member(sealed, "enrol"));
	ch_wr_str(&w, "\",\"secret\":\"");
	ch_base64_put(&w, CH_BASE64_URL, CH_SPAN_OF(opened));
	ch_wr_str(&w, "\"}");
	if (!call(d, "POST", "/v1/enrol/finish", NULL, ch_wr_span(&w), &a))
		return false;
	bool ok = a.status == 201 || fail(d, "finish", &a);
	if (ok) {
		d->certificate.n = 0;
		append_pem(&d->certificate, member(ch_buf_span(&a.body), "certificate"));
	}
	ch_buf_free(&a.body);
	return ok;
}

bool sim_device_enrol(struct sim_device *d, struct sim_maker *m)
{
	struct sim_bytes attest, sig;
	struct ch_http_answer a;
	/* One that begins again, because it had no answer, is still the device that it was. */
	if ((d->tpm.ek_cert.n == 0 && !sim_tpm_make(&d->tpm, m)) || !sim_tpm_certify(&d->tpm, &attest, &sig))
		return fail(d, "no TPM", NULL);
	CH_AUTO_FREE uint8_t *body = ch_calloc(1, 16384);
	struct ch_wr w = ch_wr(body, 16384);
	ch_wr_str(&w, "{");
	put_member(&w, "ek_certificate", ch_buf_span(&d->tpm.ek_cert));
	put_member(&w, "ek_public", of(&d->tpm.ek_public));
	put_member(&w, "ak_public", of(&d->tpm.ak_public));
	put_member(&w, "key_public", of(&d->tpm.key_public));
	put_member(&w, "key_certify", of(&attest));
	put_member(&w, "key_certify_signature", of(&sig));
	ch_wr_str(&w, "\"ek_chain\":[],\"class\":\"gateway\",\"hostname\":\"sim-");
	ch_wr_dec(&w, d->number);
	ch_wr_str(&w, "\"}");
	if (!call(d, "POST", "/v1/enrol", NULL, ch_wr_span(&w), &a))
		return false;
	bool ok = a.status == 200 ? finish(d, ch_buf_span(&a.body)) : fail(d, "enrol", &a);
	ch_buf_free(&a.body);
	/* From now on it has a certificate: another identity, another connection. */
	sim_device_hang_up(d);
	ch_tls_client_free(d->tls);
	d->tls = NULL;
	return ok;
}

static bool send_evidence(struct sim_device *d, struct ch_span nonce_hex)
{
	uint8_t nonce[32];
	char key[65];
	struct sim_bytes attest, sig;
	struct ch_http_answer a;
	if (ch_hex_decode(nonce, sizeof(nonce), nonce_hex) != CH_OK ||
	    !sim_tpm_quote(&d->tpm, CH_SPAN_OF(nonce), d->boot->digest, &attest, &sig))
		return fail(d, "no quote", NULL);
	CH_AUTO_FREE uint8_t *body = ch_calloc(1, BODY_MAX);
	struct ch_wr w = ch_wr(body, BODY_MAX);
	ch_wr_str(&w, "{");
	put_member(&w, "quote", of(&attest));
	put_member(&w, "signature", of(&sig));
	ch_wr_str(&w, "\"eventlog\":{\"from\":");
	ch_wr_dec(&w, d->log_known);
	ch_wr_str(&w, ",\"data\":\"");
	ch_base64_put(&w, CH_BASE64_URL, ch_span(d->boot->log.p + d->log_known, d->boot->log.n - d->log_known));
	ch_wr_str(&w, "\"},\"ima\":null,\"agent\":\"sim\"}");
	key[ch_span_copy(key, sizeof(key) - 1, nonce_hex)] = '\0';
	if (!call(d, "POST", "/v1/evidence", key, ch_wr_span(&w), &a))
		return false;
	bool ok = a.status == 200 || fail(d, "evidence", &a);
	/* A server whose disk is nearly full does not keep logs: the next one goes whole. */
	if (a.status == 409)
		d->log_known = 0;
	if (ok) {
		d->attested++;
		d->log_known = d->boot->log.n;
		d->nonce[ch_span_copy(d->nonce, sizeof(d->nonce) - 1, nonce_hex)] = '\0';
		d->chain[ch_span_copy(d->chain, sizeof(d->chain) - 1, member(ch_buf_span(&a.body), "chain"))] = '\0';
	}
	ch_buf_free(&a.body);
	return ok;
}

bool sim_device_attest(struct sim_device *d)
{
	struct ch_http_answer a;
	if (!call(d, "POST", "/v1/challenge", NULL, CH_SPAN_EMPTY, &a))
		return false;
	bool ok = a.status == 200 ? send_evidence(d, member(ch_buf_span(&a.body), "nonce")) : fail(d, "challenge", &a);
	ch_buf_free(&a.body);
	after(d);
	return ok;
}

bool sim_device_poll(struct sim_device *d)
{
	struct ch_http_answer a;
	if (!call(d, "GET", "/v1/poll", NULL, CH_SPAN_EMPTY, &a))
		return false;
	bool ok = a.status == 200 || fail(d, "poll", &a);
	d->wanted = ok && ch_span_eq(member(ch_buf_span(&a.body), "update"), CH_SPAN_LIT("true"));
	ch_buf_free(&a.body);
	after(d);
	return ok;
}

/* --- updates --- */

/* Takes what is named by its SHA-256; its bytes go to `to`. */
static bool take(struct sim_device *d, const char *folder, const char hex[static 65], struct ch_buf *to)
{
	char target[128];
	uint8_t want[32];
	struct ch_digest h;
	struct ch_http_answer a;
	(void)snprintf(target, sizeof(target), "%s%s", folder, hex);
	if (!call(d, "GET", target, NULL, CH_SPAN_EMPTY, &a))
		return false;
	bool ok = a.status == 200 || fail(d, target, &a);
	if (ok && (ch_hex_decode(want, sizeof(want), ch_span_str(hex)) != CH_OK ||
		   ch_hash_once(CH_HASH_SHA256, ch_buf_span(&a.body), &h) != CH_OK ||
		   !ch_span_eq(ch_digest_span(&h), CH_SPAN_OF(want))))
		ok = fail(d, "what came has another SHA-256", NULL);
	if (ok)
		ch_buf_append(to, ch_buf_span(&a.body));
	ch_buf_free(&a.body);
	return ok;
}

static bool say(struct sim_device *d, const char *deployment, const char *word)
{
	char target[96], body[64];
	struct ch_http_answer a;
	(void)snprintf(target, sizeof(target), "/v1/update/%s/feedback", deployment);
	int n = snprintf(body, sizeof(body), "{\"state\":\"%s\"}", word);
	if (!call(d, "POST", target, NULL, ch_span(body, (size_t)n), &a))
		return false;
	bool ok = a.status == 200 || fail(d, word, &a);
	ch_buf_free(&a.body);
	return ok;
}

/* The document, and what it lists: the simulated fleet's releases have one artefact. */
static bool fetch(struct sim_device *d, const char *deployment, const char release[static 65])
{
	CH_AUTO_BUF struct ch_buf document = { 0 }, artifact = { 0 };
	char hex[65];
	if (!take(d, "/v1/releases/", release, &document) || !say(d, deployment, "downloading"))
		return false;
	hex[ch_span_copy(hex, sizeof(hex) - 1, member(ch_buf_span(&document), "sha256"))] = '\0';
	return take(d, "/artifacts/", hex, &artifact) && say(d, deployment, "installed");
}

bool sim_device_update(struct sim_device *d, const struct sim_boot *next)
{
	char deployment[24], release[65];
	struct ch_http_answer a;
	d->wanted = false;
	if (!call(d, "GET", "/v1/update", NULL, CH_SPAN_EMPTY, &a))
		return false;
	bool ok = a.status == 200 || fail(d, "update", &a);
	struct ch_span body = ch_buf_span(&a.body);
	deployment[ch_span_copy(deployment, sizeof(deployment) - 1, member(body, "deployment"))] = '\0';
	release[ch_span_copy(release, sizeof(release) - 1, member(body, "release"))] = '\0';
	ch_buf_free(&a.body);
	/* The view told of an offer whose transaction was not durable yet: the next poll says so again. */
	bool none = strcmp(deployment, "null") == 0;
	ok = ok && (none || fetch(d, deployment, release));
	after(d);
	if (!ok || none)
		return ok;
	d->boot = next;
	d->log_known = 0;
	d->tpm.resets++;
	return true;
}
