/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens are committed before the mail that has them can leave: what a reviewer holds in
 * hand is always known. The hold is locked meanwhile, so that no decision is overtaken.
 */
#include "deliverd/hold_notice.h"

#include "common/mail/review_addr.h"
#include "common/store/store_approval.h"
#include "common/store/store_notice.h"
#include "deliverd/hold_text.h"

enum { MINUTE_MS = 60 * 1000, REMINDER_MIN_MS = 5 * MINUTE_MS, SUBJECT_BYTES_MAX = 1000 };

struct make {
	const struct hold_notice_config *config;
	const struct store_mail_job *job;
	struct slice lease_id;
	struct arena *a;
	struct store_notice hold;
	enum store_notice_state state;
	struct store_approval_tokens tokens;
};

int64_t hold_notice_before_ms(int64_t left_ms, int64_t wanted_ms)
{
	int64_t before = wanted_ms < left_ms / 2 ? wanted_ms : left_ms / 2;

	return before < REMINDER_MIN_MS ? 0 : before;
}

/* What can never be sent here, or NULL. */
static const char *obstacle(const struct hold_notice_config *c)
{
	if (!*c->settings->public_url)
		return "no_public_url";
	return c->sender.n ? NULL : "no_from_domain";
}

static bool is_reminder(const struct store_mail_job *job)
{
	return slice_eq(job->kind, S("hold_reminder"));
}

/* Nobody approves by an answer what they were not shown. */
static bool takes_answers(const struct make *m)
{
	return m->hold.by_reply && hold_text_is_whole(&m->hold);
}

/* ---- in the database ---- */

static enum err mint(struct db *db, struct make *m, struct fail *fail)
{
	const struct store_approval_ask ask = {
		.message_id = m->hold.message_id,
		.user_id = m->hold.user_id,
		.reviewer = m->job->to,
		.draft_hash = m->hold.draft_hash,
		.hold_expires_us = m->hold.expires_us,
		.by_reply = takes_answers(m),
	};
	int64_t before_ms =
		hold_notice_before_ms(m->hold.left_ms, m->config->settings->hold_reminder_ms);
	enum err e = store_approval_mint(db, m->config->keys, &ask, m->a, &m->tokens, fail);

	if (e == OK && m->tokens.first && before_ms && !is_reminder(m->job))
		e = store_notice_remind(db, m->job->id, before_ms, fail);
	return e;
}

/* May run more than once. */
static enum err run(struct db *db, void *arg, struct fail *fail)
{
	struct make *m = arg;
	const struct store_notice_job job = { m->job->id, m->lease_id, m->config->sender };
	enum err e = store_notice_load(db, &job, HOLD_TEXT_MAX, m->a, &m->hold, &m->state, fail);

	if (e || m->state != STORE_NOTICE_NEEDED || m->job->expired || obstacle(m->config))
		return e;
	return mint(db, m, fail);
}

/* ---- the mail ---- */

static struct slice url(const struct make *m, const char *path, struct slice value)
{
	struct slice base = slice_str(m->config->settings->public_url);

	while (slice_ends(base, S("/")))
		base.n--;
	return slice_str(
		arena_printf(m->a, "%.*s%s%.*s", SLICE_ARGS(base), path, SLICE_ARGS(value)));
}

static struct slice part(struct make *m, const struct hold_text *t, size_t max,
			 void (*write)(const struct hold_text *, struct arena *, struct buf *))
{
	AUTO(buf_release) struct buf b = BUF_INIT(max);

	write(t, m->a, &b);
	return arena_slice(m->a, buf_slice(&b));
}

static void write_mail(struct make *m, struct hold_notice *ret)
{
	const struct hold_text t = {
		.notice = &m->hold,
		.reminder = is_reminder(m->job),
		.approve = url(m, "/api/v1/approve?t=", m->tokens.approve),
		.reject = url(m, "/api/v1/reject?t=", m->tokens.reject),
		.dashboard = url(m, "/dashboard/pending/review?id=", m->hold.message_id),
	};

	*ret = (struct hold_notice){
		.state = HOLD_NOTICE_READY,
		.subject = part(m, &t, SUBJECT_BYTES_MAX, hold_text_subject),
		.text = part(m, &t, HOLD_TEXT_PART_MAX, hold_text_plain),
		.html = part(m, &t, HOLD_TEXT_PART_MAX, hold_text_html),
		.reply_to = takes_answers(m) ? review_addr(m->tokens.reply, m->hold.domain, m->a)
					     : m->config->sender,
	};
}

enum err hold_notice_make(const struct hold_notice_config *c, struct db *db,
			  const struct store_mail_job *job, struct slice lease_id, struct arena *a,
			  struct hold_notice *ret, struct fail *fail)
{
	struct make m = { .config = c, .job = job, .lease_id = lease_id, .a = a };
	enum err e = db_tx(db, run, &m, fail);

	if (e)
		return e;
	*ret = (struct hold_notice){ .state = HOLD_NOTICE_FAILED, .why = obstacle(c) };
	if (m.state == STORE_NOTICE_NEEDLESS)
		ret->state = HOLD_NOTICE_NEEDLESS;
	else if (m.state == STORE_NOTICE_EXPOSED)
		ret->why = "sender_is_an_agent";
	else if (job->expired)
		ret->why = "expired";
	else if (!ret->why)
		write_mail(&m, ret);
	return OK;
}
