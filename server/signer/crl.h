/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_SIGNER_CRL_H
#define CH_SIGNER_CRL_H

#include "core/platform/crl.h"
#include "server/signer/issue.h"

/*
 * What is revoked, as the signer knows it: a set that only grows. What the keeper says is added to it; nothing takes out of it, and a list
 * that is signed has everything that the one before had, but for certificates that have ended since. On disk before it leaves, as the
 * log's tree is: a keeper whose store was put back to an older day publishes no list that forgets.
 */
struct ch_signer_crl {
	int dir;
	char name[64];            /* of the file: one a CA, by its key identifier */
	struct ch_revoked *entry; /* sorted by serial number */
	size_t count, cap;
	uint64_t number; /* of the last list */
	int64_t this_update;
	int64_t lifetime; /* seconds to the next update */
};

/*
 * Reads the file of this CA in the folder `dir` (a descriptor, borrowed); without one nothing is revoked yet. CH_ERR_MALFORMED if it is
 * damaged, CH_ERR_IO with errno.
 */
CH_MUST_USE enum ch_err ch_signer_crl_open(struct ch_signer_crl *c, int dir, const struct ch_issuer *ca,
					   int64_t lifetime);
void ch_signer_crl_clear(struct ch_signer_crl *c);

/*
 * Adds rows (CH_IPC_REVOKED bytes each, messages.h) that are not in it yet: the first word about a certificate stands. CH_ERR_MALFORMED for
 * rows that are none, CH_ERR_LIMIT if they do not fit; nothing is added then. `clock` is this process's time: none was revoked later.
 */
CH_MUST_USE enum ch_err ch_signer_crl_add(struct ch_signer_crl *c, struct ch_span rows, int64_t clock);

/*
 * Adds what a list of this CA has, which the caller verified: each until `expires`, as a list does not say when its certificates end. The next list has a higher
 * number than this one, and no earlier time. Durable on CH_OK; CH_ERR_LIMIT, CH_ERR_RANGE (a number or time that no list of ours can follow), CH_ERR_IO.
 */
CH_MUST_USE enum ch_err ch_signer_crl_take(struct ch_signer_crl *c, const struct ch_crl *list, int64_t expires);

/*
 * Makes the set durable, with a new number, then appends the list of it that is to be signed. The number grows by one or more, and is at
 * least the time in seconds, so that it grows even after the file was lost; thisUpdate never goes back. CH_ERR_IO, CH_ERR_LIMIT: there is no new
 * list.
 */
CH_MUST_USE enum ch_err ch_signer_crl_next(struct ch_signer_crl *c, const struct ch_issuer *ca, int64_t clock,
					   struct ch_buf *tbs);
/* Appends the list with its signature. CH_ERR_CRYPTO if `sig` is NULL. */
CH_MUST_USE enum ch_err ch_signer_crl_signed(struct ch_buf *list, struct ch_span tbs, const uint8_t *sig);

/* The entry of a certificate; NULL if it is not revoked. Those that have ended are found too. */
const struct ch_revoked *ch_signer_crl_find(const struct ch_signer_crl *c, const struct ch_serial *serial);

#endif
