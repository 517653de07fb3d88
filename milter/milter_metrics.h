/* SPDX-License-Identifier: Apache-2.0 */
/* What e2a-milter counts. docs/operations.md says what each of them means. */
#ifndef E2A_MILTER_MILTER_METRICS_H
#define E2A_MILTER_MILTER_METRICS_H

#include "common/base/metrics.h"
#include "common/mail/verdict.h"

enum milter_metric {
	MILTER_MAILS, /* by enum milter_outcome */
	MILTER_SPF,   /* the results, by enum auth_result */
	MILTER_DKIM,
	MILTER_DMARC,
	MILTER_JUDGE_MS,
	MILTER_SESSIONS,
	MILTER_SPF_HELPERS_STARTED,
	MILTER_METRICS_N
};

enum milter_outcome {
	MILTER_JUDGED,
	MILTER_NOT_JUDGED, /* its header is too big */
	MILTER_ADMITTED,   /* of an agent, with a ticket */
	MILTER_REFUSED,    /* ... without one */
	MILTER_LATER,      /* ... with one that is over */
	MILTER_FAILED,     /* here: a temporary error */
	MILTER_OUTCOMES
};

extern struct metric milter_metrics[MILTER_METRICS_N];

/* A mail was judged, in so many milliseconds. */
void milter_count_verdict(const struct verdict *v, int64_t ms);

#endif
