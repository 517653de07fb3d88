/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/schedule.h"
#include "tests/unit/test.h"

static void a_schedule_is_a_list_of_times(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		int64_t last_ms, span_ms;
	} rows[] = {
		{ "5s", 1, 5000, 3600000 + 6000 },
		{ "  1s  2s ", 2, 2000, 3600000 + 3600 },
		{ "", 0, 0, 3600000 },
		{ "5s 1m 5m 30m 2h 5h 10h 14h 20h 24h", 10, 86400000, 330198000 },
		{ "365d", 1, INT64_C(31536000000), INT64_C(37846800000) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct schedule s = { .n = 99 };
		struct fail fail = { 0 };

		assert_int_equal(schedule_read(rows[i].text, &s, &fail), OK);
		assert_int_equal(s.n, rows[i].n);
		if (s.n)
			assert_true(s.wait_ms[s.n - 1] == rows[i].last_ms);
		assert_true(schedule_span_ms(&s) == rows[i].span_ms);
	}
}

static void what_is_none_is_refused(void **state)
{
	static const char *const rows[] = { "x",
					    "5s x",
					    "5s,1m",
					    "-1s",
					    "366d",
					    "99999999999999999999d",
					    ("1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s "
					     "1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s") };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct schedule s = { .n = 99 };
		struct fail fail = { 0 };

		assert_int_equal(schedule_read(rows[i], &s, &fail), ERR_CONFIG);
		assert_non_null(strstr(fail.what, "webhook_schedule"));
		assert_int_equal(s.n, 99);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_schedule_is_a_list_of_times),
		cmocka_unit_test(what_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
