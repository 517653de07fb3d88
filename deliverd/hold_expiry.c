/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batch by batch until none is due. It must never end a hold by a failure of its own: one
 * that cannot be ended now is left as it is, does not keep those behind it, and is tried
 * again in the next round.
 */
#include "deliverd/hold_expiry.h"

#include "common/base/log.h"
#include "common/store/store_decide.h"

enum { BATCH = 20, FAILED_MAX = 1000, DB_WAIT_MS = 5000 };

struct hold_expiry {
	struct task task;
	struct loop *loop;
	const struct settings *settings;
	struct db_pool *pool;
	struct outbound *outbound;
	struct loop_timer *timer;
	int64_t limit; /* of the present batch, which begins with those that failed */
	struct arena arena;
	struct store_expired *v; /* of it */
	size_t n;
	bool stopped;
	enum err code;
	struct fail fail;
};

static void run(struct task *t)
{
	struct hold_expiry *h = CONTAINER(t, struct hold_expiry, task);
	struct db *db;

	arena_release(&h->arena);
	h->n = 0;
	h->code = db_pool_get(h->pool, DB_WAIT_MS, &db, &h->fail);
	if (h->code)
		return;
	h->code =
		store_decide_expire(db, h->limit, h->settings->outbound_lifetime_ms,
				    h->settings->usage_tracking, &h->arena, &h->v, &h->n, &h->fail);
	db_pool_put(h->pool, db);
}

static bool is_ended(const struct store_expired *e)
{
	return e->status.n > 0;
}

static int64_t failed_n(const struct hold_expiry *h)
{
	int64_t n = 0;

	for (size_t i = 0; i < h->n; i++)
		n += !is_ended(&h->v[i]);
	return n;
}

/*
 * Is there perhaps more? The next batch is larger by those that failed, so that it reaches
 * behind them.
 */
static bool goes_on(const struct hold_expiry *h, int64_t failed)
{
	return h->code == OK && (int64_t)h->n == h->limit && failed < FAILED_MAX;
}

static void log_batch(const struct hold_expiry *h, bool last)
{
	for (size_t i = 0; i < h->n; i++) {
		const struct store_expired *e = &h->v[i];

		if (is_ended(e))
			log_info("hold_expired", LF_SLICE("message_id", e->message_id),
				 LF_SLICE("status", e->status), LF_SLICE("reason", e->why));
		else if (last) /* the last batch has all of them */
			log_warn("hold_expiry_failed", LF_SLICE("message_id", e->message_id),
				 LF_SLICE("cause", e->why));
	}
	if (h->code)
		log_warn("hold_expiry_failed", LF_STR("cause", h->fail.what));
}

static bool has_released(const struct hold_expiry *h)
{
	for (size_t i = 0; i < h->n; i++)
		if (slice_eq(h->v[i].status, S("expired_approved")))
			return true;
	return false;
}

static void done(struct task *t)
{
	struct hold_expiry *h = CONTAINER(t, struct hold_expiry, task);
	int64_t failed = failed_n(h);
	bool more = goes_on(h, failed);

	log_batch(h, !more);
	if (has_released(h))
		outbound_wake(h->outbound);
	if (h->stopped)
		return;
	h->limit = more ? failed + BATCH : BATCH;
	loop_timer_start(h->timer, more ? 0 : h->settings->hold_expiry_interval_ms);
}

static void start(void *arg)
{
	struct hold_expiry *h = arg;

	loop_submit(h->loop, &h->task);
}

struct hold_expiry *hold_expiry_new(struct loop *loop, const struct settings *s,
				    struct db_pool *pool, struct outbound *outbound)
{
	struct hold_expiry *h = mem_zalloc(sizeof(*h));

	h->task = (struct task){ .lane = LANE_DB, .run = run, .done = done };
	h->loop = loop;
	h->settings = s;
	h->pool = pool;
	h->outbound = outbound;
	h->limit = BATCH;
	arena_init(&h->arena);
	h->timer = loop_timer_new(loop, start, h);
	loop_timer_start(h->timer, 0);
	return h;
}

void hold_expiry_stop(struct hold_expiry *h)
{
	h->stopped = true;
	loop_timer_stop(h->timer);
}

void hold_expiry_free(struct hold_expiry *h)
{
	if (!h)
		return;
	loop_timer_free(h->timer);
	arena_release(&h->arena);
	free(h);
}
