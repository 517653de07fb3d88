/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the link in a mail leads that asks for a delegation. GET shows what is asked and
 * by whom; only POST, from that page, answers. Who has the link may agree once, and may
 * end it as long as it is not ended.
 */
#include "apid/h_delegation.h"
#include "apid/handlers.h"
#include "apid/link_page.h"
#include "common/base/log.h"
#include "common/store/store_delegation.h"

enum look { ASKS, AGREED, STANDS, AGREED_BEFORE, DECLINED, ENDED, ENDED_BEFORE, OVER };

static const struct {
	int status;
	const char *title;
	const char *text; /* below who asks whom */
	const char *link; /* back to here */
	bool agree;       /* has that button, ... */
	const char *end;  /* ... and one that says this */
} looks[] = {
	[ASKS] = { .status = 200,
		   .title = "Does it write on your behalf?",
		   .text = "If so, agree. " DELEGATION_MEANS,
		   .agree = true,
		   .end = "Decline" },
	[AGREED] = { .status = 200,
		     .title = "You have agreed",
		     .text = "It is marked as writing on your behalf from now on. You can end that "
			     "whenever you like: keep the mail, its link leads to where that is "
			     "done.",
		     .link = "Here is the same link.",
		     .end = "End it now" },
	[STANDS] = { .status = 200,
		     .title = "It writes on your behalf",
		     .text = "You have agreed to that. You can end it whenever you like.",
		     .end = "End it" },
	[AGREED_BEFORE] = { .status = 409,
			    .title = "You have agreed already",
			    .text = "You can end it whenever you like.",
			    .end = "End it" },
	[DECLINED] = { .status = 200,
		       .title = "You have declined",
		       .text = "It does not write on your behalf." },
	[ENDED] = { .status = 200,
		    .title = "It has ended",
		    .text = "From now on it does not write on your behalf." },
	[ENDED_BEFORE] = { .status = 409,
			   .title = "It has ended already",
			   .text = "It does not write on your behalf." },
	[OVER] = { .status = 410,
		   .title = "It has ended",
		   .text = "It does not write on your behalf." },
};

static void write_parties(struct buf *out, const struct store_delegation_link *l)
{
	link_page_agent(out, l->is.agent, l->user_email, l->user_name);
	link_page_who(out, ", who says that it writes on behalf of ", l->is.human);
	buf_add_str(out, ".</p>\n");
}

static void write_buttons(struct buf *out, enum look k, struct slice token)
{
	buf_add_str(out, "<form method=\"post\" action=\"" DELEGATION_PATH "\">\n");
	page_hidden(out, "t", token);
	link_page_button(out, "confirm", looks[k].agree ? "Agree" : NULL, false);
	link_page_button(out, "revoke", looks[k].end, true);
	buf_add_str(out, "</form>\n");
}

static void show(struct req *r, enum look k, const struct store_delegation_link *l,
		 struct slice token)
{
	struct page_head head = { .title = looks[k].title,
				  .posts_to = looks[k].end ? PAGE_POST_SELF : NULL };
	struct buf *out = page_begin(r, looks[k].status, &head);

	write_parties(out, l);
	page_paragraph(out, looks[k].text);
	if (looks[k].link)
		buf_addf(out, "<p><a href=\"" DELEGATION_PATH "?t=%.*s\">%s</a></p>\n",
			 SLICE_ARGS(token), looks[k].link);
	if (looks[k].end)
		write_buttons(out, k, token);
	page_end(out);
}

/*
 * The page of a link with which nothing was done: because it was only looked at, or, when
 * somebody `acted`, because it was too late for that.
 */
static bool find_look(const struct store_delegation_link *l, bool acted, enum look *ret)
{
	if (slice_eq(l->is.state, S("active")))
		*ret = acted ? AGREED_BEFORE : STANDS;
	else if (slice_eq(l->is.state, S("revoked")))
		*ret = acted ? ENDED_BEFORE : OVER;
	else if (slice_eq(l->is.state, S("pending")) && !acted)
		*ret = ASKS;
	else
		return false;
	return true;
}

static void show_as_it_is(struct req *r, struct slice token, bool acted)
{
	struct store_delegation_link l;
	struct fail fail = { 0 };
	uint8_t hash[SHA256_LEN];
	enum look k;
	enum err e;

	crypto_sha256(token, hash);
	e = store_delegation_find(r->db, hash, &r->arena, &l, &fail);
	if (e && e != ERR_NOT_FOUND)
		req_fail(r, &fail, "not available now, try again later");
	else if (e == OK && find_look(&l, acted, &k))
		show(r, k, &l, token);
	else
		link_page_useless(r);
}

void delegation_page(struct req *r)
{
	struct slice token = target_query(&r->target, S("t"));

	if (link_page_token(r, token))
		show_as_it_is(r, token, false);
}

/* ---- the answer ---- */

static const struct act {
	struct slice name;
	enum err (*run)(struct db *db, const uint8_t hash[SHA256_LEN], struct arena *a,
			struct store_delegation_link *ret, struct fail *fail) MUST_CHECK;
	const char *event;
} acts[] = {
	{ SLICE_INIT("confirm"), store_delegation_confirm, "delegation_confirmed" },
	{ SLICE_INIT("revoke"), store_delegation_end, "delegation_revoked" },
};

static const struct act *find_act(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		if (slice_eq(name, acts[i].name))
			return &acts[i];
	return NULL;
}

static void run(struct req *r, const struct act *act, struct slice token)
{
	struct store_delegation_link l;
	struct fail fail = { 0 };
	uint8_t hash[SHA256_LEN];
	enum err e;

	crypto_sha256(token, hash);
	e = act->run(r->db, hash, &r->arena, &l, &fail);
	if (e == ERR_CONFLICT) {
		show_as_it_is(r, token, true);
		return;
	}
	if (e) {
		req_fail(r, &fail, "not available now, try again later");
		return;
	}
	log_info(act->event, LF_STR("request", r->id), LF_STR("by", "human"),
		 LF_SLICE("delegation", l.is.id), LF_SLICE("user", l.user_id));
	if (!l.is.revoked_us)
		show(r, AGREED, &l, token);
	else
		show(r, l.is.confirmed_us ? ENDED : DECLINED, &l, token);
}

void delegation_answer(struct req *r)
{
	const struct act *act;
	struct slice token;

	if (!req_link_form(r))
		return;
	token = req_form(r, S("t"));
	act = find_act(req_form(r, S("action")));
	if (!link_page_token(r, token))
		return;
	if (act)
		run(r, act, token);
	else
		page_message(r, 400, "Nothing was chosen",
			     "Open the link in the mail again and use one of the buttons.");
}
