/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of browsers, found by the hash of their cookie. The token itself never comes here. */
#ifndef E2A_STORE_STORE_SESSION_H
#define E2A_STORE_STORE_SESSION_H

#include "common/base/crypto.h"
#include "common/store/db.h"

extern const struct db_stmt store_session_stmts[];

enum err store_session_create(struct db *db, struct slice user_id, const uint8_t hash[SHA256_LEN],
			      int64_t lifetime_ms, struct fail *fail) MUST_CHECK;
/* The user of a session that has not expired, else ERR_UNAUTHORIZED. */
enum err store_session_find(struct db *db, const uint8_t hash[SHA256_LEN], struct arena *a,
			    struct slice *ret_user_id, struct fail *fail) MUST_CHECK;
/* OK also when there is none. */
enum err store_session_delete(struct db *db, const uint8_t hash[SHA256_LEN],
			      struct fail *fail) MUST_CHECK;

#endif
