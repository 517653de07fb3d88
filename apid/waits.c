/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits, by agent. go_on is never called with the lock held. */
#include "apid/waits.h"

#include "apid/conns.h"
#include "apid/presence.h"
#include "apid/workers.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/mail/addr.h"
#include "common/store/store_message.h"

#include <assert.h>
#include <pthread.h>

enum {
	BUCKETS = 1024,
	WINDOW_MS = 3000,       /* before the last look: for mail that is committed late */
	WINDOW_MAX_MS = 600000, /* everybody is woken instead */
	PAGE = 500,
	EARLY_MS = 500, /* half a tick: as often too early as too late */
};

struct waits {
	const struct app *app;
	pthread_mutex_t lock; /* of all below */
	struct wait *buckets[BUCKETS];
	size_t n;
	bool stopping, polling, storage_failed;
	int64_t polled_ms; /* when the last look began */
};

struct waits *waits_new(const struct app *app)
{
	struct waits *all = mem_zalloc(sizeof(*all));

	all->app = app;
	all->polled_ms = clock_mono_ms();
	pthread_mutex_init(&all->lock, NULL);
	return all;
}

void waits_free(struct waits *all)
{
	if (!all)
		return;
	assert(all->n == 0);
	pthread_mutex_destroy(&all->lock);
	free(all);
}

/* FNV-1a: addresses of our own agents and ids of our own, not for attackers to choose at will. */
static uint64_t hash_of(struct slice text)
{
	uint64_t h = 14695981039346656037ULL;

	for (size_t i = 0; i < text.n; i++)
		h = (h ^ (unsigned char)text.p[i]) * 1099511628211ULL;
	return h ^ h >> 32;
}

static size_t bucket_of(struct slice address)
{
	return hash_of(address) % BUCKETS;
}

static bool has_room(const struct waits *all, struct slice user_id, struct slice address)
{
	const struct settings *s = all->app->settings;
	size_t of_agent = 0, of_user = 0;

	for (size_t b = 0; b < BUCKETS; b++)
		for (const struct wait *i = all->buckets[b]; i; i = i->next) {
			of_agent += slice_eq(i->address, address);
			of_user += slice_eq(i->user_id, user_id);
		}
	return all->n < (size_t)s->wait_max && of_agent < (size_t)s->wait_per_agent &&
	       of_user < (size_t)s->wait_per_user;
}

static enum presence_kind presence_of(enum apid_waiter kind)
{
	return kind == WAITER_SSE ? PRESENCE_STREAM : PRESENCE_POLL;
}

bool waits_enter(struct waits *all, struct wait *w, struct slice user_id,
		 const struct store_agent *agent)
{
	struct wait **bucket = &all->buckets[bucket_of(agent->address)];
	bool room;

	pthread_mutex_lock(&all->lock);
	room = has_room(all, user_id, agent->address);
	if (room) {
		w->waits = all;
		w->user_id = user_id;
		w->address = agent->address;
		w->email = agent->email;
		w->next = *bucket;
		*bucket = w;
		all->n++;
		metric_add_at(&apid_metrics[APID_WAITERS], w->kind, 1);
	}
	pthread_mutex_unlock(&all->lock);
	if (room && !w->unseen)
		presence_open(all->app->presence, presence_of(w->kind), agent->email);
	return room;
}

void waits_leave(struct wait *w)
{
	struct waits *all = TAKE(w->waits);
	struct wait **at;

	if (!all)
		return;
	pthread_mutex_lock(&all->lock);
	assert(!w->parked);
	at = &all->buckets[bucket_of(w->address)];
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	all->n--;
	metric_add_at(&apid_metrics[APID_WAITERS], w->kind, -1);
	pthread_mutex_unlock(&all->lock);
	if (!w->unseen)
		presence_close(all->app->presence, presence_of(w->kind), w->email);
}

void waits_tell(struct wait *w, struct slice message_id)
{
	pthread_mutex_lock(&w->waits->lock);
	w->told[w->told_n++ % WAITS_TOLD] = hash_of(message_id);
	pthread_mutex_unlock(&w->waits->lock);
}

enum waits_parked waits_park(struct wait *w, const struct conn *conn)
{
	struct waits *all = w->waits;
	enum waits_parked ret = WAITS_PARKED;

	pthread_mutex_lock(&all->lock);
	if (all->stopping)
		ret = WAITS_OVER;
	else if (w->wanted)
		ret = WAITS_AGAIN;
	w->parked = ret == WAITS_PARKED;
	w->wanted = false;
	w->conn = conn;
	pthread_mutex_unlock(&all->lock);
	return ret;
}

/* The lock is held. From here on it belongs to the list. */
static void take(struct wait *w, enum waits_why why, struct wait **due)
{
	w->parked = false;
	w->why = why;
	w->due = *due;
	*due = w;
}

static void run_due(struct wait *due)
{
	while (due) {
		struct wait *w = due;

		due = w->due; /* it may be gone after this */
		w->go_on(w, w->why);
	}
}

/* The lock is held. One that runs looks again before it waits. */
static void wake(struct wait *w, struct wait **due)
{
	if (w->parked)
		take(w, WAITS_MAIL, due);
	else
		w->wanted = true;
}

static void wake_address(struct waits *all, struct slice address, struct wait **due)
{
	for (struct wait *i = all->buckets[bucket_of(address)]; i; i = i->next)
		if (slice_eq(i->address, address))
			wake(i, due);
}

/* Of one user, or "*". */
static void wake_of(struct waits *all, struct slice user_id, struct wait **due)
{
	bool everybody = slice_eq(user_id, S("*"));

	for (size_t b = 0; b < BUCKETS; b++)
		for (struct wait *i = all->buckets[b]; i; i = i->next)
			if (everybody || slice_eq(i->user_id, user_id))
				wake(i, due);
}

void waits_wake(struct waits *all, struct slice agents)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct wait *due = NULL;
	struct slice name, address;
	bool everybody = slice_eq(agents, S("*"));

	pthread_mutex_lock(&all->lock);
	if (everybody)
		wake_of(all, agents, &due);
	while (!everybody && all->n && slice_cut(&agents, ' ', &name))
		if (addr_fold(name, &a, &address) == OK)
			wake_address(all, address, &due);
	pthread_mutex_unlock(&all->lock);
	run_due(due);
}

void waits_suspect(struct waits *all, struct slice user_id)
{
	struct wait *due = NULL;

	pthread_mutex_lock(&all->lock);
	wake_of(all, user_id, &due);
	pthread_mutex_unlock(&all->lock);
	run_due(due);
}

/* ---- the poll ---- */

struct poll {
	struct job job;
	struct waits *all;
	int64_t began_ms, window_ms;
};

static bool was_told(const struct wait *w, uint64_t message)
{
	for (size_t i = 0; i < WAITS_TOLD && i < w->told_n; i++)
		if (w->told[i] == message)
			return true;
	return false;
}

/* The lock is held. */
static void wake_untold(struct waits *all, struct slice address, struct slice message_id,
			struct wait **due)
{
	uint64_t message = hash_of(message_id);

	for (struct wait *i = all->buckets[bucket_of(address)]; i; i = i->next)
		if (slice_eq(i->address, address) && !was_told(i, message))
			wake(i, due);
}

static void wake_found(struct waits *all, const struct store_message_recent *v, size_t n,
		       struct arena *a)
{
	struct wait *due = NULL;
	struct slice address;

	pthread_mutex_lock(&all->lock);
	for (size_t i = 0; i < n; i++)
		if (addr_fold(v[i].agent, a, &address) == OK)
			wake_untold(all, address, v[i].id, &due);
	pthread_mutex_unlock(&all->lock);
	run_due(due);
}

static enum err look_at_page(const struct poll *p, struct db *db, struct store_message_key *place,
			     struct arena *ret_arena)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_message_recent *v;
	size_t n;
	enum err e = store_message_recent(db, p->window_ms, PAGE, &a, place, &v, &n,
					  &(struct fail){ 0 });

	if (e)
		return e;
	wake_found(p->all, v, n, &a);
	place->id = arena_slice(ret_arena, place->id);
	return OK;
}

static enum err look(const struct poll *p, struct db *db)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_message_key place = { 0 };
	enum err e;

	do {
		e = look_at_page(p, db, &place, &a);
	} while (e == OK && place.id.n);
	return e;
}

static void poll_job(struct job *job, struct db *db)
{
	struct poll *p = (struct poll *)job;
	struct waits *all = p->all;
	struct wait *due = NULL;
	bool everybody = p->window_ms == WINDOW_MAX_MS;
	enum err e = look(p, db);

	pthread_mutex_lock(&all->lock);
	all->polling = false;
	if (e == OK)
		all->polled_ms = p->began_ms;
	if (e == OK && everybody)
		wake_of(all, S("*"), &due);
	pthread_mutex_unlock(&all->lock);
	free(p);
	run_due(due);
}

/* The lock is held. NULL when nobody waits, or a poll is under way. */
static struct poll *begin_poll(struct waits *all, int64_t now_ms)
{
	struct poll *p;

	if (all->n == 0)
		all->polled_ms = now_ms; /* who comes later looks by itself */
	if (all->polling || all->n == 0)
		return NULL;
	p = mem_zalloc(sizeof(*p));
	p->job.run = poll_job;
	p->all = all;
	p->began_ms = now_ms;
	p->window_ms = now_ms - all->polled_ms + WINDOW_MS;
	if (p->window_ms > WINDOW_MAX_MS)
		p->window_ms = WINDOW_MAX_MS;
	all->polling = true;
	return p;
}

/* ---- time ---- */

/* The lock is held. */
static void take_late(struct waits *all, int64_t now_ms, struct wait **due)
{
	for (size_t b = 0; b < BUCKETS; b++)
		for (struct wait *i = all->buckets[b]; i; i = i->next) {
			if (i->parked && i->conn->ended_ms)
				take(i, WAITS_END, due);
			else if (i->parked && i->until_ms < now_ms + EARLY_MS)
				take(i, WAITS_TIME, due);
		}
}

void waits_tick(struct waits *all, int64_t now_ms)
{
	struct wait *due = NULL;
	struct poll *p;

	pthread_mutex_lock(&all->lock);
	take_late(all, now_ms, &due);
	p = begin_poll(all, now_ms);
	pthread_mutex_unlock(&all->lock);
	run_due(due);
	if (p && !workers_post(all->app->workers, &p->job, JOB_SOCKET))
		free(p); /* at a stop */
}

void waits_stop(struct waits *all)
{
	struct wait *due = NULL;

	pthread_mutex_lock(&all->lock);
	all->stopping = true;
	for (size_t b = 0; b < BUCKETS; b++)
		for (struct wait *i = all->buckets[b]; i; i = i->next)
			if (i->parked)
				take(i, WAITS_END, &due);
	pthread_mutex_unlock(&all->lock);
	run_due(due);
}

void waits_note_storage(struct waits *all, const struct fail *fail)
{
	bool before;

	pthread_mutex_lock(&all->lock);
	before = all->storage_failed;
	all->storage_failed = fail != NULL;
	pthread_mutex_unlock(&all->lock);
	if (fail && !before)
		log_warn("events_read_failed", LF_STR("detail", fail->what));
	if (!fail && before)
		log_info("events_read_works_again");
}
