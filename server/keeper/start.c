/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/state.h"

#include "core/base/text.h"
#include "core/trust/action.h"
#include "core/wire/base64.h"
#include "host/crypto_openssl/pubkey.h"
#include "host/sys/log.h"
#include "server/ipc/child.h"

#include <stdio.h>

/* From the store and the configuration to a keeper that can work. */

#define OCSP_LIFETIME_S 3600 /* as the signer has it, where the configuration says nothing */

static void counters_load(struct ch_keeper *k)
{
	const struct {
		enum ch_keeper_sql sql;
		int64_t *next;
	} table[] = { { CH_SQL_MAX_DEVICE, &k->n.device }, { CH_SQL_MAX_EK, &k->n.ek },
		      { CH_SQL_MAX_ALIAS, &k->n.alias }, { CH_SQL_MAX_AK, &k->n.ak },
		      { CH_SQL_MAX_CERTIFICATE, &k->n.certificate }, { CH_SQL_MAX_EVIDENCE, &k->n.evidence },
		      { CH_SQL_MAX_BLOB, &k->n.blob }, { CH_SQL_MAX_CHUNK, &k->n.chunk },
		      { CH_SQL_MAX_INTENT, &k->n.intent }, { CH_SQL_MAX_CHECKPOINT, &k->n.checkpoint },
		      { CH_SQL_MAX_ACTION, &k->n.action },
		      {
			      CH_SQL_MAX_OPERATOR,
			      &k->n.operator},
			      { CH_SQL_MAX_TOKEN, &k->n.token },
			      { CH_SQL_MAX_REQUEST, &k->n.request },
			      { CH_SQL_MAX_EVENT, &k->n.event },
			      { CH_SQL_MAX_REFERENCE, &k->n.reference },
			      { CH_SQL_MAX_EST, &k->n.est },
			      { CH_SQL_MAX_ALARM, &k->n.alarm },
			      { CH_SQL_MAX_PINNED, &k->n.pinned },
			      { CH_SQL_MAX_REVOCATION, &k->n.revocation },
			      { CH_SQL_MAX_ISSUED, &k->n.issued },
			      { CH_SQL_MAX_RELEASE, &k->n.release },
			      { CH_SQL_MAX_DEPLOYMENT, &k->n.deployment },
			      { CH_SQL_MAX_FEEDBACK, &k->n.feedback },
			      { CH_SQL_MAX_ROLLOUT, &k->n.rollout },
	};
	/* Numbers begin at 1: 0 in a column means that there is none. */
	for (size_t i = 0; i < CH_COUNT_OF(table); i++)
		*table[i].next = ch_sql_number(k->st, table[i].sql, CH_ARGS(ch_int(CH_KEEPER_TENANT)), 0) + 1;
}

/* --- configuration --- */

/* A policy file of the server counts until an operator has applied one by signature. */
static enum ch_err policy_seed(struct ch_keeper *k, struct ch_span image)
{
	struct ch_policy p;
	enum ch_err err = ch_policy_parse(&p, image, NULL);
	if (err != CH_OK)
		return err;
	struct ch_query q = ch_sql_query(k->st, CH_SQL_CLASS_GET, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_text(p.class)));
	bool there = ch_sql_next(&q);
	bool same = there && ch_span_eq(ch_sql_bytes(&q, 0), image);
	bool signed_one = there && ch_sql_int(&q, 1) != 0;
	err = ch_sql_end(&q);
	if (err != CH_OK || same)
		return err;
	if (signed_one) {
		ch_log(CH_LOG_NOTICE,
		       "the policy file of a class differs from what operators applied, which stays in force");
		return CH_OK;
	}
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_CLASS_SET,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_text(p.class), ch_bytes(image), ch_int((int64_t)k->now),
			  ch_int(0)));
	ch_sql_do(k->st, CH_SQL_DEVICE_CLASS_DUE,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_text(p.class), ch_int((int64_t)k->now)));
	return CH_OK;
}

static enum ch_err policies_seed(struct ch_keeper *k, struct ch_span config)
{
	for (unsigned i = 0;; i++) {
		CH_AUTO_BUF struct ch_buf image = { 0 };
		enum ch_err err = ch_config_bytes(config, "policy", i, &image);
		if (err == CH_ERR_NOTFOUND)
			return CH_OK;
		if (err == CH_OK)
			err = policy_seed(k, ch_buf_span(&image));
		if (err != CH_OK)
			return err;
	}
}

/* Roots are the files of the server: what is not there any more is not trusted any more. */
static bool root_configured(struct ch_span config, struct ch_span sha256)
{
	for (unsigned i = 0;; i++) {
		CH_AUTO_BUF struct ch_buf der = { 0 };
		struct ch_digest h;
		if (ch_config_bytes(config, "ek_root", i, &der) != CH_OK)
			return false;
		if (ch_hash_once(CH_HASH_SHA256, ch_buf_span(&der), &h) == CH_OK &&
		    ch_span_eq(ch_digest_span(&h), sha256))
			return true;
	}
}

static void roots_drop(struct ch_keeper *k, struct ch_span config)
{
	CH_AUTO_BUF struct ch_buf gone = { 0 };
	struct ch_query q = ch_sql_query(k->st, CH_SQL_EK_ROOT_ALL, CH_ARGS(ch_int(CH_KEEPER_TENANT)));
	while (ch_sql_next(&q)) {
		if (!root_configured(config, ch_sql_bytes(&q, 0)))
			ch_buf_append(&gone, ch_sql_bytes(&q, 0));
	}
	(void)ch_sql_end(&q);
	for (size_t at = 0; at + 32 <= gone.n; at += 32) {
		ch_kp_write(k);
		ch_sql_do(k->st, CH_SQL_EK_ROOT_DROP,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(ch_span_sub(ch_buf_span(&gone), at, 32))));
	}
}

static enum ch_err roots_seed(struct ch_keeper *k, struct ch_span config)
{
	roots_drop(k, config);
	for (unsigned i = 0;; i++) {
		CH_AUTO_BUF struct ch_buf der = { 0 };
		struct ch_digest h;
		enum ch_err err = ch_config_bytes(config, "ek_root", i, &der);
		if (err == CH_ERR_NOTFOUND)
			return CH_OK;
		if (err == CH_OK)
			err = ch_hash_once(CH_HASH_SHA256, ch_buf_span(&der), &h);
		if (err != CH_OK)
			return err;
		ch_kp_write(k);
		ch_sql_do(k->st, CH_SQL_EK_ROOT_ADD,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(ch_digest_span(&h)), ch_bytes(ch_buf_span(&der)),
				  ch_int((int64_t)k->now)));
	}
}

/* Takes the next word of a line. */
static struct ch_span word(struct ch_span *line)
{
	size_t n = 0;
	while (n < line->n && line->p[n] != ' ')
		n++;
	struct ch_span w = ch_span_sub(*line, 0, n);
	size_t used = n < line->n ? n + 1 : n;
	*line = ch_span_sub(*line, used, line->n - used);
	return w;
}

/* "name role sha256(certificate) base64(SPKI)" */
static enum ch_err operator_seed(struct ch_keeper *k, struct ch_span line)
{
	uint8_t cert[32], spki[CH_IPC_SPKI_MAX];
	enum ch_operator_role role;
	struct ch_pubkey key;
	struct ch_digest id;
	size_t n;
	struct ch_span name = word(&line), role_name = word(&line), hex = word(&line), b64 = word(&line);
	if (!ch_name_valid(name) || ch_operator_role_by_name(role_name, &role) != CH_OK || hex.n != 64 ||
	    ch_hex_decode(cert, sizeof(cert), hex) != CH_OK ||
	    ch_base64_decode(CH_BASE64_STD, b64, spki, sizeof(spki), &n, NULL) != CH_OK ||
	    ch_pubkey_from_der(&key, ch_span(spki, n)) != CH_OK)
		return CH_ERR_MALFORMED;
	if (ch_hash_once(CH_HASH_SHA256, ch_span(spki, n), &id) != CH_OK)
		return CH_ERR_CRYPTO;
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_OPERATOR_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->n.operator++), ch_bytes(ch_digest_span(&id)),
			  ch_text(name), ch_int(role), ch_int(key.pub.type), ch_bytes(key.pub.a), ch_bytes(key.pub.b),
			  ch_bytes(CH_SPAN_OF(cert)), ch_int(INT64_MAX), ch_int((int64_t)k->now)));
	return CH_OK;
}

/* Only a store without operators takes them from the configuration. */
static enum ch_err operators_seed(struct ch_keeper *k, struct ch_span config)
{
	if (k->n.operator> 1)
		return CH_OK;
	for (unsigned i = 0;; i++) {
		struct ch_span line = ch_config_get(config, "operator", i);
		if (line.n == 0)
			return CH_OK;
		enum ch_err err = operator_seed(k, line);
		if (err != CH_OK)
			return err;
	}
}

/* A number of at most so many digits; 0 if it is none. */
static uint64_t number(struct ch_span text, size_t digits)
{
	uint64_t v = 0;
	if (text.n > digits)
		return 0;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return 0;
		v = v * 10 + (uint64_t)(text.p[i] - '0');
	}
	return v;
}

/* "class days evidence-per-device", and the days of records if they are others than most want */
static enum ch_err retention_load(struct ch_keeper *k, struct ch_span config)
{
	for (unsigned i = 0;; i++) {
		struct ch_span line = ch_config_get(config, "retention", i);
		if (line.n == 0)
			return CH_OK;
		if (k->retention_count == CH_COUNT_OF(k->retention))
			return CH_ERR_LIMIT;
		struct ch_retention *r = &k->retention[k->retention_count++];
		struct ch_span name = word(&line);
		(void)ch_span_copy(r->class, sizeof(r->class) - 1, name);
		r->days = (uint32_t)number(word(&line), 9);
		r->count = (uint32_t)number(word(&line), 9);
		r->record_days = line.n > 0 ? (uint32_t)number(word(&line), 9) : CH_KEEPER_RECORD_DAYS;
		if (name.n == 0 || name.n >= sizeof(r->class) || r->days == 0 || r->count == 0 || r->record_days == 0 ||
		    line.n > 0)
			return CH_ERR_MALFORMED;
	}
}

/* "serial sha256(certificate) end", in hexadecimal, and seconds since 1970: certificates of the CA that were made before this server ran. */
static enum ch_err issued_seed(struct ch_keeper *k, struct ch_span config)
{
	for (unsigned i = 0;; i++) {
		struct ch_span line = ch_config_get(config, "issued", i);
		uint8_t serial[20], sha256[32];
		if (line.n == 0)
			return CH_OK;
		struct ch_span serial_hex = word(&line), sum = word(&line), end = word(&line);
		size_t n = serial_hex.n / 2;
		uint64_t not_after = number(end, 11);
		if (n == 0 || n > sizeof(serial) || serial_hex.n % 2 != 0 ||
		    ch_hex_decode(serial, n, serial_hex) != CH_OK || sum.n != 64 ||
		    ch_hex_decode(sha256, sizeof(sha256), sum) != CH_OK || not_after == 0)
			return CH_ERR_MALFORMED;
		if (!ch_kp_issued_known(k, CH_SPAN_OF(sha256)))
			ch_kp_issued_add(k, ch_span(serial, n), CH_SPAN_OF(sha256), (int64_t)not_after);
	}
}

/* How many answers of OCSP an edge keeps, and how old they become: so many are made anew before they are old. */
static enum ch_err ocsp_load(struct ch_keeper *k, struct ch_span config)
{
	uint64_t lifetime = ch_config_number(config, "ocsp_lifetime", OCSP_LIFETIME_S);
	k->ocsp.kept_max = ch_config_number(config, "ocsp_answers", 0);
	k->ocsp.round_ms = lifetime * 1000 / 3;
	return lifetime == 0 || lifetime > 86400 ? CH_ERR_RANGE : CH_OK;
}

static enum ch_err profiles_load(struct ch_keeper *k, struct ch_span config)
{
	return ch_profiles_load(&k->profiles, config);
}

/* --- the view --- */

static void devices_publish(struct ch_keeper *k)
{
	struct ch_query q = ch_sql_query(k->st, CH_SQL_CERTIFICATE_ALL, CH_ARGS(ch_int(CH_KEEPER_TENANT)));
	while (ch_sql_next(&q)) {
		struct ch_view_record r = {
			.kind = CH_VIEW_DEVICE,
			.state = (uint8_t)ch_sql_int(&q, 4),
			.tier = (uint8_t)ch_sql_int(&q, 5),
			.pending = ch_sql_int(&q, 6) != 0 ? CH_VIEW_PENDING_REATTEST : 0,
			.not_after = (uint64_t)ch_sql_int(&q, 1),
			.device_row = (uint64_t)ch_sql_int(&q, 3),
		};
		if (!ch_sql_copy(&q, 0, r.cert_sha256, sizeof(r.cert_sha256)) ||
		    !ch_sql_copy(&q, 2, r.id, sizeof(r.id)))
			continue;
		if (ch_view_put(k->view, &r) != CH_OK)
			k->env.fatal(k->env.ctx, "the fleet view is full: raise `devices` in the configuration");
	}
	(void)ch_sql_end(&q);
}

/* Where tokens of DDI are taken, edges look a device up by its name. */
static void names_load(struct ch_keeper *k, struct ch_span config)
{
	CH_AUTO_BUF struct ch_buf devices = { 0 };
	bool had = k->names;
	k->names = ch_config_number(config, "ddi_names", 0) != 0;
	if (had || !k->names)
		return;
	struct ch_query q = ch_sql_query(k->st, CH_SQL_DEVICE_WITH_CERTIFICATE, CH_ARGS(ch_int(CH_KEEPER_TENANT)));
	while (ch_sql_next(&q)) {
		int64_t seq = ch_sql_int(&q, 0);
		ch_buf_append(&devices, ch_span(&seq, sizeof(seq)));
	}
	(void)ch_sql_end(&q);
	for (size_t at = 0; at + sizeof(int64_t) <= devices.n; at += sizeof(int64_t)) {
		int64_t seq = 0;
		struct ch_device d;
		(void)ch_span_copy(&seq, sizeof(seq), ch_span_sub(ch_buf_span(&devices), at, sizeof(seq)));
		if (ch_kp_device_by_seq(k, seq, &d))
			ch_kp_device_publish(k, &d);
	}
}

static void operators_publish(struct ch_keeper *k)
{
	struct ch_query q = ch_sql_query(k->st, CH_SQL_OPERATOR_ALL, CH_ARGS(ch_int(CH_KEEPER_TENANT)));
	while (ch_sql_next(&q)) {
		uint8_t key[32], cert[32];
		bool ended = ch_sql_int(&q, 4) != 0;
		if (ch_sql_copy(&q, 0, key, sizeof(key)) && ch_sql_copy(&q, 2, cert, sizeof(cert)))
			ch_kp_operator_publish(k, key, ended ? CH_OPERATOR_NONE : (unsigned)ch_sql_int(&q, 1), cert,
					       (uint64_t)ch_sql_int(&q, 3), ended);
	}
	(void)ch_sql_end(&q);
}

/* Asks everything before the first write. */
static enum ch_err config_check(struct ch_span config)
{
	for (unsigned i = 0;; i++) {
		CH_AUTO_BUF struct ch_buf bytes = { 0 };
		struct ch_policy p;
		enum ch_err err = ch_config_bytes(config, "policy", i, &bytes);
		if (err == CH_ERR_NOTFOUND)
			break;
		if (err == CH_OK)
			err = ch_policy_parse(&p, ch_buf_span(&bytes), NULL);
		if (err != CH_OK)
			return err;
	}
	for (unsigned i = 0;; i++) {
		CH_AUTO_BUF struct ch_buf bytes = { 0 };
		enum ch_err err = ch_config_bytes(config, "ek_root", i, &bytes);
		if (err != CH_OK)
			return err == CH_ERR_NOTFOUND ? CH_OK : err;
	}
}

enum ch_err ch_kp_reseed(struct ch_keeper *k, struct ch_span config)
{
	enum ch_err err = config_check(config);
	if (err == CH_OK)
		err = ch_profiles_load(&k->profiles, config);
	if (err != CH_OK || k->log.behind)
		return err;
	err = policies_seed(k, config);
	if (err == CH_OK)
		err = roots_seed(k, config);
	if (err == CH_OK)
		err = ch_kp_classes_load(k);
	if (err == CH_OK && k->log.known)
		ch_kp_generation_compose(k);
	if (err == CH_OK && k->published) {
		names_load(k, config);
		/* A file that no longer lets devices in quarantine fetch a release counts at once. */
		ch_kp_deployments_publish(k);
	}
	return err;
}

enum ch_err ch_kp_start(struct ch_keeper *k, struct ch_span config, char why[static CH_STORE_WHY])
{
	static const struct {
		enum ch_err (*run)(struct ch_keeper *k, struct ch_span config);
		const char *what;
	} step[] = {
		{ policies_seed, "policy of the configuration" },
		{ roots_seed, "ek_root of the configuration" },
		{ operators_seed, "operator of the configuration" },
		{ retention_load, "retention of the configuration" },
		{ ch_kp_ca_load, "ca_certificate of the configuration" },
		{ issued_seed, "issued of the configuration" },
		{ ch_kp_earlier_load, "earlier_ca of the configuration" },
		{ ch_kp_earlier_claim, "certificates of the CA before a rollover" },
		{ ocsp_load, "ocsp_lifetime of the configuration" },
		{ profiles_load, "certificate_profile of the configuration" },
	};
	counters_load(k);
	ch_kp_clock_load(k);
	enum ch_err err = ch_kp_log_load(k);
	const char *what = "log in the store";
	for (size_t i = 0; i < CH_COUNT_OF(step) && err == CH_OK; i++) {
		what = step[i].what;
		err = step[i].run(k, config);
	}
	if (err == CH_OK) {
		what = "classes in the store";
		err = ch_kp_classes_load(k);
	}
	if (err == CH_OK) {
		/* A new one is composed, and its leaf written, once the signer has said where the log is. */
		ch_kp_generation_load(k);
		ch_kp_fleet_root_load(k);
		err = ch_store_busy(k->st) ? ch_store_commit(k->st) : ch_store_err(k->st);
	}
	if (err != CH_OK) {
		(void)snprintf(why, CH_STORE_WHY, "%s: %s %s", what, ch_err_str(err), ch_store_why(k->st));
		return err;
	}
	devices_publish(k);
	ch_kp_deployments_publish(k);
	operators_publish(k);
	names_load(k, config);
	k->published = true;
	ch_view_set_generation(k->view, k->generation);
	ch_kp_cuts_load(k);
	return ch_store_err(k->st);
}
