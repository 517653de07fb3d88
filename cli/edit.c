/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail as text to edit. Reading is strict: what is not understood is an error with its line, and
 * never a mail that somebody did not mean.
 */
#include "cli/edit.h"

#include "common/base/encode.h"
#include "common/base/mem.h"
#include "common/base/odd.h"
#include "common/base/utf8.h"
#include "common/mail/addr.h"

enum { MARK_DIGITS_MAX = 6 };

#define MARK S("<U+")
#define BYTE_ORDER_MARK S("\xef\xbb\xbf")

static const struct slice kinds[EDIT_KINDS] = {
	[EDIT_TO] = SLICE_INIT("To"),
	[EDIT_CC] = SLICE_INIT("Cc"),
	[EDIT_BCC] = SLICE_INIT("Bcc"),
};

/* ---- writing ---- */

static void add_plain(struct slice s, struct buf *ret)
{
	ptrdiff_t at;

	while ((at = slice_search(s, MARK)) >= 0) {
		buf_add_slice(ret, slice_sub(s, 0, (size_t)at));
		buf_add_str(ret, "<U+003C>");
		s = slice_sub(s, (size_t)at + 1, s.n);
	}
	buf_add_slice(ret, s);
}

/* LF stays in a text, and is odd in a field. */
static void add_marked(struct slice s, bool line, struct buf *ret)
{
	while (s.n) {
		struct odd_run run = odd_next(s);
		struct slice plain = slice_sub(s, 0, run.plain), head;

		while (line && slice_find(plain, '\n') >= 0) {
			slice_cut(&plain, '\n', &head);
			add_plain(head, ret);
			buf_add_str(ret, "<U+000A>");
		}
		add_plain(plain, ret);
		if (run.odd_n)
			buf_addf(ret, "<U+%04X>", (unsigned)run.odd);
		s = slice_sub(s, run.plain + run.odd_n, s.n);
	}
}

static void add_field(struct slice name, struct slice value, struct buf *ret)
{
	buf_add_slice(ret, name);
	buf_add_str(ret, value.n ? ": " : ":");
	add_marked(value, true, ret);
	buf_add_char(ret, '\n');
}

static void add_list(struct slice name, const struct edit_list *list, struct buf *ret)
{
	for (size_t i = 0; i < list->n; i++)
		add_field(name, list->v[i], ret);
	if (list->n == 0)
		add_field(name, S(""), ret);
}

/* CR LF and CR are line ends. */
static void add_text(struct slice text, struct buf *ret)
{
	while (text.n) {
		ptrdiff_t at = slice_find(text, '\r');
		size_t n = at < 0 ? text.n : (size_t)at;

		add_marked(slice_sub(text, 0, n), false, ret);
		if (n < text.n)
			buf_add_char(ret, '\n');
		text = slice_sub(text, n, text.n);
		text = slice_sub(text, slice_starts(text, S("\r\n")) ? 2 : 1, text.n);
	}
}

void edit_write(const struct edit *e, struct buf *ret)
{
	add_field(S("Subject"), e->subject, ret);
	for (size_t i = 0; i < EDIT_KINDS; i++)
		add_list(kinds[i], &e->list[i], ret);
	buf_add_char(ret, '\n');
	add_text(e->text, ret);
	if (e->text.n && ret->len && ret->p[ret->len - 1] != '\n')
		buf_add_char(ret, '\n');
}

/* ---- reading ---- */

static size_t mark_digits(struct slice s)
{
	size_t n = 0;

	while (n < s.n && n <= MARK_DIGITS_MAX && s.p[n] && strchr("0123456789ABCDEF", s.p[n]))
		n++;
	return n;
}

/* The mark that s begins with, as its character; how much of s it is, or 0. */
static size_t take_mark(struct slice s, char ret[4], size_t *ret_n)
{
	struct slice digits = slice_sub(s, MARK.n, s.n);
	size_t n = slice_starts(s, MARK) ? mark_digits(digits) : 0;
	uint32_t c = 0;

	if (n < 4 || n > MARK_DIGITS_MAX || n == digits.n || digits.p[n] != '>')
		return 0;
	for (size_t i = 0; i < n; i++)
		c = c << 4 |
		    (uint32_t)(digits.p[i] <= '9' ? digits.p[i] - '0' : digits.p[i] - 'A' + 10);
	if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || c == '\r' ||
	    (!odd_is(c) && c != '<' && c != '\n' && c != 0xfffd))
		return 0;
	*ret_n = utf8_encode(c, ret);
	return MARK.n + n + 1;
}

/* The characters that the marks stand for. A copy. */
static struct slice unmarked(struct slice s, struct arena *a)
{
	char *out = arena_alloc(a, s.n + 1);
	size_t len = 0;

	while (s.n) {
		char c[4];
		size_t n = 0, used = s.p[0] == '<' ? take_mark(s, c, &n) : 0;

		if (used == 0) {
			c[0] = s.p[0];
			n = used = 1;
		}
		memcpy(out + len, c, n);
		len += n;
		s = slice_sub(s, used, s.n);
	}
	return slice_of(out, len);
}

struct reading {
	struct arena *arena;
	struct slice rest;
	size_t line;
	bool subject;
	struct edit *edit;
	struct fail *fail;
};

static enum err bad(const struct reading *r, const char *what)
{
	return fail_set(r->fail, ERR_INPUT, "line %zu: %s", r->line, what);
}

/* The next line without its end; false when there is none. */
static bool next_line(struct reading *r, struct slice *ret)
{
	if (r->rest.n == 0)
		return false;
	slice_cut(&r->rest, '\n', ret);
	r->line++;
	return true;
}

static enum err add_recipient(struct reading *r, struct edit_list *list, struct slice value)
{
	if (value.n == 0)
		return OK;
	if (!list->v) {
		list->v = arena_calloc(r->arena, EDIT_LINES_MAX, sizeof(*list->v));
		list->line = arena_calloc(r->arena, EDIT_LINES_MAX, sizeof(*list->line));
	}
	if (list->n == EDIT_LINES_MAX)
		return bad(r, "too many recipients");
	list->line[list->n] = r->line;
	list->v[list->n++] = value;
	return OK;
}

static enum err take_field(struct reading *r, struct slice name, struct slice value)
{
	if (slice_ieq(name, S("Subject"))) {
		if (r->subject)
			return bad(r, "a second Subject");
		r->subject = true;
		r->edit->subject = value;
		return OK;
	}
	for (size_t i = 0; i < EDIT_KINDS; i++)
		if (slice_ieq(name, kinds[i]))
			return add_recipient(r, &r->edit->list[i], value);
	return bad(r, "neither Subject, To, Cc nor Bcc; a blank line stands above the text");
}

static enum err take_line(struct reading *r, struct slice line)
{
	struct slice rest = line, name;

	if (slice_starts(line, S("#")))
		return OK;
	if (!slice_cut(&rest, ':', &name) || !rest.p)
		return bad(r, "no field; a blank line stands above the text");
	return take_field(r, slice_trim(name), unmarked(slice_trim(rest), r->arena));
}

/* Up to the blank line. */
static enum err take_fields(struct reading *r)
{
	struct slice line;
	enum err e = OK;

	while (next_line(r, &line)) {
		if (slice_trim(line).n == 0)
			return r->subject ? OK : bad(r, "no Subject above the blank line");
		e = take_line(r, line);
		if (e)
			return e;
	}
	return bad(r, "no blank line behind the fields");
}

static void take_text(struct reading *r)
{
	AUTO(buf_release) struct buf text = BUF_INIT(r->rest.n + 1);

	buf_add_slice(&text, r->rest);
	if (r->rest.n && !slice_ends(r->rest, S("\n")))
		buf_add_char(&text, '\n');
	r->edit->text = unmarked(buf_slice(&text), r->arena);
}

static bool says_nothing(struct slice text)
{
	struct slice line;

	while (text.n) {
		slice_cut(&text, '\n', &line);
		if (slice_trim(line).n && !slice_starts(line, S("#")))
			return false;
	}
	return true;
}

static enum err check_utf8(struct reading *r)
{
	struct reading all = *r;
	struct slice line;

	while (next_line(&all, &line))
		if (!utf8_valid(line) || slice_find(line, '\0') >= 0)
			return bad(&all, "not UTF-8");
	return OK;
}

/* Lines end with LF, whatever the editor made of them. */
static struct slice with_lf(struct slice s, struct arena *a)
{
	char *out = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != '\r')
			out[n++] = s.p[i];
		else if (i + 1 == s.n || s.p[i + 1] != '\n')
			out[n++] = '\n';
	return slice_of(out, n);
}

enum err edit_read(struct slice text, struct arena *a, struct edit *ret, struct fail *fail)
{
	struct edit edit = { 0 };
	struct reading r = { .arena = a, .edit = &edit, .fail = fail };
	enum err e;

	if (slice_starts(text, BYTE_ORDER_MARK))
		text = slice_sub(text, BYTE_ORDER_MARK.n, text.n);
	r.rest = with_lf(text, a);
	if (says_nothing(r.rest))
		return fail_set(fail, ERR_NOT_FOUND, "nothing is left of the text");
	e = check_utf8(&r);
	if (e == OK)
		e = take_fields(&r);
	if (e)
		return e;
	take_text(&r);
	*ret = edit;
	return OK;
}

/* ---- recipients ---- */

bool edit_same_list(const struct edit_list *x, const struct edit_list *y)
{
	if (x->n != y->n)
		return false;
	for (size_t i = 0; i < x->n; i++)
		if (!slice_eq(x->v[i], y->v[i]))
			return false;
	return true;
}

enum err edit_addresses(const struct edit_list *list, struct arena *a, struct slice **ret,
			size_t *ret_n, struct fail *fail)
{
	struct slice *v = arena_calloc(a, EDIT_LINES_MAX, sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++) {
		struct addr_list found;

		addr_parse_list(list->v[i], a, &found);
		if (found.n == 0 || found.bad || found.group || found.limited)
			return fail_set(fail, ERR_INPUT, "line %zu: not an e-mail address",
					list->line[i]);
		if (n + found.n > EDIT_LINES_MAX)
			return fail_set(fail, ERR_INPUT, "too many recipients");
		for (size_t k = 0; k < found.n; k++)
			v[n++] = found.v[k].spec;
	}
	*ret = v;
	*ret_n = n;
	return OK;
}
