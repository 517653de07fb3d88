/* SPDX-License-Identifier: Apache-2.0 */
/* Signing secrets, as they lie in the database: sealed with KEY_SECRETS, bound to the row's id. */
#ifndef E2A_STORE_STORE_SECRET_H
#define E2A_STORE_STORE_SECRET_H

#include "common/base/buf.h"
#include "common/base/keys.h"
#include "common/store/db.h"

extern const struct db_stmt store_secret_stmts[];

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

#endif
