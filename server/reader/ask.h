/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_READER_ASK_H
#define CH_READER_ASK_H

#include "core/trust/chain.h"
#include "core/trust/lifecycle.h"
#include "core/trust/tile.h"
#include "core/wire/json.h"
#include "server/ipc/routes.h"
#include "server/reader/reader.h"
#include "server/reader/sql.h"

/* What the pages share. A page is a function of one request: it reads the store and writes an answer, JSON unless it says otherwise. */

#define CH_READER_TENANT  0
#define CH_READER_LIST    100 /* rows of a list if nothing is asked for */
#define CH_READER_LISTMAX 500

struct ch_ask {
	struct ch_reader *r;
	const struct ch_msg_request *m;
	unsigned edge;
	uint64_t id;
	struct ch_store *st;
	uint64_t now;    /* seconds since 1970 */
	unsigned status; /* 200 unless a page refuses */
	const char *type;
	bool json;
	bool later; /* the signer answers */
	struct ch_buf body;
	struct ch_json_wr j; /* into body */
	struct ch_wr w;
	uint8_t room[4096];
};

typedef void ch_page(struct ch_ask *a);

/* --- reader.c --- */

/* Makes the answer an error: {"error":{"code","rule","detail"}}; what was written before is dropped. `rule` is static text. */
void ch_ask_refuse(struct ch_ask *a, unsigned status, const char *code, const char *rule);
/* The answer is these bytes. */
void ch_ask_bytes(struct ch_ask *a, const char *type, struct ch_span bytes);
/* The root of a complete subtree out of the tiles of the store; `ctx` is a struct ch_tile_src over ch_ask_tile. */
enum ch_err ch_ask_tile(void *ctx, const struct ch_tile *t, uint8_t to[static CH_TILE_BYTES]);
/* Asks the signer; the answer is made when it comes. `claims` of an EAR, or empty for the public keys. */
void ch_ask_signer(struct ch_ask *a, enum ch_msg type, struct ch_span claims);
/* The answer is this artefact. */
void ch_ask_artifact(struct ch_ask *a, const uint8_t sha256[static 32], uint64_t size);
/* The answer is the file of this path in an OSTree pack, which the artefact is. */
void ch_ask_packed(struct ch_ask *a, const struct ch_msg_artifact *pack, const uint8_t commit[static 32],
		   struct ch_span path);
struct ch_span ch_ask_origin(const struct ch_ask *a);
/* Seconds until a client of DDI is to ask again. */
uint32_t ch_ask_ddi_sleep(const struct ch_ask *a);

/* --- query.c --- */

/* What may stand in a query, and where it goes. */
enum ch_param_kind { CH_PARAM_NUMBER, CH_PARAM_WORD };
struct ch_param {
	const char *name;
	enum ch_param_kind kind;
	void *to; /* uint64_t * · struct ch_span * */
};
/* Reads the query by the table. False, and the answer is an error, for a name that is not in it, twice, or another kind of value. */
CH_MUST_USE bool ch_ask_params(struct ch_ask *a, const struct ch_param *row, size_t count);
/* A number of a path or query: decimal digits, at most 2^63 - 1. */
CH_MUST_USE bool ch_ask_number(struct ch_span s, uint64_t *v);
/* `limit` as asked for, within bounds; 0 becomes CH_READER_LIST. */
uint64_t ch_ask_limit(uint64_t limit);

/* --- device.c --- */

struct ch_device_row {
	int64_t seq;
	uint8_t id[16];
	char hostname[256]; /* as the device said: untrusted */
	char class[CH_NAME_MAX + 1];
	enum ch_state state;
	enum ch_tier chain;
	uint64_t chain_time; /* seconds since 1970, like the others; 0: never */
	enum ch_tier platform;
	uint64_t enrolled;
	int64_t evidence;
	uint64_t fresh_time;
	bool reattest;
	uint64_t stale_at;
};

/* The links of a device: what the store says of each. */
struct ch_link_row {
	enum ch_tier tier;
	uint64_t time, fresh_time; /* seconds */
	int64_t evidence, generation;
};

/* Reads a row of CH_READER_DEVICE_COLUMNS. */
void ch_device_take(struct ch_device_row *d, const struct ch_query *q);
/* The device that the path's first parameter names; false, and the answer is an error, if there is none. */
CH_MUST_USE bool ch_ask_device(struct ch_ask *a, struct ch_device_row *d);
CH_MUST_USE bool ch_ask_device_by_id(struct ch_ask *a, struct ch_span id, struct ch_device_row *d);
void ch_device_links(struct ch_ask *a, const struct ch_device_row *d, struct ch_link_row link[static CH_LINK_COUNT]);
/* The policy of its class, and the image that it borrows from; false if there is none. The caller frees `image`. */
CH_MUST_USE bool ch_class_policy(struct ch_ask *a, const char *name, struct ch_buf *image, struct ch_policy *p);
void ch_links_judge(struct ch_chain *c, const struct ch_link_row link[static CH_LINK_COUNT], const struct ch_policy *p,
		    uint64_t now);
/* Milliseconds as seconds. */
static inline uint64_t ch_seconds(int64_t ms)
{
	return ms > 0 ? (uint64_t)ms / 1000 : 0;
}
/* name: null if it is 0 */
void ch_json_named_time(struct ch_json_wr *j, const char *name, uint64_t seconds);
void ch_json_named_tier(struct ch_json_wr *j, const char *name, int64_t tier);
/* A stored JSON text as a value; null if it is none. */
void ch_json_named_stored(struct ch_json_wr *j, const char *name, struct ch_span text);

/* --- pages --- */

ch_page ch_page_device_status, ch_page_devices, ch_page_device, ch_page_pinned; /* device.c */
ch_page ch_page_explain;                                                        /* explain.c */
ch_page ch_page_evidence_list, ch_page_evidence_part, ch_page_ear;              /* evidence.c */
ch_page ch_page_status, ch_page_classes, ch_page_generation, ch_page_actions, ch_page_operators, ch_page_eks,
	ch_page_enrolments, ch_page_audit, ch_page_jwks;  /* fleet.c */
ch_page ch_page_checkpoint, ch_page_tile, ch_page_origin; /* log_pages.c */
ch_page ch_page_fleet_root;                               /* fleet_root.c */
ch_page ch_page_update, ch_page_release, ch_page_release_proof, ch_page_releases, ch_page_deployments,
	ch_page_deployment, ch_page_artifact, ch_page_artifact_state; /* update.c */
ch_page ch_page_rollouts, ch_page_rollout, ch_page_rollout_devices;   /* rollout.c */
ch_page ch_page_ddi_poll, ch_page_ddi_deployment, ch_page_ddi_installed, ch_page_ddi_cancel,
	ch_page_ddi_artifact; /* ddi.c */
ch_page ch_page_ostree;       /* ostree.c */

#endif
