/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator sees of mail from agents that is stuck, and what the two decisions change. */
#include "common/store/store_stuck.h"
#include "tests/sql/fresh.h"
#include "tests/unit/test.h"

#define DATABASE "t_stuck"
#define HOUR_MS (3600 * INT64_C(1000))

/* Job jN of message mN: its state, lease and age. Recipients: queued, failed, suppressed, sent. */
static const char sql_rows[] =
	"TRUNCATE users, domains, message_events CASCADE;"
	"INSERT INTO users (id, email) VALUES ('u', 'u@u.example');"
	"INSERT INTO agents (email, address, domain, user_id, agent_mode) VALUES"
	" ('bot@x.example', 'bot@x.example', 'x.example', 'u', 'local');"
	"CREATE TEMP TABLE wanted (n int, state text, leased interval, age interval);"
	"INSERT INTO wanted VALUES (1, 'pending', NULL, '0'), (2, 'pending', NULL, '2 h'),"
	" (3, 'unknown', NULL, '1 m'), (4, 'unknown', '1 m', '3 m'), (5, 'unknown', '-1 m', '4 m'),"
	" (6, 'failed', NULL, '5 m'), (7, 'failed', NULL, '6 m'), (8, 'injecting', '1 m', '3 h'),"
	" (9, 'injecting', '-1 m', '4 h');"
	"INSERT INTO messages (id, user_id, agent_email, direction, status, expires_at)"
	" SELECT 'm' || n, 'u', 'bot@x.example', 'outbound', 'sent', now() + interval '1 day'"
	" FROM wanted;"
	"INSERT INTO outbound_drafts (message_id, body_text) SELECT 'm' || n, 'T' FROM wanted"
	" WHERE n <> 7;"
	"INSERT INTO outbound_recipients (message_id, n, kind, address, folded, part, status,"
	" code, detail) SELECT 'm' || w.n, r.n, 'to', r.a || '@w.example', r.a || '@w.example',"
	" r.part, r.status, r.code, r.detail FROM wanted w, (VALUES"
	" (1, 'a', 'world', 'queued', '', ''), (2, 'b', 'world', 'failed', '5.3.0', '554 no'),"
	" (3, 'c', 'world', 'failed', '', 'suppressed'), (4, 'd', 'world', 'sent', '', ''),"
	" (5, 'e', 'agents', 'failed', '', 'x'), (6, 'f', 'agents', 'queued', '', ''))"
	" AS r (n, a, part, status, code, detail);"
	"INSERT INTO outbound_jobs (id, message_id, user_id, agent_email, part, size, state,"
	" attempts, due_at, give_up_at, lease_id, lease_until, last_error, created_at)"
	" SELECT 'j' || n, 'm' || n, 'u', 'bot@x.example', 'world', 1, state, 7,"
	" now() + interval '1 day', now() - interval '1 s', CASE WHEN leased IS NULL THEN NULL"
	" ELSE 'l' END, now() + leased, 'smtp_5xx', now() - age FROM wanted;"
	"DROP TABLE wanted";

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

#define assert_text(sql, want) fresh_assert_text(DATABASE, sql, want)

#define RECIPIENTS(message)                                                                        \
	"SELECT string_agg(concat_ws('/', status, nullif(code, ''), nullif(detail, '')), ' ' "     \
	"ORDER BY n) FROM outbound_recipients WHERE message_id = '" message "'"
#define UNTOUCHED "queued failed/5.3.0/554 no failed/suppressed sent failed/x queued"

static void the_list_has_what_is_stuck_oldest_first(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf ids = BUF_INIT(200);
	struct store_stuck *v;
	struct fail fail = { 0 };
	size_t n;

	(void)state;
	assert_ok(store_stuck_list(db, HOUR_MS, 10, &a, &v, &n, &fail), &fail);
	for (size_t i = 0; i < n; i++)
		buf_addf(&ids, "%.*s ", SLICE_ARGS(v[i].id));
	assert_string_equal(buf_cstr(&ids), "j9 j8 j2 j7 j6 j5 j4 j3 ");
	assert_slice(v[4].message_id, S("m6"));
	assert_slice(v[4].agent_email, S("bot@x.example"));
	assert_slice(v[4].part, S("world"));
	assert_slice(v[4].state, S("failed"));
	assert_slice(v[4].last_error, S("smtp_5xx"));
	assert_int_equal(v[4].attempts, 7);
	assert_ok(store_stuck_list(db, HOUR_MS, 2, &a, &v, &n, &fail), &fail);
	assert_int_equal(n, 2);
}

struct decision {
	const char *id;
	enum err want;
};

static void check(bool drop, const struct decision *rows, size_t n)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);

	for (size_t i = 0; i < n; i++) {
		struct slice id = slice_str(rows[i].id);
		struct fail fail = { 0 };
		enum err e = drop ? store_stuck_drop(db, id, &fail)
				  : store_stuck_resend(db, id, HOUR_MS, &fail);

		if (e != rows[i].want)
			fail_msg("%s: %d %s", rows[i].id, e, fail.what);
	}
}

static void only_what_nobody_works_at_is_sent_again(void **state)
{
	static const struct decision rows[] = {
		{ "j1", ERR_CONFLICT }, { "j2", ERR_CONFLICT }, { "j3", OK },
		{ "j4", ERR_BUSY },     { "j5", OK },           { "j6", OK },
		{ "j7", ERR_CONFLICT }, { "j8", ERR_BUSY },     { "j9", ERR_CONFLICT },
		{ "j3", ERR_CONFLICT }, { "j", ERR_NOT_FOUND }, { "", ERR_NOT_FOUND },
	};

	(void)state;
	check(false, rows, ARRAY_LEN(rows));
	assert_text("SELECT string_agg(id, ' ' ORDER BY id) FROM outbound_jobs WHERE "
		    "state = 'pending' AND attempts = 0 AND due_at <= now() AND lease_id IS NULL "
		    "AND give_up_at > now() + interval '59 min' AND last_error = 'operator'",
		    "j3 j5 j6");
	assert_text("SELECT string_agg(concat_ws(' ', message_id, stage, outcome, reason, detail), "
		    "', ' ORDER BY id) FROM message_events",
		    "m3 outbound resend operator {\"part\": \"world\"}, "
		    "m5 outbound resend operator {\"part\": \"world\"}, "
		    "m6 outbound resend operator {\"part\": \"world\"}");
}

static void who_failed_with_a_job_is_tried_again_with_it(void **state)
{
	static const struct decision rows[] = { { "j3", OK },
						{ "j6", OK },
						{ "j7", ERR_CONFLICT } };

	(void)state;
	check(false, rows, ARRAY_LEN(rows));
	assert_text(RECIPIENTS("m3"), UNTOUCHED); /* nobody failed because of it */
	assert_text(RECIPIENTS("m6"), "queued queued failed/suppressed sent failed/x queued");
	assert_text(RECIPIENTS("m7"), UNTOUCHED);
}

static void only_what_nobody_works_at_is_given_up(void **state)
{
	static const struct decision rows[] = {
		{ "j1", OK },           { "j2", OK },           { "j3", OK },
		{ "j4", ERR_BUSY },     { "j5", OK },           { "j6", ERR_CONFLICT },
		{ "j8", ERR_BUSY },     { "j9", ERR_CONFLICT }, { "j1", ERR_CONFLICT },
		{ "j", ERR_NOT_FOUND },
	};

	(void)state;
	check(true, rows, ARRAY_LEN(rows));
	assert_text("SELECT string_agg(id, ' ' ORDER BY id) FROM outbound_jobs WHERE "
		    "state = 'failed' AND lease_id IS NULL AND last_error = 'operator'",
		    "j1 j2 j3 j5");
	assert_text(RECIPIENTS("m1"), "failed/dropped by the operator failed/5.3.0/554 no "
				      "failed/suppressed sent failed/x queued");
	assert_text(RECIPIENTS("m4"), UNTOUCHED);
	assert_text("SELECT string_agg(concat_ws(' ', stage, outcome, reason, detail), ', ' "
		    "ORDER BY stage) FROM message_events WHERE message_id = 'm1'",
		    "outbound failed operator {\"part\": \"world\"}, recipient failed operator "
		    "{\"recipient\": 1}");
	assert_text("SELECT count(DISTINCT message_id)::text FROM message_events", "4");
}

static void what_was_given_up_can_be_sent_after_all(void **state)
{
	static const struct decision row = { "j1", OK };

	(void)state;
	check(true, &row, 1);
	check(false, &row, 1);
	assert_text(RECIPIENTS("m1"), "queued queued failed/suppressed sent failed/x queued");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_list_has_what_is_stuck_oldest_first, filled),
		cmocka_unit_test_setup(only_what_nobody_works_at_is_sent_again, filled),
		cmocka_unit_test_setup(who_failed_with_a_job_is_tried_again_with_it, filled),
		cmocka_unit_test_setup(only_what_nobody_works_at_is_given_up, filled),
		cmocka_unit_test_setup(what_was_given_up_can_be_sent_after_all, filled),
	};

	return cmocka_run_group_tests(tests, migrated, NULL);
}
