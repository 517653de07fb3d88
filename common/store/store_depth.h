/* SPDX-License-Identifier: Apache-2.0 */
/* How long the queues of e2a-deliverd are, for its metrics. */
#ifndef E2A_STORE_STORE_DEPTH_H
#define E2A_STORE_STORE_DEPTH_H

#include "common/store/db.h"

enum { STORE_DEPTH_MAX = 100000 }; /* nothing is counted beyond */

enum store_queue { QUEUE_WEBHOOK, QUEUE_OUTBOUND, QUEUE_MAIL, QUEUES };

/* Of webhooks that do not answer well; open: none but a probe is sent; disabled: nothing is. */
enum store_endpoint_state { ENDPOINT_FAILING, ENDPOINT_OPEN, ENDPOINT_DISABLED, ENDPOINT_STATES };

struct store_depth {
	int64_t pending;   /* now or later, in somebody's hands or not */
	int64_t failed;    /* given up, or left for the operator to decide */
	int64_t behind_ms; /* for so long the oldest that could be tried has been waiting: of
			      webhooks, the queue of an endpoint */
};

extern const struct db_stmt store_depth_stmts[];

enum err store_depth(struct db *db, struct store_depth ret[QUEUES], struct fail *fail) MUST_CHECK;
/* How many endpoints are in each state. */
enum err store_depth_endpoints(struct db *db, int64_t ret[ENDPOINT_STATES],
			       struct fail *fail) MUST_CHECK;

#endif
