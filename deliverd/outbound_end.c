/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One batch of ends is on its way at a time; what comes meanwhile makes the next one.
 * An end must never be dropped because a statement failed.
 */
#include "deliverd/outbound_end.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "deliverd/deliverd_metrics.h"

enum { GATHER_MS = 5, RETRY_MS = 1000, DB_WAIT_MS = 1000, BATCH_MAX = STORE_OUTBOUND_BATCH_MAX };

struct outbound_ends {
	struct task task;
	struct loop *loop;
	struct db_pool *pool;
	struct loop_timer *timer;
	struct outbound_attempt **v;
	size_t n, cap;
	size_t batch_n; /* the first ones are on their way */
	bool writing;
	size_t ours;
	struct fail fail;
};

/* ---- on a worker ---- */

static enum err write_ends(struct outbound_ends *e, struct db *db, size_t from, size_t n)
{
	struct store_outbound_result results[BATCH_MAX];
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_outbound_rcpt *rcpts;
	size_t rcpts_n = 0, ours;
	enum err code;

	for (size_t i = 0; i < n; i++)
		rcpts_n += e->v[from + i]->rcpts_n;
	rcpts = arena_calloc(&a, rcpts_n, sizeof(*rcpts));
	rcpts_n = 0;
	for (size_t i = 0; i < n; i++) {
		const struct outbound_attempt *at = e->v[from + i];

		results[i] = at->result;
		for (size_t k = 0; k < at->rcpts_n; k++)
			rcpts[rcpts_n++] = at->rcpts[k];
	}
	code = store_outbound_finish(db, results, n, rcpts, rcpts_n, &ours, &e->fail);
	if (code == OK)
		e->ours += ours;
	return code;
}

/*
 * One that cannot be written at all must not keep the others: it is left to its lease, and
 * Postfix will be asked.
 */
static enum err write_batch(struct outbound_ends *e, struct db *db)
{
	enum err code = write_ends(e, db, 0, e->batch_n);

	if (code == OK || err_info(code)->retryable || code == ERR_COMMIT_UNKNOWN)
		return code;
	for (size_t i = 0; i < e->batch_n; i++) {
		code = write_ends(e, db, i, 1);
		if (code && (err_info(code)->retryable || code == ERR_COMMIT_UNKNOWN))
			return code;
		if (code)
			fail_set(&e->v[i]->fail, code, "%s", e->fail.what);
	}
	return OK;
}

static void run(struct task *t)
{
	struct outbound_ends *e = CONTAINER(t, struct outbound_ends, task);
	struct db *db;

	e->ours = 0;
	e->fail.code = db_pool_get(e->pool, DB_WAIT_MS, &db, &e->fail);
	if (e->fail.code)
		return;
	e->fail.code = write_batch(e, db);
	db_pool_put(e->pool, db);
}

/* ---- on the loop ---- */

static const char *const words[] = {
	[STORE_OUTBOUND_TAKEN] = "outbound_sent",
	[STORE_OUTBOUND_LATER] = "outbound_deferred",
	[STORE_OUTBOUND_SNOOZED] = "outbound_snoozed",
	[STORE_OUTBOUND_LOST] = "outbound_lost",
	[STORE_OUTBOUND_UNKNOWN] = "outbound_unknown",
	[STORE_OUTBOUND_REFUSED] = "outbound_refused",
	[STORE_OUTBOUND_FAILED] = "outbound_failed",
};

static enum log_level level_of(const struct outbound_attempt *at)
{
	switch (at->result.outcome) {
	case STORE_OUTBOUND_TAKEN:
	case STORE_OUTBOUND_REFUSED:
		return LOGL_INFO;
	case STORE_OUTBOUND_SNOOZED:
		return LOGL_DEBUG;
	default:
		return LOGL_WARN;
	}
}

static void log_end(const struct outbound_attempt *at)
{
	const struct store_outbound_job *j = &at->batch->jobs[at->i];
	size_t failed = 0;

	for (size_t i = 0; i < at->rcpts_n; i++)
		failed += slice_eq(slice_str(at->rcpts[i].status), S("failed"));
	LOG_AT(level_of(at), words[at->result.outcome], LF_SLICE("message_id", j->message_id),
	       LF_SLICE("agent", j->agent_email), LF_STR("part", j->world ? "world" : "agents"),
	       LF_INT("attempt", j->attempts), LF_INT("recipients", j->rcpts_n),
	       LF_INT("failed", failed), LF_SLICE("verp", at->batch->verp[at->i]),
	       LF_SLICE("queue_id", at->queue_id),
	       LF_STR("reason", event_reason_name(at->result.reason)),
	       LF_INT("smtp", at->answer.reply.code), LF_STR("said", at->answer.reply.text),
	       LF_STR("cause", at->fail.code ? at->fail.what : ""), { .key = NULL });
}

static void end_batch(struct outbound_ends *e)
{
	for (size_t i = 0; i < e->batch_n; i++) {
		log_end(e->v[i]);
		metric_add_at(&deliverd_metrics[DELIVERD_OUTBOUND], e->v[i]->result.outcome, 1);
		outbound_attempt_free(e->v[i]);
	}
	e->n -= e->batch_n;
	memmove(e->v, e->v + e->batch_n, e->n * sizeof(*e->v));
	if (e->ours < e->batch_n)
		log_warn("outbound_ends_late", LF_INT("ends", e->batch_n - e->ours));
}

static void done(struct task *t)
{
	struct outbound_ends *e = CONTAINER(t, struct outbound_ends, task);

	e->writing = false;
	if (e->fail.code)
		log_warn("outbound_ends_not_written", LF_INT("ends", e->batch_n),
			 LF_STR("cause", e->fail.what));
	else
		end_batch(e);
	e->batch_n = 0;
	if (e->n)
		loop_timer_start(e->timer, e->fail.code ? RETRY_MS : 0);
}

static void flush(void *arg)
{
	struct outbound_ends *e = arg;

	e->batch_n = e->n < BATCH_MAX ? e->n : BATCH_MAX;
	e->writing = true;
	loop_submit(e->loop, &e->task);
}

struct outbound_ends *outbound_ends_new(struct loop *loop, struct db_pool *pool)
{
	struct outbound_ends *e = mem_zalloc(sizeof(*e));

	e->task = (struct task){ .lane = LANE_DB, .run = run, .done = done };
	e->loop = loop;
	e->pool = pool;
	e->timer = loop_timer_new(loop, flush, e);
	return e;
}

void outbound_ends_add(struct outbound_ends *e, struct outbound_attempt *at)
{
	if (e->n == e->cap) {
		e->cap = e->cap ? 2 * e->cap : 16;
		e->v = mem_realloc(e->v, e->cap * sizeof(*e->v));
	}
	e->v[e->n++] = at;
	if (!e->writing && !loop_timer_active(e->timer))
		loop_timer_start(e->timer, GATHER_MS);
}

size_t outbound_ends_waiting(const struct outbound_ends *e)
{
	return e->n;
}

void outbound_ends_free(struct outbound_ends *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->n; i++)
		outbound_attempt_free(e->v[i]);
	loop_timer_free(e->timer);
	free(e->v);
	free(e);
}
