/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/rauc_bundle.h"

#include "core/base/text.h"

#define CLAUSE " (RAUC manifest)"

enum group { GROUP_NONE, GROUP_UPDATE, GROUP_BUNDLE, GROUP_IMAGE, GROUP_OTHER };

struct state {
	struct ch_rauc_manifest *m;
	struct ch_span text;
	size_t off;
	enum group group;
	bool seen_update, seen_bundle, has_format, has_hash, has_salt;
};

const char *ch_rauc_format_str(enum ch_rauc_format format)
{
	return format == CH_RAUC_VERITY ? "verity" : "plain";
}

static struct ch_span trim(struct ch_span s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = ch_span_sub(s, 1, s.n - 1);
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t' || s.p[s.n - 1] == '\r'))
		s.n--;
	return s;
}

static struct ch_span next_line(struct state *s)
{
	size_t from = s->off;
	while (s->off < s->text.n && s->text.p[s->off] != '\n')
		s->off++;
	struct ch_span line = ch_span_sub(s->text, from, s->off - from);
	s->off += s->off < s->text.n;
	return trim(line);
}

/* --- groups --- */

static enum ch_err once(bool *seen, size_t at, struct ch_diag *d)
{
	if (*seen)
		return ch_fail(d, CH_ERR_DUPLICATE, at, "a group that is there twice" CLAUSE);
	*seen = true;
	return CH_OK;
}

static enum ch_err begin_image(struct state *s, struct ch_span slot, size_t at, struct ch_diag *d)
{
	for (size_t i = 0; i < s->m->image_count; i++) {
		if (ch_span_eq(s->m->image[i].slot, slot))
			return ch_fail(d, CH_ERR_DUPLICATE, at, "a group that is there twice" CLAUSE);
	}
	if (slot.n == 0 || s->m->image_count == CH_RAUC_IMAGES_MAX)
		return ch_fail(d, CH_ERR_LIMIT, at, "an image without a name, or more than CH_RAUC_IMAGES_MAX" CLAUSE);
	s->m->image[s->m->image_count++] = (struct ch_rauc_image){ .slot = slot };
	s->group = GROUP_IMAGE;
	return CH_OK;
}

static enum ch_err begin_group(struct state *s, struct ch_span line, size_t at, struct ch_diag *d)
{
	static const struct ch_span image = CH_SPAN_LIT("image.");
	if (line.n < 3 || line.p[line.n - 1] != ']')
		return ch_fail(d, CH_ERR_MALFORMED, at, "a group is [name]" CLAUSE);
	struct ch_span name = ch_span_sub(line, 1, line.n - 2);
	s->group = GROUP_OTHER;
	if (ch_span_starts(name, image))
		return begin_image(s, ch_span_sub(name, image.n, name.n - image.n), at, d);
	if (ch_span_eq(name, CH_SPAN_LIT("update"))) {
		s->group = GROUP_UPDATE;
		return once(&s->seen_update, at, d);
	}
	if (ch_span_eq(name, CH_SPAN_LIT("bundle"))) {
		s->group = GROUP_BUNDLE;
		return once(&s->seen_bundle, at, d);
	}
	return CH_OK;
}

/* --- keys --- */

static enum ch_err set_text(struct ch_span *to, struct ch_span value, size_t at, struct ch_diag *d)
{
	if (to->n > 0)
		return ch_fail(d, CH_ERR_DUPLICATE, at, "a key that is there twice" CLAUSE);
	if (value.n == 0 || value.n > CH_RELEASE_FILE_NAME_MAX)
		return ch_fail(d, CH_ERR_RANGE, at, "a value of 1 to 128 bytes" CLAUSE);
	*to = value;
	return CH_OK;
}

static enum ch_err set_hash(uint8_t to[static 32], bool *has, struct ch_span value, size_t at, struct ch_diag *d)
{
	if (*has)
		return ch_fail(d, CH_ERR_DUPLICATE, at, "a key that is there twice" CLAUSE);
	if (ch_hex_decode(to, 32, value) != CH_OK)
		return ch_fail(d, CH_ERR_MALFORMED, at, "a hash, and a salt, has 64 hexadecimal digits" CLAUSE);
	*has = true;
	return CH_OK;
}

static enum ch_err set_size(uint64_t *to, struct ch_span value, size_t at, struct ch_diag *d)
{
	uint64_t v = 0;
	for (size_t i = 0; i < value.n; i++) {
		if (value.n > 15 || value.p[i] < '0' || value.p[i] > '9')
			return ch_fail(d, CH_ERR_RANGE, at, "a size is a decimal number" CLAUSE);
		v = v * 10 + (value.p[i] - '0');
	}
	if (*to != 0 || v == 0)
		return ch_fail(d, CH_ERR_RANGE, at, "a size that is 0, or there twice" CLAUSE);
	*to = v;
	return CH_OK;
}

/* A file of the bundle's own folder: nothing that leads out of it. */
static enum ch_err set_filename(struct ch_rauc_image *i, struct ch_span value, size_t at, struct ch_diag *d)
{
	for (size_t k = 0; k < value.n; k++) {
		if (value.p[k] == '/' || value.p[k] < 0x20)
			return ch_fail(d, CH_ERR_RANGE, at, "a file name with a path in it" CLAUSE);
	}
	if (ch_span_eq(value, CH_SPAN_LIT(".")) || ch_span_eq(value, CH_SPAN_LIT("..")))
		return ch_fail(d, CH_ERR_RANGE, at, "a file name with a path in it" CLAUSE);
	return set_text(&i->filename, value, at, d);
}

static enum ch_err set_bundle(struct state *s, struct ch_span key, struct ch_span value, size_t at, struct ch_diag *d)
{
	struct ch_rauc_manifest *m = s->m;
	if (ch_span_eq(key, CH_SPAN_LIT("verity-hash")))
		return set_hash(m->verity_hash, &s->has_hash, value, at, d);
	if (ch_span_eq(key, CH_SPAN_LIT("verity-salt")))
		return set_hash(m->verity_salt, &s->has_salt, value, at, d);
	if (ch_span_eq(key, CH_SPAN_LIT("verity-size")))
		return set_size(&m->verity_size, value, at, d);
	if (!ch_span_eq(key, CH_SPAN_LIT("format")))
		return CH_OK;
	if (s->has_format)
		return ch_fail(d, CH_ERR_DUPLICATE, at, "a key that is there twice" CLAUSE);
	s->has_format = true;
	if (ch_span_eq(value, CH_SPAN_LIT("verity")))
		m->format = CH_RAUC_VERITY;
	else if (!ch_span_eq(value, CH_SPAN_LIT("plain")))
		return ch_fail(d, CH_ERR_UNSUPPORTED, at, "a bundle format other than plain and verity" CLAUSE);
	return CH_OK;
}

static enum ch_err set(struct state *s, struct ch_span key, struct ch_span value, size_t at, struct ch_diag *d)
{
	struct ch_rauc_manifest *m = s->m;
	if (s->group == GROUP_UPDATE && ch_span_eq(key, CH_SPAN_LIT("compatible")))
		return set_text(&m->compatible, value, at, d);
	if (s->group == GROUP_UPDATE && ch_span_eq(key, CH_SPAN_LIT("version")))
		return set_text(&m->version, value, at, d);
	if (s->group == GROUP_BUNDLE)
		return set_bundle(s, key, value, at, d);
	if (s->group != GROUP_IMAGE)
		return CH_OK;
	struct ch_rauc_image *i = &m->image[m->image_count - 1];
	if (ch_span_eq(key, CH_SPAN_LIT("filename")))
		return set_filename(i, value, at, d);
	if (ch_span_eq(key, CH_SPAN_LIT("sha256")))
		return set_hash(i->sha256, &i->has_sha256, value, at, d);
	return CH_OK;
}

static enum ch_err take_line(struct state *s, struct ch_diag *d)
{
	size_t at = s->off, equals = 0;
	struct ch_span line = next_line(s);
	if (line.n == 0 || line.p[0] == '#')
		return CH_OK;
	if (line.p[0] == '[')
		return begin_group(s, line, at, d);
	while (equals < line.n && line.p[equals] != '=')
		equals++;
	if (equals == 0 || equals == line.n || s->group == GROUP_NONE)
		return ch_fail(d, CH_ERR_MALFORMED, at, "a line is a group or key=value of one" CLAUSE);
	return set(s, trim(ch_span_sub(line, 0, equals)), trim(ch_span_sub(line, equals + 1, line.n - equals - 1)), at,
		   d);
}

static enum ch_err check(const struct state *s, struct ch_diag *d)
{
	const struct ch_rauc_manifest *m = s->m;
	if (m->compatible.n == 0)
		return ch_fail(d, CH_ERR_MISSING, 0, "no compatible" CLAUSE);
	const bool verity = m->format == CH_RAUC_VERITY;
	if (s->has_hash != verity || s->has_salt != verity || (m->verity_size != 0) != verity)
		return ch_fail(d, CH_ERR_MISSING, 0,
			       "verity-hash, -salt and -size come with the format verity, and only with it" CLAUSE);
	for (size_t i = 0; i < m->image_count; i++) {
		if (m->image[i].filename.n == 0)
			return ch_fail(d, CH_ERR_MISSING, 0, "an image without a filename" CLAUSE);
	}
	return CH_OK;
}

enum ch_err ch_rauc_manifest_parse(struct ch_rauc_manifest *m, struct ch_span text, struct ch_diag *d)
{
	struct state s = { .m = m, .text = text };
	enum ch_err err = CH_OK;
	ch_diag_clear(d);
	*m = (struct ch_rauc_manifest){ .format = CH_RAUC_PLAIN };
	if (text.n > CH_RAUC_MANIFEST_MAX)
		err = ch_fail(d, CH_ERR_LIMIT, 0, "a manifest of more than 64 KiB" CLAUSE);
	while (err == CH_OK && s.off < text.n)
		err = take_line(&s, d);
	if (err == CH_OK)
		err = check(&s, d);
	if (err != CH_OK)
		*m = (struct ch_rauc_manifest){ .format = CH_RAUC_PLAIN };
	return err;
}
