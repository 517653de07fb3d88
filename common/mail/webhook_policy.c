/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy about webhooks. No address may get past that it does not admit,
 * whatever a URL or a name says; there must never be a second copy of it.
 */
#include "common/mail/webhook_policy.h"

#include "common/base/mem.h"

enum { HOST_SHOWN = 200 }; /* bytes of a host in a reason */

enum err webhook_policy_read(const struct settings *s, struct webhook_policy *ret,
			     struct fail *fail)
{
	ret->https_required = slice_eq(slice_str(s->webhook_https), S("required"));
	return netcidr_list_parse(slice_str(s->webhook_allow), &ret->allow, fail);
}

static enum webhook_refusal judge(const struct webhook_policy *p, const struct weburl *url,
				  const struct netaddr *a)
{
	if (!url->https && p->https_required)
		return WEBHOOK_PLAIN;
	if (netcidr_list_contains(&p->allow, a))
		return WEBHOOK_ADMITTED;
	if (url->literal)
		return WEBHOOK_LITERAL;
	if (!netaddr_is_global(a))
		return WEBHOOK_PRIVATE;
	if (!url->https)
		return WEBHOOK_PLAIN;
	return weburl_port_allowed(url->port) ? WEBHOOK_ADMITTED : WEBHOOK_PORT;
}

bool webhook_policy_admits(const struct webhook_policy *p, const struct weburl *url,
			   const struct netaddr *a)
{
	return judge(p, url, a) == WEBHOOK_ADMITTED;
}

static void add_addresses(const struct dns_question *q, struct webhook_target *t)
{
	for (size_t i = 0; q->code == OK && i < q->answer.n && t->n < WEBHOOK_ADDRESSES_MAX; i++)
		if (netaddr_from_bytes(q->answer.v[i], &t->v[t->n]) == OK)
			t->n++;
}

/* Half an answer will do: what cannot be found out is not connected to either. */
static enum webhook_refusal look_up(struct dns *dns, int64_t deadline_ms, struct webhook_target *t)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct dns_question v[] = { { .name = t->url.host, .type = DNS_A },
				    { .name = t->url.host, .type = DNS_AAAA } };
	bool failed = false;

	if (t->url.literal) {
		t->v[t->n++] = t->url.address;
		return WEBHOOK_ADMITTED;
	}
	dns_query_all(dns, v, ARRAY_LEN(v), deadline_ms, &a);
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		add_addresses(&v[i], t);
		failed = failed ||
			 (v[i].code && v[i].code != ERR_NOT_FOUND && v[i].code != ERR_TOO_BIG);
	}
	if (t->n)
		return WEBHOOK_ADMITTED;
	return failed ? WEBHOOK_DNS : WEBHOOK_NO_ADDRESS;
}

static const char *const texts[] = {
	[WEBHOOK_PORT] = "webhook URL must not use this port",
	[WEBHOOK_PLAIN] = "webhook URL must use HTTPS",
	[WEBHOOK_PRIVATE] = "webhook URL must not resolve to a private/loopback address",
	[WEBHOOK_LITERAL] = "webhook URL must use a domain name, not an IP address",
};

static enum webhook_refusal refuse(enum webhook_refusal r, struct slice host, struct fail *fail)
{
	if (r == WEBHOOK_NO_ADDRESS || r == WEBHOOK_DNS)
		fail_set(fail, ERR_INPUT, "cannot resolve webhook host \"%.*s\"", SLICE_ARGS(host));
	else
		fail_set(fail, ERR_INPUT, "%s", texts[r]);
	return r;
}

enum webhook_refusal webhook_policy_resolve(const struct webhook_policy *p, struct dns *dns,
					    struct slice url, int64_t deadline_ms,
					    struct webhook_target *ret, struct fail *fail)
{
	struct webhook_target t = { .n = 0 };
	enum webhook_refusal worst;

	if (weburl_parse(url, &t.url, fail))
		return WEBHOOK_MALFORMED;
	if (!t.url.https && p->https_required)
		return refuse(WEBHOOK_PLAIN, t.url.host, fail);
	worst = look_up(dns, deadline_ms, &t);
	for (size_t i = 0; i < t.n; i++) {
		enum webhook_refusal one = judge(p, &t.url, &t.v[i]);

		worst = one > worst ? one : worst;
	}
	if (worst)
		return refuse(worst, t.url.host, fail);
	*ret = t;
	return WEBHOOK_ADMITTED;
}
