/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_CMD_H
#define CH_CLI_CMD_H

#include "core/base/err.h"
#include "core/base/wr.h"
#include "core/wire/json.h"
#include "host/base/file.h"
#include "host/base/map.h"

/* What every subcommand shares: exit codes, a table of options, input files, messages, the page. */

enum cli_exit {
	CLI_HOLDS = 0, /* what was asked holds */
	CLI_FAILS = 1, /* it does not, or the input is malformed */
	CLI_USAGE = 2,
	CLI_UNSUPPORTED = 3, /* well-formed, but of a kind that is not supported */
	CLI_IO = 4,
};

enum cli_opt_kind { CLI_FLAG, CLI_VALUE, CLI_VALUES };

#define CLI_VALUES_MAX 64
struct cli_values {
	size_t count;
	const char *v[CLI_VALUES_MAX];
};

struct cli_opt {
	const char *name; /* without the dashes */
	const char *arg;  /* its name in the help; NULL for a flag */
	const char *help;
	enum cli_opt_kind kind;
	void *to; /* bool * · const char ** · struct cli_values * */
};

/* A subcommand: a row in a table. */
struct cli_cmd {
	const char *name;
	const char *summary;               /* one line */
	int (*run)(int argc, char **argv); /* argv[0] is the full name, "chainhold inspect quote" */
};

struct cli_usage {
	const char *args;  /* "[--json] FILE" */
	const char *about; /* paragraphs for --help */
	const struct cli_opt *opt;
	size_t opt_count;
	const char **file; /* receives operands */
	size_t file_min, file_max;
};

/*
 * Parses the arguments by the table. Returns -1 to go on, or an exit code to end with (--help printed: CLI_HOLDS; a wrong
 * argument, named on standard error: CLI_USAGE). --help is always there.
 */
int cli_parse(const struct cli_usage *u, int argc, char **argv, size_t *files);

/* A decimal number of 0 to `max`, which is below 10^19, without sign or leading zeros. False, with *v 0, for anything else. */
CH_MUST_USE bool cli_number(const char *text, uint64_t max, uint64_t *v);

/* --time: seconds since 1970; the local clock for NULL. -1 to go on. */
int cli_take_time(const char *text, uint64_t *seconds);

/* Runs the row that argv[1] names, with argv[0] "chainhold inspect" extended by its name; help and errors for the table. */
int cli_dispatch(const char *about, const struct cli_cmd *cmd, size_t count, int argc, char **argv);

/* Reads a file or says why not on standard error: CLI_IO. -1 to go on. */
int cli_read(struct ch_buf *b, const char *path);
/* Maps a regular file of any size, likewise. */
int cli_map(struct ch_map *m, const char *path);

/* DER as it is (*der borrows from `in`), or the first PEM block of one of the labels, which end with NULL, decoded into `room`. */
CH_MUST_USE enum ch_err cli_der(struct ch_span in, const char *const *label, uint8_t *room, size_t cap,
				struct ch_span *der, struct ch_diag *d);

/* Prepares the crypto backend, then confines the process. Call once, after the last file was opened. -1 to go on, else CLI_IO. */
int cli_confine(void);

/*
 * A parser's refusal on standard error: "FILE: byte 1234, event 7: rule (malformed)". Returns the exit code: CLI_UNSUPPORTED
 * for CH_ERR_UNSUPPORTED, else CLI_FAILS.
 */
int cli_refused(const char *path, const char *item, enum ch_err err, const struct ch_diag *d);

/* "chainhold: …" on standard error, one line; whatever a terminal would obey is escaped. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A writer to standard output, buffered; call cli_out_end at the end: CLI_IO if output failed, else `code`. */
struct ch_wr *cli_out(void);
int cli_out_end(int code);

/* Standard output is a terminal that shows colour (and NO_COLOR is not set). */
bool cli_colour(void);

/* Marks for a page: green, red, yellow, dim or nothing where there is no colour. */
enum cli_mark { CLI_PLAIN, CLI_GOOD, CLI_BAD, CLI_WARN, CLI_DIM, CLI_HEAD };
void cli_put(struct ch_wr *w, enum cli_mark mark, const char *text);
/* Text that was escaped when it was written down: its backslashes stay, all else is escaped again. */
void cli_put_escaped(struct ch_wr *w, struct ch_span text);
/* "  label         ", to be followed by text and a newline */
void cli_field_begin(struct ch_wr *w, const char *label);
/* "  label         text\n" */
void cli_field(struct ch_wr *w, const char *label, enum cli_mark mark, const char *text);

int cmd_inspect(int argc, char **argv);
int cmd_inspect_eventlog(int argc, char **argv);
int cmd_inspect_quote(int argc, char **argv);
int cmd_inspect_ima(int argc, char **argv);
int cmd_inspect_ekcert(int argc, char **argv);
int cmd_inspect_cert(int argc, char **argv);
int cmd_inspect_crl(int argc, char **argv);
int cmd_inspect_csr(int argc, char **argv);
int cmd_inspect_proof(int argc, char **argv);
int cmd_inspect_psa(int argc, char **argv);
int cmd_inspect_pe(int argc, char **argv);
int cmd_inspect_uki(int argc, char **argv);
int cmd_inspect_rauc(int argc, char **argv);
int cmd_inspect_swu(int argc, char **argv);
int cmd_inspect_ostree(int argc, char **argv);
int cmd_inspect_verity(int argc, char **argv);
int cmd_appraise(int argc, char **argv);
int cmd_reference(int argc, char **argv);

#endif
