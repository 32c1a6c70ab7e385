/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_OPERATOR_LOG_H
#define CH_CLI_OPERATOR_LOG_H

#include "cli/fleet_root.h"
#include "cli/operator/client.h"
#include "core/trust/checkpoint.h"
#include "core/trust/tile.h"
#include "host/net/http_client.h"

/* `chainhold log …`: what anyone can do with a log over plain HTTP, from another host, with nothing but its key. */
int op_log(int argc, char **argv);
int op_log_verify(int argc, char **argv);
int op_log_prove(int argc, char **argv);
int op_log_mirror(int argc, char **argv);
int op_log_monitor(int argc, char **argv);
int op_log_new_origin(int argc, char **argv);

#define LOG_URL_MAX 512

/* A log that is read, and the key that it must be signed by. Its memory is large: on the heap or static. */
struct log_client {
	char host[LOG_URL_MAX], port[8], prefix[LOG_URL_MAX], authority[LOG_URL_MAX];
	struct ch_net_conn *conn;
	struct ch_note_key key;
	struct ch_verify_key vk;
	struct ch_buf key_text;
	struct cli_root root;  /* where the key came from, if from there */
	struct op_client conf; /* of the configuration only what names the log is read */
	char url[LOG_URL_MAX];
	struct ch_buf note;        /* the checkpoint that was fetched last, as it came */
	struct ch_checkpoint head; /* borrows from `note` */
	struct ch_tile_src tiles;  /* of the tree `head` */
	struct ch_tree_src tree;
};

/* What the four commands have in common. */
struct log_options {
	const char *url;   /* http://HOST[:PORT][/PATH]; without a path "/log"; NULL: `public` of the configuration */
	const char *key;   /* a verifier key, or a file that holds one; NULL: `log_key` of the configuration */
	const char *root;  /* in place of it a fleet root: one of its logs */
	const char *state; /* file of the checkpoint that was seen last; NULL: chainhold-log.checkpoint */
};

#define LOG_KEY_OPTIONS(o)                                                                                          \
	{ "key", "KEY", "the log's verifier key (NAME+ID+BASE64), or a file that holds it", CLI_VALUE, &(o)->key }, \
	{                                                                                                           \
		"fleet-root", "FILE", "the fleet root that names the log's key", CLI_VALUE, &(o)->root              \
	}

/* Prepares a client: -1 to go on, or an exit code after a message. log_client_free in any case. */
int log_client_init(struct log_client *c, struct log_options *o);
void log_client_free(struct log_client *c);

/* GETs `path` below the prefix into `body` (replaced). CH_ERR_NOTFOUND for 404; a message is written for every failure. */
CH_MUST_USE enum ch_err log_client_get(struct log_client *c, const char *path, size_t max, struct ch_buf *body);
/* A tile or a bundle of entries; a full one is taken where the partial one is gone. */
CH_MUST_USE enum ch_err log_client_tile(struct log_client *c, const struct ch_tile *t, struct ch_buf *body);

/*
 * Fetches the newest checkpoint and checks it: signed by the key, and an extension of the one in the state file, which is then
 * replaced. *seen is the size seen before (0: none). -1 to go on, or an exit code: CLI_FAILS for a signature that does not hold
 * and for a fork, after both checkpoints were saved beside the state file as evidence.
 */
int log_follow(struct log_client *c, const char *state, uint64_t *seen);

/* A decimal number below 2^63; false for anything else. */
CH_MUST_USE bool log_number(const char *text, uint64_t *v);

/* Replaces a file whole and durably. Says what is wrong on failure. */
CH_MUST_USE enum ch_err log_write_file(const char *path, struct ch_span bytes);

/* Hashes of `count` leaves from `first` on, each entry checked against its tile, given to `each`; stops when that fails. */
struct log_entry {
	uint64_t index;
	struct ch_span bytes;
	struct ch_tree_hash hash;
};
CH_MUST_USE enum ch_err log_entries(struct log_client *c, uint64_t first, uint64_t end,
				    enum ch_err (*each)(void *ctx, const struct log_entry *e), void *ctx);

#endif
