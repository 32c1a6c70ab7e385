/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers what standard input asks of the transparency log's code, one question a line, one answer a line:
 *   inclusion INDEX SIZE LEAF ROOT [HASH…]       valid | invalid
 *   consistency SIZE1 ROOT1 SIZE2 ROOT2 [HASH…]  valid | invalid
 *   roots [ENTRY…]                               the root of each size, from 0 on
 *   tree SIZE TILE                               the root that a tile of level 0 leads to
 *   prove INDEX SIZE TILE                        the hashes of an inclusion proof
 *   extend SIZE1 SIZE2 TILE                      the hashes of a consistency proof
 *   bundle BUNDLE                                the leaf hashes of its entries
 *   note NOTE [KEY…]                             malformed | invalid signature | unverified | unsupported | ok NAME…
 *   checkpoint NOTE KEY                          ok SIZE ROOT | what is wrong
 *   vkey KEY                                     valid | invalid | unsupported
 * Everything but numbers is hexadecimal digits, "-" for nothing. Ends with 2 on a line that is not such.
 */
#include "core/base/text.h"
#include "core/trust/checkpoint.h"
#include "core/trust/tile.h"
#include "host/base/mem.h"
#include "host/crypto_openssl/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 300

static _Noreturn void usage(const char *what)
{
	fprintf(stderr, "tlog_driver: %s\n", what);
	exit(2);
}

static struct ch_span unhex(const char *word)
{
	size_t n = strcmp(word, "-") == 0 ? 0 : strlen(word) / 2;
	uint8_t *p = ch_calloc(n, 1);
	if (n > 0 && ch_hex_decode(p, n, ch_span_str(word)) != CH_OK)
		usage("not hexadecimal digits");
	return ch_span(p, n);
}

/* False for bytes that are no hash: an answer of its own, not a mistake in the question. */
static bool hash_of(struct ch_tree_hash *h, const char *word)
{
	struct ch_span s = unhex(word);
	(void)ch_span_copy(h->b, sizeof(h->b), s);
	return s.n == sizeof(h->b);
}

static bool hashes_of(struct ch_tree_hash *h, char **word, size_t n)
{
	bool ok = true;
	for (size_t i = 0; i < n; i++)
		ok = hash_of(&h[i], word[i]) && ok;
	return ok;
}

static uint64_t number(const char *word)
{
	return strtoull(word, NULL, 10);
}

static void print_hash(const struct ch_tree_hash *h)
{
	for (size_t i = 0; i < sizeof(h->b); i++)
		printf("%02x", h->b[i]);
	putchar(' ');
}

static void need(bool holds)
{
	if (!holds)
		usage("a question is not complete, or the tree fails");
}

static void inclusion(char **w, size_t n)
{
	struct ch_tree_hash leaf, root, proof[WORDS_MAX];
	need(n >= 4);
	bool ok = hash_of(&leaf, w[2]) && hash_of(&root, w[3]) && hashes_of(proof, w + 4, n - 4);
	ok = ok && ch_merkle_inclusion_check(number(w[0]), number(w[1]), &leaf, proof, n - 4, &root) == CH_OK;
	puts(ok ? "valid" : "invalid");
}

static void consistency(char **w, size_t n)
{
	struct ch_tree_hash one, two, proof[WORDS_MAX];
	need(n >= 4);
	bool ok = hash_of(&one, w[1]) && hash_of(&two, w[3]) && hashes_of(proof, w + 4, n - 4);
	ok = ok && ch_merkle_consistency_check(number(w[0]), &one, number(w[2]), &two, proof, n - 4) == CH_OK;
	puts(ok ? "valid" : "invalid");
}

static void roots(char **w, size_t n)
{
	struct ch_frontier f = { 0 };
	for (size_t i = 0; i <= n; i++) {
		struct ch_tree_hash h;
		need(ch_frontier_root(&f, &h) == CH_OK);
		print_hash(&h);
		if (i < n)
			need(ch_merkle_leaf(&h, unhex(w[i])) == CH_OK && ch_frontier_append(&f, &h) == CH_OK);
	}
	putchar('\n');
}

static enum ch_err get(void *ctx, const struct ch_tile *t, uint8_t to[static CH_TILE_BYTES])
{
	const struct ch_span *tile = ctx;
	if (t->level != 0 || t->index != 0 || tile->n < (size_t)t->width * CH_MERKLE_HASH)
		return CH_ERR_NOTFOUND;
	(void)ch_span_copy(to, CH_TILE_BYTES, *tile);
	return CH_OK;
}

/* A tree whose tile of level 0 is the last word. */
static struct ch_tree_src source(struct ch_tile_src *tiles, struct ch_span *tile, uint64_t size, const char *word)
{
	*tile = unhex(word);
	*tiles = (struct ch_tile_src){ .get = get, .ctx = tile, .size = size };
	return (struct ch_tree_src){ ch_tile_node, tiles };
}

static void tree(char **w, size_t n)
{
	static struct ch_tile_src tiles;
	struct ch_span tile;
	struct ch_frontier f;
	struct ch_tree_hash root;
	need(n == 2);
	struct ch_tree_src src = source(&tiles, &tile, number(w[0]), w[1]);
	need(ch_frontier_load(&f, &src, number(w[0])) == CH_OK && ch_frontier_root(&f, &root) == CH_OK);
	print_hash(&root);
	putchar('\n');
}

static void print_proof(const struct ch_tree_hash *proof, size_t count)
{
	for (size_t i = 0; i < count; i++)
		print_hash(&proof[i]);
	putchar('\n');
}

static void prove(char **w, size_t n)
{
	static struct ch_tile_src tiles;
	struct ch_tree_hash proof[CH_MERKLE_DEPTH_MAX];
	struct ch_span tile;
	size_t count = 0;
	need(n == 3);
	struct ch_tree_src src = source(&tiles, &tile, number(w[1]), w[2]);
	need(ch_merkle_inclusion_prove(&src, number(w[0]), number(w[1]), proof, &count) == CH_OK);
	print_proof(proof, count);
}

static void extend(char **w, size_t n)
{
	static struct ch_tile_src tiles;
	struct ch_tree_hash proof[CH_MERKLE_DEPTH_MAX];
	struct ch_span tile;
	size_t count = 0;
	need(n == 3);
	struct ch_tree_src src = source(&tiles, &tile, number(w[1]), w[2]);
	need(ch_merkle_consistency_prove(&src, number(w[0]), number(w[1]), proof, &count) == CH_OK);
	print_proof(proof, count);
}

static void bundle(char **w, size_t n)
{
	struct ch_span entry;
	struct ch_tree_hash h;
	need(n == 1);
	struct ch_rd r = ch_rd(unhex(w[0]));
	while (ch_bundle_next(&r, &entry)) {
		need(ch_merkle_leaf(&h, entry) == CH_OK);
		print_hash(&h);
	}
	puts(ch_rd_done(&r) ? "" : "cut off");
}

static enum ch_err key_of(struct ch_note_key *k, struct ch_verify_key *vk, const char *word)
{
	enum ch_err err = ch_note_key_parse(k, unhex(word), NULL);
	const struct ch_pub pub = { .type = CH_KEY_ED25519, .a = CH_SPAN_OF(k->pub) };
	return err == CH_OK ? ch_verify_key_init(vk, &pub) : err;
}

static void note(char **w, size_t n)
{
	struct ch_note note_;
	bool verified[WORDS_MAX] = { false };
	bool any = false, unsupported = false;
	need(n >= 1);
	if (ch_note_parse(&note_, unhex(w[0]), NULL) != CH_OK) {
		puts("malformed");
		return;
	}
	for (size_t i = 1; i < n; i++) {
		struct ch_note_key k;
		struct ch_verify_key vk;
		enum ch_err err = key_of(&k, &vk, w[i]);
		unsupported = unsupported || err == CH_ERR_UNSUPPORTED;
		if (err != CH_OK)
			continue;
		err = ch_note_verify(&note_, &k, &vk);
		ch_verify_key_clear(&vk);
		if (err == CH_ERR_SIGNATURE) {
			puts("invalid signature");
			return;
		}
		verified[i] = err == CH_OK;
		any = any || verified[i];
	}
	printf("%s", any ? "ok" : unsupported ? "unsupported" : "unverified");
	for (size_t i = 1; i < n; i++) {
		struct ch_note_key k;
		if (verified[i] && ch_note_key_parse(&k, unhex(w[i]), NULL) == CH_OK)
			printf(" %.*s", (int)k.name.n, (const char *)k.name.p);
	}
	putchar('\n');
}

static void checkpoint(char **w, size_t n)
{
	struct ch_note_key k;
	struct ch_verify_key vk = { 0 };
	struct ch_checkpoint c = { 0 };
	need(n == 2);
	enum ch_err err = key_of(&k, &vk, w[1]);
	if (err == CH_OK)
		err = ch_checkpoint_open(&c, unhex(w[0]), &k, &vk, NULL);
	ch_verify_key_clear(&vk);
	printf("%s", ch_err_str(err));
	if (err == CH_OK) {
		printf(" %llu ", (unsigned long long)c.size);
		print_hash(&c.root);
	}
	putchar('\n');
}

static void vkey(char **w, size_t n)
{
	struct ch_note_key k;
	need(n == 1);
	enum ch_err err = ch_note_key_parse(&k, unhex(w[0]), NULL);
	puts(err == CH_OK ? "valid" : err == CH_ERR_UNSUPPORTED ? "unsupported" : "invalid");
}

static const struct {
	const char *name;
	void (*run)(char **w, size_t n);
} question[] = {
	{ "inclusion", inclusion },   { "consistency", consistency },
	{ "roots", roots },           { "tree", tree },
	{ "prove", prove },           { "extend", extend },
	{ "bundle", bundle },         { "note", note },
	{ "checkpoint", checkpoint }, { "vkey", vkey },
};

static void answer(char *line)
{
	char *word[WORDS_MAX];
	char *rest = line;
	size_t n = 0;
	for (char *p = strsep(&rest, " \n"); p != NULL; p = strsep(&rest, " \n")) {
		if (*p != '\0' && n < WORDS_MAX)
			word[n++] = p;
	}
	for (size_t i = 0; n > 0 && i < CH_COUNT_OF(question); i++) {
		if (strcmp(question[i].name, word[0]) == 0) {
			question[i].run(word + 1, n - 1);
			return;
		}
	}
	usage("there is no such question");
}

int main(void)
{
	char *line = NULL;
	size_t cap = 0;
	if (ch_crypto_openssl_init() != CH_OK)
		return 2;
	while (getline(&line, &cap, stdin) > 0)
		answer(line);
	return 0;
}
