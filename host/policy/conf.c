/* SPDX-License-Identifier: Apache-2.0 */
#include "host/policy/conf.h"

#include "core/base/text.h"
#include "core/base/wr.h"

#include <string.h>

struct reader {
	const struct ch_yaml *y;
	uint8_t *to;
	struct ch_yaml_error *e;
};

#define REFUSE(r, err, node, ...) ch_yaml_refuse((r)->e, err, node, (const char *const[]){ __VA_ARGS__, NULL })

#define LIST_MAX 480 /* of what is allowed, in a message */

/* --- scalars --- */

static uint32_t *number_at(const struct reader *r, const struct ch_conf_key *k)
{
	return (uint32_t *)(void *)(r->to + k->offset);
}

/* Decimal digits up to 2^32 - 1; returns how many bytes they are, 0 if there is no such number. */
static size_t digits(const char *s, uint64_t *v)
{
	size_t n = 0;
	*v = 0;
	for (; s[n] >= '0' && s[n] <= '9'; n++) {
		*v = *v * 10 + (uint64_t)(s[n] - '0');
		if (*v > UINT32_MAX)
			return 0;
	}
	return n;
}

static enum ch_err in_range(const struct reader *r, const struct ch_yaml_node *n, const struct ch_conf_key *k,
			    uint64_t v, const char *unit)
{
	uint64_t max = k->max != 0 ? k->max : UINT32_MAX;
	char low[24] = "", high[24] = "";
	if (v >= k->min && v <= max) {
		*number_at(r, k) = (uint32_t)v;
		return CH_OK;
	}
	struct ch_wr a = ch_wr(low, sizeof(low) - 1), b = ch_wr(high, sizeof(high) - 1);
	ch_wr_dec(&a, k->min);
	ch_wr_dec(&b, max);
	return REFUSE(r, CH_ERR_RANGE, n, "", n->text, " is out of range: ", low, " to ", high, "", unit);
}

static enum ch_err number(const struct reader *r, const struct ch_yaml_node *n, const struct ch_conf_key *k)
{
	uint64_t v;
	size_t len = digits(n->text, &v);
	if (!n->plain || len == 0 || n->text[len] != '\0')
		return REFUSE(r, CH_ERR_MALFORMED, n, "a number is needed, not ", n->text);
	return in_range(r, n, k, v, "");
}

static enum ch_err duration(const struct reader *r, const struct ch_yaml_node *n, const struct ch_conf_key *k)
{
	static const struct {
		char unit;
		uint32_t seconds;
	} row[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	uint64_t v;
	size_t len = digits(n->text, &v);
	for (size_t i = 0; n->plain && len > 0 && i < CH_COUNT_OF(row); i++) {
		if (n->text[len] == row[i].unit && n->text[len + 1] == '\0')
			return in_range(r, n, k, v * row[i].seconds, " seconds");
	}
	return REFUSE(r, CH_ERR_MALFORMED, n, "a time with its unit is needed (90s, 10m, 1h, 30d), not ", n->text);
}

static enum ch_err boolean(const struct reader *r, const struct ch_yaml_node *n, const struct ch_conf_key *k)
{
	bool yes = strcmp(n->text, "true") == 0;
	if (!n->plain || (!yes && strcmp(n->text, "false") != 0))
		return REFUSE(r, CH_ERR_MALFORMED, n, "true or false is needed, not ", n->text);
	*(bool *)(r->to + k->offset) = yes;
	return CH_OK;
}

static enum ch_err text(const struct reader *r, const struct ch_yaml_node *n, const char **to)
{
	if (n->text[0] == '\0')
		return REFUSE(r, CH_ERR_MISSING, n, "a value is missing here");
	*to = n->text;
	return CH_OK;
}

static const struct ch_conf_word *word_find(const struct ch_conf_word *words, const char *text)
{
	for (; words->word != NULL; words++) {
		if (strcmp(words->word, text) == 0)
			return words;
	}
	return NULL;
}

static enum ch_err word(const struct reader *r, const struct ch_yaml_node *n, const struct ch_conf_key *k, uint32_t *v)
{
	const struct ch_conf_word *w = word_find(k->words, n->text);
	if (w != NULL) {
		*v = w->value;
		return CH_OK;
	}
	char list[LIST_MAX] = "";
	struct ch_wr out = ch_wr(list, sizeof(list) - 1);
	for (w = k->words; w->word != NULL; w++) {
		ch_wr_str(&out, w == k->words ? "" : ", ");
		ch_wr_str(&out, w->word);
	}
	return REFUSE(r, CH_ERR_UNKNOWN, n, "'", n->text, "' is not allowed here; one of: ", list);
}

/* --- lists --- */

static enum ch_err set(const struct reader *r, const struct ch_yaml_node *n, const struct ch_conf_key *k)
{
	uint32_t bits = 0;
	for (size_t i = (size_t)(n - r->y->node) + 1; i < n->next; i = r->y->node[i].next) {
		const struct ch_yaml_node *item = &r->y->node[i];
		uint32_t v = 0;
		if (item->type != CH_YAML_SCALAR)
			return REFUSE(r, CH_ERR_MALFORMED, item, "a word is needed here");
		enum ch_err err = word(r, item, k, &v);
		if (err != CH_OK)
			return err;
		if ((bits >> v & 1) != 0)
			return REFUSE(r, CH_ERR_DUPLICATE, item, "'", item->text, "' is in the list twice");
		bits |= 1u << v;
	}
	*number_at(r, k) = bits;
	return CH_OK;
}

static enum ch_err texts(const struct reader *r, const struct ch_yaml_node *n, const struct ch_conf_key *k)
{
	struct ch_conf_texts *to = (struct ch_conf_texts *)(void *)(r->to + k->offset);
	*to = (struct ch_conf_texts){ 0 };
	size_t i = (size_t)(n - r->y->node) + (n->type == CH_YAML_LIST ? 1 : 0);
	for (; i < n->next; i = r->y->node[i].next) {
		const struct ch_yaml_node *item = &r->y->node[i];
		if (item->type != CH_YAML_SCALAR)
			return REFUSE(r, CH_ERR_MALFORMED, item, "a text is needed here");
		if (to->count == CH_CONF_TEXTS_MAX)
			return REFUSE(r, CH_ERR_LIMIT, item, "more than 32 items");
		for (size_t j = 0; j < to->count; j++) {
			if (strcmp(to->text[j], item->text) == 0)
				return REFUSE(r, CH_ERR_DUPLICATE, item, "'", item->text, "' is in the list twice");
		}
		enum ch_err err = text(r, item, &to->text[to->count]);
		if (err != CH_OK)
			return err;
		to->count++;
	}
	if (to->count == 0)
		return REFUSE(r, CH_ERR_MISSING, n, "the list is empty");
	return CH_OK;
}

/* --- values --- */

static enum ch_err scalar(const struct reader *r, const struct ch_yaml_node *n, const struct ch_conf_key *k)
{
	switch (k->kind) {
	case CH_CONF_TEXT:
		return text(r, n, (const char **)(void *)(r->to + k->offset));
	case CH_CONF_NUMBER:
		return number(r, n, k);
	case CH_CONF_DURATION:
		return duration(r, n, k);
	case CH_CONF_BOOL:
		return boolean(r, n, k);
	case CH_CONF_WORD:
		return word(r, n, k, number_at(r, k));
	case CH_CONF_TEXTS:
	case CH_CONF_SET:
	case CH_CONF_MAP:
		break;
	}
	return CH_ERR_INTERNAL;
}

static enum ch_err value(const struct reader *r, const struct ch_yaml_node *n, const struct ch_conf_key *k)
{
	if (k->kind == CH_CONF_SET) {
		if (n->type != CH_YAML_LIST)
			return REFUSE(r, CH_ERR_MALFORMED, n, "a list is needed for '", k->name, "', in brackets: []");
		return set(r, n, k);
	}
	if (k->kind == CH_CONF_TEXTS) {
		if (n->type == CH_YAML_MAP)
			return REFUSE(r, CH_ERR_MALFORMED, n, "a list of texts is needed for '", k->name, "'");
		return texts(r, n, k);
	}
	if (n->type != CH_YAML_SCALAR)
		return REFUSE(r, CH_ERR_MALFORMED, n, "one value is needed for '", k->name, "', not a list or keys");
	return scalar(r, n, k);
}

/* --- mappings --- */

static enum ch_err unknown_key(const struct reader *r, const struct ch_yaml_node *n, const struct ch_conf_key *keys,
			       size_t count)
{
	char list[LIST_MAX] = "";
	struct ch_wr out = ch_wr(list, sizeof(list) - 1);
	for (size_t i = 0; i < count; i++) {
		ch_wr_str(&out, i == 0 ? "" : ", ");
		ch_wr_str(&out, keys[i].name);
	}
	return REFUSE(r, CH_ERR_UNKNOWN, n, "unknown key '", n->text, "'; allowed here: ", list);
}

#define KEYS_MAX 64

/* A mapping that is being read. */
struct level {
	const struct ch_yaml_node *map;
	const struct ch_conf_key *keys;
	size_t count;
	size_t at; /* its next key */
	uint64_t seen;
};

static enum ch_err level_begin(const struct reader *r, struct level *l, const struct ch_yaml_node *n,
			       const struct ch_conf_key *k)
{
	*l = (struct level){ .map = n, .keys = k->keys, .count = k->key_count, .at = (size_t)(n - r->y->node) + 1 };
	if (n->type != CH_YAML_MAP)
		return REFUSE(r, CH_ERR_MALFORMED, n, "keys with values are needed under '", k->name, "'");
	return CH_OK;
}

static enum ch_err level_end(const struct reader *r, const struct level *l)
{
	for (size_t k = 0; k < l->count; k++) {
		if (l->keys[k].need == CH_CONF_REQUIRED && (l->seen >> k & 1) == 0)
			return REFUSE(r, CH_ERR_MISSING, l->map, "the key '", l->keys[k].name, "' is missing here");
	}
	return CH_OK;
}

/* The next key of a level and its row; NULL, and an error, if there is no such row. */
static const struct ch_conf_key *level_key(const struct reader *r, struct level *l, enum ch_err *err)
{
	const struct ch_yaml_node *name = &r->y->node[l->at];
	size_t k = 0;
	while (k < l->count && strcmp(l->keys[k].name, name->text) != 0)
		k++;
	if (k == l->count) {
		*err = unknown_key(r, name, l->keys, l->count);
		return NULL;
	}
	l->seen |= (uint64_t)1 << k;
	if (l->keys[k].seen != 0)
		*(bool *)(r->to + l->keys[k].seen) = true;
	return &l->keys[k];
}

static enum ch_err document(const struct reader *r, const struct ch_conf_key *all)
{
	/* A file has no more mappings in each other than it has levels. */
	struct level level[CH_YAML_DEPTH_MAX];
	enum ch_err err = level_begin(r, &level[0], &r->y->node[0], all);
	for (size_t depth = 1; err == CH_OK && depth > 0;) {
		struct level *l = &level[depth - 1];
		if (l->at >= l->map->next) {
			err = level_end(r, l);
			depth--;
			continue;
		}
		const struct ch_conf_key *k = level_key(r, l, &err);
		if (k == NULL)
			break;
		const struct ch_yaml_node *val = &r->y->node[l->at + 1];
		l->at = val->next;
		if (k->kind != CH_CONF_MAP)
			err = value(r, val, k);
		else if (depth == CH_COUNT_OF(level))
			err = CH_ERR_INTERNAL;
		else
			err = level_begin(r, &level[depth++], val, k);
	}
	return err;
}

enum ch_err ch_conf_read(struct ch_conf *c, struct ch_span in, const struct ch_conf_key *keys, size_t count, void *to,
			 struct ch_yaml_error *e)
{
	*c = (struct ch_conf){ 0 };
	if (count > KEYS_MAX)
		return CH_ERR_INTERNAL;
	enum ch_err err = ch_yaml_read(&c->yaml, in, e);
	if (err != CH_OK)
		return err;
	struct reader r = { .y = &c->yaml, .to = to, .e = e };
	struct ch_conf_key all = { .name = "the file", .kind = CH_CONF_MAP, .keys = keys, .key_count = count };
	err = document(&r, &all);
	if (err != CH_OK)
		ch_conf_clear(c);
	return err;
}

void ch_conf_clear(struct ch_conf *c)
{
	ch_yaml_clear(&c->yaml);
}

static const struct ch_yaml_node *find(const struct ch_yaml *y, const struct ch_yaml_node *in, const char *key)
{
	for (size_t i = (size_t)(in - y->node) + 1; in->type == CH_YAML_MAP && i < in->next; i = y->node[i + 1].next) {
		if (strcmp(y->node[i].text, key) == 0)
			return &y->node[i + 1];
	}
	return NULL;
}

const struct ch_yaml_node *ch_conf_find(const struct ch_conf *c, const char *key, const char *sub)
{
	const struct ch_yaml_node *n = find(&c->yaml, &c->yaml.node[0], key);
	if (n != NULL && sub != NULL) {
		const struct ch_yaml_node *inner = find(&c->yaml, n, sub);
		n = inner != NULL ? inner : n;
	}
	return n != NULL ? n : &c->yaml.node[0];
}

void ch_conf_error_put(char *to, size_t cap, const char *file, const struct ch_yaml_error *e)
{
	struct ch_wr w = ch_wr(to, cap - 1);
	ch_text_escape(&w, ch_span_str(file));
	if (e->line != 0) {
		ch_wr_str(&w, ", line ");
		ch_wr_dec(&w, e->line);
		ch_wr_str(&w, ", column ");
		ch_wr_dec(&w, e->column);
	}
	ch_wr_str(&w, ": ");
	ch_wr_str(&w, e->text);
	to[w.len] = '\0';
}
