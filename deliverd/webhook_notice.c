/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Round by round, few owners in each: thousands of endpoints may fail at once, and who wants
 * to sign in waits for a mail too. That somebody counts as told and the mail that tells them are
 * one transaction, so that nobody is told twice, and nobody not at all.
 */
#include "deliverd/webhook_notice.h"

#include "common/base/log.h"
#include "deliverd/webhook_text.h"

enum {
	ROUND_MS = 5000,
	BATCH = 10,
	DB_WAIT_MS = 1000,
	GAP_MS = 3600000, /* between two mails to an owner */
};

struct webhook_notice {
	struct task task;
	struct loop *loop;
	const struct settings *settings;
	const struct keys *keys;
	struct db_pool *pool;
	struct loop_timer *timer;
	bool stopped;
	/* of the round */
	size_t told;
	enum err code;
	struct fail fail;
};

struct telling {
	struct webhook_notice *owner;
	struct arena arena;
	struct store_webhook_notice notice;
};

/* May run more than once. */
static enum err store(struct db *db, void *arg, struct fail *fail)
{
	struct telling *t = arg;
	const struct settings *s = t->owner->settings;
	struct store_mail mail = { 0 };
	int64_t after_ms = s->webhook_notice_ms;
	enum err e = store_webhook_notice_take(db, after_ms, after_ms < GAP_MS ? after_ms : GAP_MS,
					       &t->arena, &t->notice, fail);

	if (e)
		return e;
	webhook_text_write(&t->notice, slice_str(s->public_url), &t->arena, &mail);
	mail.user_id = t->notice.user_id;
	mail.to = t->notice.address;
	return store_mail_add(db, t->owner->keys, &mail, fail);
}

static enum err tell(struct webhook_notice *n, struct db *db)
{
	struct telling t = { .owner = n, .arena = ARENA_INIT };
	enum err e = db_tx(db, store, &t, &n->fail);

	if (e == OK)
		log_info("webhook_owner_told", LF_SLICE("user", t.notice.user_id),
			 LF_INT("webhooks", (int64_t)t.notice.n));
	arena_release(&t.arena);
	return e;
}

static void run(struct task *task)
{
	struct webhook_notice *n = CONTAINER(task, struct webhook_notice, task);
	struct db *db;

	n->told = 0;
	n->code = db_pool_get(n->pool, DB_WAIT_MS, &db, &n->fail);
	if (n->code)
		return;
	while (n->told < BATCH && (n->code = tell(n, db)) == OK)
		n->told++;
	db_pool_put(n->pool, db);
}

static void done(struct task *task)
{
	struct webhook_notice *n = CONTAINER(task, struct webhook_notice, task);

	if (n->code && n->code != ERR_NOT_FOUND)
		log_warn("webhook_notice_failed", LF_STR("cause", n->fail.what));
	if (!n->stopped)
		loop_timer_start(n->timer, ROUND_MS);
}

static void start(void *arg)
{
	struct webhook_notice *n = arg;

	loop_submit(n->loop, &n->task);
}

struct webhook_notice *webhook_notice_new(struct loop *loop, const struct settings *s,
					  const struct keys *keys, struct db_pool *pool)
{
	struct webhook_notice *n = mem_zalloc(sizeof(*n));

	n->task = (struct task){ .lane = LANE_DB, .run = run, .done = done };
	n->loop = loop;
	n->settings = s;
	n->keys = keys;
	n->pool = pool;
	n->timer = loop_timer_new(loop, start, n);
	if (s->webhook_notice_ms)
		loop_timer_start(n->timer, 0);
	return n;
}

void webhook_notice_stop(struct webhook_notice *n)
{
	n->stopped = true;
	loop_timer_stop(n->timer);
}

void webhook_notice_free(struct webhook_notice *n)
{
	if (!n)
		return;
	loop_timer_free(n->timer);
	free(n);
}
