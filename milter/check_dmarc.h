/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DMARC policy of an author domain (RFC 7489 6.6.3, np= of RFC 9091). The
 * result of DMARC is judge.h's.
 */
#ifndef E2A_MILTER_CHECK_DMARC_H
#define E2A_MILTER_CHECK_DMARC_H

#include "common/base/arena.h"
#include "common/mail/dns.h"
#include "common/mail/verdict.h"
#include "milter/orgdomain.h"

struct dmarc_policy {
	/* AUTH_PASS: there is a policy. AUTH_NONE: none applies. Else AUTH_TEMPERROR,
	 * AUTH_PERMERROR. */
	enum auth_result found;
	struct slice policy; /* none, quarantine or reject; for this domain */
	bool strict_dkim, strict_spf;
};

/* The domain is in the form of addr_domain(). Never fails. */
void check_dmarc(struct dns *dns, const struct psl *psl, struct slice domain, int64_t deadline_ms,
		 struct arena *a, struct dmarc_policy *ret);

/* The pure half: one record. `sub`: it was found at the organisational domain, not at `domain`. */
enum err dmarc_parse(struct slice record, struct slice domain, bool sub,
		     struct dmarc_policy *ret) MUST_CHECK;
/* The np= value of a record: a policy word, or empty. */
struct slice dmarc_np(struct slice record);

#endif
