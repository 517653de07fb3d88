/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SPF (RFC 7208) of the MAIL FROM identity, or of postmaster@HELO for the null
 * sender; never of anything else.
 */
#ifndef E2A_MILTER_CHECK_SPF_H
#define E2A_MILTER_CHECK_SPF_H

#include "common/base/arena.h"
#include "common/mail/dns.h"
#include "common/mail/verdict.h"
#include "milter/spf_pool.h"

struct spf_identity {
	struct slice client_ip; /* text */
	struct slice helo;
	struct slice mail_from; /* "" for <> */
};

struct spf_outcome {
	enum auth_result result;
	struct slice domain; /* that was checked, A-labels; empty when there was none */
	const char *reason;  /* a fixed word for the log, or NULL */
};

/* Never fails: what cannot be found out until the deadline is temperror. */
void check_spf(struct spf_pool *pool, struct dns *dns, const struct spf_identity *id,
	       int64_t deadline_ms, struct arena *a, struct spf_outcome *ret);

#endif
