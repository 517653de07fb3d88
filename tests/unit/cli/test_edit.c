/* SPDX-License-Identifier: Apache-2.0 */
/* Held mail as a text that somebody edits. */
#include "cli/edit.h"

#include "common/base/mem.h"
#include "tests/unit/test.h"

static struct edit_list list(struct slice *v, size_t n)
{
	return (struct edit_list){ .v = v, .n = n };
}

static void a_mail_becomes_lines(void **state)
{
	struct slice to[] = { S("a@x.example"), S("\"B, C\" <b@x.example>") };
	struct edit e = { .subject = S("Hi"), .text = S("one\r\ntwo") };
	AUTO(buf_release) struct buf b = BUF_INIT(1000);

	(void)state;
	e.list[EDIT_TO] = list(to, 2);
	edit_write(&e, &b);
	assert_slice(buf_slice(&b), S("Subject: Hi\nTo: a@x.example\nTo: \"B, C\" <b@x.example>\n"
				      "Cc:\nBcc:\n\none\ntwo\n"));
}

static void odd_characters_are_marked_and_come_back(void **state)
{
	static const struct {
		struct slice text, marked;
	} rows[] = {
		{ SLICE_INIT("a\x1b[31m\xe2\x80\xaex\n"), SLICE_INIT("a<U+001B>[31m<U+202E>x\n") },
		{ SLICE_INIT("<U+202E>\n"), SLICE_INIT("<U+003C>U+202E>\n") },
		{ SLICE_INIT("<U+ <U <\n"), SLICE_INIT("<U+003C>U+ <U <\n") },
		{ SLICE_INIT("tab\t\xf3\xa0\x80\x81\n"), SLICE_INIT("tab\t<U+E0001>\n") },
		{ SLICE_INIT("\xc3\xbc\n"), SLICE_INIT("\xc3\xbc\n") },
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT(1000);
		struct edit e = { .subject = S("s"), .text = rows[i].text }, got;

		edit_write(&e, &b);
		assert_row(i, slice_ends(buf_slice(&b), rows[i].marked));
		assert_row(i, edit_read(buf_slice(&b), &a, &got, NULL) == OK);
		assert_slice_row(got.text, rows[i].text, i);
	}
}

static void a_subject_stays_one_line(void **state)
{
	struct edit e = { .subject = S("a\nBcc: evil@x.example\n\nb") }, got;
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf b = BUF_INIT(1000);

	(void)state;
	edit_write(&e, &b);
	assert_true(
		slice_starts(buf_slice(&b), S("Subject: a<U+000A>Bcc: evil@x.example<U+000A>")));
	assert_int_equal(edit_read(buf_slice(&b), &a, &got, NULL), OK);
	assert_slice(got.subject, e.subject);
	assert_int_equal(got.list[EDIT_BCC].n, 0);
}

static void what_was_typed_is_read(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct edit got;

	(void)state;
	assert_int_equal(
		edit_read(S("\xef\xbb\xbf# a remark\r\nsubject:  New \r\nTO: a@x.example\r\n"
			    "# another\r\nCc : b@x.example, c@x.example\r\n\t \r\n"
			    "# no remark\r\n\r\nSubject: neither"),
			  &a, &got, NULL),
		OK);
	assert_slice(got.subject, S("New"));
	assert_slice(got.list[EDIT_TO].v[0], S("a@x.example"));
	assert_int_equal(got.list[EDIT_CC].n, 1);
	assert_int_equal(got.list[EDIT_CC].line[0], 5);
	assert_int_equal(got.list[EDIT_BCC].n, 0);
	assert_slice(got.text, S("# no remark\n\nSubject: neither\n"));
}

static void what_is_no_mail_is_refused_with_its_line(void **state)
{
	static const struct {
		struct slice text;
		enum err code;
		const char *what;
	} rows[] = {
		{ SLICE_INIT(""), ERR_NOT_FOUND, "nothing is left of the text" },
		{ SLICE_INIT(" \n# x\n\n"), ERR_NOT_FOUND, "nothing is left of the text" },
		{ SLICE_INIT("Subject: a\nTo: b@x.example\n"), ERR_INPUT,
		  "line 2: no blank line behind the fields" },
		{ SLICE_INIT("To: b@x.example\n\nx"), ERR_INPUT,
		  "line 2: no Subject above the blank line" },
		{ SLICE_INIT("Subject: a\nSubject: b\n\n"), ERR_INPUT, "line 2: a second Subject" },
		{ SLICE_INIT("Subject: a\nFrom: b\n\n"), ERR_INPUT,
		  "line 2: neither Subject, To, Cc nor Bcc; a blank line stands above the text" },
		{ SLICE_INIT("Subject: a\nDear b\n\n"), ERR_INPUT,
		  "line 2: no field; a blank line stands above the text" },
		{ SLICE_INIT("Subject: a\n\nx\n\xfc\n"), ERR_INPUT, "line 4: not UTF-8" },
		{ SLICE_INIT("Subject: a\0\n\n"), ERR_INPUT, "line 1: not UTF-8" },
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct edit got;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fail fail = { 0 };

		assert_row(i, edit_read(rows[i].text, &a, &got, &fail) == rows[i].code);
		assert_slice_row(slice_str(fail.what), slice_str(rows[i].what), i);
	}
}

static void recipients_are_counted_strictly(void **state)
{
	static const struct {
		struct slice value;
		size_t want; /* 0: refused */
	} rows[] = {
		{ SLICE_INIT("a@x.example"), 1 },
		{ SLICE_INIT("\"A, B\" <a@x.example>, b@x.example"), 2 },
		{ SLICE_INIT("a"), 0 },
		{ SLICE_INIT("a@x.example, b"), 0 },
		{ SLICE_INIT("friends: a@x.example;"), 0 },
		{ SLICE_INIT("(nobody)"), 0 },
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice value = rows[i].value, *v;
		size_t line = 7, n = 0;
		struct edit_list l = { &value, &line, 1 };
		struct fail fail = { 0 };
		enum err e = edit_addresses(&l, &a, &v, &n, &fail);

		assert_row(i, (e == OK) == (rows[i].want > 0) && n == rows[i].want);
		if (e)
			assert_string_equal(fail.what, "line 7: not an e-mail address");
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mail_becomes_lines),
		cmocka_unit_test(odd_characters_are_marked_and_come_back),
		cmocka_unit_test(a_subject_stays_one_line),
		cmocka_unit_test(what_was_typed_is_read),
		cmocka_unit_test(what_is_no_mail_is_refused_with_its_line),
		cmocka_unit_test(recipients_are_counted_strictly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
