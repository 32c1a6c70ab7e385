/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_OPERATOR_CA_H
#define CH_OPERATOR_CA_H

#include "cli/operator/ceremony.h"

/* Key ceremonies of certification authorities: rows in ca.c. */

/* offline, in the folder of the root: ca_root.c */
int cmd_ca_init(int argc, char **argv);
int cmd_ca_sign(int argc, char **argv);
int cmd_ca_rollover(int argc, char **argv);
/* the same: ca_crl.c */
int cmd_ca_crl(int argc, char **argv);
/* in the folder of a server: ca_server.c */
int cmd_ca_request(int argc, char **argv);
int cmd_ca_install(int argc, char **argv);
int cmd_ca_server(int argc, char **argv);
int cmd_ca_show(int argc, char **argv);
/* of either: ca_backup.c, ca_restore.c */
int cmd_ca_backup(int argc, char **argv);
int cmd_ca_restore(int argc, char **argv);

/* How many roots an opened folder has; 0: it is none of a root. */
unsigned ca_roots(const struct op_ceremony *c);

#define CA_ROOT_LISTS "root_lists" /* of a server: its folder for lists of roots */
/* Refuses a certificate that is in the list FOLDER/NAME, if there is one. -1 to go on. */
int ca_crl_check(const struct op_ceremony *c, const char *name, X509 *x);
/* Puts lists of roots into an opened server's folder: all of them or, if one does not belong there, none. The exit code. */
int ca_crl_install(const struct op_ceremony *c, struct ch_span in, const char *path);

/* True for a server that was never started: nothing but what init made has a certificate of the CA that init made. */
bool ca_server_is_fresh(const struct op_ceremony *c);
/* The certificates of a fresh server and of its first operator anew, by the CA that is now in its folder. -1 to go on. */
int ca_reissue(const struct op_ceremony *c, struct op_transcript *t);
/* The request of the next issuing CA of an opened server's folder, into the new file `out`. The exit code. */
int ca_request(struct op_ceremony *c, const char *name, const char *out);

#endif
