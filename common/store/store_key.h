/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API keys: found by the hash of what a client presents. A key in clear text
 * never comes here (common/base/apikey.h makes them).
 */
#ifndef E2A_STORE_STORE_KEY_H
#define E2A_STORE_STORE_KEY_H

#include "common/base/apikey.h"
#include "common/store/db.h"

extern const struct db_stmt store_key_stmts[];

struct store_key {
	struct slice id;
	struct slice user_id;
	bool agent_scope;         /* reaches one agent only ... */
	struct slice agent_email; /* ... this one */
	bool touch_due;           /* last_used_at is older than STORE_KEY_TOUCH_S */
};

/* A key as lists show it. */
struct store_key_item {
	struct slice id;
	struct slice name;
	struct slice prefix;
	struct slice agent_email; /* empty: of the whole account */
	int64_t created_us;
	int64_t expires_us;   /* 0: never */
	int64_t last_used_us; /* 0: not yet */
};

/* A key to be made. */
struct store_key_new {
	struct slice user_id;
	struct slice name; /* without NUL */
	const struct apikey *key;
	struct slice agent_address; /* folded, of an agent of the user's; empty: whole account */
	int64_t lifetime_ms;        /* 0: for ever */
	int64_t most;               /* keys that the user may have; 0: any number */
};

enum { STORE_KEY_TOUCH_S = 60 };

/*
 * The key with this hash, if it may be used now. ERR_UNAUTHORIZED when there is
 * none, or it is revoked, or its expires_at has come. Texts live in the arena.
 */
enum err store_key_find(struct db *db, const uint8_t hash[SHA256_LEN], struct arena *a,
			struct store_key *ret, struct fail *fail) MUST_CHECK;
/*
 * In a transaction of the caller's. ERR_NOT_FOUND when the user has no such
 * agent; ERR_TOO_BIG when `most` keys are there that were not revoked.
 */
enum err store_key_create(struct db *db, const struct store_key_new *key, struct arena *a,
			  struct store_key_item *ret, struct fail *fail) MUST_CHECK;
/* Those that were not revoked, newest first. */
enum err store_key_list(struct db *db, struct slice user_id, struct arena *a,
			struct store_key_item **ret, size_t *ret_n, struct fail *fail) MUST_CHECK;
/* From now on it is of no use. ERR_NOT_FOUND when the user has no such key, or no longer. */
enum err store_key_revoke(struct db *db, struct slice user_id, struct slice id,
			  struct fail *fail) MUST_CHECK;
/* The same for all keys that are bound to an agent. */
enum err store_key_revoke_agent(struct db *db, struct slice user_id, struct slice email,
				struct fail *fail) MUST_CHECK;
/* Notes that the key was used; at most one row is written per STORE_KEY_TOUCH_S. */
enum err store_key_touch(struct db *db, struct slice id, struct fail *fail) MUST_CHECK;
/* OK while the key may be used, else ERR_UNAUTHORIZED. */
enum err store_key_check(struct db *db, struct slice key_id, struct fail *fail) MUST_CHECK;

#endif
