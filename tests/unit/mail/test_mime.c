/* SPDX-License-Identifier: Apache-2.0 */
/* Text out of headers in the charsets that mail is written in, and in broken ones. */
#include "common/mail/mime.h"

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void assert_text(struct slice got, const char *want)
{
	if (!slice_eq(got, slice_str(want)))
		fail_msg("got \"%.*s\", want \"%s\"", SLICE_ARGS(got), want);
}

static void header_text_becomes_utf8(void **state)
{
	static const struct {
		struct slice value;
		const char *want;
	} rows[] = {
		{ SLICE_INIT(" Hello"), "Hello" },
		{ SLICE_INIT(" R\xc3\xa9sum\xc3\xa9"), "R\xc3\xa9sum\xc3\xa9" },
		{ SLICE_INIT("=?utf-8?q?R=C3=A9sum=C3=A9_=F0=9F=93=84_for_=E3=82=A2=E3=83=AA=E3=82="
			     "B9_a?= =?utf-8?q?_bc?="),
		  "R\xc3\xa9sum\xc3\xa9 \xf0\x9f\x93\x84 for \xe3\x82\xa2\xe3\x83\xaa\xe3\x82\xb9 a bc" },
		{ SLICE_INIT("=?UTF-8?B?w6k=?=\r\n =?UTF-8?B?w6k=?="), "\xc3\xa9\xc3\xa9" },
		{ SLICE_INIT("=?utf-8?B?ww==?= =?utf-8?B?qQ==?="), "\xc3\xa9" },
		{ SLICE_INIT("=?utf-8?B?YQ==?= =?UTF-8?b?YWI=?= =?utf-8?B?YWJj?= x"), "aababc x" },
		{ SLICE_INIT("=?utf-8?B?w6k=?= =?utf-8?q?=C3=A9?= =?utf-8?B?w6k?="),
		  "\xc3\xa9\xc3\xa9\xc3\xa9" },
		{ SLICE_INIT("=?iso-8859-1?q?caf=e9?= x"), "caf\xc3\xa9 x" },
		{ SLICE_INIT("=?iso-8859-15?q?=a4?="), "\xe2\x82\xac" },
		{ SLICE_INIT("=?windows-1252?q?=80?="), "\xe2\x82\xac" },
		{ SLICE_INIT("=?koi8-r?q?=f0?="), "\xd0\x9f" },
		{ SLICE_INIT("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?="), "\xe6\x97\xa5\xe6\x9c\xac" },
		{ SLICE_INIT("=?shift_jis?B?k/qWew==?="), "\xe6\x97\xa5\xe6\x9c\xac" },
		{ SLICE_INIT("=?euc-kr?B?x9E=?="), "\xed\x95\x9c" },
		{ SLICE_INIT("=?gb18030?b?xOO6ww==?="), "\xe4\xbd\xa0\xe5\xa5\xbd" },
		{ SLICE_INIT("=?big5?b?p0E=?="), "\xe4\xbd\xa0" },
		{ SLICE_INIT("=?utf-8*en?q?x?="), "x" },
		/* raw bytes in no declared charset */
		{ SLICE_INIT(" caf\xe9 \x80 \x93x\x94"),
		  "caf\xc3\xa9 \xe2\x82\xac \xe2\x80\x9cx\xe2\x80\x9d" },
		{ SLICE_INIT("caf\xe9 =?utf-8?q?=C3=A9?="), "caf\xc3\xa9 \xc3\xa9" },
		/* unknown and broken */
		{ SLICE_INIT("=?x-unknown?q?a=41?="), "aA" },
		{ SLICE_INIT("=?x-unknown?b?YfxiYQ=?= =??q?=e9?="), "a\xc3\xbc"
								    "ba\xc3\xa9" },
		{ SLICE_INIT("=?utf-8//TRANSLIT?q?=e9?="), "\xc3\xa9" },
		{ SLICE_INIT("=?ks_c_5601-1987?B?x9E=?="), "\xed\x95\x9c" },
		{ SLICE_INIT("=?gb2312?q?=96=9A?="), "\xe6\x9e\xa4" },
		{ SLICE_INIT("why=?x?no =?a?b c =?utf-8?q?a b?="), "why=?x?no =?a?b c a b" },
		{ SLICE_INIT("=?utf-8?q?open"), "=?utf-8?q?open" },
		{ SLICE_INIT("=?"), "=?" },
		/* nothing that could break a line, a column or a terminal */
		{ SLICE_INIT("a\r\n\tb"), "a b" },
		{ SLICE_INIT("a\0b"), "ab" },
		{ SLICE_INIT("=?us-ascii?q?a=0D=0AX:y=1B?="), "a  X:y" },
		{ SLICE_INIT("\x1b[31mred\x7f"), "[31mred" },
		{ SLICE_INIT(""), "" },
		{ SLICE_INIT(" \r\n "), "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;

		assert_text(mime_text(rows[i].value, 1000, &a), rows[i].want);
	}
}

static void text_is_cut_at_a_code_point(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;

	(void)state;
	assert_text(mime_text(S("ab\xc3\xa9z"), 5, &a), "ab\xc3\xa9z");
	assert_text(mime_text(S("ab\xc3\xa9z"), 4, &a), "ab\xc3\xa9");
	assert_text(mime_text(S("ab\xc3\xa9z"), 3, &a), "ab");
	assert_text(mime_text(S("ab"), 0, &a), "");
}

static void a_huge_value_is_read_to_its_limit(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf b = BUF_INIT(1 << 20);
	struct slice got;

	(void)state;
	buf_add_char(&b, 'x');
	while (b.len < 200 * 1024)
		buf_add_str(&b, "\xe2\x82\xac");
	got = mime_text(buf_slice(&b), SIZE_MAX, &a);
	assert_true(utf8_valid(got));
	assert_true(got.n >= 16380 && got.n <= 16384);
}

/* GMime remembers charset names for ever; nobody may fill the memory with them. */
static void only_exact_text_keeps_the_blanks_of_words(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice value = S(" =?utf-8?q?_a?=\r\n =?utf-8?q?_b_?= ");

	(void)state;
	assert_text(mime_text_exact(value, 100, &a), " a b ");
	assert_text(mime_text(value, 100, &a), "a b");
	assert_text(mime_text_exact(S(" two  blanks "), 100, &a), "two  blanks");
}

static void dates_are_written_as_they_are_read(void **state)
{
	static const struct {
		int64_t us;
		const char *want;
	} rows[] = {
		{ 1768473600000000, "Thu, 15 Jan 2026 10:40:00 +0000" },
		{ 0, "Thu, 01 Jan 1970 00:00:00 +0000" },
		{ 951782400000000, "Tue, 29 Feb 2000 00:00:00 +0000" },
		{ 253402300799000000, "Fri, 31 Dec 9999 23:59:59 +0000" },
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf b = BUF_INIT(100);
	int64_t us;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&b);
		assert_int_equal(mime_date_write(rows[i].us, &b), OK);
		assert_string_equal(buf_cstr(&b), rows[i].want);
		assert_int_equal(mime_date(buf_slice(&b), &a, &us), OK);
		assert_int_equal(us, rows[i].us);
	}
	assert_int_equal(mime_date_write(INT64_MAX, &b), ERR_INPUT);
	assert_int_equal(mime_date_write(INT64_MIN, &b), ERR_INPUT);
}

static void invented_charsets_leave_nothing_behind(void **state)
{
	size_t before = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		const char *word = arena_printf(&a, "=?x-%d?q?a?=", i);

		assert_text(mime_text(slice_str(word), 100, &a), "a");
		if (i == 1000)
			before = mallinfo2().uordblks;
	}
	assert_true(mallinfo2().uordblks < before + 100000);
}

static int setup(void **state)
{
	(void)state;
	mime_init();
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_text_becomes_utf8),
		cmocka_unit_test(text_is_cut_at_a_code_point),
		cmocka_unit_test(only_exact_text_keeps_the_blanks_of_words),
		cmocka_unit_test(dates_are_written_as_they_are_read),
		cmocka_unit_test(invented_charsets_leave_nothing_behind),
		cmocka_unit_test(a_huge_value_is_read_to_its_limit),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
