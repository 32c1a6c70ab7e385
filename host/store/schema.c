/* SPDX-License-Identifier: Apache-2.0 */
#include "host/store/schema.h"

#include "core/base/wr.h"

/*
 * A clustered table is stored in the order of its key, without a second tree for row numbers. That is how SQLite is told; the
 * text itself stays portable. Tables of large rows are not clustered.
 */
enum step_kind { STEP_PLAIN, STEP_CLUSTERED };

struct step {
	const char *sql;
	enum step_kind kind;
};

struct migration {
	int64_t number;
	const char *what;
	const struct step *step;
	size_t count;
};

/* Times are milliseconds since 1970; digests, keys and ids raw bytes; seq a number that only grows. */
static const struct step spine[] = {
	{ "CREATE TABLE schema_version (tenant BIGINT NOT NULL, number BIGINT NOT NULL, what TEXT NOT NULL, "
	  "time BIGINT NOT NULL, PRIMARY KEY (tenant, number))",
	  STEP_CLUSTERED },
	{ "CREATE TABLE class (tenant BIGINT NOT NULL, name TEXT NOT NULL, policy BYTEA NOT NULL, time BIGINT NOT NULL, "
	  "action BIGINT NOT NULL, PRIMARY KEY (tenant, name))",
	  STEP_CLUSTERED },
	{ "CREATE TABLE ek_root (tenant BIGINT NOT NULL, sha256 BYTEA NOT NULL, certificate BYTEA NOT NULL, "
	  "time BIGINT NOT NULL, PRIMARY KEY (tenant, sha256))",
	  STEP_CLUSTERED },
	{ "CREATE TABLE generation (tenant BIGINT NOT NULL, number BIGINT NOT NULL, time BIGINT NOT NULL, "
	  "image BYTEA NOT NULL, sha256 BYTEA NOT NULL, PRIMARY KEY (tenant, number))",
	  STEP_PLAIN },
	{ "CREATE TABLE reference (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, class TEXT NOT NULL, "
	  "sha256 BYTEA NOT NULL, document BYTEA NOT NULL, time BIGINT NOT NULL, action BIGINT NOT NULL, "
	  "PRIMARY KEY (tenant, seq))",
	  STEP_PLAIN },
	{ "CREATE TABLE device (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, id BYTEA NOT NULL, class TEXT NOT NULL, "
	  "hostname TEXT NOT NULL, state BIGINT NOT NULL, chain BIGINT NOT NULL, chain_time BIGINT NOT NULL, "
	  "platform BIGINT NOT NULL, enrolled BIGINT NOT NULL, evidence BIGINT NOT NULL, fresh_time BIGINT NOT NULL, "
	  "reattest BIGINT NOT NULL, stale_at BIGINT NOT NULL, PRIMARY KEY (tenant, seq))",
	  STEP_CLUSTERED },
	{ "CREATE UNIQUE INDEX device_id ON device (tenant, id)", STEP_PLAIN },
	{ "CREATE INDEX device_stale ON device (tenant, stale_at)", STEP_PLAIN },
	{ "CREATE TABLE ek (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, device BIGINT NOT NULL, sha256 BYTEA NOT NULL, "
	  "public BYTEA NOT NULL, certificate BYTEA NOT NULL, since BIGINT NOT NULL, until BIGINT NOT NULL, "
	  "PRIMARY KEY (tenant, seq))",
	  STEP_CLUSTERED },
	{ "CREATE INDEX ek_sha256 ON ek (tenant, sha256)", STEP_PLAIN },
	{ "CREATE INDEX ek_device ON ek (tenant, device)", STEP_PLAIN },
	{ "CREATE TABLE alias (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, device BIGINT NOT NULL, "
	  "kind BIGINT NOT NULL, value BYTEA NOT NULL, since BIGINT NOT NULL, until BIGINT NOT NULL, "
	  "PRIMARY KEY (tenant, seq))",
	  STEP_CLUSTERED },
	{ "CREATE INDEX alias_value ON alias (tenant, kind, value)", STEP_PLAIN },
	{ "CREATE INDEX alias_device ON alias (tenant, device)", STEP_PLAIN },
	{ "CREATE TABLE ak (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, device BIGINT NOT NULL, type BIGINT NOT NULL, "
	  "key_a BYTEA NOT NULL, key_b BYTEA NOT NULL, public BYTEA NOT NULL, since BIGINT NOT NULL, "
	  "until BIGINT NOT NULL, PRIMARY KEY (tenant, seq))",
	  STEP_CLUSTERED },
	{ "CREATE INDEX ak_device ON ak (tenant, device)", STEP_PLAIN },
	{ "CREATE TABLE certificate (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, device BIGINT NOT NULL, "
	  "sha256 BYTEA NOT NULL, serial BYTEA NOT NULL, der BYTEA NOT NULL, spki BYTEA NOT NULL, "
	  "not_before BIGINT NOT NULL, not_after BIGINT NOT NULL, state BIGINT NOT NULL, ended BIGINT NOT NULL, "
	  "PRIMARY KEY (tenant, seq))",
	  STEP_CLUSTERED },
	{ "CREATE UNIQUE INDEX certificate_sha256 ON certificate (tenant, sha256)", STEP_PLAIN },
	{ "CREATE INDEX certificate_device ON certificate (tenant, device)", STEP_PLAIN },
	{ "CREATE TABLE evidence (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, device BIGINT NOT NULL, "
	  "time BIGINT NOT NULL, collected BIGINT NOT NULL, fresh BIGINT NOT NULL, generation BIGINT NOT NULL, "
	  "chain BIGINT NOT NULL, tiers BYTEA NOT NULL, nonce BYTEA NOT NULL, quote BYTEA NOT NULL, "
	  "signature BYTEA NOT NULL, eventlog BYTEA NOT NULL, eventlog_size BIGINT NOT NULL, ima BYTEA NOT NULL, "
	  "ima_size BIGINT NOT NULL, epoch BIGINT NOT NULL, ear TEXT NOT NULL, reasons TEXT NOT NULL, kept BIGINT NOT NULL, "
	  "PRIMARY KEY (tenant, seq))",
	  STEP_PLAIN },
	{ "CREATE INDEX evidence_device ON evidence (tenant, device, seq)", STEP_PLAIN },
	{ "CREATE TABLE blob (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, sha256 BYTEA NOT NULL, size BIGINT NOT NULL, "
	  "time BIGINT NOT NULL, bytes BYTEA NOT NULL, PRIMARY KEY (tenant, seq))",
	  STEP_PLAIN },
	{ "CREATE UNIQUE INDEX blob_sha256 ON blob (tenant, sha256)", STEP_PLAIN },
	{ "CREATE TABLE chunk (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, device BIGINT NOT NULL, kind BIGINT NOT NULL, "
	  "epoch BIGINT NOT NULL, start BIGINT NOT NULL, size BIGINT NOT NULL, blob BIGINT NOT NULL, "
	  "PRIMARY KEY (tenant, seq))",
	  STEP_CLUSTERED },
	{ "CREATE INDEX chunk_device ON chunk (tenant, device, kind, epoch, start)", STEP_PLAIN },
	{ "CREATE INDEX chunk_blob ON chunk (tenant, blob)", STEP_PLAIN },
	{ "CREATE TABLE result (tenant BIGINT NOT NULL, device BIGINT NOT NULL, link BIGINT NOT NULL, "
	  "tier BIGINT NOT NULL, time BIGINT NOT NULL, fresh_time BIGINT NOT NULL, evidence BIGINT NOT NULL, "
	  "generation BIGINT NOT NULL, PRIMARY KEY (tenant, device, link))",
	  STEP_CLUSTERED },
	{ "CREATE TABLE intent (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, device BIGINT NOT NULL, kind BIGINT NOT NULL, "
	  "subject BYTEA NOT NULL, cause TEXT NOT NULL, decided BIGINT NOT NULL, done BIGINT NOT NULL, "
	  "tries BIGINT NOT NULL, sessions BIGINT NOT NULL, PRIMARY KEY (tenant, seq))",
	  STEP_CLUSTERED },
	{ "CREATE INDEX intent_open ON intent (tenant, done, seq)", STEP_PLAIN },
	{ "CREATE INDEX intent_device ON intent (tenant, device, seq)", STEP_PLAIN },
	{ "CREATE TABLE leaf (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, type BIGINT NOT NULL, time BIGINT NOT NULL, "
	  "device BIGINT NOT NULL, salt BYTEA, record TEXT, entry BYTEA NOT NULL, hash BYTEA NOT NULL, "
	  "PRIMARY KEY (tenant, seq))",
	  STEP_CLUSTERED },
	{ "CREATE INDEX leaf_device ON leaf (tenant, device, seq)", STEP_PLAIN },
	{ "CREATE TABLE tile (tenant BIGINT NOT NULL, level BIGINT NOT NULL, number BIGINT NOT NULL, width BIGINT NOT NULL, "
	  "bytes BYTEA NOT NULL, PRIMARY KEY (tenant, level, number))",
	  STEP_PLAIN },
	{ "CREATE TABLE checkpoint (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, size BIGINT NOT NULL, root BYTEA NOT NULL, "
	  "note TEXT NOT NULL, time BIGINT NOT NULL, PRIMARY KEY (tenant, seq))",
	  STEP_CLUSTERED },
	{ "CREATE TABLE action (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, sha256 BYTEA NOT NULL, verb TEXT NOT NULL, "
	  "subject TEXT NOT NULL, reason TEXT NOT NULL, canonical BYTEA NOT NULL, payload BYTEA NOT NULL, "
	  "time BIGINT NOT NULL, state BIGINT NOT NULL, needed BIGINT NOT NULL, answer TEXT NOT NULL, "
	  "PRIMARY KEY (tenant, seq))",
	  STEP_PLAIN },
	{ "CREATE UNIQUE INDEX action_sha256 ON action (tenant, sha256)", STEP_PLAIN },
	{ "CREATE TABLE action_signature (tenant BIGINT NOT NULL, action BIGINT NOT NULL, operator BYTEA NOT NULL, "
	  "signature BYTEA NOT NULL, time BIGINT NOT NULL, PRIMARY KEY (tenant, action, operator))",
	  STEP_CLUSTERED },
	{ "CREATE TABLE operator (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, key BYTEA NOT NULL, name TEXT NOT NULL, "
	  "role BIGINT NOT NULL, type BIGINT NOT NULL, key_a BYTEA NOT NULL, key_b BYTEA NOT NULL, "
	  "certificate BYTEA NOT NULL, not_after BIGINT NOT NULL, since BIGINT NOT NULL, until BIGINT NOT NULL, "
	  "PRIMARY KEY (tenant, seq))",
	  STEP_CLUSTERED },
	{ "CREATE UNIQUE INDEX operator_key ON operator (tenant, key)", STEP_PLAIN },
	{ "CREATE TABLE ek_list (tenant BIGINT NOT NULL, fingerprint BYTEA NOT NULL, verdict BIGINT NOT NULL, "
	  "class TEXT NOT NULL, time BIGINT NOT NULL, action BIGINT NOT NULL, PRIMARY KEY (tenant, fingerprint))",
	  STEP_CLUSTERED },
	{ "CREATE TABLE token (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, sha256 BYTEA NOT NULL, class TEXT NOT NULL, "
	  "time BIGINT NOT NULL, expires BIGINT NOT NULL, used BIGINT NOT NULL, device BIGINT NOT NULL, "
	  "PRIMARY KEY (tenant, seq))",
	  STEP_CLUSTERED },
	{ "CREATE UNIQUE INDEX token_sha256 ON token (tenant, sha256)", STEP_PLAIN },
	{ "CREATE TABLE request (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, device BIGINT NOT NULL, key BYTEA NOT NULL, "
	  "time BIGINT NOT NULL, status BIGINT NOT NULL, answer TEXT NOT NULL, PRIMARY KEY (tenant, seq))",
	  STEP_CLUSTERED },
	{ "CREATE UNIQUE INDEX request_key ON request (tenant, device, key)", STEP_PLAIN },
	{ "CREATE TABLE event (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, time BIGINT NOT NULL, device BIGINT NOT NULL, "
	  "kind TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (tenant, seq))",
	  STEP_CLUSTERED },
};

/* Reference values of one device; `until` 0: in force. Evidence names the document that it was judged by, 0: none. */
static const struct step pinned[] = {
	{ "CREATE TABLE pinned (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, device BIGINT NOT NULL, sha256 BYTEA NOT NULL, "
	  "document BYTEA NOT NULL, since BIGINT NOT NULL, until BIGINT NOT NULL, action BIGINT NOT NULL, "
	  "PRIMARY KEY (tenant, seq))",
	  STEP_PLAIN },
	{ "CREATE INDEX pinned_device ON pinned (tenant, device, seq)", STEP_PLAIN },
	{ "ALTER TABLE evidence ADD COLUMN pinned BIGINT NOT NULL DEFAULT 0", STEP_PLAIN },
};

/* `retired` 0: in force; a document that operators retired stays, for whoever judges again by the generations it was in. */
static const struct step retired[] = {
	{ "ALTER TABLE reference ADD COLUMN retired BIGINT NOT NULL DEFAULT 0", STEP_PLAIN },
	{ "ALTER TABLE reference ADD COLUMN retired_by BIGINT NOT NULL DEFAULT 0", STEP_PLAIN },
	{ "CREATE INDEX ak_public ON ak (tenant, public)", STEP_PLAIN },
};

/* What a device sent since when (a window of a day), and the leaf up to which its records were erased. */
static const struct step quota[] = {
	{ "ALTER TABLE device ADD COLUMN quota_since BIGINT NOT NULL DEFAULT 0", STEP_PLAIN },
	{ "ALTER TABLE device ADD COLUMN quota_bytes BIGINT NOT NULL DEFAULT 0", STEP_PLAIN },
	{ "ALTER TABLE device ADD COLUMN erased_to BIGINT NOT NULL DEFAULT 0", STEP_PLAIN },
};

/* What lists and OCSP say. `issued`: certificates of the CA that are no device's. */
static const struct step revocation[] = {
	{ "CREATE TABLE revocation (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, serial BYTEA NOT NULL, "
	  "time BIGINT NOT NULL, reason BIGINT NOT NULL, expires BIGINT NOT NULL, PRIMARY KEY (tenant, seq))",
	  STEP_CLUSTERED },
	{ "INSERT INTO revocation (tenant, seq, serial, time, reason, expires) SELECT tenant, seq, serial, ended, 0, "
	  "not_after FROM certificate WHERE state = 2",
	  STEP_PLAIN },
	{ "CREATE TABLE issued (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, serial BYTEA NOT NULL, "
	  "sha256 BYTEA NOT NULL, not_after BIGINT NOT NULL, time BIGINT NOT NULL, PRIMARY KEY (tenant, seq))",
	  STEP_CLUSTERED },
	{ "CREATE INDEX issued_serial ON issued (tenant, serial)", STEP_PLAIN },
	{ "CREATE UNIQUE INDEX issued_sha256 ON issued (tenant, sha256)", STEP_PLAIN },
	{ "CREATE INDEX certificate_serial ON certificate (tenant, serial)", STEP_PLAIN },
};

/* Versions of the fleet root, as they were published. */
static const struct step fleet_root[] = {
	{ "CREATE TABLE fleet_root (tenant BIGINT NOT NULL, version BIGINT NOT NULL, document BYTEA NOT NULL, "
	  "sha256 BYTEA NOT NULL, time BIGINT NOT NULL, action BIGINT NOT NULL, PRIMARY KEY (tenant, version))",
	  STEP_PLAIN },
};

/* Certificates by EST: what was asked for, so that a repeat gets the same answer, and what waits for an operator. */
static const struct step est[] = {
	{ "CREATE TABLE est_request (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, key BYTEA NOT NULL, profile TEXT NOT NULL, "
	  "class TEXT NOT NULL, name TEXT NOT NULL, how BIGINT NOT NULL, identity BYTEA NOT NULL, spki BYTEA NOT NULL, "
	  "time BIGINT NOT NULL, state BIGINT NOT NULL, decided BIGINT NOT NULL, certificate BIGINT NOT NULL, "
	  "PRIMARY KEY (tenant, seq))",
	  STEP_CLUSTERED },
	{ "CREATE UNIQUE INDEX est_request_key ON est_request (tenant, key)", STEP_PLAIN },
	{ "CREATE INDEX est_request_state ON est_request (tenant, state)", STEP_PLAIN },
	{ "CREATE INDEX est_request_time ON est_request (tenant, time)", STEP_PLAIN },
	{ "ALTER TABLE certificate ADD COLUMN profile TEXT", STEP_PLAIN },
};

/* Since when a verify refuses the generation, and why; 0: none does. */
static const struct step refused[] = {
	{ "ALTER TABLE generation ADD COLUMN refused BIGINT NOT NULL DEFAULT 0", STEP_PLAIN },
	{ "ALTER TABLE generation ADD COLUMN rule TEXT", STEP_PLAIN },
};

/* Doubts about the clock; `accepted`: the action that ended one, 0: it is open. */
static const struct step alarm[] = {
	{ "CREATE TABLE alarm (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, time BIGINT NOT NULL, rule TEXT NOT NULL, "
	  "accepted BIGINT NOT NULL, PRIMARY KEY (tenant, seq))",
	  STEP_CLUSTERED },
};

/* Logs that ended because the store was lost: another one began in their place, whose first leaf names them. */
static const struct step past[] = {
	{ "CREATE TABLE past_log (tenant BIGINT NOT NULL, number BIGINT NOT NULL, origin TEXT NOT NULL, size BIGINT NOT NULL, "
	  "root BYTEA NOT NULL, note TEXT NOT NULL, time BIGINT NOT NULL, PRIMARY KEY (tenant, number))",
	  STEP_PLAIN },
	{ "CREATE TABLE past_leaf (tenant BIGINT NOT NULL, log BIGINT NOT NULL, seq BIGINT NOT NULL, type BIGINT NOT NULL, "
	  "time BIGINT NOT NULL, device BIGINT NOT NULL, salt BYTEA, record TEXT, entry BYTEA NOT NULL, "
	  "hash BYTEA NOT NULL, PRIMARY KEY (tenant, log, seq))",
	  STEP_CLUSTERED },
	{ "CREATE INDEX past_leaf_device ON past_leaf (tenant, device, time)", STEP_PLAIN },
	{ "CREATE TABLE past_checkpoint (tenant BIGINT NOT NULL, log BIGINT NOT NULL, seq BIGINT NOT NULL, "
	  "size BIGINT NOT NULL, root BYTEA NOT NULL, note TEXT NOT NULL, time BIGINT NOT NULL, "
	  "PRIMARY KEY (tenant, log, seq))",
	  STEP_CLUSTERED },
};

/*
 * Releases as they were published, their artefacts, and what device was offered which. `reference`: SHA-256 of the release's reference
 * values, empty if it has none; `reset`: the TPM's count of resets when the device said that it had installed, -1: not known.
 */
static const struct step update[] = {
	{ "CREATE TABLE release (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, sha256 BYTEA NOT NULL, name TEXT NOT NULL, "
	  "version TEXT NOT NULL, sequence BIGINT NOT NULL, floor BIGINT NOT NULL, expires BIGINT NOT NULL, "
	  "reference BYTEA NOT NULL, document BYTEA NOT NULL, time BIGINT NOT NULL, action BIGINT NOT NULL, "
	  "leaf BIGINT NOT NULL, withdrawn BIGINT NOT NULL, withdrawn_by BIGINT NOT NULL, PRIMARY KEY (tenant, seq))",
	  STEP_PLAIN },
	{ "CREATE UNIQUE INDEX release_sha256 ON release (tenant, sha256)", STEP_PLAIN },
	{ "CREATE INDEX release_reference ON release (tenant, reference)", STEP_PLAIN },
	{ "CREATE TABLE release_class (tenant BIGINT NOT NULL, release BIGINT NOT NULL, class TEXT NOT NULL, "
	  "PRIMARY KEY (tenant, release, class))",
	  STEP_CLUSTERED },
	{ "CREATE TABLE release_artifact (tenant BIGINT NOT NULL, release BIGINT NOT NULL, sha256 BYTEA NOT NULL, "
	  "size BIGINT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, PRIMARY KEY (tenant, release, sha256))",
	  STEP_CLUSTERED },
	{ "CREATE INDEX release_artifact_sha256 ON release_artifact (tenant, sha256)", STEP_PLAIN },
	{ "CREATE TABLE artifact (tenant BIGINT NOT NULL, sha256 BYTEA NOT NULL, size BIGINT NOT NULL, "
	  "have BIGINT NOT NULL, complete BIGINT NOT NULL, time BIGINT NOT NULL, PRIMARY KEY (tenant, sha256))",
	  STEP_CLUSTERED },
	{ "CREATE TABLE deployment (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, device BIGINT NOT NULL, "
	  "release BIGINT NOT NULL, forced BIGINT NOT NULL, state BIGINT NOT NULL, time BIGINT NOT NULL, "
	  "changed BIGINT NOT NULL, progress BIGINT NOT NULL, slot TEXT NOT NULL, reason TEXT NOT NULL, "
	  "reset BIGINT NOT NULL, evidence BIGINT NOT NULL, rollout BIGINT NOT NULL, action BIGINT NOT NULL, "
	  "PRIMARY KEY (tenant, seq))",
	  STEP_CLUSTERED },
	{ "CREATE INDEX deployment_device ON deployment (tenant, device, seq)", STEP_PLAIN },
	{ "CREATE INDEX deployment_release ON deployment (tenant, release, state)", STEP_PLAIN },
	{ "CREATE INDEX deployment_rollout ON deployment (tenant, rollout, state)", STEP_PLAIN },
	{ "CREATE TABLE feedback (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, deployment BIGINT NOT NULL, "
	  "device BIGINT NOT NULL, time BIGINT NOT NULL, state TEXT NOT NULL, progress BIGINT NOT NULL, "
	  "reason TEXT NOT NULL, slot TEXT NOT NULL, PRIMARY KEY (tenant, seq))",
	  STEP_CLUSTERED },
	{ "CREATE INDEX feedback_deployment ON feedback (tenant, deployment, seq)", STEP_PLAIN },
};

/* Certificates of earlier CAs: `issuer` is SHA-256 of the CA's certificate, null for the one that issues. */
static const struct step earlier[] = {
	{ "ALTER TABLE certificate ADD COLUMN issuer BYTEA", STEP_PLAIN },
	{ "ALTER TABLE revocation ADD COLUMN issuer BYTEA", STEP_PLAIN },
	{ "CREATE INDEX revocation_serial ON revocation (tenant, serial)", STEP_PLAIN },
};

/*
 * hawkBit's clients. `sha1` of an artefact, null: not computed yet; `stop`: how a cancellation stands with the device (enum ch_update_stop);
 * what devices tell of themselves.
 */
static const struct step ddi[] = {
	{ "ALTER TABLE artifact ADD COLUMN sha1 BYTEA", STEP_PLAIN },
	{ "ALTER TABLE deployment ADD COLUMN stop BIGINT NOT NULL DEFAULT 0", STEP_PLAIN },
	{ "CREATE TABLE attribute (tenant BIGINT NOT NULL, device BIGINT NOT NULL, name TEXT NOT NULL, "
	  "value TEXT NOT NULL, time BIGINT NOT NULL, PRIMARY KEY (tenant, device, name))",
	  STEP_CLUSTERED },
};

/*
 * Rollouts and their devices. `chosen_to`: the last device that was asked whether it is in it; `reached`: when enough of the phase had proven
 * it; `begun`: when the last device was offered it; `accepted`: the phase, counted from 1, of which an operator said that it may be empty;
 * `settled`: nothing is left to be done. Of a member, `deployment` is its last. Of a deployment, `taken`: when the device took it
 * up; `excused`: its failure was forgiven.
 */
static const struct step rollout[] = {
	{ "CREATE TABLE rollout (tenant BIGINT NOT NULL, seq BIGINT NOT NULL, name TEXT NOT NULL, release BIGINT NOT NULL, "
	  "sha256 BYTEA NOT NULL, document BYTEA NOT NULL, state BIGINT NOT NULL, phase BIGINT NOT NULL, "
	  "reason TEXT NOT NULL, time BIGINT NOT NULL, changed BIGINT NOT NULL, chosen_to BIGINT NOT NULL, "
	  "members BIGINT NOT NULL, canaries BIGINT NOT NULL, reached BIGINT NOT NULL, begun BIGINT NOT NULL, "
	  "accepted BIGINT NOT NULL, settled BIGINT NOT NULL, action BIGINT NOT NULL, PRIMARY KEY (tenant, seq))",
	  STEP_PLAIN },
	{ "CREATE UNIQUE INDEX rollout_name ON rollout (tenant, name)", STEP_PLAIN },
	{ "CREATE INDEX rollout_settled ON rollout (tenant, settled, seq)", STEP_PLAIN },
	{ "CREATE TABLE rollout_member (tenant BIGINT NOT NULL, rollout BIGINT NOT NULL, device BIGINT NOT NULL, "
	  "place BIGINT NOT NULL, status BIGINT NOT NULL, deployment BIGINT NOT NULL, "
	  "PRIMARY KEY (tenant, rollout, device))",
	  STEP_CLUSTERED },
	{ "CREATE INDEX rollout_member_status ON rollout_member (tenant, rollout, status, place)", STEP_PLAIN },
	{ "CREATE INDEX rollout_member_device ON rollout_member (tenant, device, rollout)", STEP_PLAIN },
	{ "ALTER TABLE deployment ADD COLUMN phase BIGINT NOT NULL DEFAULT 0", STEP_PLAIN },
	{ "ALTER TABLE deployment ADD COLUMN taken BIGINT NOT NULL DEFAULT 0", STEP_PLAIN },
	{ "ALTER TABLE deployment ADD COLUMN excused BIGINT NOT NULL DEFAULT 0", STEP_PLAIN },
	{ "CREATE INDEX deployment_phase ON deployment (tenant, rollout, phase, state)", STEP_PLAIN },
};

/* The commit of OSTree that a device says it booted; null: none. */
static const struct step ostree[] = {
	{ "ALTER TABLE evidence ADD COLUMN ostree BYTEA", STEP_PLAIN },
};

/* Of certificates that are no device's: SHA-256 of the certificate of the CA that issued it; null before, and where it was not known. */
static const struct step issuers[] = {
	{ "ALTER TABLE issued ADD COLUMN issuer BYTEA", STEP_PLAIN },
};

/*
 * An index over what is random costs a page of its own for each row that is written. The digest of a certificate is looked for among those of
 * its device, or by its serial number; a request for a certificate by the device that has its key, 0 while none has.
 */
static const struct step fewer[] = {
	{ "DROP INDEX certificate_sha256", STEP_PLAIN },
	{ "ALTER TABLE est_request ADD COLUMN device BIGINT NOT NULL DEFAULT 0", STEP_PLAIN },
	{ "DROP INDEX est_request_key", STEP_PLAIN },
	{ "CREATE UNIQUE INDEX est_request_device ON est_request (tenant, device, key)", STEP_PLAIN },
};

/* The version of the agent that sent a piece of evidence, as it says; null: from before. */
static const struct step agent[] = {
	{ "ALTER TABLE evidence ADD COLUMN agent TEXT", STEP_PLAIN },
};

static const struct migration migrations[] = {
	{ 1, "the spine", spine, CH_COUNT_OF(spine) },
	{ 2, "values pinned for one device", pinned, CH_COUNT_OF(pinned) },
	{ 3, "retired reference values, devices by their attestation key", retired, CH_COUNT_OF(retired) },
	{ 4, "evidence of a day, records erased", quota, CH_COUNT_OF(quota) },
	{ 5, "revocation", revocation, CH_COUNT_OF(revocation) },
	{ 6, "versions of the fleet root", fleet_root, CH_COUNT_OF(fleet_root) },
	{ 7, "certificates by EST", est, CH_COUNT_OF(est) },
	{ 8, "generations that are refused", refused, CH_COUNT_OF(refused) },
	{ 9, "doubts about the clock", alarm, CH_COUNT_OF(alarm) },
	{ 10, "logs that ended", past, CH_COUNT_OF(past) },
	{ 11, "releases and deployments", update, CH_COUNT_OF(update) },
	{ 12, "certificates of earlier CAs", earlier, CH_COUNT_OF(earlier) },
	{ 14, "clients of hawkBit's DDI", ddi, CH_COUNT_OF(ddi) },
	{ 15, "rollouts", rollout, CH_COUNT_OF(rollout) },
	{ 16, "the commit of OSTree that was booted", ostree, CH_COUNT_OF(ostree) },
	{ 17, "who issued what is no device's", issuers, CH_COUNT_OF(issuers) },
	{ 18, "certificates and requests for them by their device", fewer, CH_COUNT_OF(fewer) },
	{ 19, "the version of a device's agent", agent, CH_COUNT_OF(agent) },
};

int64_t ch_schema_newest(void)
{
	return migrations[CH_COUNT_OF(migrations) - 1].number;
}

int64_t ch_schema_version(struct ch_store *st)
{
	if (!ch_store_has_table(st, "schema_version"))
		return ch_store_err(st) == CH_OK ? 0 : -1;
	struct ch_query q = ch_sql_query_text(st, "SELECT max(number) FROM schema_version WHERE tenant = $1",
					      CH_ARGS(ch_int(CH_TENANT_DEFAULT)));
	int64_t number = ch_sql_next(&q) ? ch_sql_int(&q, 0) : -1;
	return ch_sql_end(&q) == CH_OK ? number : -1;
}

static void step_run(struct ch_store *st, const struct step *s)
{
	char text[2048];
	struct ch_wr w = ch_wr(text, sizeof(text) - 1);
	ch_wr_str(&w, s->sql);
	if (s->kind == STEP_CLUSTERED)
		ch_wr_str(&w, " WITHOUT ROWID");
	struct ch_span all = ch_wr_span(&w);
	text[all.n] = '\0';
	ch_sql_text(st, text);
}

static enum ch_err migration_run(struct ch_store *st, const struct migration *m, int64_t time_ms)
{
	ch_store_begin(st);
	for (size_t i = 0; i < m->count; i++)
		step_run(st, &m->step[i]);
	struct ch_query q = ch_sql_query_text(
		st, "INSERT INTO schema_version (tenant, number, what, time) VALUES ($1, $2, $3, $4)",
		CH_ARGS(ch_int(CH_TENANT_DEFAULT), ch_int(m->number), ch_text_str(m->what), ch_int(time_ms)));
	(void)ch_sql_next(&q);
	(void)ch_sql_end(&q);
	return ch_store_commit(st);
}

enum ch_err ch_schema_migrate(struct ch_store *st, enum ch_schema_run run, int64_t time_ms, ch_schema_tell tell,
			      void *ctx)
{
	int64_t have = ch_schema_version(st);
	if (have < 0)
		return ch_store_err(st) != CH_OK ? ch_store_err(st) : CH_ERR_MALFORMED;
	if (have > ch_schema_newest())
		return CH_ERR_UNSUPPORTED;
	for (size_t i = 0; i < CH_COUNT_OF(migrations); i++) {
		const struct migration *m = &migrations[i];
		if (m->number <= have)
			continue;
		for (size_t k = 0; tell != NULL && k < m->count; k++)
			tell(ctx, m->number, m->what, m->step[k].sql);
		enum ch_err err = run == CH_SCHEMA_APPLY ? migration_run(st, m, time_ms) : CH_OK;
		if (err != CH_OK)
			return err;
	}
	return run == CH_SCHEMA_APPLY ? ch_store_plan(st) : CH_OK;
}
