/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of statements. Text and bytes go in binary form, all else as short text. */
#include "common/store/db_args.h"

#include "common/base/buf.h"
#include "common/base/clock.h"

#include <assert.h>

enum { ARRAY_MAX = 64 * 1024 * 1024 };

static int next(struct db_args *a)
{
	assert(a->n < DB_PARAMS_MAX);
	return a->n++;
}

static void binary(struct db_args *a, struct slice s)
{
	int i = next(a);

	assert(s.n <= INT32_MAX);
	a->v[i] = s.p ? s.p : "";
	a->len[i] = (int)s.n;
	a->format[i] = 1;
}

static void number(struct db_args *a, int64_t v)
{
	int i = next(a);

	snprintf(a->num[i], sizeof(a->num[i]), "%lld", (long long)v);
	a->v[i] = a->num[i];
}

void db_arg_text(struct db_args *a, struct slice s)
{
	binary(a, s);
}

void db_arg_text_or_null(struct db_args *a, struct slice s)
{
	if (s.n)
		binary(a, s);
	else
		db_arg_null(a);
}

void db_arg_bytes(struct db_args *a, struct slice s)
{
	binary(a, s);
}

void db_arg_int(struct db_args *a, int64_t v)
{
	number(a, v);
}

void db_arg_bool(struct db_args *a, bool v)
{
	a->v[next(a)] = v ? "t" : "f";
}

void db_arg_time(struct db_args *a, int64_t t_us)
{
	int i = next(a);

	_Static_assert(sizeof(a->num[0]) >= CLOCK_TEXT_MAX, "room for a time");
	clock_rfc3339_us(t_us, a->num[i]);
	a->v[i] = a->num[i];
}

void db_arg_null(struct db_args *a)
{
	a->v[next(a)] = NULL;
}

static void add_array(struct db_args *a, struct buf *text)
{
	int i = next(a);

	assert(!buf_failed(text));
	a->owned[i] = buf_take(text);
	a->v[i] = a->owned[i];
}

void db_arg_texts(struct db_args *a, const struct slice *v, size_t n)
{
	struct buf text = BUF_INIT(ARRAY_MAX);

	buf_add_char(&text, '{');
	for (size_t i = 0; i < n; i++) {
		buf_add_str(&text, i ? ",\"" : "\"");
		for (size_t k = 0; k < v[i].n; k++) {
			if (v[i].p[k] == '"' || v[i].p[k] == '\\')
				buf_add_char(&text, '\\');
			buf_add_char(&text, v[i].p[k]);
		}
		buf_add_char(&text, '"');
	}
	buf_add_char(&text, '}');
	add_array(a, &text);
}

void db_arg_ints(struct db_args *a, const int64_t *v, size_t n)
{
	struct buf text = BUF_INIT(ARRAY_MAX);

	for (size_t i = 0; i < n; i++)
		buf_addf(&text, "%c%lld", i ? ',' : '{', (long long)v[i]);
	buf_add_str(&text, n ? "}" : "{}");
	add_array(a, &text);
}

void db_args_release(struct db_args *args)
{
	if (!args)
		return;
	for (int i = 0; i < args->n; i++)
		free(TAKE(args->owned[i]));
	args->n = 0;
}
