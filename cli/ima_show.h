/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_IMA_SHOW_H
#define CH_CLI_IMA_SHOW_H

#include "cli/cmd.h"
#include "core/os/ima.h"

/* What was found out about an IMA list, and its two printed forms. */

#define IMA_TEMPLATES_MAX 32
#define IMA_KEYS_MAX      CLI_VALUES_MAX

enum ima_valid { IMA_NOT_JUDGED, IMA_VALID, IMA_INVALID };

/* A file signature, judged. */
struct ima_signature {
	size_t n;           /* its entry */
	const char *reason; /* why it is not judged or not valid; NULL if it is valid */
	enum ima_valid valid;
};

/* Grows at need; owned by the report. */
struct ima_numbers {
	size_t *v;
	size_t count, cap;
};
struct ima_signatures {
	struct ima_signature *v;
	size_t count, cap;
};

struct ima_report {
	const char *path;
	struct ch_span in;
	enum ch_ima_form form;
	size_t entries, violations;
	size_t not_computed; /* entries whose template hash is of an algorithm that we do not have */
	size_t template_count;
	struct ch_span template_name[IMA_TEMPLATES_MAX]; /* sorted; borrowed from `in` */
	struct ch_pcrs pcrs, padded;
	struct ima_numbers wrong; /* entries whose template hash is not the hash of their data */
	struct ima_signatures sig;
	bool aggregate;       /* a boot_aggregate was found, */
	bool aggregate_first; /* as the first entry */
	uint8_t aggregate_alg[CH_IMA_NAME_MAX];
	size_t aggregate_alg_n;
	struct ch_digest aggregate_digest;
	enum ch_err err; /* of the first entry that was refused, and where */
	struct ch_diag diag;
	size_t keys_unsupported;
	const char *key_unsupported[IMA_KEYS_MAX];
};

void ima_report_clear(struct ima_report *r);

/*
 * The next entry, also behind one that was refused if its frame can be read: what was refused first goes to *err and `d`, which
 * the caller sets to CH_OK before the first call. False at the end of what can be read.
 */
bool ima_walk(struct ch_ima_iter *it, struct ch_ima_entry *e, enum ch_err *err, struct ch_diag *d);

/* A reader of the report's list, over scratch memory that all share: one at a time. */
struct ch_ima_iter ima_reader(const struct ima_report *r);

void ima_show_json(const struct ima_report *r, struct ch_wr *w);
void ima_show_page(const struct ima_report *r, struct ch_wr *w);

#endif
