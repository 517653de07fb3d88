/* SPDX-License-Identifier: Apache-2.0 */
/* The route table: what each path means, and who may ask. A new route must be added here too. */
#include "apid/route.h"
#include "tests/unit/test.h"

static void find(const char *method, const char *target, struct arena *a, struct route_match *ret)
{
	struct target t;

	assert_int_equal(target_parse(slice_str(target), a, &t), OK);
	route_find(slice_str(method), &t, ret);
}

static void each_route_has_its_access_and_its_body_limit(void **state)
{
	static const struct {
		const char *method, *target;
		enum route_access access;
		size_t body_max;
	} rows[] = {
		{ "GET", "/api/health", ACCESS_PUBLIC, 0 },
		{ "HEAD", "/api/health", ACCESS_PUBLIC, 0 },
		{ "GET", "/readyz", ACCESS_PUBLIC, 0 },
		{ "GET", "/api/v1/info", ACCESS_PUBLIC, 0 },
		{ "POST", "/api/feedback", ACCESS_HANDLER, 65536 },
		{ "GET", "/api/docs", ACCESS_PUBLIC, 0 },
		{ "GET", "/api/openapi.yaml", ACCESS_PUBLIC, 0 },
		{ "GET", "/api/openapi.json", ACCESS_PUBLIC, 0 },
		{ "GET", "/", ACCESS_PUBLIC, 0 },
		{ "HEAD", "/", ACCESS_PUBLIC, 0 },
		{ "GET", "/web/0/app.js", ACCESS_PUBLIC, 0 },
		{ "GET", "/api/v1/overview", ACCESS_ACCOUNT, 0 },
		{ "GET", "/api/v1/agents", ACCESS_ACCOUNT, 0 },
		{ "POST", "/api/v1/agents", ACCESS_HANDLER, 65536 },
		{ "GET", "/api/v1/agents/b%40x", ACCESS_AGENT, 0 },
		{ "PUT", "/api/v1/agents/b%40x", ACCESS_ACCOUNT, 65536 },
		{ "DELETE", "/api/v1/agents/b%40x", ACCESS_ACCOUNT, 0 },
		{ "GET", "/api/v1/agents/b%40x/messages", ACCESS_AGENT, 0 },
		{ "GET", "/api/v1/agents/b%40x/messages/m", ACCESS_AGENT, 0 },
		{ "GET", "/api/v1/agents/b%40x/messages/m/html", ACCESS_AGENT, 0 },
		{ "GET", "/api/v1/agents/b%40x/messages/m/history", ACCESS_AGENT, 0 },
		{ "GET", "/api/v1/agents/b%40x/messages/m/attachments/0", ACCESS_AGENT, 0 },
		{ "GET", "/api/v1/agents/b%40x/webhook", ACCESS_AGENT, 0 },
		{ "POST", "/api/v1/agents/b%40x/webhook/enable", ACCESS_ACCOUNT, 0 },
		{ "GET", "/api/v1/agents/b%40x/deliveries", ACCESS_AGENT, 0 },
		{ "GET", "/api/v1/agents/b%40x/messages/m/deliveries", ACCESS_AGENT, 0 },
		{ "POST", "/api/v1/agents/b%40x/messages/m/redeliver", ACCESS_ACCOUNT, 0 },
		{ "POST", "/api/v1/agents/b%40x/redeliver", ACCESS_ACCOUNT, 65536 },
		{ "GET", "/api/v1/agents/b%40x/conversations", ACCESS_AGENT, 0 },
		{ "GET", "/api/v1/agents/b%40x/delegations", ACCESS_ACCOUNT, 0 },
		{ "POST", "/api/v1/agents/b%40x/delegations", ACCESS_ACCOUNT, 65536 },
		{ "DELETE", "/api/v1/agents/b%40x/delegations/d", ACCESS_ACCOUNT, 0 },
		{ "GET", "/api/delegations/confirm", ACCESS_HANDLER, 0 },
		{ "POST", "/api/delegations/confirm", ACCESS_HANDLER, 16384 },
		{ "GET", "/api/v1/agents/b%40x/reviewers", ACCESS_ACCOUNT, 0 },
		{ "POST", "/api/v1/agents/b%40x/reviewers", ACCESS_ACCOUNT, 65536 },
		{ "DELETE", "/api/v1/agents/b%40x/reviewers/r", ACCESS_ACCOUNT, 0 },
		{ "GET", "/api/reviewers/confirm", ACCESS_HANDLER, 0 },
		{ "POST", "/api/reviewers/confirm", ACCESS_HANDLER, 16384 },
		{ "POST", "/api/v1/agents/b%40x/messages/m/reply", ACCESS_AGENT, 26214400 },
		{ "POST", "/api/v1/agents/b%40x/test", ACCESS_ACCOUNT, 0 },
		{ "GET", "/api/v1/agents/b%40x/sent", ACCESS_AGENT, 0 },
		{ "GET", "/api/v1/agents/b%40x/sent/m", ACCESS_AGENT, 0 },
		{ "GET", "/api/v1/agents/b%40x/events", ACCESS_AGENT, 0 },
		{ "GET", "/api/v1/agents/b%40x/ws", ACCESS_HANDLER, 0 },
		{ "POST", "/api/v1/send", ACCESS_SENDER, 26214400 },
		{ "GET", "/api/v1/messages", ACCESS_ACCOUNT, 0 },
		{ "GET", "/api/v1/messages/m", ACCESS_ACCOUNT, 0 },
		{ "GET", "/api/v1/messages/m/html", ACCESS_ACCOUNT, 0 },
		{ "POST", "/api/v1/messages/m/approve", ACCESS_ACCOUNT, 26214400 },
		{ "POST", "/api/v1/messages/m/reject", ACCESS_ACCOUNT, 65536 },
		{ "GET", "/api/v1/approve", ACCESS_HANDLER, 0 },
		{ "POST", "/api/v1/approve", ACCESS_HANDLER, 65536 },
		{ "GET", "/api/v1/approve/content", ACCESS_HANDLER, 0 },
		{ "GET", "/api/v1/reject", ACCESS_HANDLER, 0 },
		{ "POST", "/api/v1/reject", ACCESS_HANDLER, 65536 },
		{ "GET", "/api/v1/domains", ACCESS_ACCOUNT, 0 },
		{ "POST", "/api/v1/domains", ACCESS_ACCOUNT, 65536 },
		{ "GET", "/api/v1/domains/x.io", ACCESS_ACCOUNT, 0 },
		{ "POST", "/api/v1/domains/x.io/verify", ACCESS_ACCOUNT, 0 },
		{ "POST", "/api/v1/domains/x.io/dkim/rotate", ACCESS_ACCOUNT, 0 },
		{ "DELETE", "/api/v1/domains/x.io", ACCESS_ACCOUNT, 0 },
		{ "GET", "/api/v1/suppressions", ACCESS_ACCOUNT, 0 },
		{ "DELETE", "/api/v1/suppressions", ACCESS_ACCOUNT, 0 },
		{ "DELETE", "/api/v1/suppressions/a%40x.io", ACCESS_ACCOUNT, 0 },
		{ "GET", "/api/v1/users/me/export", ACCESS_ACCOUNT, 0 },
		{ "DELETE", "/api/v1/users/me", ACCESS_ACCOUNT, 0 },
		{ "GET", "/api/auth/login", ACCESS_HANDLER, 0 },
		{ "POST", "/api/auth/login", ACCESS_HANDLER, 16384 },
		{ "GET", "/api/auth/link", ACCESS_HANDLER, 0 },
		{ "POST", "/api/auth/link", ACCESS_HANDLER, 16384 },
		{ "POST", "/api/auth/key", ACCESS_HANDLER, 16384 },
		{ "GET", "/api/auth/open", ACCESS_PUBLIC, 0 },
		{ "GET", "/api/auth/callback", ACCESS_HANDLER, 0 },
		{ "GET", "/api/auth/cli", ACCESS_HANDLER, 0 },
		{ "POST", "/api/auth/cli", ACCESS_PERSON, 16384 },
		{ "POST", "/api/auth/logout", ACCESS_HANDLER, 0 },
		{ "GET", "/api/auth/me", ACCESS_SESSION, 0 },
		{ "GET", "/dashboard", ACCESS_HANDLER, 0 },
		{ "GET", "/dashboard/pending", ACCESS_HANDLER, 0 },
		{ "GET", "/dashboard/pending/review", ACCESS_HANDLER, 0 },
		{ "POST", "/dashboard/pending/review", ACCESS_HANDLER, 2097152 },
		{ "GET", "/dashboard/pending/content", ACCESS_SESSION, 0 },
		{ "GET", "/api/v1/users/me/signing-secrets", ACCESS_ACCOUNT, 0 },
		{ "POST", "/api/v1/users/me/signing-secrets", ACCESS_ACCOUNT, 65536 },
		{ "DELETE", "/api/v1/users/me/signing-secrets/k", ACCESS_ACCOUNT, 0 },
		{ "GET", "/api/v1/users/me/signing-keys", ACCESS_ACCOUNT, 0 },
		{ "POST", "/api/v1/users/me/signing-keys", ACCESS_ACCOUNT, 65536 },
		{ "DELETE", "/api/v1/users/me/signing-keys/k", ACCESS_ACCOUNT, 0 },
		{ "GET", "/api/keys", ACCESS_PERSON, 0 },
		{ "POST", "/api/keys", ACCESS_PERSON, 65536 },
		{ "DELETE", "/api/keys/k", ACCESS_PERSON, 0 },
		{ "GET", "/api/dashboard/agents", ACCESS_SESSION, 0 },
		{ "PUT", "/api/dashboard/agents/b%40x", ACCESS_SESSION, 65536 },
		{ "DELETE", "/api/dashboard/agents/b%40x", ACCESS_SESSION, 0 },
		{ "GET", "/api/dashboard/agents/b%40x/activity", ACCESS_SESSION, 0 },
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;
	size_t n = 0;

	(void)state;
	while (route_table[n].method)
		n++;
	assert_int_equal(n, ARRAY_LEN(rows));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct route_match found;

		find(rows[i].method, rows[i].target, &a, &found);
		assert_row(i, found.route == &route_table[i]);
		assert_row(i, found.route->access == rows[i].access);
		assert_row(i, found.route->body_max == rows[i].body_max);
	}
}

static void unknown_paths_and_methods_are_told_apart(void **state)
{
	static const struct {
		const char *method, *target;
		bool other_method;
	} rows[] = {
		{ "GET", "/web", false },
		{ "GET", "/web/0/a/b", false },
		{ "GET", "/api/health/", false },
		{ "GET", "/api/v1/agents/", false },
		{ "GET", "/API/v1/agents", false },
		{ "GET", "/api/v1/agents/a%2Fb", false },
		{ "GET", "/api/v1/agents/a%2Fmessages", false },
		{ "GET", "/api/v1/agents/a/messages/b/c", false },
		{ "POST", "/api/health", true },
		{ "OPTIONS", "/api/v1/agents", true },
		{ "HEAD", "/api/v1/info", true },
		{ "get", "/api/v1/info", true },
		{ "PATCH", "/api/v1/agents/a", true },
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct route_match found;

		find(rows[i].method, rows[i].target, &a, &found);
		assert_row(i, !found.route);
		assert_row(i, found.other_method == rows[i].other_method);
	}
}

static void parameters_are_decoded_segments(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct route_match found;

	(void)state;
	find("GET", "/api/v1/agents/a%40b+c/messages/msg_%31", &a, &found);
	assert_slice(found.param[0], S("a@b+c"));
	assert_slice(found.param[1], S("msg_1"));
	find("PROPFIND", "/api/v1/agents/a/ws", &a, &found);
	assert_non_null(found.route);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_route_has_its_access_and_its_body_limit),
		cmocka_unit_test(unknown_paths_and_methods_are_told_apart),
		cmocka_unit_test(parameters_are_decoded_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
