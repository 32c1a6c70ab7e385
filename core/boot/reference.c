/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/reference.h"

/* Searching a compiled set. */

const char *ch_ref_kind_str(enum ch_ref_kind kind)
{
	static const char *const name[] = { "baseline", "release", "pinned" };
	return (size_t)kind < CH_COUNT_OF(name) ? name[kind] : "unknown";
}

const char *ch_ref_rule_str(enum ch_ref_rule_kind kind)
{
	static const char *const name[] = { "boot-order", "boot-option", "gpt", "text", "pcrphase", "smbios" };
	return (size_t)kind < CH_COUNT_OF(name) ? name[kind] : "unknown";
}

const char *ch_ref_db_str(enum ch_ref_db db)
{
	static const char *const name[] = { "PK", "KEK", "db", "dbx" };
	return (size_t)db < CH_COUNT_OF(name) ? name[db] : "unknown";
}

/* Digests are uniform, so their first bytes are the hash. A search visits at most as many slots as there are equal starts. */
static size_t slot_of(struct ch_span digest, size_t size)
{
	size_t h = 0;
	for (size_t i = 0; i < 4 && i < digest.n; i++)
		h = h << 8 | digest.p[i];
	return h & (size - 1);
}

/* Many files of one system are empty or otherwise alike: the path tells them apart (FNV-1a, folded into the digest). */
static size_t file_slot(struct ch_span digest, struct ch_span path, size_t size)
{
	uint32_t h = 0x811c9dc5u;
	for (size_t i = 0; i < path.n; i++)
		h = (h ^ path.p[i]) * 0x01000193u;
	return (slot_of(digest, size) + (h ^ h >> 15)) & (size - 1);
}

static void index_add(uint32_t *index, size_t size, size_t at, size_t item)
{
	while (index[at] != 0)
		at = (at + 1) & (size - 1);
	index[at] = (uint32_t)item + 1;
}

void ch_reference_index(struct ch_reference *ref)
{
	for (size_t i = 0; i < ref->digest_count; i++)
		index_add(ref->digest_index, ref->digest_index_size,
			  slot_of(ref->digest[i].value, ref->digest_index_size), i);
	for (size_t i = 0; i < ref->file_count; i++)
		index_add(ref->file_index, ref->file_index_size,
			  file_slot(ref->file[i].digest, ref->file[i].path, ref->file_index_size), i);
}

const struct ch_ref_event *ch_reference_event(const struct ch_reference *ref, enum ch_ref_kind kind, uint32_t pcr,
					      uint32_t type, enum ch_hash_alg alg, struct ch_span digest)
{
	if (ref->digest_count == 0)
		return NULL;
	size_t mask = ref->digest_index_size - 1;
	for (size_t at = slot_of(digest, ref->digest_index_size); ref->digest_index[at] != 0; at = (at + 1) & mask) {
		const struct ch_ref_digest *dg = &ref->digest[ref->digest_index[at] - 1];
		const struct ch_ref_event *e = &ref->event[dg->event];
		if (dg->alg == alg && e->pcr == pcr && e->type == type && ref->doc[e->doc].kind == kind &&
		    ch_span_eq(dg->value, digest))
			return e;
	}
	return NULL;
}

struct ch_span ch_reference_digest(const struct ch_reference *ref, const struct ch_ref_event *e, enum ch_hash_alg alg)
{
	uint32_t event = (uint32_t)(e - ref->event);
	/* Digests lie in the order of their events: a binary search finds the first of this one. */
	size_t lo = 0, hi = ref->digest_count;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (ref->digest[mid].event < event)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < ref->digest_count && ref->digest[lo].event == event; lo++) {
		if (ref->digest[lo].alg == alg)
			return ref->digest[lo].value;
	}
	return CH_SPAN_EMPTY;
}

const struct ch_ref_file *ch_reference_file(const struct ch_reference *ref, struct ch_span path, enum ch_hash_alg alg,
					    struct ch_span digest)
{
	if (ref->file_count == 0)
		return NULL;
	size_t mask = ref->file_index_size - 1;
	for (size_t at = file_slot(digest, path, ref->file_index_size); ref->file_index[at] != 0;
	     at = (at + 1) & mask) {
		const struct ch_ref_file *f = &ref->file[ref->file_index[at] - 1];
		if (f->alg == alg && ch_span_eq(f->digest, digest) && ch_span_eq(f->path, path))
			return f;
	}
	return NULL;
}

const struct ch_ref_file *ch_reference_file_by_path(const struct ch_reference *ref, struct ch_span path)
{
	for (size_t i = 0; i < ref->file_count; i++) {
		if (ch_span_eq(ref->file[i].path, path))
			return &ref->file[i];
	}
	return NULL;
}

const struct ch_ref_sig *ch_reference_sig(const struct ch_reference *ref, enum ch_ref_db db,
					  const struct ch_efi_guid *type, const uint8_t sha256[static 32])
{
	for (size_t i = 0; i < ref->sig_count; i++) {
		if (ref->sig[i].db == db && ch_efi_guid_eq(&ref->sig[i].type, type) &&
		    ch_span_eq(ch_span(ref->sig[i].sha256, 32), ch_span(sha256, 32)))
			return &ref->sig[i];
	}
	return NULL;
}

enum ch_err ch_ref_sig_identity(const struct ch_efi_sig *sig, uint8_t sha256[static 32])
{
	if (ch_efi_guid_eq(&sig->type, &ch_efi_cert_sha256) && sig->data.n == 32) {
		ch_span_copy(sha256, 32, sig->data);
		return CH_OK;
	}
	struct ch_digest d;
	if (ch_hash_once(CH_HASH_SHA256, sig->data, &d) != CH_OK)
		return CH_ERR_CRYPTO;
	ch_span_copy(sha256, 32, ch_digest_span(&d));
	return CH_OK;
}

/* Bytes of the pattern at `p` that stand for the byte `c` and nothing else: 1, or 3 for an escaped star; 0: it is another byte. */
static size_t stands_for(struct ch_span pattern, size_t p, uint8_t c)
{
	static const uint8_t star[] = { '[', '*', ']' };
	if (p >= pattern.n)
		return 0;
	if (ch_span_starts(ch_span_sub(pattern, p, pattern.n - p), CH_SPAN_OF(star)))
		return c == '*' ? sizeof(star) : 0;
	return pattern.p[p] == c ? 1 : 0;
}

bool ch_ref_glob(struct ch_span pattern, struct ch_span s)
{
	size_t p = 0, i = 0;
	size_t star = pattern.n, from = 0; /* the last '*' and how far it reaches */
	while (i < s.n) {
		size_t literal = stands_for(pattern, p, s.p[i]);
		if (p < pattern.n && pattern.p[p] == '*') {
			star = p++;
			from = i;
		} else if (literal > 0) {
			p += literal;
			i++;
		} else if (star < pattern.n) {
			p = star + 1;
			i = ++from;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}
