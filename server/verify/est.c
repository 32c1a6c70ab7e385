/* SPDX-License-Identifier: Apache-2.0 */
#include "server/verify/est.h"

#include "core/crypto/hash.h"
#include "core/platform/cms_certs.h"
#include "core/platform/spki.h"
#include "core/wire/base64.h"
#include "server/ipc/child.h"
#include "server/ipc/routes.h"
#include "server/verify/verify.h"

/*
 * EST (RFC 7030, 8951): the request is read, possession of its key proven, and held against its profile. Who may have a certificate
 * at all, and whether the device is called what it says, is the keeper's to know.
 */

#define CMS_TYPE     "application/pkcs7-mime; smime-type=certs-only"
#define CACERTS_MAX  16
#define CACERTS_ROOM 65536

/* What a request in flight needs for its answer. */
struct est {
	bool lines;
};

/* --- configuration --- */

/* All certificates of a PEM file as one certs-only message, in base64. */
static enum ch_err cacerts_make(struct ch_span pem, struct ch_buf *to)
{
	CH_AUTO_FREE uint8_t *der = ch_calloc(CACERTS_MAX, CH_CERT_MAX);
	CH_AUTO_FREE uint8_t *cms = ch_calloc(CACERTS_ROOM, 1);
	struct ch_span cert[CACERTS_MAX];
	size_t count = 0, off = 0, n;
	enum ch_err err = CH_OK;
	while (err == CH_OK && count < CACERTS_MAX) {
		err = ch_pem_next(pem, &off, "CERTIFICATE", der + count * CH_CERT_MAX, CH_CERT_MAX, &n, NULL);
		if (err == CH_OK) {
			cert[count] = ch_span(der + count * CH_CERT_MAX, n);
			count++;
		}
	}
	if (err != CH_ERR_NOTFOUND || count == 0)
		return err == CH_OK ? CH_ERR_LIMIT : err;
	struct ch_wr w = ch_wr(cms, CACERTS_ROOM);
	err = ch_cms_certs_put(&w, cert, count);
	ch_buf_append(to, ch_wr_span(&w));
	return err;
}

enum ch_err ch_vf_configure(struct ch_verify *v, struct ch_span config)
{
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	CH_AUTO_BUF struct ch_buf cms = { 0 };
	enum ch_err err = ch_config_bytes(config, "ca_certificate", 0, &pem);
	/* A verify without a CA has no certificates to give: its tests, and one that judges evidence only. */
	if (err == CH_OK)
		err = cacerts_make(ch_buf_span(&pem), &cms);
	else if (err == CH_ERR_NOTFOUND)
		err = CH_OK;
	if (err == CH_OK)
		err = ch_profiles_load(&v->profiles, config);
	if (err != CH_OK)
		return err;
	ch_buf_free(&v->cacerts);
	v->cacerts = cms;
	cms = (struct ch_buf){ 0 };
	return CH_OK;
}

/* --- answers --- */

static void answer_base64(struct ch_verify *v, struct ch_vf_request *r, const char *type, struct ch_span der,
			  bool lines)
{
	size_t room = der.n / 3 * 4 + 8 + der.n / CH_EST_LINE * 2;
	CH_AUTO_FREE uint8_t *text = ch_calloc(room + 64, 1);
	struct ch_wr w = ch_wr(text, room + 64);
	ch_est_base64_put(&w, der, lines);
	const struct ch_msg_answer m = { .status = 200, .type = ch_span_str(type), .body = ch_wr_span(&w) };
	ch_vf_answer_as(v, r, &m);
}

static void cacerts(struct ch_verify *v, struct ch_vf_request *r, const struct ch_msg_est *m)
{
	if (v->cacerts.n == 0)
		ch_vf_refuse(v, r, 404, "ca", "this server has no CA", CH_SPAN_EMPTY);
	else
		answer_base64(v, r, "application/pkcs7-mime", ch_buf_span(&v->cacerts), m->wrap != 0);
}

static void csrattrs(struct ch_verify *v, struct ch_vf_request *r, const struct ch_msg_est *m,
		     const struct ch_cert_profile *p)
{
	uint8_t der[256];
	struct ch_wr w = ch_wr(der, sizeof(der));
	if (ch_est_attrs_put(&w, p) != CH_OK)
		ch_vf_refuse(v, r, 500, "internal", "the attributes do not fit", CH_SPAN_EMPTY);
	else
		answer_base64(v, r, "application/csrattrs", ch_wr_span(&w), m->wrap != 0);
}

/* An error of the keeper is JSON; EST's are for people (RFC 7030, 4.2.3). */
static void pass_error(struct ch_verify *v, struct ch_vf_request *r, const struct ch_msg_answer *a)
{
	struct ch_json j;
	struct ch_json_node node[16];
	size_t error, at;
	char code[64] = "refused", rule[CH_VF_RULE_MAX * 2] = "the server refused it";
	struct ch_wr c = ch_wr(code, sizeof(code) - 1), w = ch_wr(rule, sizeof(rule) - 1);
	if (ch_json_parse(&j, a->body, node, CH_COUNT_OF(node), NULL) == CH_OK &&
	    ch_json_member(&j, 0, "error", &error) == CH_OK && ch_json_member(&j, error, "code", &at) == CH_OK) {
		ch_wr_put(&c, ch_json_raw(&j, at));
		code[c.len] = '\0';
		if (ch_json_member(&j, error, "rule", &at) == CH_OK)
			ch_wr_put(&w, ch_json_raw(&j, at));
		rule[w.len > 0 ? w.len : sizeof(rule) - 1] = '\0';
	}
	ch_vf_refuse(v, r, a->status, code, rule, CH_SPAN_EMPTY);
}

static void enrolled(struct ch_verify *v, struct ch_vf_request *r, const struct ch_frame *f)
{
	const struct est *e = r->data;
	struct ch_msg_answer a;
	uint8_t cms[CH_IPC_CERT_MAX + 128];
	struct ch_wr w = ch_wr(cms, sizeof(cms));
	if (!ch_vf_take_answer(v, r, f, &a))
		return;
	if (a.status == 202) {
		const struct ch_msg_answer later = { .status = 202,
						     .retry_after = a.retry_after,
						     .type = CH_SPAN_LIT("text/plain; charset=utf-8"),
						     .body = CH_SPAN_LIT(
							     "waiting: come again with the same request\n") };
		ch_vf_answer_as(v, r, &later);
	} else if (a.status != 200) {
		pass_error(v, r, &a);
	} else if (ch_cms_certs_put(&w, &a.body, 1) != CH_OK) {
		ch_vf_refuse(v, r, 500, "internal", "the certificate does not fit", CH_SPAN_EMPTY);
	} else {
		answer_base64(v, r, CMS_TYPE, ch_wr_span(&w), e->lines);
	}
}

/* --- who asks --- */

/* The serialNumber in the subject of an IDevID (802.1AR, 8.6): what the manufacturer calls the device. */
static struct ch_span idevid_name(const struct ch_x509 *x)
{
	static const uint8_t serial[] = { 0x55, 0x04, 5 };
	struct ch_x509_text t = ch_x509_name_find(x->subject, CH_SPAN_OF(serial));
	return ch_profile_name_valid(t.s) ? t.s : CH_SPAN_EMPTY;
}

/* By what right, and what the device may be called if that is known. False after an answer. */
static bool asker_of(struct ch_verify *v, struct ch_vf_request *r, const struct ch_msg_est *m,
		     struct ch_msg_est_enrol *out, struct ch_profile_asker *asker)
{
	static struct ch_x509 x;
	uint8_t password[CH_EST_TOKEN_MAX];
	struct ch_digest token;
	size_t n;
	(void)ch_span_copy(out->identity, sizeof(out->identity), CH_SPAN_OF(m->cert_sha256));
	if (m->peer == CH_EST_DEVICE) {
		out->by = CH_EST_BY_DEVICE;
		(void)ch_span_copy(out->device, sizeof(out->device), CH_SPAN_OF(m->device));
		asker->device = out->again != 0 ? out->device : NULL;
		return true;
	}
	if (out->again != 0) {
		ch_vf_refuse(v, r, 401, "certificate",
			     "the next certificate is asked for under the one before it (RFC 7030, 4.2.2)",
			     CH_SPAN_EMPTY);
		return false;
	}
	if (m->peer == CH_EST_IDEVID) {
		if (ch_x509_parse(&x, m->certificate, NULL) != CH_OK) {
			ch_vf_refuse(v, r, 403, "idevid", "the IDevID certificate cannot be read", CH_SPAN_EMPTY);
			return false;
		}
		out->by = CH_EST_BY_IDEVID;
		asker->name = idevid_name(&x);
		return true;
	}
	if (!ch_est_password(m->authorization, password, &n) ||
	    ch_hash_once(CH_HASH_SHA256, ch_span(password, n), &token) != CH_OK) {
		ch_vf_refuse(v, r, 401, "credentials",
			     "a client certificate, or a one-time token as the password of HTTP Basic", CH_SPAN_EMPTY);
		return false;
	}
	ch_wipe(password, sizeof(password));
	out->by = CH_EST_BY_TOKEN;
	(void)ch_span_copy(out->identity, sizeof(out->identity), ch_digest_span(&token));
	return true;
}

/* --- what is asked --- */

static bool read_request(struct ch_verify *v, struct ch_vf_request *r, const struct ch_msg_est *m, struct ch_csr *csr)
{
	uint8_t text[64];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_diag d = { .rule = "no room" };
	size_t n = 0;
	uint8_t *der = ch_arena_take(&r->arena, m->body.n + 1, 1);
	enum ch_err err = der != NULL ? ch_est_decode(m->body, der, &n, &d) : CH_ERR_NOSPACE;
	if (err == CH_OK)
		err = ch_csr_parse(csr, ch_span(der, n), &d);
	if (err != CH_OK) {
		ch_wr_str(&w, "byte ");
		ch_wr_dec(&w, d.off);
		ch_vf_refuse(v, r, 400, "request", d.rule, ch_wr_span(&w));
		return false;
	}
	if (ch_csr_verify(csr, &d) != CH_OK) {
		ch_vf_refuse(v, r, 400, "possession", d.rule, CH_SPAN_EMPTY);
		return false;
	}
	return true;
}

/* challengePassword is the base64 of what names the connection (RFC 7030, 3.5). */
static enum ch_est_link linked(const struct ch_csr *csr, struct ch_span binding)
{
	uint8_t text[128];
	struct ch_wr w = ch_wr(text, sizeof(text));
	if (!csr->has_challenge)
		return CH_EST_LINK_NONE;
	ch_base64_put(&w, CH_BASE64_STD, binding);
	return binding.n > 0 && ch_span_eq(ch_wr_span(&w), csr->challenge.s) ? CH_EST_LINK_HOLDS : CH_EST_LINK_BROKEN;
}

static void enrol(struct ch_verify *v, struct ch_vf_request *r, const struct ch_msg_est *m,
		  const struct ch_cert_profile *p, bool again)
{
	static struct ch_csr csr;
	struct ch_msg_est_enrol out = { .again = again, .label = p->label };
	struct ch_profile_asker asker = { .device = NULL };
	struct ch_profile_fault fault = { .rule = NULL };
	if (!asker_of(v, r, m, &out, &asker) || !read_request(v, r, m, &csr))
		return;
	out.link = (uint8_t)linked(&csr, m->binding);
	if (ch_cert_profile_check(p, &csr, &asker, &out.name, &fault) != CH_OK) {
		ch_vf_refuse(v, r, 403, "profile", fault.rule, ch_span_str(fault.field));
		return;
	}
	uint8_t spki[CH_SPKI_MAX];
	struct ch_wr w = ch_wr(spki, sizeof(spki));
	/* The one form of the key, whatever the request had. */
	if (!ch_spki_put(&w, &csr.x.pub) || w.bad || w.len > CH_IPC_SPKI_MAX) {
		ch_vf_refuse(v, r, 403, "profile", "the key has no encoding", CH_SPAN_LIT("key"));
		return;
	}
	out.key_spki = ch_wr_span(&w);
	ch_vf_ask(v, r, CH_MSG_EST_ENROL, &out, enrolled);
}

void ch_vf_est(struct ch_verify *v, unsigned edge, uint64_t id, const struct ch_msg_est *m)
{
	enum ch_route_number op = ch_route_est(m->route);
	struct ch_vf_request *r = ch_vf_begin(v, edge, id, true, m->body.n + CH_VF_DATA_MAX);
	if (r == NULL)
		return;
	struct est *e = ch_arena_take(&r->arena, 1, sizeof(*e));
	const struct ch_cert_profile *p = ch_profiles_find(&v->profiles, m->label);
	if (e == NULL || op == CH_ROUTE_COUNT) {
		ch_vf_refuse(v, r, 404, "route", "this is not a request of EST", CH_SPAN_EMPTY);
		return;
	}
	r->route = m->route;
	r->data = e;
	e->lines = m->wrap != 0;
	if (op == CH_ROUTE_EST_CACERTS)
		cacerts(v, r, m);
	else if (p == NULL)
		ch_vf_refuse(v, r, 404, "label", "there is no certificate profile of this name", CH_SPAN_EMPTY);
	else if (op == CH_ROUTE_EST_CSRATTRS)
		csrattrs(v, r, m, p);
	else
		enrol(v, r, m, p, op == CH_ROUTE_EST_REENROL);
}
