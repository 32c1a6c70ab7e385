/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"

#include "core/base/text.h"
#include "core/wire/base64.h"
#include "core/wire/der.h"
#include "host/crypto_openssl/backend.h"
#include "host/sys/sandbox.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define COLUMN  22
#define SAY_MAX 8192 /* two paths and a sentence */

/*
 * One line on standard error. Names of files and arguments are anybody's bytes: what a terminal would obey is escaped. Backslashes
 * stay, because parts may have been escaped before.
 */
static char say_text[SAY_MAX];

static void say(const char *start, int n)
{
	static uint8_t line[4 * SAY_MAX];
	size_t len = n < 0 ? 0 : (size_t)n < sizeof(say_text) ? (size_t)n : sizeof(say_text) - 1;
	struct ch_wr w = ch_wr(line, sizeof(line) - 1);
	for (size_t i = 0; i < len;) {
		size_t end = i;
		while (end < len && say_text[end] != '\\')
			end++;
		ch_text_escape(&w, ch_span(say_text + i, end - i));
		if (end < len)
			ch_wr_u8(&w, '\\');
		i = end + 1;
	}
	fprintf(stderr, "%s%.*s\n", start, (int)w.len, (const char *)line);
}

void cli_say(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	say("chainhold: ", vsnprintf(say_text, sizeof(say_text), format, ap));
	va_end(ap);
}

__attribute__((format(printf, 1, 2))) static void say_plain(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	say("", vsnprintf(say_text, sizeof(say_text), format, ap));
	va_end(ap);
}

static void help(const struct cli_usage *u, const char *name)
{
	printf("usage: %s %s\n\n%s\n\nOptions:\n", name, u->args, u->about);
	for (size_t i = 0; i < u->opt_count; i++) {
		const struct cli_opt *o = &u->opt[i];
		int n = printf("  --%s%s%s", o->name, o->arg != NULL ? " " : "", o->arg != NULL ? o->arg : "");
		printf("%*s%s\n", n < COLUMN ? COLUMN - n : 1, "", o->help);
	}
	printf("  --help%*sthis text\n", COLUMN - 8, "");
}

/* Stores one option. `value` is what followed '=', or NULL. Returns the number of further arguments used, or -1. */
static int option(const struct cli_opt *o, const char *value, int left, char **argv)
{
	if (o->kind == CLI_FLAG) {
		*(bool *)o->to = true;
		return value == NULL ? 0 : -1;
	}
	int used = 0;
	if (value == NULL) {
		if (left < 1)
			return -1;
		value = argv[0];
		used = 1;
	}
	if (o->kind == CLI_VALUE) {
		if (*(const char **)o->to != NULL)
			return -1;
		*(const char **)o->to = value;
		return used;
	}
	struct cli_values *list = o->to;
	if (list->count == CLI_VALUES_MAX)
		return -1;
	list->v[list->count++] = value;
	return used;
}

static const struct cli_opt *option_find(const struct cli_usage *u, const char *name, size_t n)
{
	for (size_t i = 0; i < u->opt_count; i++) {
		if (strlen(u->opt[i].name) == n && strncmp(u->opt[i].name, name, n) == 0)
			return &u->opt[i];
	}
	return NULL;
}

static int usage_error(const char *name, const char *what, const char *arg)
{
	say_plain("%s: %s '%s'; see '%s --help'", name, what, arg, name);
	return CLI_USAGE;
}

int cli_parse(const struct cli_usage *u, int argc, char **argv, size_t *files)
{
	size_t count = 0;
	bool options = true;
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i];
		if (options && strcmp(arg, "--") == 0) {
			options = false;
			continue;
		}
		if (options && (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)) {
			help(u, argv[0]);
			return CLI_HOLDS;
		}
		if (!options || arg[0] != '-' || arg[1] == '\0') {
			if (count == u->file_max)
				return usage_error(argv[0], "unexpected argument", arg);
			u->file[count++] = arg;
			continue;
		}
		if (arg[1] != '-')
			return usage_error(argv[0], "unknown option", arg);
		size_t n = strcspn(arg + 2, "=");
		const struct cli_opt *o = option_find(u, arg + 2, n);
		if (o == NULL)
			return usage_error(argv[0], "unknown option", arg);
		int used = option(o, arg[2 + n] == '=' ? arg + 3 + n : NULL, argc - i - 1, argv + i + 1);
		if (used < 0)
			return usage_error(argv[0], "an argument is missing, not expected or given twice:", arg);
		i += used;
	}
	if (count < u->file_min) {
		fprintf(stderr, "%s: a file is missing; usage: %s %s\n", argv[0], argv[0], u->args);
		return CLI_USAGE;
	}
	if (files != NULL)
		*files = count;
	return -1;
}

bool cli_number(const char *text, uint64_t max, uint64_t *v)
{
	uint64_t out = 0;
	size_t n = strspn(text, "0123456789");
	*v = 0;
	if (n == 0 || n > 19 || text[n] != '\0' || (n > 1 && text[0] == '0'))
		return false;
	for (size_t i = 0; i < n; i++) {
		uint64_t digit = (uint64_t)(text[i] - '0');
		if (digit > max || out > (max - digit) / 10)
			return false;
		out = out * 10 + digit;
	}
	*v = out;
	return true;
}

int cli_take_time(const char *text, uint64_t *seconds)
{
	*seconds = (uint64_t)time(NULL);
	if (text == NULL || cli_number(text, INT64_MAX, seconds))
		return -1;
	cli_say("--time is a number of seconds since 1970");
	return CLI_USAGE;
}

int cli_dispatch(const char *about, const struct cli_cmd *cmd, size_t count, int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		FILE *to = argc < 2 ? stderr : stdout;
		fprintf(to, "usage: %s COMMAND …\n\n%s\n\nCommands:\n", argv[0], about);
		for (size_t i = 0; i < count; i++)
			fprintf(to, "  %-12s %s\n", cmd[i].name, cmd[i].summary);
		fprintf(to, "\n'%s COMMAND --help' explains one.\n", argv[0]);
		return argc < 2 ? CLI_USAGE : CLI_HOLDS;
	}
	for (size_t i = 0; i < count; i++) {
		if (strcmp(argv[1], cmd[i].name) != 0)
			continue;
		static char name[128];
		char full[sizeof(name)];
		(void)snprintf(full, sizeof(full), "%s %s", argv[0], cmd[i].name);
		(void)snprintf(name, sizeof(name), "%s", full);
		argv[1] = name;
		return cmd[i].run(argc - 1, argv + 1);
	}
	return usage_error(argv[0], "unknown command", argv[1]);
}

int cli_read(struct ch_buf *b, const char *path)
{
	enum ch_err err = ch_file_read(b, path);
	if (err == CH_OK)
		return -1;
	cli_say("%s: %s", path, err == CH_ERR_LIMIT ? "larger than 256 MiB" : strerror(errno));
	return CLI_IO;
}

int cli_map(struct ch_map *m, const char *path)
{
	enum ch_err err = ch_map_file(m, path);
	if (err == CH_OK)
		return -1;
	cli_say("%s: %s", path, err == CH_ERR_UNSUPPORTED ? "it is no regular file" : strerror(errno));
	return CLI_IO;
}

enum ch_err cli_der(struct ch_span in, const char *const *label, uint8_t *room, size_t cap, struct ch_span *der,
		    struct ch_diag *d)
{
	size_t n = 0;
	enum ch_err err = CH_ERR_NOTFOUND;
	*der = in;
	if (in.n > 0 && in.p[0] == CH_DER_SEQUENCE)
		return CH_OK;
	for (; *label != NULL && err == CH_ERR_NOTFOUND; label++)
		err = ch_pem_decode(in, *label, room, cap, &n, d);
	*der = ch_span(room, n);
	return err == CH_ERR_NOTFOUND ? ch_fail(d, CH_ERR_MALFORMED, 0, "neither DER nor a PEM block of this kind")
				      : err;
}

int cli_confine(void)
{
	if (ch_crypto_openssl_init() != CH_OK) {
		cli_say("OpenSSL does not offer the algorithms that are needed");
		return CLI_IO;
	}
	if (ch_sandbox_compute() != CH_OK) {
		cli_say("the kernel refuses the seccomp sandbox (%s); nothing was judged", strerror(errno));
		return CLI_IO;
	}
	return -1;
}

int cli_refused(const char *path, const char *item, enum ch_err err, const struct ch_diag *d)
{
	char where[64] = "";
	if (d->item != CH_ITEM_NONE)
		(void)snprintf(where, sizeof(where), ", %s %zu", item, d->item);
	cli_say("%s: byte %zu%s: %s (%s)", path, d->off, where, d->rule != NULL ? d->rule : "refused", ch_err_str(err));
	return err == CH_ERR_UNSUPPORTED ? CLI_UNSUPPORTED : CLI_FAILS;
}

static uint8_t out_buf[65536];
static struct ch_wr out_wr;

static bool out_flush(void *ctx, struct ch_span s)
{
	(void)ctx;
	while (s.n > 0) {
		ssize_t n = write(STDOUT_FILENO, s.p, s.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		s = ch_span(s.p + n, s.n - (size_t)n);
	}
	return true;
}

struct ch_wr *cli_out(void)
{
	if (out_wr.p == NULL) {
		out_wr = ch_wr(out_buf, sizeof(out_buf));
		out_wr.flush = out_flush;
	}
	return &out_wr;
}

int cli_out_end(int code)
{
	ch_wr_flush(cli_out());
	if (!out_wr.bad)
		return code;
	cli_say("standard output: %s", strerror(errno));
	return CLI_IO;
}

static int colour = -1;

bool cli_colour(void)
{
	if (colour < 0) {
		const char *term = getenv("TERM");
		const char *no = getenv("NO_COLOR");
		colour = isatty(STDOUT_FILENO) && term != NULL && strcmp(term, "dumb") != 0 &&
			 (no == NULL || no[0] == '\0');
	}
	return colour > 0;
}

void cli_put(struct ch_wr *w, enum cli_mark mark, const char *text)
{
	static const char *const code[] = { "", "\033[32m", "\033[1;31m", "\033[33m", "\033[2m", "\033[1m" };
	bool on = mark != CLI_PLAIN && colour > 0;
	if (on)
		ch_wr_str(w, code[mark]);
	ch_wr_str(w, text);
	if (on)
		ch_wr_str(w, "\033[0m");
}

void cli_put_escaped(struct ch_wr *w, struct ch_span text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\\') {
			ch_wr_u8(w, '\\');
			continue;
		}
		size_t end = i;
		while (end < text.n && text.p[end] != '\\')
			end++;
		ch_text_escape(w, ch_span_sub(text, i, end - i));
		i = end - 1;
	}
}

void cli_field_begin(struct ch_wr *w, const char *label)
{
	ch_wr_str(w, "  ");
	ch_wr_str(w, label);
	for (size_t n = strlen(label); n < COLUMN - 4; n++)
		ch_wr_u8(w, ' ');
	ch_wr_str(w, "  ");
}

void cli_field(struct ch_wr *w, const char *label, enum cli_mark mark, const char *text)
{
	cli_field_begin(w, label);
	cli_put(w, mark, text);
	ch_wr_u8(w, '\n');
}
