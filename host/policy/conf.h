/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_POLICY_CONF_H
#define CH_POLICY_CONF_H

#include "host/policy/yaml.h"

/*
 * A configuration file as a table: each row says the name of a key, what its value may be and where in the caller's struct it
 * goes. Whatever no row names is refused, with what is allowed there; so a misspelt key is never a silent default.
 *
 *	static const struct ch_conf_key keys[] = {
 *		{ "state_dir", CH_CONF_TEXT, CH_CONF_REQUIRED, .offset = offsetof(struct config, state_dir) },
 *		{ "interval", CH_CONF_DURATION, CH_CONF_OPTIONAL, .offset = offsetof(struct config, interval),
 *		  .min = 30, .max = 86400 },
 *	};
 *
 * A key that is not in the file leaves the struct as it was: fill in defaults before.
 */

enum ch_conf_kind {
	CH_CONF_TEXT,     /* const char *: not empty */
	CH_CONF_TEXTS,    /* struct ch_conf_texts: a list of texts, not empty, none twice; one text is a list of one */
	CH_CONF_NUMBER,   /* uint32_t: decimal digits, min to max */
	CH_CONF_DURATION, /* uint32_t: seconds, min to max; written with its unit: 90s, 10m, 1h, 30d */
	CH_CONF_BOOL,     /* bool: true or false */
	CH_CONF_WORD,     /* uint32_t: one of `words` */
	CH_CONF_SET,      /* uint32_t: a list of `words`, none twice; bit n for a word of value n; may be empty: [] */
	CH_CONF_MAP,      /* nothing itself: `keys` say what is in it, with offsets in the same struct */
};

enum ch_conf_need { CH_CONF_REQUIRED, CH_CONF_OPTIONAL };

/* Rows of words end with a NULL. */
struct ch_conf_word {
	const char *word;
	uint32_t value;
};

struct ch_conf_key {
	const char *name;
	enum ch_conf_kind kind;
	enum ch_conf_need need;
	size_t offset;
	uint32_t min, max; /* a max of 0 is none */
	const struct ch_conf_word *words;
	const struct ch_conf_key *keys;
	size_t key_count;
	size_t seen; /* offset of a bool that becomes true if the key is there; 0: not asked */
};

#define CH_CONF_TEXTS_MAX 32
struct ch_conf_texts {
	size_t count;
	const char *text[CH_CONF_TEXTS_MAX];
};

/* Owns the texts that the caller's struct points to. */
struct ch_conf {
	struct ch_yaml yaml;
};

/*
 * Reads `in` by the table into `to`. After a failure `e` says where and what would be right, `c` is empty and `to` must not be
 * used. Errors: those of ch_yaml_read(); CH_ERR_UNKNOWN (key or word), CH_ERR_MISSING, CH_ERR_RANGE, CH_ERR_MALFORMED (a value of
 * another kind). The caller clears `c` when the texts are no longer needed.
 */
CH_MUST_USE enum ch_err ch_conf_read(struct ch_conf *c, struct ch_span in, const struct ch_conf_key *keys, size_t count,
				     void *to, struct ch_yaml_error *e);
void ch_conf_clear(struct ch_conf *c);
#define CH_AUTO_CONF __attribute__((cleanup(ch_conf_clear)))

/*
 * The value of `key`, or of `sub` in it if that is not NULL, in a file that was read: the place for an error that no row can find.
 * The whole document if it is not there.
 */
const struct ch_yaml_node *ch_conf_find(const struct ch_conf *c, const char *key, const char *sub);

/*
 * "FILE, line 3, column 5: text": the one form in which an error is shown. The name of the file is escaped. Ends with a NUL.
 */
void ch_conf_error_put(char *to, size_t cap, const char *file, const struct ch_yaml_error *e);

#endif
