/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_READER_EXPLAIN_H
#define CH_READER_EXPLAIN_H

#include "server/reader/ask.h"

/* An explanation that is being written: sentences about one device. */

#define CH_SAY_MAX 2048

struct ch_explain {
	struct ch_ask *a;
	struct ch_json_wr *j;
	struct ch_device_row d;
	struct ch_link_row link[CH_LINK_COUNT];
	struct ch_policy policy;
	bool known; /* the class has a policy */
	struct ch_chain chain;
	uint8_t text[CH_SAY_MAX];
	struct ch_wr w; /* the sentence that is being written */
};

/* Begins a sentence. */
struct ch_wr *ch_say(struct ch_explain *e);
/* Ends it. `link`, `code` and `todo` may be NULL. */
void ch_say_end(struct ch_explain *e, const char *kind, const char *link, const char *code, const char *todo);
/* "3 hours" */
void ch_say_age(struct ch_wr *w, uint64_t seconds);

/* explain_update.c: why it does, or does not, run what it should. */
void ch_explain_update(struct ch_explain *e);

#endif
