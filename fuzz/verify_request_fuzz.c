/* SPDX-License-Identifier: Apache-2.0 */
#include "host/crypto_openssl/backend.h"
#include "server/ipc/routes.h"
#include "server/verify/verify.h"

#include "core/base/text.h"
#include "core/trust/generation.h"
#include "core/trust/policy.h"
#include "core/wire/base64.h"

#include <stdlib.h>

/*
 * The first byte chooses the request (from 0xa0 on one about updates, from 0xc0 on one of EST) and what the keeper says to it, the rest is the body. Every request gets exactly
 * one answer, an error names a rule (as JSON, for EST as text), and nothing stays behind.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static struct ch_verify verify;
static unsigned answers;

static bool est;                       /* the request is one of EST: text, or base64 */
static enum { YES, LATER, NO } keeper; /* what it says; to a device without a TPM NO is that it has none */
static enum ch_msg asked_type;
static uint64_t asked_id;

/* TPMT_PUBLIC of an attestation key on P-256; the point is the base point of the curve. */
static const char ak_hex[] = "0023000b0005007200000010"
			     "0018000b00030010"
			     "00206b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
			     "00204fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
static uint8_t ak[(sizeof(ak_hex) - 1) / 2];

static void answer(void *ctx, unsigned edge, uint64_t id, const struct ch_msg_answer *m)
{
	struct ch_json json;
	static struct ch_json_node node[4096];
	size_t error, code, rule;
	(void)ctx;
	CHECK(edge == 3 && id == 7 && m->status >= 200 && m->status < 600);
	answers++;
	if (m->body.n == 0)
		return;
	if (est) {
		CHECK(m->body.p[m->body.n - 1] == '\n' || m->status == 200);
		return;
	}
	CHECK(ch_json_parse(&json, m->body, node, CH_COUNT_OF(node), NULL) == CH_OK);
	if (m->status < 400)
		return;
	CHECK(ch_json_member(&json, 0, "error", &error) == CH_OK);
	CHECK(ch_json_member(&json, error, "code", &code) == CH_OK && ch_json_type(&json, code) == CH_JSON_STRING);
	CHECK(ch_json_member(&json, error, "rule", &rule) == CH_OK && ch_json_type(&json, rule) == CH_JSON_STRING);
}

static bool ask(void *ctx, enum ch_msg type, uint64_t id, const void *msg)
{
	(void)ctx;
	asked_type = type;
	asked_id = id;
	/* It must fit into its message whatever the body was. */
	size_t n = ch_msg_size(type, msg);
	uint8_t *room = malloc(n);
	struct ch_wr w = ch_wr(room, n);
	CHECK(room != NULL);
	ch_msg_put(type, msg, &w);
	CHECK(!w.bad && w.len == n);
	free(room);
	return true;
}

static int64_t now(void *ctx)
{
	(void)ctx;
	return 1790000000;
}

/* A class that requires its boot, with reference values. */
static struct ch_span generation(void)
{
	static uint8_t image[8192];
	static const struct ch_span values = CH_SPAN_LIT(
		"{\"format\":\"chainhold-reference/1\",\"kind\":\"baseline\",\"name\":\"fuzz\",\"pcrs\":[0,10],"
		"\"events\":[{\"pcr\":0,\"type\":8,\"digests\":{\"sha256\":"
		"\"0000000000000000000000000000000000000000000000000000000000000000\"},\"required\":true,\"what\":\"version\"}]}");
	uint8_t policy[CH_POLICY_IMAGE_MAX];
	struct ch_wr w = ch_wr(image, sizeof(image)), pw = ch_wr(policy, sizeof(policy));
	struct ch_policy p = { .class = CH_SPAN_LIT("gateway"),
			       .required = 1u << CH_LINK_PLATFORM | 1u << CH_LINK_BOOT,
			       .release = CH_RELEASE_AUTOMATIC,
			       .on_stale = CH_RESPONSE_QUARANTINE,
			       .interval = 600,
			       .lifetime = 30 * 86400,
			       .two_signatures = 1,
			       .ek = CH_EK_ANY_ROOT,
			       .token = true,
			       .daily_mib = 64 };
	for (size_t i = 0; i < CH_LINK_COUNT; i++) {
		p.on_break[i] = CH_RESPONSE_ALERT;
		p.max_age[i] = 3600;
	}
	CHECK(ch_policy_put(&pw, &p) == CH_OK);
	const struct ch_generation_item item[] = {
		{ .kind = CH_GENERATION_POLICY, .name = p.class, .bytes = ch_wr_span(&pw) },
		{ .kind = CH_GENERATION_REFERENCE, .name = p.class, .bytes = values },
	};
	ch_generation_begin(&w, 1, CH_COUNT_OF(item));
	for (size_t i = 0; i < CH_COUNT_OF(item); i++)
		ch_generation_put(&w, &item[i]);
	CHECK(!w.bad);
	return ch_wr_span(&w);
}

/* One certificate profile, as a line of the configuration. */
static void take_profile(void)
{
	static uint8_t image[1024], line[2048];
	struct ch_wr w = ch_wr(image, sizeof(image)), l = ch_wr(line, sizeof(line));
	const struct ch_cert_profile p = {
		.label = CH_SPAN_LIT("default"),
		.class = CH_SPAN_LIT("gateway"),
		.lifetime = 86400,
		.grace = 86400,
		.keys = 1u << CH_KEY_P256 | 1u << CH_KEY_P384 | 1u << CH_KEY_ED25519 | 1u << CH_KEY_RSA,
		.key_usage = CH_KU_DIGITAL_SIGNATURE,
		.purposes = CH_CERT_EKU_CLIENT,
		.by = CH_ENROL_BY_ALL,
		.approval = CH_APPROVAL_AUTOMATIC,
		.linking = CH_LINKING_REQUIRED,
		.attr_count = 2,
		.attr = { { CH_SUBJECT_O, CH_SPAN_LIT("Lab") }, { CH_SUBJECT_CN, CH_SPAN_LIT("{name}") } },
		.name_count = 2,
		.name = { { CH_CERT_SAN_DNS + 1, CH_SPAN_LIT("{name}") },
			  { CH_CERT_SAN_URI + 1, CH_SPAN_LIT("urn:{device}") } }
	};
	CHECK(ch_cert_profile_put(&w, &p) == CH_OK);
	ch_wr_str(&l, "certificate_profile ");
	ch_base64_put(&l, CH_BASE64_STD, ch_wr_span(&w));
	ch_wr_str(&l, "\n");
	CHECK(ch_vf_configure(&verify, ch_wr_span(&l)) == CH_OK && verify.profiles.count == 1);
}

/*
 * The low bits of the first byte: re-enrolment, a device's or a manufacturer's certificate, lines; the high ones what the keeper says, or that
 * something is only fetched: CA certificates, attributes of a profile that the body names. Else the rest is the body.
 */
static void say_est(uint8_t how, struct ch_span body)
{
	bool again = (how & 1) != 0, fetch = (how & 0xf0) == 0xe0;
	struct ch_msg_est m = { .route = again ? CH_ROUTE_EST_REENROL : CH_ROUTE_EST_ENROL,
				.peer = (how & 2) != 0   ? CH_EST_DEVICE
					: (how & 4) != 0 ? CH_EST_IDEVID
							 : CH_EST_NOBODY,
				.wrap = (how & 8) != 0,
				.certificate = (how & 4) != 0 && body.n <= CH_CERT_MAX ? body : CH_SPAN_EMPTY,
				.binding = CH_SPAN_LIT("0123456789ab"),
				.authorization = CH_SPAN_LIT("Basic eDp0b2tlbg=="),
				.body = body };
	if (fetch) {
		m.route = again ? CH_ROUTE_EST_CSRATTRS : CH_ROUTE_EST_CACERTS;
		m.label = ch_span_sub(body, 0, body.n < 64 ? body.n : 64);
	}
	keeper = (how & 0xf0) == 0xd0 ? NO : (how & 0xf0) == 0xc0 ? LATER : YES;
	ch_vf_est(&verify, 3, 7, &m);
}

/* What devices say about updates, in our words and in those of hawkBit's DDI. */
static void say_update(uint8_t how, struct ch_span body)
{
#define BASE "/DEFAULT/controller/v1/gw-7/"
#define TOO_LONG                                                             \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	static const struct {
		uint16_t route;
		const char *path;
	} row[] = { { CH_ROUTE_FEEDBACK, "/v1/update/1007/feedback" },
		    { CH_ROUTE_DDI_FEEDBACK, BASE "deploymentBase/1007/feedback" },
		    { CH_ROUTE_DDI_CANCEL_FEEDBACK, BASE "cancelAction/1007/feedback" },
		    { CH_ROUTE_DDI_CONFIG, BASE "configData" },
		    { CH_ROUTE_DDI_CONFIG, "/DEFAULT/controller/v1/" TOO_LONG "/configData" } };
#undef BASE
#undef TOO_LONG
	const struct ch_msg_request m = { .route = row[how % CH_COUNT_OF(row)].route,
					  .path = ch_span_str(row[how % CH_COUNT_OF(row)].path),
					  .body = body };
	keeper = how / CH_COUNT_OF(row) % 3;
	ch_vf_request(&verify, 3, 7, &m);
}

static void start(void)
{
	static const struct ch_vf_out out = { NULL, answer, ask, now };
	struct ch_diag d;
	CHECK(ch_crypto_openssl_init_seal() == CH_OK && ch_hex_decode(ak, sizeof(ak), ch_span_str(ak_hex)) == CH_OK);
	ch_vf_init(&verify, &out);
	CHECK(ch_held_take(&verify.held, 1, generation(), &d) == CH_OK);
	take_profile();
}

/* The keeper's side: a context for what asks for one, its word to everything else. */
static void reply(void)
{
	static uint8_t room[1 << 20];
	static const uint8_t have[256];
	struct ch_wr w = ch_wr(room, sizeof(room));
	struct ch_msg_context c = { .class_name = CH_SPAN_LIT("gateway"),
				    .ak_public = CH_SPAN_OF(ak),
				    .ek_public = CH_SPAN_OF(ak),
				    .platform_tier = CH_TIER_AFFIRMING,
				    .has_last = 1,
				    .eventlog = CH_SPAN_OF(have),
				    .ima = CH_SPAN_OF(have) };
	struct ch_msg_answer a = { .status = 200, .body = CH_SPAN_LIT("{}") };
	if (keeper == NO) {
		c.ak_public = CH_SPAN_EMPTY;
		a = (struct ch_msg_answer){
			.status = 403,
			.body = CH_SPAN_LIT("{\"error\":{\"code\":\"state\",\"rule\":\"it is quarantined\"}}")
		};
	} else if (keeper == LATER) {
		c.has_last = 0;
		c.eventlog = c.ima = CH_SPAN_EMPTY;
		a = (struct ch_msg_answer){ .status = 202, .retry_after = 60 };
	}
	enum ch_msg type = asked_type == CH_MSG_CONTEXT_ASK ? CH_MSG_CONTEXT : CH_MSG_ANSWER;
	ch_msg_put(type, type == CH_MSG_CONTEXT ? (const void *)&c : &a, &w);
	struct ch_frame f = { .type = (uint16_t)type, .id = asked_id, .payload = ch_wr_span(&w) };
	asked_type = CH_MSG_NONE;
	CHECK(ch_vf_keeper(&verify, &f));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t route[] = { CH_ROUTE_ENROL,    CH_ROUTE_ENROL_FINISH, CH_ROUTE_ENROL_TOKEN,
					  CH_ROUTE_EVIDENCE, CH_ROUTE_RENEW,        CH_ROUTE_ACT };
	static bool started;
	if (size == 0)
		return 0;
	if (!started)
		start();
	started = true;
	answers = 0;
	asked_type = CH_MSG_NONE;
	struct ch_msg_request m = { .route = route[data[0] % CH_COUNT_OF(route)], .body = ch_span(data + 1, size - 1) };
	est = data[0] >= 0xc0;
	keeper = (data[0] / CH_COUNT_OF(route)) % 3;
	if (est)
		say_est(data[0], m.body);
	else if (data[0] >= 0xa0)
		say_update(data[0] - 0xa0, m.body);
	else
		ch_vf_request(&verify, 3, 7, &m);
	for (size_t steps = 0; asked_type != CH_MSG_NONE; steps++) {
		CHECK(steps < 2 && answers == 0);
		reply();
	}
	CHECK(answers == 1 && ch_vf_waiting(&verify) == 0 && verify.bytes == 0);
	return 0;
}
