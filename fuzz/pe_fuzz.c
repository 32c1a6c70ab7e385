/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever the bytes: a refusal names its rule and leaves nothing; of what is accepted all lies in the file, in order, beside each other, and the
 * hash changes with what it covers and with nothing else. Signatures in it are read as well.
 */
#include "core/update/authenticode.h"
#include "core/update/pe.h"

#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#include "host/crypto_openssl/backend.h"

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	CHECK(ch_crypto_openssl_init() == CH_OK);
	return 0;
}

static void check_inside(struct ch_span all, struct ch_span part)
{
	CHECK(part.n == 0 || (part.p >= all.p && part.n <= all.n && (size_t)(part.p - all.p) <= all.n - part.n));
}

static void check_sections(const struct ch_pe *pe)
{
	size_t end = pe->header_size;
	CHECK(pe->section_count <= CH_PE_SECTIONS_MAX && end <= pe->file.n);
	for (size_t i = 0; i < pe->section_count; i++) {
		CHECK(pe->order[i] < pe->section_count);
		const struct ch_pe_section *s = &pe->section[pe->order[i]];
		check_inside(pe->file, s->raw);
		CHECK(s->name.n <= 8);
		if (s->raw.n == 0)
			continue;
		CHECK(s->raw.p == pe->file.p + s->raw_off && s->raw_off >= end);
		end = s->raw_off + s->raw.n;
	}
	CHECK(end <= pe->file.n - pe->certs.n);
}

static void check_certs(const struct ch_pe *pe)
{
	struct ch_pe_cert c;
	struct ch_authenticode a;
	struct ch_diag d;
	size_t i = 0;
	check_inside(pe->file, pe->certs);
	CHECK(pe->certs.n == 0 || pe->certs.p + pe->certs.n == pe->file.p + pe->file.n);
	for (; ch_pe_cert(pe, i, &c); i++) {
		check_inside(pe->certs, c.body);
		if (ch_authenticode_parse(&a, c.body, &d) == CH_OK) {
			check_inside(c.body, a.digest);
			check_inside(c.body, a.certs);
			CHECK(a.digest.n == ch_hash_size(a.alg) && a.digest.n > 0);
		} else {
			CHECK(d.rule != NULL && d.off <= c.body.n && a.digest.n == 0 && a.certs.n == 0);
		}
	}
	CHECK(i <= CH_PE_CERTS_MAX && (i > 0) == (pe->certs.n > 0));
}

static void check_hash(const struct ch_pe *pe, uint8_t *bytes)
{
	struct ch_digest whole, other;
	CHECK(ch_pe_hash(pe, CH_HASH_SHA256, &whole) == CH_OK);
	bytes[pe->checksum_off + 3] ^= 1;
	CHECK(ch_pe_hash(pe, CH_HASH_SHA256, &other) == CH_OK);
	CHECK(ch_span_eq(ch_digest_span(&whole), ch_digest_span(&other)));
	bytes[pe->checksum_off + 4] ^= 1;
	CHECK(ch_pe_hash(pe, CH_HASH_SHA256, &other) == CH_OK);
	CHECK(!ch_span_eq(ch_digest_span(&whole), ch_digest_span(&other)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ch_pe pe;
	struct ch_authenticode a;
	struct ch_diag d;
	uint8_t *copy = malloc(size != 0 ? size : 1);
	CHECK(copy != NULL);
	struct ch_span in = ch_span(copy, ch_span_copy(copy, size, ch_span(data, size)));
	if (ch_authenticode_parse(&a, in, &d) == CH_OK)
		check_inside(in, a.digest);
	if (ch_pe_parse(&pe, in, &d) == CH_OK) {
		CHECK(d.rule == NULL);
		check_sections(&pe);
		check_certs(&pe);
		check_hash(&pe, copy);
	} else {
		CHECK(d.rule != NULL && d.off <= size && pe.file.n == 0 && pe.section_count == 0 && pe.certs.n == 0);
	}
	free(copy);
	return 0;
}
