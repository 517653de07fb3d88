/* SPDX-License-Identifier: Apache-2.0 */
/* The log line: built in one bounded piece and written at once, so lines of threads never mix. */
#include "common/base/log.h"

#include "common/base/utf8.h"

#include <errno.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096, VALUE_MAX_BYTES = 512 };

static const char *const level_names[] = { "debug", "info", "warn", "error" };

/* Set once by log_init() before threads start. */
static const char *log_ident = "e2a";
static enum log_level log_threshold = LOGL_INFO;

struct line {
	char p[LINE_MAX_BYTES];
	size_t n;
};

static void put(struct line *l, const char *p, size_t n)
{
	if (n > sizeof(l->p) - 1 - l->n) /* the last byte is for the line end */
		n = sizeof(l->p) - 1 - l->n;
	memcpy(l->p + l->n, p, n);
	l->n += n;
}

static void put_str(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

static bool is_plain(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f ||
		    s.p[i] == '"' || s.p[i] == '\\' || s.p[i] == '=')
			return false;
	return s.n > 0;
}

/* Control characters, those of U+0080 to U+009F too: terminals obey them. */
static bool is_ctl(struct slice s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s.p;

	return p[0] < 0x20 || p[0] == 0x7f || (n == 2 && p[0] == 0xc2 && p[1] < 0xa0);
}

static void put_escaped(struct line *l, struct slice s)
{
	put(l, "\"", 1);
	while (s.n) {
		unsigned char c = (unsigned char)*s.p;
		size_t n = utf8_len(s);
		char hex[8];

		if (c == '"' || c == '\\') {
			put(l, "\\", 1);
			put(l, s.p, 1);
		} else if (n == 0 || is_ctl(s, n)) {
			n = 1;
			put(l, hex, (size_t)snprintf(hex, sizeof(hex), "\\x%02x", c));
		} else {
			put(l, s.p, n);
		}
		s = slice_sub(s, n, s.n);
	}
	put(l, "\"", 1);
}

static void put_field(struct line *l, const struct log_field *f)
{
	char number[24];

	put(l, " ", 1);
	put_str(l, f->key);
	put(l, "=", 1);
	if (f->type == LOG_F_INT)
		put(l, number, (size_t)snprintf(number, sizeof(number), "%lld", (long long)f->i));
	else if (is_plain(f->s))
		put(l, f->s.p, f->s.n < VALUE_MAX_BYTES ? f->s.n : VALUE_MAX_BYTES);
	else
		put_escaped(l, utf8_cut(f->s, VALUE_MAX_BYTES));
}

void log_init(const char *ident, enum log_level level)
{
	log_ident = ident;
	log_threshold = level;
}

enum err log_level_parse(struct slice name, enum log_level *ret)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++)
		if (slice_eq(name, slice_str(level_names[i]))) {
			*ret = (enum log_level)i;
			return OK;
		}
	return ERR_INPUT;
}

void log_event(enum log_level level, const char *event, const struct log_field *fields)
{
	struct line l = { .n = 0 };
	ssize_t written;

	if (level < log_threshold)
		return;
	put_str(&l, log_ident);
	put(&l, " ", 1);
	put_str(&l, level_names[level]);
	put(&l, " ", 1);
	put_str(&l, event);
	for (; fields->key; fields++)
		put_field(&l, fields);
	l.p[l.n++] = '\n';
	do
		written = write(STDERR_FILENO, l.p, l.n);
	while (written < 0 && errno == EINTR); /* other failures: nowhere to report them */
}
