/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/fdlimit.h"
#include "tests/unit/test.h"

#include <sys/resource.h>

static void the_limit_goes_up_and_down_but_not_past_the_hard_one(void **state)
{
	static const struct {
		uint64_t want, have;
		bool enough;
	} rows[] = {
		{ 100, 100, true }, { 200, 200, true }, { 201, 200, false }, { 50, 50, true }
	};
	const struct rlimit hard = { .rlim_cur = 150, .rlim_max = 200 };

	(void)state;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &hard), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t have = 0;
		struct rlimit now;

		assert_int_equal(fdlimit_set(rows[i].want, &have), rows[i].enough);
		assert_int_equal(have, rows[i].have);
		assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
		assert_int_equal(now.rlim_cur, rows[i].have);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_limit_goes_up_and_down_but_not_past_the_hard_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
