/* SPDX-License-Identifier: Apache-2.0 */
/* The file's grammar and its limits, over a table of every type. */
#include "common/base/conf.h"
#include "tests/unit/test.h"

struct sample {
	char *text, *word, *secret;
	int64_t count, size, wait;
	bool on;
};

static const struct conf_row table[] = {
	{ .key = "text",
	  .env = "E2A_TEST_TEXT",
	  .offset = offsetof(struct sample, text),
	  .type = CONF_TEXT,
	  .def = "x" },
	{ .key = "word",
	  .offset = offsetof(struct sample, word),
	  .type = CONF_WORD,
	  .words = "red green",
	  .def = "red" },
	{ .key = "secret",
	  .offset = offsetof(struct sample, secret),
	  .type = CONF_TEXT,
	  .flags = CONF_SECRET,
	  .def = "" },
	{ .key = "count",
	  .env = "E2A_TEST_COUNT",
	  .offset = offsetof(struct sample, count),
	  .type = CONF_INT,
	  .min = -5,
	  .max = 100,
	  .def = "7" },
	{ .key = "size",
	  .offset = offsetof(struct sample, size),
	  .type = CONF_BYTES,
	  .min = 0,
	  .max = INT64_MAX,
	  .def = "64k" },
	{ .key = "wait",
	  .offset = offsetof(struct sample, wait),
	  .type = CONF_TIME,
	  .min = 0,
	  .max = INT64_MAX,
	  .def = "30s" },
	{ .key = "on", .offset = offsetof(struct sample, on), .type = CONF_BOOL, .def = "no" },
	{ .key = NULL },
};

static void release(struct sample *s)
{
	conf_release(table, s);
}

static enum err read_text(struct slice text, struct sample *ret, struct fail *fail)
{
	conf_defaults(table, ret);
	return conf_read(table, ret, text, "file", fail);
}

static void bad_lines_name_file_line_and_reason(void **state)
{
	static const struct {
		struct slice text;
		const char *want;
	} rows[] = {
		{ SLICE_INIT("text"), "file:1: expected key = value" },
		{ SLICE_INIT("\n\n# c\nnope = 1"), "file:4: unknown key nope" },
		{ SLICE_INIT("TEXT = 1"), "file:1: unknown key TEXT" },
		{ SLICE_INIT("= 1"), "file:1: unknown key " },
		{ SLICE_INIT("text\0 = 1"), "file:1: unknown key text" },
		{ SLICE_INIT("\xef\xbb\xbftext = 1"), "file:1: unknown key \xef\xbb\xbftext" },
		{ SLICE_INIT("text = a\0b"), "file:1: text must be one line of text" },
		{ SLICE_INIT("text = a\rb"), "file:1: text must be one line of text" },
		{ SLICE_INIT("word = blue"), "file:1: word must be one of: red green" },
		{ SLICE_INIT("word = red green"), "file:1: word must be one of: red green" },
		{ SLICE_INIT("count = "), "file:1: count must be a whole number from -5 to 100" },
		{ SLICE_INIT("count = 101"),
		  "file:1: count must be a whole number from -5 to 100" },
		{ SLICE_INIT("count = -6"), "file:1: count must be a whole number from -5 to 100" },
		{ SLICE_INIT("count = 1k"), "file:1: count must be a whole number from -5 to 100" },
		{ SLICE_INIT("count = 1.5"),
		  "file:1: count must be a whole number from -5 to 100" },
		{ SLICE_INIT("on = yes true"), "file:1: on must be yes or no" },
		{ SLICE_INIT("on = "), "file:1: on must be yes or no" },
		{ SLICE_INIT("on = 1"), "file:1: on must be yes or no" },
		{ SLICE_INIT("on = YES"), "file:1: on must be yes or no" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(release) struct sample s = { 0 };
		struct fail f = { 0 };

		assert_row(i, read_text(rows[i].text, &s, &f) == ERR_CONFIG);
		assert_row(i, f.code == ERR_CONFIG);
		assert_slice_row(slice_str(f.what), slice_str(rows[i].want), i);
	}
}

static void units_are_exact_and_do_not_overflow(void **state)
{
	static const struct {
		struct slice text;
		bool ok;
		int64_t want;
	} sizes[] = {
		{ SLICE_INIT("size = 0"), true, 0 },
		{ SLICE_INIT("size = 64"), true, 64 },
		{ SLICE_INIT("size = 64k"), true, 65536 },
		{ SLICE_INIT("size = 10M"), true, 10485760 },
		{ SLICE_INIT("size = 8589934591g"), true, 8589934591LL << 30 },
		{ SLICE_INIT("size = 8589934592g"), false, 0 },
		{ SLICE_INIT("size = 9223372036854775807"), true, INT64_MAX },
		{ SLICE_INIT("size = 9223372036854775808"), false, 0 },
		{ SLICE_INIT("size = 9999999999999999999g"), false, 0 },
		{ SLICE_INIT("size = -1"), false, 0 },
		{ SLICE_INIT("size = k"), false, 0 },
		{ SLICE_INIT("size = 1kk"), false, 0 },
		{ SLICE_INIT("size = 1 k"), false, 0 },
		{ SLICE_INIT("size = 1.5k"), false, 0 },
		{ SLICE_INIT("size = 1t"), false, 0 },
	}, times[] = {
		{ SLICE_INIT("wait = 500ms"), true, 500 },
		{ SLICE_INIT("wait = 5s"), true, 5000 },
		{ SLICE_INIT("wait = 10m"), true, 600000 },
		{ SLICE_INIT("wait = 2h"), true, 7200000 },
		{ SLICE_INIT("wait = 3d"), true, 259200000 },
		{ SLICE_INIT("wait = 106751991167d"), true, 106751991167LL * 86400000 },
		{ SLICE_INIT("wait = 106751991168d"), false, 0 },
		{ SLICE_INIT("wait = 5"), false, 0 },
		{ SLICE_INIT("wait = s"), false, 0 },
		{ SLICE_INIT("wait = -5s"), false, 0 },
		{ SLICE_INIT("wait = 5sms"), false, 0 },
		{ SLICE_INIT("wait = 1h30m"), false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		AUTO(release) struct sample s = { 0 };

		assert_row(i, (read_text(sizes[i].text, &s, NULL) == OK) == sizes[i].ok);
		assert_row(i, s.size == (sizes[i].ok ? sizes[i].want : 65536));
	}
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		AUTO(release) struct sample s = { 0 };

		assert_row(i, (read_text(times[i].text, &s, NULL) == OK) == times[i].ok);
		assert_row(i, s.wait == (times[i].ok ? times[i].want : 30000));
	}
}

static void lines_are_read_as_in_main_cf(void **state)
{
	static const struct {
		struct slice text;
		const char *want;
	} rows[] = {
		{ SLICE_INIT(""), "x" },
		{ SLICE_INIT("# text = a"), "x" },
		{ SLICE_INIT("  # text = a"), "x" },
		{ SLICE_INIT("text=a"), "a" },
		{ SLICE_INIT("text =\t a \t"), "a" },
		{ SLICE_INIT("text = a\r\n"), "a" },
		{ SLICE_INIT("text ="), "" },
		{ SLICE_INIT("text = a = b # c"), "a = b # c" },
		{ SLICE_INIT("text = a\n b\n\tc\n"), "a b c" },
		{ SLICE_INIT("text =\n a"), "a" },
		{ SLICE_INIT("text = a\n\n  # between\n b"), "a b" },
		{ SLICE_INIT("text = a\ntext = b"), "b" },
		{ SLICE_INIT("text = a\n word = green"), "a word = green" },
		{ SLICE_INIT("text = caf\xc3\xa9"), "caf\xc3\xa9" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(release) struct sample s = { 0 };

		assert_row(i, read_text(rows[i].text, &s, NULL) == OK);
		assert_slice_row(slice_str(s.text), slice_str(rows[i].want), i);
	}
}

static void the_line_of_a_continued_setting_is_its_first(void **state)
{
	AUTO(release) struct sample s = { 0 };
	struct fail f = { 0 };

	(void)state;
	assert_int_equal(read_text(S("text = a\ncount =\n 1\n 2\n"), &s, &f), ERR_CONFIG);
	assert_true(slice_starts(slice_str(f.what), S("file:2: count")));
}

static void a_line_without_end_is_refused(void **state)
{
	AUTO(buf_release) struct buf text = BUF_INIT(3 << 20);
	AUTO(release) struct sample s = { 0 };
	struct fail f = { 0 };

	(void)state;
	buf_add_str(&text, "text = ");
	while (text.len < 2 << 20)
		buf_add_str(&text, "0123456789\n ");
	buf_add_str(&text, "\ncount = 1\n");
	assert_int_equal(read_text(buf_slice(&text), &s, &f), ERR_CONFIG);
	assert_string_equal(f.what, "file:1: too long");
}

static void the_environment_wins_unless_it_is_empty(void **state)
{
	AUTO(release) struct sample s = { 0 };

	(void)state;
	assert_int_equal(read_text(S("text = a\ncount = 1"), &s, NULL), OK);
	setenv("E2A_TEST_TEXT", " b c ", 1);
	setenv("E2A_TEST_COUNT", "", 1);
	assert_int_equal(conf_read_env(table, &s, NULL), OK);
	assert_string_equal(s.text, "b c");
	assert_int_equal(s.count, 1);
	unsetenv("E2A_TEST_TEXT");
	unsetenv("E2A_TEST_COUNT");
}

static void bad_variables_are_named(void **state)
{
	AUTO(release) struct sample s = { 0 };
	struct fail f = { 0 };

	(void)state;
	conf_defaults(table, &s);
	setenv("E2A_TEST_COUNT", "many", 1);
	assert_int_equal(conf_read_env(table, &s, &f), ERR_CONFIG);
	assert_true(slice_starts(slice_str(f.what), S("E2A_TEST_COUNT: count must be")));
	unsetenv("E2A_TEST_COUNT");
	setenv("E2A_TEST_TEXT", "a\nword = green", 1);
	assert_int_equal(conf_read_env(table, &s, &f), ERR_CONFIG);
	unsetenv("E2A_TEST_TEXT");
}

static void secrets_are_not_printed(void **state)
{
	AUTO(buf_release) struct buf out = BUF_INIT(1000);
	AUTO(release) struct sample s = { 0 };

	(void)state;
	assert_int_equal(read_text(S("secret = hush"), &s, NULL), OK);
	conf_print(&table[2], &s, &out);
	assert_string_equal(buf_cstr(&out), "secret = (set)\n");
	assert_false(conf_is_default(&table[2], &s));
}

static void numbers_are_printed_in_their_largest_unit(void **state)
{
	static const struct {
		struct slice text;
		size_t row;
		const char *want;
	} rows[] = {
		{ SLICE_INIT("size = 1048576"), 4, "size = 1m\n" },
		{ SLICE_INIT("size = 1048577"), 4, "size = 1048577\n" },
		{ SLICE_INIT("size = 3072k"), 4, "size = 3m\n" },
		{ SLICE_INIT("wait = 90s"), 5, "wait = 90s\n" },
		{ SLICE_INIT("wait = 60000ms"), 5, "wait = 1m\n" },
		{ SLICE_INIT("wait = 48h"), 5, "wait = 2d\n" },
		{ SLICE_INIT("count = -5"), 3, "count = -5\n" },
		{ SLICE_INIT("on = yes"), 6, "on = yes\n" },
		{ SLICE_INIT("on = true"), 6, "on = yes\n" },
		{ SLICE_INIT("on = no"), 6, "on = no\n" },
		{ SLICE_INIT("on = false"), 6, "on = no\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf out = BUF_INIT(1000);
		AUTO(release) struct sample s = { 0 }, back = { 0 };

		assert_row(i, read_text(rows[i].text, &s, NULL) == OK);
		conf_print(&table[rows[i].row], &s, &out);
		assert_slice_row(buf_slice(&out), slice_str(rows[i].want), i);
		assert_row(i, read_text(buf_slice(&out), &back, NULL) == OK);
		assert_row(i, back.size == s.size && back.wait == s.wait && back.count == s.count &&
				      back.on == s.on);
	}
}

static void a_missing_file_is_a_configuration_error(void **state)
{
	AUTO(release) struct sample s = { 0 };
	struct fail f = { 0 };

	(void)state;
	conf_defaults(table, &s);
	assert_int_equal(conf_read_file(table, &s, "/nonexistent/e2a.conf", &f), ERR_CONFIG);
	assert_int_equal(f.code, ERR_CONFIG);
	assert_non_null(strstr(f.what, "/nonexistent/e2a.conf"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_lines_name_file_line_and_reason),
		cmocka_unit_test(units_are_exact_and_do_not_overflow),
		cmocka_unit_test(lines_are_read_as_in_main_cf),
		cmocka_unit_test(the_line_of_a_continued_setting_is_its_first),
		cmocka_unit_test(a_line_without_end_is_refused),
		cmocka_unit_test(the_environment_wins_unless_it_is_empty),
		cmocka_unit_test(bad_variables_are_named),
		cmocka_unit_test(secrets_are_not_printed),
		cmocka_unit_test(numbers_are_printed_in_their_largest_unit),
		cmocka_unit_test(a_missing_file_is_a_configuration_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
