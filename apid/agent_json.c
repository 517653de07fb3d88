/* SPDX-License-Identifier: Apache-2.0 */
/* One writer for the agent, so that no list or detail lacks a field of another. */
#include "apid/agent_json.h"

static void write_fields(struct jsonw *w, const struct store_agent *a)
{
	jsonw_key_text(w, "id", a->email);
	jsonw_key_text(w, "domain", a->domain);
	jsonw_key_text(w, "email", a->email);
	jsonw_key_text(w, "name", a->name);
	jsonw_key_text(w, "webhook_url", a->webhook_url);
	jsonw_key_text(w, "agent_mode", a->agent_mode);
	jsonw_key_bool(w, "domain_verified", a->domain_verified);
	resp_key_time(w, "created_at", a->created_us);
	jsonw_key_bool(w, "hitl_enabled", a->hitl_enabled);
	jsonw_key_int(w, "hitl_ttl_seconds", a->hitl_ttl_seconds);
	jsonw_key_text(w, "hitl_expiration_action", a->hitl_expiration_action);
}

void agent_json(struct jsonw *w, const struct store_agent *a)
{
	jsonw_object(w);
	write_fields(w, a);
	jsonw_object_end(w);
}

/* With what only the owner's own pages show. */
static void write_owned(struct jsonw *w, const struct store_agent *a, struct slice user_id)
{
	jsonw_object(w);
	write_fields(w, a);
	jsonw_key_text(w, "user_id", user_id);
	jsonw_key_bool(w, "public", true);
	jsonw_object_end(w);
}

void agent_json_list(struct req *r, bool owned)
{
	struct fail fail = { 0 };
	struct store_agent *v;
	struct jsonw *w;
	size_t n;

	if (store_agent_list(r->db, r->principal.user_id, &r->arena, &v, &n, &fail)) {
		req_fail(r, &fail, "failed to list agents");
		return;
	}
	w = resp_json(&r->resp, 200);
	jsonw_object(w);
	jsonw_key(w, "agents");
	jsonw_array(w);
	for (size_t i = 0; i < n; i++)
		if (owned)
			write_owned(w, &v[i], r->principal.user_id);
		else
			agent_json(w, &v[i]);
	jsonw_array_end(w);
	jsonw_object_end(w);
}
