/* SPDX-License-Identifier: Apache-2.0 */
/* Tables. Every cell is made harmless when it comes in. */
#include "cli/table.h"

#include "common/base/utf8.h"

#include <assert.h>
#include <wchar.h>

#define CUT_MARK "\xe2\x80\xa6"

enum { GAP = 2, CELL_BYTES_MAX = 4096 };

struct cell {
	struct slice text;
	size_t width;
};

struct table {
	struct arena arena;
	const struct table_column *columns;
	size_t columns_n;
	struct cell *cells;
	size_t n, room;
};

static size_t one_width(struct slice one)
{
	wchar_t c;
	mbstate_t state = { 0 };
	size_t n = mbrtowc(&c, one.p, one.n, &state);
	int width = n == (size_t)-1 || n == (size_t)-2 ? 1 : wcwidth(c);

	return width < 0 ? 1 : (size_t)width;
}

/* Bytes of the text that fit into `max` columns; *ret_width is what they take. */
static size_t fit(struct slice text, size_t max, size_t *ret_width)
{
	size_t at = 0, width = 0;

	while (at < text.n) {
		struct slice rest = slice_sub(text, at, text.n);
		size_t n = utf8_len(rest), more;

		n = n ? n : 1;
		more = one_width(slice_sub(rest, 0, n));
		if (width + more > max)
			break;
		width += more;
		at += n;
	}
	*ret_width = width;
	return at;
}

size_t table_width(struct slice text)
{
	size_t width;

	fit(text, SIZE_MAX, &width);
	return width;
}

struct table *table_new(const struct table_column *columns, size_t n)
{
	struct table *t = mem_zalloc(sizeof(*t));

	assert(n && n <= TABLE_COLUMNS_MAX);
	t->columns = columns;
	t->columns_n = n;
	return t;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	arena_release(&t->arena);
	free(t->cells);
	free(t);
}

static struct cell cell_of(struct table *t, struct slice text, size_t max)
{
	AUTO(buf_release) struct buf b = BUF_INIT(16 * CELL_BYTES_MAX);
	struct cell c = { 0 };

	out_safe_line(&b, utf8_cut(text, CELL_BYTES_MAX));
	c.width = table_width(buf_slice(&b));
	if (max && c.width > max) {
		buf_truncate(&b, fit(buf_slice(&b), max - 1, &c.width));
		buf_add_str(&b, CUT_MARK);
		c.width++;
	}
	c.text = arena_slice(&t->arena, buf_slice(&b));
	return c;
}

void table_cell(struct table *t, struct slice text)
{
	if (t->n == t->room) {
		t->room = t->room ? 2 * t->room : 64;
		t->cells = mem_realloc(t->cells, t->room * sizeof(*t->cells));
	}
	t->cells[t->n] = cell_of(t, text, t->columns[t->n % t->columns_n].max);
	t->n++;
}

static void print_cell(struct out *o, const struct cell *c, size_t width, bool last)
{
	out_bytes(o, c->text);
	if (last)
		out_str(o, "\n");
	else
		out_strf(o, "%*s", (int)(width - c->width + GAP), "");
}

void table_print(const struct table *t, struct out *o)
{
	size_t widths[TABLE_COLUMNS_MAX] = { 0 }, k = t->columns_n, full = t->n - t->n % k;

	for (size_t i = 0; i < k; i++)
		widths[i] = table_width(slice_str(t->columns[i].head));
	for (size_t i = 0; i < full; i++)
		if (t->cells[i].width > widths[i % k])
			widths[i % k] = t->cells[i].width;
	for (size_t i = 0; i < k; i++) {
		struct slice head = slice_str(t->columns[i].head);

		print_cell(o, &(struct cell){ head, table_width(head) }, widths[i], i == k - 1);
	}
	for (size_t i = 0; i < full; i++)
		print_cell(o, &t->cells[i], widths[i % k], i % k == k - 1);
}
