/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/export.h"

#include "cli/fleet_root.h"
#include "cli/operator/op.h"
#include "cli/release.h"

#include "core/platform/crl.h"
#include "core/update/release_proof.h"
#include "core/wire/base64.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* chainhold export: what is to cross an air gap, in one signed file. */

struct ask {
	const char *out, *role, *log, *passphrase, *add;
	struct cli_values key, root, release, proof, reference, crl;
	const char *file[CLI_VALUES_MAX];
	size_t file_count;
};

/* --- what goes in --- */

static struct export_item *add(struct export *x)
{
	if (x->count == CH_ARCHIVE_FILES_MAX)
		return NULL;
	return &x->item[x->count++];
}

static bool name_item(struct export_item *i, const char *prefix, struct ch_span middle, const char *suffix)
{
	int n = snprintf(i->name, sizeof(i->name), "%s%.*s%s", prefix, (int)middle.n, (const char *)middle.p, suffix);
	struct ch_archive_path p;
	return n > 0 && (size_t)n < sizeof(i->name) && ch_archive_path_parse(&p, ch_span(i->name, (size_t)n)) == CH_OK;
}

/* A small file, in memory. */
static int take_bytes(struct export *x, const char *source, const char *prefix, struct ch_span middle,
		      const char *suffix, struct ch_span bytes)
{
	struct export_item *i = add(x);
	struct ch_digest d;
	if (i == NULL || !name_item(i, prefix, middle, suffix) || ch_hash_once(CH_HASH_SHA256, bytes, &d) != CH_OK) {
		cli_say("%s: an archive cannot have it: more than %d files, or a name with other characters than a-z 0-9 - _ .",
			source, CH_ARCHIVE_FILES_MAX);
		return CLI_FAILS;
	}
	ch_buf_append(&i->bytes, bytes);
	i->size = bytes.n;
	(void)ch_span_copy(i->sha256, sizeof(i->sha256), ch_digest_span(&d));
	return -1;
}

static struct ch_span hex_of(uint8_t text[static 64], const uint8_t sha256[static 32])
{
	struct ch_wr w = ch_wr(text, 64);
	ch_wr_hex(&w, ch_span(sha256, 32));
	return ch_wr_span(&w);
}

static int take_root(struct export *x, const char *path)
{
	static struct cli_root c;
	uint8_t digits[24];
	struct ch_wr w = ch_wr(digits, sizeof(digits));
	c.path = path;
	c.file.n = 0;
	int code = cli_read(&c.file, path);
	if (code < 0)
		code = cli_root_parse(&c);
	ch_wr_dec(&w, c.r.version);
	return code < 0 ? take_bytes(x, path, "fleet-root/", ch_wr_span(&w), "", ch_buf_span(&c.file)) : code;
}

/* A proof belongs to the release whose record it has. */
static int take_proof(struct export *x, const struct cli_release *c, const char *path, bool *found)
{
	static struct ch_release_proof p;
	uint8_t record[CH_RELEASE_RECORD_MAX], hex[64];
	struct ch_wr w = ch_wr(record, sizeof(record));
	struct ch_diag d;
	CH_AUTO_BUF struct ch_buf text = { 0 };
	int code = cli_read(&text, path);
	if (code >= 0)
		return code;
	enum ch_err err = ch_release_proof_parse(&p, ch_buf_span(&text), &d);
	if (err != CH_OK)
		return cli_refused(path, NULL, err, &d);
	ch_release_record_put(&w, &c->r, c->sha256);
	if (!ch_span_eq(ch_wr_span(&w), p.record))
		return -1;
	*found = true;
	return take_bytes(x, path, "releases/", hex_of(hex, c->sha256), ".proof", ch_buf_span(&text));
}

static int take_release(struct export *x, const char *path, const struct cli_values *proof, bool *found)
{
	static struct cli_release c;
	uint8_t hex[64];
	c.path = path;
	c.file.n = 0;
	int code = cli_read(&c.file, path);
	if (code < 0)
		code = cli_release_parse(&c);
	if (code < 0)
		code = take_bytes(x, path, "releases/", hex_of(hex, c.sha256), ".release", ch_buf_span(&c.file));
	for (size_t i = 0; code < 0 && i < proof->count; i++)
		code = take_proof(x, &c, proof->v[i], &found[i]);
	return code;
}

static int take_artifact(struct export *x, const char *path)
{
	struct cli_artifact a;
	uint8_t hex[64];
	int code = cli_artifact_open(&a, path);
	if (code < 0)
		code = cli_artifact_read(&a);
	cli_artifact_close(&a);
	if (code >= 0)
		return code;
	struct export_item *i = add(x);
	if (i == NULL || !name_item(i, "artifacts/", hex_of(hex, a.sha256), "") || a.size > CH_ARCHIVE_FILE_MAX) {
		cli_say("%s: an archive cannot have it: more than %d files, or more than 8 GiB", path,
			CH_ARCHIVE_FILES_MAX);
		return CLI_FAILS;
	}
	i->source = path;
	i->size = a.size;
	(void)ch_span_copy(i->sha256, sizeof(i->sha256), CH_SPAN_OF(a.sha256));
	return -1;
}

/* "reference/NAME.json" of "folder/NAME.json". */
static struct ch_span stem(const char *path, const char *suffix)
{
	const char *slash = strrchr(path, '/');
	struct ch_span s = ch_span_str(slash != NULL ? slash + 1 : path), end = ch_span_str(suffix);
	if (s.n > end.n && ch_span_eq(ch_span_sub(s, s.n - end.n, end.n), end))
		s.n -= end.n;
	return s;
}

static int take_reference(struct export *x, const char *path)
{
	CH_AUTO_BUF struct ch_buf text = { 0 };
	int code = cli_read(&text, path);
	return code < 0 ? take_bytes(x, path, "reference/", stem(path, ".json"), ".json", ch_buf_span(&text)) : code;
}

/* In an archive it is DER; PEM is what people keep. */
static int take_crl(struct export *x, const char *path)
{
	CH_AUTO_BUF struct ch_buf text = { 0 };
	CH_AUTO_FREE uint8_t *der = NULL;
	int code = cli_read(&text, path);
	if (code >= 0)
		return code;
	struct ch_span list = ch_buf_span(&text);
	if (ch_span_starts(list, CH_SPAN_LIT("-----BEGIN"))) {
		size_t off = 0, n = 0;
		der = ch_calloc(list.n, 1);
		if (ch_pem_next(list, &off, "X509 CRL", der, list.n, &n, NULL) != CH_OK) {
			cli_say("%s: no revocation list (PEM)", path);
			return CLI_FAILS;
		}
		list = ch_span(der, n);
	}
	return take_bytes(x, path, "crl/", stem(path, ".crl"), ".crl", list);
}

/* --- a mirror of the log, as `chainhold log mirror` keeps it: the files of its checkpoint, and not what is left of smaller ones --- */

static int take_log_file(struct export *x, const char *dir, const char *name)
{
	char path[4096];
	CH_AUTO_BUF struct ch_buf bytes = { 0 };
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (n <= 0 || (size_t)n >= sizeof(path)) {
		cli_say("%s: the name is too long", dir);
		return CLI_IO;
	}
	int code = cli_read(&bytes, path);
	return code < 0 ? take_bytes(x, path, "log/", ch_span_str(name), "", ch_buf_span(&bytes)) : code;
}

static int take_tile(struct export *x, const char *dir, bool entries, uint8_t level, uint64_t index, uint64_t size)
{
	char name[CH_TILE_PATH_MAX + 1] = "";
	struct ch_wr w = ch_wr(name, CH_TILE_PATH_MAX);
	const struct ch_tile t = {
		.entries = entries, .level = level, .index = index, .width = ch_tile_width(size, level, index)
	};
	ch_tile_path_put(&w, &t);
	return take_log_file(x, dir, name);
}

static int take_log(struct export *x, const char *dir)
{
	struct ch_note note;
	struct ch_checkpoint head;
	struct ch_diag d;
	int code = take_log_file(x, dir, "checkpoint");
	if (code >= 0)
		return code;
	enum ch_err err = ch_note_parse(&note, ch_buf_span(&x->item[x->count - 1].bytes), &d);
	if (err == CH_OK)
		err = ch_checkpoint_parse(&head, note.text, &d);
	if (err != CH_OK)
		return cli_refused(dir, NULL, err, &d);
	for (uint8_t level = 0; code < 0 && level <= CH_TILE_LEVEL_MAX; level++) {
		uint64_t hashes = ch_tile_hashes(head.size, level);
		for (uint64_t i = 0; code < 0 && i * CH_BUNDLE_ENTRIES < hashes; i++) {
			code = take_tile(x, dir, false, level, i, head.size);
			if (code < 0 && level == 0)
				code = take_tile(x, dir, true, level, i, head.size);
		}
	}
	return code;
}

static int take_all(struct export *x, const struct ask *a)
{
	bool found[CLI_VALUES_MAX] = { false };
	int code = -1;
	for (size_t i = 0; code < 0 && i < a->root.count; i++)
		code = take_root(x, a->root.v[i]);
	for (size_t i = 0; code < 0 && i < a->release.count; i++)
		code = take_release(x, a->release.v[i], &a->proof, found);
	for (size_t i = 0; code < 0 && i < a->proof.count; i++) {
		if (!found[i]) {
			cli_say("%s: it is of none of these releases", a->proof.v[i]);
			code = CLI_FAILS;
		}
	}
	for (size_t i = 0; code < 0 && i < a->file_count; i++)
		code = take_artifact(x, a->file[i]);
	for (size_t i = 0; code < 0 && i < a->reference.count; i++)
		code = take_reference(x, a->reference.v[i]);
	for (size_t i = 0; code < 0 && i < a->crl.count; i++)
		code = take_crl(x, a->crl.v[i]);
	return code < 0 && a->log != NULL ? take_log(x, a->log) : code;
}

/* --- commands --- */

static int sign_all(const char *path, const struct ask *a)
{
	int code = -1;
	for (size_t i = 0; code < 0 && i < a->key.count; i++)
		code = export_sign(path, a->key.v[i], a->passphrase);
	return code;
}

static int create(const struct ask *a)
{
	static struct export x;
	x.a.issued = (uint64_t)time(NULL);
	x.a.role = ch_span_str(a->role);
	x.item = ch_calloc(CH_ARCHIVE_FILES_MAX, sizeof(*x.item));
	int code = take_all(&x, a);
	if (code < 0 && x.count == 0) {
		cli_say("name what is to be exported");
		code = CLI_USAGE;
	}
	if (code < 0)
		code = export_write(&x, a->out);
	for (size_t i = 0; i < x.count; i++)
		ch_buf_free(&x.item[i].bytes);
	ch_free(x.item);
	return code < 0 ? sign_all(a->out, a) : code;
}

static int run(const struct ask *a)
{
	if (ch_crypto_openssl_init() != CH_OK) {
		cli_say("OpenSSL does not offer the algorithms that are needed");
		return CLI_IO;
	}
	int code = CLI_USAGE;
	if (a->add != NULL && a->out == NULL && a->key.count > 0 && a->file_count == 0)
		code = sign_all(a->add, a);
	else if (a->add == NULL && a->out != NULL && a->role != NULL)
		code = create(a);
	else
		cli_say("either --out and --role, and what is to be exported; or --sign ARCHIVE and --key");
	return code < 0 ? CLI_HOLDS : code;
}

int cmd_export(int argc, char **argv)
{
	static struct ask a;
	const struct cli_opt opt[] = {
		{ "out", "FILE", "the new archive", CLI_VALUE, &a.out },
		{ "role", "NAME", "the release role of the fleet root that signs it", CLI_VALUE, &a.role },
		{ "key", "KEY", "sign it: a file (PEM), or a PKCS #11 URI; may be repeated", CLI_VALUES, &a.key },
		{ "passphrase", "FILE", "a file with the passphrase of an encrypted key (asked for)", CLI_VALUE,
		  &a.passphrase },
		{ "sign", "FILE", "add signatures to this archive, and make none", CLI_VALUE, &a.add },
		{ "fleet-root", "FILE", "a version of the fleet root; may be repeated", CLI_VALUES, &a.root },
		{ "release", "FILE", "a release; its artefacts are the other files; may be repeated", CLI_VALUES,
		  &a.release },
		{ "proof", "FILE", "what shows that a release is in the log; may be repeated", CLI_VALUES, &a.proof },
		{ "log", "DIR", "a mirror of the log", CLI_VALUE, &a.log },
		{ "reference", "FILE", "reference values; may be repeated", CLI_VALUES, &a.reference },
		{ "crl", "FILE", "a list of revoked certificates; may be repeated", CLI_VALUES, &a.crl },
	};
	const struct cli_usage u = {
		.args = "--out FILE --role NAME [--key KEY]… [--fleet-root FILE]… [--release FILE]… [--log DIR] [FILE…]",
		.about =
			"Makes one signed archive of what is to cross an air gap: fleet roots, releases and their artefacts (FILE…), proofs,\n"
			"the log, reference values, revocation lists. Needs no server and no network.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = a.file,
		.file_min = 0,
		.file_max = CLI_VALUES_MAX,
	};
	int code = cli_parse(&u, argc, argv, &a.file_count);
	return code < 0 ? run(&a) : code;
}
