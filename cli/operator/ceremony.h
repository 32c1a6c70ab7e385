/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_OPERATOR_CEREMONY_H
#define CH_OPERATOR_CEREMONY_H

#include "cli/operator/cert.h"
#include "cli/operator/signer.h"

#include <time.h>

/*
 * Key ceremonies: what makes and uses the keys of certification authorities, and the protocol that is kept of it. A folder of a ceremony survives
 * being interrupted: whatever is made is made whole or not there, and the same command goes on from it.
 */

#define OP_PATH_MAX 4096

/* Who takes part, and where a key is to be: the options that the commands share. Errors are told. */
struct op_ceremony {
	const char *folder;     /* of the root, or of the server */
	const char *key;        /* PKCS #11 URI; NULL: a file */
	const char *passphrase; /* a file with the passphrase of key files; NULL: the terminal */
	bool plain;             /* key files are not encrypted */
	struct cli_values people;
	int dir; /* of the folder */
};

/* Opens the folder, which must be there. -1 to go on. */
int op_ceremony_open(struct op_ceremony *c);
/* "FOLDER/NAME". -1 to go on, CLI_USAGE if it is too long. */
int op_ceremony_path(char to[static OP_PATH_MAX], const struct op_ceremony *c, const char *name);
/* True if FOLDER/NAME is there. */
bool op_ceremony_has(const struct op_ceremony *c, const char *name);
/* Adds the certificates of FOLDER/NAME. -1 to go on. */
int op_ceremony_certs(const struct op_ceremony *c, const char *name, struct op_certs *to);
/* Writes FOLDER/NAME whole: either all of it is there or what was. A public one may be read by everybody. -1 to go on. */
int op_ceremony_put(const struct op_ceremony *c, const char *name, bool is_public, struct ch_span bytes);

/*
 * Reads FOLDER/NAME, a file with a secret: a regular one, to which nobody but its owner has rights, who is this user, root, or for root the owner of the folder
 * that it is in (a process of the server). -1 to go on.
 */
int op_ceremony_secret(const struct op_ceremony *c, const char *name, struct ch_buf *to);

/*
 * The passphrase of something new: of the file, or (NULL) asked for twice at the terminal. The caller wipes all `cap` bytes. -1 to go on.
 */
int op_passphrase_new(const char *file, const char *prompt, struct ch_buf *to);

/* A private key: the file FOLDER/NAME.key, or one in a token whose URI is in FOLDER/NAME.uri. */
struct op_ca_key {
	struct op_signer signer;
	struct ch_buf uri;
	char path[OP_PATH_MAX];
	EVP_PKEY *key;
	char place[300]; /* for people: the file, or the URI without its query */
};
/*
 * Makes the key NAME unless it is there: P-256, in the token that c->key names (where a key of that name may be there already), else in a file, encrypted
 * unless c->plain. -1 to go on.
 */
int op_ca_key_make(const struct op_ceremony *c, const char *name);
/* Opens it. Cleared by op_ca_key_clear in either case. -1 to go on. */
int op_ca_key_open(struct op_ca_key *k, const struct op_ceremony *c, const char *name);
void op_ca_key_clear(struct op_ca_key *k);
#define OP_AUTO_CA_KEY __attribute__((cleanup(op_ca_key_clear)))

/*
 * The protocol: a text that is shown and kept as FOLDER/transcript/NNNN-WORD.txt, which names the one before by its digest. Begun with what is done, ended by
 * writing it.
 */
struct op_transcript {
	const char *word;
	struct ch_buf text;
};
void op_transcript_begin(struct op_transcript *t, const struct op_ceremony *c, const char *word);
/* "name: text", the text escaped. */
void op_transcript_put(struct op_transcript *t, const char *name, const char *text);
/* "name: time" */
void op_transcript_time(struct op_transcript *t, const char *name, int64_t time);
/* A certificate: subject, serial number, time, fingerprints. */
void op_transcript_cert(struct op_transcript *t, const char *what, X509 *x);
/* Writes and shows it. The exit code. */
int op_transcript_end(struct op_transcript *t, const struct op_ceremony *c, const char *next);

#endif
