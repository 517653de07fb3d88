/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs of mail from agents that do not get on by themselves, for the operator who
 * decides about them. Neither decision touches a job that a worker has in hand.
 */
#ifndef E2A_STORE_STORE_STUCK_H
#define E2A_STORE_STORE_STUCK_H

#include "common/store/db.h"

extern const struct db_stmt store_stuck_stmts[];

#define STORE_STUCK_DROPPED "dropped by the operator" /* `detail` of its recipients */

struct store_stuck {
	struct slice id, message_id, agent_email;
	struct slice part;  /* "agents", "world" */
	struct slice state; /* "pending", "injecting", "unknown", "failed" */
	struct slice last_error;
	int64_t attempts;
	int64_t created_us;
};

/* Unknown and failed jobs, and all that were made more than age_ms ago; oldest first. */
enum err store_stuck_list(struct db *db, int64_t age_ms, int64_t limit, struct arena *a,
			  struct store_stuck **ret, size_t *ret_n, struct fail *fail) MUST_CHECK;
/*
 * Makes an unknown or failed job due now and for another lifetime_ms. Of a failed one the
 * recipients are to be tried again, but for those that the user suppressed.
 * ERR_NOT_FOUND without such a job; ERR_CONFLICT in another state, or without a draft;
 * ERR_BUSY while a worker is at it.
 */
enum err store_stuck_resend(struct db *db, struct slice id, int64_t lifetime_ms,
			    struct fail *fail) MUST_CHECK;
/* Gives up a pending or unknown job: who has not got its mail will not. The same errors. */
enum err store_stuck_drop(struct db *db, struct slice id, struct fail *fail) MUST_CHECK;

#endif
