/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Splits a header section into fields, line by line and once. It must never
 * lose the body to a malformed line, and never alter a byte.
 */
#include "common/mail/header.h"

enum { FIRST_CAP = 32, MSGID_MAX = 998 };

/* What a continuation line belongs to. */
enum owner { OWNER_NONE, OWNER_FIELD, OWNER_DROPPED };

struct reader {
	struct arena *a;
	struct header *h;
	size_t cap;
	enum owner owner;
};

static bool is_wsp(char c)
{
	return c == ' ' || c == '\t';
}

/* The text of a line without its LF or CR LF. */
static struct slice line_text(struct slice line)
{
	if (slice_ends(line, S("\n")))
		line.n -= slice_ends(line, S("\r\n")) ? 2 : 1;
	return line;
}

/* ftext of RFC 5322 2.2, and bytes above it, which are tolerated. */
static bool is_name(struct slice s, bool *ret_8bit)
{
	*ret_8bit = false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c == 0x7f)
			return false;
		if (c > 0x7f)
			*ret_8bit = true;
	}
	return s.n > 0;
}

static bool has_nul_or_bare_cr(struct slice s)
{
	ptrdiff_t at;

	if (slice_find(s, '\0') >= 0)
		return true;
	while ((at = slice_find(s, '\r')) >= 0) {
		s = slice_sub(s, (size_t)at + 1, s.n);
		if (s.n == 0 || s.p[0] != '\n')
			return true;
	}
	return false;
}

static struct header_field *new_field(struct reader *r)
{
	struct header *h = r->h;

	if (h->n == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : FIRST_CAP;
		struct header_field *v = arena_calloc(r->a, cap, sizeof(*v));

		if (h->n)
			memcpy(v, h->v, h->n * sizeof(*v));
		h->v = v;
		r->cap = cap;
	}
	return &h->v[h->n++];
}

/* The first line of a field, or a bad one. */
static enum owner start_field(struct reader *r, struct slice line)
{
	struct slice text = line_text(line), name;
	ptrdiff_t colon = slice_find(text, ':');
	struct header_field *f;
	bool odd;

	if (colon < 0)
		return OWNER_NONE;
	name = slice_sub(text, 0, (size_t)colon);
	while (name.n && is_wsp(name.p[name.n - 1]))
		name.n--;
	if (!is_name(name, &odd))
		return OWNER_NONE;
	if (r->h->n == HEADER_FIELDS_MAX) {
		r->h->limited = true;
		return OWNER_DROPPED;
	}
	f = new_field(r);
	f->name = name;
	f->value = slice_sub(text, (size_t)colon + 1, text.n);
	f->raw = line;
	f->odd = odd || name.n != (size_t)colon;
	return OWNER_FIELD;
}

static void continue_field(struct header_field *f, struct slice line)
{
	const char *end = line.p + line_text(line).n;

	f->value.n = (size_t)(end - f->value.p);
	f->raw.n += line.n;
}

static void read_line(struct reader *r, struct slice line)
{
	if (!is_wsp(line.p[0]))
		r->owner = start_field(r, line);
	else if (r->owner == OWNER_FIELD)
		continue_field(&r->h->v[r->h->n - 1], line);
	if (r->owner == OWNER_NONE)
		r->h->bad++;
}

void header_parse(struct slice message, struct arena *a, struct header *ret)
{
	struct reader r = { .a = a, .h = ret };
	size_t at = 0;

	*ret = (struct header){ 0 };
	while (at < message.n) {
		struct slice rest = slice_sub(message, at, message.n);
		ptrdiff_t lf = slice_find(rest, '\n');
		struct slice line = slice_sub(rest, 0, lf < 0 ? rest.n : (size_t)lf + 1);

		at += line.n;
		if (line_text(line).n == 0)
			break;
		if (at > HEADER_BYTES_MAX)
			ret->limited = true; /* go on: the body must be found */
		else
			read_line(&r, line);
	}
	ret->body = at;
	for (size_t i = 0; i < ret->n; i++)
		ret->v[i].odd |= has_nul_or_bare_cr(ret->v[i].raw);
}

const struct header_field *header_first(const struct header *h, struct slice name)
{
	for (size_t i = 0; i < h->n; i++)
		if (slice_ieq(h->v[i].name, name))
			return &h->v[i];
	return NULL;
}

size_t header_count(const struct header *h, struct slice name)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++)
		n += slice_ieq(h->v[i].name, name);
	return n;
}

struct slice header_unfold(struct arena *a, struct slice value)
{
	char *out = arena_alloc(a, value.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < value.n; i++) {
		size_t from = i;
		struct slice line;

		while (i < value.n && value.p[i] != '\r' && value.p[i] != '\n')
			i++;
		line = slice_trim(slice_sub(value, from, i));
		if (line.n == 0)
			continue;
		if (n)
			out[n++] = ' ';
		memcpy(out + n, line.p, line.n);
		n += line.n;
	}
	return slice_of(out, n);
}

size_t header_comment_len(struct slice s)
{
	size_t depth = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '(')
			depth++;
		else if (s.p[i] == ')' && --depth == 0)
			return i + 1;
	}
	return s.n;
}

/* Length of the msg-id at the start of s, brackets included; 0 when it is none. */
static size_t msgid_len(struct slice s)
{
	for (size_t i = 1; i < s.n && i < MSGID_MAX; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '>')
			return i > 1 ? i + 1 : 0;
		if (c <= ' ' || c == 0x7f || c == '<')
			return 0;
	}
	return 0;
}

size_t header_msgids(struct slice value, struct slice *ret, size_t max)
{
	size_t n = 0, i = 0;

	while (i < value.n && n < max) {
		struct slice rest = slice_sub(value, i, value.n);
		size_t len = rest.p[0] == '<' ? msgid_len(rest) : 0;

		if (len)
			ret[n++] = slice_sub(rest, 0, len);
		else
			len = rest.p[0] == '(' ? header_comment_len(rest) : 1;
		i += len;
	}
	return n;
}
