/* SPDX-License-Identifier: Apache-2.0 */
/* Cookies, form fields and header fields, as they come from strangers. */
#include "apid/req.h"
#include "tests/unit/test.h"

static const struct settings settings = { .http_header_limit = 4096 };
static const struct app app = { .settings = &settings };

DEFINE_FREEP(struct req, req_free)

static void a_cookie_is_found_by_its_exact_name(void **state)
{
	static const struct {
		struct slice header, want;
	} rows[] = {
		{ SLICE_INIT("s=1"), SLICE_INIT("1") },
		{ SLICE_INIT("a=x; s=1; b=y"), SLICE_INIT("1") },
		{ SLICE_INIT("a=x;s=1;b=y"), SLICE_INIT("1") },
		{ SLICE_INIT(" \ts = 1 ; "), SLICE_INIT("1") },
		{ SLICE_INIT("s=1; s=2"), SLICE_INIT("1") },
		{ SLICE_INIT("s=\"1\""), SLICE_INIT("\"1\"") },
		{ SLICE_INIT("s=a=b=="), SLICE_INIT("a=b==") },
		{ SLICE_INIT("s=\0x"), SLICE_INIT("\0x") },
		{ SLICE_INIT("s=\xff\xfe"), SLICE_INIT("\xff\xfe") },
		{ SLICE_INIT("s=,$Version=1"), SLICE_INIT(",$Version=1") },
		/* not there */
		{ SLICE_INIT(""), SLICE_INIT("") },
		{ SLICE_INIT("s"), SLICE_INIT("") },
		{ SLICE_INIT("s="), SLICE_INIT("") },
		{ SLICE_INIT("S=1"), SLICE_INIT("") },
		{ SLICE_INIT("xs=1"), SLICE_INIT("") },
		{ SLICE_INIT("sx=1"), SLICE_INIT("") },
		{ SLICE_INIT("s%3D=1"), SLICE_INIT("") },
		{ SLICE_INIT("a=\";s=1\""), SLICE_INIT("1\"") }, /* quotes hide nothing */
		{ SLICE_INIT("=s; =1;;;=;"), SLICE_INIT("") },
		{ SLICE_INIT("s\0=1"), SLICE_INIT("") },
		{ SLICE_INIT("a,s=1"), SLICE_INIT("") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct req r = { .field.cookie = rows[i].header };

		assert_slice_row(req_cookie(&r, S("s")), rows[i].want, i);
	}
}

static void form_fields_are_decoded(void **state)
{
	static const struct {
		struct slice body, want;
	} rows[] = {
		{ SLICE_INIT("f=1"), SLICE_INIT("1") },
		{ SLICE_INIT("a=2&f=1&b=3"), SLICE_INIT("1") },
		{ SLICE_INIT("f=a%40b.example+x%2By"), SLICE_INIT("a@b.example x+y") },
		{ SLICE_INIT("%66=1"), SLICE_INIT("1") },
		{ SLICE_INIT("f=%00%ff"), SLICE_INIT("\0\xff") },
		{ SLICE_INIT("f=1&f=2"), SLICE_INIT("1") },
		{ SLICE_INIT("f=a=b"), SLICE_INIT("a=b") },
		{ SLICE_INIT("f=1\r\n"), SLICE_INIT("1\r\n") },
		{ SLICE_INIT("f=%zz&f=2"), SLICE_INIT("2") },
		{ SLICE_INIT("f"), SLICE_INIT("") },
		{ SLICE_INIT("f=%"), SLICE_INIT("") },
		{ SLICE_INIT("F=1"), SLICE_INIT("") },
		{ SLICE_INIT(""), SLICE_INIT("") },
		{ SLICE_INIT("&&=&%=%"), SLICE_INIT("") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(req_freep) struct req *r = req_new(&app);

		buf_init(&r->body, 1000);
		buf_add_slice(&r->body, rows[i].body);
		assert_slice_row(req_form(r, S("f")), rows[i].want, i);
	}
}

static void only_so_many_form_fields_are_read(void **state)
{
	AUTO(req_freep) struct req *r = req_new(&app);

	(void)state;
	buf_init(&r->body, 1000);
	for (int i = 0; i < 63; i++)
		buf_add_str(&r->body, "a=1&");
	buf_add_str(&r->body, "f=1&g=1");
	assert_slice(req_form(r, S("f")), S("1"));
	assert_slice(req_form(r, S("g")), S(""));
}

static void lists_are_joined_and_of_others_the_first_counts(void **state)
{
	AUTO(req_freep) struct req *r = req_new(&app);

	(void)state;
	req_field(r, S("authorization"), S("Bearer 1"));
	req_field(r, S("Authorization"), S("Bearer 2"));
	req_field(r, S("X-FORWARDED-FOR"), S("192.0.2.1"));
	req_field(r, S("X-Forwarded-For"), S("192.0.2.2, 192.0.2.3"));
	req_field(r, S("x-forwarded-for"), S("192.0.2.4"));
	req_field(r, S("Cookie"), S("a=1"));
	req_field(r, S("Cookie"), S("b=2"));
	req_field(r, S("Cookies"), S("c=3"));
	req_field(r, S("Origin"), S(""));
	req_field(r, S("Origin"), S("https://x.example"));
	assert_slice(r->field.authorization, S("Bearer 1"));
	assert_slice(r->field.forwarded_for, S("192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4"));
	assert_slice(r->field.cookie, S("a=1; b=2"));
	assert_slice(r->field.origin, S("https://x.example"));
	assert_slice(req_cookie(r, S("b")), S("2"));
}

/* Nothing of a list that is too long may be believed: its end is what counts. */
static void a_list_that_is_too_long_is_none(void **state)
{
	AUTO(req_freep) struct req *r = req_new(&app);

	(void)state;
	for (int i = 0; i < 1000; i++)
		req_field(r, S("X-Forwarded-For"), S("192.0.2.1"));
	assert_true(buf_failed(&r->hops));
	assert_slice(r->field.forwarded_for, S(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cookie_is_found_by_its_exact_name),
		cmocka_unit_test(form_fields_are_decoded),
		cmocka_unit_test(only_so_many_form_fields_are_read),
		cmocka_unit_test(lists_are_joined_and_of_others_the_first_counts),
		cmocka_unit_test(a_list_that_is_too_long_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
