/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/fleet_root.h"
#include "core/base/text.h"
#include "core/trust/proof.h"
#include "core/wire/der.h"

/* A proof that `chainhold log prove` made: no network, files only. */

static void show(struct ch_wr *w, const struct ch_proof *p, const struct ch_checkpoint *head, struct ch_span entry,
		 bool json)
{
	struct ch_leaf leaf;
	bool known = ch_leaf_parse(&leaf, entry, NULL) == CH_OK;
	if (json) {
		struct ch_json_wr j = ch_json_wr(w, true);
		ch_json_object_begin(&j);
		ch_json_named_span(&j, "origin", head->origin);
		ch_json_named_u64(&j, "index", p->index);
		ch_json_named_u64(&j, "size", head->size);
		ch_json_named_hex(&j, "root", ch_tree_hash_span(&head->root));
		ch_json_named_hex(&j, "entry", entry);
		ch_json_named_str(&j, "type", known ? ch_leaf_type_str(leaf.type) : NULL);
		ch_json_object_end(&j);
		ch_wr_u8(w, '\n');
		return;
	}
	ch_wr_str(w, "entry ");
	ch_wr_dec(w, p->index);
	ch_wr_str(w, " is in the log ");
	ch_wr_put(w, head->origin);
	ch_wr_str(w, " of ");
	ch_wr_dec(w, head->size);
	ch_wr_str(w, " entries that its key signed\n");
	if (!known)
		return;
	uint8_t text[64];
	struct ch_wr t = ch_wr(text, sizeof(text));
	ch_time_put(&t, (int64_t)(leaf.time / 1000));
	ch_wr_str(w, "type ");
	ch_wr_str(w, ch_leaf_type_str(leaf.type));
	ch_wr_str(w, ", ");
	ch_wr_put(w, ch_wr_span(&t));
	ch_wr_str(w, ", commitment ");
	ch_wr_hex(w, CH_SPAN_OF(leaf.commitment));
	ch_wr_u8(w, '\n');
}

struct check {
	const char *key, *root_path, *proof, *entry, *record, *salt;
	bool json;
	struct cli_root *root; /* NULL: the key is named */
	struct ch_buf key_text, proof_text, entry_bytes, record_bytes, salt_bytes;
};

static int read_key(struct check *k)
{
	if (k->root != NULL)
		return cli_read(&k->root->file, k->root_path);
	/* A key as text has a plus; a file of that name is told apart by ./ before it. */
	bool text = ch_span_str(k->key).n > 0 && k->key[0] != '.' && k->key[0] != '/';
	bool plus = false;
	for (const char *p = k->key; *p != '\0'; p++)
		plus = plus || *p == '+';
	if (!text || !plus)
		return cli_read(&k->key_text, k->key);
	ch_buf_append(&k->key_text, ch_span_str(k->key));
	return -1;
}

static int read_files(struct check *k)
{
	int code = cli_read(&k->proof_text, k->proof);
	if (code < 0)
		code = read_key(k);
	if (code < 0 && k->entry != NULL)
		code = cli_read(&k->entry_bytes, k->entry);
	if (code < 0 && k->record != NULL)
		code = cli_read(&k->record_bytes, k->record);
	if (code < 0 && k->salt != NULL) {
		uint8_t salt[CH_LEAF_SALT];
		if (ch_hex_decode(salt, sizeof(salt), ch_span_str(k->salt)) != CH_OK) {
			cli_say("--salt is 64 hexadecimal digits");
			return CLI_USAGE;
		}
		ch_buf_append(&k->salt_bytes, CH_SPAN_OF(salt));
	}
	return code;
}

/* That the entry is a leaf that commits to the record. */
static int check_record(const struct check *k, struct ch_span entry)
{
	struct ch_leaf leaf;
	struct ch_diag d;
	if (k->record == NULL)
		return -1;
	enum ch_err err = ch_leaf_parse(&leaf, entry, &d);
	if (err != CH_OK)
		return cli_refused("the entry", NULL, err, &d);
	if (ch_leaf_check(&leaf, k->salt_bytes.p, ch_buf_span(&k->record_bytes)) == CH_OK)
		return -1;
	cli_say("%s: the entry does not commit to this record under this salt", k->record);
	return CLI_FAILS;
}

/* By the key that was named. */
static int check_key(const struct check *k, const struct ch_proof *proof, struct ch_span entry,
		     struct ch_checkpoint *head)
{
	struct ch_note_key key;
	struct ch_diag d;
	struct ch_span text = ch_buf_span(&k->key_text);
	while (text.n > 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
		text.n--;
	enum ch_err err = ch_note_key_parse(&key, text, &d);
	if (err != CH_OK)
		return cli_refused("--key", NULL, err, &d);
	err = ch_proof_check_any(proof, entry, &key, 1, head, &d);
	return err == CH_OK ? -1 : cli_refused(k->proof, NULL, err, &d);
}

/* By one of the logs of the fleet root. */
static int check_root(const struct check *k, const struct ch_proof *proof, struct ch_span entry,
		      struct ch_checkpoint *head)
{
	struct ch_diag d;
	int code = cli_root_trust(k->root);
	if (code >= 0)
		return code;
	enum ch_err err = ch_proof_check_any(proof, entry, k->root->r.log, k->root->r.log_count, head, &d);
	return err == CH_OK ? -1 : cli_refused(k->proof, NULL, err, &d);
}

static int check(const struct check *k)
{
	static struct ch_proof proof;
	struct ch_checkpoint head = { .size = 0 };
	struct ch_diag d;
	enum ch_err err = ch_proof_parse(&proof, ch_buf_span(&k->proof_text), &d);
	if (err != CH_OK)
		return cli_refused(k->proof, NULL, err, &d);
	struct ch_span entry = k->entry != NULL ? ch_buf_span(&k->entry_bytes) : ch_span(proof.extra, proof.extra_n);
	int code = k->root != NULL ? check_root(k, &proof, entry, &head) : check_key(k, &proof, entry, &head);
	if (code < 0)
		code = check_record(k, entry);
	if (code >= 0)
		return code;
	show(cli_out(), &proof, &head, entry, k->json);
	return cli_out_end(CLI_HOLDS);
}

static int run(struct check *k)
{
	static struct cli_root root;
	if ((k->key == NULL) == (k->root_path == NULL)) {
		cli_say("name the log's key with either --key or --fleet-root");
		return CLI_USAGE;
	}
	root.path = k->root_path;
	k->root = k->root_path != NULL ? &root : NULL;
	if ((k->record == NULL) != (k->salt == NULL)) {
		cli_say("--record and --salt go together");
		return CLI_USAGE;
	}
	int code = read_files(k);
	if (code < 0)
		code = cli_confine();
	return code < 0 ? check(k) : code;
}

int cmd_inspect_proof(int argc, char **argv)
{
	struct check k = { 0 };
	const struct cli_opt opt[] = {
		{ "key", "KEY", "the log's verifier key (NAME+ID+BASE64), or a file that holds it", CLI_VALUE, &k.key },
		{ "fleet-root", "FILE", "the fleet root that names the log's key", CLI_VALUE, &k.root_path },
		{ "entry", "FILE", "the entry, if the proof does not carry it", CLI_VALUE, &k.entry },
		{ "record", "FILE", "a record that the entry must commit to", CLI_VALUE, &k.record },
		{ "salt", "HEX", "the record's salt", CLI_VALUE, &k.salt },
		{ "json", NULL, "print JSON", CLI_FLAG, &k.json },
	};
	const struct cli_usage u = {
		.args = "--key KEY | --fleet-root FILE [--entry FILE] [--record FILE --salt HEX] [--json] PROOF",
		.about =
			"Checks a proof that `chainhold log prove` made (C2SP tlog-proof): the checkpoint in it is signed by the\n"
			"log's key, and the entry is in its tree. Needs no network and asks nobody.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &k.proof,
		.file_min = 1,
		.file_max = 1,
	};
	size_t files = 0;
	int code = cli_parse(&u, argc, argv, &files);
	if (code < 0)
		code = run(&k);
	if (k.root != NULL)
		ch_buf_free(&k.root->file);
	ch_buf_free(&k.key_text);
	ch_buf_free(&k.proof_text);
	ch_buf_free(&k.entry_bytes);
	ch_buf_free(&k.record_bytes);
	ch_buf_free(&k.salt_bytes);
	return code;
}
