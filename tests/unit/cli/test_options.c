/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines, good and wrong, and the help that comes of the same tables. */
#include "cli/options.h"
#include "tests/unit/test.h"

struct values {
	bool flag, other;
	const char *text, *choice, *file;
	struct option_texts to;
	struct option_number limit;
};

#define ROW(field) .offset = offsetof(struct values, field)

static const struct option options[] = {
	{ .name = "flag", .type = OPTION_FLAG, ROW(flag), .excludes = "other", .help = "a flag" },
	{ .name = "other", .type = OPTION_FLAG, ROW(other), .help = "another" },
	{ .name = "text", .value = "T", .type = OPTION_TEXT, ROW(text), .help = "a text" },
	{ .name = "choice",
	  .value = "a|b",
	  .type = OPTION_TEXT,
	  ROW(choice),
	  .choices = "a|b",
	  .help = "one of two" },
	{ .name = "to", .value = "WHO", .type = OPTION_TEXTS, ROW(to), .help = "to whom" },
	{ .name = "limit",
	  .value = "N",
	  .type = OPTION_NUMBER,
	  ROW(limit),
	  .min = -1,
	  .max = 100,
	  .help = "how many" },
	{ .name = "file",
	  .value = "FILE",
	  .type = OPTION_TEXT,
	  ROW(file),
	  .completes = COMPLETE_FILE,
	  .help = "which" },
	{ 0 },
};

static const struct option required[] = {
	{ .name = "subject",
	  .value = "S",
	  .type = OPTION_TEXT,
	  .required = true,
	  .offset = 0,
	  .help = "what about" },
	{ 0 },
};

static const struct command command = {
	.name = "do it",
	.args = "<what> [<more>]",
	.args_min = 1,
	.args_max = 2,
	.help = "Do it.",
	.options = options,
	.options_size = sizeof(struct values),
};

static const struct command strict = {
	.name = "say",
	.args = "",
	.help = "Say.",
	.details = "More of it.",
	.options = required,
	.options_size = sizeof(const char *),
};

enum { WORDS_MAX = 12 };

static enum err parse(const struct command *c, const char *line, char **argv, char *copy,
		      struct parsed *ret, struct fail *fail)
{
	struct slice rest = slice_str(line), word;
	size_t n = 0;

	while (*line && slice_cut(&rest, ' ', &word)) {
		memcpy(copy, word.p, word.n);
		copy[word.n] = 0;
		argv[n++] = copy;
		copy += word.n + 1;
	}
	argv[n] = NULL;
	return options_parse(c, argv, n, ret, fail);
}

static void wrong_usage_is_told(void **state)
{
	static const struct {
		const char *line, *want;
	} rows[] = {
		{ "", "<what> [<more>] is missing" },
		{ "a b c", "unexpected argument: c" },
		{ "a --bogus", "unknown option --bogus" },
		{ "a --bogus=1", "unknown option --bogus=1" },
		{ "a --", NULL },
		{ "-- a --flag --flag", "unexpected argument: --flag" },
		{ "a -x", "unknown option -x" },
		{ "a --fla", "unknown option --fla" },
		{ "a --flag=", "--flag takes no value" },
		{ "a --text", "--text needs a value" },
		{ "a --flag --other", "--flag and --other exclude each other" },
		{ "a --choice c", "--choice must be one of: a|b" },
		{ "a --choice=", "--choice must be one of: a|b" },
		{ "a --choice=a|b", "--choice must be one of: a|b" },
		{ "a --limit 101", "--limit must be a number from -1 to 100" },
		{ "a --limit -2", "--limit must be a number from -1 to 100" },
		{ "a --limit=", "--limit must be a number from -1 to 100" },
		{ "a --limit 1x", "--limit must be a number from -1 to 100" },
		{ "a --limit -1 --text=--other --choice b --to=", NULL },
		{ "--bogus --help", "unknown option --bogus" },
		{ "--help --bogus", NULL },
		{ "--version a b c", NULL },
		{ "-h", NULL },
		{ "a --=x", "unknown option --=x" },
		{ "a --text=\xff", "--text is not UTF-8" },
		{ "a --to x --to \xc3", "--to is not UTF-8" },
		{ "a --limit \xff", "--limit is not UTF-8" },
		{ "\xed\xa0\x80", "\xed\xa0\x80: not UTF-8" },
		{ "\xc3\xbc --text \xc3\xbc --file \xff", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct parsed p = { 0 };
		struct fail fail = { 0 };
		char *argv[WORDS_MAX], copy[200];
		enum err e = parse(&command, rows[i].line, argv, copy, &p, &fail);

		assert_row(i, (e == OK) == (rows[i].want == NULL));
		assert_slice_row(slice_str(fail.what), slice_str(rows[i].want), i);
		parsed_release(&command, &p);
	}
}

static void values_get_where_the_table_says(void **state)
{
	struct parsed p = { 0 };
	char *argv[WORDS_MAX], copy[200];
	const struct values *v;

	(void)state;
	assert_int_equal(parse(&command,
			       "--flag a --text --flag --to x --limit=7 - --to=y=z --json", argv,
			       copy, &p, NULL),
			 OK);
	v = p.values;
	assert_true(v->flag && !v->other && p.common.json && !p.common.help);
	assert_string_equal(v->text, "--flag");
	assert_null(v->choice);
	assert_int_equal(v->to.n, 2);
	assert_string_equal(v->to.v[0], "x");
	assert_string_equal(v->to.v[1], "y=z");
	assert_true(v->limit.given && v->limit.v == 7);
	assert_int_equal(p.args_n, 2);
	assert_string_equal(p.args[0], "a");
	assert_string_equal(p.args[1], "-");
	parsed_release(&command, &p);
}

static void the_last_of_several_values_counts(void **state)
{
	struct parsed p = { 0 };
	char *argv[WORDS_MAX], copy[200];

	(void)state;
	assert_int_equal(
		parse(&command, "a --text 1 --text=2 --limit 3 --limit 4", argv, copy, &p, NULL),
		OK);
	assert_string_equal(((const struct values *)p.values)->text, "2");
	assert_int_equal(((const struct values *)p.values)->limit.v, 4);
	parsed_release(&command, &p);
}

static void an_option_that_must_be_there_may_be_empty(void **state)
{
	struct parsed p = { 0 };
	struct fail fail = { 0 };
	char *argv[WORDS_MAX], copy[200];

	(void)state;
	assert_int_equal(parse(&strict, "", argv, copy, &p, &fail), ERR_INPUT);
	assert_string_equal(fail.what, "--subject is missing");
	parsed_release(&strict, &p);
	assert_int_equal(parse(&strict, "--subject=", argv, copy, &p, &fail), OK);
	assert_string_equal(*(const char **)p.values, "");
	parsed_release(&strict, &p);
}

static void texts_have_a_ceiling(void **state)
{
	static char word[] = "--to=x", arg[] = "a";
	char **argv = mem_calloc(OPTION_TEXTS_MAX + 3, sizeof(*argv));
	struct parsed p = { 0 };
	struct fail fail = { 0 };

	(void)state;
	argv[0] = arg;
	for (size_t i = 1; i <= OPTION_TEXTS_MAX + 1; i++)
		argv[i] = word;
	assert_int_equal(options_parse(&command, argv, OPTION_TEXTS_MAX + 1, &p, NULL), OK);
	parsed_release(&command, &p);
	assert_int_equal(options_parse(&command, argv, OPTION_TEXTS_MAX + 2, &p, &fail), ERR_INPUT);
	assert_string_equal(fail.what, "--to is given more than 1000 times");
	parsed_release(&command, &p);
	free(argv);
}

static void help_names_every_option(void **state)
{
	static const char *const parts[] = {
		"usage: e2a do it <what> [<more>] [options]\n\nDo it.\n\nOptions:\n",
		"  --flag                        a flag\n",
		"  --choice a|b                  one of two\n",
		"  --to WHO                      to whom (may be repeated)\n",
		"  --limit N                     how many (-1 to 100)\n",
		"  --json                        print JSON\n",
		"  --help                        print this help\n",
		"  --version                     print the version\n",
	};
	AUTO(buf_release) struct buf b = BUF_INIT(64 * 1024), s = BUF_INIT(64 * 1024);

	(void)state;
	options_help(&command, &b);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		assert_row(i, strstr(buf_cstr(&b), parts[i]));
	options_help(&strict, &s);
	assert_non_null(strstr(buf_cstr(&s), "usage: e2a say [options]\n\nSay.\n\nMore of it.\n"));
	assert_non_null(strstr(buf_cstr(&s), "what about (required)\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_usage_is_told),
		cmocka_unit_test(values_get_where_the_table_says),
		cmocka_unit_test(the_last_of_several_values_counts),
		cmocka_unit_test(an_option_that_must_be_there_may_be_empty),
		cmocka_unit_test(texts_have_a_ceiling),
		cmocka_unit_test(help_names_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
