/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gauges. The database is asked by one bounded statement at fixed times, never because
 * somebody scrapes; while it does not answer there are no numbers instead of old ones.
 */
#include "deliverd/gauges.h"

#include "common/store/store_depth.h"
#include "deliverd/deliverd_metrics.h"
#include "deliverd/lmtp_server.h"
#include "deliverd/webhook.h"

enum { TICK_MS = 1000, TICKS_PER_LOOK = 15, DB_WAIT_MS = 1000 };

struct gauges {
	struct gauges_config config;
	struct task task;
	struct loop_timer *timer;
	unsigned ticks; /* since the last look began */
	bool looking;
	struct store_depth depth[QUEUES];
	int64_t endpoints[ENDPOINT_STATES];
	enum err code;
};

static void set(enum deliverd_metric m, int64_t value)
{
	metric_set(&deliverd_metrics[m], value);
}

/* ---- in the database ---- */

static void look(struct task *t)
{
	struct gauges *g = CONTAINER(t, struct gauges, task);
	struct db *db;

	g->code = db_pool_get(g->config.pool, DB_WAIT_MS, &db, NULL);
	if (g->code)
		return;
	g->code = store_depth(db, g->depth, NULL);
	if (g->code == OK)
		g->code = store_depth_endpoints(db, g->endpoints, NULL);
	db_pool_put(g->config.pool, db);
}

static void show(const struct store_depth depth[QUEUES], const int64_t endpoints[ENDPOINT_STATES])
{
	for (size_t i = 0; i < QUEUES; i++) {
		metric_set_at(&deliverd_metrics[DELIVERD_PENDING], i, depth[i].pending);
		metric_set_at(&deliverd_metrics[DELIVERD_FAILED], i, depth[i].failed);
		metric_set_at(&deliverd_metrics[DELIVERD_BEHIND_MS], i, depth[i].behind_ms);
	}
	for (size_t i = 0; i < ENDPOINT_STATES; i++)
		metric_set_at(&deliverd_metrics[DELIVERD_ENDPOINTS], i, endpoints[i]);
}

static void show_nothing(void)
{
	struct store_depth depth[QUEUES];
	int64_t endpoints[ENDPOINT_STATES];

	for (size_t i = 0; i < QUEUES; i++)
		depth[i] = (struct store_depth){ METRIC_UNKNOWN, METRIC_UNKNOWN, METRIC_UNKNOWN };
	for (size_t i = 0; i < ENDPOINT_STATES; i++)
		endpoints[i] = METRIC_UNKNOWN;
	show(depth, endpoints);
}

static void looked(struct task *t)
{
	struct gauges *g = CONTAINER(t, struct gauges, task);

	g->looking = false;
	if (g->code)
		show_nothing();
	else
		show(g->depth, g->endpoints);
}

/* ---- in memory ---- */

static void tick(void *arg)
{
	struct gauges *g = arg;

	set(DELIVERD_MEMORY, (int64_t)g->config.budget->used);
	set(DELIVERD_LMTP_CONNECTIONS, (int64_t)lmtp_server_connections(g->config.lmtp));
	set(DELIVERD_JOBS, (int64_t)webhook_jobs(g->config.webhook));
	set(DELIVERD_CALLS, (int64_t)webhook_calls(g->config.webhook));
	if (++g->ticks >= TICKS_PER_LOOK && !g->looking) {
		g->ticks = 0;
		g->looking = true;
		loop_submit(g->config.loop, &g->task);
	}
	loop_timer_start(g->timer, TICK_MS);
}

struct gauges *gauges_new(const struct gauges_config *config)
{
	struct gauges *g = mem_zalloc(sizeof(*g));

	g->config = *config;
	g->task = (struct task){ .lane = LANE_DB, .run = look, .done = looked };
	g->ticks = TICKS_PER_LOOK; /* the first look is now */
	set(DELIVERD_MEMORY_LIMIT, (int64_t)config->budget->limit);
	show_nothing();
	g->timer = loop_timer_new(config->loop, tick, g);
	loop_timer_start(g->timer, 0);
	return g;
}

void gauges_stop(struct gauges *g)
{
	loop_timer_stop(g->timer);
}

void gauges_free(struct gauges *g)
{
	if (!g)
		return;
	loop_timer_free(g->timer);
	free(g);
}
