/* SPDX-License-Identifier: Apache-2.0 */
/* Nobody forges a line: standard error is a pipe that the test reads. */
#include "common/base/log.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static char text[65536];

/* Runs fn with standard error in a file and yields what it wrote. */
static struct slice captured(void (*fn)(const void *), const void *arg)
{
	int saved = dup(STDERR_FILENO), fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	ssize_t n;

	assert_true(saved >= 0 && fd >= 0 && dup2(fd, STDERR_FILENO) >= 0);
	fn(arg);
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = pread(fd, text, sizeof(text), 0);
	close(fd);
	return slice_of(text, (size_t)(n < 0 ? 0 : n));
}

static void log_value(const void *arg)
{
	log_info("event", LF_SLICE("v", *(const struct slice *)arg));
}

static void values_are_escaped(void **state)
{
	static const struct {
		struct slice value;
		const char *want;
	} rows[] = {
		{ SLICE_INIT("a\nx error forged=1"),
		  "x info event v=\"a\\x0ax error forged=1\"\n" },
		{ SLICE_INIT("a\r\0b"), "x info event v=\"a\\x0d\\x00b\"\n" },
		{ SLICE_INIT("a\" b=\"c"), "x info event v=\"a\\\" b=\\\"c\"\n" },
		{ SLICE_INIT("a\\"), "x info event v=\"a\\\\\"\n" },
		{ SLICE_INIT("a=b"), "x info event v=\"a=b\"\n" },
		{ SLICE_INIT("\x1b[31m"), "x info event v=\"\\x1b[31m\"\n" },
		{ SLICE_INIT("\xc2\x9b"
			     "31m"),
		  "x info event v=\"\\xc2\\x9b31m\"\n" },
		{ SLICE_INIT("\x7f\xff"), "x info event v=\"\\x7f\\xff\"\n" },
		{ SLICE_INIT("caf\xc3\xa9"), "x info event v=\"caf\xc3\xa9\"\n" },
		{ SLICE_INIT("plain-1.2@x"), "x info event v=plain-1.2@x\n" },
		{ SLICE_INIT(""), "x info event v=\"\"\n" },
		{ { NULL, 0 }, "x info event v=\"\"\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_slice_row(captured(log_value, &rows[i].value), slice_str(rows[i].want), i);
}

static void log_all_types(const void *arg)
{
	(void)arg;
	log_debug("dropped");
	log_info("bare");
	log_warn("many", LF_STR("s", "a b"), LF_STR("none", NULL), LF_INT("i", INT64_MIN));
	log_error("last", LF_INT("n", 7));
}

static void levels_and_types_are_written(void **state)
{
	(void)state;
	assert_slice(captured(log_all_types, NULL),
		     S("x info bare\n"
		       "x warn many s=\"a b\" none=\"\" i=-9223372036854775808\n"
		       "x error last n=7\n"));
}

static void log_three_long_values(const void *arg)
{
	const struct slice *v = arg;

	for (int i = 0; i < 2; i++)
		log_info("event", LF_SLICE("a", *v), LF_SLICE("b", *v), LF_SLICE("c", *v));
}

static void long_values_are_cut_and_the_line_ends(void **state)
{
	static const char bytes[] = { 'x', '\n', '\xff' };
	char value[10000];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		struct slice v = slice_of(value, sizeof(value)), got;

		memset(value, bytes[i], sizeof(value));
		got = captured(log_three_long_values, &v);
		assert_row(i, got.n <= 2 * 4096 && got.n > 2 * 3 * 512);
		assert_row(i, slice_ends(got, S("\n")));
		assert_row(i, slice_find(got, '\n') == (ptrdiff_t)got.n / 2 - 1);
		assert_row(i, slice_find(slice_sub(got, 0, 4096), '\xff') < 0);
	}
}

static void *log_often(void *arg)
{
	for (int i = 0; i < 200; i++)
		log_info("event", LF_STR("v", arg));
	return NULL;
}

static void log_from_two_threads(const void *arg)
{
	char b[] = "bbbbbbbbbbbbbbbb", a[] = "aaaaaaaaaaaaaaaa";
	pthread_t other;

	(void)arg;
	assert_int_equal(pthread_create(&other, NULL, log_often, b), 0);
	log_often(a);
	pthread_join(other, NULL);
}

static void lines_of_two_threads_do_not_mix(void **state)
{
	struct slice rest = captured(log_from_two_threads, NULL), line;
	size_t lines = 0;

	(void)state;
	while (slice_cut(&rest, '\n', &line) && line.n) {
		assert_true(slice_eq(line, S("x info event v=aaaaaaaaaaaaaaaa")) ||
			    slice_eq(line, S("x info event v=bbbbbbbbbbbbbbbb")));
		lines++;
	}
	assert_int_equal(lines, 400);
}

static void levels_are_parsed_by_their_names(void **state)
{
	enum log_level level = LOGL_DEBUG;

	(void)state;
	assert_int_equal(log_level_parse(S("error"), &level), OK);
	assert_int_equal(level, LOGL_ERROR);
	assert_int_equal(log_level_parse(S("Error"), &level), ERR_INPUT);
	assert_int_equal(log_level_parse(S(""), &level), ERR_INPUT);
	assert_int_equal(level, LOGL_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_escaped),
		cmocka_unit_test(levels_and_types_are_written),
		cmocka_unit_test(long_values_are_cut_and_the_line_ends),
		cmocka_unit_test(lines_of_two_threads_do_not_mix),
		cmocka_unit_test(levels_are_parsed_by_their_names),
	};

	log_init("x", LOGL_INFO);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
