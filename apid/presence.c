/* SPDX-License-Identifier: Apache-2.0 */
/* Counts by agent, and a list of those that have changed. The database is never asked with the
 * lock held. */
#include "apid/presence.h"

#include "apid/workers.h"
#include "common/base/clock.h"
#include "common/base/ids.h"
#include "common/base/log.h"
#include "common/store/store_presence.h"

#include <assert.h>
#include <pthread.h>

enum {
	INSTANCE_DIGITS = 32,
	BUCKETS = 4096,
	FLUSH_MS = 2000,
	BEAT_MS = 10000,          /* of three and a half that store_overview.c waits for */
	GONE_MS = 60 * 60 * 1000, /* others that were not seen for so long */
};

struct entry {
	struct entry *next;         /* in its bucket */
	struct entry *next_changed; /* while it is `changed` */
	bool changed;
	int64_t n[PRESENCE_KINDS];
	size_t email_n;
	char email[];
};

struct presence {
	const struct app *app;
	char instance[TOKEN_HEX_LEN + 1];
	pthread_mutex_t lock; /* of all below */
	struct entry *buckets[BUCKETS];
	struct entry *changed, **changed_tail;
	bool flushing, failed, stopping;
	int64_t flushed_ms, beat_ms; /* when the last one began */
};

/* One flush. The texts are copies: an entry may go meanwhile. */
struct flush {
	struct job job;
	struct presence *p;
	bool expire;
	struct arena arena;
	struct store_presence batch;
};

struct presence *presence_new(const struct app *app)
{
	struct presence *p = mem_zalloc(sizeof(*p));

	p->app = app;
	id_random_hex(INSTANCE_DIGITS, p->instance);
	p->changed_tail = &p->changed;
	p->flushed_ms = p->beat_ms = clock_mono_ms() - BEAT_MS;
	pthread_mutex_init(&p->lock, NULL);
	return p;
}

void presence_free(struct presence *p)
{
	if (!p)
		return;
	for (size_t b = 0; b < BUCKETS; b++)
		while (p->buckets[b]) {
			struct entry *e = p->buckets[b];

			p->buckets[b] = e->next;
			free(e);
		}
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* FNV-1a: addresses of our own agents, not for attackers to choose at will. */
static struct entry **bucket_of(struct presence *p, struct slice email)
{
	uint64_t h = 14695981039346656037ULL;

	for (size_t i = 0; i < email.n; i++)
		h = (h ^ (unsigned char)email.p[i]) * 1099511628211ULL;
	return &p->buckets[(h ^ h >> 32) % BUCKETS];
}

static struct slice email_of(const struct entry *e)
{
	return slice_of(e->email, e->email_n);
}

/* The lock is held, here and below. Where it is, or belongs. */
static struct entry **find(struct presence *p, struct slice email)
{
	struct entry **at = bucket_of(p, email);

	while (*at && !slice_eq(email_of(*at), email))
		at = &(*at)->next;
	return at;
}

static struct entry *entry_new(struct slice email)
{
	struct entry *e = mem_zalloc(sizeof(*e) + email.n);

	e->email_n = email.n;
	memcpy(e->email, email.p, email.n);
	return e;
}

static void note_changed(struct presence *p, struct entry *e)
{
	if (e->changed)
		return;
	e->changed = true;
	e->next_changed = NULL;
	*p->changed_tail = e;
	p->changed_tail = &e->next_changed;
}

static void note_all_changed(struct presence *p)
{
	for (size_t b = 0; b < BUCKETS; b++)
		for (struct entry *e = p->buckets[b]; e; e = e->next)
			note_changed(p, e);
}

static void count(struct presence *p, enum presence_kind kind, struct slice agent, int64_t more)
{
	struct entry **at;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	at = find(p, agent);
	if (!*at)
		*at = entry_new(agent);
	(*at)->n[kind] += more;
	assert((*at)->n[kind] >= 0);
	note_changed(p, *at);
	pthread_mutex_unlock(&p->lock);
}

void presence_open(struct presence *p, enum presence_kind kind, struct slice agent)
{
	count(p, kind, agent, 1);
}

void presence_close(struct presence *p, enum presence_kind kind, struct slice agent)
{
	count(p, kind, agent, -1);
}

/* ---- the database ---- */

static bool is_nobody(const struct entry *e)
{
	return !e->n[PRESENCE_SOCKET] && !e->n[PRESENCE_STREAM] && !e->n[PRESENCE_POLL];
}

static void take_one(struct presence *p, struct flush *f)
{
	struct entry *e = p->changed;
	size_t i = f->batch.n++;

	p->changed = e->next_changed;
	if (!p->changed)
		p->changed_tail = &p->changed;
	e->changed = false;
	f->batch.agents[i] = arena_slice(&f->arena, email_of(e));
	f->batch.sockets[i] = e->n[PRESENCE_SOCKET];
	f->batch.streams[i] = e->n[PRESENCE_STREAM];
	f->batch.polls[i] = e->n[PRESENCE_POLL];
	if (is_nobody(e)) {
		*find(p, email_of(e)) = e->next;
		free(e);
	}
}

static void take_batch(struct presence *p, struct flush *f)
{
	while (p->changed && f->batch.n < STORE_PRESENCE_MAX)
		take_one(p, f);
}

static void give_back(struct presence *p, const struct flush *f)
{
	for (size_t i = 0; i < f->batch.n; i++) {
		struct entry **at = find(p, f->batch.agents[i]);

		if (!*at)
			*at = entry_new(f->batch.agents[i]);
		note_changed(p, *at);
	}
}

static void note_storage(struct presence *p, bool failed, const struct fail *fail)
{
	if (failed && !p->failed)
		log_warn("presence_failed", LF_STR("detail", fail->what));
	if (!failed && p->failed)
		log_info("presence_works_again");
	p->failed = failed;
}

/* True when we were to leave meanwhile. */
static bool settle(struct presence *p, const struct flush *f, enum err e,
		   const struct store_presence_found *found, const struct fail *fail)
{
	bool stopping;

	pthread_mutex_lock(&p->lock);
	note_storage(p, e != OK, fail);
	if (e || found->again)
		give_back(p, f);
	if (e == OK && found->fresh)
		note_all_changed(p);
	p->flushing = false;
	/* The rest of many follows at the next tick. */
	if (e == OK && f->batch.n == STORE_PRESENCE_MAX)
		p->flushed_ms -= FLUSH_MS;
	stopping = p->stopping;
	pthread_mutex_unlock(&p->lock);
	return stopping;
}

static void flush_free(struct flush *f)
{
	arena_release(&f->arena);
	free(f);
}

static void leave(struct presence *p, struct db *db)
{
	struct fail fail = { 0 };

	if (store_presence_expire(db, slice_str(p->instance), GONE_MS, &fail))
		log_warn("presence_failed", LF_STR("detail", fail.what));
}

static void flush_job(struct job *job, struct db *db)
{
	struct flush *f = (struct flush *)job;
	struct slice instance = slice_str(f->p->instance);
	struct store_presence_found found = { 0 };
	struct fail fail = { 0 };
	enum err e = store_presence_flush(db, instance, &f->batch, &found, &fail);

	if (e == OK && f->expire)
		e = store_presence_expire(db, S(""), GONE_MS, &fail);
	if (settle(f->p, f, e, &found, &fail))
		leave(f->p, db);
	flush_free(f);
}

/* The lock is held. NULL when there is nothing to say yet, or somebody says it. */
static struct flush *begin_flush(struct presence *p, int64_t now_ms)
{
	bool beat = now_ms - p->beat_ms >= BEAT_MS;
	struct flush *f;

	if (p->flushing || p->stopping ||
	    (!beat && (!p->changed || now_ms - p->flushed_ms < FLUSH_MS)))
		return NULL;
	f = mem_zalloc(sizeof(*f));
	f->job.run = flush_job;
	f->p = p;
	f->expire = beat;
	take_batch(p, f);
	p->flushing = true;
	p->flushed_ms = now_ms;
	p->beat_ms = now_ms; /* each flush says that we are here */
	return f;
}

void presence_tick(struct presence *p, int64_t now_ms)
{
	struct flush *f;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	f = begin_flush(p, now_ms);
	pthread_mutex_unlock(&p->lock);
	if (f && !workers_post(p->app->workers, &f->job, JOB_SOCKET))
		flush_free(f); /* at a stop */
}

static void leave_job(struct job *job, struct db *db)
{
	struct flush *f = (struct flush *)job;

	leave(f->p, db);
	flush_free(f);
}

/* Whoever writes at this moment leaves afterwards. */
void presence_stop(struct presence *p)
{
	struct flush *f = mem_zalloc(sizeof(*f));
	bool flushing;

	f->job.run = leave_job;
	f->p = p;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	flushing = p->flushing;
	pthread_mutex_unlock(&p->lock);
	if (flushing || !workers_post(p->app->workers, &f->job, JOB_SOCKET))
		flush_free(f);
}
