/* SPDX-License-Identifier: Apache-2.0 */
/* How the webhook calls of an agent's mail went: of one message, and what waits or has failed. */
#include "apid/delivery_json.h"
#include "apid/handlers.h"
#include "apid/page_query.h"

static void write_list(struct req *r, const struct store_delivery *v, size_t n,
		       const struct page_token *next)
{
	struct jsonw *w = resp_json(&r->resp, 200);

	jsonw_object(w);
	jsonw_key(w, "deliveries");
	jsonw_array(w);
	for (size_t i = 0; i < n; i++)
		delivery_json(w, &v[i]);
	jsonw_array_end(w);
	if (next)
		page_query_next(r, next);
	jsonw_object_end(w);
}

static bool read_state(struct req *r, struct slice *ret)
{
	struct slice state = target_query(&r->target, S("state"));

	*ret = state.n ? state : S("failed");
	if (slice_eq(*ret, S("failed")) || slice_eq(*ret, S("pending")))
		return true;
	resp_error(&r->resp, 400, "state must be 'failed' or 'pending'");
	return false;
}

/* The name of a list that a token is bound to. */
static struct slice name_list(struct req *r, const char *what, struct slice of)
{
	return slice_str(arena_printf(&r->arena, "%s:%.*s", what, SLICE_ARGS(of)));
}

void delivery_list(struct req *r)
{
	struct store_delivery_of of = { .user_id = r->principal.user_id };
	struct store_delivery_page page;
	struct slice state, list;
	struct store_agent agent;
	struct page_token token;
	struct fail fail = { 0 };

	if (!req_agent(r, &agent) || !read_state(r, &state))
		return;
	list = name_list(r, "deliveries", state);
	if (!page_query_token(r, list, agent.email, &token))
		return;
	of.agent = agent.email;
	of.message_id = token.id;
	if (store_delivery_list(r->db, &of, state, page_query_size(r), &r->arena, &page, &fail)) {
		req_fail(r, &fail, "failed to list deliveries");
		return;
	}
	token = (struct page_token){ .id = page.next, .filter = list, .agent = agent.email };
	write_list(r, page.v, page.n, page.next.n ? &token : NULL);
}

static void write_log(struct req *r, const struct store_delivery *d,
		      const struct store_delivery_event *v, size_t n, const struct page_token *next)
{
	struct jsonw *w = resp_json(&r->resp, 200);

	jsonw_object(w);
	jsonw_key(w, "delivery");
	delivery_json(w, d);
	jsonw_key(w, "log");
	jsonw_array(w);
	for (size_t i = 0; i < n; i++)
		delivery_json_event(w, &v[i]);
	jsonw_array_end(w);
	if (next)
		page_query_next(r, next);
	jsonw_object_end(w);
}

static enum err find(struct req *r, const struct store_agent *agent, struct store_delivery *ret,
		     struct fail *fail)
{
	const struct store_delivery_of of = { r->principal.user_id, agent->email, r->param[1] };

	return store_delivery_find(r->db, &of, &r->arena, ret, fail);
}

static void show_log(struct req *r, const struct store_agent *agent, const struct store_delivery *d)
{
	struct slice list = name_list(r, "log", d->message_id);
	struct store_delivery_event *v;
	int64_t before = INT64_MAX;
	struct page_token token;
	struct fail fail = { 0 };
	bool more;
	size_t n;

	if (!page_query_token(r, list, agent->email, &token))
		return;
	if (token.id.n && slice_to_i64(token.id, 0, INT64_MAX, &before)) {
		resp_error(&r->resp, 400, "invalid pagination token");
		return;
	}
	if (store_delivery_log(r->db, d->message_id, before, page_query_size(r), &r->arena, &v, &n,
			       &more, &fail)) {
		req_fail(r, &fail, "failed to fetch deliveries");
		return;
	}
	if (more)
		token = (struct page_token){ .created_us = v[n - 1].at_us,
					     .id = slice_str(arena_printf(&r->arena, "%lld",
									  (long long)v[n - 1].id)),
					     .filter = list,
					     .agent = agent->email };
	write_log(r, d, v, n, more ? &token : NULL);
}

void delivery_get(struct req *r)
{
	struct store_agent agent;
	struct store_delivery d;
	struct fail fail = { 0 };
	enum err e;

	if (!req_agent(r, &agent))
		return;
	e = find(r, &agent, &d, &fail);
	if (e == ERR_NOT_FOUND || e == ERR_INPUT)
		resp_error(&r->resp, 404, "message not found");
	else if (e)
		req_fail(r, &fail, "failed to fetch deliveries");
	else
		show_log(r, &agent, &d);
}
