/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemons' statements do with a few rows in a freshly migrated database. */
#include "common/store/store_message.h"
#include "common/store/store_webhook.h"
#include "tests/sql/fresh.h"

#define DATABASE "t_queue"

static const char sql_rows[] =
	"INSERT INTO users (id, email) VALUES ('u', 'u@example.com');"
	"INSERT INTO agents (email, address, domain, user_id, agent_mode, webhook_url) VALUES"
	" ('a@example.com', 'a@example.com', 'example.com', 'u', 'cloud', 'https://example.com/');"
	"INSERT INTO raw_messages (id, sha256, size, raw)"
	" SELECT 'r' || n, '', 1000, '' FROM generate_series(1, 3) n;"
	"INSERT INTO messages (id, user_id, agent_email, raw_id, direction, expires_at)"
	" SELECT 'm' || n, 'u', 'a@example.com', 'r' || n, 'inbound', now() + interval '1 day'"
	" FROM generate_series(1, 3) n;"
	"INSERT INTO webhook_jobs (message_id, user_id, agent_email, queued, due_at)"
	" SELECT 'm' || n, 'u', 'a@example.com', true, now() - interval '1 h' / n"
	" FROM generate_series(1, 3) n;"
	"INSERT INTO webhook_queues (agent_email, user_id, due_at)"
	" VALUES ('a@example.com', 'u', now());";

static int migrated(void **state)
{
	AUTO(db_closep) struct db *db = fresh_migrated(DATABASE);

	(void)state;
	fresh_script(db, sql_rows);
	return 0;
}

static void a_claim_takes_what_fits_and_the_oldest_in_any_case(void **state)
{
	static const struct {
		int64_t max_bytes;
		size_t want;
	} rows[] = { { 3000, 3 }, { 2999, 2 }, { 1000, 1 }, { 999, 1 }, { 0, 1 } };
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct webhook_claim claim = { .lease_id = S("l"),
						     .lease_ms = 0,
						     .limit = 10,
						     .max_bytes = rows[i].max_bytes,
						     .per_queue = 10,
						     .drain_rate = 50 };
		AUTO(db_rows_freep) struct db_rows *r = NULL;
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct webhook_row *v = NULL;
		struct fail fail = { 0 };
		size_t n = 0;

		assert_ok(store_webhook_claim(db, &claim, &a, &v, &n, &r, &fail), &fail);
		assert_int_equal(n, rows[i].want);
		assert_string_equal(arena_dup(&a, v[0].message_id), "m1");
	}
}

/* The poll runs each second: it must not read through all the mail that there is. */
static void recent_mail_is_found_by_its_time(void **state)
{
	static const struct db_stmt explain = {
		"t_explain", "EXPLAIN EXECUTE message_recent(10000, 'infinity', '', 1000)", false
	};
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	const struct db_stmt *s = store_message_stmts;
	struct fail fail = { 0 };
	bool found = false;

	(void)state;
	while (!slice_eq(slice_str(s->name), S("message_recent")))
		s++;
	fresh_script(db, "SET enable_seqscan = off");
	assert_ok(db_prepare(db, s, &fail), &fail);
	assert_ok(db_query(db, &explain, NULL, &r, &fail), &fail);
	for (size_t i = 0; i < db_rows_count(r); i++)
		found |= slice_search(db_slice(r, i, 0), S("Index Cond")) >= 0 &&
			 slice_search(db_slice(r, i, 0), S("created_at")) >= 0;
	assert_true(found);
}

static struct webhook_result result_of(const char *message_id)
{
	return (struct webhook_result){ .message_id = slice_str(message_id),
					.lease_id = S("l"),
					.http_status = 200,
					.reason = EVENT_HTTP_STATUS };
}

/* An agent with much mail is deleted for minutes; results of all others come in one batch with it.
 */
static void results_do_not_wait_for_a_job_that_is_being_deleted(void **state)
{
	static const int64_t schedule_ms[] = { 1000 };
	static const struct webhook_patience patience = { schedule_ms, 1, 5, 60000 };
	const struct webhook_result v[] = { result_of("m1"), result_of("m2") };
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	struct fail fail = { 0 };
	size_t n = 0;

	(void)state;
	fresh_script(owner, "UPDATE webhook_jobs SET lease_id = 'l'");
	fresh_script(owner, "BEGIN; DELETE FROM webhook_jobs WHERE message_id = 'm1'");
	fresh_script(db, "SET statement_timeout = '5s'");
	assert_ok(store_webhook_release(db, v, 1, 0, &fail), &fail);
	assert_ok(store_webhook_failed(db, v, 2, &patience, &n, &fail), &fail);
	assert_int_equal(n, 1);
	fresh_script(owner, "ROLLBACK");
	fresh_script(owner, "UPDATE webhook_jobs SET lease_id = 'l'");
	fresh_script(owner, "BEGIN; DELETE FROM webhook_jobs WHERE message_id = 'm1'");
	assert_ok(store_webhook_delivered(db, v, 2, &n, &fail), &fail);
	assert_int_equal(n, 1);
	fresh_script(owner, "ROLLBACK");
	assert_ok(store_webhook_delivered(db, v, 2, &n, &fail), &fail);
	assert_int_equal(n, 1); /* the other one is gone */
}

static const char sql_backlog[] =
	"INSERT INTO messages (id, user_id, agent_email, raw_id, direction, expires_at)"
	" SELECT 'b' || n, 'u', 'a@example.com', 'r1', 'inbound', now() + interval '1 day'"
	" FROM generate_series(1, 10000) n;"
	"INSERT INTO webhook_jobs (message_id, user_id, agent_email, queued, due_at)"
	" SELECT 'b' || n, 'u', 'a@example.com', true, now() - n * interval '1 ms'"
	" FROM generate_series(1, 10000) n;";

/*
 * Whatever the planner was told of the queue last: that all jobs are of one agent,
 * that all of them are leased.
 */
static void a_claim_reads_no_backlog(void **state)
{
	static const struct db_stmt read = {
		"t_read",
		"SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables "
		"WHERE relname = 'webhook_jobs'",
		false
	};
	const struct webhook_claim claim = { .lease_id = S("l"),
					     .lease_ms = 60000,
					     .limit = 50,
					     .max_bytes = 1000000,
					     .per_queue = 10,
					     .drain_rate = 50 };
	static const char *const told[] = {
		"ANALYZE",
		"UPDATE webhook_jobs SET lease_until = now() + interval '1 h'; ANALYZE;"
		"UPDATE webhook_jobs SET lease_until = NULL",
	};
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);

	(void)state;
	fresh_script(owner, sql_backlog);
	for (size_t i = 0; i < ARRAY_LEN(told); i++) {
		AUTO(db_closep) struct db *db = NULL;
		AUTO(db_rows_freep) struct db_rows *rows = NULL, *r = NULL;
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct webhook_row *v = NULL;
		struct fail fail = { 0 };
		size_t n = 0;

		fresh_script(owner, told[i]);
		db = fresh_open(DATABASE, "e2a_deliverd");
		fresh_script(db, "BEGIN");
		assert_ok(store_webhook_claim(db, &claim, &a, &v, &n, &rows, &fail), &fail);
		assert_int_equal(n, 10);
		assert_ok(db_query(db, &read, NULL, &r, &fail), &fail);
		assert_in_range(db_int(r, 0, 0), 10, 200);
		fresh_script(db, "ROLLBACK");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_claim_takes_what_fits_and_the_oldest_in_any_case),
		cmocka_unit_test(recent_mail_is_found_by_its_time),
		cmocka_unit_test(a_claim_reads_no_backlog),
		cmocka_unit_test(results_do_not_wait_for_a_job_that_is_being_deleted),
	};

	return cmocka_run_group_tests(tests, migrated, NULL);
}
