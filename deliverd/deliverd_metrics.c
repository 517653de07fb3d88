/* SPDX-License-Identifier: Apache-2.0 */
/* The table of e2a-deliverd's metrics. Nothing of a user is in a name or a label. */
#include "deliverd/deliverd_metrics.h"

#include "common/base/mem.h"
#include "common/store/store_depth.h"
#include "common/store/store_outbound.h"

static const char *const replies[] = { "2xx", "4xx", "5xx" };

/* "delivered", and those of event_reason_name() that end an attempt of a webhook. */
static const char *const outcomes[] = {
	"delivered",   "http_status", "http_gone", "connect",    "tls",
	"timeout",     "broken",      "dns",       "no_address", "address_refused",
	"url_refused", "no_secret",   "not_cloud", "stopped",    "other",
};

/* The words of the ledger. */
static const char *const outbound_outcomes[] = {
	[STORE_OUTBOUND_TAKEN] = "taken",     [STORE_OUTBOUND_LATER] = "later",
	[STORE_OUTBOUND_SNOOZED] = "snoozed", [STORE_OUTBOUND_LOST] = "lost",
	[STORE_OUTBOUND_UNKNOWN] = "unknown", [STORE_OUTBOUND_REFUSED] = "refused",
	[STORE_OUTBOUND_FAILED] = "failed",
};

static const char *const queues[QUEUES] = {
	[QUEUE_WEBHOOK] = "webhook",
	[QUEUE_OUTBOUND] = "outbound",
	[QUEUE_MAIL] = "mail",
};

static const char *const endpoint_states[ENDPOINT_STATES] = {
	[ENDPOINT_FAILING] = "failing",
	[ENDPOINT_OPEN] = "open",
	[ENDPOINT_DISABLED] = "disabled",
};

struct metric deliverd_metrics[DELIVERD_METRICS_N] = {
	[DELIVERD_LMTP_CONNECTIONS] = { .name = "e2a_deliverd_lmtp_connections",
					.help = "Connections of Postfix.",
					.type = METRIC_GAUGE },
	[DELIVERD_LMTP_RECIPIENTS] = { .name = "e2a_deliverd_lmtp_recipients_total",
				       .help = "Recipients whose mail was taken (2xx) or not, by "
					       "reply.",
				       .type = METRIC_COUNTER,
				       METRIC_LABEL("reply", replies) },
	[DELIVERD_INGEST_MS] = { .name = "e2a_deliverd_ingest_duration_seconds",
				 .help = "From the end of a mail to its replies.",
				 .type = METRIC_HISTOGRAM,
				 .unit = METRIC_MS,
				 METRIC_BOUNDS(metric_latency_ms) },
	[DELIVERD_MEMORY] = { .name = "e2a_deliverd_memory_budget_used_bytes",
			      .help = "Bytes of mail in memory.",
			      .type = METRIC_GAUGE },
	[DELIVERD_MEMORY_LIMIT] = { .name = "e2a_deliverd_memory_budget_bytes",
				    .help = "How many there may be.",
				    .type = METRIC_GAUGE },
	[DELIVERD_NOTIFIES] = { .name = "e2a_deliverd_notifies_total",
				.help = "Wake-ups sent to e2a-apid, each for many agents.",
				.type = METRIC_COUNTER },
	[DELIVERD_NOTIFIES_FAILED] = { .name = "e2a_deliverd_notifies_failed_total",
				       .help = "Wake-ups that Postgres did not take.",
				       .type = METRIC_COUNTER },
	[DELIVERD_ATTEMPTS] = { .name = "e2a_deliverd_webhook_attempts_total",
				.help = "Attempts of webhooks, by what came of them.",
				.type = METRIC_COUNTER,
				METRIC_LABEL("outcome", outcomes) },
	[DELIVERD_ATTEMPT_MS] = { .name = "e2a_deliverd_webhook_attempt_duration_seconds",
				  .help = "How long attempts of webhooks took.",
				  .type = METRIC_HISTOGRAM,
				  .unit = METRIC_MS,
				  METRIC_BOUNDS(metric_latency_ms) },
	[DELIVERD_ACCEPT_MS] = { .name = "e2a_deliverd_accept_to_webhook_seconds",
				 .help = "From the commit of a mail to the 2xx, when it was called "
					 "for at once.",
				 .type = METRIC_HISTOGRAM,
				 .unit = METRIC_MS,
				 METRIC_BOUNDS(metric_latency_ms) },
	[DELIVERD_CALLS] = { .name = "e2a_deliverd_webhook_calls",
			     .help = "Webhook calls in flight.",
			     .type = METRIC_GAUGE },
	[DELIVERD_JOBS] = { .name = "e2a_deliverd_webhook_jobs_in_memory",
			    .help = "Webhook jobs in memory, those in flight included.",
			    .type = METRIC_GAUGE },
	[DELIVERD_OUTBOUND] = { .name = "e2a_deliverd_outbound_attempts_total",
				.help = "Attempts to hand mail of agents to Postfix, by what "
					"came of them.",
				.type = METRIC_COUNTER,
				METRIC_LABEL("outcome", outbound_outcomes) },
	[DELIVERD_PENDING] = { .name = "e2a_deliverd_jobs_pending",
			       .help = "Jobs that wait for their first or next attempt, counted "
				       "up to 100000.",
			       .type = METRIC_GAUGE,
			       METRIC_LABEL("queue", queues) },
	[DELIVERD_FAILED] = { .name = "e2a_deliverd_jobs_failed",
			      .help = "Jobs that were given up and are kept to be seen, counted "
				      "up to 100000.",
			      .type = METRIC_GAUGE,
			      METRIC_LABEL("queue", queues) },
	[DELIVERD_BEHIND_MS] = { .name = "e2a_deliverd_behind_seconds",
				 .help = "For how long the oldest job has been due that nobody "
					 "has in hand.",
				 .type = METRIC_GAUGE,
				 .unit = METRIC_MS,
				 METRIC_LABEL("queue", queues) },
	[DELIVERD_ENDPOINTS] = { .name = "e2a_deliverd_webhook_endpoints",
				 .help = "Endpoints that do not answer well, by state.",
				 .type = METRIC_GAUGE,
				 METRIC_LABEL("state", endpoint_states) },
};

void deliverd_count_reply(int code)
{
	size_t class = code < 400 ? 0 : code < 500 ? 1 : 2;

	metric_add_at(&deliverd_metrics[DELIVERD_LMTP_RECIPIENTS], class, 1);
}

void deliverd_count_attempt(const char *reason, int64_t ms)
{
	const char *outcome = reason && *reason ? reason : outcomes[0];

	metric_add_word(&deliverd_metrics[DELIVERD_ATTEMPTS], outcome, 1);
	metric_observe(&deliverd_metrics[DELIVERD_ATTEMPT_MS], ms);
}
