/* SPDX-License-Identifier: Apache-2.0 */
#include "server/signer/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_MAX 8192

static void fd_close(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

/* Asked of the open file, not of its name: nothing can be put in its place in between. */
static bool is_private(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & (S_IRWXG | S_IRWXO)) == 0 &&
	       (st.st_uid == 0 || st.st_uid == geteuid());
}

static ssize_t read_all(int fd, uint8_t *to, size_t cap)
{
	size_t n = 0;
	for (;;) {
		ssize_t got = read(fd, to + n, cap - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || (got > 0 && n + (size_t)got == cap))
			return -1;
		if (got == 0)
			return (ssize_t)n;
		n += (size_t)got;
	}
}

enum ch_err ch_signer_key_load(struct ch_sign_key *k, const char *path, enum ch_key_type type)
{
	uint8_t pem[KEY_FILE_MAX];
	*k = (struct ch_sign_key){ .type = CH_KEY_NONE };
	__attribute__((cleanup(fd_close))) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	if (fd < 0)
		return errno == ENOENT ? CH_ERR_NOTFOUND : errno == ELOOP ? CH_ERR_UNTRUSTED : CH_ERR_IO;
	if (!is_private(fd))
		return CH_ERR_UNTRUSTED;
	ssize_t n = read_all(fd, pem, sizeof(pem));
	enum ch_err err = n < 0 ? CH_ERR_IO : ch_sign_key_from_pem(k, ch_span(pem, (size_t)n));
	ch_wipe(pem, sizeof(pem));
	if (err == CH_OK && k->type != type) {
		ch_sign_key_clear(k);
		err = CH_ERR_KEY;
	}
	return err;
}
