/* SPDX-License-Identifier: Apache-2.0 */
/* Users: the accounts that own agents, keys and secrets. */
#ifndef E2A_STORE_STORE_USER_H
#define E2A_STORE_STORE_USER_H

#include "common/base/arena.h"
#include "common/store/db.h"

extern const struct db_stmt store_user_stmts[];

struct store_user {
	struct slice id;
	struct slice email; /* as it was first given */
};

/*
 * The user of this address (upper and lower case are one), made with `name`
 * when there is none. Texts live in the arena.
 */
enum err store_user_ensure(struct db *db, struct slice email, struct slice name, struct arena *a,
			   struct store_user *ret, struct fail *fail) MUST_CHECK;

/* The user of this address, or ERR_NOT_FOUND. */
enum err store_user_find(struct db *db, struct slice email, struct arena *a, struct store_user *ret,
			 struct fail *fail) MUST_CHECK;
/*
 * In a transaction: until it ends, nobody else who asks for this lock counts
 * or changes what the user has (agents, domains, keys, secrets). It is held for
 * moments: what takes long, with a lock on the agent concerned, is done before.
 * ERR_UNAUTHORIZED when the user was deleted meanwhile.
 */
enum err store_user_lock(struct db *db, struct slice user_id, struct fail *fail) MUST_CHECK;

#endif
