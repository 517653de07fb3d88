/* SPDX-License-Identifier: Apache-2.0 */
/* JSON over jansson. Texts that come in are counted before jansson sees them. */
#include "cli/doc.h"

#include "common/base/jsonf.h"
#include "common/base/odd.h"
#include "common/base/utf8.h"

#include <jansson.h>

/* A struct doc is a json_t under another name. */
static json_t *json_of(const struct doc *d)
{
	union {
		const struct doc *doc;
		json_t *json;
	} u = { .doc = d };

	return u.json;
}

static struct doc *doc_of(json_t *j)
{
	return (struct doc *)j;
}

/* jansson fails only without memory or when it is misused. */
static struct doc *made(json_t *j)
{
	if (!j)
		abort();
	return doc_of(j);
}

enum err doc_parse(struct slice text, struct doc **ret)
{
	json_t *j = NULL;

	if (jsonf_is_excessive(text))
		return ERR_INPUT;
	j = json_loadb(text.p ? text.p : "", text.n, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
	if (!j)
		return ERR_INPUT;
	*ret = doc_of(j);
	return OK;
}

void doc_free(struct doc *d)
{
	json_decref(json_of(d));
}

const struct doc *doc_get(const struct doc *d, const char *name)
{
	return doc_of(json_object_get(json_of(d), name));
}

size_t doc_count(const struct doc *d)
{
	return json_array_size(json_of(d));
}

const struct doc *doc_at(const struct doc *d, size_t i)
{
	return doc_of(json_array_get(json_of(d), i));
}

const struct doc *doc_member(const struct doc *d, size_t i, const char **ret_name)
{
	json_t *j = json_of(d);
	void *at = json_object_iter(j);

	while (at && i-- > 0)
		at = json_object_iter_next(j, at);
	if (at)
		*ret_name = json_object_iter_key(at);
	return doc_of(json_object_iter_value(at));
}

bool doc_is_object(const struct doc *d)
{
	return json_is_object(json_of(d));
}

bool doc_is_array(const struct doc *d)
{
	return json_is_array(json_of(d));
}

bool doc_is_text(const struct doc *d)
{
	return json_is_string(json_of(d));
}

bool doc_is_null(const struct doc *d)
{
	return json_is_null(json_of(d));
}

struct slice doc_value_text(const struct doc *d)
{
	const json_t *j = json_of(d);

	return json_is_string(j) ? slice_of(json_string_value(j), json_string_length(j)) : S("");
}

struct slice doc_text(const struct doc *d, const char *name)
{
	return doc_value_text(doc_get(d, name));
}

int64_t doc_int(const struct doc *d, const char *name)
{
	return json_integer_value(json_of(doc_get(d, name)));
}

bool doc_bool(const struct doc *d, const char *name)
{
	return json_is_true(json_of(doc_get(d, name)));
}

/* ---- documents of our own ---- */

struct doc *doc_object(void)
{
	return made(json_object());
}

struct doc *doc_array(void)
{
	return made(json_array());
}

struct doc *doc_copy(const struct doc *d)
{
	return made(json_deep_copy(json_of(d)));
}

static struct doc *text_new(struct slice value)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice clean = utf8_clean(&a, value);

	return made(json_stringn(clean.p ? clean.p : "", clean.n));
}

void doc_set(struct doc *d, const char *name, struct doc *value)
{
	if (json_object_set_new(json_of(d), name, json_of(value)))
		abort();
}

void doc_set_text(struct doc *d, const char *name, struct slice value)
{
	doc_set(d, name, text_new(value));
}

void doc_set_int(struct doc *d, const char *name, int64_t value)
{
	doc_set(d, name, made(json_integer(value)));
}

void doc_set_bool(struct doc *d, const char *name, bool value)
{
	doc_set(d, name, made(json_boolean(value)));
}

void doc_set_null(struct doc *d, const char *name)
{
	doc_set(d, name, made(json_null()));
}

void doc_remove(struct doc *d, const char *name)
{
	json_object_del(json_of(d), name);
}

void doc_add(struct doc *d, struct doc *value)
{
	if (json_array_append_new(json_of(d), json_of(value)))
		abort();
}

void doc_add_text(struct doc *d, struct slice value)
{
	doc_add(d, text_new(value));
}

/* ---- text ---- */

static void put_unit(struct buf *out, unsigned unit)
{
	buf_addf(out, "\\u%04x", unit);
}

/* In JSON text an odd character can stand in a string only. */
static void put_escaped(struct buf *out, uint32_t c)
{
	if (c < 0x10000) {
		put_unit(out, c);
		return;
	}
	put_unit(out, 0xd800 + ((c - 0x10000) >> 10));
	put_unit(out, 0xdc00 + ((c - 0x10000) & 0x3ff));
}

static void put_safe(struct buf *out, struct slice s)
{
	while (s.n) {
		struct odd_run run = odd_next(s);

		buf_add_slice(out, slice_sub(s, 0, run.plain));
		if (run.odd_n)
			put_escaped(out, run.odd);
		s = slice_sub(s, run.plain + run.odd_n, s.n);
	}
}

static int add_piece(const char *p, size_t n, void *arg)
{
	buf_add(arg, p, n);
	return 0;
}

void doc_write(const struct doc *d, enum doc_style style, struct buf *ret)
{
	AUTO(buf_release) struct buf text = BUF_INIT(SIZE_MAX / 4);
	size_t flags = JSON_ENCODE_ANY | (style == DOC_PRETTY ? JSON_INDENT(2) : JSON_COMPACT);

	if (json_dump_callback(json_of(d), add_piece, &text, flags))
		abort();
	put_safe(ret, buf_slice(&text));
}
