/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses that may sign in, and the settings that make signing in possible. */
#include "apid/sign_in.h"
#include "tests/unit/test.h"

static void an_address_has_one_spelling(void **state)
{
	static const struct {
		struct slice text, email, domain;
	} rows[] = {
		{ SLICE_INIT("Ann.Lee+x@Example.ORG"), SLICE_INIT("Ann.Lee+x@example.org"),
		  SLICE_INIT("example.org") },
		{ SLICE_INIT("a!#$%&'*/=^?_`{|}~-@b.example"),
		  SLICE_INIT("a!#$%&'*/=^?_`{|}~-@b.example"), SLICE_INIT("b.example") },
		{ SLICE_INIT("a@b\xc3\xbc"
			     "cher.example"),
		  SLICE_INIT("a@xn--bcher-kva.example"), SLICE_INIT("xn--bcher-kva.example") },
		{ SLICE_INIT("a@b.example."), SLICE_INIT("a@b.example"), SLICE_INIT("b.example") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct slice email, domain;

		assert_row(i, sign_in_address(rows[i].text, &a, &email, &domain));
		assert_slice_row(email, rows[i].email, i);
		assert_slice_row(domain, rows[i].domain, i);
	}
}

static void what_needs_quoting_or_is_not_ascii_is_none(void **state)
{
	static const struct slice rows[] = {
		SLICE_INIT(""),
		SLICE_INIT("a"),
		SLICE_INIT("@b.example"),
		SLICE_INIT("a@"),
		SLICE_INIT("a@b"),
		SLICE_INIT("a@[127.0.0.1]"),
		SLICE_INIT(" a@b.example"),
		SLICE_INIT("a@b.example\n"),
		SLICE_INIT("a@b.example.."),
		SLICE_INIT("=?utf-8?q?a?=@b.example"),
		SLICE_INIT("a b@c.example"),
		SLICE_INIT("\"a\"@b.example"),
		SLICE_INIT("a@b@c.example"),
		SLICE_INIT("a,b@c.example"),
		SLICE_INIT("<a@b.example>"),
		SLICE_INIT(".a@b.example"),
		SLICE_INIT("a.@b.example"),
		SLICE_INIT("a..b@c.example"),
		SLICE_INIT("a\0@b.example"),
		SLICE_INIT("\xe2\x84\xaa@b.example"),
		SLICE_INIT("a\r\n@b.example"),
		SLICE_INIT("a@b.example\0"),
		SLICE_INIT("a\\@b.example"),
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice email, domain;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_row(i, !sign_in_address(rows[i], &a, &email, &domain));
}

static void settings_decide_what_is_possible(void **state)
{
	static char none[] = "", https[] = "https://api.example/x?y", http[] = "http://api.example",
		    local[] = "http://127.0.0.1:8080/", bad[] = "api.example";
	static const struct {
		char *public_url;
		bool by_mail;
		enum err want;
		bool mail, secure, exposed;
		struct slice origin;
	} rows[] = {
		{ none, true, OK, false, false, false, SLICE_INIT("") },
		{ https, true, OK, true, true, false, SLICE_INIT("https://api.example") },
		{ https, false, OK, false, true, false, SLICE_INIT("https://api.example") },
		{ http, true, OK, true, false, true, SLICE_INIT("http://api.example") },
		{ local, true, OK, true, false, false, SLICE_INIT("http://127.0.0.1:8080") },
		{ bad, true, ERR_CONFIG, false, false, false, SLICE_INIT("") },
	};
	static const struct keys keys;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct settings set = { .public_url = rows[i].public_url,
					      .sign_in_mail = rows[i].by_mail,
					      .oidc_issuer = none };
		struct sign_in *s = NULL;

		assert_row(i, sign_in_new(&set, &keys, NULL, &s, NULL) == rows[i].want);
		if (!s)
			continue;
		assert_row(i, s->mail == rows[i].mail && !s->oidc);
		assert_row(i, s->secure == rows[i].secure && s->exposed == rows[i].exposed);
		assert_slice_row(s->origin, rows[i].origin, i);
		sign_in_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_has_one_spelling),
		cmocka_unit_test(what_needs_quoting_or_is_not_ascii_is_none),
		cmocka_unit_test(settings_decide_what_is_possible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
