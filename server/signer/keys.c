/* SPDX-License-Identifier: Apache-2.0 */
#include "server/signer/keys.h"

#include "host/base/file.h"

#define KEY_FILE_MAX 8192

enum ch_err ch_signer_key_load(struct ch_sign_key *k, const char *path, enum ch_key_type type)
{
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	*k = (struct ch_sign_key){ .type = CH_KEY_NONE };
	enum ch_err err = ch_file_read_private(&pem, path, KEY_FILE_MAX);
	if (err == CH_OK)
		err = ch_sign_key_from_pem(k, ch_buf_span(&pem));
	ch_wipe(pem.p, pem.cap);
	if (err == CH_OK && k->type != type) {
		ch_sign_key_clear(k);
		err = CH_ERR_KEY;
	}
	return err;
}
