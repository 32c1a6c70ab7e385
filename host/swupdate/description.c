/* SPDX-License-Identifier: Apache-2.0 */
#include "host/swupdate/description.h"

#include "core/base/text.h"
#include "host/base/mem.h"

#include <libconfig.h>
#include <string.h>

#define CLAUSE    " (sw-description)"
#define DEPTH_MAX 8 /* software, board, mode, copy, list */

bool ch_swu_description_available(void)
{
	return true;
}

/* --- one entry --- */

/* A string, if it is there. False if it is too long. */
static bool get_word(const config_setting_t *group, const char *name, char *to, size_t cap)
{
	const char *text = NULL;
	to[0] = '\0';
	if (config_setting_lookup_string(group, name, &text) != CONFIG_TRUE || text == NULL)
		return true;
	if (strlen(text) >= cap)
		return false;
	to[ch_span_copy(to, cap - 1, ch_span_str(text))] = '\0';
	return true;
}

/* compressed = true is zlib, as "zlib" is; another word is another one. */
static enum ch_swu_packing packing_of(const config_setting_t *group)
{
	int yes = 0;
	const char *text = NULL;
	if (config_setting_lookup_bool(group, "compressed", &yes) == CONFIG_TRUE)
		return yes != 0 ? CH_SWU_ZLIB : CH_SWU_PLAIN;
	if (config_setting_lookup_string(group, "compressed", &text) != CONFIG_TRUE || text == NULL)
		return CH_SWU_PLAIN;
	return strcmp(text, "zlib") == 0 ? CH_SWU_ZLIB : CH_SWU_OTHER;
}

static bool is_said(const config_setting_t *group, const char *name)
{
	int yes = 0;
	const char *text = NULL;
	if (config_setting_lookup_bool(group, name, &yes) == CONFIG_TRUE)
		return yes != 0;
	return config_setting_lookup_string(group, name, &text) == CONFIG_TRUE && text != NULL &&
	       strcmp(text, "false") != 0;
}

static enum ch_err take_image(struct ch_swu_description *s, const config_setting_t *group, const char *list,
			      struct ch_diag *d)
{
	char digits[CH_SWU_WORD_MAX];
	if (s->image_count == CH_SWU_IMAGES_MAX)
		return ch_fail(d, CH_ERR_LIMIT, 0, "more entries than CH_SWU_IMAGES_MAX" CLAUSE);
	struct ch_swu_image *i = &s->image[s->image_count];
	*i = (struct ch_swu_image){ .list = list };
	if (!get_word(group, "filename", i->filename, sizeof(i->filename)) ||
	    !get_word(group, "type", i->type, sizeof(i->type)) ||
	    !get_word(group, "device", i->device, sizeof(i->device)) ||
	    !get_word(group, "sha256", digits, sizeof(digits)))
		return ch_fail(d, CH_ERR_LIMIT, 0, "a word that is too long" CLAUSE);
	if (i->filename[0] == '\0')
		return CH_OK; /* a script of the parser itself, or what has no file */
	i->has_sha256 = digits[0] != '\0';
	if (i->has_sha256 && ch_hex_decode(i->sha256, sizeof(i->sha256), ch_span_str(digits)) != CH_OK)
		return ch_fail(d, CH_ERR_MALFORMED, 0, "a sha256 has 64 hexadecimal digits" CLAUSE);
	i->packing = packing_of(group);
	i->encrypted = is_said(group, "encrypted");
	s->image_count++;
	return CH_OK;
}

/* --- the tree: lists of these names lie at any depth, below boards, modes and copies --- */

static const char *list_of(const config_setting_t *c)
{
	static const char *const name[] = { "images", "files", "scripts" };
	for (size_t i = 0; config_setting_name(c) != NULL && i < CH_COUNT_OF(name); i++) {
		if (strcmp(config_setting_name(c), name[i]) == 0)
			return name[i];
	}
	return NULL;
}

struct place {
	const config_setting_t *in;
	int next;
};

static enum ch_err walk(struct ch_swu_description *s, const config_setting_t *software, struct ch_diag *d)
{
	struct place at[DEPTH_MAX] = { { software, 0 } };
	size_t depth = 1;
	while (depth > 0) {
		struct place *p = &at[depth - 1];
		config_setting_t *c = p->next < config_setting_length(p->in)
					      ? config_setting_get_elem((config_setting_t *)p->in, (unsigned)p->next++)
					      : NULL;
		if (c == NULL) {
			depth--;
			continue;
		}
		const char *list = list_of(p->in);
		if (list != NULL && config_setting_is_group(c)) {
			enum ch_err err = take_image(s, c, list, d);
			if (err != CH_OK)
				return err;
		} else if (config_setting_is_group(c) || config_setting_is_list(c)) {
			if (depth == DEPTH_MAX)
				return ch_fail(d, CH_ERR_LIMIT, 0, "groups in more than 8 others" CLAUSE);
			at[depth++] = (struct place){ c, 0 };
		}
	}
	return CH_OK;
}

static enum ch_err read_tree(struct ch_swu_description *s, config_t *tree, const char *text, struct ch_diag *d)
{
	if (config_read_string(tree, text) != CONFIG_TRUE)
		return ch_fail(d, CH_ERR_MALFORMED, 0,
			       "libconfig cannot read it; its form JSON is not supported" CLAUSE);
	const config_setting_t *software = config_lookup(tree, "software");
	if (software == NULL || !config_setting_is_group(software))
		return ch_fail(d, CH_ERR_MISSING, 0, "no group 'software'" CLAUSE);
	if (!get_word(software, "version", s->version, sizeof(s->version)))
		return ch_fail(d, CH_ERR_LIMIT, 0, "a word that is too long" CLAUSE);
	return walk(s, software, d);
}

enum ch_err ch_swu_description_parse(struct ch_swu_description *s, struct ch_span text, struct ch_diag *d)
{
	static const struct ch_span include = CH_SPAN_LIT("@include");
	CH_AUTO_FREE char *copy = ch_calloc(text.n + 1, 1);
	config_t tree;
	ch_diag_clear(d);
	*s = (struct ch_swu_description){ .image_count = 0 };
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == 0)
			return ch_fail(d, CH_ERR_MALFORMED, i, "a NUL" CLAUSE);
		if (ch_span_starts(ch_span_sub(text, i, text.n - i), include))
			return ch_fail(d, CH_ERR_UNSUPPORTED, i, "it includes another file" CLAUSE);
	}
	(void)ch_span_copy(copy, text.n, text);
	config_init(&tree);
	enum ch_err err = read_tree(s, &tree, copy, d);
	config_destroy(&tree);
	if (err != CH_OK)
		*s = (struct ch_swu_description){ .image_count = 0 };
	return err;
}
