/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/backoff.h"
#include "tests/unit/test.h"

static void waits_double_up_to_half_a_minute(void **state)
{
	static const int64_t want[] = { 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000 };

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct backoff b = { 0 };

		for (size_t i = 0; i < ARRAY_LEN(want); i++)
			assert_in_range(backoff_next(&b, 0), want[i] / 2, want[i]);
	}
}

static void waits_differ(void **state)
{
	int64_t least = INT64_MAX, most = 0;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct backoff b = { 0 };
		int64_t ms = backoff_next(&b, 0);

		least = ms < least ? ms : least;
		most = ms > most ? ms : most;
	}
	assert_true(least < 600 && most > 900);
}

static void a_server_that_says_when_is_obeyed_within_reason(void **state)
{
	struct backoff b = { 0 };

	(void)state;
	assert_int_equal(backoff_next(&b, 60000), 60000);
	assert_in_range(backoff_next(&b, 10), 1000, 2000);
	assert_in_range(backoff_next(&b, -1), 2000, 4000);
	assert_int_equal(backoff_next(&b, INT64_MAX), BACKOFF_TOLD_MAX_MS);
}

static void success_makes_them_short_again(void **state)
{
	struct backoff b = { 0 };

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_in_range(backoff_next(&b, 0), 500, BACKOFF_MAX_MS);
	backoff_reset(&b);
	assert_in_range(backoff_next(&b, 0), 500, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_double_up_to_half_a_minute),
		cmocka_unit_test(waits_differ),
		cmocka_unit_test(a_server_that_says_when_is_obeyed_within_reason),
		cmocka_unit_test(success_makes_them_short_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
