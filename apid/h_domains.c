/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Domains: claim, list, give up. A claim says nothing about those of others; each
 * has a token and a key of its own.
 */
#include "apid/claim.h"
#include "apid/handlers.h"
#include "common/mail/addr.h"
#include "common/store/store_dkim.h"

#include <inttypes.h>

struct create {
	struct slice domain;
};

static const struct jsonf_row create_rows[] = {
	{ "domain", JSONF_TEXT, offsetof(struct create, domain), JSONF_NO_GIVEN },
	{ 0 },
};

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
		claim_json(w, r, &v[i]);
	jsonw_array_end(w);
	jsonw_object_end(w);
}

/* ---- create ---- */

struct claim {
	struct slice domain;
	struct store_dkim_pair pair; /* empty when the claim has a key already */
};

static void claim_release(struct claim *c)
{
	store_dkim_release(&c->pair);
}

/* Without a pair: ERR_NOT_FOUND when the claim needs one. */
static enum err add_key(struct req *r, const struct claim *c, struct store_domain *d,
			struct fail *fail)
{
	bool made;
	enum err e;

	if (d->records[DNS_RECORD_DKIM].selector.n)
		return OK;
	if (c->pair.private_key.len == 0)
		return fail_set(fail, ERR_NOT_FOUND, "the claim has no key");
	e = store_dkim_add(r->db, r->app->keys, d->id, &c->pair, &made, fail);
	return e ? e : store_domain_get(r->db, d->id, &r->arena, d, fail);
}

static enum err claim_act(struct req *r, void *arg, struct fail *fail)
{
	const struct claim *c = arg;
	struct store_domain d;
	enum err e = store_domain_claim(r->db, r->principal.user_id, c->domain,
					r->app->settings->domains_per_user, &r->arena, &d, fail);

	if (e == OK)
		e = add_key(r, c, &d, fail);
	if (e == OK)
		claim_json(resp_json(&r->resp, 201), r, &d);
	return e;
}

static void answer_claim(struct req *r, enum err e, const struct fail *fail)
{
	switch (e) {
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
		req_fail(r, fail, "failed to register domain");
		break;
	}
}

/* A key takes long to make: not in a transaction, and only for a claim that would be made. */
static void claim(struct req *r, struct slice domain)
{
	AUTO(claim_release) struct claim c = { .domain = domain };
	struct fail fail = { 0 };
	enum err e = req_act(r, claim_act, &c, &fail);

	if (e == ERR_NOT_FOUND)
		e = store_dkim_make(&c.pair, &fail);
	if (e == OK && r->resp.status == 0)
		e = req_act(r, claim_act, &c, &fail);
	answer_claim(r, e, &fail);
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
	else if (slice_eq(domain, r->app->sender.shared_domain) ||
		 slice_eq(domain, r->app->sender.relay_domain))
		resp_error(&r->resp, 400, "reserved domain");
	else
		claim(r, domain);
}

/* ---- delete ---- */

static enum err delete_act(struct req *r, void *arg, struct fail *fail)
{
	const struct store_domain *d = arg;

	return store_domain_delete(r->db, r->principal.user_id, d->domain, fail);
}

void domain_delete(struct req *r)
{
	struct fail fail = { 0 };
	struct store_domain d;

	if (!claim_find(r, &d))
		return;
	switch (req_act(r, delete_act, &d, &fail)) {
	case OK:
		claim_announce(r);
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
