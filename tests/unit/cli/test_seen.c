/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/seen.h"
#include "tests/unit/test.h"

static struct slice id_of(uint32_t n, char room[32])
{
	int len = snprintf(room, 32, "msg_%08x", n);

	return slice_of(room, (size_t)len);
}

static size_t add_range(struct seen *s, uint32_t from, uint32_t to)
{
	char room[32];
	size_t fresh = 0;

	for (uint32_t i = from; i < to; i++)
		fresh += seen_add(s, id_of(i, room));
	return fresh;
}

static void an_id_is_new_once(void **state)
{
	AUTO(seen_release) struct seen s;

	(void)state;
	seen_init(&s, 1024);
	assert_true(seen_add(&s, S("a")));
	assert_false(seen_add(&s, S("a")));
	assert_true(seen_add(&s, S("b")));
	assert_true(seen_add(&s, S("")));
	assert_false(seen_add(&s, S("")));
	assert_false(seen_add(&s, S("b")));
}

static void it_grows_and_forgets_nothing_below_its_maximum(void **state)
{
	AUTO(seen_release) struct seen s;

	(void)state;
	seen_init(&s, 16384);
	assert_int_equal(add_range(&s, 0, 16384), 16384);
	assert_int_equal(add_range(&s, 0, 16384), 0);
}

static void beyond_its_maximum_the_oldest_go(void **state)
{
	AUTO(seen_release) struct seen s;

	(void)state;
	seen_init(&s, 512);
	assert_int_equal(add_range(&s, 0, 512), 512);
	assert_int_equal(add_range(&s, 512, 520), 8);
	assert_int_equal(add_range(&s, 8, 520), 0);
	assert_int_equal(add_range(&s, 0, 8), 8); /* which makes 8 .. 15 go */
	assert_int_equal(add_range(&s, 16, 520), 0);
	assert_int_equal(add_range(&s, 8, 16), 8);
}

static void a_long_run_keeps_exactly_the_last_ones(void **state)
{
	AUTO(seen_release) struct seen s;

	(void)state;
	seen_init(&s, 256);
	for (uint32_t at = 0; at < 50000; at += 100) {
		assert_int_equal(add_range(&s, at, at + 100), 100);
		if (at >= 200)
			assert_int_equal(add_range(&s, at + 100 - 256, at + 100), 0);
	}
	assert_int_equal(s.n, 256);
	assert_int_equal(s.cap, 256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_id_is_new_once),
		cmocka_unit_test(it_grows_and_forgets_nothing_below_its_maximum),
		cmocka_unit_test(beyond_its_maximum_the_oldest_go),
		cmocka_unit_test(a_long_run_keeps_exactly_the_last_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
