/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/audit.h"
#include "cli/operator/client.h"

#include "core/trust/checkpoint.h"
#include "core/trust/generation.h"
#include "host/crypto_openssl/backend.h"
#include "host/sys/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define TENANT        ch_int(AUDIT_TENANT)
#define FILE_PATH_MAX 4096

struct audit {
	const char *path, *key_text;
	bool json;
	struct ch_store *st;
	struct ch_note_key key;
	struct ch_verify_key vk;
	struct ch_buf key_buf;
	bool has_key, check_key; /* that of the log, not of those before it */
	struct audit_reference held;
	struct ch_wr *w;
	struct ch_json_wr j;
	/* what was found */
	uint64_t entries, open, erased, checkpoints; /* entries whose record is there; whose record was erased */
	uint64_t erased_newest;                      /* ms since 1970; 0: none */
	uint64_t verdicts, agree, differ, not_kept;
	uint64_t faults;
	uint64_t past, past_entries; /* logs that ended before this one began */
};

/* One line, or one object, for something that is not as it must be. */
static void fault(struct audit *a, const char *where, uint64_t n, const char *what)
{
	a->faults++;
	if (a->json) {
		ch_json_object_begin(&a->j);
		ch_json_named_str(&a->j, "where", where);
		ch_json_named_u64(&a->j, "number", n);
		ch_json_named_str(&a->j, "what", what);
		ch_json_object_end(&a->j);
		return;
	}
	ch_wr_str(a->w, where);
	ch_wr_u8(a->w, ' ');
	ch_wr_dec(a->w, n);
	ch_wr_str(a->w, ": ");
	ch_wr_str(a->w, what);
	ch_wr_u8(a->w, '\n');
}

/* --- the log --- */

/* The checkpoint of a tree that was just reached; the cursor stands on the next one. */
static void check_checkpoint(struct audit *a, const struct ch_query *q, const struct ch_frontier *tree)
{
	struct ch_tree_hash root;
	struct ch_checkpoint c;
	struct ch_note note;
	uint64_t seq = (uint64_t)ch_sql_int(q, 0);
	a->checkpoints++;
	if (ch_frontier_root(tree, &root) != CH_OK || !ch_span_eq(ch_sql_bytes(q, 2), ch_tree_hash_span(&root)))
		fault(a, "checkpoint", seq, "the entries lead to another root than the one that was signed");
	if (ch_note_parse(&note, ch_sql_bytes(q, 3), NULL) != CH_OK ||
	    ch_checkpoint_parse(&c, note.text, NULL) != CH_OK || c.size != tree->size ||
	    !ch_span_eq(ch_sql_bytes(q, 2), ch_tree_hash_span(&c.root)))
		fault(a, "checkpoint", seq, "the note is not of this size and root");
	else if (a->check_key && ch_checkpoint_open(&c, ch_sql_bytes(q, 3), &a->key, &a->vk, NULL) != CH_OK)
		fault(a, "checkpoint", seq, "the note is not signed by the log's key");
}

static void erased(struct audit *a, const struct ch_leaf *leaf)
{
	a->erased++;
	if (leaf->time > a->erased_newest)
		a->erased_newest = leaf->time;
}

/* One entry: that it is what its record says, and its hash what the tree is made of. */
static void check_entry(struct audit *a, const struct ch_query *q, struct ch_frontier *tree)
{
	struct ch_leaf leaf;
	struct ch_tree_hash hash;
	uint64_t seq = (uint64_t)ch_sql_int(q, 0);
	struct ch_span entry = ch_sql_bytes(q, 2);
	if (seq != tree->size)
		fault(a, "entry", tree->size, "it is missing");
	if (ch_merkle_leaf(&hash, entry) != CH_OK || !ch_span_eq(ch_sql_bytes(q, 3), ch_tree_hash_span(&hash)))
		fault(a, "entry", seq, "its hash is not the one that is stored");
	if (ch_leaf_parse(&leaf, entry, NULL) != CH_OK || (int64_t)leaf.type != ch_sql_int(q, 1))
		fault(a, "entry", seq, "it is no leaf of its type");
	else if (ch_sql_is_null(q, 4) != ch_sql_is_null(q, 5))
		fault(a, "entry", seq, "its record, or its salt alone, is gone: retention erases both");
	else if (ch_sql_is_null(q, 4))
		erased(a, &leaf);
	else if (ch_sql_bytes(q, 4).n != CH_LEAF_SALT ||
		 ch_leaf_check(&leaf, ch_sql_bytes(q, 4).p, ch_sql_bytes(q, 5)) != CH_OK)
		fault(a, "entry", seq, "it does not commit to the record that is stored");
	else
		a->open++;
	a->entries++;
	if (ch_frontier_append(tree, &hash) != CH_OK)
		fault(a, "entry", seq, "it cannot be appended");
}

static enum ch_err check_tree(struct audit *a, const char *leaves, const char *heads, int64_t log)
{
	struct ch_frontier tree = { 0 };
	struct ch_query leaf = ch_sql_query_text(a->st, leaves, CH_ARGS(TENANT, ch_int(log)));
	struct ch_query head = ch_sql_query_text(a->st, heads, CH_ARGS(TENANT, ch_int(log)));
	bool more = ch_sql_next(&head);
	while (more && ch_sql_int(&head, 1) == 0) {
		check_checkpoint(a, &head, &tree);
		more = ch_sql_next(&head);
	}
	while (ch_sql_next(&leaf)) {
		check_entry(a, &leaf, &tree);
		while (more && (uint64_t)ch_sql_int(&head, 1) == tree.size) {
			check_checkpoint(a, &head, &tree);
			more = ch_sql_next(&head);
		}
	}
	if (more)
		fault(a, "checkpoint", (uint64_t)ch_sql_int(&head, 0), "it is of more entries than there are");
	enum ch_err err = ch_sql_end(&head);
	enum ch_err err2 = ch_sql_end(&leaf);
	return err != CH_OK ? err : err2;
}

/* The log of now; `$2` is not used by it, and so is always true. */
static enum ch_err check_log(struct audit *a)
{
	a->check_key = a->has_key;
	return check_tree(
		a, "SELECT seq, type, entry, hash, salt, record FROM leaf WHERE tenant = $1 AND $2 = 0 ORDER BY seq",
		"SELECT seq, size, root, note FROM checkpoint WHERE tenant = $1 AND $2 = 0 ORDER BY size, seq", 0);
}

/* A log that ended: its entries lead to the root of its checkpoints as far as they are there. */
static enum ch_err check_past(struct audit *a)
{
	int64_t number[64];
	size_t n = 0;
	struct ch_query q = ch_sql_query_text(a->st, "SELECT number FROM past_log WHERE tenant = $1 ORDER BY number",
					      CH_ARGS(TENANT));
	while (n < CH_COUNT_OF(number) && ch_sql_next(&q))
		number[n++] = ch_sql_int(&q, 0);
	enum ch_err err = ch_sql_end(&q);
	a->check_key = false;
	a->past = n;
	for (size_t i = 0; i < n && err == CH_OK; i++) {
		uint64_t before = a->entries;
		err = check_tree(a,
				 "SELECT seq, type, entry, hash, salt, record FROM past_leaf WHERE tenant = $1 AND "
				 "log = $2 ORDER BY seq",
				 "SELECT seq, size, root, note FROM past_checkpoint WHERE tenant = $1 AND log = $2 "
				 "ORDER BY size, seq",
				 number[i]);
		a->past_entries += a->entries - before;
		a->entries = before;
	}
	return err;
}

/* --- verdicts --- */

static bool number_of(const struct ch_json *j, const char *name, uint64_t *v)
{
	size_t at = CH_JSON_NONE;
	return ch_json_member(j, 0, name, &at) == CH_OK && ch_json_u64(j, at, v) == CH_OK;
}

/* The tier that a record gives for a link. */
static bool link_says(const struct ch_json *j, enum ch_link link, enum ch_tier tier)
{
	size_t links = CH_JSON_NONE, at = CH_JSON_NONE;
	return ch_json_member(j, 0, "links", &links) == CH_OK &&
	       ch_json_member(j, links, ch_link_str(link), &at) == CH_OK && ch_json_str_eq(j, at, ch_tier_str(tier));
}

static bool cause_is(const struct ch_json *j, const char *cause)
{
	size_t at = CH_JSON_NONE;
	return ch_json_member(j, 0, "cause", &at) == CH_OK && ch_json_str_eq(j, at, cause);
}

#define NODES_MAX 128 /* a record has some forty */

static void check_verdict(struct audit *a, uint64_t seq, struct ch_span record)
{
	struct ch_json_node node[NODES_MAX];
	struct ch_json j;
	struct audit_result r;
	uint64_t evidence = 0, generation = 0;
	if (ch_json_parse(&j, record, node, CH_COUNT_OF(node), NULL) != CH_OK ||
	    !number_of(&j, "evidence", &evidence) || !number_of(&j, "generation", &generation)) {
		fault(a, "entry", seq, "its record is no verdict");
		return;
	}
	/* A chain that changed because time passed names no evidence of its own. */
	if (evidence == 0)
		return;
	a->verdicts++;
	audit_evidence(a->st, &a->held, (int64_t)evidence, &r);
	a->agree += r.outcome == AUDIT_AGREES;
	a->differ += r.outcome == AUDIT_DIFFERS;
	a->not_kept += r.outcome == AUDIT_NOT_KEPT;
	if (r.outcome == AUDIT_DIFFERS)
		fault(a, "verdict of entry", seq, r.what);
	/* Only fresh evidence sets links outright; there the log says what the evidence did. */
	if (r.outcome == AUDIT_AGREES && cause_is(&j, "evidence") &&
	    (!link_says(&j, CH_LINK_BOOT, r.again[CH_LINK_BOOT]) || !link_says(&j, CH_LINK_OS, r.again[CH_LINK_OS])))
		fault(a, "verdict of entry", seq, "the log says another tier than its evidence has");
}

static enum ch_err check_verdicts(struct audit *a, const char *records)
{
	struct ch_query q = ch_sql_query_text(a->st, records, CH_ARGS(TENANT, ch_int(CH_LEAF_VERDICT)));
	while (ch_sql_next(&q))
		check_verdict(a, (uint64_t)ch_sql_int(&q, 0), ch_sql_bytes(&q, 1));
	return ch_sql_end(&q);
}

/* --- the command --- */

static void named_counts(struct audit *a)
{
	const struct {
		const char *name;
		uint64_t n;
	} row[] = { { "entries", a->entries },
		    { "records", a->open },
		    { "erased", a->erased },
		    { "erased_newest_ms", a->erased_newest },
		    { "checkpoints", a->checkpoints },
		    { "verdicts", a->verdicts },
		    { "agree", a->agree },
		    { "differ", a->differ },
		    { "not_kept", a->not_kept },
		    { "past_logs", a->past },
		    { "past_entries", a->past_entries } };
	for (size_t i = 0; i < CH_COUNT_OF(row); i++)
		ch_json_named_u64(&a->j, row[i].name, row[i].n);
	ch_json_named_bool(&a->j, "signatures_checked", a->has_key);
	ch_json_named_bool(&a->j, "holds", a->faults == 0);
}

static void count(struct ch_wr *w, uint64_t n, const char *text)
{
	ch_wr_dec(w, n);
	ch_wr_str(w, text);
}

static void summary(struct audit *a)
{
	count(a->w, a->entries, " entries, ");
	count(a->w, a->open, " open to their records, ");
	count(a->w, a->erased, " whose record was erased");
	if (a->erased > 0) {
		ch_wr_str(a->w, ", the newest of ");
		op_ago_put(a->w, a->erased_newest / 1000, (uint64_t)time(NULL));
	}
	ch_wr_str(a->w, "\n");
	count(a->w, a->checkpoints, " checkpoints lead to the root of their entries, ");
	ch_wr_str(a->w, a->has_key ? "signed by the log's key\n" : "signatures not checked (no --key)\n");
	if (a->past > 0) {
		count(a->w, a->past, " logs ended before this one began, of which ");
		count(a->w, a->past_entries,
		      " entries are here; the signatures of their checkpoints are not checked\n");
	}
	count(a->w, a->verdicts, " verdicts on evidence: ");
	count(a->w, a->agree, " recompute, ");
	count(a->w, a->differ, " do not, ");
	count(a->w, a->not_kept, " cannot be: the evidence is not kept\n");
	if (a->faults > 0)
		count(a->w, a->faults, " faults: this store is not what it says\n");
}

static int report(struct audit *a)
{
	a->w = cli_out();
	a->j = ch_json_wr(a->w, true);
	if (a->json) {
		ch_json_object_begin(&a->j);
		ch_json_name(&a->j, "faults");
		ch_json_array_begin(&a->j);
	}
	enum ch_err err = check_log(a);
	if (err == CH_OK)
		err = check_past(a);
	if (err == CH_OK)
		err = check_verdicts(a,
				     "SELECT seq, record FROM leaf WHERE tenant = $1 AND type = $2 AND record IS NOT "
				     "NULL ORDER BY seq");
	if (err == CH_OK)
		err = check_verdicts(a,
				     "SELECT seq, record FROM past_leaf WHERE tenant = $1 AND type = $2 AND record IS "
				     "NOT NULL ORDER BY log, seq");
	if (err != CH_OK) {
		cli_say("%s: %s", a->path, ch_store_why(a->st));
		return CLI_IO;
	}
	if (a->json) {
		ch_json_array_end(&a->j);
		named_counts(a);
		ch_json_object_end(&a->j);
		ch_wr_u8(a->w, '\n');
	} else {
		summary(a);
	}
	return cli_out_end(a->faults == 0 ? CLI_HOLDS : CLI_FAILS);
}

/* DIR/chainhold.db, DIR/store/chainhold.db, DIR/state/store/chainhold.db, or the file itself. */
static int open_store(struct audit *a)
{
	static const char *const under[] = { "", "/chainhold.db", "/store/chainhold.db", "/state/store/chainhold.db" };
	char path[FILE_PATH_MAX];
	char why[CH_STORE_WHY] = "";
	struct stat st;
	for (size_t i = 0; i < CH_COUNT_OF(under); i++) {
		int n = snprintf(path, sizeof(path), "%s%s", a->path, under[i]);
		if (n <= 0 || (size_t)n >= sizeof(path) || stat(path, &st) != 0 || !S_ISREG(st.st_mode))
			continue;
		const struct ch_store_config config = { .path = path, .mode = CH_STORE_READ };
		if (ch_store_open(&a->st, &config, why) == CH_OK)
			return -1;
		cli_say("%s: %s", path, why);
		return CLI_IO;
	}
	cli_say("%s: there is no store chainhold.db in it", a->path);
	return CLI_IO;
}

static int load_key(struct audit *a)
{
	struct ch_diag d;
	if (a->key_text == NULL)
		return -1;
	if (strchr(a->key_text, '+') != NULL) {
		ch_buf_append(&a->key_buf, ch_span_str(a->key_text));
	} else {
		int code = cli_read(&a->key_buf, a->key_text);
		if (code >= 0)
			return code;
	}
	struct ch_span text = ch_buf_span(&a->key_buf);
	while (text.n > 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
		text.n--;
	enum ch_err err = ch_note_key_parse(&a->key, text, &d);
	if (err != CH_OK)
		return cli_refused("--key", NULL, err, &d);
	const struct ch_pub pub = { .type = CH_KEY_ED25519, .a = CH_SPAN_OF(a->key.pub) };
	a->has_key = ch_verify_key_init(&a->vk, &pub) == CH_OK;
	if (a->has_key)
		return -1;
	cli_say("--key: it is not a valid key of Ed25519");
	return CLI_FAILS;
}

/* What devices sent is judged here: no socket, no program, no file to write from now on. */
static int confine(void)
{
	const struct ch_sandbox s = { .allow = CH_ALLOW_FILES_READ };
	if (ch_sandbox_enter(&s, NULL) == CH_OK)
		return -1;
	cli_say("the sandbox cannot be installed: %s; nothing is judged without it", strerror(errno));
	return CLI_IO;
}

int op_audit(int argc, char **argv)
{
	static struct audit a;
	const struct cli_opt opt[] = {
		{ "key", "KEY", "the log's verifier key (NAME+ID+BASE64), or a file that holds it", CLI_VALUE,
		  &a.key_text },
		{ "json", NULL, "print JSON", CLI_FLAG, &a.json },
	};
	const struct cli_usage u = {
		.args = "[--key KEY] [--json] DIR",
		.about =
			"Computes again, from a backup of a store, all that can be: the log's tree from its entries and its\n"
			"checkpoints, each entry from its record, and each verdict from the evidence and the generation that it\n"
			"names. Any that comes out otherwise is reported, and the exit status is 1.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &a.path,
		.file_min = 1,
		.file_max = 1,
	};
	size_t files = 0;
	int code = cli_parse(&u, argc, argv, &files);
	if (code < 0 && ch_crypto_openssl_init() != CH_OK) {
		cli_say("OpenSSL cannot be used");
		code = CLI_IO;
	}
	if (code < 0)
		code = load_key(&a);
	if (code < 0)
		code = open_store(&a);
	if (code < 0)
		code = confine();
	if (code < 0)
		code = report(&a);
	audit_reference_free(&a.held);
	ch_store_close(a.st);
	ch_verify_key_clear(&a.vk);
	ch_buf_free(&a.key_buf);
	return code;
}
