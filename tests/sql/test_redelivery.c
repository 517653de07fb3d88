/* SPDX-License-Identifier: Apache-2.0 */
/* Asking for webhook calls again, and what the owner is shown of them. */
#include "common/store/store_delivery.h"
#include "common/store/store_endpoint.h"
#include "tests/sql/fresh.h"

#define DATABASE "t_redelivery"
#define HOUR_US INT64_C(3600000000)
#define NOON_US INT64_C(1768478400000000) /* 2026-01-15 12:00 */

/*
 * m01 to m12, one each hour of 2026-01-15 from 01:00 on: m01 to m03 have failed, m04 waits for
 * two hours, m05 is under way, the others were delivered; of agent b in local mode l1, of
 * another user x1; o1 went out, e1 is over.
 */
static const char sql_rows[] =
	"INSERT INTO users (id, email) VALUES ('u', 'u@example.com'), ('v', 'v@example.com');"
	"INSERT INTO agents (email, address, domain, user_id, agent_mode, webhook_url)"
	" SELECT n || '@example.com', n || '@example.com', 'example.com', u, m, h FROM (VALUES"
	" ('a', 'u', 'cloud', 'https://example.com/'), ('b', 'u', 'local', ''),"
	" ('x', 'v', 'cloud', 'https://example.com/')) AS t (n, u, m, h);"
	"INSERT INTO raw_messages (id, sha256, size, raw) VALUES ('r', '', 1000, '');"
	"INSERT INTO messages (id, user_id, agent_email, raw_id, direction, inbox_status, created_at,"
	" expires_at) SELECT 'm' || lpad(n::text, 2, '0'), 'u', 'a@example.com', 'r', 'inbound',"
	" 'unread', '2026-01-15T00:00:00Z'::timestamptz + n * interval '1 h', now() + interval '1 d'"
	" FROM generate_series(1, 12) n;"
	"INSERT INTO messages (id, user_id, agent_email, raw_id, direction, created_at, expires_at)"
	" SELECT i, u, f || '@example.com', 'r', d, '2026-01-15T03:30:00Z', now() + e::interval"
	" FROM (VALUES ('l1', 'u', 'b', 'inbound', '1 d'), ('x1', 'v', 'x', 'inbound', '1 d'),"
	" ('o1', 'u', 'a', 'outbound', '1 d'), ('e1', 'u', 'a', 'inbound', '-1 d'))"
	" AS t (i, u, f, d, e);"
	"INSERT INTO webhook_jobs (message_id, user_id, agent_email, state, attempts, due_at,"
	" lease_id, lease_until, last_status, last_error, give_up_at)"
	" SELECT i, 'u', 'a@example.com', s, 11, now() + interval '2 h', l,"
	" CASE WHEN l IS NOT NULL THEN now() + interval '1 m' END, 500, 'http_status',"
	" now() - interval '1 s' FROM (VALUES ('m01', 'failed', NULL), ('m02', 'failed', NULL),"
	" ('m03', 'failed', NULL), ('m04', 'pending', NULL), ('m05', 'pending', 'l'),"
	" ('e1', 'failed', NULL)) AS t (i, s, l);"
	"INSERT INTO webhook_jobs (message_id, user_id, agent_email, state, due_at)"
	" VALUES ('x1', 'v', 'x@example.com', 'failed', now());"
	"INSERT INTO message_events (message_id, user_id, stage, outcome, detail) SELECT"
	" 'm' || lpad(n::text, 2, '0'), 'u', 'webhook', 'delivered',"
	" '{\"attempt\": 2, \"status\": 204, \"ms\": 7}' FROM generate_series(6, 12) n;";

static int filled(void **state)
{
	AUTO(db_closep) struct db *db = fresh_migrated(DATABASE);

	(void)state;
	fresh_script(db, sql_rows);
	return 0;
}

static int refilled(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);

	(void)state;
	fresh_script(db, "DELETE FROM users; DELETE FROM message_events; DELETE FROM raw_messages "
			 "r WHERE NOT EXISTS (SELECT FROM messages m WHERE m.raw_id = r.id)");
	fresh_script(db, sql_rows);
	return 0;
}

static struct store_redelivery everything_failed(void)
{
	return (struct store_redelivery){ .user_id = S("u"),
					  .agent = S("a@example.com"),
					  .since_us = INT64_MIN,
					  .until_us = INT64_MAX,
					  .after_us = INT64_MIN,
					  .lifetime_ms = 3600000,
					  .by = S("account") };
}

static enum err run(const struct store_redelivery *what, struct store_redelivered *ret)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct fail fail = { 0 };
	enum err e = store_redelivery_run(db, what, &a, ret, &fail);

	if (e && e != ERR_NOT_FOUND && e != ERR_CONFLICT)
		fail_msg("%s", fail.what);
	ret->after_id = S("");
	return e;
}

#define DUE                                                                                        \
	"coalesce((SELECT string_agg(j.message_id, ' ' ORDER BY j.due_at) FROM webhook_jobs j "    \
	"WHERE j.state = 'pending' AND j.due_at <= now() AND j.lease_id IS NULL "                  \
	"AND j.attempts = 0 AND j.give_up_at > now() AND j.last_error = ''), '')"

static void assert_due(const char *want)
{
	fresh_assert_text(DATABASE, "SELECT " DUE, want);
}

static void one_message_is_due_again_once(void **state)
{
	static const struct {
		const char *message;
		int64_t n, recent, in_hand;
		const char *due;
	} rows[] = {
		{ "m01", 1, 0, 0, "m01" },         { "m04", 1, 0, 0, "m01 m04" },
		{ "m05", 0, 0, 1, "m01 m04" },     { "m09", 1, 0, 0, "m01 m04 m09" },
		{ "m01", 0, 1, 0, "m01 m04 m09" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct store_redelivery what = everything_failed();
		struct store_redelivered got;

		what.message = slice_str(rows[i].message);
		assert_int_equal(run(&what, &got), OK);
		assert_int_equal(got.n, rows[i].n);
		assert_int_equal(got.recent, rows[i].recent);
		assert_int_equal(got.in_hand, rows[i].in_hand);
		assert_due(rows[i].due);
	}
	fresh_assert_text(DATABASE,
			  "SELECT string_agg(message_id || (detail->>'by'), ' ' ORDER BY id) "
			  "FROM message_events WHERE outcome = 'redelivered'",
			  "m01account m04account m09account");
	fresh_assert_text(DATABASE,
			  "SELECT (due_at <= now())::text FROM webhook_queues "
			  "WHERE agent_email = 'a@example.com'",
			  "true");
}

/* A double click is the same wish, a wish of a while ago is not. */
static void after_five_minutes_it_may_be_asked_for_again(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);
	struct store_redelivery what = everything_failed();
	struct store_redelivered got;

	(void)state;
	what.message = S("m09");
	assert_int_equal(run(&what, &got), OK);
	fresh_script(db, "DELETE FROM webhook_jobs WHERE message_id = 'm09'; UPDATE message_events "
			 "SET at = at - interval '299 s' WHERE outcome = 'redelivered'");
	assert_int_equal(run(&what, &got), OK);
	assert_int_equal(got.n, 0);
	fresh_script(db, "UPDATE message_events SET at = at - interval '2 s' "
			 "WHERE outcome = 'redelivered'");
	assert_int_equal(run(&what, &got), OK);
	assert_int_equal(got.n, 1);
	assert_due("m09");
}

static void what_cannot_be_called_again_is_told(void **state)
{
	static const struct {
		const char *user, *agent, *message;
		enum err want;
	} rows[] = {
		{ "u", "a@example.com", "none", ERR_NOT_FOUND },
		{ "u", "a@example.com", "o1", ERR_NOT_FOUND },
		{ "u", "a@example.com", "e1", ERR_NOT_FOUND },
		{ "u", "a@example.com", "x1", ERR_NOT_FOUND },
		{ "u", "a@example.com", "l1", ERR_NOT_FOUND },
		{ "u", "x@example.com", "x1", ERR_NOT_FOUND },
		{ "u", "x@example.com", "", ERR_NOT_FOUND },
		{ "v", "a@example.com", "m01", ERR_NOT_FOUND },
		{ "u", "none@example.com", "", ERR_NOT_FOUND },
		{ "u", "b@example.com", "l1", ERR_CONFLICT },
		{ "u", "b@example.com", "", ERR_CONFLICT },
		{ "u", "b@example.com", "m01", ERR_NOT_FOUND },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct store_redelivery what = everything_failed();
		struct store_redelivered got;

		what.user_id = slice_str(rows[i].user);
		what.agent = slice_str(rows[i].agent);
		what.message = slice_str(rows[i].message);
		assert_int_equal(run(&what, &got), rows[i].want);
	}
	assert_due("");
	fresh_assert_text(DATABASE, "SELECT count(*)::text FROM webhook_queues", "0");
}

static void a_time_is_cut_out_of_the_mail(void **state)
{
	static const struct {
		int64_t since_h, until_h;
		bool all;
		int64_t n, in_hand;
		const char *due;
	} rows[] = {
		{ -12, 12, true, 11, 1, "m01 m02 m03 m04 m06 m07 m08 m09 m10 m11 m12" },
		{ -12, 12, false, 3, 0, "m01 m02 m03" },
		{ -10, -8, true, 2, 0, "m02 m03" },
		{ -6, 0, true, 6, 0, "m06 m07 m08 m09 m10 m11" },
		{ -9, 12, false, 1, 0, "m03" },
		{ 1, 12, true, 0, 0, "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct store_redelivery what = everything_failed();
		struct store_redelivered got;

		refilled(state);
		what.all = rows[i].all;
		what.since_us = NOON_US + rows[i].since_h * HOUR_US;
		what.until_us = NOON_US + rows[i].until_h * HOUR_US;
		assert_int_equal(run(&what, &got), OK);
		assert_int_equal(got.n, rows[i].n);
		assert_int_equal(got.in_hand, rows[i].in_hand);
		assert_int_equal(got.recent, 0);
		assert_false(got.more);
		assert_due(rows[i].due);
	}
}

static void one_bound_of_time_is_enough(void **state)
{
	struct store_redelivery what = everything_failed();
	struct store_redelivered got;

	(void)state;
	what.until_us = NOON_US - 10 * HOUR_US;
	assert_int_equal(run(&what, &got), OK);
	assert_due("m01");
	what.until_us = INT64_MAX;
	what.since_us = NOON_US - 9 * HOUR_US;
	assert_int_equal(run(&what, &got), OK);
	assert_due("m01 m03");
}

/* Page by page, each message once, whatever is among them. */
static void more_than_fits_into_one_call_goes_on_where_it_ended(void **state)
{
	static const struct {
		bool all;
		int64_t since_us;
	} rows[] = { { false, INT64_MIN }, { true, NOON_US }, { false, NOON_US } };
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct store_redelivery what = everything_failed();
		struct store_redelivered got = { .more = true };
		struct fail fail = { 0 };
		int64_t n = 0, calls = 0;

		refilled(state);
		fresh_script(owner,
			     "INSERT INTO messages (id, user_id, agent_email, raw_id, direction, "
			     "created_at, expires_at) SELECT 'n' || lpad(n::text, 5, '0'), 'u', "
			     "'a@example.com', 'r', 'inbound', '2026-01-15T12:00:01Z'::timestamptz "
			     "+ n / 7 * interval '1 s', now() + interval '1 d' "
			     "FROM generate_series(1, 2500) n;"
			     "INSERT INTO webhook_jobs (message_id, user_id, agent_email, state, "
			     "due_at) SELECT m.id, 'u', 'a@example.com', 'failed', now() "
			     "FROM messages m WHERE m.id LIKE 'n%'; DELETE FROM webhook_jobs "
			     "WHERE message_id < 'n'");
		what.all = rows[i].all;
		what.since_us = rows[i].since_us;
		for (; got.more; calls++) {
			assert_ok(store_redelivery_run(db, &what, &a, &got, &fail), &fail);
			what.after_us = got.after_us;
			what.after_id = got.after_id;
			n += got.n;
		}
		assert_int_equal(calls, 3);
		assert_int_equal(n, rows[i].all ? 2501 : 2500); /* m12 came at noon */
	}
}

static void an_open_breaker_stays_open(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);
	struct store_redelivery what = everything_failed();
	struct store_redelivered got;

	(void)state;
	fresh_script(db, "INSERT INTO webhook_queues (agent_email, user_id, failures, open_until, "
			 "failing_since) VALUES ('a@example.com', 'u', 9, now() + interval '9 m', "
			 "now() - interval '1 h')");
	assert_int_equal(run(&what, &got), OK);
	assert_int_equal(got.n, 3);
	fresh_assert_text(DATABASE, "SELECT (due_at = open_until)::text FROM webhook_queues",
			  "true");
}

static struct store_endpoint endpoint(struct arena *a)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	struct store_endpoint ret;
	struct fail fail = { 0 };

	assert_ok(store_endpoint_find(db, S("u"), S("a@example.com"), a, &ret, &fail), &fail);
	return ret;
}

static void a_disabled_endpoint_has_to_be_enabled_first(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	struct store_redelivery what = everything_failed();
	struct store_redelivered got;
	struct fail fail = { 0 };

	(void)state;
	assert_ok(store_endpoint_disable(owner, S("a@example.com"), &fail), &fail);
	assert_string_equal(arena_dup(&a, endpoint(&a).state), "disabled");
	assert_string_equal(arena_dup(&a, endpoint(&a).disabled_reason), "operator");
	assert_int_equal(run(&what, &got), ERR_CONFLICT);
	assert_ok(store_endpoint_enable(db, S("v"), S("a@example.com"), &fail), &fail);
	assert_int_equal(run(&what, &got), ERR_CONFLICT); /* that was somebody else */
	assert_ok(store_endpoint_enable(db, S("u"), S("a@example.com"), &fail), &fail);
	assert_string_equal(arena_dup(&a, endpoint(&a).state), "draining");
	assert_int_equal(run(&what, &got), OK);
	assert_int_equal(got.n, 3);
	assert_int_equal(store_endpoint_disable(owner, S("b@example.com"), &fail), ERR_CONFLICT);
}

/* ... and leaves nothing behind for the next one with its address. */
static void who_disables_an_agent_that_is_being_deleted_waits(void **state)
{
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(db_closep) struct db *other = fresh_open(DATABASE, NULL);

	(void)state;
	fresh_script(other, "BEGIN; DELETE FROM agents WHERE email = 'a@example.com'");
	fresh_script(owner, "SET lock_timeout = '50ms';"
			    "DO $$ BEGIN PERFORM disable_webhook('a@example.com', 'operator');"
			    " RAISE 'it did not wait';"
			    " EXCEPTION WHEN lock_not_available THEN NULL; END $$");
	fresh_script(other, "ROLLBACK");
}

static void the_state_of_an_endpoint_is_one_word(void **state)
{
	static const struct {
		const char *row, *want;
	} rows[] = {
		{ "failures = 0", "ok" },
		{ "failures = 3, failing_since = now()", "failing" },
		{ "open_until = now()", "open" },
		{ "open_until = NULL, drain_after = 'm01'", "draining" },
		{ "disabled_at = now(), open_until = now()", "disabled" },
	};
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(arena_release) struct arena a = ARENA_INIT;

	(void)state;
	assert_string_equal(arena_dup(&a, endpoint(&a).state), "ok");
	assert_int_equal(endpoint(&a).failed, 4);
	assert_int_equal(endpoint(&a).pending, 2);
	fresh_script(owner, "INSERT INTO webhook_queues (agent_email, user_id) "
			    "VALUES ('a@example.com', 'u')");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf sql = BUF_INIT(256);

		buf_addf(&sql, "UPDATE webhook_queues SET %s", rows[i].row);
		fresh_script(owner, buf_cstr(&sql));
		assert_string_equal(arena_dup(&a, endpoint(&a).state), rows[i].want);
	}
}

static void the_log_of_a_message_is_told_by_job_and_ledger(void **state)
{
	static const struct {
		const char *message, *want;
		int64_t attempts, status;
		bool under_way, next;
	} rows[] = {
		{ "m01", "failed", 11, 500, false, false },
		{ "m04", "pending", 11, 500, false, true },
		{ "m05", "pending", 11, 500, true, false },
		{ "m06", "delivered", 2, 204, false, false },
	};
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	AUTO(arena_release) struct arena a = ARENA_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct store_delivery_of of = { S("u"), S("a@example.com"),
						      slice_str(rows[i].message) };
		struct store_delivery d;
		struct fail fail = { 0 };

		assert_ok(store_delivery_find(db, &of, &a, &d, &fail), &fail);
		assert_string_equal(arena_dup(&a, d.state), rows[i].want);
		assert_int_equal(d.attempts, rows[i].attempts);
		assert_int_equal(d.last_status, rows[i].status);
		assert_int_equal(d.under_way, rows[i].under_way);
		assert_int_equal(d.next_us != 0, rows[i].next);
	}
}

/* A million mails in the mailbox must not be in the way of two that failed. */
static void lists_are_read_by_index(void **state)
{
	static const struct {
		const char *name, *explain, *index;
	} rows[] = {
		{ "delivery_list", "EXPLAIN EXECUTE delivery_list('u', 'a', 'failed', 'n', 51)",
		  "messages_pkey" },
		{ "delivery_log", "EXPLAIN EXECUTE delivery_log('m01', 100, 51)",
		  "message_events_message_idx" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct db_stmt explain = { "t_explain", rows[i].explain, false };
		AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);
		AUTO(db_rows_freep) struct db_rows *r = NULL;
		const struct db_stmt *s = store_delivery_stmts;
		struct fail fail = { 0 };
		bool found = false;

		while (!slice_eq(slice_str(s->name), slice_str(rows[i].name)))
			s++;
		fresh_script(db, "SET enable_seqscan = off; SET enable_sort = off");
		assert_ok(db_prepare(db, s, &fail), &fail);
		assert_ok(db_query(db, &explain, NULL, &r, &fail), &fail);
		for (size_t n = 0; n < db_rows_count(r); n++) {
			struct slice line = db_slice(r, n, 0);

			found |= slice_search(line, slice_str(rows[i].index)) >= 0;
			if (slice_search(line, S("Sort")) >= 0)
				fail_msg("%s sorts", rows[i].name);
		}
		assert_true(found);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(one_message_is_due_again_once, refilled),
		cmocka_unit_test_setup(after_five_minutes_it_may_be_asked_for_again, refilled),
		cmocka_unit_test_setup(what_cannot_be_called_again_is_told, refilled),
		cmocka_unit_test(a_time_is_cut_out_of_the_mail),
		cmocka_unit_test_setup(one_bound_of_time_is_enough, refilled),
		cmocka_unit_test(more_than_fits_into_one_call_goes_on_where_it_ended),
		cmocka_unit_test_setup(an_open_breaker_stays_open, refilled),
		cmocka_unit_test_setup(a_disabled_endpoint_has_to_be_enabled_first, refilled),
		cmocka_unit_test_setup(who_disables_an_agent_that_is_being_deleted_waits, refilled),
		cmocka_unit_test_setup(the_state_of_an_endpoint_is_one_word, refilled),
		cmocka_unit_test_setup(the_log_of_a_message_is_told_by_job_and_ledger, refilled),
		cmocka_unit_test_setup(lists_are_read_by_index, refilled),
	};

	return cmocka_run_group_tests(tests, filled, NULL);
}
