/* SPDX-License-Identifier: Apache-2.0 */
/* What a PUT may ask for, and what becomes of an agent by it. */
#include "apid/h_agents_change.h"
#include "tests/unit/test.h"

#define MODES "agent_mode must be 'cloud' or 'local'"
#define SWITCH "webhook_url is required when switching to cloud mode"
#define REQUIRED "webhook_url is required for cloud agent mode"
#define TTL "hitl_ttl_seconds must be between 1 and 604800"
#define ACTION "hitl_expiration_action must be 'approve' or 'reject'"
#define NOTHING "no recognized fields in request"

static void read_change(const char *json, struct arena *a, struct agent_change *ret)
{
	*ret = (struct agent_change){ 0 };
	assert_int_equal(jsonf_read(slice_str(json), agent_change_rows, a, ret), OK);
}

static bool same(const char *a, const char *b)
{
	return a && b ? slice_eq(slice_str(a), slice_str(b)) : a == b;
}

static void a_change_is_checked_before_any_agent_is_known(void **state)
{
	static const struct {
		const char *json, *wrong;
	} rows[] = {
		{ "{}", NOTHING },
		{ "{\"agent_mode\":null,\"hitl_enabled\":null}", NOTHING },
		{ "{\"name\":\"x\"}", NOTHING },
		{ "{\"hitl_enabled\":false}", NULL },
		{ "{\"webhook_url\":\"\"}", NULL },
		{ "{\"agent_mode\":\"local\"}", NULL },
		{ "{\"agent_mode\":\"Local\"}", MODES },
		{ "{\"agent_mode\":\"\"}", MODES },
		{ "{\"agent_mode\":\"cloud\"}", SWITCH },
		{ "{\"agent_mode\":\"cloud\",\"webhook_url\":\"\"}", SWITCH },
		{ "{\"agent_mode\":\"cloud\",\"webhook_url\":\"u\"}", NULL },
		{ "{\"agent_mode\":\"x\",\"hitl_ttl_seconds\":0}", MODES },
		{ "{\"hitl_ttl_seconds\":0}", TTL },
		{ "{\"hitl_ttl_seconds\":1}", NULL },
		{ "{\"hitl_ttl_seconds\":604800}", NULL },
		{ "{\"hitl_ttl_seconds\":604801}", TTL },
		{ "{\"hitl_ttl_seconds\":-9223372036854775808}", TTL },
		{ "{\"hitl_ttl_seconds\":0,\"hitl_expiration_action\":\"x\"}", TTL },
		{ "{\"hitl_expiration_action\":\"x\"}", ACTION },
		{ "{\"hitl_expiration_action\":\"\"}", ACTION },
		{ "{\"hitl_expiration_action\":\"approve\"}", NULL },
		{ "{\"hitl_expiration_action\":\"reject\"}", NULL },
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct agent_change c;

		read_change(rows[i].json, &a, &c);
		assert_row(i, same(agent_change_check(&c), rows[i].wrong));
	}
}

static void what_is_given_is_applied_and_a_mode_comes_with_its_url(void **state)
{
	static const struct {
		const char *mode, *url, *json;
		const char *want_mode, *want_url, *wrong;
	} rows[] = {
		{ "cloud", "u", "{\"hitl_enabled\":true}", "cloud", "u", NULL },
		{ "cloud", "u", "{\"webhook_url\":\"v\"}", "cloud", "v", NULL },
		{ "cloud", "u", "{\"webhook_url\":null}", "cloud", "u", NULL },
		{ "cloud", "u", "{\"webhook_url\":\"\"}", "cloud", "", REQUIRED },
		{ "cloud", "u", "{\"agent_mode\":\"local\"}", "local", "", NULL },
		{ "cloud", "u", "{\"agent_mode\":\"local\",\"webhook_url\":\"v\"}", "local", "v",
		  NULL },
		{ "cloud", "u", "{\"agent_mode\":\"cloud\",\"webhook_url\":\"v\"}", "cloud", "v",
		  NULL },
		{ "local", "", "{\"webhook_url\":\"\"}", "local", "", NULL },
		{ "local", "", "{\"webhook_url\":\"v\"}", "local", "v", NULL },
		{ "local", "u", "{\"agent_mode\":\"local\"}", "local", "", NULL },
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct store_agent agent = { .agent_mode = slice_str(rows[i].mode),
					     .webhook_url = slice_str(rows[i].url) };
		struct agent_change c;

		read_change(rows[i].json, &a, &c);
		assert_row(i, same(agent_change_apply(&c, &agent), rows[i].wrong));
		assert_row(i, slice_eq(agent.agent_mode, slice_str(rows[i].want_mode)));
		assert_row(i, slice_eq(agent.webhook_url, slice_str(rows[i].want_url)));
	}
}

static void what_is_not_given_stays(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_agent agent = { .agent_mode = S("local"),
				     .hitl_enabled = true,
				     .hitl_ttl_seconds = 7,
				     .hitl_expiration_action = S("approve") };
	struct agent_change c;

	(void)state;
	read_change("{\"webhook_url\":\"u\"}", &a, &c);
	assert_null(agent_change_apply(&c, &agent));
	assert_true(agent.hitl_enabled);
	assert_int_equal(agent.hitl_ttl_seconds, 7);
	assert_slice(agent.hitl_expiration_action, S("approve"));
	read_change("{\"hitl_enabled\":false,\"hitl_ttl_seconds\":8,"
		    "\"hitl_expiration_action\":\"reject\"}",
		    &a, &c);
	assert_null(agent_change_apply(&c, &agent));
	assert_false(agent.hitl_enabled);
	assert_int_equal(agent.hitl_ttl_seconds, 8);
	assert_slice(agent.hitl_expiration_action, S("reject"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_is_checked_before_any_agent_is_known),
		cmocka_unit_test(what_is_given_is_applied_and_a_mode_comes_with_its_url),
		cmocka_unit_test(what_is_not_given_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
