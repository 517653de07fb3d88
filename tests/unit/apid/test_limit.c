/* SPDX-License-Identifier: Apache-2.0 */
/* Rate limits: what the refused are told, and that each row of the route table is counted right. */
#include "apid/limit.h"
#include "apid/route.h"
#include "tests/unit/test.h"

static const struct settings settings = {
	.rate_registration = 20,
	.rate_poll = 61,
	.rate_pages = 601,
	.rate_feedback = 10,
	.rate_domains = 1000000000,
	.rate_sign_in = 12,
	.rate_delegations = 21,
	.rate_reviewers = 22,
	.rate_send = 60,
};

static void the_refused_are_told_the_number_of_the_setting(void **state)
{
	static const struct {
		enum limit limit;
		struct slice want;
	} rows[] = {
		{ LIMIT_REGISTRATION, SLICE_INIT("rate limit exceeded — try again later") },
		{ LIMIT_SIGN_IN, SLICE_INIT("rate limit exceeded — try again later") },
		{ LIMIT_POLL, SLICE_INIT("rate limit exceeded — max 61 requests per minute") },
		{ LIMIT_PAGES, SLICE_INIT("rate limit exceeded — max 601 requests per minute") },
		{ LIMIT_FEEDBACK, SLICE_INIT("rate limit exceeded — max 10 feedback submissions "
					     "per hour") },
		{ LIMIT_DOMAINS,
		  SLICE_INIT("rate limit exceeded — max 1000000000 requests per minute") },
		{ LIMIT_DELEGATIONS,
		  SLICE_INIT("rate limit exceeded — max 21 delegation requests per hour") },
		{ LIMIT_DELEGATION_MAILS, SLICE_INIT("rate limit exceeded — try again later") },
		{ LIMIT_DELEGATION_MAILS_ALL, SLICE_INIT("rate limit exceeded — try again later") },
		{ LIMIT_REVIEWERS,
		  SLICE_INIT("rate limit exceeded — max 22 reviewer requests per hour") },
		{ LIMIT_REVIEWER_MAILS, SLICE_INIT("rate limit exceeded — try again later") },
		{ LIMIT_REVIEWER_MAILS_ALL, SLICE_INIT("rate limit exceeded — try again later") },
		{ LIMIT_SEND, SLICE_INIT("rate limit exceeded — max 60 sends per minute") },
	};

	(void)state;
	assert_int_equal(ARRAY_LEN(rows), LIMIT_COUNT - 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf text = BUF_INIT(LIMIT_TEXT_MAX);

		limit_text(rows[i].limit, &settings, &text);
		assert_slice_row(buf_slice(&text), rows[i].want, i);
	}
}

static void clients_are_counted_before_they_are_known(void **state)
{
	(void)state;
	assert_false(limit_before_auth(LIMIT_NONE));
	assert_true(limit_before_auth(LIMIT_REGISTRATION));
	assert_true(limit_before_auth(LIMIT_FEEDBACK));
	assert_true(limit_before_auth(LIMIT_SIGN_IN));
	assert_false(limit_before_auth(LIMIT_POLL));
	assert_false(limit_before_auth(LIMIT_DOMAINS));
	assert_false(limit_before_auth(LIMIT_DELEGATIONS));
	assert_false(limit_before_auth(LIMIT_REVIEWERS));
	assert_false(limit_before_auth(LIMIT_SEND));
}

/* What runs without a worker is not counted; who is not known yet cannot be counted as a user. */
static void every_row_can_be_counted_as_it_says(void **state)
{
	(void)state;
	for (const struct route *r = route_table; r->method; r++) {
		size_t i = (size_t)(r - route_table);

		if (r->access == ACCESS_PUBLIC)
			assert_row(i, r->limit == LIMIT_NONE);
		if (r->access == ACCESS_HANDLER && r->limit != LIMIT_NONE)
			assert_row(i, limit_before_auth(r->limit));
		assert_row(i, r->limit != LIMIT_SEND); /* its handlers know whom it counts */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_refused_are_told_the_number_of_the_setting),
		cmocka_unit_test(clients_are_counted_before_they_are_known),
		cmocka_unit_test(every_row_can_be_counted_as_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
