/* SPDX-License-Identifier: Apache-2.0 */
/* Forms in parts, as browsers send them and as they should not. */
#include "apid/form_data.h"

#include "common/base/mem.h"
#include "common/mail/mime.h"
#include "tests/unit/test.h"

#define TYPE SLICE_INIT("multipart/form-data; boundary=----b1")
#define FIELD(name, value)                                                                         \
	"------b1\r\nContent-Disposition: form-data; name=" name "\r\n\r\n" value "\r\n"
#define END "------b1--\r\n"

static void a_content_type_says_what_the_body_is(void **state)
{
	static const struct {
		struct slice type;
		bool want;
	} rows[] = {
		{ SLICE_INIT("multipart/form-data; boundary=x"), true },
		{ SLICE_INIT("Multipart/Form-Data ;boundary=x"), true },
		{ SLICE_INIT("multipart/form-data"), true },
		{ SLICE_INIT("multipart/mixed; boundary=x"), false },
		{ SLICE_INIT("application/x-www-form-urlencoded"), false },
		{ SLICE_INIT("multipart/form-data-x; boundary=x"), false },
		{ SLICE_INIT(""), false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_row(i, form_data_is(rows[i].type) == rows[i].want);
}

static void a_field_is_found_as_it_was_sent(void **state)
{
	static const struct {
		struct slice body, want;
	} rows[] = {
		{ SLICE_INIT(FIELD("\"f\"", "1") END), SLICE_INIT("1") },
		{ SLICE_INIT(FIELD("f", "1") END), SLICE_INIT("1") },
		{ SLICE_INIT(FIELD("\"a\"", "x") FIELD("\"f\"", "1") FIELD("\"z\"", "y") END),
		  SLICE_INIT("1") },
		{ SLICE_INIT(FIELD("\"f\"", "1") FIELD("\"f\"", "2") END), SLICE_INIT("1") },
		{ SLICE_INIT(FIELD("\"f\"", "") END), SLICE_INIT("") },
		{ SLICE_INIT(FIELD("\"f\"", "\r\n\0&=%41+\xff\r\n") END),
		  SLICE_INIT("\r\n\0&=%41+\xff\r\n") },
		{ SLICE_INIT(FIELD("\"f\"", "------b1x\r\n--\r\n") END),
		  SLICE_INIT("------b1x\r\n--\r\n") },
		{ SLICE_INIT("before\r\n" FIELD("\"f\"", "1") END "after"), SLICE_INIT("1") },
		/* with what a browser adds for files, and headers it never sends */
		{ SLICE_INIT(
			  "------b1\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64"
			  "\r\ncontent-disposition: form-data; filename=\"a\"; name=\"f\"\r\n\r\n"
			  "MQ==\r\n" END),
		  SLICE_INIT("MQ==") },
		/* the end is missing */
		{ SLICE_INIT("------b1\r\nContent-Disposition: form-data; name=f\r\n\r\n1"),
		  SLICE_INIT("1") },
		{ SLICE_INIT("------b1\nContent-Disposition: form-data; name=f\n\n1\n------b1--\n"),
		  SLICE_INIT("1") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;

		assert_slice_row(form_data_field((struct slice)TYPE, rows[i].body, S("f"), &a),
				 rows[i].want, i);
	}
}

static void what_is_no_such_field_is_not_found(void **state)
{
	static const struct {
		struct slice type, body;
	} rows[] = {
		{ TYPE, SLICE_INIT("") },
		{ TYPE, SLICE_INIT(END) },
		{ TYPE, SLICE_INIT("f=1") },
		{ TYPE, SLICE_INIT(FIELD("\"F\"", "1") END) },
		{ TYPE, SLICE_INIT(FIELD("\"ff\"", "1") END) },
		{ TYPE, SLICE_INIT(FIELD("\"\"", "name=f") END) },
		{ TYPE,
		  SLICE_INIT(
			  "------b1\r\nContent-Disposition: attachment; name=f\r\n\r\n1\r\n" END) },
		{ TYPE,
		  SLICE_INIT(
			  "------b1\r\n\r\nContent-Disposition: form-data; name=f\r\n\r\n1\r\n" END) },
		{ TYPE, SLICE_INIT("------b1\r\nX: y\r\n\r\n1\r\n" END) },
		{ TYPE, SLICE_INIT("Content-Disposition: form-data; name=f\r\n\r\n1\r\n" END) },
		{ SLICE_INIT("multipart/form-data"), SLICE_INIT(FIELD("f", "1") END) },
		{ SLICE_INIT("multipart/form-data; boundary="), SLICE_INIT(FIELD("f", "1") END) },
		{ SLICE_INIT("multipart/form-data; boundary=other"),
		  SLICE_INIT(FIELD("f", "1") END) },
		{ SLICE_INIT("multipart/mixed; boundary=----b1"), SLICE_INIT(FIELD("f", "1") END) },
		{ SLICE_INIT("multipart/form-data; boundary=----b1\r\n\r\n"),
		  SLICE_INIT(FIELD("f", "1") END) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;

		assert_slice_row(form_data_field(rows[i].type, rows[i].body, S("f"), &a), S(""), i);
	}
}

/* The letter stands in the header too. */
static void a_boundary_may_be_a_single_letter(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;

	(void)state;
	assert_slice(form_data_field(
			     S("multipart/form-data; boundary=m"),
			     S("--m\r\nContent-Disposition: form-data; name=m--m\r\n\r\nx\r\n"
			       "--m\r\nContent-Disposition: form-data; name=f\r\n\r\n1\r\n--m--"),
			     S("f"), &a),
		     S("1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_content_type_says_what_the_body_is),
		cmocka_unit_test(a_field_is_found_as_it_was_sent),
		cmocka_unit_test(what_is_no_such_field_is_not_found),
		cmocka_unit_test(a_boundary_may_be_a_single_letter),
	};

	mime_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
