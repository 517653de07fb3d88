/* SPDX-License-Identifier: Apache-2.0 */
/* Which answer belongs to which command, however the bytes are cut. */
#include "deliverd/smtp_replies.h"

#include "tests/unit/test.h"

#include <string.h>

#define EHLO "220 mx\r\n250-mx\r\n250-SIZE 1\r\n250 SMTPUTF8\r\n"

enum { RCPTS = 3 };

static void feed(struct smtp_replies *r, const char *text, size_t step)
{
	struct slice s = slice_str(text);

	for (size_t at = 0; at < s.n; at += step)
		smtp_replies_feed(r, slice_sub(s, at, at + step));
}

static void each_answer_goes_to_its_command(void **state)
{
	static const struct {
		bool connected;
		const char *in;
		enum smtp_step step, last;
		int code, rcpts[RCPTS];
	} rows[] = {
		/* all of it, and what follows is not read */
		{ true,
		  EHLO "250 m\r\n250 a\r\n251 b\r\n250 c\r\n354 go\r\n250 ok\r\n221 bye\r\n",
		  SMTP_OVER,
		  SMTP_END,
		  250,
		  { 250, 251, 250 } },
		{ false,
		  "250 m\r\n250 a\r\n250 b\r\n250 c\r\n354 go\r\n250 ok\r\n",
		  SMTP_OVER,
		  SMTP_END,
		  250,
		  { 250, 250, 250 } },
		{ false, "", SMTP_MAIL, SMTP_GREETING, 0, { 0 } },
		{ true, "", SMTP_GREETING, SMTP_GREETING, 0, { 0 } },
		/* who refuses what */
		{ true, "554 no\r\n221 bye\r\n", SMTP_OVER, SMTP_GREETING, 554, { 0 } },
		{ true, "421 no\r\n", SMTP_OVER, SMTP_GREETING, 421, { 0 } },
		{ true, "220 mx\r\n502 what\r\n250 hello\r\n", SMTP_MAIL, SMTP_HELO, 250, { 0 } },
		{ true,
		  "220 mx\r\n502-what\r\n502 what\r\n502 what\r\n",
		  SMTP_OVER,
		  SMTP_HELO,
		  502,
		  { 0 } },
		{ true, EHLO "451 later\r\n250 a\r\n", SMTP_OVER, SMTP_MAIL, 451, { 0 } },
		{ false,
		  "250 m\r\n550 a\r\n451 b\r\n550 c\r\n221 bye\r\n",
		  SMTP_OVER,
		  SMTP_RCPT,
		  550,
		  { 550, 451, 550 } },
		{ false,
		  "250 m\r\n250 a\r\n550 b\r\n250 c\r\n",
		  SMTP_DATA,
		  SMTP_RCPT,
		  550,
		  { 250, 550, 250 } },
		{ false,
		  "250 m\r\n250 a\r\n421 b\r\n",
		  SMTP_RCPT,
		  SMTP_RCPT,
		  421,
		  { 250, 421, 0 } },
		{ false,
		  "250 m\r\n250 a\r\n550 b\r\n250 c\r\n451 no\r\n",
		  SMTP_OVER,
		  SMTP_DATA,
		  451,
		  { 250, 550, 250 } },
		{ false,
		  "250 m\r\n250 a\r\n250 b\r\n250 c\r\n250 what\r\n",
		  SMTP_OVER,
		  SMTP_DATA,
		  250,
		  { 250, 250, 250 } },
		{ false,
		  "250 m\r\n250 a\r\n250 b\r\n250 c\r\n354 go\r\n",
		  SMTP_END,
		  SMTP_DATA,
		  354,
		  { 250, 250, 250 } },
		{ false,
		  "250 m\r\n250 a\r\n250 b\r\n250 c\r\n354 go\r\n550 no\r\n",
		  SMTP_OVER,
		  SMTP_END,
		  550,
		  { 250, 250, 250 } },
		/* several lines are one answer, the last one counts */
		{ false,
		  "250-m\r\n250-m\r\n250 m\r\n550-a\r\n250 a\r\n",
		  SMTP_RCPT,
		  SMTP_RCPT,
		  250,
		  { 250, 0, 0 } },
		/* what libcurl passes over */
		{ false,
		  "\r\nhello\r\n25 m\r\n2x0 m\r\n250\n250xm\r\n000 m\r\n001 m\r\n0001\n250 m\r\n",
		  SMTP_RCPT,
		  SMTP_MAIL,
		  250,
		  { 0 } },
		/* what libcurl takes for the end of an answer */
		{ false, "250\r\n250x\n250-\n", SMTP_RCPT, SMTP_RCPT, 250, { 250, 250, 0 } },
		{ false, "2501\n", SMTP_OVER, SMTP_MAIL, 0, { 0 } },
		{ false, "0012\n", SMTP_OVER, SMTP_MAIL, 0, { 0 } },
		{ false, "999 m\r\n", SMTP_OVER, SMTP_MAIL, 999, { 0 } },
		/* a line without its end is none */
		{ false, "250 m", SMTP_MAIL, SMTP_GREETING, 0, { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step < 70; step += 3) {
			struct smtp_reply rcpts[RCPTS];
			struct smtp_replies r;

			smtp_replies_init(&r, rcpts, RCPTS);
			if (rows[i].connected)
				smtp_replies_connect(&r);
			feed(&r, rows[i].in, step);
			assert_row(i, r.step == rows[i].step);
			assert_row(i, r.last == rows[i].last);
			assert_row(i, r.reply.code == rows[i].code);
			for (size_t k = 0; k < RCPTS; k++)
				assert_row(i, rcpts[k].code == rows[i].rcpts[k]);
		}
}

static void a_new_connection_forgets_the_old_one(void **state)
{
	struct smtp_reply rcpts[1];
	struct smtp_replies r;

	(void)state;
	smtp_replies_init(&r, rcpts, 1);
	feed(&r, "221 2.0.0 bye\r\n", 100);
	smtp_replies_connect(&r);
	feed(&r, EHLO "250 m\r\n550 5.1.1 a\r\n", 100);
	assert_int_equal(r.step, SMTP_OVER);
	assert_int_equal(rcpts[0].code, 550);
}

static void texts_are_fit_for_people(void **state)
{
	static const struct {
		const char *in, *enhanced, *text;
	} rows[] = {
		{ "550 5.1.1 <a@b.example>: unknown\r\n", "5.1.1", "<a@b.example>: unknown" },
		{ "550-5.1.1 no\r\n550-5.1.1\r\n550 5.1.1 such user\r\n", "5.1.1", "no such user" },
		{ "550 5.123.456 x\r\n", "5.123.456", "x" },
		{ "550 5.1.1\r\n", "5.1.1", "" },
		{ "550\r\n", "", "" },
		/* not of this class, or no status at all */
		{ "550 4.1.1 x\r\n", "", "4.1.1 x" },
		{ "550 5.1.1x\r\n", "", "5.1.1x" },
		{ "550 5.1\r\n", "", "5.1" },
		{ "550 5..1 x\r\n", "", "5..1 x" },
		{ "550 5.1234.1 x\r\n", "", "5.1234.1 x" },
		{ "550 no: 5.1.1\r\n", "", "no: 5.1.1" },
		{ "250-2.1.5 x\r\n550 no\r\n", "", "x no" },
		/* no controls, no broken characters, one line */
		{ "550 a\tb\033[31m\x7fz\r\r\n", "", "a b [31m z" },
		{ "550 a\xff\xc0\x80z\r\n", "", "a???z" },
		{ "550 a\xc2\x85x\xe2\x80\xa8y\xc3\xa9\r\n", "", "a x y\xc3\xa9" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct smtp_reply rcpts[1];
		struct smtp_replies r;

		smtp_replies_init(&r, rcpts, 1);
		feed(&r, "250 m\r\n", 100);
		feed(&r, rows[i].in, 100);
		assert_int_equal(r.step, SMTP_OVER);
		assert_slice_row(slice_str(rcpts[0].enhanced), slice_str(rows[i].enhanced), i);
		assert_slice_row(slice_str(rcpts[0].text), slice_str(rows[i].text), i);
	}
}

static void texts_have_a_ceiling(void **state)
{
	AUTO(mem_freep) char *line = mem_zalloc(100 * 1024 + 3);
	struct smtp_reply rcpts[1];
	struct smtp_replies r;

	(void)state;
	memset(line, 'y', 100 * 1024);
	memcpy(line, "550 5.7.1 ", 10);
	memcpy(line + 308, "\xe2\x82\xac", 3); /* does not fit whole */
	smtp_replies_init(&r, rcpts, 1);
	feed(&r, "250 m\r\n", 100);
	feed(&r, line, 1000);
	assert_int_equal(r.step, SMTP_RCPT);
	feed(&r, "\r\n", 100);
	assert_int_equal(rcpts[0].code, 550);
	assert_string_equal(rcpts[0].enhanced, "5.7.1");
	assert_int_equal(strlen(rcpts[0].text), 298);
}

static void many_lines_of_one_answer_are_cut(void **state)
{
	struct smtp_reply rcpts[1];
	struct smtp_replies r;

	(void)state;
	smtp_replies_init(&r, rcpts, 1);
	feed(&r, "250 m\r\n", 100);
	for (size_t i = 0; i < 1000; i++)
		feed(&r, "550-5.7.1 lorem ipsum\r\n", 100);
	assert_int_equal(r.step, SMTP_RCPT);
	feed(&r, "550 5.7.1 end\r\n", 100);
	assert_int_equal(strlen(rcpts[0].text), SMTP_TEXT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_answer_goes_to_its_command),
		cmocka_unit_test(a_new_connection_forgets_the_old_one),
		cmocka_unit_test(texts_are_fit_for_people),
		cmocka_unit_test(texts_have_a_ceiling),
		cmocka_unit_test(many_lines_of_one_answer_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
