/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the links in a mail lead that asks to approve another one. GET shows that mail and a
 * button; only POST decides. Who has a token needs no account, and no cookie is read: so it
 * makes no difference which page a form was on.
 */
#include "apid/announcer.h"
#include "apid/handlers.h"
#include "apid/held_mail.h"
#include "apid/page.h"
#include "common/base/log.h"
#include "common/base/utf8.h"
#include "common/mail/approval_token.h"
#include "common/store/store_approval.h"
#include "common/store/store_decide.h"

#define APPROVE_PATH "/api/v1/approve"
#define REJECT_PATH "/api/v1/reject"
#define CONTENT_PATH APPROVE_PATH "/content"
#define AGAIN "Visit the dashboard to review pending messages."

enum { REASON_MAX = 200 /* characters */, LINK_MAX = 2 * APPROVAL_TOKEN_MAX };

typedef enum err decide_fn(struct req *r, const struct store_decider *by, struct slice id,
			   enum store_decision *ret, struct fail *fail);
static decide_fn approve, reject;

/* The two acts; the same enum names their rows. */
static const struct act {
	const char *heading, *path, *asks, *button;
	const char *done, *failed, *failed_text;
	const char *event;
	decide_fn *run;
} acts[] = {
	[APPROVAL_APPROVE] = {
		.heading = "Approve message",
		.path = APPROVE_PATH,
		.asks = "This message is sent when you approve it, and not before.",
		.button = "Approve &amp; send",
		.done = "Approved",
		.failed = "Send failed",
		.failed_text = "The message couldn't be sent. Try again from the dashboard.",
		.event = "message_approved",
		.run = approve,
	},
	[APPROVAL_REJECT] = {
		.heading = "Reject message",
		.path = REJECT_PATH,
		.asks = "If you reject this message it is discarded and never sent.",
		.button = "Reject",
		.done = "Rejected",
		.failed = "Rejection failed",
		.failed_text = "The message couldn't be rejected. Try again from the dashboard.",
		.event = "message_rejected",
		.run = reject,
	},
};

/* ---- what stands in the way ---- */

enum hurdle {
	NO_TOKEN,
	BAD_TOKEN,
	EXPIRED,
	OTHER_ACT,
	GONE,
	RESOLVED,
	NOT_ASKED,
	CHANGED,
	UNVERIFIED,
	SUPPRESSED,
};

static const struct {
	int status;
	const char *title; /* NULL: it is about the token */
	const char *text;
} hurdles[] = {
	[NO_TOKEN] = { 400, NULL, "This approval link is missing its token." },
	[BAD_TOKEN] = { 400, NULL, "This approval link isn't valid." },
	[EXPIRED] = { 410, NULL, "This approval link has expired. " AGAIN },
	[OTHER_ACT] = { 400, NULL, "This approval link isn't valid for this action." },
	[GONE] = { 404, "Message not found", "This message no longer exists." },
	[RESOLVED] = { 409, "Already resolved",
		       "This message has already been approved, rejected, or expired." },
	[NOT_ASKED] = { 403, "No longer yours to decide",
			"Somebody else is asked about the messages of this agent now." },
	[CHANGED] = { 409, "The message has changed",
		      "This link is about an earlier version of it. " AGAIN },
	[UNVERIFIED] = { 403, "Agent not verified",
			 "The domain of the agent must be verified before it can send. The "
			 "message still waits." },
	[SUPPRESSED] = { 400, "Cannot send", "Every recipient is on the suppression list." },
};

struct visit {
	struct req *r;
	const struct act *act;
	bool posted;
	struct slice token;
	struct store_approval is;
};

static void stop(const struct visit *v, enum hurdle h)
{
	const char *title = hurdles[h].title;

	if (!title)
		title = v->posted ? "Invalid confirmation" : v->act->heading;
	page_message(v->r, hurdles[h].status, title, hurdles[h].text);
}

/* A failure of ours, which nobody can do anything about but try again. */
static void say_failed(const struct visit *v, const struct fail *fail, const char *title,
		       const char *text)
{
	req_fail(v->r, fail, text);
	page_message(v->r, v->r->resp.status, title, text);
}

static void say_unavailable(const struct visit *v, const struct fail *fail)
{
	say_failed(v, fail, "Something went wrong", "This is not possible now. Try again later.");
}

/* The first thing that stands in the way, in the order of their weight. */
static bool find_hurdle(const struct store_approval *t, enum hurdle *ret)
{
	if (t->expired)
		*ret = EXPIRED;
	else if (t->status.n == 0)
		*ret = GONE;
	else if (!t->pending)
		*ret = RESOLVED;
	else if (!t->asked)
		*ret = NOT_ASKED;
	else if (!t->unchanged)
		*ret = CHANGED;
	else
		return false;
	return true;
}

/* Is the token one of ours? */
static bool find_token(struct visit *v)
{
	struct approval_token unproved;
	struct req *r = v->r;
	struct fail fail = { 0 };
	enum err e = ERR_NOT_FOUND;

	if (v->token.n == 0) {
		stop(v, NO_TOKEN);
		return false;
	}
	if (approval_token_read(v->token, &r->arena, &unproved) == OK)
		e = store_approval_find(r->db, r->app->keys, v->token, &r->arena, &v->is, &fail);
	if (e == ERR_NOT_FOUND)
		stop(v, BAD_TOKEN);
	else if (e)
		say_unavailable(v, &fail);
	return e == OK;
}

static bool is_for(const struct visit *v, const struct act *act)
{
	return slice_eq(v->is.action, approval_action_name((enum approval_action)(act - acts)));
}

/* May it go on? Else there is an answer. */
static bool admit(struct visit *v, bool any_act)
{
	enum hurdle h;

	if (!find_token(v))
		return false;
	if (!v->is.expired && !any_act && !is_for(v, v->act))
		h = OTHER_ACT;
	else if (!find_hurdle(&v->is, &h))
		return true;
	stop(v, h);
	return false;
}

/* ---- looking at it ---- */

static void write_form(struct buf *out, const struct visit *v)
{
	buf_addf(out, "<form method=\"POST\" action=\"%s\">\n", v->act->path);
	page_hidden(out, "t", v->token);
	if (v->act->run == reject)
		buf_addf(out,
			 "<label for=\"reason\">Reason (may be left out)</label>\n"
			 "<input type=\"text\" id=\"reason\" name=\"reason\" maxlength=\"%d\" "
			 "autocomplete=\"off\">\n",
			 REASON_MAX);
	buf_addf(out, "<button type=\"submit\">%s</button>\n</form>\n", v->act->button);
}

static void write_page(const struct visit *v, const struct held_mail *m)
{
	const struct page_head head = { .title = v->act->heading,
					.posts_to = PAGE_POST_SELF,
					.wide = true };
	struct buf *out = page_begin(v->r, 200, &head);
	const char *link =
		arena_printf(&v->r->arena, CONTENT_PATH "?t=%.*s&part=", SLICE_ARGS(v->token));

	page_paragraph(out, v->act->asks);
	held_mail_write_head(out, m);
	held_mail_write_notes(out, m);
	held_mail_write_text(out, m, slice_str(link));
	held_mail_write_rest(out, m, slice_str(link));
	write_form(out, v);
	page_end(out);
}

/* What somebody decides meanwhile cannot be shown any more. */
static void show(const struct visit *v)
{
	struct held_mail m;
	struct fail fail = { 0 };
	enum err e = held_mail_find(v->r, v->is.user_id, v->is.message_id, &m, &fail);

	if (e == OK)
		write_page(v, &m);
	else if (e == ERR_NOT_FOUND)
		stop(v, RESOLVED);
	else
		say_unavailable(v, &fail);
}

static void look(struct req *r, enum approval_action act)
{
	struct visit v = { .r = r, .act = &acts[act], .token = target_query(&r->target, S("t")) };

	if (admit(&v, false))
		show(&v);
}

void approval_page(struct req *r)
{
	look(r, APPROVAL_APPROVE);
}

void rejection_page(struct req *r)
{
	look(r, APPROVAL_REJECT);
}

/* A part of the mail, for a token of either act. */
void approval_content(struct req *r)
{
	struct visit v = { .r = r,
			   .act = &acts[APPROVAL_APPROVE],
			   .token = target_query(&r->target, S("t")) };
	struct fail fail = { 0 };
	enum err e;

	if (!admit(&v, true))
		return;
	e = held_mail_send(r, v.is.user_id, v.is.message_id, target_query(&r->target, S("part")),
			   &fail);
	if (e == ERR_NOT_FOUND)
		page_message(r, 404, "Not found", "This message has no such part.");
	else if (e)
		say_unavailable(&v, &fail);
}

/* ---- deciding ---- */

static enum err approve(struct req *r, const struct store_decider *by, struct slice id,
			enum store_decision *ret, struct fail *fail)
{
	const struct settings *s = r->app->settings;

	return store_decide_approve(r->db, by, id, s->outbound_lifetime_ms, s->usage_tracking, ret,
				    fail);
}

static struct slice reason_of(struct req *r)
{
	struct slice text = utf8_clean(&r->arena, slice_trim(req_form(r, S("reason"))));
	struct slice rest = text;

	for (size_t i = 0; i < REASON_MAX && rest.n; i++)
		rest = slice_sub(rest, utf8_len(rest), rest.n);
	text = slice_trim(slice_sub(text, 0, text.n - rest.n));
	return text.n ? text : S("magic-link rejection");
}

static enum err reject(struct req *r, const struct store_decider *by, struct slice id,
		       enum store_decision *ret, struct fail *fail)
{
	return store_decide_reject(r->db, by, id, reason_of(r), ret, fail);
}

struct decision {
	const struct visit *visit;
	struct slice first_to;
	enum store_decision got;
};

/* In one transaction, so that the page names whom it was decided about. */
static enum err decide(struct db *db, void *arg, struct fail *fail)
{
	struct decision *d = arg;
	const struct visit *v = d->visit;
	const struct store_decider by = { .account.user_id = v->is.user_id,
					  .token_hash = v->is.hash };
	struct store_sent m;
	enum err e = v->act->run(v->r, &by, v->is.message_id, &d->got, fail);

	if (e || d->got != STORE_DECIDED)
		return e;
	e = store_sent_find(db, v->is.user_id, v->is.message_id, &v->r->arena, &m, fail);
	if (e == OK)
		d->first_to = m.to_n ? m.to[0] : S("the recipient");
	return e;
}

static void say_done(const struct visit *v, const struct decision *d)
{
	struct buf *out;

	log_info(v->act->event, LF_STR("request", v->r->id), LF_STR("by", "link"),
		 LF_SLICE("message", v->is.message_id), LF_SLICE("user", v->is.user_id));
	out = page_begin(v->r, 200, &(struct page_head){ .title = v->act->done });
	if (v->act->run == reject) {
		page_paragraph(out, "The message has been discarded and will not be sent.");
	} else {
		announcer_post(v->r->app->announcer);
		buf_add_str(out, "<p>Your message to ");
		page_text(out, d->first_to);
		buf_add_str(out, " has been sent.</p>\n");
	}
	page_end(out);
}

static const enum hurdle refusals[] = {
	[STORE_DECIDE_ABSENT] = GONE,
	[STORE_DECIDE_RESOLVED] = RESOLVED,
	[STORE_DECIDE_UNAUTHORIZED] = NOT_ASKED,
	[STORE_DECIDE_CHANGED] = CHANGED,
	[STORE_DECIDE_UNVERIFIED] = UNVERIFIED,
	[STORE_DECIDE_SUPPRESSED] = SUPPRESSED,
};

static void answer(struct req *r, enum approval_action act)
{
	struct visit v = { .r = r, .act = &acts[act], .posted = true };
	struct decision d = { .visit = &v };
	struct fail fail = { 0 };

	v.token = req_form(r, S("t"));
	if (v.token.n == 0)
		v.token = target_query(&r->target, S("t"));
	r->resp.close = r->body_bad;
	if (!admit(&v, false))
		return;
	if (db_tx(r->db, decide, &d, &fail))
		say_failed(&v, &fail, v.act->failed, v.act->failed_text);
	else if (d.got == STORE_DECIDED)
		say_done(&v, &d);
	else
		stop(&v, refusals[d.got]);
}

void approval_answer(struct req *r)
{
	answer(r, APPROVAL_APPROVE);
}

void rejection_answer(struct req *r)
{
	answer(r, APPROVAL_REJECT);
}
