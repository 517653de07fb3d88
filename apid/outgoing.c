/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a draft to a stored mail. Whether it is sent or held is decided by the database
 * alone; everything is checked before anything is stored, also for a hold.
 */
#include "apid/outgoing.h"

#include "apid/announcer.h"
#include "common/mail/addr.h"
#include "common/mail/compose.h"
#include "common/store/store_suppression.h"

static bool bad(struct req *r, const char *text)
{
	resp_error(&r->resp, 400, text);
	return false;
}

bool outgoing_json(struct req *r, const struct jsonf_row *table, struct draft *ret)
{
	bool ok = req_json(r, table, ret);

	req_forget_body(r);
	return ok;
}

bool outgoing_json_edits(struct req *r, struct draft *ret)
{
	bool ok = req_json_if_any(r, draft_edit_rows, ret);

	req_forget_body(r);
	return ok;
}

bool outgoing_read(struct req *r, const struct draft *d, struct draft_parts *ret)
{
	AUTO(buf_release) struct buf reason = BUF_INIT(DRAFT_REASON_MAX);

	return draft_read(d, &r->arena, ret, &reason) == OK || bad(r, buf_cstr(&reason));
}

bool outgoing_count(struct req *r, const struct store_agent *agent)
{
	return limit_admit_by(r, LIMIT_SEND, agent->email);
}

bool outgoing_verified(struct req *r, const struct store_agent *agent, const char *text)
{
	if (!agent->domain_verified)
		resp_error(&r->resp, 403, text);
	return agent->domain_verified;
}

/* ---- recipients ---- */

static bool find_recipients(struct req *r, const struct outgoing *o, struct recipients *ret)
{
	AUTO(buf_release) struct buf reason = BUF_INIT(RECIPIENTS_REASON_MAX);
	const struct recipients_asked asked = {
		.to = o->to,
		.cc = o->cc,
		.bcc = o->bcc,
		.agent = o->agent->email,
		.from_domain = r->app->sender.relay_domain,
		.keep_own = slice_eq(o->kind, S("test")),
		.max = (size_t)r->app->settings->recipients_per_message,
	};

	return recipients_normalise(&asked, &r->arena, ret, &reason) == OK ||
	       bad(r, buf_cstr(&reason));
}

/* ---- what it says ---- */

static bool find_author(struct req *r, const struct outgoing *o, struct slice *ret)
{
	*ret = o->author;
	return ret->n || addr_usable(o->agent->email, &r->arena, ret) == OK ||
	       bad(r, "an address that is not ASCII cannot send mail");
}

/* What the composer would say later, when nobody is there to hear it. */
static bool can_be_composed(struct req *r, const struct outgoing *o, struct slice message_id,
			    const struct recipients *to)
{
	const struct draft_parts *parts = &o->parts;
	struct compose_attachment *files =
		arena_calloc(&r->arena, parts->attachments_n, sizeof(*files));
	struct compose_mail mail = {
		.to = to->to.v,
		.to_n = to->to.n,
		.cc = to->cc.v,
		.cc_n = to->cc.n,
		.subject = o->subject,
		.message_id = message_id,
		.in_reply_to = parts->in_reply_to,
		.references = parts->references.v,
		.references_n = parts->references.n,
		.conversation_id = o->conversation_id,
		.text = o->text,
		.html = o->html,
		.attachments = files,
		.attachments_n = parts->attachments_n,
	};
	struct fail fail = { 0 };

	for (size_t i = 0; i < parts->attachments_n; i++)
		files[i] = (struct compose_attachment){ parts->attachments[i].filename,
							parts->attachments[i].content_type,
							parts->attachments[i].data };
	return find_author(r, o, &mail.from) &&
	       (compose_check(&mail, &fail) == OK || bad(r, fail.what));
}

bool outgoing_check(struct req *r, const struct outgoing *o, struct slice message_id,
		    struct recipients *ret)
{
	return find_recipients(r, o, ret) && can_be_composed(r, o, message_id, ret);
}

/* ---- the suppression list ---- */

/* Those on it are left out when the mail is sent; one has to remain. */
static bool check_suppressed(struct req *r, const struct outgoing *o, const struct recipients *to)
{
	bool *listed = arena_calloc(&r->arena, to->n, sizeof(*listed));
	struct fail fail = { 0 };

	if (store_suppression_check(r->db, r->principal.user_id, to->v, to->n, listed, &fail)) {
		req_fail(r, &fail, o->failed);
		return false;
	}
	for (size_t i = 0; i < to->n; i++)
		if (!listed[i])
			return true;
	return bad(r, "every recipient is on the suppression list");
}

/* ---- the act ---- */

struct act {
	const struct outgoing *o;
	struct store_submission s;
};

static void write_sent(struct jsonw *w, const struct act *t)
{
	jsonw_key_text(w, "message_id", t->s.message_id);
	if (!slice_eq(t->s.kind, S("test")))
		jsonw_key_text(w, "method", S("smtp"));
	jsonw_key_text(w, "status", S("sent"));
}

static void write_held(struct jsonw *w, const struct act *t, const struct store_submitted *got)
{
	resp_key_time(w, "approval_expires_at", got->expires_us);
	jsonw_key_text(w, "message_id", t->s.id);
	jsonw_key_text(w, "status", S("pending_approval"));
	jsonw_key_text(w, "hold_reason", got->hold_reason);
}

static enum err submit(struct req *r, void *arg, struct fail *fail)
{
	const struct act *t = arg;
	struct store_submitted got;
	enum err e = store_submit(r->db, &t->s, &r->arena, &got, fail);
	struct jsonw *w;

	if (e)
		return e;
	w = resp_json(&r->resp, got.held ? 202 : 200);
	jsonw_object(w);
	jsonw_key_text(w, "id", t->s.id);
	if (got.held)
		write_held(w, t, &got);
	else
		write_sent(w, t);
	jsonw_object_end(w);
	return OK;
}

/* Ours before it is sent, and the one in the mail. */
static bool name_mail(struct req *r, const struct outgoing *o, struct store_submission *s)
{
	char id[ID_MAX];
	struct slice local, domain;

	if (!find_author(r, o, &s->author))
		return false;
	if (!addr_split(s->author, &local, &domain))
		return bad(r, "an address without a domain cannot send mail");
	id_new(ID_PREFIX_MESSAGE, id);
	s->id = slice_str(arena_strdup(&r->arena, id));
	s->message_id = slice_str(arena_printf(&r->arena, "<%s@%.*s>",
					       s->id.p + sizeof(ID_PREFIX_MESSAGE) - 1,
					       SLICE_ARGS(domain)));
	return true;
}

/*
 * Whose reply budget it takes from: the mail that the thread began with, else the
 * conversation. A reply always has one.
 */
static struct slice thread_of(const struct outgoing *o)
{
	if (o->parts.references.n)
		return o->parts.references.v[0];
	if (o->conversation_id.n)
		return o->conversation_id;
	return slice_eq(o->kind, S("reply")) ? S("reply") : S("");
}

static void fill(struct req *r, const struct outgoing *o, const struct recipients *to,
		 struct store_submission *s)
{
	const struct settings *set = r->app->settings;

	s->user_id = r->principal.user_id;
	s->agent = o->agent->email;
	s->kind = o->kind;
	s->subject = o->subject;
	s->text = o->text;
	s->html = o->html;
	s->to = (struct store_submit_texts){ to->to.v, to->to.n };
	s->cc = (struct store_submit_texts){ to->cc.v, to->cc.n };
	s->bcc = (struct store_submit_texts){ to->bcc.v, to->bcc.n };
	s->folded = (struct store_submit_texts){ to->v, to->n };
	s->conversation_id = o->conversation_id;
	s->in_reply_to = o->parts.in_reply_to;
	s->references = (struct store_submit_texts){ o->parts.references.v, o->parts.references.n };
	s->auto_submitted = o->auto_submitted;
	s->attachments = o->parts.attachments;
	s->attachments_n = o->parts.attachments_n;
	s->thread = thread_of(o);
	s->reply_budget = set->reply_budget;
	s->reply_budget_window_ms = set->reply_budget_window_ms;
	s->retention_ms = set->message_retention_ms;
	s->lifetime_ms = set->outbound_lifetime_ms;
	s->count_usage = set->usage_tracking;
}

static void answer_failure(struct req *r, enum err e, const struct fail *fail, const char *failed)
{
	if (e == ERR_NOT_FOUND) /* meanwhile */
		resp_error(&r->resp, 403, "agent domain must be verified before sending");
	else if (e == ERR_UNAUTHORIZED)
		resp_error(&r->resp, 401, "unauthorized");
	else
		req_fail(r, fail, failed);
}

void outgoing_submit(struct req *r, const struct outgoing *o)
{
	struct act t = { .o = o };
	struct recipients to;
	struct fail fail = { 0 };
	enum err e;

	if (!name_mail(r, o, &t.s) || !outgoing_check(r, o, t.s.message_id, &to) ||
	    !check_suppressed(r, o, &to))
		return;
	fill(r, o, &to, &t.s);
	e = req_act(r, submit, &t, &fail);
	if (e)
		answer_failure(r, e, &fail, o->failed);
	else if (r->resp.status == 200 || r->resp.status == 202)
		announcer_post(r->app->announcer);
}
