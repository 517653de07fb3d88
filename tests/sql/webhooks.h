/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agents with webhook jobs, and a deliverd without a network. Users u1, u2, ...; agents of
 * user u are u-a1, u-a2, ...; the jobs of agent x are x-001, x-002, ... from the oldest on.
 */
#ifndef E2A_TESTS_SQL_WEBHOOKS_H
#define E2A_TESTS_SQL_WEBHOOKS_H

#include "common/store/store_webhook.h"
#include "tests/sql/fresh.h"

#include <stdio.h>

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

/* The published one. */
static const int64_t schedule_ms[] = { 5 * SECOND, MINUTE,    5 * MINUTE, 30 * MINUTE, 2 * HOUR,
				       5 * HOUR,   10 * HOUR, 14 * HOUR,  20 * HOUR,   24 * HOUR };
static const struct webhook_patience patience = { schedule_ms, ARRAY_LEN(schedule_ms), 5, MINUTE };
static const struct webhook_patience no_breaker = { schedule_ms, ARRAY_LEN(schedule_ms), 1 << 30,
						    MINUTE };

struct webhooks {
	const char *database;
	struct db *owner, *deliverd;
};

static inline int webhooks_open(struct webhooks *w, const char *database)
{
	w->database = database;
	w->owner = fresh_migrated(database);
	fresh_script(w->owner, "INSERT INTO raw_messages (id, sha256, size, raw)"
			       " VALUES ('r', '', 1000, '')");
	w->deliverd = fresh_open(database, "e2a_deliverd");
	fresh_script(w->deliverd, "SET statement_timeout = '10s'");
	return 0;
}

static inline void webhooks_close(struct webhooks *w)
{
	db_close(w->owner);
	db_close(w->deliverd);
}

static inline void webhooks_sql(struct webhooks *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static inline void webhooks_sql(struct webhooks *w, const char *format, ...)
{
	char sql[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(sql, sizeof(sql), format, args);
	va_end(args);
	fresh_script(w->owner, sql);
}

static inline void webhooks_empty(struct webhooks *w)
{
	fresh_script(w->owner, "DELETE FROM users; DELETE FROM message_events;"
			       "DELETE FROM webhook_queues");
}

static inline void webhooks_agent(struct webhooks *w, const char *user, const char *agent)
{
	webhooks_sql(w,
		     "INSERT INTO users (id, email) VALUES ('%s', '%s@example.com')"
		     " ON CONFLICT DO NOTHING;"
		     "INSERT INTO agents (email, address, domain, user_id, agent_mode, webhook_url)"
		     " VALUES ('%s', '%s', 'example.com', '%s', 'cloud', 'https://%s.example/')",
		     user, user, agent, agent, user, agent);
}

/* ... that became due a second ago, the oldest first, and that are in no queue. */
static inline void webhooks_jobs(struct webhooks *w, const char *agent, int n)
{
	webhooks_sql(w,
		     "INSERT INTO messages (id, user_id, agent_email, raw_id, direction,"
		     " inbox_status, expires_at) SELECT a.email || '-' || lpad(n::text, 3, '0'),"
		     " a.user_id, a.email, 'r', 'inbound', 'unread', now() + interval '30 d'"
		     " FROM agents a, generate_series(1, %d) n WHERE a.email = '%s';"
		     "INSERT INTO webhook_jobs (message_id, user_id, agent_email, due_at,"
		     " give_up_at) SELECT m.id, m.user_id, m.agent_email, now() - interval '1 s'"
		     " + row_number() OVER (ORDER BY m.id) * interval '1 us',"
		     " now() + interval '4 d'"
		     " FROM messages m WHERE m.agent_email = '%s'",
		     n, agent, agent);
}

/* Lets time go by, as far as the queues can tell. */
static inline void webhooks_wait(struct webhooks *w, int64_t ms)
{
	webhooks_sql(w,
		     "UPDATE webhook_jobs SET due_at = due_at - t, lease_until = lease_until - t,"
		     " give_up_at = give_up_at - t FROM (SELECT %lld * interval '1 ms' AS t) t;"
		     "UPDATE webhook_queues SET due_at = due_at - t, first_due_at = first_due_at"
		     " - t, failing_since = failing_since - t, open_until = open_until - t"
		     " FROM (SELECT %lld * interval '1 ms' AS t) t",
		     (long long)ms, (long long)ms);
}

static inline size_t webhooks_find(struct webhooks *w)
{
	struct fail fail = { 0 };
	size_t n = 0;

	assert_ok(store_webhook_find(w->deliverd, MINUTE, 1000, &n, &fail), &fail);
	return n;
}

static inline size_t webhooks_give_up(struct webhooks *w)
{
	struct fail fail = { 0 };
	size_t n = 0;

	assert_ok(store_webhook_give_up(w->deliverd, 80 * HOUR, 500, &n, &fail), &fail);
	return n;
}

static const struct webhook_claim claim_of_ten = { .lease_id = { "l", 1 },
						   .lease_ms = MINUTE,
						   .limit = 10,
						   .max_bytes = 1 << 20,
						   .per_queue = 5,
						   .drain_rate = 50 };

/* The jobs, in the order of their ids, with blanks between. */
static inline size_t webhooks_claim_by(struct db *db, const struct webhook_claim *claim,
				       struct buf *ret)
{
	AUTO(db_rows_freep) struct db_rows *rows = NULL;
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct webhook_row *v = NULL;
	struct fail fail = { 0 };
	size_t n = 0;

	assert_ok(store_webhook_claim(db, claim, &a, &v, &n, &rows, &fail), &fail);
	buf_reset(ret);
	for (size_t i = 0; i < n; i++)
		buf_addf(ret, "%s%.*s", i ? " " : "", SLICE_ARGS(v[i].message_id));
	return n;
}

static inline void webhooks_assert_claim(struct webhooks *w, const struct webhook_claim *claim,
					 const char *want)
{
	AUTO(buf_release) struct buf got = BUF_INIT(65536);

	webhooks_claim_by(w->deliverd, claim, &got);
	assert_string_equal(buf_cstr(&got), want);
}

/* What became of the attempts of these jobs, with blanks between. */
static inline size_t webhooks_split(const char *ids, const struct webhook_result *kind,
				    struct webhook_result *ret)
{
	struct slice rest = slice_str(ids), id;
	size_t n = 0;

	while (slice_cut(&rest, ' ', &id)) {
		ret[n] = *kind;
		ret[n].lease_id = S("l");
		ret[n++].message_id = id;
	}
	return n;
}

static inline size_t webhooks_fail_by(struct db *db, const char *ids, struct webhook_result kind,
				      const struct webhook_patience *p)
{
	struct webhook_result v[WEBHOOK_BATCH_MAX];
	struct fail fail = { 0 };
	size_t n = 0;

	if (!kind.reason)
		kind.reason = EVENT_CONNECT;
	assert_ok(store_webhook_failed(db, v, webhooks_split(ids, &kind, v), p, &n, &fail), &fail);
	return n;
}

static inline size_t webhooks_fail(struct webhooks *w, const char *ids)
{
	return webhooks_fail_by(w->deliverd, ids, (struct webhook_result){ 0 }, &patience);
}

static inline size_t webhooks_deliver(struct webhooks *w, const char *ids)
{
	const struct webhook_result kind = { .http_status = 200 };
	struct webhook_result v[WEBHOOK_BATCH_MAX];
	struct fail fail = { 0 };
	size_t n = 0;

	assert_ok(store_webhook_delivered(w->deliverd, v, webhooks_split(ids, &kind, v), &n, &fail),
		  &fail);
	return n;
}

static inline void webhooks_release(struct webhooks *w, const char *ids)
{
	const struct webhook_result kind = { 0 };
	struct webhook_result v[WEBHOOK_BATCH_MAX];
	struct fail fail = { 0 };

	assert_ok(
		store_webhook_release(w->deliverd, v, webhooks_split(ids, &kind, v), SECOND, &fail),
		&fail);
}

/* A number that a statement of the owner's gives. */
static inline int64_t webhooks_number(struct webhooks *w, const char *sql)
{
	const struct db_stmt stmt = { "", sql, false };
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	AUTO(db_closep) struct db *db = fresh_open(w->database, NULL);
	struct db_stmt named = stmt;
	struct fail fail = { 0 };

	named.name = "webhooks_number";
	assert_ok(db_query(db, &named, NULL, &r, &fail), &fail);
	return db_int(r, 0, 0);
}

#endif
