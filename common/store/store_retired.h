/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of agents that are gone. Mail to them may still be under way, so
 * for a time only their last user may have them again; on the shared domain
 * nobody else ever.
 */
#ifndef E2A_STORE_STORE_RETIRED_H
#define E2A_STORE_STORE_RETIRED_H

#include "common/store/db.h"

extern const struct db_stmt store_retired_stmts[];

/*
 * Keeps the address of an agent from others, in the transaction that deletes
 * the agent and before it does: for kept_ms, or for good on the shared domain.
 */
enum err store_retired_add(struct db *db, struct slice user_id, struct slice email, int64_t kept_ms,
			   struct fail *fail) MUST_CHECK;
/* The same for all agents of a user. */
enum err store_retired_add_all(struct db *db, struct slice user_id, int64_t kept_ms,
			       struct fail *fail) MUST_CHECK;
/*
 * The user has just taken the address, in this transaction. ERR_CONFLICT when
 * it is kept from this user, who must not get it then.
 */
enum err store_retired_take(struct db *db, struct slice user_id, struct slice address,
			    struct fail *fail) MUST_CHECK;

#endif
