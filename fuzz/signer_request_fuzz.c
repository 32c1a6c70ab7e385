/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/spki.h"
#include "core/platform/x509.h"
#include "core/platform/x509_write.h"
#include "core/wire/base64.h"
#include "host/crypto_openssl/backend.h"
#include "server/signer/signer.h"

#include <fcntl.h>
#include <openssl/ocsp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * Requests as a keeper or reader that was taken over could send them, one after the other: {u8 kind, u16 length, payload}. Each has one answer
 * or, if it does not parse, none and changes nothing. Whatever was asked, a certificate is one of a device or an operator, never of a CA, and
 * lives no longer than its profile says; the log only grows, by what was handed over; what is revoked stays so, and OCSP says it.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

#define NOW      1790000000
#define DAY      86400
#define CEILING  (400 * DAY)
#define REQUESTS 8

/* The signer's clock stands still, so that an input does the same every time. */
time_t time(time_t *t)
{
	if (t != NULL)
		*t = NOW;
	return NOW;
}

static struct ch_signer signer;
static struct ch_verify_key log_key;
static char folder[] = "/dev/shm/chainhold-fuzz-signer-XXXXXX";
static unsigned answers;
static struct ch_msg_issue issue; /* the request that is answered, if it is one */
static uint64_t size_before, leaves;

/* --- what must hold of an answer --- */

static void check_issued(const struct ch_msg_issued *m)
{
	struct ch_x509 c;
	const unsigned char *p = m->certificate.p;
	CHECK(m->status <= 1 && (m->status == 0) == (m->rule.n == 0));
	if (m->status != 0)
		return;
	CHECK(ch_x509_parse(&c, m->certificate, NULL) == CH_OK && c.odd == 0);
	CHECK(!c.ca && (c.key_usage & (CH_KU_CERT_SIGN | CH_KU_CRL_SIGN)) == 0);
	CHECK(c.not_after - c.not_before <= CEILING + 3600 && c.not_after <= signer.ca.not_after);
	CHECK(ch_span_eq(c.issuer, signer.ca.name) && ch_span_eq(c.spki, issue.spki));
	X509 *x = d2i_X509(NULL, &p, (long)m->certificate.n);
	CHECK(x != NULL && p == m->certificate.p + m->certificate.n);
	X509_free(x);
}

static void check_checkpoint(const struct ch_msg_checkpoint *m)
{
	struct ch_checkpoint c;
	struct ch_note note;
	CHECK(m->status <= 1 && ch_note_parse(&note, m->note, NULL) == CH_OK);
	CHECK(ch_note_verify(&note, &signer.tree.note, &log_key) == CH_OK);
	CHECK(ch_checkpoint_parse(&c, note.text, NULL) == CH_OK && c.size == m->size);
	CHECK(m->size == (m->status == 0 ? size_before + leaves : size_before));
	CHECK(ch_span_eq(CH_SPAN_OF(m->root), ch_tree_hash_span(&c.root)));
}

static void check_crl(const struct ch_msg_crl *m)
{
	const unsigned char *p = m->list.p;
	CHECK(m->count == signer.crl.count);
	if (m->status != 0) {
		CHECK(m->list.n == 0);
		return;
	}
	X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)m->list.n);
	CHECK(crl != NULL && p == m->list.p + m->list.n);
	X509_CRL_free(crl);
}

static void check_ocsp(const struct ch_msg_ocsp *m)
{
	const unsigned char *p = m->answer.p;
	if (m->status != CH_OCSP_SUCCESSFUL) {
		CHECK(m->answer.n == 0);
		return;
	}
	OCSP_RESPONSE *r = d2i_OCSP_RESPONSE(NULL, &p, (long)m->answer.n);
	CHECK(r != NULL && p == m->answer.p + m->answer.n &&
	      OCSP_response_status(r) == OCSP_RESPONSE_STATUS_SUCCESSFUL);
	OCSP_BASICRESP *basic = OCSP_response_get1_basic(r);
	CHECK(basic != NULL);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(r);
}

static struct ch_earlier_ca *earlier_asked; /* by REVOKE_EARLIER; NULL: none of them */

static void check_crl_earlier(const struct ch_msg_crl_earlier *m)
{
	const unsigned char *p = m->list.p;
	CHECK(m->status <= 3 && (m->status == 0) == (m->list.n > 0));
	CHECK(m->status != 3 || (earlier_asked != NULL && !ch_earlier_signs(earlier_asked)));
	if (m->status != 0)
		return;
	/* Of the one that was asked, signed with its key, with everything in it that it has. */
	CHECK(earlier_asked != NULL && m->count == earlier_asked->crl.count);
	X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)m->list.n);
	const unsigned char *spki = earlier_asked->ca.spki.p;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &spki, (long)earlier_asked->ca.spki.n);
	CHECK(crl != NULL && key != NULL && p == m->list.p + m->list.n && X509_CRL_verify(crl, key) == 1);
	CHECK(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)) <= (int)m->count);
	EVP_PKEY_free(key);
	X509_CRL_free(crl);
}

static void take(const struct ch_signer_out *to, enum ch_msg type, const void *msg)
{
	CHECK(to->id == 7 && to->asker == 3);
	answers++;
	if (type == CH_MSG_ISSUED) {
		check_issued(msg);
	} else if (type == CH_MSG_CHECKPOINT) {
		check_checkpoint(msg);
	} else if (type == CH_MSG_CRL) {
		check_crl(msg);
	} else if (type == CH_MSG_CRL_EARLIER) {
		check_crl_earlier(msg);
	} else if (type == CH_MSG_OCSP) {
		check_ocsp(msg);
	} else if (type == CH_MSG_EAR) {
		const struct ch_msg_ear *m = msg;
		CHECK((m->status == 0) == (m->jwt.n > 0));
	} else {
		CHECK(type == CH_MSG_KEYS);
	}
}

/* --- the signer --- */

/* The certificate of a CA that signs itself, in PEM at `out`. */
static void make_ca(struct ch_wr *out, struct ch_sign_key *key, const char *name)
{
	static uint8_t own[128], tbs[2048], der[2048];
	uint8_t kid[20], sig[CH_SIGN_BYTES];
	struct ch_pubkey pub;
	struct ch_wr k = ch_wr(own, sizeof(own)), w = ch_wr(tbs, sizeof(tbs)), all = ch_wr(der, sizeof(der));
	CHECK(ch_sign_key_make(key, CH_KEY_P256) == CH_OK && ch_sign_key_pub(key, &pub) == CH_OK);
	CHECK(ch_spki_put(&k, &pub.pub) && ch_cert_kid(kid, &pub.pub) == CH_OK);
	const struct ch_cert_new c = { .serial = CH_SPAN_LIT("\x01"),
				       .subject_cn = ch_span_str(name),
				       .not_before = NOW - DAY,
				       .not_after = NOW + 1000 * (int64_t)DAY,
				       .spki = ch_wr_span(&k),
				       .subject_kid = CH_SPAN_OF(kid),
				       .issuer_kid = CH_SPAN_OF(kid),
				       .key_usage = CH_KU_CERT_SIGN | CH_KU_CRL_SIGN,
				       .ca = true };
	CHECK(ch_cert_tbs_put(&w, &c) == CH_OK && ch_sign_message(key, ch_wr_span(&w), sig) == CH_OK);
	CHECK(ch_cert_put(&all, ch_wr_span(&w), sig) == CH_OK);
	ch_wr_str(out, "-----BEGIN CERTIFICATE-----\n");
	ch_base64_put(out, CH_BASE64_STD, ch_wr_span(&all));
	ch_wr_str(out, "\n-----END CERTIFICATE-----\n");
}

static void take_ca(void)
{
	static uint8_t pem[4096];
	struct ch_wr out = ch_wr(pem, sizeof(pem));
	make_ca(&out, &signer.ca_key.key, "Issuing CA");
	CHECK(ch_issuer_load(&signer.ca, ch_wr_span(&out), &signer.ca_key) == CH_OK);
	signer.ca.crl_url = CH_SPAN_LIT("http://pki.example/crl/1.crl");
	signer.ca.ocsp_url = CH_SPAN_LIT("http://pki.example/ocsp");
}

/* Two: of one the key is here, of the other nobody has it. Their names in messages are the same in every run. */
static void take_earlier(int dir)
{
	static uint8_t config[16384];
	struct ch_wr w = ch_wr(config, sizeof(config));
	struct ch_sign_key key[2];
	char name[96];
	for (unsigned i = 0; i < 2; i++) {
		static uint8_t pem[4096];
		struct ch_wr one = ch_wr(pem, sizeof(pem));
		make_ca(&one, &key[i], i == 0 ? "CA before" : "CA before that");
		ch_wr_str(&w, "earlier_ca ");
		ch_base64_put(&w, CH_BASE64_STD, ch_wr_span(&one));
		ch_wr_str(&w, "\n");
	}
	CHECK(ch_earlier_load(&signer.earlier, ch_wr_span(&w), dir, DAY, name) == CH_OK && signer.earlier.count == 2);
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	CHECK(ch_sign_key_pem(&key[0], &pem) == CH_OK);
	CHECK(ch_list_key_from_pem(&signer.earlier.ca[0].key, ch_buf_span(&pem)) == CH_OK);
	signer.earlier.ca[0].ca.sig_alg = signer.earlier.ca[0].key.alg;
	for (unsigned i = 0; i < 2; i++) {
		ch_sign_key_clear(&key[i]);
		memset(signer.earlier.ca[i].id, 'a' + (int)i, sizeof(signer.earlier.ca[i].id));
	}
}

static void take_profile(void)
{
	static uint8_t image[1024], line[2048];
	struct ch_wr w = ch_wr(image, sizeof(image)), l = ch_wr(line, sizeof(line));
	const struct ch_cert_profile p = {
		.label = CH_SPAN_LIT("default"),
		.class = CH_SPAN_LIT("gateway"),
		.lifetime = 30 * DAY,
		.grace = DAY,
		.keys = 1u << CH_KEY_P256 | 1u << CH_KEY_P384 | 1u << CH_KEY_ED25519 | 1u << CH_KEY_RSA,
		.key_usage = CH_KU_DIGITAL_SIGNATURE,
		.purposes = CH_CERT_EKU_CLIENT,
		.by = CH_ENROL_BY_ALL,
		.approval = CH_APPROVAL_AUTOMATIC,
		.linking = CH_LINKING_REQUIRED,
		.attr_count = 1,
		.attr = { { CH_SUBJECT_CN, CH_SPAN_LIT("{name}") } },
		.name_count = 2,
		.name = { { CH_CERT_SAN_DNS + 1, CH_SPAN_LIT("{name}") },
			  { CH_CERT_SAN_URI + 1, CH_SPAN_LIT("urn:{device}") } },
	};
	CHECK(ch_cert_profile_put(&w, &p) == CH_OK);
	ch_wr_str(&l, "certificate_profile ");
	ch_base64_put(&l, CH_BASE64_STD, ch_wr_span(&w));
	ch_wr_str(&l, "\n");
	CHECK(ch_profiles_load(&signer.profiles, ch_wr_span(&l)) == CH_OK);
}

static void end(void)
{
	char path[128];
	const char *const file[] = { CH_SIGNER_TREE_FILE, signer.crl.name, signer.earlier.ca[0].crl.name,
				     signer.earlier.ca[1].crl.name };
	for (size_t i = 0; i < CH_COUNT_OF(file); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, file[i]);
		(void)unlink(path);
	}
	(void)rmdir(folder);
	ch_signer_clear(&signer);
}

static void start(void)
{
	struct ch_sign_key key;
	struct ch_pubkey pub;
	bool made;
	CHECK(ch_crypto_openssl_init_seal() == CH_OK && mkdtemp(folder) != NULL);
	take_ca();
	take_profile();
	CHECK(ch_sign_key_make(&key, CH_KEY_ED25519) == CH_OK && ch_sign_key_pub(&key, &pub) == CH_OK);
	CHECK(ch_verify_key_init(&log_key, &pub.pub) == CH_OK);
	CHECK(ch_signer_tree_open(&signer.tree, folder, CH_SPAN_LIT("fuzz.example/log"), &key, &made) == CH_OK && made);
	CHECK(ch_sign_key_make(&key, CH_KEY_P256) == CH_OK && ch_ear_signer_init(&signer.ear, &key) == CH_OK);
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(dir >= 0 && ch_signer_crl_open(&signer.crl, dir, &signer.ca, DAY) == CH_OK);
	take_earlier(dir);
	CHECK(ch_sign_key_make(&key, CH_KEY_P256) == CH_OK);
	CHECK(ch_responder_init(&signer.responder, &key, &signer.ca, 3600) == CH_OK);
	ch_responder_prepare(&signer.responder, &signer.ca, &signer.ca_key, NOW);
	CHECK(atexit(end) == 0);
}

/* The next input finds it as the first one did. */
static void forget(void)
{
	signer.tree.last = (struct ch_frontier){ 0 };
	signer.crl.count = 0;
	signer.crl.number = 0;
	for (size_t i = 0; i < signer.earlier.count; i++) {
		signer.earlier.ca[i].crl.count = 0;
		signer.earlier.ca[i].crl.number = 0;
	}
}

/* --- one request --- */

/* Whether a request that was taken is to be answered. */
static bool to_be_answered(enum ch_msg type, struct ch_span payload)
{
	struct ch_msg_revoke m = { .more = 0 };
	struct ch_msg_revoke_earlier e = { .more = 0 };
	bool more = (type == CH_MSG_REVOKE && ch_msg_parse(type, &m, payload, NULL) == CH_OK && m.more != 0) ||
		    (type == CH_MSG_REVOKE_EARLIER && ch_msg_parse(type, &e, payload, NULL) == CH_OK && e.more != 0);
	return !more || answers > 0;
}

static size_t revoked_of_all(void)
{
	size_t n = signer.crl.count;
	for (size_t i = 0; i < signer.earlier.count; i++)
		n += signer.earlier.ca[i].crl.count;
	return n;
}

static void ask(enum ch_msg type, struct ch_span payload)
{
	const struct ch_signer_out out = { .asker = 3, .id = 7, .send = take };
	const struct ch_frame f = { .type = (uint16_t)type, .id = 7, .payload = payload };
	size_t own = signer.crl.count, revoked = revoked_of_all();
	struct ch_msg_leaves l;
	struct ch_msg_revoke_earlier e;
	answers = 0;
	size_before = signer.tree.last.size;
	leaves = 0;
	if (type == CH_MSG_LEAVES && ch_msg_parse(type, &l, payload, NULL) == CH_OK)
		leaves = l.hashes.n / 32;
	issue = (struct ch_msg_issue){ 0 };
	if (type == CH_MSG_ISSUE)
		(void)!ch_msg_parse(type, &issue, payload, NULL);
	earlier_asked = type == CH_MSG_REVOKE_EARLIER && ch_msg_parse(type, &e, payload, NULL) == CH_OK
				? ch_earlier_find(&signer.earlier, e.ca)
				: NULL;
	bool taken = ch_signer_request(&signer, &f, &out);
	CHECK(answers == (taken && to_be_answered(type, payload) ? 1u : 0u));
	CHECK(signer.tree.last.size >= size_before && revoked_of_all() >= revoked && signer.ca_key.count == 0);
	/* What is of one CA is of no other. */
	CHECK(type == CH_MSG_REVOKE || signer.crl.count == own);
	CHECK(type == CH_MSG_REVOKE_EARLIER || revoked_of_all() - revoked == signer.crl.count - own);
	if (!taken)
		CHECK(signer.tree.last.size == size_before && revoked_of_all() == revoked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum ch_msg kind[] = { CH_MSG_ISSUE,    CH_MSG_LEAVES,   CH_MSG_REVOKE, CH_MSG_OCSP_SIGN,
					    CH_MSG_EAR_SIGN, CH_MSG_KEYS_ASK, CH_MSG_COMMIT, CH_MSG_REVOKE_EARLIER };
	static bool started;
	struct ch_rd r = ch_rd(ch_span(data, size));
	if (!started)
		start();
	started = true;
	forget();
	for (unsigned i = 0; i < REQUESTS && !ch_rd_done(&r); i++) {
		enum ch_msg type = kind[ch_rd_u8(&r) % CH_COUNT_OF(kind)];
		size_t n = ch_rd_be16(&r);
		if (r.bad)
			break;
		ask(type, ch_rd_take(&r, n < ch_rd_left(&r) ? n : ch_rd_left(&r)));
	}
	return 0;
}
