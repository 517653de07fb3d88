/* SPDX-License-Identifier: Apache-2.0 */
/* The webhook of an agent as its owner and the operator see it: how it fares, on and off. */
#ifndef E2A_STORE_STORE_ENDPOINT_H
#define E2A_STORE_STORE_ENDPOINT_H

#include "common/store/db.h"

extern const struct db_stmt store_endpoint_stmts[];

enum { STORE_ENDPOINT_COUNT_MAX = 10000 }; /* jobs that are counted; more are that many and one */

struct store_endpoint {
	struct slice agent; /* email */
	struct slice user_id;
	struct slice url;
	/*
	 * "none": not in cloud mode; "ok"; "failing"; "open": nothing is sent before next_us, and
	 * then one mail; "draining": it is back; "disabled"
	 */
	struct slice state;
	int64_t failures;     /* in a row */
	int64_t failing_us;   /* since when; 0: it is not */
	int64_t next_us;      /* when it is looked at next; 0: nothing waits, or nobody will */
	int64_t last_status;  /* of the last failure; 0: no answer */
	int64_t last_fail_us; /* 0: there was none */
	struct slice last_error;
	int64_t disabled_us;
	struct slice disabled_reason;
	int64_t pending, failed; /* jobs */
};

/* ERR_NOT_FOUND when the user has no such agent (email). */
enum err store_endpoint_find(struct db *db, struct slice user_id, struct slice agent,
			     struct arena *a, struct store_endpoint *ret,
			     struct fail *fail) MUST_CHECK;
/*
 * A fresh start, after an agent's URL was written or when somebody asks for it: what waits is
 * handed out at once, in order. Of no effect for an agent that is not the user's.
 */
enum err store_endpoint_enable(struct db *db, struct slice user_id, struct slice agent,
			       struct fail *fail) MUST_CHECK;

/* For the operator, who sees all users'. */

/* Of whoever has the agent with this folded address; ERR_NOT_FOUND. */
enum err store_endpoint_find_any(struct db *db, struct slice address, struct arena *a,
				 struct store_endpoint *ret, struct fail *fail) MUST_CHECK;
/* Those that fail or are disabled, the longest first, with their counts. */
enum err store_endpoint_trouble(struct db *db, int64_t limit, struct arena *a,
				struct store_endpoint **ret, size_t *ret_n,
				struct fail *fail) MUST_CHECK;
/* No call until it is enabled. ERR_CONFLICT for an agent that has no webhook. */
enum err store_endpoint_disable(struct db *db, struct slice agent, struct fail *fail) MUST_CHECK;
/*
 * Agents behind `after`, by email, for which calls have failed for good: of the user with this
 * e-mail address, or of all for an empty one. Fills agent and user_id.
 */
enum err store_endpoint_failed(struct db *db, struct slice user, struct slice after, int64_t limit,
			       struct arena *a, struct store_endpoint **ret, size_t *ret_n,
			       struct fail *fail) MUST_CHECK;

#endif
