/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sys/sealed.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void ch_sealed_open(struct ch_sealed *s, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	*s = (struct ch_sealed){ .n = (n + page) / page * page };
	void *p = s->n > n ? mmap(NULL, s->n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;
	if (p == MAP_FAILED)
		abort(); /* memory gone inside every budget: the supervisor starts us again */
	s->p = p;
}

bool ch_sealed_close(struct ch_sealed *s)
{
	s->closed = mprotect(s->p, s->n, PROT_READ) == 0;
	return s->closed;
}

void ch_sealed_free(struct ch_sealed *s)
{
	if (s->p != NULL)
		(void)munmap(s->p, s->n);
	*s = (struct ch_sealed){ .n = 0 };
}
