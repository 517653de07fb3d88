/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tracing. Only what both the queue and the log say, for the time of the attempt,
 * makes a mail unsent: whoever is in doubt must not send it again.
 */
#include "deliverd/outbound_trace.h"

#include "common/base/clock.h"
#include "common/base/ids.h"
#include "common/base/log.h"

enum {
	SECOND = 1000,
	MINUTE = 60 * SECOND,
	LOOK_MS = 5 * SECOND,
	DB_WAIT_MS = SECOND,
	LEASE_MS = 10 * MINUTE,
	FOREIGN_MS = 15 * MINUTE, /* then the host that made the attempt is taken for gone */
	AGAIN_MS = MINUTE,        /* the log may become readable */
	AGAIN_MAX_MS = 60 * MINUTE,
	EARLY_MS = 10 * SECOND,
	BATCH_MAX = 8,
};

struct traced {
	struct store_outbound_lost job;
	struct postfix_trace_answer found;
	bool again; /* it was taken, and not for everybody yet */
	struct store_outbound_result result;
};

struct outbound_tracer {
	struct outbound_tracer_config config;
	struct loop_timer *timer;
	struct task task;
	bool busy;
	atomic_bool stopped;
	/* of one run */
	struct arena arena;
	char lease_id[ID_MAX];
	struct traced v[BATCH_MAX];
	size_t n;
	struct store_outbound_rcpt *rcpts;
	size_t rcpts_n;
	struct fail fail;
};

/* Postfix may still be at work on it. */
static bool is_early(const struct traced *x)
{
	return x->found.outcome == POSTFIX_TRACE_CANNOT_TELL && x->found.why &&
	       slice_eq(slice_str(x->found.why), S("early"));
}

/* ---- on a worker ---- */

/*
 * Those whom Postfix took, and those whom it refused. Where the log does not tell, it took
 * them: it has the mail, and a second copy would be worse than a wrong word.
 */
static void add_rcpts(struct outbound_tracer *t, struct traced *x, const struct smtp_reply *replies)
{
	for (size_t i = 0; i < x->job.rcpts_n; i++) {
		const struct smtp_reply *r = &replies[i];
		bool later = r->code >= 400 && r->code < 500, refused = r->code >= 500;

		x->again = x->again || later;
		t->rcpts[t->rcpts_n++] = (struct store_outbound_rcpt){
			.job_id = x->job.job_id,
			.address = x->job.rcpts[i],
			.status = refused ? "failed"
				  : later ? "queued"
					  : "sent",
			.code = slice_str(arena_strdup(&t->arena, r->enhanced)),
			.detail = refused || later ? slice_str(arena_printf(&t->arena, "%d %s",
									    r->code, r->text))
						   : S(""),
		};
	}
}

static void ask_postfix(struct outbound_tracer *t, struct traced *x)
{
	struct postfix_trace_source source = postfix_trace_source(t->config.settings);
	const struct postfix_trace_query query = {
		.sender = x->job.verp,
		.rcpts = x->job.rcpts,
		.rcpts_n = x->job.rcpts_n,
		.begun_us = x->job.started_us,
		.ended_us = x->job.over_us,
	};
	struct smtp_reply *replies = arena_calloc(&t->arena, x->job.rcpts_n, sizeof(*replies));

	source.stop = &t->stopped;
	if (x->job.reported)
		x->found.outcome = POSTFIX_TRACE_ACCEPTED;
	else
		postfix_trace(&source, &query, replies, &x->found);
	if (x->found.outcome == POSTFIX_TRACE_ACCEPTED)
		add_rcpts(t, x, replies);
}

/* The longer nobody can tell, the less often it is worth a search. */
static int64_t wait_ms(const struct traced *x)
{
	int64_t age_ms = (clock_now_us() - x->job.over_us) / 1000;

	if (age_ms < AGAIN_MS)
		return AGAIN_MS;
	return age_ms < AGAIN_MAX_MS ? age_ms : AGAIN_MAX_MS;
}

static void judge(struct outbound_tracer *t, struct traced *x)
{
	static const struct {
		enum store_outbound_outcome outcome;
		enum event_reason reason;
	} ends[] = {
		[POSTFIX_TRACE_ACCEPTED] = { STORE_OUTBOUND_TAKEN, EVENT_FOUND },
		[POSTFIX_TRACE_NOT_ACCEPTED] = { STORE_OUTBOUND_LATER, EVENT_NOT_FOUND },
		[POSTFIX_TRACE_CANNOT_TELL] = { STORE_OUTBOUND_UNKNOWN, EVENT_UNTRACEABLE },
	};

	x->found = (struct postfix_trace_answer){ 0 };
	x->again = false;
	if (x->job.foreign && !x->job.reported)
		x->found = (struct postfix_trace_answer){ .outcome = POSTFIX_TRACE_CANNOT_TELL };
	else
		ask_postfix(t, x);
	x->result = (struct store_outbound_result){
		.job_id = x->job.job_id,
		.lease_id = slice_str(t->lease_id),
		.outcome = ends[x->found.outcome].outcome,
		.reason = x->job.foreign && !x->job.reported ? EVENT_OTHER_HOST
							     : ends[x->found.outcome].reason,
		.wait_ms = x->found.outcome == POSTFIX_TRACE_CANNOT_TELL ? wait_ms(x) : 0,
	};
	if (x->again)
		x->result.outcome = STORE_OUTBOUND_LATER;
	if (is_early(x)) {
		x->result.outcome = STORE_OUTBOUND_LOST;
		x->result.wait_ms = EARLY_MS;
	}
}

static enum err find_lost(struct outbound_tracer *t, struct db *db)
{
	const struct store_outbound_trace args = {
		.lease_id = slice_str(t->lease_id),
		.lease_ms = LEASE_MS,
		.host = t->config.host,
		.foreign_ms = FOREIGN_MS,
		.limit = BATCH_MAX,
	};
	struct store_outbound_lost *lost;
	size_t rcpts_n = 0;
	enum err e = store_outbound_trace(db, &args, &t->arena, &lost, &t->n, &t->fail);

	for (size_t i = 0; e == OK && i < t->n; i++) {
		t->v[i].job = lost[i];
		rcpts_n += lost[i].rcpts_n;
	}
	t->rcpts = arena_calloc(&t->arena, rcpts_n, sizeof(*t->rcpts));
	return e;
}

static enum err write_ends(struct outbound_tracer *t, struct db *db)
{
	struct store_outbound_result results[BATCH_MAX];
	size_t ours;

	for (size_t i = 0; i < t->n; i++)
		results[i] = t->v[i].result;
	return store_outbound_finish(db, results, t->n, t->rcpts, t->rcpts_n, &ours, &t->fail);
}

/* The connection is not kept while Postfix is asked, which may take long. */
static enum err with_db(struct outbound_tracer *t,
			enum err (*fn)(struct outbound_tracer *t, struct db *db))
{
	struct db *db;
	enum err e = db_pool_get(t->config.pool, DB_WAIT_MS, &db, &t->fail);

	if (e)
		return e;
	e = fn(t, db);
	db_pool_put(t->config.pool, db);
	return e;
}

static void run(struct task *task)
{
	struct outbound_tracer *t = CONTAINER(task, struct outbound_tracer, task);

	t->n = t->rcpts_n = 0;
	t->fail.code = with_db(t, find_lost);
	if (t->fail.code || t->n == 0)
		return;
	for (size_t i = 0; i < t->n && !atomic_load(&t->stopped); i++)
		judge(t, &t->v[i]);
	/* what was not judged keeps its lease, and is looked for when that is over */
	if (atomic_load(&t->stopped))
		t->n = 0;
	else
		t->fail.code = with_db(t, write_ends);
}

/* ---- on the loop ---- */

static const char *outcome_name(enum postfix_trace_outcome outcome)
{
	static const char *const names[] = {
		[POSTFIX_TRACE_ACCEPTED] = "accepted",
		[POSTFIX_TRACE_NOT_ACCEPTED] = "not_accepted",
		[POSTFIX_TRACE_CANNOT_TELL] = "cannot_tell",
	};

	return names[outcome];
}

/* A job that stays unknown is told of once, not every minute. */
static void log_traced(const struct traced *x)
{
	bool unknown = x->found.outcome == POSTFIX_TRACE_CANNOT_TELL;

	if (unknown && (x->job.unknown || is_early(x)))
		return;
	LOG_AT(unknown ? LOGL_ERROR : LOGL_WARN, "outbound_traced",
	       LF_SLICE("message_id", x->job.message_id), LF_SLICE("job", x->job.job_id),
	       LF_SLICE("verp", x->job.verp), LF_STR("answer", outcome_name(x->found.outcome)),
	       LF_STR("queue_id", x->found.queue_id),
	       LF_STR("reason", event_reason_name(x->result.reason)), LF_STR("why", x->found.why),
	       LF_STR("detail", x->found.fail.code ? x->found.fail.what : ""), { .key = NULL });
}

static void done(struct task *task)
{
	struct outbound_tracer *t = CONTAINER(task, struct outbound_tracer, task);

	for (size_t i = 0; i < t->n && !t->fail.code; i++)
		log_traced(&t->v[i]);
	if (t->fail.code)
		log_warn("outbound_trace_failed", LF_STR("cause", t->fail.what));
	arena_release(&t->arena);
	arena_init(&t->arena);
	t->busy = false;
	if (!atomic_load(&t->stopped))
		loop_timer_start(t->timer, t->n == BATCH_MAX ? 0 : LOOK_MS);
}

static void look(void *arg)
{
	struct outbound_tracer *t = arg;

	id_new("lease_", t->lease_id);
	t->task = (struct task){ .lane = LANE_MISC, .run = run, .done = done };
	t->busy = true;
	loop_submit(t->config.loop, &t->task);
}

struct outbound_tracer *outbound_tracer_new(const struct outbound_tracer_config *config)
{
	struct outbound_tracer *t = mem_zalloc(sizeof(*t));

	t->config = *config;
	t->timer = loop_timer_new(config->loop, look, t);
	loop_timer_start(t->timer, LOOK_MS);
	return t;
}

void outbound_tracer_stop(struct outbound_tracer *t)
{
	atomic_store(&t->stopped, true);
	loop_timer_stop(t->timer);
}

bool outbound_tracer_idle(const struct outbound_tracer *t)
{
	return !t->busy;
}

void outbound_tracer_free(struct outbound_tracer *t)
{
	if (!t)
		return;
	loop_timer_free(t->timer);
	arena_release(&t->arena);
	free(t);
}
