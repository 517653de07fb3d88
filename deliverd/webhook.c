/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine. A job is called only while its lease outlasts the attempt; it
 * must never be dropped without a result or the end of its lease, and nothing
 * here decides by the clock of this host when a job is due.
 */
#include "deliverd/webhook.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/schedule.h"
#include "deliverd/endpoint.h"
#include "deliverd/record.h"
#include "deliverd/webhook_http.h"

#include <assert.h>

enum {
	DNS_MS = 5000,
	MARGIN_MS = 5000, /* to write the result down */
	WAIT_MS = 30000,  /* that a leased job may stand in line */
	POLL_MS = 1000,
	CLAIM_MAX = 50,
	HELD_FACTOR = 2,          /* jobs in memory, per call that may be under way */
	LINE_MAX = 2 * CLAIM_MAX, /* jobs in line for one endpoint */
	BLOCKED_MAX = 100,
	FIND_MS = 5000,         /* between searches for jobs that no queue tells of */
	FIND_WINDOW_MS = 60000, /* ... that became due so short a time ago */
	GIVE_UP_MAX = 500,
	DB_WAIT_MS = 1000,
	RAW_SHARE = 4, /* a claimed mail is held as row, copy, body */
};

struct webhook {
	struct webhook_config config;
	struct webhook_policy policy;
	struct webhook_http *http;
	struct record *record;
	struct schedule schedule;
	struct webhook_patience patience;
	int64_t give_up_ms;
	int64_t found_ms;        /* the last search */
	bool searched;           /* ... was there one, through all jobs? */
	char after_user[ID_MAX]; /* whose turn it was in the last claim */
	struct endpoints endpoints;
	size_t held, active;
	/* agents that are not claimed for while the line of their endpoint is full */
	struct {
		char *agent;
		const struct endpoint *endpoint;
	} blocked[BLOCKED_MAX];
	size_t blocked_n;
	struct loop_timer *poll;
	bool claiming, wake;
	bool draining;
	bool aborting; /* calls are broken off because we stop */
};

static int64_t attempt_ms(const struct webhook *w, int64_t dns_ms)
{
	return dns_ms + w->config.settings->webhook_timeout_ms + MARGIN_MS;
}

static size_t held_max(const struct webhook *w)
{
	return (size_t)w->config.settings->webhook_concurrency * HELD_FACTOR;
}

static int64_t new_lease(const struct webhook *w, struct webhook_lease *ret)
{
	int64_t ms = attempt_ms(w, DNS_MS) + WAIT_MS;

	id_new("lease_", ret->id);
	ret->end_ms = clock_mono_ms() + ms;
	return ms;
}

/* ---- results ---- */

static void note(struct webhook *w, const struct webhook_job *j, enum record_kind kind,
		 const struct http_answer *answer)
{
	const struct webhook_result result = {
		.message_id = j->message_id,
		.lease_id = j->lease_id,
		.secret_id = j->secret_id,
		.reason = answer->reason,
		.http_status = answer->status,
		.duration_ms = j->started_ms ? clock_mono_ms() - j->started_ms : 0,
		.retry_after_ms = answer->retry_after_ms,
		.final = answer->reason == EVENT_HTTP_GONE || answer->reason == EVENT_NOT_CLOUD,
	};

	record_add(w->record, kind, &result);
}

static void drop(struct webhook *w, struct webhook_job *j)
{
	w->held--;
	webhook_job_free(j);
}

/* Gives a job back without an attempt. */
static void release(struct webhook *w, struct webhook_job *j)
{
	static const struct http_answer none = { 0 };

	note(w, j, RECORD_RELEASED, &none);
	drop(w, j);
}

static void log_failure(const struct webhook_job *j, const struct http_answer *answer)
{
	log_info("webhook_attempt_failed", LF_SLICE("message_id", j->message_id),
		 LF_SLICE("agent", j->agent_email),
		 LF_STR("reason", event_reason_name(answer->reason)),
		 LF_INT("status", answer->status));
}

static void block(struct webhook *w, const struct endpoint *e, struct slice agent_email)
{
	for (size_t i = 0; i < w->blocked_n; i++)
		if (slice_eq(slice_str(w->blocked[i].agent), agent_email))
			return;
	if (w->blocked_n == BLOCKED_MAX)
		return;
	w->blocked[w->blocked_n].agent = mem_dup(agent_email.p, agent_email.n);
	w->blocked[w->blocked_n++].endpoint = e;
}

/* After a job has left the line of e, or the last one has gone. */
static void leave(struct webhook *w, struct endpoint *e)
{
	for (size_t i = w->blocked_n; i-- > 0 && e->waiting <= LINE_MAX / 2;) {
		if (w->blocked[i].endpoint != e)
			continue;
		free(w->blocked[i].agent);
		w->blocked[i] = w->blocked[--w->blocked_n];
		w->wake = true;
	}
	endpoint_leave(&w->endpoints, e);
}

static void start_waiting(struct webhook *w);

static void attempt_end(struct webhook_job *j, enum record_kind kind,
			const struct http_answer *answer)
{
	struct webhook *w = j->owner;
	struct endpoint *e = j->endpoint;

	note(w, j, kind, answer);
	e->active--;
	w->active--;
	drop(w, j);
	leave(w, e);
	start_waiting(w);
}

/* ---- one attempt ---- */

static void answered(const struct http_answer *answer, void *arg)
{
	struct webhook_job *j = arg;

	if (j->owner->aborting && answer->reason == EVENT_BROKEN) {
		attempt_end(j, RECORD_RELEASED, answer); /* our doing, not the endpoint's failure */
		return;
	}
	if (answer->reason)
		log_failure(j, answer);
	attempt_end(j, answer->reason ? RECORD_FAILED : RECORD_DELIVERED, answer);
}

/* On a worker: where to, and the signed request. */
static void prepare(struct task *t)
{
	struct webhook_job *j = CONTAINER(t, struct webhook_job, task);
	const struct webhook_config *c = &j->owner->config;

	j->reason = webhook_target_resolve(c->dns, &j->owner->policy, slice_str(j->url),
					   clock_mono_ms() + DNS_MS, &j->target);
	if (j->reason)
		return;
	if (webhook_request_build(&j->row, c->keys->key[KEY_SECRETS], clock_now_us(), &j->arena,
				  &j->request))
		j->reason = EVENT_NO_SECRET;
	else
		j->secret_id = arena_slice(&j->arena, j->request.secret_id);
}

/* Does the lease outlast the rest of an attempt, of which name service may take dns_ms? */
static bool lease_lasts(const struct webhook *w, const struct webhook_job *j, int64_t dns_ms)
{
	return clock_mono_ms() + attempt_ms(w, dns_ms) <= j->lease_end_ms;
}

static void prepared(struct task *t)
{
	struct webhook_job *j = CONTAINER(t, struct webhook_job, task);
	const struct http_answer refused = { .reason = j->reason };

	webhook_job_drop_row(j);
	/* It may have stood in line for a thread. */
	if (j->owner->draining || !lease_lasts(j->owner, j, 0)) {
		attempt_end(j, RECORD_RELEASED, &refused);
		return;
	}
	if (j->reason) {
		answered(&refused, j);
		return;
	}
	webhook_http_post(j->owner->http, &(struct http_call){
						  .url = j->url,
						  .target = &j->target,
						  .headers = j->request.headers,
						  .headers_n = j->request.headers_n,
						  .body = buf_slice(&j->request.body),
						  .done = answered,
						  .arg = j,
					  });
}

static void start(struct webhook *w, struct endpoint *e, struct webhook_job *j)
{
	j->started_ms = clock_mono_ms();
	j->endpoint = e;
	e->active++;
	w->active++;
	j->task = (struct task){ .lane = LANE_WEB, .run = prepare, .done = prepared };
	loop_submit(w->config.loop, &j->task);
}

/* ---- who is called when ---- */

static void start_waiting(struct webhook *w)
{
	const struct settings *s = w->config.settings;
	struct endpoint *e;

	while (w->active < (size_t)s->webhook_concurrency &&
	       (e = endpoint_ready(&w->endpoints, (size_t)s->webhook_per_endpoint))) {
		struct webhook_job *j = endpoint_next(e);

		if (lease_lasts(w, j, DNS_MS)) {
			start(w, e, j);
		} else {
			release(w, j);
			leave(w, e);
		}
	}
	if (w->wake)
		webhook_wake(w);
}

/* Puts a leased job into its line, or gives it back when that is full. */
static void add(struct webhook *w, struct webhook_job *j)
{
	struct endpoint *e;

	w->held++;
	j->owner = w;
	if (!*j->url) {
		const struct http_answer gone = { .reason = EVENT_NOT_CLOUD };

		note(w, j, RECORD_FAILED, &gone);
		drop(w, j);
		return;
	}
	if (w->draining || !webhook_job_charge(j, w->config.budget)) {
		release(w, j);
		return;
	}
	e = endpoint_find(&w->endpoints, slice_str(j->url));
	if (e->waiting >= LINE_MAX) {
		block(w, e, j->agent_email);
		release(w, j);
		return;
	}
	endpoint_wait(e, j);
}

bool webhook_lease(struct webhook *w, struct webhook_lease *ret, int64_t *ret_ms)
{
	if (w->draining || w->held >= held_max(w) ||
	    budget_left(w->config.budget) < w->config.budget->limit / 4)
		return false;
	*ret_ms = new_lease(w, ret);
	return true;
}

int64_t webhook_give_up_ms(const struct webhook *w)
{
	return w->give_up_ms;
}

void webhook_stored(struct webhook *w, struct mail *m, const struct ingest *in,
		    const struct webhook_lease *lease)
{
	for (size_t i = 0; i < in->rcpts_n; i++) {
		if (in->rcpts[i].leased)
			add(w, webhook_job_of_mail(m, in, &in->rcpts[i], lease));
		else if (in->rcpts[i].stored && in->rcpts[i].cloud)
			w->found_ms = 0; /* its queue has to be told of it soon */
	}
	start_waiting(w);
}

/* ---- claiming ---- */

struct claim {
	struct task task;
	struct webhook *owner;
	struct webhook_lease lease;
	struct webhook_claim args;
	int64_t find_ms; /* 0: no search */
	struct slice skip[BLOCKED_MAX];
	struct arena arena;
	struct webhook_job **jobs; /* in the arena */
	size_t n;
	enum err code;
	struct fail fail;
};

/* Rare work: jobs that their queues do not know of, and those that are over. */
static enum err find(struct db *db, int64_t window_ms, struct fail *fail)
{
	size_t n;
	enum err e = store_webhook_find(db, window_ms, &n, fail);

	return e ? e : store_webhook_give_up(db, GIVE_UP_MAX, &n, fail);
}

static void claim_run(struct task *t)
{
	struct claim *c = CONTAINER(t, struct claim, task);
	AUTO(db_rows_freep) struct db_rows *rows = NULL;
	struct webhook_row *v;
	struct db *db;

	c->code = db_pool_get(c->owner->config.pool, DB_WAIT_MS, &db, &c->fail);
	if (c->code)
		return;
	c->code = c->find_ms ? find(db, c->find_ms, &c->fail) : OK;
	if (c->code == OK)
		c->code = store_webhook_claim(db, &c->args, &c->arena, &v, &c->n, &rows, &c->fail);
	db_pool_put(c->owner->config.pool, db);
	if (c->code)
		return;
	c->jobs = arena_calloc(&c->arena, c->n, sizeof(*c->jobs));
	for (size_t i = 0; i < c->n; i++)
		c->jobs[i] = webhook_job_of_row(&v[i], &c->lease);
}

/* The next claim begins behind the users of this one. */
static void note_turn(struct webhook *w, const struct claim *c)
{
	for (size_t i = 0; i < c->n && !c->code; i++) {
		struct slice user = c->jobs[i]->row.user_id;

		/* Ids are of one length, in their order. */
		if (user.n >= sizeof(w->after_user) || memcmp(user.p, w->after_user, user.n) <= 0)
			continue;
		memcpy(w->after_user, user.p, user.n);
		w->after_user[user.n] = 0;
	}
}

static void claim_done(struct task *t)
{
	struct claim *c = CONTAINER(t, struct claim, task);
	struct webhook *w = c->owner;

	w->claiming = false;
	if (c->code)
		log_warn("webhook_claim_failed", LF_STR("cause", c->fail.what));
	else
		w->searched |= c->find_ms != 0;
	if (!c->code && c->n < (size_t)c->args.limit)
		*w->after_user = 0;
	note_turn(w, c);
	for (size_t i = 0; i < c->n && !c->code; i++)
		add(w, c->jobs[i]);
	/* A full batch: there is more, to be asked for as soon as there is room. */
	w->wake |= !c->code && c->n == (size_t)c->args.limit;
	arena_release(&c->arena);
	free(c);
	start_waiting(w);
}

/* How many jobs may be claimed now, and how many bytes of mail. */
static void claim_size(const struct webhook *w, int64_t *ret_jobs, int64_t *ret_bytes)
{
	size_t left = budget_left(w->config.budget), each = 2 * webhook_request_cost(0);
	size_t jobs = w->held < held_max(w) ? held_max(w) - w->held : 0;

	if (jobs > CLAIM_MAX)
		jobs = CLAIM_MAX;
	if (jobs > left / each)
		jobs = left / each;
	*ret_jobs = (int64_t)jobs;
	*ret_bytes = (int64_t)((left - jobs * each / 2) / RAW_SHARE);
}

void webhook_wake(struct webhook *w)
{
	struct claim *c;
	int64_t jobs, bytes;

	claim_size(w, &jobs, &bytes);
	w->wake = !w->draining;
	if (w->claiming || w->draining || jobs == 0 || w->held > held_max(w) / 2)
		return;
	w->wake = false;
	w->claiming = true;
	c = mem_zalloc(sizeof(*c));
	c->task = (struct task){ .lane = LANE_DB, .run = claim_run, .done = claim_done };
	c->owner = w;
	c->args.lease_ms = new_lease(w, &c->lease);
	c->args.lease_id = slice_str(c->lease.id);
	c->args.limit = jobs;
	c->args.max_bytes = bytes;
	for (size_t i = 0; i < w->blocked_n; i++)
		c->skip[i] = arena_slice(&c->arena, slice_str(w->blocked[i].agent));
	c->args.skip = c->skip;
	c->args.skip_n = w->blocked_n;
	c->args.per_queue = w->config.settings->webhook_per_endpoint;
	c->args.drain_rate = w->config.settings->webhook_drain_rate;
	c->args.after_user = arena_slice(&c->arena, slice_str(w->after_user));
	if (clock_mono_ms() - w->found_ms > FIND_MS) {
		w->found_ms = clock_mono_ms();
		c->find_ms = w->searched ? FIND_WINDOW_MS : w->give_up_ms;
	}
	loop_submit(w->config.loop, &c->task);
}

static void poll(void *arg)
{
	struct webhook *w = arg;

	webhook_wake(w);
	loop_timer_start(w->poll, POLL_MS);
}

/* ---- life ---- */

static enum err read_schedule(struct webhook *w, struct fail *fail)
{
	const struct settings *s = w->config.settings;
	enum err e = schedule_read(s->webhook_schedule, &w->schedule, fail);

	if (e)
		return e;
	w->give_up_ms = schedule_span_ms(&w->schedule);
	w->patience = (struct webhook_patience){
		.schedule_ms = w->schedule.wait_ms,
		.schedule_n = w->schedule.n,
		.breaker_failures = s->webhook_breaker_failures,
		.breaker_wait_ms = s->webhook_breaker_wait_ms,
	};
	return OK;
}

enum err webhook_new(const struct webhook_config *config, struct webhook **ret, struct fail *fail)
{
	AUTO(webhook_freep) struct webhook *w = mem_zalloc(sizeof(*w));
	enum err e;

	w->config = *config;
	e = read_schedule(w, fail);
	if (e == OK)
		e = webhook_policy_read(config->settings, &w->policy, fail);
	if (e == OK)
		e = webhook_http_new(config->loop, config->settings, &w->policy, &w->http, fail);
	if (e)
		return e;
	w->record = record_new(config->loop, config->pool, &w->patience);
	w->poll = loop_timer_new(config->loop, poll, w);
	loop_timer_start(w->poll, 0);
	*ret = TAKE(w);
	return OK;
}

void webhook_drain(struct webhook *w)
{
	struct endpoint *e;

	w->draining = true;
	loop_timer_stop(w->poll);
	while ((e = endpoint_ready(&w->endpoints, SIZE_MAX))) {
		release(w, endpoint_next(e));
		leave(w, e);
	}
}

void webhook_abort(struct webhook *w)
{
	w->aborting = true;
	webhook_http_abort(w->http);
}

bool webhook_idle(const struct webhook *w)
{
	return w->held == 0 && !w->claiming && record_idle(w->record);
}

void webhook_free(struct webhook *w)
{
	if (!w)
		return;
	assert(w->held == 0);
	while (w->blocked_n)
		free(w->blocked[--w->blocked_n].agent);
	record_free(w->record);
	webhook_http_free(w->http);
	loop_timer_free(w->poll);
	free(w);
}
