/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One claim: asked on the loop, answered by a worker with jobs that own their bytes. A lease must
 * be reckoned from before the database was asked.
 */
#include "deliverd/claim.h"

#include "common/base/clock.h"
#include "common/base/log.h"

enum { DB_WAIT_MS = 1000 };

struct claimer {
	struct task task;
	struct loop *loop;
	struct db_pool *pool;
	const struct settings *settings;
	claim_done_fn *done;
	void *arg;
	char after_user[ID_MAX]; /* whose turn it was last */
	bool busy;
	/* of the claim under way */
	struct webhook_lease lease;
	struct webhook_claim args;
	struct arena arena;
	struct webhook_job **jobs; /* in the arena */
	size_t n;
	enum err code;
	struct fail fail;
};

static void run(struct task *t)
{
	struct claimer *c = CONTAINER(t, struct claimer, task);
	AUTO(db_rows_freep) struct db_rows *rows = NULL;
	struct webhook_row *v;
	struct db *db;

	c->code = db_pool_get(c->pool, DB_WAIT_MS, &db, &c->fail);
	if (c->code)
		return;
	c->code = store_webhook_claim(db, &c->args, &c->arena, &v, &c->n, &rows, &c->fail);
	db_pool_put(c->pool, db);
	if (c->code)
		return;
	c->jobs = arena_calloc(&c->arena, c->n, sizeof(*c->jobs));
	for (size_t i = 0; i < c->n; i++)
		c->jobs[i] = webhook_job_of_row(&v[i], &c->lease);
}

void claim_turn(const struct slice *users, size_t n, char after_user[ID_MAX])
{
	char last[ID_MAX] = "";
	bool round = false; /* `last` had its turn when that came round */

	for (size_t i = 0; i < n; i++) {
		struct slice u = users[i];
		bool again;

		if (u.n >= ID_MAX)
			continue;
		again = memcmp(u.p, after_user, u.n) <= 0; /* ids are of one length */
		if (again != round ? !again : memcmp(u.p, last, u.n) <= 0)
			continue;
		memcpy(last, u.p, u.n);
		last[u.n] = 0;
		round = again;
	}
	memcpy(after_user, last, sizeof(last));
}

static void note_turn(struct claimer *c)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice *users = arena_calloc(&a, c->n, sizeof(*users));

	for (size_t i = 0; i < c->n; i++)
		users[i] = c->jobs[i]->row.user_id;
	claim_turn(users, c->n, c->after_user);
}

static void claimed(struct task *t)
{
	struct claimer *c = CONTAINER(t, struct claimer, task);
	struct arena arena = c->arena; /* whoever is told may ask for the next claim at once */

	arena_init(&c->arena);
	if (c->code) {
		log_warn("webhook_claim_failed", LF_STR("cause", c->fail.what));
		c->n = 0;
	}
	note_turn(c);
	c->busy = false;
	c->done(c->jobs, c->n, c->arg);
	arena_release(&arena);
}

void claimer_ask(struct claimer *c, const struct claim_wish *wish)
{
	struct slice *skip;
	size_t skip_n;

	endpoints_blocked(wish->endpoints, &c->arena, &skip, &skip_n);
	webhook_lease_new(wish->lease_ms, &c->lease);
	c->args = (struct webhook_claim){
		.lease_id = slice_str(c->lease.id),
		.lease_ms = wish->lease_ms,
		.limit = wish->jobs,
		.max_bytes = wish->bytes,
		.per_queue = c->settings->webhook_per_endpoint,
		.drain_rate = c->settings->webhook_drain_rate,
		.skip = skip,
		.skip_n = skip_n,
		.after_user = slice_str(c->after_user),
	};
	c->jobs = NULL;
	c->n = 0;
	c->busy = true;
	loop_submit(c->loop, &c->task);
}

bool claimer_busy(const struct claimer *c)
{
	return c->busy;
}

struct claimer *claimer_new(struct loop *loop, struct db_pool *pool, const struct settings *s,
			    claim_done_fn *done, void *arg)
{
	struct claimer *c = mem_zalloc(sizeof(*c));

	c->task = (struct task){ .lane = LANE_DB, .run = run, .done = claimed };
	c->loop = loop;
	c->pool = pool;
	c->settings = s;
	c->done = done;
	c->arg = arg;
	return c;
}

void claimer_free(struct claimer *c)
{
	free(c);
}
