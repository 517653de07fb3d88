/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of a signature before any look-up. */
#include "milter/dkim_vet.h"

#include "common/base/buf.h"
#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define GOOD "v=1; a=rsa-sha256; d=Example.COM; s=sel.1; h=from; bh=x; b=y"

static void vet_judges_signatures_by_their_tags(void **state)
{
	static const struct {
		const char *value;
		enum err e;
		enum auth_result result;
		const char *reason, *domain;
	} rows[] = {
		{ GOOD, OK, AUTH_NONE, "", "example.com" },
		{ " " GOOD ";", OK, AUTH_NONE, "", "example.com" },
		{ "d=example.com;\n\ts = a_b ; h=from:\n to; b=\n x\n y", OK, AUTH_NONE, "",
		  "example.com" },
		{ GOOD "; l=10", ERR_INPUT, AUTH_POLICY, "body_length", "example.com" },
		{ GOOD "; l=", ERR_INPUT, AUTH_POLICY, "body_length", "example.com" },
		{ GOOD ";\vl=10", ERR_INPUT, AUTH_PERMERROR, "syntax", "" },
		{ GOOD "; \fl=10", ERR_INPUT, AUTH_PERMERROR, "syntax", "" },
		{ "a=rsa-sha1; d=example.com; s=x", ERR_INPUT, AUTH_POLICY, "rsa_sha1",
		  "example.com" },
		{ GOOD "; d=example.net", ERR_INPUT, AUTH_PERMERROR, "syntax", "" },
		{ "garbage", ERR_INPUT, AUTH_PERMERROR, "syntax", "" },
		{ "", ERR_INPUT, AUTH_PERMERROR, "domain", "" },
		{ "d=example.net(.example.com; s=x", ERR_INPUT, AUTH_PERMERROR, "domain", "" },
		{ "d=example.net spf=pass; s=x", ERR_INPUT, AUTH_PERMERROR, "domain", "" },
		{ "d=localhost; s=x", ERR_INPUT, AUTH_PERMERROR, "domain", "" },
		{ "d=example.com; s=", ERR_INPUT, AUTH_PERMERROR, "selector", "example.com" },
		{ "d=example.com; s=a..b", ERR_INPUT, AUTH_PERMERROR, "selector", "example.com" },
		{ "d=example.com; s=a(b", ERR_INPUT, AUTH_PERMERROR, "selector", "example.com" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct verdict_dkim d;

		assert_int_equal(dkim_vet(slice_str(rows[i].value), &a, &d), rows[i].e);
		assert_int_equal(d.result, rows[i].result);
		assert_true(slice_eq(d.reason, slice_str(rows[i].reason)));
		assert_true(slice_eq(d.domain, slice_str(rows[i].domain)));
	}
}

static void too_many_names_and_too_long_a_field_are_policy(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf b = BUF_INIT(1 << 20);
	struct verdict_dkim d;

	(void)state;
	buf_add_str(&b, "d=example.com; s=x; h=from");
	for (int i = 0; i < 64; i++)
		buf_add_str(&b, ":x");
	assert_int_equal(dkim_vet(buf_slice(&b), &a, &d), ERR_INPUT);
	assert_true(slice_eq(d.reason, S("signed_names")));
	for (int i = 0; i < 20000; i++)
		buf_add_char(&b, 'x');
	assert_int_equal(dkim_vet(buf_slice(&b), &a, &d), ERR_INPUT);
	assert_int_equal(d.result, AUTH_POLICY);
	assert_true(slice_eq(d.reason, S("too_long")));
}

static void names_count_as_often_as_they_are_signed(void **state)
{
	static const struct {
		const char *value;
		size_t from, to;
	} rows[] = {
		{ GOOD, 1, 0 },
		{ "d=a.example; h=from:to", 1, 1 },
		{ "d=a.example; h=From : TO:\r\n\tfrom", 2, 1 },
		{ "d=a.example; h=to::to:too:t:reply-to", 0, 2 },
		{ "d=a.example; h=", 0, 0 },
		{ "d=a.example; H=to", 0, 0 },
		{ "d=a.example; h=to; h=to", 0, 0 },
		{ "d=a.example; h=to;\vx=y", 0, 0 },
		{ "to:from", 0, 0 },
		{ "", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice value = slice_str(rows[i].value);

		assert_int_equal(dkim_signed_fields(value, S("From")), rows[i].from);
		assert_int_equal(dkim_signed_fields(value, S("To")), rows[i].to);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vet_judges_signatures_by_their_tags),
		cmocka_unit_test(names_count_as_often_as_they_are_signed),
		cmocka_unit_test(too_many_names_and_too_long_a_field_are_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
