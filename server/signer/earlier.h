/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_SIGNER_EARLIER_H
#define CH_SIGNER_EARLIER_H

#include "host/crypto_openssl/sign_list.h"
#include "server/ipc/child.h"
#include "server/signer/crl.h"

/*
 * CAs whose certificates devices still have and that issue none any more: what is revoked of each, as crl.h keeps it, and the key that signs its
 * lists and nothing else. There is no way from here to a certificate.
 */

#define CH_SIGNER_EARLIER_MAX 8

struct ch_earlier_ca {
	uint8_t id[32];         /* SHA-256 of its certificate */
	struct ch_issuer ca;    /* as the lists name it */
	struct ch_list_key key; /* its state is NULL if the key is not here: there is no list then */
	struct ch_signer_crl crl;
};

struct ch_earlier {
	struct ch_earlier_ca ca[CH_SIGNER_EARLIER_MAX];
	size_t count;
};

/*
 * Takes the CAs of a configuration (`earlier_ca`, PEM), each with its key earlier-KEYID.key and its set of revocations in the folder `dir`. CH_ERR_UNTRUSTED for a
 * key file that others can read or a certificate that is no CA's, CH_ERR_MISMATCH for another CA's key, CH_ERR_DUPLICATE, CH_ERR_LIMIT. `name`
 * then says which: the file of the key.
 */
CH_MUST_USE enum ch_err ch_earlier_load(struct ch_earlier *e, struct ch_span config, int dir, int64_t lifetime,
					char name[static 96]);
void ch_earlier_clear(struct ch_earlier *e);

/* NULL for none of them. */
struct ch_earlier_ca *ch_earlier_find(struct ch_earlier *e, const uint8_t id[static 32]);
/* Makes the next list, signed, and its set durable first. As ch_signer_crl_next; CH_ERR_NOTFOUND without a key. */
CH_MUST_USE enum ch_err ch_earlier_list(struct ch_earlier_ca *c, int64_t clock, struct ch_buf *list);

#endif
