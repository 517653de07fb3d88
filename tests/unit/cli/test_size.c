/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes, the progress line, and media types: what people and servers are told of files. */
#include "cli/media_type.h"
#include "cli/progress.h"
#include "cli/size.h"
#include "tests/unit/test.h"

static void sizes_are_short(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *want;
	} rows[] = {
		{ 0, "0 bytes" },
		{ 1, "1 byte" },
		{ 999, "999 bytes" },
		{ 1000, "1.0 KB" },
		{ 9999, "9.9 KB" },
		{ 10000, "10 KB" },
		{ 999999, "999 KB" },
		{ 1000000, "1.0 MB" },
		{ 35500000, "35 MB" },
		{ 1000000000, "1.0 GB" },
		{ UINT64_MAX, "18446744 TB" },
	};
	char text[SIZE_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_text(rows[i].bytes, text);
		assert_slice_row(slice_str(text), slice_str(rows[i].want), i);
	}
}

static void progress_is_one_line(void **state)
{
	static const struct {
		bool up;
		uint64_t done, total;
		int64_t ms;
		const char *want;
	} rows[] = {
		{ true, 3100000, 12400000, 2000, "Sending 3.1 MB of 12 MB, 25 %, 1.5 MB/s" },
		{ false, 5000, 0, 1000, "Receiving 5.0 KB, 5.0 KB/s" },
		{ false, 5000, 4000, 1000, "Receiving 5.0 KB, 5.0 KB/s" },
		{ false, 5, 5, 0, "Receiving 5 bytes of 5 bytes, 100 %, 0 bytes/s" },
		{ true, UINT64_MAX, UINT64_MAX, 1000,
		  "Sending 18446744 TB of 18446744 TB, 100 %, 18446744 TB/s" },
	};
	char text[PROGRESS_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		progress_text(rows[i].up, rows[i].done, rows[i].total, rows[i].ms, text);
		assert_slice_row(slice_str(text), slice_str(rows[i].want), i);
	}
}

static void media_types_follow_the_ending(void **state)
{
	static const struct {
		const char *name, *want;
	} rows[] = {
		{ "a.pdf", "application/pdf" },
		{ "A.JPG", "image/jpeg" },
		{ "a.tar.gz", "application/gzip" },
		{ "a", "application/octet-stream" },
		{ "pdf", "application/octet-stream" },
		{ "a.pdf.exe", "application/octet-stream" },
		{ "", "application/octet-stream" },
		/* it must not be sent in base64 */
		{ "a.eml", "application/octet-stream" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_slice_row(slice_str(media_type_of(slice_str(rows[i].name))),
				 slice_str(rows[i].want), i);
	assert_string_equal(media_type_extension(S("text/plain")), ".txt");
	assert_string_equal(media_type_extension(S("message/rfc822")), ".eml");
	assert_string_equal(media_type_extension(S("x/y")), "");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_short),
		cmocka_unit_test(progress_is_one_line),
		cmocka_unit_test(media_types_follow_the_ending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
