/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_PKCS11_PIN_H
#define CH_PKCS11_PIN_H

#include "core/base/err.h"
#include "host/base/mem.h"

/* What a person is told when something fails: what is wrong and what to do, one line, text of the token escaped. Never a PIN. */
struct ch_p11_why {
	char text[512];
};
/* Fills in the text of `why` (may be NULL) and returns `err`. */
enum ch_err ch_p11_say(struct ch_p11_why *why, enum ch_err err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Reads the PIN that a URI's pin-source names, "file:/PATH" or "/PATH": a file that only its owner has rights to (ch_file_read_private); a newline
 * at its end is not part of it. The caller wipes all `cap` bytes. CH_ERR_UNSUPPORTED for another source, CH_ERR_UNTRUSTED, CH_ERR_MISSING if it is
 * empty, else as for files.
 */
CH_MUST_USE enum ch_err ch_p11_pin_read(struct ch_buf *pin, const char *source, struct ch_p11_why *why);

#endif
