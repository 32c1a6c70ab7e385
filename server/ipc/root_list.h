/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_IPC_ROOT_LIST_H
#define CH_IPC_ROOT_LIST_H

#include "core/platform/crl.h"

/* The list of a root (RFC 5280, 5), which is signed where the root is and given out here: main judges it where it reads it, an edge before it gives it out. */

#define CH_ROOT_LISTS_MAX 8

struct ch_root_list {
	char kid[65]; /* the root's key identifier in hexadecimal: its file and its path are called so */
	uint64_t number;
	int64_t this_update, next_update; /* seconds since 1970 */
	bool revokes_issuer;              /* the CA that issues is in it */
};

/*
 * Judges a list by the certificates that the server trusts (PEM, the CA that issues first). Whether it has ended is for the caller. CH_ERR_UNTRUSTED if none of them
 * but the first signed it; CH_ERR_UNSUPPORTED without nextUpdate or key identifier, or with a number above 2^64; as ch_crl_parse else. `d` says why.
 */
CH_MUST_USE enum ch_err ch_root_list_judge(struct ch_root_list *l, struct ch_span der, struct ch_span ca_pem,
					   struct ch_diag *d);

#endif
