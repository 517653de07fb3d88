/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte string with a ceiling that is given when it is made. Passing
 * the ceiling sets a sticky mark and drops the data, so a writer appends
 * freely and checks once, with buf_check() or buf_failed(). The content always has a NUL
 * behind it that is not counted.
 */
#ifndef E2A_BASE_BUF_H
#define E2A_BASE_BUF_H

#include "common/base/err.h"
#include "common/base/slice.h"

#include <stdarg.h>

struct buf {
	char *p; /* NULL until something was added */
	size_t len;
	size_t cap;
	size_t max;    /* ceiling of len, in bytes */
	bool overflow; /* sticky: something did not fit */
};

#define BUF_INIT(max_bytes)                                                                        \
	{                                                                                          \
		.max = (max_bytes)                                                                 \
	}

void buf_init(struct buf *b, size_t max_bytes);
void buf_release(struct buf *b);
/* Empties the buffer and clears the mark; keeps the memory. */
void buf_reset(struct buf *b);

/* Makes room for n more bytes at once, as far as the ceiling lets it. Marks nothing. */
void buf_reserve(struct buf *b, size_t n);
/* What is added must not lie inside the buffer itself. */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_slice(struct buf *b, struct slice s);
void buf_add_str(struct buf *b, const char *s);
void buf_add_char(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vaddf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
/* Drops the first n bytes; moves the rest, so call it once per read, not once per line. */
void buf_consume(struct buf *b, size_t n);
/* Cuts the content to at most n bytes. */
void buf_truncate(struct buf *b, size_t n);

/* The content as a string; "" when empty. Valid until the next change. */
const char *buf_cstr(const struct buf *b);
struct slice buf_slice(const struct buf *b);
bool buf_failed(const struct buf *b);
/* OK, or ERR_TOO_BIG once anything was dropped. */
enum err buf_check(const struct buf *b) MUST_CHECK;
/* Takes the string out (free with free(3)) and leaves the buffer empty. */
char *buf_take(struct buf *b);

#endif
