/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation that aborts instead of failing. It must never return NULL. */
#include "common/base/mem.h"

static void *checked(void *p)
{
	if (!p)
		abort();
	return p;
}

void *mem_alloc(size_t n)
{
	return checked(malloc(n ? n : 1));
}

void *mem_zalloc(size_t n)
{
	return checked(calloc(1, n ? n : 1));
}

void *mem_calloc(size_t count, size_t size)
{
	return checked(calloc(count ? count : 1, size ? size : 1));
}

void *mem_realloc(void *p, size_t n)
{
	return checked(realloc(p, n ? n : 1));
}

char *mem_strdup(const char *s)
{
	return checked(strdup(s));
}

char *mem_dup(const void *p, size_t n)
{
	char *copy = mem_alloc(n + 1);

	if (n)
		memcpy(copy, p, n);
	copy[n] = '\0';
	return copy;
}

void mem_freep(void *pp)
{
	void *p;

	memcpy(&p, pp, sizeof(p));
	free(p);
}
