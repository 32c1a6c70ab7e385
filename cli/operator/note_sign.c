/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/note_sign.h"

#include "host/base/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int op_note_key(struct op_signer *key, struct ch_root_key *pub)
{
	struct ch_pubkey p;
	int code = op_signer_pub(key, &p);
	if (code < 0 && ch_root_key_make(pub, &p.pub) != CH_OK) {
		cli_say("%s: a key of a role is one of P-256 or Ed25519", key->name);
		code = CLI_UNSUPPORTED;
	}
	return code;
}

/* The file with one line more takes the place of the file. */
static int append(const char *path, struct ch_span file, struct ch_span line)
{
	char folder[4096];
	const char *name = strrchr(path, '/');
	CH_AUTO_BUF struct ch_buf whole = { 0 };
	int n = name != NULL ? snprintf(folder, sizeof(folder), "%.*s/", (int)(name - path), path)
			     : snprintf(folder, sizeof(folder), ".");
	int dir = n > 0 && (size_t)n < sizeof(folder) ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	ch_buf_append(&whole, file);
	ch_buf_append(&whole, line);
	name = name != NULL ? name + 1 : path;
	bool good = dir >= 0 && ch_file_replace(dir, name, ch_buf_span(&whole)) == CH_OK &&
		    fchmodat(dir, name, 0644, 0) == 0;
	if (!good)
		cli_say("%s: %s", path, strerror(errno));
	if (dir >= 0)
		(void)close(dir);
	return good ? -1 : CLI_IO;
}

static bool has_signed(const struct ch_root_key *pub, const struct ch_note *note)
{
	struct ch_root_role one = { .threshold = 1, .count = 1, .key = { *pub } };
	return ch_role_signed(&one, note, NULL) == CH_OK;
}

int op_note_line(struct op_signer *key, const struct ch_root_key *pub, const char *path, const struct ch_note *note,
		 struct ch_buf *lines)
{
	uint8_t sig[CH_SIGN_BYTES], line[512];
	struct ch_wr w = ch_wr(line, sizeof(line));
	if (has_signed(pub, note)) {
		cli_say("%s: this key has signed it already", path);
		return CLI_FAILS;
	}
	int code = op_signer_sign(key, note->text, sig);
	if (code >= 0)
		return code;
	if (ch_role_sig_put(&w, pub, sig) != CH_OK) {
		cli_say("the signature cannot be written");
		return CLI_IO;
	}
	if (note->signatures.n + w.len > CH_ROLE_SIGS_MAX || note->count == CH_NOTE_SIGS_MAX) {
		cli_say("%s: it has as many signatures as it can have", path);
		return CLI_FAILS;
	}
	ch_buf_append(lines, ch_wr_span(&w));
	return -1;
}

int op_note_sign(struct op_signer *key, const struct ch_root_key *pub, const char *path, struct ch_span file,
		 const struct ch_note *note)
{
	CH_AUTO_BUF struct ch_buf line = { 0 };
	int code = op_note_line(key, pub, path, note, &line);
	return code < 0 ? append(path, file, ch_buf_span(&line)) : code;
}
