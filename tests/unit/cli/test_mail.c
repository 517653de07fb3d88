/* SPDX-License-Identifier: Apache-2.0 */
/* Mails from their bytes: header, text, attachments, broken and hostile ones. */
#include "cli/mail.h"

#include "common/base/utf8.h"
#include "tests/unit/test.h"

#define MULTI(kind, b) "Content-Type: multipart/" kind "; boundary=" b "\r\n\r\n"
#define HTML "Content-Type: text/html\r\n\r\n"

static void header_fields_are_readable(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct mail m;

	(void)state;
	mail_read(S("From: =?utf-8?q?J=C3=BCrgen?= <j@x.example>\r\n"
		    "To: a@x.example,\r\n \"B, C\" <b@x.example>\r\n"
		    "Cc: =?utf-8?q?boss=40bank=2Eexample_=3Cboss=40bank=2Eexample=3E=2C?=\r\n"
		    " <evil@x.example>\r\n"
		    "Subject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n =?utf-8?q?_=1b[31m?=\r\n"
		    "Date: Thu, 15 Jan 2026 10:30:00 +0100\r\n"
		    "Message-ID: <1@x.example>\r\n\r\nHi\r\n"),
		  &a, &m);
	assert_slice(m.from, S("J\xc3\xbcrgen <j@x.example>"));
	assert_slice(m.to, S("a@x.example, \"B, C\" <b@x.example>"));
	assert_slice(m.cc, S("\"boss@bank.example <boss@bank.example>,\" <evil@x.example>"));
	assert_slice(m.subject, S("Gr\xc3\xbc\xc3\x9f"
				  "e  [31m"));
	assert_slice(m.date, S("Thu, 15 Jan 2026 10:30:00 +0100"));
	assert_true(m.has_date && m.date_us == 1768469400000000);
	assert_slice(m.message_id, S("<1@x.example>"));
	assert_int_equal(m.reply_to.n, 0);
}

static void a_field_that_is_no_list_is_shown_as_it_is(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct mail m;

	(void)state;
	mail_read(S("To: undisclosed-recipients:;\r\nFrom: \xe4\xb6 nobody\r\nDate: soon\r\n\r\n"),
		  &a, &m);
	assert_slice(m.to, S("undisclosed-recipients:;"));
	assert_true(utf8_valid(m.from) && m.from.n);
	assert_slice(m.date, S("soon"));
	assert_false(m.has_date);
}

static void text_is_what_a_person_reads(void **state)
{
	static const struct {
		struct slice mail, want;
	} rows[] = {
		{ SLICE_INIT(""), SLICE_INIT("") },
		{ SLICE_INIT("\r\nHi\r\nthere"), SLICE_INIT("Hi\nthere") },
		{ SLICE_INIT("Content-Type: text/plain; charset=iso-8859-1\r\n"
			     "Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DF=\r\ne"),
		  SLICE_INIT("Gr\xc3\xbc\xc3\x9f"
			     "e") },
		/* it says UTF-8 and is not, and the other way round */
		{ SLICE_INIT("Content-Type: text/plain; charset=utf-8\r\n\r\nGr\xfc\xdf"),
		  SLICE_INIT("Gr\xc3\xbc\xc3\x9f") },
		{ SLICE_INIT("Content-Type: text/plain; charset=../../x\r\n\r\n\xc3\xbc"),
		  SLICE_INIT("\xc3\xbc") },
		{ SLICE_INIT(HTML "<p>Hello <b>you</b>"), SLICE_INIT("Hello you\n") },
		/* alternatives: the plain one, unless it says nothing */
		{ SLICE_INIT(MULTI("alternative", "b") "--b\r\n\r\nplain\r\n--b\r\n" HTML
						       "<p>rich\r\n--b--\r\n"),
		  SLICE_INIT("plain") },
		{ SLICE_INIT(MULTI("alternative", "b") "--b\r\n\r\n \r\n\r\n--b\r\n" HTML
						       "<p>rich\r\n--b--\r\n"),
		  SLICE_INIT(" \nrich\n") },
		/* a list's footer behind mail that is HTML alone */
		{ SLICE_INIT(MULTI("mixed", "b") "--b\r\n" HTML "<p>rich\r\n--b\r\n\r\n"
						 "footer\r\n--b--\r\n"),
		  SLICE_INIT("rich\nfooter") },
		/* around an attachment */
		{ SLICE_INIT(MULTI("mixed", "b") "--b\r\n\r\none\r\n--b\r\n"
						 "Content-Type: image/png\r\n\r\nP\r\n"
						 "--b\r\n\r\ntwo\r\n--b--\r\n"),
		  SLICE_INIT("one\ntwo") },
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf text = BUF_INIT(1000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct mail m;

		buf_reset(&text);
		mail_read(rows[i].mail, &a, &m);
		assert_row(i, mail_text(&m, &text));
		assert_slice_row(buf_slice(&text), rows[i].want, i);
	}
}

static void text_is_cut_at_the_ceiling(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf text = BUF_INIT(6);
	struct mail m;

	(void)state;
	mail_read(S("\r\n12345\xc3\xbc"), &a, &m);
	assert_false(mail_text(&m, &text));
	assert_slice(buf_slice(&text), S("12345"));
	buf_reset(&text);
	mail_read(S(HTML "<p>1234567890"), &a, &m);
	assert_false(mail_text(&m, &text));
	assert_slice(buf_slice(&text), S("123456"));
}

static enum err collect(void *arg, struct slice bytes)
{
	struct buf *b = arg;

	buf_add_slice(b, bytes);
	return b->len > 20 ? ERR_TOO_BIG : OK;
}

static void attachments_are_decoded(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf b = BUF_INIT(100);
	struct mail m;

	(void)state;
	mail_read(S(MULTI("mixed", "b") "--b\r\n\r\nHi\r\n--b\r\n"
					"Content-Type: application/pdf; name=\"../a.pdf\"\r\n"
					"Content-Transfer-Encoding: base64\r\n\r\n"
					"AAEC/w==\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
					"Subject: x\r\n\r\nforwarded text\r\n--b--\r\n"),
		  &a, &m);
	assert_int_equal(mail_files(&m), 2);
	assert_true(mail_has(&m, MIME_BODY_TEXT) && !mail_has(&m, MIME_BODY_HTML));
	assert_slice(m.tree.v[1].filename, S("_a.pdf"));
	assert_int_equal(mail_part_each(&m, &m.tree.v[1], collect, &b), OK);
	assert_slice(buf_slice(&b), S("\x00\x01\x02\xff"));
	assert_int_equal(mail_part_each(&m, &m.tree.v[2], collect, &b), ERR_TOO_BIG);
}

static void html_is_handed_out_as_it_is(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf b = BUF_INIT(100);
	struct mail m;

	(void)state;
	mail_read(S(MULTI("alternative", "b") "--b\r\n\r\nplain\r\n--b\r\n" HTML
					      "<script>x</script>\r\n--b--\r\n"),
		  &a, &m);
	assert_true(mail_html(&m, &b));
	assert_slice(buf_slice(&b), S("<script>x</script>"));
}

static void many_parts_are_limited_and_said_so(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf mail = BUF_INIT(1 << 20);
	AUTO(buf_release) struct buf text = BUF_INIT(1 << 20);
	struct mail m;

	(void)state;
	buf_add_str(&mail, MULTI("mixed", "b"));
	for (int i = 0; i < 5000; i++)
		buf_add_str(&mail, "--b\r\nContent-Type: image/png\r\n\r\nP\r\n");
	mail_read(buf_slice(&mail), &a, &m);
	assert_true(m.tree.limited);
	assert_in_range(mail_files(&m), 990, MIME_PARTS_MAX);
	assert_true(mail_text(&m, &text) && text.len == 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_fields_are_readable),
		cmocka_unit_test(a_field_that_is_no_list_is_shown_as_it_is),
		cmocka_unit_test(text_is_what_a_person_reads),
		cmocka_unit_test(text_is_cut_at_the_ceiling),
		cmocka_unit_test(attachments_are_decoded),
		cmocka_unit_test(html_is_handed_out_as_it_is),
		cmocka_unit_test(many_parts_are_limited_and_said_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
