/* SPDX-License-Identifier: Apache-2.0 */
/* What e2a-apid counts. docs/operations.md says what each of them means. */
#ifndef E2A_APID_APID_METRICS_H
#define E2A_APID_APID_METRICS_H

#include "common/base/metrics.h"

enum apid_metric {
	APID_REQUESTS, /* by class of the status: 0 is 1xx */
	APID_REQUEST_MS,
	APID_REQUESTS_OPEN,
	APID_WORKERS,
	APID_WORKERS_BUSY,
	APID_JOBS_QUEUED, /* by enum job_class */
	APID_BUSY,
	APID_CONNECTIONS_REFUSED, /* by enum peers_reason */
	APID_SOCKETS,
	APID_SOCKETS_HELD,   /* bytes */
	APID_SOCKETS_CLOSED, /* by the code, as a word */
	APID_FRAMES,
	APID_FRAME_MS, /* from the commit */
	APID_WAKES,
	APID_LISTEN_LOST,
	APID_WAKES_MISSED,
	APID_EVENTS,
	APID_WAITERS, /* by enum apid_waiter */
	APID_METRICS_N
};

enum apid_waiter { WAITER_POLL, WAITER_SSE };

extern struct metric apid_metrics[APID_METRICS_N];

/* A WebSocket that was open has ended; code 0: without one of ours. */
void apid_count_closed(int code);

#endif
