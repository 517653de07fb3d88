/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the record and lets libopendmarc read it. At most three questions:
 * the domain, its organisational domain, and whether the domain exists.
 */
#include "milter/check_dmarc.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <sys/param.h>

#include <opendmarc/dmarc.h>

enum { QUERY_MS = 2000, RECORD_MAX = 2048 };

static const struct {
	int code;
	const char *word;
} policies[] = {
	{ DMARC_RECORD_P_NONE, "none" },
	{ DMARC_RECORD_P_QUARANTINE, "quarantine" },
	{ DMARC_RECORD_P_REJECT, "reject" },
};

static struct slice policy_word(int code)
{
	for (size_t i = 0; i < ARRAY_LEN(policies); i++)
		if (policies[i].code == code)
			return slice_str(policies[i].word);
	return slice_of(NULL, 0);
}

static void read_policy(DMARC_POLICY_T *d, bool sub, struct dmarc_policy *ret)
{
	int p = 0, sp = 0, adkim = 0, aspf = 0;

	opendmarc_policy_fetch_p(d, &p);
	opendmarc_policy_fetch_sp(d, &sp);
	opendmarc_policy_fetch_adkim(d, &adkim);
	opendmarc_policy_fetch_aspf(d, &aspf);
	*ret = (struct dmarc_policy){
		.found = AUTH_PASS,
		.policy = policy_word(sub && sp != DMARC_RECORD_P_UNSPECIFIED ? sp : p),
		.strict_dkim = adkim == DMARC_RECORD_A_STRICT,
		.strict_spf = aspf == DMARC_RECORD_A_STRICT,
	};
}

enum err dmarc_parse(struct slice record, struct slice domain, bool sub, struct dmarc_policy *ret)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	u_char ip[] = "192.0.2.1"; /* the library wants one and does not use it */
	DMARC_POLICY_T *d;
	int status;

	if (record.n > RECORD_MAX)
		return ERR_INPUT;
	for (size_t i = 0; i < record.n; i++)
		if ((record.p[i] < ' ' && record.p[i] != '\t') || record.p[i] == 0x7f)
			return ERR_INPUT;
	d = opendmarc_policy_connect_init(ip, DMARC_POLICY_IP_TYPE_IPV4);
	if (!d)
		return ERR_INTERNAL;
	status = opendmarc_policy_parse_dmarc(d, (u_char *)arena_dup(&a, domain),
					      (u_char *)arena_dup(&a, record));
	if (status == DMARC_PARSE_OKAY)
		read_policy(d, sub, ret);
	opendmarc_policy_connect_shutdown(d);
	return status == DMARC_PARSE_OKAY ? OK : ERR_INPUT;
}

struct slice dmarc_np(struct slice record)
{
	struct slice part, name;

	while (slice_cut(&record, ';', &part)) {
		if (!slice_cut(&part, '=', &name) || !slice_ieq(slice_trim(name), S("np")))
			continue;
		for (size_t i = 0; i < ARRAY_LEN(policies); i++)
			if (slice_ieq(slice_trim(part), slice_str(policies[i].word)))
				return slice_str(policies[i].word);
	}
	return slice_of(NULL, 0);
}

/* "v=DMARC1" and nothing else may come first (RFC 7489 6.6.3 step 2). */
static bool is_record(struct slice txt)
{
	struct slice tag, name;

	if (!slice_cut(&txt, ';', &tag) || !slice_cut(&tag, '=', &name) || !tag.p)
		return false;
	return slice_eq(slice_trim(name), S("v")) && slice_eq(slice_trim(tag), S("DMARC1"));
}

/* ERR_NOT_FOUND when there is not exactly one (step 5). */
static enum err find_record(struct dns *dns, struct slice domain, int64_t deadline_ms,
			    struct arena *a, struct slice *ret)
{
	const char *name = arena_printf(a, "_dmarc.%.*s", SLICE_ARGS(domain));
	struct dns_answer answer;
	size_t n = 0;
	enum err e = dns_query(dns, slice_str(name), DNS_TXT, deadline_ms, a, &answer, NULL);

	if (e == ERR_TOO_BIG)
		return ERR_NOT_FOUND;
	if (e)
		return e;
	for (size_t i = 0; i < answer.n; i++) {
		if (!is_record(answer.v[i]))
			continue;
		*ret = answer.v[i];
		n++;
	}
	return n == 1 ? OK : n == 0 ? ERR_NOT_FOUND : ERR_CONFLICT;
}

static int64_t soon(int64_t deadline_ms)
{
	int64_t t = clock_mono_ms() + QUERY_MS;

	return t < deadline_ms ? t : deadline_ms;
}

static bool domain_is_missing(struct dns *dns, struct slice domain, int64_t deadline_ms,
			      struct arena *a)
{
	struct dns_answer answer;
	bool nxdomain = false;

	return dns_query(dns, domain, DNS_A, soon(deadline_ms), a, &answer, &nxdomain) ==
		       ERR_NOT_FOUND &&
	       nxdomain;
}

void check_dmarc(struct dns *dns, const struct psl *psl, struct slice domain, int64_t deadline_ms,
		 struct arena *a, struct dmarc_policy *ret)
{
	struct slice org = org_domain(psl, domain, a), record, np;
	bool sub = false;
	enum err e;

	*ret = (struct dmarc_policy){ .found = AUTH_NONE };
	if (org.n == 0)
		return;
	e = find_record(dns, domain, soon(deadline_ms), a, &record);
	if (e == ERR_NOT_FOUND && !slice_ieq(org, domain)) {
		sub = true;
		e = find_record(dns, org, soon(deadline_ms), a, &record);
	}
	if (e == ERR_NOT_FOUND || e == ERR_CONFLICT)
		return;
	if (e != OK) {
		ret->found = AUTH_TEMPERROR;
		return;
	}
	if (dmarc_parse(record, domain, sub, ret) != OK) {
		*ret = (struct dmarc_policy){ .found = AUTH_PERMERROR };
		return;
	}
	np = sub ? dmarc_np(record) : slice_of(NULL, 0);
	if (np.n > 0 && domain_is_missing(dns, domain, deadline_ms, a))
		ret->policy = np;
}
