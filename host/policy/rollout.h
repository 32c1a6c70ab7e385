/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_POLICY_ROLLOUT_H
#define CH_POLICY_ROLLOUT_H

#include "core/trust/action.h"
#include "core/update/rollout.h"
#include "host/policy/yaml.h"

/* The file of a rollout: YAML for people, or JSON, which is YAML; docs/protocol/rollout.md. What it says becomes the text that is signed. */

struct ch_rollout_file {
	struct ch_buf text; /* ch_rollout_canonical() */
	char name[CH_NAME_MAX + 1];
};

/* Errors as ch_yaml_read() and ch_rollout_parse(): `e` says where in the file and what would be right, and `f` is empty. */
CH_MUST_USE enum ch_err ch_rollout_read(struct ch_rollout_file *f, struct ch_span file, struct ch_yaml_error *e);
void ch_rollout_file_clear(struct ch_rollout_file *f);
#define CH_AUTO_ROLLOUT_FILE __attribute__((cleanup(ch_rollout_file_clear)))

#endif
