/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer of Postfix makes of a job. */
#include "deliverd/outbound_mail.h"
#include "tests/unit/test.h"

struct fixture {
	struct slice rcpts[3];
	struct store_outbound_job job;
	struct outbound_batch batch;
	struct outbound_attempt at;
};

static void fixture_init(struct fixture *f, int64_t attempts)
{
	*f = (struct fixture){ .rcpts = { SLICE_INIT("a@x.example"), SLICE_INIT("b@x.example"),
					  SLICE_INIT("c@x.example") } };
	f->job = (struct store_outbound_job){
		.id = S("job_1_world"), .rcpts = f->rcpts, .rcpts_n = 3, .attempts = attempts
	};
	f->batch = (struct outbound_batch){ .jobs = &f->job, .n = 1, .lease_id = "lease" };
	f->at.batch = &f->batch;
}

static void fixture_release(struct fixture *f)
{
	arena_release(&f->at.arena);
}

/* "a:sent b:failed/5.1.1 ..." of those that anything is written about. */
static void describe(const struct fixture *f, struct buf *ret)
{
	for (size_t i = 0; i < f->at.rcpts_n; i++) {
		const struct store_outbound_rcpt *r = &f->at.rcpts[i];

		buf_addf(ret, "%s%c:%s", i ? " " : "", r->address.p[0], r->status);
		if (r->code.n)
			buf_addf(ret, "/%.*s", SLICE_ARGS(r->code));
	}
}

enum { DENIED = 554 };

static struct smtp_reply reply(int code)
{
	static const char *const enhanced[] = { "", "", "2.1.5", "", "4.2.1", "5.1.1" };
	struct smtp_reply r = { .code = code };

	snprintf(r.enhanced, sizeof(r.enhanced), "%s",
		 code == DENIED ? "5.7.1" : enhanced[code / 100]);
	snprintf(r.text, sizeof(r.text), "text");
	return r;
}

static void each_answer_has_its_end(void **state)
{
	static const struct {
		enum inject_outcome said;
		int reply, rcpts[3];
		int64_t attempts;
		enum store_outbound_outcome want;
		enum event_reason reason;
		const char *rcpts_want;
	} rows[] = {
		{ INJECT_TAKEN,
		  250,
		  { 250, 250, 250 },
		  1,
		  STORE_OUTBOUND_TAKEN,
		  EVENT_NO_REASON,
		  "a:sent b:sent c:sent" },
		{ INJECT_TAKEN,
		  250,
		  { 250, 550, 250 },
		  1,
		  STORE_OUTBOUND_TAKEN,
		  EVENT_NO_REASON,
		  "a:sent b:failed/5.1.1 c:sent" },
		/* the third is tried again, alone */
		{ INJECT_TAKEN,
		  250,
		  { 250, 550, 450 },
		  1,
		  STORE_OUTBOUND_LATER,
		  EVENT_SMTP_LATER,
		  "a:sent b:failed/5.1.1 c:queued/4.2.1" },
		{ INJECT_NOBODY,
		  550,
		  { 550, 550, 550 },
		  1,
		  STORE_OUTBOUND_REFUSED,
		  EVENT_SMTP_REFUSED,
		  "a:failed/5.1.1 b:failed/5.1.1 c:failed/5.1.1" },
		{ INJECT_NOBODY,
		  450,
		  { 550, 450, 450 },
		  1,
		  STORE_OUTBOUND_LATER,
		  EVENT_SMTP_LATER,
		  "a:failed/5.1.1 b:queued/4.2.1 c:queued/4.2.1" },
		/* about us, not about them: the operator gets some time */
		{ INJECT_NOBODY,
		  DENIED,
		  { DENIED, DENIED, 550 },
		  1,
		  STORE_OUTBOUND_LATER,
		  EVENT_SMTP_LATER,
		  "a:queued/5.7.1 b:queued/5.7.1 c:failed/5.1.1" },
		{ INJECT_NOBODY,
		  DENIED,
		  { DENIED, DENIED, 550 },
		  12,
		  STORE_OUTBOUND_REFUSED,
		  EVENT_SMTP_REFUSED,
		  "a:failed/5.7.1 b:failed/5.7.1 c:failed/5.1.1" },
		{ INJECT_CONNECT, 0, { 0 }, 1, STORE_OUTBOUND_SNOOZED, EVENT_CONNECT, "" },
		{ INJECT_LATER,
		  451,
		  { 250, 250, 250 },
		  1,
		  STORE_OUTBOUND_LATER,
		  EVENT_SMTP_LATER,
		  "" },
		{ INJECT_LATER, 0, { 250, 250, 0 }, 1, STORE_OUTBOUND_LATER, EVENT_BROKEN, "" },
		{ INJECT_REFUSED,
		  550,
		  { 250, 250, 250 },
		  1,
		  STORE_OUTBOUND_LATER,
		  EVENT_SMTP_REFUSED,
		  "" },
		/* the ticket did not fit what was left; the next one will */
		{ INJECT_REFUSED,
		  550,
		  { 250, 550, 450 },
		  1,
		  STORE_OUTBOUND_LATER,
		  EVENT_SMTP_REFUSED,
		  "b:failed/5.1.1 c:queued/4.2.1" },
		{ INJECT_REFUSED,
		  550,
		  { 250, 250, 250 },
		  11,
		  STORE_OUTBOUND_LATER,
		  EVENT_SMTP_REFUSED,
		  "" },
		{ INJECT_REFUSED,
		  550,
		  { 250, 250, 250 },
		  12,
		  STORE_OUTBOUND_FAILED,
		  EVENT_SMTP_REFUSED,
		  "a:failed/5.1.1 b:failed/5.1.1 c:failed/5.1.1" },
		{ INJECT_REFUSED,
		  552,
		  { 250, 250, 250 },
		  1,
		  STORE_OUTBOUND_FAILED,
		  EVENT_SMTP_REFUSED,
		  "a:failed/5.1.1 b:failed/5.1.1 c:failed/5.1.1" },
		/* nobody may say that it was sent, nor that it was not */
		{ INJECT_UNKNOWN,
		  0,
		  { 250, 250, 250 },
		  1,
		  STORE_OUTBOUND_LOST,
		  EVENT_NO_ANSWER,
		  "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(fixture_release) struct fixture f;
		AUTO(buf_release) struct buf got = BUF_INIT(1000);
		struct inject_answer answer = { .outcome = rows[i].said,
						.reply = reply(rows[i].reply) };
		struct smtp_reply replies[3];

		fixture_init(&f, rows[i].attempts);
		for (size_t k = 0; k < 3; k++)
			replies[k] = reply(rows[i].rcpts[k]);
		outbound_mail_judge(&f.job, &answer, replies, &f.at);
		assert_row(i, f.at.result.outcome == rows[i].want);
		assert_row(i, f.at.result.reason == rows[i].reason);
		assert_slice_row(f.at.result.job_id, S("job_1_world"), i);
		assert_slice_row(f.at.result.lease_id, S("lease"), i);
		describe(&f, &got);
		assert_slice_row(buf_slice(&got), slice_str(rows[i].rcpts_want), i);
	}
}

static void the_words_of_a_server_are_kept_for_the_sender(void **state)
{
	AUTO(fixture_release) struct fixture f;
	struct smtp_reply replies[3] = { reply(250), reply(550), reply(250) };
	const struct inject_answer answer = { .outcome = INJECT_TAKEN };

	(void)state;
	fixture_init(&f, 1);
	outbound_mail_judge(&f.job, &answer, replies, &f.at);
	assert_slice(f.at.rcpts[1].detail, S("550 5.1.1 text"));
}

static void waits_grow_and_stay_bounded(void **state)
{
	static const struct {
		int64_t attempts, least_ms, most_ms;
	} rows[] = {
		{ 1, 4000, 6000 },       { 2, 12000, 18000 },      { 4, 48000, 72000 },
		{ 9, 1440000, 2160000 }, { 10, 1440000, 2160000 }, { 1000, 1440000, 2160000 },
	};
	const struct inject_answer answer = { .outcome = INJECT_LATER };
	const struct smtp_reply replies[3] = { { 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(fixture_release) struct fixture f;

		fixture_init(&f, rows[i].attempts);
		outbound_mail_judge(&f.job, &answer, replies, &f.at);
		assert_row(i, f.at.result.wait_ms >= rows[i].least_ms);
		assert_row(i, f.at.result.wait_ms <= rows[i].most_ms);
	}
}

static void a_job_that_is_given_up_fails_for_all(void **state)
{
	AUTO(fixture_release) struct fixture f;
	AUTO(buf_release) struct buf got = BUF_INIT(1000);

	(void)state;
	fixture_init(&f, 1);
	outbound_mail_end(&f.at, STORE_OUTBOUND_FAILED, EVENT_EXPIRED, 0);
	describe(&f, &got);
	assert_string_equal(buf_cstr(&got), "a:failed b:failed c:failed");
	assert_slice(f.at.rcpts[0].detail, S("expired"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_answer_has_its_end),
		cmocka_unit_test(the_words_of_a_server_are_kept_for_the_sender),
		cmocka_unit_test(waits_grow_and_stay_bounded),
		cmocka_unit_test(a_job_that_is_given_up_fails_for_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
