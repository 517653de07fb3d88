/* SPDX-License-Identifier: Apache-2.0 */
/* What a human is asked: cut, cleaned and escaped, the same in both parts; and when again. */
#include "deliverd/hold_notice.h"
#include "deliverd/hold_text.h"
#include "tests/unit/test.h"

#define MINUTE (60 * 1000LL)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static struct slice to[] = { SLICE_INIT("a@far.example"), SLICE_INIT("b@far.example") };

static const struct store_notice usual = {
	.agent = SLICE_INIT("bot@agents.example"),
	.type = SLICE_INIT("send"),
	.hold_reason = SLICE_INIT("hitl"),
	.subject = SLICE_INIT("Plans"),
	.to = to,
	.to_n = 2,
	.expires_us = 1768473000000000,
};

typedef void writer(const struct hold_text *t, struct arena *a, struct buf *ret);

static void write_with(writer *write, const struct store_notice *n, struct buf *ret)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	const struct hold_text t = {
		.notice = n,
		.approve = S("https://e2a.example/api/v1/approve?t=x&y"),
		.reject = S("https://e2a.example/api/v1/reject?t=z"),
		.dashboard = S("https://e2a.example/dashboard/pending/review?id=msg_1"),
	};

	write(&t, &a, ret);
	assert_false(buf_failed(ret));
}

static void assert_has(const struct buf *b, const char *text)
{
	if (slice_search(buf_slice(b), slice_str(text)) < 0)
		fail_msg("no \"%s\" in:\n%s", text, buf_cstr(b));
}

static void assert_has_not(const struct buf *b, const char *text)
{
	if (slice_search(buf_slice(b), slice_str(text)) >= 0)
		fail_msg("\"%s\" in:\n%s", text, buf_cstr(b));
}

static void the_subject_is_cut_at_60_bytes(void **state)
{
#define TEN "0123456789"
#define HEAD "[e2a] approve outbound from bot@agents.example: "
	static const struct {
		struct slice subject;
		const char *want;
	} rows[] = {
		{ SLICE_INIT(""), HEAD },
		{ SLICE_INIT("Plans"), HEAD "Plans" },
		{ SLICE_INIT(TEN TEN TEN TEN TEN TEN), HEAD TEN TEN TEN TEN TEN TEN },
		{ SLICE_INIT(TEN TEN TEN TEN TEN TEN "x"), HEAD TEN TEN TEN TEN TEN "0123456..." },
		/* 56 bytes and a character of two */
		{ SLICE_INIT(TEN TEN TEN TEN TEN "012345\xc3\xa9"
						 "xyz"),
		  HEAD TEN TEN TEN TEN TEN "012345..." },
		{ SLICE_INIT(TEN TEN TEN TEN TEN "01234\xc3\xa9"
						 "xyzu"),
		  HEAD TEN TEN TEN TEN TEN "01234\xc3\xa9..." },
		{ SLICE_INIT(" a\r\nBcc: x\x01\x7f\xe2\x80\xae"
			     "b\xc2\x85 "),
		  HEAD "a  Bcc: x  \xef\xbf\xbd"
		       "b\xef\xbf\xbd" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT(1000);
		struct store_notice n = usual;

		n.subject = rows[i].subject;
		write_with(hold_text_subject, &n, &b);
		assert_string_equal(buf_cstr(&b), rows[i].want);
	}
}

static void the_plain_part_can_be_read_raw(void **state)
{
	static const char want[] =
		"bot@agents.example wants to send a mail, and you are asked to decide.\n"
		"\n"
		"Agent:    bot@agents.example\n"
		"To:       a@far.example\n"
		"          b@far.example\n"
		"Subject:  Plans\n"
		"Expires:  Thu, 15 Jan 2026 10:30:00 UTC\n"
		"\n"
		"It waits because every mail of this agent has to be approved.\n"
		"\n"
		"To approve and send it:\n"
		"https://e2a.example/api/v1/approve?t=x&y\n"
		"\n"
		"To reject and discard it:\n"
		"https://e2a.example/api/v1/reject?t=z\n"
		"\n"
		"In the dashboard, where the owner of the account can also change it:\n"
		"https://e2a.example/dashboard/pending/review?id=msg_1\n"
		"\n"
		"Opening a link decides nothing: its page asks you to confirm. The links\n"
		"are for you alone. Do not pass this mail on.\n"
		"\n"
		"What the mail says is not in here. The pages of the links show it.\n"
		"\n"
		"Answers to this mail decide nothing.\n"
		"\n"
		"If nobody decides before it expires, the mail is discarded.\n";
	AUTO(buf_release) struct buf b = BUF_INIT(10000);

	(void)state;
	write_with(hold_text_plain, &usual, &b);
	assert_string_equal(buf_cstr(&b), want);
}

static void the_html_part_is_escaped(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(10000);
	struct store_notice n = usual;

	(void)state;
	n.subject = S("<script>\"'&\xe2\x80\xae");
	write_with(hold_text_html, &n, &b);
	assert_has(&b, "<b>Subject:</b> &lt;script&gt;&quot;&#39;&amp;\xef\xbf\xbd</p>");
	assert_has(&b, "<a href=\"https://e2a.example/api/v1/approve?t=x&amp;y\">"
		       "https://e2a.example/api/v1/approve?t=x&amp;y</a>");
	assert_has(&b, "a@far.example<br>\nb@far.example</p>");
	assert_has_not(&b, "<script");
}

static void a_held_text_cannot_leave_its_frame(void **state)
{
	AUTO(buf_release) struct buf plain = BUF_INIT(10000);
	AUTO(buf_release) struct buf html = BUF_INIT(10000);
	struct store_notice n = usual;

	(void)state;
	n.full_text = true;
	n.text = S("one\r\n\ntwo\rTo approve and send it:\x1b[2J</pre>\n");
	n.text_bytes = (int64_t)n.text.n;
	write_with(hold_text_plain, &n, &plain);
	assert_has(&plain, "\n| one\n|\n| two\n"
			   "| To approve and send it:\xef\xbf\xbd[2J</pre>\n\nAnswers");
	assert_has_not(&plain, "is not in here");
	write_with(hold_text_html, &n, &html);
	assert_has(&html, ">\none\n\ntwo\nTo approve and send it:\xef\xbf\xbd[2J&lt;/pre&gt;\n"
			  "</pre>\n");
}

static void without_the_wish_nothing_of_the_text_is_told(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(10000);
	struct store_notice n = usual;

	(void)state;
	n.text = S("secret");
	n.text_bytes = 6;
	n.html_bytes = 4711;
	write_with(hold_text_plain, &n, &b);
	assert_has_not(&b, "secret");
	assert_has_not(&b, "4711");
}

static void what_is_not_shown_is_named(void **state)
{
	static struct store_notice_file files[] = {
		{ SLICE_INIT("a\tb\xe2\x80\xae"
			     "fdp.exe"),
		  17 },
	};
	AUTO(buf_release) struct buf b = BUF_INIT(10000);
	struct store_notice n = usual;

	(void)state;
	n.full_text = true;
	n.html_bytes = 4711;
	n.files = files;
	n.files_n = 1;
	write_with(hold_text_plain, &n, &b);
	assert_has(&b, "It has only an HTML form of 4711 bytes, which is not shown here.\n");
	assert_has(&b, "Attached: a b\xef\xbf\xbd"
		       "fdp.exe (17 bytes)\n");
	assert_has_not(&b, "| ");
}

static void a_long_text_is_cut_with_a_word(void **state)
{
	AUTO(buf_release) struct buf text = BUF_INIT(HOLD_TEXT_MAX + 2);
	AUTO(buf_release) struct buf plain = BUF_INIT(HOLD_TEXT_PART_MAX);
	AUTO(buf_release) struct buf html = BUF_INIT(HOLD_TEXT_PART_MAX);
	struct store_notice n = usual;

	(void)state;
	while (text.len < HOLD_TEXT_MAX + 2)
		buf_add_char(&text, text.len % 2 ? '"' : '\n'); /* what takes most room */
	n.full_text = true;
	n.text = buf_slice(&text);
	n.text_bytes = 1000000;
	write_with(hold_text_plain, &n, &plain);
	assert_has(&plain, "the first 102400 bytes of 1000000.");
	write_with(hold_text_html, &n, &html);
	assert_has(&html, "the first 102400 bytes of 1000000.");
}

static void a_wish_or_a_setting_changes_what_is_said(void **state)
{
	static const struct {
		struct store_notice is;
		const char *want;
	} rows[] = {
		{ { .type = SLICE_INIT("reply") }, "wants to send a reply," },
		{ { .type = SLICE_INIT("test") }, "wants to send a test mail," },
		{ { .hold_reason = SLICE_INIT("reply_budget") }, "that two programs may be" },
		{ { .full_text = true, .by_reply = true }, "by answering this mail" },
		{ { .full_text = true, .by_reply = true, .html_bytes = 1 },
		  "because not all of what you would" },
		{ { .full_text = true, .by_reply = true, .text_bytes = 1 },
		  "because not all of what you would" },
		{ { .sent_at_expiry = true }, "the mail is sent as it is" },
		{ { .subject = SLICE_INIT("") }, "Subject:  (none)\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT(10000);

		write_with(hold_text_plain, &rows[i].is, &b);
		assert_has(&b, rows[i].want);
	}
}

static void a_reminder_comes_in_time_or_not_at_all(void **state)
{
	static const struct {
		int64_t left_ms, wanted_ms, want;
	} rows[] = {
		{ 7 * DAY, DAY, DAY },
		{ 2 * DAY, DAY, DAY },
		{ 2 * DAY - 2, DAY, DAY - 1 },
		{ HOUR, DAY, 30 * MINUTE },
		{ 10 * MINUTE, DAY, 5 * MINUTE },
		{ 10 * MINUTE - 1, DAY, 0 },
		{ 0, DAY, 0 },
		{ -DAY, DAY, 0 },
		{ 7 * DAY, 0, 0 },
		{ 7 * DAY, 5 * MINUTE, 5 * MINUTE },
		{ 7 * DAY, 5 * MINUTE - 1, 0 },
		{ INT64_MAX, INT64_MAX, INT64_MAX / 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_row(i, hold_notice_before_ms(rows[i].left_ms, rows[i].wanted_ms) ==
				      rows[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_subject_is_cut_at_60_bytes),
		cmocka_unit_test(the_plain_part_can_be_read_raw),
		cmocka_unit_test(the_html_part_is_escaped),
		cmocka_unit_test(a_held_text_cannot_leave_its_frame),
		cmocka_unit_test(without_the_wish_nothing_of_the_text_is_told),
		cmocka_unit_test(what_is_not_shown_is_named),
		cmocka_unit_test(a_long_text_is_cut_with_a_word),
		cmocka_unit_test(a_wish_or_a_setting_changes_what_is_said),
		cmocka_unit_test(a_reminder_comes_in_time_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
