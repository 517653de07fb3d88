/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail that waits for a human: the list of it, and the human's decision by the API or a
 * session. Who may decide is said by the database, in the transaction that decides.
 */
#include "apid/h_holds.h"

#include "apid/announcer.h"
#include "apid/handlers.h"
#include "apid/outgoing.h"
#include "apid/page_query.h"
#include "apid/sent_json.h"
#include "common/store/store_decide.h"
#include "common/store/store_hold.h"

#define HELD S("held")
#define ABSENT "message not found"
#define RESOLVED "message is not pending approval"
#define UNVERIFIED "agent domain must be verified before sending"

/* ---- the list ---- */

static void list(struct req *r, const struct page_token *from)
{
	const struct store_sent_held_key after = { from->created_us, from->id };
	struct page_token token;
	struct store_sent *v;
	struct fail fail = { 0 };
	bool more;
	size_t n;

	if (store_sent_list_held(r->db, r->principal.user_id, &after, page_query_size_or_all(r),
				 &r->arena, &v, &n, &more, &fail)) {
		req_fail(r, &fail, "failed to list pending messages");
		return;
	}
	if (more)
		token = (struct page_token){ .created_us = v[n - 1].approval_expires_us,
					     .id = v[n - 1].id,
					     .filter = HELD };
	sent_json_page(r, v, n, SENT_HELD, more ? &token : NULL);
}

void hold_list(struct req *r)
{
	struct slice status = target_query(&r->target, S("status"));
	struct page_token token;

	if (status.n && !slice_eq(status, S("pending_approval")))
		resp_error(&r->resp, 400,
			   "only status=pending_approval is supported on this endpoint");
	else if (page_query_token(r, HELD, S(""), &token))
		list(r, &token);
}

/* ---- decisions ---- */

struct decision {
	struct store_decider by;
	bool edited;
	struct store_hold_edit edit;
	struct slice reason;
	enum store_decision got;
};

static const struct {
	int status;
	const char *text;
} refusals[] = {
	[STORE_DECIDE_ABSENT] = { 404, ABSENT },
	[STORE_DECIDE_RESOLVED] = { 409, RESOLVED },
	[STORE_DECIDE_UNAUTHORIZED] = { 401, "unauthorized" },
	[STORE_DECIDE_CHANGED] = { 409, "message has changed" },
	[STORE_DECIDE_UNVERIFIED] = { 403, UNVERIFIED },
	[STORE_DECIDE_SUPPRESSED] = { 400, "every recipient is on the suppression list" },
};

static bool refuse(struct req *r, enum store_decision why)
{
	resp_error(&r->resp, refusals[why].status, refusals[why].text);
	return false;
}

/* Nothing of a decision that was not made is kept, its edits neither. */
static enum err whether(const struct decision *d, enum err e, struct fail *fail)
{
	return e || d->got == STORE_DECIDED ? e : fail_set(fail, ERR_CONFLICT, "not decided");
}

static void decide(struct req *r, enum err (*act)(struct req *r, void *arg, struct fail *fail),
		   struct decision *d, const char *failed)
{
	struct fail fail = { 0 };
	enum err e;

	d->by = (struct store_decider){ .account = auth_account(&r->principal) };
	e = req_act(r, act, d, &fail);
	if (e == ERR_CONFLICT && d->got != STORE_DECIDED)
		refuse(r, d->got);
	else if (e == ERR_INPUT) /* an id that no column could hold */
		refuse(r, STORE_DECIDE_ABSENT);
	else if (e)
		req_fail(r, &fail, failed);
}

/* ---- approving ---- */

static enum err write_approved(struct req *r, struct fail *fail)
{
	struct store_sent m;
	struct jsonw *w;
	enum err e = store_sent_find(r->db, r->principal.user_id, r->param[0], &r->arena, &m, fail);

	if (e)
		return e;
	w = resp_json(&r->resp, 200);
	jsonw_object(w);
	jsonw_key_text(w, "message_id", m.id);
	jsonw_key_text(w, "status", m.status);
	jsonw_key_text(w, "provider_message_id", m.message_id);
	jsonw_key_text(w, "method", S("smtp"));
	jsonw_key_bool(w, "edited", m.edited);
	jsonw_object_end(w);
	return OK;
}

static enum err approve(struct req *r, void *arg, struct fail *fail)
{
	const struct settings *set = r->app->settings;
	struct decision *d = arg;
	enum err e = OK;

	d->got = STORE_DECIDED;
	if (d->edited)
		e = store_decide_edit(r->db, &d->by, r->param[0], &d->edit, &d->got, fail);
	if (e == OK && d->got == STORE_DECIDED)
		e = store_decide_approve(r->db, &d->by, r->param[0], set->outbound_lifetime_ms,
					 set->usage_tracking, &d->got, fail);
	e = whether(d, e, fail);
	return e ? e : write_approved(r, fail);
}

/*
 * What the edits are checked against. Nobody changes it before the mail is decided, and the
 * transaction that decides finds out whether somebody has.
 */
struct stored {
	struct store_sent mail;
	struct store_agent agent;
};

static bool find_stored(struct req *r, struct stored *ret)
{
	struct slice user = r->principal.user_id;
	struct fail fail = { 0 };
	enum err e = store_sent_find(r->db, user, r->param[0], &r->arena, &ret->mail, &fail);

	if (e == OK && !ret->mail.held)
		return refuse(r, STORE_DECIDE_RESOLVED);
	if (e == OK)
		e = store_agent_find(r->db, user, ret->mail.agent, &r->arena, &ret->agent, &fail);
	if (e == ERR_NOT_FOUND || e == ERR_INPUT)
		return refuse(r, STORE_DECIDE_ABSENT);
	if (e)
		req_fail(r, &fail, "send failed");
	return e == OK && outgoing_verified(r, &ret->agent, UNVERIFIED);
}

static bool stays(const struct draft *d, size_t file)
{
	const struct draft_attachment *v = d->attachments.v;

	for (size_t i = 0; d->given.attachments && i < d->attachments.n; i++)
		if (v[i].stays && v[i].index == (int64_t)file)
			return true;
	return !d->given.attachments;
}

/* How much of the mail that is sent the edits leave as it is. */
static bool count_kept(struct req *r, struct draft *d)
{
	struct slice user = r->principal.user_id;
	struct store_hold hold;
	struct fail fail = { 0 };
	int64_t text, html;
	enum err e = store_hold_find(r->db, user, r->param[0], &r->arena, &hold, &fail);

	if (e == OK)
		e = store_hold_line_bytes(r->db, user, r->param[0], &text, &html, &fail);
	if (e == ERR_NOT_FOUND)
		return refuse(r, STORE_DECIDE_RESOLVED);
	if (e) {
		req_fail(r, &fail, "send failed");
		return false;
	}
	if (!d->given.body)
		d->kept_bytes += draft_sent_bytes((size_t)text);
	if (!d->given.html_body)
		d->kept_bytes += draft_sent_bytes((size_t)html);
	d->files_n = hold.files_n;
	for (size_t i = 0; i < hold.files_n; i++)
		if (stays(d, i))
			d->kept_bytes += draft_sent_bytes((size_t)hold.files[i].size);
	return true;
}

static struct recipients_list given_or(bool given, const struct jsonf_texts *t,
				       const struct slice *v, size_t n)
{
	return given ? (struct recipients_list){ t->v, t->n } : (struct recipients_list){ v, n };
}

/* The mail as it would be, apart from texts and attachments that it has already. */
static struct outgoing merge(const struct draft *d, const struct draft_parts *parts,
			     const struct stored *s)
{
	const struct store_sent *m = &s->mail;
	struct outgoing o = {
		.agent = &s->agent,
		.kind = m->type,
		.to = given_or(d->given.to, &d->to, m->to, m->to_n),
		.cc = given_or(d->given.cc, &d->cc, m->cc, m->cc_n),
		.bcc = given_or(d->given.bcc, &d->bcc, m->bcc, m->bcc_n),
		.subject = d->given.subject ? d->subject : m->subject,
		.text = d->body,
		.html = d->html_body,
		.conversation_id = m->conversation_id,
		.parts = *parts,
	};

	o.parts.in_reply_to = m->in_reply_to;
	return o;
}

/* Its author is not the agent's to use for other mail. */
static bool check_test(struct req *r, const struct stored *s, const struct recipients *to)
{
	if (!slice_eq(s->mail.type, S("test")) ||
	    (to->n == 1 && to->to.n == 1 && slice_eq(to->v[0], s->agent.address)))
		return true;
	resp_error(&r->resp, 400, "a test email has no recipient but its agent");
	return false;
}

static void fill_edit(const struct draft *d, const struct draft_parts *parts,
		      const struct recipients *to, struct store_hold_edit *ret)
{
	*ret = (struct store_hold_edit){
		.subject = d->subject,
		.text = d->body,
		.html = d->html_body,
		.has_subject = d->given.subject,
		.has_text = d->given.body,
		.has_html = d->given.html_body,
		.has_recipients = d->given.to || d->given.cc || d->given.bcc,
		.to = { to->to.v, to->to.n },
		.cc = { to->cc.v, to->cc.n },
		.bcc = { to->bcc.v, to->bcc.n },
		.folded = { to->v, to->n },
		.has_attachments = d->given.attachments,
		.kept = parts->kept,
		.kept_n = parts->kept_n,
		.files_n = d->files_n,
		.attachments = parts->attachments,
		.attachments_n = parts->attachments_n,
	};
}

static bool has_edits(const struct draft *d)
{
	return d->given.subject || d->given.body || d->given.html_body || d->given.to ||
	       d->given.cc || d->given.bcc || d->given.attachments;
}

static bool read_edits(struct req *r, struct draft *d, struct store_hold_edit *ret)
{
	struct draft_parts parts;
	struct recipients to;
	struct outgoing o;
	struct stored s;

	if (!find_stored(r, &s) || !count_kept(r, d) || !outgoing_read(r, d, &parts))
		return false;
	o = merge(d, &parts, &s);
	if (!outgoing_check(r, &o, s.mail.message_id, &to) || !check_test(r, &s, &to))
		return false;
	fill_edit(d, &parts, &to, ret);
	return true;
}

void hold_approve_edited(struct req *r, struct draft *edits)
{
	struct decision t = { .edited = has_edits(edits) };

	if (t.edited && !read_edits(r, edits, &t.edit))
		return;
	decide(r, approve, &t, "send failed");
	if (r->resp.status == 200)
		announcer_post(r->app->announcer);
}

void hold_approve(struct req *r)
{
	struct draft d = DRAFT_EDIT_INIT;

	if (outgoing_json_edits(r, &d))
		hold_approve_edited(r, &d);
}

/* ---- rejecting ---- */

struct rejection {
	struct slice reason;
};

static const struct jsonf_row reject_rows[] = {
	{ "reason", JSONF_TEXT, offsetof(struct rejection, reason), JSONF_NO_GIVEN },
	{ 0 },
};

static enum err reject(struct req *r, void *arg, struct fail *fail)
{
	struct decision *d = arg;
	struct jsonw *w;
	enum err e = store_decide_reject(r->db, &d->by, r->param[0], d->reason, &d->got, fail);

	e = whether(d, e, fail);
	if (e)
		return e;
	w = resp_json(&r->resp, 200);
	jsonw_object(w);
	jsonw_key_text(w, "message_id", r->param[0]);
	jsonw_key_text(w, "status", S("rejected"));
	jsonw_key_text(w, "rejection_reason", d->reason);
	jsonw_object_end(w);
	return OK;
}

void hold_reject_because(struct req *r, struct slice reason)
{
	if (slice_find(reason, '\0') >= 0)
		resp_error(&r->resp, 400, "reason must not contain NUL");
	else
		decide(r, reject, &(struct decision){ .reason = reason },
		       "failed to reject message");
}

void hold_reject(struct req *r)
{
	struct rejection asked = { 0 };

	if (req_json_if_any(r, reject_rows, &asked))
		hold_reject_because(r, asked.reason);
}
