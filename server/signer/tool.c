/* SPDX-License-Identifier: Apache-2.0 */
#include "server/signer/tool.h"

#include "core/wire/base64.h"
#include "host/base/file.h"
#include "host/crypto_openssl/backend.h"
#include "server/signer/crl.h"
#include "server/signer/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define ENDED      CH_SIGNER_TREE_FILE ".ended"

static int say(const char *what, const char *why)
{
	fprintf(stderr, "chainhold-signer: %s: %s\n", what, why);
	return EXIT_FAILURE;
}

static void path_of(char to[static PATH_BYTES], const char *dir, const char *name)
{
	(void)snprintf(to, PATH_BYTES, "%.4000s/%s", dir, name);
}

/* Whoever may read the file may end its log: here it is not asked whose it is, as the signer does. */
static enum ch_err key_load(struct ch_sign_key *key, const char *dir)
{
	char path[PATH_BYTES];
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	path_of(path, dir, "log.key");
	enum ch_err err = ch_file_read(&pem, path);
	if (err == CH_OK)
		err = ch_sign_key_from_pem(key, ch_buf_span(&pem));
	if (pem.p != NULL)
		ch_wipe(pem.p, pem.n);
	return err;
}

static enum ch_err print_key(const struct ch_sign_key *key, const char *origin)
{
	uint8_t text[CH_NOTE_KEY_TEXT_MAX];
	struct ch_pubkey pub;
	struct ch_note_key note;
	struct ch_wr w = ch_wr(text, sizeof(text));
	enum ch_err err = ch_sign_key_pub(key, &pub);
	if (err == CH_OK && (pub.pub.type != CH_KEY_ED25519 || pub.pub.a.n != 32))
		err = CH_ERR_KEY;
	if (err == CH_OK)
		err = ch_note_key_make(&note, ch_span_str(origin), pub.a);
	if (err != CH_OK)
		return err;
	ch_note_key_put(&w, &note);
	printf("%.*s\n", (int)w.len, (const char *)text);
	return CH_OK;
}

/* The tree of `origin` in the folder, with the key taken over if it is that. */
static enum ch_err tree_open(struct ch_signer_tree *t, const char *dir, const char *origin, struct ch_sign_key *key)
{
	bool made;
	return ch_signer_tree_open(t, dir, ch_span_str(origin), key, &made);
}

static enum ch_err print_last(struct ch_signer_tree *t)
{
	static uint8_t room[CH_IPC_CERT_MAX];
	struct ch_msg_checkpoint out;
	const struct ch_msg_leaves ask = { .first = 0 };
	ch_signer_tree_append(t, &out, room, &ask);
	if (out.status != 0)
		return CH_ERR_CRYPTO;
	return fwrite(out.note.p, 1, out.note.n, stdout) == out.note.n ? CH_OK : CH_ERR_IO;
}

/* A log that has begun is never ended by the command that began it. */
static bool is_next(const char *dir, const char *next, struct ch_sign_key *key)
{
	struct ch_signer_tree t;
	if (tree_open(&t, dir, next, key) != CH_OK)
		return false;
	*key = t.key;
	t.key = (struct ch_sign_key){ .type = CH_KEY_NONE };
	ch_signer_tree_clear(&t);
	return true;
}

static int end_log(const char *dir, const char *old, const char *next)
{
	char tree[PATH_BYTES], ended[PATH_BYTES];
	struct ch_sign_key key = { .type = CH_KEY_NONE };
	struct ch_signer_tree t;
	path_of(tree, dir, CH_SIGNER_TREE_FILE);
	path_of(ended, dir, ENDED);
	enum ch_err err = key_load(&key, dir);
	if (err == CH_OK)
		err = print_key(&key, next);
	if (err != CH_OK) {
		ch_sign_key_clear(&key);
		return say(dir, ch_err_str(err));
	}
	/* Given again, after it was interrupted. */
	if (access(tree, F_OK) != 0 && access(ended, F_OK) == 0)
		(void)rename(ended, tree);
	if (access(tree, F_OK) != 0 || is_next(dir, next, &key)) {
		ch_sign_key_clear(&key);
		return EXIT_SUCCESS;
	}
	err = tree_open(&t, dir, old, &key);
	if (err == CH_OK) {
		err = print_last(&t);
		ch_signer_tree_clear(&t);
	} else {
		ch_sign_key_clear(&key);
		/* The key was replaced: it cannot speak for the log before it. */
		err = err == CH_ERR_MISMATCH ? CH_OK : err;
	}
	if (err != CH_OK)
		return say(tree, ch_err_str(err));
	if (rename(tree, ended) != 0)
		return say(tree, strerror(errno));
	sync();
	return fflush(stdout) == 0 ? EXIT_SUCCESS : say("standard output", strerror(errno));
}

/* --- a list that others have, after a backup was put back --- */

/* The CA's certificate: the first of the file. */
static enum ch_err ca_load(struct ch_x509 *ca, struct ch_buf *der, const char *path)
{
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	size_t n = 0;
	enum ch_err err = ch_file_read(&pem, path);
	if (err == CH_OK)
		err = ch_pem_decode(ch_buf_span(&pem), "CERTIFICATE", ch_buf_room(der, CH_CERT_MAX), CH_CERT_MAX, &n,
				    NULL);
	der->n = n;
	return err == CH_OK ? ch_x509_parse(ca, ch_buf_span(der), NULL) : err;
}

/* DER, or one block of PEM. */
static enum ch_err list_load(struct ch_crl *list, struct ch_buf *der, const char *path)
{
	CH_AUTO_BUF struct ch_buf in = { 0 };
	size_t n = 0;
	enum ch_err err = ch_file_read(&in, path);
	if (err == CH_OK && ch_span_starts(ch_buf_span(&in), CH_SPAN_LIT("-----BEGIN"))) {
		err = ch_pem_decode(ch_buf_span(&in), "X509 CRL", ch_buf_room(der, in.n), in.n, &n, NULL);
		der->n = n;
	} else {
		ch_buf_append(der, ch_buf_span(&in));
	}
	return err == CH_OK ? ch_crl_parse(list, ch_buf_span(der), NULL) : err;
}

/* The set is the signer's user's, as its folder is. */
static enum ch_err owner_of_folder(const struct ch_signer_crl *c)
{
	struct stat st;
	bool good = fstat(c->dir, &st) == 0 &&
		    (geteuid() != 0 || fchownat(c->dir, c->name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) == 0);
	return good ? CH_OK : CH_ERR_IO;
}

static int add_list(const char *dir, const char *ca_path, const char *list_path)
{
	static struct ch_x509 ca;
	static struct ch_crl list;
	CH_AUTO_BUF struct ch_buf ca_der = { 0 }, list_der = { 0 };
	struct ch_signer_crl set = { .dir = -1 };
	int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum ch_err err = folder >= 0 ? ca_load(&ca, &ca_der, ca_path) : CH_ERR_IO;
	if (err == CH_OK)
		err = list_load(&list, &list_der, list_path);
	if (err == CH_OK)
		err = ch_crl_verify(&list, &ca, NULL);
	const struct ch_issuer issuer = { .kid = ca.subject_key_id };
	if (err == CH_OK)
		err = ch_signer_crl_open(&set, folder, &issuer, 0);
	if (err == CH_OK)
		err = ch_signer_crl_take(&set, &list, ca.not_after);
	if (err == CH_OK)
		err = owner_of_folder(&set);
	ch_signer_crl_clear(&set);
	return err == CH_OK ? EXIT_SUCCESS : say(list_path, ch_err_str(err));
}

/* --- which --- */

int ch_signer_tool(int argc, char **argv)
{
	bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
	bool end = argc == 5 && strcmp(argv[1], "--end-log") == 0;
	if (!end && (argc != 5 || strcmp(argv[1], "--add-list") != 0)) {
		fputs("usage: chainhold-signer --end-log DIR OLD NEW\n"
		      "       chainhold-signer --add-list DIR CA LIST\n"
		      "Without an option it is started by chainholdd. See chainhold-signer(8).\n",
		      help ? stdout : stderr);
		return help ? EXIT_SUCCESS : 2;
	}
	if (ch_crypto_openssl_init() != CH_OK)
		return say("OpenSSL", "cannot be used");
	return end ? end_log(argv[2], argv[3], argv[4]) : add_list(argv[2], argv[3], argv[4]);
}
