/* SPDX-License-Identifier: Apache-2.0 */
/* The life of one mail, from the ledger. To an agent's own key no human had to decide about it. */
#include "apid/handlers.h"
#include "apid/page_query.h"
#include "common/store/store_history.h"

static void key_int(struct jsonw *w, const char *key, int64_t v, int64_t none)
{
	jsonw_key(w, key);
	if (v == none)
		jsonw_null(w);
	else
		jsonw_int(w, v);
}

static void write_event(struct jsonw *w, const struct store_history_event *e)
{
	jsonw_object(w);
	resp_key_time(w, "at", e->at_us);
	jsonw_key_text(w, "stage", e->stage);
	jsonw_key_text(w, "outcome", e->outcome);
	jsonw_key_text_or_null(w, "reason", e->reason);
	key_int(w, "attempt", e->attempt, 0);
	key_int(w, "status", e->status, 0);
	key_int(w, "duration_ms", e->duration_ms, -1);
	jsonw_key_text_or_null(w, "part", e->part);
	jsonw_key_text_or_null(w, "recipient", e->recipient);
	jsonw_key_text_or_null(w, "code", e->code);
	jsonw_key_text_or_null(w, "by", e->by);
	jsonw_object_end(w);
}

static void write_page(struct req *r, bool inbound, const struct store_history_event *v, size_t n,
		       const struct page_token *next)
{
	struct jsonw *w = resp_json(&r->resp, 200);

	jsonw_object(w);
	jsonw_key_text(w, "message_id", r->param[1]);
	jsonw_key_text(w, "direction", inbound ? S("inbound") : S("outbound"));
	jsonw_key(w, "events");
	jsonw_array(w);
	for (size_t i = 0; i < n; i++)
		write_event(w, &v[i]);
	jsonw_array_end(w);
	if (next)
		page_query_next(r, next);
	jsonw_object_end(w);
}

/* Behind which event the page begins; false with the answer. */
static bool read_after(struct req *r, struct slice list, struct slice agent, int64_t *ret)
{
	struct page_token token;

	if (!page_query_token(r, list, agent, &token))
		return false;
	*ret = -1;
	if (token.id.n == 0 || slice_to_i64(token.id, 0, INT64_MAX, ret) == OK)
		return true;
	resp_error(&r->resp, 400, "invalid pagination token");
	return false;
}

static void show(struct req *r, const struct store_history_of *of, bool inbound)
{
	struct slice list =
		slice_str(arena_printf(&r->arena, "history:%.*s", SLICE_ARGS(of->message_id)));
	struct store_history_event *v;
	struct page_token token;
	struct fail fail = { 0 };
	int64_t after;
	bool more;
	size_t n;

	if (!read_after(r, list, of->agent, &after))
		return;
	if (store_history_list(r->db, of, after, page_query_size(r), &r->arena, &v, &n, &more,
			       &fail)) {
		req_fail(r, &fail, "failed to fetch history");
		return;
	}
	if (more)
		token = (struct page_token){ .created_us = v[n - 1].at_us,
					     .id = slice_str(arena_printf(
						     &r->arena, "%lld", (long long)v[n - 1].place)),
					     .filter = list,
					     .agent = of->agent };
	write_page(r, inbound, v, n, more ? &token : NULL);
}

void history_get(struct req *r)
{
	struct store_history_of of = {
		.user_id = r->principal.user_id,
		.message_id = r->param[1],
		.for_agent = r->principal.agent_scope,
	};
	struct store_agent agent;
	struct fail fail = { 0 };
	bool inbound;
	enum err e;

	if (!req_agent(r, &agent))
		return;
	of.agent = agent.email;
	e = store_history_find(r->db, &of, &inbound, &fail);
	if (e == ERR_NOT_FOUND || e == ERR_INPUT)
		resp_error(&r->resp, 404, "message not found");
	else if (e)
		req_fail(r, &fail, "failed to fetch history");
	else
		show(r, &of, inbound);
}
