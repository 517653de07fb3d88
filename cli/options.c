/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of command lines and the writer of help. Both know nothing but the tables. */
#include "cli/options.h"

#include "common/base/utf8.h"

#include <assert.h>

enum { HELP_INDENT = 32, HELP_MAX = 64 * 1024 };

#define COMMON(field) .type = OPTION_FLAG, .offset = offsetof(struct common_options, field)

const struct option common_options[] = {
	{ .name = "json", COMMON(json), .help = "print JSON" },
	{ .name = "help", COMMON(help), .help = "print this help" },
	{ .name = "version", COMMON(version), .help = "print the version" },
	{ 0 },
};

struct reader {
	const struct command *command;
	char **argv;
	size_t at, n;
	struct parsed *p;
	struct fail *fail;
};

static const struct option *find(const struct option *table, struct slice name)
{
	for (; table && table->name; table++)
		if (slice_eq(slice_str(table->name), name))
			return table;
	return NULL;
}

/* ---- values ---- */

static bool is_choice(const char *choices, struct slice value)
{
	struct slice rest = slice_str(choices), choice;

	while (slice_cut(&rest, '|', &choice))
		if (slice_eq(choice, value))
			return true;
	return false;
}

static enum err set_text(const struct option *o, const char *value, void *at, struct fail *fail)
{
	if (o->choices && !is_choice(o->choices, slice_str(value)))
		return fail_set(fail, ERR_INPUT, "--%s must be one of: %s", o->name, o->choices);
	*(const char **)at = value;
	return OK;
}

static enum err add_text(const struct option *o, const char *value, struct option_texts *t,
			 struct fail *fail)
{
	if (t->n == OPTION_TEXTS_MAX)
		return fail_set(fail, ERR_INPUT, "--%s is given more than %d times", o->name,
				OPTION_TEXTS_MAX);
	t->v = mem_realloc(t->v, (t->n + 1) * sizeof(*t->v));
	t->v[t->n++] = value;
	return OK;
}

static enum err set_number(const struct option *o, const char *value, struct option_number *ret,
			   struct fail *fail)
{
	if (slice_to_i64(slice_str(value), o->min, o->max, &ret->v))
		return fail_set(fail, ERR_INPUT, "--%s must be a number from %lld to %lld", o->name,
				(long long)o->min, (long long)o->max);
	ret->given = true;
	return OK;
}

/* What was typed goes out as it is or not at all. A file may have any name. */
static enum err check_text(const struct option *o, const char *value, struct fail *fail)
{
	if (o->completes == COMPLETE_FILE || utf8_valid(slice_str(value)))
		return OK;
	return fail_set(fail, ERR_INPUT, "--%s is not UTF-8", o->name);
}

static enum err set_value(const struct option *o, const char *value, char *values,
			  struct fail *fail)
{
	void *at = values + o->offset;
	enum err e = check_text(o, value, fail);

	if (e)
		return e;
	switch (o->type) {
	case OPTION_FLAG:
		*(bool *)at = true;
		return OK;
	case OPTION_TEXT:
		return set_text(o, value, at, fail);
	case OPTION_TEXTS:
		return add_text(o, value, at, fail);
	case OPTION_NUMBER:
		return set_number(o, value, at, fail);
	}
	return ERR_INTERNAL;
}

static bool is_given(const struct option *o, const char *values)
{
	const void *at = values + o->offset;

	switch (o->type) {
	case OPTION_FLAG:
		return *(const bool *)at;
	case OPTION_TEXT:
		return *(const char *const *)at != NULL;
	case OPTION_TEXTS:
		return ((const struct option_texts *)at)->n > 0;
	case OPTION_NUMBER:
		return ((const struct option_number *)at)->given;
	}
	return false;
}

/* ---- the reader ---- */

static enum err read_option(struct reader *r, struct slice text)
{
	const struct command *c = r->command;
	struct slice rest = text, name = S("");
	char *values = r->p->values;
	const char *value = NULL;
	const struct option *o;

	slice_cut(&rest, '=', &name);
	if (rest.p)
		value = rest.p; /* NUL-terminated, as the argument is */
	o = find(c->options, name);
	if (!o && (o = find(common_options, name)))
		values = (char *)&r->p->common;
	if (!o)
		return fail_set(r->fail, ERR_INPUT, "unknown option --%.80s", name.p ? text.p : "");
	if (o->type == OPTION_FLAG && value)
		return fail_set(r->fail, ERR_INPUT, "--%s takes no value", o->name);
	if (o->type != OPTION_FLAG && !value) {
		if (r->at == r->n)
			return fail_set(r->fail, ERR_INPUT, "--%s needs a value", o->name);
		value = r->argv[r->at++];
	}
	return set_value(o, value, values, r->fail);
}

static enum err read_all(struct reader *r)
{
	struct parsed *p = r->p;
	bool options = true;
	enum err e = OK;

	while (e == OK && r->at < r->n && !p->common.help && !p->common.version) {
		struct slice arg = slice_str(r->argv[r->at++]);

		if (options && slice_eq(arg, S("--")))
			options = false;
		else if (options && slice_eq(arg, S("-h")))
			p->common.help = true;
		else if (options && slice_starts(arg, S("--")))
			e = read_option(r, slice_sub(arg, 2, arg.n));
		else if (options && slice_starts(arg, S("-")) && arg.n > 1)
			e = fail_set(r->fail, ERR_INPUT, "unknown option %.80s", arg.p);
		else
			p->args[p->args_n++] = r->argv[r->at - 1];
	}
	return e;
}

static enum err check_options(struct reader *r)
{
	for (const struct option *o = r->command->options; o && o->name; o++) {
		const struct option *other =
			o->excludes ? find(r->command->options, slice_str(o->excludes)) : NULL;
		bool given = is_given(o, r->p->values);

		if (o->required && !given)
			return fail_set(r->fail, ERR_INPUT, "--%s is missing", o->name);
		if (given && other && is_given(other, r->p->values))
			return fail_set(r->fail, ERR_INPUT, "--%s and --%s exclude each other",
					o->name, other->name);
	}
	return OK;
}

static enum err check_args(struct reader *r)
{
	const struct command *c = r->command;

	if (r->p->args_n < c->args_min)
		return fail_set(r->fail, ERR_INPUT, "%s is missing", c->args);
	if (r->p->args_n > c->args_max)
		return fail_set(r->fail, ERR_INPUT, "unexpected argument: %.100s",
				r->p->args[c->args_max]);
	for (size_t i = 0; i < r->p->args_n; i++)
		if (!utf8_valid(slice_str(r->p->args[i])))
			return fail_set(r->fail, ERR_INPUT, "%.100s: not UTF-8", r->p->args[i]);
	return OK;
}

enum err options_parse(const struct command *command, char **argv, size_t n, struct parsed *ret,
		       struct fail *fail)
{
	struct reader r = { .command = command, .argv = argv, .n = n, .p = ret, .fail = fail };
	enum err e;

	ret->values = mem_zalloc(command->options_size + 1);
	ret->args = mem_calloc(n + 1, sizeof(*ret->args));
	e = read_all(&r);
	if (e || ret->common.help || ret->common.version)
		return e;
	e = check_args(&r);
	return e ? e : check_options(&r);
}

static void free_texts(const struct command *command, char *values)
{
	for (const struct option *o = command->options; values && o && o->name; o++)
		if (o->type == OPTION_TEXTS)
			free(((struct option_texts *)(void *)(values + o->offset))->v);
}

void parsed_release(const struct command *command, struct parsed *p)
{
	free_texts(command, p->values);
	free(p->values);
	free(p->args);
	*p = (struct parsed){ 0 };
}

/* ---- help ---- */

static void help_option(const struct option *o, struct buf *ret)
{
	size_t from = ret->len;
	size_t used;

	buf_addf(ret, "  --%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
	used = ret->len - from;
	if (used + 2 > HELP_INDENT)
		buf_addf(ret, "\n%*s", HELP_INDENT, "");
	else
		buf_addf(ret, "%*s", (int)(HELP_INDENT - used), "");
	buf_add_str(ret, o->help);
	if (o->type == OPTION_TEXTS)
		buf_add_str(ret, " (may be repeated)");
	if (o->type == OPTION_NUMBER)
		buf_addf(ret, " (%lld to %lld)", (long long)o->min, (long long)o->max);
	if (o->required)
		buf_add_str(ret, " (required)");
	buf_add_char(ret, '\n');
}

void options_help(const struct command *command, struct buf *ret)
{
	buf_addf(ret, "usage: e2a %s%s%s [options]\n\n%s\n", command->name,
		 *command->args ? " " : "", command->args, command->help);
	if (command->details)
		buf_addf(ret, "\n%s\n", command->details);
	buf_add_str(ret, "\nOptions:\n");
	for (const struct option *o = command->options; o && o->name; o++)
		help_option(o, ret);
	for (const struct option *o = common_options; o->name; o++)
		help_option(o, ret);
}
