/* SPDX-License-Identifier: Apache-2.0 */
/* The request target. What it yields is hostile text that has been cut up, not checked. */
#include "apid/target.h"

#include "common/base/encode.h"

static bool is_dot(struct slice s)
{
	return slice_eq(s, S("."));
}

static bool is_dot_dot(struct slice s)
{
	return slice_eq(s, S(".."));
}

/* Decodes %XX, and '+' as a space where `plus` says so. */
static enum err decode(struct slice s, bool plus, struct arena *a, struct slice *ret)
{
	char *out = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '%') {
			if (hex_decode(slice_sub(s, i + 1, i + 3), &c, 1))
				return ERR_INPUT;
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		out[n++] = c;
	}
	*ret = slice_of(out, n);
	return OK;
}

enum err target_decode_form(struct slice s, struct arena *a, struct slice *ret)
{
	return decode(s, true, a, ret);
}

static enum err read_path(struct arena *a, struct target *t)
{
	struct slice rest = slice_sub(t->path, 1, t->path.n), raw, segment;

	t->canonical = true;
	while (slice_cut(&rest, '/', &raw)) {
		if (decode(raw, false, a, &segment))
			return ERR_INPUT;
		if (is_dot(segment) || is_dot_dot(segment) || (segment.n == 0 && rest.p))
			t->canonical = false;
		if (t->n < TARGET_SEGMENTS_MAX)
			t->segment[t->n++] = segment;
		else
			t->deep = true;
	}
	return OK;
}

/* A parameter that does not decode is dropped, like one too many. */
static void read_query(struct slice query, struct arena *a, struct target *t)
{
	struct slice item, name, value;

	while (t->query_n < TARGET_QUERY_MAX && slice_cut(&query, '&', &item)) {
		if (!slice_cut(&item, '=', &name))
			continue;
		if (decode(name, true, a, &name) || decode(item, true, a, &value))
			continue;
		t->query[t->query_n].name = name;
		t->query[t->query_n++].value = value;
	}
}

enum err target_parse(struct slice raw, struct arena *a, struct target *ret)
{
	struct target t = { 0 };
	ptrdiff_t mark = slice_find(raw, '?');

	if (!slice_starts(raw, S("/")))
		return ERR_INPUT;
	t.path = mark < 0 ? raw : slice_sub(raw, 0, (size_t)mark);
	if (mark >= 0)
		t.raw_query = slice_sub(raw, (size_t)mark, raw.n);
	if (read_path(a, &t))
		return ERR_INPUT;
	if (t.raw_query.n > 1)
		read_query(slice_sub(t.raw_query, 1, t.raw_query.n), a, &t);
	*ret = t;
	return OK;
}

struct slice target_query(const struct target *t, struct slice name)
{
	for (size_t i = 0; i < t->query_n; i++)
		if (slice_eq(t->query[i].name, name))
			return t->query[i].value;
	return slice_of(NULL, 0);
}

/* Bytes that a header may not hold are encoded; what was encoded stays so. */
static void add_visible(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c > ' ' && c < 0x7f)
			buf_add_char(out, s.p[i]);
		else
			buf_addf(out, "%%%02X", c);
	}
}

/* Dots count also when they are encoded; "%2E" is how they would hide. */
static struct slice plain_dots(struct slice raw)
{
	if (slice_ieq(raw, S("%2e")))
		return S(".");
	if (slice_ieq(raw, S("%2e%2e")) || slice_ieq(raw, S(".%2e")) || slice_ieq(raw, S("%2e.")))
		return S("..");
	return raw;
}

void target_canonical(const struct target *t, struct buf *ret)
{
	struct slice rest = slice_sub(t->path, 1, t->path.n), segment;
	size_t start = ret->len;
	bool slash = false;

	while (slice_cut(&rest, '/', &segment)) {
		segment = plain_dots(segment);
		slash = segment.n == 0 && !rest.p;
		if (segment.n == 0 || is_dot(segment))
			continue;
		if (is_dot_dot(segment)) {
			ptrdiff_t at = slice_rfind(slice_sub(buf_slice(ret), start, ret->len), '/');

			buf_truncate(ret, start + (at < 0 ? 0 : (size_t)at));
			continue;
		}
		buf_add_char(ret, '/');
		add_visible(ret, segment);
	}
	if (slash || ret->len == start)
		buf_add_char(ret, '/');
	add_visible(ret, t->raw_query);
}
