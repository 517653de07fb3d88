/* SPDX-License-Identifier: Apache-2.0 */
/* Slices at their edges: NULL, empty, NUL inside, numbers at the ends of their range. */
#include "tests/unit/test.h"

static const struct slice none = { NULL, 0 };

static void empty_slices_are_equal_wherever_they_point(void **state)
{
	(void)state;
	assert_true(slice_eq(none, S("")));
	assert_true(slice_ieq(S(""), none));
	assert_true(slice_eq(slice_str(NULL), none));
	assert_true(slice_starts(none, none));
	assert_true(slice_ends(S("a"), none));
}

static void nothing_is_found_in_nothing(void **state)
{
	(void)state;
	assert_int_equal(slice_find(none, 0), -1);
	assert_int_equal(slice_rfind(none, 0), -1);
	assert_int_equal(slice_search(none, S("a")), -1);
	assert_int_equal(slice_search(none, none), 0);
	assert_int_equal(slice_search(S("ab"), none), 0);
	assert_int_equal(slice_trim(none).n, 0);
	assert_false(slice_has_ctl(none));
}

static void sub_is_clamped_and_never_runs_backwards(void **state)
{
	static const struct {
		size_t from, to;
		struct slice want;
	} rows[] = {
		{ 0, 3, SLICE_INIT("abc") },       { 1, 2, SLICE_INIT("b") },
		{ 2, 1, SLICE_INIT("") },          { 4, 9, SLICE_INIT("") },
		{ 1, SIZE_MAX, SLICE_INIT("bc") }, { SIZE_MAX, SIZE_MAX, SLICE_INIT("") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_slice_row(slice_sub(S("abc"), rows[i].from, rows[i].to), rows[i].want, i);
	assert_int_equal(slice_sub(none, 1, 5).n, 0);
}

static void comparison_sees_bytes_behind_a_nul(void **state)
{
	(void)state;
	assert_false(slice_eq(S("a\0b"), S("a\0c")));
	assert_true(slice_ieq(S("A\0b"), S("a\0B")));
	assert_int_equal(slice_find(S("a\0b"), 'b'), 2);
	assert_int_equal(slice_search(S("a\0bc"), S("\0b")), 1);
	assert_true(slice_has_ctl(S("a\0b")));
}

static void only_letters_digits_and_others_are_let_through(void **state)
{
	(void)state;
	assert_true(slice_only(S("azAZ09"), ""));
	assert_true(slice_only(S("a-b"), "+-"));
	assert_true(slice_only(S(""), ""));
	assert_false(slice_only(S("a-b"), "+"));
	assert_false(slice_only(S("a\0b"), "+"));
	assert_false(slice_only(S("\xc3\xa4"), "+"));
}

static void case_is_ignored_for_ascii_letters_only(void **state)
{
	(void)state;
	assert_true(slice_ieq(S("azAZ09"), S("AZaz09")));
	assert_false(slice_ieq(S("@[`{"), S("`{@[")));
	assert_false(slice_ieq(S("\xc4"), S("\xe4")));
	assert_true(slice_istarts(S("X-E2A-Foo"), S("x-e2a-")));
	assert_false(slice_istarts(S("X-E2"), S("x-e2a-")));
	assert_true(slice_iends(S("a@EXAMPLE.org"), S("@example.ORG")));
	assert_false(slice_iends(S("org"), S("example.org")));
	assert_false(slice_starts(S("Ab"), S("ab")));
}

static void first_and_last_occurrences_differ(void **state)
{
	(void)state;
	assert_int_equal(slice_find(S("a@b@c"), '@'), 1);
	assert_int_equal(slice_rfind(S("a@b@c"), '@'), 3);
	assert_int_equal(slice_search(S("abab"), S("ab")), 0);
	assert_int_equal(slice_search(S("ab"), S("abc")), -1);
}

static void trim_takes_blanks_from_both_ends_only(void **state)
{
	(void)state;
	assert_slice(slice_trim(S(" \t\r\n a b \r\n")), S("a b"));
	assert_slice(slice_trim(S(" \t ")), S(""));
	assert_slice(slice_trim(S("\0 ")), S("\0"));
	assert_slice(slice_trim(S("\v")), S("\v"));
}

static void cut_visits_every_item_and_ends(void **state)
{
	static const struct {
		struct slice text;
		const char *want; /* items joined by | */
	} rows[] = {
		{ SLICE_INIT("a,b"), "a|b|" }, { SLICE_INIT(",a,"), "|a||" },
		{ SLICE_INIT(""), "|" },       { { NULL, 0 }, "" },
		{ SLICE_INIT("abc"), "abc|" }, { SLICE_INIT(",,"), "|||" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice rest = rows[i].text, item;
		char got[16];
		size_t n = 0;

		while (slice_cut(&rest, ',', &item)) {
			memcpy(got + n, item.p, item.n);
			n += item.n;
			got[n++] = '|';
		}
		assert_slice_row(slice_of(got, n), slice_str(rows[i].want), i);
	}
}

static void unsigned_numbers_are_digits_within_a_maximum(void **state)
{
	static const struct {
		struct slice text;
		uint64_t max;
		bool ok;
		uint64_t want;
	} rows[] = {
		{ SLICE_INIT(""), 9, false, 0 },
		{ SLICE_INIT(" 1"), 9, false, 0 },
		{ SLICE_INIT("1 "), 9, false, 0 },
		{ SLICE_INIT("+1"), 9, false, 0 },
		{ SLICE_INIT("-1"), 9, false, 0 },
		{ SLICE_INIT("0x1"), 9, false, 0 },
		{ SLICE_INIT("1\0"), 9, false, 0 },
		{ SLICE_INIT("\xb2"), 9, false, 0 },
		{ SLICE_INIT("10"), 9, false, 0 },
		{ SLICE_INIT("9"), 9, true, 9 },
		{ SLICE_INIT("0000000000000000000000000000007"), 9, true, 7 },
		{ SLICE_INIT("18446744073709551615"), UINT64_MAX, true, UINT64_MAX },
		{ SLICE_INIT("18446744073709551616"), UINT64_MAX, false, 0 },
		{ SLICE_INIT("99999999999999999999"), UINT64_MAX, false, 0 },
		{ SLICE_INIT("184467440737095516150"), UINT64_MAX, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = 4711;
		enum err e = slice_to_u64(rows[i].text, rows[i].max, &v);

		assert_row(i, (e == OK) == rows[i].ok);
		assert_row(i, v == (rows[i].ok ? rows[i].want : 4711));
	}
}

static void signed_numbers_reach_both_ends_of_their_range(void **state)
{
	static const struct {
		struct slice text;
		int64_t min, max;
		bool ok;
		int64_t want;
	} rows[] = {
		{ SLICE_INIT("-"), INT64_MIN, INT64_MAX, false, 0 },
		{ SLICE_INIT("--1"), INT64_MIN, INT64_MAX, false, 0 },
		{ SLICE_INIT(""), INT64_MIN, INT64_MAX, false, 0 },
		{ SLICE_INIT("-9223372036854775809"), INT64_MIN, INT64_MAX, false, 0 },
		{ SLICE_INIT("-9223372036854775808"), INT64_MIN, INT64_MAX, true, INT64_MIN },
		{ SLICE_INIT("9223372036854775807"), INT64_MIN, INT64_MAX, true, INT64_MAX },
		{ SLICE_INIT("9223372036854775808"), INT64_MIN, INT64_MAX, false, 0 },
		{ SLICE_INIT("-0"), 0, 5, true, 0 },
		{ SLICE_INIT("-1"), 0, 5, false, 0 },
		{ SLICE_INIT("6"), 0, 5, false, 0 },
		{ SLICE_INIT("-7"), -7, -3, true, -7 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t v = 4711;
		enum err e = slice_to_i64(rows[i].text, rows[i].min, rows[i].max, &v);

		assert_row(i, (e == OK) == rows[i].ok);
		assert_row(i, v == (rows[i].ok ? rows[i].want : 4711));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_slices_are_equal_wherever_they_point),
		cmocka_unit_test(nothing_is_found_in_nothing),
		cmocka_unit_test(sub_is_clamped_and_never_runs_backwards),
		cmocka_unit_test(comparison_sees_bytes_behind_a_nul),
		cmocka_unit_test(only_letters_digits_and_others_are_let_through),
		cmocka_unit_test(case_is_ignored_for_ascii_letters_only),
		cmocka_unit_test(first_and_last_occurrences_differ),
		cmocka_unit_test(trim_takes_blanks_from_both_ends_only),
		cmocka_unit_test(cut_visits_every_item_and_ends),
		cmocka_unit_test(unsigned_numbers_are_digits_within_a_maximum),
		cmocka_unit_test(signed_numbers_reach_both_ends_of_their_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
