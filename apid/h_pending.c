/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail that waits, for its owner at a browser: a list, and a page that shows one mail and
 * decides about it. It decides by what decides for the API, so that nothing passes here that
 * does not pass there.
 */
#include "apid/h_holds.h"
#include "apid/handlers.h"
#include "apid/page.h"
#include "apid/pending.h"
#include "apid/sign_in.h"
#include "common/base/clock.h"
#include "common/base/utf8.h"

#define NEXT_COOKIE "e2a_next"
#define NEXT_PATH "/dashboard"
#define NEXT_LIST "list"

enum { LIST_MAX = 100, NEXT_S = 15 * 60 };

/* ---- who it is ---- */

/* The cookie is an id or a word, so that it can lead to these pages only. */
bool pending_next(struct req *r)
{
	struct slice next = req_cookie(r, S(NEXT_COOKIE));
	const char *path = NULL;

	if (id_valid(next, ID_PREFIX_MESSAGE))
		path = arena_printf(&r->arena, PENDING_REVIEW_PATH "?id=%.*s", SLICE_ARGS(next));
	else if (slice_eq(next, S(NEXT_LIST)))
		path = PENDING_PATH;
	if (path) {
		sign_in_redirect(r, 303, path);
		sign_in_set_cookie(r, NEXT_COOKIE, S(""), NEXT_PATH, 0);
	}
	return path != NULL;
}

static void send_to_sign_in(struct req *r, struct slice next)
{
	sign_in_redirect(r, 303, LOGIN_PATH);
	sign_in_set_cookie(r, NEXT_COOKIE, next, NEXT_PATH, NEXT_S);
}

static void say_signed_out(struct req *r)
{
	page_message(r, 403, "You are signed out",
		     "Sign in on another page, then go back to this one and try again: what you "
		     "wrote is still there.");
}

static void say_unavailable(struct req *r, const struct fail *fail)
{
	req_fail(r, fail, "not available now");
	page_message(r, r->resp.status, "Something went wrong",
		     "This is not possible now. Try again later.");
}

/* ERR_UNAUTHORIZED: nobody. Other failures are answered. */
static enum err find_session(struct req *r)
{
	struct fail fail = { 0 };
	enum err e = req_session(r, &fail);

	if (e && e != ERR_UNAUTHORIZED)
		say_unavailable(r, &fail);
	return e;
}

/* ---- the list ---- */

static void write_item(struct buf *out, const struct store_sent *m)
{
	char expires[CLOCK_TEXT_MAX];

	clock_rfc1123(m->approval_expires_us, expires);
	buf_add_str(out, "<li><a href=\"" PENDING_REVIEW_PATH "?id=");
	page_text(out, m->id);
	buf_add_str(out, "\"><bdi>");
	page_mail_text(out, m->subject.n ? m->subject : S("(no subject)"));
	buf_add_str(out, "</bdi></a><br>\n<small><bdi>");
	page_text(out, m->agent);
	buf_add_str(out, "</bdi>");
	if (m->to_n) {
		buf_add_str(out, " to <bdi>");
		page_text(out, m->to[0]);
		buf_add_str(out, m->to_n > 1 ? "</bdi> and others" : "</bdi>");
	}
	buf_addf(out, ", until %s</small></li>\n", expires);
}

static void write_list(struct req *r, const struct store_sent *v, size_t n, bool more)
{
	const struct page_head head = { .title = "Waiting for you", .wide = true };
	struct buf *out = page_begin(r, 200, &head);

	page_paragraph(out, n ? "These messages of your agents are sent when you approve them."
			      : "No message of your agents waits for you.");
	if (n)
		buf_add_str(out, "<ul class=\"list\">\n");
	for (size_t i = 0; i < n; i++)
		write_item(out, &v[i]);
	if (n)
		buf_add_str(out, "</ul>\n");
	if (more)
		page_paragraph(out, "There are more. They follow when these are decided.");
	page_end(out);
}

void pending_list(struct req *r)
{
	const struct store_sent_held_key from_first = { 0 };
	struct store_sent *v;
	struct fail fail = { 0 };
	bool more;
	size_t n;
	enum err e = find_session(r);

	if (e == ERR_UNAUTHORIZED)
		send_to_sign_in(r, S(NEXT_LIST));
	if (e)
		return;
	if (store_sent_list_held(r->db, r->principal.user_id, &from_first, LIST_MAX, &r->arena, &v,
				 &n, &more, &fail))
		say_unavailable(r, &fail);
	else
		write_list(r, v, n, more);
}

/* ---- one mail ---- */

static void say(struct req *r, int status, const char *title, const char *text)
{
	struct buf *out = page_begin(r, status, &(struct page_head){ .title = title });

	page_paragraph(out, text);
	buf_add_str(out, "<p><a href=\"" PENDING_PATH "\">What waits for you</a></p>\n");
	page_end(out);
}

static void say_gone(struct req *r)
{
	say(r, 404, "Message not found", "This message no longer exists.");
}

static const struct {
	struct slice status;
	const char *text;
} ends[] = {
	{ SLICE_INIT("sent"), "This message has been approved and sent." },
	{ SLICE_INIT("rejected"), "This message has been rejected and was not sent." },
	{ SLICE_INIT("expired_approved"),
	  "Nobody decided about this message in time, so it was sent: its agent is set up so." },
	{ SLICE_INIT("expired_rejected"),
	  "Nobody decided about this message in time, so it was not sent." },
};

static bool is_post(const struct req *r)
{
	return slice_eq(r->method, S("POST"));
}

static void say_resolved(struct req *r, const struct store_sent *m)
{
	const char *text = "This message has already been approved, rejected, or expired.";

	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (slice_eq(m->status, ends[i].status))
			text = ends[i].text;
	say(r, is_post(r) ? 409 : 200, "Already resolved", text);
}

/* What became of it, when it does not wait. */
static void say_state(struct req *r, struct slice id)
{
	struct store_sent m;
	struct fail fail = { 0 };
	enum err e = store_sent_find(r->db, r->principal.user_id, id, &r->arena, &m, &fail);

	if (e == OK)
		say_resolved(r, &m);
	else if (e == ERR_NOT_FOUND || e == ERR_INPUT)
		say_gone(r);
	else
		say_unavailable(r, &fail);
}

static void write_decision(struct buf *out, const struct held_mail *m)
{
	buf_add_str(out, "<form method=\"post\" action=\"" PENDING_REVIEW_PATH "\">\n");
	page_hidden(out, "id", m->sent.id);
	buf_add_str(
		out,
		"<button type=\"submit\" name=\"action\" value=\"approve\">Approve &amp; send as it is"
		"</button>\n</form>\n");
}

static void write_rejection(struct buf *out, const struct held_mail *m)
{
	buf_add_str(out, "<form method=\"post\" action=\"" PENDING_REVIEW_PATH "\">\n");
	page_hidden(out, "id", m->sent.id);
	buf_add_str(out,
		    "<label for=\"reason\">Reason to reject it (may be left out)</label>\n"
		    "<input type=\"text\" id=\"reason\" name=\"reason\" maxlength=\"200\" "
		    "autocomplete=\"off\">\n"
		    "<button type=\"submit\" name=\"action\" value=\"reject\" class=\"less\">Reject"
		    "</button>\n</form>\n");
}

/* `edits`: what somebody asked for, and `wrong`, why that cannot be. */
static void show(struct req *r, const struct held_mail *m, const struct pending_form *edits,
		 const char *wrong)
{
	const struct page_head head = { .title = "Review message",
					.posts_to = PAGE_POST_SELF,
					.wide = true };
	const char *link = arena_printf(
		&r->arena, PENDING_PATH "/content?id=%.*s&part=", SLICE_ARGS(m->sent.id));
	struct pending_form unchanged;
	struct buf *out = page_begin(r, wrong ? 400 : 200, &head);

	if (wrong) {
		buf_add_str(out,
			    "<p class=\"warn\" role=\"alert\"><strong>It was not sent:</strong> ");
		page_text(out, slice_str(wrong));
		buf_add_str(out, "</p>\n");
	}
	buf_addf(
		out,
		"<p><small><a href=\"/#/pending/%.*s\">Review it in the dashboard</a></small></p>\n",
		SLICE_ARGS(m->sent.id));
	held_mail_write_head(out, m);
	held_mail_write_notes(out, m);
	held_mail_write_text(out, m, slice_str(link));
	held_mail_write_rest(out, m, slice_str(link));
	pending_form_fill(&r->arena, m, &unchanged);
	if (!edits) /* which somebody might think to send */
		write_decision(out, m);
	pending_form_write(out, m, edits ? edits : &unchanged, edits != NULL);
	write_rejection(out, m);
	page_end(out);
}

/* The mail, or an answer why it cannot be shown. */
static bool find(struct req *r, struct slice id, struct held_mail *ret)
{
	struct fail fail = { 0 };
	enum err e = held_mail_find(r, r->principal.user_id, id, ret, &fail);

	if (e == ERR_NOT_FOUND || e == ERR_INPUT)
		say_state(r, id);
	else if (e)
		say_unavailable(r, &fail);
	return e == OK;
}

void pending_review(struct req *r)
{
	struct slice id = target_query(&r->target, S("id"));
	struct held_mail m;
	enum err e = find_session(r);

	if (e == ERR_UNAUTHORIZED)
		send_to_sign_in(r, id_valid(id, ID_PREFIX_MESSAGE) ? id : S(NEXT_LIST));
	else if (e == OK && find(r, id, &m))
		show(r, &m, NULL, NULL);
}

void pending_content(struct req *r)
{
	struct fail fail = { 0 };
	enum err e = held_mail_send(r, r->principal.user_id, target_query(&r->target, S("id")),
				    target_query(&r->target, S("part")), &fail);

	if (e == ERR_NOT_FOUND || e == ERR_INPUT)
		resp_error(&r->resp, 404, "message not found");
	else if (e)
		req_fail(r, &fail, "failed to fetch message");
}

/* ---- the decision ---- */

/* What the API would say, as a page. */
static void show_answer(struct req *r, const struct held_mail *m, const struct pending_form *edits,
			const char *title, const char *text)
{
	struct slice said = slice_trim(buf_slice(&r->resp.body));
	const char *why = arena_dup(&r->arena, said);

	switch (r->resp.status) {
	case 200:
		say(r, 200, title, text);
		break;
	case 400:
		show(r, m, edits, why);
		break;
	case 404:
		say_gone(r);
		break;
	case 409:
		say_state(r, r->param[0]);
		break;
	case 401:
		say_signed_out(r);
		break;
	case 403:
		say(r, 403, "Agent not verified",
		    "The domain of the agent must be verified before it can send. The message still "
		    "waits.");
		break;
	default:
		say(r, r->resp.status, "Something went wrong",
		    "Nothing was decided. Try again later.");
	}
}

static const char *sent_text(struct req *r, const struct held_mail *m)
{
	if (m->sent.to_n == 0)
		return "Your message has been sent.";
	return arena_printf(&r->arena, "Your message to %.*s has been sent.",
			    SLICE_ARGS(m->sent.to[0]));
}

static void approve(struct req *r, const struct held_mail *m)
{
	struct draft none = DRAFT_EDIT_INIT;

	hold_approve_edited(r, &none);
	show_answer(r, m, NULL, "Approved", sent_text(r, m));
}

static void approve_edited(struct req *r, const struct held_mail *m)
{
	struct pending_form form;
	struct draft edits;
	const char *wrong;

	pending_form_read(r, m, &form);
	if (!pending_form_draft(&form, m, &r->arena, &edits, &wrong)) {
		show(r, m, &form, wrong);
		return;
	}
	hold_approve_edited(r, &edits);
	show_answer(r, m, &form, "Approved", "Your message has been sent.");
}

static void reject(struct req *r, const struct held_mail *m)
{
	struct slice reason = utf8_clean(&r->arena, slice_trim(req_form(r, S("reason"))));

	hold_reject_because(r, reason);
	show_answer(r, m, NULL, "Rejected", "The message has been discarded and will not be sent.");
}

static const struct {
	struct slice name;
	void (*run)(struct req *r, const struct held_mail *m);
} acts[] = {
	{ SLICE_INIT("approve"), approve },
	{ SLICE_INIT("edit"), approve_edited },
	{ SLICE_INIT("reject"), reject },
};

static void act(struct req *r, const struct held_mail *m)
{
	struct slice name = req_form(r, S("action"));

	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		if (slice_eq(name, acts[i].name)) {
			acts[i].run(r, m);
			return;
		}
	show(r, m, NULL, "no button was used");
}

void pending_decide(struct req *r)
{
	struct held_mail m;
	enum err e;

	if (!req_own_form(r))
		return;
	e = find_session(r);
	if (e == ERR_UNAUTHORIZED)
		say_signed_out(r);
	if (e)
		return;
	r->param[0] = req_form(r, S("id"));
	if (find(r, r->param[0], &m))
		act(r, &m);
}
