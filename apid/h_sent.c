/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of mail that agents wrote: any of the account's, whatever its state, and for an
 * agent's own key what left of that agent's.
 */
#include "apid/handlers.h"
#include "apid/held_content.h"
#include "apid/held_mail.h"
#include "apid/held_review.h"
#include "apid/page_query.h"
#include "apid/sent_json.h"

#define SENT S("sent")

static void answer_failure(struct req *r, enum err e, const struct fail *fail)
{
	if (e == ERR_NOT_FOUND || e == ERR_INPUT)
		resp_error(&r->resp, 404, "message not found");
	else if (e)
		req_fail(r, fail, "failed to fetch message");
}

/* How much of what it says is shown. */
enum detail { ALL, REVIEW, STATE };

static const struct slice views[] = {
	[ALL] = SLICE_INIT("full"),
	[REVIEW] = SLICE_INIT("review"),
	[STATE] = SLICE_INIT("state"),
};

static bool read_view(struct req *r, enum detail *ret)
{
	struct slice asked = target_query(&r->target, S("view"));

	*ret = ALL;
	for (size_t i = 0; i < ARRAY_LEN(views); i++)
		if (slice_eq(asked, views[i])) {
			*ret = (enum detail)i;
			return true;
		}
	if (asked.n)
		resp_error(&r->resp, 400, "view must be full, review or state");
	return asked.n == 0;
}

static enum err write_content(struct req *r, const struct store_sent *m, enum detail view,
			      struct fail *fail)
{
	if (view == REVIEW)
		return held_review_write(r, m, fail);
	return view == ALL && m->held ? held_content_write(r, m->id, fail) : OK;
}

static void show(struct req *r, enum detail view)
{
	struct store_sent m;
	struct fail fail = { 0 };
	enum err e =
		store_sent_find(r->db, r->principal.user_id, r->param[0], &r->arena, &m, &fail);
	struct jsonw *w;

	if (e == OK) {
		w = resp_json(&r->resp, 200);
		jsonw_object(w);
		sent_json_keys(w, &m, SENT_FOR_ACCOUNT);
		e = write_content(r, &m, view, &fail);
		jsonw_object_end(w);
	}
	answer_failure(r, e, &fail);
}

void outbound_get(struct req *r)
{
	enum detail view;

	if (read_view(r, &view))
		show(r, view);
}

void outbound_get_html(struct req *r)
{
	struct fail fail = { 0 };
	enum err e = held_mail_show_html(r, r->principal.user_id, r->param[0], &fail);

	answer_failure(r, e, &fail);
}

static enum sent_view view_of(const struct req *r)
{
	return r->principal.agent_scope ? SENT_FOR_AGENT : SENT_FOR_ACCOUNT;
}

void sent_get(struct req *r)
{
	struct store_agent agent;
	struct store_sent m;
	struct fail fail = { 0 };
	struct jsonw *w;
	enum err e;

	if (!req_agent(r, &agent))
		return;
	e = store_sent_find_own(r->db, r->principal.user_id, agent.email, r->param[1], &r->arena,
				&m, &fail);
	if (e) {
		answer_failure(r, e, &fail);
		return;
	}
	w = resp_json(&r->resp, 200);
	jsonw_object(w);
	sent_json_keys(w, &m, view_of(r));
	jsonw_object_end(w);
}

void sent_list(struct req *r)
{
	struct store_sent_page page = { .user_id = r->principal.user_id };
	struct store_agent agent;
	struct page_token token;
	struct store_sent *v;
	struct fail fail = { 0 };
	bool more;
	size_t n;

	if (!req_agent(r, &agent) || !page_query_token(r, SENT, agent.email, &token))
		return;
	page.agent = agent.email;
	page.before_us = token.created_us;
	page.before_id = token.id;
	page.limit = page_query_size(r);
	if (store_sent_list(r->db, &page, &r->arena, &v, &n, &more, &fail)) {
		req_fail(r, &fail, "failed to fetch messages");
		return;
	}
	if (more)
		token = (struct page_token){ .created_us = v[n - 1].created_us,
					     .id = v[n - 1].id,
					     .filter = SENT,
					     .agent = agent.email };
	sent_json_page(r, v, n, view_of(r), more ? &token : NULL);
}
