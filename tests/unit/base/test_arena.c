/* SPDX-License-Identifier: Apache-2.0 */
/* Alignment, zeroing and blocks of all sizes. */
#include "common/base/arena.h"
#include "tests/unit/test.h"

static void memory_is_zeroed_and_aligned_at_every_size(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;

	(void)state;
	for (size_t n = 0; n < 9000; n += n / 3 + 1) {
		char *p = arena_alloc(&a, n);

		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, n);
	}
}

static void pieces_do_not_overlap(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	unsigned char *piece[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(piece); i++) {
		piece[i] = arena_alloc(&a, i * 37 % 5000 + 1);
		memset(piece[i], (int)i & 0xff, i * 37 % 5000 + 1);
	}
	for (size_t i = 0; i < ARRAY_LEN(piece); i++)
		for (size_t k = 0; k < i * 37 % 5000 + 1; k++)
			assert_int_equal(piece[i][k], i & 0xff);
}

static void copies_hold_nul_and_end_with_one(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice copy = arena_slice(&a, S("a\0b"));

	(void)state;
	assert_slice(copy, S("a\0b"));
	assert_int_equal(copy.p[3], 0);
	assert_string_equal(arena_dup(&a, slice_of(NULL, 0)), "");
	assert_string_equal(arena_strdup(&a, "x"), "x");
	assert_string_equal(arena_printf(&a, "%s-%05d", "x", 42), "x-00042");
}

static void small_pieces_go_on_filling_the_block_beside_a_large_one(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	char *before = arena_alloc(&a, 16), *after;

	(void)state;
	arena_alloc(&a, 100000);
	after = arena_alloc(&a, 16);
	assert_ptr_equal(after, before + 16);
}

static void used_counts_what_was_handed_out(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;

	(void)state;
	assert_int_equal(arena_used(&a), 0);
	arena_alloc(&a, 100000);
	assert_in_range(arena_used(&a), 100000, 100100);
	arena_release(&a);
	assert_int_equal(arena_used(&a), 0);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zeroed_and_aligned_at_every_size),
		cmocka_unit_test(pieces_do_not_overlap),
		cmocka_unit_test(copies_hold_nul_and_end_with_one),
		cmocka_unit_test(small_pieces_go_on_filling_the_block_beside_a_large_one),
		cmocka_unit_test(used_counts_what_was_handed_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
