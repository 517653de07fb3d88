/* SPDX-License-Identifier: Apache-2.0 */
/* Agents: create, list, get, change, delete. Clients know the order of the checks. */
#include "apid/agent_json.h"
#include "apid/h_agents_change.h"
#include "apid/handlers.h"
#include "apid/idem.h"
#include "apid/req.h"
#include "apid/slug.h"
#include "apid/webhook_url.h"
#include "common/mail/addr.h"
#include "common/mail/review_addr.h"
#include "common/mail/verp.h"
#include "common/store/store_domain.h"

#include <inttypes.h>

enum { LOCAL_PART_MAX = 64, REASON_MAX = 1024 };

struct create {
	struct slice slug, email, name, webhook_url, agent_mode;
};

#define TEXT_ROW(field)                                                                            \
	{                                                                                          \
#field, JSONF_TEXT, offsetof(struct create, field), JSONF_NO_GIVEN                 \
	}

static const struct jsonf_row create_rows[] = {
	TEXT_ROW(slug),        TEXT_ROW(email),      TEXT_ROW(name),
	TEXT_ROW(webhook_url), TEXT_ROW(agent_mode), { 0 },
};

void agent_list(struct req *r)
{
	agent_json_list(r, false);
}

void agent_get(struct req *r)
{
	struct store_agent agent;

	if (req_agent(r, &agent))
		agent_json(resp_json(&r->resp, 200), &agent);
}

void agent_put(struct req *r)
{
	struct agent_change c = { 0 };
	struct store_agent agent;

	if (req_agent(r, &agent) && req_json(r, agent_change_rows, &c) &&
	    agent_change(r, &c, &agent))
		agent_json(resp_json(&r->resp, 200), &agent);
}

void agent_delete(struct req *r)
{
	struct jsonw *w;

	if (!agent_end(r))
		return;
	w = resp_json(&r->resp, 200);
	jsonw_object(w);
	jsonw_key_text(w, "status", S("deleted"));
	jsonw_object_end(w);
}

static bool bad(struct req *r, const char *text)
{
	resp_error(&r->resp, 400, text);
	return false;
}

static bool check_slug(struct req *r, const struct create *c)
{
	AUTO(buf_release) struct buf reason = BUF_INIT(REASON_MAX);

	if (c->slug.n == 0)
		return true;
	if (r->app->sender.shared_domain.n == 0)
		return bad(r, "shared-domain registration is not configured");
	if (slug_check(c->slug, &reason) == OK)
		return true;
	resp_errorf(&r->resp, 400, "invalid slug: %s", buf_cstr(&reason));
	return false;
}

/* A local part that needs no quoting, in ASCII or UTF-8 (RFC 5321 4.1.2, RFC 6531). */
static bool local_part_usable(struct slice local)
{
	if (local.n == 0 || local.n > LOCAL_PART_MAX || slice_has_ctl(local))
		return false;
	for (size_t i = 0; i < local.n; i++)
		if (strchr(" \"(),:;<>@[]\\", local.p[i]))
			return false;
	return !slice_starts(local, S(".")) && !slice_ends(local, S(".")) &&
	       slice_search(local, S("..")) < 0;
}

/* Mail to these two goes to the operator on every domain (RFC 2142). */
static bool local_part_reserved(struct slice local)
{
	return slice_ieq(addr_without_tag(local), S("postmaster")) ||
	       slice_ieq(addr_without_tag(local), S("abuse"));
}

static bool owns_verified(struct req *r, struct slice domain)
{
	struct fail fail = { 0 };
	struct store_domain d;
	enum err e = store_domain_find(r->db, r->principal.user_id, domain, &r->arena, &d, &fail);

	if (e == ERR_NOT_FOUND)
		return bad(r, "register and verify your domain first");
	if (e) {
		req_fail(r, &fail, "failed to register agent");
		return false;
	}
	return d.verified || bad(r, "verify your domain first");
}

/* Addresses that would be taken for one of ours. */
static bool check_form(struct req *r, struct slice address)
{
	struct slice folded, token;

	if (verp_is(address, &r->arena, &folded))
		return bad(r, "addresses of this form are reserved for bounces");
	return !review_addr_is(address, &r->arena, &folded, &token) ||
	       bad(r, "addresses of this form are reserved for answers of reviewers");
}

/* Fills email, address and domain. */
static bool find_address(struct req *r, const struct create *c, struct store_agent *agent)
{
	struct slice local, domain;

	if (c->slug.n) {
		agent->email = slice_str(arena_printf(&r->arena, "%.*s@%s", SLICE_ARGS(c->slug),
						      r->app->settings->shared_domain));
		agent->domain = r->app->sender.shared_domain;
	} else {
		agent->email = slice_trim(c->email);
		if (!addr_split(agent->email, &local, &domain) || !local_part_usable(local) ||
		    addr_domain(domain, &r->arena, &agent->domain))
			return bad(r, "invalid email address");
		if (local_part_reserved(local))
			return bad(r, "postmaster and abuse are reserved for the operator");
		if (!owns_verified(r, agent->domain))
			return false;
	}
	if (addr_fold(agent->email, &r->arena, &agent->address))
		return bad(r, "invalid email address");
	return check_form(r, agent->address);
}

static bool check_mode(struct req *r, const struct create *c, struct store_agent *agent)
{
	agent->agent_mode = c->agent_mode.n ? c->agent_mode : S("cloud");
	if (!slice_eq(agent->agent_mode, S("cloud")) && !slice_eq(agent->agent_mode, S("local")))
		return bad(r, "agent_mode must be 'cloud' or 'local'");
	if (slice_eq(agent->agent_mode, S("cloud")) && c->webhook_url.n == 0)
		return bad(r, "webhook_url is required for cloud agent mode");
	return true;
}

/* Free text, but for what no text column takes. */
static bool check_name(struct req *r, const struct create *c)
{
	return slice_find(c->name, '\0') < 0 || bad(r, "name must not contain NUL");
}

static enum err create(struct req *r, void *arg, struct fail *fail)
{
	const struct store_agent *agent = arg;
	enum err e = store_agent_create(r->db, r->principal.user_id, agent,
					r->app->settings->agents_per_user, fail);
	struct jsonw *w;

	if (e)
		return e;
	w = resp_json(&r->resp, 201);
	jsonw_object(w);
	jsonw_key_text(w, "id", agent->email);
	jsonw_key_text(w, "domain", agent->domain);
	jsonw_key_text(w, "email", agent->email);
	jsonw_object_end(w);
	return OK;
}

static void store(struct req *r, struct store_agent *agent)
{
	struct fail fail = { 0 };

	switch (req_act(r, create, agent, &fail)) {
	case OK:
		break;
	case ERR_CONFLICT:
		resp_error(&r->resp, 409, "agent already registered for this domain");
		break;
	case ERR_FORBIDDEN:
		resp_error(&r->resp, 400, "verify your domain first");
		break;
	case ERR_TOO_BIG:
		resp_errorf(&r->resp, 403, "at most %" PRId64 " agents per user",
			    r->app->settings->agents_per_user);
		break;
	case ERR_UNAUTHORIZED:
		resp_error(&r->resp, 401, "authentication required");
		break;
	default:
		req_fail(r, &fail, "failed to register agent");
		break;
	}
}

void agent_create(struct req *r)
{
	struct create c = { 0 };
	struct store_agent agent = { 0 };

	if (!req_json(r, create_rows, &c) || !check_slug(r, &c) ||
	    !req_authenticate(r, "authentication required"))
		return;
	if (r->principal.agent_scope) {
		req_deny(r);
		return;
	}
	if (!idem_admit(r))
		return;
	if (c.slug.n == 0 && c.email.n == 0) {
		bad(r, "email is required");
		return;
	}
	if (!webhook_url_admit(r, c.webhook_url) || !find_address(r, &c, &agent) ||
	    !check_mode(r, &c, &agent) || !check_name(r, &c))
		return;
	agent.name = c.name;
	agent.webhook_url = c.webhook_url;
	store(r, &agent);
}
