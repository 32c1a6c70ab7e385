/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_EDGE_REVOCATION_H
#define CH_EDGE_REVOCATION_H

#include "core/platform/ocsp.h"
#include "host/base/mem.h"
#include "server/ipc/messages.h"

/*
 * What an edge tells of revocation as it was signed: the list, and answers of OCSP. A table of fixed size for the answers, its places found
 * by serial number, so that all that is kept of one certificate is in one place of it.
 */

#define REVOCATION_WAYS 8  /* answers in one place; the oldest makes room */
#define REVOCATION_TAG  40 /* an entity tag with its quotes and NUL */

struct kept_answer {
	uint8_t ca; /* whose certificate: 0, the CA that issues, or the place of an earlier one and 1 */
	uint8_t id[CH_IPC_OCSP_ID];
	uint64_t this_update, next_update; /* seconds; 0: nothing is here */
	char tag[REVOCATION_TAG];
	struct ch_buf answer;
};

#define REVOCATION_EARLIER 8 /* CAs beside the one that issues */

/* The list of one CA. */
struct told_list {
	uint8_t ca[32]; /* SHA-256 of an earlier CA's certificate; zeros: the one that issues */
	struct ch_ocsp_issuer issuer;
	char name[65]; /* without its ending: the CA's key identifier in hexadecimal; a CA without one has no list */
	char tag[REVOCATION_TAG];
	uint64_t this_update, next_update;
	struct ch_buf list, pem; /* empty before the first */
};

/* What was signed takes the place of what was there. */
void told_list_take(struct told_list *l, uint64_t number, uint64_t this_update, uint64_t next_update,
		    struct ch_span list);
void told_list_clear(struct told_list *l);

struct revocation {
	struct told_list own, earlier[REVOCATION_EARLIER];
	size_t earlier_count;
	size_t places;            /* of the table: REVOCATION_WAYS answers each */
	struct kept_answer *kept; /* NULL before the first */
};

/* Takes the CA's certificate (PEM; the first one). CH_ERR_*: it cannot be read. */
CH_MUST_USE enum ch_err revocation_init(struct revocation *r, struct ch_span ca_pem, size_t answers_max);
/* Takes the certificate of an earlier CA. CH_ERR_LIMIT: there are enough. */
CH_MUST_USE enum ch_err revocation_earlier(struct revocation *r, struct ch_span ca_pem);
void revocation_clear(struct revocation *r);

void revocation_list(struct revocation *r, const struct ch_msg_crl *m);
/* One of a CA that is not known is left alone. */
void revocation_list_earlier(struct revocation *r, const struct ch_msg_crl_earlier *m);
/* The list of this name; NULL if no CA has it. */
const struct told_list *revocation_named(const struct revocation *r, struct ch_span name);
void revocation_keep(struct revocation *r, const struct ch_msg_ocsp_answer *m);
/* Forgets every answer about a certificate. */
void revocation_drop(struct revocation *r, const struct ch_msg_ocsp_drop *m);
/* The CA that this is a certificate of; NULL if it is none of ours. */
const struct told_list *revocation_issuer(const struct revocation *r, const struct ch_ocsp_cert_id *cert);
/* What is kept of this CA's certificate under this id; NULL if nothing is. */
const struct kept_answer *revocation_find(const struct revocation *r, const struct told_list *of,
					  const uint8_t id[static CH_IPC_OCSP_ID]);
/* The row of OCSP_SIGN that asks about this certificate. */
void revocation_id(uint8_t id[static CH_IPC_OCSP_ID], const struct ch_ocsp_cert_id *cert);

#endif
