/* SPDX-License-Identifier: Apache-2.0 */
/* The probe thread. It must never hold its lock while it asks the database. */
#include "apid/ready.h"

#include "common/base/clock.h"
#include "common/base/log.h"

#include <pthread.h>

struct ready {
	struct db *db; /* the thread's */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stop;
	bool stopping;
	struct ready_state state;
	int64_t at_ms; /* of the last answer */
};

static struct timespec in_ms(clockid_t clock, int64_t ms)
{
	struct timespec t;

	clock_gettime(clock, &t);
	t.tv_nsec += ms % 1000 * 1000000;
	t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

static enum err look(struct db *db, struct ready_state *ret, struct fail *fail)
{
	enum err e = db_check_schema(db, fail);

	*ret = (struct ready_state){ .database = e == OK || e == ERR_SCHEMA, .schema = e == OK };
	if (e == OK)
		e = store_ready_backlog(db, &ret->backlog, fail);
	if (e && e != ERR_SCHEMA)
		ret->database = false;
	return e;
}

static bool is_ready(const struct ready_state *s)
{
	return s->database && s->schema;
}

static void note(struct ready *r, const struct ready_state *now, const struct fail *fail)
{
	bool before;

	pthread_mutex_lock(&r->lock);
	before = is_ready(&r->state);
	r->state = *now;
	r->at_ms = clock_mono_ms();
	pthread_mutex_unlock(&r->lock);
	if (before && !is_ready(now))
		log_warn("not_ready", LF_STR("detail", fail->what));
	else if (!before && is_ready(now))
		log_info("ready_again");
}

/* False at the end. */
static bool wait_for_turn(struct ready *r)
{
	struct timespec until = in_ms(CLOCK_MONOTONIC, READY_PERIOD_MS);
	bool stopping;

	pthread_mutex_lock(&r->lock);
	while (!r->stopping && pthread_cond_timedwait(&r->stop, &r->lock, &until) == 0)
		;
	stopping = r->stopping;
	pthread_mutex_unlock(&r->lock);
	return !stopping;
}

static void *run(void *arg)
{
	struct ready *r = arg;

	do {
		struct ready_state now;
		struct fail fail = { 0 };

		if (look(r->db, &now, &fail) == OK)
			fail.what[0] = '\0';
		note(r, &now, &fail);
	} while (wait_for_turn(r));
	return NULL;
}

/* The schema was right a moment ago: main has looked. */
struct ready *ready_new(const struct app *app)
{
	struct ready *r = mem_zalloc(sizeof(*r));
	pthread_condattr_t attr;

	r->db = db_new(app->settings->database_url, "e2a_apid", "e2a-apid");
	r->state = (struct ready_state){ .database = true, .schema = true };
	r->at_ms = clock_mono_ms();
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->stop, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&r->thread, NULL, run, r))
		abort(); /* out of resources before anything was served */
	return r;
}

/* A thread that the database does not let go is left behind: the process ends anyway. */
void ready_free(struct ready *r)
{
	struct timespec until = in_ms(CLOCK_REALTIME, READY_PERIOD_MS);

	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stopping = true;
	pthread_cond_signal(&r->stop);
	pthread_mutex_unlock(&r->lock);
	if (pthread_timedjoin_np(r->thread, NULL, &until))
		return;
	db_close(r->db);
	pthread_cond_destroy(&r->stop);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

struct ready_state ready_now(struct ready *r)
{
	struct ready_state s;

	pthread_mutex_lock(&r->lock);
	s = r->state;
	if (clock_mono_ms() - r->at_ms > READY_STALE_MS)
		s = (struct ready_state){ .database = false };
	pthread_mutex_unlock(&r->lock);
	return s;
}
