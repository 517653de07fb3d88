/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket requests that reached the HTTP server: refused ones, malformed
 * ones, and upgrades on a connection that has served HTTP already.
 */
#include "apid/handlers.h"
#include "apid/req.h"
#include "apid/ws.h"
#include "apid/ws_admit.h"

static const struct {
	int status;
	const char *text;
} refusals[] = {
	[WS_NO_TOKEN] = { 401, "token query parameter required" },
	[WS_BAD_TOKEN] = { 401, "invalid token" },
	[WS_NO_SESSION] = { 401, "not authenticated" },
	[WS_STRANGE_PAGE] = { 403, "cross-site request refused" },
	[WS_NO_AGENT] = { 404, "agent not found" },
	[WS_NOT_LOCAL] = { 400, "WebSocket is only available for local-mode agents" },
};

static const struct {
	int status;
	const char *text;
} faults[] = {
	[UPGRADE_ABSENT] = { 426, "WebSocket upgrade required" },
	[UPGRADE_METHOD] = { 405, "WebSocket upgrade must be a GET request" },
	[UPGRADE_VERSION] = { 400, "unsupported WebSocket version" },
	[UPGRADE_KEY] = { 400, "missing or invalid Sec-WebSocket-Key" },
	[UPGRADE_PROTOCOL] = { 400, "no WebSocket sub-protocol is supported" },
};

static void refuse_upgrade(struct req *r, struct slice address)
{
	enum upgrade_fault fault = upgrade_check(&r->upgrade);

	r->resp.close = true;
	r->resp.ws_version = fault == UPGRADE_VERSION;
	if (fault != UPGRADE_OK)
		resp_error(&r->resp, faults[fault].status, faults[fault].text);
	else if (ws_full(r->app->ws, r->principal.user_id, address))
		resp_error(&r->resp, 503, "too many WebSocket connections");
	else
		resp_error(&r->resp, 503, "open a new connection for a WebSocket");
}

void ws_refuse(struct req *r)
{
	struct head head = {
		.agent = r->param[0],
		.origin = { r->field.sec_fetch_site, r->field.origin, r->field.host },
	};
	struct store_agent agent = { 0 };
	struct fail fail = { 0 };
	enum ws_admission admission;

	head_credential(&head, target_query(&r->target, S("token")), r->field.authorization,
			r->field.cookie);
	admission = ws_admit(r->app, r->db, &head, &r->arena, &r->principal, &agent, &fail);
	if (admission == WS_ADMITTED)
		refuse_upgrade(r, agent.address);
	else if (admission == WS_TROUBLE)
		req_fail(r, &fail, "not available now, try again later");
	else
		resp_error(&r->resp, refusals[admission].status, refusals[admission].text);
}
