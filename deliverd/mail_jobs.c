/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A few slots, each with at most one job: claimed, sent, its end written down.
 * A job must never be forgotten: until its end is written its row is there, and
 * when the lease is over another attempt is made. So a mail may go out twice
 * after a crash, and is never lost.
 */
#include "deliverd/mail_jobs.h"

#include "common/base/clock.h"
#include "common/base/ids.h"
#include "common/base/log.h"
#include "common/mail/addr.h"
#include "common/mail/compose.h"
#include "common/store/store_mail.h"
#include "deliverd/submission.h"

#include <assert.h>

enum {
	SECOND = 1000,
	MINUTE = 60 * SECOND,
	POLL_MS = SECOND,
	RETRY_MS = SECOND,       /* a result that could not be written */
	MARGIN_MS = 20 * SECOND, /* to write it */
	DB_WAIT_MS = SECOND,
	MAIL_MAX = 1024 * 1024,
};

/* Waits after the attempts, until the mail is of no use. */
static const int64_t schedule_ms[] = { 5 * SECOND,  15 * SECOND, 30 * SECOND, MINUTE,
				       2 * MINUTE,  5 * MINUTE,  10 * MINUTE, 15 * MINUTE,
				       30 * MINUTE, 60 * MINUTE };

struct slot {
	struct mail_jobs *owner;
	struct task task;
	struct loop_timer *again;
	bool busy;
	char lease_id[ID_MAX];
	int64_t lease_end_ms; /* clock_mono_ms */
	struct arena arena;
	struct store_mail_job job;
	size_t found; /* jobs that the claim gave: 0 or 1 */
	struct submission_answer answer;
	enum store_mail_state state; /* of a job that was not sent */
	bool ours;                   /* of one that was */
	enum err code;
	struct fail fail;
};

struct mail_jobs {
	struct mail_jobs_config config;
	struct submission *submission;
	struct arena arena;
	struct slice from;
	struct loop_timer *poll;
	struct slot slots[MAIL_JOBS_AT_ONCE];
	bool draining;
};

static void claim(struct slot *s);
static void write_end(void *arg);

static void free_slot(struct slot *s)
{
	arena_release(&s->arena);
	s->busy = false;
}

/* ---- the end of a job ---- */

static void write_run(struct task *t)
{
	struct slot *s = CONTAINER(t, struct slot, task);
	const struct store_mail_failure failure = {
		.id = s->job.id,
		.lease_id = slice_str(s->lease_id),
		.why = slice_str(s->answer.why),
		.final = s->answer.outcome == SUBMISSION_REFUSED,
		.schedule_ms = schedule_ms,
		.schedule_n = ARRAY_LEN(schedule_ms),
	};
	struct db *db;

	s->code = db_pool_get(s->owner->config.pool, DB_WAIT_MS, &db, &s->fail);
	if (s->code)
		return;
	if (s->answer.outcome == SUBMISSION_TAKEN)
		s->code = store_mail_sent(db, failure.id, failure.lease_id, &s->ours, &s->fail);
	else
		s->code = store_mail_failed(db, &failure, &s->state, &s->fail);
	db_pool_put(s->owner->config.pool, db);
}

static void log_end(const struct slot *s)
{
	const struct store_mail_job *j = &s->job;

	if (s->answer.outcome == SUBMISSION_TAKEN && s->ours)
		log_info("mail_sent", LF_SLICE("id", j->id), LF_SLICE("kind", j->kind),
			 LF_INT("attempt", j->attempts + 1));
	else if (s->answer.outcome == SUBMISSION_TAKEN || s->state == STORE_MAIL_LOST)
		log_warn("mail_result_late", LF_SLICE("id", j->id), LF_SLICE("kind", j->kind));
	else if (s->state == STORE_MAIL_FAILED)
		log_warn("mail_failed", LF_SLICE("id", j->id), LF_SLICE("kind", j->kind),
			 LF_STR("reason", s->answer.why), LF_INT("attempt", j->attempts + 1));
	else
		log_info("mail_deferred", LF_SLICE("id", j->id), LF_SLICE("kind", j->kind),
			 LF_STR("reason", s->answer.why), LF_INT("attempt", j->attempts + 1));
}

static void written(struct task *t)
{
	struct slot *s = CONTAINER(t, struct slot, task);

	if (s->code == OK) {
		log_end(s);
		free_slot(s);
		claim(s);
		return;
	}
	log_warn("mail_result_not_written", LF_SLICE("id", s->job.id),
		 LF_STR("cause", s->fail.what));
	if (clock_mono_ms() + RETRY_MS < s->lease_end_ms)
		loop_timer_start(s->again, RETRY_MS);
	else
		free_slot(s); /* it is due again */
}

static void write_end(void *arg)
{
	struct slot *s = arg;

	s->task = (struct task){ .lane = LANE_DB, .run = write_run, .done = written };
	loop_submit(s->owner->config.loop, &s->task);
}

/* ---- sending ---- */

static void give_up(struct slot *s, const char *why)
{
	s->answer = (struct submission_answer){ .outcome = SUBMISSION_REFUSED };
	snprintf(s->answer.why, sizeof(s->answer.why), "%s", why);
}

static enum err compose(struct slot *s, struct slice to, struct buf *ret, struct fail *fail)
{
	const struct store_mail_job *j = &s->job;
	const struct compose_mail mail = {
		.from = s->owner->from,
		.to = &to,
		.to_n = 1,
		.reply_to = j->reply_to,
		.subject = j->subject,
		/* the same for every attempt, so that a mail that comes twice is seen to be one */
		.message_id = slice_str(arena_printf(&s->arena, "<%.*s@%s>", SLICE_ARGS(j->id),
						     s->owner->config.settings->mail_host)),
		.date_us = j->created_us,
		.automatic = COMPOSE_AUTO_GENERATED,
		.text = j->text,
	};

	return compose_mail(&mail, ret, fail);
}

static void send_run(struct task *t)
{
	struct slot *s = CONTAINER(t, struct slot, task);
	AUTO(buf_release) struct buf mail = BUF_INIT(MAIL_MAX);
	struct slice to;

	s->fail.code = OK;
	if (s->job.expired)
		give_up(s, "expired");
	else if (s->job.unreadable)
		give_up(s, "unreadable");
	else if (addr_usable(s->job.to, &s->arena, &to) || compose(s, to, &mail, &s->fail))
		give_up(s, "unusable");
	else
		submission_send(s->owner->submission, s->owner->from, to, buf_slice(&mail),
				&s->answer);
}

static void sent(struct task *t)
{
	struct slot *s = CONTAINER(t, struct slot, task);

	if (s->fail.code)
		log_warn("mail_not_composed", LF_SLICE("id", s->job.id),
			 LF_STR("cause", s->fail.what));
	write_end(s);
}

/* ---- claiming ---- */

static void claim_run(struct task *t)
{
	struct slot *s = CONTAINER(t, struct slot, task);
	const struct mail_jobs_config *c = &s->owner->config;
	const struct store_mail_claim args = {
		.lease_id = slice_str(s->lease_id),
		.lease_ms = s->lease_end_ms - clock_mono_ms(),
		.limit = 1,
	};
	struct store_mail_job *v;
	struct db *db;

	s->found = 0;
	s->code = db_pool_get(c->pool, DB_WAIT_MS, &db, &s->fail);
	if (s->code)
		return;
	s->code = store_mail_claim(db, c->keys, &args, &s->arena, &v, &s->found, &s->fail);
	if (s->code == OK && s->found)
		s->job = *v;
	db_pool_put(c->pool, db);
}

/* The claim may have taken its time; then the job is due again when its lease is over. */
static bool lease_lasts(const struct slot *s)
{
	return clock_mono_ms() + submission_max_ms(s->owner->submission) < s->lease_end_ms;
}

static void claimed(struct task *t)
{
	struct slot *s = CONTAINER(t, struct slot, task);

	if (s->code)
		log_warn("mail_claim_failed", LF_STR("cause", s->fail.what));
	if (s->code || s->found == 0 || !lease_lasts(s)) {
		free_slot(s);
		return;
	}
	mail_jobs_wake(s->owner); /* there may be more: one slot wakes the next */
	s->task = (struct task){ .lane = LANE_MAIL, .run = send_run, .done = sent };
	loop_submit(s->owner->config.loop, &s->task);
}

static void claim(struct slot *s)
{
	const struct mail_jobs *m = s->owner;

	if (m->draining)
		return;
	s->busy = true;
	id_new("lease_", s->lease_id);
	s->lease_end_ms = clock_mono_ms() + submission_max_ms(m->submission) + MARGIN_MS;
	s->task = (struct task){ .lane = LANE_DB, .run = claim_run, .done = claimed };
	loop_submit(m->config.loop, &s->task);
}

void mail_jobs_wake(struct mail_jobs *m)
{
	for (size_t i = 0; i < MAIL_JOBS_AT_ONCE; i++)
		if (!m->slots[i].busy) {
			claim(&m->slots[i]);
			return;
		}
}

static void poll(void *arg)
{
	struct mail_jobs *m = arg;

	mail_jobs_wake(m);
	loop_timer_start(m->poll, POLL_MS);
}

/* ---- life ---- */

static enum err choose_sender(struct mail_jobs *m, struct fail *fail)
{
	const struct settings *s = m->config.settings;
	const char *from =
		*s->mail_from ? s->mail_from : arena_printf(&m->arena, "noreply@%s", s->mail_host);

	if (addr_usable(slice_str(from), &m->arena, &m->from))
		return fail_set(fail, ERR_CONFIG,
				"mail_from, or noreply@ and mail_host: "
				"no address that mail can come from: %.100s",
				from);
	return OK;
}

enum err mail_jobs_new(const struct mail_jobs_config *config, struct mail_jobs **ret,
		       struct fail *fail)
{
	AUTO(mail_jobs_freep) struct mail_jobs *m = mem_zalloc(sizeof(*m));
	enum err e;

	m->config = *config;
	e = choose_sender(m, fail);
	if (e == OK)
		e = submission_new(config->settings, &m->submission, fail);
	if (e)
		return e;
	for (size_t i = 0; i < MAIL_JOBS_AT_ONCE; i++) {
		m->slots[i].owner = m;
		m->slots[i].again = loop_timer_new(config->loop, write_end, &m->slots[i]);
	}
	m->poll = loop_timer_new(config->loop, poll, m);
	loop_timer_start(m->poll, 0);
	*ret = TAKE(m);
	return OK;
}

void mail_jobs_drain(struct mail_jobs *m)
{
	m->draining = true;
	loop_timer_stop(m->poll);
}

void mail_jobs_abort(struct mail_jobs *m)
{
	submission_stop(m->submission);
}

bool mail_jobs_idle(const struct mail_jobs *m)
{
	for (size_t i = 0; i < MAIL_JOBS_AT_ONCE; i++)
		if (m->slots[i].busy)
			return false;
	return true;
}

void mail_jobs_free(struct mail_jobs *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < MAIL_JOBS_AT_ONCE; i++) {
		loop_timer_free(m->slots[i].again);
		arena_release(&m->slots[i].arena);
	}
	loop_timer_free(m->poll);
	submission_free(m->submission);
	arena_release(&m->arena);
	free(m);
}
