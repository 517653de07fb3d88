/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that a page of somebody else made with the cookie of a user. */
#include "apid/origin.h"
#include "tests/unit/test.h"

static void only_pages_of_our_own_may_act(void **state)
{
	static const struct {
		const char *site, *origin, *host, *public_url;
		bool own;
	} rows[] = {
		/* what a browser of today says decides, whatever else is there */
		{ "same-origin", "", "", "https://e2a.example", true },
		{ "same-origin", "https://evil.example", "", "https://e2a.example", true },
		{ "cross-site", "https://e2a.example", "", "https://e2a.example", false },
		{ "same-site", "https://e2a.example", "", "https://e2a.example", false },
		{ "none", "https://e2a.example", "", "https://e2a.example", false },
		{ "Same-Origin", "https://e2a.example", "", "https://e2a.example", false },
		{ "same-origin, cross-site", "", "", "https://e2a.example", false },
		/* Origin */
		{ "", "https://e2a.example", "", "https://e2a.example", true },
		{ "", "https://e2a.example", "", "https://e2a.example/", true },
		{ "", "https://e2a.example", "", "https://e2a.example/base", true },
		{ "", "https://e2a.example", "", "https://e2a.example:443", true },
		{ "", "https://e2a.example:443", "", "https://e2a.example", true },
		{ "", "HTTPS://E2A.example", "", "https://e2a.Example", true },
		{ "", "http://127.0.0.1:8080", "", "http://127.0.0.1:8080", true },
		{ "", "http://[::1]:8080", "", "http://[::1]:8080", true },
		{ "", "https://e2a.example:80", "", "https://e2a.example", false },
		{ "", "http://e2a.example", "", "https://e2a.example", false },
		{ "", "https://e2a.example:8443", "", "https://e2a.example", false },
		{ "", "https://e2a.example.evil.example", "", "https://e2a.example", false },
		{ "", "https://evil-e2a.example", "", "https://e2a.example", false },
		{ "", "https://e2a.example@evil.example", "", "https://e2a.example", false },
		{ "", "https://agents.e2a.example", "", "https://e2a.example", false },
		{ "", "null", "", "https://e2a.example", false },
		{ "", "", "", "https://e2a.example", false },
		{ "", "https://", "", "https://e2a.example", false },
		{ "", "ftp://e2a.example", "", "https://e2a.example", false },
		{ "", "ftp://e2a.example", "", "ftp://e2a.example", false },
		{ "", "https://e2a.example", "e2a.example", "nonsense", false },
		/* Host counts only where nobody said what our URL is */
		{ "", "https://evil.example", "evil.example", "https://e2a.example", false },
		{ "", "http://127.0.0.1:8080", "127.0.0.1:8080", "", true },
		{ "", "https://e2a.example", "e2a.example", "", true },
		{ "", "https://e2a.example", "e2a.example:443", "", true },
		{ "", "http://e2a.example", "e2a.example:80", "", true },
		{ "", "http://e2a.example", "e2a.example:443", "", false },
		{ "", "https://evil.example", "e2a.example", "", false },
		{ "", "https://e2a.example", "", "", false },
		{ "", "", "e2a.example", "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct origin o = { slice_str(rows[i].site), slice_str(rows[i].origin),
					  slice_str(rows[i].host) };

		assert_row(i, origin_is_own(&o, slice_str(rows[i].public_url)) == rows[i].own);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_pages_of_our_own_may_act),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
