/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the link in a mail leads that asks somebody to review. GET shows what is asked and
 * by whom; only POST, from that page, answers. Who has the link accepts, chooses, leaves
 * and may think better of it, as long as the account has them named.
 */
#include "apid/h_reviewer.h"
#include "apid/handlers.h"
#include "apid/link_page.h"
#include "common/base/log.h"
#include "common/store/store_reviewer.h"

enum look { ASKS, STANDS, WENT, ACCEPTED, SAVED, DECLINED, LEFT, WENT_BEFORE };

static const struct {
	int status;
	const char *title;
	const char *text;    /* below who asks whom */
	const char *link;    /* back to here, instead of a form; NULL: there is a form */
	const char *accept;  /* its button, below the choices */
	const char *decline; /* another one; NULL: none */
} looks[] = {
	[ASKS] = { .status = 200,
		   .title = "Will you review its mail?",
		   .text = "If you want to, accept. " REVIEWER_MEANS,
		   .accept = "Accept",
		   .decline = "Decline" },
	[STANDS] = { .status = 200,
		     .title = "You review its mail",
		     .text = REVIEWER_MEANS,
		     .accept = "Save",
		     .decline = "Leave" },
	[WENT] = { .status = 200,
		   .title = "You do not review its mail",
		   .text = "You have declined, or left. You may think better of it: " REVIEWER_MEANS,
		   .accept = "Accept" },
	[ACCEPTED] = { .status = 200,
		       .title = "You have accepted",
		       .text = "You are asked from now on. Keep the mail: its link leads to where you "
			       "change what you get, or leave.",
		       .link = "Here is the same link." },
	[SAVED] = { .status = 200,
		    .title = "It is saved",
		    .text = "Mail that asks you from now on is as you chose. Keep the mail with the "
			    "link: it leads to where you change that, or leave.",
		    .link = "Here is the same link." },
	[DECLINED] = { .status = 200,
		       .title = "You have declined",
		       .text = "You are not asked, and this account does not mail you about it again. "
			       "Should you think better of it, the link in the mail is where you say "
			       "so.",
		       .link = "Here is the same link." },
	[LEFT] = { .status = 200,
		   .title = "You have left",
		   .text = "You are not asked any more, and links in mails that did ask you are of no "
			   "use. Should you think better of it, the link that you just used is where "
			   "you say so.",
		   .link = "Here is the same link." },
	[WENT_BEFORE] = { .status = 409,
			  .title = "You do not review its mail",
			  .text = "You have declined, or left, before.",
			  .link = "Here is where to think better of it." },
};

static void write_parties(struct buf *out, const struct store_reviewer_link *l)
{
	link_page_agent(out, l->is.agent, l->user_email, l->user_name);
	link_page_who(out, ", who wants its mail to be reviewed by ", l->is.address);
	buf_add_str(out, ".</p>\n");
}

static void write_choice(struct buf *out, const char *name, bool chosen, const char *label,
			 const char *text)
{
	buf_addf(out,
		 "<div class=\"choice\">\n<input type=\"checkbox\" name=\"%s\" value=\"yes\" "
		 "id=\"%s\"%s> <label for=\"%s\">%s</label>\n",
		 name, name, chosen ? " checked" : "", name, label);
	page_paragraph(out, text);
	buf_add_str(out, "</div>\n");
}

static void write_form(struct buf *out, enum look k, const struct store_reviewer *v,
		       struct slice token)
{
	buf_add_str(out, "<form method=\"post\" action=\"" REVIEWER_PATH "\">\n");
	page_hidden(out, "t", token);
	write_choice(out, "full_text", v->full_text, "Send me the text of each mail",
		     "Otherwise the text is only on the page to which the link in the mail leads.");
	write_choice(out, "by_reply", v->by_reply, "Let me decide by answering the mail",
		     "You write approve or reject in the first line of your answer. This needs the "
		     "choice above, because you decide about what you have read. It also needs a "
		     "mail provider that signs what you send with DKIM for the domain of your "
		     "address, as the large ones do: an answer that is not signed counts for "
		     "nothing.");
	link_page_button(out, "accept", looks[k].accept, false);
	link_page_button(out, "decline", looks[k].decline, true);
	buf_add_str(out, "</form>\n");
}

static void show(struct req *r, enum look k, const struct store_reviewer_link *l,
		 struct slice token)
{
	struct page_head head = { .title = looks[k].title,
				  .posts_to = looks[k].accept ? PAGE_POST_SELF : NULL };
	struct buf *out = page_begin(r, looks[k].status, &head);

	write_parties(out, l);
	page_paragraph(out, looks[k].text);
	if (looks[k].accept)
		write_form(out, k, &l->is, token);
	else
		buf_addf(out, "<p><a href=\"" REVIEWER_PATH "?t=%.*s\">%s</a></p>\n",
			 SLICE_ARGS(token), looks[k].link);
	page_end(out);
}

static enum look look_of(struct slice state)
{
	if (slice_eq(state, S("active")))
		return STANDS;
	return slice_eq(state, S("pending")) ? ASKS : WENT;
}

/* False, with the answer, for a link that is of no use. */
static bool find(struct req *r, struct slice token, struct store_reviewer_link *ret)
{
	struct fail fail = { 0 };
	uint8_t hash[SHA256_LEN];
	enum err e;

	crypto_sha256(token, hash);
	e = store_reviewer_find(r->db, hash, &r->arena, ret, &fail);
	if (e && e != ERR_NOT_FOUND)
		req_fail(r, &fail, "not available now, try again later");
	else if (e || !ret->live)
		link_page_useless(r);
	else
		return true;
	return false;
}

void reviewer_page(struct req *r)
{
	struct slice token = target_query(&r->target, S("t"));
	struct store_reviewer_link l;

	if (link_page_token(r, token) && find(r, token, &l))
		show(r, look_of(l.is.state), &l, token);
}

/* ---- the answer ---- */

static const struct {
	enum look look;
	const char *event;
} answered[] = {
	[STORE_REVIEWER_ACCEPTED] = { ACCEPTED, "reviewer_accepted" },
	[STORE_REVIEWER_SAVED] = { SAVED, "reviewer_changed" },
	[STORE_REVIEWER_DECLINED] = { DECLINED, "reviewer_declined" },
	[STORE_REVIEWER_LEFT] = { LEFT, "reviewer_left" },
};

static bool is_ticked(struct req *r, struct slice name)
{
	return slice_eq(req_form(r, name), S("yes"));
}

static enum err answer(struct req *r, struct slice token, bool accepts,
		       enum store_reviewer_answer *ret, struct fail *fail)
{
	uint8_t hash[SHA256_LEN];

	crypto_sha256(token, hash);
	if (accepts)
		return store_reviewer_accept(r->db, hash, is_ticked(r, S("full_text")),
					     is_ticked(r, S("by_reply")), ret, fail);
	return store_reviewer_decline(r->db, hash, ret, fail);
}

static void run(struct req *r, struct slice token, bool accepts)
{
	enum store_reviewer_answer is;
	struct store_reviewer_link l;
	struct fail fail = { 0 };
	enum look k;

	if (answer(r, token, accepts, &is, &fail)) {
		req_fail(r, &fail, "not available now, try again later");
		return;
	}
	if (is == STORE_REVIEWER_USELESS && accepts) {
		link_page_useless(r);
		return;
	}
	if (!find(r, token, &l))
		return;
	k = look_of(l.is.state);
	if (is == STORE_REVIEWER_USELESS) {
		show(r, k == WENT ? WENT_BEFORE : k, &l, token);
		return;
	}
	log_info(answered[is].event, LF_STR("request", r->id), LF_SLICE("reviewer", l.is.id),
		 LF_SLICE("user", l.user_id));
	show(r, answered[is].look, &l, token);
}

/* Who answers without having read what they decide about would decide about nothing. */
static bool fits_together(struct req *r)
{
	if (!is_ticked(r, S("by_reply")) || is_ticked(r, S("full_text")))
		return true;
	page_message(r, 400, "One choice needs the other",
		     "To decide by answering the mail, you need the text in it. Go back and choose "
		     "both, or only the first, or neither. Nothing was changed.");
	return false;
}

void reviewer_answer(struct req *r)
{
	struct slice token, action;
	bool accepts;

	if (!req_link_form(r))
		return;
	token = req_form(r, S("t"));
	action = req_form(r, S("action"));
	accepts = slice_eq(action, S("accept"));
	if (!link_page_token(r, token) || (accepts && !fits_together(r)))
		return;
	if (accepts || slice_eq(action, S("decline")))
		run(r, token, accepts);
	else
		page_message(r, 400, "Nothing was chosen",
			     "Open the link in the mail again and use one of the buttons.");
}
