/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard output, with every write checked. It never passes an escape sequence on that a
 * stranger wrote.
 */
#include "cli/out.h"

#include "common/base/odd.h"

#include <errno.h>

void out_init(struct out *o, FILE *f)
{
	*o = (struct out){ .f = f };
}

void out_bytes(struct out *o, struct slice s)
{
	if (o->error || s.n == 0)
		return;
	errno = 0;
	if (fwrite(s.p, 1, s.n, o->f) != s.n)
		o->error = errno ? errno : EIO;
}

void out_str(struct out *o, const char *s)
{
	out_bytes(o, slice_str(s));
}

void out_strf(struct out *o, const char *fmt, ...)
{
	AUTO(buf_release) struct buf b = BUF_INIT(SIZE_MAX / 4);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	out_bytes(o, buf_slice(&b));
}

/* ---- texts of others ---- */

static void put_odd(struct buf *ret, struct slice s, const struct odd_run *run, bool line)
{
	struct slice rest = slice_sub(s, run->plain, s.n);

	if (run->odd != '\r')
		buf_addf(ret, "<U+%04X>", run->odd);
	else if (!slice_starts(rest, S("\r\n")))
		buf_add_char(ret, line ? ' ' : '\n');
}

static void safe(struct buf *ret, struct slice s, bool line)
{
	while (s.n) {
		struct odd_run run = odd_next(s);
		size_t from = ret->len;

		buf_add_slice(ret, slice_sub(s, 0, run.plain));
		for (size_t i = from; line && i < ret->len; i++)
			if (ret->p[i] == '\n' || ret->p[i] == '\t')
				ret->p[i] = ' ';
		if (run.odd_n)
			put_odd(ret, s, &run, line);
		s = slice_sub(s, run.plain + run.odd_n, s.n);
	}
}

void out_safe_text(struct buf *ret, struct slice s)
{
	safe(ret, s, false);
}

void out_safe_line(struct buf *ret, struct slice s)
{
	safe(ret, s, true);
}

static void put(struct out *o, struct slice s, bool line)
{
	AUTO(buf_release) struct buf b = BUF_INIT(SIZE_MAX / 4);

	safe(&b, s, line);
	out_bytes(o, buf_slice(&b));
}

void out_text(struct out *o, struct slice s)
{
	put(o, s, false);
}

void out_line(struct out *o, struct slice s)
{
	put(o, s, true);
}

void out_field(struct out *o, const char *label, struct slice value)
{
	if (value.n == 0)
		return;
	out_strf(o, "%s ", label);
	out_line(o, value);
	out_str(o, "\n");
}

void out_doc(struct out *o, const struct doc *d, enum doc_style style)
{
	AUTO(buf_release) struct buf b = BUF_INIT(SIZE_MAX / 4);

	doc_write(d, style, &b);
	buf_add_char(&b, '\n');
	out_bytes(o, buf_slice(&b));
}

/* ---- the end ---- */

bool out_failed(const struct out *o)
{
	return o->error != 0;
}

bool out_broken(const struct out *o)
{
	return o->error == EPIPE;
}

enum err out_flush(struct out *o, struct fail *fail)
{
	errno = 0;
	if (!o->error && fflush(o->f))
		o->error = errno ? errno : EIO;
	return o->error ? fail_set(fail, ERR_IO, "cannot write the output: %s", strerror(o->error))
			: OK;
}
