/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Announcements. The first one goes out at once, those of the next moments as one: the
 * server takes a lock for each that all other commits with one wait for.
 */
#include "apid/announcer.h"

#include "common/base/log.h"
#include "common/store/store_submit.h"

#include <pthread.h>
#include <time.h>

enum { PAUSE_MS = 50 };

struct announcer {
	const struct settings *settings;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t news;
	bool posted, stopping; /* under the lock */
	bool down;             /* the thread's own */
};

static void announce(struct announcer *a, struct db *db)
{
	struct fail fail = { 0 };
	bool failed = store_submit_announce(db, &fail) != OK;

	if (failed && !a->down)
		log_warn("announce_failed", LF_STR("detail", fail.what));
	a->down = failed;
}

/* False at the end, when nothing is left to be told. */
static bool wait_for_news(struct announcer *a)
{
	bool posted;

	pthread_mutex_lock(&a->lock);
	while (!a->posted && !a->stopping)
		pthread_cond_wait(&a->news, &a->lock);
	posted = a->posted;
	a->posted = false;
	pthread_mutex_unlock(&a->lock);
	return posted;
}

static void *run(void *arg)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
	struct announcer *a = arg;
	struct db *db = db_new(a->settings->database_url, "e2a_apid", "e2a-apid announce");

	while (wait_for_news(a)) {
		announce(a, db);
		nanosleep(&pause, NULL);
	}
	db_close(db);
	return NULL;
}

struct announcer *announcer_new(const struct settings *s)
{
	struct announcer *a = mem_zalloc(sizeof(*a));

	a->settings = s;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->news, NULL);
	if (pthread_create(&a->thread, NULL, run, a))
		abort(); /* out of resources before anything was served */
	return a;
}

void announcer_post(struct announcer *a)
{
	pthread_mutex_lock(&a->lock);
	if (!a->posted)
		pthread_cond_signal(&a->news);
	a->posted = true;
	pthread_mutex_unlock(&a->lock);
}

void announcer_free(struct announcer *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->stopping = true;
	pthread_cond_signal(&a->news);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	pthread_cond_destroy(&a->news);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
