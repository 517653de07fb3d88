/* SPDX-License-Identifier: Apache-2.0 */
/* Mails of our own: what their bytes look like, and what must never become a header. */
#include "common/mail/compose.h"

#include "common/base/mem.h"
#include "common/mail/mime.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { MAIL_MAX = 1024 * 1024 };

static const struct slice to[] = { SLICE_INIT("alice@example.com") };

static struct compose_mail plain(void)
{
	return (struct compose_mail){
		.from = S("noreply@mx.example.com"),
		.to = to,
		.to_n = 1,
		.reply_to = S("bob@sender.example"),
		.subject = S("Sign in"),
		.message_id = S("mail_1@mx.example.com"),
		.date_us = 1768473600000000,
		.auto_generated = true,
		.text = S("Hello,\n\nhttps://e2a.example/link\n"),
	};
}

static void compose(const struct compose_mail *m, struct buf *ret)
{
	struct fail fail = { 0 };

	if (compose_mail(m, ret, &fail))
		fail_msg("%s", fail.what);
}

static void assert_has(const struct buf *b, const char *text)
{
	if (slice_search(buf_slice(b), slice_str(text)) < 0)
		fail_msg("no \"%s\" in:\n%s", text, buf_cstr(b));
}

static void assert_lacks(const struct buf *b, const char *text)
{
	if (slice_search(buf_slice(b), slice_str(text)) >= 0)
		fail_msg("\"%s\" in:\n%s", text, buf_cstr(b));
}

/* ASCII in lines of at most `max` bytes, each ended by CR LF. */
static void assert_clean(const struct buf *b, size_t max)
{
	struct slice rest = buf_slice(b), line;

	assert_true(slice_ends(rest, S("\r\n")));
	rest.n -= 2;
	while (slice_cut(&rest, '\n', &line)) {
		if (rest.p) {
			assert_true(slice_ends(line, S("\r")));
			line.n--;
		}
		assert_true(line.n <= max);
		for (size_t i = 0; i < line.n; i++)
			assert_true(line.p[i] != '\r' && line.p[i] != 0 &&
				    (unsigned char)line.p[i] < 0x80);
	}
}

static void a_plain_mail_is_what_one_would_write(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);
	const struct compose_mail m = plain();

	(void)state;
	compose(&m, &b);
	assert_string_equal(buf_cstr(&b), "Date: Thu, 15 Jan 2026 10:40:00 +0000\r\n"
					  "From: noreply@mx.example.com\r\n"
					  "Reply-To: bob@sender.example\r\n"
					  "Subject: Sign in\r\n"
					  "To: alice@example.com\r\n"
					  "Message-Id: <mail_1@mx.example.com>\r\n"
					  "Auto-Submitted: auto-generated\r\n"
					  "MIME-Version: 1.0\r\n"
					  "Content-Type: text/plain; charset=utf-8\r\n"
					  "Content-Transfer-Encoding: 7bit\r\n"
					  "\r\n"
					  "Hello,\r\n"
					  "\r\n"
					  "https://e2a.example/link\r\n");
}

static void fields_that_are_empty_are_left_out(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);
	struct compose_mail m = plain();

	(void)state;
	m.reply_to = m.subject = m.text = S("");
	m.auto_generated = false;
	compose(&m, &b);
	assert_lacks(&b, "Reply-To");
	assert_lacks(&b, "Subject");
	assert_lacks(&b, "Auto-Submitted");
	assert_clean(&b, COMPOSE_LINE_WANT);
}

static void the_same_input_makes_the_same_mail(void **state)
{
	AUTO(buf_release) struct buf a = BUF_INIT(MAIL_MAX);
	AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);
	const struct compose_mail m = plain();

	(void)state;
	compose(&m, &a);
	compose(&m, &b);
	assert_string_equal(buf_cstr(&a), buf_cstr(&b));
}

static char long_link[COMPOSE_LINE_MAX + 1], longer_link[COMPOSE_LINE_MAX + 2];

static void the_text_is_encoded_as_little_as_it_can_be(void **state)
{
	const struct {
		const char *text, *encoding, *has;
		size_t line_max;
	} rows[] = {
		{ "short\nlines", "7bit", "short\r\nlines\r\n", COMPOSE_LINE_WANT },
		{ "a\r\nb\rc\n\n", "7bit", "a\r\nb\r\nc\r\n\r\n", COMPOSE_LINE_WANT },
		{ "caf\xc3\xa9 in mostly plain words", "quoted-printable", "caf=C3=A9",
		  COMPOSE_LINE_WANT },
		{ "trailing \nblank", "quoted-printable", "trailing=20\r\n", COMPOSE_LINE_WANT },
		{ "\x01 and \x7f", "quoted-printable", "=01 and =7F", COMPOSE_LINE_WANT },
		{ "many words in one line of text, more of them than there is room for in it, you see",
		  "quoted-printable", "=\r\n", COMPOSE_LINE_WANT },
		{ "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", "base64", "5pel5pys6KqeDQo=\r\n",
		  COMPOSE_LINE_WANT },
		{ long_link, "7bit", long_link, COMPOSE_LINE_MAX },
		{ longer_link, "quoted-printable", "=\r\n", COMPOSE_LINE_WANT },
		{ ".\n..\nFrom me", "7bit", ".\r\n..\r\nFrom me\r\n", COMPOSE_LINE_WANT },
	};

	(void)state;
	memset(long_link, 'x', COMPOSE_LINE_MAX);
	memset(longer_link, 'x', COMPOSE_LINE_MAX + 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);
		AUTO(buf_release) struct buf encoding = BUF_INIT(100);
		struct compose_mail m = plain();

		m.text = slice_str(rows[i].text);
		compose(&m, &b);
		buf_addf(&encoding, "Content-Transfer-Encoding: %s\r\n", rows[i].encoding);
		assert_has(&b, buf_cstr(&encoding));
		assert_has(&b, rows[i].has);
		assert_clean(&b, rows[i].line_max);
	}
}

static void a_subject_is_encoded_and_folded(void **state)
{
	static const struct {
		const char *subject, *has;
	} rows[] = {
		{ "Gr\xc3\xbc\xc3\x9f"
		  "e",
		  "Subject: =?UTF-8?" },
		{ "many words in one line of text, more of them than there is room for in it, so",
		  "Subject: many words" },
		{ "=?utf-8?q?=0D=0ABcc:_x@y.example?= literally", "Subject: = ?utf-8?q?" },
		{ "\xf0\x9f\x93\x84\xf0\x9f\x93\x84\xf0\x9f\x93\x84\xf0\x9f\x93\x84\xf0\x9f\x93\x84"
		  "\xf0\x9f\x93\x84\xf0\x9f\x93\x84\xf0\x9f\x93\x84\xf0\x9f\x93\x84\xf0\x9f\x93\x84",
		  "Subject: =?UTF-8?B?" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);
		struct compose_mail m = plain();

		m.subject = slice_str(rows[i].subject);
		compose(&m, &b);
		assert_has(&b, rows[i].has);
		assert_clean(&b, COMPOSE_LINE_WANT);
	}
}

#define EVIL "x\r\nBcc: victim@example.com"

static void what_would_be_another_header_is_refused(void **state)
{
	static const struct slice evil[] = {
		SLICE_INIT(EVIL),
		SLICE_INIT("a@b.example\r\nBcc: c@d.example"),
		SLICE_INIT("a@b.example\nX: y"),
		SLICE_INIT("a@b.example\rX: y"),
		SLICE_INIT("a@b.example\0"),
		SLICE_INIT("a@b.example\x7f"),
	};
	AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(evil); i++)
		for (size_t field = 0; field < 5; field++) {
			struct compose_mail m = plain();
			struct fail fail = { 0 };
			struct slice *const at[] = { &m.from, &m.reply_to, &m.subject,
						     &m.message_id };

			if (field < ARRAY_LEN(at))
				*at[field] = evil[i];
			else
				m.to = &evil[i];
			assert_int_equal(compose_mail(&m, &b, &fail), ERR_INPUT);
			assert_int_equal(b.len, 0);
			assert_null(strstr(fail.what, "victim"));
		}
}

static void what_is_no_address_or_no_text_is_refused(void **state)
{
	static const struct slice bad[] = {
		SLICE_INIT("a"),
		SLICE_INIT("a@b@c.example"),
		SLICE_INIT("a@localhost"),
		SLICE_INIT("A <a@b.example>"),
		SLICE_INIT("a@b.example, c@d.example"),
		SLICE_INIT("\"a b\"@c.example"),
		SLICE_INIT("\xc3\xa9@b.example"),
		SLICE_INIT("a@B.example"),
		SLICE_INIT("a@\xc3\xa9.example"),
		SLICE_INIT("a@b.example."),
		SLICE_INIT("a(c)@b.example"),
		SLICE_INIT("<a@b.example>"),
	};
	AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);
	struct compose_mail m;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		m = plain();
		m.to = &bad[i];
		assert_int_equal(compose_mail(&m, &b, NULL), ERR_INPUT);
	}
	m = plain();
	m.to_n = 0;
	assert_int_equal(compose_mail(&m, &b, NULL), ERR_INPUT);
	m = plain();
	m.from = S("");
	assert_int_equal(compose_mail(&m, &b, NULL), ERR_INPUT);
	m = plain();
	m.subject = S("\xff");
	assert_int_equal(compose_mail(&m, &b, NULL), ERR_INPUT);
	m = plain();
	m.text = S("a\0b");
	assert_int_equal(compose_mail(&m, &b, NULL), ERR_INPUT);
	m = plain();
	m.text = S("\xc3");
	assert_int_equal(compose_mail(&m, &b, NULL), ERR_INPUT);
	assert_int_equal(b.len, 0);
}

static void a_mail_that_does_not_fit_is_refused(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(100);
	const struct compose_mail m = plain();

	(void)state;
	assert_int_equal(compose_mail(&m, &b, NULL), ERR_TOO_BIG);
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
		cmocka_unit_test(a_plain_mail_is_what_one_would_write),
		cmocka_unit_test(fields_that_are_empty_are_left_out),
		cmocka_unit_test(the_same_input_makes_the_same_mail),
		cmocka_unit_test(the_text_is_encoded_as_little_as_it_can_be),
		cmocka_unit_test(a_subject_is_encoded_and_folded),
		cmocka_unit_test(what_would_be_another_header_is_refused),
		cmocka_unit_test(what_is_no_address_or_no_text_is_refused),
		cmocka_unit_test(a_mail_that_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, started, NULL);
}
