/* SPDX-License-Identifier: Apache-2.0 */
/* The arena: blocks in a list, each filled from its start, all freed at once. */
#include "common/base/arena.h"

#include "common/base/mem.h"

#include <stdarg.h>
#include <stdint.h>

enum { BLOCK_MIN = 4096 };

struct arena_block {
	struct arena_block *next;
	size_t size, used;
	_Alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *a)
{
	*a = (struct arena)ARENA_INIT;
}

void arena_release(struct arena *a)
{
	struct arena_block *b = a->head;

	while (b) {
		struct arena_block *next = b->next;

		free(b);
		b = next;
	}
	arena_init(a);
}

static struct arena_block *add_block(struct arena *a, size_t n)
{
	size_t size = n > BLOCK_MIN ? n : BLOCK_MIN;
	struct arena_block *b = mem_alloc(sizeof(*b) + size);

	b->size = size;
	b->used = 0;
	/* A large block is full at once: keep filling the one before it. */
	if (a->head && size > BLOCK_MIN) {
		b->next = a->head->next;
		a->head->next = b;
	} else {
		b->next = a->head;
		a->head = b;
	}
	return b;
}

static void *take(struct arena *a, size_t n)
{
	const size_t align = _Alignof(max_align_t);
	struct arena_block *b = a->head;
	void *p;

	if (n > SIZE_MAX / 2)
		abort();
	n = (n + align - 1) / align * align;
	if (!b || b->size - b->used < n)
		b = add_block(a, n);
	p = b->bytes + b->used;
	b->used += n;
	a->used += n;
	return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
	return memset(take(a, n), 0, n);
}

void *arena_calloc(struct arena *a, size_t count, size_t size)
{
	if (size && count > SIZE_MAX / 2 / size)
		abort();
	return arena_alloc(a, count * size);
}

char *arena_dup(struct arena *a, struct slice s)
{
	char *p = take(a, s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_dup(a, slice_str(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	p = take(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

struct slice arena_slice(struct arena *a, struct slice s)
{
	return slice_of(arena_dup(a, s), s.n);
}

size_t arena_used(const struct arena *a)
{
	return a->used;
}
