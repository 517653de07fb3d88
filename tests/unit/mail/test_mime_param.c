/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of MIME fields as senders write them, and names that would do harm. */
#include "common/mail/mime_param.h"

#include "common/mail/mime.h"
#include "tests/unit/test.h"

static int ready(void **state)
{
	(void)state;
	mime_init();
	return 0;
}

static void a_field_has_a_value_and_parameters(void **state)
{
	static const struct {
		struct slice field;
		const char *value, *name, *want;
	} rows[] = {
		{ SLICE_INIT("text/plain; charset=utf-8"), "text/plain", "charset", "utf-8" },
		{ SLICE_INIT(" text/plain;\r\n\tCharset=\"utf-8\"; x=y"), "text/plain", "charset",
		  "utf-8" },
		{ SLICE_INIT("text (a (b) c) /plain ; boundary=\"a;b\\\"c\" (d)"), "text  /plain",
		  "boundary", "a;b\"c" },
		{ SLICE_INIT("a/b; ;; =x; y; name=one; name=two"), "a/b", "name", "one" },
		{ SLICE_INIT("a/b; name=my file (1).pdf ; z=1"), "a/b", "name", "my file (1).pdf" },
		{ SLICE_INIT("a/b; name=\"open"), "a/b", "name", "open" },
		{ SLICE_INIT("a/b; name=\"open\\"), "a/b", "name", "open\\" },
		{ SLICE_INIT("a/b; boundary*0=ab; boundary*1=\"cd\""), "a/b", "boundary", "abcd" },
		{ SLICE_INIT("a/b; boundary*0*=us-ascii''a%20b; boundary*1=%20"), "a/b", "boundary",
		  "a b%20" },
		{ SLICE_INIT(""), "", "name", "" },
		{ SLICE_INIT(";;;"), "", "name", "" },
		{ SLICE_INIT("a/b; name"), "a/b", "name", "" },
		{ SLICE_INIT("a/b; name="), "a/b", "name", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct mime_field f;

		mime_field_parse(rows[i].field, &a, &f);
		assert_slice_row(f.value, slice_str(rows[i].value), i);
		assert_slice_row(mime_field_bytes(&f, slice_str(rows[i].name), &a),
				 slice_str(rows[i].want), i);
	}
}

static void a_name_is_decoded_in_every_way_of_writing_it(void **state)
{
	static const struct {
		struct slice field;
		const char *want;
	} rows[] = {
		{ SLICE_INIT("attachment; filename=a.txt"), "a.txt" },
		{ SLICE_INIT("attachment; filename*=UTF-8''%e2%82%ac%20rates"),
		  "\xe2\x82\xac rates" },
		{ SLICE_INIT("attachment; filename=x; filename*=iso-8859-1'en'%A3"), "\xc2\xa3" },
		{ SLICE_INIT("attachment; filename*0*=koi8-r''%F0; filename*1*=%d2; filename*2=x"),
		  "\xd0\x9f\xd1\x80x" },
		{ SLICE_INIT("attachment; filename*1=b; filename*0=a; filename*3=d"), "ab" },
		{ SLICE_INIT("attachment; filename*0*=''%c3; filename*1*=%a9"), "\xc3\xa9" },
		{ SLICE_INIT("attachment; filename=\"=?utf-8?B?w6k=?=.txt\""), "\xc3\xa9.txt" },
		{ SLICE_INIT("attachment; filename=\"caf\xe9\""), "caf\xc3\xa9" },
		{ SLICE_INIT("attachment; filename=\"caf\xc3\xa9\""), "caf\xc3\xa9" },
		{ SLICE_INIT("attachment; filename*=x-none''%e9%zz%"), "\xc3\xa9%zz%" },
		{ SLICE_INIT("attachment; filename*=no-quotes"), "no-quotes" },
		{ SLICE_INIT("attachment; filename*=utf-8'"), "utf-8'" },
		{ SLICE_INIT("attachment"), "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct mime_field f;

		mime_field_parse(rows[i].field, &a, &f);
		assert_slice_row(mime_field_text(&f, S("filename"), &a), slice_str(rows[i].want),
				 i);
	}
}

static void a_file_name_does_no_harm(void **state)
{
	static const struct {
		struct slice name;
		const char *want;
	} rows[] = {
		{ SLICE_INIT("a.txt"), "a.txt" },
		{ SLICE_INIT("../../etc/passwd"), "_.._etc_passwd" },
		{ SLICE_INIT("C:\\Windows\\x.exe"), "C__Windows_x.exe" },
		{ SLICE_INIT("/a"), "_a" },
		{ SLICE_INIT("..."), "" },
		{ SLICE_INIT(" . .hidden. . "), "hidden" },
		{ SLICE_INIT("a\r\nb\tc\0d"), "abcd" },
		{ SLICE_INIT("ann\xe2\x80\xaegpj.exe"), "anngpj.exe" },
		{ SLICE_INIT("a\xe2\x81\xa6"
			     "b\xd8\x9c\xc2\x85\xef\xbb\xbf"
			     "c"),
		  "abc" },
		{ SLICE_INIT("\xe6\x97\xa5\xe6\x9c\xac.pdf"), "\xe6\x97\xa5\xe6\x9c\xac.pdf" },
		{ SLICE_INIT("a\xff"), "a\xef\xbf\xbd" },
		{ SLICE_INIT(""), "" },
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;
	char name[1000];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_slice_row(mime_safe_filename(rows[i].name, &a), slice_str(rows[i].want), i);
	memset(name, 'x', sizeof(name));
	assert_int_equal(mime_safe_filename(slice_of(name, sizeof(name)), &a).n, 255);
}

static void a_media_type_is_two_names(void **state)
{
	static const struct {
		struct slice s;
		bool want;
	} rows[] = {
		{ SLICE_INIT("text/plain"), true },
		{ SLICE_INIT("application/vnd.ms-excel+xml"), true },
		{ SLICE_INIT("text"), false },
		{ SLICE_INIT("text/"), false },
		{ SLICE_INIT("/plain"), false },
		{ SLICE_INIT("text/plain/x"), false },
		{ SLICE_INIT("text /plain"), false },
		{ SLICE_INIT("text/pl\r\nain"), false },
		{ SLICE_INIT("text/\0"), false },
		{ SLICE_INIT("t\xc3\xa9xt/plain"), false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_row(i, mime_is_media_type(rows[i].s) == rows[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_field_has_a_value_and_parameters),
		cmocka_unit_test(a_name_is_decoded_in_every_way_of_writing_it),
		cmocka_unit_test(a_file_name_does_no_harm),
		cmocka_unit_test(a_media_type_is_two_names),
	};

	return cmocka_run_group_tests(tests, ready, NULL);
}
