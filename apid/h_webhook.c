/* SPDX-License-Identifier: Apache-2.0 */
/* The webhook of an agent: how it fares, and a fresh start for one that was given up. */
#include "apid/announcer.h"
#include "apid/delivery_json.h"
#include "apid/handlers.h"

static enum err show(struct req *r, const struct store_agent *agent, struct fail *fail)
{
	struct store_endpoint endpoint;
	enum err e = store_endpoint_find(r->db, r->principal.user_id, agent->email, &r->arena,
					 &endpoint, fail);

	if (e == OK)
		delivery_json_endpoint(resp_json(&r->resp, 200), &endpoint);
	return e;
}

static void answer_failure(struct req *r, enum err e, const struct fail *fail)
{
	if (e == ERR_NOT_FOUND)
		req_deny(r);
	else if (e)
		req_fail(r, fail, "failed to fetch webhook");
}

void webhook_get(struct req *r)
{
	struct store_agent agent;
	struct fail fail = { 0 };

	if (req_agent(r, &agent))
		answer_failure(r, show(r, &agent, &fail), &fail);
}

static enum err enable(struct req *r, void *arg, struct fail *fail)
{
	const struct store_agent *agent = arg;
	enum err e = store_endpoint_enable(r->db, r->principal.user_id, agent->email, fail);

	return e ? e : show(r, agent, fail);
}

void webhook_enable(struct req *r)
{
	struct store_agent agent;
	struct fail fail = { 0 };
	enum err e;

	if (!req_agent(r, &agent))
		return;
	if (!slice_eq(agent.agent_mode, S("cloud"))) {
		resp_error(&r->resp, 409, STORE_REDELIVERY_NOT_CLOUD);
		return;
	}
	e = req_act(r, enable, &agent, &fail);
	if (e == OK)
		announcer_post(r->app->announcer);
	answer_failure(r, e, &fail);
}
