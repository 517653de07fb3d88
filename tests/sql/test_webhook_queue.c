/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a webhook job, and of its endpoint: schedule, breaker, drain, end. */
#include "common/store/store_ingest.h"
#include "tests/sql/webhooks.h"

#define DATABASE "t_webhook_queue"

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
	webhooks_agent(&w, "u1", "a");
	return 0;
}

/* n jobs of agent a, all of them in its queue. */
static void jobs(int n)
{
	webhooks_jobs(&w, "a", n);
	assert_int_equal(webhooks_find(&w), n);
}

static void assert_job(const char *id, const char *want)
{
	char sql[512];

	snprintf(sql, sizeof(sql),
		 "SELECT state || ' ' || attempts || CASE WHEN drained THEN ' drained' ELSE '' END"
		 " || CASE WHEN last_error <> '' THEN ' ' || last_error ELSE '' END"
		 " FROM webhook_jobs WHERE message_id = '%s'",
		 id);
	fresh_assert_text(DATABASE, sql, want);
}

static int64_t wait_ms(const char *of)
{
	char sql[256];

	snprintf(sql, sizeof(sql), "SELECT round(1000 * extract(epoch FROM %s - now()))::bigint",
		 of);
	return webhooks_number(&w, sql);
}

static int64_t job_wait_ms(void)
{
	return wait_ms("(SELECT min(due_at) FROM webhook_jobs WHERE state = 'pending')");
}

static int64_t breaker_wait_ms(void)
{
	return wait_ms("(SELECT open_until FROM webhook_queues WHERE agent_email = 'a')");
}

/* Nothing is handed out before the time that the job waits for. */
static void assert_asleep(int64_t ms)
{
	webhooks_wait(&w, ms);
	webhooks_find(&w);
	webhooks_assert_claim(&w, &claim_of_ten, "");
}

static void a_job_is_tried_along_the_published_schedule(void **state)
{
	static const struct webhook_result later = { .reason = EVENT_HTTP_STATUS,
						     .http_status = 503 };

	(void)state;
	jobs(1);
	for (size_t i = 0; i < ARRAY_LEN(schedule_ms); i++) {
		int64_t wait;

		webhooks_assert_claim(&w, &claim_of_ten, "a-001");
		assert_int_equal(webhooks_fail_by(w.deliverd, "a-001", later, &no_breaker), 1);
		wait = job_wait_ms();
		assert_in_range(wait, schedule_ms[i] * 79 / 100, schedule_ms[i] * 6 / 5);
		assert_asleep(wait - 2 * SECOND);
		webhooks_wait(&w, 2 * SECOND);
	}
	assert_job("a-001", "pending 10 http_status");
	webhooks_assert_claim(&w, &claim_of_ten, "a-001");
	webhooks_fail_by(w.deliverd, "a-001", later, &no_breaker);
	assert_job("a-001", "failed 11 http_status");
	webhooks_wait(&w, 100 * HOUR);
	webhooks_find(&w);
	webhooks_assert_claim(&w, &claim_of_ten, "");
	fresh_assert_text(DATABASE, "SELECT inbox_status FROM messages WHERE id = 'a-001'",
			  "unread");
	fresh_assert_text(DATABASE,
			  "SELECT string_agg(outcome || (detail->>'attempt'), ' ' ORDER BY id)"
			  " FROM message_events",
			  "deferred1 deferred2 deferred3 deferred4 deferred5 deferred6 deferred7"
			  " deferred8 deferred9 deferred10 failed11");
}

static void waits_differ_by_chance(void **state)
{
	(void)state;
	jobs(100);
	webhooks_sql(&w, "UPDATE webhook_jobs SET lease_id = 'l', attempts = 4");
	webhooks_fail_by(w.deliverd, "a-001 a-002 a-003 a-004 a-005 a-006 a-007 a-008 a-009 a-010",
			 (struct webhook_result){ 0 }, &no_breaker);
	assert_in_range(webhooks_number(&w, "SELECT count(DISTINCT due_at) FROM webhook_jobs"
					    " WHERE attempts = 5"),
			10, 10);
}

static void retry_after_counts_between_once_and_twice(void **state)
{
	static const struct {
		int64_t asked_ms, min_ms, max_ms;
	} rows[] = {
		{ 0, 4000, 6000 },           { 1, 4000, 6000 },       { 5000, 5000, 6000 },
		{ 7000, 7000, 7000 },        { 10000, 10000, 10000 }, { 10001, 10000, 10000 },
		{ INT64_MAX, 10000, 10000 },
	};

	(void)state;
	jobs(1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		webhooks_sql(&w, "UPDATE webhook_jobs SET lease_id = 'l', attempts = 0");
		webhooks_fail_by(w.deliverd, "a-001",
				 (struct webhook_result){ .retry_after_ms = rows[i].asked_ms },
				 &no_breaker);
		assert_in_range(job_wait_ms(), rows[i].min_ms - 200, rows[i].max_ms);
	}
}

/* ---- the breaker ---- */

static void open_breaker(void)
{
	webhooks_assert_claim(&w, &claim_of_ten, "a-001 a-002 a-003 a-004 a-005");
	webhooks_fail(&w, "a-001 a-002 a-003 a-004");
	assert_int_equal(webhooks_number(&w, "SELECT count(open_until) FROM webhook_queues"), 0);
	webhooks_fail(&w, "a-005");
	assert_in_range(breaker_wait_ms(), 3800, 5000);
}

static void an_open_breaker_sends_one_probe_at_a_time(void **state)
{
	static const int64_t waits_ms[] = { 10000, 20000, 40000, 60000, 60000 };
	AUTO(buf_release) struct buf got = BUF_INIT(100);

	(void)state;
	jobs(20);
	open_breaker();
	for (size_t i = 0; i < ARRAY_LEN(waits_ms); i++) {
		assert_asleep(breaker_wait_ms() - SECOND);
		webhooks_wait(&w, SECOND);
		assert_int_equal(webhooks_claim_by(w.deliverd, &claim_of_ten, &got), 1);
		assert_asleep(10 * SECOND); /* while the probe is under way */
		webhooks_fail(&w, buf_cstr(&got));
		assert_in_range(breaker_wait_ms(), waits_ms[i] * 79 / 100, waits_ms[i]);
	}
	/* Those that wait have not lost an attempt by it. */
	assert_int_equal(webhooks_number(&w, "SELECT count(*) FROM webhook_jobs"
					     " WHERE attempts = 0"),
			 10);
}

static void only_the_probe_decides(void **state)
{
	(void)state;
	jobs(20);
	webhooks_assert_claim(&w, &claim_of_ten, "a-001 a-002 a-003 a-004 a-005");
	webhooks_sql(&w, "UPDATE webhook_queues SET due_at = now()");
	webhooks_assert_claim(&w, &claim_of_ten, "a-006 a-007 a-008 a-009 a-010");
	webhooks_fail(&w, "a-001 a-002 a-003 a-004 a-005");
	webhooks_wait(&w, 6 * SECOND);
	webhooks_assert_claim(&w, &claim_of_ten, "a-011"); /* although others are due again */
	/* Late results, and jobs given back. */
	webhooks_fail(&w, "a-006 a-007");
	webhooks_release(&w, "a-008");
	assert_int_equal(webhooks_number(&w, "SELECT opens FROM webhook_queues"), 1);
	assert_asleep(3 * SECOND);
	webhooks_fail(&w, "a-011");
	assert_int_equal(webhooks_number(&w, "SELECT opens FROM webhook_queues"), 2);
	assert_in_range(breaker_wait_ms(), 7800, 10000);
}

static void a_probe_that_was_not_sent_is_followed_by_another(void **state)
{
	static const struct webhook_result no_secret = { .reason = EVENT_NO_SECRET };
	AUTO(buf_release) struct buf got = BUF_INIT(100);

	(void)state;
	jobs(20);
	open_breaker();
	webhooks_wait(&w, 5 * SECOND);
	webhooks_claim_by(w.deliverd, &claim_of_ten, &got);
	webhooks_release(&w, buf_cstr(&got));
	webhooks_wait(&w, SECOND);
	assert_int_equal(webhooks_claim_by(w.deliverd, &claim_of_ten, &got), 1);
	webhooks_fail_by(w.deliverd, buf_cstr(&got), no_secret, &patience); /* no fault of its */
	assert_int_equal(webhooks_claim_by(w.deliverd, &claim_of_ten, &got), 1);
	webhooks_wait(&w, MINUTE); /* its deliverd has died */
	assert_int_equal(webhooks_claim_by(w.deliverd, &claim_of_ten, &got), 1);
	assert_int_equal(webhooks_number(&w, "SELECT opens FROM webhook_queues"), 1);
	assert_int_equal(webhooks_number(&w, "SELECT failures FROM webhook_queues"), 5);
}

static void a_run_of_failures_is_one_without_success(void **state)
{
	(void)state;
	jobs(20);
	for (int i = 0; i < 3; i++) {
		webhooks_sql(&w, "UPDATE webhook_jobs SET lease_id = 'l', drained = false");
		webhooks_fail(&w, "a-001 a-002 a-003 a-004");
		webhooks_deliver(&w, i == 0 ? "a-010" : i == 1 ? "a-011" : "a-012");
	}
	assert_int_equal(webhooks_number(&w, "SELECT opens FROM webhook_queues"), 0);
	assert_int_equal(webhooks_number(&w, "SELECT count(failing_since) FROM webhook_queues"), 0);
}

static void what_is_no_fault_of_the_endpoint_leaves_the_breaker_alone(void **state)
{
	static const struct webhook_result no_secret = { .reason = EVENT_NO_SECRET };

	(void)state;
	jobs(20);
	webhooks_sql(&w, "UPDATE webhook_jobs SET lease_id = 'l'");
	webhooks_fail_by(w.deliverd, "a-001 a-002 a-003 a-004 a-005 a-006", no_secret, &patience);
	fresh_assert_text(DATABASE,
			  "SELECT failures || last_error || coalesce(failing_since::text, '')"
			  " FROM webhook_queues",
			  "0");
	assert_job("a-001", "pending 1 no_secret");
}

static void a_success_is_one_of_all_agents_of_the_user_with_that_url(void **state)
{
	(void)state;
	webhooks_agent(&w, "u1", "b");
	webhooks_agent(&w, "u1", "c");
	webhooks_agent(&w, "u2", "d");
	webhooks_sql(&w, "UPDATE agents SET webhook_url = 'https://one.example/'"
			 " WHERE email <> 'c'");
	webhooks_sql(&w, "INSERT INTO webhook_queues (agent_email, user_id, failures, opens,"
			 " failing_since, open_until) SELECT email, user_id, 7, 3, now(), now()"
			 " + interval '1 h' FROM agents");
	webhooks_jobs(&w, "a", 1);
	webhooks_jobs(&w, "b", 2);
	webhooks_sql(&w, "UPDATE webhook_jobs SET queued = true");
	webhooks_sql(&w, "UPDATE webhook_jobs SET lease_id = 'l' WHERE agent_email = 'a'");
	assert_int_equal(webhooks_deliver(&w, "a-001"), 1);
	fresh_assert_text(DATABASE,
			  "SELECT string_agg(agent_email, ' ' ORDER BY agent_email)"
			  " FROM webhook_queues WHERE failures = 0 AND open_until IS NULL"
			  " AND failing_since IS NULL AND opens = 0",
			  "a b");
	webhooks_assert_claim(&w, &claim_of_ten, "b-001 b-002");
}

/* ---- the drain ---- */

static size_t claimed_by(const struct webhook_claim *claim)
{
	AUTO(buf_release) struct buf got = BUF_INIT(65536);

	return webhooks_claim_by(w.deliverd, claim, &got);
}

/* Twenty jobs that wait for two hours yet, of an endpoint that has just answered well. */
static void drain(void)
{
	webhooks_jobs(&w, "a", 21);
	webhooks_find(&w);
	webhooks_sql(&w, "UPDATE webhook_jobs SET due_at = now() + interval '2 h', attempts = 3");
	webhooks_sql(&w, "UPDATE webhook_queues SET failures = 9, failing_since = now(),"
			 " open_until = now()");
	webhooks_sql(&w, "UPDATE webhook_jobs SET lease_id = 'l', lease_until = now()"
			 " WHERE message_id = 'a-021'");
	webhooks_deliver(&w, "a-021");
}

static void what_waited_is_drained_in_order_at_its_rate(void **state)
{
	static const struct webhook_claim slow = { .lease_id = { "l", 1 },
						   .lease_ms = MINUTE,
						   .limit = 10,
						   .max_bytes = 1 << 20,
						   .per_queue = 5,
						   .drain_rate = 1 };

	(void)state;
	drain();
	webhooks_assert_claim(&w, &slow, "a-001 a-002 a-003 a-004 a-005");
	webhooks_deliver(&w, "a-001 a-002 a-003 a-004");
	/* Neither makes it faster. */
	webhooks_release(&w, "a-005");
	webhooks_sql(&w, "UPDATE webhook_jobs SET queued = false, due_at = now() - interval '1 s'"
			 " WHERE message_id = 'a-020'");
	assert_int_equal(webhooks_find(&w), 1);
	assert_asleep(4 * SECOND);
	webhooks_wait(&w, SECOND);
	webhooks_assert_claim(&w, &slow, "a-005 a-006 a-007 a-008 a-009");
	webhooks_wait(&w, 5 * SECOND);
	webhooks_assert_claim(&w, &slow, "a-010 a-011 a-012 a-013 a-014");
	webhooks_wait(&w, 5 * SECOND);
	webhooks_assert_claim(&w, &slow, "a-015 a-016 a-017 a-018 a-019");
	webhooks_wait(&w, 5 * SECOND);
	webhooks_assert_claim(&w, &slow, "a-020");
	webhooks_wait(&w, 5 * SECOND);
	webhooks_assert_claim(&w, &slow, "");
	assert_int_equal(webhooks_number(&w, "SELECT count(drain_after) FROM webhook_queues"), 0);
}

static void what_was_handed_out_early_by_somebody_who_is_gone_is_handed_out_again(void **state)
{
	struct fail fail = { 0 };
	size_t n = 0;

	(void)state;
	drain();
	webhooks_assert_claim(&w, &claim_of_ten, "a-001 a-002 a-003 a-004 a-005");
	for (size_t i = 0; i < 4; i++) { /* the rest, and the end of the drain */
		webhooks_wait(&w, SECOND);
		if (claimed_by(&claim_of_ten))
			webhooks_sql(&w, "DELETE FROM webhook_jobs WHERE message_id > 'a-005'"
					 " AND lease_id IS NOT NULL");
	}
	assert_ok(store_webhook_take_back(w.deliverd, 10, &n, &fail), &fail);
	assert_int_equal(n, 0); /* their lease may still be somebody's */
	webhooks_wait(&w, MINUTE);
	assert_ok(store_webhook_take_back(w.deliverd, 3, &n, &fail), &fail);
	assert_int_equal(n, 3);
	assert_ok(store_webhook_take_back(w.deliverd, 3, &n, &fail), &fail);
	assert_int_equal(n, 2);
	webhooks_assert_claim(&w, &claim_of_ten, "a-001 a-002 a-003 a-004 a-005");
	assert_job("a-001", "pending 3 drained");
}

static void a_drained_job_that_fails_keeps_its_schedule(void **state)
{
	(void)state;
	drain();
	webhooks_assert_claim(&w, &claim_of_ten, "a-001 a-002 a-003 a-004 a-005");
	assert_job("a-001", "pending 3 drained");
	webhooks_fail(&w, "a-001");
	assert_job("a-001", "pending 3 drained connect");
	assert_in_range(wait_ms("(SELECT due_at FROM webhook_jobs WHERE message_id = 'a-001')"),
			2 * HOUR - 10 * SECOND, 2 * HOUR);
	webhooks_deliver(&w, "a-002"); /* which begins another drain */
	webhooks_wait(&w, SECOND);
	webhooks_assert_claim(&w, &claim_of_ten, "a-006 a-007 a-008 a-009 a-010");
	webhooks_deliver(&w, "a-003 a-004 a-005 a-006 a-007 a-008 a-009 a-010");
	/* In its own time it is tried, though the drain goes on, and then it counts. */
	webhooks_wait(&w, 2 * HOUR);
	webhooks_assert_claim(&w, &claim_of_ten, "a-001 a-011 a-012 a-013 a-014");
	assert_job("a-001", "pending 3 connect");
	webhooks_fail(&w, "a-001");
	assert_job("a-001", "pending 4 drained connect");
	assert_in_range(wait_ms("(SELECT due_at FROM webhook_jobs WHERE message_id = 'a-001')"),
			24 * MINUTE - SECOND, 36 * MINUTE);
}

static void a_drain_is_not_over_because_there_was_no_room(void **state)
{
	static const char *const others[] = { "x", "y", "z" };
	struct webhook_claim three = claim_of_ten;

	(void)state;
	drain();
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		webhooks_agent(&w, i == 0 ? "u1" : "u0", others[i]);
		webhooks_jobs(&w, others[i], 1);
	}
	webhooks_find(&w);
	three.limit = 3;
	webhooks_assert_claim(&w, &three, "x-001 y-001 z-001");
	assert_int_equal(webhooks_number(&w, "SELECT count(drain_after) FROM webhook_queues"), 1);
	webhooks_assert_claim(&w, &claim_of_ten, "a-001 a-002 a-003 a-004 a-005");
}

static void a_drained_job_given_back_has_its_turn_again(void **state)
{
	(void)state;
	drain();
	webhooks_assert_claim(&w, &claim_of_ten, "a-001 a-002 a-003 a-004 a-005");
	webhooks_release(&w, "a-002 a-004");
	webhooks_wait(&w, SECOND);
	webhooks_assert_claim(&w, &claim_of_ten, "a-002 a-004 a-006 a-007 a-008");
	webhooks_release(&w, "a-002");
	assert_in_range(wait_ms("(SELECT due_at FROM webhook_jobs WHERE message_id = 'a-002')"),
			2 * HOUR - 10 * SECOND, 2 * HOUR);
}

/* There was nothing else to hand out: but the drain goes on for what is given back. */
static void the_last_drained_job_given_back_does_not_wait_for_its_own_time(void **state)
{
	struct webhook_claim all = claim_of_ten;

	(void)state;
	drain();
	all.limit = all.per_queue = 100;
	assert_int_equal(claimed_by(&all), 20);
	webhooks_wait(&w, SECOND);
	webhooks_assert_claim(&w, &all, "");
	assert_int_equal(webhooks_number(&w, "SELECT count(drain_after) FROM webhook_queues"), 0);
	webhooks_release(&w, "a-019 a-020");
	webhooks_wait(&w, SECOND);
	webhooks_assert_claim(&w, &all, "a-019 a-020");
	assert_job("a-020", "pending 3 drained");
}

static void a_failure_in_between_does_not_hasten_a_drain(void **state)
{
	struct webhook_claim slow = claim_of_ten;

	(void)state;
	drain();
	slow.drain_rate = 1;
	webhooks_assert_claim(&w, &slow, "a-001 a-002 a-003 a-004 a-005");
	webhooks_fail(&w, "a-001");
	webhooks_deliver(&w, "a-002");
	assert_asleep(4 * SECOND);
	webhooks_wait(&w, SECOND);
	webhooks_assert_claim(&w, &slow, "a-006 a-007 a-008 a-009 a-010");
}

static void a_drain_ends_with_five_failures(void **state)
{
	AUTO(buf_release) struct buf got = BUF_INIT(100);

	(void)state;
	drain();
	webhooks_assert_claim(&w, &claim_of_ten, "a-001 a-002 a-003 a-004 a-005");
	webhooks_fail(&w, "a-001 a-002 a-003 a-004 a-005");
	assert_in_range(breaker_wait_ms(), 3800, 5000);
	webhooks_wait(&w, 5 * SECOND);
	webhooks_assert_claim(&w, &claim_of_ten, ""); /* each in its own time now */
	webhooks_wait(&w, 2 * HOUR);
	assert_int_equal(webhooks_claim_by(w.deliverd, &claim_of_ten, &got), 1);
}

/* ---- the end ---- */

static void gone_disables_the_endpoint_and_ends_its_jobs(void **state)
{
	static const struct webhook_result gone = { .reason = EVENT_HTTP_GONE,
						    .http_status = 410,
						    .final = true };

	(void)state;
	jobs(20);
	webhooks_assert_claim(&w, &claim_of_ten, "a-001 a-002 a-003 a-004 a-005");
	webhooks_fail_by(w.deliverd, "a-001", gone, &patience);
	assert_job("a-001", "failed 1 http_gone");
	fresh_assert_text(DATABASE, "SELECT disabled_reason FROM webhook_queues", "http_gone");
	assert_asleep(0);
	assert_int_equal(webhooks_give_up(&w), 15); /* not those that are being called */
	assert_job("a-006", "failed 0 endpoint_disabled");
	webhooks_fail(&w, "a-002");
	webhooks_deliver(&w, "a-003");
	webhooks_release(&w, "a-004");
	assert_int_equal(webhooks_give_up(&w), 2);
	webhooks_wait(&w, 2 * MINUTE); /* who called with the last one has died */
	assert_int_equal(webhooks_give_up(&w), 1);
	assert_int_equal(webhooks_give_up(&w), 0);
	assert_int_equal(webhooks_number(&w, "SELECT count(*) FROM webhook_queues WHERE ending"
					     " OR due_at IS NOT NULL"),
			 0);
	assert_int_equal(webhooks_number(&w, "SELECT count(*) FROM messages"
					     " WHERE inbox_status = 'unread'"),
			 20);
	assert_int_equal(webhooks_number(&w, "SELECT count(*) FROM message_events WHERE"
					     " outcome = 'failed' AND reason IN"
					     " ('http_gone', 'endpoint_disabled')"),
			 19);
}

/* Its jobs were in somebody's hand when the agent was given another URL. */
static void what_a_former_url_says_is_not_held_against_the_new_one(void **state)
{
	static const struct webhook_result gone = { .reason = EVENT_HTTP_GONE,
						    .http_status = 410,
						    .final = true,
						    .url = { "https://former.example/", 23 } };
	struct webhook_result fails = gone;

	(void)state;
	jobs(5);
	webhooks_assert_claim(&w, &claim_of_ten, "a-001 a-002 a-003 a-004 a-005");
	assert_int_equal(
		webhooks_fail_by(w.deliverd, "a-001 a-002 a-003 a-004 a-005", gone, &patience), 5);
	assert_job("a-005", "pending 1 http_gone");
	assert_int_equal(webhooks_number(&w,
					 "SELECT count(*) FROM webhook_queues WHERE failures = 0"
					 " AND open_until IS NULL AND disabled_at IS NULL"
					 " AND failing_since IS NULL AND NOT ending"),
			 1);
	webhooks_wait(&w, 6 * SECOND);
	webhooks_assert_claim(&w, &claim_of_ten, "a-001 a-002 a-003 a-004 a-005");
	fails.url = S("https://a.example/");
	webhooks_fail_by(w.deliverd, "a-001", fails, &patience);
	assert_job("a-001", "failed 2 http_gone");
	fresh_assert_text(DATABASE, "SELECT disabled_reason FROM webhook_queues", "http_gone");
}

static void a_job_stored_while_its_endpoint_was_being_disabled_ends(void **state)
{
	(void)state;
	jobs(1);
	webhooks_sql(&w, "UPDATE webhook_queues SET disabled_at = now(), ending = true");
	assert_int_equal(webhooks_give_up(&w), 1);
	assert_int_equal(webhooks_give_up(&w), 0);
	webhooks_sql(&w, "DELETE FROM messages");
	jobs(3);
	assert_int_equal(webhooks_give_up(&w), 3);
}

static void a_job_is_over_when_its_endpoint_failed_all_the_time(void **state)
{
	static const struct {
		const char *failing_since; /* before now */
		size_t over;
	} rows[] = {
		{ "'81 h'", 20 },
		{ "'79 h'", 0 }, /* Postgres was away: it was not tried for so long */
		{ "NULL", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		webhooks_empty(&w);
		webhooks_agent(&w, "u1", "a");
		jobs(20);
		webhooks_sql(&w, "UPDATE webhook_queues SET failing_since = now() - %s::interval",
			     rows[i].failing_since);
		webhooks_wait(&w, 0);
		assert_int_equal(webhooks_give_up(&w), 0);
		webhooks_sql(&w, "UPDATE webhook_jobs SET give_up_at = now()");
		assert_int_equal(webhooks_give_up(&w), rows[i].over);
		assert_job("a-001", rows[i].over ? "failed 0 expired" : "pending 0");
		assert_int_equal(webhooks_number(&w, "SELECT count(*) FROM webhook_jobs WHERE"
						     " state = 'pending' AND (give_up_at <= now()"
						     " OR give_up_at > now() + interval '80 h')"),
				 0);
	}
}

/* ---- races ---- */

static void results_of_an_agent_that_is_being_deleted_keep_nobody_waiting(void **state)
{
	(void)state;
	webhooks_agent(&w, "u2", "b");
	webhooks_jobs(&w, "a", 2);
	webhooks_jobs(&w, "b", 1);
	webhooks_sql(&w, "UPDATE webhook_jobs SET lease_id = 'l'");
	fresh_script(w.owner, "BEGIN; SELECT FROM agents WHERE email = 'a' FOR UPDATE;"
			      "DELETE FROM webhook_jobs WHERE message_id = 'a-001'");
	fresh_script(w.deliverd, "SET lock_timeout = '2s'");
	assert_int_equal(webhooks_fail(&w, "a-001 a-002 b-001"), 2);
	fresh_script(w.deliverd, "RESET lock_timeout");
	fresh_script(w.owner, "DELETE FROM agents WHERE email = 'a'; COMMIT");
	fresh_assert_text(DATABASE, "SELECT string_agg(agent_email, ' ') FROM webhook_queues", "b");
}

static void a_job_is_found_that_was_stored_while_its_queue_fell_asleep(void **state)
{
	(void)state;
	jobs(1);
	webhooks_assert_claim(&w, &claim_of_ten, "a-001");
	webhooks_deliver(&w, "a-001");
	webhooks_sql(&w, "DELETE FROM messages");
	fresh_script(w.owner, "BEGIN");
	webhooks_jobs(&w, "a", 1); /* uncommitted */
	webhooks_sql(&w, "SAVEPOINT s");
	{
		AUTO(db_closep) struct db *other = fresh_open(DATABASE, NULL);

		fresh_script(other, "UPDATE webhook_queues SET due_at = now()");
	}
	webhooks_assert_claim(&w, &claim_of_ten, "");
	assert_int_equal(webhooks_number(&w, "SELECT count(due_at) FROM webhook_queues"), 0);
	fresh_script(w.owner, "COMMIT");
	webhooks_assert_claim(&w, &claim_of_ten, "");
	assert_int_equal(webhooks_find(&w), 1);
	webhooks_assert_claim(&w, &claim_of_ten, "a-001");
}

static void a_job_whose_deliverd_died_is_found_when_its_lease_is_over(void **state)
{
	(void)state;
	webhooks_jobs(&w, "a", 2);
	webhooks_sql(&w, "UPDATE webhook_jobs SET lease_id = 'x', due_at = now() + interval '1 m',"
			 " lease_until = now() + interval '1 m'");
	assert_int_equal(webhooks_find(&w), 0);
	webhooks_wait(&w, 61 * SECOND);
	assert_int_equal(webhooks_find(&w), 2);
	webhooks_assert_claim(&w, &claim_of_ten, "a-001 a-002");
	webhooks_wait(&w, 61 * SECOND); /* and so did the next one */
	assert_int_equal(webhooks_find(&w), 0);
	webhooks_assert_claim(&w, &claim_of_ten, "a-001 a-002");
	assert_int_equal(webhooks_deliver(&w, "a-001 a-002"), 2);
}

static void a_result_without_its_lease_changes_nothing(void **state)
{
	(void)state;
	jobs(1);
	webhooks_assert_claim(&w, &claim_of_ten, "a-001");
	webhooks_sql(&w, "UPDATE webhook_jobs SET lease_id = 'x'");
	assert_int_equal(webhooks_deliver(&w, "a-001"), 0);
	assert_int_equal(webhooks_fail(&w, "a-001"), 0);
	webhooks_release(&w, "a-001");
	fresh_assert_text(DATABASE, "SELECT lease_id || attempts FROM webhook_jobs", "x0");
	assert_int_equal(webhooks_number(&w, "SELECT failures FROM webhook_queues"), 0);
}

#define TEST(f) cmocka_unit_test_setup(f, emptied)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_job_is_tried_along_the_published_schedule),
		TEST(waits_differ_by_chance),
		TEST(retry_after_counts_between_once_and_twice),
		TEST(an_open_breaker_sends_one_probe_at_a_time),
		TEST(only_the_probe_decides),
		TEST(a_probe_that_was_not_sent_is_followed_by_another),
		TEST(a_run_of_failures_is_one_without_success),
		TEST(what_is_no_fault_of_the_endpoint_leaves_the_breaker_alone),
		TEST(a_success_is_one_of_all_agents_of_the_user_with_that_url),
		TEST(what_waited_is_drained_in_order_at_its_rate),
		TEST(what_was_handed_out_early_by_somebody_who_is_gone_is_handed_out_again),
		TEST(a_drained_job_that_fails_keeps_its_schedule),
		TEST(a_drain_is_not_over_because_there_was_no_room),
		TEST(a_drained_job_given_back_has_its_turn_again),
		TEST(the_last_drained_job_given_back_does_not_wait_for_its_own_time),
		TEST(a_failure_in_between_does_not_hasten_a_drain),
		TEST(a_drain_ends_with_five_failures),
		TEST(gone_disables_the_endpoint_and_ends_its_jobs),
		TEST(what_a_former_url_says_is_not_held_against_the_new_one),
		TEST(a_job_stored_while_its_endpoint_was_being_disabled_ends),
		TEST(a_job_is_over_when_its_endpoint_failed_all_the_time),
		TEST(results_of_an_agent_that_is_being_deleted_keep_nobody_waiting),
		TEST(a_job_is_found_that_was_stored_while_its_queue_fell_asleep),
		TEST(a_job_whose_deliverd_died_is_found_when_its_lease_is_over),
		TEST(a_result_without_its_lease_changes_nothing),
	};

	return cmocka_run_group_tests(tests, opened, closed);
}
