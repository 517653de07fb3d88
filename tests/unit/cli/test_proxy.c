/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/proxy.h"
#include "tests/unit/test.h"

#include <stdlib.h>

static const char *const names[] = { "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
				     "all_proxy",  "ALL_PROXY",  "no_proxy",    "NO_PROXY" };

struct row {
	const char *name, *value, *no_proxy, *url, *want;
};

static void check_row(const struct row *row, size_t i)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct weburl u;
	const char *got;

	for (size_t n = 0; n < ARRAY_LEN(names); n++)
		unsetenv(names[n]);
	setenv(row->name, row->value, 1);
	if (row->no_proxy)
		setenv("no_proxy", row->no_proxy, 1);
	assert_int_equal(weburl_parse(slice_str(row->url), &u, NULL), OK);
	got = proxy_for(&a, &u);
	assert_row(i, (got == NULL) == (row->want == NULL));
	if (got)
		assert_slice_row(slice_str(got), slice_str(row->want), i);
}

static void the_environment_names_the_proxy(void **state)
{
	static const struct row rows[] = {
		{ "https_proxy", "http://p:3128", NULL, "https://e2a.example", "p:3128" },
		{ "HTTPS_PROXY", "http://p:3128/", NULL, "https://e2a.example", "p:3128" },
		{ "https_proxy", "p", NULL, "https://e2a.example", "p:1080" },
		{ "https_proxy", "http://u:w@p:1", NULL, "https://e2a.example", "u:w@p:1" },
		{ "https_proxy", "http://[::1]", NULL, "https://e2a.example", "[::1]:1080" },
		{ "all_proxy", "p:1", NULL, "https://e2a.example", "p:1" },
		{ "ALL_PROXY", "p:1", NULL, "http://e2a.example", "p:1" },
		{ "http_proxy", "p:1", NULL, "http://e2a.example", "p:1" },
		/* that of another kind, one that a web server's client could set, one of no use */
		{ "https_proxy", "p:1", NULL, "http://e2a.example", NULL },
		{ "http_proxy", "p:1", NULL, "https://e2a.example", NULL },
		{ "HTTP_PROXY", "p:1", NULL, "http://e2a.example", NULL },
		{ "https_proxy", "", NULL, "https://e2a.example", NULL },
		{ "https_proxy", "socks5://p:1", NULL, "https://e2a.example", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_row(&rows[i], i);
}

static void some_hosts_are_reached_without_it(void **state)
{
	static const struct row rows[] = {
		{ "all_proxy", "p:1", NULL, "http://localhost:8025", NULL },
		{ "all_proxy", "p:1", NULL, "http://127.0.0.1:8025", NULL },
		{ "all_proxy", "p:1", NULL, "http://[::1]:8025", NULL },
		{ "all_proxy", "p:1", "*", "https://e2a.example", NULL },
		{ "all_proxy", "p:1", "a.example, e2a.example", "https://e2a.example", NULL },
		{ "all_proxy", "p:1", "E2A.Example", "https://e2a.example", NULL },
		{ "all_proxy", "p:1", "example", "https://e2a.example", NULL },
		{ "all_proxy", "p:1", ".example", "https://e2a.example", NULL },
		{ "all_proxy", "p:1", "*.example", "https://e2a.example", NULL },
		{ "all_proxy", "p:1", "a.example", "https://e2a.example", "p:1" },
		{ "all_proxy", "p:1", "2a.example", "https://e2a.example", "p:1" },
		{ "all_proxy", "p:1", ",,", "https://e2a.example", "p:1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_row(&rows[i], i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_environment_names_the_proxy),
		cmocka_unit_test(some_hosts_are_reached_without_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
