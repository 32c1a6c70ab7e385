/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_FREESTANDING_STRING_H
#define CH_FREESTANDING_STRING_H

#include <stddef.h>

/* All of string.h that core may use. What is missing here does not compile in the freestanding build: that is its purpose. */
void *memset(void *to, int byte, size_t n);
void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int byte, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);

#endif
