/* SPDX-License-Identifier: Apache-2.0 */
/* Which servers may be named, and what a server that is not there means. */
#include "deliverd/submission.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static enum err make(const char *url, struct submission **ret, struct fail *fail)
{
	const struct settings s = { .submission_url = mem_strdup(url),
				    .mail_host = mem_strdup("mx.example"),
				    .submission_timeout_ms = 1000 };
	enum err e = submission_new(&s, ret, fail);

	free(s.submission_url);
	free(s.mail_host);
	return e;
}

static void only_a_server_can_be_named(void **state)
{
	static const struct {
		const char *url;
		enum err want;
	} rows[] = {
		{ "smtp://127.0.0.1:25", OK },
		{ "smtp://127.0.0.1", OK },
		{ "smtps://mail.example.com:465", OK },
		{ "smtp://[::1]:2525/", OK },
		{ "", ERR_CONFIG },
		{ "127.0.0.1:25", ERR_CONFIG },
		{ "http://127.0.0.1:25", ERR_CONFIG },
		{ "lmtp://127.0.0.1", ERR_CONFIG },
		{ "smtp://", ERR_CONFIG },
		{ "smtp://user:secret@127.0.0.1", ERR_CONFIG },
		{ "smtp://user@127.0.0.1", ERR_CONFIG },
		{ "smtp://127.0.0.1/else.example", ERR_CONFIG },
		{ "smtp://127.0.0.1/?x", ERR_CONFIG },
		{ "smtp://127.0.0.1/#x", ERR_CONFIG },
		{ "smtp://127.0.0.1:port", ERR_CONFIG },
		{ "smtp://127.0.0.1:99999", ERR_CONFIG },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(submission_freep) struct submission *s = NULL;
		struct fail fail = { 0 };

		if (make(rows[i].url, &s, &fail) != rows[i].want)
			fail_msg("%s: %s", rows[i].url, fail.what);
	}
}

static void a_server_that_is_away_is_for_later(void **state)
{
	AUTO(submission_freep) struct submission *s = NULL;
	struct submission_answer answer;
	struct fail fail = { 0 };

	(void)state;
	assert_int_equal(make("smtp://127.0.0.1:1", &s, &fail), OK);
	submission_send(s, S("a@b.example"), S("c@d.example"), S("x: y\r\n\r\n"), &answer);
	assert_int_equal(answer.outcome, SUBMISSION_LATER);
	assert_string_equal(answer.why, "connect");
	assert_int_equal(answer.status, 0);
}

static void nothing_is_sent_after_a_stop(void **state)
{
	AUTO(submission_freep) struct submission *s = NULL;
	struct submission_answer answer;
	struct fail fail = { 0 };

	(void)state;
	assert_int_equal(make("smtp://127.0.0.1:1", &s, &fail), OK);
	submission_stop(s);
	submission_send(s, S("a@b.example"), S("c@d.example"), S("x: y\r\n\r\n"), &answer);
	assert_int_equal(answer.outcome, SUBMISSION_LATER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_server_can_be_named),
		cmocka_unit_test(a_server_that_is_away_is_for_later),
		cmocka_unit_test(nothing_is_sent_after_a_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
