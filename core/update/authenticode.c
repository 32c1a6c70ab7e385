/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/authenticode.h"

#include "core/wire/der.h"

#define CLAUSE " (Authenticode 1.0, PKCS #7)"

static enum ch_hash_alg alg_of(struct ch_span oid)
{
	static const struct {
		struct ch_span oid;
		enum ch_hash_alg alg;
	} known[] = {
		{ CH_SPAN_LIT("\x60\x86\x48\x01\x65\x03\x04\x02\x01"), CH_HASH_SHA256 },
		{ CH_SPAN_LIT("\x60\x86\x48\x01\x65\x03\x04\x02\x02"), CH_HASH_SHA384 },
		{ CH_SPAN_LIT("\x60\x86\x48\x01\x65\x03\x04\x02\x03"), CH_HASH_SHA512 },
		{ CH_SPAN_LIT("\x2b\x0e\x03\x02\x1a"), CH_HASH_SHA1 },
	};
	for (size_t i = 0; i < CH_COUNT_OF(known); i++) {
		if (ch_span_eq(oid, known[i].oid))
			return known[i].alg;
	}
	return CH_HASH_NONE;
}

static void require_oid(struct ch_der_rd *r, struct ch_span want, const char *rule)
{
	ch_der_require(r, ch_span_eq(ch_der_oid(r, rule), want), CH_ERR_UNSUPPORTED, rule);
}

/* DigestInfo */
static void read_digest(struct ch_authenticode *a, struct ch_der_rd *parent)
{
	struct ch_der_rd info = ch_der_enter(parent, CH_DER_SEQUENCE, "DigestInfo" CLAUSE);
	struct ch_der_rd alg = ch_der_enter(&info, CH_DER_SEQUENCE, "digestAlgorithm" CLAUSE);
	a->alg = alg_of(ch_der_oid(&alg, "algorithm" CLAUSE));
	ch_der_require(&alg, a->alg != CH_HASH_NONE, CH_ERR_UNSUPPORTED, "a digest algorithm that is not known" CLAUSE);
	if (ch_der_more(&alg))
		ch_der_null(&alg, "parameters of a hash: NULL" CLAUSE);
	ch_der_leave(&info, &alg, "bytes after digestAlgorithm" CLAUSE);
	a->digest = ch_der_octets(&info, "digest" CLAUSE);
	ch_der_require(&info, a->digest.n == ch_hash_size(a->alg), CH_ERR_RANGE,
		       "a digest of another size than its algorithm's" CLAUSE);
	ch_der_leave(parent, &info, "bytes after DigestInfo" CLAUSE);
}

/* ContentInfo of SpcIndirectDataContent */
static void read_content(struct ch_authenticode *a, struct ch_der_rd *parent)
{
	struct ch_der_rd info = ch_der_enter(parent, CH_DER_SEQUENCE, "contentInfo" CLAUSE);
	require_oid(&info, CH_SPAN_LIT("\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x04"),
		    "SPC_INDIRECT_DATA is what is signed" CLAUSE);
	struct ch_der_rd explicit = ch_der_enter(&info, CH_DER_CONTEXT_IN(0), "content" CLAUSE);
	struct ch_der_rd spc = ch_der_enter(&explicit, CH_DER_SEQUENCE, "SpcIndirectDataContent" CLAUSE);
	(void)ch_der_skip(&spc); /* SpcPeImageData: flags and an obsolete text */
	read_digest(a, &spc);
	ch_der_leave(&explicit, &spc, "bytes after SpcIndirectDataContent" CLAUSE);
	ch_der_leave(&info, &explicit, "bytes after content" CLAUSE);
	ch_der_leave(parent, &info, "bytes after contentInfo" CLAUSE);
}

static void read_signed_data(struct ch_authenticode *a, struct ch_der_rd *parent)
{
	struct ch_der_rd s = ch_der_enter(parent, CH_DER_SEQUENCE, "SignedData" CLAUSE);
	(void)ch_der_small(&s, 1, "version 1" CLAUSE);
	(void)ch_der_skip(&s); /* digestAlgorithms: that of the content counts */
	read_content(a, &s);
	if (ch_der_peek(&s) == CH_DER_CONTEXT_IN(0))
		a->certs = ch_der_skip(&s).body;
	if (ch_der_peek(&s) == CH_DER_CONTEXT_IN(1))
		(void)ch_der_skip(&s); /* lists */
	struct ch_der infos = ch_der_skip(&s);
	ch_der_require(&s, infos.tag == CH_DER_SET, CH_ERR_MALFORMED, "signerInfos" CLAUSE);
	ch_der_leave(parent, &s, "bytes after signerInfos" CLAUSE);
}

enum ch_err ch_authenticode_parse(struct ch_authenticode *a, struct ch_span pkcs7, struct ch_diag *d)
{
	ch_diag_clear(d);
	*a = (struct ch_authenticode){ .alg = CH_HASH_NONE };
	/* The table pads a signature, and some signers count that as part of it. */
	size_t padding = 0;
	while (padding < 7 && padding < pkcs7.n && pkcs7.p[pkcs7.n - 1 - padding] == 0)
		padding++;
	struct ch_der_rd probe = ch_der_rd(pkcs7, 0);
	struct ch_der all = ch_der_any(&probe);
	if (ch_der_ok(&probe) && pkcs7.n - all.whole.n <= padding)
		pkcs7.n = all.whole.n;
	struct ch_der_rd in = ch_der_rd(pkcs7, 0);
	struct ch_der_rd info = ch_der_enter(&in, CH_DER_SEQUENCE, "ContentInfo" CLAUSE);
	require_oid(&info, CH_SPAN_LIT("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"), "signedData" CLAUSE);
	struct ch_der_rd explicit = ch_der_enter(&info, CH_DER_CONTEXT_IN(0), "content" CLAUSE);
	read_signed_data(a, &explicit);
	ch_der_leave(&info, &explicit, "bytes after SignedData" CLAUSE);
	ch_der_leave(&in, &info, "bytes after ContentInfo" CLAUSE);
	enum ch_err err = ch_der_end(&in, d, "bytes after the signature" CLAUSE);
	if (err != CH_OK)
		*a = (struct ch_authenticode){ .alg = CH_HASH_NONE };
	return err;
}
