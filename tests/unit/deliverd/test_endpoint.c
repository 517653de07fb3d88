/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/mem.h"
#include "deliverd/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void one_origin_is_one_endpoint(void **state)
{
	struct endpoints all = { 0 };
	struct endpoint *e = endpoint_find(&all, S("https://Example.com/a"));

	(void)state;
	assert_ptr_equal(e, endpoint_find(&all, S("https://example.COM:443/b?c")));
	assert_ptr_not_equal(e, endpoint_find(&all, S("http://example.com/a")));
	assert_ptr_not_equal(e, endpoint_find(&all, S("https://example.com:444/a")));
	assert_ptr_equal(endpoint_find(&all, S("x")), endpoint_find(&all, S("y")));
	while (all.head)
		endpoint_leave(&all, all.head);
}

static void jobs_leave_the_line_in_order(void **state)
{
	struct endpoints all = { 0 };
	struct endpoint *e = endpoint_find(&all, S("https://a.example/"));
	struct webhook_job j[3] = { 0 };

	(void)state;
	for (size_t i = 0; i < 3; i++)
		endpoint_wait(e, &j[i]);
	assert_int_equal(e->waiting, 3);
	for (size_t i = 0; i < 3; i++)
		assert_ptr_equal(endpoint_next(e), &j[i]);
	assert_null(endpoint_next(e));
	endpoint_wait(e, &j[0]);
	assert_ptr_equal(endpoint_next(e), &j[0]);
	endpoint_leave(&all, e);
	assert_null(all.head);
}

static void endpoints_take_turns_and_have_a_limit(void **state)
{
	struct endpoints all = { 0 };
	struct endpoint *a = endpoint_find(&all, S("https://a.example/"));
	struct endpoint *b = endpoint_find(&all, S("https://b.example/"));
	struct webhook_job j[4] = { 0 };
	struct endpoint *first, *second;

	(void)state;
	assert_null(endpoint_ready(&all, 1));
	endpoint_wait(a, &j[0]);
	endpoint_wait(a, &j[1]);
	endpoint_wait(b, &j[2]);
	endpoint_wait(b, &j[3]);
	first = endpoint_ready(&all, 2);
	second = endpoint_ready(&all, 2);
	assert_ptr_not_equal(first, second);
	assert_ptr_equal(endpoint_ready(&all, 2), first);
	a->active = 2;
	assert_ptr_equal(endpoint_ready(&all, 2), b);
	assert_ptr_equal(endpoint_ready(&all, 2), b);
	a->active = 0;
	while (endpoint_next(a) || endpoint_next(b))
		continue;
	endpoint_leave(&all, a);
	endpoint_leave(&all, b);
	assert_null(endpoint_ready(&all, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_origin_is_one_endpoint),
		cmocka_unit_test(jobs_leave_the_line_in_order),
		cmocka_unit_test(endpoints_take_turns_and_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
