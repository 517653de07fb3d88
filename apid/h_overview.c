/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The account at one look, in parts, so that who asks often asks for little: agents, mail over
 * time, and what was done for the first time.
 */
#include "apid/handlers.h"
#include "apid/page_query.h"
#include "common/store/store_overview.h"

#define OVERVIEW S("overview")

static void key_count(struct jsonw *w, const char *key, const char *capped, int64_t n, int64_t most)
{
	jsonw_key_int(w, key, n > most ? most : n);
	jsonw_key_bool(w, capped, n > most);
}

/* ---- agents ---- */

static void write_webhook(struct jsonw *w, const struct store_overview_agent *a)
{
	jsonw_key(w, "webhook");
	jsonw_object(w);
	jsonw_key_text(w, "state", a->webhook_state);
	resp_key_time_or_null(w, "failing_since", a->failing_us);
	jsonw_key_text_or_null(w, "last_error", a->last_error);
	key_count(w, "pending", "pending_capped", a->webhook_pending, STORE_OVERVIEW_JOBS_MAX);
	key_count(w, "failed", "failed_capped", a->webhook_failed, STORE_OVERVIEW_JOBS_MAX);
	jsonw_object_end(w);
}

static void write_listeners(struct jsonw *w, const struct store_overview_agent *a)
{
	jsonw_key(w, "listeners");
	jsonw_object(w);
	jsonw_key_int(w, "sockets", a->sockets);
	jsonw_key_int(w, "streams", a->streams);
	jsonw_key_int(w, "polls", a->polls);
	resp_key_time_or_null(w, "last_at", a->listened_us);
	jsonw_object_end(w);
}

static void write_agent(struct jsonw *w, const struct store_overview_agent *a)
{
	jsonw_object(w);
	jsonw_key_text(w, "email", a->email);
	jsonw_key_text(w, "name", a->name);
	jsonw_key_text(w, "agent_mode", a->agent_mode);
	jsonw_key_bool(w, "hitl_enabled", a->hitl_enabled);
	resp_key_time(w, "created_at", a->created_us);
	key_count(w, "unread", "unread_capped", a->unread, STORE_OVERVIEW_UNREAD_MAX);
	jsonw_key_int(w, "pending_approval", a->held);
	resp_key_time_or_null(w, "last_received_at", a->received_us);
	resp_key_time_or_null(w, "last_sent_at", a->sent_us);
	write_webhook(w, a);
	write_listeners(w, a);
	jsonw_object_end(w);
}

static enum err write_agents(struct req *r, const struct page_token *token, struct fail *fail)
{
	const struct store_overview_page page = { .user_id = r->principal.user_id,
						  .before_us = token->created_us,
						  .before_email = token->id,
						  .limit = page_query_size_or_all(r) };
	struct jsonw *w = &r->resp.json;
	struct store_overview_agents found;
	enum err e = store_overview_agents(r->db, &page, &r->arena, &found, fail);

	if (e)
		return e;
	jsonw_key(w, "agents");
	jsonw_array(w);
	for (size_t i = 0; i < found.n; i++)
		write_agent(w, &found.v[i]);
	jsonw_array_end(w);
	jsonw_key_int(w, "agents_total", found.total);
	key_count(w, "pending_approval", "pending_approval_capped", found.held,
		  STORE_OVERVIEW_HOLDS_MAX);
	if (found.more)
		page_query_next(r,
				&(struct page_token){ .created_us = found.v[found.n - 1].created_us,
						      .id = found.v[found.n - 1].email,
						      .filter = OVERVIEW });
	return OK;
}

/* ---- the picture ---- */

static void write_buckets(struct jsonw *w, const char *key, const struct store_traffic *v, size_t n)
{
	jsonw_key(w, key);
	jsonw_array(w);
	for (size_t i = 0; i < n; i++) {
		jsonw_object(w);
		resp_key_time(w, "at", v[i].at_us);
		jsonw_key_int(w, "received", v[i].received);
		jsonw_key_int(w, "sent", v[i].sent);
		jsonw_key_int(w, "undelivered", v[i].undelivered);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

static enum err write_traffic(struct req *r, const struct page_token *token, struct fail *fail)
{
	struct jsonw *w = &r->resp.json;
	struct store_overview_traffic t;
	enum err e = store_overview_traffic(r->db, r->principal.user_id, &t, fail);

	(void)token;
	if (e)
		return e;
	jsonw_key(w, "traffic");
	jsonw_object(w);
	resp_key_time_or_null(w, "counted_since", t.since_us);
	write_buckets(w, "hours", t.hours, ARRAY_LEN(t.hours));
	write_buckets(w, "days", t.days, ARRAY_LEN(t.days));
	jsonw_object_end(w);
	return OK;
}

/* ---- first steps ---- */

static enum err write_steps(struct req *r, const struct page_token *token, struct fail *fail)
{
	struct jsonw *w = &r->resp.json;
	struct store_first_steps s;
	enum err e = store_overview_steps(r->db, r->principal.user_id, &s, fail);

	(void)token;
	if (e)
		return e;
	jsonw_key(w, "first_steps");
	jsonw_object(w);
	resp_key_time_or_null(w, "agent_at", s.agent_us);
	resp_key_time_or_null(w, "received_at", s.received_us);
	resp_key_time_or_null(w, "delivered_at", s.delivered_us);
	resp_key_time_or_null(w, "listened_at", s.listened_us);
	resp_key_time_or_null(w, "replied_at", s.replied_us);
	jsonw_object_end(w);
	return OK;
}

static const struct part {
	const char *name;
	enum err (*write)(struct req *r, const struct page_token *token, struct fail *fail);
} parts[] = {
	{ "agents", write_agents },
	{ "traffic", write_traffic },
	{ "first_steps", write_steps },
};

/* Which of them, as bits. Nothing asked for is all. */
static bool read_parts(struct slice text, unsigned *ret)
{
	struct slice name;

	*ret = text.n ? 0 : ~0U;
	while (text.n && slice_cut(&text, ',', &name)) {
		size_t i = 0;

		while (i < ARRAY_LEN(parts) && !slice_eq(name, slice_str(parts[i].name)))
			i++;
		if (i == ARRAY_LEN(parts))
			return false;
		*ret |= 1U << i;
	}
	return true;
}

void overview_get(struct req *r)
{
	struct page_token token;
	struct fail fail = { 0 };
	enum err e = OK;
	unsigned wanted;

	if (!read_parts(target_query(&r->target, S("parts")), &wanted)) {
		resp_error(&r->resp, 400, "parts must be of agents, traffic, first_steps");
		return;
	}
	if (!page_query_token(r, OVERVIEW, S(""), &token))
		return;
	jsonw_object(resp_json(&r->resp, 200));
	for (size_t i = 0; e == OK && i < ARRAY_LEN(parts); i++)
		if (wanted & 1U << i)
			e = parts[i].write(r, &token, &fail);
	if (e)
		req_fail(r, &fail, "failed to fetch overview");
	else
		jsonw_object_end(&r->resp.json);
}
