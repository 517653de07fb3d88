/* SPDX-License-Identifier: Apache-2.0 */
#include "common/mail/sender.h"
#include "tests/unit/test.h"

static enum err read(const char *shared, const char *from, const char *word, struct arena *a,
		     struct sender *ret)
{
	const struct settings s = { .shared_domain = arena_strdup(a, shared),
				    .from_domain = arena_strdup(a, from),
				    .shared_domain_from = arena_strdup(a, word) };
	struct fail fail = { 0 };

	return sender_init(&s, a, ret, &fail);
}

static void the_agents_own_address_is_taken_where_it_is_believed(void **state)
{
	static const struct {
		const char *shared, *from, *word, *domain;
		bool published, want;
	} rows[] = {
		/* a domain of a user: the key decides, whatever the word says */
		{ "agents.example", "", "auto", "own.example", true, true },
		{ "agents.example", "", "auto", "own.example", false, false },
		{ "agents.example", "send.example", "agent", "own.example", false, false },
		{ "agents.example", "send.example", "relay", "own.example", true, true },
		/* the shared one */
		{ "agents.example", "", "auto", "agents.example", true, true },
		{ "agents.example", "", "auto", "agents.example", false, false },
		{ "agents.example", "", "agent", "agents.example", false, true },
		{ "agents.example", "", "relay", "agents.example", true, false },
		{ "AGENTS.example.", "", "relay", "agents.example", true, false },
		{ "agents.example", "send.example", "agent", "agents.example", false, true },
		/* there is no other */
		{ "", "", "auto", "own.example", false, true },
		{ "", "", "relay", "own.example", false, true },
		{ "", "send.example", "agent", "own.example", false, false },
		{ "", "send.example", "auto", "own.example", true, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct sender s;

		assert_row(i, read(rows[i].shared, rows[i].from, rows[i].word, &a, &s) == OK);
		assert_row(i, sender_is_agent(&s, slice_str(rows[i].domain), rows[i].published) ==
				      rows[i].want);
	}
}

static void relayed_mail_comes_from_a_domain_of_the_deployment(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct sender s;

	(void)state;
	assert_int_equal(read("Agents.example", "", "auto", &a, &s), OK);
	assert_slice(s.relay_domain, S("agents.example"));
	assert_int_equal(read("agents.example", "SEND.example", "auto", &a, &s), OK);
	assert_slice(s.relay_domain, S("send.example"));
	assert_slice(s.shared_domain, S("agents.example"));
	assert_int_equal(read("", "", "auto", &a, &s), OK);
	assert_int_equal(s.relay_domain.n, 0);
}

static void what_is_no_domain_is_refused(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct sender s;

	(void)state;
	assert_int_equal(read("localhost", "", "auto", &a, &s), ERR_CONFIG);
	assert_int_equal(read("", "a b.example", "auto", &a, &s), ERR_CONFIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_agents_own_address_is_taken_where_it_is_believed),
		cmocka_unit_test(relayed_mail_comes_from_a_domain_of_the_deployment),
		cmocka_unit_test(what_is_no_domain_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
