/* SPDX-License-Identifier: Apache-2.0 */
/* The growing byte string. Its length must never pass its ceiling. */
#include "common/base/buf.h"

#include "common/base/mem.h"

#include <assert.h>

void buf_init(struct buf *b, size_t max_bytes)
{
	*b = (struct buf)BUF_INIT(max_bytes);
}

void buf_release(struct buf *b)
{
	free(b->p);
	b->p = NULL;
	b->len = b->cap = 0;
	b->overflow = false;
}

void buf_reset(struct buf *b)
{
	b->overflow = false;
	buf_truncate(b, 0);
}

/* No ceiling is so high that a length and its NUL could overflow. */
static size_t ceiling(const struct buf *b)
{
	return b->max < PTRDIFF_MAX - 1 ? b->max : PTRDIFF_MAX - 1;
}

static void grow(struct buf *b, size_t cap)
{
	b->p = mem_realloc(b->p, cap);
	b->cap = cap;
}

/* Makes room for n more bytes and the NUL; false marks the overflow. */
static bool reserve(struct buf *b, size_t n)
{
	size_t need, cap;

	if (b->overflow || n > ceiling(b) - b->len) {
		b->overflow = true;
		return false;
	}
	need = b->len + n + 1;
	if (need <= b->cap)
		return true;
	cap = b->cap ? b->cap : 64;
	while (cap < need)
		cap *= 2;
	grow(b, cap > ceiling(b) ? ceiling(b) + 1 : cap);
	return true;
}

void buf_reserve(struct buf *b, size_t n)
{
	size_t room = ceiling(b) - b->len, need = b->len + (n < room ? n : room) + 1;

	if (need <= b->cap)
		return;
	grow(b, need);
	b->p[b->len] = '\0';
}

static bool is_inside(const struct buf *b, const void *p)
{
	return (uintptr_t)p - (uintptr_t)b->p < b->len;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	assert(n == 0 || !is_inside(b, p));
	if (!reserve(b, n))
		return;
	if (n)
		memcpy(b->p + b->len, p, n);
	b->len += n;
	b->p[b->len] = '\0';
}

void buf_add_slice(struct buf *b, struct slice s)
{
	buf_add(b, s.p, s.n);
}

void buf_add_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_add_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0 || !reserve(b, (size_t)n)) {
		b->overflow = true;
		return;
	}
	vsnprintf(b->p + b->len, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(b, fmt, ap);
	va_end(ap);
}

void buf_consume(struct buf *b, size_t n)
{
	if (n >= b->len) {
		buf_truncate(b, 0);
		return;
	}
	memmove(b->p, b->p + n, b->len - n + 1);
	b->len -= n;
}

void buf_truncate(struct buf *b, size_t n)
{
	if (n < b->len)
		b->len = n;
	if (b->p)
		b->p[b->len] = '\0';
}

const char *buf_cstr(const struct buf *b)
{
	return b->p ? b->p : "";
}

struct slice buf_slice(const struct buf *b)
{
	return slice_of(buf_cstr(b), b->len);
}

bool buf_failed(const struct buf *b)
{
	return b->overflow;
}

enum err buf_check(const struct buf *b)
{
	return b->overflow ? ERR_TOO_BIG : OK;
}

char *buf_take(struct buf *b)
{
	char *p = b->p ? b->p : mem_strdup("");

	b->p = NULL;
	b->len = b->cap = 0;
	b->overflow = false;
	return p;
}
