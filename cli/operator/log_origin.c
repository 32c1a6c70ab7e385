/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/files.h"
#include "cli/operator/log.h"
#include "cli/operator/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A store that was lost for good: its log ends, and another one, under an origin of its own, names it in its first leaf. The signer's
 * program says how far the old log was signed and lets it go, the keeper's begins the new one, then the configuration and the
 * key's text follow. Each step can be done again.
 */

#define PATH_BYTES 4096
#define TEXT_MAX   65536

struct origin {
	const char *dir, *next;
	char old[CH_NOTE_NAME_MAX + 1];
	char config[PATH_BYTES], vkey[PATH_BYTES];
	struct ch_buf text; /* of the configuration */
	size_t at, n;       /* the value in it */
	struct op_folder folder;
	char note[128];    /* file of the last checkpoint, in the folder */
	struct ch_buf key; /* the verifier key of the new log */
	bool has_note;
};

/* The line "origin: …" of the configuration; quotes are not part of the name. */
static bool origin_find(struct origin *o)
{
	static const struct ch_span label = CH_SPAN_LIT("origin:");
	struct ch_span all = ch_buf_span(&o->text);
	for (size_t at = 0; at < all.n;) {
		size_t end = at;
		while (end < all.n && all.p[end] != '\n')
			end++;
		struct ch_span line = ch_span_sub(all, at, end - at);
		if (ch_span_starts(line, label)) {
			size_t from = at + label.n;
			while (from < end && (all.p[from] == ' ' || all.p[from] == '"' || all.p[from] == '\''))
				from++;
			size_t to = end;
			while (to > from && (all.p[to - 1] == ' ' || all.p[to - 1] == '"' || all.p[to - 1] == '\''))
				to--;
			o->at = from;
			o->n = to - from;
			return o->n > 0 && o->n < sizeof(o->old);
		}
		at = end + 1;
	}
	return false;
}

static int config_read(struct origin *o)
{
	(void)snprintf(o->config, sizeof(o->config), "%.4000s/chainholdd.yaml", o->dir);
	(void)snprintf(o->vkey, sizeof(o->vkey), "%.4000s/log.vkey", o->dir);
	int code = cli_read(&o->text, o->config);
	if (code >= 0)
		return code;
	if (!origin_find(o)) {
		cli_say("%s: there is no line 'origin: NAME'", o->config);
		return CLI_FAILS;
	}
	(void)ch_span_copy(o->old, sizeof(o->old) - 1, ch_span_sub(ch_buf_span(&o->text), o->at, o->n));
	if (!ch_note_name_valid(ch_span_str(o->next)) || strcmp(o->old, o->next) == 0) {
		cli_say("'%s' cannot be the name of the new log: one without spaces and '+', and not the old one",
			o->next);
		return CLI_USAGE;
	}
	return -1;
}

/* The verifier key is the first line, the last checkpoint of the old log what follows. */
static int signer_ends(struct origin *o)
{
	static char option[] = "--end-log";
	char dir[PATH_BYTES], next[CH_NOTE_NAME_MAX + 1];
	CH_AUTO_BUF struct ch_buf out = { 0 };
	(void)snprintf(dir, sizeof(dir), "%.4000s/state/signer", o->dir);
	(void)snprintf(next, sizeof(next), "%s", o->next);
	char *argv[] = { NULL, option, dir, o->old, next, NULL };
	int code = op_run_program("chainhold-signer", argv, &out);
	if (code >= 0)
		return code;
	size_t n = 0;
	while (n < out.n && out.p[n] != '\n')
		n++;
	ch_buf_append(&o->key, ch_span_sub(ch_buf_span(&out), 0, n < out.n ? n + 1 : n));
	struct ch_span note = n < out.n ? ch_span_sub(ch_buf_span(&out), n + 1, out.n - n - 1) : CH_SPAN_EMPTY;
	o->has_note = note.n > 0;
	(void)snprintf(o->note, sizeof(o->note), "%s/note", o->folder.path);
	return o->has_note ? op_file_make(o->folder.fd, "note", OP_PUBLIC, note) : -1;
}

static int keeper_begins(struct origin *o)
{
	static char option[] = "--new-origin", checkpoint[] = "--checkpoint";
	char store[PATH_BYTES], next[CH_NOTE_NAME_MAX + 1];
	CH_AUTO_BUF struct ch_buf out = { 0 };
	(void)snprintf(store, sizeof(store), "%.4000s/state/store/chainhold.db", o->dir);
	(void)snprintf(next, sizeof(next), "%s", o->next);
	char *argv[] = { NULL, option, store, o->old, next, o->has_note ? checkpoint : NULL, o->note, NULL };
	int code = op_run_program("chainhold-keeper", argv, &out);
	if (code < 0)
		ch_wr_put(cli_out(), ch_buf_span(&out));
	return code;
}

/* Replaces a file, with the rights that it had. */
static int replace(const char *path, struct ch_span bytes)
{
	struct stat s;
	bool there = stat(path, &s) == 0;
	if (log_write_file(path, bytes) != CH_OK)
		return CLI_IO;
	if (there && (chmod(path, s.st_mode & 07777) != 0 || chown(path, s.st_uid, s.st_gid) != 0)) {
		cli_say("%s: %s", path, strerror(errno));
		return CLI_IO;
	}
	return -1;
}

static int files_follow(struct origin *o)
{
	char ended[PATH_BYTES + 8];
	CH_AUTO_BUF struct ch_buf old = { 0 };
	CH_AUTO_BUF struct ch_buf text = { 0 };
	struct ch_span all = ch_buf_span(&o->text);
	(void)snprintf(ended, sizeof(ended), "%s.ended", o->vkey);
	if (ch_file_read(&old, o->vkey) == CH_OK && !ch_span_eq(ch_buf_span(&old), ch_buf_span(&o->key)) &&
	    replace(ended, ch_buf_span(&old)) >= 0)
		return CLI_IO;
	int code = replace(o->vkey, ch_buf_span(&o->key));
	if (code >= 0)
		return code;
	ch_buf_append(&text, ch_span_sub(all, 0, o->at));
	ch_buf_append(&text, ch_span_str(o->next));
	ch_buf_append(&text, ch_span_sub(all, o->at + o->n, all.n - o->at - o->n));
	return replace(o->config, ch_buf_span(&text));
}

int op_log_new_origin(int argc, char **argv)
{
	const char *file[2] = { NULL };
	struct origin o = { .folder = { .fd = -1 } };
	const struct cli_usage u = {
		.args = "DIR NAME",
		.about =
			"Begins a new log on a server that does not run, whose store was lost and put back without a mirror:\n"
			"NAME is its origin, its first entry names the old one and its last known checkpoint, and every\n"
			"device is asked for fresh evidence. DIR is the server's folder. Give log.vkey to the log's clients.",
		.file = file,
		.file_min = 2,
		.file_max = 2,
	};
	size_t files = 0;
	int code = cli_parse(&u, argc, argv, &files);
	if (code >= 0)
		return code;
	o.dir = file[0];
	o.next = file[1];
	code = config_read(&o);
	if (code < 0)
		code = op_temp_make(&o.folder);
	if (code < 0)
		code = signer_ends(&o);
	if (code < 0)
		code = keeper_begins(&o);
	if (code < 0)
		code = files_follow(&o);
	if (code < 0) {
		ch_wr_str(cli_out(), "its key: ");
		ch_wr_put(cli_out(), ch_buf_span(&o.key));
		code = cli_out_end(CLI_HOLDS);
	}
	op_temp_remove(&o.folder);
	ch_buf_free(&o.text);
	ch_buf_free(&o.key);
	return code;
}
