/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_KEEPER_SQL_H
#define CH_KEEPER_SQL_H

/*
 * Every statement of the keeper, on one page: name and text. Portable SQL (tools/lint/sql.sh): parameters are $1, $2, …, every WHERE names the tenant. A statement's parameters and columns are used by place, in one function each.
 */
#define CH_KEEPER_SQL(X)                                                                                               \
	/* numbers to go on from */                                                                                    \
	X(MAX_DEVICE, "SELECT max(seq) FROM device WHERE tenant = $1")                                                 \
	X(MAX_EK, "SELECT max(seq) FROM ek WHERE tenant = $1")                                                         \
	X(MAX_ALIAS, "SELECT max(seq) FROM alias WHERE tenant = $1")                                                   \
	X(MAX_AK, "SELECT max(seq) FROM ak WHERE tenant = $1")                                                         \
	X(MAX_CERTIFICATE, "SELECT max(seq) FROM certificate WHERE tenant = $1")                                       \
	X(MAX_EVIDENCE, "SELECT max(seq) FROM evidence WHERE tenant = $1")                                             \
	X(MAX_BLOB, "SELECT max(seq) FROM blob WHERE tenant = $1")                                                     \
	X(MAX_CHUNK, "SELECT max(seq) FROM chunk WHERE tenant = $1")                                                   \
	X(MAX_INTENT, "SELECT max(seq) FROM intent WHERE tenant = $1")                                                 \
	X(MAX_LEAF, "SELECT max(seq) FROM leaf WHERE tenant = $1")                                                     \
	X(MAX_CHECKPOINT, "SELECT max(seq) FROM checkpoint WHERE tenant = $1")                                         \
	X(MAX_ACTION, "SELECT max(seq) FROM action WHERE tenant = $1")                                                 \
	X(MAX_OPERATOR, "SELECT max(seq) FROM operator WHERE tenant = $1")                                             \
	X(MAX_TOKEN, "SELECT max(seq) FROM token WHERE tenant = $1")                                                   \
	X(MAX_REQUEST, "SELECT max(seq) FROM request WHERE tenant = $1")                                               \
	X(MAX_EVENT, "SELECT max(seq) FROM event WHERE tenant = $1")                                                   \
	X(MAX_PINNED, "SELECT max(seq) FROM pinned WHERE tenant = $1")                                                 \
	X(MAX_REVOCATION, "SELECT max(seq) FROM revocation WHERE tenant = $1")                                         \
	X(MAX_ISSUED, "SELECT max(seq) FROM issued WHERE tenant = $1")                                                 \
	X(MAX_REFERENCE, "SELECT max(seq) FROM reference WHERE tenant = $1")                                           \
	X(MAX_EST, "SELECT max(seq) FROM est_request WHERE tenant = $1")                                               \
	/* devices */                                                                                                  \
	X(DEVICE_ADD,                                                                                                  \
	  "INSERT INTO device (tenant, seq, id, class, hostname, state, chain, chain_time, platform, enrolled, "       \
	  "evidence, fresh_time, reattest, stale_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, 0, 0, 0, $10)")    \
	X(DEVICE_BY_ID, "SELECT seq, id, class, state, chain, platform, evidence, fresh_time, reattest, chain_time, "  \
			"stale_at, quota_since, quota_bytes FROM device WHERE tenant = $1 AND id = $2")                \
	X(DEVICE_BY_SEQ, "SELECT seq, id, class, state, chain, platform, evidence, fresh_time, reattest, chain_time, " \
			 "stale_at, quota_since, quota_bytes FROM device WHERE tenant = $1 AND seq = $2")              \
	X(DEVICE_SAVE,                                                                                                 \
	  "UPDATE device SET class = $3, state = $4, chain = $5, chain_time = $6, platform = $7, evidence = $8, "      \
	  "fresh_time = $9, reattest = $10, stale_at = $11, quota_since = $12, quota_bytes = $13 "                     \
	  "WHERE tenant = $1 AND seq = $2")                                                                            \
	X(DEVICE_HOSTNAME, "UPDATE device SET hostname = $3 WHERE tenant = $1 AND seq = $2")                           \
	X(DEVICE_STALE,                                                                                                \
	  "SELECT seq FROM device WHERE tenant = $1 AND stale_at > 0 AND stale_at <= $2 ORDER BY stale_at LIMIT 100")  \
	X(DEVICE_OF_CLASS, "SELECT seq FROM device WHERE tenant = $1 AND class = $2 ORDER BY seq")                     \
	X(DEVICE_ASK_ALL, "UPDATE device SET reattest = 1 WHERE tenant = $1")                                          \
	X(DEVICE_CLASS_ASK,                                                                                            \
	  "UPDATE device SET reattest = 1, stale_at = $3 WHERE tenant = $1 AND class = $2 AND state IN ($4, $5, $6)")  \
	X(DEVICE_CLASS_DUE, "UPDATE device SET stale_at = $3 WHERE tenant = $1 AND class = $2")                        \
	X(ALIAS_ADD,                                                                                                   \
	  "INSERT INTO alias (tenant, seq, device, kind, value, since, until) VALUES ($1, $2, $3, $4, $5, $6, 0)")     \
	X(ALIAS_END, "UPDATE alias SET until = $4 WHERE tenant = $1 AND device = $2 AND kind = $3 AND until = 0")      \
	X(EK_ADD, "INSERT INTO ek (tenant, seq, device, sha256, public, certificate, since, until) "                   \
		  "VALUES ($1, $2, $3, $4, $5, $6, $7, 0)")                                                            \
	X(EK_DEVICE, "SELECT device FROM ek WHERE tenant = $1 AND sha256 = $2 ORDER BY seq DESC LIMIT 1")              \
	X(EK_OF_DEVICE,                                                                                                \
	  "SELECT public, sha256 FROM ek WHERE tenant = $1 AND device = $2 AND until = 0 ORDER BY seq DESC LIMIT 1")   \
	X(EK_DENIED_OF_DEVICE, "SELECT count(*) FROM ek e JOIN ek_list l ON l.tenant = e.tenant AND "                  \
			       "l.fingerprint = e.sha256 WHERE e.tenant = $1 AND e.device = $2 AND l.verdict = $3")    \
	X(AK_ADD, "INSERT INTO ak (tenant, seq, device, type, key_a, key_b, public, since, until) "                    \
		  "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)")                                                        \
	X(AK_DEVICE, "SELECT device FROM ak WHERE tenant = $1 AND public = $2 ORDER BY seq DESC LIMIT 1")              \
	X(AK_END, "UPDATE ak SET until = $3 WHERE tenant = $1 AND device = $2 AND until = 0")                          \
	X(AK_OF_DEVICE, "SELECT type, key_a, key_b, public FROM ak WHERE tenant = $1 AND device = $2 AND until = 0 "   \
			"ORDER BY seq DESC LIMIT 1")                                                                   \
	X(CERTIFICATE_ADD,                                                                                             \
	  "INSERT INTO certificate (tenant, seq, device, sha256, serial, der, spki, not_before, not_after, "           \
	  "state, ended, profile, issuer) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, $10, $11)")                \
	X(CERTIFICATE_LIVE,                                                                                            \
	  "SELECT seq, sha256, not_after FROM certificate WHERE tenant = $1 AND device = $2 AND state = 0 "            \
	  "ORDER BY seq")                                                                                              \
	X(CERTIFICATE_OF_KEY,                                                                                          \
	  "SELECT der, not_after FROM certificate WHERE tenant = $1 AND device = $2 AND sha256 = $3 AND "              \
	  "spki = $4 AND "                                                                                             \
	  "state = 0")                                                                                                 \
	X(CERTIFICATE_NEWEST, "SELECT sha256 FROM certificate WHERE tenant = $1 AND device = $2 AND state = 0 "        \
			      "ORDER BY seq DESC LIMIT 1")                                                             \
	X(CERTIFICATE_SPKI, "SELECT count(*) FROM certificate WHERE tenant = $1 AND device = $2 AND spki = $3")        \
	X(CERTIFICATE_RECENT,                                                                                          \
	  "SELECT count(*) FROM certificate WHERE tenant = $1 AND device = $2 AND not_before >= $3")                   \
	X(CERTIFICATE_END,                                                                                             \
	  "UPDATE certificate SET state = $3, ended = $4 WHERE tenant = $1 AND seq = $2 AND state = 0")                \
	X(CERTIFICATE_ALL,                                                                                             \
	  "SELECT c.sha256, c.not_after, d.id, d.seq, d.state, d.chain, d.reattest FROM certificate c "                \
	  "JOIN device d ON d.tenant = c.tenant AND d.seq = c.device WHERE c.tenant = $1 AND c.state = 0")             \
	X(CERTIFICATE_SERIAL, "SELECT serial, not_after, issuer FROM certificate WHERE tenant = $1 AND seq = $2")      \
	X(CERTIFICATE_KNOWN, "SELECT count(*) FROM certificate WHERE tenant = $1 AND serial = $2 AND issuer IS NULL")  \
	X(CERTIFICATE_OURS,                                                                                            \
	  "SELECT seq, der, serial FROM certificate WHERE tenant = $1 AND issuer IS NULL AND seq > $2 "                \
	  "ORDER BY seq LIMIT 1")                                                                                      \
	X(REVOCATION_ISSUER, "UPDATE revocation SET issuer = $3 WHERE tenant = $1 AND serial = $2 AND issuer IS NULL") \
	X(CERTIFICATE_ISSUER, "UPDATE certificate SET issuer = $3 WHERE tenant = $1 AND seq = $2")                     \
	X(CERTIFICATE_OF_EARLIER,                                                                                      \
	  "SELECT seq, device, sha256, state FROM certificate WHERE tenant = $1 AND serial = $2 AND issuer = $3")      \
	X(CERTIFICATE_NEXT,                                                                                            \
	  "SELECT seq, serial FROM certificate WHERE tenant = $1 AND seq > $2 AND not_after > $3 AND "                 \
	  "issuer IS NULL "                                                                                            \
	  "ORDER BY seq LIMIT $4")                                                                                     \
	X(ISSUED_ADD, "INSERT INTO issued (tenant, seq, serial, sha256, not_after, time, issuer) "                     \
		      "VALUES ($1, $2, $3, $4, $5, $6, $7)")                                                           \
	X(ISSUED_CLAIM, "UPDATE issued SET issuer = $2 WHERE tenant = $1 AND issuer IS NULL")                          \
	X(ISSUED_BY_SERIAL, "SELECT issuer FROM issued WHERE tenant = $1 AND serial = $2")                             \
	X(ISSUED_BY_SHA256, "SELECT serial, not_after, issuer FROM issued WHERE tenant = $1 AND sha256 = $2")          \
	X(REVOCATION_ADD,                                                                                              \
	  "INSERT INTO revocation (tenant, seq, serial, time, reason, expires) VALUES ($1, $2, $3, $4, $5, $6)")       \
	X(REVOCATION_FROM,                                                                                             \
	  "SELECT seq, serial, time, reason, expires FROM revocation WHERE tenant = $1 AND seq > $2 AND "              \
	  "issuer IS NULL ORDER BY seq LIMIT $3")                                                                      \
	X(REVOCATION_ADD_EARLIER, "INSERT INTO revocation (tenant, seq, serial, time, reason, expires, issuer) "       \
				  "VALUES ($1, $2, $3, $4, $5, $6, $7)")                                               \
	X(REVOCATION_FROM_EARLIER,                                                                                     \
	  "SELECT seq, serial, time, reason, expires FROM revocation WHERE tenant = $1 AND seq > $2 AND "              \
	  "issuer = $4 ORDER BY seq LIMIT $3")                                                                         \
	X(REVOCATION_OF_EARLIER, "SELECT count(*) FROM revocation WHERE tenant = $1 AND serial = $2 AND issuer = $3")  \
	/* evidence */                                                                                                 \
	X(EVIDENCE_ADD,                                                                                                \
	  "INSERT INTO evidence (tenant, seq, device, time, collected, fresh, generation, chain, tiers, nonce, "       \
	  "quote, signature, eventlog, eventlog_size, ima, ima_size, epoch, ear, reasons, kept, pinned, ostree, "      \
	  "agent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, "           \
	  "$19, $20, $21, $22, $23)")                                                                                  \
	X(EVIDENCE_LOGS, "SELECT eventlog, eventlog_size, ima, ima_size, epoch, kept, quote FROM evidence "            \
			 "WHERE tenant = $1 AND seq = $2")                                                             \
	X(EVIDENCE_NONCE, "SELECT count(*) FROM evidence WHERE tenant = $1 AND device = $2 AND nonce = $3")            \
	X(EVIDENCE_OLD,                                                                                                \
	  "SELECT seq FROM evidence WHERE tenant = $1 AND device = $2 AND seq <> $3 AND time < $4 ORDER BY "           \
	  "seq LIMIT 100")                                                                                             \
	X(EVIDENCE_NTH,                                                                                                \
	  "SELECT seq FROM evidence WHERE tenant = $1 AND device = $2 ORDER BY seq DESC LIMIT 1 OFFSET $3")            \
	X(EVIDENCE_UPTO,                                                                                               \
	  "SELECT seq FROM evidence WHERE tenant = $1 AND device = $2 AND seq <= $3 AND seq <> $4 ORDER BY "           \
	  "seq LIMIT "                                                                                                 \
	  "100")                                                                                                       \
	X(EVIDENCE_STALE_SINCE,                                                                                        \
	  "SELECT count(*) FROM evidence WHERE tenant = $1 AND device = $2 AND fresh = 0 AND time > $3")               \
	X(EVIDENCE_DROP, "DELETE FROM evidence WHERE tenant = $1 AND seq = $2")                                        \
	X(BLOB_FIND, "SELECT seq FROM blob WHERE tenant = $1 AND sha256 = $2")                                         \
	X(BLOB_ADD, "INSERT INTO blob (tenant, seq, sha256, size, time, bytes) VALUES ($1, $2, $3, $4, $5, $6)")       \
	X(BLOB_GET, "SELECT bytes FROM blob WHERE tenant = $1 AND seq = $2")                                           \
	X(BLOB_BY_SHA256, "SELECT bytes FROM blob WHERE tenant = $1 AND sha256 = $2")                                  \
	X(BLOB_DROP, "DELETE FROM blob WHERE tenant = $1 AND seq = $2")                                                \
	X(BLOB_UNUSED,                                                                                                 \
	  "SELECT seq FROM blob b WHERE tenant = $1 AND time < $2 AND NOT EXISTS (SELECT 1 FROM chunk c WHERE "        \
	  "c.tenant = b.tenant AND c.blob = b.seq) AND NOT EXISTS (SELECT 1 FROM evidence e WHERE "                    \
	  "e.tenant = b.tenant AND e.eventlog = b.sha256) ORDER BY seq LIMIT 100")                                     \
	X(CHUNK_ADD, "INSERT INTO chunk (tenant, seq, device, kind, epoch, start, size, blob) "                        \
		     "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")                                                        \
	X(CHUNK_LIST,                                                                                                  \
	  "SELECT start, size, blob FROM chunk WHERE tenant = $1 AND device = $2 AND kind = $3 AND epoch = $4 "        \
	  "ORDER BY start")                                                                                            \
	X(CHUNK_DROP,                                                                                                  \
	  "DELETE FROM chunk WHERE tenant = $1 AND device = $2 AND epoch < $3 AND NOT EXISTS (SELECT 1 FROM "          \
	  "evidence e WHERE e.tenant = chunk.tenant AND e.device = chunk.device AND e.epoch = chunk.epoch)")           \
	X(RESULT_ALL, "SELECT link, tier, fresh_time FROM result WHERE tenant = $1 AND device = $2")                   \
	X(RESULT_SET, "INSERT INTO result (tenant, device, link, tier, time, fresh_time, evidence, generation) "       \
		      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant, device, link) DO UPDATE SET "      \
		      "tier = excluded.tier, time = excluded.time, fresh_time = excluded.fresh_time, "                 \
		      "evidence = excluded.evidence, generation = excluded.generation")                                \
	X(REQUEST_GET, "SELECT status, answer FROM request WHERE tenant = $1 AND device = $2 AND key = $3")            \
	X(REQUEST_ADD, "INSERT INTO request (tenant, seq, device, key, time, status, answer) "                         \
		       "VALUES ($1, $2, $3, $4, $5, $6, $7)")                                                          \
	X(REQUEST_PAST,                                                                                                \
	  "SELECT count(*) FROM request WHERE tenant = $1 AND seq = (SELECT min(seq) FROM request WHERE "              \
	  "tenant = $1) AND time < $2")                                                                                \
	X(REQUEST_OLD,                                                                                                 \
	  "DELETE FROM request WHERE tenant = $1 AND seq < (SELECT min(seq) FROM request WHERE tenant = $1) + "        \
	  "100000 AND time < $2")                                                                                      \
	/* intents, log */                                                                                             \
	X(INTENT_ADD,                                                                                                  \
	  "INSERT INTO intent (tenant, seq, device, kind, subject, cause, decided, done, tries, sessions) "            \
	  "VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, 0)")                                                              \
	X(INTENT_OPEN,                                                                                                 \
	  "SELECT i.seq, i.kind, i.subject, i.decided, d.id FROM intent i LEFT JOIN device d ON d.tenant = "           \
	  "i.tenant "                                                                                                  \
	  "AND d.seq = i.device WHERE i.tenant = $1 AND i.done = 0 ORDER BY i.seq")                                    \
	X(INTENT_DONE,                                                                                                 \
	  "UPDATE intent SET done = $3, tries = $4, sessions = $5 WHERE tenant = $1 AND seq = $2 AND done = 0")        \
	X(LEAF_ADD, "INSERT INTO leaf (tenant, seq, type, time, device, salt, record, entry, hash) "                   \
		    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")                                                     \
	X(LEAF_OF_DEVICE,                                                                                              \
	  "SELECT seq, time, type FROM leaf WHERE tenant = $1 AND device = $2 AND seq >= $3 ORDER BY seq LIMIT 100")   \
	X(LEAF_ERASE, "UPDATE leaf SET salt = NULL, record = NULL WHERE tenant = $1 AND seq = $2")                     \
	X(DEVICE_ERASED_GET, "SELECT erased_to FROM device WHERE tenant = $1 AND seq = $2")                            \
	X(DEVICE_ERASED_SET, "UPDATE device SET erased_to = $3 WHERE tenant = $1 AND seq = $2")                        \
	X(LEAF_HASHES, "SELECT hash FROM leaf WHERE tenant = $1 AND seq >= $2 AND seq < $3 ORDER BY seq")              \
	X(LEAF_FIRST, "SELECT type, record FROM leaf WHERE tenant = $1 AND seq = 0")                                   \
	X(PAST_MAX, "SELECT max(number) FROM past_log WHERE tenant = $1")                                              \
	X(PAST_ADD, "INSERT INTO past_log (tenant, number, origin, size, root, note, time) VALUES "                    \
		    "($1, $2, $3, $4, $5, $6, $7)")                                                                    \
	X(PAST_LEAVES,                                                                                                 \
	  "INSERT INTO past_leaf (tenant, log, seq, type, time, device, salt, record, entry, hash) SELECT "            \
	  "tenant, $2, seq, type, time, device, salt, record, entry, hash FROM leaf WHERE tenant = $1")                \
	X(PAST_CHECKPOINTS,                                                                                            \
	  "INSERT INTO past_checkpoint (tenant, log, seq, size, root, note, time) SELECT tenant, $2, "                 \
	  "seq, size, root, note, time FROM checkpoint WHERE tenant = $1")                                             \
	X(PAST_LEAF_LIFE, "SELECT max(time) FROM past_leaf WHERE tenant = $1 AND device = $2 AND type = $3")           \
	X(PAST_LEAF_OLD, "SELECT log, seq FROM past_leaf WHERE tenant = $1 AND device = $2 AND time < $3 AND "         \
			 "record IS NOT NULL AND type <> $4 ORDER BY time LIMIT 100")                                  \
	X(PAST_LEAF_ERASE,                                                                                             \
	  "UPDATE past_leaf SET salt = NULL, record = NULL WHERE tenant = $1 AND log = $2 AND seq = $3")               \
	X(LEAF_END, "DELETE FROM leaf WHERE tenant = $1")                                                              \
	X(TILE_END, "DELETE FROM tile WHERE tenant = $1")                                                              \
	X(CHECKPOINT_END, "DELETE FROM checkpoint WHERE tenant = $1")                                                  \
	X(CHECKPOINT_NOTE, "SELECT size, root, note FROM checkpoint WHERE tenant = $1 ORDER BY size DESC, seq DESC "   \
			   "LIMIT 1")                                                                                  \
	X(DEVICE_ERASED_NONE, "UPDATE device SET erased_to = 0 WHERE tenant = $1")                                     \
	X(TILE_SET,                                                                                                    \
	  "INSERT INTO tile (tenant, level, number, width, bytes) VALUES ($1, $2, $3, $4, $5) "                        \
	  "ON CONFLICT (tenant, level, number) DO UPDATE SET width = excluded.width, bytes = excluded.bytes")          \
	X(TILE_GET, "SELECT width, bytes FROM tile WHERE tenant = $1 AND level = $2 AND number = $3")                  \
	X(CHECKPOINT_ADD,                                                                                              \
	  "INSERT INTO checkpoint (tenant, seq, size, root, note, time) VALUES ($1, $2, $3, $4, $5, $6)")              \
	X(CHECKPOINT_LAST, "SELECT size, root FROM checkpoint WHERE tenant = $1 ORDER BY seq DESC LIMIT 1")            \
	X(EVENT_ADD, "INSERT INTO event (tenant, seq, time, device, kind, body) VALUES ($1, $2, $3, $4, $5, $6)")      \
	X(EVENT_FIRST, "SELECT count(*) FROM event WHERE tenant = $1 AND seq = (SELECT min(seq) FROM event WHERE "     \
		       "tenant = $1) AND time < $2")                                                                   \
	X(EVENT_PAST, "DELETE FROM event WHERE tenant = $1 AND time < $2")                                             \
	X(EVENT_OLD, "DELETE FROM event WHERE tenant = $1 AND seq < $2")                                               \
	/* operators and what they decide */                                                                           \
	X(ACTION_FIND, "SELECT seq, state, answer FROM action WHERE tenant = $1 AND sha256 = $2")                      \
	X(ACTION_ADD,                                                                                                  \
	  "INSERT INTO action (tenant, seq, sha256, verb, subject, reason, canonical, payload, time, state, "          \
	  "needed, answer) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, $11)")                                  \
	X(ACTION_STATE, "UPDATE action SET state = $3, answer = $4 WHERE tenant = $1 AND seq = $2")                    \
	X(LEAF_LIFE, "SELECT max(time) FROM leaf WHERE tenant = $1 AND device = $2 AND type = $3")                     \
	X(SIGNATURE_ADD, "INSERT INTO action_signature (tenant, action, operator, signature, time) "                   \
			 "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, action, operator) DO NOTHING")              \
	X(SIGNATURE_COUNT,                                                                                             \
	  "SELECT count(*) FROM action_signature s JOIN operator o ON o.tenant = s.tenant AND o.key = s.operator "     \
	  "WHERE s.tenant = $1 AND s.action = $2 AND o.until = 0")                                                     \
	X(OPERATOR_ADD,                                                                                                \
	  "INSERT INTO operator (tenant, seq, key, name, role, type, key_a, key_b, certificate, not_after, "           \
	  "since, until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0)")                                    \
	X(OPERATOR_GET,                                                                                                \
	  "SELECT role, type, key_a, key_b, name FROM operator WHERE tenant = $1 AND key = $2 AND until = 0")          \
	X(OPERATOR_KEY_KNOWN, "SELECT count(*) FROM operator WHERE tenant = $1 AND key = $2")                          \
	X(OPERATOR_NAMED, "SELECT key, certificate, role FROM operator WHERE tenant = $1 AND name = $2 AND until = 0") \
	X(OPERATOR_ADMINS, "SELECT count(*) FROM operator WHERE tenant = $1 AND role = $2 AND until = 0")              \
	X(OPERATOR_END, "UPDATE operator SET until = $3 WHERE tenant = $1 AND name = $2 AND until = 0")                \
	X(OPERATOR_ALL,                                                                                                \
	  "SELECT key, role, certificate, not_after, until FROM operator WHERE tenant = $1 ORDER BY seq")              \
	X(EK_LIST_SET,                                                                                                 \
	  "INSERT INTO ek_list (tenant, fingerprint, verdict, class, time, action) VALUES ($1, $2, $3, $4, $5, "       \
	  "$6) ON CONFLICT (tenant, fingerprint) DO UPDATE SET verdict = excluded.verdict, "                           \
	  "class = excluded.class, time = excluded.time, action = excluded.action")                                    \
	X(EK_LIST_GET, "SELECT verdict, class FROM ek_list WHERE tenant = $1 AND fingerprint = $2")                    \
	X(TOKEN_ADD, "INSERT INTO token (tenant, seq, sha256, class, time, expires, used, device) "                    \
		     "VALUES ($1, $2, $3, $4, $5, $6, 0, 0)")                                                          \
	X(TOKEN_GET, "SELECT seq, class, expires, used FROM token WHERE tenant = $1 AND sha256 = $2")                  \
	X(TOKEN_USE, "UPDATE token SET used = $3, device = $4 WHERE tenant = $1 AND seq = $2 AND used = 0")            \
	/* EST */                                                                                                      \
	X(EST_FIND, "SELECT seq, state, certificate FROM est_request WHERE tenant = $1 AND device = $2 AND key = $3")  \
	X(EST_ADD,                                                                                                     \
	  "INSERT INTO est_request (tenant, seq, key, profile, class, name, how, identity, spki, time, state, "        \
	  "decided, certificate, device) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12, $13)")          \
	X(EST_DECIDE,                                                                                                  \
	  "UPDATE est_request SET state = $3, decided = $4, certificate = $5 WHERE tenant = $1 AND seq = $2")          \
	X(EST_COUNT, "SELECT count(*) FROM est_request WHERE tenant = $1 AND state = $2")                              \
	X(EST_OLD, "DELETE FROM est_request WHERE tenant = $1 AND time < $2")                                          \
	X(EST_CERTIFICATE,                                                                                             \
	  "SELECT not_after, state, profile, issuer FROM certificate WHERE tenant = $1 AND device = $2 AND "           \
	  "sha256 = $3")                                                                                               \
	X(EST_ISSUED, "SELECT der, state FROM certificate WHERE tenant = $1 AND seq = $2")                             \
	X(ALIAS_DEVICE, "SELECT device FROM alias WHERE tenant = $1 AND kind = $2 AND value = $3 AND until = 0 "       \
			"ORDER BY seq DESC LIMIT 1")                                                                   \
	X(ALIAS_FREE, "UPDATE alias SET until = $4 WHERE tenant = $1 AND kind = $2 AND value = $3 AND until = 0")      \
	X(MAX_ALARM, "SELECT max(seq) FROM alarm WHERE tenant = $1")                                                   \
	X(ALARM_ADD, "INSERT INTO alarm (tenant, seq, time, rule, accepted) VALUES ($1, $2, $3, $4, 0)")               \
	X(ALARM_OPEN, "SELECT max(seq) FROM alarm WHERE tenant = $1 AND accepted = 0")                                 \
	X(ALARM_ACCEPT, "UPDATE alarm SET accepted = $3 WHERE tenant = $1 AND seq = $2")                               \
	X(LEAF_LAST, "SELECT time FROM leaf WHERE tenant = $1 ORDER BY seq DESC LIMIT 1")                              \
	X(MAX_RELEASE, "SELECT max(seq) FROM release WHERE tenant = $1")                                               \
	X(MAX_DEPLOYMENT, "SELECT max(seq) FROM deployment WHERE tenant = $1")                                         \
	X(MAX_FEEDBACK, "SELECT max(seq) FROM feedback WHERE tenant = $1")                                             \
	/* releases and deployments */                                                                                 \
	X(RELEASE_ADD,                                                                                                 \
	  "INSERT INTO release (tenant, seq, sha256, name, version, sequence, floor, expires, reference, "             \
	  "document, time, action, leaf, withdrawn, withdrawn_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, "            \
	  "$9, $10, $11, $12, $13, 0, 0)")                                                                             \
	X(RELEASE_CLASS_ADD, "INSERT INTO release_class (tenant, release, class) VALUES ($1, $2, $3)")                 \
	X(RELEASE_ARTIFACT_ADD,                                                                                        \
	  "INSERT INTO release_artifact (tenant, release, sha256, size, name, kind) VALUES ($1, $2, $3, "              \
	  "$4, $5, $6) ON CONFLICT (tenant, release, sha256) DO NOTHING")                                              \
	X(RELEASE_FIND,                                                                                                \
	  "SELECT seq, sequence, floor, expires, reference, withdrawn FROM release WHERE tenant = $1 AND "             \
	  "sha256 = $2")                                                                                               \
	X(RELEASE_NAMED,                                                                                               \
	  "SELECT count(*) FROM release WHERE tenant = $1 AND name = $2 AND (sequence = $3 OR version = $4)")          \
	X(RELEASE_HAS_CLASS, "SELECT count(*) FROM release_class WHERE tenant = $1 AND release = $2 AND class = $3")   \
	X(RELEASE_WITHDRAW, "UPDATE release SET withdrawn = $3, withdrawn_by = $4 WHERE tenant = $1 AND seq = $2")     \
	X(RELEASE_BY_REFERENCE,                                                                                        \
	  "SELECT seq, sequence, withdrawn FROM release WHERE tenant = $1 AND reference = $2 ORDER BY seq "            \
	  "DESC LIMIT 1")                                                                                              \
	X(RELEASE_LACKS,                                                                                               \
	  "SELECT count(*) FROM release_artifact r WHERE r.tenant = $1 AND r.release = $2 AND NOT EXISTS "             \
	  "(SELECT 1 FROM artifact a WHERE a.tenant = r.tenant AND a.sha256 = r.sha256 AND a.complete <> 0)")          \
	X(RELEASE_FLOOR, "SELECT max(r.floor) FROM deployment d JOIN release r ON r.tenant = d.tenant AND r.seq = "    \
			 "d.release WHERE d.tenant = $1 AND d.device = $2 AND d.state = $3 AND r.name = "              \
			 "(SELECT name FROM release WHERE tenant = $1 AND seq = $4)")                                  \
	X(DEPLOYMENT_ADD,                                                                                              \
	  "INSERT INTO deployment (tenant, seq, device, release, forced, state, time, changed, progress, "             \
	  "slot, reason, reset, evidence, rollout, action) VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 0, '', "            \
	  "'', -1, 0, $8, $9)")                                                                                        \
	X(DEPLOYMENT_GET, "SELECT d.seq, d.device, d.release, d.state, d.reset, r.sha256, r.reference, d.rollout, "    \
			  "d.stop FROM deployment d JOIN release r ON r.tenant = d.tenant AND r.seq = d.release "      \
			  "WHERE d.tenant = $1 AND d.seq = $2")                                                        \
	X(DEPLOYMENT_LAST, "SELECT d.seq, d.device, d.release, d.state, d.reset, r.sha256, r.reference, d.rollout, "   \
			   "d.stop FROM deployment d JOIN release r ON r.tenant = d.tenant AND r.seq = d.release "     \
			   "WHERE d.tenant = $1 AND d.device = "                                                       \
			   "$2 ORDER BY d.seq DESC LIMIT 1")                                                           \
	X(DEPLOYMENT_WANTED, "SELECT DISTINCT device FROM deployment WHERE tenant = $1 AND state IN ($2, $3)")         \
	X(DEPLOYMENT_OF_RELEASE,                                                                                       \
	  "SELECT seq FROM deployment WHERE tenant = $1 AND release = $2 AND state = $3 ORDER BY seq LIMIT 100")       \
	X(DEPLOYMENT_STATE,                                                                                            \
	  "UPDATE deployment SET state = $3, changed = $4, reason = $5, evidence = $6 WHERE tenant = $1 "              \
	  "AND seq = $2")                                                                                              \
	X(DEPLOYMENT_SAID, "UPDATE deployment SET progress = CASE WHEN $3 < 0 THEN progress ELSE $3 END, slot = $4, "  \
			   "reset = $5 WHERE tenant = $1 AND seq = $2")                                                \
	X(DEPLOYMENT_STOP, "UPDATE deployment SET stop = $3 WHERE tenant = $1 AND seq = $2")                           \
	X(DEPLOYMENT_RESET, "UPDATE deployment SET reset = $3 WHERE tenant = $1 AND seq = $2")                         \
	X(FEEDBACK_ADD, "INSERT INTO feedback (tenant, seq, deployment, device, time, state, progress, reason, slot) " \
			"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")                                                 \
	X(FEEDBACK_COUNT, "SELECT count(*) FROM feedback WHERE tenant = $1 AND deployment = $2")                       \
	X(RELEASE_COMMIT, "SELECT name FROM release_artifact WHERE tenant = $1 AND release = $2 AND kind = $3")        \
	X(ARTIFACT_WANTED,                                                                                             \
	  "SELECT max(r.size) FROM release_artifact r JOIN release p ON p.tenant = r.tenant AND p.seq = "              \
	  "r.release WHERE r.tenant = $1 AND r.sha256 = $2 AND p.withdrawn = 0")                                       \
	X(ARTIFACT_UNDIGESTED,                                                                                         \
	  "SELECT sha256, size FROM artifact WHERE tenant = $1 AND complete <> 0 AND sha1 IS NULL "                    \
	  "ORDER BY sha256 LIMIT 1")                                                                                   \
	X(ARTIFACT_UNWANTED,                                                                                           \
	  "SELECT sha256, size, have FROM artifact a WHERE a.tenant = $1 AND NOT EXISTS (SELECT 1 FROM "               \
	  "release_artifact r JOIN release p ON p.tenant = r.tenant AND p.seq = r.release WHERE r.tenant = a.tenant "  \
	  "AND r.sha256 = a.sha256 AND (p.withdrawn = 0 OR p.withdrawn > $2)) ORDER BY sha256 LIMIT 100")              \
	X(ARTIFACT_REMOVE, "DELETE FROM artifact WHERE tenant = $1 AND sha256 = $2")                                   \
	X(ARTIFACT_SHA1, "UPDATE artifact SET sha1 = $3 WHERE tenant = $1 AND sha256 = $2")                            \
	X(DEVICE_CALLED, "SELECT count(*) FROM alias WHERE tenant = $1 AND device = $2 AND until = 0 AND "             \
			 "((kind = $3 AND value = $4) OR (kind = $5 AND value = $6))")                                 \
	X(ALIAS_LIVE, "SELECT value FROM alias WHERE tenant = $1 AND device = $2 AND kind = $3 AND until = 0")         \
	X(DEVICE_WITH_CERTIFICATE, "SELECT DISTINCT device FROM certificate WHERE tenant = $1 AND state = 0")          \
	X(DDI_STOP, "SELECT min(seq) FROM deployment WHERE tenant = $1 AND device = $2 AND stop = $3")                 \
	X(DDI_INSTALLED, "SELECT max(seq), max(changed) FROM deployment WHERE tenant = $1 AND device = $2 AND "        \
			 "state IN ($3, $4, $5)")                                                                      \
	X(ATTRIBUTES_TIME, "SELECT max(time) FROM attribute WHERE tenant = $1 AND device = $2")                        \
	X(ATTRIBUTES_NEXT,                                                                                             \
	  "SELECT DISTINCT device FROM attribute WHERE tenant = $1 AND device > $2 ORDER BY device LIMIT 100")         \
	X(ATTRIBUTE_SET,                                                                                               \
	  "INSERT INTO attribute (tenant, device, name, value, time) VALUES ($1, $2, $3, $4, $5) "                     \
	  "ON CONFLICT (tenant, device, name) DO UPDATE SET value = excluded.value, time = excluded.time")             \
	X(ATTRIBUTE_GET, "SELECT value FROM attribute WHERE tenant = $1 AND device = $2 AND name = $3")                \
	X(ATTRIBUTE_HAS, "SELECT count(*) FROM attribute WHERE tenant = $1 AND device = $2 AND name = $3")             \
	X(ATTRIBUTE_COUNT, "SELECT count(*) FROM attribute WHERE tenant = $1 AND device = $2")                         \
	X(ATTRIBUTE_REMOVE, "DELETE FROM attribute WHERE tenant = $1 AND device = $2 AND name = $3")                   \
	X(ATTRIBUTES_REMOVE, "DELETE FROM attribute WHERE tenant = $1 AND device = $2")                                \
	X(ARTIFACT_GET, "SELECT have, complete FROM artifact WHERE tenant = $1 AND sha256 = $2")                       \
	X(ARTIFACT_SET,                                                                                                \
	  "INSERT INTO artifact (tenant, sha256, size, have, complete, time) VALUES ($1, $2, $3, $4, $5, "             \
	  "$6) ON CONFLICT (tenant, sha256) DO UPDATE SET size = excluded.size, have = excluded.have, "                \
	  "complete = excluded.complete, time = excluded.time")                                                        \
	/* rollouts */                                                                                                 \
	X(MAX_ROLLOUT, "SELECT max(seq) FROM rollout WHERE tenant = $1")                                               \
	X(ROLLOUT_ADD, "INSERT INTO rollout (tenant, seq, name, release, sha256, document, state, phase, reason, "     \
		       "time, changed, chosen_to, members, canaries, reached, begun, accepted, settled, action) "      \
		       "VALUES ($1, $2, $3, $4, $5, $6, $7, 0, '', $8, $8, 0, 0, 0, 0, 0, 0, 0, $9)")                  \
	X(ROLLOUT_NAMED, "SELECT seq, state FROM rollout WHERE tenant = $1 AND name = $2")                             \
	X(ROLLOUT_GET, "SELECT r.seq, r.name, r.release, r.sha256, r.document, r.state, r.phase, r.chosen_to, "        \
		       "r.members, r.canaries, r.reached, r.begun, r.accepted, r.action, p.sequence, p.expires, "      \
		       "p.withdrawn, length(p.reference) FROM rollout r JOIN release p ON p.tenant = r.tenant AND "    \
		       "p.seq = r.release WHERE r.tenant = $1 AND r.seq = $2")                                         \
	X(ROLLOUT_COUNT, "SELECT count(*) FROM rollout WHERE tenant = $1 AND state = $2")                              \
	X(ROLLOUT_LIVE, "SELECT seq FROM rollout WHERE tenant = $1 AND settled = 0 AND seq > $2 ORDER BY seq LIMIT 1") \
	X(ROLLOUT_STATE, "UPDATE rollout SET state = $3, changed = $4, reason = $5, settled = $6 WHERE tenant = $1 "   \
			 "AND seq = $2")                                                                               \
	X(ROLLOUT_CHOSEN,                                                                                              \
	  "UPDATE rollout SET chosen_to = $3, members = $4, canaries = $5 WHERE tenant = $1 AND seq = "                \
	  "$2")                                                                                                        \
	X(ROLLOUT_PHASE, "UPDATE rollout SET phase = $3, reached = $4, accepted = $5, changed = $6 WHERE tenant = $1 " \
			 "AND seq = $2")                                                                               \
	X(ROLLOUT_BEGUN, "UPDATE rollout SET begun = $3 WHERE tenant = $1 AND seq = $2")                               \
	X(ROLLOUT_SETTLED, "UPDATE rollout SET settled = 1 WHERE tenant = $1 AND seq = $2")                            \
	X(ROLLOUT_CHOOSE,                                                                                              \
	  "SELECT d.seq, d.id, d.class, d.hostname, d.state, d.chain FROM device d WHERE d.tenant = $1 "               \
	  "AND d.seq > $2 ORDER BY d.seq LIMIT 1000")                                                                  \
	X(ROLLOUT_PROVEN_MAX,                                                                                          \
	  "SELECT max(r.floor), max(r.sequence) FROM deployment d JOIN release r ON r.tenant = "                       \
	  "d.tenant AND r.seq = d.release JOIN device v ON v.tenant = d.tenant AND v.seq = d.device "                  \
	  "WHERE d.tenant = $1 AND d.state = $2 AND r.name = (SELECT name FROM release WHERE tenant = "                \
	  "$1 AND seq = $3) AND ($4 = '' OR v.class = $4) AND EXISTS (SELECT 1 FROM release_class c "                  \
	  "WHERE c.tenant = d.tenant AND c.release = $3 AND c.class = v.class)")                                       \
	X(ROLLOUT_PROVEN_ONE,                                                                                          \
	  "SELECT max(r.floor), max(r.sequence) FROM deployment d JOIN release r ON r.tenant = "                       \
	  "d.tenant AND r.seq = d.release WHERE d.tenant = $1 AND d.state = $2 AND r.name = (SELECT "                  \
	  "name FROM release WHERE tenant = $1 AND seq = $3) AND d.device = $4")                                       \
	X(RELEASE_RUNS, "SELECT r.name, r.version FROM deployment d JOIN release r ON r.tenant = d.tenant AND r.seq "  \
			"= d.release WHERE d.tenant = $1 AND d.device = $2 AND d.state = $3 ORDER BY d.seq DESC "      \
			"LIMIT 1")                                                                                     \
	X(MEMBER_ADD, "INSERT INTO rollout_member (tenant, rollout, device, place, status, deployment) VALUES ($1, "   \
		      "$2, $3, $4, 0, 0)")                                                                             \
	X(MEMBER_SET, "UPDATE rollout_member SET status = $4, deployment = $5 WHERE tenant = $1 AND rollout = $2 "     \
		      "AND device = $3")                                                                               \
	X(MEMBER_NEXT, "SELECT device FROM rollout_member WHERE tenant = $1 AND rollout = $2 AND status = 0 ORDER "    \
		       "BY place LIMIT $3")                                                                            \
	X(MEMBER_WAITING, "SELECT count(*) FROM rollout_member WHERE tenant = $1 AND rollout = $2 AND status = 0")     \
	X(DEPLOYMENT_PHASE, "UPDATE deployment SET phase = $3 WHERE tenant = $1 AND seq = $2")                         \
	X(DEPLOYMENT_TAKEN, "UPDATE deployment SET taken = $3 WHERE tenant = $1 AND seq = $2 AND taken = 0")           \
	X(PHASE_STATES, "SELECT state, count(*) FROM deployment WHERE tenant = $1 AND rollout = $2 AND phase = $3 "    \
			"GROUP BY state")                                                                              \
	X(PHASE_CLAIMED, "SELECT count(*) FROM deployment d WHERE d.tenant = $1 AND d.rollout = $2 AND d.phase = $3 "  \
			 "AND d.state = $4 AND ($5 <> 0 OR NOT EXISTS (SELECT 1 FROM ak a WHERE a.tenant = d.tenant "  \
			 "AND a.device = d.device AND a.until = 0))")                                                  \
	X(ROLLOUT_FAILED, "SELECT d.seq, d.state, v.id, v.hostname, d.reason FROM deployment d JOIN device v ON "      \
			  "v.tenant = d.tenant AND v.seq = d.device WHERE d.tenant = $1 AND d.rollout = $2 AND "       \
			  "d.state IN ($3, $4, $5, $6, $7) AND d.excused = 0 AND (d.state IN ($3, $4, $5) OR "         \
			  "(d.taken > 0 AND d.taken <= $8 AND ($9 = 0 OR d.state = $6 OR ($10 = 0 AND EXISTS (SELECT " \
			  "1 FROM ak a WHERE a.tenant = d.tenant AND a.device = d.device AND a.until = 0))))) ORDER "  \
			  "BY d.seq LIMIT $11")                                                                        \
	X(DEPLOYMENT_EXCUSE, "UPDATE deployment SET excused = 1 WHERE tenant = $1 AND seq = $2")                       \
	X(ROLLOUT_OFFERS, "SELECT seq FROM deployment WHERE tenant = $1 AND rollout = $2 AND state = $3 ORDER BY seq " \
			  "LIMIT 500")                                                                                 \
	/* generations */                                                                                              \
	X(CLASS_SET, "INSERT INTO class (tenant, name, policy, time, action) VALUES ($1, $2, $3, $4, $5) "             \
		     "ON CONFLICT (tenant, name) DO UPDATE SET policy = excluded.policy, time = excluded.time, "       \
		     "action = excluded.action")                                                                       \
	X(CLASS_GET, "SELECT policy, action FROM class WHERE tenant = $1 AND name = $2")                               \
	X(CLASS_ALL, "SELECT name, policy FROM class WHERE tenant = $1 ORDER BY name")                                 \
	X(REFERENCE_FIND,                                                                                              \
	  "SELECT count(*) FROM reference WHERE tenant = $1 AND class = $2 AND sha256 = $3 AND retired = 0")           \
	X(REFERENCE_COUNT, "SELECT count(*) FROM reference WHERE tenant = $1 AND class = $2 AND retired = 0")          \
	X(REFERENCE_RETIRE, "UPDATE reference SET retired = $4, retired_by = $5 WHERE tenant = $1 AND class = $2 "     \
			    "AND sha256 = $3 AND retired = 0")                                                         \
	X(REFERENCE_ADD, "INSERT INTO reference (tenant, seq, class, sha256, document, time, action) "                 \
			 "VALUES ($1, $2, $3, $4, $5, $6, $7)")                                                        \
	X(REFERENCE_ALL, "SELECT class, document FROM reference WHERE tenant = $1 AND retired = 0 ORDER BY seq")       \
	X(PINNED_ADD, "INSERT INTO pinned (tenant, seq, device, sha256, document, since, until, action) "              \
		      "VALUES ($1, $2, $3, $4, $5, $6, 0, $7)")                                                        \
	X(PINNED_END, "UPDATE pinned SET until = $3 WHERE tenant = $1 AND device = $2 AND until = 0")                  \
	X(PINNED_OF_DEVICE,                                                                                            \
	  "SELECT seq, sha256, document FROM pinned WHERE tenant = $1 AND device = $2 AND until = 0 "                  \
	  "ORDER BY seq DESC LIMIT 1")                                                                                 \
	X(EK_ROOT_ADD, "INSERT INTO ek_root (tenant, sha256, certificate, time) VALUES ($1, $2, $3, $4) "              \
		       "ON CONFLICT (tenant, sha256) DO NOTHING")                                                      \
	X(EK_ROOT_ALL, "SELECT sha256, certificate FROM ek_root WHERE tenant = $1 ORDER BY sha256")                    \
	X(EK_ROOT_DROP, "DELETE FROM ek_root WHERE tenant = $1 AND sha256 = $2")                                       \
	X(FLEET_ROOT_NEWEST,                                                                                           \
	  "SELECT version, document FROM fleet_root WHERE tenant = $1 ORDER BY version DESC LIMIT 1")                  \
	X(FLEET_ROOT_ADD, "INSERT INTO fleet_root (tenant, version, document, sha256, time, action) "                  \
			  "VALUES ($1, $2, $3, $4, $5, $6)")                                                           \
	X(GENERATION_LAST, "SELECT number, image FROM generation WHERE tenant = $1 ORDER BY number DESC LIMIT 1")      \
	X(GENERATION_REFUSED, "UPDATE generation SET refused = $3, rule = $4 WHERE tenant = $1 AND number = $2")       \
	X(GENERATION_ADD, "INSERT INTO generation (tenant, number, time, image, sha256) VALUES ($1, $2, $3, $4, $5)")

#define CH_KEEPER_SQL_ENUM(name, text) CH_SQL_##name,
enum ch_keeper_sql { CH_KEEPER_SQL(CH_KEEPER_SQL_ENUM) CH_SQL_COUNT };
#undef CH_KEEPER_SQL_ENUM

#endif
