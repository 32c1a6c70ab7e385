/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_KEYS_H
#define CH_AGENT_KEYS_H

#include "agent/ipc/messages.h"
#include "host/base/mem.h"

/*
 * Where the device's keys live: a TPM (tpm2.c) or, where there is none, files (soft.c). One table of functions each. What an
 * answer points to is valid until the next call. A failure is a sentence in `error` of the answer.
 */
struct keys;

struct keys_ops {
	void (*identify)(struct keys *k, const struct ag_identify *m, struct ag_identity *answer);
	void (*activate)(struct keys *k, const struct ag_activate *m, struct ag_activated *answer);
	void (*prove)(struct keys *k, const struct ag_prove *m, struct ag_proved *answer);
	void (*sign)(struct keys *k, const struct ag_sign *m, struct ag_signed *answer);
	void (*keep)(struct keys *k, const struct ag_keep *m);
	void (*quote)(struct keys *k, const struct ag_quote *m, struct ag_quoted *answer);
};

#define KEYS_ANSWER_MAX ((size_t)64 << 10)

struct keys {
	const struct keys_ops *ops;
	int dir;                         /* folder with the keys */
	char error[AG_TEXT_MAX];         /* of the call that is being answered */
	uint8_t answer[KEYS_ANSWER_MAX]; /* what the answer points to */
	size_t used;
	struct ch_buf file;
	void *backend;
};

/* Opens the TPM that `tcti` names ("device:/dev/tpmrm0"). CH_ERR_IO with a sentence in k->error. */
CH_MUST_USE enum ch_err keys_open_tpm2(struct keys *k, const char *tcti, const char *ek);
/* Keys in files. */
CH_MUST_USE enum ch_err keys_open_soft(struct keys *k);

/* --- shared by both --- */

/* Writes the sentence to k->error, if none is there yet. */
void keys_fail(struct keys *k, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct ch_span keys_error(const struct keys *k);
/* Copies bytes to k->answer and returns where they lie; a failure if they do not fit. */
struct ch_span keys_put(struct keys *k, struct ch_span s);
/* The files are "ak" and "key-<number>". */
#define KEYS_NAME_MAX 24
void keys_name(char name[static KEYS_NAME_MAX], uint32_t number);
/* The highest number that is in use; 0 if there is none. */
uint32_t keys_highest(struct keys *k);
/* Removes every key but `keep`. */
void keys_remove(struct keys *k, uint32_t keep);
/* Reads a file into k->file: false, and a failure unless it is `missing_ok` that is the reason. */
bool keys_read(struct keys *k, const char *name, bool missing_ok);
bool keys_write(struct keys *k, const char *name, struct ch_span s);

/* Digest that proves a key: SHA-256("chainhold-token-enrol/v1\0", or -renew, ‖ SHA-256(token, or id of the device) ‖ SPKI). */
CH_MUST_USE enum ch_err keys_proof_digest(const struct ag_prove *m, struct ch_span spki,
					  uint8_t digest[static AG_DIGEST]);

#endif
