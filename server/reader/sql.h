/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_READER_SQL_H
#define CH_READER_SQL_H

/*
 * Every statement of the reader, on one page: name and text. Portable SQL (tools/lint/sql.sh), read-only; parameters are $1, $2, …;
 * every WHERE names the tenant, and every list has a LIMIT. Columns are used by place, in one function each.
 */
#define CH_READER_DEVICE_COLUMNS                                                                                \
	"SELECT seq, id, hostname, class, state, chain, chain_time, platform, enrolled, evidence, fresh_time, " \
	"reattest, stale_at FROM device WHERE tenant = $1 "

#define CH_READER_ROLLOUT_COLUMNS                                                                                \
	"SELECT r.seq, r.name, r.sha256, r.state, r.phase, r.reason, r.time, r.changed, r.members, r.canaries, " \
	"r.reached, r.action, p.sha256, p.name, p.version, r.document FROM rollout r JOIN release p ON "         \
	"p.tenant = r.tenant AND p.seq = r.release WHERE r.tenant = $1 "

#define CH_READER_SQL(X)                                                                                               \
	/* the fleet */                                                                                                \
	X(SCHEMA, "SELECT max(number) FROM schema_version WHERE tenant = $1")                                          \
	X(DEVICE_COUNTS, "SELECT state, chain, count(*) FROM device WHERE tenant = $1 GROUP BY state, chain")          \
	X(CUTTING, "SELECT count(*) FROM intent WHERE tenant = $1 AND done = 0")                                       \
	X(LOG_HEAD, "SELECT size, time FROM checkpoint WHERE tenant = $1 ORDER BY seq DESC LIMIT 1")                   \
	X(GENERATION_LAST,                                                                                             \
	  "SELECT number, time, refused, rule FROM generation WHERE tenant = $1 ORDER BY number DESC LIMIT 1")         \
	X(GENERATION, "SELECT image FROM generation WHERE tenant = $1 AND number = $2")                                \
	X(FLEET_ROOT, "SELECT document FROM fleet_root WHERE tenant = $1 AND version = $2")                            \
	X(FLEET_ROOT_NEWEST, "SELECT document FROM fleet_root WHERE tenant = $1 ORDER BY version DESC LIMIT 1")        \
	/* devices */                                                                                                  \
	X(DEVICES, CH_READER_DEVICE_COLUMNS "AND seq > $2 AND ($3 < 0 OR state = $3) AND ($4 < 0 OR chain = $4) AND "  \
					    "($5 = '' OR class = $5) ORDER BY seq LIMIT $6")                           \
	X(DEVICE, CH_READER_DEVICE_COLUMNS "AND id = $2")                                                              \
	X(RESULTS, "SELECT link, tier, time, fresh_time, evidence, generation FROM result WHERE tenant = $1 "          \
		   "AND device = $2")                                                                                  \
	X(CUTTING_DEVICE, "SELECT count(*) FROM intent WHERE tenant = $1 AND device = $2 AND done = 0")                \
	X(INTENTS, "SELECT seq, cause, decided, done, tries, sessions FROM intent WHERE tenant = $1 AND device = $2 "  \
		   "ORDER BY seq DESC LIMIT 20")                                                                       \
	X(CERTIFICATES, "SELECT sha256, serial, not_before, not_after, state, ended FROM certificate "                 \
			"WHERE tenant = $1 AND device = $2 ORDER BY seq DESC LIMIT 20")                                \
	X(ALIASES, "SELECT kind, value, since, until FROM alias WHERE tenant = $1 AND device = $2 "                    \
		   "ORDER BY seq DESC LIMIT 50")                                                                       \
	X(HISTORY, "SELECT seq, type, time, record FROM leaf WHERE tenant = $1 AND device = $2 "                       \
		   "ORDER BY seq DESC LIMIT 20")                                                                       \
	X(QUOTA, "SELECT quota_since, quota_bytes FROM device WHERE tenant = $1 AND seq = $2")                         \
	X(PINNED, "SELECT seq, sha256, document, since, action FROM pinned WHERE tenant = $1 AND device = $2 "         \
		  "AND until = 0 ORDER BY seq DESC LIMIT 1")                                                           \
	/* evidence */                                                                                                 \
	X(EVIDENCE_LIST,                                                                                               \
	  "SELECT seq, time, collected, fresh, generation, chain, tiers, eventlog_size, ima_size, kept, "              \
	  "reasons, ostree FROM evidence WHERE tenant = $1 AND device = $2 AND seq < $3 "                              \
	  "ORDER BY seq DESC LIMIT $4")                                                                                \
	X(EVIDENCE, "SELECT time, collected, fresh, generation, chain, tiers, nonce, quote, signature, eventlog, "     \
		    "eventlog_size, ima, ima_size, epoch, ear, reasons, kept, pinned FROM evidence "                   \
		    "WHERE tenant = $1 AND device = $2 AND seq = $3")                                                  \
	X(REASONS,                                                                                                     \
	  "SELECT seq, time, reasons FROM evidence WHERE tenant = $1 AND device = $2 ORDER BY seq DESC LIMIT 1")       \
	X(AGENT, "SELECT agent FROM evidence WHERE tenant = $1 AND device = $2 AND seq = $3")                          \
	X(EAR, "SELECT ear FROM evidence WHERE tenant = $1 AND device = $2 AND seq = $3")                              \
	X(AK, "SELECT public FROM ak WHERE tenant = $1 AND device = $2 AND since <= $3 ORDER BY seq DESC LIMIT 1")     \
	X(BLOB, "SELECT bytes FROM blob WHERE tenant = $1 AND sha256 = $2")                                            \
	X(CHUNKS, "SELECT c.start, b.bytes FROM chunk c JOIN blob b ON b.tenant = c.tenant AND b.seq = c.blob "        \
		  "WHERE c.tenant = $1 AND c.device = $2 AND c.kind = 1 AND c.epoch = $3 ORDER BY c.start")            \
	/* what operators decided, and who they are */                                                                 \
	X(ACTIONS, "SELECT seq, verb, subject, reason, canonical, length(payload), time, state, needed FROM action "   \
		   "WHERE tenant = $1 AND seq < $2 AND ($3 < 0 OR state = $3) ORDER BY seq DESC LIMIT $4")             \
	X(ACTION_PAYLOAD, "SELECT payload FROM action WHERE tenant = $1 AND seq = $2")                                 \
	X(SIGNATURES,                                                                                                  \
	  "SELECT s.operator, o.name, s.signature, s.time FROM action_signature s LEFT JOIN operator o ON "            \
	  "o.tenant = s.tenant AND o.key = s.operator WHERE s.tenant = $1 AND s.action = $2 "                          \
	  "ORDER BY s.time LIMIT 8")                                                                                   \
	X(OPERATORS, "SELECT key, name, role, not_after, since, until FROM operator WHERE tenant = $1 "                \
		     "ORDER BY seq LIMIT 1000")                                                                        \
	X(ENROLMENTS,                                                                                                  \
	  "SELECT key, profile, class, name, how, spki, state, time FROM est_request WHERE tenant = $1 AND "           \
	  "($2 < 0 OR state = $2) ORDER BY seq DESC LIMIT $3")                                                         \
	X(ALARM, "SELECT seq, time, rule FROM alarm WHERE tenant = $1 AND accepted = 0 ORDER BY seq DESC LIMIT 1")     \
	X(EKS, "SELECT fingerprint, verdict, class, time FROM ek_list WHERE tenant = $1 AND fingerprint > $2 "         \
	       "ORDER BY fingerprint LIMIT $3")                                                                        \
	/* classes */                                                                                                  \
	X(CLASSES, "SELECT name, policy, time FROM class WHERE tenant = $1 ORDER BY name LIMIT 256")                   \
	X(CLASS, "SELECT policy FROM class WHERE tenant = $1 AND name = $2")                                           \
	X(CLASS_DEVICES, "SELECT count(*) FROM device WHERE tenant = $1 AND class = $2")                               \
	X(REFERENCES,                                                                                                  \
	  "SELECT seq, sha256, time, action, retired, retired_by FROM reference WHERE tenant = $1 AND class = $2 "     \
	  "ORDER BY seq LIMIT 256")                                                                                    \
	/* releases */                                                                                                 \
	X(RELEASES, "SELECT r.seq, r.sha256, r.name, r.version, r.sequence, r.floor, r.expires, length(r.reference), " \
		    "r.time, r.action, r.leaf, r.withdrawn FROM release r WHERE r.tenant = $1 AND r.seq < $2 ORDER "   \
		    "BY r.seq DESC LIMIT $3")                                                                          \
	X(RELEASE_DOCUMENT, "SELECT document, seq FROM release WHERE tenant = $1 AND sha256 = $2")                     \
	X(RELEASE_LEAF,                                                                                                \
	  "SELECT l.seq, l.record, l.salt, l.entry FROM release r JOIN leaf l ON l.tenant = r.tenant AND "             \
	  "l.seq = r.leaf WHERE r.tenant = $1 AND r.sha256 = $2 AND l.type = $3")                                      \
	X(RELEASE_CLASSES,                                                                                             \
	  "SELECT class FROM release_class WHERE tenant = $1 AND release = $2 ORDER BY class LIMIT 64")                \
	X(RELEASE_ARTIFACTS,                                                                                           \
	  "SELECT r.sha256, r.size, r.name, r.kind, a.have, a.complete FROM release_artifact r LEFT JOIN "             \
	  "artifact a ON a.tenant = r.tenant AND a.sha256 = r.sha256 WHERE r.tenant = $1 AND r.release = "             \
	  "$2 ORDER BY r.name LIMIT 64")                                                                               \
	X(RELEASE_STATES, "SELECT state, count(*) FROM deployment WHERE tenant = $1 AND release = $2 GROUP BY state")  \
	X(OFFERED, "SELECT d.seq, d.state, d.forced, r.sha256, d.release FROM deployment d JOIN release r ON "         \
		   "r.tenant = d.tenant AND r.seq = d.release WHERE d.tenant = $1 AND d.device = $2 ORDER BY d.seq "   \
		   "DESC LIMIT 1")                                                                                     \
	X(OFFERED_RELEASE,                                                                                             \
	  "SELECT count(*) FROM deployment d JOIN release r ON r.tenant = d.tenant AND r.seq = d.release "             \
	  "WHERE d.tenant = $1 AND d.device = $2 AND r.sha256 = $3")                                                   \
	X(DEPLOYMENTS,                                                                                                 \
	  "SELECT d.seq, v.id, v.hostname, r.sha256, r.name, r.version, d.forced, d.state, d.time, "                   \
	  "d.changed, d.progress, d.slot, d.reason, d.evidence, d.rollout, d.action, d.stop FROM deployment d JOIN "   \
	  "device v ON v.tenant = d.tenant AND v.seq = d.device JOIN release r ON r.tenant = d.tenant AND "            \
	  "r.seq = d.release WHERE d.tenant = $1 AND d.seq < $2 AND ($3 < 0 OR d.state = $3) AND ($4 < 0 "             \
	  "OR d.device = $4) ORDER BY d.seq DESC LIMIT $5")                                                            \
	X(DEPLOYMENT,                                                                                                  \
	  "SELECT d.seq, v.id, v.hostname, r.sha256, r.name, r.version, d.forced, d.state, d.time, "                   \
	  "d.changed, d.progress, d.slot, d.reason, d.evidence, d.rollout, d.action, d.stop FROM deployment d JOIN "   \
	  "device v ON v.tenant = d.tenant AND v.seq = d.device JOIN release r ON r.tenant = d.tenant AND "            \
	  "r.seq = d.release WHERE d.tenant = $1 AND d.seq = $2")                                                      \
	X(FEEDBACK, "SELECT time, state, progress, reason, slot FROM feedback WHERE tenant = $1 AND deployment = $2 "  \
		    "ORDER BY seq LIMIT 1024")                                                                         \
	X(ARTIFACT_OFFERED,                                                                                            \
	  "SELECT a.size FROM deployment d JOIN release_artifact r ON r.tenant = d.tenant AND r.release = "            \
	  "d.release JOIN artifact a ON a.tenant = r.tenant AND a.sha256 = r.sha256 WHERE d.tenant = $1 "              \
	  "AND d.seq = (SELECT max(seq) FROM deployment WHERE tenant = $1 AND device = $2) AND d.state IN "            \
	  "($3, $4, $5) AND r.sha256 = $6 AND a.complete <> 0")                                                        \
	X(DDI_STOP, "SELECT min(seq) FROM deployment WHERE tenant = $1 AND device = $2 AND stop = $3")                 \
	X(DDI_INSTALLED, "SELECT max(seq), max(changed) FROM deployment WHERE tenant = $1 AND device = $2 AND "        \
			 "state IN ($3, $4, $5)")                                                                      \
	X(DDI_ACTION, "SELECT d.state, d.stop, d.forced, d.release, r.name, r.version FROM deployment d JOIN "         \
		      "release r ON r.tenant = d.tenant AND r.seq = d.release WHERE d.tenant = $1 AND d.device = $2 "  \
		      "AND d.seq = $3")                                                                                \
	X(DDI_ARTIFACTS, "SELECT r.name, r.size, r.sha256, a.sha1 FROM release_artifact r JOIN artifact a ON "         \
			 "a.tenant = r.tenant AND a.sha256 = r.sha256 WHERE r.tenant = $1 AND r.release = $2 AND "     \
			 "a.complete <> 0 ORDER BY r.name LIMIT 16")                                                   \
	X(DDI_ARTIFACT,                                                                                                \
	  "SELECT r.sha256, a.size FROM deployment d JOIN release_artifact r ON r.tenant = d.tenant "                  \
	  "AND r.release = d.release JOIN artifact a ON a.tenant = r.tenant AND a.sha256 = r.sha256 "                  \
	  "WHERE d.tenant = $1 AND d.device = $2 AND d.seq = $3 AND d.state IN ($4, $5) AND r.name = $6 "              \
	  "AND a.complete <> 0")                                                                                       \
	X(DEVICE_CALLED, "SELECT count(*) FROM alias WHERE tenant = $1 AND device = $2 AND until = 0 AND "             \
			 "((kind = $3 AND value = $4) OR (kind = $5 AND value = $6))")                                 \
	X(ATTRIBUTES_TIME, "SELECT max(time) FROM attribute WHERE tenant = $1 AND device = $2")                        \
	X(ATTRIBUTES,                                                                                                  \
	  "SELECT name, value, time FROM attribute WHERE tenant = $1 AND device = $2 ORDER BY name LIMIT 64")          \
	X(OSTREE_OFFERED,                                                                                              \
	  "SELECT p.sha256, a.sha256, a.size, r.name FROM deployment d JOIN release p ON p.tenant = d.tenant AND "     \
	  "p.seq = d.release JOIN release_artifact r ON r.tenant = d.tenant AND r.release = d.release JOIN "           \
	  "artifact a ON a.tenant = r.tenant AND a.sha256 = r.sha256 WHERE d.tenant = $1 "                             \
	  "AND d.seq = (SELECT max(seq) FROM deployment WHERE tenant = $1 AND device = $2) AND d.state IN "            \
	  "($3, $4, $5) AND r.kind = $6 AND a.complete <> 0")                                                          \
	X(ARTIFACT_STATE,                                                                                              \
	  "SELECT r.size, a.have, a.complete FROM release_artifact r LEFT JOIN artifact a ON a.tenant = "              \
	  "r.tenant AND a.sha256 = r.sha256 WHERE r.tenant = $1 AND r.sha256 = $2 ORDER BY r.release LIMIT "           \
	  "1")                                                                                                         \
	/* rollouts */                                                                                                 \
	X(ROLLOUTS, CH_READER_ROLLOUT_COLUMNS "AND r.seq < $2 AND ($3 < 0 OR r.state = $3) ORDER BY r.seq DESC "       \
					      "LIMIT $4")                                                              \
	X(ROLLOUT, CH_READER_ROLLOUT_COLUMNS "AND r.name = $2")                                                        \
	X(ROLLOUT_STATES, "SELECT phase, state, count(*) FROM deployment WHERE tenant = $1 AND rollout = $2 GROUP BY " \
			  "phase, state")                                                                              \
	X(ROLLOUT_MEMBERS, "SELECT status, count(*) FROM rollout_member WHERE tenant = $1 AND rollout = $2 GROUP BY "  \
			   "status")                                                                                   \
	X(ROLLOUT_DEVICES,                                                                                             \
	  "SELECT m.device, v.id, v.hostname, m.place, m.status, d.seq, d.state, d.phase, d.changed, "                 \
	  "d.reason FROM rollout_member m JOIN device v ON v.tenant = m.tenant AND v.seq = m.device "                  \
	  "LEFT JOIN deployment d ON d.tenant = m.tenant AND d.seq = m.deployment WHERE m.tenant = "                   \
	  "$1 AND m.rollout = $2 AND m.device > $3 ORDER BY m.device LIMIT $4")                                        \
	X(MEMBER_OF, "SELECT m.rollout, m.status, m.place, r.name FROM rollout_member m JOIN rollout r ON "            \
		     "r.tenant = m.tenant AND r.seq = m.rollout WHERE m.tenant = $1 AND m.device = $2 ORDER BY "       \
		     "m.rollout DESC LIMIT 1")                                                                         \
	X(MEMBER_RANK, "SELECT count(*) FROM rollout_member WHERE tenant = $1 AND rollout = $2 AND place < $3")        \
	X(EXPLAIN_UPDATE, "SELECT d.seq, d.state, d.changed, d.progress, d.reason, d.evidence, p.name, p.version, "    \
			  "length(p.reference) FROM deployment d JOIN release p ON p.tenant = d.tenant AND p.seq = "   \
			  "d.release WHERE d.tenant = $1 AND d.device = $2 ORDER BY d.seq DESC LIMIT 1")               \
	X(AK_COUNT, "SELECT count(*) FROM ak WHERE tenant = $1 AND device = $2 AND until = 0")                         \
	/* the log */                                                                                                  \
	X(CHECKPOINT, "SELECT size, note FROM checkpoint WHERE tenant = $1 ORDER BY seq DESC LIMIT 1")                 \
	X(ORIGIN, "SELECT record FROM leaf WHERE tenant = $1 AND seq = 0 AND type = $2")                               \
	X(TILE, "SELECT bytes FROM tile WHERE tenant = $1 AND level = $2 AND number = $3")                             \
	X(ENTRIES, "SELECT entry FROM leaf WHERE tenant = $1 AND seq >= $2 AND seq < $3 ORDER BY seq LIMIT 256")       \
	/* records */                                                                                                  \
	X(LEAVES,                                                                                                      \
	  "SELECT l.seq, l.type, l.time, d.id, l.salt, l.record FROM leaf l LEFT JOIN device d ON "                    \
	  "d.tenant = l.tenant AND d.seq = l.device WHERE l.tenant = $1 AND l.seq >= $2 ORDER BY l.seq LIMIT $3")

#define CH_READER_SQL_ENUM(name, text) CH_READ_##name,
enum ch_reader_sql { CH_READER_SQL(CH_READER_SQL_ENUM) CH_READ_COUNT };
#undef CH_READER_SQL_ENUM

#endif
