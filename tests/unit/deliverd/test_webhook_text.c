/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/arena.h"
#include "deliverd/webhook_text.h"
#include "tests/unit/test.h"

static struct store_webhook_trouble trouble(void)
{
	return (struct store_webhook_trouble){ .agent = S("bot@agents.example"),
					       .trouble = S("failing"),
					       .since_us = INT64_C(1768473600000000),
					       .failures = 12,
					       .last_status = 503,
					       .last_error = S("http_status"),
					       .pending = 3 };
}

static void write_texts(struct store_webhook_trouble *v, size_t n, const char *url, struct arena *a,
			struct store_mail *ret)
{
	const struct store_webhook_notice notice = { S("u"), S("u@example.com"), v, n };

	*ret = (struct store_mail){ 0 };
	webhook_text_write(&notice, slice_str(url), a, ret);
	assert_string_equal(ret->kind, "webhook");
	assert_true(ret->lifetime_ms > 0);
}

static void write_text(struct store_webhook_trouble *t, const char *url, struct arena *a,
		       struct store_mail *ret)
{
	write_texts(t, 1, url, a, ret);
}

static void assert_has(struct slice text, const char *part)
{
	if (slice_search(text, slice_str(part)) < 0)
		fail_msg("no \"%s\" in: %.*s", part, SLICE_ARGS(text));
}

static void each_trouble_has_words_of_its_own(void **state)
{
	static const struct {
		const char *trouble, *reason, *subject, *text;
	} rows[] = {
		{ "failing", "", "The webhook of bot@agents.example fails", "gets all that waits" },
		{ "failed", "", "The webhook of bot@agents.example fails, and mail was given up",
		  "as often as it may be" },
		{ "disabled", "http_gone", "The webhook of bot@agents.example is disabled",
		  "It answered 410" },
		{ "disabled", "operator", "The webhook of bot@agents.example is disabled",
		  "Whoever runs this service" },
		{ "disabled", "", "The webhook of bot@agents.example is disabled",
		  "Whoever runs this service" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct store_webhook_trouble n = trouble();
		struct store_mail mail;

		n.trouble = slice_str(rows[i].trouble);
		n.reason = slice_str(rows[i].reason);
		write_text(&n, "https://e2a.example/", &a, &mail);
		assert_string_equal(arena_dup(&a, mail.subject), rows[i].subject);
		assert_has(mail.text, rows[i].text);
	}
}

static void the_facts_are_told_as_far_as_they_are_known(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_webhook_trouble n = trouble();
	struct store_mail mail;

	(void)state;
	n.failed = STORE_WEBHOOK_NOTICE_COUNT_MAX + 1;
	write_text(&n, "https://e2a.example//", &a, &mail);
	assert_has(mail.text, "Since:               Thu, 15 Jan 2026 10:40:00 UTC\n");
	assert_has(mail.text, "Failures in a row:   12\n");
	assert_has(mail.text, "The last one:        http_status, status 503\n");
	assert_has(mail.text, "Mail that waits:     3\n");
	assert_has(mail.text, "Mail given up:       more than 1000\n");
	assert_has(mail.text,
		   "    GET  https://e2a.example/api/v1/agents/bot%40agents.example/webhook\n");
	n.last_status = 0;
	write_text(&n, "", &a, &mail);
	assert_has(mail.text, "The last one:        http_status\n");
	assert_has(mail.text, "    POST /api/v1/agents/bot%40agents.example/redeliver\n");
	n.last_error = S("");
	n.failures = 0;
	write_text(&n, "", &a, &mail);
	assert_true(slice_search(mail.text, S("The last one")) < 0);
	assert_true(slice_search(mail.text, S("in a row")) < 0);
}

/* An address may have anything before its @ that needs no quotes there. */
static void an_odd_address_stays_one_segment_of_a_path(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_webhook_trouble n = trouble();
	struct store_mail mail;

	(void)state;
	n.agent = S("a/b?c%d#\xc3\xbc@agents.example");
	write_text(&n, "https://e2a.example", &a, &mail);
	assert_has(mail.text, "/agents/a%2Fb%3Fc%25d%23%C3%BC%40agents.example/webhook\n");
}

static void many_troubles_are_one_mail(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_webhook_trouble v[STORE_WEBHOOK_NOTICE_MAX];
	struct store_mail mail;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		v[i] = trouble();
		v[i].agent = slice_str(arena_printf(&a, "%0200zu@agents.example", i));
	}
	write_texts(v, ARRAY_LEN(v), "https://e2a.example", &a, &mail);
	assert_string_equal(arena_dup(&a, mail.subject), "The webhooks of 50 agents fail");
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		assert_has(mail.text, arena_dup(&a, v[i].agent));
	assert_has(mail.text, "    POST https://e2a.example/api/v1/agents/{email}/redeliver\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_troubles_are_one_mail),
		cmocka_unit_test(each_trouble_has_words_of_its_own),
		cmocka_unit_test(the_facts_are_told_as_far_as_they_are_known),
		cmocka_unit_test(an_odd_address_stays_one_segment_of_a_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
