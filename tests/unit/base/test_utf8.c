/* SPDX-License-Identifier: Apache-2.0 */
/* Every malformed shape of RFC 3629, and repairs that Postgres takes. */
#include "common/base/utf8.h"
#include "tests/unit/test.h"

static void invalid_sequences_are_recognised(void **state)
{
	static const struct slice rows[] = {
		SLICE_INIT("\x80"),             /* continuation alone */
		SLICE_INIT("\xbf"),             /* the same */
		SLICE_INIT("\xc0\x80"),         /* overlong NUL */
		SLICE_INIT("\xc1\xbf"),         /* overlong DEL */
		SLICE_INIT("\xe0\x9f\xbf"),     /* overlong, three bytes */
		SLICE_INIT("\xf0\x8f\xbf\xbf"), /* overlong, four bytes */
		SLICE_INIT("\xed\xa0\x80"),     /* U+D800 */
		SLICE_INIT("\xed\xbf\xbf"),     /* U+DFFF */
		SLICE_INIT("\xf4\x90\x80\x80"), /* above U+10FFFF */
		SLICE_INIT("\xf5\x80\x80\x80"),
		SLICE_INIT("\xfe"),
		SLICE_INIT("\xff"),
		SLICE_INIT("\xc3"),         /* cut off */
		SLICE_INIT("\xe2\x82"),     /* cut off */
		SLICE_INIT("\xf0\x9f\x93"), /* cut off */
		SLICE_INIT("\xc3("),
		SLICE_INIT("\xe2\x28\xa1"),
		SLICE_INIT("\xe2\x82\x28"),
		SLICE_INIT("\xf0\x9f\x93("),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_row(i, utf8_len(rows[i]) == 0);
		assert_row(i, !utf8_valid(rows[i]));
	}
}

static void valid_sequences_have_their_length_at_both_ends_of_each_range(void **state)
{
	static const struct {
		struct slice text;
		size_t len;
	} rows[] = {
		{ SLICE_INIT("\0"), 1 },
		{ SLICE_INIT("\x7f"), 1 },
		{ SLICE_INIT("\xc2\x80"), 2 },
		{ SLICE_INIT("\xdf\xbf"), 2 },
		{ SLICE_INIT("\xe0\xa0\x80"), 3 },
		{ SLICE_INIT("\xed\x9f\xbf"), 3 },
		{ SLICE_INIT("\xee\x80\x80"), 3 },
		{ SLICE_INIT("\xef\xbf\xbf"), 3 },
		{ SLICE_INIT("\xf0\x90\x80\x80"), 4 },
		{ SLICE_INIT("\xf4\x8f\xbf\xbf"), 4 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_row(i, utf8_len(rows[i].text) == rows[i].len);
		assert_row(i, utf8_valid(rows[i].text));
	}
}

static void clean_replaces_bad_bytes_and_drops_nul(void **state)
{
	static const struct {
		struct slice in, want;
	} rows[] = {
		{ SLICE_INIT("a\0b"), SLICE_INIT("ab") },
		{ SLICE_INIT("\0"), SLICE_INIT("") },
		{ SLICE_INIT("\xe4"), SLICE_INIT("\xef\xbf\xbd") },
		{ SLICE_INIT("a\xe2\x82"), SLICE_INIT("a\xef\xbf\xbd\xef\xbf\xbd") },
		{ SLICE_INIT("\xff\xc3\xa4\0x"), SLICE_INIT("\xef\xbf\xbd\xc3\xa4x") },
		{ SLICE_INIT("\xed\xa0\x80"), SLICE_INIT("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd") },
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice got = utf8_clean(&a, rows[i].in);

		assert_slice_row(got, rows[i].want, i);
		assert_row(i, utf8_valid(got));
	}
}

static void clean_text_is_not_copied(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice text = S("R\xc3\xa9sum\xc3\xa9"), none = { NULL, 0 };

	(void)state;
	assert_ptr_equal(utf8_clean(&a, text).p, text.p);
	assert_null(utf8_clean(&a, none).p);
	assert_int_equal(arena_used(&a), 0);
}

static void cut_never_splits_a_code_point(void **state)
{
	static const struct {
		size_t max;
		struct slice want;
	} rows[] = {
		{ 0, SLICE_INIT("") },
		{ 1, SLICE_INIT("a") },
		{ 2, SLICE_INIT("a") },
		{ 3, SLICE_INIT("a\xc3\xa4") },
		{ 6, SLICE_INIT("a\xc3\xa4") },
		{ 7, SLICE_INIT("a\xc3\xa4\xf0\x9f\x93\x84") },
		{ 99, SLICE_INIT("a\xc3\xa4\xf0\x9f\x93\x84") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_slice_row(utf8_cut(S("a\xc3\xa4\xf0\x9f\x93\x84"), rows[i].max),
				 rows[i].want, i);
	assert_in_range(utf8_cut(S("\x80\x80\x80\x80\x80\x80\x80\x80"), 6).n, 3, 6);
}

static void count_takes_each_bad_byte_as_one(void **state)
{
	(void)state;
	assert_int_equal(utf8_count(S("")), 0);
	assert_int_equal(utf8_count(S("a\xc3\xa4\xf0\x9f\x93\x84")), 3);
	assert_int_equal(utf8_count(S("\xff\xe2\x82x")), 4);
}

static void a_code_point_becomes_its_sequence(void **state)
{
	static const struct {
		uint32_t c;
		const char *want;
	} rows[] = {
		{ 'a', "a" },
		{ 0x7f, "\x7f" },
		{ 0x80, "\xc2\x80" },
		{ 0x7ff, "\xdf\xbf" },
		{ 0x800, "\xe0\xa0\x80" },
		{ 0xfffd, "\xef\xbf\xbd" },
		{ 0x10000, "\xf0\x90\x80\x80" },
		{ 0x10ffff, "\xf4\x8f\xbf\xbf" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char got[4];

		assert_slice_row(slice_of(got, utf8_encode(rows[i].c, got)),
				 slice_str(rows[i].want), i);
	}
}

static void a_line_has_no_controls_and_an_end(void **state)
{
	static const struct {
		struct slice in;
		size_t max;
		struct slice want;
	} rows[] = {
		{ SLICE_INIT("a"), 9, SLICE_INIT("a") },
		{ SLICE_INIT(" a\r\nb\0c\x7f"), 9, SLICE_INIT("a  b c") },
		{ SLICE_INIT("\n\t"), 9, SLICE_INIT("") },
		{ SLICE_INIT("ab cd"), 3, SLICE_INIT("ab") },
		{ SLICE_INIT("a\xc3\xa4"), 2, SLICE_INIT("a") },
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_slice_row(utf8_line(&a, rows[i].in, rows[i].max), rows[i].want, i);
}

#define MARK "\xef\xbf\xbd"

static void what_a_reader_cannot_see_is_marked(void **state)
{
	static const struct {
		struct slice text, want;
	} rows[] = {
		{ SLICE_INIT(""), SLICE_INIT("") },
		{ SLICE_INIT("a\tb\nc \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
		  SLICE_INIT("a\tb\nc \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80") },
		{ SLICE_INIT("a\0b\rc\x1b[1md\x7f"),
		  SLICE_INIT("a" MARK "b" MARK "c" MARK "[1md" MARK) },
		{ SLICE_INIT("\xc2\x80\xc2\x9f\xc2\xa0"), SLICE_INIT(MARK MARK "\xc2\xa0") },
		{ SLICE_INIT("\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9"),
		  SLICE_INIT("\xe2\x80\xa7" MARK MARK) },
		{ SLICE_INIT("\xe2\x80\xaa\xe2\x80\xae\xe2\x80\xaf"),
		  SLICE_INIT(MARK MARK "\xe2\x80\xaf") },
		{ SLICE_INIT("\xe2\x81\xa5\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa"),
		  SLICE_INIT("\xe2\x81\xa5" MARK MARK "\xe2\x81\xaa") },
		{ SLICE_INIT("\xff\xc3"), SLICE_INIT(MARK MARK) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;

		assert_slice_row(utf8_plain(&a, rows[i].text), rows[i].want, i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_reader_cannot_see_is_marked),
		cmocka_unit_test(invalid_sequences_are_recognised),
		cmocka_unit_test(valid_sequences_have_their_length_at_both_ends_of_each_range),
		cmocka_unit_test(clean_replaces_bad_bytes_and_drops_nul),
		cmocka_unit_test(clean_text_is_not_copied),
		cmocka_unit_test(cut_never_splits_a_code_point),
		cmocka_unit_test(count_takes_each_bad_byte_as_one),
		cmocka_unit_test(a_line_has_no_controls_and_an_end),
		cmocka_unit_test(a_code_point_becomes_its_sequence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
