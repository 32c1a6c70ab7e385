/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_BENCH_MADE_EVIDENCE_H
#define CH_BENCH_MADE_EVIDENCE_H

#include "core/base/span.h"

#include <openssl/evp.h>

/* Evidence of one boot for the benches: the recorded GRUB boot, extended to 100 events, and quotes over its replay. */

#define BENCH_EVENTS   100
#define BENCH_SELECTED 0x7fffu /* PCR 0..14 */

/* Ends the program with a line unless `ok`. */
void bench_need(bool ok, const char *what);
/* CPU time of this process in microseconds. */
double bench_cpu_us(void);
/* For qsort of doubles. */
int bench_by_value(const void *a, const void *b);

/* The log; static memory. `folder` is tests/fixtures. */
struct ch_span bench_log(const char *folder);
/* TPMS_ATTEST over the log's replay. */
struct ch_span bench_quote(struct ch_span log, const uint8_t nonce[static 32], uint64_t clock, uint8_t *to, size_t cap);
/* Signs and gives the signature both as DER and as TPMT_SIGNATURE. */
struct ch_span bench_sign(EVP_PKEY *key, struct ch_span msg, uint8_t *der, size_t *der_n, uint8_t *tpm, size_t cap);
/* Reference values that endorse every event by its digest, as a document; static memory. */
struct ch_span bench_document(struct ch_span log);

#endif
