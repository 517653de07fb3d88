/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Domains: claim, list, verify, give up. Whoever shows the token of their own
 * claim in DNS first holds the domain; a claim says nothing about others.
 */
#include "apid/handlers.h"
#include "apid/req.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/mail/addr.h"
#include "common/store/store_domain.h"

#include <inttypes.h>

enum { MX_PRIORITY = 10, LOOKUP_MS = 5000 };

struct create {
	struct slice domain;
};

static const struct jsonf_row create_rows[] = {
	{ "domain", JSONF_TEXT, offsetof(struct create, domain), JSONF_NO_GIVEN },
	{ 0 },
};

static void write_dns_records(struct jsonw *w, struct slice mail_host, struct slice token)
{
	jsonw_key(w, "dns_records");
	jsonw_object(w);
	jsonw_key(w, "mx");
	jsonw_object(w);
	jsonw_key_text(w, "host", S("@"));
	jsonw_key_text(w, "value", mail_host);
	jsonw_key_int(w, "priority", MX_PRIORITY);
	jsonw_object_end(w);
	jsonw_key(w, "txt");
	jsonw_object(w);
	jsonw_key_text(w, "host", S("@"));
	jsonw_key_text(w, "value", token);
	jsonw_object_end(w);
	jsonw_object_end(w);
}

static void write_domain(struct jsonw *w, const struct app *app, const struct store_domain *d)
{
	jsonw_object(w);
	jsonw_key_text(w, "domain", d->domain);
	jsonw_key_bool(w, "verified", d->verified);
	jsonw_key_text(w, "verification_token", d->token);
	write_dns_records(w, slice_str(app->settings->mail_host), d->token);
	resp_key_time(w, "created_at", d->created_us);
	if (d->verified)
		resp_key_time(w, "verified_at", d->verified_us);
	jsonw_object_end(w);
}

void domain_list(struct req *r)
{
	struct fail fail = { 0 };
	struct store_domain *v;
	struct jsonw *w;
	size_t n;

	if (store_domain_list(r->db, r->principal.user_id, &r->arena, &v, &n, &fail)) {
		req_fail(r, &fail, "failed to list domains");
		return;
	}
	w = resp_json(&r->resp, 200);
	jsonw_object(w);
	jsonw_key(w, "domains");
	jsonw_array(w);
	for (size_t i = 0; i < n; i++)
		write_domain(w, r->app, &v[i]);
	jsonw_array_end(w);
	jsonw_object_end(w);
}

static enum err claim_act(struct req *r, void *arg, struct fail *fail)
{
	const struct slice *domain = arg;
	struct store_domain d;
	enum err e = store_domain_claim(r->db, r->principal.user_id, *domain,
					r->app->settings->domains_per_user, &r->arena, &d, fail);

	if (e == OK)
		write_domain(resp_json(&r->resp, 201), r->app, &d);
	return e;
}

static void claim(struct req *r, struct slice domain)
{
	struct fail fail = { 0 };

	switch (req_act(r, claim_act, &domain, &fail)) {
	case OK:
		break;
	case ERR_CONFLICT:
		resp_error(&r->resp, 400, "failed to register domain: domain not available");
		break;
	case ERR_TOO_BIG:
		resp_errorf(&r->resp, 403, "at most %" PRId64 " domains per user",
			    r->app->settings->domains_per_user);
		break;
	case ERR_UNAUTHORIZED:
		resp_error(&r->resp, 401, "unauthorized");
		break;
	default:
		req_fail(r, &fail, "failed to register domain");
		break;
	}
}

void domain_create(struct req *r)
{
	struct create c = { 0 };
	struct slice domain;

	if (!req_json(r, create_rows, &c))
		return;
	if (c.domain.n == 0)
		resp_error(&r->resp, 400, "domain is required");
	else if (addr_domain(slice_trim(c.domain), &r->arena, &domain))
		resp_error(&r->resp, 400, "failed to register domain: not a domain name");
	else if (slice_eq(domain, r->app->sender.shared_domain))
		resp_error(&r->resp, 400, "reserved domain");
	else
		claim(r, domain);
}

/* Is the token a TXT record of this name? ERR_NOT_FOUND when it is not. */
static enum err look_for_token(struct req *r, struct slice name, struct slice token)
{
	struct dns_answer answer;
	enum err e = dns_query(r->app->dns, name, DNS_TXT, clock_mono_ms() + LOOKUP_MS, &r->arena,
			       &answer, NULL);

	if (e)
		return e;
	for (size_t i = 0; i < answer.n; i++)
		if (slice_eq(slice_trim(answer.v[i]), token))
			return OK;
	return ERR_NOT_FOUND;
}

/* At the domain itself, or at _e2a below it where the apex has too many records. */
static bool proven(struct req *r, const struct store_domain *d)
{
	struct slice below = slice_str(arena_printf(&r->arena, "_e2a.%.*s", SLICE_ARGS(d->domain)));
	enum err apex, e;

	if (slice_eq(slice_str(r->app->settings->domain_verification), S("none")))
		return true;
	apex = look_for_token(r, d->domain, d->token);
	if (apex == OK)
		return true;
	e = look_for_token(r, below, d->token);
	if (e == OK)
		return true;
	if (e == ERR_NOT_FOUND && apex == ERR_NOT_FOUND)
		resp_errorf(&r->resp, 412, "TXT record not found. Expected: %.*s",
			    SLICE_ARGS(d->token));
	else
		resp_errorf(&r->resp, 400, "DNS lookup failed for %.*s: try again later",
			    SLICE_ARGS(d->domain));
	return false;
}

static void write_verified(struct req *r, const struct store_domain *d)
{
	struct jsonw *w = resp_json(&r->resp, 200);

	jsonw_object(w);
	jsonw_key_text(w, "domain", d->domain);
	jsonw_key_bool(w, "verified", true);
	resp_key_time(w, "verified_at", d->verified_us);
	jsonw_object_end(w);
}

/* deliverd also looks by itself from time to time, so a lost word only delays. */
static void announce(struct req *r)
{
	struct fail fail = { 0 };

	if (store_domain_announce(r->db, &fail))
		log_warn("domain_announce_failed", LF_STR("request", r->id),
			 LF_STR("detail", fail.what));
}

static enum err verify_act(struct req *r, void *arg, struct fail *fail)
{
	struct store_domain *d = arg;
	enum err e =
		store_domain_verify(r->db, r->principal.user_id, d->domain, &r->arena, d, fail);

	if (e == OK)
		write_verified(r, d);
	return e;
}

static void verify(struct req *r, struct store_domain *d)
{
	struct fail fail = { 0 };

	switch (req_act(r, verify_act, d, &fail)) {
	case OK:
		announce(r);
		break;
	case ERR_NOT_FOUND:
		resp_error(&r->resp, 404, "domain not found");
		break;
	case ERR_CONFLICT:
		resp_error(&r->resp, 400, "failed to verify domain: domain not available");
		break;
	case ERR_UNAUTHORIZED:
		resp_error(&r->resp, 401, "unauthorized");
		break;
	default:
		req_fail(r, &fail, "failed to verify domain");
		break;
	}
}

/* The claim that the path names. */
static bool find_claim(struct req *r, struct store_domain *ret)
{
	struct fail fail = { 0 };
	struct slice domain;
	enum err e = addr_domain(r->param[0], &r->arena, &domain);

	if (e == OK)
		e = store_domain_find(r->db, r->principal.user_id, domain, &r->arena, ret, &fail);
	if (e == ERR_NOT_FOUND || e == ERR_INPUT)
		resp_error(&r->resp, 404, "domain not found");
	else if (e)
		req_fail(r, &fail, "failed to load domain");
	return e == OK;
}

void domain_verify(struct req *r)
{
	struct store_domain d;

	if (!find_claim(r, &d))
		return;
	if (d.verified)
		write_verified(r, &d);
	else if (proven(r, &d))
		verify(r, &d);
}

static enum err delete_act(struct req *r, void *arg, struct fail *fail)
{
	const struct store_domain *d = arg;

	return store_domain_delete(r->db, r->principal.user_id, d->domain, fail);
}

void domain_delete(struct req *r)
{
	struct fail fail = { 0 };
	struct store_domain d;

	if (!find_claim(r, &d))
		return;
	switch (req_act(r, delete_act, &d, &fail)) {
	case OK:
		announce(r);
		resp_empty(&r->resp, 204);
		break;
	case ERR_NOT_FOUND:
		resp_error(&r->resp, 404, "domain not found");
		break;
	case ERR_CONFLICT:
		resp_error(
			&r->resp, 400,
			"cannot delete domain while agents exist \xe2\x80\x94 delete agents first");
		break;
	default:
		req_fail(r, &fail, "failed to delete domain");
		break;
	}
}
