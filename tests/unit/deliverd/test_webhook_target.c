/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/mem.h"
#include "deliverd/webhook_target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Addresses in the URL need no name service. */
static void a_refusal_becomes_a_reason_of_the_ledger(void **state)
{
	static const struct {
		bool https_required;
		const char *url;
		enum event_reason want;
	} rows[] = {
		{ true, "https://127.0.0.1:99/x", EVENT_NO_REASON },
		{ false, "http://127.0.0.1:99/x", EVENT_NO_REASON },
		{ true, "http://127.0.0.1/x", EVENT_URL_REFUSED },
		{ false, "gopher://127.0.0.1/x", EVENT_URL_REFUSED },
		{ false, "https://2130706433/x", EVENT_URL_REFUSED },
		{ true, "https://8.8.8.8/x", EVENT_ADDRESS_REFUSED },
		{ true, "https://[::1]/x", EVENT_ADDRESS_REFUSED },
		{ true, "https://169.254.169.254/x", EVENT_ADDRESS_REFUSED },
	};
	struct webhook_policy p = { .allow = { .n = 1 } };

	(void)state;
	assert_int_equal(netcidr_parse(S("127.0.0.0/8"), &p.allow.v[0]), OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct webhook_target t;
		enum event_reason got;

		p.https_required = rows[i].https_required;
		got = webhook_target_resolve(NULL, &p, slice_str(rows[i].url), 0, &t);
		if (got != rows[i].want)
			fail_msg("%s: %s", rows[i].url, event_reason_name(got));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refusal_becomes_a_reason_of_the_ledger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
