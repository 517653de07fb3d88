/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of the webhook calls of an agent's mail, for its owner's eyes, and calling
 * again. Every look-up names user and agent; only mail that came in and is still kept is seen.
 */
#ifndef E2A_STORE_STORE_DELIVERY_H
#define E2A_STORE_STORE_DELIVERY_H

#include "common/store/db.h"

extern const struct db_stmt store_delivery_stmts[];

/* How the delivery of one message stands. */
struct store_delivery {
	struct slice message_id;
	struct slice from, subject;
	int64_t received_us;
	struct slice state; /* "none", "pending", "delivered", "failed" */
	bool under_way;     /* somebody is at it, or was and has not said how it ended */
	int64_t attempts;
	int64_t next_us; /* of the next attempt, while pending and not under way; else 0 */
	int64_t last_status;
	struct slice last_error; /* word of event_reason_name(), or empty */
};

/* One line of the log of a message. */
struct store_delivery_event {
	int64_t id;
	int64_t at_us;
	struct slice outcome; /* "delivered", "deferred", "failed", "redelivered" */
	struct slice reason;  /* word of event_reason_name(), or empty */
	int64_t attempt;      /* 0: it tells of none */
	int64_t status;       /* of HTTP; 0: no answer */
	int64_t duration_ms;  /* -1: none was made */
	struct slice answer;  /* what a failure's answer said, or empty */
	struct slice by;      /* who asked for a redelivery */
};

struct store_delivery_of {
	struct slice user_id;
	struct slice agent;      /* email */
	struct slice message_id; /* empty in a page: from the beginning */
};

/* ERR_NOT_FOUND for a message that this agent did not get. */
enum err store_delivery_find(struct db *db, const struct store_delivery_of *of, struct arena *a,
			     struct store_delivery *ret, struct fail *fail) MUST_CHECK;
/* The log of a message that was found, newest first, before `before_id` (INT64_MAX: all). */
enum err store_delivery_log(struct db *db, struct slice message_id, int64_t before_id,
			    int64_t limit, struct arena *a, struct store_delivery_event **ret,
			    size_t *ret_n, bool *ret_more, struct fail *fail) MUST_CHECK;

struct store_delivery_page {
	struct store_delivery *v;
	size_t n;          /* at most `limit`; some may be missing in between */
	struct slice next; /* message_id where to go on before; empty: that was all */
};

/* Those of an agent that are "pending" or "failed", newest message first, before of->message_id. */
enum err store_delivery_list(struct db *db, const struct store_delivery_of *of, struct slice state,
			     int64_t limit, struct arena *a, struct store_delivery_page *ret,
			     struct fail *fail) MUST_CHECK;
/* For the operator: whose message it is; ERR_NOT_FOUND. */
enum err store_delivery_owner(struct db *db, struct slice message_id, struct arena *a,
			      struct store_delivery_of *ret, struct fail *fail) MUST_CHECK;

/* What is to be called again. */
struct store_redelivery {
	struct slice user_id;
	struct slice agent;   /* email */
	struct slice message; /* this one, or, when it is empty, */
	bool all;             /* ... also what was delivered or waits, else what has failed */
	int64_t since_us;     /* ... of the mail that came in then; INT64_MIN: no bound */
	int64_t until_us;     /* INT64_MAX: no bound */
	int64_t after_us;     /* where to go on, from store_redelivered; INT64_MIN: begin */
	struct slice after_id;
	int64_t lifetime_ms; /* how long it is tried */
	struct slice by;     /* who asked: "account" or "operator" */
};

struct store_redelivered {
	int64_t n;       /* are due now */
	int64_t recent;  /* were asked for less than five minutes ago */
	int64_t in_hand; /* are being called with right now */
	bool more;       /* not all was looked at: go on from here */
	int64_t after_us;
	struct slice after_id;
};

enum { STORE_REDELIVERY_MAX = 1000 }; /* messages that one call looks at */

#define STORE_REDELIVERY_NOT_CLOUD "agent is not in cloud mode"
#define STORE_REDELIVERY_DISABLED "the webhook is disabled, enable it first"

/*
 * Makes webhook calls due now, as if the mail had just come. ERR_NOT_FOUND without such an agent
 * or message; ERR_CONFLICT, with one of the texts above, when it has no webhook to call.
 */
enum err store_redelivery_run(struct db *db, const struct store_redelivery *what, struct arena *a,
			      struct store_redelivered *ret, struct fail *fail) MUST_CHECK;

#endif
