/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/mem.h"
#include "common/base/weburl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void urls_are_taken_apart(void **state)
{
	static const struct {
		const char *text, *host;
		bool https;
		int port;
		bool literal;
	} rows[] = {
		{ "https://example.com", "example.com", true, 443, false },
		{ "HTTPS://Example.com/a?b#c", "Example.com", true, 443, false },
		{ "http://example.com:8080/x", "example.com", false, 8080, false },
		{ "https://example.com:/x", "example.com", true, 443, false },
		{ "https://a_b.example.com.?q=@x", "a_b.example.com.", true, 443, false },
		{ "https://127.0.0.1:9/", "127.0.0.1", true, 9, true },
		{ "https://[::1]:9/", "::1", true, 9, true },
		{ "https://[2606:4700::1111]", "2606:4700::1111", true, 443, true },
		{ "https://localhost/", "localhost", true, 443, false },
		{ "https://1.2.3.example/", "1.2.3.example", true, 443, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct weburl u;
		struct fail f = { 0 };

		if (weburl_parse(slice_str(rows[i].text), &u, &f))
			fail_msg("%s: %s", rows[i].text, f.what);
		assert_true(slice_eq(u.host, slice_str(rows[i].host)));
		assert_int_equal(u.https, rows[i].https);
		assert_int_equal(u.port, rows[i].port);
		assert_int_equal(u.literal, rows[i].literal);
	}
}

static void the_origin_ends_where_the_path_begins(void **state)
{
	static const struct {
		const char *url, *want;
	} rows[] = {
		{ "https://e2a.example", "https://e2a.example" },
		{ "https://e2a.example:8443/a/b", "https://e2a.example:8443" },
		{ "http://[::1]:8080?x=/", "http://[::1]:8080" },
		{ "http://localhost#/", "http://localhost" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_true(
			slice_eq(weburl_origin(slice_str(rows[i].url)), slice_str(rows[i].want)));
}

static void doubtful_urls_are_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"example.com",
		"ftp://example.com/",
		"https:/example.com",
		"https://",
		"https:///x",
		"https://:80/",
		"https://user@example.com/",
		"https://user:pw@example.com/",
		"https://good.example@evil.example/",
		"https://example.com:0/",
		"https://example.com:65536/",
		"https://example.com:8a/",
		"https://example.com\\@evil.example/",
		"https://exa mple.com/",
		"https://example.com/\r\nHost: x",
		"https://ex%61mple.com/",
		"https://[::1/",
		"https://[::1]x/",
		"https://[example.com]/",
		"https://::1/",
		"https://a..b/",
		"https://127.1/",
		"https://0177.0.0.1/",
		"https://0x7f000001/",
		"https://2130706433/",
		"https://1.2.3.4./",
		"https://1.2.3.0x4/",
		"https://b\303\274cher.example/",
		"https://.example.com/",
		"https://[fe80::1%25lo]/",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct weburl u;
		struct fail f = { 0 };

		if (weburl_parse(slice_str(rows[i]), &u, &f) != ERR_INPUT)
			fail_msg("'%s' must be refused", rows[i]);
		assert_true(f.what[0]);
	}
}

static void system_ports_other_than_those_of_http_are_not_called(void **state)
{
	(void)state;
	assert_true(weburl_port_allowed(80) && weburl_port_allowed(443));
	assert_true(weburl_port_allowed(1024) && weburl_port_allowed(8443));
	assert_false(weburl_port_allowed(25) || weburl_port_allowed(22));
	assert_false(weburl_port_allowed(1023) || weburl_port_allowed(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_taken_apart),
		cmocka_unit_test(the_origin_ends_where_the_path_begins),
		cmocka_unit_test(doubtful_urls_are_refused),
		cmocka_unit_test(system_ports_other_than_those_of_http_are_not_called),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
