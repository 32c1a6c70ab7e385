/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps at which a process of the server can be made to halt, for test builds only (tests/halt/meson.build). The linker puts the
 * functions below before the real ones. Each step has a real-time signal: when it has come, the process says so at its next passage of
 * that step and goes on no more, so that a test can kill the server exactly there (tests/system/test_crash.py).
 */
#include "host/store/store.h"
#include "host/sys/log.h"
#include "server/ipc/hub.h"

#include <signal.h>

enum where { COMMIT, COMMITTED, CAME, GOES };

/* Signal SIGRTMIN + its place arms a step; the test has the same table. */
static const struct {
	const char *name;
	enum where where;
	enum ch_msg type;
} steps[] = {
	{ "store-commit", COMMIT, CH_MSG_COUNT },       { "store-committed", COMMITTED, CH_MSG_COUNT },
	{ "leaves-came", CAME, CH_MSG_LEAVES },         { "checkpoint-goes", GOES, CH_MSG_CHECKPOINT },
	{ "checkpoint-came", CAME, CH_MSG_CHECKPOINT }, { "cut-came", CAME, CH_MSG_CUT },
	{ "cut-done-goes", GOES, CH_MSG_CUT_DONE },     { "cut-done-came", CAME, CH_MSG_CUT_DONE },
	{ "answer-came", CAME, CH_MSG_ANSWER },         { "issue-came", CAME, CH_MSG_ISSUE },
	{ "issued-goes", GOES, CH_MSG_ISSUED },         { "issued-came", CAME, CH_MSG_ISSUED },
};

static volatile sig_atomic_t armed = -1;

static void arm(int signal)
{
	armed = signal - SIGRTMIN;
}

__attribute__((constructor)) static void listen_for_signals(void)
{
	for (size_t i = 0; i < CH_COUNT_OF(steps); i++) {
		struct sigaction how = { .sa_handler = arm, .sa_flags = SA_RESTART };
		(void)sigaction(SIGRTMIN + (int)i, &how, NULL);
	}
}

static void pass(enum where where, enum ch_msg type)
{
	int i = armed;
	if (i < 0 || steps[i].where != where || steps[i].type != type)
		return;
	ch_log(CH_LOG_NOTICE, "halted at %s", steps[i].name);
	for (;;) { /* until it is killed; the sandbox has no call to sleep with */
		armed = i;
	}
}

/* --- before the real ones: the linker's --wrap --- */

enum ch_err __real_ch_store_commit(struct ch_store *st);
enum ch_err __wrap_ch_store_commit(struct ch_store *st);
enum ch_err __real_ch_msg_parse(enum ch_msg type, void *to, struct ch_span payload, struct ch_diag *d);
enum ch_err __wrap_ch_msg_parse(enum ch_msg type, void *to, struct ch_span payload, struct ch_diag *d);
void __real_ch_peer_send(struct ch_peer *p, enum ch_msg type, uint64_t id, const void *msg);
void __wrap_ch_peer_send(struct ch_peer *p, enum ch_msg type, uint64_t id, const void *msg);

enum ch_err __wrap_ch_store_commit(struct ch_store *st)
{
	pass(COMMIT, CH_MSG_COUNT);
	enum ch_err err = __real_ch_store_commit(st);
	pass(COMMITTED, CH_MSG_COUNT);
	return err;
}

enum ch_err __wrap_ch_msg_parse(enum ch_msg type, void *to, struct ch_span payload, struct ch_diag *d)
{
	pass(CAME, type);
	return __real_ch_msg_parse(type, to, payload, d);
}

void __wrap_ch_peer_send(struct ch_peer *p, enum ch_msg type, uint64_t id, const void *msg)
{
	pass(GOES, type);
	__real_ch_peer_send(p, type, id, msg);
}
