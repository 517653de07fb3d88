/* SPDX-License-Identifier: Apache-2.0 */
/* What lines of Postfix 3.7 say, and what a log is worth as evidence. */
#include "deliverd/postfix_log.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define VERP "bounce-00112233445566778899aabbccddeeff@agents.example"
#define OTHER "bounce-ffeeddccbbaa99887766554433221100@agents.example"
#define AT "Nov 27 23:01:26 mx "
#define REFUSED                                                                                       \
	"postfix/inject/smtpd[11534]: 4jbpnL2h0Nz1TXJN: reject: RCPT from unknown[127.0.0.1]: 550 "   \
	"5.1.1 <nobody@agents.example>: Recipient address rejected: User unknown in relay recipient " \
	"table; from=<" VERP "> to=<nobody@agents.example> proto=ESMTP helo=<mx.test>"
#define ACCEPTED                                                                                   \
	"postfix/qmgr[11521]: 4jbpnL2h0Nz1TXJN: from=<" VERP ">, size=251, nrcpt=1 (queue active)"
#define BY_MILTER                                                                                  \
	"postfix/cleanup[11532]: 4jbpnL2rBCz1TXKv: milter-reject: END-OF-MESSAGE from "            \
	"unknown[127.0.0.1]: 5.7.1 ticket refused; from=<" VERP "> to=<far@world.example> "        \
	"proto=ESMTP helo=<mx.test>"

/* ---- lines ---- */

static void lines_say_what_became_of_a_mail(void **state)
{
	static const struct {
		const char *line;
		enum postfix_log_kind kind;
		const char *id, *rcpt;
		int code;
		const char *text;
	} rows[] = {
		{ AT ACCEPTED, POSTFIX_LOG_ACCEPTED, "4jbpnL2h0Nz1TXJN", "", 0, "" },
		{ "2026-11-27T23:01:26.123456+01:00 mx " ACCEPTED, POSTFIX_LOG_ACCEPTED,
		  "4jbpnL2h0Nz1TXJN", "", 0, "" },
		{ AT "postfix-out/qmgr[1]: ABC: from=<" VERP
		     ">, status=expired, returned to sender",
		  POSTFIX_LOG_ACCEPTED, "ABC", "", 0, "" },
		{ AT REFUSED, POSTFIX_LOG_RCPT_REFUSED, "4jbpnL2h0Nz1TXJN", "nobody@agents.example",
		  550,
		  "<nobody@agents.example>: Recipient address rejected: User unknown in relay "
		  "recipient table" },
		{ AT
		  "postfix/smtpd[1]: NOQUEUE: milter-reject: RCPT from localhost[::1]: 451 4.7.1 "
		  "later; from=<" VERP "> to=<a@b.example> proto=ESMTP helo=<mx>",
		  POSTFIX_LOG_RCPT_REFUSED, "NOQUEUE", "a@b.example", 451, "later" },
		{ AT BY_MILTER, POSTFIX_LOG_MAIL_REFUSED, "4jbpnL2rBCz1TXKv", "far@world.example",
		  0, "" },
		{ AT "postfix/cleanup[1]: 4jbpnL2rBCz1TXKv: reject: header Subject: bad from "
		     "unknown[127.0.0.1]; from=<" VERP "> to=<far@world.example> proto=ESMTP "
		     "helo=<mx.test>: 5.7.1 not this one",
		  POSTFIX_LOG_MAIL_REFUSED, "4jbpnL2rBCz1TXKv", "far@world.example", 0, "" },
		{ AT
		  "postfix/smtpd[1]: NOQUEUE: milter-reject: MAIL from unknown[127.0.0.1]: 451 4.7.1 "
		  "Service unavailable - try again later; from=<" VERP "> proto=ESMTP helo=<mx>",
		  POSTFIX_LOG_MAIL_REFUSED, "NOQUEUE", "", 451,
		  "Service unavailable - try again later" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct postfix_log_line l;

		assert_row(i,
			   postfix_log_read(slice_str(rows[i].line), S(VERP), &l) == rows[i].kind);
		assert_slice_row(l.queue_id, slice_str(rows[i].id), i);
		assert_slice_row(l.rcpt, slice_str(rows[i].rcpt), i);
		assert_row(i, l.reply.code == rows[i].code);
		assert_slice_row(slice_str(l.reply.text), slice_str(rows[i].text), i);
	}
}

static void other_lines_say_nothing(void **state)
{
	static const char *const rows[] = {
		/* of others, or of no meaning */
		AT "postfix/qmgr[1]: ABC: from=<" OTHER ">, size=251, nrcpt=1 (queue active)",
		AT "postfix/qmgr[1]: ABC: removed",
		AT "postfix/smtp[1]: ABC: to=<" VERP ">, relay=x, status=sent (250 ok)",
		AT "postfix/smtpd[1]: ABC: client=unknown[127.0.0.1]",
		AT "postfix/smtpd[1]: NOQUEUE: reject: RCPT from x[1.2.3.4]: 550 no; from=<" OTHER
		   "> to=<" VERP "> proto=ESMTP helo=<" VERP ">",
		AT
		"postfix/smtpd[1]: NOQUEUE: reject_warning: RCPT from x[1.2.3.4]: 550 no; from=<" VERP
		"> to=<a@b.example> proto=ESMTP helo=<x>",
		AT "postfix/smtpd[1]: warning: x: from=<" VERP ">, size=1",
		AT "postfix/cleanup[1]: ABC: message-id=<" VERP ">",
		/* what a stranger may get logged */
		AT "postfix/smtpd[1]: NOQUEUE: reject: RCPT from x[1.2.3.4]: 550 5.1.1 "
		   "<\"qmgr[1]: A: from=<" VERP ">, size=1\"@x>: no; from=<> to=<x> proto=SMTP",
		AT "postfix/qmgr[1]: ABC: from=<\"from=<" VERP ">, \"@x.example>, size=1",
		AT "postfix/smtpd[1]: improper command pipelining after qmgr[1]: A: from=<" VERP
		   ">, ",
		AT "other/cron[1]: ABC: from=<" VERP ">, size=1",
		/* cut, or no line of Postfix at all */
		AT "postfix/qmgr[1]: ABC: from=<" VERP,
		AT "postfix/qmgr[1]: from=<" VERP ">, size=1",
		AT "postfix/qmgr[1]: A B: from=<" VERP ">, size=1",
		AT "postfix/qmgr[x]: ABC: from=<" VERP ">, size=1",
		AT "postfix/qmgr: ABC: from=<" VERP ">, size=1",
		"",
		"]: ",
		("[]: : " VERP),
		VERP,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct postfix_log_line l;

		assert_row(i,
			   postfix_log_read(slice_str(rows[i]), S(VERP), &l) == POSTFIX_LOG_OTHER);
	}
}

static void a_refusal_before_another_in_one_line_is_found(void **state)
{
	struct postfix_log_line l;

	(void)state;
	assert_int_equal(
		postfix_log_read(S(AT
				   "postfix/smtpd[1]: NOQUEUE: reject: RCPT from x[::1]: 550 5.1.1 "
				   "<\"; from=<x>\"@y>: no; from=<" VERP
				   "> to=<z@y.example> proto=ESMTP"),
				 S(VERP), &l),
		POSTFIX_LOG_RCPT_REFUSED);
	assert_slice(l.rcpt, S("z@y.example"));
	assert_int_equal(l.reply.code, 550);
}

/* ---- times ---- */

static int64_t at(const char *text)
{
	int64_t us;

	assert_int_equal(clock_parse_rfc3339(slice_str(text), &us), OK);
	return us;
}

static void set_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

static void times_are_read_in_both_forms(void **state)
{
	static const struct {
		const char *zone, *line, *now, *want; /* want NULL: no time */
	} rows[] = {
		{ "UTC0", "Nov 27 23:01:26 mx x", "2026-11-28T00:00:00Z", "2026-11-27T23:01:26Z" },
		{ "UTC0", "Nov  7 03:01:06 mx x", "2026-11-28T00:00:00Z", "2026-11-07T03:01:06Z" },
		{ "CET-1", "Nov 27 23:01:26 mx x", "2026-11-28T00:00:00Z", "2026-11-27T22:01:26Z" },
		{ "UTC0", "2026-11-27T23:01:26.5+01:00 mx x", "2026-11-28T00:00:00Z",
		  "2026-11-27T22:01:26.5Z" },
		/* no year is in the future */
		{ "UTC0", "Dec 31 23:59:59 mx x", "2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z" },
		{ "UTC0", "Jan  1 00:00:01 mx x", "2025-12-31T23:59:59Z", "2026-01-01T00:00:01Z" },
		{ "UTC0", "Nov 30 00:00:00 mx x", "2026-11-28T00:00:00Z", "2025-11-30T00:00:00Z" },
		{ "UTC0", "Feb 29 00:00:00 mx x", "2026-11-28T00:00:00Z", "2024-02-29T00:00:00Z" },
		/* an hour that is there twice is the later one, one that is not is none */
		{ "CET-1CEST,M3.5.0,M10.5.0/3", "Jul  1 12:00:00 mx x", "2026-11-28T00:00:00Z",
		  "2026-07-01T10:00:00Z" },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", "Oct 25 02:30:00 mx x", "2026-11-28T00:00:00Z",
		  "2026-10-25T01:30:00Z" },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", "Mar 29 02:30:00 mx x", "2026-11-28T00:00:00Z",
		  NULL },
		{ "UTC0", "Apr 31 00:00:00 mx x", "2026-11-28T00:00:00Z", NULL },
		{ "UTC0", "Nov 27 24:00:00 mx x", "2026-11-28T00:00:00Z", NULL },
		{ "UTC0", "Nov 27 23:01:2x mx x", "2026-11-28T00:00:00Z", NULL },
		{ "UTC0", "Nov 27 23-01-26 mx x", "2026-11-28T00:00:00Z", NULL },
		{ "UTC0", "Nox 27 23:01:26 mx x", "2026-11-28T00:00:00Z", NULL },
		{ "UTC0", "Nov 27 23:01:26", "2026-11-28T00:00:00Z", NULL },
		{ "UTC0", "2026-11-27 23:01:26 mx", "2026-11-28T00:00:00Z", NULL },
		{ "UTC0", "", "2026-11-28T00:00:00Z", NULL },
		{ "UTC0", "postfix", "2026-11-28T00:00:00Z", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t us = 0;
		enum err e;

		set_zone(rows[i].zone);
		e = postfix_log_time(slice_str(rows[i].line), at(rows[i].now), &us);
		assert_row(i, e == (rows[i].want ? OK : ERR_INPUT));
		assert_row(i, !rows[i].want || us == at(rows[i].want));
	}
	set_zone("UTC0");
}

/* ---- files ---- */

#define NOW "2026-11-27T23:30:00Z"
#define SINCE "2026-11-27T23:01:20Z"
#define BEFORE "Nov 27 22:59:00 mx postfix/master[1]: reload\n"
#define LAST "Nov 27 23:20:00 mx postfix/anvil[1]: statistics: max connection rate\n"
#define LAST_AT "2026-11-27T23:20:00Z"

enum { RCPTS = 2, WINDOW = 64 * 1024 * 1024 };

struct folder {
	char path[64], log[80], rotated[80];
};

static int set_up(void **state)
{
	struct folder *f = mem_zalloc(sizeof(*f));

	set_zone("UTC0");
	snprintf(f->path, sizeof(f->path), "/tmp/test_postfix_log.XXXXXX");
	assert_non_null(mkdtemp(f->path));
	snprintf(f->log, sizeof(f->log), "%s/log", f->path);
	snprintf(f->rotated, sizeof(f->rotated), "%s/log.1", f->path);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct folder *f = *state;

	unlink(f->log);
	unlink(f->rotated);
	rmdir(f->path);
	free(f);
	return 0;
}

static void put(const char *path, struct slice text, const char *written)
{
	const struct timespec t = { .tv_sec = at(written) / 1000000 };
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
	fclose(f);
	assert_int_equal(utimensat(AT_FDCWD, path, (const struct timespec[]){ t, t }, 0), 0);
}

static enum err search(const struct folder *f, int64_t window, struct smtp_reply *rcpts,
		       struct postfix_log_answer *ret)
{
	static const struct slice names[RCPTS] = { SLICE_INIT("nobody@agents.example"),
						   SLICE_INIT("far@world.example") };
	const struct postfix_log_query query = { S(VERP), names, RCPTS, at(SINCE), at(NOW) };
	struct fail fail = { 0 };
	enum err e = postfix_log_search(f->log, window, &query, rcpts, ret, &fail);

	assert_true(e == OK || *fail.what);
	return e;
}

static void logs_tell_all_or_say_why_not(void **state)
{
	static const struct {
		const char *log, *written, *rotated; /* NULL: not there */
		enum err want;
		bool accepted, refused;
		int codes[RCPTS];
	} rows[] = {
		{ BEFORE AT ACCEPTED "\n" LAST, LAST_AT, NULL, OK, true, false, { 0, 0 } },
		{ BEFORE AT REFUSED "\n" AT ACCEPTED "\n" LAST,
		  LAST_AT,
		  NULL,
		  OK,
		  true,
		  false,
		  { 550, 0 } },
		{ BEFORE LAST, LAST_AT, NULL, OK, false, false, { 0, 0 } },
		{ BEFORE AT BY_MILTER "\n" LAST, LAST_AT, NULL, OK, false, true, { 0, 0 } },
		{ BEFORE AT REFUSED "\n" LAST, LAST_AT, NULL, OK, false, false, { 550, 0 } },
		/* once it is out, strangers may use the sender */
		{ BEFORE AT ACCEPTED "\n" AT REFUSED "\n" AT ACCEPTED "\n" LAST,
		  LAST_AT,
		  NULL,
		  OK,
		  true,
		  false,
		  { 0, 0 } },
		/* rotated */
		{ LAST,
		  LAST_AT,
		  BEFORE AT REFUSED "\n" AT ACCEPTED "\n",
		  OK,
		  true,
		  false,
		  { 550, 0 } },
		{ AT ACCEPTED "\n" LAST,
		  LAST_AT,
		  BEFORE AT REFUSED "\n",
		  OK,
		  true,
		  false,
		  { 550, 0 } },
		{ "", NOW, BEFORE AT ACCEPTED "\n" LAST, OK, true, false, { 0, 0 } },
		{ AT REFUSED "\n" LAST,
		  LAST_AT,
		  BEFORE AT ACCEPTED "\n",
		  OK,
		  true,
		  false,
		  { 0, 0 } },
		/* in neither is it told what was before */
		{ AT ACCEPTED "\n" LAST, LAST_AT, NULL, ERR_NOT_FOUND, true, false, { 0, 0 } },
		{ LAST,
		  LAST_AT,
		  AT "postfix/anvil[1]: x\n",
		  ERR_NOT_FOUND,
		  false,
		  false,
		  { 0, 0 } },
		{ LAST, LAST_AT, NULL, ERR_NOT_FOUND, false, false, { 0, 0 } },
		/* nobody logs there any more, or never did */
		{ BEFORE, "2026-11-27T22:59:00Z", NULL, ERR_TIMEOUT, false, false, { 0, 0 } },
		{ "", NOW, NULL, ERR_INPUT, false, false, { 0, 0 } },
		{ NULL, NULL, BEFORE AT ACCEPTED "\n", ERR_IO, false, false, { 0, 0 } },
		/* another clock, another zone, no clock */
		{ BEFORE LAST, "2026-11-28T04:20:00Z", NULL, ERR_INPUT, false, false, { 0, 0 } },
		{ BEFORE LAST, "2026-11-27T22:20:00Z", NULL, ERR_INPUT, false, false, { 0, 0 } },
		{ "x\ny\n", NOW, NULL, ERR_INPUT, false, false, { 0, 0 } },
		/* lines that are no lines */
		{ "x\n\n" BEFORE "\n\n" AT ACCEPTED "\n" LAST "\nnot yet wri",
		  LAST_AT,
		  NULL,
		  OK,
		  true,
		  false,
		  { 0, 0 } },
		{ BEFORE AT ACCEPTED, "2026-11-27T23:01:27Z", NULL, OK, true, false, { 0, 0 } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct folder *f = *state;
		struct smtp_reply rcpts[RCPTS] = { { .code = 1 }, { .code = 1 } };
		struct postfix_log_answer a;

		unlink(f->log);
		unlink(f->rotated);
		if (rows[i].log)
			put(f->log, slice_str(rows[i].log), rows[i].written);
		if (rows[i].rotated)
			put(f->rotated, slice_str(rows[i].rotated), LAST_AT);
		assert_row(i, search(f, WINDOW, rcpts, &a) == rows[i].want);
		assert_row(i, a.accepted == rows[i].accepted && a.refused == rows[i].refused);
		for (size_t k = 0; k < RCPTS; k++)
			assert_row(i, rcpts[k].code == rows[i].codes[k]);
		assert_slice_row(slice_str(a.queue_id),
				 rows[i].accepted ? S("4jbpnL2h0Nz1TXJN") : S(""), i);
	}
}

/* Lines of odd lengths around the one that counts. */
static void fill(struct buf *b, size_t bytes)
{
	for (size_t i = 0, end = b->len + bytes; b->len < end; i++)
		buf_addf(
			b, AT "postfix/smtpd[%zu]: %.*s\n", i, (int)(i * 7 % 90),
			"connect from unknown[127.0.0.1] and some more that is of no interest here, "
			"not at all, whoever reads it");
}

static void a_line_is_found_wherever_blocks_are_cut(void **state)
{
	const struct folder *f = *state;

	for (size_t behind = 1024 * 1024 - 1500; behind < 1024 * 1024 + 200; behind += 61) {
		AUTO(buf_release) struct buf b = BUF_INIT(8 * 1024 * 1024);
		struct smtp_reply rcpts[RCPTS];
		struct postfix_log_answer a;

		buf_add_str(&b, BEFORE);
		fill(&b, 1024 * 1024);
		buf_add_str(&b, AT REFUSED "\n");
		buf_add_str(&b, AT ACCEPTED "\n");
		fill(&b, behind);
		buf_add_str(&b, LAST);
		put(f->log, buf_slice(&b), LAST_AT);
		assert_int_equal(search(f, WINDOW, rcpts, &a), OK);
		assert_true(a.accepted);
		assert_int_equal(rcpts[0].code, 550);
	}
}

static void no_more_is_read_than_the_window(void **state)
{
	const struct folder *f = *state;
	AUTO(buf_release) struct buf b = BUF_INIT(8 * 1024 * 1024);
	struct smtp_reply rcpts[RCPTS];
	struct postfix_log_answer a;

	buf_add_str(&b, BEFORE);
	buf_add_str(&b, AT ACCEPTED "\n");
	fill(&b, 3 * 1024 * 1024);
	buf_add_str(&b, LAST);
	put(f->log, buf_slice(&b), LAST_AT);
	assert_int_equal(search(f, 1024 * 1024, rcpts, &a), ERR_TOO_BIG);
	assert_false(a.accepted);
	assert_int_equal(search(f, WINDOW, rcpts, &a), OK);
	assert_true(a.accepted);
}

static void lines_without_an_end_cost_nothing(void **state)
{
	const struct folder *f = *state;
	AUTO(buf_release) struct buf b = BUF_INIT(8 * 1024 * 1024);
	struct smtp_reply rcpts[RCPTS];
	struct postfix_log_answer a;

	buf_add_str(&b, BEFORE);
	buf_add_str(&b, AT ACCEPTED "\n");
	for (size_t i = 0; i < 3 * 1024 * 1024; i++)
		buf_add_char(&b, i % 1000 ? 'x' : '\0');
	buf_add_str(&b, "\n" LAST);
	put(f->log, buf_slice(&b), LAST_AT);
	assert_int_equal(search(f, WINDOW, rcpts, &a), OK);
	assert_true(a.accepted);
}

static void only_a_file_is_read(void **state)
{
	const struct folder *f = *state;
	struct smtp_reply rcpts[RCPTS];
	struct postfix_log_answer a;

	assert_int_equal(mkdir(f->log, 0700), 0);
	assert_int_equal(search(f, WINDOW, rcpts, &a), ERR_IO);
	rmdir(f->log);
	assert_int_equal(mkfifo(f->log, 0600), 0);
	assert_int_equal(search(f, WINDOW, rcpts, &a), ERR_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_say_what_became_of_a_mail),
		cmocka_unit_test(other_lines_say_nothing),
		cmocka_unit_test(a_refusal_before_another_in_one_line_is_found),
		cmocka_unit_test(times_are_read_in_both_forms),
		cmocka_unit_test_setup_teardown(logs_tell_all_or_say_why_not, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_line_is_found_wherever_blocks_are_cut, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(no_more_is_read_than_the_window, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lines_without_an_end_cost_nothing, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(only_a_file_is_read, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
