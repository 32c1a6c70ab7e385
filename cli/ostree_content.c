/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ostree_content.h"

#include "cli/ostree_walk.h"
#include "core/base/text.h"
#include "host/inflate/inflate.h"

#define KERNEL_MAX ((uint64_t)1 << 30)

/* --- objects of the pack --- */

static enum ch_err object_get(void *ctx, const struct cli_ostree_object *o, struct ch_span *bytes, struct ch_diag *d)
{
	const struct cli_ostree *c = ctx;
	uint8_t path[CH_OSTREE_PATH_MAX];
	struct ch_wr w = ch_wr(path, sizeof(path));
	ch_ostree_path_put(&w, o->type, o->id);
	if (ch_ostree_pack_find(&c->pack, ch_wr_span(&w), bytes))
		return CH_OK;
	return ch_fail(d, CH_ERR_MISSING, 0, "an object that the commit needs is not there (OSTree)");
}

struct content {
	struct ch_hash hash;
	uint64_t n;
	struct ch_buf *keep;
};

static void take_content(void *ctx, struct ch_span piece)
{
	struct content *c = ctx;
	ch_hash_update(&c->hash, piece);
	c->n += piece.n;
	if (c->keep != NULL)
		ch_buf_append(c->keep, piece);
}

/* A file object is what its name says. `keep` (may be NULL) gets the content. */
static enum ch_err read_file(struct ch_span bytes, const uint8_t id[static 32], struct ch_buf *keep, struct ch_diag *d)
{
	struct ch_ostree_file f;
	struct ch_digest digest;
	struct content c = { .keep = keep };
	enum ch_err err = ch_ostree_file_parse(&f, bytes, d);
	if (err != CH_OK)
		return err;
	if (keep != NULL && f.size > KERNEL_MAX)
		return ch_fail(d, CH_ERR_LIMIT, 0, "a kernel or initramfs of more than 1 GiB");
	if (ch_ostree_file_hash(&f, &c.hash) != CH_OK)
		return ch_fail(d, CH_ERR_CRYPTO, 0, "a hash cannot be computed");
	if (f.link.n == 0)
		err = ch_inflate(CH_INFLATE_RAW, f.deflated, f.size, take_content, &c);
	if (err == CH_ERR_UNSUPPORTED)
		return ch_fail(d, err, 0, "this build has no zlib");
	ch_hash_final(&c.hash, &digest);
	if (err != CH_OK || c.n != f.size)
		return ch_fail(d, CH_ERR_MALFORMED, 0,
			       "content that cannot be inflated, or is of another size (OSTree)");
	if (!ch_span_eq(ch_digest_span(&digest), ch_span(id, 32)))
		return ch_fail(d, CH_ERR_MISMATCH, 0, "a file has not the SHA-256 that is its name (OSTree)");
	return CH_OK;
}

/* --- the repository around them --- */

/* config and refs/heads/REF, whose one line is the commit; what is left are objects. */
static enum ch_err check_repository(struct cli_ostree *o, struct ch_diag *d)
{
	static const struct ch_span heads = CH_SPAN_LIT("refs/heads/");
	uint8_t line[65];
	struct ch_wr w = ch_wr(line, sizeof(line));
	struct ch_span path, content;
	uint64_t refs = 0;
	ch_wr_hex(&w, CH_SPAN_OF(o->pack.commit));
	ch_wr_u8(&w, '\n');
	if (!ch_ostree_pack_find(&o->pack, CH_SPAN_LIT("config"), &content) ||
	    !ch_span_eq(content, CH_SPAN_LIT(CH_OSTREE_CONFIG)))
		return ch_fail(d, CH_ERR_MALFORMED, 0,
			       "no 'config', or another one than that of an archive (OSTree pack)");
	for (uint64_t i = 0; i < o->pack.count; i++) {
		ch_ostree_pack_get(&o->pack, i, &path, &content);
		if (!ch_span_starts(path, heads))
			continue;
		o->ref = ch_span_sub(path, heads.n, path.n - heads.n);
		if (++refs > 1 || !ch_ostree_ref_valid(o->ref) || !ch_span_eq(content, ch_wr_span(&w)))
			return ch_fail(d, CH_ERR_MALFORMED, 0, "one ref, which names the commit (OSTree pack)");
	}
	return refs == 1 ? CH_OK : ch_fail(d, CH_ERR_MISSING, 0, "one ref, which names the commit (OSTree pack)");
}

/* Signatures are in there: not verified, the client does that (ostree.md). */
static void look_at_detached(struct cli_ostree *o)
{
	static const struct ch_span gpg = CH_SPAN_LIT("ostree.gpgsigs\0");
	struct cli_ostree_object c = { .type = CH_OSTREE_DETACHED };
	struct ch_span bytes;
	(void)ch_span_copy(c.id, 32, CH_SPAN_OF(o->pack.commit));
	if (object_get(o, &c, &bytes, NULL) != CH_OK)
		return;
	o->detached = bytes.n;
	for (size_t i = 0; !o->gpg && i < bytes.n; i++)
		o->gpg = ch_span_starts(ch_span_sub(bytes, i, bytes.n - i), gpg);
}

static enum ch_err check_objects(struct cli_ostree *o, struct ch_diag *d)
{
	struct cli_ostree_set set = { .count = 0 };
	struct cli_ostree_object at;
	const struct cli_ostree_source source = { object_get, o };
	enum ch_err err = cli_ostree_walk(&set, &source, o->pack.commit, &at, d);
	for (size_t i = 0; err == CH_OK && i < set.count; i++) {
		struct ch_span bytes;
		o->folders += set.object[i].type == CH_OSTREE_TREE;
		if (set.object[i].type != CH_OSTREE_FILE)
			continue;
		o->files++;
		err = object_get(o, &set.object[i], &bytes, d);
		if (err == CH_OK)
			err = read_file(bytes, set.object[i].id, NULL, d);
	}
	if (err == CH_OK && set.count + 2 + (o->detached > 0) != o->pack.count)
		err = ch_fail(d, CH_ERR_UNKNOWN, 0, "a file that the commit does not need (OSTree pack)");
	cli_ostree_set_clear(&set);
	return err;
}

/* --- the kernel: usr/lib/modules/RELEASE/vmlinuz and initramfs.img --- */

static bool tree_get(struct cli_ostree *o, const uint8_t id[static 32], struct ch_ostree_tree *t)
{
	struct cli_ostree_object c = { .type = CH_OSTREE_TREE };
	struct ch_span bytes;
	(void)ch_span_copy(c.id, 32, ch_span(id, 32));
	return object_get(o, &c, &bytes, NULL) == CH_OK && ch_ostree_tree_parse(t, bytes, NULL) == CH_OK;
}

static bool named(const struct ch_ostree_tree *t, struct ch_span name, bool folder, struct ch_ostree_entry *e)
{
	for (size_t i = 0; ch_ostree_tree_entry(t, i, e); i++) {
		if (e->folder == folder && ch_span_eq(e->name, name))
			return true;
	}
	return false;
}

static bool enter(struct cli_ostree *o, struct ch_ostree_tree *t, struct ch_span name)
{
	struct ch_ostree_entry e;
	return named(t, name, true, &e) && tree_get(o, e.id, t);
}

static struct ch_span keep_name(struct cli_ostree *o, const char *file)
{
	size_t from = o->names_n;
	struct ch_wr w = ch_wr(o->names, sizeof(o->names));
	w.len = from;
	ch_wr_str(&w, "usr/lib/modules/");
	ch_wr_put(&w, ch_span(o->release, o->release_n));
	ch_wr_str(&w, "/");
	ch_wr_str(&w, file);
	o->names_n = w.len;
	return ch_span(o->names + from, w.len - from);
}

static enum ch_err load(struct cli_ostree *o, const struct ch_ostree_tree *t, const char *name, struct ch_buf *to,
			struct ch_diag *d)
{
	struct ch_ostree_entry e;
	struct ch_span bytes;
	struct cli_ostree_object c = { .type = CH_OSTREE_FILE };
	if (!named(t, ch_span_str(name), false, &e))
		return CH_ERR_NOTFOUND;
	(void)ch_span_copy(c.id, 32, CH_SPAN_OF(e.id));
	enum ch_err err = object_get(o, &c, &bytes, d);
	return err == CH_OK ? read_file(bytes, c.id, to, d) : err;
}

/* ostree boots the one kernel that is there (ostree-admin-deploy(1)); of two nobody can say which. */
static enum ch_err find_kernel(struct cli_ostree *o, struct ch_ostree_tree *kernel, struct ch_diag *d)
{
	struct ch_ostree_tree modules;
	struct ch_ostree_entry e, f;
	if (!tree_get(o, o->commit.tree, &modules) || !enter(o, &modules, CH_SPAN_LIT("usr")) ||
	    !enter(o, &modules, CH_SPAN_LIT("lib")) || !enter(o, &modules, CH_SPAN_LIT("modules")))
		return CH_OK;
	for (size_t i = modules.file_count; ch_ostree_tree_entry(&modules, i, &e); i++) {
		struct ch_ostree_tree one;
		if (!tree_get(o, e.id, &one) || !named(&one, CH_SPAN_LIT("vmlinuz"), false, &f))
			continue;
		if (o->release_n != 0 || e.name.n > sizeof(o->release))
			return ch_fail(d, CH_ERR_UNSUPPORTED, 0, "more than one kernel in usr/lib/modules (OSTree)");
		o->release_n = ch_span_copy(o->release, sizeof(o->release), e.name);
		*kernel = one;
	}
	return CH_OK;
}

static enum ch_err measure_kernel(struct cli_ostree *o, struct ch_measure *m, struct ch_diag *d)
{
	struct ch_ostree_tree kernel = { .file_count = 0 };
	enum ch_err err = find_kernel(o, &kernel, d);
	if (err != CH_OK || o->release_n == 0)
		return err;
	err = load(o, &kernel, "vmlinuz", &o->kernel, d);
	if (err != CH_OK)
		return err;
	err = ch_measure_efi(m, ch_buf_span(&o->kernel), keep_name(o, "vmlinuz"), d);
	if (err == CH_ERR_LIMIT || err == CH_ERR_CRYPTO)
		return err;
	if (err != CH_OK) {
		ch_measure_note(m, "the kernel: it is no EFI binary");
		ch_buf_free(&o->kernel);
		ch_diag_clear(d);
		return CH_OK;
	}
	err = load(o, &kernel, "initramfs.img", &o->initrd, d);
	if (err == CH_OK)
		err = ch_measure_initrd(m, ch_buf_span(&o->initrd), keep_name(o, "initramfs.img"), d);
	ch_measure_note(m, "the command line (PCR 9, 12): ostree= names the deployment, which the device makes");
	ch_measure_note(m, "GRUB's own measurements of what it reads (PCR 8, 9): capture a boot");
	return err == CH_ERR_NOTFOUND ? CH_OK : err;
}

enum ch_err cli_ostree_read(struct cli_ostree *o, struct ch_measure *m, struct ch_span file, struct ch_diag *d)
{
	struct ch_span bytes;
	enum ch_err err = ch_ostree_pack_parse(&o->pack, file, d);
	if (err == CH_OK)
		err = check_repository(o, d);
	if (err != CH_OK)
		return err;
	look_at_detached(o);
	err = check_objects(o, d);
	if (err != CH_OK)
		return err;
	struct cli_ostree_object c = { .type = CH_OSTREE_COMMIT };
	(void)ch_span_copy(c.id, 32, CH_SPAN_OF(o->pack.commit));
	err = object_get(o, &c, &bytes, d);
	if (err == CH_OK)
		err = ch_ostree_commit_parse(&o->commit, bytes, d);
	return err == CH_OK ? measure_kernel(o, m, d) : err;
}

void cli_ostree_clear(struct cli_ostree *o)
{
	ch_buf_free(&o->kernel);
	ch_buf_free(&o->initrd);
}
