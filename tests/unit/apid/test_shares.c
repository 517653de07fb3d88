/* SPDX-License-Identifier: Apache-2.0 */
/* What one client gets of the memory that all share. */
#include "apid/shares.h"
#include "tests/unit/test.h"

static struct netaddr address(const char *text)
{
	struct netaddr a;

	assert_int_equal(netaddr_parse(slice_str(text), &a), OK);
	return a;
}

static void one_client_gets_its_part_and_others_theirs(void **state)
{
	struct netaddr one = address("192.0.2.1"), two = address("192.0.2.2");
	struct shares s;

	(void)state;
	shares_init(&s, 400, 10);
	assert_true(shares_take(&s, &one, 60) && shares_take(&s, &one, 40));
	assert_false(shares_fit(&s, &one, 1));
	assert_false(shares_take(&s, &one, 1));
	assert_true(shares_take(&s, &two, 100));
	shares_give(&s, &one, 60);
	assert_true(shares_fit(&s, &one, 60));
	assert_false(shares_fit(&s, &one, 61));
	shares_give(&s, &one, 40);
	shares_give(&s, &two, 100);
	assert_int_equal(s.all.used, 0);
	assert_null(s.tree);
	shares_release(&s);
}

static void addresses_of_one_customer_are_one_client(void **state)
{
	struct netaddr one = address("2001:db8::1"), same = address("2001:db8::2:1"),
		       other = address("2001:db8:0:1::1");
	struct shares s;

	(void)state;
	shares_init(&s, 400, 0);
	assert_true(shares_take(&s, &one, 100));
	assert_false(shares_take(&s, &same, 1));
	assert_true(shares_take(&s, &other, 100));
	shares_give(&s, &same, 100);
	shares_give(&s, &other, 100);
	shares_release(&s);
}

static void the_budget_bounds_them_all(void **state)
{
	struct netaddr one = address("192.0.2.1"), two = address("192.0.2.2"), local = { 0 };
	struct shares s;

	(void)state;
	shares_init(&s, 100, 80); /* the largest body always fits */
	assert_true(shares_take(&s, &one, 80));
	assert_false(shares_take(&s, &two, 21));
	assert_true(shares_take(&s, &two, 20));
	shares_give(&s, &one, 80);
	shares_give(&s, &two, 20);
	assert_true(shares_take(&s, &local, 100)); /* everybody is behind it */
	assert_false(shares_take(&s, &local, 1));
	assert_false(shares_take(&s, &one, 1));
	shares_give(&s, &local, 100);
	assert_int_equal(s.all.used, 0);
	shares_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_client_gets_its_part_and_others_theirs),
		cmocka_unit_test(addresses_of_one_customer_are_one_client),
		cmocka_unit_test(the_budget_bounds_them_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
