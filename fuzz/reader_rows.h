/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_FUZZ_READER_ROWS_H
#define CH_FUZZ_READER_ROWS_H

/*
 * What is in the store that reader_request_fuzz.c asks about: devices in several states, one of them cut off, what they sent, what
 * operators decided, a log that is behind its checkpoint, and what a healthy server would not have written.
 */

#define ID_A "x'11111111111111111111111111111111'"
#define ID_B "x'22222222222222222222222222222222'"
#define SHA  "x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'"
#define ABC  "x'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'"
#define FACTS                                                                                                                   \
	"{\"link\":\"boot\",\"tier\":\"contraindicated\",\"code\":\"event-unexplained\",\"text\":\"x\",\"event\":14,\"pcr\":9," \
	"\"type\":\"EV_IPL\",\"measured\":\"m\",\"expected_what\":\"e\",\"digest\":\"00\",\"expected\":\"01\",\"from_name\":\"b\"}"
#define NOTE  "{\"link\":\"boot\",\"tier\":\"none\",\"code\":\"note\"}"
#define FILE_ "{\"link\":\"os\",\"tier\":\"warning\",\"code\":\"other\",\"entry\":3}"
#define FOUR \
	"{\"link\":\"boot\",\"code\":\"pcr-1\"},{\"link\":\"boot\",\"code\":\"nonce\"},{\"link\":\"boot\"},{\"link\":\"boot\",\"code\":7}"
#define MORE FOUR "," FOUR

/* Columns by name: a migration may add some. */
#define DEVICE_ROW \
	"INSERT INTO device (tenant, seq, id, class, hostname, state, chain, chain_time, platform, enrolled, evidence, fresh_time, reattest, stale_at, quota_since, quota_bytes, erased_to) VALUES "
#define RESULT_ROW "INSERT INTO result (tenant, device, link, tier, time, fresh_time, evidence, generation) VALUES "
#define EVIDENCE_ROW \
	"INSERT INTO evidence (tenant, seq, device, time, collected, fresh, generation, chain, tiers, nonce, quote, signature, eventlog, eventlog_size, ima, ima_size, epoch, ear, reasons, kept, pinned) VALUES "
#define BLOB_ROW  "INSERT INTO blob (tenant, seq, sha256, size, time, bytes) VALUES "
#define CHUNK_ROW "INSERT INTO chunk (tenant, seq, device, kind, epoch, start, size, blob) VALUES "
#define AK_ROW    "INSERT INTO ak (tenant, seq, device, type, key_a, key_b, public, since, until) VALUES "
#define INTENT_ROW \
	"INSERT INTO intent (tenant, seq, device, kind, subject, cause, decided, done, tries, sessions) VALUES "
#define CERTIFICATE_ROW \
	"INSERT INTO certificate (tenant, seq, device, sha256, serial, der, spki, not_before, not_after, state, ended, profile) VALUES "
#define ALIAS_ROW      "INSERT INTO alias (tenant, seq, device, kind, value, since, until) VALUES "
#define PINNED_ROW     "INSERT INTO pinned (tenant, seq, device, sha256, document, since, until, action) VALUES "
#define LEAF_ROW       "INSERT INTO leaf (tenant, seq, type, time, device, salt, record, entry, hash) VALUES "
#define TILE_ROW       "INSERT INTO tile (tenant, level, number, width, bytes) VALUES "
#define CHECKPOINT_ROW "INSERT INTO checkpoint (tenant, seq, size, root, note, time) VALUES "
#define ACTION_ROW \
	"INSERT INTO action (tenant, seq, sha256, verb, subject, reason, canonical, payload, time, state, needed, answer) VALUES "
#define ACTION_SIGNATURE_ROW "INSERT INTO action_signature (tenant, action, operator, signature, time) VALUES "
#define OPERATOR_ROW \
	"INSERT INTO operator (tenant, seq, key, name, role, type, key_a, key_b, certificate, not_after, since, until) VALUES "
#define EK_LIST_ROW    "INSERT INTO ek_list (tenant, fingerprint, verdict, class, time, action) VALUES "
#define GENERATION_ROW "INSERT INTO generation (tenant, number, time, image, sha256) VALUES "
#define REFERENCE_ROW \
	"INSERT INTO reference (tenant, seq, class, sha256, document, time, action, retired, retired_by) VALUES "
#define FLEET_ROOT_ROW "INSERT INTO fleet_root (tenant, version, document, sha256, time, action) VALUES "
#define RELEASE_ROW \
	"INSERT INTO release (tenant, seq, sha256, name, version, sequence, floor, expires, reference, document, time, action, leaf, withdrawn, withdrawn_by) VALUES "
#define RELEASE_ARTIFACT_ROW "INSERT INTO release_artifact (tenant, release, sha256, size, name, kind) VALUES "
#define ARTIFACT_ROW         "INSERT INTO artifact (tenant, sha256, size, have, complete, time, sha1) VALUES "
#define DEPLOYMENT_ROW \
	"INSERT INTO deployment (tenant, seq, device, release, forced, state, time, changed, progress, slot, reason, reset, evidence, rollout, action, stop) VALUES "
#define FEEDBACK_ROW \
	"INSERT INTO feedback (tenant, seq, deployment, device, time, state, progress, reason, slot) VALUES "
#define ROLLOUT_ROW \
	"INSERT INTO rollout (tenant, seq, name, release, sha256, document, state, phase, reason, time, changed, chosen_to, members, canaries, reached, begun, accepted, settled, action) VALUES "
#define MEMBER_ROW "INSERT INTO rollout_member (tenant, rollout, device, place, status, deployment) VALUES "
#define ROLLOUT_DOC                                                                                                                            \
	"'{\"type\":\"chainhold-rollout/v1\",\"name\":\"r\",\"release\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"," \
	"\"phases\":[{\"count\":1},{\"percent\":100}],\"window\":{\"days\":[\"mon\"],\"from\":\"01:00\",\"to\":\"02:00\"},"                    \
	"\"halt\":{\"failures\":{\"count\":1}},\"advance\":{\"proven\":90}}'"
#define ATTRIBUTE_ROW "INSERT INTO attribute (tenant, device, name, value, time) VALUES "
#define CLASS_ROW     "INSERT INTO class (tenant, name, policy, time, action) VALUES "

static const char *const reader_rows[] = {
	DEVICE_ROW "(0, 1, " ID_A ", 'gateway', 'gw-1', 3, 2, 1790000000000, 2, 1780000000000, 1, "
		   "1790000000000, 1, 1790003600000, 1790000000000, 5, 0)",
	DEVICE_ROW "(0, 2, " ID_B
		   ", 'gateway', '', 4, 96, 1790000000000, 2, 1780000000000, 3, 1700000000000, 0, 0, 0, 0, 0)",
	DEVICE_ROW "(0, 3, x'33333333333333333333333333333333', 'none', 'a\x1b', 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)",
	DEVICE_ROW "(0, 5, x'55555555555555555555555555555555', 'gateway', 'new', 4, 96, 1790000059000, 2, "
		   "1780000000000, 0, 0, 0, 0, 0, 0, 0)",
	DEVICE_ROW "(0, 4, x'44444444444444444444444444444444', 'gateway', 'old', 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)",
	RESULT_ROW "(0, 1, 0, 2, 1790000000000, 1790000000000, 1, 1)",
	RESULT_ROW "(0, 1, 1, 32, 1790000000000, 1790000000000, 1, 1)",
	RESULT_ROW "(0, 2, 0, 2, 1700000000000, 1700000000000, 3, 1)",
	RESULT_ROW "(0, 2, 1, 96, 1700000000000, 1700000000000, 3, 1)",
	RESULT_ROW "(0, 2, 2, 32, 1700000000000, 1700000000000, 3, 1)",
	RESULT_ROW "(0, 2, 7, 96, 0, 0, 0, 0)",
	RESULT_ROW "(0, 5, 0, 2, 1789996470000, 1789996470000, 1, 1)",
	EVIDENCE_ROW "(0, 1, 1, 1790000000000, 0, 1, 1, 2, x'0220', x'00', x'01', x'02', " SHA ", 0, " SHA
		     ", 0, 1, '{\"a\":1}', '[]', 1, 0)",
	EVIDENCE_ROW "(0, 3, 2, 1700000000000, 0, 1, 1, 96, x'02600000000000', x'00', x'01', x'02', " SHA ", 9, " SHA
		     ", 9, 1, '{}', 'no', 0, 0)",
	EVIDENCE_ROW "(0, 4, 2, 1700000000000, 5, 0, 1, 96, x'', x'', x'', x'', x'aa', 2, x'bb', 3, 1, 'no', "
		     "'[7," FACTS "," NOTE "," FILE_ "," MORE "," MORE "," MORE "]', 1, 1)",
	EVIDENCE_ROW "(0, 5, 2, 1700000000000, 5, 0, 1, 96, x'', x'', x'', x'', x'aa', 2, " ABC
		     ", 3, 1, '{}', '[7," FACTS "," NOTE "," FILE_ "," MORE "," MORE "," MORE "]', 1, 1)",
	BLOB_ROW "(0, 1, x'aa', 2, 0, x'6162')",
	BLOB_ROW "(0, 2, x'ab', 3, 0, x'616263')",
	CHUNK_ROW "(0, 1, 2, 1, 1, 0, 3, 2)",
	AK_ROW "(0, 1, 1, 1, x'00', x'00', x'0123', 0, 0)",
	INTENT_ROW "(0, 1, 2, 1, x'', 'boot', 1700000000000, 1700000000005, 1, 2)",
	INTENT_ROW "(0, 2, 1, 1, x'', 'boot', 1700000000000, 0, 1, 2)",
	CERTIFICATE_ROW "(0, 1, 1, " SHA ", x'01', x'00', x'00', 1, 2, 1, 0, NULL)",
	ALIAS_ROW "(0, 1, 1, 1, x'00', 1, 0)",
	ALIAS_ROW "(0, 2, 1, 2, 'gw-1', 1, 2)",
	PINNED_ROW "(0, 1, 1, " SHA ", '{\"p\":1}', 1, 0, 1)",
	LEAF_ROW "(0, 0, 1, 1790000000000, 1, x'00', '{\"r\":1}', x'0102', x'00')",
	LEAF_ROW "(0, 1, 2, 1790000000000, 0, NULL, NULL, x'0103', x'00')",
	TILE_ROW "(0, 0, 0, 2, zeroblob(64))",
	CHECKPOINT_ROW "(0, 1, 3, " SHA ", 'log\n3\n\n', 1790000000000)",
	ACTION_ROW "(0, 1, " SHA ", 'device.release', 'x', 'y', x'00', x'0102', 1, 0, 2, '')",
	ACTION_ROW "(0, 2, x'00', 'ek.deny', 'x', 'y', x'00', x'', 1, 1, 1, '')",
	ACTION_SIGNATURE_ROW "(0, 1, x'aa', x'00', 1)",
	OPERATOR_ROW "(0, 1, x'aa', 'admin', 5, 1, x'', x'', x'', 9, 1, 0)",
	EK_LIST_ROW "(0, " SHA ", 1, 'gateway', 1, 1)",
	EK_LIST_ROW "(0, x'ff', 2, '', 1, 1)",
	GENERATION_ROW "(0, 1, 1, x'0001', " SHA ")",
	REFERENCE_ROW "(0, 1, 'gateway', " SHA ", x'00', 1, 1, 0, 0)",
	FLEET_ROOT_ROW "(0, 1, 'root', " SHA ", 1, 1)",
	RELEASE_ROW "(0, 1, " SHA ", 'os', '1.0', 1, 0, 2000000000, x'', 'doc', 1, 1, 0, 0, 0)",
	RELEASE_ROW "(0, 2, " ABC ", 'os', '1.1', 2, 0, 2000000000, x'', 'doc', 1, 1, 0, 0, 0)",
	RELEASE_ARTIFACT_ROW "(0, 1, " SHA ", 9, 'a.swu', 'swu')",
	RELEASE_ARTIFACT_ROW "(0, 2, " ABC ", 3, 'b+.bin', 'file')",
	ARTIFACT_ROW "(0, " SHA ", 9, 9, 1, 1, x'0000000000000000000000000000000000000001')",
	ARTIFACT_ROW "(0, " ABC ", 3, 3, 1, 1, NULL)",
	DEPLOYMENT_ROW "(0, 1001, 1, 1, 1, 4, 1, 1, 100, 'B', '', -1, 1, 0, 1, 0)",
	DEPLOYMENT_ROW "(0, 1002, 1, 2, 0, 8, 1, 2, 0, '', 'r', -1, 0, 0, 1, 1)",
	DEPLOYMENT_ROW "(0, 1003, 1, 2, 0, 3, 1, 2, 0, '', '', -1, 0, 0, 1, 0)",
	DEPLOYMENT_ROW "(0, 1004, 1, 1, 0, 2, 1, 3, 40, '', '', -1, 0, 0, 1, 0)",
	FEEDBACK_ROW "(0, 2, 1004, 1, 1, 'downloading', 40, '', 'A')",
	"INSERT INTO release_class (tenant, release, class) VALUES (0, 1, 'gateway')",
	FEEDBACK_ROW "(0, 1, 1004, 1, 2, 'proceeding/none', -1, 'x', '')",
	ATTRIBUTE_ROW "(0, 1, 'serial', '0815', 2)",
	ROLLOUT_ROW "(0, 1, 'r1', 1, " SHA ", " ROLLOUT_DOC ", 2, 0, '', 1, 2, 9, 3, 0, 0, 0, 0, 0, 1)",
	ROLLOUT_ROW "(0, 2, 'r2', 2, " SHA ", " ROLLOUT_DOC ", 4, 1, '1 of 2 failed', 1, 2, 9, 2, 0, 5, 0, 0, 0, 1)",
	ROLLOUT_ROW "(0, 3, 'r3', 2, " SHA ", x'7b', 9, 70, 'w', 1, 2, 9, 2, 0, 5, 0, 0, 0, 1)",
	MEMBER_ROW "(0, 1, 1, 5, 0, 0)",
	MEMBER_ROW "(0, 1, 2, 4, 0, 0)",
	MEMBER_ROW "(0, 1, 5, 3, 1, 1001)",
	MEMBER_ROW "(0, 2, 2, -4, 0, 0)",
	MEMBER_ROW "(0, 3, 3, 4, 3, 0)",
};

#endif
