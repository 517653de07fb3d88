/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches of results. One batch is on its way at a time; what comes meanwhile
 * makes the next one, so the batches grow with the load. A result must never
 * be dropped because a statement failed; there are no more of them than jobs were
 * in memory, because without the database none come.
 */
#include "deliverd/record.h"

#include "common/base/log.h"

#include <assert.h>

enum {
	GATHER_MS = 10,
	RETRY_MS = 1000,
	RELEASE_DELAY_MS = 1000, /* for other endpoints to have their turn */
	DB_WAIT_MS = 1000,
};

struct entry {
	struct webhook_result result; /* its slices are in text */
	char *text;
};

struct list {
	struct entry *v;
	size_t n, cap;
};

struct record {
	struct task task; /* the batch under way */
	struct loop *loop;
	struct db_pool *pool;
	const struct webhook_patience *patience;
	struct loop_timer *timer;
	struct list waiting[RECORD_KINDS];
	struct list batch[RECORD_KINDS]; /* of the task; what was written is removed */
	size_t late;                     /* results whose lease was gone */
	bool writing;
	struct fail fail;
};

static void list_add(struct list *l, const struct entry *e)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 16;
		l->v = mem_realloc(l->v, l->cap * sizeof(*l->v));
	}
	l->v[l->n++] = *e;
}

static void list_clear(struct list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].text);
	l->n = 0;
}

static struct slice keep(char **at, struct slice s)
{
	struct slice kept = { *at, s.n };

	if (s.n)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return kept;
}

static struct entry entry_make(const struct webhook_result *r)
{
	struct entry e = { .result = *r };
	char *at = e.text = mem_alloc(r->message_id.n + r->lease_id.n + r->secret_id.n +
				      r->answer.n + r->url.n);

	e.result.message_id = keep(&at, r->message_id);
	e.result.lease_id = keep(&at, r->lease_id);
	e.result.secret_id = keep(&at, r->secret_id);
	e.result.answer = keep(&at, r->answer);
	e.result.url = keep(&at, r->url);
	return e;
}

/* ---- on a worker ---- */

static void flatten(const struct list *l, struct webhook_result *ret)
{
	for (size_t i = 0; i < l->n; i++)
		ret[i] = l->v[i].result;
}

static enum err write_kind(struct record *r, struct db *db, enum record_kind kind)
{
	struct webhook_result v[WEBHOOK_BATCH_MAX];
	size_t n = r->batch[kind].n, ours = n;
	enum err e = OK;

	flatten(&r->batch[kind], v);
	switch (kind) {
	case RECORD_DELIVERED:
		e = store_webhook_delivered(db, v, n, &ours, &r->fail);
		break;
	case RECORD_FAILED:
		e = store_webhook_failed(db, v, n, r->patience, &ours, &r->fail);
		break;
	default:
		e = store_webhook_release(db, v, n, RELEASE_DELAY_MS, &r->fail);
	}
	if (e == OK)
		r->late += n - ours;
	return e;
}

/* Each secret once; there are few, and the batch is small. */
static void note_secrets(struct record *r, struct db *db)
{
	struct slice ids[WEBHOOK_BATCH_MAX];
	const struct list *l = &r->batch[RECORD_DELIVERED];
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		size_t k = 0;

		while (k < n && !slice_eq(ids[k], l->v[i].result.secret_id))
			k++;
		if (k == n)
			ids[n++] = l->v[i].result.secret_id;
	}
	/* Only for the list of secrets: when it fails, the next delivery does it. */
	if (n && store_webhook_signed(db, ids, n, NULL))
		return;
}

static void write_batch(struct task *t)
{
	struct record *r = CONTAINER(t, struct record, task);
	struct db *db;

	r->fail.code = OK;
	if (db_pool_get(r->pool, DB_WAIT_MS, &db, &r->fail))
		return;
	note_secrets(r, db);
	for (enum record_kind k = 0; k < RECORD_KINDS; k++) {
		if (r->batch[k].n && write_kind(r, db, k))
			break;
		list_clear(&r->batch[k]);
	}
	db_pool_put(r->pool, db);
}

/* ---- on the loop ---- */

static void fill_batch(struct record *r)
{
	for (size_t k = 0; k < RECORD_KINDS; k++) {
		struct list *from = &r->waiting[k], *to = &r->batch[k];
		size_t n = 0;

		while (n < from->n && to->n < WEBHOOK_BATCH_MAX)
			list_add(to, &from->v[n++]);
		if (n)
			memmove(from->v, from->v + n, (from->n - n) * sizeof(*from->v));
		from->n -= n;
	}
}

static bool anything(const struct list *lists)
{
	for (size_t k = 0; k < RECORD_KINDS; k++)
		if (lists[k].n)
			return true;
	return false;
}

static void batch_done(struct task *t)
{
	struct record *r = CONTAINER(t, struct record, task);

	r->writing = false;
	if (r->fail.code)
		log_warn("webhook_results_not_written", LF_STR("cause", r->fail.what));
	if (r->late)
		log_warn("webhook_results_late", LF_INT("results", r->late));
	r->late = 0;
	if (!record_idle(r))
		loop_timer_start(r->timer, r->fail.code ? RETRY_MS : GATHER_MS);
}

static void flush(void *arg)
{
	struct record *r = arg;

	fill_batch(r);
	r->writing = true;
	loop_submit(r->loop, &r->task);
}

struct record *record_new(struct loop *loop, struct db_pool *pool,
			  const struct webhook_patience *patience)
{
	struct record *r = mem_zalloc(sizeof(*r));

	r->task = (struct task){ .lane = LANE_DB, .run = write_batch, .done = batch_done };
	r->loop = loop;
	r->pool = pool;
	r->patience = patience;
	r->timer = loop_timer_new(loop, flush, r);
	return r;
}

void record_add(struct record *r, enum record_kind kind, const struct webhook_result *result)
{
	struct entry e = entry_make(result);

	list_add(&r->waiting[kind], &e);
	if (!r->writing && !loop_timer_active(r->timer))
		loop_timer_start(r->timer, GATHER_MS);
}

bool record_idle(const struct record *r)
{
	return !r->writing && !anything(r->waiting) && !anything(r->batch);
}

void record_free(struct record *r)
{
	if (!r)
		return;
	assert(!r->writing);
	for (size_t k = 0; k < RECORD_KINDS; k++) {
		list_clear(&r->waiting[k]);
		list_clear(&r->batch[k]);
		free(r->waiting[k].v);
		free(r->batch[k].v);
	}
	loop_timer_free(r->timer);
	free(r);
}
