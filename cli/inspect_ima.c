/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ima_show.h"
#include "host/crypto_openssl/pubkey.h"

#include <stdio.h>

#define NAMED_MAX 10 /* entries named on standard error */

static const char about[] =
	"Shows a Linux IMA measurement list, binary_runtime_measurements or ascii_runtime_measurements, and replays it: the\n"
	"registers it gives, in both ways in which kernels extend banks other than SHA-1. Each entry's template hash is compared\n"
	"with the hash of its data. A list by itself proves nothing; 'chainhold inspect quote --ima' compares it with a quote.\n"
	"\n"
	"With --key, file signatures (templates ima-sig and ima-sigv2) whose key identifier is that of a given key are judged\n"
	"over the file digest of their entry. Signatures by other keys are listed as not judged.\n"
	"\n"
	"Exit status: 0 the list is well-formed, its template hashes hold and no signature that was judged is wrong; 1 one of\n"
	"these is not so; 2 usage; 3 a template, hash or key of a kind that is not supported; 4 I/O.";

struct options {
	bool json;
	struct cli_values keys;
	const char *file;
};

/* A key that is ready, and its identifier. */
struct key {
	uint8_t id[4];
	struct ch_verify_key key;
};

struct keys {
	size_t count;
	struct ch_buf file[IMA_KEYS_MAX];
	struct key v[IMA_KEYS_MAX];
};

static void keys_clear(struct keys *k)
{
	for (size_t i = 0; i < IMA_KEYS_MAX; i++) {
		ch_buf_free(&k->file[i]);
		ch_verify_key_clear(&k->v[i].key);
	}
}

static enum ch_err key_parse(struct key *to, struct ch_span pem)
{
	struct ch_pubkey pub;
	enum ch_err err = ch_pubkey_from_pem(&pub, pem);
	if (err == CH_OK)
		err = ch_ima_key_id(&pub.pub, to->id);
	if (err == CH_OK)
		err = ch_verify_key_init(&to->key, &pub.pub);
	return err;
}

/* A kind of key that is not supported leaves its signatures unjudged; anything else that is not a key ends the run. */
static int keys_parse(struct keys *k, const struct cli_values *path, struct ima_report *r)
{
	for (size_t i = 0; i < path->count; i++) {
		enum ch_err err = key_parse(&k->v[k->count], ch_buf_span(&k->file[i]));
		if (err == CH_OK) {
			k->count++;
		} else if (err == CH_ERR_UNSUPPORTED) {
			r->key_unsupported[r->keys_unsupported++] = path->v[i];
		} else {
			cli_say("%s: byte 0: not one public key in PEM that signatures are verified with (%s)",
				path->v[i], ch_err_str(err));
			return CLI_FAILS;
		}
	}
	return -1;
}

/* --- judging --- */

static void judge_signature(struct ima_signature *to, const struct ch_ima_entry *e, const struct keys *k)
{
	struct ch_ima_sig sig;
	struct ch_diag d;
	enum ch_err err = ch_ima_sig_parse(&sig, e->sig, &d);
	if (err != CH_OK) {
		to->reason = d.rule;
		to->valid = err == CH_ERR_UNSUPPORTED || k->count == 0 ? IMA_NOT_JUDGED : IMA_INVALID;
		return;
	}
	to->reason = k->count == 0 ? "no key was given" : "no key that was given has this identifier";
	for (size_t i = 0; i < k->count && to->valid != IMA_VALID; i++) {
		if (!ch_span_eq(CH_SPAN_OF(k->v[i].id), CH_SPAN_OF(sig.key_id)))
			continue;
		err = ch_ima_sig_verify(&sig, &k->v[i].key, e);
		if (err == CH_OK) {
			to->valid = IMA_VALID;
			to->reason = NULL;
		} else if (err == CH_ERR_UNSUPPORTED) {
			to->reason = "the list has no digest of the kind that was signed";
		} else {
			to->valid = IMA_INVALID;
			to->reason = "the signature is not one of this file digest by the key with this identifier";
		}
	}
}

static void add_number(struct ima_numbers *to, size_t n)
{
	if (to->count == to->cap) {
		to->cap = to->cap == 0 ? 16 : to->cap * 2;
		to->v = ch_realloc(to->v, to->cap, sizeof(*to->v));
	}
	to->v[to->count++] = n;
}

static void add_signature(struct ima_signatures *to, const struct ch_ima_entry *e, const struct keys *k)
{
	if (to->count == to->cap) {
		to->cap = to->cap == 0 ? 16 : to->cap * 2;
		to->v = ch_realloc(to->v, to->cap, sizeof(*to->v));
	}
	struct ima_signature *s = &to->v[to->count++];
	*s = (struct ima_signature){ .n = e->n };
	judge_signature(s, e, k);
}

static bool is_before(struct ch_span a, struct ch_span b)
{
	for (size_t i = 0; i < a.n && i < b.n; i++) {
		if (a.p[i] != b.p[i])
			return a.p[i] < b.p[i];
	}
	return a.n < b.n;
}

/* Lists have one to three templates; names past the room are only made up by someone. */
static void add_template(struct ima_report *r, struct ch_span name)
{
	size_t at = 0;
	while (at < r->template_count && is_before(r->template_name[at], name))
		at++;
	if ((at < r->template_count && ch_span_eq(r->template_name[at], name)) ||
	    r->template_count == IMA_TEMPLATES_MAX)
		return;
	for (size_t i = r->template_count++; i > at; i--)
		r->template_name[i] = r->template_name[i - 1];
	r->template_name[at] = name;
}

static void take_aggregate(struct ima_report *r, const struct ch_ima_entry *e)
{
	r->aggregate = true;
	r->aggregate_first = e->n == 0;
	r->aggregate_alg_n = ch_span_copy(r->aggregate_alg, sizeof(r->aggregate_alg), e->file_alg);
	r->aggregate_digest.n = (uint8_t)ch_span_copy(r->aggregate_digest.b, CH_DIGEST_MAX, e->file_digest);
}

static void judge_entry(struct ima_report *r, const struct ch_ima_entry *e, const struct keys *k)
{
	r->entries++;
	if (e->violation)
		r->violations++;
	else if (!ch_hash_available(e->template_alg))
		r->not_computed++;
	else if (!ch_ima_entry_holds(e))
		add_number(&r->wrong, e->n);
	add_template(r, e->template_name);
	ch_ima_extend(&r->pcrs, e, CH_IMA_EXTEND_HASH);
	ch_ima_extend(&r->padded, e, CH_IMA_EXTEND_PADDED);
	if (e->sig.n > 0)
		add_signature(&r->sig, e, k);
	if (!r->aggregate && e->known && ch_span_eq(e->path, CH_SPAN_LIT("boot_aggregate")))
		take_aggregate(r, e);
}

static void judge(struct ima_report *r, const struct keys *k)
{
	static const enum ch_hash_alg bank[] = { CH_HASH_SHA1, CH_HASH_SHA256, CH_HASH_SHA384, CH_HASH_SHA512 };
	ch_pcrs_init(&r->pcrs);
	ch_pcrs_init(&r->padded);
	for (size_t i = 0; i < CH_COUNT_OF(bank); i++) {
		(void)ch_pcrs_add(&r->pcrs, bank[i]);
		if (bank[i] != CH_HASH_SHA1)
			(void)ch_pcrs_add(&r->padded, bank[i]);
	}
	struct ch_ima_iter it = ima_reader(r);
	struct ch_ima_entry e;
	r->form = it.form;
	r->err = CH_OK;
	while (ima_walk(&it, &e, &r->err, &r->diag))
		judge_entry(r, &e, k);
}

/* --- the verdict --- */

/* What does not hold goes to standard error; the exit code. */
static int conclude(const struct ima_report *r)
{
	int code = r->keys_unsupported > 0 || r->not_computed > 0 ? CLI_UNSUPPORTED : CLI_HOLDS;
	for (size_t i = 0; i < r->keys_unsupported; i++)
		cli_say("%s: a kind of key that is not supported", r->key_unsupported[i]);
	if (r->not_computed > 0)
		cli_say("%s: %zu template hashes are of an algorithm that is not supported", r->path, r->not_computed);
	if (r->err != CH_OK) {
		int refused = cli_refused(r->path, "entry", r->err, &r->diag);
		code = refused == CLI_FAILS ? refused : CLI_UNSUPPORTED;
	}
	if (r->wrong.count == 0 && r->sig.count == 0)
		return code;
	size_t named = 0;
	size_t signature = 0;
	size_t wrong = 0;
	enum ch_err err = CH_OK;
	struct ch_diag d;
	struct ch_ima_iter it = ima_reader(r);
	struct ch_ima_entry e;
	while (named < NAMED_MAX && ima_walk(&it, &e, &err, &d)) {
		d = (struct ch_diag){ .off = e.off, .item = e.n };
		if (wrong < r->wrong.count && r->wrong.v[wrong] == e.n) {
			wrong++;
			d.rule = "the template hash is not the hash of the template data";
		}
		if (signature < r->sig.count && r->sig.v[signature].n == e.n &&
		    r->sig.v[signature++].valid == IMA_INVALID && d.rule == NULL)
			d.rule = r->sig.v[signature - 1].reason;
		if (d.rule == NULL)
			continue;
		named++;
		code = cli_refused(r->path, "entry", CH_ERR_MISMATCH, &d);
	}
	if (named == NAMED_MAX)
		cli_say("%s: there may be more that does not hold; no more than %d are named here", r->path, NAMED_MAX);
	return code;
}

static int read_files(struct ch_buf *list, struct keys *k, const struct options *o)
{
	int code = cli_read(list, o->file);
	for (size_t i = 0; i < o->keys.count && code < 0; i++)
		code = cli_read(&k->file[i], o->keys.v[i]);
	return code;
}

static int inspect(struct ima_report *r, struct keys *k, const struct options *o)
{
	int code = cli_confine();
	if (code < 0)
		code = keys_parse(k, &o->keys, r);
	if (code >= 0)
		return code;
	judge(r, k);
	code = conclude(r);
	if (o->json)
		ima_show_json(r, cli_out());
	else
		ima_show_page(r, cli_out());
	return cli_out_end(code);
}

int cmd_inspect_ima(int argc, char **argv)
{
	struct options o = { 0 };
	const struct cli_opt opt[] = {
		{ "key", "FILE", "a public key in PEM to judge file signatures with; may be given again", CLI_VALUES,
		  &o.keys },
		{ "json", NULL, "print JSON (docs/schema/inspect-ima.schema.json)", CLI_FLAG, &o.json },
	};
	const struct cli_usage usage = {
		.args = "[--json] [--key FILE]… FILE",
		.about = about,
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &o.file,
		.file_min = 1,
		.file_max = 1,
	};
	int code = cli_parse(&usage, argc, argv, NULL);
	if (code >= 0)
		return code;
	static struct keys k;
	static struct ima_report r;
	struct ch_buf list = { 0 };
	code = read_files(&list, &k, &o);
	if (code < 0) {
		r.path = o.file;
		r.in = ch_buf_span(&list);
		code = inspect(&r, &k, &o);
	}
	ima_report_clear(&r);
	keys_clear(&k);
	ch_buf_free(&list);
	return code;
}
