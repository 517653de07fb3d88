/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One domain per task, a few tasks at once, so that a name server that does not
 * answer holds up its own domain only. No task keeps a connection while it waits
 * for DNS or makes a key.
 */
#include "deliverd/domain_watch.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/mail/dns_records.h"
#include "common/store/store_dkim.h"
#include "common/store/store_domain_record.h"

enum {
	LOOK_MS = 5000,
	DB_WAIT_MS = 5000,
	TICK_MAX_MS = 60 * 1000, /* a domain may be due long before the interval is over */
};

/* One domain. */
struct look {
	struct task task;
	struct domain_watch *owner;
	struct arena arena;
	struct store_domain domain; /* as it is read, then with what is found */
	int64_t began_ms;
	struct store_domain_saved saved;
	bool busy, due, key_made, is_saved; /* due: there was a domain */
	enum err code;
	struct fail fail;
};

struct domain_watch {
	struct domain_watch_config config;
	struct loop_timer *timer;
	struct look looks[DOMAIN_LOOKS_AT_ONCE];
	bool stopped;
};

/* ---- a look, on some thread ---- */

static enum err with_db(struct look *l, enum err (*fn)(struct look *l, struct db *db, void *arg),
			void *arg)
{
	struct db *db;
	enum err e = db_pool_get(l->owner->config.pool, DB_WAIT_MS, &db, &l->fail);

	if (e)
		return e;
	e = fn(l, db, arg);
	db_pool_put(l->owner->config.pool, db);
	return e;
}

static enum err take_one(struct look *l, struct db *db, void *arg)
{
	enum err e =
		store_domain_record_due(db, l->owner->config.settings->domain_check_interval_ms,
					&l->arena, &l->domain, &l->fail);

	(void)arg;
	l->due = e == OK;
	return e == ERR_NOT_FOUND ? OK : e;
}

static enum err add_key(struct look *l, struct db *db, void *arg)
{
	const struct store_dkim_pair *pair = arg;
	enum err e = store_dkim_add(db, l->owner->config.keys, l->domain.id, pair, &l->key_made,
				    &l->fail);

	return e ? e : store_domain_get(db, l->domain.id, &l->arena, &l->domain, &l->fail);
}

static enum err ensure_key(struct look *l)
{
	AUTO(store_dkim_release) struct store_dkim_pair pair = { 0 };
	enum err e;

	if (l->domain.records[DNS_RECORD_DKIM].selector.n)
		return OK;
	e = store_dkim_make(&pair, &l->fail);
	return e ? e : with_db(l, add_key, &pair);
}

static enum err save(struct look *l, struct db *db, void *arg)
{
	(void)arg;
	return store_domain_record_save(db, l->domain.id, l->domain.records,
					clock_mono_ms() - l->began_ms, &l->arena, &l->saved,
					&l->fail);
}

static void ask_dns(struct look *l)
{
	const struct domain_watch_config *c = &l->owner->config;
	struct store_domain *d = &l->domain;

	l->began_ms = clock_mono_ms();
	dns_records_describe(c->settings, d->token, &l->arena, d->records);
	dns_records_look(c->dns, c->settings, d->domain, l->began_ms + LOOK_MS, &l->arena,
			 d->records);
}

static void run(struct task *t)
{
	struct look *l = CONTAINER(t, struct look, task);

	arena_release(&l->arena);
	l->due = l->key_made = l->is_saved = false;
	l->code = with_db(l, take_one, NULL);
	if (l->code || !l->due)
		return;
	l->code = ensure_key(l);
	if (l->code)
		return;
	ask_dns(l);
	l->code = with_db(l, save, NULL);
	l->is_saved = l->code == OK;
	if (l->code == ERR_NOT_FOUND) /* given up meanwhile */
		l->code = OK;
}

/* ---- what came of it, on the loop's thread ---- */

/* An outage of DNS changes every record of every domain. */
static enum log_level level_of(enum dns_status from, enum dns_status to)
{
	if (to == DNS_UNKNOWN)
		return LOGL_DEBUG;
	return from == DNS_PUBLISHED ? LOGL_WARN : LOGL_INFO;
}

/* The record that was number i; a key is another one when another key signs. */
static const struct dns_record *now(const struct store_domain_saved *s, size_t i)
{
	const struct dns_record *after = s->after.records;
	struct slice key = s->before.records[i].key;

	for (size_t k = DNS_RECORD_DKIM; k < DNS_RECORD_COUNT && key.n; k++)
		if (slice_eq(after[k].key, key))
			return &after[k];
	return &after[i];
}

static void log_changes(const struct store_domain_saved *s)
{
	for (size_t i = 0; i < DNS_RECORD_COUNT; i++) {
		enum dns_status from = s->before.records[i].status, to = now(s, i)->status;

		if (from != to)
			LOG_AT(level_of(from, to), "domain_record_changed",
			       LF_SLICE("domain", s->after.domain),
			       LF_STR("record", dns_record_name((enum dns_record_kind)i)),
			       LF_STR("from", dns_status_word(from)),
			       LF_STR("to", dns_status_word(to)), { .key = NULL });
	}
	if (s->promoted)
		log_info("dkim_key_promoted", LF_SLICE("domain", s->after.domain),
			 LF_SLICE("selector", s->after.records[DNS_RECORD_DKIM].selector));
}

static void log_look(const struct look *l)
{
	if (l->code)
		log_warn("domain_look_failed",
			 LF_SLICE("domain", l->due ? l->domain.domain : S("")),
			 LF_STR("cause", l->fail.what));
	if (l->due && l->key_made)
		log_info("dkim_key_made", LF_SLICE("domain", l->domain.domain));
	if (l->is_saved)
		log_changes(&l->saved);
}

static void start(struct look *l)
{
	if (l->busy || l->owner->stopped)
		return;
	l->busy = true;
	loop_submit(l->owner->config.loop, &l->task);
}

/* On to the next one, while there is one. */
static void done(struct task *t)
{
	struct look *l = CONTAINER(t, struct look, task);

	log_look(l);
	l->busy = false;
	if (l->due && !l->code)
		start(l);
}

static void tick(void *arg)
{
	struct domain_watch *w = arg;
	int64_t interval_ms = w->config.settings->domain_check_interval_ms;

	for (size_t i = 0; i < DOMAIN_LOOKS_AT_ONCE; i++)
		start(&w->looks[i]);
	loop_timer_start(w->timer, interval_ms < TICK_MAX_MS ? interval_ms : TICK_MAX_MS);
}

/* ---- life ---- */

struct domain_watch *domain_watch_new(const struct domain_watch_config *config)
{
	struct domain_watch *w = mem_zalloc(sizeof(*w));

	w->config = *config;
	for (size_t i = 0; i < DOMAIN_LOOKS_AT_ONCE; i++) {
		struct look *l = &w->looks[i];

		l->task = (struct task){ .lane = LANE_NAMES, .run = run, .done = done };
		l->owner = w;
		arena_init(&l->arena);
	}
	w->timer = loop_timer_new(config->loop, tick, w);
	loop_timer_start(w->timer, 0);
	return w;
}

void domain_watch_stop(struct domain_watch *w)
{
	w->stopped = true;
	loop_timer_stop(w->timer);
}

void domain_watch_free(struct domain_watch *w)
{
	if (!w)
		return;
	loop_timer_free(w->timer);
	for (size_t i = 0; i < DOMAIN_LOOKS_AT_ONCE; i++)
		arena_release(&w->looks[i].arena);
	free(w);
}
