/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no server; tests/integration/test_inject.py has the rest. */
#include "deliverd/inject.h"

#include "tests/unit/test.h"

static enum err make(const char *url, struct injector **ret, struct fail *fail)
{
	const struct settings s = { .inject_url = mem_strdup(url),
				    .mail_host = mem_strdup("mx.example"),
				    .inject_timeout_ms = 1000 };
	enum err e = inject_new(&s, ret, fail);

	free(s.inject_url);
	free(s.mail_host);
	return e;
}

static void a_wrong_url_is_told_by_its_setting(void **state)
{
	AUTO(inject_freep) struct injector *in = NULL;
	struct fail fail = { 0 };

	(void)state;
	assert_int_equal(make("lmtp://127.0.0.1", &in, &fail), ERR_CONFIG);
	assert_true(slice_starts(slice_str(fail.what), S("inject_url: ")));
}

static void replies_of_an_earlier_mail_are_forgotten(void **state)
{
	const struct slice rcpts[] = { SLICE_INIT("c@d.example"), SLICE_INIT("e@f.example") };
	const struct slice part = SLICE_INIT("x: y\r\n\r\n");
	const struct inject_mail mail = { S("a@b.example"), rcpts, 2, &part, 1 };
	AUTO(inject_freep) struct injector *in = NULL;
	struct smtp_reply replies[2] = { { .code = 250 }, { .code = 550 } };
	struct inject_answer answer;
	struct fail fail = { 0 };

	(void)state;
	assert_int_equal(make("smtp://127.0.0.1:1", &in, &fail), OK);
	inject_send(in, &mail, replies, &answer);
	assert_int_equal(answer.outcome, INJECT_CONNECT);
	assert_string_equal(answer.why, "connect");
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(replies[i].code, 0);
}

static void the_queue_id_is_in_the_answer(void **state)
{
	static const struct {
		enum inject_outcome outcome;
		const char *text, *want;
	} rows[] = {
		{ INJECT_TAKEN, "Ok: queued as 4RzX1Y2Z3a", "4RzX1Y2Z3a" },
		{ INJECT_TAKEN, "queued as A1B2C3", "A1B2C3" },
		{ INJECT_TAKEN, "Ok: queued as ", "" },
		{ INJECT_TAKEN, "Ok: queued as a b", "" },
		{ INJECT_TAKEN, "Ok", "" },
		{ INJECT_REFUSED, "Ok: queued as A1B2C3", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct inject_answer a = { .outcome = rows[i].outcome };

		snprintf(a.reply.text, sizeof(a.reply.text), "%s", rows[i].text);
		assert_slice_row(inject_queue_id(&a), slice_str(rows[i].want), i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wrong_url_is_told_by_its_setting),
		cmocka_unit_test(replies_of_an_earlier_mail_are_forgotten),
		cmocka_unit_test(the_queue_id_is_in_the_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
