/* SPDX-License-Identifier: Apache-2.0 */
/* Callbacks of a command-line login: this computer in its spellings, and nothing else. */
#include "apid/loopback_url.h"
#include "tests/unit/test.h"

#define SCHEME "cli callback URL must use http"
#define HOST "cli callback URL must include a host"
#define USER "cli callback URL must not include user info"
#define LOOPBACK "cli callback URL must use a loopback host"
#define BAD "invalid cli callback URL: "

static void this_computer_is_accepted(void **state)
{
	static const struct {
		struct slice url;
		uint16_t port;
		const char *origin;
	} rows[] = {
		{ SLICE_INIT("http://127.0.0.1:43123/callback"), 43123, "http://127.0.0.1:43123" },
		{ SLICE_INIT("http://localhost"), 80, "http://localhost:80" },
		{ SLICE_INIT("HTTP://LocalHost:1/"), 1, "http://LocalHost:1" },
		{ SLICE_INIT("http://127.0.0.1:/x"), 80, "http://127.0.0.1:80" },
		{ SLICE_INIT("http://127.0.0.1?a=b"), 80, "http://127.0.0.1:80" },
		{ SLICE_INIT("http://127.0.0.1#a"), 80, "http://127.0.0.1:80" },
		{ SLICE_INIT("http://127.0.0.1:65535/@:[]%00"), 65535, "http://127.0.0.1:65535" },
		{ SLICE_INIT("http://127.255.0.9:8/"), 8, "http:" },
		{ SLICE_INIT("http://[::1]:8/"), 8, "http:" },
		{ SLICE_INIT("http://[0:0::0:1]/"), 80, "http:" },
		{ SLICE_INIT("http://[::ffff:127.0.0.1]/"), 80, "http:" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct loopback_url u;

		assert_row(i, loopback_url_parse(rows[i].url, &u, NULL) == OK);
		assert_row(i, u.port == rows[i].port);
		assert_slice_row(slice_str(u.origin), slice_str(rows[i].origin), i);
	}
}

static void everything_else_is_refused_and_told_why(void **state)
{
	static const struct {
		struct slice url, why; /* the text, or how it begins */
	} rows[] = {
		{ SLICE_INIT(""), SLICE_INIT(SCHEME) },
		{ SLICE_INIT("https://127.0.0.1/"), SLICE_INIT(SCHEME) },
		{ SLICE_INIT("httpx://127.0.0.1/"), SLICE_INIT(SCHEME) },
		{ SLICE_INIT("javascript:http://127.0.0.1/"), SLICE_INIT(SCHEME) },
		{ SLICE_INIT("http:"), SLICE_INIT(HOST) },
		{ SLICE_INIT("http:/"), SLICE_INIT(HOST) },
		{ SLICE_INIT("http://"), SLICE_INIT(HOST) },
		{ SLICE_INIT("http:///x"), SLICE_INIT(HOST) },
		{ SLICE_INIT("http://:80"), SLICE_INIT(HOST) },
		{ SLICE_INIT("http://[]/"), SLICE_INIT(HOST) },
		{ SLICE_INIT("http://a@"), SLICE_INIT(HOST) },
		{ SLICE_INIT("http://127.0.0.1@evil.example"), SLICE_INIT(USER) },
		{ SLICE_INIT("http://evil.example@127.0.0.1"), SLICE_INIT(USER) },
		{ SLICE_INIT("http://evil.example"), SLICE_INIT(LOOPBACK) },
		{ SLICE_INIT("http://127.0.0.1.evil.example"), SLICE_INIT(LOOPBACK) },
		{ SLICE_INIT("http://localhost.evil.example"), SLICE_INIT(LOOPBACK) },
		{ SLICE_INIT("http://localhost."), SLICE_INIT(LOOPBACK) },
		{ SLICE_INIT("http://127.1"), SLICE_INIT(LOOPBACK) },
		{ SLICE_INIT("http://0x7f000001"), SLICE_INIT(LOOPBACK) },
		{ SLICE_INIT("http://2130706433"), SLICE_INIT(LOOPBACK) },
		{ SLICE_INIT("http://0.0.0.0"), SLICE_INIT(LOOPBACK) },
		{ SLICE_INIT("http://[::]"), SLICE_INIT(LOOPBACK) },
		{ SLICE_INIT("http://[127.0.0.1]"), SLICE_INIT(LOOPBACK) },
		{ SLICE_INIT("http://[localhost]"), SLICE_INIT(LOOPBACK) },
		{ SLICE_INIT("http://[::ffff:8.8.8.8]"), SLICE_INIT(LOOPBACK) },
		{ SLICE_INIT("http://%31%32%37.0.0.1"), SLICE_INIT(LOOPBACK) },
		{ SLICE_INIT("http://[::1"), SLICE_INIT(BAD) },
		{ SLICE_INIT("http://[::1]80"), SLICE_INIT(BAD) },
		{ SLICE_INIT("http://127.0.0.1:0"), SLICE_INIT(BAD) },
		{ SLICE_INIT("http://127.0.0.1:65536"), SLICE_INIT(BAD) },
		{ SLICE_INIT("http://127.0.0.1:8x"), SLICE_INIT(BAD) },
		{ SLICE_INIT("http://127.0.0.1\\@evil.example"), SLICE_INIT(BAD) },
		{ SLICE_INIT("http://127.0.0.1/ "), SLICE_INIT(BAD) },
		{ SLICE_INIT("http://127.0.0.1/\r\n"), SLICE_INIT(BAD) },
		{ SLICE_INIT("http://127.0.0.1/\0"), SLICE_INIT(BAD) },
		{ SLICE_INIT("http://127.0.0.1/\""), SLICE_INIT(BAD) },
		{ SLICE_INIT("http://127.0.0.1/\xc3\xa9"), SLICE_INIT(BAD) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fail fail = { 0 };
		struct loopback_url u;

		assert_row(i, loopback_url_parse(rows[i].url, &u, &fail) == ERR_INPUT);
		if (!slice_starts(slice_str(fail.what), rows[i].why))
			fail_msg("row %zu: %s", i, fail.what);
	}
}

static void one_that_is_too_long_is_refused(void **state)
{
	AUTO(mem_freep) char *text = mem_zalloc(LOOPBACK_URL_MAX + 1);
	struct slice url = slice_of(text, LOOPBACK_URL_MAX);
	struct loopback_url u;

	(void)state;
	memset(text, 'a', LOOPBACK_URL_MAX + 1);
	memcpy(text, "http://127.0.0.1/", 17);
	assert_int_equal(loopback_url_parse(url, &u, NULL), OK);
	url.n++;
	assert_int_equal(loopback_url_parse(url, &u, NULL), ERR_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(this_computer_is_accepted),
		cmocka_unit_test(everything_else_is_refused_and_told_why),
		cmocka_unit_test(one_that_is_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
