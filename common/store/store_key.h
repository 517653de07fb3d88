/* SPDX-License-Identifier: Apache-2.0 */
/* API keys: found by the hash of what a client presents. A key in clear text never comes here. */
#ifndef E2A_STORE_STORE_KEY_H
#define E2A_STORE_STORE_KEY_H

#include "common/base/crypto.h"
#include "common/store/db.h"

extern const struct db_stmt store_key_stmts[];

struct store_key {
	struct slice id;
	struct slice user_id;
	bool agent_scope;         /* reaches one agent only ... */
	struct slice agent_email; /* ... this one */
	bool touch_due;           /* last_used_at is older than STORE_KEY_TOUCH_S */
};

enum { STORE_KEY_TOUCH_S = 60 };

/*
 * The key with this hash, if it may be used now. ERR_UNAUTHORIZED when there is
 * none, or it is revoked, or its expires_at has come. Texts live in the arena.
 */
enum err store_key_find(struct db *db, const uint8_t hash[SHA256_LEN], struct arena *a,
			struct store_key *ret, struct fail *fail) MUST_CHECK;
/*
 * Adds an account-scoped key that never expires; `prefix` is its first
 * TOKEN_PREFIX_LEN bytes, for lists.
 */
enum err store_key_create(struct db *db, struct slice user_id, struct slice name,
			  struct slice prefix, const uint8_t hash[SHA256_LEN],
			  struct fail *fail) MUST_CHECK;
/* Notes that the key was used; at most one row is written per STORE_KEY_TOUCH_S. */
enum err store_key_touch(struct db *db, struct slice id, struct fail *fail) MUST_CHECK;
/*
 * OK while the key may be used and reaches the agent of this folded address,
 * which is in local mode: what an open WebSocket needs. Else ERR_FORBIDDEN.
 */
enum err store_key_may_listen(struct db *db, struct slice key_id, struct slice address,
			      struct fail *fail) MUST_CHECK;

#endif
