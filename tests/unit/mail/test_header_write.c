/* SPDX-License-Identifier: Apache-2.0 */
/* Fields as they are written, and what our own reader gets back from them. */
#include "common/base/utf8.h"
#include "common/mail/header_write.h"
#include "common/mail/mime.h"
#include "common/mail/mime_param.h"
#include "tests/unit/test.h"

enum { FIELD_MAX = 64 * 1024 };

#define X10 "xxxxxxxxxx"
#define X70 X10 X10 X10 X10 X10 X10 X10
#define BOX "\xf0\x9f\x93\xa6"
#define BOX10 BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX

typedef void writer(struct header_writer *w, struct slice text);

static void write_filename(struct header_writer *w, struct slice text)
{
	header_write_item(w, S("attachment"));
	header_write_param(w, S("filename"), text);
}

static void write_one(const char *name, writer *write, struct slice text, struct buf *ret)
{
	struct header_writer w;

	header_write_begin(&w, ret, slice_str(name));
	write(&w, text);
	header_write_end(&w);
}

/* Each line as long as wanted, in ASCII, and every one but the first begins with one blank. */
static void assert_folded(const struct buf *b, size_t row)
{
	struct slice rest = buf_slice(b), line;
	size_t n = 0;

	assert_true(slice_ends(rest, S("\r\n")));
	for (rest.n--; slice_cut(&rest, '\n', &line); n++) {
		assert_row(row, line.n <= HEADER_LINE_WANT + 1);
		assert_row(row, slice_find(line, '\r') == (ptrdiff_t)line.n - 1);
		assert_row(row, n == 0 || slice_starts(line, S(" ")));
		assert_row(row, n == 0 || line.n > 2);
		for (size_t i = 0; i + 1 < line.n; i++)
			assert_row(row, line.p[i] >= ' ' && line.p[i] <= '~');
	}
}

static struct slice value_of(const struct buf *b)
{
	struct slice s = buf_slice(b);

	return slice_sub(s, (size_t)slice_find(s, ':') + 1, s.n - 2);
}

static void text_is_written_plainly_where_that_loses_nothing(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "Hello", "Subject: Hello\r\n" },
		{ "two  blanks", "Subject: two  blanks\r\n" },
		{ "= ? ?= 100% \"q\" (c) <a@b>", "Subject: = ? ?= 100% \"q\" (c) <a@b>\r\n" },
		{ "a " X70, "Subject: a\r\n " X70 "\r\n" },
		{ X10 " " X10 " " X10 " " X10 " " X10 " " X10 " " X10,
		  "Subject: " X10 " " X10 " " X10 " " X10 " " X10 " " X10 "\r\n " X10 "\r\n" },
		{ " front", "Subject: =?utf-8?q?_front?=\r\n" },
		{ "behind ", "Subject: =?utf-8?q?behind_?=\r\n" },
		{ "=?utf-8?q?x?=", "Subject: =?utf-8?b?PT91dGYtOD9xP3g/PQ==?=\r\n" },
		{ "R\xc3\xa9sum\xc3\xa9 for you",
		  "Subject: =?utf-8?q?R=C3=A9sum=C3=A9_for_you?=\r\n" },
		{ BOX, "Subject: =?utf-8?b?8J+Tpg==?=\r\n" },
		{ X70 "  y", "Subject: =?utf-8?q?" X10 X10 X10 X10 X10 "xxxxxx?=\r\n"
			     " =?utf-8?q?" X10 "xxxx__y?=\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT(FIELD_MAX);

		write_one("Subject", header_write_text, slice_str(rows[i].text), &b);
		assert_slice_row(buf_slice(&b), slice_str(rows[i].want), i);
		assert_folded(&b, i);
	}
}

static void a_display_name_is_quoted_or_encoded(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "Bot via e2a", "From: \"Bot via e2a\"\r\n" },
		{ "a \"b\" \\c", "From: \"a \\\"b\\\" \\\\c\"\r\n" },
		{ "Bot, <x@y.example>", "From: \"Bot, <x@y.example>\"\r\n" },
		{ "B\xc3\xb6t", "From: =?utf-8?q?B=C3=B6t?=\r\n" },
		{ "=?utf-8?q?x?=", "From: =?utf-8?b?PT91dGYtOD9xP3g/PQ==?=\r\n" },
		{ X70, "From: =?utf-8?q?" X10 X10 X10 X10 X10 "xxxxxxxxx?=\r\n"
		       " =?utf-8?q?" X10 "x?=\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT(FIELD_MAX);

		write_one("From", header_write_phrase, slice_str(rows[i].text), &b);
		assert_slice_row(buf_slice(&b), slice_str(rows[i].want), i);
		assert_folded(&b, i);
	}
}

static void a_parameter_is_quoted_or_percent_encoded(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "a b.pdf", "D: attachment; filename=\"a b.pdf\"\r\n" },
		{ "", "D: attachment; filename=\"\"\r\n" },
		{ "a;b=c'd%41*.txt", "D: attachment; filename=\"a;b=c'd%41*.txt\"\r\n" },
		{ "a\"b\\c/d", "D: attachment; filename*=utf-8''a%22b%5Cc%2Fd\r\n" },
		{ "\xe2\x82\xac.txt", "D: attachment; filename*=utf-8''%E2%82%AC.txt\r\n" },
		{ "=?utf-8?q?x?=",
		  "D: attachment; filename*=utf-8''%3D%3Futf-8%3Fq%3Fx%3F%3D\r\n" },
		{ X70, "D: attachment;\r\n filename*0*=utf-8''" X10 X10 X10 X10 X10
		       "xxxxxxx;\r\n filename*1*=xxxxxxxxxxxxx\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT(FIELD_MAX);

		write_one("D", write_filename, slice_str(rows[i].text), &b);
		assert_slice_row(buf_slice(&b), slice_str(rows[i].want), i);
		assert_folded(&b, i);
	}
}

static const struct slice hostile[] = {
	SLICE_INIT("plain"),
	SLICE_INIT(" "),
	SLICE_INIT("  both ends   "),
	SLICE_INIT("a  b   c"),
	SLICE_INIT("=?x"),
	SLICE_INIT("x =?utf-8?b?QUI=?= y"),
	SLICE_INIT("=?utf-8?q?=0D=0ABcc:_x@y.example?="),
	SLICE_INIT("\"'`\\/<>()[]{}:;,.@*%"),
	SLICE_INIT("\xe2\x80\xaegnp.exe"),
	SLICE_INIT("utf-8''a%20b"),
	SLICE_INIT("\xc3\xa9 \xc3\xa9  \xc3\xa9 "),
	SLICE_INIT(X70 X70 X70 X70),
	SLICE_INIT(X70 " " X70 " " X70),
	SLICE_INIT(X70 "  " X70),
	SLICE_INIT(X10 " " X10 " " X10 " " X10 "  " X10),
	SLICE_INIT("x " X10 X10 X10 X10 X10 "  " X10),
	SLICE_INIT(BOX10 BOX10 BOX10 BOX10 BOX10 BOX10 BOX10 BOX10 BOX10 BOX10),
	SLICE_INIT("x" BOX10 "y" BOX10 " " BOX10),
};

static void every_text_comes_back_as_it_was(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(buf_release) struct buf b = BUF_INIT(FIELD_MAX);

		write_one("X-E2A-Conversation-Id", header_write_text, hostile[i], &b);
		assert_folded(&b, i);
		assert_slice_row(mime_text_exact(value_of(&b), FIELD_MAX, &a), hostile[i], i);
	}
}

static void every_parameter_comes_back_as_it_was(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(buf_release) struct buf b = BUF_INIT(FIELD_MAX);
		struct mime_field field;

		write_one("Content-Disposition", write_filename, hostile[i], &b);
		assert_folded(&b, i);
		mime_field_parse(value_of(&b), &a, &field);
		assert_slice_row(field.value, S("attachment"), i);
		assert_slice_row(mime_field_text(&field, S("filename"), &a), hostile[i], i);
	}
}

static void write_items(struct header_writer *w, struct slice item)
{
	for (size_t i = 0; i < 3; i++)
		header_write_item(w, item);
}

static void items_are_folded_between_and_never_inside(void **state)
{
	static const struct {
		const char *item, *want;
	} rows[] = {
		{ "<a@b>", "References: <a@b> <a@b> <a@b>\r\n" },
		{ "<" X10 X10 ">",
		  "References: <" X10 X10 "> <" X10 X10 ">\r\n <" X10 X10 ">\r\n" },
		{ X70 X70, "References: " X70 X70 "\r\n " X70 X70 "\r\n " X70 X70 "\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT(FIELD_MAX);

		write_one("References", write_items, slice_str(rows[i].item), &b);
		assert_slice_row(buf_slice(&b), slice_str(rows[i].want), i);
	}
}

static int started(void **state)
{
	(void)state;
	mime_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_written_plainly_where_that_loses_nothing),
		cmocka_unit_test(a_display_name_is_quoted_or_encoded),
		cmocka_unit_test(a_parameter_is_quoted_or_percent_encoded),
		cmocka_unit_test(every_text_comes_back_as_it_was),
		cmocka_unit_test(every_parameter_comes_back_as_it_was),
		cmocka_unit_test(items_are_folded_between_and_never_inside),
	};

	return cmocka_run_group_tests(tests, started, NULL);
}
