/* SPDX-License-Identifier: Apache-2.0 */
/* Ceilings, the sticky mark, and ceilings so high that arithmetic could wrap. */
#include "common/base/buf.h"
#include "tests/unit/test.h"

static void buf_stops_at_its_ceiling(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(4);

	(void)state;
	buf_add_str(&b, "abcd");
	assert_int_equal(buf_check(&b), OK);
	buf_add_char(&b, 'e');
	assert_int_equal(buf_check(&b), ERR_TOO_BIG);
	assert_slice(buf_slice(&b), S("abcd"));
}

static void overflow_is_sticky_until_reset(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(4);

	(void)state;
	buf_add_str(&b, "abcde");
	buf_add_str(&b, "a");
	buf_addf(&b, "%d", 1);
	buf_truncate(&b, 0);
	assert_true(buf_failed(&b));
	assert_int_equal(b.len, 0);
	buf_reset(&b);
	buf_add_str(&b, "a");
	assert_false(buf_failed(&b));
	assert_slice(buf_slice(&b), S("a"));
}

static void formatted_text_that_does_not_fit_is_dropped_whole(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(8);

	(void)state;
	buf_addf(&b, "%s", "12345");
	buf_addf(&b, "%s", "6789");
	assert_true(buf_failed(&b));
	assert_string_equal(buf_cstr(&b), "12345");
}

static void formatted_text_may_fill_the_ceiling(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(8);

	(void)state;
	buf_addf(&b, "%s", "12345678");
	assert_false(buf_failed(&b));
	assert_string_equal(buf_cstr(&b), "12345678");
}

static void ceiling_of_zero_takes_nothing_but_nothing(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(0);

	(void)state;
	buf_add(&b, NULL, 0);
	buf_add_str(&b, "");
	buf_addf(&b, "%s", "");
	assert_false(buf_failed(&b));
	assert_string_equal(buf_cstr(&b), "");
	buf_add_char(&b, 'x');
	assert_true(buf_failed(&b));
}

static void highest_ceiling_does_not_wrap(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(SIZE_MAX);

	(void)state;
	buf_add_str(&b, "abc");
	assert_slice(buf_slice(&b), S("abc"));
	buf_add(&b, "x", SIZE_MAX - 2);
	assert_true(buf_failed(&b));
	assert_slice(buf_slice(&b), S("abc"));
}

static void content_may_hold_nul_and_has_one_behind_it(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(100);

	(void)state;
	buf_add(&b, "a\0b", 3);
	assert_slice(buf_slice(&b), S("a\0b"));
	assert_int_equal(b.p[3], 0);
	buf_truncate(&b, 1);
	assert_string_equal(buf_cstr(&b), "a");
}

static void consume_keeps_what_is_behind(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(100);

	(void)state;
	buf_consume(&b, 3);
	buf_add_str(&b, "hello");
	buf_consume(&b, 0);
	buf_consume(&b, 2);
	assert_string_equal(buf_cstr(&b), "llo");
	buf_consume(&b, 99);
	assert_string_equal(buf_cstr(&b), "");
}

static void take_leaves_an_empty_usable_buffer(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(3);
	AUTO(mem_freep) char *first = NULL, *second = NULL, *third = NULL;

	(void)state;
	first = buf_take(&b);
	assert_string_equal(first, "");
	buf_add_str(&b, "abc");
	buf_add_str(&b, "d");
	second = buf_take(&b);
	assert_string_equal(second, "abc");
	assert_false(buf_failed(&b));
	buf_add_str(&b, "xyz");
	third = buf_take(&b);
	assert_string_equal(third, "xyz");
}

static void a_million_bytes_one_by_one_arrive_whole(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(1000000);

	(void)state;
	for (int i = 0; i < 1000000; i++)
		buf_add_char(&b, (char)i);
	assert_int_equal(buf_check(&b), OK);
	for (int i = 0; i < 1000000; i++)
		assert_true(b.p[i] == (char)i);
	buf_add_char(&b, 'x');
	assert_true(buf_failed(&b));
}

static void room_that_was_made_is_used(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(100);
	const char *at;

	(void)state;
	buf_reserve(&b, 10);
	assert_string_equal(buf_cstr(&b), "");
	at = b.p;
	buf_add_str(&b, "0123456789");
	assert_ptr_equal(b.p, at);
	buf_reserve(&b, SIZE_MAX);
	assert_int_equal(b.cap, 101);
	assert_string_equal(buf_cstr(&b), "0123456789");
	assert_false(buf_failed(&b));
	buf_reserve(&b, 0);
	assert_int_equal(b.cap, 101);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(room_that_was_made_is_used),
		cmocka_unit_test(buf_stops_at_its_ceiling),
		cmocka_unit_test(overflow_is_sticky_until_reset),
		cmocka_unit_test(formatted_text_that_does_not_fit_is_dropped_whole),
		cmocka_unit_test(formatted_text_may_fill_the_ceiling),
		cmocka_unit_test(ceiling_of_zero_takes_nothing_but_nothing),
		cmocka_unit_test(highest_ceiling_does_not_wrap),
		cmocka_unit_test(content_may_hold_nul_and_has_one_behind_it),
		cmocka_unit_test(consume_keeps_what_is_behind),
		cmocka_unit_test(take_leaves_an_empty_usable_buffer),
		cmocka_unit_test(a_million_bytes_one_by_one_arrive_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
