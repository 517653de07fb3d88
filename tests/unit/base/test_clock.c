/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 3339 both ways, RFC 1123, before 1970 and at the ends of the range. */
#include "common/base/clock.h"
#include "tests/unit/test.h"

static void malformed_times_are_refused(void **state)
{
	static const struct slice rows[] = {
		SLICE_INIT(""),
		SLICE_INIT("2026"),
		SLICE_INIT("2026-01-15"),
		SLICE_INIT("2026-01-15T10:30:00"),
		SLICE_INIT("2026-01-15T10:30Z"),
		SLICE_INIT("2026-01-15 10:30:00Z"),
		SLICE_INIT("2026-1-15T10:30:00Z"),
		SLICE_INIT("+026-01-15T10:30:00Z"),
		SLICE_INIT("2026-01-15T10:30:00ZZ"),
		SLICE_INIT("2026-01-15T10:30:00Z\0"),
		SLICE_INIT("2026-01-15T10:30:00.Z"),
		SLICE_INIT("2026-01-15T10:30:00.1234567890Z"),
		SLICE_INIT("2026-00-15T10:30:00Z"),
		SLICE_INIT("2026-13-15T10:30:00Z"),
		SLICE_INIT("2026-01-00T10:30:00Z"),
		SLICE_INIT("2026-01-32T10:30:00Z"),
		SLICE_INIT("2026-02-29T10:30:00Z"),
		SLICE_INIT("2026-04-31T10:30:00Z"),
		SLICE_INIT("2026-01-15T24:00:00Z"),
		SLICE_INIT("2026-01-15T10:60:00Z"),
		SLICE_INIT("2026-01-15T10:30:61Z"),
		SLICE_INIT("2026-01-15T10:30:00+24:00"),
		SLICE_INIT("2026-01-15T10:30:00+01:60"),
		SLICE_INIT("2026-01-15T10:30:00+0100"),
		SLICE_INIT("2026-01-15T10:30:00+01:0"),
		SLICE_INIT("2026-01-15T10:30:00*01:00"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t t = 4711;

		assert_row(i, clock_parse_rfc3339(rows[i], &t) == ERR_INPUT);
		assert_row(i, t == 4711);
	}
}

static void well_formed_times_are_read(void **state)
{
	static const struct {
		struct slice text;
		int64_t want;
	} rows[] = {
		{ SLICE_INIT("1970-01-01T00:00:00Z"), 0 },
		{ SLICE_INIT("2026-01-15T10:30:00Z"), 1768473000000000 },
		{ SLICE_INIT("2026-01-15t10:30:00z"), 1768473000000000 },
		{ SLICE_INIT("2026-01-15T11:30:00+01:00"), 1768473000000000 },
		{ SLICE_INIT("2026-01-14T23:00:00-11:30"), 1768473000000000 },
		{ SLICE_INIT("2026-01-15T10:30:00.5Z"), 1768473000500000 },
		{ SLICE_INIT("2026-01-15T10:30:00.123456789Z"), 1768473000123456 },
		{ SLICE_INIT("1969-12-31T23:59:59.999999Z"), -1 },
		{ SLICE_INIT("2024-02-29T00:00:00Z"), 1709164800000000 },
		{ SLICE_INIT("2016-12-31T23:59:60Z"), 1483228800000000 },
		{ SLICE_INIT("0001-01-01T00:00:00Z"), -62135596800000000 },
		{ SLICE_INIT("9999-12-31T23:59:59.999999Z"), 253402300799999999 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t t = 4711;

		assert_row(i, clock_parse_rfc3339(rows[i].text, &t) == OK);
		assert_row(i, t == rows[i].want);
	}
}

static void times_are_written_without_trailing_zeros(void **state)
{
	static const struct {
		int64_t t;
		const char *us, *s;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z" },
		{ 1768473000500000, "2026-01-15T10:30:00.5Z", "2026-01-15T10:30:00Z" },
		{ 1768473000123456, "2026-01-15T10:30:00.123456Z", "2026-01-15T10:30:00Z" },
		{ 1768473000000001, "2026-01-15T10:30:00.000001Z", "2026-01-15T10:30:00Z" },
		{ -1, "1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59Z" },
		{ -1000000, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z" },
		{ -62135596800000000, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z" },
		{ INT64_MIN, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z" },
		{ INT64_MAX, "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59Z" },
	};
	char text[CLOCK_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		clock_rfc3339_us(rows[i].t, text);
		assert_slice_row(slice_str(text), slice_str(rows[i].us), i);
		clock_rfc3339_s(rows[i].t, text);
		assert_slice_row(slice_str(text), slice_str(rows[i].s), i);
	}
}

static void what_is_written_is_read_back(void **state)
{
	char text[CLOCK_TEXT_MAX];
	int64_t back;

	(void)state;
	for (int64_t t = -62135596800000000; t < 253402300800000000; t += 1234567890123456) {
		clock_rfc3339_us(t, text);
		assert_int_equal(clock_parse_rfc3339(slice_str(text), &back), OK);
		assert_int_equal(back, t);
	}
}

static void people_are_told_the_day_of_the_week(void **state)
{
	static const struct {
		int64_t t;
		const char *want;
	} rows[] = {
		{ 0, "Thu, 01 Jan 1970 00:00:00 UTC" },
		{ 1768473000999999, "Thu, 15 Jan 2026 10:30:00 UTC" },
		{ -1, "Wed, 31 Dec 1969 23:59:59 UTC" },
		{ INT64_MIN, "Mon, 01 Jan 0001 00:00:00 UTC" },
		{ INT64_MAX, "Fri, 31 Dec 9999 23:59:59 UTC" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[CLOCK_TEXT_MAX];

		clock_rfc1123(rows[i].t, text);
		assert_string_equal(text, rows[i].want);
	}
}

static void time_zone_of_the_process_does_not_matter(void **state)
{
	char text[CLOCK_TEXT_MAX];
	int64_t t;

	(void)state;
	setenv("TZ", "America/New_York", 1);
	tzset();
	clock_rfc3339_s(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
	assert_int_equal(clock_parse_rfc3339(S("1970-01-01T00:00:00Z"), &t), OK);
	assert_int_equal(t, 0);
	unsetenv("TZ");
	tzset();
}

static void clocks_do_not_run_backwards(void **state)
{
	int64_t mono = clock_mono_ms();

	(void)state;
	assert_true(clock_mono_ms() >= mono);
	assert_true(clock_now_us() > 1700000000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_times_are_refused),
		cmocka_unit_test(well_formed_times_are_read),
		cmocka_unit_test(times_are_written_without_trailing_zeros),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(people_are_told_the_day_of_the_week),
		cmocka_unit_test(time_zone_of_the_process_does_not_matter),
		cmocka_unit_test(clocks_do_not_run_backwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
