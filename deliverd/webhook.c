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
#include "common/base/utf8.h"
#include "deliverd/claim.h"
#include "deliverd/deliverd_metrics.h"
#include "deliverd/endpoint.h"
#include "deliverd/record.h"
#include "deliverd/upkeep.h"
#include "deliverd/webhook_http.h"

#include <assert.h>

enum {
	DNS_MS = 5000,
	INLINE_MAX = 64 * 1024, /* bytes of a mail that is signed on the loop */
	MARGIN_MS = 5000,       /* to write the result down */
	WAIT_MS = 30000,        /* that a leased job may stand in line */
	POLL_MS = 1000,
	SOON_MS = 100,     /* ... when there were jobs in the last moments: */
	MOMENTS_MS = 2000, /* a queue that is drained gives its jobs little by little */
	WAITING_FACTOR = 2,
	RAW_SHARE = 4, /* a claimed mail is held as row, copy, body */
};

struct webhook {
	struct webhook_config config;
	struct webhook_policy policy;
	struct webhook_http *http;
	struct record *record;
	struct claimer *claimer;
	struct upkeep *upkeep;
	struct endpoints *endpoints;
	struct schedule schedule;
	struct webhook_patience patience;
	int64_t give_up_ms;
	size_t held; /* jobs in memory */
	struct loop_timer *poll;
	int64_t claimed_ms; /* when a claim last brought jobs */
	bool starting;      /* start_waiting() is under way, above us */
	bool wake;          /* jobs may be due */
	bool draining;
	bool aborting; /* calls are broken off because we stop */
};

static int64_t lease_ms(const struct webhook *w)
{
	return w->config.settings->webhook_timeout_ms + MARGIN_MS + WAIT_MS;
}

/* Jobs that may stand in line: what is called while the next claim is under way. */
static size_t waiting_max(const struct settings *s)
{
	return WAITING_FACTOR * (size_t)s->webhook_concurrency;
}

/* ---- results ---- */

static void note(struct webhook *w, struct webhook_job *j, enum record_kind kind,
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
		.answer = utf8_cut(utf8_clean(&j->arena, answer->text), HTTP_ANSWER_KEPT),
		.url = answer->reason ? slice_str(j->url) : S(""),
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

static void count(const struct webhook_job *j, enum record_kind kind,
		  const struct http_answer *answer)
{
	if (kind == RECORD_RELEASED)
		return;
	deliverd_count_attempt(event_reason_name(answer->reason), clock_mono_ms() - j->started_ms);
	if (kind == RECORD_DELIVERED && j->accepted_us)
		metric_observe(&deliverd_metrics[DELIVERD_ACCEPT_MS],
			       (clock_now_us() - j->accepted_us) / 1000);
}

static void start_waiting(struct webhook *w);

static void attempt_end(struct webhook_job *j, enum record_kind kind,
			const struct http_answer *answer)
{
	static const enum call_end how[RECORD_KINDS] = {
		[RECORD_DELIVERED] = CALL_DELIVERED,
		[RECORD_FAILED] = CALL_FAILED,
		[RECORD_RELEASED] = CALL_NOT_MADE,
	};
	struct webhook *w = j->owner;

	note(w, j, kind, answer);
	count(j, kind, answer);
	endpoints_end(w->endpoints, j, answer->reason == EVENT_HTTP_GONE ? CALL_GONE : how[kind]);
	drop(w, j);
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

static int64_t deadline_ms(const struct webhook_job *j)
{
	return j->started_ms + j->owner->config.settings->webhook_timeout_ms;
}

static void resolve(struct webhook_job *j, int64_t until_ms)
{
	j->reason = webhook_target_resolve(j->owner->config.dns, &j->owner->policy,
					   slice_str(j->url), until_ms, &j->target);
}

static void sign(struct webhook_job *j)
{
	const struct webhook_config *c = &j->owner->config;

	if (j->reason)
		return;
	if (webhook_request_build(&j->row, c->keys->key[KEY_SECRETS], clock_now_us(), &j->arena,
				  &j->request))
		j->reason = EVENT_NO_SECRET;
	else
		j->secret_id = arena_slice(&j->arena, j->request.secret_id);
}

/* On a worker: where to, and the signed request. */
static void prepare(struct task *t)
{
	struct webhook_job *j = CONTAINER(t, struct webhook_job, task);
	int64_t dns_ms = clock_mono_ms() + DNS_MS, end_ms = deadline_ms(j);

	resolve(j, dns_ms < end_ms ? dns_ms : end_ms);
	sign(j);
}

/*
 * On the loop, where a worker costs more than it saves; but nothing that waits. Addresses may be
 * forgotten between the question whether they are known and the one for them.
 */
static bool prepare_now(struct webhook_job *j)
{
	if (j->row.raw.n > INLINE_MAX ||
	    !webhook_target_known(j->owner->config.dns, slice_str(j->url)))
		return false;
	resolve(j, 0);
	if (j->reason == EVENT_DNS)
		return false;
	sign(j);
	return true;
}

static void post(struct webhook_job *j)
{
	const struct http_answer refused = { .reason = j->reason };

	/* It may have stood in line for a thread, which is no fault of the endpoint. */
	if (j->owner->draining || (!j->reason && clock_mono_ms() >= deadline_ms(j))) {
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
						  .deadline_ms = deadline_ms(j),
						  .done = answered,
						  .arg = j,
					  });
}

/* Workers end in any order. */
static void prepared(struct task *t)
{
	struct webhook_job *j = CONTAINER(t, struct webhook_job, task);
	struct webhook_jobs now = TAILQ_HEAD_INITIALIZER(now);

	webhook_job_drop_row(j);
	endpoint_prepared(j, &now);
	while ((j = TAILQ_FIRST(&now))) {
		TAILQ_REMOVE(&now, j, turn);
		post(j);
	}
}

static void start(struct webhook_job *j)
{
	j->task = (struct task){ .lane = LANE_WEB, .run = prepare, .done = prepared };
	if (prepare_now(j))
		prepared(&j->task);
	else
		loop_submit(j->owner->config.loop, &j->task);
}

/* ---- who is called when ---- */

/* Does the lease outlast an attempt? */
static bool lease_lasts(const struct webhook *w, const struct webhook_job *j, int64_t now_ms)
{
	return now_ms + w->config.settings->webhook_timeout_ms + MARGIN_MS <= j->lease_end_ms;
}

static void release_sorted_out(struct webhook *w)
{
	struct webhook_job *j;

	while ((j = endpoints_sorted_out(w->endpoints)))
		release(w, j);
}

static void start_all(struct webhook *w)
{
	int64_t now_ms = clock_mono_ms();
	struct webhook_job *j;

	while ((j = endpoints_start(w->endpoints, now_ms))) {
		if (lease_lasts(w, j, now_ms)) {
			start(j);
		} else {
			endpoints_end(w->endpoints, j, CALL_NOT_MADE);
			release(w, j);
		}
	}
}

/* What ends at once lets others start: in the same loop, not in a deeper one. */
static void start_waiting(struct webhook *w)
{
	if (w->starting)
		return;
	w->starting = true;
	start_all(w);
	release_sorted_out(w);
	w->starting = false;
	if (endpoints_unblocked(w->endpoints) || w->wake)
		webhook_wake(w);
}

/* Puts a leased job into its line, or gives it back. */
static void add(struct webhook *w, struct webhook_job *j)
{
	w->held++;
	j->owner = w;
	if (!*j->url) {
		const struct http_answer gone = { .reason = EVENT_NOT_CLOUD };

		note(w, j, RECORD_FAILED, &gone);
		drop(w, j);
		return;
	}
	if (w->draining || !webhook_job_charge(j, w->config.budget) ||
	    !endpoints_add(w->endpoints, j, clock_mono_ms()))
		release(w, j);
}

/* Is there enough to do, or to remember? */
static bool sated(const struct webhook *w)
{
	const struct budget *b = w->config.budget;

	return endpoints_waiting(w->endpoints) >= waiting_max(w->config.settings) ||
	       budget_left(b) < b->limit / 4;
}

bool webhook_lease(struct webhook *w, struct webhook_lease *ret, int64_t *ret_ms)
{
	if (w->draining || sated(w))
		return false;
	*ret_ms = lease_ms(w);
	webhook_lease_new(*ret_ms, ret);
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
		else if (in->rcpts[i].stored && in->rcpts[i].cloud && !*lease->id)
			upkeep_soon(w->upkeep); /* its queue has to be told of it */
	}
	start_waiting(w);
}

/* ---- claiming ---- */

static void claimed(struct webhook_job **jobs, size_t n, void *arg)
{
	struct webhook *w = arg;
	size_t held = w->held;

	for (size_t i = 0; i < n; i++)
		add(w, jobs[i]);
	if (n)
		w->claimed_ms = clock_mono_ms();
	/* There is more, to be asked for as soon as there is room; but not again and again what
	   nobody has room for. */
	w->wake |= w->held > held;
	start_waiting(w);
}

/* How many jobs may be claimed now, and how many bytes of mail. */
static void claim_size(const struct webhook *w, int64_t *ret_jobs, int64_t *ret_bytes)
{
	size_t left = budget_left(w->config.budget), each = 2 * webhook_request_cost(0);
	size_t waiting = endpoints_waiting(w->endpoints), max = waiting_max(w->config.settings);
	size_t jobs = waiting < max ? max - waiting : 0;

	if (jobs > CLAIM_MAX)
		jobs = CLAIM_MAX;
	if (jobs > left / each)
		jobs = left / each;
	*ret_jobs = (int64_t)jobs;
	*ret_bytes = (int64_t)((left - jobs * each / 2) / RAW_SHARE);
}

void webhook_wake(struct webhook *w)
{
	struct claim_wish wish = { .lease_ms = lease_ms(w), .endpoints = w->endpoints };

	claim_size(w, &wish.jobs, &wish.bytes);
	w->wake = !w->draining;
	if (w->draining || claimer_busy(w->claimer) || wish.jobs == 0 ||
	    endpoints_waiting(w->endpoints) > waiting_max(w->config.settings) / 2)
		return;
	w->wake = false;
	claimer_ask(w->claimer, &wish);
}

static void found(void *arg)
{
	webhook_wake(arg);
}

static void poll(void *arg)
{
	struct webhook *w = arg;

	int64_t now_ms = clock_mono_ms();

	endpoints_look(w->endpoints, now_ms);
	w->wake = true;
	start_waiting(w);
	loop_timer_start(w->poll, now_ms - w->claimed_ms < MOMENTS_MS ? SOON_MS : POLL_MS);
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

static struct endpoints *new_endpoints(const struct settings *s)
{
	const struct endpoint_caps caps = {
		.all = (size_t)s->webhook_concurrency,
		.per_user = (size_t)s->webhook_per_user,
		.per_host = (size_t)s->webhook_per_host,
		.per_endpoint = (size_t)s->webhook_per_endpoint,
		.waiting = waiting_max(s),
		.failures = (size_t)s->webhook_breaker_failures,
	};

	return endpoints_new(&caps);
}

/* What cannot fail to start. */
static void start_parts(struct webhook *w)
{
	const struct webhook_config *c = &w->config;
	const struct upkeep_config upkeep = {
		.loop = c->loop,
		.pool = c->pool,
		.give_up_ms = w->give_up_ms,
		.found = found,
		.arg = w,
	};

	w->endpoints = new_endpoints(c->settings);
	w->record = record_new(c->loop, c->pool, &w->patience);
	w->claimer = claimer_new(c->loop, c->pool, c->settings, claimed, w);
	w->upkeep = upkeep_new(&upkeep);
	w->poll = loop_timer_new(c->loop, poll, w);
	loop_timer_start(w->poll, 0);
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
	start_parts(w);
	*ret = TAKE(w);
	return OK;
}

void webhook_drain(struct webhook *w)
{
	w->draining = true;
	loop_timer_stop(w->poll);
	upkeep_stop(w->upkeep);
	endpoints_clear(w->endpoints);
	release_sorted_out(w);
}

void webhook_abort(struct webhook *w)
{
	w->aborting = true;
	webhook_http_abort(w->http);
}

size_t webhook_jobs(const struct webhook *w)
{
	return w->held;
}

size_t webhook_calls(const struct webhook *w)
{
	return endpoints_active(w->endpoints);
}

bool webhook_idle(const struct webhook *w)
{
	return w->held == 0 && !claimer_busy(w->claimer) && record_idle(w->record);
}

void webhook_free(struct webhook *w)
{
	if (!w)
		return;
	assert(w->held == 0);
	endpoints_free(w->endpoints);
	claimer_free(w->claimer);
	upkeep_free(w->upkeep);
	record_free(w->record);
	webhook_http_free(w->http);
	loop_timer_free(w->poll);
	free(w);
}
