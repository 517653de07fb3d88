/* SPDX-License-Identifier: Apache-2.0 */
/* The policy's refusals as reasons of the ledger. Nothing is decided here. */
#include "deliverd/webhook_target.h"

static const enum event_reason reasons[] = {
	[WEBHOOK_ADMITTED] = EVENT_NO_REASON,
	[WEBHOOK_PORT] = EVENT_URL_REFUSED,
	[WEBHOOK_PLAIN] = EVENT_URL_REFUSED,
	[WEBHOOK_PRIVATE] = EVENT_ADDRESS_REFUSED,
	[WEBHOOK_LITERAL] = EVENT_ADDRESS_REFUSED,
	[WEBHOOK_NO_ADDRESS] = EVENT_NO_ADDRESS,
	[WEBHOOK_DNS] = EVENT_DNS,
	[WEBHOOK_MALFORMED] = EVENT_URL_REFUSED,
};

enum event_reason webhook_target_resolve(struct dns *dns, const struct webhook_policy *p,
					 struct slice url, int64_t deadline_ms,
					 struct webhook_target *ret)
{
	return reasons[webhook_policy_resolve(p, dns, url, deadline_ms, ret, NULL)];
}

bool webhook_target_known(struct dns *dns, struct slice url)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct weburl u;
	struct dns_question v[2];

	if (weburl_parse(url, &u, NULL) || u.literal)
		return true;
	v[0] = (struct dns_question){ .name = u.host, .type = DNS_A };
	v[1] = (struct dns_question){ .name = u.host, .type = DNS_AAAA };
	dns_query_all(dns, v, ARRAY_LEN(v), 0, &a);
	return v[0].code != ERR_TIMEOUT && v[1].code != ERR_TIMEOUT;
}
