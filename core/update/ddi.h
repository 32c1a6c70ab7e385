/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_UPDATE_DDI_H
#define CH_UPDATE_DDI_H

#include "core/wire/json.h"

/*
 * Bodies of hawkBit's Direct Device Integration API, version 1, as its real clients write and read them: SWUpdate's suricatta,
 * rauc-hawkbit-updater, Zephyr. docs/protocol/ddi.md says what each of them needs. A body says what a device claims and nothing more.
 */

/* --- in: what a device reports --- */

/*
 * SWUpdate puts lines of its log into strings as they are. In place, in strings only: a control character becomes a space, a byte that
 * is not UTF-8 a question mark, one byte for one, so that offsets stay. Never touches or makes a quote or a backslash: what is a string
 * stays that string, and a text that is JSON stays as it is. Everything else is the strict parser's. Returns how many bytes it changed.
 */
size_t ch_ddi_mend(uint8_t *text, size_t n);

enum ch_ddi_execution {
	CH_DDI_CLOSED,
	CH_DDI_PROCEEDING,
	CH_DDI_CANCELED,
	CH_DDI_SCHEDULED,
	CH_DDI_REJECTED,
	CH_DDI_RESUMED,
	CH_DDI_DOWNLOAD,
	CH_DDI_DOWNLOADED,
	CH_DDI_EXECUTION_COUNT,
};

enum ch_ddi_finished { CH_DDI_NONE, CH_DDI_SUCCESS, CH_DDI_FAILURE, CH_DDI_FINISHED_COUNT };

/* The words, static; "unknown" for a number that is none. */
const char *ch_ddi_execution_str(enum ch_ddi_execution e);
const char *ch_ddi_finished_str(enum ch_ddi_finished f);

#define CH_DDI_NO_PROGRESS 0xffu

struct ch_ddi_feedback {
	enum ch_ddi_execution execution;
	enum ch_ddi_finished finished;
	uint8_t progress;              /* 0 to 100; CH_DDI_NO_PROGRESS: not said, or senseless */
	size_t text_n;                 /* bytes of `text` */
	bool cut;                      /* there was more text than is kept */
	uint8_t text[CH_DDI_TEXT_MAX]; /* the details, a line each: valid UTF-8, not escaped */
};

/*
 * The body of a feedback to an action or to its cancellation, mended before. `id` and `time` are not looked at (the path says which action
 * it is), and neither are members that this page does not name: clients differ in them. CH_ERR_MISSING without execution or result,
 * CH_ERR_UNKNOWN for a word that DDI has not, CH_ERR_DUPLICATE, CH_ERR_MALFORMED, CH_ERR_LIMIT, or what ch_json_parse says. `f` is zeroed
 * on failure. Uses 8 KiB of stack.
 */
CH_MUST_USE enum ch_err ch_ddi_feedback_parse(struct ch_ddi_feedback *f, struct ch_span in, struct ch_diag *d);

/* What a feedback means. An action that succeeded or failed is over for the device: it reports no more of it. */
enum ch_ddi_outcome {
	CH_DDI_PROCEEDS,  /* and is not over */
	CH_DDI_SUCCEEDED, /* the device says that it has installed; of a cancellation: that it has stopped */
	CH_DDI_FAILED,    /* it could not install; of a cancellation: it could not stop, and has ended in an error */
	CH_DDI_DECLINED,  /* it stopped by itself; of a cancellation: it goes on, the action is active again */
};
enum ch_ddi_outcome ch_ddi_action_outcome(const struct ch_ddi_feedback *f);
enum ch_ddi_outcome ch_ddi_cancel_outcome(const struct ch_ddi_feedback *f);

enum ch_ddi_mode { CH_DDI_MERGE, CH_DDI_REPLACE, CH_DDI_REMOVE, CH_DDI_MODE_COUNT };

struct ch_ddi_attr {
	struct ch_span name, value; /* valid UTF-8, not escaped; neither name nor value is one that we gave */
};

/* The spans borrow from what was parsed, or from `room`: not to be copied. About 45 KiB. */
struct ch_ddi_config {
	enum ch_ddi_mode mode;
	size_t count; /* at least 1 */
	struct ch_ddi_attr attr[CH_DDI_ATTRS_MAX];
	uint8_t room[CH_DDI_ATTRS_MAX * (CH_DDI_NAME_MAX + CH_DDI_VALUE_MAX)];
};

/* The body of configData, mended before: names once, none empty, values strings. Errors as above; `c` is zeroed on failure. */
CH_MUST_USE enum ch_err ch_ddi_config_parse(struct ch_ddi_config *c, struct ch_span in, struct ch_diag *d);

/*
 * Numbers of actions. Zephyr's client of 2024 loses the first digit of an id in one place and takes no zero there, so an id is above 1000 and
 * no multiple of 1000.
 */
bool ch_ddi_action_valid(uint64_t action);
/* Reads one from a path: digits, none of them a leading zero. CH_ERR_MALFORMED; CH_ERR_RANGE for what is none of ours. */
CH_MUST_USE enum ch_err ch_ddi_action_parse(uint64_t *action, struct ch_span digits);
/* A tenant or a controllerId: 1 to CH_DDI_NAME_MAX of A-Z a-z 0-9 - . _ ~, not one or two dots. It stands in paths as it is. */
bool ch_ddi_name_valid(struct ch_span name);

/* --- tokens, of clients without a certificate --- */

enum ch_ddi_token_kind { CH_DDI_TARGET, CH_DDI_GATEWAY, CH_DDI_TOKEN_KINDS };

/*
 * The value of Authorization: "TargetToken " or "GatewayToken " as it is, then the token, which borrows. False for anything else, and nothing
 * is written then.
 */
bool ch_ddi_authorization(struct ch_span value, enum ch_ddi_token_kind *kind, struct ch_span *token);

/* A token that speaks for one device, as it is kept: the SHA-256 of its text. */
struct ch_ddi_token {
	struct ch_span controller; /* ch_ddi_name_valid; borrows */
	uint8_t sha256[32];
};
/*
 * The next of a file, which has a line each: controllerId, space, 64 hexadecimal digits. Empty lines and those that begin with # are skipped.
 * `*off` is 0 at first. CH_ERR_NOTFOUND at the end; CH_ERR_MALFORMED with the offset of the line.
 */
CH_MUST_USE enum ch_err ch_ddi_token_next(struct ch_ddi_token *t, struct ch_span in, size_t *off, struct ch_diag *d);

/* --- out: what a device is told --- */

/* Where the device finds us; spans are borrowed for the call. */
struct ch_ddi_place {
	struct ch_span origin;     /* "https://updates.example.com:8443": no slash at the end */
	struct ch_span tenant;     /* both ch_ddi_name_valid */
	struct ch_span controller; /* the device's controllerId */
};

/* Of action, cancel and none, exactly one: cancel if it is not 0, else action if it is not 0. */
struct ch_ddi_poll {
	uint32_t sleep;     /* seconds to the next poll; below 5 counts as 5, a day and more as 23:59:59 */
	uint64_t action;    /* to be done */
	uint64_t cancel;    /* to be stopped */
	uint64_t installed; /* the last that ended well; 0: none */
	bool attributes;    /* configData is wanted */
};

struct ch_ddi_artifact {
	struct ch_span filename; /* ch_release_file_name_valid */
	uint64_t size;
	uint8_t sha1[20]; /* SWUpdate and rauc-hawkbit-updater know no other; nothing here relies on it */
	uint8_t sha256[32];
};

struct ch_ddi_deployment {
	uint64_t action;
	bool forced;
	struct ch_span name, version;           /* of the release */
	const struct ch_ddi_artifact *artifact; /* Zephyr and rauc-hawkbit-updater take exactly one */
	size_t count;
};

/*
 * Each writes one whole body. CH_ERR_RANGE, with nothing written that is of use, if a name or a number is not as above, CH_ERR_NOSPACE if
 * `w` is too small. Below 1,000 bytes for one artefact and an origin, tenant and controllerId of 100 bytes together, which is what Zephyr has
 * room for.
 */
CH_MUST_USE enum ch_err ch_ddi_poll_put(struct ch_wr *w, const struct ch_ddi_place *place,
					const struct ch_ddi_poll *poll);
/* deploymentBase, and installedBase. Artefacts are below the device's base, at softwaremodules/{action}/artifacts/{filename}. */
CH_MUST_USE enum ch_err ch_ddi_deployment_put(struct ch_wr *w, const struct ch_ddi_place *place,
					      const struct ch_ddi_deployment *deployment);
CH_MUST_USE enum ch_err ch_ddi_cancel_put(struct ch_wr *w, uint64_t action);

#endif
