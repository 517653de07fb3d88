/* SPDX-License-Identifier: Apache-2.0 */
/* Who is told of a webhook that fails, and how often. */
#include "common/store/store_webhook_notice.h"
#include "tests/sql/fresh.h"

#define DATABASE "t_webhook_notice"
#define DAY_MS INT64_C(86400000)
#define HOUR_MS INT64_C(3600000)

static const char sql_rows[] =
	"INSERT INTO users (id, email) VALUES ('u', 'u@example.com');"
	"INSERT INTO agents (email, address, domain, user_id, agent_mode, webhook_url) VALUES"
	" ('a@example.com', 'a@example.com', 'example.com', 'u', 'cloud', 'https://example.com/');"
	"INSERT INTO raw_messages (id, sha256, size, raw) VALUES ('r', '', 1000, '');"
	"INSERT INTO messages (id, user_id, agent_email, raw_id, direction, expires_at)"
	" VALUES ('m1', 'u', 'a@example.com', 'r', 'inbound', now() + interval '1 d');"
	"INSERT INTO webhook_jobs (message_id, user_id, agent_email, due_at)"
	" VALUES ('m1', 'u', 'a@example.com', now());"
	"INSERT INTO webhook_queues (agent_email, user_id) VALUES ('a@example.com', 'u');";

static int migrated(void **state)
{
	AUTO(db_closep) struct db *db = fresh_migrated(DATABASE);

	(void)state;
	fresh_script(db, sql_rows);
	return 0;
}

/* The trouble that is told of, or "". */
static const char *take(struct arena *a)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	struct store_webhook_notice n = { 0 };
	struct fail fail = { 0 };
	enum err e = store_webhook_notice_take(db, DAY_MS, HOUR_MS, a, &n, &fail);

	if (e && e != ERR_NOT_FOUND)
		fail_msg("%s", fail.what);
	if (e == OK) {
		assert_string_equal(arena_dup(a, n.address), "u@example.com");
		assert_int_equal(n.n, 1);
		assert_string_equal(arena_dup(a, n.v[0].agent), "a@example.com");
		assert_int_equal(n.v[0].pending + n.v[0].failed, 1);
	}
	return e ? "" : arena_dup(a, n.v[0].trouble);
}

/* Step by step, with what happens before each. */
static void a_trouble_is_told_of_once_and_a_worse_one_once_more(void **state)
{
	static const struct {
		const char *queue, *job, *want;
	} rows[] = {
		{ "failures = 0", "state = 'pending'", "" },
		{ "failing_since = now() - interval '23 h', failures = 9", "state = 'pending'",
		  "" },
		{ "failing_since = now() - interval '25 h'", "state = 'pending'", "failing" },
		{ "failures = 10", "state = 'pending'", "" },
		{ "failures = 10", "state = 'failed'", "" }, /* told of it a moment ago */
		{ "told_at = now() - interval '24.1 h'", "state = 'failed'", "failed" },
		{ "told_at = now() - interval '24.1 h'", "state = 'failed'", "" },
		{ "disabled_at = now(), disabled_reason = 'http_gone'", "state = 'failed'",
		  "disabled" },
		{ "told_at = now() - interval '9 d', disabled_at = now() - interval '10 d'",
		  "state = 'failed'", "" },
		/* better, and bad again */
		{ "disabled_at = NULL, failing_since = NULL, failures = 0", "state = 'failed'",
		  "" },
		{ "told_at = now() - interval '9 d', failing_since = now() - interval '25 h'",
		  "state = 'pending'", "failing" },
	};
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(buf_release) struct buf sql = BUF_INIT(1024);

		buf_addf(&sql, "UPDATE webhook_queues SET %s; UPDATE webhook_jobs SET %s",
			 rows[i].queue, rows[i].job);
		fresh_script(db, buf_cstr(&sql));
		if (strcmp(take(&a), rows[i].want) != 0)
			fail_msg("row %zu", i);
	}
}

static void nobody_is_told_of_what_is_no_trouble(void **state)
{
	static const char *const rows[] = {
		"DELETE FROM webhook_jobs", /* nothing waits for it */
		"UPDATE agents SET agent_mode = 'local'",
	};
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;

		fresh_script(db, "UPDATE webhook_queues SET told = '', told_at = NULL, "
				 "failing_since = now() - interval '2 d', failures = 9; UPDATE "
				 "agents SET agent_mode = 'cloud'");
		fresh_script(db, rows[i]);
		assert_string_equal(take(&a), "");
	}
}

/* An account that is being deleted, or a queue that is looked after: neither is waited for. */
static void locks_are_not_waited_for(void **state)
{
	static const char *const rows[] = {
		"BEGIN; SELECT FROM users FOR UPDATE",
		"BEGIN; SELECT FROM webhook_queues FOR UPDATE",
	};
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);
	AUTO(arena_release) struct arena a = ARENA_INIT;

	(void)state;
	fresh_script(db, "UPDATE webhook_queues SET told = '', told_at = NULL, disabled_at = now();"
			 "UPDATE agents SET agent_mode = 'cloud';"
			 "INSERT INTO webhook_jobs (message_id, user_id, agent_email, due_at)"
			 " VALUES ('m1', 'u', 'a@example.com', now()) ON CONFLICT DO NOTHING");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fresh_script(db, rows[i]);
		assert_string_equal(take(&a), "");
		fresh_script(db, "ROLLBACK");
	}
	assert_string_equal(take(&a), "disabled");
}

/* All that is wrong is in one mail, and what goes wrong a moment later waits. */
static void an_owner_gets_one_mail_an_hour(void **state)
{
	static const struct {
		const char *before;
		size_t want;
	} rows[] = {
		{ "UPDATE webhook_queues SET told_at = NULL WHERE agent_email < 'n45'", 45 },
		{ "UPDATE webhook_queues SET told_at = NULL WHERE agent_email > 'n45'", 0 },
		{ "UPDATE webhook_queues SET told_at = told_at - interval '61 m'", 50 },
		{ "UPDATE webhook_queues SET told_at = told_at - interval '61 m'", 4 },
		{ "UPDATE webhook_queues SET told_at = told_at - interval '61 m'", 0 },
	};
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");

	(void)state;
	fresh_script(owner,
		     "DELETE FROM agents; INSERT INTO agents (email, address, domain, user_id, "
		     "agent_mode, webhook_url) SELECT n, n, 'example.com', 'u', 'cloud', 'x' FROM "
		     "(SELECT 'n' || lpad(i::text, 2, '0') AS n FROM generate_series(0, 99) i) t;"
		     "INSERT INTO webhook_queues (agent_email, user_id, disabled_at, told, told_at)"
		     " SELECT email, 'u', now() - interval '2 h', 'disabled', "
		     "now() - interval '110 m' FROM agents");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct store_webhook_notice n = { 0 };
		struct fail fail = { 0 };
		enum err e;

		fresh_script(owner, rows[i].before);
		e = store_webhook_notice_take(db, DAY_MS, HOUR_MS, &a, &n, &fail);
		if (e && e != ERR_NOT_FOUND)
			fail_msg("%s", fail.what);
		if (n.n != rows[i].want)
			fail_msg("row %zu: %zu", i, n.n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trouble_is_told_of_once_and_a_worse_one_once_more),
		cmocka_unit_test(nobody_is_told_of_what_is_no_trouble),
		cmocka_unit_test(locks_are_not_waited_for),
		cmocka_unit_test(an_owner_gets_one_mail_an_hour),
	};

	return cmocka_run_group_tests(tests, migrated, NULL);
}
