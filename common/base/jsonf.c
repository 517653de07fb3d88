/* SPDX-License-Identifier: Apache-2.0 */
/* JSON by table, read with jansson, written by hand into a buf. */
#include "common/base/jsonf.h"

#include "common/base/encode.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"

#include <assert.h>
#include <jansson.h>

static void decrefp(json_t **j)
{
	json_decref(*j);
}

/*
 * jansson recurses once per level and makes an object of each value, so both are
 * counted before it sees the text: brackets and commas outside of strings.
 */
bool jsonf_is_excessive(struct slice text)
{
	size_t depth = 0, values = 0;
	bool quoted = false;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		bool opens = c == '{' || c == '[';

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		if (quoted)
			continue;
		values += opens || c == ',';
		if (values > JSONF_VALUES_MAX || (opens && ++depth > JSONF_DEPTH_MAX))
			return true;
		if ((c == '}' || c == ']') && depth > 0 && --depth == 0)
			return false;
	}
	return false;
}

static struct slice text_of(const json_t *j, struct arena *a)
{
	return arena_slice(a, slice_of(json_string_value(j), json_string_length(j)));
}

static enum err read_texts(json_t *j, struct arena *a, struct jsonf_texts *ret)
{
	size_t n = json_array_size(j);

	if (!json_is_array(j) || n > JSONF_TEXTS_MAX)
		return ERR_INPUT;
	ret->v = arena_calloc(a, n, sizeof(*ret->v));
	ret->n = n;
	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_array_get(j, i);

		if (!json_is_string(item))
			return ERR_INPUT;
		ret->v[i] = text_of(item, a);
	}
	return OK;
}

static enum err read_bytes(const json_t *j, struct arena *a, struct jsonf_bytes *ret)
{
	struct slice text = slice_of(json_string_value(j), json_string_length(j));
	char *bytes;

	if (!json_is_string(j))
		return ERR_INPUT;
	bytes = arena_alloc(a, text.n / 4 * 3);
	*ret = (struct jsonf_bytes){ .v = { .p = bytes } };
	ret->bad = base64_decode_at(text, bytes, &ret->v.n) != OK;
	return OK;
}

static enum err read_object(json_t *j, const struct jsonf_row *table, struct arena *a, void *ret);

static enum err read_objects(json_t *j, struct arena *a, struct jsonf_objects *ret)
{
	size_t n = json_array_size(j);
	char *v;

	if (!json_is_array(j) || n > ret->max)
		return ERR_INPUT;
	v = arena_calloc(a, n, ret->size);
	for (size_t i = 0; i < n; i++)
		if (read_object(json_array_get(j, i), ret->table, a, v + i * ret->size))
			return ERR_INPUT;
	ret->v = v;
	ret->n = n;
	return OK;
}

static enum err read_field(const struct jsonf_row *row, json_t *j, struct arena *a, char *ret)
{
	void *at = ret + row->offset;

	switch (row->type) {
	case JSONF_TEXT:
		if (!json_is_string(j))
			return ERR_INPUT;
		*(struct slice *)at = text_of(j, a);
		break;
	case JSONF_INT:
		if (!json_is_integer(j))
			return ERR_INPUT;
		*(int64_t *)at = json_integer_value(j);
		break;
	case JSONF_BOOL:
		if (!json_is_boolean(j))
			return ERR_INPUT;
		*(bool *)at = json_is_true(j);
		break;
	case JSONF_TEXTS:
		if (read_texts(j, a, at))
			return ERR_INPUT;
		break;
	case JSONF_BASE64:
		if (read_bytes(j, a, at))
			return ERR_INPUT;
		break;
	case JSONF_OBJECTS:
		if (read_objects(j, a, at))
			return ERR_INPUT;
		break;
	}
	if (row->given_offset != JSONF_NO_GIVEN)
		*(bool *)(ret + row->given_offset) = true;
	return OK;
}

static const struct jsonf_row *find(const struct jsonf_row *table, struct slice name)
{
	for (; table->name; table++)
		if (slice_ieq(slice_str(table->name), name))
			return table;
	return NULL;
}

static enum err read_object(json_t *j, const struct jsonf_row *table, struct arena *a, void *ret)
{
	const char *name;
	json_t *value;

	if (!json_is_object(j))
		return ERR_INPUT;
	json_object_foreach(j, name, value)
	{
		const struct jsonf_row *row = find(table, slice_str(name));

		if (row && !json_is_null(value) && read_field(row, value, a, ret))
			return ERR_INPUT;
	}
	return OK;
}

static json_t *load(struct slice text)
{
	const size_t flags = JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL;
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice clean;

	if (jsonf_is_excessive(text))
		return NULL;
	/* A raw NUL is no JSON; utf8_clean() would hide it. */
	if (slice_find(text, '\0') >= 0)
		text = slice_sub(text, 0, (size_t)slice_find(text, '\0'));
	if (utf8_clean_len(text) > text.n + 2 * JSONF_REPAIRS_MAX)
		return NULL;
	clean = utf8_clean(&a, text);
	return json_loadb(clean.p ? clean.p : "", clean.n, flags, NULL);
}

enum err jsonf_read(struct slice text, const struct jsonf_row *table, struct arena *a, void *ret)
{
	AUTO(decrefp) json_t *root = load(text);

	return read_object(root, table, a, ret);
}

void jsonw_init(struct jsonw *w, struct buf *out)
{
	*w = (struct jsonw){ .out = out };
}

static void before_value(struct jsonw *w)
{
	if (w->comma)
		buf_add_char(w->out, ',');
	w->comma = true;
}

static void open_with(struct jsonw *w, char c)
{
	before_value(w);
	buf_add_char(w->out, c);
	w->comma = false;
}

static void close_with(struct jsonw *w, char c)
{
	buf_add_char(w->out, c);
	w->comma = true;
}

void jsonw_object(struct jsonw *w)
{
	open_with(w, '{');
}

void jsonw_object_end(struct jsonw *w)
{
	close_with(w, '}');
}

void jsonw_array(struct jsonw *w)
{
	open_with(w, '[');
}

void jsonw_array_end(struct jsonw *w)
{
	close_with(w, ']');
}

void jsonw_key(struct jsonw *w, const char *key)
{
	jsonw_text(w, slice_str(key));
	buf_add_char(w->out, ':');
	w->comma = false;
}

/* ASCII that goes out as it is: nearly all there is, so it has to cost little. */
static bool is_plain(char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

/* Of a sequence of n bytes (utf8_len) that does not begin with a plain one. */
static bool needs_escape(struct slice s, size_t n)
{
	if (n == 3) /* U+2028 and U+2029 end lines in JavaScript */
		return slice_starts(s, S("\xe2\x80\xa8")) || slice_starts(s, S("\xe2\x80\xa9"));
	return n <= 1;
}

/* An ASCII character: \n or \u000a. By hand, because "<" and ">" are in most lists. */
static void put_escaped_ascii(struct buf *out, char c)
{
	static const char short_names[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	char text[] = "\\u0000";

	for (size_t i = 0; i < sizeof(short_names) - 1; i += 2)
		if (c == short_names[i]) {
			buf_add_char(out, '\\');
			buf_add_char(out, short_names[i + 1]);
			return;
		}
	hex_text(&c, 1, text + 4);
	buf_add_str(out, text);
}

static void put_escaped(struct buf *out, struct slice s, size_t n)
{
	if (n == 0)
		buf_add_str(out, "\xef\xbf\xbd");
	else if (n == 3)
		buf_add_str(out, s.p[2] == '\xa8' ? "\\u2028" : "\\u2029");
	else
		put_escaped_ascii(out, *s.p);
}

void jsonw_text_part(struct buf *out, struct slice s)
{
	size_t plain = 0; /* bytes at the start of s that go out as they are */

	while (plain < s.n) {
		struct slice rest;
		size_t n;

		if (is_plain(s.p[plain])) {
			plain++;
			continue;
		}
		rest = slice_sub(s, plain, s.n);
		n = utf8_len(rest);
		if (!needs_escape(rest, n)) {
			plain += n;
			continue;
		}
		buf_add(out, s.p, plain);
		put_escaped(out, rest, n);
		s = slice_sub(rest, n ? n : 1, rest.n);
		plain = 0;
	}
	buf_add(out, s.p, s.n);
}

void jsonw_text(struct jsonw *w, struct slice s)
{
	before_value(w);
	buf_add_char(w->out, '"');
	jsonw_text_part(w->out, s);
	buf_add_char(w->out, '"');
}

void jsonw_int(struct jsonw *w, int64_t v)
{
	before_value(w);
	buf_addf(w->out, "%lld", (long long)v);
}

void jsonw_bool(struct jsonw *w, bool v)
{
	before_value(w);
	buf_add_str(w->out, v ? "true" : "false");
}

void jsonw_null(struct jsonw *w)
{
	before_value(w);
	buf_add_str(w->out, "null");
}

void jsonw_base64(struct jsonw *w, struct slice bytes)
{
	before_value(w);
	buf_add_char(w->out, '"');
	base64_encode(bytes, w->out);
	buf_add_char(w->out, '"');
}

void jsonw_raw(struct jsonw *w, struct slice json)
{
	before_value(w);
	buf_add_slice(w->out, json);
}

void jsonw_key_text(struct jsonw *w, const char *key, struct slice s)
{
	jsonw_key(w, key);
	jsonw_text(w, s);
}

void jsonw_key_text_or_null(struct jsonw *w, const char *key, struct slice s)
{
	jsonw_key(w, key);
	if (s.n)
		jsonw_text(w, s);
	else
		jsonw_null(w);
}

void jsonw_key_int(struct jsonw *w, const char *key, int64_t v)
{
	jsonw_key(w, key);
	jsonw_int(w, v);
}

void jsonw_key_bool(struct jsonw *w, const char *key, bool v)
{
	jsonw_key(w, key);
	jsonw_bool(w, v);
}
