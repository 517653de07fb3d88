/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of browsers, found by the hash of their cookie. The token itself never comes here. */
#ifndef E2A_STORE_STORE_SESSION_H
#define E2A_STORE_STORE_SESSION_H

#include "common/base/crypto.h"
#include "common/store/db.h"

extern const struct db_stmt store_session_stmts[];

struct store_session {
	struct slice user_id;
	bool by_key; /* opened with an API key, and ends with it */
};

enum err store_session_create(struct db *db, struct slice user_id, const uint8_t hash[SHA256_LEN],
			      int64_t lifetime_ms, struct fail *fail) MUST_CHECK;
/*
 * The same for whoever showed an API key: the session ends at the latest when that expires or is
 * revoked. ERR_UNAUTHORIZED when it may not be used now, or is not one of a whole account.
 */
enum err store_session_create_by_key(struct db *db, struct slice key_id,
				     const uint8_t hash[SHA256_LEN], int64_t lifetime_ms,
				     struct fail *fail) MUST_CHECK;
/* A session that has not expired, else ERR_UNAUTHORIZED. */
enum err store_session_find(struct db *db, const uint8_t hash[SHA256_LEN], struct arena *a,
			    struct store_session *ret, struct fail *fail) MUST_CHECK;
/* OK also when there is none. */
enum err store_session_delete(struct db *db, const uint8_t hash[SHA256_LEN],
			      struct fail *fail) MUST_CHECK;

#endif
