/* SPDX-License-Identifier: Apache-2.0 */
/* The table of e2a-apid's metrics. Nothing of a client is in a name or a label. */
#include "apid/apid_metrics.h"

#include "apid/peers.h"
#include "apid/workers.h"

static const char *const classes[] = { "1xx", "2xx", "3xx", "4xx", "5xx" };

static const char *const job_classes[JOB_CLASSES] = {
	[JOB_REQUEST] = "request", [JOB_NAMES] = "names",   [JOB_PROVIDER] = "provider",
	[JOB_LARGE] = "large",     [JOB_SOCKET] = "socket",
};

static const char *const refusals[PEERS_REFUSALS] = {
	[PEERS_PER_CLIENT] = "per_client",
	[PEERS_SERVER_FULL] = "server_full",
};

/* "none": the peer went first. */
static const char *const close_codes[] = {
	"1001", "1008", "1009", "1011", "1013", "none", "other"
};

static const char *const waiters[] = { [WAITER_POLL] = "long_poll", [WAITER_SSE] = "sse" };

struct metric apid_metrics[APID_METRICS_N] = {
	[APID_REQUESTS] = { .name = "e2a_apid_requests_total",
			    .help = "HTTP requests that were answered, by class of the status.",
			    .type = METRIC_COUNTER,
			    METRIC_LABEL("status", classes) },
	[APID_REQUEST_MS] = { .name = "e2a_apid_request_duration_seconds",
			      .help = "From the head of a request to the end of its answer, "
				      "if it did not wait for mail.",
			      .type = METRIC_HISTOGRAM,
			      .unit = METRIC_MS,
			      METRIC_BOUNDS(metric_latency_ms) },
	[APID_REQUESTS_OPEN] = { .name = "e2a_apid_requests_under_way",
				 .help = "Requests that have begun and not ended.",
				 .type = METRIC_GAUGE },
	[APID_WORKERS] = { .name = "e2a_apid_workers",
			   .help = "Threads that run requests.",
			   .type = METRIC_GAUGE },
	[APID_WORKERS_BUSY] = { .name = "e2a_apid_workers_busy",
				.help = "How many of them are at work.",
				.type = METRIC_GAUGE },
	[APID_JOBS_QUEUED] = { .name = "e2a_apid_jobs_queued",
			       .help = "What waits for a worker, by kind.",
			       .type = METRIC_GAUGE,
			       METRIC_LABEL("kind", job_classes) },
	[APID_BUSY] = { .name = "e2a_apid_too_busy_total",
			.help = "Requests answered 503 because queue or memory were full.",
			.type = METRIC_COUNTER },
	[APID_CONNECTIONS_REFUSED] = { .name = "e2a_apid_connections_refused_total",
				       .help = "Connections closed at once, by limit.",
				       .type = METRIC_COUNTER,
				       METRIC_LABEL("limit", refusals) },
	[APID_SOCKETS] = { .name = "e2a_apid_sockets",
			   .help = "Open WebSockets.",
			   .type = METRIC_GAUGE },
	[APID_SOCKETS_HELD] = { .name = "e2a_apid_sockets_held_bytes",
				.help = "Notifications that are held or being read.",
				.type = METRIC_GAUGE },
	[APID_SOCKETS_CLOSED] = { .name = "e2a_apid_sockets_closed_total",
				  .help = "WebSockets that have ended, by the code e2a-apid sent.",
				  .type = METRIC_COUNTER,
				  METRIC_LABEL("code", close_codes) },
	[APID_FRAMES] = { .name = "e2a_apid_frames_sent_total",
			  .help = "Notifications written to WebSockets.",
			  .type = METRIC_COUNTER },
	[APID_FRAME_MS] = { .name = "e2a_apid_commit_to_frame_seconds",
			    .help = "From the time a live mail was stored to its frame.",
			    .type = METRIC_HISTOGRAM,
			    .unit = METRIC_MS,
			    METRIC_BOUNDS(metric_latency_ms) },
	[APID_WAKES] = { .name = "e2a_apid_wakeups_total",
			 .help = "Wake-ups that came from e2a-deliverd.",
			 .type = METRIC_COUNTER },
	[APID_LISTEN_LOST] = { .name = "e2a_apid_wakeup_connection_lost_total",
			       .help = "How often the connection for wake-ups was lost or not had.",
			       .type = METRIC_COUNTER },
	[APID_WAKES_MISSED] = { .name = "e2a_apid_wakeups_missed_total",
				.help = "How often mail for a WebSocket was found without a "
					"wake-up.",
				.type = METRIC_COUNTER },
	[APID_EVENTS] = { .name = "e2a_apid_events_sent_total",
			  .help = "Mails told by Server-Sent Events.",
			  .type = METRIC_COUNTER },
	[APID_WAITERS] = { .name = "e2a_apid_waiters",
			   .help = "Requests that wait for mail, by kind.",
			   .type = METRIC_GAUGE,
			   METRIC_LABEL("kind", waiters) },
};

void apid_count_closed(int code)
{
	char word[16] = "none";

	if (code)
		snprintf(word, sizeof(word), "%d", code);
	metric_add(&apid_metrics[APID_SOCKETS], -1);
	metric_add_word(&apid_metrics[APID_SOCKETS_CLOSED], word, 1);
}
