/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/mem.h"
#include "deliverd/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void an_agent_is_named_once(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(7000);

	(void)state;
	notify_payload_add(&b, S("a@x.example"));
	notify_payload_add(&b, S("aa@x.example"));
	notify_payload_add(&b, S("a@x.example"));
	assert_string_equal(buf_cstr(&b), "a@x.example aa@x.example");
}

static void too_many_agents_become_a_star(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(7000);
	char name[64];

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "agent%zu@x.example", i);
		notify_payload_add(&b, slice_str(name));
		assert_false(buf_failed(&b));
	}
	assert_string_equal(buf_cstr(&b), "*");
}

static void a_name_that_does_not_fit_the_form_becomes_a_star(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(7000);

	(void)state;
	notify_payload_add(&b, S("\"a b\"@x.example"));
	assert_string_equal(buf_cstr(&b), "*");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_agent_is_named_once),
		cmocka_unit_test(too_many_agents_become_a_star),
		cmocka_unit_test(a_name_that_does_not_fit_the_form_becomes_a_star),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
