/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judgement. An identifier counts only when it passed and is aligned with
 * the domain of the only author (RFC 7489 3.1); nothing passes for a message
 * that has no such author.
 */
#include "milter/judge.h"

#include "common/base/mem.h"

/* Results from best to worst, for the summary of several signatures. */
static const enum auth_result preference[] = {
	AUTH_PASS, AUTH_TEMPERROR, AUTH_FAIL, AUTH_POLICY, AUTH_NEUTRAL, AUTH_PERMERROR,
};

static enum auth_result best_dkim(const struct dkim_outcome *dkim)
{
	for (size_t p = 0; p < ARRAY_LEN(preference); p++)
		for (size_t i = 0; i < dkim->n; i++)
			if (dkim->v[i].result == preference[p])
				return preference[p];
	return AUTH_NONE;
}

static bool aligned(const struct psl *psl, const struct evidence *ev, struct slice domain)
{
	return ev->author_valid && org_aligned(psl, ev->author_domain, domain);
}

/* The alignment that the policy asks for, of an identifier that is aligned at least relaxed. */
static bool aligned_by_policy(const struct evidence *ev, bool relaxed, bool strict,
			      struct slice domain)
{
	return relaxed && (!strict || slice_ieq(domain, ev->author_domain));
}

/* True when an identifier with that result is aligned as the policy asks. */
static bool any_aligned(const struct evidence *ev, const struct psl *psl, const struct verdict *v,
			enum auth_result result)
{
	if (v->spf == result && aligned_by_policy(ev, aligned(psl, ev, v->spf_domain),
						  ev->dmarc.strict_spf, v->spf_domain))
		return true;
	for (size_t i = 0; i < v->dkim_n; i++) {
		const struct verdict_dkim *d = &v->dkim[i];

		if (d->result == result && aligned_by_policy(ev, aligned(psl, ev, d->domain),
							     ev->dmarc.strict_dkim, d->domain))
			return true;
	}
	return false;
}

static enum auth_result judge_dmarc(const struct evidence *ev, const struct psl *psl,
				    const struct verdict *v)
{
	if (!ev->author_valid)
		return AUTH_PERMERROR;
	if (ev->dmarc.found != AUTH_PASS)
		return ev->dmarc.found;
	if (any_aligned(ev, psl, v, AUTH_PASS))
		return AUTH_PASS;
	/* The identifier that would have decided could not be checked. */
	if (any_aligned(ev, psl, v, AUTH_TEMPERROR))
		return AUTH_TEMPERROR;
	return AUTH_FAIL;
}

void judge(const struct evidence *ev, const struct psl *psl, struct verdict *ret)
{
	ret->header_from = ev->author;
	ret->author_valid = ev->author_valid;
	ret->spf = ev->spf.result;
	ret->spf_domain = ev->spf.domain;
	ret->spf_aligned = ev->spf.result == AUTH_PASS && aligned(psl, ev, ev->spf.domain);
	ret->dkim_n = ev->dkim.n;
	for (size_t i = 0; i < ev->dkim.n; i++) {
		ret->dkim[i] = ev->dkim.v[i];
		ret->dkim[i].aligned = aligned(psl, ev, ev->dkim.v[i].domain);
	}
	ret->dkim_all = best_dkim(&ev->dkim);
	ret->dmarc_policy = ev->dmarc.policy;
	ret->dmarc = judge_dmarc(ev, psl, ret);
}
