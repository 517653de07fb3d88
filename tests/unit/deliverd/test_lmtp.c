/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/mem.h"
#include "deliverd/lmtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MAIL_MAX = 200, BUDGET = 1024 * 1024 };

struct session {
	struct budget budget;
	struct lmtp_limits limits;
	struct lmtp *l;
	struct buf out;
	struct slice left;
	enum lmtp_next next;
};

static void begin(struct session *s)
{
	*s = (struct session){ .budget = { .limit = BUDGET }, .out = BUF_INIT(1024 * 1024) };
	s->limits = (struct lmtp_limits){ "mx.test", MAIL_MAX, 3, &s->budget };
	s->l = lmtp_new(&s->limits);
}

static void end(struct session *s)
{
	lmtp_free(s->l);
	buf_release(&s->out);
	assert_int_equal(s->budget.used, 0);
}

static void say(struct session *s, const char *text)
{
	s->left = slice_str(text);
	buf_reset(&s->out);
	s->next = lmtp_feed(s->l, &s->left, &s->out);
}

/* Replies as "250 250 354": the first three digits of each last line. */
static const char *codes(const struct session *s)
{
	static char text[512];
	struct slice rest = buf_slice(&s->out), line;
	size_t n = 0;

	while (slice_cut(&rest, '\n', &line) && n + 5 < sizeof(text)) {
		if (line.n < 4 || line.p[3] == '-')
			continue;
		if (n)
			text[n++] = ' ';
		memcpy(text + n, line.p, 3);
		n += 3;
	}
	text[n] = '\0';
	return text;
}

#define HELLO "LHLO me\r\n"
#define ENVELOPE "MAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\n"

static void lhlo_announces_the_extensions(void **state)
{
	static const char *const words[] = { "PIPELINING",
					     "8BITMIME",
					     "SMTPUTF8",
					     "SIZE 200",
					     "ENHANCEDSTATUSCODES",
					     "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE" };
	struct session s;

	(void)state;
	begin(&s);
	say(&s, HELLO);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		assert_non_null(strstr(buf_cstr(&s.out), words[i]));
	end(&s);
}

static void commands_are_answered_in_order(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "MAIL FROM:<a@b>\r\n", "503" },
		{ "EHLO me\r\nHELO me\r\n", "500 500" },
		{ "LHLO\r\n", "501" },
		{ HELLO "RCPT TO:<a@b>\r\n", "250 503" },
		{ HELLO "DATA\r\n", "250 503" },
		{ HELLO "MAIL FROM:<a@b>\r\nDATA\r\n", "250 250 503" },
		{ HELLO "MAIL FROM:<>\r\nRCPT TO:<x@y>\r\nDATA\r\n", "250 250 250 354" },
		{ HELLO "mail from: <a@b>\r\nrcpt to:<x@y>\r\ndata\r\n", "250 250 250 354" },
		{ HELLO "MAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\n", "250 250 503" },
		{ HELLO "MAIL FROM:<a@b>\r\nRSET\r\nMAIL FROM:<a@b>\r\n", "250 250 250 250" },
		{ HELLO "MAIL FROM:<a@b>\r\nXFORWARD NAME=x\r\n", "250 250 503" },
		{ HELLO "MAIL FROM:<a@b> SIZE=200 BODY=8BITMIME SMTPUTF8\r\n", "250 250" },
		{ HELLO "MAIL FROM:<a@b> SIZE=201\r\n", "250 552" },
		{ HELLO "MAIL FROM:<a@b> SIZE=-1\r\n", "250 501" },
		{ HELLO "MAIL FROM:<a@b> BODY=BINARYMIME\r\n", "250 555" },
		{ HELLO "MAIL FROM:<a@b> RET=FULL\r\n", "250 555" },
		{ HELLO "MAIL FROM:a@b\r\nMAIL FROM:<a@b\r\nMAIL\r\n", "250 501 501 501" },
		{ HELLO "MAIL FROM:<\"a>b\"@c>\r\n", "250 250" },
		{ HELLO "MAIL FROM:<a b@c>\r\n", "250 501" },
		{ HELLO "MAIL FROM:<a@b>\r\nRCPT TO:<>\r\n", "250 250 501" },
		{ HELLO "MAIL FROM:<a@b>\r\nRCPT TO:<x@y> NOTIFY=NEVER\r\n", "250 250 555" },
		{ HELLO "MAIL FROM:<a@b>\r\nRCPT TO:<1@y>\r\nRCPT TO:<2@y>\r\nRCPT TO:<3@y>\r\n"
			"RCPT TO:<4@y>\r\n",
		  "250 250 250 250 250 452" },
		{ HELLO "NOOP\r\nVRFY x\r\nRSET\r\nQUIT\r\n", "250 250 252 250 221" },
		{ "LHLO me\n", "500" },
		{ "\r\n \r\n", "500 500" },
		{ HELLO "XFORWARD\r\nXFORWARD FOO=x\r\nXFORWARD NAME\r\n", "250 501 501 501" },
		{ HELLO "XFORWARD NAME=a+zz\r\nXFORWARD NAME=a+0Ab\r\n", "250 501 501" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct session s;

		begin(&s);
		say(&s, rows[i].in);
		if (strcmp(codes(&s), rows[i].want) != 0)
			fail_msg("%s\n got %s want %s", rows[i].in, codes(&s), rows[i].want);
		end(&s);
	}
}

static void a_mail_carries_envelope_and_bytes(void **state)
{
	struct session s;
	struct mail *m;

	(void)state;
	begin(&s);
	say(&s, HELLO
	    "MAIL FROM:<@r1,@r2:a@b.example>\r\nRCPT TO:<x@y.example>\r\n"
	    "RCPT TO:<\"z z\"@y.example>\r\nDATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nNOOP\r\n");
	assert_int_equal(s.next, LMTP_MAIL);
	assert_string_equal(codes(&s), "250 250 250 250 354");
	m = lmtp_take(s.l);
	assert_true(slice_eq(m->sender, S("a@b.example")));
	assert_int_equal(m->rcpts_n, 2);
	assert_true(slice_eq(m->rcpts[1], S("\"z z\"@y.example")));
	assert_string_equal(buf_cstr(&m->raw), "Subject: x\r\n\r\n.dot\r\n");
	assert_true(slice_eq(s.left, S("NOOP\r\n")));
	mail_free(m);
	end(&s);
}

static void each_recipient_gets_its_own_reply(void **state)
{
	struct session s;

	(void)state;
	begin(&s);
	say(&s, HELLO ENVELOPE "RCPT TO:<z@y.example>\r\nRCPT TO:<w@y.example>\r\nDATA\r\n.\r\n");
	mail_free(lmtp_take(s.l));
	buf_reset(&s.out);
	lmtp_answer(s.l, OK, S("msg_1"), &s.out);
	lmtp_answer(s.l, ERR_NOT_FOUND, S("No such agent"), &s.out);
	lmtp_answer(s.l, ERR_STORAGE, S(""), &s.out);
	assert_string_equal(buf_cstr(&s.out),
			    "250 2.1.5 msg_1\r\n550 5.1.1 No such agent\r\n"
			    "451 4.3.0 storage not available, try again later\r\n");
	say(&s, ENVELOPE "DATA\r\n");
	assert_string_equal(codes(&s), "250 250 354");
	end(&s);
}

static void xforward_belongs_to_one_mail(void **state)
{
	struct session s;
	struct mail *m;

	(void)state;
	begin(&s);
	say(&s, HELLO "XFORWARD NAME=mail.example ADDR=IPv6:2001:db8::1 PORT=25\r\n"
		      "XFORWARD PROTO=ESMTP HELO=a+2Bb IDENT=4Q SOURCE=[UNAVAILABLE]\r\n" ENVELOPE
		      "DATA\r\n.\r\n");
	m = lmtp_take(s.l);
	assert_true(slice_eq(m->xforward.name, S("mail.example")));
	assert_true(slice_eq(m->xforward.addr, S("2001:db8::1")));
	assert_true(slice_eq(m->xforward.helo, S("a+b")));
	assert_true(slice_eq(m->xforward.ident, S("4Q")));
	assert_int_equal(m->xforward.source.n, 0);
	mail_free(m);
	lmtp_answer(s.l, OK, S(""), &s.out);
	say(&s, ENVELOPE "DATA\r\n.\r\n");
	m = lmtp_take(s.l);
	assert_int_equal(m->xforward.ident.n, 0);
	mail_free(m);
	end(&s);
}

/* As long as Postfix lets a client make it, and each byte of it as three. */
static void a_long_helo_costs_its_end_but_no_queue_id(void **state)
{
	AUTO(buf_release) struct buf text = BUF_INIT(LMTP_LINE_MAX);
	struct session s;
	struct mail *m;

	(void)state;
	buf_add_str(&text, HELLO "XFORWARD PROTO=SMTP HELO=");
	for (size_t i = 0; i < 2048; i++)
		buf_add_str(&text, "+2B");
	buf_add_str(&text, " IDENT=4Q SOURCE=REMOTE\r\n" ENVELOPE "DATA\r\n.\r\n");
	begin(&s);
	say(&s, buf_cstr(&text));
	m = lmtp_take(s.l);
	assert_int_equal(m->xforward.helo.n, LMTP_XFORWARD_MAX);
	assert_true(slice_eq(m->xforward.ident, S("4Q")));
	mail_free(m);
	end(&s);
}

static void a_mail_that_is_too_big_is_refused_after_its_end(void **state)
{
	struct session s;
	char line[MAIL_MAX + 1];

	(void)state;
	memset(line, 'x', MAIL_MAX);
	line[MAIL_MAX] = '\0';
	begin(&s);
	say(&s, HELLO ENVELOPE "RCPT TO:<z@y.example>\r\nDATA\r\n");
	say(&s, line);
	assert_string_equal(buf_cstr(&s.out), "");
	say(&s, "\r\n.\r\nNOOP\r\n");
	assert_string_equal(buf_cstr(&s.out), "552 5.3.4 message too big\r\n"
					      "552 5.3.4 message too big\r\n250 2.0.0 Ok\r\n");
	end(&s);
}

static void the_largest_mail_is_taken(void **state)
{
	struct session s;
	char line[MAIL_MAX - 1];

	(void)state;
	memset(line, 'x', MAIL_MAX - 2);
	line[MAIL_MAX - 2] = '\0';
	begin(&s);
	say(&s, HELLO ENVELOPE "DATA\r\n");
	say(&s, line);
	say(&s, "\r\n.\r\n");
	assert_int_equal(s.next, LMTP_MAIL);
	mail_free(lmtp_take(s.l));
	end(&s);
}

static void memory_beyond_the_budget_is_a_temporary_failure(void **state)
{
	struct session s;

	(void)state;
	begin(&s);
	s.budget.used = BUDGET;
	say(&s, HELLO "MAIL FROM:<a@b> SIZE=100\r\n");
	assert_string_equal(codes(&s), "250 452");
	say(&s, ENVELOPE "DATA\r\nabc\r\n.\r\n");
	assert_string_equal(codes(&s), "250 250 354 452");
	s.budget.used = 0;
	say(&s, ENVELOPE "DATA\r\nabc\r\n.\r\n");
	assert_int_equal(s.next, LMTP_MAIL);
	mail_free(lmtp_take(s.l));
	end(&s);
}

static void a_command_line_is_bounded(void **state)
{
	struct session s;
	char line[LMTP_LINE_MAX + 1];

	(void)state;
	memset(line, 'x', LMTP_LINE_MAX);
	line[LMTP_LINE_MAX] = '\0';
	begin(&s);
	say(&s, line);
	assert_string_equal(buf_cstr(&s.out), "");
	say(&s, line);
	say(&s, "x\r\nNOOP\r\n");
	assert_string_equal(codes(&s), "500 250");
	end(&s);
}

static void a_line_of_data_is_not(void **state)
{
	struct session s;
	AUTO(buf_release) struct buf line = BUF_INIT(10000);

	(void)state;
	begin(&s);
	s.limits.message_bytes = 10000;
	say(&s, HELLO ENVELOPE "DATA\r\n");
	for (size_t i = 0; i < 5000; i++)
		buf_add_char(&line, 'x');
	say(&s, buf_cstr(&line));
	say(&s, "\r\n.\r\n");
	assert_int_equal(s.next, LMTP_MAIL);
	mail_free(lmtp_take(s.l));
	end(&s);
}

static void too_many_errors_end_the_connection(void **state)
{
	struct session s;

	(void)state;
	begin(&s);
	for (size_t i = 0; i < LMTP_ERRORS_MAX; i++) {
		say(&s, "BOGUS\r\n");
		assert_int_equal(s.next, LMTP_MORE);
	}
	say(&s, "BOGUS\r\n");
	assert_string_equal(codes(&s), "500 421");
	assert_int_equal(s.next, LMTP_CLOSE);
	end(&s);
}

static void xforward_values_are_bounded_in_total(void **state)
{
	struct session s;
	char line[600] = "XFORWARD HELO=";
	bool refused = false;

	(void)state;
	memset(line + 14, 'x', 500);
	memcpy(line + 514, "\r\n", 3);
	begin(&s);
	say(&s, HELLO);
	for (size_t i = 0; i < 100 && !refused; i++) {
		say(&s, line);
		refused = slice_starts(buf_slice(&s.out), S("501"));
	}
	assert_true(refused);
	end(&s);
}

static void input_may_be_cut_anywhere(void **state)
{
	static const char dialogue[] =
		HELLO "XFORWARD IDENT=4Q\r\n" ENVELOPE "DATA\r\na\r\n..b\r\n.\r\n";

	(void)state;
	for (size_t step = 1; step < 9; step++) {
		struct session s;
		struct mail *m;

		begin(&s);
		for (size_t at = 0; at < sizeof(dialogue) - 1; at += step) {
			s.left = slice_sub(slice_of(dialogue, sizeof(dialogue) - 1), at, at + step);
			s.next = lmtp_feed(s.l, &s.left, &s.out);
		}
		assert_int_equal(s.next, LMTP_MAIL);
		assert_string_equal(codes(&s), "250 250 250 250 354");
		m = lmtp_take(s.l);
		assert_string_equal(buf_cstr(&m->raw), "a\r\n.b\r\n");
		mail_free(m);
		end(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lhlo_announces_the_extensions),
		cmocka_unit_test(commands_are_answered_in_order),
		cmocka_unit_test(a_mail_carries_envelope_and_bytes),
		cmocka_unit_test(each_recipient_gets_its_own_reply),
		cmocka_unit_test(xforward_belongs_to_one_mail),
		cmocka_unit_test(a_long_helo_costs_its_end_but_no_queue_id),
		cmocka_unit_test(a_mail_that_is_too_big_is_refused_after_its_end),
		cmocka_unit_test(the_largest_mail_is_taken),
		cmocka_unit_test(memory_beyond_the_budget_is_a_temporary_failure),
		cmocka_unit_test(a_command_line_is_bounded),
		cmocka_unit_test(a_line_of_data_is_not),
		cmocka_unit_test(too_many_errors_end_the_connection),
		cmocka_unit_test(xforward_values_are_bounded_in_total),
		cmocka_unit_test(input_may_be_cut_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
