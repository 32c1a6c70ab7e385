/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_OPERATOR_CLIENT_H
#define CH_OPERATOR_CLIENT_H

#include "cli/operator/signer.h"

#include "core/trust/action.h"
#include "host/net/http_client.h"
#include "host/policy/conf.h"

/* The server as a command sees it: its configuration, one connection, answers as JSON. Errors are told; results are exit codes. */

/* Beside those of cli/cmd.h. */
#define OP_WAITING 5 /* the action is accepted and waits for the signature of another operator */

/* The file of --config, set by main before any command; NULL: looked for. */
extern const char *op_config_path;

struct op_client {
	struct ch_conf conf;
	const char *server, *public, *ca, *certificate, *key, *passphrase_file,
		*log_key; /* of the configuration; paths as they are opened */
	char path[5][4096];
	struct ch_buf ca_pem, cert_pem;
	struct op_signer signer;
	struct ch_tls_client *tls;
	struct ch_net_conn *conn;
	char host[256], port[8];
};

/* An answer. */
struct op_doc {
	unsigned status;
	struct ch_buf text;
	struct ch_json j;
	struct ch_json_node *node;
};

/* Reads the configuration and the files that it names. Nothing is sent yet. -1 to go on, else an exit code after a message. */
int op_client_open(struct op_client *c);
void op_client_close(struct op_client *c);
/* Reads the configuration only, for what needs no operator: `public` and `log_key` must be in it. -1 to go on. */
int op_client_public(struct op_client *c);
#define OP_AUTO_CLIENT __attribute__((cleanup(op_client_close)))

void op_doc_clear(struct op_doc *d);
#define OP_AUTO_DOC __attribute__((cleanup(op_doc_clear)))

/* Asks for a page and parses it. An error of the server is told, with its rule: CLI_FAILS. -1 to go on. */
int op_get(struct op_client *c, const char *target, struct op_doc *d);
/* The same without parsing: bytes, or a text of another kind. */
int op_get_bytes(struct op_client *c, const char *target, struct ch_buf *to);
/* Sends JSON. */
int op_post(struct op_client *c, const char *target, struct ch_span body, struct op_doc *d);

/* Sends a piece of a file. */
int op_put(struct op_client *c, const char *target, struct ch_span piece, struct op_doc *d);

/* Prints the document as it came, indented: --json. Returns the exit code. */
int op_print_json(const struct op_doc *d);

/* --- reading a document; what is not there is empty, 0 or false --- */

/* The member of an object; CH_JSON_NONE if it is not there. */
size_t op_at(const struct op_doc *d, size_t object, const char *name);
/* A text, escapes resolved, cut to the size; NUL-terminated. "" if it is none. Returns `to`. */
const char *op_text(const struct op_doc *d, size_t object, const char *name, char *to, size_t cap);
uint64_t op_number(const struct op_doc *d, size_t object, const char *name);
bool op_true(const struct op_doc *d, size_t object, const char *name);
bool op_null(const struct op_doc *d, size_t object, const char *name);

/* --- for people --- */

/* "3 hours ago", "in 5 minutes", "-" for 0. */
void op_ago_put(struct ch_wr *w, uint64_t seconds, uint64_t now);
/* Green, yellow, red by the word of a tier or state. */
enum cli_mark op_mark(const char *word);

#define OP_COLUMNS_MAX 12
struct op_table {
	size_t columns;
	const char *head[OP_COLUMNS_MAX];
	size_t width[OP_COLUMNS_MAX];
	size_t rows;
	struct ch_buf cells; /* NUL-terminated, row by row, escaped */
};
/* Adds a cell; what a terminal would obey is escaped, backslashes stay. */
void op_cell(struct op_table *t, const char *text);
/* Prints the table and frees it. Cells whose word is a tier or state get their colour. */
void op_table_end(struct op_table *t, struct ch_wr *w);

/* --- deciding --- */

struct op_act {
	enum ch_verb verb;
	const char *subject;
	const char *reason;
	struct ch_span payload; /* empty: none */
	bool json;
	bool quiet; /* the caller shows the answer */
};

/*
 * Signs the action with the configured key and sends it. The answer is told (a table of facts, or with `json` as it came). CLI_HOLDS
 * when it is done, OP_WAITING when another operator must sign it too; `d` may be NULL.
 */
int op_act(struct op_client *c, const struct op_act *a, struct op_doc *d);
/* Adds the configured key's signature to an action that waits. */
int op_act_again(struct op_client *c, struct ch_span canonical, struct ch_span payload, bool json);

/* A device by its id, the beginning of its id, or its host name: 32 digits in `id`. -1 to go on. */
int op_find_device(struct op_client *c, const char *name, char id[static 33]);

#endif
