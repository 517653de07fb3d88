/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file and its table. A line that is not understood stops the program. */
#include "common/base/conf.h"

#include "common/base/file.h"
#include "common/base/mem.h"

enum { CONF_FILE_MAX = 1024 * 1024 };

struct unit {
	const char *suffix;
	int64_t factor;
};

static const struct unit byte_units[] = {
	{ "k", 1024 }, { "m", 1024 * 1024 }, { "g", 1024 * 1024 * 1024 }, { "", 1 }, { NULL, 0 }
};
static const struct unit time_units[] = { { "ms", 1 },      { "s", 1000 },     { "m", 60000 },
					  { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 } };

static void *field(const struct conf_row *row, const void *settings)
{
	return (char *)(uintptr_t)settings + row->offset;
}

static bool is_number(enum conf_type type)
{
	return type == CONF_INT || type == CONF_BYTES || type == CONF_TIME;
}

static bool word_allowed(const char *words, struct slice v)
{
	struct slice rest = slice_str(words), word;

	while (slice_cut(&rest, ' ', &word))
		if (slice_eq(word, v))
			return true;
	return false;
}

/* A number with one of the units; the unit "" needs no suffix. */
static enum err parse_units(struct slice v, const struct unit *units, int64_t *ret)
{
	for (; units->suffix; units++) {
		struct slice suffix = slice_str(units->suffix);
		int64_t n;

		if (!slice_iends(v, suffix) ||
		    slice_to_i64(slice_sub(v, 0, v.n - suffix.n), 0, INT64_MAX / units->factor, &n))
			continue;
		*ret = n * units->factor;
		return OK;
	}
	return ERR_INPUT;
}

enum err conf_time(struct slice text, int64_t *ret_ms)
{
	return parse_units(text, time_units, ret_ms);
}

static enum err parse_number(const struct conf_row *row, struct slice v, int64_t *ret)
{
	const struct unit *units = row->type == CONF_BYTES ? byte_units : time_units;
	int64_t n;

	if (row->type == CONF_INT ? slice_to_i64(v, row->min, row->max, &n)
				  : parse_units(v, units, &n))
		return ERR_INPUT;
	if (n < row->min || n > row->max)
		return ERR_INPUT;
	*ret = n;
	return OK;
}

/* What can stand behind `key = `: no control characters but the tab, no blanks around it. */
static bool is_one_line(struct slice v)
{
	for (size_t i = 0; i < v.n; i++)
		if (((unsigned char)v.p[i] < 0x20 && v.p[i] != '\t') || v.p[i] == 0x7f)
			return false;
	return slice_trim(v).n == v.n;
}

static enum err set(const struct conf_row *row, void *settings, struct slice v)
{
	void *at = field(row, settings);
	int64_t n;

	if (!is_one_line(v))
		return ERR_INPUT;
	if (is_number(row->type)) {
		if (parse_number(row, v, &n))
			return ERR_INPUT;
		*(int64_t *)at = n;
		return OK;
	}
	if (row->type == CONF_BOOL) {
		*(bool *)at = word_allowed("yes true", v);
		return word_allowed("yes true no false", v) ? OK : ERR_INPUT;
	}
	if (row->type == CONF_WORD && !word_allowed(row->words, v))
		return ERR_INPUT;
	free(*(char **)at);
	*(char **)at = mem_dup(v.p, v.n);
	return OK;
}

static void print_units(int64_t v, const struct unit *units, struct buf *ret)
{
	const struct unit *best = units;

	for (; units->suffix; units++)
		if (v % units->factor == 0 && (units->factor > best->factor || v % best->factor))
			best = units;
	buf_addf(ret, "%lld%s", (long long)(v / best->factor), best->suffix);
}

static void print_value(const struct conf_row *row, const void *settings, struct buf *ret)
{
	const void *at = field(row, settings);

	switch (row->type) {
	case CONF_TEXT:
	case CONF_WORD:
		buf_add_str(ret, *(char *const *)at);
		break;
	case CONF_INT:
		buf_addf(ret, "%lld", (long long)*(const int64_t *)at);
		break;
	case CONF_BYTES:
		print_units(*(const int64_t *)at, byte_units, ret);
		break;
	case CONF_TIME:
		print_units(*(const int64_t *)at, time_units, ret);
		break;
	case CONF_BOOL:
		buf_add_str(ret, *(const bool *)at ? "yes" : "no");
		break;
	}
}

/* What the row accepts, for messages. */
static void describe(const struct conf_row *row, struct buf *ret)
{
	static const char *const kinds[] = { "one line of text", "a whole number",
					     "a size like 64k",  "a time like 30s",
					     "yes or no",        "one of: " };

	buf_add_str(ret, kinds[row->type]);
	if (row->type == CONF_WORD)
		buf_add_str(ret, row->words);
	if (is_number(row->type)) {
		const struct unit *units = row->type == CONF_BYTES ? byte_units : time_units;

		buf_add_str(ret, " from ");
		if (row->type == CONF_INT) {
			buf_addf(ret, "%lld to %lld", (long long)row->min, (long long)row->max);
		} else {
			print_units(row->min, units, ret);
			buf_add_str(ret, " to ");
			print_units(row->max, units, ret);
		}
	}
}

static enum err set_or_explain(const struct conf_row *row, void *settings, struct slice v,
			       const char *where, struct fail *fail)
{
	AUTO(buf_release) struct buf want = BUF_INIT(512);

	if (set(row, settings, v) == OK)
		return OK;
	describe(row, &want);
	return fail_set(fail, ERR_CONFIG, "%s: %s must be %s", where, row->key, buf_cstr(&want));
}

static const struct conf_row *find(const struct conf_row *table, struct slice key)
{
	for (; table->key; table++)
		if (slice_eq(key, slice_str(table->key)))
			return table;
	return NULL;
}

void conf_defaults(const struct conf_row *table, void *settings)
{
	for (; table->key; table++)
		if (set(table, settings, slice_str(table->def)))
			abort(); /* a row whose default breaks its own rule */
}

/* One logical line: `key = value`, continuation lines already joined. */
static enum err read_line(const struct conf_row *table, void *settings, const struct buf *joined,
			  const char *name, size_t number, struct fail *fail)
{
	AUTO(buf_release) struct buf where = BUF_INIT(512);
	struct slice line = buf_slice(joined);
	ptrdiff_t eq = slice_find(line, '=');
	const struct conf_row *row;
	struct slice key;

	buf_addf(&where, "%.200s:%zu", name, number);
	if (buf_failed(joined))
		return fail_set(fail, ERR_CONFIG, "%s: too long", buf_cstr(&where));
	if (eq < 0)
		return fail_set(fail, ERR_CONFIG, "%s: expected key = value", buf_cstr(&where));
	key = slice_trim(slice_sub(line, 0, (size_t)eq));
	row = find(table, key);
	if (!row)
		return fail_set(fail, ERR_CONFIG, "%s: unknown key %.*s", buf_cstr(&where),
				(int)(key.n < 60 ? key.n : 60), key.p);
	return set_or_explain(row, settings, slice_trim(slice_sub(line, (size_t)eq + 1, line.n)),
			      buf_cstr(&where), fail);
}

enum err conf_read(const struct conf_row *table, void *settings, struct slice text,
		   const char *name, struct fail *fail)
{
	AUTO(buf_release) struct buf joined = BUF_INIT(CONF_FILE_MAX);
	size_t number = 0, start = 0;
	struct slice line;

	while (slice_cut(&text, '\n', &line)) {
		bool more = line.n && (line.p[0] == ' ' || line.p[0] == '\t');
		struct slice content = slice_trim(line);

		number++;
		if (content.n == 0 || content.p[0] == '#')
			continue;
		if (more && start) {
			buf_add_char(&joined, ' ');
			buf_add_slice(&joined, content);
			continue;
		}
		if (start && read_line(table, settings, &joined, name, start, fail))
			return ERR_CONFIG;
		buf_reset(&joined);
		buf_add_slice(&joined, content);
		start = number;
	}
	return start ? read_line(table, settings, &joined, name, start, fail) : OK;
}

enum err conf_read_file(const struct conf_row *table, void *settings, const char *path,
			struct fail *fail)
{
	AUTO(buf_release) struct buf text = BUF_INIT(CONF_FILE_MAX);

	if (file_read(path, &text, fail)) {
		if (fail)
			fail->code = ERR_CONFIG;
		return ERR_CONFIG;
	}
	return conf_read(table, settings, buf_slice(&text), path, fail);
}

enum err conf_read_env(const struct conf_row *table, void *settings, struct fail *fail)
{
	for (; table->key; table++) {
		const char *value = table->env ? getenv(table->env) : NULL;

		if (value && *value &&
		    set_or_explain(table, settings, slice_trim(slice_str(value)), table->env, fail))
			return ERR_CONFIG;
	}
	return OK;
}

void conf_release(const struct conf_row *table, void *settings)
{
	for (; table->key; table++)
		if (table->type == CONF_TEXT || table->type == CONF_WORD) {
			char **at = field(table, settings);

			free(*at);
			*at = NULL;
		}
}

void conf_print(const struct conf_row *row, const void *settings, struct buf *ret)
{
	buf_addf(ret, "%s = ", row->key);
	if (row->flags & CONF_SECRET)
		buf_add_str(ret, **(char *const *)field(row, settings) ? "(set)" : "");
	else
		print_value(row, settings, ret);
	buf_add_char(ret, '\n');
}

bool conf_is_default(const struct conf_row *row, const void *settings)
{
	const void *at = field(row, settings);
	int64_t n = 0;

	if (is_number(row->type))
		return parse_number(row, slice_str(row->def), &n) == OK &&
		       n == *(const int64_t *)at;
	if (row->type == CONF_BOOL)
		return *(const bool *)at == slice_eq(slice_str(row->def), S("yes"));
	return slice_eq(slice_str(*(char *const *)at), slice_str(row->def));
}
