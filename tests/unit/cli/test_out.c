/* SPDX-License-Identifier: Apache-2.0 */
/* What gets to a terminal, and what happens when nothing can. */
#include "cli/out.h"
#include "cli/table.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <unistd.h>

static const struct {
	struct slice in, text, line;
} safe_rows[] = {
	{ SLICE_INIT(""), SLICE_INIT(""), SLICE_INIT("") },
	{ SLICE_INIT("a\tb\nc\n"), SLICE_INIT("a\tb\nc\n"), SLICE_INIT("a b c ") },
	{ SLICE_INIT("a\r\nb\rc"), SLICE_INIT("a\nb\nc"), SLICE_INIT("a b c") },
	{ SLICE_INIT("\033]0;x\007"), SLICE_INIT("<U+001B>]0;x<U+0007>"),
	  SLICE_INIT("<U+001B>]0;x<U+0007>") },
	{ SLICE_INIT("x\xe2\x80\xaey"), SLICE_INIT("x<U+202E>y"), SLICE_INIT("x<U+202E>y") },
	{ SLICE_INIT("\xf3\xa0\x81\x81"), SLICE_INIT("<U+E0041>"), SLICE_INIT("<U+E0041>") },
	{ SLICE_INIT("\xff\0"), SLICE_INIT("<U+FFFD><U+0000>"), SLICE_INIT("<U+FFFD><U+0000>") },
	{ SLICE_INIT("\xc3\xa9 \xe4\xbd\xa0"), SLICE_INIT("\xc3\xa9 \xe4\xbd\xa0"),
	  SLICE_INIT("\xc3\xa9 \xe4\xbd\xa0") },
};

static void texts_of_others_are_made_harmless(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(safe_rows); i++) {
		AUTO(buf_release) struct buf text = BUF_INIT(1000), line = BUF_INIT(1000);

		out_safe_text(&text, safe_rows[i].in);
		out_safe_line(&line, safe_rows[i].in);
		assert_slice_row(buf_slice(&text), safe_rows[i].text, i);
		assert_slice_row(buf_slice(&line), safe_rows[i].line, i);
	}
}

/* What an out wrote. */
static char *written(FILE *f, char ret[], size_t room)
{
	size_t n;

	rewind(f);
	n = fread(ret, 1, room - 1, f);
	ret[n] = 0;
	return ret;
}

static void documents_are_escaped_and_stay_the_same(void **state)
{
	static const char in[] =
		"{\"b\":\"\\u001b\\u202ex\\ud83d\\ude00\\udb40\\udc41\\n\",\"a\":[1,"
		"2.5,null,true]}";
	static const char want[] = "{\"b\":\"\\u001B\\u202ex\xf0\x9f\x98\x80\\udb40\\udc41\\n\","
				   "\"a\":[1,2.5,null,true]}";
	AUTO(buf_release) struct buf b = BUF_INIT(1000);
	AUTO(doc_freep) struct doc *d = NULL;

	(void)state;
	assert_int_equal(doc_parse(slice_str(in), &d), OK);
	doc_write(d, DOC_PLAIN, &b);
	assert_string_equal(buf_cstr(&b), want);
}

static void the_first_failure_sticks(void **state)
{
	FILE *full = fopen("/dev/full", "w");
	struct fail fail = { 0 };
	struct out o;

	(void)state;
	out_init(&o, full);
	out_str(&o, "x");
	assert_false(out_failed(&o)); /* it is in a buffer */
	assert_int_equal(out_flush(&o, &fail), ERR_IO);
	assert_string_equal(fail.what, "cannot write the output: No space left on device");
	assert_true(out_failed(&o) && !out_broken(&o));
	out_str(&o, "y");
	assert_int_equal(o.error, ENOSPC);
	fclose(full);
}

static void a_reader_that_is_gone_is_known(void **state)
{
	int fds[2];
	struct out o;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	out_init(&o, fdopen(fds[1], "w"));
	out_str(&o, "x");
	assert_int_equal(out_flush(&o, NULL), ERR_IO);
	assert_true(out_broken(&o));
	fclose(o.f);
}

static void tables_are_as_wide_as_what_is_seen(void **state)
{
	static const struct table_column columns[] = { { "id", 0 }, { "subject", 6 }, { "t", 0 } };
	static const char *const cells[] = {
		"1", "short",         "a", "22",        "\xe4\xbd\xa0\xe5\xa5\xbd", "b",
		"3", "much too long", "c", "4",         "e\xcc\x81t\xc3\xa9",       "d",
		"5", "x\ny\033",      "e", "left over",
	};
	AUTO(table_freep) struct table *t = table_new(columns, ARRAY_LEN(columns));
	FILE *f = tmpfile();
	char text[500];
	struct out o;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cells); i++)
		table_cell(t, slice_str(cells[i]));
	out_init(&o, f);
	table_print(t, &o);
	assert_int_equal(out_flush(&o, NULL), OK);
	assert_string_equal(written(f, text, sizeof(text)), "id  subject  t\n"
							    "1   short    a\n"
							    "22  \xe4\xbd\xa0\xe5\xa5\xbd     b\n"
							    "3   much \xe2\x80\xa6   c\n"
							    "4   e\xcc\x81t\xc3\xa9      d\n"
							    "5   x y<U\xe2\x80\xa6   e\n");
	fclose(f);
}

static void a_field_without_a_value_is_left_out(void **state)
{
	FILE *f = tmpfile();
	char text[100];
	struct out o;

	(void)state;
	out_init(&o, f);
	out_field(&o, "A:", S(""));
	out_field(&o, "B:", S("x\r\nC: y"));
	assert_int_equal(out_flush(&o, NULL), OK);
	assert_string_equal(written(f, text, sizeof(text)), "B: x C: y\n");
	fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_of_others_are_made_harmless),
		cmocka_unit_test(documents_are_escaped_and_stay_the_same),
		cmocka_unit_test(the_first_failure_sticks),
		cmocka_unit_test(a_reader_that_is_gone_is_known),
		cmocka_unit_test(tables_are_as_wide_as_what_is_seen),
		cmocka_unit_test(a_field_without_a_value_is_left_out),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
