/* SPDX-License-Identifier: Apache-2.0 */
/* Signing secrets, as they lie in the database: sealed with KEY_SECRETS, bound to the row's id. */
#ifndef E2A_STORE_STORE_SECRET_H
#define E2A_STORE_STORE_SECRET_H

#include "common/base/buf.h"
#include "common/base/keys.h"
#include "common/store/db.h"

extern const struct db_stmt store_secret_stmts[];

enum { STORE_SECRETS_MAX = 5 }; /* of one user */

/* A secret as lists show it. */
struct store_secret {
	struct slice id;
	struct slice name;
	struct slice prefix; /* its first TOKEN_PREFIX_LEN characters */
	int64_t created_us;
	int64_t last_signed_us; /* 0: not yet */
};

/*
 * Appends the newest signing secret of a user, 64 ASCII bytes, and notes that
 * it was used. ERR_NOT_FOUND when the user has none, ERR_CRYPTO when the key
 * does not open it. The caller wipes *ret.
 */
enum err store_secret_newest(struct db *db, const struct keys *keys, struct slice user_id,
			     struct buf *ret, struct fail *fail) MUST_CHECK;

/*
 * A user who has no signing secret gets one: `value` (TOKEN_HEX_LEN ASCII
 * bytes), sealed. *ret_made tells whether it was needed; of several callers at
 * once one makes it. In a transaction of the caller's.
 */
enum err store_secret_ensure(struct db *db, const struct keys *keys, struct slice user_id,
			     struct slice name, struct slice value, bool *ret_made,
			     struct fail *fail) MUST_CHECK;
/*
 * Another one, `value` again, which signs from now on. ERR_TOO_BIG when the
 * user has STORE_SECRETS_MAX. In a transaction of the caller's.
 */
enum err store_secret_create(struct db *db, const struct keys *keys, struct slice user_id,
			     struct slice name, struct slice value, struct arena *a,
			     struct store_secret *ret, struct fail *fail) MUST_CHECK;
/* All of a user, newest first. */
enum err store_secret_list(struct db *db, struct slice user_id, struct arena *a,
			   struct store_secret **ret, size_t *ret_n, struct fail *fail) MUST_CHECK;
/*
 * ERR_NOT_FOUND when the user has no such secret; ERR_CONFLICT for the last one,
 * and then the caller's transaction must end without effect.
 */
enum err store_secret_delete(struct db *db, struct slice user_id, struct slice id,
			     struct fail *fail) MUST_CHECK;

#endif
