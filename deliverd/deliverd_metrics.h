/* SPDX-License-Identifier: Apache-2.0 */
/* What e2a-deliverd counts. docs/operations.md says what each of them means. */
#ifndef E2A_DELIVERD_DELIVERD_METRICS_H
#define E2A_DELIVERD_DELIVERD_METRICS_H

#include "common/base/metrics.h"

enum deliverd_metric {
	DELIVERD_LMTP_CONNECTIONS,
	DELIVERD_LMTP_RECIPIENTS, /* by class of the reply: 0 is 2xx, 1 is 4xx, 2 is 5xx */
	DELIVERD_INGEST_MS,
	DELIVERD_MEMORY,
	DELIVERD_MEMORY_LIMIT,
	DELIVERD_NOTIFIES,
	DELIVERD_NOTIFIES_FAILED,
	DELIVERD_ATTEMPTS, /* by the reason as a word, NULL or "" for delivered */
	DELIVERD_ATTEMPT_MS,
	DELIVERD_ACCEPT_MS, /* from the commit of a mail that did not wait to the 2xx */
	DELIVERD_CALLS,     /* in flight */
	DELIVERD_JOBS,      /* of webhooks, in memory */
	DELIVERD_OUTBOUND,  /* ends of attempts, by enum store_outbound_outcome */
	DELIVERD_PENDING,   /* by enum store_queue */
	DELIVERD_FAILED,
	DELIVERD_BEHIND_MS,
	DELIVERD_ENDPOINTS, /* by enum store_endpoint_state */
	DELIVERD_METRICS_N
};

extern struct metric deliverd_metrics[DELIVERD_METRICS_N];

/* A reply to a recipient, by its code of 3 digits. */
void deliverd_count_reply(int code);
/* An attempt of a webhook that took so many milliseconds; reason NULL or "": delivered. */
void deliverd_count_attempt(const char *reason, int64_t ms);

#endif
