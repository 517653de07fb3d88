/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decision about From. A domain of a user must never be borrowed for mail
 * that its key does not vouch for.
 */
#include "common/mail/sender.h"

#include "common/mail/addr.h"

static enum err read_domain(const char *key, const char *text, struct arena *a, struct slice *ret,
			    struct fail *fail)
{
	*ret = slice_of(NULL, 0);
	if (*text && addr_domain(slice_str(text), a, ret))
		return fail_set(fail, ERR_CONFIG, "%s is not a domain name", key);
	return OK;
}

static enum sender_shared read_shared(struct slice word)
{
	if (slice_eq(word, S("agent")))
		return SENDER_AGENT;
	return slice_eq(word, S("relay")) ? SENDER_RELAY : SENDER_AUTO;
}

enum err sender_init(const struct settings *s, struct arena *a, struct sender *ret,
		     struct fail *fail)
{
	struct sender made = { .shared = read_shared(slice_str(s->shared_domain_from)) };

	if (read_domain("shared_domain", s->shared_domain, a, &made.shared_domain, fail) ||
	    read_domain("from_domain", s->from_domain, a, &made.relay_domain, fail))
		return ERR_CONFIG;
	if (made.relay_domain.n == 0)
		made.relay_domain = made.shared_domain;
	*ret = made;
	return OK;
}

bool sender_is_agent(const struct sender *s, struct slice domain, bool published)
{
	if (s->relay_domain.n == 0)
		return true;
	if (s->shared != SENDER_AUTO && slice_eq(domain, s->shared_domain))
		return s->shared == SENDER_AGENT;
	return published;
}
