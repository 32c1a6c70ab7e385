/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_OPERATOR_OP_H
#define CH_OPERATOR_OP_H

#include "cli/cmd.h"

/* The commands of chainhold-operator: each a file, and a row in main.c. */

int cmd_init(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_device(int argc, char **argv);
int cmd_baseline(int argc, char **argv);
int cmd_policy(int argc, char **argv);
int cmd_action(int argc, char **argv);
int cmd_operator(int argc, char **argv);
int cmd_token(int argc, char **argv);
int cmd_ca(int argc, char **argv);
int cmd_clock(int argc, char **argv);
int cmd_ek(int argc, char **argv);
int cmd_enrolment(int argc, char **argv);
int cmd_fleet_root(int argc, char **argv);
int cmd_fleet_root_create(int argc, char **argv);
int cmd_fleet_root_sign(int argc, char **argv);
int cmd_release(int argc, char **argv);
int cmd_release_publish(int argc, char **argv);
int cmd_release_upload(int argc, char **argv);
int cmd_release_list(int argc, char **argv);
int cmd_release_withdraw(int argc, char **argv);
int cmd_update(int argc, char **argv);
int cmd_rollout(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_backup(int argc, char **argv);
int cmd_restore(int argc, char **argv);

#endif
