/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check of webhook URLs when they are stored. It tells users early; what
 * protects the network is the check at connect time in deliverd.
 */
#include "apid/webhook_url.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/weburl.h"

enum { RESOLVE_MS = 5000, REASON_MAX = 1024 };

struct reach {
	size_t addresses;
	bool allowed; /* all of them are in webhook_allow */
	bool public;  /* all of them are in webhook_allow or public */
};

static enum err refuse(struct buf *ret_reason, const char *text)
{
	buf_add_str(ret_reason, text);
	return ERR_INPUT;
}

static void add_address(const struct app *app, const struct netaddr *address, struct reach *r)
{
	bool allowed = netcidr_list_contains(&app->webhook_allow, address);

	r->allowed = allowed && (r->allowed || r->addresses == 0);
	r->public = (allowed || netaddr_is_global(address)) && (r->public || r->addresses == 0);
	r->addresses++;
}

/* OK also when the name has no address of this type. */
static enum err resolve(const struct app *app, struct slice host, enum dns_type type,
			struct arena *a, struct reach *r)
{
	struct dns_answer answer;
	struct netaddr address;
	enum err e =
		dns_query(app->dns, host, type, clock_mono_ms() + RESOLVE_MS, a, &answer, NULL);

	if (e == ERR_NOT_FOUND)
		return OK;
	if (e)
		return e;
	for (size_t i = 0; i < answer.n; i++)
		if (netaddr_from_bytes(answer.v[i], &address) == OK)
			add_address(app, &address, r);
	return OK;
}

static enum err find_reach(const struct app *app, const struct weburl *u, struct arena *a,
			   struct reach *r, struct buf *ret_reason)
{
	if (u->literal) {
		add_address(app, &u->address, r);
		return OK;
	}
	if (resolve(app, u->host, DNS_A, a, r) == OK &&
	    resolve(app, u->host, DNS_AAAA, a, r) == OK && r->addresses > 0)
		return OK;
	buf_addf(ret_reason, "cannot resolve webhook host \"%.*s\"", SLICE_ARGS(u->host));
	return ERR_INPUT;
}

enum err webhook_url_check(const struct app *app, struct slice url, struct arena *a,
			   struct buf *ret_reason)
{
	bool https_only = slice_eq(slice_str(app->settings->webhook_https), S("required"));
	struct fail fail = { 0 };
	struct reach reach = { 0 };
	struct weburl u;

	if (weburl_parse(url, &u, &fail))
		return refuse(ret_reason, fail.what);
	if (!u.https && https_only)
		return refuse(ret_reason, "webhook URL must use HTTPS");
	if (find_reach(app, &u, a, &reach, ret_reason))
		return ERR_INPUT;
	if (u.literal && !reach.allowed)
		return refuse(ret_reason, "webhook URL must use a domain name, not an IP address");
	if (!reach.public)
		return refuse(ret_reason,
			      "webhook URL must not resolve to a private/loopback address");
	if (!u.https && !reach.allowed)
		return refuse(ret_reason, "webhook URL must use HTTPS");
	if (!reach.allowed && !weburl_port_allowed(u.port))
		return refuse(ret_reason, "webhook URL must not use this port");
	return OK;
}

bool webhook_url_admit(struct req *r, struct slice url)
{
	AUTO(buf_release) struct buf reason = BUF_INIT(REASON_MAX);

	if (url.n == 0 || webhook_url_check(r->app, url, &r->arena, &reason) == OK)
		return true;
	resp_errorf(&r->resp, 400, "invalid webhook URL: %s", buf_cstr(&reason));
	return false;
}
