/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The janitor: one batch per task, so that it never holds a connection or a
 * lock for long. It may run in any number of daemons at once. It must never
 * touch what is open, or anything before its time.
 */
#include "deliverd/janitor.h"

#include "common/base/log.h"
#include "common/store/store_approval.h"
#include "common/store/store_dkim.h"
#include "common/store/store_event.h"
#include "common/store/store_mail.h"
#include "common/store/store_retention.h"
#include "common/store/store_usage.h"

enum {
	BATCH = 200,
	FIRST_MS = 30 * 1000, /* after the start */
	PAUSE_MS = 50,        /* between batches */
	DB_WAIT_MS = 5000,
	HOUR_MS = 3600 * 1000,
	DAY_MS = 24 * HOUR_MS,
	WINDOW_MS = DAY_MS, /* of the rate limits, the longest */
	TOKEN_DAYS = 30,    /* a link that is over still says so */
};

struct janitor {
	struct task task;
	struct loop *loop;
	const struct settings *settings;
	struct db_pool *pool;
	struct loop_timer *timer;
	size_t duty;                /* of the present batch */
	size_t done_n, unread_n;    /* rows of it */
	size_t total, unread_total; /* of the duty in this round */
	bool stopped;
	enum err code;
	struct fail fail;
};

/* ---- duties: one batch each ---- */

static enum err messages(struct janitor *j, struct db *db)
{
	return store_retention_messages(db, BATCH, &j->done_n, &j->unread_n, &j->fail);
}

/* A body whose messages went with their agent is nobody's. */
static enum err bodies(struct janitor *j, struct db *db)
{
	return store_retention_bodies(db, j->settings->message_retention_ms + DAY_MS, BATCH,
				      &j->done_n, &j->fail);
}

static enum err events(struct janitor *j, struct db *db)
{
	return store_event_expire(db, j->settings->event_retention_ms, BATCH, &j->done_n, &j->fail);
}

static enum err mails(struct janitor *j, struct db *db)
{
	return store_mail_expire(db, j->settings->event_retention_ms, BATCH, &j->done_n, &j->fail);
}

static enum err sessions(struct janitor *j, struct db *db)
{
	return store_retention_sessions(db, BATCH, &j->done_n, &j->fail);
}

static enum err links(struct janitor *j, struct db *db)
{
	return store_retention_links(db, BATCH, &j->done_n, &j->fail);
}

static enum err answers(struct janitor *j, struct db *db)
{
	return store_retention_answers(db, j->settings->idempotency_retention_ms, BATCH, &j->done_n,
				       &j->fail);
}

/* Never within a window that it counts for. */
static enum err counters(struct janitor *j, struct db *db)
{
	int64_t window_ms = j->settings->reply_budget_window_ms;

	if (window_ms < WINDOW_MS)
		window_ms = WINDOW_MS;
	return store_retention_counters(db, window_ms + HOUR_MS, BATCH, &j->done_n, &j->fail);
}

static enum err addresses(struct janitor *j, struct db *db)
{
	return store_retention_addresses(db, BATCH, &j->done_n, &j->fail);
}

static enum err dkim_keys(struct janitor *j, struct db *db)
{
	return store_dkim_expire(db, BATCH, &j->done_n, &j->fail);
}

static enum err tokens(struct janitor *j, struct db *db)
{
	return store_approval_expire(db, TOKEN_DAYS * (int64_t)DAY_MS, BATCH, &j->done_n, &j->fail);
}

static enum err usage(struct janitor *j, struct db *db)
{
	return store_usage_sum(db, BATCH, &j->done_n, &j->fail);
}

static const struct {
	const char *what;
	enum err (*run)(struct janitor *j, struct db *db);
} duties[] = {
	{ "messages", messages },   { "bodies", bodies },          { "ledger", events },
	{ "mail_jobs", mails },     { "sessions", sessions },      { "sign_in_links", links },
	{ "idempotency", answers }, { "rate_counters", counters }, { "addresses", addresses },
	{ "dkim_keys", dkim_keys }, { "approval_tokens", tokens }, { "usage", usage },
};

/* ---- a round of them ---- */

static void run(struct task *t)
{
	struct janitor *j = CONTAINER(t, struct janitor, task);
	struct db *db;

	j->done_n = j->unread_n = 0;
	j->code = db_pool_get(j->pool, DB_WAIT_MS, &db, &j->fail);
	if (j->code)
		return;
	j->code = duties[j->duty].run(j, db);
	db_pool_put(j->pool, db);
}

static void log_duty(const struct janitor *j)
{
	const char *what = duties[j->duty].what;

	if (j->code)
		log_warn("retention_failed", LF_STR("what", what), LF_STR("cause", j->fail.what));
	if (j->unread_total)
		log_warn("retention", LF_STR("what", what), LF_INT("rows", j->total),
			 LF_INT("unread", j->unread_total));
	else if (j->total)
		log_info("retention", LF_STR("what", what), LF_INT("rows", j->total));
}

/* A duty that fails does not keep the others from being done. */
static void next_duty(struct janitor *j)
{
	log_duty(j);
	j->total = j->unread_total = 0;
	j->duty = (j->duty + 1) % ARRAY_LEN(duties);
	loop_timer_start(j->timer, j->duty ? PAUSE_MS : j->settings->janitor_interval_ms);
}

static void done(struct task *t)
{
	struct janitor *j = CONTAINER(t, struct janitor, task);

	j->total += j->done_n;
	j->unread_total += j->unread_n;
	if (j->stopped)
		return;
	if (j->code || j->done_n < BATCH)
		next_duty(j);
	else
		loop_timer_start(j->timer, PAUSE_MS);
}

static void start(void *arg)
{
	struct janitor *j = arg;

	loop_submit(j->loop, &j->task);
}

struct janitor *janitor_new(struct loop *loop, const struct settings *s, struct db_pool *pool)
{
	struct janitor *j = mem_zalloc(sizeof(*j));

	j->task = (struct task){ .lane = LANE_DB, .run = run, .done = done };
	j->loop = loop;
	j->settings = s;
	j->pool = pool;
	j->timer = loop_timer_new(loop, start, j);
	loop_timer_start(j->timer,
			 s->janitor_interval_ms < FIRST_MS ? s->janitor_interval_ms : FIRST_MS);
	return j;
}

void janitor_stop(struct janitor *j)
{
	j->stopped = true;
	loop_timer_stop(j->timer);
}

void janitor_free(struct janitor *j)
{
	if (!j)
		return;
	loop_timer_free(j->timer);
	free(j);
}
