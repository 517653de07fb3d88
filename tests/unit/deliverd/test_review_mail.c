/* SPDX-License-Identifier: Apache-2.0 */
#include "deliverd/review_mail.h"

#include "tests/unit/test.h"

#define AGAIN "review-00112233445566778899aabbccddeeff@agents.example"

static struct store_mail written(const struct review_news *news, struct arena *a)
{
	struct store_mail mail = { 0 };

	review_mail_write(news, a, &mail);
	return mail;
}

static void each_outcome_has_its_words(void **state)
{
	static const struct {
		const char *outcome, *status, *subject, *text;
	} rows[] = {
		{ "approved", "pending_approval", "[e2a] approved: Hi", "It is on its way." },
		{ "rejected", "pending_approval", "[e2a] rejected: Hi", "will not be sent" },
		{ "unclear", "pending_approval", "[e2a] not understood: Hi", "    approve\n" },
		{ "expired", "pending_approval", "[e2a] too late: Hi", "time to decide was over" },
		{ "unauthorized", "pending_approval", "[e2a] not decided: Hi",
		  "not asked any more" },
		{ "changed", "pending_approval", "[e2a] not decided: Hi", "was changed since" },
		{ "unverified", "pending_approval", "[e2a] not sent: Hi", "proved the domain" },
		{ "suppressed", "pending_approval", "[e2a] not sent: Hi", "suppressed" },
		{ "resolved", "sent", "[e2a] approved before: Hi", "had been approved" },
		{ "resolved", "rejected", "[e2a] rejected before: Hi", "had been rejected" },
		{ "resolved", "expired_approved", "[e2a] sent before: Hi", "it was sent" },
		{ "resolved", "expired_rejected", "[e2a] too late: Hi", "it was not sent" },
		{ "resolved", "something new", "[e2a] not decided: Hi", "changed nothing" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		const struct review_news news = { slice_str(rows[i].outcome),
						  slice_str(rows[i].status),
						  S("bot@x.example"),
						  S("Hi"),
						  S(""),
						  S(AGAIN) };
		struct store_mail mail = written(&news, &a);

		assert_slice_row(mail.subject, slice_str(rows[i].subject), i);
		assert_row(i, slice_search(mail.text, slice_str(rows[i].text)) >= 0);
		assert_row(i, slice_search(mail.text, S("from bot@x.example\n\n    Hi\n")) >= 0);
		assert_row(i, (mail.reply_to.n != 0) == (slice_eq(news.outcome, S("unclear"))));
		assert_string_equal(mail.kind, "hold_answer");
	}
}

static void a_subject_is_one_short_line(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct review_news news = {
		.outcome = S("approved"),
		.agent = S("bot@x.example"),
		.subject = S(
			"aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbb\xc3\xbc\xc3\xbc"),
	};

	(void)state;
	assert_slice(written(&news, &a).subject,
		     S("[e2a] approved: "
		       "aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbb\xc3\xbc..."));
	news.subject = S(" a\r\nBcc: b ");
	assert_slice(written(&news, &a).subject, S("[e2a] approved: a  Bcc: b"));
	news.subject = news.agent = S("");
	assert_slice(written(&news, &a).subject, S("[e2a] approved"));
	assert_slice(written(&news, &a).text, S("You approved it. It is on its way.\n"));
}

static void a_rejection_repeats_its_reason(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	const struct review_news news = { .outcome = S("rejected"), .why = S("too loud") };

	(void)state;
	assert_slice(written(&news, &a).text, S("You rejected it. It will not be sent.\n\n"
						"The reason you gave:\n\n    too loud\n"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_outcome_has_its_words),
		cmocka_unit_test(a_subject_is_one_short_line),
		cmocka_unit_test(a_rejection_repeats_its_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
