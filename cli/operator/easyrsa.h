/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_OPERATOR_EASYRSA_H
#define CH_OPERATOR_EASYRSA_H

#include "cli/cmd.h"
#include "core/platform/ca_index.h"
#include "host/base/mem.h"

/*
 * The folder of an EasyRSA 3 CA (pki/), read whole and held against itself: whatever is in it that does not fit is an error with its file and line,
 * and nothing of it is used then.
 */

#define EASYRSA_NAME_MAX 64 /* ub-common-name (RFC 5280, appendix A.1) */

enum easyrsa_use {
	EASYRSA_DEVICE = 0, /* a client's certificate within its dates */
	EASYRSA_REVOKED,
	EASYRSA_EXPIRED,
	EASYRSA_SERVER, /* not for TLS clients (RFC 5280, 4.2.1.12) */
};

struct easyrsa_cert {
	struct ch_serial serial;
	struct ch_buf der;
	char *path; /* of the file that it was first found in */
	/* of the line in index.txt; 0: none has been read yet */
	size_t line;
	enum easyrsa_use use;
	int64_t time; /* when it was revoked, and why */
	uint8_t reason;
	int64_t not_before, expires;
	char name[EASYRSA_NAME_MAX * 4 + 1]; /* common name, UTF-8 */
};

struct easyrsa {
	char pki[4096];
	struct ch_buf ca_der;
	struct ch_x509 ca; /* borrows from it */
	bool has_key; /* private/ca.key is there, its owner's alone; whose key it is is not known before it is opened */
	struct easyrsa_cert *cert; /* sorted by serial number */
	size_t count, cap;
	size_t not_listed; /* revocations that crl.pem does not have yet */
	bool has_list;
};

/*
 * Reads `dir`, or `dir`/pki where that is the CA. -1 to go on; else an exit code, after a message that says which file and line broke which rule. Call
 * easyrsa_clear in any case.
 */
int easyrsa_read(struct easyrsa *p, const char *dir);
void easyrsa_clear(struct easyrsa *p);
#define EASYRSA_AUTO __attribute__((cleanup(easyrsa_clear)))

#endif
