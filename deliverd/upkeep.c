/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds of a task: a search, then the end of what is over. Both do little at a time, so that
 * deliveries never wait long for a connection or a row.
 */
#include "deliverd/upkeep.h"

#include "common/base/log.h"
#include "common/store/store_webhook.h"

enum {
	ROUND_MS = 5000,
	SOON_MS = 250,
	WINDOW_MS = 60000,    /* a search goes through jobs that became due so short a time ago */
	NARROW = 60,          /* ... but after so many of them through all: some row may have been
				 locked all that time, or everybody been away */
	TAKE_BACK_ROUNDS = 6, /* from one look at leases that are over to the next */
	BATCH = 500,
	DB_WAIT_MS = 1000,
};

/* Longer ago than anything. */
#define EVER_MS (INT64_C(100) * 365 * 24 * 3600 * 1000)

struct upkeep {
	struct task task;
	struct upkeep_config config;
	struct loop_timer *timer;
	int narrow; /* searches until the next one through all jobs */
	bool working, soon, stopped;
	/* of the round */
	size_t found, ended;
	enum err code;
	struct fail fail;
};

static enum err work(struct upkeep *u, struct db *db)
{
	int64_t window_ms = u->narrow ? WINDOW_MS : EVER_MS;
	size_t back = 0;
	enum err e = store_webhook_find(db, window_ms, BATCH, &u->found, &u->fail);

	if (e == OK && u->narrow % TAKE_BACK_ROUNDS == 0)
		e = store_webhook_take_back(db, BATCH, &back, &u->fail);
	u->found += back;
	if (e == OK)
		e = store_webhook_give_up(db, u->config.give_up_ms, BATCH, &u->ended, &u->fail);
	return e;
}

static void run(struct task *t)
{
	struct upkeep *u = CONTAINER(t, struct upkeep, task);
	struct db *db;

	u->found = u->ended = 0;
	u->code = db_pool_get(u->config.pool, DB_WAIT_MS, &db, &u->fail);
	if (u->code)
		return;
	u->code = work(u, db);
	db_pool_put(u->config.pool, db);
}

static void log_round(const struct upkeep *u)
{
	if (u->code)
		log_warn("webhook_upkeep_failed", LF_STR("cause", u->fail.what));
	if (u->ended)
		log_info("webhook_jobs_given_up", LF_INT("jobs", u->ended));
}

/* After a failure, or when some are left, jobs may have become due longer ago than WINDOW_MS. */
static int next_narrow(const struct upkeep *u)
{
	if (u->code || u->found >= BATCH)
		return 0;
	return u->narrow ? u->narrow - 1 : NARROW;
}

static void done(struct task *t)
{
	struct upkeep *u = CONTAINER(t, struct upkeep, task);
	bool soon = u->soon || u->ended >= BATCH || u->found >= BATCH;

	u->working = u->soon = false;
	u->narrow = next_narrow(u);
	log_round(u);
	if (u->stopped)
		return;
	loop_timer_start(u->timer, soon && !u->code ? SOON_MS : ROUND_MS);
	if (u->found)
		u->config.found(u->config.arg);
}

static void start(void *arg)
{
	struct upkeep *u = arg;

	u->working = true;
	u->soon = false;
	loop_submit(u->config.loop, &u->task);
}

struct upkeep *upkeep_new(const struct upkeep_config *config)
{
	struct upkeep *u = mem_zalloc(sizeof(*u));

	u->config = *config;
	u->task = (struct task){ .lane = LANE_DB, .run = run, .done = done };
	u->timer = loop_timer_new(config->loop, start, u);
	loop_timer_start(u->timer, 0);
	return u;
}

void upkeep_soon(struct upkeep *u)
{
	if (u->soon || u->stopped)
		return;
	u->soon = true;
	if (!u->working)
		loop_timer_start(u->timer, SOON_MS);
}

void upkeep_stop(struct upkeep *u)
{
	u->stopped = true;
	loop_timer_stop(u->timer);
}

void upkeep_free(struct upkeep *u)
{
	if (!u)
		return;
	loop_timer_free(u->timer);
	free(u);
}
