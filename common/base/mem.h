/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that never fails: out of memory aborts the process, systemd restarts
 * it and Postfix keeps the mail. AUTO and TAKE are the two ways to own a
 * pointer in a function.
 */
#ifndef E2A_BASE_MEM_H
#define E2A_BASE_MEM_H

#include <stddef.h>

/* Runs `fn(&variable)` when the variable leaves its scope. */
#define AUTO(fn) __attribute__((cleanup(fn)))

/* Hands ownership over: yields the pointer and clears the variable. */
#define TAKE(p)                                                                                    \
	__extension__({                                                                            \
		__typeof__(p) t_ = (p);                                                            \
		(p) = NULL;                                                                        \
		t_;                                                                                \
	})

/* Defines `name`p, the cleanup function that calls `name` on a pointer variable. */
#define DEFINE_FREEP(type, name)                                                                   \
	static inline void name##p(type **p)                                                       \
	{                                                                                          \
		name(*p);                                                                          \
	}

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

void *mem_alloc(size_t n) __attribute__((malloc, returns_nonnull));
void *mem_zalloc(size_t n) __attribute__((malloc, returns_nonnull));
/* An array of `count` zeroed elements; an overflowing product aborts. */
void *mem_calloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *mem_realloc(void *p, size_t n) __attribute__((returns_nonnull));
char *mem_strdup(const char *s) __attribute__((malloc, returns_nonnull));
/* A copy of n bytes with a NUL behind them. */
char *mem_dup(const void *p, size_t n) __attribute__((malloc, returns_nonnull));
/* free(3) for AUTO: AUTO(mem_freep) char *s = ... */
void mem_freep(void *pp);

#endif
