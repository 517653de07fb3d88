/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets a webhook job when: turns, cost whatever waits, and several claims at once. */
#include "tests/sql/webhooks.h"

#include <pthread.h>

#define DATABASE "t_webhook_claim"

static struct webhooks w;

static int opened(void **state)
{
	(void)state;
	return webhooks_open(&w, DATABASE);
}

static int closed(void **state)
{
	(void)state;
	webhooks_close(&w);
	return 0;
}

static int emptied(void **state)
{
	(void)state;
	webhooks_empty(&w);
	return 0;
}

/* `n` jobs for each of so many agents of a user. */
static void fill(const char *user, int agents, int n)
{
	char agent[32];

	for (int i = 1; i <= agents; i++) {
		snprintf(agent, sizeof(agent), "%s-a%02d", user, i);
		webhooks_agent(&w, user, agent);
		webhooks_jobs(&w, agent, n);
	}
	webhooks_find(&w);
}

static void assert_users(const struct webhook_claim *claim, const char *want)
{
	AUTO(buf_release) struct buf got = BUF_INIT(10000), users = BUF_INIT(10000);
	struct slice rest, id;

	webhooks_claim_by(w.deliverd, claim, &got);
	rest = buf_slice(&got);
	while (slice_cut(&rest, ' ', &id))
		buf_addf(&users, "%.*s ", 2, id.p);
	assert_string_equal(buf_cstr(&users), want);
}

static void users_have_their_turns_whatever_one_of_them_has(void **state)
{
	struct webhook_claim four = claim_of_ten;

	(void)state;
	fill("u1", 12, 20);
	fill("u2", 1, 20);
	fill("u3", 1, 2);
	webhooks_sql(&w, "UPDATE webhook_queues SET due_at = due_at - interval '1 h'"
			 " WHERE user_id = 'u1'");
	four.limit = 4;
	four.after_user = S("u1");
	assert_users(&four, "u1 u2 u2 u3 ");
	four.after_user = S("u2");
	assert_users(&four, "u1 u1 u2 u3 ");
	four.limit = 2;
	four.after_user = S("");
	assert_users(&four, "u1 u2 ");
	four.after_user = S("u1");
	assert_users(&four, "u1 u2 ");
}

static void queues_of_a_user_have_their_turns(void **state)
{
	struct webhook_claim one = claim_of_ten;
	AUTO(buf_release) struct buf got = BUF_INIT(100), seen = BUF_INIT(10000);
	char agent[16];

	(void)state;
	fill("u1", 5, 190);
	one.limit = 1;
	for (int i = 0; i < 180; i++) {
		webhooks_claim_by(w.deliverd, &one, &got);
		buf_addf(&seen, "%s ", buf_cstr(&got));
	}
	for (int i = 1; i <= 5; i++) {
		snprintf(agent, sizeof(agent), "u1-a%02d", i);
		assert_non_null(strstr(buf_cstr(&seen), agent));
	}
}

static void a_claim_is_filled_from_queues_that_have_something(void **state)
{
	struct webhook_claim ten = claim_of_ten;
	AUTO(buf_release) struct buf got = BUF_INIT(1000);

	(void)state;
	fill("u1", 14, 1);
	webhooks_sql(&w, "DELETE FROM webhook_jobs WHERE agent_email < 'u1-a05'");
	assert_int_equal(webhooks_claim_by(w.deliverd, &ten, &got), 10);
}

static void skipped_agents_give_nothing(void **state)
{
	static const struct slice skip[] = { { "u1-a01", 6 }, { "u1-a02", 6 } };
	struct webhook_claim ten = claim_of_ten;

	(void)state;
	fill("u1", 3, 1);
	ten.skip = skip;
	ten.skip_n = 2;
	webhooks_assert_claim(&w, &ten, "u1-a03-001");
	ten.skip_n = 0;
	webhooks_assert_claim(&w, &ten, "u1-a01-001 u1-a02-001");
}

/* Two claims at the same time share what there is. */
static void claims_do_not_wait_for_each_other(void **state)
{
	AUTO(db_closep) struct db *other = fresh_open(DATABASE, "e2a_deliverd");
	AUTO(buf_release) struct buf got = BUF_INIT(1000);
	struct webhook_claim ten = claim_of_ten;

	(void)state;
	fill("u1", 20, 1);
	fresh_script(other, "BEGIN");
	assert_int_equal(webhooks_claim_by(other, &ten, &got), 10);
	fresh_script(w.deliverd, "SET lock_timeout = '1s'");
	assert_int_equal(webhooks_claim_by(w.deliverd, &ten, &got), 10);
	fresh_script(other, "ROLLBACK"); /* its deliverd has died */
	assert_int_equal(webhooks_claim_by(w.deliverd, &ten, &got), 10);
	fresh_script(w.deliverd, "RESET lock_timeout");
}

struct act {
	void (*run)(void);
	pthread_t thread;
};

static void *run_act(void *arg)
{
	((struct act *)arg)->run();
	return NULL;
}

/* Until somebody waits for a lock of somebody else's. */
static void await_waiter(void)
{
	while (webhooks_number(&w, "SELECT count(*) FROM pg_stat_activity WHERE datname ="
				   " current_database() AND wait_event_type = 'Lock'") == 0)
		;
}

static struct db *second;

static void fail_second(void)
{
	webhooks_fail_by(second, "u1-a01-001", (struct webhook_result){ 0 }, &patience);
}

/* A queue that is being put to sleep is woken by a failure that comes at that moment. */
static void a_failure_during_a_claim_is_not_forgotten(void **state)
{
	AUTO(db_closep) struct db *claimer = fresh_open(DATABASE, "e2a_deliverd");
	AUTO(buf_release) struct buf got = BUF_INIT(1000);
	struct act act = { .run = fail_second };

	(void)state;
	fill("u1", 1, 1);
	second = fresh_open(DATABASE, "e2a_deliverd");
	webhooks_assert_claim(&w, &claim_of_ten, "u1-a01-001");
	webhooks_sql(&w, "UPDATE webhook_queues SET due_at = now()");
	fresh_script(claimer, "BEGIN");
	assert_int_equal(webhooks_claim_by(claimer, &claim_of_ten, &got), 0);
	assert_int_equal(pthread_create(&act.thread, NULL, run_act, &act), 0);
	await_waiter();
	fresh_script(claimer, "COMMIT");
	pthread_join(act.thread, NULL);
	db_close(second);
	webhooks_wait(&w, 6 * SECOND);
	webhooks_assert_claim(&w, &claim_of_ten, "u1-a01-001");
}

/* Whoever looked at the queue last saw nothing before that; it comes back all the same. */
static void an_earlier_job_moves_the_beginning_of_its_queue(void **state)
{
	(void)state;
	fill("u1", 1, 3);
	webhooks_sql(&w, "UPDATE webhook_jobs SET due_at = now() + interval '1 h'");
	webhooks_assert_claim(&w, &claim_of_ten, "");
	assert_int_equal(webhooks_number(&w, "SELECT count(*) FROM webhook_queues"
					     " WHERE first_due_at > now()"),
			 1);
	webhooks_sql(&w, "UPDATE webhook_jobs SET due_at = now() - interval '1 s', queued = false"
			 " WHERE message_id = 'u1-a01-002'");
	assert_int_equal(webhooks_find(&w), 1);
	webhooks_assert_claim(&w, &claim_of_ten, "u1-a01-002");
	webhooks_release(&w, "u1-a01-002");
	webhooks_wait(&w, SECOND);
	webhooks_assert_claim(&w, &claim_of_ten, "u1-a01-002");
	/* One that was never in the queue. */
	webhooks_sql(&w, "UPDATE webhook_jobs SET lease_id = 'l', queued = false"
			 " WHERE message_id = 'u1-a01-003';"
			 "UPDATE webhook_queues SET first_due_at = now() + interval '1 h'");
	webhooks_fail(&w, "u1-a01-003");
	webhooks_wait(&w, 6 * SECOND);
	webhooks_assert_claim(&w, &claim_of_ten, "u1-a01-003");
}

/* ---- cost ---- */

/* Rows that the claims of this transaction have read so far. */
static int64_t rows_read(struct db *db)
{
	static const struct db_stmt read = {
		"t_read",
		"SELECT sum(seq_tup_read + idx_tup_fetch)::bigint FROM pg_stat_xact_user_tables "
		"WHERE relname IN ('webhook_jobs', 'webhook_queues')",
		false
	};
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct fail fail = { 0 };

	assert_ok(db_query(db, &read, NULL, &r, &fail), &fail);
	return db_int(r, 0, 0);
}

static void assert_cheap(size_t jobs, int64_t most)
{
	/* What the planner was told last, though it is not so any more. */
	static const char *const told[] = {
		"ANALYZE webhook_jobs; ANALYZE webhook_queues",
		"BEGIN; DELETE FROM webhook_jobs; DELETE FROM webhook_queues;"
		" ANALYZE webhook_jobs; ANALYZE webhook_queues; ROLLBACK",
		"UPDATE webhook_jobs SET lease_until = now() + interval '1 h', drained = true;"
		" UPDATE webhook_queues SET due_at = NULL;"
		" ANALYZE webhook_jobs; ANALYZE webhook_queues",
	};

	for (size_t i = 0; i < ARRAY_LEN(told); i++) {
		AUTO(db_closep) struct db *db = NULL;
		AUTO(buf_release) struct buf got = BUF_INIT(10000);

		fresh_script(w.owner, "CREATE TEMP TABLE j AS SELECT * FROM webhook_jobs;"
				      "CREATE TEMP TABLE q AS SELECT * FROM webhook_queues");
		fresh_script(w.owner, told[i]);
		fresh_script(w.owner,
			     "UPDATE webhook_jobs w SET lease_until = j.lease_until,"
			     " drained = j.drained FROM j"
			     " WHERE j.message_id = w.message_id AND w.drained <> j.drained;"
			     "UPDATE webhook_queues w SET due_at = q.due_at FROM q"
			     " WHERE q.agent_email = w.agent_email"
			     " AND w.due_at IS DISTINCT FROM q.due_at;"
			     "DROP TABLE j, q");
		db = fresh_open(DATABASE, "e2a_deliverd");
		fresh_script(db, "BEGIN");
		assert_int_equal(webhooks_claim_by(db, &claim_of_ten, &got), jobs);
		assert_in_range(rows_read(db), 1, most);
		fresh_script(db, "ROLLBACK");
	}
}

static const char sql_backlog[] =
	"INSERT INTO messages (id, user_id, agent_email, raw_id, direction, expires_at)"
	" SELECT 'b' || lpad(n::text, 6, '0'), 'u1', 'u1-a01', 'r', 'inbound',"
	" now() + interval '1 day' FROM generate_series(1, 3000) n;"
	"INSERT INTO webhook_jobs (message_id, user_id, agent_email, queued, due_at)"
	" SELECT m.id, 'u1', 'u1-a01', true, now() - interval '1 s' FROM messages m"
	" WHERE m.id LIKE 'b%'";

static void a_claim_reads_no_backlog(void **state)
{
	(void)state;
	fill("u1", 1, 1);
	fresh_script(w.owner, sql_backlog);
	assert_cheap(5, 100);
}

static void a_claim_of_a_drain_reads_nothing_that_had_its_turn(void **state)
{
	(void)state;
	fill("u1", 1, 1);
	fresh_script(w.owner, sql_backlog);
	fresh_script(w.owner, "UPDATE webhook_jobs SET due_at = now() + interval '1 h',"
			      " drained = message_id < 'b002500';"
			      "UPDATE webhook_queues SET drain_after = ''");
	assert_cheap(5, 100);
}

static void a_claim_reads_no_queue_that_is_not_due(void **state)
{
	(void)state;
	fill("u1", 1, 5);
	fresh_script(w.owner,
		     "INSERT INTO webhook_queues (agent_email, user_id, due_at, open_until)"
		     " SELECT 'x' || n, 'u' || n % 500, now() + interval '1 h', now()"
		     " FROM generate_series(1, 3000) n");
	assert_cheap(5, 150);
}

static void a_claim_reads_few_of_the_queues_that_are_due(void **state)
{
	(void)state;
	fill("u1", 1, 5);
	fill("u2", 1, 5);
	fresh_script(w.owner, "INSERT INTO webhook_queues (agent_email, user_id, due_at)"
			      " SELECT 'x' || n, 'u1', now() - interval '1 h'"
			      " FROM generate_series(1, 3000) n");
	assert_cheap(4, 2000); /* of the other user, who has the second turn */
}

/* Results come in batches from all queues. */
static void results_read_no_backlog(void **state)
{
	static const char ids[] = "b000001 b000002 b000003 b000004";
	static const struct webhook_result kinds[] = { { .http_status = 200 },
						       { .reason = EVENT_CONNECT } };

	(void)state;
	fill("u1", 1, 1);
	fresh_script(w.owner, sql_backlog);
	fresh_script(w.owner, "UPDATE webhook_jobs SET lease_id = 'l'");
	fresh_script(w.owner, "BEGIN; DELETE FROM webhook_jobs; DELETE FROM webhook_queues;"
			      "ANALYZE webhook_jobs; ANALYZE webhook_queues; ROLLBACK");
	for (size_t i = 0; i < 3; i++) {
		AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
		struct webhook_result v[WEBHOOK_BATCH_MAX];
		struct fail fail = { 0 };
		size_t n = webhooks_split(ids, &kinds[i % 2], v);

		fresh_script(db, "BEGIN");
		if (i == 0)
			assert_ok(store_webhook_delivered(db, v, n, &n, &fail), &fail);
		else if (i == 1)
			assert_ok(store_webhook_failed(db, v, n, &patience, &n, &fail), &fail);
		else
			assert_ok(store_webhook_release(db, v, n, 0, &fail), &fail);
		assert_int_equal(n, 4);
		assert_in_range(rows_read(db), 4, 60);
		fresh_script(db, "ROLLBACK");
	}
}

static void a_search_reads_no_job_that_is_in_its_queue(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	struct fail fail = { 0 };
	size_t n;

	(void)state;
	fill("u1", 1, 1);
	fresh_script(w.owner, sql_backlog);
	webhooks_agent(&w, "u2", "u2-a01");
	webhooks_jobs(&w, "u2-a01", 5);
	fresh_script(db, "BEGIN");
	assert_ok(store_webhook_find(db, HOUR, 3, &n, &fail), &fail);
	assert_int_equal(n, 3);
	assert_ok(store_webhook_give_up(db, HOUR, 500, &n, &fail), &fail);
	assert_in_range(rows_read(db), 1, 50);
	fresh_script(db, "ROLLBACK");
}

#define TEST(f) cmocka_unit_test_setup(f, emptied)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(users_have_their_turns_whatever_one_of_them_has),
		TEST(queues_of_a_user_have_their_turns),
		TEST(a_claim_is_filled_from_queues_that_have_something),
		TEST(skipped_agents_give_nothing),
		TEST(claims_do_not_wait_for_each_other),
		TEST(a_failure_during_a_claim_is_not_forgotten),
		TEST(an_earlier_job_moves_the_beginning_of_its_queue),
		TEST(a_claim_reads_no_backlog),
		TEST(a_claim_of_a_drain_reads_nothing_that_had_its_turn),
		TEST(a_claim_reads_no_queue_that_is_not_due),
		TEST(a_claim_reads_few_of_the_queues_that_are_due),
		TEST(results_read_no_backlog),
		TEST(a_search_reads_no_job_that_is_in_its_queue),
	};

	return cmocka_run_group_tests(tests, opened, closed);
}
