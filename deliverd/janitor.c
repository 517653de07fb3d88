/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The janitor: one batch per task, so that it never holds a connection or a
 * lock for long. It may run in any number of daemons at once.
 */
#include "deliverd/janitor.h"

#include "common/base/log.h"
#include "common/store/store_event.h"
#include "common/store/store_retention.h"

enum {
	BATCH = 200,
	FIRST_MS = 60 * 1000,
	PAUSE_MS = 200,        /* between batches */
	ROUND_MS = 600 * 1000, /* between rounds */
	DB_WAIT_MS = 5000,
	DAY_MS = 86400 * 1000,
};

struct janitor {
	struct task task;
	struct loop *loop;
	const struct settings *settings;
	struct db_pool *pool;
	struct loop_timer *timer;
	size_t duty;    /* of the present batch */
	size_t deleted; /* by it */
	size_t total;   /* by this round */
	bool stopped;
	enum err code;
	struct fail fail;
};

static enum err messages(struct janitor *j, struct db *db)
{
	return store_retention_messages(db, BATCH, &j->deleted, &j->fail);
}

/* A body whose messages went with their agent is nobody's. */
static enum err bodies(struct janitor *j, struct db *db)
{
	return store_retention_bodies(db, j->settings->message_retention_ms + DAY_MS, BATCH,
				      &j->deleted, &j->fail);
}

static enum err events(struct janitor *j, struct db *db)
{
	return store_event_expire(db, j->settings->event_retention_ms, BATCH, &j->deleted,
				  &j->fail);
}

static enum err (*const duties[])(struct janitor *j, struct db *db) = { messages, bodies, events };

static void run(struct task *t)
{
	struct janitor *j = CONTAINER(t, struct janitor, task);
	struct db *db;

	j->deleted = 0;
	j->code = db_pool_get(j->pool, DB_WAIT_MS, &db, &j->fail);
	if (j->code)
		return;
	j->code = duties[j->duty](j, db);
	db_pool_put(j->pool, db);
}

static void end_round(struct janitor *j)
{
	if (j->total)
		log_info("retention", LF_INT("deleted", j->total));
	j->duty = 0;
	j->total = 0;
	loop_timer_start(j->timer, ROUND_MS);
}

static void done(struct task *t)
{
	struct janitor *j = CONTAINER(t, struct janitor, task);

	j->total += j->deleted;
	if (j->code)
		log_warn("retention_failed", LF_STR("cause", j->fail.what));
	if (j->stopped)
		return;
	if (j->deleted < BATCH)
		j->duty++;
	if (j->code || j->duty == ARRAY_LEN(duties))
		end_round(j);
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
	loop_timer_start(j->timer, FIRST_MS);
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
