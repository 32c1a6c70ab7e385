/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/psa_token.h"

/* The faults that were found: all counted, as many kept as the caller has room for. */
struct faults {
	struct ch_psa_fault *to;
	size_t cap;
	size_t count;
};

static void fault(struct faults *f, enum ch_psa_claim claim, size_t component, const char *rule)
{
	if (f->count < f->cap)
		f->to[f->count] = (struct ch_psa_fault){ claim, component, rule };
	f->count++;
}

static bool is_hash_size(size_t n)
{
	return n == 32 || n == 48 || n == 64;
}

#define IN(profile) (1u << (profile))
#define ALL         (IN(CH_PSA_PROFILE_1) | IN(CH_PSA_PROFILE_2) | IN(CH_PSA_PROFILE_TFM))
#define NEWER       (IN(CH_PSA_PROFILE_2) | IN(CH_PSA_PROFILE_TFM))

/* Mandatory claims of each profile. Software components have their own rule in profile 1. */
static const struct {
	enum ch_psa_claim claim;
	unsigned profiles;
	const char *rule;
} mandatory[] = {
	{ CH_PSA_PROFILE, NEWER, "the profile claim is mandatory (RFC 9783, 4.5.2)" },
	{ CH_PSA_NONCE, ALL, "the nonce is mandatory (RFC 9783, 4.1.1)" },
	{ CH_PSA_INSTANCE_ID, ALL, "the instance ID is mandatory (RFC 9783, 4.2.1)" },
	{ CH_PSA_IMPLEMENTATION_ID, ALL, "the implementation ID is mandatory (RFC 9783, 4.2.2)" },
	{ CH_PSA_CLIENT_ID, ALL, "the client ID is mandatory (RFC 9783, 4.1.2)" },
	{ CH_PSA_LIFECYCLE, ALL, "the security lifecycle is mandatory (RFC 9783, 4.3.1)" },
	{ CH_PSA_BOOT_SEED, IN(CH_PSA_PROFILE_1), "the boot seed is mandatory in PSA_IOT_PROFILE_1" },
	{ CH_PSA_SOFTWARE_COMPONENTS, NEWER, "the software components are mandatory (RFC 9783, 4.4.1)" },
};

static void check_present(const struct ch_psa_token *t, struct faults *f)
{
	for (size_t i = 0; i < CH_COUNT_OF(mandatory); i++) {
		if ((mandatory[i].profiles & IN(t->profile)) != 0 && !ch_psa_has(t, mandatory[i].claim))
			fault(f, mandatory[i].claim, CH_ITEM_NONE, mandatory[i].rule);
	}
}

static void check_ids(const struct ch_psa_token *t, struct faults *f)
{
	const struct ch_span *b = t->bytes;
	if (ch_psa_has(t, CH_PSA_PROFILE) &&
	    !ch_span_eq(b[CH_PSA_PROFILE], ch_span_str(ch_psa_profile_str(t->profile))))
		fault(f, CH_PSA_PROFILE, CH_ITEM_NONE,
		      "the profile is not PSA_IOT_PROFILE_1, whose keys the token has");
	if (ch_psa_has(t, CH_PSA_NONCE) && !is_hash_size(b[CH_PSA_NONCE].n))
		fault(f, CH_PSA_NONCE, CH_ITEM_NONE, "a nonce has 32, 48 or 64 bytes (RFC 9783, 4.1.1)");
	if (ch_psa_has(t, CH_PSA_INSTANCE_ID)) {
		if (b[CH_PSA_INSTANCE_ID].n != 33)
			fault(f, CH_PSA_INSTANCE_ID, CH_ITEM_NONE, "an instance ID has 33 bytes (RFC 9783, 4.2.1)");
		else if (b[CH_PSA_INSTANCE_ID].p[0] != 0x01)
			fault(f, CH_PSA_INSTANCE_ID, CH_ITEM_NONE,
			      "an instance ID is a UEID of type RAND, first byte 01 (RFC 9783, 4.2.1)");
	}
	if (ch_psa_has(t, CH_PSA_IMPLEMENTATION_ID) && b[CH_PSA_IMPLEMENTATION_ID].n != 32)
		fault(f, CH_PSA_IMPLEMENTATION_ID, CH_ITEM_NONE, "an implementation ID has 32 bytes (RFC 9783, 4.2.2)");
	size_t seed = b[CH_PSA_BOOT_SEED].n;
	if (ch_psa_has(t, CH_PSA_BOOT_SEED)) {
		if (t->profile == CH_PSA_PROFILE_1 && seed != 32)
			fault(f, CH_PSA_BOOT_SEED, CH_ITEM_NONE, "a boot seed has 32 bytes in PSA_IOT_PROFILE_1");
		else if (seed < 8 || seed > 32)
			fault(f, CH_PSA_BOOT_SEED, CH_ITEM_NONE, "a boot seed has 8 to 32 bytes (RFC 9783, 4.3.2)");
	}
}

/* 13 digits (an EAN-13), then '-' and 5 digits; profile 1 also takes the EAN-13 alone. */
static bool reference_ok(struct ch_span s, enum ch_psa_profile profile)
{
	if (s.n != 19 && !(s.n == 13 && profile == CH_PSA_PROFILE_1))
		return false;
	for (size_t i = 0; i < s.n && i < 19; i++) {
		if (i == 13 ? s.p[i] != '-' : s.p[i] < '0' || s.p[i] > '9')
			return false;
	}
	return true;
}

static void check_values(const struct ch_psa_token *t, struct faults *f)
{
	if (ch_psa_has(t, CH_PSA_CLIENT_ID) &&
	    (t->client_id == 0 || t->client_id > INT32_MAX || t->client_id < INT32_MIN))
		fault(f, CH_PSA_CLIENT_ID, CH_ITEM_NONE, "a client ID is an int32 other than 0 (RFC 9783, 4.1.2)");
	if (ch_psa_has(t, CH_PSA_LIFECYCLE) && ch_psa_lifecycle_state(t->lifecycle) == CH_PSA_STATE_INVALID)
		fault(f, CH_PSA_LIFECYCLE, CH_ITEM_NONE, "the value is of no lifecycle state (RFC 9783, 4.3.1)");
	if (ch_psa_has(t, CH_PSA_CERTIFICATION_REFERENCE) &&
	    !reference_ok(t->bytes[CH_PSA_CERTIFICATION_REFERENCE], t->profile))
		fault(f, CH_PSA_CERTIFICATION_REFERENCE, CH_ITEM_NONE,
		      "a certification reference is 13 digits, '-', 5 digits (RFC 9783, 4.2.3)");
}

static void check_component(const struct ch_psa_token *t, size_t i, struct faults *f)
{
	const struct ch_psa_sw *sw = &t->sw[i];
	if ((sw->present >> CH_PSA_SW_MEASUREMENT & 1) == 0)
		fault(f, CH_PSA_SOFTWARE_COMPONENTS, i, "a measurement value is mandatory (RFC 9783, 4.4.1)");
	else if (!is_hash_size(sw->field[CH_PSA_SW_MEASUREMENT].n))
		fault(f, CH_PSA_SOFTWARE_COMPONENTS, i, "a measurement value has 32, 48 or 64 bytes (RFC 9783, 4.4.1)");
	if ((sw->present >> CH_PSA_SW_SIGNER_ID & 1) == 0)
		fault(f, CH_PSA_SOFTWARE_COMPONENTS, i, "a signer ID is mandatory (RFC 9783, 4.4.1)");
	else if (!is_hash_size(sw->field[CH_PSA_SW_SIGNER_ID].n))
		fault(f, CH_PSA_SOFTWARE_COMPONENTS, i, "a signer ID has 32, 48 or 64 bytes (RFC 9783, 4.4.1)");
}

static void check_software(const struct ch_psa_token *t, struct faults *f)
{
	bool list = ch_psa_has(t, CH_PSA_SOFTWARE_COMPONENTS);
	bool none = ch_psa_has(t, CH_PSA_NO_SOFTWARE_MEASUREMENTS);
	if (t->profile == CH_PSA_PROFILE_1 && list == none)
		fault(f, CH_PSA_SOFTWARE_COMPONENTS, CH_ITEM_NONE,
		      "PSA_IOT_PROFILE_1 has software components or no-software-measurements, and not both");
	if (none && t->no_software_measurements != 1)
		fault(f, CH_PSA_NO_SOFTWARE_MEASUREMENTS, CH_ITEM_NONE, "no-software-measurements is 1 or absent");
	if (list && t->sw_count == 0)
		fault(f, CH_PSA_SOFTWARE_COMPONENTS, CH_ITEM_NONE,
		      "there is at least one software component (RFC 9783, 4.4.1)");
	for (size_t i = 0; i < t->sw_count && i < CH_PSA_SW_MAX; i++)
		check_component(t, i, f);
}

size_t ch_psa_token_check(const struct ch_psa_token *t, struct ch_psa_fault *to, size_t cap)
{
	struct faults f = { to, cap, 0 };
	check_present(t, &f);
	check_ids(t, &f);
	check_values(t, &f);
	check_software(t, &f);
	return f.count;
}

static const struct {
	uint8_t high;
	bool trusted;
	const char *name;
} states[] = {
	[CH_PSA_STATE_INVALID] = { 0xff, false, "invalid" },
	[CH_PSA_STATE_UNKNOWN] = { 0x00, false, "unknown" },
	[CH_PSA_STATE_ASSEMBLY_AND_TEST] = { 0x10, false, "assembly-and-test" },
	[CH_PSA_STATE_PROVISIONING] = { 0x20, false, "psa-rot-provisioning" },
	[CH_PSA_STATE_SECURED] = { 0x30, true, "secured" },
	[CH_PSA_STATE_NON_PSA_ROT_DEBUG] = { 0x40, true, "non-psa-rot-debug" },
	[CH_PSA_STATE_RECOVERABLE_DEBUG] = { 0x50, false, "recoverable-psa-rot-debug" },
	[CH_PSA_STATE_DECOMMISSIONED] = { 0x60, false, "decommissioned" },
};

enum ch_psa_state ch_psa_lifecycle_state(uint64_t lifecycle)
{
	for (size_t i = CH_PSA_STATE_UNKNOWN; i < CH_COUNT_OF(states); i++) {
		if (lifecycle >> 8 == states[i].high)
			return (enum ch_psa_state)i;
	}
	return CH_PSA_STATE_INVALID;
}

const char *ch_psa_state_str(enum ch_psa_state state)
{
	return (size_t)state < CH_COUNT_OF(states) ? states[state].name : "invalid";
}

bool ch_psa_state_trusted(enum ch_psa_state state)
{
	return (size_t)state < CH_COUNT_OF(states) && states[state].trusted;
}
