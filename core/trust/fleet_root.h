/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TRUST_FLEET_ROOT_H
#define CH_TRUST_FLEET_ROOT_H

#include "core/trust/role.h"
#include "core/wire/json.h"

/*
 * The fleet root: the one document that says whom a fleet trusts, in versions, each signed by a threshold of its own root keys and
 * of those of the version before. Format and rules: docs/protocol/fleet-root.md. The file is a signed note (C2SP signed-note) whose
 * text is a JSON document; a signature's name is the key's SHA-256.
 */

#define CH_FLEET_ROOT_TYPE "chainhold-fleet-root/v1"

/* The spans borrow from what was parsed. About 24 KiB: not for a small stack. */
struct ch_fleet_root {
	struct ch_note note; /* count 0: not signed yet */
	uint64_t version;    /* 1 to CH_ROOT_VERSION_MAX */
	uint64_t issued;     /* seconds since 1970 */
	uint64_t expires;    /* likewise, after issued */
	uint32_t agent_min[3];
	struct ch_root_role root;
	size_t release_count, anchor_count, log_count, ear_count, server_count;
	struct ch_root_role release[CH_ROOT_RELEASES_MAX];
	struct ch_span anchor[CH_ROOT_ANCHORS_MAX]; /* certificates of CAs: base64 of DER, as they stand in the text */
	struct ch_note_key log[CH_ROOT_LOGS_MAX];   /* name of the key: the log's origin */
	struct ch_root_key ear[CH_ROOT_EARS_MAX];   /* P-256 */
	struct ch_span server[CH_ROOT_SERVERS_MAX]; /* "host:port", "[2001:db8::1]:port" */
};

/*
 * Reads all of `in`: a note of at most CH_NOTE_MAX bytes, its text at most CH_FLEET_ROOT_MAX; or such a text and an empty line that
 * nobody has signed yet. Total: an unknown, doubled or missing member, a value that is not exactly of its kind, a list over its limit
 * are refused, with offset and rule in `d`. Nothing is verified. `node` is used during the call only. `r` is zeroed on failure.
 */
CH_MUST_USE enum ch_err ch_fleet_root_parse(struct ch_fleet_root *r, struct ch_span in,
					    struct ch_json_node node[static CH_ROOT_NODES_MAX], struct ch_diag *d);

/* The judge. A document that is trusted for where it came from, not for one before it: its own threshold signed it (ch_role_signed). */
CH_MUST_USE enum ch_err ch_fleet_root_first(const struct ch_fleet_root *r, struct ch_diag *d);
/*
 * Whether `next` may take the place of `known`, which is trusted: version exactly one more (CH_ERR_MISMATCH), not issued before
 * `known` (CH_ERR_RANGE), signed by the thresholds of `known` and of itself (as above). That one of them has expired is no reason:
 * a device that was dark walks over it.
 */
CH_MUST_USE enum ch_err ch_fleet_root_next(const struct ch_fleet_root *known, const struct ch_fleet_root *next,
					   struct ch_diag *d);
/* Asked of the newest only. `time`: what is known for certain, a floor. CH_ERR_RANGE if it has expired. */
CH_MUST_USE enum ch_err ch_fleet_root_current(const struct ch_fleet_root *r, uint64_t time, struct ch_diag *d);

/* Reads exactly three numbers of at most six digits, "1.2.3". False, with `v` untouched, for anything else. */
CH_MUST_USE bool ch_agent_version_parse(uint32_t v[static 3], struct ch_span text);
/* True if `version` ("1.2.3"; what follows the third number is not looked at) is not below what the document asks of agents. */
bool ch_fleet_root_admits(const struct ch_fleet_root *r, struct ch_span version);

/*
 * Writing: the text of a document, without the empty line, from every field but `note`; deterministic. CH_ERR_RANGE if a field is
 * not as the parser wants it, CH_ERR_NOSPACE.
 */
CH_MUST_USE enum ch_err ch_fleet_root_put(struct ch_wr *w, const struct ch_fleet_root *r);
/* Appends the anchors as PEM (RFC 7468). */
void ch_fleet_root_anchors_put(struct ch_wr *w, const struct ch_fleet_root *r);
/* Appends the servers, a line each, LF between them. */
void ch_fleet_root_servers_put(struct ch_wr *w, const struct ch_fleet_root *r);

#define CH_ROOT_PEM_MAX          (CH_FLEET_ROOT_MAX * 2) /* what ch_fleet_root_anchors_put writes at most */
#define CH_ROOT_SERVERS_TEXT_MAX (CH_ROOT_SERVERS_MAX * (CH_ROOT_SERVER_MAX + 1))

#endif
