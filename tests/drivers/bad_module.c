/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PKCS #11 module that wraps a real one (BAD_MODULE_REAL) and, while the file BAD_MODULE_MOOD is there, does what its first letter says when it is
 * to sign: h: hangs, deaf to every signal; l: says that its session is lost; w: signs wrongly; c: crashes; s: sleeps for a second first.
 * "t" in BAD_MODULE_START: starts a thread when it is loaded; "h": hangs then.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <p11-kit-1/p11-kit/pkcs11.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static CK_FUNCTION_LIST list;
static CK_FUNCTION_LIST_PTR real;
static CK_RV (*real_sign)(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR);

static char mood(void)
{
	const char *path = getenv("BAD_MODULE_MOOD");
	char c = '\0';
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd >= 0) {
		if (read(fd, &c, 1) != 1)
			c = '\0';
		(void)close(fd);
	}
	return c;
}

static void hang(void)
{
	sigset_t all;
	const struct timespec long_time = { 3600, 0 };
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	for (;;)
		(void)nanosleep(&long_time, NULL);
}

static CK_RV bad_sign(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG n, CK_BYTE_PTR sig, CK_ULONG_PTR sig_n)
{
	const struct timespec second = { 1, 0 };
	char how = mood();
	if (how == 'h')
		hang();
	if (how == 'l')
		return CKR_SESSION_HANDLE_INVALID;
	if (how == 'c')
		abort();
	if (how == 's')
		(void)nanosleep(&second, NULL);
	CK_RV rv = real_sign(session, data, n, sig, sig_n);
	if (how == 'w')
		sig[3] ^= 1;
	return rv;
}

static void *idle(void *arg)
{
	for (;;)
		(void)pause();
	return arg;
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR to)
{
	const char *start = getenv("BAD_MODULE_START"), *path = getenv("BAD_MODULE_REAL");
	void *module = path != NULL ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
	union {
		void *symbol;
		CK_C_GetFunctionList call;
	} get = { module != NULL ? dlsym(module, "C_GetFunctionList") : NULL };
	pthread_t thread;
	if (start != NULL && start[0] == 'h')
		hang();
	if (start != NULL && start[0] == 't')
		(void)pthread_create(&thread, NULL, idle, NULL);
	if (get.symbol == NULL || get.call(&real) != CKR_OK)
		return CKR_GENERAL_ERROR;
	list = *real;
	real_sign = real->C_Sign;
	list.C_Sign = bad_sign;
	*to = &list;
	return CKR_OK;
}
