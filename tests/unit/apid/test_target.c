/* SPDX-License-Identifier: Apache-2.0 */
/* Request targets: what is cut before it is decoded, and where odd ones are sent. */
#include "apid/target.h"
#include "tests/unit/test.h"

static void segments_are_decoded_after_they_are_cut(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct target t;

	(void)state;
	assert_int_equal(target_parse(S("/a/b%40c/%2Fd+e/%00"), &a, &t), OK);
	assert_int_equal(t.n, 4);
	assert_slice(t.segment[0], S("a"));
	assert_slice(t.segment[1], S("b@c"));
	assert_slice(t.segment[2], S("/d+e"));
	assert_slice(t.segment[3], S("\0"));
	assert_true(t.canonical);
}

static void broken_targets_are_refused(void **state)
{
	static const struct slice rows[] = {
		SLICE_INIT(""),     SLICE_INIT("*"),    SLICE_INIT("http://x/"), SLICE_INIT("/%"),
		SLICE_INIT("/a%4"), SLICE_INIT("/%zz"), SLICE_INIT("/%-1"),      SLICE_INIT("a/b"),
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct target t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_row(i, target_parse(rows[i], &a, &t) == ERR_INPUT);
}

static void odd_paths_are_sent_to_the_clean_one(void **state)
{
	static const struct {
		struct slice raw, want; /* want empty: canonical */
	} rows[] = {
		{ SLICE_INIT("/"), SLICE_INIT("") },
		{ SLICE_INIT("/a/b/"), SLICE_INIT("") },
		{ SLICE_INIT("/a/b.c/...?q=/../"), SLICE_INIT("") },
		{ SLICE_INIT("//a"), SLICE_INIT("/a") },
		{ SLICE_INIT("//evil.example/a"), SLICE_INIT("/evil.example/a") },
		{ SLICE_INIT("/a//b?x=1&y"), SLICE_INIT("/a/b?x=1&y") },
		{ SLICE_INIT("/a/./b/"), SLICE_INIT("/a/b/") },
		{ SLICE_INIT("/a/../../b"), SLICE_INIT("/b") },
		{ SLICE_INIT("/a/%2e%2E/b"), SLICE_INIT("/b") },
		{ SLICE_INIT("/.."), SLICE_INIT("/") },
		{ SLICE_INIT("/a/.%2e/b%40c\x80"), SLICE_INIT("/b%40c%80") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(buf_release) struct buf out = BUF_INIT(1000);
		struct target t;

		assert_row(i, target_parse(rows[i].raw, &a, &t) == OK);
		assert_row(i, t.canonical == (rows[i].want.n == 0));
		if (t.canonical)
			continue;
		target_canonical(&t, &out);
		assert_slice_row(buf_slice(&out), rows[i].want, i);
	}
}

static void the_first_of_equal_query_parameters_counts(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct target t;

	(void)state;
	assert_int_equal(target_parse(S("/p?a=1&a=2&b=x%20y+z&c&=v&d=%zz&e=%26"), &a, &t), OK);
	assert_slice(target_query(&t, S("a")), S("1"));
	assert_slice(target_query(&t, S("b")), S("x y z"));
	assert_slice(target_query(&t, S("c")), S(""));
	assert_slice(target_query(&t, S("d")), S(""));
	assert_slice(target_query(&t, S("e")), S("&"));
	assert_slice(t.path, S("/p"));
}

static void endless_paths_and_queries_are_cut(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf raw = BUF_INIT(100000);
	struct target t;

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_add_str(&raw, "/a");
	buf_add_char(&raw, '?');
	for (int i = 0; i < 1000; i++)
		buf_add_str(&raw, "k=v&");
	assert_int_equal(target_parse(buf_slice(&raw), &a, &t), OK);
	assert_true(t.deep);
	assert_int_equal(t.n, TARGET_SEGMENTS_MAX);
	assert_int_equal(t.query_n, TARGET_QUERY_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_are_decoded_after_they_are_cut),
		cmocka_unit_test(broken_targets_are_refused),
		cmocka_unit_test(odd_paths_are_sent_to_the_clean_one),
		cmocka_unit_test(the_first_of_equal_query_parameters_counts),
		cmocka_unit_test(endless_paths_and_queries_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
