/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/reference.h"

#include "core/base/text.h"
#include "core/boot/smbios.h"

/* Reads the documents: each object of the format is a table of fields. */

#define FORMAT "chainhold-reference/1"

struct compile {
	struct ch_reference *ref;
	struct ch_arena *arena;
	const struct ch_json *j; /* the document being read */
	size_t doc;
	enum ch_ref_db db; /* the set being read */
	struct ch_ref_diag *d;
};

static enum ch_err fail(struct compile *c, size_t node, enum ch_err err, const char *rule)
{
	c->d->doc = c->doc;
	c->d->off = c->j->node[node].off;
	c->d->rule = rule;
	return err;
}

struct field {
	const char *name;
	enum ch_err (*read)(struct compile *c, size_t value, void *to);
	bool required;
};

#define FIELDS_MAX 16

/* Reads an object by its table: every member known and once, every required one there. */
static enum ch_err read_object(struct compile *c, size_t object, const struct field *f, size_t count, void *to)
{
	const struct ch_json *j = c->j;
	bool seen[FIELDS_MAX] = { false };
	if (ch_json_type(j, object) != CH_JSON_OBJECT)
		return fail(c, object, CH_ERR_MALFORMED, "an object is expected here");
	for (size_t name = ch_json_first(j, object); name != CH_JSON_NONE;) {
		size_t value = name + 1;
		size_t i = 0;
		while (i < count && !ch_json_str_eq(j, name, f[i].name))
			i++;
		if (i == count)
			return fail(c, name, CH_ERR_UNKNOWN, "unknown key");
		if (seen[i])
			return fail(c, name, CH_ERR_DUPLICATE, "the key is given twice");
		seen[i] = true;
		enum ch_err err = f[i].read(c, value, to);
		if (err != CH_OK)
			return err;
		name = ch_json_next(j, object, value);
	}
	for (size_t i = 0; i < count; i++) {
		if (f[i].required && !seen[i])
			return fail(c, object, CH_ERR_MISSING, "a required key of this object is missing");
	}
	return CH_OK;
}

static enum ch_err read_each(struct compile *c, size_t array,
			     enum ch_err (*read)(struct compile *c, size_t value, void *to), void *to)
{
	if (ch_json_type(c->j, array) != CH_JSON_ARRAY)
		return fail(c, array, CH_ERR_MALFORMED, "an array is expected here");
	for (size_t i = ch_json_first(c->j, array); i != CH_JSON_NONE; i = ch_json_next(c->j, array, i)) {
		enum ch_err err = read(c, i, to);
		if (err != CH_OK)
			return err;
	}
	return CH_OK;
}

static enum ch_err read_string(struct compile *c, size_t value, struct ch_span *to)
{
	if (ch_json_type(c->j, value) != CH_JSON_STRING)
		return fail(c, value, CH_ERR_MALFORMED, "a string is expected here");
	size_t n = c->j->node[value].escaped ? c->j->node[value].len : 0;
	void *buf = ch_arena_take(c->arena, n, 1);
	if (buf == NULL)
		return fail(c, value, CH_ERR_NOSPACE, "no room for the string");
	if (ch_json_str(c->j, value, buf, n, to) != CH_OK)
		return fail(c, value, CH_ERR_ENCODING, "the string is not valid Unicode");
	return CH_OK;
}

static enum ch_err read_bool(struct compile *c, size_t value, bool *to)
{
	enum ch_json_type t = ch_json_type(c->j, value);
	if (t != CH_JSON_TRUE && t != CH_JSON_FALSE)
		return fail(c, value, CH_ERR_MALFORMED, "true or false is expected here");
	*to = t == CH_JSON_TRUE;
	return CH_OK;
}

static enum ch_err read_number(struct compile *c, size_t value, uint64_t max, uint64_t *to)
{
	if (ch_json_type(c->j, value) != CH_JSON_NUMBER || ch_json_u64(c->j, value, to) != CH_OK || *to > max)
		return fail(c, value, CH_ERR_RANGE, "an integer in range is expected here");
	return CH_OK;
}

static enum ch_err read_pcr_number(struct compile *c, size_t value, uint8_t *to)
{
	uint64_t v = 0;
	enum ch_err err = read_number(c, value, CH_PCR_COUNT - 1, &v);
	*to = (uint8_t)v;
	return err;
}

static enum ch_err read_hex(struct compile *c, size_t value, size_t n, struct ch_span *to)
{
	uint8_t *b = ch_arena_take(c->arena, n, 1);
	if (b == NULL)
		return fail(c, value, CH_ERR_NOSPACE, "no room for the digest");
	if (ch_json_type(c->j, value) != CH_JSON_STRING || ch_json_hex(c->j, value, b, n) != CH_OK)
		return fail(c, value, CH_ERR_ENCODING, "hexadecimal digits of the digest's size are expected here");
	*to = ch_span(b, n);
	return CH_OK;
}

static enum ch_err read_word(struct compile *c, size_t value, const char *const *word, size_t count, size_t *to,
			     const char *rule)
{
	for (size_t i = 0; i < count; i++) {
		if (ch_json_str_eq(c->j, value, word[i])) {
			*to = i;
			return CH_OK;
		}
	}
	return fail(c, value, CH_ERR_UNKNOWN, rule);
}

/* --- events --- */

static enum ch_err event_pcr(struct compile *c, size_t value, void *to)
{
	return read_pcr_number(c, value, &((struct ch_ref_event *)to)->pcr);
}

static enum ch_err event_type(struct compile *c, size_t value, void *to)
{
	uint64_t v = 0;
	enum ch_err err = read_number(c, value, UINT32_MAX, &v);
	((struct ch_ref_event *)to)->type = (uint32_t)v;
	return err;
}

static enum ch_err event_required(struct compile *c, size_t value, void *to)
{
	return read_bool(c, value, &((struct ch_ref_event *)to)->required);
}

static enum ch_err event_what(struct compile *c, size_t value, void *to)
{
	return read_string(c, value, &((struct ch_ref_event *)to)->what);
}

static enum ch_err event_covers(struct compile *c, size_t value, void *to)
{
	static const char *const word[] = { "any", "all", "part" };
	size_t i = 0;
	enum ch_err err = read_word(c, value, word, CH_COUNT_OF(word), &i, "covers is all, part or any");
	((struct ch_ref_event *)to)->covers = (enum ch_ref_covers)i;
	return err;
}

static enum ch_err comment(struct compile *c, size_t value, void *to)
{
	struct ch_span ignored;
	(void)to;
	return read_string(c, value, &ignored);
}

static enum ch_err event_digests(struct compile *c, size_t value, void *to)
{
	struct ch_reference *ref = c->ref;
	const struct ch_json *j = c->j;
	size_t first = ref->digest_count;
	if (ch_json_type(j, value) != CH_JSON_OBJECT)
		return fail(c, value, CH_ERR_MALFORMED, "an object of digests by bank is expected here");
	for (size_t name = ch_json_first(j, value); name != CH_JSON_NONE; name = ch_json_next(j, value, name + 1)) {
		struct ch_span bank;
		enum ch_err err = read_string(c, name, &bank);
		if (err != CH_OK)
			return err;
		enum ch_hash_alg alg = ch_hash_by_name(bank);
		if (alg == CH_HASH_NONE)
			return fail(c, name, CH_ERR_UNKNOWN, "not the name of a hash algorithm");
		for (size_t i = first; i < ref->digest_count; i++) {
			if (ref->digest[i].alg == alg)
				return fail(c, name, CH_ERR_DUPLICATE, "the bank is given twice");
		}
		struct ch_ref_digest *dg = &ref->digest[ref->digest_count++];
		*dg = (struct ch_ref_digest){ .event = (uint32_t)((struct ch_ref_event *)to - ref->event), .alg = alg };
		err = read_hex(c, name + 1, ch_hash_size(alg), &dg->value);
		if (err != CH_OK)
			return err;
	}
	if (ref->digest_count == first)
		return fail(c, value, CH_ERR_MISSING, "an event needs a digest in at least one bank");
	return CH_OK;
}

static const struct field event_field[] = {
	{ "pcr", event_pcr, true },         { "type", event_type, true },
	{ "digests", event_digests, true }, { "required", event_required, false },
	{ "covers", event_covers, false },  { "what", event_what, false },
	{ "type_name", comment, false },
};

static enum ch_err read_event(struct compile *c, size_t value, void *to)
{
	(void)to;
	struct ch_ref_event *e = &c->ref->event[c->ref->event_count++];
	*e = (struct ch_ref_event){ .doc = (uint8_t)c->doc };
	enum ch_err err = read_object(c, value, event_field, CH_COUNT_OF(event_field), e);
	if (err == CH_OK)
		c->ref->pcr_mask |= (uint32_t)1 << e->pcr; /* a register that is judged must be quoted */
	return err;
}

/* --- rules --- */

static enum ch_err rule_kind(struct compile *c, size_t value, void *to)
{
	static const char *const word[] = { "boot-order", "boot-option", "gpt", "text", "pcrphase", "smbios" };
	size_t i = 0;
	enum ch_err err = read_word(c, value, word, CH_COUNT_OF(word), &i, "unknown rule");
	((struct ch_ref_rule *)to)->kind = (enum ch_ref_rule_kind)i;
	return err;
}

static enum ch_err rule_tier(struct compile *c, size_t value, void *to)
{
	static const char *const word[] = { "affirming", "warning" };
	size_t i = 0;
	enum ch_err err = read_word(c, value, word, CH_COUNT_OF(word), &i, "a rule's tier is affirming or warning");
	((struct ch_ref_rule *)to)->tier = i == 0 ? CH_TIER_AFFIRMING : CH_TIER_WARNING;
	return err;
}

static enum ch_err rule_pcr(struct compile *c, size_t value, void *to)
{
	return read_pcr_number(c, value, &((struct ch_ref_rule *)to)->pcr);
}

static enum ch_err rule_type(struct compile *c, size_t value, void *to)
{
	uint64_t v = 0;
	enum ch_err err = read_number(c, value, UINT32_MAX, &v);
	((struct ch_ref_rule *)to)->type = (uint32_t)v;
	return err;
}

static enum ch_err rule_text(struct compile *c, size_t value, void *to)
{
	struct ch_ref_rule *r = to;
	r->text_count++;
	return read_string(c, value, &c->ref->text[c->ref->text_count++]);
}

static enum ch_err rule_texts(struct compile *c, size_t value, void *to)
{
	return read_each(c, value, rule_text, to);
}

static enum ch_err part_type(struct compile *c, size_t value, void *to)
{
	struct ch_span text;
	enum ch_err err = read_string(c, value, &text);
	if (err == CH_OK && ch_efi_guid_parse(&((struct ch_ref_part *)to)->type, text) != CH_OK)
		return fail(c, value, CH_ERR_ENCODING, "not a GUID");
	return err;
}

static enum ch_err part_name(struct compile *c, size_t value, void *to)
{
	return read_string(c, value, &((struct ch_ref_part *)to)->name);
}

static enum ch_err part_first(struct compile *c, size_t value, void *to)
{
	return read_number(c, value, UINT64_MAX, &((struct ch_ref_part *)to)->first_lba);
}

static enum ch_err part_last(struct compile *c, size_t value, void *to)
{
	return read_number(c, value, UINT64_MAX, &((struct ch_ref_part *)to)->last_lba);
}

static const struct field part_field[] = {
	{ "type", part_type, true },
	{ "name", part_name, false },
	{ "first_lba", part_first, false },
	{ "last_lba", part_last, false },
};

static enum ch_err rule_part(struct compile *c, size_t value, void *to)
{
	((struct ch_ref_rule *)to)->part_count++;
	return read_object(c, value, part_field, CH_COUNT_OF(part_field), &c->ref->part[c->ref->part_count++]);
}

static enum ch_err rule_parts(struct compile *c, size_t value, void *to)
{
	return read_each(c, value, rule_part, to);
}

static const struct field rule_field[] = {
	{ "rule", rule_kind, true },  { "tier", rule_tier, false },   { "pcr", rule_pcr, false },
	{ "type", rule_type, false }, { "match", rule_texts, false }, { "partitions", rule_parts, false },
	{ "what", comment, false },
};

/* Which keys a rule needs beside "rule": so that a rule that lacks one cannot explain more than was meant. */
static const char *rule_lacks(const struct ch_ref_rule *r)
{
	switch (r->kind) {
	case CH_RULE_BOOT_ORDER:
		return r->text_count == 0 ? "boot-order needs \"match\": the boot options allowed" : NULL;
	case CH_RULE_BOOT_OPTION:
		return r->text_count != 2 ? "boot-option needs \"match\": [description, device path]" : NULL;
	case CH_RULE_GPT:
		return r->part_count == 0 ? "gpt needs \"partitions\"" : NULL;
	case CH_RULE_TEXT:
		return r->text_count == 0 || r->type == 0 ? "text needs \"pcr\", \"type\" and \"match\"" : NULL;
	case CH_RULE_PCRPHASE:
		return r->text_count == 0 || r->text_count > 16 ? "pcrphase needs \"match\": 1 to 16 words" : NULL;
	case CH_RULE_SMBIOS:
		return r->text_count == 0 ? "smbios needs \"match\": \"field=pattern\"" : NULL;
	}
	return "unknown rule";
}

/* Each text of an smbios rule is "field=pattern" with a field that exists. */
static bool fields_exist(const struct ch_reference *ref, const struct ch_ref_rule *r)
{
	for (size_t i = 0; i < r->text_count; i++) {
		struct ch_span name = ref->text[r->text + i];
		size_t n = 0;
		while (n < name.n && name.p[n] != '=')
			n++;
		if (n == name.n || !ch_smbios_is_field(ch_span(name.p, n)))
			return false;
	}
	return true;
}

static enum ch_err read_rule(struct compile *c, size_t value, void *to)
{
	(void)to;
	struct ch_ref_rule *r = &c->ref->rule[c->ref->rule_count++];
	*r = (struct ch_ref_rule){ .tier = CH_TIER_AFFIRMING,
				   .doc = (uint8_t)c->doc,
				   .text = c->ref->text_count,
				   .part = c->ref->part_count };
	enum ch_err err = read_object(c, value, rule_field, CH_COUNT_OF(rule_field), r);
	if (err == CH_OK && rule_lacks(r) != NULL)
		return fail(c, value, CH_ERR_MISSING, rule_lacks(r));
	if (err == CH_OK && r->kind == CH_RULE_SMBIOS && !fields_exist(c->ref, r))
		return fail(c, value, CH_ERR_UNKNOWN, "an smbios pattern is not \"field=pattern\" with a known field");
	return err;
}

/* --- Secure Boot --- */

static enum ch_err sig_sha256(struct compile *c, size_t value, void *to)
{
	if (ch_json_hex(c->j, value, ((struct ch_ref_sig *)to)->sha256, 32) != CH_OK)
		return fail(c, value, CH_ERR_ENCODING, "64 hexadecimal digits are expected here");
	return CH_OK;
}

/* "x509", "sha256", or the GUID of a rarer type. */
static enum ch_err sig_type(struct compile *c, size_t value, void *to)
{
	struct ch_efi_guid *type = &((struct ch_ref_sig *)to)->type;
	struct ch_span text;
	enum ch_err err = read_string(c, value, &text);
	if (err != CH_OK)
		return err;
	if (ch_span_eq(text, CH_SPAN_LIT("x509")))
		*type = ch_efi_cert_x509;
	else if (ch_span_eq(text, CH_SPAN_LIT("sha256")))
		*type = ch_efi_cert_sha256;
	else if (ch_efi_guid_parse(type, text) != CH_OK)
		return fail(c, value, CH_ERR_UNKNOWN, "the type of an entry is x509, sha256 or a GUID");
	return CH_OK;
}

static enum ch_err sig_subject(struct compile *c, size_t value, void *to)
{
	return read_string(c, value, &((struct ch_ref_sig *)to)->subject);
}

static const struct field sig_field[] = { { "type", sig_type, true },
					  { "sha256", sig_sha256, true },
					  { "subject", sig_subject, false } };

static enum ch_err read_sig(struct compile *c, size_t value, void *to)
{
	(void)to;
	struct ch_ref_sig *s = &c->ref->sig[c->ref->sig_count++];
	*s = (struct ch_ref_sig){ .db = c->db, .doc = (uint8_t)c->doc };
	return read_object(c, value, sig_field, CH_COUNT_OF(sig_field), s);
}

static enum ch_err read_set(struct compile *c, size_t value, enum ch_ref_db db)
{
	c->db = db;
	return read_each(c, value, read_sig, NULL);
}

static enum ch_err set_pk(struct compile *c, size_t value, void *to)
{
	(void)to;
	return read_set(c, value, CH_REF_PK);
}

static enum ch_err set_kek(struct compile *c, size_t value, void *to)
{
	(void)to;
	return read_set(c, value, CH_REF_KEK);
}

static enum ch_err set_db(struct compile *c, size_t value, void *to)
{
	(void)to;
	return read_set(c, value, CH_REF_DB);
}

static enum ch_err set_dbx(struct compile *c, size_t value, void *to)
{
	(void)to;
	return read_set(c, value, CH_REF_DBX);
}

static enum ch_err set_enabled(struct compile *c, size_t value, void *to)
{
	(void)to;
	bool required = false;
	enum ch_err err = read_bool(c, value, &required);
	c->ref->secure_boot_required |= required; /* a second document can demand it, never waive it */
	return err;
}

static const struct field secure_boot_field[] = {
	{ "enabled", set_enabled, true }, { "pk", set_pk, true },   { "kek", set_kek, true },
	{ "db", set_db, true },           { "dbx", set_dbx, true },
};

static enum ch_err read_secure_boot(struct compile *c, size_t value, void *to)
{
	c->ref->secure_boot_judged = true;
	c->ref->pcr_mask |= (uint32_t)1 << 7; /* where these sets are measured */
	return read_object(c, value, secure_boot_field, CH_COUNT_OF(secure_boot_field), to);
}

/* --- IMA --- */

static enum ch_err file_path(struct compile *c, size_t value, void *to)
{
	return read_string(c, value, &((struct ch_ref_file *)to)->path);
}

static enum ch_err file_digest(struct compile *c, size_t value, void *to)
{
	struct ch_span text;
	enum ch_err err = read_string(c, value, &text);
	if (err != CH_OK)
		return err;
	size_t colon = 0;
	while (colon < text.n && text.p[colon] != ':')
		colon++;
	enum ch_hash_alg alg = ch_hash_by_name(ch_span(text.p, colon));
	size_t size = ch_hash_size(alg);
	uint8_t *b = ch_arena_take(c->arena, size, 1);
	if (b == NULL)
		return fail(c, value, CH_ERR_NOSPACE, "no room for the digest");
	if (size == 0 || ch_hex_decode(b, size, ch_span_sub(text, colon + 1, 2 * size)) != CH_OK ||
	    text.n != colon + 1 + 2 * size)
		return fail(c, value, CH_ERR_ENCODING, "\"algorithm:hexadecimal digits\" is expected here");
	/* The path is the same for all of one file's digests; read_file fills it in, as keys may come in any order. */
	c->ref->file[c->ref->file_count++] =
		(struct ch_ref_file){ .alg = alg, .digest = ch_span(b, size), .doc = (uint8_t)c->doc };
	(void)to;
	return CH_OK;
}

static enum ch_err file_digests(struct compile *c, size_t value, void *to)
{
	return read_each(c, value, file_digest, to);
}

static const struct field file_field[] = { { "path", file_path, true }, { "digests", file_digests, true } };

static enum ch_err read_file(struct compile *c, size_t value, void *to)
{
	(void)to;
	struct ch_ref_file f = { .doc = 0 };
	size_t first = c->ref->file_count;
	enum ch_err err = read_object(c, value, file_field, CH_COUNT_OF(file_field), &f);
	for (size_t i = first; i < c->ref->file_count; i++)
		c->ref->file[i].path = f.path;
	return err;
}

static enum ch_err ima_files(struct compile *c, size_t value, void *to)
{
	return read_each(c, value, read_file, to);
}

static enum ch_err ima_aggregate(struct compile *c, size_t value, void *to)
{
	(void)to;
	bool required = false;
	enum ch_err err = read_bool(c, value, &required);
	c->ref->ima_boot_aggregate |= required;
	return err;
}

static enum ch_err ima_violations(struct compile *c, size_t value, void *to)
{
	static const char *const word[] = { "warning", "contraindicated" };
	(void)to;
	size_t i = 0;
	enum ch_err err =
		read_word(c, value, word, CH_COUNT_OF(word), &i, "violations are a warning or contraindicated");
	if (i == 1)
		c->ref->ima_violations = CH_TIER_CONTRAINDICATED;
	return err;
}

static const struct field ima_field[] = {
	{ "files", ima_files, true },
	{ "boot_aggregate", ima_aggregate, true },
	{ "violations", ima_violations, false },
};

static enum ch_err read_ima(struct compile *c, size_t value, void *to)
{
	c->ref->ima_judged = true;
	return read_object(c, value, ima_field, CH_COUNT_OF(ima_field), to);
}

/* --- the document --- */

static enum ch_err doc_format(struct compile *c, size_t value, void *to)
{
	(void)to;
	if (!ch_json_str_eq(c->j, value, FORMAT))
		return fail(c, value, CH_ERR_UNSUPPORTED, "the format is not \"" FORMAT "\"");
	return CH_OK;
}

static enum ch_err doc_kind(struct compile *c, size_t value, void *to)
{
	static const char *const word[] = { "baseline", "release", "pinned" };
	size_t i = 0;
	enum ch_err err = read_word(c, value, word, CH_COUNT_OF(word), &i, "the kind is baseline, release or pinned");
	((struct ch_ref_doc *)to)->kind = (enum ch_ref_kind)i;
	return err;
}

static enum ch_err doc_name(struct compile *c, size_t value, void *to)
{
	struct ch_ref_doc *doc = to;
	enum ch_err err = read_string(c, value, &doc->name);
	if (err == CH_OK && (doc->name.n == 0 || doc->name.n > 128))
		return fail(c, value, CH_ERR_RANGE, "a name has 1 to 128 bytes");
	return err;
}

static enum ch_err doc_pcr(struct compile *c, size_t value, void *to)
{
	(void)to;
	uint8_t pcr = 0;
	enum ch_err err = read_pcr_number(c, value, &pcr);
	if (err == CH_OK)
		c->ref->pcr_mask |= (uint32_t)1 << pcr;
	return err;
}

static enum ch_err doc_pcrs(struct compile *c, size_t value, void *to)
{
	return read_each(c, value, doc_pcr, to);
}

static enum ch_err doc_events(struct compile *c, size_t value, void *to)
{
	return read_each(c, value, read_event, to);
}

static enum ch_err doc_rules(struct compile *c, size_t value, void *to)
{
	return read_each(c, value, read_rule, to);
}

static const struct field doc_field[] = {
	{ "format", doc_format, true },
	{ "kind", doc_kind, true },
	{ "name", doc_name, true },
	{ "pcrs", doc_pcrs, true },
	{ "events", doc_events, false },
	{ "rules", doc_rules, false },
	{ "secure_boot", read_secure_boot, false },
	{ "ima", read_ima, false },
};

/* --- memory: upper bounds from the documents, so that nothing is read twice --- */

struct sizes {
	size_t events, strings, objects, bytes;
};

static struct sizes sizes_of(const struct ch_json *docs, size_t count)
{
	struct sizes s = { 0 };
	for (size_t d = 0; d < count; d++) {
		for (size_t i = 0; i < docs[d].count; i++) {
			s.strings += ch_json_type(&docs[d], i) == CH_JSON_STRING;
			s.objects += ch_json_type(&docs[d], i) == CH_JSON_OBJECT;
		}
		s.bytes += docs[d].in.n;
	}
	return s;
}

static size_t index_size(size_t n)
{
	size_t size = 16;
	while (size < 2 * n)
		size *= 2;
	return size;
}

/* Every event, rule, partition, set entry and file is an object; every digest and text is a string. */
size_t ch_reference_arena_size(const struct ch_json *docs, size_t count)
{
	struct sizes s = sizes_of(docs, count);
	size_t objects = sizeof(struct ch_ref_event) + sizeof(struct ch_ref_rule) + sizeof(struct ch_ref_part) +
			 sizeof(struct ch_ref_sig);
	size_t strings = sizeof(struct ch_ref_digest) + sizeof(struct ch_span) + sizeof(struct ch_ref_file) + 32;
	return s.objects * objects + s.strings * strings + s.bytes + 2 * index_size(s.strings) * sizeof(uint32_t) +
	       1024;
}

static enum ch_err take_memory(struct ch_reference *ref, struct ch_arena *arena, const struct ch_json *docs,
			       size_t count)
{
	struct sizes s = sizes_of(docs, count);
	ref->event = ch_arena_take(arena, s.objects, sizeof(*ref->event));
	ref->rule = ch_arena_take(arena, s.objects, sizeof(*ref->rule));
	ref->part = ch_arena_take(arena, s.objects, sizeof(*ref->part));
	ref->sig = ch_arena_take(arena, s.objects, sizeof(*ref->sig));
	ref->digest = ch_arena_take(arena, s.strings, sizeof(*ref->digest));
	ref->text = ch_arena_take(arena, s.strings, sizeof(*ref->text));
	ref->file = ch_arena_take(arena, s.strings, sizeof(*ref->file));
	ref->digest_index_size = index_size(s.strings);
	ref->digest_index = ch_arena_take(arena, ref->digest_index_size, sizeof(uint32_t));
	ref->file_index_size = index_size(s.strings);
	ref->file_index = ch_arena_take(arena, ref->file_index_size, sizeof(uint32_t));
	bool all = ref->event != NULL && ref->rule != NULL && ref->part != NULL && ref->sig != NULL &&
		   ref->digest != NULL && ref->text != NULL && ref->file != NULL && ref->digest_index != NULL &&
		   ref->file_index != NULL;
	return all ? CH_OK : CH_ERR_NOSPACE;
}

enum ch_err ch_reference_compile(struct ch_reference *ref, const struct ch_json *docs, size_t count,
				 struct ch_arena *arena, struct ch_ref_diag *d)
{
	*ref = (struct ch_reference){ .ima_violations = CH_TIER_WARNING };
	*d = (struct ch_ref_diag){ 0 };
	if (count == 0 || count > CH_REF_DOCS_MAX || take_memory(ref, arena, docs, count) != CH_OK) {
		d->rule = "between 1 and 32 documents can be used together";
		return CH_ERR_LIMIT;
	}
	struct compile c = { .ref = ref, .arena = arena, .d = d };
	for (c.doc = 0; c.doc < count; c.doc++) {
		c.j = &docs[c.doc];
		enum ch_err err = read_object(&c, 0, doc_field, CH_COUNT_OF(doc_field), &ref->doc[ref->doc_count++]);
		if (err != CH_OK) {
			*ref = (struct ch_reference){ 0 };
			return err;
		}
	}
	if (ref->pcr_mask == 0) {
		*ref = (struct ch_reference){ 0 };
		*d = (struct ch_ref_diag){
			.rule = "no document names a register that a quote must cover: nothing would be judged"
		};
		return CH_ERR_MISSING;
	}
	ch_reference_index(ref);
	return CH_OK;
}
