/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/rauc_bundle.h"

#include "core/base/rd.h"
#include "core/wire/der.h"

#define SIZE_FIELD 8 /* the size of the signature, big-endian, at the very end */
#define CLAUSE     " (RAUC bundle, CMS)"

static void require_oid(struct ch_der_rd *r, struct ch_span want, const char *rule)
{
	ch_der_require(r, ch_span_eq(ch_der_oid(r, rule), want), CH_ERR_UNSUPPORTED, rule);
}

/* EncapsulatedContentInfo: the manifest, or nothing. */
static struct ch_span read_content(struct ch_der_rd *parent)
{
	struct ch_span content = CH_SPAN_EMPTY;
	struct ch_der_rd info = ch_der_enter(parent, CH_DER_SEQUENCE, "encapContentInfo" CLAUSE);
	require_oid(&info, CH_SPAN_LIT("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"), "data is what is signed" CLAUSE);
	if (ch_der_more(&info)) {
		struct ch_der_rd explicit = ch_der_enter(&info, CH_DER_CONTEXT_IN(0), "eContent" CLAUSE);
		content = ch_der_octets(&explicit, "eContent" CLAUSE);
		ch_der_leave(&info, &explicit, "bytes after eContent" CLAUSE);
	}
	ch_der_leave(parent, &info, "bytes after encapContentInfo" CLAUSE);
	return content;
}

static enum ch_err read_cms(struct ch_rauc_bundle *b, size_t base, struct ch_diag *d)
{
	struct ch_der_rd in = ch_der_rd(b->cms, base);
	struct ch_der_rd info = ch_der_enter(&in, CH_DER_SEQUENCE, "ContentInfo" CLAUSE);
	require_oid(&info, CH_SPAN_LIT("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"),
		    "signedData; encrypted bundles are not supported" CLAUSE);
	struct ch_der_rd explicit = ch_der_enter(&info, CH_DER_CONTEXT_IN(0), "content" CLAUSE);
	struct ch_der_rd s = ch_der_enter(&explicit, CH_DER_SEQUENCE, "SignedData" CLAUSE);
	(void)ch_der_small(&s, 5, "version" CLAUSE);
	(void)ch_der_skip(&s); /* digestAlgorithms */
	b->manifest = read_content(&s);
	while (ch_der_more(&s))
		(void)ch_der_skip(&s); /* certificates, lists, signers */
	ch_der_leave(&explicit, &s, "bytes after SignedData" CLAUSE);
	ch_der_leave(&info, &explicit, "bytes after content" CLAUSE);
	ch_der_leave(&in, &info, "bytes after ContentInfo" CLAUSE);
	return ch_der_end(&in, d, "bytes after the signature" CLAUSE);
}

enum ch_err ch_rauc_bundle_parse(struct ch_rauc_bundle *b, struct ch_span file, struct ch_diag *d)
{
	ch_diag_clear(d);
	*b = (struct ch_rauc_bundle){ .content = CH_SPAN_EMPTY };
	if (!ch_span_starts(file, CH_SPAN_LIT("hsqs")) || file.n < SIZE_FIELD)
		return ch_fail(d, CH_ERR_MALFORMED, 0, "no squashfs: not a RAUC bundle");
	struct ch_rd r = ch_rd(ch_span_sub(file, file.n - SIZE_FIELD, SIZE_FIELD));
	uint64_t size = ch_rd_be64(&r);
	if (size == 0 || size > CH_RAUC_SIGNATURE_MAX || size > file.n - SIZE_FIELD)
		return ch_fail(d, CH_ERR_RANGE, file.n - SIZE_FIELD,
			       "the signature's size is not that of a signature (RAUC bundle)");
	size_t at = file.n - SIZE_FIELD - (size_t)size;
	b->content = ch_span_sub(file, 0, at);
	b->cms = ch_span_sub(file, at, (size_t)size);
	enum ch_err err = read_cms(b, at, d);
	if (err != CH_OK)
		*b = (struct ch_rauc_bundle){ .content = CH_SPAN_EMPTY };
	return err;
}
