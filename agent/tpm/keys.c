/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/tpm/keys.h"

#include "core/base/wr.h"
#include "core/crypto/hash.h"
#include "host/base/file.h"
#include "host/base/replace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void keys_fail(struct keys *k, const char *format, ...)
{
	if (k->error[0] != '\0')
		return;
	va_list ap;
	va_start(ap, format);
	(void)vsnprintf(k->error, sizeof(k->error), format, ap);
	va_end(ap);
}

struct ch_span keys_error(const struct keys *k)
{
	return ch_span_str(k->error);
}

struct ch_span keys_put(struct keys *k, struct ch_span s)
{
	if (s.n > sizeof(k->answer) - k->used) {
		keys_fail(k, "an answer of the TPM is too long");
		return CH_SPAN_EMPTY;
	}
	uint8_t *to = k->answer + k->used;
	k->used += ch_span_copy(to, s.n, s);
	return ch_span(to, s.n);
}

void keys_name(char name[static KEYS_NAME_MAX], uint32_t number)
{
	(void)snprintf(name, KEYS_NAME_MAX, "key-%u", number);
}

/* The number of a key's file; 0 for another file. */
static uint32_t number_of(const char *name)
{
	if (strncmp(name, "key-", 4) != 0 || name[4] < '1' || name[4] > '9')
		return 0;
	char *end;
	errno = 0;
	unsigned long v = strtoul(name + 4, &end, 10);
	return *end == '\0' && errno == 0 && v <= UINT32_MAX ? (uint32_t)v : 0;
}

static DIR *open_folder(const struct keys *k)
{
	int fd = openat(k->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fdopendir(fd) : NULL;
}

uint32_t keys_highest(struct keys *k)
{
	uint32_t highest = 0;
	DIR *d = open_folder(k);
	if (d == NULL) {
		keys_fail(k, "the folder of the keys cannot be read: %s", strerror(errno));
		return 0;
	}
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		uint32_t n = number_of(e->d_name);
		highest = n > highest ? n : highest;
	}
	(void)closedir(d);
	return highest;
}

void keys_remove(struct keys *k, uint32_t keep)
{
	DIR *d = open_folder(k);
	if (d == NULL)
		return;
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		uint32_t n = number_of(e->d_name);
		if (n != 0 && n != keep)
			(void)unlinkat(k->dir, e->d_name, 0);
	}
	(void)closedir(d);
}

bool keys_read(struct keys *k, const char *name, bool missing_ok)
{
	ch_buf_free(&k->file);
	enum ch_err err = ch_file_read_at(&k->file, k->dir, name, AG_TPM_MAX);
	if (err != CH_OK && !(err == CH_ERR_NOTFOUND && missing_ok))
		keys_fail(k, "%s cannot be read: %s", name, err == CH_ERR_LIMIT ? "too long" : strerror(errno));
	return err == CH_OK;
}

bool keys_write(struct keys *k, const char *name, struct ch_span s)
{
	if (ch_file_replace(k->dir, name, s) == CH_OK)
		return true;
	keys_fail(k, "%s cannot be written: %s", name, strerror(errno));
	return false;
}

enum ch_err keys_proof_digest(const struct ag_prove *m, struct ch_span spki, uint8_t digest[static AG_DIGEST])
{
	static const char enrols[] = "chainhold-token-enrol/v1", renews[] = "chainhold-token-renew/v1";
	struct ch_hash h;
	struct ch_digest out;
	enum ch_err err = ch_hash_init(&h, CH_HASH_SHA256);
	if (err != CH_OK)
		return err;
	ch_hash_update(&h, m->renews != 0 ? CH_SPAN_OF(renews) : CH_SPAN_OF(enrols)); /* with its NUL */
	ch_hash_update(&h, CH_SPAN_OF(m->whose_sha256));
	ch_hash_update(&h, spki);
	ch_hash_final(&h, &out);
	(void)ch_span_copy(digest, AG_DIGEST, ch_digest_span(&out));
	return CH_OK;
}
