/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dispatcher: what every route has in common, so that no handler can
 * forget it. A handler runs only after its row of the route table was honoured.
 */
#include "apid/req.h"

#include "apid/idem.h"
#include "common/base/log.h"
#include "common/mail/addr.h"

#define ABSENT_PATH "404 page not found"

enum { LOCATION_MAX = 64 * 1024 };

struct req *req_new(const struct app *app)
{
	struct req *r = mem_zalloc(sizeof(*r));

	r->app = app;
	id_random_hex(REQ_ID_DIGITS, r->id);
	resp_init(&r->resp);
	buf_init(&r->body, 0);
	buf_init(&r->cookies, (size_t)app->settings->http_header_limit);
	buf_init(&r->tags, (size_t)app->settings->http_header_limit);
	buf_init(&r->hops, (size_t)app->settings->http_header_limit);
	return r;
}

void req_free(struct req *r)
{
	if (!r)
		return;
	buf_release(&r->body);
	buf_release(&r->cookies);
	buf_release(&r->tags);
	buf_release(&r->hops);
	if (r->wait.free)
		r->wait.free(r->wait.arg);
	resp_release(&r->resp);
	arena_release(&r->arena);
	free(r);
}

static void redirect(struct req *r)
{
	AUTO(buf_release) struct buf location = BUF_INIT(LOCATION_MAX);

	target_canonical(&r->target, &location);
	resp_redirect(&r->resp, arena_dup(&r->arena, buf_slice(&location)));
}

bool req_route(struct req *r, struct slice method, struct slice raw_target)
{
	struct route_match found;

	r->method = arena_slice(&r->arena, method);
	raw_target = arena_slice(&r->arena, raw_target);
	if (target_parse(raw_target, &r->arena, &r->target)) {
		resp_error(&r->resp, 400, "bad request target");
		return false;
	}
	if (!r->target.canonical) {
		redirect(r);
		return false;
	}
	route_find(r->method, &r->target, &found);
	if (!found.route && found.other_method)
		resp_empty(&r->resp, 405);
	else if (!found.route)
		resp_error(&r->resp, 404, ABSENT_PATH);
	if (!found.route)
		return false;
	r->route = found.route;
	memcpy(r->param, found.param, sizeof(r->param));
	buf_init(&r->body, found.route->body_max);
	return true;
}

bool req_deny(struct req *r)
{
	if (r->route->denied)
		resp_error(&r->resp, r->route->denied_status, r->route->denied);
	else
		resp_error(&r->resp, 404, ABSENT_PATH);
	return false;
}

/* A key of one agent reaches only the rows that say so, and there only its agent. */
static bool in_scope(struct req *r)
{
	struct slice address;

	if (!r->principal.agent_scope || r->route->access == ACCESS_SENDER)
		return true;
	if (r->route->access != ACCESS_AGENT || addr_fold(r->param[0], &r->arena, &address) ||
	    !auth_reaches(&r->principal, address))
		return req_deny(r);
	return true;
}

/* A cookie comes along whoever made the browser ask. Reading is safe: the answer is ours alone. */
static bool from_own_page(struct req *r)
{
	return !r->principal.session || slice_eq(r->method, S("GET")) ||
	       slice_eq(r->method, S("HEAD")) || req_same_origin(r);
}

static bool is_known(struct req *r, enum err e, const struct fail *fail, const char *text)
{
	if (e == ERR_UNAUTHORIZED)
		resp_error(&r->resp, 401, text);
	else if (e)
		req_fail(r, fail, "authentication is not possible now, try again later");
	return e == OK && from_own_page(r);
}

enum err req_session(struct req *r, struct fail *fail)
{
	return auth_session(r->db, req_cookie(r, S(AUTH_SESSION_COOKIE)), &r->arena, &r->principal,
			    fail);
}

/* The cookie counts only where nothing else is shown: a wrong key must not go unnoticed. */
bool req_authenticate(struct req *r, const char *text)
{
	struct slice shown = r->field.authorization;
	struct fail fail = { 0 };
	enum err e =
		shown.n ? auth_principal(r->db, auth_token(shown), &r->arena, &r->principal, &fail)
			: req_session(r, &fail);

	return is_known(r, e, &fail, text);
}

static bool signed_in(struct req *r, const char *text)
{
	struct fail fail = { 0 };
	enum err e = req_session(r, &fail);

	return is_known(r, e, &fail, text);
}

/* A key must not outlive itself by making others. */
static bool is_person(struct req *r)
{
	if (!r->principal.by_key)
		return true;
	resp_error(&r->resp, 403, "signed in with an API key: sign in by mail to do this");
	return false;
}

/* What the row's kind of access asks for. */
static bool is_admitted(struct req *r)
{
	const char *text = r->route->unauthorized;

	switch (r->route->access) {
	case ACCESS_ACCOUNT:
	case ACCESS_AGENT:
	case ACCESS_SENDER:
		return req_authenticate(r, text ? text : "unauthorized") && in_scope(r);
	case ACCESS_SESSION:
		return signed_in(r, text ? text : "not authenticated");
	case ACCESS_PERSON:
		return signed_in(r, text ? text : "not authenticated") && is_person(r);
	case ACCESS_PUBLIC:
	case ACCESS_HANDLER:
		break;
	}
	return true;
}

/* A client is counted before anything is done for it, a user as soon as it is known. */
static bool may_run(struct req *r)
{
	bool by_itself = r->route->access == ACCESS_HANDLER;
	enum limit limit = r->route->limit;
	bool early = limit_before_auth(limit);

	return (!early || limit_admit(r, limit)) && is_admitted(r) &&
	       (early || limit_admit(r, limit)) && (by_itself || idem_admit(r));
}

void req_admit(struct req *r, struct db *db)
{
	r->db = db;
	if (!is_admitted(r))
		resp_finish(&r->resp);
	r->db = NULL;
}

/* Handlers of routes without a body do not look for one: what came is no request of theirs. */
static bool has_fitting_body(struct req *r)
{
	if (!r->body_unread || r->route->body_max)
		return true;
	r->resp.close = true;
	resp_error(&r->resp, 400, "invalid request body");
	return false;
}

void req_run(struct req *r, struct db *db)
{
	r->db = db;
	if (may_run(r) && has_fitting_body(r))
		r->route->run(r);
	resp_finish(&r->resp);
	r->db = NULL;
}

void req_run_again(struct req *r, struct db *db)
{
	r->db = db;
	r->wait.again(r);
	resp_finish(&r->resp);
	r->db = NULL;
}

void req_forget_body(struct req *r)
{
	buf_release(&r->body);
}

bool req_json(struct req *r, const struct jsonf_row *table, void *ret)
{
	r->resp.close = r->resp.close || r->body_bad;
	if (!r->body_bad && jsonf_read(buf_slice(&r->body), table, &r->arena, ret) == OK)
		return true;
	resp_error(&r->resp, 400, "invalid request body");
	return false;
}

bool req_json_if_any(struct req *r, const struct jsonf_row *table, void *ret)
{
	bool any = r->body_bad || slice_trim(buf_slice(&r->body)).n > 0;

	return !any || req_json(r, table, ret);
}

bool req_agent(struct req *r, struct store_agent *ret)
{
	struct fail fail = { 0 };
	struct slice address;
	enum err e;

	if (addr_fold(r->param[0], &r->arena, &address))
		return req_deny(r);
	e = store_agent_find(r->db, r->principal.user_id, address, &r->arena, ret, &fail);
	if (e == ERR_NOT_FOUND || e == ERR_INPUT)
		return req_deny(r);
	if (e)
		req_fail(r, &fail, "failed to load agent");
	return e == OK;
}

void req_fail(struct req *r, const struct fail *fail, const char *text)
{
	const struct err_info *info = err_info(fail->code);

	log_error("request_failed", LF_STR("request", r->id), LF_STR("error", info->name),
		  LF_STR("detail", fail->what));
	resp_error(&r->resp, info->http == 503 ? 503 : 500, text);
}
