/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/child.h"
#include "agent/tpm/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* chainhold-agent-tpm: the only process with the device's keys. One request, one answer. */

#define NAME_MAX_TCTI AG_TEXT_MAX

struct tpm {
	struct ag_child child;
	struct keys keys;
};

static void do_identify(struct tpm *t, struct ch_chan *to, uint64_t id, const void *msg)
{
	struct ag_identity answer = { 0 };
	t->keys.ops->identify(&t->keys, msg, &answer);
	answer.error = keys_error(&t->keys);
	ag_child_send(to, AG_MSG_IDENTITY, id, &answer);
}

static void do_activate(struct tpm *t, struct ch_chan *to, uint64_t id, const void *msg)
{
	struct ag_activated answer = { 0 };
	t->keys.ops->activate(&t->keys, msg, &answer);
	answer.error = keys_error(&t->keys);
	ag_child_send(to, AG_MSG_ACTIVATED, id, &answer);
}

static void do_prove(struct tpm *t, struct ch_chan *to, uint64_t id, const void *msg)
{
	struct ag_proved answer = { 0 };
	t->keys.ops->prove(&t->keys, msg, &answer);
	answer.error = keys_error(&t->keys);
	ag_child_send(to, AG_MSG_PROVED, id, &answer);
}

static void do_sign(struct tpm *t, struct ch_chan *to, uint64_t id, const void *msg)
{
	struct ag_signed answer = { 0 };
	t->keys.ops->sign(&t->keys, msg, &answer);
	answer.error = keys_error(&t->keys);
	ag_child_send(to, AG_MSG_SIGNED, id, &answer);
}

static void do_keep(struct tpm *t, struct ch_chan *to, uint64_t id, const void *msg)
{
	t->keys.ops->keep(&t->keys, msg);
	const struct ag_kept answer = { .error = keys_error(&t->keys) };
	ag_child_send(to, AG_MSG_KEPT, id, &answer);
}

static void do_quote(struct tpm *t, struct ch_chan *to, uint64_t id, const void *msg)
{
	struct ag_quoted answer = { 0 };
	t->keys.ops->quote(&t->keys, msg, &answer);
	answer.error = keys_error(&t->keys);
	ag_child_send(to, AG_MSG_QUOTED, id, &answer);
}

/* Every request that this process answers; who may ask is in ag_msg_permitted. */
static void serve(struct tpm *t, struct ag_link *l, const struct ch_frame *f)
{
	static const struct {
		enum ag_msg type;
		void (*run)(struct tpm *t, struct ch_chan *to, uint64_t id, const void *msg);
	} request[] = {
		{ AG_MSG_SIGN, do_sign },         { AG_MSG_QUOTE, do_quote }, { AG_MSG_IDENTIFY, do_identify },
		{ AG_MSG_ACTIVATE, do_activate }, { AG_MSG_PROVE, do_prove }, { AG_MSG_KEEP, do_keep },
	};
	union {
		struct ag_sign sign;
		struct ag_quote quote;
		struct ag_identify identify;
		struct ag_activate activate;
		struct ag_prove prove;
		struct ag_keep keep;
		struct ag_start_tpm start;
	} msg;
	ag_child_parse(&t->child, l, f, &msg);
	t->keys.error[0] = '\0';
	t->keys.used = 0;
	for (size_t i = 0; i < CH_COUNT_OF(request); i++) {
		if (f->type == (uint16_t)request[i].type)
			request[i].run(t, &l->chan, f->id, &msg);
	}
	if (t->keys.error[0] != '\0')
		ch_log(CH_LOG_ERROR, "%s: %s", ag_msg_str(f->type), t->keys.error);
	ch_wipe(t->keys.answer, t->keys.used);
}

static void text_of(char to[static NAME_MAX_TCTI], struct ch_span s)
{
	to[ch_span_copy(to, NAME_MAX_TCTI - 1, s)] = '\0';
}

int main(void)
{
	static struct tpm t;
	struct ag_start_tpm start;
	static char tcti[NAME_MAX_TCTI], ek[NAME_MAX_TCTI], root[NAME_MAX_TCTI];
	ag_child_begin(&t.child, AG_TPM, AG_MSG_START_TPM, &start);
	text_of(tcti, start.tcti);
	text_of(ek, start.ek);
	text_of(root, start.root);
	t.keys.dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t.keys.dir < 0) {
		ch_log(CH_LOG_ERROR, "%s: %s", root, strerror(errno));
		return EXIT_FAILURE;
	}
	/* The device, and the module that speaks to it, are opened before the sandbox closes. */
	bool none = strcmp(tcti, "none") == 0;
	if ((none ? keys_open_soft(&t.keys) : keys_open_tpm2(&t.keys, tcti, ek)) != CH_OK)
		ag_child_end(t.keys.error);
	ag_child_confine(&t.child, &(struct ch_sandbox){
					   .root = root, .uid = start.uid, .gid = start.gid, .allow = CH_ALLOW_FILES });
	for (;;) {
		struct ch_frame f;
		struct ag_link *l = ag_child_wait(&t.child, -1, -1, &f);
		if (l != NULL)
			serve(&t, l, &f);
	}
}
