/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing and deleting agents, for API and dashboard alike. A request is
 * checked as a whole before anything of it is stored, and stored as a whole.
 */
#include "apid/h_agents_change.h"

#include "apid/announcer.h"
#include "apid/webhook_url.h"
#include "apid/ws_wake.h"
#include "common/base/log.h"
#include "common/store/store_endpoint.h"

#define CHANGE_ROW(field, type)                                                                    \
	{                                                                                          \
#field, type, offsetof(struct agent_change, field),                                \
			offsetof(struct agent_change, has_##field)                                 \
	}

const struct jsonf_row agent_change_rows[] = {
	CHANGE_ROW(agent_mode, JSONF_TEXT),
	CHANGE_ROW(webhook_url, JSONF_TEXT),
	CHANGE_ROW(hitl_enabled, JSONF_BOOL),
	CHANGE_ROW(hitl_ttl_seconds, JSONF_INT),
	CHANGE_ROW(hitl_expiration_action, JSONF_TEXT),
	{ 0 },
};

static const char *check_mode(const struct agent_change *c)
{
	bool cloud = slice_eq(c->agent_mode, S("cloud"));

	if (c->has_agent_mode && !cloud && !slice_eq(c->agent_mode, S("local")))
		return "agent_mode must be 'cloud' or 'local'";
	if (cloud && c->webhook_url.n == 0)
		return "webhook_url is required when switching to cloud mode";
	return NULL;
}

static const char *check_hitl(const struct agent_change *c)
{
	if (c->has_hitl_ttl_seconds &&
	    (c->hitl_ttl_seconds < 1 || c->hitl_ttl_seconds > HOLD_TTL_MAX_S))
		return "hitl_ttl_seconds must be between 1 and 604800";
	if (c->has_hitl_expiration_action && !slice_eq(c->hitl_expiration_action, S("approve")) &&
	    !slice_eq(c->hitl_expiration_action, S("reject")))
		return "hitl_expiration_action must be 'approve' or 'reject'";
	return NULL;
}

static const char *check_any(const struct agent_change *c)
{
	return c->has_agent_mode || c->has_webhook_url || c->has_hitl_enabled ||
			       c->has_hitl_ttl_seconds || c->has_hitl_expiration_action
		       ? NULL
		       : "no recognized fields in request";
}

const char *agent_change_check(const struct agent_change *c)
{
	const char *wrong = check_mode(c);

	if (!wrong)
		wrong = check_hitl(c);
	return wrong ? wrong : check_any(c);
}

const char *agent_change_apply(const struct agent_change *c, struct store_agent *agent)
{
	if (c->has_agent_mode)
		agent->agent_mode = c->agent_mode;
	if (c->has_agent_mode || c->has_webhook_url)
		agent->webhook_url = c->webhook_url;
	if (c->has_hitl_enabled)
		agent->hitl_enabled = c->hitl_enabled;
	if (c->has_hitl_ttl_seconds)
		agent->hitl_ttl_seconds = c->hitl_ttl_seconds;
	if (c->has_hitl_expiration_action)
		agent->hitl_expiration_action = c->hitl_expiration_action;
	if (slice_eq(agent->agent_mode, S("cloud")) && agent->webhook_url.n == 0)
		return "webhook_url is required for cloud agent mode";
	return NULL;
}

struct update {
	const struct agent_change *change;
	struct slice address;
	struct store_agent agent; /* as it is afterwards */
	const char *refusal;
	bool left_cloud;
	bool fresh_start; /* its webhook was written, and is called whatever was thought of it */
};

static bool changes_hitl(const struct agent_change *c)
{
	return c->has_hitl_enabled || c->has_hitl_ttl_seconds || c->has_hitl_expiration_action;
}

static enum err set_hitl(struct req *r, const struct store_agent *agent, struct fail *fail)
{
	const struct store_account by = auth_account(&r->principal);

	return store_agent_set_hitl(r->db, &by, agent, fail);
}

static enum err update(struct req *r, void *arg, struct fail *fail)
{
	struct update *u = arg;
	struct slice user = r->principal.user_id;
	enum err e = store_agent_lock(r->db, user, u->address, &r->arena, &u->agent, fail);
	bool was_cloud;

	if (e)
		return e;
	was_cloud = slice_eq(u->agent.agent_mode, S("cloud"));
	u->refusal = agent_change_apply(u->change, &u->agent);
	if (u->refusal)
		return fail_set(fail, ERR_INPUT, "%s", u->refusal);
	u->left_cloud = was_cloud && slice_eq(u->agent.agent_mode, S("local"));
	e = store_agent_update(r->db, user, &u->agent, fail);
	if (e == OK && changes_hitl(u->change))
		e = set_hitl(r, &u->agent, fail);
	u->fresh_start = (u->change->has_agent_mode || u->change->has_webhook_url) &&
			 slice_eq(u->agent.agent_mode, S("cloud"));
	if (e == OK && u->fresh_start)
		e = store_endpoint_enable(r->db, user, u->agent.email, fail);
	if (e == OK && u->left_cloud)
		e = store_agent_stop_webhook(r->db, user, u->agent.email, EVENT_NOT_CLOUD, fail);
	return e;
}

/* Its mail waits for a WebSocket now. A word that is lost is made up for by their poll. */
static void wake(struct req *r, struct slice email)
{
	struct fail fail = { 0 };

	if (db_notify(r->db, WS_WAKE_CHANNEL, email, &fail))
		log_warn("notify_failed", LF_STR("request", r->id), LF_STR("detail", fail.what));
}

bool agent_change(struct req *r, const struct agent_change *c, struct store_agent *agent)
{
	struct update u = { .change = c, .address = agent->address };
	const char *wrong = agent_change_check(c);
	struct fail fail = { 0 };
	enum err e;

	if (wrong) {
		resp_error(&r->resp, 400, wrong);
		return false;
	}
	if (!webhook_url_admit(r, c->webhook_url))
		return false;
	e = req_act(r, update, &u, &fail);
	if (e == ERR_NOT_FOUND || e == ERR_UNAUTHORIZED)
		return req_deny(r);
	if (u.refusal)
		resp_error(&r->resp, 400, u.refusal);
	else if (e)
		req_fail(r, &fail, "failed to update agent");
	else if (u.left_cloud)
		wake(r, u.agent.email);
	else if (u.fresh_start)
		announcer_post(r->app->announcer);
	*agent = u.agent;
	return e == OK;
}

static enum err end(struct req *r, void *arg, struct fail *fail)
{
	const struct slice *address = arg;
	struct slice user = r->principal.user_id;
	int64_t kept_ms = r->app->settings->address_retention_ms;
	struct store_agent agent;
	enum err e = store_agent_lock(r->db, user, *address, &r->arena, &agent, fail);

	return e ? e : store_agent_delete(r->db, user, agent.email, kept_ms, fail);
}

bool agent_end(struct req *r)
{
	struct fail fail = { 0 };
	struct store_agent agent;
	enum err e;

	if (!req_agent(r, &agent))
		return false;
	e = req_act(r, end, &agent.address, &fail);
	if (e == ERR_NOT_FOUND || e == ERR_UNAUTHORIZED)
		return req_deny(r);
	if (e)
		req_fail(r, &fail, "failed to delete agent");
	return e == OK;
}
