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
#include "common/base/rsa.h"
#include "common/mail/addr.h"
#include "common/mail/compose.h"
#include "common/store/store_dkim.h"
#include "common/store/store_mail.h"
#include "deliverd/dkim_sign.h"
#include "deliverd/hold_notice.h"
#include "deliverd/submission.h"

#include <assert.h>

enum {
	SECOND = 1000,
	MINUTE = 60 * SECOND,
	POLL_MS = SECOND,
	RETRY_MS = SECOND,       /* a result that could not be written */
	MARGIN_MS = 20 * SECOND, /* to write it */
	DB_WAIT_MS = SECOND,
	MAIL_MAX = 4 * 1024 * 1024,
};

/* Waits after the attempts, until the mail is of no use. */
static const int64_t schedule_ms[] = { 5 * SECOND,  15 * SECOND, 30 * SECOND, MINUTE,
				       2 * MINUTE,  5 * MINUTE,  10 * MINUTE, 15 * MINUTE,
				       30 * MINUTE, 60 * MINUTE };

/* How mail of a kind is made; any other is as it was stored, and comes from mail_from. */
struct kind {
	struct slice name;
	bool approval; /* it comes from the address for approvals, signed */
	bool notice;   /* it is made by hold_notice.c */
	enum compose_auto automatic;
};

static const struct kind kinds[] = {
	{ SLICE_INIT("hold"), true, true, COMPOSE_AUTO_GENERATED },
	{ SLICE_INIT("hold_reminder"), true, true, COMPOSE_AUTO_GENERATED },
	{ SLICE_INIT("hold_answer"), true, false, COMPOSE_AUTO_REPLIED },
};
static const struct kind any_kind = { .automatic = COMPOSE_AUTO_GENERATED };

enum end {
	END_SENT,
	END_NEEDLESS, /* nobody has to be told any more */
	END_LATER,
	END_FAILED,
};

struct slot {
	struct mail_jobs *owner;
	struct task task;
	struct loop_timer *again;
	bool busy;
	char lease_id[ID_MAX];
	int64_t lease_end_ms; /* clock_mono_ms */
	struct arena arena;
	struct store_mail_job job;
	const struct kind *kind;
	size_t found;      /* jobs that the claim gave: 0 or 1 */
	struct slice html; /* beside the job's text, or empty */
	bool sign;
	struct dkim_sign_key key;
	struct buf private_key;
	enum end end;
	char why[32];                /* a word: it was not sent */
	enum store_mail_state state; /* of a job that was not sent */
	bool ours;                   /* of one that was */
	enum err code;
	struct fail fail;
};

struct mail_jobs {
	struct mail_jobs_config config;
	struct submission *submission;
	struct dkim_signer *signer;
	struct arena arena;
	struct slice from;     /* of any mail */
	struct slice approval; /* of mail about approvals; empty: there is no domain for it */
	struct loop_timer *poll;
	struct slot slots[MAIL_JOBS_AT_ONCE];
	bool draining;
};

static void claim(struct slot *s);
static void write_end(void *arg);

static void free_slot(struct slot *s)
{
	if (s->private_key.p)
		crypto_wipe(s->private_key.p, s->private_key.cap);
	buf_release(&s->private_key);
	arena_release(&s->arena);
	s->busy = false;
}

static void set_end(struct slot *s, enum end end, const char *why)
{
	s->end = end;
	snprintf(s->why, sizeof(s->why), "%s", why);
}

/* ---- the end of a job ---- */

static bool is_over(const struct slot *s)
{
	return s->end == END_SENT || s->end == END_NEEDLESS;
}

static void write_run(struct task *t)
{
	struct slot *s = CONTAINER(t, struct slot, task);
	const struct store_mail_failure failure = {
		.id = s->job.id,
		.lease_id = slice_str(s->lease_id),
		.why = slice_str(s->why),
		.final = s->end == END_FAILED,
		.schedule_ms = schedule_ms,
		.schedule_n = ARRAY_LEN(schedule_ms),
	};
	struct db *db;

	s->code = db_pool_get(s->owner->config.pool, DB_WAIT_MS, &db, &s->fail);
	if (s->code)
		return;
	if (is_over(s))
		s->code = store_mail_sent(db, failure.id, failure.lease_id, &s->ours, &s->fail);
	else
		s->code = store_mail_failed(db, &failure, &s->state, &s->fail);
	db_pool_put(s->owner->config.pool, db);
}

static void log_end(const struct slot *s)
{
	const struct store_mail_job *j = &s->job;

	if (is_over(s) ? !s->ours : s->state == STORE_MAIL_LOST)
		log_warn("mail_result_late", LF_SLICE("id", j->id), LF_SLICE("kind", j->kind));
	else if (s->end == END_SENT)
		log_info("mail_sent", LF_SLICE("id", j->id), LF_SLICE("kind", j->kind),
			 LF_SLICE("message_id", j->message_id), LF_INT("attempt", j->attempts + 1));
	else if (s->end == END_NEEDLESS)
		log_info("mail_needless", LF_SLICE("id", j->id), LF_SLICE("kind", j->kind),
			 LF_SLICE("message_id", j->message_id));
	else if (s->state == STORE_MAIL_FAILED)
		log_warn("mail_failed", LF_SLICE("id", j->id), LF_SLICE("kind", j->kind),
			 LF_SLICE("message_id", j->message_id), LF_STR("reason", s->why),
			 LF_INT("attempt", j->attempts + 1));
	else
		log_info("mail_deferred", LF_SLICE("id", j->id), LF_SLICE("kind", j->kind),
			 LF_SLICE("message_id", j->message_id), LF_STR("reason", s->why),
			 LF_INT("attempt", j->attempts + 1));
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

static struct slice sender_of(const struct slot *s)
{
	return s->kind->approval ? s->owner->approval : s->owner->from;
}

static enum err compose(struct slot *s, struct slice to, struct buf *ret)
{
	const struct store_mail_job *j = &s->job;
	const struct compose_mail mail = {
		.from = sender_of(s),
		.from_name = s->kind->approval ? S("e2a") : S(""),
		.to = &to,
		.to_n = 1,
		.reply_to = j->reply_to,
		.subject = j->subject,
		/* the same for every attempt, so that a mail that comes twice is seen to be one */
		.message_id = slice_str(arena_printf(&s->arena, "<%.*s@%s>", SLICE_ARGS(j->id),
						     s->owner->config.settings->mail_host)),
		.date_us = j->created_us,
		.automatic = s->kind->automatic,
		.text = j->text,
		.html = s->html,
	};

	return compose_mail(&mail, ret, &s->fail);
}

/* A mail that cannot be signed is better than none. */
static void sign(struct slot *s, struct slice mail, struct buf *ret)
{
	if (s->sign && dkim_signer_sign(s->owner->signer, &s->key, mail, ret, &s->fail)) {
		log_warn("mail_not_signed", LF_SLICE("id", s->job.id),
			 LF_STR("cause", s->fail.what));
		buf_reset(ret);
	}
}

static void submit(struct slot *s, struct slice to, struct slice mail)
{
	AUTO(buf_release) struct buf whole = BUF_INIT(MAIL_MAX + DKIM_SIGN_FIELD_MAX);
	static const enum end ends[] = {
		[SUBMISSION_TAKEN] = END_SENT,
		[SUBMISSION_LATER] = END_LATER,
		[SUBMISSION_REFUSED] = END_FAILED,
	};
	struct submission_answer answer;

	sign(s, mail, &whole);
	buf_add_slice(&whole, mail);
	submission_send(s->owner->submission, sender_of(s), to, buf_slice(&whole), &answer);
	set_end(s, ends[answer.outcome], answer.why);
}

static void send_run(struct task *t)
{
	struct slot *s = CONTAINER(t, struct slot, task);
	AUTO(buf_release) struct buf mail = BUF_INIT(MAIL_MAX);
	struct slice to;

	if (!addr_usable(s->job.to, &s->arena, &to) && !compose(s, to, &mail)) {
		submit(s, to, buf_slice(&mail));
		return;
	}
	log_warn("mail_not_composed", LF_SLICE("id", s->job.id), LF_STR("cause", s->fail.what));
	set_end(s, END_FAILED, "unusable");
}

static void sent(struct task *t)
{
	write_end(CONTAINER(t, struct slot, task));
}

/* ---- what is to be sent ---- */

/* Of the domain in whose name it goes out, if receivers can find it. */
static enum err find_key(struct slot *s, struct db *db)
{
	struct slice local, domain;
	struct store_dkim_signer signer;
	enum err e;

	if (!s->kind->approval || !addr_split(s->owner->approval, &local, &domain))
		return OK;
	buf_init(&s->private_key, RSA_PRIVATE_MAX);
	e = store_dkim_signer(db, s->owner->config.keys, domain, &s->arena, &signer,
			      &s->private_key, &s->fail);
	if (e)
		return e == ERR_NOT_FOUND || e == ERR_CRYPTO ? OK : e;
	s->sign = signer.published;
	s->key = (struct dkim_sign_key){ domain, signer.selector, buf_slice(&s->private_key) };
	return OK;
}

static enum err make_notice(struct slot *s, struct db *db)
{
	const struct mail_jobs_config *c = &s->owner->config;
	const struct hold_notice_config config = { c->settings, c->keys, s->owner->approval };
	struct hold_notice n;
	enum err e = hold_notice_make(&config, db, &s->job, slice_str(s->lease_id), &s->arena, &n,
				      &s->fail);

	if (e)
		return e;
	if (n.state == HOLD_NOTICE_NEEDLESS)
		set_end(s, END_NEEDLESS, "");
	else if (n.state == HOLD_NOTICE_FAILED)
		set_end(s, END_FAILED, n.why);
	s->job.subject = n.subject;
	s->job.text = n.text;
	s->job.reply_to = n.reply_to;
	s->html = n.html;
	return OK;
}

/* Leaves s->end at END_SENT when it may be sent. */
static enum err prepare(struct slot *s, struct db *db)
{
	if (s->kind->notice) {
		enum err e = make_notice(s, db);

		return e || s->end != END_SENT ? e : find_key(s, db);
	}
	if (s->job.expired)
		set_end(s, END_FAILED, "expired");
	else if (s->job.unreadable)
		set_end(s, END_FAILED, "unreadable");
	else if (sender_of(s).n == 0)
		set_end(s, END_FAILED, "no_from_domain");
	else
		return find_key(s, db);
	return OK;
}

static const struct kind *kind_of(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (slice_eq(name, kinds[i].name))
			return &kinds[i];
	return &any_kind;
}

static void prepare_found(struct slot *s, struct db *db)
{
	s->kind = kind_of(s->job.kind);
	s->sign = false;
	s->html = S("");
	set_end(s, END_SENT, "");
	if (prepare(s, db)) {
		log_warn("mail_not_prepared", LF_SLICE("id", s->job.id),
			 LF_STR("cause", s->fail.what));
		set_end(s, END_LATER, "database");
	}
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
		.no_holds = s == &s->owner->slots[MAIL_JOBS_AT_ONCE - 1],
	};
	struct store_mail_job *v;
	struct db *db;

	s->found = 0;
	s->code = db_pool_get(c->pool, DB_WAIT_MS, &db, &s->fail);
	if (s->code)
		return;
	s->code = store_mail_claim(db, c->keys, &args, &s->arena, &v, &s->found, &s->fail);
	if (s->code == OK && s->found) {
		s->job = *v;
		prepare_found(s, db);
	}
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
	if (s->end != END_SENT) {
		write_end(s);
		return;
	}
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

/* The last slot is not for mail about holds, so it must be the last to be woken. */
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
	if (m->config.sender->relay_domain.n)
		m->approval = slice_str(arena_printf(&m->arena, HOLD_NOTICE_LOCAL "@%.*s",
						     SLICE_ARGS(m->config.sender->relay_domain)));
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
	if (e == OK)
		e = dkim_signer_new(0, &m->signer, fail);
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
		free_slot(&m->slots[i]);
	}
	loop_timer_free(m->poll);
	dkim_signer_free(m->signer);
	submission_free(m->submission);
	arena_release(&m->arena);
	free(m);
}
