/* SPDX-License-Identifier: Apache-2.0 */
/* Agents as the owner's own pages see them. What is done to one is done in h_agents_change.c. */
#include "apid/agent_json.h"
#include "apid/h_agents_change.h"
#include "apid/handlers.h"
#include "common/store/store_activity.h"

void dashboard_agents(struct req *r)
{
	agent_json_list(r, true);
}

void dashboard_agent_put(struct req *r)
{
	struct agent_change c = { 0 };
	struct store_agent agent;

	if (req_json(r, agent_change_rows, &c) && req_agent(r, &agent) &&
	    agent_change(r, &c, &agent))
		resp_empty(&r->resp, 200);
}

void dashboard_agent_delete(struct req *r)
{
	if (agent_end(r))
		resp_empty(&r->resp, 200);
}

static void key_text_if_any(struct jsonw *w, const char *key, struct slice s)
{
	if (s.n)
		jsonw_key_text(w, key, s);
}

static void key_texts_if_any(struct jsonw *w, const char *key, const struct slice *v, size_t n)
{
	if (n)
		resp_key_texts(w, key, v, n);
}

static void write_activity(struct jsonw *w, struct slice agent_email,
			   const struct store_activity *m)
{
	jsonw_object(w);
	jsonw_key_text(w, "id", m->id);
	jsonw_key_text(w, "agent_id", agent_email);
	jsonw_key_text(w, "direction", m->direction);
	jsonw_key_text(w, "sender", m->sender);
	jsonw_key_text(w, "recipient", m->recipient);
	jsonw_key_text(w, "subject", m->subject);
	key_text_if_any(w, "email_message_id", m->email_message_id);
	key_text_if_any(w, "delivery_status", m->inbox_status);
	key_text_if_any(w, "webhook_status", m->webhook_status);
	key_text_if_any(w, "webhook_error", m->webhook_error);
	if (m->webhook_attempts)
		jsonw_key_int(w, "webhook_attempts", m->webhook_attempts);
	key_texts_if_any(w, "to_recipients", m->to, m->to_n);
	key_texts_if_any(w, "cc", m->cc, m->cc_n);
	resp_key_time(w, "created_at", m->created_us);
	resp_key_time(w, "expires_at", m->expires_us);
	jsonw_object_end(w);
}

void dashboard_activity(struct req *r)
{
	struct fail fail = { 0 };
	struct store_agent agent;
	struct store_activity *v;
	struct jsonw *w;
	size_t n;

	if (!req_agent(r, &agent))
		return;
	if (store_activity_list(r->db, r->principal.user_id, agent.email, &r->arena, &v, &n,
				&fail)) {
		req_fail(r, &fail, "failed to list activity");
		return;
	}
	w = resp_json(&r->resp, 200);
	jsonw_array(w);
	for (size_t i = 0; i < n; i++)
		write_activity(w, agent.email, &v[i]);
	jsonw_array_end(w);
}
