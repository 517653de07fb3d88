/* SPDX-License-Identifier: Apache-2.0 */
/* What the janitor deletes and adds up, what it leaves, and how it finds it among many. */
#include "common/store/store_approval.h"
#include "common/store/store_event.h"
#include "common/store/store_mail.h"
#include "common/store/store_retention.h"
#include "common/store/store_usage.h"
#include "tests/sql/fresh.h"

#define DATABASE "t_retention"

enum { HOUR_MS = 3600 * 1000 };

/* Messages m1 to m6, of which all but m6 have served their time. */
static const char sql_rows[] =
	"TRUNCATE users, raw_messages, message_events, rate_counters, retired_addresses, "
	"sign_in_links, idempotency_keys CASCADE;"
	"INSERT INTO users (id, email) VALUES ('u', 'u@example.com'), ('v', 'v@example.com');"
	"INSERT INTO agents (email, address, domain, user_id, agent_mode, webhook_url) VALUES"
	" ('a@example.com', 'a@example.com', 'example.com', 'u', 'cloud', 'https://example.com/');"
	"INSERT INTO raw_messages (id, sha256, size, raw)"
	" SELECT 'r' || n, '', 1000, '' FROM generate_series(1, 6) n;"
	"INSERT INTO messages (id, user_id, agent_email, raw_id, direction, inbox_status, "
	"expires_at)"
	" SELECT 'm' || n, 'u', 'a@example.com', 'r' || n, 'inbound',"
	" CASE n WHEN 1 THEN 'read' ELSE 'unread' END,"
	" now() + CASE n WHEN 6 THEN interval '1 s' ELSE interval '-1 ms' END"
	" FROM generate_series(1, 6) n;"
	/* m2: a webhook took it; m3: one will; m4: none did; m5: nobody knows of it */
	"INSERT INTO message_events (message_id, user_id, stage, outcome) VALUES"
	" ('m2', 'u', 'webhook', 'delivered'), ('m4', 'u', 'webhook', 'failed');"
	"INSERT INTO webhook_jobs (message_id, user_id, agent_email, due_at, state) VALUES"
	" ('m3', 'u', 'a@example.com', now(), 'pending'),"
	" ('m4', 'u', 'a@example.com', now(), 'failed');";

static int migrated(void **state)
{
	(void)state;
	db_close(fresh_migrated(DATABASE));
	return 0;
}

static int filled(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);

	(void)state;
	fresh_script(db, sql_rows);
	return 0;
}

static void change(const char *sql)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);

	fresh_script(db, sql);
}

#define assert_text(sql, want) fresh_assert_text(DATABASE, sql, want)

static void messages_go_in_time_and_not_while_something_is_open(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	struct fail fail = { 0 };
	size_t n, unread;

	(void)state;
	assert_ok(store_retention_messages(db, 10, &n, &unread, &fail), &fail);
	assert_int_equal(n, 4);
	assert_int_equal(unread, 2);
	assert_text("SELECT string_agg(id, ' ' ORDER BY id) FROM messages", "m3 m6");
	assert_text("SELECT string_agg(id, ' ' ORDER BY id) FROM raw_messages", "r3 r6");
	assert_text("SELECT string_agg(message_id || ':' || reason, ' ' ORDER BY message_id) "
		    "FROM message_events WHERE stage = 'retention' AND outcome = 'deleted'",
		    "m1: m2: m4:unread m5:unread");
	assert_ok(store_retention_messages(db, 10, &n, &unread, &fail), &fail);
	assert_int_equal(n + unread, 0);
}

/* o1: held; o2: on its way; o3: nobody knows where; o4: given up; o5: it left */
static const char sql_outbound[] =
	"TRUNCATE messages CASCADE;"
	"INSERT INTO messages (id, user_id, agent_email, direction, status, expires_at)"
	" SELECT 'o' || n, 'u', 'a@example.com', 'outbound',"
	" CASE n WHEN 1 THEN 'pending_approval' ELSE 'sent' END, now() - interval '1 ms'"
	" FROM generate_series(1, 5) n;"
	"INSERT INTO outbound_jobs (id, message_id, user_id, agent_email, part, size, state,"
	" give_up_at) VALUES"
	" ('j2', 'o2', 'u', 'a@example.com', 'world', 1, 'pending', now()),"
	" ('j3', 'o3', 'u', 'a@example.com', 'world', 1, 'unknown', now()),"
	" ('j4', 'o4', 'u', 'a@example.com', 'world', 1, 'failed', now());";

static void mail_that_is_held_or_on_its_way_does_not_go(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	struct fail fail = { 0 };
	size_t deleted, unread;

	(void)state;
	change(sql_outbound);
	assert_ok(store_retention_messages(db, 100, &deleted, &unread, &fail), &fail);
	assert_int_equal(deleted, 2);
	assert_text("SELECT string_agg(id, ',' ORDER BY id) FROM messages", "o1,o2,o3");
}

static void a_batch_takes_no_more_than_it_should(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	struct fail fail = { 0 };
	size_t n, unread;

	(void)state;
	assert_ok(store_retention_messages(db, 3, &n, &unread, &fail), &fail);
	assert_int_equal(n, 3);
	assert_text("SELECT count(*)::text FROM messages", "3");
}

static void what_people_and_clients_left_goes_in_time(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	struct fail fail = { 0 };
	size_t n[5];

	(void)state;
	change("INSERT INTO sessions (hash, user_id, expires_at) VALUES"
	       " ('old', 'u', now() - interval '1 ms'), ('new', 'u', now() + interval '1 h');"
	       "INSERT INTO sign_in_links (hash, browser_hash, email, expires_at) VALUES"
	       " ('old', '', 'u', now() - interval '1 ms'), ('new', '', 'u', now() + interval '1 "
	       "h');"
	       "INSERT INTO idempotency_keys (owner, key_hash, request_hash, created_at) VALUES"
	       " ('old', '', '', now() - interval '61 m'), ('new', '', '', now() - interval '59 "
	       "m');"
	       "INSERT INTO rate_counters (name, admitted, ring, used_at) VALUES"
	       " ('old', 1, 1, now() - interval '61 m'), ('new', 1, 1, now() - interval '59 m');"
	       "INSERT INTO rate_hits (name, slot, at) VALUES ('old', 0, now()), ('new', 0, now());"
	       "INSERT INTO retired_addresses (address, user_id, expires_at) VALUES"
	       " ('old', 'u', now() - interval '1 ms'), ('new', 'u', now() + interval '1 h'),"
	       " ('never', 'u', NULL);");
	assert_ok(store_retention_sessions(db, 10, &n[0], &fail), &fail);
	assert_ok(store_retention_links(db, 10, &n[1], &fail), &fail);
	assert_ok(store_retention_answers(db, HOUR_MS, 10, &n[2], &fail), &fail);
	assert_ok(store_retention_counters(db, HOUR_MS, 10, &n[3], &fail), &fail);
	assert_ok(store_retention_addresses(db, 10, &n[4], &fail), &fail);
	for (size_t i = 0; i < ARRAY_LEN(n); i++)
		assert_int_equal(n[i], 1);
	assert_text("SELECT concat_ws(' ', (SELECT hash FROM sessions), "
		    "(SELECT hash FROM sign_in_links), (SELECT owner FROM idempotency_keys), "
		    "(SELECT name FROM rate_counters), (SELECT name FROM rate_hits), "
		    "(SELECT string_agg(address, ',' ORDER BY address) FROM retired_addresses))",
		    "\\x6e6577 \\x6e6577 new new new never,new");
}

static void usage_is_summed_by_user_and_utc_day(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	struct fail fail = { 0 };
	size_t n, total = 0;

	(void)state;
	change("INSERT INTO usage_events (id, user_id, agent_email, domain, direction, created_at)"
	       " SELECT 'ue_' || n, CASE WHEN n <= 3 THEN 'u' ELSE 'v' END, '', '', 'inbound',"
	       " timestamptz '2026-03-01 00:30:00+01' + n * interval '12 h'"
	       " FROM generate_series(1, 7) n;"
	       "ALTER ROLE e2a_deliverd SET timezone = 'America/New_York'");
	for (size_t i = 0; i < 4; i++) {
		assert_ok(store_usage_sum(db, 2, &n, &fail), &fail);
		total += n;
	}
	assert_ok(store_usage_sum(db, 2, &n, &fail), &fail);
	assert_int_equal(n, 0);
	assert_int_equal(total, 7);
	assert_text("SELECT string_agg(user_id || ' ' || to_char(day, 'MM-DD') || ' ' || messages, "
		    "', ' ORDER BY user_id, day) FROM usage_summaries",
		    "u 03-01 2, u 03-02 1, v 03-02 1, v 03-03 2, v 03-04 1");
	change("ALTER ROLE e2a_deliverd RESET timezone");
}

static enum err sum_and_fall(struct db *db, void *arg, struct fail *fail)
{
	size_t n;
	struct db_args args = DB_ARGS_INIT;

	(void)arg;
	db_arg_int(&args, 10);
	if (db_query_count(db, &store_usage_stmts[0], &args, &n, fail))
		return fail->code;
	return fail_set(fail, ERR_INPUT, "as if it had died here");
}

static void a_sum_that_was_broken_off_counts_nothing(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	struct fail fail = { 0 };
	size_t n;

	(void)state;
	change("INSERT INTO usage_events (id, user_id, agent_email, domain, direction)"
	       " SELECT 'ue_' || n, 'u', '', '', 'inbound' FROM generate_series(1, 5) n");
	assert_int_equal(db_tx(db, sum_and_fall, NULL, &fail), ERR_INPUT);
	assert_text("SELECT count(*)::text FROM usage_summaries", "0");
	assert_ok(store_usage_sum(db, 10, &n, &fail), &fail);
	assert_int_equal(n, 5);
	assert_text("SELECT sum(messages)::text FROM usage_summaries", "5");
}

static void usage_goes_with_its_user(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	struct fail fail = { 0 };
	size_t n;

	(void)state;
	change("INSERT INTO usage_events (id, user_id, agent_email, domain, direction)"
	       " SELECT 'ue_' || n, 'v', '', '', 'inbound' FROM generate_series(1, 4) n");
	assert_ok(store_usage_sum(db, 2, &n, &fail), &fail);
	change("DELETE FROM users WHERE id = 'v'");
	assert_text("SELECT (SELECT count(*) FROM usage_events) || ' ' || "
		    "(SELECT count(*) FROM usage_summaries)",
		    "0 0");
}

/* ---- among many ---- */

static const char sql_many[] =
	"INSERT INTO raw_messages (id, sha256, size, raw, created_at)"
	" SELECT 'R' || n, '', 10, '', now() - n * interval '1 s' FROM generate_series(1, 100000) "
	"n;"
	"INSERT INTO messages (id, user_id, agent_email, raw_id, direction, inbox_status, "
	"expires_at)"
	" SELECT 'M' || n, 'u', 'a@example.com', 'R' || n, 'inbound', 'unread',"
	" now() + (n - 500) * interval '1 s' FROM generate_series(1, 100000) n;"
	"INSERT INTO message_events (message_id, user_id, at, stage, outcome)"
	" SELECT 'M' || n, 'u', now() - n * interval '1 s', 'ingest', 'stored'"
	" FROM generate_series(1, 100000) n;"
	"INSERT INTO webhook_jobs (message_id, user_id, agent_email, due_at)"
	" SELECT 'M' || n, 'u', 'a@example.com', now() FROM generate_series(1, 20000, 10) n;"
	"INSERT INTO outbound_jobs (id, message_id, user_id, agent_email, part, size, give_up_at)"
	" SELECT 'J' || n, 'M' || n, 'u', 'a@example.com', 'world', 1, now()"
	" FROM generate_series(2, 20000, 10) n;"
	"INSERT INTO mail_jobs (id, kind, recipient, sealed, state, due_at, expires_at)"
	" SELECT 'j' || n, 'feedback', 'x', '', CASE n % 2 WHEN 0 THEN 'failed' ELSE 'pending' END,"
	" now() - n * interval '1 s', now() FROM generate_series(1, 20000) n;"
	"INSERT INTO sessions (hash, user_id, expires_at) SELECT n::text::bytea, 'u',"
	" now() + (n - 500) * interval '1 s' FROM generate_series(1, 20000) n;"
	"INSERT INTO sign_in_links (hash, browser_hash, email, expires_at)"
	" SELECT n::text::bytea, '', 'u', now() + (n - 500) * interval '1 s'"
	" FROM generate_series(1, 20000) n;"
	"INSERT INTO idempotency_keys (owner, key_hash, request_hash, created_at)"
	" SELECT 'u', n::text::bytea, '', now() - n * interval '1 s' FROM generate_series(1, "
	"20000) n;"
	"INSERT INTO retired_addresses (address, user_id, expires_at)"
	" SELECT 'x' || n, 'u', now() + (n - 500) * interval '1 s' FROM generate_series(1, 20000) "
	"n;"
	"INSERT INTO approval_tokens (hash, message_id, user_id, action, reviewer, nonce,"
	" draft_hash, expires_at) SELECT n::text::bytea, '', 'u', 'reply', '', '', '',"
	" now() - n * interval '1 s' FROM generate_series(1, 200000, 10) n;"
	"INSERT INTO usage_events (id, user_id, agent_email, domain, direction, counted)"
	" SELECT 'UE' || n, 'u', '', '', 'inbound', n > 500 FROM generate_series(1, 20000) n;"
	"ANALYZE";

static const struct db_stmt *find(const struct db_stmt *s, const char *name)
{
	while (!slice_eq(slice_str(s->name), slice_str(name)))
		s++;
	return s;
}

/* The plan of a statement that was prepared, as one text. */
static void read_plan(struct db *db, const char *execute, struct buf *ret)
{
	static struct db_stmt explains[16]; /* a statement is known by its address */
	static size_t n;
	struct db_stmt *explain = &explains[n];
	AUTO(buf_release) struct buf name = BUF_INIT(64), sql = BUF_INIT(1024);
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct fail fail = { 0 };

	assert_true(n < ARRAY_LEN(explains));
	buf_addf(&name, "t_explain_%zu", n++);
	buf_addf(&sql, "EXPLAIN EXECUTE %s", execute);
	*explain = (struct db_stmt){ buf_cstr(&name), buf_cstr(&sql), false };
	assert_ok(db_query(db, explain, NULL, &r, &fail), &fail);
	for (size_t i = 0; i < db_rows_count(r); i++)
		buf_add_slice(ret, db_slice(r, i, 0));
}

static void each_batch_is_found_by_an_index(void **state)
{
	static const struct {
		const struct db_stmt *stmts;
		const char *name, *execute, *index;
	} rows[] = {
		{ store_retention_stmts, "retention_messages", "retention_messages(200)",
		  "messages_expires_idx" },
		{ store_retention_stmts, "retention_their_bodies",
		  "retention_their_bodies('{R1,R2}')", "raw_messages_pkey" },
		{ store_retention_stmts, "retention_old_bodies",
		  "retention_old_bodies(99000000, 200)", "raw_messages_created_idx" },
		{ store_event_stmts, "event_expire", "event_expire(99000000, 200)",
		  "message_events_at_idx" },
		{ store_mail_stmts, "mail_expire", "mail_expire(99000000, 200)",
		  "mail_jobs_failed_idx" },
		{ store_mail_stmts, "mail_claim", "mail_claim('l', 1000, 1)", "mail_jobs_due_idx" },
		{ store_mail_stmts, "mail_claim_no_holds", "mail_claim_no_holds('l', 1000, 1)",
		  "mail_jobs_due_" },
		{ store_retention_stmts, "retention_sessions", "retention_sessions(200)",
		  "sessions_expires_idx" },
		{ store_retention_stmts, "retention_links", "retention_links(200)",
		  "sign_in_links_expires_idx" },
		{ store_retention_stmts, "retention_answers", "retention_answers(99000000, 200)",
		  "idempotency_keys_created_idx" },
		{ store_retention_stmts, "retention_addresses", "retention_addresses(200)",
		  "retired_addresses_expires_idx" },
		{ store_approval_stmts, "approval_expire", "approval_expire(99000000, 200)",
		  "approval_tokens_expiry_idx" },
		{ store_usage_stmts, "usage_sum", "usage_sum(200)", "usage_events_open_idx" },
	};
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");

	(void)state;
	change(sql_many);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf plan = BUF_INIT(64 * 1024);
		struct fail fail = { 0 };

		assert_ok(db_prepare(db, find(rows[i].stmts, rows[i].name), &fail), &fail);
		read_plan(db, rows[i].execute, &plan);
		if (slice_search(buf_slice(&plan), slice_str(rows[i].index)) < 0 ||
		    slice_search(buf_slice(&plan), S("Seq Scan")) >= 0)
			fail_msg("%s: %s", rows[i].name, buf_cstr(&plan));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(messages_go_in_time_and_not_while_something_is_open, filled),
		cmocka_unit_test_setup(mail_that_is_held_or_on_its_way_does_not_go, filled),
		cmocka_unit_test_setup(a_batch_takes_no_more_than_it_should, filled),
		cmocka_unit_test_setup(what_people_and_clients_left_goes_in_time, filled),
		cmocka_unit_test_setup(usage_is_summed_by_user_and_utc_day, filled),
		cmocka_unit_test_setup(a_sum_that_was_broken_off_counts_nothing, filled),
		cmocka_unit_test_setup(usage_goes_with_its_user, filled),
		cmocka_unit_test_setup(each_batch_is_found_by_an_index, filled),
	};

	return cmocka_run_group_tests(tests, migrated, NULL);
}
