/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of MIME fields. File names leave here only in a form that is safe to store. */
#include "common/mail/mime_param.h"

#include "common/base/buf.h"
#include "common/base/encode.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/header.h"
#include "common/mail/mime.h"
#include "common/mail/mime_decode.h"

#include <stdio.h>

enum { FILENAME_MAX_BYTES = 255, SECTIONS_MAX = 100, MEDIA_NAME_MAX = 127 };

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A quoted string at the start of s, unquoted; how much of s it was. */
static size_t take_quoted(struct slice s, struct buf *ret)
{
	size_t i = 1;

	for (; i < s.n && s.p[i] != '"'; i++) {
		if (s.p[i] == '\\' && i + 1 < s.n)
			i++;
		buf_add_char(ret, s.p[i]);
	}
	return i < s.n ? i + 1 : i;
}

/*
 * Takes everything up to the next ';' that is neither quoted nor in a comment.
 * Senders forget the quotes of file names: blanks inside stay, and in a parameter
 * a parenthesis begins a comment only behind a quoted string.
 */
static struct slice take_item(struct slice *rest, bool comments, struct arena *a)
{
	AUTO(buf_release) struct buf item = BUF_INIT(rest->n + 1);
	size_t i = 0;

	while (i < rest->n && rest->p[i] != ';') {
		struct slice here = slice_sub(*rest, i, rest->n);

		if (rest->p[i] == '"') {
			i += take_quoted(here, &item);
			comments = true;
		} else if (rest->p[i] == '(' && comments) {
			i += header_comment_len(here);
		} else {
			buf_add_char(&item, rest->p[i]);
			i++;
		}
	}
	*rest = slice_sub(*rest, i < rest->n ? i + 1 : i, rest->n);
	return arena_slice(a, slice_trim(buf_slice(&item)));
}

/* The name ends at the first '=', which is before every quote of a value. */
static void add_param(struct slice *rest, struct arena *a, struct mime_field *f)
{
	size_t end = 0;
	struct slice name, value;

	while (end < rest->n && rest->p[end] != '=' && rest->p[end] != ';')
		end++;
	name = slice_trim(slice_sub(*rest, 0, end));
	if (end == rest->n || rest->p[end] == ';') {
		*rest = slice_sub(*rest, end + 1, rest->n);
		return;
	}
	*rest = slice_sub(*rest, end + 1, rest->n);
	value = take_item(rest, false, a);
	if (name.n == 0 || f->n == MIME_PARAMS_MAX)
		return;
	f->param[f->n].name = name;
	f->param[f->n++].value = slice_sub(value, 0, MIME_PARAM_BYTES_MAX);
}

void mime_field_parse(struct slice raw, struct arena *a, struct mime_field *ret)
{
	struct slice rest = header_unfold(a, raw);

	*ret = (struct mime_field){ 0 };
	ret->value = take_item(&rest, true, a);
	while (rest.n)
		add_param(&rest, a, ret);
}

static const struct slice *find(const struct mime_field *f, struct slice name)
{
	for (size_t i = 0; i < f->n; i++)
		if (slice_ieq(f->param[i].name, name))
			return &f->param[i].value;
	return NULL;
}

static void add_percent_decoded(struct slice s, struct buf *ret)
{
	for (size_t i = 0; i < s.n; i++) {
		char byte;

		if (s.p[i] == '%' && hex_decode(slice_sub(s, i + 1, i + 3), &byte, 1) == OK) {
			buf_add_char(ret, byte);
			i += 2;
		} else {
			buf_add_char(ret, s.p[i]);
		}
	}
}

/* Cuts "charset'language'" off (RFC 2231 4). */
static struct slice cut_charset(struct slice *s)
{
	struct slice rest = *s, charset, language;

	if (!slice_cut(&rest, '\'', &charset) || !rest.p || !slice_cut(&rest, '\'', &language) ||
	    !rest.p)
		return S("");
	*s = rest;
	return charset;
}

/* One section: name*, name*N or name*N*. False when there is none of that number. */
static bool add_section(const struct mime_field *f, struct slice name, int number, struct buf *ret,
			struct slice *ret_charset)
{
	char suffix[16] = "";
	AUTO(buf_release) struct buf full = BUF_INIT(MIME_PARAM_BYTES_MAX);
	const struct slice *found;
	struct slice value;

	if (number >= 0)
		snprintf(suffix, sizeof(suffix), "*%d", number);
	buf_add_slice(&full, name);
	buf_add_str(&full, suffix);
	found = number >= 0 ? find(f, buf_slice(&full)) : NULL;
	if (found) {
		buf_add_slice(ret, *found);
		return true;
	}
	buf_add_char(&full, '*');
	found = find(f, buf_slice(&full));
	if (!found)
		return false;
	value = *found;
	if (number <= 0)
		*ret_charset = cut_charset(&value);
	add_percent_decoded(value, ret);
	return true;
}

/* The value by RFC 2231; false when it is not written that way. */
static bool read_extended(const struct mime_field *f, struct slice name, struct buf *ret,
			  struct slice *ret_charset)
{
	int n = 0;

	*ret_charset = S("");
	if (add_section(f, name, -1, ret, ret_charset))
		return true;
	while (n < SECTIONS_MAX && add_section(f, name, n, ret, ret_charset))
		n++;
	return n > 0;
}

struct slice mime_field_bytes(const struct mime_field *f, struct slice name, struct arena *a)
{
	AUTO(buf_release) struct buf joined = BUF_INIT(MIME_PARAMS_MAX * MIME_PARAM_BYTES_MAX);
	const struct slice *plain = find(f, name);
	struct slice charset;

	if (plain)
		return *plain;
	read_extended(f, name, &joined, &charset);
	return arena_slice(a, buf_slice(&joined));
}

static struct slice to_utf8(struct slice s, struct slice charset, struct arena *a)
{
	AUTO(buf_release) struct buf text = BUF_INIT(MIME_TEXT_GROWTH * s.n + 2 * MIME_TEXT_EXTRA);
	AUTO(mime_text_freep) struct mime_text *t = mime_text_new(MIME_IDENTITY, charset);

	mime_text_feed(t, s, &text);
	mime_text_end(t, &text);
	return arena_slice(a, buf_slice(&text));
}

struct slice mime_field_text(const struct mime_field *f, struct slice name, struct arena *a)
{
	AUTO(buf_release) struct buf joined = BUF_INIT(MIME_PARAMS_MAX * MIME_PARAM_BYTES_MAX);
	const struct slice *plain = find(f, name);
	struct slice charset;

	if (read_extended(f, name, &joined, &charset) && charset.n)
		return to_utf8(slice_sub(buf_slice(&joined), 0, MIME_PARAM_BYTES_MAX), charset, a);
	if (joined.len)
		return mime_text(buf_slice(&joined), MIME_PARAM_BYTES_MAX, a);
	return plain ? mime_text(*plain, MIME_PARAM_BYTES_MAX, a) : S("");
}

/* Code points that a name may not hold: controls, and those that change how text is shown. */
static bool is_unsafe(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} rows[] = {
		{ 0x00, 0x1f },     { 0x7f, 0x9f },     { 0x61c, 0x61c },   { 0x200b, 0x200f },
		{ 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xfeff, 0xfeff }, { 0xfff9, 0xfffc },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (c >= rows[i].first && c <= rows[i].last)
			return true;
	return false;
}

static uint32_t code_point(struct slice sequence)
{
	uint32_t c = (unsigned char)sequence.p[0];

	if (sequence.n > 1)
		c &= 0x7fu >> sequence.n;
	for (size_t i = 1; i < sequence.n; i++)
		c = c << 6 | ((unsigned char)sequence.p[i] & 0x3f);
	return c;
}

static void add_safe(struct slice sequence, struct buf *ret)
{
	uint32_t c = code_point(sequence);

	if (c == '/' || c == '\\' || c == ':' || c == 0x2044 || c == 0x2215)
		buf_add_char(ret, '_');
	else if (!is_unsafe(c))
		buf_add_slice(ret, sequence);
}

struct slice mime_safe_filename(struct slice name, struct arena *a)
{
	AUTO(buf_release) struct buf out = BUF_INIT(3 * name.n + 1);
	struct slice rest = utf8_clean(a, name), safe;

	while (rest.n) {
		size_t n = utf8_len(rest);

		add_safe(slice_sub(rest, 0, n), &out);
		rest = slice_sub(rest, n, rest.n);
	}
	safe = slice_trim(buf_slice(&out));
	while (safe.n && (safe.p[0] == '.' || is_blank(safe.p[0])))
		safe = slice_sub(safe, 1, safe.n);
	safe = utf8_cut(safe, FILENAME_MAX_BYTES);
	while (safe.n && (safe.p[safe.n - 1] == '.' || is_blank(safe.p[safe.n - 1])))
		safe = slice_sub(safe, 0, safe.n - 1);
	return arena_slice(a, safe);
}

static bool is_media_name(struct slice s)
{
	return s.n >= 1 && s.n <= MEDIA_NAME_MAX && slice_only(slice_sub(s, 0, 1), "") &&
	       slice_only(s, "!#$&-^_.+");
}

bool mime_is_media_type(struct slice s)
{
	struct slice rest = s, type;

	return slice_cut(&rest, '/', &type) && is_media_name(type) && is_media_name(rest);
}
