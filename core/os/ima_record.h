/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_OS_IMA_RECORD_H
#define CH_OS_IMA_RECORD_H

#include "core/os/ima.h"

/* What the two forms share; not for other modules. */

/* Fields of template data (Linux, security/integrity/ima/ima_template.c). */
enum ch_ima_field {
	CH_IMA_D,      /* 20 bytes, without a length in template ima */
	CH_IMA_N,      /* name of at most 255 bytes, without its NUL */
	CH_IMA_D_NG,   /* "sha256:" NUL digest */
	CH_IMA_D_NGV2, /* "ima:sha256:" NUL digest, or "verity:…" */
	CH_IMA_N_NG,   /* name with its NUL */
	CH_IMA_SIG,
	CH_IMA_BUF,
};

#define CH_IMA_FIELDS_MAX   3
#define CH_IMA_OLD_DIGEST   20
#define CH_IMA_OLD_NAME_MAX 255

struct ch_ima_template {
	const char *name;
	uint8_t count; /* 0: the kernel has it, we do not decode it */
	uint8_t field[CH_IMA_FIELDS_MAX];
};

/* The row of a template; NULL if the name is none of the kernel's. */
const struct ch_ima_template *ch_ima_template(struct ch_span name);

/* Decodes e->data by e->template_name into the fields; `base` is added to offsets in `d`. */
CH_MUST_USE enum ch_err ch_ima_decode(struct ch_ima_entry *e, size_t base, struct ch_diag *d);

/* True if a name can be a template's: printable ASCII without a space, at most CH_IMA_NAME_MAX bytes. */
bool ch_ima_name_fits(struct ch_span name);

/* Sets template_alg by the size of the hash, and violation. */
void ch_ima_judge_hash(struct ch_ima_entry *e);

/* One line of the ascii form at it->off: CH_OK and *next, the offset of the next one. */
CH_MUST_USE enum ch_err ch_ima_line(const struct ch_ima_iter *it, struct ch_ima_entry *e, size_t *next,
				    struct ch_diag *d);

#endif
