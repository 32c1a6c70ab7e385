/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/log.h"

#include "host/crypto_openssl/backend.h"

static const struct cli_cmd command[] = {
	{ "verify", "check the newest checkpoint, and that it extends the one seen before", op_log_verify },
	{ "prove", "a proof that an entry is in the log, for anyone to check", op_log_prove },
	{ "mirror", "keep a whole copy, checked entry by entry", op_log_mirror },
	{ "monitor", "show new entries as they come", op_log_monitor },
	{ "new-origin", "begin a new log after a store was lost", op_log_new_origin },
};

int op_log(int argc, char **argv)
{
	if (ch_crypto_openssl_init() != CH_OK) {
		cli_say("OpenSSL cannot be used");
		return CLI_IO;
	}
	return cli_dispatch("Reads a transparency log over plain HTTP and trusts only its key.", command,
			    CH_COUNT_OF(command), argc, argv);
}
