/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/mem.h"
#include "deliverd/webhook_target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct webhook_policy policy(const char *https, const char *allow)
{
	char a[64], h[16];
	struct settings s = { .webhook_allow = a, .webhook_https = h };
	struct webhook_policy p;
	struct fail f = { 0 };

	snprintf(a, sizeof(a), "%s", allow);
	snprintf(h, sizeof(h), "%s", https);
	assert_int_equal(webhook_policy_read(&s, &p, &f), OK);
	return p;
}

/* Addresses in the URL need no name service. */
static void the_policy_decides_about_each_address(void **state)
{
	static const struct {
		const char *https, *allow, *url;
		enum event_reason want;
	} rows[] = {
		{ "required", "", "https://8.8.8.8/x", EVENT_NO_REASON },
		{ "required", "", "https://8.8.8.8:8443/x", EVENT_NO_REASON },
		{ "required", "", "https://8.8.8.8:25/x", EVENT_ADDRESS_REFUSED },
		{ "required", "", "https://[2606:4700::1]/x", EVENT_NO_REASON },
		{ "required", "", "https://127.0.0.1/x", EVENT_ADDRESS_REFUSED },
		{ "required", "", "https://[::ffff:127.0.0.1]/x", EVENT_ADDRESS_REFUSED },
		{ "required", "", "https://169.254.169.254/x", EVENT_ADDRESS_REFUSED },
		{ "required", "", "http://8.8.8.8/x", EVENT_URL_REFUSED },
		{ "required", "127.0.0.0/8", "http://127.0.0.1/x", EVENT_URL_REFUSED },
		{ "required", "127.0.0.0/8", "https://127.0.0.1:99/x", EVENT_NO_REASON },
		{ "optional", "127.0.0.0/8", "http://127.0.0.1:99/x", EVENT_NO_REASON },
		{ "optional", "127.0.0.0/8", "http://8.8.8.8/x", EVENT_ADDRESS_REFUSED },
		{ "optional", "", "http://127.0.0.1/x", EVENT_ADDRESS_REFUSED },
		{ "optional", "", "gopher://127.0.0.1/x", EVENT_URL_REFUSED },
		{ "optional", "", "https://2130706433/x", EVENT_URL_REFUSED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct webhook_policy p = policy(rows[i].https, rows[i].allow);
		struct webhook_target t;
		enum event_reason got =
			webhook_target_resolve(NULL, &p, slice_str(rows[i].url), 0, &t);

		if (got != rows[i].want)
			fail_msg("%s: %s", rows[i].url, event_reason_name(got));
	}
}

static void a_range_that_is_none_is_a_configuration_error(void **state)
{
	char allow[] = "10.0.0.0/99", https[] = "required";
	struct settings s = { .webhook_allow = allow, .webhook_https = https };
	struct webhook_policy p;
	struct fail f = { 0 };

	(void)state;
	assert_int_equal(webhook_policy_read(&s, &p, &f), ERR_CONFIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_policy_decides_about_each_address),
		cmocka_unit_test(a_range_that_is_none_is_a_configuration_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
