/* SPDX-License-Identifier: Apache-2.0 */
#include "server/signer/issue.h"

#include "core/platform/spki.h"
#include "core/platform/x509_write.h"
#include "core/wire/base64.h"

#define DAY       86400
#define BACKDATED 3600 /* clocks of devices are behind: a certificate holds from an hour ago */
#define CLOCK_OFF 300  /* the keeper's clock is this machine's: a request of another time is not believed */

/* What is issued, and nothing else. */
static const struct profile {
	uint8_t number;
	const char *uri; /* SAN, before the subject in hexadecimal */
	uint64_t lifetime_max;
	uint8_t key[4]; /* enum ch_key_type that are certified */
} profile[] = {
	{ 1, "urn:chainhold:device:", 400 * DAY, { CH_KEY_P256, CH_KEY_P384 } },
	{ 2, "urn:chainhold:operator:", 400 * DAY, { CH_KEY_P256, CH_KEY_P384, CH_KEY_ED25519 } },
};

static enum ch_err check_ca(struct ch_issuer *ca, const struct ch_x509 *cert, struct ch_ca_key *key)
{
	struct ch_pubkey own;
	if (cert->form != CH_X509_CERTIFICATE || !cert->ca || (cert->key_usage & CH_KU_CERT_SIGN) == 0 ||
	    cert->subject_key_id.n == 0)
		return CH_ERR_UNTRUSTED;
	enum ch_err err = key->key.state != NULL ? ch_sign_key_pub(&key->key, &own) : CH_OK;
	if (err == CH_OK && key->key.state != NULL && !ch_spki_same(&own.pub, &cert->pub))
		err = CH_ERR_MISMATCH;
	if (err == CH_OK)
		err = ch_ca_key_init(key, &cert->pub);
	if (err != CH_OK)
		return err;
	ca->name = cert->subject;
	ca->kid = cert->subject_key_id;
	ca->spki = cert->spki;
	ca->not_after = cert->not_after;
	return CH_OK;
}

enum ch_err ch_issuer_load(struct ch_issuer *ca, struct ch_span pem, struct ch_ca_key *key)
{
	struct ch_x509 cert;
	size_t n = 0;
	*ca = (struct ch_issuer){ 0 };
	ca->certificate.p = ch_calloc(1, CH_CERT_MAX);
	ca->certificate.cap = CH_CERT_MAX;
	enum ch_err err = ch_pem_decode(pem, "CERTIFICATE", ca->certificate.p, CH_CERT_MAX, &n, NULL);
	ca->certificate.n = n;
	if (err == CH_OK)
		err = ch_x509_parse(&cert, ch_buf_span(&ca->certificate), NULL);
	if (err == CH_OK)
		err = check_ca(ca, &cert, key);
	if (err != CH_OK)
		ch_issuer_clear(ca);
	return err;
}

void ch_issuer_clear(struct ch_issuer *ca)
{
	ch_buf_free(&ca->certificate);
	*ca = (struct ch_issuer){ 0 };
}

static const struct profile *profile_of(uint8_t number)
{
	for (size_t i = 0; i < CH_COUNT_OF(profile); i++) {
		if (profile[i].number == number)
			return &profile[i];
	}
	return NULL;
}

static bool certifies(const struct profile *p, enum ch_key_type type)
{
	bool ok = false;
	for (size_t i = 0; i < sizeof(p->key); i++)
		ok = ok || (type != CH_KEY_NONE && p->key[i] == type);
	return ok;
}

/* Why a request is refused, whatever its profile; or NULL. */
static const char *refusal(const struct ch_issuer *ca, const struct ch_msg_issue *req, uint64_t lifetime_max,
			   int64_t clock)
{
	if (req->now > INT64_MAX / 2 || (int64_t)req->now > clock + CLOCK_OFF || (int64_t)req->now < clock - CLOCK_OFF)
		return "the request is of another time than this process's clock";
	if (req->lifetime == 0 || req->lifetime > lifetime_max)
		return "the lifetime is above the ceiling of the profile";
	if (clock >= ca->not_after)
		return "the certificate of the CA has expired";
	if (ch_span_all(CH_SPAN_OF(req->serial), 0))
		return "the serial number is zero";
	if (ch_span_all(CH_SPAN_OF(req->subject), 0))
		return "there is no subject";
	return NULL;
}

/* A point that is not on its curve is no key (SP 800-56A, 5.6.2.3). */
static bool key_valid(const struct ch_pub *pub)
{
	struct ch_verify_key key;
	/* Any 32 bytes are taken as a key of Ed25519; one that is none verifies nothing (RFC 8032, 5.1.3). */
	if (pub->type == CH_KEY_ED25519)
		return pub->a.n == 32;
	if (pub->type != CH_KEY_RSA)
		return ch_pub_point_valid(pub);
	bool valid = ch_verify_key_init(&key, pub) == CH_OK;
	if (valid)
		ch_verify_key_clear(&key);
	return valid;
}

static enum ch_err build(uint8_t room[static CH_IPC_CERT_MAX], struct ch_span *tbs, const struct ch_cert_new *c)
{
	struct ch_wr w = ch_wr(room, CH_IPC_CERT_MAX);
	enum ch_err err = ch_cert_tbs_put(&w, c);
	*tbs = err == CH_OK ? ch_wr_span(&w) : CH_SPAN_EMPTY;
	return err;
}

static void refuse(struct ch_msg_issued *out, const char *rule)
{
	*out = (struct ch_msg_issued){ .status = 1, .rule = ch_span_str(rule) };
}

/* What a certificate holds beside what all have in common. */
struct content {
	uint8_t text[CH_PROFILE_NAMES_MAX][CH_CERT_TEXT_MAX];
	uint8_t subject[2048];
	char cn[33];
};

/* A profile of the table above: NULL, or why not. */
static const char *fill_fixed(struct ch_cert_new *c, struct content *t, const struct profile *p,
			      const struct ch_msg_issue *req)
{
	struct ch_wr w = ch_wr(t->cn, sizeof(t->cn));
	struct ch_wr u = ch_wr(t->text[0], sizeof(t->text[0]));
	ch_wr_hex(&w, CH_SPAN_OF(req->subject));
	ch_wr_str(&u, p->uri);
	ch_wr_hex(&u, CH_SPAN_OF(req->subject));
	c->subject_cn = ch_wr_span(&w);
	c->key_usage = CH_KU_DIGITAL_SIGNATURE;
	c->eku = CH_CERT_EKU_CLIENT;
	c->san[0] = (struct ch_cert_san){ CH_CERT_SAN_URI, ch_wr_span(&u) };
	c->san_count = 1;
	return NULL;
}

/* A certificate profile of the configuration: NULL, or why not. */
static const char *fill_profile(struct ch_cert_new *c, struct content *t, const struct ch_cert_profile *p,
				const struct ch_msg_issue *req)
{
	struct ch_wr w = ch_wr(t->subject, sizeof(t->subject));
	if (req->name.n > 0 && !ch_profile_name_valid(req->name))
		return "the name is not one that a device may have";
	if (ch_profile_subject_put(&w, p, req->name, req->subject) != CH_OK)
		return "an attribute of the subject is longer than it may be";
	c->subject = ch_wr_span(&w);
	c->key_usage = p->key_usage;
	c->eku = p->purposes;
	for (size_t i = 0; i < p->name_count; i++) {
		struct ch_wr n = ch_wr(t->text[i], sizeof(t->text[i]));
		ch_profile_template_put(&n, p->name[i].text, req->name, req->subject);
		c->san[i] = (struct ch_cert_san){ (enum ch_cert_san_kind)(p->name[i].kind - 1), ch_wr_span(&n) };
		c->san_count++;
	}
	return NULL;
}

/* What the profile of the request says; NULL, or why it is refused. */
static const char *fill(struct ch_cert_new *c, struct content *t, const struct ch_profiles *profiles,
			const struct ch_msg_issue *req, const struct ch_pub *pub, uint64_t *lifetime_max)
{
	if (req->profile == CH_ISSUE_PROFILE) {
		const struct ch_cert_profile *p = ch_profiles_find(profiles, req->label);
		if (p == NULL || !ch_span_eq(p->label, req->label))
			return "there is no such profile";
		const char *rule = ch_cert_profile_key_rule(p, pub);
		*lifetime_max = p->lifetime;
		return rule != NULL ? rule : fill_profile(c, t, p, req);
	}
	const struct profile *p = profile_of(req->profile);
	if (p == NULL)
		return "there is no such profile";
	if (!certifies(p, pub->type))
		return "the profile does not certify this kind of key";
	*lifetime_max = p->lifetime_max;
	return fill_fixed(c, t, p, req);
}

void ch_issue(struct ch_msg_issued *out, uint8_t room[static CH_IPC_CERT_MAX], const struct ch_issuer *ca,
	      const struct ch_profiles *profiles, const struct ch_msg_issue *req, int64_t clock)
{
	struct ch_pub pub = { .type = CH_KEY_NONE };
	struct content t;
	uint8_t kid[20];
	uint64_t lifetime_max = 0;
	*out = (struct ch_msg_issued){ 0 };
	if (ch_spki_parse(&pub, req->spki, NULL) != CH_OK) {
		refuse(out, "the key is not one SubjectPublicKeyInfo");
		return;
	}
	int64_t end =
		req->now < INT64_MAX / 2 && req->lifetime < INT64_MAX / 2 ? (int64_t)(req->now + req->lifetime) : 0;
	struct ch_cert_new c = {
		.serial = CH_SPAN_OF(req->serial),
		.issuer = ca->name,
		.not_before = (int64_t)req->now - BACKDATED,
		.not_after = end < ca->not_after ? end : ca->not_after,
		.spki = req->spki,
		.subject_kid = CH_SPAN_OF(kid),
		.issuer_kid = ca->kid,
		.ca = false,
		.crl_url = ca->crl_url,
		.ocsp_url = ca->ocsp_url,
	};
	const char *rule = fill(&c, &t, profiles, req, &pub, &lifetime_max);
	if (rule == NULL)
		rule = refusal(ca, req, lifetime_max, clock);
	if (rule != NULL || !key_valid(&pub) || ch_cert_kid(kid, &pub) != CH_OK)
		refuse(out, rule != NULL ? rule : "the key is not valid");
	else if (build(room, &out->certificate, &c) != CH_OK)
		refuse(out, "the certificate could not be built");
	else
		out->not_after = (uint64_t)c.not_after;
}

void ch_issue_signed(struct ch_msg_issued *out, uint8_t room[static CH_IPC_CERT_MAX], struct ch_span tbs,
		     const uint8_t *sig)
{
	struct ch_wr w = ch_wr(room, CH_IPC_CERT_MAX);
	if (sig != NULL && ch_cert_put(&w, tbs, sig) == CH_OK)
		out->certificate = ch_wr_span(&w);
	else
		refuse(out, "the certificate could not be signed");
}
