/* SPDX-License-Identifier: Apache-2.0 */
#include "common/mail/webhook_policy.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static enum err read_policy(const char *https, const char *allow, struct webhook_policy *ret,
			    struct fail *fail)
{
	char *a = mem_strdup(allow), *h = mem_strdup(https);
	struct settings s = { .webhook_allow = a, .webhook_https = h };
	enum err e = webhook_policy_read(&s, ret, fail);

	free(a);
	free(h);
	return e;
}

static struct webhook_policy policy(const char *https, const char *allow)
{
	struct webhook_policy p;

	assert_int_equal(read_policy(https, allow, &p, NULL), OK);
	return p;
}

#define NAME "https://hook.example"

/* What name service says of a name, or whatever libcurl is about to connect to. */
static void each_address_of_a_name_is_judged(void **state)
{
	static const struct {
		const char *https, *allow, *url, *address;
		bool want;
	} rows[] = {
		{ "required", "", NAME "/x", "8.8.8.8", true },
		{ "required", "", NAME "/x", "2606:4700::1", true },
		{ "required", "", NAME ":80/x", "8.8.8.8", true },
		{ "required", "", NAME ":8443/x", "8.8.8.8", true },
		{ "required", "", NAME ":25/x", "8.8.8.8", false },
		{ "required", "", NAME ":1023/x", "8.8.8.8", false },
		{ "required", "", NAME "/x", "127.0.0.1", false },
		{ "required", "", NAME "/x", "::1", false },
		{ "required", "", NAME "/x", "::ffff:127.0.0.1", false },
		{ "required", "", NAME "/x", "169.254.169.254", false },
		{ "required", "", NAME "/x", "168.63.129.16", false },
		{ "required", "", NAME "/x", "100.100.100.200", false },
		{ "required", "", NAME "/x", "fd00:ec2::254", false },
		{ "required", "", NAME "/x", "64:ff9b::8.8.8.8", false },
		{ "required", "", "http://hook.example/x", "8.8.8.8", false },
		{ "optional", "", "http://hook.example/x", "8.8.8.8", false },
		{ "optional", "", "http://hook.example/x", "127.0.0.1", false },
		/* webhook_allow opens what it names, and nothing beside it */
		{ "required", "10.0.0.0/8", NAME "/x", "10.1.2.3", true },
		{ "required", "10.0.0.0/8", NAME ":25/x", "10.1.2.3", true },
		{ "required", "10.0.0.0/8", "http://hook.example/x", "10.1.2.3", false },
		{ "optional", "10.0.0.0/8", "http://hook.example/x", "10.1.2.3", true },
		{ "optional", "10.0.0.0/8", "http://hook.example:25/x", "10.1.2.3", true },
		{ "optional", "10.0.0.0/8", "http://hook.example/x", "11.1.2.3", false },
		{ "optional", "10.0.0.0/8", NAME "/x", "192.168.1.1", false },
		{ "optional", "10.0.0.0/8", NAME ":25/x", "8.8.8.8", false },
		{ "required", "64:ff9b::/96", NAME "/x", "64:ff9b::8.8.8.8", true },
		{ "required", "fd00::/8", NAME "/x", "fd00::1", true },
		/* an address instead of a name has to be named by the operator */
		{ "required", "", "https://8.8.8.8/x", "8.8.8.8", false },
		{ "required", "", "https://[2606:4700::1]/x", "2606:4700::1", false },
		{ "required", "8.8.8.8", "https://8.8.8.8/x", "8.8.8.8", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct webhook_policy p = policy(rows[i].https, rows[i].allow);
		struct weburl url;
		struct netaddr a;

		assert_int_equal(weburl_parse(slice_str(rows[i].url), &url, NULL), OK);
		assert_int_equal(netaddr_parse(slice_str(rows[i].address), &a), OK);
		if (webhook_policy_admits(&p, &url, &a) != rows[i].want)
			fail_msg("row %zu: %s at %s", i, rows[i].url, rows[i].address);
	}
}

/* Addresses in the URL need no name service. */
static void a_url_is_refused_with_its_reason(void **state)
{
	static const struct {
		const char *https, *allow, *url;
		enum webhook_refusal want;
		const char *reason;
	} rows[] = {
		{ "required", "127.0.0.0/8", "https://127.0.0.1:99/x", WEBHOOK_ADMITTED, "" },
		{ "optional", "127.0.0.0/8", "http://127.0.0.1:99/x", WEBHOOK_ADMITTED, "" },
		{ "optional", "127.0.0.0/8", "http://[::ffff:127.0.0.1]/", WEBHOOK_ADMITTED, "" },
		{ "required", "127.0.0.0/8", "http://127.0.0.1/x", WEBHOOK_PLAIN,
		  "webhook URL must use HTTPS" },
		{ "required", "", "https://8.8.8.8/x", WEBHOOK_LITERAL,
		  "webhook URL must use a domain name, not an IP address" },
		{ "required", "", "https://[::1]/x", WEBHOOK_LITERAL,
		  "webhook URL must use a domain name, not an IP address" },
		{ "required", "", "https://[::ffff:127.0.0.1]/x", WEBHOOK_LITERAL,
		  "webhook URL must use a domain name, not an IP address" },
		{ "optional", "", "gopher://127.0.0.1/x", WEBHOOK_MALFORMED,
		  "webhook URL must use HTTPS" },
		{ "optional", "", "https://2130706433/x", WEBHOOK_MALFORMED,
		  "invalid URL: malformed host" },
		{ "optional", "", "https://[fe80::1%25lo]/x", WEBHOOK_MALFORMED,
		  "invalid URL: malformed host" },
		{ "optional", "0.0.0.0/0", "https://u:p@8.8.8.8/x", WEBHOOK_MALFORMED,
		  "webhook URL must not carry user information" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct webhook_policy p = policy(rows[i].https, rows[i].allow);
		struct webhook_target t = { .n = 99 };
		struct fail f = { 0 };
		enum webhook_refusal got =
			webhook_policy_resolve(&p, NULL, slice_str(rows[i].url), 0, &t, &f);

		if (got != rows[i].want || strcmp(f.what, rows[i].reason) != 0)
			fail_msg("%s: %d, %s", rows[i].url, (int)got, f.what);
		assert_int_equal(t.n, got == WEBHOOK_ADMITTED ? 1 : 99);
	}
}

static void a_range_that_is_none_is_a_configuration_error(void **state)
{
	struct webhook_policy p;
	struct fail f = { 0 };

	(void)state;
	assert_int_equal(read_policy("required", "10.0.0.0/99", &p, &f), ERR_CONFIG);
	assert_string_equal(f.what, "not an address range: 10.0.0.0/99");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_address_of_a_name_is_judged),
		cmocka_unit_test(a_url_is_refused_with_its_reason),
		cmocka_unit_test(a_range_that_is_none_is_a_configuration_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
