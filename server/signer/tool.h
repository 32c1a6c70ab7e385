/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_SIGNER_TOOL_H
#define CH_SIGNER_TOOL_H

/*
 * chainhold-signer with arguments: a person's work with a signer that does not run, described in chainhold-signer(8). `--end-log DIR OLD
 * NEW` prints the log's verifier key under the origin NEW and, where DIR knows it, the last checkpoint of OLD; the tree of OLD
 * goes aside, so that the signer begins NEW. Given again it prints the same. `--add-list DIR CA LIST` adds a list of that CA to its set of
 * what is revoked. Returns the exit status.
 */
int ch_signer_tool(int argc, char **argv);

#endif
