/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The target of a call. No address may get past that the policy does not
 * admit, whatever a URL or a name says.
 */
#include "deliverd/webhook_target.h"

enum err webhook_policy_read(const struct settings *s, struct webhook_policy *ret,
			     struct fail *fail)
{
	ret->https_required = slice_eq(slice_str(s->webhook_https), S("required"));
	return netcidr_list_parse(slice_str(s->webhook_allow), &ret->allow, fail);
}

bool webhook_policy_admits(const struct webhook_policy *p, const struct weburl *url,
			   const struct netaddr *a)
{
	if (!url->https && p->https_required)
		return false;
	if (netcidr_list_contains(&p->allow, a))
		return true;
	return url->https && netaddr_is_global(a) && weburl_port_allowed(url->port);
}

static enum event_reason add_addresses(struct dns *dns, enum dns_type type, int64_t deadline_ms,
				       struct webhook_target *t)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct dns_answer answer;
	enum err e = dns_query(dns, t->url.host, type, deadline_ms, &a, &answer, NULL);

	if (e == ERR_NOT_FOUND || e == ERR_TOO_BIG)
		return EVENT_NO_REASON;
	if (e)
		return EVENT_DNS;
	for (size_t i = 0; i < answer.n && t->n < TARGET_ADDRESSES_MAX; i++)
		if (netaddr_from_bytes(answer.v[i], &t->v[t->n]) == OK)
			t->n++;
	return EVENT_NO_REASON;
}

static enum event_reason look_up(struct dns *dns, int64_t deadline_ms, struct webhook_target *t)
{
	enum event_reason v4, v6;

	if (t->url.literal) {
		t->v[t->n++] = t->url.address;
		return EVENT_NO_REASON;
	}
	v4 = add_addresses(dns, DNS_A, deadline_ms, t);
	v6 = add_addresses(dns, DNS_AAAA, deadline_ms, t);
	if (t->n)
		return EVENT_NO_REASON; /* half an answer will do */
	if (v4 || v6)
		return v4 ? v4 : v6;
	return EVENT_NO_ADDRESS;
}

enum event_reason webhook_target_resolve(struct dns *dns, const struct webhook_policy *p,
					 struct slice url, int64_t deadline_ms,
					 struct webhook_target *ret)
{
	struct webhook_target t = { .n = 0 };
	enum event_reason reason;

	if (weburl_parse(url, &t.url, NULL) || (!t.url.https && p->https_required))
		return EVENT_URL_REFUSED;
	reason = look_up(dns, deadline_ms, &t);
	if (reason)
		return reason;
	for (size_t i = 0; i < t.n; i++)
		if (!webhook_policy_admits(p, &t.url, &t.v[i]))
			return EVENT_ADDRESS_REFUSED;
	*ret = t;
	return EVENT_NO_REASON;
}
