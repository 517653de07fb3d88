/* SPDX-License-Identifier: Apache-2.0 */
/* Page tokens: the shape that clients know, and that nobody but us makes one. */
#include "apid/page_token.h"
#include "common/base/clock.h"
#include "tests/unit/test.h"

#define KEY S("0123456789abcdef0123456789abcdef")
#define ID "msg_00112233445566778899aabbccddeeff"

static void write(struct buf *ret)
{
	struct page_token t = { .id = S(ID),
				.filter = S("unread"),
				.agent = S("bot@agents.example.com") };

	assert_int_equal(clock_parse_rfc3339(S("2026-05-18T10:00:00.123456Z"), &t.created_us), OK);
	page_token_write(&t, S("u1"), KEY, ret);
	assert_false(buf_failed(ret));
}

static void a_token_begins_like_the_unsigned_one(void **state)
{
	AUTO(buf_release) struct buf token = BUF_INIT(PAGE_TOKEN_MAX);

	(void)state;
	write(&token);
	assert_true(slice_starts(
		buf_slice(&token),
		S("eyJjIjoiMjAyNi0wNS0xOFQxMDowMDowMC4xMjM0NTZaIiwiaSI6Im1zZ18wMDExMjIzMzQ0NTU2Njc3"
		  "ODg5OWFhYmJjY2RkZWVmZiIsInMiOiJ1bnJlYWQiLCJhIjoiYm90QGFnZW50cy5leGFtcGxlLmNvbS")));
}

static void a_token_comes_back_as_it_was(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf token = BUF_INIT(PAGE_TOKEN_MAX);
	struct page_token t;

	(void)state;
	write(&token);
	assert_int_equal(page_token_read(buf_slice(&token), S("u1"), KEY, &a, &t), OK);
	assert_slice(t.id, S(ID));
	assert_slice(t.filter, S("unread"));
	assert_slice(t.agent, S("bot@agents.example.com"));
	assert_int_equal(t.created_us % 1000000, 123456);
}

static void the_time_of_a_list_is_part_of_the_token(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf token = BUF_INIT(PAGE_TOKEN_MAX);
	struct page_token t = { .id = S(ID), .filter = S("x"), .as_of_us = 1234567 }, got;

	(void)state;
	page_token_write(&t, S("u1"), KEY, &token);
	assert_int_equal(page_token_read(buf_slice(&token), S("u1"), KEY, &a, &got), OK);
	assert_int_equal(got.as_of_us, 1234567);
	buf_reset(&token);
	write(&token);
	assert_int_equal(page_token_read(buf_slice(&token), S("u1"), KEY, &a, &got), OK);
	assert_int_equal(got.as_of_us, 0);
}

static void the_moments_of_a_list_are_part_of_the_token(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf token = BUF_INIT(PAGE_TOKEN_MAX);
	struct page_token t = { .id = S(ID), .filter = S("x"), .told = { 1234567, S("3:9:4,5") } };
	struct page_token got;

	(void)state;
	page_token_write(&t, S("u1"), KEY, &token);
	assert_int_equal(page_token_read(buf_slice(&token), S("u1"), KEY, &a, &got), OK);
	assert_true(got.told.at_us == 1234567 && got.upto.snapshot.n == 0);
	assert_slice(got.told.snapshot, S("3:9:4,5"));
	t.upto = (struct store_moment){ 7654321, S("11:11:") };
	buf_reset(&token);
	page_token_write(&t, S("u1"), KEY, &token);
	assert_int_equal(page_token_read(buf_slice(&token), S("u1"), KEY, &a, &got), OK);
	assert_true(got.told.at_us == 1234567 && got.upto.at_us == 7654321);
	assert_slice(got.upto.snapshot, S("11:11:"));
}

/* What fits into two moments, an address, and the name of a list. */
static void the_largest_token_fits(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf token = BUF_INIT(PAGE_TOKEN_MAX);
	static char many[STORE_MOMENT_SNAPSHOT_MAX + 1];
	struct page_token t = { .id = S(ID) }, got;

	(void)state;
	memset(many, '9', sizeof(many) - 1);
	t.told.snapshot = t.upto.snapshot = slice_str(many);
	t.filter = slice_sub(slice_str(many), 0, 100);
	t.agent = slice_sub(slice_str(many), 0, 320);
	page_token_write(&t, S("u1"), KEY, &token);
	assert_int_equal(page_token_read(buf_slice(&token), S("u1"), KEY, &a, &got), OK);
	assert_slice(got.upto.snapshot, slice_str(many));
}

static void another_user_or_key_cannot_use_it(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf token = BUF_INIT(PAGE_TOKEN_MAX);
	struct page_token t;

	(void)state;
	write(&token);
	assert_int_equal(page_token_read(buf_slice(&token), S("u2"), KEY, &a, &t), ERR_INPUT);
	assert_int_equal(page_token_read(buf_slice(&token), S("u1"), S("other"), &a, &t),
			 ERR_INPUT);
}

static void no_changed_byte_gets_through(void **state)
{
	AUTO(buf_release) struct buf token = BUF_INIT(PAGE_TOKEN_MAX);

	(void)state;
	write(&token);
	for (size_t i = 0; i < token.len; i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct page_token t;
		char old = token.p[i];

		token.p[i] = old == 'A' ? 'B' : 'A';
		assert_row(i, page_token_read(buf_slice(&token), S("u1"), KEY, &a, &t) != OK);
		token.p[i] = old;
	}
}

static void other_texts_are_no_tokens(void **state)
{
	static const struct slice rows[] = {
		SLICE_INIT(""),       SLICE_INIT("abc"), SLICE_INIT("e30"),
		SLICE_INIT("bnVsbA"), SLICE_INIT("W10"), SLICE_INIT("eyJtIjoiIn0"),
		SLICE_INIT("////"),   SLICE_INIT("\0"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct page_token t;

		assert_row(i, page_token_read(rows[i], S("u1"), KEY, &a, &t) == ERR_INPUT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_begins_like_the_unsigned_one),
		cmocka_unit_test(a_token_comes_back_as_it_was),
		cmocka_unit_test(the_time_of_a_list_is_part_of_the_token),
		cmocka_unit_test(the_moments_of_a_list_are_part_of_the_token),
		cmocka_unit_test(the_largest_token_fits),
		cmocka_unit_test(another_user_or_key_cannot_use_it),
		cmocka_unit_test(no_changed_byte_gets_through),
		cmocka_unit_test(other_texts_are_no_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
