/* SPDX-License-Identifier: Apache-2.0 */
/* What the metrics say of the queues. */
#include "common/store/store_depth.h"
#include "tests/sql/fresh.h"
#include "tests/unit/test.h"

#define DATABASE "t_depth"

static const char sql_rows[] =
	"TRUNCATE users, domains, message_events CASCADE;"
	"INSERT INTO users (id, email) VALUES ('u', 'u@u.example');"
	"INSERT INTO agents (email, address, domain, user_id, agent_mode) VALUES"
	" ('bot@x.example', 'bot@x.example', 'x.example', 'u', 'local');"
	"CREATE TEMP TABLE wanted (n int, state text, due interval, leased interval);"
	"INSERT INTO wanted VALUES (1, 'pending', '-10 s', NULL), (2, 'pending', '-2 h', '1 m'),"
	" (3, 'pending', '-20 s', '-1 s'), (4, 'pending', '1 h', NULL), (5, 'failed', '-3 h', NULL),"
	" (6, 'failed', '-3 h', NULL);"
	"INSERT INTO messages (id, user_id, agent_email, direction, status, expires_at)"
	" SELECT 'm' || n, 'u', 'bot@x.example', 'outbound', 'sent', now() + interval '1 day'"
	" FROM generate_series(1, 9) n;"
	"INSERT INTO webhook_jobs (message_id, user_id, agent_email, state, due_at, lease_id,"
	" lease_until) SELECT 'm' || n, 'u', 'bot@x.example', state, now() + due,"
	" CASE WHEN leased IS NULL THEN NULL ELSE 'l' END, now() + leased FROM wanted;"
	"INSERT INTO outbound_jobs (id, message_id, user_id, agent_email, part, size, state,"
	" due_at, give_up_at, lease_id, lease_until) SELECT 'j' || n, 'm' || n, 'u',"
	" 'bot@x.example', 'world', 1, state, now() + due, now() + interval '1 day',"
	" CASE WHEN leased IS NULL THEN NULL ELSE 'l' END, now() + leased FROM wanted"
	" UNION ALL SELECT 'k' || n, 'm' || n, 'u', 'bot@x.example', 'agents', 1, state,"
	" now() - interval '5 h', now() + interval '1 day', NULL, NULL"
	" FROM (VALUES (1, 'unknown'), (2, 'injecting')) AS k (n, state);"
	"DROP TABLE wanted;"
	"INSERT INTO agents (email, address, domain, user_id, agent_mode, webhook_url)"
	" SELECT a, a, 'x.example', 'u', 'cloud', 'https://x.example/' FROM ("
	" SELECT n || '@x.example' AS a FROM generate_series(1, 6) n) t;"
	"INSERT INTO webhook_queues (agent_email, user_id, due_at, failing_since, open_until,"
	" disabled_at) VALUES ('1@x.example', 'u', now() + interval '1 h', NULL, NULL, NULL),"
	" ('2@x.example', 'u', now() - interval '30 s', now(), NULL, NULL),"
	" ('3@x.example', 'u', now() + interval '1 m', now(), now() + interval '1 m', NULL),"
	" ('4@x.example', 'u', now() + interval '1 s', now(), now() - interval '1 m', NULL),"
	" ('5@x.example', 'u', NULL, now(), now(), now()),"
	" ('6@x.example', 'u', NULL, NULL, NULL, now())";

static int migrated(void **state)
{
	(void)state;
	db_close(fresh_migrated(DATABASE));
	return 0;
}

static void look(const char *role, struct store_depth ret[QUEUES])
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, role);
	struct fail fail = { 0 };

	if (store_depth(db, ret, &fail))
		fail_msg("%s", fail.what);
}

static void assert_about(int64_t got_ms, int64_t want_ms)
{
	assert_in_range(got_ms, want_ms, want_ms + 5000);
}

static void empty_queues_are_zero(void **state)
{
	struct store_depth depth[QUEUES];

	(void)state;
	look("e2a_deliverd", depth);
	for (size_t i = 0; i < QUEUES; i++) {
		assert_int_equal(depth[i].pending, 0);
		assert_int_equal(depth[i].failed, 0);
		assert_int_equal(depth[i].behind_ms, 0);
	}
}

static void what_is_in_hand_or_not_due_is_pending_but_not_late(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);
	struct store_depth depth[QUEUES];

	(void)state;
	fresh_script(db, sql_rows);
	look("e2a_deliverd", depth);
	assert_int_equal(depth[QUEUE_WEBHOOK].pending, 4);
	assert_int_equal(depth[QUEUE_WEBHOOK].failed, 2);
	assert_about(depth[QUEUE_WEBHOOK].behind_ms, 30000);
	assert_int_equal(depth[QUEUE_OUTBOUND].pending, 4);
	assert_int_equal(depth[QUEUE_OUTBOUND].failed, 3);
	assert_about(depth[QUEUE_OUTBOUND].behind_ms, 20000);
	assert_int_equal(depth[QUEUE_MAIL].pending, 0);
}

static void an_endpoint_is_in_one_state(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	int64_t n[ENDPOINT_STATES];
	struct fail fail = { 0 };

	(void)state;
	assert_ok(store_depth_endpoints(db, n, &fail), &fail);
	assert_int_equal(n[ENDPOINT_FAILING], 1);
	assert_int_equal(n[ENDPOINT_OPEN], 2);
	assert_int_equal(n[ENDPOINT_DISABLED], 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_queues_are_zero),
		cmocka_unit_test(what_is_in_hand_or_not_due_is_pending_but_not_late),
		cmocka_unit_test(an_endpoint_is_in_one_state),
	};

	return cmocka_run_group_tests(tests, migrated, NULL);
}
