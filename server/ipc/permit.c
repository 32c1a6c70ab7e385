/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ipc/messages.h"

enum how { ANY, ONCE };

/* Who may say what to whom. What is not here ends the channel. */
static const struct {
	uint8_t from, to;
	uint8_t type;
	uint8_t how;
} permitted[] = {
#define TO_CHILD(role)                                                                                            \
	{ CH_ROLE_MAIN, CH_ROLE_##role, CH_MSG_START, ONCE }, { CH_ROLE_MAIN, CH_ROLE_##role, CH_MSG_PEER, ANY }, \
		{ CH_ROLE_MAIN, CH_ROLE_##role, CH_MSG_STOP, ONCE },                                              \
		{ CH_ROLE_MAIN, CH_ROLE_##role, CH_MSG_RELOAD, ANY },                                             \
		{ CH_ROLE_MAIN, CH_ROLE_##role, CH_MSG_EVIL, ANY },                                               \
		{ CH_ROLE_##role, CH_ROLE_MAIN, CH_MSG_READY, ONCE },                                             \
		{ CH_ROLE_##role, CH_ROLE_MAIN, CH_MSG_STATUS, ANY },                                             \
	{                                                                                                         \
		CH_ROLE_##role, CH_ROLE_MAIN, CH_MSG_EVIL_DONE, ANY                                               \
	}
	TO_CHILD(EDGE),
	TO_CHILD(VERIFY),
	TO_CHILD(KEEPER),
	TO_CHILD(READER),
	TO_CHILD(SIGNER),
	TO_CHILD(TOKEN),
#undef TO_CHILD
	/* clang-format off */
	{ CH_ROLE_MAIN,   CH_ROLE_EDGE,   CH_MSG_STATUS,        ANY },
	{ CH_ROLE_EDGE,   CH_ROLE_VERIFY, CH_MSG_REQUEST,       ANY },
	{ CH_ROLE_EDGE,   CH_ROLE_VERIFY, CH_MSG_EST,           ANY },
	{ CH_ROLE_VERIFY, CH_ROLE_EDGE,   CH_MSG_ANSWER,        ANY },
	{ CH_ROLE_EDGE,   CH_ROLE_READER, CH_MSG_REQUEST,       ANY },
	{ CH_ROLE_READER, CH_ROLE_EDGE,   CH_MSG_ANSWER,        ANY },
	{ CH_ROLE_READER, CH_ROLE_EDGE,   CH_MSG_ARTIFACT,      ANY },
	{ CH_ROLE_EDGE,   CH_ROLE_KEEPER, CH_MSG_REQUEST,       ANY },
	{ CH_ROLE_EDGE,   CH_ROLE_KEEPER, CH_MSG_CUT_DONE,      ANY },
	{ CH_ROLE_EDGE,   CH_ROLE_KEEPER, CH_MSG_FATAL_INPUT,   ANY },
	{ CH_ROLE_KEEPER, CH_ROLE_EDGE,   CH_MSG_ANSWER,        ANY },
	{ CH_ROLE_KEEPER, CH_ROLE_EDGE,   CH_MSG_CUT,           ANY },
	{ CH_ROLE_KEEPER, CH_ROLE_EDGE,   CH_MSG_EVENT,         ANY },
	{ CH_ROLE_VERIFY, CH_ROLE_KEEPER, CH_MSG_CONTEXT_ASK,   ANY },
	{ CH_ROLE_VERIFY, CH_ROLE_KEEPER, CH_MSG_ENROL_PENDING, ANY },
	{ CH_ROLE_VERIFY, CH_ROLE_KEEPER, CH_MSG_ENROL_FINISH,  ANY },
	{ CH_ROLE_VERIFY, CH_ROLE_KEEPER, CH_MSG_ENROL_TOKEN,   ANY },
	{ CH_ROLE_VERIFY, CH_ROLE_KEEPER, CH_MSG_COMMIT,        ANY },
	{ CH_ROLE_VERIFY, CH_ROLE_KEEPER, CH_MSG_RENEW,         ANY },
	{ CH_ROLE_VERIFY, CH_ROLE_KEEPER, CH_MSG_ACTION,        ANY },
	{ CH_ROLE_VERIFY, CH_ROLE_KEEPER, CH_MSG_EST_ENROL,     ANY },
	{ CH_ROLE_VERIFY, CH_ROLE_KEEPER, CH_MSG_FEEDBACK,      ANY },
	{ CH_ROLE_VERIFY, CH_ROLE_KEEPER, CH_MSG_DDI_FEEDBACK,  ANY },
	{ CH_ROLE_VERIFY, CH_ROLE_KEEPER, CH_MSG_DDI_CONFIG,    ANY },
	{ CH_ROLE_VERIFY, CH_ROLE_KEEPER, CH_MSG_GENERATION_TAKEN, ANY },
	{ CH_ROLE_KEEPER, CH_ROLE_VERIFY, CH_MSG_ANSWER,        ANY },
	{ CH_ROLE_KEEPER, CH_ROLE_VERIFY, CH_MSG_CONTEXT,       ANY },
	{ CH_ROLE_KEEPER, CH_ROLE_VERIFY, CH_MSG_GENERATION,    ANY },
	{ CH_ROLE_KEEPER, CH_ROLE_SIGNER, CH_MSG_ISSUE,         ANY },
	{ CH_ROLE_KEEPER, CH_ROLE_SIGNER, CH_MSG_LEAVES,        ANY },
	{ CH_ROLE_SIGNER, CH_ROLE_KEEPER, CH_MSG_ISSUED,        ANY },
	{ CH_ROLE_SIGNER, CH_ROLE_KEEPER, CH_MSG_CHECKPOINT,    ANY },
	{ CH_ROLE_KEEPER, CH_ROLE_SIGNER, CH_MSG_REVOKE,        ANY },
	{ CH_ROLE_KEEPER, CH_ROLE_SIGNER, CH_MSG_REVOKE_EARLIER, ANY },
	{ CH_ROLE_KEEPER, CH_ROLE_SIGNER, CH_MSG_OCSP_SIGN,     ANY },
	{ CH_ROLE_SIGNER, CH_ROLE_KEEPER, CH_MSG_CRL,           ANY },
	{ CH_ROLE_SIGNER, CH_ROLE_KEEPER, CH_MSG_CRL_EARLIER,   ANY },
	{ CH_ROLE_SIGNER, CH_ROLE_KEEPER, CH_MSG_OCSP,          ANY },
	{ CH_ROLE_EDGE,   CH_ROLE_KEEPER, CH_MSG_OCSP_SIGN,     ANY },
	{ CH_ROLE_KEEPER, CH_ROLE_EDGE,   CH_MSG_OCSP,          ANY },
	{ CH_ROLE_KEEPER, CH_ROLE_EDGE,   CH_MSG_CRL,           ANY },
	{ CH_ROLE_KEEPER, CH_ROLE_EDGE,   CH_MSG_CRL_EARLIER,   ANY },
	{ CH_ROLE_KEEPER, CH_ROLE_EDGE,   CH_MSG_OCSP_ANSWER,   ANY },
	{ CH_ROLE_KEEPER, CH_ROLE_EDGE,   CH_MSG_OCSP_DROP,     ANY },
	{ CH_ROLE_READER, CH_ROLE_SIGNER, CH_MSG_EAR_SIGN,      ANY },
	{ CH_ROLE_READER, CH_ROLE_SIGNER, CH_MSG_KEYS_ASK,      ANY },
	{ CH_ROLE_SIGNER, CH_ROLE_READER, CH_MSG_EAR,           ANY },
	{ CH_ROLE_SIGNER, CH_ROLE_READER, CH_MSG_KEYS,          ANY },
	{ CH_ROLE_SIGNER, CH_ROLE_TOKEN,  CH_MSG_TOKEN_SIGN,    ANY },
	{ CH_ROLE_TOKEN,  CH_ROLE_SIGNER, CH_MSG_TOKEN_SIGNED,  ANY },
	/* clang-format on */
};

bool ch_msg_permitted(struct ch_permit_once *once, enum ch_role from, enum ch_role to, unsigned type)
{
	_Static_assert(CH_MSG_COUNT <= 64, "one bit a message");
	for (size_t i = 0; i < CH_COUNT_OF(permitted); i++) {
		if (permitted[i].from != from || permitted[i].to != to || permitted[i].type != type)
			continue;
		uint64_t bit = (uint64_t)1 << type;
		bool again = (once->seen & bit) != 0;
		once->seen |= bit;
		return permitted[i].how == ANY || !again;
	}
	return false;
}

bool ch_role_talks(enum ch_role from, enum ch_role to)
{
	for (size_t i = 0; i < CH_COUNT_OF(permitted); i++) {
		if (permitted[i].from == from && permitted[i].to == to)
			return true;
	}
	return false;
}
