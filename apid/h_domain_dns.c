/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Domains and DNS: look, verify, rotate the key. Whoever shows the token of their
 * own claim in DNS first holds the domain; no answer of DNS proves nothing.
 */
#include "apid/claim.h"
#include "apid/handlers.h"
#include "common/base/log.h"
#include "common/store/store_dkim.h"

void domain_get(struct req *r)
{
	struct store_domain d;

	if (claim_find(r, &d) && (claim_is_fresh(r, &d) || claim_look(r, &d)))
		claim_json(resp_json(&r->resp, 200), r, &d);
}

/* ---- verify ---- */

static bool proof_is_asked(const struct req *r)
{
	return !slice_eq(slice_str(r->app->settings->domain_verification), S("none"));
}

static bool proven(struct req *r, const struct store_domain *d)
{
	enum dns_status status = d->records[DNS_RECORD_TXT].status;

	if (!proof_is_asked(r) || status == DNS_PUBLISHED)
		return true;
	if (status == DNS_UNKNOWN)
		resp_errorf(&r->resp, 400, "DNS lookup failed for %.*s: try again later",
			    SLICE_ARGS(d->domain));
	else
		resp_errorf(&r->resp, 412, "TXT record not found. Expected: %.*s",
			    SLICE_ARGS(d->token));
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
		claim_announce(r);
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

void domain_verify(struct req *r)
{
	struct store_domain d;

	if (!claim_find(r, &d))
		return;
	if (d.verified)
		write_verified(r, &d);
	else if ((!proof_is_asked(r) || claim_look(r, &d)) && proven(r, &d))
		verify(r, &d);
}

/* ---- rotate ---- */

struct rotation {
	struct store_domain *d;
	struct store_dkim_pair pair;
};

static void rotation_release(struct rotation *ro)
{
	store_dkim_release(&ro->pair);
}

/* A claim from before there were keys gets its first one. */
static enum err rotate_act(struct req *r, void *arg, struct fail *fail)
{
	struct rotation *ro = arg;
	struct slice active = ro->d->records[DNS_RECORD_DKIM].selector;
	bool made;
	enum err e =
		active.n
			? store_dkim_rotate(r->db, r->app->keys, ro->d->id, active, &ro->pair, fail)
			: store_dkim_add(r->db, r->app->keys, ro->d->id, &ro->pair, &made, fail);

	if (e == OK)
		e = store_domain_get(r->db, ro->d->id, &r->arena, ro->d, fail);
	if (e == OK)
		claim_json(resp_json(&r->resp, 200), r, ro->d);
	return e;
}

static bool refuse_rotation(struct req *r)
{
	resp_error(&r->resp, 409,
		   "a rotation is under way: see dkim_next or dkim_retired in dns_records");
	return false;
}

static bool may_rotate(struct req *r, const struct store_domain *d)
{
	if (d->records[DNS_RECORD_DKIM_NEXT].selector.n ||
	    d->records[DNS_RECORD_DKIM_RETIRED].selector.n)
		return refuse_rotation(r);
	return true;
}

static void rotate(struct req *r, struct rotation *ro)
{
	struct fail fail = { 0 };
	enum err e = store_dkim_make(&ro->pair, &fail);

	if (e == OK)
		e = req_act(r, rotate_act, ro, &fail);
	if (e == ERR_CONFLICT)
		refuse_rotation(r);
	else if (e == ERR_NOT_FOUND)
		resp_error(&r->resp, 404, "domain not found");
	else if (e == ERR_UNAUTHORIZED)
		resp_error(&r->resp, 401, "unauthorized");
	else if (e)
		req_fail(r, &fail, "failed to rotate the key");
	else if (r->resp.status == 200)
		log_info("dkim_key_rotated", LF_STR("request", r->id),
			 LF_SLICE("domain", ro->d->domain));
}

void domain_rotate(struct req *r)
{
	struct store_domain d;
	AUTO(rotation_release) struct rotation ro = { .d = &d };

	if (claim_find(r, &d) && may_rotate(r, &d))
		rotate(r, &ro);
}
