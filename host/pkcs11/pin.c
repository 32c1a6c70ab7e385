/* SPDX-License-Identifier: Apache-2.0 */
#include "host/pkcs11/pin.h"

#include "host/base/file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PIN_MAX 256

enum ch_err ch_p11_say(struct ch_p11_why *why, enum ch_err err, const char *format, ...)
{
	va_list args;
	if (why == NULL)
		return err;
	va_start(args, format);
	(void)vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return err;
}

enum ch_err ch_p11_pin_read(struct ch_buf *pin, const char *source, struct ch_p11_why *why)
{
	const char *path = source;
	if (strncmp(path, "file:", 5) == 0)
		path += 5;
	/* file:///PATH: an authority that is empty (RFC 8089). */
	if (strncmp(path, "///", 3) == 0)
		path += 2;
	if (path[0] != '/' || path[1] == '/')
		return ch_p11_say(why, CH_ERR_UNSUPPORTED, "pin-source is a file: pin-source=file:/PATH");
	enum ch_err err = ch_file_read_private(pin, path, PIN_MAX);
	if (err == CH_ERR_UNTRUSTED)
		return ch_p11_say(why, err, "%s: only you may have rights to the file with the PIN (chmod 600)", path);
	if (err != CH_OK)
		return ch_p11_say(why, err, "the file with the PIN, %s: %s", path,
				  err == CH_ERR_LIMIT ? "too long" : strerror(errno));
	if (pin->n > 0 && pin->p[pin->n - 1] == '\n')
		pin->n--;
	return pin->n > 0 ? CH_OK : ch_p11_say(why, CH_ERR_MISSING, "%s: there is no PIN in it", path);
}
