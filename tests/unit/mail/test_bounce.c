/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounces. Those whose names begin with postfix_ were written by Postfix 3.7 (unknown user,
 * delay, success, nobody listening), the others in the forms of the mail systems they are named
 * after.
 */
#include "common/mail/bounce.h"

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/utf8.h"
#include "common/mail/bounce_status.h"
#include "common/mail/mime.h"
#include "tests/unit/test.h"

#define CORPUS "tests/fuzz/corpus/bounce/"

static const struct slice recipients[] = {
	SLICE_INIT("alice@far.example"),     SLICE_INIT("alice+tag@far.example"),
	SLICE_INIT("unknown@far.example"),   SLICE_INIT("unknown+tag@far.example"),
	SLICE_INIT("later@far.example"),     SLICE_INIT("full@far.example"),
	SLICE_INIT("plain@far.example"),     SLICE_INIT("policy@far.example"),
	SLICE_INIT("multi@far.example"),     SLICE_INIT("unknown@xn--bcher-kva.example"),
	SLICE_INIT("not an address at all"),
};

static int set_up(void **state)
{
	(void)state;
	mime_init();
	return 0;
}

static struct bounce read_all(struct slice mail, struct arena *a)
{
	struct bounce b;

	bounce_read(mail, recipients, ARRAY_LEN(recipients), a, &b);
	return b;
}

static void read_file(const char *name, struct buf *ret)
{
	char path[200];
	struct fail fail;

	snprintf(path, sizeof(path), CORPUS "%s", name);
	if (file_read(path, ret, &fail))
		fail_msg("%s", fail.what);
}

/* "alice failed 5.1.1; ...", with '~' behind a status that was inferred; or the reason. */
static struct slice summary(const struct bounce *b, struct arena *a)
{
	AUTO(buf_release) struct buf s = BUF_INIT(10000);

	buf_addf(&s, "%s", b->n ? bounce_format_name(b->format) : b->reason);
	for (size_t i = 0; i < b->n; i++) {
		const struct bounce_report *r = &b->v[i];
		struct slice to = recipients[r->recipient];

		buf_addf(&s, "; %.*s %s %.*s%s", (int)slice_find(to, '@'), to.p,
			 bounce_kind_name(r->kind), SLICE_ARGS(r->status), r->inferred ? "~" : "");
	}
	if (b->ignored)
		buf_addf(&s, "; %zu ignored", b->ignored);
	return arena_slice(a, buf_slice(&s));
}

static void bounces_say_what_became_of_whom(void **state)
{
	static const struct {
		const char *file, *want;
	} rows[] = {
		{ "postfix_unknown", "dsn; unknown failed 5.1.1" },
		{ "postfix_no_orcpt", "dsn; unknown+tag failed 5.1.1" },
		{ "postfix_multi_line", "dsn; multi failed 5.1.1" },
		{ "postfix_several_failed", "dsn; full failed 5.2.2; plain failed 5.0.0; policy "
					    "failed 5.7.1; unknown failed 5.1.1" },
		{ "postfix_several_delayed", "dsn; later delayed 4.2.0" },
		{ "postfix_several_relayed", "dsn; alice+tag delivered 2.0.0" },
		{ "postfix_relayed", "dsn; alice delivered 2.0.0" },
		{ "postfix_refused_delayed", "dsn; alice delayed 4.4.1" },
		{ "postfix_refused_failed", "dsn; alice failed 4.4.1" },
		{ "qmail",
		  "qmail; unknown failed 5.1.1; alice failed 5.7.1; full failed 5.2.2~; plain "
		  "failed 4.4.1; 1 ignored" },
		{ "qmail_reject", "qmail; alice failed 5.7.0" },
		{ "exim", "exim; unknown failed 5.1.1; alice failed 5.0.0~; plain failed 4.4.7~; 1 "
			  "ignored" },
		{ "exim_silent", "exim; alice failed 5.0.0~" },
		{ "exim_delayed", "text; later delayed 4.7.1" },
		{ "gmail_old", "exim; unknown failed 5.1.1" },
		{ "sendmail", "text; unknown failed 5.1.1; plain failed 5.0.0~" },
		{ "sendmail_delayed", "text; later delayed 4.4.7~" },
		{ "exchange", "text; unknown failed 5.1.1" },
		{ "dsn_mixed", "dsn; unknown failed 5.1.1" },
		{ "dsn_base64", "dsn; unknown failed 5.1.1" },
		{ "dsn_global", "dsn; unknown failed 5.1.1" },
		{ "dsn_forwarded", "dsn; alice+tag failed 5.2.1" },
		{ "dsn_no_blank", "dsn; unknown failed 5.1.1; plain failed 5.1.1" },
		{ "dsn_only", "dsn; unknown failed 5.1.1" },
		{ "dsn_folded", "dsn; unknown failed 5.1.1" },
		{ "dsn_latin1", "dsn; unknown failed 5.1.1" },
		{ "dsn_nested", "dsn; unknown failed 5.1.1" },
		{ "dsn_no_boundary", "text; unknown failed 5.1.1" },
		{ "dsn_empty", "no_status" },
		{ "dsn_cut", "no_status" },
		{ "dsn_inside", "not_a_bounce" },
		{ "other_text", "unreadable" },
		{ "read_receipt", "read_receipt" },
		{ "complaint", "complaint" },
		{ "vacation", "auto_reply" },
		{ "challenge", "not_a_bounce" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(buf_release) struct buf mail = BUF_INIT(1 << 20);
		struct bounce b;
		struct slice got;

		read_file(rows[i].file, &mail);
		b = read_all(buf_slice(&mail), &a);
		got = summary(&b, &a);
		if (!slice_eq(got, slice_str(rows[i].want)))
			fail_msg("%s: got '%.*s', want '%s'", rows[i].file, SLICE_ARGS(got),
				 rows[i].want);
		assert_false(b.limited);
		assert_int_equal(b.n == 0, b.format == BOUNCE_NONE);
		assert_int_equal(b.n == 0, b.reason != NULL);
	}
}

static void words_tell_whose_fault_it_is(void **state)
{
	static const struct {
		const char *answer, *want;
	} rows[] = {
		{ "550 no such user", "" },
		{ "550 User unknown", "" },
		{ "550 rejected", "" },
		{ "554 delivery error: this user doesn't have an account", "" },
		{ "host relay.example[192.0.2.1] said: 550 no such user", "" },
		{ "552 no", "5.2.2" },
		{ "550 mailbox is full", "5.2.2" },
		{ "550 SPF check failed", "5.7.1" },
		{ "550 failed DMARC", "5.7.1" },
		{ "550 DKIM signature did not verify", "5.7.1" },
		{ "550 against our policy", "5.7.1" },
		{ "554 message rejected: low reputation", "5.7.1" },
		{ "550 blocked using bl.example", "5.7.1" },
		{ "550 Sender verify failed", "5.7.1" },
		{ "550 could not verify sender", "5.7.1" },
		{ "550 Sender address rejected: Domain not found", "5.7.1" },
		{ "550 authentication required", "5.7.1" },
		{ "550 unauthenticated mail", "5.7.1" },
		{ "550 relay not permitted", "5.7.1" },
		{ "550 Relaying denied", "5.7.1" },
		{ "550 we do not relay", "5.7.1" },
		{ "554 access denied", "5.7.1" },
		{ "550 a virus was found", "5.7.1" },
		{ "550 rate limited", "4.7.1" },
		{ "550 rate limit exceeded", "4.7.1" },
		{ "550 Too many mails", "4.7.1" },
		{ "550 Greylisted, come again", "4.7.1" },
		{ "554 too many hops", "5.4.6" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct slice got = bounce_status_guess(slice_str(rows[i].answer), &a);

		assert_slice_row(got, slice_str(rows[i].want), i);
		assert_row(i, !bounce_suppresses(got));
	}
}

static void answers_are_quoted_on_one_line(void **state)
{
	static const struct {
		const char *file, *diagnostic, *remote_mta;
		int64_t retry_until_us;
	} rows[] = {
		{ "postfix_unknown",
		  "550 5.1.1 <unknown@far.example>: Recipient address rejected: User unknown",
		  "127.0.0.1", 0 },
		{ "postfix_multi_line",
		  "550-5.1.1 The email account that you tried to reach does not exist. 550 5.1.1 "
		  "Please check <multi@far.example> for typos.",
		  "127.0.0.1", 0 },
		{ "postfix_several_delayed", "451 4.2.0 Try again later", "127.0.0.1",
		  1795822130000000 },
		{ "postfix_relayed", "250 2.0.0 taken", "127.0.0.1", 0 },
		{ "dsn_folded", "550 5.1.1 unknown", "mx.far.example", 0 },
		{ "dsn_global", "550 5.1.1 Empf\xc3\xa4nger unbekannt", "", 0 },
		{ "dsn_latin1", "550 Empf\xc3\xa4nger unbekannt", "", 0 },
		{ "dsn_forwarded", "", "", 0 },
		{ "qmail", "Sorry, no mailbox here by that name. (#5.1.1)", "", 0 },
		{ "exim",
		  "550-5.1.1 The email account that you tried to reach does not exist. 550 5.1.1 "
		  "Please check for typos.",
		  "", 0 },
		{ "exim_silent", "", "", 0 },
		{ "exim_delayed", "451 4.7.1 Greylisted, try again later", "", 0 },
		{ "sendmail", "(reason: 550 5.1.1 <unknown@far.example>... User unknown)", "", 0 },
		{ "exchange", "<mx.far.example #5.1.1>", "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(buf_release) struct buf mail = BUF_INIT(1 << 20);
		struct bounce b;

		read_file(rows[i].file, &mail);
		b = read_all(buf_slice(&mail), &a);
		assert_row(i, b.n > 0);
		assert_slice_row(b.v[0].diagnostic, slice_str(rows[i].diagnostic), i);
		assert_slice_row(b.v[0].remote_mta, slice_str(rows[i].remote_mta), i);
		assert_true(b.v[0].retry_until_us == rows[i].retry_until_us);
	}
}

/* The fields of the whole. */
#define MTA "Reporting-MTA: dns; x.example\r\n\r\n"
#define FIRST_GROUP (sizeof(MTA) - 1)

/* A report with these groups behind them. */
static struct slice report_of(const char *groups, struct arena *a)
{
	return slice_str(arena_printf(
		a,
		"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
		"--b\r\n\r\ntext\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n" MTA
		"%s\r\n--b--\r\n",
		groups));
}

static void groups_are_read_with_tolerance(void **state)
{
#define TO "Final-Recipient: rfc822; alice@far.example\r\n"
	static const struct {
		const char *groups, *want;
	} rows[] = {
		/* actions */
		{ TO "Action: failed\r\nStatus: 5.1.1\r\n", "dsn; alice failed 5.1.1" },
		{ TO "Action: FAILED\r\nStatus: 5.1.1\r\n", "dsn; alice failed 5.1.1" },
		{ TO "Action: delayed\r\nStatus: 4.4.1\r\n", "dsn; alice delayed 4.4.1" },
		{ TO "Action: delivered\r\nStatus: 2.1.5\r\n", "dsn; alice delivered 2.1.5" },
		{ TO "Action: relayed\r\nStatus: 2.0.0\r\n", "dsn; alice delivered 2.0.0" },
		{ TO "Action: expanded\r\nStatus: 2.0.0\r\n", "dsn; alice delivered 2.0.0" },
		{ TO "Action: failed (bounced)\r\nStatus: 5.1.1\r\n", "dsn; alice failed 5.1.1" },
		{ TO "Action: failedly\r\n", "no_status" },
		{ TO "Action: lost\r\n", "no_status" },
		{ TO "Status: 5.1.1\r\n", "dsn; alice failed 5.1.1" },
		{ TO "Status: 4.1.1\r\n", "dsn; alice delayed 4.1.1" },
		{ TO "Action: ?\r\nStatus: 2.1.1\r\n", "dsn; alice delivered 2.1.1" },
		{ TO, "no_status" },
		{ "Action: failed\r\nStatus: 5.1.1\r\n", "no_status" },
		/* status */
		{ TO "Action: failed\r\nStatus: 5.1.1 (unknown)\r\n", "dsn; alice failed 5.1.1" },
		{ TO "Action: failed\r\nStatus: 5.123.456\r\n", "dsn; alice failed 5.123.456" },
		{ TO "Action: failed\r\nStatus: 4.4.7\r\n", "dsn; alice failed 4.4.7" },
		{ TO "Action: failed\r\nStatus: 5.1.1.1\r\n", "dsn; alice failed 5.0.0~" },
		{ TO "Action: failed\r\nStatus: 5.1\r\n", "dsn; alice failed 5.0.0~" },
		{ TO "Action: failed\r\nStatus: 5.1.1234\r\n", "dsn; alice failed 5.0.0~" },
		{ TO "Action: failed\r\nStatus: 2.0.0\r\n", "dsn; alice failed 5.0.0~" },
		{ TO "Action: delivered\r\nStatus: 5.1.1\r\n", "dsn; alice delivered 2.0.0~" },
		{ TO "Action: delayed\r\nStatus: 5.1.1\r\n", "dsn; alice delayed 4.0.0~" },
		{ TO "Action: failed\r\nStatus: \r\n", "dsn; alice failed 5.0.0~" },
		{ TO "Action: failed\r\n", "dsn; alice failed 5.0.0~" },
		{ TO "Action: failed\r\nDiagnostic-Code: smtp; 550 5.1.1 unknown\r\n",
		  "dsn; alice failed 5.1.1" },
		{ TO "Action: failed\r\nDiagnostic-Code: smtp; 550 unknown\r\n",
		  "dsn; alice failed 5.0.0~" },
		{ TO "Action: failed\r\nDiagnostic-Code: smtp; 552 no room\r\n",
		  "dsn; alice failed 5.2.2~" },
		{ TO "Action: failed\r\nDiagnostic-Code: 451 4.4.1 no answer\r\n",
		  "dsn; alice failed 4.4.1" },
		{ TO "Action: failed\r\nStatus: 5.0.0\r\nDiagnostic-Code: smtp; 550 5.7.1 no\r\n",
		  "dsn; alice failed 5.7.1" },
		{ TO "Action: failed\r\nStatus: 5.0.0\r\nDiagnostic-Code: smtp; 550 looks like "
		     "SPAM\r\n",
		  "dsn; alice failed 5.7.1~" },
		{ TO "Action: failed\r\nStatus: 5.0.0\r\nDiagnostic-Code: smtp; 550 unknown\r\n",
		  "dsn; alice failed 5.0.0" },
		{ TO "Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.7.1 no\r\n",
		  "dsn; alice failed 5.1.1" },
		{ TO "Action: delayed\r\nDiagnostic-Code: smtp; 450 mailbox full\r\n",
		  "dsn; alice delayed 4.0.0~" },
		/* addresses */
		{ "Final-Recipient: alice@far.example\r\nAction: failed\r\nStatus: 5.1.1\r\n",
		  "dsn; alice failed 5.1.1" },
		{ "Final-Recipient: RFC822;ALICE@FAR.EXAMPLE\r\nStatus: 5.1.1\r\n",
		  "dsn; alice failed 5.1.1" },
		{ "Final-Recipient: rfc822; Alice <alice@far.example> (x)\r\nStatus: 5.1.1\r\n",
		  "dsn; alice failed 5.1.1" },
		{ "Final-Recipient: x400; /C=us/S=alice\r\nStatus: 5.1.1\r\n",
		  "other_recipient; 1 ignored" },
		{ "Final-Recipient: rfc822; bob@far.example\r\nStatus: 5.1.1\r\n",
		  "other_recipient; 1 ignored" },
		{ "Final-Recipient: rfc822; alice@far.example.net\r\nStatus: 5.1.1\r\n",
		  "other_recipient; 1 ignored" },
		{ "Final-Recipient:\r\nStatus: 5.1.1\r\n", "other_recipient; 1 ignored" },
		{ "Final-Recipient: rfc822; not an address at all\r\nStatus: 5.1.1\r\n",
		  "other_recipient; 1 ignored" },
		{ "Original-Recipient: rfc822; alice+2Btag@far.example\r\n"
		  "Final-Recipient: rfc822; unknown@far.example\r\nStatus: 5.1.1\r\n",
		  "dsn; alice+tag failed 5.1.1" },
		{ "Final-Recipient: rfc822; unknown@far.example\r\n"
		  "Original-Recipient: rfc822; alice@far.example\r\nStatus: 5.1.1\r\n",
		  "dsn; alice failed 5.1.1" },
		{ "Original-Recipient: rfc822; bob@elsewhere.example\r\n" TO "Status: 5.1.1\r\n",
		  "dsn; alice failed 5.1.1" },
		{ "Original-Recipient: rfc822; alice+2@far.example\r\nStatus: 5.1.1\r\n",
		  "other_recipient; 1 ignored" },
		{ "Original-Recipient: utf-8; unknown@b\\x{FC}cher.example\r\nStatus: 5.1.1\r\n",
		  "dsn; unknown failed 5.1.1" },
		{ "Original-Recipient: utf-8; unknown@b\\x{D800}cher.example\r\nStatus: 5.1.1\r\n",
		  "other_recipient; 1 ignored" },
		{ "Original-Recipient: utf-8; unknown@b\\x{FC\r\nStatus: 5.1.1\r\n",
		  "other_recipient; 1 ignored" },
		/* several groups: of one recipient the worst counts, whatever their order */
		{ TO "Action: delivered\r\nStatus: 2.0.0\r\n\r\n" TO
		     "Action: failed\r\nStatus: 5.1.1\r\n\r\n" TO
		     "Action: delayed\r\nStatus: 4.0.0\r\n",
		  "dsn; alice failed 5.1.1" },
		{ TO "Action: failed\r\nStatus: 5.1.1\r\n\r\n" TO
		     "Action: failed\r\nStatus: 5.2.1\r\n",
		  "dsn; alice failed 5.1.1" },
		{ "\r\n\r\n\r\n" TO "Status: 5.1.1\r\n", "dsn; alice failed 5.1.1" },
		{ TO "Status: 5.1.1\r\nStatus: 5.7.1\r\n", "dsn; alice failed 5.1.1" },
		{ "no field\r\n" TO "no field\r\nStatus: 5.1.1\r\n", "dsn; alice failed 5.1.1" },
		{ TO "Status: 5.1.1\r\n\r\nFinal-Recipient: rfc822; bob@x.example\r\n"
		     "Status: 5.1.1\r\n",
		  "dsn; alice failed 5.1.1; 1 ignored" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct bounce b = read_all(report_of(rows[i].groups, &a), &a);

		assert_slice_row(summary(&b, &a), slice_str(rows[i].want), i);
	}
}

static void texts_are_believed_only_near_a_recipient(void **state)
{
#define FROM "From: MAILER-DAEMON@x.example\r\n\r\n"
	static const struct {
		const char *mail, *want;
	} rows[] = {
		{ FROM "<alice@far.example>: 550 5.1.1 unknown\r\n", "text; alice failed 5.1.1" },
		{ FROM "550 5.1.1 <ALICE@far.example>: unknown\r\n", "text; alice failed 5.1.1" },
		{ FROM "alice@far.example:\r\n\r\n550 unknown\r\n", "text; alice failed 5.0.0~" },
		{ FROM "alice@far.example. 550 unknown\r\n", "text; alice failed 5.0.0~" },
		{ FROM "'alice@far.example' 550 unknown\r\n", "text; alice failed 5.0.0~" },
		{ "Subject: Undeliverable: x\r\nFrom: x@y.example\r\n\r\n"
		  "alice@far.example (#5.1.1)\r\n",
		  "text; alice failed 5.1.1" },
		/* who wrote it */
		{ "From: x@y.example\r\n\r\n<alice@far.example>: 550 5.1.1 unknown\r\n",
		  "not_a_bounce" },
		{ "<alice@far.example>: 550 5.1.1 unknown\r\n", "not_a_bounce" },
		/* another address */
		{ FROM "<malice@far.example>: 550 5.1.1 unknown\r\n", "unreadable" },
		{ FROM "<x+alice@far.example>: 550 5.1.1 unknown\r\n", "unreadable" },
		{ FROM "<alice@far.example.net>: 550 5.1.1 unknown\r\n", "unreadable" },
		{ FROM "<alice@far.example-x>: 550 5.1.1 unknown\r\n", "unreadable" },
		{ FROM "alice@far.example\r\nbob@x.example\r\n550 5.1.1 unknown\r\n",
		  "unreadable" },
		{ FROM "alice@far.example\r\n1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8\r\n9\r\n"
		       "10\r\n11\r\n12\r\n13\r\n550 5.1.1 too far away\r\n",
		  "unreadable" },
		/* numbers that are no codes */
		{ FROM "alice@far.example [192.5.1.1] 5.1.1.1 mx5.1.1 v4.5.1.1\r\n", "unreadable" },
		{ FROM "alice@far.example 5.1.1.far.example id 1550 5500 x550\r\n", "unreadable" },
		{ FROM "alice@far.example Exim 5.9.1\r\n", "unreadable" },
		{ FROM "alice@far.example 451 4.7.1 later\r\n", "unreadable" },
		/* the copy of the mail */
		{ FROM "---- Original message ----\r\nTo: alice@far.example 550 5.1.1\r\n",
		  "unreadable" },
		{ FROM "Received: for alice@far.example 550 5.1.1\r\n", "unreadable" },
		/* warnings */
		{ FROM "alice@far.example\r\nWill keep trying.\r\n", "text; alice delayed 4.0.0~" },
		{ FROM "alice@far.example 550 5.1.1 unknown\r\nThis is a warning.\r\n",
		  "text; alice delayed 4.0.0~" },
		/* lists */
		{ "X-Failed-Recipients: alice@far.example\r\n\r\nplain@far.example 550 x\r\n",
		  "exim; alice failed 5.0.0~" },
		{ "X-Failed-Recipients: bob@x.example\r\n\r\nalice@far.example 550 x\r\n",
		  "other_recipient; 1 ignored" },
		{ "X-Failed-Recipients: \r\n\r\nalice@far.example 550 x\r\n", "not_a_bounce" },
		{ "\r\nHi. This is the qmail-send program at x.\r\n\r\n<alice@far.example>:\r\n",
		  "qmail; alice failed 5.0.0~" },
		{ "\r\nHi. This is the news for alice@far.example 550\r\n", "not_a_bounce" },
		/* HTML alone */
		{ "From: postmaster@x.example\r\nContent-Type: text/html\r\n\r\n"
		  "<p><b>alice@far.example</b><br>\r\nRemote server returned 550 5.1.10</p>\r\n",
		  "text; alice failed 5.1.10" },
		/* automatic mail of other kinds */
		{ "Auto-Submitted: auto-generated\r\n\r\n", "auto_reply" },
		{ "Auto-Submitted: no\r\n\r\n", "not_a_bounce" },
		{ "X-Autoreply: yes\r\n\r\n", "auto_reply" },
		{ "Precedence: auto_reply\r\n\r\n", "auto_reply" },
		{ "", "not_a_bounce" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct bounce b = read_all(slice_str(rows[i].mail), &a);

		assert_slice_row(summary(&b, &a), slice_str(rows[i].want), i);
	}
}

static void only_dead_addresses_are_suppressed(void **state)
{
	static const struct {
		const char *status;
		bool want;
	} rows[] = {
		{ "5.0.0", true },   { "5.0.9", true },   { "5.1.0", true },  { "5.1.1", true },
		{ "5.1.2", true },   { "5.1.3", true },   { "5.1.6", true },  { "5.1.10", true },
		{ "5.2.0", true },   { "5.2.1", true },   { "5.1.7", false }, { "5.1.8", false },
		{ "5.2.2", false },  { "5.2.3", false },  { "5.3.4", false }, { "5.4.7", false },
		{ "5.7.1", false },  { "5.2.10", false }, { "4.1.1", false }, { "4.4.7", false },
		{ "2.1.5", false },  { "5.10.1", false }, { "5.1", false },   { "", false },
		{ "5.2.11", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_row(i, bounce_suppresses(slice_str(rows[i].status)) == rows[i].want);
}

static void limits_hold_and_are_marked(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf groups = BUF_INIT(4 << 20);
	struct bounce b;

	(void)state;
	for (int i = 0; i < 10000; i++)
		buf_addf(&groups, "Final-Recipient: rfc822; u%d@x.example\r\nStatus: 5.1.1\r\n\r\n",
			 i);
	buf_add_str(&groups, TO "Status: 5.1.1\r\n");
	b = read_all(report_of(buf_cstr(&groups), &a), &a);
	assert_true(b.limited);
	assert_int_equal(b.n, 0);
	assert_int_equal(b.ignored, BOUNCE_GROUPS_MAX);
	assert_string_equal(b.reason, "other_recipient");

	/* Half of an address may be another address. */
	buf_reset(&groups);
	while (groups.len < BOUNCE_REPORT_BYTES_MAX - 1000)
		buf_add_str(&groups, "X: y\r\n");
	buf_add_str(&groups, "\r\nStatus: 5.1.1\r\nX:");
	while (groups.len < BOUNCE_REPORT_BYTES_MAX - FIRST_GROUP - strlen("\r\n" TO) + 2)
		buf_add_char(&groups, ' ');
	buf_add_str(&groups, "\r\nFinal-Recipient: rfc822; alice@far.example");
	assert_int_equal(groups.len, BOUNCE_REPORT_BYTES_MAX - FIRST_GROUP);
	buf_add_str(&groups, ".net\r\n");
	b = read_all(report_of(buf_cstr(&groups), &a), &a);
	assert_true(b.limited);
	assert_int_equal(b.n, 0);

	buf_reset(&groups);
	buf_add_str(&groups, TO "Status: 5.1.1\r\nDiagnostic-Code: smtp; ");
	while (groups.len < 10000)
		buf_add_str(&groups, "\xe2\x82\xac");
	b = read_all(report_of(buf_cstr(&groups), &a), &a);
	assert_int_equal(b.n, 1);
	assert_int_equal(b.v[0].diagnostic.n, BOUNCE_DIAGNOSTIC_MAX - 2);
	assert_true(utf8_valid(b.v[0].diagnostic));
}

static void without_recipients_nothing_is_reported(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct bounce b;

	(void)state;
	bounce_read(report_of(TO "Status: 5.1.1\r\n", &a), NULL, 0, &a, &b);
	assert_int_equal(b.n, 0);
	assert_string_equal(b.reason, "other_recipient");
	bounce_read(S(FROM "alice@far.example 550\r\n"), NULL, 0, &a, &b);
	assert_int_equal(b.n, 0);
}

/* Each of these invites a reader to start over at every byte. */
static void megabytes_of_anything_take_linear_time(void **state)
{
	static const char *const heads[] = {
		"From: MAILER-DAEMON@x.example\r\n\r\n",
		"Content-Type: message/delivery-status\r\n\r\n",
		"X-Failed-Recipients: alice@far.example\r\n\r\n",
		"\r\nHi. This is the ",
		"Content-Type: multipart/report; boundary=b\r\n\r\n",
	};
	static const struct slice patterns[] = {
		SLICE_INIT("@"),
		SLICE_INIT("alice@far.example"),
		SLICE_INIT("\n"),
		SLICE_INIT("alice@far.example\n"),
		SLICE_INIT("5.1.1"),
		SLICE_INIT("alice@far.example 550\n"),
		SLICE_INIT("--\n"),
		SLICE_INIT("--b\nContent-Type: message/delivery-status\n\n"),
		SLICE_INIT("5"),
		SLICE_INIT("Final-Recipient: rfc822;alice@far.example\n"),
		SLICE_INIT("\0"),
		SLICE_INIT("Status: 5.1.1\n\n"),
		SLICE_INIT("<a@b>:\n"),
		SLICE_INIT("Final-Recipient: rfc822;a@b.example\nAction: failed\n"),
		SLICE_INIT("+"),
		SLICE_INIT("Final-Recipient: utf-8;\\x{\nStatus: 5\n\n"),
	};
	int64_t start = clock_mono_ms();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(heads) * ARRAY_LEN(patterns); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(buf_release) struct buf text = BUF_INIT(8 << 20);

		buf_add_str(&text, heads[i % ARRAY_LEN(heads)]);
		while (text.len < 3 << 20)
			buf_add_slice(&text, patterns[i / ARRAY_LEN(heads)]);
		assert_true(read_all(buf_slice(&text), &a).n <= ARRAY_LEN(recipients));
		assert_true(arena_used(&a) < 32 << 20);
	}
	assert_true(clock_mono_ms() - start < 30000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bounces_say_what_became_of_whom),
		cmocka_unit_test(words_tell_whose_fault_it_is),
		cmocka_unit_test(answers_are_quoted_on_one_line),
		cmocka_unit_test(groups_are_read_with_tolerance),
		cmocka_unit_test(texts_are_believed_only_near_a_recipient),
		cmocka_unit_test(only_dead_addresses_are_suppressed),
		cmocka_unit_test(limits_hold_and_are_marked),
		cmocka_unit_test(without_recipients_nothing_is_reported),
		cmocka_unit_test(megabytes_of_anything_take_linear_time),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
