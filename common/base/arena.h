/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One arena per message, request or transaction: everything allocated from it
 * lives until arena_release(). Sizes are bounded by the callers' own limits on
 * count and length; the arena only adds them up (arena_used).
 */
#ifndef E2A_BASE_ARENA_H
#define E2A_BASE_ARENA_H

#include "common/base/err.h"
#include "common/base/slice.h"

struct arena_block;

struct arena {
	struct arena_block *head;
	size_t used; /* bytes handed out */
};

#define ARENA_INIT                                                                                 \
	{                                                                                          \
		0                                                                                  \
	}

void arena_init(struct arena *a);
void arena_release(struct arena *a);
/* Aligned for any type; zeroed. */
void *arena_alloc(struct arena *a, size_t n) __attribute__((returns_nonnull));
/* An array of `count` zeroed elements; an overflowing product aborts. */
void *arena_calloc(struct arena *a, size_t count, size_t size) __attribute__((returns_nonnull));
/* A NUL-terminated copy. */
char *arena_dup(struct arena *a, struct slice s) __attribute__((returns_nonnull));
char *arena_strdup(struct arena *a, const char *s) __attribute__((returns_nonnull));
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((returns_nonnull))
PRINTF_LIKE(2, 3);
/* A slice of a copy inside the arena. */
struct slice arena_slice(struct arena *a, struct slice s);
size_t arena_used(const struct arena *a);

#endif
