/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_IPC_VIEW_H
#define CH_IPC_VIEW_H

#include "core/base/err.h"
#include "core/base/span.h"
#include "core/trust/action.h"

#include <stdatomic.h>

/*
 * The fleet view: what an edge must know to admit a request, in shared memory that the keeper writes and every edge maps
 * read-only. A table of fixed records with open addressing on the SHA-256 of a certificate. A record is never moved and never
 * removed while the server runs (a certificate that ended stays, as revoked), so a reader needs no lock: each record has a
 * sequence number that is odd while it changes. A keeper that starts anew writes every record again.
 */

enum ch_view_kind { CH_VIEW_FREE, CH_VIEW_DEVICE, CH_VIEW_OPERATOR };

#define CH_VIEW_PENDING_REATTEST 0x01 /* an operator wants fresh evidence */
#define CH_VIEW_PENDING_RENEW    0x02 /* a new certificate is waited for */
#define CH_VIEW_PENDING_UPDATE   0x04 /* a release is offered and not yet installed */
#define CH_VIEW_MENDS            0x08 /* in quarantine, and may fetch the release that is to mend it */
#define CH_VIEW_REVOKED          0x80 /* this certificate is revoked, whatever the state of its device */

#define CH_VIEW_DDI_KNOWN      0x01 /* else the store must be asked: nobody has looked since the keeper began */
#define CH_VIEW_DDI_ATTRIBUTES 0x02 /* they are wanted */

struct ch_view_record {
	uint8_t cert_sha256[32];
	uint8_t id[16];           /* device id; zeros for an operator */
	uint8_t operator_key[32]; /* SHA-256 of the operator's action key; zeros for a device */
	uint8_t kind;             /* enum ch_view_kind */
	uint8_t state;            /* enum ch_device_state (core/trust/lifecycle.h) of the device */
	uint8_t tier;             /* chain status */
	uint8_t role;             /* enum ch_operator_role */
	uint8_t pending;          /* CH_VIEW_PENDING_* and CH_VIEW_REVOKED */
	uint8_t class_index;
	uint64_t not_after;  /* seconds since 1970 */
	uint64_t device_row; /* the store's number of the device */
	/* What a poll of hawkBit's DDI is answered: numbers of actions, 0: none; `ddi`: CH_VIEW_DDI_*. */
	uint32_t ddi_action, ddi_cancel, ddi_installed;
	uint8_t ddi;
};

struct ch_view; /* the mapped memory */

/* Bytes of a view for `capacity` records; capacity is a power of two. */
size_t ch_view_bytes(uint32_t capacity);
/* A descriptor of the same view that can only be read, for an edge; -1 with errno. Needs /proc. */
int ch_view_reader(int fd);
/* Makes an anonymous memory file of that size and lays out an empty view in it. -1 with errno on failure. */
int ch_view_make(uint32_t capacity);

/* Maps a view; NULL if it is not one. `write` only in the keeper. */
struct ch_view *ch_view_map(int fd, bool write);
void ch_view_unmap(struct ch_view *v);

/*
 * Copies the record of a certificate; its `slot` (which may be NULL) never changes. CH_ERR_NOTFOUND; CH_ERR_LIMIT if it is being
 * written right now: ask again later.
 */
CH_MUST_USE enum ch_err ch_view_find(const struct ch_view *v, const uint8_t cert_sha256[static 32],
				     struct ch_view_record *out, uint32_t *slot);
/* Copies the record in a slot that ch_view_find gave. */
CH_MUST_USE enum ch_err ch_view_get(const struct ch_view *v, uint32_t slot, struct ch_view_record *out);

/* Adds or replaces the record of r->cert_sha256 (the keeper only). CH_ERR_LIMIT when the view is 7/8 full. */
CH_MUST_USE enum ch_err ch_view_put(struct ch_view *v, const struct ch_view_record *r);

/* The generation of policy and reference values in force. */
uint64_t ch_view_generation(const struct ch_view *v);
void ch_view_set_generation(struct ch_view *v, uint64_t generation);
/* Records in use. */
uint32_t ch_view_count(const struct ch_view *v);

#endif
