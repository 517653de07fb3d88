/* SPDX-License-Identifier: Apache-2.0 */
/* Heads that say in one way where their request ends, and heads that do not. */
#include "apid/framing.h"
#include "tests/unit/test.h"

enum { FIELDS = 3 };

struct row {
	const char *field[FIELDS][2];
	bool http_1_0;
};

static bool is_clear(const struct row *row)
{
	struct framing f = { 0 };

	for (size_t i = 0; i < FIELDS && row->field[i][0]; i++)
		framing_field(&f, slice_str(row->field[i][0]), slice_str(row->field[i][1]));
	return framing_is_clear(&f, !row->http_1_0);
}

static void a_plain_head_is_clear(void **state)
{
	static const struct row rows[] = {
		{ .field = { { NULL } } },
		{ .field = { { NULL } }, .http_1_0 = true },
		{ .field = { { "Host", "x" }, { "Content-Length", "5" } } },
		{ .field = { { "content-length", "5" } }, .http_1_0 = true },
		{ .field = { { "transfer-encoding", "Chunked" }, { "X-A.b_c", "" } } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_row(i, is_clear(&rows[i]));
}

static void a_head_that_can_be_read_in_two_ways_is_not(void **state)
{
	static const struct row rows[] = {
		{ .field = { { "Content-Length", "5" }, { "Content-Length", "6" } } },
		{ .field = { { "Content-Length", "5" }, { "content-length", "5" } } },
		{ .field = { { "Content-Length", "5" }, { "Transfer-Encoding", "chunked" } } },
		{ .field = { { "Transfer-Encoding", "chunked" },
			     { "Transfer-Encoding", "chunked" } } },
		{ .field = { { "Transfer-Encoding", "identity" } } },
		{ .field = { { "Transfer-Encoding", "gzip, chunked" } } },
		{ .field = { { "Transfer-Encoding", "chunked, chunked" } } },
		{ .field = { { "Transfer-Encoding", "xchunked" } } },
		{ .field = { { "Transfer-Encoding", "chunked " } } },
		{ .field = { { "Transfer-Encoding", "" } } },
		{ .field = { { "Transfer-Encoding", "chunked" } }, .http_1_0 = true },
		{ .field = { { "Content-Length ", "5" } } },
		{ .field = { { "Content-Length\t", "5" } } },
		{ .field = { { "Content\rLength", "5" } } },
		{ .field = { { "X y", "5" } } },
		{ .field = { { "", "5" } } },
		{ .field = { { "X(y)", "5" } } },
		{ .field = { { "X\xc3\xa9", "5" } } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_row(i, !is_clear(&rows[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_head_is_clear),
		cmocka_unit_test(a_head_that_can_be_read_in_two_ways_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
