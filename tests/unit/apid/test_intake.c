/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that come in: what they take of the budget, and what becomes of those it has no room for.
 */
#include "apid/intake.h"
#include "tests/unit/test.h"

enum { MIB = 1024 * 1024 };

static char bytes[4 * MIB];
static const struct netaddr somebody = { .b = { 192, 0, 2, 1 }, .n = 4 };
static const struct netaddr other = { .b = { 192, 0, 2, 2 }, .n = 4 };

static bool feed(struct intake *i, size_t n)
{
	return intake_take(i, slice_of(bytes, n));
}

static void small_bodies_are_free(void **state)
{
	struct shares shares = { .all.limit = 0, .each = SIZE_MAX };
	AUTO(buf_release) struct buf body = BUF_INIT(10 * MIB);
	struct intake i;

	(void)state;
	intake_init(&i, &shares, &somebody, &body);
	assert_true(intake_expect(&i, INTAKE_FREE));
	assert_true(feed(&i, INTAKE_FREE - 1) && feed(&i, 1));
	assert_int_equal(body.len, INTAKE_FREE);
	assert_false(i.refused);
	assert_true(feed(&i, 1));
	assert_true(i.refused);
	intake_release(&i);
}

static void what_is_announced_is_reserved_as_it_comes(void **state)
{
	struct shares shares = { .all.limit = 5 * MIB, .each = 5 * MIB };
	AUTO(buf_release) struct buf one = BUF_INIT(10 * MIB), two = BUF_INIT(10 * MIB);
	struct intake i, k;

	(void)state;
	intake_init(&i, &shares, &somebody, &one);
	intake_init(&k, &shares, &somebody, &two);
	assert_true(intake_expect(&i, 4 * MIB));
	assert_true(intake_expect(&k, 3 * MIB));
	assert_true(feed(&i, INTAKE_FREE));
	assert_int_equal(shares.all.used, 0);
	assert_true(feed(&i, 1));
	assert_int_equal(shares.all.used, INTAKE_FREE + 1 + INTAKE_STEP);
	assert_true(feed(&i, 4 * MIB - INTAKE_FREE - 1));
	assert_int_equal(one.cap, 4 * MIB + 1);
	assert_int_equal(shares.all.used, 4 * MIB);
	assert_true(feed(&k, 2 * MIB));
	assert_true(k.refused);
	assert_int_equal(shares.all.used, 4 * MIB);
	intake_release(&i);
	assert_int_equal(shares.all.used, 0);
	intake_release(&k);
	intake_release(&k);
	assert_int_equal(shares.all.used, 0);
}

static void what_finds_no_room_is_refused_before_it_comes(void **state)
{
	struct shares shares = { .all.limit = 5 * MIB, .each = 3 * MIB };
	AUTO(buf_release)
	struct buf one = BUF_INIT(10 * MIB),
		   two = BUF_INIT(10 * MIB), three = BUF_INIT(10 * MIB);
	struct intake i, k, l;

	(void)state;
	intake_init(&i, &shares, &somebody, &one);
	intake_init(&k, &shares, &somebody, &two);
	intake_init(&l, &shares, &other, &three);
	assert_true(intake_expect(&i, 2 * MIB) && feed(&i, 2 * MIB));
	assert_false(intake_expect(&k, 2 * MIB));
	assert_true(k.refused);
	assert_true(intake_expect(&l, 2 * MIB) && feed(&l, 2 * MIB));
	assert_false(l.refused);
	intake_release(&i);
	intake_release(&k);
	intake_release(&l);
	assert_int_equal(shares.all.used, 0);
}

static void more_than_a_route_admits_is_never_reserved(void **state)
{
	struct shares shares = { .all.limit = 100 * (size_t)MIB, .each = SIZE_MAX };
	AUTO(buf_release) struct buf body = BUF_INIT(2 * MIB);
	struct intake i;

	(void)state;
	intake_init(&i, &shares, &somebody, &body);
	assert_true(intake_expect(&i, UINT64_MAX));
	assert_true(feed(&i, 2 * MIB));
	assert_false(buf_failed(&body));
	assert_true(feed(&i, 1));
	assert_true(buf_failed(&body) && !i.refused);
	assert_true(feed(&i, INTAKE_DISCARD_MAX - 1));
	assert_false(feed(&i, 1));
	assert_int_equal(shares.all.used, 2 * MIB);
	intake_release(&i);
}

static void a_body_of_unknown_length_reserves_as_it_comes(void **state)
{
	struct shares shares = { .all.limit = 3 * MIB, .each = SIZE_MAX };
	AUTO(buf_release) struct buf body = BUF_INIT(10 * MIB);
	struct intake i;

	(void)state;
	intake_init(&i, &shares, &somebody, &body);
	assert_true(intake_expect(&i, 0));
	assert_true(feed(&i, INTAKE_FREE));
	assert_int_equal(shares.all.used, 0);
	for (size_t n = INTAKE_FREE; n < MIB; n += INTAKE_FREE)
		assert_true(feed(&i, INTAKE_FREE));
	assert_in_range(shares.all.used, MIB, 3 * MIB);
	assert_int_equal(body.len, MIB);
	assert_false(i.refused);
	intake_release(&i);
}

static void a_body_that_finds_no_room_is_read_to_its_end_and_not_kept(void **state)
{
	struct shares shares = { .all.limit = 2 * MIB, .each = SIZE_MAX };
	AUTO(buf_release) struct buf body = BUF_INIT(10 * MIB);
	struct intake i;

	(void)state;
	intake_init(&i, &shares, &somebody, &body);
	assert_true(intake_expect(&i, 0));
	assert_true(feed(&i, MIB));
	assert_true(shares.all.used > 0);
	assert_true(feed(&i, MIB + 1));
	assert_true(i.refused && body.len == 0 && shares.all.used == 0);
	for (int n = 0; n < 9; n++)
		assert_true(feed(&i, MIB));
	assert_true(body.len == 0 && shares.all.used == 0);
	assert_false(feed(&i, 2 * MIB)); /* no route admits so much */
	intake_release(&i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_bodies_are_free),
		cmocka_unit_test(what_is_announced_is_reserved_as_it_comes),
		cmocka_unit_test(what_finds_no_room_is_refused_before_it_comes),
		cmocka_unit_test(more_than_a_route_admits_is_never_reserved),
		cmocka_unit_test(a_body_of_unknown_length_reserves_as_it_comes),
		cmocka_unit_test(a_body_that_finds_no_room_is_read_to_its_end_and_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
