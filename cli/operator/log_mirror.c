/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_PATH_MAX 4096
#define LEVELS        (CH_TILE_LEVEL_MAX + 1)

/*
 * The mirror is a folder with the log's own paths, so that any web server can serve it. Entries are fetched; tiles are not: they
 * are computed from the entries, and the root that they lead to must be the signed one.
 */
struct mirror {
	const char *dir;
	struct ch_frontier tree;
	uint8_t tile[LEVELS][CH_TILE_BYTES]; /* the open tile of each level */
	struct ch_buf bundle;                /* the open bundle of entries */
};

static bool join(char *to, size_t cap, const char *dir, const char *name)
{
	int n = snprintf(to, cap, "%s/%s", dir, name);
	return n > 0 && (size_t)n < cap;
}

/* Makes the folders that `path` lies in. */
static bool make_folders(char *path)
{
	for (char *p = path + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		int rc = mkdir(path, 0755);
		*p = '/';
		if (rc != 0 && errno != EEXIST)
			return false;
	}
	return true;
}

static enum ch_err store(struct mirror *m, const struct ch_tile *t, struct ch_span bytes)
{
	char name[CH_TILE_PATH_MAX + 1] = "";
	char path[FILE_PATH_MAX];
	struct ch_wr w = ch_wr(name, CH_TILE_PATH_MAX);
	ch_tile_path_put(&w, t);
	if (!join(path, sizeof(path), m->dir, name))
		return CH_ERR_RANGE;
	if (!make_folders(path)) {
		cli_say("%s: %s", path, strerror(errno));
		return CH_ERR_IO;
	}
	return log_write_file(path, bytes);
}

/* The root of a full tile, computed as a tree of its own. */
static enum ch_err tile_root(const uint8_t bytes[static CH_TILE_BYTES], struct ch_tree_hash *root)
{
	struct ch_frontier f = { 0 };
	for (size_t i = 0; i < CH_BUNDLE_ENTRIES; i++) {
		struct ch_tree_hash h;
		(void)ch_span_copy(h.b, sizeof(h.b), ch_span(bytes + i * CH_MERKLE_HASH, CH_MERKLE_HASH));
		enum ch_err err = ch_frontier_append(&f, &h);
		if (err != CH_OK)
			return err;
	}
	return ch_frontier_root(&f, root);
}

/* Puts the hash of entry `index` into the open tiles; a tile that is full is stored, and its root goes up. */
static enum ch_err tiles_append(struct mirror *m, uint64_t index, struct ch_tree_hash hash)
{
	for (uint8_t level = 0; level < LEVELS; level++) {
		uint64_t n = index >> (8 * level);
		size_t at = (size_t)(n % CH_BUNDLE_ENTRIES);
		(void)ch_span_copy(m->tile[level] + at * CH_MERKLE_HASH, CH_MERKLE_HASH, ch_tree_hash_span(&hash));
		if (at + 1 < CH_BUNDLE_ENTRIES)
			return CH_OK;
		const struct ch_tile t = { .level = level, .index = n / CH_BUNDLE_ENTRIES, .width = CH_BUNDLE_ENTRIES };
		enum ch_err err = store(m, &t, CH_SPAN_OF(m->tile[level]));
		if (err == CH_OK)
			err = tile_root(m->tile[level], &hash);
		if (err != CH_OK)
			return err;
	}
	return CH_ERR_LIMIT;
}

static enum ch_err add(void *ctx, const struct log_entry *e)
{
	struct mirror *m = ctx;
	const uint8_t length[2] = { (uint8_t)(e->bytes.n >> 8), (uint8_t)e->bytes.n };
	ch_buf_append(&m->bundle, CH_SPAN_OF(length));
	ch_buf_append(&m->bundle, e->bytes);
	enum ch_err err = ch_frontier_append(&m->tree, &e->hash);
	if (err == CH_OK && e->index % CH_BUNDLE_ENTRIES == CH_BUNDLE_ENTRIES - 1) {
		const struct ch_tile t = { .entries = true,
					   .index = e->index / CH_BUNDLE_ENTRIES,
					   .width = CH_BUNDLE_ENTRIES };
		err = store(m, &t, ch_buf_span(&m->bundle));
		m->bundle.n = 0;
	}
	return err == CH_OK ? tiles_append(m, e->index, e->hash) : err;
}

/* The tiles that are not full, under their width. */
static enum ch_err store_partial(struct mirror *m)
{
	for (uint8_t level = 0; level < LEVELS; level++) {
		uint64_t n = m->tree.size >> (8 * level);
		const struct ch_tile t = { .level = level,
					   .index = n / CH_BUNDLE_ENTRIES,
					   .width = (uint16_t)(n % CH_BUNDLE_ENTRIES) };
		if (t.width == 0)
			continue;
		enum ch_err err = store(m, &t, ch_span(m->tile[level], (size_t)t.width * CH_MERKLE_HASH));
		if (err != CH_OK)
			return err;
	}
	const struct ch_tile t = { .entries = true,
				   .index = m->tree.size / CH_BUNDLE_ENTRIES,
				   .width = (uint16_t)(m->tree.size % CH_BUNDLE_ENTRIES) };
	return t.width == 0 ? CH_OK : store(m, &t, ch_buf_span(&m->bundle));
}

static enum ch_err read_tile(void *ctx, const struct ch_tile *t, uint8_t to[static CH_TILE_BYTES])
{
	const struct mirror *m = ctx;
	char name[CH_TILE_PATH_MAX + 1] = "";
	char path[FILE_PATH_MAX];
	CH_AUTO_BUF struct ch_buf file = { 0 };
	struct ch_wr w = ch_wr(name, CH_TILE_PATH_MAX);
	ch_tile_path_put(&w, t);
	if (!join(path, sizeof(path), m->dir, name))
		return CH_ERR_RANGE;
	enum ch_err err = ch_file_read(&file, path);
	if (err == CH_OK && file.n != (size_t)t->width * CH_MERKLE_HASH)
		err = CH_ERR_MALFORMED;
	if (err != CH_OK)
		cli_say("%s: %s", path, ch_err_str(err));
	else
		(void)ch_span_copy(to, CH_TILE_BYTES, ch_buf_span(&file));
	return err;
}

/* Continues from what the folder holds of a tree of `size`: its full tiles, so whole bundles of entries are kept. */
static enum ch_err resume(struct mirror *m, uint64_t size)
{
	struct ch_tile_src src = { .get = read_tile, .ctx = m, .size = size };
	const struct ch_tree_src tree = { ch_tile_node, &src };
	enum ch_err err = ch_frontier_load(&m->tree, &tree, size);
	for (uint8_t level = 0; level < LEVELS && err == CH_OK; level++) {
		uint64_t n = size >> (8 * level);
		const struct ch_tile t = { .level = level,
					   .index = n / CH_BUNDLE_ENTRIES,
					   .width = (uint16_t)(n % CH_BUNDLE_ENTRIES) };
		if (t.width > 0)
			err = read_tile(m, &t, m->tile[level]);
	}
	return err;
}

static int copy(struct log_client *c, struct mirror *m, uint64_t from)
{
	char path[FILE_PATH_MAX];
	struct ch_tree_hash root;
	enum ch_err err = log_entries(c, from, c->head.size, add, m);
	if (err == CH_OK)
		err = store_partial(m);
	if (err == CH_OK)
		err = ch_frontier_root(&m->tree, &root);
	if (err != CH_OK)
		return err == CH_ERR_IO || err == CH_ERR_NOTFOUND ? CLI_IO : CLI_FAILS;
	if (!ch_tree_hash_eq(&root, &c->head.root)) {
		cli_say("the entries do not lead to the root that the log signed for %llu of them",
			(unsigned long long)c->head.size);
		return CLI_FAILS;
	}
	/* Last: a mirror that was interrupted is one of the smaller tree. */
	if (!join(path, sizeof(path), m->dir, "checkpoint") || log_write_file(path, ch_buf_span(&c->note)) != CH_OK)
		return CLI_IO;
	return -1;
}

/* The size of the tree that the folder holds whole; 0 without one. */
static int held_size(struct log_client *c, const char *path, uint64_t *size)
{
	CH_AUTO_BUF struct ch_buf note = { 0 };
	struct ch_checkpoint old;
	struct ch_diag d;
	*size = 0;
	enum ch_err err = ch_file_read(&note, path);
	if (err == CH_ERR_NOTFOUND)
		return -1;
	if (err != CH_OK) {
		cli_say("%s: %s", path, strerror(errno));
		return CLI_IO;
	}
	err = ch_checkpoint_open(&old, ch_buf_span(&note), &c->key, &c->vk, &d);
	*size = old.size;
	return err == CH_OK ? -1 : cli_refused(path, NULL, err, &d);
}

static int mirror(struct log_client *c, struct mirror *m)
{
	char state[FILE_PATH_MAX], seen_file[FILE_PATH_MAX];
	uint64_t held = 0;
	uint64_t seen = 0;
	if (!join(state, sizeof(state), m->dir, "checkpoint") || !join(seen_file, sizeof(seen_file), m->dir, ".seen")) {
		cli_say("%s: the name is too long", m->dir);
		return CLI_IO;
	}
	if (!make_folders(state)) {
		cli_say("%s: %s", m->dir, strerror(errno));
		return CLI_IO;
	}
	int code = held_size(c, state, &held);
	if (code < 0)
		code = log_follow(c, seen_file, &seen);
	if (code >= 0)
		return code;
	/* From the beginning of the open bundle: its entries are few, and the file of the whole one is written once. */
	uint64_t from = held - held % CH_BUNDLE_ENTRIES;
	if (from > c->head.size || resume(m, from) != CH_OK) {
		cli_say("%s does not hold what its checkpoint says; begin with an empty folder", m->dir);
		return CLI_FAILS;
	}
	return copy(c, m, from);
}

int op_log_mirror(int argc, char **argv)
{
	struct log_options o = { 0 };
	static struct log_client c;
	static struct mirror m;
	const char *file[2] = { NULL, NULL };
	const struct cli_opt opt[] = {
		LOG_KEY_OPTIONS(&o),
	};
	const struct cli_usage u = {
		.args = "[--key KEY | --fleet-root FILE] [URL] DIR",
		.about =
			"Keeps a whole copy of the log at URL in DIR, under the log's own paths. Every entry is hashed, and the root\n"
			"must be the one that the log signed. Run again, it fetches what is new.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = file,
		.file_min = 1,
		.file_max = 2,
	};
	size_t files = 0;
	int code = cli_parse(&u, argc, argv, &files);
	if (code < 0) {
		o.url = files == 2 ? file[0] : NULL;
		m.dir = file[files - 1];
	}
	if (code < 0)
		code = log_client_init(&c, &o);
	if (code < 0)
		code = mirror(&c, &m);
	if (code < 0) {
		struct ch_wr *w = cli_out();
		ch_wr_dec(w, c.head.size);
		ch_wr_str(w, " entries, each in the tree that the log signed\n");
		code = cli_out_end(CLI_HOLDS);
	}
	ch_buf_free(&m.bundle);
	log_client_free(&c);
	return code;
}
